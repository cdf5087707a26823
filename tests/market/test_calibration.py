"""Calibration on bars: by hand, against scikit-learn, by simulation, and blind to the future."""

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.covariance import ledoit_wolf as reference_ledoit_wolf

from acopt.errors import DataError
from acopt.market.bars import read_bars
from acopt.market.calibration import market_from_bars
from acopt.market.estimators import abdi_ranaldo, corwin_schultz, ledoit_wolf, roll, volatility_curve
from acopt.market.grid import TimeGrid
from acopt.market.impact_models import AlmgrenEtAl2005
from acopt.market.market import Market, bps

US_EQUITIES = Path(__file__).parents[2].parent / "shared" / "data" / "us_equities"
needs_real_bars = pytest.mark.skipif(not US_EQUITIES.is_dir(), reason=f"no real bars in {US_EQUITIES}")
NEW_YORK = "America/New_York"
DAY = "2019-02-15"
SMILE = np.array([2.2, 1.5, 1.1, 0.9, 0.8, 0.7, 0.7, 0.7, 0.7, 0.8, 0.9, 1.0, 1.2])
SMILE = SMILE / np.sqrt(np.mean(SMILE**2))


def simulate(days=25, names=("A", "B", "C"), volatility=(0.01, 0.02, 0.04), correlation=0.5, seed=0, last=DAY):
    """Long frame of 30-minute bars with a volatility smile and equal correlations."""
    rng = np.random.default_rng(seed)
    count, size = len(SMILE), len(names)
    dates = pd.bdate_range(end=last, periods=days)
    root = np.linalg.cholesky(correlation + (1 - correlation) * np.eye(size))
    steps = rng.standard_normal((days, count, size)) @ root.T * SMILE[:, None] * np.array(volatility) / np.sqrt(count)
    nights = 0.01 * rng.standard_normal((days, 1, size))
    path = np.concatenate([nights, steps], axis=1).reshape(-1, size).cumsum(axis=0).reshape(days, count + 1, size)
    level = np.exp(path) * np.array([20.0, 100.0, 500.0])[:size]
    frames = []
    for at, name in enumerate(names):
        opens, closes = level[:, :-1, at].ravel(), level[:, 1:, at].ravel()
        stamps = [
            str(date + pd.Timedelta("9h30min") + k * pd.Timedelta("30min")) for date in dates for k in range(count)
        ]
        wide = 1 + 0.001 * rng.random(opens.size)
        frame = pd.DataFrame({"symbol": name, "datetime": stamps, "open": opens, "close": closes})
        frame["high"] = np.maximum(opens, closes) * wide
        frame["low"] = np.minimum(opens, closes) / wide
        frame["volume"] = np.round(rng.gamma(4.0, 1000.0 * (at + 1), opens.size))
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


FRAME = simulate()
BARS = read_bars(FRAME)
GRID = TimeGrid.session(DAY, "30min", start="10:00", end="15:30")


def matrix(market):
    """Covariance of price changes per session, from what the market hands to the costs: root root'."""
    risk = market.risk
    return risk.root @ risk.root.T + np.diag(risk.specific**2)


def fingerprint(market):
    return (
        market.price.tolist(),
        market.volume.to_numpy().tolist(),
        market.spread.tolist(),
        market.risk.root.tolist(),
        market.risk.scale.tolist(),
        market.notes,
    )


def volumes(name, first, last, days=20):
    """Mean volume between two times of day over the last sessions before DAY, from the frame itself."""
    frame = FRAME[(FRAME["symbol"] == name) & (FRAME["datetime"] < DAY)]
    clock = frame["datetime"].str[11:16]
    inside = frame[(clock >= first) & (clock < last)]
    return inside.groupby(inside["datetime"].str[:10])["volume"].sum().tail(days).mean()


class TestVolume:
    def test_mean_of_each_interval(self):
        market = market_from_bars(BARS, GRID)
        assert market.volume.shape == (11, 3)
        for name in "ABC":
            for at, label in enumerate(GRID.labels):
                end = GRID.edge_labels[at + 1]
                expected = volumes(name, f"{label:%H:%M}", f"{end:%H:%M}")
                assert market.volume.loc[label, name] == pytest.approx(expected, rel=1e-12)

    def test_intervals_of_several_bars(self):
        edges = [f"{DAY} 09:30", f"{DAY} 11:00", f"{DAY} 16:00"]
        market = market_from_bars(BARS, TimeGrid.from_timestamps(edges, tz=NEW_YORK), history=7)
        assert market.volume["B"].tolist() == pytest.approx(
            [volumes("B", "09:30", "11:00", 7), volumes("B", "11:00", "16:00", 7)], rel=1e-12
        )

    def test_nights_have_none(self):
        grid = TimeGrid.sessions("2019-02-14", DAY, "1h", overnight=0.5, start="10:00", end="15:00")
        market = market_from_bars(BARS, grid)
        assert (market.volume[grid.closed] == 0).all(axis=None)
        np.testing.assert_array_equal(market.volume.to_numpy()[:5], market.volume.to_numpy()[6:])

    def test_a_night_from_morning_to_afternoon_has_none(self):
        stamps = ["2019-02-14 09:30", "2019-02-14 10:00", f"{DAY} 15:00", f"{DAY} 16:00"]
        market = market_from_bars(BARS, TimeGrid.from_timestamps(stamps, tz=NEW_YORK, overnight=0.5))
        assert market.volume.to_numpy()[1].tolist() == [0.0, 0.0, 0.0]

    def test_coverage_is_said_and_nothing_is_scaled(self):
        per_day = FRAME.assign(date=FRAME["datetime"].str[:10]).groupby(["symbol", "date"])["volume"].sum() * 2
        daily = per_day.reset_index().rename(columns={"date": "datetime"}).assign(open=1, high=1, low=1, close=1)
        market = market_from_bars(BARS, GRID, daily=read_bars(daily))
        assert any("volume covers 50% of the daily bars" in note for note in market.notes)
        pd.testing.assert_frame_equal(market.volume, market_from_bars(BARS, GRID).volume)
        with pytest.raises(DataError, match="daily bars are accepted"):
            market_from_bars(BARS, GRID, daily=BARS)


class TestRisk:
    def test_variance_is_the_mean_realised_variance_in_price_units(self):
        market = market_from_bars(BARS, GRID)
        history = BARS.on(BARS.sessions[-21:-1])
        returns = np.log(history.close / history.open)  # a simulated bar opens where the last one closed
        realised = (returns**2).groupby(history.starts.date).sum().mean() * market.price**2
        np.testing.assert_allclose(np.diag(matrix(market)), realised, rtol=1e-9)

    def test_correlation_is_ledoit_wolf_of_standardised_even_returns(self):
        market = market_from_bars(BARS, TimeGrid.session(DAY, "30min"))
        history = BARS.on(BARS.sessions[-21:-1])
        returns = np.log(history.close / history.open).to_numpy() / np.tile(market.risk.scale[:, 0], 20)[:, None]
        returns /= np.sqrt((returns**2).mean(axis=0))
        expected, shrinkage = reference_ledoit_wolf(returns, assume_centered=True)
        sigma = np.sqrt(np.diag(matrix(market)))
        np.testing.assert_allclose(matrix(market) / np.outer(sigma, sigma), expected, atol=1e-9)
        assert f"correlation: Ledoit-Wolf shrinkage {shrinkage:.3f}" in market.notes

    def test_simulated_truth_is_found(self):
        bars = read_bars(simulate(days=252, seed=3))
        market = market_from_bars(bars, TimeGrid.session(DAY, "30min"), history=250)
        sigma = np.sqrt(np.diag(matrix(market)))
        np.testing.assert_allclose(sigma / market.price, [0.01, 0.02, 0.04], rtol=0.04)
        off = (matrix(market) / np.outer(sigma, sigma))[np.triu_indices(3, 1)]
        np.testing.assert_allclose(off, 0.5, atol=0.05)
        np.testing.assert_allclose(market.risk.scale[:, 0], SMILE, rtol=0.15)

    def test_a_whole_session_has_the_variance_of_a_session(self):
        for bar in ("30min", "6.5h"):
            grid = TimeGrid.session(DAY, bar)
            scale = market_from_bars(BARS, grid).risk.scale
            np.testing.assert_allclose(grid.durations @ scale**2, 1.0, rtol=1e-12)

    def test_a_night_weighs_the_session_time_outside_the_grid_by_the_curve(self):
        times = {"start": "10:00", "end": "15:00"}
        grid = TimeGrid.sessions("2019-02-14", DAY, "1h", overnight=0.4, **times)
        risk = market_from_bars(BARS, grid).risk.scale[:, 0] ** 2 * grid.durations
        whole = TimeGrid.session("2019-02-14", "30min")
        curve = market_from_bars(BARS, whole).risk.scale[:, 0] ** 2 * whole.durations
        np.testing.assert_allclose(risk[grid.closed], 0.4 + curve[:1].sum() + curve[-2:].sum(), rtol=1e-12)
        np.testing.assert_allclose(risk.sum(), 2.4 - curve[:1].sum() - curve[-2:].sum(), rtol=1e-12)

    def test_nights_are_not_in_the_intraday_risk(self):
        jump = FRAME.copy()
        late = jump["datetime"] >= "2019-02-05"
        jump.loc[late, ["open", "high", "low", "close"]] *= 2.0
        calm, jumped = (
            market_from_bars(BARS, GRID, price=dict.fromkeys("ABC", 1.0)),
            market_from_bars(read_bars(jump), GRID, price=dict.fromkeys("ABC", 1.0)),
        )
        np.testing.assert_allclose(matrix(jumped), matrix(calm), rtol=1e-9)

    def test_minutes_are_summed_to_15_minutes(self):
        """A bounce between bid and ask must not become volatility."""
        rng = np.random.default_rng(1)
        stamps = [
            str(d + pd.Timedelta(minutes=570 + k)) for d in pd.bdate_range(end=DAY, periods=21) for k in range(390)
        ]
        mid = 100 * np.exp(np.cumsum(0.01 / np.sqrt(390) * rng.standard_normal(len(stamps))))
        close = mid * (1 + 0.001 * rng.choice([-1, 1], len(stamps)))
        frame = pd.DataFrame({"datetime": stamps, "open": mid, "close": close, "volume": 1.0})
        frame["high"], frame["low"] = frame[["open", "close"]].max(axis=1), frame[["open", "close"]].min(axis=1)
        market = market_from_bars(read_bars({"A": frame}), TimeGrid.session(DAY, "30min"))
        # 26 bounces of variance 2e-6 a session; minutes would add 390
        assert matrix(market)[0, 0] / market.price["A"] ** 2 == pytest.approx(1e-4 + 26 * 2e-6, rel=0.15)

    def test_per_unit_time_of_the_grid(self):
        day = market_from_bars(BARS, GRID)
        hours = TimeGrid(GRID.edges * 6.5, unit="hour", timestamps=GRID.timestamps)
        hour = market_from_bars(BARS, hours)
        np.testing.assert_allclose(matrix(hour) * 6.5, matrix(day), rtol=1e-12)
        np.testing.assert_allclose(hour.risk.scale, day.risk.scale, rtol=1e-12)

    def test_order_and_choice_of_assets(self):
        market = market_from_bars(BARS, GRID, assets=["C", "A"])
        assert list(market.assets) == ["C", "A"]
        assert market.price["C"] == market_from_bars(BARS, GRID).price["C"]

    def test_missing_bars_are_no_trade(self):
        at = FRAME.index[(FRAME["symbol"] == "B") & (FRAME["datetime"] == "2019-02-12 12:00:00")]
        market = market_from_bars(read_bars(FRAME.drop(at)), GRID)
        assert "history: bars without a trade, of 260: B 1" in market.notes
        label = pd.Timestamp(f"{DAY} 12:00", tz=NEW_YORK)
        assert market.volume.loc[label, "B"] == pytest.approx(
            volumes("B", "12:00", "12:30") - FRAME.loc[at, "volume"].iloc[0] / 20
        )

    def test_a_session_that_opens_without_trade_starts_at_its_first_open(self):
        """The night's move is no intraday return, also when the first bar is missing."""
        jump = FRAME.copy()
        late = jump["datetime"] >= "2019-02-12"
        jump.loc[late, ["open", "high", "low", "close"]] *= 2.0
        gone = jump["datetime"] == "2019-02-12 09:30:00"
        market = market_from_bars(read_bars(jump[~(gone & (jump["symbol"] == "A"))]), GRID)
        assert np.sqrt(matrix(market)[0, 0]) / market.price["A"] == pytest.approx(0.01, rel=0.2)


class TestPrice:
    def at(self, symbol, stamp):
        return FRAME.loc[(FRAME["symbol"] == symbol) & (FRAME["datetime"] == stamp), "close"].iloc[0]

    def test_last_close_before_the_start(self):
        at_open = market_from_bars(BARS, TimeGrid.session(DAY, "30min"))
        assert at_open.price["A"] == self.at("A", "2019-02-14 15:30:00")  # stamps are bar starts
        later = market_from_bars(BARS, GRID)
        assert later.price["A"] == self.at("A", f"{DAY} 09:30:00")
        assert f"price: last close, of {DAY} 10:00" in later.notes

    def test_no_later_than_asof(self):
        assert market_from_bars(BARS, GRID, asof=DAY).price["A"] == self.at("A", f"{DAY} 09:30:00")
        for asof in ("2019-02-14", dt.date(2019, 2, 14)):
            assert market_from_bars(BARS, GRID, asof=asof).price["A"] == self.at("A", "2019-02-13 15:30:00")
        assert market_from_bars(BARS, GRID, asof=f"{DAY} 09:59").price["A"] == self.at("A", "2019-02-14 15:30:00")

    def test_given(self):
        market = market_from_bars(BARS, GRID, price={"C": 3.0, "B": 2.0, "A": 1.0})
        assert market.price.to_dict() == {"A": 1.0, "B": 2.0, "C": 3.0}
        assert "price: as given" in market.notes

    def test_a_close_that_was_carried_is_said_to_be_older(self):
        gone = (FRAME["symbol"] == "B") & (FRAME["datetime"] == f"{DAY} 09:30:00")
        market = market_from_bars(read_bars(FRAME[~gone]), GRID)
        assert market.price["B"] == self.at("B", "2019-02-14 15:30:00")
        assert f"price: last close, of {DAY} 10:00 (B 2019-02-14 16:00)" in market.notes

    def test_stale(self):
        grid = TimeGrid.session("2019-03-15", "30min")
        with pytest.raises(DataError, match=r"A: its last bar before .* more than 7 days"):
            market_from_bars(BARS, grid)
        market = market_from_bars(BARS, grid, price=dict.fromkeys("ABC", 1.0))
        assert "history: it ends 28 days before 2019-03-15" in market.notes


class TestNoLookAhead:
    """Every bar that ends after t_0 may change or vanish; nothing moves, to the last bit."""

    @pytest.mark.parametrize("spread", [None, "roll", "corwin-schultz", "abdi-ranaldo"])
    @pytest.mark.parametrize(
        ("start", "asof"), [("09:30", None), ("10:00", None), ("11:30", f"{DAY} 10:30"), ("10:00", "2019-02-12")]
    )
    def test_the_future_does_not_matter(self, start, asof, spread):
        grid = TimeGrid.session(DAY, "30min", start=start)
        known = pd.Timestamp(asof or f"{DAY} {start}")
        late = pd.to_datetime(FRAME["datetime"]) + pd.Timedelta("30min") > known
        assert late.any()
        rng = np.random.default_rng(5)
        changed = FRAME.copy()
        changed.loc[late, ["open", "high", "low", "close"]] *= rng.uniform(0.5, 2.0, (int(late.sum()), 1))
        changed.loc[late, "volume"] *= rng.uniform(0.0, 10.0, int(late.sum()))
        expected = fingerprint(market_from_bars(BARS, grid, asof=asof, spread=spread, history=15))
        assert fingerprint(market_from_bars(read_bars(changed), grid, asof=asof, spread=spread, history=15)) == expected
        assert (
            fingerprint(market_from_bars(read_bars(FRAME[~late]), grid, asof=asof, spread=spread, history=15))
            == expected
        )

    def test_the_past_does(self):
        past = FRAME.copy()
        past.loc[past["datetime"] == "2019-02-13 12:00:00", "volume"] += 1e6
        assert fingerprint(market_from_bars(read_bars(past), GRID)) != fingerprint(market_from_bars(BARS, GRID))

    def test_the_day_itself_is_not_in_the_history(self):
        same_day = FRAME.copy()
        morning = same_day["datetime"] == f"{DAY} 09:30:00"
        same_day.loc[morning, "volume"] *= 100
        same_day.loc[morning, "close"] *= 1.5
        same_day.loc[morning, "high"] *= 2
        market, plain = market_from_bars(read_bars(same_day), GRID), market_from_bars(BARS, GRID)
        pd.testing.assert_frame_equal(market.volume, plain.volume)
        np.testing.assert_array_equal(market.risk.scale, plain.risk.scale)
        np.testing.assert_allclose(market.price, plain.price * 1.5, rtol=1e-12)


class TestSpread:
    def test_one_tick_is_said(self):
        market = market_from_bars(BARS, GRID)
        assert market.spread.tolist() == [0.01] * 3
        assert "spread: one tick of 0.01 assumed" in market.notes

    def test_given(self):
        assert market_from_bars(BARS, GRID, spread={"C": 3.0, "B": 2.0, "A": 1.0}).spread.tolist() == [1.0, 2.0, 3.0]
        market = market_from_bars(BARS, GRID, spread=bps(2.0))
        np.testing.assert_allclose(market.spread, market.price * 2e-4)

    @pytest.mark.parametrize("name", ["corwin-schultz", "abdi-ranaldo", "roll"])
    def test_by_name(self, name):
        market = market_from_bars(BARS, GRID, spread=name)
        assert (market.spread >= 0.01).all()
        assert f"spread: {name} on the bars of the history" in market.notes

    def test_below_a_tick(self):
        cheap = FRAME.copy()
        cheap[["open", "high", "low", "close"]] /= 1000
        market = market_from_bars(read_bars(cheap), GRID, spread="roll")
        assert market.spread.tolist() == [0.01] * 3
        assert "spread: roll says less than one tick for A, B, C; one tick of 0.01 taken" in market.notes

    def test_refused(self):
        with pytest.raises(DataError, match="spread='magic'; 'corwin-schultz', 'abdi-ranaldo', 'roll'"):
            market_from_bars(BARS, GRID, spread="magic")
        with pytest.raises(DataError, match="same cents"):
            market_from_bars(BARS, GRID, spread=0.02)
        sparse = FRAME[(FRAME["symbol"] != "A") | FRAME["datetime"].str[11:16].isin(["10:00", "12:30", "13:30"])]
        with pytest.raises(DataError, match="A has too few consecutive bars"):
            market_from_bars(read_bars(sparse), GRID, spread="abdi-ranaldo")


class TestRefused:
    def test_an_index(self):
        frame = FRAME.copy()
        frame.loc[frame["symbol"] == "B", "volume"] = 0
        with pytest.raises(DataError, match="B: its volume is 0 in every bar"):
            market_from_bars(read_bars(frame), GRID)
        assert market_from_bars(read_bars(frame), GRID, assets=["A", "C"]).volume.shape == (11, 2)

    def test_a_missing_session_in_the_history(self):
        bars = read_bars(FRAME[(FRAME["symbol"] != "B") | (FRAME["datetime"].str[:10] != "2019-01-23")])
        with pytest.raises(DataError, match="B has no bars on 2019-01-23, which lies in the history of 20 sessions"):
            market_from_bars(bars, GRID)
        with pytest.raises(DataError, match="B has no bars on 2019-01-23"):
            market_from_bars(bars, GRID, assets=["B"])
        assert list(market_from_bars(bars, GRID, assets=["A", "C"]).assets) == ["A", "C"]
        assert list(market_from_bars(bars, GRID, history=15).assets) == ["A", "B", "C"]

    def test_short_sessions_are_left_out(self):
        half = (FRAME["datetime"].str[:10] == "2019-02-13") & (FRAME["datetime"].str[11:16] >= "13:00")
        market = market_from_bars(read_bars(FRAME[~half]), GRID, history=5)
        assert "history: short sessions left out: 2019-02-13" in market.notes
        assert "history: 5 sessions, 2019-02-07 to 2019-02-14" in market.notes

    def test_a_price_that_never_moves(self):
        frame = FRAME.copy()
        frame.loc[frame["symbol"] == "C", ["open", "high", "low", "close"]] = 5.0
        with pytest.raises(DataError, match="C: its price never moves"):
            market_from_bars(read_bars(frame), GRID)

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            (lambda: market_from_bars(BARS, TimeGrid.uniform(1, 13)), "no clock times"),
            (
                lambda: market_from_bars(BARS, TimeGrid.session(DAY, "15min")),
                "09:45:00-05:00 is not an edge of the 30min",
            ),
            (
                lambda: market_from_bars(BARS, TimeGrid.session(DAY, "30min", open="08:30")),
                "lasts 6h 30min, the grid's 7h",
            ),
            (lambda: market_from_bars(BARS, GRID, history=25), "have 24 full ones before 2019-02-15; .* history=24"),
            (lambda: market_from_bars(BARS, GRID, history=0), "history=0"),
            (lambda: market_from_bars(BARS, GRID, history=2.0), "history=2.0"),
            (lambda: market_from_bars(BARS, GRID, asof="2019-02-16"), "after the grid's start"),
            (lambda: market_from_bars(BARS, GRID, asof=f"{DAY} 10:01"), "after the grid's start"),
            (lambda: market_from_bars(BARS, GRID, asof="now"), "asof='now'"),
            (lambda: market_from_bars(BARS, GRID, assets=["A", "D"]), "no bars of D; there are A, B, C"),
            (lambda: market_from_bars(BARS, GRID, assets=["A", "A"]), "A appears more than once"),
            (lambda: market_from_bars(BARS, GRID, price={"A": 1.0, "B": 2.0}), "C"),
            (lambda: market_from_bars(BARS, GRID, price=dict.fromkeys("ABC", -1.0)), "price"),
        ],
    )
    def test_bad_input_is_named(self, call, message):
        with pytest.raises(DataError, match=message):
            call()

    def test_daily_bars(self):
        daily = pd.DataFrame({"datetime": ["2019-02-14"], "open": 1, "high": 1, "low": 1, "close": 1, "volume": 1})
        with pytest.raises(DataError, match="daily bars were given"):
            market_from_bars(read_bars({"A": daily}), GRID)


class TestZones:
    def test_the_grid_may_be_in_another_zone_or_none(self):
        expected = market_from_bars(BARS, GRID)
        naive = TimeGrid.from_timestamps(GRID.timestamps.tz_localize(None))
        utc = TimeGrid.from_timestamps(GRID.timestamps.tz_convert("UTC"), open="14:30", close="21:00")
        for grid in (naive, utc):
            market = market_from_bars(BARS, grid)
            np.testing.assert_array_equal(market.volume.to_numpy(), expected.volume.to_numpy())
            np.testing.assert_array_equal(market.risk.scale, expected.risk.scale)
            assert market.price.tolist() == expected.price.tolist()

    def test_through_the_market(self):
        market = Market.from_bars(BARS, GRID, history=10, impact=AlmgrenEtAl2005(at=0.1))
        assert fingerprint(market) == fingerprint(market_from_bars(BARS, GRID, history=10))


class TestEstimators:
    @pytest.mark.parametrize("shape", [(50, 5), (10, 30), (500, 3), (7, 1)])
    @pytest.mark.parametrize("centered", [True, False])
    def test_ledoit_wolf_equals_scikit_learn(self, shape, centered):
        rng = np.random.default_rng(0)
        samples = rng.standard_t(4, shape) @ rng.standard_normal((shape[1], shape[1])) + 0.3
        covariance, shrinkage = ledoit_wolf(samples, assume_centered=centered)
        expected, rho = reference_ledoit_wolf(samples, assume_centered=centered)
        np.testing.assert_allclose(covariance, expected, rtol=1e-10, atol=1e-12)
        assert shrinkage == pytest.approx(rho, abs=1e-12)

    def test_volatility_curve_finds_a_smile(self):
        rng = np.random.default_rng(0)
        curve, weight = volatility_curve(rng.standard_normal((500, 13, 2)) * SMILE[:, None] * [0.01, 0.05])
        np.testing.assert_allclose(curve, SMILE, rtol=0.08)
        assert weight > 0.95
        assert np.mean(curve**2) == pytest.approx(1.0, rel=1e-12)

    @pytest.mark.parametrize(
        ("strength", "size", "most"), [(1.0, 1, 0.7), (1.0, 10, 1.0), (0.15, 3, 0.5), (0.0, 3, 0.35)]
    )
    def test_volatility_curve_is_closer_to_the_truth_than_the_raw_one(self, strength, size, most):
        """Heavy tails, sessions of different wildness: shrinking pays, and costs nothing where the smile is strong."""
        rng = np.random.default_rng(0)
        truth = 1 + strength * (SMILE - SMILE.mean())
        truth /= np.sqrt(np.mean(truth**2))
        shrunk_error = raw_error = 0.0
        for _ in range(200):
            wild = np.exp(0.5 * rng.standard_normal((20, 1, 1)))
            returns = rng.standard_t(4, (20, 13, size)) * truth[:, None] * wild
            raw = np.sqrt((returns**2 / (returns**2).mean(axis=(0, 1))).mean(axis=(0, 2)))
            curve, _ = volatility_curve(returns)
            shrunk_error += np.sum(np.log(curve / truth) ** 2)
            raw_error += np.sum(np.log(raw / truth) ** 2)
        assert shrunk_error < most * raw_error

    def test_volatility_curve_of_noise_is_nearly_flat(self):
        rng = np.random.default_rng(0)
        raw, shrunk = [], []
        for _ in range(50):
            returns = rng.standard_normal((20, 26, 3))
            raw.append(np.sqrt((returns**2).mean(axis=(0, 2))).std())
            shrunk.append(volatility_curve(returns)[0].std())
        assert np.mean(shrunk) < 0.35 * np.mean(raw)

    def test_volatility_curve_corner_cases(self):
        rng = np.random.default_rng(0)
        one_day = volatility_curve(rng.standard_normal((1, 13, 3)))
        assert one_day[0].tolist() == [1.0] * 13
        returns = rng.standard_normal((40, 13, 1)) * SMILE[:, None]
        returns[:, 4] = 0.0
        curve, _ = volatility_curve(returns)
        assert (curve > 0).all()
        assert np.mean(curve**2) == pytest.approx(1.0)

    @staticmethod
    def bounce(spread, volatility, *, days=400, bars=26, trades=400, seed=0):
        """High, low and close of bars made of trades at half a spread from a random walk."""
        rng = np.random.default_rng(seed)
        steps = volatility / np.sqrt(trades) * rng.standard_normal((days, bars * trades))
        side = rng.choice([-1.0, 1.0], steps.shape)
        price = 50 * np.exp(np.cumsum(steps, axis=1)) * (1 + 0.5 * spread * side)
        price = price.reshape(days, bars, trades, 1)
        return price.max(axis=2), price.min(axis=2), price[:, :, -1]

    @pytest.mark.parametrize(("spread", "volatility"), [(0.01, 0.003), (0.004, 0.002)])
    def test_spread_estimators_find_a_simulated_spread(self, spread, volatility):
        high, low, close = self.bounce(spread, volatility, days=60)
        assert abdi_ranaldo(high, low, close)[0] == pytest.approx(spread, rel=0.05)
        assert roll(close)[0] == pytest.approx(spread, rel=0.08)
        # biased by few trades (ranges too narrow) and by dropping negative values: the paper's tables show as much
        assert corwin_schultz(high, low, close)[0] == pytest.approx(spread, rel=0.15)

    def test_spread_estimators_without_a_spread(self):
        high, low, close = self.bounce(0.0, 0.003, days=60)
        assert roll(close)[0] < 0.0012
        assert abdi_ranaldo(high, low, close)[0] < 0.0012
        assert corwin_schultz(high, low, close)[0] < 0.0012

    def test_corwin_schultz_by_hand(self):
        """Two bars of the same range: a closed form; and a gap between them is taken out."""
        high, low, close = (
            np.array(values).reshape(1, 2, 1) for values in ([101.0, 101.0], [100.0, 100.0], [100.5, 100.5])
        )
        square = np.log(1.01) ** 2
        width = 3 - 2 * np.sqrt(2)
        alpha = (np.sqrt(4 * square) - np.sqrt(2 * square)) / width - np.sqrt(square / width)
        expected = 2 * (np.exp(alpha) - 1) / (1 + np.exp(alpha))
        assert corwin_schultz(high, low, close)[0] == pytest.approx(expected, rel=1e-12)
        # the first bar closes at its low and the second is 10% higher: taking the gap out puts one on the other
        gap = np.array([1.0, 1.1]).reshape(1, 2, 1)
        assert corwin_schultz(high * gap, low * gap, low * gap)[0] == pytest.approx(expected, rel=1e-12)
        fall = np.array([1.0, 0.9]).reshape(1, 2, 1)
        assert corwin_schultz(high * fall, low * fall, high * fall)[0] == pytest.approx(expected, rel=1e-12)

    def test_roll_does_not_see_a_trend(self):
        _, _, close = self.bounce(0.01, 0.003, days=5)
        trend = np.exp(0.002 * np.arange(26))[:, None]
        assert roll(close * trend)[0] == pytest.approx(roll(close)[0], rel=1e-9)

    def test_spread_estimators_skip_bars_without_trade(self):
        high, low, close = self.bounce(0.01, 0.003, days=30)
        gone = np.random.default_rng(1).random(close.shape) < 0.3
        for array in (high, low, close):
            array[gone] = np.nan
        assert abdi_ranaldo(high, low, close)[0] == pytest.approx(0.01, rel=0.1)
        assert roll(close)[0] == pytest.approx(0.01, rel=0.15)
        assert corwin_schultz(high, low, close)[0] == pytest.approx(0.01, rel=0.15)


@needs_real_bars
class TestRealBars:
    def test_the_main_job(self):
        bars = read_bars(f"{US_EQUITIES}/*_15min.csv", symbol="{symbol}_15min")
        grid = TimeGrid.session(DAY, "15min", start="09:45", end="15:45")
        daily = read_bars(f"{US_EQUITIES}/*_daily.csv", symbol="{symbol}_daily")
        names = [name for name in bars.symbols if name != "VIX"]
        market = market_from_bars(bars, grid, assets=names, daily=daily, spread=bps(1.0))
        assert market.volume.shape == (24, 23)
        assert market.price["AAPL"] == 170.37  # the bar that ended at 09:45
        volatility = pd.Series(np.sqrt(np.diag(matrix(market))) / market.price, index=market.assets)
        assert volatility.between(0.003, 0.03).all()
        assert volatility["GLD"] < volatility["SPY"] < volatility["MU"]
        assert market.risk.scale[0, 0] > 1.2 > 0.8 > market.risk.scale[14:17, 0].max()
        assert any(note.startswith("volume covers 89% of the daily bars") for note in market.notes)

    def test_refused_by_name(self):
        bars = read_bars(f"{US_EQUITIES}/*_15min.csv", symbol="{symbol}_15min")
        grid = TimeGrid.session(DAY, "15min")
        with pytest.raises(DataError, match="VIX: its volume is 0"):
            market_from_bars(bars, grid)
        with pytest.raises(DataError, match="DFS has no bars on 2019-01-04"):
            market_from_bars(bars, grid, assets=["AAPL", "DFS"], history=29)

"""Replays on bars: by hand, on constant prices, by symmetry, blind to the future, and loud about what is missing."""

import datetime as dt
import statistics
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import acopt as ac
from acopt.insight.replay import BENCHMARKS, TOTAL, replay
from acopt.insight.replay_days import replay_days
from acopt.model.paths import Trajectory

US_EQUITIES = Path(__file__).parents[2].parent / "shared" / "data" / "us_equities"
needs_real_bars = pytest.mark.skipif(not US_EQUITIES.is_dir(), reason=f"no real bars in {US_EQUITIES}")

CAP_COLUMNS = ["constraint", "time", "symbol", "planned", "realised", "shares", "limit", "excess"]
DAY, NEXT = "2025-03-03", "2025-03-04"
NAMES = ("A", "B", "C")
PRICE = pd.Series({"A": 20.0, "B": 400.0, "C": 55.0})
COSTS = (ac.TemporaryImpact, ac.PermanentImpact, ac.SpreadCost)
ORDERS = {
    "sell one": {"A": 9_000.0},
    "buy one": {"A": -7_000.0},
    "both sides": {"A": 9_000.0, "B": -500.0, "C": 3_000.0},
    "buys": {"A": -9_000.0, "B": -400.0, "C": -2_500.0},
}
EDGES = {
    "even": [f"{DAY} {time}" for time in ("10:00", "10:30", "11:00", "11:30", "12:00")],
    "uneven": [f"{DAY} {time}" for time in ("09:30", "09:45", "10:45", "11:00", "14:30", "16:00")],
    "one": [f"{DAY} 10:00", f"{DAY} 10:15"],
}


def stamps(*days):
    return [f"{day} {9 + (30 + 15 * k) // 60:02d}:{(30 + 15 * k) % 60:02d}" for day in days for k in range(26)]


def random_frame(days=(DAY,), names=NAMES, seed=0):
    """Long frame of 15-minute bars that walk at random, with volume in every bar."""
    rng = np.random.default_rng(seed)
    frames = []
    for name in names:
        size = 26 * len(days)
        close = PRICE[name] * np.exp(0.004 * rng.standard_normal(size).cumsum())
        opens = np.concatenate([[PRICE[name]], close[:-1]]) * (1 + 0.001 * rng.standard_normal(size))
        frame = pd.DataFrame({"symbol": name, "datetime": stamps(*days), "open": opens, "close": close})
        frame["high"] = np.maximum(opens, close) * (1 + 0.002 * rng.random(size))
        frame["low"] = np.minimum(opens, close) * (1 - 0.002 * rng.random(size))
        frame["volume"] = np.round(rng.uniform(1e4, 9e4, size))
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def flat_frame(days=(DAY,), names=NAMES):
    frame = random_frame(days, names)
    for field in ("open", "high", "low", "close"):
        frame[field] = frame["symbol"].map(PRICE)
    return frame


def day_grid(kind="even"):
    return ac.TimeGrid.from_timestamps(EDGES[kind], tz="America/New_York")


def problem(order="both sides", kind="even", *, costs=None, rules=(), grid=None, **facts):
    """An execution problem with explicit coefficients, the expected volume different in every interval."""
    grid = grid or day_grid(kind)
    shares = pd.Series(ORDERS[order] if isinstance(order, str) else order)
    names = list(shares.index)
    rng = np.random.default_rng(5)
    volume = pd.DataFrame(rng.uniform(4e4, 9e4, (grid.periods, len(names))), index=grid.labels, columns=names)
    volume[grid.closed] = 0.0
    market = {
        "volume": volume,
        "spread": 4e-4 * PRICE[names],
        "impact": ac.ImpactCoefficients(eta=2e-7 * PRICE[names], gamma=1e-9 * PRICE[names]),
        "covariance": ac.Covariance.diagonal(0.02 * PRICE[names]),
        **facts,
    }
    return ac.ExecutionProblem(
        ac.Order(shares.clip(lower=0.0), (-shares).clip(lower=0.0)),
        ac.Market(grid, PRICE[names], **market),
        sum(cost() for cost in COSTS) if costs is None else costs,
        list(rules),
    )


def some_plan(asked, seed=1, name="plan"):
    """A plan that completes, with different fractions in every interval and asset, some against the order."""
    rng = np.random.default_rng(seed)
    share = rng.uniform(-0.3, 1.0, asked.setting.shape) * ~asked.setting.grid.closed[:, None]
    trades = -asked.setting.remaining * share / share.sum(axis=0)
    return asked.evaluate(trades, name=name)


def by_hand(frame, plan, charged=0.0):
    """Slippage by asset, currency, and the benchmarks, with loops over the frame and nothing of the code under test."""
    grid = plan.setting.grid
    edges = [f"{edge:%Y-%m-%d %H:%M}" for edge in grid.timestamps]
    out = {}
    for i, name in enumerate(plan.setting.assets):
        own = frame[frame["symbol"] == name]
        typical = (own["high"] + own["low"] + own["close"]) / 3
        inside = (own["datetime"] >= edges[0]) & (own["datetime"] < edges[-1])
        marks = {
            "arrival": PRICE[name],
            "vwap": np.average(typical[inside], weights=own["volume"][inside]),
            "twap": typical[inside].mean(),
            "close": own["close"].iloc[-1],
        }
        paid = 0.0
        shares = 0.0
        for k in range(grid.periods):
            here = (own["datetime"] >= edges[k]) & (own["datetime"] < edges[k + 1])
            u = plan.path.trades[k, i]
            paid += u * np.average(typical[here], weights=own["volume"][here])
            shares += u
        out[name] = {mark: paid - shares * price for mark, price in marks.items()}
    return pd.DataFrame(out).T + charged


# ---------------------------------------------------------------------- fills and slippage


def test_two_bars_by_hand():
    """Buy 100 and then 300 on two bars: (12+9+9)/3 = 10 and (13+10+13)/3 = 12; spread 0.10, eta tau = 0.001."""
    frame = flat_frame(names=("A",)).astype({"volume": float})
    bars = {"open": [9.0, 12.0], "high": [12.0, 13.0], "low": [9.0, 10.0], "close": [9.0, 13.0]}
    at = frame["datetime"].isin([f"{DAY} 10:00", f"{DAY} 10:15"])
    for field, values in {**bars, "volume": [1_000.0, 3_000.0]}.items():
        frame.loc[at, field] = values
    grid = ac.TimeGrid.from_timestamps([f"{DAY} 10:00", f"{DAY} 10:15", f"{DAY} 10:30"], tz="America/New_York")
    tau = 1 / 26
    market = ac.Market(
        grid, pd.Series({"A": 9.5}), spread=pd.Series({"A": 0.10}), impact=ac.ImpactCoefficients(0.001 * tau, 0.0002)
    )
    asked = ac.ExecutionProblem(ac.Order.buy({"A": 400.0}), market, sum(cost() for cost in COSTS))
    day = replay(asked.evaluate(np.array([[100.0], [300.0]])), ac.read_bars(frame))
    # temporary 0.001 * 100 = 0.10 and 0.30 a share, half spread 0.05, permanent 0.0002 * 100 = 0.02 on the second
    assert day.fills["price"].to_numpy() == pytest.approx([10.0 + 0.15, 12.0 + 0.37], rel=1e-14)
    paid = 100 * 10.15 + 300 * 12.37
    vwap, twap = (1_000 * 10 + 3_000 * 12) / 4_000, 11.0
    want = [paid - 400 * mark for mark in (9.5, vwap, twap, 20.0)]
    assert day.slippage.loc["A", list(BENCHMARKS)].to_numpy() == pytest.approx(want, rel=1e-12)
    assert day.slippage.loc["A", "impact"] == pytest.approx(100 * 0.15 + 300 * 0.37, rel=1e-12)
    assert day.table.loc["A", "arrival_bps"] == pytest.approx(1e4 * want[0] / (400 * 9.5), rel=1e-12)
    assert day.table.loc["A", "participation"] == pytest.approx(0.1, rel=1e-14)
    assert day.participation["A"].tolist() == pytest.approx([0.1, 0.1], rel=1e-14)


@pytest.mark.parametrize("kind", EDGES)
@pytest.mark.parametrize("order", ORDERS)
def test_on_constant_prices_the_slippage_is_the_closed_form_of_impact_and_spread(order, kind):
    plan = some_plan(problem(order, kind))
    names = list(plan.setting.assets)
    day = replay(plan, ac.read_bars(flat_frame()))
    tau = np.diff(day_grid(kind).timestamps) / pd.Timedelta("390min")
    for i, name in enumerate(names):
        u, x = plan.path.trades[:, i], plan.setting.remaining[i]
        eta, gamma, epsilon = 2e-7 * PRICE[name], 1e-9 * PRICE[name], 2e-4 * PRICE[name]
        cost = eta * (u**2 / tau).sum() + gamma * (x**2 - (u**2).sum()) / 2 + epsilon * np.abs(u).sum()
        assert day.slippage.loc[name].to_numpy() == pytest.approx(np.full(5, cost), rel=1e-11)
    assert day.slippage.loc[TOTAL, "arrival"] == pytest.approx(plan.expected_cost, rel=1e-11)
    assert day.table.loc[TOTAL, "arrival_bps"] == pytest.approx(plan.bps(plan.expected_cost), rel=1e-11)


@pytest.mark.parametrize("shares", [1e2, 1e5, 1e9])
def test_bps_on_constant_prices_follow_the_size(shares):
    asked = problem({"A": shares}, costs=ac.TemporaryImpact() + ac.SpreadCost())
    day = replay(ac.twap(asked), ac.read_bars(flat_frame()))
    horizon = 120 / 390
    assert day.table.loc[TOTAL, "arrival_bps"] == pytest.approx(1e4 * (2e-7 * shares / horizon + 2e-4), rel=1e-9)


@pytest.mark.parametrize("kind", EDGES)
@pytest.mark.parametrize("order", ORDERS)
def test_without_impact_slippage_is_that_of_the_bars(order, kind):
    frame = random_frame()
    plan = some_plan(problem(order, kind))
    day = replay(plan, ac.read_bars(frame), impact=None)
    want = by_hand(frame, plan)
    got = day.slippage.drop(index=TOTAL)
    notional = PRICE[want.index] * np.abs(plan.setting.remaining)
    for mark in BENCHMARKS:
        assert got[mark].to_numpy() == pytest.approx(want[mark].to_numpy(), abs=1e-12 * notional.sum())
    assert (day.charged == 0).all(axis=None)
    assert day.priced == ()


def test_impact_is_added_to_what_the_bars_say():
    frame, plan = random_frame(), some_plan(problem())
    bars = ac.read_bars(frame)
    with_impact, without = replay(plan, bars), replay(plan, bars, impact=None)
    gap = with_impact.slippage - without.slippage
    for mark in BENCHMARKS:
        assert gap[mark].to_numpy() == pytest.approx(with_impact.slippage["impact"].to_numpy(), rel=1e-9)
    assert with_impact.slippage.loc[TOTAL, "impact"] == pytest.approx(plan.expected_cost, rel=1e-12)
    passing = replay(some_plan(problem(costs=ac.TemporaryImpact() + ac.SpreadCost())), bars).fills["price"]
    worse = (passing - without.fills["price"]) * np.where(without.fills["side"] == "buy", 1, -1)
    assert (worse > 0).all()


@pytest.mark.parametrize("kind", ["even", "uneven"])
@pytest.mark.parametrize("order", ORDERS)
def test_trading_with_the_realised_volume_has_no_slippage_against_vwap(order, kind):
    bars = ac.read_bars(random_frame())
    asked = problem(order, kind)
    volume = replay(some_plan(asked), bars).volume.to_numpy()
    plan = asked.evaluate(-asked.setting.remaining * volume / volume.sum(axis=0))
    day = replay(plan, bars, impact=None)
    assert np.abs(day.table["vwap_bps"]).max() < 1e-10
    assert np.ptp(day.participation.to_numpy(), axis=0) == pytest.approx(0.0, abs=1e-14)
    assert np.abs(day.table["arrival_bps"]).min() > 0.1


def test_a_mirrored_market_mirrors_the_slippage():
    """p -> 2P - p and u -> -u: what was lost buying is lost selling."""
    frame = random_frame()
    mirrored = frame.copy()
    twice = 2 * frame["symbol"].map(PRICE)
    for field, source in {"open": "open", "close": "close", "high": "low", "low": "high"}.items():
        mirrored[field] = twice - frame[source]
    plan = some_plan(problem())
    other = problem({name: -shares for name, shares in ORDERS["both sides"].items()}).evaluate(-plan.path.trades)
    one, two = replay(plan, ac.read_bars(frame)), replay(other, ac.read_bars(mirrored))
    pd.testing.assert_frame_equal(one.slippage, two.slippage, rtol=1e-9, atol=1e-7)
    assert (one.fills["side"] != two.fills["side"]).all()


def test_assets_sum_to_the_total_and_fills_tell_the_same():
    plan = some_plan(problem())
    day = replay(plan, ac.read_bars(random_frame()))
    parts = day.slippage.drop(index=TOTAL)
    assert parts.sum().to_numpy() == pytest.approx(day.slippage.loc[TOTAL].to_numpy(), rel=1e-14)
    fills = day.fills
    assert list(fills) == ["time", "symbol", "side", "quantity", "price"]
    assert (fills["quantity"] > 0).all()
    signed = fills["quantity"] * fills["side"].map({"buy": 1.0, "sell": -1.0})
    paid = (signed * (fills["price"] - fills["symbol"].map(PRICE))).groupby(fills["symbol"]).sum()
    assert paid[parts.index].to_numpy() == pytest.approx(parts["arrival"].to_numpy(), rel=1e-9)
    table = fills.assign(signed=signed).pivot_table(index="time", columns="symbol", values="signed")
    pd.testing.assert_frame_equal(table, plan.trades, check_names=False, check_freq=False)
    assert day.table.loc[TOTAL, "max_participation"] == day.table["max_participation"].drop(TOTAL).max()
    weights = day.table["notional"].drop(TOTAL) / day.table.loc[TOTAL, "notional"]
    for name in (*BENCHMARKS, "impact"):
        bps = day.table[f"{name}_bps"]
        assert (weights * bps.drop(TOTAL)).sum() == pytest.approx(bps[TOTAL], rel=1e-12)


@pytest.mark.parametrize(("fill", "bar", "field"), [("open", 0, "open"), ("close", -1, "close")])
def test_other_fill_rules(fill, bar, field):
    frame = random_frame()
    plan = some_plan(problem())
    day = replay(plan, ac.read_bars(frame), impact=None, fill=fill)
    for name in NAMES:
        own = frame[(frame["symbol"] == name) & (frame["datetime"] >= f"{DAY} 10:30")]
        pair = own[own["datetime"] < f"{DAY} 11:00"]
        assert len(pair) == 2
        assert day.reference.loc[f"{DAY} 10:30-05:00", name] == pair[field].iloc[bar]


def test_arrival_of_the_day():
    frame = random_frame((DAY, NEXT))
    bars = ac.read_bars(frame)
    later = some_plan(problem())
    want = [frame[(frame["symbol"] == name) & (frame["datetime"] == f"{DAY} 09:45")]["close"].item() for name in NAMES]
    day = replay(later, bars, arrival="day")
    assert day.benchmarks["arrival"].tolist() == want
    assert replay(later, bars).benchmarks["arrival"].tolist() == PRICE[list(NAMES)].tolist()
    gross = np.abs(later.setting.remaining) @ np.array(want)
    assert day.table.loc[TOTAL, "notional"] == pytest.approx(gross, rel=1e-14)
    assert day.table.loc[TOTAL, "arrival_bps"] == pytest.approx(
        1e4 * day.slippage.loc[TOTAL, "arrival"] / gross, rel=1e-12
    )
    at_open = some_plan(problem(grid=ac.TimeGrid.session(NEXT, "1h", start="09:30", end="15:30")))
    opens = frame[frame["datetime"] == f"{NEXT} 09:30"].set_index("symbol")["open"]
    assert replay(at_open, bars, arrival="day").benchmarks["arrival"].tolist() == opens[list(NAMES)].tolist()


def test_what_the_day_costs_does_not_depend_on_other_days_or_symbols():
    frame = random_frame((DAY, NEXT))
    plan = some_plan(problem({"B": -500.0, "A": 9_000.0}))
    alone = frame[(frame["datetime"] < NEXT) & frame["symbol"].isin(["A", "B"])]
    one, two = replay(plan, ac.read_bars(frame)), replay(plan, ac.read_bars(alone))
    pd.testing.assert_frame_equal(one.table, two.table, check_exact=True)


def test_a_grid_without_a_zone_and_one_in_another_zone():
    bars = ac.read_bars(random_frame())
    table = replay(some_plan(problem()), bars).table
    naive = ac.TimeGrid.from_timestamps(EDGES["even"])
    london = ac.TimeGrid.from_timestamps(
        pd.DatetimeIndex(EDGES["even"], tz="America/New_York").tz_convert("Europe/London"), open="14:30", close="21:00"
    )
    for grid in (naive, london):
        pd.testing.assert_frame_equal(replay(some_plan(problem(grid=grid)), bars).table, table, rtol=1e-12)


def test_two_sessions_and_the_night_between():
    frame = random_frame((DAY, NEXT))
    grid = ac.TimeGrid.sessions(DAY, NEXT, "30min", start="15:00", end="16:00", overnight=0.5)
    plan = some_plan(problem(grid=grid))
    day = replay(plan, ac.read_bars(frame), impact=None)
    assert grid.closed.sum() == 1
    assert day.reference[grid.closed].isna().all(axis=None)
    assert (day.volume[grid.closed] == 0).all(axis=None)
    own = frame[(frame["symbol"] == "B") & (frame["datetime"].str[11:] >= "15:00")]
    typical = (own["high"] + own["low"] + own["close"]) / 3
    assert len(own) == 8
    assert day.benchmarks.loc["B", "vwap"] == pytest.approx(np.average(typical, weights=own["volume"]), rel=1e-14)
    assert day.benchmarks.loc["B", "twap"] == pytest.approx(typical.mean(), rel=1e-14)
    assert day.benchmarks.loc["B", "close"] == own["close"].iloc[-1]
    trades = plan.path.trades.copy()
    trades[grid.closed] = 1.0
    with pytest.raises(ac.ModelError, match=r"trades 1 A from 2025-03-03 16:00.*closed interval"):
        replay(problem(grid=grid).evaluate(trades), ac.read_bars(frame))


@pytest.mark.parametrize("crosses", ["open", "close", True])
def test_crosses_fill_at_the_bar_next_to_them(crosses):
    """An opening cross fills at the first open, a closing one at the last close; benchmarks are those of the bars."""
    frame = random_frame()
    grid = ac.TimeGrid.session(DAY, "30min", auctions=crosses)
    opens, closes = frame.groupby("symbol")["open"].first(), frame.groupby("symbol")["close"].last()
    costs = ac.TemporaryImpact(2e-7 * PRICE, auction=3e-8 * PRICE) + ac.SpreadCost()
    plan = some_plan(problem(grid=grid, costs=costs, rules=[ac.Participation(0.2), ac.AllowUnfilled(90.0)]))
    bars = ac.read_bars(frame)
    day = replay(plan, bars, impact=None)
    plain = replay(some_plan(problem(grid=ac.TimeGrid.session(DAY, "30min"))), bars, impact=None)
    for at, price in (("open", opens), ("close", closes)):
        mask = grid.crosses(at)
        assert mask.sum() == (crosses in (at, True))
        for fill in ("vwap", "open", "close"):
            reference = replay(plan, bars, fill=fill).reference
            assert (reference[mask] == price[list(NAMES)]).all(axis=None)
        pd.testing.assert_frame_equal(day.volume[mask], plan.setting.market.volume[mask])
    inside = ~grid.auctions
    np.testing.assert_array_equal(day.reference[inside], plain.reference)
    np.testing.assert_array_equal(day.volume[inside], plain.volume)
    pd.testing.assert_frame_equal(day.benchmarks, plain.benchmarks)
    u, charged = plan.path.trades, replay(plan, bars).charged.to_numpy()
    assert charged[~inside] == pytest.approx(3e-8 * PRICE[list(NAMES)].to_numpy() * u[~inside] ** 2, rel=1e-12)
    note = "crosses filled at the open of the bar after, or the close of the bar before; volume as planned"
    assert note in day.notes
    assert len(day.fills) == u.size


def test_a_cross_without_a_bar_next_to_it():
    times = [f"{DAY} {time}" for time in ("10:00", "10:30", "10:40", "10:40:01")]
    grid = ac.TimeGrid(
        [0.0, 0.1, 0.2, 0.2],
        closed=[False, True, False],
        auctions=[False, False, True],
        timestamps=pd.DatetimeIndex(times, tz="America/New_York"),
    )
    plan = some_plan(problem(grid=grid, costs=1e-6 * ac.TimingRisk()))
    with pytest.raises(ac.DataError, match=r"no bar of A, B, C ends at the cross of 2025-03-03 10:40:00"):
        replay(plan, ac.read_bars(random_frame()))


def test_a_cross_of_unknown_volume_has_no_participation():
    grid = ac.TimeGrid.session(DAY, "30min", auctions=True)
    plan = some_plan(problem("sell one", grid=grid, volume=None, costs=1e-6 * ac.TimingRisk()))
    day = replay(plan, ac.read_bars(random_frame()))
    assert day.participation["A"].isna().tolist() == grid.auctions.tolist()
    assert np.isnan(day.table.loc[TOTAL, ["participation", "max_participation"]].astype(float)).all()
    assert np.isfinite(day.slippage).all(axis=None)


def test_a_zero_order_costs_nothing_and_has_no_bps():
    asked = problem({"A": 0.0, "B": 500.0})
    day = replay(ac.twap(asked), ac.read_bars(random_frame()))
    assert (day.slippage.loc["A"] == 0).all()
    assert day.table.loc["A", ["arrival_bps", "impact_bps"]].isna().all()
    assert set(day.fills["symbol"]) == {"B"}
    nothing = replay(ac.twap(problem({"A": 0.0})), ac.read_bars(random_frame()))
    assert nothing.fills.empty
    assert nothing.table.loc[TOTAL, "max_participation"] == 0
    assert "nan bps" in str(nothing)


def test_what_is_left_is_not_priced_and_said():
    asked = problem("sell one", rules=[ac.AllowUnfilled(50.0)])
    trades = np.full((4, 1), -2_000.0)
    day = replay(asked.evaluate(trades), ac.read_bars(flat_frame()), impact=None)
    assert day.slippage.loc["A", "arrival"] == 0
    assert day.notes == ("left and not priced: 1,000 A",)


def test_drift_is_in_the_prices_and_not_charged_again():
    costs = sum(cost() for cost in COSTS) + ac.Alpha({"A": 0.3, "B": 1.0, "C": -0.2})
    with_drift = replay(some_plan(problem(costs=costs)), ac.read_bars(random_frame()))
    plain = replay(some_plan(problem()), ac.read_bars(random_frame()))
    pd.testing.assert_frame_equal(with_drift.slippage, plain.slippage)
    assert with_drift.priced == ("TemporaryImpact", "PermanentImpact", "SpreadCost")
    assert with_drift.notes == ("not in the fills: Alpha",)
    bare = replay(some_plan(problem(costs=1e-6 * ac.TimingRisk())), ac.read_bars(random_frame()))
    assert bare.notes == ("the plan has no impact or spread term: fills are without impact",)
    assert (bare.charged == 0).all(axis=None)


# ---------------------------------------------------------------------- volume, caps


def without_trades(frame, *times, name="A"):
    return frame[~((frame["symbol"] == name) & frame["datetime"].isin([f"{DAY} {time}" for time in times]))]


def test_an_interval_without_volume_fills_at_the_last_price_and_breaks_the_cap():
    frame = without_trades(random_frame(), "10:30", "10:45")
    asked = problem("sell one", rules=[ac.Participation(0.10)])
    day = replay(asked.evaluate(np.array([[-500.0], [-700.0], [-6_000.0], [-1_800.0]])), ac.read_bars(frame))
    last = frame[(frame["symbol"] == "A") & (frame["datetime"] == f"{DAY} 10:15")]["close"].item()
    assert day.reference["A"].iloc[1] == last
    assert day.volume["A"].iloc[1] == 0
    assert day.participation["A"].iloc[1] == np.inf
    assert day.table.loc[TOTAL, "max_participation"] == np.inf
    idle = day.caps[day.caps["time"] == pd.Timestamp(f"{DAY} 10:30", tz="America/New_York")].iloc[0]
    assert (idle["realised"], idle["shares"], idle["limit"], idle["excess"]) == (np.inf, 700.0, 0.0, 700.0)
    assert day.notes == ("trades in intervals without volume, filled at the last price: A 1",)
    untouched = replay(asked.evaluate(np.array([[-500.0], [0.0], [-700.0], [-7_800.0]])), ac.read_bars(frame))
    assert untouched.participation["A"].iloc[1] == 0
    assert untouched.notes == ()


def test_one_bar_without_volume_does_not_weigh():
    frame = without_trades(random_frame(), "10:45")
    plan = some_plan(problem("sell one"))
    bar = frame[(frame["symbol"] == "A") & (frame["datetime"] == f"{DAY} 10:30")].iloc[0]
    assert replay(plan, ac.read_bars(frame)).reference["A"].iloc[1] == pytest.approx(
        (bar["high"] + bar["low"] + bar["close"]) / 3, rel=1e-14
    )


def test_bars_with_prices_and_no_volume_fill_at_their_close():
    frame = random_frame()
    idle = (frame["symbol"] == "A") & frame["datetime"].isin([f"{DAY} 10:30", f"{DAY} 10:45"])
    frame.loc[idle, "volume"] = 0.0
    reference = replay(some_plan(problem("sell one")), ac.read_bars(frame)).reference
    assert reference["A"].iloc[1] == frame[idle]["close"].iloc[-1]


def test_no_volume_at_all_leaves_no_vwap():
    times = [f"{hour}:{minute:02d}" for hour in (10, 11) for minute in (0, 15, 30, 45)]
    day = replay(some_plan(problem()), ac.read_bars(without_trades(random_frame(), *times)))
    assert np.isnan(day.slippage.loc["A", "vwap"])
    assert np.isnan(day.slippage.loc[TOTAL, "vwap"])
    assert day.slippage.drop(columns="vwap").notna().all(axis=None)
    assert "no volume in the window, so no VWAP: A" in day.notes
    assert day.table.loc["A", "participation"] == np.inf


def test_caps_are_judged_on_the_volume_of_the_day():
    bars = ac.read_bars(random_frame())
    rules = [ac.Participation(0.02, name="cap", assets=["A", "C"], during=("10:30", None))]
    asked = problem({"A": 9_000.0, "B": -9_000.0, "C": -9_000.0}, rules=rules)
    trades = ac.vwap(asked).path.trades
    day = replay(asked.evaluate(trades), bars)
    real = day.volume.to_numpy()
    want = [
        (k, i, np.abs(trades[k, i]) - 0.02 * real[k, i])
        for k in (1, 2, 3)
        for i in (0, 2)
        if np.abs(trades[k, i]) > 0.02 * real[k, i]
    ]
    assert 0 < len(want) < 6
    assert [(asked.market.grid.labels[k], NAMES[i]) for k, i, _ in want] == list(
        zip(day.caps["time"], day.caps["symbol"], strict=True)
    )
    assert day.caps["excess"].tolist() == pytest.approx([excess for *_, excess in want], rel=1e-12)
    assert (day.caps["limit"] / day.caps["shares"] * day.caps["realised"]).tolist() == pytest.approx(
        [0.02] * len(want), rel=1e-12
    )
    assert set(day.caps["constraint"]) == {"cap"}
    assert f"cap in {len(want)} of 12 trades" in str(day)


def test_a_floor_that_is_missed_and_a_cap_that_is_met_exactly():
    bars = ac.read_bars(random_frame())
    real = replay(some_plan(problem("buy one")), bars).volume
    exact = 7_000.0 / real["A"].sum()
    capped = problem("buy one", rules=[ac.Participation(exact), ac.AllowUnfilled(50.0)])
    met = capped.evaluate((1 + 1e-12) * exact * real)
    assert replay(met, bars).caps.empty
    assert len(replay(capped.evaluate((1 + 1e-6) * exact * real), bars).caps) == 4
    assert list(replay(met, bars).caps) == CAP_COLUMNS
    rules = [ac.Participation(1.0, minimum=0.5 * exact)]
    floor = replay(problem("buy one", rules=rules).evaluate(exact * real * np.array([[0.1], [1], [1], [1]])), bars)
    assert floor.caps["time"].tolist() == [real.index[0]]
    assert floor.caps["limit"].item() == pytest.approx(0.5 * exact * real["A"].iloc[0], rel=1e-12)
    assert floor.caps["excess"].item() == pytest.approx(0.4 * exact * real["A"].iloc[0], rel=1e-12)


def test_history_is_filled_but_not_judged():
    asked = problem("sell one", rules=[ac.Participation(0.001), ac.AllowUnfilled(50.0)])
    whole = asked.evaluate(np.full((4, 1), -2_250.0))
    later = replace(whole.setting, past=whole.path.trades[:2])
    plan = ac.Schedule(Trajectory(later, whole.path.trades), whole.pricing)
    bars = ac.read_bars(random_frame())
    assert replay(whole, bars).caps["time"].tolist() == asked.market.grid.labels.tolist()
    assert replay(plan, bars).caps["time"].tolist() == asked.market.grid.labels[2:].tolist()
    pd.testing.assert_frame_equal(replay(plan, bars).fills, replay(whole, bars).fills)


def test_a_plan_where_no_volume_was_expected_has_no_model_impact():
    grid = day_grid()
    volume = pd.Series([5e4, 0.0, 5e4, 5e4], index=grid.labels)
    asked = problem("sell one", volume=volume, impact=ac.LinearImpact(5.0))
    plan = asked.evaluate(np.full((4, 1), -2_250.0))
    bars = ac.read_bars(random_frame())
    with pytest.raises(ac.ModelError, match=r"trades -2,250 A from 2025-03-03 10:30.*expects no volume.*impact=None"):
        replay(plan, bars)
    assert np.isfinite(replay(plan, bars, impact=None).slippage).all(axis=None)


# ---------------------------------------------------------------------- what is refused


def test_bars_that_do_not_cover_the_plan_are_refused_by_name():
    plan = some_plan(problem())
    frame = random_frame((DAY, NEXT))
    later = frame[frame["datetime"] >= NEXT]
    with pytest.raises(ac.DataError, match=r"2025-03-03 10:00 to 10:30 has no bars of A, B, C: no session of that"):
        replay(plan, ac.read_bars(later))
    one_lost = frame[(frame["symbol"] != "B") | (frame["datetime"] >= NEXT)]
    with pytest.raises(ac.DataError, match=r"B has no bar from 2025-03-03 10:00 to 10:15: it misses that whole"):
        replay(plan, ac.read_bars(one_lost))
    both = ac.TimeGrid.sessions(DAY, NEXT, "30min", overnight=0.5)
    second_lost = frame[(frame["symbol"] != "B") | (frame["datetime"] < NEXT)]
    with pytest.raises(ac.DataError, match=r"B has no bar from 2025-03-04 09:30 to 09:45: it misses that whole"):
        replay(some_plan(problem(grid=both)), ac.read_bars(second_lost))
    half = frame[(frame["datetime"] >= NEXT) | (frame["datetime"] < f"{DAY} 11:00")]
    with pytest.raises(ac.DataError, match=r"2025-03-03 11:00 to 11:30 has no.*session of that date ends at 11:00"):
        replay(plan, ac.read_bars(half))
    late = without_trades(frame, "09:30", "09:45", "10:00", name="C")
    with pytest.raises(ac.DataError, match=r"C has no price from 2025-03-03 10:00 to 10:15: it has not traded before"):
        replay(plan, ac.read_bars(late))
    with pytest.raises(ac.DataError, match="no bars of C"):
        replay(plan, ac.read_bars(frame[frame["symbol"] != "C"]))


def test_grids_that_bars_cannot_fill_are_refused():
    bars = ac.read_bars(random_frame())
    for edges, off in ((("10:00", "10:05", "10:15"), "10:05"), (("10:07", "10:22"), "10:07")):
        grid = ac.TimeGrid.from_timestamps([f"{DAY} {edge}" for edge in edges], tz="America/New_York")
        with pytest.raises(ac.DataError, match=f"edge 2025-03-03 {off}:00.*not an edge of the 15min bars"):
            replay(some_plan(problem(grid=grid)), bars)
    with pytest.raises(ac.DataError, match="no clock times"):
        replay(some_plan(problem(grid=ac.TimeGrid.uniform(1.0, 3))), bars)
    daily = random_frame()[lambda f: f["datetime"].str.endswith("10:00")].assign(datetime=DAY)
    with pytest.raises(ac.DataError, match="daily bars were given"):
        replay(some_plan(problem()), ac.read_bars(daily))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"impact": "linear"}, "impact='linear': accepted are 'model', None"),
        ({"fill": "mid"}, "fill='mid': accepted are 'vwap', 'open', 'close'"),
        ({"arrival": "open"}, "arrival='open': accepted are 'plan', 'day'"),
    ],
)
def test_unknown_options(change, message):
    with pytest.raises(ac.DataError, match=message):
        replay(some_plan(problem()), ac.read_bars(random_frame()), **change)


def test_what_is_not_a_plan_or_bars():
    plan, bars = some_plan(problem()), ac.read_bars(random_frame())
    with pytest.raises(ac.DataError, match="DataFrame was given, a Schedule"):
        replay(plan.trades, bars)
    with pytest.raises(ac.DataError, match="DataFrame was given, Bars are"):
        replay(plan, random_frame())


def test_a_plan_replays_itself():
    plan, bars = some_plan(problem()), ac.read_bars(random_frame())
    own = plan.replay(bars, impact=None, fill="close", arrival="day")
    pd.testing.assert_frame_equal(own.table, replay(plan, bars, impact=None, fill="close", arrival="day").table)
    pd.testing.assert_frame_equal(plan.replay(bars).table, replay(plan, bars).table)


def test_words():
    day = replay(ac.immediate(problem(rules=[ac.Participation(0.04)])), ac.read_bars(random_frame()))
    text = str(day)
    for name in BENCHMARKS:
        assert f"{day.table.loc[TOTAL, f'{name}_bps']:.2f} bps" in text
    assert "immediate replayed, 2025-03-03 10:00 to 2025-03-03 12:00" in text
    assert "with TemporaryImpact, PermanentImpact, SpreadCost" in text
    worst = day.caps.loc[day.caps["excess"].idxmax()]
    assert f"{worst['symbol']} from {worst['time']:%H:%M}" in text
    assert repr(day).startswith("Replay('immediate', 2025-03-03; bps against arrival ")


# ---------------------------------------------------------------------- many days

DAYS = [str(date.date()) for date in pd.bdate_range("2025-03-03", periods=9)]


def maker(bars, history=4):
    """Make three plans a day, on what the bars before it say."""

    def make(date):
        grid = ac.TimeGrid.session(date, "30min")
        market = ac.Market.from_bars(
            bars, grid, assets=NAMES, history=history, spread=ac.bps(1.0), impact=ac.AlmgrenEtAl2005()
        )
        order = ac.Order.sell({"A": 9_000.0, "C": 4_000.0}) + ac.Order.buy({"B": 700.0})
        costs = sum(cost() for cost in COSTS) + ac.TimingRisk()
        asked = ac.ExecutionProblem(order, market, costs, [ac.Participation(0.02)])
        return {"plan": asked.solve_for(risk_price=0.3), "twap": ac.twap(asked), "vwap": ac.vwap(asked)}

    return make


@pytest.fixture(scope="module")
def study():
    bars = ac.read_bars(random_frame(DAYS))
    return bars, replay_days(bars, DAYS[4:], maker(bars))


def test_a_study_holds_the_replays_of_single_days(study):
    bars, days = study
    assert days.dates == [dt.date.fromisoformat(day) for day in DAYS[4:]]
    assert days.plans == ["plan", "twap", "vwap"]
    for day in days.dates:
        for name, plan in maker(bars)(day).items():
            single = replay(plan, bars)
            pd.testing.assert_frame_equal(days.replays[day, name].table, single.table, rtol=1e-9)
            rows = days.table[(days.table["date"] == day) & (days.table["plan"] == name)]
            assert rows["symbol"].tolist() == list(plan.setting.assets)
            whole = days.days[(days.days["date"] == day) & (days.days["plan"] == name)]
            assert whole["arrival_bps"].item() == pytest.approx(single.table.loc[TOTAL, "arrival_bps"], rel=1e-9)
            assert whole["caps_broken"].item() == len(single.caps)
    assert len(days.table) == 5 * 3 * 3
    assert len(days.days) == 5 * 3


def test_options_reach_every_replay(study):
    bars, _ = study
    options = {"impact": None, "fill": "close", "arrival": "day"}
    day = replay_days(bars, DAYS[-1:], lambda date: maker(bars)(date)["twap"], **options)
    single = replay(maker(bars)(day.dates[0])["twap"], bars, **options)
    (own,) = day.replays.values()
    pd.testing.assert_frame_equal(own.table, single.table)


def test_means_standard_errors_and_pairs(study):
    _, days = study
    column = {
        (name, mark): [days.replays[day, name].table.loc[TOTAL, f"{mark}_bps"] for day in days.dates]
        for name in days.plans
        for mark in (*BENCHMARKS, "impact")
    }
    for at, values in column.items():
        row = days.summary.loc[at]
        assert row["mean"] == pytest.approx(statistics.mean(values), rel=1e-10)
        assert row["standard_error"] == pytest.approx(statistics.stdev(values) / len(values) ** 0.5, rel=1e-10)
        assert row["n"] == 5
    paired = days.against("twap")
    assert list(paired.index) == [("plan", "arrival"), ("plan", "impact"), ("vwap", "arrival"), ("vwap", "impact")]
    for (name, mark), row in paired.iterrows():
        gaps = [a - b for a, b in zip(column[name, mark], column["twap", mark], strict=True)]
        assert row["mean"] == pytest.approx(statistics.mean(gaps), rel=1e-8)
        assert row["standard_error"] == pytest.approx(statistics.stdev(gaps) / len(gaps) ** 0.5, rel=1e-8)
        for other in BENCHMARKS:  # all plans complete, so the benchmark drops out of the difference
            same = [a - b for a, b in zip(column[name, other], column["twap", other], strict=True)]
            assert mark == "impact" or same == pytest.approx(gaps, rel=1e-6, abs=1e-9)
    with pytest.raises(ac.DataError, match="against\\('close'\\): the study has 'plan', 'twap', 'vwap'"):
        days.against("close")


def test_a_study_in_words(study):
    _, days = study
    text = str(days)
    assert "5 days, 2025-03-07 to 2025-03-13" in text
    row = days.summary.loc[("twap", "arrival")]
    assert f"{row['mean']:.2f} ± {row['standard_error']:.2f}" in text
    assert repr(days) == "ReplayStudy(plan, twap, vwap; 5 days)"


def test_plans_are_blind_to_the_day_that_they_are_replayed_on():
    """Shuffle the bars of the day: the plans stay, bit by bit, and the replay does not."""
    frame = random_frame(DAYS)
    shuffled = frame.copy()
    rng = np.random.default_rng(8)
    for name in NAMES:
        rows = frame.index[(frame["symbol"] == name) & frame["datetime"].str.startswith(DAYS[-1])]
        fields = ["open", "high", "low", "close", "volume"]
        shuffled.loc[rows, fields] = frame.loc[rng.permutation(rows), fields].to_numpy()
    studies = [replay_days(bars, [DAYS[-1]], maker(bars), impact=None) for bars in map(ac.read_bars, (frame, shuffled))]
    one, two = studies
    for at, day in one.replays.items():
        other = two.replays[at]
        np.testing.assert_array_equal(day.plan.path.trades, other.plan.path.trades)
        assert abs(day.table.loc[TOTAL, "arrival_bps"] - other.table.loc[TOTAL, "arrival_bps"]) > 0.01
        assert abs(day.table.loc[TOTAL, "twap_bps"] - other.table.loc[TOTAL, "twap_bps"]) > 0.01


def test_one_plan_and_one_day():
    bars = ac.read_bars(random_frame(DAYS))
    only = replay_days(bars, [DAYS[-1]], lambda date: maker(bars)(date)["twap"])
    assert only.plans == ["twap"]
    assert only.summary["standard_error"].isna().all()
    assert (only.summary["n"] == 1).all()
    assert "1 day, " in str(only)
    with pytest.raises(ac.DataError, match="one of several is accepted"):
        only.against("twap")


def test_a_vwap_that_does_not_exist_is_not_averaged_away():
    frame = random_frame(DAYS)
    frame.loc[(frame["symbol"] == "A") & frame["datetime"].str.startswith(DAYS[-1]), "volume"] = 0
    bars = ac.read_bars(frame)
    summary = replay_days(bars, DAYS[-2:], lambda date: maker(bars)(date)["twap"]).summary.loc["twap"]
    assert np.isnan(summary.loc["vwap", "mean"])
    assert np.isfinite(summary.drop(index="vwap")).all(axis=None)


def test_days_with_problems_are_named_and_not_dropped():
    frame = random_frame(DAYS)
    lost = frame[(frame["symbol"] != "B") | ~frame["datetime"].str.startswith(DAYS[-1])]
    bars = ac.read_bars(lost)
    with pytest.raises(ac.DataError, match=r"replay_days, 2025-03-13, plan 'plan': replay: B has no bar"):
        replay_days(bars, DAYS[-3:], maker(bars))
    earlier = frame[(frame["symbol"] != "B") | ~frame["datetime"].str.startswith(DAYS[-2])]
    bars = ac.read_bars(earlier)
    with pytest.raises(ac.DataError, match=r"replay_days, 2025-03-13: B has no bars on 2025-03-12"):
        replay_days(bars, DAYS[-1:], maker(bars))
    whole = ac.read_bars(frame)
    with pytest.raises(ac.DataError, match=r"replay_days, 2025-03-04: .*history=4 sessions"):
        replay_days(whole, DAYS[1:], maker(whole))

    def crowded(date):
        problem("sell one", rules=[ac.Participation(1e-6)])

    with pytest.raises(ac.InfeasibleError, match="replay_days, 2025-03-03: "):
        replay_days(whole, [DAY], crowded)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda date: None, "make returned NoneType"),
        (lambda date: {}, "make returned dict"),
        (lambda date: {"a": "twap"}, "make returned str for 'a'"),
        (lambda date: some_plan(problem(grid=ac.TimeGrid.uniform(1.0, 2))), "'plan' has no clock times"),
        (lambda date: some_plan(problem()), "2025-03-04: the grid of the plan 'plan' starts on 2025-03-03"),
        (
            lambda date: some_plan(problem(grid=ac.TimeGrid.session(date, "1h", end="15:30")), name=f"of {date}"),
            "called of 2025-03-04, on 2025-03-03 of 2025-03-03",
        ),
    ],
)
def test_what_make_may_return(made, message):
    bars = ac.read_bars(random_frame((DAY, NEXT)))
    with pytest.raises(ac.DataError, match=message):
        replay_days(bars, [DAY, NEXT], made)


@pytest.mark.parametrize(
    ("dates", "message"),
    [
        ([], "there are none"),
        ([DAY, DAY], "2025-03-03 appears more than once"),
        (DAY, "a list of dates is expected"),
        (["yesterday"], "'yesterday' is not a date"),
    ],
)
def test_dates_that_are_refused(dates, message):
    with pytest.raises(ac.DataError, match=message):
        replay_days(ac.read_bars(random_frame()), dates, lambda date: some_plan(problem()))


# ---------------------------------------------------------------------- the real bars


@needs_real_bars
def test_twenty_days_of_ten_real_names_in_one_call():
    names = ["AAPL", "AMZN", "BAC", "BK", "JPM", "MSFT", "MU", "SBUX", "TSLA", "V"]
    bars = ac.read_bars(US_EQUITIES / "*_15min.csv", symbol="{symbol}_15min").select(names)
    sides = dict(zip(names, ["sell", "buy"] * 5, strict=True))

    def make(date):
        grid = ac.TimeGrid.session(date, "30min", start="10:00", end="15:30")
        market = ac.Market.from_bars(bars, grid, history=5, spread=ac.bps(1.0), impact=ac.AlmgrenEtAl2005())
        shares = 0.02 * market.daily_volume
        order = ac.Order.from_frame(pd.DataFrame({"symbol": names, "side": sides.values(), "quantity": shares}))
        asked = ac.ExecutionProblem(order, market, sum(cost() for cost in COSTS))
        return {"twap": ac.twap(asked), "vwap": ac.vwap(asked)}

    days = replay_days(bars, bars.sessions[-20:], make)
    assert days.table.groupby("plan").size().tolist() == [200, 200]
    assert days.table.notna().all(axis=None)
    assert (days.summary["n"] == 20).all()
    spread = days.summary.xs("vwap", level="benchmark")["standard_error"]
    assert (spread < days.summary.xs("arrival", level="benchmark")["standard_error"]).all()


@needs_real_bars
def test_the_lost_session_of_the_real_bars_is_an_error():
    bars = ac.read_bars([US_EQUITIES / f"{name}_15min.csv" for name in ("DFS", "JPM")], symbol="{symbol}_15min")
    lost = dt.date.fromisoformat(bars.report().loc["DFS", "missing_dates"])
    grid = ac.TimeGrid.session(lost, "30min")
    market = ac.Market(grid, pd.Series({"JPM": 100.0, "DFS": 70.0}))
    asked = ac.ExecutionProblem(
        ac.Order.sell({"JPM": 1e3, "DFS": 1e3}), market, ac.TemporaryImpact({"JPM": 1e-7, "DFS": 1e-7})
    )
    with pytest.raises(ac.DataError, match=f"{lost}, plan 'twap': replay: DFS has no bar from {lost} 09:30"):
        replay_days(bars, [lost], lambda date: ac.twap(asked))

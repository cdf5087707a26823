"""Calibration on grids with auctions: their volume is stated, their volatility is nothing, the rest is as without."""

import numpy as np
import pandas as pd
import pytest

import acopt as ac

DAY, NEW_YORK = "2019-02-15", "America/New_York"
OPEN, CLOSE = 0.02, 0.08


def long_frame(days=12, names=("A", "B"), seed=4):
    """30-minute bars of random prices and volumes."""
    rng = np.random.default_rng(seed)
    rows = []
    for at, name in enumerate(names):
        price = 20.0 * (at + 1)
        for date in pd.bdate_range(end=DAY, periods=days):
            for k in range(13):
                close = price * np.exp(0.004 * rng.standard_normal())
                stamp = str(date + pd.Timedelta("9h30min") + k * pd.Timedelta("30min"))
                high, low = max(price, close) * 1.001, min(price, close) * 0.999
                rows.append((name, stamp, price, high, low, close, rng.integers(1000, 9000)))
                price = close
    return pd.DataFrame(rows, columns=["symbol", "datetime", "open", "high", "low", "close", "volume"])


FRAME = long_frame()
BARS = ac.read_bars(FRAME)


def calibrated(grid, **changes):
    return ac.Market.from_bars(BARS, grid, history=8, **changes)


def grid(**changes):
    return ac.TimeGrid.session(DAY, "30min", **{"auctions": True, **changes})


def daily_mean():
    """Mean volume of the eight sessions before, from the table."""
    table = FRAME.assign(day=FRAME["datetime"].str[:10])
    days = sorted(table["day"].unique())
    return table[table["day"].isin(days[-9:-1])].groupby("symbol")["volume"].sum() / 8


class TestVolume:
    def test_stated_by_cross(self):
        market = calibrated(grid(), auction_volume={"open": OPEN, "close": CLOSE})
        np.testing.assert_allclose(market.volume.iloc[0], OPEN * daily_mean(), rtol=1e-12)
        np.testing.assert_allclose(market.volume.iloc[-1], CLOSE * daily_mean(), rtol=1e-12)

    def test_one_number_for_all(self):
        market = calibrated(grid(), auction_volume=0.05)
        np.testing.assert_allclose(market.volume.iloc[[0, -1]], 0.05 * daily_mean().to_numpy()[None, :].repeat(2, 0))

    def test_zero_is_a_number(self):
        market = calibrated(grid(auctions="close"), auction_volume={"close": 0})
        np.testing.assert_array_equal(market.volume.iloc[-1], 0.0)

    def test_every_day(self):
        days = ac.TimeGrid.sessions("2019-02-14", DAY, "30min", overnight=0.5, auctions=True)
        market = ac.Market.from_bars(BARS, days, history=7, auction_volume={"open": OPEN, "close": CLOSE})
        np.testing.assert_array_equal(market.volume.iloc[0], market.volume.iloc[16])
        np.testing.assert_array_equal(market.volume.iloc[14], market.volume.iloc[30])
        np.testing.assert_array_equal(market.volume.iloc[15], 0.0)

    def test_the_note(self):
        notes = calibrated(grid(), auction_volume={"open": OPEN, "close": CLOSE}).notes
        assert "auction volume: open 0.02, close 0.08 of the mean intraday volume, as stated" in notes
        assert not any("auction" in note for note in calibrated(grid(auctions=False)).notes)

    def test_without_auctions_there_is_nothing_to_say_it_of(self):
        plain = calibrated(grid(auctions=False))
        said = calibrated(grid(auctions=False), auction_volume={"open": OPEN, "close": CLOSE})
        assert said.volume.equals(plain.volume)
        assert said.notes == plain.notes

    @pytest.mark.parametrize(
        ("stated", "message"),
        [
            (None, "bars carry no auction volume; state auction_volume="),
            ({"open": 0.02}, "does not say the volume of the cross at 2019-02-15 16:00:00"),
            ({"close": 0.02}, "cross at 2019-02-15 09:29:59"),
            ({"open": 0.02, "close": -0.1}, "'close' is -0.1"),
            ({"open": 0.02, "closing": 0.1}, "'closing' is 0.1"),
            ({"open": 0.02, "close": np.nan}, "'close' is nan"),
            ({"each cross": 0.02}, "'each cross' is 0.02"),
            (-0.1, "-0.1"),
            ("all", "'all'"),
            (True, "True"),
        ],
    )
    def test_refused(self, stated, message):
        with pytest.raises(ac.DataError, match=message):
            calibrated(grid(), auction_volume=stated)


class TestTheRestIsAsWithout:
    @pytest.mark.parametrize("window", [{}, {"start": "10:00"}, {"end": "15:30"}])
    def test_continuous_intervals(self, window):
        crossed, plain = grid(**window), grid(auctions=False, **window)
        market = calibrated(crossed, auction_volume=0.05)
        other = calibrated(plain)
        rows = ~crossed.auctions
        assert market.volume[rows].equals(other.volume)
        assert market.price.equals(other.price)
        x = np.random.default_rng(0).normal(size=(plain.periods, 2))
        wide = np.zeros((crossed.periods, 2))
        wide[rows] = x
        np.testing.assert_array_equal(market.risk.apply(wide)[rows], other.risk.apply(x))

    def test_nights(self):
        facts = {"overnight": 0.4, "start": "09:30", "end": "15:30"}
        crossed = ac.TimeGrid.sessions("2019-02-14", DAY, "30min", auctions=True, **facts)
        plain = ac.TimeGrid.sessions("2019-02-14", DAY, "30min", **facts)
        one = ac.Market.from_bars(BARS, crossed, history=7, auction_volume=0.1)
        two = ac.Market.from_bars(BARS, plain, history=7)
        ones = np.ones((crossed.periods, 2))
        np.testing.assert_array_equal(one.risk.apply(ones)[~crossed.auctions], two.risk.apply(ones[: plain.periods]))

    def test_risk_in_a_cross_is_finite_and_counts_for_nothing(self):
        market = calibrated(grid(), auction_volume=0.05)
        spread_out = market.risk.apply(np.ones((15, 2)))
        assert np.isfinite(spread_out).all()
        np.testing.assert_array_equal((market.grid.durations[:, None] * spread_out)[[0, -1]], 0.0)
        np.testing.assert_allclose(market.daily_volatility, calibrated(grid(auctions=False)).daily_volatility)

    def test_what_may_be_known(self):
        for asof in ("2019-02-15", "2019-02-15 09:30", None):
            market = calibrated(grid(), auction_volume=0.05, asof=asof)
            assert market.price.equals(calibrated(grid(auctions=False)).price)
        cut = ac.Market.from_bars(
            BARS.before(pd.Timestamp("2019-02-15 09:30", tz=NEW_YORK)), grid(), history=8, auction_volume=0.05
        )
        assert cut.volume.equals(calibrated(grid(), auction_volume=0.05).volume)

    def test_a_half_day(self):
        half = ac.TimeGrid.session("2019-07-03", "30min", calendar="XNYS", auctions=True)
        market = calibrated(half, auction_volume={"open": OPEN, "close": CLOSE}, price={"A": 20.0, "B": 40.0})
        assert any(note.startswith("2019-07-03 closes early: its hours are") for note in market.notes)
        table = FRAME.assign(day=FRAME["datetime"].str[:10], time=FRAME["datetime"].str[11:16])
        table = table[table["day"].isin(sorted(table["day"].unique())[-8:])]
        at_noon = table[table["time"] == "12:00"].groupby("symbol")["volume"].mean()
        whole = table.groupby("symbol")["volume"].sum() / 8
        assert market.volume.shape == (9, 2)
        np.testing.assert_allclose(market.volume.loc[pd.Timestamp("2019-07-03 12:00", tz=NEW_YORK)], at_noon)
        np.testing.assert_allclose(market.volume.loc[pd.Timestamp("2019-07-03 13:00", tz=NEW_YORK)], CLOSE * whole)

    def test_a_break_is_refused(self):
        midday = ac.TimeGrid.session("2019-07-03", "30min", calendar="XTKS", lunch=0.1)
        with pytest.raises(ac.DataError, match="break within a session"):
            calibrated(midday)


class TestDailyVolume:
    def test_a_day_and_its_crosses(self):
        market = calibrated(grid(), auction_volume={"open": OPEN, "close": CLOSE})
        np.testing.assert_allclose(market.daily_volume, (1 + OPEN + CLOSE) * daily_mean(), rtol=1e-12)

    def test_a_part_of_a_day(self):
        volume = pd.DataFrame({"A": [10.0] * 12 + [40.0]}, index=grid(start="10:00").labels)
        market = ac.Market(grid(start="10:00"), {"A": 10.0}, volume=volume)
        np.testing.assert_allclose(market.daily_volume, 130.0 + 40.0, rtol=1e-12)

    def test_two_days(self):
        days = ac.TimeGrid.sessions("2019-02-14", DAY, "30min", overnight=0.5, auctions=True)
        volume = pd.Series(np.where(days.auctions, 50.0, 10.0), index=days.labels)
        market = ac.Market(days, {"A": 10.0}, volume=volume)
        np.testing.assert_allclose(market.daily_volume, 130.0 + 100.0, rtol=1e-12)

    def test_volatility_is_that_of_the_open_time(self):
        market = ac.Market(grid(), {"A": 10.0, "B": 20.0}, covariance=[[0.09, 0.0], [0.0, 0.25]])
        np.testing.assert_allclose(market.daily_volatility, [0.3, 0.5], rtol=1e-12)

"""Benchmark paths from their formulas, one interval at a time; what they need, and what they follow."""

import re
from dataclasses import replace

import builders
import numpy as np
import pandas as pd
import pytest

import acopt as ac
from acopt.insight.strategies import twap, vwap
from acopt.model.benchmarks import TWAP, VWAP, Close

ROUNDED = 1e-14  # of the order
TAU = np.diff(builders.EDGES["uneven"])
NAMES = [*builders.NAMES]


def asked(kind="both sides", at="uneven", rules=(), **changes):
    market = builders.market(at, [*builders.ORDERS[kind]], **changes)
    return ac.ExecutionProblem(builders.order(kind), market, ac.TemporaryImpact(), rules)


def by_hand(setting, weights, first, last):
    """b_k: all before the window, what the weights of the window leave inside it, nothing after."""
    path = np.empty((setting.shape[0] + 1, setting.shape[1]))
    for i, x in enumerate(setting.remaining):
        for k in range(len(path)):
            worked = sum(weights[j][i] for j in range(first, min(k, last)))
            path[k, i] = x * (1.0 - worked / sum(weights[j][i] for j in range(first, last)))
    return path


@pytest.mark.parametrize("kind", ["sell one", "buy one", "both sides", "buy many", "nothing"])
@pytest.mark.parametrize(("start", "end", "rows"), [(None, None, (0, 5)), (0.1, 0.85, (1, 4)), (None, 0.4, (0, 3))])
def test_paths_by_hand(kind, start, end, rows):
    setting = asked(kind).setting
    volume = setting.market.volume.to_numpy()
    for benchmark, weights in (
        (TWAP(start, end), np.broadcast_to(TAU[:, None], setting.shape)),
        (VWAP(start, end), volume),
    ):
        found = benchmark.path(setting)
        np.testing.assert_allclose(found, by_hand(setting, weights, *rows), rtol=0, atol=ROUNDED * 9_000)
        assert (found[: rows[0] + 1] == setting.remaining).all()  # exact before the window, and after it
        assert (found[rows[1] :] == 0.0).all()
        assert not np.signbit(found[-1]).any()
        np.testing.assert_allclose(np.diff(found, axis=0), benchmark.trades(setting), rtol=0, atol=ROUNDED * 9_000)


def test_close_is_everything_at_the_last_edge():
    setting = asked().setting
    path = Close().path(setting)
    assert (path[:-1] == [9_000.0, -500.0, 3_000.0]).all()
    assert (path[-1] == 0.0).all()
    np.testing.assert_array_equal(Close().trades(setting)[-1], [-9_000.0, 500.0, -3_000.0])


def test_one_interval_makes_them_all_the_same():
    setting = asked(at="single").setting
    for benchmark in (TWAP(), VWAP(), Close()):
        np.testing.assert_array_equal(benchmark.path(setting), [[9_000.0, -500.0, 3_000.0], [0.0, 0.0, 0.0]])


def test_the_strategies_are_the_benchmarks():
    problem = asked()
    np.testing.assert_array_equal(twap(problem, 0.1, 0.4).path.trades, TWAP(0.1, 0.4).trades(problem.setting))
    np.testing.assert_array_equal(vwap(problem, end=0.85).path.trades, VWAP(end=0.85).trades(problem.setting))


@pytest.mark.parametrize("shares", [1e2, 1e9])
def test_in_proportion_at_any_size(shares):
    market = builders.market("uneven", ["A"])
    setting = ac.ExecutionProblem(ac.Order.buy({"A": shares}), market, ac.TemporaryImpact()).setting
    volume = market.volume["A"].to_numpy()
    left = 1 - np.cumsum(volume) / volume.sum()
    np.testing.assert_allclose(VWAP().path(setting)[1:, 0], -shares * left, rtol=0, atol=ROUNDED * shares)


class TestWhereNothingTrades:
    def test_nights_and_halts_are_left_out(self):
        grid = ac.TimeGrid([0.0, 1.0, 1.5, 2.5], closed=[False, True, False])
        volume = pd.DataFrame({"A": [10.0, 0.0, 30.0], "B": [0.0, 0.0, 5.0]}, index=grid.labels)
        market = ac.Market(grid, {"A": 10.0, "B": 20.0}, volume=volume)
        order = ac.Order.sell({"A": 8.0, "B": 4.0})
        setting = ac.ExecutionProblem(order, market, ac.TemporaryImpact({"A": 1.0, "B": 1.0})).setting
        np.testing.assert_array_equal(VWAP().path(setting), [[8, 4], [6, 4], [6, 4], [0, 0]])
        np.testing.assert_array_equal(TWAP().path(setting), [[8, 4], [4, 4], [4, 4], [0, 0]])

    def test_an_order_that_cannot_trade_in_the_window_is_refused(self):
        volume = pd.DataFrame(1e5, index=builders.grid("uneven").labels, columns=NAMES)
        volume.iloc[:2, 1] = volume.iloc[-1, 2] = 0.0
        for benchmark, asset in ((TWAP(end=0.35), "B"), (VWAP(0.0, 0.35), "B"), (Close(), "C")):
            words = f"{benchmark!r}: {asset} has an order, but no interval in which it can trade"
            with pytest.raises(ac.ModelError, match=re.escape(words)):
                benchmark.path(asked(volume=volume).setting)

    def test_auctions_have_volume_and_no_duration(self):
        grid = ac.TimeGrid.session("2019-02-15", "195min", auctions=True)
        assert grid.durations.tolist() == [0.0, 0.5, 0.5, 0.0]
        volume = pd.Series([20.0, 30.0, 10.0, 40.0], index=grid.labels)
        market = ac.Market(grid, {"A": 10.0, "B": 20.0}, volume=np.column_stack([volume, volume]), covariance=np.eye(2))
        order = ac.Order({"A": 400.0, "B": -80.0})
        setting = ac.ExecutionProblem(order, market, 1.0 * ac.TrackingRisk(Close())).setting
        left = {
            VWAP(): [1.0, 0.8, 0.5, 0.4, 0.0],
            TWAP(): [1.0, 1.0, 0.5, 0.0, 0.0],
            Close(): [1.0, 1.0, 1.0, 1.0, 0.0],
        }
        for benchmark, fraction in left.items():
            expected = np.outer(fraction, [400.0, -80.0])
            np.testing.assert_allclose(benchmark.path(setting), expected, rtol=0, atol=ROUNDED * 400)

    def test_an_asset_without_an_order_may_be_shut(self):
        volume = pd.DataFrame(1e5, index=builders.grid("uneven").labels, columns=["A", "B"])
        volume.iloc[:, 1] = 0.0
        order = ac.Order.sell({"A": 100.0}) + ac.Order.hedge(["B"])
        problem = ac.ExecutionProblem(
            order, builders.market("uneven", ["A", "B"], volume=volume, impact=None), ac.SpreadCost()
        )
        for benchmark in (TWAP(), VWAP(), Close()):
            assert (benchmark.path(problem.setting)[:, 1] == 0.0).all()

    def test_vwap_needs_volume(self):
        market = ac.Market(builders.grid("uneven"), 10.0)
        problem = ac.ExecutionProblem(ac.Order.sell(100.0), market, ac.TemporaryImpact(1.0))
        with pytest.raises(ac.ModelError, match="the market has no volume"):
            VWAP().path(problem.setting)
        assert TWAP().path(problem.setting)[0, 0] == 100.0


def test_windows_off_the_grid_are_refused():
    setting = asked().setting
    with pytest.raises(ac.DataError, match=r"0\.2 is not an edge of the grid"):
        TWAP(0.2).path(setting)
    with pytest.raises(ac.DataError, match="empty or reversed"):
        VWAP(0.4, 0.1).path(setting)
    with pytest.raises(ac.DataError, match="outside the grid"):
        VWAP(end=2.0).path(setting)


def test_with_a_history_the_benchmark_is_that_of_the_whole_order():
    """Executed fills do not move the benchmark: it is what the desk was asked to follow at the start."""
    setting = asked().setting
    later = replace(setting, past=np.array([[-4_000.0, 0.0, -1_000.0], [-100.0, 50.0, 0.0]]))
    for benchmark in (TWAP(), VWAP(0.1), Close()):
        np.testing.assert_array_equal(benchmark.path(later), benchmark.path(setting))
        trades = benchmark.trades(later)  # what is done is done, and the rest goes by what is left of the weights
        np.testing.assert_array_equal(trades[:2], later.past)
        np.testing.assert_allclose(trades.sum(axis=0), -setting.remaining, rtol=1e-12)
        apart = trades[2:] / later.left - benchmark.trades(setting)[2:] / benchmark.trades(setting)[2:].sum(axis=0) * -1
        np.testing.assert_allclose(apart, 0.0, atol=1e-12)


def test_repr_is_the_call():
    assert repr(VWAP("10:00", "15:00")) == "VWAP('10:00', '15:00')"
    assert repr(TWAP()) == "TWAP()"
    assert repr(TWAP(end=0.75)) == "TWAP(end=0.75)"
    assert repr(Close()) == "Close()"
    assert VWAP("10:00") == VWAP(start="10:00") != VWAP()
    assert repr(ac.TrackingRisk(VWAP("10:00", "15:00"))) == "TrackingRisk(VWAP('10:00', '15:00'))"
    assert repr(2e-6 * ac.TrackingRisk(Close(), name="moc")) == "2e-06 * TrackingRisk(Close(), name='moc')"
    assert repr(ac.TrackingRisk([1.0, 0.0])) == "TrackingRisk(path)"

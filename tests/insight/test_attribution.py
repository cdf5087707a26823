"""Attribution: sums by hand, Euler's identity against numerical derivatives, and what cannot be split."""

import dataclasses

import builders
import cvxpy as cp
import numpy as np
import pandas as pd
import pytest

import acopt as ac
from acopt.insight.attribution import attribution, breakdown, variance_parts
from acopt.model.paths import Trajectory
from acopt.model.schedule import Schedule

MONEY = ac.TemporaryImpact() + ac.PermanentImpact() + 2.0 * ac.SpreadCost() + ac.Alpha({"A": 0.3, "B": -2.0, "C": 0.1})
KINDS = [("buy one", "single"), ("sell one", "uneven"), ("buy many", "even"), ("both sides", "uneven")]
WHOLE = MONEY + 1e-5 * ac.TimingRisk()


def problem(kind="both sides", at="uneven", objective=WHOLE, **market):
    order = builders.order(kind)
    return ac.ExecutionProblem(order, builders.market(at, order.assets, **market), objective)


def deviation(schedule, path, benchmark=0.0):
    """Standard deviation of holding x - b over every interval, one sum at a time."""
    setting, variance = schedule.setting, 0.0
    sigma = builders.correlated(0.02 * setting.market.prices)
    for tau, x in zip(setting.grid.durations, path[1:] - benchmark, strict=True):
        variance += tau * x @ sigma @ x
    return np.sqrt(variance)


@pytest.mark.parametrize("by", ["asset", "interval"])
@pytest.mark.parametrize(("kind", "at"), KINDS)
def test_rows_sum_to_the_schedule(kind, at, by):
    asked = problem(kind, at, MONEY + 1e-5 * ac.TimingRisk() + ac.Jerk(0.2) if at != "single" else MONEY)
    plan = asked.evaluate(builders.random_trades(asked))
    table = plan.attribution(by)
    setting = asked.setting
    labels = setting.assets if by == "asset" else setting.grid.labels
    assert list(table.index) == [*labels, "total"]
    assert table.index.name == by
    np.testing.assert_allclose(
        table.iloc[:-1].sum(), table.loc["total"], rtol=1e-9, atol=1e-9 * abs(plan.expected_cost)
    )
    total = table.loc["total"]
    for name in ("TemporaryImpact", "PermanentImpact", "SpreadCost", "Alpha", *(["Jerk"] if "Jerk" in table else [])):
        assert total[name] == pytest.approx(plan.term_values[name], rel=1e-9)
    assert total["cost"] == pytest.approx(plan.expected_cost, rel=1e-9)
    assert total["cost_bps"] == pytest.approx(1e4 * plan.expected_cost / setting.gross, rel=1e-9)
    assert total["risk"] == pytest.approx(plan.risk, rel=1e-9)
    assert total["risk_bps"] == pytest.approx(plan.bps(plan.risk), rel=1e-9)
    money = table[["TemporaryImpact", "PermanentImpact", "SpreadCost", "Alpha"]].sum(axis=1)
    np.testing.assert_allclose(table["cost"], money, rtol=1e-9, atol=1e-9 * abs(plan.expected_cost))


@pytest.mark.parametrize("by", ["asset", "interval"])
def test_rows_are_those_of_the_breakdown(by):
    asked = problem()
    plan = asked.evaluate(builders.random_trades(asked))
    parts = plan.breakdown()
    table = plan.attribution(by)
    for name in ("TemporaryImpact", "SpreadCost"):
        expected = parts[parts["cost"] == name].groupby(by)["value"].sum()
        np.testing.assert_allclose(table[name].drop("total"), expected.reindex(table.index[:-1]), rtol=1e-12)


@pytest.mark.parametrize(("kind", "at"), KINDS)
def test_risk_of_an_asset_is_the_derivative_in_its_size(kind, at):
    asked = problem(kind, at)
    plan = asked.evaluate(builders.random_trades(asked, seed=5))
    found = plan.attribution()["risk"]
    path = builders.loops(plan.path.trades, asked.setting.remaining)
    path[-1] = 0.0
    whole = deviation(plan, path)
    assert found["total"] == pytest.approx(whole, rel=1e-9)
    for i, asset in enumerate(asked.setting.assets):
        h, scale = 1e-5, np.ones(len(asked.setting.assets))
        up, down = (deviation(plan, path * (scale + sign * h * (np.arange(len(scale)) == i))) for sign in (1, -1))
        assert found[asset] == pytest.approx((up - down) / (2 * h), rel=1e-7, abs=1e-7 * whole)


@pytest.mark.parametrize(("kind", "at"), KINDS)
def test_risk_of_an_interval_is_the_derivative_in_what_is_held_over_it(kind, at):
    asked = problem(kind, at)
    plan = asked.evaluate(builders.random_trades(asked, seed=6))
    found = plan.attribution("interval")["risk"]
    path = builders.loops(plan.path.trades, asked.setting.remaining)
    path[-1] = 0.0
    whole = deviation(plan, path)
    for k, label in enumerate(asked.setting.grid.labels):
        h, scale = 1e-5, np.arange(len(path)) == k + 1
        up, down = (deviation(plan, path * (1.0 + sign * h * scale)[:, None]) for sign in (1, -1))
        assert found[label] == pytest.approx((up - down) / (2 * h), rel=1e-7, abs=1e-7 * whole)


def test_two_stocks_by_hand():
    """Held over one day: 3 shares with 2 of volatility, short 1 with 1, correlation one half."""
    sigma = pd.DataFrame([[4.0, 1.0], [1.0, 1.0]], ["A", "B"], ["A", "B"])
    market = ac.Market(ac.TimeGrid([0.0, 1.0, 2.0]), pd.Series({"A": 10.0, "B": 20.0}), covariance=sigma)
    order = ac.Order({"A": 3.0, "B": -1.0})
    asked = ac.ExecutionProblem(order, market, ac.TemporaryImpact(pd.Series({"A": 0.5, "B": 2.0})))
    table = asked.evaluate(np.array([[0.0, 0.0], [-3.0, 1.0]])).attribution()
    std = np.sqrt(9 * 4 - 2 * 3 * 1 + 1)
    assert table["risk"].to_dict() == pytest.approx({"A": (36 - 3) / std, "B": (1 - 3) / std, "total": std})
    assert table["cost"].to_dict() == pytest.approx({"A": 4.5, "B": 2.0, "total": 6.5})
    assert table["cost_bps"].to_dict() == pytest.approx({"A": 900.0, "B": 400.0, "total": 1300.0})


def test_buys_are_sells_mirrored():
    tables = []
    for side in (1.0, -1.0):
        order = ac.Order(pd.Series({"A": side * 9_000.0, "B": side * -500.0}))
        asked = ac.ExecutionProblem(order, builders.market(assets=["A", "B"]), ac.TemporaryImpact() + ac.SpreadCost())
        tables.append(asked.evaluate(np.outer(np.linspace(0.1, 0.3, 5), -order.remaining)).attribution())
    pd.testing.assert_frame_equal(*tables)


@pytest.mark.parametrize("scale", [1e2, 1e9])
def test_sizes(scale):
    order = ac.Order(pd.Series({"A": scale, "B": -0.7 * scale}))
    asked = ac.ExecutionProblem(order, builders.market(assets=["A", "B"]), MONEY)
    plan = asked.evaluate(builders.random_trades(asked))
    for by in ("asset", "interval"):
        table = plan.attribution(by)
        for name, whole in (("cost", plan.expected_cost), ("risk", plan.risk)):
            assert table[name].iloc[:-1].sum() == pytest.approx(whole, rel=1e-9)


def test_tracking_risk_is_split_likewise():
    half = np.linspace([9000.0, -500.0, 3000.0], np.zeros(3), 6) * np.array([[1.0], [1.0], [0.7], [0.3], [0.2], [0.0]])
    asked = problem(objective=MONEY + ac.TimingRisk() + ac.TrackingRisk(half))
    plan = asked.evaluate(builders.random_trades(asked, seed=2))
    table = plan.attribution()
    path = builders.loops(plan.path.trades, asked.setting.remaining)
    path[-1] = 0.0
    whole = deviation(plan, path, half[1:])
    assert table["tracking_risk"]["total"] == pytest.approx(whole, rel=1e-9)
    assert table["tracking_risk"]["total"] == pytest.approx(np.sqrt(plan.tracking_variance), rel=1e-9)
    assert table["tracking_risk_bps"].iloc[:-1].sum() == pytest.approx(plan.bps(whole), rel=1e-9)
    for i, asset in enumerate("ABC"):
        h, column = 1e-5, np.arange(3) == i
        grown = [half + (path - half) * (1.0 + sign * h * column) for sign in (1, -1)]
        up, down = (deviation(plan, each, half[1:]) for each in grown)
        assert table["tracking_risk"][asset] == pytest.approx((up - down) / (2 * h), rel=1e-7)
    assert table["risk"]["total"] == pytest.approx(plan.risk, rel=1e-9)


def test_a_tracking_term_with_a_covariance_of_its_own_prices_arrival_too():
    """No covariance in the market: the one risk term's own is what the schedule's risk goes by."""
    sigma = builders.correlated([0.4, 8.0, 1.1])
    for risk in (ac.TimingRisk(sigma), ac.TrackingRisk(np.zeros((6, 3)), sigma)):
        asked = problem(objective=MONEY + risk, covariance=None)
        plan = asked.evaluate(builders.random_trades(asked))
        table = plan.attribution()
        whole = deviation(plan, plan.path.remaining)
        assert table["risk"]["total"] == pytest.approx(whole, rel=1e-9)
        assert table["risk"].iloc[:-1].sum() == pytest.approx(whole, rel=1e-9)


def test_without_a_covariance_there_is_no_risk_column():
    asked = problem(objective=MONEY, covariance=None)
    table = asked.evaluate(builders.random_trades(asked)).attribution()
    names = ["TemporaryImpact", "PermanentImpact", "SpreadCost", "Alpha", "cost", "cost_bps"]
    assert list(table.columns) == names


@pytest.mark.parametrize("by", ["asset", "interval"])
def test_what_has_no_parts_stands_apart(by):
    fee = ac.CustomCost(lambda p: 0.01 * cp.sum(cp.abs(p.trades)), kind="money", name="fee")
    steer = ac.CustomCost(lambda p: cp.sum(cp.abs(p.at(0.1).remaining)), name="steer")
    asked = problem(objective=MONEY + 1e-5 * ac.TimingRisk() + fee + steer)
    plan = asked.evaluate(builders.random_trades(asked))
    table = plan.attribution(by)
    assert list(table.index[-2:]) == ["not split", "total"]
    paid = 0.01 * np.abs(plan.path.trades).sum()
    assert table.loc["not split", ["fee", "cost", "cost_bps"]].to_list() == pytest.approx([paid, paid, plan.bps(paid)])
    assert table.loc["not split", ["TemporaryImpact", "risk", "risk_bps"]].to_list() == [0.0, 0.0, 0.0]
    assert table.loc["not split", "steer"] == pytest.approx(np.abs(plan.path.remaining[1]).sum())
    assert (table["fee"].iloc[:-2] == 0.0).all()
    np.testing.assert_allclose(table.iloc[:-1].sum(), table.loc["total"], rtol=1e-9)
    assert table.loc["total", "cost"] == pytest.approx(plan.expected_cost, rel=1e-9)
    assert table.columns[-1] == "steer"


def test_a_risk_of_the_user_is_not_split():
    class Other(ac.Cost):
        kind = "risk"

        def values(self, path):
            return np.asarray(7.0**2)

        def arrival_variance(self, path):
            return 7.0**2

    asked = problem(objective=MONEY + Other(), covariance=None)
    table = asked.evaluate(builders.random_trades(asked)).attribution()
    assert table["risk"].to_dict() == pytest.approx({"A": 0.0, "B": 0.0, "C": 0.0, "not split": 7.0, "total": 7.0})
    asked = problem(objective=MONEY + Other())  # the market's covariance splits the risk all the same
    plan = asked.evaluate(builders.random_trades(asked))
    table = plan.attribution()
    assert list(table.index) == ["A", "B", "C", "total"]
    assert table["risk"].iloc[:-1].sum() == pytest.approx(plan.risk, rel=1e-9)


def test_a_zero_order():
    asked = problem("nothing")
    for by in ("asset", "interval"):
        table = asked.evaluate(np.zeros((5, 2))).attribution(by)
        assert table[["cost", "risk"]].eq(0.0).all(axis=None)
        assert table[["cost_bps", "risk_bps"]].isna().all(axis=None)


def test_history_counts():
    asked = problem()
    trades = builders.random_trades(asked)
    setting = dataclasses.replace(asked.setting, past=trades[:2])
    plan = Schedule(Trajectory(setting, trades), asked.pricing)
    pd.testing.assert_frame_equal(plan.attribution(), asked.evaluate(trades).attribution())


def test_an_unknown_axis():
    with pytest.raises(ac.DataError, match=r"attribution by='side': 'asset' or 'interval' is expected"):
        problem().evaluate(np.zeros((5, 3))).attribution("side")


@pytest.mark.parametrize("name", ["cost", "cost_bps", "risk", "tracking_risk_bps"])
def test_a_cost_with_the_name_of_a_column(name):
    fee = ac.CustomCost(lambda p: cp.sum(cp.abs(p.trades)), kind="money", name=name)
    with pytest.raises(ac.ModelError, match=f"the cost '{name}' has the name of a column"):
        problem(objective=MONEY + fee).evaluate(np.zeros((5, 3))).attribution()


def test_an_asset_with_the_name_of_a_row():
    market = ac.Market(builders.grid(), pd.Series({"total": 20.0, "B": 30.0}), spread=ac.bps(2.0))
    asked = ac.ExecutionProblem(ac.Order({"total": 10.0, "B": 5.0}), market, ac.SpreadCost())
    with pytest.raises(ac.ModelError, match="the asset 'total' has the name of a row"):
        asked.evaluate(np.zeros((5, 2))).attribution()
    assert "total" in asked.evaluate(np.zeros((5, 2))).attribution("interval").index


def test_the_methods_are_the_functions():
    plan = problem().evaluate(builders.random_trades(problem()))
    pd.testing.assert_frame_equal(plan.attribution("interval"), attribution(plan, "interval"))
    pd.testing.assert_frame_equal(plan.breakdown(), breakdown(plan))


def test_the_breakdown_sums_to_the_objective():
    fee = ac.CustomCost(lambda p: cp.sum(cp.abs(p.trades)), kind="money", name="fee")
    asked = problem(objective=MONEY + 1e-5 * ac.TimingRisk() + 3.0 * ac.Jerk(0.2) + fee)
    plan = asked.evaluate(builders.random_trades(asked))
    table = plan.breakdown()
    assert table["weighted"].sum() == pytest.approx(plan.objective, rel=1e-9)
    assert table[table["asset"].isna()]["cost"].to_list() == ["fee"]
    cells = table[(table["cost"] == "SpreadCost") & (table["asset"] == "B")]
    spread = 4e-4 * builders.PRICES["B"]
    np.testing.assert_allclose(cells["value"], 0.5 * spread * np.abs(plan.trades["B"]))
    np.testing.assert_allclose(cells["weighted"], 2.0 * cells["value"])


PIECES = (1, 2, 4)
LIMIT = np.array([1 / 3, -2.0, 8 / 3])
"""Weights that take a + b/m + c/m^2 at m = 1, 2, 4 to a: the model's variance on m pieces is such a sum."""


def divided(edges, values, pieces):
    """Split every interval into pieces, and a column of trades evenly over them."""
    fine = np.interp(np.arange(pieces * (len(edges) - 1) + 1) / pieces, np.arange(len(edges)), edges)
    return fine, np.repeat(values / pieces, pieces, axis=0)


def variance_on(grid, assets, trades, covariance=None, scale=None):
    """Variance by the model itself, what is left after each trade."""
    order = ac.Order(pd.Series(-trades.sum(axis=0), assets))
    sigma = pd.DataFrame(builders.correlated([0.4, 8.0, 1.1][: len(assets)]), assets, assets)
    known = ac.Covariance(sigma, scale=scale) if covariance is None else covariance
    market = ac.Market(grid, pd.Series(builders.PRICES)[assets], covariance=known)
    return ac.ExecutionProblem(order, market, ac.SpreadCost(0.01 * market.price)).evaluate(trades)


@pytest.mark.parametrize("side", [1.0, -1.0])
@pytest.mark.parametrize(("edges", "closed"), [
    ([0.0, 0.1, 0.35, 0.4, 0.85, 1.0], ()), ([0.0, 0.2, 0.7, 0.8, 1.0, 1.5], (1,)), ([0.0, 0.5], ())])  # fmt: skip
@pytest.mark.parametrize("assets", [["A"], ["A", "B", "C"]])
def test_trading_evenly_is_the_limit_of_a_fine_grid(edges, closed, assets, side):
    shut = np.isin(np.arange(len(edges) - 1), closed)
    rng = np.random.default_rng(7)
    trades = np.where(shut[:, None], 0.0, side * rng.uniform(-9e3, 4e3, (len(shut), len(assets))))
    scale = rng.uniform(0.5, 2.0, (len(shut), len(assets)))
    values = []
    for m in PIECES:
        fine, split = divided(edges, trades, m)
        grid = ac.TimeGrid(fine, closed=np.repeat(shut, m))
        values.append(variance_on(grid, assets, split, scale=np.repeat(scale, m, axis=0)).variance)
    whole = variance_on(ac.TimeGrid(edges, closed=shut), assets, trades, scale=scale)
    found = variance_parts(whole, evenly=True)
    assert found.shape == trades.shape
    assert found.sum() == pytest.approx(LIMIT @ values, rel=1e-10)
    assert variance_parts(whole).sum() == pytest.approx(whole.variance, rel=1e-12)
    one, other = variance_parts(whole, evenly=True)[shut], variance_parts(whole)[shut]
    np.testing.assert_allclose(one, other, rtol=1e-12)


def test_an_auction_carries_no_risk_and_moves_the_next_interval():
    trades = np.array([[-3e3, 1e2], [-2e3, 2e2], [-1e3, 50.0], [-1e3, 20.0], [-2e3, 30.0]])
    values = []
    for m, bar in zip(PIECES, ("130min", "65min", "1950s"), strict=True):
        grid = ac.TimeGrid.session("2019-02-15", bar, auctions=True)
        split = np.vstack([trades[:1], np.repeat(trades[1:-1] / m, m, axis=0), trades[-1:]])
        values.append(variance_on(grid, ["A", "B"], split).variance)
    whole = variance_on(ac.TimeGrid.session("2019-02-15", "130min", auctions=True), ["A", "B"], trades)
    found = variance_parts(whole, evenly=True)
    assert found.sum() == pytest.approx(LIMIT @ values, rel=1e-10)
    assert not found[[0, -1]].any()


def test_a_night_is_carried_by_what_is_left_after_it_even_where_a_trade_is_stated_there():
    grid = ac.TimeGrid([0.0, 1.0, 3.0], closed=[False, True])
    plan = variance_on(grid, ["A"], np.array([[-100.0], [-50.0]]))
    assert variance_parts(plan, evenly=True)[:, 0] == pytest.approx([0.16 / 3 * (150**2 + 150 * 50 + 50**2), 0.0])
    assert variance_parts(plan)[:, 0] == pytest.approx([0.16 * 50**2, 0.0])


def test_trading_evenly_by_a_factor_model_and_by_the_risk_of_the_term():
    names, trades = ["A", "B"], np.array([[-60.0, 20.0], [-30.0, 10.0], [-10.0, 5.0]])
    loadings = pd.DataFrame({"f": [0.3, 5.0]}, names)
    factors = ac.FactorModel(loadings, pd.DataFrame([[1.5]], ["f"], ["f"]), pd.Series([0.1, 2.0], names))
    sigma = 1.5 * np.outer([0.3, 5.0], [0.3, 5.0]) + np.diag([0.1, 2.0])
    grid = ac.TimeGrid([0.0, 0.5, 0.6, 1.0])
    x = np.cumsum(np.vstack([[100.0, -35.0], trades]), axis=0)
    middle = 0.5 * (x[1:] + x[:-1])  # Simpson's rule is exact for a square
    squares = [np.einsum("ki,ij,kj->k", each, sigma, each) for each in (x[:-1], middle, x[1:])]
    expected = grid.durations * (squares[0] + 4 * squares[1] + squares[2]) / 6
    plan = variance_on(grid, names, trades, covariance=factors)
    np.testing.assert_allclose(variance_parts(plan, evenly=True).sum(axis=1), expected, rtol=1e-12)
    market = ac.Market(grid, pd.Series(builders.PRICES)[names])
    for term in (ac.TimingRisk(factors), ac.TrackingRisk(0.5 * x, factors)):
        own = ac.ExecutionProblem(plan.setting.order, market, 1e-6 * term).evaluate(trades)
        np.testing.assert_allclose(variance_parts(own, evenly=True).sum(axis=1), expected, rtol=1e-12)
    unknown = ac.ExecutionProblem(plan.setting.order, market, ac.SpreadCost(0.01 * market.price)).evaluate(trades)
    assert variance_parts(unknown) is None
    assert variance_parts(unknown, evenly=True) is None

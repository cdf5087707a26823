"""The frontier: monotone, in order, over its own range, and the closed form where there is one."""

import numpy as np
import pandas as pd
import pytest
from builders import correlated

import acopt as ac
from acopt.analytic.almgren_chriss import AlmgrenChriss
from acopt.sweeps.frontier import trace

COLUMNS = ["risk_aversion", "risk_price", "cost_bps", "risk_bps", "half_life", "finish", "max_participation"]


def stock(initial=1e6, weight=None):
    market = ac.Market(ac.TimeGrid.uniform(5.0, 20), 50.0, covariance=0.95**2)
    risk = ac.TimingRisk() if weight is None else weight * ac.TimingRisk()
    return ac.ExecutionProblem(ac.Order(initial), market, ac.TemporaryImpact(2.5e-6) + risk)


def basket():
    grid = ac.TimeGrid.uniform(1.0, 13)
    names = ["A", "B", "C"]
    market = ac.Market(
        grid,
        pd.Series([20.0, 45.0, 7.0], names),
        volume=pd.DataFrame(4e4 / 13, grid.labels, names),
        covariance=correlated([0.4, 0.7, 0.1]),
        spread=ac.bps(3.0),
        impact=ac.LinearImpact(9.0),
    )
    order = ac.Order(pd.Series([9000.0, -4000.0, 11000.0], names))
    costs = ac.TemporaryImpact() + ac.SpreadCost() + ac.TimingRisk()
    return ac.ExecutionProblem(order, market, costs, [ac.Participation(0.6), ac.Monotone()])


@pytest.mark.parametrize("make", [stock, basket, lambda: stock(-1e6)])
def test_more_cost_buys_less_risk(make):
    found = make().frontier(12)
    table = found.table
    assert list(table.columns) == COLUMNS
    assert len(table) == len(found.plans) == 12
    assert (np.diff(table["risk_aversion"]) > 0).all()
    assert (np.diff(table["cost_bps"]) > -1e-9 * table["cost_bps"].max()).all()
    assert (np.diff(table["risk_bps"]) < 1e-9 * table["risk_bps"].max()).all()
    slopes = -np.diff(table["cost_bps"]) / np.diff(table["risk_bps"])
    assert (np.diff(slopes[1:-1]) > -1e-6 * slopes.max()).all(), "the frontier is convex"
    # The slope between two points lies between their risk prices.
    price = table["risk_price"].to_numpy()
    assert (slopes >= price[:-1] * (1 - 1e-6)).all()
    assert (slopes <= price[1:] * (1 + 1e-6)).all()
    for plan, row in zip(found.plans, table.itertuples(), strict=True):
        assert plan.certificate is not None
        assert plan.urgency.cost_bps == row.cost_bps
        assert plan.urgency.risk_aversion == row.risk_aversion


def test_it_is_the_closed_form_of_almgren_and_chriss():
    model = AlmgrenChriss(1e6, 5.0, 20, 0.95, 2.5e-6)
    for plan in stock().frontier(9).plans:
        exact = model.optimum(plan.urgency.risk_aversion)
        assert plan.expected_cost == pytest.approx(exact.expected_cost, rel=1e-9)
        assert plan.variance == pytest.approx(exact.variance, rel=1e-9)
        # E(V): the least cost at this variance.
        assert plan.expected_cost == pytest.approx(model.optimum_at_variance(plan.variance).expected_cost, rel=1e-7)


def test_its_range_is_all_there_is_to_trade_off():
    for make in (stock, basket):
        asked = make()
        most = asked.solve_at("TimingRisk", 0.0).risk
        least = asked.solve_at("TimingRisk", 1e6).risk
        found = asked.frontier(5).plans
        assert most - 0.02 * (most - least) <= found[0].risk <= most
        assert least <= found[-1].risk <= least + 0.02 * (most - least)


def test_the_weight_of_the_problem_does_not_matter_and_stays():
    asked = stock(weight=3e-7)
    before = asked.solve()
    table = asked.frontier(4).table
    pd.testing.assert_frame_equal(table, stock().frontier(4).table, rtol=1e-7)
    assert np.abs(asked.solve().path.trades - before.path.trades).max() <= 1e-7 * 1e6


def test_warm_plans_are_those_of_fresh_problems():
    for plan in basket().frontier(5).plans:
        fresh = basket().solve_at("TimingRisk", plan.urgency.risk_aversion)
        assert np.abs(plan.path.trades - fresh.path.trades).max() <= 1e-7 * 11000


@pytest.mark.parametrize("points", [1, 0, -3, 2.5, True, "many"])
def test_a_number_of_points_that_is_none_raises(points):
    with pytest.raises(ac.DataError, match="points"):
        stock().frontier(points)


def test_without_a_risk_there_is_no_frontier():
    market = ac.Market(ac.TimeGrid.uniform(5.0, 20), 50.0)
    with pytest.raises(ac.ModelError, match="risk"):
        ac.ExecutionProblem(ac.Order(1e6), market, ac.TemporaryImpact(2.5e-6)).frontier()


def clock_basket(risk):
    grid = ac.TimeGrid.session("2024-03-14", "30min")
    names = ["A", "B"]
    market = ac.Market(
        grid,
        pd.Series([20.0, 45.0], names),
        volume=pd.DataFrame(np.outer(np.linspace(1.0, 2.0, 13), [4e3, 9e3]), grid.labels, names),
        covariance=correlated([0.4, 0.7]),
        impact=ac.LinearImpact(9.0),
    )
    return ac.ExecutionProblem(ac.Order(pd.Series([9000.0, -4000.0], names)), market, ac.TemporaryImpact() + risk)


def test_clock_times_beside_the_numbers():
    found = clock_basket(ac.TimingRisk()).frontier(4)
    assert list(found.table.columns) == [*COLUMNS, "finish_at"]
    opened = pd.Timestamp("2024-03-14 09:30")
    told = pd.to_datetime("2024-03-14 " + found.table["finish_at"])
    expected = opened + pd.to_timedelta(6.5 * 3600 * found.table["finish"], unit="s")  # a day is 6.5 hours of trading
    assert ((told - expected).abs() <= pd.Timedelta("1s")).all()
    assert found.table.round(3)["finish_at"].equals(found.table["finish_at"])


def test_clock_times_have_dates_over_several_days():
    grid = ac.TimeGrid.sessions("2024-03-14", "2024-03-15", "1h", overnight=0.5, start="10:00")
    market = ac.Market(grid, 50.0, covariance=0.5)
    table = ac.ExecutionProblem(ac.Order(1e5), market, ac.TemporaryImpact(1e-6) + ac.TimingRisk()).frontier(3).table
    assert table["finish_at"].str.match(r"2024-03-1[45] 1\d:\d\d:\d\d$").all()
    nothing = ac.ExecutionProblem(ac.Order(0.0), market, ac.TemporaryImpact(1e-6) + ac.TimingRisk()).frontier(2)
    assert list(nothing.table["finish_at"]) == ["", ""]


def test_a_tracking_risk_has_a_column_of_its_own():
    half = np.vstack([[9000.0, -4000.0], np.linspace([9000.0, -4000.0], [0.0, 0.0], 13)])  # nothing for half an hour
    problem = clock_basket(ac.TrackingRisk(half))
    found = problem.frontier(6)
    assert found.term == "TrackingRisk"
    table = found.table
    assert (np.diff(table["tracking_bps"]) < 0).all()
    slopes = -np.diff(table["cost_bps"]) / np.diff(table["tracking_bps"])
    price = table["risk_price"].to_numpy()
    assert (slopes >= price[:-1] * (1 - 1e-6)).all()
    assert (slopes <= price[1:] * (1 + 1e-6)).all()
    sigma, gross = correlated([0.4, 0.7]), 9000 * 20 + 4000 * 45
    for plan, row in zip(found.plans, table.itertuples(), strict=True):
        off = plan.remaining.to_numpy()[1:] - half[1:]
        deviation = np.sqrt(np.einsum("ki,ij,kj->", off, sigma, off) / 13)
        assert row.tracking_bps == pytest.approx(1e4 * deviation / gross, rel=1e-9)
        assert row.risk_bps == pytest.approx(plan.bps(plan.risk), rel=1e-12)


def test_with_several_risks_one_is_named():
    half = np.vstack([[9000.0, -4000.0], np.linspace([9000.0, -4000.0], [0.0, 0.0], 13)])
    problem = clock_basket(1e-6 * ac.TimingRisk() + ac.TrackingRisk(half))
    with pytest.raises(ac.ModelError, match="say which"):
        trace(problem)
    with pytest.raises(ac.ModelError, match="'Other' is not"):
        trace(problem, term="Other")
    found = trace(problem, 3, term="TrackingRisk")
    assert (np.diff(found.table["tracking_bps"]) < 0).all()
    for plan, weight in zip(found.plans, found.table["risk_aversion"], strict=True):
        assert {t.cost.name: t.weight for t in plan.pricing.terms if t.cost.kind == "risk"} == {
            "TimingRisk": 1e-6,
            "TrackingRisk": weight,
        }


def test_notebooks_show_the_table():
    found = stock().frontier(3)
    shown = found._repr_html_()
    assert shown.count("<tr") == 4
    assert all(f"<th>{name}</th>" in shown for name in COLUMNS)
    assert f"{found.table['cost_bps'][1]:.4g}" in shown


@pytest.mark.parametrize("make", [stock, basket, lambda: stock(-1e6), lambda: stock(weight=3e-7)])
@pytest.mark.parametrize("points", [2, 7])
def test_at_a_risk_price_it_is_the_schedule_of_that_price(make, points):
    asked = make()
    found = asked.frontier(points)
    ends = found.table["risk_price"].to_numpy()[[0, -1]]
    free = stock(asked.setting.remaining[0]) if len(asked.setting.assets) == 1 else basket()
    inside = [z for z in (0.1, 0.3, 1.0) if ends[0] < z < ends[1]]
    assert inside
    for price in inside:
        plan = found.at_price(price)
        exact = free.solve_for(risk_price=price)
        assert plan.urgency.risk_price == pytest.approx(price, rel=1e-8)
        assert plan.certificate is not None
        assert np.abs(plan.path.trades - exact.path.trades).max() <= 1e-6 * asked.setting.size
        # E + z Std is least there: no plan of the frontier does better.
        best = plan.expected_cost + price * plan.risk
        assert all(best <= other.expected_cost + price * other.risk + 1e-9 * abs(best) for other in found.plans)
    assert found.at_price(0.99 * ends[0]) is None
    assert found.at_price(1.01 * ends[1]) is None


def test_at_a_price_of_the_table_it_is_the_plan_of_the_table():
    found = stock().frontier(5)
    for plan, price in zip(found.plans[1:-1], found.table["risk_price"][1:-1], strict=True):
        assert found.at_price(price) is plan
        assert found.at_price(price * (1 + 1e-12)) is plan


def test_a_problem_that_was_updated_since_leaves_the_frontier_as_it_was():
    asked = stock()
    found = asked.frontier(5)
    before = found.at_price(0.5)
    asked.update(order=ac.Order(2e6))
    asked.solve_for(risk_price=0.5)
    assert np.abs(found.at_price(0.5).path.trades - before.path.trades).max() <= 1e-7 * 1e6

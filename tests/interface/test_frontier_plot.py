"""The frontier's picture shows the table's numbers, and the marks where their schedules are."""

import numpy as np
import pytest

import acopt as ac
from acopt.insight.strategies import twap, vwap
from acopt.interface import frontier_plot
from acopt.interface.frontier_plot import plot_frontier
from acopt.interface.sample import sample

COSTS = ac.TemporaryImpact() + ac.PermanentImpact() + ac.SpreadCost()


def basket(risk, *rules):
    made = sample()
    grid = ac.TimeGrid.session(made.bars.sessions[-1], "30min")
    market = ac.Market.from_bars(made.bars, grid, assets=made.order.assets, impact=ac.AlmgrenEtAl2005())
    return ac.ExecutionProblem(made.order, market, COSTS + risk, rules)


@pytest.fixture(scope="module")
def planned():
    problem = basket(ac.TimingRisk(), ac.Participation(0.1), ac.Monotone())
    return problem, problem.solve_for(risk_price=0.3)


@pytest.fixture(scope="module")
def single():
    """One stock, five days, no volume: Almgren and Chriss' example."""
    grid = ac.TimeGrid.uniform(5.0, 10)
    market = ac.Market(grid, 50.0, covariance=0.95**2, spread=0.125, impact=ac.ImpactCoefficients(2.5e-6, 2.5e-7))
    problem = ac.ExecutionProblem(ac.Order.sell({"asset": 1e6}), market, COSTS + 1e-6 * ac.TimingRisk())
    return problem, problem.solve()


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_the_line_runs_through_the_points(planned):
    frontier = planned[0].frontier(8)
    axes = plot_frontier(frontier).axes[0]
    x, y = (np.asarray(values, dtype=float) for values in axes.lines[-1].get_data())
    found = np.interp(frontier.table["risk_bps"], x, y)
    np.testing.assert_allclose(found, frontier.table["cost_bps"], rtol=2e-3)


def test_between_the_points_it_is_the_frontier(planned):
    """The slope is the price of risk, so that few points make the whole curve."""
    problem, _ = planned
    table = problem.frontier().table
    columns = (table[name].to_numpy()[::-1] for name in ("risk_bps", "cost_bps", "risk_price"))
    x, y = frontier_plot._smooth(*columns)
    assert len(x) == 600
    for price in (0.1, 0.3, 1.0):
        plan = problem.solve_for(risk_price=price)
        assert np.interp(plan.bps(plan.risk), x, y) == pytest.approx(plan.bps(plan.expected_cost), rel=5e-4)


def test_points_that_contradict_the_slope_are_joined_by_lines():
    x, y, price = np.array([1.0, 2.0, 3.0]), np.array([9.0, 4.0, 1.0]), np.array([0.3, 0.2, 0.1])
    np.testing.assert_array_equal(frontier_plot._smooth(x, y, price), (x, y))


def test_marks(planned):
    problem, plan = planned
    broken = problem.evaluate(plan.trades * 0.9, name="late")
    axes = plot_frontier(problem.frontier(5), {"plan": plan, "late": broken}).axes[0]
    assert {"plan", "late", "0.1 passive", "1 aggressive"} <= set(texts(axes))
    marks = [line for line in axes.lines if line.get_markersize() == 9.0]
    assert [mark.get_markerfacecolor() for mark in marks] == [frontier_plot.PLAN, "white"]
    assert any("hollow: breaks a rule" in text for text in texts(axes))
    np.testing.assert_allclose(marks[0].get_xdata(), plan.bps(plan.risk))


def test_a_mark_far_below_clips_the_urgent_end(single):
    problem, plan = single
    frontier = problem.frontier(9)
    axes = plot_frontier(frontier, {"plan": plan}).axes[0]
    assert frontier.table["cost_bps"].max() > 2.0 * plan.bps(plan.expected_cost)
    assert axes.get_ylim()[1] < 2.0 * plan.bps(plan.expected_cost)


def test_urgencies_have_the_names_of_the_command_line(planned):
    problem, _ = planned
    axes = plot_frontier(problem.frontier(25)).axes[0]
    assert {"0.1 passive", "0.3 neutral", "1 aggressive"} <= set(texts(axes))
    dots = {tuple(line.get_xydata()[0]) for line in axes.lines if line.get_markersize() == 4}
    for price in (0.1, 0.3, 1.0):
        plan = problem.solve_for(risk_price=price)
        expected = plan.bps(plan.risk), plan.bps(plan.expected_cost)
        assert min(np.abs(np.subtract(dot, expected)).max() for dot in dots) < 0.02 * expected[1]


def test_a_tracking_risk_is_drawn_against_its_benchmark(planned):
    problem = basket(ac.TrackingRisk(vwap(planned[0])))
    frontier = problem.frontier(9)
    axes = plot_frontier(frontier, {"vwap": vwap(problem), "twap": twap(problem)}).axes[0]
    assert axes.get_xlabel() == "risk: standard deviation of slippage against vwap (bps)"
    marks = {line.get_marker(): line.get_xdata()[0] for line in axes.lines if line.get_marker() in "sD"}
    assert marks["D"] == pytest.approx(0.0, abs=1e-9)
    assert marks["s"] == pytest.approx(1e4 * np.sqrt(twap(problem).tracking_variance) / problem.setting.gross)
    np.testing.assert_array_equal(np.sort(axes.lines[-1].get_xdata())[[0, -1]],
                                  np.sort(frontier.table["tracking_bps"])[[0, -1]])  # fmt: skip


def test_no_dots_no_note(planned):
    problem = basket(ac.TrackingRisk(vwap(planned[0])))  # VWAP costs next to nothing: no risk price reaches 0.1
    assert not any("dots" in text for text in texts(plot_frontier(problem.frontier(5)).axes[0]))


def test_a_mark_without_the_risk_is_named(planned):
    problem, plan = planned
    frontier = basket(ac.TrackingRisk(vwap(problem))).frontier(2)
    with pytest.raises(ac.DataError, match=r"frontier mark 'mine' has no risk by TrackingRisk: .*problem.evaluate"):
        plot_frontier(frontier, {"mine": plan})
    with pytest.raises(ac.DataError, match="frontier mark 'mine': a Schedule is expected, DataFrame was given"):
        plot_frontier(frontier, {"mine": plan.trades})


def test_a_zero_order_has_no_picture(single):
    problem, _ = single
    nothing = ac.ExecutionProblem(ac.Order.sell({"asset": 0.0}), problem.market, ac.TemporaryImpact() + ac.TimingRisk())
    with pytest.raises(ac.DataError, match="the order is zero"):
        nothing.frontier(3).plot()


def test_the_method(planned, tmp_path):
    problem, plan = planned
    figure = problem.frontier(5).plot(tmp_path / "frontier.png", marks={"plan": plan})
    assert "plan" in texts(figure.axes[0])
    assert (tmp_path / "frontier.png").read_bytes().startswith(b"\x89PNG")

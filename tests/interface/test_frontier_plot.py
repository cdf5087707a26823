"""The frontier's picture shows the table's numbers, and the marks where their schedules are."""

import dataclasses

import numpy as np
import pytest

import acopt as ac
from acopt.insight.strategies import immediate, pov, twap, vwap
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
    assert len(x) >= 600
    assert set(table["risk_bps"]) <= set(x)
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
        assert min(np.abs(np.subtract(dot, expected)).max() for dot in dots) < 1e-6 * expected[1]


def test_an_exact_plan_lies_on_its_dot_and_the_line_runs_through_it(planned):
    problem, plan = planned
    axes = plot_frontier(problem.frontier(5), {"plan": plan}).axes[0]
    mark = next(line.get_xydata()[0] for line in axes.lines if line.get_markersize() == 9.0)
    dots = [line.get_xydata()[0] for line in axes.lines if line.get_markersize() == 4]
    assert len(dots) == 3
    assert min(np.abs(dot - mark).max() for dot in dots) < 1e-6
    x, y = (np.asarray(values, dtype=float) for values in axes.lines[-1].get_data())
    for dot in dots:
        assert np.interp(dot[0], x, y) == pytest.approx(dot[1], rel=1e-9)


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


def position(axes, name):
    """Where the mark with a name is: the one whose label is anchored there."""
    return next(text.xy for text in axes.texts if text.get_text() == name)


def test_marks_are_what_compare_takes(planned):
    problem, plan = planned
    trades = 0.5 * (plan.trades + problem.evaluate(twap(problem)).trades)
    marks = [plan, "twap", "vwap", pov(0.08), immediate, trades, ("mine", trades.to_numpy()), plan]
    axes = plot_frontier(problem.frontier(3), marks).axes[0]
    table = ac.compare(problem, marks)
    names = ["plan", "twap", "vwap", "pov 8%", "immediate", "trades", "mine", "plan (2)"]
    assert list(table.index) == names
    for name in names:
        expected = table.loc[name, ["risk_bps", "cost_bps"]].to_numpy(dtype=float)
        np.testing.assert_allclose(position(axes, name), expected, rtol=1e-12)
    again = plot_frontier(problem.frontier(3), {"slow": "twap", "8%": pov(0.08)}).axes[0]
    np.testing.assert_allclose(position(again, "slow"), position(axes, "twap"))
    np.testing.assert_allclose(position(again, "8%"), position(axes, "pov 8%"))
    for single in ("twap", twap, twap(problem)):
        one = plot_frontier(problem.frontier(3), single).axes[0]
        np.testing.assert_allclose(position(one, "twap"), position(axes, "twap"))


def test_a_mark_is_priced_by_the_problem_of_the_frontier(planned):
    problem, plan = planned
    tracking = basket(ac.TrackingRisk(vwap(problem)))
    axes = plot_frontier(tracking.frontier(2), {"mine": plan}).axes[0]
    mine = tracking.evaluate(plan)
    assert position(axes, "mine") == pytest.approx(
        (mine.bps(np.sqrt(mine.tracking_variance)), mine.bps(mine.expected_cost))
    )


@pytest.mark.parametrize("mark", ["twop", 3.0, None])
def test_a_mark_that_is_no_plan_is_named(planned, mark):
    frontier = planned[0].frontier(2)
    for marks in ([mark], {"mine": mark}):
        name = "'mine'" if isinstance(marks, dict) else repr(mark)
        with pytest.raises(
            ac.DataError, match=f"frontier mark {name}: .* is no plan; accepted are 'twap', .*a Schedule"
        ):
            plot_frontier(frontier, marks)


def test_a_mark_on_another_grid_is_named(planned, single):
    with pytest.raises(ac.DataError, match="frontier mark 'week': trades"):
        plot_frontier(planned[0].frontier(2), {"week": single[1]})


def test_nothing_to_trade_off_is_flat():
    """Even volume: TWAP is the cheapest and is the benchmark, whatever the price of risk."""
    market = ac.Market(ac.TimeGrid.uniform(1.0, 8), 50.0, volume=1e6, covariance=1.0, impact=ac.LinearImpact(5.0))
    costs = ac.TemporaryImpact() + ac.TrackingRisk(ac.TWAP())
    problem = ac.ExecutionProblem(ac.Order.sell({"asset": 8e5}), market, costs)
    axes = plot_frontier(problem.frontier(5), ["twap"]).axes[0]
    assert "flat: no risk to trade off" in texts(axes)
    assert not any(line.get_markersize() == 4 for line in axes.lines)
    found = problem.frontier(5)
    steep = dataclasses.replace(found, table=found.table.assign(risk_price=np.geomspace(0.05, 2.0, 5)))  # of nothing
    assert not any(line.get_markersize() == 4 for line in plot_frontier(steep).axes[0].lines)
    (low, high), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    assert low <= 0 < 0.05 <= high - low
    cost = 1e4 * 5e-4 * 0.1 / 0.1  # 5 bps at 10% of the volume
    assert bottom < cost < top
    assert top - bottom >= 0.05


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.0), (-1e-9, 1e-8), (60.0, 60.001), (1e-3, 2e-3), (3.0, 3.0)])
def test_an_axis_does_not_blow_up_nothing(low, high):
    start, end = frontier_plot._spanned(low, high)
    assert start <= low <= high <= end
    assert end - start >= max(0.05, 0.01 * high) * (1 - 1e-12)
    assert frontier_plot._spanned(0.0, 0.0)[0] == pytest.approx(-0.005)  # room for half a mark
    assert frontier_plot._spanned(10.0, 12.0) == (10.0, 12.0)


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

"""Pictures show the numbers of the schedule, in files that are whole."""

import numpy as np
import pytest

import acopt as ac
from acopt.insight.strategies import twap, vwap
from acopt.interface import plotting
from acopt.interface.plotting import plot_frontier, plot_overview, plot_schedule, render
from acopt.interface.sample import sample
from acopt.market.market import bps

COSTS = ac.TemporaryImpact() + ac.PermanentImpact() + ac.SpreadCost()


def basket(*rules):
    made = sample()
    grid = ac.TimeGrid.session(made.bars.sessions[-1], "30min")
    market = ac.Market.from_bars(made.bars, grid, assets=made.order.assets, impact=ac.AlmgrenEtAl2005())
    problem = ac.ExecutionProblem(made.order, market, COSTS + ac.TimingRisk(), rules)
    return problem, problem.solve_for(risk_price=0.3)


@pytest.fixture(scope="module")
def planned():
    return basket(ac.Participation(0.1), ac.Monotone())


@pytest.fixture(scope="module")
def single():
    """One stock, five days, no volume: Almgren and Chriss' example."""
    grid = ac.TimeGrid.uniform(5.0, 10)
    market = ac.Market(grid, 50.0, covariance=0.95**2, spread=0.125, impact=ac.ImpactCoefficients(2.5e-6, 2.5e-7))
    problem = ac.ExecutionProblem(ac.Order.sell({"asset": 1e6}), market, COSTS + 1e-6 * ac.TimingRisk())
    return problem, problem.solve()


def legend(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def texts(axes):
    return [text.get_text() for text in axes.texts]


def stair(axes, label):
    return next(patch for patch in axes.patches if patch.get_label() == label).get_data().values


class TestTrades:
    def test_bars_are_the_gross_notional_by_side(self, planned):
        _, plan = planned
        axes = plot_schedule(plan).axes[0]
        notional = plan.notional.to_numpy()
        sold, bought = ([bar.get_height() for bar in container] for container in axes.containers)
        np.testing.assert_allclose(sold, np.maximum(-notional, 0).sum(axis=1) / 1e6)
        np.testing.assert_allclose(bought, np.maximum(notional, 0).sum(axis=1) / 1e6)
        assert axes.get_ylabel() == "gross notional per interval (M)"
        assert legend(axes) == ["sell", "buy", "cap, 10% of volume", "TWAP", "VWAP"]

    def test_the_cap_and_the_benchmarks(self, planned):
        problem, plan = planned
        axes, market = plot_schedule(plan).axes[0], problem.market
        np.testing.assert_allclose(stair(axes, "cap, 10% of volume"), 0.1 * market.volumes @ market.prices / 1e6)
        for label, benchmark in (("TWAP", twap(problem)), ("VWAP", vwap(problem))):
            np.testing.assert_allclose(stair(axes, label), benchmark.notional.abs().sum(axis=1) / 1e6)

    def test_one_asset_in_shares(self, single):
        _, plan = single
        figure = plot_schedule(plan)
        axes = figure.axes[0]
        heights = [bar.get_height() for bar in axes.containers[0]]
        np.testing.assert_allclose(heights, -plan.trades["asset"] / 1e3)
        assert axes.get_ylabel() == "shares of asset per interval (k)"
        assert legend(axes) == ["sell", "TWAP"]
        assert figure.get_suptitle() == "plan: sell 1,000,000 asset, 5 days"

    def test_an_asset_without_a_cap_leaves_the_cap_out(self):
        _, plan = basket(ac.Participation(0.1, assets=["ALFA"]))
        assert legend(plot_schedule(plan).axes[0]) == ["sell", "buy", "TWAP", "VWAP"]

    def test_a_cap_of_several_numbers_is_just_a_cap(self):
        caps = {name: 0.10 + 0.01 * k for k, name in enumerate(sample().order.assets)}
        _, plan = basket(ac.Participation(caps), ac.Participation(0.12, name="second"))
        assert "cap" in legend(plot_schedule(plan).axes[0])

    def test_a_zero_order(self, single):
        problem, _ = single
        nothing = ac.ExecutionProblem(ac.Order.sell({"asset": 0.0}), problem.market, COSTS)
        figure = plot_schedule(nothing.evaluate(np.zeros((10, 1)), name="idle"))
        assert figure.get_suptitle() == "idle: nothing to trade, 5 days"


class TestRemaining:
    def test_percent_of_every_order_and_of_the_whole(self, planned):
        problem, plan = planned
        lines = {line.get_label(): line.get_ydata() for line in plot_schedule(plan).axes[1].lines}
        for asset in problem.order.assets:
            np.testing.assert_allclose(lines[asset], 100 * plan.remaining[asset] / plan.remaining[asset].iloc[0])
        left = plan.remaining.abs().to_numpy() @ problem.market.prices
        np.testing.assert_allclose(lines["whole order"], 100 * left / left[0])
        assert lines["TWAP"][0] == pytest.approx(100.0)
        assert lines["VWAP"][-1] == pytest.approx(0.0, abs=1e-9)

    def test_many_assets_by_side(self):
        grid = ac.TimeGrid.session("2025-03-31", "30min")
        names = [f"N{k}" for k in range(9)]
        prices = dict.fromkeys(names, 20.0)
        market = ac.Market(
            grid, prices, volume=1e6, covariance=ac.Covariance.diagonal(dict.fromkeys(names, 0.4)), spread=bps(2.0),
            impact=ac.LinearImpact(5.0),
        )  # fmt: skip
        order = ac.Order.sell(dict.fromkeys(names[:5], 1e5)) + ac.Order.buy(dict.fromkeys(names[5:], 1e5))
        problem = ac.ExecutionProblem(order, market, ac.TemporaryImpact() + ac.TimingRisk())
        axes = plot_schedule(problem.solve_for(risk_price=0.3)).axes[1]
        assert legend(axes) == ["5 sells", "4 buys", "TWAP", "VWAP", "whole order"]

    def test_the_frontier_in_its_place(self, single):
        problem, plan = single
        figure = plot_schedule(plan, frontier=problem.frontier(5))
        assert figure.axes[1].get_xlabel() == "risk: standard deviation of cost (bps)"
        assert "plan" in texts(figure.axes[1])


class TestTime:
    def test_clock_times_of_one_session(self, planned):
        axes = plot_schedule(planned[1]).axes[0]
        assert [tick.get_text() for tick in axes.get_xticklabels()][:2] == ["10:00", "11:00"]
        assert axes.get_xlabel() == "time of day, New York"

    def test_sessions_side_by_side(self):
        grid = ac.TimeGrid.sessions("2025-03-27", "2025-03-31", "2h", overnight=0.5, start="10:00", end="16:00")
        market = ac.Market(grid, 20.0, volume=1e6, covariance=0.2, impact=ac.LinearImpact(5.0))
        problem = ac.ExecutionProblem(
            ac.Order.buy({"asset": 2e5}), market, ac.TemporaryImpact() + ac.TimingRisk(), [ac.Participation(0.2)]
        )
        axes = plot_schedule(problem.solve_for(risk_price=0.3)).axes[0]
        ticks = [tick.get_text() for tick in axes.get_xticklabels()]
        assert ticks == ["Mar 27, 10:00", "Mar 28, 10:00", "Mar 31, 10:00"]
        assert np.isnan(stair(axes, "cap, 20% of volume")).sum() == 2  # the nights


class TestFrontier:
    def test_the_line_runs_through_the_points(self, planned):
        frontier = planned[0].frontier(8)
        axes = plot_frontier(frontier).axes[0]
        x, y = (np.asarray(values, dtype=float) for values in axes.lines[-1].get_data())
        found = np.interp(frontier.table["risk_bps"], x, y)
        np.testing.assert_allclose(found, frontier.table["cost_bps"], rtol=2e-3)

    def test_between_the_points_it_is_the_frontier(self, planned):
        """The slope is the price of risk, so that few points make the whole curve."""
        problem, _ = planned
        table = problem.frontier().table
        columns = (table[name].to_numpy()[::-1] for name in ("risk_bps", "cost_bps", "risk_price"))
        x, y = plotting._smooth(*columns)
        assert len(x) == 600
        for price in (0.1, 0.3, 1.0):
            plan = problem.solve_for(risk_price=price)
            assert np.interp(plan.bps(plan.risk), x, y) == pytest.approx(plan.bps(plan.expected_cost), rel=5e-4)

    def test_points_that_contradict_the_slope_are_joined_by_lines(self):
        x, y, price = np.array([1.0, 2.0, 3.0]), np.array([9.0, 4.0, 1.0]), np.array([0.3, 0.2, 0.1])
        np.testing.assert_array_equal(plotting._smooth(x, y, price), (x, y))

    def test_marks(self, planned):
        problem, plan = planned
        broken = problem.evaluate(plan.trades * 0.9, name="late")
        axes = plot_frontier(problem.frontier(5), {"plan": plan, "late": broken}).axes[0]
        assert {"plan", "late", "0.1", "1"} <= set(texts(axes))
        marks = [line for line in axes.lines if line.get_markersize() == 9.0]
        assert [mark.get_markerfacecolor() for mark in marks] == [plotting.PLAN, "white"]
        assert any("hollow: breaks a rule" in text for text in texts(axes))
        np.testing.assert_allclose(marks[0].get_xdata(), plan.bps(plan.risk))

    def test_labels_do_not_overlap(self, planned):
        axes = plot_overview(*planned).axes[1]
        axes.figure.draw_without_rendering()
        boxes = [text.get_window_extent() for text in axes.texts]
        for k, box in enumerate(boxes):
            assert not any(box.overlaps(other) for other in boxes[:k])

    def test_a_mark_far_below_clips_the_urgent_end(self, single):
        problem, plan = single
        frontier = problem.frontier(9)
        axes = plot_frontier(frontier, {"plan": plan}).axes[0]
        assert frontier.table["cost_bps"].max() > 2.0 * plan.bps(plan.expected_cost)
        assert axes.get_ylim()[1] < 2.0 * plan.bps(plan.expected_cost)


class TestOverview:
    def test_both_panels(self, planned):
        problem, plan = planned
        figure = plot_overview(problem, plan, points=5)
        assert figure.get_suptitle().startswith("plan: sell 3, buy 3 names, 3")
        assert {"plan", "TWAP", "VWAP", "POV 10%"} <= set(texts(figure.axes[1]))

    def test_without_volume(self, single):
        figure = plot_overview(*single, points=5)
        assert "VWAP" not in texts(figure.axes[1])


class TestFiles:
    @pytest.mark.parametrize(("kind", "start"), [("png", b"\x89PNG\r\n"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
    def test_formats(self, single, tmp_path, kind, start):
        path = tmp_path / f"plan.{kind}"
        figure = plot_schedule(single[1], path)
        assert path.read_bytes().startswith(start)
        assert render(figure, path).startswith(start)
        assert [each.name for each in tmp_path.iterdir()] == [path.name]

    def test_the_same_picture_has_the_same_bytes(self, single, tmp_path):
        for name in ("a.svg", "b.svg", "a.png", "b.png"):
            plot_schedule(single[1], tmp_path / name)
        assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
        assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()

    @pytest.mark.parametrize("name", ["plan", "plan.jpg", "plan.csv"])
    def test_other_formats(self, single, tmp_path, name):
        with pytest.raises(ac.DataError, match=r"a picture is written as \.png, \.svg, \.pdf"):
            plot_schedule(single[1], tmp_path / name)
        assert not list(tmp_path.iterdir())

    def test_global_state_is_left_alone(self, single):
        matplotlib = pytest.importorskip("matplotlib")
        before = dict(matplotlib.rcParams)
        plot_schedule(single[1])
        assert dict(matplotlib.rcParams) == before

    def test_the_method(self, single, tmp_path):
        single[1].plot(tmp_path / "plan.png")
        assert (tmp_path / "plan.png").stat().st_size > 10_000

    def test_without_matplotlib(self, single, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
        with pytest.raises(ac.MissingExtraError, match=r"pip install 'acopt\[plot\]'"):
            plot_schedule(single[1])

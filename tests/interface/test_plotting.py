"""Pictures show the numbers of the schedule, in files that are whole."""

import dataclasses

import numpy as np
import pytest
from matplotlib.patches import Rectangle

import acopt as ac
from acopt.insight.strategies import twap, vwap
from acopt.interface.plotting import plot_overview, plot_schedule, render
from acopt.interface.sample import sample
from acopt.market.market import bps
from acopt.model.paths import Trajectory
from acopt.model.schedule import Schedule

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


@pytest.fixture(scope="module")
def replanned(planned):
    """The first three intervals executed, the rest of the plan after them."""
    problem, plan = planned
    past = plan.path.trades[:3]
    setting = dataclasses.replace(problem.setting, past=past)
    return Schedule(Trajectory(setting, plan.path.trades), problem.pricing)


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


class TestHistory:
    def test_it_is_shaded_up_to_now(self, replanned):
        for axes in plot_schedule(replanned).axes:
            (shade,) = [patch for patch in axes.patches if isinstance(patch, Rectangle) and patch.get_alpha() == 0.55]
            assert (shade.get_x(), shade.get_x() + shade.get_width()) == pytest.approx((9.5, 11.0))

    def test_its_caps_are_not_drawn(self, planned, replanned):
        before, after = (stair(plot_schedule(plan).axes[0], "cap, 10% of volume") for plan in (planned[1], replanned))
        assert np.isnan(after[:3]).all()
        np.testing.assert_allclose(after[3:], before[3:])

    def test_the_sides_are_those_of_the_order(self, planned):
        """One order over-filled: what is left of it is on the other side."""
        problem, plan = planned
        past = 1.0 * plan.path.trades[:1]
        past[0, 0] = -1.5 * problem.setting.remaining[0]
        setting = dataclasses.replace(problem.setting, past=past)
        schedule = Schedule(Trajectory(setting, plan.path.trades), problem.pricing)
        assert plot_schedule(schedule).get_suptitle().startswith("plan: sell 3, buy 3 names")

    def test_without_one_nothing_is_shaded(self, planned):
        for axes in plot_schedule(planned[1]).axes:
            assert not [patch for patch in axes.patches if patch.get_alpha() == 0.55]


class TestTime:
    def test_clock_times_of_one_session(self, planned):
        axes = plot_schedule(planned[1]).axes[0]
        assert [tick.get_text() for tick in axes.get_xticklabels()][:2] == ["10:00", "11:00"]
        assert axes.get_xlabel() == "time of day, New York"

    def test_auctions_are_wide_enough_to_be_seen(self):
        grid = ac.TimeGrid.session("2024-03-14", "30min", auctions=True)
        market = ac.Market(grid, 50.0, volume=1e6)
        problem = ac.ExecutionProblem(ac.Order.sell({"asset": 1.5e6}), market, ac.SpreadCost(0.01))
        figure = plot_schedule(problem.evaluate(np.full((15, 1), -1e5)))
        axes = figure.axes[0]
        widths = [bar.get_width() for bar in axes.containers[0]]
        np.testing.assert_allclose(widths[1:-1], 0.86 * 0.5)
        np.testing.assert_allclose([widths[0], widths[-1]], 0.86 * 0.25)
        assert figure.get_suptitle().endswith("2024-03-14 09:30 to 16:00")
        assert axes.get_xlabel() == "time of day, New York; narrow bars: auctions"
        ticks = dict(zip((tick.get_text() for tick in axes.get_xticklabels()), axes.get_xticks(), strict=True))
        second = axes.containers[0][2]  # the bar of 10:00
        assert ticks["10:00"] == pytest.approx(second.get_x() - 0.07 * 0.5)

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


class TestOverview:
    def test_both_panels(self, planned):
        problem, plan = planned
        figure = plot_overview(problem, plan, points=5)
        assert figure.get_suptitle().startswith("plan: sell 3, buy 3 names, 3")
        assert {"plan", "TWAP", "VWAP", "POV 10%"} <= set(texts(figure.axes[1]))

    def test_labels_do_not_overlap(self, planned):
        axes = plot_overview(*planned).axes[1]
        axes.figure.draw_without_rendering()
        boxes = [text.get_window_extent() for text in axes.texts]
        for k, box in enumerate(boxes):
            assert not any(box.overlaps(other) for other in boxes[:k])

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

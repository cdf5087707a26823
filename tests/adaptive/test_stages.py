"""The parts of a problem, interval by interval, add up to the objective; what does not split is refused by name."""

import builders as b
import cvxpy as cp
import numpy as np
import pandas as pd
import pytest

import acopt as ac
from acopt.adaptive.stages import StageCost, stages

SUM = 1e-12


def everything(assets, *, unfilled=False):
    """Return an objective with every cost that splits, and rules of every kind that do."""
    a, last = assets[0], assets[-1]
    power = ac.PowerImpact({i: 1e-3 * b.PRICES[i] for i in assets}, {i: 0.5 if i == a else 1.0 for i in assets})
    costs = (
        ac.TemporaryImpact() + 2.0 * ac.PermanentImpact() + 0.5 * ac.SpreadCost() + power
        + 1e-5 * ac.TimingRisk() + 3e-6 * ac.TrackingRisk(ac.VWAP()) + ac.Alpha({i: 0.1 * b.PRICES[i] for i in assets})
    )  # fmt: skip
    rules = [
        ac.Participation(0.05, penalty_bps=3.0, name="soft cap"),
        ac.HoldingBounds(lower=-100.0, upper=3_000.0, penalty_bps=2.0, name="soft holding"),
        ac.DollarNeutral(1_000.0, penalty_bps=1.0, name="soft neutral"),
        ac.CashBalance(lower=-2e4, upper=3e4, penalty_bps=2.0, name="soft cash"),
        ac.TradeSize(lower=-1e6, upper=1e6, assets=[last]),
    ]
    return costs, [*rules, ac.AllowUnfilled(50.0)] if unfilled else rules


def total(parts, trades):
    """Add the parts up, row by row."""
    x = b.loops(trades, parts.setting.remaining)
    steps = range(len(trades))
    return sum(parts.trade_cost(k, trades[k]) + parts.holding_cost(k, x[k + 1]) for k in steps) + parts.terminal(x[-1])


@pytest.mark.parametrize("unfilled", [False, True])
@pytest.mark.parametrize("at", [b.EVEN, b.UNEVEN, b.SINGLE])
@pytest.mark.parametrize("kind", ["sell one", "buy one", "both sides", "nothing"])
def test_the_parts_add_up_to_the_objective(kind, at, unfilled):
    order = b.order(kind)
    assets = list(order.assets)
    problem = ac.ExecutionProblem(order, b.market(at, assets), *everything(assets, unfilled=unfilled))
    parts = stages(problem)
    for seed in range(3):
        trades = b.random_trades(problem, seed)
        trades *= 0.7 if unfilled else 1.0
        schedule = problem.evaluate(trades)
        size = sum(abs(t.factor * schedule.term_values[t.cost.name]) for t in problem.objective.terms)
        assert abs(total(parts, trades) - schedule.objective) <= SUM * size


def test_a_cross_impact_is_joint_and_adds_up():
    problem = ac.ExecutionProblem(
        b.order("both sides"), b.market(), ac.TemporaryImpact(b.cross_impact()) + 1e-6 * ac.TimingRisk()
    )
    parts = stages(problem)
    trades = b.random_trades(problem)
    assert parts.joint
    assert total(parts, trades) == pytest.approx(problem.evaluate(trades).objective, rel=SUM)
    assert not stages(ac.ExecutionProblem(b.order("sell many"), b.market(), ac.TemporaryImpact())).joint


def test_an_auction_has_its_own_impact():
    grid = ac.TimeGrid.session("2019-02-15", "65min", auctions=True)
    volume = pd.Series(np.linspace(1e5, 2e5, grid.periods), grid.labels)
    market = ac.Market(grid, 40.0, volume=volume, covariance=0.5, spread=0.02, impact=ac.AlmgrenEtAl2005())
    problem = ac.ExecutionProblem(
        ac.Order.buy(8e3), market, ac.PowerImpact() + ac.TemporaryImpact() + ac.SpreadCost() + 1e-5 * ac.TimingRisk()
    )
    trades = b.random_trades(problem)
    assert total(stages(problem), trades) == pytest.approx(problem.evaluate(trades).objective, rel=SUM)


def test_leading_axes_are_kept():
    problem = ac.ExecutionProblem(b.order("both sides"), b.market(), everything(list(b.NAMES))[0])
    parts = stages(problem)
    u = np.random.default_rng(1).normal(size=(4, 2, 3)) * 500
    for cost in (parts.trade_cost, parts.holding_cost):
        assert cost(2, u).shape == (4, 2)
        assert cost(2, u)[3, 1] == pytest.approx(cost(2, u[3, 1]), rel=SUM)
    assert parts.terminal(u).shape == (4, 2)


class TestRules:
    def test_bounds_and_closed_intervals(self):
        volume = pd.DataFrame(4e4, index=b.grid().labels, columns=["A"])
        volume.iloc[1] = 0.0
        market = b.market(assets=["A"], volume=volume)
        floor = ac.Participation(0.1, minimum=0.01, during=(0.6, 1.0), name="floor")
        rules = [ac.Participation(0.1), floor, ac.Monotone(), ac.NoTrade(during=(0.4, 0.6))]
        parts = stages(ac.ExecutionProblem(b.order("sell one"), market, ac.TemporaryImpact(), rules))
        assert parts.lower.ravel() == pytest.approx([-4e3, 0, 0, -4e3, -4e3])
        assert parts.upper.ravel() == pytest.approx([0, 0, 0, -400, -400])
        assert np.isfinite(parts.trade_cost(1, np.array([[0.0], [5.0]]))).all()

    def test_positions(self):
        rules = [ac.HoldingBounds(upper={"A": 5_000, "B": np.inf, "C": np.inf}), ac.DollarNeutral(30_000.0)]
        order = ac.Order.sell({"A": 9_000}) + ac.Order.buy({"B": 500, "C": 0})
        parts = stages(ac.ExecutionProblem(order, b.market(), ac.TemporaryImpact(), rules))
        assert not parts.allowed(0, np.array([5_001.0, -250.0, 0.0]))  # too much held
        assert parts.allowed(0, np.array([4_999.0, -250.0, 0.0]))
        assert not parts.allowed(0, np.array([4_999.0, -150.0, 0.0]))  # net 40,000
        assert not parts.allowed(4, np.array([1.0, 0.0, 0.0]))  # must be finished
        x = np.array([[0.0, 0, 0], [1.0, 0, 0]])
        assert parts.allowed(4, x).tolist() == [True, False]

    def test_what_may_be_left(self):
        order = ac.Order.sell({"A": 9_000, "B": 500})
        market = b.market(assets=["A", "B"])
        rules = [ac.AllowUnfilled(5.0, assets=["A"])]
        parts = stages(ac.ExecutionProblem(order, market, ac.TemporaryImpact(), rules))
        assert parts.allowed(4, np.array([[9_000.0, 0], [0, 1.0]])).tolist() == [True, False]
        rules = [ac.AllowUnfilled(5.0), ac.Complete(assets=["B"])]
        parts = stages(ac.ExecutionProblem(order, market, ac.TemporaryImpact(), rules))
        assert parts.allowed(4, np.array([[9_000.0, 0], [0, 1.0]])).tolist() == [True, False]

    def test_rules_in_another_market(self):
        thin = b.market(assets=["A"], volume=1e4)
        rules = [
            ac.UnderMarket(ac.Participation(0.1), thin),
            ac.UnderMarket(ac.HoldingBounds(upper=8_000.0), thin, name="held"),
        ]
        problem = ac.ExecutionProblem(ac.Order.sell({"A": 4_000}), b.market(assets=["A"]), ac.TemporaryImpact(), rules)
        parts = stages(problem)
        assert parts.lower.ravel() == pytest.approx(np.full(5, -1e3))
        assert parts.position_upper[0] == pytest.approx(8_000)

    def test_history_is_in_the_bounds(self):
        problem = ac.ExecutionProblem(
            b.order("sell one"), b.market(assets=["A"]), ac.TemporaryImpact(), executed=[[-1_000.0], [200.0]]
        )
        parts = stages(problem)
        assert parts.lower[:2].ravel().tolist() == parts.upper[:2].ravel().tolist() == [-1_000, 200]


class TestRefused:
    def test_each_term_that_joins_intervals_is_named(self):
        problem = ac.ExecutionProblem(
            b.order("sell one"), b.market(assets=["A"]),
            ac.TemporaryImpact() + ac.TransientImpact(ac.ExponentialDecay(rate=1.0), 1e-5) + ac.Jerk(scale=0.1)
            + ac.CustomCost(lambda p: cp.sum_squares(p.trades), name="own")
            + ac.WorstCase(ac.SpreadCost(), {"one": b.market(assets=["A"])}),
            [ac.TimingRisk() <= ac.bps(20), ac.CustomConstraint(lambda p: p.trades <= 5_000, name="rule")],
        )  # fmt: skip
        with pytest.raises(ac.ModelError) as caught:
            stages(problem)
        said = str(caught.value)
        names = (
            "TransientImpact (a trade",
            "Jerk (it compares",
            "own (its function",
            "WorstCase (",
            "rule (it may join",
        )
        for name in (*names, "TimingRisk budget (it is about the schedule as a whole)"):
            assert name in said
        assert "TemporaryImpact" not in said

    def test_a_risk_without_weight(self):
        problem = ac.ExecutionProblem(b.order("sell one"), b.market(assets=["A"]), ac.SpreadCost() + ac.TimingRisk())
        with pytest.raises(ac.ModelError, match="TimingRisk has no weight: multiply"):
            stages(problem)

    def test_a_subclass_that_may_price_otherwise(self):
        class Mine(ac.SpreadCost):
            def values(self, path):
                return 2.0 * super().values(path)

        problem = ac.ExecutionProblem(b.order("sell one"), b.market(assets=["A"]), Mine())
        with pytest.raises(ac.ModelError, match=r"Mine \(it does not say how it splits"):
            stages(problem)

    def test_something_else(self):
        with pytest.raises(ac.DataError, match="stages problem: int was given, an ExecutionProblem is expected"):
            stages(3)


class Fee(ac.Cost):
    """A cost of one's own that splits."""

    kind = "money"

    def __init__(self, answer):
        self.answer = answer

    def by_stage(self, setting):
        return self.answer

    def values(self, path):
        return 5.0 * (path.trades != 0)


def test_a_cost_of_ones_own_says_how_it_splits():
    own = Fee(StageCost(trade=lambda k, u: 5.0 * (u != 0).sum(axis=-1)))
    problem = ac.ExecutionProblem(b.order("both sides"), b.market(), ac.TemporaryImpact() + 3.0 * own)
    trades = b.random_trades(problem)
    trades[2] = 0.0
    trades[-1] = -problem.setting.remaining - trades[:-1].sum(axis=0)
    assert total(stages(problem), trades) == pytest.approx(problem.evaluate(trades).objective, rel=SUM)


def test_a_subclass_says_it_too():
    class Double(ac.SpreadCost):
        def by_stage(self, setting):
            epsilon = 2.0 * self.coefficient(setting)
            return StageCost(trade=lambda k, u: (epsilon[k] * np.abs(u)).sum(axis=-1))

        def values(self, path):
            return 2.0 * super().values(path)

    problem = ac.ExecutionProblem(b.order("both sides"), b.market(), Double())
    trades = b.random_trades(problem)
    assert total(stages(problem), trades) == pytest.approx(problem.evaluate(trades).objective, rel=SUM)


def test_a_cost_of_ones_own_that_says_something_else():
    wrong = ac.ExecutionProblem(b.order("both sides"), b.market(), ac.TemporaryImpact() + Fee(3.0))
    with pytest.raises(ac.ModelError, match="Fee: by_stage returned float, a StageCost is expected"):
        stages(wrong)

"""Trades against the order: found where nothing forces them, and the reason is the one that was built in."""

import builders
import numpy as np
import pandas as pd
import pytest

import acopt as ac
from acopt.costs.transient import TransientImpact
from acopt.insight.round_trips import round_trips, unforced
from acopt.market.kernels import ExponentialDecay, LinearDecay, PowerLawDecay

EDGES = np.linspace(0.0, 1.0, 11)


def hump(t):
    """A Gaussian: positive definite, and flat at the start, so not convex."""
    return np.exp(-((6.0 * t) ** 2))


def plan(cost, rules=(), order=None, **facts):
    order = ac.Order.sell(1e5) if order is None else order
    market = ac.Market(ac.TimeGrid(EDGES), 50.0, **{"covariance": 1.0, **facts})
    return ac.ExecutionProblem(order, market, cost, rules).solve()


class TestNone:
    @pytest.mark.parametrize("kernel", [ExponentialDecay(half_life=0.2), PowerLawDecay(0.5, 0.05), LinearDecay(2.0)])
    @pytest.mark.parametrize("shares", [1e5, -1e5])
    def test_a_convex_kernel_alone_never_trades_against_the_order(self, kernel, shares):
        """Alfonsi, Schied & Slynko (2012), Theorem 1."""
        found = plan(TransientImpact(kernel, 1e-6), order=ac.Order(shares))
        assert (found.path.trades * np.sign(shares) <= 0).all()
        assert round_trips(found) == []

    def test_nothing_to_say_of_almgren_and_chriss(self):
        assert round_trips(plan(ac.TemporaryImpact(1e-6) + 1e-6 * ac.TimingRisk())) == []

    def test_nor_of_nothing(self):
        assert round_trips(plan(ac.TemporaryImpact(1e-6), order=ac.Order(0.0))) == []

    def test_monotone_forbids_them(self):
        assert round_trips(plan(TransientImpact(hump, 1e-6), [ac.Monotone()])) == []

    def test_what_a_rule_forces_is_left_out(self):
        lower = np.full((10, 1), -1e5)
        lower[3] = 2_000.0
        found = plan(ac.TemporaryImpact(1e-6), [ac.TradeSize(lower, 1e5)])
        assert found.path.trades[3, 0] == pytest.approx(2_000.0)
        assert round_trips(found) == []

    def test_hedge_legs_are_free(self):
        order = ac.Order.sell({"A": 9_000.0}) + ac.Order.hedge(["C"])
        cost = ac.TemporaryImpact() + 1e-4 * ac.TimingRisk()
        found = ac.ExecutionProblem(order, builders.market("uneven", ["A", "C"]), cost).solve()
        assert found.path.trades[:, 1].any()
        assert round_trips(found) == []


class TestReasons:
    def test_a_kernel_that_is_not_convex(self):
        found = plan(TransientImpact(hump, 1e-6, name="fading"))
        (said,) = round_trips(found)
        wrong = found.path.trades[found.path.trades > 0]
        assert said.startswith(f"{len(wrong)} trades against the order (")
        assert f"{100 * wrong.sum() / 1e5:.3g}% of the order" in said
        assert "because the kernel of fading is not convex" in said
        assert "Alfonsi, Schied & Slynko 2012" in said

    def test_it_is_the_kernel(self):
        """The same shape made convex: nothing left to explain."""
        assert round_trips(plan(TransientImpact(lambda t: np.exp(-6.0 * t), 1e-6))) == []

    def test_permanent_impact_that_the_next_trade_gets_back(self):
        """The smallest eigenvalue of the Hessian all but gone: its trades, up and down, are nearly free."""
        kernel, edges = PowerLawDecay(0.5, 0.05), np.array([0.0, 0.1, 0.25, 0.3, 0.5, 0.7])
        moments = 0.5 * (edges[1:] + edges[:-1])
        gamma = 0.99 * 1e-6 * np.linalg.eigvalsh(kernel(np.abs(moments[:, None] - moments[None, :])))[0]

        def sentences(own):
            market = ac.Market(ac.TimeGrid(edges), 50.0)
            cost = TransientImpact(kernel, 1e-6) + ac.PermanentImpact(gamma, own=own)
            return round_trips(ac.ExecutionProblem(ac.Order.sell(1e5), market, cost).solve())

        (said,) = sentences("full")
        assert "because PermanentImpact charges a trade nothing of its own move" in said
        assert sentences("half") == []

    def test_a_drift(self):
        cost = ac.TemporaryImpact(1e-6)
        (said,) = round_trips(plan(cost + ac.Alpha(3.0)))
        assert "10" not in said.split(" trades")[0]
        assert said.endswith("because the drift of Alpha pays for it")
        assert round_trips(plan(cost + ac.Alpha(-0.01))) == []

    def test_a_benchmark(self):
        path = np.linspace(1.0, 0.0, 11) ** 2 * 1e5
        path[4] = 1.3e5
        (said,) = round_trips(plan(ac.TemporaryImpact(1e-9) + 1.0 * ac.TrackingRisk(path)))
        assert "because TrackingRisk follows the path of TrackingRisk" in said

    def test_several_reasons_are_all_named(self):
        (said,) = round_trips(plan(TransientImpact(hump, 1e-6) + ac.Alpha(3.0)))
        assert ": the kernel of TransientImpact is not convex" in said
        assert "; the drift of Alpha pays for it" in said

    def test_a_custom_rule(self):
        rule = ac.CustomConstraint(lambda p: p.remaining[5] >= 1.2e5, name="build up")
        (said,) = round_trips(plan(ac.TemporaryImpact(1e-6), [rule]))
        assert said.endswith("because build up ties it to its path")


class TestSeveralAssets:
    NAMES = ("A", "C")

    def plan(self, cost, rules=(), order=None):
        order = order or ac.Order.sell({"A": 9_000.0}) + ac.Order.sell({"C": 100.0})
        return ac.ExecutionProblem(order, builders.market("uneven", self.NAMES), cost, rules).solve()

    def test_risk_that_is_hedged(self):
        """C hardly has an order, and moves with A: it is sold short for a while."""
        found = self.plan(ac.TemporaryImpact() + 1e-3 * ac.TimingRisk())
        assert unforced(found)[:, 1].any()
        (said,) = round_trips(found)
        assert " in C (" in said
        assert "by TimingRisk it hedges other assets" in said

    def test_a_neutrality(self):
        """A is made to buy back for a while, and what must stay neutral to it follows."""
        order = ac.Order.sell({"A": 9_000.0}) + ac.Order.buy({"C": 3_200.0})
        lower, upper = np.full((5, 2), -np.inf), np.full((5, 2), np.inf)
        lower[2, 0] = 5_000.0
        found = self.plan(ac.TemporaryImpact(), [ac.DollarNeutral(0.02), ac.TradeSize(lower, upper)], order)
        assert not unforced(found)[2, 0]
        assert unforced(found)[2, 1] > 1_000.0
        sentences = [said for said in round_trips(found) if " in C (" in said or " in A, C (" in said]
        assert len(sentences) == 1
        assert "because DollarNeutral ties it to other assets" in sentences[0]

    def test_impact_between_assets(self):
        strength = pd.DataFrame([[1e-4, 0.9e-4], [0.9e-4, 1e-4]], index=self.NAMES, columns=self.NAMES)
        cost = TransientImpact(ExponentialDecay(half_life=0.3), strength) + ac.TemporaryImpact(
            pd.Series({"A": 1e-4, "C": 1e-7})
        )
        found = self.plan(cost)
        (said,) = round_trips(found)
        assert " in C (" in said
        assert said.endswith("because TransientImpact acts between assets")

    def test_one_sentence_for_the_same_reasons(self):
        cost = TransientImpact(hump, pd.Series({"A": 1e-5, "C": 1e-5}))
        market = builders.market(ac.TimeGrid(EDGES), self.NAMES)
        order = ac.Order.sell({"A": 9_000.0, "C": 5_000.0})
        (said,) = round_trips(ac.ExecutionProblem(order, market, cost).solve())
        assert " in A, C (" in said

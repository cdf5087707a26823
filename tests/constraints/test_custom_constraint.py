"""CustomConstraint: any convex rule on the paths."""

import builders
import cvxpy as cp
import numpy as np
import pytest

import acopt as ac
from acopt.errors import DataError, InfeasibleError, ModelError

OBEYED = 1e-9
SAME = 1e-7  # two ways to write one rule: trades, of the order

COST = ac.TemporaryImpact() + 1e-5 * ac.TimingRisk()


def problem(function, kind="both sides", rules=(), **names):
    rule = ac.CustomConstraint(function, **names)
    return ac.ExecutionProblem(builders.order(kind), builders.market("uneven"), COST, [rule, *rules])


class TestObeyed:
    @pytest.mark.parametrize("kind", ["both sides", "sell many", "buy many"])
    def test_a_pair_that_stays_together(self, kind):
        free = ac.ExecutionProblem(builders.order(kind), builders.market("uneven"), COST).solve()
        plan = problem(lambda p: cp.abs(p.done("A") - p.done("B")) <= 0.01, kind, name="pair").solve()

        def gap(s):
            left = s.remaining / s.remaining.iloc[0]
            return np.abs(left["A"] - left["B"]).max()

        assert gap(free) > 0.02
        assert gap(plan) <= 0.01 + OBEYED
        assert plan.certificate.violations["pair"] <= OBEYED

    @pytest.mark.parametrize(
        ("function", "built_in"),
        [
            (lambda p: p.trades[:, 0] >= -2_500.0, ac.TradeSize(-2_500.0, assets="A")),
            (
                lambda p: [p.asset("A").trades >= -2_500.0, p.asset("A").trades <= 2_500.0],
                ac.TradeSize(-2_500.0, 2_500.0, assets="A"),
            ),
            (lambda p: cp.abs(p.asset("C").participation) <= 0.015, ac.Participation(0.015, assets="C")),
            (lambda p: p.holdings[1:, 0] <= 7_000.0, ac.HoldingBounds(upper=7_000.0, assets="A")),
            (lambda p: p.at(0.35).trades == 0, ac.NoTrade(during=(0.35, 0.4))),
            (lambda p: cp.abs(p.asset("A").rates) <= 15_000.0, ac.TradeRate(-15_000.0, 15_000.0, assets="A")),
        ],
    )
    def test_a_built_in_written_by_hand_gives_the_same_plan(self, function, built_in):
        mine = problem(function).solve()
        order, market = builders.order("both sides"), builders.market("uneven")
        theirs = ac.ExecutionProblem(order, market, COST, [built_in]).solve()
        assert np.abs(theirs.trades - ac.ExecutionProblem(order, market, COST).solve().trades).max().max() > 1.0
        np.testing.assert_allclose(mine.trades, theirs.trades, atol=SAME * 9_000.0)

    def test_turnover_of_the_whole_basket(self):
        limit = 150_000.0
        plan = problem(lambda p: cp.sum(cp.abs(p.notional), axis=1) <= limit).solve()
        spent = plan.notional.abs().sum(axis=1)
        assert spent.max() == pytest.approx(limit, rel=1e-6)
        assert spent.max() <= limit * (1 + OBEYED)


class TestViolation:
    def test_relative_to_its_sides(self):
        asked = problem(lambda p: p.trades[:, 0] >= -1_000.0, name="cap")
        trades = -np.outer(asked.market.grid.durations, asked.order.remaining)
        plan = asked.evaluate(trades)
        expected = np.maximum(-1_000.0 - trades[:, 0], 0.0) / 4_050.0  # 0.45 of a day, 9,000 shares
        np.testing.assert_allclose(asked.constraints[0].violation(plan.path), expected, rtol=1e-9)
        assert plan.rules_broken == {"cap": pytest.approx(expected.max())}

    def test_none_where_it_is_kept(self):
        asked = problem(lambda p: [p.trades[:, 0] >= -1e6, p.remaining[5] == 0])
        plan = asked.evaluate(-np.outer(asked.market.grid.durations, asked.order.remaining))
        assert plan.rules_broken == {}


class TestInfeasible:
    def test_against_completion(self):
        with pytest.raises(InfeasibleError, match="wait"):
            problem(lambda p: p.remaining[5, 0] >= 10.0, name="wait").solve()

    def test_against_another_rule(self):
        with pytest.raises(InfeasibleError, match=r"TradeSize, early conflict|early, TradeSize conflict"):
            problem(lambda p: p.done("A")[1] >= 0.9, name="early", rules=[ac.TradeSize(-2_500.0, 2_500.0)]).solve()


class TestRefusals:
    @pytest.mark.parametrize(
        ("function", "words"),
        [
            (lambda p: True, "CustomConstraint: the function returned bool True; a CVXPY constraint is expected"),
            (lambda p: p.trades, "a CVXPY constraint is expected"),
            (lambda p: [], "the function returned no constraint at all"),
            (lambda p: [p.trades <= 1e9, 3], "returned int 3"),
            (lambda p: cp.sum_squares(p.trades) >= 1.0, "is not convex by CVXPY's rules"),
            (lambda p: cp.abs(p.trades) == 1.0, "is not convex by CVXPY's rules"),
            (lambda p: cp.Variable(2, name="stray") <= 1.0, "CustomConstraint uses the variable stray"),
            (lambda p: cp.Constant(1.0) <= 2.0, "does not depend on the schedule"),
            (lambda p: p.trades @ np.ones(7) <= 1.0, "the function failed on the paths"),
            (lambda p: p.done("X") <= 1.0, "CustomConstraint: the function failed on the paths: no asset 'X'"),
        ],
    )
    def test_functions(self, function, words):
        with pytest.raises(ModelError, match=words):
            problem(function)

    def test_arguments(self):
        with pytest.raises(DataError, match="CustomConstraint: a function of the paths is expected, int was given"):
            ac.CustomConstraint(5)
        for names in ({"assets": ["A"]}, {"during": (0.1, 0.4)}):
            with pytest.raises(ModelError, match=r"assets= and during= are for the built-in rules; use p.asset\(\)"):
                ac.CustomConstraint(lambda p: p.trades <= 1.0, **names)


def test_a_chain_of_comparisons_is_refused_by_the_rules_name():
    """CVXPY raises a plain Exception there."""
    chain = ac.CustomConstraint(lambda p: 0 <= p.done("asset") <= 1, name="between")
    market = ac.Market(ac.TimeGrid.uniform(1.0, 3), 50.0)
    with pytest.raises(ac.ModelError, match=r"between: the function failed on the paths: .*chain constraints"):
        ac.ExecutionProblem(ac.Order(9_000.0), market, ac.TemporaryImpact(2e-6), [chain])

"""A rule in another market is the rule of a problem in that market."""

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest
from builders import EVEN, NAMES, UNEVEN, market, order, random_trades

import acopt as ac
from acopt.constraints.under_market import UnderMarket
from acopt.market.what_if import what_if

COSTS = ac.TemporaryImpact() + ac.SpreadCost() + 2e-5 * ac.TimingRisk()
RULES = {
    "cap and floor": ac.Participation(0.2, minimum=0.005, assets=["A", "C"]),
    "cap in a window": ac.Participation(0.1, during=(0.0, 0.4)),
    "size": ac.TradeSize(-3000.0, 3000.0),
    "one side": ac.Monotone(),
    "neutral": ac.DollarNeutral(0.9, during=(0.4, 1.0)),
    "holdings": ac.HoldingBounds(-20.0, 9_050.0),
    "custom": ac.CustomConstraint(lambda p: cp.abs(p.asset("B").participation) <= 0.01),
}


def problem(rules, base, kind="both sides"):
    return ac.ExecutionProblem(order(kind), base, COSTS, rules)


def thin():
    base = market()
    return base, base.with_volumes(base.volumes[::-1] * [0.6, 0.8, 0.7])


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@pytest.mark.parametrize("kind", ["sell many", "buy many", "both sides"])
def test_it_is_the_rule_of_a_problem_in_that_market(rule, kind):
    if isinstance(rule, ac.DollarNeutral) and kind != "both sides":
        rule = ac.DollarNeutral(1e6)
    base, other = thin()
    wrapped = problem([UnderMarket(rule, other)], base, kind)
    # The costs are the base's in both: what differs is the volume that the rule reads.
    exact = ac.ExecutionProblem(order(kind), other, COSTS, [rule])
    for seed in range(3):
        trades = random_trades(exact, seed, wild=0.2)
        found, told = wrapped.evaluate(trades), exact.evaluate(trades)
        assert list(found.rules_broken.values()) == list(told.rules_broken.values())
    plan = wrapped.solve()
    assert not wrapped.evaluate(plan.path.trades).rules_broken
    assert not exact.evaluate(plan.path.trades).rules_broken
    assert plan.objective == pytest.approx(oracle(rule, base, other, kind).objective, rel=1e-8)


def oracle(rule, base, other, kind):
    """The base's costs, by their coefficients, in the other market."""
    setting = ac.ExecutionProblem(order(kind), base, COSTS).setting
    eta = pd.DataFrame(base.impact.temporary(base), base.grid.labels, NAMES)
    half = pd.Series(0.5 * base.spreads, NAMES)
    costs = ac.TemporaryImpact(eta) + ac.SpreadCost(half) + 2e-5 * ac.TimingRisk(base.covariance)
    assert setting.shape == eta.shape
    return ac.ExecutionProblem(order(kind), other, costs, [rule]).solve()


def test_the_tightest_of_several_markets_counts():
    base, other = thin()
    rule = ac.Participation(0.2)
    plan = problem([rule, UnderMarket(rule, other, name="Participation (thin)")], base).solve()
    cap = 0.2 * np.minimum(base.volumes, other.volumes)
    assert (np.abs(plan.path.trades) <= cap * (1 + 1e-12)).all()
    exact = problem([ac.TradeSize(*(sign * pd.DataFrame(cap, base.grid.labels, NAMES) for sign in (-1, 1)))], base)
    assert plan.objective == pytest.approx(exact.solve().objective, rel=1e-9)


def test_one_sided_rules_keep_their_structure():
    base, other = thin()
    plan = problem([UnderMarket(ac.Monotone(), other)], base, "sell many").solve()
    assert plan.setting.one_sided.all()
    assert (plan.path.trades <= 0).all()


def test_it_is_updated_as_the_rule_inside():
    base, other = thin()
    asked = problem([UnderMarket(ac.Participation(0.2), other, name="thin")], base)
    asked.update(constraints={"thin": {"maximum": 0.4}})
    assert asked.constraints[0].rule.maximum == 0.4
    exact = problem([UnderMarket(ac.Participation(0.4), other)], base).solve()
    assert asked.solve().objective == pytest.approx(exact.objective, rel=1e-10)
    asked.update(constraints={"thin": {"market": base, "maximum": 0.2}})
    exact = problem([ac.Participation(0.2)], base).solve()
    assert asked.solve().objective == pytest.approx(exact.objective, rel=1e-10)
    with pytest.raises(ac.ModelError, match="no 'minimal' to update"):
        asked.update(constraints={"thin": {"minimal": 0.1}})


def test_history_is_left_out():
    base, other = thin()
    asked = problem([UnderMarket(ac.Participation(0.1), other)], base)
    executed = np.array([[-8500.0, 0.0, 0.0]])
    assert 0.1 * other.volumes[0, 0] < 8500.0
    plan = asked.with_history(executed).solve()
    np.testing.assert_array_equal(plan.path.trades[:1], executed)
    assert not plan.rules_broken


def test_shadow_prices_and_diagnosis_speak_of_it():
    base, other = thin()
    tight = UnderMarket(ac.Participation(0.09), what_if(base, volume=0.9), name="thin cap")
    prices = problem([tight], base).solve().shadow_prices()
    assert set(prices["constraint"]) >= {"thin cap"}
    with pytest.raises(ac.InfeasibleError, match=r"caps sum to.*thin cap") as caught:
        problem([UnderMarket(ac.Participation(0.01), other, name="thin cap")], base)
    assert "thin cap" in str(caught.value.diagnosis)


def test_bad_input():
    base, other = thin()
    with pytest.raises(ac.DataError, match="UnderMarket rule: float was given"):
        UnderMarket(0.1, other)
    with pytest.raises(ac.DataError, match="UnderMarket market: str was given"):
        UnderMarket(ac.Participation(0.1), "thin")
    with pytest.raises(ac.DataError, match="UnderMarket rule: thin is in another market already"):
        UnderMarket(UnderMarket(ac.Participation(0.1), other, name="thin"), base)
    for field in ({"assets": ["A"]}, {"during": (0.0, 0.4)}):
        with pytest.raises(ac.DataError, match="are for the rule inside"):
            UnderMarket(ac.Participation(0.1), other, **field)
    for priced in (ac.AllowUnfilled(5.0), ac.Participation(0.1, penalty_bps=3.0)):
        with pytest.raises(ac.ModelError, match="has a price"):
            problem([UnderMarket(priced, other)], base)
    with pytest.raises(ac.ModelError, match="makes no soft rule of it"):
        UnderMarket(ac.Participation(0.1), other, penalty_bps=3.0)
    with pytest.raises(ac.DataError, match="thin cap: its market has another grid"):
        problem([UnderMarket(ac.Participation(0.1), market(UNEVEN), name="thin cap")], base)
    with pytest.raises(ac.DataError, match="the market has no asset C"):
        problem([UnderMarket(ac.Participation(0.1), market(EVEN, ["A", "B"]))], base)
    assert UnderMarket(ac.Participation(0.1), other).name == "Participation in another market"

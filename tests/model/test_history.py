"""A problem with a history: what was executed is pinned, counted, and free of rules; the rest is optimal after it."""

import builders
import numpy as np
import pandas as pd
import pytest

import acopt as ac
from acopt.errors import DataError, InfeasibleError
from acopt.spec.files import parse_problem

TAIL = 1e-9  # trades that no news should move, of the order
OBJECTIVE = (
    ac.TemporaryImpact()
    + ac.PermanentImpact()
    + ac.SpreadCost()
    + 2e-6 * ac.TimingRisk()
    + 0.5 * ac.Jerk(0.05)
    + ac.Alpha(pd.Series({"A": 0.02, "B": -0.5, "C": 0.0}))
)


def problem(kind="both sides", at="uneven", rules=None, objective=OBJECTIVE):
    rules = [ac.Participation(0.5), ac.Monotone(), ac.DollarNeutral(6e5)] if rules is None else rules
    return ac.ExecutionProblem(builders.order(kind), builders.market(at), objective, rules)


@pytest.mark.parametrize("kind", ["sell many", "buy many", "both sides"])
@pytest.mark.parametrize("done", [1, 2, 4])
def test_without_news_the_tail_does_not_move(kind, done):
    plan = problem(kind).solve()
    later = problem(kind).with_history(plan.path.trades[:done]).solve()
    np.testing.assert_allclose(later.path.trades, plan.path.trades, rtol=0, atol=TAIL * plan.setting.size)
    assert later.objective == pytest.approx(plan.objective, rel=1e-12)


def test_the_past_is_pinned_and_the_rest_is_optimal_after_it():
    """The same question declared anew, the past as trades of a given size."""
    asked = problem()
    past = 0.6 * asked.solve().path.trades[:2]
    later = asked.with_history(past).solve()
    np.testing.assert_array_equal(later.path.trades[:2], past)
    np.testing.assert_array_equal(later.path.remaining[-1], 0.0)
    pin = pd.DataFrame(past, index=asked.market.grid.labels[:2], columns=asked.order.assets)
    rest = asked.market.grid.labels[2:]
    low = pd.concat([pin, pd.DataFrame(-np.inf, index=rest, columns=pin.columns)])
    high = pd.concat([pin, pd.DataFrame(np.inf, index=rest, columns=pin.columns)])
    rules = [ac.Participation(0.5), ac.Monotone(), ac.DollarNeutral(6e5), ac.TradeSize(low, high)]
    fresh = problem(rules=rules).solve()
    np.testing.assert_allclose(later.path.trades, fresh.path.trades, rtol=0, atol=1e-8 * asked.setting.size)


def test_rules_do_not_apply_to_what_was_done():
    """More than the cap, against the order, outside neutrality: all facts; the rest keeps the rules."""
    rules = [ac.Participation(0.4), ac.Monotone(), ac.DollarNeutral(1.5e5), ac.HoldingBounds(upper=9_100.0)]
    asked = problem(rules=rules)
    volume = asked.market.volumes
    past = np.array([[0.45 * volume[0, 0], 0.01 * volume[0, 1], -0.05 * volume[0, 2]]])
    assert set(asked.evaluate(np.vstack([past, np.zeros((4, 3))])).rules_broken) >= {rule.name for rule in rules}
    later = asked.with_history(past).solve()
    assert later.rules_broken == {}
    assert (np.abs(later.path.participation[1:]) <= 0.4 + 1e-9).all()
    np.testing.assert_array_equal(later.path.trades[:1], past)


def test_an_over_fill_is_traded_back_under_monotone():
    asked = problem("sell one", rules=[ac.Participation(0.9), ac.Monotone()])
    later = asked.with_history(np.array([[-12_000.0]])).solve()
    assert later.path.trades[1:].sum() == pytest.approx(3_000.0, rel=1e-12)
    assert (later.path.trades[1:] >= 0).all()
    # What was paid for the spread is |u| eps whichever way the trades went.
    spread = float(np.sum(0.5 * asked.market.spreads * np.abs(later.path.trades)))
    assert later.term_values["SpreadCost"] == pytest.approx(spread, rel=1e-12)
    assert later.certificate.objective_difference < 1e-12


def test_history_can_be_pinned_where_no_trade_was_bounded():
    market = builders.market("even", ["A"], volume=None, impact=ac.ImpactCoefficients(1e-6))
    asked = ac.ExecutionProblem(builders.order("sell one"), market, ac.TemporaryImpact() + 1e-6 * ac.TimingRisk())
    plan = asked.solve()
    later = asked.with_history(plan.path.trades[:2]).solve()
    np.testing.assert_allclose(later.path.trades, plan.path.trades, rtol=0, atol=TAIL * plan.setting.size)


def test_the_original_problem_is_left_as_it_was():
    asked = problem()
    before = asked.solve().path.trades
    asked.with_history(0.5 * before[:2]).solve()
    np.testing.assert_allclose(asked.solve().path.trades, before, rtol=0, atol=1e-12 * asked.setting.size)
    assert asked.setting.elapsed == 0


def test_an_update_keeps_the_history():
    asked = problem()
    past = 0.5 * asked.solve().path.trades[:2]
    later = asked.with_history(past).update(constraints={"Participation": {"maximum": 0.4}}).solve()
    np.testing.assert_array_equal(later.path.trades[:2], past)
    assert (np.abs(later.path.participation[2:]) <= 0.4 + 1e-9).all()


def test_what_no_rest_can_finish_is_said():
    asked = problem("sell one", rules=[ac.Participation(0.06)])
    with pytest.raises(InfeasibleError, match=r"A: done 0 and caps of ([\d,]+) to come make \1 of 9,000 shares"):
        asked.with_history(np.zeros((4, 1)))


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_what_is_done_is_told_apart_from_caps_to_come(side):
    market = ac.Market(ac.TimeGrid.uniform(1.0, 5), 50.0, volume=10_000.0)
    asked = ac.ExecutionProblem(ac.Order(side * 9_000.0), market, ac.TemporaryImpact(1e-6), [ac.Participation(0.2)])
    said = r"^asset: done 3,500 and caps of 4,000 to come make 7,500 of 9,000 shares \(Participation\); allow more"
    with pytest.raises(InfeasibleError, match=said):
        asked.with_history(-side * np.array([[2_000.0], [1_000.0], [500.0]]))
    said = r"^asset: done -1,000 and caps of 8,000 to come make 7,000 of 9,000 shares"
    with pytest.raises(InfeasibleError, match=said):
        asked.with_history(side * np.array([[1_000.0]]))


def test_shares_executed_without_a_market_are_refused():
    volume = builders.market("even", ["A"]).volume
    volume.iloc[1] = 0.0
    asked = ac.ExecutionProblem(builders.order("sell one"), builders.market("even", ["A"], volume=volume), OBJECTIVE)
    with pytest.raises(DataError, match=r"executed: -10 shares .*closed or has no volume"):
        asked.with_history(np.array([[0.0], [-10.0]]))


# ------------------------------------------------------------------ copies and re-solves


def test_a_copy_is_updated_on_its_own():
    asked = problem()
    before = asked.solve()
    other = asked.copy().update(weights={"TimingRisk": 1e-4}, constraints={"Participation": {"maximum": 0.6}})
    moved = other.solve()
    assert np.abs(moved.path.trades - before.path.trades).max() > 1e-3 * asked.setting.size
    again = asked.solve()
    np.testing.assert_allclose(again.path.trades, before.path.trades, rtol=0, atol=1e-12 * asked.setting.size)
    assert asked.constraints[0].maximum == 0.5


def test_a_plan_keeps_its_question():
    asked = problem()
    plan = asked.solve()
    asked.update(weights={"TimingRisk": 1e-3})
    assert {t.cost.name: t.weight for t in plan.problem.objective.terms}["TimingRisk"] == 2e-6
    np.testing.assert_allclose(plan.problem.solve().path.trades, plan.path.trades, rtol=0, atol=1e-9 * 9_000)


def test_a_plan_of_a_dial_knows_its_weight():
    free = problem(objective=ac.TemporaryImpact() + ac.TimingRisk(), rules=[])
    plan = free.solve_for(risk_price=0.3)
    again = plan.problem.solve()
    np.testing.assert_allclose(again.path.trades, plan.path.trades, rtol=0, atol=1e-9 * plan.setting.size)


def test_a_re_solve_follows_the_active_set_and_equals_a_fresh_solve():
    warm = problem()
    warm.solve()
    solvers = set()
    for maximum in (0.45, 0.3, 0.62, 0.3):
        plan = warm.update(constraints={"Participation": {"maximum": maximum}}).solve()
        solvers.add(plan.certificate.solver)
        rules = [ac.Participation(maximum), ac.Monotone(), ac.DollarNeutral(6e5)]
        fresh = problem(rules=rules).solve()
        assert fresh.certificate.solver == "OSQP"
        np.testing.assert_allclose(plan.path.trades, fresh.path.trades, rtol=0, atol=1e-9 * plan.setting.size)
    assert "ACTIVE SET" in solvers


def test_a_problem_may_be_stated_with_its_history():
    """Also one that no schedule of the whole day would obey: more was done than the caps of the morning allow."""
    market = builders.market("even", ["A"], volume=pd.Series({"A": 1e4}))
    order, rules = ac.Order.sell({"A": 4_000.0}), [ac.Participation(0.05)]
    costs = ac.TemporaryImpact() + 1e-6 * ac.TimingRisk()
    with pytest.raises(ac.InfeasibleError, match="caps sum to"):
        ac.ExecutionProblem(order, market, costs, rules)
    stated = ac.ExecutionProblem(order, market, costs, rules, executed=np.array([[-2_500.0]]))
    plan = stated.solve()
    assert plan.trades["A"].iloc[0] == -2_500.0
    assert plan.trades["A"].sum() == -4_000.0
    assert plan.trades["A"].iloc[1:].min() >= -500.0
    again = parse_problem(stated.to_toml()).problem()
    assert again.content_hash() == stated.content_hash()
    assert again.solve().trades.equals(plan.trades)


@pytest.mark.parametrize(
    ("executed", "said"),
    [
        (np.zeros((5, 1)), r"executed: an array of shape \(5, 1\) was given; \(p, 1\) with p < 5 is expected"),
        (np.zeros(2), r"executed: an array of shape \(2,\) was given"),
        (np.array([[np.nan]]), "executed: nan for A at 0.0; a number is expected"),
        ("yesterday", "executed"),
    ],
)
def test_a_history_that_is_none(executed, said):
    market = builders.market("even", ["A"])
    with pytest.raises(ac.DataError, match=said):
        ac.ExecutionProblem(ac.Order.sell({"A": 10.0}), market, ac.TemporaryImpact(), executed=executed)

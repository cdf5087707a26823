"""What each rule costs, against problems written without it."""

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest
from builders import EDGES, ORDERS, market, order, outcome

import acopt as ac
from acopt.errors import ModelError
from acopt.insight.constraint_costs import constraint_costs

COSTS = ac.TemporaryImpact() + ac.SpreadCost() + 1e-6 * ac.TimingRisk()


def rules():
    return {
        "Participation": ac.Participation(0.12),
        "Monotone": ac.Monotone(),
        "lunch": ac.NoTrade(during=(0.4, 0.85), name="lunch"),
        "HoldingBounds": ac.HoldingBounds(lower=-7000, upper=7000),
        "DollarNeutral": ac.DollarNeutral(0.4),
        "pace": ac.CustomConstraint(lambda p: p.at(0.35).remaining[0] <= 4000, name="pace"),
    }


def problem(chosen, orders="both sides", costs=COSTS, at="uneven"):
    return ac.ExecutionProblem(order(orders), market(at, ORDERS[orders]), costs, list(chosen))


def test_every_row_is_the_problem_written_without_that_rule():
    names = [n for n in rules() if n not in ("lunch", "HoldingBounds")]
    asked = problem([rules()[n] for n in names])
    whole, table = asked.solve(), asked.constraint_costs()
    assert set(table.index) == set(names)
    for name in names:
        other = problem([rules()[n] for n in names if n != name]).solve()
        row = table.loc[name]
        assert row["status"] == "optimal"
        assert row["objective"] == pytest.approx(other.objective, rel=1e-10)
        assert row["saved"] == pytest.approx(whole.objective - other.objective, abs=1e-9 * whole.objective)
        assert row["cost_bps"] == pytest.approx(other.bps(other.expected_cost), rel=1e-6)
        assert row["risk_bps"] == pytest.approx(other.bps(other.risk), rel=1e-6)
        assert row["changed"] == (np.abs(other.path.trades - whole.path.trades).max() > 1e-6 * whole.setting.size)
        assert row["saved"] >= -1e-12 * whole.objective
    assert table["saved"].is_monotonic_decreasing
    assert table["changed"].any()


@pytest.mark.parametrize("at", EDGES)
@pytest.mark.parametrize("orders", ORDERS)
def test_a_rule_that_does_not_bind_costs_nothing(at, orders):
    asked = problem([ac.Participation(1.0), ac.Monotone(), ac.HoldingBounds(upper=1e7, lower=-1e7)], orders, at=at)
    table = asked.constraint_costs()
    assert not table["changed"].any()
    assert (table["status"] == "optimal").all()
    np.testing.assert_allclose(table["saved"], 0.0, atol=1e-12 * max(asked.solve().objective, 1.0))


def test_the_problem_itself_is_left_alone():
    asked = problem(rules()[n] for n in ("Participation", "DollarNeutral"))
    before = asked.solve()
    asked.constraint_costs()
    after = asked.solve()
    np.testing.assert_allclose(after.path.trades, before.path.trades, atol=1e-9 * asked.setting.size)
    assert [c.name for c in asked.constraints] == ["Participation", "DollarNeutral"]


def test_an_unbounded_remainder_is_a_row_and_not_an_error():
    earns = ac.TemporaryImpact(1e-9) + ac.SpreadCost(0.0) + ac.Alpha(pd.Series([1.0], ["A"]))
    linear = ac.SpreadCost(1e-4) + ac.Alpha(pd.Series([1.0], ["A"]))
    cap, never = ac.Participation(0.4), ac.HoldingBounds(lower=-1e5, upper=1e5)
    asked = problem([cap, ac.TradeSize(-1e8, 1e8)], "sell one", earns, "even")
    assert (asked.constraint_costs()["status"] == "optimal").all()
    table = problem([cap], "sell one", linear, "even").constraint_costs()
    row = table.loc["Participation"]
    assert (row["status"], row["changed"]) == ("unbounded", True)
    assert np.isnan([row["objective"], row["saved"], row["cost_bps"], row["risk_bps"]]).all()
    assert "falls without end" in row["reason"]
    table = problem([cap, never], "sell one", linear, "even").constraint_costs()
    assert (table["status"] == "optimal").all()


def test_allow_unfilled_is_a_freedom():
    tight = problem([ac.Participation(0.01), ac.AllowUnfilled(50.0)])
    table = tight.constraint_costs()
    assert table.loc["AllowUnfilled", "status"] == "infeasible"
    assert "caps sum to" in table.loc["AllowUnfilled", "reason"]
    assert table.loc["Participation", "saved"] > 0
    loose = problem([ac.Participation(0.4), ac.AllowUnfilled(1.0)])
    row = loose.constraint_costs().loc["AllowUnfilled"]
    complete = problem([ac.Participation(0.4)]).solve()
    assert row["objective"] == pytest.approx(complete.objective, rel=1e-10)
    assert row["saved"] == pytest.approx(loose.solve().objective - complete.objective, rel=1e-9)
    assert row["saved"] < 0
    left = loose.without("AllowUnfilled")
    assert [t.cost.name for t in left.objective.terms] == [t.cost.name for t in COSTS.terms]
    assert row["changed"]


def test_a_written_complete_is_implied_unless_the_order_may_go_unfilled():
    row = problem([ac.Participation(0.4), ac.Complete()]).constraint_costs().loc["Complete"]
    assert (row["status"], row["saved"], row["changed"]) == ("implied all the same", 0.0, False)
    some = problem([ac.Participation(0.4), ac.AllowUnfilled(1.0), ac.Complete(assets=["A"])])
    row = some.constraint_costs().loc["Complete"]
    assert row["status"] == "optimal"
    assert row["saved"] == pytest.approx(
        some.solve().objective - problem([ac.Participation(0.4), ac.AllowUnfilled(1.0)]).solve().objective, rel=1e-6
    )


def test_updated_weights_and_history_are_kept():
    asked = problem([ac.Participation(0.4), ac.AllowUnfilled(1.0)])
    asked.update(weights={"Unfilled": 3.0, "TimingRisk": 2e-6})
    left = asked.without("Participation")
    assert [(t.cost.name, t.weight) for t in left.objective.terms] == [
        (t.cost.name, t.weight) for t in asked.objective.terms
    ]
    done = np.array([[-1000.0, 100.0, -500.0]])
    later = problem([ac.Participation(0.4), ac.Monotone()]).with_history(done)
    table = later.constraint_costs()
    expected = problem([ac.Monotone()]).with_history(done).solve()
    assert table.loc["Participation", "objective"] == pytest.approx(expected.objective, rel=1e-10)
    np.testing.assert_allclose(later.without("Participation").solve().path.trades[:1], done)


def test_conic_rules_and_plans_from_a_dial():
    cone = ac.CustomConstraint(lambda p: cp.norm(p.asset("A").trades) <= 4.2e3, name="cone")
    asked = problem([ac.Participation(0.4), cone])
    table = asked.constraint_costs()
    expected = problem([ac.Participation(0.4)]).solve().objective
    assert table.loc["cone", "objective"] == pytest.approx(expected, rel=1e-10)
    assert table.loc["cone", "saved"] > 0
    plan = problem([ac.Participation(0.15)], costs=ac.TemporaryImpact() + ac.TimingRisk()).solve_for(risk_price=0.3)
    assert plan.problem.constraint_costs().loc["Participation", "saved"] >= 0


def test_an_unweighted_risk_is_refused_as_in_solve():
    asked = problem([ac.Participation(0.4)], costs=ac.TemporaryImpact() + ac.TimingRisk())
    refused, solved = outcome(lambda: constraint_costs(asked)), outcome(asked.solve)
    assert isinstance(refused, ac.ModelError)
    assert str(refused) == str(solved)


def test_a_problem_without_rules_has_an_empty_table():
    table = problem([]).constraint_costs()
    assert table.empty
    assert list(table.columns) == ["objective", "saved", "cost_bps", "risk_bps", "changed", "status", "reason"]


# ---------------------------------------------------------------- on the compiled program


@pytest.mark.parametrize("name", ["Participation", "HoldingBounds", "DollarNeutral"])
def test_a_rule_in_numbers_is_left_out_on_the_compiled_program(name):
    rules = [ac.Participation(0.4), ac.Monotone(), ac.HoldingBounds(upper=8_950.0), ac.DollarNeutral(2e5)]
    asked = problem(rules)
    asked.solve()
    warm = asked.without(name).solve()
    assert warm.certificate.solver == "ACTIVE SET"
    fresh = problem([rule for rule in rules if rule.name != name]).solve()
    np.testing.assert_allclose(warm.path.trades, fresh.path.trades, rtol=0, atol=1e-8 * warm.setting.size)
    later = asked.without(name).with_history(0.5 * warm.path.trades[:1]).solve()
    assert name not in later.certificate.violations
    np.testing.assert_allclose(asked.solve().objective, problem(rules).solve().objective, rtol=1e-12)


def test_a_rule_that_is_not_there_is_refused():
    with pytest.raises(ModelError, match=r"without: no constraint is called 'Cap'; there are: Participation"):
        problem([ac.Participation(0.4)]).without("Cap")

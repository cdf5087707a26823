"""A second solver's opinion in the certificate."""

import dataclasses

import cvxpy as cp
import numpy as np
import pytest
import reference
from builders import EDGES, ORDERS, market, order
from case_problem import problem_of

import acopt as ac
from acopt.model import cross_check
from acopt.model.solution import Solver


def problem(at="even", orders="both sides", *rules, costs=None):
    on = market(at, ORDERS[orders])
    costs = costs or ac.TemporaryImpact() + ac.SpreadCost() + 1e-6 * ac.TimingRisk()
    return ac.ExecutionProblem(order(orders), on, costs, [ac.Participation(0.4), *rules])


@pytest.mark.parametrize("at", EDGES)
@pytest.mark.parametrize("orders", ORDERS)
def test_the_interior_point_agrees_with_osqp(at, orders):
    asked = problem(at, orders)
    plain, plan = asked.solve(), asked.solve(cross_check=True)
    found = plan.certificate.cross_check
    assert plain.certificate.cross_check is None
    assert found.failure == ""
    assert found.solver == "CLARABEL"
    assert abs(found.objective_difference) <= 1e-8
    assert found.trade_difference <= 1e-6
    assert found.seconds > 0
    np.testing.assert_allclose(plan.path.trades, plain.path.trades, atol=1e-7 * (asked.setting.size or 1.0))
    assert "CLARABEL agrees" in str(plan.certificate)
    assert "agrees" not in str(plain.certificate)


def test_clarabel_is_checked_by_osqp_and_a_linear_program_by_whoever_solves_it():
    assert problem().solve(solver="CLARABEL", cross_check=True).certificate.cross_check.solver == "OSQP"
    linear = problem(costs=ac.SpreadCost())
    found = linear.solve(cross_check=True).certificate
    assert (found.solver, found.cross_check.solver) == ("HIGHS", "CLARABEL")
    found = linear.solve(solver="CLARABEL", cross_check=True).certificate
    assert found.cross_check.solver in ("OSQP", "HIGHS")
    assert abs(found.cross_check.objective_difference) <= 1e-6


def test_the_differences_are_those_of_the_two_answers():
    asked = problem()
    plan = asked.solve(cross_check=True)
    other = cross_check._Interior(asked.declaration).solve(asked._state, asked._numbers, "CLARABEL", 1e-6, ())
    found = plan.certificate.cross_check
    assert other.certificate.refined is False
    scale = plan.certificate.gap_scale
    assert found.objective_difference == pytest.approx((other.objective - plan.objective) / scale, abs=1e-15)
    apart = np.abs(other.path.trades - plan.path.trades).max() / asked.setting.size
    assert found.trade_difference == pytest.approx(apart, rel=1e-9)


def test_random_problems_have_a_second_opinion_that_agrees():
    for number in range(30):
        case = reference.random_case(np.random.default_rng([11, number]))
        proof = problem_of(case).solve(cross_check=True).certificate
        assert proof.cross_check.failure == "", f"case {number}: {proof}"
        assert abs(proof.cross_check.objective_difference) <= 2e-6, f"case {number}: {proof}"


def test_a_conic_problem_is_checked_by_a_solver_of_another_kind():
    cone = ac.CustomConstraint(lambda p: cp.norm(p.asset("A").trades) <= 6e3, name="cone")
    asked = problem("even", "sell one", cone)
    plan = asked.solve(cross_check=True)
    assert plan.certificate.conic
    assert plan.certificate.cross_check.solver == "SCS"
    assert abs(plan.certificate.cross_check.objective_difference) < 1e-8


def test_answers_that_differ_raise_and_name_both(monkeypatch):
    asked = problem()
    wrong = problem(costs=ac.TemporaryImpact() + ac.SpreadCost() + 1e-4 * ac.TimingRisk()).solve()
    monkeypatch.setattr(cross_check._Interior, "solve", lambda *_: wrong)
    with pytest.raises(ac.SolverError, match="OSQP and OSQP disagree: objectives"):
        asked.solve(solver="OSQP", cross_check=True)


def test_the_sign_says_who_is_lower(monkeypatch):
    asked = problem()
    dearer = problem(costs=ac.TemporaryImpact() + ac.SpreadCost() + (1 + 1e-6) * 1e-6 * ac.TimingRisk()).solve()
    monkeypatch.setattr(cross_check._Interior, "solve", lambda *_: dearer)
    plan = asked.solve(cross_check=True)
    expected = (dearer.objective - plan.objective) / plan.certificate.gap_scale
    assert expected > 1e-9
    assert plan.certificate.cross_check.objective_difference == pytest.approx(expected, rel=1e-9)


def test_a_second_solver_that_fails_is_reported_and_the_proof_stands(monkeypatch):
    asked = problem()
    plan = asked.solve()

    def fails(self, state, numbers, solver, tolerance, fallback):
        raise ac.SolverError(f"{solver} was not in the mood")

    monkeypatch.setattr(Solver, "solve", fails)
    checked = cross_check.cross_checked(plan, asked._solver, asked._state, asked._numbers, 1e-6)
    found = checked.certificate.cross_check
    assert found.failure == "CLARABEL was not in the mood; CLARABEL was not in the mood"
    assert np.isnan([found.objective_difference, found.trade_difference, found.seconds]).all()
    assert "no second opinion" in str(checked.certificate)
    assert dataclasses.replace(checked.certificate, cross_check=None) == dataclasses.replace(
        plan.certificate, cross_check=None
    )

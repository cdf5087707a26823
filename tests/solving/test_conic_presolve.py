"""Reductions of conic programs: the same values, slacks and gradients, and no program that swells."""

import builders
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from composed_draw import random_case
from composed_problem import problem_of
from composed_program import solve_composed
from composed_verdict import judge

import acopt as ac
from acopt.solving import conic_program
from acopt.solving.cone_scaling import normalise
from acopt.solving.cones import Cones
from acopt.solving.conic_presolve import ConicPresolve
from acopt.solving.conic_program import ConicProgram

ROUNDING = 1e-12


def cones(zero, nonneg, lengths):
    """Linear rows, then second-order cones."""
    heads = zero + nonneg + np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
    none = np.zeros(0, dtype=np.int64)
    return Cones(zero, nonneg, heads if len(lengths) else none, np.array(lengths, np.int64), none, none, np.zeros(0))


def program_of(p, q, a, b, kind, void=()):
    off = np.zeros(len(b), dtype=bool)
    off[list(void)] = True
    return ConicProgram(sp.csc_array(p), q, 0.0, sp.csc_array(a), b, kind, off, np.arange(len(b)), {})


def drawn(number):
    """Draw paths x, definitions of definitions, pinned variables, inequalities and a cone over all of them."""
    rng = np.random.default_rng([5, number])
    paths, made, pinned = int(rng.integers(2, 6)), int(rng.integers(1, 12)), int(rng.integers(0, 3))
    n = paths + made + pinned
    rows = np.zeros((made + pinned, n))
    for j in range(made):  # each by what came before it
        own = paths + j
        rows[j, :own] = rng.normal(size=own) * (rng.random(own) < 0.5)
        rows[j, own] = -(10.0 ** rng.uniform(-3, 3))
    for j in range(pinned):
        rows[made + j, paths + made + j] = 10.0 ** rng.uniform(-3, 3)
    rest = rng.normal(size=(7, n)) * (rng.random((7, n)) < 0.6)
    square = rng.normal(size=(n, n)) * (rng.random((n, n)) < 0.4)
    a, b = np.vstack([rows[rng.permutation(len(rows))], rest]), rng.normal(size=len(rows) + 7)
    return program_of(square @ square.T, rng.normal(size=n), a, b, cones(len(rows), 3, [4])), paths, rng


@pytest.mark.parametrize("number", range(40))
def test_values_slacks_and_gradients_are_the_same(number):
    x, paths, rng = drawn(number)
    made = ConicPresolve(x, np.arange(paths), np.ones(len(x.q)))
    small = made.program
    assert small.cones.zero == 0
    np.testing.assert_array_equal(made.columns, np.arange(paths))
    for _ in range(5):
        w, y = rng.normal(size=paths), rng.normal(size=len(small.b))
        z = made.restore(w)
        size = 1.0 + np.abs(z).max() ** 2
        assert small.value(w) == pytest.approx(x.value(z), rel=1e-9, abs=1e-9 * size)
        np.testing.assert_allclose(x.slack(z)[made.rows], small.slack(w), rtol=1e-9, atol=1e-9 * size)
        np.testing.assert_allclose(x.slack(z)[: x.cones.zero], 0.0, atol=1e-9 * size)
        slope = x.p @ z + x.q
        whole = made.lift(y, slope)
        np.testing.assert_array_equal(whole[made.rows], y)
        left = slope + x.a.T @ whole
        size = np.abs(slope).max() + np.abs(whole).max()
        np.testing.assert_allclose(left[paths:], 0.0, atol=1e-9 * size)
        np.testing.assert_allclose(left[:paths], small.p @ w + small.q + small.a.T @ y, rtol=1e-7, atol=1e-7 * size)
        moved = made.restore(w) - made.restore(np.zeros(paths))
        np.testing.assert_allclose(made.restore(w, direction=True), moved, atol=1e-9 * (1.0 + np.abs(z).max()))


def test_without_definitions_only_what_is_pinned_leaves():
    for number in range(20):
        x, paths, _ = drawn(number)
        made = ConicPresolve(x, np.arange(paths), np.ones(len(x.q)), definitions=False)
        single = (np.count_nonzero(x.a[: x.cones.zero].toarray(), axis=1) == 1).any()
        assert (len(made.columns) < len(x.q)) == single


def test_a_long_recursion_is_not_unrolled():
    """z_k = 1/2 z_{k-1} + u_k of 2,000 steps: two million entries if every z were told by the u."""
    n = 2_000
    fading = sp.eye_array(n) - 0.5 * sp.eye_array(n, k=-1)
    a = sp.hstack([sp.eye_array(n), -fading], format="csc")
    curve = sp.diags_array(np.concatenate([np.zeros(n), np.ones(n)]))
    x = program_of(curve, np.ones(2 * n), sp.vstack([a, sp.eye_array(n, 2 * n)]), np.ones(2 * n), cones(n, n, []))
    small = ConicPresolve(x, np.arange(n), np.ones(2 * n)).program
    assert n < len(small.q) < 2 * n
    assert small.p.nnz + small.a.nnz <= 100_000


@pytest.mark.parametrize(("off", "dropped"), [(-1e-9, True), (1.0, True), (-1e-3, False)])
def test_rows_without_variables_are_dropped_where_they_hold_up_to_rounding(off, dropped):
    """X = 1e5 is pinned and bounded: rounding of 1e5 is 1e-11; the bound is of the size of what it bounds."""
    a = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    x = program_of(np.eye(2), np.zeros(2), a, np.array([1e5, 1e5 + off, 3.0]), cones(1, 2, []))
    made = ConicPresolve(x, np.array([0, 1]), np.array([1e5, 1.0]))
    assert (1 in made.rows) != dropped
    assert 2 in made.rows
    contradiction = program_of(np.eye(1), np.zeros(1), np.ones((2, 1)), np.array([1e5, 1e5 + off]), cones(2, 0, []))
    left = ConicPresolve(contradiction, np.array([0]), np.array([1e5])).program
    assert len(left.b) == (abs(off) > 1e-6)


def test_void_rows_are_dropped():
    x = program_of(np.eye(2), np.zeros(2), np.diag([0.0, 1.0]), np.array([0.0, 1.0]), cones(0, 2, []), void=[0])
    assert ConicPresolve(x, np.arange(2), np.ones(2)).rows.tolist() == [1]


def test_entries_that_rounding_leaves_do_not_move_the_others():
    rng = np.random.default_rng(8)
    a, b = rng.normal(size=(12, 5)), np.zeros(12)
    kind = cones(0, 4, [8])
    clean = normalise(sp.csc_array((5, 5)), np.ones(5), sp.csc_array(a), b, kind, np.full(5, np.nan))
    dirty = np.where(np.arange(12)[:, None] % 3 == 2, 1e-20 * a, a)
    found = normalise(sp.csc_array((5, 5)), np.ones(5), sp.csc_array(dirty), b, kind, np.full(5, np.nan))
    for scaling, matrix in ((clean, a), (found, dirty)):
        largest = np.abs(scaling.rows @ matrix * scaling.column).max(axis=0)
        assert largest.max() < 30.0
        assert largest.min() > 1 / 30.0


def problem(cost, rules=(), scale=1.0, intervals=16):
    """Sell three assets in 16 intervals."""
    grid = ac.TimeGrid(np.linspace(0.0, 1.0, intervals + 1))
    order = ac.Order(pd.Series({"A": 9_000.0, "B": 500.0, "C": 3_000.0}) * scale)
    return ac.ExecutionProblem(order, builders.market(grid, volume=1e5 * scale), cost, list(rules))


DECLARED = {
    "linear kernel": lambda s: (
        ac.TransientImpact(ac.LinearDecay(0.7), STRENGTH / s) + ac.Jerk(weight=1e-6 * STRENGTH / s)
    ),
    "power-law kernel": lambda s: ac.TransientImpact(ac.PowerLawDecay(0.4, 0.1), STRENGTH / s) + ac.TemporaryImpact(),
    "exponential kernel": lambda s: ac.TransientImpact(ac.ExponentialDecay(half_life=0.2), STRENGTH / s),
    "tracking": lambda s: ac.TemporaryImpact() + 1e-4 / s * ac.TrackingRisk(ac.TWAP()),
}
STRENGTH = pd.Series({"A": 1e-5, "B": 1e-3, "C": 1e-5})


@pytest.mark.parametrize("form", DECLARED)
@pytest.mark.parametrize("scale", [1e-2, 1.0, 1e4])
def test_a_budget_that_is_slack_leaves_the_optimum_of_the_quadratic_program(form, scale):
    cost = DECLARED[form](scale)
    free = problem(cost, scale=scale).solve()
    even = np.full((16, 3), -1 / 16) * free.setting.remaining
    deviation = np.sqrt(problem(1.0 * ac.TimingRisk(), scale=scale).evaluate(even).objective)
    plan = problem(cost, [ac.TimingRisk() <= 10.0 * float(deviation)], scale=scale).solve()
    assert plan.certificate.conic
    assert plan.certificate.relative_gap <= 1e-9
    assert plan.objective == pytest.approx(free.objective, rel=1e-8)


@pytest.mark.parametrize("form", DECLARED)
@pytest.mark.parametrize("scale", [1e-2, 1.0, 1e4])
def test_a_budget_of_money_that_binds_is_the_weighted_sum(form, scale):
    """Least risk within what the weighted sum costs: its optimum again, whatever the cost is made of."""
    money = DECLARED[form](scale)
    weighted = problem(money + 1e-6 / scale * ac.TimingRisk(), scale=scale).solve()
    risk = weighted.term_values["TimingRisk"]
    spent = weighted.objective - 1e-6 / scale * risk
    plan = problem(1e-6 / scale * ac.TimingRisk(), [money <= spent], scale=scale).solve()
    assert plan.objective == pytest.approx(1e-6 / scale * risk, rel=1e-6)


ONCE_UNSOLVED = [
    *[(3, 148), (7, 288), (11, 852), (21, 55), (21, 1368), (21, 2111), (21, 2349)],
    *[(31, 53), (31, 120), (31, 222), (31, 279)],
]


@pytest.mark.parametrize(("seed", "number"), ONCE_UNSOLVED)
def test_random_problems_that_were_too_hard_or_wrongly_claimed(seed, number):
    """Against the second oracle, which writes the same programs in the trades alone."""
    case = random_case(np.random.default_rng([seed, number]))
    truth, plan = solve_composed(case), problem_of(case).solve()
    verdict = judge(case, truth, plan.path.trades, plan.objective, plan.certificate.gap)
    assert verdict["wrong"] == "", (verdict, plan.certificate.tries)
    assert plan.certificate.gap <= 0.1 * plan.certificate.tolerance


def test_long_parameters_are_canonicalised_without_their_zeros(monkeypatch):
    """Both ways of CVXPY give one program: numbers first, or a map from parameters."""
    market = ac.Market(ac.TimeGrid.uniform(1.0, 70), 50.0, impact=ac.SquareRootImpact(0.8), volume=1e5, covariance=1.0)
    costs = ac.PowerImpact() + ac.TransientImpact(ac.PowerLawDecay(0.5, 0.1), 1e-6) + 1e-6 * ac.TimingRisk()
    problem = ac.ExecutionProblem(ac.Order.sell(1e5), market, costs)
    assert max(p.size for p in problem.cvxpy_problem.parameters()) > conic_program.LONGEST_DIAGONAL
    mapped = problem.solve()
    monkeypatch.setattr(conic_program, "LONGEST_DIAGONAL", 10**9)
    written = ac.ExecutionProblem(ac.Order.sell(1e5), market, costs).solve()
    assert mapped.objective == pytest.approx(written.objective, rel=1e-10)
    np.testing.assert_allclose(mapped.path.trades, written.path.trades, atol=1e-2)

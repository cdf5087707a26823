"""Refinement, certificates, claims and solvers on random convex programs, each against something independent."""

import importlib

import numpy as np
import pytest
from scipy.optimize import linprog

from acopt.errors import MissingExtraError, SolverError
from acopt.solving import solvers
from acopt.solving.canonical import Arrays, Pattern
from acopt.solving.certificate import prove
from acopt.solving.claims import conflicting_rows, unbounded_ray
from acopt.solving.quadratic import Quadratic
from acopt.solving.refinement import Refiner

SEEDS = range(30)


def program(quadratic, linear, rows, low, high):
    """Return a `Quadratic` from dense arrays."""
    p, a = _pattern(np.triu(quadratic)), _pattern(rows)
    out = Quadratic(p, a)
    values = np.triu(quadratic)[p.row, p.col], np.asarray(rows)[a.row, a.col]
    out.take(
        Arrays(values[0], np.asarray(linear, float), 0.0, values[1], np.asarray(low, float), np.asarray(high, float))
    )
    return out


def _pattern(matrix):
    row, col = np.nonzero(matrix)
    order = np.lexsort((row, col))
    return Pattern(row[order], col[order], np.shape(matrix))


def convex(seed, *, flat=0, degenerate=False, n=8, m=10):
    """
    Draw a feasible convex program: equalities, one- and two-sided rows.

    `flat` columns have no curvature (a slack's share of an LP, bounded below by a row); `degenerate` repeats
    rows and puts bounds where the unconstrained optimum is, so that multipliers are zero on active rows.
    """
    rng = np.random.default_rng(seed)
    curved = n - flat
    root = rng.normal(size=(curved, curved))
    quadratic = np.zeros((n, n))
    quadratic[:curved, :curved] = root @ root.T + 0.1 * np.eye(curved)
    linear = rng.normal(size=n) * 3
    rows = rng.normal(size=(m, n)) * (rng.random((m, n)) < 0.6)
    rows[rows.any(axis=1) == 0, 0] = 1.0
    inside = rng.normal(size=n)
    act = rows @ inside
    low, high = act - rng.exponential(size=m), act + rng.exponential(size=m)
    low[:2] = high[:2] = act[:2]
    high[3], low[4] = np.inf, -np.inf
    if flat:  # |.|-like: the flat column is at least something, and costs
        linear[curved:] = np.abs(linear[curved:]) + 0.5
        bound = np.zeros((2 * flat, n))
        for j in range(flat):
            bound[2 * j, curved + j] = bound[2 * j + 1, curved + j] = 1.0
            bound[2 * j, j], bound[2 * j + 1, j] = -1.0, 1.0
        rows[:, curved:] = 0.0
        act = rows @ inside
        low, high = act - rng.exponential(size=m), act + rng.exponential(size=m)
        low[:1] = high[:1] = act[:1]
        rows = np.vstack([rows, bound])
        low, high = np.r_[low, np.zeros(2 * flat)], np.r_[high, np.full(2 * flat, np.inf)]
    if degenerate:
        free = np.r_[np.linalg.solve(quadratic[:curved, :curved], -linear[:curved]), np.zeros(flat)]
        touching = np.hstack([rng.normal(size=(2, curved)), np.zeros((2, flat))])
        rows = np.vstack([rows, rows[-3:], touching])
        low = np.r_[low, low[-3:], -np.full(2, np.inf)]
        high = np.r_[high, high[-3:], np.maximum(touching @ free, touching @ inside)]
    return program(quadratic, linear, rows, low, high), rng


def value(qp, z):
    return 0.5 * z @ qp.product(z) + qp.q @ z


def kkt(qp, z, y):
    """Largest violation of the optimality conditions."""
    act = qp.rows(z)
    primal = np.maximum(np.maximum(qp.l - act, act - qp.u), 0).max()
    side = np.where(y > 0, qp.u, np.where(y < 0, qp.l, act))
    wrong = np.where(y != 0, y, 1.0) * (side - act)
    return max(primal, np.abs(qp.slope(z, y)).max(), np.abs(wrong).max())


# ------------------------------------------------------------------ residuals


def test_residuals_are_their_formulas():
    qp, rng = convex(0, flat=2)
    z, y = rng.normal(size=8), rng.normal(size=len(qp.l))
    full = qp.p.toarray() + np.triu(qp.p.toarray(), 1).T
    rows = qp.a.toarray()
    slope = full @ z + qp.q + rows.T @ y
    assert qp.product(z) == pytest.approx(full @ z)
    assert qp.rows(z) == pytest.approx(rows @ z)
    for precise in (False, True):
        assert qp.slope(z, y, precise=precise) == pytest.approx(slope, abs=1e-12)
        found = qp.optimality(z, y, precise=precise)
        assert found[0] == pytest.approx(slope, abs=1e-12)
        assert found[1] == pytest.approx(rows @ z)
    assert qp.diagonal == pytest.approx(np.diag(full))


def test_extended_precision_sees_what_cancels():
    qp = program(np.diag([1.0, 1.0]), [-1e16, -1e16], np.array([[1.0, 1.0]]), [-np.inf], [np.inf])
    z = np.array([1e16, 1e16])
    qp.q = np.array([-1e16 - 2.0, -1e16])
    assert qp.slope(z, np.array([1.0]), precise=True).tolist() == [-1.0, 1.0]


# ------------------------------------------------------------------ refinement


@pytest.mark.parametrize("kind", ["strict", "degenerate", "flat", "flat and degenerate"])
def test_refinement_from_a_bad_start_is_the_optimum(kind):
    settled = 0
    for seed in SEEDS:
        qp, rng = convex(seed, flat=3 if "flat" in kind else 0, degenerate="degenerate" in kind)
        truth = solvers.solve_clarabel(qp)
        assert truth.status == "solved"
        refiner = Refiner(_pattern(qp.p.toarray()), _pattern(qp.a.toarray()))
        found = refiner.refine(qp, 10 * rng.normal(size=8), rng.normal(size=len(qp.l)))
        if found is None:
            continue
        settled += 1
        z, y, rounds = found
        assert rounds >= 1
        assert kkt(qp, z, y) <= 1e-9 * (1 + np.abs(y).max())
        assert value(qp, z) == pytest.approx(value(qp, truth.z), rel=1e-8, abs=1e-8)
        if "flat" not in kind:
            assert z == pytest.approx(truth.z, abs=1e-6)
    assert settled >= {"strict": 30, "degenerate": 30, "flat": 28, "flat and degenerate": 26}[kind]


@pytest.mark.parametrize("kind", ["strict", "degenerate", "flat", "flat and degenerate"])
def test_refinement_from_a_rough_solution_is_exact(kind):
    for seed in SEEDS:
        qp, _ = convex(seed, flat=3 if "flat" in kind else 0, degenerate="degenerate" in kind)
        rough = solvers.WarmOSQP()
        rough.load(qp, matrices=True)
        start = rough.solve(1e-4, 20_000)
        refiner = Refiner(_pattern(qp.p.toarray()), _pattern(qp.a.toarray()))
        found = refiner.refine(qp, start.z, start.y)
        assert found is not None
        z, y, _ = found
        assert kkt(qp, z, y) <= 1e-11 * (1 + np.abs(y).max())
        assert kkt(qp, z, y) < kkt(qp, start.z, start.y)


def test_one_refiner_serves_new_numbers():
    qp, rng = convex(3)
    refiner = Refiner(_pattern(qp.p.toarray()), _pattern(qp.a.toarray()))
    for _ in range(5):
        qp.q = rng.normal(size=8)
        z, y, _ = refiner.refine(qp, rng.normal(size=8), rng.normal(size=len(qp.l)))
        assert value(qp, z) == pytest.approx(value(qp, solvers.solve_clarabel(qp).z), abs=1e-8)
        assert kkt(qp, z, y) <= 1e-10 * (1 + np.abs(y).max())


def test_no_point_is_made_up_where_none_is_feasible():
    qp = program(np.eye(2), [0, 0], np.array([[1.0, 1.0], [1.0, 1.0000001]]), [1.0, -np.inf], [np.inf, 0.0])
    qp2 = program(np.eye(1), [0.0], np.array([[1.0], [1.0]]), [1.0, -np.inf], [np.inf, 0.0])
    for each, size in ((qp, 2), (qp2, 1)):
        found = Refiner(_pattern(each.p.toarray()), _pattern(each.a.toarray())).refine(
            each, np.zeros(size), np.zeros(2)
        )
        assert found is None or kkt(each, *found[:2]) <= 1e-9 * (1 + np.abs(found[1]).max())
    assert Refiner(_pattern(qp2.p.toarray()), _pattern(qp2.a.toarray())).refine(qp2, np.zeros(1), np.zeros(2)) is None


# ------------------------------------------------------------------ the certificate


@pytest.mark.parametrize("flat", [0, 3])
@pytest.mark.parametrize("size", [1e-9, 1e-6, 1e-3, 1.0, 10.0])
def test_the_gap_is_an_upper_bound_at_any_point(flat, size):
    for seed in SEEDS:
        qp, rng = convex(seed, flat=flat)
        best = solvers.solve_clarabel(qp)
        exact = Refiner(_pattern(qp.p.toarray()), _pattern(qp.a.toarray())).refine(qp, best.z, best.y)
        z_best, y_best = exact[:2]
        for _ in range(5):
            z = z_best + size * rng.normal(size=8)
            y = y_best + size * rng.normal(size=len(qp.l))
            reach = np.abs(z - z_best) * rng.uniform(1, 3, 8)
            for precise in (False, True):
                proof = prove(qp, z, y, reach, np.ones(len(qp.l)), precise=precise)
                assert value(qp, z) - value(qp, z_best) <= proof.gap * (1 + 1e-9) + 1e-12
                act = qp.rows(z)
                over = np.maximum(np.maximum(qp.l - act, act - qp.u), 0).max()
                assert proof.row_violation == pytest.approx(over)
                assert proof.dual_residual <= proof.gap


def test_an_optimum_proves_itself():
    for seed in SEEDS:
        qp, _ = convex(seed, flat=seed % 3)
        start = solvers.solve_clarabel(qp)
        z, y, _ = Refiner(_pattern(qp.p.toarray()), _pattern(qp.a.toarray())).refine(qp, start.z, start.y)
        proof = prove(qp, z, y, np.abs(z) + 1, np.ones(len(qp.l)))
        assert proof.gap <= 1e-10 * (1 + abs(value(qp, z)) + np.abs(y).sum())
        assert proof.row_violation <= 1e-11


def test_multipliers_on_infinite_bounds_prove_nothing():
    qp = program(np.eye(1), [-1.0], np.array([[1.0]]), [0.0], [np.inf])
    proof = prove(qp, np.array([0.0]), np.array([1.0]), np.array([2.0]), np.ones(1))
    assert 0.5 <= proof.gap < np.inf


# ------------------------------------------------------------------ claims


def feasible_by_lp(qp):
    """Whether any point obeys the rows, by an LP of its own."""
    rows = qp.a.toarray()
    up, down = np.isfinite(qp.u), np.isfinite(qp.l)
    answer = linprog(
        np.zeros(rows.shape[1]), np.vstack([rows[up], -rows[down]]), np.r_[qp.u[up], -qp.l[down]], bounds=(None, None)
    )
    return answer.status == 0


def test_infeasibility_is_claimed_only_with_reason():
    kinds = set()
    for seed in range(60):
        rng = np.random.default_rng(seed)
        rows = rng.normal(size=(7, 3))
        centre = rng.normal(size=7)
        width = rng.exponential(0.4, size=7)
        qp = program(np.eye(3), np.zeros(3), rows, centre - width, centre + width)
        found, truth = conflicting_rows(qp), feasible_by_lp(qp)
        kinds.add(truth)
        assert (found is None) == truth
        if found is not None:
            some = program(np.eye(3), np.zeros(3), rows[found], qp.l[found], qp.u[found])
            assert not feasible_by_lp(some), "the rows named do not conflict by themselves"
            assert len(found) <= 7
    assert kinds == {True, False}


def test_unboundedness_is_claimed_only_with_a_direction():
    kinds = set()
    for seed in range(60):
        rng = np.random.default_rng(seed)
        quadratic = np.diag([1.0, 0.0, 0.0, 0.0])
        rows = rng.normal(size=(4, 4))
        low, high = -rng.exponential(size=4), np.where(rng.random(4) < 0.6, rng.exponential(size=4), np.inf)
        qp = program(quadratic, rng.normal(size=4), rows, low, high)
        ray = unbounded_ray(qp)
        answer = solvers.solve_clarabel(qp)
        kinds.add(ray is None)
        if ray is None:
            assert answer.status == "solved"
            continue
        assert answer.status != "solved"
        assert ray[0] == pytest.approx(0, abs=1e-9)
        assert qp.q @ ray < 0
        move = rows @ ray
        assert (move >= -1e-9).all()
        assert (move[np.isfinite(high)] <= 1e-9).all()
    assert kinds == {True, False}


# ------------------------------------------------------------------ solvers


@pytest.mark.parametrize("seed", range(5))
def test_all_solvers_agree(seed):
    qp, _ = convex(seed, flat=seed % 2)
    warm = solvers.WarmOSQP()
    warm.load(qp, matrices=True)
    answers = [warm.solve(1e-9, 100_000), solvers.solve_clarabel(qp), solvers.solve_piqp(qp)]
    for each in answers:
        assert each.status == "solved"
        assert value(qp, each.z) == pytest.approx(value(qp, answers[1].z), rel=1e-6, abs=1e-6)
        assert kkt(qp, each.z, each.y) <= 1e-6


def test_linear_programs_have_the_same_duals_everywhere():
    rng = np.random.default_rng(1)
    rows = np.vstack([np.eye(4), rng.normal(size=(2, 4))])
    low, high = np.r_[-np.ones(4), 0.3, -np.inf], np.r_[np.ones(4), 0.3, 0.2]
    qp = program(np.zeros((4, 4)), rng.normal(size=4), rows, low, high)
    for solve in (solvers.solve_highs, solvers.solve_clarabel, solvers.solve_piqp):
        answer = solve(qp)
        assert answer.status == "solved"
        assert kkt(qp, answer.z, answer.y) <= 1e-7


def test_highs_reports_what_it_finds():
    none = program(np.zeros((1, 1)), [1.0], np.array([[1.0], [2.0]]), [1.0, -np.inf], [np.inf, 1.0])
    assert solvers.solve_highs(none).status == "primal infeasible"
    free = program(np.zeros((1, 1)), [1.0], np.array([[1.0]]), [-np.inf], [3.0])
    assert "infeasible" in solvers.solve_highs(free).status or "unbounded" in solvers.solve_highs(free).status.lower()
    with pytest.raises(SolverError, match="linear programs only"):
        solvers.solve_highs(convex(0)[0])


@pytest.mark.parametrize(
    ("name", "wreck"),
    [
        ("P", lambda qp: qp.p.data.__setitem__(0, np.nan)),
        ("q", lambda qp: qp.q.__setitem__(1, np.inf)),
        ("A", lambda qp: qp.a.data.__setitem__(2, -np.inf)),
        ("lower bound above", lambda qp: qp.l.__setitem__(4, 1e9)),
        ("NaN", lambda qp: qp.u.__setitem__(4, np.nan)),
        ("NaN", lambda qp: qp.l.__setitem__(5, np.nan)),
    ],
)
@pytest.mark.parametrize("loaded", [False, True])
def test_arrays_that_osqp_would_swallow_are_refused(name, wreck, loaded):
    qp, _ = convex(2)
    warm = solvers.WarmOSQP()
    if loaded:
        warm.load(qp, matrices=True)
    wreck(qp)
    with pytest.raises(SolverError, match=name):
        warm.load(qp, matrices=True)


def test_nothing_loaded_nothing_solved():
    with pytest.raises(SolverError, match="nothing was loaded"):
        solvers.WarmOSQP().solve(1e-5, 100)


def test_updates_in_place_equal_a_fresh_workspace():
    qp, rng = convex(4)
    warm = solvers.WarmOSQP()
    warm.load(qp, matrices=True)
    warm.solve(1e-3, 10)
    for matrices in (False, True, False):
        qp.q = rng.normal(size=8)
        if matrices:
            qp.take(Arrays(qp.p.data * 1.3, qp.q, 0.0, qp.a.data * 0.9, qp.l * 0.9, qp.u * 0.9))
        warm.load(qp, matrices=matrices)
        assert warm.solve(1e-9, 100_000).z == pytest.approx(solvers.solve_clarabel(qp).z, abs=1e-5)


def test_iteration_limits_are_not_called_solved():
    qp, _ = convex(5)
    warm = solvers.WarmOSQP()
    warm.load(qp, matrices=True)
    assert warm.solve(1e-12, 1).status != "solved"


def test_a_missing_solver_says_how_to_install_it(monkeypatch):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(MissingExtraError, match=r"pip install 'acopt\[bench\]'"):
        solvers.solve_piqp(convex(0)[0])

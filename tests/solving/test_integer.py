"""The mixed-integer model: its cuts at lattice points, its forms against the program, its optimum by enumeration."""

from dataclasses import replace
from itertools import product

import cvxpy as cp
import numpy as np
import pytest
import scipy.sparse as sp

from acopt.errors import ModelError
from acopt.solving.canonical import CanonicalProgram
from acopt.solving.integer import best_point
from acopt.solving.lattice import Cuts, Forms, Lattice, floor_steps, reduce


def forms(thetas, exact=True):
    """Forms h + theta e of two columns each."""
    n = len(thetas)
    whole = sp.csr_array((np.ones(n), (np.arange(n), 2 * np.arange(n))), (n, 2 * n))
    switch = sp.csr_array((np.ones(n), (np.arange(n), 2 * np.arange(n) + 1)), (n, 2 * n))
    return Forms(np.zeros(n), np.ones(n), whole, switch, np.array(thetas), np.full(n, exact))


@pytest.mark.parametrize("theta", [0.0, 0.3, -0.45, 0.5, -0.999, 1.7, 1e-3])
def test_cuts_touch_lattice_points_and_cut_none_off(theta):
    cuts = Cuts(forms([theta]))
    lattice = [(np.array([float(h)]), np.array([float(e)])) for h in range(-6, 7) for e in (0, 1)]
    rng = np.random.default_rng(0)
    between = [(rng.uniform(-3, 3, 1), rng.uniform(0, 1, 1)) for _ in range(50)]
    for h, e in lattice + between:
        slope = cuts.steepest(h, e)
        low, high = cuts.intercepts(slope)
        for other, switch in lattice:
            bound = slope * other + low * (1 - switch) + high * switch
            assert bound <= cuts.value(other, switch) + 1e-12
        if (h, e) in lattice:
            assert slope * h + low * (1 - e) + high * e == pytest.approx(cuts.value(h, e), abs=1e-12)


@pytest.mark.parametrize("theta", [0.0, 0.3, -0.45, 1.7])
def test_cuts_make_the_convex_hull(theta):
    # The hull's lower boundary at (h, e): the smallest mean value over lattice points with this mean.
    cuts = Cuts(forms([theta]))
    points = np.array([(h, e) for h in range(-9, 10) for e in (0, 1)], dtype=float)
    values = cuts.value(points[:, 0], points[:, 1])
    rng = np.random.default_rng(1)
    for _ in range(20):
        h, e = rng.uniform(-3, 3), rng.uniform(0, 1)
        weight = cp.Variable(len(points), nonneg=True)
        hull = cp.Problem(cp.Minimize(values @ weight), [cp.sum(weight) == 1, points.T @ weight == [h, e]])
        hull.solve(solver="CLARABEL")
        slope = cuts.steepest(np.array([h]), np.array([e]))
        low, high = cuts.intercepts(slope)
        assert float((slope * h + low * (1 - e) + high * e)[0]) == pytest.approx(hull.value, abs=1e-6)


def test_tangents_where_nothing_is_whole():
    cuts = Cuts(forms([0.0], exact=False))
    h, zero = np.array([0.37]), np.zeros(1)
    slope = cuts.steepest(h, zero)
    low, _ = cuts.intercepts(slope)
    assert slope * h + low == pytest.approx(cuts.value(h, zero))
    assert (slope * np.linspace(-3, 3, 31) + low <= 0.5 * np.linspace(-3, 3, 31) ** 2 + 1e-15).all()


def test_floor_forgives_rounding_only():
    given = np.array([2.9999999999, 2.99, -3.0000000001, 1e6 - 1e-8, np.inf, -np.inf])
    np.testing.assert_array_equal(floor_steps(given), [3.0, 2.0, -3.0, 1e6, np.inf, -np.inf])


def random_program(seed, n=4):
    """A convex quadratic in n columns with a sum to keep, a cap, and absolute values."""
    rng = np.random.default_rng(seed)
    x = cp.Variable(n)
    root = rng.normal(size=(n, n))
    target = rng.uniform(-3, 3, n)
    cost = cp.sum_squares(root @ (x - target)) + cp.sum_squares(cp.diff(x)) + 0.3 * cp.norm1(x)
    cost = cost + cp.quad_form(x, np.eye(n) + 0.2)
    rules = [cp.sum(x) <= 2.7, x[0] - x[1] >= -2.2]
    problem = cp.Problem(cp.Minimize(cost), rules)
    program = CanonicalProgram(problem)
    arrays = program.arrays(program.theta({}))
    columns = program.columns_of(x)
    base = np.round(rng.uniform(-2, 2, n))
    lattice = Lattice(columns, base, sp.csr_array(np.eye(n)), np.zeros(n, dtype=bool), np.full(n, -1))
    return problem, x, program, arrays, lattice


def nearest(problem, x):
    """The optimum without integers."""
    problem.solve(solver="CLARABEL")
    return x.value


@pytest.mark.parametrize("away", [0.0, 80.0])
@pytest.mark.parametrize("seed", range(6))
def test_the_best_integer_point_of_a_quadratic_program(seed, away):
    problem, x, program, arrays, lattice = random_program(seed)
    lattice = replace(lattice, base=lattice.base + away)
    reduced = reduce(program, arrays, lattice)
    best = np.inf
    points = np.array(list(product(range(-7, 8), repeat=4)), dtype=float)
    inside = (points.sum(axis=1) <= 2.7) & (points[:, 0] - points[:, 1] >= -2.2)
    for point in points[inside][np.argsort(np.linalg.norm(points[inside] - nearest(problem, x), axis=1))[:2_000]]:
        x.value = point
        best = min(best, float(problem.objective.value))
    found = best_point(reduced, lattice, np.full(len(reduced.row), -1), 0, gap=1e-7, seconds=20.0)
    x.value = lattice.base + found.y
    assert all(rule.violation().max() <= 1e-9 for rule in problem.constraints)
    assert float(problem.objective.value) == pytest.approx(best, abs=1e-8)
    assert found.value == pytest.approx(best, abs=1e-6)
    assert best - 1e-6 <= found.bound <= found.value


def test_a_program_without_integer_points_has_none():
    x = cp.Variable(2)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - 0.4)), [x[0] + 2 * x[1] == 0.5])
    program = CanonicalProgram(problem)
    arrays = program.arrays(program.theta({}))
    lattice = Lattice(program.columns_of(x), np.zeros(2), sp.csr_array(np.eye(2)), np.zeros(2, bool), np.full(2, -1))
    reduced = reduce(program, arrays, lattice)
    assert best_point(reduced, lattice, np.full(len(reduced.row), -1), 0, gap=1e-6, seconds=5.0) is None


def test_rows_that_may_give_way_do_so_by_the_least():
    x = cp.Variable(2)
    rule = x[0] + 0.7 * x[1] == 0.5
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - 0.4)), [rule, x >= -1, x <= 1])
    program = CanonicalProgram(problem)
    arrays = program.arrays(program.theta({}))
    lattice = Lattice(program.columns_of(x), np.zeros(2), sp.csr_array(np.eye(2)), np.zeros(2, bool), np.full(2, -1))
    reduced = reduce(program, arrays, lattice)
    group = np.where(program.row_constraint[reduced.row] == rule.id, 0, -1)
    assert (group == 0).any()
    found = best_point(reduced, lattice, group, 1, gap=1e-6, seconds=5.0)
    least = min((abs(a + 0.7 * b - 0.5), a, b) for a, b in product((-1, 0, 1), repeat=2))
    np.testing.assert_array_equal(found.y, least[1:])
    assert found.widened[0] == pytest.approx(least[0], abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_reduced_forms_price_as_the_program_does(seed):
    problem, x, program, arrays, lattice = random_program(seed)
    reduced = reduce(program, arrays, lattice)
    rng = np.random.default_rng(seed)
    y = np.round(rng.uniform(-3, 3, 4))
    x.value = lattice.base + y
    free = len(reduced.q) - 4
    v = np.concatenate([y, np.zeros(free)])
    f = reduced.squares
    h, e = f.at(v)
    squares = 0.5 * float(np.sum((f.constant + f.unit * (h + f.theta * e)) ** 2))
    linear = float(reduced.q[:4] @ y) + reduced.d
    sizes = 0.3 * float(np.abs(x.value).sum())
    assert squares + linear + sizes == pytest.approx(float(problem.objective.value), rel=1e-12)
    assert f.exact.any()
    assert not f.exact.all()


def test_a_quadratic_that_is_not_convex_is_refused():
    x = cp.Variable(2)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x) + cp.quad_form(x, np.array([[2.0, 1.0], [1.0, 2.0]]))))
    program = CanonicalProgram(problem)
    arrays = program.arrays(program.theta({}))
    off = program.p_pattern.row != program.p_pattern.col
    assert off.any()
    bent = arrays.p.copy()
    bent[off] *= 100.0
    wrong = type(arrays)(bent, arrays.q, arrays.d, arrays.a, arrays.l, arrays.u)
    lattice = Lattice(program.columns_of(x), np.zeros(2), sp.csr_array(np.eye(2)), np.zeros(2, bool), np.full(2, -1))
    with pytest.raises(ModelError, match="negative eigenvalue"):
        reduce(program, wrong, lattice)


def skewed(seed):
    """A nearly singular quadratic in three columns, whose best integers are not beside its optimum; and all values."""
    rng = np.random.default_rng(seed)
    root = np.vstack([np.array([1.0, -2.0, 0.7]) + rng.normal(size=3) * 0.3, 0.08 * rng.normal(size=(2, 3))])
    target = rng.uniform(-1, 1, 3)
    x = cp.Variable(3)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(root @ (x - target))), [x >= -9, x <= 9])
    points = np.array(list(product(range(-9, 10), repeat=3)), dtype=float)
    values = ((points - target) @ root.T) ** 2
    program = CanonicalProgram(problem)
    lattice = Lattice(program.columns_of(x), np.zeros(3), sp.csr_array(np.eye(3)), np.zeros(3, bool), np.full(3, -1))
    best = int(values.sum(axis=1).argmin())
    far = np.abs(points[best] - target).max() > 2.5
    return reduce(program, program.arrays(program.theta({})), lattice), lattice, values.sum(axis=1)[best], far


def test_the_best_point_may_be_far_from_the_relaxation():
    distant = 0
    for seed in range(12):
        reduced, lattice, best, far = skewed(seed)
        found = best_point(reduced, lattice, np.full(len(reduced.row), -1), 0, gap=1e-8, seconds=20.0)
        assert found.value == pytest.approx(best, abs=1e-7)
        assert found.bound <= best + 1e-8
        assert found.value - found.bound <= 1e-8
        distant += far
    assert distant >= 3


def test_without_time_the_bound_is_below_every_point():
    worse = 0
    for seed in range(12):
        reduced, lattice, best, _ = skewed(seed)
        found = best_point(reduced, lattice, np.full(len(reduced.row), -1), 0, gap=1e-8, seconds=0.0)
        assert found.bound <= best + 1e-8
        assert found.value >= best - 1e-8
        worse += found.value > best + 1e-3
    assert worse >= 3

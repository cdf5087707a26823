"""From CVXPY to arrays, and the exact reductions on the way: nothing is approximated, everything comes back."""

import cvxpy as cp
import numpy as np
import pytest
import scipy.sparse as sp

from acopt.errors import ModelError
from acopt.model.paths import dot, scaled
from acopt.solving.canonical import Arrays, CanonicalProgram, Pattern
from acopt.solving.presolve import LONGEST_DEFINITION, Presolve, RowMerge, Shape
from acopt.solving.quadratic import Quadratic
from acopt.solving.refinement import Refiner
from acopt.solving.scaling import normalise
from acopt.solving.solvers import solve_clarabel


class Sample:
    """A parametrised program like acopt's: paths with pins, squares of products, definitions, bounds, a kink."""

    def __init__(self, seed, *, length=6, wide=False):
        self.rng = np.random.default_rng(seed)
        n = length
        self.x, self.chain, self.size = cp.Variable(n + 1), cp.Variable(n), cp.Variable(n)
        self.parameters = {
            name: cp.Parameter(shape) for name, shape in (("start", ()), ("a", n), ("b", n), ("c", n), ("cap", n))
        }
        p = self.parameters
        u = self.x[1:] - self.x[:-1]
        rules = [self.x[0] == p["start"], self.x[n] == 0]
        rules += [self.chain == cp.multiply(p["b"], self.x[1:])]  # a definition with data in it
        rules += [self.size >= u, self.size >= -u]
        rules += [u <= p["cap"], -u <= p["cap"], 2 * u >= -3 * p["cap"]]  # three parallel rows per trade
        mixed = self.rng.normal(size=(n, 2 * LONGEST_DEFINITION if wide else 2))
        cost = cp.sum_squares(cp.multiply(p["a"], u)) + cp.sum_squares(self.chain @ mixed) + cp.sum(self.size)
        cost += p["c"] @ self.chain + cp.sum_squares(self.x[2:] - 2 * self.x[1:-1] + self.x[:-2]) + 3.0
        self.problem = cp.Problem(cp.Minimize(cost), rules)
        self.draw()
        self.program = CanonicalProgram(self.problem)
        start = self.program.variable_columns[self.x.id]
        self.primary = np.arange(start, start + n + 1)

    def draw(self):
        """Draw new numbers."""
        for name, p in self.parameters.items():
            p.value = np.abs(self.rng.normal(size=p.shape)) + (3.0 if name == "cap" else 0.3)
        self.parameters["c"].value = self.rng.normal(size=self.parameters["c"].shape)
        self.parameters["start"].value = self.rng.normal() * 5

    @property
    def theta(self):
        """Return the parameter vector."""
        return self.program.theta({p.id: np.asarray(p.value, float) for p in self.parameters.values()})

    @property
    def arrays(self):
        """Return the canonical arrays."""
        return self.program.arrays(self.theta)


def quadratic(x, p, a):
    out = Quadratic(p, a)
    out.take(x)
    return out


def value(x, p, z):
    twice = np.where(p.row == p.col, 0.5, 1.0)
    return (twice * x.p * z[p.row]) @ z[p.col] + x.q @ z + x.d


def rows(x, a, z):
    return a.matrix(x.a) @ z


# ------------------------------------------------------------------ canonical arrays


@pytest.mark.parametrize("seed", range(5))
def test_arrays_are_cvxpys_own_for_any_numbers(seed):
    sample = Sample(seed)
    for _ in range(3):
        sample.draw()
        x, program = sample.arrays, sample.program
        data, _, _ = sample.problem.get_problem_data(cp.OSQP)
        p, a = program.p_pattern.matrix(x.p).toarray(), program.a_pattern.matrix(x.a).toarray()
        assert p + np.triu(p, 1).T == pytest.approx(sp.csc_array(data["P"]).toarray(), rel=1e-14)
        assert x.q == pytest.approx(data["q"], rel=1e-14)
        equal = program.n_equalities
        assert a[:equal] == pytest.approx(sp.csc_array(data["A"]).toarray(), rel=1e-14)
        assert x.l[:equal] == pytest.approx(data["b"], rel=1e-14)
        assert x.u[:equal] == pytest.approx(data["b"], rel=1e-14)
        # CVXPY says F z <= g where the arrays say -F z >= -g.
        assert -a[equal:] == pytest.approx(sp.csc_array(data["F"]).toarray(), rel=1e-14)
        assert -x.l[equal:] == pytest.approx(data["G"], rel=1e-14)
        assert np.isinf(x.u[equal:]).all()


def test_diagonal_products_are_the_elementwise_ones():
    """`scaled` and `dot` are written for the speed of the compilation; they mean multiply and its sum."""
    rng = np.random.default_rng(0)
    data, x = cp.Parameter((4, 3), value=rng.normal(size=(4, 3))), cp.Variable((4, 3), value=rng.normal(size=(4, 3)))
    assert scaled(data, x).value == pytest.approx(data.value * x.value, rel=1e-15)
    assert dot(data, x).value == pytest.approx(np.sum(data.value * x.value), rel=1e-14)
    assert scaled(data, x).is_dcp(dpp=True)
    assert dot(data, x).is_dcp(dpp=True)


def test_integer_variables_are_refused():
    z = cp.Variable(2, integer=True)
    with pytest.raises(ModelError, match="integer"):
        CanonicalProgram(cp.Problem(cp.Minimize(cp.sum_squares(z)), [z >= 0.5]))


def test_what_is_not_dpp_is_refused():
    p, z = cp.Parameter(2, value=[1.0, 2.0]), cp.Variable(2)
    with pytest.raises(ModelError, match="not DPP"):
        CanonicalProgram(cp.Problem(cp.Minimize(cp.sum_squares(cp.multiply(p, cp.multiply(p, z)) - 1))))


# ------------------------------------------------------------------ presolve


@pytest.mark.parametrize("definitions", [True, False])
@pytest.mark.parametrize("seed", range(6))
def test_reductions_are_exact_at_every_point(seed, definitions):
    sample = Sample(seed, wide=seed % 2 == 1)
    plan = Presolve(sample.program, sample.arrays, sample.primary, definitions=definitions)
    p, a = sample.program.p_pattern, sample.program.a_pattern
    assert len(plan.columns) < sample.program.n
    for _ in range(3):
        sample.draw()  # planned once, replayed for new numbers
        full = sample.arrays
        reduced, trail = plan.apply(full)
        w = sample.rng.normal(size=len(reduced.q))
        z = plan.restore(w, trail)
        assert (z[plan.columns] == w).all()
        scale = np.abs(full.q) @ np.abs(z) + np.abs(full.p).sum() * np.abs(z).max() ** 2
        assert value(reduced, plan.p_pattern, w) == pytest.approx(value(full, p, z), rel=1e-12, abs=1e-13 * scale)
        # Every row that was used up holds; every other row is broken by as much as the row that stands for it.
        act, seen = rows(full, a, z), np.zeros(sample.program.m, dtype=bool)
        short = rows(reduced, plan.a_pattern, w)
        for r, (low, high) in enumerate(zip(reduced.l, reduced.u, strict=True)):
            mine = plan.members(r)
            seen[mine] = True
            # A unit of the reduced row in units of each member: the ratio of their bounds' gradients.
            factor = _factor(plan, a, full, mine, r, reduced)
            over = np.maximum(full.l[mine] - act[mine], act[mine] - full.u[mine]) / np.abs(factor)
            assert over.max() == pytest.approx(max(low - short[r], short[r] - high), abs=1e-11)
        assert act[~seen] == pytest.approx(full.l[~seen], abs=1e-11)
        assert (full.l[~seen] == full.u[~seen]).all()


def _factor(plan, a, full, mine, r, reduced):
    """Ratio of a member's row to the reduced row, after the eliminated variables have been put in."""
    trail = plan.apply(full)[1]
    basis = np.eye(len(plan.columns))
    homogeneous = [(t, np.zeros_like(c)) for t, c in trail]
    j = int(plan.a_pattern.col[plan.a_pattern.row == r][0])
    direction = plan.restore(basis[j], homogeneous)
    return rows(full, a, direction)[mine] / rows(reduced, plan.a_pattern, basis[j])[r]


@pytest.mark.parametrize("seed", range(6))
def test_the_reduced_optimum_is_the_optimum(seed):
    sample = Sample(seed, wide=seed % 2 == 1)
    plan = Presolve(sample.program, sample.arrays, sample.primary)
    sample.draw()
    full = sample.arrays
    reduced, trail = plan.apply(full)
    best = solve_clarabel(quadratic(full, sample.program.p_pattern, sample.program.a_pattern))
    quick = solve_clarabel(quadratic(reduced, plan.p_pattern, plan.a_pattern))
    assert best.status == quick.status == "solved"
    z = plan.restore(quick.z, trail)
    assert z == pytest.approx(best.z, abs=1e-6)
    assert value(full, sample.program.p_pattern, z) == pytest.approx(
        value(full, sample.program.p_pattern, best.z), rel=1e-9
    )
    sample.problem.solve(solver=cp.CLARABEL)
    assert value(reduced, plan.p_pattern, quick.z) == pytest.approx(sample.problem.value, rel=1e-6)


def test_every_square_is_merged_and_every_bound_is_one_row():
    sample = Sample(0, length=8)
    plan = Presolve(sample.program, sample.arrays, sample.primary)
    # x_1..x_7 and |u|_1..8 stay; one row a trade (three were written), two for each |u|.
    assert len(plan.columns) == 7 + 8
    assert plan.a_pattern.shape == (8 + 16, 15)


def test_a_fully_pinned_program_has_nothing_left():
    x = cp.Variable(2)
    program = CanonicalProgram(cp.Problem(cp.Minimize(cp.sum_squares(x)), [x[0] == 2, x[1] == -1]))
    arrays = program.arrays(program.theta({}))
    plan = Presolve(program, arrays, np.arange(2))
    reduced, trail = plan.apply(arrays)
    assert len(reduced.q) == 0
    z = plan.restore(np.zeros(0), trail)
    assert z[program.variable_columns[x.id] : program.variable_columns[x.id] + 2].tolist() == [2.0, -1.0]
    assert reduced.d == pytest.approx(5.0)


# ------------------------------------------------------------------ parallel rows


def merge(matrix, low, high, constant=None):
    """Merge the rows of a dense matrix."""
    row, col = np.nonzero(matrix)
    order = np.lexsort((row, col))
    row, col = row[order], col[order]
    a = matrix[row, col]
    fixed = np.ones(len(a), dtype=bool) if constant is None else constant[row]
    none = np.zeros(0, dtype=int)
    shape = Shape(
        Pattern(none, none, (2, 2)), Pattern(row, col, matrix.shape), fixed, np.zeros(len(matrix), dtype=bool)
    )
    merged = RowMerge(shape, a)
    low, high = np.asarray(low, float), np.asarray(high, float)
    return merged, merged.apply(Arrays(np.zeros(0), np.zeros(2), 0.0, a, low, high))


def test_parallel_rows_become_one_with_the_tightest_bounds():
    inf = np.inf
    matrix = np.array([[1.0, 0], [-1, 0], [2, 0], [0, 1], [1, 1], [-3, -3], [1, -1], [2, 1]])
    merged, out = merge(matrix, [-5, -3, -inf, 0, -inf, -9, 0, 0], [inf, inf, 5, 1, 4, inf, 1, 1])
    assert len(out.l) == 5
    a = merged.pattern.matrix(out.a).toarray()
    boxes = {tuple(row): (low, high) for row, low, high in zip(a, out.l, out.u, strict=True)}
    assert boxes == {
        (1.0, 0.0): (-5.0, 2.5),
        (0.0, 1.0): (0.0, 1.0),
        (1.0, 1.0): (-inf, 3.0),
        (1.0, -1.0): (0.0, 1.0),
        (1.0, 0.5): (0.0, 0.5),
    }
    assert [set(np.flatnonzero(merged.group == g)) for g in range(5)].count({0, 1, 2}) == 1


def test_rows_that_a_parameter_touches_stay_apart():
    matrix = np.array([[1.0, 0], [2.0, 0], [1.0, 1]])
    _, out = merge(matrix, [-1, -1, -1], [1, 1, 1], constant=np.array([True, False, True]))
    assert len(out.l) == 3


def test_contradicting_rows_cross():
    _, out = merge(np.array([[1.0, 0], [-2.0, 0]]), [3, -4], [np.inf, np.inf])
    assert out.l.tolist() == [3.0]
    assert out.u.tolist() == [2.0]


# ------------------------------------------------------------------ scaling


@pytest.mark.parametrize("seed", range(5))
def test_scaling_comes_back(seed):
    sample = Sample(seed)
    plan = Presolve(sample.program, sample.arrays, sample.primary)
    x, _ = plan.apply(sample.arrays)
    p, a = plan.p_pattern, plan.a_pattern
    own = np.isin(plan.columns, sample.primary)
    scaling = normalise(x, p, a, np.where(own, 7e4, np.nan), None)
    small = scaling.forward(x, p, a)
    assert (scaling.column > 0).all()
    assert (scaling.column[own] == 7e4).all()
    zs = sample.rng.normal(size=len(x.q))
    ys = sample.rng.normal(size=len(x.l))
    z, y = scaling.primal(zs), scaling.dual(ys)
    assert value(small, p, zs) == pytest.approx(scaling.objective * value(x, p, z), rel=1e-12)
    assert rows(small, a, zs) == pytest.approx(scaling.row * rows(x, a, z), rel=1e-12)
    slope = quadratic(x, p, a).slope(z, y)
    assert quadratic(small, p, a).slope(zs, ys) == pytest.approx(scaling.objective * scaling.column * slope, rel=1e-9)
    largest = np.zeros(len(x.l))
    np.maximum.at(largest, a.row, np.abs(small.a))
    assert largest == pytest.approx(1.0)


@pytest.mark.parametrize("factor", [1e-7, 1e-3, 1e4, 1e9])
def test_the_normalised_program_does_not_know_its_units(factor):
    sample = Sample(3)
    plan = Presolve(sample.program, sample.arrays, sample.primary)
    x, _ = plan.apply(sample.arrays)
    p, a = plan.p_pattern, plan.a_pattern
    own = np.isin(plan.columns, sample.primary)
    one = normalise(x, p, a, np.where(own, 1.0, np.nan), None).forward(x, p, a)
    # z in other units: z = z' / factor, objective in another currency.
    other = Arrays(x.p * 1e5 / factor**2, x.q * 1e5 / factor, x.d, x.a / factor, x.l, x.u)
    two = normalise(other, p, a, np.where(own, factor, np.nan), None).forward(other, p, a)
    for name in ("p", "q", "a", "l", "u"):
        assert getattr(two, name) == pytest.approx(getattr(one, name), rel=1e-10)


# ------------------------------------------------------------------ multipliers on the way back


def solved(sample, **options):
    """Solve the reduced program to rounding; return canonical z and y."""
    reduce = Presolve(sample.program, sample.arrays, sample.primary, **options)
    reduced, trail = reduce.apply(sample.arrays)
    qp = quadratic(reduced, reduce.p_pattern, reduce.a_pattern)
    start = solve_clarabel(qp)
    z, y, _ = Refiner(reduce.p_pattern, reduce.a_pattern).refine(qp, start.z, start.y)
    full = reduce.restore(z, trail)
    return full, reduce.lift(sample.arrays, full, y)


@pytest.mark.parametrize("definitions", [True, False])
@pytest.mark.parametrize("seed", range(8))
def test_the_lifted_point_meets_every_condition_of_the_canonical_program(seed, definitions):
    sample = Sample(seed, wide=seed % 2 == 1)
    z, y = solved(sample, definitions=definitions)
    x, program = sample.arrays, sample.program
    whole = Quadratic(program.p_pattern, program.a_pattern)
    whole.take(x)
    slope, az = whole.optimality(z, y)
    scale = 1.0 + np.abs(y).max()
    np.testing.assert_allclose(slope, 0.0, atol=1e-8 * scale)
    inequality = np.arange(program.m) >= program.n_equalities
    assert (y[inequality] <= 1e-9 * scale).all(), "a canonical row has a lower bound only"
    np.testing.assert_allclose((y * (az - x.l))[inequality], 0.0, atol=1e-8 * scale)
    assert np.abs(y[inequality]).max() > 1e-3, "a sample in which something binds"


@pytest.mark.parametrize("seed", range(4))
def test_a_row_that_was_used_up_has_its_multiplier_all_the_same(seed):
    """-y = dv/dc of the pin x_0 = c, by central differences of solved problems."""
    sample = Sample(seed)
    _, y = solved(sample)
    (row,) = np.flatnonzero(sample.program.row_constraint == sample.problem.constraints[0].id)
    start, step, values = sample.parameters["start"], 1e-4, []
    here = start.value
    for c in (here - step, here + step):
        start.value = c
        values.append(sample.problem.solve("CLARABEL"))
    assert -y[row] == pytest.approx((values[1] - values[0]) / (2 * step), rel=1e-4, abs=1e-5)

"""Programs with cones: closed forms, the quadratic path, finite differences, and claims that must stand."""

import builders
import cvxpy as cp
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import acopt as ac
from acopt.errors import InfeasibleError, SolverError, UnboundedError
from acopt.solving.cone_scaling import normalise
from acopt.solving.cones import Cones
from acopt.solving.conic import ConicEngine
from acopt.solving.conic_program import ConicProgram
from acopt.solving.engine import Candidate

ROUNDING = 1e-12
SAME = 1e-6  # trades of two solves, of the order: the root of a gap of 1e-12
PRECISE = 1e-9  # relative gap
SLOPE = 2e-4  # finite differences of objectives known to 1e-11

HEADS, LENGTHS = np.array([5, 6, 8, 11]), np.array([1, 2, 3, 5])
CONES = Cones(2, 3, HEADS, LENGTHS, np.array([16, 19]), np.array([22, 25]), np.array([0.3, 2 / 3]))


def members(rng, count=200):
    """Points (count, rows) of the cones, in Clarabel's coordinates, inside and on the boundary, of all sizes."""
    out = np.zeros((count, CONES.size))
    out[:, 2:5] = rng.exponential(size=(count, 3)) * (rng.random((count, 3)) < 0.7)
    extra = rng.exponential(size=count) * (rng.random(count) < 0.7)
    for head, length in zip(CONES.heads, CONES.lengths, strict=True):
        out[:, head + 1 : head + length] = rng.normal(size=(count, length - 1))
        out[:, head] = np.linalg.norm(out[:, head + 1 : head + length], axis=1) + extra
    for i in CONES.exponentials:
        out[:, i], out[:, i + 1] = 3 * rng.normal(size=count), rng.exponential(size=count) + 0.3
        out[:, i + 2] = out[:, i + 1] * np.exp(out[:, i] / out[:, i + 1]) + extra
    for i, a in zip(CONES.powers, CONES.exponents, strict=True):
        out[:, i : i + 2] = rng.exponential(size=(count, 2))
        most = out[:, i] ** a * out[:, i + 1] ** (1 - a)
        out[:, i + 2] = most * np.where(extra > 0, rng.uniform(-1, 1, count), rng.choice([-1, 1], count))
    return out * 10.0 ** rng.uniform(-3, 3, (count, 1))


class TestCones:
    def test_members_are_inside_and_others_are_not(self):
        rng = np.random.default_rng(0)
        for s in members(rng):
            assert CONES.outside(s).max() <= ROUNDING * np.abs(s).max()
        for row, value in ((0, 1.0), (2, -1.0), (5, -1.0), (6, -9.0), (17, -1.0), (18, -1.0), (22, -1.0), (24, 9.0)):
            s = CONES.inside()
            assert CONES.outside(s).max() == 0.0
            s[row] = value
            assert CONES.outside(s).max() > 0.5, row

    def test_the_rotation_is_its_own_inverse_and_makes_products(self):
        turn = CONES.rotation().toarray()
        np.testing.assert_allclose(turn @ turn, np.eye(CONES.size), atol=ROUNDING)
        np.testing.assert_array_equal(turn, turn.T)
        for s in members(np.random.default_rng(1)):
            t = turn @ s
            for head, length in zip(CONES.heads[1:], CONES.lengths[1:], strict=True):
                rest = t[head + 2 : head + length]
                assert 2 * t[head] * t[head + 1] - rest @ rest >= -ROUNDING * (s[head] ** 2)

    def test_what_is_lifted_is_in_the_dual_cone(self):
        rng = np.random.default_rng(2)
        inside = members(rng)
        inside[:, :2] = 0.0
        for _ in range(300):
            y = rng.normal(size=CONES.size) * 10.0 ** rng.uniform(-2, 2, CONES.size)
            lifted = CONES.lifted(y)
            products = np.array([CONES.products(lifted, s) for s in inside])
            sizes = np.array([CONES.products(np.abs(lifted), np.abs(s)) for s in inside])
            assert (products >= -1e-13 * sizes).all()
            np.testing.assert_array_equal(lifted[:2], y[:2])
            np.testing.assert_allclose(CONES.lifted(lifted), lifted, rtol=1e-12, atol=1e-13)

    def test_what_is_inside_the_dual_cone_hardly_moves(self):
        rng = np.random.default_rng(3)
        for s in members(rng):
            y = s.copy()  # self-dual cones; the gradient of the barrier for the others
            for i in CONES.exponentials:
                x, v, z = s[i : i + 3] + np.array([0.0, 0.0, 1e-3 * s[i + 2]])
                r = v * np.log(z / v) - x
                y[i : i + 3] = 1 / r, -(np.log(z / v) - 1) / r - 1 / v, -(v / z) / r - 1 / z
                y[i : i + 3] *= -1.0
            for i, a in zip(CONES.powers, CONES.exponents, strict=True):
                x, v, z = s[i : i + 3] * np.array([1.0, 1.0, 0.9])
                psi = x ** (2 * a) * v ** (2 - 2 * a)
                phi = psi - z**2
                y[i], y[i + 1] = 2 * a * psi / (x * phi) + (1 - a) / x, 2 * (1 - a) * psi / (v * phi) + a / v
                y[i + 2] = -2 * z / phi
            np.testing.assert_allclose(CONES.lifted(y), y, rtol=1e-12, atol=1e-12 * np.abs(y).max())

    def test_scaling_maps_the_cones_onto_themselves(self):
        rng = np.random.default_rng(4)
        a = rng.normal(size=(CONES.size, 6)) * 10.0 ** rng.uniform(-6, 6, (CONES.size, 6))
        b = rng.normal(size=CONES.size) * 10.0 ** rng.uniform(-6, 6, CONES.size)
        program = program_of(a, b)
        scaling = normalise(program.p, program.q, program.a, program.b, CONES, np.full(6, np.nan))
        onto = scaling.rows.toarray()
        back, turn = np.linalg.inv(onto), CONES.rotation().toarray()
        for s in members(rng):
            for image in (onto @ (turn @ s), turn @ (back @ s)):
                norm = np.array([np.abs(image[c]).max(initial=0.0) for c in cells()])
                assert (CONES.outside(image) <= 1e-11 * np.maximum(norm, 1e-300)).all()


def cells():
    """Rows of every linear row and every cone."""
    starts = [*range(6), *CONES.heads[1:], *CONES.exponentials, *CONES.powers]
    return [range(i, j) for i, j in zip(starts, [*starts[1:], CONES.size], strict=True)]


def program_of(a, b):
    n = a.shape[1]
    void, ids = np.zeros(len(b), bool), np.zeros(len(b), dtype=np.int64)
    return ConicProgram(sp.csc_array((n, n)), np.ones(n), 0.0, sp.csc_array(a), b, CONES, void, ids, {})


def sized(scale, kind="both sides", **changes):
    """Return order and market of `builders`, with so many times the shares."""
    small = builders.order(kind)
    order = ac.Order(small.initial * scale, small.target * scale)
    market = builders.market("uneven")
    return order, builders.market("uneven", volume=market.volume * scale, **changes)


def problem(scale=1.0, cost=None, rules=(), kind="both sides", **changes):
    return ac.ExecutionProblem(*sized(scale, kind, **changes), cost or ac.TemporaryImpact(), rules)


def shares(asked):
    return asked.setting.remaining


class TestPowerLaw:
    """min sum tau_k c_k |u_k / tau_k|^(1+b): v_k proportional to c_k^(-1/b), whatever the order."""

    @pytest.mark.parametrize("exact", [False, True])
    @pytest.mark.parametrize("b", [0.5, 0.6])
    @pytest.mark.parametrize("size", [-1e9, -1e4, 1e2, 1e6, 1e9])
    def test_closed_form(self, size, b, exact):
        market = ac.Market(builders.grid("uneven"), 40.0, covariance=1.0)
        tau = market.grid.durations
        c = 1e-3 * np.array([1.0, 0.4, 2.0, 0.7, 1.3]) / abs(size) ** b
        order = ac.Order.sell(size) if size > 0 else ac.Order.buy(-size)

        def cost(p):
            return cp.sum(cp.multiply(tau * c, cp.power(cp.abs(p.rates[:, 0]), 1 + b, approx=not exact)))

        plan = ac.ExecutionProblem(order, market, ac.CustomCost(cost, kind="money")).solve()
        speed = c ** (-1 / b)
        trades = -size * tau * speed / (tau @ speed)
        least = tau @ (c * np.abs(trades / tau) ** (1 + b))
        np.testing.assert_allclose(plan.path.trades[:, 0], trades, atol=1e-5 * abs(size))
        found = plan.certificate
        assert found.conic
        assert found.solver == "CLARABEL"
        assert -ROUNDING * least <= plan.objective - least <= found.gap + ROUNDING * least
        assert found.gap <= PRECISE * least

    def test_every_try_proves_no_less_than_its_gap(self):
        market = ac.Market(builders.grid("uneven"), 40.0, covariance=1.0)
        tau, size = market.grid.durations, 3e5
        asked = ac.ExecutionProblem(
            ac.Order.sell(size), market, ac.CustomCost(lambda p: 1e-4 * cp.sum(cp.power(cp.abs(p.trades), 1.5)))
        )
        least = 1e-4 * (size * tau**0) ** 1.5 @ np.full(5, 0.2**1.5)  # equal trades
        engine, scales = engine_of(asked)
        points = list(engine.attempts(scales, []))
        assert len(points) > 3
        for point in points:
            assert isinstance(point, Candidate)
            assert point.value - least <= point.proof.gap + ROUNDING * least


def engine_of(asked):
    """Engine and scales of a problem."""
    solver = asked._solver
    return ConicEngine(asked.cvxpy_problem, solver._variable), solver._scales_of(asked._state)


def test_any_multipliers_prove_a_gap_that_is_one():
    """The bound holds for every y in K* and every z, inside or outside the cones."""
    rule = ac.CustomConstraint(lambda p: cp.norm(p.asset("A").trades) <= 4_100.0)
    custom = ac.CustomCost(lambda p: 1e-3 * cp.sum(cp.power(cp.abs(p.trades), 1.5, approx=False)))
    risky = ac.CustomCost(lambda p: cp.sum(cp.exp(p.participation)) + cp.norm(p.remaining, "fro"), name="risky")
    asked = problem(1.0, ac.TemporaryImpact() + custom + risky, [rule, ac.Participation(0.9)])
    engine, scales = engine_of(asked)
    best = next(iter(engine.attempts(scales, [])))
    assert best.proof.gap <= PRECISE * best.value
    program, scaling = engine._program, engine._scaling(scales)
    rng = np.random.default_rng(5)
    for k in range(100):
        size = 10.0 ** -rng.uniform(0, 8)
        z = best.z + size * scaling.column * rng.normal(size=len(best.z))
        scaled = np.linalg.solve(scaling.rows.toarray().T, best.solution.y)
        noise = size * rng.normal(size=len(scaled)) * (np.abs(scaled).max() if k % 2 else np.abs(scaled))
        y = program.dual(rng.choice([0.0, 0.5, 1.0]) * (scaled + noise), scaling)
        proof = program.prove(z, y, np.abs(z - best.z), scaling)
        assert program.value(z) - best.value <= proof.gap + best.proof.gap + ROUNDING * abs(program.value(z))


@pytest.mark.parametrize("turned", [False, True])
def test_bounds_are_those_of_rows_with_one_variable(turned):
    """Every row has a variable of its own: a point of K is a value of each, and K's signs are their bounds."""
    rng = np.random.default_rng(9)
    entry, b = rng.choice([-1.0, 1.0], CONES.size) * 10.0 ** rng.uniform(-3, 3, CONES.size), rng.normal(size=CONES.size)
    turn, points = CONES.rotation().toarray(), members(rng)
    own = points if turned else points @ turn
    least, most = program_of(turn @ np.diag(entry) if turned else np.diag(entry), turn @ b if turned else b).bounds
    z, edge, equal = (b - own) / entry, b / entry, np.arange(CONES.size) < CONES.zero
    size = ROUNDING * (1.0 + np.abs(z).max(axis=0))
    assert ((least - size <= z) & (z <= most + size)).all()
    signed = (own >= -ROUNDING * (1.0 + np.abs(points).max(axis=1, keepdims=True))).all(axis=0)
    if turned:  # rows that turn have two variables each
        signed[CONES.heads[CONES.lengths > 1] + 1] = False
    np.testing.assert_allclose(most, np.where(equal | (signed & (entry > 0)), edge, np.inf), rtol=1e-12)
    np.testing.assert_allclose(least, np.where(equal | (signed & (entry < 0)), edge, -np.inf), rtol=1e-12)


def test_what_is_left_of_the_gradient_pays_for_the_way_to_a_bound_at_most():
    """Minimise z or -z on [2, 3], and by looser rows on [0, 4], without multipliers; beyond a bound: no less."""
    one, none = np.array([[-1.0], [1.0], [-1.0], [1.0]]), np.zeros(0, dtype=np.int64)
    kind = Cones(0, 4, none, none, none, none, np.zeros(0))
    for slope, z, gap in ((1.0, 2.5, 0.5), (-1.0, 2.75, 0.25), (1.0, 3.5, 1.5), (1.0, 1.75, 0.25), (0.0, 2.5, 0.0)):
        program = ConicProgram(
            sp.csc_array((1, 1)),
            np.array([slope]),
            0.0,
            sp.csc_array(one),
            np.array([-2.0, 3.0, 0.0, 4.0]),
            kind,
            np.zeros(4, bool),
            none,
            {},
        )
        scaling = normalise(program.p, program.q, program.a, program.b, kind, np.ones(1))
        proof = program.prove(np.array([z]), np.zeros(4), np.array([1e15]), scaling)
        assert proof.gap == pytest.approx(gap, abs=1e-15)
        near = program.prove(np.array([z]), np.zeros(4), np.array([0.125]), scaling)
        assert near.gap == pytest.approx(min(gap, 0.125), abs=1e-15)


class TestAgainstTheQuadraticPath:
    @pytest.mark.parametrize("kind", ["both sides", "sell one"])
    @pytest.mark.parametrize("scale", [1e-2, 1.0, 1e5])
    @pytest.mark.parametrize("form", ["square", "norm", "weighted"])
    def test_a_risk_budget_is_the_dial_that_reaches_it(self, form, scale, kind):
        order, market = sized(scale, kind)
        rules = [ac.Participation(0.5)]
        cost = ac.TemporaryImpact() + ac.SpreadCost()
        free = ac.ExecutionProblem(order, market, cost + ac.TimingRisk(), rules)
        dialled = free.solve_for(risk_price=0.5)
        limit = dialled.risk
        prices = np.array([builders.PRICES[a] for a in order.assets])
        root = np.linalg.cholesky(builders.correlated(0.02 * prices))
        weight = np.sqrt(free.setting.grid.durations)[:, None] * np.ones((1, len(free.setting.assets)))

        factor = 1e-3 if form == "weighted" else 1.0

        def budget(p):
            moves = cp.multiply(weight, p.remaining[1:] @ root)
            if form == "square":
                return cp.sum_squares(moves) <= limit**2
            return cp.norm(moves, "fro") * factor <= limit * factor

        asked = ac.ExecutionProblem(order, market, cost, [*rules, ac.CustomConstraint(budget, name="budget")])
        plan = asked.solve()
        np.testing.assert_allclose(plan.path.trades, dialled.path.trades, atol=1e-5 * asked.setting.size)
        assert plan.objective == pytest.approx(dialled.expected_cost, rel=1e-7)
        # The price of the budget is the dial's lambda: dE/dV = lambda, dE/dStd = 2 lambda Std.
        price = float(plan.multipliers.of("budget")[0].item())
        value = {"square": 1.0, "norm": 2 * limit, "weighted": 2e3 * limit}[form]
        lam = next(t.weight for t in dialled.pricing.terms if t.cost.kind == "risk")
        assert price == pytest.approx(lam * value, rel=1e-4)

    def test_a_square_written_as_a_cone_costs_the_same(self):
        plain = problem(1.0, ac.TemporaryImpact() + 1e-6 * ac.TimingRisk(), [ac.Participation(0.4)])
        slack = ac.CustomConstraint(lambda p: cp.norm(p.trades, "fro") <= 1e6)
        coned = problem(1.0, ac.TemporaryImpact() + 1e-6 * ac.TimingRisk(), [ac.Participation(0.4), slack])
        first, second = plain.solve(), coned.solve()
        assert not first.certificate.conic
        assert second.certificate.conic
        assert second.objective == pytest.approx(first.objective, rel=1e-9)
        np.testing.assert_allclose(second.path.trades, first.path.trades, atol=SAME * plain.setting.size)
        assert second.multipliers.of("CustomConstraint")[0].item() == pytest.approx(0.0, abs=1e-9)


LIMITS = {
    "norm": (lambda p, r: cp.norm(p.trades, "fro") <= r, 2.0, 0.5),
    "squares": (lambda p, r: cp.sum_squares(p.trades) <= r, 2.0, 1.0),
    "turned": (lambda p, r: r >= cp.norm(p.trades, "fro"), 2.0, 0.5),
    "three halves": (lambda p, r: cp.sum(cp.power(cp.abs(p.trades), 1.5)) <= r, 1.5, 1.0),
    "power cone": (lambda p, r: cp.sum(cp.power(cp.abs(p.trades), 1.5, approx=False)) <= r, 1.5, 1.0),
}


class TestPrices:
    """A limit's price is what the objective falls by per unit of it."""

    @pytest.mark.parametrize("scale", [1e-2, 1.0, 1e5])
    @pytest.mark.parametrize("form", LIMITS)
    def test_finite_differences(self, form, scale):
        rule, power, root = LIMITS[form]

        def at(limit):
            cap = ac.CustomConstraint(lambda p: rule(p, limit), name="limit")
            return problem(scale, ac.TemporaryImpact() + 1e-5 / scale * ac.TimingRisk(), [cap]).solve()

        free = problem(scale, ac.TemporaryImpact() + 1e-5 / scale * ac.TimingRisk()).solve().path.trades
        even = np.abs(shares(problem(scale)) / len(free)) * np.ones_like(free)
        size = [float(np.sum(np.abs(u) ** power) ** root) for u in (free, even)]
        limit = 0.5 * (size[0] + size[1])
        assert size[1] < limit < size[0]
        plan, h = at(limit), 1e-4 * limit
        slope = (at(limit - h).objective - at(limit + h).objective) / (2 * h)
        price = plan.multipliers.of("limit")[0]
        assert price.shape == ()
        assert price.item() > 0
        assert price.item() == pytest.approx(slope, rel=SLOPE)

    def test_one_price_per_row_of_a_vector_of_norms(self):
        order, market = sized(1.0)

        def at(limits):
            rule = ac.CustomConstraint(lambda p: cp.norm(p.trades, axis=1) <= limits, name="limits")
            return ac.ExecutionProblem(order, market, ac.TemporaryImpact() + 1e-5 * ac.TimingRisk(), [rule]).solve()

        limits = np.array([2_500.0, 3e3, 9e3, 9e4, 9e4])
        prices = at(limits).multipliers.of("limits")[0]
        assert prices.shape == (5,)
        assert prices[3] == pytest.approx(0.0, abs=1e-9)
        assert (prices[:2] > 0).all()
        for k in range(5):
            h = 1e-4 * limits[k] * np.eye(5)[k]
            slope = (at(limits - h).objective - at(limits + h).objective) / (2 * h[k])
            assert prices[k] == pytest.approx(slope, rel=SLOPE, abs=1e-7)


INFEASIBLE = {
    "norm": lambda x, f: lambda p: cp.norm(p.trades, "fro") <= f * np.sqrt((x**2).sum() / 5),
    "squares": lambda x, f: lambda p: cp.sum_squares(p.trades) <= f**2 * (x**2).sum() / 5,
    "three halves": lambda x, f: (
        lambda p: cp.sum(cp.power(cp.abs(p.trades), 1.5)) <= f**1.5 * 5 * np.sum(np.abs(x / 5) ** 1.5)
    ),
    "power cone": lambda x, f: (
        lambda p: cp.sum(cp.power(cp.abs(p.trades), 1.5, approx=False)) <= f**1.5 * 5 * np.sum(np.abs(x / 5) ** 1.5)
    ),
    "exponential": lambda x, f: (
        lambda p: cp.sum(cp.exp(5 / np.abs(x).max() * p.trades[:, 0])) <= f * 5 * np.exp(-x[0] / np.abs(x).max())
    ),
}


class TestClaims:
    @pytest.mark.parametrize("scale", [1e-2, 1.0, 1e5])
    @pytest.mark.parametrize("form", INFEASIBLE)
    def test_a_limit_below_the_least_is_infeasible_and_above_it_is_not(self, form, scale):
        """The least is that of equal trades; on either side of it, by one part in 100,000 and by much."""
        x = shares(problem(scale))
        for factor in (0.2, 0.9, 1 - 1e-5):
            rule = ac.CustomConstraint(INFEASIBLE[form](x, factor), name="limit")
            with pytest.raises(InfeasibleError, match="together: completing the order, limit conflict"):
                problem(scale, rules=[rule]).solve()
        for factor in (1 + 1e-5, 1.1, 3.0):
            rule = ac.CustomConstraint(INFEASIBLE[form](x, factor), name="limit")
            plan = problem(scale, rules=[rule]).solve()
            assert plan.certificate.violation <= 1e-9
            assert plan.certificate.relative_gap <= 1e-6

    def test_only_rules_of_the_conflict_are_named(self):
        ball = ac.CustomConstraint(lambda p: cp.norm(p.asset("A").trades) <= 3_000.0, name="ball")
        other = ac.CustomConstraint(lambda p: cp.norm(p.asset("B").trades) <= 1e5, name="other")
        with pytest.raises(InfeasibleError) as caught:
            problem(rules=[ball, other, ac.Participation(0.9)]).solve()
        assert "together: ball, completing the order conflict" in str(caught.value)

    @pytest.mark.parametrize("scale", [1e-2, 1.0, 1e5])
    def test_an_objective_without_end(self, scale):
        gain = ac.Alpha(pd.Series({"A": 0.01, "B": 0.02, "C": 0.0}))
        size = 9_000.0 * scale
        first = ac.CustomConstraint(lambda p: cp.norm(p.trades[0]) <= size)
        little = ac.CustomCost(lambda p: 1e-9 * cp.norm(p.trades, "fro"))
        only_one = ac.CustomCost(lambda p: 1e-6 * cp.sum(cp.power(cp.abs(p.trades[0]), 1.5)))
        for cost, rules in ((gain, [first]), (gain + little, []), (gain + only_one, [])):
            with pytest.raises(UnboundedError, match="falls without end"):
                problem(scale, cost, rules).solve()
        every = ac.CustomCost(lambda p: 1e-6 * cp.sum(cp.power(cp.abs(p.trades), 1.5)))
        plan = problem(scale, gain + every).solve()  # the power outgrows the gain, wherever that is
        assert plan.certificate.relative_gap <= 1e-6

    def test_what_falls_ever_more_slowly_is_no_claim(self):
        """-log(x) has no lower end, but no direction of steady descent either: nothing is proven, nothing returned."""
        cost = ac.CustomCost(lambda p: -cp.sum(cp.log(p.remaining[1:-1] / 9e3 + 4.0)))
        with pytest.raises(SolverError, match="no point met the accuracy contract"):
            problem(cost=cost).solve()

    def test_no_multipliers_separate_what_is_feasible(self):
        rule = ac.CustomConstraint(lambda p: cp.norm(p.trades, "fro") <= 1e4)
        engine, scales = engine_of(problem(rules=[rule]))
        program, scaling = engine._program, engine._scaling(scales)
        rng = np.random.default_rng(6)
        for _ in range(200):
            y = program.dual(rng.normal(size=len(program.b)), scaling)
            assert not program.separates(y, scaling)
            assert not program.separates(-y, scaling)
            assert not program.descends(rng.normal(size=len(program.q)) * scaling.column, scaling)
        assert not program.descends(np.zeros(len(program.q)), scaling)

    def test_no_direction_that_leaves_the_cones_is_without_end(self):
        """A linear gain in a ball: half of all directions gain, and none can be followed for ever."""
        gain = ac.Alpha(pd.Series({"A": 0.01, "B": 0.02, "C": 0.0}))
        rule = ac.CustomConstraint(lambda p: cp.norm(p.trades, "fro") <= 1e4)
        engine, scales = engine_of(problem(cost=gain, rules=[rule]))
        program, scaling = engine._program, engine._scaling(scales)
        rng = np.random.default_rng(7)
        falling = 0
        for _ in range(200):
            d = rng.normal(size=len(program.q)) * scaling.column
            falling += program.q @ d < 0
            assert not program.descends(d, scaling)
        assert falling > 50


def test_infinite_bounds_have_no_effect():
    cone = ac.CustomConstraint(lambda p: cp.norm(p.trades, "fro") <= 9e3)
    plain = problem(rules=[cone]).solve()
    sides = ac.TradeSize(pd.Series({"A": -np.inf, "B": -1e7, "C": -np.inf}), np.inf)
    bounded = problem(rules=[cone, sides]).solve()
    assert bounded.objective == pytest.approx(plain.objective, rel=1e-9)
    assert all((price == 0.0).all() for price in bounded.multipliers.of("trade bounds") for price in [price[:, [0, 2]]])


@pytest.mark.parametrize("solver", ["auto", "CLARABEL"])
def test_the_same_bits_twice(solver):
    def solved():
        cost = ac.CustomCost(lambda p: 1e-3 * cp.sum(cp.power(cp.abs(p.trades), 1.5)) + cp.norm(p.remaining, "fro"))
        return problem(1e3, ac.TemporaryImpact() + cost).solve(solver=solver)

    first, second = solved(), solved()
    np.testing.assert_array_equal(first.path.trades, second.path.trades)
    assert first.certificate.gap == second.certificate.gap


@pytest.mark.parametrize(
    "rule",
    [
        lambda p: cp.lambda_max(cp.diag(p.trades[:, 0])) <= 1e5,
        lambda p: cp.geo_mean(1e4 + p.trades[:, 0], approx=False) >= 1.0,
    ],
)
def test_other_cones_are_refused(rule):
    with pytest.raises(SolverError, match="acopt solves second-order, exponential and three-dimensional power cones"):
        problem(rules=[ac.CustomConstraint(rule)]).solve()


def random_problem(number):
    """Draw 1-3 assets, both sides, 1e2..1e9 shares, caps, and one or two terms with cones."""
    rng = np.random.default_rng([13, number])
    kind = str(rng.choice(["both sides", "sell one"]))
    scale = 10.0 ** rng.uniform(-2, 5)
    x = shares(problem(scale, kind=kind))
    big = float(np.abs(x).max())
    money = 1e-3 * float(np.abs(x) @ problem(kind=kind).setting.market.prices)
    drawn = {
        "three halves": ac.CustomCost(lambda p: money / big**1.5 * cp.sum(cp.power(cp.abs(p.trades), 1.5)), name="a"),
        "rates": ac.CustomCost(lambda p: money / big**1.6 * cp.sum(cp.power(cp.abs(p.rates), 1.6)), name="b"),
        "power cone": ac.CustomCost(
            lambda p: money / big**1.4 * cp.sum(cp.power(cp.abs(p.trades), 1.4, approx=False)), name="c"
        ),
        "logistic": ac.CustomCost(lambda p: money * cp.sum(cp.logistic(9 * p.participation)), name="d"),
        "entropy": ac.CustomCost(lambda p: -money * cp.sum(cp.entr(p.participation @ np.diag(-np.sign(x)))), name="e"),
        "norm": ac.CustomCost(lambda p: money / big * cp.norm(p.remaining, "fro"), name="f"),
        "ball": lambda p: cp.norm(p.trades, "fro") <= 1.2 * np.sqrt((x**2).sum() / 4),
        "squares": lambda p: cp.sum_squares(p.trades) <= 1.3 * (x**2).sum() / 4,
    }
    picked = [str(k) for k in rng.choice(list(drawn), 2, replace=False)]
    cost = ac.TemporaryImpact() + ac.SpreadCost()
    rules = [ac.Participation(float(rng.uniform(0.3, 0.9)))] if rng.random() < 0.5 else []
    for key in picked:
        if callable(drawn[key]):
            rules.append(ac.CustomConstraint(drawn[key], name=key))
        else:
            cost = cost + drawn[key]
    return problem(scale, cost, rules, kind), picked


@pytest.mark.parametrize("number", range(60))
def test_random_problems_meet_the_contract(number):
    asked, picked = random_problem(number)
    found = asked.solve().certificate
    assert found.conic, picked
    assert found.gap <= 1e-7 * found.gap_scale, (picked, found.tries)
    assert found.violation <= 1e-9, picked
    assert found.objective_difference <= 1e-7, picked


@pytest.mark.parametrize("number", range(0, 60, 4))
def test_another_algorithm_agrees(number):
    """Operator splitting against interior point, each with its own proof."""
    asked, picked = random_problem(number)
    first = asked.solve()
    second = asked._solver.solve(asked._state, asked._numbers, "SCS", 1e-6, ())
    assert second.certificate.solver == "SCS"
    proven = first.certificate.gap + second.certificate.gap
    allowed = 1e-9 * first.certificate.gap_scale  # what violations within the contract may save
    assert abs(second.objective - first.objective) <= proven + allowed, picked

"""Smoothness and jerk: exact on polynomials, against published minimisers, on any grid."""

from itertools import pairwise
from math import factorial

import builders
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial import Polynomial

import acopt as ac
from acopt.errors import DataError, ModelError

TIGHT = 1e-12
DIFFERENCES = 1e-8  # divided differences of the 3rd and 4th order, of the penalty
SECOND_ORDER = 0.05  # half the step, a quarter of the error
HELD = 1e-9  # solved holdings against a closed form, of the order


def penalty(derivative, edges, x, weight=1.0):
    """Evaluate the penalty of a path x(t_0..t_N) of one asset, whatever it starts and ends at."""
    market = ac.Market(ac.TimeGrid(edges), {"A": 10.0})
    cost = ac.Smoothness(derivative, weight={"A": weight})
    order = ac.Order({"A": x[0]}, {"A": 0.0})
    plan = ac.ExecutionProblem(order, market, cost, [ac.AllowUnfilled(1.0)]).evaluate(np.diff(x)[:, None])
    return plan.term_values[cost.name], plan


def by_hand(derivative, edges, x):
    """Neville's table, one number at a time: ((d+1)! x[t_j..t_{j+d+1}])^2 (t_{j+d+1} - t_j) / (d+1)."""
    order = derivative + 1
    total = 0.0
    for j in range(len(edges) - order):
        table = [float(v) for v in x[j : j + order + 1]]
        for level in range(1, order + 1):
            table = [(b - a) / (edges[j + i + level] - edges[j + i]) for i, (a, b) in enumerate(pairwise(table))]
        total += (factorial(order) * table[0]) ** 2 * (edges[j + order] - edges[j]) / order
    return total


class TestPolynomials:
    @pytest.mark.parametrize(
        "edges", [builders.EDGES["even"], builders.EDGES["uneven"], [0.0, 0.01, 0.02, 0.9, 0.95, 1.0]]
    )
    @pytest.mark.parametrize("derivative", [1, 2, 3])
    def test_exact_on_the_lowest_degree_that_bends(self, derivative, edges):
        """x = t^(d+1) has x^(d+1) = (d+1)!, so t^3 gives 6 in every window, on any grid."""
        edges, order = np.asarray(edges), derivative + 1
        length = sum((edges[j + order] - edges[j]) / order for j in range(len(edges) - order))
        found, _ = penalty(derivative, edges, 1_000.0 * edges**order)
        assert found == pytest.approx((1_000.0 * factorial(order)) ** 2 * length, rel=DIFFERENCES)

    def test_the_cube_gives_six(self):
        """REFERENCE_CASES 5: in each window of an uneven grid, not 4.0 to 11.0."""
        edges = builders.EDGES["uneven"]
        for j in range(3):
            found, _ = penalty(2, edges[j : j + 4], edges[j : j + 4] ** 3)
            assert np.sqrt(found / ((edges[j + 3] - edges[j]) / 3)) == pytest.approx(6.0, rel=DIFFERENCES)

    @given(
        coefficients=st.lists(st.floats(-5.0, 5.0).map(lambda c: round(c, 9)), min_size=3, max_size=3),
        steps=st.lists(st.floats(0.05, 2.0), min_size=4, max_size=9),
    )
    @settings(max_examples=30, deadline=None)
    def test_blind_to_lower_degrees(self, coefficients, steps):
        edges = np.cumsum([0.0, *steps])
        found, _ = penalty(2, edges, Polynomial(coefficients)(edges))
        assert found <= 1e-12 * by_hand(2, edges, edges**3)

    def test_a_constant_rate_is_perfectly_smooth(self):
        for derivative in (1, 2):
            edges = builders.EDGES["uneven"]
            assert penalty(derivative, edges, 100.0 * (1.0 - edges))[0] <= 1e-18


class TestByFormula:
    @pytest.mark.parametrize("derivative", [1, 2, 3])
    @pytest.mark.parametrize("at", ["even", "uneven"])
    def test_any_path(self, derivative, at):
        rng = np.random.default_rng(derivative)
        for _ in range(5):
            x = rng.normal(size=6) * 1_000.0
            found, plan = penalty(derivative, builders.EDGES[at], x, weight=0.3)
            assert found == pytest.approx(0.3 * by_hand(derivative, builders.EDGES[at], x), rel=DIFFERENCES)
            parts = plan.breakdown().query("cost == 'Smoothness'")["value"]
            assert (parts >= 0.0).all()
            assert parts.sum() == pytest.approx(found, rel=TIGHT)

    def test_slope_of_the_rate_on_an_even_grid(self):
        """d = 1, even grid: sum over inner edges of ((v_{k+1} - v_k) / tau)^2 tau."""
        x = np.array([10.0, 7.0, 6.0, 2.0, 1.0, 0.0])
        v = np.diff(x) / 0.2
        assert penalty(1, builders.EDGES["even"], x)[0] == pytest.approx(
            np.sum((np.diff(v) / 0.2) ** 2 * 0.2), rel=1e-9
        )

    @pytest.mark.parametrize(("periods", "derivative"), [(1, 1), (1, 2), (2, 2), (2, 3)])
    def test_too_few_intervals_to_bend(self, periods, derivative):
        market = ac.Market(ac.TimeGrid.uniform(1.0, periods), 10.0)
        objective = ac.TemporaryImpact(1e-6) + ac.Smoothness(derivative, scale=0.1)
        problem = ac.ExecutionProblem(ac.Order.sell(100.0), market, objective)
        plan = problem.solve()
        assert plan.term_values["Smoothness"] == 0.0
        np.testing.assert_allclose(plan.path.trades, -100.0 / periods, rtol=HELD)

    def test_by_asset(self):
        order = builders.order("both sides")
        mu = {"B": 2e-4, "A": 1e-6, "C": 3e-5}
        problem = ac.ExecutionProblem(
            order, builders.market("uneven"), ac.Smoothness(1, weight=mu) + ac.TemporaryImpact()
        )
        u = builders.random_trades(problem)
        x = builders.loops(u, order.remaining)
        expected = sum(mu[a] * by_hand(1, builders.EDGES["uneven"], x[:, i]) for i, a in enumerate("ABC"))
        assert problem.evaluate(u).term_values["Smoothness"] == pytest.approx(expected, rel=DIFFERENCES)


class TestScale:
    """scale= means mu = eta scale^(2d), eta the mean temporary coefficient."""

    @pytest.mark.parametrize(
        ("cost", "power"), [(ac.Smoothness(1, scale=0.1), 2), (ac.Jerk(0.1), 4), (ac.Smoothness(3, scale=0.1), 6)]
    )
    def test_by_formula(self, cost, power):
        grid = builders.grid("uneven")
        eta = pd.DataFrame(
            np.outer(np.arange(1.0, 6.0), [1e-6, 2e-4, 1e-5]), index=grid.labels, columns=[*builders.NAMES]
        )
        problem = ac.ExecutionProblem(
            builders.order("both sides"), builders.market("uneven"), ac.TemporaryImpact(eta) + cost
        )
        np.testing.assert_allclose(cost.strength(problem.setting), eta.mean() * 0.1**power, rtol=TIGHT)

    def test_weight_of_the_impact_does_not_matter(self):
        market = builders.market("uneven")
        for weight in (1e-3, 1.0, 50.0):
            cost = ac.Jerk(0.1)
            problem = ac.ExecutionProblem(builders.order("sell many"), market, weight * ac.TemporaryImpact() + cost)
            eta = market.impact.temporary(market.select(problem.order.assets)).mean(axis=0)
            np.testing.assert_allclose(cost.strength(problem.setting), eta * 0.1**4, rtol=TIGHT)

    def test_permanent_impact_is_not_temporary_impact(self):
        cost, market = ac.Jerk(0.1), ac.Market(ac.TimeGrid.uniform(1.0, 5), 1.0)
        objective = ac.TemporaryImpact(2e-6) + ac.PermanentImpact(4e-6) + cost
        problem = ac.ExecutionProblem(ac.Order.sell(1e3), market, objective)
        np.testing.assert_allclose(cost.strength(problem.setting), 2e-6 * 0.1**4, rtol=TIGHT)

    def test_in_words(self):
        grid = ac.TimeGrid.session("2019-02-15", "30min")
        market = ac.Market(grid, 10.0)
        costs = [ac.Jerk("39min"), ac.Jerk(0.1), ac.Jerk(pd.Timedelta("39min"))]
        found = []
        for cost in costs:
            problem = ac.ExecutionProblem(ac.Order.sell(1e3), market, ac.TemporaryImpact(2e-6) + cost)
            found.append(cost.strength(problem.setting)[0])
        assert found == pytest.approx([2e-6 * 0.1**4] * 3, rel=TIGHT)


class TestMinimisers:
    def test_degree_five_through_six_pins(self):
        """Jerk alone, first and last three holdings pinned: the degree-5 interpolant (REFERENCE_CASES 5)."""
        n, pins = 24, {0: 1.0, 1: 0.97, 2: 0.9, 22: 0.08, 23: 0.01, 24: 0.0}
        grid = ac.TimeGrid.uniform(1.0, n)
        low, high = np.full((n, 1), -np.inf), np.full((n, 1), np.inf)
        for k, value in pins.items():
            if 0 < k < n:
                low[k - 1] = high[k - 1] = 1e5 * value
        problem = ac.ExecutionProblem(
            ac.Order.sell(1e5), ac.Market(grid, 10.0), ac.Smoothness(2, weight=1e-9), [ac.HoldingBounds(low, high)]
        )
        t = grid.edges
        interpolant = Polynomial.fit(t[list(pins)], [1e5 * v for v in pins.values()], 5)
        np.testing.assert_allclose(problem.solve().remaining["asset"], interpolant(t), atol=1e-6 * 1e5)

    @pytest.mark.parametrize("scale", [0.05, 0.3], ids=["real roots", "complex roots"])
    @pytest.mark.parametrize("side", [1.0, -1.0])
    def test_four_exponentials_in_continuous_time(self, side, scale):
        """mu x'''' - eta x'' + lambda sigma^2 x = 0, x(0) = X, x(T) = 0, x'' = 0 at both ends (REFERENCE_CASES 5)."""
        x0, horizon, eta, risk = 1e5, 1.0, 2e-6, 5e-5
        mu = eta * scale**2
        roots = np.roots([mu, 0.0, -eta, 0.0, risk]).astype(complex)
        ends = np.array([np.exp(roots * 0), np.exp(roots * horizon), roots**2, roots**2 * np.exp(roots * horizon)])
        amplitude = np.linalg.solve(ends, [side * x0, 0.0, 0.0, 0.0])
        errors = []
        for n in (20, 40, 80):
            grid = ac.TimeGrid.uniform(horizon, n)
            market = ac.Market(grid, 10.0, covariance=1.0)
            objective = ac.TemporaryImpact(eta) + risk * ac.TimingRisk() + ac.Smoothness(1, scale=scale)
            plan = ac.ExecutionProblem(ac.Order(side * x0), market, objective).solve()
            exact = np.real(np.exp(np.outer(grid.edges, roots)) @ amplitude)
            errors.append(np.abs(plan.remaining["asset"] - exact).max() / x0)
        assert errors[-1] < 1e-4
        np.testing.assert_allclose([errors[0] / errors[1], errors[1] / errors[2]], 4.0, rtol=SECOND_ORDER)


class TestRefusals:
    @pytest.mark.parametrize("derivative", [0, -1, 1.5, True, "two", 11, 10**76])
    def test_derivative(self, derivative):
        with pytest.raises(DataError, match=r"derivative=.*an integer >= 1"):
            ac.Smoothness(derivative, scale=0.1)

    def test_one_of_scale_and_weight(self):
        for make in (lambda: ac.Smoothness(), lambda: ac.Smoothness(1, scale=0.1, weight=1.0), lambda: ac.Jerk()):
            with pytest.raises(DataError, match=r"give either scale= .* or weight="):
                make()

    def test_scale_needs_impact(self):
        with pytest.raises(
            ModelError, match="Jerk: scale= is relative to the temporary impact, and the problem has none"
        ):
            ac.ExecutionProblem(builders.order("sell one"), builders.market(), 1e-6 * ac.TimingRisk() + ac.Jerk(0.1))

    @pytest.mark.parametrize(
        ("cost", "words"),
        [
            (ac.Jerk(0.0), "Jerk scale=0.0: a time > 0"),
            (ac.Jerk("soon"), "'soon' is not a length of time"),
            (ac.Smoothness(weight=1.0), "Smoothness weight: the scalar 1 is in price units"),
            (ac.Smoothness(weight={"A": 1.0, "B": -1.0, "C": 1.0}), "Smoothness weight is -1 for B"),
        ],
    )
    def test_data(self, cost, words):
        with pytest.raises(DataError, match=words):
            ac.ExecutionProblem(builders.order("both sides"), builders.market(), ac.TemporaryImpact() + cost)


def test_kind_and_names():
    assert ac.Jerk(0.1).kind == ac.Smoothness(scale=0.1).kind == "penalty"
    assert (ac.Jerk(0.1).name, ac.Smoothness(scale=0.1).name) == ("Jerk", "Smoothness")
    assert ac.Jerk(0.1).derivative == 2


def test_no_window_spans_a_night():
    """Two sessions of three intervals: what happens across the night costs nothing, however short it is."""
    for night in (1e-6, 0.5):
        edges = np.r_[0.0, 0.1, 0.2, 0.3, 0.3 + night + np.array([0.0, 0.1, 0.2, 0.3])]
        grid = ac.TimeGrid(edges, closed=[False] * 3 + [True] + [False] * 3)
        problem = ac.ExecutionProblem(
            ac.Order(600.0), ac.Market(grid, 40.0), ac.TemporaryImpact(1e-3) + ac.Smoothness(1, weight=1e-3)
        )
        trades = np.array([-100.0, -100.0, -100.0, 0.0, -50.0, -100.0, -150.0])[:, None]
        # Rates 1000 even, then 500, 1000, 1500: x'' = 5000 over two windows of weight (0.2 / 2).
        assert problem.evaluate(trades).term_values["Smoothness"] == pytest.approx(1e-3 * 2 * 0.1 * 5000.0**2)
        assert problem.solve().certificate.refined

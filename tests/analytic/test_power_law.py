"""Power-law impact, against published digits, 60-digit recursion, quadrature, the linear case, and symmetries."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import minimize_scalar

from acopt.analytic.almgren_chriss import AlmgrenChriss, ContinuousAlmgrenChriss, least_impact
from acopt.analytic.power_law import (
    EndlessPowerLaw,
    GridPowerLaw,
    PowerLaw,
    almgren_et_al_2005,
    least_power_impact,
)
from acopt.errors import DataError

# Relative tolerances, each with what it is compared to. Section numbers are those of REFERENCE_CASES.md.
ROUNDING = 5e-15  # a handful of double roundings
INTEGRAL = 1e-12  # what the quadrature of E and V is good for, and more than is promised
ITERATIVE = 1e-9  # quad, as an oracle
EXPONENTS = [0.1, 0.3, 0.5, 0.6, 1 - 1e-9, 1.0, 1 + 1e-6, 1.5, 3.0]


def deadline(exponent, urgency, initial=1e5):
    """Return the program whose T / T* is the urgency, on a stock with h = 0.5 at v = 1e5, sigma = 1, lambda = 5e-6."""
    endless = EndlessPowerLaw(initial, 1, 0.5 / 1e5**exponent, exponent, 5e-6)
    return PowerLaw(initial, urgency * endless.characteristic_time, 1, endless.temporary, exponent, 5e-6), endless


# ---------------------------------------------------------------------------------------------- published digits


def test_section_7_almgren_2003():
    half = EndlessPowerLaw(1e5, 1, 0.5 / 1e5**0.5, 0.5, 5e-6)
    assert half.characteristic_time == pytest.approx(0.62996052, abs=5e-9)
    assert half.expected_cost == pytest.approx(37797.631497, abs=5e-7)
    times = np.array([0, 0.3, 2.0])
    wanted = 1e5 * (1 + (0.5 / 1.5) * times / half.characteristic_time) ** (-1.5 / 0.5)
    np.testing.assert_allclose(half.holdings(times), wanted, rtol=ROUNDING)

    linear = EndlessPowerLaw(1e5, 1, 0.5 / 1e5, 1, 5e-6)
    assert linear.characteristic_time == pytest.approx(1, rel=ROUNDING)
    assert linear.expected_cost == pytest.approx(25000, rel=ROUNDING)
    np.testing.assert_allclose(linear.holdings(times), 1e5 * np.exp(-times), rtol=ROUNDING)


@pytest.mark.parametrize(
    ("duration", "temporary", "cost", "digits"),
    [(0.1, 22, 32, 32.223851), (0.2, 15, 25, 24.638406), (0.5, 8, 18, 18.417863)],
)
def test_section_7_almgren_et_al_2005_ibm(duration, temporary, cost, digits):
    found = almgren_et_al_2005(0.6561e6, 6.561e6, 1728e6, 157, duration)
    assert found.permanent == pytest.approx(19.86, abs=5e-3)
    assert round(found.temporary) == temporary
    assert round(found.cost) == cost
    assert found.cost == pytest.approx(digits, abs=5e-7)
    assert found.cost == pytest.approx(found.permanent / 2 + found.temporary, rel=ROUNDING)
    assert almgren_et_al_2005(-0.6561e6, 6.561e6, 1728e6, 157, duration) == found
    assert almgren_et_al_2005(0, 6.561e6, 1728e6, 157, duration) == (0, 0, 0)


def test_section_7_the_finite_program_converges_as_time_grows():
    for exponent in (0.5, 1.0):
        gaps = []
        for urgency in (4, 16, 64):
            program, endless = deadline(exponent, urgency)
            gaps.append(program.objective / endless.objective - 1)
        assert gaps[0] > 10 * max(gaps[1], 1e-15)
        assert abs(gaps[2]) < 1e-5
    assert gaps[0] == pytest.approx(1 / math.tanh(4) - 1, rel=ITERATIVE)  # the linear case


# ---------------------------------------------------------------------------------------------- no deadline


@pytest.mark.parametrize("exponent", EXPONENTS)
def test_endless_against_quadrature(exponent):
    model = EndlessPowerLaw(-3e4, 0.8, 2e-3, exponent, 1e-5)
    # Over what is left, y = x / X, as time has no end: dt = dx / v.
    speed = (1e-5 * 0.8**2 * 3e4**2 / (exponent * 2e-3)) ** (1 / (exponent + 1))
    cost = 3e4 * quad(lambda y: 2e-3 * (speed * y ** (2 / (exponent + 1))) ** exponent, 0, 1, epsrel=1e-12)[0]
    variance = 0.64 * 3e4**3 / speed * quad(lambda y: y ** (2 - 2 / (exponent + 1)), 0, 1, epsrel=1e-12)[0]
    assert model.expected_cost == pytest.approx(cost, rel=ITERATIVE)
    assert model.variance == pytest.approx(variance, rel=ITERATIVE)
    assert model.objective == pytest.approx((1 + exponent) * model.expected_cost, rel=ROUNDING)
    assert model.rates(0)[0] == pytest.approx(speed, rel=1e-13)
    assert model.characteristic_time == pytest.approx(3e4 / speed, rel=1e-13)


@pytest.mark.parametrize("exponent", EXPONENTS)
def test_endless_path_obeys_its_first_integral(exponent):
    model = EndlessPowerLaw(1e6, 0.8, 2e-3, exponent, 1e-9)
    star = model.characteristic_time
    times = star * np.array([0.1, 0.5, 1.0, 1.7])
    holdings, rates, step = model.holdings(times), model.rates(times), 1e-5 * star
    slopes = (model.holdings(times + step) - model.holdings(times - step)) / (2 * step)
    np.testing.assert_allclose(rates, slopes, rtol=1e-8)
    kinetic = exponent * 2e-3 * np.abs(rates) ** (exponent + 1)
    np.testing.assert_allclose(kinetic, 1e-9 * 0.64 * holdings**2, rtol=1e-12)
    assert model.holdings(0)[0] == 1e6


def test_endless_ends_for_exponents_above_one():
    model = EndlessPowerLaw(1e5, 1, 1e-12, 3, 1e-6)
    assert model.end == pytest.approx(2 * model.characteristic_time, rel=ROUNDING)
    before, after = model.holdings([model.end * 0.999, model.end * 1.001])
    assert before > 0
    assert after == 0
    assert model.rates(2 * model.end)[0] == 0
    assert EndlessPowerLaw(1e5, 1, 1e-12, 1, 1e-6).end == math.inf


# ------------------------------------------------------------------------------------------------ a deadline


@pytest.mark.parametrize("exponent", EXPONENTS)
@pytest.mark.parametrize("urgency", [1e-4, 0.03, 1.0, 3.0, 12.0, 150.0])
def test_the_path_is_stationary_and_complete(exponent, urgency):
    model, _ = deadline(exponent, urgency)
    times = model.horizon * np.linspace(0.02, 0.9, 12)
    holdings, rates, step = model.holdings(times), model.rates(times), 1e-5 * min(model.horizon, times[0])
    slopes = (model.holdings(times + step) - model.holdings(times - step)) / (2 * step)
    np.testing.assert_allclose(slopes, rates, rtol=1e-6, atol=1e-9 * np.abs(rates).max())
    kinetic = exponent * model.temporary * np.abs(rates) ** (exponent + 1)
    carried = 5e-6 * holdings**2
    np.testing.assert_allclose(kinetic - carried, (kinetic - carried)[-1], rtol=1e-10, atol=1e-10 * kinetic.max())
    np.testing.assert_allclose(model.holdings([0, model.horizon]), [1e5, 0], rtol=1e-12, atol=1e-9)
    assert np.all(rates <= 0)


@pytest.mark.parametrize("exponent", EXPONENTS)
@pytest.mark.parametrize("urgency", [1e-4, 0.03, 1.0, 3.0, 12.0])
def test_cost_and_variance_are_those_of_the_path(exponent, urgency):
    model, _ = deadline(exponent, urgency)
    edges = model.horizon * np.concatenate([np.linspace(0, 0.99, 34), 1 - np.logspace(-2, -14, 40)[1:], [1]])
    nodes, weights = np.polynomial.legendre.leggauss(20)
    half = np.diff(edges)[:, None] / 2
    times, weight = (edges[:-1, None] + half * (nodes + 1)).ravel(), (half * weights).ravel()
    cost = model.temporary * weight @ np.abs(model.rates(times)) ** (exponent + 1)
    assert model.expected_cost == pytest.approx(cost, rel=1e-10)
    assert model.variance == pytest.approx(weight @ model.holdings(times) ** 2, rel=1e-10)
    assert model.objective == pytest.approx(model.expected_cost + 5e-6 * model.variance, rel=ROUNDING)


@pytest.mark.parametrize("kappa_horizon", [1e-8, 1e-4, 0.3, 1.0, 3.0, 19.5, 20.5, 40.0, 700.0])
def test_linear_impact_is_almgren_and_chriss(kappa_horizon):
    model = PowerLaw(1e6, 5, 0.95, 2.5e-6, 1, 2.5e-6 * (kappa_horizon / 5) ** 2 / 0.95**2)
    linear = ContinuousAlmgrenChriss(1e6, 5, 0.95, 2.5e-6)
    aversion = model.risk_aversion
    times = np.linspace(0, 5, 41)
    assert model.urgency == pytest.approx(kappa_horizon, rel=1e-13)
    np.testing.assert_allclose(model.holdings(times), linear.holdings(aversion, times), rtol=1e-11, atol=1e-7)
    np.testing.assert_allclose(model.rates(times), linear.rates(aversion, times), rtol=1e-11, atol=1e-7)
    assert model.expected_cost == pytest.approx(linear.expected_cost(aversion), rel=INTEGRAL)
    assert model.variance == pytest.approx(linear.variance(aversion), rel=INTEGRAL)


@pytest.mark.parametrize("exponent", EXPONENTS)
def test_without_risk_the_path_is_straight(exponent):
    calm = PowerLaw(1e5, 2, 0.5, 1e-3, exponent, 0)
    np.testing.assert_allclose(calm.holdings([0, 0.5, 2]), [1e5, 75000, 0], rtol=ROUNDING)
    np.testing.assert_allclose(calm.rates([0, 0.5, 2]), -5e4, rtol=ROUNDING)
    assert calm.expected_cost == pytest.approx(2 * 1e-3 * 5e4 ** (1 + exponent), rel=ROUNDING * 4)
    assert calm.variance == pytest.approx(0.25 * 1e10 * 2 / 3, rel=ROUNDING)
    barely = replace(calm, risk_aversion=1e-300)
    np.testing.assert_allclose(barely.holdings([0.5, 1.9]), calm.holdings([0.5, 1.9]), rtol=ROUNDING)
    assert replace(calm, volatility=0, risk_aversion=1).expected_cost == calm.expected_cost
    assert PowerLaw(0, 2, 0.5, 1e-3, exponent, 1).objective == 0


@pytest.mark.parametrize("exponent", EXPONENTS)
def test_far_from_the_deadline_there_might_be_none(exponent):
    model, endless = deadline(exponent, 1e4)
    times = endless.characteristic_time * np.array([0, 0.1, 1, 3])
    np.testing.assert_allclose(model.holdings(times), endless.holdings(times), rtol=1e-3, atol=1e-3)
    assert model.expected_cost == pytest.approx(endless.expected_cost, rel=1e-4)
    assert model.variance == pytest.approx(endless.variance, rel=1e-4)
    assert model.objective >= endless.objective * (1 - 1e-12)


@pytest.mark.parametrize("exponent", [0.05, 0.1, 0.3, 0.5, 0.9, 1.0, 1.1])
@pytest.mark.parametrize("urgency", [1e-6, 5.0, 1e3, 1e6])
def test_both_ends_are_exact_however_urgent(exponent, urgency):
    model, _ = deadline(exponent, urgency)
    assert model.holdings(0)[0] == pytest.approx(1e5, rel=1e-14)
    assert model.holdings(model.horizon)[0] == 0
    first, last = model.rates([0, model.horizon])
    kinetic = exponent * model.temporary * np.abs([first, last]) ** (exponent + 1)
    assert kinetic[0] - kinetic[1] == pytest.approx(5e-6 * 1e10, rel=1e-13 * max(1, 1 / urgency**2))


def test_the_start_is_read_off_the_start():
    model, endless = deadline(0.1, 1e8)
    times = endless.characteristic_time * np.array([0.01, 0.1, 1, 3, 100])
    np.testing.assert_allclose(model.holdings(times), endless.holdings(times), rtol=1e-11)


@pytest.mark.parametrize("exponent", [1.5, 3.0])
def test_the_end_of_steep_impact_is_met_smoothly(exponent):
    _, endless = deadline(exponent, 1)
    limit = endless.end / endless.characteristic_time
    before, at, after = (deadline(exponent, limit * share)[0] for share in (1 - 1e-9, 1 + 1e-14, 3))
    assert math.isfinite(before.urgency)
    assert at.urgency == after.urgency == math.inf
    times = endless.end * np.linspace(0, 0.999, 7)
    np.testing.assert_allclose(before.holdings(times), endless.holdings(times), rtol=1e-4)
    np.testing.assert_array_equal(after.rates(times), endless.rates(times))
    assert before.objective == pytest.approx(endless.objective, rel=1e-9)
    assert after.expected_cost == endless.expected_cost


@pytest.mark.parametrize("exponent", [0.5, 1.0, 1.5])
def test_buying_mirrors_selling_and_units_of_time_do_not_matter(exponent):
    model, _ = deadline(exponent, 2)
    bought = replace(model, initial=-1e5)
    times = model.horizon * np.array([0.1, 0.6, 0.95])
    np.testing.assert_array_equal(bought.holdings(times), -model.holdings(times))
    np.testing.assert_array_equal(bought.rates(times), -model.rates(times))
    assert (bought.expected_cost, bought.variance) == (model.expected_cost, model.variance)
    minutes = PowerLaw(
        1e5, 390 * model.horizon, 390**-0.5, model.temporary * 390**exponent, exponent, model.risk_aversion
    )
    np.testing.assert_allclose(minutes.holdings(390 * times), model.holdings(times), rtol=1e-12)
    assert minutes.objective == pytest.approx(model.objective, rel=1e-12)


# ------------------------------------------------------------------------------------------------------- grids


def exact(model, aversion):
    """Return trades and E + lambda V by the recursion from the last marginal cost, bisected, in 60 digits."""
    with localcontext() as context:
        context.prec = 60
        power, order = Decimal(model.exponent), Decimal(abs(model.initial))
        tau, charge, sigma = (
            [Decimal(float(value)) for value in each] for each in (model.durations, model.coefficient, model.volatility)
        )
        risk = [Decimal(aversion) * s * s * t for s, t in zip(sigma, tau, strict=True)]

        def backwards(cost):
            held, trades = Decimal(0), []
            for k in reversed(range(len(tau))):
                trades.append(tau[k] * (cost / ((1 + power) * charge[k])) ** (1 / power))
                held += trades[-1]
                if held > order:
                    return None
                cost += 2 * risk[k - 1] * held if k else 0
            return trades[::-1]

        low, high = Decimal("1e-40"), Decimal("1e40")
        while high / low > 1 + Decimal("1e-45"):
            middle = (low * high).sqrt()
            low, high = (low, middle) if backwards(middle) is None else (middle, high)
        trades = backwards(low)
        left, value = sum(trades), Decimal(0)
        for k, trade in enumerate(trades):
            left -= trade
            value += tau[k] * charge[k] * (trade / tau[k]) ** (1 + power)
            value += risk[k] * left**2 if k < len(tau) - 1 else 0
        side = -math.copysign(1, model.initial)
        return np.array([side * float(each) for each in trades]), float(value)


@pytest.mark.parametrize("exponent", [0.3, 0.5, 0.6, 1.0, 1.5])
@pytest.mark.parametrize("aversion", [1e-10, 1e-6, 1e-4])
@pytest.mark.parametrize("even", [True, False])
def test_grid_to_rounding(exponent, aversion, even):
    rng = np.random.default_rng(7)
    tau = np.full(8, 0.125) if even else rng.uniform(0.02, 0.3, 8)
    charge = 2e-2 if even else rng.uniform(1e-2, 6e-2, 8)
    sigma = 0.7 if even else rng.uniform(0.3, 1.2, 8)
    model = GridPowerLaw(1e5 if even else -1e5, tau, charge, exponent, sigma)
    trades, value = exact(model, aversion)
    plan = model.optimum(aversion)
    np.testing.assert_allclose(plan.trades, trades, atol=1e-14 * 1e5, rtol=0)
    assert plan.objective == pytest.approx(value, rel=1e-13)
    np.testing.assert_allclose(plan.holdings, model.initial + np.append(0, np.cumsum(trades)), atol=1e-9, rtol=0)


@pytest.mark.parametrize("exponent", [0.2, 0.5, 0.6, 1.0, 1.5, 3.0])
@pytest.mark.parametrize("aversion", [0.0, 1e-9, 1e-5, 1e-2, 10.0, 1e5])
@pytest.mark.parametrize("size", [1e2, -1e5, 1e9])
def test_marginal_costs_balance_on_any_grid(exponent, aversion, size):
    rng = np.random.default_rng(11)
    tau, charge, sigma = rng.uniform(0.01, 0.1, 26), rng.uniform(0.01, 0.05, 26), rng.uniform(0.2, 1, 26)
    plan = GridPowerLaw(size, tau, charge, exponent, sigma).optimum(aversion)
    sold = -plan.trades * math.copysign(1, size)
    assert sold.sum() == pytest.approx(abs(size), rel=1e-14)
    assert np.all(sold >= 0)
    marginal = (1 + exponent) * charge * (sold / tau) ** exponent
    wanted = marginal[1:] + 2 * aversion * sigma[:-1] ** 2 * tau[:-1] * np.abs(plan.holdings[1:-1])
    np.testing.assert_allclose(marginal[:-1], wanted, rtol=1e-9, atol=1e-13 * marginal.max())


@pytest.mark.parametrize("kappa_horizon", [1e-4, 0.1, 3.0, 100.0])
def test_grid_with_linear_impact_is_almgren_and_chriss(kappa_horizon):
    closed = AlmgrenChriss(1e6, 5, 20, 0.95, 2.5e-6)
    aversion = 2.5e-6 * (kappa_horizon / 5) ** 2 / 0.95**2
    plan, wanted = GridPowerLaw(1e6, np.full(20, 0.25), 2.5e-6, 1, 0.95).optimum(aversion), closed.optimum(aversion)
    np.testing.assert_allclose(plan.trades, wanted.trades, atol=1e-14 * 1e6, rtol=0)
    np.testing.assert_allclose(plan.holdings, wanted.holdings, atol=1e-14 * 1e6, rtol=0)
    assert plan.expected_cost == pytest.approx(wanted.expected_cost, rel=1e-13)
    assert plan.variance == pytest.approx(wanted.variance, rel=1e-13)


@pytest.mark.parametrize("exponent", [0.5, 0.6, 1.0, 1.5])
def test_grid_converges_to_continuous_time(exponent):
    model, _ = deadline(exponent, 3)
    gaps = []
    for periods in (50, 100, 200):
        grid = GridPowerLaw(1e5, np.full(periods, model.horizon / periods), model.temporary, exponent, 1)
        plan = grid.optimum(5e-6)
        # Holdings before and after a trade carry its risk by halves; only the half after is counted, in V.
        continuous = model.objective - 5e-6 * model.horizon / periods * 1e10 / 2
        gaps.append(abs(plan.objective - continuous) / model.objective)
    assert gaps[0] / gaps[1] == pytest.approx(4, rel=0.2)
    assert gaps[1] / gaps[2] == pytest.approx(4, rel=0.2)


def test_two_intervals_by_a_scalar_search():
    model = GridPowerLaw(4e4, [0.2, 0.5], [0.01, 0.03], 0.5, [0.6, 2.0])
    plan = model.optimum(3e-6)

    def objective(share):
        first, second = 4e4 * share, 4e4 * (1 - share)
        cost = 0.2 * 0.01 * (first / 0.2) ** 1.5 + 0.5 * 0.03 * (second / 0.5) ** 1.5
        return cost + 3e-6 * 0.36 * 0.2 * second**2

    found = minimize_scalar(objective, bounds=(0, 1), method="bounded", options={"xatol": 1e-10})
    assert plan.trades[0] == pytest.approx(-4e4 * found.x, rel=1e-6)
    assert plan.objective == pytest.approx(found.fun, rel=1e-13)


@given(st.integers(0, 10_000), st.sampled_from([0.4, 0.5, 0.6, 1.0, 2.0]))
def test_no_other_program_costs_less(seed, exponent):
    rng = np.random.default_rng(seed)
    model = GridPowerLaw(-7e3, rng.uniform(0.05, 1, 6), rng.uniform(1e-3, 1e-2, 6), exponent, rng.uniform(0, 1, 6))
    aversion = 10 ** rng.uniform(-9, -2)
    plan = model.optimum(aversion)
    for scale in (1.0, 30.0, 1e3, 1e4):
        other = rng.standard_normal(6) * scale
        rival = model.price(plan.trades + other - other.mean(), aversion)
        assert rival.objective >= plan.objective * (1 - 1e-14)


@pytest.mark.parametrize("exponent", [0.05, 0.5, 0.6, 1.0, 2.0])
def test_without_risk_on_a_grid(exponent):
    rng = np.random.default_rng(5)
    tau, charge = rng.uniform(0.1, 2, 9), rng.uniform(0.5, 1.5, 9)
    trades, cost = least_power_impact(-2e5, tau, charge, exponent)
    np.testing.assert_allclose(
        trades, 2e5 * tau * charge ** (-1 / exponent) / (tau * charge ** (-1 / exponent)).sum(), rtol=1e-13
    )
    assert cost == pytest.approx((tau * charge) @ (trades / tau) ** (1 + exponent), rel=1e-13)
    assert cost == pytest.approx(2e5 ** (1 + exponent) / (tau * charge ** (-1 / exponent)).sum() ** exponent, rel=1e-12)
    marginal = charge * (trades / tau) ** exponent
    np.testing.assert_allclose(marginal, marginal[0], rtol=1e-13)
    plan = GridPowerLaw(-2e5, tau, charge, exponent).optimum(1e-3)  # no volatility, hence no risk
    np.testing.assert_allclose(plan.trades, trades, atol=1e-13 * 2e5, rtol=0)
    assert plan.expected_cost == pytest.approx(cost, rel=1e-13)
    assert plan.variance == 0
    if exponent == 1:
        linear = least_impact(-2e5, tau, charge)
        np.testing.assert_allclose(trades, linear[0], rtol=1e-14)
        assert cost == pytest.approx(linear[1], rel=1e-14)


def test_nearly_flat_laws_with_coefficients_that_differ_by_a_lot():
    rng = np.random.default_rng(2)
    for _ in range(40):
        tau, charge = rng.uniform(0.01, 1, 80), rng.uniform(1e-4, 1e-3, 80)
        sigma, aversion = rng.uniform(0, 2, 80), 10 ** rng.uniform(-9, -3)
        plan = GridPowerLaw(3e5, tau, charge, 0.05, sigma).optimum(aversion)
        sold, slope = -plan.trades, 2 * aversion * sigma[:-1] ** 2 * tau[:-1]
        marginal = 1.05 * charge * (sold / tau) ** 0.05
        # The error in the first-order conditions, over the curvature: in shares.
        curvature = 0.05 * marginal / sold
        wrong = marginal[:-1] - marginal[1:] - slope * plan.holdings[1:-1]
        assert np.max(np.abs(wrong) / (curvature[:-1] + curvature[1:] + slope)) < 2e-15 * 3e5


def test_extreme_coefficients_stay_finite():
    trades, cost = least_power_impact(1e9, [1, 1], [1e-200, 1e200], 0.05)
    assert trades.tolist() == [-1e9, 0]
    assert cost == pytest.approx(1e-200 * 1e9**1.05, rel=1e-13)
    plan = GridPowerLaw(1e9, [1, 1], [1e-200, 1e200], 0.05, 1e-150).optimum(1e-5)
    assert plan.trades.tolist() == [-1e9, 0]
    for volatility in (1.0, np.repeat([1.0, 0.0], [26, 4])):
        plan = GridPowerLaw(1e9, np.ones(30), 1e-3, 3, volatility).optimum(1e22)
        assert plan.trades.sum() == pytest.approx(-1e9, rel=1e-14)
        assert plan.holdings[-2] == 0  # a tail that falls doubly exponentially
    for aversion in (1e-9, 1.0, 1e9):  # backwards, a nearly flat law rises doubly exponentially
        plan = GridPowerLaw(1e5, np.full(390, 1 / 390), 1e-2, 0.05, 1).optimum(aversion)
        assert np.all(np.diff(-plan.trades) <= 0)
        assert plan.trades.sum() == pytest.approx(-1e5, rel=1e-14)


def test_zero_orders_one_interval_and_mirrors():
    zero = GridPowerLaw(0, [1, 2], 0.1, 0.5, 1).optimum(1)
    assert not zero.trades.any()
    assert zero.objective == 0
    assert least_power_impact(0, [1, 2], [1, 1], 0.5)[1] == 0
    one = GridPowerLaw(-300, [0.5], 0.1, 0.6, 9).optimum(5)
    assert one.trades.tolist() == [300]
    assert one.objective == pytest.approx(0.5 * 0.1 * 600**1.6, rel=ROUNDING)
    sold, bought = (GridPowerLaw(x, [0.5, 0.1, 0.4], 0.1, 0.6, 0.5).optimum(1e-4) for x in (1e4, -1e4))
    np.testing.assert_array_equal(bought.trades, -sold.trades)
    np.testing.assert_array_equal(bought.holdings, -sold.holdings)
    assert bought.objective == sold.objective


@pytest.mark.parametrize("factor", [1e-3, 1e4])
def test_units_of_shares_do_not_matter(factor):
    base = GridPowerLaw(1e5, np.full(12, 0.1), 1e-2, 0.5, 1).optimum(1e-4)
    scaled = GridPowerLaw(1e5 * factor, np.full(12, 0.1), 1e-2 * factor**-1.5, 0.5, 1 / factor).optimum(1e-4)
    np.testing.assert_allclose(scaled.trades / factor, base.trades, rtol=1e-11)
    assert scaled.objective == pytest.approx(base.objective, rel=1e-12)


# --------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: EndlessPowerLaw(0, 1, 1, 1, 1), r"EndlessPowerLaw: initial must not be 0"),
        (lambda: EndlessPowerLaw(1, 0, 1, 1, 1), r"EndlessPowerLaw: volatility must be a finite number > 0; got 0"),
        (lambda: EndlessPowerLaw(1, 1, -1, 1, 1), r"EndlessPowerLaw: temporary must be a finite number > 0; got -1"),
        (lambda: EndlessPowerLaw(1, 1, 1, 0, 1), r"EndlessPowerLaw: exponent must be a finite number > 0; got 0"),
        (lambda: EndlessPowerLaw(1, 1, 1, 1, 0), r"EndlessPowerLaw: risk_aversion must be .* > 0; got 0"),
        (lambda: EndlessPowerLaw(1, 1, 1, 1, 1).holdings(-1), r"times must be >= 0; got -1 at \(0,\)"),
        (lambda: PowerLaw(1, 0, 1, 1, 1, 1), r"PowerLaw: horizon must be a finite number > 0; got 0"),
        (lambda: PowerLaw(1, 1, -1, 1, 1, 1), r"PowerLaw: volatility must be a finite number >= 0; got -1"),
        (lambda: PowerLaw(math.nan, 1, 1, 1, 1, 1), r"PowerLaw: initial must be a finite number; got nan"),
        (lambda: PowerLaw(1, 1, 1, 1, "x", 1), r"PowerLaw: exponent must be .* got 'x'"),
        (lambda: PowerLaw(1, 1, 1, 1, 1, math.inf), r"PowerLaw: risk_aversion must be .* >= 0; got inf"),
        (lambda: PowerLaw(1, 1, 1, 1, 1, 1).rates([0, 2]), r"PowerLaw: times must lie in \[0, 1\]; got 2"),
        (lambda: PowerLaw(1, 1, 1, 1, 1, 1).holdings([[0]]), r"PowerLaw: times must have shape \(-1,\)"),
        (lambda: almgren_et_al_2005(1, 0, 1, 1, 1), r"almgren_et_al_2005: daily_volume must be .* > 0; got 0"),
        (lambda: almgren_et_al_2005(1, 1, 1, 1, 0), r"almgren_et_al_2005: duration must be .* > 0; got 0"),
        (lambda: almgren_et_al_2005(1, 1, -1, 1, 1), r"shares_outstanding must be .* > 0; got -1"),
        (lambda: GridPowerLaw(1, [], 1, 1), r"GridPowerLaw: durations must have shape \(-1,\); got shape \(0,\)"),
        (lambda: GridPowerLaw(1, [1, 0], 1, 1), r"GridPowerLaw: durations must be > 0; got 0 at \(1,\)"),
        (lambda: GridPowerLaw(1, [1, 1], 0, 1), r"GridPowerLaw: coefficient must be > 0; got 0 at \(0,\)"),
        (
            lambda: GridPowerLaw(1, [1, 1], [1], 1),
            r"GridPowerLaw: coefficient must have shape \(2,\); got shape \(1,\)",
        ),
        (lambda: GridPowerLaw(1, [1, 1], 1, 0), r"GridPowerLaw: exponent must be a finite number > 0; got 0"),
        (lambda: GridPowerLaw(1, [1, 1], 1, 1, [1, -1]), r"GridPowerLaw: volatility must be >= 0; got -1 at \(1,\)"),
        (
            lambda: GridPowerLaw(1, [1, 1], 1, 1).optimum(math.nan),
            r"risk_aversion must be a finite number >= 0; got nan",
        ),
        (lambda: GridPowerLaw(9, [1, 1], 1, 1).price([1, 1]), r"trades must sum to -initial = -9; got the sum 2"),
        (lambda: GridPowerLaw(9, [1, 1], 1, 1).price([9]), r"GridPowerLaw.price: trades must have shape \(2,\)"),
        (lambda: GridPowerLaw(1, [1, 1], 1, 1).price([0, -1], -2), r"price: risk_aversion must be .* >= 0; got -2"),
        (lambda: least_power_impact(1, [1], [1, 2], 1), r"coefficients must have shape \(1,\); got shape \(2,\)"),
        (lambda: least_power_impact(1, [1], [1], -1), r"least_power_impact: exponent must be .* > 0; got -1"),
        (lambda: least_power_impact(1, [math.inf], [1], 1), r"durations must be finite; got inf at \(0,\)"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(DataError, match=message):
        call()


def test_an_oracle_cannot_be_edited():
    plan = GridPowerLaw(1, [1, 1], 1, 1).optimum(0)
    with pytest.raises(ValueError, match="read-only"):
        plan.trades[0] = 0
    with pytest.raises(AttributeError):
        PowerLaw(1, 1, 1, 1, 1, 1).horizon = 2

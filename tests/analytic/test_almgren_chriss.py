"""One stock, against published digits, 80-digit arithmetic, quadrature, a boundary-value solver, and symmetries."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal, localcontext
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad, solve_bvp
from scipy.optimize import minimize, minimize_scalar

from acopt.analytic.almgren_chriss import AlmgrenChriss, ContinuousAlmgrenChriss, least_impact
from acopt.errors import DataError

# Relative tolerances, each with what it is compared to. Section numbers are those of REFERENCE_CASES.md.
ROUNDING = 5e-15  # a handful of double roundings
PER_KAPPA_T = 1e-15  # more for each unit of kappa T: in exp(-kappa t) a relative error of kappa becomes absolute
INTEGRAL = 1e-14  # E and V in continuous time, for every kappa T
ITERATIVE = 1e-9  # iterative oracles: solve_bvp, BFGS, quad of a kinked function
SCALAR_SEARCH = 1e-5  # minimize_scalar locates a minimiser to the root of its rounding

STOCK = AlmgrenChriss(
    initial=1e6, horizon=5, periods=5, volatility=0.95, temporary=2.5e-6, permanent=2.5e-7, half_spread=0.0625
)
RISING = replace(STOCK, drift=0.02)
KAPPA_T = [0.0, 1e-8, 1e-6, 1e-4, 1e-2, 0.3, 1.0, 3.0, 10.0, 1e2, 1e3, 1e4]
PERIODS = [1, 2, 3, 5, 26, 78, 390]
URGENCIES = [(a, count) for a in KAPPA_T for count in PERIODS if a / count < 600]  # beyond, lambda is no double


def aversion(model: AlmgrenChriss, kappa_horizon: float) -> float:
    """Return the lambda whose discrete kappa times T is the one wanted."""
    tau = model.duration
    step = 2 * math.sinh(kappa_horizon / model.periods / 2) / tau
    return model.net_temporary * step**2 / model.volatility**2


def exact(model: AlmgrenChriss, risk_aversion: float) -> tuple[list[Decimal], list[Decimal], Decimal, Decimal]:
    """Return holdings, trades, E, V by elimination in the first-order conditions of E + lambda V, in 80 digits."""
    with localcontext() as context:
        context.prec = 80
        names = ("initial", "horizon", "volatility", "temporary", "permanent", "half_spread", "drift")
        order, horizon, sigma, eta, gamma, spread, drift = (Decimal(getattr(model, name)) for name in names)
        count = model.periods
        tau = horizon / count
        stiff = (eta - gamma * tau / 2) / tau
        risk = Decimal(risk_aversion) * sigma**2 * tau
        # 2 stiff (2 x_k - x_{k-1} - x_{k+1}) + 2 risk x_k = drift tau, eliminated backwards: x_k = keep x_{k-1} + add.
        keep, add = [Decimal(0)], [Decimal(0)]
        for _ in range(count - 1):
            pivot = 2 * (2 * stiff + risk) - 2 * stiff * keep[-1]
            add.append((drift * tau + 2 * stiff * add[-1]) / pivot)
            keep.append(2 * stiff / pivot)
        path = [order]
        for k in reversed(range(count)):
            path.append(keep[k] * path[-1] + add[k])
        trades = [after - before for before, after in pairwise(path)]
        cost = gamma * order**2 / 2 + spread * sum(map(abs, trades)) + stiff * sum(u * u for u in trades)
        cost -= drift * tau * sum(path[1:])
        return path, trades, cost, sigma**2 * tau * sum(x * x for x in path[1:])


def worst(found: np.ndarray, wanted: list[Decimal]) -> float:
    """Return the largest relative error, entry by entry, of the entries a double can hold in full."""
    pairs = [(Decimal(float(f)), w) for f, w in zip(found, wanted, strict=True)]
    return max((float(abs((f - w) / w)) for f, w in pairs if abs(w) > Decimal("1e-290")), default=0.0)


# ---------------------------------------------------------------------------------------------- published digits


@pytest.mark.parametrize(
    ("risk_aversion", "kappa", "cost", "variance", "inner"),
    [
        (2e-6, 0.846297135, 1140715.1670, 2.019313e11, [428598.8457, 182932.8143, 76295.7216, 27643.3774]),
        (1e-6, 0.607076163, 911226.9863, 3.641286e11, [541955.5544, 289854.2194, 147897.4878, 62141.8016]),
        (0.0, 0.0, 662500.0, 1.083e12, [800000.0, 600000.0, 400000.0, 200000.0]),
    ],
)
def test_section_1_digits(risk_aversion, kappa, cost, variance, inner):
    plan = STOCK.optimum(risk_aversion)
    assert STOCK.kappa(risk_aversion) == pytest.approx(kappa, abs=5e-10)
    assert plan.expected_cost == pytest.approx(cost, abs=5e-5)
    assert plan.variance == pytest.approx(variance, rel=5e-7)
    np.testing.assert_allclose(plan.holdings, [1e6, *inner, 0], atol=5e-5, rtol=0)
    np.testing.assert_allclose(plan.trades, np.diff([1e6, *inner, 0]), atol=1e-4, rtol=0)


def test_section_1_half_life_and_block():
    assert STOCK.half_life(1e-6) == pytest.approx(1.647240, abs=5e-7)
    assert STOCK.half_life(0) == math.inf
    assert STOCK.price([1e6, 0, 0, 0, 0, 0]).expected_cost == pytest.approx(2_562_500, rel=ROUNDING)
    assert STOCK.price([1e6, 0, 0, 0, 0, 0]).variance == 0


def test_section_1_drift():
    plan = RISING.optimum(1e-6)
    np.testing.assert_allclose(
        plan.holdings[1:5], [546342.2873, 296084.1174, 154127.3858, 66528.5345], atol=5e-5, rtol=0
    )
    assert plan.expected_cost == pytest.approx(880367.1052, abs=5e-5)
    assert plan.variance == pytest.approx(3.739391e11, rel=5e-7)
    # xbar = 11080.3324: the level an endless holder keeps, mid-way through a very long horizon.
    endless = replace(RISING, horizon=500, periods=500).optimum(1e-6)
    assert endless.holdings[250] == pytest.approx(11080.3324, abs=5e-5)


def test_section_1_continuous():
    limit = STOCK.continuous
    kappa = math.sqrt(1e-6 * 0.95**2 / 2.5e-6)
    assert limit.kappa(1e-6) == pytest.approx(kappa, rel=ROUNDING)
    assert limit.half_life(1e-6) == pytest.approx(1 / kappa, rel=ROUNDING)
    times = np.linspace(0, 5, 11)
    wanted = 1e6 * np.sinh(kappa * (5 - times)) / math.sinh(5 * kappa)
    np.testing.assert_allclose(limit.holdings(1e-6, times), wanted, rtol=ROUNDING * 4)
    assert limit.rates(1e-6, 0)[0] == pytest.approx(-1e6 * kappa / math.tanh(5 * kappa), rel=ROUNDING)


def test_section_3_least_impact():
    rng = np.random.default_rng(3)
    volume = 1 + 2 * np.abs(np.linspace(-1, 1, 26)) ** 2
    eta = volume  # temporary cost that grows with volume, as at the open
    trades, cost = least_impact(1e6, np.ones(26), eta)
    np.testing.assert_allclose(trades, -1e6 / eta / (1 / eta).sum(), rtol=ROUNDING)
    assert cost == pytest.approx(1e12 / (1 / eta).sum(), rel=ROUNDING)
    twap, vwap = np.full(26, 1e6 / 26), 1e6 * volume / volume.sum()
    assert cost < eta @ twap**2 < eta @ vwap**2

    tau, eta = rng.uniform(0.1, 2, 26), rng.uniform(0.5, 5, 26)
    trades, cost = least_impact(-300, tau, eta)
    assert trades.sum() == pytest.approx(300, rel=ROUNDING)
    assert eta @ (trades**2 / tau) == pytest.approx(cost, rel=ROUNDING)
    np.testing.assert_allclose(eta * trades / tau, np.mean(eta * trades / tau), rtol=ROUNDING)  # equal marginal costs


# ------------------------------------------------------------------------------------------------ 80-digit oracle


@pytest.mark.parametrize(("kappa_horizon", "periods"), URGENCIES)
def test_discrete_optimum_to_rounding(kappa_horizon, periods):
    """Each holding and trade, down to 1e-290 shares, E and V: relative accuracy of a few roundings."""
    model = replace(STOCK, periods=periods)
    risk_aversion = aversion(model, kappa_horizon)
    path, trades, cost, variance = exact(model, risk_aversion)
    plan = model.optimum(risk_aversion)
    tolerance = ROUNDING + PER_KAPPA_T * kappa_horizon
    assert model.kappa(risk_aversion) * 5 == pytest.approx(kappa_horizon, rel=ROUNDING)
    assert worst(plan.holdings, path) < tolerance
    assert worst(plan.trades, trades) < tolerance
    assert plan.expected_cost == pytest.approx(float(cost), rel=ROUNDING + PER_KAPPA_T * kappa_horizon / periods)
    assert plan.variance == pytest.approx(float(variance), rel=2 * tolerance)
    assert plan.objective(risk_aversion) == pytest.approx(
        float(cost + Decimal(risk_aversion) * variance), rel=2 * tolerance
    )
    assert plan.holdings[0] == 1e6
    assert plan.holdings[-1] == 0
    assert plan.is_monotone


@pytest.mark.parametrize(("kappa_horizon", "periods"), URGENCIES)
@pytest.mark.parametrize(("initial", "drift"), [(1e6, 0.02), (-1e6, 0.02), (0.0, 0.02), (1e6, -3.0)])
def test_discrete_optimum_with_drift(kappa_horizon, periods, initial, drift):
    """Two modes add, so accuracy is relative to the larger of the two, not to their sum."""
    model = replace(STOCK, periods=periods, initial=initial, drift=drift)
    risk_aversion = aversion(model, kappa_horizon)
    path, trades, cost, variance = exact(model, risk_aversion)
    plan = model.optimum(risk_aversion)
    tolerance = ROUNDING + PER_KAPPA_T * kappa_horizon
    scale = max(map(abs, path))
    np.testing.assert_allclose(plan.holdings, np.array(path, float), rtol=0, atol=tolerance * float(scale))
    widest = abs(initial) + float(max(map(abs, trades), default=0))
    np.testing.assert_allclose(plan.trades, np.array(trades, float), rtol=0, atol=tolerance * widest)
    gross = 2.5e-6 * periods / 5 * float(sum(u * u for u in trades)) + abs(drift) * 5 / periods * float(
        sum(map(abs, path))
    )
    assert plan.expected_cost == pytest.approx(float(cost), rel=2 * tolerance, abs=2 * tolerance * gross)
    assert plan.variance == pytest.approx(float(variance), rel=4 * tolerance)


def test_drift_tends_to_the_parabola():
    elapsed = np.arange(6.0)
    parabola = 0.02 * elapsed * (5 - elapsed) / (4 * RISING.net_temporary)
    for risk_aversion in (0.0, 1e-300, 1e-30, 1e-20):
        shift = RISING.optimum(risk_aversion).holdings - STOCK.optimum(risk_aversion).holdings
        np.testing.assert_allclose(shift, parabola, rtol=1e-10, atol=1e-9)


@pytest.mark.parametrize("risk_aversion", [1e-7, 1e-6, 1e-5])
def test_almgren_and_chriss_own_closed_forms_of_cost_and_variance(risk_aversion):
    kappa, tau, horizon, eta = STOCK.kappa(risk_aversion), 1.0, 5.0, STOCK.net_temporary
    wide, narrow = math.sinh(kappa * horizon), math.sinh(kappa * tau)
    cost = (
        2.5e-7 / 2 * 1e12
        + 0.0625e6
        + eta
        * 1e12
        * math.tanh(kappa * tau / 2)
        * (tau * math.sinh(2 * kappa * horizon) + 2 * horizon * narrow)
        / (2 * tau**2 * wide**2)
    )
    variance = 0.95**2 * 1e12 / 2 * (tau * wide * math.cosh(kappa * (horizon - tau)) - horizon * narrow)
    plan = STOCK.optimum(risk_aversion)
    assert plan.expected_cost == pytest.approx(cost, rel=1e-13)
    assert plan.variance == pytest.approx(variance / (wide**2 * narrow), rel=1e-13)


# ----------------------------------------------------------------------------------------------- limits, symmetry


def test_limits_are_smooth():
    twap = 1e6 * np.arange(5, -1, -1.0) / 5
    np.testing.assert_array_equal(STOCK.optimum(0).holdings, twap)
    for kappa_horizon in (1e-8, 1e-4, 1e-2):  # the first term of the series: -a^2 s (1 - s) (2 - s) / 6, s = t / T
        s = np.arange(6) / 5
        risk_aversion = aversion(STOCK, kappa_horizon)
        bend = -1e6 * kappa_horizon**2 * s * (1 - s) * (2 - s) / 6
        change = STOCK.optimum(risk_aversion).holdings - twap
        np.testing.assert_allclose(change, bend, rtol=kappa_horizon**2, atol=1e-9)
    block = STOCK.optimum(math.inf)
    np.testing.assert_array_equal(block.holdings, [1e6, 0, 0, 0, 0, 0])
    np.testing.assert_allclose(block.trades, [-1e6, 0, 0, 0, 0], rtol=ROUNDING)
    assert block.objective(math.inf) == block.expected_cost == pytest.approx(2_562_500, rel=ROUNDING)
    near = STOCK.optimum(1e40)
    np.testing.assert_allclose(near.holdings, block.holdings, atol=1e-20)


def test_without_volatility_nothing_hurries():
    calm = replace(STOCK, volatility=0)
    for risk_aversion in (0, 1.0, math.inf):
        np.testing.assert_array_equal(calm.optimum(risk_aversion).holdings, STOCK.optimum(0).holdings)
    assert calm.optimum_value_at_risk(2.0).risk_aversion == 0


def test_zero_order_and_one_interval():
    nothing = replace(STOCK, initial=0).optimum(1e-6)
    assert not nothing.trades.any()
    assert nothing.expected_cost == nothing.variance == 0
    assert nothing.is_monotone
    once = replace(RISING, periods=1).optimum(1e-6)
    np.testing.assert_allclose(once.trades, [-1e6], rtol=ROUNDING)
    assert once.variance == 0


@given(
    exponent=st.integers(2, 9),
    risk_aversion=st.floats(0, 1e-4),
    drift=st.floats(-0.1, 0.1),
    periods=st.integers(1, 60),
)
def test_buying_mirrors_selling_and_units_do_not_matter(exponent, risk_aversion, drift, periods):
    sell = replace(STOCK, initial=10.0**exponent, drift=drift, periods=periods)
    plan = sell.optimum(risk_aversion)
    buy = replace(sell, initial=-sell.initial, drift=-drift).optimum(risk_aversion)
    np.testing.assert_array_equal(buy.holdings, -plan.holdings)
    np.testing.assert_array_equal(buy.trades, -plan.trades)
    assert (buy.expected_cost, buy.variance) == (plan.expected_cost, plan.variance)

    # Shares in units of 2^-20, prices of 2^10, time of 2^-5: powers of two, so that equality is exact.
    share, price, time = 2.0**-20, 2.0**10, 2.0**-10
    other = AlmgrenChriss(
        initial=sell.initial * share,
        horizon=sell.horizon * time,
        periods=periods,
        volatility=sell.volatility * price / math.sqrt(time),
        temporary=sell.temporary * price * time / share,
        permanent=sell.permanent * price / share,
        half_spread=sell.half_spread * price,
        drift=drift * price / time,
    ).optimum(risk_aversion / (price * share))
    np.testing.assert_allclose(other.holdings, plan.holdings * share, rtol=ROUNDING, atol=1e-290)
    np.testing.assert_allclose(other.trades, plan.trades * share, rtol=ROUNDING, atol=1e-290)
    assert other.expected_cost == pytest.approx(plan.expected_cost * price * share, rel=ROUNDING)


@pytest.mark.parametrize("size", [10.0**k for k in range(2, 10)])
def test_without_drift_the_schedule_is_linear_in_the_order(size):
    plan, unit = replace(STOCK, initial=size).optimum(1e-6), replace(STOCK, initial=1).optimum(1e-6)
    np.testing.assert_allclose(plan.holdings, size * unit.holdings, rtol=ROUNDING)
    assert plan.variance == pytest.approx(size**2 * unit.variance, rel=ROUNDING)


# ------------------------------------------------------------------------------------- pricing, and the spread's kink


def test_price_of_any_path_and_first_order_conditions():
    rng = np.random.default_rng(0)
    for model in (STOCK, RISING, replace(STOCK, initial=-1e6)):
        best = model.optimum(1e-6)
        again = model.price(best.holdings)
        assert again.risk_aversion is None
        assert again.expected_cost == pytest.approx(best.expected_cost, rel=ROUNDING)
        assert again.variance == pytest.approx(best.variance, rel=ROUNDING)
        np.testing.assert_allclose(again.rates, best.rates, rtol=1e-13)
        for _ in range(20):
            path = best.holdings.copy()
            path[1:-1] += rng.normal(0, 1e3, 4)
            assert model.price(path).objective(1e-6) > best.objective(1e-6)
    path = np.array([1e6, 7e5, 9e5, 1e5, -2e5, 5e4])  # both ways, through zero, unfinished
    assert RISING.price(path).expected_cost == pytest.approx(_cost_of_execution(path), rel=1e-13)


def _cost_of_execution(path: np.ndarray) -> float:
    """Return AC's capital loss by walking through the fills: each moves the price by gamma, and pays eps + eta v."""
    price, loss = 0.0, 0.0
    for before, after in pairwise(path):
        sold = before - after
        loss -= sold * (price - 0.0625 * math.copysign(1, sold) - 2.5e-6 * sold)
        price -= 2.5e-7 * sold
    return loss - 0.02 * path[1:].sum()


@pytest.mark.parametrize("drift", [0.02, 3.0])
def test_is_monotone_says_when_the_closed_form_is_optimal_with_the_kink(drift):
    model = replace(STOCK, drift=drift, half_spread=0.5)
    plan = model.optimum(1e-6)
    assert plan.is_monotone == (drift < 1)

    def split(parts: np.ndarray) -> float:  # buys and sells apart, in millions of shares: smooth
        path = 1e6 * np.concatenate([[1.0], 1 + np.cumsum(parts[:5] - parts[5:])])
        smooth = replace(model, half_spread=0.0).price(path).objective(1e-6)
        return (smooth + 0.5e6 * parts.sum()) / 1e6

    start = np.concatenate([np.clip(plan.trades, 0, None), np.clip(-plan.trades, 0, None)]) / 1e6
    found = minimize(
        split,
        start,
        method="SLSQP",
        bounds=[(0, None)] * 10,
        constraints={"type": "eq", "fun": lambda parts: 1 + (parts[:5] - parts[5:]).sum()},
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    gain = plan.objective(1e-6) / 1e6 - found.fun
    if drift < 1:
        assert gain == pytest.approx(0, abs=1e-9)
    else:
        assert gain > 1e-3


# --------------------------------------------------------------------------------------------------- the frontier


@pytest.mark.parametrize("model", [STOCK, RISING, replace(STOCK, initial=-1e6, periods=78)])
def test_frontier_is_monotone_convex_and_has_slope_minus_lambda(model):
    aversions = np.geomspace(1e-9, 1e-3, 200)
    points = model.frontier(aversions)
    np.testing.assert_array_equal(points.risk_aversion, aversions)
    assert (np.diff(points.expected_cost) > 0).all()
    assert (np.diff(points.variance) < 0).all()
    slope = -np.diff(points.expected_cost) / np.diff(points.variance)
    assert ((aversions[:-1] < slope) & (slope < aversions[1:])).all()


@pytest.mark.parametrize("model", [STOCK, RISING])
@pytest.mark.parametrize("risk_aversion", [1e-12, 1e-8, 1e-6, 1e-3, 1e3])
def test_cost_as_a_function_of_variance(model, risk_aversion):
    point = model.optimum(risk_aversion)
    back = model.optimum_at_variance(point.variance)
    assert back.variance == pytest.approx(point.variance, rel=1e-12)
    assert back.expected_cost == pytest.approx(point.expected_cost, rel=1e-12)
    assert model.optimum_at_variance(2 * model.optimum(0).variance).risk_aversion == 0
    assert model.optimum_at_variance(0).risk_aversion == math.inf


@pytest.mark.parametrize("model", [STOCK, RISING, replace(STOCK, initial=-1e6, periods=26)])
@pytest.mark.parametrize("z", [0.05, 0.5, 1.645, 2.326])
def test_value_at_risk_optimum(model, z):
    plan = model.optimum_value_at_risk(z)
    assert plan.risk_aversion == pytest.approx(z / (2 * math.sqrt(plan.variance)), rel=1e-13)
    found = minimize_scalar(
        lambda log: model.optimum(math.exp(log)).value_at_risk(z), bounds=(-30, 0), options={"xatol": 1e-10}
    )
    assert plan.value_at_risk(z) <= found.fun * (1 + ROUNDING)
    assert math.log(plan.risk_aversion) == pytest.approx(found.x, abs=SCALAR_SEARCH)
    count = model.periods

    def free(inner: np.ndarray) -> float:  # over all trajectories, not only the frontier's
        path = np.concatenate([[model.initial], model.initial * inner, [0.0]])
        return model.price(path).value_at_risk(z) / plan.value_at_risk(z)

    anywhere = minimize(free, np.linspace(1, 0, count + 1)[1:-1], method="BFGS", options={"gtol": 1e-9})
    assert anywhere.fun == pytest.approx(1, abs=ITERATIVE)
    assert anywhere.fun > 1 - 1e-14


def test_value_at_risk_reaches_the_block_at_a_finite_price():
    """The kink of sqrt(V) at V = 0 holds from z = 2 eta~ |X| / (sigma tau^1.5) = 5 on."""
    assert STOCK.optimum_value_at_risk(4.9).risk_aversion < 1e-3
    for z in (5.1, 10, 1e6):
        plan = STOCK.optimum_value_at_risk(z)
        assert plan.risk_aversion == math.inf
        assert plan.variance == 0
    assert STOCK.optimum_value_at_risk(0).risk_aversion == 0


# ---------------------------------------------------------------------------------------------------- continuous time


def exact_continuous(model: ContinuousAlmgrenChriss, risk_aversion: float) -> tuple[float, float]:
    """Return E (without spread) and V from the elementary integrals, in 100 digits, where cancellation is harmless."""
    with localcontext() as context:
        context.prec = 100
        order, horizon, sigma, eta, gamma, drift = (
            Decimal(getattr(model, name))
            for name in ("initial", "horizon", "volatility", "temporary", "permanent", "drift")
        )
        kappa = (Decimal(risk_aversion) / eta).sqrt() * sigma
        a = kappa * horizon

        def sinh(z):
            return (z.exp() - (-z).exp()) / 2

        def cosh(z):
            return (z.exp() + (-z).exp()) / 2

        # x = X s + m f, f = (1 - c) / kappa^2, c = cosh(kappa (T/2 - t)) / cosh(a/2); s averages to c / 2 against f.
        m = drift / (2 * eta)
        c1 = 2 * sinh(a / 2) / (kappa * cosh(a / 2))
        c2 = (horizon / 2 + sinh(a) / (2 * kappa)) / cosh(a / 2) ** 2
        f1, f2 = (horizon - c1) / kappa**2, (horizon - 2 * c1 + c2) / kappa**4
        cross = (c1 - c2) / (2 * kappa**2)
        s1 = c1 / 2
        s2 = horizon * (sinh(2 * a) / 2 - a) / (2 * a * sinh(a) ** 2)
        speed = (a * cosh(a) / sinh(a) + a**2 / sinh(a) ** 2) / (2 * horizon)
        squares = order**2 * s2 + 2 * order * m * cross + m**2 * f2
        rates = order**2 * speed - 2 * order * m * kappa**2 * cross + m**2 * (f1 - kappa**2 * f2)
        cost = gamma * order**2 / 2 + eta * rates - drift * (order * s1 + m * f1)
        return float(cost), float(sigma**2 * squares)


@pytest.mark.parametrize("kappa_horizon", KAPPA_T[1:])
@pytest.mark.parametrize("drift", [0.0, 0.02, -3.0])
def test_continuous_price_to_rounding(kappa_horizon, drift):
    model = replace(STOCK, drift=drift, half_spread=0.0).continuous
    risk_aversion = (kappa_horizon / 5) ** 2 * 2.5e-6 / 0.95**2
    cost, variance = exact_continuous(model, risk_aversion)
    assert model.expected_cost(risk_aversion) == pytest.approx(cost, rel=INTEGRAL)
    assert model.variance(risk_aversion) == pytest.approx(variance, rel=INTEGRAL)
    if drift == 0:  # E + lambda V = gamma X^2 / 2 + eta X^2 kappa coth(kappa T)
        kappa = kappa_horizon / 5
        wanted = 2.5e-7 / 2 * 1e12 + 2.5e-6 * 1e12 * kappa / math.tanh(kappa_horizon)
        assert model.objective(risk_aversion) == pytest.approx(wanted, rel=INTEGRAL)


@pytest.mark.parametrize("drift", [0.0, 0.02, 3.0, -3.0])
def test_continuous_against_quadrature_and_a_boundary_value_solver(drift):
    model = replace(STOCK, drift=drift).continuous

    def path(t):
        return model.holdings(1e-6, t)[0]

    def rate(t):
        return model.rates(1e-6, t)[0]

    parts = [quad(f, 0, 5, epsrel=1e-12, limit=200)[0] for f in (path, lambda t: path(t) ** 2, lambda t: rate(t) ** 2)]
    turnover = quad(lambda t: abs(rate(t)), 0, 5, epsrel=1e-10, limit=500)[0]
    cost = 2.5e-7 / 2 * 1e12 + 0.0625 * turnover + 2.5e-6 * parts[2] - drift * parts[0]
    assert model.expected_cost(1e-6) == pytest.approx(cost, rel=ITERATIVE)
    assert model.variance(1e-6) == pytest.approx(0.95**2 * parts[1], rel=1e-12)
    assert model.is_monotone(1e-6) == (abs(drift) < 1)

    def law(_, y):
        return np.vstack([y[1], (1e-6 * 0.95**2 * y[0] - drift / 2 / 1e6) / 2.5e-6])

    found = solve_bvp(law, lambda at, end: [at[0] - 1, end[0]], np.linspace(0, 5, 50), np.zeros((2, 50)), tol=1e-10)
    times = np.linspace(0, 5, 40)
    np.testing.assert_allclose(model.holdings(1e-6, times), 1e6 * found.sol(times)[0], atol=1e6 * ITERATIVE, rtol=0)
    np.testing.assert_allclose(model.rates(1e-6, times), 1e6 * found.sol(times)[1], atol=1e7 * ITERATIVE, rtol=0)


@pytest.mark.parametrize(("permanent", "order"), [(0.0, 2), (2.5e-7, 1)])
@pytest.mark.parametrize("drift", [0.0, 0.02])
def test_discrete_converges_to_continuous(permanent, order, drift):
    gaps = []
    for periods in (40, 80, 160, 320):
        model = replace(STOCK, permanent=permanent, drift=drift, periods=periods)
        plan = model.optimum(1e-6)
        gaps.append(np.abs(plan.holdings - model.continuous.holdings(1e-6, plan.times)).max())
    ratios = np.array(gaps[:-1]) / gaps[1:]
    np.testing.assert_allclose(ratios, 2.0**order, rtol=0.05)


@pytest.mark.parametrize("kappa_horizon", [0.0, 1e-8, 1e4])
def test_continuous_extremes_stay_finite(kappa_horizon):
    model = RISING.continuous
    risk_aversion = (kappa_horizon / 5) ** 2 * 2.5e-6 / 0.95**2
    times = np.linspace(0, 5, 101)
    assert np.isfinite(model.holdings(risk_aversion, times)).all()
    assert np.isfinite(model.rates(risk_aversion, times)).all()
    assert model.holdings(risk_aversion, [0, 5]).tolist() == [1e6, 0]
    assert model.half_life(0) == math.inf


# ---------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("initial", math.nan, "AlmgrenChriss: initial must be a finite number; got nan"),
        ("initial", "many", "initial must be a finite number; got 'many'"),
        ("horizon", 0, "horizon must be a finite number > 0; got 0"),
        ("horizon", math.inf, "horizon must be a finite number > 0; got inf"),
        ("periods", 0, "periods must be a whole number >= 1; got 0"),
        ("periods", 2.5, "periods must be a whole number >= 1; got 2.5"),
        ("periods", True, "periods must be a whole number >= 1; got True"),
        ("volatility", -1, "volatility must be a finite number >= 0; got -1"),
        ("temporary", 0, "temporary must be a finite number > 0; got 0"),
        ("permanent", -1e-9, "permanent must be a finite number >= 0"),
        ("half_spread", -0.1, "half_spread must be a finite number >= 0; got -0.1"),
        ("drift", None, "drift must be a finite number; got None"),
        ("permanent", 5e-6, r"temporary - permanent \* tau / 2 must be > 0; got 0 .* At least 6 periods would do"),
        ("permanent", 2.2e-5, "At least 23 periods would do"),
    ],
)
def test_bad_fields(field, value, message):
    with pytest.raises(DataError, match=message):
        replace(STOCK, **{field: value})


def test_the_advised_number_of_periods_is_enough_and_one_less_is_not():
    assert replace(STOCK, permanent=2.2e-5, periods=23).net_temporary > 0
    with pytest.raises(DataError, match="At least 23"):
        replace(STOCK, permanent=2.2e-5, periods=22)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: STOCK.optimum(-1e-9), r"risk_aversion must be a number \(inf included\) >= 0; got -1e-09"),
        (lambda: STOCK.kappa(math.nan), "risk_aversion must be a number .* got nan"),
        (lambda: STOCK.continuous.holdings(math.inf, 0), "risk_aversion must be a finite number >= 0; got inf"),
        (lambda: STOCK.continuous.holdings(1e-6, [1, 6]), r"times must lie in \[0, 5\]; got 6"),
        (lambda: ContinuousAlmgrenChriss(1, -1, 1, 1), "ContinuousAlmgrenChriss: horizon must be"),
        (lambda: STOCK.price([1e6, 0]), r"AlmgrenChriss.price: holdings must have shape \(6,\); got shape \(2,\)"),
        (lambda: STOCK.price([1e6, 0, np.nan, 0, 0, 0]), r"holdings must be finite; got nan at \(2,\)"),
        (lambda: STOCK.price([9e5, 0, 0, 0, 0, 0]), r"holdings\[0\] must be initial = 1e\+06; got 900000"),
        (lambda: STOCK.price(["x"] * 6), "holdings must be numbers"),
        (lambda: STOCK.frontier([]), "frontier: risk_aversions must have shape"),
        (lambda: STOCK.frontier([1e-6, -1]), "risk_aversion must be"),
        (lambda: STOCK.optimum_at_variance(-1), "variance must be a finite number >= 0; got -1"),
        (lambda: STOCK.optimum_value_at_risk(-1), "z must be a finite number >= 0; got -1"),
        (lambda: STOCK.optimum(0).value_at_risk(-1), "Trajectory.value_at_risk: z must be"),
        (lambda: STOCK.optimum(0).objective(math.nan), "Trajectory.objective: risk_aversion must be"),
        (lambda: least_impact(1, [1, 0], [1, 1]), r"least_impact: durations must be > 0; got 0 at \(1,\)"),
        (lambda: least_impact(1, [1, 1], [1, -2]), r"temporary must be > 0; got -2 at \(1,\)"),
        (lambda: least_impact(1, [1, 1], [1]), r"temporary must have shape \(2,\); got shape \(1,\)"),
    ],
)
def test_bad_calls(call, message):
    with pytest.raises(DataError, match=message):
        call()


def test_an_oracle_cannot_be_edited():
    plan = STOCK.optimum(1e-6)
    with pytest.raises(ValueError, match="read-only"):
        plan.holdings[1] = 0
    with pytest.raises(AttributeError):
        STOCK.initial = 0  # type: ignore[misc]

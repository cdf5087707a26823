"""Riccati policies against published digits, linear systems, scenario trees, closed forms and quadrature."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.linalg import block_diag

from acopt.analytic.almgren_chriss import AlmgrenChriss, ContinuousAlmgrenChriss
from acopt.analytic.almgren_chriss_basket import AlmgrenChrissBasket
from acopt.analytic.linear_quadratic import LinearQuadratic, SignalFeedback
from acopt.analytic.mean_reversion import (
    ContinuousFeedback,
    reverting_covariance,
    reverting_price,
    reverting_signal,
)
from acopt.errors import DataError

# Relative tolerances, each with what it is compared to. Section numbers are those of REFERENCE_CASES.md.
RECURSION = 1e-12  # another recursion, or a closed form, over at most 78 intervals
SYSTEM = 1e-9  # the KKT system of the whole horizon, solved densely
QUADRATURE = 1e-11

X, SIGMA, ETA, GAMMA, EPS, LAMBDA, THETA = 1e6, 0.95, 2.5e-6, 2.5e-7, 0.0625, 1e-6, 0.5
STOCK = LinearQuadratic(np.full(5, ETA - GAMMA / 2), np.full(5, LAMBDA * SIGMA**2))


def random_model(seed: int, count: int, size: int, *, closed: bool = False, full: bool = True) -> LinearQuadratic:
    """Return a model whose matrices differ in every interval."""
    rng = np.random.default_rng(seed)
    if not full:
        impact, risk = rng.uniform(0.5, 4, (count, size)), rng.uniform(0, 2, (count, size))
        return LinearQuadratic(1e-6 * impact, 1e-6 * risk)
    roots = rng.normal(size=(2, count, size, size))
    impact = roots[0] @ roots[0].transpose(0, 2, 1) + np.eye(size)
    risk = roots[1] @ roots[1].transpose(0, 2, 1)
    free = None
    if closed:
        free = rng.random((count, size)) < 0.6
        free[rng.integers(count, size=size), np.arange(size)] = True
    return LinearQuadratic(1e-6 * impact, 1e-6 * risk, free)


def by_system(model: LinearQuadratic, initial: np.ndarray, drift: np.ndarray) -> np.ndarray:
    """Return x_0..x_N by the dense KKT system of all trades at once."""
    count, size = model.shape
    sums = np.kron(np.tril(np.ones((count, count))), np.eye(size))  # x = x_0 + sums u
    impact, risk = block_diag(*model.impact), block_diag(*model.risk)
    start = np.tile(initial, count)
    hessian = 2 * (impact + sums.T @ risk @ sums)
    slope = sums.T @ (2 * risk @ start - drift.ravel())
    rules = [np.tile(np.eye(size), count)]
    if model.tradable is not None:
        rules.append(np.eye(count * size)[~model.tradable.ravel()])
    rows = np.vstack(rules)
    bound = np.concatenate([-initial, np.zeros(len(rows) - size)])
    scale = np.abs(hessian).max()
    system = np.block([[hessian / scale, rows.T], [rows, np.zeros((len(rows), len(rows)))]])
    u = np.linalg.lstsq(system, np.concatenate([-slope / scale, bound]), rcond=None)[0][: count * size]
    return np.vstack([initial, initial + np.cumsum(u.reshape(count, size), axis=0)])


# ---------------------------------------------------------------------------------------------- published digits


@pytest.mark.parametrize("side", [1, -1])
def test_section_9_static_from_the_first_signal(side):
    gain, decay = reverting_signal(THETA, np.ones(5))
    drift = 0.10 * gain * np.exp(-THETA * np.arange(5))
    held = STOCK.optimum([side * X], side * drift)[:, 0]
    wanted = [X, 554977.901488, 304280.275424, 159160.681661, 68427.440360, 0]
    np.testing.assert_allclose(side * held, wanted, atol=5e-7, rtol=0)
    assert STOCK.cost(held, side * drift) == pytest.approx(1024924.521944, abs=5e-7)
    assert STOCK.feedback(gain, decay).value([side * X], [side * 0.10]) == pytest.approx(1024924.521944, abs=5e-7)


def test_section_9_recursion():
    """a, b, g as they are written there, all three at once from the old ones."""
    gain, decay = reverting_signal(THETA, np.full(8, 0.7))
    c, phi, h, r = gain[0], decay[0], 3.1e-6, 0.4e-6
    policy = LinearQuadratic(np.full(8, h), np.full(8, r)).feedback(gain, decay)
    noise, rng = 0.03, np.random.default_rng(9)
    a, b, g, constant = h, 0.0, 0.0, 0.0
    for k in range(6, -1, -1):
        big = h + r + a
        x, signal = 1e5 * rng.normal(), rng.normal()
        following = h / big * x + (c - b * phi) / (2 * big) * signal
        assert policy.trade(k, [x], [signal])[0] == pytest.approx(following - x, rel=RECURSION)
        constant += g * noise
        a, b, g = h - h**2 / big, -h * (c - b * phi) / big, g * phi**2 - (c - b * phi) ** 2 / (4 * big)
    assert policy.trade(7, [123.0], [4.0]) == pytest.approx(-123.0)
    wanted = a * 9e8 + b * 3e4 * 0.2 + g * 0.04 + constant
    assert policy.value([3e4], [0.2], np.full(8, noise)) == pytest.approx(wanted, rel=RECURSION)
    assert constant < 0  # answering what is seen earns


# ------------------------------------------------------------------------------------- the same optimum otherwise


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("periods", [1, 2, 5, 26, 78])
def test_without_a_forecast_it_is_almgren_and_chriss(side, periods):
    stock = AlmgrenChriss(side * X, 5, periods, SIGMA, ETA * 20, GAMMA, EPS)
    tau = stock.duration
    model = LinearQuadratic(np.full(periods, stock.net_temporary / tau), np.full(periods, LAMBDA * SIGMA**2 * tau))
    plan = stock.optimum(LAMBDA)
    held = model.optimum([side * X])[:, 0]
    np.testing.assert_allclose(held, plan.holdings, atol=RECURSION * X, rtol=0)
    rest = GAMMA * X**2 / 2 + EPS * X
    assert model.cost(held) + rest == pytest.approx(plan.objective(LAMBDA), rel=RECURSION)


def test_a_constant_drift_is_almgren_and_chriss_parabola():
    stock = AlmgrenChriss(X, 5, 5, SIGMA, ETA, GAMMA, EPS, drift=0.02)
    held = STOCK.optimum([X], np.full(5, 0.02))[:, 0]
    np.testing.assert_allclose(held, stock.optimum(LAMBDA).holdings, atol=RECURSION * X, rtol=0)


def test_a_basket_without_a_forecast_is_the_closed_form():
    rng = np.random.default_rng(5)
    root = rng.normal(size=(2, 3, 3))
    covariance, impact = root[0] @ root[0].T, 1e-6 * (root[1] @ root[1].T + np.eye(3))
    order = np.array([3e5, -2e5, 0.0])
    basket = AlmgrenChrissBasket(order, 2.0, 13, covariance, impact)
    tau = basket.duration
    model = LinearQuadratic(np.tile(impact / tau, (13, 1, 1)), np.tile(LAMBDA * covariance * tau, (13, 1, 1)))
    np.testing.assert_allclose(model.optimum(order), basket.optimum(LAMBDA).holdings, atol=RECURSION * 3e5, rtol=0)


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize(("count", "size"), [(1, 1), (2, 1), (6, 1), (1, 3), (6, 3), (13, 4)])
def test_coefficients_that_vary_against_the_whole_system(count, size, closed):
    model = random_model(count * 10 + size, count, size, closed=closed)
    rng = np.random.default_rng(count)
    order, drift = 1e5 * rng.normal(size=size), 0.2 * rng.normal(size=(count, size))
    held, wanted = model.optimum(order, drift), by_system(model, order, drift)
    np.testing.assert_allclose(held, wanted, atol=SYSTEM * 1e5, rtol=0)
    assert model.cost(held, drift) == pytest.approx(model.cost(wanted, drift), rel=SYSTEM)
    if closed:
        assert not np.diff(held, axis=0)[~model.tradable].any()
    assert not held[-1].any()


def test_diagonals_are_stocks_apart():
    model = random_model(4, 7, 3, full=False)
    drift = np.random.default_rng(4).normal(size=(7, 3))
    whole = model.optimum([1e4, -2e4, 0.0], drift)
    for i, size in enumerate([1e4, -2e4, 0.0]):
        each = LinearQuadratic(model.impact[:, i, i], model.risk[:, i, i])
        np.testing.assert_allclose(whole[:, [i]], each.optimum([size], drift[:, i]), atol=RECURSION * 1e6, rtol=0)


@given(st.integers(0, 10_000), st.floats(2, 9), st.sampled_from([1, -1]))
def test_sizes_and_sides(seed, digits, side):
    """Twice the order with twice the drift is twice the plan; sales mirror purchases."""
    model, rng = random_model(seed, 5, 2), np.random.default_rng(seed)
    order, drift = rng.normal(size=2), 1e-6 * rng.normal(size=(5, 2))
    factor = side * 10**digits
    found, wanted = model.optimum(factor * order, factor * drift), factor * model.optimum(order, drift)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=RECURSION * np.abs(wanted).max())


# ----------------------------------------------------------------------------------------------------- feedback


def signal_law(seed: int, count: int, size: int, many: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, size, many)), 0.4 * rng.normal(size=(count, many, many))


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize(("size", "many"), [(1, 1), (3, 3), (3, 2), (1, 4)])
def test_feedback_is_the_plan_for_the_forecast_made_anew(size, many, closed):
    """Certainty equivalence, trade by trade, and for many states at once."""
    model = random_model(size, 6, size, closed=closed)
    gain, decay = signal_law(many, 6, size, many)
    policy, rng = model.feedback(gain, decay), np.random.default_rng(2)
    for k in range(6):
        x, seen = 1e5 * rng.normal(size=(7, size)), rng.normal(size=(7, many))
        forecast, expected = seen, []
        for j in range(k, 6):
            expected.append(forecast @ gain[j].T)
            forecast = forecast @ decay[j].T
        drift = np.stack(expected, axis=1)
        found = policy.trade(k, x, seen)
        assert found.shape == (7, size)
        np.testing.assert_allclose(found, model.trade(k, x, drift), atol=RECURSION * 1e6, rtol=0)
        np.testing.assert_allclose(found[3], policy.trade(k, x[3], seen[3]), atol=RECURSION * 1e6, rtol=0)


def tree_optimum(
    model: LinearQuadratic, gain: np.ndarray, decay: np.ndarray, start: tuple[float, float], shock: float
) -> tuple[np.ndarray, float]:
    """
    Return the trades at the nodes of a binary tree of shocks, and their expected cost, by one linear system.

    Trades of a node are shared by all paths through it, and nothing else ties them: this is the problem itself.
    """
    count = model.shape[0]
    first = 2 ** np.arange(count) - 1  # nodes of level k: first[k] .. first[k] + 2^k - 1
    signals = [np.array([start[1]])]
    for k in range(count - 1):
        signals.append((decay[k] * signals[k][:, None] + shock * np.array([1, -1])).ravel())
    nodes = 2**count - 1
    hessian, slope, paths = np.zeros((nodes, nodes)), np.zeros(nodes), np.arange(2 ** (count - 1))
    rows = np.zeros((len(paths), nodes))
    fixed = 0.0
    for path in paths:
        on_path = [first[k] + (path >> (count - 1 - k)) for k in range(count)]
        rows[path, on_path] = 1
        for k in range(count):
            held = np.zeros(nodes)
            held[on_path[: k + 1]] = 1
            earned = gain[k] * signals[k][path >> (count - 1 - k)]
            hessian += 2 * model.risk[k, 0, 0] * np.outer(held, held) / len(paths)
            hessian[on_path[k], on_path[k]] += 2 * model.impact[k, 0, 0] / len(paths)
            slope += (2 * model.risk[k, 0, 0] * start[0] - earned) * held / len(paths)
            fixed += (model.risk[k, 0, 0] * start[0] ** 2 - earned * start[0]) / len(paths)
    scale = np.abs(hessian).max()
    system = np.block([[hessian / scale, rows.T], [rows, np.zeros((len(paths), len(paths)))]])
    right = np.concatenate([-slope / scale, np.full(len(paths), -start[0])])
    trades = np.linalg.lstsq(system, right, rcond=None)[0][:nodes]
    return trades, float(trades @ hessian @ trades / 2 + slope @ trades + fixed)


@pytest.mark.parametrize("law", [reverting_signal, reverting_price])
@pytest.mark.parametrize("initial", [4e5, -4e5, 0.0])
def test_no_policy_does_better_on_a_tree_of_shocks(law, initial):
    durations = np.array([0.4, 1.0, 0.1, 0.7, 0.5])
    model = LinearQuadratic(2e-6 / durations, 0.9e-6 * durations)
    gain, decay = law(0.8, durations)
    policy, shock = model.feedback(gain, decay), 0.3
    trades, cost = tree_optimum(model, gain, decay, (initial, 0.2), shock)
    assert policy.value([initial], [0.2], np.full(5, shock**2)) == pytest.approx(cost, rel=SYSTEM)
    x, seen, place = np.array([[initial]]), np.array([[0.2]]), 0
    for k in range(5):
        wanted = trades[place : place + 2**k, None]
        found = policy.trade(k, x, seen)
        np.testing.assert_allclose(found, wanted, atol=SYSTEM * 4e5, rtol=0)
        place += 2**k
        x = np.repeat(x + found, 2, axis=0)
        seen = (decay[k] * seen + shock * np.array([1, -1])).reshape(-1, 1)
    np.testing.assert_allclose(x, 0, atol=1e-9 * 4e5)


def test_the_value_of_a_basket_is_what_its_trades_cost():
    """Without noise, walk along the expected signal and add up."""
    model = random_model(8, 6, 3)
    gain, decay = signal_law(8, 6, 3, 2)
    policy, x, seen = model.feedback(gain, decay), np.array([1e5, -3e5, 2e4]), np.array([1.0, -2.0])
    held, drift = [x], []
    signal = seen
    for k in range(6):
        held.append(held[-1] + policy.trade(k, held[-1], signal))
        drift.append(gain[k] @ signal)
        signal = decay[k] @ signal
    assert policy.value(x, seen) == pytest.approx(model.cost(np.array(held), np.array(drift)), rel=RECURSION)


def test_selling_above_the_mean_is_faster_and_below_slower():
    durations = np.full(13, 1 / 13)
    model = LinearQuadratic(2e-6 / durations, 1e-6 * durations)
    policy = model.feedback(*reverting_price(3.0, durations))
    for k in range(12):
        for x in (2e5, -2e5):  # sales, purchases
            plain, above, below = (policy.trade(k, [x], [signal])[0] for signal in (0.0, -0.1, 0.1))
            assert above < plain < below  # above the mean: sell more, or buy less
            assert above + below == pytest.approx(2 * plain)


def test_serial_correlation_is_a_signal_too():
    """dS_k = rho dS_{k-1} + e: gain and decay are rho; Almgren and Chriss' correction to a trade, to first order."""
    rho, last, h = 0.01, 0.5, ETA
    policy = LinearQuadratic(np.full(40, h), np.zeros(40)).feedback(np.full(40, rho), np.full(40, rho))
    shift = policy.trade(20, [X], [last])[0] - policy.trade(20, [X], [0.0])[0]
    # With x' free to move one share between this trade and the next, 4 h shift = rho last: n - 1 trades to go.
    assert shift == pytest.approx(rho * last / (2 * h) * 19 / 20, rel=2 * rho)


# ------------------------------------------------------------------------------------------------ continuous time


def integral(kappa: float, rate: float, left: float) -> float:
    """Return the weight of I / (2 eta) by quadrature, in a form that does not overflow."""

    def inside(r: float) -> float:
        if kappa == 0:
            return math.exp(-rate * (left - r)) * r / left
        return math.exp(-(rate + kappa) * (left - r)) * math.expm1(-2 * kappa * r) / math.expm1(-2 * kappa * left)

    width = min(left, 40 / (kappa + rate))
    value = quad(inside, left - width, left, epsabs=0, epsrel=1e-13, limit=500)[0]
    return value + (quad(inside, 0, left - width, epsabs=0, limit=500)[0] if width < left else 0.0)


@pytest.mark.parametrize("left", [1e-6, 0.03, 1.0, 5.0])
@pytest.mark.parametrize("rate", [1e-6, 0.5, 0.6, 40.0, 1e4])
@pytest.mark.parametrize("kappa", [0.0, 1e-9, 0.3, 0.6, 7.0, 2e3])
def test_continuous_gains_by_quadrature(kappa, rate, left):
    model = ContinuousFeedback(5.0, 2.0, ETA, rate)
    held, answered = model.gains(ETA * (kappa / 2.0) ** 2, 5.0 - left)
    left = 5.0 - (5.0 - left)
    assert 2 * ETA * answered == pytest.approx(integral(kappa, rate, left), rel=QUADRATURE)
    wanted = 1 / left if kappa == 0 else kappa / math.tanh(kappa * left)
    assert held == pytest.approx(wanted, rel=RECURSION)


def test_continuous_gains_in_many_digits():
    """The closed form [theta sinh - kappa cosh + kappa e^(-theta s)] / ((theta^2 - kappa^2) sinh), in 60 digits."""
    rng = np.random.default_rng(1)
    for _ in range(200):
        kappa, rate, left = (float(10**v) for v in rng.uniform([-4, -4, -3], [2, 2, 0.7]))
        model = ContinuousFeedback(left, 1.0, 0.5, rate)
        found = model.gains(kappa**2 / 2, 0.0)[1]
        with localcontext() as context:
            context.prec = 60
            k, r, s = (Decimal(v) for v in (math.sqrt(kappa**2 / 2) / math.sqrt(0.5), rate, left))
            sinh, cosh = ((k * s).exp() - (-k * s).exp()) / 2, ((k * s).exp() + (-k * s).exp()) / 2
            wanted = (r * sinh - k * cosh + k * (-r * s).exp()) / ((r**2 - k**2) * sinh)
        assert found == pytest.approx(float(wanted), rel=5e-14)


def test_continuous_gains_solve_the_hamilton_jacobi_bellman_equation():
    """A' = A^2/eta - lambda sigma^2 and B' = B (theta + A/eta) - 1, by central differences."""
    model, lam, step = ContinuousFeedback(2.0, 0.9, 3e-6, 1.7), 4e-6, 1e-5

    def parts(t: float) -> np.ndarray:
        held, answered = model.gains(lam, t)
        return np.array([3e-6 * held, 2 * 3e-6 * answered])  # A, B

    for t in (0.0 + step, 0.4, 1.1, 1.7):
        a, b = parts(t)
        slope = (parts(t + step) - parts(t - step)) / (2 * step)
        assert slope[0] == pytest.approx(a**2 / 3e-6 - lam * 0.81, rel=1e-6)
        assert slope[1] == pytest.approx(b * (1.7 + a / 3e-6) - 1, rel=1e-6)


def test_the_discrete_policy_converges_to_the_continuous_one():
    """Both gains at O(tau): halving tau halves the error."""
    limit, when = ContinuousFeedback(2.0, SIGMA, ETA, 1.3), 0.5
    held, answered = limit.gains(LAMBDA, when)
    errors = []
    for count in (200, 400, 800, 1600):
        tau = np.full(count, 2.0 / count)
        gain, decay = reverting_signal(1.3, tau)
        policy = LinearQuadratic(ETA / tau, LAMBDA * SIGMA**2 * tau).feedback(gain, decay)
        k = count // 4
        found = policy.trade(k, [[1.0], [0.0]], [[0.0], [1.0]])[:, 0] / tau[0]
        errors.append(np.abs(found / [-held, answered] - 1))
    errors = np.array(errors)
    assert errors[-1].max() < 2e-3
    np.testing.assert_allclose(errors[:-1] / errors[1:], 2, rtol=0.02)


def test_continuous_without_a_signal_is_almgren_and_chriss():
    plain = ContinuousAlmgrenChriss(X, 5, SIGMA, ETA)
    model, times = ContinuousFeedback(5, SIGMA, ETA, 0.5), np.array([0.0, 1.2, 4.9])
    for t, x, v in zip(times, plain.holdings(LAMBDA, times), plain.rates(LAMBDA, times), strict=True):
        assert model.trading_rate(LAMBDA, t, x, 0.0) == pytest.approx(v, rel=RECURSION)
    both = model.trading_rate(LAMBDA, 1.0, [X, -X], [0.1, -0.1])
    assert both[0] == pytest.approx(-both[1])
    assert both[0] > model.trading_rate(LAMBDA, 1.0, X, 0.0)


# ------------------------------------------------------------------------------------- what reverts, and refusals


def test_laws_of_reversion():
    tau = np.array([0.0, 1e-9, 0.3, 50.0])
    gain, decay = reverting_signal(2.0, tau)
    np.testing.assert_allclose(decay, np.exp(-2 * tau), rtol=RECURSION)
    np.testing.assert_allclose(gain, [quad(lambda s: math.exp(-2 * s), 0, t)[0] for t in tau], rtol=QUADRATURE)
    np.testing.assert_allclose(reverting_price(2.0, tau)[0], 2 * gain, rtol=RECURSION)


def test_a_reverting_price_is_an_autoregression():
    """The formula of section 9, and the exact recursion S' = phi S + e with Var e = sigma^2 (1 - phi^2) / (2 theta)."""
    times = np.array([0.1, 0.4, 0.5, 2.0])
    found = reverting_covariance(0.7, 1.9, times)
    apart = np.abs(times[:, None] - times), times[:, None] + times
    section = 1.9**2 / 1.4 * (np.exp(-0.7 * apart[0]) - np.exp(-0.7 * apart[1]))
    np.testing.assert_allclose(found, section, rtol=RECURSION)
    decay = np.exp(-0.7 * np.diff(times, prepend=0.0))
    loads = np.zeros((4, 4))
    for k in range(4):
        loads[k] = decay[k] * loads[k - 1] if k else 0.0
        loads[k, k] = math.sqrt(1.9**2 * (1 - decay[k] ** 2) / 1.4)
    np.testing.assert_allclose(found, loads @ loads.T, rtol=RECURSION)
    slow = reverting_covariance(1e-9, 1.9, times)  # hardly reverting: a Brownian motion
    np.testing.assert_allclose(slow, 1.9**2 * np.minimum(times[:, None], times), rtol=1e-8)


@pytest.mark.parametrize("rate", [0.0, -0.5, math.nan, math.inf, "fast", None])
def test_reversion_must_be_positive(rate):
    for refused in (
        lambda: reverting_signal(rate, [1.0]),
        lambda: reverting_price(rate, [1.0]),
        lambda: reverting_covariance(rate, 1.0, [1.0]),
        lambda: ContinuousFeedback(1.0, 1.0, 1.0, rate),
    ):
        with pytest.raises(DataError, match=r"rate must be a finite number > 0; got"):
            refused()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: LinearQuadratic([1.0, 1.0], [0.0]), r"impact is of \(N, n\) = \(2, 1\), risk of \(1, 1\)"),
        (lambda: LinearQuadratic([1.0, math.nan], [0.0, 0.0]), "impact must be finite; got nan"),
        (lambda: LinearQuadratic([1.0, -1.0, 1.0], [0.0] * 3), "in interval 1 the cost of a trade"),
        (lambda: LinearQuadratic([[[1.0, 2.0], [0.0, 1.0]]], [[0.0, 0.0]]), r"impact\[0\] must be symmetric"),
        (lambda: LinearQuadratic([[1.0, 1.0]], [[0.0, 0.0]], [[True, False]]), "stock 1 can trade in no interval"),
        (lambda: LinearQuadratic([[1.0, 1.0]], [[0.0, 0.0]], [[True]]), r"tradable must have shape \(1, 2\)"),
        (lambda: STOCK.trade(5, [1.0]), r"interval must be 0 \.\. 4; got 5"),
        (lambda: STOCK.trade(2, [1.0], np.zeros((5, 1))), r"drift from interval 2 must be \(\.\.\., 3, 1\)"),
        (lambda: SignalFeedback(STOCK, np.ones(4), np.ones(5)), r"gain must have shape \(5,\)"),
        (lambda: STOCK.feedback(np.ones((5, 1, 2)), np.ones(5)), r"decay \(5, m, m\); got"),
        (lambda: ContinuousFeedback(2.0, 1.0, 1.0, 1.0).gains(1.0, 2.0), "time must be below the horizon 2; got 2"),
        (lambda: ContinuousFeedback(2.0, -1.0, 1.0, 1.0), "volatility must be a finite number >= 0; got -1"),
        (lambda: ContinuousFeedback(2.0, 1.0, 1.0, 1.0).gains(-1.0, 0.0), "risk_aversion must be"),
    ],
)
def test_refusals(make, said):
    with pytest.raises(DataError, match=said):
        make()


def test_nothing_can_be_edited():
    for each in (STOCK.impact, STOCK._follow, STOCK.feedback(np.ones(5), np.ones(5)).gain):
        with pytest.raises(ValueError, match="read-only"):
            each[0] = 1

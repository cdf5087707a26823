"""Baskets, against a dense solve of the whole quadratic program, the one-stock oracle, and symmetries."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize

from acopt.analytic.almgren_chriss import AlmgrenChriss
from acopt.analytic.almgren_chriss_basket import AlmgrenChrissBasket
from acopt.errors import DataError

# Relative tolerances: of the largest holding of each stock, or of E and V.
ROUNDING = 2e-14  # against one stock
DENSE = 1e-11  # against the dense solve: the eigenproblem's rounding, times the condition of the impact matrix


def basket(seed: int, size: int, periods: int, *, commuting: bool = False, drift: float = 0.02) -> AlmgrenChrissBasket:
    """Return a random basket of buys and sells, with prices and liquidity spread over two decades."""
    rng = np.random.default_rng(seed)
    unit = 10 ** rng.uniform(-1, 1, size)  # per stock, in price units
    if commuting:
        turn = np.linalg.qr(rng.normal(size=(size, size)))[0]
        temporary, covariance, permanent = (
            (turn * rng.uniform(*span, size)) @ turn.T for span in ((2e-6, 8e-6), (0.1, 2.0), (0, 2e-7))
        )
    else:
        root, factor, push = (rng.normal(size=(size, size)) for _ in range(3))
        outer = np.outer(unit, unit)
        temporary = 2.5e-6 * outer * (np.eye(size) + root @ root.T / size)
        covariance = outer * (0.2 * np.eye(size) + factor @ factor.T / size)
        permanent = 2e-7 * outer * (push @ push.T / size)
    return AlmgrenChrissBasket(
        initial=rng.choice([-1, 1], size) * rng.uniform(1e4, 1e6, size),
        horizon=5.0,
        periods=periods,
        covariance=covariance,
        temporary=temporary,
        permanent=permanent,
        half_spread=0.05 * unit,
        drift=drift * unit * rng.normal(size=size),
    )


def dense(model: AlmgrenChrissBasket, risk_aversion: float) -> np.ndarray:
    """Return the holdings that solve the first-order conditions of all trades at once, refined in long double."""
    n, inner, tau = model.initial.size, model.periods - 1, model.duration
    impact = (model.temporary - tau / 2 * model.permanent) / tau
    second = 2 * np.eye(inner) - np.eye(inner, k=1) - np.eye(inner, k=-1)
    matrix = 2 * (np.kron(second, impact) + np.kron(np.eye(inner), risk_aversion * tau * model.covariance))
    right = np.tile(tau * model.drift, inner)
    right[:n] += 2 * impact @ model.initial
    scale = 1 / np.sqrt(np.diag(matrix))
    scaled = matrix * scale[:, None] * scale
    path = np.zeros(n * inner, dtype=np.longdouble)
    for _ in range(5):
        residual = scale * (right - matrix.astype(np.longdouble) @ (scale * path))
        path += np.linalg.solve(scaled, residual.astype(float))
    free = (scale * path).astype(float).reshape(inner, n)
    return np.vstack([model.initial, free, np.zeros(n)])


def gap(found: np.ndarray, wanted: np.ndarray) -> float:
    """Return the largest error, each stock in units of its largest value."""
    return float((np.abs(found - wanted) / np.abs(wanted).max(axis=0)).max())


@pytest.mark.parametrize("risk_aversion", [0.0, 1e-14, 1e-8, 1e-6, 1e-4])
@pytest.mark.parametrize(("size", "periods"), [(2, 2), (2, 26), (5, 5), (12, 40)])
@pytest.mark.parametrize("commuting", [True, False])
def test_section_2_against_the_dense_program(commuting, size, periods, risk_aversion):
    model = basket(size + periods, size, periods, commuting=commuting)
    wanted = dense(model, risk_aversion)
    plan = model.optimum(risk_aversion)
    assert gap(plan.holdings, wanted) < DENSE
    assert gap(plan.trades, np.diff(wanted, axis=0)) < DENSE
    priced = model.price(wanted)
    assert plan.expected_cost == pytest.approx(priced.expected_cost, rel=DENSE)
    assert plan.variance == pytest.approx(priced.variance, rel=DENSE)
    np.testing.assert_array_equal(plan.holdings[0], model.initial)
    assert not plan.holdings[-1].any()


def test_section_2_formula_as_printed():
    """x_j = H~^-1/2 U diag(sinh kappa_i (T - t_j) / sinh kappa_i T) U' H~^1/2 X, with the symmetric root."""
    model = basket(1, 4, 5, drift=0.0)
    values, vectors = np.linalg.eigh(model.net_temporary)
    root, inverse = (vectors * values**0.5) @ vectors.T, (vectors * values**-0.5) @ vectors.T
    squares, turn = np.linalg.eigh(1e-6 * inverse @ model.covariance @ inverse)
    kappa = np.arccosh(1 + squares / 2)  # tau = 1
    np.testing.assert_allclose(np.sort(model.kappa(1e-6)), np.sort(kappa), rtol=1e-12)
    np.testing.assert_allclose(model.half_life(1e-6), 1 / model.kappa(1e-6))
    plan = model.optimum(1e-6)
    for j in range(6):
        modes = np.sinh(kappa * (5 - j)) / np.sinh(kappa * 5)
        wanted = inverse @ turn @ (modes * (turn.T @ root @ model.initial))
        np.testing.assert_allclose(plan.holdings[j], wanted, atol=DENSE * 1e6, rtol=DENSE)


@pytest.mark.parametrize("risk_aversion", [0.0, 1e-6, 1e-2, math.inf])
def test_uncorrelated_stocks_are_traded_apart(risk_aversion):
    stocks = [
        AlmgrenChriss(1e6, 5, 26, 0.95, 2.5e-6, 2.5e-7, 0.0625, 0.02),
        AlmgrenChriss(-3e5, 5, 26, 0.2, 9e-6, 0.0, 0.01, 0.0),
        AlmgrenChriss(0.0, 5, 26, 3.0, 1e-4, 1e-6, 0.5, -0.1),
    ]
    fields = ("initial", "temporary", "permanent", "half_spread", "drift")
    columns = {name: np.array([getattr(each, name) for each in stocks]) for name in fields}
    model = AlmgrenChrissBasket(
        horizon=5, periods=26, covariance=np.diag([each.volatility**2 for each in stocks]), **columns
    )
    apart = [each.optimum(risk_aversion) for each in stocks]
    plan = model.optimum(risk_aversion)
    for i, each in enumerate(apart):
        np.testing.assert_allclose(plan.holdings[:, i], each.holdings, rtol=ROUNDING, atol=1e-9)
        np.testing.assert_allclose(plan.trades[:, i], each.trades, rtol=ROUNDING, atol=1e-9)
    assert plan.expected_cost == pytest.approx(sum(each.expected_cost for each in apart), rel=ROUNDING)
    assert plan.variance == pytest.approx(sum(each.variance for each in apart), rel=ROUNDING)
    assert plan.is_monotone == all(each.is_monotone for each in apart)


def test_symmetries():
    model = basket(7, 6, 13)
    plan = model.optimum(1e-6)
    buy = replace(model, initial=-model.initial, drift=-model.drift).optimum(1e-6)
    np.testing.assert_array_equal(buy.trades, -plan.trades)
    assert (buy.expected_cost, buy.variance) == (plan.expected_cost, plan.variance)

    order = np.random.default_rng(0).permutation(6)
    square = np.ix_(order, order)
    moved = replace(
        model,
        **{name: getattr(model, name)[order] for name in ("initial", "half_spread", "drift")},
        **{name: getattr(model, name)[square] for name in ("covariance", "temporary", "permanent")},
    ).optimum(1e-6)
    assert gap(moved.holdings, plan.holdings[:, order]) < DENSE

    unit = 10.0 ** np.arange(-3, 3)  # each stock counted in its own unit: shares times u, prices by u
    other = replace(
        model,
        initial=model.initial * unit,
        half_spread=model.half_spread / unit,
        drift=model.drift / unit,
        **{name: getattr(model, name) / np.outer(unit, unit) for name in ("covariance", "temporary", "permanent")},
    ).optimum(1e-6)
    assert gap(other.holdings, plan.holdings * unit) < DENSE
    assert other.expected_cost == pytest.approx(plan.expected_cost, rel=DENSE)


def test_riskless_portfolio_is_not_hurried():
    """Two stocks with one risk: long one, short the other is riskless, so that it is traded as TWAP at any lambda."""
    model = AlmgrenChrissBasket([1e5, -1e5], 5, 10, [[1.0, 1.0], [1.0, 1.0]], [1e-6, 1e-6])
    for risk_aversion in (0.0, 1e-6, 1.0, math.inf):
        plan = model.optimum(risk_aversion)
        np.testing.assert_allclose(plan.holdings, np.outer(np.arange(10, -1, -1) / 10, [1e5, -1e5]), atol=1e-8)
    assert model.kappa(1e-6)[0] == 0
    assert model.half_life(1e-6)[0] == math.inf


def test_frontier_and_value_at_risk():
    model = replace(basket(11, 5, 26), half_spread=0.0)  # with it, optima that change sign are none
    points = model.frontier(np.geomspace(1e-9, 1e-3, 60))
    assert (np.diff(points.expected_cost) > 0).all()
    assert (np.diff(points.variance) < 0).all()
    for z in (0.1, 1.645):
        plan = model.optimum_value_at_risk(z)
        assert plan.risk_aversion == pytest.approx(z / (2 * math.sqrt(plan.variance)), rel=1e-12)
        nearby = [model.optimum(plan.risk_aversion * factor).value_at_risk(z) for factor in (0.99, 1.01)]
        assert plan.value_at_risk(z) < min(nearby)
    half = model.optimum(1e-6)
    assert model.optimum_at_variance(half.variance).risk_aversion == pytest.approx(1e-6, rel=1e-9)


def test_a_hedge_changes_sign_and_the_kinked_optimum_is_cheaper():
    """Where a stock is bought and sold, the closed form priced with the spread is above the true optimum."""
    spread = np.array([0.0625, 0.25])
    model = AlmgrenChrissBasket([1e6, 0.0], 5, 5, [[0.9, 0.6], [0.6, 0.5]], [2.5e-6, 1e-6], half_spread=spread)
    plan = model.optimum(1e-6)
    assert not plan.is_monotone
    smooth = replace(model, half_spread=0.0)

    def split(parts: np.ndarray) -> float:
        bought, sold = parts.reshape(2, 5, 2)
        path = np.vstack([model.initial, model.initial + 1e6 * np.cumsum(bought - sold, axis=0)])
        return (smooth.price(path).objective(1e-6) + 1e6 * float((bought + sold).sum(axis=0) @ spread)) / 1e6

    start = np.concatenate([np.clip(plan.trades, 0, None).ravel(), np.clip(-plan.trades, 0, None).ravel()]) / 1e6
    done = {"type": "eq", "fun": lambda parts: np.array([1.0, 0.0]) + np.subtract(*parts.reshape(2, 5, 2)).sum(axis=0)}
    found = minimize(
        split, start, method="SLSQP", bounds=[(0, None)] * 20, constraints=done, options={"ftol": 1e-12, "maxiter": 500}
    )
    assert found.fun < plan.objective(1e-6) / 1e6 - 1e-4
    assert smooth.optimum(1e-6).objective(1e-6) / 1e6 < found.fun


GOOD = {
    "initial": [1e5, -1e5],
    "horizon": 5,
    "periods": 5,
    "covariance": [[1.0, 0.2], [0.2, 0.5]],
    "temporary": [1e-6, 2e-6],
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"initial": 1e5}, r"AlmgrenChrissBasket: initial must have shape \(-1,\)"),
        ({"initial": [1e5, np.inf]}, r"initial must be finite; got inf at \(1,\)"),
        ({"horizon": -1}, "horizon must be a finite number > 0; got -1"),
        ({"periods": 0}, "periods must be a whole number >= 1; got 0"),
        (
            {"covariance": [[1.0, 0.2], [0.3, 0.5]]},
            r"covariance must be symmetric; got 0.2 at \(0, 1\) and 0.3 at \(1, 0\)",
        ),
        ({"covariance": [[1.0, 2.0], [2.0, 1.0]]}, "positive semidefinite; .* has the eigenvalue -1"),
        ({"covariance": [[1.0, 0.0], [0.0, -1.0]]}, "variances >= 0; got -1 at 1"),
        ({"covariance": [1.0, 1.0]}, r"covariance must have shape \(2, 2\); got shape \(2,\)"),
        ({"temporary": [1e-6, 0.0]}, "temporary must have a diagonal > 0; got 0 at 1"),
        ({"temporary": [[1e-6, 2e-6], [2e-6, 1e-6]]}, "temporary must be positive definite; .* eigenvalue -1"),
        ({"temporary": [1e-6]}, r"temporary must have shape \(2,\); got shape \(1,\)"),
        ({"permanent": [2e-6, 0]}, "tau = 1, which must be below 1. At least 6 periods would do"),
        ({"permanent": [[0, 1e-8], [-1e-8, 0]]}, "permanent must be symmetric"),
        ({"permanent": 1e-7}, r"permanent must have shape \(2, 2\); got shape \(\)"),
        ({"half_spread": [0.1, -0.1]}, r"half_spread must be >= 0; got -0.1 at \(1,\)"),
        ({"drift": [0.1]}, r"drift must have shape \(2,\); got shape \(1,\)"),
    ],
)
def test_bad_fields(changes, message):
    AlmgrenChrissBasket(**GOOD)
    with pytest.raises(DataError, match=message):
        AlmgrenChrissBasket(**(GOOD | changes))


def test_bad_calls():
    model = AlmgrenChrissBasket(**GOOD)
    with pytest.raises(DataError, match="AlmgrenChrissBasket: risk_aversion must be"):
        model.optimum(-1)
    with pytest.raises(DataError, match=r"price: holdings must have shape \(6, 2\)"):
        model.price(np.zeros((5, 2)))
    with pytest.raises(DataError, match=r"holdings\[0, 1\] must be initial = -100000; got 0"):
        model.price(np.outer(np.arange(6)[::-1], [2e4, 0]))

"""Optimal execution on a grid when temporary impact is a power of the trading rate, without and with risk.

The truth the conic solver is judged by: NumPy and SciPy only, nothing shared with what it judges, no constraints.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import logsumexp

from acopt.analytic._arguments import Array, array, number
from acopt.errors import DataError, SolverError

__all__ = ["GridOptimum", "GridPowerLaw", "least_power_impact"]


@dataclass(frozen=True, eq=False)
class GridOptimum:
    """The optimal trades on a grid, with their price.

    Attributes
    ----------
    trades : (N,) array
        u_k, shares: buys +, sells -.
    holdings : (N+1,) array
        x_0 = X .. x_N = 0, shares: > 0 still to sell, < 0 still to buy.
    expected_cost, variance : float
        E, currency; V, currency squared.
    risk_aversion : float
        The lambda (1/currency) whose optimum this is.
    """

    trades: Array
    holdings: Array
    expected_cost: float
    variance: float
    risk_aversion: float

    def __post_init__(self) -> None:
        """Make the arrays read-only: an oracle that can be edited is none."""
        self.trades.setflags(write=False)
        self.holdings.setflags(write=False)

    @property
    def objective(self) -> float:
        """E + lambda V, currency."""
        return self.expected_cost + self.risk_aversion * self.variance


@dataclass(frozen=True, eq=False)
class GridPowerLaw:
    """Execution of one stock over N intervals at a cost of c |v|^(1+b) per unit of time, and risk.

    The optimum minimises E + lambda V over x_0 = X, .., x_N = 0, with u_k = x_k - x_{k-1}:

        E = sum_k tau_k c_k |u_k / tau_k|^(1+b),       V = sum_{k<N} sigma_k^2 tau_k x_k^2

    Its marginal costs p_k = (1+b) c_k |u_k / tau_k|^b obey p_k = p_{k+1} + 2 lambda sigma_k^2 tau_k |x_k|, and trades
    keep one sign. So the last marginal cost gives the last trade, that the holding before it, that the marginal cost
    before it, and so on: a recursion backwards in which all is positive and nothing cancels. It is run in logarithms,
    since tails of exponent > 1 fall doubly exponentially; the order it ends in rises with the p_N it starts from, and
    a root finder makes it X. A step of Newton's method on the first-order conditions then removes what the rounding of
    p_N left, which is more than 1e-12 of X where b is small.

    Parameters
    ----------
    initial : float
        X, shares: > 0 to sell, < 0 to buy.
    durations : (N,) array
        tau_k > 0, time.
    coefficient : float or (N,) array
        c_k > 0, currency/time per (share/time)^(1+b).
    exponent : float
        b > 0: 1 is linear impact, 1/2 the square root law, 3/5 Almgren et al.'s.
    volatility : float or (N,) array
        sigma_k >= 0, currency/share/time^1/2.

    Raises
    ------
    DataError
        If a number or a shape is out of its range.

    References
    ----------
    Almgren (2003), "Optimal execution with nonlinear impact functions and trading-enhanced risk", Applied Mathematical
    Finance 10, here in discrete time.
    """

    initial: float
    durations: Array
    coefficient: float | Array
    exponent: float
    volatility: float | Array = 0.0

    def __post_init__(self) -> None:
        """Check and convert every field."""
        owner = type(self).__name__
        object.__setattr__(self, "initial", number(owner, "initial", self.initial))
        object.__setattr__(self, "exponent", number(owner, "exponent", self.exponent, above=0))
        durations = array(owner, "durations", self.durations, (-1,), above=0)
        object.__setattr__(self, "durations", durations)
        coefficient = _each(self.coefficient, durations.shape)
        object.__setattr__(self, "coefficient", array(owner, "coefficient", coefficient, durations.shape, above=0))
        volatility = _each(self.volatility, durations.shape)
        object.__setattr__(self, "volatility", array(owner, "volatility", volatility, durations.shape, least=0))

    def optimum(self, risk_aversion: float) -> GridOptimum:
        """Return the minimiser of E + lambda V, its trades within 1e-14 of X.

        Parameters
        ----------
        risk_aversion : float
            lambda >= 0, 1/currency.

        Raises
        ------
        DataError
            If `risk_aversion` is negative or not finite.
        SolverError
            If Newton's method does not settle: coefficients beyond the range of doubles.
        """
        aversion = number("GridPowerLaw", "risk_aversion", risk_aversion, least=0)
        shares = np.zeros(self.durations.size)
        if self.initial:
            # In units of X and of the largest marginal cost of X, so that 1e2 and 1e9 shares are the same numbers.
            charge = np.log1p(self.exponent) + np.log(self.coefficient)
            charge += self.exponent * (math.log(abs(self.initial)) - np.log(self.durations))
            risk = 2 * aversion * np.asarray(self.volatility) ** 2 * self.durations
            risk *= abs(self.initial) / math.exp(charge.max())
            charge -= charge.max()
            shares = _polished(_shot(charge, risk, self.exponent), charge, risk, self.exponent)
        return self.price(-self.initial * shares, aversion)

    def price(self, trades: ArrayLike, risk_aversion: float = 0.0) -> GridOptimum:
        """Return any trades (N,), which must sum to -X within 1e-9, with E and V summed as they are defined."""
        aversion = number("GridPowerLaw.price", "risk_aversion", risk_aversion, least=0)
        given = array("GridPowerLaw.price", "trades", trades, self.durations.shape)
        if abs(given.sum() + self.initial) > 1e-9 * abs(self.initial):
            raise DataError(
                f"GridPowerLaw.price: trades must sum to -initial = {-self.initial:g}; got the sum {given.sum():g}"
            )
        holdings = np.append(-np.cumsum(given[::-1])[::-1], 0.0)  # small holdings from small trades
        cost = self.durations * self.coefficient * np.abs(given / self.durations) ** (1 + self.exponent)
        variance = np.asarray(self.volatility)[:-1] ** 2 * self.durations[:-1] * holdings[1:-1] ** 2
        return GridOptimum(given, holdings, float(cost.sum()), float(variance.sum()), aversion)


def least_power_impact(
    initial: float, durations: ArrayLike, coefficients: ArrayLike, exponent: float
) -> tuple[Array, float]:
    """Return the trades of least power-law impact when its coefficient varies and risk does not count, and their cost.

    The minimiser of sum_k tau_k c_k |u_k / tau_k|^(1+b) over sum_k u_k = -X:

        u_k = -X tau_k c_k^(-1/b) / A,    cost |X|^(1+b) / A^b,    A = sum_j tau_j c_j^(-1/b)

    Parameters
    ----------
    initial : float
        X, shares: > 0 to sell, < 0 to buy.
    durations : (N,) array
        tau_k > 0, time.
    coefficients : (N,) array
        c_k > 0, currency/time per (share/time)^(1+b).
    exponent : float
        b > 0.

    Returns
    -------
    trades : (N,) array
        u_k, shares: buys +, sells -.
    cost : float
        Currency.

    Raises
    ------
    DataError
        If the shapes differ, or a number is not finite or not positive.
    """
    owner = "least_power_impact"
    order, power = number(owner, "initial", initial), number(owner, "exponent", exponent, above=0)
    tau = array(owner, "durations", durations, (-1,), above=0)
    charge = array(owner, "coefficients", coefficients, tau.shape, above=0)
    least = float(charge.min())
    liquidity = tau * (least / charge) ** (1 / power)  # at most tau, for the least power too
    total = float(liquidity.sum())
    return -order * liquidity / total, least * abs(order) * (abs(order) / total) ** power


def _each(value: float | ArrayLike, shape: tuple[int, ...]) -> ArrayLike:
    """Return a number once for each interval, and any other value as it is, to be judged by its shape."""
    return np.full(shape, value) if np.ndim(value) == 0 else value


def _shot(charge: Array, risk: Array, power: float) -> Array:
    """Return the fractions of the order (N,) that the recursion backwards from the right last marginal cost gives.

    Marginal costs are e^charge_k u_k^power, and rise backwards by risk_k x_k.
    """
    slopes = [math.log(each) if each > 0 else -math.inf for each in risk]

    def backwards(log_cost: float) -> list[float]:
        held, trades = -math.inf, []
        for level, slope in zip(reversed(charge), [*reversed(slopes[:-1]), -math.inf], strict=True):
            trades.append((log_cost - level) / power)
            held = _log_sum(held, trades[-1])
            if held > 100:  # far beyond the order, where logarithms too would overflow
                break
            log_cost = _log_sum(log_cost, slope + held)
        return [*trades, held]

    high = -power * float(logsumexp(-charge / power))  # without risk all marginal costs are this
    low, step = high, 1.0
    while backwards(low)[-1] > 0:
        low, step = low - step, 2 * step
    root = brentq(lambda log_cost: backwards(log_cost)[-1], low, high, xtol=1e-16) if low < high else high
    *trades, held = backwards(float(root))
    return np.exp(np.array(trades[::-1]) - held)


def _polished(trades: Array, charge: Array, risk: Array, power: float) -> Array:
    """Return where sum_k e^charge_k u_k^(1+power) / (1+power) + risk_k x_k^2 / 2 is least, very near `trades`.

    Newton's method in the holdings x_1 .. x_{N-1}; from where it starts it needs one step, or none.
    """
    if trades.size == 1:
        return np.ones(1)
    weight, last = np.exp(charge), math.inf
    for _ in range(20):
        marginal = weight * trades**power
        with np.errstate(divide="ignore"):
            curvature = np.clip(power * weight * trades ** (power - 1), 1e-250, 1e250)  # at a trade of 0 too
        change = _newton(curvature, risk, marginal[:-1] - marginal[1:] - risk[:-1] * _held(trades))
        size = float(np.abs(change).max())
        if size <= 1e-16 or (size < 1e-11 and size > last / 2):
            return trades
        trades, last = trades + change, size
    raise SolverError(f"GridPowerLaw: Newton's method did not settle; its last step moved {last:g} of the order")


def _newton(curvature: Array, risk: Array, slope: Array) -> Array:
    """Return how trades (N,) change in a Newton step of the holdings, the downward slopes of which (N-1,) are given.

    Gaussian elimination in the tridiagonal Hessian, arranged as springs in series, so that no pivot and no change is a
    difference of large numbers: curvatures of small trades may be 1e20 times those of large ones.
    """
    stiff, pulls, spring, pull = [], [], curvature[0], 0.0
    for here, following, held in zip(slope, curvature[1:], risk[:-1], strict=True):
        stiff.append(held + spring)
        pulls.append(here + pull)
        spring = following * stiff[-1] / (stiff[-1] + following)
        pull = following * pulls[-1] / (stiff[-1] + following)
    moved, changes = 0.0, []
    for own, force, following in zip(reversed(stiff), reversed(pulls), curvature[:0:-1], strict=True):
        changes.append((force - own * moved) / (own + following))
        moved += changes[-1]
    return np.array([-moved, *reversed(changes)])


def _held(trades: Array) -> Array:
    """Return x_1 .. x_{N-1}: what later trades sum to."""
    return np.cumsum(trades[:0:-1])[::-1]


def _log_sum(first: float, second: float) -> float:
    """Return log(e^first + e^second)."""
    large, small = max(first, second), min(first, second)
    return large + math.log1p(math.exp(small - large)) if small > -math.inf else large

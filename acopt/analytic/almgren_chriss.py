"""Almgren and Chriss' optimal execution of one stock, in discrete and in continuous time, in closed form.

The truth the optimiser is judged by: NumPy and SciPy only, nothing shared with what it judges. Even grids only:
an uneven one has no sinh form. Baskets are in `almgren_chriss_basket`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from acopt.analytic._arguments import Array, array, count, number
from acopt.analytic._hyperbolic import decay, decay_rate, discrete_urgency, even_grid, lift, lift_rate
from acopt.analytic.mean_variance import Frontier, MeanVariance, Trajectory
from acopt.errors import DataError

__all__ = ["AlmgrenChriss", "ContinuousAlmgrenChriss", "Frontier", "Trajectory", "least_impact"]


@dataclass(frozen=True)
class AlmgrenChriss(MeanVariance):
    """Execution of one stock over N equal intervals tau = T/N, with linear impact and a constant volatility.

    The optimum minimises E + lambda V over x_0 = X, x_1 .. x_{N-1}, x_N = 0, with u_k = x_k - x_{k-1}:

        E = gamma X^2 / 2 + eps sum |u_k| + (eta~ / tau) sum u_k^2 - drift tau sum x_k,   eta~ = eta - gamma tau / 2
        V = sigma^2 tau sum x_k^2                                                         (sums over k = 1 .. N)

    Where trades keep one sign the spread is the constant eps |X|, and the first-order condition is linear:

        (x_{k+1} - 2 x_k + x_{k-1}) / tau^2 = kappa~^2 (x_k - xbar),   kappa~^2 = lambda sigma^2 / eta~
        cosh(kappa tau) = 1 + kappa~^2 tau^2 / 2,                      xbar = drift / (2 lambda sigma^2)
        x(t) = X sinh(kappa (T - t)) / sinh(kappa T)
               + xbar [1 - (sinh(kappa (T - t)) + sinh(kappa t)) / sinh(kappa T)]

    The second line of x tends to drift t (T - t) / (4 eta~) as lambda -> 0; neither line is evaluated in a form that
    overflows or cancels. A strong drift makes trades change sign: the closed form then ignores the spread's kink, is
    not optimal if eps > 0 (it is still priced with eps sum |u|), and `Trajectory.is_monotone` is False.

    Parameters
    ----------
    initial : float
        X, shares: > 0 to sell, < 0 to buy.
    horizon : float
        T > 0, in any unit of time; the others use the same.
    periods : int
        N >= 1.
    volatility : float
        sigma >= 0, standard deviation of price changes, currency/share/time^1/2.
    temporary : float
        eta > gamma tau / 2, currency/share per share/time.
    permanent : float
        gamma >= 0, currency/share per share.
    half_spread : float
        eps >= 0, currency/share.
    drift : float
        Expected price change, currency/share/time; > 0 makes a seller wait.

    Raises
    ------
    DataError
        If a number is out of its range, or if eta~ <= 0; then the message says how many periods would do.

    References
    ----------
    Almgren and Chriss (2000), "Optimal execution of portfolio transactions", Journal of Risk 3: the sections on the
    efficient frontier of optimal execution, on the half-life, and on drift.
    """

    initial: float
    horizon: float
    periods: int
    volatility: float
    temporary: float
    permanent: float = 0.0
    half_spread: float = 0.0
    drift: float = 0.0

    def __post_init__(self) -> None:
        """Check and convert every field."""
        object.__setattr__(self, "periods", count("AlmgrenChriss", "periods", self.periods))
        _convert(self)
        bound = self.permanent * self.horizon / (2 * self.temporary) * (1 + 1e-12)  # nor is rounding an eta~
        if self.periods <= bound:
            raise DataError(
                f"AlmgrenChriss: temporary - permanent * tau / 2 must be > 0; got {self.net_temporary:g} "
                f"with temporary = {self.temporary:g}, permanent = {self.permanent:g}, tau = {self.duration:g}. "
                f"At least {math.floor(bound) + 1} periods would do"
            )

    @property
    def duration(self) -> float:
        """Length of an interval, tau = T / N."""
        return self.horizon / self.periods

    @property
    def net_temporary(self) -> float:
        """eta~ = eta - gamma tau / 2, currency/share per share/time: what the sum of squared trades costs."""
        return self.temporary - self.permanent * self.duration / 2

    @property
    def continuous(self) -> ContinuousAlmgrenChriss:
        """The same stock traded continuously: the limit of N -> infinity.

        Holdings converge at O(tau^2) if gamma = 0, else at O(tau), as eta~ does; so does V, a sum over right ends.
        """
        return ContinuousAlmgrenChriss(**{f.name: getattr(self, f.name) for f in fields(ContinuousAlmgrenChriss)})

    def kappa(self, risk_aversion: float) -> float:
        """Return the urgency kappa = (2/tau) asinh(kappa~ tau / 2), 1/time: the cosh relation by half angles."""
        return 2 / self.duration * math.asinh(self._half_step(risk_aversion))

    def half_life(self, risk_aversion: float) -> float:
        """Return Almgren and Chriss' half-life 1/kappa, time: on a long horizon 1/e is left by then (inf for TWAP)."""
        kappa = self.kappa(risk_aversion)
        return 1 / kappa if kappa else math.inf

    def optimum(self, risk_aversion: float) -> Trajectory:
        """Return the minimiser of E + lambda V (see the class), with its price.

        Trades are computed apart from holdings, not as their differences, so that without drift the last and least of
        them has full relative accuracy.

        Parameters
        ----------
        risk_aversion : float
            lambda >= 0, 1/currency; 0 gives TWAP (plus the drift's parabola), inf the block trade.

        Raises
        ------
        DataError
            If `risk_aversion` is negative or NaN.
        """
        elapsed, left, before, after = even_grid(self.horizon, self.periods)
        kappa, ratio = discrete_urgency(self._half_step(risk_aversion), self.duration)
        pull = self.drift / (2 * self.net_temporary)
        holdings = self.initial * decay(kappa, elapsed, left, self.horizon)
        holdings += pull * ratio**2 * lift(kappa, elapsed, left, self.horizon)
        rates = pull * ratio * lift_rate(kappa, before, after, self.horizon)
        rates -= self.initial * decay_rate(kappa, elapsed[:-1], after, self.horizon, self.duration)
        return self._price(holdings, rates * self.duration, float(risk_aversion))

    def price(self, holdings: ArrayLike) -> Trajectory:
        """Return E and V of any trajectory.

        Parameters
        ----------
        holdings : (N+1,) array
            x_0 .. x_N, shares; x_0 must be `initial` to 1e-9. Where x_N != 0, E's first term is gamma (X - x_N)^2 / 2.

        Raises
        ------
        DataError
            If the shape, a number or x_0 is wrong.
        """
        path = array("AlmgrenChriss.price", "holdings", holdings, (self.periods + 1,))
        if abs(path[0] - self.initial) > 1e-9 * abs(self.initial):
            raise DataError(f"AlmgrenChriss.price: holdings[0] must be initial = {self.initial:g}; got {path[0]:g}")
        return self._price(path, np.diff(path))

    def _half_step(self, risk_aversion: float) -> float:
        """Return kappa~ tau / 2; without volatility 0, for lambda = inf too."""
        aversion = number("AlmgrenChriss", "risk_aversion", risk_aversion, least=0, infinite=True)
        if self.volatility == 0:
            return 0.0
        return math.sqrt(aversion) * self.volatility / math.sqrt(self.net_temporary) * self.duration / 2

    def _price(self, holdings: Array, trades: Array, risk_aversion: float | None = None) -> Trajectory:
        """Sum the definitions of E and V; every term but the drift's is positive, so nothing cancels."""
        tau, after = self.duration, holdings[1:]
        cost = self.permanent / 2 * float(holdings[0] - holdings[-1]) ** 2
        cost += self.half_spread * float(np.abs(trades).sum()) + self.net_temporary / tau * float(trades @ trades)
        cost -= self.drift * tau * float(after.sum())
        variance = self.volatility**2 * tau * float(after @ after)
        times = even_grid(self.horizon, self.periods)[0]
        return Trajectory(times, holdings, trades, cost, variance, risk_aversion)


@dataclass(frozen=True)
class ContinuousAlmgrenChriss:
    """Execution of one stock in continuous time: the limit of `AlmgrenChriss`, with its parameters, except `periods`.

    The optimum minimises E + lambda V over paths from x(0) = X to x(T) = 0, with v = dx/dt (buys +):

        E = gamma X^2 / 2 + eps int |v| + eta int v^2 - drift int x,       V = sigma^2 int x^2
        kappa = sqrt(lambda sigma^2 / eta),      x(t) as in `AlmgrenChriss` with this kappa

    Without drift v(0) = -X kappa coth(kappa T).

    The block trade has no continuous form: lambda must be finite.

    Raises
    ------
    DataError
        If a number is out of its range.

    References
    ----------
    Almgren and Chriss (2000), section 2; Almgren (2003), "Optimal execution with nonlinear impact functions and
    trading-enhanced risk", section 2.
    """

    initial: float
    horizon: float
    volatility: float
    temporary: float
    permanent: float = 0.0
    half_spread: float = 0.0
    drift: float = 0.0

    def __post_init__(self) -> None:
        """Check and convert every field."""
        _convert(self)

    def kappa(self, risk_aversion: float) -> float:
        """Return kappa = sqrt(lambda sigma^2 / eta), 1/time."""
        aversion = number("ContinuousAlmgrenChriss", "risk_aversion", risk_aversion, least=0)
        return math.sqrt(aversion) * self.volatility / math.sqrt(self.temporary)

    def half_life(self, risk_aversion: float) -> float:
        """Return 1/kappa, time; inf at kappa = 0."""
        kappa = self.kappa(risk_aversion)
        return 1 / kappa if kappa else math.inf

    def holdings(self, risk_aversion: float, times: ArrayLike) -> Array:
        """Return x(t), shares, at times (m,) in [0, T]."""
        return self._holdings(self.kappa(risk_aversion), *self._split(times))

    def rates(self, risk_aversion: float, times: ArrayLike) -> Array:
        """Return v(t) = dx/dt, shares/time (buys +), at times (m,) in [0, T]."""
        return self._rates(self.kappa(risk_aversion), *self._split(times))

    def expected_cost(self, risk_aversion: float) -> float:
        """Return E of the optimum, currency.

        Without drift, with a = kappa T: gamma X^2/2 + eps |X| + (eta X^2 / T) [a coth a + a^2 / sinh^2 a] / 2.
        """
        kappa = self.kappa(risk_aversion)
        weights, elapsed, left = self._quadrature(kappa)
        holdings, rates = self._holdings(kappa, elapsed, left), self._rates(kappa, elapsed, left)
        cost = self.permanent / 2 * self.initial**2 + self.half_spread * self._turnover(risk_aversion)
        return cost + float(weights @ (self.temporary * rates**2 - self.drift * holdings))

    def variance(self, risk_aversion: float) -> float:
        """Return V of the optimum, currency squared.

        Without drift, with a = kappa T: sigma^2 X^2 T [sinh(2a)/2 - a] / (2 a sinh^2 a).
        """
        kappa = self.kappa(risk_aversion)
        weights, elapsed, left = self._quadrature(kappa)
        return self.volatility**2 * float(weights @ self._holdings(kappa, elapsed, left) ** 2)

    def objective(self, risk_aversion: float) -> float:
        """Return E + lambda V of the optimum, currency.

        Without drift: gamma X^2/2 + eps |X| + eta X^2 kappa coth(kappa T).
        """
        return self.expected_cost(risk_aversion) + risk_aversion * self.variance(risk_aversion)

    def is_monotone(self, risk_aversion: float) -> bool:
        """Return whether v keeps one sign, without which the closed form ignores the spread's kink."""
        first, last = self.rates(risk_aversion, [0.0, self.horizon])
        return bool(first * last >= 0)

    def _split(self, times: ArrayLike) -> tuple[Array, Array]:
        """Return t and T - t, or raise where t is outside [0, T]."""
        elapsed = array("ContinuousAlmgrenChriss", "times", np.atleast_1d(times), (-1,))
        outside = elapsed[(elapsed < 0) | (elapsed > self.horizon)]
        if outside.size:
            raise DataError(f"ContinuousAlmgrenChriss: times must lie in [0, {self.horizon:g}]; got {outside[0]:g}")
        return elapsed, self.horizon - elapsed

    def _holdings(self, kappa: float, elapsed: Array, left: Array) -> Array:
        pull = self.drift / (2 * self.temporary)
        shift = pull * lift(kappa, elapsed, left, self.horizon)
        return self.initial * decay(kappa, elapsed, left, self.horizon) + shift

    def _rates(self, kappa: float, elapsed: Array, left: Array) -> Array:
        pull = self.drift / (2 * self.temporary)
        shift = pull * lift_rate(kappa, elapsed, left, self.horizon)
        return shift - self.initial * decay_rate(kappa, elapsed, left, self.horizon)

    def _turnover(self, risk_aversion: float) -> float:
        """Return int |v|: v, a sum of two exponentials, changes sign at most once."""
        if self.is_monotone(risk_aversion):
            return abs(self.initial)
        turn = brentq(lambda t: float(self.rates(risk_aversion, t)[0]), 0.0, self.horizon)
        extreme = float(self.holdings(risk_aversion, float(turn))[0])
        return abs(self.initial - extreme) + abs(extreme)

    def _quadrature(self, kappa: float) -> tuple[Array, Array, Array]:
        """Return weights, t and T - t of a rule exact to rounding for products of two exponentials e^(+-kappa t).

        The integrals of E and V have elementary forms, but these cancel: V's error grows as 1/(kappa T)^2, the drift's
        as 1/(kappa T)^4. A sum with positive weights does not. Gauss-Legendre converges geometrically on entire
        functions; panels double in width inwards from both ends, from about 1/kappa, to resolve both layers.
        """
        doublings = math.ceil(math.log2(max(2.0, kappa * self.horizon)))
        edges = np.concatenate([[0.0], self.horizon * 2.0 ** np.arange(-doublings, 0)])
        nodes, weights = np.polynomial.legendre.leggauss(32)
        start, width = edges[:-1, None], np.diff(edges)[:, None]
        near = (start + width * (nodes + 1) / 2).ravel()
        each = (width * weights / 2).ravel()
        far = self.horizon - near
        return np.tile(each, 2), np.concatenate([near, far]), np.concatenate([far, near])


def least_impact(initial: float, durations: ArrayLike, temporary: ArrayLike) -> tuple[Array, float]:
    """Return the trades of least temporary impact when eta varies over time and risk does not count, and their cost.

    The minimiser of sum_k eta_k u_k^2 / tau_k over sum_k u_k = -X:

        u_k = -X (tau_k / eta_k) / sum_j (tau_j / eta_j),        cost X^2 / sum_j (tau_j / eta_j)

    With eta_k / tau_k inverse to expected volume this is VWAP; with constant eta, TWAP.

    Parameters
    ----------
    initial : float
        X, shares: > 0 to sell, < 0 to buy.
    durations : (N,) array
        tau_k > 0, time; they need not be equal.
    temporary : (N,) array
        eta_k > 0, currency/share per share/time.

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
    order = number("least_impact", "initial", initial)
    tau = array("least_impact", "durations", durations, (-1,), above=0)
    eta = array("least_impact", "temporary", temporary, tau.shape, above=0)
    liquidity = tau / eta
    return -order * liquidity / liquidity.sum(), order**2 / float(liquidity.sum())


def _convert(model: AlmgrenChriss | ContinuousAlmgrenChriss) -> None:
    """Check every field but `periods`, and replace it by a float."""
    positive, signed = {"horizon", "temporary"}, {"initial", "drift"}
    for name in (f.name for f in fields(model) if f.name != "periods"):
        above = 0.0 if name in positive else -math.inf
        least = -math.inf if name in signed else 0.0
        value = number(type(model).__name__, name, getattr(model, name), above=above, least=least)
        object.__setattr__(model, name, value)

"""Almgren and Chriss' optimal execution of a basket, by simultaneous diagonalisation of risk and impact."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import eigh

from acopt.analytic._arguments import Array, array, count, number, symmetric
from acopt.analytic._hyperbolic import decay, decay_rate, discrete_urgency, even_grid, lift, lift_rate
from acopt.analytic.mean_variance import MeanVariance, Trajectory
from acopt.errors import DataError

__all__ = ["AlmgrenChrissBasket"]


@dataclass(frozen=True, eq=False)
class AlmgrenChrissBasket(MeanVariance):
    """Execution of n stocks over N equal intervals tau = T/N, with linear (cross-)impact and a constant covariance.

    The optimum minimises E + lambda V over x_0 = X, x_1 .. x_{N-1}, x_N = 0 in R^n, with u_k = x_k - x_{k-1}:

        E = X' Gamma X / 2 + sum eps' |u_k| + sum u_k' H~ u_k / tau - tau sum drift' x_k,   H~ = H - tau Gamma / 2
        V = tau sum x_k' C x_k                                                              (sums over k = 1 .. N)

    C and H~ need not commute. Almgren and Chriss diagonalise A = lambda H~^-1/2 C H~^-1/2 = U diag(kappa~^2) U'; with
    M = H~^-1/2 U that is the generalised eigenproblem lambda C M = H~ M diag(kappa~^2), M' H~ M = I, solved as such:

        cosh(kappa_i tau) = 1 + kappa~_i^2 tau^2 / 2,     x(t) = M y(t),     y(0) = M' H~ X
        y_i(t) = y_i(0) sinh(kappa_i (T - t)) / sinh(kappa_i T), and the drift's term of `AlmgrenChriss` with
                 M' drift for drift and 1 for eta~

    It ignores the spread's kink: where a stock is both bought and sold (a hedge is; `Trajectory.is_monotone` is False),
    the optimum with a spread is another, and cheaper than this one priced with it.

    Parameters
    ----------
    initial : (n,) array
        X, shares: > 0 to sell, < 0 to buy.
    horizon : float
        T > 0, in any unit of time; the others use the same.
    periods : int
        N >= 1.
    covariance : (n, n) array
        C, positive semidefinite covariance of price changes, (currency/share)^2/time.
    temporary : (n,) or (n, n) array
        Diagonal of H, or H, symmetric; currency/share per share/time. H~ must be positive definite.
    permanent : (n,) or (n, n) array, or 0.0
        Diagonal of Gamma, or Gamma, symmetric (else a round trip earns); currency/share per share. 0.0: none.
    half_spread : (n,) array, or 0.0
        eps >= 0, currency/share. 0.0: none.
    drift : (n,) array, or 0.0
        Expected price change, currency/share/time. 0.0: none.

    Raises
    ------
    DataError
        If a shape or number is wrong, C, H or Gamma is not symmetric, C is not positive semidefinite, or H or H~ is not
        positive definite; for H~ the message says how many periods would do.

    References
    ----------
    Almgren and Chriss (2000), "Optimal execution of portfolio transactions", Journal of Risk 3, appendix on
    multiple-security portfolios. Huberman and Stanzl (2004), "Price manipulation and quasi-arbitrage", on symmetry.
    """

    initial: Array
    horizon: float
    periods: int
    covariance: Array
    temporary: Array
    permanent: Array | float = 0.0
    half_spread: Array | float = 0.0
    drift: Array | float = 0.0
    net_temporary: Array = field(init=False, repr=False)
    _eigenvalues: Array = field(init=False, repr=False)
    _modes: Array = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check and convert every field, then diagonalise."""
        owner = "AlmgrenChrissBasket"
        order = array(owner, "initial", self.initial, (-1,))
        n = order.size
        fields = {
            "initial": order,
            "horizon": number(owner, "horizon", self.horizon, above=0),
            "periods": count(owner, "periods", self.periods),
            "covariance": _covariance(owner, self.covariance, n),
            "temporary": _matrix(owner, "temporary", self.temporary, n),
            "permanent": _matrix(owner, "permanent", _or_zeros(self.permanent, n), n),
            "half_spread": array(owner, "half_spread", _or_zeros(self.half_spread, n), (n,), least=0.0),
            "drift": array(owner, "drift", _or_zeros(self.drift, n), (n,)),
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)
        net = _net_temporary(owner, self.temporary, np.asarray(self.permanent), self.horizon, self.periods)
        values, modes = eigh(self.covariance, net)
        object.__setattr__(self, "net_temporary", net)
        object.__setattr__(self, "_eigenvalues", np.clip(values, 0, None))
        object.__setattr__(self, "_modes", modes)

    @property
    def duration(self) -> float:
        """Length of an interval, tau = T / N."""
        return self.horizon / self.periods

    def kappa(self, risk_aversion: float) -> Array:
        """Return the urgencies kappa_i of the n modes, ascending, (n,), 1/time; modes are portfolios, not stocks."""
        return 2 / self.duration * np.arcsinh(self._half_step(risk_aversion))

    def half_life(self, risk_aversion: float) -> Array:
        """Return 1/kappa_i of the n modes, descending, (n,), time; inf where kappa_i = 0."""
        kappa = self.kappa(risk_aversion)
        return np.divide(1.0, kappa, out=np.full_like(kappa, math.inf), where=kappa > 0)

    def optimum(self, risk_aversion: float) -> Trajectory:
        """Return the minimiser of E + lambda V (see the class), with its price.

        Parameters
        ----------
        risk_aversion : float
            lambda >= 0, 1/currency; 0 gives TWAP (plus the drift's parabola), inf the block trade of all that has risk.

        Raises
        ------
        DataError
            If `risk_aversion` is negative or NaN.
        """
        elapsed, left, before, after = (each[:, None] for each in even_grid(self.horizon, self.periods))
        kappa, ratio = discrete_urgency(self._half_step(risk_aversion), self.duration)
        start, pull = self._modes.T @ (self.net_temporary @ self.initial), self._modes.T @ np.asarray(self.drift) / 2
        holdings = start * decay(kappa, elapsed, left, self.horizon)
        holdings += pull * ratio**2 * lift(kappa, elapsed, left, self.horizon)
        rates = pull * ratio * lift_rate(kappa, before, after, self.horizon)
        rates -= start * decay_rate(kappa, elapsed[:-1], after, self.horizon, self.duration)
        path = holdings @ self._modes.T
        path[0] = self.initial
        return self._price(path, rates @ self._modes.T * self.duration, float(risk_aversion))

    def price(self, holdings: ArrayLike) -> Trajectory:
        """Return E and V of any trajectory.

        Parameters
        ----------
        holdings : (N+1, n) array
            x_0 .. x_N, shares; x_0 must be `initial` to 1e-9. Where S = X - x_N != X, E's first term is S' Gamma S / 2.

        Raises
        ------
        DataError
            If the shape, a number or x_0 is wrong.
        """
        path = array("AlmgrenChrissBasket.price", "holdings", holdings, (self.periods + 1, self.initial.size))
        wrong = np.flatnonzero(np.abs(path[0] - self.initial) > 1e-9 * np.abs(self.initial))
        if wrong.size:
            i = int(wrong[0])
            raise DataError(
                f"AlmgrenChrissBasket.price: holdings[0, {i}] must be initial = {self.initial[i]:g}; got {path[0, i]:g}"
            )
        return self._price(path, np.diff(path, axis=0))

    def _half_step(self, risk_aversion: float) -> Array:
        """Return kappa~_i tau / 2, (n,); where a mode has no risk 0, for lambda = inf too."""
        aversion = number("AlmgrenChrissBasket", "risk_aversion", risk_aversion, least=0, infinite=True)
        risky = self._eigenvalues > 0
        steps = np.zeros_like(self._eigenvalues)
        steps[risky] = math.sqrt(aversion) * np.sqrt(self._eigenvalues[risky]) * self.duration / 2
        return steps

    def _price(self, holdings: Array, trades: Array, risk_aversion: float | None = None) -> Trajectory:
        """Sum the definitions of E and V."""
        tau, after, done = self.duration, holdings[1:], holdings[0] - holdings[-1]
        cost = float(done @ np.asarray(self.permanent) @ done) / 2
        cost += float((np.abs(trades) @ np.asarray(self.half_spread)).sum())
        cost += float(np.sum(trades @ self.net_temporary * trades)) / tau - tau * float((after @ self.drift).sum())
        variance = tau * float(np.sum(after @ self.covariance * after))
        times = even_grid(self.horizon, self.periods)[0]
        return Trajectory(times, holdings, trades, cost, max(variance, 0.0), risk_aversion)


def _or_zeros(value: Array | float, size: int) -> ArrayLike:
    """Return zeros, (size,), for the default 0.0, and any other value as it is, to be judged by its shape."""
    return np.zeros(size) if np.ndim(value) == 0 and value == 0 else value


def _matrix(owner: str, name: str, value: ArrayLike, size: int) -> Array:
    """Return a symmetric (size, size) matrix, given as such or as its diagonal (size,)."""
    if np.ndim(value) == 1:
        return symmetric(owner, name, np.diag(array(owner, name, value, (size,))), size)
    return symmetric(owner, name, value, size)


def _covariance(owner: str, value: ArrayLike, size: int) -> Array:
    """Return a covariance, positive semidefinite to 1e-10 as a correlation, so that units of price do not matter."""
    matrix = symmetric(owner, "covariance", value, size)
    variances = np.diag(matrix)
    if variances.min() < 0:
        raise DataError(
            f"{owner}: covariance must have variances >= 0; got {variances.min():g} at {variances.argmin()}"
        )
    scale = 1 / np.sqrt(np.where(variances > 0, variances, 1.0))
    lowest = float(eigh(matrix * scale[:, None] * scale, eigvals_only=True)[0])
    if lowest < -1e-10:
        raise DataError(
            f"{owner}: covariance must be positive semidefinite; its correlation matrix has the eigenvalue {lowest:g}"
        )
    return matrix


def _net_temporary(owner: str, temporary: Array, permanent: Array, horizon: float, periods: int) -> Array:
    """Return H~ = H - tau Gamma / 2, or raise where it is not positive definite."""
    diagonal = np.diag(temporary)
    if diagonal.min() <= 0:
        raise DataError(f"{owner}: temporary must have a diagonal > 0; got {diagonal.min():g} at {diagonal.argmin()}")
    scale = 1 / np.sqrt(diagonal)
    unit = temporary * scale[:, None] * scale
    lowest = float(eigh(unit, eigvals_only=True)[0])
    if lowest <= 1e-14:
        raise DataError(
            f"{owner}: temporary must be positive definite; scaled to a unit diagonal it has the eigenvalue {lowest:g}"
        )
    # H - tau Gamma / 2 > 0 if and only if tau times the largest eigenvalue of Gamma against H is below 2.
    steepest = float(eigh(permanent * scale[:, None] * scale, unit, eigvals_only=True)[-1])
    bound = steepest * horizon / 2 * (1 + 1e-12)  # nor is rounding a positive eigenvalue
    if periods <= bound:
        raise DataError(
            f"{owner}: temporary - permanent * tau / 2 must be positive definite; got tau = {horizon / periods:g}, "
            f"which must be below {2 / steepest:g}. At least {math.floor(bound) + 1} periods would do"
        )
    net = temporary - permanent * (horizon / periods / 2)
    net.setflags(write=False)
    return net

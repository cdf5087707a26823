"""Prices and signals that revert: their laws, and the policy that answers them in continuous time, in closed form.

The truth that policies are judged by: NumPy and SciPy only, nothing shared with what it judges. On a grid the policy is
that of `linear_quadratic`, with the gain and the decay from here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import exprel

from acopt.analytic._arguments import Array, array, number
from acopt.errors import DataError

__all__ = ["ContinuousFeedback", "reverting_covariance", "reverting_price", "reverting_signal"]


@dataclass(frozen=True)
class ContinuousFeedback:
    """One stock traded continuously, whose price has a drift I that reverts to zero.

    The optimum minimises E int_0^T [eta v^2 + lambda sigma^2 x^2 - I x] dt with v = dx/dt, x(T) = 0 and
    dI = -theta I dt + noise. With s = T - t and kappa = sqrt(lambda sigma^2 / eta),

        v = -kappa coth(kappa s) x + I / (2 eta) int_0^s e^{-theta (s-r)} sinh(kappa r) / sinh(kappa s) dr

    From V = A x^2 - B x I - C(I) in the Hamilton-Jacobi-Bellman equation: A' = A^2/eta - lambda sigma^2 gives
    A = eta kappa coth(kappa s), B' = B (theta + A/eta) - 1 the integral, v = -(2 A x - B I) / (2 eta). The first part
    is Almgren and Chriss'; the second buys what is expected to rise, the less, the sooner the order or the drift ends.
    A PRICE that reverts, dS = theta (m - S) dt + sigma dW, is the case I = theta (m - S).

    Parameters
    ----------
    horizon : float
        T > 0, in any unit of time; the others use the same.
    volatility : float
        sigma >= 0, currency/share/time^1/2.
    temporary : float
        eta > 0, currency/share per share/time.
    rate : float
        theta > 0, 1/time.

    Raises
    ------
    DataError
        If a number is out of its range.

    References
    ----------
    Cartea and Jaimungal (2016), "Incorporating order-flow into optimal execution", Mathematics and Financial Economics
    10; Lehalle and Neuman (2019), "Incorporating signals into optimal trading", Finance and Stochastics 23, section on
    instantaneous impact. Derived here for x(T) = 0.
    """

    horizon: float
    volatility: float
    temporary: float
    rate: float

    def __post_init__(self) -> None:
        """Check and convert every field."""
        for name in (f.name for f in fields(self)):
            above = -math.inf if name == "volatility" else 0.0
            found = number("ContinuousFeedback", name, getattr(self, name), above=above, least=0.0)
            object.__setattr__(self, name, found)

    def trading_rate(self, risk_aversion: float, time: float, remaining: ArrayLike, signal: ArrayLike) -> Array:
        """Return v, shares/time (buys +), at t in [0, T) for x (shares) and I (currency/share/time), arrays alike."""
        held, answered = self.gains(risk_aversion, time)
        return np.asarray(answered * np.asarray(signal, float) - held * np.asarray(remaining, float))

    def gains(self, risk_aversion: float, time: float) -> tuple[float, float]:
        """Return kappa coth(kappa s), 1/time, and the weight of I in v, shares^2 time/currency; s = T - t.

        With e[..] for divided differences of the exponential, the integral is s e[0, -2 kappa s, -(kappa + theta) s] /
        e[0, -2 kappa s]: nothing overflows, and neither kappa = 0 nor kappa = theta is a special case.
        """
        owner = "ContinuousFeedback"
        aversion = number(owner, "risk_aversion", risk_aversion, least=0)
        start = number(owner, "time", time, least=0)
        left = self.horizon - start
        if left <= 0:
            raise DataError(f"{owner}: time must be below the horizon {self.horizon:g}; got {time!r}")
        kappa = math.sqrt(aversion) * self.volatility / math.sqrt(self.temporary)
        twice = -2 * kappa * left
        flat = float(exprel(twice))
        integral = left * _divided_exponential(twice, -(kappa + self.rate) * left) / flat
        return (1 + math.exp(twice)) / (2 * left * flat), integral / (2 * self.temporary)


def reverting_signal(rate: float, durations: ArrayLike) -> tuple[Array, Array]:
    """Return gain and decay, (N,), of a drift that reverts: dS = I dt + sigma dW, dI = -theta I dt + noise.

        decay_k = phi_k = e^{-theta tau_k},     gain_k = (1 - phi_k) / theta

    Parameters
    ----------
    rate : float
        theta > 0, 1/time.
    durations : (N,) array
        tau_k >= 0, time.

    Raises
    ------
    DataError
        If `rate` is not positive, or a duration is negative.
    """
    gain, decay = reverting_price(rate, durations)
    return gain / float(rate), decay


def reverting_price(rate: float, durations: ArrayLike) -> tuple[Array, Array]:
    """Return gain and decay, (N,), of a price that reverts, dS = theta (m - S) dt + sigma dW; the signal is m - S.

        decay_k = phi_k = e^{-theta tau_k},     gain_k = 1 - phi_k

    Parameters and errors are those of `reverting_signal`.
    """
    theta = number("mean reversion", "rate", rate, above=0)
    tau = array("mean reversion", "durations", durations, (-1,), least=0)
    return -np.expm1(-theta * tau), np.exp(-theta * tau)


def reverting_covariance(rate: float, volatility: float, times: ArrayLike) -> Array:
    """Return the covariances (m, m) of a price that reverts, at times (m,) since it was known, (currency/share)^2.

        Cov(S_i, S_j) = sigma^2 / (2 theta) (e^{-theta |t_i - t_j|} - e^{-theta (t_i + t_j)})
                      = sigma^2 e^{-theta |t_i - t_j|} (1 - e^{-2 theta min(t_i, t_j)}) / (2 theta)

    A schedule u that trades at these prices has a cost of variance u' Cov u, not sigma^2 sum tau x^2.
    """
    theta = number("reverting_covariance", "rate", rate, above=0)
    sigma = number("reverting_covariance", "volatility", volatility, least=0)
    t = array("reverting_covariance", "times", times, (-1,), least=0)
    apart, first = np.abs(t[:, None] - t), np.minimum(t[:, None], t)
    return np.asarray(-(sigma**2) * np.exp(-theta * apart) * np.expm1(-2 * theta * first) / (2 * theta))


def _divided_exponential(first: float, second: float) -> float:
    """Return the divided difference e[0, a, b] of the exponential for a, b <= 0, to rounding.

    Apart, it is the difference of e[0, q] and e[q, r], r the lowest, which parts by a third at least where r < -1;
    near, the power series about the lowest node, all of whose terms are positive.
    """
    lowest, middle = min(first, second), max(first, second)
    if lowest < -1:
        inner = math.exp(middle) * float(exprel(lowest - middle))
        return (float(exprel(middle)) - inner) / -lowest
    reach, offset = -lowest, middle - lowest
    total, homogeneous, power = 0.0, 1.0, 1.0
    for n in range(20):
        total += homogeneous / math.factorial(n + 2)
        power *= reach
        homogeneous = homogeneous * offset + power
    return math.exp(lowest) * total

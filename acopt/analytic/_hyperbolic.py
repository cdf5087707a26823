"""The two modes of Almgren and Chriss' trajectories, accurate from kappa T = 0, itself included, to any kappa T.

Every trajectory of a linear-impact, constant-volatility model is X decay(t) + (drift / (2 eta)) lift(t):

    decay(t) = sinh(kappa (T - t)) / sinh(kappa T)
    lift(t)  = [1 - (sinh(kappa (T - t)) + sinh(kappa t)) / sinh(kappa T)] / kappa^2

Written so, both overflow beyond kappa T = 710, and at kappa = 0 both are 0/0. With exprel(z) = (e^z - 1)/z, which
SciPy evaluates to rounding for every z, sinh(z) = z e^z exprel(-2 z): powers of kappa cancel on paper, no exponent is
positive, and no function value is the difference of two. TWAP (kappa = 0) and the block need no branch.

`elapsed` is t and `left` is T - t: both are given, so that T - t is not formed by subtraction. All arguments broadcast.
"""

from __future__ import annotations

import numpy as np
from scipy.special import exprel

from acopt.analytic._arguments import Array

__all__ = ["decay", "decay_rate", "discrete_urgency", "even_grid", "lift", "lift_rate"]


def even_grid(horizon: float, periods: int) -> tuple[Array, Array, Array, Array]:
    """Return t and T - t at the N+1 edges (0 and T are exact), then at the N midpoints."""
    edges, middles = np.arange(periods + 1.0) / periods, np.arange(0.5, periods) / periods
    return horizon * edges, horizon * edges[::-1], horizon * middles, horizon * middles[::-1]


def discrete_urgency(half_step: float | Array, duration: float) -> tuple[Array, Array]:
    """Return kappa (1/time) and kappa / kappa~, given kappa~ tau / 2 = sinh(kappa tau / 2).

    The ratio r is all that parts discrete from continuous time: with this kappa and eta~, holdings are X decay +
    (drift / 2 eta~) r^2 lift. A difference of lift over tau is lift_rate / r at the midpoint.
    The clip lets 0 and inf through, as TWAP and the block.
    """
    clipped = np.clip(half_step, 1e-300, 1e300)
    angle = np.arcsinh(clipped)
    return 2 * angle / duration, angle / clipped


def decay(kappa: float | Array, elapsed: Array, left: Array, horizon: float) -> Array:
    """Return sinh(kappa left) / sinh(kappa horizon): 1 at the start, 0 at the end."""
    ratio = _exprel(-2 * kappa * left) / _exprel(-2 * kappa * horizon)
    return _exp(-kappa * elapsed) * (left / horizon) * ratio


def decay_rate(
    kappa: float | Array, elapsed: Array, left: Array, horizon: float, duration: float | Array = 0.0
) -> Array:
    """Return the mean of -d decay / dt over an interval, positive, per unit of time.

    Where `elapsed` is its start and `left` runs from its middle to the end, a difference of sinh being a product,

        [decay(t) - decay(t + tau)] / tau = [sinh(kappa tau/2) / (tau/2)] cosh(kappa left) / sinh(kappa horizon)

    and without `duration` the derivative, kappa cosh(kappa left) / sinh(kappa horizon).
    """
    twice_sinh = 2 * horizon * _exprel(-2 * kappa * horizon)  # over kappa e^(kappa horizon)
    growth = _exp(-kappa * elapsed) * (1 + _exp(-2 * kappa * left)) / twice_sinh
    return growth * _exprel(-kappa * duration)


def lift(kappa: float | Array, elapsed: Array, left: Array, horizon: float) -> Array:
    """Return [1 - cosh(kappa (T/2 - t)) / cosh(kappa T/2)] / kappa^2, which tends to t (T - t) / 2; time squared.

    Equal to the form with two sinh above; a difference of cosh is a product of sinh, hence of `exprel`.
    """
    product = elapsed * _exprel(-kappa * elapsed) * left * _exprel(-kappa * left)
    return product / (1 + _exp(-kappa * horizon))


def lift_rate(kappa: float | Array, elapsed: Array, left: Array, horizon: float) -> Array:
    """Return d lift / dt = sinh(kappa (T/2 - t)) / (kappa cosh(kappa T/2)), which tends to T/2 - t; time."""
    ahead = left - elapsed
    product = ahead * _exprel(-kappa * np.abs(ahead)) * _exp(-kappa * np.minimum(elapsed, left))
    return product / (1 + _exp(-kappa * horizon))


def _exp(exponent: float | Array) -> Array:
    """Return e^z, typed as an array for a number too."""
    return np.asarray(np.exp(exponent), dtype=np.float64)


def _exprel(exponent: float | Array) -> Array:
    """Return (e^z - 1) / z, 1 at z = 0."""
    return np.asarray(exprel(exponent), dtype=np.float64)

"""Optimal execution when temporary impact is a power of the trading rate, in continuous time; and a known estimate.

The truth the optimiser is judged by: NumPy and SciPy only, nothing shared with what it judges. The optimum minimises
E + lambda V over paths from x(0) = X to x(T) = 0, with v = dx/dt (buys +):

    E = eta int |v|^(k+1) dt,       V = sigma^2 int x^2 dt

Grids are in `power_law_grid`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from acopt.analytic._arguments import Array, array, number
from acopt.analytic._power_clock import area, clock, log_cosh, log_sinh, rule, slow_logarithm
from acopt.analytic.power_law_grid import GridOptimum, GridPowerLaw, least_power_impact
from acopt.errors import DataError

__all__ = [
    "EndlessPowerLaw",
    "GridOptimum",
    "GridPowerLaw",
    "ImpactEstimate",
    "PowerLaw",
    "almgren_et_al_2005",
    "least_power_impact",
]


@dataclass(frozen=True)
class EndlessPowerLaw:
    """Execution of one stock without a deadline, at impact eta |v|^k: Almgren's closed form.

        T* = (k eta |X|^(k-1) / (lambda sigma^2))^(1/(k+1)),        x(t) = X (1 + m t / T*)^(-1/m),   m = (1-k)/(1+k)
        E = (k+1)/(3k+1) eta |X| (|X| / T*)^k,                      lambda V = k E

    which is X exp(-t / T*) at k = 1. For k > 1 all is done at T* (k+1)/(k-1); for k <= 1 never. T* is the time it
    would take at the initial speed.

    Parameters
    ----------
    initial : float
        X, shares, not 0: > 0 to sell, < 0 to buy.
    volatility : float
        sigma > 0, currency/share/time^1/2.
    temporary : float
        eta > 0, currency/share per (share/time)^k.
    exponent : float
        k > 0.
    risk_aversion : float
        lambda > 0, 1/currency; without risk nobody hurries.

    Raises
    ------
    DataError
        If a number is out of its range.

    References
    ----------
    Almgren (2003), "Optimal execution with nonlinear impact functions and trading-enhanced risk", Applied Mathematical
    Finance 10: the section on power-law cost functions.
    """

    initial: float
    volatility: float
    temporary: float
    exponent: float
    risk_aversion: float

    def __post_init__(self) -> None:
        """Check and convert every field."""
        _convert(self, positive={"volatility", "temporary", "exponent", "risk_aversion"})
        if self.initial == 0:
            raise DataError("EndlessPowerLaw: initial must not be 0; a zero order has no T*")

    @property
    def characteristic_time(self) -> float:
        """T*, time."""
        return math.exp(_log_characteristic_time(self))

    @property
    def end(self) -> float:
        """When all is done, time: T* (k+1)/(k-1) for k > 1, else inf."""
        return -self.characteristic_time / self._bend if self._bend < 0 else math.inf

    @property
    def expected_cost(self) -> float:
        """E, currency."""
        k, size = self.exponent, abs(self.initial)
        return float((k + 1) / (3 * k + 1) * self.temporary * size * (size / self.characteristic_time) ** k)

    @property
    def variance(self) -> float:
        """V, currency squared: (k+1)/(3k+1) sigma^2 X^2 T*."""
        k = self.exponent
        return (k + 1) / (3 * k + 1) * self.volatility**2 * self.initial**2 * self.characteristic_time

    @property
    def objective(self) -> float:
        """E + lambda V = (k+1) E, currency."""
        return self.expected_cost + self.risk_aversion * self.variance

    def holdings(self, times: ArrayLike) -> Array:
        """Return x(t), shares, at times (m,) >= 0."""
        elapsed = array("EndlessPowerLaw.holdings", "times", np.atleast_1d(times), (-1,), least=0)
        return self.initial * np.exp(-slow_logarithm(self._bend, elapsed / self.characteristic_time))

    def rates(self, times: ArrayLike) -> Array:
        """Return v(t) = dx/dt = -(X / T*) |x / X|^(2/(k+1)), shares/time (buys +), at times (m,) >= 0."""
        left = self.holdings(times) / self.initial
        return -self.initial / self.characteristic_time * left ** (2 / (self.exponent + 1))

    @property
    def _bend(self) -> float:
        return (1 - self.exponent) / (1 + self.exponent)


@dataclass(frozen=True)
class PowerLaw:
    """Execution of one stock by a deadline, at impact eta |v|^k, by quadrature of the first integral.

    Along the optimum k eta |v|^(k+1) - lambda sigma^2 x^2 is a constant, and >= 0. With it written as
    lambda sigma^2 X^2 / sinh^2 W, and x(t) = X sinh w(t) / sinh W, time becomes an integral of w, for every k:

        T - t = T F(w) / F(W),    F(w) = int_0^w cosh^-m,    m = (1-k)/(1+k),    |v| = |v(T)| cosh(w)^(2/(k+1))
        (T / T*)  =  sinh(W)^m F(W)                                       (T* of `EndlessPowerLaw`)

    The last line is solved for W, the urgency; at k = 1 it reads W = kappa T, and x is Almgren and Chriss' sinh. W = 0
    is the straight line. For k > 1 and T >= T* (k+1)/(k-1), W is infinite: all is done before the deadline.

        |v(0)| = (|X| / T) g,     g = F(W) cosh(W)^m / tanh(W)
        E = eta |X| |v(0)|^k [1 + 2q g / cosh(W)^2] / (1 + 2q),      q = k/(k+1)

    Relative errors are of the order of 1e-15 max(1, W) in x, and 1e-13 in E and V.

    Parameters
    ----------
    initial : float
        X, shares: > 0 to sell, < 0 to buy.
    horizon : float
        T > 0, time.
    volatility : float
        sigma >= 0, currency/share/time^1/2.
    temporary : float
        eta > 0, currency/share per (share/time)^k.
    exponent : float
        k > 0.
    risk_aversion : float
        lambda >= 0, 1/currency.

    Raises
    ------
    DataError
        If a number is out of its range.

    References
    ----------
    Almgren (2003), "Optimal execution with nonlinear impact functions and trading-enhanced risk", Applied Mathematical
    Finance 10, for the program and its first integral.
    """

    initial: float
    horizon: float
    volatility: float
    temporary: float
    exponent: float
    risk_aversion: float

    def __post_init__(self) -> None:
        """Check and convert every field."""
        _convert(self, positive={"horizon", "temporary", "exponent"})

    @property
    def expected_cost(self) -> float:
        """E, currency."""
        if self._rests:
            return self._endless.expected_cost
        k = self.exponent
        share = k / (k + 1)
        late = 2 * share * self._growth * math.exp(-2 * float(log_cosh(self.urgency)))
        return float(self.temporary * abs(self.initial) * self._first_speed**k * (1 + late) / (1 + 2 * share))

    @property
    def variance(self) -> float:
        """V = sigma^2 X^2 (|X| / |v(0)|) int_0^1 y^2 (sech^2 W + y^2 tanh^2 W)^(-1/(k+1)) dy, currency squared."""
        if self.initial == 0:
            return 0.0
        if self._rests:
            return self._endless.variance
        edges = np.concatenate([[0.0], 2.0 ** np.arange(-60, 1)])  # finer towards 0, where the bracket may vanish
        y, weights = rule(edges[:-1], edges[1:])
        bracket = math.exp(-2 * float(log_cosh(self.urgency))) + (y * math.tanh(self.urgency)) ** 2
        integral = float((weights * y**2 * bracket ** (-1 / (self.exponent + 1))).sum())
        return self.volatility**2 * self.initial**2 * abs(self.initial) / self._first_speed * integral

    @property
    def objective(self) -> float:
        """E + lambda V, currency."""
        return self.expected_cost + self.risk_aversion * self.variance

    def holdings(self, times: ArrayLike) -> Array:
        """Return x(t), shares, at times (m,) in [0, T]."""
        elapsed = self._split(times)
        if self._rests:
            return self._endless.holdings(elapsed)
        if self.urgency == 0:
            return self.initial * (1 - elapsed / self.horizon)
        now, late = self._clock(elapsed), np.expm1(-2 * self.urgency)
        return np.asarray(self.initial * np.exp(now - self.urgency) * np.expm1(-2 * now) / late)

    def rates(self, times: ArrayLike) -> Array:
        """Return v(t) = dx/dt, shares/time (buys +), at times (m,) in [0, T]."""
        elapsed = self._split(times)
        if self._rests:
            return self._endless.rates(elapsed)
        slowing = (log_cosh(self._clock(elapsed)) - log_cosh(self.urgency)) * 2 / (self.exponent + 1)
        return np.asarray(-math.copysign(self._first_speed, self.initial) * np.exp(slowing))

    @cached_property
    def urgency(self) -> float:
        """W: kappa T at k = 1; 0 for a straight line, inf where all is done before the deadline."""
        risk = self.risk_aversion * self.volatility**2
        if risk == 0 or self.initial == 0:
            return 0.0
        wanted = math.log(self.horizon) - _log_characteristic_time(self)
        if self._bend < 0 and wanted >= -math.log(-self._bend):
            return math.inf

        def gap(log_urgency: float) -> float:
            guess = math.exp(log_urgency)
            return self._bend * log_sinh(guess) + math.log(area(self._bend, guess)) - wanted

        low = high = wanted / (1 + self._bend)  # as W -> 0, T / T* -> W^(1+m)
        if low < math.log(1e-150):
            return 0.0
        while gap(low) > 0:
            low -= 1.0
        while gap(high) < 0:
            if self._bend < 0 and math.exp(high) > -40 / self._bend:  # T / T* is within 1e-17 of its limit -1/m
                return math.inf
            high += 1.0
        return math.exp(brentq(gap, low, high, xtol=1e-15, rtol=4 * np.finfo(float).eps) if low < high else low)

    @property
    def _bend(self) -> float:
        return (1 - self.exponent) / (1 + self.exponent)

    @property
    def _rests(self) -> bool:
        return math.isinf(self.urgency)

    @property
    def _endless(self) -> EndlessPowerLaw:
        return EndlessPowerLaw(**{f.name: getattr(self, f.name) for f in fields(EndlessPowerLaw)})

    @cached_property
    def _growth(self) -> float:
        """g: the initial speed, in units of the mean speed."""
        if self.urgency == 0:
            return 1.0
        steep = area(self._bend, self.urgency) * math.exp(self._bend * float(log_cosh(self.urgency)))
        return steep / math.tanh(self.urgency)

    @property
    def _first_speed(self) -> float:
        """|v(0)|, shares/time."""
        return abs(self.initial) / self.horizon * self._growth

    def _clock(self, elapsed: Array) -> Array:
        """Return w at times t."""
        return clock(self._bend, self.urgency, elapsed / self.horizon)

    def _split(self, times: ArrayLike) -> Array:
        """Return t, or raise where it is outside [0, T]."""
        elapsed = array("PowerLaw", "times", np.atleast_1d(times), (-1,))
        outside = elapsed[(elapsed < 0) | (elapsed > self.horizon)]
        if outside.size:
            raise DataError(f"PowerLaw: times must lie in [0, {self.horizon:g}]; got {outside[0]:g}")
        return elapsed


class ImpactEstimate(NamedTuple):
    """Almgren et al.'s forecast for one order, each in the unit of the volatility: I, K and J = I/2 + K."""

    permanent: float
    temporary: float
    cost: float


def almgren_et_al_2005(
    initial: float,
    daily_volume: float,
    shares_outstanding: float,
    volatility: float,
    duration: float,
    *,
    gamma: float = 0.314,
    eta: float = 0.142,
) -> ImpactEstimate:
    """Return the permanent impact, the temporary impact and the cost of an order traded at a constant rate.

        I = gamma sigma (|X|/V) (Theta/V)^(1/4),    K = eta sigma (|X| / (V T))^(3/5),    J = I/2 + K

    Only half of the permanent impact is paid: the order pushes the price while it trades. All three are against the
    trader when positive, for buys and sells alike.

    Parameters
    ----------
    initial : float
        X, shares, of either sign.
    daily_volume : float
        V > 0, shares/day.
    shares_outstanding : float
        Theta > 0, shares.
    volatility : float
        sigma >= 0, of daily returns, in any unit: 157 (bps) gives bps.
    duration : float
        T > 0, days of trading.
    gamma, eta : float
        The paper's universal coefficients.

    Raises
    ------
    DataError
        If a number is out of its range.

    References
    ----------
    Almgren, Thum, Hauptmann and Li (2005), "Direct estimation of equity market impact", Risk 18, section 4.
    """
    owner = "almgren_et_al_2005"
    volume = number(owner, "daily_volume", daily_volume, above=0)
    issued = number(owner, "shares_outstanding", shares_outstanding, above=0)
    sigma = number(owner, "volatility", volatility, least=0)
    time = number(owner, "duration", duration, above=0)
    days = abs(number(owner, "initial", initial)) / volume
    permanent = number(owner, "gamma", gamma, least=0) * sigma * days * (issued / volume) ** 0.25
    temporary = number(owner, "eta", eta, least=0) * sigma * (days / time) ** 0.6
    return ImpactEstimate(permanent, temporary, permanent / 2 + temporary)


def _convert(model: EndlessPowerLaw | PowerLaw, positive: set[str]) -> None:
    """Check every field, and replace it by a float."""
    for name in (f.name for f in fields(model)):
        above = 0.0 if name in positive else -math.inf
        least = -math.inf if name == "initial" else 0.0
        value = number(type(model).__name__, name, getattr(model, name), above=above, least=least)
        object.__setattr__(model, name, value)


def _log_characteristic_time(model: EndlessPowerLaw | PowerLaw) -> float:
    """Return log T*, whatever the sizes of its factors."""
    k = model.exponent
    impact = math.log(k) + math.log(model.temporary) + (k - 1) * math.log(abs(model.initial))
    return (impact - math.log(model.risk_aversion) - 2 * math.log(model.volatility)) / (k + 1)

"""How the price comes back after a trade: decay kernels, of the time since the trade."""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from acopt.errors import DataError
from acopt.market.clock import number
from acopt.market.intervals import Intervals
from acopt.market.labels import LARGEST, Array, short

__all__ = ["ExponentialDecay", "Kernel", "LinearDecay", "PowerLawDecay"]

ON_THE_CLOCK = (str, dt.timedelta, np.timedelta64)
"""How a time may be stated that only a grid can turn into a number."""


class Kernel(ABC):
    """
    Base of the decay kernels: G(t), what is left at time t of an impact that was 1 when it was made.

    All that are here are convex and decreasing, hence positive definite on every grid.

    References
    ----------
    Gatheral, Schied & Slynko (2012), "Transient linear price impact and Fredholm integral equations".
    """

    def on(self, grid: Intervals) -> Self:
        """
        Return the kernel with times stated as text in the grid's unit.

        Raises
        ------
        DataError
            A text that is no length of time, or a length of zero.
        """
        return self

    @abstractmethod
    def __call__(self, time: Array) -> Array:
        """G at times >= 0 in the grid's unit, of any shape."""


@dataclass(frozen=True, kw_only=True)
class ExponentialDecay(Kernel):
    """
    Impact that decays at a constant rate.

    G(t) = exp(-rate t) = 2^(-t / half_life)

    Parameters
    ----------
    half_life : time after which half is left: a number in the grid's unit, or text such as "30min".
    rate : >= 0, per unit of time, instead; 0 never decays.

    Raises
    ------
    DataError
        Neither or both are given, or one is out of range.

    References
    ----------
    Obizhaeva & Wang (2013), section 4.
    """

    half_life: Any = None
    rate: float | None = None

    def __post_init__(self) -> None:
        if (self.half_life is None) == (self.rate is None):
            raise DataError("ExponentialDecay: give either half_life= (a time, such as '30min') or rate=")
        if self.rate is not None:
            _check("ExponentialDecay rate", self.rate, positive=False)
        elif not isinstance(self.half_life, ON_THE_CLOCK):
            _check("ExponentialDecay half_life", self.half_life, positive=True)

    def on(self, grid: Intervals) -> Self:
        """Return the kernel with its half-life in the grid's unit."""
        if self.rate is not None:
            return self
        return replace(self, half_life=_length("ExponentialDecay half_life", self.half_life, grid))

    @property
    def decay(self) -> float:
        """The rate, per unit of time, whichever way it was given."""
        return self.rate if self.rate is not None else float(np.log(2.0) / _number(self.half_life, "half_life"))

    def __call__(self, time: Array) -> Array:
        """exp(-rate t)."""
        return np.asarray(np.exp(-self.decay * np.asarray(time, dtype=float)))


@dataclass(frozen=True)
class PowerLawDecay(Kernel):
    """
    Impact with a long memory.

    G(t) = (1 + t / scale)^-exponent

    Parameters
    ----------
    exponent : > 0.
    scale : time after which 2^-exponent is left: a number in the grid's unit, or text such as "5min".

    Raises
    ------
    DataError
        A number is out of range.

    References
    ----------
    Gatheral (2010), "No-dynamic-arbitrage and market impact"; Bouchaud et al. (2004) for the law.
    """

    exponent: float
    scale: Any

    def __post_init__(self) -> None:
        _check("PowerLawDecay exponent", self.exponent, positive=True)
        if not isinstance(self.scale, ON_THE_CLOCK):
            _check("PowerLawDecay scale", self.scale, positive=True)

    def on(self, grid: Intervals) -> Self:
        """Return the kernel with its scale in the grid's unit."""
        return replace(self, scale=_length("PowerLawDecay scale", self.scale, grid))

    def __call__(self, time: Array) -> Array:
        """(1 + t / scale)^-exponent."""
        return np.asarray((1.0 + np.asarray(time, dtype=float) / _number(self.scale, "scale")) ** -self.exponent)


@dataclass(frozen=True)
class LinearDecay(Kernel):
    """
    Impact that is gone after a time 1 / rate.

    G(t) = max(1 - rate t, 0)

    Parameters
    ----------
    rate : >= 0, per unit of time.

    Raises
    ------
    DataError
        The rate is out of range.

    References
    ----------
    Gatheral, Schied & Slynko (2012), section 3.
    """

    rate: float

    def __post_init__(self) -> None:
        _check("LinearDecay rate", self.rate, positive=False)

    def __call__(self, time: Array) -> Array:
        """max(1 - rate t, 0)."""
        return np.asarray(np.maximum(1.0 - self.rate * np.asarray(time, dtype=float), 0.0))


def _check(what: str, value: Any, *, positive: bool) -> None:
    size = number(value)
    if size is None or not 0 <= size <= LARGEST or (positive and size < 1 / LARGEST):
        raise DataError(f"{what}={short(value)}: a number {'>' if positive else '>='} 0 is expected")


def _length(what: str, value: Any, grid: Intervals) -> float:
    length = grid.duration(value)
    if length <= 0:
        raise DataError(f"{what}={value!r}: a time > 0 is expected")
    return length


def _number(value: Any, what: str) -> float:
    if isinstance(value, ON_THE_CLOCK):
        raise DataError(f"the kernel's {what} {value!r} needs a grid to be read on: kernel.on(grid)")
    return float(value)

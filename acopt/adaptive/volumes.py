"""How much comes, and how rough it gets: the market's volume and volatility on simulated days."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from acopt.errors import DataError
from acopt.market.clock import number
from acopt.market.labels import Array, Data, numbers, short
from acopt.model.setting import Setting

WIDEST = 10.0
"""Largest deviation of the log of a volatility: a factor of twenty thousand."""


@dataclass(frozen=True, eq=False)
class StochasticVolume:
    """
    Volumes scattered about the expected ones: log-normal, each with its expected mean.

    V_ki = E V_ki exp(d_i D_i - d_i^2 / 2) exp(s_ki Y_ki - s_ki^2 / 2),  D_i, Y_ki ~ N(0, 1);
    Corr(Y_ki, Y_ji) = 2^{-|m_k - m_j| / half_life}, m the middles of the intervals

    Assets' factors are independent of each other, but for what `StochasticVolatility` shares among them.

    Parameters
    ----------
    interval : s, standard deviation of the log of an interval's factor, >= 0: scalar, by asset, by interval, or both.
    day : d, that of the factor of a whole day, >= 0: scalar or by asset.
    half_life : a time ("30min") or a number in the grid's unit, > 0; None draws every interval's factor by itself.

    Raises
    ------
    DataError
        A negative deviation, a half-life that is not positive.

    References
    ----------
    Bialkowski, Darolles & Le Fol (2008) for a day's common part beside an autoregressive one.
    """

    interval: Data = 0.3
    day: Data = 0.0
    half_life: Any = None

    def __post_init__(self) -> None:
        """Check that numbers are numbers; what has labels is judged with them."""
        for name in ("interval", "day"):
            demand_numbers(getattr(self, name), f"StochasticVolume {name}")
        demand_time(self.half_life, "StochasticVolume half_life")

    def deviations(self, setting: Setting) -> tuple[Array, Array]:
        """Return s (N, n) and d (n,)."""
        deviation = setting.coefficient(self.interval, "StochasticVolume interval", sign="nonnegative")
        daily = setting.per_asset(self.day, "StochasticVolume day", sign="nonnegative")
        for name, found in (("interval", deviation), ("day", daily)):
            if found.max() > WIDEST:
                raise DataError(f"StochasticVolume {name} is {found.max():g}; at most {WIDEST:g} is expected")
        return deviation, daily

    def factors(self, setting: Setting, n_paths: int, rng: np.random.Generator, shared: Shocks | None = None) -> Array:
        """
        Draw V / E V (n_paths, N, n).

        Parameters
        ----------
        shared : the volatility's shocks and their correlation with these.
        """
        n, m = setting.shape
        own, of_day = rng.spawn(2)
        deviation, daily = self.deviations(setting)
        shocks, whole = own.standard_normal((n_paths, n, m)), of_day.standard_normal((n_paths, 1, m))
        if shared is not None:
            shocks = shared.mixed_into(shocks, shared.interval)
            whole = shared.mixed_into(whole, shared.day)
        steady = autoregressive(shocks, kept(setting, self.half_life, "StochasticVolume half_life"))
        return np.exp(deviation * steady + daily * whole - 0.5 * (deviation**2 + daily**2))

    def __repr__(self) -> str:
        """Numbers as they are, tables by their least and their most."""
        found = {name: _range(getattr(self, name)) for name in ("interval", "day")}
        if not any(found.values()):
            return f"StochasticVolume(interval={self.interval!r}, day={self.day!r}, half_life={self.half_life!r})"
        shown = ", ".join(f"{name} {text or getattr(self, name)}" for name, text in found.items())
        half_life = f"{self.half_life:.4g}" if isinstance(self.half_life, float) else str(self.half_life)
        return f"StochasticVolume({shown}, half_life {half_life})"


@dataclass(frozen=True, eq=False)
class StochasticVolatility:
    """
    A volatility scattered about the expected one: log-normal, its square with mean one, common to all assets.

    scale_k = exp(d D - d^2) exp(s Y_k - s^2),  D, Y_k ~ N(0, 1); E[scale_k^2] = 1;
    Corr(Y_k, Y_j) = 2^{-|m_k - m_j| / half_life}, m the middles of the intervals

    Parameters
    ----------
    interval, day, half_life : numbers as in `StochasticVolume`, of the log of the volatility.
    correlation : of the shocks to D and Y with those to every asset's volume, from -1 to 1. With the same half-lives
        it is that of the logs of the factors.

    Raises
    ------
    DataError
        A negative deviation, a half-life that is not positive, a correlation outside [-1, 1].
    """

    interval: float = 0.3
    day: float = 0.0
    half_life: Any = None
    correlation: float = 0.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name, low, high, what in (
            ("interval", 0.0, WIDEST, f"a number from 0 to {WIDEST:g}"),
            ("day", 0.0, WIDEST, f"a number from 0 to {WIDEST:g}"),
            ("correlation", -1.0, 1.0, "a number from -1 to 1"),
        ):
            given = getattr(self, name)
            value = numbers(given, f"StochasticVolatility {name}")
            if value.ndim or not low <= value <= high:
                raise DataError(f"StochasticVolatility {name}={short(given)}: {what} is expected")
            object.__setattr__(self, name, float(value))
        demand_time(self.half_life, "StochasticVolatility half_life")

    def shocks(self, setting: Setting, n_paths: int, rng: np.random.Generator) -> Shocks:
        """Draw what is new in every interval, and in the day."""
        own, of_day = rng.spawn(2)
        drawn = own.standard_normal((n_paths, setting.shape[0], 1)), of_day.standard_normal((n_paths, 1, 1))
        return Shocks(*drawn, self.correlation)

    def scale(self, setting: Setting, shocks: Shocks) -> Array:
        """Return the volatility's multipliers (n_paths, N)."""
        steady = autoregressive(shocks.interval, kept(setting, self.half_life, "StochasticVolatility half_life"))
        logs = self.interval * steady + self.day * shocks.day - self.interval**2 - self.day**2
        return np.asarray(np.exp(logs)[:, :, 0])


@dataclass(frozen=True, eq=False)
class Shocks:
    """Shocks to the volatility, (paths, N, 1) and (paths, 1, 1), and their correlation with those to volumes."""

    interval: Array
    day: Array
    correlation: float

    def mixed_into(self, others: Array, own: Array) -> Array:
        """Return unit shocks of which `own` is a part."""
        return np.asarray(self.correlation * own + np.sqrt(1.0 - self.correlation**2) * others)


def autoregressive(shocks: Array, kept: Array) -> Array:
    """y_k = kept_k y_{k-1} + sqrt(1 - kept_k^2) z_k, y_0 = z_0, from unit shocks (paths, N, n); kept (N,)."""
    if not kept.any():
        return shocks
    out, fresh = np.empty_like(shocks), np.sqrt(1.0 - kept**2)
    out[:, 0] = shocks[:, 0]
    for k in range(1, len(kept)):
        out[:, k] = kept[k] * out[:, k - 1] + fresh[k] * shocks[:, k]
    return out


def kept(setting: Setting, half_life: Any, what: str) -> Array:
    """Part of a factor that is left from the middle of one interval to that of the next (N,); the first is 0."""
    out = np.zeros(setting.shape[0])
    if half_life is None:
        return out
    value = time_above_zero(setting, half_life, what)
    edges = np.asarray(setting.grid.edges)
    out[1:] = np.exp2(-np.diff(0.5 * (edges[1:] + edges[:-1])) / value)
    return out


def demand_numbers(value: Any, what: str) -> None:
    """Demand numbers and no text; labels and signs are judged when the assets are known."""
    if isinstance(value, str):
        raise DataError(f"{what}={short(value)}: a number is expected, and no text")
    _cells(value, what)


def demand_time(value: Any, what: str) -> None:
    """Demand a plain number above 0; text is read on the grid, when it is known."""
    found = number(value)
    if found is not None and not found > 0:
        raise DataError(f"{what}={short(value)}: a time > 0 is expected")


def time_above_zero(setting: Setting, value: Any, what: str) -> float:
    """Return a time in the grid's unit, which must be above 0."""
    found = setting.grid.duration(value)
    if not found > 0:
        raise DataError(f"{what}={short(value)}: a time > 0 is expected")
    return found


def _range(value: Data) -> str:
    """Least to most of a table; empty for a plain number."""
    array = _cells(value, "StochasticVolume")
    if not array.ndim or not array.size:
        return ""
    least, most = f"{array.min():.4g}", f"{array.max():.4g}"
    return least if least == most else f"{least}..{most}"


def _cells(value: Data, what: str) -> Array:
    return numbers(pd.Series(dict(value), dtype=object) if isinstance(value, Mapping) else value, what)

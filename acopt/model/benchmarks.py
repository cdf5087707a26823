"""Benchmark paths: how an order is worked by the clock, by the market's volume, or at the close."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields

import numpy as np

from acopt.errors import ModelError
from acopt.market.clock import TimeLike
from acopt.market.labels import Array
from acopt.model.setting import Mask, Setting


class Benchmark(ABC):
    """
    Base of the benchmarks: each order is split over the intervals in proportion to weights.

    b_ki = X_i (1 - sum_{j<=k} w_ji / sum_j w_ji),  sums over intervals in which asset i can trade

    b are shares still to trade, > 0 to sell; w (N, n) >= 0 is all that a subclass states.
    """

    @abstractmethod
    def weights(self, setting: Setting) -> Array:
        """Weights w (N, n) >= 0, whether or not an asset can trade."""

    def path(self, setting: Setting) -> Array:
        """
        Return b_0..b_N (N+1, n), shares still to trade.

        Raises
        ------
        ModelError
            An asset with an order can trade in no interval that has weight.
        """
        passed = np.vstack([np.zeros(setting.shape[1]), np.cumsum(self._split(setting), axis=0)])
        left = 1.0 - passed / np.where(passed[-1] > 0, passed[-1], 1.0)
        return np.asarray(setting.remaining * left + 0.0)  # no -0.0

    def trades(self, setting: Setting) -> Array:
        """Return trades (N, n) in proportion to the weights, after a history of what is left; raises as `path`."""
        return spread_out(setting, self._split(setting))

    def _split(self, setting: Setting) -> Array:
        return where_tradable(setting, self.weights(setting), repr(self))

    def __repr__(self) -> str:
        """Return the call that makes it, defaults left out."""
        given = [(f.name, value) for f in fields(self) if (value := getattr(self, f.name)) is not None]  # type: ignore[arg-type]
        whole = len(given) == len(fields(self))  # type: ignore[arg-type]
        return f"{type(self).__name__}({', '.join(repr(v) if whole else f'{name}={v!r}' for name, v in given)})"


@dataclass(frozen=True, repr=False)
class TWAP(Benchmark):
    """
    The time-weighted average price of a window: worked at a constant rate.

    b = X before the window, falls in proportion to tau over the intervals in which the asset can trade, 0 after

    Parameters
    ----------
    start, end : the window, half open, on edges of the grid; the whole grid by default.

    Raises
    ------
    ModelError
        With a problem: an asset with an order has no tradable interval in the window.
    DataError
        With a problem: the window is outside the grid, empty, or off its edges.
    """

    start: TimeLike | None = None
    end: TimeLike | None = None

    def weights(self, setting: Setting) -> Array:
        """tau_k in the window."""
        return np.where(setting.grid.window((self.start, self.end))[:, None], setting.durations, 0.0)


@dataclass(frozen=True, repr=False)
class VWAP(Benchmark):
    """
    The volume-weighted average price of a window: worked in proportion to the market's expected volume.

    b = X before the window, falls in proportion to V_ki in it, 0 after

    Parameters
    ----------
    start, end : as in `TWAP`.

    Raises
    ------
    ModelError
        With a problem: the market has no volume, or an asset with an order has none in the window.
    DataError
        As in `TWAP`.

    References
    ----------
    Konishi (2002), "Optimal slice of a VWAP trade".
    """

    start: TimeLike | None = None
    end: TimeLike | None = None

    def weights(self, setting: Setting) -> Array:
        """V_ki in the window."""
        return np.where(setting.grid.window((self.start, self.end))[:, None], setting.market.volumes, 0.0)


@dataclass(frozen=True, repr=False)
class Close(Benchmark):
    """
    The closing price: everything in the last interval.

    b_k = X for k < N, b_N = 0

    Raises
    ------
    ModelError
        With a problem: an asset with an order cannot trade in the last interval.
    """

    def weights(self, setting: Setting) -> Array:
        """1 in the last interval."""
        weights = np.zeros(setting.shape)
        weights[-1] = 1.0
        return weights


def tradable(setting: Setting) -> Mask:
    """Cells (N, n) in which an asset can trade: not closed, and not without volume where volumes are known."""
    free = ~setting.forbidden if setting.forbidden.size else np.ones(setting.shape, dtype=bool)
    return np.asarray(free & (setting.market.volumes > 0) if setting.market.has_volume else free)


def where_tradable(setting: Setting, weights: Array, name: str) -> Array:
    """Weights (N, n) with zeros where an asset cannot trade; every asset with an order must have one left."""
    weights = np.where(tradable(setting), weights, 0.0)
    stuck = np.flatnonzero((setting.remaining != 0) & (weights.sum(axis=0) == 0))
    if len(stuck):
        raise ModelError(
            f"{name}: {setting.assets[int(stuck[0])]} has an order, but no interval in which it can trade "
            "(in the window, open, and with volume)"
        )
    return weights


def spread_out(setting: Setting, weights: Array) -> Array:
    """
    Trades (N, n) that split each order in proportion to weights >= 0; none where all of them are zero.

    After a history, it is what is left that is split, over what is left of the weights.
    """
    ahead = np.arange(len(weights))[:, None] >= setting.elapsed
    weights = np.where(ahead, weights, 0.0)
    total = weights.sum(axis=0)
    share = np.divide(weights, total, out=np.zeros(setting.shape), where=total > 0)
    return after_history(setting, 0.0 - share * setting.left)


def after_history(setting: Setting, trades: Array) -> Array:
    """Trades (N, n) with those of the history as they were."""
    return trades if setting.past is None else np.concatenate([setting.past, trades[setting.elapsed :]])

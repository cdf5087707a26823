"""What a term of the problem is given: the order and the market, aligned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from acopt.market.grid import TimeGrid
from acopt.market.labels import Array, Data, by_asset, by_interval_and_asset
from acopt.market.market import Market
from acopt.market.order import Order

Mask = npt.NDArray[np.bool_]
T = TypeVar("T")
ROUNDING = 1e-13
"""Part of what was traded that is the rounding of its sum."""
BOUNDS = "bounds"
"""What `once` calls the bounds of a rule, which do not apply in history."""


@dataclass(frozen=True)
class Setting:
    """
    One order in one market: every array in the order's assets and the grid's intervals.

    Attributes
    ----------
    order, market : the market holds exactly the order's assets, in the order's sequence.
    one_sided : (N, n), where a constraint keeps every trade in the order's direction.
    forbidden : (N, n), where nothing can trade (closed intervals, no volume).
    eta : (n,) mean temporary coefficient, currency*time/share^2, or None when there is no impact.
    complete : whether the order must be finished at t_N.
    past : (p, n) shares executed in the first p intervals, which are history: rules do not apply there.
    lent : curvature of single trades, weights included, that is declared by another cost, by its name:
        (N, n), or (N, n, n); None when no cost is concave in trades, or none can carry it.
    """

    order: Order
    market: Market
    complete: bool = True
    one_sided: Mask = field(default_factory=lambda: np.zeros((0, 0), dtype=bool))
    forbidden: Mask = field(default_factory=lambda: np.zeros((0, 0), dtype=bool))
    eta: Array | None = None
    past: Array | None = None
    lent: Mapping[str, Array] | None = None
    _known: dict[tuple[int, str], tuple[object, object]] = field(
        init=False, default_factory=dict, repr=False, compare=False
    )

    def once(self, owner: object, what: str, make: Callable[[], T]) -> T:
        """Return `make()`, a pure function of the owner and of this setting, computed the first time only."""
        key = (id(owner), what)
        if key not in self._known:
            # The owner is kept, so that its id is not given to another object.
            self._known[key] = (owner, make())
        return self._known[key][1]  # type: ignore[return-value]

    def after(self, past: Array) -> Setting:
        """Return the same setting with a history; what does not depend on that stays known."""
        return self.but(past=past)

    def but(self, **changes: Any) -> Setting:
        """Return the setting with changes that no coefficient depends on; those that are known stay known."""
        out = replace(self, **changes)
        out._known.update({key: value for key, value in self._known.items() if key[1] != BOUNDS})
        return out

    def __getstate__(self) -> dict[str, Any]:
        # What is known goes by ids, which mean nothing in another process.
        return {**vars(self), "_known": {}}

    @property
    def grid(self) -> TimeGrid:
        """The intervals."""
        return self.market.grid

    @property
    def assets(self) -> pd.Index:
        """Labels (n,)."""
        return self.order.assets

    @property
    def shape(self) -> tuple[int, int]:
        """(N, n)."""
        return self.grid.periods, len(self.assets)

    @cached_property
    def durations(self) -> Array:
        """tau as a column (N, 1)."""
        return np.asarray(self.grid.durations)[:, None]

    @cached_property
    def remaining(self) -> Array:
        """x_0 (n,), shares: > 0 to sell."""
        return np.asarray(self.order.remaining.to_numpy(), dtype=float)

    @cached_property
    def target(self) -> Array:
        """Position to reach (n,), shares."""
        return np.asarray(self.order.target.to_numpy(), dtype=float)

    @property
    def elapsed(self) -> int:
        """p, number of intervals that are history."""
        return 0 if self.past is None else len(self.past)

    @cached_property
    def left(self) -> Array:
        """x_p (n,), shares: what is still to trade after the history; the rounding of its sum is nothing."""
        if self.past is None:
            return self.remaining
        left = self.remaining + self.past.sum(axis=0)
        traded = np.abs(self.remaining) + np.abs(self.past).sum(axis=0)
        return np.where(np.abs(left) <= ROUNDING * traded, 0.0, left)

    @cached_property
    def direction(self) -> Array:
        """Sign of the trades that work what is left (n,): -1 sells, +1 buys, 0 nothing to do."""
        return -np.sign(self.left)

    @cached_property
    def sides(self) -> Array:
        """Sign of every one-sided trade (N, n): that of the order, in history that of what was executed."""
        sides = np.broadcast_to(self.direction, self.shape)
        if self.past is not None:
            sides = np.concatenate([np.sign(self.past), sides[self.elapsed :]])
        return sides

    def window(self, during: Any) -> Mask:
        """Intervals (N,) of a window in which a rule applies: those in it that are not history."""
        rows = np.array(self.grid.window(during))
        rows[: self.elapsed] = False
        return rows

    @cached_property
    def hedges(self) -> Mask:
        """Assets that are hedge legs (n,)."""
        labels = list(self.order.hedges)
        return np.asarray(self.assets.isin(labels)) if labels else np.zeros(len(self.assets), dtype=bool)

    @cached_property
    def gross(self) -> float:
        """Gross arrival notional sum_i P_i |x_0i|, currency."""
        return float(self.market.prices @ np.abs(self.remaining))

    @cached_property
    def size(self) -> float:
        """Largest |x_0i|, shares."""
        return float(np.abs(self.remaining).max(initial=0.0))

    def coefficient(self, value: Data, what: str, **rules: object) -> Array:
        """Align to (N, n) by the data rule."""
        return by_interval_and_asset(value, self.grid.labels, self.assets, what=what, **rules)  # type: ignore[arg-type]

    def per_asset(self, value: Data, what: str, **rules: object) -> Array:
        """Align to (n,) by the data rule."""
        return by_asset(value, self.assets, what=what, **rules)  # type: ignore[arg-type]

"""Positions in whole lots: which there are, how a share count is one of them, and how much memory they take."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt, prod

import numpy as np

from acopt.adaptive.inf_convolution import Steps
from acopt.adaptive.stages import Stages
from acopt.errors import DataError, InfeasibleError, ModelError
from acopt.market.labels import Array, Data
from acopt.model.feasibility import bounding
from acopt.model.setting import Setting

SNAP = 1e-9
"""Lots, and part of their number, that are rounding."""
MANY = 2.0**30
"""Lots of one asset: no table has more."""
FINER = 100
"""Parts of a lot that are tried when the lot is too large for the caps."""
OFF = 1e-6
"""Lots by which a position that a policy is asked about may miss the lattice."""


@dataclass(frozen=True)
class LotGrid:
    """
    Remaining shares x_i = side_i lot_i y_i with whole y_i from low_i to high_i: y > 0 is still to trade.

    Attributes
    ----------
    setting : order and market.
    lot : shares (n,).
    start : y (n,) when the first decision is made.
    low, high : lots (n,).
    """

    setting: Setting
    lot: Array
    start: Steps
    low: Steps
    high: Steps

    @property
    def side(self) -> Array:
        """1 where the order sells or is zero, -1 where it buys (n,)."""
        return np.where(self.setting.left < 0, -1.0, 1.0)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of positions by asset."""
        return tuple((self.high.astype(np.int64) - self.low + 1).tolist())

    @property
    def states(self) -> int:
        """Number of positions of all assets together."""
        return prod(self.shape)

    @property
    def origin(self) -> tuple[int, ...]:
        """Index of the first position."""
        return tuple((self.start - self.low).tolist())

    def positions(self) -> Array:
        """Remaining shares (*shape, n)."""
        axes = [self.shares(np.arange(a, b + 1), i) for i, (a, b) in enumerate(zip(self.low, self.high, strict=True))]
        return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)

    def shares(self, lots: Array | Steps, i: int) -> Array:
        """Lots of asset i as remaining shares."""
        return np.asarray(self.side[i] * self.lot[i] * lots + 0.0)

    def index(self, remaining: Array, what: str) -> Steps:
        """
        Index (paths, n) of remaining shares (paths, n).

        Raises
        ------
        ModelError
            A position off the lattice, or outside of it.
        """
        lots = self.side * remaining / self.lot
        whole = np.round(lots)
        off = (np.abs(lots - whole) > OFF) | (whole < self.low) | (whole > self.high) | np.isnan(lots)
        if off.any():
            path, i = (int(j) for j in np.argwhere(off)[0])
            ends = sorted(float(self.shares(np.asarray(y), i)) for y in (self.low[i], self.high[i]))
            raise ModelError(
                f"{what}: {remaining[path, i]:,.10g} shares of {self.setting.assets[i]} are left; the table has "
                f"{ends[0]:,.10g} to {ends[1]:,.10g} in lots of {self.lot[i]:,.10g}"
            )
        return whole.astype(np.int32) - self.low


def lots_of(lot: Data, setting: Setting, what: str = "dynamic_program lot") -> tuple[Array, Steps]:
    """Lots (n,), shares, and how many of them are left to trade; they must divide what is left."""
    sizes = setting.per_asset(lot, what, sign="positive")
    left = np.abs(setting.left)
    count = np.round(left / sizes)
    over = np.abs(left / sizes - count) > SNAP * np.maximum(count, 1.0)
    if over.any():
        i = int(np.argmax(over))
        size, shares = float(sizes[i]), float(left[i])
        raise DataError(
            f"{what}: {size:,.10g} shares do not divide the {shares:,.10g} of {setting.assets[i]}, "
            f"{np.fmod(shares, size):,.10g} would be left over; {_dividing(shares, size)} would do"
        )
    if count.max(initial=0.0) > MANY:
        i = int(count.argmax())
        raise DataError(
            f"{what}: {sizes[i]:,.10g} shares make {count[i]:,.0f} lots of {setting.assets[i]}; a larger "
            "lot is expected"
        )
    return sizes, count.astype(np.int32)


def _dividing(shares: float, lot: float) -> str:
    """Lots around this one that divide the order: whole numbers of shares if both are."""
    if shares == np.round(shares) and lot == np.round(lot) and shares < 1e12:
        whole = int(shares)
        small = [d for d in range(1, isqrt(whole) + 1) if whole % d == 0]
        found = sorted({*small, *(whole // d for d in small)})
        around = [max((d for d in found if d < lot), default=0), min((d for d in found if d > lot), default=0)]
    else:
        parts = shares / lot
        around = [shares / np.ceil(parts), shares / np.floor(parts) if parts >= 1 else 0]
    return " or ".join(f"{d:,.10g}" for d in around if d > 0)


def grid_of(parts: Stages, lot: Array, count: Steps, beyond: Array) -> tuple[LotGrid, bool]:
    """
    Return the positions that matter, and whether only `beyond` keeps a schedule from leaving them.

    Between the order and its target, `beyond` (n,) shares further on both sides, and no further than the rules let a
    schedule get that ends where it must.
    """
    setting = parts.setting
    past = np.minimum(np.floor(beyond / lot * (1 + SNAP) + SNAP), MANY)
    side = np.where(setting.left < 0, -1.0, 1.0)
    low, high = _reach(parts)
    least = np.ceil(np.minimum(side * low, side * high) / lot - SNAP)
    most = np.floor(np.maximum(side * low, side * high) / lot + SNAP)
    first, last = np.maximum(-past, least), np.minimum(count + past, most)
    cut = bool((first > least).any() or (last < most).any())
    first, last = np.minimum(first, count), np.maximum(last, count)
    return LotGrid(setting, lot, count, first.astype(np.int32), last.astype(np.int32)), cut


def _reach(parts: Stages) -> tuple[Array, Array]:
    """Lowest and highest x (n,) on schedules that obey the bounds on trades and on positions."""
    begin, setting = parts.setting.elapsed, parts.setting
    lower, upper = parts.lower[begin:], parts.upper[begin:]
    ends = (
        np.vstack([setting.left, parts.position_lower[begin:]]),
        np.vstack([setting.left, parts.position_upper[begin:]]),
    )
    low, high = (np.array(end) for end in ends)
    for k in range(len(lower)):
        low[k + 1], high[k + 1] = np.maximum(low[k + 1], low[k] + lower[k]), np.minimum(high[k + 1], high[k] + upper[k])
    for k in reversed(range(len(lower))):
        low[k], high[k] = np.maximum(low[k], low[k + 1] - upper[k]), np.minimum(high[k], high[k + 1] - lower[k])
    return low.min(axis=0), high.max(axis=0)


def steps_within(grid: LotGrid, low: Array, high: Array) -> list[Steps]:
    """Lots that may be worked off in an interval with these bounds on trades (n,), most first, asset by asset."""
    out = []
    for i, (a, b) in enumerate(zip(low, high, strict=True)):
        ends = sorted(-grid.side[i] * np.array([a, b]) / grid.lot[i])
        width = grid.shape[i] - 1
        least = max(np.ceil(ends[0] - SNAP * max(1.0, abs(ends[0]))), -width) if np.isfinite(ends[0]) else -width
        most = min(np.floor(ends[1] + SNAP * max(1.0, abs(ends[1]))), width) if np.isfinite(ends[1]) else width
        out.append(np.arange(int(most), int(least) - 1, -1, dtype=np.int32))
    return out


def infeasible(parts: Stages, grid: LotGrid, cut: bool, who: str = "dynamic_program") -> InfeasibleError:
    """Say why no schedule in these lots exists, with the arithmetic where it is the caps."""
    setting, rules = parts.setting, parts.problem.constraints
    for i, label in enumerate(setting.assets):
        need, lot = int(grid.start[i]), float(grid.lot[i])
        most = _most(parts, grid, i, lot)
        if setting.complete and most < need:
            names = ", ".join(bounding(rules, setting, slice(None), i))
            whole = [p for p in range(2, FINER + 1) if lot != np.round(lot) or lot % p == 0]
            fits = next((p for p in whole if _most(parts, grid, i, lot / p) >= need * p), 0)
            advice = f"lots of {lot / fits:,.10g} would do" if fits else "no smaller lot would do, wider rules would"
            return InfeasibleError(
                f"{who}: {label}: {need:,} lots of {lot:,.10g} shares do not fit under {names}: the "
                f"intervals take {most:,.0f} whole lots together; {advice}"
            )
    sizes = ", ".join(f"{size:,.10g}" for size in sorted(set(grid.lot.tolist()))[:4])
    names = ", ".join(rule.name for rule in rules) or "none"
    wider = ", or positions beyond the order and its target (beyond=)," if cut else ""
    return InfeasibleError(
        f"{who}: no schedule in lots of {sizes} shares obeys all rules together ({names}); a smaller lot, "
        f"wider rules{wider} would do"
    )


def _most(parts: Stages, grid: LotGrid, i: int, lot: float) -> float:
    """Whole lots that the bounds on trades of asset i take together."""
    begin = parts.setting.elapsed
    bounds = parts.upper if grid.side[i] < 0 else -parts.lower
    return float(np.floor(bounds[begin:, i] / lot * (1 + SNAP) + SNAP).sum())


def check_memory(grid: LotGrid, nodes: int, memory_gb: float) -> None:
    """
    Demand that the table fits, before any of it is there.

    Raises
    ------
    DataError
        Says how large the table would be, and which lots would fit.
    """
    need = _bytes(grid.states, grid, nodes)
    if need <= memory_gb * 1e9:
        return
    fits = next(
        (f for f in _common_divisors(grid.start) if _bytes(_coarser(grid, f), grid, nodes) <= memory_gb * 1e9), 0
    )
    would = (
        f"lots {fits:,} times as large would fit ({_bytes(_coarser(grid, fits), grid, nodes) / 1e9:.3g} GB)"
        if fits
        else "no larger lot that divides the orders fits"
    )
    raise DataError(
        f"dynamic_program: {grid.states:,} positions{f' x {nodes} price states' if nodes > 1 else ''} x "
        f"{grid.setting.shape[0] - grid.setting.elapsed} intervals need {need / 1e9:.3g} GB, memory_gb={memory_gb:g} "
        f"is allowed; {would}; fewer {'price states' if nodes > 1 else 'assets'} or intervals would do as well"
    )


def _bytes(states: int, grid: LotGrid, nodes: int) -> float:
    """Values and steps of every interval, chances between price states, and what one step works with."""
    n, assets = grid.setting.shape
    intervals = n - grid.setting.elapsed
    chances = 24.0 * intervals * nodes**2
    return states * (nodes * ((intervals + 1) * 8.0 + intervals * assets * 4.0 + 48.0) + 32.0 * assets) + chances


def _coarser(grid: LotGrid, factor: int) -> int:
    return prod((size - 1) // factor + 1 for size in grid.shape)


def _common_divisors(count: Steps) -> list[int]:
    """Factors by which all lots may grow, smallest first."""
    common = int(np.gcd.reduce(count.astype(np.int64)))
    small = [d for d in range(1, isqrt(common) + 1) if common % d == 0]
    return sorted({*small, *(common // d for d in small)} - {1})

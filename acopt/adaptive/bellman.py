"""Bellman's backward induction over positions in lots and price states."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from acopt.adaptive.inf_convolution import Steps, is_convex, lowest, merged
from acopt.adaptive.lot_grid import LotGrid, steps_within
from acopt.adaptive.price_states import PriceStates
from acopt.adaptive.stages import Stages
from acopt.market.labels import Array


@dataclass(frozen=True)
class ValueTable:
    """
    What is left to pay, and what to do, in every state.

    Attributes
    ----------
    grid, states : positions, and price states.
    values : V (p + 1, M, *shape) over the p intervals that are no history, currency; infinite where the rules cannot
        be kept any more.
    steps : lots to work off (p, n, M, *shape), 0 there.
    merged : intervals that were solved by merging slopes; the others by the plain minimum.
    """

    grid: LotGrid
    states: PriceStates
    values: Array
    steps: Steps
    merged: int

    def path(self) -> Steps:
        """Lots worked off (p, n) on a day on which the signal does what is expected of it."""
        at, node, out = np.array(self.grid.origin), self.states.size // 2, []
        for steps in self.steps:
            out.append(steps[(slice(None), node, *at)])
            at = at - out[-1]
        return np.array(out)

    @property
    def value(self) -> float:
        """V of the order at the start."""
        return float(self.values[(0, self.states.size // 2, *self.grid.origin)])


def backward(parts: Stages, grid: LotGrid, states: PriceStates) -> ValueTable:
    """
    Solve Bellman's equation from the last interval to the first, in all states at once.

    V_k(x, I) = min_u f_k(u) + g_k(x + u) - E[dS_k | I]' (x + u) + E[V_{k+1}(x + u, I') | I],  V_N = h

    Convex costs of one asset: the right-hand side is an infimal convolution, and so is V convex; else a plain minimum,
    asset by asset where a trade's cost is a sum over assets.
    """
    begin, n = parts.setting.elapsed, parts.setting.shape[0]
    positions = grid.positions()
    values = np.empty((n - begin + 1, states.size, *grid.shape))
    steps = np.zeros((n - begin, len(grid.lot), states.size, *grid.shape), dtype=np.int32)
    values[-1] = parts.terminal(positions)
    convex = len(grid.lot) == 1 and is_convex(values[-1, 0])
    count = 0
    for k in reversed(range(begin, n)):
        after, own = _after(values[k - begin + 1], parts, states, k, positions)
        convex = convex and is_convex(own)
        one_by_one = steps_within(grid, parts.lower[k], parts.upper[k])
        if convex:
            lots = one_by_one[0][::-1]
            trade = parts.trade_cost(k, -grid.shares(lots, 0)[:, None])
            convex = len(trade) > 0 and is_convex(trade)
        if convex:
            values[k - begin], steps[k - begin, 0] = merged(trade, int(lots[0]), after)
            count += 1
        elif parts.joint:
            values[k - begin], steps[k - begin] = _jointly(parts, grid, k, one_by_one, after)
        else:
            values[k - begin], steps[k - begin] = _asset_by_asset(parts, grid, k, one_by_one, after)
    return ValueTable(grid, states, values, steps, count)


def _after(following: Array, parts: Stages, states: PriceStates, k: int, positions: Array) -> tuple[Array, Array]:
    """What the position after trade k leads to (M, *shape), and the part of it that is its own cost (*shape)."""
    own = np.where(parts.allowed(k, positions), parts.holding_cost(k, positions), np.inf)
    if k + 1 < parts.setting.shape[0] and states.size > 1:
        flat = following.reshape(states.size, -1)
        possible = np.isfinite(flat[0])
        mean = np.full(flat.shape, np.inf)
        mean[:, possible] = states.chances[k] @ flat[:, possible]
        following = mean.reshape(following.shape)
    gain = np.moveaxis(positions @ states.moves[k].T, -1, 0)
    return following + own - gain, own


def _asset_by_asset(parts: Stages, grid: LotGrid, k: int, within: list[Steps], after: Array) -> tuple[Array, Steps]:
    """Minimum over the trades of one asset after the other, which is that over all of them: f is a sum over assets."""
    assets = len(grid.lot)
    nothing = float(parts.trade_cost(k, np.zeros(assets)))
    steps = np.zeros((assets, *after.shape), dtype=np.int32)
    value = after + nothing
    for i, lots in enumerate(within):
        trades, offsets = np.zeros((len(lots), assets)), np.zeros((len(lots), assets), dtype=np.int32)
        trades[:, i], offsets[:, i] = -grid.shares(lots, i), lots
        value, chosen = lowest(parts.trade_cost(k, trades) - nothing, offsets, value)
        own = np.where(np.isfinite(value), offsets[chosen, i], 0) if len(lots) else chosen
        # What was decided for the assets before holds where this one's trade leads to.
        leads_to = np.arange(grid.shape[i]).reshape(-1, *[1] * (assets - 1 - i)) - own
        for j in range(i):
            steps[j] = np.take_along_axis(steps[j], leads_to, axis=1 + i)
        steps[i] = own
    return value, np.where(np.isfinite(value), steps, 0)


def _jointly(parts: Stages, grid: LotGrid, k: int, within: list[Steps], after: Array) -> tuple[Array, Steps]:
    """Minimum over the trades of all assets together."""
    offsets = np.stack(np.meshgrid(*within, indexing="ij"), axis=-1).reshape(-1, len(grid.lot)).astype(np.int32)
    trades = np.stack([-grid.shares(offsets[:, i], i) for i in range(len(grid.lot))], axis=-1)
    value, chosen = lowest(parts.trade_cost(k, trades), offsets, after)
    steps = offsets[chosen] if len(offsets) else np.zeros((*chosen.shape, len(grid.lot)), dtype=np.int32)
    return value, np.where(np.isfinite(value), np.moveaxis(steps, -1, 0), 0)

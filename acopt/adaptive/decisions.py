"""What a policy's decision must be: checked in every interval, on every path."""

from __future__ import annotations

from typing import Any

import numpy as np

from acopt.errors import DataError, ModelError
from acopt.market.labels import Array, numbers, short
from acopt.model.benchmarks import tradable
from acopt.model.setting import Mask, Setting

DUST = 1e-9
"""Part of an order below which what is left is the rounding of sums."""


class Demands:
    """
    The demands on the decisions of one policy.

    Parameters
    ----------
    name : how messages call the policy.
    policy : whose `overshoots`, if it has one, says whether it may pass its target.
    setting : the order, and where nothing can trade.
    first_path : number of the first path that is decided upon.
    """

    def __init__(self, name: str, policy: object, setting: Setting, first_path: int = 0) -> None:
        self.name, self.setting, self.first_path = name, setting, first_path
        self.overshoots = bool(getattr(policy, "overshoots", False))
        self.blocked = ~tradable(setting)
        whole = np.abs(setting.remaining)
        self.dust = DUST * np.where(whole > 0, whole, setting.size)

    def checked(self, decision: Any, interval: int, remaining: Array) -> Array:
        """
        Return the trades of one interval (paths, n), or raise.

        Parameters
        ----------
        decision : what `decide` returned.
        interval : k, counted from 0.
        remaining : x (paths, n), shares still to trade before it.
        """
        trades = self._array(decision, interval, remaining.shape)
        unknown = ~np.isfinite(trades)
        if unknown.any():
            raise ModelError(f"policy {self._traded(trades, interval, unknown)}; a finite number of shares is expected")
        barred = self.blocked[interval] & (trades != 0)
        if barred.any():
            raise ModelError(
                f"policy {self._traded(trades, interval, barred)}; nothing can trade there (closed, or no volume); "
                "0 is expected"
            )
        passed = self._past_target(remaining + trades)
        if passed.any() and not self.overshoots:
            raise ModelError(
                f"policy {self._traded(trades, interval, passed)}; {remaining[self._first(passed)]:,.6g} are left to "
                "trade (> 0 to sell); only a policy with overshoots = True may pass the target"
            )
        return trades

    def finished(self, remaining: Array) -> Array:
        """Return what is left after the last interval, its rounding set to 0, or raise when it is more."""
        left = np.abs(remaining) > self.dust
        if left.any():
            p, i = self._first(left)
            raise ModelError(
                f"policy {self.name}: after the last interval, {self.setting.grid.labels[-1]}, {remaining[p, i]:,.6g} "
                f"shares of {self.setting.assets[i]} are left to trade on path {self.first_path + p}; the order must "
                "be finished"
            )
        return np.zeros_like(remaining)

    def priced(self, impact: Array, trades: Array, volumes: Array | None) -> Array:
        """Return the money costs (paths,), or raise where trades (paths, N, n) met no volume and have no price."""
        wrong = ~np.isfinite(impact)
        if not wrong.any():
            return impact
        silent = np.zeros(trades.shape, dtype=bool) if volumes is None else volumes <= 0
        stuck = wrong[:, None, None] & (trades != 0) & silent
        if stuck.any():
            k = int(np.argwhere(stuck)[0, 1])
            raise ModelError(
                f"policy {self._traded(trades[:, k], k, stuck[:, k])}; no volume came there, and by the market's "
                "impact model it has no price"
            )
        p = int(np.argmax(wrong))
        raise ModelError(
            f"policy {self.name}: the money costs of its trades on path {self.first_path + p} are {impact[p]:g}; "
            "finite costs are expected"
        )

    def _array(self, decision: Any, interval: int, shape: tuple[int, ...]) -> Array:
        label = self.setting.grid.labels[interval]
        try:
            trades = numbers(decision, "decision")
        except DataError as error:
            raise ModelError(
                f"policy {self.name}, interval {label}: it decides {short(decision)}, which are no numbers"
            ) from error
        if trades.shape != shape:
            raise ModelError(
                f"policy {self.name}, interval {label}: its decision has shape {trades.shape}; {shape} is expected, "
                "paths x assets"
            )
        return trades

    def _past_target(self, after: Array) -> Mask:
        """Where a position (paths, n) is beyond the target by more than rounding."""
        side = np.sign(self.setting.remaining)
        return np.asarray(np.where(side == 0, np.abs(after), -side * after) > self.dust)

    def _traded(self, trades: Array, interval: int, wrong: Mask) -> str:
        """Name the first trade of one interval that is wrong."""
        p, i = self._first(wrong)
        return (
            f"{self.name}, interval {self.setting.grid.labels[interval]}: it trades {trades[p, i]:,.6g} shares of "
            f"{self.setting.assets[i]} on path {self.first_path + p}"
        )

    @staticmethod
    def _first(wrong: Mask) -> tuple[int, int]:
        p, i = (int(j) for j in np.argwhere(wrong)[0])
        return p, i

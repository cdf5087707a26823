"""Working an order in whole lots, step by step."""

from __future__ import annotations

from math import prod

import numpy as np

from acopt.adaptive.lot_grid import SNAP, LotGrid, infeasible, lots_of
from acopt.adaptive.prices import PriceModel
from acopt.adaptive.stages import stages
from acopt.adaptive.state import State
from acopt.adaptive.tasks import Choose, Task, Where, Whole
from acopt.errors import DataError, ModelError
from acopt.market.labels import Array, Data, short
from acopt.model.problem import ExecutionProblem

OFF = 1e-6
"""Lots by which a position that a policy is asked about may miss a whole number."""


class ExecutionTask(Task):
    """
    Work an order in whole lots: in every interval, how many lots of each asset.

    The state is what is left; trades go the order's way. Caps, floors, closed intervals, windows and bounds on single
    positions say what is allowed, so that what is allowed can always be finished: in the last interval it is exactly
    what is left (where unfilled orders are allowed, at most that).

    Parameters
    ----------
    problem : costs and rules that split by interval; see `stages`.
    lots : shares of one lot, > 0, scalar or by asset; they divide the order.
    prices : a price model: -sum_k dS_k' x_k is added to the cost. It comes on top of what the problem expects
        (`Alpha`).

    Raises
    ------
    DataError
        A lot that does not divide the order (names what would).
    ModelError
        A cost or a rule that joins intervals, or a hard rule that joins assets.
    InfeasibleError
        No schedule in these lots obeys the rules.
    """

    def __init__(self, problem: ExecutionProblem, lots: Data, *, prices: PriceModel | None = None) -> None:
        if prices is not None and (isinstance(prices, type) or not isinstance(prices, PriceModel)):
            raise DataError(
                f"prices: {short(prices)} was given, a price model such as ArithmeticBrownian() is expected"
            )
        self.parts, self.prices = stages(problem), prices
        if self.parts.functionals:
            raise ModelError(
                "the task: what is allowed of one asset must not depend on the others; make the rules that join "
                "assets soft (penalty_bps=), or use dynamic_program"
            )
        self.lot, count = lots_of(lots, self.setting, "lots")
        self.count = count.astype(np.int64)
        self.steps = self.setting.shape[0] - self.setting.elapsed
        self._side = np.where(self.setting.left < 0, -1.0, 1.0)
        self._least, self._most = self._within(self.parts.lower, self.parts.upper, -self._side)
        self._low, self._high = self._reachable()
        self.draw(1, np.random.default_rng(0))  # so that prices which do not fit the order are refused now
        self.nvec = np.maximum(np.minimum(self._most, self.count - self._low).max(axis=0), 0) + 1

    @property
    def key(self) -> str:
        """The lots."""
        return f"lots of {', '.join(f'{lot:.17g}' for lot in self.lot)}"

    def begin(self, episodes: int) -> Where:
        """Everything is left: lots (episodes, n)."""
        return np.tile(self.count, (episodes, 1))

    def limits(self, step: int, state: Where) -> tuple[Whole, Whole]:
        """Fewest and most lots after which the rules can still be kept."""
        low = np.maximum(self._least[step], state - self._high[step])
        return low, np.minimum(self._most[step], state - self._low[step])

    def trades(self, step: int, state: Where, action: Whole) -> Array:
        """Lots in shares."""
        return np.asarray((-self._side * self.lot * action + 0.0)[:, None, :])

    def after(self, step: int, state: Where, action: Whole) -> Where:
        """Lots that are left."""
        return np.asarray(state - action)

    def remaining(self, state: Where) -> Array:
        """Lots in shares."""
        return np.asarray(self._side * self.lot * state + 0.0)

    def intervals(self, step: int) -> range:
        """One at a time."""
        k = self.setting.elapsed + step
        return range(k, k + 1)

    def rows(self, step: int) -> int:
        """Every number of lots of each asset."""
        return prod((self.count + 1).tolist())

    def index(self, step: int, state: Where) -> Whole:
        """Number of the state, the last asset first."""
        return np.asarray(np.ravel_multi_index(tuple(state.T), tuple(self.count + 1)), dtype=np.int64)

    def advice(self, entries: float) -> str:
        """Lots so many times as large."""
        common = int(np.gcd.reduce(self.count))
        for factor in range(2, common + 1):
            sizes = np.concatenate([self.count // factor, (self.nvec - 1) // factor]) + 1
            if common % factor == 0 and self.steps * prod(sizes.tolist()) <= entries:
                return f"lots {factor:,} times as large would fit"
        return "no larger lot that divides the orders fits"

    def act(self, state: State, choose: Choose) -> Array:
        """
        Trade what is chosen for the lots that are left on every path.

        Raises
        ------
        ModelError
            What is left is no whole number of lots between the order and nothing.
        """
        lots = self._side * state.remaining / self.lot
        whole = np.round(lots)
        off = ~(np.abs(lots - whole) <= OFF) | (whole < 0) | (whole > self.count)
        if off.any():
            path, i = (int(j) for j in np.argwhere(off)[0])
            raise ModelError(
                f"{state.remaining[path, i]:,.10g} shares of {self.setting.assets[i]} are left on path {path}; 0 to "
                f"{self.count[i]:,} lots of {self._side[i] * self.lot[i]:,.10g} are expected"
            )
        step, left = state.interval - self.setting.elapsed, whole.astype(np.int64)
        action = choose(step, left)
        # The last lots leave nothing, not the rounding of what was left.
        return np.where(action == left, 0.0 - state.remaining, self.trades(step, left, action)[:, 0])

    def _within(self, lower: Array, upper: Array, sign: Array) -> tuple[Whole, Whole]:
        """Bounds in shares as whole lots (steps, n), from 0 to the order."""
        ends = np.sort(np.stack([sign * lower, sign * upper])[:, self.setting.elapsed :] / self.lot, axis=0)
        slack = SNAP * np.maximum(1.0, np.abs(np.where(np.isfinite(ends), ends, 0.0)))
        least = np.clip(np.ceil(ends[0] - slack[0]), 0, self.count + 1)
        most = np.clip(np.floor(ends[1] + slack[1]), -1, self.count)
        return least.astype(np.int64), most.astype(np.int64)

    def _reachable(self) -> tuple[Whole, Whole]:
        """Fewest and most lots (steps, n) that may be left after a step, so that the rules can be kept to the end."""
        low, high = self._within(self.parts.position_lower, self.parts.position_upper, self._side)
        for step in reversed(range(self.steps - 1)):
            low[step] = np.maximum(low[step], self._least[step + 1] + low[step + 1])
            high[step] = np.minimum(high[step], self._most[step + 1] + high[step + 1])
        start_low, start_high = self._least[0] + low[0], self._most[0] + high[0]
        wrong = (low > high).any() or (self._least > self._most).any()
        if wrong or (self.count < start_low).any() or (self.count > start_high).any():
            ends = (
                self.lot,
                self.count.astype(np.int32),
                np.zeros(len(self.lot), np.int32),
                self.count.astype(np.int32),
            )
            raise infeasible(self.parts, LotGrid(self.setting, *ends), False, "the task")
        return low, high

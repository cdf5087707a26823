"""Working an order by switching between two tactics."""

from __future__ import annotations

import numpy as np

from acopt.adaptive.lot_grid import SNAP
from acopt.adaptive.stages import position_bounds, stages
from acopt.adaptive.state import State
from acopt.adaptive.tasks import Choose, Task, Where, Whole
from acopt.errors import DataError, ModelError
from acopt.market.clock import integer
from acopt.market.labels import Array, short
from acopt.model.algebra import Constraint
from acopt.model.benchmarks import TWAP, VWAP, where_tradable
from acopt.model.problem import ExecutionProblem

DEEPEST = 30
"""Decisions between two tactics whose sequences can be numbered in memory."""


class TacticTask(Task):
    """
    Switch between two tactics: over the next stretch of the day, work what is left as TWAP (0) or as VWAP (1) would.

    u_kj = -x w_kj / sum_{l >= start of the stretch} w_lj,  w = tau or V where the asset can trade

    The whole order switches at once. The state is the sequence of choices so far, so that there are as many ends of a
    day as sequences, 2^decisions.

    Parameters
    ----------
    problem : costs that split by interval; hard rules on single trades and positions are accepted where no sequence of
        tactics can break them, others as soft ones.
    decisions : number of stretches, 1 to 30, of as many intervals each as the grid allows (the first ones take the
        rest).

    Raises
    ------
    DataError
        No such number of stretches.
    ModelError
        A cost or a rule that joins intervals, a rule that a tactic might break, or no volume.
    """

    def __init__(self, problem: ExecutionProblem, decisions: int) -> None:
        self.parts = stages(problem)
        setting = self.setting
        ahead = range(setting.elapsed, setting.shape[0])
        most = min(len(ahead), DEEPEST)
        steps = integer(decisions)
        if steps is None or not 1 <= steps <= most:
            raise DataError(f"decisions={short(decisions)}: a whole number from 1 to {most} is expected")
        self.steps, self.nvec = steps, np.array([2])
        self._stretches = [range(int(part[0]), int(part[-1]) + 1) for part in np.array_split(ahead, self.steps)]
        self._shares = np.stack([self._split(benchmark) for benchmark in (TWAP(), VWAP())])
        self._check_rules()

    @property
    def key(self) -> str:
        """The number of decisions."""
        return f"{self.steps} tactics"

    def begin(self, episodes: int) -> Where:
        """No choice yet, and shares left (episodes, 1 + n)."""
        return np.tile(np.concatenate([[0.0], self.setting.left]), (episodes, 1))

    def limits(self, step: int, state: Where) -> tuple[Whole, Whole]:
        """Both, unless one of them trades no more while there is something left."""
        ahead = self._shares[:, self._stretches[step].start :].sum(axis=1) > 0
        idle = ((state[:, 1:] != 0) & ~ahead[:, None, :]).any(axis=-1)
        return idle[0].astype(np.int64)[:, None], (~idle[1]).astype(np.int64)[:, None]

    def trades(self, step: int, state: Where, action: Whole) -> Array:
        """Return the trades of the stretch (episodes, intervals, n)."""
        rows = self._stretches[step]
        weights = self._shares[:, rows.start :]
        total = weights.sum(axis=1, keepdims=True)
        share = np.divide(weights, total, out=np.zeros(weights.shape), where=total > 0)[:, : len(rows)]
        return np.asarray(0.0 - share[action[:, 0].astype(np.int64)] * state[:, None, 1:])

    def after(self, step: int, state: Where, action: Whole) -> Where:
        """Return the choices with one more, and what is left; nothing after the last one."""
        left = state[:, 1:] + self.trades(step, state, action).sum(axis=1)
        # What a stretch finishes leaves nothing, and not the rounding of a sum.
        left = np.where(np.abs(left) <= SNAP * np.abs(self.setting.left), 0.0, left)
        return np.concatenate([2.0 * state[:, :1] + action, left], axis=1)

    def remaining(self, state: Where) -> Array:
        """Shares."""
        return np.asarray(state[:, 1:])

    def intervals(self, step: int) -> range:
        """A stretch."""
        return self._stretches[step]

    def rows(self, step: int) -> int:
        """Every sequence of choices."""
        return int(2**step)

    def index(self, step: int, state: Where) -> Whole:
        """Number of the sequence, the first choice being the highest bit."""
        return state[:, 0].astype(np.int64)

    def advice(self, entries: float) -> str:
        """Fewer decisions."""
        return f"{max(int(np.log2(entries / 2 + 1)), 1)} decisions would fit"

    def act(self, state: State, choose: Choose) -> Array:
        """Work what is left on every path by the tactic that is chosen after the choices before it."""
        own = self.begin(1)
        for step, rows in enumerate(self._stretches):
            action = choose(step, own)
            if state.interval in rows:
                break
            own = self.after(step, own, action)
        weights = self._shares[int(action[0, 0]), state.interval :]
        total = weights.sum(axis=0)
        share = np.divide(weights[0], total, out=np.zeros(len(total)), where=total > 0)
        return np.asarray(0.0 - share * state.remaining)

    def _split(self, benchmark: TWAP | VWAP) -> Array:
        weights = where_tradable(self.setting, benchmark.weights(self.setting), repr(benchmark))
        ahead = np.arange(len(weights))[:, None] >= self.setting.elapsed
        return np.where(ahead, weights, 0.0)

    def _reach(self) -> tuple[Array, Array]:
        """
        Least and most (2, N - elapsed, n), shares unsigned, that any sequence trades in an interval, and leaves after.

        Choices of different stretches are free of each other, so that what is left is least, or most, if it is so in
        every stretch.
        """
        traded, kept = list[Array](), list[Array]()
        before = np.stack([np.abs(self.setting.left)] * 2)
        for rows in self._stretches:
            weights = self._shares[:, rows.start :]
            total = weights.sum(axis=1, keepdims=True)
            share = np.divide(weights, total, out=np.zeros(weights.shape), where=total > 0)
            # A tactic that trades no more is not allowed while something is left.
            share = np.where(total > 0, share, share[::-1])[:, : len(rows)]
            left = np.maximum(1.0 - share.cumsum(axis=1), 0.0)
            for found, part in ((traded, share), (kept, left)):
                found.append(before[:, None] * np.stack([part.min(axis=0), part.max(axis=0)]))
            before = kept[-1][:, -1]
        return np.concatenate(traded, axis=1), np.concatenate(kept, axis=1)

    def _check_rules(self) -> None:
        """Demand that no hard rule can bind, whatever is chosen."""
        side = np.where(self.setting.left < 0, -1.0, 1.0)
        trades, positions = (
            np.sort(side * sign * ends, axis=0) for sign, ends in zip((-1, 1), self._reach(), strict=True)
        )
        binding = [rule.name for rule in self.problem.constraints if self._binds(rule, trades, positions)]
        if binding:
            raise ModelError(
                f"a tactic knows no rules, and one of these might bind: {', '.join(binding)}; make it soft "
                "(penalty_bps=), or leave it out"
            )

    def _binds(self, rule: Constraint, trades: Array, positions: Array) -> bool:
        """Whether a rule may cut into what is traded, or left: least and most (2, N - elapsed, n), shares."""
        setting = self.setting
        low, high, functionals = position_bounds((rule,), setting)
        bounds, own = [(positions, low, high)], rule.trade_bounds(setting)
        if own is not None:
            bounds.append((trades, *own))
        ahead, slack = slice(setting.elapsed, None), SNAP * np.abs(setting.left)
        return bool(functionals) or any(
            ((ends[0] + slack < lower[ahead]) | (ends[1] - slack > upper[ahead])).any() for ends, lower, upper in bounds
        )

"""What an agent meets: an order to be worked step by step, at the costs of its problem; many episodes at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from math import prod
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from acopt.adaptive.drawn import checked, forecast
from acopt.adaptive.prices import Drawn, PriceModel
from acopt.adaptive.stages import Stages
from acopt.adaptive.state import State
from acopt.market.labels import Array
from acopt.model.problem import ExecutionProblem
from acopt.model.schedule import Schedule
from acopt.model.setting import Setting

Whole: TypeAlias = npt.NDArray[np.int64]
Where: TypeAlias = Array | Whole
Choose: TypeAlias = Callable[[int, Where], Whole]
FAR = 100.0
"""Percent of the arrival price at which an observed move is cut off."""


class Task(ABC):
    """
    An episode in steps: a state, an action in whole numbers, a reward; arrays are episodes first.

    The rewards of an episode sum to minus the objective of its schedule, history included. An action is a vector of
    whole numbers a with 0 <= a < `nvec`; those allowed in a state are the ones between its `limits`.

    Attributes
    ----------
    parts : the problem, split by interval.
    steps : decisions of an episode.
    nvec : number of actions, by component.
    prices : what else moves the reward; None leaves it certain.
    """

    parts: Stages
    steps: int
    nvec: Whole
    prices: PriceModel | None = None

    @property
    def problem(self) -> ExecutionProblem:
        """The question."""
        return self.parts.problem

    @property
    def setting(self) -> Setting:
        """Order and market, aligned."""
        return self.parts.setting

    @property
    @abstractmethod
    def key(self) -> str:
        """What the task adds to its problem, as a text."""

    @abstractmethod
    def begin(self, episodes: int) -> Where:
        """Return the first state (episodes, s)."""

    @abstractmethod
    def limits(self, step: int, state: Where) -> tuple[Whole, Whole]:
        """Least and largest action (episodes, m) that is allowed."""

    @abstractmethod
    def trades(self, step: int, state: Where, action: Whole) -> Array:
        """Shares (episodes, intervals of the step, n) that an action means, buys +, sells -."""

    @abstractmethod
    def after(self, step: int, state: Where, action: Whole) -> Where:
        """Return the next state (episodes, s)."""

    @abstractmethod
    def remaining(self, state: Where) -> Array:
        """Shares still to trade (episodes, n), > 0 to sell."""

    @abstractmethod
    def intervals(self, step: int) -> range:
        """Intervals of the grid that a step works."""

    @abstractmethod
    def rows(self, step: int) -> int:
        """Number of states that a table of the step has."""

    @abstractmethod
    def index(self, step: int, state: Where) -> Whole:
        """Number of each state (episodes,) in that table."""

    @abstractmethod
    def advice(self, entries: float) -> str:
        """What would make a table of all states and actions that small."""

    @abstractmethod
    def act(self, state: State, choose: Choose) -> Array:
        """Trade in a simulation (paths, n), shares, by what is chosen of a step and its states."""

    @property
    def actions(self) -> int:
        """Number of all actions."""
        return prod(self.nvec.tolist())

    @property
    def entries(self) -> int:
        """States of all steps, times actions."""
        return sum(map(self.rows, range(self.steps))) * self.actions

    def draw(self, episodes: int, rng: np.random.Generator) -> Drawn | None:
        """Draw the price moves of some episodes, of recorded days one each; None where prices do not enter."""
        if self.prices is None:
            return None
        days = getattr(self.prices, "days", None)
        if days is None:
            return checked(self.prices.draw(self.setting, episodes, rng), self.prices, (episodes, *self.setting.shape))
        recorded = checked(self.prices.draw(self.setting, days, rng), self.prices, (days, *self.setting.shape))
        which = rng.integers(days, size=episodes)
        return Drawn(recorded.changes[which], recorded.signal[which])

    def reward(self, step: int, state: Where, action: Whole, drawn: Drawn | None = None) -> Array:
        """Return the reward (episodes,): minus the cost of the trades and of what is held after them, currency."""
        x, paid = self.remaining(state), np.zeros(len(state))
        for k, u in zip(self.intervals(step), np.moveaxis(self.trades(step, state, action), 1, 0), strict=True):
            x = x + u
            if k == self.setting.shape[0] - 1:
                x = self.remaining(self.after(step, state, action))
                paid += self.parts.spent + self.parts.terminal(x)
            paid += self.parts.trade_cost(k, u) + self.parts.holding_cost(k, x)
            if drawn is not None:
                paid -= np.einsum("pi,pi->p", drawn.changes[:, k], x)
        return -paid

    def observe(self, step: int, state: Where, drawn: Drawn | None = None) -> npt.NDArray[np.float32]:
        """
        Return what an agent sees (episodes, 1 + n), or (episodes, 1 + 3n) where prices move.

        The part of the time that is over, the part of each order that is left; how far each price has moved since
        arrival and how far it is expected to move until the end, in percent of the arrival price, cut off at 100.
        """
        setting = self.setting
        edges = np.asarray(setting.grid.edges)
        k = self.intervals(step).start if step < self.steps else setting.shape[0]
        over = (edges[k] - edges[setting.elapsed]) / (edges[-1] - edges[setting.elapsed])
        left, whole = self.remaining(state), setting.left
        part = np.clip(np.divide(left, whole, out=np.zeros(left.shape), where=whole != 0), 0.0, 1.0)
        seen = [np.full((len(state), 1), over), part]
        if drawn is not None:
            seen += [np.clip(100.0 * move / setting.market.prices, -FAR, FAR) for move in self._moves(k, drawn)]
        return np.concatenate(seen, axis=1, dtype=np.float32, casting="same_kind")

    def schedule(self, actions: Whole, name: str) -> Schedule:
        """Price the schedule of a sequence of actions (steps, m)."""
        past, state = self.setting.past, self.begin(1)
        parts = [] if past is None else [past]
        for step, action in enumerate(np.asarray(actions)[:, None]):
            parts.append(self.trades(step, state, action)[0])
            state = self.after(step, state, action)
        return self.problem.evaluate(np.concatenate(parts), name=name)

    def _moves(self, k: int, drawn: Drawn) -> tuple[Array, Array]:
        """How far prices have moved before interval k, and how far they are expected to (episodes, n)."""
        setting, model = self.setting, self.prices
        moved = drawn.changes[:, :k].sum(axis=1)
        if model is None or k == setting.shape[0]:
            return moved, np.zeros(moved.shape)
        start = np.zeros((len(moved), 1, setting.shape[1]))
        seen = setting.market.prices + np.concatenate([start, np.cumsum(drawn.changes[:, :k], axis=1)], axis=1)
        return moved, forecast(model, setting, k, seen, drawn.signal[:, k]).sum(axis=1)

"""Learning by trial: a table of what each action is worth in each state, from episodes alone."""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy as np
import pandas as pd

from acopt.adaptive.dynamic import LotPolicy
from acopt.adaptive.progress import progress_bar
from acopt.adaptive.q_schedules import Exploration, LearningRate
from acopt.adaptive.state import State
from acopt.adaptive.tasks import Task, Where, Whole
from acopt.errors import DataError, ModelError
from acopt.market.clock import integer, number
from acopt.market.labels import Array, short
from acopt.model.schedule import Schedule, term_weight

__all__ = ["Exploration", "LearningRate", "QLearning"]

POINTS = 100
"""Rows that one training adds to the learning curve."""
COLUMNS = ["episodes", "exploration", "cost", "greedy_cost", "believed_cost"]
NOISY = 0.7
"""Exponent of the learning rate by default where rewards are random; between 1/2 and 1 (Even-Dar & Mansour)."""
PRICED = 1e-9
"""Part of what its costs come to by which a schedule may be priced otherwise."""


class QLearning:
    """
    Tabular Q-learning: Q(s, a) <- Q + alpha [r + max_a' Q(s', a') - Q], from the end of each episode backwards.

    Q is minus a cost to go, currency. The learner knows which actions are allowed and what each one was paid, and
    nothing of costs, impact or risk. An action that was never tried is no candidate, neither for the maximum nor for
    the greedy policy. Episodes are played in batches, all of a batch by the same table; targets of one entry are
    averaged over a batch. As a `Policy` it trades greedily.

    Parameters
    ----------
    task : an `ExecutionTask`, a `TacticTask`, or an environment of one.
    seed : a whole number >= 0; the same seed learns the same table.
    double : two tables, each updated by the value that the other one gives to its best action (van Hasselt): without
        the upward bias of a maximum over noisy values. It is of use where rewards are random.
    learning_rate : a `LearningRate`, or a constant; by default 1 where rewards are certain, n^-0.7 where prices move.
    exploration : an `Exploration`.
    batch : episodes that are played together.
    memory_gb : what the tables may take.

    Attributes
    ----------
    values, updates : tables (1 or 2, states, actions), currency, and how often each entry was updated; -inf where it
        never was. States are counted step by step.
    episodes : played so far.

    Raises
    ------
    DataError
        Numbers out of range, or tables that do not fit (says how large they would be, and what would fit).

    References
    ----------
    Watkins & Dayan (1992); van Hasselt (2010); Sutton & Barto (2018), chapter 6.
    """

    name = "q-learning"

    def __init__(
        self,
        task: Any,
        seed: int = 0,
        *,
        double: bool = False,
        learning_rate: LearningRate | float | None = None,
        exploration: Exploration | None = None,
        batch: int = 128,
        memory_gb: float = 1.0,
    ) -> None:
        self.task = _task(task)
        if not isinstance(double, bool):
            raise DataError(f"QLearning double={short(double)}: True or False is expected")
        self.double, self.batch = double, whole(batch, "batch", 1)
        if learning_rate is None:
            learning_rate = LearningRate(exponent=0.0 if self.task.prices is None else NOISY)
        self.learning_rate = learning_rate if isinstance(learning_rate, LearningRate) else LearningRate(learning_rate)
        self.exploration = Exploration() if exploration is None else exploration
        if not isinstance(self.exploration, Exploration):
            raise DataError(f"QLearning exploration: {short(exploration)} was given, an Exploration is expected")
        self._rng = np.random.default_rng(whole(seed, "seed", 0))
        self._check_memory(memory_gb)
        self._first = np.concatenate([[0], np.cumsum([self.task.rows(step) for step in range(self.task.steps)])])
        shape = (2 if self.double else 1, int(self._first[-1]), self.task.actions)
        self.values: Array = np.full(shape, -np.inf)
        self.updates: Whole = np.zeros(shape, dtype=np.int64)
        self._best, self._greedy = np.full(shape[:2], -1, dtype=np.int64), np.full(shape[1], -1, dtype=np.int64)
        self._vectors = np.stack(np.unravel_index(np.arange(self.task.actions), tuple(self.task.nvec)), axis=-1)
        self._strides = np.array([np.prod(self.task.nvec[i + 1 :], dtype=int) for i in range(len(self.task.nvec))])
        self.episodes, self._curve = 0, list[list[float]]()

    def train(self, episodes: int, *, progress: bool = False) -> QLearning:
        """
        Play episodes and learn from them; exploration starts anew with every call. Return the learner.

        Parameters
        ----------
        episodes : how many, rounded up to whole batches.
        progress : show a bar (extra "cli").
        """
        batches = -(-whole(episodes, "episodes", 1) // self.batch)
        stops = {batches * (i + 1) // POINTS for i in range(POINTS)} if batches > POINTS else set(range(1, batches + 1))
        costs: list[float] = []
        with progress_bar("q-learning", batches * self.batch, progress) as advance:
            for i in range(batches):
                chance = self.exploration.at(i / max(batches - 1, 1))
                costs.append(-float(self._episodes(chance).mean()))
                self.episodes += self.batch
                if i + 1 in stops:
                    self._curve.append(
                        [self.episodes, chance, float(np.mean(costs)), self._greedy_cost(), self._believed_cost()]
                    )
                    costs.clear()
                advance(self.batch)
        return self

    @property
    def learning_curve(self) -> pd.DataFrame:
        """
        How it went, some hundred rows per training.

        `episodes` played; `exploration`, the chance of a trial then; `cost`, mean objective of the episodes since the
        last row, with the prices they met; `greedy_cost`, objective of the best schedule known; `believed_cost`, what
        the table takes it for: the same in the end where rewards are certain, too low where they are noisy.
        """
        return pd.DataFrame(self._curve, columns=COLUMNS).astype({"episodes": int})

    @property
    def actions(self) -> Whole:
        """The best action known for every step (steps, m), from the start on."""
        state, out = self.task.begin(1), []
        for step in range(self.task.steps):
            action = self._choose(step, state)
            out.append(action[0])
            state = self.task.after(step, state, action)
        return np.stack(out)

    @property
    def schedule(self) -> Schedule:
        """The best schedule known, priced by the problem."""
        return self.task.schedule(self.actions, self.name)

    def gap(self, optimum: Schedule | LotPolicy | float) -> float:
        """
        How much more the best schedule known costs than an optimum, relative to |optimum|.

        Parameters
        ----------
        optimum : a Schedule of the same problem (of `solve`), a `LotPolicy`, or an objective, currency.

        Raises
        ------
        DataError
            Another problem's schedule: of another order or grid, or one that the problem prices otherwise.
        """
        plan = optimum.schedule if isinstance(optimum, LotPolicy) else optimum
        best = self._priced(plan) if isinstance(plan, Schedule) else number(plan)
        if best is None or not np.isfinite(best):
            raise DataError(f"gap optimum={short(optimum)}: a Schedule, a LotPolicy or a finite number is expected")
        more = self.schedule.objective - best
        return more / abs(best) if best else (float(np.copysign(np.inf, more)) if more else 0.0)

    def decide(self, state: State) -> Array:
        """
        Trade greedily (paths, n): what is best in the state that a path is in.

        Raises
        ------
        ModelError
            A state that training never met, another grid, or other assets.
        """
        own, other = self.task.setting, state.setting
        if not other.assets.equals(own.assets) or other.shape != own.shape:
            raise ModelError(
                f"{self.name}: it learned {own.shape[0]} intervals of {short(list(own.assets))}; the state is of "
                f"{other.shape[0]} intervals of {short(list(other.assets))}"
            )
        if state.interval < own.elapsed:
            raise ModelError(f"{self.name}: its first {own.elapsed} intervals are history")
        return self.task.act(state, self._choose)

    def save(self, path: str | PathLike[str]) -> None:
        """
        Write the tables, the learning curve and the state of the random numbers to a file `.npz`, without pickle.

        Raises
        ------
        DataError, ModelError
            The problem cannot be written, so that it has no hash (see `content_hash`); the file cannot be written.
        """
        from acopt.adaptive.q_files import save

        save(self, path)

    @classmethod
    def load(cls, path: str | PathLike[str], task: Any, *, memory_gb: float = 1.0) -> QLearning:
        """
        Read a learner; it goes on as if it had never been saved.

        Raises
        ------
        DataError
            The file is no such table, or one of another problem, of other lots, decisions or prices.
        """
        from acopt.adaptive.q_files import load

        return load(cls, path, task, memory_gb)

    def restore(self, values: Array, updates: Whole, curve: list[list[float]]) -> None:
        """Take over tables and the rows of a learning curve."""
        self.values, self.updates, self._curve = values, updates, curve
        self._rank(np.flatnonzero(updates.any(axis=(0, 2))))

    def __repr__(self) -> str:
        _, states, actions = self.values.shape
        kind = "double Q-learning" if self.double else "Q-learning"
        return f"QLearning({kind}: {states:,} states x {actions:,} actions, {self.episodes:,} episodes)"

    def _choose(self, step: int, state: Where) -> Whole:
        """Best actions known (episodes, m)."""
        greedy = self._greedy[self._first[step] + self.task.index(step, state)]
        if (greedy < 0).any():
            unknown = ", ".join(f"{x:,.10g}" for x in self.task.remaining(state)[int(np.argmin(greedy))])
            k = self.task.intervals(step).start
            raise ModelError(
                f"{self.name}: no episode has come to {self.task.setting.grid.labels[k]} with {unknown} shares left; "
                "train longer, with more exploration"
            )
        return np.asarray(self._vectors[greedy])

    def _priced(self, plan: Schedule) -> float:
        """Objective of a schedule, which must be what the problem says."""
        problem, own, other = self.task.problem, self.task.setting, plan.setting
        differs = ""
        if not own.assets.equals(other.assets) or not np.array_equal(own.remaining, other.remaining):
            differs = "another order"
        elif own.grid != other.grid:
            differs = "another grid"
        elif own.past is not None and not np.allclose(plan.path.trades[: own.elapsed], own.past):
            differs = "another history"
        else:
            here = problem.evaluate(plan.path.trades)
            size = sum(abs(term_weight(t) * here.term_values[t.cost.name]) for t in problem.objective.terms)
            if not abs(here.objective - plan.objective) <= PRICED * size:
                differs = f"it costs {plan.objective:,.6g} there and {here.objective:,.6g} here"
        if differs:
            raise DataError(f"gap optimum: {short(plan.name)} is a schedule of another problem ({differs})")
        return plan.objective

    def _greedy_cost(self) -> float:
        state, total = self.task.begin(1), 0.0
        for step in range(self.task.steps):
            action = self._choose(step, state)
            total -= float(self.task.reward(step, state, action)[0])
            state = self.task.after(step, state, action)
        return total

    def _believed_cost(self) -> float:
        row = int(self.task.index(0, self.task.begin(1))[0])
        values = self.values[:, row, self._greedy[row]]
        return -float(values[np.isfinite(values)].mean())

    def _episodes(self, chance: float) -> Array:
        """Play a batch, learn from it, return the sums of rewards (batch,)."""
        task, rng = self.task, self._rng
        drawn, state = task.draw(self.batch, rng), task.begin(self.batch)
        met = []
        for step in range(task.steps):
            rows = self._first[step] + task.index(step, state)
            action = self._try(step, state, rows, chance)
            met.append((rows, action @ self._strides, task.reward(step, state, action, drawn)))
            state = task.after(step, state, action)
        which = rng.integers(2, size=self.batch) if self.double else np.zeros(self.batch, dtype=np.int64)
        value, total = np.zeros(self.batch), np.zeros(self.batch)
        for rows, action, reward in reversed(met):
            total += reward
            for table in range(len(self.values)):
                mine = which == table
                self._learn(table, rows[mine], action[mine], reward[mine] + value[mine])
            self._rank(np.unique(rows))
            value = self._worth(which, rows)
        return total

    def _try(self, step: int, state: Where, rows: Whole, chance: float) -> Whole:
        """Actions (batch, m): the best one known, one beside it, or any that is allowed."""
        rng, greedy = self._rng, self._greedy[rows]
        low, high = self.task.limits(step, state)
        best = self._vectors[greedy]
        any_other = low + (rng.random(low.shape) * (high - low + 1)).astype(np.int64)
        beside = np.clip(best + rng.integers(-1, 2, low.shape), low, high)
        trial, near = rng.random((2, self.batch, 1)) < np.array([chance, self.exploration.near])[:, None, None]
        known = (greedy >= 0)[:, None]
        return np.where(known & ~trial, best, np.where(known & near, beside, any_other))

    def _learn(self, table: int, rows: Whole, action: Whole, target: Array) -> None:
        """Move the entries that were met towards the mean of their targets."""
        entries, place, count = np.unique(rows * self.task.actions + action, return_inverse=True, return_counts=True)
        mean = np.bincount(place, target, len(entries)) / count
        values, updates = self.values[table].reshape(-1), self.updates[table].reshape(-1)
        updates[entries] += 1
        first = updates[entries] == 1
        old = np.where(first, mean, values[entries])
        values[entries] = old + self.learning_rate.at(updates[entries]) * (mean - old)

    def _rank(self, rows: Whole) -> None:
        """Find the best actions of some states again, of each table and of all of them."""
        tables = self.values[:, rows]
        self._best[:, rows] = tables.argmax(axis=-1)
        if self.double:
            both = np.isfinite(tables).all(axis=0)
            tables = np.where(both, 0.5 * tables.sum(axis=0), tables.max(axis=0))[None]
        self._greedy[rows] = tables[0].argmax(axis=-1)

    def _worth(self, which: Whole, rows: Whole) -> Array:
        """Value of states: of the best action of one table, by the other one where that has tried it."""
        best = self._best[which, rows]
        own = self.values[which, rows, best]
        if not self.double:
            return own
        other = self.values[1 - which, rows, best]
        return np.where(np.isfinite(other), other, own)

    def _check_memory(self, memory_gb: Any) -> None:
        room = number(memory_gb)
        if room is None or not 0 < room < np.inf:
            raise DataError(f"QLearning memory_gb={short(memory_gb)}: a number > 0 is expected")
        each = 16.0 * (2 if self.double else 1)
        entries = self.task.entries
        n, m = self.task.setting.shape
        most = room * 1e9 / (8.0 * (2 * n * m + 8 * self.task.steps))
        if self.batch > most:
            raise DataError(
                f"QLearning batch={short(self.batch)}: at most {most:,.0f} episodes at once fit in memory_gb={room:g}; "
                "a smaller batch is expected"
            )
        if entries * each > room * 1e9:
            raise DataError(
                f"QLearning: {entries // self.task.actions:,} states x {self.task.actions:,} actions need "
                f"{entries * each / 1e9:.3g} GB, memory_gb={room:g} is allowed; {self.task.advice(room * 1e9 / each)}"
            )


def whole(value: Any, what: str, least: int) -> int:
    """Return a whole number, or raise."""
    found = integer(value)
    if found is None or found < least:
        raise DataError(f"QLearning {what}={short(value)}: a whole number >= {least} is expected")
    return found


def _task(given: Any) -> Task:
    found = given if isinstance(given, Task) else getattr(given, "task", None)
    if not isinstance(found, Task):
        raise DataError(
            f"QLearning: {short(given)} was given; ac.ExecutionTask(problem, lots), ac.TacticTask(problem, "
            "decisions) or an environment of one is expected"
        )
    return found

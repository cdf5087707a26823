"""Bellman's dynamic programming: the best decision in every state, in whole lots."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from acopt.adaptive.bellman import ValueTable, backward
from acopt.adaptive.inf_convolution import Steps
from acopt.adaptive.lot_grid import check_memory, grid_of, infeasible, lots_of
from acopt.adaptive.price_states import number_of_states, price_states
from acopt.adaptive.prices import PriceModel
from acopt.adaptive.stages import Staged, stages
from acopt.adaptive.state import State
from acopt.errors import DataError, ModelError
from acopt.market.clock import TimeLike, integer, number
from acopt.market.labels import Array, Data, numbers, place, short
from acopt.model.problem import ExecutionProblem
from acopt.model.schedule import Schedule
from acopt.model.setting import Setting

__all__ = ["LotPolicy", "dynamic_program"]

CLOSE = 1e-9
"""Part of the sum of |cost terms| by which two ways to add them up may differ."""


class LotPolicy:
    """
    The best trade in every state, in whole lots: what `dynamic_program` returns, a `Policy`.

    Attributes
    ----------
    problem : the question.
    lot : shares by asset.
    table : values and steps, as arrays.
    value : expected objective of the policy, currency: no policy in these lots has a lower one.
    schedule : what it does on a day on which the signal does what is expected of it; without price states the best
        schedule, and `value` is its objective.
    overshoots : whether the table has positions beyond the order and its target.
    """

    name = "dynamic program"

    def __init__(self, problem: ExecutionProblem, table: ValueTable, spent: float = 0.0) -> None:
        grid = table.grid
        self.problem, self.table, self.value = problem, table, spent + table.value
        self.lot = pd.Series(grid.lot, problem.setting.assets, name="lot")
        self.overshoots = bool((grid.low < 0).any() or (grid.high > grid.start).any())
        setting = problem.setting
        trades = np.stack([0.0 - grid.shares(lots, i) for i, lots in enumerate(table.path().T)], axis=-1)
        if setting.past is not None:
            trades = np.concatenate([setting.past, trades])
        self.schedule: Schedule = problem.evaluate(trades, name=self.name)

    def decide(self, state: State) -> Array:
        """
        Return the trades of the interval (paths, n): those of the table; between two price states, in between.

        Raises
        ------
        ModelError
            A position that is not in the table, or from which the rules cannot be kept any more; a signal beyond the
            price states, or of another kind of price model; another grid, or other assets. Names it.
        """
        setting = self.problem.setting
        if not state.setting.assets.equals(setting.assets) or state.setting.shape != setting.shape:
            raise ModelError(
                f"policy {self.name}: it is for {_shape(setting)}; the state is of {_shape(state.setting)}"
            )
        k = state.interval - setting.elapsed
        if k < 0:
            raise ModelError(f"policy {self.name}: its first {setting.elapsed} intervals are history")
        made_for, given = self.table.states.model, state.prices_model
        if made_for and given and given != made_for and state.signal.any():
            raise ModelError(
                f"policy {self.name}: made for {made_for}; the signal of these days is that of {given}; make the table "
                "with the price model of these days (prices=)"
            )
        where, values = self._find(state.interval, state.remaining, state.signal)
        stuck = ~np.isfinite(values)
        if stuck.any():
            path = int(np.argmax(stuck))
            left = ", ".join(f"{x:,.10g} of {a}" for a, x in zip(setting.assets, state.remaining[path], strict=True))
            raise ModelError(
                f"policy {self.name}, interval {setting.grid.labels[state.interval]}: with {left} left (path {path}) "
                "the rules cannot be kept any more"
            )
        table = self.table
        lots = np.round(where.mean(np.moveaxis(table.steps[k], 0, -1)))
        trades = np.stack([0.0 - table.grid.shares(lots[:, i], i) for i in range(lots.shape[1])], axis=-1)
        # The last lots leave nothing, not the rounding of what was left.
        return np.where(where.index + table.grid.low == lots, 0.0 - state.remaining, trades)

    def cost_to_go(self, interval: int, remaining: Data, signal: Data | None = None) -> Array:
        """
        Return what is still to pay from before a trade on (paths,), currency, with what no schedule can change.

        Infinite where the rules cannot be kept any more; between two price states, in between.

        Parameters
        ----------
        interval : k from 0, not in history; N is the end.
        remaining : (paths, n), shares; for one asset also (paths,), or a number.
        signal : likewise, with a price model that has one.
        """
        interval = self._interval(interval, self.problem.setting.shape[0], "cost_to_go")
        left = self._paths(remaining, "cost_to_go remaining")
        if left.ndim != 2 or left.shape[1] != len(self.lot):
            raise DataError(f"cost_to_go remaining: shape {left.shape} was given, (paths, {len(self.lot)}) is expected")
        if signal is None and self.table.states.size > 1:
            raise DataError("cost_to_go signal: it is missing; the prices have one, (paths, n)")
        known = np.zeros(left.shape) if signal is None else self._paths(signal, "cost_to_go signal")
        if known.shape != left.shape:
            raise DataError(f"cost_to_go signal: shape {known.shape} was given, {left.shape} is expected")
        return self._find(interval, left, known)[1]

    def trades_at(self, interval: int | TimeLike) -> pd.DataFrame:
        """
        Return the table of one interval: trades in shares, NaN where the rules cannot be kept any more.

        One row for each position, labelled by the remaining shares; for one asset a column for each price state,
        labelled by its signal, and for several a column for each asset.

        Parameters
        ----------
        interval : k from 0, not in history; or a time on the clock at which it begins ("11:30", a timestamp).
        """
        setting, grid, states = self.problem.setting, self.table.grid, self.table.states
        interval = interval if number(interval) is not None else setting.grid.interval(interval)
        interval = self._interval(interval, setting.shape[0] - 1, "trades_at")
        k = interval - setting.elapsed
        rows = pd.MultiIndex.from_arrays(
            [*grid.positions().reshape(-1, len(setting.assets)).T], names=[*setting.assets]
        )
        trades = np.stack([0.0 - grid.shares(self.table.steps[k, i], i) for i in range(len(setting.assets))])
        trades = np.where(np.isfinite(self.table.values[k]), trades, np.nan).reshape(-1, grid.states).T
        if len(setting.assets) > 1:
            return pd.DataFrame(trades, rows, setting.assets)
        return pd.DataFrame(trades, rows.get_level_values(0), pd.Index(states.nodes(interval), name="signal"))

    def _interval(self, interval: object, last: int, what: str) -> int:
        first = self.problem.setting.elapsed
        found = integer(interval)
        if found is None or not first <= found <= last:
            raise DataError(f"{what} interval={short(interval)}: a whole number from {first} to {last} is expected")
        return found

    def _paths(self, given: Data, what: str) -> Array:
        """Numbers (paths, n); of one asset (paths,) and a number will do."""
        found = numbers(given, what)
        return found.reshape(-1, 1) if found.ndim < 2 and len(self.lot) == 1 else found

    def __repr__(self) -> str:
        grid = self.table.grid
        nodes = f" x {self.table.states.size} price states" if self.table.states.size > 1 else ""
        return (
            f"LotPolicy({grid.states:,} positions{nodes} x {len(self.table.steps)} intervals, value {self.value:,.6g})"
        )

    def _find(self, interval: int, remaining: Array, signal: Array) -> tuple[_Place, Array]:
        """Where in the table some states are, and the values there."""
        table, setting = self.table, self.problem.setting
        index = table.grid.index(remaining, f"policy {self.name}")
        place = _Place(index, np.zeros(len(index), dtype=np.int64), np.zeros(len(index)))
        if table.states.size > 1 and interval < setting.shape[0]:
            what = f"policy {self.name}, interval {setting.grid.labels[interval]}"
            place = _Place(index, *table.states.between(interval, signal[:, 0], what))
        return place, place.mean(table.values[interval - setting.elapsed])


@dataclass(frozen=True)
class _Place:
    """States of the table: `index` (paths, n) of positions, and between price states `low` and the next, `weight`."""

    index: Steps
    low: npt.NDArray[np.int64]
    weight: Array

    def mean(self, table: Array | Steps) -> Array:
        """Entries (paths, ...) of an array (M, *shape, ...), between price states in proportion."""
        at = tuple(self.index.T)
        below = np.asarray(table[(self.low, *at)], dtype=float)
        above = np.asarray(table[(np.minimum(self.low + 1, len(table) - 1), *at)], dtype=float)
        weight = self.weight.reshape(-1, *[1] * (below.ndim - 1))
        return _part(1.0 - weight, below) + _part(weight, above)


def _part(weight: Array, values: Array) -> Array:
    """weight * values, nothing of an infinite value that has no weight."""
    return np.multiply(weight, values, out=np.zeros_like(values), where=weight > 0)


def dynamic_program(
    problem: ExecutionProblem,
    lot: Data,
    *,
    prices: PriceModel | None = None,
    nodes: int = 41,
    beyond: Data | None = None,
    memory_gb: float = 1.0,
) -> LotPolicy:
    """
    Solve Bellman's equation: the best trade in every state, and so the best schedule in whole lots.

    V_k(x, I) = min_u f_k(u) + g_k(x + u) - E[dS_k | I]' (x + u) + E[V_{k+1}(x + u, I') | I],  u in whole lots

    f and g are the problem's costs of trades and of positions; x is what remains. For one asset with convex costs a
    step takes time in proportion to the number of lots: the slopes of the two functions are merged, and the best trade
    never falls when more is left. Anything else, a fixed fee or a basket, takes the plain minimum over all trades.

    Parameters
    ----------
    problem : costs and rules that split by interval; see `stages`.
    lot : shares, > 0, scalar or by asset; they divide the order.
    prices : what else is known of prices; its signal is part of the state, as `nodes` price states (one asset). What
        it lets expect is added to the costs. By default prices have no memory and no drift.
    nodes : an odd number; they reach sqrt(nodes - 1) standard deviations of the signal.
    beyond : shares by which positions may go beyond the order and its target, scalar or by asset, rounded down to
        lots. By default they stay between; without price states, it is then made sure that going one lot further would
        not pay, which for one asset with convex costs proves that nothing further would.
    memory_gb : what the table may take.

    Raises
    ------
    DataError
        A lot that does not divide the order (names what would), or a table that does not fit (says which would).
    ModelError
        A cost or a rule that joins intervals; a signal in a basket, or after a history; a schedule beyond the order and
        its target that is better; a cost whose `by_stage` is not its `values`.
    InfeasibleError
        No schedule in these lots obeys the rules.

    References
    ----------
    Bellman (1957); Murota (2003) for convexity on lattices; Rouwenhorst (1995) for the price states.
    """
    parts = stages(problem)
    setting = problem.setting
    room = number(memory_gb)
    if room is None or not 0 < room < np.inf:
        raise DataError(f"dynamic_program memory_gb={short(memory_gb)}: a number > 0 is expected")
    size = number_of_states(prices, nodes, setting)
    sizes, count = lots_of(lot, setting)
    further = (
        np.zeros(len(sizes))
        if beyond is None
        else setting.per_asset(beyond, "dynamic_program beyond", sign="nonnegative")
    )
    grid, cut = grid_of(parts, sizes, count, further)
    check_memory(grid, size, room)
    states = price_states(prices, size, setting)
    table = backward(parts, grid, states)
    if not np.isfinite(table.value):
        raise infeasible(parts, grid, cut)
    policy = LotPolicy(problem, table, parts.spent)
    if size == 1:
        _check_sum(policy)
        if beyond is None and cut:
            wider, _ = grid_of(parts, sizes, count, sizes)
            _check_cut(policy, backward(parts, wider, states))
    return policy


def _size_of(schedule: Schedule) -> float:
    """Sum of |weighted cost terms|."""
    return float(sum(abs(t.factor * schedule.term_values[t.cost.name]) for t in schedule.pricing.terms))


def _check_sum(policy: LotPolicy) -> None:
    """Demand that the table's value is the objective of its schedule; only a cost of the user's own can differ."""
    schedule, begin = policy.schedule, policy.problem.setting.elapsed
    earned = float(np.sum(policy.table.states.moves[begin:, 0] * schedule.path.after[begin:]))
    whole = schedule.objective - earned
    if abs(policy.value - whole) <= CLOSE * (_size_of(schedule) + abs(earned)):
        return
    own = " or ".join(t.cost.name for t in policy.problem.objective.terms if isinstance(t.cost, Staged))
    raise ModelError(
        f"dynamic_program: the best schedule costs {policy.value:,.10g} interval by interval, and {whole:,.10g} as a "
        f"whole: by_stage of {own} does not add up to its values, or is not a sum over assets (joint=True)"
    )


def _check_cut(policy: LotPolicy, wider: ValueTable) -> None:
    """Demand that a schedule which may leave the order and its target by a lot is no better."""
    better = policy.table.value - wider.value
    if better <= CLOSE * _size_of(policy.schedule):
        return
    path = wider.grid.start - np.cumsum(wider.path(), axis=0)
    out = (path < 0) | (path > wider.grid.start)
    k, i = (int(j) for j in np.argwhere(out)[0])
    setting = policy.problem.setting
    raise ModelError(
        "dynamic_program: the best schedule leaves the order and its target, first for "
        f"{place(k + setting.elapsed, i, setting.grid.labels, setting.assets)} ({better:,.4g} better by one lot); "
        "allow it, beyond=shares, or rule it out, Monotone()"
    )


def _shape(setting: Setting) -> str:
    return f"{setting.shape[0]} intervals of {', '.join(map(str, setting.assets[:4]))}"

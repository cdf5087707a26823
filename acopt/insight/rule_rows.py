"""Every rule of a problem as linear rows that may give way, each rule for itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cvxpy as cp
import numpy as np
import scipy.sparse as sp

from acopt.constraints.position_bounds import Neutral
from acopt.constraints.trading import AllowUnfilled, Complete
from acopt.errors import ModelError
from acopt.insight.relaxation import residual
from acopt.market.labels import Array
from acopt.model.algebra import Constraint
from acopt.model.paths import Paths
from acopt.model.schedule import CLOSED, COMPLETE
from acopt.model.setting import Mask, Setting
from acopt.solving.canonical import CanonicalProgram, Indices
from acopt.solving.elastic import Elastic, Rows

EVERYWHERE = -1
"""The interval of a row that is about no single one."""


@dataclass(frozen=True)
class RuleRows:
    """
    Rows of one rule on x (N+1, n), taken down its columns.

    Attributes
    ----------
    rows : the rows; one slack, or for completion one slack an asset.
    interval : (r,) interval that each row is about.
    finished : (n,) assets that must be finished, when that is the rule.
    """

    rows: Rows
    interval: Indices
    finished: Mask | None = None


@dataclass(frozen=True)
class RuleBook:
    """
    The rules of a problem, written or not, as rows.

    Attributes
    ----------
    rules : rows by name; unwritten ones are completing the order, and closed intervals.
    left_out : names of the rules that are not linear.
    """

    setting: Setting
    rules: dict[str, RuleRows]
    left_out: tuple[str, ...]

    def elastic(self) -> Elastic:
        """Return the rules with x_0 and the history given, in units of each asset's order."""
        setting = self.setting
        n, m = setting.shape
        fixed = np.full((n + 1, m), np.nan)
        fixed[0] = setting.remaining
        if setting.past is not None:
            fixed[1 : setting.elapsed + 1] = setting.remaining + np.cumsum(setting.past, axis=0)
        rows = {name: rule.rows for name, rule in self.rules.items()}
        return Elastic(fixed.ravel(order="F"), np.repeat(_sizes(setting), n + 1), rows)


def rule_book(constraints: tuple[Constraint, ...], setting: Setting) -> RuleBook:
    """Write down all rules; completion and closed intervals come last, so that conflicts speak of them."""
    rules: dict[str, RuleRows] = {}
    left_out, last = list[str](), dict[str, RuleRows]()
    for constraint in constraints:
        rows = rows_of(constraint, setting)
        if rows is None:
            left_out.append(constraint.name)
        elif len(rows.interval) and isinstance(constraint, Complete | AllowUnfilled):
            last[constraint.name] = rows
        elif len(rows.interval):
            rules[constraint.name] = rows
    if setting.complete and not any(c.completes for c in constraints):
        last[COMPLETE] = _completion(np.ones(setting.shape[1], dtype=bool), setting)
    closed = setting.forbidden.copy()
    closed[: setting.elapsed] = False
    if closed.any():
        bound = np.where(closed, 0.0, np.inf)
        last[CLOSED] = _trade_rows(-bound, bound, np.ones(()), setting)
    return RuleBook(setting, {**rules, **last}, tuple(left_out))


def rows_of(constraint: Constraint, setting: Setting) -> RuleRows | None:
    """
    Rows of one constraint; None when it is not linear.

    Completion gives way asset by asset, in shares left; any other rule as its `widening` says.
    """
    finished = _finished(constraint, setting)
    if finished is not None:
        return _completion(finished, setting)
    widen = constraint.widening(setting)[1]
    parts = []
    bounds = constraint.trade_bounds(setting)
    if bounds is not None:
        parts.append(_trade_rows(*bounds, widen, setting))
    declared = _declared_rows(constraint, widen, setting)
    if declared is None:
        return None
    parts += [declared, *_start_rows(constraint, setting)]
    return _joined([part for part in parts if len(part.interval)], setting)


def _finished(constraint: Constraint, setting: Setting) -> Mask | None:
    """Assets (n,) that a rule of completion demands to be finished; None for another rule."""
    covered = constraint.covered(setting)
    if isinstance(constraint, Complete):
        return np.ones_like(covered) if setting.complete else covered
    return ~covered if isinstance(constraint, AllowUnfilled) else None


def _sizes(setting: Setting) -> Array:
    """Natural unit of each asset (n,), shares: its order; else what the gross notional, or its volume, would be."""
    size, prices = np.abs(setting.remaining), setting.market.prices
    if setting.gross > 0:
        return np.asarray(np.where(size > 0, size, setting.gross / prices))
    volume = setting.market.volumes.mean(axis=0) if setting.market.has_volume else np.ones(len(size))
    return np.asarray(np.where(volume > 0, volume, 1.0))


def _column(k: Indices, i: Indices, setting: Setting) -> Indices:
    return np.asarray(i * (setting.shape[0] + 1) + k, dtype=np.int64)


def _columns(setting: Setting) -> int:
    n, m = setting.shape
    return (n + 1) * m


def _completion(finished: Mask, setting: Setting) -> RuleRows:
    i = np.flatnonzero(finished)
    row, n = np.arange(len(i)), setting.shape[0]
    a = sp.coo_array((np.ones(len(i)), (row, _column(np.full(len(i), n), i, setting))), (len(i), _columns(setting)))
    zero = np.zeros(len(i))
    rows = Rows(sp.csr_array(a), zero, zero, sp.csr_array(sp.eye_array(len(i))), np.ones(len(i), dtype=bool))
    return RuleRows(rows, np.full(len(i), EVERYWHERE), finished)


def _trade_rows(lower: Array, upper: Array, widen: Array, setting: Setting) -> RuleRows:
    """lower - s w <= x_k - x_{k-1} <= upper + s w where a side is finite."""
    k, i = np.nonzero(np.isfinite(lower) | np.isfinite(upper))
    row = np.arange(len(k))
    both = np.concatenate([row, row]), np.concatenate([_column(k + 1, i, setting), _column(k, i, setting)])
    a = sp.coo_array((np.repeat([1.0, -1.0], len(k)), both), (len(k), _columns(setting)))
    give = np.broadcast_to(widen, setting.shape)[k, i]
    rows = Rows(sp.csr_array(a), lower[k, i], upper[k, i], sp.csr_array(give[:, None]), np.ones(len(k), dtype=bool))
    return RuleRows(rows, k)


def _start_rows(constraint: Constraint, setting: Setting) -> Iterator[RuleRows]:
    """Rows on x_0 where a rule demands that the order itself is within it, as `check` does."""
    if not isinstance(constraint, Neutral) or constraint.of == "holdings" or not setting.window(constraint.during)[0]:
        return
    matrix = constraint.matrix(setting).reshape(len(setting.assets), -1)
    matrix = matrix[:, ~matrix[setting.hedges].any(axis=0)]
    i, f = np.nonzero(matrix)
    count = matrix.shape[1]
    a = sp.coo_array((matrix[i, f], (f, _column(np.zeros_like(i), i, setting))), (count, _columns(setting)))
    kept = ~constraint.matrix(setting).reshape(len(setting.assets), -1)[setting.hedges].any(axis=0)
    lower, upper = (np.broadcast_to(side[0], kept.shape)[kept] for side in constraint.bounds(setting))
    give = np.broadcast_to(constraint.widening(setting)[1], count)
    rows = Rows(sp.csr_array(a), lower, upper, sp.csr_array(give[:, None]), np.ones(count, dtype=bool))
    yield RuleRows(rows, np.zeros(count, dtype=np.int64))


def _declared_rows(constraint: Constraint, widen: Array, setting: Setting) -> RuleRows | None:
    """
    Rows of a constraint's CVXPY expressions, compiled on their own; None when one is not linear.

    A slack per cell is declared with them: its coefficient tells which canonical rows are that cell.
    """
    paths = Paths(setting)
    values = constraint.parameters(setting)
    data = {key: cp.Parameter(np.shape(value), value=np.asarray(value, dtype=float)) for key, value in values.items()}
    own = constraint.expressions(paths, data)
    cells, declared = list[cp.Variable](), list[cp.Constraint]()
    for rule in own:
        cell = cp.Variable(rule.shape)
        loosened = _loosened(rule, cell)
        if loosened is None:
            return None
        cells.append(cell)
        declared.append(loosened)
    if not own:
        return _joined([], setting)
    definitions = [d for d in paths.definitions[1:] if d is not paths.completion]
    for name, value in paths.numbers(setting).items():
        paths.data[name].value = value
    return _compiled(cp.Problem(cp.Minimize(0), [*declared, *definitions]), paths, cells, widen, setting)


def _loosened(rule: cp.Constraint, slack: cp.Expression) -> cp.Constraint | None:
    """Return the rule with a slack on its side; None for a cone."""
    if isinstance(rule, cp.constraints.Zero | cp.constraints.Equality):
        return residual(rule) == slack
    if isinstance(rule, cp.constraints.Inequality | cp.constraints.NonPos | cp.constraints.NonNeg):
        off = residual(rule)
        return off <= slack if off.is_pwl() else None
    return None


def _compiled(problem: cp.Problem, paths: Paths, cells: list[cp.Variable], widen: Array, setting: Setting) -> RuleRows:
    program = CanonicalProgram(problem)
    unset = [p.name() for p in problem.parameters() if p.value is None]
    if unset:
        raise ModelError(f"the parameter {unset[0]} of a custom term has no value")
    arrays = program.arrays(program.theta({p.id: np.asarray(p.value, dtype=float) for p in problem.parameters()}))
    matrix = sp.csc_array(program.a_pattern.matrix(arrays.a))
    primary = program.columns_of(paths.variable)
    give, interval = np.zeros(program.m), np.full(program.m, EVERYWHERE)
    soft, other = np.zeros(program.m, dtype=bool), np.ones(program.n, dtype=bool)
    other[primary] = False
    for cell in cells:
        columns = program.columns_of(cell)
        other[columns] = False
        entries = matrix[:, columns].tocoo()
        width = np.broadcast_to(widen, cell.shape).ravel(order="F")
        by_row = cell.shape[:1] == setting.shape[:1]
        row, col = entries.row, entries.col
        soft[row], give[row] = True, np.abs(entries.data) * width[col]
        interval[row] = np.arange(cell.size)[col] % setting.shape[0] if by_row else EVERYWHERE
    silent = soft & ~np.isfinite(arrays.l) & ~np.isfinite(arrays.u)
    a = sp.csr_array(sp.hstack([matrix[:, primary], matrix[:, np.flatnonzero(other)]]))[~silent]
    kept = Rows(sp.csr_array(a), arrays.l[~silent], arrays.u[~silent], sp.csr_array(give[~silent, None]), soft[~silent])
    return RuleRows(kept, interval[~silent])


def _joined(parts: list[RuleRows], setting: Setting) -> RuleRows:
    """Stack rows of one rule, which has one slack; only one part has auxiliaries."""
    if not parts:
        nothing = np.zeros(0)
        a, give = sp.csr_array((0, _columns(setting))), sp.csr_array((0, 1))
        return RuleRows(Rows(a, nothing, nothing, give, nothing.astype(bool)), nothing.astype(np.int64))
    width = max(part.rows.a.shape[1] for part in parts)
    wide = [sp.csr_array((p.rows.a.data, p.rows.a.indices, p.rows.a.indptr), (p.rows.a.shape[0], width)) for p in parts]
    rows = Rows(
        sp.csr_array(sp.vstack(wide)),
        np.concatenate([p.rows.l for p in parts]),
        np.concatenate([p.rows.u for p in parts]),
        sp.csr_array(sp.vstack([p.rows.give for p in parts])),
        np.concatenate([p.rows.soft for p in parts]),
    )
    return RuleRows(rows, np.concatenate([p.interval for p in parts]))

"""Exact reductions of a parametrised quadratic program, planned once and replayed for every new set of numbers.

CVXPY writes every quadratic as a new variable with a defining equality. Where a definition is short it is
substituted back; pinned variables leave; parallel rows become one two-sided row. Nothing is approximated.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from acopt.solving.canonical import Array, Arrays, CanonicalProgram, Indices, Pattern

LONGEST_DEFINITION = 16
ROUNDING = 1e-12
"""Part of the sum of a row's |terms| that is rounding."""


@dataclass(frozen=True)
class Shape:
    """What a stage of the reduction needs to know of the program: patterns, and which numbers never change."""

    p: Pattern
    a: Pattern
    a_constant: npt.NDArray[np.bool_]
    equality: npt.NDArray[np.bool_]


@dataclass
class Substitution:
    """
    Eliminate variables e that an equality row defines: z_e = T z_w + c.

    P z with P diagonal on e: P' = P_ww + T'D T, q' = q_w + T'(q_e + D c); A' = A_w + A_e T, and the bounds
    move by A_e c. `kept` and `eliminated` are columns, `defining` the rows used up.
    """

    shape: Shape
    eliminated: Indices
    defining: Indices
    out: Shape = field(init=False)

    def __post_init__(self) -> None:
        n, m = self.shape.a.shape[1], self.shape.a.shape[0]
        self.kept = _others(n, self.eliminated)
        self.rows = _others(m, self.defining)
        new_col = np.full(n, -1)
        new_col[self.kept] = np.arange(len(self.kept))
        new_row = np.full(m, -1)
        new_row[self.rows] = np.arange(len(self.rows))
        place = np.full(n, -1)
        place[self.eliminated] = np.arange(len(self.eliminated))
        self._plan_definitions(place, new_col)
        self._plan_quadratic(place, new_col)
        self._plan_rows(place, new_col, new_row)

    def _plan_definitions(self, place: Indices, new_col: Indices) -> None:
        a = self.shape.a
        owner = np.full(a.shape[0], -1)
        owner[self.defining] = np.arange(len(self.defining))
        mine = owner[a.row] >= 0
        pivot = mine & (place[a.col] == owner[a.row])
        entries = np.flatnonzero(pivot)
        self._pivot = entries[np.argsort(owner[a.row[entries]])]
        rest = np.flatnonzero(mine & ~pivot)
        rest = rest[np.argsort(owner[a.row[rest]], kind="stable")]
        self._t_entry = rest
        self._t_owner = owner[a.row[rest]]
        self._t_col = new_col[a.col[rest]]
        self._t_constant = self.shape.a_constant[rest] & self.shape.a_constant[self._pivot][self._t_owner]
        count = len(self.eliminated)
        self._t_start = np.searchsorted(self._t_owner, np.arange(count))
        self._t_count = np.diff(np.append(self._t_start, len(rest)))

    def _plan_quadratic(self, place: Indices, new_col: Indices) -> None:
        p = self.shape.p
        keep = np.flatnonzero((place[p.row] < 0) & (place[p.col] < 0))
        self._p_keep = keep
        on = np.flatnonzero((p.row == p.col) & (place[p.row] >= 0))
        self._d_entry, self._d_owner = on, place[p.row[on]]
        first, second = _pairs(self._t_start[self._d_owner], self._t_count[self._d_owner])
        diag = np.repeat(np.arange(len(on)), self._t_count[self._d_owner] ** 2)
        upper = self._t_col[first] <= self._t_col[second]
        self._pp_first, self._pp_second, self._pp_diag = first[upper], second[upper], diag[upper]
        row = np.concatenate([new_col[p.row[keep]], self._t_col[self._pp_first]])
        col = np.concatenate([new_col[p.col[keep]], self._t_col[self._pp_second]])
        n = len(self.kept)
        self._p_slot, self._out_p = _compress(row, col, (n, n))

    def _plan_rows(self, place: Indices, new_col: Indices, new_row: Indices) -> None:
        a = self.shape.a
        alive = new_row[a.row] >= 0
        keep = np.flatnonzero(alive & (place[a.col] < 0))
        moved = np.flatnonzero(alive & (place[a.col] >= 0))
        self._a_keep, self._a_moved = keep, moved
        self._m_owner, self._m_row = place[a.col[moved]], new_row[a.row[moved]]
        count = self._t_count[self._m_owner]
        self._mt_source = np.repeat(np.arange(len(moved)), count)
        self._mt_entry = np.repeat(self._t_start[self._m_owner], count) + _ramp(count)
        row = np.concatenate([new_row[a.row[keep]], self._m_row[self._mt_source]])
        col = np.concatenate([new_col[a.col[keep]], self._t_col[self._mt_entry]])
        self._a_slot, out_a = _compress(row, col, (len(self.rows), len(self.kept)))
        constant = np.concatenate(
            [
                self.shape.a_constant[keep],
                self.shape.a_constant[moved][self._mt_source] & self._t_constant[self._mt_entry],
            ]
        )
        out_constant = np.ones(len(out_a.row), dtype=bool)
        out_constant[self._a_slot[~constant]] = False
        self.out = Shape(self._out_p, out_a, out_constant, self.shape.equality[self.rows])

    @np.errstate(over="ignore", invalid="ignore")  # what is not finite is refused by name before it is solved
    def apply(self, x: Arrays) -> tuple[Arrays, Array, Array]:
        """Return the reduced arrays, and the definition's T (values) and c."""
        pivot = -1.0 / x.a[self._pivot]
        t = x.a[self._t_entry] * pivot[self._t_owner]
        c = -pivot * x.l[self.defining]
        d = x.p[self._d_entry]
        p = np.concatenate([x.p[self._p_keep], t[self._pp_first] * t[self._pp_second] * d[self._pp_diag]])
        g = x.q[self.eliminated].copy()
        g[self._d_owner] += d * c[self._d_owner]
        q = x.q[self.kept] + np.bincount(self._t_col, weights=t * g[self._t_owner], minlength=len(self.kept))
        moved = x.a[self._a_moved]
        a = np.concatenate([x.a[self._a_keep], moved[self._mt_source] * t[self._mt_entry]])
        shift = np.bincount(self._m_row, weights=moved * c[self._m_owner], minlength=len(self.rows))
        offset = x.d + float(x.q[self.eliminated] @ c) + 0.5 * float(d @ c[self._d_owner] ** 2)
        reduced = Arrays(
            np.bincount(self._p_slot, weights=p, minlength=len(self._out_p.row)).astype(np.float64, copy=False),
            q,
            offset,
            np.bincount(self._a_slot, weights=a, minlength=len(self.out.a.row)).astype(np.float64, copy=False),
            x.l[self.rows] - shift,
            x.u[self.rows] - shift,
        )
        return reduced, t, c

    def restore(self, w: Array, t: Array, c: Array) -> Array:
        """All variables from the kept ones."""
        z = np.empty(self.shape.a.shape[1])
        z[self.kept] = w
        z[self.eliminated] = c + np.bincount(self._t_owner, weights=t * w[self._t_col], minlength=len(c))
        return z

    def lift(self, x: Arrays, z: Array, y: Array) -> Array:
        """Multipliers of all rows from those of the rows that were left."""
        a = self.shape.a
        out = np.zeros(a.shape[0])
        out[self.rows] = y
        slope = x.q[self.eliminated].copy()
        slope[self._d_owner] += x.p[self._d_entry] * z[self.eliminated[self._d_owner]]
        moved = self._a_moved
        slope += np.bincount(self._m_owner, weights=x.a[moved] * out[a.row[moved]], minlength=len(slope))
        out[self.defining] = -slope / x.a[self._pivot]
        return out


class RowMerge:
    """Parallel rows of one or two constant coefficients become one row with the tightest bounds."""

    def __init__(self, shape: Shape, a: Array) -> None:
        m = shape.a.shape[0]
        order = np.lexsort((shape.a.col, shape.a.row))
        row, col, value = shape.a.row[order], shape.a.col[order], a[order]
        count = np.bincount(row, minlength=m)
        first = np.minimum(np.searchsorted(row, np.arange(m)), max(len(row) - 1, 0))
        constant = np.ones(m, dtype=bool)
        constant[shape.a.row[~shape.a_constant]] = False
        mergeable = constant & (count >= 1) & (count <= 2)
        self.factor = np.ones(m)
        keys = np.column_stack([np.full(m, -1.0), np.arange(m), np.zeros(m)])
        if len(row):
            lead = np.where(mergeable, value[first], 1.0)
            mergeable &= lead != 0
            self.factor[mergeable] = lead[mergeable]
            second = np.minimum(first + 1, len(row) - 1)
            two = mergeable & (count == 2)
            keys[mergeable] = np.column_stack([col[first], np.full(m, -1.0), np.zeros(m)])[mergeable]
            ratio = np.round(value[second] / self.factor, 12)
            keys[two] = np.column_stack([col[first], col[second], ratio])[two]
        _, representative, group = np.unique(keys, axis=0, return_index=True, return_inverse=True)
        self.group: Indices = group.reshape(-1)
        self._sorted = np.argsort(self.group, kind="stable")
        self._first = np.searchsorted(self.group[self._sorted], np.arange(len(representative)))
        entry = np.flatnonzero(np.isin(shape.a.row, representative))
        # Column-major with sorted rows: solvers sort in place what is not, and the numbers would part from the pattern.
        entry = entry[np.lexsort((self.group[shape.a.row[entry]], shape.a.col[entry]))]
        self._entry = entry
        row = shape.a.row[entry]
        self.pattern = Pattern(self.group[row], shape.a.col[entry], (len(representative), shape.a.shape[1]))
        self._entry_factor = self.factor[row]
        self._swap = np.flatnonzero(self.factor < 0)

    def apply(self, x: Arrays) -> Arrays:
        """Return the arrays with merged rows."""
        lower, upper = x.l / self.factor, x.u / self.factor
        lower[self._swap], upper[self._swap] = upper[self._swap], lower[self._swap]
        if len(self._first):
            lower = np.maximum.reduceat(lower[self._sorted], self._first)
            upper = np.minimum.reduceat(upper[self._sorted], self._first)
        return Arrays(x.p, x.q, x.d, x.a[self._entry] / self._entry_factor, lower, upper)

    def lift(self, x: Arrays, y: Array) -> Array:
        """Multipliers of the rows before merging: each merged one goes to the first row that has its bound."""
        lower, upper = x.l / self.factor, x.u / self.factor
        lower[self._swap], upper[self._swap] = upper[self._swap], lower[self._swap]
        out = np.zeros(len(self.group))
        bound = np.where(y[self.group] > 0, upper, -lower)[self._sorted]
        least = np.minimum.reduceat(bound, self._first) if len(self._first) else bound
        tight = self._sorted[bound == least[self.group[self._sorted]]]
        groups, first = np.unique(self.group[tight], return_index=True)
        chosen = tight[first]
        out[chosen] = y[groups] / self.factor[chosen]
        return out


class Presolve:
    """
    The chain of exact reductions of one canonical program.

    Parameters
    ----------
    program : the canonical program.
    arrays : its arrays for some parameters (only numbers that no parameter touches are used).
    primary : columns that are never eliminated unless pinned to a number.
    definitions : whether defined variables are substituted; squares then merge, which is faster, but
        loses what is small against the largest of them.
    keep : rows that are never used up, so that a conflict can name whose they are.
    """

    def __init__(
        self,
        program: CanonicalProgram,
        arrays: Arrays,
        primary: Indices,
        *,
        definitions: bool = True,
        keep: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        equality = np.arange(program.m) < program.n_equalities
        if keep is not None:
            equality &= ~keep
        self._shape = Shape(program.p_pattern, program.a_pattern, program.a_constant, equality)
        self._columns = np.arange(program.n)
        self._stages: list[Substitution] = []
        protected = np.zeros(program.n, dtype=bool)
        protected[primary] = True
        while True:
            chosen = _pinned(self._shape, arrays.a)
            if not len(chosen[0]) and definitions:
                chosen = _defined(self._shape, arrays.a, protected[self._columns])
            if not len(chosen[0]):
                break
            arrays = self._add(arrays, *chosen)
        self._merge = RowMerge(self._shape, arrays.a)
        self.p_pattern, self.a_pattern = self._shape.p, self._merge.pattern
        self.columns: Indices = self._columns
        self._rows = np.arange(program.m)
        for stage in self._stages:
            self._rows = self._rows[stage.rows]
        self._canonical_a = program.a_pattern
        left = np.bincount(self.a_pattern.row, minlength=self.a_pattern.shape[0])
        self._spent = np.flatnonzero(left == 0)
        at = np.argsort(self._merge.group, kind="stable")
        self._spent_rows = self._rows[at[np.searchsorted(self._merge.group[at], self._spent)]]

    def _add(self, arrays: Arrays, eliminated: Indices, defining: Indices) -> Arrays:
        stage = Substitution(self._shape, eliminated, defining)
        self._stages.append(stage)
        self._columns = self._columns[stage.kept]
        self._shape = stage.out
        return stage.apply(arrays)[0]

    def members(self, row: int) -> Indices:
        """Rows of the canonical program that a reduced row stands for."""
        return np.asarray(self._rows[self._merge.group == row])

    def apply(self, arrays: Arrays, size: Array | None = None) -> tuple[Arrays, list[tuple[Array, Array]]]:
        """
        Reduce new numbers; the second value is what `restore` needs.

        `size` (columns of the program,) is what is rounding beside it: numbers may have cancelled before.
        """
        trail, canonical = [], arrays
        for stage in self._stages:
            arrays, t, c = stage.apply(arrays)
            trail.append((t, c))
        reduced = self._merge.apply(arrays)
        if len(self._spent):
            self._free(reduced, canonical, trail, size)
        return reduced, trail

    def _free(self, x: Arrays, canonical: Arrays, trail: list[tuple[Array, Array]], size: Array | None) -> None:
        """Take the bounds from rows that are sums of numbers only, and hold but for the rounding of that sum."""
        low, high = x.l[self._spent], x.u[self._spent]
        holds = (low <= 0.0) & (high >= 0.0)
        if not holds.all():
            a, z = self._canonical_a, np.abs(self.restore(np.zeros(len(self.columns)), trail))
            terms = np.abs(canonical.a) * (z if size is None else np.maximum(z, size))[a.col]
            rounding = ROUNDING * np.bincount(a.row, weights=terms, minlength=a.shape[0])[self._spent_rows]
            holds |= (low <= rounding) & (high >= -rounding)
        x.l[self._spent[holds]], x.u[self._spent[holds]] = -np.inf, np.inf

    def lift(self, arrays: Arrays, z: Array, y: Array) -> Array:
        """
        Multipliers of all canonical rows from those of the reduced ones.

        A merged row's belongs to the member whose bound it is; a defining row's makes the gradient in
        the eliminated variable vanish: y_d = -(P z + q + A' y)_e / A_de.
        """
        levels = [(arrays, z)]
        for stage in self._stages:
            arrays, z = stage.apply(arrays)[0], z[stage.kept]
            levels.append((arrays, z))
        y = self._merge.lift(levels[-1][0], y)
        for stage, (above, point) in zip(reversed(self._stages), reversed(levels[:-1]), strict=True):
            y = stage.lift(above, point, y)
        return y

    def restore(self, w: Array, trail: list[tuple[Array, Array]]) -> Array:
        """All canonical variables from the reduced ones."""
        for stage, (t, c) in zip(reversed(self._stages), reversed(trail), strict=True):
            w = stage.restore(w, t, c)
        return w


def _pinned(shape: Shape, a: Array) -> tuple[Indices, Indices]:
    """Variables that an equality row with a single entry sets to a number."""
    count = np.bincount(shape.a.row, minlength=shape.a.shape[0])
    fit = shape.equality[shape.a.row] & (count[shape.a.row] == 1) & shape.a_constant & (a != 0)
    return _first_of_each(shape, fit & ~_couples(shape)[shape.a.col])


def _defined(shape: Shape, a: Array, protected: npt.NDArray[np.bool_]) -> tuple[Indices, Indices]:
    """Variables with a short defining equality that holds no other variable eliminated in the same stage."""
    row, col = shape.a.row, shape.a.col
    m, n = shape.a.shape
    count = np.bincount(row, minlength=m)
    use = np.bincount(col, minlength=n)
    fit = shape.equality[row] & (count[row] <= LONGEST_DEFINITION + 1) & (count[row] >= 2)
    fit &= shape.a_constant & (a != 0) & ~protected[col] & ~_couples(shape)[col]
    entries = np.flatnonzero(fit)
    entries = entries[np.lexsort((-col[entries], use[col[entries]], row[entries]))]
    rows, first = np.unique(row[entries], return_index=True)
    cols = col[entries[first]]
    cols, first = np.unique(cols, return_index=True)
    rows = rows[first]
    chosen = np.zeros(n, dtype=bool)
    chosen[cols] = True
    crowded = np.bincount(row, weights=chosen[col], minlength=m)[rows] > 1
    return cols[~crowded], rows[~crowded]


def _couples(shape: Shape) -> npt.NDArray[np.bool_]:
    """Columns with an off-diagonal entry in P."""
    out = np.zeros(shape.a.shape[1], dtype=bool)
    off = shape.p.row != shape.p.col
    out[shape.p.row[off]] = True
    out[shape.p.col[off]] = True
    return out


def _first_of_each(shape: Shape, fit: npt.NDArray[np.bool_]) -> tuple[Indices, Indices]:
    entries = np.flatnonzero(fit)
    cols, first = np.unique(shape.a.col[entries], return_index=True)
    return cols, shape.a.row[entries[first]]


def _others(size: int, chosen: Indices) -> Indices:
    """0..size-1 without the chosen ones."""
    rest = np.ones(size, dtype=bool)
    rest[chosen] = False
    return np.flatnonzero(rest)


def _ramp(count: Indices) -> Indices:
    """0..count[0]-1, 0..count[1]-1, ... in one array."""
    total = int(count.sum())
    return np.arange(total) - np.repeat(np.cumsum(count) - count, count)


def _pairs(start: Indices, count: Indices) -> tuple[Indices, Indices]:
    """Return every ordered pair of entries within each run [start, start + count)."""
    first = np.repeat(np.repeat(start, count) + _ramp(count), np.repeat(count, count))
    second = np.repeat(start, count**2) + _ramp(np.repeat(count, count))
    return first, second


def _compress(row: Indices, col: Indices, shape: tuple[int, int]) -> tuple[Indices, Pattern]:
    """Slots of entries that fall on the same cell, in column-major order, and the pattern of the cells."""
    key, slot = np.unique(col * np.int64(max(shape[0], 1)) + row, return_inverse=True)
    return slot.reshape(-1), Pattern(key % max(shape[0], 1), key // max(shape[0], 1), shape)

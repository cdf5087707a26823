"""Exact reductions of a conic program in numbers: what equalities define is substituted, what has no effect leaves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.sparse.linalg import splu

from acopt.solving.canonical import Array, Indices
from acopt.solving.conic_program import ConicProgram

SHORT = 16
SWELL = 2.0
SMALL = 10_000
WORK = 5_000_000
ROUNDING = 1e-12
CANCELLED = 1e-14


class ConicPresolve:
    """
    The program without the variables that equalities pin or define, z = M w + c, and without rows that are void.

    CVXPY declares every square, and the costs every recursion, by variables of their own with equalities; an interior
    point sees free variables without curvature, whose pivots are nothing but its own regularisation. Substituted, the
    squares are in P, and what is left is inequalities on the paths.

    Parameters
    ----------
    program : the program.
    primary : columns that are not eliminated unless pinned.
    reach : size of each column, for telling rounding; zero where it is not known.
    definitions : whether defined variables are substituted; squares then merge, which loses what is small against
        the largest of them.

    Attributes
    ----------
    program : the reduced one.
    columns, rows : which columns and rows of the original it has.
    """

    def __init__(self, program: ConicProgram, primary: Indices, reach: Array, *, definitions: bool = True) -> None:
        n, m = len(program.q), len(program.b)
        self._original, self.program = program, program
        self.columns: Indices = np.arange(n)
        self.rows: Indices = np.arange(m)
        self._back, self._shift = sp.eye_array(n, format="csr"), np.zeros(n)
        self._defined, self._defining = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        free = np.ones(n, dtype=bool)
        free[primary] = False
        for longest in (SHORT, n) if definitions else (0,):
            while self._substitute(*_pinned(self.program)) or self._substitute(
                *_defined(self.program, free[self.columns], longest)
            ):
                pass
        self._drop(np.abs(program.b) + abs(program.a) @ reach)
        if len(self._defined):
            block = sp.csc_array(sp.csr_array(program.a)[self._defining])[:, self._defined]
            self._pivots = splu(sp.csc_matrix(block.T))

    def restore(self, w: Array, *, direction: bool = False) -> Array:
        """All variables from the kept ones; of a direction, which has no shift."""
        moved = np.asarray(self._back @ w)
        return moved if direction else moved + self._shift

    def lift(self, y: Array, slope: Array) -> Array:
        """
        Multipliers of all rows from those of the reduced ones: slope + A'y vanishes in every eliminated variable.

        Parameters
        ----------
        y : of the reduced rows.
        slope : gradient of the objective by every variable.
        """
        out = np.zeros(len(self._original.b))
        out[self.rows] = y
        if len(self._defined):
            for _ in range(2):  # the second corrects the rounding of the first
                rest = slope + self._original.a.T @ out
                out[self._defining] -= self._pivots.solve(rest[self._defined])
        return out

    def _substitute(self, cols: Indices, rows: Indices) -> bool:
        """Solve `rows` for `cols`, none of which is in two of them, unless that swells the program or takes long."""
        if not len(cols):
            return False
        x, n = self.program, len(self.program.q)
        kept, left = _others(n, cols), _others(len(x.b), rows)
        a = sp.csr_array(x.a)
        defining, others = a[rows], a[left]
        length = np.diff(defining.indptr)
        if length @ (length + np.diff(x.a.indptr)[cols]) > WORK:
            return False
        pivot = np.asarray(defining[np.arange(len(rows)), cols]).ravel()
        place, at = sp.eye_array(n, format="csr")[:, kept], sp.eye_array(n, format="csr")[:, cols]
        back = sp.csr_array(place - at @ (sp.diags_array(1.0 / pivot) @ sp.csc_array(defining)[:, kept]))
        shift = np.zeros(n)
        shift[cols] = x.b[rows] / pivot
        p, matrix = sp.csc_array(back.T @ x.p @ back), _product(others, back)
        before = self._original.p.nnz + self._original.a.nnz
        if p.nnz + matrix.nnz > max(SMALL, SWELL * before):
            return False
        self.program = replace(
            x,
            p=p,
            q=back.T @ (x.q + x.p @ shift),
            d=x.d + float(x.q @ shift + 0.5 * shift @ (x.p @ shift)),
            a=matrix,
            b=_difference(x.b[left], others @ shift),
            cones=x.cones.without(rows),
            void=x.void[left],
            row_constraint=x.row_constraint[left],
        )
        self._shift = self._back @ shift + self._shift
        self._back = sp.csr_array(self._back @ back)
        self._defined = np.concatenate([self._defined, self.columns[cols]])
        self._defining = np.concatenate([self._defining, self.rows[rows]])
        self.columns, self.rows = self.columns[kept], self.rows[left]
        return True

    def _drop(self, size: Array) -> None:
        """Leave out linear rows that bound nothing, and those without variables that hold up to rounding."""
        x = self.program
        linear = x.cones.zero + x.cones.nonneg
        equal = np.arange(linear) < x.cones.zero
        off, room = x.b[:linear], ROUNDING * size[self.rows[:linear]]
        empty = np.diff(sp.csr_array(x.a).indptr)[:linear] == 0
        gone = np.flatnonzero(x.void[:linear] | (empty & (off >= -room) & ~(equal & (off > room))))
        left = _others(len(x.b), gone)
        self.program = replace(
            x,
            a=sp.csc_array(sp.csr_array(x.a)[left]),
            b=x.b[left],
            cones=x.cones.without(gone),
            void=x.void[left],
            row_constraint=x.row_constraint[left],
        )
        self.rows = self.rows[left]


def _pinned(x: ConicProgram) -> tuple[Indices, Indices]:
    """Variables that an equality with a single entry sets to a number, and that equality."""
    a = sp.coo_array(sp.csr_array(x.a)[: x.cones.zero])
    single = np.flatnonzero(np.bincount(a.row, minlength=x.cones.zero)[a.row] == 1)
    cols, first = np.unique(a.col[single], return_index=True)
    return cols.astype(np.int64), a.row[single[first]].astype(np.int64)


def _defined(x: ConicProgram, free: npt.NDArray[np.bool_], longest: int) -> tuple[Indices, Indices]:
    """Variables with an equality of their own that holds no other variable eliminated with them."""
    a = sp.coo_array(sp.csr_array(x.a)[: x.cones.zero])
    count, use = np.bincount(a.row, minlength=x.cones.zero), np.diff(x.a.indptr)
    fit = np.flatnonzero((count[a.row] <= longest + 1) & free[a.col])
    fit = fit[np.lexsort((-a.col[fit], use[a.col[fit]], a.row[fit]))]
    rows, first = np.unique(a.row[fit], return_index=True)
    cols, first = np.unique(a.col[fit[first]], return_index=True)
    rows = rows[first]
    # Of two that hold each other's variable, one; by lot, so that a long recursion thins out everywhere at once.
    lot = np.random.default_rng(0).permutation(len(rows))
    of_row, of_col = np.full(x.cones.zero, -1), np.full(len(x.q), -1)
    of_row[rows], of_col[cols] = np.arange(len(rows)), np.arange(len(cols))
    first, second = of_row[a.row], of_col[a.col]
    both = (first >= 0) & (second >= 0) & (first != second)
    first, second = first[both], second[both]
    alone = np.ones(len(rows), dtype=bool)
    alone[np.where(lot[first] < lot[second], first, second)] = False
    return cols[alone].astype(np.int64), rows[alone].astype(np.int64)


def _others(size: int, chosen: Indices) -> Indices:
    rest: npt.NDArray[np.bool_] = np.ones(size, dtype=bool)
    rest[chosen] = False
    return np.flatnonzero(rest)


def _product(a: sp.csr_array, back: sp.csr_array) -> sp.csc_array:
    """A M, without what only rounding leaves of entries that cancel."""
    out, size = sp.coo_array(a @ back), sp.csr_array(abs(a) @ abs(back))
    keep = np.abs(out.data) > CANCELLED * np.asarray(size[out.row, out.col]).ravel()
    return sp.csc_array((out.data[keep], (out.row[keep], out.col[keep])), shape=out.shape)


def _difference(b: Array, moved: Array) -> Array:
    """B - A c, zero where that is rounding."""
    out = b - moved
    return np.where(np.abs(out) <= CANCELLED * (np.abs(b) + np.abs(moved)), 0.0, out)

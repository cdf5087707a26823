"""A quadratic program in numbers, and its residuals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from acopt.solving.canonical import Array, Arrays, Indices, Pattern


class Quadratic:
    """
    Minimise 1/2 z'Pz + q'z subject to l <= Az <= u, on fixed sparsity patterns.

    `p` is P's upper triangle and `a` is A, both CSC; `take` writes new numbers into them. y >= 0 holds
    on rows at u, y <= 0 on rows at l, and Pz + q + A'y = 0 at the optimum.
    """

    def __init__(self, p: Pattern, a: Pattern) -> None:
        self.p, self.a = _csc(p), _csc(a)
        self._transposed = self.a.T
        off = np.flatnonzero(p.row != p.col)
        row, col = np.concatenate([p.row, p.col[off]]), np.concatenate([p.col, p.row[off]])
        order = np.lexsort((row, col))
        self._source = np.concatenate([np.arange(len(p.row)), off])[order]
        self._full = _csc(Pattern(row[order], col[order], p.shape))
        self._plan_optimality(row[order], col[order], a)
        self._on_diagonal = np.flatnonzero(p.row == p.col)
        self._diagonal_at = p.row[self._on_diagonal]
        self.diagonal = np.zeros(p.shape[0])
        self.q, self.l, self.u = np.zeros(p.shape[0]), np.zeros(a.shape[0]), np.zeros(a.shape[0])

    def _plan_optimality(self, row: Indices, col: Indices, a: Pattern) -> None:
        """[P A'; A 0] as one matrix, so that both residuals are one product."""
        n, m = a.shape[1], a.shape[0]
        both_row, both_col = np.concatenate([row, a.col, n + a.row]), np.concatenate([col, n + a.row, a.col])
        order = np.lexsort((both_row, both_col))
        entry = len(self.p.data) + np.arange(len(a.row))
        self._optimality_source = np.concatenate([self._source, entry, entry])[order]
        self._optimality = _csc(Pattern(both_row[order], both_col[order], (n + m, n + m)))

    def take(self, x: Arrays, *, matrices: bool = True) -> None:
        """Take new numbers; `matrices` says whether those of P and A are new too."""
        self.q, self.l, self.u = x.q, x.l, x.u
        if matrices:
            self.p.data[:] = x.p
            self.a.data[:] = x.a
            self._full.data[:] = x.p[self._source]
            self._optimality.data[:] = np.concatenate([x.p, x.a])[self._optimality_source]
            self.diagonal[self._diagonal_at] = x.p[self._on_diagonal]

    def product(self, z: Array) -> Array:
        """P z, with P symmetric."""
        return np.asarray(self._full @ z)

    def rows(self, z: Array) -> Array:
        """A z."""
        return np.asarray(self.a @ z)

    def slope(self, z: Array, y: Array, *, precise: bool = False) -> Array:
        """Pz + q + A'y; `precise` accumulates in extended precision."""
        if not precise:
            return np.asarray(self._full @ z + self.q + self._transposed @ y)
        full, a = self._full.tocoo(), self.a.tocoo()
        out = self.q.astype(np.longdouble)
        np.add.at(out, full.row, full.data * z.astype(np.longdouble)[full.col])
        np.add.at(out, a.col, a.data * y.astype(np.longdouble)[a.row])
        return out.astype(np.float64)

    def optimality(self, z: Array, y: Array, *, precise: bool = False) -> tuple[Array, Array]:
        """Return Pz + q + A'y and Az; `precise` accumulates the first in extended precision."""
        n = len(self.q)
        both = self._optimality @ np.concatenate([z, y])
        return self.slope(z, y, precise=True) if precise else both[:n] + self.q, both[n:]

    @property
    def linear(self) -> bool:
        """Whether the program has no quadratic part."""
        return not self.p.data.any()


@dataclass(frozen=True)
class Solution:
    """A primal-dual point, and how it was found."""

    z: Array
    y: Array
    solver: str
    status: str
    iterations: int
    refinements: int = 0


def _csc(pattern: Pattern) -> sp.csc_matrix:
    indptr = np.searchsorted(pattern.col, np.arange(pattern.shape[1] + 1)).astype(np.int32)
    return sp.csc_matrix((np.zeros(len(pattern.row)), pattern.row.astype(np.int32), indptr), shape=pattern.shape)

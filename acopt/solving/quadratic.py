"""A quadratic program in numbers, and its residuals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from acopt.solving.canonical import Array, Arrays, Pattern


@dataclass(frozen=True)
class Quadratic:
    """
    Minimise 1/2 z'Pz + q'z + d subject to l <= Az <= u.

    `p` is P's upper triangle, `a` is A, both CSC; y >= 0 holds on rows at u, y <= 0 on rows at l, and
    Pz + q + A'y = 0 at the optimum.
    """

    p: sp.csc_array
    q: Array
    d: float
    a: sp.csc_array
    l: Array  # noqa: E741
    u: Array

    @classmethod
    def assemble(cls, x: Arrays, p: Pattern, a: Pattern) -> Quadratic:
        """Build the matrices from numbers on column-major patterns."""
        return cls(_csc(x.p, p), x.q, x.d, _csc(x.a, a), x.l, x.u)

    def product(self, z: Array) -> Array:
        """P z, with P symmetric."""
        return np.asarray(self.p @ z + self.p.T @ z - self.p.diagonal() * z)

    def slope(self, z: Array, y: Array, *, precise: bool = False) -> Array:
        """Pz + q + A'y; `precise` accumulates in extended precision."""
        if not precise:
            return np.asarray(self.product(z) + self.q + self.a.T @ y)
        p, a = self.p.tocoo(), self.a.tocoo()
        out = self.q.astype(np.longdouble)
        x, m = z.astype(np.longdouble), y.astype(np.longdouble)
        off = p.row != p.col
        np.add.at(out, p.row, p.data * x[p.col])
        np.add.at(out, p.col[off], p.data[off] * x[p.row[off]])
        np.add.at(out, a.col, a.data * m[a.row])
        return out.astype(np.float64)

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


def _csc(values: Array, pattern: Pattern) -> sp.csc_array:
    indptr = np.searchsorted(pattern.col, np.arange(pattern.shape[1] + 1)).astype(np.int32)
    return sp.csc_array((values, pattern.row.astype(np.int32), indptr), shape=pattern.shape)

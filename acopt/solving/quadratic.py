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

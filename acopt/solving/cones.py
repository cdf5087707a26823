"""The cones of a conic program: their coordinates, their duals, and how far a point is outside."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from acopt.errors import SolverError
from acopt.solving.canonical import Array, Indices

ROUNDING = 4e-16


@dataclass(frozen=True)
class Cones:
    """
    Rows of a conic program, cone by cone: zero, nonnegative, second-order, exponential, power.

    exponential: y exp(x / y) <= z, y > 0; power: x^a y^(1-a) >= |z|, x, y >= 0.

    Attributes
    ----------
    zero, nonneg : number of rows = 0 and >= 0.
    heads, lengths : first row and number of rows of each second-order cone.
    exponentials, powers : first row of each three-dimensional cone.
    exponents : a of each power cone.
    """

    zero: int
    nonneg: int
    heads: Indices
    lengths: Indices
    exponentials: Indices
    powers: Indices
    exponents: Array

    @classmethod
    def of(cls, dims: Any) -> Cones:
        """Read CVXPY's dimensions."""
        if dims.psd or dims.pnd:
            raise SolverError(
                "a custom term needs a semidefinite or a many-dimensional power cone; acopt solves second-order, "
                "exponential and three-dimensional power cones"
            )
        lengths = np.array(dims.soc, dtype=np.int64)
        ends = dims.zero + dims.nonneg + np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)])
        exponentials = ends[-1] + 3 * np.arange(dims.exp)
        powers = ends[-1] + 3 * dims.exp + 3 * np.arange(len(dims.p3d))
        exponents = np.array(dims.p3d, dtype=float)
        return cls(dims.zero, dims.nonneg, ends[:-1], lengths, exponentials, powers, exponents)

    @property
    def size(self) -> int:
        """Number of rows."""
        cells = 3 * (len(self.exponentials) + len(self.powers))
        return self.zero + self.nonneg + int(self.lengths.sum()) + cells

    def with_another_row(self) -> Cones:
        """The same with one more row >= 0, before the others of its kind."""
        heads, exponentials, powers = self.heads + 1, self.exponentials + 1, self.powers + 1
        return replace(self, nonneg=self.nonneg + 1, heads=heads, exponentials=exponentials, powers=powers)

    def without(self, linear: Indices) -> Cones:
        """The same without some rows = 0 and >= 0."""
        count, equal = len(linear), int((linear < self.zero).sum())
        heads, exponentials, powers = self.heads - count, self.exponentials - count, self.powers - count
        zero, nonneg = self.zero - equal, self.nonneg - count + equal
        return replace(self, zero=zero, nonneg=nonneg, heads=heads, exponentials=exponentials, powers=powers)

    def rotation(self) -> sp.csr_array:
        """
        R = R' = R^-1, which brings (s_0, s_1) of every second-order cone to ((s_0 + s_1), (s_0 - s_1)) / sqrt 2.

        In these coordinates the cone is 2 s_0 s_1 >= |s_2..|^2, s_0, s_1 >= 0, as its author wrote it where he
        bounds a square by a product; and factors b, 1 / b of the first two keep it.
        """
        first = self.heads[self.lengths > 1]
        diagonal = np.ones(self.size)
        half = np.sqrt(0.5)
        diagonal[first], diagonal[first + 1] = half, -half
        off = np.full(len(first), half)
        row = np.concatenate([np.arange(self.size), first, first + 1])
        col = np.concatenate([np.arange(self.size), first + 1, first])
        return sp.csr_array((np.concatenate([diagonal, off, off]), (row, col)), shape=(self.size, self.size))

    def nonnegative(self) -> Indices:
        """Rows of cones that are >= 0 by themselves, in rotated coordinates."""
        second = self.heads[self.lengths > 1] + 1
        cells = [self.exponentials + 1, self.exponentials + 2, self.powers, self.powers + 1]
        return np.concatenate([self.heads, second, *cells])

    def inside(self) -> Array:
        """Return a point well inside every cone; zero where there is no inside."""
        e = np.zeros(self.size)
        e[self.zero : self.zero + self.nonneg] = 1.0
        e[self.heads] = 1.0
        e[self.exponentials + 1], e[self.exponentials + 2] = 1.0, 2.0
        e[self.powers], e[self.powers + 1] = 1.0, 1.0
        return e

    def outside(self, s: Array) -> Array:
        """By how much each cone's own inequality is broken at s, zero inside: one number per linear row and cone."""
        at = self.zero + self.nonneg
        out = [np.abs(s[: self.zero]), np.maximum(-s[self.zero : at], 0.0)]
        out.append(np.maximum(self._norms(s) - s[self.heads], 0.0))
        x, y, z = (s[self.exponentials + k] for k in range(3))
        out.append(np.maximum(np.maximum(_exponential(x, y) - z, -y), 0.0))
        x, y, z = (s[self.powers + k] for k in range(3))
        least = np.minimum(x, y)
        out.append(np.maximum(np.maximum(np.abs(z) - _product(x, y, self.exponents), -least), 0.0))
        return np.concatenate(out)

    def lifted(self, y: Array) -> Array:
        """Return a point of the dual cone near y; y itself where it is inside by more than rounding."""
        y = y.copy()
        at = self.zero + self.nonneg
        y[self.zero : at] = np.maximum(y[self.zero : at], 0.0)
        y[self.heads] = np.maximum(y[self.heads], self._norms(y) * (1.0 + ROUNDING))
        i = self.exponentials
        y[i], y[i + 1], y[i + 2] = _dual_exponential(y[i], y[i + 1], y[i + 2])
        i, a = self.powers, self.exponents
        y[i], y[i + 1] = np.maximum(y[i], 0.0), np.maximum(y[i + 1], 0.0)
        most = _product(y[i] / a, y[i + 1] / (1.0 - a), a) * (1.0 - ROUNDING)
        y[i + 2] = np.clip(y[i + 2], -most, most)
        return y

    def products(self, y: Array, s: Array) -> Array:
        """y's of every linear row and every cone."""
        product = y * s
        starts = np.concatenate([np.arange(self.zero + self.nonneg), self.heads, self.exponentials, self.powers])
        return np.add.reduceat(product, starts) if len(starts) else np.zeros(0)

    def _norms(self, s: Array) -> Array:
        """|s_1..| of every second-order cone."""
        if not len(self.heads):
            return np.zeros(0)
        square = s**2
        square[self.heads] = 0.0
        end = self.heads[-1] + self.lengths[-1]
        return np.asarray(np.sqrt(np.add.reduceat(square[:end], self.heads)))


def _exponential(x: Array, y: Array) -> Array:
    """y exp(x / y), 0 at y = 0 for x <= 0, infinite for x > 0."""
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        return np.where(y > 0, y * np.exp(x / np.where(y > 0, y, 1.0)), np.where(x > 0, np.inf, 0.0))


def _product(x: Array, y: Array, a: Array) -> Array:
    return np.asarray(np.maximum(x, 0.0) ** a * np.maximum(y, 0.0) ** (1.0 - a))


def _dual_exponential(u: Array, v: Array, w: Array) -> tuple[Array, Array, Array]:
    """Bring (u, v, w) to -u exp(v / u - 1) <= w, u < 0 (at u = 0: v, w >= 0), by the smaller change of v or w."""
    u = np.minimum(u, 0.0)
    w = np.maximum(w, -ROUNDING * u)  # so that the change of v is finite
    inner = u < 0
    below, above = np.where(inner, u, -1.0), np.where(inner, w, 1.0)
    with np.errstate(over="ignore"):
        least_w = np.where(inner, -below * np.exp(v / below - 1.0) * (1.0 + ROUNDING), 0.0)
    least_v = np.where(inner, below * (1.0 + np.log(above / -below)), 0.0)
    by_w = inner & (least_w - w < least_v - v)
    return u, np.where(by_w, v, np.maximum(v, least_v)), np.where(by_w, np.maximum(w, least_w), w)

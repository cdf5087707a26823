"""Normalisation of a quadratic program: columns by natural unit, rows to unit size, the objective by one scalar."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from acopt.solving.canonical import Array, Arrays, Indices, Pattern


@dataclass(frozen=True)
class Scaling:
    """Column units D, row factors E and objective factor s: z = D z^, A^ = E A D, P^ = s D P D, y = E y^ / s."""

    column: Array
    row: Array
    objective: float

    def forward(self, x: Arrays, p: Pattern, a: Pattern) -> Arrays:
        """Normalised numbers."""
        s, d, e = self.objective, self.column, self.row
        return Arrays(s * x.p * d[p.row] * d[p.col], s * x.q * d, s * x.d, x.a * e[a.row] * d[a.col], x.l * e, x.u * e)

    def primal(self, z: Array) -> Array:
        """Variables in original units."""
        return z * self.column

    def dual(self, y: Array) -> Array:
        """Multipliers in original units: objective per unit of the row's bound."""
        return y * self.row / self.objective


def normalise(x: Arrays, p: Pattern, a: Pattern, units: Array, size: float | None) -> Scaling:
    """
    Choose a scaling from the units of the primary columns.

    Parameters
    ----------
    x : numbers on the patterns p, a.
    units : (columns,) natural unit of each column; NaN where the program itself must tell: an auxiliary
        gets unit curvature if it has any, else the unit that gives its rows entries of one size; one that meets
        no known column (a slack over numbers) gets that of its bounds.
    size : natural size of the objective; the typical curvature of the primary columns if that is larger.
    """
    n, m = p.shape[0], a.shape[0]
    column = units.copy()
    curvature = np.bincount(p.row[p.row == p.col], weights=x.p[p.row == p.col], minlength=n).astype(np.float64)
    objective = 1.0 / max(size or 0.0, _objective_size(x, column, curvature))
    own = np.isnan(column) & (curvature > 0)
    column[own] = 1.0 / np.sqrt(objective * curvature[own])
    entry = np.abs(x.a)
    balance(column, entry, a.row, a.col, m, _sizes(x.l, x.u))
    row = np.zeros(m)
    np.maximum.at(row, a.row, entry * column[a.col])
    return Scaling(column, 1.0 / np.where(row > 0, row, 1.0), objective)


def balance(column: Array, entry: Array, row: Indices, col: Indices, rows: int, bound: Array | None = None) -> None:
    """
    Replace NaN units, in place, by those that give an entry the size of the largest known one in its row.

    What no known unit reaches takes the size of its largest `bound` (rows,), where it is known and not zero.
    """
    while (unknown := np.isnan(column)).any():
        known = ~unknown[col] & (entry > 0)
        reach = np.zeros(rows)
        np.maximum.at(reach, row[known], entry[known] * column[col[known]])
        edge = unknown[col] & (entry > 0) & (reach[row] > 0)
        if edge.any():
            proposal = np.full(len(column), np.inf)
            np.minimum.at(proposal, col[edge], reach[row[edge]] / entry[edge])
            found = np.isfinite(proposal)
        else:
            proposal = np.zeros(len(column))
            if bound is not None:
                edge = unknown[col] & (entry > 0)
                np.maximum.at(proposal, col[edge], bound[row[edge]] / entry[edge])
            found = proposal > 0
            if not found.any():
                column[unknown] = 1.0
                return
        column[found] = proposal[found]


def _sizes(low: Array, high: Array) -> Array:
    """Size of the bounds of each row, 0 where there is none."""
    return np.maximum(np.where(np.isinf(low), 0.0, np.abs(low)), np.where(np.isinf(high), 0.0, np.abs(high)))


def _objective_size(x: Arrays, column: Array, curvature: Array) -> float:
    known = ~np.isnan(column)
    curved = known & (curvature > 0)
    if curved.any():
        ordered = np.sort(curvature[curved] * column[curved] ** 2)
        return float(0.5 * (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]))
    return float(np.max(np.abs(x.q[known] * column[known]), initial=0.0)) or 1.0

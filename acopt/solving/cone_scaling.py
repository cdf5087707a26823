"""Normalisation of a conic program: columns by unit, cones by maps onto themselves, the objective by one scalar."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import qdldl
import scipy.sparse as sp

from acopt.solving.canonical import Array, Indices
from acopt.solving.cones import Cones

RIDGE = 1e-6
ROUNDS = 5
LEAST_WEIGHT = 1e-12


@dataclass(frozen=True)
class ConeScaling:
    """
    Column units D, a map T of rotated rows onto themselves, cone by cone, and the objective's size w.

    z = D z^, A^ = T A D, b^ = T b, P^ = D P D / w, q^ = D q / w; y = w T' y^.
    """

    column: Array
    rows: sp.csr_array
    objective: float


def normalise(p: sp.csc_array, q: Array, a: sp.csc_array, b: Array, cones: Cones, units: Array) -> ConeScaling:
    """
    Choose the scaling that makes all entries as nearly one as they get, in the least squares of their logarithms.

    Each row of a linear cone has a factor; a second-order cone has one, and a boost of its first two rotated rows
    by f, 1 / f; a power cone f, g and f^a g^(1-a); an exponential cone one for all rows, and the shear
    (x + k y, y, e^k z). The idea is that of Curtis & Reid (1972), within the automorphisms of the cones.

    What is small does no harm, and what is large does: an entry of A or b that comes out below one counts in the next
    round by its size alone. Otherwise entries of 1e-20, which rounding leaves, would lift all others of their cone.

    Parameters
    ----------
    p, q, a, b : minimise 1/2 z'Pz + q'z, b - Az in the cones, in rotated coordinates.
    cones : the cones.
    units : unit of each column; NaN where the program itself must tell.
    """
    logs = _row_logs(cones)
    own = np.flatnonzero(np.isnan(units))
    m, n, k = logs.shape[1], len(units), len(own)
    place = sp.csr_array((np.ones(k), (own, np.arange(k))), shape=(n, k))
    fixed = np.log(np.where(np.isnan(units), 1.0, units))
    size = sp.csr_array(np.ones((1, 1)))

    entries, bound = sp.coo_array(a), np.flatnonzero((b != 0) & np.isfinite(b))
    slope, curved = np.flatnonzero(q), np.flatnonzero(p.diagonal() > 0)
    curvature = p.diagonal()[curved]
    matrix = sp.vstack(
        [
            sp.hstack([logs[entries.row], place[entries.col], sp.csr_array((entries.nnz, 1))]),
            sp.hstack([logs[bound], sp.csr_array((len(bound), k + 1))]),
            sp.hstack([sp.csr_array((len(slope), m)), place[slope], -size[np.zeros(len(slope), int)]]),
            sp.hstack([sp.csr_array((len(curved), m)), 2.0 * place[curved], -size[np.zeros(len(curved), int)]]),
        ],
        format="csr",
    )
    target = -np.concatenate(
        [
            np.log(np.abs(entries.data)) + fixed[entries.col],
            np.log(np.abs(b[bound])),
            np.log(np.abs(q[slope])) + fixed[slope],
            np.log(curvature) + 2.0 * fixed[curved],
        ]
    )
    found = _least_squares(matrix, target, entries.nnz + len(bound))
    column = np.exp(fixed + place @ found[m : m + k])
    return ConeScaling(column, _rows(cones, found[:m], logs), float(np.exp(found[-1])))


def _least_squares(matrix: sp.csr_array, target: Array, yielding: int) -> Array:
    """Solve again and again, the first `yielding` rows weighted by exp(residual) where that is below one."""
    weight, ridge = np.ones(len(target)), RIDGE * sp.eye_array(matrix.shape[1])
    for _ in range(ROUNDS):
        weighted = matrix.T @ sp.diags_array(weight)
        normal = sp.triu(weighted @ matrix + ridge, format="csc")
        found = np.asarray(qdldl.Solver(sp.csc_matrix(normal), upper=True).solve(weighted @ target))
        size = np.exp(np.minimum((matrix @ found - target)[:yielding], 0.0))
        weight[:yielding] = np.maximum(size, LEAST_WEIGHT)
    return found


def _row_logs(cones: Cones) -> sp.csr_array:
    """Logarithm of every row's factor as a linear function of the unknowns, cone by cone."""
    row: list[Indices] = []
    col: list[Indices] = []
    value: list[Array] = []

    def add(rows: Indices, cols: Indices, values: Array) -> None:
        row.append(rows)
        col.append(cols)
        value.append(np.broadcast_to(values, rows.shape).astype(float))

    one, linear = np.ones(1), cones.zero + cones.nonneg
    add(np.arange(linear), np.arange(linear), one)
    at, count = linear, len(cones.heads)
    add(linear + np.arange(int(cones.lengths.sum())), at + np.repeat(np.arange(count), cones.lengths), one)
    pairs = np.flatnonzero(cones.lengths > 1)
    add(cones.heads[pairs], at + count + np.arange(len(pairs)), one)
    add(cones.heads[pairs] + 1, at + count + np.arange(len(pairs)), -one)
    at, i = at + count + len(pairs), cones.exponentials
    for r in range(3):
        add(i + r, at + np.arange(len(i)), one)
    add(i + 2, at + len(i) + np.arange(len(i)), one)
    at, i, share = at + 2 * len(i), cones.powers, cones.exponents
    for r in range(2):
        add(i + r, at + r * len(i) + np.arange(len(i)), one)
        add(i + 2, at + r * len(i) + np.arange(len(i)), share if r == 0 else 1.0 - share)
    shape = cones.size, at + 2 * len(i)
    return sp.csr_array((np.concatenate(value), (np.concatenate(row), np.concatenate(col))), shape=shape)


def _rows(cones: Cones, found: Array, logs: sp.csr_array) -> sp.csr_array:
    """T: the factors, then the rotation back to Clarabel's coordinates, and the shear."""
    factor = np.exp(logs @ found)
    i = cones.exponentials
    shear = factor[i] * (np.log(factor[i + 2] / factor[i]))
    off = sp.csr_array((shear, (i, i + 1)), shape=(cones.size, cones.size))
    return sp.csr_array(cones.rotation() @ sp.diags_array(factor) + off)

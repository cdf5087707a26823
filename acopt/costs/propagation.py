"""How trades push on later ones: kernels on the times of a grid, and the squares that transient impact is a sum of."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import cvxpy as cp
import numpy as np
import scipy.sparse as sp

from acopt.errors import DataError, ModelError
from acopt.market.kernels import Kernel
from acopt.market.labels import Array
from acopt.model.functions import FAILURES
from acopt.model.paths import scaled
from acopt.model.setting import Mask

Decay: TypeAlias = Kernel | Callable[[Array], Array]
"""A kernel of ours, or any function of time (array -> array of the same shape)."""

TOLERANCE = 1e-12
"""Part of the largest eigenvalue that is rounding."""
BARRED = 1e4
"""Curvature, in natural units, that stands for trades that cannot be."""


class NotConvex(Exception):  # noqa: N818 - it is a finding
    """The curvature is negative along some trades; says in which interval and asset most of them are."""

    def __init__(self, interval: int, asset: int) -> None:
        super().__init__(interval, asset)
        self.interval, self.asset = interval, asset


def kernel_matrix(kernel: Decay, moments: Array, what: str) -> Array:
    """
    G(|s_i - s_j|), (N, N).

    Raises
    ------
    DataError
        A function returns another shape, or a number that is not finite.
    ModelError
        A function fails.
    """
    lags = np.abs(moments[:, None] - moments[None, :])
    if isinstance(kernel, Kernel):
        return kernel(lags)
    try:
        out = np.asarray(kernel(lags), dtype=float)
    except FAILURES as error:
        raise ModelError(
            f"{what}: the function failed on an array of times: {error}; it takes an array of any shape and "
            "returns one of the same shape"
        ) from error
    if out.shape != lags.shape:
        raise DataError(f"{what}: the function returned shape {out.shape} for times of shape {lags.shape}")
    if not np.isfinite(out).all():
        raise DataError(f"{what}: the function is {out[~np.isfinite(out)][0]:g} at time {lags[~np.isfinite(out)][0]:g}")
    return out


def triangle(matrix: Array) -> Array:
    """
    Lower triangular L with L L' = a positive semidefinite matrix, its lower triangle row by row.

    Raises
    ------
    NotConvex
        An eigenvalue is negative beyond rounding; `asset` is then the place in the matrix.
    """
    unit = np.sqrt(np.abs(np.diag(matrix)))
    unit[unit == 0] = 1.0
    relative = matrix / np.outer(unit, unit)
    lower = definite_root(relative)
    if lower is None:
        values, vectors = np.linalg.eigh(relative)
        if len(values) and values[0] < -TOLERANCE * max(np.abs(values).max(), 1.0):
            raise NotConvex(0, int(np.abs(vectors[:, 0]).argmax()))
        lower = np.asarray(np.linalg.qr((vectors * np.sqrt(np.maximum(values, 0.0))).T, mode="r")).T
    return np.asarray((unit[:, None] * lower)[np.tril_indices(len(matrix))])


def definite_root(matrix: Array) -> Array | None:
    """Lower triangular L with L L' = a matrix, or None where that is not positive definite beyond rounding."""
    try:
        return np.asarray(np.linalg.cholesky(matrix))
    except np.linalg.LinAlgError:
        return None


def triangular(factor: cp.Expression, y: cp.Expression) -> cp.Expression:
    """L_j' y_j for every column j, with L_j given by `triangle` in column j of `factor`."""
    size = y.shape[0]
    i, j = np.tril_indices(size)
    entry = np.arange(len(i))
    take = sp.csr_array((np.ones(len(i)), (entry, i)), (len(i), size))
    add = sp.csr_array((np.ones(len(i)), (j, entry)), (size, len(i)))
    return add @ scaled(factor, take @ y)


def bidiagonal(strength: Array, decay: Array, lent: Array, barred: Mask) -> tuple[Array, Array]:
    """
    Squares of sum_k z_k' Q_k z_k + u_k' Lambda_k u_k, with u_k = z_k - a_k z_{k-1}, by elimination in time.

    sum_k |D_k' z_k + E_k' z_{k+1}|²,  D_k D_k' = P_k = C_k + A Lambda A,  E_k = -(P_k^{-1/2} A Lambda)',
    C_{k+1} = Q_{k+1} + Lambda_{k+1} - E_k E_k',  A = diag(a_{k+1}), Lambda = Lambda_{k+1}

    Parameters
    ----------
    strength : Q (N, m, b, b), for m independent systems of b states.
    decay : a (N, m, b); row 0 is not read.
    lent : Lambda (N, m, b, b).
    barred : (N, m, b), where u is zero anyway.

    Returns
    -------
    tuple
        D and E, (N, m, b, b) each; E_N = 0.

    Raises
    ------
    NotConvex
        The sum is negative along some trades.
    """
    size = np.abs(np.einsum("kmii->kmi", strength)) + np.abs(np.einsum("kmii->kmi", lent))
    unit = np.sqrt(size.max(axis=0))
    unit[unit == 0] = 1.0
    both = unit[:, :, None] * unit[:, None, :]
    q, extra = strength / both, np.where(barred[..., None] | barred[..., None, :], 0.0, lent / both)
    np.einsum("kmii->kmi", extra)[barred] = BARRED
    here, following = np.zeros_like(q), np.zeros_like(q)
    c = q[0] + extra[0]
    for k in range(len(q)):
        a, lam = (decay[k + 1], extra[k + 1]) if k + 1 < len(q) else (np.zeros_like(unit), np.zeros_like(c))
        cross = -a[:, :, None] * lam
        values, vectors = np.linalg.eigh(c - cross * a[:, None, :])
        weak = values <= TOLERANCE
        root = np.sqrt(np.where(weak, 0.0, values))
        turned = vectors.transpose(0, 2, 1) @ cross
        loose = weak[:, :, None] & (np.abs(turned) > TOLERANCE)
        if (values < -TOLERANCE).any() or loose.any():
            wrong = (values[:, 0] < -TOLERANCE) | loose.any(axis=(1, 2))
            system = int(wrong.argmax())
            state = int(np.abs(vectors[system, :, 0]).argmax())
            raise NotConvex(k, system if c.shape[0] > 1 else state)
        here[k] = unit[:, :, None] * vectors * root[:, None, :]
        e = (turned * np.where(weak, 0.0, 1.0 / np.where(weak, 1.0, root))[:, :, None]).transpose(0, 2, 1)
        following[k] = unit[:, :, None] * e
        if k + 1 < len(q):
            c = q[k + 1] + lam - e @ e.transpose(0, 2, 1)
    return here, following

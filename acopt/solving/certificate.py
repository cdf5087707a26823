"""The proof: residuals and duality gap recomputed from unscaled arrays, never taken from a solver."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import qdldl
import scipy.sparse as sp

from acopt.solving.canonical import Array
from acopt.solving.quadratic import Quadratic

WORTHWHILE = 1e-9
RELATIVE_SHIFT = 1e-18


@dataclass(frozen=True)
class Proof:
    """
    What a primal-dual point proves about itself.

    gap = sum y+ (u - Az) + y- (Az - l) + max_{|d| <= R} (-r'd - 1/2 d'Pd),  r = Pz + q + A'y,

    which bounds objective(z) - optimum from above for every optimum within R of z.

    Attributes
    ----------
    gap : the bound, in units of the objective.
    dual_residual : the part of the gap that is due to r, in units of the objective.
    row_violation : largest violation of a row, relative to the row's size.
    """

    gap: float
    dual_residual: float
    row_violation: float


def prove(qp: Quadratic, z: Array, y: Array, reach: Array, row_factor: Array, *, precise: bool = False) -> Proof:
    """
    Certify (z, y) on the unscaled program.

    Parameters
    ----------
    qp : the program.
    z, y : primal and dual point; multipliers that point at an infinite bound are dropped first.
    reach : R, how far each variable may be from z at an optimum.
    row_factor : factor that brings each row to order one.
    precise : take the residual in extended precision.
    """
    y = np.where(((y > 0) & np.isinf(qp.u)) | ((y < 0) & np.isinf(qp.l)), 0.0, y)
    pz = qp.product(z)
    reach = np.maximum(reach, np.abs(z))
    residual, az = qp.optimality(z, y, precise=precise)
    stationarity = float(np.abs(residual) @ reach)
    if stationarity > WORTHWHILE * float(np.abs(0.5 * pz + qp.q) @ np.abs(z)):
        stationarity = min(stationarity, _curved_bound(qp, residual, reach))
    slack = np.where(y > 0, qp.u, qp.l) - az
    slack[y == 0] = 0.0
    over = np.maximum(np.maximum(qp.l - az, az - qp.u), 0.0) * row_factor
    return Proof(float(np.abs(slack) @ np.abs(y)) + stationarity, stationarity, float(over.max(initial=0.0)))


def _curved_bound(qp: Quadratic, residual: Array, reach: Array) -> float:
    """
    Bound max over |d| <= R of -r'd - 1/2 d'Pd by 1/2 r'(P + E)^-1 r + 1/2 R'E R, E diagonal.

    It is quadratic in r where there is curvature, so that rounding of a gradient whose terms cancel
    does not count as a gap. Columns without curvature pay |r_j| R_j.
    """
    diagonal = qp.diagonal
    curved = np.flatnonzero(diagonal > 0)
    flat = np.flatnonzero(diagonal <= 0)
    unit = reach[curved]
    if not len(curved) or not (unit > 0).all():
        return float(np.abs(residual) @ reach)
    block = sp.csc_array(sp.csr_array(qp.p)[curved][:, curved])
    scaled = sp.csc_array(block.multiply(unit[:, None]).multiply(unit[None, :]))
    r = residual[curved] * unit
    shift = RELATIVE_SHIFT * float(scaled.diagonal().max())
    linear = float(np.abs(residual) @ reach)
    try:
        step = qdldl.Solver(sp.csc_array(scaled + shift * sp.eye_array(len(curved))), upper=True).solve(r)
    except RuntimeError:
        # A zero pivot: P is singular to rounding, and only the plain bound is left.
        return linear
    bound = 0.5 * float(r @ step) + 0.5 * shift * len(curved)
    if not bound >= 0:
        return linear
    return float(np.abs(residual[flat]) @ reach[flat]) + bound

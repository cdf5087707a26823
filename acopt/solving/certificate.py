"""The proof: residuals and duality gap recomputed from unscaled arrays, never taken from a solver."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from acopt.solving.canonical import Array
from acopt.solving.quadratic import Quadratic


@dataclass(frozen=True)
class Proof:
    """
    What a primal-dual point proves about itself.

    gap = sum y+ (u - Az) + y- (Az - l) + sum |r_j| R_j,  r = Pz + q + A'y,

    which bounds objective(z) - optimum from above for every optimum within R of z.

    Attributes
    ----------
    gap : the bound, in units of the objective.
    dual_residual : largest |r_j| R_j, in units of the objective.
    row_violation : largest violation of a row, relative to the row's size.
    """

    gap: float
    dual_residual: float
    row_violation: float


def prove(qp: Quadratic, z: Array, y: Array, reach: Array, row_factor: Array) -> Proof:
    """
    Certify (z, y) on the unscaled program.

    Parameters
    ----------
    qp : the program.
    z, y : primal and dual point; multipliers that point at an infinite bound are dropped first.
    reach : R, how far each variable may be from z at an optimum.
    row_factor : factor that brings each row to order one.
    """
    y = np.where(((y > 0) & np.isinf(qp.u)) | ((y < 0) & np.isinf(qp.l)), 0.0, y)
    az = qp.a @ z
    residual = np.abs(qp.product(z) + qp.q + qp.a.T @ y) * np.maximum(reach, np.abs(z))
    slack = np.where(y > 0, qp.u, qp.l) - az
    slack[y == 0] = 0.0
    over = np.maximum(np.maximum(qp.l - az, az - qp.u), 0.0) * row_factor
    return Proof(
        float(np.abs(slack * y).sum() + residual.sum()),
        float(residual.max(initial=0.0)),
        float(over.max(initial=0.0)),
    )

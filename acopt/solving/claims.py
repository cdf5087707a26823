"""Claims that need proof: that no point is feasible, and that the objective has no lower end."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from acopt.solving.canonical import Array, Indices
from acopt.solving.linear import solve_linear
from acopt.solving.quadratic import Quadratic

SIGNIFICANT = 1e-9


def conflicting_rows(qp: Quadratic) -> Indices | None:
    """
    Rows that cannot hold together, or None when all can.

    Solves min sum(s) subject to l - s <= Az <= u + s, s >= 0; at a positive minimum the rows with a
    multiplier prove infeasibility (Farkas). `qp` is normalised, so s is in units of the order.
    """
    rows = sp.csr_array(qp.a)
    upper, lower = np.flatnonzero(np.isfinite(qp.u)), np.flatnonzero(np.isfinite(qp.l))
    m, n = rows.shape
    slack = sp.eye_array(m, format="csr")
    matrix = sp.vstack([sp.hstack([rows[upper], -slack[upper]]), sp.hstack([-rows[lower], -slack[lower]])])
    rhs = np.concatenate([qp.u[upper], -qp.l[lower]])
    cost = np.concatenate([np.zeros(n), np.ones(m)])
    bounds = np.column_stack([np.r_[np.full(n, -np.inf), np.zeros(m)], np.full(n + m, np.inf)])
    nothing = sp.csr_array((0, n + m)), np.zeros(0)
    result = solve_linear(cost, (sp.csr_array(matrix), rhs), nothing, bounds)
    if result.status != 0 or result.fun <= SIGNIFICANT:
        return None
    source = np.concatenate([upper, lower])
    return np.unique(source[np.abs(result.ineqlin.marginals) > 1e-7])


def unbounded_ray(qp: Quadratic) -> Array | None:
    """
    Direction along which the objective falls for ever, or None when there is none.

    Solves min q'd subject to Pd = 0, A d in the recession cone of the rows, -1 <= d <= 1.
    """
    rows = sp.csr_array(qp.a)
    full = sp.csr_array(qp.p + sp.triu(qp.p, 1).T)
    upper, lower = np.flatnonzero(np.isfinite(qp.u)), np.flatnonzero(np.isfinite(qp.l))
    matrix = sp.vstack([rows[upper], -rows[lower]])
    curved = np.flatnonzero(np.diff(full.indptr) > 0)
    at_most, equal = (sp.csr_array(matrix), np.zeros(matrix.shape[0])), (full[curved], np.zeros(len(curved)))
    result = solve_linear(qp.q, at_most, equal, (-1.0, 1.0))
    if result.status != 0 or result.fun >= -SIGNIFICANT * max(float(np.abs(qp.q).max(initial=0.0)), 1e-300):
        return None
    return np.asarray(result.x)

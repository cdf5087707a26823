"""Claims that need proof: that no point is feasible, and that the objective has no lower end."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from acopt.solving.canonical import Array, Indices
from acopt.solving.linear import solve_linear
from acopt.solving.quadratic import Quadratic

SIGNIFICANT = 1e-9
FAR = 1e6
"""Steps, in units of the order, after which an objective that falls without end still falls."""


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


def unbounded_ray(qp: Quadratic, measure: sp.csr_array | None = None) -> Array | None:
    """
    Direction along which the objective falls for ever, or None when there is none.

    Solves min q'd subject to Pd = 0, A d in the recession cone of the rows, -1 <= d <= 1; then, among
    directions of unit descent, min |M d|_1, so that nothing moves that need not.

    Parameters
    ----------
    qp : the normalised program.
    measure : M, the identity by default.
    """
    rows = sp.csr_array(qp.a)
    full = sp.csr_array(qp.p + sp.triu(qp.p, 1).T)
    upper, lower = np.flatnonzero(np.isfinite(qp.u)), np.flatnonzero(np.isfinite(qp.l))
    recession = sp.csr_array(sp.vstack([rows[upper], -rows[lower]]))
    flat = full[np.flatnonzero(np.diff(full.indptr) > 0)]
    size = max(float(np.abs(qp.q).max(initial=0.0)), 1e-300)
    at_most, equal = (recession, np.zeros(recession.shape[0])), (flat, np.zeros(flat.shape[0]))
    result = solve_linear(qp.q, at_most, equal, (-1.0, 1.0))
    if result.status != 0 or result.fun >= -SIGNIFICANT * size:
        return None
    least = _shortest(qp.q / -float(result.fun), recession, flat, measure)
    ray = np.asarray(result.x) if least is None else least
    # Curvature below the solver's tolerance is curvature all the same: the objective turns before long.
    return ray if FAR * float(ray @ qp.product(ray)) < -float(qp.q @ ray) else None


def _shortest(q: Array, recession: sp.csr_array, flat: sp.csr_array, measure: sp.csr_array | None) -> Array | None:
    """Minimise |M d|_1 over the directions with q'd = -1."""
    n = len(q)
    m = sp.csr_array(sp.eye_array(n)) if measure is None else measure
    k = m.shape[0]
    size = sp.eye_array(k)
    no_size = sp.csr_array((recession.shape[0], k))
    at_most = sp.csr_array(sp.vstack([sp.hstack([recession, no_size]), sp.hstack([m, -size]), sp.hstack([-m, -size])]))
    slope = sp.hstack([sp.csr_array(q[None, :]), sp.csr_array((1, k))])
    equal = sp.csr_array(sp.vstack([sp.hstack([flat, sp.csr_array((flat.shape[0], k))]), slope]))
    bounds = np.column_stack([np.r_[np.full(n, -np.inf), np.zeros(k)], np.full(n + k, np.inf)])
    target = np.zeros(equal.shape[0])
    target[-1] = -1.0
    cost = np.concatenate([np.zeros(n), np.ones(k)])
    result = solve_linear(cost, (at_most, np.zeros(at_most.shape[0])), (equal, target), bounds)
    return np.asarray(result.x[:n]) if result.status == 0 else None

"""Solvers of conic programs behind one signature: Clarabel's interior point, and SCS for a second opinion."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import clarabel
import numpy as np
import scipy.sparse as sp

from acopt.solving.canonical import Array
from acopt.solving.cones import Cones
from acopt.solving.quadratic import Solution

INFEASIBLE, UNBOUNDED = "PrimalInfeasible", "DualInfeasible"
CLAIMS = {
    INFEASIBLE: INFEASIBLE,
    "AlmostPrimalInfeasible": INFEASIBLE,
    UNBOUNDED: UNBOUNDED,
    "AlmostDualInfeasible": UNBOUNDED,
    "infeasible": INFEASIBLE,
    "infeasible (inaccurate - reached max_iters)": INFEASIBLE,
    "unbounded": UNBOUNDED,
    "unbounded (inaccurate - reached max_iters)": UNBOUNDED,
}
"""What a status claims: that no point is feasible, by y; that the objective has no end, along z."""

CLARABEL = {
    "verbose": False,
    "tol_gap_abs": 1e-13,
    "tol_gap_rel": 1e-13,
    "tol_feas": 1e-13,
    "tol_infeas_abs": 1e-10,
    "tol_infeas_rel": 1e-10,
    "max_iter": 400,
    "max_threads": 1,  # the same bits every time
}
SCS = {"verbose": False, "eps_abs": 1e-9, "eps_rel": 1e-9, "max_iters": 20_000}


def solve_clarabel(p: Any, q: Array, a: Any, b: Array, cones: Cones, changes: Mapping[str, Any]) -> Solution:
    """
    Minimise 1/2 z'Pz + q'z subject to b - Az in K.

    Parameters
    ----------
    p, q, a, b : P's upper triangle, and the rest.
    cones : K.
    changes : settings of the solver that differ from ours.
    """
    settings = clarabel.DefaultSettings()
    for name, value in {**CLARABEL, **changes}.items():
        setattr(settings, name, value)
    kinds: list[Any] = [clarabel.ZeroConeT(cones.zero)] if cones.zero else []
    kinds += [clarabel.NonnegativeConeT(cones.nonneg)] if cones.nonneg else []
    kinds += [clarabel.SecondOrderConeT(int(length)) for length in cones.lengths]
    kinds += [clarabel.ExponentialConeT() for _ in cones.exponentials]
    kinds += [clarabel.PowerConeT(float(exponent)) for exponent in cones.exponents]
    found = clarabel.DefaultSolver(sp.csc_matrix(p), q, sp.csc_matrix(a), b, kinds, settings).solve()
    return Solution(np.asarray(found.x), np.asarray(found.z), "CLARABEL", str(found.status), int(found.iterations))


def solve_scs(p: Any, q: Array, a: Any, b: Array, cones: Cones, changes: Mapping[str, Any]) -> Solution:
    """Solve the same by operator splitting (O'Donoghue 2021), which shares nothing with an interior point."""
    scs: Any = importlib.import_module("scs")  # it has no types; CVXPY requires it
    data = {"P": sp.csc_matrix(p), "A": sp.csc_matrix(a), "b": b, "c": q}
    kinds = {
        "z": cones.zero,
        "l": cones.nonneg,
        "q": [int(length) for length in cones.lengths],
        "ep": len(cones.exponentials),
        "p": [float(exponent) for exponent in cones.exponents],
    }
    found = scs.solve(data, kinds, **{**SCS, **changes})
    return Solution(found["x"], found["y"], "SCS", str(found["info"]["status"]), int(found["info"]["iter"]))

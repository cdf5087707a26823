"""The solvers behind one signature: OSQP kept warm, Clarabel and PIQP cold, HiGHS for linear programs."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

import clarabel
import numpy as np
import osqp
import scipy.sparse as sp

from acopt.errors import MissingExtraError, SolverError
from acopt.solving.canonical import Array
from acopt.solving.linear import solve_linear
from acopt.solving.quadratic import Quadratic, Solution

NAMES = ("OSQP", "CLARABEL", "PIQP", "HIGHS")
INFINITY = 1e30


class WarmOSQP:
    """
    One OSQP workspace: set up once, then updated in place with checked arrays.

    OSQP skips an update with l > u, accepts a P that is not convex and does not check lengths, all
    silently: every array is checked here first.
    """

    def __init__(self) -> None:
        self._limits = {"eps_abs": 1e-5, "eps_rel": 1e-5, "max_iter": 20_000}
        self._settings = {
            "eps_prim_inf": 1e-9,
            "eps_dual_inf": 1e-9,
            "verbose": False,
            "polishing": False,
            "scaling": 0,
            "check_termination": 10,
        }
        self._solver: osqp.OSQP | None = None

    def load(self, qp: Quadratic, *, matrices: bool) -> None:
        """Give the workspace a program with the same patterns; `matrices` says whether P and A are new."""
        lower, upper = np.maximum(qp.l, -INFINITY), np.minimum(qp.u, INFINITY)
        _check(qp)
        if self._solver is None:
            self._solver = osqp.OSQP()
            self._solver.setup(qp.p, qp.q, qp.a, lower, upper, **self._settings, **self._limits)
            return
        if matrices:
            self._solver.update(q=qp.q, l=lower, u=upper, Px=qp.p.data, Ax=qp.a.data)
        else:
            self._solver.update(q=qp.q, l=lower, u=upper)

    def solve(self, tolerance: float, iterations: int) -> Solution:
        """Solve what is loaded, on from the last point."""
        if self._solver is None:
            raise SolverError("OSQP: nothing was loaded")
        limits = {"eps_abs": tolerance, "eps_rel": tolerance, "max_iter": iterations}
        if limits != self._limits:
            self._solver.update_settings(**limits)
            self._limits = limits
        result = self._solver.solve(raise_error=False)
        status = str(result.info.status)
        y = result.y
        z = result.x
        if status == "primal infeasible":
            y = result.prim_inf_cert
        elif status == "dual infeasible":
            z = result.dual_inf_cert
        return Solution(np.asarray(z), np.asarray(y), "OSQP", status, int(result.info.iter))


@cache
def osqp_algebra() -> str:
    """Linear algebra that OSQP chose: builtin, mkl or cuda."""
    return str(osqp.default_algebra())


def solve_clarabel(qp: Quadratic) -> Solution:
    """Solve cold by Clarabel's interior-point method."""
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    for name in ("tol_gap_abs", "tol_gap_rel", "tol_feas"):
        setattr(settings, name, 1e-12)
    settings.max_iter = 200
    matrix, rhs, sizes, places = _one_sided(qp)
    cones = [clarabel.ZeroConeT(sizes[0]), clarabel.NonnegativeConeT(sizes[1])]
    solution = clarabel.DefaultSolver(qp.p, qp.q, matrix, rhs, cones, settings).solve()
    y = np.zeros(len(qp.l))
    np.add.at(y, places[0], np.asarray(solution.z) * places[1])
    status = {"Solved": "solved", "AlmostSolved": "solved inaccurate"}.get(str(solution.status), str(solution.status))
    return Solution(np.asarray(solution.x), y, "CLARABEL", status, int(solution.iterations))


def solve_piqp(qp: Quadratic) -> Solution:
    """Solve cold by PIQP's proximal interior-point method (extra `bench`)."""
    try:
        piqp: Any = importlib.import_module("piqp")
    except ImportError as error:
        raise MissingExtraError("solver PIQP is not installed: pip install 'acopt[bench]'") from error
    solver = piqp.SparseSolver()
    solver.settings.eps_abs = solver.settings.eps_rel = 1e-11
    equal = qp.l == qp.u
    bounded = ~equal & ((qp.l > -INFINITY) | (qp.u < INFINITY))  # it writes to stderr about any other row
    full = sp.csc_matrix(qp.p + sp.triu(qp.p, 1).T)
    rows = sp.csr_matrix(qp.a)
    solver.setup(
        full, qp.q, sp.csc_matrix(rows[equal]), qp.l[equal],
        sp.csc_matrix(rows[bounded]), np.maximum(qp.l[bounded], -INFINITY), np.minimum(qp.u[bounded], INFINITY),
    )  # fmt: skip
    status = str(solver.solve())
    y = np.zeros(len(qp.l))
    y[equal] = solver.result.y
    y[bounded] = solver.result.z_u - solver.result.z_l
    solved = "solved" if status.endswith("PIQP_SOLVED") else status
    return Solution(np.asarray(solver.result.x), y, "PIQP", solved, int(solver.result.info.iter))


def solve_highs(qp: Quadratic) -> Solution:
    """Solve a linear program by HiGHS' simplex method."""
    if not qp.linear:
        raise SolverError("HIGHS solves linear programs only; this problem has a quadratic part")
    matrix, rhs, sizes, places = _one_sided(qp)
    rows, equal = sp.csr_array(matrix), slice(sizes[0])
    rest = slice(sizes[0], None)
    result = solve_linear(qp.q, (rows[rest], rhs[rest]), (rows[equal], rhs[equal]), (None, None), method="highs-ds")
    y = np.zeros(len(qp.l))
    z = np.zeros(len(qp.q))
    if result.status == 0:
        z = np.asarray(result.x)
        parts = [result.eqlin.marginals] * bool(sizes[0]) + [result.ineqlin.marginals] * bool(sizes[1])
        dual = -np.concatenate(parts or [np.zeros(0)])
        np.add.at(y, places[0], dual * places[1])
    status = {0: "solved", 2: "primal infeasible", 3: "dual infeasible"}.get(result.status, str(result.message))
    return Solution(z, y, "HIGHS", status, int(result.nit))


def _one_sided(qp: Quadratic) -> tuple[sp.csc_matrix, Array, tuple[int, int], tuple[Any, Array]]:
    """Rows as Az = b and Az <= b; with, for each, the row it came from and its sign."""
    equal = np.flatnonzero(qp.l == qp.u)
    below = np.flatnonzero((qp.l != qp.u) & (qp.u < INFINITY))
    above = np.flatnonzero((qp.l != qp.u) & (qp.l > -INFINITY))
    rows = sp.csr_array(qp.a)
    matrix = sp.csc_matrix(sp.vstack([rows[equal], rows[below], -rows[above]]))
    source = np.concatenate([equal, below, above])
    sign = np.concatenate([np.ones(len(equal) + len(below)), -np.ones(len(above))])
    rhs = np.concatenate([qp.u[equal], qp.u[below], -qp.l[above]])
    return matrix, rhs, (len(equal), len(below) + len(above)), (source, sign)


def _check(qp: Quadratic) -> None:
    for name, values in (("P", qp.p.data), ("q", qp.q), ("A", qp.a.data)):
        if not np.isfinite(values).all():
            raise SolverError(f"the array {name} of the program holds a number that is not finite")
    if np.isnan(qp.l).any() or np.isnan(qp.u).any() or (qp.l > qp.u).any():
        raise SolverError("a row of the program has a lower bound above its upper bound, or a NaN")

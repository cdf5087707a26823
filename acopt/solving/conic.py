"""Programs that are not quadratic: a custom term brings a cone, and Clarabel solves it."""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter
from typing import Any

import clarabel
import cvxpy as cp
import numpy as np
import scipy.sparse as sp

from acopt.errors import SolverError
from acopt.solving.canonical import Array, Indices
from acopt.solving.certificate import Proof
from acopt.solving.engine import Candidate, Scales
from acopt.solving.quadratic import Solution
from acopt.solving.scaling import balance

TOLERANCE = 1e-11


class ConicEngine:
    """
    Minimise 1/2 z'Pz + q'z + d subject to b - Az in K, canonicalised by CVXPY and normalised here.

    The proof is that of weak duality for y in K*: objective(z) - optimum <= y'(b - Az) + sum |r_j| R_j,
    r = Pz + q + A'y.

    Parameters
    ----------
    problem : the declared CVXPY problem, its parameters at their present values.
    variable : its primary variable.
    """

    def __init__(self, problem: cp.Problem, variable: cp.Variable) -> None:
        data, _, inverse = problem.get_problem_data(cp.CLARABEL, enforce_dpp=True, canon_backend="COO")
        self._q: Array = np.asarray(data["c"], dtype=float)
        quadratic = data.get("P")
        self._p = sp.csc_matrix((len(self._q), len(self._q)) if quadratic is None else quadratic)
        self._a, self._b, self._dims = sp.csc_matrix(data["A"]), np.asarray(data["b"], dtype=float), data["dims"]
        self._d = float(inverse[-1]["offset"])
        rows = data["param_prob"].constraints
        self.row_constraint: Indices = np.concatenate([np.full(c.size, c.id) for c in rows]).astype(np.int64)
        start = data["param_prob"].var_id_to_col[variable.id]
        self.primary: Indices = np.arange(start, start + variable.size)

    def attempts(self, scales: Scales, tries: list[str]) -> Iterator[Candidate | Solution]:
        """Yield the one point, or the claim that there is none; see `Engine.attempts`."""
        start = perf_counter()
        column = self._columns(scales)
        row, size = self._rows(column), scales.objective or 1.0
        d, e = sp.diags_array(column), sp.diags_array(row)
        settings = clarabel.DefaultSettings()
        settings.verbose, settings.max_iter = False, 400
        for name in ("tol_gap_abs", "tol_gap_rel", "tol_feas"):
            setattr(settings, name, TOLERANCE)
        p, a = sp.csc_matrix(sp.triu(d @ self._p @ d)) / size, sp.csc_matrix(e @ self._a @ d)
        # An infinite bound leaves its row without effect; Clarabel wants a number.
        b = np.clip(self._b * row, -1e20, 1e20)
        answer = clarabel.DefaultSolver(p, self._q * column / size, a, b, self._cones(), settings).solve()
        status = str(answer.status)
        z, y = np.asarray(answer.x) * column, np.asarray(answer.z) * row * size
        note = f"CLARABEL on cones: {status}, {answer.iterations} iterations, {perf_counter() - start:.3g} s"
        solution = Solution(z, y, "CLARABEL", status, int(answer.iterations))
        if status in ("PrimalInfeasible", "DualInfeasible"):
            tries.append(note)
            yield solution
        elif np.isfinite(z).all():
            proof = self._prove(z, y, scales)
            tries.append(f"{note}, gap {proof.gap:.3g}")
            # CVXPY hands over an equality with its own sign, an inequality turned round.
            duals = np.where(np.arange(len(y)) < self._dims.zero, y, -y)
            yield Candidate(z, self._value(z), proof, solution, lambda: duals, refined=False, conic=True)
        else:
            tries.append(note)

    def _value(self, z: Array) -> float:
        return float(0.5 * z @ (self._p @ z) + self._q @ z + self._d)

    def _prove(self, z: Array, y: Array, scales: Scales) -> Proof:
        y = np.where(np.isinf(self._b), 0.0, y)
        reach = np.abs(z)
        reach[self.primary] = np.maximum(reach[self.primary], scales.reach)
        residual = float(np.abs(self._p @ z + self._q + self._a.T @ y) @ reach)
        slack = np.where(np.isinf(self._b), 0.0, np.where(np.isinf(self._b), 0.0, self._b) - self._a @ z)
        zero = self._dims.zero
        negative = np.minimum(slack[zero : zero + self._dims.nonneg], 0.0)
        over = max(np.abs(slack[:zero]).max(initial=0.0), -negative.min(initial=0.0))
        return Proof(abs(float(y @ slack)) + residual, residual, float(over))

    def _columns(self, scales: Scales) -> Array:
        """Natural units for the paths; for the rest, the size that makes their rows balance."""
        column = np.full(len(self._q), np.nan)
        column[self.primary] = scales.units
        entries = sp.coo_array(self._a)
        row, col = entries.row.astype(np.int64), entries.col.astype(np.int64)
        balance(column, np.abs(entries.data), row, col, self._a.shape[0])
        return column

    def _rows(self, column: Array) -> Array:
        """Factors that bring rows to order one: any within the linear cones, one per second-order cone."""
        size = np.asarray(abs(self._a) @ column)
        size[size == 0] = 1.0
        at = self._dims.zero + self._dims.nonneg
        for length in self._dims.soc:
            size[at : at + length] = size[at : at + length].max()
            at += length
        size[at:] = 1.0
        return 1.0 / size

    def _cones(self) -> list[Any]:
        dims = self._dims
        if dims.psd:
            raise SolverError("a custom term needs a semidefinite cone; acopt solves up to power and exponential cones")
        cones: list[Any] = [clarabel.ZeroConeT(dims.zero)] if dims.zero else []
        cones += [clarabel.NonnegativeConeT(dims.nonneg)] if dims.nonneg else []
        cones += [clarabel.SecondOrderConeT(length) for length in dims.soc]
        cones += [clarabel.ExponentialConeT() for _ in range(dims.exp)]
        return cones + [clarabel.PowerConeT(power) for power in dims.p3d]

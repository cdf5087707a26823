"""A conic program in numbers: what a point proves, and what a claim does."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cvxpy as cp
import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from acopt.solving.canonical import Array, Indices
from acopt.solving.certificate import Proof
from acopt.solving.cone_scaling import ConeScaling
from acopt.solving.cones import Cones

CANCELLED = 1e-14
SIGNIFICANT = 1e-9
FAR = 1e4
INVOLVED = 1e-3
LONGEST_DIAGONAL = 2_000


@dataclass(frozen=True)
class ConicProgram:
    """
    Minimise 1/2 z'Pz + q'z + d subject to b - Az in K.

    Rows of second-order cones are in rotated coordinates (`Cones.rotation`), in which the sizes that CVXPY writes
    as sum and difference are rows of their own. Nothing is scaled.

    Attributes
    ----------
    p, q, d, a, b : P whole, and the rest.
    cones : K, before the rotation.
    void : rows without effect, their bound being infinite; a and b are zero there.
    row_constraint : id of the CVXPY constraint that each row comes from.
    columns : first column of every CVXPY variable, by id.
    """

    p: sp.csc_array
    q: Array
    d: float
    a: sp.csc_array
    b: Array
    cones: Cones
    void: npt.NDArray[np.bool_]
    row_constraint: Indices
    columns: dict[int, int]

    @classmethod
    def of(cls, problem: cp.Problem) -> ConicProgram:
        """
        Canonicalise by CVXPY, the parameters at their present values.

        Numbers are put in first: a map from parameters to the rows of cones, to be used again, takes CVXPY seconds
        (1,000 intervals with a power: 3.3 s against 0.04 s). Not so where a parameter is long, for CVXPY then writes
        out diagonal matrices of numbers, zeros included.
        """
        numbers_first = max((p.size for p in problem.parameters()), default=0) <= LONGEST_DIAGONAL
        how = {"ignore_dpp": True} if numbers_first else {"enforce_dpp": True, "canon_backend": "COO"}
        data, _, inverse = problem.get_problem_data(cp.CLARABEL, **how)
        q, b = np.asarray(data["c"], dtype=float), np.asarray(data["b"], dtype=float)
        quadratic = data.get("P")
        p = sp.csc_array((len(q), len(q)) if quadratic is None else quadratic)
        cones = Cones.of(data["dims"])
        void = np.isposinf(b) & (np.arange(len(b)) < cones.zero + cones.nonneg)
        keep, turn = sp.diags_array((~void).astype(float)), cones.rotation()
        a = _turned(turn, sp.csr_array(keep @ sp.csr_array(data["A"])))
        bound = _turned(turn, sp.csr_array(np.where(void, 0.0, b)[:, None])).toarray()[:, 0]
        made = data["param_prob"]
        ids = np.concatenate([np.full(c.size, c.id) for c in made.constraints]).astype(np.int64)
        return cls(p, q, float(inverse[-1]["offset"]), a, bound, cones, void, ids, made.var_id_to_col)

    @cached_property
    def bounds(self) -> tuple[Array, Array]:
        """Least and greatest value of each variable by the rows that hold no other, infinite without such a row."""
        cones, turn, a = self.cones, self.cones.rotation(), sp.csr_array(self.a)
        at, heads = np.concatenate([np.arange(cones.zero + cones.nonneg), cones.nonnegative()]), cones.heads
        rows = sp.csr_array(sp.vstack([a[at], sp.csr_array(_turned(turn, a))[heads]]))
        single = np.flatnonzero(np.diff(rows.indptr) == 1)
        col, entry = rows.indices[rows.indptr[single]], rows.data[rows.indptr[single]]
        edge = np.concatenate([self.b[at], (turn @ self.b)[heads]])[single] / entry
        lower, upper = np.full(len(self.q), -np.inf), np.full(len(self.q), np.inf)
        above, below = (entry < 0) | (single < cones.zero), (entry > 0) | (single < cones.zero)
        np.maximum.at(lower, col[above], edge[above])
        np.minimum.at(upper, col[below], edge[below])
        return lower, upper

    def value(self, z: Array) -> float:
        """Objective."""
        return float(0.5 * z @ (self.p @ z) + self.q @ z + self.d)

    def slack(self, z: Array) -> Array:
        """b - Az."""
        return np.asarray(self.b - self.a @ z)

    def multipliers(self, y: Array) -> Array:
        """Multipliers of CVXPY's rows as in `Solution.y`: equalities keep their sign, inequalities are turned."""
        own = self.cones.rotation() @ y
        return np.where(np.arange(len(y)) < self.cones.zero, own, -own)

    def dual(self, y: Array, scaling: ConeScaling) -> Array:
        """Bring a scaled y into K*, and undo the scaling of rows."""
        return np.where(self.void, 0.0, scaling.rows.T @ self.cones.lifted(y))

    def prove(self, z: Array, y: Array, reach: Array, scaling: ConeScaling) -> Proof:
        """
        Weak duality, for y in K*, s = b - Az and r = Pz + q + A'y.

        objective(z) - objective(z*) <= y's + r'(z - z*) <= sum over cones |y_c's_c| + sum_j |r_j| min(R_j, |z_j - e_j|)

        for every z* with b - Az* in K within R of z, e_j being the lower bound of z_j where r_j > 0, else the upper
        one: what is left of r moves to the rows of bounds (Neumaier & Shcherbina 2004). z itself need not be in K:
        where it is outside, what that saves is a negative y_c's_c, which counts as a gap. y was lifted into K*, and
        r is what that leaves.

        Parameters
        ----------
        z, y : the point, and its multipliers in K*.
        reach : R, how far each variable may be from z at an optimum.
        scaling : in whose units the violation is stated.
        """
        r, s = self.p @ z + self.q + self.a.T @ y, self.slack(z)
        lower, upper = self.bounds
        residual = float(np.abs(r) @ np.minimum(reach, np.abs(z - np.where(r > 0, lower, upper))))
        gap = float(np.abs(self.cones.products(y, s)).sum())
        out = self.cones.outside(scaling.rows @ s)
        return Proof(gap + residual, residual, float(out.max(initial=0.0)))

    def separates(self, y: Array, scaling: ConeScaling) -> bool:
        """
        Whether y in K* proves that no z is feasible (Farkas): y'(b - Az) >= 0 for each that is.

        b'y < -|A'y|'|z| for every z up to `FAR` natural units, by more than rounding.
        """
        value, size = float(self.b @ y), float(np.abs(self.b) @ np.abs(y))
        leak = float(np.abs(self.a.T @ y) @ scaling.column)
        return -value > max(SIGNIFICANT * size, FAR * leak)

    def descends(self, d: Array, scaling: ConeScaling) -> bool:
        """
        Whether the objective falls along d for ever: q'd < 0, Pd = 0, -Ad in K.

        What is left of the last two, in units in which d is at most one, is below the fall by the factor `FAR`.
        """
        size = float(np.abs(d / scaling.column).max(initial=0.0))
        if size == 0.0:
            return False
        d = d / size
        fall = -float(self.q @ d) / scaling.objective
        bend = float(np.abs(self.p @ d) @ scaling.column) / scaling.objective
        out = float(self.cones.outside(scaling.rows @ -(self.a @ d)).max(initial=0.0))
        return fall > max(SIGNIFICANT, FAR * bend, FAR * out)

    def involved(self, y: Array, scaling: ConeScaling) -> Indices:
        """Rows that a proof y of infeasibility speaks of."""
        weight = np.abs(y) * (abs(self.a) @ scaling.column + np.abs(self.b))
        return np.flatnonzero(weight > INVOLVED * weight.max(initial=0.0))


def _turned(turn: sp.csr_array, matrix: sp.csr_array) -> sp.csc_array:
    """R M, without what only rounding leaves of entries that cancel."""
    out, size = sp.coo_array(turn @ matrix), sp.csr_array(abs(turn) @ abs(matrix))
    keep = np.abs(out.data) > CANCELLED * np.asarray(size[out.row, out.col]).ravel()
    return sp.csc_array((out.data[keep], (out.row[keep], out.col[keep])), shape=out.shape)

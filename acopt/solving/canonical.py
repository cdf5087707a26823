"""From a CVXPY problem and its parameters to the arrays of a quadratic program: one sparse product."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cvxpy as cp
import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from acopt.errors import ModelError

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Pattern:
    """Sparsity pattern in coordinate form: entry e of a matrix stands at (row[e], col[e])."""

    row: Indices
    col: Indices
    shape: tuple[int, int]

    def matrix(self, values: Array) -> sp.csc_array:
        """Assemble a CSC matrix with these values."""
        return sp.csc_array(sp.coo_array((values, (self.row, self.col)), shape=self.shape))


@dataclass(frozen=True)
class Arrays:
    """
    Numbers of: minimise 1/2 z'Pz + q'z + d subject to l <= Az <= u.

    `p` are the values of P's upper triangle and `a` those of A, both on a fixed `Pattern`.
    """

    p: Array
    q: Array
    d: float
    a: Array
    l: Array  # noqa: E741
    u: Array


class CanonicalProgram:
    """
    A CVXPY problem canonicalised once, as a map from parameters to `Arrays`.

    Raises
    ------
    ModelError
        The problem is not DPP, or not a quadratic program.
    """

    def __init__(self, problem: cp.Problem) -> None:
        if problem.is_mixed_integer():
            raise ModelError("a custom term declares integer or boolean variables; acopt solves continuous programs")
        try:
            data, _, _ = problem.get_problem_data(cp.OSQP, enforce_dpp=True, canon_backend="COO")
        except cp.error.DPPError as error:
            raise ModelError(
                "a custom term multiplies parameters in a way that CVXPY cannot re-use (not DPP); "
                f"fold their product into one cp.Parameter. {error}"
            ) from error
        stuffed = data["param_prob"]
        self.n: int = stuffed.x.size
        self.m: int = stuffed.constr_size
        self._width: int = stuffed.total_param_size + 1
        self._columns: dict[int, int] = stuffed.param_id_to_col
        self._p_map, self.p_pattern = self._quadratic(stuffed)
        self._a_map, self.a_pattern, self._b_map = self._rows(stuffed)
        self._q_map = sp.csr_array(stuffed.q)
        self.a_constant = _parameter_free(self._a_map)
        self.n_equalities: int = stuffed.cone_dims.zero
        self.variable_columns: dict[int, int] = stuffed.var_id_to_col
        ids = np.concatenate([np.full(c.size, c.id) for c in stuffed.constraints] or [np.empty(0)])
        self.row_constraint: Indices = ids.astype(np.int64)

    def columns_of(self, variable: cp.Variable) -> Indices:
        """Columns of a CVXPY variable, down its columns first."""
        start = self.variable_columns[variable.id]
        return np.arange(start, start + variable.size)

    def theta(self, values: Mapping[int, Array]) -> Array:
        """Parameter vector from values by parameter id (column-major, as CVXPY stores them)."""
        theta = np.full(self._width, np.nan)  # a number that nobody gives must not go unnoticed
        theta[-1] = 1.0
        for key, start in self._columns.items():
            if key in values:
                value = values[key]
                theta[start : start + value.size] = value.ravel(order="F")
        return theta

    def arrays(self, theta: Array) -> Arrays:
        """Evaluate every array at the parameter vector."""
        q = self._q_map @ theta
        b = self._b_map @ theta
        lower = -b
        upper = np.full(self.m, np.inf)
        upper[: self.n_equalities] = lower[: self.n_equalities]
        return Arrays(self._p_map @ theta, q[:-1], float(q[-1]), self._a_map @ theta, lower, upper)

    def _quadratic(self, stuffed: Any) -> tuple[sp.csr_array, Pattern]:
        stuffed.reduced_P.cache()
        reduced = stuffed.reduced_P
        if reduced.matrix_data is None or reduced.problem_data_index is None:
            empty = np.empty(0, dtype=np.int64)
            return sp.csr_array((0, self._width)), Pattern(empty, empty, (self.n, self.n))
        indices, indptr, _ = reduced.problem_data_index
        row, col = _coordinates(indices, indptr, self.n)
        upper = row <= col
        return sp.csr_array(reduced.reduced_mat)[upper], Pattern(row[upper], col[upper], (self.n, self.n))

    def _rows(self, stuffed: Any) -> tuple[sp.csr_array, Pattern, sp.csr_array]:
        stuffed.reduced_A.cache()
        reduced = stuffed.reduced_A
        if reduced.problem_data_index is None:
            empty = np.empty(0, dtype=np.int64)
            nothing = sp.csr_array((0, self._width))
            return nothing, Pattern(empty, empty, (self.m, self.n)), sp.csr_array((self.m, self._width))
        indices, indptr, _ = reduced.problem_data_index
        row, col = _coordinates(indices, indptr, self.n + 1)
        matrix = sp.csr_array(reduced.reduced_mat)
        inside = col < self.n
        offset = matrix[~inside].tocoo()
        b_map = sp.csr_array(
            sp.coo_array((offset.data, (row[~inside][offset.row], offset.col)), shape=(self.m, self._width))
        )
        return matrix[inside], Pattern(row[inside], col[inside], (self.m, self.n)), b_map


def _coordinates(indices: Any, indptr: Any, columns: int) -> tuple[Indices, Indices]:
    col = np.repeat(np.arange(columns), np.diff(indptr))
    return np.asarray(indices, dtype=np.int64), col.astype(np.int64)


def _parameter_free(matrix: sp.csr_array) -> npt.NDArray[np.bool_]:
    """Rows of the map that use the constant column only."""
    last = matrix.shape[1] - 1
    uses = sp.csr_array(matrix[:, :last])
    return np.asarray(np.diff(uses.indptr) == 0)

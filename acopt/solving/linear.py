"""The one door to HiGHS, for linear programs."""

from __future__ import annotations

from typing import Any, cast

import scipy.sparse as sp
from scipy.optimize import linprog

from acopt.solving.canonical import Array

TOLERANCE = 1e-10


def solve_linear(
    cost: Array,
    at_most: tuple[sp.csr_array, Array],
    equal: tuple[sp.csr_array, Array],
    bounds: Any,
    *,
    method: str = "highs",
) -> Any:
    """Minimise c'z subject to Fz <= g, Ez = h and bounds, by SciPy's HiGHS; return SciPy's result."""
    solve = cast(Any, linprog)  # its stubs do not know sparse rows
    return solve(
        cost,
        A_ub=at_most[0] if at_most[0].shape[0] else None,
        b_ub=at_most[1] if at_most[0].shape[0] else None,
        A_eq=equal[0] if equal[0].shape[0] else None,
        b_eq=equal[1] if equal[0].shape[0] else None,
        bounds=bounds,
        method=method,
        options={"primal_feasibility_tolerance": TOLERANCE, "dual_feasibility_tolerance": TOLERANCE},
    )

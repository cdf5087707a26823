"""A second opinion: the same program by another algorithm, and how far the two answers are apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from acopt.errors import AcoptError, SolverError
from acopt.market.labels import Array
from acopt.model.declaration import State
from acopt.model.schedule import Schedule
from acopt.model.solution import Solver

CLARABEL, SCS = "CLARABEL", "SCS"


@dataclass(frozen=True)
class CrossCheck:
    """
    How another solver's answer compares with a schedule.

    Attributes
    ----------
    solver : who was asked.
    objective_difference : its objective minus the schedule's, relative to the schedule's `gap_scale`; NaN
        without an answer.
    trade_difference : largest |difference of trades|, relative to the largest order; where optima are not
        unique it may be large, and the objectives equal.
    seconds : how long it took.
    failure : why there is no answer; empty when there is one. The schedule's own proof stands by itself.
    """

    solver: str
    objective_difference: float
    trade_difference: float
    seconds: float
    failure: str = ""

    def __str__(self) -> str:
        if self.failure:
            return f"no second opinion: {self.failure}"
        return (
            f"{self.solver} agrees: objective {self.objective_difference:+.1e} relative, "
            f"trades {self.trade_difference:.1e} of the order, {1e3 * self.seconds:.3g} ms"
        )


class _Interior(Solver):
    """The program as CVXPY writes it for Clarabel: other arrays, no presolve, no refinement."""

    @property
    def _program(self) -> None:
        return None


def cross_checked(
    plan: Schedule, solver: Solver, state: State, numbers: Mapping[int, Array], tolerance: float
) -> Schedule:
    """
    Solve again, note the difference in the certificate, and return the schedule.

    An answer by OSQP (or HiGHS) is compared with Clarabel's interior point on arrays of its own, and where that
    is not accurate enough, on the presolved ones; an answer by Clarabel with OSQP's, or HiGHS' if it is linear. A
    conic answer is compared with SCS', which splits operators where Clarabel follows an interior path.

    Raises
    ------
    SolverError
        The objectives differ by more than both certificates allow.
    """
    proof = plan.certificate
    if proof is None:
        return plan
    asked: tuple[tuple[type[Solver], str], ...] = ((_Interior, CLARABEL), (Solver, CLARABEL))
    if proof.solver == CLARABEL:
        asked = ((Solver, SCS),) if proof.conic else ((Solver, "OSQP"), (Solver, "HIGHS"))
    failures = []
    for kind, name in asked:
        try:
            second = kind(solver.declaration).solve(state, numbers, name, tolerance, ())
        except AcoptError as error:
            failures.append(str(error))
            continue
        plan.certificate = replace(proof, cross_check=_compare(plan, second, tolerance))
        return plan
    nothing = CrossCheck(asked[0][1], np.nan, np.nan, np.nan, "; ".join(failures))
    plan.certificate = replace(proof, cross_check=nothing)
    return plan


def _compare(plan: Schedule, second: Schedule, tolerance: float) -> CrossCheck:
    first, other = plan.certificate, second.certificate
    if first is None or other is None:
        raise SolverError("cross_check: a schedule without a certificate cannot be compared")
    difference = second.objective - plan.objective
    if abs(difference) > first.tolerance + other.tolerance:
        raise SolverError(
            f"cross_check: {first.solver} and {other.solver} disagree: objectives {plan.objective:.12g} and "
            f"{second.objective:.12g} differ by {abs(difference):.3g}, {first.tolerance + other.tolerance:.3g} is "
            f"accepted (tolerance={tolerance:g}); tried: {'; '.join([*first.tries, *other.tries])}"
        )
    apart = float(np.abs(second.path.trades - plan.path.trades).max(initial=0.0))
    return CrossCheck(
        other.solver,
        difference / first.gap_scale if first.gap_scale > 0 else 0.0,
        apart / (plan.setting.size or 1.0),
        other.seconds,
    )

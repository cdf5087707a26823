"""What every rule costs: the problem solved again without it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from acopt.errors import AcoptError, InfeasibleError, ModelError, SolverError, UnboundedError
from acopt.model.problem import ExecutionProblem
from acopt.model.schedule import Schedule, term_weight

__all__ = ["constraint_costs"]

OPTIMAL, IMPLIED = "optimal", "implied all the same"
STATUS = {InfeasibleError: "infeasible", UnboundedError: "unbounded", SolverError: "not solved", ModelError: "no model"}
ROUNDING = 1e-12


def constraint_costs(problem: ExecutionProblem) -> pd.DataFrame:
    """
    Leave out each rule in turn and solve again.

    Parameters
    ----------
    problem : as for `solve`; its risk terms have weights (`plan.problem` has those of a plan).

    Returns
    -------
    DataFrame
        By constraint, the most expensive first: `objective` without it; `saved`, by how much that is below the
        problem's own; `cost_bps` and `risk_bps`, expected cost and risk without it, bps of gross arrival
        notional; `changed`, whether the optimum is lower beyond what the two proofs leave open (an optimum that
        is as low leaves the plan optimal without the rule); `status`, "optimal", or why there is no such optimum:
        "unbounded", "infeasible", "not solved", "no model", with the error in `reason`.
        `AllowUnfilled` is a freedom and not a rule: without it the order must be finished, so it saves nothing or
        less. Completion is implied by every other problem: a written `Complete` has the status "implied all the
        same" where leaving it out changes nothing in the model.

    Raises
    ------
    ModelError
        A risk term has no weight, as in `solve`.
    """
    plan = problem.solve()
    rows = {c.name: _row(problem, plan, c.name) for c in problem.constraints}
    columns = ["objective", "saved", "cost_bps", "risk_bps", "changed", "status", "reason"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    table.index.name = "constraint"
    return table.sort_values("saved", ascending=False, kind="stable")


def _row(problem: ExecutionProblem, plan: Schedule, name: str) -> list[object]:
    rule = next(c for c in problem.constraints if c.name == name)
    if rule.completes and problem.setting.complete:
        return [plan.objective, 0.0, plan.bps(plan.expected_cost), plan.bps(plan.risk), False, IMPLIED, ""]
    try:
        other = problem.without(name).solve()
    except AcoptError as error:
        status = next((text for kind, text in STATUS.items() if isinstance(error, kind)), type(error).__name__)
        return [np.nan, np.nan, np.nan, np.nan, True, status, str(error)]
    saved = plan.objective - other.objective
    changed = abs(saved) > _open(plan) + _open(other)
    return [other.objective, saved, other.bps(other.expected_cost), other.bps(other.risk), changed, OPTIMAL, ""]


def _open(plan: Schedule) -> float:
    """How far from the optimum a plan may be by its proof, and how far off its objective by rounding."""
    proof = plan.certificate
    size = sum(abs(term_weight(t) * plan.term_values[t.cost.name]) for t in plan.pricing.terms)
    return ROUNDING * size + (0.0 if proof is None else proof.gap)

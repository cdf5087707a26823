"""One plan for several markets: the best that can be promised, or the smallest regret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from acopt.costs.worst_case import WorstCase
from acopt.errors import DataError
from acopt.market.labels import short
from acopt.market.market import Market
from acopt.model.problem import ExecutionProblem
from acopt.model.schedule import Schedule
from acopt.sweeps.regret import Regret, paid_in, regret_of
from acopt.sweeps.scenarios import Rules, restated, sweep, without_price


@dataclass(frozen=True)
class RobustPlan:
    """
    One plan for several markets.

    Attributes
    ----------
    plan : the schedule, priced by the problem's own market; its certificate is that of the robust program.
    solved : the same trades as the answer of the robust program, shadow prices included.
    table : one row per market: `objective`, `cost` and `risk` of the plan there, the `best` objective that any plan
        has there, and the `regret`; bps of gross arrival notional.
    criterion : "objective" or "regret", whose largest value over the markets is as small as it can be.
    alone : the plans of each market alone, paid in all of them.

    Notes
    -----
    `plan.reoptimize` and `plan.round_lots` answer the question of the problem's own market; `solved.reoptimize` that of
    all of them.
    """

    plan: Schedule
    solved: Schedule
    table: pd.DataFrame
    criterion: str
    alone: Regret

    @property
    def worst_case(self) -> tuple[float, str]:
        """The largest value of the criterion, bps, and the market that has it."""
        values = self.table[self.criterion]
        return float(values.max()), str(values.idxmax())

    def __str__(self) -> str:
        value, name = self.worst_case
        shown = self.table.to_string(float_format="{:.4g}".format)
        return f"{shown}\nat worst {value:.4g} bps of {self.criterion}, in {name!r}; {self.solved.proof}"

    def _repr_html_(self) -> str:
        return self.table.to_html(float_format="{:.4g}".format)


def robust(
    problem: ExecutionProblem,
    scenarios: Mapping[str, Market],
    *,
    regret: bool = False,
    rules: Rules = "all",
    **dial: float | str,
) -> RobustPlan:
    """
    Find the one plan whose worst case over several markets is best.

    minimise max_s f_s(u);  with `regret`, max_s (f_s(u) - b_s), b_s the best that market s allows

    Parameters
    ----------
    problem, scenarios, dial : as in `regret`.
    regret : compare with what each market allows, and not with zero. Without it the market in which everything costs
        most decides alone if its costs are above the others' whatever is done.
    rules : "all": the rules as they read in every scenario; "own": as they read in the problem's own market.

    Raises
    ------
    DataError, ModelError, InfeasibleError
        As `regret`.

    Notes
    -----
    A conic program (Clarabel), unless all costs are piecewise linear; the certificate says so.

    References
    ----------
    Savage (1951), "The theory of statistical decision", for regret.
    """
    if not isinstance(regret, bool):
        raise DataError(f"robust regret={short(regret)}: True or False is expected")
    found = sweep(problem, scenarios, rules, dial)
    alone = regret_of(found)
    best = {name: plan.objective for name, plan in alone.plans.items()}
    worst = WorstCase(found.problem.objective, found.markets, less=best if regret else None)
    kept = tuple(without_price(rule, found.problem.market) for rule in found.constraints if not rule.soft)
    solved = restated(found.problem, 1.0 * worst, kept).solve()
    solved.name = "robust"
    plan = paid_in(found.problem, solved)
    plan.certificate = solved.certificate
    return RobustPlan(plan, solved, _table(found.own, solved, best), "regret" if regret else "objective", alone)


def _table(own: Mapping[str, ExecutionProblem], plan: Schedule, best: Mapping[str, float]) -> pd.DataFrame:
    rows: dict[str, dict[str, Any]] = {}
    for name, problem in own.items():
        paid = paid_in(problem, plan)
        values = (paid.objective, paid.expected_cost, paid.risk, best[name], paid.objective - best[name])
        rows[name] = dict(zip(("objective", "cost", "risk", "best", "regret"), map(paid.bps, values), strict=True))
    return pd.DataFrame(rows).T.astype(np.float64)

"""What wrong parameters cost: planned in one market, paid in another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from acopt.errors import DataError
from acopt.market.market import Market
from acopt.model.problem import ExecutionProblem
from acopt.model.schedule import Schedule
from acopt.sweeps.scenarios import Rules, Sweep, sweep

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Regret:
    """
    Plans of several markets, each paid in all of them; bps of gross arrival notional.

    Attributes
    ----------
    cost : the objective, planned in (row) x paid in (column).
    regret : `cost` minus the best of its column: what planning in the wrong market cost. Where all rules are kept it
        is >= 0, up to the accuracy of the solver.
    expected_cost, risk : its parts, one standard deviation of cost against arrival.
    rules_broken : names of the rules that the row's plan breaks as they read in the column's market, "" if none.
    plans : the plan of each market, by name.
    """

    cost: pd.DataFrame
    regret: pd.DataFrame
    expected_cost: pd.DataFrame
    risk: pd.DataFrame
    rules_broken: pd.DataFrame
    plans: dict[str, Schedule]

    @property
    def worst(self) -> pd.Series:
        """Largest regret of each plan, bps."""
        return self.regret.max(axis=1).rename("worst regret")

    @property
    def best_plan(self) -> str | None:
        """Name of the plan of smallest worst regret that keeps the rules everywhere; None if there is none."""
        kept = self.worst[(self.rules_broken == "").all(axis=1)]
        return str(kept.idxmin()) if len(kept) else None

    def plot(self, path: str | PathLike[str] | None = None) -> Figure:
        """Draw the matrix; see `acopt.interface.regret_plot`."""
        from acopt.interface.regret_plot import plot_regret

        return plot_regret(self, path)

    def __str__(self) -> str:
        table = self.regret.assign(worst=self.worst)
        return f"regret, bps: planned in (row), paid in (column)\n{table.to_string(float_format='{:.4g}'.format)}"

    def _repr_html_(self) -> str:
        return self.regret.assign(worst=self.worst).to_html(float_format="{:.4g}".format)


def regret(
    problem: ExecutionProblem, scenarios: Mapping[str, Market], *, rules: Rules = "all", **dial: float | str
) -> Regret:
    """
    Plan in every market, pay in every other: what it costs to be wrong about volume, volatility or impact.

    regret[s, r] = f_r(u_s) - f_r(u_r),  u_s the optimal plan in market s, f_r the objective in market r

    Parameters
    ----------
    problem : its own market is one of the scenarios, called "base" unless `scenarios` names it.
    scenarios : markets by name, on the problem's grid, with its assets and arrival prices.
    rules : "all": every plan keeps the rules as they read in every scenario, so that each can be executed in each and
        the matrix compares like with like; "own": each plan keeps those of its own market, and where it breaks them
        in another, `rules_broken` says so and the regret may be negative.
    dial : how to weigh a risk that has no weight, as in `solve_for`; found in the problem's own market, with its own
        rules, and the same in all scenarios: who is wrong about the market is not wrong about how much risk costs.

    Raises
    ------
    DataError
        No scenario, a market that does not fit, a name that is taken; the order is zero, so that there are no bps.
    ModelError
        A risk has no weight, and no dial was given.
    InfeasibleError
        The rules cannot be kept in one of the markets, or not in all of them at once.
    """
    return regret_of(sweep(problem, scenarios, rules, dial))


def regret_of(found: Sweep) -> Regret:
    """Plan and pay in every market of a sweep."""
    if found.problem.setting.gross == 0:
        raise DataError("regret: the order is zero, so there are no bps to compare")
    plans = found.plans()
    paid = {s: {r: paid_in(found.own[r], plan) for r in found.own} for s, plan in plans.items()}
    cost = _table(paid, lambda plan: plan.bps(plan.objective))
    return Regret(
        cost,
        cost - np.diag(cost),
        _table(paid, lambda plan: plan.bps(plan.expected_cost)),
        _table(paid, lambda plan: plan.bps(plan.risk)),
        _table(paid, lambda plan: ", ".join(plan.rules_broken)),
        plans,
    )


def paid_in(problem: ExecutionProblem, plan: Schedule) -> Schedule:
    """Return a plan's trades, priced by a problem."""
    return problem.evaluate(plan.path.trades, name=plan.name)


def _table(paid: Mapping[str, Mapping[str, Schedule]], read: Any) -> pd.DataFrame:
    table = pd.DataFrame({s: {r: read(plan) for r, plan in row.items()} for s, row in paid.items()}).T
    out = table.infer_objects()
    return out.rename_axis(index="planned in", columns="paid in")

"""Budgets that cannot be kept: the least that their costs can be under the other rules, and the limit that would do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from acopt.constraints.budget import Budget
from acopt.errors import InfeasibleError, ModelError, SolverError, UnboundedError
from acopt.insight.conflicts import Conflict, Repair
from acopt.insight.relaxation import Relaxation, budget_raised, outward
from acopt.insight.words import bps, money
from acopt.market.market import Bps
from acopt.model.algebra import Constraint, Objective, Term
from acopt.model.problem import ExecutionProblem
from acopt.model.schedule import TOLERANCE
from acopt.model.setting import Setting

__all__ = ["Shortfall", "shortfall"]


@dataclass(frozen=True)
class Shortfall:
    """
    What is wrong with the budgets of a problem.

    Attributes
    ----------
    conflicts : the budgets that are out of reach, each alone with the other rules; else the first of those that
        cannot be kept together.
    repair : limits that would do, one after the other, each beside those before; None when that cannot be told.
    """

    conflicts: tuple[Conflict, ...]
    repair: Repair | None


def shortfall(budgets: Sequence[Budget], others: Sequence[Constraint], setting: Setting) -> Shortfall | None:
    """
    Return the budgets that cannot be kept, none when a schedule keeps all; None when nobody can tell.

    Parameters
    ----------
    budgets : those that are no linear rows.
    others : all other hard rules, which hold together.
    setting : order and market, aligned.
    """
    alone, ways, settled = list[Conflict](), list[Relaxation](), list[Constraint](others)
    together: tuple[Conflict, ...] = ()
    for j, budget in enumerate(budgets):
        least = _least(budget, others, setting)
        if _beyond(budget, least, setting):
            alone.append(_conflict(_raised(budget, least, setting)))
        beside = _least(budget, settled, setting) if j else least
        if np.isnan(beside):
            return Shortfall(tuple(alone), None) if alone else None
        if _beyond(budget, beside, setting):
            way = _raised(budget, beside, setting)
            together = together or (_conflict(way, *(b.name for b in budgets[:j])),)
            ways.append(way)
            settled.extend(way.rules)
        else:
            settled.append(budget)
    return Shortfall(tuple(alone) or together, Repair(tuple(ways), True, "2% less") if ways else None)


def _beyond(budget: Budget, least: float, setting: Setting) -> bool:
    return least - budget.amount(setting) > TOLERANCE * (setting.gross or 1.0)


def _conflict(way: Relaxation, *beside: str) -> Conflict:
    nothing = pd.Index([])
    return Conflict((way.name, *beside), nothing, nothing, (), (way,))


def _raised(budget: Budget, least: float, setting: Setting) -> Relaxation:
    """Return the limit with which the budget can be kept, just outside the least that its cost can be."""
    limit = budget.amount(setting)
    more = float(outward(np.array([least - limit]))[0])
    text, rule = budget_raised(budget, more, setting)
    reach = f"{bps(1e4 * least / setting.gross)} bps" if isinstance(budget.limit, Bps) else money(least)
    verdict = f"the least that it can be under the other rules is {reach}; {text}"
    size = (least - limit) / (abs(limit) or 1.0)
    return Relaxation(budget.name, more, "currency", text, size, (rule,), np.array([more]), verdict=verdict)


def _least(budget: Budget, others: Sequence[Constraint], setting: Setting) -> float:
    """Return the least that the budget's cost can be; NaN where that cannot be told."""
    terms = budget.terms
    if budget.deviates:
        terms = (Term(1.0, terms[0].cost),)
    try:
        problem = ExecutionProblem(setting.order, setting.market, Objective(terms), others)
        free = {t.cost.name: 0.0 for t in problem.objective.terms[len(terms) :]}
        if free:
            problem.update(weights=free)
        if setting.past is not None:
            problem = problem.with_history(setting.past)
        plan = problem.solve()
    except UnboundedError:
        return -np.inf
    except (InfeasibleError, ModelError, SolverError):
        return float("nan")
    return budget.value(plan.path)

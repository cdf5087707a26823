"""The efficient frontier of a problem: cost against risk, warm, in order of urgency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from acopt.errors import DataError
from acopt.model.dials import reference_aversion, risk_term
from acopt.model.schedule import Schedule

if TYPE_CHECKING:
    from acopt.model.problem import ExecutionProblem

EDGE = 0.01
DECADES = 10


@dataclass(frozen=True)
class Frontier:
    """
    Schedules from patient to urgent, and their table.

    Attributes
    ----------
    table : one row per schedule: risk_aversion, risk_price, cost_bps, risk_bps, half_life, finish,
        max_participation.
    plans : the schedules, in the table's order.
    """

    table: pd.DataFrame
    plans: tuple[Schedule, ...]


def trace(problem: ExecutionProblem, points: int = 25) -> Frontier:
    """
    Trace the frontier over its own range: from 1% below the largest risk to 1% above the least.

    Parameters
    ----------
    problem : a problem with one risk term; its own weight does not matter.
    points : number of schedules, >= 2, evenly spaced in log(lambda).

    References
    ----------
    Almgren & Chriss (2000), section 3.
    """
    if isinstance(points, bool) or not isinstance(points, int) or points < 2:
        raise DataError(f"frontier points={points!r}: an integer >= 2 is expected")
    risk = risk_term(problem, None, weighted=True)
    low, high = _range(problem, risk)
    plans = tuple(problem.solve_at(risk, float(weight)) for weight in np.geomspace(low, high, points))
    rows = []
    for plan in plans:
        dials = plan.urgency
        participation = np.abs(plan.path.participation).max() if problem.market.has_volume else np.nan
        rows.append(
            {
                "risk_aversion": dials.risk_aversion,
                "risk_price": dials.risk_price,
                "cost_bps": dials.cost_bps,
                "risk_bps": dials.risk_bps,
                "half_life": dials.half_life,
                "finish": dials.finish,
                "max_participation": float(participation),
            }
        )
    return Frontier(pd.DataFrame(rows), plans)


def _range(problem: ExecutionProblem, risk: str) -> tuple[float, float]:
    """Risk aversions at which the risk has all but reached its largest and its least value."""
    centre = reference_aversion(problem, risk)

    def deviation(weight: float) -> float:
        return float(np.sqrt(problem.solve_at(risk, weight).term_values[risk]))

    most, least = deviation(0.0), deviation(centre * 10.0**DECADES)
    low = high = centre
    for _ in range(DECADES):
        if deviation(low) >= most - EDGE * (most - least):
            break
        low /= 10.0
    for _ in range(DECADES):
        if deviation(high) <= least + EDGE * (most - least):
            break
        high *= 10.0
    return low, high if high > low else low * 10.0

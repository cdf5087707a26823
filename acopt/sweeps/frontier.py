"""The efficient frontier of a problem: cost against risk, warm, in order of urgency."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.optimize import brentq

from acopt.errors import DataError
from acopt.insight.strategies import Plan, max_participation, time_done
from acopt.insight.words import clock
from acopt.market.clock import number
from acopt.market.labels import short
from acopt.model.dials import least_risky, reference_aversion, risk_term
from acopt.model.schedule import FINISHED, Schedule

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from acopt.model.problem import ExecutionProblem

EDGE = 0.01
DECADES = 10
MOST = 10_000
"""Schedules of one frontier."""
FOUND = 1e-9
"""Relative distance from a risk price within which it is met."""


@dataclass(frozen=True)
class Frontier:
    """
    Schedules from patient to urgent, and their table.

    Attributes
    ----------
    table : one row per schedule: risk_aversion, risk_price, cost_bps, risk_bps, half_life, finish (in the
        grid's unit from t_0), max_participation; tracking_bps, one standard deviation of slippage against
        the benchmark, when the risk that is traded off is a tracking risk; finish_at, text, where the grid has
        clock times.
    plans : the schedules, in the table's order.
    term : name of the risk term that is traded off.
    """

    table: pd.DataFrame
    plans: tuple[Schedule, ...]
    term: str

    def at_price(self, risk_price: float) -> Schedule | None:
        """
        Return the schedule that minimises E + z Std, solved anew; None for a z outside the table's.

        lambda: 2 lambda Std(lambda) = z, which rises along the frontier, so its neighbours in the table bracket it.
        """
        wanted = number(risk_price)
        if wanted is None or not np.isfinite(wanted):
            raise DataError(f"at_price risk_price={short(risk_price)}: a number is expected")
        risk_price, prices = wanted, self.table["risk_price"].to_numpy(dtype=float)
        if not prices[0] < risk_price < prices[-1]:
            return None
        nearest, above = int(np.argmin(np.abs(prices - risk_price))), int(np.argmax(prices >= risk_price))
        if abs(prices[nearest] - risk_price) <= FOUND * risk_price:
            return self.plans[nearest]

        def solved(log_weight: float) -> Schedule:
            return self.plans[above].problem.solve_at(self.term, float(np.exp(log_weight)))

        def miss(log_weight: float) -> float:
            return float(2.0 * np.exp(log_weight) * _deviation(solved(log_weight), self.term) - risk_price)

        low, high = np.log(self.table["risk_aversion"].to_numpy(dtype=float)[[above - 1, above]])
        return solved(brentq(miss, low, high, xtol=1e-12, rtol=1e-12))

    def plot(
        self, path: str | PathLike[str] | None = None, *, marks: Mapping[str, Plan] | Iterable[Plan] | None = None
    ) -> Figure:
        """Draw cost against risk, with the plans that `compare` takes marked; see `acopt.interface.frontier_plot`."""
        from acopt.interface.frontier_plot import plot_frontier

        return plot_frontier(self, marks, path)

    def _repr_html_(self) -> str:
        return self.table.to_html(index=False, float_format="{:.4g}".format)


def trace(problem: ExecutionProblem, points: int = 25, *, term: str | None = None) -> Frontier:
    """
    Trace the frontier over its own range: from 1% below the largest risk to 1% above the least.

    Parameters
    ----------
    problem : a problem with a risk term; its own weight does not matter.
    points : number of schedules, >= 2, evenly spaced in log(lambda).
    term : name of the risk term to turn, when there are several; the others keep their weights.

    Raises
    ------
    DataError
        `points` is no integer >= 2.
    ModelError
        There is no risk term, or there are several and `term` names none of them.

    References
    ----------
    Almgren & Chriss (2000), section 3.
    """
    if isinstance(points, bool) or not isinstance(points, int) or not 2 <= points <= MOST:
        raise DataError(f"frontier points={short(points)}: an integer from 2 to {MOST:,} is expected")
    risk = risk_term(problem, term, weighted=True)
    low, high = _range(problem, risk)
    weights = np.geomspace(low, high, points).tolist()
    plans = tuple(problem.solve_at(risk, weight) for weight in weights)
    table = pd.DataFrame([_row(plan, risk, weight) for plan, weight in zip(plans, weights, strict=True)])
    if next(t.cost for t in problem.objective.terms if t.cost.name == risk).tracks:
        table["tracking_bps"] = [plan.bps(_deviation(plan, risk)) for plan in plans]
    if problem.market.grid.timestamps is not None:
        table["finish_at"] = [_clock_time(plan) for plan in plans]
    return Frontier(table, plans, risk)


def _row(plan: Schedule, risk: str, weight: float) -> dict[str, float]:
    dials = plan.urgency
    return {
        "risk_aversion": weight,
        "risk_price": 2.0 * weight * _deviation(plan, risk),
        "cost_bps": dials.cost_bps,
        "risk_bps": dials.risk_bps,
        "half_life": dials.half_life,
        "finish": dials.finish,
        "max_participation": max_participation(plan),
    }


def _clock_time(plan: Schedule) -> str:
    """When 99% is done, as text, so that the table can still be rounded; "" if never."""
    moment = time_done(plan, FINISHED)
    return "" if pd.isna(moment) else clock(moment, plan.setting, "%H:%M:%S")


def _deviation(plan: Schedule, risk: str) -> float:
    return float(np.sqrt(max(plan.term_values[risk], 0.0)))


def _range(problem: ExecutionProblem, risk: str) -> tuple[float, float]:
    """Risk aversions at which the risk has all but reached its largest and its least value."""
    centre = reference_aversion(problem, risk)

    def deviation(weight: float) -> float:
        return _deviation(problem.solve_at(risk, weight), risk)

    most, least = deviation(0.0), _deviation(least_risky(problem, risk, centre), risk)
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

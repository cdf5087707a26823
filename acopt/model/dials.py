"""Urgency dials: from what a desk can say (a risk price, a risk, a cost, a time, a pace) to a risk aversion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.optimize import brentq, minimize_scalar

from acopt.errors import DataError, ModelError, SolverError
from acopt.market.grid import TimeGrid
from acopt.market.labels import is_one_of, numbers, short
from acopt.model.algebra import Term
from acopt.model.frames import time_of_fraction
from acopt.model.paths import last_moment, twap
from acopt.model.schedule import FINISHED, Schedule, Urgency

if TYPE_CHECKING:
    from acopt.model.problem import ExecutionProblem

DECADES = 10
OUTWARD = (2, 4, 6, 8, DECADES)
FAR = 6
"""Decades within which the risk may pause, and fall again for another asset."""
STILL = 1e-9
STEP = np.log(10.0)
ACCURACY = 1e-7
NO_RISK, NO_VARIANCE = 1e-6, 1e-12


@dataclass(frozen=True)
class _Dial:
    """How a quantity is read off a schedule, and whether it grows with the risk aversion."""

    read: Callable[[Schedule, str], float]
    grows: bool
    unit: str


def _deviation(plan: Schedule, term: str) -> float:
    return float(np.sqrt(max(plan.term_values[term], 0.0)))


def _risk_price(plan: Schedule, term: str) -> float:
    return 2.0 * _weight(plan, term) * _deviation(plan, term)


def _weight(plan: Schedule, term: str) -> float:
    weight = next(t.weight for t in plan.pricing.terms if t.cost.name == term)
    return float("nan") if weight is None else weight


def _pov(plan: Schedule, _: str) -> float:
    """Participation averaged over the notional traded; NaN without volumes."""
    if not plan.setting.market.has_volume:
        return float("nan")
    notional = np.abs(plan.path.notional)
    total = float(notional.sum())
    return float(np.sum(notional * np.abs(plan.path.participation)) / total) if total > 0 else float("nan")


DIALS = {
    "risk_price": _Dial(_risk_price, True, "cost per unit of risk"),
    "risk_bps": _Dial(lambda plan, term: plan.bps(_deviation(plan, term)), False, "bps"),
    "cost_bps": _Dial(lambda plan, _: plan.bps(plan.expected_cost), True, "bps"),
    "half_life": _Dial(lambda plan, _: time_of_fraction(plan.path, 0.5), False, "time"),
    "finish": _Dial(lambda plan, _: time_of_fraction(plan.path, FINISHED), False, "time"),
    "pov": _Dial(_pov, True, "fraction of volume"),
}


def urgency(plan: Schedule) -> Urgency:
    """Read every dial off a schedule; the risk aversion is that of its one weighted risk term, else NaN."""
    risks = [t for t in plan.pricing.terms if t.cost.kind == "risk"]
    weighted = [t for t in risks if t.weight is not None]
    if len(weighted) == 1:
        name = weighted[0].cost.name
        aversion, price = _weight(plan, name), _risk_price(plan, name)
    else:
        aversion = price = float("nan")
    return Urgency(
        risk_aversion=aversion,
        risk_price=price,
        risk_bps=plan.bps(plan.risk),
        cost_bps=plan.bps(plan.expected_cost),
        half_life=time_of_fraction(plan.path, 0.5),
        finish=time_of_fraction(plan.path, FINISHED),
        pov=_pov(plan, ""),
    )


def solve_for(problem: ExecutionProblem, term: str | None, dial: Mapping[str, Any]) -> Schedule:
    """Find the risk aversion at which a schedule reads the target on one dial; see `ExecutionProblem.solve_for`."""
    name, target = _target(problem, dial)
    risk = risk_term(problem, term)
    if problem.setting.gross == 0:
        return problem.solve_at(risk, reference_aversion(problem, risk))
    return _Search(problem, risk, name, target).run()


def risk_term(problem: ExecutionProblem, term: str | None, *, weighted: bool = False) -> str:
    """Name of the risk term whose weight is turned; `weighted` accepts one that has a weight already."""
    risks = [t for t in problem.objective.terms if t.cost.kind == "risk"]
    names = [t.cost.name for t in risks if weighted or t.weight is None]
    if term is not None:
        if not is_one_of(term, names):
            raise ModelError(f"term={term!r} is not an unweighted risk term; there are: {', '.join(names) or 'none'}")
        return term
    if not names:
        why = "its weight is set already: leave it out, TimingRisk()" if risks else "add TimingRisk() or TrackingRisk()"
        raise ModelError(f"there is no risk term to turn: {why}")
    if len(names) > 1:
        raise ModelError(f"several risk terms could be turned ({', '.join(names)}): say which, term={names[0]!r}")
    return names[0]


def reference_aversion(problem: ExecutionProblem, risk: str) -> float:
    """
    Risk aversion at which the risk of TWAP weighs as much as its path-dependent cost.

    Where TWAP has no risk (it is the benchmark, or the basket hedges itself) that of the last moment
    counts; where that has none either, that of the assets one by one.
    """
    setting = problem.setting
    path, size = twap(setting), _undiversified(problem, risk)
    cost = variance = 0.0
    for t in problem.objective.terms:
        value = float(np.sum(t.cost.values(path)))
        if t.cost.name == risk:
            last = float(np.sum(t.cost.values(last_moment(setting))))
            variance = next((v for v in (value, last) if v > NO_VARIANCE * size), size)
        elif t.cost.kind != "risk":
            cost += abs(t.factor * (value - t.cost.constant(setting)))
    cost = cost or 1e-4 * setting.gross
    return cost / variance if cost > 0 and variance > 0 else 1.0


def least_risky(problem: ExecutionProblem, risk: str, centre: float) -> Schedule:
    """
    Solve at risk aversions that grow until the risk no longer falls, or nothing can be certified any more.

    It goes by steps, each warm from the one before: from afar, a solve may take a hundred times as long.
    """
    plan = problem.solve_at(risk, centre * 10.0 ** OUTWARD[0])
    for decades in OUTWARD[1:]:
        try:
            further = problem.solve_at(risk, centre * 10.0**decades)
        except SolverError:
            return plan
        settled = further.term_values[risk] >= (1.0 - STILL) * plan.term_values[risk]
        plan = further
        if settled and decades > FAR:
            return plan
    return plan


def _undiversified(problem: ExecutionProblem, risk: str) -> float:
    """Risk of waiting until the last moment, asset by asset and without what hedges it."""
    cost = next(t.cost for t in problem.objective.terms if t.cost.name == risk)
    return float(np.sum(np.abs(cost.values(last_moment(problem.setting)))))


class _Search:
    """One root search in log(lambda), on warm re-solves."""

    def __init__(self, problem: ExecutionProblem, risk: str, name: str, target: float) -> None:
        self.problem, self.risk, self.name, self.target = problem, risk, name, target
        self.dial = DIALS[name]
        self.unit = f"{problem.setting.grid.unit}s" if self.dial.unit == "time" else self.dial.unit
        self.centre = float(np.log(reference_aversion(problem, risk)))
        self.best: tuple[float, Schedule] | None = None
        self.seen: dict[float, float] = {}

    def run(self) -> Schedule:
        """Bracket outwards from the reference, then Brent's method."""
        if self.name == "risk_price":
            patient = self.problem.solve_at(self.risk, 0.0)
            if patient.term_values[self.risk] <= NO_VARIANCE * _undiversified(self.problem, self.risk):
                return patient
        here = self.miss(self.centre)
        if here == 0.0:
            return self.found()
        towards_more = (here < 0) == self.dial.grows
        step = STEP if towards_more else -STEP
        inner, outer, previous = self.centre, self.centre, here
        for _ in range(DECADES):
            outer = inner + step
            value = self.miss(outer)
            if (value < 0) != (here < 0) or value == 0.0:
                break
            if here < 0 and self.priced_out():
                return self.last
            if abs(value - previous) <= 1e-12 * abs(value + self.target) and abs(outer - self.centre) > 4 * STEP:
                return self.end(outer)
            inner, previous = outer, value
        else:
            return self.end(outer)
        if value != 0.0:
            self.between(inner, outer)
        return self.found()

    def between(self, one: float, other: float) -> None:
        """Brent's method between two points that miss on either side; in logarithms, which bend less."""
        ends = [self.seen[one], self.seen[other], self.target]
        logarithmic = min(ends) > 0 and np.isfinite(ends).all()

        def bent(at: float) -> float:
            error = self.miss(at)
            return float(np.log1p(error / self.target)) if logarithmic and error > -self.target else error

        brentq(bent, one, other, xtol=1e-12, rtol=1e-14, maxiter=100)

    def miss(self, log_aversion: float) -> float:
        """Reading minus target, zero when within the accuracy; remembers the best."""
        if log_aversion not in self.seen:
            plan = self.last = self.problem.solve_at(self.risk, float(np.exp(log_aversion)))
            reading = self.seen[log_aversion] = self.reading(plan)
            if self.best is None or abs(reading - self.target) < abs(self.best[0]):
                self.best = reading - self.target, plan
        error = self.seen[log_aversion] - self.target
        return 0.0 if abs(error) <= 0.1 * ACCURACY * max(abs(self.target), 1e-300) else error

    def reading(self, plan: Schedule) -> float:
        """Value on the dial; with unfilled orders, infinite for a time never reached, 0 where nothing trades."""
        value = self.dial.read(plan, self.risk)
        return (np.inf if self.dial.unit == "time" else 0.0) if np.isnan(value) else value

    def priced_out(self) -> bool:
        """
        Whether the last schedule, bought below the risk price z, minimises E + z Std all the same.

        Its E is a lower bound of that minimum (it minimises E + lambda V, and lambda Std < z), so z Std is
        all that it can be away: the risk is gone at a finite price, as in a block trade.
        """
        if self.name != "risk_price":
            return False
        return self.target * _deviation(self.last, self.risk) <= NO_RISK * abs(self.last.expected_cost)

    def shown(self, reading: float) -> str:
        """A reading with its unit, and in minutes where it is a time in days."""
        grid = self.problem.setting.grid
        if np.isinf(reading):
            return "never"
        if self.dial.unit != "time" or grid.unit != "day":
            return f"{reading:.6g} {self.unit}"
        return f"{reading:.6g} days ({reading / grid.duration('1min'):.0f} minutes of trading)"

    def found(self) -> Schedule:
        """Return the best schedule, if it is good enough."""
        if self.best is None or not abs(self.best[0]) <= ACCURACY * abs(self.target):
            nearest = float("nan") if self.best is None else self.best[0] + self.target
            raise ModelError(
                f"{self.name}={self.shown(self.target)} falls into a gap: the nearest that a schedule of this "
                f"problem reaches is {self.shown(nearest)}"
            )
        return self.best[1]

    def end(self, outer: float) -> Schedule:
        """Return the limit if it answers the question, else raise with the reachable range."""
        limit = self.problem.solve_at(self.risk, float(np.exp(outer)))
        least = self.problem.solve_at(self.risk, 0.0)
        if abs(self.reading(least) - self.target) <= ACCURACY * abs(self.target):
            return least
        gone = _deviation(limit, self.risk) <= NO_RISK * max(_deviation(least, self.risk), 1e-300)
        if self.name == "risk_price" and outer > self.centre and gone:
            # Risk is gone at a finite price: beyond it the least risky schedule minimises E + z Std.
            return limit
        if self.other_side(outer) or self.turn():
            return self.found()
        ends = sorted((self.reading(least), self.reading(self._far()), *self.seen.values()))
        if self.name == "risk_price":
            ends[0] = 0.0
        raise ModelError(
            f"{self.name}={self.shown(self.target)} is out of reach: schedules of this problem reach "
            f"{self.shown(ends[0])} to {self.shown(ends[-1])}"
        )

    def other_side(self, outer: float) -> bool:
        """Look beyond the reference, away from `outer`: against a benchmark, more aversion may mean later trades."""
        if self.name in ("risk_price", "risk_bps"):
            return False
        step = STEP if outer < self.centre else -STEP
        inner, here = self.centre, self.seen[self.centre] - self.target
        for _ in range(DECADES):
            value = self.miss(inner + step)
            if value == 0.0:
                return True
            if (value < 0) != (here < 0):
                self.between(inner, inner + step)
                return True
            inner, here = inner + step, value
        return False

    def turn(self) -> bool:
        """Look for the target where a reading that is not monotone turns back, around the nearest point seen."""
        if self.name == "risk_price":
            return False
        sides = sorted((at, reading - self.target) for at, reading in self.seen.items())
        nearest = min(range(len(sides)), key=lambda i: abs(sides[i][1]))
        low, high = sides[max(nearest - 1, 0)][0], sides[min(nearest + 1, len(sides) - 1)][0]
        sign = float(np.sign(sides[nearest][1]))
        bottom = minimize_scalar(lambda at: sign * self.miss(at), bounds=(low, high), method="bounded")
        if bottom.fun < 0:
            self.between(sides[nearest][0], float(bottom.x))
        return bool(bottom.fun <= 0)

    def _far(self) -> Schedule:
        return least_risky(self.problem, self.risk, float(np.exp(self.centre)))


def _target(problem: ExecutionProblem, dial: Mapping[str, Any]) -> tuple[str, float]:
    given = {k: v for k, v in dial.items() if v is not None}
    if len(given) != 1:
        raise ModelError(f"solve_for: give exactly one of {', '.join(DIALS)}; given: {', '.join(given) or 'none'}")
    ((name, value),) = given.items()
    if name not in DIALS:
        raise ModelError(f"solve_for has no dial {name!r}; it has: {', '.join(DIALS)}")
    if name in ("half_life", "finish"):
        target = _elapsed(problem.setting.grid, value)
    else:
        given_number = numbers(value, f"solve_for {name}")
        if given_number.ndim:
            raise DataError(f"solve_for {name}={short(value)}: a number is expected")
        target = float(given_number)
    if name == "pov" and not problem.market.has_volume:
        raise ModelError("solve_for pov= needs the market's volume")
    if name == "pov" and target > 1:
        raise DataError(f"solve_for pov={value!r}: a fraction of the volume is expected (0.1 is ten percent)")
    if not np.isfinite(target) or (name != "cost_bps" and target <= 0):
        raise DataError(f"solve_for {name}={value!r}: a number > 0 is expected")
    return name, target


def _elapsed(grid: TimeGrid, value: Any) -> float:
    """Time since t_0 in the grid's unit, from a duration, a number, or a time of the one day that the grid covers."""
    stamps = grid.timestamps
    if isinstance(value, str) and ":" in value and stamps is not None and stamps[0].date() == stamps[-1].date():
        try:
            at = stamps[0].normalize() + pd.Timedelta(value if value.count(":") == 2 else f"{value}:00")
        except ValueError as error:
            raise DataError(f"{value!r} is neither a time of day ('13:00') nor a duration ('90min')") from error
        if not stamps[0] <= at <= stamps[-1]:
            raise DataError(f"{value!r} is outside the grid, which runs from {stamps[0]:%H:%M} to {stamps[-1]:%H:%M}")
        # A break takes more of the clock than of the grid's time, and a cross takes none of it.
        second = pd.Timedelta(seconds=1)
        return float(np.interp((at - stamps[0]) / second, (stamps - stamps[0]) / second, grid.edges - grid.edges[0]))
    return float(grid.duration(value))


def with_weight(terms: tuple[Term, ...], name: str, weight: float) -> tuple[Term, ...]:
    """Return the terms with one weight replaced."""
    return tuple(Term(weight, t.cost) if t.cost.name == name else t for t in terms)

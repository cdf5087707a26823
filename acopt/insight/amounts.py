"""The sums of money that a summary shows: what a schedule costs and risks; of a re-plan, so far and from now on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

import numpy as np

from acopt.insight.attribution import variance_parts
from acopt.insight.replanning import Replan
from acopt.insight.words import amount, benchmark, bps
from acopt.model.algebra import Cost
from acopt.model.schedule import Schedule

__all__ = ["Amount", "amounts", "follows"]

DIFFERS = 0.1
"""Relative difference from the risk beyond which that of trading evenly within intervals is told."""
FOLLOWED = 1e-12
"""Part of the variance against arrival below which a tracking variance is rounding."""
DEVIATION = "one standard deviation"

Sum: TypeAlias = tuple[str, float, str]
"""A label, currency, what it is."""


class Amount(NamedTuple):
    """A sum of money as it is shown: its label, in currency, in bps (empty for a zero order), what it is."""

    label: str
    currency: str
    bps: str
    what: str


def amounts(schedule: Schedule) -> list[Amount]:
    """Return cost, its terms, the risk against arrival, and that against each benchmark; of a re-plan, from now on."""
    costs = _replanned(schedule) if isinstance(schedule, Replan) else _costs(schedule)
    gross = schedule.gross if isinstance(schedule, Replan) else schedule.setting.gross
    return [
        Amount(label, amount(value), f"{bps(1e4 * value / gross)} bps" if gross > 0 else "", what)
        for label, value, what in [*costs, *_risks(schedule), *_tracking(schedule)]
    ]


def follows(schedule: Schedule, cost: Cost) -> bool:
    """Whether what is left of a schedule follows the path of a tracking term, to rounding; not for a zero order."""
    reference = cost.arrival_variance(schedule.path) or 0.0
    return schedule.setting.gross > 0 and _ahead(schedule, cost) <= FOLLOWED * reference


def _costs(schedule: Schedule) -> Iterator[Sum]:
    values = schedule.term_values
    paid = [t.cost.name for t in schedule.pricing.terms if t.cost.kind == "money"]
    if paid:
        yield "cost", schedule.expected_cost, paid[0] if len(paid) == 1 else ""
    if len(paid) > 1:
        yield from (("", values[name], name) for name in paid)


def _replanned(plan: Replan) -> Iterator[Sum]:
    """Tell what was paid, and what is to come."""
    known = "by the model" if plan.executed.paid is None else "by the prices of fills"
    meanings = (known, "the price's move so far, on what is left", "by the model", "against the first arrival prices")
    for (label, value), what in zip(plan.cost()["currency"].items(), meanings, strict=True):
        yield str(label), float(value), what


def _risks(schedule: Schedule) -> Iterator[Sum]:
    """One standard deviation against arrival, and that of trading evenly inside the intervals where it differs."""
    parts, worked = variance_parts(schedule), variance_parts(schedule, evenly=True)
    if parts is None or worked is None:
        if not math.isnan(schedule.risk):
            yield "risk", schedule.risk, DEVIATION
        return
    p = schedule.setting.elapsed
    risk, evenly = (math.sqrt(max(float(cells[p:].sum()), 0.0)) for cells in (parts, worked))
    yield "risk to go" if p else "risk", risk, f"{DEVIATION}{', from now on' if p else ''}"
    if abs(evenly - risk) > DIFFERS * risk:
        yield "", evenly, "if traded evenly within intervals"


def _tracking(schedule: Schedule) -> Iterator[Sum]:
    p = schedule.setting.elapsed
    for cost in (t.cost for t in schedule.pricing.terms if t.cost.tracks):
        name, label = benchmark(cost), "tracking to go" if p else "tracking"
        if follows(schedule, cost):
            yield label, 0.0, f"following {name} exactly; the price of risk does not bind"
        else:
            yield label, math.sqrt(max(_ahead(schedule, cost), 0.0)), f"{DEVIATION} against {name}"


def _ahead(schedule: Schedule, cost: Cost) -> float:
    """Value of a term from now on; whole where it has no parts."""
    values = np.asarray(cost.values(schedule.path))
    return float(np.sum(values[schedule.setting.elapsed :] if values.shape == schedule.setting.shape else values))

"""The picture of a frontier: expected cost against risk, with schedules marked on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, count
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
from scipy.interpolate import CubicHermiteSpline

from acopt.errors import DataError
from acopt.insight.strategies import NAMED, Plan
from acopt.insight.words import benchmark
from acopt.interface.page import INK, MUTED, PLAN, TWAP, VWAP, Target, headline, page, subtitle
from acopt.market.labels import Array
from acopt.model.problem import ExecutionProblem
from acopt.model.schedule import Schedule
from acopt.sweeps.frontier import Frontier

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_frontier", "plot_frontier"]

MARKERS = {"twap": ("s", TWAP), "vwap": ("D", VWAP), "pov": ("^", MUTED)}
PRICES = {0.1: "passive", 0.3: "neutral", 1.0: "aggressive"}  # of risk, as the command line calls them
PLACES = ((9, 0), (7, 7), (7, -7), (-9, 0), (-7, 7), (-7, -7), (0, 10), (0, -10))  # of a label, points from its mark

SPAN, LEVEL = 0.05, 0.01
"""Least span of an axis: bps, and part of the largest value on it."""
FLAT = 1e-4
"""Range of risk, bps, below which a frontier trades nothing off."""
Marks: TypeAlias = "Mapping[str, Plan] | Iterable[Plan]"


def plot_frontier(frontier: Frontier, marks: Marks | None = None, path: Target = None) -> Figure:
    """
    Draw expected cost against risk, in bps of gross arrival notional.

    Parameters
    ----------
    frontier : from `problem.frontier()`.
    marks : plans to place on it, as `compare` takes them: a list, or a mapping of names to them. Each is priced by
        the frontier's problem; a hollow one breaks a rule.
    path : as in `plot_schedule`, errors too.

    Raises
    ------
    DataError
        A mark is no plan, or does not fit the problem; names it. The order is zero.
    """
    with page(headline(frontier.plans[0], "frontier"), 1, path) as (figure, (axes,)):
        draw_frontier(axes, frontier, {} if marks is None else marks)
    return figure


def draw_frontier(axes: Axes, frontier: Frontier, marks: Marks) -> None:
    """Draw the frontier, the risk prices along it, and the marked schedules."""
    column, meaning = _risk(frontier)
    table = frontier.table[[column, "cost_bps", "risk_price"]].to_numpy(dtype=float)
    if not np.isfinite(table).all():
        raise DataError("frontier: the order is zero, so there are no bps to draw")
    flat = bool(np.ptp(table[:, 0]) <= FLAT)
    priced = {} if flat else {z: plan for z in PRICES if (plan := frontier.at_price(z)) is not None}
    dots = {z: (*_position(plan, frontier), z) for z, plan in priced.items()}
    points = np.vstack([table, *dots.values()])
    risk, cost, price = points[np.unique(points[:, 0], return_index=True)[1]].T
    curve = _smooth(risk, cost, price)
    labels, marked = [], _marked(frontier.plans[0].problem, marks)
    for name, schedule in marked.items():
        x, y = _position(schedule, frontier)
        marker, color = MARKERS.get(name.lower().partition(" ")[0], ("o", PLAN))
        fill, size = "white" if schedule.rules_broken else color, 9.0 if marker == "o" else 7.0
        axes.plot(x, y, marker, markersize=size, color=color, markerfacecolor=fill, markeredgewidth=1.6, zorder=4)
        labels.append((name, x, y))
    for level, (x, y, _) in dots.items():
        axes.plot(x, y, "o", markersize=4, color=INK, markerfacecolor="white", zorder=3)
        labels.append((f"{level:g} {PRICES[level]}", x, y))
    highest = max((y for _, _, y in labels), default=float(cost.max()))
    shown = curve[1] <= (1.5 if cost.max() > 2.0 * highest else np.inf) * highest
    axes.plot(curve[0][shown], curve[1][shown], color=INK, linewidth=1.8, zorder=2)
    axes.margins(0.1)
    axes.set_xlim(*_spanned(*axes.get_xlim()))
    axes.set_ylim(*_spanned(*axes.get_ylim()))
    axes.set_xlabel(f"risk: standard deviation of {meaning} (bps)")
    axes.set_ylabel("expected cost (bps)")
    axes.grid(visible=True, axis="both")
    notes = ["flat: no risk to trade off"] if flat else []
    notes += ["dots: price of risk, bp of cost for 1 bp of risk"] if dots else []
    notes += ["hollow: breaks a rule"] if any(each.rules_broken for each in marked.values()) else []
    subtitle(axes, "Cost against risk", "; ".join(notes))
    _place(axes, labels, set(marked), np.column_stack(curve))


def _risk(frontier: Frontier) -> tuple[str, str]:
    """Return the table's column of the risk that is traded off, and what it is the deviation of."""
    cost = next(t.cost for t in frontier.plans[0].pricing.terms if t.cost.name == frontier.term)
    return ("tracking_bps", f"slippage against {benchmark(cost)}") if cost.tracks else ("risk_bps", "cost")


def _position(schedule: Schedule, frontier: Frontier) -> tuple[float, float]:
    """Risk and cost of a schedule that the frontier's problem prices, bps."""
    column, _ = _risk(frontier)
    tracked = float(np.sqrt(max(schedule.term_values[frontier.term], 0.0)))
    return schedule.bps(schedule.risk if column == "risk_bps" else tracked), schedule.bps(schedule.expected_cost)


def _marked(problem: ExecutionProblem, marks: Any) -> dict[str, Schedule]:
    """Return plans by name, priced by one problem."""
    if isinstance(marks, Mapping):
        pairs = [(str(name), plan) for name, plan in marks.items()]
    else:
        several = [marks] if isinstance(marks, Schedule | str | pd.DataFrame) or callable(marks) else marks
        pairs = [plan if isinstance(plan, tuple) else (None, plan) for plan in several]
    found: dict[str, Schedule] = {}
    for name, plan in pairs:
        own = NAMED.get(plan) if isinstance(plan, str) else plan
        made = own(problem) if callable(own) else own
        if not isinstance(made, Schedule | pd.DataFrame | np.ndarray):
            raise DataError(
                f"frontier mark {name or plan!r}: {type(plan).__name__} {plan!r:.40} is no plan; accepted are "
                f"{', '.join(map(repr, NAMED))}, a strategy such as pov(0.08), a Schedule, or trades interval x asset"
            )
        title = name or (made.name if isinstance(made, Schedule) else "trades")
        title = next(each for each in chain([title], (f"{title} ({k})" for k in count(2))) if each not in found)
        try:
            found[title] = problem.evaluate(made, name=title)
        except DataError as error:
            raise DataError(f"frontier mark {title!r}: {error}") from error
    return found


def _spanned(low: float, high: float) -> tuple[float, float]:
    """Return limits of an axis that do not blow up a difference of nothing."""
    least = max(SPAN, LEVEL * max(abs(low), abs(high)))
    if high - low >= least:
        return low, high
    start = max(0.5 * (low + high - least), min(low, -0.1 * least))
    return start, start + least


def _smooth(risk: Array, cost: Array, price: Array) -> tuple[Array, Array]:
    """Return the curve through a frontier's points, of slope -(risk price) where the points agree with that."""
    if len(risk) > 1:
        secants = np.diff(cost) / np.diff(risk)
        if (secants >= -1.0001 * price[:-1]).all() and (secants <= -0.9999 * price[1:]).all():
            fine = np.union1d(np.linspace(risk[0], risk[-1], 600), risk)
            return fine, np.asarray(CubicHermiteSpline(risk, cost, -price)(fine))
    return risk, cost


def _place(axes: Axes, labels: Sequence[tuple[str, float, float]], bold: set[str], curve: Array) -> None:
    """Put each name beside its point, where it covers least: the curve, other points, other names."""
    figure: Any = axes.figure
    figure.draw_without_rendering()
    pixels, frame, taken = axes.transData.transform, axes.get_window_extent(), list[Any]()
    points = pixels([(x, y) for _, x, y in labels]) if labels else np.empty((0, 2))
    busy = np.vstack([pixels(curve), np.repeat(points, 40, axis=0)])
    for at, (name, x, y) in enumerate(labels):
        others = np.delete(points, at, axis=0)
        if name not in bold and len(others) and np.hypot(*(others - points[at]).T).min() < 0.08 * figure.dpi:
            continue
        look = {"color": INK, "fontweight": "bold"} if name in bold else {"color": MUTED, "fontsize": 8.5}
        text = axes.annotate(name, (x, y), (0, 0), textcoords="offset points", zorder=5, **look)

        def stand(dx: float, dy: float, text: Any = text) -> Any:
            text.set(position=(dx, dy), ha=("right", "center", "left")[int(np.sign(dx)) + 1])
            text.set_va(("top", "center", "bottom")[int(np.sign(dy)) + 1])
            return text.get_window_extent().padded(2)

        def covered(place: tuple[float, float], stand: Any = stand) -> float:
            box = stand(*place)
            inside = ((busy > box.min) & (busy < box.max)).all(axis=1).sum()
            out = not (frame.x0 < box.x0 and box.x1 < frame.x1 and frame.y0 < box.y0 and box.y1 < frame.y1)
            return float(inside + 100 * sum(box.overlaps(other) for other in taken) + 200 * out)

        taken.append(stand(*min(PLACES, key=covered)))
        if name not in bold and any(taken[-1].overlaps(other) for other in taken[:-1]):
            text.remove()

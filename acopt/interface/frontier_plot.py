"""The picture of a frontier: expected cost against risk, with schedules marked on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.interpolate import CubicHermiteSpline

from acopt.errors import DataError
from acopt.insight.words import benchmark
from acopt.interface.page import INK, MUTED, PLAN, TWAP, VWAP, Target, headline, page, subtitle
from acopt.market.labels import Array
from acopt.model.schedule import Schedule
from acopt.sweeps.frontier import Frontier

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_frontier", "plot_frontier"]

MARKERS = {"twap": ("s", TWAP), "vwap": ("D", VWAP), "pov": ("^", MUTED)}
PRICES = {0.1: "passive", 0.3: "neutral", 1.0: "aggressive"}  # of risk, as the command line calls them
PLACES = ((9, 0), (7, 7), (7, -7), (-9, 0), (-7, 7), (-7, -7), (0, 10), (0, -10))  # of a label, points from its mark


def plot_frontier(frontier: Frontier, marks: Mapping[str, Schedule] | None = None, path: Target = None) -> Figure:
    """
    Draw expected cost against risk, in bps of gross arrival notional.

    Parameters
    ----------
    frontier : from `problem.frontier()`.
    marks : schedules to place on it, by name; a hollow one breaks a rule.
    path : as in `plot_schedule`, errors too.

    Raises
    ------
    DataError
        A mark is no schedule, or it has not the risk that the frontier trades off; names it. The order is zero.
    """
    with page(headline(frontier.plans[0], "frontier"), 1, path) as (figure, (axes,)):
        draw_frontier(axes, frontier, marks or {})
    return figure


def draw_frontier(axes: Axes, frontier: Frontier, marks: Mapping[str, Schedule]) -> None:
    """Draw the frontier, the risk prices along it, and the marked schedules."""
    column, meaning = _risk(frontier)
    columns = frontier.table.sort_values(column).drop_duplicates(column)
    risk, cost, price = (columns[name].to_numpy(dtype=float) for name in (column, "cost_bps", "risk_price"))
    if not np.isfinite(risk).all():
        raise DataError("frontier: the order is zero, so there are no bps to draw")
    curve = _smooth(risk, cost, price)
    labels = []
    for name, schedule in marks.items():
        x, y = _position(name, schedule, frontier)
        marker, color = MARKERS.get(name.lower().partition(" ")[0], ("o", PLAN))
        fill, size = "white" if schedule.rules_broken else color, 9.0 if marker == "o" else 7.0
        axes.plot(x, y, marker, markersize=size, color=color, markerfacecolor=fill, markeredgewidth=1.6, zorder=4)
        labels.append((name, x, y))
    for level, urgency in PRICES.items():
        if price[-1] < level < price[0]:
            x = float(np.interp(np.log(level), np.log(price[::-1]), risk[::-1]))
            y = float(np.interp(x, *curve))
            axes.plot(x, y, "o", markersize=4, color=INK, markerfacecolor="white", zorder=3)
            labels.append((f"{level:g} {urgency}", x, y))
    highest = max((y for _, _, y in labels), default=float(cost.max()))
    shown = curve[1] <= (1.5 if cost.max() > 2.0 * highest else np.inf) * highest
    axes.plot(curve[0][shown], curve[1][shown], color=INK, linewidth=1.8, zorder=2)
    axes.margins(0.1)
    axes.set_xlabel(f"risk: standard deviation of {meaning} (bps)")
    axes.set_ylabel("expected cost (bps)")
    axes.grid(visible=True, axis="both")
    notes = ["dots: price of risk, bp of cost for 1 bp of risk"] if len(labels) > len(marks) else []
    notes += ["hollow: breaks a rule"] if any(each.rules_broken for each in marks.values()) else []
    subtitle(axes, "Cost against risk", "; ".join(notes))
    _place(axes, labels, set(marks), np.column_stack(curve))


def _risk(frontier: Frontier) -> tuple[str, str]:
    """Return the table's column of the risk that is traded off, and what it is the deviation of."""
    cost = next(t.cost for t in frontier.plans[0].pricing.terms if t.cost.name == frontier.term)
    return ("tracking_bps", f"slippage against {benchmark(cost)}") if cost.tracks else ("risk_bps", "cost")


def _position(name: str, schedule: Schedule, frontier: Frontier) -> tuple[float, float]:
    """Risk and cost of a marked schedule, bps."""
    if not isinstance(schedule, Schedule):
        raise DataError(f"frontier mark {name!r}: a Schedule is expected, {type(schedule).__name__} was given")
    column, _ = _risk(frontier)
    tracked = np.sqrt(max(schedule.term_values.get(frontier.term, np.nan), 0.0))
    risk = schedule.bps(schedule.risk if column == "risk_bps" else float(tracked))
    if not np.isfinite(risk):
        raise DataError(
            f"frontier mark {name!r} has no risk by {frontier.term}: price it by the frontier's problem, "
            "problem.evaluate(schedule)"
        )
    return risk, schedule.bps(schedule.expected_cost)


def _smooth(risk: Array, cost: Array, price: Array) -> tuple[Array, Array]:
    """Return the curve through a frontier's points, of slope -(risk price) where the points agree with that."""
    if len(risk) > 1:
        secants = np.diff(cost) / np.diff(risk)
        if (secants >= -1.0001 * price[:-1]).all() and (secants <= -0.9999 * price[1:]).all():
            fine = np.linspace(risk[0], risk[-1], 600)
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

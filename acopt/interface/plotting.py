"""Pictures of schedules and frontiers: trades under their cap, what remains, cost against risk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
from scipy.interpolate import CubicHermiteSpline

from acopt.constraints.trading import Participation
from acopt.errors import DataError
from acopt.insight.strategies import pov, time_done, twap, vwap
from acopt.interface.files import require, write_bytes
from acopt.market.grid import TimeGrid
from acopt.market.labels import Array
from acopt.model import paths
from acopt.model.algebra import Constraint
from acopt.model.problem import ExecutionProblem
from acopt.model.schedule import FINISHED, Schedule
from acopt.model.setting import Mask, Setting
from acopt.sweeps.frontier import Frontier

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Target: TypeAlias = str | PathLike[str] | None

__all__ = ["plot_frontier", "plot_overview", "plot_schedule", "render"]

# Okabe & Ito's palette: told apart by every kind of colour vision.
SELL, BUY, PLAN = "#0072B2", "#E69F00", "#D55E00"
INK, MUTED, FAINT = "#1A1A1A", "#6B6B6B", "#D9D9D9"
TWAP, VWAP = "#009E73", "#A2497F"
DASHED: dict[str, dict[str, Any]] = {
    name: {"color": color, "linestyle": (0, dashes), "linewidth": 1.7, "label": name}
    for name, color, dashes in (("TWAP", TWAP, (5, 2)), ("VWAP", VWAP, (2, 1.4)))
}
ASSETS = ("#0072B2", "#E69F00", "#56B4E9", "#CC79A7", "#D55E00", "#8C6D31")
MARKERS = {"twap": ("s", TWAP), "vwap": ("D", VWAP), "pov": ("^", MUTED)}
STYLE: dict[Any, Any] = {
    **{"font.size": 9.5, "svg.hashsalt": "acopt", "lines.solid_capstyle": "round"},
    **{"axes.titlesize": 10.5, "axes.titlelocation": "left", "axes.titlepad": 24},
    **{"axes.labelsize": 9.5, "axes.titlecolor": INK, "axes.labelcolor": INK, "axes.edgecolor": MUTED},
    **{"axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.8, "axes.axisbelow": True},
    **{"axes.grid": True, "axes.grid.axis": "y", "grid.color": FAINT, "grid.linewidth": 0.6},
    **{
        "xtick.color": MUTED,
        "xtick.labelcolor": INK,
        "ytick.color": MUTED,
        "ytick.labelcolor": INK,
        "ytick.major.size": 0,
    },
    **{"legend.frameon": False, "legend.fontsize": 9, "legend.handlelength": 1.8, "legend.columnspacing": 1.4},
}
WIDTH, HEIGHT, DPI, FORMATS = 11.0, 4.6, 160, ("png", "svg", "pdf")
PRICES = (0.1, 0.3, 1.0)  # of risk, marked along a frontier: the command line's passive, neutral, aggressive
PLACES = ((9, 0), (7, 7), (7, -7), (-9, 0), (-7, 7), (-7, -7), (0, 10), (0, -10))  # of a label, points from its mark


def plot_schedule(schedule: Schedule, path: Target = None, *, frontier: Frontier | None = None) -> Figure:
    """
    Draw a schedule: trades under their cap on the left, what remains of the order on the right.

    Parameters
    ----------
    schedule : one asset is drawn in shares, several in gross notional at arrival prices.
    path : file to write (.png, .svg or .pdf), whole or not at all.
    frontier : drawn on the right in place of what remains, with the schedule on it.

    Raises
    ------
    MissingExtraError, DataError
        matplotlib is not installed; the file cannot be written, or its kind is none of the three.
    """
    with _page(_headline(schedule, schedule.name), 2, path) as (figure, (left, right)):
        _draw_trades(left, schedule)
        if frontier is None:
            _draw_remaining(right, schedule)
        else:
            _draw_frontier(right, frontier, {schedule.name: schedule})
    return figure


def plot_overview(problem: ExecutionProblem, plan: Schedule, path: Target = None, points: int = 25) -> Figure:
    """
    Draw a plan among its alternatives: trades under their cap, and the frontier with TWAP, VWAP and POV.

    Parameters
    ----------
    problem : what prices all of them; POV trades at its participation cap (10% without one).
    plan : a schedule of the problem.
    path : as in `plot_schedule`, errors too.
    points : number of schedules on the frontier.
    """
    marks = {plan.name: problem.evaluate(plan, name=plan.name), "TWAP": twap(problem)}
    if problem.market.has_volume:
        rate = _cap_fraction(problem.constraints) or 0.10
        marks |= {"VWAP": vwap(problem), f"POV {100 * rate:.3g}%": pov(rate)(problem)}
    frontier = problem.frontier(points)
    with _page(_headline(plan, plan.name), 2, path) as (figure, (left, right)):
        _draw_trades(left, plan)
        _draw_frontier(right, frontier, marks)
    return figure


def plot_frontier(frontier: Frontier, marks: Mapping[str, Schedule] | None = None, path: Target = None) -> Figure:
    """
    Draw expected cost against risk, in bps of gross arrival notional.

    Parameters
    ----------
    frontier : from `problem.frontier()`.
    marks : schedules to place on it, by name; a hollow one breaks a rule.
    path : as in `plot_schedule`, errors too.
    """
    with _page(_headline(frontier.plans[0], "frontier"), 1, path) as (figure, (axes,)):
        _draw_frontier(axes, frontier, marks or {})
    return figure


def render(figure: Figure, path: str | PathLike[str]) -> bytes:
    """
    Return a figure as the bytes of a file, whose name says the format.

    Raises
    ------
    DataError
        The name ends in none of .png, .svg, .pdf.
    """
    kind, buffer = Path(path).suffix.lower().removeprefix("."), BytesIO()
    if kind not in FORMATS:
        raise DataError(f"{path}: a picture is written as {', '.join('.' + known for known in FORMATS)}")
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {})
    figure.savefig(buffer, format=kind, dpi=DPI, facecolor="white", metadata=metadata)
    return buffer.getvalue()


@contextmanager
def _page(title: str, panels: int, path: Target) -> Iterator[tuple[Figure, Sequence[Axes]]]:
    """Open a figure with its panels; write it when the drawing is done."""
    require("matplotlib", "plot")
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH if panels > 1 else 0.64 * WIDTH, HEIGHT), layout="constrained")
        figure.get_layout_engine().set(w_pad=0.1, h_pad=0.08, wspace=0.04)  # type: ignore[union-attr, call-arg]
        figure.suptitle(title, x=0.008, ha="left", fontsize=11.5, fontweight="bold", color=INK)
        yield figure, list(figure.subplots(1, panels, squeeze=False)[0])
        if path is not None:
            write_bytes(path, render(figure, path))


def _headline(schedule: Schedule, name: str) -> str:
    setting, edges = schedule.setting, schedule.setting.grid.edge_labels
    working = np.flatnonzero(setting.remaining).tolist()
    sides = (("sell", setting.direction < 0), ("buy", setting.direction > 0))
    if len(working) == 1:
        shares = f"{abs(setting.remaining[working[0]]):,.10g} {setting.assets[working[0]]}"
        what = "".join(f"{side} {shares}" for side, which in sides if which.any())
    else:
        size, unit = _scale(setting.gross)
        counts = ", ".join(f"{side} {which.sum()}" for side, which in sides if which.any())
        what = f"{counts} names, {setting.gross / size:,.4g}{unit} gross" if counts else "nothing to trade"
    if not isinstance(edges, pd.DatetimeIndex):
        return f"{name}: {what}, {edges[-1] - edges[0]:.4g} {setting.grid.unit}s"
    end = f"{edges[-1]:%H:%M}" if edges[0].date() == edges[-1].date() else f"{edges[-1]:%Y-%m-%d %H:%M}"
    return f"{name}: {what}, {edges[0]:%Y-%m-%d %H:%M} to {end}"


def _scale(value: float) -> tuple[float, str]:
    """Return a divisor and its letter: thousands, millions, billions."""
    units = ((1e9, "bn"), (1e6, "M"), (1e3, "k"))
    return next(((size, unit) for size, unit in units if abs(value) >= size), (1.0, ""))


@dataclass(frozen=True)
class _Clock:
    """Where edges lie on the time axis: hours of trading, with nights closed up; or the grid's own unit."""

    edges: Array
    closed: Mask
    ticks: tuple[Sequence[float], Sequence[str]] | None
    label: str

    @classmethod
    def of(cls, grid: TimeGrid) -> _Clock:
        stamps, closed = grid.timestamps, np.asarray(grid.closed)
        if stamps is None:
            return cls(np.asarray(grid.edges), closed, None, f"time ({grid.unit}s)")
        wall = stamps.tz_localize(None)
        hours = np.asarray((wall - wall[0].normalize()) / pd.Timedelta(hours=1), dtype=float)
        place = "" if stamps.tz is None else f", {str(stamps.tz).rpartition('/')[2].replace('_', ' ')}"
        if not closed.any():
            return cls(hours, closed, _hours(hours[0], hours[-1]), f"time of day{place}")
        steps = np.diff(hours)
        steps[closed] = 0.015 * steps[~closed].sum()
        edges = np.concatenate([[0.0], np.cumsum(steps)])
        first = np.flatnonzero(np.concatenate([[True], closed]))
        shown = first[:: -(-len(first) // 7)].tolist()
        ticks = [float(edges[k]) for k in shown], [f"{wall[k]:%b} {wall[k].day}, {wall[k]:%H:%M}" for k in shown]
        return cls(edges, closed, ticks, f"start of session{place}")

    def dress(self, axes: Axes) -> None:
        """Set limits, label and ticks; draw a hairline for every night."""
        axes.set_xlim(self.edges[0], self.edges[-1])
        axes.set_xlabel(self.label)
        if self.ticks is not None:
            axes.set_xticks(*self.ticks)
        for night in (0.5 * (self.edges[1:] + self.edges[:-1]))[self.closed]:
            axes.axvline(night, color=FAINT, linewidth=0.8)


def _hours(start: float, end: float) -> tuple[list[float], list[str]]:
    """Round clock times from `start` to `end`, at most nine."""
    step = next((s for s in (1 / 12, 0.25, 0.5, 1.0, 2.0, 4.0) if (end - start) / s <= 8), 8.0)
    ticks = (np.arange(np.ceil(start / step - 1e-9), np.floor(end / step + 1e-9) + 1) * step).tolist()
    minutes = [round(60 * tick) for tick in ticks]
    return ticks, [f"{minute // 60 % 24:02d}:{minute % 60:02d}" for minute in minutes]


def _moment(when: Any, grid: TimeGrid) -> str:
    if grid.timestamps is None:
        return f"{when:.3g}"
    return f"{when:%b} {when.day} {when:%H:%M}" if grid.closed.any() else f"{when:%H:%M}"


def _draw_trades(axes: Axes, schedule: Schedule) -> None:
    """Bars by side, the benchmarks dashed, the cap as a line."""
    setting, clock = schedule.setting, _Clock.of(schedule.setting.grid)
    single = len(setting.assets) == 1
    value = np.ones(1) if single else setting.market.prices
    trades = schedule.path.trades * value
    sides = (np.maximum(-trades, 0.0).sum(axis=1), np.maximum(trades, 0.0).sum(axis=1))
    lines = {name: np.abs(path.trades) @ value for name, path in _benchmarks(setting).items()}
    highest = max(float(np.max(each)) for each in (sides[0] + sides[1], *lines.values())) or 1.0
    (size, unit), handles = _scale(highest), list[Any]()
    base, middle, width = np.zeros(len(trades)), 0.5 * (clock.edges[1:] + clock.edges[:-1]), np.diff(clock.edges)
    for amounts, color, label in zip(sides, (SELL, BUY), ("sell", "buy"), strict=True):
        if amounts.any():
            handles.append(axes.bar(middle, amounts / size, 0.86 * width, base / size, color=color, label=label))
            base = base + amounts
    top, cap = 1.12 * highest, _cap(setting, schedule.pricing.constraints)
    steps = [(line, DASHED[name]) for name, line in lines.items()]
    if cap is not None:
        fraction = _cap_fraction(schedule.pricing.constraints)
        label = "cap" if fraction is None else f"cap, {100 * fraction:.3g}% of volume"
        steps.insert(0, (cap @ value, {"color": INK, "linewidth": 1.4, "label": label}))
        top = min(max(1.05 * float((cap @ value).max()), top), 2.5 * highest)
    for line, style in steps:
        shown = np.where(clock.closed, np.nan, line / size)
        handles.append(axes.stairs(shown, clock.edges, baseline=None, **style))
    axes.set_ylim(0, top / size)
    what, scale = f"shares of {setting.assets[0]}" if single else "gross notional", f" ({unit})" if unit else ""
    axes.set_ylabel(f"{what} per interval{scale}")
    cost, risk = schedule.bps(schedule.expected_cost), schedule.bps(schedule.risk)
    axes.set_title(f"Trades: cost {cost:.3g} bps, risk {risk:.3g} bps" if setting.gross else "Trades")
    axes.legend(handles=handles, loc="lower left", bbox_to_anchor=(-0.01, 0.99), ncols=6)
    clock.dress(axes)


def _benchmarks(setting: Setting) -> dict[str, paths.Trajectory]:
    """TWAP, and VWAP where every order has volume to follow."""
    found = {"TWAP": paths.twap(setting)}
    if setting.market.has_volume:
        volume = np.where(setting.forbidden, 0.0, setting.market.volumes)
        total = volume.sum(axis=0)
        if (total > 0)[setting.remaining != 0].all():
            share = np.divide(volume, total, out=np.zeros(setting.shape), where=total > 0)
            found["VWAP"] = paths.Trajectory(setting, -share * setting.remaining)
    return found


def _cap(setting: Setting, rules: Sequence[Constraint]) -> Array | None:
    """Most shares that participation rules let each order trade its way (N, n); None if one has no cap."""
    cap = np.full(setting.shape, np.inf)
    for rule in rules:
        if isinstance(rule, Participation):
            lower, upper = rule.trade_bounds(setting)
            cap = np.minimum(cap, np.where(setting.direction < 0, -lower, upper))
    cap[:, (setting.remaining == 0) & ~setting.hedges] = 0.0
    return cap if np.isfinite(cap).all() and any(isinstance(rule, Participation) for rule in rules) else None


def _cap_fraction(rules: Sequence[Constraint]) -> float | None:
    """Return the participation cap, when it is one number."""
    caps = [rule.maximum for rule in rules if isinstance(rule, Participation)]
    return float(caps[0]) if len(caps) == 1 and isinstance(caps[0], int | float) else None


def _draw_remaining(axes: Axes, schedule: Schedule) -> None:
    """Percent of each order that is left over time, and of the whole basket."""
    setting, clock = schedule.setting, _Clock.of(schedule.setting.grid)
    working, prices, whole = np.flatnonzero(setting.remaining), setting.market.prices, setting.gross or 1.0
    several, named = len(working) > 1, len(working) <= len(ASSETS)
    legend = {side: f"{int((setting.direction == way).sum())} {side}" for side, way in (("sells", -1), ("buys", 1))}
    for at, i in enumerate(working.tolist() if several else ()):
        side, color = ("sells", SELL) if setting.remaining[i] > 0 else ("buys", BUY)
        left = 100 * schedule.path.remaining[:, i] / setting.remaining[i]
        if named:
            axes.plot(clock.edges, left, color=ASSETS[at], linewidth=1.3, label=str(setting.assets[i]))
        else:
            axes.plot(clock.edges, left, color=color, linewidth=0.9, label=legend.pop(side, "_"))
    for name, path in _benchmarks(setting).items():
        axes.plot(clock.edges, 100 * (np.abs(path.remaining) @ prices) / whole, **DASHED[name])
    total = 100 * (np.abs(schedule.path.remaining) @ prices) / whole
    axes.plot(clock.edges, total, color=INK, linewidth=2.4, label="whole order" if several else schedule.name)
    axes.set_ylim(0, max(100.0, 1.02 * float(total.max())))
    axes.set_ylabel("% of the order remaining")
    axes.legend(loc="upper right" if total.mean() < 55 else "lower left", ncols=1 + several)
    done = [(share, time_done(schedule, share)) for share in (0.5, FINISHED)]
    said = [f"{share:.0%} done by {_moment(when, setting.grid)}" for share, when in done if not pd.isna(when)]
    _subtitle(axes, "Remaining, by notional" if several else "Remaining", ", ".join(said))
    clock.dress(axes)


def _subtitle(axes: Axes, title: str, note: str) -> None:
    """Set a title with a note under it."""
    axes.set_title(title)
    axes.annotate(note, (0, 1), (0, 7), xycoords="axes fraction", textcoords="offset points", color=MUTED, fontsize=9)


def _draw_frontier(axes: Axes, frontier: Frontier, marks: Mapping[str, Schedule]) -> None:
    """Draw the frontier, the risk prices along it, and the marked schedules."""
    columns = frontier.table.sort_values("risk_bps").drop_duplicates("risk_bps")
    risk, cost, price = (columns[name].to_numpy(dtype=float) for name in ("risk_bps", "cost_bps", "risk_price"))
    curve = _smooth(risk, cost, price)
    labels = []
    for name, schedule in marks.items():
        x, y = schedule.bps(schedule.risk), schedule.bps(schedule.expected_cost)
        marker, color = MARKERS.get(name.lower().partition(" ")[0], ("o", PLAN))
        fill, size = "white" if schedule.rules_broken else color, 9.0 if marker == "o" else 7.0
        axes.plot(x, y, marker, markersize=size, color=color, markerfacecolor=fill, markeredgewidth=1.6, zorder=4)
        labels.append((name, x, y))
    for level in PRICES:
        if price[-1] < level < price[0]:
            x = float(np.interp(np.log(level), np.log(price[::-1]), risk[::-1]))
            y = float(np.interp(x, *curve))
            axes.plot(x, y, "o", markersize=4, color=INK, markerfacecolor="white", zorder=3)
            labels.append((f"{level:g}", x, y))
    highest = max((y for _, _, y in labels), default=float(cost.max()))
    shown = curve[1] <= (1.5 if cost.max() > 2.0 * highest else np.inf) * highest
    axes.plot(curve[0][shown], curve[1][shown], color=INK, linewidth=1.8, zorder=2)
    axes.margins(0.1)
    axes.set_xlabel("risk: standard deviation of cost (bps)")
    axes.set_ylabel("expected cost (bps)")
    axes.grid(visible=True, axis="both")
    hollow = "; hollow: breaks a rule" if any(each.rules_broken for each in marks.values()) else ""
    _subtitle(axes, "Cost against risk", f"dots: price of risk, bp of cost for 1 bp of risk{hollow}")
    _place(axes, labels, set(marks), np.column_stack(curve))


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

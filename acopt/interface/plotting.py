"""Pictures of schedules: trades under their cap, what remains, and the plan among its alternatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from acopt.constraints.trading import Participation
from acopt.insight.strategies import pov, time_done, twap, vwap
from acopt.interface.frontier_plot import draw_frontier
from acopt.interface.page import (
    BUY,
    FAINT,
    INK,
    MUTED,
    SELL,
    TWAP,
    VWAP,
    Target,
    headline,
    magnitude,
    page,
    render,
    subtitle,
)
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

__all__ = ["plot_overview", "plot_schedule", "render"]

DASHED: dict[str, dict[str, Any]] = {
    name: {"color": color, "linestyle": (0, dashes), "linewidth": 1.7, "label": name}
    for name, color, dashes in (("TWAP", TWAP, (5, 2)), ("VWAP", VWAP, (2, 1.4)))
}
ASSETS = ("#0072B2", "#E69F00", "#56B4E9", "#CC79A7", "#D55E00", "#8C6D31")


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
    with page(headline(schedule, schedule.name), 2, path) as (figure, (left, right)):
        _draw_trades(left, schedule)
        if frontier is None:
            _draw_remaining(right, schedule)
        else:
            draw_frontier(right, frontier, {schedule.name: schedule})
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
    with page(headline(plan, plan.name), 2, path) as (figure, (left, right)):
        _draw_trades(left, plan)
        draw_frontier(right, frontier, marks)
    return figure


@dataclass(frozen=True)
class _Clock:
    """Where edges lie on the time axis: hours of trading, nights closed up, auctions opened; or the grid's own unit."""

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
        steps, auctions = np.diff(hours), ~closed & (np.asarray(grid.durations) == 0)
        continuous = steps[~closed & ~auctions]
        steps[closed] = 0.015 * continuous.sum()
        steps[auctions] = max(0.5 * float(np.median(continuous)), 0.008 * continuous.sum()) if continuous.size else 1.0
        edges = np.concatenate([[hours[0]], hours[0] + np.cumsum(steps)])
        place += "; narrow bars: auctions" if auctions.any() else ""
        if not closed.any():
            ticks, labels = _hours(hours[0], hours[-1])
            return cls(edges, closed, (np.interp(ticks, hours, edges).tolist(), labels), f"time of day{place}")
        first = np.flatnonzero(np.concatenate([[True], closed]))
        shown = first[:: -(-len(first) // 7)].tolist()
        minutes = wall.round("min")  # an auction stands a second beside its session
        labels = [f"{minutes[k]:%b} {minutes[k].day}, {minutes[k]:%H:%M}" for k in shown]
        return cls(edges, closed, ([float(edges[k]) for k in shown], labels), f"start of session{place}")

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
    (size, unit), handles = magnitude(highest), list[Any]()
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
        top = min(max(1.05 * float(np.nanmax(cap @ value)), top), 2.5 * highest)
    for line, style in steps:
        shown = np.where(clock.closed, np.nan, line / size)
        handles.append(axes.stairs(shown, clock.edges, baseline=None, **style))
    axes.set_ylim(0, top / size)
    what, scale = f"shares of {setting.assets[0]}" if single else "gross notional", f" ({unit})" if unit else ""
    axes.set_ylabel(f"{what} per interval{scale}")
    cost, risk = schedule.bps(schedule.expected_cost), schedule.bps(schedule.risk)
    axes.set_title(f"Trades: cost {cost:.3g} bps, risk {risk:.3g} bps" if setting.gross else "Trades")
    _shade_history(axes, setting, clock)
    axes.legend(handles=handles, loc="lower left", bbox_to_anchor=(-0.01, 0.99), ncols=6)
    clock.dress(axes)


def _shade_history(axes: Axes, setting: Setting, clock: _Clock) -> None:
    """Shade the intervals that were executed before the plan."""
    if setting.elapsed:
        axes.axvspan(clock.edges[0], clock.edges[setting.elapsed], color=FAINT, alpha=0.55, linewidth=0, zorder=0)
        axes.axvline(clock.edges[setting.elapsed], color=MUTED, linewidth=1.0)


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
            lower, upper = rule.allowed(setting)
            cap = np.minimum(cap, np.where(setting.direction < 0, -lower, upper))
    cap[:, (setting.remaining == 0) & ~setting.hedges] = 0.0
    cap[: setting.elapsed] = np.nan
    known = np.isfinite(cap[setting.elapsed :]).all() and any(isinstance(rule, Participation) for rule in rules)
    return cap if known else None


def _cap_fraction(rules: Sequence[Constraint]) -> float | None:
    """Return the participation cap, when it is one number."""
    caps = [rule.maximum for rule in rules if isinstance(rule, Participation)]
    return float(caps[0]) if len(caps) == 1 and isinstance(caps[0], int | float) else None


def _draw_remaining(axes: Axes, schedule: Schedule) -> None:
    """Percent of each order that is left over time, and of the whole basket."""
    setting, clock = schedule.setting, _Clock.of(schedule.setting.grid)
    working, prices, whole = np.flatnonzero(setting.remaining), setting.market.prices, setting.gross or 1.0
    several, named = len(working) > 1, len(working) <= len(ASSETS)
    signs = np.sign(setting.remaining)
    legend = {side: f"{int((signs == sign).sum())} {side}" for side, sign in (("sells", 1), ("buys", -1))}
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
    _shade_history(axes, setting, clock)
    done = [(share, time_done(schedule, share)) for share in (0.5, FINISHED)]
    said = [f"{share:.0%} done by {_moment(when, setting.grid)}" for share, when in done if not pd.isna(when)]
    subtitle(axes, "Remaining, by notional" if several else "Remaining", ", ".join(said))
    clock.dress(axes)

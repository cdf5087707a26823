"""How facts are worded: amounts, counts, shares of a whole, moments."""

from __future__ import annotations

import pandas as pd

from acopt.market.labels import Array
from acopt.model.algebra import Cost
from acopt.model.benchmarks import Benchmark
from acopt.model.schedule import Schedule
from acopt.model.setting import Setting

__all__ = [
    "amount",
    "at",
    "auction",
    "benchmark",
    "bps",
    "clock",
    "count",
    "money",
    "names",
    "nearest_minute",
    "percent",
    "quantities",
]


def amount(value: float) -> str:
    """Currency or shares: whole above 1,000, else four digits."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.4g}"


def money(value: float, *, sign: bool = False) -> str:
    """Currency in thousands, millions or billions, four digits."""
    for size, suffix in ((1e9, "bn"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:{'+' if sign else ''},.4g}{suffix}"
    return f"{value:{'+' if sign else ''},.4g}"


def bps(value: float) -> str:
    """Basis points without their unit: two decimals, else two digits."""
    return f"{value:,.2f}" if abs(value) >= 0.1 or value == 0 else f"{value:.2g}"


def percent(fraction: float) -> str:
    """Fraction as a percentage, three digits."""
    return f"{100 * fraction:.3g}%"


def count(number: float, what: str) -> str:
    """Number of things, in the plural where it is not one."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def names(labels: pd.Index, most: int = 5) -> str:
    """Return the first few labels, and how many there are beyond."""
    shown = ", ".join(map(str, labels[:most]))
    return shown if len(labels) <= most else f"{shown} and {len(labels) - most:,} more"


def quantities(labels: pd.Index, shares: Array, form: str = "{} {}", most: int = 5) -> str:
    """Return the first few labels with their shares, and how many there are beyond."""
    shown = [form.format(label, amount(size)) for label, size in zip(labels[:most], shares[:most], strict=True)]
    return ", ".join(shown) + (f" and {len(labels) - most:,} more" if len(labels) > most else "")


def clock(moment: pd.Timestamp, setting: Setting, form: str = "%H:%M") -> str:
    """Format a clock time, with its date where the grid has several."""
    edges = setting.grid.edge_labels
    return moment.strftime(form if edges[0].date() == edges[-1].date() else f"%Y-%m-%d {form}")


def nearest_minute(moment: pd.Timestamp) -> pd.Timestamp:
    """Return a time that reads as the nearest minute when its seconds are left out."""
    # An auction stands a second beside its session.
    return moment + pd.Timedelta("30s")


def at(label: pd.Timestamp | float, setting: Setting) -> str:
    """Say when an interval or an edge is: a clock time, to the minute, else the grid's number."""
    return clock(nearest_minute(label), setting) if isinstance(label, pd.Timestamp) else format(label, ".6g")


def auction(label: pd.Timestamp | float, setting: Setting) -> bool:
    """Whether the interval with a label is an auction."""
    grid = setting.grid
    return label in grid.labels and bool(grid.durations[grid.labels.get_loc(label)] == 0)


def benchmark(cost: Cost) -> str:
    """Name what a tracking term follows: a benchmark as it is written, a schedule by its name, a path by the term's."""
    followed = getattr(cost, "benchmark", None)
    if isinstance(followed, Benchmark):
        return repr(followed).removesuffix("()")
    return followed.name if isinstance(followed, Schedule) else f"the path of {cost.name}"

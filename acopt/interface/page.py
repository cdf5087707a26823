"""The page that pictures share: palette and type, figure and headline, and the file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd

from acopt.errors import DataError
from acopt.insight.words import nearest_minute
from acopt.interface.files import require, write_bytes
from acopt.model.schedule import Schedule

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Target", "headline", "magnitude", "page", "render", "subtitle"]

Target: TypeAlias = str | PathLike[str] | None

# Okabe & Ito's palette: told apart by every kind of colour vision.
SELL, BUY, PLAN = "#0072B2", "#E69F00", "#D55E00"
INK, MUTED, FAINT = "#1A1A1A", "#6B6B6B", "#D9D9D9"
TWAP, VWAP = "#009E73", "#A2497F"
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


@contextmanager
def page(title: str, panels: int, path: Target) -> Iterator[tuple[Figure, Sequence[Axes]]]:
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


def headline(schedule: Schedule, name: str) -> str:
    """Say whose schedule it is, how much it trades, and when."""
    setting, edges = schedule.setting, schedule.setting.grid.edge_labels
    working = np.flatnonzero(setting.remaining).tolist()
    sides = (("sell", setting.remaining > 0), ("buy", setting.remaining < 0))
    if len(working) == 1:
        shares = f"{abs(setting.remaining[working[0]]):,.10g} {setting.assets[working[0]]}"
        what = "".join(f"{side} {shares}" for side, which in sides if which.any())
    else:
        size, unit = magnitude(setting.gross)
        counts = ", ".join(f"{side} {which.sum()}" for side, which in sides if which.any())
        what = f"{counts} names, {setting.gross / size:,.4g}{unit} gross" if counts else "nothing to trade"
    if not isinstance(edges, pd.DatetimeIndex):
        return f"{name}: {what}, {edges[-1] - edges[0]:.4g} {setting.grid.unit}s"
    first, last = (nearest_minute(edge) for edge in edges[[0, -1]])
    end = f"{last:%H:%M}" if first.date() == last.date() else f"{last:%Y-%m-%d %H:%M}"
    return f"{name}: {what}, {first:%Y-%m-%d %H:%M} to {end}"


def subtitle(axes: Axes, title: str, note: str) -> None:
    """Set a title with a note under it."""
    axes.set_title(title)
    axes.annotate(note, (0, 1), (0, 7), xycoords="axes fraction", textcoords="offset points", color=MUTED, fontsize=9)


def magnitude(value: float) -> tuple[float, str]:
    """Return a divisor and its letter: thousands, millions, billions."""
    units = ((1e9, "bn"), (1e6, "M"), (1e3, "k"))
    return next(((size, unit) for size, unit in units if abs(value) >= size), (1.0, ""))


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

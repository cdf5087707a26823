"""The picture of a regret: what planning in the wrong market cost, market by market."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from acopt.interface.page import FAINT, INK, MUTED, PLAN, Target, headline, page, subtitle
from acopt.sweeps.regret import Regret

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_regret", "plot_regret"]

PAPER = "#FFFFFF"
DARK = 0.75
"""Part of the colour scale above which text is white."""
NOTHING = 5e-4
"""Regret, bps, that is shown as 0."""


def plot_regret(regret: Regret, path: Target = None) -> Figure:
    """
    Draw the regret matrix: planned in (row), paid in (column), the worst of each row beside it, bps.

    Parameters
    ----------
    regret : from `regret(problem, scenarios)`.
    path : as in `plot_schedule`, errors too.
    """
    with page(headline(next(iter(regret.plans.values())), "regret"), 1, path) as (figure, (axes,)):
        figure.set_size_inches(*_size(len(regret.plans)))
        draw_regret(axes, regret)
    return figure


def draw_regret(axes: Axes, regret: Regret) -> None:
    """Draw the matrix, a column of the worst, and the plan that regrets least in bold."""
    from matplotlib.colors import LinearSegmentedColormap

    names, best = list(regret.regret.index), regret.best_plan
    values = np.column_stack([regret.regret.to_numpy(dtype=float), regret.worst.to_numpy(dtype=float)])
    broken = (regret.rules_broken != "").to_numpy()
    n = len(names)
    largest = max(float(values.max()), NOTHING)
    shades = LinearSegmentedColormap.from_list("regret", [PAPER, PLAN])
    at = np.where(np.arange(n + 1) < n, np.arange(n + 1.0), n + 0.15)
    for row in range(n):
        for column in range(n + 1):
            value, outside = values[row, column], column < n and bool(broken[row, column])
            axes.add_patch(_cell(at[column], row, shades(max(value, 0.0) / largest), hatched=outside))
            dark = value > DARK * largest
            bold = "bold" if names[row] == best else "normal"
            axes.text(
                at[column], row, _text(value), ha="center", va="center", color=PAPER if dark else INK, fontweight=bold
            )
    axes.set_xlim(-0.5, n + 0.65)
    axes.set_ylim(n - 0.5, -0.5)
    axes.set_xticks(at, [*names, "worst"])
    axes.set_yticks(range(n), names)
    for label in axes.get_yticklabels():
        label.set_fontweight("bold" if label.get_text() == best else "normal")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("paid in")
    axes.set_ylabel("planned in")
    notes = ["bps beyond the best that each market allows"]
    notes += [] if best is None else ["bold: least at worst"]
    notes += ["hatched: breaks a rule"] if broken.any() else []
    subtitle(axes, "Regret", "; ".join(notes))


def _cell(x: float, y: float, color: tuple[float, ...], *, hatched: bool) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle(
        (x - 0.5, y - 0.5),
        1.0,
        1.0,
        facecolor=color,
        edgecolor=MUTED if hatched else FAINT,
        linewidth=0.8,
        hatch="///" if hatched else None,
    )


def _text(value: float) -> str:
    return "0" if abs(value) < NOTHING else f"{value:.3g}"


def _size(n: int) -> tuple[float, float]:
    """Width and height, inches, of n markets."""
    return max(5.5, 2.4 + 0.95 * (n + 1)), max(3.4, 1.9 + 0.5 * n)

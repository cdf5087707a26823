"""What is history in a schedule, and what in it is news: orders over-filled, worked the wrong way, or finished."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from acopt.insight.words import at, count, percent, quantities
from acopt.market.labels import Array
from acopt.model.schedule import TOLERANCE, Schedule

__all__ = ["history"]

LABEL = "history"


def history(schedule: Schedule) -> Iterator[tuple[str, str]]:
    """Say how much of a re-planned order was executed before the plan, and what in that was not as ordered."""
    setting = schedule.setting
    if setting.past is None:
        return
    ordered, left, past = setting.remaining, setting.left, setting.past
    now, unit = setting.grid.edge_labels[setting.elapsed], f"{setting.grid.unit}s"
    unit = unit[:-1] if now == 1 else unit
    when = at(now, setting) if isinstance(now, pd.Timestamp) else f"{now:.6g} {unit}"
    text = f"{count(setting.elapsed, 'interval')} done, until {when}"
    if setting.gross > 0:
        executed = -np.sign(ordered) * past.sum(axis=0)
        text += f"; {percent(float(setting.market.prices @ executed) / setting.gross)} executed"
    finished = int(((ordered != 0) & (left == 0)).sum())
    if finished:
        text += f"; {finished:,} of {count(int((ordered != 0).sum()), 'order')} finished"
    yield LABEL, text
    yield from _over_filled(schedule)
    for sign, did, side in ((1.0, "bought", "sell"), (-1.0, "sold", "buy")):
        wrong = np.maximum(sign * past, 0.0).sum(axis=0) * (np.sign(ordered) == sign)
        yield from _told(schedule, wrong, f"{{}} {{}} {did} against a {side} order")


def _over_filled(schedule: Schedule) -> Iterator[tuple[str, str]]:
    """Tell orders of which more was done than ordered (a cancelled one: anything), and whether that is undone."""
    setting, path = schedule.setting, schedule.path
    beyond = (np.sign(setting.left) != np.sign(setting.remaining)) & ~(setting.hedges & (setting.remaining == 0))
    reach = TOLERANCE * max(setting.size, float(np.abs(setting.left).max(initial=0.0)))
    undone = np.abs(path.remaining[-1]) <= reach
    for which, end in ((undone, ", traded back"), (~undone, "")):
        yield from _told(schedule, np.abs(setting.left) * (beyond & which), "{} by {}", "over-filled: ", end)


def _told(schedule: Schedule, shares: Array, form: str, before: str = "", after: str = "") -> Iterator[tuple[str, str]]:
    """One line for the assets of which there are shares."""
    found = np.flatnonzero(shares > TOLERANCE * schedule.setting.size)
    if found.size:
        yield LABEL, f"{before}{quantities(schedule.setting.assets[found], shares[found], form)}{after}"

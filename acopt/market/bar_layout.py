"""From rows to a full raster: bar length, what a stamp means, and the bars in which nothing traded."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from acopt.errors import DataError
from acopt.market.bar_files import NUMBERS, SymbolBars
from acopt.market.clock import SECOND, clock, span
from acopt.market.labels import is_one_of

__all__ = ["Hours", "Raster", "bar_length", "lay_out", "stamp_meaning"]

DAY = 86_400 * SECOND
_CHANCE = 1e-6
_SHORT = 3600 * SECOND
"""A session in which no symbol has a bar in the last hour is taken to be a short one (a half day)."""


@dataclass(frozen=True)
class Hours:
    """Open and close of the session, in microseconds since midnight."""

    open: int
    close: int

    def __str__(self) -> str:
        """As a message shows it."""
        return f"{clock(self.open)} to {clock(self.close)}"


@dataclass(frozen=True)
class Raster:
    """Every bar of every session, one row each; NaN where a symbol has no session.

    Attributes
    ----------
    starts : pd.DatetimeIndex, shape (m,)
        Bar starts, without a zone.
    fields : dict of ndarray, shape (m, n)
        Open, high, low, close, volume by symbol.
    present : ndarray of bool, shape (m, n)
        The bar was in the source; False is a no-trade bar (volume 0, price carried) or a missing session.
    """

    starts: pd.DatetimeIndex
    fields: dict[str, NDArray[np.float64]]
    present: NDArray[np.bool_]


def bar_length(sources: Sequence[SymbolBars]) -> int | None:
    """Return the one bar length of all symbols in microseconds; None for daily bars.

    The largest step that divides all steps within a session. A symbol that trades seldom may show multiples of it only;
    with n steps all multiples of m bars, chance has a probability of m^-n, and is believed down to one in a million.

    Raises
    ------
    DataError
        Several lengths; the message names them with their files and the pattern to give.
    """
    lengths: dict[str, int | None] = {}
    for bars in sources:
        lengths[bars.symbol] = DAY if bars.daily else _own_length(bars)
    known = sorted({length for length in lengths.values() if length is not None})
    if not known:
        raise DataError(
            f"{sources[0].source}: one bar a session, at {sources[0].stamps[0]:%H:%M}; its length cannot be told "
            "(daily bars carry a date only)"
        )
    shortest = known[0]
    by_length: dict[int, list[SymbolBars]] = {}
    for bars in sources:
        own = lengths[bars.symbol]
        if own is not None:
            apart = own % shortest > 0 or (shortest / own) ** _steps(bars).size < _CHANCE or own == DAY
            by_length.setdefault(own if apart else shortest, []).append(bars)
    if len(by_length) > 1:
        raise DataError(_mixed(by_length))
    return None if shortest == DAY else shortest


def stamp_meaning(sources: Sequence[SymbolBars], length: int, hours: Hours, stamp: str | None) -> tuple[str, str]:
    """Return "start" or "end", and how that is known.

    A stamp is a start when every bar [stamp, stamp + length] lies in the session, an end when every bar
    [stamp - length, stamp] does; symbols for which both would do follow the others.

    Raises
    ------
    DataError
        `stamp` is neither; the stamps fit both readings, or none, or symbols disagree.
    """
    if stamp is not None:
        if not is_one_of(stamp, ("start", "end")):
            raise DataError(f"read_bars: stamp={stamp!r}; 'start' or 'end' is accepted")
        return stamp, "as stated"
    evidence: dict[str, SymbolBars] = {}
    for bars in sources:
        of_day = _of_day(bars.stamps)
        first, last = int(of_day.min()), int(of_day.max())
        as_start = first >= hours.open and last + length <= hours.close
        as_end = first - length >= hours.open and last <= hours.close
        if not as_start and not as_end:
            raise DataError(
                f"{bars.source}: stamps from {clock(first)} to {clock(last)} fit no session {hours} of {span(length)} "
                "bars; state other hours with session=, or drop the bars outside them"
            )
        if as_start != as_end:
            evidence.setdefault("start" if as_start else "end", bars)
    if len(evidence) > 1:
        raise DataError(
            f"stamps are bar starts in {evidence['start'].source}, but bar ends in {evidence['end'].source}; read "
            "them apart, with stamp= stated"
        )
    if not evidence:
        raise DataError(
            f"{sources[0].source}: its stamps could be the start or the end of {span(length)} bars; state "
            "stamp='start' or stamp='end'"
        )
    meaning, bars = next(iter(evidence.items()))
    of_day = _of_day(bars.stamps)
    return meaning, f"inferred: {clock(int(of_day.min()))} to {clock(int(of_day.max()))} in a session {hours}"


def lay_out(sources: Sequence[SymbolBars], length: int | None, hours: Hours, stamp: str) -> Raster:
    """Place every row in its slot and carry prices over the slots in which nothing traded.

    Prices are carried forwards only, also from the session before; where there is none, they stay NaN. A session
    that a symbol misses as a whole stays NaN. Volume is 0 in a no-trade bar.

    Raises
    ------
    DataError
        A bar outside the session or off the raster; a bar length that does not divide the session.
    """
    if length is not None and (hours.close - hours.open) % length:
        raise DataError(
            f"{sources[0].source}: {span(length)} bars do not divide the session {hours}; give bars that do, or the "
            "hours with session="
        )
    slots = 1 if length is None else (hours.close - hours.open) // length
    placed = [_place(bars, length, hours, stamp) for bars in sources]
    days = np.unique(np.concatenate([day for day, _ in placed]))
    shape = (days.size * slots, len(sources))
    fields = {name: np.full(shape, np.nan) for name in NUMBERS}
    present = np.zeros(shape, dtype=bool)
    for column, (bars, (day, slot)) in enumerate(zip(sources, placed, strict=True)):
        rows = np.searchsorted(days, day) * slots + slot
        present[rows, column] = True
        for number, name in enumerate(NUMBERS):
            fields[name][rows, column] = bars.numbers[:, number]
    if length is None:
        return Raster(pd.DatetimeIndex((days * DAY).astype("datetime64[us]")), fields, present)
    keep = _kept_slots(np.asarray(present.reshape(days.size, slots, -1).any(axis=2)), length)
    _carry(fields, present, slots)
    starts = (days[:, None] * DAY + hours.open + np.arange(slots)[None, :] * length).ravel()
    index = pd.DatetimeIndex(starts[keep].astype("datetime64[us]"))
    return Raster(index, {name: field[keep] for name, field in fields.items()}, present[keep])


def _of_day(stamps: pd.DatetimeIndex) -> NDArray[np.int64]:
    wall = stamps.tz_localize(None)
    return np.asarray(wall.asi8 - wall.normalize().asi8)


def _steps(bars: SymbolBars) -> NDArray[np.int64]:
    """Return the steps between consecutive bars of one date."""
    wall = bars.stamps.tz_localize(None).asi8
    steps = np.diff(wall)
    return np.asarray(steps[np.diff(wall // DAY) == 0])


def _own_length(bars: SymbolBars) -> int | None:
    """Return the step that divides all steps within a date; None with one bar a date.

    Raises
    ------
    DataError
        Most steps are one longer length, so that the others are misplaced; or sessions of regular longer steps.
    """
    wall = bars.stamps.tz_localize(None)
    steps = np.diff(wall.asi8)
    days = wall.asi8 // DAY
    within = np.flatnonzero(np.diff(days) == 0)
    if not within.size:
        return None
    shortest = int(np.gcd.reduce(steps[within]))
    # where few bars trade, steps of one bar are still the most frequent ones
    sizes, counts = np.unique(steps[within], return_counts=True)
    usual = int(sizes[np.argmax(counts)])
    odd = within[steps[within] % usual != 0]
    if odd.size and counts.max() >= 0.75 * within.size and within.size >= 8:
        raise DataError(
            f"{bars.source}: mixed bar lengths: {span(usual)}, but {span(int(steps[odd[0]]))} from "
            f"{wall[odd[0]]} to {wall[odd[0] + 1]}"
        )
    # sessions whose steps are all one longer length were recorded in longer bars, chance apart
    by_day = pd.Series(steps[within]).groupby(days[within]).agg(["min", "max", "size"])
    even = by_day[(by_day["min"] == by_day["max"]) & (by_day["min"] > shortest)]
    for longer, sessions in even.groupby("min"):
        if sessions["size"].sum() >= 10:
            day = pd.Timestamp(int(sessions.index[0]) * DAY, unit="us")
            raise DataError(
                f"{bars.source}: mixed bar lengths: {span(shortest)}, but {span(int(str(longer)))} on {day:%Y-%m-%d}"
            )
    return shortest


def _mixed(by_length: Mapping[int, Sequence[SymbolBars]]) -> str:
    parts, advice = [], "read one length at a time"
    for length, members in sorted(by_length.items()):
        names = ", ".join(_label(bars) for bars in members[:3])
        more = ", ..." if len(members) > 3 else ""
        parts.append(f"{'1 day' if length == DAY else span(length)} ({names}{more}: {len(members)})")
    largest = max(by_length.values(), key=len)
    suffix = _common_suffix([Path(bars.source).stem for bars in largest])
    if suffix and all(Path(bars.source).suffix for bars in largest):
        advice += f", such as read_bars('*{suffix}{Path(largest[0].source).suffix}', symbol='{{symbol}}{suffix}')"
    return f"read_bars: mixed bar lengths: {'; '.join(parts)}; {advice}"


def _label(bars: SymbolBars) -> str:
    path = Path(bars.source)
    return path.name if path.suffix and bars.symbol in path.stem else bars.symbol


def _common_suffix(stems: Sequence[str]) -> str:
    """Return what all names end with, from a separator on: "_15min"; empty when there is no such thing."""
    suffixes = {stem[match.start() :] for stem in stems for match in re.finditer(r"[^A-Za-z0-9]", stem)}
    shared = [suffix for suffix in suffixes if all(stem.endswith(suffix) for stem in stems)]
    return max(shared, key=len, default="") if len(stems) > 1 else ""


def _place(
    bars: SymbolBars, length: int | None, hours: Hours, stamp: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return day number and slot of every row."""
    wall = bars.stamps.tz_localize(None)
    day = np.asarray(wall.asi8 // DAY)
    if length is None:
        return day, np.zeros_like(day)
    start = _of_day(bars.stamps) - (length if stamp == "end" else 0)
    outside = np.flatnonzero((start < hours.open) | (start + length > hours.close))
    if outside.size:
        at = int(outside[0])
        raise DataError(
            f"{bars.source}: the bar {clock(int(start[at]))} to {clock(int(start[at]) + length)} (stamp {wall[at]}) is "
            f"outside the session {hours}; state other hours with session=, or drop it"
        )
    slot, off = np.divmod(start - hours.open, length)
    if off.any():
        at = int(np.flatnonzero(off)[0])
        raise DataError(f"{bars.source}: the stamp {wall[at]} is off the raster of {span(length)} bars in {hours}")
    return day, slot


def _kept_slots(seen: NDArray[np.bool_], length: int) -> NDArray[np.bool_]:
    """Drop the end of short sessions; `seen` (days, slots) says where any symbol has a bar."""
    slots = seen.shape[1]
    last = slots - 1 - np.argmax(seen[:, ::-1], axis=1)
    short = (slots - 1 - last) * length >= _SHORT
    keep = np.ones_like(seen)
    keep[short] = np.arange(slots)[None, :] <= last[short, None]
    return keep.ravel()


def _carry(fields: dict[str, NDArray[np.float64]], present: NDArray[np.bool_], slots: int) -> None:
    """Fill no-trade bars in place."""
    sessions = present.reshape(-1, slots, present.shape[1]).any(axis=1)
    idle = np.repeat(sessions, slots, axis=0) & ~present
    carried = pd.DataFrame(fields["close"]).ffill().to_numpy()
    for name in NUMBERS[:4]:
        fields[name][idle] = carried[idle]
    fields["volume"][idle] = 0.0

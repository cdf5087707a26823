"""A grid laid on bars: where its edges fall, what may be known when it starts, and what its crosses trade."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from acopt.errors import DataError
from acopt.market.bars import Bars
from acopt.market.clock import number, parse_timestamp, span
from acopt.market.grid import TimeGrid

__all__ = ["auction_fractions", "bar_slots", "bars_per_session", "clock_edges", "last_moment"]

_MICROSECOND = pd.Timedelta(microseconds=1)


def clock_edges(bars: Bars, grid: TimeGrid) -> pd.DatetimeIndex:
    """Grid edges in the zone of the bars."""
    stamps = grid.timestamps
    if stamps is None:
        raise DataError("Market.from_bars: the grid has no clock times; TimeGrid.session('2019-02-15', '15min') has")
    dates = stamps.normalize()
    if (grid.closed & (dates[:-1] == dates[1:])).any():
        raise DataError(
            "Market.from_bars: the grid has a break within a session, and bars are calibrated on sessions without one; "
            "give Market(...) numbers of your own"
        )
    length = bars.length * bars_per_session(bars)
    if length != grid.session_length:
        own, other = (span(time / _MICROSECOND) for time in (length, grid.session_length))
        raise DataError(
            f"the bars' session lasts {own}, the grid's {other}; give both the same hours (read_bars: session=, "
            "TimeGrid: open= and close=)"
        )
    stamps = stamps.tz_localize(bars.starts.tz) if stamps.tz is None else stamps.tz_convert(bars.starts.tz)
    # The second by which a cross is shown is none of the session's: both its edges are at the one that bars know.
    true, opening = stamps.to_series().to_list(), grid.crosses("open")
    for at in np.flatnonzero(grid.auctions):
        if opening[at]:
            true[at] = true[at + 1]
        else:
            true[at + 1] = true[at]
    return pd.DatetimeIndex(true)


def auction_fractions(
    grid: TimeGrid, stated: float | Mapping[str, float] | None
) -> tuple[NDArray[np.float64], list[str]]:
    """Volume of each interval that is a cross (N,), as a fraction of a session's, and a note on it."""
    fractions = np.zeros(grid.periods)
    if stated is None and not grid.auctions.any():
        return fractions, []
    accepted = 'auction_volume={"open": 0.02, "close": 0.08}, fractions <= 1 of the mean intraday volume, or one number'
    if stated is None:
        raise DataError(f"Market.from_bars: the grid has auctions, and bars carry no auction volume; state {accepted}")
    if isinstance(stated, Mapping):
        each, masks = dict(stated), {"open": grid.crosses("open"), "close": grid.crosses("close")}
    else:
        each, masks = {"each cross": stated}, {"each cross": grid.auctions}
    unsaid = grid.auctions.copy()
    for kind, value in each.items():
        fraction = number(value)
        if kind not in masks or fraction is None or not 0 <= fraction <= 1:
            raise DataError(f"auction_volume={stated!r}: {kind!r} is {value!r}; {accepted} is accepted")
        fractions[masks[kind]] = fraction
        unsaid &= ~masks[kind]
    if unsaid.any():
        lacking = grid.labels[int(np.argmax(unsaid))]
        raise DataError(f"auction_volume={stated!r} does not say the volume of the cross at {lacking}; {accepted} does")
    shown = ", ".join(f"{kind} {float(value):.4g}" for kind, value in each.items())
    return fractions, [f"auction volume: {shown} of the mean intraday volume, as stated"] if grid.auctions.any() else []


def bars_per_session(bars: Bars) -> int:
    """Return the number of bars from a session's open to its close."""
    opening, closing = (dt.timedelta(hours=time.hour, minutes=time.minute, seconds=time.second) for time in bars.hours)
    return round((closing - opening) / bars.length)


def last_moment(bars: Bars, start: pd.Timestamp, asof: object) -> pd.Timestamp:
    """Return the last moment of knowledge: `asof`, but not after the grid's start."""
    if asof is None:
        return start
    stamp = parse_timestamp(asof)
    if stamp is None:
        raise DataError(f"asof={asof!r}; a date such as '2019-02-15', or a timestamp, is accepted")
    try:
        stamp = stamp.tz_localize(bars.starts.tz) if stamp.tz is None else stamp.tz_convert(bars.starts.tz)
    except (ValueError, NotImplementedError, OverflowError) as error:
        raise DataError(f"asof={asof!r} is no time of {bars.starts.tz}; one of the bars' years is accepted") from error
    if stamp == start.normalize():
        return start  # the date of the grid itself: up to t_0, as by default
    if stamp > start:
        raise DataError(f"asof={asof!r} is after the grid's start {start}; the future is not looked at")
    return stamp


def bar_slots(bars: Bars, grid: TimeGrid, edges: pd.DatetimeIndex, interval: int) -> tuple[int, int]:
    """Return the bars first..last-1 of a session that make up an interval; for a night, where it starts and ends."""
    ends = []
    opening = dt.timedelta(hours=bars.hours[0].hour, minutes=bars.hours[0].minute, seconds=bars.hours[0].second)
    for edge in (edges[interval], edges[interval + 1]):
        since = (edge.tz_localize(None) - edge.tz_localize(None).normalize() - opening) / bars.length
        slot = round(since)
        if abs(since - slot) > 1e-9 or not 0 <= slot <= bars_per_session(bars):
            size = span(bars.length / _MICROSECOND)
            raise DataError(
                f"the grid's edge {edge} is not an edge of the {size} bars from {bars.hours[0]:%H:%M} to "
                f"{bars.hours[1]:%H:%M}; a grid of whole bars is accepted, or finer bars"
            )
        ends.append(slot)
    first, last = ends
    if first >= last and not (grid.closed[interval] or grid.auctions[interval]):
        raise DataError(f"the grid's interval from {edges[interval]} runs over a night, but is not closed")
    return first, last

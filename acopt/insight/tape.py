"""What the bars say about each interval of a grid: volume, prices to fill at, prices to be judged by."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from acopt.errors import DataError
from acopt.market.bars import Bars
from acopt.market.clock import span
from acopt.market.grid import TimeGrid
from acopt.market.labels import Array
from acopt.model.setting import Mask

__all__ = ["FILLS", "Tape", "read_tape"]

Rows: TypeAlias = NDArray[np.intp]

FILLS = ("vwap", "open", "close")


@dataclass(frozen=True, eq=False)
class Tape:
    """
    The bars of one grid, aggregated to its intervals.

    Attributes
    ----------
    quoted : (N,)
        Intervals that consist of bars: neither closed nor a cross.
    volume : (N, n), shares
        0 where closed; NaN in a cross, of which bars have no print.
    interval_vwap, interval_open, interval_close : (N, n), currency/share
        NaN where closed. The VWAP of an interval without volume is its close, which is carried. All three are one
        in a cross: the open of the first bar after an opening one, the close of the last bar before any other.
    arrival, vwap, twap, close : (n,), currency/share
        Last price at or before t_0 in the day's session, or its open; mean typical prices of the quoted bars, weighted
        by volume (NaN without any) and plain; the session's last close.
    """

    quoted: Mask
    volume: Array
    interval_vwap: Array
    interval_open: Array
    interval_close: Array
    arrival: Array
    vwap: Array
    twap: Array
    close: Array

    def price(self, fill: str) -> Array:
        """Price before impact under a rule of `FILLS`."""
        return np.asarray(getattr(self, f"interval_{fill}"))


def read_tape(bars: Bars, grid: TimeGrid) -> Tape:
    """
    Aggregate bars to a grid.

    interval VWAP = sum_b V_b m_b / sum_b V_b over the bars b of the interval, m = (high + low + close)/3

    Raises
    ------
    DataError
        The grid has no clock or is off the bars' edges; a session, a symbol's session, or a price is missing.
    """
    edges = _edges(bars, grid)
    quoted = ~grid.closed & ~grid.auctions
    first, last = _rows(bars, edges, quoted)
    crosses, next_to = _crosses(bars, grid, edges)
    rows = np.concatenate([np.arange(a, b) for a, b in zip(first, last, strict=True)])
    _complete(bars, np.union1d(rows, next_to))
    fields = {name: getattr(bars, name).to_numpy(dtype=float) for name in ("open", "high", "low", "close", "volume")}
    volume = fields["volume"][rows]
    typical = ((fields["high"] + fields["low"] + fields["close"]) / 3.0)[rows]
    heads = np.cumsum(last - first) - (last - first)
    traded = np.add.reduceat(volume, heads)
    worth = np.add.reduceat(volume * typical, heads)
    ends = fields["close"][last - 1]
    average = np.divide(worth, traded, out=ends.copy(), where=traded > 0)
    opening = grid.crosses("open")[crosses, None]
    at_once = np.where(opening, fields["open"][next_to], fields["close"][next_to])

    def spread(values: Array, in_cross: Array | float, when_closed: float) -> Array:
        out = np.full((grid.periods, len(bars.symbols)), when_closed)
        out[quoted], out[crosses] = values, in_cross
        return out

    whole = volume.sum(axis=0)
    starts = bars.starts
    session_end = int(starts.searchsorted(edges[-1].normalize() + pd.Timedelta(days=1))) - 1
    begun = first[0] > 0 and starts[first[0] - 1].date() == starts[first[0]].date()
    return Tape(
        quoted=quoted,
        volume=spread(traded, np.nan, 0.0),
        interval_vwap=spread(average, at_once, np.nan),
        interval_open=spread(fields["open"][first], at_once, np.nan),
        interval_close=spread(ends, at_once, np.nan),
        arrival=fields["close"][first[0] - 1] if begun else fields["open"][first[0]],
        vwap=np.divide(worth.sum(axis=0), whole, out=np.full(whole.shape, np.nan), where=whole > 0),
        twap=typical.mean(axis=0),
        close=fields["close"][session_end],
    )


def _edges(bars: Bars, grid: TimeGrid) -> pd.DatetimeIndex:
    """Grid edges in the zone of the bars."""
    if bars.daily:
        raise DataError("replay: daily bars were given; fills within the day need intraday ones")
    stamps = grid.timestamps
    if stamps is None:
        raise DataError("replay: the plan's grid has no clock times; TimeGrid.session('2019-02-15', '15min') has")
    return stamps.tz_localize(bars.starts.tz) if stamps.tz is None else stamps.tz_convert(bars.starts.tz)


def _rows(bars: Bars, edges: pd.DatetimeIndex, quoted: Mask) -> tuple[Rows, Rows]:
    """First and last-plus-one bar of every quoted interval."""
    opening = dt.timedelta(hours=bars.hours[0].hour, minutes=bars.hours[0].minute, seconds=bars.hours[0].second)
    size = span(bars.length / pd.Timedelta(microseconds=1))
    since = (edges.tz_localize(None) - edges.tz_localize(None).normalize() - opening) / bars.length
    used = np.zeros(len(edges), dtype=bool)
    used[:-1] |= quoted
    used[1:] |= quoted
    off = np.flatnonzero(used & (np.abs(since - np.round(since)) > 1e-9))
    if off.size:
        raise DataError(
            f"replay: the grid's edge {edges[off[0]]} is not an edge of the {size} bars; intervals of whole bars are "
            "accepted, or finer bars"
        )
    starts = bars.starts
    first = np.asarray(starts.searchsorted(edges[:-1]))[quoted]
    last = np.asarray(starts.searchsorted(edges[1:]))[quoted]
    wanted = np.round(np.diff(since))[quoted]
    short = np.flatnonzero(last - first != wanted)
    if short.size:
        start, end = (edges[side][quoted][short[0]] for side in (slice(None, -1), slice(1, None)))
        day = starts[starts.normalize() == start.normalize()]
        known = f"their session of that date ends at {(day[-1] + bars.length):%H:%M}" if len(day) else "no session"
        raise DataError(
            f"replay: the interval {start:%Y-%m-%d %H:%M} to {end:%H:%M} has no bars of {_some(bars.symbols)}: "
            + (known if len(day) else f"no session of that date among {starts[0]:%Y-%m-%d} to {starts[-1]:%Y-%m-%d}")
        )
    return first, last


def _crosses(bars: Bars, grid: TimeGrid, edges: pd.DatetimeIndex) -> tuple[Rows, Rows]:
    """The intervals that are crosses, and the bar next to each: after an opening one, before any other."""
    crosses = np.flatnonzero(grid.auctions)
    opening = grid.crosses("open")[crosses]
    at = edges[np.where(opening, crosses + 1, crosses)]
    rows = np.where(opening, bars.starts.get_indexer(at), bars.ends.get_indexer(at))
    lost = np.flatnonzero(rows < 0)
    if lost.size:
        verb, price = ("starts", "open") if opening[lost[0]] else ("ends", "close")
        raise DataError(
            f"replay: no bar of {_some(bars.symbols)} {verb} at the cross of {at[lost[0]]:%Y-%m-%d %H:%M:%S}, which "
            f"fills at its {price}; a grid whose crosses are at the session's open and close is accepted"
        )
    return crosses, rows


def _complete(bars: Bars, rows: Rows) -> None:
    """Demand volume and price of every symbol in every bar used."""
    for field, reason in (
        ("volume", "it misses that whole session; complete its file, or leave it out of the plan"),
        ("close", "it has not traded before in these bars, so there is no price to carry; give earlier bars"),
    ):
        lost = np.argwhere(np.isnan(getattr(bars, field).to_numpy(dtype=float)[rows]))
        if lost.size:
            row, column = lost[0]
            start = bars.starts[rows[row]]
            raise DataError(
                f"replay: {bars.symbols[column]} has no {'price' if field == 'close' else 'bar'} from "
                f"{start:%Y-%m-%d %H:%M} to {start + bars.length:%H:%M}: {reason}"
            )


def _some(names: list[str]) -> str:
    return ", ".join(map(str, names[:12])) + (", ..." if len(names) > 12 else "")

"""From a time, however it is written, to an edge of the grid; from a window to its intervals."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from acopt.errors import DataError
from acopt.market.clock import SECOND, TimeLike, clock, number, parse_duration, parse_time_of_day, parse_timestamp
from acopt.market.edges import localized
from acopt.market.labels import is_one_of

__all__ = ["EdgeLookup"]

_TOLERANCE = 1e-9
_CROSSES = {"open": "opening", "close": "closing"}
_UNIT_SECONDS = {"second": 1.0, "minute": 60.0, "hour": 3600.0}


class EdgeLookup:
    """The edges of one grid, searched by number, trading time, time of day or timestamp.

    Parameters
    ----------
    edges : ndarray, shape (N+1,), in `unit`
    closed, auctions : ndarray of bool, shape (N,)
    timestamps : pd.DatetimeIndex, shape (N+1,), or None
    unit : str
    session : float
        Microseconds of trading in one "day".
    """

    def __init__(
        self,
        edges: NDArray[np.float64],
        closed: NDArray[np.bool_],
        auctions: NDArray[np.bool_],
        timestamps: pd.DatetimeIndex | None,
        unit: str,
        session: float,
    ) -> None:
        self._edges, self._closed, self._auctions, self._timestamps = edges, closed, auctions, timestamps
        self._unit, self._session, self._periods = unit, session, edges.size - 1

    @cached_property
    def _blocks(self) -> list[tuple[int, int]]:
        """First and last edge of every session (one date of the clock); the whole grid without a clock."""
        if self._timestamps is None:
            return [(0, self._periods)]
        days = self._timestamps.tz_localize(None).normalize().asi8
        starts = np.concatenate([[0], np.flatnonzero(np.diff(days)) + 1])
        return list(zip(starts.tolist(), [*(starts[1:] - 1).tolist(), self._periods], strict=True))

    def crosses(self, which: str) -> list[int]:
        """Return the intervals that are opening ("open") or closing crosses: auctions at the ends of sessions."""
        if not is_one_of(which, _CROSSES):
            raise DataError(f"crosses({which!r}): 'open' or 'close' is accepted")
        ends = [first if which == "open" else last - 1 for first, last in self._blocks if first < last]
        return [at for at in ends if self._auctions[at]]

    def name(self, index: int) -> str:
        """Return an edge as messages show it."""
        if self._timestamps is None:
            return f"{self._edges[index]:.12g}"
        stamp = self._timestamps[index]
        return f"{stamp:%Y-%m-%d %H:%M}" + (f":{stamp:%S}" if stamp.second else "")

    def trading_time(self, value: object) -> float | None:
        """Return a text or timedelta as trading time in the grid's unit; None when it is neither."""
        length = parse_duration(value, self._session)
        if length is None:
            return None
        if self._unit == "day":
            return length / self._session
        if self._unit not in _UNIT_SECONDS:
            raise DataError(
                f"{value!r} has no meaning on a grid in unit {self._unit!r}; give a number of {self._unit}s, or build "
                f"the grid in one of 'day', {', '.join(map(repr, sorted(_UNIT_SECONDS)))}"
            )
        return length / (SECOND * _UNIT_SECONDS[self._unit])

    def locate(self, time: TimeLike, side: str = "right") -> int:
        """Return the index of the edge at a time; `side` chooses among edges that a time meets (nights, auctions)."""
        if _is_cross(time):
            return self._cross(str(time))
        value = number(time)
        if value is not None:
            return self._nearest(self._edges, value, time, side)
        of_day = parse_time_of_day(time)
        if of_day is not None:
            if self._timestamps is not None and len(self._blocks) > 1:
                raise DataError(
                    f"{time!r} is ambiguous on a grid of {len(self._blocks)} sessions; give a full timestamp such as "
                    f"'{self._timestamps[0]:%Y-%m-%d} {clock(of_day)}'"
                )
            return self._nearest(self._clock(time), float(of_day), time, side)
        elapsed = self.trading_time(time)
        if elapsed is not None:
            passed = np.concatenate([[0.0], np.cumsum(np.where(self._closed, 0.0, np.diff(self._edges)))])
            return self._nearest(passed, elapsed, time, side)
        stamp = parse_timestamp(time)
        if stamp is None:
            raise DataError(
                f"{time!r} is not a time; '11:30', '20min', a timestamp or a number of {self._unit}s is accepted"
            )
        return self._nearest(*self._on_clock(stamp), time, side)

    def window(self, during: tuple[TimeLike | None, TimeLike | None] | None) -> NDArray[np.bool_]:
        """Return the intervals within a half-open window, as a mask of shape (N,)."""
        mask = np.zeros(self._periods, dtype=bool)
        if during is None:
            return ~mask
        if not isinstance(during, tuple | list) or len(during) != 2:
            raise DataError(f"during={during!r} is not a window; a pair (start, end) is, either of them may be None")
        start, end = during
        if (start is None or parse_time_of_day(start) is not None) and (
            end is None or parse_time_of_day(end) is not None
        ):
            for first, last in self._daily(start, end):
                mask[first:last] = True
            return mask
        several = len(self._blocks) > 1 and not any(_is_cross(time) for time in during)
        if several and any(time is not None and parse_time_of_day(time) is not None for time in during):
            raise DataError(
                f"during={during!r} mixes a time of day with a full time, on a grid of {len(self._blocks)} sessions"
            )
        first = 0 if start is None else self.locate(start, "right")
        last = self._periods if end is None else self.locate(end, "left")
        _check_order(during, first, last)
        mask[first:last] = True
        return mask

    def _cross(self, which: str) -> int:
        """Edge at which the one opening or closing cross starts."""
        found = self.crosses(which)
        if len(self._blocks) > 1:
            raise DataError(
                f"{which!r} is ambiguous on a grid of {len(self._blocks)} sessions; give a full timestamp (a window "
                "may name a time of day, such as ('16:00', None) for the closing crosses at 16:00)"
            )
        if not found:
            raise DataError(
                f"{which!r} names the {_CROSSES[which]} cross, but this grid has none; TimeGrid.session(..., "
                "auctions=True) has, when it reaches the session's end"
            )
        return found[0]

    def _on_clock(self, stamp: pd.Timestamp) -> tuple[NDArray[np.float64], float]:
        """Edges and a timestamp, both in microseconds since t_0."""
        stamps = self._timestamps
        if stamps is None:
            raise DataError(f"{stamp} is a clock time, but this grid has none; give a number of {self._unit}s")
        if stamp.tz is not None and stamps.tz is None:
            raise DataError(f"{stamp} has a time zone, but the grid's stamps have none; give it without")
        if stamp.tz is None and stamps.tz is not None:
            stamp = localized(pd.DatetimeIndex([stamp]), stamps.tz, "TimeGrid")[0]
        since = (stamp - stamps[0]) / pd.Timedelta(microseconds=1)
        return (stamps.asi8 - stamps.asi8[0]).astype(float), float(since)

    def _clock(self, time: object) -> NDArray[np.float64]:
        """Edges as microseconds since midnight of their own date."""
        if self._timestamps is None:
            raise DataError(f"{time!r} is a time of day, but this grid has no clock; give a number of {self._unit}s")
        wall = self._timestamps.tz_localize(None)
        return (wall.asi8 - wall.normalize().asi8).astype(float)

    def _nearest(
        self, edges: NDArray[np.float64], value: float, time: object, side: str, first: int = 0, last: int | None = None
    ) -> int:
        """Index of the edge that equals `value` within the tolerance, among edges first..last."""
        stop = self._periods if last is None else last
        reach = _TOLERANCE * float(edges[stop] - edges[first])
        hits = first + np.flatnonzero(np.abs(edges[first : stop + 1] - value) <= reach)
        if hits.size:
            return int(hits[-1 if side == "right" else 0])
        if not edges[first] < value < edges[stop]:
            raise DataError(f"{time!r} is outside the grid, which runs from {self.name(first)} to {self.name(stop)}")
        after = first + int(np.searchsorted(edges[first : stop + 1], value))
        raise DataError(
            f"{time!r} is not an edge of the grid: it lies between {self.name(after - 1)} and {self.name(after)}"
        )

    def _daily(self, start: TimeLike | None, end: TimeLike | None) -> list[tuple[int, int]]:
        """Intervals first..last-1 of each session that a time-of-day window touches."""
        during = (start, end)
        lower, upper = parse_time_of_day(start), parse_time_of_day(end)
        if lower is None and upper is None:
            return [(0, self._periods)]
        edges = self._clock(start if start is not None else end)
        if lower is not None and upper is not None and lower >= upper:
            _check_order(during, 1, 0)
        found = []
        for first, last in self._blocks:
            # with several sessions, one that ends before the window opens (or opens after) is not concerned
            apart = (lower is not None and edges[last] <= lower) or (upper is not None and edges[first] >= upper)
            if apart and len(self._blocks) > 1:
                continue
            begin = first if lower is None else self._nearest(edges, lower, start, "right", first, last)
            stop = last if upper is None else self._nearest(edges, upper, end, "left", first, last)
            _check_order(during, begin, stop)
            found.append((begin, stop))
        if not found:
            raise DataError(f"during={during!r} is outside every session of the grid")
        return found


def _is_cross(time: object) -> bool:
    return isinstance(time, str) and time in _CROSSES


def _check_order(during: object, first: int, last: int) -> None:
    if last <= first:
        raise DataError(f"during={during!r} is empty or reversed; a start before the end is accepted")

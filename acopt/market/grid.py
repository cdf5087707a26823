"""The time grid: when trading may happen, and how much risk time passes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from acopt.errors import DataError
from acopt.market.clock import SECOND, TimeLike, clock, number, parse_date, parse_duration, span
from acopt.market.lookup import EdgeLookup
from acopt.market.session import (
    SessionHours,
    checked_closed,
    checked_edges,
    checked_overnight,
    checked_timestamps,
    frozen,
    localized,
    read_stamps,
)

__all__ = ["TimeGrid"]

REGULAR_SESSION = 6.5 * 3600 * SECOND
"""Microseconds from open to close of a regular US session: 09:30 to 16:00."""


class TimeGrid:
    """N consecutive intervals of any length between edges t_0 < t_1 < ... < t_N.

    tau_k = t_k - t_{k-1}, k = 1..N. In the default unit, "day", 1 is one regular session from open to close
    (6.5 hours in the US), and a night is a closed interval: nothing trades, and its tau is the risk time stated
    for it. Immutable; equal and hashable by value.

    Parameters
    ----------
    edges : array_like, shape (N+1,), in `unit`
        Strictly increasing, finite.
    unit : str
        What 1 means. Texts such as "20min" are understood with "day" (a session), "hour", "minute" and "second".
    closed : array_like of bool, shape (N,), optional
        Intervals in which nothing can trade. None by default.
    timestamps : pd.DatetimeIndex, shape (N+1,), optional
        The edges on the clock; `session`, `sessions` and `from_timestamps` fill it in.
    session : text or timedelta
        Trading time in one "day".

    Raises
    ------
    DataError
        Fewer than two edges, a NaN, edges that do not increase, or shapes that do not fit.
    """

    def __init__(
        self,
        edges: ArrayLike,
        *,
        unit: str = "day",
        closed: ArrayLike | None = None,
        timestamps: pd.DatetimeIndex | None = None,
        session: str | dt.timedelta = "6.5h",
    ) -> None:
        if not isinstance(unit, str) or not unit:
            raise DataError(f"TimeGrid: unit={unit!r} is not a name; 'day', 'hour', 'minute', 'second' are understood")
        self._edges = checked_edges(edges)
        self._unit = unit
        self._closed = checked_closed(closed, self._edges.size - 1)
        self._timestamps = checked_timestamps(timestamps, self._edges.size)
        length = parse_duration(session, REGULAR_SESSION)
        if length is None or not length > 0:
            raise DataError(f"TimeGrid: session={session!r} is not a length of time; '6.5h' would be")
        self._session = length

    # ------------------------------------------------------------------ constructors

    @classmethod
    def uniform(cls, horizon: float, periods: int, *, unit: str = "day") -> Self:
        """Build `periods` intervals of equal length from 0 to `horizon`.

        Raises
        ------
        DataError
            `horizon` is not a positive number, or `periods` not a positive integer.
        """
        length = number(horizon)
        if length is None or not 0 < length < np.inf:
            raise DataError(f"TimeGrid.uniform: horizon={horizon!r}; a positive number of {unit}s is accepted")
        if isinstance(periods, bool) or not isinstance(periods, int | np.integer) or periods < 1:
            raise DataError(f"TimeGrid.uniform: periods={periods!r}; a positive integer is accepted")
        return cls(np.linspace(0.0, length, int(periods) + 1), unit=unit)

    @classmethod
    def session(
        cls,
        date: str | dt.date | np.datetime64,
        bar: str | dt.timedelta,
        *,
        start: str | dt.time | None = None,
        end: str | dt.time | None = None,
        open: str | dt.time = "09:30",
        close: str | dt.time = "16:00",
        tz: str | None = "America/New_York",
    ) -> Self:
        """Build the intervals of length `bar` from `start` to `end` of one session.

        Parameters
        ----------
        date : date
            Day of the session, in `tz`.
        bar : text or timedelta
            Interval length, such as "15min"; divides the time from `start` to `end`.
        start, end : time of day, optional
            First and last edge; the session's open and close by default.
        open, close : time of day
            The regular session; close minus open is 1 "day".
        tz : str or None
            Time zone of the stamps; None leaves them without a zone.

        Raises
        ------
        DataError
            A time outside the session, an end before the start, a bar that does not divide the window.
        """
        hours = SessionHours.read("TimeGrid.session", open, close, start, end)
        day = parse_date(date, "TimeGrid.session: date")
        if day.weekday() > 4:
            raise DataError(
                f"TimeGrid.session: {day:%Y-%m-%d} is a {day:%A}; sessions are Monday to Friday "
                "(TimeGrid.from_timestamps takes any day)"
            )
        return cls._from_wall("TimeGrid.session", hours.stamps([day], bar, "TimeGrid.session"), None, hours, tz)

    @classmethod
    def sessions(
        cls,
        first: str | dt.date | np.datetime64,
        last: str | dt.date | np.datetime64,
        bar: str | dt.timedelta,
        *,
        overnight: float | None = None,
        dates: Iterable[str | dt.date | np.datetime64] | None = None,
        start: str | dt.time | None = None,
        end: str | dt.time | None = None,
        open: str | dt.time = "09:30",
        close: str | dt.time = "16:00",
        tz: str | None = "America/New_York",
    ) -> Self:
        """Build the intervals of several sessions, with a closed interval for each night between them.

        tau_night = overnight + (close - end) / (close - open) + (start - open) / (close - open)

        One formula for every night: a weekend or a holiday is one night. A night without any risk time cannot be
        an interval and is refused.

        Parameters
        ----------
        first, last : date
            First and last session, both included.
        bar, start, end, open, close, tz
            As in `session`, the same on every day.
        overnight : float, in sessions
            Risk time from close to open; required with more than one session.
        dates : iterable of dates, optional
            The days with a session; those from `first` to `last` are used. Monday to Friday by default, which
            does not know holidays.

        Raises
        ------
        DataError
            As in `session`; `first` or `last` without a session; `overnight` missing, negative, or a night of zero.
        """
        name = "TimeGrid.sessions"
        begin, stop = parse_date(first, f"{name}: first"), parse_date(last, f"{name}: last")
        if stop < begin:
            raise DataError(f"{name}: last={stop:%Y-%m-%d} is before first={begin:%Y-%m-%d}")
        if dates is None:
            days, known = list(pd.bdate_range(begin, stop)), "Monday to Friday; give dates= for other days"
        else:
            listed = {parse_date(day, f"{name}: dates") for day in dates}
            days, known = sorted(day for day in listed if begin <= day <= stop), f"the {len(listed)} given by dates="
        for label, day in (("first", begin), ("last", stop)):
            if day not in days:
                raise DataError(f"{name}: {label}={day:%A %Y-%m-%d} is not a session (sessions: {known})")
        hours = SessionHours.read(name, open, close, start, end)
        return cls._from_wall(name, hours.stamps(days, bar, name), overnight, hours, tz)

    @classmethod
    def from_timestamps(
        cls,
        edges: Sequence[Any] | pd.DatetimeIndex,
        *,
        overnight: float | None = None,
        open: str | dt.time = "09:30",
        close: str | dt.time = "16:00",
        tz: str | None = None,
    ) -> Self:
        """Build a grid on given clock times, in one session or several.

        A step from one date to the next is a night: closed, tau as in `sessions`. All other steps are clock time
        divided by (close - open).

        Parameters
        ----------
        edges : sequence of datetimes or ISO texts, shape (N+1,)
            Strictly increasing, each within `open` to `close`.
        overnight : float, in sessions
            Risk time of a night from close to open; required with more than one date.
        open, close : time of day
            The regular session, in the zone of the stamps.
        tz : str, optional
            Zone in which stamps without one are read and to which others are converted; by default stamps stay
            as they are.

        Raises
        ------
        DataError
            Stamps that cannot be read, do not increase or lie outside the session; `overnight` missing or negative.
        """
        name = "TimeGrid.from_timestamps"
        stamps = read_stamps(edges, tz, name)
        zone = stamps.tz
        wall = stamps.tz_localize(None)
        falls = np.flatnonzero(np.diff(wall.asi8) <= 0)
        if falls.size:
            raise DataError(f"{name}: edges do not increase: {wall[falls[0]]} is followed by {wall[falls[0] + 1]}")
        hours = SessionHours.read(name, open, close, None, None)
        return cls._from_wall(name, wall, overnight, hours, zone)

    @classmethod
    def _from_wall(
        cls, name: str, wall: pd.DatetimeIndex, overnight: float | None, hours: SessionHours, tz: Any
    ) -> Self:
        """Build from wall-clock stamps without a zone; risk time is session time, plus `overnight` a night."""
        if len(wall) < 2:
            raise DataError(f"{name}: {len(wall)} edges; at least two are needed")
        days = wall.normalize()
        of_day = wall.asi8 - days.asi8
        outside = np.flatnonzero((of_day < hours.open) | (of_day > hours.close))
        if outside.size:
            raise DataError(
                f"{name}: edge {wall[outside[0]]} is outside the session {clock(hours.open)} to {clock(hours.close)}; "
                "state other hours with open= and close="
            )
        steps = np.diff(of_day).astype(float)
        night = np.diff(days.asi8) > 0
        if night.any():
            steps[night] += (hours.close - hours.open) * (1.0 + checked_overnight(overnight, name, wall, night))
            empty = np.flatnonzero(night & (steps <= 0))
            if empty.size:
                raise DataError(
                    f"{name}: overnight=0 leaves the night after {wall[empty[0]]} without any risk time; state a "
                    "positive one (about 0.5 on US stocks, or 1e-6 to neglect it)"
                )
        edges = np.concatenate([[0.0], np.cumsum(steps)]) / (hours.close - hours.open)
        length = pd.Timedelta(microseconds=hours.close - hours.open)
        return cls(edges, closed=night, timestamps=localized(wall, tz, name), session=length)

    # ------------------------------------------------------------------ what it holds

    @property
    def edges(self) -> NDArray[np.float64]:
        """t_0..t_N, shape (N+1,), in `unit`; read-only."""
        return self._edges

    @property
    def unit(self) -> str:
        """What 1 means; "day" is one regular session."""
        return self._unit

    @property
    def closed(self) -> NDArray[np.bool_]:
        """Intervals in which nothing can trade, shape (N,); read-only."""
        return self._closed

    @property
    def timestamps(self) -> pd.DatetimeIndex | None:
        """The N+1 edges on the clock, or None."""
        return self._timestamps

    @property
    def session_length(self) -> pd.Timedelta:
        """Trading time in one "day"."""
        return pd.Timedelta(microseconds=self._session)

    @property
    def periods(self) -> int:
        """N, the number of intervals, nights included."""
        return self._edges.size - 1

    @property
    def horizon(self) -> float:
        """t_N - t_0, in `unit`."""
        return float(self._edges[-1] - self._edges[0])

    @cached_property
    def durations(self) -> NDArray[np.float64]:
        """tau_1..tau_N, shape (N,), in `unit`; read-only."""
        return frozen(np.diff(self._edges))

    @cached_property
    def edge_labels(self) -> pd.Index:
        """The N+1 edges as labels: timestamps where there are any, else numbers in `unit`."""
        stamps = pd.Index(self._edges) if self._timestamps is None else self._timestamps
        return stamps.rename("time")

    @cached_property
    def labels(self) -> pd.Index:
        """The N interval starts as labels."""
        return self.edge_labels[:-1]

    # ------------------------------------------------------------------ reading times

    def duration(self, value: TimeLike) -> float:
        """Return a length of time in the grid's unit.

        Parameters
        ----------
        value : float, text or timedelta
            A number is in `unit` already; "30min" or a timedelta is trading time on the clock, and "2 days" is
            two sessions.

        Raises
        ------
        DataError
            Not a length of time, negative, not finite, or a text where the grid's unit is none of those understood.
        """
        length = number(value)
        if length is None:
            length = self._lookup.trading_time(value)
            if length is None:
                raise DataError(f"{value!r} is not a length of time; '30min', '1.5h' or a number of {self._unit}s is")
        if not 0 <= length < np.inf:
            raise DataError(f"a length of time of {value!r}; a finite number of at least 0 is accepted")
        return length

    def position(self, time: TimeLike) -> int:
        """Return the index 0..N of the edge at a time.

        Parameters
        ----------
        time : text, datetime, timedelta or float
            "11:30" (time of day, on a grid of one session); "20min" or a timedelta (trading time since t_0; at the
            end of a session, the start of the next); a timestamp (without a zone: in the grid's); or a number in
            `unit`, on the scale of `edges`.

        Raises
        ------
        DataError
            Unreadable, outside the grid, or between two edges, which are named.
        """
        return self._lookup.locate(time)

    def interval(self, time: TimeLike) -> int:
        """Return the index 0..N-1 of the interval that starts at a time (see `position`).

        Raises
        ------
        DataError
            As `position`; or the time is the grid's end, where no interval starts.
        """
        index = self.position(time)
        if index == self.periods:
            raise DataError(
                f"{time!r} is the end of the grid; the last interval starts at {self._lookup.name(self.periods - 1)}"
            )
        return index

    def window(self, during: tuple[TimeLike | None, TimeLike | None] | None) -> NDArray[np.bool_]:
        """Return the intervals within a half-open window, as a mask of shape (N,).

        Parameters
        ----------
        during : (start, end) or None
            Times as in `position`; None means all intervals, or an open end. Times of day apply to each session
            that the window touches, and do not include nights.

        Raises
        ------
        DataError
            Not a pair, empty or reversed, outside the grid, or off its edges.
        """
        return self._lookup.window(during)

    # ------------------------------------------------------------------ value semantics

    def __eq__(self, other: object) -> bool:
        """Equal when edges, unit, closed intervals, clock times and session length are."""
        return self._key == other._key if isinstance(other, TimeGrid) else NotImplemented

    def __hash__(self) -> int:
        """Hash by value."""
        return hash(self._key)

    def __len__(self) -> int:
        """N, the number of intervals."""
        return self.periods

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild through the constructor, so that a copy is read-only too."""
        return _rebuild, (type(self), self._edges, self._unit, self._closed, self._timestamps, self._session)

    def __repr__(self) -> str:
        """Span, intervals, nights and zone."""
        nights = int(self._closed.sum())
        lengths = self.durations[~self._closed]
        even = np.allclose(lengths, lengths[0], rtol=1e-9, atol=0.0)
        head = f"{self._lookup.name(0)} to {self._lookup.name(self.periods)}"
        if self._timestamps is None:
            head, size = f"{head} {self._unit}", f"{lengths[0]:.6g}"
        else:
            size = span(lengths[0] * self._session)
        parts = [head, f"{lengths.size} interval{'s' * (lengths.size > 1)} of {size if even else 'uneven length'}"]
        if nights:
            parts.append(f"{nights} closed")
        if self._timestamps is not None and self._timestamps.tz is not None:
            parts.append(str(self._timestamps.tz))
        return f"TimeGrid({', '.join(parts)})"

    # ------------------------------------------------------------------ inside

    @cached_property
    def _lookup(self) -> EdgeLookup:
        return EdgeLookup(self._edges, self._closed, self._timestamps, self._unit, self._session)

    @cached_property
    def _key(self) -> tuple[object, ...]:
        stamps = self._timestamps
        when = None if stamps is None else (stamps.asi8.tobytes(), str(stamps.tz))
        return self._edges.tobytes(), self._unit, self._closed.tobytes(), when, self._session


def _rebuild(
    kind: type[TimeGrid],
    edges: NDArray[np.float64],
    unit: str,
    closed: NDArray[np.bool_],
    timestamps: pd.DatetimeIndex | None,
    session: float,
) -> TimeGrid:
    length = pd.Timedelta(microseconds=session)
    return kind(edges, unit=unit, closed=closed, timestamps=timestamps, session=length)

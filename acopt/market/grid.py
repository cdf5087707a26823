"""The time grid: when trading may happen, and how much risk time passes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd

from acopt.errors import DataError
from acopt.market.calendar import exchange
from acopt.market.clock import number, parse_date
from acopt.market.edges import localized, read_stamps
from acopt.market.intervals import Intervals
from acopt.market.labels import LARGEST, short
from acopt.market.session import Auctions, Day, Hours, Outline, Plan, listed_days, read_hours, stamped_outline

__all__ = ["TimeGrid"]

NEW_YORK = "America/New_York"
MOST = 1_000_000
"""Intervals: more than the seconds of a month of sessions."""


class TimeGrid(Intervals):
    """N consecutive intervals of any length between edges t_0 <= t_1 <= ... <= t_N.

    tau_k = t_k - t_{k-1}, k = 1..N. In the default unit, "day", 1 is one regular session from open to close
    (6.5 hours in the US; a midday break left out). A night or a break is a closed interval: nothing trades, and its
    tau is the risk time stated for it. An auction is an interval of tau = 0: it trades, and no risk time passes. On the
    clock, where labels must differ, a cross is shown as one second: the opening cross is labelled one second before
    the session's first edge, 09:29:59 to 09:30:00, and the closing cross is shown from 16:00:00 to 16:00:01.
    Immutable; equal and hashable by value.

    Parameters
    ----------
    edges : array_like, shape (N+1,), in `unit`
        Finite, strictly increasing but for auctions, whose two edges are the same number.
    unit : str
        What 1 means. Texts such as "20min" are understood with "day" (a session), "hour", "minute" and "second".
    closed : array_like of bool, shape (N,), optional
        Intervals in which nothing can trade. None by default.
    auctions : array_like of bool, shape (N,), optional
        Intervals that are auctions, none of them closed; they need `timestamps`. None by default.
    timestamps : pd.DatetimeIndex, shape (N+1,), optional
        The edges on the clock, increasing; `session`, `sessions` and `from_timestamps` fill it in.
    session : text or timedelta
        Trading time in one "day".

    Raises
    ------
    DataError
        Fewer than two edges, a NaN, edges that do not increase, an auction that takes time or is closed, no interval
        that is open to continuous trading, or shapes that do not fit.
    """

    @classmethod
    def uniform(cls, horizon: float, periods: int, *, unit: str = "day") -> Self:
        """Build `periods` intervals of equal length from 0 to `horizon`.

        Raises
        ------
        DataError
            `horizon` is not a positive number, or `periods` not a positive integer.
        """
        length = number(horizon)
        if length is None or not 0 < length <= LARGEST:
            raise DataError(f"TimeGrid.uniform: horizon={horizon!r}; a positive number of {unit}s is accepted")
        if number(periods) is None or not isinstance(periods, int | np.integer) or not 1 <= periods <= MOST:
            raise DataError(
                f"TimeGrid.uniform: periods={short(periods)}; a positive integer up to {MOST:,} is accepted"
            )
        return cls(np.linspace(0.0, length, int(periods) + 1), unit=unit)

    @classmethod
    def session(
        cls,
        date: str | dt.date | np.datetime64,
        bar: str | dt.timedelta,
        *,
        start: str | dt.time | None = None,
        end: str | dt.time | None = None,
        auctions: Auctions = False,
        calendar: str | None = None,
        lunch: float | None = None,
        open: str | dt.time | None = None,
        close: str | dt.time | None = None,
        tz: str | None = NEW_YORK,
    ) -> Self:
        """Build the intervals of length `bar` from `start` to `end` of one session.

        Parameters
        ----------
        date : date
            Day of the session, in `tz`.
        bar : text or timedelta
            Interval length, such as "15min"; divides the time from `start` to `end` (before and after a break).
        start, end : time of day, optional
            First and last edge of continuous trading; the session's open and close by default.
        auctions : bool, "open" or "close"
            True adds the crosses that `start` to `end` reaches: the opening one when it starts at the open, the
            closing one when it ends at the close. "open" or "close" adds that one only.
        calendar : str, optional
            An exchange, such as "XNYS": its sessions, early closes, midday break and time zone (extra "data").
            1 "day" is its regular session, so a half day is shorter.
        lunch : float, in sessions
            Risk time of a midday break; required when the grid runs over one.
        open, close : time of day, optional
            The regular session, 09:30 to 16:00 by default; its length is 1 "day". A calendar knows them.
        tz : str or None
            Time zone of the stamps; None leaves them without a zone. A calendar knows its own.

        Raises
        ------
        MissingExtraError
            `calendar` without the library exchange-calendars.
        DataError
            A time outside the session or in a break, an end before the start, a bar that does not divide the window,
            a date without a session, crosses that the window does not reach, a calendar that is unknown or
            contradicted by `open`, `close` or `tz`.
        """
        name = "TimeGrid.session"
        day = parse_date(date, f"{name}: date")
        if calendar is not None:
            regular, days, zone = _of_exchange(name, calendar, day, day, open, close, tz)
            return cls._cut(Plan.read(name, regular, bar, start, end, auctions, lunch=lunch), days, zone)
        if day.weekday() > 4:
            raise DataError(
                f"{name}: {day:%Y-%m-%d} is a {day:%A}; sessions are Monday to Friday "
                "(TimeGrid.from_timestamps takes any day)"
            )
        regular = _regular(name, open, close)
        return cls._cut(Plan.read(name, regular, bar, start, end, auctions, lunch=lunch), [Day(day, regular)], tz)

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
        auctions: Auctions = False,
        calendar: str | None = None,
        lunch: float | None = None,
        open: str | dt.time | None = None,
        close: str | dt.time | None = None,
        tz: str | None = NEW_YORK,
    ) -> Self:
        """Build the intervals of several sessions, with a closed interval for each night between them.

        tau_night = overnight + (close - end) / (close - open) + (start - open) / (close - open)

        One formula for every night: a weekend or a holiday is one night. A midday break outside `start` to `end`
        adds `lunch` to it. A night without any risk time cannot be an interval and is refused.

        Parameters
        ----------
        first, last : date
            First and last session, both included.
        bar, start, end, auctions, lunch, open, close, tz
            As in `session`, the same on every day.
        overnight : float, in sessions
            Risk time from close to open; required with more than one session.
        dates : iterable of dates, optional
            The days with a session; those from `first` to `last` are used. Monday to Friday by default, which
            does not know holidays.
        calendar : str, optional
            As in `session`, instead of `dates`; its regular session is that of `first`.

        Raises
        ------
        MissingExtraError, DataError
            As in `session`; `first` or `last` without a session; `overnight` missing, negative, or a night of zero.
        """
        name = "TimeGrid.sessions"
        begin, stop = parse_date(first, f"{name}: first"), parse_date(last, f"{name}: last")
        if stop < begin:
            raise DataError(f"{name}: last={stop:%Y-%m-%d} is before first={begin:%Y-%m-%d}")
        zone: str | None
        if calendar is not None:
            if dates is not None:
                raise DataError(
                    f"{name}: dates= and calendar={calendar!r} both say which days have a session; give one"
                )
            regular, days, zone = _of_exchange(name, calendar, begin, stop, open, close, tz)
        else:
            regular, zone = _regular(name, open, close), tz
            days = [Day(day, regular) for day in listed_days(name, begin, stop, dates)]
        return cls._cut(Plan.read(name, regular, bar, start, end, auctions, overnight, lunch), days, zone)

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
        hours = read_hours(name, open, close)
        outline = stamped_outline(name, stamps.tz_localize(None), hours, overnight)
        return cls._from_outline(name, outline, hours, stamps.tz)

    @classmethod
    def _cut(cls, plan: Plan, days: list[Day], tz: Any) -> Self:
        return cls._from_outline(plan.name, plan.outline(days), plan.regular, tz)

    @classmethod
    def _from_outline(cls, name: str, outline: Outline, regular: Hours, tz: Any) -> Self:
        wall = pd.DatetimeIndex(outline.wall.astype("datetime64[us]"))
        return cls(
            np.concatenate([[0.0], np.cumsum(outline.steps)]) / regular.length,
            closed=outline.closed,
            auctions=outline.auctions,
            timestamps=localized(wall, tz, name),
            session=pd.Timedelta(microseconds=regular.length),
        )


def _regular(name: str, open: str | dt.time | None, close: str | dt.time | None) -> Hours:
    return read_hours(name, "09:30" if open is None else open, "16:00" if close is None else close)


def _of_exchange(
    name: str, calendar: str, first: pd.Timestamp, last: pd.Timestamp, open: object, close: object, tz: str | None
) -> tuple[Hours, list[Day], str]:
    """Regular hours, sessions and zone of an exchange; what it knows itself may not be stated beside it."""
    for key, value in (("open", open), ("close", close)):
        if value is not None:
            raise DataError(f"{name}: {key}={value!r} beside calendar={calendar!r}, which knows the hours; give one")
    found = exchange(name, calendar, first, last)
    if tz not in (NEW_YORK, found.zone):
        raise DataError(f"{name}: tz={tz!r}, but the sessions of {calendar} are in {found.zone}; leave tz= out")
    return found.regular, found.days, found.zone

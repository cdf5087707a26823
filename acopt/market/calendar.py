"""The sessions of real exchanges: the one door to the library exchange-calendars (extra "data")."""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from acopt.errors import DataError, MissingExtraError
from acopt.market.clock import parse_time_of_day
from acopt.market.labels import is_one_of
from acopt.market.session import Day, Hours

__all__ = ["Exchange", "exchange"]

_NEIGHBOURS = pd.Timedelta(days=15)
_MICROSECOND = pd.Timedelta(microseconds=1)


@dataclass(frozen=True)
class Exchange:
    """Sessions of one exchange over a range of dates.

    Attributes
    ----------
    zone : name of the exchange's time zone.
    regular : the hours of a regular session on the first of the days.
    days : the sessions in the range, early closes and late opens included.
    """

    zone: str
    regular: Hours
    days: list[Day]


def exchange(name: str, calendar: str, first: pd.Timestamp, last: pd.Timestamp) -> Exchange:
    """Read the sessions from `first` to `last`, both included, from an exchange's calendar.

    Parameters
    ----------
    name : how messages call the caller.
    calendar : market identifier code, such as "XNYS".
    first, last : midnights without a zone, each a session.

    Raises
    ------
    MissingExtraError
        exchange-calendars is not installed.
    DataError
        An unknown calendar, dates beyond it, `first` or `last` without a session (names the nearest), or sessions
        that run over midnight.
    """
    try:
        import exchange_calendars as library  # type: ignore[import-untyped]
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"calendar={calendar!r}: install exchange-calendars: pip install 'acopt[data]'"
        ) from error
    known = library.get_calendar_names(include_aliases=True)
    if not is_one_of(calendar, known):
        raise DataError(
            f"{name}: calendar={calendar!r} is not known; one of {len(known)} is accepted, such as 'XNYS' (New York), "
            "'XNAS' (Nasdaq), 'XTSE' (Toronto), 'XLON' (London), 'XETR' (Frankfurt), 'XTKS' (Tokyo), 'XHKG' (Hong Kong)"
        )
    with warnings.catch_warnings():
        # The library's own use of pandas is no concern of the caller.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            found = library.get_calendar(calendar, start=first - _NEIGHBOURS, end=last + _NEIGHBOURS)
        except (ValueError, NotImplementedError) as error:  # dates out of its bounds, holidays that pandas cannot place
            raise DataError(
                f"{name}: exchange-calendars has no calendar {calendar!r} for these dates: {error}; give the hours "
                "(open=, close=, dates=) instead"
            ) from error
        zone = str(found.tz)
        table = pd.DataFrame({"open": found.opens, "close": found.closes})
        if found.has_break:
            table["pause"], table["resume"] = found.break_starts, found.break_ends
    sessions = pd.DatetimeIndex(table.index)
    for day in (first, last):
        if day not in sessions:
            before, after = sessions[sessions < day][-1:], sessions[sessions > day][:1]
            nearest = " and ".join(f"{each:%Y-%m-%d}" for each in [*before, *after])
            raise DataError(f"{name}: {day:%A %Y-%m-%d} is not a session of {calendar}; the nearest are {nearest}")
    chosen = table.loc[first:last]
    days = [
        Day(day, _hours(name, calendar, zone, day, row))
        for day, row in zip(chosen.index, chosen.to_dict("records"), strict=True)
    ]
    return Exchange(zone, _regular(found, first), days)


def _hours(name: str, calendar: str, zone: str, day: pd.Timestamp, row: Mapping[Hashable, Any]) -> Hours:
    """Hours of one session, from stamps in UTC."""
    times = {
        key: (stamp.tz_convert(zone).tz_localize(None) - day) // _MICROSECOND
        for key, stamp in row.items()
        if not pd.isna(stamp)
    }
    if not 0 <= times["open"] < times["close"] < pd.Timedelta(days=1) // _MICROSECOND:
        raise DataError(f"{name}: the sessions of {calendar} run over midnight, which a grid of sessions cannot hold")
    return Hours(times["open"], times["close"], (times["pause"], times["resume"]) if "pause" in times else None)


def _regular(found: Any, day: pd.Timestamp) -> Hours:
    """Hours of a regular session on a date: the last ones that came into force."""

    def at(times: Sequence[tuple[pd.Timestamp | None, dt.time | None]] | None) -> int | None:
        in_force = [time for since, time in times or () if since is None or since <= day]
        return parse_time_of_day(in_force[-1]) if in_force else None

    open, close = at(found.open_times) or 0, at(found.close_times) or 0
    start, end = at(found.break_start_times), at(found.break_end_times)
    return Hours(open, close, None if start is None or end is None else (start, end))

"""How times are read: "HH:MM" of a session, "20min" of trading time, dates and timestamps."""

from __future__ import annotations

import datetime as dt
import math
import re
from typing import TypeAlias

import numpy as np
import pandas as pd

from acopt.errors import DataError

__all__ = [
    "SECOND",
    "TimeLike",
    "clock",
    "integer",
    "number",
    "parse_date",
    "parse_duration",
    "parse_time_of_day",
    "parse_timestamp",
    "span",
]

TimeLike: TypeAlias = "str | float | dt.datetime | dt.time | dt.timedelta | np.datetime64 | np.timedelta64"

SECOND = 1_000_000
"""Microseconds in a second: every clock time is an integer number of microseconds."""

_TIME_OF_DAY = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}.*")
_PART = re.compile(r"(\d+\.?\d*|\.\d+)\s*([a-z]+)\s*")
_UNITS = {
    **dict.fromkeys(("ms", "millisecond", "milliseconds"), SECOND / 1000),
    **dict.fromkeys(("s", "sec", "second", "seconds"), float(SECOND)),
    **dict.fromkeys(("min", "minute", "minutes"), 60.0 * SECOND),
    **dict.fromkeys(("h", "hour", "hours"), 3600.0 * SECOND),
}
_SESSIONS = frozenset({"d", "day", "days", "session", "sessions"})


def number(value: object) -> float | None:
    """Return a real number as a float, None for anything else (a bool is not a number here)."""
    if isinstance(value, bool | np.bool_ | np.timedelta64):
        return None
    if not isinstance(value, int | float | np.integer | np.floating):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def integer(value: object) -> int | None:
    """Return a whole number as an int, None for anything else (a bool is none here, nor is a span of time)."""
    return int(value) if isinstance(value, int | np.integer) and number(value) is not None else None


def parse_time_of_day(value: object) -> int | None:
    """Return "HH:MM[:SS]" or a `datetime.time` as microseconds since midnight; None when it is neither.

    Raises
    ------
    DataError
        The text has the form of a time of day, but there is no such time.
    """
    if isinstance(value, dt.time):
        return ((value.hour * 60 + value.minute) * 60 + value.second) * SECOND + value.microsecond
    match = _TIME_OF_DAY.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        return None
    hour, minute, second = (int(part or 0) for part in match.groups())
    if hour > 23 or minute > 59 or second > 59:
        raise DataError(f"{value!r} is not a time of day; 00:00 to 23:59:59 is accepted")
    return ((hour * 60 + minute) * 60 + second) * SECOND


def parse_duration(value: object, session: float) -> float | None:
    """Return "1h30min", "2 days" or a timedelta as microseconds; None when it is neither.

    A "day" in text is one session of `session` microseconds; a timedelta is clock time, so that
    `pd.Timedelta("1D")` is 24 hours of trading.
    """
    if isinstance(value, np.timedelta64):
        value = pd.Timedelta(value)
    if isinstance(value, dt.timedelta):
        return None if pd.isna(value) else value / dt.timedelta(microseconds=1)
    if not isinstance(value, str):
        return None
    text, total, end = value.strip().lower(), 0.0, 0
    for part in _PART.finditer(text):
        unit = session if part[2] in _SESSIONS else _UNITS.get(part[2])
        if part.start() != end or unit is None:
            return None
        total, end = total + float(part[1]) * unit, part.end()
    return total if text and end == len(text) else None


def parse_timestamp(value: object) -> pd.Timestamp | None:
    """Return an ISO text, datetime or date as a Timestamp; None when it is none of them, or NaT.

    Words such as "now" are not read: a grid must not depend on when it was built.
    """
    if isinstance(value, str):
        if _ISO.fullmatch(value.strip()) is None:
            return None
    elif not isinstance(value, dt.date | np.datetime64):
        return None
    try:
        stamp = pd.Timestamp(value)
    except (ValueError, OverflowError):
        return None
    return None if pd.isna(stamp) else stamp


def parse_date(value: object, name: str) -> pd.Timestamp:
    """Return a date as a naive midnight.

    Raises
    ------
    DataError
        Not a date, or a date with a time of day.
    """
    stamp = parse_timestamp(value)
    if stamp is None:
        raise DataError(f"{name}={value!r} is not a date; a date such as '2019-02-15' is accepted")
    naive = stamp.tz_localize(None)
    if naive != naive.normalize():
        raise DataError(f"{name}={value!r} carries a time of day; a date such as '{naive:%Y-%m-%d}' is accepted")
    return naive


def span(microseconds: float) -> str:
    """Return a span of clock time as one reads it: "15min", "1h 30min", "30s"."""
    seconds = microseconds / SECOND
    if not math.isclose(seconds, round(seconds), abs_tol=1e-9):
        return f"{seconds:.6g}s"
    minutes, second = divmod(round(seconds), 60)
    hour, minute = divmod(minutes, 60)
    if hour and minute == second == 0:
        return f"{hour}h"
    parts = [(hour, "h"), (minute, "min"), (second, "s")]
    return " ".join(f"{amount}{unit}" for amount, unit in parts if amount) or "0s"


def clock(microseconds: float) -> str:
    """Return microseconds since midnight as "HH:MM" or "HH:MM:SS"."""
    minutes, second = divmod(round(microseconds / SECOND), 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}" + (f":{second:02d}" if second else "")

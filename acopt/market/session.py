"""What a grid is made from: the hours of a session, stamps and edges, each checked by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from acopt.errors import DataError
from acopt.market.clock import SECOND, clock, number, parse_duration, parse_time_of_day, parse_timestamp, span

__all__ = [
    "SessionHours",
    "checked_closed",
    "checked_edges",
    "checked_overnight",
    "checked_timestamps",
    "frozen",
    "localized",
    "read_stamps",
]

_WHY_OVERNIGHT = (
    "the risk time of a night in sessions, as overnight=0.5: on US stocks of 2019 the close-to-close variance was a "
    "median 1.49 times the open-to-close one (up to 2.65), so about 0.5 sessions a night"
)


class SessionHours:
    """Open, close, start and end of a session, in microseconds since midnight."""

    def __init__(self, open: int, close: int, start: int, end: int) -> None:
        self.open, self.close, self.start, self.end = open, close, start, end

    @classmethod
    def read(cls, name: str, open: object, close: object, start: object, end: object) -> SessionHours:
        """Read and check the four times of day."""
        times: dict[str, int] = {}
        given = {"open": open, "close": close, "start": start, "end": end}
        for key, value in given.items():
            fallback = {"start": "open", "end": "close"}.get(key)
            if value is None and fallback:
                times[key] = times[fallback]
                continue
            parsed = parse_time_of_day(value)
            if parsed is None:
                raise DataError(f"{name}: {key}={value!r} is not a time of day; '09:30' is accepted")
            times[key] = parsed
        for early, late in (("open", "close"), ("start", "end")):
            if times[early] >= times[late]:
                raise DataError(f"{name}: {early} {clock(times[early])} is not before {late} {clock(times[late])}")
        for key in ("start", "end"):
            if not times["open"] <= times[key] <= times["close"]:
                raise DataError(
                    f"{name}: {key} {clock(times[key])} is outside the session "
                    f"{clock(times['open'])} to {clock(times['close'])}"
                )
        return cls(**times)

    def stamps(self, days: list[pd.Timestamp], bar: object, name: str) -> pd.DatetimeIndex:
        """Edges of all days, without a zone."""
        length = parse_duration(bar, float(self.close - self.open))
        if length is None or not 0 < length < np.inf:
            raise DataError(f"{name}: bar={bar!r} is not a length of time; '15min' is accepted")
        window = self.end - self.start
        count = round(window / length)
        if count < 1 or abs(count * length - window) > 1e-6 * SECOND:
            raise DataError(
                f"{name}: a bar of {span(length)} does not divide {clock(self.start)} to {clock(self.end)} "
                f"({span(window)}); {_divisors(window, length)} would"
            )
        offsets = self.start + np.round(np.arange(count + 1) * length).astype(np.int64)
        midnights = pd.DatetimeIndex(days).as_unit("us").asi8
        return pd.DatetimeIndex((midnights[:, None] + offsets[None, :]).ravel().astype("datetime64[us]"))


def _divisors(window: int, length: float) -> str:
    """Name the two whole minutes (or seconds) nearest to `length` that divide the window."""
    base = 60 * SECOND if window % (60 * SECOND) == 0 and length >= 60 * SECOND else SECOND
    whole = window // base
    fits = [size * base for size in range(1, whole + 1) if whole % size == 0]
    below, above = [size for size in fits if size < length], [size for size in fits if size > length]
    return " or ".join(span(size) for size in [*below[-1:], *above[:1]])


def checked_overnight(overnight: float | None, name: str, wall: pd.DatetimeIndex, night: NDArray[np.bool_]) -> float:
    """Return the risk time of a night, in sessions; the message says what a sound one is."""
    if overnight is None:
        raise DataError(
            f"{name}: the grid runs over the night after {wall[int(np.flatnonzero(night)[0])]}; state {_WHY_OVERNIGHT}"
        )
    value = number(overnight)
    if value is None or not 0 <= value < np.inf:
        raise DataError(f"{name}: overnight={overnight!r}; state {_WHY_OVERNIGHT}")
    return value


def read_stamps(edges: Sequence[Any] | pd.DatetimeIndex, tz: str | None, name: str) -> pd.DatetimeIndex:
    """Read stamps one by one, so that the message can say which one fails."""
    read = []
    for at, value in enumerate(edges):
        stamp = parse_timestamp(value)
        if stamp is None:
            raise DataError(f"{name}: edge {at} is {value!r}; a timestamp such as '2019-02-15 09:30' is accepted")
        read.append(stamp)
    zones = {str(stamp.tz) for stamp in read}
    if len(zones) > 1:
        raise DataError(f"{name}: edges in several time zones ({', '.join(sorted(zones))}); one is accepted")
    stamps = pd.DatetimeIndex(read).as_unit("us")
    if tz is None:
        return stamps
    return localized(stamps, tz, name) if stamps.tz is None else stamps.tz_convert(tz)


def localized(wall: pd.DatetimeIndex, tz: Any, name: str) -> pd.DatetimeIndex:
    """Return naive stamps in a time zone (None: as they are).

    Raises
    ------
    DataError
        No such zone, or a stamp that a change to or from summer time makes ambiguous or skips.
    """
    try:
        return wall.tz_localize(tz)
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(f"{name}: tz={tz!r} does not fit: {error}; 'America/New_York' or None is accepted") from error


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array, no longer writeable."""
    array.setflags(write=False)
    return array


def checked_edges(edges: ArrayLike) -> NDArray[np.float64]:
    """Return t_0..t_N as floats: finite, strictly increasing, at least two."""
    raw = np.asarray(edges)
    if raw.dtype.kind not in "iuf":
        raise DataError(
            f"TimeGrid: edges of type {raw.dtype}; increasing numbers are accepted (clock times: from_timestamps)"
        )
    if raw.ndim != 1 or raw.size < 2:
        raise DataError(f"TimeGrid: edges of shape {raw.shape}; N+1 numbers are accepted, at least two")
    values: NDArray[np.float64] = raw.astype(np.float64) + 0.0
    wrong = np.flatnonzero(~np.isfinite(values))
    if wrong.size:
        raise DataError(f"TimeGrid: edge {wrong[0]} is {values[wrong[0]]}; finite numbers are accepted")
    falls = np.flatnonzero(np.diff(values) <= 0)
    if falls.size:
        at = falls[0]
        raise DataError(
            f"TimeGrid: edges do not increase: edge {at} is {values[at]:.12g}, edge {at + 1} is {values[at + 1]:.12g}"
        )
    return frozen(values)


def checked_closed(closed: ArrayLike | None, periods: int) -> NDArray[np.bool_]:
    """Return the closed intervals as a mask of shape (N,), at least one of them open."""
    if closed is None:
        return frozen(np.zeros(periods, dtype=bool))
    mask = np.array(closed)
    if mask.dtype != bool or mask.shape != (periods,):
        raise DataError(
            f"TimeGrid: closed of type {mask.dtype}, shape {mask.shape}; bool of shape ({periods},) is accepted"
        )
    if mask.all():
        raise DataError("TimeGrid: every interval is closed; at least one must be open to trade")
    return frozen(mask)


def checked_timestamps(timestamps: pd.DatetimeIndex | None, size: int) -> pd.DatetimeIndex | None:
    """Return N+1 increasing stamps in microseconds, or None."""
    if timestamps is None:
        return None
    if not isinstance(timestamps, pd.DatetimeIndex) or len(timestamps) != size:
        raise DataError(f"TimeGrid: timestamps of {len(timestamps)} stamps; a DatetimeIndex of {size} is accepted")
    if timestamps.hasnans or (np.diff(timestamps.asi8) <= 0).any():
        raise DataError("TimeGrid: timestamps must be present and increase")
    return timestamps.as_unit("us")

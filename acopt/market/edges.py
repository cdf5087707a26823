"""Edges, masks and stamps as a grid accepts them, each checked by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from acopt.errors import DataError
from acopt.market.clock import parse_timestamp
from acopt.market.labels import LARGEST, short

__all__ = [
    "checked_edges",
    "checked_mask",
    "checked_timestamps",
    "frozen",
    "localized",
    "numeric_edges",
    "read_stamps",
]


def read_stamps(edges: Sequence[Any] | pd.DatetimeIndex, tz: str | None, name: str) -> pd.DatetimeIndex:
    """Read stamps one by one, so that the message can say which one fails; strictly increasing."""
    if isinstance(edges, str) or not isinstance(edges, Iterable) or (isinstance(edges, np.ndarray) and edges.ndim != 1):
        raise DataError(f"{name}: edges={short(edges)}; a list of timestamps is accepted")
    read = []
    for at, value in enumerate(edges):
        stamp = parse_timestamp(value)
        if stamp is None:
            raise DataError(f"{name}: edge {at} is {value!r}; a timestamp such as '2019-02-15 09:30' is accepted")
        read.append(stamp)
    if len(read) < 2:
        raise DataError(f"{name}: {len(read)} edges; at least two are needed")
    zones = {str(stamp.tz) for stamp in read}
    if len(zones) > 1:
        raise DataError(f"{name}: edges in several time zones ({', '.join(sorted(zones))}); one is accepted")
    stamps = pd.DatetimeIndex(read).as_unit("us")
    if tz is not None:
        stamps = localized(stamps, tz, name) if stamps.tz is None else stamps.tz_convert(tz)
    wall = stamps.tz_localize(None)
    falls = np.flatnonzero(np.diff(wall.asi8) <= 0)
    if falls.size:
        raise DataError(f"{name}: edges do not increase: {wall[falls[0]]} is followed by {wall[falls[0] + 1]}")
    return stamps


def localized(wall: pd.DatetimeIndex, tz: Any, name: str) -> pd.DatetimeIndex:
    """Return naive stamps in a time zone (None: as they are).

    Raises
    ------
    DataError
        No such zone, or a stamp that a change to or from summer time makes ambiguous or skips.
    """
    try:
        return wall.tz_localize(tz)
    except (LookupError, ValueError, TypeError, NotImplementedError, OverflowError) as error:  # "", the year 10000
        raise DataError(f"{name}: tz={tz!r} does not fit: {error}; 'America/New_York' or None is accepted") from error


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array, no longer writeable."""
    array.setflags(write=False)
    return array


def numeric_edges(edges: ArrayLike) -> NDArray[np.float64]:
    """Return t_0..t_N as floats: finite, at least two."""
    raw = np.asarray(edges)
    if raw.dtype.kind not in "iuf":
        raise DataError(
            f"TimeGrid: edges of type {raw.dtype}; increasing numbers are accepted (clock times: from_timestamps)"
        )
    if raw.ndim != 1 or raw.size < 2:
        raise DataError(f"TimeGrid: edges of shape {raw.shape}; N+1 numbers are accepted, at least two")
    values: NDArray[np.float64] = raw.astype(np.float64) + 0.0
    wrong = np.flatnonzero(~(np.abs(values) <= LARGEST))
    if wrong.size:
        raise DataError(f"TimeGrid: edge {wrong[0]} is {values[wrong[0]]}; finite numbers are accepted")
    return values


def checked_edges(
    values: NDArray[np.float64], closed: NDArray[np.bool_], auctions: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the edges: both ends of an auction coincide, all others increase, and one interval is open."""
    steps = np.diff(values)
    both, long = np.flatnonzero(closed & auctions), np.flatnonzero(auctions & (steps != 0))
    falls = np.flatnonzero(~auctions & (steps < 1 / LARGEST))
    if both.size:
        raise DataError(f"TimeGrid: interval {both[0]} is closed and an auction; it is one or the other")
    if long.size:
        raise DataError(
            f"TimeGrid: interval {long[0]} is an auction and lasts {steps[long[0]]:.12g}; an auction lasts 0, "
            "both its edges are the same number"
        )
    if falls.size:
        at = falls[0]
        raise DataError(
            f"TimeGrid: edges do not increase: edge {at} is {values[at]:.12g}, edge {at + 1} is {values[at + 1]:.12g}"
        )
    if (closed | auctions).all():
        every = "closed or an auction" if auctions.any() else "closed"
        raise DataError(f"TimeGrid: every interval is {every}; at least one must be open to trade continuously")
    return frozen(values)


def checked_mask(mask: ArrayLike | None, periods: int, what: str) -> NDArray[np.bool_]:
    """Return a mask of shape (N,), False everywhere by default."""
    if mask is None:
        return frozen(np.zeros(periods, dtype=bool))
    try:
        out = np.array(mask)
    except ValueError:  # rows of different lengths
        out = np.array(mask, dtype=object)
    if out.dtype != bool or out.shape != (periods,):
        raise DataError(
            f"TimeGrid: {what} of type {out.dtype}, shape {out.shape}; bool of shape ({periods},) is accepted"
        )
    return frozen(out)


def checked_timestamps(
    timestamps: pd.DatetimeIndex | None, size: int, auctions: NDArray[np.bool_]
) -> pd.DatetimeIndex | None:
    """Return N+1 increasing stamps in microseconds, or None; auctions, whose edges coincide, need them as labels."""
    if timestamps is None:
        if auctions.any():
            raise DataError(
                f"TimeGrid: interval {int(np.argmax(auctions))} is an auction, and its two edges are one number; give "
                "timestamps= that tell them apart (TimeGrid.session(..., auctions=True) does)"
            )
        return None
    if not isinstance(timestamps, pd.DatetimeIndex) or len(timestamps) != size:
        raise DataError(f"TimeGrid: timestamps={short(timestamps)}; a DatetimeIndex of {size} is accepted")
    if timestamps.hasnans or (np.diff(timestamps.asi8) <= 0).any():
        raise DataError("TimeGrid: timestamps must be present and increase")
    return timestamps.as_unit("us")

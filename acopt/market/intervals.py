"""Consecutive intervals: their edges, which of them are closed or auctions, and times read on them."""

from __future__ import annotations

import datetime as dt
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from acopt.errors import DataError
from acopt.market.clock import SECOND, TimeLike, number, parse_duration, span
from acopt.market.edges import checked_edges, checked_mask, checked_timestamps, frozen, numeric_edges
from acopt.market.lookup import EdgeLookup

__all__ = ["Intervals"]

REGULAR_SESSION = 6.5 * 3600 * SECOND
"""Microseconds from open to close of a regular US session: 09:30 to 16:00."""


class Intervals:
    """What a `TimeGrid` holds, however it was built; see there."""

    def __init__(
        self,
        edges: ArrayLike,
        *,
        unit: str = "day",
        closed: ArrayLike | None = None,
        auctions: ArrayLike | None = None,
        timestamps: pd.DatetimeIndex | None = None,
        session: str | dt.timedelta = "6.5h",
    ) -> None:
        if not isinstance(unit, str) or not unit:
            raise DataError(f"TimeGrid: unit={unit!r} is not a name; 'day', 'hour', 'minute', 'second' are understood")
        values = numeric_edges(edges)
        self._unit = unit
        self._closed = checked_mask(closed, values.size - 1, "closed")
        self._auctions = checked_mask(auctions, values.size - 1, "auctions")
        self._edges = checked_edges(values, self._closed, self._auctions)
        self._timestamps = checked_timestamps(timestamps, values.size, self._auctions)
        length = parse_duration(session, REGULAR_SESSION)
        if length is None or not length > 0:
            raise DataError(f"TimeGrid: session={session!r} is not a length of time; '6.5h' would be")
        self._session = length

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
        """Intervals in which nothing can trade (nights, midday breaks), shape (N,); read-only."""
        return self._closed

    @property
    def auctions(self) -> NDArray[np.bool_]:
        """Intervals of zero duration in which everybody trades at one price, shape (N,); read-only."""
        return self._auctions

    def crosses(self, which: Literal["open", "close"]) -> NDArray[np.bool_]:
        """Return the opening or the closing crosses, one a session at most, as a mask of shape (N,)."""
        mask = np.zeros(self.periods, dtype=bool)
        mask[self._lookup.crosses(which)] = True
        return mask

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
        """N, the number of intervals, nights and auctions included."""
        return self._edges.size - 1

    @property
    def horizon(self) -> float:
        """t_N - t_0, in `unit`."""
        return float(self._edges[-1] - self._edges[0])

    @cached_property
    def durations(self) -> NDArray[np.float64]:
        """tau_1..tau_N, shape (N,), in `unit`, 0 in an auction; read-only."""
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
            "11:30" (time of day, on a grid of one session); "open" or "close" (where that cross starts, on a grid
            of one session); "20min" or a timedelta (trading time since t_0; at the end of a session, the start of
            the next); a timestamp (without a zone: in the grid's); or a number in `unit`, on the scale of `edges`
            (at a cross, the edge after it, as for trading time).

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
            that the window touches, and do not include nights. ("close", None) is the closing cross, and
            (None, "09:30") the opening one; numbers and trading times leave the crosses at their ends out.

        Raises
        ------
        DataError
            Not a pair, empty or reversed, outside the grid, or off its edges.
        """
        return self._lookup.window(during)

    # ------------------------------------------------------------------ value semantics

    def __eq__(self, other: object) -> bool:
        """Equal when edges (hence auctions), unit, closed intervals, clock times and session length are."""
        return self._key == other._key if isinstance(other, Intervals) else NotImplemented

    def __hash__(self) -> int:
        """Hash by value."""
        return hash(self._key)

    def __len__(self) -> int:
        """N, the number of intervals."""
        return self.periods

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild through the constructor, so that a copy is read-only too."""
        facts = {"unit": self._unit, "closed": self._closed, "auctions": self._auctions, "timestamps": self._timestamps}
        return _rebuild, (type(self), self._edges, {**facts, "session": self.session_length})

    def __repr__(self) -> str:
        """Span, intervals, nights, auctions and zone."""
        nights, crosses = int(self._closed.sum()), int(self._auctions.sum())
        lengths = self.durations[~self._closed & ~self._auctions]
        even = np.allclose(lengths, lengths[0], rtol=1e-9, atol=0.0)
        head = f"{self._lookup.name(0)} to {self._lookup.name(self.periods)}"
        if self._timestamps is None:
            head, size = f"{head} {self._unit}", f"{lengths[0]:.6g}"
        else:
            size = span(lengths[0] * self._session)
        parts = [head, f"{lengths.size} interval{'s' * (lengths.size > 1)} of {size if even else 'uneven length'}"]
        if nights:
            parts.append(f"{nights} closed")
        if crosses:
            parts.append(f"{crosses} auction{'s' * (crosses > 1)}")
        if self._timestamps is not None and self._timestamps.tz is not None:
            parts.append(str(self._timestamps.tz))
        return f"TimeGrid({', '.join(parts)})"

    # ------------------------------------------------------------------ inside

    @cached_property
    def _lookup(self) -> EdgeLookup:
        return EdgeLookup(self._edges, self._closed, self._auctions, self._timestamps, self._unit, self._session)

    @cached_property
    def _key(self) -> tuple[object, ...]:
        stamps = self._timestamps
        when = None if stamps is None else (stamps.asi8.tobytes(), str(stamps.tz))
        # The auctions are where two edges coincide.
        return self._edges.tobytes(), self._unit, self._closed.tobytes(), when, self._session


def _rebuild(kind: type[Intervals], edges: NDArray[np.float64], facts: dict[str, Any]) -> Intervals:
    return kind(edges, **facts)

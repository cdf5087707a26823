"""Price bars: read from files or frames, on one raster of sessions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from acopt.errors import DataError
from acopt.market.bar_files import BarSource, collect
from acopt.market.bar_layout import DAY, Hours, bar_length, lay_out, stamp_meaning
from acopt.market.clock import parse_date, parse_time_of_day, parse_timestamp, span
from acopt.market.edges import localized
from acopt.market.labels import demand, label_list, short

__all__ = ["Bars", "read_bars"]


@dataclass(frozen=True, eq=False, repr=False)
class Bars:
    """Bars of several symbols on one raster of sessions; made by `read_bars`.

    Attributes
    ----------
    open, high, low, close : pd.DataFrame, shape (bars, symbols), currency/share
        Indexed by bar start; NaN where a symbol misses a whole session.
    volume : pd.DataFrame, shape (bars, symbols), shares
        0 in a bar without a trade.
    present : pd.DataFrame of bool, shape (bars, symbols)
        The bar was in the source. False within a session is a no-trade bar, whose price is carried.
    length : pd.Timedelta
        Length of a bar; one day for daily bars.
    hours : tuple of datetime.time
        Open and close of the regular session.
    stamp, inferred : str
        Whether the source's stamps were bar starts or ends, and how that is known.
    sources : dict of str
        The file or frame of each symbol.
    """

    open: pd.DataFrame
    high: pd.DataFrame
    low: pd.DataFrame
    close: pd.DataFrame
    volume: pd.DataFrame
    present: pd.DataFrame
    length: pd.Timedelta
    hours: tuple[dt.time, dt.time]
    stamp: str
    inferred: str
    sources: Mapping[str, str]

    @property
    def symbols(self) -> list[str]:
        """The symbols, in the order they were read."""
        return list(self.close.columns)

    @property
    def daily(self) -> bool:
        """Whether a bar is a whole session."""
        return self.length == pd.Timedelta(days=1)

    @property
    def starts(self) -> pd.DatetimeIndex:
        """Bar starts; the date's midnight for daily bars."""
        return pd.DatetimeIndex(self.close.index)

    @property
    def ends(self) -> pd.DatetimeIndex:
        """Bar ends; the session's close for daily bars."""
        if not self.daily:
            return self.starts + self.length
        close = pd.Timedelta(microseconds=parse_time_of_day(self.hours[1]) or 0)
        wall = self.starts.tz_localize(None) + close
        return wall.tz_localize(self.starts.tz)

    @property
    def sessions(self) -> list[dt.date]:
        """The dates on which any symbol has a bar."""
        return [stamp.date() for stamp in self.starts.normalize().unique()]

    def select(self, symbols: Iterable[str]) -> Bars:
        """Return the bars of some symbols, in that order; the sessions stay.

        Raises
        ------
        DataError
            A symbol without bars.
        """
        wanted = label_list(symbols, "bars.select symbols")
        twice = [name for at, name in enumerate(wanted) if name in wanted[:at]]
        if twice:
            raise DataError(f"bars.select symbols: {twice[0]} appears more than once")
        unknown = [name for name in wanted if name not in self.close.columns]
        if unknown or not wanted:
            raise DataError(f"no bars of {', '.join(map(str, unknown)) or 'nothing'}; there are {_some(self.symbols)}")
        frames = {name: getattr(self, name)[wanted] for name in _FRAMES}
        return replace(self, sources={name: self.sources[name] for name in wanted}, **frames)

    def on(self, dates: Iterable[dt.date]) -> Bars:
        """Return the bars of some sessions.

        Raises
        ------
        DataError
            A date without a session.
        """
        wanted, days = set(_dates(dates)), self.starts.date
        unknown = wanted - set(days)
        if unknown or not wanted:
            raise DataError(
                f"no session on {min(unknown) if unknown else 'no date at all'}; there are {len(self.sessions)}, "
                f"{self.sessions[0]} to {self.sessions[-1]}"
            )
        keep = np.array([day in wanted for day in days])
        return replace(self, **{name: getattr(self, name)[keep] for name in _FRAMES})

    def before(self, asof: str | dt.date | np.datetime64) -> Bars:
        """Return the bars that ended at or before a time; a date means its midnight.

        Raises
        ------
        DataError
            Not a time, or no bar ended by then.
        """
        stamp = parse_timestamp(asof)
        if stamp is None:
            raise DataError(f"before({asof!r}): a timestamp or a date such as '2019-02-15' is accepted")
        if stamp.tz is None:
            stamp = localized(pd.DatetimeIndex([stamp]), self.starts.tz, "bars.before")[0]
        keep = self.ends <= stamp
        if not keep.any():
            raise DataError(f"no bar ended by {stamp}; the first one ends at {self.ends[0]}")
        return replace(self, **{name: getattr(self, name)[keep] for name in _FRAMES})

    def coverage(self, daily: Bars) -> pd.Series:
        """Return the share of the daily volume that these bars hold, by symbol.

        sum_d sum_b V_db / sum_d V_d over the days d for which both have the symbol; below 1 since auctions and
        off-exchange prints are missing from most intraday files. NaN for an index, whose volume is 0.

        Raises
        ------
        DataError
            `daily` does not hold daily bars; a symbol or a common day is missing.
        """
        demand(daily, Bars, "coverage daily")
        if not daily.daily or self.daily:
            raise DataError("coverage compares intraday bars with daily ones, in this order")
        per_day = self.volume.groupby(self.starts.tz_localize(None).normalize()).sum(min_count=1)
        whole = daily.select(self.symbols).volume
        whole.index = pd.DatetimeIndex(whole.index).tz_localize(None)
        days = per_day.index.intersection(whole.index)
        both = per_day.loc[days].notna() & whole.loc[days].notna()
        lacking = both.columns[~both.any()]
        if len(lacking):
            raise DataError(f"coverage: no day with both intraday and daily bars of {_some(list(lacking))}")
        total = whole.loc[days].where(both).sum()
        return (per_day.loc[days].where(both).sum() / total.where(total > 0)).rename("coverage")

    def missing(self) -> pd.DataFrame:
        """List the gaps: symbol, start, and whether a bar or a whole session is missing."""
        gaps = []
        for symbol in self.symbols:
            absent = self.close.index[~self.present[symbol]]
            lost = self.volume.loc[absent, symbol].isna().to_numpy()
            dates = pd.DatetimeIndex(absent[lost]).normalize().unique()
            gaps += [(symbol, date, "session") for date in dates]
            gaps += [(symbol, start, "bar") for start in absent[~lost]]
        return pd.DataFrame(gaps, columns=["symbol", "start", "gap"])

    def report(self) -> pd.DataFrame:
        """Count, by symbol: bars read, no-trade bars, missing sessions (and which), and whether it has volume."""
        lost = self.volume.isna()
        days = self.starts.tz_localize(None).normalize()
        sessions_lost = lost.groupby(days).all()
        return pd.DataFrame(
            {
                "bars": self.present.sum(),
                "no_trade_bars": (~self.present & ~lost).sum(),
                "missing_sessions": sessions_lost.sum(),
                "missing_dates": [
                    ", ".join(f"{day:%Y-%m-%d}" for day in sessions_lost.index[sessions_lost[symbol]])
                    for symbol in self.symbols
                ],
                "has_volume": (self.volume.fillna(0.0) > 0).any(),
                "source": pd.Series(dict(self.sources)),
            },
            index=pd.Index(self.symbols, name="symbol"),
        )

    def __repr__(self) -> str:
        """Symbols, length, span, gaps and what the stamps mean."""
        size = "daily" if self.daily else f"{span(self.length / pd.Timedelta(microseconds=1))} bars"
        days = self.sessions
        report = self.report()
        gaps = [
            f"{int(report[column].sum())} {name}{'s' * int(report[column].sum() != 1)}"
            for column, name in (("no_trade_bars", "no-trade bar"), ("missing_sessions", "missing session"))
            if report[column].sum()
        ]
        meaning = [] if self.daily else [f"stamps were bar {self.stamp}s ({self.inferred})"]
        parts = [
            f"{len(self.symbols)} symbol{'s' * (len(self.symbols) != 1)}",
            size,
            f"{len(days)} sessions {days[0]} to {days[-1]}",
            *gaps,
            *meaning,
            str(self.starts.tz),
        ]
        return f"Bars({', '.join(parts)})"


_FRAMES = ("open", "high", "low", "close", "volume", "present")


def read_bars(
    paths_or_frame: BarSource,
    *,
    symbol: str | None = None,
    columns: Mapping[str, str] | None = None,
    stamp: str | None = None,
    session: tuple[str | dt.time, str | dt.time] = ("09:30", "16:00"),
    tz: str = "America/New_York",
) -> Bars:
    """Read bars of one length for many symbols; what cannot be read correctly is refused by name.

    Rows may run oldest or newest first. A slot without a row, in a session that the symbol has, is a no-trade bar:
    volume 0, price carried forwards. A session that a symbol misses, and another one has, stays missing. A session
    without any bar in its last hour is taken for a short one.

    Parameters
    ----------
    paths_or_frame : path, glob, list of paths, mapping symbol -> path or DataFrame, or a long DataFrame
        CSV files with a header; a long file or frame has a symbol column.
    symbol : str, optional
        How the file's stem holds the symbol, such as "{symbol}_15min"; the whole stem by default.
    columns : mapping, optional
        What datetime, open, high, low, close, volume and symbol are called; by these names (in any case) by default.
    stamp : {"start", "end"}, optional
        Whether a stamp is a bar's start or end; by default inferred from the session, and stated in `repr`.
    session : pair of times of day
        Open and close of the regular session, in `tz`.
    tz : str
        Zone of stamps that carry none; others are converted to it. Stamps that are all dates are daily bars.

    Raises
    ------
    DataError
        Names the file, line and field: a text, NaN or negative number, high below low, a stamp twice or out of
        order; a missing column, an empty file, mixed bar lengths, a stamp that could mean start or end.
    """
    pair = [parse_time_of_day(time) for time in session] if isinstance(session, list | tuple) else []
    opening, closing = pair if len(pair) == 2 else (None, None)
    if opening is None or closing is None or opening >= closing:
        raise DataError(f"read_bars: session={short(session)}; a pair of times such as ('09:30', '16:00') is accepted")
    if columns is not None and not isinstance(columns, Mapping):
        raise DataError(f"read_bars: columns={short(columns)}; a mapping such as {{'datetime': 'date'}} is accepted")
    hours = Hours(opening, closing)
    sources = collect(paths_or_frame, symbol, columns, tz)
    length = bar_length(sources)
    if length is None:
        meaning, reason = "start", "a date is a whole session"
    else:
        meaning, reason = stamp_meaning(sources, length, hours, stamp)
    raster = lay_out(sources, length, hours, meaning)
    index = raster.starts.tz_localize(tz).rename("start")
    names = pd.Index([bars.symbol for bars in sources], name="symbol")
    frames = {name: pd.DataFrame(values, index=index, columns=names) for name, values in raster.fields.items()}
    return Bars(
        **frames,
        present=pd.DataFrame(raster.present, index=index, columns=names),
        length=pd.Timedelta(microseconds=DAY if length is None else length),
        hours=(_time(opening), _time(closing)),
        stamp=meaning,
        inferred=reason,
        sources={bars.symbol: bars.source for bars in sources},
    )


def _dates(dates: object) -> list[dt.date]:
    return [parse_date(date, "bars.on: dates").date() for date in label_list(dates, "bars.on dates")]


def _time(microseconds: int) -> dt.time:
    return (dt.datetime.min + dt.timedelta(microseconds=microseconds)).time()


def _some(names: list[str]) -> str:
    return ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")

"""Many days of replays, and their averages: strategies compared on the same days."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import pandas as pd

from acopt.errors import AcoptError, DataError
from acopt.insight.replay import BENCHMARKS, TOTAL, Arrival, Fill, Impact, Replay, replay
from acopt.market.bars import Bars
from acopt.market.clock import parse_date
from acopt.market.labels import short
from acopt.model.schedule import Schedule

__all__ = ["ReplayStudy", "replay_days"]

Make: TypeAlias = Callable[[dt.date], Schedule | Mapping[str, Schedule]]

MEASURES = (*BENCHMARKS, "impact")


@dataclass(frozen=True, eq=False, repr=False)
class ReplayStudy:
    """
    Replays of one or several plans on the same days; made by `replay_days`.

    Attributes
    ----------
    replays : dict of Replay
        By (date, plan), in the order of the days given.
    """

    replays: Mapping[tuple[dt.date, str], Replay]

    @property
    def dates(self) -> list[dt.date]:
        """The days."""
        return list(dict.fromkeys(date for date, _ in self.replays))

    @property
    def plans(self) -> list[str]:
        """Names of the plans."""
        return list(dict.fromkeys(name for _, name in self.replays))

    @cached_property
    def table(self) -> pd.DataFrame:
        """Tidy, one row a day, plan and symbol: date, plan, symbol, then the columns of `Replay.table`."""
        return self._rows(lambda day: day.table.drop(index=TOTAL).rename_axis("symbol").reset_index())

    @cached_property
    def days(self) -> pd.DataFrame:
        """Tidy, one row a day and plan: the totals of `Replay.table`, and `caps_broken`, a number of trades."""
        return self._rows(lambda day: day.table.loc[[TOTAL]].reset_index(drop=True).assign(caps_broken=len(day.caps)))

    @cached_property
    def summary(self) -> pd.DataFrame:
        """
        Slippage in bps by plan and benchmark: mean, standard_error, n.

        mean = sum_d s_d / n, standard_error = sqrt(sum_d (s_d - mean)² / (n (n - 1)))

        s_d is the total of day d, every day weighs the same, and days count as independent. "impact" is the
        part that the model charged. The standard error of one day is NaN.
        """
        return pd.concat({name: _mean(self._bps(name)) for name in self.plans}, names=["plan", "benchmark"])

    def against(self, plan: str) -> pd.DataFrame:
        """
        Differences to one plan, paired by day, in bps by plan and measure: mean, standard_error, n; below 0 is cheaper.

        The measures are "arrival", slippage against it, and "impact", the part that the model charged. Plans that fill
        the same shares differ by the same amount against every benchmark.

        Raises
        ------
        DataError
            No plan of that name, or no other one.
        """
        others = [name for name in self.plans if name != plan]
        if plan not in self.plans or not others:
            raise DataError(
                f"against({plan!r}): the study has {', '.join(map(repr, self.plans))}; one of several is accepted"
            )
        base = self._bps(plan)
        pairs = {name: (self._bps(name) - base)[["arrival", "impact"]] for name in others}
        return pd.concat({name: _mean(pair) for name, pair in pairs.items()}, names=["plan", "measure"])

    def _bps(self, plan: str) -> pd.DataFrame:
        """Day x measure, bps."""
        columns = [f"{name}_bps" for name in MEASURES]
        days = self.days[self.days["plan"] == plan].set_index("date")[columns]
        return days.set_axis(list(MEASURES), axis=1)

    def _rows(self, part: Callable[[Replay], pd.DataFrame]) -> pd.DataFrame:
        frames = []
        for (date, name), day in self.replays.items():
            rows = part(day)
            rows.insert(0, "plan", name)
            rows.insert(0, "date", date)
            frames.append(rows)
        return pd.concat(frames, ignore_index=True)

    def __str__(self) -> str:
        """The summary as a table: mean ± standard error, bps."""
        dates, summary = self.dates, self.summary
        table = pd.DataFrame(index=self.plans, columns=list(MEASURES), dtype=object)
        for at, mean, error in zip(summary.index, summary["mean"], summary["standard_error"], strict=True):
            table.loc[at] = f"{mean:.2f} ± {error:.2f}"
        days = self.days.groupby("plan")
        table["max participation"] = days["max_participation"].max().map("{:.1%}".format)
        table["caps broken"] = days["caps_broken"].sum()
        head = f"{len(dates)} day{'s' * (len(dates) > 1)}, {min(dates)} to {max(dates)}; slippage in bps, mean ± s.e."
        return f"{head}\n{table.rename_axis(columns=None).to_string()}"

    def __repr__(self) -> str:
        """Plans and days."""
        return f"ReplayStudy({', '.join(self.plans)}; {len(self.dates)} days)"


def replay_days(
    bars: Bars,
    dates: Iterable[str | dt.date | np.datetime64],
    make: Make,
    *,
    impact: Impact = "model",
    fill: Fill = "vwap",
    arrival: Arrival = "plan",
) -> ReplayStudy:
    """
    Make a plan for each day, and execute it on that day's bars.

    Parameters
    ----------
    bars : intraday bars that cover every day.
    dates : the days, each once.
    make : date -> Schedule, or date -> {name: Schedule} to compare plans on the same days. It is up to it to use
        data before the day only; `Market.from_bars` looks at nothing after the grid's start.
    impact, fill, arrival : as in `replay`.

    Raises
    ------
    DataError
        No date, one twice, a plan for another date, plans whose names change from day to day.
    AcoptError
        What `make` or `replay` raises, with the date and the plan in front. No day is left out.
    """
    days = _days(dates)
    if not callable(make):
        raise DataError(f"replay_days make: {short(make)} was given, a function of the date is expected")
    replays: dict[tuple[dt.date, str], Replay] = {}
    names: list[str] | None = None
    for date in days:
        with _naming(f"replay_days, {date}"):
            plans = _plans(make(date), date)
            if names is not None and sorted(plans) != sorted(names):
                raise DataError(
                    f"the plans are called {', '.join(plans)}, on {days[0]} {', '.join(names)}; plans are "
                    "compared on the same days, under the same names"
                )
        names = names or list(plans)
        for name in names:
            with _naming(f"replay_days, {date}, plan {name!r}"):
                replays[date, name] = replay(plans[name], bars, impact=impact, fill=fill, arrival=arrival)
    return ReplayStudy(replays)


def _days(dates: Iterable[str | dt.date | np.datetime64]) -> list[dt.date]:
    if isinstance(dates, str) or not isinstance(dates, Iterable):
        raise DataError(f"replay_days dates={dates!r}: a list of dates is expected")
    days = [parse_date(date, "replay_days: dates").date() for date in dates]
    twice = [day for at, day in enumerate(days) if day in days[:at]]
    if twice or not days:
        raise DataError(f"replay_days dates: {f'{twice[0]} appears more than once' if twice else 'there are none'}")
    return days


def _plans(made: object, date: dt.date) -> dict[str, Schedule]:
    """Return what `make` made, by name, all of that date."""
    plans = {made.name: made} if isinstance(made, Schedule) else made
    if not isinstance(plans, Mapping) or not plans:
        raise DataError(f"make returned {type(made).__name__}; a Schedule, or a mapping name -> Schedule, is expected")
    for name, plan in plans.items():
        if not isinstance(plan, Schedule):
            raise DataError(f"make returned {type(plan).__name__} for {name!r}; a Schedule is expected")
        stamps = plan.setting.grid.timestamps
        if stamps is None or stamps[0].date() != date:
            start = "has no clock times" if stamps is None else f"starts on {stamps[0]:%Y-%m-%d}"
            raise DataError(f"the grid of the plan {name!r} {start}; one of that date is expected")
    return {str(name): plan for name, plan in plans.items()}


@contextmanager
def _naming(where: str) -> Iterator[None]:
    """Put the place in front of an error's message; its kind, and what it carries, stay."""
    try:
        yield
    except AcoptError as error:
        error.args = (f"{where}: {error}", *error.args[1:])
        raise


def _mean(days: pd.DataFrame) -> pd.DataFrame:
    """Mean over days, its standard error, and their number; a NaN stays one."""
    n = len(days)
    mean = days.mean(skipna=False)
    spread = (days - mean).pow(2).sum(skipna=False)
    error = np.sqrt(spread / (n * (n - 1))) if n > 1 else np.nan * spread
    return pd.DataFrame({"mean": mean, "standard_error": error, "n": n})

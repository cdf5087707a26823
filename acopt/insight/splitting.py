"""One interval in two: the grid, the market and the terms of a problem with one edge more."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from acopt.constraints.budget import Budget
from acopt.constraints.trading import TradeSize
from acopt.constraints.under_market import UnderMarket
from acopt.costs.risk import TrackingRisk, explicit_path
from acopt.costs.worst_case import WorstCase
from acopt.errors import DataError
from acopt.market.clock import TimeLike, number, parse_duration, parse_time_of_day, parse_timestamp
from acopt.market.covariance import AnyCovariance, Covariance, FactorModel, RiskModel
from acopt.market.grid import TimeGrid
from acopt.market.impact_models import ImpactModel
from acopt.market.labels import Array
from acopt.market.market import Market
from acopt.market.what_if import ScaledImpact
from acopt.model.algebra import Constraint, Objective, Term
from acopt.model.benchmarks import Benchmark
from acopt.model.setting import Setting

__all__ = ["Aligned", "Split", "locate"]

T = TypeVar("T")
TIMELESS = ("name", "assets", "during", "gamma", "strength")
"""Fields that are never data by interval: what a rule is about, and a matrix between assets."""
ON_CLOCK = ("day", "hour", "minute", "second")
"""Units of a grid in which a length of time such as "20min" can be told."""


def locate(grid: TimeGrid, at: TimeLike) -> tuple[int, float]:
    """
    Return how many intervals are over at a time, and the fraction of the next one that has passed.

    Parameters
    ----------
    at : a time as in `TimeGrid.position`, on an edge or not. In a closed interval, nothing of it has passed:
        nothing can have been traded there.

    Raises
    ------
    DataError
        Unreadable, outside the grid, or inside an auction, which is one moment.
    """
    axis = _axis(grid, at)
    if axis is None:
        return grid.position(at), 0.0
    edges, value = axis
    on_edge = np.flatnonzero(np.abs(edges - value) <= 1e-9 * (edges[-1] - edges[0]))
    if on_edge.size:
        return int(on_edge[-1]), 0.0
    if not edges[0] < value < edges[-1]:
        return grid.position(at), 0.0
    k = int(np.searchsorted(edges, value, side="right")) - 1
    if grid.auctions[k]:
        raise DataError(f"at={at!r} is inside the auction at {grid.labels[k]}, which is one moment; give its end")
    return k, 0.0 if grid.closed[k] else float((value - edges[k]) / (edges[k + 1] - edges[k]))


def _axis(grid: TimeGrid, at: Any) -> tuple[Array, float] | None:
    """Edges and a time on one scale; None for what `TimeGrid.position` alone can read or refuse."""
    plain, stamps = number(at), grid.timestamps
    if plain is not None:
        return np.asarray(grid.edges), plain
    of_day = parse_time_of_day(at)
    if of_day is None:
        microseconds = parse_duration(at, grid.session_length / pd.Timedelta(microseconds=1))
        if microseconds is not None and grid.unit in ON_CLOCK:
            passed = np.cumsum(np.where(grid.closed, 0.0, grid.durations))
            return np.concatenate([[0.0], passed]), grid.duration(at)
    if stamps is None:
        return None
    if of_day is None:
        stamp = parse_timestamp(at)
        if stamp is None or (stamp.tz is not None and stamps.tz is None):
            return None
    elif stamps[0].date() == stamps[-1].date():
        stamp = stamps[0].tz_localize(None).normalize() + pd.Timedelta(microseconds=of_day)
    else:
        return None
    moment: Any = stamp
    if stamp.tz is None and stamps.tz is not None:
        # A time that the clock shows twice, or never, is no moment: `TimeGrid.position` refuses it.
        moment = stamp.tz_localize(stamps.tz, ambiguous="NaT", nonexistent="NaT")
    if moment is pd.NaT:
        return None
    return (stamps.asi8 - stamps.asi8[0]).astype(float), float((moment - stamps[0]) / pd.Timedelta(microseconds=1))


@dataclass(frozen=True)
class Split:
    """
    An interval in two parts, of which both inherit its coefficients.

    Volume and trades are divided in proportion to time. Data by interval get a row more, the same again: rates,
    prices per share, fractions and positions mean the same in both parts. A path by edge is interpolated.

    Attributes
    ----------
    parent : TimeGrid
        The grid that is split.
    row : int
        k, the interval.
    fraction : float
        Part of its duration that goes to the first of the two, in (0, 1).
    assets : int
        n, how many assets there are: an array (n,) is not data by interval.
    """

    parent: TimeGrid
    row: int
    fraction: float
    assets: int

    @cached_property
    def grid(self) -> TimeGrid:
        """Return the grid with one edge more."""
        old, k = self.parent, self.row
        edges = np.insert(old.edges, k + 1, old.edges[k] + self.fraction * old.durations[k])
        stamps = old.timestamps
        if stamps is not None:
            cut = (stamps[k] + self.fraction * (stamps[k + 1] - stamps[k])).round("us")
            stamps = stamps.insert(k + 1, cut)
        return TimeGrid(
            edges,
            unit=old.unit,
            closed=np.repeat(old.closed, self.copies),
            auctions=np.repeat(old.auctions, self.copies),
            timestamps=stamps,
            session=old.session_length,
        )

    @cached_property
    def copies(self) -> Any:
        """How many parts each interval has (N,)."""
        return np.where(np.arange(self.parent.periods) == self.row, 2, 1)

    @cached_property
    def rows(self) -> Any:
        """Interval of the parent that each interval is, or is part of (N+1,)."""
        return np.repeat(np.arange(self.parent.periods), self.copies)

    def divided(self, values: Array) -> Array:
        """Quantities (N, n) that belong to whole intervals, in proportion to time (N+1, n)."""
        out = np.asarray(values[self.rows], dtype=float).copy()
        out[self.row] *= self.fraction
        out[self.row + 1] *= 1.0 - self.fraction
        return out

    def market(self, old: Market) -> Market:
        """Return the market on the split grid."""
        return Market(
            self.grid,
            pd.Series(old.prices, old.assets),
            volume=self.divided(old.volumes) if old.has_volume else None,
            covariance=Aligned.of(old, self.grid, self.rows),
            spread=old.spreads if old.has_spread else None,
            impact=self._law(old.impact),
            notes=old.notes,
        )

    def _law(self, law: ImpactModel | None) -> ImpactModel | None:
        if isinstance(law, ScaledImpact):
            return replace(law, model=self.inherited(law.model))
        return None if law is None else self.inherited(law)

    def covariance(self, old: AnyCovariance) -> Aligned:
        """Return a cost's own covariance, whose rows are the parent's."""
        return Aligned(old, partial(old.on, self.parent), self.parent, self.grid, self.rows)

    def term(self, term: Term, setting: Setting) -> Term:
        """Return a term of the objective whose cost has its data on the split grid."""
        cost = self.inherited(term.cost)
        if isinstance(cost, WorstCase):
            cost.terms = tuple(self.term(part, setting) for part in cost.terms)
            cost.markets = {name: self.market(market) for name, market in cost.markets.items()}
        if isinstance(cost, TrackingRisk) and not isinstance(cost.benchmark, Benchmark):
            k, f = self.row, self.fraction
            path = explicit_path(term.cost.benchmark, setting)  # type: ignore[attr-defined]
            path = np.insert(path, k + 1, (1 - f) * path[k] + f * path[k + 1], axis=0)
            cost.benchmark = pd.DataFrame(path, self.grid.edge_labels, setting.assets)
        return Term(term.weight, cost)

    def rule(self, rule: Constraint, setting: Setting, executed: Array) -> Constraint:
        """
        Return a constraint whose data are on the split grid.

        A `TradeSize` bounds the whole interval: for the second part it is less by what was `executed` (n,) in the
        first; what that part broke already need not be traded back, so that the rest is bounded by 0, or by the
        original bound where that demands a trade.
        """
        if isinstance(rule, Budget):
            return replace(rule, cost=Objective(tuple(self.term(term, setting) for term in rule.terms)))
        if isinstance(rule, UnderMarket):
            return replace(rule, rule=self.rule(rule.rule, setting, executed), market=self.market(rule.market))
        if not isinstance(rule, TradeSize):
            return self.inherited(rule)
        changes = {}
        for side, tightest in (("lower", np.minimum), ("upper", np.maximum)):
            if getattr(rule, side) is None:
                continue
            bound = setting.coefficient(getattr(rule, side), f"{rule.name} {side}", infinite=True)
            whole, demand = bound[self.row], np.maximum if side == "lower" else np.minimum
            table = bound[self.rows]
            table[self.row + 1] = tightest(whole - executed, demand(whole, 0.0))
            changes[side] = pd.DataFrame(table, self.grid.labels, setting.assets)
        return rule.changed(**changes)

    def inherited(self, owner: T) -> T:
        """Return a copy of a term, rule or impact model whose data by interval have the parent's rows."""
        changes = {key: new for key, value in vars(owner).items() if (new := self._datum(key, value)) is not value}
        out = copy.copy(owner)
        vars(out).update(changes)
        return out

    def _datum(self, key: str, value: Any) -> Any:
        labels = self.parent.labels
        if key in TIMELESS:
            return value
        if isinstance(value, Covariance | FactorModel):
            return self.covariance(value)
        if isinstance(value, Mapping) and labels.isin(pd.Index(list(value))).all():
            value = pd.Series(dict(value), dtype=object)
        if isinstance(value, pd.Series | pd.DataFrame):
            by_interval = labels.isin(value.index).all() and self.grid.labels[self.row + 1] not in value.index
            if not by_interval:
                return value
            out = value.loc[labels].iloc[self.rows]
            return out.set_axis(self.grid.labels, axis=0)
        if isinstance(value, np.ndarray | list) and self._by_position(value):
            return np.asarray(value)[self.rows]
        return value

    def _by_position(self, value: Any) -> bool:
        """Whether an array has a row for each interval; a vector as long as both axes is by asset."""
        n = self.parent.periods
        if len(np.shape(value)) == 0 or len(value) != n or np.asarray(value).dtype.kind not in "iuf":
            return False
        return np.ndim(value) > 1 or (n > 1 and (n != self.assets or self.assets == 1))


class Aligned(Covariance):
    """
    A covariance that is known on one grid, read by rows on another one; elsewhere the original.

    Parameters
    ----------
    base : the original.
    read : assets -> the original aligned to them on `parent`.
    parent : the grid on which the original is known.
    grid : the grid on which it is read.
    rows : row of `parent` for each interval of `grid` (N,), not falling.
    """

    def __init__(
        self, base: AnyCovariance, read: Callable[[pd.Index], RiskModel], parent: TimeGrid, grid: TimeGrid, rows: Any
    ) -> None:
        self._base: AnyCovariance = base
        self._read, self._grid, self._rows = read, grid, rows
        if isinstance(base, Aligned) and base._grid == parent:
            self._base, self._read, self._rows = base._base, base._read, base._rows[rows]

    @classmethod
    def of(cls, market: Market, grid: TimeGrid, rows: Any) -> Aligned | None:
        """Read the covariance of a market by rows on another grid."""
        base = market.covariance
        return None if base is None else cls(base, partial(_risk, market), market.grid, grid, rows)

    @property
    def assets(self) -> pd.Index | None:
        """Labels, when the covariance was given with labels."""
        return self._base.assets

    def on(self, grid: TimeGrid, assets: pd.Index, *, positions: Array | None = None) -> RiskModel:
        """Align to a grid and to assets; see `Covariance.on`."""
        if grid != self._grid:
            return self._base.on(grid, assets, positions=positions)
        rows, model = self._rows, self._read(assets)
        if np.array_equal(rows, np.arange(len(model.scale))):
            return model
        root = model.root[rows] if model.root.ndim == 3 else model.root
        return RiskModel(model.scale[rows], root, model.specific, partial(_by_rows, model, rows))

    def __repr__(self) -> str:
        return repr(self._base)


def _risk(market: Market, assets: pd.Index) -> RiskModel:
    return (market if assets.equals(market.assets) else market.select(assets)).risk


def _by_rows(model: RiskModel, rows: Any, x: Array) -> Array:
    """Sigma_r x_k with r the row that interval k reads; a row that several read is applied once for each."""
    copies = np.arange(len(rows)) - np.searchsorted(rows, rows)
    out = np.empty_like(x)
    for repeat in range(copies.max() + 1):
        own = copies == repeat
        whole = np.zeros((len(model.scale), x.shape[1]))
        whole[rows[own]] = x[own]
        out[own] = model.apply(whole)[rows[own]]
    return out

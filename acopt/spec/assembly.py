"""From the tables of a problem file to the objects that they describe."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd

from acopt.errors import DataError
from acopt.market.grid import TimeGrid
from acopt.market.market import Market
from acopt.market.order import Order
from acopt.model.algebra import Constraint, Objective, Term
from acopt.model.problem import ExecutionProblem
from acopt.model.setting import Setting
from acopt.spec.axes import Axes, Source
from acopt.spec.schema import CaseTable, Expected, GridTable, ProblemSpec
from acopt.spec.terms import made, market_of

MAKERS: Mapping[str, Callable[..., TimeGrid]] = {
    "horizon": TimeGrid.uniform,
    "date": TimeGrid.session,
    "first": TimeGrid.sessions,
}
NUMBERS = ("objective", "expected_cost", "variance", "risk", "cost_bps", "risk_bps")
PATHS = {"remaining": "edges", "holdings": "edges", "trades": "intervals"}


class Assembly:
    """The objects that a file describes; errors name the file and the path to the field, in one line."""

    def __init__(self, source: Source, spec: ProblemSpec) -> None:
        self.source, self.spec = source, spec
        with source.naming("grid"):
            self.grid = grid_of(spec.grid)
        labels = pd.Index([each.label for each in spec.asset])
        if not labels.is_unique:
            source.refuse("asset", f"two are labelled {labels[labels.duplicated()][0]!r}; labels must differ")
        self.axes = Axes(source, self.grid, {each.label: each.price for each in spec.asset})
        self.assets = self.axes.assets
        with source.naming("asset"):
            self.order = self._order()
        self.market = self._market()
        self.executed = self._history()

    def terms(self, case: CaseTable) -> list[tuple[str, Term]]:
        """Return the costs of a case with their weights, and the paths to them."""
        merged = self._merged(case, "cost")
        for key, names in (("weights", case.weights), ("expected.terms", case.expected.terms)):
            for name in names:
                if name not in merged:
                    known = ", ".join(merged)
                    self.source.refuse(
                        f"case {case.name!r}, {key}.{name}", f"no cost is called that; there are {known}"
                    )
        return [
            (path, Term(case.weights.get(name, table.weight), made(table, self.axes, path)))
            for name, (path, table) in merged.items()
        ]

    def rules(self, case: CaseTable) -> list[tuple[str, Constraint]]:
        """Return the constraints of a case, and the paths to them."""
        return [(path, made(each, self.axes, path)) for path, each in self._merged(case, "constraint").values()]

    def problem(self, case: CaseTable) -> ExecutionProblem:
        """Return the problem of a case."""
        rules = self.rules(case)
        objective = Objective((*(term for _, term in self.terms(case)), *self._penalties(case, rules)))
        with self.source.naming(f"case {case.name!r}"):
            return ExecutionProblem(
                self.order, self.market, objective, [rule for _, rule in rules], executed=self.executed
            )

    def trades(self, case: CaseTable) -> Any:
        """Return the trades that a case states, or None."""
        return None if case.trades is None else self.axes.data(case.trades, f"case {case.name!r}, trades")

    def promised(self, case: CaseTable) -> list[tuple[str, Expected[Any], pd.DataFrame | None]]:
        """Return the expected numbers, and the expected paths with their labels, by quantity."""
        expected = case.expected
        out: list[tuple[str, Expected[Any], pd.DataFrame | None]] = [
            (name, found, None) for name in NUMBERS if (found := getattr(expected, name)) is not None
        ]
        out += [(f"terms.{name}", found, None) for name, found in expected.terms.items()]
        for name, times in PATHS.items():
            if (found := getattr(expected, name)) is not None:
                out.append(
                    (name, found, self.axes.path(found.value, f"case {case.name!r}, expected.{name}.value", times))
                )
        return out

    def examine(self, case: CaseTable) -> None:
        """Try the data of every table of a case on the grid and the assets."""
        terms, rules = self.terms(case), self.rules(case)
        nowhere = np.zeros((self.grid.periods, len(self.assets)), dtype=bool)
        setting = Setting(
            self.order,
            self.market.select(self.order.assets),
            not any(rule.allows_unfilled for _, rule in rules),
            one_sided=nowhere,
            forbidden=nowhere,
            eta=np.ones(len(self.assets)),
        )
        if self.market.impact is not None:
            with self.source.naming("market.impact"):
                self.market.impact.temporary(setting.market)
                self.market.impact.permanent(setting.market)
                if self.grid.auctions.any():
                    self.market.impact.in_auction(setting.market)
        for path, term in terms:
            with self.source.naming(path):
                term.cost.curvature(setting)
                term.cost.parameters(setting, 1.0)
        for path, rule in rules:
            with self.source.naming(path):
                rule.where(setting)
                rule.trade_bounds(setting)
                rule.parameters(setting)
        list(self._penalties(case, rules))
        self.trades(case)
        self.promised(case)

    def _penalties(self, case: CaseTable, rules: list[tuple[str, Constraint]]) -> Iterator[Term]:
        """Return the costs that come with rules, with the weights of the rules' tables."""
        for (path, rule), (_, table) in zip(rules, self._merged(case, "constraint").values(), strict=True):
            with self.source.naming(path):
                penalty = rule.penalty()
            weight = getattr(table, "weight", None)
            if weight is not None and penalty is None:
                self.source.refuse(f"{path}.weight", "the rule has no cost to be weighted")
            yield from () if penalty is None else (Term(weight, term.cost) for term in penalty.terms)

    def _merged(self, case: CaseTable, group: str) -> dict[str, tuple[str, Any]]:
        """Return the file's costs or constraints, then the case's own, as (path, table) by name."""
        out: dict[str, tuple[str, Any]] = {}
        for owner, path in ((self.spec, group), (case, f"case {case.name!r}, {group}")):
            # A class of one's own is called by the last word of its path.
            names = [each.name or re.split("[.:]", each.type)[-1] for each in getattr(owner, group)]
            for i, (name, table) in enumerate(zip(names, getattr(owner, group), strict=True)):
                if name in names[:i]:
                    self.source.refuse(f"{path}[{i}]", f"two are called {name!r}; give one of them a name")
                out[name] = (f"{path}[{i}]", table)
        return out

    def _order(self) -> Order:
        """Legs and hedges in the sequence of the file."""
        parts: list[Order] = []
        for hedge, run in groupby(self.spec.asset, key=lambda each: each.hedge):
            legs = {each.label: each for each in run}
            initial = {label: each.initial for label, each in legs.items()}
            target = {label: each.target for label, each in legs.items()}
            parts.append(Order.hedge(legs) if hedge else Order(initial, target))
        return sum(parts[1:], parts[0])

    def _history(self) -> Any:
        """Return what was executed (p, n), or None."""
        if self.spec.history is None:
            return None
        value, where = self.spec.history.executed, "history.executed"
        if isinstance(value, dict):
            self.axes.require(value, self.assets, where)
        rows = [value[label] for label in self.assets] if isinstance(value, dict) else [value]
        unknown = [label for label in value if label not in self.assets] if isinstance(value, dict) else []
        if unknown or len(rows) != len(self.assets):
            self.source.refuse(where, f"a list for each of {', '.join(self.assets)} is expected, and no other")
        past, periods = len(rows[0]), self.grid.periods
        for label, row in zip(self.assets, rows, strict=True):
            if len(row) != past or not 0 < past < periods:
                self.source.refuse(
                    f"{where}.{label}",
                    f"a list of {len(row)} was given; lists of the same length are expected, from 1 to {periods - 1}",
                )
        return np.array(rows, dtype=float).T

    def _market(self) -> Market:
        table, spread = self.spec.market, dict[str, float]()
        for i, each in enumerate(self.spec.asset):
            if each.spread is not None:
                spread[each.label] = each.spread
            elif each.spread_bps is not None:
                spread[each.label] = each.spread_bps * 1e-4 * each.price
            if len(spread) not in (0, i + 1) or None not in (each.spread, each.spread_bps):
                self.source.refuse(f"asset[{i}]", "give spread (currency) or spread_bps, for all assets or for none")
        return market_of(table, spread or None, self.axes, "market")


def grid_of(table: GridTable) -> TimeGrid:
    """Return the grid, made by what its form is called; edges are all that it holds."""
    given = table.model_dump(exclude_none=True)
    if table.form == "edges":
        stamps, tz = given.pop("timestamps", None), given.pop("tz", None)
        if stamps is not None:
            given["timestamps"] = _stamps(stamps, tz)
        return TimeGrid(**given)
    return MAKERS[table.form](**given)


def _stamps(stamps: tuple[Any, ...], tz: str | None) -> pd.DatetimeIndex:
    """Stamps on the clock: those with an offset are put into the zone, those without have none."""
    if {stamp.tzinfo is not None for stamp in stamps} != {tz is not None}:
        raise DataError("timestamps: an offset in each of them and tz=, or in none of them and no tz=, is expected")
    try:
        index = pd.DatetimeIndex(pd.to_datetime(list(stamps), utc=tz is not None)).as_unit("us")
        return index if tz is None else index.tz_convert(tz)
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        raise DataError(f"timestamps with tz={tz!r}: {error}; a zone such as 'America/New_York' is expected") from error

"""From the tables of a problem file to the objects that they describe."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NoReturn

import numpy as np
import pandas as pd

from acopt.constraints import portfolio, trading
from acopt.costs import alpha, impact, risk, smoothness
from acopt.errors import DataError, InfeasibleError, ModelError, UnboundedError
from acopt.market import impact_models
from acopt.market.covariance import AnyCovariance, Covariance, FactorModel
from acopt.market.grid import TimeGrid
from acopt.market.labels import by_asset
from acopt.market.market import Market
from acopt.market.order import Order
from acopt.model.algebra import Constraint, Objective, Term
from acopt.model.benchmarks import TWAP, VWAP, Benchmark, Close
from acopt.model.problem import ExecutionProblem
from acopt.model.setting import Setting
from acopt.spec.schema import BenchmarkTable, CaseTable, CovarianceTable, Expected, ProblemSpec
from acopt.spec.tables import Table

CLASSES: Mapping[str, Callable[..., Any]] = {
    made.__name__: made
    for made in (
        *(impact.TemporaryImpact, impact.PermanentImpact, impact.SpreadCost, alpha.Alpha),
        *(risk.TimingRisk, risk.TrackingRisk, smoothness.Smoothness, smoothness.Jerk),
        *(trading.Participation, trading.TradeRate, trading.TradeSize, trading.Monotone, trading.NoTrade),
        *(trading.AllowUnfilled, trading.Complete, portfolio.HoldingBounds, portfolio.CashBalance),
        *(portfolio.DollarNeutral, portfolio.FactorNeutral, portfolio.GroupNeutral),
        *(impact_models.LinearImpact, impact_models.SquareRootImpact),
        *(impact_models.AlmgrenEtAl2005, impact_models.ImpactCoefficients),
    )
}
GRIDS: Mapping[str, Callable[..., TimeGrid]] = {
    "horizon": TimeGrid.uniform,
    "edges": TimeGrid,
    "date": TimeGrid.session,
    "first": TimeGrid.sessions,
}
BENCHMARKS: Mapping[str, type[Benchmark]] = {"TWAP": TWAP, "VWAP": VWAP, "Close": Close}
PLAIN = {"name", "own", "derivative", "half_life", "assets", "during", "of", "tolerance", "groups", "at"}
"""Keywords that are no coefficients: they reach the constructor as they are."""
NUMBERS = ("objective", "expected_cost", "variance", "risk", "cost_bps", "risk_bps")
PATHS = {"remaining": "edges", "holdings": "edges", "trades": "intervals"}


class Assembly:
    """The objects that a file describes; errors name the file and the path to the field, in one line."""

    def __init__(self, file: str, spec: ProblemSpec) -> None:
        self.file, self.spec = file, spec
        with self.naming("grid"):
            self.grid: TimeGrid = GRIDS[spec.grid.form](**spec.grid.model_dump(exclude_none=True))
        self.assets = pd.Index([each.label for each in spec.asset])
        if not self.assets.is_unique:
            self.refuse("asset", f"two are labelled {self.assets[self.assets.duplicated()][0]!r}; labels must differ")
        self.order, self.market = self._order(), self._market()

    @contextmanager
    def naming(self, where: str) -> Iterator[None]:
        """Put the file and the field in front of an error."""
        try:
            yield
        except (DataError, ModelError) as error:
            raise type(error)(one_line(f"{self.file}: {where}: {error}")) from error
        except (InfeasibleError, UnboundedError) as error:
            named = type(error)(one_line(f"{self.file}: {where}: {error}"))
            raise named.about(partial(getattr, error, "diagnosis")) from error

    def refuse(self, where: str, message: str) -> NoReturn:
        """Raise, naming the file and the field."""
        raise DataError(one_line(f"{self.file}: {where}: {message}"))

    def terms(self, case: CaseTable) -> list[tuple[str, Term]]:
        """Return the costs of a case with their weights, and the paths to them."""
        merged = self._merged(case, "cost")
        for key, names in (("weights", case.weights), ("expected.terms", case.expected.terms)):
            for name in names:
                if name not in merged:
                    known = ", ".join(merged)
                    self.refuse(f"case {case.name!r}, {key}.{name}", f"no cost is called that; there are {known}")
        return [
            (path, Term(case.weights.get(name, table.weight), self._made(table, path, table.type)))
            for name, (path, table) in merged.items()
        ]

    def rules(self, case: CaseTable) -> list[tuple[str, Constraint]]:
        """Return the constraints of a case, and the paths to them."""
        return [(path, self._made(each, path, each.type)) for path, each in self._merged(case, "constraint").values()]

    def problem(self, case: CaseTable) -> ExecutionProblem:
        """Return the problem of a case."""
        objective = Objective(tuple(term for _, term in self.terms(case)))
        with self.naming(f"case {case.name!r}"):
            return ExecutionProblem(self.order, self.market, objective, [rule for _, rule in self.rules(case)])

    def trades(self, case: CaseTable) -> Any:
        """Return the trades that a case states, or None."""
        return None if case.trades is None else self.data(case.trades, f"case {case.name!r}, trades")

    def promised(self, case: CaseTable) -> list[tuple[str, Expected[Any], pd.DataFrame | None]]:
        """Return the expected numbers, and the expected paths with their labels, by quantity."""
        expected = case.expected
        out: list[tuple[str, Expected[Any], pd.DataFrame | None]] = [
            (name, found, None) for name in NUMBERS if (found := getattr(expected, name)) is not None
        ]
        out += [(f"terms.{name}", found, None) for name, found in expected.terms.items()]
        for name, times in PATHS.items():
            if (found := getattr(expected, name)) is not None:
                out.append((name, found, self.path(found.value, f"case {case.name!r}, expected.{name}.value", times)))
        return out

    def examine(self, case: CaseTable) -> None:
        """Try the data of every table of a case on the grid and the assets."""
        terms, rules, shape = self.terms(case), self.rules(case), (self.grid.periods, len(self.assets))
        setting = Setting(
            self.order,
            self.market.select(self.order.assets),
            not any(rule.allows_unfilled for _, rule in rules),
            **dict.fromkeys(("one_sided", "forbidden"), np.zeros(shape, dtype=bool)),
            eta=np.ones(shape[1]),
        )
        if self.market.impact is not None:
            with self.naming("market.impact"):
                self.market.impact.temporary(setting.market)
                self.market.impact.permanent(setting.market)
                if self.grid.auctions.any():
                    self.market.impact.in_auction(setting.market)
        for path, term in terms:
            with self.naming(path):
                term.cost.curvature(setting)
                term.cost.parameters(setting, 1.0)
        for path, rule in rules:
            with self.naming(path):
                rule.where(setting)
                rule.trade_bounds(setting)
                rule.parameters(setting)
        self.trades(case)
        self.promised(case)

    def data(self, value: Any, where: str, *, auctions: bool = False) -> Any:
        """Give a number, list or table its labels, by the data rule; lists are by interval, or by auction."""
        index, times = self.grid.labels, "intervals"
        if auctions:
            index, times = index[self.grid.auctions], "auctions"
        if isinstance(value, tuple):
            self._count(value, len(index), times, where)
            return pd.Series(value, index=index)
        if not isinstance(value, dict):
            return value
        self._require(value, self.assets, where)
        if any(isinstance(row, dict) for row in value.values()):
            return self.matrix(value, where, self.assets, self.assets)
        layers = {label: row for label, row in value.items() if isinstance(row, tuple)}
        for label, row in layers.items():
            self._count(row, len(index), times, f"{where}.{label}")
        return pd.DataFrame(value, index=index) if layers else pd.Series(value)

    def matrix(self, value: Any, where: str, rows: pd.Index, columns: pd.Index) -> pd.DataFrame:
        """Give rows, or a table of tables, their labels."""
        if isinstance(value, dict):
            self._require(value, rows, where)
            for label in rows:
                self._require(value[label], columns, f"{where}.{label}")
            return pd.DataFrame([[value[i][j] for j in columns] for i in rows], index=rows, columns=columns)
        value = ((value,),) if isinstance(value, float) else value
        self._count(value, len(rows), "rows", where)
        for i, row in enumerate(value):
            self._count(row, len(columns), "columns", f"{where}[{i}]")
        return pd.DataFrame(value, index=rows, columns=columns)

    def path(self, value: Any, where: str, times: str) -> pd.DataFrame:
        """Give a path its labels, edge (or interval) x asset, for the assets that it names."""
        if isinstance(value, tuple) and len(self.assets) > 1:
            self.refuse(where, f"a list was given; expected is a table of lists by asset ({', '.join(self.assets)})")
        rows = value if isinstance(value, dict) else {self.assets[0]: value}
        index = self.grid.edge_labels if times == "edges" else self.grid.labels
        for label, row in rows.items():
            if label not in self.assets:
                self.refuse(f"{where}.{label}", f"no such asset; there are {', '.join(self.assets)}")
            self._count(row, len(index), times, f"{where}.{label}" if isinstance(value, dict) else where)
        return pd.DataFrame(rows, index=index)

    def _merged(self, case: CaseTable, group: str) -> dict[str, tuple[str, Any]]:
        """Return the file's costs or constraints, then the case's own, as (path, table) by name."""
        out: dict[str, tuple[str, Any]] = {}
        for owner, path in ((self.spec, group), (case, f"case {case.name!r}, {group}")):
            names = [each.name or each.type for each in getattr(owner, group)]
            for i, (name, table) in enumerate(zip(names, getattr(owner, group), strict=True)):
                if name in names[:i]:
                    self.refuse(f"{path}[{i}]", f"two are called {name!r}; give one of them a name")
                out[name] = (f"{path}[{i}]", table)
        return out

    def _order(self) -> Order:
        legs = [each for each in self.spec.asset if not each.hedge]
        hedges = [each.label for each in self.spec.asset if each.hedge]
        if not legs:
            return Order.hedge(hedges)
        order = Order({each.label: each.initial for each in legs}, {each.label: each.target for each in legs})
        return order + Order.hedge(hedges) if hedges else order

    def _market(self) -> Market:
        table, spread = self.spec.market, dict[str, float]()
        for i, each in enumerate(self.spec.asset):
            if each.spread is not None:
                spread[each.label] = each.spread
            elif each.spread_bps is not None:
                spread[each.label] = each.spread_bps * 1e-4 * each.price
            if len(spread) not in (0, i + 1) or None not in (each.spread, each.spread_bps):
                self.refuse(f"asset[{i}]", "give spread (currency) or spread_bps, for all assets or for none")
        price = {each.label: each.price for each in self.spec.asset}
        volume = None if table.volume is None else self.data(table.volume, "market.volume")
        covariance = None if table.covariance is None else self._covariance(table.covariance, "market.covariance")
        law = None if table.impact is None else self._made(table.impact, "market.impact", table.impact.model)
        with self.naming("market"):
            return Market(self.grid, price, volume=volume, covariance=covariance, spread=spread or None, impact=law)

    def _made(self, table: Table, where: str, name: str) -> Any:
        """Return the object of a table: its class by name, its keys as keywords."""
        keywords: dict[str, Any] = {}
        for key in [each for each in type(table).model_fields if each in table.model_fields_set]:
            value, at = getattr(table, key), f"{where}.{key}"
            if isinstance(value, CovarianceTable):
                value = self._covariance(value, at)
            elif isinstance(value, BenchmarkTable):
                value = BENCHMARKS[value.kind](**value.model_dump(exclude={"kind"}, exclude_none=True))
            elif key == "benchmark":
                value = self.path(value, at, "edges")
            elif key == "exposures":
                several = any(isinstance(row, dict) for row in value.values())
                value = pd.DataFrame.from_dict(value, orient="index") if several else value
            elif key not in PLAIN and not isinstance(value, str):
                value = self.data(value, at, auctions=key == "auction")
            if key not in ("type", "model", "weight"):
                keywords["weight" if key == "mu" else key] = value
        with self.naming(where):
            return (alpha.Alpha.from_bps if "half_life" in keywords else CLASSES[name])(**keywords)

    def _covariance(self, table: CovarianceTable, where: str) -> AnyCovariance:
        def square(name: str, labels: pd.Index) -> pd.DataFrame:
            return self.matrix(getattr(table, name), f"{where}.{name}", labels, labels)

        def per_asset(name: str) -> pd.Series:
            with self.naming(where):
                return pd.Series(by_asset(values[name], self.assets, what=name, price_units=True), index=self.assets)

        coefficients = ("volatility", "specific_variance", "scale")
        given = {name: found for name in coefficients if (found := getattr(table, name)) is not None}
        values = {name: self.data(found, f"{where}.{name}") for name, found in given.items()}
        build: Callable[..., AnyCovariance] = Covariance
        if table.loadings is not None:
            rows = table.loadings
            first = next(iter(rows.values() if isinstance(rows, dict) else rows), ())
            factors = pd.Index(list(first)) if isinstance(first, dict) else pd.RangeIndex(len(first))
            build, loadings = FactorModel, self.matrix(rows, f"{where}.loadings", self.assets, factors)
            parts = [loadings, square("factor_covariance", factors), per_asset("specific_variance")]
        elif table.matrix is not None:
            parts = [square("matrix", self.assets)]
        else:
            deviation, unit = per_asset("volatility"), pd.DataFrame(np.eye(len(self.assets)), self.assets, self.assets)
            correlation = unit if table.correlation is None else square("correlation", self.assets)
            if (np.diag(correlation) != 1).any():
                self.refuse(f"{where}.correlation", "a number on its diagonal is not 1")
            parts = [correlation * np.outer(deviation, deviation)]
        with self.naming(where):
            covariance = build(*parts, scale=values.get("scale"))
            covariance.on(self.grid, self.assets)
        return covariance

    def _count(self, values: Sequence[Any], wanted: int, what: str, where: str) -> None:
        if len(values) != wanted:
            self.refuse(where, f"a list of {len(values)} was given for {wanted} {what}")

    def _require(self, given: Mapping[str, Any], labels: pd.Index, where: str) -> None:
        missing = [label for label in labels if label not in given]
        if missing:
            self.refuse(where, f"no value for {missing[0]!s}; given: {', '.join(given) or 'none'}")


def one_line(text: str) -> str:
    """Fold a message into a single line."""
    return " ".join(text.split())

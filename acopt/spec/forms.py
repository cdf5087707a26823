"""How each kind of keyword is held in a file: read into what a class takes, and written back, side by side."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

import numpy as np
import pandas as pd

from acopt.costs.risk import explicit_path
from acopt.errors import DataError, ModelError
from acopt.market.covariance import AnyCovariance, Covariance, FactorModel, as_covariance
from acopt.market.labels import Array, by_asset, by_asset_pair, by_interval_and_asset, numbers
from acopt.market.market import Bps, bps
from acopt.model.benchmarks import TWAP, VWAP, Benchmark, Close
from acopt.model.setting import Setting
from acopt.spec.axes import Axes

BENCHMARKS: Mapping[str, type[Benchmark]] = {"TWAP": TWAP, "VWAP": VWAP, "Close": Close}


class Form:
    """
    A keyword that is the same in a file and in Python; its subclasses are those that are not.

    `read` turns what a table says into what the class takes; `write` turns what an object (`owner`) of a problem
    (`setting`) holds into numbers, texts, lists and tables, aligned: however it was given, it is written alike.
    """

    def read(self, value: Any, axes: Axes, where: str) -> Any:
        """Return what the class takes."""
        return value

    def write(self, value: Any, setting: Setting, owner: Any) -> Any:
        """Return what a table says."""
        if isinstance(value, Mapping):
            return {text_of(key): self.write(value[key], setting, owner) for key in value}
        return value if isinstance(value, str | bool) else float(value)


class Whole(Form):
    """A whole number."""

    def write(self, value: Any, setting: Setting, owner: Any) -> int:
        """See `Form.write`."""
        return int(value)


class Time(Form):
    """A time or a length of time: text, number, or a time of day or stamp of TOML's own."""

    def write(self, value: Any, setting: Setting, owner: Any) -> Any:
        """See `Form.write`."""
        return time_of(value)


class Window(Form):
    """A half-open window: a pair of times, or a table where one side is open."""

    def read(self, value: Any, axes: Axes, where: str) -> Any:
        """See `Form.read`."""
        return value if isinstance(value, tuple) else (value.start, value.end)

    def write(self, value: Any, setting: Setting, owner: Any) -> Any:
        """See `Form.write`."""
        ends = {name: time_of(end) for name, end in zip(("start", "end"), value, strict=True) if end is not None}
        return list(ends.values()) if len(ends) == 2 else ends


class Labels(Form):
    """The assets that a rule is about."""

    def write(self, value: Any, setting: Setting, owner: Any) -> list[str]:
        """See `Form.write`."""
        named = {value} if isinstance(value, str) else set(value)
        return [text_of(label) for label in setting.assets if label in named]


class Data(Form):
    """
    A coefficient by the data rule, interval x asset.

    Parameters
    ----------
    priced : it is in price units, and a number means one asset.
    """

    def __init__(self, *, priced: bool = False) -> None:
        self.priced = priced

    def read(self, value: Any, axes: Axes, where: str) -> Any:
        """See `Form.read`."""
        return axes.data(value, where)

    def write(self, value: Any, setting: Setting, owner: Any) -> Any:
        """See `Form.write`."""
        aligned = by_interval_and_asset(value, setting.grid.labels, setting.assets, what="data", infinite=True)
        return self.shortest(aligned, setting.assets)

    def shortest(self, cells: Array, assets: pd.Index) -> Any:
        """Return cells (T, n) as the shortest of number, list and table that reads back the same."""
        columns = [column[0].item() if _constant(column) else column.tolist() for column in cells.T]
        alike = len(columns) == 1 or (not self.priced and _constant(cells.ravel()))
        return columns[0] if alike else dict(zip(map(text_of, assets), columns, strict=True))


class PerAsset(Data):
    """A coefficient by asset."""

    def write(self, value: Any, setting: Setting, owner: Any) -> Any:
        """See `Form.write`."""
        return self.shortest(by_asset(value, setting.assets, what="data", infinite=True)[None], setting.assets)


class Coupled(Data):
    """A coefficient by the data rule, or one between assets: a matrix, or a matrix for each interval."""

    def write(self, value: Any, setting: Setting, owner: Any) -> Any:
        """See `Form.write`."""
        index, assets = self.index(setting), setting.assets
        if not len(index):
            return None
        if isinstance(value, pd.DataFrame):
            pairs = not index.isin(value.index).all()
        else:
            shape = () if isinstance(value, pd.Series | Mapping) else np.shape(value)
            if len(shape) == 3:
                return [by_asset_pair(each, assets, what="data").tolist() for each in numbers(value, "data")]
            pairs = len(assets) > 1 and shape == (len(assets), len(assets)) and len(index) != len(assets)
        if pairs:
            return square_of(by_asset_pair(value, assets, what="data"), assets)
        return self.shortest(by_interval_and_asset(value, index, assets, what="data", infinite=True), assets)

    def index(self, setting: Setting) -> pd.Index:
        """Labels of the rows."""
        return setting.grid.labels


class Auctions(Coupled):
    """A coefficient for auctions: its lists have a number for each of them."""

    def read(self, value: Any, axes: Axes, where: str) -> Any:
        """See `Form.read`."""
        return axes.data(value, where, auctions=True)

    def index(self, setting: Setting) -> pd.Index:
        """Labels of the auctions."""
        return setting.grid.labels[setting.grid.auctions]


class Between(Data):
    """A coefficient by asset, or between assets."""

    def write(self, value: Any, setting: Setting, owner: Any) -> Any:
        """See `Form.write`."""
        if isinstance(value, pd.DataFrame) or np.ndim(cast(Any, value)) == 2:
            return square_of(by_asset_pair(value, setting.assets, what="data"), setting.assets)
        return self.shortest(by_asset(value, setting.assets, what="data")[None], setting.assets)


class Pairs(Between):
    """A coefficient between assets which, where it is diagonal, is the same as one by asset."""

    def write(self, value: Any, setting: Setting, owner: Any) -> Any:
        """See `Form.write`."""
        if isinstance(value, pd.DataFrame) or np.ndim(cast(Any, value)) == 2:
            matrix = by_asset_pair(value, setting.assets, what="data")
            diagonal = np.diag(matrix)
            if np.array_equal(matrix, np.diag(diagonal)) and (diagonal >= 0).all():
                return self.shortest(diagonal[None], setting.assets)
        return super().write(value, setting, owner)


class HalfSpread(Data):
    """A half-spread: by asset it leaves auctions out, by interval it says what it is there."""

    def write(self, value: Any, setting: Setting, owner: Any) -> Any:
        """See `Form.write`."""
        cells, auctions = owner.coefficient(setting), setting.grid.auctions
        if not auctions.any():
            return self.shortest(cells, setting.assets)
        if not cells[auctions].any() and all(map(_constant, cells[~auctions].T)):
            return self.shortest(cells[~auctions], setting.assets)
        columns = cells.T.tolist()
        return columns[0] if len(columns) == 1 else dict(zip(map(text_of, setting.assets), columns, strict=True))


class Cash(Form):
    """An amount of currency by interval."""

    def read(self, value: Any, axes: Axes, where: str) -> Any:
        """See `Form.read`."""
        return axes.data(value, where)

    def write(self, value: Any, setting: Setting, owner: Any) -> Any:
        """See `Form.write`."""
        cash = pd.Index(["cash"])
        aligned = by_interval_and_asset(value, setting.grid.labels, cash, what="data", infinite=True)
        return Data().shortest(aligned, cash)


class ByLabel(Form):
    """A number, or one for each of the owner's factors or groups."""

    def write(self, value: Any, setting: Setting, owner: Any) -> Any:
        """See `Form.write`."""
        if not isinstance(value, Mapping | pd.Series):
            return float(value)
        return {text_of(label): float(value[label]) for label in owner.row_labels(setting)}


class Exposures(Form):
    """Exposures by asset, or by asset and factor."""

    def read(self, value: Any, axes: Axes, where: str) -> Any:
        """See `Form.read`."""
        several = any(isinstance(row, dict) for row in value.values())
        return pd.DataFrame.from_dict(value, orient="index") if several else value

    def write(self, value: Any, setting: Setting, owner: Any) -> Any:
        """See `Form.write`."""
        table = owner.table(setting)
        return square_of(table.to_numpy(), table.index, table.columns)


class Groups(Form):
    """The label of each asset's group."""

    def write(self, value: Any, setting: Setting, owner: Any) -> dict[str, str]:
        """See `Form.write`."""
        return {text_of(asset): text_of(group) for asset, group in owner.members(setting).items()}


class Limit(Form):
    """
    The limit of a budget.

    Parameters
    ----------
    bps : of gross arrival notional, instead of currency.
    """

    def __init__(self, *, bps: bool) -> None:
        self.bps = bps

    def read(self, value: Any, axes: Axes, where: str) -> Any:
        """See `Form.read`."""
        return bps(value) if self.bps else value

    def write(self, value: Any, setting: Setting, owner: Any) -> float | None:
        """See `Form.write`."""
        if isinstance(value, Bps) != self.bps:
            return None
        return float(np.asarray(value.value if isinstance(value, Bps) else value))


class Risk(Form):
    """A covariance: its matrix or its factors, as the problem has them aligned, and its scale."""

    def read(self, value: Any, axes: Axes, where: str) -> AnyCovariance:
        """See `Form.read`."""
        return covariance_of(value, axes, where)

    def write(self, value: Any, setting: Setting, owner: Any) -> dict[str, Any]:
        """See `Form.write`."""
        # What the covariance applies is the data that it was given, aligned.
        market = setting.market
        model = market.risk if value is market.covariance else market.align(as_covariance(value))
        scale, *parts = cast("partial[Array]", model.apply).args
        if len(parts) == 1:
            table = {"matrix": parts[0].item() if parts[0].shape == (1, 1) else parts[0].tolist()}
        else:
            loadings, factor, specific = parts
            factor = factor[0] if len(factor) == 1 else factor
            table = {"loadings": loadings.tolist(), "factor_covariance": factor.tolist()}
            table["specific_variance"] = Data(priced=True).shortest(specific[None], setting.assets)
        return table if (scale == 1).all() else {**table, "scale": Data().shortest(scale, setting.assets)}


class Followed(Form):
    """A benchmark: its kind and window, or shares still to trade at t_0..t_N."""

    def read(self, value: Any, axes: Axes, where: str) -> Any:
        """See `Form.read`."""
        if isinstance(value, tuple | dict):
            return axes.path(value, where, "edges")
        return BENCHMARKS[value.kind](**value.model_dump(exclude={"kind"}, exclude_none=True))

    def write(self, value: Any, setting: Setting, owner: Any) -> Any:
        """See `Form.write`."""
        if isinstance(value, Benchmark):
            kind = type(value).__name__
            if BENCHMARKS.get(kind) is not type(value):
                raise ModelError(
                    f"{owner.name}: the benchmark {value!r} is a class of one's own, which a problem file does not "
                    "hold; give its path, benchmark.path(problem.setting)"
                )
            return {"kind": kind, **{name: time_of(end) for name, end in vars(value).items() if end is not None}}
        path = explicit_path(value, setting)
        columns = path.T.tolist()
        return columns[0] if len(columns) == 1 else dict(zip(map(text_of, setting.assets), columns, strict=True))


def covariance_of(table: Any, axes: Axes, where: str) -> AnyCovariance:
    """Return the covariance that a table says, tried on the grid and the assets."""

    def matrices(name: str, labels: pd.Index) -> Any:
        value, at = getattr(table, name), f"{where}.{name}"
        if isinstance(value, tuple) and value and value[0] and isinstance(value[0][0], tuple):
            return axes.matrices(value, at, axes.grid.periods, "intervals", labels)
        return axes.matrix(value, at, labels, labels)

    def per_asset(name: str) -> pd.Series:
        with axes.source.naming(where):
            return pd.Series(by_asset(values[name], axes.assets, what=name, price_units=True), index=axes.assets)

    coefficients = ("volatility", "specific_variance", "scale")
    given = {name: found for name in coefficients if (found := getattr(table, name)) is not None}
    values = {name: axes.data(found, f"{where}.{name}") for name, found in given.items()}
    build: Callable[..., AnyCovariance] = Covariance
    if table.loadings is not None:
        rows = table.loadings
        first = next(iter(rows.values() if isinstance(rows, dict) else rows), ())
        factors = pd.Index(list(first)) if isinstance(first, dict) else pd.RangeIndex(len(first))
        build, loadings = FactorModel, axes.matrix(rows, f"{where}.loadings", axes.assets, factors)
        parts = [loadings, matrices("factor_covariance", factors), per_asset("specific_variance")]
    elif table.matrix is not None:
        parts = [matrices("matrix", axes.assets)]
    else:
        deviation, unit = per_asset("volatility"), pd.DataFrame(np.eye(len(axes.assets)), axes.assets, axes.assets)
        correlation = unit if table.correlation is None else matrices("correlation", axes.assets)
        if (np.diag(correlation) != 1).any():
            axes.source.refuse(f"{where}.correlation", "a number on its diagonal is not 1")
        parts = [correlation * np.outer(deviation, deviation)]
    with axes.source.naming(where):
        covariance = build(*parts, scale=values.get("scale"))
        covariance.on(axes.grid, axes.assets)
    return covariance


def time_of(value: Any) -> Any:
    """Return a time as TOML holds it: text, number, time of day, or stamp; a timedelta as seconds on the clock."""
    if isinstance(value, str | dt.time):
        return value
    if isinstance(value, dt.timedelta | np.timedelta64):
        return f"{pd.Timedelta(value).total_seconds()!r}s"
    if isinstance(value, dt.date | np.datetime64):
        return pd.Timestamp(value).to_pydatetime()
    return float(value)


def text_of(label: Any) -> str:
    """Return a label, which must be a text."""
    if not isinstance(label, str) or not label.strip():
        raise DataError(
            f"the label {label!r} ({type(label).__name__}) is no text, and a problem file has no other labels; rename "
            "it, for example with frame.rename(columns=str)"
        )
    return str(label)


def square_of(matrix: Array, rows: pd.Index, columns: pd.Index | None = None) -> dict[str, dict[str, float]]:
    """Return numbers by pair of labels."""
    across = [text_of(label) for label in (rows if columns is None else columns)]
    return {text_of(i): dict(zip(across, row, strict=True)) for i, row in zip(rows, matrix.tolist(), strict=True)}


def _constant(values: Array) -> bool:
    """Whether all numbers are the same to the last bit, the sign of zero included."""
    return bool((values == values[0]).all() and (np.signbit(values) == np.signbit(values[0])).all())

"""What is to be traded: positions to leave and positions to reach."""

from __future__ import annotations

import csv
from collections.abc import Hashable, Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from acopt.errors import DataError
from acopt.market.labels import LARGEST, Array, Data, by_asset, label_list, numbers, short

SIDES = {"sell": 1.0, "s": 1.0, "short": 1.0, "buy": -1.0, "b": -1.0}


class Order:
    """
    A basket of orders: the position held before the first trade and the one to reach.

    x_0 = initial - target: > 0 shares still to sell, < 0 shares still to buy.

    Parameters
    ----------
    initial : position at t_0, shares; a scalar (one asset), mapping, or Series by asset.
    target : position at t_N, shares; scalar 0 by default.

    Raises
    ------
    DataError
        Labels that do not match, or numbers that are not finite.
    """

    def __init__(self, initial: Data, target: Data = 0.0) -> None:
        self._assets = _assets_of(initial, target)
        self._initial = by_asset(_filled(initial, self._assets), self._assets, what="order initial")
        self._target = by_asset(_filled(target, self._assets), self._assets, what="order target")
        self._hedges: frozenset[Any] = frozenset()

    @classmethod
    def sell(cls, quantities: Data) -> Order:
        """Sell these shares: from the quantity down to zero."""
        return cls(_quantities(quantities, "sell"))

    @classmethod
    def buy(cls, quantities: Data) -> Order:
        """Buy these shares: from zero up to the quantity."""
        shares = _quantities(quantities, "buy")
        return cls(shares * 0.0, shares)

    @classmethod
    def hedge(cls, assets: Iterable[Any]) -> Order:
        """Allow trading in these assets, which start and end flat (a futures or ETF hedge leg)."""
        labels = label_list(assets, "Order.hedge assets")
        if not labels:
            raise DataError("Order.hedge: no asset was named")
        order = cls(pd.Series(0.0, index=pd.Index(labels)))
        order._hedges = frozenset(labels)
        return order

    @classmethod
    def from_frame(
        cls,
        source: pd.DataFrame | str | PathLike[str],
        *,
        symbol: str = "symbol",
        side: str = "side",
        quantity: str | None = "quantity",
        notional: str | None = None,
        price: Data | None = None,
    ) -> Order:
        """
        Read orders from a table or a CSV file: one row per order, sides buy or sell.

        Rows of one symbol add up; they must be of one side.

        Parameters
        ----------
        source : DataFrame, or the path of a CSV file.
        symbol, side : column names.
        quantity : column of shares, > 0.
        notional : column of currency amounts, > 0, instead of `quantity`; divided by `price`.
        price : arrival price by asset, needed with `notional`.

        Raises
        ------
        DataError
            Names the file, the line and the field.
        """
        if not isinstance(source, pd.DataFrame | str | PathLike):
            raise DataError(f"Order.from_frame: {short(source)} was given, a table or the path of a file is expected")
        for what, given in (("symbol", symbol), ("side", side), ("quantity", quantity), ("notional", notional)):
            if not isinstance(given, Hashable) or (given is not None and np.ndim(given) != 0):
                raise DataError(f"Order.from_frame {what}={short(given)}: the name of a column is expected")
        name = "orders" if isinstance(source, pd.DataFrame) else str(source)
        frame = source if isinstance(source, pd.DataFrame) else read_csv(Path(source))
        column = quantity if notional is None else notional
        if column is None:
            raise DataError("Order.from_frame: name the column of quantity= or of notional=")
        for needed in (symbol, side, column):
            if needed not in frame.columns:
                raise DataError(f"{name}: no column {needed!r}; found: {', '.join(map(str, frame.columns)) or 'none'}")
            if list(frame.columns).count(needed) > 1:
                raise DataError(f"{name}: the column {needed!r} appears more than once")
        if frame.empty:
            raise DataError(f"{name}: no orders, the table is empty")
        initial: dict[Any, float] = {}
        target: dict[Any, float] = {}
        rows = range(len(frame)) if frame is source else frame.index
        for row, label, text, amount in zip(rows, frame[symbol], frame[side], frame[column], strict=True):
            where = f"{name}, {'row' if frame is source else 'line'} {row}"
            if pd.isna(label) or not str(label).strip():
                raise DataError(f"{where}, {symbol}: empty")
            key = str(label).strip() if isinstance(label, str) else label
            sign = SIDES.get(str(text).strip().lower())
            if sign is None:
                raise DataError(f"{where}, {side}: {text!r} is not a side; 'buy' or 'sell' is expected")
            shares = _positive(amount, f"{where}, {column}")
            if notional:
                if price is None:
                    raise DataError("Order.from_frame: notional= needs price=, the arrival price by asset")
                shares /= float(by_asset(price, pd.Index([key]), what="price", sign="positive")[0])
            if (target if sign > 0 else initial).get(key, 0.0) > 0:
                raise DataError(
                    f"{where}, {side}: {key} is bought and sold in one list; net its orders first, or plan them apart"
                )
            for book, own in ((initial, sign > 0), (target, sign < 0)):
                book[key] = book.get(key, 0.0) + (shares if own else 0.0)
        return cls(pd.Series(initial), pd.Series(target))

    @property
    def assets(self) -> pd.Index:
        """Labels of the assets, in the order given."""
        return self._assets

    @property
    def initial(self) -> pd.Series:
        """Position at t_0, shares, by asset."""
        return pd.Series(self._initial, index=self._assets, name="initial")

    @property
    def target(self) -> pd.Series:
        """Position at t_N, shares, by asset."""
        return pd.Series(self._target, index=self._assets, name="target")

    @property
    def remaining(self) -> pd.Series:
        """x_0 = initial - target, shares, by asset: > 0 to sell, < 0 to buy."""
        return pd.Series(self._initial - self._target, index=self._assets, name="remaining")

    @property
    def hedges(self) -> frozenset[Any]:
        """Labels of the hedge legs."""
        return self._hedges

    def __add__(self, other: Order) -> Order:
        if not isinstance(other, Order):
            return NotImplemented
        labels = self._assets.append(other._assets[~other._assets.to_flat_index().isin(self._assets.to_flat_index())])
        order = Order(
            self.initial.reindex(labels, fill_value=0.0) + other.initial.reindex(labels, fill_value=0.0),
            self.target.reindex(labels, fill_value=0.0) + other.target.reindex(labels, fill_value=0.0),
        )
        # An asset with a parent order of its own is no longer a mere hedge leg.
        parents = (set(self._assets) - self._hedges) | (set(other._assets) - other._hedges)
        order._hedges = (self._hedges | other._hedges) - parents
        return order

    def __radd__(self, other: object) -> Order:
        return self if other == 0 else NotImplemented

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Order)
            and self._assets.equals(other._assets)
            and np.array_equal(self._initial, other._initial)
            and np.array_equal(self._target, other._target)
            and self._hedges == other._hedges
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        parts = []
        for label, start, end in zip(self._assets, self._initial, self._target, strict=True):
            if label in self._hedges:
                parts.append(f"hedge {label}")
            else:
                parts.append(f"{'sell' if start >= end else 'buy'} {abs(start - end):,.0f} {label}")
        shown = parts if len(parts) <= 6 else [*parts[:5], f"... {len(parts) - 5} more"]
        return f"Order({', '.join(shown)})"


def _assets_of(initial: Data, target: Data) -> pd.Index:
    indexes = [_labels(value) for value in (initial, target)]
    named = [index for index in indexes if index is not None]
    if not named:
        sizes = {numbers(value, "order").size for value in (initial, target)}
        if sizes != {1}:
            raise DataError("order: several assets need labels; give a mapping or a Series by asset")
        return pd.Index(["asset"])
    for index in named:
        if not index.is_unique:
            raise DataError(f"order: the asset {index[index.duplicated()][0]!r} appears more than once")
        if len(index) == 0:
            raise DataError("order: no asset was named")
    if len(named) == 2:
        return named[0].append(named[1][~named[1].to_flat_index().isin(named[0].to_flat_index())])
    return named[0]


def _labels(value: Data) -> pd.Index | None:
    if isinstance(value, Mapping):
        return cast(pd.Index, pd.Index(list(value)))
    if isinstance(value, pd.Series):
        return value.index
    return None


def _filled(value: Data, assets: pd.Index) -> Data:
    """A position that one of the two sides does not mention is zero there."""
    if isinstance(value, Mapping):
        return {label: value.get(label, 0.0) for label in assets}
    if isinstance(value, pd.Series):
        return value.astype(object).reindex(assets, fill_value=0.0)
    value = numbers(value, "order")
    if np.size(value) == 1:
        return np.broadcast_to(np.asarray(value).reshape(-1), (len(assets),))
    return value


def _quantities(quantities: Data, side: str) -> pd.Series:
    labels = _assets_of(quantities, 0.0)
    shares: Array = by_asset(quantities, labels, what=f"Order.{side} quantity", sign="nonnegative")
    return pd.Series(shares, index=labels)


def _positive(value: Any, where: str) -> float:
    try:
        number = float(str(value).replace(",", "").replace("_", ""))
    except ValueError as error:
        raise DataError(f"{where}: {value!r} is not a number") from error
    if not 1 / LARGEST <= number <= LARGEST:
        raise DataError(f"{where}: {value!r} is not a quantity; a number > 0 is expected (the side gives the sign)")
    return number


def read_csv(path: Path) -> pd.DataFrame:
    """Cells as text, indexed by line; blank lines are skipped."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, skipinitialspace=True)
            lines = ((reader.line_num, [cell.strip() for cell in row]) for row in reader)
            rows = {number: cells for number, cells in lines if any(cells)}
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except (csv.Error, UnicodeDecodeError, OSError) as error:
        raise DataError(f"{path}: cannot be read as CSV ({error})") from error
    if not rows:
        raise DataError(f"{path}: the file is empty; a header and one line per order are expected")
    (_, header), *body = rows.items()
    for line, row in body:
        if len(row) != len(header):
            raise DataError(
                f"{path}, line {line}: {len(row)} fields, the header has {len(header)}; "
                'a number such as "1,000" needs its quotes'
            )
    return pd.DataFrame([row for _, row in body], index=[line for line, _ in body], columns=header, dtype=object)

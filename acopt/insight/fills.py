"""What was executed so far, however it is stated: shares by asset, trades by interval, or single fills."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from acopt.errors import DataError
from acopt.market.clock import number, parse_time_of_day, parse_timestamp
from acopt.market.grid import TimeGrid
from acopt.market.labels import LARGEST, Array, by_asset, by_interval_and_asset
from acopt.market.order import SIDES, read_csv
from acopt.model.setting import Mask

__all__ = ["Executed", "Past", "read_executed"]

TIME, SYMBOL, SIDE, QUANTITY, PRICE = ("time", "start"), ("symbol",), ("side",), ("quantity", "shares"), ("price",)
"""Names that a column of fills may have; the second ones are those of `Schedule.to_frame`."""
DUST = 1e-9
"""Part of an asset's largest planned trade below which a trade is the rounding of a sum."""
FAR = 5.0
"""Factor from the arrival price beyond which a fill's price is in another unit, or of another symbol."""


@dataclass(frozen=True)
class Past:
    """
    The intervals that are over.

    Attributes
    ----------
    grid : TimeGrid
        All intervals, N of them, with an edge at the time of the re-plan.
    periods : int
        p, how many are over.
    assets : pd.Index
        Labels (n,).
    prices : ndarray, shape (n,), currency/share
        Arrival prices.
    planned : ndarray, shape (N, n), shares
        Trades of the plan.
    tradable : ndarray of bool, shape (p, n)
        Where an asset could trade.
    """

    grid: TimeGrid
    periods: int
    assets: pd.Index
    prices: Array
    planned: Array
    tradable: Mask

    @property
    def end(self) -> Any:
        """Label of the edge at which the past ends."""
        return self.grid.edge_labels[self.periods]


@dataclass(frozen=True)
class Executed:
    """
    What was executed.

    Attributes
    ----------
    trades : ndarray, shape (p, n), shares
        Buys +, sells -.
    paid : ndarray, shape (n,), currency, or None
        Sum of signed quantity times (price - arrival price), > 0 where it cost; None without prices.
    """

    trades: Array
    paid: Array | None = None


def read_executed(value: Any, past: Past) -> Executed:
    """
    Read what was executed since t_0.

    Parameters
    ----------
    value : signed shares (buys +, sells -) by asset, a Series, mapping, or scalar for one asset; a DataFrame
        interval x asset of them; or fills, a DataFrame or the path of a CSV file with the columns time,
        symbol, side, quantity, and price if it is known (start and shares, as in `Schedule.to_frame`, will do).
    past : the intervals it belongs to.

    Raises
    ------
    DataError
        Names the asset and interval, or the row (line of a file) and field, and what would be accepted.
    """
    if isinstance(value, str | PathLike):
        name = str(value)
        return _fills(read_csv(Path(name)), name, "line", past)
    if isinstance(value, pd.DataFrame):
        tidy = {*SYMBOL, *SIDE} & set(value.columns) - set(past.assets)
        return _fills(value, "executed", "row", past) if tidy else Executed(_by_interval(value, past))
    labels = (
        pd.Index(list(value)) if isinstance(value, Mapping) else value.index if isinstance(value, pd.Series) else ()
    )
    unknown = [label for label in labels if label not in past.assets]
    if unknown:
        raise DataError(f"executed: {unknown[0]!r} is not in the order ({_some(past.assets)})")
    shares = by_asset(value, past.assets, what="executed")
    if np.ndim(value) == 0 and not isinstance(value, Mapping) and len(shares) > 1 and shares.any():
        raise DataError(f"executed: one number, {value!r}, for {len(shares)} assets; give a Series by asset")
    return Executed(_spread(shares, past))


def _spread(shares: Array, past: Past) -> Array:
    """
    Spread shares by asset over the past (p, n).

    In proportion to the plan's own trades of that sign; where it has none, to the time in which the asset could trade.
    """
    p = past.periods
    own = np.maximum(np.sign(shares) * past.planned[:p], 0.0)
    own[own <= DUST * np.abs(past.planned).max(axis=0, initial=0.0)] = 0.0
    time = np.where(past.tradable, past.grid.durations[:p, None], 0.0)
    weights = np.where(own.sum(axis=0) > 0, own, time)
    total = weights.sum(axis=0)
    stuck = np.flatnonzero((shares != 0) & (total == 0))
    if len(stuck):
        i = int(stuck[0])
        raise DataError(
            f"executed: {shares[i]:,.6g} shares of {past.assets[i]}, but before {past.end} there is no interval in "
            "which it could trade"
        )
    return np.asarray(weights * np.divide(shares, total, out=np.zeros_like(total), where=total > 0))


def _by_interval(frame: pd.DataFrame, past: Past) -> Array:
    labels = past.grid.labels[: past.periods]
    if frame.index.equals(labels) and frame.columns.equals(past.assets):
        return by_interval_and_asset(frame.to_numpy(), labels, past.assets, what="executed")
    for given, wanted, axis in ((frame.index, labels, "interval"), (frame.columns, past.assets, "asset")):
        foreign = given[~given.isin(wanted)]
        if len(foreign):
            at = f"before {past.end}: {_some(wanted)}" if axis == "interval" else f"in the order: {_some(wanted)}"
            raise DataError(f"executed: {foreign[0]!s} is no {axis} {at} (fills have columns time, symbol, side, ...)")
    return by_interval_and_asset(frame, labels, past.assets, what="executed")


def _fills(frame: pd.DataFrame, name: str, unit: str, past: Past) -> Executed:
    """Aggregate fills to intervals; one exactly on an edge belongs to the interval that starts there."""
    if frame.empty:
        raise DataError(f"{name}: no fills, the table is empty; executed=0 says that nothing was executed")
    rows = frame.index if unit == "line" else range(len(frame))

    def refuse(row: int, column: str, why: str) -> DataError:
        cell = frame[column].iloc[row]
        shown = cell.item() if isinstance(cell, np.generic) else cell
        return DataError(f"{name}, {unit} {rows[row]}, {column}: {shown!r} {why}")

    time, symbol, side, quantity = (_column(frame, names, name) for names in (TIME, SYMBOL, SIDE, QUANTITY))
    signs = _each(frame[side], _sign, side, refuse, "is not a side; 'buy' or 'sell' is expected")
    shares = _each(frame[quantity], _number, quantity, refuse, "is not a number")
    _demand((signs != 0) | (shares == 0), side, refuse, "is not the side of a trade; 'buy' or 'sell' is expected")
    _demand((shares > 0) | (signs == 0), quantity, refuse, "is not a quantity; a number > 0 is expected")
    columns = past.assets.get_indexer(pd.Index(frame[symbol].map(_stripped)))
    _demand(columns >= 0, symbol, refuse, f"is not in the order ({_some(past.assets)})")
    index = _intervals(frame[time], past, time, refuse)
    trades = np.zeros((past.periods, len(past.assets)))
    np.add.at(trades, (index, columns), signs * shares)
    if PRICE[0] not in frame.columns:
        return Executed(trades)
    price = _each(frame[_column(frame, PRICE, name)], _number, PRICE[0], refuse, "is not a number")
    _demand(price > 0, PRICE[0], refuse, "is not a price; a number > 0 is expected (or no column of prices)")
    arrival = past.prices[columns]
    near = (price < FAR * arrival) & (price > arrival / FAR)
    _demand(near, PRICE[0], refuse, f"is more than {FAR:g} times off its arrival price; currency is expected")
    paid = np.zeros(len(past.assets))
    np.add.at(paid, columns, signs * shares * (price - arrival))
    return Executed(trades, paid)


def _intervals(column: pd.Series, past: Past, name: str, refuse: Callable[[int, str, str], DataError]) -> Any:
    """Positions of the intervals (rows,) in which these times lie."""
    grid, p = past.grid, past.periods
    stamps = grid.timestamps
    accepted = f"is not a time; {'a number' if stamps is None else 'a timestamp'} is expected"
    if stamps is None:
        axis, moments = np.asarray(grid.edges), _each(column, _number, name, refuse, accepted)
        reach = 1e-9 * grid.horizon
    else:
        axis, reach = (stamps.asi8 - stamps.asi8[0]).astype(float), 0.0
        moments = _each(column, lambda value: _since(value, stamps), name, refuse, accepted)
    _demand(moments >= axis[0] - reach, name, refuse, f"is before the grid's start, {grid.edge_labels[0]}")
    _demand(moments < axis[p] - reach, name, refuse, f"is not before {past.end}, the time of the re-plan")
    index = np.maximum(np.searchsorted(axis, moments + reach, side="right") - 1, 0)
    _demand(~grid.closed[index], name, refuse, "is in a closed interval (a night, or a midday break)")
    return index


def _since(value: Any, stamps: pd.DatetimeIndex) -> float | None:
    """Microseconds from the first stamp to a timestamp, or to a time of day where there is one day only."""
    first, of_day = stamps[0], parse_time_of_day(value)
    if of_day is not None:
        if first.date() != stamps[-1].date():
            return None
        stamp = first.normalize().tz_localize(None) + pd.Timedelta(microseconds=of_day)
    else:
        found = parse_timestamp(value)
        if found is None or (found.tz is not None and first.tz is None):
            return None
        stamp = found
    moment: Any = stamp
    if stamp.tz is None and first.tz is not None:
        # A time that the clock shows twice, or never, is no moment.
        try:
            moment = stamp.tz_localize(first.tz, ambiguous="NaT", nonexistent="NaT")
        except NotImplementedError:  # the year 10000
            return None
    return None if moment is pd.NaT else float((moment - first) / pd.Timedelta(microseconds=1))


def _column(frame: pd.DataFrame, names: tuple[str, ...], source: str) -> str:
    found = [name for name in names if name in frame.columns]
    if not found:
        raise DataError(
            f"{source}: no column {names[0]!r}; found: {_some(frame.columns)}; fills have time, symbol, side, "
            "quantity, and price if it is known"
        )
    if list(frame.columns).count(found[0]) > 1:
        raise DataError(f"{source}: the column {found[0]!r} appears more than once")
    return found[0]


def _each(
    column: pd.Series,
    read: Callable[[Any], float | None],
    name: str,
    refuse: Callable[[int, str, str], DataError],
    why: str,
) -> Array:
    """Read every cell (equal ones once), or refuse the first that cannot be read."""
    try:
        codes, cells = pd.factorize(column, use_na_sentinel=False)
    except TypeError as error:  # a list in a cell cannot even be looked up
        raise refuse(int(np.argmin(column.map(pd.api.types.is_scalar))), name, why) from error
    values = [read(cell) for cell in cells]
    out = np.array([np.nan if value is None else value for value in values], dtype=float)[codes]
    _demand(np.abs(out) <= LARGEST, name, refuse, why)
    return out


def _demand(fine: Any, name: str, refuse: Callable[[int, str, str], DataError], why: str) -> None:
    if not fine.all():
        raise refuse(int(np.argmin(fine)), name, why)


def _sign(cell: Any) -> float | None:
    """Return +1 for a buy, -1 for a sell, 0 for "none", which `Schedule.to_frame` says where nothing is traded."""
    text = str(cell).strip().lower()
    return 0.0 if text == "none" else -SIDES[text] if text in SIDES else None


def _number(cell: Any) -> float | None:
    if isinstance(cell, str):
        try:
            return float(cell.replace(",", "").replace("_", ""))
        except ValueError:
            return None
    return number(cell)


def _stripped(cell: Any) -> Any:
    return cell.strip() if isinstance(cell, str) else cell if isinstance(cell, Hashable) else None


def _some(labels: pd.Index) -> str:
    return (", ".join(map(str, labels[:12])) or "none") + (", ..." if len(labels) > 12 else "")

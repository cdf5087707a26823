"""The data rule: how a number, a labelled object or an array becomes an interval x asset array."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from acopt.errors import DataError

Array: TypeAlias = npt.NDArray[np.float64]
Data: TypeAlias = float | Mapping[Any, float] | pd.Series | pd.DataFrame | npt.ArrayLike
Sign: TypeAlias = Literal["any", "nonnegative", "positive"]

LARGEST = 1e60
"""No share count, price, time or weight is larger; products of a few such numbers are still finite."""

_DEMANDS = {"nonnegative": "a number >= 0", "positive": "a number > 0", "any": "a finite number"}


def by_interval_and_asset(
    value: Data,
    intervals: pd.Index,
    assets: pd.Index,
    *,
    what: str,
    sign: Sign = "any",
    price_units: bool = False,
    infinite: bool = False,
) -> Array:
    """
    Align one coefficient to the grid and the assets: shape (N, n).

    Parameters
    ----------
    value : scalar; Series by asset or by interval; DataFrame interval x asset; or an array of shape
        (N, n), (n,), (N, 1), or (N,) when there is one asset.
    intervals, assets : the labels to align to; a superset is selected from, in any order.
    what : the name that errors use.
    sign : what is accepted.
    price_units : a plain scalar for several assets is refused (it would give a 5-dollar and a
        500-dollar stock the same cents).
    infinite : whether infinities are accepted (bounds).

    Raises
    ------
    DataError
        A label is missing, a number is NaN or has the wrong sign, or the shape fits nothing.
    """
    n, m = len(intervals), len(assets)
    if isinstance(value, Mapping):
        value = pd.Series(dict(value), dtype=object)
    if isinstance(value, pd.DataFrame):
        _unique(value.index, what)
        _unique(value.columns, what)
        _require(intervals, value.index, what, "interval")
        _require(assets, value.columns, what, "asset")
        out = _cells(value.loc[intervals, assets], what)
    elif isinstance(value, pd.Series):
        out = _series(value, intervals, assets, what)
    else:
        out = _unlabelled(numbers(value, what), n, m, what, price_units)
    out = np.array(np.broadcast_to(out, (n, m)), dtype=float)
    _check(out, what, sign, infinite, intervals, assets)
    return out


def by_asset(
    value: Data,
    assets: pd.Index,
    *,
    what: str,
    sign: Sign = "any",
    price_units: bool = False,
    infinite: bool = False,
) -> Array:
    """Align a scalar, a mapping or Series by asset, or an array (n,) to the assets: shape (n,)."""
    if isinstance(value, Mapping):
        value = pd.Series(dict(value), dtype=object)
    if isinstance(value, pd.DataFrame):
        raise DataError(f"{what}: a table was given, one number per asset is expected (a Series by asset)")
    if isinstance(value, pd.Series):
        _unique(value.index, what)
        if not value.index.equals(assets):
            _require(assets, value.index, what, "asset")
            value = value.loc[assets]
        out = _cells(value, what)
    else:
        out = numbers(value, what)
        if out.ndim == 0:
            _scalar(float(out), len(assets), what, price_units)
        elif out.shape != (len(assets),):
            raise DataError(f"{what}: an array of shape {out.shape} was given, ({len(assets)},) is expected")
    out = np.array(np.broadcast_to(out, (len(assets),)), dtype=float)
    _check(out[None, :], what, sign, infinite, None, assets)
    return out


def by_asset_pair(value: Data, assets: pd.Index, *, what: str, axis: str = "asset") -> Array:
    """Align a DataFrame asset x asset, or an array (n, n) (a scalar for one asset): shape (n, n)."""
    n = len(assets)
    if isinstance(value, pd.DataFrame):
        _unique(value.index, what)
        _unique(value.columns, what)
        _require(assets, value.index, what, axis)
        _require(assets, value.columns, what, axis)
        out = _cells(value.loc[assets, assets], what)
    else:
        out = numbers(value, what)
        if out.ndim == 0 and n == 1:
            out = out.reshape(1, 1)
        if out.shape != (n, n):
            raise DataError(f"{what}: an array of shape {out.shape} was given, ({n}, {n}) is expected")
    out = np.array(out, dtype=float)
    _check(out, what, "any", False, assets, assets)
    return out


def symmetric(matrix: Array, assets: pd.Index, *, what: str, advice: str = "") -> Array:
    """Return the matrix made exactly symmetric, or raise naming the pair that differs most."""
    gap = np.abs(matrix - matrix.T)
    if gap.size and gap.max() > 1e-10 * np.abs(matrix).max():
        i, j = divmod(int(gap.argmax()), len(assets))
        raise DataError(
            f"{what} is not symmetric: [{assets[i]}, {assets[j]}] is {matrix[i, j]:.6g}, "
            f"[{assets[j]}, {assets[i]}] is {matrix[j, i]:.6g}{advice}"
        )
    return 0.5 * (matrix + matrix.T)


def numbers(value: Any, what: str) -> Array:
    """Return an array of floats, or raise naming what is not a number."""
    if isinstance(value, pd.Series | pd.DataFrame):
        return _cells(value, what)
    try:
        return _floats(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{what}: {short(value)} is not a number ({error})") from error


def label_list(value: Any, what: str) -> list[Any]:
    """Return one text, or the labels of a list, an index or the like, or raise naming what is no label."""
    if isinstance(value, str):
        return [value]
    many = isinstance(value, Iterable) and not isinstance(value, bytes | pd.DataFrame)
    if not many or (isinstance(value, np.ndarray) and value.ndim != 1):
        raise DataError(f"{what}: {short(value)} was given, a label or a list of labels is expected")
    labels = list(value)
    for label in labels:
        try:
            hash(label)
        except TypeError as error:
            raise DataError(f"{what}: {short(label)} is no label ({error})") from error
        if label is pd.NA or (isinstance(label, tuple) and not label):
            raise DataError(f"{what}: {short(label)} is no label (it is empty)")
    return labels


def called(name: Any, default: str) -> str:
    """Return the name of a cost or a rule: the text given, or its default where there is none."""
    if name is None or (isinstance(name, str) and not name):
        return default
    if not isinstance(name, str):
        raise DataError(f"{default} name: {short(name)} was given, a text is expected")
    return name


def is_one_of(word: Any, accepted: Container[str]) -> bool:
    """Whether it is a text, and one of those accepted."""
    return isinstance(word, str) and word in accepted


def demand(value: Any, kind: type, what: str) -> None:
    """Demand an object of ours."""
    if not isinstance(value, kind):
        article = "an" if kind.__name__[0] in "AEIO" else "a"
        raise DataError(f"{what}: {type(value).__name__} was given, {article} {kind.__name__} is expected")


def short(value: Any) -> str:
    """Return a value as messages show it, in one line of 60 letters at most."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else text[:57] + "..."


def place(row: int, column: int, intervals: pd.Index | None, assets: pd.Index) -> str:
    """Name a cell for an error: `JPM at 2019-02-15 10:30`."""
    where = f"{assets[column]}"
    return where if intervals is None else f"{where} at {intervals[row]}"


def _series(value: pd.Series, intervals: pd.Index, assets: pd.Index, what: str) -> Array:
    _unique(value.index, what)
    fits_assets, fits_intervals = assets.isin(value.index).all(), intervals.isin(value.index).all()
    if fits_assets and fits_intervals:
        raise DataError(f"{what}: the Series' labels fit the assets and the intervals alike; give a DataFrame")
    if fits_intervals:
        return _cells(value.loc[intervals], what)[:, None]
    if fits_assets:
        return _cells(value.loc[assets], what)[None, :]
    if intervals.isin(value.index).sum() > assets.isin(value.index).sum():
        _require(intervals, value.index, what, "interval")
    _require(assets, value.index, what, "asset")
    raise DataError(f"{what}: its labels fit neither the assets nor the intervals")  # pragma: no cover


def _unlabelled(out: Array, n: int, m: int, what: str, price_units: bool) -> Array:
    if out.ndim == 0:
        _scalar(float(out), m, what, price_units)
        return out
    if out.shape == (n, m):
        return out
    if out.ndim == 1 and m == 1 and out.shape == (n,):
        return out[:, None]
    if out.shape == (m,):
        if n == m:
            raise DataError(
                f"{what}: an array of length {m} fits the {n} intervals and the {m} assets alike; give a Series"
            )
        return out[None, :]
    if out.shape == (n, 1):
        return out
    raise DataError(
        f"{what}: an array of shape {out.shape} was given; accepted are a scalar, ({m},) by asset, "
        f"({n}, 1) by interval, or ({n}, {m}) interval x asset"
    )


def _scalar(value: float, m: int, what: str, price_units: bool) -> None:
    if price_units and m > 1:
        raise DataError(
            f"{what}: the scalar {value:g} is in price units and would be the same cents for all {m} assets; "
            "give a Series by asset (or a model in bps)"
        )


def _cells(table: pd.Series | pd.DataFrame, what: str) -> Array:
    """Numbers of a labelled object; what is not a number is named by its labels."""
    try:
        return _floats(table.to_numpy())
    except (TypeError, ValueError, OverflowError) as error:
        axes = [*reversed(table.axes)]
        for at, cell in np.ndenumerate(table.to_numpy(dtype=object)):
            try:
                float(_floats(cell))
            except (TypeError, ValueError, OverflowError):
                where = " at ".join(str(axis[i]) for axis, i in zip(axes, reversed(at), strict=True))
                raise DataError(f"{what}: {short(cell)} for {where} is not a number") from error
        raise  # pragma: no cover


def _floats(value: Any) -> Array:
    """Return an array of floats; times and complex numbers, of which NumPy would make some, are none."""
    raw = np.asarray(value)
    if raw.dtype.kind in "cmM" or (raw.dtype == object and any(isinstance(cell, complex) for cell in raw.flat)):
        raise TypeError(f"it is of type {raw.dtype}")
    return np.asarray(raw, dtype=float)


def _unique(index: pd.Index, what: str) -> None:
    if not index.is_unique:
        raise DataError(f"{what}: the label {index[index.duplicated()][0]!r} appears more than once")


def _require(wanted: pd.Index, given: pd.Index, what: str, axis: str) -> None:
    missing = wanted[~wanted.to_flat_index().isin(given.to_flat_index())]
    if len(missing):
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise DataError(
            f"{what}: no value for {axis} {missing[0]!s}{more}; given: {', '.join(map(str, given[:6]))}"
            + (", ..." if len(given) > 6 else "")
        )


def _check(out: Array, what: str, sign: Sign, infinite: bool, intervals: pd.Index | None, assets: pd.Index) -> None:
    bad = np.isnan(out) if infinite else ~np.isfinite(out)
    if sign == "positive":
        bad |= out <= 0
    elif sign == "nonnegative":
        bad |= out < 0
    huge = np.isfinite(out) & (np.abs(out) > LARGEST)
    if sign == "positive":
        huge |= (out > 0) & (out < 1 / LARGEST)
    if huge.any():
        row, column = (int(i) for i in np.argwhere(huge)[0])
        raise DataError(
            f"{what} is {out[row, column]:g} for {place(row, column, intervals, assets)}; a size from {1 / LARGEST:g} "
            f"to {LARGEST:g} is accepted{', or inf for no bound' if infinite else ''}"
        )
    if bad.any():
        row, column = (int(i) for i in np.argwhere(bad)[0])
        raise DataError(
            f"{what} is {out[row, column]:g} for {place(row, column, intervals, assets)}; "
            f"{'a number' if infinite and sign == 'any' else _DEMANDS[sign]} is expected"
        )

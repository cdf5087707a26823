"""Rows of bars as they come, from files or frames: read exactly, or refused by file, line and field."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from acopt.errors import DataError
from acopt.market.edges import localized
from acopt.market.labels import LARGEST, short

__all__ = ["NUMBERS", "BarSource", "SymbolBars", "collect"]

BarSource: TypeAlias = (
    "str | Path | Iterable[str | Path] | Mapping[str, str | Path] | Mapping[str, pd.DataFrame] | pd.DataFrame"
)

NUMBERS = ("open", "high", "low", "close", "volume")
_STANDARD = ("datetime", *NUMBERS)
_ZONE = r"(?:Z|[+-]\d{2}(?::?\d{2})?)"
_DATE = re.compile(rf"\d{{4}}-\d{{2}}-\d{{2}}(?:[ T]\d{{2}}:\d{{2}}(?::\d{{2}}(?:\.\d+)?)?\s*{_ZONE}?)?")
_OFFSET = re.compile(rf".*\d{{2}}:\d{{2}}.*{_ZONE}")


@dataclass(frozen=True)
class SymbolBars:
    """The rows of one symbol, oldest first, with the stamps as given.

    Attributes
    ----------
    symbol, source : str
        The label, and the file or frame it came from.
    stamps : pd.DatetimeIndex, shape (m,)
        Strictly increasing, in the zone asked for.
    numbers : ndarray, shape (m, 5)
        Open, high, low, close (currency/share), volume (shares).
    daily : bool
        The stamps are dates.
    """

    symbol: str
    source: str
    stamps: pd.DatetimeIndex
    numbers: NDArray[np.float64]
    daily: bool


@dataclass(frozen=True)
class _Table:
    """Rows of text or numbers, and how a message names a row."""

    symbol: str | None
    source: str
    rows: pd.DataFrame
    unit: str

    def at(self, row: int) -> str:
        return f"{self.source}, {self.unit} {self.rows.index[row]}"


def collect(source: BarSource, symbol: str | None, columns: Mapping[str, str] | None, tz: str) -> list[SymbolBars]:
    """Read every symbol of a source.

    Raises
    ------
    DataError
        No such file, a name that does not fit the pattern, two sources of one symbol, an empty file, a missing
        column, a stamp or number that cannot be read, rows that are neither oldest nor newest first.
    """
    found: dict[str, SymbolBars] = {}
    for table in _tables(source, symbol, columns):
        for name, part in _by_symbol(table, columns):
            bars = _read(name, part, columns, tz)
            if name in found:
                raise DataError(f"{name} comes from both {found[name].source} and {bars.source}; give one of them")
            found[name] = bars
    if not found:
        raise DataError("read_bars: nothing to read; a path, a glob such as 'bars/*.csv', or a frame is accepted")
    return list(found.values())


# ---------------------------------------------------------------------- where the rows are


def _tables(source: BarSource, symbol: str | None, columns: Mapping[str, str] | None) -> Iterator[_Table]:
    if isinstance(source, pd.DataFrame):
        if _spelling(source.columns, "symbol", columns) is None:
            raise DataError(
                "read_bars: the frame has no symbol column; name it with columns={'symbol': ...}, or give a mapping "
                "such as {'AAPL': frame}"
            )
        yield _Table(None, "the frame", source, "row")
    elif isinstance(source, Mapping):
        for name, item in source.items():
            if isinstance(item, pd.DataFrame):
                yield _Table(str(name), f"the frame of {name}", item, "row")
            elif isinstance(item, str | Path):
                yield _file(Path(item), str(name))
            else:
                raise DataError(f"read_bars: {name} is a {type(item).__name__}; a path or a DataFrame is accepted")
    else:
        for path in _paths(source):
            yield _file(path, _symbol_of(path, symbol))


def _paths(source: str | Path | Iterable[str | Path]) -> list[Path]:
    if isinstance(source, str | Path):
        path = Path(source)
        if path.is_dir():
            some = ", ".join(sorted(item.name for item in path.glob("*.csv"))[:4]) or "no CSV file"
            raise DataError(f"read_bars: {path} is a folder ({some}); say which files, such as '{path}/*_15min.csv'")
        if path.is_file():
            return [path]
        matches = sorted(glob.glob(str(source)))  # noqa: PTH207 a pattern may be absolute
        if not matches:
            raise DataError(f"read_bars: no file matches '{source}'")
        return [Path(match) for match in matches]
    if not isinstance(source, Iterable):
        raise DataError(f"read_bars: {type(source).__name__} was given; paths, a glob or a DataFrame are accepted")
    return [path for item in source for path in _paths(item)]


def _symbol_of(path: Path, pattern: str | None) -> str | None:
    """Read the symbol off a file's stem; None without a pattern (the stem, or a column)."""
    if pattern is None:
        return None
    if not isinstance(pattern, str) or pattern.count("{symbol}") != 1:
        raise DataError(f"read_bars: symbol={pattern!r}; a pattern such as '{{symbol}}_15min' is accepted")
    before, after = (re.escape(part) for part in pattern.split("{symbol}"))
    match = re.fullmatch(f"{before}(.+){after}", path.stem)
    if match is None:
        files = pattern.replace("{symbol}", "*") + path.suffix
        raise DataError(f"read_bars: {path.name} does not fit symbol='{pattern}'; narrow the files to '{files}'")
    return match[1]


def _file(path: Path, symbol: str | None) -> _Table:
    try:
        # all text, so that a message can show what a field holds; blank lines are kept for the line numbers
        raw = pd.read_csv(
            path,
            header=None,
            dtype=str,
            na_filter=False,
            skip_blank_lines=False,
            encoding="utf-8-sig",
            low_memory=False,
        )
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{path}: the file is empty; a header and rows are accepted") from error
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a CSV file ({str(error).strip()})") from error
    raw.index = pd.RangeIndex(1, len(raw) + 1)
    raw = raw[(raw != "").any(axis=1)]
    if raw.empty:
        raise DataError(f"{path}: the file is empty; a header and rows are accepted")
    header = [str(name).strip() for name in raw.iloc[0]]
    rows = raw.iloc[1:].set_axis(header, axis=1)
    if rows.empty:
        raise DataError(f"{path}: the file has a header and no rows")
    return _Table(symbol, str(path), rows, "line")


# ---------------------------------------------------------------------- what the columns are called


def _spelling(available: pd.Index, name: str, columns: Mapping[str, str] | None) -> str | None:
    """Return the one column that holds a standard name; None when there is none."""
    wanted = (columns or {}).get(name)
    if wanted is not None and not isinstance(wanted, str):
        raise DataError(f"read_bars: columns={{{name!r}: {short(wanted)}}}; the name of a column is accepted")
    if wanted is not None:
        fits = [label for label in available if label == wanted]
    else:
        fits = [label for label in available if str(label).lower() == name]
    if len(fits) > 1:
        raise DataError(f"the column {fits[0]!r} appears {len(fits)} times; choose with columns={{{name!r}: ...}}")
    return fits[0] if fits else None


def _by_symbol(table: _Table, columns: Mapping[str, str] | None) -> Iterator[tuple[str, _Table]]:
    unknown = set(columns or {}) - {"symbol", *_STANDARD}
    if unknown:
        raise DataError(
            f"columns={dict(columns or {})!r}: {sorted(unknown)[0]!r} is not one of symbol, datetime, "
            f"{', '.join(NUMBERS)}"
        )
    if table.symbol is not None:
        yield table.symbol, table
        return
    label = _spelling(table.rows.columns, "symbol", columns)
    if label is None:
        yield Path(table.source).stem, table
        return
    names = table.rows[label]
    if names.isna().any() or (names.astype(str) == "").any():
        row = int(np.flatnonzero(names.isna() | (names.astype(str) == ""))[0])
        raise DataError(f"{table.at(row)}, {label}: no symbol")
    for name, rows in table.rows.groupby(names.astype(str), sort=True):
        yield str(name), _Table(str(name), table.source, rows, table.unit)


# ---------------------------------------------------------------------- what the rows say


def _read(symbol: str, table: _Table, columns: Mapping[str, str] | None, tz: str) -> SymbolBars:
    rows = table.rows
    if isinstance(rows.index, pd.DatetimeIndex) and _spelling(rows.columns, "datetime", columns) is None:
        rows = rows.rename_axis("datetime").reset_index()
        table = _Table(table.symbol, table.source, rows, table.unit)
    if rows.empty:
        raise DataError(f"{table.source}: no rows")
    spelling = {}
    for name in _STANDARD:
        label = _spelling(rows.columns, name, columns)
        if label is None:
            wanted = (columns or {}).get(name, name)
            has = ", ".join(map(str, rows.columns))
            raise DataError(
                f"{table.source}: no column {wanted!r} (it has {has}); say what {name} is called with "
                f"columns={{{name!r}: ...}}"
            )
        spelling[name] = label
    stamps, daily = _stamps(table, spelling["datetime"], tz)
    values = np.column_stack([_numbers(table, spelling[name], name) for name in NUMBERS])
    crossed = np.flatnonzero(values[:, 1] < values[:, 2])
    if crossed.size:
        at = int(crossed[0])
        raise DataError(f"{table.at(at)}: high {values[at, 1]:g} is below low {values[at, 2]:g}")
    order = _order(table, stamps)
    return SymbolBars(symbol, table.source, stamps[::order], values[::order], daily)


def _stamps(table: _Table, label: str, tz: str) -> tuple[pd.DatetimeIndex, bool]:
    column = table.rows[label]
    if isinstance(column.dtype, pd.DatetimeTZDtype) or column.dtype.kind == "M":
        parsed = pd.DatetimeIndex(column)
    else:
        text = column.astype(str).str.strip()
        readable = text.map(lambda value: _DATE.fullmatch(value) is not None).to_numpy(dtype=bool)
        zoned = text.map(lambda value: _OFFSET.fullmatch(value) is not None).to_numpy(dtype=bool)
        if readable.all() and zoned.any() and not zoned.all():
            row = int(np.flatnonzero(zoned != zoned[0])[0])
            raise DataError(
                f"{table.at(row)}, {label}: {text.iloc[row]!r}; some stamps have a time zone, some have not"
            )
        parsed = pd.DatetimeIndex(
            pd.to_datetime(text.where(readable), format="ISO8601", errors="coerce", utc=bool(zoned.any()))
        )
    if parsed.hasnans:
        row = int(np.flatnonzero(parsed.isna())[0])
        raise DataError(
            f"{table.at(row)}, {label}: {str(column.iloc[row])!r} is not a time; '2019-02-15 09:45:00' is accepted"
        )
    parsed = parsed.as_unit("us")
    wall = parsed.tz_localize(None)
    if (wall == wall.normalize()).all():
        return localized(wall, tz, table.source), True
    return (localized(wall, tz, table.source) if parsed.tz is None else parsed.tz_convert(tz)), False


def _numbers(table: _Table, label: str, name: str) -> NDArray[np.float64]:
    column = table.rows[label]
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    wrong = ~(values <= LARGEST) | (values < 0 if name == "volume" else values < 1 / LARGEST)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        accepted = "a number of at least 0" if name == "volume" else "a positive number"
        raise DataError(f"{table.at(row)}, {label}: {str(column.iloc[row])!r}; {accepted} is accepted")
    return values


def _order(table: _Table, stamps: pd.DatetimeIndex) -> int:
    """Return 1 when rows run oldest first, -1 when newest first."""
    steps = np.diff(stamps.asi8)
    repeated = np.flatnonzero(stamps.duplicated())
    if repeated.size:
        row = int(repeated[0])
        raise DataError(f"{table.at(row)}: the stamp {stamps[row].tz_localize(None)} appears more than once")
    order = 1 if (steps > 0).sum() >= (steps < 0).sum() else -1
    turns = np.flatnonzero(steps * order < 0)
    if turns.size:
        row = int(turns[0]) + 1
        way = "oldest first" if order == 1 else "newest first"
        raise DataError(
            f"{table.at(row)}: the stamp {stamps[row].tz_localize(None)} is out of order (rows run {way}); sort them"
        )
    return order

"""What the numbers in a file are about: the intervals and the assets that label them, and the file that errors name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NoReturn

import numpy as np
import pandas as pd

from acopt.errors import DataError, InfeasibleError, ModelError, UnboundedError
from acopt.market.grid import TimeGrid


class Source:
    """A problem file: its name, which errors put in front, in one line; and whether it may import code."""

    def __init__(self, file: str, *, custom: bool = True) -> None:
        self.file, self.custom = file, custom

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


class Axes:
    """
    Gives the numbers, lists and tables of a file the labels of its grid and of its assets.

    Parameters
    ----------
    source, grid, assets : the file, its intervals, its labels in its sequence.
    price : arrival prices by asset, which every market of a file has in common.
    """

    def __init__(self, source: Source, grid: TimeGrid, price: Mapping[str, float]) -> None:
        self.source, self.grid, self.price, self.assets = source, grid, price, pd.Index(list(price))

    def data(self, value: Any, where: str, *, auctions: bool = False) -> Any:
        """Give a number, list or table its labels, by the data rule; lists are by interval, or by auction."""
        index, times = self.grid.labels, "intervals"
        if auctions:
            index, times = index[self.grid.auctions], "auctions"
        if isinstance(value, tuple) and value and isinstance(value[0], tuple):
            return self.matrices(value, where, len(index), times, self.assets)
        if isinstance(value, tuple):
            self.count(value, len(index), times, where)
            return pd.Series(value, index=index)
        if not isinstance(value, dict):
            return value
        self.require(value, self.assets, where)
        if any(isinstance(row, dict) for row in value.values()):
            return self.matrix(value, where, self.assets, self.assets)
        layers = {label: row for label, row in value.items() if isinstance(row, tuple)}
        for label, row in layers.items():
            self.count(row, len(index), times, f"{where}.{label}")
        return pd.DataFrame(value, index=index) if layers else pd.Series(value)

    def matrix(self, value: Any, where: str, rows: pd.Index, columns: pd.Index) -> pd.DataFrame:
        """Give rows, or a table of tables, their labels."""
        if isinstance(value, dict):
            self.require(value, rows, where)
            for label in rows:
                self.require(value[label], columns, f"{where}.{label}")
            return pd.DataFrame([[value[i][j] for j in columns] for i in rows], index=rows, columns=columns)
        value = ((value,),) if isinstance(value, float) else value
        self.count(value, len(rows), "rows", where)
        for i, row in enumerate(value):
            self.count(row, len(columns), "columns", f"{where}[{i}]")
        return pd.DataFrame(value, index=rows, columns=columns)

    def matrices(self, value: Any, where: str, size: int, times: str, labels: pd.Index) -> Any:
        """Return one matrix for each interval (or auction), in the order of the labels: (N, n, n)."""
        self.count(value, size, times, where)
        return np.array([self.matrix(each, f"{where}[{k}]", labels, labels) for k, each in enumerate(value)])

    def path(self, value: Any, where: str, times: str) -> pd.DataFrame:
        """Give a path its labels, edge (or interval) x asset, for the assets that it names."""
        if isinstance(value, tuple) and len(self.assets) > 1:
            self.source.refuse(
                where, f"a list was given; expected is a table of lists by asset ({', '.join(self.assets)})"
            )
        rows = value if isinstance(value, dict) else {self.assets[0]: value}
        index = self.grid.edge_labels if times == "edges" else self.grid.labels
        for label, row in rows.items():
            if label not in self.assets:
                self.source.refuse(f"{where}.{label}", f"no such asset; there are {', '.join(self.assets)}")
            self.count(row, len(index), times, f"{where}.{label}" if isinstance(value, dict) else where)
        return pd.DataFrame(rows, index=index)

    def count(self, values: Sequence[Any], wanted: int, what: str, where: str) -> None:
        """Demand a list of that many."""
        if len(values) != wanted:
            self.source.refuse(where, f"a list of {len(values)} was given for {wanted} {what}")

    def require(self, given: Mapping[str, Any], labels: pd.Index, where: str) -> None:
        """Demand a value for every label."""
        missing = [label for label in labels if label not in given]
        if missing:
            self.source.refuse(where, f"no value for {missing[0]!s}; given: {', '.join(given) or 'none'}")


def one_line(text: str) -> str:
    """Fold a message into a single line."""
    return " ".join(text.split())

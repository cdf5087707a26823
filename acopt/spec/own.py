"""A user's own functions and classes: the path from which they are imported, and the keywords they are made with."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from functools import reduce
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd

from acopt.errors import ModelError
from acopt.model.setting import Setting
from acopt.spec.axes import Axes, Source
from acopt.spec.forms import Form, square_of, text_of, time_of

PATTERN = r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*"
"""What such a path looks like."""


LABELLED = {
    "by_asset": "a table with a number for each asset",
    "by_interval": "a list of numbers",
    "by_interval_and_asset": "a table with a list of numbers for each asset",
    "by_pair": "a table of tables of numbers",
}
"""How an argument says that it has labels, and what follows."""


class Function(Form):
    """A user's function, by the path from which it is imported."""

    def read(self, value: Any, axes: Axes, where: str) -> Any:
        """See `Form.read`."""
        found = imported(value, axes.source, where)
        if not callable(found):
            axes.source.refuse(where, f"{value} is {found!r:.60}; a function of the paths is expected")
        return found

    def write(self, value: Any, setting: Setting, owner: Any) -> str:
        """See `Form.write`."""
        return name_of(value, owner.name)


class Arguments(Form):
    """
    Keywords of a class of one's own: texts, numbers, lists and tables as they are, and data with their labels.

    `{ by_asset = { A = 1.0 } }` is a Series by asset, `{ by_interval = [1.0, 2.0] }` one by interval,
    `{ by_interval_and_asset = { A = [1.0, 2.0] } }` a DataFrame, `{ by_pair = { A = { A = 1.0 } } }` one asset x asset.
    """

    def read(self, value: Any, axes: Axes, where: str) -> dict[str, Any]:
        """See `Form.read`."""
        return {key: self._read(each, axes, f"{where}.{key}") for key, each in value.items()}

    def _read(self, value: Any, axes: Axes, where: str) -> Any:
        if not isinstance(value, dict) or len(value) != 1 or next(iter(value)) not in LABELLED:
            return value
        ((kind, found),) = value.items()
        wanted = {"by_interval": list, "by_interval_and_asset": list, "by_pair": dict}.get(kind, float | int)
        rows = [found] if kind == "by_interval" else found.values() if isinstance(found, dict) else [None]
        if not all(isinstance(row, wanted) for row in rows):
            axes.source.refuse(where, f"{kind} is followed by {LABELLED[kind]}")
        if kind == "by_pair":
            return axes.matrix(found, f"{where}.{kind}", axes.assets, axes.assets)
        lists = tuple(found) if isinstance(found, list) else {k: _frozen(row) for k, row in found.items()}
        return axes.data(lists, f"{where}.{kind}")

    def write(self, value: Any, setting: Setting, owner: Any) -> Any:
        """Return one argument."""
        assets, index = setting.assets, setting.grid.labels
        if isinstance(value, pd.Series) and assets.isin(value.index).all():
            return {"by_asset": dict(zip(map(text_of, assets), value.loc[assets].tolist(), strict=True))}
        if isinstance(value, pd.Series) and index.isin(value.index).all():
            return {"by_interval": value.loc[index].tolist()}
        if isinstance(value, pd.DataFrame) and assets.isin(value.columns).all():
            if index.isin(value.index).all():
                columns = value.loc[index, assets].to_numpy().T.tolist()
                return {"by_interval_and_asset": dict(zip(map(text_of, assets), columns, strict=True))}
            if assets.isin(value.index).all():
                return {"by_pair": square_of(value.loc[assets, assets].to_numpy(), assets)}
        if isinstance(value, np.ndarray | np.generic):
            return self.write(value.tolist(), setting, owner)
        if isinstance(value, list | tuple):
            return [self.write(each, setting, owner) for each in value]
        if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
            return {key: self.write(value[key], setting, owner) for key in sorted(value)}
        if isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, dt.date | dt.time | dt.timedelta):
            return time_of(value)
        raise ModelError(
            f"{owner}: an object of class {type(value).__name__} cannot be written to a file; numbers, texts, times, "
            "lists, tables of them, a Series by asset or interval, and a DataFrame by interval and asset can"
        )


def name_of(thing: Any, owner: str) -> str:
    """
    Return the path from which a function or class is imported.

    Raises
    ------
    ModelError
        It has none (a lambda, a function within a function, a partial, a script's own), or importing it gives
        something else; names the term.
    """
    module, name = getattr(thing, "__module__", None), getattr(thing, "__qualname__", "")
    what = name or type(thing).__name__
    advice = "write it with def (or class) at the top of a module that can be imported, to be named 'module:name'"
    if not name or "<" in name:
        kind = {"<lambda>": "a lambda", "<locals>": "made within a function"}
        found = next((text for part, text in kind.items() if part in name), f"a {type(thing).__name__} without a name")
        raise ModelError(f"{owner}: {what} is {found}, and cannot be imported by its name; {advice}")
    if not isinstance(module, str) or module == "__main__":
        raise ModelError(f"{owner}: {what} belongs to the script that runs, and cannot be imported by it; {advice}")
    try:
        found = _resolve(module, name)
    except (ImportError, AttributeError) as error:
        raise ModelError(f"{owner}: {module}:{name} cannot be imported ({error}); {advice}") from error
    if found is not thing:
        raise ModelError(f"{owner}: {module}:{name}, when imported, is not the object of the problem; {advice}")
    return f"{module}:{name}"


def imported(path: str, source: Source, where: str) -> Any:
    """
    Import what a file names.

    Raises
    ------
    DataError
        The file may not import code, there is no such module, or no such name in it.
    """
    if not source.custom:
        source.refuse(where, f"{path} is code to import, which custom=False rules out")
    module, _, name = path.partition(":")
    try:
        return _resolve(module, name)
    except (ImportError, SyntaxError) as error:
        source.refuse(where, f"{path}: the module {module} cannot be imported ({error})")
    except AttributeError:
        source.refuse(where, f"{path}: the module {module} has no {name}")


def _resolve(module: str, name: str) -> Any:
    return reduce(getattr, name.split("."), import_module(module))


def _frozen(row: Any) -> Any:
    return tuple(row) if isinstance(row, list) else row

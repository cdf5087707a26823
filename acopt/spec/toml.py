"""TOML as acopt writes it: the same tables give the same text, and every number reads back to the last bit."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from acopt.errors import DataError

WIDTH = 100
"""A table that takes more has lines of its own."""
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def dumps(table: Mapping[str, Any]) -> str:
    """Write tables of texts, numbers, times, lists and tables, in the order in which they are given."""
    return "\n".join(_lines(table, ())).lstrip("\n") + "\n"


def _lines(table: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    """Lines of a table: what fits a line first, then the tables that have a header of their own."""
    lines, apart = [], []
    for key, value in table.items():
        if _is_array_of_tables(value) or (isinstance(value, Mapping) and (not path or len(_inline(value)) > WIDTH)):
            apart.append((key, value))
        else:
            lines.append(f"{_key(key)} = {_rows(value)}")
    for key, value in apart:
        own = (*path, key)
        head = ".".join(map(_key, own))
        for each in [value] if isinstance(value, Mapping) else value:
            lines += ["", f"[{head}]" if isinstance(value, Mapping) else f"[[{head}]]", *_lines(each, own)]
    return lines


def _is_array_of_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, Mapping) for each in value)


def _rows(value: Any) -> str:
    """A value; the rows of a long list of lists on lines of their own."""
    text = _inline(value)
    if len(text) <= WIDTH or not isinstance(value, list) or not all(isinstance(each, list) for each in value):
        return text
    return "\n".join(["[", *(f"    {_inline(each)}," for each in value), "]"])


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_key(key)} = {_inline(each)}' for key, each in value.items())} }}" if value else "{}"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Sequence):
        return f"[{', '.join(map(_inline, value))}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return str(value)


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _text(key)


def _text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{text!r} cannot be written to a file: {error.reason}") from error
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")

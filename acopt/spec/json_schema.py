"""The JSON Schema of problem files, for editors and for other programs."""

from __future__ import annotations

import json
from typing import Any

from acopt.spec.schema import ProblemSpec

FILE = "problem.schema.json"
"""The exported schema, beside this module."""


def json_schema() -> str:
    """
    Return the JSON Schema (draft 2020-12) of problem files, as text; the same in every process.

    It says which keys there are and what their values look like. What it cannot say (that exactly one form of a
    table is given, that lists have a number for each interval, that labels are those of the assets) `load_problem`
    checks.
    """
    found = ProblemSpec.model_json_schema()
    about = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "acopt problem file",
        "description": "One order in one market, what it costs and what it must obey, in one case or several.",
    }
    schema = {**about, **{key: value for key, value in found.items() if key not in about}}
    return json.dumps(_plain(schema), indent=1, ensure_ascii=False) + "\n"


def _plain(node: Any) -> Any:
    """Leave out titles that repeat the key, and defaults that mean "left out"; fold docstrings into one line."""
    if isinstance(node, list):
        return [_plain(each) for each in node]
    if not isinstance(node, dict):
        return node
    out = {key: _plain(each) for key, each in node.items() if not (key == "default" and each is None)}
    if "properties" in out:
        for each in out["properties"].values():
            each.pop("title", None)
    if isinstance(out.get("description"), str):
        out["description"] = " ".join(out["description"].split())
    if {"type": "null"} in out.get("anyOf", ()):
        # TOML has no null: a key that may be left out is not required, that is all.
        rest = [each for each in out.pop("anyOf") if each != {"type": "null"}]
        out |= rest[0] if len(rest) == 1 else {"anyOf": rest}
    return out

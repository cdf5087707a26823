"""The text that acopt writes is TOML, and reads back to the last bit."""

from __future__ import annotations

import datetime as dt
import math
import struct
import tomllib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import acopt as ac
from acopt.spec.toml import dumps

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
values = st.recursive(
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | texts
    | st.dates()
    | st.times()
    | st.datetimes()
    | st.datetimes(timezones=st.just(dt.timezone(dt.timedelta(hours=-5)))),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


def same(a, b):
    """Equal to the last bit and in type."""
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return (math.isnan(a) and math.isnan(b)) or struct.pack("d", a) == struct.pack("d", b)
    return type(a) is type(b) and a == b


def ordered(table):
    """Lines first, then the tables with a header, as they come back."""
    if isinstance(table, list):
        return [ordered(each) for each in table]
    return {k: ordered(table[k]) for k in sorted(table)} if isinstance(table, dict) else table


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(texts, values, max_size=6))
def test_whatever_is_written_reads_back(table):
    assert same(ordered(tomllib.loads(dumps(table))), ordered(table))


@pytest.mark.parametrize("x", [0.1 + 0.2, -0.0, 5e-324, 1.7976931348623157e308, 1e22, 1e16, 123456789.123456789, 1 / 3])
def test_numbers_to_the_last_bit(x):
    assert same(tomllib.loads(dumps({"x": x, "y": [x, np.float64(x).item()]})), {"x": x, "y": [x, x]})


def test_the_same_tables_give_the_same_text():
    table = {"a": {"b": 1.0, "c": [{"d": "x" * 150}, {"e": {"f": [1.0] * 60}}]}, "g": []}
    assert dumps(table) == dumps(tomllib.loads(dumps(table)))


def test_rows_of_a_long_matrix_have_lines_of_their_own():
    text = dumps({"t": {"matrix": np.ones((12, 12)).tolist()}})
    assert max(map(len, text.split("\n"))) < 100
    assert tomllib.loads(text)["t"]["matrix"] == np.ones((12, 12)).tolist()


def test_what_utf_8_cannot_hold_is_refused():
    with pytest.raises(ac.DataError, match="cannot be written to a file: surrogates not allowed"):
        dumps({"x": "\ud800"})

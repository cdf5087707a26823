"""What a stranger may put where a number, a label, a time or an object of ours is expected."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np
import pandas as pd

import acopt as ac

NAMES = list("ABC")
EDGES = [0.0, 0.25, 0.5, 0.75]


class Odd:
    """An object that nobody knows."""


JUNK: list[Callable[[], Any]] = [
    *(
        lambda v=v: v
        for v in (None, True, False, "", " ", "abc", "A", "nan", "1e3", "10:30", "20min", "2019-02-15", b"x")
    ),
    *(
        lambda v=v: v
        for v in (
            np.nan,
            np.inf,
            -np.inf,
            -1,
            0,
            1,
            2,
            0.5,
            -0.0,
            1e308,
            -1e308,
            1e-308,
            5e-324,
            1e9,
            10**400,
            10**9,
            2**40,
        )
    ),
    *(lambda v=v: v for v in (1j, Decimal("0.1"), Decimal("nan"), Fraction(1, 3), pd.NA, pd.NaT, ..., NotImplemented)),
    *(
        lambda v=v: v
        for v in (np.float32(0.1), np.int64(3), np.bool_(True), np.str_("x"), np.complex128(1), np.array(2.0))
    ),
    *(lambda v=v: v for v in (dt.date(2019, 2, 15), dt.time(10), dt.timedelta(minutes=20), dt.timedelta.max)),
    *(
        lambda v=v: v
        for v in (np.datetime64("NaT"), np.timedelta64(5, "m"), np.datetime64("2019-02-15"), dt.datetime.max)
    ),
    *(
        lambda v=v: v
        for v in (pd.Timestamp("2019-02-15 10:00"), pd.Timestamp("2019-02-15", tz="UTC"), pd.Timedelta("1h"))
    ),
    list,
    dict,
    set,
    tuple,
    Odd,
    object,
    lambda: [1, 2, 3],
    lambda: [1.0, [2.0]],
    lambda: [[[1.0]]],
    lambda: ["A", "A"],
    lambda: ["A", "B"],
    lambda: [None],
    lambda: (None, None),
    lambda: (0.25, 0.75),
    lambda: (0.75, 0.25),
    lambda: ("A", 1, Odd()),
    lambda: {"A": 1.0},
    lambda: {"A": None, "B": "x"},
    lambda: {1: 2.0},
    lambda: {(): []},
    lambda: {"A": {"B": 1.0}},
    lambda: {"maximum": np.nan},
    lambda: (i for i in range(3)),
    lambda: iter([]),
    lambda: lambda: 0,
    lambda: lambda p: p,
    lambda: lambda p: 1 / 0,
    lambda: Odd,
    lambda: float,
    lambda: ac.Participation,
    lambda: ac.Monotone(),
    lambda: ac.SpreadCost(),
    lambda: ac.bps(3),
    lambda: ac.bps("x"),
    lambda: ac.LinearImpact(5.0),
    lambda: ac.TimeGrid.uniform(1.0, 4),
    lambda: ac.TimeGrid.uniform(1.0, 7),
    lambda: ac.Order(100.0),
    lambda: ac.Order.hedge(["A"]),
    lambda: ac.Market(ac.TimeGrid.uniform(1.0, 4), 10.0),
    lambda: ac.TWAP(),
    lambda: np,
    lambda: np.zeros(0),
    lambda: np.ones(2),
    lambda: np.ones(3),
    lambda: np.ones(4),
    lambda: np.full(3, np.nan),
    lambda: np.ones((4, 3)),
    lambda: np.ones((3, 4)),
    lambda: np.ones((3, 3)),
    lambda: np.ones((4, 3, 3)),
    lambda: np.ones((2, 2, 2)),
    lambda: np.array([Odd(), 1], dtype=object),
    lambda: np.array([1, None, "x"], dtype=object),
    lambda: np.array([1j, 2, 3]),
    lambda: np.array(["a", "b", "c"]),
    lambda: np.array([True, False, True]),
    lambda: np.ma.masked_array([1.0, 2.0, 3.0], [0, 1, 0]),
    lambda: pd.Series(dtype=float),
    lambda: pd.Series([1.0, 2.0, 3.0]),
    lambda: pd.Series([1.0, 2.0, 3.0], NAMES),
    lambda: pd.Series([1.0, 2.0], ["A", "A"]),
    lambda: pd.Series(["1", "x", None], NAMES),
    lambda: pd.Series([1, 2, None], NAMES, dtype="Int64"),
    lambda: pd.Series([1j, 2, 3], NAMES),
    lambda: pd.Series(pd.to_timedelta([1, 2, 3], unit="h"), NAMES),
    lambda: pd.Series([1.0] * 4, EDGES),
    lambda: pd.Series([1.0], pd.MultiIndex.from_tuples([("A", 1)])),
    lambda: pd.Series([1.0, 2.0], [None, np.nan]),
    lambda: pd.Series(["A", "B", "A"], NAMES, dtype="category"),
    pd.DataFrame,
    lambda: pd.DataFrame(np.ones((3, 3)), NAMES, NAMES),
    lambda: pd.DataFrame(np.ones((4, 3)), EDGES, NAMES),
    lambda: pd.DataFrame(np.ones((3, 4)), NAMES, EDGES),
    lambda: pd.DataFrame("x", EDGES, NAMES),
    lambda: pd.DataFrame(np.ones((2, 2)), ["A", "A"], ["A", "A"]),
    lambda: pd.DataFrame({"symbol": ["A"], "side": ["buy"], "quantity": [1]}),
    lambda: pd.Index(NAMES),
    lambda: pd.DatetimeIndex(["2019-02-15 10:00", "2019-02-15 09:00"]),
    lambda: pd.date_range("2019-02-15 10:00", periods=3, freq="h", tz="Asia/Tokyo"),
]


def junk(value: Any, rng: Random) -> Any:
    """Something else than the value that belongs there: the value twisted, or anything at all."""
    if rng.random() < 0.4:
        bent = twisted(value, rng)
        if bent is not None:
            return bent
    return rng.choice(JUNK)()


def twisted(value: Any, rng: Random) -> Any:
    """Return nearly the same value, wrong in one way; None where there is no such thing."""
    if isinstance(value, pd.Series | pd.DataFrame):
        return rng.choice(TABLES)(value, rng)
    if isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.size:
        return rng.choice(ARRAYS)(value.copy(), rng)
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return rng.choice(
            [-value, value * 1e12, value * 1e-12, value * 1e300, str(value), [value], (value,), value + 0j]
        )
    if isinstance(value, str):
        return rng.choice(
            [value.upper(), value + "x", value[:-1], f" {value}", value * 50, [value], value.encode(), "\0", "é"]
        )
    if isinstance(value, list | tuple) and value:
        return rng.choice([value[:-1], [*value, value[0]], [*value, None], [value], value[0], value[::-1], iter(value)])
    if isinstance(value, dict) and value:
        key = rng.choice(list(value))
        other = {**value, key: rng.choice(JUNK)()}
        return rng.choice(
            [other, other, {**value, "Z": value[key]}, {**value, 7: value[key]}, {key: value[key]}, list(value)]
        )
    return None


def cell(rng: Random) -> Any:
    return rng.choice(
        [np.nan, np.inf, -1.0, 0.0, 1e308, 1e-308, "x", None, "", 1j, True, pd.NaT, [1], Decimal("1"), 10**400]
    )


def spoiled(table: Any, rng: Random) -> Any:
    """One cell holds something else."""
    out = table.astype(object)
    at = tuple(rng.randrange(size) for size in out.shape)
    if 0 in out.shape:
        return out
    values = out.to_numpy().copy()
    values[at] = cell(rng)
    return type(out)(values, *out.axes)


def relabelled(table: Any, rng: Random) -> Any:
    """The labels are others."""
    axis = rng.randrange(table.ndim)
    size = table.shape[axis]
    labels = rng.choice(
        [
            list(range(size)),
            ["A"] * size,
            [None] * size,
            [str(label) for label in table.axes[axis]],
            pd.date_range("2019-02-15", periods=size, tz="UTC"),
            pd.MultiIndex.from_product([["A"], range(size)]),
            pd.CategoricalIndex([str(label) for label in table.axes[axis]]),
            pd.Index([(label,) for label in table.axes[axis]], tupleize_cols=False),
        ]
    )
    return table.set_axis(labels, axis=axis)


TABLES: list[Callable[[Any, Random], Any]] = [
    spoiled,
    spoiled,
    spoiled,
    relabelled,
    relabelled,
    lambda t, _: t.iloc[:-1],
    lambda t, _: t.iloc[:0],
    lambda t, _: t.iloc[::-1],
    lambda t, _: pd.concat([t, t.iloc[:1]]),
    lambda t, _: t.T,
    lambda t, _: t.to_numpy(),
    lambda t, _: t.astype(str),
    lambda t, _: t.astype("category"),
    lambda t, _: t.map(lambda v: [v]),
    lambda t, _: t.to_dict(),
    lambda t, _: t.iloc[:, :1] if t.ndim == 2 else t.to_frame(),
]
ARRAYS: list[Callable[[Any, Random], Any]] = [
    lambda a, _: -a,
    lambda a, _: a * np.nan,
    lambda a, _: a[:-1],
    lambda a, _: a[None],
    lambda a, _: a.T,
    lambda a, _: a.astype(complex),
    lambda a, _: a.astype(object),
    lambda a, _: a.astype(str),
    lambda a, _: a.tolist(),
    lambda a, _: a * 1e200,
    lambda a, _: a.ravel()[0],
]

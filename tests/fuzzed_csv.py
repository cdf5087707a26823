"""CSV files as they come: of orders, bars and fills, damaged as editors, exports and strangers damage them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import fuzzed_calls as calls
import pandas as pd

import acopt as ac

ORDERS = 'symbol,side,quantity,usd\nALFA,sell,1000,5e5\nBRAVO,buy,"2,500",3e4\nCHARLIE,Sell,300,1e5\n'
FILLS = (
    "time,symbol,side,quantity,price\n2025-03-31 10:05,ALFA,sell,1000,212.1\n2025-03-31 10:40,BRAVO,buy,2500,96.2\n"
    "2025-03-31 11:29:59,CHARLIE,sell,30,58.7\n"
)
CELLS = [
    *(
        "",
        " ",
        "nan",
        "NaN",
        "inf",
        "-inf",
        "-1",
        "0",
        "1e308",
        "1e400",
        "-1e308",
        "1e-320",
        "9" * 400,
        "x",
        "NULL",
        "#N/A",
    ),
    *(
        "\u0661\u0662\u0663",
        "\uff11\uff12",
        "\u00bd",
        "1_000",
        "1,000",
        "1.000,5",
        "0x1F",
        "1e",
        "--1",
        "1+2j",
        "True",
        "$5",
    ),
    *(
        "2019-02-15",
        "2025-03-31 10:05",
        "2025-03-31T10:05:00Z",
        "2025-03-31 10:05:00+09:00",
        "9999-12-31 23:59",
        "0001-01-01",
    ),
    *(
        "2025-03-09 02:30",
        "2025-11-02 01:30:00",
        "25:99",
        "10:05",
        "31/03/2025",
        "1743415500",
        "2025-03-31 10:05:00.123456789",
    ),
    *('"', '""', "'", '"a"b', "\u200b", "\x00", "caf\u00e9", "ALFA", "alfa", " ALFA ", "sell", "BUY", "sel"),
]


def bars_text() -> str:
    return calls.rows().groupby("symbol").head(52).to_csv(index=False)


def grid_of(text: str) -> list[list[str]]:
    return [line.split(",") for line in text.split("\n")]


def joined(table: list[list[str]]) -> str:
    return "\n".join(",".join(row) for row in table)


def one_cell(text: str, rng: Random) -> str:
    table = grid_of(text)
    row = rng.choice([row for row in table if any(row)] or table)
    row[rng.randrange(len(row))] = rng.choice(CELLS)
    return joined(table)


def one_column(text: str, rng: Random) -> str:
    table = grid_of(text)
    k, way, value = rng.randrange(len(table[0])), rng.choice(["drop", "twice", "blank", "same"]), rng.choice(CELLS)
    for row in table:
        if k < len(row):
            if way == "drop":
                del row[k]
            elif way == "twice":
                row.insert(k, row[k])
            elif row is not table[0]:
                row[k] = "" if way == "blank" else value
    return joined(table)


def lines(text: str, rng: Random) -> str:
    head, *body = text.split("\n")
    way = rng.randrange(8)
    if way == 0:
        rng.shuffle(body)
    elif way == 1:
        body.insert(rng.randrange(len(body) + 1), rng.choice(body or [head]))
    elif way == 2:
        body = []
    elif way == 3:
        return "\n".join(body)
    elif way == 4:
        body.insert(rng.randrange(len(body) + 1), head)
    elif way == 5:
        body = body[::-1]
    elif way == 6:
        del body[rng.randrange(len(body) or 1) : rng.randrange(len(body) + 1)]
    else:
        body.insert(rng.randrange(len(body) + 1), rng.choice(["# note", ",,,,", "x", ",", "a,b,c,d,e,f,g,h,i,j", '"']))
    return "\n".join([head, *body])


def separators(text: str, rng: Random) -> str:
    return text.replace(",", rng.choice([";", "\t", "|", " ", ",,", ", "]))


def line_ends(text: str, rng: Random) -> str:
    return text.replace("\n", rng.choice(["\r\n", "\r", "\n\n", "\n\r", "\u2028", "\x0b"]))


def header(text: str, rng: Random) -> str:
    head, _, rest = text.partition("\n")
    return (
        rng.choice([head.upper(), head[1:], "", head.replace(",", " ,"), head + ",", '"' + head + '"', head[::-1]])
        + "\n"
        + rest
    )


def letters(text: str, rng: Random) -> str:
    k = rng.randrange(len(text) or 1)
    return (
        text[:k]
        + rng.choice(['"', "'", ",", "\n", "\r", "\0", "-", "e", "9", "", ".", "\\", "\ufeff", "\x1a"])
        + text[k + rng.randint(0, 2) :]
    )


def zones(text: str, rng: Random) -> str:
    """Some stamps get a time zone, or all of them."""
    zone, share = rng.choice(["Z", "+00:00", "-05:00", "+09:00", "+99:99", " EST"]), rng.choice([0.3, 1.0])
    out = []
    for line in text.split("\n"):
        cells = line.split(",")
        out.append(",".join(cell + zone if cell[:2] == "20" and rng.random() < share else cell for cell in cells))
    return "\n".join(out)


def cut(text: str, rng: Random) -> str:
    return text[: rng.randrange(len(text) or 1)]


WAYS: list[Callable[[str, Random], str]] = [
    *(one_cell, one_cell, one_cell, one_cell, one_column, one_column, lines, lines),
    *(separators, line_ends, header, letters, letters, zones, cut),
]


def damaged(text: str, rng: Random) -> bytes:
    """A text damaged once to three times, and its bytes now and then."""
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        text = rng.choice(WAYS)(text or "\n", rng)
    raw, kind = text.encode("utf-8", "surrogatepass"), rng.random()
    if kind < 0.05:
        return b"\xef\xbb\xbf" + raw
    if kind < 0.08:
        return text.encode(rng.choice(["utf-16", "utf-32", "utf-8-sig"]), "surrogatepass")
    if kind < 0.12:
        k = rng.randrange(len(raw) + 1)
        return raw[:k] + rng.randbytes(rng.randint(1, 9)) + raw[k:]
    if kind < 0.14:
        return rng.choice([b"", b"\n", b"\0", rng.randbytes(300), b"PK\x03\x04", b"," * 100, b'"' * 99])
    return raw


def read_orders(path: Path, rng: Random) -> Any:
    column = rng.choice(
        [{"quantity": "quantity"}, {"notional": "usd", "price": {"ALFA": 200.0, "BRAVO": 90.0, "CHARLIE": 60.0}}]
    )
    order = ac.Order.from_frame(path, **column)
    repr(order)
    return calls.as_order(order)


def read_fills(path: Path, rng: Random) -> Any:
    answer = calls.day().reoptimize(at=rng.choice(["11:30", "13:00"]), executed=path)
    return str(calls.held(answer).cost())


def read_market(path: Path, rng: Random) -> Any:
    bars = ac.read_bars(path, stamp=rng.choice([None, "start"]))
    repr(bars)
    bars.report()
    grid = ac.TimeGrid.session("2025-03-07", "1h30min", start="10:00", end="16:00")
    impact = rng.choice([ac.LinearImpact(5.0), ac.AlmgrenEtAl2005()])
    market = ac.Market.from_bars(bars, grid, history=rng.choice([1, 2]), impact=impact, spread=ac.bps(2))
    order = ac.Order.sell(pd.Series(1e4, market.assets))
    return calls.solved(
        ac.ExecutionProblem(order, market, ac.TemporaryImpact() + ac.SpreadCost() + 1e-6 * ac.TimingRisk())
    )


READERS = {
    "orders": (lambda: ORDERS, read_orders),
    "fills": (lambda: FILLS, read_fills),
    "bars": (bars_text, read_market),
}


def drawn(rng: Random, folder: Path) -> tuple[str, Callable[[], Any]]:
    """A damaged file and what reads it."""
    name = rng.choice(list(READERS))
    text, read = READERS[name]
    path = folder / f"{name}.csv"
    raw = damaged(text(), rng)

    def act() -> Any:
        path.write_bytes(raw)
        return read(path, rng)

    return f"{name}: {raw[:70]!r}...", act

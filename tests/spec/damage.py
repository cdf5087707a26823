"""Ways to damage a problem file: what a slip, a bad editor, a truncated copy or a stranger does to it."""

from __future__ import annotations

import random
from collections.abc import Callable

VALUES = [
    *("1e400", "-1e400", "1e308", "5e-324", "-1", "0", "-0.0", "nan", "-nan", "inf", "-inf", "1_000", "0x1F", "0b1"),
    *("9223372036854775808", "true", "false", '""', '" "', '"x"', '"nan"', "'open'", '"own_code:quiet"', '"a:b"'),
    *("[]", "[[]]", "[[[]]]", "[1, 2]", "[nan]", "[true]", '["A"]', "[[1, 2], [3]]", "[[[1]]]", "{}", "{ A = 1 }"),
    *("{ A = {} }", "{ A = [1, 2], B = 3 }", "{ A = { A = 1 } }", '{ "" = 1 }', '{ start = "11:30" }', "[{}]"),
    *("1979-05-27", "07:32:00", "1979-05-27T07:32:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999-23:59"),
    *(
        '"25:99"',
        '"10 parsecs"',
        '"99999999999999999999 days"',
        '"1e5 days"',
        '"2262-04-12"',
        '"now"',
        '"Mars/Olympus"',
    ),
]
KEYS = [
    "x",
    "weight",
    "name",
    "type",
    "assets",
    "during",
    "penalty_bps",
    "arguments",
    "unit",
    "tz",
    "timestamps",
    "closed",
]


def lines_of(text: str) -> list[str]:
    return text.split("\n")


def delete(text: str, rng: random.Random) -> str:
    lines = lines_of(text)
    del lines[rng.randrange(len(lines))]
    return "\n".join(lines)


def duplicate(text: str, rng: random.Random) -> str:
    lines = lines_of(text)
    lines.insert(rng.randrange(len(lines)), rng.choice(lines))
    return "\n".join(lines)


def swap(text: str, rng: random.Random) -> str:
    lines = lines_of(text)
    i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[i], lines[j] = lines[j], lines[i]
    return "\n".join(lines)


def value(text: str, rng: random.Random) -> str:
    """Another value for one key."""
    lines = lines_of(text)
    at = [k for k, line in enumerate(lines) if " = " in line]
    k = rng.choice(at or [0])
    lines[k] = f"{lines[k].partition(' = ')[0]} = {rng.choice(VALUES)}"
    return "\n".join(lines)


def key(text: str, rng: random.Random) -> str:
    """A key that is unknown here, or another one's."""
    lines = lines_of(text)
    names = [line.partition(" = ")[0] for line in lines if " = " in line]
    lines.insert(rng.randrange(len(lines)), f"{rng.choice([*KEYS, *names])} = {rng.choice(VALUES)}")
    return "\n".join(lines)


def number(text: str, rng: random.Random) -> str:
    """One number becomes another value."""
    places = [k for k, letter in enumerate(text) if letter.isdigit()]
    k = rng.choice(places or [0])
    return text[:k] + rng.choice(["", "-", "e9", "e99", "e-300", "nan", "inf", ".", "_", "9" * 400]) + text[k + 1 :]


def word(text: str, rng: random.Random) -> str:
    """A word loses or changes a letter."""
    places = [k for k, letter in enumerate(text) if letter.isalpha()]
    k = rng.choice(places or [0])
    return text[:k] + rng.choice(["", "z", "Z", '"', "é", " "]) + text[k + 1 :]


def syntax(text: str, rng: random.Random) -> str:
    """A bracket, a quote or a line end in the wrong place."""
    k = rng.randrange(len(text))
    return (
        text[:k] + rng.choice(['"', "'", "[", "]", "{", "}", "=", "\n", "\\", ",", "#", "\r", "\0", '"""']) + text[k:]
    )


def header(text: str, rng: random.Random) -> str:
    lines = lines_of(text)
    names = [
        "[grid]",
        "[market]",
        "[[asset]]",
        "[[cost]]",
        "[[constraint]]",
        "[[case]]",
        "[history]",
        "[market.impact]",
    ]
    lines.insert(rng.randrange(len(lines)), rng.choice(names))
    return "\n".join(lines)


def cut(text: str, rng: random.Random) -> str:
    return text[: rng.randrange(len(text))]


def ends(text: str, rng: random.Random) -> str:
    return text.replace("\n", rng.choice(["\r\n", "\r", "\n\n"]))


WAYS: list[Callable[[str, random.Random], str]] = [
    *(delete, duplicate, swap, value, value, value, key, key, number, number, word, word, syntax, header, cut, ends),
]


def damaged(text: str, rng: random.Random) -> bytes:
    """Damage a text once to three times, and its bytes now and then."""
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        text = rng.choice(WAYS)(text or "\n", rng)
    raw = text.encode("utf-8", "surrogatepass")
    kind = rng.random()
    if kind < 0.03:
        return b"\xef\xbb\xbf" + raw
    if kind < 0.06:
        return text.encode("utf-16", "surrogatepass")
    if kind < 0.1:
        k = rng.randrange(len(raw) + 1)
        return raw[:k] + rng.randbytes(rng.randint(1, 9)) + raw[k:]
    if kind < 0.11:
        return rng.randbytes(200)
    return raw

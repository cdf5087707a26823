"""
The table of README.md, "what is checked, against what": regenerated, compared, rewritten.

    python benchmarks/readme_table.py           # compare, exit 1 when a figure moved
    python benchmarks/readme_table.py --write   # rewrite the table
"""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import closed_form
import composed_study
import numpy as np
import plain_cvxpy
import random_study

import acopt as ac

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- table:begin -->", "<!-- table:end -->"
DRIFT = 12
"""How far a count of other people's wrong answers may move (of 120): it depends on their version and machine."""


@dataclass(frozen=True)
class Row:
    """One claim: what, against what, the figure, the script; `drift` is how far a count may move."""

    what: str
    against: str
    figure: str
    script: str
    drift: int = 0

    def text(self) -> str:
        """The line of the table."""
        return f"| {self.what} | {self.against} | {self.figure} | {self.script} |"

    def agrees(self, printed: str) -> bool:
        """Whether the README's line is this one, counts apart that may drift."""
        if not self.drift:
            return printed == self.text()
        mine, theirs = ([int(n) for n in re.findall(r"\d+", figure)] for figure in (self.figure, printed.split("|")[3]))
        same = re.sub(r"\d+", "#", printed) == re.sub(r"\d+", "#", self.text())
        return same and all(abs(a - b) <= self.drift for a, b in zip(mine, theirs, strict=True))


def below(value: float) -> str:
    """The next power of ten above a value, not under 1e-12: what is below is rounding, and differs by machine."""
    return f"< 1e{int(np.floor(np.log10(max(value, 1e-13)))) + 1}"


def published() -> Row:
    """All expected numbers of all problem files."""
    files = list(ac.list_problems()["name"])
    checks = [ac.load_problem(name).check(case) for name in files for case in ac.load_problem(name).cases]
    passed, total = sum(int(c["passed"].sum()) for c in checks), sum(len(c) for c in checks)
    return Row(
        "numbers of the published and derived cases",
        "printed digits, closed forms, an independent solver (each file says which)",
        f"{passed} of {total} within tolerance",
        "`pytest tests/test_problems.py`",
    )


def sinh() -> list[Row]:
    """Both closed forms of Almgren and Chriss."""
    discrete, continuous = closed_form.rows()
    script = "`benchmarks/closed_form.py`"
    return [
        Row(
            "schedules without inequalities, kappa T 1e-4..1e3, N 1..390, 1e2..1e9 shares, buys and sells",
            "the discrete sinh solution",
            f"{below(discrete['value'])} of the order",
            script,
        ),
        Row("as tau goes to 0", "the continuous sinh solution", f"order {round(continuous['value'])} in tau", script),
    ]


def contract(count: int = 200) -> Row:
    """The accuracy contract on random problems."""
    found = random_study.rows(count)[0]
    kept = f"{found['outside']} outside, {found['unsolved']} unsolved"
    return Row(
        f"{count} random problems: costs x constraints x sizes x grids",
        "an independently written formulation and solver",
        f"{kept}; gap {below(found['worst gap'])}, violation {below(found['worst violation'])}",
        "`benchmarks/random_study.py`",
    )


def composed(count: int = 200) -> Row:
    """The accuracy contract over all costs and rules."""
    found = composed_study.rows(count)[-1]
    return Row(
        f"{count} random problems over all costs and rules: transient, powers, soft rules, budgets",
        "a second formulation, its bound by weak duality",
        f"{found['outside']} outside, {found['unsolved']} unsolved",
        "`benchmarks/composed_study.py`",
    )


def plain(count: int = 120) -> list[Row]:
    """What plain CVXPY gets right on the same kind of problem."""
    rows = {row["how it was written"]: row for row in plain_cvxpy.rows(count)}
    script = "`benchmarks/plain_cvxpy.py`"
    against = "the same, gap 1e-6, violation 1e-9"

    def right(row: dict[str, Any]) -> str:
        return f"{row['right']} of {count} right"

    theirs = [
        Row(f"plain CVXPY at its defaults: {name}", against, right(rows[name]), script, DRIFT)
        for name in rows
        if name != "acopt" and "eps" not in name
    ]
    return [*theirs, Row("acopt on these", against, right(rows["acopt"]), script)]


def table() -> list[Row]:
    """Every row."""
    return [published(), *sinh(), contract(), composed(), *plain()]


def printed(text: str) -> list[str]:
    """The rows that the README shows."""
    inside = text[text.index(BEGIN) + len(BEGIN) : text.index(END)]
    return [line for line in inside.strip().splitlines()[2:] if line.startswith("|")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="rewrite the table in README.md")
    rows = table()
    text = README.read_text(encoding="utf-8")
    if parser.parse_args().write:
        lines = ["| what | against what | found | by |", "|---|---|---|---|", *(row.text() for row in rows)]
        start, end = text.index(BEGIN) + len(BEGIN), text.index(END)
        README.write_text(text[:start] + "\n" + "\n".join(lines) + "\n" + text[end:], encoding="utf-8")
        return
    shown = printed(text)
    moved = [row for row, line in zip(rows, shown, strict=False) if not row.agrees(line)]
    if moved or len(shown) != len(rows):
        print("README.md shows other figures than these:")
        print("\n".join(row.text() for row in (moved or rows)))
        sys.exit(1)
    print(f"{len(rows)} rows agree")


if __name__ == "__main__":
    main()

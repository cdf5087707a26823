"""
The infeasibility doctor on random problems that no schedule solves, all known by construction.

For every conflict: its rules, that it is minimal, the least relaxation of each rule from raw arithmetic, that the
problem is solved with it and refused with 2% less; the same for what the rule alone needs to repair everything, or
that nothing does; the same for the joint repair, and that it asks no rule it need not (tests/oracles/infeasible.py).

    python benchmarks/infeasible_study.py [count=100] [seed=0]
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from typing import Any

import common  # noqa: F401 - puts the oracles on the path
import infeasible
import numpy as np
from common import show


def study(count: int, seed: int) -> list[dict[str, Any]]:
    """Examine `count` cases."""
    out = []
    for number in range(count):
        case = infeasible.random_case(seed, number)
        start = time.perf_counter()
        wrong = infeasible.examine(case)
        error = infeasible.refused(case, case.rules)
        found = None if error is None else error.diagnosis
        out.append(
            {
                "case": number,
                "kind": case.kind,
                "wrong": wrong,
                "conflicts": 0 if found is None else len(found.conflicts),
                "relaxations": 0 if found is None else sum(len(c.relaxations) for c in found.conflicts),
                "seconds": time.perf_counter() - start,
            }
        )
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", nargs="?", type=int, default=100)
    parser.add_argument("seed", nargs="?", type=int, default=0)
    given = parser.parse_args()
    results = study(given.count, given.seed)
    kinds = Counter(r["kind"] for r in results)
    rows = [
        {
            "kind": kind,
            "problems": kinds[kind],
            "conflicts": sum(r["conflicts"] for r in results if r["kind"] == kind),
            "relaxations": sum(r["relaxations"] for r in results if r["kind"] == kind),
            "wrong": sum(bool(r["wrong"]) for r in results if r["kind"] == kind),
            "median s": float(np.median([r["seconds"] for r in results if r["kind"] == kind])),
        }
        for kind in sorted(kinds)
    ]
    rows.append(
        {"kind": "all", **{k: sum(r[k] for r in rows) for k in ("problems", "conflicts", "relaxations", "wrong")}}
    )
    rows[-1]["median s"] = float(np.median([r["seconds"] for r in results]))
    show(rows, "infeasible problems, diagnosed")
    for r in results:
        if r["wrong"]:
            print(r["case"], r["kind"], *r["wrong"], sep="\n    ")
    assert not rows[-1]["wrong"], "a diagnosis is wrong"


if __name__ == "__main__":
    main()

"""
Shadow prices against finite differences of re-solved optima, on random problems.

The optimal value is convex in every bound, so a price must lie between what a step of giving way saves and what
a step of tightening costs; where the two agree to 1% the price is known to 1%.

    python benchmarks/shadow_prices.py [count=200] [seed=7]
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from common import problem_of, reference, show
from joblib import Parallel, delayed
from relaxation import examined

import acopt as ac


def examine(seed: int, number: int) -> list[dict[str, Any]]:
    """Prices of one problem, a dictionary per bound that was moved; or why the oracle has none."""
    problem = problem_of(reference.random_case(np.random.default_rng([seed, number])))
    problem.solve().shadow_prices()
    try:
        found = list(examined(problem, most=2))
    except ac.SolverError as error:
        return [{"case": number, "silent": str(error)}]
    out = []
    for row, slopes, _ in found:
        out.append(
            {
                "case": number,
                "rule": row.constraint,
                "inside": slopes.admit(row.price),
                "positive": row.price > 0,
                "tied": row.tied != "",
                "tight": slopes.tight,
                "off": abs(row.price / slopes.limit - 1.0) if slopes.tight and not row.tied else 0.0,
                "row": row,
                "slopes": slopes,
            }
        )
    return out


def study(count: int, seed: int, workers: int = 2) -> list[dict[str, Any]]:
    """Examine `count` problems."""
    found = Parallel(n_jobs=workers, batch_size=10)(delayed(examine)(seed, j) for j in range(count))
    return [bound for bounds in found for bound in bounds]


def summary(found: list[dict[str, Any]], count: int, seed: int) -> dict[str, Any]:
    """Count, and take the worst."""
    positive = [f for f in found if f["positive"]]
    return {
        "problems": count,
        "seed": seed,
        "bounds moved": len(found),
        "with a price": len(positive),
        "tied": sum(f["tied"] for f in found),
        "outside the slopes": sum(not f["inside"] for f in found),
        "slopes agree to 1%": sum(f["tight"] for f in positive),
        "worst distance there": max((f["off"] for f in positive if f["tight"]), default=0.0),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", nargs="?", type=int, default=200)
    parser.add_argument("seed", nargs="?", type=int, default=7)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    found = study(given.count, given.seed, given.workers)
    silent = [f for f in found if "silent" in f]
    found = [f for f in found if "silent" not in f]
    totals = summary(found, given.count, given.seed) | {"oracle silent": len(silent)}
    show([{"": key, "value": value} for key, value in totals.items()], "shadow prices against re-solved optima")
    for f in silent:
        print(f["case"], f["silent"])
    for f in found:
        if not f["inside"] or (f["positive"] and not f["tight"]):
            print(f["case"], tuple(f["row"])[1:], f["slopes"])
    assert totals["outside the slopes"] == 0, "a price is outside the slopes of the optimal value"


if __name__ == "__main__":
    main()

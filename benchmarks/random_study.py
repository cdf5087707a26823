"""
The accuracy contract on random problems, against an independently written formulation and solver.

Costs x constraints x sizes 1e2..1e9 x even and uneven grids, buys and sells: acopt's schedule, priced by the
oracle's formulas in extended precision, against the oracle's certified optimum (tests/oracles/reference.py).

    python benchmarks/random_study.py [count=2000] [seed=0]
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from common import problem_of, reference, show
from joblib import Parallel, delayed

import acopt as ac

GAP, VIOLATION, PRICE = 1e-6, 1e-9, 1e-8


def examine(seed: int, number: int) -> dict[str, Any]:
    """Solve one case both ways; what came out, in plain numbers."""
    case = reference.random_case(np.random.default_rng([seed, number]))
    out: dict[str, Any] = {"case": number, "failure": "", "oracle": ""}
    start = time.perf_counter()
    try:
        plan = problem_of(case).solve()
    except ac.AcoptError as error:
        return out | {"failure": f"{type(error).__name__}: {error}"}
    out["seconds"] = time.perf_counter() - start
    try:
        truth = reference.solve_reference(case)
    except (reference.ReferenceInfeasible, reference.ReferenceUncertified) as error:
        return out | {"oracle": f"{type(error).__name__}: {error}"}
    trades, proof = plan.path.trades, plan.certificate
    cost, _ = reference.cost_and_scale(case, trades)
    scale = truth.scale or 1.0
    return out | {
        "gap": (cost - truth.objective) / scale,
        "claimed": proof.gap / scale,
        "violation": reference.violation(case, trades),
        "price": abs(plan.objective - cost) / scale,
        "refined": proof.refined,
        "tries": len(proof.tries),
        "solver": proof.solver,
    }


def study(count: int, seed: int, workers: int = 2) -> list[dict[str, Any]]:
    """Examine `count` cases."""
    return list(Parallel(n_jobs=workers, batch_size=20)(delayed(examine)(seed, j) for j in range(count)))


def outside(result: dict[str, Any]) -> bool:
    """Whether a solved case misses the contract, or prices itself otherwise than the oracle does."""
    if "gap" not in result:
        return False
    return bool(not abs(result["gap"]) <= GAP or not result["violation"] <= VIOLATION or not result["price"] <= PRICE)


def rows(count: int = 2000, seed: int = 0, workers: int = 2) -> list[dict[str, Any]]:
    """One row: the contract over all cases."""
    return summary(study(count, seed, workers), seed)


def summary(results: list[dict[str, Any]], seed: int) -> list[dict[str, Any]]:
    """Count and take extremes."""
    judged = [r for r in results if "gap" in r]
    quadratic = [r for r in judged if r["solver"] != "HIGHS"]
    return [
        {
            "problems": len(results),
            "seed": seed,
            "outside": sum(map(outside, judged)),
            "unsolved": sum(bool(r["failure"]) for r in results),
            "oracle silent": sum(bool(r["oracle"]) for r in results),
            "worst gap": max((abs(r["gap"]) for r in judged), default=0.0),
            "worst violation": max((r["violation"] for r in judged), default=0.0),
            "gap above certified": sum(r["gap"] > r["claimed"] + 1e-10 for r in judged),
            "refined %": 100.0 * sum(r["refined"] for r in quadratic) / max(len(quadratic), 1),
            "more than 1 try": sum(r["tries"] > 1 for r in judged),
            "LP (HiGHS)": len(judged) - len(quadratic),
            "median ms": 1e3 * float(np.median([r["seconds"] for r in results if "seconds" in r] or [0.0])),
        }
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", nargs="?", type=int, default=2000)
    parser.add_argument("seed", nargs="?", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    results = study(given.count, given.seed, given.workers)
    found = summary(results, given.seed)
    show([{"": key, "value": value} for key, value in found[0].items()], "acopt against the independent oracle")
    for r in results:
        if r["failure"] or r["oracle"] or outside(r):
            print(r)
    assert found[0]["outside"] == found[0]["unsolved"] == 0, "the accuracy contract is not kept"


if __name__ == "__main__":
    main()

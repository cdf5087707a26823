"""
The accuracy contract on random problems over all costs and rules, against a second, independent oracle.

Quadratic, conic, transient, soft and budgeted problems, 1e2..1e9 shares, nights and auctions, buys, sells, hedge legs
and nothing to do: acopt's schedule, priced by the oracle's formulas in extended precision, against a lower bound by
weak duality (tests/oracles/composed_program.py).

    python benchmarks/composed_study.py [count=10000] [seed=0] [--only NUMBER] [--families quadratic,soft]
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import common
import numpy as np
from composed_draw import FAMILIES, family, random_case
from composed_problem import problem_of
from composed_program import ComposedInfeasible, ComposedUncertified, Truth, solve_composed
from composed_verdict import judge
from joblib import Parallel, delayed

import acopt as ac


def examine(seed: int, number: int, families: frozenset[str] = frozenset(FAMILIES)) -> dict[str, Any]:
    """Solve one case both ways; what came out, in plain numbers."""
    case = random_case(np.random.default_rng([seed, number]), families)
    out: dict[str, Any] = {"case": number, "family": family(case), "wrong": "", "oracle": "", "error": ""}
    truth: Truth | str
    try:
        truth = solve_composed(case)
        out["oracle seconds"] = truth.seconds
    except ComposedInfeasible:
        truth = "infeasible"
    except ComposedUncertified as error:
        truth, out["oracle"] = "silent", str(error)
    start = time.perf_counter()
    try:
        plan = problem_of(case).solve()
    except ac.AcoptError as error:
        out["error"] = f"{type(error).__name__}: {error}"
        agreed = truth == "infeasible" and isinstance(error, ac.InfeasibleError)
        return out | {"wrong": "" if agreed or truth == "silent" else "unsolved", "infeasible": agreed}
    out["seconds"] = time.perf_counter() - start
    proof = plan.certificate
    out |= {"solver": proof.solver, "tries": len(proof.tries)}
    if isinstance(truth, str):
        return out | {"wrong": "solved what cannot be" if truth == "infeasible" else ""}
    return out | judge(case, truth, plan.path.trades, plan.objective, proof.gap)


def study(
    count: int, seed: int, workers: int = 2, families: frozenset[str] = frozenset(FAMILIES)
) -> list[dict[str, Any]]:
    """Examine `count` cases."""
    return list(Parallel(n_jobs=workers, batch_size=20)(delayed(examine)(seed, j, families) for j in range(count)))


def summary(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row per family, and one for all."""
    rows = []
    for name in (*FAMILIES, "all"):
        mine = [r for r in results if name in (r["family"], "all")]
        judged = [r for r in mine if "above" in r and not r["oracle"]]
        rows.append(
            {
                "family": name,
                "problems": len(mine),
                "unsolved": sum(r["wrong"] == "unsolved" for r in mine),
                "outside": sum(bool(r["wrong"]) and r["wrong"] != "unsolved" for r in mine),
                "infeasible, agreed": sum(bool(r.get("infeasible")) for r in mine),
                "oracle silent": sum(bool(r["oracle"]) for r in mine),
                "worst gap": max((r["above"] for r in judged), default=0.0),
                "worst violation": max((r["violation"] for r in judged), default=0.0),
                "worst price": max((r["price"] for r in judged), default=0.0),
                "more than 1 try": sum(r["tries"] > 1 for r in judged),
                "median ms": 1e3 * float(np.median([r["seconds"] for r in mine if "seconds" in r] or [0.0])),
                "oracle ms": 1e3
                * float(np.median([r["oracle seconds"] for r in mine if "oracle seconds" in r] or [0])),
            }
        )
    return rows


def rows(count: int = 10_000, seed: int = 0, workers: int = 2) -> list[dict[str, Any]]:
    """One row per family: the contract over all cases."""
    return summary(study(count, seed, workers))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", nargs="?", type=int, default=10_000)
    parser.add_argument("seed", nargs="?", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", type=int, help="replay one case")
    parser.add_argument("--families", default=",".join(FAMILIES))
    given = parser.parse_args()
    families = frozenset(given.families.split(","))
    if given.only is not None:
        print(examine(given.seed, given.only, families))
        return
    results = study(given.count, given.seed, given.workers, families)
    found = summary(results)
    common.show(found, f"acopt against the second oracle (gaps in tolerances of the contract), seed {given.seed}")
    for r in results:
        if r["wrong"] or r["oracle"]:
            print(r)
    assert not any(r["wrong"] for r in results), "the accuracy contract is not kept"


if __name__ == "__main__":
    main()

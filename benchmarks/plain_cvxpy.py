"""
How often plain CVXPY says "optimal" and is not, on random execution problems that everybody could write.

120 problems of 1 to 5 assets and 2 to 13 intervals (impact, risk; some with spread, alpha, permanent impact,
smoothness, caps, monotone, closed intervals), written in vectorised CVXPY and solved at its defaults, against the
oracle's certified optimum; acopt on the same problems. A gap is relative to the sum of |path-dependent terms|, a
violation to the largest order.

    python benchmarks/plain_cvxpy.py [count=120] [seed=0]
"""

from __future__ import annotations

import argparse
import warnings
from typing import Any

import cvxpy as cp
import numpy as np
from common import problem_of, reference, show

WRONG, BROKEN = 1e-6, 1e-9


def cases(count: int, seed: int) -> list[reference.Case]:
    """Draw small cases with impact and risk; no tracking, no hedges, no dollar rows: what a first script has."""
    found: list[reference.Case] = []
    j = 0
    while len(found) < count:
        case = reference.random_case(np.random.default_rng([seed, j]))
        j += 1
        n, periods = len(case.initial), len(case.durations)
        small = n <= 5 and 2 <= periods <= 13 and case.eta.ndim == 2 and np.all(case.eta > 0)
        plain = case.tracking is None and np.isinf(case.dollar_tolerance) and np.all(case.initial != 0)
        if small and plain:
            found.append(case)
    return found


def written(case: reference.Case, way: str) -> tuple[cp.Problem, cp.Variable, np.ndarray]:
    """
    The case in vectorised CVXPY; its variable; the size of one unit of it, by asset.

    "shares": x in shares, objective in currency. "outside": x / X, the objective divided by its size outside the
    expressions. "inside": x / X, with weight and size folded into the factors of every square.
    """
    periods, n = len(case.durations), len(case.initial)
    tau = case.durations[:, None]
    start = np.abs(case.initial)
    unit = np.ones(n) if way == "shares" else start
    z = cp.Variable((periods + 1, n))
    u, after = z[1:] - z[:-1], z[1:]
    eta = case.eta / tau - np.diag(case.gamma) / 2
    size = 1.0 if way == "shares" else float(np.sum(np.median(eta, axis=0) * start**2)) / periods
    inner, outer = (size, 1.0) if way == "inside" else (1.0, size)
    off = case.gamma - np.diag(np.diag(case.gamma))
    roots = np.stack([np.linalg.cholesky(c + 1e-15 * np.trace(c) * np.eye(n)) for c in case.covariance])
    cost = cp.sum_squares(cp.multiply(np.sqrt(eta / inner) * unit, u))
    same = np.allclose(roots, roots[0])
    weight = np.sqrt(case.risk_aversion * case.durations / inner)
    if same:
        cost += cp.sum_squares(cp.multiply(weight[:, None], after @ (unit[:, None] * roots[0])))
    else:
        for k in range(periods):
            cost += cp.sum_squares(weight[k] * (after[k] @ (unit[:, None] * roots[k])))
    if np.any(off):
        raise ValueError("the cases drawn here have a diagonal gamma")
    if np.any(case.half_spread):
        cost += cp.sum(cp.multiply(case.half_spread * unit / inner, cp.abs(u)))
    if np.any(case.drift):
        cost -= cp.sum(cp.multiply(tau * case.drift * unit / inner, after))
    for derivative, strength in case.smooth:
        rows, lengths = reference.bending(case.durations, derivative)
        if len(rows):
            band = np.sqrt(np.asarray(lengths, float))[:, None] * np.asarray(rows, float)
            cost += cp.sum_squares(cp.multiply(np.sqrt(strength / inner) * unit, band @ z))
    rules = [z[0] == case.initial / unit, z[periods] == 0]
    low, high = case.lower / unit, case.upper / unit
    for side, sign in ((high, 1), (low, -1)):
        i, j = np.nonzero(np.isfinite(side))
        if len(i):
            rules.append(sign * u[i, j] <= sign * side[i, j])
    held = np.isfinite(case.holding_upper).any()
    if held:
        rules += [after <= case.holding_upper / unit, after >= case.holding_lower / unit]
    return cp.Problem(cp.Minimize(cost / outer), rules), z, unit


WAYS = {
    "shares and currency, OSQP": ("shares", cp.OSQP, {}),
    "x / X, scale outside, OSQP": ("outside", cp.OSQP, {}),
    "x / X, scale inside, OSQP": ("inside", cp.OSQP, {}),
    "x / X, scale inside, OSQP, eps 1e-7": ("inside", cp.OSQP, {"eps_abs": 1e-7, "eps_rel": 1e-7, "max_iter": 50_000}),
    "shares and currency, Clarabel": ("shares", cp.CLARABEL, {}),
    "x / X, scale inside, Clarabel": ("inside", cp.CLARABEL, {}),
}


def plain(case: reference.Case, name: str) -> tuple[str, np.ndarray | None]:
    """Status and trades."""
    way, solver, settings = WAYS[name]
    problem, z, unit = written(case, way)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            problem.solve(solver=solver, **settings)
        except cp.error.SolverError:
            return "error", None
    if problem.status != cp.OPTIMAL or z.value is None:
        return str(problem.status), None
    return "optimal", np.diff(z.value * unit, axis=0)


def rows(count: int = 120, seed: int = 0) -> list[dict[str, Any]]:
    """One row for each way of writing, acopt last."""
    drawn = [c for c in cases(4 * count, seed) if not np.any(c.gamma - np.diag(np.diag(c.gamma)))][:count]
    truths = [reference.solve_reference(case) for case in drawn]
    out = []
    for name in [*WAYS, "acopt"]:
        answers = []
        for case in drawn:
            if name == "acopt":
                answers.append(("optimal", problem_of(case).solve().path.trades))
            else:
                answers.append(plain(case, name))
        gaps, broken = [], []
        for case, truth, (_, trades) in zip(drawn, truths, answers, strict=True):
            if trades is not None:
                cost, _ = reference.cost_and_scale(case, trades)
                gaps.append(abs(cost - truth.objective) / truth.scale)
                broken.append(reference.violation(case, trades))
        statuses = [status for status, _ in answers]
        out.append(
            {
                "how it was written": name,
                "optimal": len(gaps),
                "false infeasible": sum("infeasible" in s for s in statuses),
                "other": sum(s != "optimal" and "infeasible" not in s for s in statuses),
                "gap > 1e-6": sum(g > WRONG for g in gaps),
                "worst gap": max(gaps, default=float("nan")),
                "violation > 1e-9": sum(b > BROKEN for b in broken),
                "worst violation": max(broken, default=float("nan")),
                "right": sum(g <= WRONG and b <= BROKEN for g, b in zip(gaps, broken, strict=True)),
            }
        )
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", nargs="?", type=int, default=120)
    parser.add_argument("seed", nargs="?", type=int, default=0)
    given = parser.parse_args()
    found = rows(given.count, given.seed)
    show(found, f"{given.count} random execution problems, CVXPY {cp.__version__} at its defaults")
    assert found[-1]["right"] == given.count


if __name__ == "__main__":
    main()

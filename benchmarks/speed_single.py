"""
One asset, 78 intervals, Almgren-Chriss costs (temporary, permanent, spread, risk), participation, monotone.

(a) first solve, from objects to certificate, against the same problem written by hand in vectorised CVXPY;
(b) re-solve after a change of risk aversion, against `osqp.update` + `solve` on plain CVXPY's canonical matrices,
    both warm and at the same eps (1e-5, acopt's first OSQP stage). The raw side is given its new numbers ready made,
    and only the ones that change.

Ratios are medians over paired, interleaved runs.

    python benchmarks/speed_single.py [--full]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import cvxpy as cp
import numpy as np
import osqp
import scipy.sparse as sp
from common import compact, interleaved, ratio, show

import acopt as ac

N, X, PRICE, EPS = 78, 1e6, 50.0, 1e-5
TAU, ETA, GAMMA, HALF_SPREAD, VARIANCE = 1.0 / N, 2.5e-6 / 7.8, 2.5e-9, 0.005, 1.0
VOLUME, CAP = 2e5, 0.10
LAMBDA = 2e-6


def declared(aversion: float) -> ac.ExecutionProblem:
    """The problem in acopt."""
    market = ac.Market(
        ac.TimeGrid.uniform(1.0, N),
        PRICE,
        volume=np.full(N, VOLUME),
        covariance=VARIANCE,
        spread=2 * HALF_SPREAD,
        impact=ac.ImpactCoefficients(ETA, GAMMA),
    )
    costs = ac.TemporaryImpact() + ac.PermanentImpact() + ac.SpreadCost() + aversion * ac.TimingRisk()
    return ac.ExecutionProblem(ac.Order(X), market, costs, [ac.Participation(CAP), ac.Monotone()])


def by_hand(aversion: float | cp.Parameter, form: str = "lean") -> tuple[cp.Problem, cp.Variable]:
    """
    The problem in vectorised CVXPY, in shares and currency.

    "lean": knows that sells >= 0 makes the spread linear; "abs": the same program for any order and rule.
    """
    x = cp.Variable(N + 1)
    sells = x[:-1] - x[1:]
    cap = CAP * np.full(N, VOLUME)
    impact = (ETA / TAU - GAMMA / 2) * cp.sum_squares(sells) + GAMMA * X**2 / 2
    risk = aversion * (TAU * VARIANCE * cp.sum_squares(x[1:]))
    if form == "lean":
        spread, rules = HALF_SPREAD * cp.sum(sells), [sells >= 0, sells <= cap]
    else:
        spread, rules = HALF_SPREAD * cp.norm1(sells), [sells >= 0, cp.abs(sells) <= cap]
    return cp.Problem(cp.Minimize(impact + spread + risk), [x[0] == X, x[N] == 0, *rules]), x


class Raw:
    """OSQP on plain CVXPY's canonical matrices, set up once, updated in place."""

    def __init__(self, aversions: np.ndarray, *, form: str = "abs", polish: bool = False, eps: float = EPS) -> None:
        weight = cp.Parameter(nonneg=True, value=float(aversions[0]))
        problem, x = by_hand(weight, form)
        self.numbers = []
        for value in aversions:
            weight.value = float(value)
            data, _, _ = problem.get_problem_data(cp.OSQP)
            self.numbers.append(compact(sp.triu(data["P"])).data)
        rows = compact(sp.vstack([data["A"], data["F"]]))
        low = np.concatenate([data["b"], np.full(len(data["G"]), -np.inf)])
        high = np.concatenate([data["b"], data["G"]])
        self.start = data["param_prob"].var_id_to_col[x.id]
        self.solver = osqp.OSQP()
        quadratic = compact(sp.triu(data["P"]))
        quadratic.data[:] = self.numbers[0]
        self.solver.setup(
            quadratic, data["q"], rows, low, high,
            eps_abs=eps, eps_rel=eps, verbose=False, polishing=polish, max_iter=100_000,
        )  # fmt: skip

    def solve(self, at: int) -> np.ndarray:
        """Update the quadratic, solve on from the last point; return x."""
        self.solver.update(Px=self.numbers[at])
        result = self.solver.solve(raise_error=False)
        return np.asarray(result.x)[self.start : self.start + N + 1]


def quality(x: np.ndarray, aversion: float) -> dict[str, float]:
    """Relative gap (path-dependent scale) and violation (of X) of a path, against acopt's certified optimum."""
    problem = declared(aversion)
    best = problem.solve()
    sells = x[:-1] - x[1:]
    given = problem.evaluate(-sells[:, None])
    worst = max(np.max(-sells), np.max(sells - CAP * VOLUME), abs(x[0] - X), abs(x[-1]), 0.0)
    return {
        "relative gap": abs(given.objective - best.objective) / best.certificate.gap_scale,
        "violation / X": float(worst) / X,
        "max |x - x*| / X": float(np.abs(x - best.path.remaining[:, 0]).max()) / X,
    }


def first(repeats: int) -> list[dict[str, Any]]:
    """(a): build and solve."""

    def hand(form: str, **settings: Any) -> Callable[[], np.ndarray]:
        def run() -> np.ndarray:
            problem, x = by_hand(LAMBDA, form)
            problem.solve(solver=cp.OSQP, **settings)
            return np.asarray(x.value)

        return run

    tight = {"eps_abs": 1e-7, "eps_rel": 1e-7, "max_iter": 50_000}
    contenders: dict[str, Callable[[], Any]] = {
        "acopt, to the certificate": lambda: declared(LAMBDA).solve().path.remaining[:, 0],
        "CVXPY + OSQP, lean form": hand("lean"),
        "CVXPY + OSQP, abs form": hand("abs"),
        "CVXPY + OSQP, abs form, eps 1e-7": hand("abs", **tight),
    }
    seconds = interleaved(contenders, repeats)
    mine = seconds["acopt, to the certificate"]
    return [
        {"first solve": name, "median ms": 1e3 * float(np.median(taken)), "acopt / this": ratio(mine, taken)}
        | quality(contenders[name](), LAMBDA)
        for name, taken in seconds.items()
    ]


def again(repeats: int) -> list[dict[str, Any]]:
    """(b): change lambda, re-solve."""
    aversions = np.random.default_rng(0).permutation(np.geomspace(5e-7, 5e-6, 40))
    problem = declared(float(aversions[0]))
    problem.solve()
    turn = {"acopt": 0}

    def update() -> np.ndarray:
        k = turn["acopt"] = (turn["acopt"] + 1) % len(aversions)
        return problem.update(weights={"TimingRisk": float(aversions[k])}).solve().path.remaining[:, 0]

    def raw(name: str, **settings: Any) -> Callable[[], np.ndarray]:
        solver = Raw(aversions, **settings)
        turn[name] = 0

        def run() -> np.ndarray:
            k = turn[name] = (turn[name] + 1) % len(aversions)
            return solver.solve(k)

        return run

    names = {
        "acopt update + solve": update,
        f"osqp.update + solve, abs form, eps {EPS:g}": raw("abs"),
        f"osqp.update + solve + polish, abs form, eps {EPS:g}": raw("abs polish", polish=True),
        f"osqp.update + solve, lean form, eps {EPS:g}": raw("lean", form="lean"),
        f"osqp.update + solve + polish, lean form, eps {EPS:g}": raw("lean polish", form="lean", polish=True),
        "osqp.update + solve + polish, lean form, eps 1e-7": raw("tight", form="lean", polish=True, eps=1e-7),
    }
    seconds = interleaved(names, repeats, warm=10)
    mine = seconds["acopt update + solve"]
    out = []
    for (name, run), key in zip(names.items(), turn, strict=True):
        worst = {"relative gap": 0.0, "violation / X": 0.0, "max |x - x*| / X": 0.0}
        for _ in range(10):
            x = run()
            found = quality(x, float(aversions[turn[key]]))
            worst = {k: max(worst[k], found[k]) for k in worst}
        taken = seconds[name]
        out.append(
            {"re-solve": name, "median ms": 1e3 * float(np.median(taken)), "acopt / this": ratio(mine, taken)} | worst
        )
    return out


def rows(full: bool = False) -> list[dict[str, Any]]:
    """Two rows: the ratios that are promised to be at most 2."""
    return figures(first(60 if full else 25), again(400 if full else 200))


def figures(start: list[dict[str, Any]], repeat: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Take the ratios."""
    return [
        {"what": "first solve / hand-written CVXPY (abs form)", "ratio": start[2]["acopt / this"], "demanded": "<= 2"},
        {"what": "first solve / hand-written CVXPY (lean form)", "ratio": start[1]["acopt / this"], "demanded": "<= 2"},
        {"what": "re-solve / raw osqp (abs form)", "ratio": repeat[1]["acopt / this"], "demanded": "<= 2"},
        {"what": "re-solve / raw osqp with polish (abs form)", "ratio": repeat[2]["acopt / this"], "demanded": "<= 2"},
        {"what": "re-solve / raw osqp (lean form)", "ratio": repeat[3]["acopt / this"], "demanded": "-"},
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="more repeats")
    full = parser.parse_args().full
    start, repeat = first(60 if full else 25), again(400 if full else 200)
    show(start, f"(a) first solve, {N} intervals; accuracy against the certified optimum")
    show(repeat, "(b) update of the risk aversion, then solve, warm; worst accuracy of 10")
    show(figures(start, repeat), "in short")


if __name__ == "__main__":
    main()

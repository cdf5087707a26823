"""
Impact under a power law: one asset with 78 intervals, and 30 assets x 28 intervals with factor risk and caps.

acopt, from data to a certified schedule, against the same program in plain CVXPY, in shares and currency, given to
Clarabel as it is: once as the tree of second-order cones that CVXPY writes by default, once as power cones. Seconds
are medians over interleaved runs; `worse` is how much the plain answer costs above acopt's, relative; `off` how far
its shares are away, of the order; `missed` by how many shares it does not finish.

    python benchmarks/power.py
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import cvxpy as cp
import numpy as np
import pandas as pd
from common import interleaved, show
from speed_basket import Basket

import acopt as ac

REPEATS = 7


@dataclass(frozen=True)
class Law:
    """A square-root law: cost per share c sigma sqrt(participation), and everything around it."""

    basket: Basket
    capped: bool

    @property
    def sigma(self) -> np.ndarray:
        """Covariance (n, n) per unit of time."""
        b = self.basket
        return b.loadings @ b.factor @ b.loadings.T + np.diag(b.specific)

    @property
    def single(self) -> np.ndarray:
        """K (N, n) with cost K |u|^1.5."""
        return np.sqrt(np.diag(self.sigma)) / np.sqrt(self.basket.volume)


def by_acopt(law: Law) -> ac.ExecutionProblem:
    """The problem in acopt."""
    b = law.basket
    names = [f"A{i:03d}" for i in range(len(b.price))]
    grid = ac.TimeGrid.uniform(1.0, len(b.volume))
    market = ac.Market(
        grid,
        pd.Series(b.price, names),
        volume=pd.DataFrame(b.volume, grid.labels, names),
        covariance=ac.FactorModel(pd.DataFrame(b.loadings, names), b.factor, pd.Series(b.specific, names)),
        impact=ac.SquareRootImpact(1.0),
    )
    rules = [ac.Participation(b.cap)] if law.capped else []
    costs = ac.PowerImpact() + b.aversion * ac.TimingRisk()
    return ac.ExecutionProblem(ac.Order(pd.Series(b.shares, names)), market, costs, rules)


def plain(law: Law, approx: bool) -> tuple[cp.Problem, cp.Variable]:
    """The same in CVXPY, as one writes it."""
    b = law.basket
    periods, n = b.volume.shape
    x = cp.Variable((periods + 1, n))
    u = x[1:] - x[:-1]
    cost = cp.sum(cp.multiply(law.single, cp.power(cp.abs(u), 1.5, approx=approx)))
    cost += b.aversion * b.tau * cp.sum_squares(x[1:] @ (b.loadings @ np.sqrt(b.factor)))
    cost += b.aversion * b.tau * cp.sum(cp.multiply(b.specific, cp.sum(cp.square(x[1:]), axis=0)))
    rules = [x[0] == b.shares, x[periods] == 0]
    return cp.Problem(cp.Minimize(cost), rules + ([cp.abs(u) <= b.cap * b.volume] if law.capped else [])), x


def solved_plainly(law: Law, approx: bool, **options: Any) -> tuple[str, np.ndarray]:
    """Status and path (N + 1, n) of the plain program."""
    problem, x = plain(law, approx)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "solution may be inaccurate" is what is counted here
        try:
            problem.solve(cp.CLARABEL, **options)
        except cp.SolverError:
            return "failed", np.full(x.shape, np.nan)
    return str(problem.status), np.full(x.shape, np.nan) if x.value is None else x.value


def compared(law: Law) -> list[dict[str, Any]]:
    """One row for acopt, one for each way to write it plainly."""
    start = perf_counter()
    problem = by_acopt(law)
    built = perf_counter() - start
    plan = problem.solve()
    shares = np.abs(law.basket.shares)
    ways: dict[str, Callable[[], Any]] = {
        "acopt": lambda: by_acopt(law).solve(),
        "acopt, solved again": problem.solve,
        "CVXPY, second-order cones": lambda: solved_plainly(law, True),
        "CVXPY, power cones": lambda: solved_plainly(law, False),
    }
    seconds = interleaved(ways, REPEATS, warm=1)
    rows: list[dict[str, Any]] = []
    for name in ways:
        row: dict[str, Any] = {"way": name, "seconds": float(np.median(seconds[name]))}
        if name.startswith("acopt"):
            proof = plan.certificate
            row |= {"status": "certified", "build": built, "iterations": proof.iterations}
            rows.append(row | {"gap": proof.relative_gap, "violation": proof.violation})
            continue
        status, path = solved_plainly(law, name == "CVXPY, second-order cones")
        row |= {"status": status}
        if np.isfinite(path).all():
            row["worse"] = problem.evaluate(np.diff(path, axis=0)).objective / plan.objective - 1
            row["off"] = float(np.abs(path - plan.path.remaining).max() / shares.max())
            row["missed"] = float(np.abs(path[-1]).max())
        rows.append(row)
    return rows


if __name__ == "__main__":
    one = Basket.draw(1, 78, 1, seed=3)
    many = Basket.draw(30, 28, 5)
    show(compared(Law(one, capped=False)), "One asset, 78 intervals, square-root law and risk")
    show(compared(Law(many, capped=True)), "30 assets x 28 intervals, square-root law, five factors, caps of 10%")

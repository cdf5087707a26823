"""
A basket with a factor model and binding participation caps, end to end (data in, certified schedule out).

Against (i) CVXPY as it is often written, one expression per interval, (ii) vectorised CVXPY, and (iii) OSQP, PIQP and
Clarabel called on the arrays that (ii) compiles to, without any compile time. 50 assets x 26 intervals x 5 factors;
`--full` adds 100 x 78 x 10. Ratios are medians over paired, interleaved runs.

    python benchmarks/speed_basket.py [--full]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import clarabel
import cvxpy as cp
import numpy as np
import osqp
import pandas as pd
import piqp
import scipy.sparse as sp
from common import compact, interleaved, ratio, show

import acopt as ac


@dataclass(frozen=True)
class Basket:
    """Plain numbers: n assets, N even intervals, m factors; every asset works an order, 60% sell."""

    price: np.ndarray  # (n,)
    shares: np.ndarray  # (n,) > 0 to sell
    volume: np.ndarray  # (N, n)
    eta: np.ndarray  # (N, n)
    loadings: np.ndarray  # (n, m), currency/share per unit of factor
    factor: np.ndarray  # (m, m)
    specific: np.ndarray  # (n,)
    aversion: float
    cap: float = 0.10

    @property
    def tau(self) -> float:
        """Length of an interval."""
        return 1.0 / len(self.volume)

    @classmethod
    def draw(cls, n: int, periods: int, factors: int, seed: int = 0) -> Basket:
        """Draw a market, and orders that need 30% to 90% of what the cap allows."""
        rng = np.random.default_rng(seed)
        price = 10 ** rng.uniform(1, 2.7, n)
        smile = 1 + np.linspace(-1, 1, periods) ** 2
        daily = 10 ** rng.uniform(5.5, 7.5, n)
        volume = smile[:, None] / smile.sum() * daily * rng.lognormal(0, 0.2, (periods, n))
        shares = np.where(rng.random(n) < 0.6, 1, -1) * rng.uniform(0.3, 0.9, n) * 0.10 * volume.sum(axis=0)
        eta = 10.0e-4 * price / (0.10 * volume * periods)
        beta = np.column_stack([rng.normal(1.0, 0.3, n), rng.normal(0, 0.4, (n, factors - 1))])
        moves = np.r_[0.01, rng.uniform(0.003, 0.006, factors - 1)]
        specific = (rng.uniform(0.006, 0.02, n) * price) ** 2
        net = price @ np.abs(shares)
        return cls(price, shares, volume, eta, beta * price[:, None], np.diag(moves**2), specific, 3e3 / net)


def by_acopt(b: Basket) -> ac.ExecutionProblem:
    """The problem in acopt."""
    names = [f"A{i:03d}" for i in range(len(b.price))]
    grid = ac.TimeGrid.uniform(1.0, len(b.volume))
    market = ac.Market(
        grid,
        pd.Series(b.price, names),
        volume=pd.DataFrame(b.volume, grid.labels, names),
        covariance=ac.FactorModel(pd.DataFrame(b.loadings, names), b.factor, pd.Series(b.specific, names)),
    )
    costs = ac.TemporaryImpact(pd.DataFrame(b.eta, grid.labels, names)) + b.aversion * ac.TimingRisk()
    return ac.ExecutionProblem(ac.Order(pd.Series(b.shares, names)), market, costs, [ac.Participation(b.cap)])


def by_loop(b: Basket) -> tuple[cp.Problem, cp.Variable]:
    """One expression per interval, the factor model put to use."""
    periods, n = b.volume.shape
    x = cp.Variable((periods + 1, n))
    root = b.loadings @ np.sqrt(b.factor)
    rules = [x[0] == b.shares, x[periods] == 0]
    cost = 0
    for k in range(periods):
        u = x[k + 1] - x[k]
        cost += cp.sum(cp.multiply(b.eta[k] / b.tau, cp.square(u)))
        cost += b.aversion * b.tau * cp.sum_squares(root.T @ x[k + 1])
        cost += b.aversion * b.tau * cp.sum(cp.multiply(b.specific, cp.square(x[k + 1])))
        rules.append(cp.abs(u) <= b.cap * b.volume[k])
    return cp.Problem(cp.Minimize(cost), rules), x


def by_quad_form(b: Basket) -> tuple[cp.Problem, cp.Variable]:
    """One expression per interval, with the whole covariance: the most usual way."""
    periods, n = b.volume.shape
    x = cp.Variable((periods + 1, n))
    sigma = b.loadings @ b.factor @ b.loadings.T + np.diag(b.specific)
    rules = [x[0] == b.shares, x[periods] == 0]
    cost = 0
    for k in range(periods):
        u = x[k + 1] - x[k]
        cost += cp.quad_form(u, np.diag(b.eta[k] / b.tau))
        cost += b.aversion * b.tau * cp.quad_form(x[k + 1], sigma)
        rules.append(cp.abs(u) <= b.cap * b.volume[k])
    return cp.Problem(cp.Minimize(cost), rules), x


def vectorised(b: Basket) -> tuple[cp.Problem, cp.Variable]:
    """All intervals at once, roots folded into the factors, in units of the order and a thousandth of its notional."""
    periods, n = b.volume.shape
    size = np.abs(b.shares)
    x = cp.Variable((periods + 1, n))  # in units of the order
    u = x[1:] - x[:-1]
    scale = 1e-3 * float(b.price @ size)
    root = np.sqrt(b.aversion * b.tau / scale) * size[:, None] * (b.loadings @ np.sqrt(b.factor))
    own = np.sqrt(b.aversion * b.tau / scale * b.specific) * size
    cost = cp.sum_squares(cp.multiply(np.sqrt(b.eta / (b.tau * scale)) * size, u))
    cost += cp.sum_squares(x[1:] @ root) + cp.sum_squares(cp.multiply(own[None, :] * np.ones((periods, 1)), x[1:]))
    cap = b.cap * b.volume / size
    rules = [x[0] == b.shares / size, x[periods] == 0, u <= cap, u >= -cap]
    return cp.Problem(cp.Minimize(cost), rules), x


class Arrays:
    """What the vectorised problem compiles to, for solvers called without CVXPY."""

    def __init__(self, b: Basket) -> None:
        problem, x = vectorised(b)
        data, _, _ = problem.get_problem_data(cp.OSQP)
        self.p, self.q = compact(data["P"]), data["q"]
        self.a, self.b, self.f, self.g = compact(data["A"]), data["b"], compact(data["F"]), data["G"]
        start = data["param_prob"].var_id_to_col[x.id]
        self.x = slice(start, start + x.size)
        self.shape, self.size = x.shape, np.abs(b.shares)

    def path(self, z: Any) -> np.ndarray:
        """Remaining shares (N+1, n)."""
        return np.asarray(z)[self.x].reshape(self.shape, order="F") * self.size

    def osqp(self, eps: float) -> np.ndarray:
        """OSQP with polish."""
        solver = osqp.OSQP()
        low = np.concatenate([self.b, np.full(len(self.g), -np.inf)])
        rows = compact(sp.vstack([self.a, self.f]))
        solver.setup(
            compact(sp.triu(self.p)), self.q, rows, low, np.concatenate([self.b, self.g]),
            eps_abs=eps, eps_rel=eps, max_iter=100_000, polishing=True, verbose=False,
        )  # fmt: skip
        return self.path(solver.solve(raise_error=False).x)

    def piqp(self) -> np.ndarray:
        """PIQP at its defaults."""
        solver = piqp.SparseSolver()
        solver.setup(self.p, self.q, self.a, self.b, self.f, np.full(len(self.g), -1e30), self.g)
        solver.solve()
        return self.path(solver.result.x)

    def clarabel(self) -> np.ndarray:
        """Clarabel at its defaults."""
        settings = clarabel.DefaultSettings()
        settings.verbose = False
        cones = [clarabel.ZeroConeT(len(self.b)), clarabel.NonnegativeConeT(len(self.g))]
        rows = sp.csc_matrix(sp.vstack([self.a, self.f]))
        right = np.concatenate([self.b, self.g])
        solver = clarabel.DefaultSolver(sp.triu(self.p, format="csc"), self.q, rows, right, cones, settings)
        return self.path(solver.solve().x)


def compare(n: int, periods: int, factors: int, repeats: int) -> list[dict[str, Any]]:
    """One row per contender."""
    b = Basket.draw(n, periods, factors)
    best = by_acopt(b).solve()
    arrays = Arrays(b)

    def through(write: Callable[[Basket], tuple[cp.Problem, cp.Variable]], solver: str) -> Callable[[], np.ndarray]:
        def run() -> np.ndarray:
            problem, x = write(b)
            problem.solve(solver=solver)
            size = np.abs(b.shares) if write is vectorised else 1.0
            return np.asarray(x.value) * size

        return run

    contenders: dict[str, Callable[[], np.ndarray]] = {
        "acopt, to the certificate": lambda: by_acopt(b).solve().path.remaining,
        "(i) CVXPY, loop over intervals, factor form, OSQP": through(by_loop, cp.OSQP),
        "(i) CVXPY, loop over intervals, quad_form, OSQP": through(by_quad_form, cp.OSQP),
        "(ii) CVXPY, vectorised, OSQP": through(vectorised, cp.OSQP),
        "(ii) CVXPY, vectorised, Clarabel": through(vectorised, cp.CLARABEL),
        "(iii) raw OSQP + polish, eps 1e-5": lambda: arrays.osqp(1e-5),
        "(iii) raw OSQP + polish, eps 1e-7": lambda: arrays.osqp(1e-7),
        "(iii) raw PIQP": arrays.piqp,
        "(iii) raw Clarabel": arrays.clarabel,
    }
    if n * periods > 2_000:  # minutes
        del contenders["(i) CVXPY, loop over intervals, quad_form, OSQP"]
    seconds = interleaved(contenders, repeats, warm=1)
    mine = seconds["acopt, to the certificate"]
    out = []
    for name, run in contenders.items():
        x = run()
        given = by_acopt(b).evaluate(np.diff(x, axis=0))
        over = np.max(np.abs(np.diff(x, axis=0)) - b.cap * b.volume)
        miss = max(over, np.abs(x[-1]).max(), np.abs(x[0] - b.shares).max(), 0.0) / np.abs(b.shares).max()
        out.append(
            {
                f"{n} x {periods} x {factors}": name,
                "median s": float(np.median(seconds[name])),
                "acopt / this": ratio(mine, seconds[name]),
                "relative gap": abs(given.objective - best.objective) / best.certificate.gap_scale,
                "violation / X": float(miss),
            }
        )
    trades = np.abs(best.path.trades)
    bound = float(np.mean(trades >= (1 - 1e-9) * b.cap * b.volume))
    print(f"{n} x {periods} x {factors}: {100 * bound:.0f}% of the caps bind; {best.certificate}")
    return out


def rows(full: bool = False) -> list[dict[str, Any]]:
    """Two rows: the ratios that are promised to be at most 0.1."""
    return figures(compare(50, 26, 5, 15 if full else 7))


def figures(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Take the ratio."""
    return [
        {"what": f"end to end / per-interval CVXPY, {form}", "ratio": found[at]["acopt / this"], "demanded": "<= 0.1"}
        for at, form in ((1, "factor form"), (2, "quad_form"))
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="more repeats, and 100 x 78 x 10")
    full = parser.parse_args().full
    found = compare(50, 26, 5, 15 if full else 7)
    show(found, "end to end; gap and violation against acopt's certified optimum")
    if full:
        show(compare(100, 78, 10, 3), "the same, larger")
    show(figures(found), "in short")


if __name__ == "__main__":
    main()

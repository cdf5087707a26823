"""
Obizhaeva and Wang's problem on N intervals, from its numbers to the schedule: the state form against dense matrices.

acopt: `ExecutionProblem(...)` and `solve()`, to the certificate. Others: the same quadratic program in the N trades,
its dense matrix built from the kernel, by CVXPY with Clarabel, and handed to OSQP and PIQP as it is. "error" is the
largest distance of a trade from the closed form, of the order. Ratios are medians over paired, interleaved runs; what
takes longer than a few seconds is run once.

    python benchmarks/transient.py [--full]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from time import perf_counter
from typing import Any

import cvxpy as cp
import numpy as np
import osqp
import piqp
import scipy.sparse as sp
from common import compact, interleaved, ratio, show

import acopt as ac
from acopt.costs.transient import TransientImpact
from acopt.market.kernels import ExponentialDecay, PowerLawDecay

X, KAPPA, RHO, DEMANDED = 1e5, 1e-4, 2.231, 0.5
SIZES = (78, 300, 1000)


def declared(n: int) -> np.ndarray:
    """Trades by acopt."""
    market = ac.Market(ac.TimeGrid(np.arange(n + 1) / (n - 1)), 50.0)
    cost = TransientImpact(ExponentialDecay(rate=RHO), KAPPA, trade_at="start")
    return np.asarray(ac.ExecutionProblem(ac.Order.sell(X), market, cost).solve().path.trades[:, 0])


def kernel(n: int) -> np.ndarray:
    """G between N moments."""
    moments = np.arange(n) / (n - 1)
    return np.asarray(np.exp(-RHO * np.abs(moments[:, None] - moments[None, :])))


def by_cvxpy(n: int) -> np.ndarray:
    """Trades by CVXPY and Clarabel, in units of the order."""
    u = cp.Variable(n)
    problem = cp.Problem(cp.Minimize(cp.quad_form(u, cp.psd_wrap(kernel(n)))), [cp.sum(u) == -1.0])
    problem.solve(solver="CLARABEL")
    return X * np.asarray(u.value)


def by_osqp(n: int) -> np.ndarray:
    """Trades by OSQP on the dense matrix, in units of the order."""
    solver = osqp.OSQP()
    rows = compact(np.ones((1, n)))
    solver.setup(
        compact(sp.triu(kernel(n))), np.zeros(n), rows, -np.ones(1), -np.ones(1),
        eps_abs=1e-9, eps_rel=1e-9, verbose=False, max_iter=100_000,
    )  # fmt: skip
    return X * np.asarray(solver.solve(raise_error=False).x)


def by_piqp(n: int) -> np.ndarray:
    """Trades by PIQP's dense solver, in units of the order."""
    solver = piqp.DenseSolver()
    solver.setup(kernel(n), np.zeros(n), np.ones((1, n)), -np.ones(1))
    solver.solve()
    return X * np.asarray(solver.result.x)


def exact(n: int) -> np.ndarray:
    """Closed form: the ends X / (2 + (N-2)(1 - a)), the inner trades (1 - a) times that."""
    lost = -np.expm1(-RHO / (n - 1))
    ends = -X / (2.0 + (n - 2) * lost)
    return np.asarray(np.concatenate([[ends], np.full(n - 2, lost * ends), [ends]]))


CONTENDERS: dict[str, Callable[[int], np.ndarray]] = {
    "acopt, to the certificate": declared,
    "CVXPY + Clarabel, dense": by_cvxpy,
    "raw OSQP, dense": by_osqp,
    "raw PIQP, dense": by_piqp,
}


def rows(n: int, repeats: int) -> list[dict[str, Any]]:
    """One row a contender."""
    slow, quick = dict[str, float](), dict[str, Callable[[], np.ndarray]]()
    for name, run in CONTENDERS.items():
        start = perf_counter()
        run(n)
        taken = perf_counter() - start
        if taken > 2.0:
            slow[name] = taken
        else:
            quick[name] = lambda run=run: run(n)  # type: ignore[misc]
    seconds = {**interleaved(quick, repeats), **{name: np.array([taken]) for name, taken in slow.items()}}
    mine = seconds["acopt, to the certificate"]
    best = exact(n)
    return [
        {
            f"N = {n}": name,
            "median s": float(np.median(seconds[name])),
            "this / acopt": 1.0 / ratio(mine, seconds[name]),
            "error": float(np.abs(run(n) - best).max() / X),
        }
        for name, run in CONTENDERS.items()
    ]


def baskets(full: bool) -> list[dict[str, Any]]:
    """Several assets with spread, risk and caps: build and solve, and entries of the compiled program."""
    out = []
    for assets, bar in ((3, "5min"), (30, "15min"), *(((30, "5min"),) if full else ())):
        grid = ac.TimeGrid.session("2019-02-15", bar)
        names = [f"A{i}" for i in range(assets)]
        rng = np.random.default_rng(0)
        price = dict(zip(names, np.linspace(20.0, 200.0, assets), strict=True))
        loadings = np.eye(assets) * 0.2 + rng.normal(size=(assets, assets)) * 0.02
        prices = np.array(list(price.values()))
        market = ac.Market(
            grid,
            ac.Order.sell(price).remaining,
            volume=rng.uniform(1e5, 2e5, (grid.periods, assets)),
            covariance=np.outer(prices, prices) * 1e-4 * (loadings @ loadings.T),
            spread=4e-4 * prices,
            impact=ac.LinearImpact(8.0),
        )
        root = np.sqrt(1e-7 * prices)
        for strength, kind in ((root**2, "by asset"), (np.outer(root, root) * (0.3 + 0.7 * np.eye(assets)), "between")):
            for decay in (ExponentialDecay(half_life="30min"), PowerLawDecay(0.5, "5min")):
                cost = (
                    TransientImpact(decay, strength) + ac.TemporaryImpact() + ac.SpreadCost() + 1e-6 * ac.TimingRisk()
                )
                start = perf_counter()
                order = ac.Order.sell(dict.fromkeys(names, 1e4))
                plan = ac.ExecutionProblem(order, market, cost, [ac.Participation(0.1)]).solve()
                taken = perf_counter() - start
                out.append(
                    {
                        "basket": f"{assets} x {grid.periods}",
                        "kernel": type(decay).__name__,
                        "strength": kind,
                        "seconds": taken,
                        "relative gap": plan.certificate.relative_gap if plan.certificate else np.nan,
                    }
                )
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="more repeats, and the large basket")
    full = parser.parse_args().full
    for n in SIZES:
        found = rows(n, 20 if full else 5)
        show(found, f"Obizhaeva and Wang, {n} trades")
    taken = found[0]["median s"]
    show(
        [{"what": "N = 1,000 end to end, s", "median": taken, "demanded": f"< {DEMANDED:g}", "met": taken < DEMANDED}],
        "in short",
    )
    show(baskets(full), "baskets with temporary impact, spread, risk and a participation cap; once, to the certificate")


if __name__ == "__main__":
    main()

"""
Wrong parameters: 30 assets x 28 intervals, factor risk, caps; ten markets that disagree on volume, volatility, impact.

CPU seconds of one call, the best of three: the regret matrix (ten plans, a hundred payments), the robust plan of three
markets and of ten, its relative gap, and what it regrets at worst beside the best plan of one market alone.

    python benchmarks/regret.py
"""

from __future__ import annotations

from time import process_time
from typing import Any

import numpy as np
import pandas as pd

import acopt as ac

ASSETS, PERIODS, MARKETS, REPEATS = 30, 28, 10, 3


def problem(rng: np.random.Generator) -> ac.ExecutionProblem:
    """A basket of 5% of the day's volume in every name, at most 10% of it in every interval."""
    grid, names = ac.TimeGrid.uniform(1.0, PERIODS), [f"A{i:03d}" for i in range(ASSETS)]
    price = pd.Series(rng.uniform(20.0, 300.0, ASSETS), names)
    volume = rng.uniform(0.5, 1.5, (PERIODS, ASSETS)) * rng.uniform(1e4, 5e5, ASSETS)
    loadings = pd.DataFrame(0.008 * rng.normal(size=(ASSETS, 5)), names)
    market = ac.Market(
        grid,
        price,
        volume=pd.DataFrame(volume, grid.labels, names),
        covariance=ac.FactorModel.from_returns(loadings, np.eye(5), pd.Series(0.015**2, names), price),
        spread=ac.bps(2.0),
        impact=ac.LinearImpact(8.0, permanent_bps=0.5),
    )
    order = ac.Order(pd.Series(0.05 * volume.sum(axis=0) * rng.choice([-1.0, 1.0], ASSETS), names))
    costs = ac.TemporaryImpact() + ac.PermanentImpact() + ac.SpreadCost() + ac.TimingRisk()
    return (
        ac.ExecutionProblem(order, market, costs, [ac.Participation(0.10), ac.Monotone()])
        .solve_for(risk_price=0.3)
        .problem
    )


def others(market: ac.Market, rng: np.random.Generator) -> dict[str, ac.Market]:
    """Markets besides the problem's own."""
    names = ("volume", "volatility", "impact")
    return {
        f"market {k}": ac.what_if(
            market, **dict(zip(names, rng.uniform([0.7, 0.6, 0.6], [1.3, 1.6, 1.8]), strict=True))
        )
        for k in range(1, MARKETS)
    }


def timed(run: Any) -> tuple[float, Any]:
    """Least CPU seconds of several runs, and what the last one found."""
    seconds = []
    for _ in range(REPEATS):
        start = process_time()
        found = run()
        seconds.append(process_time() - start)
    return min(seconds), found


def main() -> None:
    """Print one row for each call."""
    rng = np.random.default_rng(1)
    asked = problem(rng)
    scenarios = others(asked.market, rng)
    for rules in ("own", "all"):
        seconds, found = timed(lambda rules=rules: ac.regret(asked, scenarios, rules=rules))
        print(f"regret, {MARKETS} markets, rules={rules!r}: {seconds:.2f} s; worst {found.worst.max():.3g} bps")
    for many in (3, MARKETS):
        some = dict(list(scenarios.items())[: many - 1])
        for regret in (False, True):
            seconds, found = timed(lambda some=some, regret=regret: ac.robust(asked, some, regret=regret))
            gap, best = found.solved.certificate.relative_gap, found.alone.worst.min()
            print(
                f"robust, {many} markets, {found.criterion}: {seconds:.2f} s, gap {gap:.1e}; "
                f"regrets {found.table['regret'].max():.3g} bps at worst, the best plan of one market {best:.3g}"
            )


if __name__ == "__main__":
    main()

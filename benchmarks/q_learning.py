"""
Q-learning against what is proven: ten seeds on a pair, on one asset, and on switches between TWAP and VWAP.

The pair (one to sell, one to buy, correlated) and the single asset are held against the dynamic program in the same
lots, which is exact, and against the quadratic program, which trades fractions; the tactics against all 2^N sequences,
each built and priced without the learner. "gap" is how much more the greedy schedule costs than the optimum. With
--double, two tables each. Seconds are of all seeds together, one after the other.

    python benchmarks/q_learning.py [--seeds 10] [--double]
"""

from __future__ import annotations

import argparse
from itertools import product
from time import perf_counter, process_time
from typing import Any

import numpy as np
import pandas as pd
from common import show

import acopt as ac
from acopt.adaptive.dynamic import dynamic_program
from acopt.adaptive.execution_task import ExecutionTask
from acopt.adaptive.q_learning import QLearning
from acopt.adaptive.tactic_task import TacticTask
from acopt.adaptive.tasks import Task

DEMANDED, SECONDS = 0.01, 120.0
CORRELATION = 0.6


def pair(periods: int) -> ac.ExecutionProblem:
    """Sell 12,000 A and buy 5,000 B: while both are open, they hedge each other."""
    grid = ac.TimeGrid.uniform(1.0, periods)
    price = pd.Series({"A": 40.0, "B": 95.0})
    smile = 1.0 + np.linspace(-1.0, 1.0, periods) ** 2
    sigma = np.outer([0.8, 1.7], [0.8, 1.7]) * [[1.0, CORRELATION], [CORRELATION, 1.0]]
    market = ac.Market(
        grid,
        price,
        volume=pd.DataFrame(np.outer(smile, [40_000.0, 18_000.0]), grid.labels, price.index),
        covariance=pd.DataFrame(sigma, price.index, price.index),
        spread=ac.bps(2.0),
        impact=ac.LinearImpact(12.0),
    )
    order = ac.Order.sell({"A": 12_000}) + ac.Order.buy({"B": 5_000})
    costs = ac.TemporaryImpact() + ac.SpreadCost() + 1e-5 * ac.TimingRisk()
    return ac.ExecutionProblem(order, market, costs, [ac.Monotone()])


def one() -> ac.ExecutionProblem:
    """Sell 6,000 shares in thirteen intervals, at most 15% of the volume, by a square-root law."""
    grid = ac.TimeGrid.session("2019-02-15", "30min")
    smile = 1.0 + 1.2 * np.linspace(-1.0, 1.0, grid.periods) ** 2
    market = ac.Market(
        grid, 40.0, volume=4_000.0 * smile, covariance=0.8**2, spread=0.01, impact=ac.SquareRootImpact(0.6)
    )
    costs = ac.PowerImpact() + ac.SpreadCost() + 1e-5 * ac.TimingRisk()
    return ac.ExecutionProblem(ac.Order.sell(6_000), market, costs, [ac.Monotone(), ac.Participation(0.15)])


def midday() -> ac.ExecutionProblem:
    """Sell where impact goes by a flow that smiles; at midday the volume has blocks that nobody could trade with."""
    grid = ac.TimeGrid.session("2019-02-15", "15min", start="09:30", end="15:30")
    middle = (np.arange(grid.periods) + 0.5) / grid.periods
    flow = 40_000.0 * (1.0 + 3.0 * (2.0 * middle - 1.0) ** 2)
    printed = np.zeros(grid.periods)
    printed[[9, 12, 14]] = 260_000.0, 180_000.0, 300_000.0
    eta = pd.Series(8e-4 * 50.0 * np.asarray(grid.durations) / (0.10 * flow), grid.labels)
    market = ac.Market(grid, 50.0, volume=flow + printed, spread=0.01)
    return ac.ExecutionProblem(ac.Order.sell(60_000), market, ac.TemporaryImpact(eta) + ac.SpreadCost())


def sequences(problem: ac.ExecutionProblem, decisions: int) -> float:
    """Objective of the best sequence of tactics, every schedule built interval by interval."""
    n = problem.market.grid.periods
    weights = np.stack([np.asarray(problem.market.grid.durations), problem.market.volumes[:, 0]])
    best = np.inf
    for choices in product((0, 1), repeat=decisions):
        x, trades = float(problem.setting.remaining[0]), []
        for k in range(n):
            w = weights[choices[k * decisions // n]]
            trades.append(-x * w[k] / w[k:].sum())
            x += trades[-1]
        best = min(best, problem.evaluate(np.array(trades)[:, None]).objective)
    return best


def learned(task: Task, best: float, episodes: int, seeds: int, double: bool) -> dict[str, Any]:
    """Learn by every seed, and compare."""
    start, worked = perf_counter(), process_time()
    gaps = [QLearning(task, seed, double=double).train(episodes).gap(best) for seed in range(seeds)]
    taken, worked = perf_counter() - start, process_time() - worked
    return {
        "episodes": f"{episodes:,}",
        "entries": f"{task.entries:,}",
        "optimum": f"{best:,.4f}",
        "largest gap": f"{round(100 * max(gaps), 4) + 0.0:.4f}%",
        "exact": f"{sum(abs(gap) < 1e-9 for gap in gaps)} of {seeds}",
        "above the QP": f"{100 * (best * (1 + max(gaps)) / task.problem.solve().objective - 1):.2f}%",
        "seconds": taken,
        "of processor": worked,
        "met": max(gaps) <= DEMANDED and taken < SECONDS,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--double", action="store_true", help="double Q-learning")
    asked = parser.parse_args()
    rows = []
    for periods, lots, episodes in (
        (6, {"A": 1_000, "B": 500}, 10_000),
        (8, {"A": 500, "B": 250}, 20_000),
    ):
        problem = pair(periods)
        task = ExecutionTask(problem, lots)
        name = f"pair, {' x '.join(map(str, task.count))} lots x {periods}"
        best = dynamic_program(problem, lots).value
        rows.append({"task": name, **learned(task, best, episodes, asked.seeds, asked.double)})
    single = one()
    task, best = ExecutionTask(single, 100), dynamic_program(single, 100).value
    rows.append({"task": "one asset, 60 lots x 13", **learned(task, best, 20_000, asked.seeds, asked.double)})
    switched = midday()
    for decisions, episodes in ((4, 500), (8, 4_000), (12, 40_000)):
        best, tactics = sequences(switched, decisions), TacticTask(switched, decisions)
        name = f"tactics, 2^{decisions} sequences"
        rows.append({"task": name, **learned(tactics, best, episodes, asked.seeds, asked.double)})
    show(rows, f"{asked.seeds} seeds{', two tables each' if asked.double else ''}; demanded: 1%, two minutes")


if __name__ == "__main__":
    main()

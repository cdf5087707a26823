"""
Equality-only problems against the closed forms of Almgren & Chriss (2000).

The discrete optimum must agree to 1e-9 of X for every urgency kappa T, number of intervals, size and side; the
continuous trajectory must be approached at second order in tau (gamma = 0: with permanent impact eta~ itself moves
with tau, and both converge at first order).

    python benchmarks/closed_form.py [--full]
"""

from __future__ import annotations

import argparse
import itertools
from typing import Any

import numpy as np
from common import show

import acopt as ac
from acopt.analytic.almgren_chriss import AlmgrenChriss

URGENCIES = (1e-4, 1e-2, 1.0, 10.0, 100.0, 1e3)
PERIODS = (1, 2, 5, 26, 78, 390)
SIZES = (1e2, 1e5, 1e9)
FULL_URGENCIES = tuple(np.geomspace(1e-4, 1e3, 15))
FULL_PERIODS = (1, 2, 3, 5, 13, 26, 78, 130, 390)
FULL_SIZES = tuple(10.0**k for k in range(2, 10))
ETA, SIGMA, HORIZON = 2.5e-6, 0.95, 5.0


def solved(initial: float, periods: int, kappa_t: float, gamma: float) -> tuple[np.ndarray, AlmgrenChriss, float]:
    """Remaining shares by acopt; the closed form of the same problem; lambda."""
    model = AlmgrenChriss(initial, HORIZON, periods, SIGMA, ETA, gamma)
    half = kappa_t / periods / 2  # kappa~ tau / 2 = sinh(kappa tau / 2), where that does not overflow
    step = 2 * np.sinh(half) if half < 50 else 2 * half
    aversion = float(model.net_temporary * (step / model.duration) ** 2 / SIGMA**2)
    costs = ac.TemporaryImpact(ETA) + aversion * ac.TimingRisk(SIGMA**2)
    if gamma:
        costs = costs + ac.PermanentImpact(gamma)
    market = ac.Market(ac.TimeGrid.uniform(HORIZON, periods), 50.0)
    plan = ac.ExecutionProblem(ac.Order(initial), market, costs).solve()
    return plan.path.remaining[:, 0], model, aversion


def discrete(full: bool = False) -> list[dict[str, Any]]:
    """Largest |x - x*| / X for each urgency, over intervals, sizes, sides, with and without permanent impact."""
    periods, sizes = (FULL_PERIODS, FULL_SIZES) if full else (PERIODS, SIZES)
    out = []
    for kappa_t in FULL_URGENCIES if full else URGENCIES:
        row: dict[str, Any] = {"kappa T": float(kappa_t)}
        for n in periods:
            worst = 0.0
            for size, side, gamma in itertools.product(sizes, (1, -1), (0.0, 0.3 * ETA / HORIZON)):
                x, model, aversion = solved(side * size, n, float(kappa_t), gamma)
                worst = max(worst, float(np.abs(x - model.optimum(aversion).holdings).max()) / size)
            row[f"N={n}"] = worst
        out.append(row)
    return out


def continuous() -> list[dict[str, Any]]:
    """Distance of the discrete optimum from the continuous trajectory at equal lambda, and its order in tau."""
    out = []
    for kappa_t in (0.5, 3.0, 10.0):
        previous = None
        for n in (20, 40, 80, 160, 320):
            aversion = ETA * (kappa_t / HORIZON) ** 2 / SIGMA**2
            grid = ac.TimeGrid.uniform(HORIZON, n)
            costs = ac.TemporaryImpact(ETA) + aversion * ac.TimingRisk(SIGMA**2)
            plan = ac.ExecutionProblem(ac.Order(1e6), ac.Market(grid, 50.0), costs).solve()
            limit = AlmgrenChriss(1e6, HORIZON, n, SIGMA, ETA).continuous
            miss = float(np.abs(plan.path.remaining[:, 0] - limit.holdings(aversion, grid.edges)).max()) / 1e6
            order = float(np.log2(previous / miss)) if previous else float("nan")
            out.append({"kappa T": kappa_t, "N": n, "|x - x(t)| / X": miss, "order": order})
            previous = miss
    return out


def rows(full: bool = False) -> list[dict[str, Any]]:
    """Two rows: worst distance from the discrete form, and least order of convergence to the continuous one."""
    return figures(discrete(full), continuous())


def figures(found: list[dict[str, Any]], limit: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Take the extremes."""
    worst = max(value for row in found for key, value in row.items() if key.startswith("N="))
    orders = [row["order"] for row in limit if not np.isnan(row["order"])]
    return [
        {"what": "discrete closed form, max |x - x*| / X", "value": worst, "demanded": "<= 1e-9"},
        {"what": "continuous closed form, least order in tau", "value": min(orders), "demanded": "2"},
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="a finer grid of urgencies, intervals and sizes")
    found, limit = discrete(parser.parse_args().full), continuous()
    show(found, "max |x - x*| / X against the discrete closed form, over sizes, both sides, gamma zero and not")
    show(limit, "against the continuous closed form, gamma = 0")
    last = figures(found, limit)
    show(last, "in short")
    assert last[0]["value"] <= 1e-9
    assert last[1]["value"] >= 1.9


if __name__ == "__main__":
    main()

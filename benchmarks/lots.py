"""
Whole lots: seconds, what they cost, and the proven gap, on a basket with a factor model, neutrality and caps.

40 assets x 26 intervals x 5 factors, participation capped at 10%, dollar-neutral, lots of 100 shares: orders that are
whole lots and orders with odd shares, one-sided and free to trade back, and lots of a single share. The gap is to a
lower bound of the mixed-integer model, relative to the sum of |path-dependent term values|, as `tolerance` is.

    python benchmarks/lots.py [--seconds 20] [--full]
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import pandas as pd
from common import show
from speed_basket import Basket

import acopt as ac

CASES = {
    "odd orders, neutral to 1%": {"tolerance": 0.01},
    "whole orders, neutral to 1%": {"tolerance": 0.01, "multiple": 100},
    "odd orders, neutral to 0.1%": {"tolerance": 0.001},
    "odd orders, free to trade back": {"tolerance": 0.01, "monotone": False},
    "lots of one share": {"tolerance": 0.01, "lot": 1},
    "orders a hundred times smaller": {"tolerance": 0.05, "scale": 0.01},
}


def basket(
    tolerance: float, *, multiple: int = 1, monotone: bool = True, scale: float = 1.0, size: tuple[int, int] = (40, 26)
) -> ac.ExecutionProblem:
    """Sells and buys of equal value; shares are rounded to a multiple."""
    b = Basket.draw(*size, 5)
    names = [f"A{i:03d}" for i in range(len(b.price))]
    value = b.price * b.shares * scale
    sides = value[value > 0].sum(), -value[value < 0].sum()
    shares = scale * b.shares * np.where(value > 0, min(sides) / sides[0], min(sides) / sides[1])
    shares = multiple * np.round(shares / multiple)
    grid = ac.TimeGrid.uniform(1.0, len(b.volume))
    market = ac.Market(
        grid,
        pd.Series(b.price, names),
        volume=pd.DataFrame(b.volume, grid.labels, names),
        covariance=ac.FactorModel(pd.DataFrame(b.loadings, names), b.factor, pd.Series(b.specific, names)),
        spread=pd.Series(2e-4 * b.price, names),
    )
    eta = pd.DataFrame(b.eta, grid.labels, names)
    costs = ac.TemporaryImpact(eta) + ac.SpreadCost() + b.aversion * ac.TimingRisk()
    rules = [ac.Participation(b.cap), ac.DollarNeutral(tolerance), *([ac.Monotone()] if monotone else [])]
    return ac.ExecutionProblem(ac.Order(pd.Series(shares, names)), market, costs, rules)


def measure(name: str, seconds: float) -> dict[str, Any]:
    """One row."""
    given = dict(CASES[name])
    lot = given.pop("lot", 100)
    plan = basket(**given).solve()
    rounded = plan.round_lots(lot, time_limit=seconds)
    note, scale = rounded.rounding, plan.certificate.gap_scale
    assert not rounded.rules_broken, rounded.rules_broken
    return {
        "40 x 26 x 5": name,
        "seconds": note.seconds,
        "price of lots, bps": note.price_bps,
        "price, relative": note.price / scale,
        "proven gap, relative": note.gap / scale,
        "proven": note.proven,
        "models": note.models,
        "odd orders": len(note.odd),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--full", action="store_true", help="every case, and not only the first two")
    given = parser.parse_args()
    names = list(CASES) if given.full else list(CASES)[:2]
    show([measure(name, given.seconds) for name in names], "rounding to whole lots")


if __name__ == "__main__":
    main()

"""
Dynamic programming in whole lots: seconds beside slippage-tca's `solve_schedule`, in turns in the same run.

Almgren and Chriss' stock over 78 intervals, linear and power impact (that without a permanent part, which would not be
convex beside it), free and capped. "from data" builds the problem,
solves and prices the schedule; "solve" starts from the built problem. Both programs must find the same optimum to
1e-9. Then what only acopt's does: more lots, price states, a fixed fee, a basket. slippage-tca has a table of
lots x lots in memory; 5,000 lots are run once by it (`--full`: three times).

    python benchmarks/dynamic_programming.py [--full]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from common import interleaved, ratio, show
from slippage.impact import LinearImpact, PowerLawImpact
from slippage.scheduling import solve_schedule

import acopt as ac
from acopt.adaptive.dynamic import LotPolicy, dynamic_program
from acopt.adaptive.prices import RevertingDrift
from acopt.adaptive.stages import StageCost

X, HORIZON, PERIODS, SIGMA, AVERSION = 1e6, 5.0, 78, 0.95, 1e-6
ETA, GAMMA, SPREAD, CAP = 2.5e-6, 2.5e-8, 0.0625, 30_000.0
POWER = 1.6
"""Exponent of the cost; its coefficient costs what the linear one does at a twentieth of the order a day."""
LIMITS = {1_000: 1 / 3, 5_000: 1 / 20}


def question(power: bool, capped: bool, *extra: ac.Cost) -> ac.ExecutionProblem:
    """The problem in acopt."""
    market = ac.Market(ac.TimeGrid.uniform(HORIZON, PERIODS), 50.0, covariance=SIGMA**2)
    impact = (
        ac.PowerImpact(coefficient(), POWER - 1.0) if power else ac.TemporaryImpact(ETA) + ac.PermanentImpact(GAMMA)
    )
    costs = impact + ac.SpreadCost(SPREAD) + AVERSION * ac.TimingRisk()
    rules: list[ac.Constraint] = [ac.Monotone(), *([ac.TradeSize(lower=-CAP)] if capped else [])]
    return ac.ExecutionProblem(ac.Order(X), market, sum(extra, costs), rules)


def coefficient() -> float:
    rate = 0.05 * X
    return float(ETA * rate / rate ** (POWER - 1.0))


def theirs(lots: int, power: bool, capped: bool) -> float:
    """Optimum by slippage-tca."""
    impact = PowerLawImpact(gamma=0.0, eta=coefficient(), beta=POWER - 1.0, epsilon=SPREAD) if power else None
    plan = solve_schedule(
        quantity=X, horizon=HORIZON, periods=PERIODS, volatility=SIGMA, risk_aversion=AVERSION, lot_size=X / lots,
        impact=impact or LinearImpact(gamma=GAMMA, eta=ETA, epsilon=SPREAD), max_trade=CAP if capped else None,
    )  # fmt: skip
    return float(plan.values[0, lots])


def side_by_side(lots: int, power: bool, capped: bool, repeats: int, warm: int) -> list[dict[str, Any]]:
    """One row a contender."""
    problem, lot = question(power, capped), X / lots
    runs: dict[str, Callable[[], float]] = {
        "acopt, from data": lambda: dynamic_program(question(power, capped), lot).schedule.objective,
        "acopt, solve": lambda: dynamic_program(problem, lot).schedule.objective,
        "slippage-tca": lambda: theirs(lots, power, capped),
    }
    found: dict[str, float] = {}
    contenders = {name: lambda name=name: found.update({name: runs[name]()}) for name in runs}  # type: ignore[misc]
    seconds = interleaved(contenders, repeats, warm=warm)
    if np.ptp(list(found.values())) > 1e-9 * found["slippage-tca"]:
        raise SystemExit(f"the optima differ: {found}")
    return [
        {
            f"{lots:,} lots x {PERIODS}, {'power' if power else 'linear'}{', capped' if capped else ''}": name,
            "median s": float(np.median(seconds[name])),
            "this / slippage-tca": ratio(seconds[name], seconds["slippage-tca"]),
            "optimum": f"{found[name]:,.3f}",
        }
        for name in runs
    ]


class TicketFee(ac.Cost):
    """So much for every trade."""

    kind = "money"

    def by_stage(self, setting: Any) -> StageCost:
        """Price a trade."""
        return StageCost(trade=lambda k, u: 200.0 * (u != 0).sum(axis=-1))

    def values(self, path: Any) -> np.ndarray:
        """Price a path."""
        return np.asarray(200.0 * (path.trades != 0))


def basket(lots: int, assets: int) -> LotPolicy:
    """A pair, or three names, hedging each other over an hour and a half of five minutes."""
    names = ["A", "B", "C"][:assets]
    grid = ac.TimeGrid.uniform(0.25, 18)
    price = pd.Series([50.0, 100.0, 25.0][:assets], names)
    spread = 0.02 * price.to_numpy()
    covariance = np.outer(spread, spread) * (0.6 + 0.4 * np.eye(assets))
    market = ac.Market(
        grid, price, volume=5e4, covariance=pd.DataFrame(covariance, names, names), impact=ac.LinearImpact(20.0)
    )
    order = ac.Order(pd.Series([100.0 * lots, -50.0 * lots, 200.0 * lots][:assets], names))
    costs = ac.TemporaryImpact() + 3e-6 * ac.TimingRisk()
    problem = ac.ExecutionProblem(order, market, costs, [ac.Monotone()])
    return dynamic_program(problem, pd.Series([100.0, 50.0, 200.0][:assets], names))


def alone(full: bool) -> list[dict[str, Any]]:
    """What has no counterpart, once warm."""
    linear, fee = question(False, False), question(False, False, TicketFee())
    drift = RevertingDrift(0.5, volatility=0.05, start=0.05)
    cases: dict[str, Callable[[], LotPolicy]] = {
        "20,000 lots": lambda: dynamic_program(linear, X / 20_000),
        "100,000 lots": lambda: dynamic_program(linear, X / 100_000),
        "1,000 lots x 41 price states": lambda: dynamic_program(linear, X / 1_000, prices=drift),
        "1,000 lots, a fixed fee (plain minimum)": lambda: dynamic_program(fee, X / 1_000),
        "a pair, 50 x 50 lots, 18 intervals": lambda: basket(50, 2),
        "three names, 16 x 16 x 16 lots, 18 intervals": lambda: basket(16, 3),
    }
    if full:
        cases["5,000 lots x 41 price states"] = lambda: dynamic_program(linear, X / 5_000, prices=drift)
        cases["5,000 lots, a fixed fee (plain minimum)"] = lambda: dynamic_program(fee, X / 5_000)
    seconds = interleaved(cases, 3 if full else 1, warm=0)
    return [
        {"case": name, "median s": float(np.median(seconds[name])), "value": f"{run().value:,.6g}"}
        for name, run in cases.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="more repeats and cases")
    full = parser.parse_args().full
    short = []
    for power, capped in ((False, False), (False, True), (True, True)):
        rows = side_by_side(1_000, power, capped, 9 if full else 3, warm=1)
        show(rows, "side by side")
        short.append((1_000, rows))
    rows = side_by_side(5_000, False, False, 3 if full else 1, warm=0)
    show(rows, "side by side")
    short.append((5_000, rows))
    demanded = [
        {
            "lots": f"{lots:,}",
            "of slippage-tca's time": row["this / slippage-tca"],
            "demanded": f"<= {LIMITS[lots]:.3g}",
            "met": row["this / slippage-tca"] <= LIMITS[lots],
        }
        for lots, found in short
        for row in found[:1]
    ]
    show(demanded, "in short, from data to the priced schedule")
    show(alone(full), "without a counterpart")


if __name__ == "__main__":
    main()

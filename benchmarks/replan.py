"""
Re-planning 40 names x 26 intervals at 11:30, after partial fills and with 30% more volume, and its parts.

A factor model of 5 factors, temporary and permanent impact, spread, risk; participation, monotone, dollar neutral.
Calls take turns and no fills are the same twice. Before each, the compiled problem answers its first question again,
untimed, so that every re-plan starts from the plan and not from another re-plan.

    python benchmarks/replan.py [--full]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
from common import show

import acopt as ac
from acopt.insight.fills import Past, read_executed
from acopt.model.benchmarks import tradable

NAMES, FACTORS, EDGE, SPLIT = 40, 5, "11:30", "11:37"


def planned(seed: int = 0) -> ac.Schedule:
    """The plan of the morning."""
    rng = np.random.default_rng(seed)
    grid = ac.TimeGrid.session("2019-02-15", "15min")
    names = [f"S{i:02d}" for i in range(NAMES)]
    price = pd.Series(rng.uniform(10, 200, NAMES), names)
    volume = pd.DataFrame(rng.uniform(5e4, 5e5, (grid.periods, NAMES)), grid.labels, names)
    daily = 0.015 * price.to_numpy()
    loadings = 0.6 * daily[:, None] * (0.3 * rng.normal(size=(NAMES, FACTORS)) + np.eye(1, FACTORS))
    risk = ac.FactorModel(pd.DataFrame(loadings, names), np.eye(FACTORS), pd.Series((0.8 * daily) ** 2, names))
    impact = ac.LinearImpact(12.0, permanent_bps=0.2)
    market = ac.Market(grid, price, volume=volume, covariance=risk, spread=ac.bps(2.0), impact=impact)
    shares = rng.choice([-1, 1], NAMES) * volume.sum() * rng.uniform(0.01, 0.07, NAMES)
    order = ac.Order(shares.clip(lower=0.0), (-shares).clip(lower=0.0))
    costs = ac.TemporaryImpact() + ac.PermanentImpact() + ac.SpreadCost() + ac.TimingRisk()
    rules = [ac.Participation(0.10), ac.Monotone(), ac.DollarNeutral(0.3)]
    return ac.ExecutionProblem(order, market, costs, rules).solve_for(risk_price=0.3)


def partial(plan: ac.Schedule, seed: int = 1) -> Iterator[pd.DataFrame]:
    """Trades of the morning, 70% to 100% of the plan's, another draw at each turn."""
    rng, morning = np.random.default_rng(seed), plan.trades.iloc[:8]
    return cycle([morning * rng.uniform(0.7, 1.0, morning.shape) for _ in range(40)])


def tidy(done: pd.DataFrame, pieces: int) -> pd.DataFrame:
    """Fills (pieces x 8 x 40 of them) that add up to trades by interval."""
    shares = done.to_numpy().ravel()
    times = done.index.repeat(done.shape[1])
    fills = pd.DataFrame({"symbol": np.tile(done.columns, len(done)), "side": np.where(shares > 0, "buy", "sell")})
    fills["quantity"], fills["price"] = np.abs(shares) / pieces, 50.0
    parts = [fills.assign(time=times + pd.Timedelta(seconds=7 * k)) for k in range(pieces)]
    fills = pd.concat(parts, ignore_index=True)
    return fills[fills["quantity"] > 0]


def parts(plan: ac.Schedule) -> dict[str, Callable[[], Any]]:
    """What a re-plan consists of, and the whole."""
    fills, totals = partial(plan), partial(plan, 2)
    problem, setting = plan.problem, plan.setting
    past = Past(setting.grid, 8, setting.assets, setting.market.prices, plan.path.trades, tradable(setting)[:8])
    small, large = tidy(next(fills), 10), tidy(next(fills), 100)
    more = setting.market.volumes * np.where(np.arange(setting.shape[0]) < 8, 1.0, 1.3)[:, None]
    frame = pd.DataFrame(more, setting.grid.labels, setting.assets)
    base = setting.market
    news = ac.Market(
        base.grid,
        pd.Series(base.prices, base.assets),
        volume=frame,
        covariance=base.covariance,
        spread=pd.Series(base.spreads, base.assets),
        impact=base.impact,
    )
    return {
        "re-plan, fills by interval, volume x 1.3": lambda: plan.reoptimize(
            at=EDGE, executed=next(fills), volume_scale=1.3
        ),
        "re-plan, shares by asset, volume x 1.3": lambda: plan.reoptimize(
            at=EDGE, executed=next(totals).sum(), volume_scale=1.3
        ),
        "re-plan, fills by interval, market as it was": lambda: plan.reoptimize(at=EDGE, executed=next(fills)),
        "re-plan off an edge (declared anew)": lambda: plan.reoptimize(
            at=SPLIT, executed=next(fills).sum(), volume_scale=1.3
        ),
        "part: history on the compiled problem": lambda: problem.with_history(next(fills).to_numpy(), market=news),
        "part: history and solve": lambda: problem.with_history(next(fills).to_numpy(), market=news).solve(),
        "reading 3,200 fills": lambda: read_executed(small, past),
        "reading 32,000 fills": lambda: read_executed(large, past),
    }


def timed(plan: ac.Schedule, repeats: int, warm: int = 3) -> dict[str, np.ndarray]:
    """Seconds by the clock and of the processor, (2, repeats) per contender."""
    contenders = parts(plan)
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    for _ in range(warm + repeats):
        for name, call in contenders.items():
            plan.problem.solve()
            wall, cpu = time.perf_counter(), time.process_time()
            call()
            seconds[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    return {name: np.array(pairs[warm:]).T for name, pairs in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description="median milliseconds of a re-plan and its parts")
    parser.add_argument("--full", action="store_true", help="200 repeats instead of 40")
    repeats = 200 if parser.parse_args().full else 40
    plan = planned()
    rows = [
        {
            "what": name,
            "median ms": f"{1e3 * np.median(wall):.2f}",
            "90% below": f"{1e3 * np.quantile(wall, 0.9):.2f}",
            "median CPU ms": f"{1e3 * np.median(cpu):.2f}",
        }
        for name, (wall, cpu) in timed(plan, repeats).items()
    ]
    show(rows, f"{NAMES} names x {plan.setting.shape[0]} intervals, {repeats} repeats")
    # What is timed is right: a re-plan equals one declared from nothing, with the same history.
    done = next(partial(plan))
    again = plan.reoptimize(at=EDGE, executed=done, volume_scale=1.3)
    p = plan.problem
    fresh = p.restated(done.to_numpy(), p.order, again.problem.market, p.objective.terms, p.constraints).solve()
    apart = np.abs(again.path.trades - fresh.path.trades).max() / plan.setting.size
    print(f"\nagainst a problem declared from nothing: trades within {apart:.1e} of the largest order")
    print(again.cost().round(2))


if __name__ == "__main__":
    main()

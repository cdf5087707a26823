"""
Simulated days against what is exact, and how long they take.

Moments of static schedules over 200,000 days, in standard errors from the schedule's own: cost, and slippage against
every benchmark; in markets with nights, auctions, covariances by interval, factors; and under prices that revert, drift
or correlate, whose variance is u' Cov u with the covariance of a linear system.

    python benchmarks/simulation.py [--full]
"""

from __future__ import annotations

import argparse
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
from common import interleaved, show

# isort: split
import builders
import simulated

import acopt as ac
from acopt.adaptive.policies import StaticPolicy
from acopt.adaptive.prices import OrnsteinUhlenbeck, RevertingDrift, SerialCorrelation
from acopt.adaptive.simulation import SimulatedMarket, simulate
from acopt.adaptive.volumes import StochasticVolatility, StochasticVolume

DAYS = 200_000
RATE, RENEWAL, RHO = 3.0, 2.0, -0.3
BENCHMARKS = {"twap": ac.TWAP(), "vwap": ac.VWAP(), "close": ac.Close()}
MONEY = ac.TemporaryImpact() + ac.PermanentImpact() + ac.SpreadCost()


def scaled(grid: ac.TimeGrid) -> dict[str, Any]:
    """A volatility that changes by interval."""
    wave = 1.0 + 0.5 * np.cos(np.arange(grid.periods))
    return {"covariance": ac.Covariance(builders.correlated([0.4, 8.0, 1.1]), scale=wave[:, None])}


def factors(_: ac.TimeGrid) -> dict[str, Any]:
    """Two factors."""
    loadings = np.array([[0.3, 0.1], [6.0, -2.0], [0.9, 0.4]])
    return {"covariance": ac.FactorModel(loadings, [[1.0, 0.2], [0.2, 0.5]], np.array([0.02, 5.0, 0.3]))}


CASES: dict[str, tuple[str, str, Callable[[ac.TimeGrid], dict[str, Any]]]] = {
    "one asset, sold, 13 intervals": ("sell one", "even", lambda _: {}),
    "one asset, bought, uneven": ("buy one", "uneven", lambda _: {}),
    "three, both sides, uneven, factors": ("both sides", "uneven", factors),
    "three, bought, a night, by interval": ("buy many", "a night", scaled),
    "three, sold, auctions, by interval": ("sell many", "auctions", scaled),
    "three, both sides, auctions, factors": ("both sides", "auctions", factors),
}


def moments(seeds: int) -> list[dict[str, Any]]:
    """Largest distance from the schedule's own moments over seeds, in standard errors."""
    rows = []
    for name, (kind, at, facts) in CASES.items():
        order, grid = builders.order(kind), simulated.GRIDS[at]
        market = builders.market(grid, **facts(grid))
        risks = [1e-9 * ac.TrackingRisk(benchmark, name=key) for key, benchmark in BENCHMARKS.items()]
        problem = ac.ExecutionProblem(order, market, sum(risks, MONEY))
        plan = problem.evaluate(simulated.completing(problem.setting, seed=8))
        exact = {"arrival": plan.variance, **{key: plan.term_values[key] for key in BENCHMARKS}}
        off: dict[str, list[float]] = {"mean": [], **{key: [] for key in exact}}
        for seed in range(seeds):
            result = simulate(StaticPolicy(plan), order, market, DAYS, seed)
            error = result.std_error(unit="currency")
            off["mean"].append((result.mean(unit="currency") - plan.expected_cost) / error)
            for key, variance in exact.items():
                off[key].append((result.variance(key, "currency") / variance - 1.0) / np.sqrt(2.0 / DAYS))
        worst = {f"{'' if key == 'mean' else 'Var '}{key}": float(np.abs(values).max()) for key, values in off.items()}
        every = np.concatenate(list(off.values()))
        rows.append({"schedule": name, **worst, "rms": float(np.sqrt(np.mean(every**2)))})
    return rows


def steps(model: Any, tau: float, sigma2: float) -> tuple[np.ndarray, np.ndarray]:
    """Transition and noise of (S, I) over one interval, by 4,000 small steps and not by the formulas in use."""
    n, drift = 4_000, np.array([[0.0, 1.0], [0.0, -RATE]])
    if isinstance(model, OrnsteinUhlenbeck):
        drift = np.array([[-RATE, 0.0], [0.0, 0.0]])
    noise = np.diag([sigma2, RENEWAL**2 if isinstance(model, RevertingDrift) else 0.0])
    h = tau / n
    one = np.eye(2) + h * drift + 0.5 * h * h * drift @ drift
    forward, added = np.eye(2), np.zeros((2, 2))
    for _ in range(n):
        half = np.eye(2) + 0.5 * h * drift
        added = one @ added @ one.T + h * half @ noise @ half.T
        forward = one @ forward
    return forward, added


def variance_of(model: Any, setting: Any, trades: np.ndarray) -> float:
    """Variance of sum_k u_k S_k, S_k the price when trade k is made."""
    tau, n = setting.durations[:, 0], len(trades)
    sigma2 = float(setting.market.risk.apply(np.ones((n, 1)))[0, 0])
    if isinstance(model, SerialCorrelation):
        own = np.sqrt(sigma2 * tau)
        changes = np.outer(own, own) * RHO ** np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
        held = setting.remaining[0] + np.cumsum(trades)
        return float(held @ changes @ held)
    joint, state = np.zeros((n, n)), np.zeros((2, 2))
    walks = [steps(model, t, sigma2) for t in tau]
    for k in range(1, n):
        forward, added = walks[k - 1]
        state = forward @ state @ forward.T + added
        across = state
        joint[k, k] = state[0, 0]
        for j in range(k + 1, n):
            across = walks[j - 1][0] @ across
            joint[k, j] = joint[j, k] = across[0, 0]
    return float(trades @ joint @ trades)


def other_prices(seeds: int) -> list[dict[str, Any]]:
    """Variance of one schedule under prices that are not Brownian."""
    order, rows = builders.order("sell one"), []
    for at in ("even", "uneven"):
        market = builders.market(simulated.GRIDS[at], ["A"])
        plan = ac.ExecutionProblem(order, market, MONEY + ac.TimingRisk()).solve_for(risk_price=0.3)
        for model in (OrnsteinUhlenbeck(RATE), RevertingDrift(RATE, RENEWAL), SerialCorrelation(RHO)):
            exact = variance_of(model, plan.setting, plan.path.trades[:, 0])
            off = []
            for seed in range(seeds):
                result = simulate(StaticPolicy(plan), order, SimulatedMarket(market, prices=model), DAYS, seed)
                found = result.variance(unit="currency")
                off.append((found / exact - 1.0) / np.sqrt(2.0 / DAYS))
            rows.append(
                {
                    "prices": f"{type(model).__name__}, {at}",
                    "std, bps": plan.bps(float(np.sqrt(exact))),
                    "Brownian std, bps": plan.bps(plan.risk),
                    "Var, standard errors": float(np.abs(off).max()),
                }
            )
    return rows


def times(repeats: int) -> list[dict[str, Any]]:
    """Seconds and memory of runs."""
    one, three = builders.order("sell one"), builders.order("both sides")
    lone, basket = builders.market(simulated.DAY, ["A"]), builders.market(simulated.DAY)
    steep = builders.market(simulated.DAY, ["A"], impact=ac.SquareRootImpact(0.9))
    moving = {"volume": StochasticVolume(day=0.3, half_life=0.2), "volatility": StochasticVolatility(day=0.2)}
    renewal = {"A": 2.0, "B": 40.0, "C": 5.0}
    runs = {
        "200,000 x 13 x 1, Brownian": (one, lone, DAYS),
        "200,000 x 13 x 1, volumes and volatility drawn": (one, SimulatedMarket(lone, **moving), DAYS),
        "200,000 x 13 x 1, square-root impact": (one, SimulatedMarket(steep, costs=ac.PowerImpact()), DAYS),
        "200,000 x 13 x 1, Ornstein-Uhlenbeck": (one, SimulatedMarket(lone, prices=OrnsteinUhlenbeck(3.0)), DAYS),
        "200,000 x 13 x 1, reverting drift": (one, SimulatedMarket(lone, prices=RevertingDrift(3.0, 2.0)), DAYS),
        "200,000 x 13 x 1, serial correlation": (one, SimulatedMarket(lone, prices=SerialCorrelation(-0.3)), DAYS),
        "200,000 x 13 x 3, Brownian": (three, basket, DAYS),
        "200,000 x 13 x 3, a rate each": (three, SimulatedMarket(basket, prices=OrnsteinUhlenbeck(renewal)), DAYS),
        "100 x 13 x 1, Brownian": (one, lone, 100),
    }
    calls = {
        name: lambda o=order, m=market, n=days: simulate(StaticPolicy("twap"), o, m, n, 1)
        for name, (order, market, days) in runs.items()
    }
    seconds = interleaved(calls, repeats, warm=1)
    rows = []
    for name, call in calls.items():
        tracemalloc.start()
        call()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        rows.append({"days x intervals x assets": name, "median s": float(np.median(seconds[name])), "MB": peak / 1e6})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="moments of simulated days, and their time")
    parser.add_argument("--full", action="store_true", help="20 seeds and 7 repeats instead of 3 and 3")
    full = parser.parse_args().full
    seeds = 20 if full else 3
    show(
        moments(seeds),
        f"{DAYS:,} days: largest distance from the schedule's moments over {seeds} seeds, standard errors",
    )
    show(other_prices(seeds), f"Variance under other prices, over {seeds} seeds")
    show(times(7 if full else 3), "Seconds")


if __name__ == "__main__":
    main()

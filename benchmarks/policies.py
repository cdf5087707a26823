"""
The tables of docs/adaptive.md, policies x markets: regenerated, compared, rewritten.

    python benchmarks/policies.py           # compare, exit 1 when a figure moved
    python benchmarks/policies.py --write   # rewrite the tables

One order, five markets that differ in what prices and volumes do, the same days for all policies. A policy that solves
a program for each day in each interval meets the first days of the others only.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

import acopt as ac
from acopt.adaptive.dynamic import dynamic_program
from acopt.adaptive.feedback import Clipped, RiccatiPolicy
from acopt.adaptive.policies import StaticPolicy
from acopt.adaptive.prices import ArithmeticBrownian, OrnsteinUhlenbeck, PriceModel, RevertingDrift, SerialCorrelation
from acopt.adaptive.receding_horizon import RecedingHorizon
from acopt.adaptive.results import SimulationResult
from acopt.adaptive.simulation import SimulatedMarket, simulate
from acopt.adaptive.state import Policy, State
from acopt.adaptive.volume_policies import AdaptiveVWAP, ExpectedVWAP, VolumeForecast
from acopt.adaptive.volumes import StochasticVolatility, StochasticVolume

PAGE = Path(__file__).parents[1] / "docs" / "adaptive.md"
MANY, FEW, SEED = 20_000, 1_000, 1
CAP, VARIANCE = 0.10, 0.8**2
TOLERANCE = 0.0101
"""How far a printed figure may move: its last digit, from machine to machine."""

GRID = ac.TimeGrid.session("2025-03-31", "30min")
SMILE = 1.0 + 1.5 * np.linspace(-1.0, 1.0, GRID.periods) ** 2
MARKET = ac.Market(
    GRID,
    50.0,
    volume=pd.Series(4e6 * SMILE / SMILE.sum(), GRID.labels),
    covariance=VARIANCE,
    spread=0.01,
    impact=ac.LinearImpact(20.0),
)
ORDER = ac.Order(200_000)
SCATTER = StochasticVolume(0.35, day=0.25, half_life="30min")
PRICES: dict[str, PriceModel] = {
    "Brownian": ArithmeticBrownian(),
    "price reverts": OrnsteinUhlenbeck(rate=4.0),
    "drift reverts": RevertingDrift(rate=3.0, volatility=2.5),
    "changes correlate": SerialCorrelation(0.25),
}
ROUGH = "volume and volatility scatter"
MARKETS = {name: SimulatedMarket(MARKET, prices=prices) for name, prices in PRICES.items()}
MARKETS[ROUGH] = SimulatedMarket(
    MARKET, volume=SCATTER, volatility=StochasticVolatility(0.25, day=0.2, half_life="60min", correlation=0.5)
)
LATE = StochasticVolume(pd.Series(np.where(np.arange(GRID.periods) >= 11, 1.2, 0.3), GRID.labels), day=0.25)
SCATTERED = {
    "volume scatters": SimulatedMarket(MARKET, volume=SCATTER),
    "the last hour's volume most": SimulatedMarket(MARKET, volume=LATE),
    ROUGH: MARKETS[ROUGH],
}


class Weighed:
    """A policy, and on every day the price of the risk it runs, weight sum_k tau_k sigma^2 x_k^2, currency."""

    def __init__(self, policy: Policy, weight: float) -> None:
        self.policy, self.weight = policy, weight
        self.blocks: list[np.ndarray] = []

    @property
    def overshoots(self) -> bool:
        """Whether the policy may pass its target."""
        return bool(getattr(self.policy, "overshoots", False))

    def decide(self, state: State) -> np.ndarray:
        """Return what the policy decides."""
        trades = self.policy.decide(state)
        if state.interval == 0:
            self.blocks.append(np.zeros(len(trades)))
        tau = state.setting.durations[state.interval, 0]
        self.blocks[-1] += self.weight * tau * VARIANCE * ((state.remaining + trades) ** 2).sum(axis=1)
        return trades


@dataclass(frozen=True)
class Run:
    """A policy on simulated days: what it cost, and with the price of risk what it was meant to minimise, bps."""

    result: SimulationResult
    objective: np.ndarray

    @classmethod
    def of(cls, policy: Policy, market: SimulatedMarket, weight: float, days: int) -> Run:
        """Simulate."""
        weighed = Weighed(policy, weight)
        result = simulate(weighed, ORDER, market, days, SEED)
        risk = np.concatenate(weighed.blocks)[:days]
        return cls(result, result.slippage() + 1e4 * risk / result.gross)


def problem(weight: float | None = None) -> ac.ExecutionProblem:
    """Costs, risk and rules of every policy that plans."""
    risk = ac.TimingRisk() if weight is None else weight * ac.TimingRisk()
    rules = [ac.Participation(CAP), ac.Monotone()]
    return ac.ExecutionProblem(ORDER, MARKET, ac.TemporaryImpact() + ac.SpreadCost() + risk, rules)


def policies(question: ac.ExecutionProblem, weight: float, market: str) -> dict[str, tuple[Policy, int]]:
    """All policies that apply, and on how many days they are simulated; the first is what others are held against."""
    smooth = ac.TemporaryImpact() + weight * ac.TimingRisk()
    riccati = RiccatiPolicy(ac.ExecutionProblem(ORDER, MARKET, smooth))
    volumes = VolumeForecast(SCATTER) if market == ROUGH else None
    return {
        "the optimum planned before": (StaticPolicy(question.solve()), MANY),
        "TWAP": (StaticPolicy("twap"), MANY),
        "VWAP": (StaticPolicy("vwap"), MANY),
        "`AdaptiveVWAP`": (AdaptiveVWAP(SCATTER), MANY),
        "`RiccatiPolicy`, no rules": (riccati, MANY),
        "`RiccatiPolicy`, `Clipped`": (Clipped(riccati, question), MANY),
        "`dynamic_program`, 200 lots": (dynamic_program(question, 1_000, prices=PRICES.get(market)), MANY),
        "`RecedingHorizon`": (RecedingHorizon(question, volumes=volumes), FEW),
    }


def runs() -> dict[str, dict[str, Run]]:
    """Every policy in every market."""
    weight = float(problem().solve_for(risk_price=0.3).urgency.risk_aversion)
    question, found = problem(weight), {}
    for name, market in MARKETS.items():
        start = time.perf_counter()
        listed = policies(question, weight, name)
        found[name] = {key: Run.of(policy, market, weight, days) for key, (policy, days) in listed.items()}
        print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr)
    return found


def mean(values: np.ndarray, sign: str = "") -> str:
    """Mean and standard error."""
    return f"{round(values.mean(), 2) + 0.0:{sign}.2f} ± {values.std(ddof=1) / np.sqrt(len(values)):.2f}"


def beyond(values: np.ndarray, first: np.ndarray) -> str:
    """Mean difference from the first policy on the same days, and its standard error."""
    return mean(values - first[: len(values)], "+")


def table(rows: dict[str, list[str]], corner: str, columns: Iterable[str]) -> list[str]:
    """Rows of a table in Markdown."""
    names = list(columns)
    lines = [f"| {corner} | {' | '.join(names)} |", "|---|" + "---|" * len(names)]
    return lines + [f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items()]


def tables() -> str:
    """All tables, in Markdown."""
    found = runs()
    base, *others = found[ROUGH]
    costs = {base: [mean(found[m][base].result.slippage()) for m in MARKETS]}
    goals = {base: [mean(found[m][base].objective) for m in MARKETS]}
    for name in others:
        pairs = [(found[m][name], found[m][base]) for m in MARKETS]
        costs[name] = [beyond(own.result.slippage(), first.result.slippage()) for own, first in pairs]
        goals[name] = [beyond(own.objective, first.objective) for own, first in pairs]
    again, cut = "`RecedingHorizon`", "`RiccatiPolicy`, `Clipped`"
    goals[f"{again} beyond {cut}"] = [beyond(found[m][again].objective, found[m][cut].objective) for m in MARKETS]
    risks = {name: [f"{found[m][name].result.std():.1f}" for m in MARKETS] for name in (base, *others)}
    return "\n".join(
        [
            f"Cost against arrival, of the first policy and of the others beyond it on the same days, {MANY:,} of them",
            f"(`RecedingHorizon`: the first {FEW:,}), mean ± standard error; below 0 is cheaper:",
            "",
            *table(costs, "bps", MARKETS),
            "",
            "Risk, the standard deviation of that cost over the days:",
            "",
            *table(risks, "bps", MARKETS),
            "",
            "Both, as those that plan weigh them: cost + λ Σₖ τₖ σ² xₖ², likewise:",
            "",
            *table(goals, "bps", MARKETS),
            "",
            "Against the VWAP that came, variance of what prices add to the impact, and of the others beyond it on the",
            f"same {MANY:,} days, ± standard error; below 0 is closer:",
            "",
            *table(against_vwap(), "bps²", SCATTERED),
        ]
    )


def against_vwap() -> dict[str, list[str]]:
    """How closely policies follow VWAP; the first is held against nothing."""
    cells: dict[str, list[str]] = {}
    for market in SCATTERED.values():
        model = market.volume or SCATTER
        listed: dict[str, Policy] = {
            "VWAP by E[m]/E[V]": StaticPolicy("vwap"),
            "TWAP": StaticPolicy("twap"),
            "`ExpectedVWAP`: E[m/V]": StaticPolicy(ExpectedVWAP(model)),
            "`AdaptiveVWAP`": AdaptiveVWAP(model),
        }
        results = {name: simulate(policy, ORDER, market, MANY, SEED) for name, policy in listed.items()}
        squares = {name: (1e4 * r.price_gains["vwap"] / r.gross) ** 2 for name, r in results.items()}
        first = next(iter(squares.values()))
        for name, square in squares.items():
            cells.setdefault(name, []).append(mean(square) if square is first else beyond(square, first))
    return cells


def agrees(printed: str, found: str) -> bool:
    """Whether two texts are the same, figures apart that differ in their last digit."""
    figure = r"[-+]?\d[\d,]*\.\d+"
    if re.sub(figure, "#", printed) != re.sub(figure, "#", found):
        return False
    pairs = zip(re.findall(figure, printed), re.findall(figure, found), strict=True)
    return all(abs(float(a) - float(b)) <= (TOLERANCE if a[-3] == "." else 10 * TOLERANCE) for a, b in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="rewrite the tables in docs/adaptive.md")
    arguments = parser.parse_args()
    found, text = tables(), PAGE.read_text(encoding="utf-8")
    begin, end = "<!-- policies:begin -->\n", "\n<!-- policies:end -->"
    start, stop = text.index(begin) + len(begin), text.index(end)
    if arguments.write:
        PAGE.write_text(text[:start] + found + text[stop:], encoding="utf-8")
    elif not agrees(text[start:stop], found):
        print(f"{PAGE.name} shows other figures than these:\n{found}")
        sys.exit(1)
    else:
        print("the tables agree")


if __name__ == "__main__":
    main()

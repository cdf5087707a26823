"""
From one stock to a basket in five minutes.

Part 1 solves the example of Almgren & Chriss (2000) and lays the answer next to their formula. Part 2 sells
and buys three stocks under a participation cap, chooses the urgency in words a desk uses, compares the plan
with TWAP and VWAP, and writes it to a CSV file.

Run: python examples/quickstart.py [--out FOLDER]
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

import acopt as ac

arguments = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
arguments.add_argument("--out", type=Path, help="where schedule.csv goes; a temporary folder by default")
folder = arguments.parse_args().out or Path(tempfile.mkdtemp(prefix="acopt_"))
folder.mkdir(parents=True, exist_ok=True)

# ---------------------------------------------------------------------------------------------------------
# 1. One stock: sell a million shares within five days, one trade a day.
#
# A problem is an order in a market, a sum of costs, and (later) rules. Risk is a variance, in currency
# squared; its weight, the risk aversion, turns it into money.

sigma, eta, gamma, risk_aversion = 0.95, 2.5e-6, 2.5e-7, 1e-6
market = ac.Market(ac.TimeGrid.uniform(horizon=5, periods=5), price=50.0, covariance=sigma**2)
costs = (
    ac.TemporaryImpact(eta=eta)
    + ac.PermanentImpact(gamma=gamma)
    + ac.SpreadCost(half_spread=0.0625)
    + risk_aversion * ac.TimingRisk()
)
plan = ac.ExecutionProblem(ac.Order(1e6), market, costs).solve()

# The paper's discrete optimum is a hyperbolic sine of the time that is left.
kappa = np.arccosh(1 + risk_aversion * sigma**2 / (eta - gamma / 2) / 2)
formula = 1e6 * np.sinh(kappa * (5 - np.arange(6))) / np.sinh(kappa * 5)
table = pd.DataFrame({"acopt": plan.remaining["asset"], "formula": formula})
distance = float((table["acopt"] - table["formula"]).abs().max())

print("1. One stock: shares still to sell after each day")
print(table.rename_axis("day").to_string(float_format="{:,.4f}".format))
print(f"The two differ by at most {distance:.1g} of a share.")
print(f"Expected cost {plan.expected_cost:,.0f}, one standard deviation {plan.risk:,.0f}.\n")
if distance > 1e-3:
    raise SystemExit("the schedule is not the closed form")

# ---------------------------------------------------------------------------------------------------------
# 2. A basket: two sells and a buy between 09:45 and 15:45, at most 10% of the volume in any interval.
#
# Everything is labelled; labels in another order are aligned, a missing one raises. Orders carry the sides.

order = ac.Order.sell({"AAA": 240_000, "BBB": 90_000}) + ac.Order.buy({"CCC": 400_000})
grid = ac.TimeGrid.session("2025-03-31", "30min", start="09:45", end="15:45")
price = pd.Series({"AAA": 60.0, "BBB": 210.0, "CCC": 25.0})

clock = np.linspace(-1, 1, grid.periods)
smile = 0.6 + 0.9 * clock**2  # volume is U-shaped over the day
volume = pd.DataFrame(
    np.outer(smile / smile.sum(), [4.2e6, 1.9e6, 9e6]),
    index=grid.labels,
    columns=price.index,
)
correlation = np.array([[1.0, 0.6, 0.5], [0.6, 1.0, 0.4], [0.5, 0.4, 1.0]])
volatility = np.array([0.016, 0.021, 0.019])  # of daily returns
returns = pd.DataFrame(correlation * np.outer(volatility, volatility), index=price.index, columns=price.index)

market = ac.Market(
    grid,
    price,
    volume=volume,
    covariance=ac.Covariance.from_returns(returns, price, per="day"),
    spread=ac.bps(2.0),
    impact=ac.AlmgrenEtAl2005(),  # a published law, turned into a line at 10% participation
)
problem = ac.ExecutionProblem(
    order,
    market,
    ac.TemporaryImpact() + ac.PermanentImpact() + ac.SpreadCost() + ac.TimingRisk(),
    [ac.Participation(0.10), ac.Monotone()],
)

# How urgent? The risk term above has no weight yet. `solve_for` finds it: here, pay 0.3 bp of expected cost
# to remove 1 bp of risk. Other dials: risk_bps, cost_bps, half_life, finish, pov.
plan = problem.solve_for(risk_price=0.3)

print("2. A basket")
print(plan.summary(), end="\n\n")

comparison = ac.compare(problem, [plan, "twap", "vwap"])
comparison["cost + 0.3 risk"] = comparison["cost_bps"] + 0.3 * comparison["risk_bps"]
print(comparison[["cost_bps", "risk_bps", "cost + 0.3 risk", "max_participation"]].round(3).to_string())
print("The plan pays more impact than TWAP and VWAP, and is the cheapest once risk has its price.")
if comparison["cost + 0.3 risk"].idxmin() != "plan":
    raise SystemExit("the plan is not the best of the three")
print(f"Written: {plan.to_csv(folder / 'schedule.csv')}")

"""
TWAP, VWAP and the optimum when the cost of trading changes over the day.

Without risk, the cheapest way to trade X shares at eta_k v_k per share is n_k = X (tau_k / eta_k) / sum(tau / eta),
a Lagrange multiplier's work. Here liquidity is worst at the open, where volume is high, so that following the
volume (VWAP) is the dearest of the three. acopt finds the optimum without being told the formula.

Run: python examples/twap_vwap_optimal.py
"""

import numpy as np
import pandas as pd

import acopt as ac

# Six intervals of unequal length, in hours. The packaged problem `time_varying_cost` holds the same numbers.
edges = [0.0, 0.5, 1.0, 2.0, 4.0, 5.5, 6.5]
eta = np.array([10e-6, 5e-6, 2.5e-6, 1.6e-6, 1.2e-6, 5e-6])  # currency * hour / share^2
volume = np.array([1.2e6, 0.8e6, 0.9e6, 1.1e6, 1.0e6, 1.5e6])
shares = 325_000

grid = ac.TimeGrid(edges, unit="hour")
market = ac.Market(grid, price=40.0, volume=volume)
problem = ac.ExecutionProblem(ac.Order(shares), market, ac.TemporaryImpact(eta=eta))
plans = {"twap": ac.twap(problem), "vwap": ac.vwap(problem), "optimum": problem.solve()}

# ---------------------------------------------------------------------------------------------------------
# Who sells how much, when, and what that costs.

sold = pd.DataFrame({name: -plan.trades["asset"] for name, plan in plans.items()})
sold.insert(0, "hours", grid.durations)
sold.insert(1, "eta (1e-6)", 1e6 * eta)
print("Shares sold from each hour on")
print(sold.to_string(float_format="{:,.6g}".format), end="\n\n")
print(ac.compare(problem, plans)[["cost_bps", "max_participation"]].round(4).to_string(), end="\n\n")

# ---------------------------------------------------------------------------------------------------------
# Check against the closed form: n_k proportional to tau_k / eta_k, cost X^2 / sum(tau_k / eta_k).

weight = grid.durations / eta
formula, cheapest = shares * weight / weight.sum(), shares**2 / weight.sum()
error = float(np.abs(sold["optimum"] - formula).max() / shares)
cost = {name: plan.expected_cost for name, plan in plans.items()}
print(f"The closed form costs {cheapest:,.2f}, the optimum found {cost['optimum']:,.2f}.")
print(f"No trade differs from the closed form by more than {error:.0e} of the order.")
print(
    f"TWAP costs {cost['twap'] / cheapest - 1:.0%} more than the optimum, VWAP {cost['vwap'] / cheapest - 1:.0%} more."
)
if error > 1e-9 or not cost["optimum"] < cost["twap"] < cost["vwap"]:
    raise SystemExit("the optimum is not the closed form")

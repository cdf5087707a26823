"""
Impact that fades: where the blocks at both ends come from, and what waits in between.

One order under three kernels of the same strength and half-life, next to the formula of Obizhaeva and Wang; then with a
participation cap and risk; and a kernel that would let a round trip earn, which is refused with that round trip.

Run: python examples/transient.py
"""

import numpy as np
import pandas as pd

import acopt as ac

# ---------------------------------------------------------------------------------------------------------
# Sell 100,000 shares in one session, a trade every half hour. A share moves the price by 1e-5, and half of
# that is gone 45 minutes later. Times are of the grid: a session is 1, so a rate is per session.

grid = ac.TimeGrid.session("2025-03-31", "30min")
market = ac.Market(grid, price=40.0, volume=120_000, covariance=0.8**2)
order, strength = ac.Order(100_000), 1e-5
half_life = grid.duration("45min")
kernels = {
    "exponential": ac.ExponentialDecay(half_life="45min"),
    "power law": ac.PowerLawDecay(0.5, half_life / 3),  # (1 + 3)^-0.5 = 1/2
    "linear": ac.LinearDecay(0.5 / half_life),
}


def plan(kernel: object, *rules: ac.Constraint, risk: float = 0.0) -> ac.Schedule:
    cost = ac.TransientImpact(kernel, strength)
    return ac.ExecutionProblem(order, market, cost + risk * ac.TimingRisk(), list(rules)).solve()


plans = {name: plan(kernel) for name, kernel in kernels.items()}
table = pd.DataFrame({name: 0.0 - found.trades["asset"] for name, found in plans.items()})
table.index = table.index.strftime("%H:%M")
print(table.to_string(float_format="{:,.0f}".format), end="\n\n")
print(f"cost in bps: {', '.join(f'{name} {found.bps(found.expected_cost):.3f}' for name, found in plans.items())}")

# ---------------------------------------------------------------------------------------------------------
# The formula: n trades with a = exp(-rate tau) between two of them; X / (2 + (n - 2)(1 - a)) at both ends.

n = grid.periods
lost = 1.0 - 0.5 ** (grid.durations[0] / half_life)
ends = 100_000 / (2.0 + (n - 2) * lost)
off = max(
    abs(table["exponential"].iloc[[0, -1]] - ends).max(), abs(table["exponential"].iloc[1:-1] - lost * ends).max()
)
print(
    f"Obizhaeva and Wang: {ends:,.2f} at both ends, {lost * ends:,.2f} in between; the plan differs by {off:.1e} shares"
)
if off > 1e-4:
    raise SystemExit("the plan should be the formula's")

# ---------------------------------------------------------------------------------------------------------
# With risk the second block melts; a cap of 10% of the volume flattens the first.

urgent = plan(kernels["exponential"], risk=2e-5)
capped = plan(kernels["exponential"], ac.Participation(0.10), risk=2e-5)
for name, found in {"with risk": urgent, "and a cap of 10%": capped}.items():
    sold = -found.trades["asset"].to_numpy()
    print(f"{name}: first {sold[0]:,.0f}, last {sold[-1]:,.0f}, {found.certificate}")

# ---------------------------------------------------------------------------------------------------------
# Impact that stays for an hour and is then gone at once is no model of a market: a round trip would earn.


def box(time: np.ndarray) -> np.ndarray:
    return np.where(time < grid.duration("55min"), 1.0, 0.0)


try:
    plan(box)
except ac.ModelError as refused:
    print(f"Refused: {refused}")
else:
    raise SystemExit("a box kernel should be refused")

"""
How a jerk penalty smooths a schedule.

Impact and risk alone ask for the full trading rate at once, and bounds on the rate put corners into the path.
`Jerk(scale)` penalises the third derivative of what is left to trade; the scale is the time over which a change
of the rate counts. A longer scale buys smoothness with cost and risk, and this script shows the price.

Run: python examples/jerk.py [--out FOLDER]
"""

import argparse
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

import acopt as ac

arguments = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
arguments.add_argument("--out", type=Path, help="where jerk.png goes; a temporary folder by default")
folder = arguments.parse_args().out or Path(tempfile.mkdtemp(prefix="acopt_"))
folder.mkdir(parents=True, exist_ok=True)

# ---------------------------------------------------------------------------------------------------------
# Sell half a million shares between 09:45 and 15:45, at 400,000 to 900,000 shares a session.
# Rates are signed like trades: sells are negative. A grid of a session counts time in sessions of 6.5 hours.

grid = ac.TimeGrid.session("2025-03-31", "15min", start="09:45", end="15:45")
market = ac.Market(grid, price=40.0, covariance=0.8**2, impact=ac.ImpactCoefficients(eta=2e-7))
order = ac.Order(500_000)
rules = [ac.TradeRate(lower=-9e5, upper=-4e5)]


def smoothed(scale: str | None) -> ac.Schedule:
    costs = ac.TemporaryImpact() + 3e-6 * ac.TimingRisk()
    return ac.ExecutionProblem(order, market, costs + ac.Jerk(scale) if scale else costs, rules).solve()


def roughness(plan: ac.Schedule) -> float:
    """Root mean square of the jerk, thousand shares per hour^3: third differences on an even grid."""
    left = plan.remaining["asset"].to_numpy() / 1e3
    return float(np.sqrt(np.mean((np.diff(left, 3) / 0.25**3) ** 2)))


plans = {scale or "none": smoothed(scale) for scale in (None, "15min", "30min", "60min", "120min")}

# ---------------------------------------------------------------------------------------------------------
# The price of smoothness. Impact plus weighted risk is what the schedule was to minimise before jerk came in.

table = pd.DataFrame(
    {
        "cost_bps": {name: plan.bps(plan.expected_cost) for name, plan in plans.items()},
        "risk_bps": {name: plan.bps(plan.risk) for name, plan in plans.items()},
        "cost + lambda risk^2": {
            name: plan.bps(plan.expected_cost + 3e-6 * plan.variance) for name, plan in plans.items()
        },
        "roughness": {name: roughness(plan) for name, plan in plans.items()},
    }
).rename_axis("scale")
print(table.to_string(float_format="{:,.4f}".format), end="\n\n")

target, rough = table["cost + lambda risk^2"], table["roughness"]
print(
    f"With a scale of 60 minutes the roughness falls from {rough['none']:.0f} to {rough['60min']:.1f}, "
    f"and impact plus weighted risk rise by {target['60min'] - target['none']:.2f} bps."
)
if not (target.is_monotonic_increasing and rough.is_monotonic_decreasing):
    raise SystemExit("smoothness should cost something, and be had")

# ---------------------------------------------------------------------------------------------------------
# The same in a picture.

if find_spec("matplotlib"):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for name, plan in plans.items():
        axes.stairs(-plan.rates["asset"] / 1e3, np.linspace(9.75, 15.75, grid.periods + 1), label=name, linewidth=1.6)
    axes.set(
        xlabel="hour of the day", ylabel="thousand shares sold per session", title="A longer scale, a rounder rate"
    )
    axes.legend(title="jerk scale", frameon=False)
    figure.savefig(folder / "jerk.png", dpi=120)
    print(f"Written: {folder / 'jerk.png'}")
else:
    print("For the picture: pip install 'acopt[plot]'")

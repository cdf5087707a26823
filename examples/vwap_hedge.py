"""
To follow the VWAP of a day: with its volume known, expected, and re-estimated as it comes.

With a known volume, trading in proportion to it leaves the impact and nothing else, on every path. With an uncertain
one the best static plan follows E[m/V] and not E[m]/E[V], m being the volume so far and V the day's; a policy that
re-estimates the rest of the day after every interval beats both. The same 20,000 days for all, compared in pairs.

Run: python examples/vwap_hedge.py [--days DAYS] [--out FOLDER]
"""

import argparse
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

import acopt as ac

arguments = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
arguments.add_argument("--days", type=int, default=20_000, help="simulated days; 20,000 by default")
arguments.add_argument("--out", type=Path, help="where vwap_hedge.png goes; a temporary folder by default")
given = arguments.parse_args()
days = given.days
folder = given.out or Path(tempfile.mkdtemp(prefix="acopt_"))
folder.mkdir(parents=True, exist_ok=True)

# ---------------------------------------------------------------------------------------------------------
# Sell 100,000 shares, 2% of the day's expected volume, in half-hours; volume smiles.

grid = ac.TimeGrid.session("2025-03-31", "30min")
smile = 1.0 + 1.5 * np.linspace(-1.0, 1.0, grid.periods) ** 2
volume = pd.Series(5e6 * smile / smile.sum(), grid.labels)
market = ac.Market(grid, 50.0, volume=volume, covariance=0.8**2, spread=0.01, impact=ac.LinearImpact(5.0))
order = ac.Order(100_000)

# ---------------------------------------------------------------------------------------------------------
# 1. The volume is as expected: the stochastic part of slippage against VWAP vanishes.

hedged = ac.simulate(ac.StaticPolicy("vwap"), order, market, days, seed=1)
print(hedged.summary())
left = np.abs(hedged.price_gains["vwap"]).max() / hedged.gross * 1e4
print(f"What prices add to it, at most on {days:,} days: {left:.0e} bps; the rest is impact and spread.")
if left > 1e-9:
    raise SystemExit("a known volume should leave nothing to chance")

# ---------------------------------------------------------------------------------------------------------
# 2. It is not: three ways to follow it, on the same days. What is compared are squares of what prices add.

late = pd.Series(np.where(np.arange(grid.periods) >= grid.periods - 2, 1.2, 0.3), grid.labels)
scattered = {
    "as on real bars": ac.StochasticVolume(0.30, day=0.25, half_life="11min"),
    "heavy mornings last": ac.StochasticVolume(0.50, day=0.30, half_life="90min"),
    "nobody knows the close": ac.StochasticVolume(late, day=0.25),
}
found = {}
for case, model in scattered.items():
    uncertain = ac.SimulatedMarket(market, volume=model)
    policies = {
        "E[m]/E[V]": ac.StaticPolicy("vwap"),
        "E[m/V]": ac.StaticPolicy(ac.ExpectedVWAP(model)),
        "re-estimated": ac.AdaptiveVWAP(model),
    }
    results = {name: ac.simulate(policy, order, uncertain, days, seed=1) for name, policy in policies.items()}
    squares = {name: (1e4 * r.price_gains["vwap"] / r.gross) ** 2 for name, r in results.items()}
    for name, result in results.items():
        gap = squares[name] - squares["E[m]/E[V]"]
        found[case, name] = {
            "cost, bps": result.mean("vwap"),
            "s.e., bps": result.std_error("vwap"),
            "impact and spread, bps": 1e4 * result.impact.mean() / result.gross,
            "std, bps": np.sqrt(squares[name].mean()),
            "variance, bps²": squares[name].mean(),
            "beyond the first, bps²": gap.mean(),
            "s.e., bps²": gap.std(ddof=1) / np.sqrt(days),
        }
table = pd.DataFrame.from_dict(found, orient="index")
print(f"\nAgainst the VWAP that came, {days:,} days; std and variance are of what prices add:")
print(table.round(3).to_string())

beyond, error = "beyond the first, bps²", "s.e., bps²"
for case in scattered:
    static, adaptive = (table.loc[(case, name)] for name in ("E[m/V]", "re-estimated"))
    print(
        f"{case}: E[m/V] changes the variance by {static[beyond]:+.3f} ± {static[error]:.3f} bps², to re-estimate it "
        f"by {adaptive[beyond]:+.1f} ± {adaptive[error]:.1f}, a cut of "
        f"{-adaptive[beyond] / table.loc[(case, 'E[m]/E[V]'), 'variance, bps²']:.0%}."
    )

# ---------------------------------------------------------------------------------------------------------
# 3. A day that is more of the same tells nothing about m/V: its factor cancels.

calm, wild = (ac.expected_volume_curve(ac.StochasticVolume(0.3, day=day), order, market) for day in (0.0, 1.0))
moved = float(np.abs(calm - wild).to_numpy().max())
print(f"\nA factor of the whole day, however large, moves E[m/V] by {moved:g}.")

# ---------------------------------------------------------------------------------------------------------
# 4. E[m/V] is a benchmark like any other: impact and risk against the VWAP that will be, with its proof.

path = ac.ExpectedVWAP(scattered["nobody knows the close"])
costs = ac.TemporaryImpact() + ac.SpreadCost() + 1e-6 * ac.TrackingRisk(path)
plan = ac.ExecutionProblem(order, market, costs, [ac.Participation(0.04)]).solve()
print(f"With impact and a cap: {plan.certificate}")

if find_spec("matplotlib"):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left_axes, right_axes = figure.subplots(1, 2)
    at = [f"{stamp:%H:%M}" for stamp in grid.labels]
    naive = volume.cumsum() / volume.sum()
    for case, model in scattered.items():
        curve = ac.expected_volume_curve(model, order, market)["asset"]
        left_axes.plot(at, 100 * (curve - naive).to_numpy(), marker=".", label=case)
    left_axes.set(ylabel="% of the order", title="E[m/V] beyond E[m]/E[V]")
    left_axes.set_xticks(range(0, len(at), 3), at[::3])
    left_axes.legend(frameon=False)
    wide = pd.DataFrame({name: table["std, bps"].xs(name, level=1) for name in policies}).loc[list(scattered)]
    for shift, name in zip((-0.26, 0.0, 0.26), wide, strict=True):
        right_axes.bar([i + shift for i in range(len(wide))], wide[name], width=0.25, label=name)
    right_axes.set_xticks(range(len(wide)), [case.replace(" ", "\n", 1) for case in wide.index])
    right_axes.set(ylabel="bps, standard deviation", title="Slippage against VWAP, before impact")
    right_axes.legend(frameon=False)
    figure.savefig(folder / "vwap_hedge.png", dpi=120)
    print(f"Written: {folder / 'vwap_hedge.png'}")
else:
    print("For the picture: pip install 'acopt[plot]'")

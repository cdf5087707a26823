"""
Selling when prices revert: faster above the mean, slower below, and what a participation cap makes of that.

On simulated days the price is drawn back to where it began. The closed form (a Riccati recursion) answers each price;
the compiled problem, planned again in every interval, gives the same answer, and keeps it when rules bind.

Run: python examples/mean_reversion.py [--days NUMBER] [--out FOLDER]
"""

import argparse
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

import acopt as ac

arguments = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
arguments.add_argument("--days", type=int, default=150, help="how many days are simulated")
arguments.add_argument("--out", type=Path, help="where mean_reversion.png goes; a temporary folder by default")
given = arguments.parse_args()
folder = given.out or Path(tempfile.mkdtemp(prefix="acopt_"))
folder.mkdir(parents=True, exist_ok=True)

# ---------------------------------------------------------------------------------------------------------
# Sell 100,000 shares in one session. Half of any distance from 40.00 is gone after an hour and a half.

grid = ac.TimeGrid.session("2025-03-31", "30min")
shape = 1.0 + 2.0 * np.linspace(-1.0, 1.0, grid.periods) ** 2
volume = pd.Series(850_000 * shape / shape.sum(), grid.labels)
market = ac.Market(grid, 40.0, volume=volume, covariance=0.6**2, impact=ac.ImpactCoefficients(eta=1e-6, gamma=1e-7))
order, aversion = ac.Order(100_000), 2e-6
rate = np.log(2.0) / grid.duration("90min")
days = ac.SimulatedMarket(market, prices=ac.OrnsteinUhlenbeck(rate))

costs = ac.TemporaryImpact() + ac.PermanentImpact() + aversion * ac.TimingRisk()
free = ac.ExecutionProblem(order, market, costs)


class Kept:
    """Any object that decides is a policy; this one keeps what another decides, and the prices that it saw."""

    overshoots = True

    def __init__(self, policy: ac.Policy) -> None:
        self.policy, self.blocks = policy, []

    def decide(self, state: ac.State) -> np.ndarray:
        """Return what the other policy decides, (paths, 1) shares; days come in blocks of paths."""
        trades = self.policy.decide(state)
        if state.interval == grid.periods - 1:
            done = np.concatenate([state.trades[..., 0], trades], axis=1)
            self.blocks.append(np.stack([done, state.prices[..., 0]]))
        return trades

    @property
    def trades(self) -> np.ndarray:
        """Shares by day and interval."""
        return np.concatenate(self.blocks, axis=1)[0]

    @property
    def prices(self) -> np.ndarray:
        """Prices at the start of each interval, by day."""
        return np.concatenate(self.blocks, axis=1)[1]

    @property
    def left(self) -> np.ndarray:
        """Shares left after each interval, by day."""
        return 100_000 + np.cumsum(self.trades, axis=1)


def run(policy: ac.Policy) -> tuple[Kept, np.ndarray]:
    """Return what was decided, and by day what the problem minimises: the cost and the risk that was run, bps."""
    kept = Kept(policy)
    result = ac.simulate(kept, order, days, given.days, seed=1)
    risk = aversion * 0.6**2 * (kept.left**2 @ grid.durations)
    return kept, result.slippage() + 1e4 * risk / (40.0 * 100_000)


# ---------------------------------------------------------------------------------------------------------
# Without rules: the plan of the morning, the closed form, and the problem planned again.

plan, _ = run(ac.StaticPolicy(free.solve()))
riccati, _ = run(ac.RiccatiPolicy(free))
again, _ = run(ac.RecedingHorizon(free))
off = np.abs(again.trades - riccati.trades).max() / 100_000
print(f"Planned again without rules, no trade differs from the closed form by more than {off:.0e} of the order.")
if off > 1e-7:
    raise SystemExit("without rules both should be the same")

noon = 6  # intervals before 12:30
above = riccati.prices[:, noon] - 40.0
faster = np.polyfit(above, -riccati.trades[:, :noon].sum(axis=1), 1)[0]
print(
    f"By 12:30 the plan of the morning has sold {-plan.trades[0, :noon].sum():,.0f} shares. The closed form has sold "
    f"{0.1 * faster:,.0f} more for each 10 cents that the price is above its mean, and fewer below."
)
if faster <= 0:
    raise SystemExit("above the mean, sales should be faster")

# ---------------------------------------------------------------------------------------------------------
# With a cap of 14% of the volume, which is thin at noon. To cut the closed form off at the cap is not to plan for it.

capped = ac.ExecutionProblem(order, market, costs, [ac.Participation(0.14)])
policies = {
    "planned again": ac.RecedingHorizon(capped),
    "closed form, clipped": ac.Clipped(ac.RiccatiPolicy(capped), capped),
    "plan of the morning": ac.StaticPolicy(capped.solve()),
}
runs = {name: run(policy) for name, policy in policies.items()}
paid = pd.DataFrame({name: cost for name, (_, cost) in runs.items()})
more = paid.sub(paid["planned again"], axis=0)
table = pd.DataFrame({"cost and risk, bps": paid.mean(), "std error": paid.sem()})
table["beyond planned again"], table["its std error"] = more.mean(), more.sem()
print("\n" + table.to_string(float_format="{:,.2f}".format))
highest = np.abs(runs["planned again"][0].trades / volume.to_numpy()).max()
print(f"Highest participation on {given.days} days: {highest:.4f}")
if highest > 0.14 * (1 + 1e-9):
    raise SystemExit("the cap should hold on every day")
if (more.mean() < 0).any():
    raise SystemExit("to plan again should be the best of the three")

# ---------------------------------------------------------------------------------------------------------
# Three days in a picture: the highest price, the lowest, and the one closest to the mean.

if find_spec("matplotlib"):
    from matplotlib.figure import Figure

    distance = (riccati.prices - 40.0).mean(axis=1)
    shown = {"high": distance.argmax(), "near the mean": np.abs(distance).argmin(), "low": distance.argmin()}
    hours = np.linspace(9.5, 16.0, grid.periods + 1)
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, sharex=True)
    for (name, day), colour in zip(shown.items(), ("tab:red", "tab:gray", "tab:blue"), strict=True):
        left.step(hours[:-1], riccati.prices[day], where="post", color=colour, label=name)
        held = np.concatenate([[100_000], riccati.left[day]])
        right.plot(hours, held / 1e3, color=colour, label=name)
    left.axhline(40.0, color="black", linewidth=0.8)
    right.plot(hours, np.concatenate([[100], plan.left[0] / 1e3]), color="black", linestyle="--", label="plan")
    left.set(title="Prices of three days", xlabel="hour of the day", ylabel="currency a share")
    right.set(title="What is left to sell", xlabel="hour of the day", ylabel="thousand shares")
    right.legend(frameon=False)
    figure.savefig(folder / "mean_reversion.png", dpi=120)
    print(f"Written: {folder / 'mean_reversion.png'}")
else:
    print("For the picture: pip install 'acopt[plot]'")

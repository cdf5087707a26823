"""
Selling when prices revert: faster above the mean, slower below, and what a participation cap makes of that.

On simulated days the price is drawn back to where it began. The closed form (a Riccati recursion) answers each price;
the compiled problem, planned again in every interval, gives the same answer, and keeps rules besides. Purchases, and
prices of which not the level but the drift reverts, by --side and --prices.

Run: python examples/mean_reversion.py [--days NUMBER] [--side sell|buy] [--prices revert|drift] [--out FOLDER]
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
arguments.add_argument("--side", choices=["sell", "buy"], default="sell")
arguments.add_argument("--prices", choices=["revert", "drift"], default="revert", help="what is drawn back")
arguments.add_argument("--out", type=Path, help="where mean_reversion.png goes; a temporary folder by default")
given = arguments.parse_args()
folder = given.out or Path(tempfile.mkdtemp(prefix="acopt_"))
folder.mkdir(parents=True, exist_ok=True)

# ---------------------------------------------------------------------------------------------------------
# Sell (or buy) 100,000 shares in one session. Half of any distance from 40.00 is gone after an hour and a half.

grid = ac.TimeGrid.session("2025-03-31", "30min")
shape = 1.0 + 2.0 * np.linspace(-1.0, 1.0, grid.periods) ** 2
volume = pd.Series(850_000 * shape / shape.sum(), grid.labels)
market = ac.Market(grid, 40.0, volume=volume, covariance=0.6**2, impact=ac.ImpactCoefficients(eta=1e-6, gamma=1e-7))
shares = 100_000 if given.side == "sell" else -100_000  # > 0 to sell
order, aversion = ac.Order(shares), 2e-6
rate = np.log(2.0) / grid.duration("90min")
prices = ac.OrnsteinUhlenbeck(rate) if given.prices == "revert" else ac.RevertingDrift(rate, 4.0)
days = ac.SimulatedMarket(market, prices=prices)
done, news = {
    ("sell", "revert"): ("sold", "that the price is above its mean, and fewer below"),
    ("buy", "revert"): ("bought", "that the price is below its mean, and fewer above"),
    ("sell", "drift"): ("sold", "a session that the price drifts down, and fewer when up"),
    ("buy", "drift"): ("bought", "a session that the price drifts up, and fewer when down"),
}[given.side, given.prices]

costs = ac.TemporaryImpact() + ac.PermanentImpact() + aversion * ac.TimingRisk()
free = ac.ExecutionProblem(order, market, costs)


NOON = 6  # intervals before 12:30


class Kept:
    """Any object that decides is a policy; this one keeps what another decides, and what it saw."""

    overshoots = True

    def __init__(self, policy: ac.Policy) -> None:
        self.policy, self.blocks, self.signals = policy, [], []

    def decide(self, state: ac.State) -> np.ndarray:
        """Return what the other policy decides, (paths, 1) shares; days come in blocks of paths."""
        trades = self.policy.decide(state)
        if state.interval == NOON:
            self.signals.append(state.signal[:, 0])
        if state.interval == grid.periods - 1:
            executed = np.concatenate([state.trades[..., 0], trades], axis=1)
            self.blocks.append(np.stack([executed, state.prices[..., 0]]))
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
    def noon(self) -> np.ndarray:
        """What the price model revealed at 12:30, by day: mean - price, or the drift."""
        return np.concatenate(self.signals)

    @property
    def left(self) -> np.ndarray:
        """Shares left after each interval, by day, > 0 to sell."""
        return shares + np.cumsum(self.trades, axis=1)


def run(policy: ac.Policy) -> tuple[Kept, np.ndarray, np.ndarray]:
    """Return what was decided, by day what the problem minimises (cost and the risk that was run, bps), and closes."""
    kept = Kept(policy)
    result = ac.simulate(kept, order, days, given.days, seed=1)
    risk = aversion * 0.6**2 * (kept.left**2 @ grid.durations)
    return kept, result.slippage() + 1e4 * risk / result.gross, 40.0 + result.moves / shares


# ---------------------------------------------------------------------------------------------------------
# Without rules: the plan of the morning, the closed form, and the problem planned again.

plan, _, _ = run(ac.StaticPolicy(free.solve()))
riccati, _, closes = run(ac.RiccatiPolicy(free))
again, _, _ = run(ac.RecedingHorizon(free))
off = np.abs(again.trades - riccati.trades).max() / abs(shares)
print(f"Planned again without rules, no trade differs from the closed form by more than {off:.0e} of the order.")
if off > 1e-7:
    raise SystemExit("without rules both should be the same")

faster = np.polyfit(riccati.noon, riccati.trades[:, :NOON].sum(axis=1), 1)[0]  # sells are below 0, for either side
print(
    f"By 12:30 the plan of the morning has {done} {abs(plan.trades[0, :NOON].sum()):,.0f} shares. The closed form has "
    f"{done} {0.1 * faster:,.0f} more for each 10 cents {news}."
)
if faster <= 0:
    raise SystemExit("while the price is better than it will be, trading should be faster")
past = riccati.left.min(axis=1) < -1e-3 if shares > 0 else riccati.left.max(axis=1) > 1e-3
print(f"With no rules it trades on the signal alone as well: it passes its target on {past.mean():.0%} of the days.")

# ---------------------------------------------------------------------------------------------------------
# One-sided, with a cap of 14% of the volume, which is thin at noon. To cut off at the cap is not to plan for it.

capped = ac.ExecutionProblem(order, market, costs, [ac.Participation(0.14), ac.Monotone()])
policies = {
    "planned again": ac.RecedingHorizon(capped),
    "closed form, clipped": ac.Clipped(ac.RiccatiPolicy(capped), capped),
    "plan of the morning": ac.StaticPolicy(capped.solve()),
}
runs = {name: run(policy) for name, policy in policies.items()}
paid = pd.DataFrame({name: cost for name, (_, cost, _) in runs.items()})
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

    drawn = np.column_stack([riccati.prices, closes])  # at the start of each interval, and at the close
    distance = (drawn - 40.0).mean(axis=1)
    shown = {"high": distance.argmax(), "near the mean": np.abs(distance).argmin(), "low": distance.argmin()}
    hours = np.linspace(9.5, 16.0, grid.periods + 1)
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, sharex=True)
    for (name, day), colour in zip(shown.items(), ("tab:red", "tab:gray", "tab:blue"), strict=True):
        left.plot(hours, drawn[day], marker=".", color=colour, label=name)
        right.plot(hours, np.append(abs(shares), np.sign(shares) * riccati.left[day]) / 1e3, color=colour)
    left.axhline(40.0, color="black", linewidth=0.8)
    planned = np.append(abs(shares), np.sign(shares) * plan.left[0]) / 1e3
    right.plot(hours, planned, color="black", linestyle="--", label="plan of the morning")
    right.axhline(0.0, color="black", linewidth=0.8)
    left.set(title="Prices of three days", xlabel="hour of the day", ylabel="currency a share")
    beyond = "short" if shares > 0 else "long"
    right.set(title=f"Left to {given.side}: closed form, no rules; below 0: {beyond}", xlabel="hour of the day")
    right.set(ylabel="thousand shares")
    left.legend(frameon=False)
    right.legend(frameon=False)
    figure.savefig(folder / "mean_reversion.png", dpi=120)
    print(f"Written: {folder / 'mean_reversion.png'}")
else:
    print("For the picture: pip install 'acopt[plot]'")

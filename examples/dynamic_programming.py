"""
Bellman's dynamic programming: the best trade in every state, in whole lots.

A dozen lots, for which every schedule can be tried; a day of five-minute intervals in ever smaller lots, beside the
quadratic program; a fee for every trade, which no convex program can have; and a drift that comes and goes, which is a
state of its own: the best policy beside the best plan made in the morning, on the same simulated days, with a picture.

Run: python examples/dynamic_programming.py [--out FOLDER] [--days NUMBER]
"""

import argparse
import tempfile
from importlib.util import find_spec
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pandas as pd

import acopt as ac

arguments = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
arguments.add_argument("--out", type=Path, help="where the picture goes; a temporary folder by default")
arguments.add_argument("--days", type=int, default=5_000, help="how many days are simulated")
given = arguments.parse_args()
folder = given.out or Path(tempfile.mkdtemp(prefix="acopt_"))
folder.mkdir(parents=True, exist_ok=True)


def problem(lots: int, periods: int, *more: ac.Cost, risk: float = 4e-6) -> ac.ExecutionProblem:
    """Sell lots of 100 shares of a liquid stock in one session, at most 15% of the volume."""
    grid = ac.TimeGrid.uniform(1.0, periods)
    shape = 1.0 + 1.2 * np.linspace(-1.0, 1.0, periods) ** 2  # busy at the open and at the close
    volume = pd.Series(40.0 * 100 * lots * shape / shape.sum(), grid.labels)
    market = ac.Market(grid, 40.0, volume=volume, covariance=0.8**2, spread=0.01, impact=ac.LinearImpact(8.0))
    costs = sum(more, ac.TemporaryImpact() + ac.SpreadCost() + risk * ac.TimingRisk())
    return ac.ExecutionProblem(ac.Order(100.0 * lots), market, costs, [ac.Monotone(), ac.Participation(0.15)])


# ---------------------------------------------------------------------------------------------------------
# Twelve lots in five intervals: all 1,820 schedules, one by one.

small = problem(12, 5, risk=1e-4)
splits = (np.diff((-1, *bars, 16)) - 1 for bars in combinations(range(16), 4))
tried = [small.evaluate(-100.0 * split[:, None]) for split in splits]
best = min((plan for plan in tried if not plan.rules_broken), key=lambda plan: plan.objective)
found = ac.dynamic_program(small, 100)
print(f"Of {len(tried):,} schedules none is better: {best.objective:.6f} and {found.value:.6f}")
if abs(found.value - best.objective) > 1e-9 * best.objective:
    raise SystemExit("the dynamic program should find the best of all schedules")

# ---------------------------------------------------------------------------------------------------------
# A day of 78 intervals. Smaller lots cost less, and never less than fractions of shares.

whole = problem(5_000, 78)
fractions = whole.solve()
rows = {}
for lot in (20_000, 5_000, 1_000, 200, 100):
    policy = ac.dynamic_program(whole, lot)
    rows[f"{lot:,}"] = {
        "objective": policy.value,
        "above the QP, bps": policy.schedule.bps(policy.value - fractions.objective),
    }
table = pd.DataFrame(rows).T.rename_axis("lot")
print(table.to_string(float_format="{:,.5f}".format), end="\n\n")
gaps = table["above the QP, bps"]
if not all(0 <= fine <= coarse for coarse, fine in pairwise(gaps)):
    raise SystemExit("smaller lots should cost less, and fractions least")

# ---------------------------------------------------------------------------------------------------------
# A ticket for every trade: trading a little in every interval no longer pays. A cost of one's own says how it splits.


class Ticket(ac.Cost):
    """So much for every trade, however small."""

    kind = "money"

    def __init__(self, fee: float) -> None:
        self.fee = fee

    def by_stage(self, setting: object) -> ac.StageCost:
        """Price one trade."""
        return ac.StageCost(trade=lambda k, u: self.fee * (u != 0).sum(axis=-1))

    def values(self, path: object) -> np.ndarray:
        """Price a schedule."""
        return self.fee * (path.trades != 0)


trades = {}
for fee in (0.0, 5.0, 50.0):
    lots = ac.dynamic_program(problem(200, 78, Ticket(fee)), 100).schedule.trades
    trades[fee] = int(np.count_nonzero(lots))
print(", ".join(f"{count} trades with a fee of {fee:.0f}" for fee, count in trades.items()))

# ---------------------------------------------------------------------------------------------------------
# The price drifts, by an amount that is seen, fades within an hour or two and is renewed. What to trade now depends on
# what is left, and on the drift: a table by both. In the morning nobody knows the drift, so a plan leaves it out.

order = problem(400, 26, risk=1e-6)
drift = ac.RevertingDrift(rate=4.0, volatility=1.0)
adaptive = ac.dynamic_program(order, 100, prices=drift)
planned = ac.dynamic_program(order, 100)
days = ac.SimulatedMarket(order.market, prices=drift)
policies = {"planned in the morning": ac.StaticPolicy(planned.schedule), "dynamic program": adaptive}
results = {name: ac.simulate(policy, order.order, days, given.days, seed=1) for name, policy in policies.items()}
for name, result in results.items():
    print(f"{name}: {result.mean():.2f} bps on average (standard error {result.std_error():.2f})")
gain = results["dynamic program"].against(results["planned in the morning"])
print(f"Day by day it saves {-gain.difference:.2f} bps (standard error {gain.std_error:.2f})")
if not gain.difference < -3 * gain.std_error:
    raise SystemExit("a policy that sees the drift should be better than one that does not")

at_rest, in_the_plan = adaptive.trades_at(10).loc[10_000.0], planned.trades_at(10).loc[10_000.0]
waits, goes_on = (abs(float(sold)) for sold in (at_rest.iloc[np.abs(at_rest.index).argmin()], in_the_plan.squeeze()))
print(
    f"With 10,000 shares left after 10 intervals the plan sells {goes_on:,.0f}, the policy {waits:,.0f} as long as "
    "there is no drift: to wait for one is worth something."
)

# ---------------------------------------------------------------------------------------------------------
# The table at noon in a picture: what to sell, by what is left and by the drift.

if find_spec("matplotlib"):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    noon = adaptive.trades_at(10).dropna()
    spread = adaptive.table.states.spread[10]
    for deviations, colour in ((-2, "tab:red"), (0, "tab:gray"), (2, "tab:green")):
        column = noon.columns[np.abs(noon.columns - deviations * spread).argmin()]
        label = f"{column:+.1f}" if deviations else "0.0"
        left.step(noon.index / 1e3, -noon[column] / 1e3, where="mid", color=colour, label=label)
    left.set(xlabel="thousand shares left", ylabel="thousand shares to sell", title="What to sell after 10 intervals")
    left.legend(frameon=False, title="drift, currency a share per session")
    done = adaptive.schedule.remaining.index
    for name, result in results.items():
        remaining = 40.0 + np.concatenate([[0.0], result.average_trades["asset"].cumsum()]) / 1e3
        right.plot(np.arange(len(done)), remaining, label=f"{name}, on average")
    right.set(xlabel="interval", ylabel="thousand shares left", title="What is left")
    right.legend(frameon=False)
    figure.savefig(folder / "dynamic_programming.png", dpi=120)
    print(f"Written: {folder / 'dynamic_programming.png'}")
else:
    print("For the picture: pip install 'acopt[plot]'")

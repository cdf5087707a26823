"""
Switching tactics: VWAP in the morning, TWAP at midday, learned and then proven by trying every sequence.

Liquidity is busy at both ends of the day. At midday a few blocks are printed that were agreed elsewhere: volume, but
nothing anybody could have traded with. VWAP follows the volume, prints included; TWAP follows the clock. An agent that
is only told what it paid finds out when to use which.

Run: python examples/tactic_switching.py [--out FOLDER] [--decisions NUMBER] [--episodes NUMBER]
"""

import argparse
import tempfile
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

import acopt as ac

arguments = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
arguments.add_argument("--out", type=Path, help="where the picture goes; a temporary folder by default")
arguments.add_argument("--decisions", type=int, default=8, help="how often the tactic may change")
arguments.add_argument("--episodes", type=int, default=5_000, help="how many days the agent learns from")
given = arguments.parse_args()
folder = given.out or Path(tempfile.mkdtemp(prefix="acopt_"))
folder.mkdir(parents=True, exist_ok=True)

# ---------------------------------------------------------------------------------------------------------
# Impact goes by the flow that can be traded with: 8 bps at a tenth of it. The volume that is reported is more.

grid = ac.TimeGrid.session("2019-02-15", "15min", start="09:30", end="15:30")
middle = (np.arange(grid.periods) + 0.5) / grid.periods
flow = 40_000 * (1 + 3 * (2 * middle - 1) ** 2)
printed = np.zeros(grid.periods)
printed[[9, 12, 14]] = 260_000, 180_000, 300_000
eta = pd.Series(8e-4 * 50.0 * np.asarray(grid.durations) / (0.10 * flow), grid.labels)
market = ac.Market(grid, price=50.0, volume=flow + printed, spread=0.01)
problem = ac.ExecutionProblem(ac.Order.sell(60_000), market, ac.TemporaryImpact(eta) + ac.SpreadCost())

# ---------------------------------------------------------------------------------------------------------
# Learn when to use which.

task = ac.TacticTask(problem, given.decisions)
learner = ac.QLearning(task, seed=1).train(given.episodes)
found = learner.actions[:, 0]
starts = grid.labels[np.array([task.intervals(step).start for step in range(given.decisions)])]
for start, tactic in zip(starts, found, strict=True):
    print(f"{start:%H:%M} {('TWAP', 'VWAP')[tactic]}")

# ---------------------------------------------------------------------------------------------------------
# Every sequence there is.

costs = {
    choices: task.schedule(np.array(choices)[:, None], "tried") for choices in product((0, 1), repeat=given.decisions)
}
best = min(costs, key=lambda choices: costs[choices].objective)
plans = {
    "VWAP all day": costs[(1,) * given.decisions],
    "TWAP all day": costs[(0,) * given.decisions],
    "switched, as learned": learner.schedule,
    f"switched, best of {len(costs):,}": costs[best],
    "the optimum": problem.solve(),
}
for name, plan in plans.items():
    print(f"{name:28} {plan.bps(plan.objective):7.3f} bps")
print(f"The agent's sequence is the best one: {tuple(found.tolist()) == best}")
if abs(learner.gap(costs[best])) > 1e-12:
    raise SystemExit("the agent should find the best sequence")

# ---------------------------------------------------------------------------------------------------------
# The day in a picture.

if find_spec("matplotlib"):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 5.5), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    clock = np.arange(grid.periods)
    above.bar(clock, flow, color="#56B4E9", label="flow")
    above.bar(clock, printed, bottom=flow, color="#E69F00", label="blocks printed")
    above.set(ylabel="shares", title="Volume that can be traded with, and volume that cannot")
    for name, color in (("VWAP all day", "#E69F00"), ("TWAP all day", "#8C6D31"), ("the optimum", "#B8B8B8")):
        below.step(clock, -plans[name].trades["asset"], where="mid", color=color, linestyle="--", label=name)
    below.step(clock, -learner.schedule.trades["asset"], where="mid", color="#0072B2", label="switched, as learned")
    for step, tactic in enumerate(found):
        rows = task.intervals(step)
        if tactic:
            below.axvspan(rows.start - 0.5, rows.stop - 0.5, color="#56B4E9", alpha=0.15, linewidth=0)
    below.set(ylabel="shares sold", ylim=(0, None), title="Shaded: VWAP")
    below.set_xticks(clock[::4], [f"{label:%H:%M}" for label in grid.labels[::4]])
    for axes in (above, below):
        axes.legend(frameon=False, fontsize="small")
    figure.savefig(folder / "tactics.png", dpi=150)
    print(f"Written: {folder / 'tactics.png'}")
else:
    print("For the picture: pip install 'acopt[plot]'")

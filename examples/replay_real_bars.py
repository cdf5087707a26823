"""
Replay plans on the days that they were made for.

Each day, three plans for ten buys and sells, each 5% of the average daily volume, are made with bars of the ten
sessions before it: the optimum at neutral urgency (risk price 0.3), TWAP and VWAP. Each is then executed on the bars
of the day itself, at the VWAP of each interval, with the model's impact and spread. Printed: what they cost against
arrival, the day's VWAP, its TWAP and its close, with standard errors, and the differences on the same days.
Without a folder it uses the project's test data where they are, else a short synthetic sample, and says which.

Run: python examples/replay_real_bars.py [DIR] [--days DAYS] [--out FOLDER]
"""

import argparse
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

import acopt as ac
from acopt.interface.sample import sample

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "us_equities"
STOCKS = ["AAPL", "AMT", "AMZN", "BAC", "BK", "JPM", "MSFT", "MU", "SBUX", "TRV", "TSLA", "V"]
HISTORY = 10

arguments = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
arguments.add_argument("dir", nargs="?", type=Path, help="folder of SYMBOL_15min.csv files")
arguments.add_argument("--days", type=int, default=20, help="how many of the last sessions; 20 by default")
arguments.add_argument("--out", type=Path, help="where days.csv and replay.png go; a temporary folder by default")
given = arguments.parse_args()
source = given.dir or (DATA if DATA.is_dir() else None)
folder = given.out or Path(tempfile.mkdtemp(prefix="acopt_"))
folder.mkdir(parents=True, exist_ok=True)

# ---------------------------------------------------------------------------------------------------------
# 1. Bars, and the ten most active names that have all of them. An index has no volume, and a lost session would
# have to be invented.

if source is None:
    bars, days = sample().bars, min(given.days, 5)
    print(f"No real bars in {DATA}: {days} days of a synthetic sample, which was never traded.")
else:
    bars, days = ac.read_bars(source / "*_15min.csv", symbol="{symbol}_15min"), given.days
    print(f"Bars from {source}")
if not 1 <= days <= len(bars.sessions) - HISTORY:
    raise SystemExit(f"--days {days}: 1 to {len(bars.sessions) - HISTORY} have {HISTORY} sessions before them")
dates = bars.sessions[-days:]
report = bars.report()
usable = report.index[report["has_volume"] & (report["missing_sessions"] == 0)]
print(f"Left out: {', '.join(report.index.difference(usable)) or 'nothing'}")

first = bars.select(usable).before(dates[0])
active = (first.volume.sum() * first.close.ffill().iloc[-1]).sort_values(ascending=False).index
names = ([name for name in active if name in STOCKS] or list(active))[:10]
bars = bars.select(names)
sides = ["sell" if rank % 2 else "buy" for rank in range(len(names))]

# ---------------------------------------------------------------------------------------------------------
# 2. How the plans of one day are made: with nothing that ended after the grid's start.


def make(date):
    grid = ac.TimeGrid.session(date, "15min", start="09:45", end="15:45")
    market = ac.Market.from_bars(bars, grid, history=HISTORY, spread=ac.bps(1.0), impact=ac.AlmgrenEtAl2005())
    order = ac.Order.from_frame(
        pd.DataFrame({"symbol": names, "side": sides, "quantity": (0.05 * market.daily_volume).round(-2)})
    )
    costs = ac.TemporaryImpact() + ac.PermanentImpact() + ac.SpreadCost() + ac.TimingRisk()
    problem = ac.ExecutionProblem(order, market, costs, [ac.Participation(0.15), ac.Monotone()])
    return {"plan": problem.solve_for(risk_price=0.3), "twap": ac.twap(problem), "vwap": ac.vwap(problem)}


# ---------------------------------------------------------------------------------------------------------
# 3. All days in one call, and the last of them in words.

study = ac.replay_days(bars, dates, make)
print(f"\n{study.replays[dates[-1], 'plan']}")
print(f"\n{len(names)} names, {study}")
print("\nThe same days, paired, in bps (below 0 is cheaper than TWAP):")
paired = study.against("twap")
print(paired.round(3).to_string())

gap, impact = paired.loc[("plan", "arrival")], paired.loc[("plan", "impact")]
firm = abs(gap["mean"]) > 2 * gap["standard_error"]
print(
    f"\nAgainst arrival the plan differs from TWAP by {gap['mean']:+.2f} ± {gap['standard_error']:.2f} bps, "
    f"{'more' if firm else 'not more'} than twice the standard error over {gap['n']:.0f} days; "
    f"in impact by {impact['mean']:+.2f} ± {impact['standard_error']:.2f}."
)
spread = study.days.groupby("plan")["arrival_bps"].std()
print(
    "Standard deviation over the days, against arrival: "
    + ", ".join(f"{name} {spread[name]:.1f}" for name in study.plans)
    + " bps."
)

# ---------------------------------------------------------------------------------------------------------
# 4. What a desk takes away.

study.table.to_csv(folder / "days.csv", index=False)
print(f"Written: {folder / 'days.csv'}")
if find_spec("matplotlib"):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.5), layout="constrained")
    axes = figure.subplots()
    for shift, name in zip((-0.25, 0.0, 0.25), study.plans, strict=True):
        own = study.days[study.days["plan"] == name]["arrival_bps"]
        axes.bar([at + shift for at in range(len(own))], own, width=0.24, label=name)
    axes.set_xticks(range(len(dates)), [f"{date:%d %b}" for date in dates], rotation=60)
    axes.axhline(0.0, color="black", linewidth=0.8)
    axes.set(ylabel="bps against arrival, bad = positive", title="Three plans on the same days")
    axes.legend(frameon=False)
    figure.savefig(folder / "replay.png", dpi=120)
    print(f"Written: {folder / 'replay.png'}")
else:
    print("For the picture: pip install 'acopt[plot]'")

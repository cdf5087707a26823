"""
Plan a day's trading on real bars.

Reads a folder of intraday bars (one CSV a symbol, `JPM_15min.csv`: datetime, open, high, low, close, volume),
learns volume and risk from the sessions before the last one, and plans up to twelve buys and sells for that last
session: at most 10% of the volume, dollar neutral all day, one pair kept in step, at neutral urgency.
Without a folder it uses the project's test data where they are, else a synthetic sample, and says which.

Run: python examples/plan_real_bars.py [DIR] [--out FOLDER]
"""

import argparse
import tempfile
from importlib.util import find_spec
from pathlib import Path

import cvxpy as cp
import pandas as pd

import acopt as ac
from acopt.interface.sample import sample

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "us_equities"
STOCKS = ["AAPL", "AMT", "AMZN", "BAC", "BK", "JPM", "MSFT", "MU", "SBUX", "TRV", "TSLA", "V"]

arguments = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
arguments.add_argument("dir", nargs="?", type=Path, help="folder of SYMBOL_15min.csv files")
arguments.add_argument("--out", type=Path, help="where schedule.csv and schedule.png go; a temporary folder by default")
given = arguments.parse_args()
source = given.dir or (DATA if DATA.is_dir() else None)
folder = given.out or Path(tempfile.mkdtemp(prefix="acopt_"))
folder.mkdir(parents=True, exist_ok=True)

# ---------------------------------------------------------------------------------------------------------
# 1. Bars. Whether stamps are starts or ends is inferred from the session, and said; gaps are counted.

if source is None:
    bars = sample().bars
    print("No folder of bars: using a synthetic sample, which was never traded.")
else:
    bars = ac.read_bars(source / "*_15min.csv", symbol="{symbol}_15min")
    print(f"Bars from {source}")
print(bars)

# What cannot be planned is left out by name: an index has no volume, and a lost session would have to be invented.
day = bars.sessions[-1]
report = bars.report()
usable = report.index[report["has_volume"] & (report["missing_sessions"] == 0)]
print(f"Left out: {', '.join(report.index.difference(usable)) or 'nothing'}\n")

# ---------------------------------------------------------------------------------------------------------
# 2. Orders: 5% of the average daily volume in twelve names, sells and buys in turn, both sides of one value.
# All of it from the sessions before the day that is planned.

past = bars.select(usable).before(day)
average = past.volume.groupby(past.starts.date).sum().mean()
last = past.close.ffill().iloc[-1]
active = (average * last).sort_values(ascending=False).index
names = [name for name in active if name in STOCKS] or list(active[:12])
sides = {name: ("sell", "buy")[rank % 2] for rank, name in enumerate(names)}
value = pd.Series({side: sum(average[n] * last[n] for n in names if sides[n] == side) for side in ("sell", "buy")})
shares = {name: 0.05 * average[name] * value.min() / value[sides[name]] for name in names}
order = ac.Order.from_frame(
    pd.DataFrame({"symbol": names, "side": sides.values(), "quantity": [round(shares[name], -2) for name in names]})
)

# ---------------------------------------------------------------------------------------------------------
# 3. The market as it could be known at the open, and the problem.

grid = ac.TimeGrid.session(day, "15min", start="09:45", end="15:45")
market = ac.Market.from_bars(
    bars,
    grid,
    assets=order.assets,
    history=min(20, len(bars.sessions) - 1),
    spread=ac.bps(1.0),
    impact=ac.AlmgrenEtAl2005(),
)
sells = [name for name in names if sides[name] == "sell"]
one, other = ("JPM", "BAC") if {"JPM", "BAC"} <= set(sells) else sells[:2]
problem = ac.ExecutionProblem(
    order,
    market,
    ac.TemporaryImpact() + ac.PermanentImpact() + ac.SpreadCost() + ac.TimingRisk(),
    [
        ac.Participation(0.10),
        ac.Monotone(),
        ac.DollarNeutral(0.02),  # what is left stays within 2% of the basket's value
        ac.CustomConstraint(lambda p: cp.abs(p.done(one) - p.done(other)) <= 0.02, name="pair"),
    ],
)

# ---------------------------------------------------------------------------------------------------------
# 4. Neutral urgency: 0.3 bp of expected cost for 1 bp less risk. The summary ends with the proof.

plan = problem.solve_for(risk_price=0.3)
print(plan.summary(), end="\n\n")

comparison = ac.compare(problem, [plan, "twap", "vwap", ac.pov(0.10)])
comparison["cost + 0.3 risk"] = comparison["cost_bps"] + 0.3 * comparison["risk_bps"]
columns = ["cost_bps", "risk_bps", "cost + 0.3 risk", "max_participation", "rules_broken"]
print(comparison[columns].round(3).to_string(), end="\n\n")

net = (plan.remaining * market.price).sum(axis=1).abs().max()
done = 1 - plan.remaining / order.remaining
apart = (done[one] - done[other]).abs().max()
print(f"Net value of what is left: at most {net:,.0f}, {net / plan.setting.gross:.1%} of the basket.")
print(f"{one} and {other} are never more than {apart:.1%} of their orders apart.")

# ---------------------------------------------------------------------------------------------------------
# 5. What a desk takes away.

print(f"Written: {plan.to_csv(folder / 'schedule.csv')}")
if find_spec("matplotlib"):
    plan.plot(folder / "schedule.png")
    print(f"Written: {folder / 'schedule.png'}")
else:
    print("For the picture: pip install 'acopt[plot]'")

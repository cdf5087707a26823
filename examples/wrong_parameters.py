"""
What wrong parameters cost: volume, volatility or impact that is not as expected.

Buys and sells in up to twelve names, at most 10% of the volume. The plan is made for the market as it is expected, for
a day with 30% less volume, one twice as volatile, one in which impact is twice as large, and each plan is paid in each
market: what was it worth to know? Then one plan for all of them, whose largest regret is as small as it can be, and the
same question with the volumes of the last five days instead of invented ones.
Without a folder of bars it uses the project's test data where they are, else a synthetic sample, and says which.

Run: python examples/wrong_parameters.py [DIR] [--out FOLDER]
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

arguments = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
arguments.add_argument("dir", nargs="?", type=Path, help="folder of SYMBOL_15min.csv files")
arguments.add_argument("--out", type=Path, help="where regret.png and schedule.csv go; a temporary folder by default")
given = arguments.parse_args()
source = given.dir or (DATA if DATA.is_dir() else None)
folder = given.out or Path(tempfile.mkdtemp(prefix="acopt_"))
folder.mkdir(parents=True, exist_ok=True)

# ---------------------------------------------------------------------------------------------------------
# 1. The order, 5% of the average daily volume in each name, and the market as it could be known before the day.

if source is None:
    bars = sample().bars
    print("No folder of bars: using a synthetic sample, which was never traded.")
else:
    bars = ac.read_bars([source / f"{name}_15min.csv" for name in STOCKS], symbol="{symbol}_15min")
    print(f"Bars from {source}")
day = bars.sessions[-1]
past = bars.before(day)
names = list(bars.symbols[:12])
average = past.volume.groupby(past.starts.date).sum().mean()[names]
sides = [("sell", "buy")[rank % 2] for rank in range(len(names))]
order = ac.Order.from_frame(
    pd.DataFrame({"symbol": names, "side": sides, "quantity": [round(0.05 * average[name]) for name in names]})
)
grid = ac.TimeGrid.session(day, "15min")
market = ac.Market.from_bars(
    bars,
    grid,
    assets=order.assets,
    history=min(20, len(bars.sessions) - 1),
    spread=ac.bps(1.0),
    impact=ac.LinearImpact(8.0, permanent_bps=0.5),
)
problem = ac.ExecutionProblem(
    order,
    market,
    ac.TemporaryImpact() + ac.PermanentImpact() + ac.SpreadCost() + ac.TimingRisk(),
    [ac.Participation(0.10), ac.Monotone()],
)

# ---------------------------------------------------------------------------------------------------------
# 2. Planned in one market, paid in another. The price of risk is the same everywhere; every plan keeps the cap of
# every market, so that each can be executed in each.

scenarios = {
    "volume -30%": ac.what_if(market, volume=0.7),
    "volatility x2": ac.what_if(market, volatility=2.0),
    "impact x2": ac.what_if(market, impact=2.0),
}
found = ac.regret(problem, scenarios, risk_price=0.3)
print(f"\n{found}\n")
print(f"Of these plans the one for {found.best_plan!r} is the least wrong: {found.worst.min():.2g} bps at worst.")

# ---------------------------------------------------------------------------------------------------------
# 3. One plan for all of them.

sure = ac.robust(problem, scenarios, regret=True, risk_price=0.3)
print(f"\n{sure}\n")
print(
    f"One plan for all: at worst {sure.worst_case[0]:.2g} bps, {1 - sure.worst_case[0] / found.worst.min():.0%} less."
)
print(f"In the market that is expected it costs {sure.table.loc['base', 'regret']:.2g} bps more than the best.")

# ---------------------------------------------------------------------------------------------------------
# 4. The volumes of the last five days, each as if it had been known: what would a perfect volume forecast be worth? The
# cap is left out: what is asked is what the volumes are worth to the plan, and not what a cap costs on a thin day.

recent = past.sessions[-5:]
traded = {
    f"{session:%m-%d}": past.volume[past.starts.date == pd.Timestamp(session).date()][names].to_numpy()
    for session in map(pd.Timestamp, recent)
}
known = {
    name: market.with_volumes(volume)
    for name, volume in traded.items()
    if volume.shape == market.volumes.shape and (volume > 0).all()
}
days = ac.regret(problem.without("Participation"), known, risk_price=0.3)
print(f"\n{days}\n")
unknown, wrong = days.regret.loc["base", list(known)], days.regret.loc[list(known), list(known)]
print(
    f"Not to know the day's volume costs {unknown.mean():.2g} bps on average; to take another day's for it, "
    f"{wrong.to_numpy()[wrong.to_numpy() > 0].mean():.2g}."
)

# ---------------------------------------------------------------------------------------------------------
# 5. What a desk takes away.

print(f"Written: {sure.plan.to_csv(folder / 'schedule.csv')}")
if find_spec("matplotlib"):
    found.plot(folder / "regret.png")
    print(f"Written: {folder / 'regret.png'}")
else:
    print("For the picture: pip install 'acopt[plot]'")

"""
A desk's day on twelve real names: plan, explain, re-plan, round, replay.

Buys and sells of one value, dollar neutral all day, at most 10% of the volume. The plan is made with what was known
before the open; its five most valuable shadow prices are checked by moving each bound and solving again. Then the same
basket against VWAP, and with the opening and closing crosses. At 11:30 part of it is done and the day has 30% more
volume: the rest is planned again, rounded to lots of 100, written, and replayed on the bars of the day.
Without a folder of bars it uses the project's test data where they are, else a synthetic sample, and says which.

Run: python examples/desk_day.py [DIR] [--out FOLDER]
"""

import argparse
import tempfile
from pathlib import Path

import pandas as pd

import acopt as ac
from acopt.interface.sample import sample

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "us_equities"
STOCKS = ["AAPL", "AMT", "AMZN", "BAC", "BK", "JPM", "MSFT", "MU", "SBUX", "TRV", "TSLA", "V"]

arguments = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
arguments.add_argument("dir", nargs="?", type=Path, help="folder of SYMBOL_15min.csv files")
arguments.add_argument("--out", type=Path, help="where schedule.csv goes; a temporary folder by default")
given = arguments.parse_args()
source = given.dir or (DATA if DATA.is_dir() else None)
folder = given.out or Path(tempfile.mkdtemp(prefix="acopt_"))
folder.mkdir(parents=True, exist_ok=True)

# ---------------------------------------------------------------------------------------------------------
# 1. Bars and orders: 5% of the average daily volume in twelve names, all of it known before the day.

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
last = past.close.ffill().iloc[-1][names]
sides = {name: ("sell", "buy")[rank % 2] for rank, name in enumerate(names)}
value = pd.Series({side: sum(average[n] * last[n] for n in names if sides[n] == side) for side in ("sell", "buy")})
quantity = [round(0.05 * average[n] * value.min() / value[sides[n]]) for n in names]
order = ac.Order.from_frame(pd.DataFrame({"symbol": names, "side": sides.values(), "quantity": quantity}))

# ---------------------------------------------------------------------------------------------------------
# 2. The plan: neutral urgency against arrival.


def build(risk: ac.Cost, *, auctions: bool = False) -> ac.ExecutionProblem:
    """Declare the basket on the last session, against arrival or a benchmark, with the crosses or without."""
    grid = ac.TimeGrid.session(day, "15min", auctions=auctions)
    market = ac.Market.from_bars(
        bars,
        grid,
        assets=order.assets,
        history=min(20, len(bars.sessions) - 1),
        spread=ac.bps(1.0),
        impact=ac.AlmgrenEtAl2005(),
        auction_volume={"open": 0.02, "close": 0.08} if auctions else None,
    )
    costs = ac.TemporaryImpact() + ac.PermanentImpact() + ac.SpreadCost() + risk
    rules = [ac.Participation(0.10), ac.Monotone(), ac.DollarNeutral(0.02)]
    return ac.ExecutionProblem(order, market, costs, rules)


problem = build(ac.TimingRisk())
plan = problem.solve_for(risk_price=0.3)
print(plan.summary(), end="\n\n")

# ---------------------------------------------------------------------------------------------------------
# 3. Where a rule costs most, and whether that is so: each bound moved a little both ways, and solved again.

prices = plan.shadow_prices()
print(prices.head().to_string(index=False), end="\n\n")
step, rows = 1e-3, []  # of a point


def moved(price: pd.Series, points: float) -> float:
    """Objective when one asset's cap in one interval is moved by a number of points, and all is solved again."""
    caps = pd.DataFrame(0.10, index=plan.trades.index, columns=plan.trades.columns)
    caps.loc[price["interval"], price["asset"]] += points / 100
    return plan.problem.update(constraints={"Participation": {"maximum": caps}}).solve().objective


for _, price in prices[prices["constraint"] == "Participation"].head(5).iterrows():
    found = (moved(price, -step) - moved(price, step)) / (2 * step)
    rows.append((price["asset"], f"{price['interval']:%H:%M}", price["price"], found, found / price["price"] - 1))
checked = pd.DataFrame(rows, columns=["asset", "from", "shadow price", "finite difference", "apart"])
print("The five most valuable caps, in currency per point of participation:")
print(checked.to_string(index=False, formatters={"apart": "{:.1e}".format}), end="\n\n")

# ---------------------------------------------------------------------------------------------------------
# 4. The same basket judged by VWAP, and with the crosses of the day.

versions = {
    "arrival": plan,
    "against VWAP": build(ac.TrackingRisk(ac.VWAP())).solve_for(risk_price=0.3),
    "arrival, auctions": build(ac.TimingRisk(), auctions=True).solve_for(risk_price=0.3),
    "VWAP, auctions": build(ac.TrackingRisk(ac.VWAP()), auctions=True).solve_for(risk_price=0.3),
}
table = pd.DataFrame(
    {
        name: {
            "cost_bps": version.urgency.cost_bps,
            "risk_bps": version.urgency.risk_bps,
            "in crosses": version.notional[version.setting.grid.auctions].abs().to_numpy().sum()
            / version.setting.gross,
            "relative gap": version.certificate.relative_gap,
        }
        for name, version in versions.items()
    }
).T
print(table.to_string(float_format="{:.3g}".format), end="\n\n")

# ---------------------------------------------------------------------------------------------------------
# 5. 11:30: the desk is behind by a fifth, and the day has 30% more volume than expected.

fills = plan.replay(bars).fills
fills = fills[fills["time"] < pd.Timestamp(f"{day} 11:30", tz=fills["time"].dt.tz)]
fills = fills.assign(quantity=(0.8 * fills["quantity"]).round())
later = plan.reoptimize(at="11:30", executed=fills, volume_scale=1.3)
print(later.cost().round(2).to_string(), end="\n\n")

# ---------------------------------------------------------------------------------------------------------
# 6. In lots of 100, written for the desk, and replayed on the bars of the day.

final = later.round_lots(100, time_limit=5)
print(final.rounding, end="\n\n")
print(final.replay(bars), end="\n\n")
print(f"Written: {final.to_csv(folder / 'schedule.csv')}")

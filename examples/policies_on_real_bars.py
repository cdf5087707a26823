"""
Walk forward: calibrate on the past, trade the next day, and never look ahead.

Each day, five policies trade a basket, buys and sells of 2% of the average daily volume: TWAP, VWAP, the optimum
for impact and risk, the static path that follows E[m/V], and the policy that re-estimates the day's volume every 15
minutes. All they know is the 20 sessions before, and of the day the bars that are over. Printed: what they cost on the
bars of the day, with standard errors, and paired; how far they strayed from each name's VWAP.
Without a folder it uses the project's test data where they are, else a short synthetic sample, and says which.

Run: python examples/policies_on_real_bars.py [DIR] [--days DAYS] [--names NAMES] [--out FOLDER]
"""

import argparse
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

import acopt as ac
from acopt.interface.sample import sample

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "us_equities"

arguments = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
arguments.add_argument("dir", nargs="?", type=Path, help="folder of SYMBOL_15min.csv files, 21 sessions at least")
arguments.add_argument("--days", type=int, default=10, help="how many of the last sessions are traded; 10 by default")
arguments.add_argument("--names", type=int, help="how many of the most active names; by default all that fit")
arguments.add_argument("--out", type=Path, help="where decisions.csv and policies.png go; or a temporary folder")
given = arguments.parse_args()
source = given.dir or (DATA if DATA.is_dir() else None)
folder = given.out or Path(tempfile.mkdtemp(prefix="acopt_"))
folder.mkdir(parents=True, exist_ok=True)

# ---------------------------------------------------------------------------------------------------------
# 1. Bars, and the names that trade in all of them, judged before the first day; the most active come first.

if source is None:
    bars, days, history = sample().bars, min(given.days, 5), 16
    print(f"No real bars: SYMBOL_15min.csv files are expected in {DATA}, or in a folder given as an argument.")
    print(f"Here are {days} days of a synthetic sample, which was never traded, with {history} sessions before them.")
else:
    bars, days, history = ac.read_bars(source / "*_15min.csv", symbol="{symbol}_15min"), given.days, 20
    print(f"Bars from {source}")
if not 1 <= days <= len(bars.sessions) - history:
    raise SystemExit(f"--days {days}: 1 to {len(bars.sessions) - history} have {history} sessions before them")
dates = bars.sessions[-days:]
report = bars.before(dates[0]).report()
usable = report.index[report["has_volume"] & (report["missing_sessions"] + report["no_trade_bars"] == 0)]
first = bars.select(usable).before(dates[0])
active = (first.volume.sum() * first.close.iloc[-1]).sort_values(ascending=False).index
names = list(active[: given.names])
bars = bars.select(names)
print(f"{len(names)} names: {', '.join(names)}")

# ---------------------------------------------------------------------------------------------------------
# 2. One day: what is known before it, the policies, and what they decide as its bars come in.

measured = {}


def make(date):
    grid = ac.TimeGrid.session(date, "15min")
    market = ac.Market.from_bars(bars, grid, history=history, spread=ac.bps(1.0), impact=ac.AlmgrenEtAl2005())
    volume = ac.volume_from_bars(bars, grid, history=history)
    measured[date] = volume.interval.median(), volume.day.median(), 60 * 6.5 * (volume.half_life or 0.0)

    size, sells = (0.02 * market.daily_volume).round(-2), np.arange(len(names)) % 2 == 0
    order = ac.Order(pd.Series(np.where(sells, size, 0.0), names), pd.Series(np.where(sells, 0.0, size), names))
    costs = ac.TemporaryImpact() + ac.PermanentImpact() + ac.SpreadCost() + ac.TimingRisk()
    problem = ac.ExecutionProblem(order, market, costs, [ac.Participation(0.20), ac.Monotone()])
    policies = {
        "vwap": ac.StaticPolicy("vwap"),
        "twap": ac.StaticPolicy("twap"),
        "optimum": ac.StaticPolicy(problem.solve_for(risk_price=0.3)),
        "expected m/V": ac.StaticPolicy(ac.ExpectedVWAP(volume)),
        "adaptive": ac.AdaptiveVWAP(volume),
    }
    day = ac.SimulatedMarket(market, prices=ac.RecordedPrices.from_bars(bars, grid))
    decided = {name: ac.simulate(policy, order, day, 1, 0).average_trades for name, policy in policies.items()}
    return {name: problem.evaluate(trades, name=name) for name, trades in decided.items()}


# ---------------------------------------------------------------------------------------------------------
# 3. All days, executed at the VWAP of each interval.

study = ac.replay_days(bars, dates, make, arrival="day")
print(f"\n{study}")
print("caps broken: of the volume that came. The optimum keeps its cap of the volume expected; the others have none.")
print("\nThe same days, paired, in bps (below 0 is cheaper than VWAP):")
print(study.against("vwap").round(3).to_string())

interval, of_day, half_life = np.mean(list(measured.values()), axis=0)
print(
    f"\nLogs of volumes deviate by {interval:.2f} from interval to interval, with a half-life of {half_life:.0f} "
    f"minutes, and by {of_day:.2f} from day to day (medians of the names)."
)

# ---------------------------------------------------------------------------------------------------------
# 4. How far from each name's VWAP, before impact: squares, averaged over names; days are what is independent.

table = study.table.assign(strayed=study.table["vwap_bps"] - study.table["impact_bps"])
squares = (table.pivot_table(index=["date", "symbol"], columns="plan", values="strayed") ** 2).groupby("date").mean()
squares = squares[study.plans]
error = squares.std() / np.sqrt(days)
gap = squares.sub(squares["vwap"], axis=0)
strayed = pd.DataFrame(
    {
        "rms bps": np.sqrt(squares.mean()),
        "mean square": squares.mean(),
        "s.e.": error,
        "beyond vwap": gap.mean(),
        "s.e. paired": gap.std() / np.sqrt(days),
    }
)
print(f"\nSlippage against the VWAP of each name and day, before impact:\n{strayed.round(2).to_string()}")
mean, spread = strayed.loc["adaptive", ["beyond vwap", "s.e. paired"]]
firm = abs(mean) > 2 * spread
print(
    f"\nTo re-estimate the volume changes the mean square by {mean:+.1f} ± {spread:.1f} bps² against VWAP by the "
    f"expected volume, {'more' if firm else 'not more'} than twice the standard error over {days} days."
)

# ---------------------------------------------------------------------------------------------------------
# 5. What was decided, to the last bit, and a picture.

decisions = pd.concat(
    {(str(date), name): replay.plan.trades.reset_index(drop=True) for (date, name), replay in study.replays.items()},
    names=["date", "policy", "interval"],
)
decisions.to_csv(folder / "decisions.csv", float_format="%.17g")
print(f"Written: {folder / 'decisions.csv'}")
if find_spec("matplotlib"):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    shown = strayed.drop(index=["optimum", "vwap"])
    left.bar(shown.index, shown["beyond vwap"], yerr=shown["s.e. paired"], capsize=4, color="tab:blue")
    for place, (gap, spread) in enumerate(zip(shown["beyond vwap"], shown["s.e. paired"], strict=True)):
        side = max(gap, 0.0) + spread
        left.annotate(f"{gap:+.1f} ± {spread:.1f}", (place, side), (0, 5), textcoords="offset points", ha="center")
    left.axhline(0.0, color="black", linewidth=0.8)
    left.margins(y=0.1)
    left.set_title("Slippage against each name's VWAP, before impact")
    left.set_ylabel("mean square, bps², beyond vwap; one paired s.e.", fontsize="small")
    replays = {name: study.replays[dates[-1], name] for name in study.plans}
    over = replays["adaptive"].volume.cumsum() / replays["adaptive"].volume.sum()
    done = {name: replay.plan.trades.cumsum() / replay.plan.trades.sum() for name, replay in replays.items()}
    name = (over - done["vwap"]).abs().max().idxmax()
    at = over.index.strftime("%H:%M")
    right.plot(at, 100 * (over[name] - done["vwap"][name]).to_numpy(), color="black", label="the day's volume")
    for policy, colour in (("adaptive", "tab:blue"), ("expected m/V", "tab:orange")):
        right.plot(at, 100 * (done[policy][name] - done["vwap"][name]).to_numpy(), color=colour, label=policy)
    right.set_xticks(range(0, len(at), 4), at[::4])
    right.set_title(f"{name} on {dates[-1]}: the name that strayed most")
    right.set_ylabel("% of the order, beyond VWAP by expected volume", fontsize="small")
    right.legend(frameon=False)
    figure.savefig(folder / "policies.png", dpi=120)
    print(f"Written: {folder / 'policies.png'}")
else:
    print("For the picture: pip install 'acopt[plot]'")

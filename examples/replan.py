"""
How a plan is made again in the middle of the day.

A basket of twelve names is planned before the open. At 11:37 part of it was filled, at prices a little worse than on
arrival, and volume runs 30% above what had been expected. The rest is planned again, and the money is told as what was
paid, what the price has moved, and what is to come. At 13:00 the order for one name grows.

Run: python examples/replan.py [--out FOLDER]
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

import acopt as ac

arguments = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
arguments.add_argument("--out", type=Path, help="where fills.csv goes; a temporary folder by default")
folder = arguments.parse_args().out or Path(tempfile.mkdtemp(prefix="acopt_"))
folder.mkdir(parents=True, exist_ok=True)

# ---------------------------------------------------------------------------------------------------------
# Before the open: six names to sell, six to buy, a market factor, volume in the shape of a smile.

rng = np.random.default_rng(11)
names = [f"N{i:02d}" for i in range(12)]
grid = ac.TimeGrid.session("2025-03-31", "15min")
price = pd.Series(rng.uniform(20, 200, 12).round(2), names)
daily = pd.Series(rng.uniform(2e6, 2e7, 12).round(-3), names)
smile = 1.0 + 1.5 * np.linspace(-1, 1, grid.periods) ** 2
volume = pd.DataFrame(np.outer(smile / smile.sum(), daily), grid.labels, names)
risk = ac.FactorModel(pd.DataFrame({"market": 0.011 * price}), [[1.0]], (0.010 * price) ** 2)
market = ac.Market(grid, price, volume=volume, covariance=risk, spread=ac.bps(2), impact=ac.LinearImpact(8))

shares = (daily * 0.05).round(-2)
order = ac.Order.sell(shares[:6]) + ac.Order.buy(shares[6:])
costs = ac.TemporaryImpact() + ac.SpreadCost() + ac.TimingRisk()
rules = [ac.Participation(0.12), ac.Monotone(), ac.DollarNeutral(0.25)]
plan = ac.ExecutionProblem(order, market, costs, rules).solve_for(risk_price=0.3)
print(plan)

# ---------------------------------------------------------------------------------------------------------
# At 11:37: what was done, as the desk's system wrote it. About 80% of the plan, 3 bps worse than arrival.

done = plan.to_frame().set_index("start").loc[:"2025-03-31 11:15"].query("shares > 0").reset_index()
fills = pd.DataFrame(
    {
        "time": done["start"] + pd.Timedelta("4min"),
        "symbol": done["symbol"],
        "side": done["side"],
        "quantity": (done["shares"] * rng.uniform(0.7, 0.9, len(done))).round(),
        "price": (done["price"] * np.where(done["side"] == "buy", 1.0003, 0.9997)).round(4),
    }
)
fills[fills["quantity"] > 0].to_csv(folder / "fills.csv", index=False)

later = plan.reoptimize(at="11:37", executed=folder / "fills.csv", volume_scale=1.3)
print(later)
print(f"\nFrom {later.at:%H:%M}, in currency and in bps of the basket's arrival value:")
print(later.cost().round(1).to_string())

# ---------------------------------------------------------------------------------------------------------
# Without news, nothing moves: the rest of an optimal plan is optimal.

same = plan.reoptimize(at="11:30", executed=plan.trades.loc[:"2025-03-31 11:15"])
moved = float(np.abs(same.path.trades - plan.path.trades).max())
print(
    f"\nWithout news, no trade moves by more than {'a millionth of a share' if moved < 1e-6 else f'{moved:g} shares'}."
)

# ---------------------------------------------------------------------------------------------------------
# At 13:00 the client wants half as much again of the first name sold; the plan in force was followed until then.

first = names[0]
bigger = ac.Order.sell(shares[:6].where(shares.index[:6] != first, 1.5 * shares[first])) + ac.Order.buy(shares[6:])
executed = later.trades.loc[:"2025-03-31 12:45"]
last = later.reoptimize(at="13:00", executed=executed, order=bigger)
left = last.remaining.loc["2025-03-31 13:00"].squeeze()
print(f"\nAfter the change at 13:00, {left[first]:,.0f} shares of {first} are left of {1.5 * shares[first]:,.0f}.")
print(f"Rules broken: {last.rules_broken or 'none'}")

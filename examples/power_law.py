"""
The impact law itself, instead of the line through it: what that changes on twelve real names.

Almgren et al. (2005) measured that a share pays as the 3/5 power of participation. A quadratic program needs a line:
the market's impact model draws it through the law at 10% of volume, and says afterwards what the law would have
charged. `PowerImpact()` takes the law as it stands. Every trade then brings a power cone, Clarabel solves the program,
and the certificate says that it is no quadratic program. Both plans are priced under the law, at three urgencies; then
lines through other points. Without a folder of bars it uses the project's test data where they are, else a synthetic
sample, and says which.

Run: python examples/power_law.py [DIR]
"""

import argparse
from pathlib import Path

import pandas as pd

import acopt as ac
from acopt.interface.sample import sample

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "us_equities"
STOCKS = ["AAPL", "AMT", "AMZN", "BAC", "BK", "JPM", "MSFT", "MU", "SBUX", "TRV", "TSLA", "V"]

arguments = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
arguments.add_argument("dir", nargs="?", type=Path, help="folder of SYMBOL_15min.csv files")
source = arguments.parse_args().dir or (DATA if DATA.is_dir() else None)

# ---------------------------------------------------------------------------------------------------------
# 1. Twelve names, 4% of the average daily volume in each, sold and bought in turn; known before the day.

if source is None:
    bars = sample().bars
    print("No folder of bars: using a synthetic sample, which was never traded.")
else:
    bars = ac.read_bars([source / f"{name}_15min.csv" for name in STOCKS], symbol="{symbol}_15min")
    print(f"Bars from {source}")
day = bars.sessions[-1]
names = list(bars.symbols[:12])
past = bars.before(day)
average = past.volume.groupby(past.starts.date).sum().mean()[names]
side = pd.Series({name: (-1.0, 1.0)[rank % 2] for rank, name in enumerate(names)})
shares = (0.04 * average).round() * side
order = ac.Order(shares.clip(lower=0.0), (-shares).clip(lower=0.0))
grid = ac.TimeGrid.session(day, "15min")


def market(at: float) -> ac.Market:
    """Return what is known, the line drawn through the law at this participation."""
    history = min(20, len(bars.sessions) - 1)
    law = ac.AlmgrenEtAl2005(at=at)
    return ac.Market.from_bars(bars, grid, assets=order.assets, history=history, spread=ac.bps(1.0), impact=law)


def problem(impact: ac.Cost, at: float = 0.10) -> ac.ExecutionProblem:
    """Declare impact, spread and risk, at most 20% of the volume, never against the order."""
    costs = impact + ac.SpreadCost() + ac.TimingRisk()
    return ac.ExecutionProblem(order, market(at), costs, [ac.Participation(0.20), ac.Monotone()])


# ---------------------------------------------------------------------------------------------------------
# 2. The law and its line at three urgencies, both priced under the law.


def worth(plan: ac.Schedule, risk_price: float) -> float:
    """Return E + z Std in bps: what the dial minimises."""
    return float(plan.bps(plan.expected_cost) + risk_price * plan.urgency.risk_bps)


rows = {}
for z in (0.1, 0.3, 1.0):
    law = problem(ac.PowerImpact()).solve_for(risk_price=z)
    line = problem(ac.TemporaryImpact()).solve_for(risk_price=z)
    priced = law.problem.evaluate(line)
    rows[z] = {
        "line says": line.bps(line.expected_cost),
        "law says of it": priced.bps(priced.expected_cost),
        "of the law's plan": law.bps(law.expected_cost),
        "risk, line": line.urgency.risk_bps,
        "risk, law": law.urgency.risk_bps,
        "half done, line": line.urgency.half_life,
        "half done, law": law.urgency.half_life,
        "lost": worth(priced, z) - worth(law, z),
    }
print("\nExpected cost, risk, and what the line loses (bps of notional), by risk price:")
print(pd.DataFrame(rows).T.rename_axis("z").round(3).to_string(), end="\n\n")

# ---------------------------------------------------------------------------------------------------------
# 3. Where the line is drawn matters; the law needs no such choice. At a risk price of 0.3.

law = problem(ac.PowerImpact()).solve_for(risk_price=0.3)
best = worth(law, 0.3)
print(f"At a risk price of 0.3 the law's own plan is worth {best:.4f} bps under the law (cost + 0.3 risk).")
lost = {}
for at in (0.01, 0.03, 0.10, 0.20):
    line = problem(ac.TemporaryImpact(), at).solve_for(risk_price=0.3)
    lost[at] = worth(law.problem.evaluate(line), 0.3) - best
    print(f"A line through the law at {at:>3.0%} of volume loses {lost[at]:.4f} bps, {lost[at] / best:.2%}.")

# ---------------------------------------------------------------------------------------------------------
# 4. The proof, and what it is a proof of: 0.142 sigma |u / V|^0.6 a share, from the published formula.

known = law.setting.market
size = law.trades.abs()
formula = float((0.142 * known.daily_volatility * (size / known.volumes) ** 0.6 * size).to_numpy().sum())
error = abs(law.term_values["PowerImpact"] / formula - 1)
print(f"\nThe plan's impact is the published law's: {error < 1e-12}.")
print(law.certificate)
if min(lost.values()) < 0 or not law.certificate.conic or error > 1e-12:
    raise SystemExit("the plan is not optimal under the law")

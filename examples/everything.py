"""
Everything at once: every kind of cost and every kind of rule in one problem of 30 assets x 28 intervals.

Impact that fades, impact that stays and impact that does neither, spread, jerk, risk by five factors, tracking, alpha;
caps hard and soft, one direction for some, dollars, beta and sectors neutral, no trading at lunch, both crosses. It is
solved and proven, solved again by another solver and by plain CVXPY, its shadow prices are checked by moving bounds,
its file is read back and solved to the same bits, the plan is rounded to lots, and replayed on the bars of its day.
The 30 names are invented and were never traded; with a folder of real bars, those of its names that are known here.

Run: python examples/everything.py [DIR] [--out FOLDER]
"""

import argparse
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import TypeVar

import cvxpy as cp
import numpy as np
import pandas as pd

import acopt as ac

T = TypeVar("T")

SECTORS = {
    "tech": ["AAPL", "MSFT", "MU", "QQQ"],
    "consumer": ["AMZN", "SBUX", "TSLA", "XLP"],
    "finance": ["BAC", "BK", "JPM", "TRV", "V", "AMT"],
    "funds": ["SPY", "VOO", "TZA", "VXXB", "GLD", "SLV"],
}

arguments = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
arguments.add_argument("dir", nargs="?", type=Path, help="folder of SYMBOL_15min.csv files")
arguments.add_argument(
    "--out", type=Path, help="where everything.toml and schedule.csv go; a temporary folder by default"
)
given = arguments.parse_args()
folder = given.out or Path(tempfile.mkdtemp(prefix="acopt_"))
folder.mkdir(parents=True, exist_ok=True)

# ---------------------------------------------------------------------------------------------------------
# 1. Bars: 21 invented sessions of 30 names in five sectors, or those of a folder.


def invented(seed: int = 4) -> tuple[ac.Bars, dict[str, str]]:
    """Bars of 30 names whose returns follow the market, their sector and themselves; and the sector of each."""
    rng = np.random.default_rng(seed)
    sectors = np.repeat(["tech", "bank", "food", "oil", "drug"], 6)
    names = [f"{sector.upper()}{number}" for number, sector in enumerate(sectors, start=1)]
    days = pd.bdate_range("2025-03-03", periods=21)
    stamps = days.repeat(26) + np.tile(pd.timedelta_range("9:30:00", periods=26, freq="15min"), 21)
    member = (sectors[:, None] == np.unique(sectors)).astype(float)
    common = (
        0.010 * rng.normal(size=(546, 1)) * rng.uniform(0.6, 1.5, 30) + 0.007 * rng.normal(size=(546, 5)) @ member.T
    )
    returns = (common + 0.011 * rng.normal(size=(546, 30))) / np.sqrt(26)
    close = np.round(rng.uniform(20.0, 300.0, 30) * np.exp(returns.cumsum(axis=0)), 2)
    wide = 1.0 + 0.0008 * rng.uniform(size=close.shape)
    hour = np.linspace(-1.0, 1.0, 26)
    volume = (
        rng.lognormal(15.5, 0.6, 30) / 26 * np.tile(0.6 + hour**2, 21)[:, None] * rng.lognormal(0, 0.2, close.shape)
    )
    columns = {"open": close, "high": close * wide, "low": close / wide, "close": close, "volume": volume.round()}
    long = {name: values.ravel() for name, values in columns.items()}
    table = pd.DataFrame({"symbol": np.tile(names, 546), "datetime": stamps.repeat(30), **long})
    return ac.read_bars(table, stamp="start"), dict(zip(names, sectors, strict=True))


if given.dir is None:
    bars, sector_of = invented()
    print("30 invented names: nothing here was ever traded.")
else:
    sector_of = {
        name: sector
        for sector, known in SECTORS.items()
        for name in known
        if (given.dir / f"{name}_15min.csv").exists()
    }
    bars = ac.read_bars([given.dir / f"{name}_15min.csv" for name in sector_of], symbol="{symbol}_15min")
    print(f"{len(sector_of)} names with whole 15-minute bars from {given.dir}")
names, day = list(sector_of), bars.sessions[-1]

# ---------------------------------------------------------------------------------------------------------
# 2. The market as it was known before the day: 26 intervals and two crosses, five factors of its returns.

grid = ac.TimeGrid.session(day, "15min", auctions=True)
known = ac.Market.from_bars(
    bars,
    grid,
    assets=names,
    history=min(20, len(bars.sessions) - 1),
    spread=ac.bps(1.0),
    impact=ac.LinearImpact(8.0, permanent_bps=0.5),
    auction_volume={"open": 0.02, "close": 0.08},
)
per_day = known.risk.root @ known.risk.root.T / np.outer(known.prices, known.prices)
values, vectors = np.linalg.eigh(per_day)
factors = pd.DataFrame(vectors[:, -5:] * np.sqrt(values[-5:]), names, [f"factor {f}" for f in range(5, 0, -1)])
own = pd.Series(np.diag(per_day) - (factors**2).sum(axis=1), names)
risk = ac.FactorModel.from_returns(
    factors,
    pd.DataFrame(np.eye(5), factors.columns, factors.columns),
    own,
    known.price,
    scale=pd.Series(known.risk.scale[:, 0], grid.labels),
)
market = ac.Market(grid, known.price, volume=known.volume, covariance=risk, spread=known.spread, impact=known.impact)
beta = pd.Series(per_day.mean(axis=0) / per_day.mean(), names)

# ---------------------------------------------------------------------------------------------------------
# 3. The order: up to 5% of a day's volume, sells and buys in turn, moved as little as makes it neutral.

daily = pd.Series(known.daily_volume, names) * known.price
value = 0.05 * daily * np.resize([1.0, -1.0], len(names))
neutral = pd.get_dummies(pd.Series(sector_of)).astype(float).assign(beta=beta)
flexible = neutral.mul(value**2, axis=0)
value -= flexible @ np.linalg.solve(neutral.T @ flexible, neutral.T @ value)
shares = (value / known.price).round(-2)
order = ac.Order.from_frame(
    pd.DataFrame(
        {"symbol": names, "side": np.where(shares > 0, "sell", "buy"), "quantity": shares.abs().to_numpy(dtype=float)}
    )
)
sells = list(shares.index[shares > 0])

# ---------------------------------------------------------------------------------------------------------
# 4. The problem: eight costs, and seven rules of which one is soft.

fading = 2e-4 * known.price / (0.01 * daily / known.price)  # 1% of a day's volume moves the price by 2 bps
view = pd.Series(np.random.default_rng(5).normal(0.0, 5.0, len(names)), names)
costs = [
    ac.TransientImpact(ac.ExponentialDecay(half_life="45min"), fading, trade_at="middle"),
    ac.TemporaryImpact(),
    ac.PermanentImpact(own="full"),  # a trade does not pay its own move: concave, lent to what is convex
    ac.SpreadCost(),
    ac.Jerk(scale="15min"),
    ac.Alpha.from_bps(view, half_life="2h"),
    1e-7 * ac.TrackingRisk(ac.VWAP()),
    ac.TimingRisk(),
]
rules = [
    ac.Participation(0.10),
    ac.Participation(0.05, penalty_bps=5.0, name="calm"),  # beyond 5% each share costs 5 bps more
    ac.Monotone(assets=sells),
    ac.DollarNeutral(0.0005),
    ac.FactorNeutral(beta.rename("beta"), 0.0005),
    ac.GroupNeutral(sector_of, 0.001),
    ac.NoTrade(during=("12:00", "13:00")),
]
turned = ac.ExecutionProblem(order, market, sum(costs), rules).solve_for(risk_price=0.6, term="TimingRisk")

# ---------------------------------------------------------------------------------------------------------
# 5. Declared and solved with nothing known, asked of a second solver, and again with 10% more volume.

took = {}


def timed(what: str, action: Callable[[], T]) -> T:
    """Return what the action returns, and keep how long it took."""
    start = perf_counter()
    found = action()
    took[what] = perf_counter() - start
    return found


problem = timed("declare", lambda: ac.ExecutionProblem(order, market, turned.problem.objective, rules))
plan = timed("solve", problem.solve)
more = ac.what_if(market, volume=1.1)
busier = timed("update and solve again", lambda: problem.copy().update(market=more).solve())
checked = timed("solve with cross-check", lambda: problem.solve(cross_check=True))
print(plan.summary(), end="\n\n")
print(f"with 10% more volume: {busier.certificate}")
print(f"cross-check: {checked.certificate.cross_check}\n")


def plain() -> str:
    """What CVXPY and Clarabel make of the same problem as it was declared, in shares and currency."""
    asked = problem.cvxpy_problem
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            off = asked.solve(solver="CLARABEL") / plan.objective - 1.0
        except cp.error.SolverError:
            return "gives up"
    return f"says {asked.status}, the objective {off:+.1e} off"


said = timed("plain CVXPY", plain)
print(", ".join(f"{what} {seconds:.2f} s" for what, seconds in took.items()))
print(f"Clarabel through plain CVXPY {said}, after {took['plain CVXPY'] / took['solve']:.1f} times as long\n")

# ---------------------------------------------------------------------------------------------------------
# 6. What the bounds are worth, and whether that is so: each moved a little both ways, and all solved again.

bounds = plan.shadow_prices()
print(bounds.head().to_string(index=False), end="\n\n")
compared, crosses = [], plan.trades.index[grid.auctions]


def compare(what: str, price: float, rule: str, field: str, moved: Callable[[float], object]) -> None:
    """Put a price beside the central difference of two solves, a thousandth of its unit to both sides."""
    low, high = (
        problem.copy().update(constraints={rule: {field: moved(by)}}).solve().objective for by in (-1e-3, 1e-3)
    )
    found = (low - high) / 2e-3
    compared.append((what, price, found, abs(found / price - 1)))


for _, cell in bounds[bounds["constraint"] == "Participation"].head(5).iterrows():
    point = pd.DataFrame(0.0, index=plan.trades.index, columns=names)
    point.loc[cell["interval"], cell["asset"]] = 0.01
    when = "in the cross" if cell["interval"] in crosses else f"from {cell['interval']:%H:%M}"
    label = f"{cell['asset']}'s cap {when}, one point"
    compare(label, cell["price"], "Participation", "maximum", lambda by, point=point: 0.10 + by * point)
by_rule = plan.shadow_prices(by="constraint").set_index("constraint")["price"]
for rule, part in {"DollarNeutral": 0.0005, "FactorNeutral": 0.0005, "GroupNeutral": 0.001}.items():
    limit = part * plan.setting.gross
    label = f"{rule}, all day, 100,000"
    compare(label, 1e5 * by_rule[rule], rule, "tolerance", lambda by, limit=limit: limit + 1e5 * by)
table = pd.DataFrame(compared, columns=["bound", "shadow price", "central difference", "apart"])
print(table.to_string(index=False, formatters={"apart": "{:.1e}".format}))
print(f"Shadow prices and central differences are at most {table['apart'].max():.1e} apart.\n")
if table["apart"].max() > 1e-4:
    raise SystemExit("a bound should be worth what moving it saves")

# ---------------------------------------------------------------------------------------------------------
# 7. The file: the same problem, the same hash, and solved cold, the same bits.

path = ac.save_problem(problem, folder / "everything.toml")
again = ac.load_problem(path).problem()
print(f"Written: {path}, {path.stat().st_size / 1e3:.0f} kB")
same_hash = again.content_hash() == problem.content_hash()
same_bits = np.array_equal(again.solve().trades, plan.trades)
print(f"{problem.content_hash()}; read back: {'the same' if same_hash else 'another'}")
print(f"Solved cold: {'the same trades to the last bit' if same_bits else 'other trades'}\n")
if not same_hash or not same_bits:
    raise SystemExit("a problem read from its file should be the problem that was written")

# ---------------------------------------------------------------------------------------------------------
# 8. In lots of 100, and on the bars of the day.

final = plan.round_lots(100, time_limit=5)
print(final.rounding, end="\n\n")
print(final.replay(bars), end="\n\n")
print(f"Written: {final.to_csv(folder / 'schedule.csv')}")

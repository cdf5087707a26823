"""Every public function and constructor with arguments that are valid, to be replaced by others one by one."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import builders
import cvxpy as cp
import numpy as np
import pandas as pd
from fuzzed_junk import EDGES, NAMES, junk

import acopt as ac
from acopt.interface.sample import sample

BY_ASSET = {"A": 1.0, "B": 2.0, "C": 3.0}


class Call(NamedTuple):
    """A function, its arguments by name, and what is done with the answer."""

    function: Callable[..., Any]
    arguments: dict[str, Callable[[], Any]]
    use: Callable[[Any], Any] = lambda answer: repr(answer)


def grid() -> ac.TimeGrid:
    return ac.TimeGrid([*EDGES, 1.0])


def market(**changes: Any) -> ac.Market:
    return builders.market(grid(), **changes)


def problem(costs: Any = None, rules: Any = (), on: Any = None, order: Any = None) -> ac.ExecutionProblem:
    costs = ac.TemporaryImpact() + ac.SpreadCost() + 1e-6 * ac.TimingRisk() if costs is None else costs
    return ac.ExecutionProblem(order or builders.order("both sides"), on or market(), costs, rules)


def even() -> ac.ExecutionProblem:
    """A problem that reduces to the closed form."""
    return problem(on=market(volume=table(1e5)))


@cache
def bars() -> ac.Bars:
    return sample().bars


@cache
def daily() -> ac.Bars:
    """The same bars, one a day."""
    long = pd.concat([rows_of(name) for name in bars().symbols])
    days = long.assign(datetime=long["datetime"].str[:10]).groupby(["symbol", "datetime"], as_index=False)
    return ac.read_bars(days.agg({"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}))


@cache
def asked() -> ac.ExecutionProblem:
    """A problem with rules and a budget, solved on paper and in the dial."""
    return problem(ac.TemporaryImpact() + ac.SpreadCost() + ac.TimingRisk(), [ac.Participation(0.9), ac.Monotone()])


@cache
def traded() -> ac.ExecutionProblem:
    """A problem on the sample's last session."""
    on = ac.TimeGrid.session("2025-03-31", "1h30min", start="10:00", end="16:00")
    made = ac.Market.from_bars(bars(), on, impact=ac.LinearImpact(8.0), spread=ac.bps(2))
    return ac.ExecutionProblem(sample().order, made, ac.TemporaryImpact() + ac.SpreadCost(), [ac.Participation(0.9)])


@cache
def plan() -> ac.Schedule:
    return problem(rules=[ac.Participation(0.9), ac.Monotone()]).solve()


@cache
def day() -> ac.Schedule:
    return traded().solve()


def solved(question: ac.ExecutionProblem) -> ac.Schedule:
    """Solve, and hold the certificate against the contract."""
    answer = question.solve()
    return held(answer)


def held(answer: ac.Schedule) -> ac.Schedule:
    proof = answer.certificate
    if proof is not None and not (proof.gap <= proof.tolerance and proof.violation <= 1e-9):
        raise AssertionError(f"outside the contract: {proof!r}")
    repr(answer)
    answer.summary()
    return answer


def as_cost(cost: Any) -> Any:
    repr(cost)
    return solved(problem(ac.TemporaryImpact() + cost))


def as_risk(cost: Any) -> Any:
    return as_cost(1e-6 * cost)


def as_rule(rule: Any) -> Any:
    repr(rule)
    return solved(problem(rules=[rule]))


def as_market(made: Any) -> Any:
    repr(made)
    return solved(
        problem(ac.TemporaryImpact() + ac.PermanentImpact() + ac.SpreadCost() + 1e-6 * ac.TimingRisk(), on=made)
    )


def as_impact(law: Any) -> Any:
    repr(law)
    costs = ac.TemporaryImpact() + ac.PermanentImpact()
    return solved(problem(costs, on=market(impact=law)))


def as_covariance(made: Any) -> Any:
    return solved(problem(on=market(covariance=made)))


def as_order(made: Any) -> Any:
    repr(made)
    prices = pd.Series(20.0, made.assets)
    on = ac.Market(grid(), prices, volume=1e5, impact=ac.LinearImpact(5.0))
    return solved(ac.ExecutionProblem(made, on, ac.TemporaryImpact()))


def as_grid(made: Any) -> Any:
    repr(made)
    if made.periods > 400:
        return None
    on = ac.Market(made, 20.0, volume=1e5, covariance=0.01, impact=ac.LinearImpact(5.0))
    return solved(ac.ExecutionProblem(ac.Order(100.0), on, ac.TemporaryImpact() + 1e-6 * ac.TimingRisk()))


def as_kernel(kernel: Any) -> Any:
    repr(kernel)
    return as_cost(ac.TransientImpact(kernel, {"A": 1e-6, "B": 1e-5, "C": 1e-6}))


def as_plan(answer: Any) -> Any:
    return held(answer)


def as_benchmark(made: Any) -> Any:
    repr(made)
    return as_risk(ac.TrackingRisk(made))


def as_problem(made: Any) -> Any:
    repr(made)
    made.to_toml()
    made.content_hash()
    return solved(made)


def as_text(answer: Any) -> Any:
    return str(answer)


def scratch() -> None:
    """A path is chosen when the call is drawn."""


def series(scale: float = 1.0) -> pd.Series:
    return pd.Series(BY_ASSET) * scale


def table(value: float) -> pd.DataFrame:
    return pd.DataFrame(value, EDGES, NAMES)


def sigma() -> pd.DataFrame:
    return pd.DataFrame(builders.correlated([0.4, 8.0, 1.1]), NAMES, NAMES)


def factors() -> pd.DataFrame:
    return pd.DataFrame({"m": [1.0, 1.1, 0.9], "s": [0.5, -0.5, 0.1]}, NAMES)


COMMON: dict[str, Callable[[], Any]] = {
    "name": lambda: "my rule",
    "assets": lambda: ["A", "B"],
    "during": lambda: (0.25, 0.75),
}
SOFT = {**COMMON, "penalty_bps": lambda: 20.0}
NAMED: dict[str, Callable[[], Any]] = {"name": lambda: "mine"}

COSTS = {
    "TemporaryImpact": Call(
        ac.TemporaryImpact, {"eta": lambda: series(1e-6), "auction": lambda: None, **NAMED}, as_cost
    ),
    "PermanentImpact": Call(
        ac.PermanentImpact, {"gamma": lambda: series(1e-9), "own": lambda: "half", **NAMED}, as_cost
    ),
    "SpreadCost": Call(ac.SpreadCost, {"half_spread": lambda: series(0.01), **NAMED}, as_cost),
    "PowerImpact": Call(
        ac.PowerImpact,
        {"coefficient": lambda: series(1e-4), "exponent": lambda: 0.5, "auction": lambda: None, **NAMED},
        as_cost,
    ),
    "TimingRisk": Call(ac.TimingRisk, {"covariance": sigma, **NAMED}, as_risk),
    "TrackingRisk": Call(ac.TrackingRisk, {"benchmark": ac.TWAP, "covariance": sigma, **NAMED}, as_risk),
    "Smoothness": Call(
        ac.Smoothness, {"derivative": lambda: 1, "scale": lambda: 0.1, "weight": lambda: None, **NAMED}, as_cost
    ),
    "Jerk": Call(ac.Jerk, {"scale": lambda: None, "weight": lambda: series(1e-6), **NAMED}, as_cost),
    "Alpha": Call(ac.Alpha, {"drift": lambda: table(0.01), **NAMED}, as_cost),
    "Alpha.from_bps": Call(ac.Alpha.from_bps, {"bps": lambda: series(), "half_life": lambda: 0.3, **NAMED}, as_cost),
    "TransientImpact": Call(
        ac.TransientImpact,
        {
            "kernel": lambda: ac.ExponentialDecay(rate=2.0),
            "strength": lambda: series(1e-6),
            "trade_at": lambda: "end",
            **NAMED,
        },
        as_cost,
    ),
    "CustomCost": Call(
        ac.CustomCost,
        {"function": lambda: lambda p: 1e-9 * cp.sum_squares(p.trades), "kind": lambda: "money", **NAMED},
        as_cost,
    ),
    "WorstCase": Call(
        ac.WorstCase,
        {
            "objective": lambda: ac.TemporaryImpact() + ac.SpreadCost(),
            "markets": lambda: {"one": market(), "two": market(seed=5)},
            "less": lambda: {"one": 10.0, "two": 20.0},
            **NAMED,
        },
        as_cost,
    ),
}
RULES = {
    "Participation": Call(
        ac.Participation, {"maximum": lambda: series(0.3), "minimum": lambda: 0.001, **SOFT}, as_rule
    ),
    "TradeRate": Call(ac.TradeRate, {"lower": lambda: -1e6, "upper": lambda: series(1e6), **SOFT}, as_rule),
    "TradeSize": Call(ac.TradeSize, {"lower": lambda: -1e6, "upper": lambda: table(1e6), **SOFT}, as_rule),
    "Monotone": Call(ac.Monotone, SOFT, as_rule),
    "NoTrade": Call(ac.NoTrade, SOFT, as_rule),
    "Complete": Call(ac.Complete, {"name": lambda: "all of it"}, as_rule),
    "AllowUnfilled": Call(ac.AllowUnfilled, {"penalty_bps": lambda: series(), "name": lambda: "open"}, as_rule),
    "HoldingBounds": Call(ac.HoldingBounds, {"lower": lambda: -1e6, "upper": lambda: table(1e6), **SOFT}, as_rule),
    "DollarNeutral": Call(ac.DollarNeutral, {"tolerance": lambda: 0.9, "of": lambda: "remaining", **SOFT}, as_rule),
    "FactorNeutral": Call(
        ac.FactorNeutral,
        {"exposures": factors, "tolerance": lambda: {"m": 0.9, "s": 1e6}, "of": lambda: "remaining", **SOFT},
        as_rule,
    ),
    "GroupNeutral": Call(
        ac.GroupNeutral,
        {"groups": lambda: {"A": "x", "B": "x", "C": "y"}, "tolerance": lambda: 0.9, "of": lambda: "holdings", **SOFT},
        as_rule,
    ),
    "CashBalance": Call(
        ac.CashBalance, {"lower": lambda: -1e9, "upper": lambda: pd.Series(1e9, EDGES), **SOFT}, as_rule
    ),
    "CustomConstraint": Call(ac.CustomConstraint, {"function": lambda: lambda p: p.trades <= 1e6, **NAMED}, as_rule),
    "UnderMarket": Call(
        ac.UnderMarket,
        {"rule": lambda: ac.Participation(0.9), "market": lambda: market(seed=5), "name": lambda: "bad day"},
        as_rule,
    ),
    "Budget": Call(ac.Budget, {"cost": ac.TimingRisk, "limit": lambda: ac.bps(60), "name": lambda: "cap"}, as_rule),
    "cost <= limit": Call(
        lambda limit: ac.SpreadCost() + ac.TemporaryImpact() <= limit, {"limit": lambda: 1e6}, as_rule
    ),
    "cost * weight": Call(lambda weight: ac.SpreadCost() * weight, {"weight": lambda: 2.0}, as_cost),
    "cost / weight": Call(lambda weight: ac.SpreadCost() / weight, {"weight": lambda: 2.0}, as_cost),
    "cost + other": Call(lambda other: ac.SpreadCost() + other, {"other": ac.SpreadCost}),
}
MARKETS = {
    "Order": Call(ac.Order, {"initial": lambda: series(1e3), "target": lambda: {"A": 10.0, "D": 50.0}}, as_order),
    "Order.sell": Call(ac.Order.sell, {"quantities": lambda: series(1e3)}, as_order),
    "Order.buy": Call(ac.Order.buy, {"quantities": lambda: dict(BY_ASSET)}, as_order),
    "Order.hedge": Call(ac.Order.hedge, {"assets": lambda: ["A", "B"]}, as_order),
    "Order.from_frame": Call(
        ac.Order.from_frame,
        {
            "source": lambda: pd.DataFrame({"s": ["A", "B"], "d": ["buy", "sell"], "n": [1e3, "2,000"]}),
            "symbol": lambda: "s",
            "side": lambda: "d",
            "notional": lambda: "n",
            "price": lambda: series(),
        },
        as_order,
    ),
    "order + other": Call(lambda other: ac.Order.sell(BY_ASSET) + other, {"other": lambda: ac.Order.buy({"D": 3})}),
    "TimeGrid": Call(
        ac.TimeGrid,
        {
            "edges": lambda: [0.0, 0.5, 1.0],
            "unit": lambda: "hour",
            "closed": lambda: np.array([True, False]),
            "auctions": lambda: None,
            "timestamps": lambda: pd.date_range("2019-02-15 10:00", periods=3, freq="h"),
            "session": lambda: "6.5h",
        },
        as_grid,
    ),
    "TimeGrid.uniform": Call(
        ac.TimeGrid.uniform, {"horizon": lambda: 1.0, "periods": lambda: 5, "unit": lambda: "day"}, as_grid
    ),
    "TimeGrid.session": Call(
        ac.TimeGrid.session,
        {
            "date": lambda: "2019-02-15",
            "bar": lambda: "30min",
            "start": lambda: "10:00",
            "end": lambda: "16:00",
            "auctions": lambda: "close",
            "calendar": lambda: None,
            "lunch": lambda: None,
            "open": lambda: "09:30",
            "close": lambda: "16:00",
            "tz": lambda: "UTC",
        },
        lambda made: repr(made),
    ),
    "TimeGrid.session, calendar": Call(
        ac.TimeGrid.session,
        {"date": lambda: "2019-02-15", "bar": lambda: "30min", "calendar": lambda: "XNYS"},
        as_grid,
    ),
    "TimeGrid.sessions": Call(
        ac.TimeGrid.sessions,
        {
            "first": lambda: "2019-02-14",
            "last": lambda: "2019-02-15",
            "bar": lambda: "1h30min",
            "overnight": lambda: 0.3,
            "dates": lambda: ["2019-02-14", "2019-02-15"],
            "start": lambda: "10:00",
            "end": lambda: "16:00",
        },
        as_grid,
    ),
    "TimeGrid.from_timestamps": Call(
        ac.TimeGrid.from_timestamps,
        {
            "edges": lambda: ["2019-02-14 10:00", "2019-02-14 11:00", "2019-02-15 11:00"],
            "overnight": lambda: 0.3,
            "open": lambda: "09:30",
            "close": lambda: "16:00",
            "tz": lambda: "UTC",
        },
        as_grid,
    ),
    "grid.duration": Call(lambda value: grid().duration(value), {"value": lambda: "20min"}),
    "grid.position": Call(lambda time: traded().market.grid.position(time), {"time": lambda: "11:30"}),
    "grid.interval": Call(lambda time: grid().interval(time), {"time": lambda: 0.25}),
    "grid.window": Call(lambda during: traded().market.grid.window(during), {"during": lambda: ("11:30", "14:30")}),
    "grid.crosses": Call(lambda which: grid().crosses(which), {"which": lambda: "open"}),
    "Market": Call(
        ac.Market,
        {
            "grid": grid,
            "price": lambda: pd.Series(builders.PRICES),
            "volume": lambda: table(1e5),
            "covariance": sigma,
            "spread": lambda: series(0.01),
            "impact": lambda: ac.LinearImpact(5.0),
            "notes": lambda: ["a note"],
        },
        as_market,
    ),
    "Market.select": Call(lambda assets: market().select(assets), {"assets": lambda: ["B", "A"]}),
    "Market.from_bars": Call(
        lambda **given: ac.Market.from_bars(bars(), **given),
        {
            "grid": lambda: traded().market.grid,
            "assets": lambda: ["ALFA", "BRAVO"],
            "history": lambda: 10,
            "asof": lambda: "2025-03-28",
            "price": lambda: {"ALFA": 200.0, "BRAVO": 90.0},
            "spread": lambda: ac.bps(2),
            "impact": lambda: ac.AlmgrenEtAl2005(),
            "daily": lambda: None,
            "auction_volume": lambda: None,
        },
    ),
    "bps": Call(ac.bps, {"value": lambda: series()}, lambda made: as_market(market(spread=made))),
    "what_if": Call(
        ac.what_if,
        {
            "market": market,
            "volume": lambda: 0.5,
            "volatility": lambda: 2.0,
            "spread": lambda: 1.5,
            "impact": lambda: 2.0,
        },
        as_market,
    ),
    "Covariance": Call(ac.Covariance, {"matrix": sigma, "scale": lambda: series()}, as_covariance),
    "Covariance.diagonal": Call(
        ac.Covariance.diagonal, {"volatility": lambda: series(), "scale": lambda: table(1.0)}, as_covariance
    ),
    "Covariance.from_returns": Call(
        ac.Covariance.from_returns,
        {"returns": lambda: sigma() * 1e-4, "price": lambda: series(), "per": lambda: "year", "scale": lambda: 1.0},
        as_covariance,
    ),
    "FactorModel": Call(
        ac.FactorModel,
        {
            "loadings": factors,
            "factor_covariance": lambda: np.eye(2),
            "specific_variance": lambda: series(),
            "scale": lambda: None,
        },
        as_covariance,
    ),
    "FactorModel.from_returns": Call(
        ac.FactorModel.from_returns,
        {
            "loadings": factors,
            "factor_covariance": lambda: pd.DataFrame(np.eye(2), ["m", "s"], ["m", "s"]),
            "specific_variance": lambda: series(),
            "price": lambda: series(),
            "per": lambda: "day",
            "scale": lambda: pd.Series(1.0, EDGES),
        },
        as_covariance,
    ),
    "LinearImpact": Call(
        ac.LinearImpact, {"bps": lambda: series(), "at": lambda: 0.1, "permanent_bps": lambda: 0.5}, as_impact
    ),
    "SquareRootImpact": Call(ac.SquareRootImpact, {"coefficient": lambda: series(), "at": lambda: 0.1}, as_impact),
    "AlmgrenEtAl2005": Call(
        ac.AlmgrenEtAl2005, {"at": lambda: 0.1, "shares_outstanding": lambda: series(1e5)}, as_impact
    ),
    "ImpactCoefficients": Call(
        ac.ImpactCoefficients,
        {"eta": lambda: table(1e-6), "gamma": lambda: series(1e-9), "auction": lambda: None},
        as_impact,
    ),
    "ExponentialDecay": Call(ac.ExponentialDecay, {"half_life": lambda: "30min"}, as_kernel),
    "ExponentialDecay, rate": Call(ac.ExponentialDecay, {"rate": lambda: 2.0}, as_kernel),
    "PowerLawDecay": Call(ac.PowerLawDecay, {"exponent": lambda: 0.5, "scale": lambda: "5min"}, as_kernel),
    "LinearDecay": Call(ac.LinearDecay, {"rate": lambda: 0.5}, as_kernel),
    "TWAP": Call(ac.TWAP, {"start": lambda: 0.25, "end": lambda: 0.75}, as_benchmark),
    "VWAP": Call(ac.VWAP, {"start": lambda: 0.25, "end": lambda: None}, as_benchmark),
    "read_bars": Call(
        ac.read_bars,
        {
            "paths_or_frame": lambda: rows().rename(columns={"datetime": "when"}),
            "symbol": lambda: None,
            "columns": lambda: {"datetime": "when"},
            "stamp": lambda: "start",
            "session": lambda: ("09:30", "16:00"),
            "tz": lambda: "America/New_York",
        },
    ),
    "bars.before": Call(lambda asof: bars().before(asof), {"asof": lambda: "2025-03-20"}),
    "bars.on": Call(lambda dates: bars().on(dates), {"dates": lambda: ["2025-03-20"]}),
    "bars.select": Call(lambda symbols: bars().select(symbols), {"symbols": lambda: ["ALFA"]}),
    "bars.coverage": Call(lambda daily: bars().coverage(daily), {"daily": daily}),
}
DIALS: dict[str, Callable[[], Any]] = {
    "risk_price": lambda: 0.3,
    "risk_bps": lambda: 5.0,
    "cost_bps": lambda: 8.0,
    "half_life": lambda: 0.2,
    "finish": lambda: 0.75,
    "pov": lambda: 0.1,
}
QUESTIONS = {
    "ExecutionProblem": Call(
        ac.ExecutionProblem,
        {
            "order": lambda: builders.order("both sides"),
            "market": market,
            "objective": lambda: ac.TemporaryImpact() + ac.SpreadCost(),
            "constraints": lambda: [ac.Participation(0.9), ac.Monotone()],
        },
        as_problem,
    ),
    "solve": Call(
        lambda **given: problem().solve(**given),
        {
            "solver": lambda: "OSQP",
            "tolerance": lambda: 1e-6,
            "fallback": lambda: ("CLARABEL",),
            "cross_check": lambda: False,
        },
        as_plan,
    ),
    "solve_at": Call(
        lambda **given: asked().solve_at(**given), {"term": lambda: "TimingRisk", "weight": lambda: 1e-6}, as_plan
    ),
    **{
        f"solve_for {dial}": Call(
            lambda **given: asked().solve_for(**given), {"term": lambda: "TimingRisk", dial: target}, as_plan
        )
        for dial, target in DIALS.items()
    },
    "evaluate": Call(
        lambda **given: problem().evaluate(**given),
        {"trades": lambda: ac.twap(problem()).trades, "name": lambda: "mine"},
        lambda answer: answer.summary(),
    ),
    "frontier": Call(
        lambda **given: asked().frontier(**given),
        {"points": lambda: 3, "term": lambda: "TimingRisk"},
        lambda a: repr(a.table),
    ),
    "without": Call(lambda name: plan().problem.without(name), {"name": lambda: "Participation"}, solved),
    "with_history": Call(
        lambda **given: plan().problem.with_history(**given),
        {"executed": lambda: np.array([[-1000.0, 50.0, -10.0]]), "order": lambda: None, "market": market},
        solved,
    ),
}
ANSWERS = {
    "compare": Call(ac.compare, {"problem": problem, "plans": lambda: [plan(), "twap", "vwap", ac.pov(0.1)]}, as_text),
    "twap": Call(ac.twap, {"problem": problem, "start": lambda: 0.25, "end": lambda: 0.75}, lambda a: a.summary()),
    "vwap": Call(ac.vwap, {"problem": problem, "start": lambda: 0.25, "end": lambda: None}, lambda a: a.summary()),
    "pov": Call(
        lambda problem, **given: ac.compare(problem, [ac.pov(**given)]),
        {"problem": problem, "rate": lambda: 0.1, "start": lambda: 0.25, "end": lambda: None},
    ),
    "immediate": Call(ac.immediate, {"problem": problem}, lambda a: a.summary()),
    "almgren_chriss": Call(ac.almgren_chriss, {"problem": even, "risk_aversion": lambda: 1e-6}, lambda a: a.summary()),
    "regret": Call(
        ac.regret,
        {"problem": problem, "scenarios": lambda: {"a": market(), "b": market(seed=5)}, "rules": lambda: "all"},
        as_text,
    ),
    "robust": Call(
        ac.robust,
        {
            "problem": problem,
            "scenarios": lambda: {"a": market(), "b": market(seed=5)},
            "regret": lambda: True,
            "rules": lambda: "all",
        },
        as_text,
    ),
    "reoptimize": Call(
        lambda **given: plan().reoptimize(**given),
        {
            "at": lambda: 0.5,
            "executed": lambda: pd.Series({"A": -3000.0, "B": 100.0, "C": -500.0}),
            "market": lambda: market(seed=5),
            "volume_scale": lambda: 1.3,
            "order": lambda: builders.order("both sides"),
        },
        lambda a: str(held(a).cost()),
    ),
    "reoptimize, off the edges": Call(
        lambda **given: day().reoptimize(**given),
        {
            "at": lambda: "11:10",
            "executed": lambda: pd.Series(0.0, day().setting.assets),
            "market": lambda: None,
            "volume_scale": lambda: None,
            "order": lambda: None,
        },
        lambda a: str(held(a).cost()),
    ),
    "round_lots": Call(
        lambda **given: plan().round_lots(**given),
        {"lot": lambda: series(10.0), "tolerance": lambda: 1e-3, "time_limit": lambda: 0.2},
        as_text,
    ),
    "replay": Call(
        lambda **given: day().replay(**given),
        {"bars": bars, "impact": lambda: "model", "fill": lambda: "vwap", "arrival": lambda: "plan"},
        lambda a: str(a.table),
    ),
    "replay_days": Call(
        ac.replay_days,
        {
            "bars": bars,
            "dates": lambda: ["2025-03-31"],
            "make": lambda: lambda date: day(),
            "impact": lambda: None,
            "fill": lambda: "vwap",
            "arrival": lambda: "plan",
        },
        lambda a: str(a.table),
    ),
    "shadow_prices": Call(lambda by: plan().shadow_prices(by), {"by": lambda: "asset"}, as_text),
    "attribution": Call(lambda by: plan().attribution(by), {"by": lambda: "asset"}, as_text),
    "at_price": Call(lambda risk_price: front().at_price(risk_price), {"risk_price": lambda: 0.3}, as_text),
    "to_csv": Call(lambda path: plan().to_csv(path), {"path": scratch}),
}
FILES = {
    "save_problem": Call(
        ac.save_problem,
        {"problem": problem, "path": scratch, "name": lambda: "x", "title": lambda: "y", "source": lambda: "z"},
    ),
    "load_problem": Call(ac.load_problem, {"name_or_path": lambda: "basket", "custom": lambda: False}),
}
CALLS = {**COSTS, **RULES, **MARKETS, **QUESTIONS, **ANSWERS, **FILES}


@cache
def front() -> ac.Frontier:
    return asked().frontier(3)


def rows_of(name: str) -> pd.DataFrame:
    days = bars()
    stamps = days.starts.strftime("%Y-%m-%d %H:%M:%S")
    numbers = {field: getattr(days, field)[name].array for field in ("open", "high", "low", "close", "volume")}
    return pd.DataFrame({"symbol": name, "datetime": stamps, **numbers})


@cache
def _rows() -> pd.DataFrame:
    long = pd.concat([rows_of("ALFA"), rows_of("BRAVO")], ignore_index=True)
    return long[long["datetime"] < "2025-03-07"].reset_index(drop=True)


def rows() -> pd.DataFrame:
    """Rows of bars of two symbols and four days."""
    return _rows().copy()


def drawn(rng: Random, family: dict[str, Call], folder: Path) -> tuple[str, Callable[[], Any]]:
    """A call with one to three arguments of junk; what it says of itself, and what does it."""
    name = rng.choice(list(family))
    call = family[name]
    wrong = rng.sample(list(call.arguments), min(rng.choice([1, 1, 1, 2, 3]), len(call.arguments)))
    given = {key: junk(make(), rng) if key in wrong else make() for key, make in call.arguments.items()}
    if "path" in given:  # nothing may be written but in the folder
        given["path"] = rng.choice(
            [None, 3, "\0", folder, folder / "x" / "y", folder / "x.toml", [], 1.5, folder / ("x" * 300)]
        )
    said = f"{name}({', '.join(f'{key}={given[key]!r:.80}' for key in wrong)})".replace("\n", " ")

    def act() -> Any:
        return call.use(call.function(**given))

    return said, act

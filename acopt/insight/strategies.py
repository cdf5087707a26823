"""Benchmark schedules, priced by the same problem as the optimum, and the table that compares them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from acopt.errors import DataError, ModelError
from acopt.insight.closed_form import DoesNotReduce, reduction
from acopt.market.clock import TimeLike
from acopt.market.labels import Array, Data, demand, numbers, short
from acopt.model.algebra import Term
from acopt.model.benchmarks import TWAP, VWAP, after_history, spread_out, tradable, where_tradable
from acopt.model.frames import time_of_fraction
from acopt.model.problem import ExecutionProblem
from acopt.model.schedule import FINISHED, Pricing, Schedule

__all__ = ["POV", "almgren_chriss", "compare", "immediate", "pov", "time_done", "twap", "vwap"]

Strategy: TypeAlias = Callable[[ExecutionProblem], Schedule]
Plan: TypeAlias = "Schedule | str | Strategy | pd.DataFrame | Array | tuple[str, Any]"

DUST = 1e-12
"""Part of an order below which what is left is the rounding of a sum."""


def twap(problem: ExecutionProblem, start: TimeLike | None = None, end: TimeLike | None = None) -> Schedule:
    """
    Trade at a constant rate through every tradable interval of a window.

    u_ki = -X_i tau_k / sum_j tau_j,  sums over intervals in which asset i can trade

    Parameters
    ----------
    problem : what prices the schedule.
    start, end : the window, half open, on edges of the grid; the whole grid by default.

    Raises
    ------
    ModelError
        An asset with an order has no tradable interval in the window.
    DataError
        The window is outside the grid, empty, or off its edges.
    """
    demand(problem, ExecutionProblem, "twap problem")
    return problem.evaluate(TWAP(start, end).trades(problem.setting), name="twap")


def vwap(problem: ExecutionProblem, start: TimeLike | None = None, end: TimeLike | None = None) -> Schedule:
    """
    Trade in proportion to the market's expected volume.

    u_ki = -X_i V_ki / sum_j V_ji

    Parameters
    ----------
    problem, start, end : as in `twap`.

    Raises
    ------
    ModelError
        The market has no volume, or an asset with an order has none in the window.
    DataError
        As in `twap`.
    """
    demand(problem, ExecutionProblem, "vwap problem")
    return problem.evaluate(VWAP(start, end).trades(problem.setting), name="vwap")


def immediate(problem: ExecutionProblem) -> Schedule:
    """
    Trade everything in the first tradable interval.

    u_1i = -X_i

    Raises
    ------
    ModelError
        An asset with an order can never trade.
    """
    demand(problem, ExecutionProblem, "immediate problem")
    setting = problem.setting
    first = np.cumsum(tradable(setting) & (np.arange(setting.shape[0])[:, None] >= setting.elapsed), axis=0) == 1
    return problem.evaluate(spread_out(setting, where_tradable(setting, first, "immediate")), name="immediate")


def almgren_chriss(problem: ExecutionProblem, risk_aversion: float | None = None) -> Schedule:
    """
    Trade on Almgren and Chriss' closed form, with the problem's impact, covariance and drift.

    x_j = M diag(sinh kappa_i (T - t_j) / sinh kappa_i T) M' H~ X; see `AlmgrenChrissBasket`

    The problem's other costs, its rules and the kink of its spread are left aside: `compare` shows what
    that costs and breaks.

    Parameters
    ----------
    problem : what prices the schedule.
    risk_aversion : lambda >= 0, 1/currency; the weight of the problem's `TimingRisk` by default.

    Raises
    ------
    ModelError
        The grid is uneven or closed somewhere, a coefficient varies over time, there is no temporary
        impact, or no risk aversion; says which.
    DataError
        `risk_aversion` is negative or NaN.

    References
    ----------
    Almgren & Chriss (2000), "Optimal execution of portfolio transactions".
    """
    demand(problem, ExecutionProblem, "almgren_chriss problem")
    if risk_aversion is not None and numbers(risk_aversion, "almgren_chriss risk_aversion").ndim:
        raise DataError(f"almgren_chriss: risk_aversion={short(risk_aversion)}; a number >= 0 is expected")
    try:
        model, aversion = reduction(problem, risk_aversion)
    except DoesNotReduce as error:
        raise ModelError(f"almgren_chriss: the problem does not reduce to the closed form: {error}") from error
    if aversion is None:
        raise ModelError(
            "almgren_chriss: the problem's TimingRisk has no weight (or there is none): state one, "
            "almgren_chriss(problem, risk_aversion=plan.urgency.risk_aversion), or multiply the term by it"
        )
    return problem.evaluate(model.optimum(aversion).trades, name="almgren_chriss")


@dataclass(frozen=True, eq=False)
class POV:
    """
    Trade a fixed fraction of each interval's volume until done.

    |u_ki| = min(rate V_ki, |X_i| - sum_{j<k} |u_ji|)

    The last trade is partial. Where volume runs out first, the rest is left: the schedule's last
    `remaining` shows it, and `compare` lists "Complete" among the rules broken.

    Parameters
    ----------
    rate : fraction of the expected volume, our own included, > 0: scalar, by asset, by interval, or both.
    start, end : the window, half open, on edges of the grid; the whole grid by default.

    Raises
    ------
    ModelError
        When called: the market has no volume.
    DataError
        A rate is not in (0, 1]; when called: a label is missing, or the window does not fit the grid.
    """

    rate: Data
    start: TimeLike | None = None
    end: TimeLike | None = None

    def __post_init__(self) -> None:
        """Check a plain number at once; labelled rates are checked when the problem is there."""
        if isinstance(self.rate, int | float):
            _check_rate(numbers(self.rate, "pov rate"))

    @property
    def name(self) -> str:
        """How tables call it: `pov 8%`."""
        return f"pov {100 * float(self.rate):.4g}%" if isinstance(self.rate, int | float) else "pov"

    def __call__(self, problem: ExecutionProblem) -> Schedule:
        """Return the schedule, priced by the problem."""
        demand(problem, ExecutionProblem, "pov problem")
        setting, volume = problem.setting, problem.market.volumes
        rate = _check_rate(setting.coefficient(self.rate, "pov rate"))
        window = setting.grid.window((self.start, self.end))
        window = window & (np.arange(len(window)) >= setting.elapsed)
        cap = np.where(tradable(setting) & window[:, None], rate * volume, 0.0)
        whole = np.abs(setting.left)
        before = np.cumsum(np.vstack([np.zeros_like(whole), cap[:-1]]), axis=0)
        left = np.where(whole - before > DUST * whole, whole - before, 0.0)
        trades = after_history(setting, setting.direction * np.minimum(cap, left))
        return problem.evaluate(trades, name=self.name)


def pov(rate: Data, start: TimeLike | None = None, end: TimeLike | None = None) -> POV:
    """Return the strategy that trades `rate` of each interval's volume until done; see `POV`."""
    return POV(rate, start, end)


NAMED: Mapping[str, Strategy] = {
    "twap": twap,
    "vwap": vwap,
    "immediate": immediate,
    "almgren_chriss": almgren_chriss,
}


def compare(problem: ExecutionProblem, plans: Iterable[Plan] | Mapping[str, Plan] | Schedule | str) -> pd.DataFrame:
    """
    Price plans by one problem and lay them side by side, one row each.

    Parameters
    ----------
    problem : what prices every plan, those made by other problems included.
    plans : any of: a Schedule; "twap", "vwap", "immediate", "almgren_chriss"; a strategy such as
        `pov(0.08)`, or any function of the problem; trades, interval x asset (buys +, sells -), as a
        DataFrame or array; a pair (name, plan). Or a mapping name -> plan.

    Returns
    -------
    DataFrame
        Indexed by plan (a repeated name gets a number): `cost_bps` and `risk_bps` of gross arrival
        notional; `tracking_bps`, the standard deviation of slippage against the benchmark, where the
        problem has a tracking term; `objective`, currency, a risk weight that the problem leaves open being
        that of the first Schedule which has one; `finish`, when 99% of the gross notional is done, a timestamp
        (to the second) where the grid has them, else the grid's unit from t_0, missing if never;
        `max_participation`, NaN without volume; `rules_broken`, names, "" if none.

    Raises
    ------
    DataError
        A plan is not one of these, or its labels or numbers do not fit the problem; names the plan.
    """
    demand(problem, ExecutionProblem, "compare problem")
    listed = list(_listed(plans))
    pricing = _with_open_weights(problem, [plan for _, plan in listed if isinstance(plan, Schedule)])
    schedules = [_schedule(problem, plan, name) for name, plan in listed]
    schedules = [Schedule(s.path, pricing, name=s.name) for s in schedules]
    names = _distinct([schedule.name for schedule in schedules])
    table = pd.DataFrame(
        {
            "cost_bps": [s.bps(s.expected_cost) for s in schedules],
            "risk_bps": [s.bps(s.risk) for s in schedules],
            "objective": [s.objective for s in schedules],
        },
        index=pd.Index(names, name="plan"),
        dtype=float,
    )
    if any(term.cost.tracks for term in pricing.terms):
        deviations = [s.bps(float(np.sqrt(max(s.tracking_variance, 0.0)))) for s in schedules]
        table.insert(2, "tracking_bps", np.array(deviations, dtype=float))
    stamps = problem.market.grid.timestamps
    finish = [time_done(s, FINISHED) for s in schedules]
    table["finish"] = pd.Series(finish, index=table.index, dtype=float if stamps is None else stamps.dtype)
    table["max_participation"] = np.array([max_participation(s) for s in schedules], dtype=float)
    table["rules_broken"] = pd.Series([", ".join(s.rules_broken) for s in schedules], index=table.index, dtype=object)
    return table


def _with_open_weights(problem: ExecutionProblem, plans: list[Schedule]) -> Pricing:
    """The problem's pricing; a weight it leaves open is that of the first plan which has it."""
    pricing = problem.pricing
    chosen: dict[str, float] = {}
    for plan in plans:
        for term in plan.pricing.terms:
            if term.weight is not None:
                chosen.setdefault(term.cost.name, term.weight)
    terms = tuple(
        Term(chosen.get(t.cost.name), t.cost) if t.weight is None and t.cost.kind == "risk" else t
        for t in pricing.terms
    )
    return Pricing(terms, pricing.constraints)


def max_participation(schedule: Schedule) -> float:
    """Return the largest fraction of an interval's volume traded; NaN without volumes."""
    if not schedule.setting.market.has_volume:
        return float("nan")
    return float(np.abs(schedule.path.participation).max())


def time_done(schedule: Schedule, fraction: float) -> Any:
    """
    Return when a fraction of the gross arrival notional is done, linear within intervals.

    A timestamp, to the second, where the grid has them, else the grid's unit from t_0; NaT or NaN when
    the fraction is never reached or the order is zero.
    """
    grid = schedule.setting.grid
    elapsed = time_of_fraction(schedule.path, fraction)
    stamps = grid.timestamps
    if stamps is None:
        return elapsed
    if np.isnan(elapsed):
        return pd.NaT
    since = (stamps.asi8 - stamps.asi8[0]).astype(float)
    passed = float(np.interp(elapsed, np.asarray(grid.edges) - grid.edges[0], since))
    return stamps[0] + pd.Timedelta(seconds=round(passed / 1e6))


def _check_rate(rate: Array) -> Array:
    """Return the rates, or raise when one is not a fraction of volume that can be traded."""
    outside = ~((rate > 0) & (rate <= 1))
    if outside.any():
        raise DataError(f"pov rate {rate[outside].flat[0]:g}: a number in (0, 1] is expected (0.08 is eight percent)")
    return rate


def _listed(plans: Any) -> list[tuple[str | None, Any]]:
    """Return (name or None, plan) pairs."""
    if isinstance(plans, Mapping):
        return [(str(name), plan) for name, plan in plans.items()]
    if isinstance(plans, Schedule | str | pd.DataFrame) or callable(plans):
        plans = [plans]
    if not isinstance(plans, Iterable) or isinstance(plans, np.ndarray):
        raise DataError(f"compare: {type(plans).__name__} was given; a list of plans or a mapping of them would do")
    pairs: list[tuple[str | None, Any]] = []
    for plan in plans:
        if isinstance(plan, tuple):
            if len(plan) != 2 or not isinstance(plan[0], str):
                raise DataError(f"compare: {plan!r:.80} is not a plan; as a tuple, a pair (name, plan) is expected")
            pairs.append(plan)
        else:
            pairs.append((None, plan))
    return pairs


def _schedule(problem: ExecutionProblem, plan: Any, name: str | None) -> Schedule:
    """Price one plan, whatever form it has."""
    if isinstance(plan, str):
        if plan not in NAMED:
            raise DataError(f"compare: no plan is called {plan!r}; accepted are {_accepted()}")
        plan = NAMED[plan](problem)
    elif callable(plan) and not isinstance(plan, type):
        own = getattr(plan, "__name__", None)
        plan = plan(problem)
        if not isinstance(plan, Schedule):
            name = name or (own if own and own.isidentifier() else None)
    if isinstance(plan, Schedule):
        name, plan = name or plan.name, plan.trades
    if not isinstance(plan, pd.DataFrame | np.ndarray):
        raise DataError(f"compare: {name or 'a plan'} is of type {type(plan).__name__}; accepted are {_accepted()}")
    name = name or "trades"
    try:
        return problem.evaluate(plan, name=name)
    except DataError as error:
        raise DataError(f"compare, plan {name!r}: {error}") from error


def _accepted() -> str:
    names = ", ".join(repr(name) for name in NAMED)
    return f"{names}, a strategy such as pov(0.08), a Schedule, or trades as a DataFrame interval x asset"


def _distinct(names: list[str]) -> list[str]:
    """Return the names with repeated ones numbered: plan, plan (2), plan (3)."""
    out: list[str] = []
    for name in names:
        unique, count = name, 1
        while unique in out:
            count += 1
            unique = f"{name} ({count})"
        out.append(unique)
    return out

"""The answer: a schedule, what it costs and risks, and its proof."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from acopt.model.algebra import Constraint, Term
from acopt.model.frames import Frames
from acopt.model.paths import Trajectory

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from acopt.insight.lots import RoundedSchedule
    from acopt.insight.replanning import Replan
    from acopt.insight.replay import Arrival, Fill, Impact, Replay
    from acopt.market.bars import Bars
    from acopt.market.clock import TimeLike
    from acopt.market.labels import Data
    from acopt.market.market import Market
    from acopt.market.order import Order
    from acopt.model.cross_check import CrossCheck
    from acopt.model.multipliers import Multipliers
    from acopt.model.problem import ExecutionProblem

FINISHED = 0.99
TOLERANCE = 1e-9
COMPLETE, CLOSED, HISTORY = "Complete", "closed intervals", "history"


@dataclass(frozen=True)
class Certificate:
    """
    The proof of one schedule, recomputed from the data and never taken from the solver.

    Attributes
    ----------
    gap : objective minus a lower bound of the optimum, in units of the objective.
    tolerance : gap that the accuracy contract allows, its absolute floor (1e-12 of TWAP's cost) included.
    relative_tolerance : relative gap that was asked for.
    gap_scale : sum of |path-dependent term values|; gap / gap_scale is the relative gap.
    violation : largest violation, relative to the largest order (rules in shares) or to the order's
        gross notional (rules in currency).
    violations : largest violation of each constraint in its own unit; 0 for a soft one.
    objective_difference : objective of the canonical program minus the one recomputed in NumPy from
        the original data, relative.
    dual_residual : largest stationarity residual, in units of the objective.
    conic : whether a custom term made the program conic.
    solver, algebra, iterations, refinements, seconds : who solved it and how.
    refined : whether the active set was solved exactly.
    tries : every attempt, fallbacks included.
    cross_check : how another solver's answer compares; None when nobody asked for one.
    """

    gap: float
    tolerance: float
    relative_tolerance: float
    gap_scale: float
    violation: float
    violations: Mapping[str, float]
    objective_difference: float
    conic: bool
    dual_residual: float
    solver: str
    algebra: str
    iterations: int
    refinements: int
    refined: bool
    seconds: float
    tries: tuple[str, ...]
    cross_check: CrossCheck | None = None

    @property
    def relative_gap(self) -> float:
        """Gap over `gap_scale`."""
        return self.gap / self.gap_scale if self.gap_scale > 0 else 0.0

    def __str__(self) -> str:
        fallback = "" if len(self.tries) <= 1 else f" after {len(self.tries)} tries"
        floor = self.relative_gap > self.relative_tolerance
        return (
            f"{'within the absolute floor only' if floor else 'certified'}: gap {self.relative_gap:.1e} relative, "
            f"violation {self.violation:.1e}, "
            f"{self.solver} ({self.algebra}) {self.iterations} iterations"
            f"{f', {self.refinements} refinements' if self.refined else ', not refined'}{fallback}"
            f"{', a conic program and not a QP' if self.conic else ''}, "
            f"{1e3 * self.seconds:.3g} ms"
            f"{'' if self.cross_check is None else f'; {self.cross_check}'}"
        )


@dataclass(frozen=True)
class Urgency:
    """
    How urgent a schedule is, on every dial.

    Attributes
    ----------
    risk_aversion : lambda, weight of the risk term, 1/currency.
    risk_price : expected cost paid to remove one unit of risk at the margin, 2 lambda Std.
    risk_bps, cost_bps : risk and expected cost, bps of gross arrival notional.
    half_life, finish : when 50% and 99% of the gross notional are done, grid's unit from t_0.
    pov : average participation, weighted by notional traded; NaN without volumes.
    """

    risk_aversion: float
    risk_price: float
    risk_bps: float
    cost_bps: float
    half_life: float
    finish: float
    pov: float


@dataclass(frozen=True)
class Pricing:
    """What prices a schedule: the terms and the rules of a problem."""

    terms: tuple[Term, ...]
    constraints: tuple[Constraint, ...] = field(default=())


class Schedule(Frames):
    """
    Trades over time, priced by the problem they answer.

    The frames `trades`, `remaining`, `holdings`, `rates`, `participation`, `notional` carry the market's
    labels. `certificate` and `multipliers` are None for a schedule that was evaluated and not optimised.
    `problem` is the question that it answers, weights included, as it was then.
    """

    problem: ExecutionProblem
    multipliers: Multipliers | None = None

    def __init__(
        self, path: Trajectory, pricing: Pricing, certificate: Certificate | None = None, *, name: str = "plan"
    ) -> None:
        super().__init__(path)
        self.pricing, self.certificate, self.name = pricing, certificate, name

    @cached_property
    def term_values(self) -> dict[str, float]:
        """Unweighted value of every cost, by name."""
        return {t.cost.name: float(np.sum(t.cost.values(self.path))) for t in self.pricing.terms}

    @cached_property
    def objective(self) -> float:
        """Weighted sum of all costs; a weight that nobody chose counts as 1, an unweighted risk as 0."""
        return sum(term_weight(t) * self.term_values[t.cost.name] for t in self.pricing.terms)

    @cached_property
    def expected_cost(self) -> float:
        """Sum of the money costs, currency against arrival, bad = positive."""
        return sum((self.term_values[t.cost.name] for t in self.pricing.terms if t.cost.kind == "money"), 0.0)

    @cached_property
    def variance(self) -> float:
        """Variance of cost against arrival, currency^2, by the market's covariance, else by the one risk term's."""
        market = self.setting.market
        if market.covariance is None:
            own = [v for t in self.pricing.terms if (v := t.cost.arrival_variance(self.path)) is not None]
            return own[0] if len(own) == 1 else float("nan")
        after = self.path.after
        return float(np.sum(self.setting.durations * after * market.risk.apply(after)))

    @property
    def tracking_variance(self) -> float:
        """Variance of slippage against the benchmark of the tracking terms, currency^2; NaN without one."""
        found = [self.term_values[t.cost.name] for t in self.pricing.terms if t.cost.tracks]
        return sum(found) if found else float("nan")

    @property
    def risk(self) -> float:
        """Standard deviation of cost against arrival, currency."""
        return float(np.sqrt(max(self.variance, 0.0))) if not np.isnan(self.variance) else float("nan")

    @cached_property
    def urgency(self) -> Urgency:
        """Return all dials of this schedule."""
        from acopt.model.dials import urgency

        return urgency(self)

    @cached_property
    def rules_broken(self) -> dict[str, float]:
        """
        Largest violation of each rule that is broken beyond the contract, in its own unit; soft ones apart.

        Beside the constraints: "Complete", shares left where the order must be finished; "closed
        intervals", shares traded where nothing can trade (at night, or without volume); and "history", shares
        by which trades differ from what was executed already.
        """
        path, setting, rules = self.path, self.setting, self.pricing.constraints
        found = violations(path, rules)
        broken = {c.name: found[c.name] for c in rules if found[c.name] > slack(c, path)}
        if setting.past is not None:
            changed = float(np.abs(path.trades[: setting.elapsed] - setting.past).max(initial=0.0))
            broken |= {HISTORY: changed} if changed > 0 else {}
        unwritten = {CLOSED: float(np.abs(path.trades[setting.forbidden]).max(initial=0.0))}
        if setting.complete and not any(c.completes for c in rules):
            unwritten[COMPLETE] = float(np.abs(path.remaining[-1]).max(initial=0.0))
        reach = TOLERANCE * (setting.size or 1.0)
        return {**broken, **{k: v for k, v in unwritten.items() if v > reach}}

    @cached_property
    def gave_way(self) -> pd.DataFrame:
        """
        Soft rules that were broken, beyond the contract: by how much, how often, and at which price.

        By constraint: `most`, the largest excess in its `unit`; `intervals`, in how many; `penalty`, unweighted,
        currency, which `breakdown` has by interval.
        """
        rows = {}
        for rule in self.pricing.constraints:
            over = rule.violation(self.path) if rule.soft else np.zeros(0)
            beyond = over > slack(rule, self.path)
            if beyond.any():
                many = int(beyond.reshape(len(beyond), -1).any(axis=1).sum())
                own = rule.penalty()
                paid = sum(float(np.sum(t.cost.values(self.path))) for t in (own.terms if own else ()))
                rows[rule.name] = [float(over.max()), rule.unit, many, paid]
        table = pd.DataFrame.from_dict(rows, orient="index", columns=["most", "unit", "intervals", "penalty"])
        table.index.name = "constraint"
        return table

    def bps(self, amount: float) -> float:
        """Amount in basis points of gross arrival notional; NaN for a zero order."""
        return 1e4 * amount / self.setting.gross if self.setting.gross > 0 else float("nan")

    def breakdown(self) -> pd.DataFrame:
        """Cost by term, asset and interval, summing to the objective; see `acopt.insight.attribution`."""
        from acopt.insight.attribution import breakdown

        return breakdown(self)

    def attribution(self, by: Literal["asset", "interval"] = "asset") -> pd.DataFrame:
        """Split cost and risk over assets or intervals, with totals; see `acopt.insight.attribution`."""
        from acopt.insight.attribution import attribution

        return attribution(self, by)

    def shadow_prices(self, by: Literal["bound", "asset", "constraint"] = "bound") -> pd.DataFrame:
        """What every bound is worth, the most valuable first; see `acopt.insight.shadow_prices`."""
        from acopt.insight.shadow_prices import shadow_prices

        return shadow_prices(self, by)

    def summary(self) -> str:
        """Return the schedule in words; see `acopt.insight.summary`."""
        from acopt.insight.summary import summarise

        return summarise(self)

    def _repr_html_(self) -> str:
        from acopt.insight.html import to_html

        return to_html(self)

    def replay(self, bars: Bars, *, impact: Impact = "model", fill: Fill = "vwap", arrival: Arrival = "plan") -> Replay:
        """Execute the plan on the bars of its day, after the fact; see `acopt.insight.replay`."""
        from acopt.insight.replay import replay

        return replay(self, bars, impact=impact, fill=fill, arrival=arrival)

    def reoptimize(
        self,
        *,
        at: TimeLike,
        executed: Any,
        market: Market | None = None,
        volume_scale: Data | None = None,
        order: Order | None = None,
    ) -> Replan:
        """Plan the rest again, given what was executed before `at`; see `acopt.insight.replanning`."""
        from acopt.insight.replanning import reoptimize

        return reoptimize(self, at=at, executed=executed, market=market, volume_scale=volume_scale, order=order)

    def round_lots(self, lot: Data, *, tolerance: float = 1e-6, time_limit: float = 20.0) -> RoundedSchedule:
        """Return the best schedule in whole lots, its gap proven; see `acopt.insight.lots`."""
        from acopt.insight.lots import round_lots

        return round_lots(self, lot, tolerance=tolerance, time_limit=time_limit)

    def plot(self, path: str | PathLike[str] | None = None) -> Figure:
        """Draw trades, caps and paths; see `acopt.interface.plotting` (extra `plot`)."""
        from acopt.interface.plotting import plot_schedule

        return plot_schedule(self, path)

    def to_csv(self, path: str | PathLike[str]) -> Path:
        """Write `to_frame()` to a CSV file, whole or not at all; return its path."""
        from acopt.interface.files import write_text

        return write_text(path, self.to_frame().to_csv(index=False))

    @property
    def proof(self) -> str:
        """What is proven about it, in words."""
        return "evaluated, no certificate" if self.certificate is None else str(self.certificate)

    def __repr__(self) -> str:
        n, m = self.setting.shape
        return (
            f"Schedule({self.name!r}: {m} asset{'s' if m != 1 else ''} x {n} intervals, "
            f"cost {self.bps(self.expected_cost):.4g} bps, risk {self.bps(self.risk):.4g} bps; {self.proof})"
        )


def term_weight(term: Term) -> float:
    """Weight of a term in the objective: as chosen; otherwise 1, and 0 for a risk."""
    if term.weight is None:
        return 0.0 if term.cost.kind == "risk" else 1.0
    return term.weight


def violations(path: Trajectory, constraints: tuple[Constraint, ...]) -> dict[str, float]:
    """Largest violation of each constraint, in its own unit; none of a soft one, which may give way."""
    return {c.name: 0.0 if c.soft else float(np.max(c.violation(path), initial=0.0)) for c in constraints}


def slack(constraint: Constraint, path: Trajectory) -> float:
    """Violation that the accuracy contract allows, in the constraint's unit."""
    return TOLERANCE * unit_size(constraint, path)


def unit_size(constraint: Constraint, path: Trajectory) -> float:
    """Size against which a violation is measured: the largest order, or the gross notional; else the largest trades."""
    setting = path.setting
    if constraint.unit not in ("currency", "shares"):
        return 1.0
    order = setting.gross if constraint.unit == "currency" else setting.size
    if order:
        return order
    largest = np.abs(path.trades).max(axis=0, initial=0.0)
    traded = setting.market.prices @ largest if constraint.unit == "currency" else largest.max(initial=0.0)
    return max(float(traded), 1.0)

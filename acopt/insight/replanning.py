"""Planning again in the middle of the day: the past as it was, the rest optimal from here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from acopt.constraints.budget import Budget
from acopt.constraints.custom import CustomConstraint
from acopt.costs.custom import CustomCost
from acopt.errors import DataError, InfeasibleError, ModelError
from acopt.insight.fills import Executed, Past, read_executed
from acopt.insight.splitting import Aligned, Split, locate
from acopt.market.clock import TimeLike
from acopt.market.impact_models import ImpactCoefficients, ImpactModel
from acopt.market.labels import Array, Data, by_asset
from acopt.market.market import Market
from acopt.market.order import Order
from acopt.market.what_if import ScaledImpact
from acopt.model.algebra import Constraint, Objective
from acopt.model.benchmarks import tradable
from acopt.model.changes import reordered
from acopt.model.paths import Trajectory
from acopt.model.problem import ExecutionProblem
from acopt.model.schedule import Schedule
from acopt.model.setting import Setting

__all__ = ["Replan", "reoptimize"]

COLUMNS = ["currency", "bps"]


class Replan(Schedule):
    """
    A plan made while its order was being worked: the past as executed, the rest optimal from `at`.

    It is a `Schedule` on the whole grid. All money is against the arrival prices of the first plan.

    Attributes
    ----------
    at : timestamp or float
        Label of the edge at which the past ends.
    executed : Executed
        What was traded before, and what was paid for it where fills had prices.
    gross : float
        Gross arrival notional of the first plan, the base of `cost`'s bps.
    """

    def __init__(
        self, plan: Schedule, original: Schedule, executed: Executed, prices: Array | None, *, name: str = "re-plan"
    ) -> None:
        super().__init__(plan.path, plan.pricing, plan.certificate, name=name)
        self.problem, self.multipliers = plan.problem, plan.multipliers
        self.at = self.setting.grid.edge_labels[self.setting.elapsed]
        self.executed, self._prices = executed, prices
        self.gross: float = original.gross if isinstance(original, Replan) else original.setting.gross

    def cost(self) -> pd.DataFrame:
        """
        Return what the order costs against its arrival prices P_0: so far, to come, and in all.

        realised  sum_{k<=p} u_k'(fill_k - P_0), or the model's money costs of the intervals that are over
        drift     x_p'(P_0 - P_now): what the move of the price so far costs on what is left
        to go     the model's money costs of the rest, as if the order had begun at `at`
        total     the sum

        u (N, n) trades, buys +; x_p (n,) shares left, > 0 to sell; P_now (n,) the prices of the re-plan's `market`.
        Without one, the price is where the model says that past trades have put it: drift is what they add to the
        cost of later trades (with permanent impact alone, P_now = P_0 + Gamma sum_{k<=p} u_k, and x_p counts what
        will be traded). So without news and without prices of fills, total is the plan's `expected_cost`. A drift of
        `Alpha` that the past has seen counts as realised, on what is left too.

        Returns
        -------
        pd.DataFrame
            Rows realised, drift, to go, total; columns currency and bps of the first plan's gross arrival notional.

        Notes
        -----
        "The model" is that of the re-plan, its new volumes included. A custom cost in money is one number without
        intervals: realised is its value when nothing more is traded, and the rest of it is to go.
        """
        so_far, pushed, to_go = self._model
        realised = so_far if self.executed.paid is None else float(self.executed.paid.sum())
        drift = (
            pushed if self._prices is None else float(self.setting.left @ (self.setting.market.prices - self._prices))
        )
        amounts = np.array([realised, drift, to_go, realised + drift + to_go])
        bps = 1e4 * amounts / self.gross if self.gross > 0 else np.full(4, np.nan)
        return pd.DataFrame(np.column_stack([amounts, bps]), ["realised", "drift", "to go", "total"], COLUMNS)

    @cached_property
    def _model(self) -> tuple[float, float, float]:
        """Money costs of the past, what the past adds to the rest, and the rest apart from that."""
        setting, p = self.setting, self.setting.elapsed
        trades = self.path.trades
        stopped = np.where(np.arange(len(trades))[:, None] < p, trades, 0.0)
        ahead = _begun_with(setting.left, self.path)
        parts = np.zeros(3)
        for term in self.pricing.terms:
            if term.cost.kind != "money":
                continue
            values = np.asarray(term.cost.values(self.path))
            if values.shape == setting.shape:
                future = float(np.asarray(term.cost.values(ahead))[p:].sum())
                parts += float(values[:p].sum()), float(values[p:].sum()) - future, future
            else:
                over = float(np.sum(term.cost.values(Trajectory(setting, stopped))))
                parts += over, 0.0, float(values.sum()) - over
        return float(parts[0]), float(parts[1]), float(parts[2])


def reoptimize(
    plan: Schedule,
    *,
    at: TimeLike,
    executed: Any,
    market: Market | None = None,
    volume_scale: Data | None = None,
    order: Order | None = None,
) -> Replan:
    """
    Plan the rest of an order again, given what was executed before `at`.

    The past is pinned on the compiled problem: it counts, and no rule applies there (but for a `CustomConstraint`,
    which says itself what it speaks of). Rules that follow the order
    (`Monotone`, a minimal participation) follow what is left of it: an over-filled order is traded back.

    Parameters
    ----------
    plan : what is re-planned, a re-plan too; its weights are kept. Plan and problem stay as they are.
    at : time as in `TimeGrid.position`. Off the grid's edges, the interval is split there: a short first
        interval opens, both parts inherit its coefficients, and the problem is declared anew.
    executed : everything since t_0, in one of three forms. Signed shares by asset (buys +, sells -): a Series,
        mapping, or scalar for one asset, spread over the past in proportion to the plan's own trades of that
        sign, else to time. A DataFrame interval x asset for the intervals before `at`. Fills, a DataFrame or a CSV
        file: time, symbol, side, quantity, and price if it is known; on an edge, a fill belongs to the interval
        that starts there.
    market : new expectations, on the whole grid or on one of the remaining intervals from `at`. Its prices are those
        of now: they only mark what is left (`Replan.cost`). Expected volumes of the past stay as they were.
    volume_scale : factor on the remaining intervals' expected volume, > 0, scalar or by asset.
    order : the new whole order since t_0, of the same assets: larger, smaller, flipped, or cancelled (zero).

    Returns
    -------
    Replan
        A schedule on the whole grid, with `at` and `cost()`.

    Raises
    ------
    DataError
        A time outside the grid or at its end; executed shares that cannot be read, with row and field; a market on
        other intervals; a factor that is not > 0.
    ModelError
        The plan leaves a risk without weight; other assets than before, which need a new ExecutionProblem.
    InfeasibleError
        The rest cannot be finished within the rules; names them.
    """
    problem = plan.problem
    setting = problem.setting
    p, fraction = locate(setting.grid, at)
    if p == setting.grid.periods:
        raise DataError(f"at={at!r} is the end of the grid; there is no interval left to plan")
    _same_assets(order, setting.order)
    split = Split(setting.grid, p, fraction, len(setting.assets)) if fraction else None
    if split is not None:
        _no_functions_of_the_grid(plan, at, p)
    known, planned, free = setting.market, plan.path.trades, tradable(setting)
    if split is not None:
        p, known, planned = p + 1, split.market(known), split.divided(planned)
    past = Past(known.grid, p, setting.assets, known.prices, planned, free[:p])
    done = read_executed(executed, past)
    expected = _expected(known, market, volume_scale, done.trades)
    with _noting(done.trades, setting, problem.constraints):
        if split is None:
            question = problem.with_history(done.trades, order=order, market=expected)
        else:
            terms = tuple(split.term(term, setting) for term in problem.objective.terms)
            rules = tuple(split.rule(rule, setting, done.trades[-1]) for rule in problem.constraints)
            whole = reordered(order or problem.order, setting)
            question = ExecutionProblem(whole, expected or known, Objective(terms), rules, executed=done.trades)
        rest = question.solve()
    now = None if market is None else market.select(setting.assets).prices
    return Replan(rest, plan, done, now)


def _no_functions_of_the_grid(plan: Schedule, at: TimeLike, p: int) -> None:
    """Demand that no function of a user's speaks of the intervals of a grid that is about to change."""
    own = [t.cost.name for t in plan.pricing.terms if isinstance(t.cost, CustomCost)]
    own += [c.name for c in plan.pricing.constraints if isinstance(c, CustomConstraint)]
    budgets = [c for c in plan.pricing.constraints if isinstance(c, Budget)]
    own += [c.name for c in budgets if any(isinstance(t.cost, CustomCost) for t in c.terms)]
    if own:
        labels = plan.setting.grid.edge_labels
        raise ModelError(
            f"at={at!r} is off the grid's edges, and {own[0]} is a function of the grid's intervals; re-plan at "
            f"{labels[p]} or {labels[p + 1]}, or state a new ExecutionProblem"
        )


@contextmanager
def _noting(executed: Array, setting: Setting, constraints: Sequence[Constraint]) -> Iterator[None]:
    """Note on an infeasible rest what is likely: a sign that slipped, a user's function that speaks of the past."""
    try:
        yield
    except InfeasibleError as error:
        shares = executed.sum(axis=0)
        against = [
            f"{label} {amount:+,.0f}"
            for label, amount, size in zip(setting.assets, shares, setting.remaining, strict=True)
            if amount * size > 0
        ]
        if against:
            error.add_note(f"executed against the order (buys +, sells -): {', '.join(against)}")
        own = [c.name for c in constraints if isinstance(c, CustomConstraint)]
        if own:
            error.add_note(
                f"{', '.join(own)}: a function of the paths is not cut at the time of the re-plan; what was executed "
                "may break it already. Write it for the time ahead, or go on without it: "
                f"plan.problem.without({own[0]!r}).evaluate(plan).reoptimize(...)"
            )
        raise


def _begun_with(left: Array, path: Trajectory) -> Trajectory:
    """Return the future trades of a path, of an order that is what is left and of which nothing was traded."""
    setting, p = path.setting, path.setting.elapsed
    start = pd.Series(left + setting.target, setting.assets)
    fresh = replace(setting, order=Order(start, setting.order.target), past=None)
    return Trajectory(fresh, np.where(np.arange(len(path.trades))[:, None] < p, 0.0, path.trades))


def _same_assets(order: Order | None, old: Order) -> None:
    if order is None:
        return
    if not isinstance(order, Order):
        raise DataError(f"order: {type(order).__name__} was given, an Order is expected")
    for labels, others, what in ((order.assets, old.assets, "new"), (old.assets, order.assets, "missing")):
        differ = labels[~labels.isin(others)]
        if len(differ):
            raise ModelError(
                f"order: {differ[0]!s} is {what}; a re-plan has the assets of its plan ("
                f"{', '.join(map(str, old.assets[:12]))}); other assets need a new ExecutionProblem"
            )


def _expected(known: Market, new: Market | None, scale: Data | None, executed: Array) -> Market | None:
    """Return the market with new expectations of the rest, those of the past as they were; None: nothing new."""
    if new is None and scale is None:
        return None
    market = known if new is None else _joined(known, new, executed)
    if scale is None:
        return market
    if not market.has_volume:
        raise ModelError("volume_scale: the market has no volume to scale; give Market(volume=...)")
    volumes = market.volumes.copy()
    volumes[len(executed) :] *= by_asset(scale, known.assets, what="volume_scale", sign="positive")
    return market.with_volumes(volumes)


def _joined(known: Market, new: Market, executed: Array) -> Market:
    """Return what was known of the past and what is new of the rest as one market."""
    if not isinstance(new, Market):
        raise DataError(f"market: {type(new).__name__} was given, a Market is expected")
    p = len(executed)
    new, rows = _on_grid(new.select(known.assets), known, p)
    if new.has_volume != known.has_volume:
        has = ("no", "a")[new.has_volume], ("no", "a")[known.has_volume]
        raise DataError(f"market: it has {has[0]} volume, the plan's has {has[1]} volume; they must be alike")
    volumes = None
    if known.has_volume:
        past = known.volumes[:p]
        if new.grid == known.grid:
            # Trades where nothing had been expected: what the new market says of that interval.
            past = np.where((past == 0) & (executed != 0), new.volumes[:p], past)
        volumes = np.vstack([past, new.volumes[rows[p:]]])
    same = new.covariance is known.covariance
    source, places = (known, np.arange(known.grid.periods)) if same else (new, rows)
    return Market(
        known.grid,
        pd.Series(known.prices, known.assets),
        volume=volumes,
        covariance=Aligned.of(source, known.grid, places),
        spread=new.spreads if new.has_spread else None,
        impact=_impact(new, known, p, int(rows[p])),
        notes=new.notes,
    )


def _on_grid(new: Market, known: Market, p: int) -> tuple[Market, Any]:
    """Return a market with an edge at the end of the past, and its row for each interval (those of the past too)."""
    grid, at = known.grid, known.grid.edge_labels[p]
    accepted = f"accepted are the plan's grid and one of its {grid.periods - p} intervals from {at}"
    try:
        start, fraction = locate(new.grid, at)
    except DataError as error:
        raise DataError(f"market: its grid has no time {at}; {accepted}") from error
    if fraction:
        new, start = Split(new.grid, start, fraction, len(known.assets)).market(new), start + 1
    own = new.grid
    same = (
        own.edge_labels[start:].equals(grid.edge_labels[p:])
        and np.allclose(own.durations[start:], grid.durations[p:], rtol=1e-9, atol=0.0)
        and np.array_equal(own.closed[start:], grid.closed[p:])
        and np.array_equal(own.auctions[start:], grid.auctions[p:])
    )
    if not same:
        raise DataError(f"market: its grid is {own!r}; {accepted}")
    return new, np.maximum(np.arange(grid.periods) + start - p, 0)


def _impact(new: Market, known: Market, p: int, start: int) -> ImpactModel | None:
    """Return the new market's law; coefficients on another grid have those of the past put before them."""
    law, before = new.impact, known.impact
    own = law.model if isinstance(law, ScaledImpact) else law
    if law is None or not isinstance(own, ImpactCoefficients) or new.grid == known.grid:
        return law

    def joined(rest: Array, past: Array | None) -> pd.DataFrame:
        past = rest[:1].repeat(p, axis=0) if past is None else np.where(np.isfinite(past[:p]), past[:p], 0.0)
        return pd.DataFrame(np.vstack([past, rest]), known.grid.labels, known.assets)

    eta = joined(law.temporary(new)[start:], None if before is None else before.temporary(known))
    gamma = pd.DataFrame(law.permanent(new), new.assets, new.assets)
    if own.auction is None:
        return replace(own, eta=eta, gamma=gamma)
    single = joined(law.in_auction(new)[start:], None if before is None else before.in_auction(known))
    return replace(own, eta=eta, gamma=gamma, auction=single)

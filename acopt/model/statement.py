"""From what the user gives to the state of a problem: aligned, collected, checked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from acopt.errors import DataError, ModelError
from acopt.market.labels import Array, place
from acopt.market.market import Market
from acopt.market.order import Order
from acopt.model.algebra import Constraint, Term
from acopt.model.curvature import Carrier, collect
from acopt.model.declaration import CURVATURE, State
from acopt.model.feasibility import check_capacity, diagnosable, trade_bounds
from acopt.model.setting import Setting


def state_of(
    order: Order,
    market: Market,
    terms: tuple[Term, ...],
    constraints: tuple[Constraint, ...],
    past: Array | None = None,
) -> State:
    """
    Align, collect, check.

    Raises
    ------
    DataError, ModelError
        Data that do not fit, or costs that are not convex together.
    InfeasibleError
        The data alone show that no schedule obeys the constraints.
    """
    setting = Setting(order, market.select(order.assets), not any(c.allows_unfilled for c in constraints))
    curvature, forbidden = collect(terms, setting)
    setting = setting.but(forbidden=forbidden, lent=None if curvature is None else curvature.lent)
    one_sided = np.zeros(setting.shape, dtype=bool)
    for constraint in constraints:
        own = None if constraint.soft else constraint.one_sided(setting)
        one_sided |= own if own is not None else False
    setting = setting.but(one_sided=one_sided, eta=mean_eta(terms, setting), past=past)
    with diagnosable(setting, terms, constraints):
        for constraint in constraints:
            constraint.where(setting)
            if not constraint.soft:
                constraint.check(setting)
        bounds = trade_bounds(constraints, setting)
        check_capacity(*bounds, constraints, setting)
    return State(setting, terms, constraints, curvature, bounds)


def rejudged(state: State, touched: set[str]) -> tuple[State, set[str]]:
    """
    Collect the curvature again where terms of these names changed it, and say whose numbers follow.

    What another cost carries of it may change with any of them, and then the setting does.
    """
    carriers = {t.cost.name for t in state.terms if isinstance(t.cost, Carrier)}
    curved = {t.cost.name for t in state.terms if t.cost.curvature(state.setting) is not None}
    if not curved or not touched & (curved | carriers):
        return state, set()
    curvature, _ = collect(state.terms, state.setting)
    if carriers:
        state = replace(state, setting=state.setting.but(lent=None if curvature is None else curvature.lent))
    return replace(state, curvature=curvature), {CURVATURE, *carriers}


def with_penalty(terms: tuple[Term, ...], own: tuple[Term, ...]) -> tuple[Term, ...]:
    """
    Add the costs that come with a rule.

    The objective of a problem, given back, has them already: they keep their weights, and follow the rule.
    """
    new = {(type(t.cost), t.cost.name): t for t in own}
    kept = tuple(Term(t.weight, new.pop((type(t.cost), t.cost.name), t).cost) for t in terms)
    return kept + tuple(new.values())


def check_history(setting: Setting) -> None:
    """Demand that nothing was executed where the market is closed or has no volume."""
    past = np.zeros(setting.shape) if setting.past is None else setting.past
    blocked = (past != 0) & setting.forbidden[: len(past)]
    if blocked.any():
        k, i = (int(j) for j in np.argwhere(blocked)[0])
        raise DataError(
            f"executed: {past[k, i]:,.6g} shares of {place(k, i, setting.grid.labels, setting.assets)}, where the "
            "market is closed or has no volume; give market= with volume there"
        )


def mean_eta(terms: tuple[Term, ...], setting: Setting) -> Array | None:
    """Mean of tau_k C_k over tradable intervals (n,), of the convex trade costs: the eta that scales smoothness."""
    eta: Array | None = None
    count = np.maximum((~setting.forbidden & (setting.durations > 0)).sum(axis=0), 1)
    for term in terms:
        c = term.cost.curvature(setting)
        if c is None or not np.where(np.isinf(c), 0.0, c).any():
            continue
        diagonal = np.where(setting.forbidden, 0.0, c if c.ndim == 2 else np.einsum("kii->ki", c))
        if diagonal.sum() >= 0:
            own = (diagonal * setting.durations).sum(axis=0) / count
            eta = own if eta is None else eta + own
    return eta


def check_distinct(names: list[str]) -> None:
    """Demand that every term has a name of its own."""
    for name in names:
        if names.count(name) > 1:
            raise ModelError(f"two terms of the problem are called {name!r}: give one of them a name=")

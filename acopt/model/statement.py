"""From what the user gives to the state of a problem: aligned, collected, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from acopt.errors import DataError, ModelError
from acopt.market.labels import LARGEST, Array, numbers, place
from acopt.market.market import Market
from acopt.market.order import Order
from acopt.model.algebra import Constraint, Cost, Objective, Term
from acopt.model.curvature import Carrier, collect
from acopt.model.declaration import CURVATURE, State
from acopt.model.feasibility import check_capacity, diagnosable, trade_bounds
from acopt.model.setting import Setting


def well_posed(order: Any, market: Any, objective: Any, constraints: Any) -> tuple[Constraint, ...]:
    """Demand that a problem is given what it takes; return its rules."""
    if not isinstance(order, Order):
        raise DataError(f"ExecutionProblem order: {type(order).__name__} was given, an Order is expected")
    if not isinstance(market, Market):
        raise DataError(f"ExecutionProblem market: {type(market).__name__} was given, a Market is expected")
    if not isinstance(objective, Cost | Objective):
        raise ModelError(
            f"ExecutionProblem objective: {_kind(objective)} was given; a cost or a sum of costs is expected"
        )
    rules = [constraints] if isinstance(constraints, Constraint) else constraints
    if not isinstance(rules, Sequence):
        raise ModelError(
            f"ExecutionProblem constraints: {_kind(constraints)} was given; a list of constraints is expected"
        )
    for rule in rules:
        if isinstance(rule, bool | np.bool_):
            raise ModelError(
                f"ExecutionProblem constraints: {_kind(rule)} was given, a Constraint is expected (cost <= value is a "
                "budget)"
            )
        if not isinstance(rule, Constraint):
            raise ModelError(
                f"ExecutionProblem constraints: {_kind(rule)} was given, a Constraint is expected "
                "(a user's CVXPY constraint goes in CustomConstraint(lambda p: ...))"
            )
    return tuple(rules)


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
    _no_dust(setting)
    past = None if past is None else past_of(past, setting)
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


def _no_dust(setting: Setting) -> None:
    """Demand that no asset's order is so small that no scale holds it beside others."""
    tiny = (setting.remaining != 0) & (np.abs(setting.remaining) < 1 / LARGEST)
    if tiny.any():
        i = int(np.argmax(tiny))
        raise DataError(
            f"order: {setting.remaining[i]:g} shares of {setting.assets[i]}; 0, or a size from {1 / LARGEST:g} to "
            f"{LARGEST:g}, is accepted"
        )


def past_of(executed: Any, setting: Setting) -> Array:
    """Demand shares of every asset in the first intervals, but not in all."""
    past, (n, m) = numbers(executed, "executed"), setting.shape
    if past.ndim != 2 or past.shape[1] != m or not len(past) < n:
        raise DataError(
            f"executed: an array of shape {past.shape} was given; (p, {m}) with p < {n} is expected, shares by "
            "interval and asset"
        )
    usable = np.abs(past) <= LARGEST
    if not usable.all():
        k, i = (int(j) for j in np.argwhere(~usable)[0])
        raise DataError(
            f"executed: {past[k, i]} for {place(k, i, setting.grid.labels, setting.assets)}; a number is expected"
        )
    return past


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


def _kind(value: Any) -> str:
    """Name what was given; a class in the place of an instance is the likely slip."""
    return (
        f"the class {value.__name__} (write {value.__name__}(...))" if isinstance(value, type) else type(value).__name__
    )

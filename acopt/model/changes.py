"""What an update may change, and what needs a new problem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from acopt.errors import DataError, ModelError
from acopt.market.clock import number
from acopt.market.labels import demand, short
from acopt.market.market import Market
from acopt.market.order import Order
from acopt.model.algebra import Constraint, Term, check_weight
from acopt.model.declaration import Declaration, State
from acopt.model.setting import Setting


def reweighted(terms: tuple[Term, ...], weights: Mapping[str, float], declaration: Declaration) -> tuple[Term, ...]:
    """Return the terms with new weights by name, unless one is fixed or unknown."""
    names = [t.cost.name for t in terms]
    for name, weight in weights.items():
        if name not in names:
            raise ModelError(f"update weights: no cost is called {name!r}; there are: {', '.join(names)}")
        check_weight(weight, name)
    out = []
    for term in terms:
        if term.cost.name in weights:
            if declaration.is_fixed(term.cost):
                raise ModelError(
                    f"{term.cost.name} holds a cp.Parameter of its own, so its weight is fixed; "
                    "put the weight into that parameter"
                )
            term = Term(float(weights[term.cost.name]), term.cost)
        out.append(term)
    return tuple(out)


def changed(constraints: tuple[Constraint, ...], changes: Mapping[str, Mapping[str, Any]]) -> tuple[Constraint, ...]:
    """Return the constraints with new fields by name."""
    names = [c.name for c in constraints]
    for name in changes:
        if name not in names:
            raise ModelError(f"update constraints: none is called {name!r}; there are: {', '.join(names) or 'none'}")
    return tuple(c.changed(**changes[c.name]) if c.name in changes else c for c in constraints)


def well_typed(order: Any, market: Any, weights: Any, constraints: Any) -> None:
    """Demand that an update is given what it takes."""
    for what, given, wanted in (
        ("order", order, Order),
        ("market", market, Market),
        ("weights", weights, Mapping),
        ("constraints", constraints, Mapping),
    ):
        if given is not None and not isinstance(given, wanted):
            raise DataError(f"update {what}: {type(given).__name__} was given, a {wanted.__name__} is expected")
    for name, weight in (weights or {}).items():
        if number(weight) is None:
            raise DataError(f"update weights: {short(weight)} for {name!r} is not a number")
    for name, change in (constraints or {}).items():
        if not isinstance(change, Mapping):
            raise DataError(f"update constraints: {change!r} for {name!r}; a mapping of its fields is expected")


def replaced(terms: tuple[Term, ...], fresh: Sequence[Term]) -> tuple[Term, ...]:
    """Return the terms with the costs of the same name replaced."""
    new = {t.cost.name: t.cost for t in fresh}
    return tuple(Term(t.weight, new.get(t.cost.name, t.cost)) for t in terms)


def same_shape(state: State, order: Order, market: Market) -> None:
    """Demand that order and market keep the shape of the declared problem."""
    demand(order, Order, "order")
    demand(market, Market, "market")
    old = state.setting
    bound = [t.cost.name for t in state.terms if t.cost.bound_to_grid]
    bound += [c.name for c in state.constraints if c.bound_to_grid]
    if bound and market.grid != old.grid:
        raise ModelError(
            f"update market: the grid differs, and {bound[0]} was declared on the old one; "
            "that needs a new ExecutionProblem"
        )
    if len(order.assets) != len(old.assets) or not order.assets.isin(old.assets).all():
        raise ModelError(
            f"update order: its assets differ from the problem's ({', '.join(map(str, old.assets[:12]))}); "
            "that needs a new ExecutionProblem"
        )
    if market.grid.periods != old.grid.periods:
        raise ModelError(
            f"update market: {market.grid.periods} intervals instead of {old.grid.periods}; "
            "that needs a new ExecutionProblem"
        )
    if order.hedges != old.order.hedges:
        legs = [", ".join(map(str, sorted(hedges, key=str))) or "none" for hedges in (order.hedges, old.order.hedges)]
        raise ModelError(
            f"update order: the hedge legs are {legs[0]}, declared were {legs[1]}; that needs a new ExecutionProblem"
        )


def reordered(order: Order, old: Setting) -> Order:
    """Return the order in the problem's sequence of assets."""
    if order.assets.equals(old.assets):
        return order
    out = Order(order.initial.loc[old.assets], order.target.loc[old.assets])
    out._hedges = order.hedges
    return out

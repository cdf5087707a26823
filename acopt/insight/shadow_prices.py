"""What a rule is worth: the price of every bound, in currency per unit by which it would give way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

import cvxpy as cp
import numpy as np
import pandas as pd

from acopt.constraints.budget import Budget
from acopt.constraints.custom import CustomConstraint
from acopt.constraints.portfolio import HoldingBounds
from acopt.constraints.position_bounds import PositionBounds
from acopt.constraints.trading import AllowUnfilled, Participation
from acopt.costs.impact import SpreadCost
from acopt.errors import DataError, ModelError
from acopt.insight.words import amount, at, auction
from acopt.market.labels import Array, is_one_of
from acopt.model.algebra import Constraint
from acopt.model.declaration import BOUNDS
from acopt.model.multipliers import SIZES, Multipliers
from acopt.model.schedule import COMPLETE, TOLERANCE, Schedule, term_weight, unit_size
from acopt.model.setting import Setting

__all__ = ["most_valuable", "shadow_prices"]

By: TypeAlias = Literal["bound", "asset", "constraint"]

COLUMNS = ["constraint", "asset", "interval", "side", "price", "unit", "bound", "together", "tied"]
SLACK = 1e-6
"""Distance from its bound, in sizes of the order, beyond which a row is slack and its price zero."""

ROUNDING = 1e-13
"""Of the objective: what a price must be worth, for a whole order, to be told from zero."""


def shadow_prices(schedule: Schedule, by: By = "bound") -> pd.DataFrame:
    """
    Price every bound: what the objective falls by when it alone gives way, per unit.

    price = -dv/d(relaxation) >= 0, one-sided, v the optimal objective; zero where the bound is slack

    Where several sets of multipliers prove the optimum (bounds that depend on one another, say caps that add
    up to the order exactly), the price lies between that of giving way and that of tightening.

    Parameters
    ----------
    schedule : an optimal one; its `multipliers` are the proof that the prices are read from.
    by : "bound"; or "asset" or "constraint", sums over what gives way by one unit at once: all bounds of a
        rule on an asset (a cap in every interval), all bounds of a rule. Signed prices are added as they are.

    Returns
    -------
    DataFrame
        The most valuable first; equal ones by rule and place. Bounds that are infinite have no row, nor has a
        trade that is history or that cannot be (closed, no volume).
        `constraint`; `asset`, or the factor or group that a portfolio rule bounds, None for a single number;
        `interval`; `side`, "lower" or "upper" as trades and positions are signed: a cap binds sells below, buys
        above; `price`, currency per `unit` ("share", "participation point", "share per day", "currency");
        `bound` in that unit, NaN where the rule has no number for it.
        `tied` names the rules with the same bound on the same trade, where that bound binds: none of them gains
        by giving way alone, so their prices are zero, and `together` is what is gained when all of them give
        way. Elsewhere it is `price`. A soft rule has no bound, and no row; a budget has one, per currency of its limit.
        Signed, with side "equal": completion, what leaving one share of an asset unfilled would save (for a hedge
        leg, ending one share long); an equality of a custom rule, what is saved per unit by which its left side may
        exceed its right. Rows of a custom rule come as they are, an inequality as "upper", per unit of its sides;
        a row of a cone has price NaN.

    Raises
    ------
    ModelError
        The schedule was evaluated and not optimised.
    DataError
        `by` is none of these.
    """
    if not is_one_of(by, ("bound", "asset", "constraint")):
        raise DataError(f"shadow_prices by={by!r}: 'bound', 'asset' or 'constraint' is expected")
    found = schedule.multipliers
    if found is None:
        raise ModelError(
            f"shadow_prices: {schedule.name!r} was evaluated and not optimised, so nothing proves a price; "
            "ask the optimal schedule, plan.problem.solve().shadow_prices()"
        )
    frames = [_frame(part) for part in _parts(schedule, found)]
    table = pd.concat(frames, ignore_index=True) if frames else _frame({})
    if by != "bound":
        keys = ["constraint", "asset", "unit"] if by == "asset" else ["constraint", "unit"]
        table = table.groupby(keys, sort=False, dropna=False)[["price", "together"]].sum(min_count=1).reset_index()
        table[keys] = table[keys].astype(object).where(table[keys].notna(), None)
    return table.sort_values("price", ascending=False, kind="stable", ignore_index=True)


def most_valuable(schedule: Schedule, count: int = 3) -> list[str]:
    """
    Say what the most valuable bounds would save: "raising JPM's Participation cap by 1 point at 10:30 saves 212".

    Parameters
    ----------
    schedule : an optimal one.
    count : how many sentences at most; bounds that are worth nothing get none, nor do equalities.
    """
    table = shadow_prices(schedule)
    table = table[(table["price"] > 0) & (table["side"] != "equal")].head(count)
    return [_sentence(row, schedule) for row in table.to_dict("records")]


def _sentence(row: dict[Any, Any], schedule: Schedule) -> str:
    rule = next(c for c in schedule.pricing.constraints if c.name == row["constraint"])
    whose = f"{row['asset']}'s " if row["asset"] is not None else ""
    when = "" if row["interval"] is None else f" at {at(row['interval'], schedule.setting)}"
    when = f" in the auction{when}" if when and auction(row["interval"], schedule.setting) else when
    saves = f"saves {amount(row['price'])}"
    if isinstance(rule, Participation):
        outward = (row["side"] == "upper") == (row["bound"] > 0)
        verb, bound = ("raising", "cap") if outward else ("lowering", "floor")
        return f"{verb} {whose}{rule.name} {bound} by 1 point{when} {saves}"
    if isinstance(rule, Budget):
        return f"raising the limit of {rule.name} by 1 currency {saves}"
    if np.isnan(row["bound"]):
        which = "" if row["asset"] is None else f" ({row['asset']})"
        return f"relaxing {rule.name}{which} by 1 {row['unit']}{when} {saves}"
    verb = "raising" if row["side"] == "upper" else "lowering"
    return f"{verb} {whose}{row['side']} {rule.name} bound by 1 {row['unit']}{when} {saves}"


def _frame(part: dict[str, Any]) -> pd.DataFrame:
    frame = pd.DataFrame(part, columns=COLUMNS)
    labels = dict.fromkeys(("constraint", "asset", "interval", "side", "unit", "tied"), object)
    return frame.astype({**labels, **dict.fromkeys(("price", "bound", "together"), float)})


def _parts(schedule: Schedule, found: Multipliers) -> Iterator[dict[str, Any]]:
    """Columns by rule, in the problem's order; completion last."""
    rules = schedule.pricing.constraints
    yield from _trades(schedule, found)
    for rule in (rule for rule in rules if not rule.soft):
        prices = found.of(rule.name)
        if rule.completes or isinstance(rule, AllowUnfilled):
            if prices and not schedule.setting.complete:
                yield _completion(schedule, rule.name, prices[1] - prices[0], rule.parameters(schedule.setting)["left"])
        elif isinstance(rule, HoldingBounds | PositionBounds):
            yield from _positions(schedule, rule, prices)
        elif isinstance(rule, Budget):
            yield _budget(schedule, rule, float(prices[0]))
        else:
            rows = zip(found.equalities(rule.name), prices, _rooms(schedule, rule, len(prices)), strict=True)
            yield from (_rows(schedule, rule, *row) for row in rows)
    if schedule.setting.complete:
        slope = found.of(COMPLETE)[0]
        yield _completion(schedule, COMPLETE, slope, np.zeros(len(slope)))


def _trades(schedule: Schedule, found: Multipliers) -> Iterator[dict[str, Any]]:
    """Give the price of each trade's tightest bounds to the rule whose they are; to none of several."""
    setting, trades = schedule.setting, schedule.path.trades
    rules = [(c, own) for c in schedule.pricing.constraints if (own := c.trade_bounds(setting)) is not None]
    if not rules:
        return
    size = np.maximum(np.abs(setting.remaining), np.abs(trades).max(axis=0))
    open_ = ~setting.forbidden
    open_[: setting.elapsed] = False
    prices = found.of(BOUNDS)
    at_zero = _at_zero(schedule, found, prices)
    for s, (side, price) in enumerate(zip(("lower", "upper"), prices, strict=True)):
        sign = 1.0 if side == "upper" else -1.0
        room = np.array([sign * own[s] for _, own in rules])
        tightest = room.min(axis=0)
        price = _binding(schedule, price, tightest - sign * trades, size)
        owns = room <= tightest + TOLERANCE * size
        for j, (rule, own) in enumerate(rules):
            here = open_ & np.isfinite(own[s])
            unit, widening = rule.widening(setting)
            widening = np.broadcast_to(widening, setting.shape)
            alone = np.where(owns[j], np.where(own[s] == 0, np.minimum(price, at_zero[s]), price), 0.0) * widening
            shared = (owns.sum(axis=0) > 1) & owns[j] & (alone > 0)
            others = [
                ", ".join(rules[i][0].name for i in np.flatnonzero(owns[:, k, m]) if i != j) if shared[k, m] else ""
                for k, m in np.argwhere(here)
            ]
            natural = np.divide(own[s], widening, out=np.full(setting.shape, np.nan), where=widening > 0)
            price_alone = np.where(shared, 0.0, alone)
            yield _cells(schedule, rule.name, side, unit, here, price_alone, natural, alone) | {"tied": others}


def _binding(schedule: Schedule, price: Array, room: Array, size: Array | float) -> Array:
    """Price where the bound binds; zero where there is room, or where it is rounding even for a whole order."""
    scale = 0.0 if schedule.certificate is None else schedule.certificate.gap_scale
    return np.where((room <= SLACK * size) & (price * size > ROUNDING * scale), price, 0.0)


def _at_zero(schedule: Schedule, found: Multipliers, prices: list[Array]) -> tuple[Array, Array]:
    """
    Price of a lower and of an upper bound at zero: what pulls a trade out of it, less the half-spread it pays.

    There |u| has a kink, and the multipliers of a bound and of |u| share what pulls; where a rule fixes the
    sign of a trade, |u| was declared as linear, and the multiplier believes that the other side earns it.
    """
    setting = schedule.setting
    epsilon, pull = np.zeros(setting.shape), prices[1] - prices[0]
    for term in schedule.pricing.terms:
        if isinstance(term.cost, SpreadCost):
            epsilon += term_weight(term) * term.cost.coefficient(setting)
    pull = pull + np.where(setting.one_sided, epsilon * setting.sides, 0.0)
    kinks = found.of(SIZES)  # size >= u and size >= -u, in this order
    if kinks:
        pull = pull + kinks[0] - kinks[1]
    return np.maximum(-pull - epsilon, 0.0), np.maximum(pull - epsilon, 0.0)


def _positions(
    schedule: Schedule, rule: HoldingBounds | PositionBounds, prices: list[Array]
) -> Iterator[dict[str, Any]]:
    """Price the bounds on positions after every trade."""
    setting, path = schedule.setting, schedule.path
    if isinstance(rule, HoldingBounds):
        value = path.holdings[1:]
    else:
        value = (path.after + rule.shift(setting)) @ rule.matrix(setting)
    unit, widening = rule.widening(setting)
    for side, price, bound in zip(("lower", "upper"), prices, rule.bounds(setting), strict=True):
        price = _binding(schedule, price, np.abs(bound - value), unit_size(rule, path)) * widening
        yield _cells(schedule, rule.name, side, unit, np.isfinite(bound), price, bound / widening, price, rule)


def _budget(schedule: Schedule, rule: Budget, price: float) -> dict[str, Any]:
    """Price the one bound of a budget."""
    limit, (unit, widening) = rule.amount(schedule.setting), rule.widening(schedule.setting)
    room = limit - rule.value(schedule.path)
    price = 0.0 if room > SLACK * rule.size(schedule.setting) else max(price, 0.0) * float(widening)
    return {
        "constraint": [rule.name],
        "asset": None,
        "interval": None,
        "side": "upper",
        "price": price,
        "unit": unit,
        "bound": limit,
        "together": price,
        "tied": "",
    }


def _cells(
    schedule: Schedule,
    name: str,
    side: str,
    unit: str,
    here: Any,
    price: Array,
    bound: Array,
    together: Array,
    rule: Constraint | None = None,
) -> dict[str, Any]:
    """Columns for the cells of an array (N, n), by interval and then by asset (factor, group), or of one (N,)."""
    labels = schedule.setting.assets if rule is None else rule.row_labels(schedule.setting)
    places = np.argwhere(here)
    return {
        "constraint": name,
        "asset": None if labels is None else np.asarray(labels, dtype=object)[places[:, 1]],
        "interval": np.asarray(schedule.setting.grid.labels, dtype=object)[places[:, 0]],
        "side": side,
        "price": price[here],
        "unit": unit,
        "bound": bound[here],
        "together": together[here],
        "tied": "",
    }


def _completion(schedule: Schedule, name: str, slope: Array, left: Array) -> dict[str, Any]:
    """What one share left unfilled saves, from the slope of the optimal value in x_N."""
    setting = schedule.setting
    here = left == 0
    saved = np.where(setting.direction == 0, -1.0, setting.direction) * slope
    return {
        "constraint": name,
        "asset": setting.assets.to_numpy(dtype=object)[here],
        "interval": None,
        "side": "equal",
        "price": saved[here],
        "unit": "share",
        "bound": 0.0,
        "together": saved[here],
        "tied": "",
    }


def _rooms(schedule: Schedule, rule: Constraint, count: int) -> list[Array | float]:
    """How far the rows of a custom rule are from binding, in sizes of their sides; 0 where that is not known."""
    if not isinstance(rule, CustomConstraint):
        return [0.0] * count
    found: list[Array | float] = []
    for row in _evaluated(rule, schedule):
        sides = [np.asarray(side.value, dtype=float) for side in row.args]
        known = isinstance(row, cp.constraints.Inequality)
        size = max(float(np.abs(side).max(initial=0.0)) for side in sides)
        found.append((sides[1] - sides[0]) / (size or 1.0) if known else 0.0)
    return found


def _evaluated(rule: CustomConstraint, schedule: Schedule) -> list[cp.Constraint]:
    found = rule.function(schedule.path.constants())
    return list(found) if isinstance(found, list | tuple) else [found]


def _rows(schedule: Schedule, rule: Constraint, equal: bool, price: Array, room: Array | float) -> dict[str, Any]:
    """Rows of any other rule, with labels where their shape is that of a path."""
    setting = schedule.setting
    own, widening = rule.widening(setting)
    price = (-price if equal else np.where(room > SLACK, 0.0 * price, np.maximum(price, 0.0))) * widening
    asset, interval = _places(setting, price.shape)
    return {
        "constraint": [rule.name] * price.size,
        "asset": asset,
        "interval": interval,
        "side": "equal" if equal else "cone" if np.isnan(price).all() else "upper",
        "price": price.ravel(),
        "unit": "unit of its sides" if isinstance(rule, CustomConstraint) else own,
        "bound": np.nan,
        "together": price.ravel(),
        "tied": "",
    }


def _places(setting: Setting, shape: tuple[int, ...]) -> tuple[list[Any] | None, list[Any] | None]:
    """Labels of assets and of intervals (of edges, for N+1 rows) where a shape has them; else numbered rows."""
    count = int(np.prod(shape, dtype=int))
    times = {setting.shape[0]: setting.grid.labels, setting.shape[0] + 1: setting.grid.edge_labels}
    if shape and shape[0] in times and shape[1:] in ((), setting.assets.shape):
        asset = list(setting.assets) * shape[0] if len(shape) == 2 else None
        return asset, list(times[shape[0]].repeat(count // shape[0]))
    return (None if shape == () else [f"row {j}" for j in range(count)]), None

"""Rules of the second oracle as rows over the trades, and a schedule judged: what it costs, and what it breaks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from composed import Array, Case, Cost, Mask, Rule, Tape, Wide, path, value, wide


@dataclass(frozen=True, eq=False)
class Rows:
    """low <= A u <= high, in shares or currency; `price` is a soft rule's penalty per unit outside."""

    matrix: Wide  # (m, N n), interval-major
    low: Wide  # (m,)
    high: Wide  # (m,)
    unit: str  # shares, currency
    price: Wide  # (m,), zero if hard


def applied(tape: Tape, rule: Rule) -> Mask:
    """Cells (N, n) in which a rule applies."""
    where = np.ones(tape.volume.shape, bool)
    if rule.window is not None:
        where[: rule.window[0]] = where[rule.window[1] :] = False
    if rule.assets is not None:
        where[:, ~rule.assets] = False
    return where


def rows_of(case: Case, rule: Rule) -> list[Rows]:
    """Return a rule as rows over the trades."""
    tape = case.tape
    if rule.kind in ("Participation", "TradeRate", "TradeSize", "Monotone", "NoTrade"):
        return [_trade_rows(tape, rule)]
    if rule.kind == "HoldingBounds":
        return [_holding_rows(tape, rule)]
    if rule.kind == "AllowUnfilled":
        return _unfilled_rows(tape, rule)
    if rule.kind == "Pair":  # done(a) <= done(b) + room, a user's own
        a, b = rule.data["pair"]
        weights = np.zeros(len(tape.order), np.longdouble)
        weights[a], weights[b] = -1 / wide(tape.order[a]), 1 / wide(tape.order[b])
        return [_position_rows(tape, rule, weights[:, None], wide([0]), -np.inf, rule.data["room"], "shares")]
    weights, shift, low, high = _functionals(tape, rule)
    return [_position_rows(tape, rule, weights, shift, low, high, "currency")]


def trade_limits(tape: Tape, rule: Rule) -> tuple[Array, Array]:
    """Lower and upper bound (N, n) of a rule on single trades, before its window and assets."""
    shape, side = tape.volume.shape, -np.sign(tape.order)
    lower, upper = np.full(shape, -np.inf), np.full(shape, np.inf)
    if rule.kind == "Participation":
        cap = rule.data["maximum"] * tape.volume
        lower, upper = -cap, cap.copy()
        if rule.data["minimum"] is not None:
            floor = rule.data["minimum"] * tape.volume
            lower, upper = np.where(side > 0, floor, lower), np.where(side < 0, -floor, upper)
    elif rule.kind == "Monotone":
        free = tape.hedges
        lower = np.where(free | (side < 0), lower, 0.0)
        upper = np.where(free | (side > 0), upper, 0.0)
    elif rule.kind == "NoTrade":
        lower, upper = np.zeros(shape), np.zeros(shape)
    else:
        unit = tape.durations[:, None] if rule.kind == "TradeRate" else np.ones((shape[0], 1))
        rated = unit > 0  # an auction has no rate
        lower = np.where(rated, rule.data["lower"] * np.where(rated, unit, 1), -np.inf)
        upper = np.where(rated, rule.data["upper"] * np.where(rated, unit, 1), np.inf)
    return lower, upper


def _trade_rows(tape: Tape, rule: Rule) -> Rows:
    lower, upper = trade_limits(tape, rule)
    cells = np.flatnonzero(applied(tape, rule) & (np.isfinite(lower) | np.isfinite(upper)))
    price = np.broadcast_to(tape.price, lower.shape).ravel()[cells] * _per_currency(rule)
    return Rows(
        np.eye(lower.size, dtype=np.longdouble)[cells],
        wide(lower.ravel()[cells]),
        wide(upper.ravel()[cells]),
        "shares",
        wide(price),
    )


def _holding_rows(tape: Tape, rule: Rule) -> Rows:
    n, cells = len(tape.order), np.argwhere(applied(tape, rule))
    low, high = (np.broadcast_to(rule.data[side], tape.volume.shape) for side in ("lower", "upper"))
    rows = wide([position_row(tape, k, np.eye(n)[i]) for k, i in cells]).reshape(len(cells), -1)
    k, i = cells.T if len(cells) else (np.zeros(0, int), np.zeros(0, int))
    held = wide(tape.target)[i] + wide(tape.order)[i]
    price = wide(tape.price)[i] * _per_currency(rule)
    return Rows(rows, wide(low)[k, i] - held, wide(high)[k, i] - held, "shares", price)


def _unfilled_rows(tape: Tape, rule: Rule) -> list[Rows]:
    """x_N is paid for where it may be left, zero elsewhere."""
    n, count = len(tape.order), len(tape.durations)
    may = np.ones(n, bool) if rule.assets is None else rule.assets
    last = wide([position_row(tape, count - 1, np.eye(n)[i]) for i in range(n)])
    price = wide(tape.price) * _per_currency(rule)
    out = []
    for mask, paid in ((may, price), (~may, 0 * price)):
        if mask.any():
            out.append(Rows(last[mask], -wide(tape.order)[mask], -wide(tape.order)[mask], "shares", paid[mask]))
    return out


def _functionals(tape: Tape, rule: Rule) -> tuple[Wide, Wide, Any, Any]:
    """Weights (n, f) of the positions, the shift from x to the position, and limits (N, f) or broadcastable."""
    price, data = wide(tape.price), rule.data
    if rule.assets is not None:
        price = np.where(rule.assets, price, 0)
    if rule.kind == "CashBalance":
        return -price[:, None], -wide(tape.order), wide(data["lower"])[..., None], wide(data["upper"])[..., None]
    shift = wide(tape.target if data["of"] == "holdings" else 0 * tape.target)
    if rule.kind == "DollarNeutral":
        weights = price[:, None]
    elif rule.kind == "FactorNeutral":
        weights = wide(data["exposures"]) * price[:, None]
    else:
        groups = sorted(set(data["groups"]))
        weights = np.stack([np.where(np.array(data["groups"]) == g, price, 0) for g in groups], axis=1)
    limit = wide(data["tolerance"])  # currency, by functional
    return weights, shift, -limit, limit


def _position_rows(tape: Tape, rule: Rule, weights: Wide, shift: Wide, low: Any, high: Any, unit: str) -> Rows:
    count, functionals = len(tape.durations), weights.shape[1]
    first, last = rule.window or (0, count)
    low, high = (np.broadcast_to(wide(side), (count, functionals)) for side in (low, high))
    offset = wide(tape.order) + shift if unit == "currency" else 0 * wide(tape.order)
    rows, least, most = [], [], []
    for k in range(first, last):
        for f in range(functionals):
            rows.append(position_row(tape, k, weights[:, f]))
            least.append(low[k, f] - offset @ weights[:, f])
            most.append(high[k, f] - offset @ weights[:, f])
    price = np.full(len(rows), _per_currency(rule))
    return Rows(wide(rows).reshape(len(rows), -1), wide(least), wide(most), unit, wide(price))


def _per_currency(rule: Rule) -> float:
    return 0.0 if rule.penalty is None else 1e-4 * rule.penalty


def position_row(tape: Tape, k: int, weights: Any) -> Wide:
    """Coefficients (N n,) of w'(x_{k+1} - x_0) in the trades: intervals 0..k count."""
    count = len(tape.durations)
    return np.asarray(np.where(np.arange(count)[:, None] <= k, wide(weights), 0)).ravel()


def outside(rows: Rows, trades: Any) -> Wide:
    """By how much every row is missed."""
    at = rows.matrix @ wide(trades).ravel()
    return np.maximum(np.maximum(rows.low - at, at - rows.high), 0)


# ---------------------------------------------------------------- a schedule, judged


def term_values(case: Case, trades: Any) -> list[tuple[str, np.longdouble]]:
    """Every term of the objective, soft rules included, in the order of the case."""
    out = [(cost.kind, value(case, cost, trades)) for cost in case.costs]
    for rule in case.rules:
        if rule.penalty is not None:
            paid = sum((rows.price @ outside(rows, trades) for rows in rows_of(case, rule)), np.longdouble(0))
            out.append((rule.kind, paid))
    return out


def cost_and_scale(case: Case, trades: Any) -> tuple[float, float]:
    """Objective, and the sum of |path-dependent terms|."""
    values = term_values(case, trades)
    cost = sum((v for _, v in values), np.longdouble(0))
    scale = np.longdouble(0)
    for j, (_, term) in enumerate(values):
        own = term
        if case.complete and j < len(case.costs) and case.costs[j].kind == "PermanentImpact":
            own = own - block(case, case.costs[j])
        scale += abs(own)
    return float(cost), float(scale)


def block(case: Case, cost: Cost) -> np.longdouble:
    """1/2 X'GX, which no path changes."""
    x = wide(case.tape.order)
    return np.longdouble(cost.weight * (x @ wide(cost.data["gamma"]) @ x) / 2)


def twap(tape: Tape) -> Array:
    """Trades in proportion to time over the open intervals."""
    weights = tape.durations[:, None] * tape.open
    total = weights.sum(axis=0)
    return np.asarray(-tape.order * weights / np.where(total > 0, total, 1.0))


def tolerance(case: Case, scale: float) -> float:
    """1e-6 of the path-dependent terms + 1e-12 of the same at TWAP; without an order, at least of one unit of money."""
    floor = cost_and_scale(case, twap(case.tape))[1]
    return 1e-6 * scale + 1e-12 * floor if floor > 0 else 1e-6 * max(scale, 1.0)


def unit_of_shares(case: Case, trades: Array) -> float:
    """Return the largest |X|, else the largest cap or trade, at least one share."""
    if case.tape.order.any():
        return float(np.max(np.abs(case.tape.order)))
    limits = [1.0, np.max(np.abs(trades), initial=0.0)]
    for rule in case.rules:
        if rule.penalty is None and rule.kind in ("Participation", "TradeRate", "TradeSize"):
            bounds = np.abs(trade_limits(case.tape, rule))
            limits.append(np.max(bounds[np.isfinite(bounds)], initial=0.0))
    return float(max(limits))


def violation(case: Case, trades: Array) -> float:
    """Worst broken rule: shares of the largest |X|, currency of gross notional, budgets of gross or of their value."""
    tape, u = case.tape, wide(trades)
    size = unit_of_shares(case, trades)
    gross = tape.gross or size * float(tape.price.max())
    worst = [np.longdouble(0)]
    if case.complete:
        worst.append(np.max(np.abs(path(tape, u)[-1])) / size)
    worst.append(np.max(np.abs(u[tape.closed]), initial=0) / size)
    for rule in case.rules:
        for rows in rows_of(case, rule):
            hard = rows.price == 0
            unit = size if rows.unit == "shares" else gross
            if rule.kind == "Pair":  # relative to its larger side
                a, b = rule.data["pair"]
                done = 1 - path(tape, u)[:, [a, b]] / wide(tape.order[[a, b]])
                unit = float(np.max(np.abs(done + np.array([0.0, rule.data["room"]]))))
            worst.append(np.max(outside(rows, u)[hard], initial=0) / unit)
    for budget in case.budgets:
        spent = sum((value(case, cost, u) for cost in budget.costs), np.longdouble(0))
        spent = np.sqrt(np.maximum(spent, 0)) if budget.deviation else spent
        worst.append((spent - budget.value) / max(gross, abs(budget.value)))
    return max(float(max(worst)), 0.0)

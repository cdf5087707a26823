"""Trades against the order that nothing forces: how many, and what in the problem makes them pay."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from acopt.constraints.custom import CustomConstraint
from acopt.constraints.position_bounds import PositionBounds
from acopt.constraints.trading import Monotone
from acopt.costs.alpha import Alpha
from acopt.costs.impact import PermanentImpact, TemporaryImpact
from acopt.costs.risk import TimingRisk, TrackingRisk
from acopt.costs.transient import TransientImpact
from acopt.insight.words import benchmark, count, money, names, percent
from acopt.market.labels import Array
from acopt.model.algebra import Cost
from acopt.model.feasibility import trade_bounds
from acopt.model.schedule import TOLERANCE, Schedule, term_weight
from acopt.model.setting import Setting

__all__ = ["round_trips", "unforced"]

MONOTONE = Monotone()

PRICED = (TransientImpact, PermanentImpact, TemporaryImpact, Alpha, TimingRisk, TrackingRisk)
"""The costs of which it is known when they make trades against the order pay."""


def round_trips(schedule: Schedule) -> list[str]:
    """
    Say where a plan trades against its order although nothing forces it, and why that can pay.

    One sentence for the assets that share their reasons, and one with the reference where a kernel is among
    them. Empty when no trade is against the order; hedge legs and history are left out.

    Reasons: permanent impact that a trade recovers faster than it pays its own (`own="full"`); a kernel that is not
    convex; a drift; impact, risk or a rule between assets; a benchmark; a user's own term.

    References
    ----------
    Alfonsi, Schied & Slynko (2012), "Order book resilience, price manipulation, and the positive portfolio problem":
    with a convex decreasing kernel and nothing else, no trade is ever against the order.
    """
    setting, wrong = schedule.setting, unforced(schedule)
    groups: dict[tuple[str, ...], list[int]] = {}
    for i in map(int, np.flatnonzero(wrong.any(axis=0))):
        groups.setdefault(tuple(dict.fromkeys(_reasons(schedule, i))), []).append(i)
    return [_sentence(setting, wrong, assets, reasons) for reasons, assets in groups.items()]


def unforced(schedule: Schedule) -> Array:
    """Shares (N, n) traded against the order where no bound forces them."""
    setting = schedule.setting
    wrong = np.where(setting.one_sided, 0.0, MONOTONE.violation(schedule.path))
    wrong[wrong <= TOLERANCE * (setting.size or 1.0)] = 0.0
    lower, upper = trade_bounds(schedule.pricing.constraints, setting)
    forced = np.where(setting.sides > 0, upper < 0, lower > 0)
    return np.where(forced, 0.0, wrong)


def _sentence(setting: Setting, wrong: Array, assets: list[int], reasons: tuple[str, ...]) -> str:
    value = float(np.sum(wrong[:, assets] @ setting.market.prices[assets]))
    share = f", {percent(value / setting.gross)} of the order" if setting.gross > 0 else ""
    who = f" in {names(setting.assets[assets])}" if len(setting.assets) > 1 else ""
    head = f"{count(int(np.count_nonzero(wrong[:, assets])), 'trade')} against the order{who} ({money(value)}{share})"
    if not reasons:
        return f"{head}, for a reason that is not among the known ones (kernel, drift, ties between assets)"
    return f"{head}, because {' or '.join(reasons)}" if len(reasons) == 1 else f"{head}: {'; '.join(reasons)}"


def _reasons(schedule: Schedule, i: int) -> Iterator[str]:
    """What can make trades of one asset against its order pay, the most telling first."""
    setting = schedule.setting
    active = [t.cost for t in schedule.pricing.terms if term_weight(t) > 0]
    if _recovered(setting, i):
        full = [c.name for c in active if isinstance(c, PermanentImpact) and c.own == "full"]
        yield (
            f"{' and '.join(full) or 'a concave cost'} charges a trade nothing of its own move, and temporary impact "
            "is too small to make up for it: what one trade does to the price, the next one gets back"
        )
    for cost in active:
        yield from _reason_of(cost, setting, i)
    yield from _ties(schedule, i)


def _reason_of(cost: Cost, setting: Setting, i: int) -> Iterator[str]:
    if isinstance(cost, TransientImpact):
        bend = cost.bends(setting)[i]
        if bend != "convex" and _own(cost.matrix(setting))[i] > 0:
            yield (
                f"the kernel of {cost.name} is {bend}: a trade against the order undoes impact that later trades would "
                "pay, which a convex decreasing kernel never makes worth it (Alfonsi, Schied & Slynko 2012)"
            )
    elif isinstance(cost, Alpha):
        if cost.coefficient(setting)[:, i].any():
            yield f"the drift of {cost.name} pays for it"
    elif isinstance(cost, TrackingRisk):
        yield f"{cost.name} follows {benchmark(cost)}"
    elif cost.kind != "penalty" and not isinstance(cost, PRICED) and type(cost).__module__.split(".")[0] != "acopt":
        yield f"{cost.name}, a term of your own"
    if isinstance(cost, TimingRisk | TrackingRisk) and _covaries(cost, setting, i):
        yield f"by {cost.name} it hedges other assets"
    matrix = _between(cost, setting)
    if matrix is not None and np.delete(matrix[..., i], i, axis=-1).any():
        yield f"{cost.name} acts between assets"


def _ties(schedule: Schedule, i: int) -> Iterator[str]:
    setting = schedule.setting
    for rule in schedule.pricing.constraints:
        if isinstance(rule, PositionBounds | CustomConstraint) and rule.covered(setting)[i]:
            yield f"{rule.name} ties it to {'other assets' if len(setting.assets) > 1 else 'its path'}"


def _recovered(setting: Setting, i: int) -> bool:
    """Whether the curvature of single trades is negative for an asset."""
    for lent in (setting.lent or {}).values():
        own = lent[:, i] if lent.ndim == 2 else lent[:, i, i]
        if (own < 0).any():
            return True
    return False


def _own(strength: Array) -> Array:
    return strength if strength.ndim == 1 else np.diag(strength)


def _between(cost: Cost, setting: Setting) -> Array | None:
    """Matrices (..., n, n) by which a cost acts between assets."""
    if isinstance(cost, TransientImpact | PermanentImpact):
        matrix, dimensions = cost.matrix(setting), 2
    elif isinstance(cost, TemporaryImpact):
        matrix, dimensions = cost.coefficient(setting), 3
    else:
        return None
    return matrix if matrix.ndim == dimensions else None


def _covaries(cost: TimingRisk | TrackingRisk, setting: Setting, i: int) -> bool:
    """Whether another asset with something to trade moves with this one."""
    one = np.zeros(setting.shape)
    one[:, i] = 1.0
    moved = cost.model(setting).apply(one)
    return bool(np.delete(moved, i, axis=1).any())

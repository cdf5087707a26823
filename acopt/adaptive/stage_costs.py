"""How every cost splits by interval: what a trade costs, what the position after it costs, what is left at the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np

from acopt.constraints.portfolio import HoldingBounds
from acopt.constraints.position_bounds import PositionBounds
from acopt.constraints.soft import SoftRule
from acopt.constraints.trading import TradeBounds, Unfilled
from acopt.costs.alpha import Alpha
from acopt.costs.custom import CustomCost
from acopt.costs.impact import PermanentImpact, SpreadCost, TemporaryImpact
from acopt.costs.power import PowerImpact
from acopt.costs.risk import TimingRisk, TrackingRisk
from acopt.costs.smoothness import Smoothness
from acopt.costs.transient import TransientImpact
from acopt.costs.worst_case import WorstCase
from acopt.errors import DataError, ModelError
from acopt.market.covariance import RiskModel
from acopt.market.labels import Array, short
from acopt.model.algebra import Cost
from acopt.model.setting import Setting

__all__ = ["StageCost", "Staged", "parts_of", "splits", "why_not"]

OfInterval: TypeAlias = Callable[[int, Array], Array]


@dataclass(frozen=True)
class StageCost:
    """
    How a cost splits: sum_k trade(k, u_k) + sum_k holding(k, x_k) + terminal(x_N).

    Attributes
    ----------
    trade, holding : (interval k from 0, shares (..., n)) -> currency (...); x_k is what remains after trade k.
    terminal : shares (..., n) -> currency (...).
    joint : whether `trade` is no sum over assets.
    """

    trade: OfInterval | None = None
    holding: OfInterval | None = None
    terminal: Callable[[Array], Array] | None = None
    joint: bool = False

    def __post_init__(self) -> None:
        """Check the kinds; what the functions return is checked when they are asked."""
        for name in ("trade", "holding", "terminal"):
            given = getattr(self, name)
            if given is not None and not callable(given):
                raise DataError(f"StageCost {name}: {short(given)} was given, a function or None is expected")
        if not isinstance(self.joint, bool):
            raise DataError(f"StageCost joint={short(self.joint)}: True or False is expected")


@runtime_checkable
class Staged(Protocol):
    """A cost of the user's own that says how it splits; it need not be convex."""

    def by_stage(self, setting: Setting) -> StageCost:
        """Return the unweighted parts, which add up to the cost's `values`."""
        ...


def splits(cost: Cost) -> bool:
    """Whether a cost is a sum over intervals."""
    if isinstance(cost, SoftRule):
        return isinstance(cost.rule, TradeBounds | HoldingBounds | PositionBounds)
    return type(cost) in _PARTS or isinstance(cost, Staged)


def why_not(cost: Cost) -> str:
    """Say why a cost is no sum over intervals."""
    for kind, reason in _REASONS.items():
        if isinstance(cost, kind):
            return reason
    return "it does not say how it splits: by_stage(setting) -> StageCost"


def parts_of(cost: Cost, setting: Setting) -> StageCost:
    """Return the unweighted parts of a cost that splits."""
    if isinstance(cost, SoftRule):
        return _soft(cost, setting)
    if type(cost) in _PARTS:
        return _PARTS[type(cost)](cost, setting)
    own: StageCost = cost.by_stage(setting)  # type: ignore[attr-defined]
    if not isinstance(own, StageCost):
        raise ModelError(f"{cost.name}: by_stage returned {type(own).__name__}, a StageCost is expected")
    return own


def _temporary(cost: TemporaryImpact, setting: Setting) -> StageCost:
    return _curved(cost.curvature(setting))


def _permanent(cost: PermanentImpact, setting: Setting) -> StageCost:
    """1/2 S' Gamma S is of what was traded in the end, S = x_N - x_0; the rest is of single trades."""
    curvature = cost.curvature(setting)
    own = StageCost() if curvature is None else _curved(curvature)
    return StageCost(own.trade, None, partial(_moved, 0.5 * cost.matrix(setting), setting.remaining), own.joint)


def _power(cost: PowerImpact, setting: Setting) -> StageCost:
    single = cost.single(setting)
    return StageCost(partial(_powers, np.where(np.isfinite(single), single, 0.0), cost.powers(setting)))


def _spread(cost: SpreadCost, setting: Setting) -> StageCost:
    return StageCost(partial(_sizes, cost.coefficient(setting)))


def _alpha(cost: Alpha, setting: Setting) -> StageCost:
    return StageCost(holding=partial(_linear, -setting.durations * cost.coefficient(setting)))


def _timing(cost: TimingRisk, setting: Setting) -> StageCost:
    return StageCost(holding=partial(_off, _matrices(cost.model(setting), setting), np.zeros(setting.shape)))


def _tracking(cost: TrackingRisk, setting: Setting) -> StageCost:
    return StageCost(holding=partial(_off, _matrices(cost.model(setting), setting), cost.path(setting)))


def _unfilled(cost: Unfilled, setting: Setting) -> StageCost:
    return StageCost(terminal=partial(_left, cost.price(setting)))


def _soft(cost: SoftRule, setting: Setting) -> StageCost:
    rule, price = cost.rule, cost.price(setting)
    low, high = rule.allowed(setting)
    if isinstance(rule, TradeBounds):
        return StageCost(partial(_outside, price, low, high))
    matrix, shift = np.eye(len(setting.assets)), setting.target
    if isinstance(rule, PositionBounds):
        matrix, shift = rule.matrix(setting).reshape(len(shift), -1), rule.shift(setting)
    offset = shift @ matrix
    low, high = low.reshape(len(low), -1) - offset, high.reshape(len(high), -1) - offset
    return StageCost(holding=partial(_outside_of, matrix, price, low, high))


_PARTS: dict[type[Cost], Callable[[Any, Setting], StageCost]] = {
    TemporaryImpact: _temporary,
    PermanentImpact: _permanent,
    PowerImpact: _power,
    SpreadCost: _spread,
    Alpha: _alpha,
    TimingRisk: _timing,
    TrackingRisk: _tracking,
    Unfilled: _unfilled,
}
"""By exact class: a subclass may price otherwise, and says so itself."""
_REASONS: dict[type[Cost], str] = {
    TransientImpact: "a trade pays for the earlier ones",
    Smoothness: "it compares neighbouring intervals",
    WorstCase: "the worst market is known of whole schedules only",
    CustomCost: "its function may join intervals; a Cost with by_stage(setting) says how it splits",
}


def _curved(curvature: Array) -> StageCost:
    """u' C u; an infinite C is where nothing can trade."""
    c = np.where(np.isfinite(curvature), curvature, 0.0)
    if c.ndim == 2:
        return StageCost(partial(_squares, c))
    off = c - np.einsum("kii->ki", c)[:, :, None] * np.eye(c.shape[1])
    return StageCost(partial(_quadratic, c), joint=bool(off.any()))


def _matrices(model: RiskModel, setting: Setting) -> Array:
    """tau_k Sigma_k (N, n, n), a column at a time."""
    n, m = setting.shape
    columns = [model.apply(np.broadcast_to(unit, (n, m))) for unit in np.eye(m)]
    return np.asarray(setting.durations[:, :, None] * np.stack(columns, axis=-1))


def _squares(c: Array, k: int, u: Array) -> Array:
    return np.asarray(np.sum(c[k] * u**2, axis=-1))


def _quadratic(c: Array, k: int, u: Array) -> Array:
    return np.asarray(np.sum((u @ c[k]) * u, axis=-1))


def _off(c: Array, benchmark: Array, k: int, x: Array) -> Array:
    return _quadratic(c, k, x - benchmark[k])


def _moved(half: Array, start: Array, x: Array) -> Array:
    return np.asarray(np.sum(((x - start) @ half) * (x - start), axis=-1))


def _powers(single: Array, powers: Array, k: int, u: Array) -> Array:
    return np.asarray(np.sum(single[k] * np.abs(u) ** powers, axis=-1))


def _sizes(price: Array, k: int, u: Array) -> Array:
    return np.asarray(np.sum(price[k] * np.abs(u), axis=-1))


def _linear(gain: Array, k: int, x: Array) -> Array:
    return np.asarray(x @ gain[k])


def _left(price: Array, x: Array) -> Array:
    return np.asarray(np.abs(x) @ price)


def _outside(price: Array, low: Array, high: Array, k: int, u: Array) -> Array:
    return np.asarray(np.sum(price * np.maximum(np.maximum(low[k] - u, u - high[k]), 0.0), axis=-1))


def _outside_of(matrix: Array, price: Array, low: Array, high: Array, k: int, x: Array) -> Array:
    return _outside(price, low, high, k, x @ matrix)

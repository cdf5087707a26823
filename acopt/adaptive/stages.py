"""A problem interval by interval: what a trade costs, what the position after it costs, and what is allowed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from acopt.adaptive.stage_costs import StageCost, Staged, parts_of, splits, why_not
from acopt.constraints.portfolio import HoldingBounds
from acopt.constraints.position_bounds import PositionBounds
from acopt.constraints.trading import AllowUnfilled, Complete, TradeBounds
from acopt.constraints.under_market import UnderMarket
from acopt.errors import DataError, ModelError
from acopt.market.labels import Array, demand, numbers, short
from acopt.model.algebra import Constraint
from acopt.model.feasibility import trade_bounds
from acopt.model.problem import ExecutionProblem
from acopt.model.setting import Mask, Setting

__all__ = ["StageCost", "Staged", "Stages", "stages"]

ROUNDING = 1e-9
"""Part of the largest order, or of the gross notional, by which a bound may be missed."""


@dataclass(frozen=True)
class Stages:
    """
    A problem whose objective splits: sum_k [f_k(u_k) + g_k(x_k)] + h(x_N),  x_k = x_{k-1} + u_k.

    Attributes
    ----------
    problem : the problem itself.
    parts : weight and parts of every cost.
    lower, upper : bounds on the trades (N, n), shares, buys +; 0 where nothing can trade.
    position_lower, position_upper : bounds on x after each trade (N, n), shares; both 0 in the last row where the
        order must be finished.
    functionals : A (n, f) with lower <= x_k A <= upper (N, f), currency, of the rules on positions.
    """

    problem: ExecutionProblem
    parts: tuple[tuple[float, StageCost], ...]
    lower: Array
    upper: Array
    position_lower: Array
    position_upper: Array
    functionals: tuple[tuple[Array, Array, Array], ...]

    @property
    def setting(self) -> Setting:
        """Order and market, aligned."""
        return self.problem.setting

    @cached_property
    def joint(self) -> bool:
        """Whether trades of different assets in one interval pay for each other."""
        return any(part.joint for _, part in self.parts)

    def trade_cost(self, k: int, u: Array) -> Array:
        """f_k: what trades u (..., n), shares, buys +, cost in interval k, weights included (...)."""
        u = np.asarray(u, dtype=float)
        out = np.zeros(u.shape[:-1])
        for weight, part in self.parts:
            if part.trade is not None:
                out += weight * _costs(part.trade(k, u), out.shape, "trade")
        return out

    def holding_cost(self, k: int, x: Array) -> Array:
        """g_k: what remaining shares x (..., n) cost through interval k, after its trade (...)."""
        x = np.asarray(x, dtype=float)
        out = np.zeros(x.shape[:-1])
        for weight, part in self.parts:
            if part.holding is not None:
                out += weight * _costs(part.holding(k, x), out.shape, "holding")
        return out

    def terminal(self, x: Array) -> Array:
        """h: what is left at the end, x (..., n), costs, and what no schedule can change (...)."""
        x = np.asarray(x, dtype=float)
        out = np.zeros(x.shape[:-1])
        for weight, part in self.parts:
            if part.terminal is not None:
                out += weight * _costs(part.terminal(x), out.shape, "terminal")
        return out

    @cached_property
    def spent(self) -> float:
        """What the history has cost."""
        past = self.setting.past
        if past is None:
            return 0.0
        x = self.setting.remaining + np.cumsum(past, axis=0)
        return float(sum(self.trade_cost(k, past[k]) + self.holding_cost(k, x[k]) for k in range(len(past))))

    def allowed(self, k: int, x: Array) -> Mask:
        """Whether remaining shares x (..., n) obey the rules on the position after trade k (...)."""
        x = np.asarray(x, dtype=float)
        slack = ROUNDING * (self.setting.size or 1.0)
        inside = (x >= self.position_lower[k] - slack) & (x <= self.position_upper[k] + slack)
        ok = np.asarray(inside.all(axis=-1))
        slack = ROUNDING * (self.setting.gross or 1.0)
        for matrix, low, high in self.functionals:
            value = x @ matrix
            ok &= ((value >= low[k] - slack) & (value <= high[k] + slack)).all(axis=-1)
        return ok


def stages(problem: ExecutionProblem) -> Stages:
    """
    Split a problem by interval.

    Impact (permanent impact too: the order's total is known, the rest is in single trades), spread, risk, tracking
    risk, alpha, what is left unfilled, and soft rules split; so do rules on single trades and on positions.

    Parameters
    ----------
    problem : any; its history, if it has one, is in the bounds.

    Raises
    ------
    ModelError
        A cost or a rule that joins intervals (names each, and why), or a risk without weight.
    """
    demand(problem, ExecutionProblem, "stages problem")
    setting = problem.setting
    for term in problem.objective.terms:
        if term.cost.kind == "risk" and term.weight is None:
            raise ModelError(
                f"{term.cost.name} has no weight: multiply it by a risk aversion (1e-6 * {term.cost!r}) before the "
                "problem is split by interval"
            )
    wrong = [f"{t.cost.name} ({why_not(t.cost)})" for t in problem.objective.terms if not splits(t.cost)]
    wrong += [f"{rule.name} ({_why_rule(rule)})" for rule in problem.constraints if not _is_of_one_stage(rule)]
    if wrong:
        raise ModelError(
            f"the problem does not split by interval: {'; '.join(wrong)}. Leave these out, or solve() the problem as a "
            "whole"
        )
    parts = tuple((term.factor, parts_of(term.cost, setting)) for term in problem.objective.terms)
    lower, upper = trade_bounds(problem.constraints, setting)
    return Stages(problem, parts, lower, upper, *position_bounds(problem.constraints, setting))


def _costs(found: Any, shape: tuple[int, ...], what: str) -> Array:
    """What a part of a cost answered, or an error when it is not of this shape."""
    costs = numbers(found, f"StageCost {what}")
    if costs.shape not in (shape, ()) or np.isnan(costs).any():
        raise DataError(
            f"StageCost {what}: {short(found)} of shape {costs.shape} was returned; numbers of shape {shape} are "
            "expected"
        )
    return costs


def _is_of_one_stage(rule: Constraint) -> bool:
    """Whether a rule is about single trades, or about positions at one time; a soft one is a cost."""
    if isinstance(rule, UnderMarket):
        return _is_of_one_stage(rule.rule)
    known = isinstance(rule, TradeBounds | HoldingBounds | PositionBounds | Complete | AllowUnfilled)
    return rule.soft or known or type(rule).expressions is Constraint.expressions


def _why_rule(rule: Constraint) -> str:
    return "it is about the schedule as a whole" if rule.unit == "currency" else "it may join intervals"


def position_bounds(
    rules: tuple[Constraint, ...], setting: Setting
) -> tuple[Array, Array, tuple[tuple[Array, Array, Array], ...]]:
    """Bounds on x after each trade, and functionals of it with theirs."""
    lower, upper = np.full(setting.shape, -np.inf), np.full(setting.shape, np.inf)
    finished = np.full(setting.shape[1], setting.complete)
    functionals = []
    for stated in rules:
        rule, own = _in_its_market(stated, setting)
        if rule.soft:
            continue
        if isinstance(rule, HoldingBounds):
            low, high = rule.bounds(own)
            lower, upper = np.maximum(lower, low - own.target), np.minimum(upper, high - own.target)
        elif isinstance(rule, PositionBounds):
            data = rule.numbers(own)
            flat = [data[what].reshape(len(data[what]), -1) for what in ("functionals", "lower", "upper")]
            functionals.append((flat[0], flat[1], flat[2]))
        elif isinstance(rule, Complete):
            finished |= rule.where(own)[-1]
        elif isinstance(rule, AllowUnfilled):
            finished |= ~rule.where(own)[-1]
    lower[-1], upper[-1] = np.where(finished, 0.0, lower[-1]), np.where(finished, 0.0, upper[-1])
    return lower, upper, tuple(functionals)


def _in_its_market(rule: Constraint, setting: Setting) -> tuple[Constraint, Setting]:
    return _in_its_market(rule.rule, rule.under(setting)) if isinstance(rule, UnderMarket) else (rule, setting)

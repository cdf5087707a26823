"""Policies in closed form: the answer to a forecast by a Riccati recursion, and the rules that cut it off."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from acopt.adaptive.state import Policy, State
from acopt.analytic.linear_quadratic import LinearQuadratic
from acopt.constraints.trading import Complete, Participation, TradeBounds
from acopt.constraints.under_market import UnderMarket
from acopt.costs.alpha import Alpha
from acopt.costs.impact import PermanentImpact, TemporaryImpact
from acopt.costs.risk import TimingRisk
from acopt.errors import DataError, InfeasibleError, ModelError
from acopt.market.labels import Array, Data, called, demand, short
from acopt.model.algebra import Constraint, Term
from acopt.model.benchmarks import tradable
from acopt.model.feasibility import bounding, trade_bounds
from acopt.model.problem import ExecutionProblem
from acopt.model.setting import Setting

ROUNDING = 1e-9
"""Part of the largest order by which bounds may miss each other."""

Limit: TypeAlias = ExecutionProblem | Data


class RiccatiPolicy:
    """
    The optimal answer to a forecast where costs are quadratic and no rule binds.

    min E sum_k [u_k' (H_k / tau_k - Gamma / 2) u_k + lambda tau_k x_k' Sigma_k x_k - E[dS_k | known]' x_k],  x_N = 0
    u_k = (F_k - I) x_{k-1} + 1/2 M_k^-1 sum_j (products of F) E[dS_j | known],  F and M by the Riccati recursion

    It needs no law of the prices, only their forecast, `state.expected_changes()`: where that is linear in what is
    known (a price or a signal that reverts, serial correlation), it is the optimum of all policies. It may pass its
    target on the way, and trade back.

    Parameters
    ----------
    problem : gives H, Gamma, lambda, Sigma, and where nothing can trade. Its rules are left aside: see `Clipped`.
        An `Alpha` among its costs is the forecast's place: its weight counts, its drift is what is known on the day.
    name : how tables call it.

    Raises
    ------
    ModelError
        A cost that is not quadratic in trades or positions, a risk without weight, an order that need not be
        finished; while simulating: other assets or another grid than the problem's.
    DataError
        An asset can trade in no interval, or costs that are not convex.

    References
    ----------
    Garleanu & Pedersen (2013); `acopt.analytic.linear_quadratic` has the recursion.
    """

    overshoots = True

    def __init__(self, problem: ExecutionProblem, *, name: str | None = None) -> None:
        demand(problem, ExecutionProblem, "RiccatiPolicy problem")
        self.ignored = tuple(rule.name for rule in problem.constraints if not isinstance(rule, Complete))
        self.name = called(name, type(self).__name__)
        self._setting = problem.setting
        terms = problem.objective.terms
        self.model = linear_quadratic(problem)
        self._believed = sum((t.factor for t in terms if isinstance(t.cost, Alpha)), 0.0)
        if not any(isinstance(t.cost, Alpha) for t in terms):
            self._believed = 1.0

    def decide(self, state: State) -> Array:
        """Return the optimal trades of this interval, (paths, n) shares."""
        demand_same_grid(self._setting, state.setting, self.name)
        return self.model.trade(state.interval, state.remaining, self._believed * state.expected_changes())

    def __repr__(self) -> str:
        told = f", ignores {', '.join(self.ignored)}" if self.ignored else ""
        return f"RiccatiPolicy({self.name!r}{told})"


class Clipped:
    """
    Another policy's trades, cut off at bounds on single trades, such that the rest can still be finished.

    lower_k <= u_k <= upper_k,   -sum_{j>k} upper_j <= x_k <= -sum_{j>k} lower_j

    It does not look ahead: that a bound will bind later changes nothing before it does. `RecedingHorizon` plans for it.

    Parameters
    ----------
    policy : whose trades are cut off.
    limit : a problem, whose rules must be bounds on single trades (`Participation`, `TradeSize`, `TradeRate`,
        `Monotone`, `NoTrade`); or the maximum participation, as in `Participation`.
    name : how tables call it.

    Raises
    ------
    ModelError
        A rule of the problem that is not a bound on single trades; names it.
    InfeasibleError
        While simulating: what is left cannot be traded within the bounds; says how much can.
    """

    def __init__(self, policy: Policy, limit: Limit, *, name: str | None = None) -> None:
        if isinstance(policy, type) or not isinstance(policy, Policy):
            raise DataError(f"Clipped policy: {short(policy)} was given, an object with decide(state) is expected")
        self.policy = policy
        self.name = called(name, f"{getattr(policy, 'name', type(policy).__name__)}, clipped")
        self.rules: tuple[Constraint, ...] = (
            limit.constraints if isinstance(limit, ExecutionProblem) else (Participation(limit),)
        )
        wrong = [rule.name for rule in self.rules if not (rule.soft or _bounds_trades(rule))]
        if wrong:
            raise ModelError(
                f"Clipped: {', '.join(wrong)} cannot be kept by cutting off single trades; RecedingHorizon(problem) "
                "obeys every rule"
            )

    @property
    def overshoots(self) -> bool:
        """Whether the policy that is cut off may pass its target."""
        return bool(getattr(self.policy, "overshoots", False))

    def decide(self, state: State) -> Array:
        """Return the nearest trades that the bounds allow, (paths, n) shares."""
        setting, k = state.setting, state.interval
        lower, upper = setting.once(self, "bounds", lambda: trade_bounds(self.rules, setting))
        least = np.maximum(lower[k], -upper[k + 1 :].sum(axis=0) - state.remaining)
        most = np.minimum(upper[k], -lower[k + 1 :].sum(axis=0) - state.remaining)
        if (least > most + ROUNDING * setting.size).any():
            self._refuse(state, lower, upper, least - most)
        wanted = np.asarray(self.policy.decide(state), dtype=float)
        return np.asarray(np.minimum(np.maximum(wanted, least), most))

    def _refuse(self, state: State, lower: Array, upper: Array, crossed: Array) -> None:
        setting, k = state.setting, state.interval
        p, i = (int(j) for j in np.unravel_index(int(crossed.argmax()), crossed.shape))
        left = float(state.remaining[p, i])
        reach = np.clip([lower[k:, i].sum(), upper[k:, i].sum()], -np.inf, np.inf)
        names = ", ".join(bounding(self.rules, setting, slice(k, None), i)) or "none"
        raise InfeasibleError(
            f"{self.name}, interval {setting.grid.labels[k]}: {-left:,.6g} shares of {setting.assets[i]} are left to "
            f"trade (buys +, sells -), and from {reach[0]:,.6g} to {reach[1]:,.6g} can be ({names}); allow more per "
            "interval, or more time"
        )

    def __repr__(self) -> str:
        return f"Clipped({self.policy!r}, {', '.join(rule.name for rule in self.rules) or 'no rules'})"


def linear_quadratic(problem: ExecutionProblem) -> LinearQuadratic:
    """Read off the quadratic control problem of a problem, weights included; its rules and its drift are left aside."""
    setting, terms = problem.setting, problem.objective.terms
    if not setting.complete:
        raise ModelError("RiccatiPolicy: the order must be finished, and AllowUnfilled is among the rules")
    wrong = [t.cost.name for t in terms if t.weight != 0.0 and type(t.cost) not in _PARTS]
    if wrong:
        raise ModelError(
            f"RiccatiPolicy: {', '.join(wrong)} cannot be answered in closed form; accepted are "
            f"{', '.join(kind.__name__ for kind in _PARTS)}. Leave it out of the policy's problem, or use "
            "RecedingHorizon(problem)"
        )
    n, m = setting.shape
    impact, risk = np.zeros((n, m, m)), np.zeros((n, m, m))
    for term in terms:
        if isinstance(term.cost, TimingRisk):
            risk += _weight(term) * setting.durations[:, :, None] * _covariances(term.cost, setting)
            continue
        curvature = term.cost.curvature(setting)
        if curvature is not None:
            known = np.where(np.isinf(curvature), 0.0, curvature)
            impact += term.factor * (known[:, :, None] * np.eye(m) if known.ndim == 2 else known)
    return LinearQuadratic(impact, risk, tradable(setting))


def demand_same_grid(own: Setting, given: Setting, name: str) -> None:
    """Demand that a policy is asked about the assets and the intervals of its problem."""
    if not given.assets.equals(own.assets):
        raise ModelError(
            f"policy {name}: its problem's assets are {', '.join(map(str, own.assets[:12]))}, asked for are "
            f"{', '.join(map(str, given.assets[:12]))}, in this sequence"
        )
    if given.grid != own.grid:
        raise ModelError(f"policy {name}: the grid differs from its problem's, {own.grid!r}; give it a problem on it")


def _bounds_trades(rule: Constraint) -> bool:
    inner = rule.rule if isinstance(rule, UnderMarket) else rule
    return isinstance(inner, TradeBounds | Complete)


def _weight(term: Term) -> float:
    if term.weight is None:
        raise ModelError(
            f"RiccatiPolicy: {term.cost.name} has no weight: multiply it by a risk aversion (1e-6 * {term.cost!r})"
        )
    return term.weight


def _covariances(risk: TimingRisk, setting: Setting) -> Array:
    """Sigma_k (N, n, n), currency^2/share^2/time, from the data it was given as."""
    model, (n, m) = risk.model(setting), setting.shape
    found = np.stack([model.apply(np.broadcast_to(unit, (n, m))) for unit in np.eye(m)], axis=-1)
    return (found + found.transpose(0, 2, 1)) / 2


_PARTS = (TemporaryImpact, PermanentImpact, TimingRisk, Alpha)

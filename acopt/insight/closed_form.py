"""When a problem is Almgren and Chriss' in disguise: recognise it, and hold the schedule against the closed form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from acopt.analytic.almgren_chriss_basket import AlmgrenChrissBasket
from acopt.costs.alpha import Alpha
from acopt.costs.impact import PermanentImpact, SpreadCost, TemporaryImpact
from acopt.costs.risk import TimingRisk
from acopt.errors import DataError, ModelError
from acopt.market.covariance import RiskModel
from acopt.market.labels import Array, place
from acopt.model.algebra import Term
from acopt.model.paths import Trajectory
from acopt.model.problem import ExecutionProblem
from acopt.model.schedule import Schedule, slack, violations
from acopt.model.setting import Setting

__all__ = ["DoesNotReduce", "closed_form", "distance_from_closed_form", "reduction"]

Priced: TypeAlias = ExecutionProblem | Schedule

EVEN = 1e-11
"""Relative spread of the interval lengths that rounding of the edges explains."""
CONSTANT = 1e-12
"""Relative spread over time within which a coefficient is one number."""
WRONG_SIDE = 1e-12
"""Shares against the order, relative to it, that rounding of the closed form explains."""

PARTS = (TemporaryImpact, PermanentImpact, SpreadCost, Alpha, TimingRisk)


class DoesNotReduce(ModelError):  # noqa: N818 - it reads as the finding it is
    """The problem has no Almgren-Chriss part with constant coefficients on an even grid; says why."""


def closed_form(source: Priced) -> Trajectory | None:
    """
    Return the analytic optimum of a problem that reduces to Almgren-Chriss, else None.

    x(t_j) = M diag(sinh kappa_i (T - t_j) / sinh kappa_i T) M' H~ X,   H~ = H - tau Gamma / 2

    Parameters
    ----------
    source : a problem, or a schedule, whose pricing and setting then state the problem.

    Returns
    -------
    Trajectory or None
        The optimal paths, shares, (N, n) trades. A problem reduces when its grid is even and open
        throughout, the order must complete, eta, gamma, spread, drift and covariance are constant in
        time, no other cost has a weight, and every rule already holds for the closed form: the
        unconstrained optimum of a convex problem, where feasible, is the optimum. With a spread every
        asset that pays it must trade one way, so that eps sum |u| >= eps |X| is attained.

    References
    ----------
    Almgren & Chriss (2000), "Optimal execution of portfolio transactions", and its appendix on baskets.
    """
    setting, terms = source.setting, source.pricing.terms
    open_question = any(t.cost.kind == "risk" and t.weight is None for t in terms)
    if open_question or not setting.complete or any(type(t.cost) not in PARTS for t in _active(terms)):
        return None
    try:
        model, risk_aversion = reduction(source)
    except DoesNotReduce:
        return None
    path = Trajectory(setting, model.optimum(risk_aversion or 0.0).trades)
    if _crosses_kink(path.trades, setting, np.asarray(model.half_spread)):
        return None
    rules = source.pricing.constraints
    broken = violations(path, rules)
    return None if any(broken[rule.name] > slack(rule, path) for rule in rules) else path


def distance_from_closed_form(schedule: Schedule) -> float | None:
    """
    Return max_ki |x_ki - x*_ki| / |X_i|, x* the closed form; None when the problem does not reduce.

    Assets without an order of their own (hedge legs) are measured against the largest order, in shares;
    a basket without any order against the closed form's own largest position, 0 when that is 0 too.
    """
    best = closed_form(schedule)
    if best is None:
        return None
    off = np.abs(schedule.path.remaining - best.remaining)
    size = np.abs(schedule.setting.remaining)
    largest = schedule.setting.size or float(np.abs(best.remaining).max()) or 1.0
    return float((off / np.where(size > 0, size, largest)).max())


def reduction(source: Priced, risk_aversion: float | None = None) -> tuple[AlmgrenChrissBasket, float | None]:
    """
    Read off the Almgren-Chriss part of a problem; other costs and all rules are left aside.

    The weights of the costs are folded into the model's coefficients.

    Parameters
    ----------
    source : a problem or a schedule.
    risk_aversion : lambda >= 0, 1/currency, instead of the weight of the problem's `TimingRisk`; the
        covariance is that term's, or the market's when there is none.

    Returns
    -------
    (AlmgrenChrissBasket, float or None)
        The model and lambda, 1/currency; None when the problem has no weighted `TimingRisk`.

    Raises
    ------
    DoesNotReduce
        A coefficient varies over time, the grid is uneven or closed somewhere, there is no temporary
        impact, or there are several `TimingRisk` terms; names what it is.
    """
    setting = source.setting
    active = _active(source.pricing.terms)
    if setting.elapsed:
        raise DoesNotReduce(f"its first {setting.elapsed} intervals are history")
    _even_grid(setting)
    risks = [t for t in active if type(t.cost) is TimingRisk]
    if len(risks) > 1:
        raise DoesNotReduce(f"there are several TimingRisk terms ({', '.join(t.cost.name for t in risks)})")
    aversion = risk_aversion if risk_aversion is not None else next((t.weight for t in risks), None)
    temporary, permanent, spread, drift = _coefficients(active, setting)
    n = len(setting.assets)
    covariance = np.zeros((n, n)) if not aversion else _constant_covariance(risks, setting)
    try:
        model = AlmgrenChrissBasket(
            initial=setting.remaining,
            horizon=setting.grid.horizon,
            periods=setting.grid.periods,
            covariance=covariance,
            temporary=temporary,
            permanent=permanent,
            half_spread=spread,
            drift=drift,
        )
    except DataError as error:
        raise DoesNotReduce(str(error)) from error
    return model, aversion


def _active(terms: Sequence[Term]) -> list[Term]:
    """Terms that count: a weight of 0 takes a cost out."""
    return [t for t in terms if t.weight != 0.0]


def _even_grid(setting: Setting) -> None:
    if setting.forbidden.any():
        k, i = (int(j) for j in np.argwhere(setting.forbidden)[0])
        raise DoesNotReduce(f"nothing can trade for {place(k, i, setting.grid.labels, setting.assets)}")
    durations = np.asarray(setting.grid.durations)
    if setting.grid.auctions.any():
        raise DoesNotReduce("the grid has auctions")
    if np.ptp(durations) > EVEN * durations.max():
        raise DoesNotReduce(
            f"the grid is uneven: its intervals last from {durations.min():.6g} to {durations.max():.6g} "
            f"{setting.grid.unit}s"
        )


def _coefficients(active: list[Term], setting: Setting) -> tuple[Array, Array, Array, Array]:
    """H and Gamma (n, n), eps and drift (n,): sums over terms of weight times coefficient, each constant in time."""
    n = len(setting.assets)
    temporary, permanent, spread, drift = np.zeros((n, n)), np.zeros((n, n)), np.zeros(n), np.zeros(n)
    for term in active:
        weight = term.factor
        cost = term.cost
        if type(cost) is TemporaryImpact:
            eta = _constant(cost.coefficient(setting), f"eta of {cost.name}")
            temporary += weight * (np.diag(eta) if eta.ndim == 1 else eta)
        elif type(cost) is PermanentImpact and cost.own == "full":
            permanent += weight * cost.matrix(setting)
        elif type(cost) is SpreadCost:
            spread += weight * _constant(cost.coefficient(setting), f"half-spread of {cost.name}")
        elif type(cost) is Alpha:
            drift += weight * _constant(cost.coefficient(setting), f"drift of {cost.name}")
    flat = np.flatnonzero(np.diag(temporary) <= 0)
    if len(flat):
        raise DoesNotReduce(f"there is no temporary impact for {setting.assets[int(flat[0])]}")
    return temporary, permanent, spread, drift


def _constant(values: Array, what: str) -> Array:
    """Return the one value over time of an array whose first axis is time."""
    if np.any(np.ptp(values, axis=0) > CONSTANT * np.abs(values).max(axis=0)):
        raise DoesNotReduce(f"the {what} varies over time")
    return np.asarray(values[0])


def _constant_covariance(risks: list[Term], setting: Setting) -> Array:
    """Sigma (n, n), when it is the same in every interval, from the data it was given as."""
    own = risks[0].cost if risks else None
    model: RiskModel = own.model(setting) if isinstance(own, TimingRisk) else setting.market.risk
    n_intervals, n = setting.shape
    if model.root.ndim == 3:
        _constant(model.root, "covariance")
    _constant(model.scale, "volatility")
    sigma = np.empty((n, n))
    for first in range(0, n, n_intervals):
        rows = np.zeros((n_intervals, n))
        count = min(n_intervals, n - first)
        rows[np.arange(count), first + np.arange(count)] = 1.0
        sigma[first : first + count] = model.apply(rows)[:count]
    return 0.5 * (sigma + sigma.T)


def _crosses_kink(trades: Array, setting: Setting, spread: Array) -> bool:
    """Whether an asset that pays a spread trades against its order."""
    against = np.where(setting.direction == 0, np.abs(trades), np.maximum(-trades * setting.direction, 0.0)).sum(axis=0)
    size = np.abs(setting.remaining)
    reach = np.where(size > 0, size, setting.size)
    return bool(np.any((spread > 0) & (against > WRONG_SIDE * reach)))

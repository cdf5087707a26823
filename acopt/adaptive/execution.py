"""What trades cost on many days at once: the money costs of a model, vectorised over paths."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from acopt.costs.impact import PermanentImpact, SpreadCost, TemporaryImpact
from acopt.costs.power import PowerImpact
from acopt.costs.transient import TransientImpact
from acopt.errors import ModelError
from acopt.market.labels import Array
from acopt.model.algebra import Cost, Objective
from acopt.model.paths import Trajectory
from acopt.model.setting import Setting

ALIKE = 1e-9


def money(costs: Objective, setting: Setting, trades: Array, volumes: Array | None = None) -> Array:
    """
    Price trades of many days by the money costs of a model, weights included, currency (paths,).

    Parameters
    ----------
    costs : money costs; the built-in ones are computed for all paths together, any other for each schedule apart.
    trades : u (paths, N, n), shares, buys +.
    volumes : V (paths, N, n), shares that came; the expected ones by default. Coefficients that follow the market's
        participation laws (temporary, and power impact without coefficients of their own) are charged at these
        volumes, and so are costs that speak of participation; what was given outright is charged as given.

    Returns
    -------
    Array
        Infinite on a path that trades where no volume came, by a law that goes by it.
    """
    total = np.zeros(len(trades))
    for term in costs.terms:
        price = next((price for kind, price in _VECTORISED if type(term.cost) is kind), _one_by_one)
        total += term.factor * price(term.cost, setting, trades, volumes)
    return total


def _temporary(cost: TemporaryImpact, setting: Setting, u: Array, volumes: Array | None) -> Array:
    """sum_k u_k' C_k u_k, C ~ V^-1 where it is the law's."""
    c = cost.curvature(setting)
    own = _diagonal(c)
    if c.ndim == 3:
        paid = u * np.einsum("kij,pkj->pki", np.where(np.isinf(c), 0.0, c), u)
        paid = np.where(np.isinf(own) & (u != 0), np.inf, paid)
    else:
        paid = _nothing_where_idle(own, u * u)
    return _charged(cost, lambda other: _diagonal(cost.curvature(other)), setting, paid, volumes)


def _power(cost: PowerImpact, setting: Setting, u: Array, volumes: Array | None) -> Array:
    """sum_k K_k |u_k|^(1+b), K ~ V^-b where it is the law's."""
    paid = _nothing_where_idle(cost.single(setting), np.abs(u) ** cost.powers(setting))
    return _charged(cost, cost.single, setting, paid, volumes)


def _permanent(cost: PermanentImpact, setting: Setting, u: Array, volumes: Array | None) -> Array:
    """1/2 S' Gamma S - 1/2 sum_k u_k' Gamma u_k; Gamma goes by the average daily volume, not by the day's."""
    gamma, whole = cost.matrix(setting), u.sum(axis=1)
    paid = 0.5 * np.einsum("pi,pi->p", whole, _through(whole, gamma))
    return np.asarray(paid if cost.own == "half" else paid - 0.5 * np.einsum("pki,pki->p", u, _through(u, gamma)))


def _spread(cost: SpreadCost, setting: Setting, u: Array, volumes: Array | None) -> Array:
    """sum_k eps_k' |u_k|."""
    return np.asarray(np.einsum("ki,pki->p", cost.coefficient(setting), np.abs(u)))


def _transient(cost: TransientImpact, setting: Setting, u: Array, volumes: Array | None) -> Array:
    """1/2 sum_i sum_j u_i' S u_j G(|t_i - t_j|)."""
    strength = cost.matrix(setting)
    kernels = np.stack(cost.kernel_matrices(setting))
    pressed = _through(np.einsum("ikj,pji->pki", kernels, u), np.diag(strength) if strength.ndim == 1 else strength)
    return np.asarray(0.5 * np.einsum("pki,pki->p", u, pressed))


def _one_by_one(cost: Cost, setting: Setting, u: Array, volumes: Array | None) -> Array:
    """Value of a cost, schedule by schedule; days of the same trades and volumes are the same."""
    paths = len(u)
    days = u if volumes is None else np.concatenate([u, volumes], axis=1)
    distinct, which = np.unique(days.reshape(paths, -1), axis=0, return_inverse=True)
    values = np.empty(len(distinct))
    n, market = setting.shape[0], setting.market
    for i, day in enumerate(distinct.reshape(len(distinct), -1, setting.shape[1])):
        # What is known of a setting holds for its volumes only.
        own = setting if volumes is None else replace(setting, market=market.with_volumes(day[n:]))
        values[i] = float(np.sum(cost.values(Trajectory(own, day[:n]))))
    return np.asarray(values[which.reshape(-1)])


_VECTORISED: tuple[tuple[type[Cost], Callable[..., Array]], ...] = (
    (TemporaryImpact, _temporary),
    (PermanentImpact, _permanent),
    (SpreadCost, _spread),
    (PowerImpact, _power),
    (TransientImpact, _transient),
)


def _nothing_where_idle(single: Array, size: Array) -> Array:
    """single * size; an infinite coefficient costs nothing where nothing is traded."""
    if np.isfinite(single).all():
        return np.asarray(single * size)
    return np.multiply(single, size, out=np.zeros_like(size), where=size != 0)


def _through(x: Array, matrix: Array) -> Array:
    """x' M, the same for a path whatever others are beside it."""
    diagonal = np.diag(matrix)
    if np.array_equal(matrix, np.diag(diagonal)):
        return np.asarray(x * diagonal)
    return np.asarray(np.einsum("...i,ij->...j", x, matrix))


def _diagonal(c: Array) -> Array:
    return np.einsum("kii->ki", c) if c.ndim == 3 else c


def _charged(
    cost: Cost, coefficient: Callable[[Setting], Array], setting: Setting, paid: Array, volumes: Array | None
) -> Array:
    """Sum what was paid at the expected volumes (paths, N, n), charged at those that came."""
    if volumes is None or not setting.market.has_volume:
        return np.asarray(paid.sum(axis=(1, 2)))
    power = setting.once(cost, "power of volume", lambda: volume_power(cost, coefficient, setting))
    expected = setting.market.volumes
    follows = (power > 0) & (expected > 0)
    if not follows.any():
        return np.asarray(paid.sum(axis=(1, 2)))
    ratio = np.divide(expected, volumes, out=np.ones_like(volumes), where=follows & (volumes > 0))
    charged = paid * ratio**power
    charged[follows & (volumes <= 0) & (paid > 0)] = np.inf
    return np.asarray(charged.sum(axis=(1, 2)))


def volume_power(cost: Cost, coefficient: Callable[[Setting], Array], setting: Setting) -> Array:
    """
    Return e (N, n) with coefficients ~ V^-e: 0 where they were given outright, 1 for a linear law.

    Raises
    ------
    ModelError
        The market's impact model follows volume in another way than by a power.
    """
    market = setting.market
    values = [coefficient(replace(setting, market=market.with_volumes(f * market.volumes))) for f in (1.0, 2.0, 8.0)]
    usable = np.isfinite(values[0]) & (values[0] > 0)
    logs = [np.log2(v, out=np.zeros(setting.shape), where=usable) for v in values]
    power, thrice = logs[0] - logs[1], logs[0] - logs[2]
    if (np.abs(thrice - 3.0 * power) > ALIKE).any():
        raise ModelError(
            f"{cost.name}: the coefficients of {type(market.impact).__name__} are no power of the volume, so that they "
            "cannot be charged at volumes that differ by path; give it coefficients of its own"
        )
    return np.asarray(np.round(power, 12))

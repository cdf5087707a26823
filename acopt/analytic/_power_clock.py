"""The clock of optimal programs under power-law impact: time as an integral of w, where holdings are sinh w.

    F(w) = int_0^w cosh^-m,        -1 < m < 1

F is smooth, and elementary once cosh w = e^w / 2: panels of Gauss-Legendre up to there give it to rounding for every
w, and Newton's method gives its inverse.
"""

from __future__ import annotations

import math

import numpy as np

from acopt.analytic._arguments import Array

__all__ = ["area", "clock", "log_cosh", "log_sinh", "rule", "slow_logarithm"]

_FAR = 20.0  # e^-40 is below rounding
_EDGES = np.arange(_FAR + 1)
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(24)


def slow_logarithm(bend: float, value: Array) -> Array:
    """Return log(1 + m s) / m, s at m = 0, and inf from where 1 + m s <= 0."""
    with np.errstate(divide="ignore"):
        return np.log1p(np.maximum(bend * value, -1.0)) / bend if bend else np.asarray(value)


def log_cosh(value: float | Array) -> Array:
    """Return log cosh w for w >= 0, without overflow."""
    return np.asarray(value + np.log1p(np.expm1(-2 * np.asarray(value)) / 2))


def log_sinh(value: float) -> float:
    return value + math.log(-math.expm1(-2 * value) / 2)


def rule(start: Array, end: Array) -> tuple[Array, Array]:
    """Return Gauss-Legendre nodes and weights, (m, 24), of m intervals."""
    half = (end - start)[:, None] / 2
    return start[:, None] + half * (_NODES + 1), half * _WEIGHTS


def _panel(bend: float, start: Array, end: Array) -> Array:
    """Return int cosh^-m from start to end, (m,), each at most 1 apart."""
    nodes, weights = rule(start, end)
    return np.asarray((weights * np.exp(-bend * log_cosh(nodes))).sum(axis=1))


def _pieces(bend: float, urgency: float) -> tuple[Array, Array, float]:
    """Return edges from 0 to at most min(W, _FAR), the integral between each two, and the one beyond _FAR."""
    edges = np.minimum(_EDGES, urgency)
    rest = max(urgency - _FAR, 0.0)
    beyond = -math.expm1(-bend * rest) / bend if bend else rest
    return edges, _panel(bend, edges[:-1], edges[1:]), math.exp(bend * (math.log(2) - _FAR)) * beyond


def area(bend: float, urgency: float) -> float:
    """Return F(W) for W > 0."""
    _, inner, beyond = _pieces(bend, urgency)
    return float(inner.sum()) + beyond


def clock(bend: float, urgency: float, gone: Array) -> Array:
    """Return w where F(w) = (1 - gone) F(W), (m,), from W at gone = 0 to 0 at gone = 1.

    Early times are measured from W and late ones from 0, since F may be flat at one end.
    """
    edges, inner, beyond = _pieces(bend, urgency)
    before = np.concatenate([[0.0], np.cumsum(inner)])
    after = beyond + np.concatenate([np.cumsum(inner[::-1])[::-1], [0.0]])
    elapsed, left, late = after[0] * gone, after[0] * (1 - gone), gone > 0.5

    from_start = np.searchsorted(before, left, side="right") - 1
    from_end = np.searchsorted(-after, -elapsed, side="right") - 1
    place = np.clip(np.where(late, from_start, from_end), 0, inner.size - 1)
    low, high = edges[place], edges[place + 1]
    wanted = np.where(late, left - before[place], elapsed - after[place + 1])
    nearest = np.where(late, low, high)
    ahead = np.where(late, 1.0, -1.0)
    found = np.clip(nearest + ahead * wanted * np.exp(bend * log_cosh(nearest)), low, high)
    for _ in range(8):  # F' changes by less than e within a panel: the error falls as 1/2, 1/8, 1/128, ..
        excess = np.where(late, _panel(bend, low, found), _panel(bend, found, high)) - wanted
        found = np.clip(found - ahead * excess * np.exp(bend * log_cosh(found)), low, high)

    far = elapsed < beyond  # there cosh w is e^w / 2, and holdings are as without a deadline
    found[far] = urgency - slow_logarithm(bend, elapsed[far] * math.exp(bend * (urgency - math.log(2))))
    return np.asarray(found)

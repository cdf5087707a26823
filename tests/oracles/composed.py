"""A second oracle, for every cost with every rule: the problem in plain arrays, and what a schedule costs and breaks.

Formulas in extended precision, by interval and asset; nothing here imports acopt or CVXPY. The optimum is found and
proven in composed_program.py, problems are drawn in composed_draw.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Wide = NDArray[np.longdouble]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Tape:
    """The order and the market: N intervals, n assets."""

    durations: Array  # (N,) tau, 0 in an auction
    auctions: Mask  # (N,)
    closed: Mask  # (N,)
    order: Array  # (n,) x_0, > 0 to sell
    target: Array  # (n,)
    hedges: Mask  # (n,)
    price: Array  # (n,)
    volume: Array  # (N, n), 0 in closed intervals
    covariance: Array  # (N, n, n) per unit of time

    @property
    def edges(self) -> Array:
        """t_0..t_N."""
        return np.concatenate([[0.0], np.cumsum(self.durations)])

    @property
    def gross(self) -> float:
        """Arrival notional of the order, currency."""
        return float(self.price @ np.abs(self.order))

    @property
    def open(self) -> Mask:
        """Cells (N, n) in which an asset can trade."""
        return np.asarray(~self.closed[:, None] & (self.volume > 0))


@dataclass(frozen=True, eq=False)
class Cost:
    """A cost by its kind, its weight, and its numbers."""

    kind: str
    weight: float
    data: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Rule:
    """A rule by its kind and numbers; `penalty` in bps makes it soft."""

    kind: str
    data: dict[str, Any]
    window: tuple[int, int] | None = None  # intervals j0 <= k < j1
    assets: Mask | None = None
    penalty: float | None = None


@dataclass(frozen=True, eq=False)
class Budget:
    """sum of costs <= value; `deviation`: the root of the costs' sum <= value."""

    costs: tuple[Cost, ...]
    value: float
    deviation: bool = False
    bps: bool = False  # how it is said, not what it says


@dataclass(frozen=True, eq=False)
class Case:
    """A problem."""

    tape: Tape
    costs: tuple[Cost, ...]
    rules: tuple[Rule, ...]
    budgets: tuple[Budget, ...] = ()
    witness: Array | None = field(default=None)  # (N, n) a schedule that obeys it, if one is known

    @property
    def complete(self) -> bool:
        """Whether the whole order must be executed."""
        return not any(rule.kind == "AllowUnfilled" for rule in self.rules)


def wide(values: object) -> Wide:
    """Return the values in extended precision."""
    return np.asarray(values, dtype=np.longdouble)


def path(tape: Tape, trades: Any) -> Wide:
    """x_0..x_N (N+1, n)."""
    return np.cumsum(np.vstack([wide(tape.order)[None], wide(trades)]), axis=0)


# ---------------------------------------------------------------- costs


def decay(kernel: tuple[Any, ...], times: Any) -> Any:
    """G(t) of a kernel (kind, numbers...)."""
    kind, *numbers = kernel
    if kind == "exponential":
        return np.exp(-numbers[0] * times)
    if kind == "power":
        return (1 + times / numbers[1]) ** (-numbers[0])
    if kind == "linear":
        return np.maximum(1 - numbers[0] * times, 0)
    return sum(share * np.exp(-rate * times) for share, rate in numbers)  # a mixture, given as a function


def trade_times(tape: Tape, trade_at: str) -> Wide:
    """When the trade of each interval happens (N,)."""
    edges = wide(tape.edges)
    part = {"start": 0, "middle": np.longdouble(1) / 2, "end": 1}[trade_at]
    return np.asarray(edges[:-1] + part * np.diff(edges))


def transient_blocks(tape: Tape, data: dict[str, Any]) -> Wide:
    """S_ij G(|t_k - t_l|) as (N, N, n, n)."""
    times = trade_times(tape, data["trade_at"])
    lags = np.abs(times[:, None] - times[None, :])
    strength = wide(data["strength"])
    if len(data["kernels"]) == 1:
        return np.asarray(decay(data["kernels"][0], lags)[:, :, None, None] * strength)
    out = np.zeros((len(times), len(times), *strength.shape), np.longdouble)
    for i, kernel in enumerate(data["kernels"]):
        out[:, :, i, i] = strength[i, i] * decay(kernel, lags)
    return out


def bending(tape: Tape, derivative: int) -> tuple[Wide, Wide]:
    """Rows D with D x = (d+1)! x[t_j..t_{j+d+1}] and weights (t_{j+d+1} - t_j)/(d+1), within one session only."""
    order, edges = derivative + 1, wide(tape.edges)
    cut = tape.auctions | tape.closed
    windows = [j for j in range(len(edges) - order) if not cut[j : j + order].any()]
    rows, weights = np.zeros((len(windows), len(edges)), np.longdouble), np.zeros(len(windows), np.longdouble)
    for at, j in enumerate(windows):
        knots = edges[j : j + order + 1]
        weights[at] = (knots[-1] - knots[0]) / order
        for m, knot in enumerate(knots):
            rows[at, j + m] = math.factorial(order) / np.prod(knot - np.delete(knots, m))
    return rows, weights


def value(case: Case, cost: Cost, trades: Any) -> np.longdouble:
    """Value of a cost by its formula, weight included."""
    tape, data, u, x = case.tape, cost.data, wide(trades), path(case.tape, trades)
    tau, total = wide(tape.durations), np.longdouble(0)
    count = len(tau)
    if cost.kind == "TemporaryImpact":
        for k in range(count):
            if tape.auctions[k]:
                total += u[k] @ matrix(data["auction"][k]) @ u[k]
            else:
                total += u[k] @ matrix(data["eta"][k]) @ u[k] / tau[k]
    elif cost.kind == "PermanentImpact":
        gamma, whole = wide(data["gamma"]), u.sum(axis=0)
        total = whole @ gamma @ whole / 2
        if data["own"] == "full":
            total -= sum(u[k] @ gamma @ u[k] for k in range(count)) / 2
    elif cost.kind == "SpreadCost":
        total = np.sum(wide(data["half"]) * np.abs(u))
    elif cost.kind in ("TimingRisk", "TrackingRisk"):
        off = x[1:] - (wide(data["benchmark"]) if cost.kind == "TrackingRisk" else 0)
        total = sum((tau[k] * (off[k] @ wide(data["covariance"][k]) @ off[k]) for k in range(count)), total)
    elif cost.kind == "Smoothness":
        rows, lengths = bending(tape, data["derivative"])
        total = ((rows @ x) ** 2 * lengths[:, None]).sum(axis=0) @ wide(data["mu"])
    elif cost.kind == "Alpha":
        total = -np.sum(wide(data["gain"]) * x[1:])
    elif cost.kind == "TransientImpact":
        blocks = transient_blocks(tape, data)
        total = np.einsum("ki,klij,lj->", u, blocks, u) / 2
    elif cost.kind == "PowerImpact":
        total = np.sum(wide(data["per_share"]) * np.abs(u) ** (1 + np.longdouble(data["exponent"])))
    elif cost.kind == "Square":  # money |(x_.i - c) / size|^2, a user's own
        total = data["money"] * np.sum(((x[:, data["asset"]] - data["centre"]) / data["size"]) ** 2)
    elif cost.kind == "Peak":  # factor max |p u|
        total = data["factor"] * np.max(np.abs(u * wide(tape.price)))
    elif cost.kind == "Norm":  # factor |p u|_2 over the rows
        total = data["factor"] * np.sqrt(np.sum((u * wide(tape.price))[data["rows"]] ** 2))
    else:
        raise KeyError(cost.kind)
    return np.longdouble(cost.weight * total)


def matrix(coefficient: Array) -> Wide:
    """A coefficient of one interval, diagonal or matrix, as a matrix."""
    return wide(np.diag(coefficient) if coefficient.ndim == 1 else coefficient)

"""Costs as convex forms in the trades, for the second oracle: quadratic + distances + powers + norms + peaks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from composed import Array, Case, Cost, Tape, Wide, bending, matrix, transient_blocks, wide
from composed_rules import Rows, position_row, rows_of


@dataclass(frozen=True, eq=False)
class Distances:
    """sum_j w_j dist(A_j u, [low_j, high_j])."""

    matrix: Wide  # (m, N n)
    low: Wide
    high: Wide
    weight: Wide


@dataclass(frozen=True, eq=False)
class Powers:
    """sum_j c_j |u_j|^p."""

    weight: Wide  # (N n,)
    power: float


@dataclass(frozen=True, eq=False)
class Group:
    """w |R u - d|, Euclidean ("norm") or the largest entry ("peak")."""

    kind: str
    weight: float
    matrix: Wide
    shift: Wide


@dataclass(frozen=True, eq=False)
class Form:
    """1/2 u'Hu + g'u + c + distances + powers + groups; all convex, H alone perhaps only in sum with others."""

    quadratic: Wide
    linear: Wide
    constant: np.longdouble
    distances: tuple[Distances, ...] = ()
    powers: tuple[Powers, ...] = ()
    groups: tuple[Group, ...] = ()
    root: tuple[Wide, Wide] | None = None  # R, d with 1/2 u'Hu + g'u + c = |R u - d|^2, for variances

    def __add__(self, other: Form) -> Form:
        return Form(
            self.quadratic + other.quadratic,
            self.linear + other.linear,
            self.constant + other.constant,
            self.distances + other.distances,
            self.powers + other.powers,
            self.groups + other.groups,
        )

    def value(self, trades: Wide) -> np.longdouble:
        """Value at trades (N n,)."""
        u = wide(trades).ravel()
        out = u @ self.quadratic @ u / 2 + self.linear @ u + self.constant
        for part in self.distances:
            at = part.matrix @ u
            out += part.weight @ np.maximum(np.maximum(part.low - at, at - part.high), 0)
        for power in self.powers:
            out += power.weight @ np.abs(u) ** np.longdouble(power.power)
        for group in self.groups:
            at = group.matrix @ u - group.shift
            size = np.sqrt(at @ at) if group.kind == "norm" else np.max(np.abs(at))
            out += group.weight * size
        return np.longdouble(out)


def nothing(tape: Tape) -> Form:
    """Return the form that is zero."""
    size = tape.volume.size
    return Form(np.zeros((size, size), np.longdouble), np.zeros(size, np.longdouble), np.longdouble(0))


def blockwise(tape: Tape, blocks: Wide) -> Wide:
    """(N, N, n, n) blocks as (N n, N n)."""
    size = tape.volume.size
    return np.asarray(blocks.transpose(0, 2, 1, 3).reshape(size, size))


def diagonal_blocks(tape: Tape, blocks: Wide) -> Wide:
    """(N, n, n) blocks on the diagonal."""
    count, n = tape.volume.shape
    out = np.zeros((count, count, n, n), np.longdouble)
    out[np.arange(count), np.arange(count)] = blocks
    return blockwise(tape, out)


def variance(tape: Tape, covariance: Wide, benchmark: Wide) -> Form:
    """sum_k tau_k (x_k - b_k)' C_k (x_k - b_k)."""
    count, n = tape.volume.shape
    tau = wide(tape.durations)
    hold = 2 * tau[:, None, None] * covariance
    tail = np.cumsum(hold[::-1], axis=0)[::-1]
    later = np.maximum.outer(np.arange(count), np.arange(count))
    off = wide(tape.order) - benchmark  # with no trade at all
    slope = np.cumsum(np.einsum("kij,kj->ki", hold, off)[::-1], axis=0)[::-1]
    values, vectors = np.linalg.eigh(covariance.astype(float))
    roots = wide(vectors) * np.sqrt(np.maximum(wide(values), 0))[:, None, :]  # C = L L'
    rows, shift = np.zeros((count, n, count, n), np.longdouble), np.zeros((count, n), np.longdouble)
    for k in range(count):
        part = np.sqrt(tau[k]) * roots[k].T
        rows[k, :, : k + 1] = part[:, None, :]
        shift[k] = -part @ off[k]
    return Form(
        blockwise(tape, tail[later]),
        slope.ravel(),
        np.longdouble(np.einsum("ki,kij,kj->", off, hold, off) / 2),
        root=(rows.reshape(count * n, count * n), shift.ravel()),
    )


def smoothness(tape: Tape, derivative: int, mu: Wide) -> Form:
    """sum of mu |x^(d+1)|^2 over windows; x = x_0 + cumulative trades, and D x_0 = 0."""
    count = len(tape.durations)
    rows, lengths = bending(tape, derivative)
    reach = np.vstack([np.zeros(count), np.tri(count)]).astype(np.longdouble)
    moved = rows @ reach
    time = 2 * moved.T @ (lengths[:, None] * moved)
    out = nothing(tape)
    return Form(blockwise(tape, time[:, :, None, None] * np.diag(mu)), out.linear, out.constant)


def form_of(case: Case, cost: Cost) -> Form:
    """Return one cost as a form, weight included."""
    tape, data, w = case.tape, cost.data, np.longdouble(cost.weight)
    zero, (count, n) = nothing(tape), tape.volume.shape
    if cost.kind == "TemporaryImpact":
        tau = wide(np.where(tape.auctions, 1.0, tape.durations))
        blocks = [
            2 * w * (matrix(data["auction"][k]) if tape.auctions[k] else matrix(data["eta"][k]) / tau[k])
            for k in range(count)
        ]
        return Form(diagonal_blocks(tape, wide(blocks)), zero.linear, zero.constant)
    if cost.kind == "PermanentImpact":
        gamma = w * wide(data["gamma"])
        own = gamma if data["own"] == "full" else 0 * gamma
        quadratic, constant = -diagonal_blocks(tape, np.broadcast_to(own, (count, n, n))), zero.constant
        if case.complete:
            constant = wide(tape.order) @ gamma @ wide(tape.order) / 2
        else:
            quadratic = quadratic + blockwise(tape, np.broadcast_to(gamma, (count, count, n, n)))
        return Form(quadratic, zero.linear, np.longdouble(constant))
    if cost.kind == "SpreadCost":
        size = tape.volume.size
        level = np.zeros(size, np.longdouble)
        part = Distances(np.eye(size, dtype=np.longdouble), level, level, w * wide(data["half"]).ravel())
        return Form(zero.quadratic, zero.linear, zero.constant, (part,))
    if cost.kind in ("TimingRisk", "TrackingRisk"):
        benchmark = wide(data["benchmark"]) if cost.kind == "TrackingRisk" else np.zeros((count, n), np.longdouble)
        one = variance(tape, wide(data["covariance"]), benchmark)
        root = (np.sqrt(w) * one.root[0], np.sqrt(w) * one.root[1]) if one.root else None
        return Form(w * one.quadratic, w * one.linear, w * one.constant, root=root)
    if cost.kind == "Smoothness":
        return smoothness(tape, data["derivative"], w * wide(data["mu"]))
    if cost.kind == "Alpha":
        gain = w * wide(data["gain"])
        later = np.cumsum(gain[::-1], axis=0)[::-1]
        return Form(zero.quadratic, -later.ravel(), np.longdouble(-np.sum(gain @ wide(tape.order))))
    if cost.kind == "TransientImpact":
        return Form(w * blockwise(tape, transient_blocks(tape, data)), zero.linear, zero.constant)
    if cost.kind == "PowerImpact":
        if data["exponent"] == 1.0:
            diagonal = np.diag(2 * w * wide(data["per_share"]).ravel())
            return Form(diagonal, zero.linear, zero.constant)
        part = Powers(w * wide(data["per_share"]).ravel(), 1 + data["exponent"])
        return Form(zero.quadratic, zero.linear, zero.constant, powers=(part,))
    return own_form(case, cost)


def own_form(case: Case, cost: Cost) -> Form:
    """Costs that a user wrote: a square of some positions, the largest trade, a norm of trades."""
    tape, data, w = case.tape, cost.data, np.longdouble(cost.weight)
    zero, (count, n) = nothing(tape), tape.volume.shape
    if cost.kind == "Square":
        asset = np.eye(n)[data["asset"]]
        rows = wide([position_row(tape, k, asset) for k in range(count)])
        start = wide(tape.order[data["asset"]]) - wide(data["centre"])
        factor = w * wide(data["money"]) / wide(data["size"]) ** 2
        return Form(
            2 * factor * rows.T @ rows,
            2 * factor * start * rows.sum(axis=0),
            np.longdouble(factor * (count + 1) * start**2),
        )
    every = np.eye(count * n, dtype=np.longdouble) * np.tile(wide(tape.price), count)[:, None]
    if cost.kind == "Norm":
        every = every[(data["rows"][:, None] * n + np.arange(n)).ravel()]
    group = Group(cost.kind.lower(), float(w) * data["factor"], every, np.zeros(len(every), np.longdouble))
    return Form(zero.quadratic, zero.linear, zero.constant, groups=(group,))


def objective_of(case: Case) -> Form:
    """Sum of all costs and soft rules."""
    out = nothing(case.tape)
    for cost in case.costs:
        out = out + form_of(case, cost)
    for rule in case.rules:
        if rule.penalty is not None:
            for rows in rows_of(case, rule):
                if np.any(rows.price):
                    part = Distances(rows.matrix, rows.low, rows.high, rows.price)
                    out = out + Form(0 * out.quadratic, 0 * out.linear, np.longdouble(0), (part,))
    return out


def hard_rows(case: Case) -> list[Rows]:
    """Rules without a price, completion and closed intervals among them."""
    tape = case.tape
    count, n = tape.volume.shape
    cells = np.flatnonzero(np.repeat(tape.closed, n) | (tape.volume.ravel() == 0))
    shut = np.eye(tape.volume.size, dtype=np.longdouble)[cells]
    nil = np.zeros(len(cells), np.longdouble)
    out = [Rows(shut, nil, nil, "shares", nil)]
    for rule in case.rules:
        for rows in rows_of(case, rule):
            if not np.any(rows.price) and len(rows.matrix):
                out.append(rows)
    if case.complete:
        last = wide([position_row(tape, count - 1, np.eye(n)[i]) for i in range(n)])
        nil = np.zeros(n, np.longdouble)
        out.append(Rows(last, -wide(tape.order), -wide(tape.order), "shares", nil))
    return [rows for rows in out if len(rows.matrix)]


def as_float(values: Wide) -> Array:
    """Return the values in double precision."""
    return np.asarray(values, dtype=float)

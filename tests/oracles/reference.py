"""The independent oracle: execution programs from plain arrays, formulated in trades, solved and certified.

``solve_reference(case)`` returns an optimum with a rigorous lower bound; ``random_case(rng)`` draws the problems.
Nothing here imports acopt or CVXPY. Run as a script, ``reference.py 2000 [seed]`` prints the distribution of gaps.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import clarabel
import numpy as np
import piqp
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import eigh, lu_factor, lu_solve
from scipy.optimize import linprog
from threadpoolctl import ThreadpoolController  # comes with scikit-learn

Array = NDArray[np.float64]
Wide = NDArray[np.longdouble]
Mask = NDArray[np.bool_]

VIOLATION = 1e-10  # of the largest |X|: what a certified primal point may miss a bound by
AIM = 1e-13  # relative gap at which the search for a better point stops
LIMIT = 1e-8  # relative gap beyond which the oracle refuses to answer


class ReferenceInfeasible(Exception):  # noqa: N818 - the name is part of the brief
    """No schedule obeys the case's bounds."""


class ReferenceUncertified(Exception):  # noqa: N818
    """No point could be certified within ``LIMIT`` (also raised for unbounded cases)."""


@dataclass(frozen=True, eq=False)
class Features:
    """The rules behind a random case's bounds, in words a modelling package understands."""

    edges: Array  # (N+1,) times of the interval edges, in days
    volume: Array  # (N, n) expected market volume per interval, shares
    participation: float | None = None  # |u| <= participation * volume
    monotone: bool = False  # never against the order (every asset then has one)
    closed: Mask | None = None  # (N,) intervals in which no asset trades
    no_trade: tuple[tuple[float, float], ...] = ()  # the same as half-open windows of time, on edges
    holding_bounds: tuple[Array, Array] | None = None  # (n,), (n,): lower <= x_k <= upper, k = 1..N
    trade_size: tuple[Array, Array] | None = None  # (N, n), (N, n): signed bounds on u, may be infinite
    dollar_neutral: float | None = None  # |p'x_k| <= this, in currency, at least 1.5 (never read as a fraction)
    volatility: Array | None = None  # (n,) daily, as a fraction of price


@dataclass(frozen=True, eq=False)
class Case:
    """An execution program in shares, currency and time: N intervals, n assets, x_k = X + sum_{j<=k} u_j, x_N = 0."""

    durations: Array  # (N,)
    initial: Array  # (n,) X, > 0 to sell
    eta: Array  # (N, n) or (N, n, n): sum_k u'H u / tau
    gamma: Array  # (n, n): 1/2 S'GS - 1/2 sum_k u'Gu, S = sum_k u
    half_spread: Array  # (N, n): sum e'|u|
    covariance: Array  # (N, n, n)
    risk_aversion: float  # lambda sum_k tau_k x_k'C_k x_k
    drift: Array  # (N, n): -sum_k tau_k a_k'x_k
    smooth: tuple[tuple[int, Array], ...]  # (derivative d, weight (n,)): weight * int |x^(d+1)|^2
    lower: Array  # (N, n)
    upper: Array  # (N, n)
    holding_lower: Array  # (N, n)
    holding_upper: Array  # (N, n)
    price: Array  # (n,)
    dollar_tolerance: float = math.inf  # |p'x_k| <= tolerance
    tracking: tuple[Array, float] | None = None  # (benchmark b (N, n), mu): mu sum tau (x-b)'C(x-b)
    features: Features | None = None


@dataclass(frozen=True, eq=False)
class Reference:
    """A certified optimum: lower_bound <= optimum, and objective is attained by ``trades`` up to ``violation``."""

    objective: float
    lower_bound: float
    trades: Array  # (N, n) signed shares
    terms: dict[str, float]  # by acopt's class names; sums to the objective
    scale: float  # sum of |path-dependent terms| + 1e-6 of the same at TWAP
    violation: float  # largest broken bound, relative to the largest |X| (else cap, else trade)
    engine: str  # which first solver led to the certificate

    @property
    def gap(self) -> float:
        """(objective - lower_bound) / scale, zero when both vanish."""
        return (self.objective - self.lower_bound) / self.scale if self.scale > 0 else 0.0


# ---------------------------------------------------------------- the objective, term by term


def wide(values: object) -> Wide:
    """Return the values in extended precision."""
    return np.asarray(values, dtype=np.longdouble)


def matrices(eta: Array) -> Wide:
    """H_k as (N, n, n), whether given as diagonals or as matrices."""
    return wide(eta if eta.ndim == 3 else np.stack([np.diag(row) for row in eta]))


def path(case: Case, trades: Array | Wide) -> Wide:
    """x_0 = X, x_k = x_{k-1} + u_k, as (N+1, n)."""
    return np.cumsum(np.vstack([wide(case.initial)[None], wide(trades)]), axis=0)


def bending(durations: Array, derivative: int) -> tuple[Wide, Wide]:
    """Rows D with D x = (d+1)! x[t_j..t_{j+d+1}], and their weights (t_{j+d+1} - t_j)/(d+1)."""
    order, edges = derivative + 1, np.concatenate([[np.longdouble(0)], np.cumsum(wide(durations))])
    count = max(len(edges) - order, 0)
    rows, weights = np.zeros((count, len(edges)), np.longdouble), np.zeros(count, np.longdouble)
    for j in range(count):
        knots = edges[j : j + order + 1]
        weights[j] = (knots[-1] - knots[0]) / order
        for m, knot in enumerate(knots):
            rows[j, j + m] = math.factorial(order) / np.prod(knot - np.delete(knots, m))
    return rows, weights


def wide_terms(case: Case, trades: Array | Wide) -> dict[str, np.longdouble]:
    """Every term of the objective, in extended precision, by its formula."""
    u, x, tau = wide(trades), path(case, trades), wide(case.durations)
    eta, cov, gamma, total = matrices(case.eta), wide(case.covariance), wide(case.gamma), wide(trades).sum(axis=0)
    value = dict.fromkeys(
        ("TemporaryImpact", "PermanentImpact", "SpreadCost", "TimingRisk", "Alpha", "Smoothness", "TrackingRisk"),
        np.longdouble(0),
    )
    value["PermanentImpact"] = total @ gamma @ total / 2
    for k in range(len(tau)):
        value["TemporaryImpact"] += u[k] @ eta[k] @ u[k] / tau[k]
        value["PermanentImpact"] -= u[k] @ gamma @ u[k] / 2
        value["SpreadCost"] += wide(case.half_spread[k]) @ np.abs(u[k])
        value["TimingRisk"] += np.longdouble(case.risk_aversion) * tau[k] * (x[k + 1] @ cov[k] @ x[k + 1])
        value["Alpha"] -= tau[k] * (wide(case.drift[k]) @ x[k + 1])
        if case.tracking is not None:
            away = x[k + 1] - wide(case.tracking[0][k])
            value["TrackingRisk"] += np.longdouble(case.tracking[1]) * tau[k] * (away @ cov[k] @ away)
    for derivative, weight in case.smooth:
        rows, lengths = bending(case.durations, derivative)
        value["Smoothness"] += ((rows @ x) ** 2 * lengths[:, None]).sum(axis=0) @ wide(weight)
    return value


def block_cost(case: Case, traded: Wide) -> np.longdouble:
    """1/2 S'GS: the part of permanent impact that no path changes."""
    return np.longdouble(traded @ wide(case.gamma) @ traded / 2)


def cost_and_scale(case: Case, trades: Array | Wide) -> tuple[float, float]:
    """Sum the terms, and the |path-dependent terms| (constants excluded)."""
    value = wide_terms(case, trades)
    cost = float(np.sum(list(value.values())))
    value["PermanentImpact"] -= block_cost(case, wide(trades).sum(axis=0))
    return cost, float(np.sum(np.abs(list(value.values()))))


class Quadratic:
    """Everything but the spread: its gradient in the trades (extended precision) and its Hessian (float64)."""

    def __init__(self, case: Case) -> None:
        tau, cov, mu = wide(case.durations), wide(case.covariance), np.longdouble(0)
        self.case, self.shape = case, (len(tau), len(case.initial))
        self.trade = 2 * matrices(case.eta) / tau[:, None, None] - wide(case.gamma)
        self.pull = -tau[:, None] * wide(case.drift)
        if case.tracking is not None:
            mu = np.longdouble(case.tracking[1])
            self.pull = self.pull - 2 * mu * np.einsum("k,kij,kj->ki", tau, cov, wide(case.tracking[0]))
        self.hold = 2 * (np.longdouble(case.risk_aversion) + mu) * tau[:, None, None] * cov
        self.bends = [(*bending(case.durations, d), wide(weight)) for d, weight in case.smooth]

    def gradient(self, trades: Array | Wide) -> Wide:
        """d/du_k = (2 H_k/tau_k - G) u_k + sum_{j>=k} d/dx_j, with S fixed at -X."""
        x = path(self.case, trades)
        slope = np.einsum("kij,kj->ki", self.hold, x[1:]) + self.pull
        for rows, lengths, weight in self.bends:
            slope = slope + 2 * (rows.T @ (lengths[:, None] * (rows @ x)))[1:] * weight
        result: Wide = np.einsum("kij,kj->ki", self.trade, wide(trades)) + np.cumsum(slope[::-1], axis=0)[::-1]
        return result

    def hessian(self) -> Array:
        """Return the second derivative as (N n, N n), interval-major."""
        count, n = self.shape
        tail = np.cumsum(self.hold[::-1], axis=0)[::-1].astype(float)
        later = np.maximum.outer(np.arange(count), np.arange(count))
        blocks = tail[later]  # (N, N, n, n): the risk of every position that both trades move
        for k in range(count):
            blocks[k, k] += self.trade[k].astype(float)
        reach = np.vstack([np.zeros(count), np.tri(count)])
        for rows, lengths, weight in self.bends:
            moved = (rows @ reach).astype(float)
            time_part = 2 * moved.T @ (lengths.astype(float)[:, None] * moved)
            blocks += time_part[:, :, None, None] * np.diag(weight.astype(float))
        return blocks.transpose(0, 2, 1, 3).reshape(count * n, count * n)


# ---------------------------------------------------------------- what the bounds leave open


def reachable(case: Case, *, use_holdings: bool) -> tuple[Wide, Wide]:
    """Exact interval of every x_k over all asset paths from X to 0 within the trade (and holding) bounds: (N+1, n)."""
    count, n = len(case.durations), len(case.initial)
    low, high = np.full((count + 1, n), -np.inf, np.longdouble), np.full((count + 1, n), np.inf, np.longdouble)
    if use_holdings:
        low[1:], high[1:] = wide(case.holding_lower), wide(case.holding_upper)
    low[0] = high[0] = wide(case.initial)
    low[count], high[count] = np.maximum(low[count], 0), np.minimum(high[count], 0)
    least, most = wide(case.lower), wide(case.upper)
    for k in range(count):
        low[k + 1] = np.maximum(low[k + 1], low[k] + least[k])
        high[k + 1] = np.minimum(high[k + 1], high[k] + most[k])
    for k in reversed(range(count)):
        low[k] = np.maximum(low[k], low[k + 1] - most[k])
        high[k] = np.minimum(high[k], high[k + 1] - least[k])
    return low, high


def sizes(case: Case) -> Array:
    """Return a size per asset in shares: |X|, else its largest finite bound, else the basket's largest, else 1."""
    bounds = np.vstack([case.lower, case.upper])
    cap = np.max(np.where(np.isfinite(bounds), np.abs(bounds), 0.0), axis=0)
    size = np.where(case.initial != 0, np.abs(case.initial), cap)
    return np.where(size > 0, size, np.max(size) if np.max(size) > 0 else 1.0)


def unit_of_violation(case: Case, trades: Array) -> float:
    """Return the largest |X|, else the largest finite cap, else the largest trade, else 1."""
    bounds = np.abs(np.stack([case.lower, case.upper]))
    for values in (np.abs(case.initial), bounds[np.isfinite(bounds)], np.abs(trades)):
        if values.size and np.max(values) > 0:
            return float(np.max(values))
    return 1.0


def violation(case: Case, trades: Array | Wide) -> float:
    """Return the largest broken bound in shares (dollar rows divided by the largest price), relative to the size."""
    u, x = wide(trades), path(case, trades)
    net = np.abs(x[1:] @ wide(case.price)) - np.longdouble(case.dollar_tolerance)
    broken = [
        np.max(np.abs(x[-1])),
        np.max(case.lower - u),
        np.max(u - case.upper),
        np.max(case.holding_lower - x[1:]),
        np.max(x[1:] - case.holding_upper),
        np.max(net) / np.max(case.price),
    ]
    return max(float(max(broken)), 0.0) / unit_of_violation(case, np.asarray(trades, float))


class Program:
    """min f(v) + e'|v|, lo <= v <= hi, row_lo <= C v <= row_hi over the trades still free, v = u / unit."""

    def __init__(self, case: Case, money: float | None = None) -> None:
        self.case, self.quadratic = case, Quadratic(case)
        if np.any(case.lower > case.upper) or np.any(case.holding_lower > case.holding_upper):
            raise ReferenceInfeasible("a lower bound above its upper bound")
        self.fixed, self.free = self._presolve()
        self._normalise(money)
        self._rows()

    def _presolve(self) -> tuple[Wide, Mask]:
        """Fix every trade that the bounds leave no choice about (exactly binding caps, closed intervals)."""
        case = self.case
        low, high = reachable(case, use_holdings=True)
        slack = 1e-13 * np.maximum(np.abs(case.initial), 0)
        if np.any(low > high + 1e3 * slack):
            raise ReferenceInfeasible("no path of single assets from X to 0 within trade and holding bounds")
        least = np.maximum(wide(case.lower), low[1:] - high[:-1])
        most = np.minimum(wide(case.upper), high[1:] - low[:-1])
        stuck = most - least <= slack
        safe_least, safe_most = np.where(stuck, least, 0), np.where(stuck, most, 0)
        middle = np.clip((safe_least + safe_most) / 2, wide(case.lower), wide(case.upper))
        return np.where(stuck, middle, 0).astype(np.longdouble), ~stuck

    def _normalise(self, given: float | None) -> None:
        """Take units of unit curvature scaled to the order, and one scalar (``given`` or guessed) for the objective."""
        case, size = self.case, sizes(self.case)
        hess = self.quadratic.hessian()
        curve = np.sqrt(np.maximum(np.diag(hess).reshape(self.free.shape).mean(axis=0), 0))
        top = np.max(curve * size)
        unit = np.where(curve > 0, top / np.where(curve > 0, curve, 1), size) if top > 0 else size
        self.unit = wide(np.broadcast_to(unit, self.free.shape)[self.free])
        start = self.quadratic.gradient(self.fixed)[self.free]
        linear = self.unit * start
        self.linear_only = not np.any(hess)
        money = float(top) ** 2 if top > 0 else float(np.max(np.abs(linear), initial=0)) or 1.0
        spread = wide(case.half_spread)[self.free] * self.unit
        if self.linear_only:
            money = float(np.max(np.abs(linear) + spread, initial=0)) or 1.0
        pick, scale = self.free.ravel(), self.unit.astype(float)
        self.money = np.longdouble(given or money)
        self.hess = hess[np.ix_(pick, pick)] * scale[:, None] * scale[None, :] / float(self.money)
        self.cost, self.spread = linear / self.money, spread / self.money
        self.lo, self.hi = wide(case.lower)[self.free] / self.unit, wide(case.upper)[self.free] / self.unit

    def _rows(self) -> None:
        """Completion, holding and dollar rows over the free trades; rows that cannot bind are left out."""
        case, kept = self.case, self._row_list()
        start, where = path(case, self.fixed), np.argwhere(self.free)
        rows, low, high = [], [], []
        for last, weights, least, most in kept:
            row = np.where(where[:, 0] <= last, wide(weights)[where[:, 1]], 0) * self.unit
            size, base = np.max(np.abs(row), initial=0), wide(weights) @ start[last + 1]
            room = VIOLATION * np.max(np.abs(weights)) * np.max(np.abs(start))
            if size == 0 and not least - room <= base <= most + room:
                raise ReferenceInfeasible(f"trades that the bounds fix break a row by {max(least - base, base - most)}")
            if size > 0:
                rows.append(row / size)
                low.append((least - base) / size)
                high.append((most - base) / size)
        self.matrix = wide(rows).reshape(len(rows), len(self.unit))
        self.matrix64 = self.matrix.astype(float)
        self.row_lo, self.row_hi = wide(low), wide(high)
        self.equal = np.isfinite(self.row_hi) & (self.row_hi - self.row_lo <= 1e-15 * np.abs(self.row_hi))

    def _row_list(self) -> Iterator[tuple[int, Array, np.longdouble, np.longdouble]]:
        """Yield rows as (interval k, asset weights w, low, high): low <= w'x_k <= high."""
        case, (count, n) = self.case, self.free.shape
        low, high = reachable(case, use_holdings=False)
        zero, tol = np.longdouble(0), np.longdouble(case.dollar_tolerance)
        for i in range(n):
            yield count - 1, np.eye(n)[i], zero, zero
            for k in range(count - 1):
                least, most = wide(case.holding_lower)[k, i], wide(case.holding_upper)[k, i]
                if least > low[k + 1, i] or most < high[k + 1, i]:
                    yield k, np.eye(n)[i], least, most
        for k in range(count - 1 if np.isfinite(tol) else 0):
            yield k, case.price, -tol, tol

    def trades(self, v: Array | Wide) -> Wide:
        """Back to shares, (N, n)."""
        full = self.fixed.copy()
        full[self.free] = wide(v) * self.unit
        return full

    def gradient(self, v: Wide) -> Wide:
        """Return the smooth part's gradient in normalised units."""
        result: Wide = self.quadratic.gradient(self.trades(v))[self.free] * self.unit / self.money
        return result

    def primal(self, v: Wide) -> Array:
        """Return the float64 trades of v, clipped to their bounds."""
        trades: Array = np.clip(self.trades(v).astype(float), self.case.lower, self.case.upper)
        return trades

    def lower_bound(self, v: Wide, m: Wide) -> np.longdouble:
        """Return a bound valid for ANY v and multipliers m, by convexity and weak duality.

        For every feasible z: f(z) >= f(v) + g'(z-v) and m'Cz <= s(m) = m+'row_hi - m-'row_lo, so with r = g + C'm
        F(z) >= f(v) - g'v - s(m) + sum_i min over [lo_i, hi_i] of r_i z_i + e_i |z_i|. An infinite bound is replaced by
        v_i -+ R, R = 10 max(1, |v|): if an optimum lies a factor D beyond that box, convexity along the segment
        to it makes the bound's distance at most D times larger.
        """
        m = np.where((m > 0) & ~np.isfinite(self.row_hi), 0, np.where((m < 0) & ~np.isfinite(self.row_lo), 0, m))
        reduced = self.gradient(v) + self.matrix.T @ m
        radius = 10 * max(1, np.max(np.abs(v), initial=0))
        least = np.where(np.isfinite(self.lo), self.lo, v - radius)
        most = np.where(np.isfinite(self.hi), self.hi, v + radius)
        ends = [reduced * z + self.spread * np.abs(z) for z in (least, most, np.clip(0 * v, least, most))]
        slack = np.sum(reduced * v + self.spread * np.abs(v) - np.minimum.reduce(ends))
        side = np.where(m > 0, self.row_hi, np.where(m < 0, self.row_lo, 0))
        used = m != 0
        slack += np.sum(m[used] * (side - self.matrix @ v)[used])
        u = self.trades(v)
        value = np.sum(list(wide_terms(self.case, u).values())) - block_cost(self.case, u.sum(axis=0))
        result: np.longdouble = value + block_cost(self.case, wide(self.case.initial)) - slack * self.money
        return result


def check_feasible(case: Case) -> None:
    """Raise unless the smallest uniform violation over all trades is zero: an LP (HiGHS) in units of asset size."""
    program, size = Program(case), sizes(case)
    unit = np.broadcast_to(size, program.free.shape)[program.free] / program.unit.astype(float)
    rows = program.matrix64 * unit
    scale = np.maximum(np.max(np.abs(rows), axis=1, initial=0), 1e-300)
    rows, low, high = rows / scale[:, None], program.row_lo.astype(float) / scale, program.row_hi.astype(float) / scale
    up, down = np.isfinite(high), np.isfinite(low)
    a_ub = np.vstack([np.c_[rows[up], -np.ones(up.sum())], np.c_[-rows[down], -np.ones(down.sum())]])
    bounds = np.c_[program.lo.astype(float) / unit, program.hi.astype(float) / unit]
    if not len(bounds):
        return
    answer = linprog(
        np.r_[np.zeros(len(unit)), 1.0],
        A_ub=a_ub,
        b_ub=np.r_[high[up], -low[down]],
        bounds=[*map(tuple, bounds), (0.0, None)],
        method="highs",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    if answer.status == 2 or (answer.status == 0 and float(answer.fun or 0) > 1e-9):
        raise ReferenceInfeasible(f"the best any schedule can do breaks a bound by {answer.fun} of its asset's size")


# ---------------------------------------------------------------- first solvers: raw PIQP, Clarabel, HiGHS


@dataclass(frozen=True, eq=False)
class Split:
    """The program with |v| = v + 2 s, s >= 0, v + s >= 0 (s = sells) wherever a trade's sign is open."""

    hess: Array
    cost: Array
    rows: Array
    low: Array
    high: Array
    least: Array
    most: Array


def split(program: Program) -> Split:
    """Assemble dense arrays over (v, s)."""
    spread, lo, hi = (a.astype(float) for a in (program.spread, program.lo, program.hi))
    open_sign = (spread > 0) & (lo < 0) & (hi > 0)
    m, extra = len(spread), int(open_sign.sum())
    pick = np.eye(m)[open_sign]
    hess = np.zeros((m + extra, m + extra))
    hess[:m, :m] = program.hess
    sign = np.where(open_sign | (lo >= 0), 1.0, -1.0)
    rows = np.block([[program.matrix64, np.zeros((len(program.matrix64), extra))], [pick, np.eye(extra)]])
    return Split(
        hess,
        np.r_[program.cost.astype(float) + sign * spread, 2 * spread[open_sign]],
        rows,
        np.r_[program.row_lo.astype(float), np.zeros(extra)],
        np.r_[program.row_hi.astype(float), np.full(extra, np.inf)],
        np.r_[lo, np.zeros(extra)],
        np.r_[hi, np.full(extra, np.inf)],
    )


def by_piqp(program: Program) -> tuple[Array, Array]:
    """Dense PIQP at 1e-12: (v, row multipliers m with f' + C'm = 0 where v is free)."""
    data, solver = split(program), piqp.DenseSolver()
    settings = solver.settings
    settings.eps_abs = settings.eps_duality_gap_abs = 1e-12
    settings.eps_rel = settings.eps_duality_gap_rel = 1e-13
    settings.max_iter, settings.verbose = 200, False
    equal = np.r_[program.equal, np.zeros(len(data.rows) - len(program.equal), bool)]
    a, g = np.asfortranarray(data.rows[equal]), np.asfortranarray(data.rows[~equal])
    hess = np.asfortranarray(data.hess)
    solver.setup(hess, data.cost, a, data.low[equal], g, data.low[~equal], data.high[~equal], data.least, data.most)
    solver.solve()
    m = np.zeros(len(data.rows))
    m[equal], m[~equal] = solver.result.y, solver.result.z_u - solver.result.z_l
    return np.array(solver.result.x)[: len(program.unit)], m[: len(program.equal)]


def one_sided(data: Split, equal: Mask) -> tuple[Array, Array, Array, Array]:
    """Stack rows as A z = b, G z <= h with bounds among the latter; equalities first."""
    stacked = np.vstack([data.rows, np.eye(len(data.cost))])
    low, high = np.r_[data.low, data.least], np.r_[data.high, data.most]
    rest = ~np.r_[equal, np.zeros(len(low) - len(equal), bool)]
    up, down = rest & np.isfinite(high), rest & np.isfinite(low)
    return stacked[~rest], high[~rest], np.vstack([stacked[up], -stacked[down]]), np.r_[high[up], -low[down]]


def gather(program: Program, data: Split, equal_dual: Array, rest_dual: Array) -> Array:
    """Row multipliers from the duals of the one-sided rows (all >= 0 for G z <= h)."""
    count = len(data.rows)
    equal = np.r_[program.equal, np.zeros(count - len(program.equal), bool)]
    up, down = ~equal & np.isfinite(data.high), ~equal & np.isfinite(data.low)
    ups = int(up.sum() + np.isfinite(data.most).sum())
    m = np.zeros(count)
    m[equal] = equal_dual
    m[up] += rest_dual[: up.sum()]
    m[down] -= rest_dual[ups : ups + down.sum()]
    return m[: len(program.equal)]


def by_clarabel(program: Program) -> tuple[Array, Array]:
    """Raw Clarabel at 1e-12: (v, row multipliers)."""
    data = split(program)
    equal = np.r_[program.equal, np.zeros(len(data.rows) - len(program.equal), bool)]
    a, b, g, h = one_sided(data, equal)
    settings = clarabel.DefaultSettings()
    settings.verbose, settings.max_iter = False, 200
    settings.tol_feas = settings.tol_gap_abs = settings.tol_gap_rel = 1e-12
    cones = [clarabel.ZeroConeT(len(b)), clarabel.NonnegativeConeT(len(h))]
    hess, rows = sparse.csc_matrix(np.triu(data.hess)), sparse.csc_matrix(np.vstack([a, g]))
    answer = clarabel.DefaultSolver(hess, data.cost, rows, np.r_[b, h], cones, settings).solve()
    z = np.array(answer.z)
    return np.array(answer.x)[: len(program.unit)], gather(program, data, z[: len(b)], z[len(b) :])


def by_highs(program: Program) -> tuple[Array, Array]:
    """HiGHS, for programs without a quadratic: (v, row multipliers)."""
    data = split(program)
    equal = np.r_[program.equal, np.zeros(len(data.rows) - len(program.equal), bool)]
    a, b, g, h = one_sided(data, equal)
    answer = linprog(
        data.cost,
        A_ub=g,
        b_ub=h,
        A_eq=a,
        b_eq=b,
        bounds=[(None, None)] * len(data.cost),
        method="highs",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    if answer.status != 0 or answer.x is None:
        raise ReferenceUncertified(f"HiGHS: {answer.message}")
    return answer.x[: len(program.unit)], gather(program, data, -answer.eqlin.marginals, -answer.ineqlin.marginals)


# ---------------------------------------------------------------- the active-set polish, in extended precision


@dataclass(frozen=True, eq=False)
class Pieces:
    """Which trades are pinned and where, the sign of the others, and which rows hold with equality at what value."""

    pinned: Mask
    value: Wide
    sign: Wide
    active: Mask
    target: Wide

    def same(self, other: Pieces | None) -> bool:
        """Whether two classifications agree."""
        names = ("pinned", "value", "sign", "active", "target")
        return other is not None and all(np.array_equal(getattr(self, a), getattr(other, a)) for a in names)


def curvature(program: Program) -> Array:
    """Return the Hessian's diagonal, 1 where it vanishes."""
    diagonal = np.diag(program.hess)
    return np.where(diagonal > 1e-14, diagonal, 1.0)


def classify(program: Program, v: Wide, m: Wide) -> Pieces:
    """Optimality says v = prox(v - r/rho) and Cv = clip(Cv + m/rho): read the pieces from the right-hand sides."""
    rho = wide(curvature(program))
    step = v - (program.gradient(v) + program.matrix.T @ m) / rho
    shrunk = np.sign(step) * np.maximum(np.abs(step) - program.spread / rho, 0)
    kink = (program.spread > 0) & (shrunk == 0) & (program.lo < 0) & (program.hi > 0)
    pinned = kink | (shrunk <= program.lo) | (shrunk >= program.hi)
    value = np.where(pinned, np.clip(shrunk, program.lo, program.hi), 0)
    sign = np.where(pinned, 0, np.where(program.lo >= 0, 1, np.where(program.hi <= 0, -1, np.sign(shrunk))))
    weight = np.sum(program.matrix**2 / rho, axis=1)
    point = program.matrix @ v + m * weight
    above, below = point >= program.row_hi, point <= program.row_lo
    active = program.equal | above | below
    target = np.where(above | program.equal, program.row_hi, np.where(below, program.row_lo, 0))
    return Pieces(pinned, value, sign, active, target)


def newton(program: Program, v: Wide, m: Wide, pieces: Pieces) -> tuple[Wide, Wide]:
    """Solve the pieces' KKT system by a proximal factorisation and refinement on extended-precision residuals."""
    v, free = np.where(pieces.pinned, pieces.value, v), ~pieces.pinned
    touched = pieces.active & np.any(program.matrix[:, free] != 0, axis=1)
    at_top = pieces.target == program.row_hi
    kept = np.where(program.equal, m, np.where(at_top, np.maximum(m, 0), np.minimum(m, 0)))
    m = np.where(pieces.active, np.where(touched, m, kept), 0)
    rows, count = program.matrix64[touched][:, free], int(free.sum())
    size = np.r_[np.sqrt(curvature(program)[free]), np.ones(len(rows))]
    size[count:] = np.sqrt(np.sum((rows / size[:count]) ** 2, axis=1))
    kkt = np.zeros((len(size), len(size)))
    kkt[:count, :count] = program.hess[np.ix_(free, free)]
    kkt[count:, :count], kkt[:count, count:] = rows, rows.T
    kkt /= size[:, None] * size[None, :]
    norm = math.inf
    for shift in (1e-11, 1e-15):  # the second for Hessians so flat that the first would hold the point back
        if norm > 1e-16:
            kkt_shifted = kkt + np.diag(np.r_[np.full(count, shift), np.full(len(rows), -shift)])
            v, m, norm = refine(program, v, m, pieces, touched, size, kkt_shifted)
    return v, m


def refine(
    program: Program, v: Wide, m: Wide, pieces: Pieces, touched: Mask, size: Array, kkt: Array
) -> tuple[Wide, Wide, float]:
    """Iterate (v, m) += kkt^-1 residual while the scaled residual at least halves; return the best and its norm."""
    free, matrix, factor = ~pieces.pinned, program.matrix[touched], lu_factor(kkt, check_finite=False)
    count, best, least = int(free.sum()), (v, m), math.inf
    for _ in range(15):
        dual = (program.gradient(v) + program.matrix.T @ m + program.spread * pieces.sign)[free]
        residual = np.r_[-dual, pieces.target[touched] - matrix @ v] / size
        norm = float(np.max(np.abs(residual), initial=0))
        if not norm < least / 2:
            break
        best, least = (v, m), norm
        if norm == 0:
            break
        move = norm * wide(lu_solve(factor, (residual / norm).astype(float), check_finite=False)) / size
        v, m = v.copy(), m.copy()
        v[free] += move[:count]
        m[touched] += move[count:]
    return *best, least


class Search:
    """The best feasible trades and the best lower bound seen so far: each is valid by itself."""

    def __init__(self, case: Case) -> None:
        self.case = case
        even = -wide(case.initial) * (wide(case.durations) / np.sum(wide(case.durations)))[:, None]
        self.floor = 1e-6 * cost_and_scale(case, even)[1]
        self.bound = np.longdouble(-np.inf)
        self.points: list[tuple[float, float, float, Array]] = []  # (cost, scale, violation, trades)

    def offer(self, program: Program, v: Wide, m: Wide) -> None:
        """Judge one point and its multipliers."""
        if np.all(np.isfinite(v)) and np.all(np.isfinite(m)):
            self.bound = max(self.bound, program.lower_bound(v, m))
            trades = program.primal(v)
            cost, scale = cost_and_scale(self.case, trades)
            self.points.append((cost, scale + self.floor, violation(self.case, trades), trades))

    def merit(self, point: tuple[float, float, float, Array]) -> float:
        """Weigh gap against violation: 1e-13 of relative gap is worth 1e-14 of the order."""
        cost, scale, broken, _ = point
        gap = abs(cost - float(self.bound)) / scale if scale > 0 else 0.0
        return gap + 10 * broken + (1.0 if broken > 1e-12 else 0.0)

    def answer(self, engine: str) -> Reference:
        """Return the best pair as a Reference."""
        if not self.points:
            raise ReferenceUncertified(f"{engine} gave no finite point")
        cost, scale, broken, trades = min(self.points, key=self.merit)
        terms = {name: float(term) for name, term in wide_terms(self.case, trades).items()}
        return Reference(cost, float(self.bound), trades, terms, scale, broken, engine)


def polish(search: Search, program: Program, start: Array, duals: Array, rounds: int = 30) -> None:
    """Alternate classification and KKT solves from a first solver's point, offering every one, until they settle."""
    v, m, seen = np.clip(wide(start), program.lo, program.hi), wide(duals), None
    search.offer(program, v, m)
    for _ in range(rounds):
        pieces = classify(program, v, m)
        if pieces.same(seen) or not np.all(np.isfinite(v)):
            return
        v, m = newton(program, v, m, pieces)
        search.offer(program, v, m)
        seen = pieces


def certified(answer: Reference) -> bool:
    """Within the oracle's limits."""
    return answer.violation <= VIOLATION and abs(answer.gap) <= LIMIT


def fixed_point(_program: Program) -> tuple[Array, Array]:
    """Answer a program without free trades."""
    return np.zeros(0), np.zeros(0)


ONE_THREAD = ThreadpoolController()  # two BLAS threads on such small matrices are four times slower than one
ENGINES = {"piqp": by_piqp, "clarabel": by_clarabel, "highs": by_highs, "fixed": fixed_point}


def solve_reference(case: Case, engines: tuple[str, ...] = ("piqp", "clarabel")) -> Reference:
    """Minimise the case and prove it; raise ReferenceInfeasible or ReferenceUncertified.

    Each engine is tried twice: with the objective in units guessed beforehand, then of the best point so far.
    """
    with ONE_THREAD.limit(limits=1):
        return _solve(case, engines)


def _solve(case: Case, engines: tuple[str, ...]) -> Reference:
    """Try the engines in turn until one leads to a certificate."""
    program = Program(case)
    if np.isfinite(case.dollar_tolerance):
        check_feasible(case)
    search = Search(case)
    engines = ("highs", *engines) if program.linear_only else engines
    plan = [(engine, again) for again in (False, True) for engine in engines]
    for engine, again in plan if np.any(program.free) else [("fixed", False)]:
        trial = Program(case, search.answer(engine).scale or None) if again else program
        polish(search, trial, *ENGINES[engine](trial))
        answer = search.answer(engine)
        if answer.violation <= 1e-12 and abs(answer.gap) <= (1e-10 if again else AIM):
            return answer
    if not certified(answer):
        check_feasible(case)
        raise ReferenceUncertified(f"gap {answer.gap:.1e}, violation {answer.violation:.1e} after {engines}")
    return answer


# ---------------------------------------------------------------- random cases


def correlation(rng: np.random.Generator, n: int, factors: int) -> Array:
    """Return a random correlation matrix: factor loadings plus a diagonal."""
    loads = rng.normal(size=(n, factors)) * rng.uniform(0, 2)
    raw = loads @ loads.T + np.diag(rng.uniform(0.2, 1.5, n))
    scale = 1 / np.sqrt(np.diag(raw))
    return raw * scale[:, None] * scale[None, :]


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """10^U(log10 low, log10 high)."""
    return float(10 ** rng.uniform(math.log10(low), math.log10(high)))


def windows(edges: Array, closed: Mask) -> tuple[tuple[float, float], ...]:
    """Return the closed intervals as maximal half-open windows of time."""
    flips = np.flatnonzero(np.diff(np.r_[False, closed, False].astype(int)))
    return tuple((float(edges[a]), float(edges[b])) for a, b in zip(flips[::2], flips[1::2], strict=True))


@dataclass(frozen=True, eq=False)
class Tape:
    """What a random case is drawn on: the grid, the order, the market, and a schedule that obeys every rule."""

    durations: Array
    initial: Array
    price: Array
    volume: Array
    closed: Mask
    halted: Mask  # (N,) intervals whose volume is zero (so any cap is) wherever a cap is drawn
    share: Array  # (N,) fraction of every order done in each interval by the witness

    @property
    def witness(self) -> Array:
        """The witness's trades, -X share."""
        return -self.share[:, None] * self.initial[None, :]


def draw_tape(rng: np.random.Generator) -> Tape:
    """Draw grid, order, prices, volumes and closed intervals."""
    n, count = int(rng.integers(1, 7)), int(rng.integers(1, 41))
    horizon = log_uniform(rng, 0.05, 5)
    uneven = rng.random() < 0.5
    steps = 10 ** rng.uniform(-0.5, 0.5, count) if uneven else np.ones(count)
    durations = steps * (horizon / steps.sum())
    size = log_uniform(rng, 1e2, 1e9) * 10 ** rng.uniform(-1, 0, n)
    initial = np.maximum(size, 1.0) * rng.choice([-1.0, 1.0], n)
    price = 10 ** rng.uniform(0, 3, n)
    daily = np.abs(initial) * 10 ** rng.uniform(0.3, 2.5, n)
    smile = 1 + rng.uniform(0, 2) * np.linspace(-1, 1, count) ** 2
    volume = daily * durations[:, None] * smile[:, None] * rng.lognormal(0, 0.3, (count, n))
    closed = (rng.random(count) < 0.25) if rng.random() < 0.3 else np.zeros(count, bool)
    halted = (rng.random(count) < 0.2) if rng.random() < 0.15 else np.zeros(count, bool)
    alive = int(rng.integers(count))
    closed[alive] = halted[alive] = False
    share = np.where(closed | halted, 0, durations * rng.lognormal(0, 0.3, count))
    return Tape(durations, initial, price, volume, closed, halted, share / share.sum())


def draw_impact(rng: np.random.Generator, tape: Tape) -> tuple[Array, Array]:
    """Temporary (sometimes cross) impact from bps at 10% participation, and permanent with H/tau - G/2 PSD."""
    n, tau = len(tape.initial), tape.durations[:, None]
    bps = 10 ** rng.uniform(0, 2, n)
    eta: Array = bps * 1e-4 * tape.price * tau / (0.1 * tape.volume)
    if rng.random() < 0.25:
        mixed, root = correlation(rng, n, 1), np.sqrt(eta)
        eta = root[:, :, None] * mixed * root[:, None, :]
    gamma = np.zeros((n, n))
    if rng.random() < 0.6:
        sharpest = matrices(eta).astype(float) / tau[:, :, None]
        root = np.sqrt(np.diagonal(sharpest, axis1=1, axis2=2).min(axis=0))
        shape = root[:, None] * (correlation(rng, n, 1) if rng.random() < 0.5 else np.eye(n)) * root[None, :]
        most = max(float(eigh(shape, block, eigvals_only=True)[-1]) for block in sharpest)
        gamma = 2 * shape * log_uniform(rng, 0.01, 0.9) / most
    return eta, gamma


def draw_participation(rng: np.random.Generator, tape: Tape, basket: bool) -> float:
    """Draw a fraction of volume that leaves the order room by a factor in {1 (exactly binding), 1.02..5}."""
    traded = np.where((tape.closed | tape.halted)[:, None], 0.0, tape.volume)
    whole, each = np.abs(tape.initial) / traded.sum(axis=0), np.abs(tape.witness) / tape.volume
    need = np.max(each if basket else whole)
    return float(need * (1.0 if rng.random() < 0.08 else rng.uniform(1.02, 5)))


def draw_trade_size(rng: np.random.Generator, tape: Tape) -> tuple[Array, Array]:
    """One-sided bounds around the witness: at most so much with the order, or at most so much against it."""
    with_order = np.abs(tape.witness).max(axis=0) * rng.uniform(1.0, 3.0, len(tape.initial))
    against = rng.uniform(0, 0.2, len(tape.initial)) * np.abs(tape.initial)
    mine = rng.random(len(tape.initial)) < 0.5
    sells = tape.initial > 0
    lower = np.where(sells & mine, -with_order, np.where(~sells & ~mine, -against, -np.inf))
    upper = np.where(~sells & mine, with_order, np.where(sells & ~mine, against, np.inf))
    return np.tile(lower, (len(tape.durations), 1)), np.tile(upper, (len(tape.durations), 1))


def draw_rules(rng: np.random.Generator, tape: Tape, volatility: Array) -> Features:
    """Choose the constraints; the witness, or the volume-weighted schedule, obeys all of them."""
    n, x = len(tape.initial), tape.initial
    basket = n > 1 and rng.random() < 0.4
    gross, net = float(tape.price @ np.abs(x)), abs(float(tape.price @ x))
    sized = rng.random() < 0.15
    held = (np.minimum(x, 0.0), np.maximum(x, 0.0)) if rng.random() < 0.3 else None
    capped = rng.random() < 0.6
    edges = np.concatenate([[0.0], np.cumsum(tape.durations)])
    return Features(
        edges,
        np.where(tape.halted[:, None] & capped, 0.0, tape.volume),
        draw_participation(rng, tape, basket or sized) if capped else None,
        bool(np.all(x != 0) and rng.random() < 0.5),
        tape.closed,
        windows(edges, tape.closed),
        held,
        draw_trade_size(rng, tape) if sized else None,
        max(net * 1.0001, gross * log_uniform(rng, 1e-3, 0.5), 1.5) if basket else None,
        volatility,
    )


def bounds_of(rules: Features, initial: Array) -> tuple[Array, Array]:
    """Intersect participation, monotone, no-trade and trade-size bounds."""
    lower, upper = np.full(rules.volume.shape, -np.inf), np.full(rules.volume.shape, np.inf)
    if rules.participation is not None:
        cap = rules.participation * rules.volume
        lower, upper = np.maximum(lower, -cap), np.minimum(upper, cap)
    if rules.monotone:
        upper = np.where(initial > 0, np.minimum(upper, 0), upper)
        lower = np.where(initial < 0, np.maximum(lower, 0), lower)
    if rules.trade_size is not None:
        lower, upper = np.maximum(lower, rules.trade_size[0]), np.minimum(upper, rules.trade_size[1])
    if rules.closed is not None:
        lower[rules.closed] = upper[rules.closed] = 0.0
    return lower, upper


def draw_hedge(rng: np.random.Generator, tape: Tape) -> Tape:
    """Sometimes turn one asset of a basket into a hedge: X = 0, volumes as drawn."""
    initial = tape.initial.copy()
    if len(initial) > 1 and rng.random() < 0.15:
        initial[int(rng.integers(len(initial)))] = 0.0
    return replace(tape, initial=initial)


def draw_covariance(rng: np.random.Generator, tape: Tape, volatility: Array) -> Array:
    """Price-change covariance per day, sometimes with a U-shaped or random scale by interval: (N, n, n)."""
    count, n = tape.volume.shape
    money = volatility * tape.price
    base = money[:, None] * correlation(rng, n, int(rng.integers(1, n + 1))) * money[None, :]
    scale: Array = np.asarray(rng.lognormal(0, 0.5, count)) if rng.random() < 0.4 else np.ones(count)
    return scale[:, None, None] * base


def draw_smoothness(rng: np.random.Generator, tape: Tape, eta: Array) -> tuple[tuple[int, Array], ...]:
    """None, or weight = eta * scale^(2d) with derivative 1 or 2."""
    kind = int(rng.choice([0, 1, 2], p=[0.6, 0.2, 0.2]))
    if kind == 0:
        return ()
    scale = float(tape.durations.sum()) * log_uniform(rng, 1e-2, 0.3)
    return ((kind, eta * scale ** (2 * kind)),)


def random_case(rng: np.random.Generator) -> Case:
    """Draw a feasible, bounded execution program with its rules in words (``features``)."""
    tape = draw_hedge(rng, draw_tape(rng))
    (count, n), total = tape.volume.shape, float(tape.durations.sum())
    volatility: Array = 0.005 * np.power(10.0, rng.uniform(0, 1, n))
    rules, (eta, gamma) = draw_rules(rng, tape, volatility), draw_impact(rng, tape)
    covariance = draw_covariance(rng, tape, volatility)
    typical = np.diagonal(matrices(eta), axis1=1, axis2=2).mean(axis=0).astype(float)
    variance = np.diagonal(covariance, axis1=1, axis2=2).mean(axis=0)
    urgency = log_uniform(rng, 1e-3, 1e3) / total  # kappa: from TWAP to a block
    aversion = float(urgency**2 * np.median(typical / variance))
    size = np.where(tape.initial != 0, np.abs(tape.initial), np.abs(tape.initial).max())
    drift = np.zeros((count, n))
    if rng.random() < 0.4:
        drift = np.outer(rng.normal(size=count) if rng.random() < 0.3 else np.ones(count), rng.normal(size=n))
        drift = drift * log_uniform(rng, 1e-2, 10) * typical * size / total**2
    spread = np.zeros((count, n))
    if rng.random() < 0.6:
        spread = tape.price * 1e-4 * 10 ** rng.uniform(-0.5, 1, n) * np.ones((count, 1))
    track = None
    if rng.random() < 0.15:
        left = 1 - np.cumsum(tape.durations) / total
        track = (np.where(np.arange(count)[:, None] < count - 1, left[:, None] * tape.initial, 0.0), aversion)
    luck = rng.random()
    if rules.participation is not None and rules.monotone and luck < 0.15:  # no impact: risk alone, or an LP
        eta, gamma = np.zeros((count, n)), np.zeros((n, n))
        aversion, track = (0.0, None) if luck < 0.08 else (aversion, track)
    smooth = draw_smoothness(rng, tape, typical) if aversion > 0 else ()
    lower, upper = bounds_of(rules, tape.initial)
    held = rules.holding_bounds or (np.full(n, -np.inf), np.full(n, np.inf))
    return Case(
        tape.durations,
        tape.initial,
        eta,
        gamma,
        spread,
        covariance,
        aversion,
        drift,
        smooth,
        lower,
        upper,
        np.tile(held[0], (count, 1)),
        np.tile(held[1], (count, 1)),
        tape.price,
        math.inf if rules.dollar_neutral is None else rules.dollar_neutral,
        track,
        rules,
    )


def study(count: int, seed: int = 0) -> tuple[list[Reference], list[tuple[int, str]], list[float]]:
    """Solve ``count`` random cases (case j from the seed pair (seed, j)): answers, failures, seconds."""
    answers, failures, seconds = [], [], []
    for j in range(count):
        case, start = random_case(np.random.default_rng([seed, j])), time.perf_counter()
        try:
            answers.append(solve_reference(case))
        except (ReferenceInfeasible, ReferenceUncertified) as error:
            failures.append((j, f"{type(error).__name__}: {error}"))
        seconds.append(time.perf_counter() - start)
    return answers, failures, seconds


def report(count: int, seed: int) -> str:
    """Format a study's distribution of gaps, violations and times, as text."""
    answers, failures, seconds = study(count, seed)
    gaps, broken = [abs(a.gap) for a in answers], [a.violation for a in answers]
    levels = (50, 90, 99, 99.9, 100)
    lines = [f"{count} cases, seed {seed}: {len(answers)} certified, {len(failures)} not"]
    for name, values in (("relative gap", gaps), ("violation", broken), ("seconds", seconds)):
        lines.append(f"{name:13s}" + "  ".join(f"{p}%: {np.percentile(values, p):.1e}" for p in levels))
    lines.append("engines " + str({e: sum(a.engine == e for a in answers) for e in {a.engine for a in answers}}))
    lines.append(f"gaps above 1e-10: {sum(g > 1e-10 for g in gaps)}; mean seconds {np.mean(seconds):.4f}")
    return "\n".join(lines + [f"case {j}: {text}" for j, text in failures]) + "\n"


if __name__ == "__main__":
    wanted = [int(word) for word in sys.argv[1:]] + [300, 0][len(sys.argv) - 1 :]
    sys.stdout.write(report(*wanted))

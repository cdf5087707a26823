"""The second oracle's optimum: one conic program in the trades for Clarabel, and a lower bound by weak duality.

The bound is evaluated here, in extended precision, from multipliers alone: every convex piece is replaced by the affine
minorant whose slope Clarabel's multipliers give (clipped to what is valid), quadratics are kept, and what is left is
minimised over the box of the trades.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import clarabel
import numpy as np
from composed import Array, Case, Wide, path, wide
from composed_forms import Distances, Form, Group, Powers, as_float, form_of, hard_rows, nothing, objective_of
from composed_pieces import Minorant, Reader, Rows, declare_form
from composed_rules import cost_and_scale, tolerance, twap, violation
from scipy import sparse
from threadpoolctl import ThreadpoolController

ONE_THREAD = ThreadpoolController()


class ComposedInfeasible(Exception):  # noqa: N818
    """No schedule obeys the rules: proven by multipliers."""


class ComposedUncertified(Exception):  # noqa: N818
    """No bracket of the optimum that is tight enough."""


@dataclass(frozen=True, eq=False)
class Truth:
    """lower <= optimum; `trades` cost `objective` and miss the rules by `violation`."""

    objective: float
    lower: float
    trades: Array
    scale: float
    tolerance: float
    violation: float
    tries: int
    seconds: float

    @property
    def bracket(self) -> float:
        """Width of the bracket, in tolerances of the contract."""
        return abs(self.objective - self.lower) / self.tolerance if self.tolerance else 0.0


class Program:
    """The case over its free trades v, u = fixed + unit v, money in units of `money`."""

    def __init__(self, case: Case, money: float, unit: Array) -> None:
        self.case, self.money, self.shape = case, np.longdouble(money), case.tape.volume.shape
        self._box()
        self.unit = wide(np.broadcast_to(unit, self.shape).ravel()[self.free])
        ends = self._reach()
        if np.any(ends[0] > ends[1] + 1e-12 * (np.abs(self.case.tape.order).max() + np.abs(ends[1]))):
            raise ComposedInfeasible("the bounds of an asset's trades do not let its order complete")
        self.box = (ends[0][self.free] / self.unit, np.maximum(*ends)[self.free] / self.unit)
        self.low, self.high = self.low[self.free] / self.unit, self.high[self.free] / self.unit
        self.objective = self._in_units(objective_of(case), self.money)
        self.program = Rows(int(self.free.sum()))
        self.parts: list[tuple[int | None, Reader]] = []
        self._rows()
        self._bounds()
        periods = self.shape[0]
        _, readers = declare_form(self.program, self.objective, periods, 1.0)
        self.parts += [(None, r) for r in readers]
        self.limits: list[tuple[tuple[str, int], Wide | None, float, Form]] = []
        for j in range(len(case.budgets)):
            self._budget(j, periods)

    def _box(self) -> None:
        """Bounds on single trades from all rows that speak of one; trades that they leave no choice are fixed."""
        size = int(np.prod(self.shape))
        self.low, self.high = np.full(size, -np.inf, np.longdouble), np.full(size, np.inf, np.longdouble)
        self.rules = []
        for rows in hard_rows(self.case):
            single = (rows.matrix != 0).sum(axis=1) == 1
            for j in np.flatnonzero(single):
                i = int(np.argmax(rows.matrix[j] != 0))
                ends = sorted([rows.low[j] / rows.matrix[j, i], rows.high[j] / rows.matrix[j, i]])
                self.low[i], self.high[i] = max(self.low[i], ends[0]), min(self.high[i], ends[1])
            if not single.all():
                self.rules.append((rows.matrix[~single], rows.low[~single], rows.high[~single]))
        if np.any(self.low > self.high + 1e-13 * np.abs(self.high)):
            raise ComposedInfeasible("the bounds of a single trade cross")
        fixed = self.low >= self.high
        self.fixed, self.free = np.where(fixed, self.high, 0), ~fixed

    def _reach(self) -> tuple[Wide, Wide]:
        """Bounds that completion implies: what is left to one trade when all others of its asset are at theirs."""
        low, high = self.low.reshape(self.shape).copy(), self.high.reshape(self.shape).copy()
        if self.case.complete:
            for i, left in enumerate(-wide(self.case.tape.order)):
                for k in range(self.shape[0]):
                    others = np.arange(self.shape[0]) != k
                    least = np.sum(self.low.reshape(self.shape)[others, i])
                    most = np.sum(self.high.reshape(self.shape)[others, i])
                    low[k, i], high[k, i] = max(low[k, i], left - most), min(high[k, i], left - least)
        return low.ravel(), high.ravel()

    def _in_units(self, form: Form, money: np.longdouble) -> Form:
        """Return the form over v, in units of money."""
        keep, unit, fixed = self.free, self.unit, self.fixed
        start = form.quadratic @ fixed

        def part(matrix: Wide) -> Wide:
            return np.asarray(matrix[:, keep] * unit)

        constant = form.constant + form.linear @ fixed + fixed @ start / 2
        for p in form.powers:
            constant += p.weight @ np.abs(fixed) ** np.longdouble(p.power)
        distances = []
        for d in form.distances:
            body, base = part(d.matrix), d.matrix @ fixed
            moves = np.any(body != 0, axis=1)
            away = np.maximum(np.maximum(d.low - base, base - d.high), 0)
            constant += d.weight[~moves] @ away[~moves]
            low, high = (d.low - base)[moves], (d.high - base)[moves]
            distances.append(Distances(body[moves], low, high, d.weight[moves] / money))
        return Form(
            form.quadratic[np.ix_(keep, keep)] * unit[:, None] * unit[None, :] / money,
            (form.linear + start)[keep] * unit / money,
            np.longdouble(constant / money),
            tuple(distances),
            tuple(Powers(p.weight[keep] * unit ** np.longdouble(p.power) / money, p.power) for p in form.powers),
            tuple(
                Group(g.kind, g.weight / float(money), part(g.matrix), g.shift - g.matrix @ fixed) for g in form.groups
            ),
            None if form.root is None else (part(form.root[0]), form.root[1] - form.root[0] @ fixed),
        )

    def _rows(self) -> None:
        """Rules over several trades."""
        self.lines: list[tuple[Wide, Wide, Wide]] = []
        for matrix, low, high in self.rules:
            base, body = matrix @ self.fixed, matrix[:, self.free] * self.unit
            size = np.max(np.abs(body), axis=1, initial=0)
            room = 1e-12 * np.max(np.abs(matrix), axis=1) * max(float(np.max(np.abs(self.case.tape.order))), 1e-300)
            idle = size == 0
            if np.any(idle & ((base < low - room) | (base > high + room))):
                raise ComposedInfeasible("trades that the bounds fix break a rule")
            use = ~idle
            scale = size[use]
            self.lines.append((body[use] / scale[:, None], (low - base)[use] / scale, (high - base)[use] / scale))
        for number, (body, low, high) in enumerate(self.lines):
            equal = low == high
            up, down = ~equal & np.isfinite(high), ~equal & np.isfinite(low)
            add, rows = self.program.add, as_float(body)
            keys = (
                add("zero", rows[equal], [], as_float(high[equal])),
                add("nonneg", rows[up], [], as_float(high[up])),
                add("nonneg", -rows[down], [], -as_float(low[down])),
            )
            self.parts.append((None, self._line_reader(number, equal, up, down, keys)))

    def _line_reader(self, number: int, equal: Array, up: Array, down: Array, keys: tuple) -> Reader:  # type: ignore[type-arg]
        body, low, high = self.lines[number]

        def read(dual: Callable[[tuple[str, int]], Wide], _: np.longdouble) -> Minorant:
            y = np.zeros(len(body), np.longdouble)
            y[equal] += dual(keys[0])
            y[up] += np.maximum(dual(keys[1]), 0)
            y[down] -= np.maximum(dual(keys[2]), 0)
            y = np.where((y > 0) & ~np.isfinite(high), 0, np.where((y < 0) & ~np.isfinite(low), 0, y))
            side = np.where(y > 0, high, np.where(y < 0, low, 0))
            return body.T @ y, -np.longdouble(y @ side)

        return read

    def _bounds(self) -> None:
        eye = np.eye(len(self.unit))
        for sign, limit in ((1.0, self.high), (-1.0, -self.low)):
            some = np.isfinite(limit)
            self.program.add("nonneg", sign * eye[some], [], as_float(limit[some]))

    def _budget(self, number: int, periods: int) -> None:
        """F(v) <= value as a cone; the multiplier of F is read from it."""
        budget = self.case.budgets[number]
        form = nothing(self.case.tape)
        for cost in budget.costs:
            one = form_of(self.case, cost)
            form = one if len(budget.costs) == 1 else form + one
        size = len(self.unit)
        if budget.deviation:
            form = self._in_units(form, np.longdouble(1))
            if form.root is None:
                raise ComposedUncertified("a deviation of several risks")
            r, d = form.root[0] / wide(budget.value), form.root[1] / wide(budget.value)
            body = np.vstack([np.zeros(size), -as_float(r)])
            key = self.program.add(clarabel.SecondOrderConeT(len(body)), body, [], np.r_[1.0, -as_float(d)])

            def read(dual: Callable[[tuple[str, int]], Wide], _: np.longdouble) -> Minorant:
                slope = -dual(key)[1:]
                return r.T @ slope, -np.longdouble(slope @ d + np.sqrt(slope @ slope))

            self.parts.append((None, read))
            return
        unit = np.longdouble(max(abs(budget.value), 1e-300))
        form = self._in_units(form, unit)
        pairs, readers = declare_form(self.program, form, periods, 0.0)
        linear, room = as_float(form.linear), float(wide(budget.value) / unit - form.constant)
        quadratic, root = as_float(form.quadratic), None
        extra = [(0, variable, coefficient) for variable, coefficient in pairs]
        if np.any(quadratic):
            values, vectors = np.linalg.eigh(quadratic / 2)
            root = vectors * np.sqrt(np.maximum(values, 0))
            body = np.vstack([linear, linear, -2 * root.T])
            both = extra + [(1, variable, coefficient) for _, variable, coefficient in extra]
            key = self.program.add(
                clarabel.SecondOrderConeT(len(body)), body, both, np.r_[room + 1, room - 1, np.zeros(size)]
            )
        else:
            key = self.program.add("nonneg", linear[None], extra, np.array([room]))
        index = len(self.limits)
        self.limits.append((key, None if root is None else wide(root), float(wide(budget.value) / unit), form))
        self.parts += [(index, r) for r in readers]

    def solve(self, tolerances: float) -> tuple[Array, Wide, str]:
        """Clarabel: v, all multipliers, status."""
        a, b, cones, self.where = self.program.assemble()
        width = self.program.free + len(self.program.costs)
        p = sparse.csc_matrix((width, width))
        if np.any(self.objective.quadratic):
            top = sparse.csc_matrix(np.triu(as_float(self.objective.quadratic)))
            p = sparse.csc_matrix(sparse.block_diag([top, sparse.csc_matrix((width - top.shape[0],) * 2)]))
        q = np.r_[as_float(self.objective.linear), np.array(self.program.costs)]
        settings = clarabel.DefaultSettings()
        settings.verbose, settings.max_iter = False, 300
        settings.tol_feas = settings.tol_gap_abs = settings.tol_gap_rel = tolerances
        answer = clarabel.DefaultSolver(p, q, a, b, cones, settings).solve()
        return np.array(answer.x)[: self.program.free], wide(answer.z), str(answer.status)

    def lagrangian(
        self, duals: Wide, weight: float, flat: bool = False
    ) -> tuple[Wide, Wide, np.longdouble, tuple[Wide, float]]:
        """
        Q, l, k and powers with 1/2 v'Qv + l'v + k + powers <= weight * objective for all v that obey the rules.

        A quadratic budget enters with its multiplier, or `flat`: as z's >= 0 for s and z in the cone.
        """

        def dual(key: tuple[str, int]) -> Wide:
            return np.asarray(duals[self.where[key]])

        times, form = np.longdouble(weight), self.objective
        quadratic, linear, constant = times * form.quadratic, times * form.linear, times * form.constant
        powers, mus = [(times, part) for part in form.powers], []
        for key, root, room, limit in self.limits:
            z = dual(key).copy()
            if root is not None:
                z[0] = max(z[0], np.sqrt(z[1:] @ z[1:]))
            mu = max(z[0] + (0 if root is None else z[1]), np.longdouble(0))
            mus.append(mu)
            powers += [(mu, part) for part in limit.powers]
            linear, constant = linear + mu * limit.linear, constant + mu * (limit.constant - room)
            if root is None or not flat:
                quadratic = quadratic + mu * limit.quadratic
            else:
                linear, constant = linear - 2 * root @ z[2:], constant - z[0] + z[1]
        for owner, reader in self.parts:
            slope, level = reader(dual, times if owner is None else mus[owner])
            linear, constant = linear + slope, constant + level
        if len({part.power for _, part in powers}) > 1:
            raise ComposedUncertified("powers of several exponents")
        paid = sum((mu * part.weight for mu, part in powers), 0 * linear)
        return quadratic, linear, constant, (paid, powers[0][1].power if powers else 2.0)

    def bound(self, v: Array, duals: Wide) -> np.longdouble:
        """Lower bound of the objective over all schedules that obey the rules, from multipliers; v is where to look."""
        found = []
        for flat in (False, True) if self.limits else (False,):
            quadratic, linear, constant, powers = self.lagrangian(duals, 1.0, flat)
            found.append(constant + least(quadratic, linear, np.clip(wide(v), *self.box), self.box, powers))
        return np.longdouble(max(found))

    def refutation(self, duals: Wide) -> np.longdouble:
        """Lower bound of zero over all schedules that obey the rules: above zero, there is none."""
        found = []
        for flat in (False, True):
            quadratic, linear, constant, powers = self.lagrangian(duals / np.max(np.abs(duals)), 0.0, flat)
            lowest = -np.linalg.lstsq(as_float(quadratic), as_float(linear))[0]
            found.append(constant + least(quadratic, linear, np.clip(wide(lowest), *self.box), self.box, powers))
        return np.longdouble(max(found))

    def trades(self, v: Array) -> Array:
        """Back to shares (N, n), inside the bounds, the order completed exactly where it must be."""
        u = self.fixed.copy()
        u[self.free] = np.clip(wide(v), self.low, self.high) * self.unit
        u = u.reshape(self.shape)
        if self.case.complete:
            left = path(self.case.tape, u)[-1]
            free = self.free.reshape(self.shape)
            for i in np.flatnonzero(left != 0):
                if free[:, i].any():
                    k = int(np.argmax(np.where(free[:, i], np.abs(u[:, i]), -1)))
                    u[k, i] -= left[i]
        return as_float(u)


def least(quadratic: Wide, linear: Wide, v: Wide, box: tuple[Wide, Wide], powers: tuple[Wide, float]) -> np.longdouble:
    """Lower bound of 1/2 v'Qv + l'v + sum c|v|^p over the box: Q is replaced by a diagonal below it, around v.

    Where there is a power, its own growth is used and that of Q is not.
    """
    if not len(v):
        return np.longdouble(0)
    gradient = quadratic @ v + linear
    diagonal = np.where(np.diag(quadratic) > 0, np.diag(quadratic), 0)
    size = np.sqrt(as_float(np.where(diagonal > 0, diagonal, 1)))
    smallest = np.linalg.eigvalsh(as_float(quadratic) / size[:, None] / size[None, :])[0] - 1e-14 * len(v)
    if smallest < -1e-12 * len(v):
        raise ComposedUncertified(f"the quadratic is not convex: {smallest:.1e} of its diagonal")
    curve = max(np.longdouble(smallest), np.longdouble(0)) * diagonal
    ends = np.where(gradient > 0, -np.inf, np.where(gradient < 0, np.inf, 0))
    step = np.where(curve > 0, -gradient / np.where(curve > 0, curve, 1), ends)
    step = np.clip(step, box[0] - v, box[1] - v)
    paid, power = powers[0], np.longdouble(powers[1])
    grows = paid > 0
    top = -np.sign(gradient) * (np.abs(gradient) / np.where(grows, paid * power, 1)) ** (1 / (power - 1))
    step = np.where(grows, np.clip(top, *box) - v, step)
    with np.errstate(invalid="ignore"):
        bent = np.where(grows, paid * np.abs(v + step) ** power, np.where(curve > 0, curve * step * step / 2, 0))
        gain = np.where(step == 0, 0, gradient * step) + bent
    return np.longdouble(v @ (quadratic @ v) / 2 + linear @ v + np.sum(gain))


def natural_unit(case: Case) -> Array:
    """Shares per asset: its order, else what is worth the mean of the others."""
    tape = case.tape
    shares = np.abs(tape.order)
    worth = tape.gross / max(int((shares > 0).sum()), 1) or float(np.max(tape.volume * tape.price)) * 0.1
    return np.where(shares > 0, shares, worth / tape.price)


def solve_composed(case: Case) -> Truth:
    """Bracket the optimum; raise ComposedInfeasible or ComposedUncertified."""
    with ONE_THREAD.limit(limits=1):
        return _solve(case)


def _solve(case: Case) -> Truth:
    start, unit = time.perf_counter(), natural_unit(case)
    guess = cost_and_scale(case, twap(case.tape))[1]
    if case.witness is not None:
        guess = min(guess or np.inf, cost_and_scale(case, case.witness)[1] or np.inf)
    money = guess if 0 < guess < np.inf else max(case.tape.gross * 1e-4, 1.0)
    lower, best, claims = -np.inf, None, []
    for tries, precision in enumerate((1e-11, 1e-12, 1e-9, 1e-12, 1e-10, 1e-12), 1):
        if best is not None:
            money = best[1] or best[4] or money
        program = Program(case, money * (0.01 if tries > 4 else 1.0), unit)
        if not len(program.unit):
            trades = program.trades(np.zeros(0))
            if violation(case, trades) > 1e-9:
                raise ComposedInfeasible("the only schedule breaks a rule")
            cost, scale = cost_and_scale(case, trades)
            return Truth(
                cost,
                cost,
                trades,
                scale,
                tolerance(case, scale),
                violation(case, trades),
                0,
                time.perf_counter() - start,
            )
        v, duals, status = program.solve(precision)
        if not np.all(np.isfinite(duals.astype(float))):
            continue
        if "PrimalInfeasible" in status:
            proof = float(program.refutation(duals))
            claims.append(proof)
            if proof > 1e-9:
                raise ComposedInfeasible(f"multipliers prove it: {proof:.1e}")
            continue
        lower = max(lower, float(program.bound(v, duals) * program.money))
        trades = program.trades(v)
        cost, scale = cost_and_scale(case, trades)
        broken = violation(case, trades)
        here = tolerance(case, scale)
        merit = abs(cost - lower) / here + (broken / 1e-9)
        if best is None or merit < best[0]:
            best = (merit, scale, cost, trades, here, broken)
        truth = Truth(best[2], lower, best[3], best[1], best[4], best[5], tries, time.perf_counter() - start)
        if truth.bracket <= 1e-3 and truth.violation <= 1e-10:
            return truth
    if best is None:
        raise ComposedUncertified(f"no point; infeasible, but unproven: {claims}")
    if not np.isfinite(lower):
        raise ComposedUncertified(f"bracket {truth.bracket:.1e} tolerances, violation {truth.violation:.1e}")
    return truth

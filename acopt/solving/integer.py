"""The best point of a quadratic program on a lattice: outer approximation by a mixed-integer linear model (HiGHS)."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TypeAlias

import highspy
import numpy as np
import scipy.sparse as sp

from acopt.errors import SolverError
from acopt.solving.canonical import Array, Indices
from acopt.solving.lattice import Cuts, Lattice, LatticeProgram, floor_steps

FEASIBLE = 1e-9
"""Feasibility tolerance of rows of order one; also that of integers."""
COARSE, FINE = 1e-6, 3e-9
"""A cut is added when it raises a square, in units of its own step, by more: in the relaxation, at an integer point."""
RELAXATIONS = 60
BOX, FAR = 64.0, 1e7
"""Steps around the origin in which the relaxation is first solved, and beyond which it is given up."""
CLOSE = 0.1
"""Part of the gap to which the relaxation is solved."""
WIDTHS, NEAR = (0.0, 1.0), 1e-6
"""Steps around the relaxation that are searched before all of them; integers of the relaxation, up to."""
PATIENCE = 30.0
"""Seconds that a first point is waited for."""
NOT_FOUND = f"whole lots: the time ran out before any schedule was found, {PATIENCE:g} s; allow more with time_limit="
OPTIMAL, INFEASIBLE = (
    highspy.HighsModelStatus.kOptimal,
    highspy.HighsModelStatus.kInfeasible,
)
EITHER = highspy.HighsModelStatus.kUnboundedOrInfeasible

_Settled: TypeAlias = tuple[Array, float]
"""A point with integer steps, and the objective there."""


@dataclass(frozen=True)
class Point:
    """
    The best lattice point that was found.

    Attributes
    ----------
    y : (r,) integers.
    value, bound : objective there, and a lower bound over all lattice points, by HiGHS' arithmetic.
    widened : (groups,) by how much each group of rows gave way.
    models : number of mixed-integer models solved.
    """

    y: Indices
    value: float
    bound: float
    widened: Array
    models: int


class _Model:
    """HiGHS: columns are v, one h per square that is not exact, one t per square, one give per group of rows."""

    def __init__(
        self, program: LatticeProgram, lattice: Lattice, group: Indices, groups: int, scale: float, near: Array
    ) -> None:
        self.program, self.cuts, self.scale = program, Cuts(program.squares), scale
        squares, self._lattice = program.squares, lattice
        self.given, self.searches = np.zeros(groups), 0
        self._width, self.give_unit = len(program.q), np.ones(groups)
        self._plain = np.flatnonzero(~squares.exact)
        self._t = self._width + len(self._plain) + np.arange(len(squares.unit))
        self._give = self._t[-1] + 1 + np.arange(groups) if len(self._t) else self._width + np.arange(groups)
        self.columns = self._width + len(self._plain) + len(self._t) + groups
        self._steps = np.arange(len(lattice.binary))
        base = squares.unit * squares.constant
        self.gradient = program.q + squares.whole.T @ base + squares.switch.T @ (base * squares.theta)
        self.constant = program.d + 0.5 * float(squares.constant @ squares.constant)
        self._h = highspy.Highs()  # type: ignore[no-untyped-call]
        for option, value in (
            ("output_flag", False),
            ("threads", 1),
            ("mip_feasibility_tolerance", FEASIBLE),
            ("primal_feasibility_tolerance", FEASIBLE),
            ("dual_feasibility_tolerance", FEASIBLE),
            ("mip_rel_gap", 0.0),
        ):
            self._h.setOptionValue(option, value)
        self._declare(lattice, group, near)

    def _declare(self, lattice: Lattice, group: Indices, near: Array) -> None:
        inf = highspy.kHighsInf
        low, high = np.full(self.columns, -inf), np.full(self.columns, inf)
        low[self._steps[lattice.binary]], high[self._steps[lattice.binary]] = 0.0, 1.0
        low[self._t], low[self._give], high[self._give] = 0.0, 0.0, 0.0
        self._h.addVars(self.columns, low, high)
        self._costs = np.zeros(self.columns)
        self._costs[: self._width] = self.gradient / self.scale
        self._costs[self._t] = self.program.squares.unit**2 / self.scale
        self._price(self._costs)
        ordered = np.flatnonzero(lattice.before >= 0)
        order = sp.csr_array(
            (
                np.tile([1.0, -1.0], len(ordered)),
                (np.repeat(np.arange(len(ordered)), 2), np.column_stack([ordered, lattice.before[ordered]]).ravel()),
            ),
            (len(ordered), self.columns),
        )
        self._add(order, np.zeros(len(ordered)), np.full(len(ordered), np.inf))
        self._add(*self._rows(group))
        squares = self.program.squares.take(self._plain)
        link = sp.hstack([squares.whole, -sp.eye_array(len(self._plain))])
        zero = np.zeros(len(self._plain))
        self._add(sp.csr_array(link), zero, zero)
        slope = self.cuts.steepest(*self.cuts.forms.at(np.concatenate([near, np.zeros(self._width - len(near))])))
        for beside in (-1.0, 0.0, 1.0):
            self.cut(np.arange(len(self._t)), slope + beside)

    def _rows(self, group: Indices) -> tuple[sp.csr_array, Array, Array]:
        """Rows of order one; those of integers with their bounds on the lattice, in both positions of the switch."""
        program, rows = self.program, self.program.rows
        low, high = (program.l - rows.constant) / rows.unit, (program.u - rows.constant) / rows.unit
        soft = np.flatnonzero(group >= 0)
        for g in range(len(self._give)):
            mine = group == g
            self.give_unit[g] = np.median(rows.unit[mine]) if mine.any() else 1.0
        give = sp.csr_array(
            (self.give_unit[group[soft]] / rows.unit[soft], (soft, self._give[group[soft]])),
            (len(group), self.columns),
        )
        whole, switch = _wide(rows.whole, self.columns), _wide(rows.switch, self.columns)
        tight = rows.exact & (group < 0)
        parts = []
        for sign, bound in ((1.0, high), (-1.0, low)):
            chosen = np.flatnonzero(np.isfinite(bound))
            first, second = (sign * floor_steps(sign * (bound - by)) for by in (0.0, rows.theta))
            with np.errstate(invalid="ignore"):
                lift = np.where(tight, first - second, rows.theta)[chosen]
            edge = np.where(tight, first, bound)[chosen]
            nothing = np.full(len(chosen), -sign * np.inf)
            matrix = whole[chosen] + sp.diags_array(lift) @ switch[chosen] - sign * give[chosen]
            parts.append((sp.csr_array(matrix), *((nothing, edge) if sign > 0 else (edge, nothing))))
        matrices, lows, highs = zip(*parts, strict=True)
        return sp.csr_array(sp.vstack(matrices)), np.concatenate(lows), np.concatenate(highs)

    def _add(self, matrix: sp.csr_array, low: Array, high: Array) -> None:
        matrix = sp.csr_array(_wide(matrix, self.columns))
        matrix.sum_duplicates()
        starts, columns = matrix.indptr[:-1].astype(np.int32), matrix.indices.astype(np.int32)
        self._h.addRows(matrix.shape[0], low, high, matrix.nnz, starts, columns, matrix.data)

    def _price(self, costs: Array) -> None:
        self._h.changeColsCost(self.columns, np.arange(self.columns, dtype=np.int32), costs)

    def cut(self, chosen: Indices, slope: Array) -> None:
        """Add t_j >= slope_j h_j + c_0 + (c_1 - c_0) e_j for the chosen squares."""
        low, high = (part[chosen] for part in self.cuts.intercepts(_spread(slope, chosen, len(self._t))))
        squares = self.program.squares
        whole = sp.csr_array(squares.whole)
        if len(self._plain):
            own = sp.csr_array(
                (np.ones(len(self._plain)), (self._plain, self._width + np.arange(len(self._plain)))),
                (len(self._t), self.columns),
            )
            keep = sp.diags_array(squares.exact.astype(float))
            whole = sp.csr_array(_wide(sp.csr_array(keep @ whole), self.columns) + own)
        whole = _wide(whole, self.columns)[chosen]
        switch = _wide(squares.switch, self.columns)[chosen]
        above = sp.csr_array((np.ones(len(chosen)), (np.arange(len(chosen)), self._t[chosen])), whole.shape)
        matrix = above - sp.diags_array(slope) @ whole - sp.diags_array(high - low) @ switch
        matrix = sp.csr_array(matrix)
        matrix.eliminate_zeros()
        self._add(matrix, low, np.full(len(chosen), np.inf))

    def separate(self, point: Array, violated: float) -> int:
        """Add the cuts that the point violates; return how many."""
        slope, short = self._short(point)
        chosen = np.flatnonzero(short > violated)
        if len(chosen):
            self.cut(chosen, slope[chosen])
        return len(chosen)

    def _short(self, point: Array) -> tuple[Array, Array]:
        """Slopes of the highest cuts at a point, and how far the squares of the model are below them."""
        h, e = self.cuts.forms.at(point[: self._width])
        e = np.clip(e, 0.0, 1.0)
        slope = self.cuts.steepest(h, e)
        low, high = self.cuts.intercepts(slope)
        return slope, np.asarray(slope * h + low * (1.0 - e) + high * e - point[self._t])

    def _is_close(self, gap: float) -> bool:
        """Whether all cuts together would not raise the model at its point by more than a part of the gap."""
        short = self._short(self.point)[1]
        return float(self._costs[self._t] @ np.maximum(short, 0.0)) <= CLOSE * gap

    def relax(self, gap: float, deadline: float) -> float | None:
        """
        Cut the relaxation until it is close; return its lower bound, or None if it has no point.

        When the time is out the bound is that of the cuts so far, which is one of the program all the same.
        """
        box, bound = BOX, -np.inf
        free = self._steps[~self._lattice.binary]
        self._require(highspy.HighsVarType.kContinuous)
        self._h.setOptionValue("time_limit", highspy.kHighsInf)
        for number in range(RELAXATIONS):
            self._bound(free, -box, box)
            self._h.setOptionValue("solver", "choose" if number else "ipm")  # the first has no basis to start from
            self._h.run()
            optimal = self._h.getModelStatus() == OPTIMAL
            if not optimal and box > FAR:
                bound = np.nan
                break
            touching = not optimal or np.abs(self.point[free]).max(initial=0.0) > box - 0.5
            if touching:
                box *= 8.0
            else:
                bound = float(self._h.getInfo().objective_function_value)
            if not touching and (self._is_close(gap) or perf_counter() > deadline):
                break
            if optimal and not self.separate(self.point, COARSE) and not touching:
                break
        self._bound(free, -np.inf, np.inf)
        return None if np.isnan(bound) else bound

    def search(self, seconds: float, gap: float, start: _Settled | None) -> float | None:
        """
        Solve the integer model; return its lower bound, or None where it has no point.

        Without time and a start, the first point ends the search.
        """
        self.searches += 1
        hurry = start is None and seconds <= 0.0
        allowed = PATIENCE if hurry else seconds
        self._require(highspy.HighsVarType.kInteger)
        self._h.setOptionValue("time_limit", allowed)
        self._h.setOptionValue("mip_abs_gap", gap)
        self._h.setOptionValue("mip_max_improving_sols", 1 if hurry else 2**31 - 1)
        if start is not None:
            solution = highspy.HighsSolution()
            solution.col_value = start[0].tolist()
            self._h.setSolution(solution)
        self._h.run()
        if self._h.getModelStatus() in (INFEASIBLE, EITHER):
            return None
        info = self._h.getInfo()
        return float(info.mip_dual_bound if len(self._steps) else info.objective_function_value)

    @property
    def found(self) -> bool:
        """Whether the last search found a point."""
        return bool(self._h.getInfo().primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible)

    @property
    def point(self) -> Array:
        """Columns of the last point."""
        return np.array(self._h.getSolution().col_value)

    def settled(self) -> _Settled:
        """Return the last point, its steps rounded and every square at its value, and the objective there."""
        point = self.point
        point[self._steps] = np.round(point[self._steps])
        h, e = self.cuts.forms.at(point[: self._width])
        point[self._width : self._width + len(self._plain)] = h[self._plain]
        point[self._t] = self.cuts.value(h, e)
        return point, float(self._costs @ point)

    def keep_near(self, point: Array, width: float) -> None:
        """Bound every step to the integers around the point's, and `width` more; infinity leaves all of them."""
        steps = point[self._steps]
        low, high = np.floor(steps + NEAR) - width, np.ceil(steps - NEAR) + width
        binary = self._lattice.binary
        low[binary], high[binary] = np.maximum(low[binary], 0.0), np.minimum(high[binary], 1.0)
        self._h.changeColsBounds(len(low), self._steps.astype(np.int32), low, high)

    def _require(self, kind: highspy.HighsVarType) -> None:
        size = len(self._steps)
        self._h.changeColsIntegrality(size, self._steps.astype(np.int32), np.full(size, kind))

    def _bound(self, columns: Indices, low: float, high: float) -> None:
        size = len(columns)
        self._h.changeColsBounds(size, columns.astype(np.int32), np.full(size, low), np.full(size, high))

    def widen(self) -> bool:
        """Let the groups give way by the smallest sum, and keep them there; return whether that sufficed."""
        costs = np.zeros(self.columns)
        costs[self._give] = self.give_unit / self.give_unit.max()
        self._price(costs)
        self._bound(self._give, 0.0, np.inf)
        if self.search(PATIENCE, FEASIBLE, None) is None:
            return False
        if not self.found:
            raise SolverError(NOT_FOUND)
        self.given = self.point[self._give]
        for column, amount in zip(self._give, self.given, strict=True):
            self._bound(np.array([column]), 0.0, float(amount) + FEASIBLE)
        self._price(self._costs)
        return True


def best_point(
    program: LatticeProgram,
    lattice: Lattice,
    group: Indices,
    groups: int,
    *,
    gap: float,
    seconds: float,
    near: Array | None = None,
) -> Point | None:
    """
    Return the best lattice point, its proof within `gap` unless the time ran out first; None if there is no point.

    Outer approximation: the squares of the integer model are bounded from below by cuts, its optimum bounds
    that of the program, its point is priced in full and cut off, until the two meet.

    Parameters
    ----------
    program, lattice : the quadratic program in steps, its optimum within a few of them.
    group : (rows,) group of rows that may give way when nothing else helps, -1 for none.
    groups : how many there are.
    gap : difference of value and bound that is accepted, in units of the objective.
    seconds : time after which the best point so far is returned; a first one is waited for.
    near : (r,) the steps of the optimum without integers, where the first cuts are made; the origin by default.

    Raises
    ------
    SolverError
        No point was found in the time, and none was shown not to exist.
    """
    near = np.zeros(len(lattice.binary)) if near is None else near
    model = _Model(program, lattice, group, groups, _scale(program), near)
    deadline, gap = perf_counter() + seconds, gap / model.scale
    try:
        found = _search(model, gap, deadline, None)
    except SolverError:
        if not groups:
            raise
        found = None
    if found is None and groups and model.widen():
        found = _search(model, gap, deadline, model.settled())
    if found is None:
        return None
    (point, value), bound = found
    y = np.round(point[: len(lattice.binary)]).astype(np.int64)
    value, bound = (model.constant + model.scale * v for v in (value, min(bound, value)))
    return Point(y, value, bound, model.given * model.give_unit, model.searches)


def _search(model: _Model, gap: float, deadline: float, best: _Settled | None) -> tuple[_Settled, float] | None:
    """Outer approximation until value and bound meet or the time is out: the best point and the bound."""
    now = perf_counter()
    bound = model.relax(gap, now + 0.5 * (deadline - now))
    if bound is None:
        return None
    relaxed = model.point
    for width in WIDTHS:
        left = deadline - perf_counter()
        if best is not None and (best[1] - bound <= gap or left <= 0.0):
            return best, bound
        model.keep_near(relaxed, width)
        low = model.search(0.5 * left, 0.5 * gap, best)
        if low is not None and best is None and left > 0.0 and not model.found:
            low = model.search(0.0, 0.5 * gap, None)  # a first point is waited for where it is easiest to find
        if low is not None and model.found:
            best = min((best or model.settled(), model.settled()), key=lambda known: known[1])
            model.separate(model.point, FINE)
    model.keep_near(relaxed, np.inf)
    while best is None or (best[1] - bound > gap and perf_counter() < deadline):
        left = deadline - perf_counter()
        low = model.search(max(left, 0.0 if best else PATIENCE), 0.5 * gap, best)
        if low is None and best is None:
            return None
        if low is None or not model.found:
            break
        bound, found = max(bound, low), model.settled()
        best = found if best is None or found[1] < best[1] else best
        if not model.separate(model.point, FINE):
            break
    if best is None:
        raise SolverError(NOT_FOUND)
    return best, bound


def _scale(program: LatticeProgram) -> float:
    """Curvature of a typical step, else the largest price of one: the unit of the model's objective."""
    curved = program.squares.unit[program.squares.exact & (program.squares.unit > 0)] ** 2
    return float(np.median(curved) if len(curved) else np.abs(program.q).max(initial=0.0)) or 1.0


def _spread(values: Array, at: Indices, size: int) -> Array:
    out = np.zeros(size)
    out[at] = values
    return out


def _wide(matrix: sp.csr_array, columns: int) -> sp.csr_array:
    """Append empty columns."""
    return sp.csr_array((matrix.data, matrix.indices, matrix.indptr), (matrix.shape[0], columns))

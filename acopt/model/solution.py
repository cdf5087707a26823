"""From the declared problem to a certified schedule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property, partial
from time import perf_counter
from typing import TypeAlias

import cvxpy as cp
import numpy as np

from acopt.errors import InfeasibleError, SolverError, UnboundedError
from acopt.market.labels import Array
from acopt.model.algebra import at_last, at_twap
from acopt.model.curvature import Curvature
from acopt.model.declaration import BOUNDS, Declaration, State
from acopt.model.feasibility import bounding, diagnosed
from acopt.model.multipliers import SIZES, Multipliers
from acopt.model.paths import Trajectory
from acopt.model.schedule import COMPLETE, Certificate, Pricing, Schedule, term_weight, unit_size, violations
from acopt.model.setting import Setting
from acopt.solving.canonical import CanonicalProgram, Indices
from acopt.solving.conic import ConicEngine
from acopt.solving.engine import Candidate, Engine, Scales
from acopt.solving.solvers import osqp_algebra

AGREEMENT = 1e-9
FEASIBLE = 1e-9
ABSOLUTE = 1e-12
DUST = 1e-13
ROUNDING = 1e-14
WAITING = 1e-3
"""Part of what waiting costs below which what TWAP costs may be rounding: it may be the benchmark, or the optimum."""
NOTHING = 1e-8
"""Part of its natural unit's notional that is no money to a zero order."""


Point: TypeAlias = tuple[Candidate, Indices, Indices]
"""A point, its columns of x, and the constraint id of its rows."""


class Solver:
    """The engine of one problem, kept warm, and what makes its points schedules."""

    def __init__(self, declaration: Declaration) -> None:
        self.declaration = declaration
        self._variable = declaration.paths.variable
        self._engine: Engine | None = None
        self._scaled_for: tuple[Setting, Curvature | None, Scales] | None = None

    @cached_property
    def _program(self) -> CanonicalProgram | None:
        return None if self.declaration.conic else CanonicalProgram(self.declaration.problem)

    @cached_property
    def _rules(self) -> dict[str, list[cp.Constraint]]:
        """Everything that may have a price: the rules, completion where it is implied, and size >= u, size >= -u."""
        paths = self.declaration.paths
        sizes = [rule for rule in paths.definitions if str(rule.args[-1]) == "size"]
        implied = {} if paths.completion is None else {COMPLETE: [paths.completion]}
        return {**self.declaration.rules, SIZES: sizes, **implied}

    def solve(
        self, state: State, numbers: Mapping[int, Array], solver: str, tolerance: float, fallback: tuple[str, ...]
    ) -> Schedule:
        """Return the first point that meets the contract, or raise."""
        start = perf_counter()
        scales, values = self._scales_of(state), self.declaration.complete(numbers)
        tries, rejected = list[str](), list[str]()
        best: tuple[float, Schedule] | None = None
        points = self._conic_points if self._program is None else self._quadratic_points
        for found, primary, rows in points(state, values, scales, solver, fallback, tries):
            plan = Schedule(self._trajectory(found.z[primary], state, scales), Pricing(state.terms, state.constraints))
            plan.multipliers = Multipliers(self._rules, rows, found.duals)
            plan.certificate = self._certify(found, plan, scales, tolerance, tuple(tries), start)
            reason = _reason(plan.certificate)
            if reason is not None:
                rejected.append(reason)
            elif plan.certificate.relative_gap <= tolerance:
                return plan
            elif best is None or plan.certificate.gap < best[0]:
                # Small only beside what TWAP costs: keep it, and see whether another try does better.
                best = plan.certificate.gap, plan
        if best is not None:
            return best[1]
        raise SolverError(
            f"no point met the accuracy contract (relative gap {tolerance:g}, violation {FEASIBLE:g} of the order). "
            f"Tried: {'; '.join(tries)}"
            + (f". Rejected for: {'; '.join(rejected)}" if rejected else "")
            + "".join(f". {note}" for term in state.terms for note in term.cost.notes(state.setting))
        )

    def _scales_of(self, state: State) -> Scales:
        """Natural scales, the same object as long as setting and curvature are the same."""
        last = self._scaled_for
        if last is None or last[0] is not state.setting or last[1] is not state.curvature:
            scales = _natural_scales(state)
            scales = scales if last is None else _kept(last[2], scales)
            last = self._scaled_for = (state.setting, state.curvature, scales)
        return last[2]

    def _quadratic_points(
        self,
        state: State,
        values: Mapping[int, Array],
        scales: Scales,
        solver: str,
        fallback: tuple[str, ...],
        tries: list[str],
    ) -> Iterator[Point]:
        """The engine's points; then, for "auto", those of the program with every square left as it is."""
        program = self._program
        if program is None:  # pragma: no cover
            return
        theta, primary = program.theta(values), program.columns_of(self._variable)
        if self._engine is None:
            owned = np.isin(program.row_constraint, list(self.declaration.owners))
            self._engine = Engine(program, primary, theta, keep=owned)
        engine = self._engine
        engine.load(theta, scales)
        crossing = engine.crossing_rows()
        if crossing:
            names = self._owners(program.row_constraint, crossing[0], state)
            raise InfeasibleError(f"{' and '.join(names)} contradict each other: no schedule obeys both")
        for found in engine.attempts(solver, fallback, tries):
            if isinstance(found, Candidate):
                yield found, primary, program.row_constraint
            else:
                self._verify_claim(program, engine, state)
        if solver != "auto" or not fallback:
            return
        whole = Engine(program, primary, theta, definitions=False)
        for size in (engine.objective_size, scales.objective):
            whole.load(theta, replace(scales, objective=size))
            tries.append(f"without elimination, objective / {size or 1.0:.3g}")
            for found in whole.attempts(fallback[0], (), tries):
                if isinstance(found, Candidate):
                    yield found, primary, program.row_constraint

    def _conic_points(
        self,
        state: State,
        values: Mapping[int, Array],
        scales: Scales,
        solver: str,
        fallback: tuple[str, ...],
        tries: list[str],
    ) -> Iterator[Point]:
        """The engine's points for a program with cones, which only Clarabel solves here."""
        solver = "CLARABEL" if solver == "auto" else solver
        if solver not in ("CLARABEL", "SCS"):
            raise SolverError(
                f"{solver} solves quadratic programs; a cone (a budget, PowerImpact, a custom term) makes this one "
                "conic: use CLARABEL"
            )
        engine = ConicEngine(self.declaration.synchronise(values), self._variable)
        for found in engine.attempts(scales, tries, solver):
            if isinstance(found, Candidate):
                yield found, engine.primary, engine.row_constraint
            elif found.status == "PrimalInfeasible":
                rows, completion = engine.conflict(found, scales), self.declaration.paths.completion
                known = [*self.declaration.owners, *([] if completion is None else [completion.id])]
                rows = rows[np.isin(engine.row_constraint[rows], known)]
                names = ", ".join(self._owners(engine.row_constraint, rows, state))
                raise InfeasibleError(
                    f"no schedule obeys all constraints together: {names} conflict (each may be possible on its own)"
                )
            else:
                raise UnboundedError("the objective falls without end: no impact, risk or cap stops it")

    def _trajectory(self, columns: Array, state: State, scales: Scales) -> Trajectory:
        """Trades inside their own bounds, forbidden ones exactly zero, completion exact."""
        setting = state.setting
        n, m = setting.shape
        x = columns.reshape((n + 1, m), order="F")
        u = np.diff(x, axis=0)
        lower, upper = state.bounds
        u[np.abs(u) <= DUST * _each(scales.reach if setting.size > 0 else scales.units, m)] = 0.0
        u = np.minimum(np.maximum(u, lower), upper)
        if setting.complete:
            left = setting.remaining + u.sum(axis=0)
            room = np.where(left > 0, u - lower, upper - u)
            size = np.where(room >= np.abs(left), np.abs(u), -1.0)
            largest = size.argmax(axis=0)
            most = size[largest, np.arange(m)]
            # What a hedge leg trades may be little beside the order.
            fits = (most >= 0) & (np.abs(left) <= np.maximum(1e-6 * most, FEASIBLE * (setting.size or 1.0)))
            u[largest[fits], np.flatnonzero(fits)] -= left[fits]
        return Trajectory(setting, u)

    def _certify(
        self,
        found: Candidate,
        plan: Schedule,
        scales: Scales,
        tolerance: float,
        tries: tuple[str, ...],
        start: float,
    ) -> Certificate:
        path, setting, rules = plan.path, plan.setting, plan.pricing.constraints
        scale, floor = self._scales(plan)
        if floor == 0.0 or setting.size == 0:
            # No size of its own: a little of what its natural unit is worth, at least one unit of currency.
            unit = setting.market.prices @ _each(scales.reach, setting.shape[1]) if setting.size == 0 else 0.0
            floor = max(floor, 1.0, NOTHING * float(unit))
            scale = max(scale, floor)
        broken = violations(path, rules)
        left = float(np.abs(path.remaining[-1]).max(initial=0.0)) if setting.complete else 0.0
        relative = max([left / (setting.size or 1.0), *(broken[c.name] / unit_size(c, path) for c in rules)])
        off = plan.objective - found.value
        size = sum(abs(term_weight(t) * plan.term_values[t.cost.name]) for t in plan.pricing.terms)
        solution = found.solution
        return Certificate(
            # The point was proven; the trades were then clipped and completed, which may cost a little.
            gap=found.proof.gap + max(off - ROUNDING * size, 0.0),
            tolerance=tolerance * scale + ABSOLUTE * floor,
            relative_tolerance=tolerance,
            gap_scale=scale,
            violation=relative,
            violations=broken,
            objective_difference=abs(off) / max(size, floor),
            conic=found.conic,
            dual_residual=found.proof.dual_residual,
            solver=solution.solver,
            algebra=osqp_algebra() if solution.solver == "OSQP" else "own",
            iterations=solution.iterations,
            refinements=solution.refinements,
            refined=found.refined,
            seconds=perf_counter() - start,
            tries=tries,
        )

    def _scales(self, plan: Schedule) -> tuple[float, float]:
        """Sum of |path-dependent term values|, at this schedule and at TWAP, or a little of it at the last moment."""
        setting, values = plan.setting, plan.term_values
        here = there = waiting = 0.0
        for term in plan.pricing.terms:
            cost, weight = term.cost, term_weight(term)
            fixed = setting.once(cost, "constant", partial(cost.constant, setting))
            flat = setting.once(cost, "twap", partial(at_twap, cost, setting))
            here += abs(weight * (values[cost.name] - fixed))
            there += abs(weight * (flat - fixed))
            waiting += abs(weight * (setting.once(cost, "at last", partial(at_last, cost, setting)) - fixed))
        return here, max(there, WAITING * waiting if np.isfinite(waiting) else 0.0)

    def _owners(self, ids: Indices, rows: Indices, state: State) -> list[str]:
        """Names of the constraints that rows stand for, each row with its id."""
        names: set[str] = set()
        periods = state.setting.shape[0]
        for row in rows:
            owner = self.declaration.owners.get(int(ids[row]), "completing the order")
            if owner != BOUNDS:
                names.add(owner)
                continue
            # Cells of one CVXPY constraint are numbered down the columns.
            i, k = divmod(int(row - np.argmax(ids == ids[row])), periods)
            names.update(bounding(state.constraints, state.setting, k, i))
        return sorted(names)

    def _verify_claim(self, program: CanonicalProgram, engine: Engine, state: State) -> None:
        """Raise if a solver's claim of infeasibility or unboundedness stands up; return if it does not."""
        conflict = engine.infeasible_rows()
        if conflict is not None:
            names = self._owners(program.row_constraint, conflict, state)
            raise InfeasibleError(
                f"no schedule obeys all constraints together: {', '.join(names)} conflict "
                "(each may be possible on its own)"
            )
        if engine.unbounded_ray() is not None:
            # Of many directions, the one that the diagnosis speaks of.
            ray = diagnosed(state.setting, state.terms, state.constraints).unbounded
            steps = () if ray is None else ray.steps
            raise UnboundedError(
                f"the objective falls without end along: {', '.join(steps) or 'a direction of the custom terms'}; "
                "nothing that grows (impact, risk, a cap) stops it"
            )


def _reason(certificate: Certificate) -> str | None:
    """Why a certificate does not meet the contract, or None."""
    if not certificate.gap <= certificate.tolerance:
        return f"{certificate.solver} gap {certificate.gap:.3g} > {certificate.tolerance:.3g}"
    if not certificate.violation <= FEASIBLE:
        return f"{certificate.solver} violation {certificate.violation:.3g}"
    if not certificate.conic and not certificate.objective_difference <= AGREEMENT:
        return f"{certificate.solver} objectives differ by {certificate.objective_difference:.3g}"
    return None


def _kept(old: Scales, new: Scales) -> Scales:
    """Return the old scales if the new ones are equal: a program in the same units keeps its matrices."""
    same = old.objective == new.objective and np.array_equal(old.units, new.units)
    return old if same and np.array_equal(old.reach, new.reach) else new


def _each(columns: Array, assets: int) -> Array:
    """By asset (n,), what all columns of an asset have alike."""
    return columns.reshape(assets, -1)[:, 0]


def _natural_scales(state: State) -> Scales:
    """
    Natural unit and reach of every column of x, and the natural size of the objective.

    The unit is that of unit trade curvature; else the order's size; else the mean volume, or what the bounds
    of the trades allow together if that is less. The reach is the order's size, or the unit for an asset
    without an order of its own. The objective's size is that
    of trading the costliest order at once; None leaves it to the program.
    """
    setting = state.setting
    n, m = setting.shape
    size = np.abs(setting.remaining)
    unit = np.where(size > 0, size, setting.size)
    if setting.size == 0:
        volume = setting.market.volumes.mean(axis=0) if setting.market.has_volume else np.ones(m)
        most = np.maximum(np.abs(state.bounds[0]), np.abs(state.bounds[1])).sum(axis=0)
        unit = np.where(volume > 0, volume, 1.0)
        unit = np.where((most > 0) & (most < unit), most, unit)
    reach, objective = unit.copy(), None
    curvature = _typical_curvature(state)
    if curvature is not None:
        diagonal = np.where(setting.forbidden | (curvature <= 0), np.nan, curvature)
        curved = ~np.isnan(diagonal).all(axis=0)
        if curved.any():
            known = diagonal[:, curved]
            typical = np.sqrt(np.nanmedian(known, axis=0) if np.isnan(known).any() else np.median(known, axis=0))
            working = (size[curved] > 0) | (setting.size == 0)
            if working.any():
                largest = (unit[curved] * typical)[working].max()
                unit[curved] = largest / typical
                objective = float(largest**2)
    return Scales(np.repeat(unit, n + 1), np.repeat(reach, n + 1), objective)


def _typical_curvature(state: State) -> Array | None:
    """Curvature per single trade (N, n) over all costs, roughly, or None where there is none at all."""
    total = None if state.curvature is None else state.curvature.diagonal
    for term in state.terms:
        own = term.cost.typical_curvature(state.setting)
        if own is not None:
            own = term.factor * own
            total = own if total is None else total + own
    return total

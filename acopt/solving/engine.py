"""From parameters to certified points: canonical arrays, presolve, scaling, solver, refinement, proof."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter

import numpy as np
import numpy.typing as npt

from acopt.solving import solvers
from acopt.solving.canonical import Array, Arrays, CanonicalProgram, Indices
from acopt.solving.certificate import Proof, prove
from acopt.solving.claims import conflicting_rows, unbounded_ray
from acopt.solving.presolve import Presolve
from acopt.solving.quadratic import Quadratic, Solution
from acopt.solving.refinement import Refiner
from acopt.solving.scaling import normalise

OSQP_STAGES = {"OSQP": (1e-5, 4_000), "OSQP at 1e-7": (1e-7, 20_000), "OSQP at 1e-9": (1e-9, 50_000)}
ACTIVE_SET = "ACTIVE SET"
"""The first try of a re-solve: the last active set, corrected."""
ROUNDED = 1e-9
COLD = {"CLARABEL": solvers.solve_clarabel, "PIQP": solvers.solve_piqp, "HIGHS": solvers.solve_highs}


@dataclass(frozen=True)
class Candidate:
    """A point that a solver found, in canonical variables, with its proof and its `duals`, computed when asked for."""

    z: Array
    value: float
    proof: Proof
    solution: Solution
    duals: Callable[[], Array]
    refined: bool
    conic: bool = False


@dataclass(frozen=True)
class Scales:
    """
    What the caller knows about sizes.

    Attributes
    ----------
    units : natural unit of each primary column.
    reach : how far each primary column may be from a good point at an optimum.
    objective : natural size of the objective, or None to read it off the program.
    """

    units: Array
    reach: Array
    objective: float | None


class Engine:
    """
    One canonical program, kept compiled and warm.

    Parameters
    ----------
    program : the canonical program.
    primary : its columns that carry natural units.
    theta : parameters to plan the presolve with.
    definitions, keep : what the presolve may eliminate; see `Presolve`.
    """

    def __init__(
        self,
        program: CanonicalProgram,
        primary: Indices,
        theta: Array,
        *,
        definitions: bool = True,
        keep: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        self._program, self._primary = program, primary
        self._presolve = Presolve(program, program.arrays(theta), primary, definitions=definitions, keep=keep)
        at = np.full(program.n, -1)
        at[primary] = np.arange(len(primary))
        self._unit_at = at[self._presolve.columns]
        self._refiner = Refiner(self._presolve.p_pattern, self._presolve.a_pattern)
        self._osqp = solvers.WarmOSQP()
        self._qp = Quadratic(self._presolve.p_pattern, self._presolve.a_pattern)
        self._scaled = Quadratic(self._presolve.p_pattern, self._presolve.a_pattern)
        self._arrays: Arrays | None = None
        self._scales: Scales | None = None
        self._new_matrices = True
        self._active: Array | None = None

    def load(self, theta: Array, scales: Scales) -> None:
        """Take new parameters; matrices whose numbers did not change are kept as they are."""
        self._canonical = self._program.arrays(theta)
        size = np.zeros(self._program.n)
        size[self._primary] = scales.reach
        x, self._trail = self._presolve.apply(self._canonical, size)
        # Bounds of one row that differ by rounding only are one number.
        close = (x.l > x.u) & (x.l - x.u <= 1e-12 * np.maximum(np.abs(x.l), np.abs(x.u)))
        x.u[close] = x.l[close]
        p, a = self._presolve.p_pattern, self._presolve.a_pattern
        last = self._arrays
        same = scales is self._scales and last is not None
        same = same and last is not None and np.array_equal(last.p, x.p) and np.array_equal(last.a, x.a)
        if not same:
            known = np.maximum(self._unit_at, 0)
            unit = np.where(self._unit_at >= 0, scales.units[known], np.nan)
            self._scaling = normalise(x, p, a, unit, scales.objective)
            self._reach = np.where(self._unit_at >= 0, scales.reach[known], self._scaling.column)
        self._qp.take(x, matrices=not same)
        self._scaled.take(self._scaling.forward(x, p, a), matrices=not same)
        self._new_matrices = self._new_matrices or not same
        self._arrays, self._scales = x, scales

    @property
    def objective_size(self) -> float:
        """Size of the objective that the present scaling brings to order one."""
        return 1.0 / self._scaling.objective

    def crossing_rows(self) -> list[Indices]:
        """Groups of canonical rows whose bounds contradict each other beyond rounding."""
        rows = np.flatnonzero(self._qp.l > self._qp.u)
        return [self._presolve.members(int(row)) for row in rows]

    def attempts(self, solver: str, fallback: Sequence[str], tries: list[str]) -> Iterator[Candidate | Solution]:
        """
        Yield points in the order in which they are worth trying.

        A `Candidate` is a point with its proof; a bare `Solution` is a claim of infeasibility or
        unboundedness, for the caller to verify. Each try is noted in `tries`.
        """
        if not len(self._scaled.q):
            plan = ["presolve"]
        elif solver == "auto":
            again = [] if self._active is None else [ACTIVE_SET]
            plan = ["HIGHS", *fallback] if self._scaled.linear else [*again, *OSQP_STAGES, *fallback]
        else:
            plan = [*OSQP_STAGES] if solver == "OSQP" else [solver]
        for name in dict.fromkeys(plan):
            start = perf_counter()
            solution = self._run(name)
            if solution is None:
                tries.append(f"{name}: the last one does not settle, {perf_counter() - start:.3g} s")
                continue
            note = f"{name}: {solution.status}, {solution.iterations} iterations, {perf_counter() - start:.3g} s"
            if "infeasible" in solution.status.lower():
                tries.append(note)
                yield solution
                continue
            if not np.isfinite(solution.z).all():
                tries.append(note)
                continue
            candidate = self._finish(solution)
            tries.append(f"{note}, {'refined' if candidate.refined else 'not refined'}, gap {candidate.proof.gap:.3g}")
            yield candidate

    def _run(self, name: str) -> Solution | None:
        if name == ACTIVE_SET:
            exact = None if self._active is None else self._refiner.follow(self._scaled, self._active)
            return None if exact is None else Solution(exact[0], exact[1], ACTIVE_SET, "settled", 0, exact[2])
        if name == "presolve":
            return Solution(np.zeros(0), np.zeros(len(self._scaled.l)), "presolve", "solved", 0)
        if name in OSQP_STAGES:
            if name == "OSQP":
                self._osqp.load(self._scaled, matrices=self._new_matrices)
                self._new_matrices = False
            return self._osqp.solve(*OSQP_STAGES[name])
        return COLD[name](self._scaled)

    def _finish(self, solution: Solution) -> Candidate:
        candidate = self._prove(solution, precise=False)
        proof = candidate.proof
        rounded = proof.gap > ROUNDED * abs(candidate.value) or proof.row_violation > ROUNDED
        if not (candidate.refined and rounded):
            return candidate
        return min(candidate, self._prove(solution, precise=True), key=lambda c: c.proof.gap)

    def _prove(self, solution: Solution, *, precise: bool) -> Candidate:
        """Refine and certify; `precise` takes residuals in extended precision, for gradients that cancel."""
        exact = None
        if solution.solver == ACTIVE_SET and not precise:
            exact = solution.z, solution.y, solution.refinements
        elif len(solution.z) and not self._scaled.linear:
            exact = self._refiner.refine(self._scaled, solution.z, solution.y, precise=precise)
        z, y, refinements = exact if exact is not None else (solution.z, solution.y, 0)
        if exact is not None:
            self._active = y
        z, y = self._scaling.primal(z), self._scaling.dual(y)
        proof = prove(self._qp, z, y, self._reach, self._scaling.row, precise=precise)
        done = Solution(z, y, solution.solver, solution.status, solution.iterations, refinements)
        full = self._presolve.restore(z, self._trail)
        duals = partial(self._presolve.lift, self._canonical, full, y)
        return Candidate(full, self._value(full), proof, done, duals, exact is not None or not len(z))

    def _value(self, z: Array) -> float:
        """Objective in canonical variables, where squares are still squares and do not cancel."""
        x, p = self._canonical, self._program.p_pattern
        twice = np.where(p.row == p.col, 0.5, 1.0)
        return float((twice * x.p * z[p.row]) @ z[p.col] + x.q @ z + x.d)

    def infeasible_rows(self) -> Indices | None:
        """Canonical rows that cannot hold together, or None."""
        rows = conflicting_rows(self._scaled)
        return None if rows is None else np.concatenate([self._presolve.members(int(row)) for row in rows])

    def unbounded_ray(self) -> Array | None:
        """Direction (canonical variables) along which the objective falls without end, or None."""
        ray = unbounded_ray(self._scaled)
        if ray is None:
            return None
        homogeneous = [(t, np.zeros_like(c)) for t, c in self._trail]
        return self._presolve.restore(self._scaling.primal(ray), homogeneous)

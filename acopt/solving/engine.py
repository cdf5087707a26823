"""From parameters to certified points: canonical arrays, presolve, scaling, solver, refinement, proof."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter

import cvxpy as cp
import numpy as np

from acopt.errors import SolverError
from acopt.solving import solvers
from acopt.solving.canonical import Array, Arrays, CanonicalProgram, Indices
from acopt.solving.certificate import Proof, prove
from acopt.solving.claims import conflicting_rows, unbounded_ray
from acopt.solving.presolve import Presolve
from acopt.solving.quadratic import Quadratic, Solution
from acopt.solving.refinement import Refiner
from acopt.solving.scaling import Scaling, normalise

OSQP_STAGES = {"OSQP": (1e-5, 4_000), "OSQP at 1e-7": (1e-7, 20_000), "OSQP at 1e-9": (1e-9, 50_000)}
ROUNDED = 1e-9
COLD = {"CLARABEL": solvers.solve_clarabel, "PIQP": solvers.solve_piqp, "HIGHS": solvers.solve_highs}


@dataclass(frozen=True)
class Candidate:
    """A point that a solver found, in canonical variables, with its proof."""

    z: Array
    value: float
    proof: Proof
    solution: Solution
    refined: bool


class Engine:
    """
    One canonical program, kept compiled and warm.

    Parameters
    ----------
    problem : the declared CVXPY problem (DPP).
    variable : its primary variable, whose columns carry the natural units.
    """

    def __init__(self, problem: cp.Problem, variable: cp.Variable) -> None:
        self.program = CanonicalProgram(problem)
        start = self.program.variable_columns[variable.id]
        self.primary: Indices = np.arange(start, start + variable.size)
        self._presolve: Presolve | None = None
        self._arrays: Arrays | None = None
        self._units: Array | None = None
        self.tries: list[str] = []

    def load(self, theta: Array, units: Array, reach: Array, objective: float | None) -> None:
        """
        Take new numbers.

        Parameters
        ----------
        theta : parameter vector of the program.
        units : natural unit of each primary column.
        reach : how far each primary column may be from a good point at an optimum.
        objective : natural size of the objective, or None to read it off the program.
        """
        arrays = self.program.arrays(theta)
        self._canonical = arrays
        if self._presolve is None:
            self._presolve = Presolve(self.program, arrays, self.primary)
            at = np.full(self.program.n, -1)
            at[self.primary] = np.arange(len(self.primary))
            self._unit_at = at[self._presolve.columns]
            self._refiner = Refiner(self._presolve.p_pattern, self._presolve.a_pattern)
            self._osqp = solvers.WarmOSQP()
        reduced, self._trail = self._presolve.apply(arrays)
        self._fit(reduced, units, objective)
        self._reach = np.where(self._unit_at >= 0, reach[np.maximum(self._unit_at, 0)], self._scaling.column)

    def _fit(self, x: Arrays, units: Array, objective: float | None) -> None:
        """Scale and assemble; matrices whose numbers did not change are kept as they are."""
        presolve = self._presolve
        if presolve is None:  # pragma: no cover
            raise SolverError("the engine was not loaded")
        p, a = presolve.p_pattern, presolve.a_pattern
        last = self._arrays
        same = (
            last is not None
            and self._units is not None
            and np.array_equal(units, self._units)
            and np.array_equal(last.p, x.p)
            and np.array_equal(last.a, x.a)
        )
        # Bounds of one row that differ by rounding only are one number.
        close = (x.l > x.u) & (x.l - x.u <= 1e-12 * np.maximum(np.abs(x.l), np.abs(x.u)))
        if close.any():
            x.u[close] = x.l[close]
        if same:
            scaling = self._scaling
            scaled = scaling.forward(x, p, a)
            self._qp = Quadratic(self._qp.p, x.q, x.d, self._qp.a, x.l, x.u)
            self._scaled = Quadratic(self._scaled.p, scaled.q, scaled.d, self._scaled.a, scaled.l, scaled.u)
        else:
            unit = np.where(self._unit_at >= 0, units[np.maximum(self._unit_at, 0)], np.nan)
            self._scaling = scaling = normalise(x, p, a, unit, objective)
            self._qp = Quadratic.assemble(x, p, a)
            self._scaled = Quadratic.assemble(scaling.forward(x, p, a), p, a)
        self._arrays, self._units = x, units

    def crossing_rows(self) -> list[Indices]:
        """Groups of canonical rows whose bounds contradict each other beyond rounding."""
        rows = np.flatnonzero(self._qp.l > self._qp.u)
        return [self._presolve.members(int(row)) for row in rows] if self._presolve else []

    @property
    def quadratic(self) -> Quadratic:
        """The reduced program in original units."""
        return self._qp

    def attempts(self, solver: str, fallback: Sequence[str]) -> Iterator[Candidate | Solution]:
        """
        Yield points in the order in which they are worth trying.

        A `Candidate` is a point with its proof; a bare `Solution` is a claim of infeasibility or
        unboundedness, for the caller to verify. Each try is recorded in `tries`.
        """
        self.tries = []
        if not len(self._scaled.q):
            plan = ["presolve"]
        elif solver == "auto":
            plan = ["HIGHS", *fallback] if self._scaled.linear else [*OSQP_STAGES, *fallback]
        else:
            plan = [*OSQP_STAGES] if solver == "OSQP" else [solver]
        for name in dict.fromkeys(plan):
            start = perf_counter()
            solution = self._run(name)
            note = f"{name}: {solution.status}, {solution.iterations} iterations, {perf_counter() - start:.3g} s"
            if "infeasible" in solution.status.lower():
                self.tries.append(note)
                yield solution
                continue
            if not np.isfinite(solution.z).all():
                self.tries.append(note)
                continue
            candidate = self._finish(solution)
            self.tries.append(f"{note}, {'refined' if candidate.refined else 'not refined'}, gap {candidate.proof.gap:.3g}")
            yield candidate

    def _run(self, name: str) -> Solution:
        if name == "presolve":
            return Solution(np.zeros(0), np.zeros(len(self._scaled.l)), "presolve", "solved", 0)
        if name in OSQP_STAGES:
            if name == "OSQP":
                self._osqp.load(self._scaled)
            return self._osqp.solve(*OSQP_STAGES[name])
        return COLD[name](self._scaled)

    def _finish(self, solution: Solution) -> Candidate:
        presolve = self._presolve
        if presolve is None:  # pragma: no cover
            raise SolverError("the engine was not loaded")
        candidate = self._prove(solution, presolve, precise=False)
        if candidate.refined and candidate.proof.dual_residual > ROUNDED * abs(candidate.value):
            return self._prove(solution, presolve, precise=True)
        return candidate

    def _prove(self, solution: Solution, presolve: Presolve, *, precise: bool) -> Candidate:
        """Refine and certify; `precise` takes residuals in extended precision, for gradients that cancel."""
        exact = None
        if len(solution.z) and not self._scaled.linear:
            exact = self._refiner.refine(self._scaled, solution.z, solution.y, precise=precise)
        z, y, refinements = exact if exact is not None else (solution.z, solution.y, 0)
        z, y = self._scaling.primal(z), self._scaling.dual(y)
        proof = prove(self._qp, z, y, self._reach, self._scaling.row, precise=precise)
        done = Solution(z, y, solution.solver, solution.status, solution.iterations, refinements)
        full = presolve.restore(z, self._trail)
        return Candidate(full, self._value(full), proof, done, exact is not None or not len(z))

    def _value(self, z: Array) -> float:
        """Objective in canonical variables, where squares are still squares and do not cancel."""
        x, p = self._canonical, self.program.p_pattern
        twice = np.where(p.row == p.col, 0.5, 1.0)
        return float((twice * x.p * z[p.row]) @ z[p.col] + x.q @ z + x.d)

    @property
    def algebra(self) -> str:
        """Linear algebra of OSQP: builtin, mkl or cuda."""
        return self._osqp.algebra

    def infeasible_rows(self) -> Indices | None:
        """Canonical rows that cannot hold together, or None."""
        rows = conflicting_rows(self._scaled)
        presolve = self._presolve
        if rows is None or presolve is None:
            return None
        return np.concatenate([presolve.members(int(row)) for row in rows])

    def unbounded_ray(self) -> Array | None:
        """Direction (canonical variables) along which the objective falls without end, or None."""
        ray = unbounded_ray(self._scaled)
        presolve = self._presolve
        if ray is None or presolve is None:
            return None
        homogeneous = [(t, np.zeros_like(c)) for t, c in self._trail]
        return presolve.restore(self._scaling.primal(ray), homogeneous)

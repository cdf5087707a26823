"""Programs that are not quadratic, because a term or a rule is a cone: normalised, solved by Clarabel, proven."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

import cvxpy as cp
import numpy as np
import scipy.sparse as sp

from acopt.solving.canonical import Array, Indices
from acopt.solving.cone_scaling import ConeScaling, normalise
from acopt.solving.conic_program import ConicProgram
from acopt.solving.conic_solvers import CLAIMS, INFEASIBLE, solve_clarabel, solve_scs
from acopt.solving.engine import Candidate, Scales
from acopt.solving.quadratic import Solution


@dataclass(frozen=True)
class Try:
    """
    A way to ask a solver.

    Attributes
    ----------
    name : what the certificate calls it.
    enough : relative gap above which the next try is worth its time, though the point may be good enough.
    floor : take the best point so far for the units of all columns, but no less than this of the natural ones.
    size : factor on the objective's size.
    settings : other than ours (`conic_solvers`).
    """

    name: str
    enough: float = 1e-8
    floor: float | None = None
    size: float = 1.0
    settings: Mapping[str, Any] = field(default_factory=dict)


TRIES = {
    "CLARABEL": (
        Try("CLARABEL on cones", enough=1e-11),
        Try("in units of that point", enough=1e-11, floor=1e-2),
        Try("in units of the best point", floor=1e-2),
        Try("in larger units", floor=1.0),
        Try("without equilibration", settings={"equilibrate_enable": False}),
        Try("objective / 100, less regularised", size=1e2, settings={"static_regularization_constant": 1e-10}),
    ),
    "SCS": (
        Try("SCS on cones", enough=1e-7),
        Try("in units of that point", floor=1e-2),
        Try("in larger units", floor=1.0),
    ),
}
SOLVERS = {"CLARABEL": solve_clarabel, "SCS": solve_scs}


class ConicEngine:
    """
    A conic program, canonicalised by CVXPY, normalised here (`cone_scaling`), solved by Clarabel, proven unscaled.

    Parameters
    ----------
    problem : the declared CVXPY problem, its parameters at their present values.
    variable : its primary variable.

    Raises
    ------
    SolverError
        The program needs a cone that is not one of `Cones`.
    """

    def __init__(self, problem: cp.Problem, variable: cp.Variable) -> None:
        self._program = ConicProgram.of(problem)
        start = self._program.columns[variable.id]
        self.primary: Indices = np.arange(start, start + variable.size)
        self.row_constraint: Indices = self._program.row_constraint

    def attempts(self, scales: Scales, tries: list[str], solver: str = "CLARABEL") -> Iterator[Candidate | Solution]:
        """
        Yield points in the order in which they are worth trying, and claims that stand.

        A `Candidate` is a point with its proof; a bare `Solution` is a proof by itself that there is no point
        (status PrimalInfeasible, by its y) or no end (DualInfeasible, along its z). Each try is noted in `tries`.

        Parameters
        ----------
        scales : natural units and reach of the primary columns.
        tries : takes the notes.
        solver : CLARABEL, or SCS.
        """
        natural = self._scaling(scales)
        best: Candidate | None = None
        waiting: list[Candidate] = []
        for way in TRIES[solver]:
            if best is None and way.floor is not None:
                continue
            answer = self._try(solver, way, natural, best, scales, tries)
            if isinstance(answer, Candidate):
                best = answer if best is None else min(best, answer, key=_gap)
                waiting = sorted([*waiting, answer], key=_gap)
            elif answer is not None:
                # Of many proofs of infeasibility, the one that speaks of no more rules than it must.
                sharper = self._least_breach(natural, tries) if answer.status == INFEASIBLE else None
                yield answer if sharper is None else sharper
            while waiting and _gap(waiting[0]) <= way.enough * abs(waiting[0].value):
                yield waiting.pop(0)
        yield from waiting
        claim = self._least_breach(natural, tries)
        if claim is not None:
            yield claim

    def conflict(self, claim: Solution, scales: Scales) -> Indices:
        """Rows that a claim of infeasibility speaks of."""
        return self._program.involved(claim.y, self._scaling(scales))

    def _scaling(self, scales: Scales) -> ConeScaling:
        x = self._program
        units = np.full(len(x.q), np.nan)
        units[self.primary] = scales.units
        return normalise(x.p, x.q, x.a, x.b, x.cones, units)

    def _try(
        self, solver: str, way: Try, natural: ConeScaling, best: Candidate | None, scales: Scales, tries: list[str]
    ) -> Candidate | Solution | None:
        """Return a point with its proof, a claim that stands, or None."""
        x, start, scaling = self._program, perf_counter(), natural
        if best is not None and way.floor is not None:
            units = np.maximum(np.abs(best.z), way.floor * natural.column)
            scaling = normalise(x.p, x.q, x.a, x.b, x.cones, units)
        d, w = sp.diags_array(scaling.column), scaling.objective * way.size
        p, q = sp.triu(d @ x.p @ d) / w, x.q * scaling.column / w
        found = SOLVERS[solver](p, q, scaling.rows @ x.a @ d, self._bounds(scaling), x.cones, way.settings)
        note = f"{way.name}: {found.status}, {found.iterations} iterations, {perf_counter() - start:.3g} s"
        if not (np.isfinite(found.z).all() and np.isfinite(found.y).all()):
            tries.append(note)
            return None
        solution = replace(found, z=found.z * scaling.column, y=x.dual(found.y * w, scaling))
        if solution.status in CLAIMS:
            claim = self._confirmed(solution, natural)
            tries.append(note if claim is not None else f"{note}, which the data do not confirm")
            return claim
        candidate = self._proven(solution, natural, scales)
        tries.append(f"{note}, gap {candidate.proof.gap:.3g}")
        return candidate

    def _bounds(self, scaling: ConeScaling) -> Array:
        return np.where(self._program.void, 1.0, scaling.rows @ self._program.b)

    def _proven(self, found: Solution, natural: ConeScaling, scales: Scales) -> Candidate:
        x, z, y = self._program, found.z, found.y
        reach = natural.column.copy()
        reach[self.primary] = scales.reach
        proof = x.prove(z, y, np.maximum(np.abs(z), reach), natural)
        return Candidate(z, x.value(z), proof, found, lambda: x.multipliers(y), refined=False, conic=True)

    def _confirmed(self, claim: Solution, natural: ConeScaling) -> Solution | None:
        """Return the claim if the unscaled data confirm it."""
        x, status = self._program, CLAIMS[claim.status]
        stands = x.separates(claim.y, natural) if status == INFEASIBLE else x.descends(claim.z, natural)
        return replace(claim, status=status) if stands else None

    def _least_breach(self, scaling: ConeScaling, tries: list[str]) -> Solution | None:
        """
        Find the least t >= -1 for which b - Az + t e in K has a point, e inside K.

        It always has one, unless the equalities contradict each other; where t > 0, its multipliers prove that
        t = 0 has none, by margins that are too narrow for Clarabel's own test.
        """
        x, start = self._program, perf_counter()
        n, at = len(x.q), x.cones.zero
        inside = sp.csc_array(x.cones.inside()[:, None])
        rows = sp.csr_array(sp.hstack([scaling.rows @ x.a @ sp.diags_array(scaling.column), -inside]))
        no_less = sp.csr_array(([-1.0], ([0], [n])), shape=(1, n + 1))
        found = solve_clarabel(
            sp.csc_array((n + 1, n + 1)),
            np.append(np.zeros(n), 1.0),
            sp.vstack([rows[:at], no_less, rows[at:]]),
            np.insert(self._bounds(scaling), at, 1.0),
            x.cones.with_another_row(),
            {},
        )
        tries.append(f"least breach: {found.status}, {found.iterations} iterations, {perf_counter() - start:.3g} s")
        if not np.isfinite(found.y).all():
            return None
        y = x.dual(np.delete(found.y, at), scaling)
        return self._confirmed(replace(found, z=found.z[:n], y=y, status=INFEASIBLE), scaling)


def _gap(candidate: Candidate) -> float:
    return candidate.proof.gap

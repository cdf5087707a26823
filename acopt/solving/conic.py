"""Programs that are not quadratic, because a term or a rule is a cone: reduced, normalised, solved, proven."""

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
from acopt.solving.conic_presolve import ConicPresolve
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
    enough : relative gap above which the next try is worth its time, though the point may be good enough; a
        hundredth of it where the program is small.
    floor : take the best point so far for the units of all columns, but no less than this of the natural ones.
    size : factor on the objective's size.
    whole : with all variables that the presolve would substitute.
    settings : other than ours (`conic_solvers`).
    """

    name: str
    enough: float = 1e-8
    floor: float | None = None
    size: float = 1.0
    whole: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)


TRIES = {
    "CLARABEL": (
        Try("CLARABEL on cones", enough=1e-10),
        Try("without elimination", enough=1e-10, whole=True),
        Try("in units of the best point", floor=1e-2),
        Try("in larger units, without elimination", floor=0.1, whole=True),
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
LEAST_SIZE, REFUTES = 1e-8, 1e-6
SMALL = 5_000
"""Variables up to which another try costs little, and trades may as well be exact."""


class ConicEngine:
    """
    A conic program: canonicalised by CVXPY, reduced (`conic_presolve`), normalised (`cone_scaling`), and solved.

    Points and claims are proven on the program as CVXPY wrote it: whole, and not scaled.

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
        work = _Work(self._program, self.primary, scales, self._scaling(scales))
        best: Candidate | None = None
        waiting: list[Candidate] = []
        for way in TRIES[solver]:
            if best is None and way.floor is not None:
                continue
            answer = work.attempt(solver, way, best, tries)
            if isinstance(answer, Candidate):
                best = answer if best is None else min(best, answer, key=_gap)
                waiting = sorted([*waiting, answer], key=_gap)
            elif answer is not None:
                # Of many proofs of infeasibility, the one that speaks of no more rules than it must.
                sharper = work.least_breach(tries) if answer.status == INFEASIBLE else None
                yield answer if sharper is None else sharper
            enough = way.enough if len(self._program.q) > SMALL else 1e-2 * way.enough
            while waiting and _gap(waiting[0]) <= enough * abs(waiting[0].value):
                yield waiting.pop(0)
        yield from waiting
        claim = work.least_breach(tries)
        if claim is not None:
            yield claim

    def conflict(self, claim: Solution, scales: Scales) -> Indices:
        """Rows that a claim of infeasibility speaks of."""
        return self._program.involved(claim.y, self._scaling(scales))

    def _scaling(self, scales: Scales) -> ConeScaling:
        """In natural units."""
        units = np.full(len(self._program.q), np.nan)
        units[self.primary] = scales.units
        return _normalised(self._program, units)


class _Work:
    """One program in the units of one order: reduced to be solved, whole to be proven."""

    def __init__(self, program: ConicProgram, primary: Indices, scales: Scales, natural: ConeScaling) -> None:
        self._program, self._natural = program, natural
        self._units, self._reach = np.full(len(program.q), np.nan), natural.column.copy()
        self._units[primary], self._reach[primary] = scales.units, scales.reach
        self._known = np.zeros(len(program.q))
        self._known[primary] = scales.reach
        self._primary = primary
        self._reduced: dict[bool, tuple[ConicPresolve, ConeScaling]] = {}

    def _reduction(self, whole: bool) -> tuple[ConicPresolve, ConeScaling]:
        """Return the presolve, and the scaling of what it leaves."""
        if whole not in self._reduced:
            made = ConicPresolve(self._program, self._primary, self._known, definitions=not whole)
            self._reduced[whole] = made, _normalised(made.program, self._units[made.columns])
        return self._reduced[whole]

    def attempt(self, solver: str, way: Try, best: Candidate | None, tries: list[str]) -> Candidate | Solution | None:
        """Return a point with its proof, a claim that stands, or None."""
        start = perf_counter()
        presolve, scaling = self._reduction(way.whole)
        x, size = presolve.program, scaling.objective
        if best is not None and way.floor is not None:
            at = np.abs(best.z[presolve.columns])
            scaling = _normalised(x, np.maximum(at, way.floor * scaling.column))
            size = max(float(0.5 * at @ (x.p @ at) + np.abs(x.q) @ at), LEAST_SIZE * scaling.objective)
        d, w = sp.diags_array(scaling.column), size * way.size
        p, q = sp.triu(d @ x.p @ d) / w, x.q * scaling.column / w
        found = SOLVERS[solver](p, q, scaling.rows @ x.a @ d, scaling.rows @ x.b, x.cones, way.settings)
        note = f"{way.name}: {found.status}, {found.iterations} iterations, {perf_counter() - start:.3g} s"
        if not (np.isfinite(found.z).all() and np.isfinite(found.y).all()):
            tries.append(note)
            return None
        found = replace(found, z=found.z * scaling.column, y=x.dual(found.y * w, scaling))
        if found.status in CLAIMS:
            claim = None if self._refuted(best) else self._confirmed(found, presolve)
            tries.append(note if claim is not None else f"{note}, which the data do not confirm")
            return claim
        candidate = self._proven(found, presolve)
        tries.append(f"{note}, gap {candidate.proof.gap:.3g}")
        return candidate

    def _proven(self, found: Solution, presolve: ConicPresolve) -> Candidate:
        x, z = self._program, presolve.restore(found.z)
        y = presolve.lift(found.y, x.p @ z + x.q)
        proof = x.prove(z, y, np.maximum(np.abs(z), self._reach), self._natural)
        found = replace(found, z=z, y=y)
        return Candidate(z, x.value(z), proof, found, lambda: x.multipliers(y), refined=False, conic=True)

    def _refuted(self, best: Candidate | None) -> bool:
        """Whether a point and multipliers close the gap already: there is a point, and the objective has an end."""
        if best is None or best.proof.row_violation > REFUTES:
            return False
        return best.proof.gap <= REFUTES * max(abs(best.value), self._natural.objective)

    def _confirmed(self, claim: Solution, presolve: ConicPresolve) -> Solution | None:
        """Return the claim if the whole data confirm it."""
        x, status = self._program, CLAIMS[claim.status]
        if status == INFEASIBLE:
            y = presolve.lift(claim.y, np.zeros(len(x.q)))
            return replace(claim, y=y, status=status) if x.separates(y, self._natural) else None
        z = presolve.restore(claim.z, direction=True)
        return replace(claim, z=z, status=status) if x.descends(z, self._natural) else None

    def least_breach(self, tries: list[str]) -> Solution | None:
        """
        Find the least t >= -1 for which b - Az + t e in K has a point, e inside K.

        It always has one, unless the equalities contradict each other; where t > 0, its multipliers prove that
        t = 0 has none, by margins that are too narrow for Clarabel's own test.
        """
        start = perf_counter()
        presolve, scaling = self._reduction(whole=False)
        x = presolve.program
        n, at = len(x.q), x.cones.zero
        inside = sp.csc_array(x.cones.inside()[:, None])
        rows = sp.csr_array(sp.hstack([scaling.rows @ x.a @ sp.diags_array(scaling.column), -inside]))
        no_less = sp.csr_array(([-1.0], ([0], [n])), shape=(1, n + 1))
        found = solve_clarabel(
            sp.csc_array((n + 1, n + 1)),
            np.append(np.zeros(n), 1.0),
            sp.vstack([rows[:at], no_less, rows[at:]]),
            np.insert(scaling.rows @ x.b, at, 1.0),
            x.cones.with_another_row(),
            {},
        )
        tries.append(f"least breach: {found.status}, {found.iterations} iterations, {perf_counter() - start:.3g} s")
        if not np.isfinite(found.y).all():
            return None
        y = x.dual(np.delete(found.y, at), scaling)
        return self._confirmed(replace(found, z=found.z[:n], y=y, status=INFEASIBLE), presolve)


def _normalised(x: ConicProgram, units: Array) -> ConeScaling:
    return normalise(x.p, x.q, x.a, x.b, x.cones, units)


def _gap(candidate: Candidate) -> float:
    return candidate.proof.gap

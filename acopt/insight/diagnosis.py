"""What is wrong with a problem: rules that cannot hold together, or an objective without a lower end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from acopt.insight.conflicts import Conflict, Doctor, Repair, applied
from acopt.insight.ray import Unbounded, endless
from acopt.insight.rule_rows import rule_book
from acopt.model.algebra import Constraint, Term
from acopt.model.setting import Setting


@dataclass(frozen=True)
class Diagnosis:
    """
    What is wrong with a problem, if anything.

    Attributes
    ----------
    feasible : whether a schedule obeys all rules; None when those left out decide.
    conflicts : minimal sets of rules that cannot hold together: disjoint ones first, then those that come
        to light when one rule of these is taken away.
    repair : relaxations that make the problem feasible, one rule per conflict, of each conflict the one
        whose `size` is smallest; None when there is nothing to repair, or nothing that a rule can do.
    unbounded : the direction along which the objective falls without end, or None.
    left_out : names of terms that are not linear (rules) or not quadratic (costs), about which nothing is said.
    """

    feasible: bool | None
    conflicts: tuple[Conflict, ...]
    repair: Repair | None
    unbounded: Unbounded | None
    left_out: tuple[str, ...]
    constraints: tuple[Constraint, ...]

    def repaired(self) -> list[Constraint]:
        """Return the constraints with the repair in place, for a new `ExecutionProblem`."""
        if self.repair is None:
            return list(self.constraints)
        return applied(self.constraints, self.repair.relaxations)

    def to_frame(self) -> pd.DataFrame:
        """Tidy table: conflict, constraint, assets, amount, unit, size, words, in_repair."""
        chosen = {r.name for r in self.repair.relaxations} if self.repair else set()
        rows = [
            (j, r.name, ", ".join(map(str, c.assets)), r.amount, r.unit, r.size, r.text, r.name in chosen)
            for j, c in enumerate(self.conflicts)
            for r in c.relaxations
        ]
        columns = ["conflict", "constraint", "assets", "amount", "unit", "size", "words", "in_repair"]
        return pd.DataFrame(rows, columns=columns)

    def __str__(self) -> str:
        aside = f"Left out, because not linear or quadratic: {', '.join(self.left_out)}." if self.left_out else ""
        if self.feasible is not False:
            lines = ["A schedule obeys all rules." if self.feasible else "All linear rules hold together."]
            if self.unbounded or not self.left_out:
                lines.append(str(self.unbounded or "The objective has a lower end."))
            return "\n".join([*lines, aside] if aside else lines)
        many = len(self.conflicts)
        lines = [f"No schedule obeys all rules: {many} conflict{'s' if many != 1 else ''}."]
        lines += [f"{j}. {conflict}" for j, conflict in enumerate(self.conflicts, 1)]
        if self.repair:
            proof = "2% less does not" if self.repair.verified else "not verified with 2% less"
            all_of = "the linear rules" if self.left_out else "all of it"
            lines.append(f"This repairs {all_of} ({proof}): {'; '.join(map(str, self.repair.relaxations))}")
        return "\n".join([*lines, aside] if aside else lines)


def diagnose(setting: Setting, terms: Sequence[Term], constraints: Sequence[Constraint]) -> Diagnosis:
    """
    Find the conflicts between rules and the least that repairs them; without one, look for an endless direction.

    Each rule is linear rows of its own, l - s w <= g(x) <= u + s w, which give way together by s of its
    `widening` (completion: asset by asset). Conflicts are minimal by a deletion filter; the least s is a
    linear program (HiGHS); amounts are rounded outward to four digits, and put to the test.

    Parameters
    ----------
    setting : order and market, aligned.
    terms, constraints : costs and rules of the problem.
    """
    rules = tuple(constraints)
    book = rule_book(rules, setting)
    doctor = Doctor(book, rules)
    conflicts = doctor.conflicts()
    if conflicts:
        return Diagnosis(False, conflicts, doctor.repair(conflicts), None, book.left_out, rules)
    ray, conic = endless(setting, tuple(terms), rules)
    left_out = tuple(dict.fromkeys([*book.left_out, *conic]))
    return Diagnosis(None if book.left_out else True, (), None, ray, left_out, rules)

"""What is wrong with a problem: rules that cannot hold together, or an objective without a lower end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from acopt.constraints.budget import Budget
from acopt.errors import DataError
from acopt.insight.budgets import shortfall
from acopt.insight.conflicts import Conflict, Doctor, Repair, applied
from acopt.insight.ray import Unbounded, endless
from acopt.insight.rule_rows import rule_book
from acopt.model.algebra import Constraint, Term
from acopt.model.setting import Setting

COLUMNS = [
    "conflict", "constraint", "assets", "amount", "unit", "size", "words", "whole", "whole_words", "in_repair",
]  # fmt: skip


@dataclass(frozen=True)
class Diagnosis:
    """
    What is wrong with a problem, if anything.

    Attributes
    ----------
    feasible : whether a schedule obeys all rules; None when those left out decide.
    conflicts : minimal sets of rules that cannot hold together: disjoint ones first, then those that come
        to light when one rule of these is taken away. Without any, the budgets that are no linear rules and
        cannot be kept, with the limit that could.
    repair : relaxations that make the problem feasible, one rule per conflict: bounds before `Monotone` and
        `NoTrade`, completion last, in each kind the smallest `size`; None when nothing is, or can be, repaired.
    unbounded : the direction along which the objective falls without end, or None.
    left_out : names of terms that are not linear (rules) or not quadratic (costs), about which nothing is said.
    constraints : all rules; soft ones are in no conflict.
    """

    feasible: bool | None
    conflicts: tuple[Conflict, ...]
    repair: Repair | None
    unbounded: Unbounded | None
    left_out: tuple[str, ...]
    constraints: tuple[Constraint, ...]
    doctor: Doctor = field(repr=False, compare=False)

    def repaired(self, prefer: str | None = None) -> list[Constraint]:
        """
        Return the constraints with the repair in place, for a new `ExecutionProblem`.

        Parameters
        ----------
        prefer : name of a rule that is to give way wherever it can, before any other.
        """
        repair = self.repair
        if prefer is not None and self.conflicts:
            own = [name for conflict in self.conflicts for name in conflict.constraints[:1]]
            if all(name in self.doctor.names for name in own):
                repair = self.doctor.repair(self.conflicts, prefer)
            elif prefer not in own:
                raise DataError(f"prefer={prefer!r} cannot give way for a budget; these can: {', '.join(own)}")
        return list(self.constraints) if repair is None else applied(self.constraints, repair.relaxations)

    def to_frame(self) -> pd.DataFrame:
        """
        Tidy table: conflict, constraint, assets, amount, unit, size, words, whole, whole_words, in_repair.

        `amount` ends the conflict; `whole` of the same rule alone repairs everything, and is NaN where none does.
        """
        chosen = {r.name for r in self.repair.relaxations} if self.repair else set()
        rows = [
            {
                "conflict": j,
                "constraint": r.name,
                "assets": ", ".join(map(str, c.assets)),
                "amount": r.amount,
                "unit": r.unit,
                "size": r.size,
                "words": r.text,
                "whole": np.nan if r.whole is None else r.whole.amount,
                "whole_words": "" if r.whole is None else r.whole.text,
                "in_repair": r.name in chosen,
            }
            for j, c in enumerate(self.conflicts)
            for r in c.relaxations
        ]
        return pd.DataFrame(rows, columns=COLUMNS)

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
            less = self.repair.less
            proof = f"{less} does not" if self.repair.verified else f"not verified with {less}"
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
    hard = tuple(rule for rule in rules if not rule.soft)
    book = rule_book(hard, setting)
    budgets = [rule for rule in hard if isinstance(rule, Budget) and rule.name in book.left_out]
    others = tuple(rule for rule in hard if not isinstance(rule, Budget) or rule.name not in book.left_out)
    doctor = Doctor(book, others)
    conflicts = doctor.conflicts()
    if conflicts:
        return Diagnosis(False, conflicts, doctor.repair(conflicts), None, book.left_out, rules, doctor)
    short = shortfall(budgets, others, setting)
    judged = {rule.name for rule in budgets} if short is not None else set()
    unknown = tuple(name for name in book.left_out if name not in judged)
    if short is not None and short.conflicts:
        return Diagnosis(False, short.conflicts, short.repair, None, unknown, rules, doctor)
    ray, conic = endless(setting, tuple(terms), rules)
    left_out = tuple(dict.fromkeys([*unknown, *conic]))
    return Diagnosis(None if unknown else True, (), None, ray, left_out, rules, doctor)

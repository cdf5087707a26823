"""Rules that cannot hold together: the minimal sets, what each rule could do about it, and what all of it needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
import pandas as pd

from acopt.constraints.trading import AllowUnfilled
from acopt.errors import DataError, InfeasibleError
from acopt.insight.relaxation import Relaxation, currency, leaving, left_words, number, outward, replacements
from acopt.insight.rule_rows import RuleBook, rows_of, rule_book
from acopt.insight.words import at
from acopt.insight.words import names as listed
from acopt.market.labels import Array
from acopt.model.algebra import Constraint
from acopt.model.feasibility import check_capacity, trade_bounds
from acopt.solving.canonical import Indices
from acopt.solving.elastic import Elastic, Rows

LESS = 0.98
"""Of a repair, this part is verified not to be enough."""
SHOWN = 3
EXACT = 1e-10
"""Room, in units of the order, with which a repair must hold: that of HiGHS."""


@dataclass(frozen=True)
class Conflict:
    """
    Rules that cannot hold together, although they can without any one of them.

    Attributes
    ----------
    constraints : their names; "Complete" and "closed intervals" are rules that nobody writes.
    assets, intervals : labels that a proof of it involves; no intervals where the rules are about all of them.
    moments : the intervals in words.
    relaxations : how each of them alone would repair it, in the sequence of `constraints`.
    """

    constraints: tuple[str, ...]
    assets: pd.Index
    intervals: pd.Index
    moments: tuple[str, ...]
    relaxations: tuple[Relaxation, ...]

    def __str__(self) -> str:
        when = f" at {', '.join(self.moments)}" if 0 < len(self.moments) <= SHOWN else ""
        where = f" ({listed(self.assets)}{when})" if len(self.assets) else ""
        one = len(self.constraints) == 1
        head = f"{' and '.join(self.constraints)}{where} cannot {'be kept' if one else 'hold together'}"
        lines = [f"   {r.name}: {r.text}" for r in self.relaxations]
        return "\n".join([f"{head}; {'what' if one else 'any one of these alone'} repairs it:", *lines])


@dataclass(frozen=True)
class Repair:
    """
    Relaxations that, together, make the whole problem feasible.

    Attributes
    ----------
    relaxations : one per rule that gives way.
    verified : whether the rules were seen to hold together with them, and not with 2% less of each.
    """

    relaxations: tuple[Relaxation, ...]
    verified: bool


class Doctor:
    """
    The rules of one problem, asked again and again.

    Parameters
    ----------
    book : the rules as rows.
    constraints : those of them that were written.
    """

    def __init__(self, book: RuleBook, constraints: tuple[Constraint, ...]) -> None:
        self._book, self._constraints, self._setting = book, constraints, book.setting
        self._elastic = book.elastic()
        self._written = {c.name: c for c in constraints}
        self._price: dict[str, Array] = {}

    def conflicts(self) -> tuple[Conflict, ...]:
        """Return disjoint minimal conflicts, then those that appear when one rule of these is taken away."""
        found = list[list[str]]()
        while (new := self._another(found, [name for conflict in found for name in conflict])) is not None:
            found.append(new)
        for name in [name for conflict in found for name in conflict]:
            new = self._another(found, [name])
            if new is not None:
                found.append(new)
        return (*map(self._told, found), *self._refusals({name for conflict in found for name in conflict}))

    def _refusals(self, known: set[str]) -> Iterator[Conflict]:
        """Rules that refuse the problem by a check of their own, which their rows do not show."""
        for rule in self._constraints:
            try:
                rule.check(self._setting)
            except InfeasibleError as error:
                if rule.name not in known:
                    way = Relaxation(rule.name, np.inf, self._unit(rule.name), str(error), np.inf, ())
                    nothing = pd.Index([])
                    yield Conflict((rule.name,), nothing, nothing, (), (way,))

    def _another(self, found: Sequence[list[str]], without: Sequence[str]) -> list[str] | None:
        """Return a conflict of the rules without some, unless there is none or one of these is known."""
        rest = [name for name in self._elastic.names if name not in without]
        if any(set(conflict) <= set(rest) for conflict in found) or self._elastic.together(rest):
            return None
        return self._elastic.core(rest)

    def _told(self, names: list[str]) -> Conflict:
        assets, intervals = set[int](), set[int]()
        n, m = self._setting.shape
        for name, rows in self._elastic.involved(names).items():
            rule = self._book.rules[name]
            self._price.setdefault(name, self._priced(name, rows))
            columns = rule.rows.a[rows].indices
            assets.update((columns[columns < (n + 1) * m] // (n + 1)).tolist())
            intervals.update(k for k in rule.interval[rows].tolist() if k >= 0)
        return Conflict(
            tuple(names),
            self._setting.assets[sorted(assets)],
            (labels := self._setting.grid.labels[sorted(intervals)]),
            tuple(at(label, self._setting) for label in labels),
            tuple(self._alone(name, names) for name in names),
        )

    def _priced(self, name: str, rows: Indices) -> Array:
        """
        Size of one unit of each slack of a rule: how far it moves bounds that a conflict is about.

        As a fraction of the order; for completion, the notional that is left over the gross notional.
        """
        finished = self._book.rules[name].finished
        if finished is not None:
            return np.asarray(self._setting.market.prices[finished] / (self._setting.gross or 1.0))
        reach = self._elastic.reach(name, rows)
        return reach if reach.any() else self._elastic.reach(name)

    def _alone(self, name: str, names: list[str]) -> Relaxation:
        """Return the least by which one rule repairs its conflict alone."""
        least = self._elastic.least(names, [name], self._price)
        if least is not None:
            ways = chain(self._options(name, least[name], False), self._options(name, least[name], True))
            fits = next((way for way in ways if self._holds(self._elastic, names, way)), None)
            if fits is not None:
                return fits
        return Relaxation(name, np.inf, self._unit(name), "cannot repair it alone", np.inf, ())

    def repair(self, conflicts: tuple[Conflict, ...]) -> Repair | None:
        """Let the cheapest rule of each conflict give way, all by the least sum of sizes; verify the whole."""
        chosen, known = list[str](), list(conflicts)
        for conflict in known:  # grows in the loop
            if not set(conflict.constraints) & set(chosen):
                cheapest = min((r for r in conflict.relaxations if r.rules), key=lambda r: r.size, default=None)
                if cheapest is None:
                    return None
                chosen.append(cheapest.name)
            new = self._another([list(c.constraints) for c in known], chosen)
            if new is not None and conflict is known[-1]:
                known.append(self._told(new))
        least = self._elastic.least(self._elastic.names, chosen, self._price)
        if least is None:
            return None
        least = {name: slack for name, slack in least.items() if slack.any()}
        nearest = self._repaired(least, strictly=False)
        if nearest is not None and nearest.verified:
            return nearest
        outside = self._repaired(least, strictly=True)
        return outside if outside is not None and outside.verified else nearest

    def _repaired(self, least: Mapping[str, Array], strictly: bool) -> Repair | None:
        """Find the rules that take the place of those that give way, one after the other, and verify them."""
        rows = {name: self._book.rules[name].rows for name in least}
        system = self._elastic.replaced({n: rows[n].widened(outward(s, strictly=strictly)) for n, s in least.items()})
        settled = list[Relaxation]()
        for name, slack in least.items():
            options = self._options(name, slack, strictly)
            fits = next((r for r in options if r.rules and self._holds(system, self._elastic.names, r)), None)
            if fits is None:
                return None
            if name in self._written and fits.slack.size == 1:
                system = system.replaced(self._rows(fits))
            settled.append(fits)
        short = {n: rows[n].widened(LESS * outward(s, strictly=strictly)) for n, s in least.items()}
        enough = not self._elastic.replaced(short).together(self._elastic.names)
        return Repair(tuple(settled), enough and self._feasible(settled))

    def _feasible(self, relaxations: Sequence[Relaxation]) -> bool:
        """Whether the problem with the new rules passes every check that a problem is put to."""
        rules = tuple(applied(self._constraints, relaxations))
        may_stay = any(isinstance(rule, AllowUnfilled) for rule in rules)
        setting = replace(self._setting, complete=self._setting.complete and not may_stay)
        elastic = rule_book(rules, setting).elastic()
        try:
            for rule in rules:
                rule.check(setting)
            check_capacity(*trade_bounds(rules, setting), rules, setting)
        except InfeasibleError:
            return False
        return elastic.together(elastic.names, EXACT)

    def _options(self, name: str, slack: Array, strictly: bool) -> Iterator[Relaxation]:
        """Yield the ways in which a rule gives way by its slack, rounded outward; the simplest first."""
        size, unit = float(self._price[name] @ slack), self._unit(name)
        rounded = outward(slack, strictly=strictly)
        finished = self._book.rules[name].finished
        if finished is not None:
            left = pd.Series(0.0, self._setting.assets)
            left[finished] = rounded
            most = left.where(finished, np.inf)
            value = float(self._setting.market.prices @ left.to_numpy())
            text = f"{left_words(left)} ({currency(value)})"
            yield Relaxation(name, value, "currency", text, size, leaving(self._constraints, name, most), rounded)
            return
        amount = float(rounded[0])
        if name not in self._written:
            text = f"trade up to {number(amount)} shares in a closed interval"
            yield Relaxation(name, amount, unit, text, size, (), rounded)
            return
        for text, rule in replacements(self._written[name], amount, self._setting):
            yield Relaxation(name, amount, unit, text, size, (rule,), rounded)

    def _holds(self, system: Elastic, names: Sequence[str], relaxation: Relaxation) -> bool:
        """Whether the named rules hold with what takes the place of one of them."""
        try:
            rows = self._rows(relaxation)
            for rule in relaxation.rules if relaxation.name in rows else ():
                rule.check(self._setting)
        except (DataError, InfeasibleError):
            return False
        return system.replaced(rows).together(names, EXACT)

    def _rows(self, relaxation: Relaxation) -> dict[str, Rows]:
        """Rows of a rule that has given way."""
        rule = self._book.rules[relaxation.name]
        if rule.finished is not None or not relaxation.rules:
            return {relaxation.name: rule.rows.widened(relaxation.slack)}
        new = rows_of(relaxation.rules[0], self._setting)
        return {} if new is None else {relaxation.name: new.rows}

    def _unit(self, name: str) -> str:
        if self._book.rules[name].finished is not None:
            return "currency"
        return self._written[name].widening(self._setting)[0] if name in self._written else "share"


def applied(constraints: Sequence[Constraint], relaxations: Sequence[Relaxation]) -> list[Constraint]:
    """Return the constraints with those that give way replaced; what replaces an unwritten rule comes last."""
    instead: dict[str, tuple[Constraint, ...]] = {r.name: r.rules for r in relaxations}
    written = [new for c in constraints for new in instead.pop(c.name, (c,))]
    return written + [new for rules in instead.values() for new in rules]

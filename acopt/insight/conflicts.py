"""Rules that cannot hold together: the minimal sets, what each rule could do about it, and what all of it needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
import pandas as pd

from acopt.constraints.trading import AllowUnfilled, Monotone, NoTrade
from acopt.errors import DataError, InfeasibleError
from acopt.insight.relaxation import (
    Relaxation,
    currency,
    farthest,
    in_whole_shares,
    leaving,
    left_words,
    number,
    outward,
    outward_shares,
    replacements,
)
from acopt.insight.rule_rows import RuleBook, rows_of, rule_book
from acopt.insight.words import at
from acopt.insight.words import names as listed
from acopt.market.labels import Array
from acopt.model.algebra import Constraint
from acopt.model.feasibility import check_capacity, trade_bounds
from acopt.model.setting import Setting
from acopt.solving.canonical import Indices
from acopt.solving.elastic import Elastic, Rows

LESS = 0.98
"""Of a repair, this part is verified not to be enough."""
SHOWN = 3
FIRST, BOUND, TIMING, COMPLETION = -1, 0, 1, 2
"""The queue in which rules give way: the one preferred, bounds, times and directions, and the order itself."""
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
    relaxations : how each of them alone would end it, and the whole, in the sequence of `constraints`.
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
        lines = [f"   {r.name}: {r.verdict}" for r in self.relaxations]
        return "\n".join([f"{head}; {'what' if one else 'any one of these'} ends the conflict:", *lines])


@dataclass(frozen=True)
class Repair:
    """
    Relaxations that, together, make the whole problem feasible.

    Attributes
    ----------
    relaxations : one per rule that gives way; the rules were seen to hold together with them.
    verified : whether they were seen not to with less of each.
    less : how much less.
    """

    relaxations: tuple[Relaxation, ...]
    verified: bool
    less: str


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
        self._whole: dict[str, Relaxation | None] = {}
        self._everything = "all linear rules" if book.left_out else "everything"
        past = self._setting.past
        self._open = np.abs(self._setting.remaining + (0.0 if past is None else past.sum(axis=0)))

    @property
    def names(self) -> list[str]:
        """Return the rules that it knows as rows."""
        return list(self._book.rules)

    def conflicts(self) -> tuple[Conflict, ...]:
        """Return disjoint minimal conflicts, those behind one rule of these, and those behind all but completion."""
        found = list[list[str]]()
        while (new := self._another(found, [name for conflict in found for name in conflict])) is not None:
            found.append(new)
        for name in [name for conflict in found for name in conflict]:
            new = self._another(found, [name])
            if new is not None:
                found.append(new)
        # What only finishing the order rules out may stand behind several of these at once.
        kept = {
            name for name, rule in self._book.rules.items() if rule.finished is not None or name not in self._written
        }
        while (new := self._another(found, [n for c in found for n in c if n not in kept])) is not None:
            found.append(new)
        return (*map(self._told, found), *self._refusals({name for conflict in found for name in conflict}))

    def _refusals(self, known: set[str]) -> Iterator[Conflict]:
        """Rules that refuse the problem by a check of their own, which their rows do not show."""
        for rule in self._constraints:
            try:
                rule.check(self._setting)
            except InfeasibleError as error:
                if rule.name not in known:
                    way = Relaxation(
                        rule.name, np.inf, self._unit(rule.name), str(error), np.inf, (), verdict=str(error)
                    )
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
            tuple(self._judged(name, names) for name in names),
        )

    def _priced(self, name: str, rows: Indices | None) -> Array:
        """
        Size of one unit of each slack of a rule: how far it moves bounds that a conflict is about.

        As a fraction of the order; for completion, the notional that is left over the gross notional.
        """
        finished = self._book.rules[name].finished
        if finished is not None:
            return np.asarray(self._setting.market.prices[finished] / (self._setting.gross or 1.0))
        reach = self._elastic.reach(name, rows)
        return reach if reach.any() else self._elastic.reach(name)

    def _alone(self, name: str, names: Sequence[str], check: bool = False) -> Relaxation | None:
        """Return the least by which one rule alone makes these hold together; on demand, pass all checks too."""
        least = self._elastic.least(names, [name], self._prices([name]), self._most([name]))
        if least is None:
            return None
        ways = chain(self._options(name, least[name], False), self._options(name, least[name], True))
        return next((w for w in ways if self._holds(self._elastic, names, w) and (not check or self._passes(w))), None)

    def _judged(self, name: str, names: Sequence[str]) -> Relaxation:
        """Return how one rule ends its conflict alone, and how the whole."""
        way = self._alone(name, names)
        if way is None:
            nothing = "cannot end it alone"
            return Relaxation(name, np.inf, self._unit(name), nothing, np.inf, (), verdict=nothing)
        if self._holds(self._elastic, self._elastic.names, way) and self._passes(way):
            return way.judged(way, self._everything)
        if name not in self._whole:
            self._whole[name] = self._alone(name, self._elastic.names, check=True)
        return way.judged(self._whole[name], self._everything)

    def repair(self, conflicts: tuple[Conflict, ...], prefer: str | None = None) -> Repair | None:
        """
        Let one rule of each conflict give way, all by the least sum of sizes; verify the whole.

        Bounds before `Monotone` and `NoTrade`, these before completion, in each kind the smallest size;
        a kind is left alone when those before it can repair everything. One rule may be preferred to all.
        """
        ranks = self._ranks(prefer)
        if prefer is not None and prefer not in ranks:
            raise DataError(f"prefer={prefer!r} is no rule that can give way; these are: {', '.join(ranks)}")
        within = ({n: r for n, r in ranks.items() if r <= last} for last in sorted(set(ranks.values())))
        able = next((few for few in within if self._enough(list(few))), {})
        for giving in (self._chosen(conflicts, able), list(able)):
            least = self._least(giving, ranks) if giving else None
            found = None if least is None else self._nearest({n: s for n, s in least.items() if s.any()})
            if found is not None:
                return found
        return None

    def _ranks(self, prefer: str | None) -> dict[str, int]:
        """Rules that can give way, with their places in the queue."""
        ranks = dict[str, int]()
        for name, rule in self._book.rules.items():
            if rule.finished is not None:
                ranks[name] = COMPLETION
            elif name in self._written:
                ranks[name] = TIMING if isinstance(self._written[name], Monotone | NoTrade) else BOUND
        return {n: FIRST if n == prefer else r for n, r in ranks.items()}

    def _chosen(self, conflicts: tuple[Conflict, ...], able: Mapping[str, int]) -> list[str]:
        """Return one rule of each conflict, also of those that come to light; none when no single one is enough."""
        chosen, known = [name for name, rank in able.items() if rank == FIRST], list(conflicts)
        for conflict in known:  # grows in the loop
            ways = [way for way in conflict.relaxations if way.rules and way.name in able]
            if not ways:
                return []
            if not any(way.name in chosen for way in ways):
                chosen.append(min(ways, key=lambda way: (able[way.name], way.size)).name)
            new = self._another([list(c.constraints) for c in known], chosen)
            if new is not None and conflict is known[-1]:
                known.append(self._told(new))
        return chosen

    def _enough(self, giving: Sequence[str]) -> bool:
        """Whether these rules can give way by so much that all hold."""
        most = self._most(giving)
        return self._elastic.least(self._elastic.names, giving, self._prices(giving), most) is not None

    def _least(self, giving: Sequence[str], ranks: Mapping[str, int]) -> dict[str, Array] | None:
        """
        Return the cheapest slacks; of a later kind only those that must be, by rule and for completion by asset.

        Beside a preferred rule the others give way by no more than they must when it gives way freely.
        """
        price, most = self._prices(giving), self._most(giving)
        kinds = sorted({ranks[name] for name in giving}, reverse=True)
        for rank in kinds[:-1]:
            here = {name: price[name] * (ranks[name] == rank) for name in giving}
            found = self._elastic.least(self._elastic.names, giving, here, most)
            if found is None:
                return None
            ends = {n: found[n] if FIRST in kinds else np.where(found[n] > 0, most[n], 0.0) for n in giving}
            most |= {n: end for n, end in ends.items() if ranks[n] == rank}
        return self._elastic.least(self._elastic.names, giving, price, most)

    def _prices(self, names: Sequence[str]) -> dict[str, Array]:
        return {name: self._price[name] if name in self._price else self._priced(name, None) for name in names}

    def _most(self, names: Sequence[str]) -> dict[str, Array]:
        """Upper end of each slack."""
        ends = {name: farthest(self._written[name], self._setting) for name in names if name in self._written}
        return {name: np.full(self._book.rules[name].rows.give.shape[1], ends.get(name, np.inf)) for name in names}

    def _nearest(self, least: Mapping[str, Array]) -> Repair | None:
        """Return the repair that is nearest, else the one just outside, where 2% less is not enough."""
        nearest = self._repaired(least, strictly=False)
        if nearest is not None and nearest.verified:
            return nearest
        outside = self._repaired(least, strictly=True)
        return outside if outside is not None and (outside.verified or nearest is None) else nearest

    def _repaired(self, least: Mapping[str, Array], strictly: bool) -> Repair | None:
        """Find the rules that take the place of those that give way, one after the other, and verify them."""
        rows = {name: self._book.rules[name].rows for name in least}
        given = {name: self._outward(name, slack, strictly) for name, slack in least.items()}
        system = self._elastic.replaced({name: rows[name].widened(slack) for name, slack in given.items()})
        settled = list[Relaxation]()
        for name, slack in least.items():
            options = self._options(name, slack, strictly)
            fits = next((r for r in options if r.rules and self._holds(system, self._elastic.names, r)), None)
            if fits is None:
                return None
            if name in self._written and fits.slack.size == 1:
                system = system.replaced(self._rows(fits))
            settled.append(fits)
        if not settled or not self._feasible(settled):
            return None
        short = {name: rows[name].widened(self._less(name, slack)) for name, slack in given.items()}
        shares = any(self._book.rules[name].finished is not None for name in given)
        less = "2%, or a share, less" if shares else "2% less"
        return Repair(tuple(settled), not self._elastic.replaced(short).together(self._elastic.names), less)

    def _feasible(self, relaxations: Sequence[Relaxation]) -> bool:
        """Whether the problem with the new rules passes every check that a problem is put to."""
        rules, setting = self._changed(relaxations)
        elastic = rule_book(rules, setting).elastic()
        return self._passes(*relaxations) and elastic.together(elastic.names, EXACT)

    def _passes(self, *relaxations: Relaxation) -> bool:
        """Whether the new rules pass the checks that need no program; nothing is asked of what nobody can change."""
        rules, setting = self._changed(relaxations)
        try:
            for rule in rules:
                rule.check(setting)
            if all(way.rules for way in relaxations):
                check_capacity(*trade_bounds(rules, setting), rules, setting)
        except InfeasibleError:
            return False
        return True

    def _changed(self, relaxations: Sequence[Relaxation]) -> tuple[tuple[Constraint, ...], Setting]:
        """Return the rules after they have given way, and the setting with them."""
        rules = tuple(applied(self._constraints, relaxations))
        may_stay = any(isinstance(rule, AllowUnfilled) for rule in rules)
        return rules, replace(self._setting, complete=self._setting.complete and not may_stay)

    def _outward(self, name: str, slack: Array, strictly: bool) -> Array:
        """Slacks rounded up."""
        finished = self._book.rules[name].finished
        if finished is None:
            return outward(slack, strictly=strictly)
        return outward_shares(slack, self._open[finished], strictly=strictly)

    def _less(self, name: str, slack: Array) -> Array:
        """Slacks that are not enough: 2% less, and at least one share where shares are whole."""
        finished, less = self._book.rules[name].finished, LESS * slack
        if finished is None:
            return less
        whole = in_whole_shares(self._open[finished])
        return np.where(whole, np.maximum(np.minimum(less, slack - 1.0), 0.0), less)

    def _options(self, name: str, slack: Array, strictly: bool) -> Iterator[Relaxation]:
        """Yield the ways in which a rule gives way by its slack, rounded outward; the simplest first."""
        size, unit = float(self._prices([name])[name] @ slack), self._unit(name)
        rounded = self._outward(name, slack, strictly)
        finished = self._book.rules[name].finished
        if finished is not None:
            left = pd.Series(0.0, self._setting.assets)
            left[finished] = rounded
            most = left.where(finished, np.inf)
            value = float(self._setting.market.prices @ left.to_numpy())
            text = f"{left_words(left, self._open)} ({currency(value)})"
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

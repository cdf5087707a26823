"""Linear rules that may give way: which of them cannot hold together, and how little has to give."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from acopt.errors import SolverError
from acopt.solving.canonical import Array, Indices
from acopt.solving.linear import solve_linear
from acopt.solving.scaling import balance

SIGNIFICANT = 1e-9
"""Room, in units of the order, with which rules are said to hold together."""
INVOLVED = 1e-7
INFEASIBLE = 2
"""SciPy's status."""


@dataclass(frozen=True)
class Rows:
    """
    One rule: l - G s <= A z <= u + G s, s >= 0.

    Attributes
    ----------
    a : (r, c + own) on the c common columns, then on auxiliaries of its own.
    l, u : (r,) bounds, infinite where silent.
    give : (r, k) G >= 0: how far one unit of each slack moves the bounds of a row.
    soft : (r,) whether a row is the rule itself; the others define its auxiliaries and always hold.
    """

    a: sp.csr_array
    l: Array  # noqa: E741
    u: Array
    give: sp.csr_array
    soft: npt.NDArray[np.bool_]

    def widened(self, slack: Array) -> Rows:
        """Return the rule after it has given way by s."""
        by = self.give @ slack
        return replace(self, l=self.l - by, u=self.u + by)


@dataclass(frozen=True)
class _Scaled:
    """Rows with columns in units and rows of order one; `slack` is the unit of each slack."""

    common: sp.csr_array
    own: sp.csr_array
    l: Array  # noqa: E741
    u: Array
    give: sp.csr_array
    soft: npt.NDArray[np.bool_]
    slack: Array


class Elastic:
    """
    Rules on common columns, any subset of which can be asked whether it holds together.

    Parameters
    ----------
    fixed : (c,) values of the columns that are given, NaN for the others.
    unit : (c,) > 0, natural unit of each column.
    rules : rows by name of the rule.
    """

    def __init__(self, fixed: Array, unit: Array, rules: Mapping[str, Rows]) -> None:
        self._fixed, self._unit, self.rules = fixed, unit, dict(rules)
        self._known: dict[str, _Scaled] = {}

    @property
    def names(self) -> list[str]:
        """Names of all rules."""
        return list(self.rules)

    def replaced(self, rules: Mapping[str, Rows], without: Collection[str] = ()) -> Elastic:
        """Return the same with other rows for some rules, and without others."""
        out = Elastic(self._fixed, self._unit, {k: v for k, v in {**self.rules, **rules}.items() if k not in without})
        out._known = {k: v for k, v in self._known.items() if k in out.rules and k not in rules}
        return out

    def together(self, names: Sequence[str], room: float = SIGNIFICANT) -> bool:
        """Whether these rules hold together when all their rows, normalised, have so much room (of the order)."""
        program = self._program(names)
        return program.solve(sp.csr_array((len(program.soft), 0)), np.zeros(0), room * program.soft) is not None

    def involved(self, names: Sequence[str]) -> dict[str, Indices]:
        """
        Rows of each rule that prove that the rules cannot hold together (Farkas); all of those of independent proofs.

        The multipliers of: minimise the sum of the slacks, one a row.
        """
        program = self._program(names)
        soft = np.flatnonzero(program.soft)
        slack = sp.csr_array((np.ones(len(soft)), (soft, np.arange(len(soft)))), shape=(len(program.soft), len(soft)))
        multiplier = program.relaxed(slack, np.ones(len(soft))).multiplier
        return {name: np.flatnonzero(multiplier[program.place[name]] > INVOLVED) for name in names}

    def core(self, names: Sequence[str]) -> list[str]:
        """
        Return a minimal set of rules that cannot hold together: without any one of them, the others can.

        A deletion filter (Chinneck & Dravnieks 1991) over the rules that a Farkas proof involves.
        """
        proof = self.involved(names)
        kept = [name for name in names if self._soft_rows(name, proof[name])]
        if self.together(kept):
            kept = list(names)
        for name in list(kept):
            rest = [other for other in kept if other != name]
            if not self.together(rest):
                kept = rest
        return kept

    def least(
        self,
        names: Sequence[str],
        giving: Sequence[str],
        price: Mapping[str, Array] | None = None,
        most: Mapping[str, Array] | None = None,
    ) -> dict[str, Array] | None:
        """
        Return the cheapest slacks of the giving rules with which all the named rules hold; None when none do.

        Parameters
        ----------
        names, giving : rules that must hold, and those of them that may give way.
        price : of a unit of each slack, by rule; by default, how far it moves the row that it moves most.
        most : upper end of each slack, by rule; none by default.
        """
        program = self._program(names)
        blocks, prices, unit, ends = [], [], [], []
        for name in giving:
            rule = self._scaled(name)
            rows = np.arange(len(program.soft))[program.place[name]]
            give = rule.give.tocoo()
            blocks.append(sp.coo_array((give.data, (rows[give.row], give.col)), (len(program.soft), give.shape[1])))
            prices.append((self.reach(name) if price is None else price[name]) * rule.slack)
            unit.append(rule.slack)
            ends.append(np.full(len(rule.slack), np.inf) if most is None else most[name] / rule.slack)
        slack, cost, top = sp.csr_array(sp.hstack(blocks)), np.concatenate(prices), np.concatenate(ends)
        # Rules are said to hold together with a little room; without it none may be left.
        answer = program.solve(slack, cost, most=top) or program.solve(slack, cost, SIGNIFICANT * program.soft, top)
        if answer is None:
            return None
        found = np.where(answer.slack * cost <= SIGNIFICANT, 0.0, answer.slack)
        parts = np.split(found, np.cumsum([len(u) for u in unit])[:-1])
        return {n: s * u for n, s, u in zip(giving, parts, unit, strict=True)}

    def reach(self, name: str, rows: Indices | None = None) -> Array:
        """How far one unit of each slack of a rule moves the row that it moves most, in units of the order."""
        rule = self._scaled(name)
        give = rule.give if rows is None else rule.give[rows]
        most = np.zeros(give.shape[1]) if not give.nnz else np.asarray(give.max(axis=0).toarray()).ravel()
        return np.asarray(most / rule.slack)

    def _soft_rows(self, name: str, rows: Indices) -> bool:
        return bool(self.rules[name].soft[rows].any())

    def _program(self, names: Sequence[str]) -> _Program:
        return _Program(self._fixed / self._unit, {name: self._scaled(name) for name in names})

    def _scaled(self, name: str) -> _Scaled:
        if name not in self._known:
            self._known[name] = _scale(self.rules[name], self._unit)
        return self._known[name]


def _scale(rule: Rows, unit: Array) -> _Scaled:
    entries = rule.a.tocoo()
    row, col = entries.row.astype(np.int64), entries.col.astype(np.int64)
    column = np.concatenate([unit, np.full(rule.a.shape[1] - len(unit), np.nan)])
    balance(column, np.abs(entries.data), row, col, rule.a.shape[0])
    size = np.zeros(rule.a.shape[0])
    np.maximum.at(size, row, np.abs(entries.data) * column[col])
    size[size == 0] = 1.0
    a = sp.csr_array(sp.diags_array(1.0 / size) @ rule.a @ sp.diags_array(column))
    give = sp.csr_array(sp.diags_array(1.0 / size) @ rule.give)
    reach = np.zeros(give.shape[1]) if not give.nnz else np.asarray(give.max(axis=0).toarray()).ravel()
    slack = 1.0 / np.where(reach > 0, reach, 1.0)
    c = len(unit)
    return _Scaled(
        sp.csr_array(a[:, :c]), sp.csr_array(a[:, c:]), rule.l / size, rule.u / size,
        sp.csr_array(give @ sp.diags_array(slack)), rule.soft, slack,
    )  # fmt: skip


@dataclass(frozen=True)
class _Answer:
    """Optimal value, slacks, and |multiplier| of every row."""

    value: float
    slack: Array
    multiplier: Array


class _Program:
    """Some rules, stacked: common columns, auxiliaries of each, then slacks."""

    def __init__(self, fixed: Array, rules: Mapping[str, _Scaled]) -> None:
        stack = list(rules.values())
        nothing = np.zeros(0)
        ends = np.cumsum([0, *(len(rule.l) for rule in stack)])
        self.place = {name: slice(int(ends[j]), int(ends[j + 1])) for j, name in enumerate(rules)}
        self.soft = np.concatenate([nothing.astype(bool), *(rule.soft for rule in stack)])
        self._lower = np.concatenate([nothing, *(rule.l for rule in stack)])
        self._upper = np.concatenate([nothing, *(rule.u for rule in stack)])
        self._rows = sp.csr_array((0, len(fixed)))
        if stack:
            own = sp.block_diag([rule.own for rule in stack])
            self._rows = sp.csr_array(sp.hstack([sp.vstack([rule.common for rule in stack]), own]))
        free = np.full(self._rows.shape[1] - len(fixed), np.nan)
        self._fixed = np.concatenate([fixed, free])

    def solve(
        self, slack: sp.csr_array, cost: Array, room: Array | float = 0.0, most: Array | float = np.inf
    ) -> _Answer | None:
        """Minimise cost's subject to l - S s - room <= A z <= u + S s + room, 0 <= s <= most; None when infeasible."""
        lower, upper, k = self._lower - room, self._upper + room, len(cost)
        exact = (np.diff(slack.indptr) == 0) & (lower == upper)
        above, below = np.flatnonzero(np.isfinite(upper) & ~exact), np.flatnonzero(np.isfinite(lower) & ~exact)
        top, bottom = [self._rows[above], -slack[above]], [-self._rows[below], -slack[below]]
        at_most = sp.csr_array(sp.vstack([sp.hstack(top), sp.hstack(bottom)]))
        equal = sp.csr_array(sp.hstack([self._rows[exact], sp.csr_array((int(exact.sum()), k))]))
        open_column = np.isnan(self._fixed)
        low = np.concatenate([np.where(open_column, -np.inf, self._fixed), np.zeros(k)])
        high = np.concatenate([np.where(open_column, np.inf, self._fixed), np.full(k, most)])
        result = solve_linear(
            np.concatenate([np.zeros(len(self._fixed)), cost]),
            (at_most, np.concatenate([upper[above], -lower[below]])),
            (equal, upper[exact]),
            np.column_stack([low, high]),
        )
        if result.status == INFEASIBLE:
            return None
        if result.status != 0:
            raise SolverError(f"HiGHS did not solve the linear program of the diagnosis: {result.message}")
        multiplier, both = np.zeros(len(lower)), np.abs(result.ineqlin.marginals)
        np.maximum.at(multiplier, above, both[: len(above)])
        np.maximum.at(multiplier, below, both[len(above) :])
        multiplier[exact] = np.abs(result.eqlin.marginals)
        return _Answer(float(result.fun), np.maximum(result.x[len(self._fixed) :], 0.0), multiplier)

    def relaxed(self, slack: sp.csr_array, cost: Array) -> _Answer:
        """Solve a program that has a point whatever the bounds."""
        answer = self.solve(slack, cost)
        if answer is None:
            raise SolverError("HiGHS calls a program infeasible in which every rule may give way")
        return answer

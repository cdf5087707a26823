"""What the proof says about the rules: the price of every row that a rule was declared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import cvxpy as cp
import numpy as np

from acopt.market.labels import Array
from acopt.solving.canonical import Indices

EQUALITIES = (cp.constraints.Equality, cp.constraints.Zero)
LINEAR = (*EQUALITIES, cp.constraints.Inequality, cp.constraints.NonNeg, cp.constraints.NonPos)
SIZES = "trade sizes"
"""What `of` calls size >= u and size >= -u, with size the variable for |u|."""


class Multipliers:
    """
    Multipliers of one solved problem, by the CVXPY constraints of its rules.

    An inequality has a price >= 0: what the objective falls by per unit of its bound given way. An
    equality g = 0 has dv/dc, the slope of the optimal value v in the c of g = c.

    Parameters
    ----------
    rules : CVXPY constraints by the name of their owner.
    rows : id of the CVXPY constraint that each row of the program comes from.
    duals : computes the multiplier of every row, as in `Solution.y`.
    """

    def __init__(self, rules: Mapping[str, list[cp.Constraint]], rows: Indices, duals: Callable[[], Array]) -> None:
        self._rules, self._rows, self._duals = rules, rows, duals

    def __getstate__(self) -> dict[str, Any]:
        # CVXPY's ids belong to one process: what travels is arrays by name.
        return {"_by_name": self._by_name}

    @cached_property
    def _prices(self) -> Array:
        return -self._duals() + 0.0

    @cached_property
    def _by_name(self) -> dict[str, list[tuple[Array, bool]]]:
        """Price of every CVXPY constraint, and whether it is an equality."""
        return {
            name: [(self._price(rule), isinstance(rule, EQUALITIES)) for rule in rules]
            for name, rules in self._rules.items()
        }

    def of(self, name: str) -> list[Array]:
        """
        Prices of a rule's rows: one array per CVXPY constraint, in its shape; empty for a rule without rows.

        An inequality of convex functions, norm(y) <= limit, has the price of its limit. NaN for a bare cone, and
        for what CVXPY rewrote into rows that are not its cells.
        """
        return [price for price, _ in self._by_name.get(name, [])]

    def equalities(self, name: str) -> list[bool]:
        """Whether each of the rule's CVXPY constraints is an equality."""
        return [equality for _, equality in self._by_name.get(name, [])]

    def _price(self, rule: cp.Constraint) -> Array:
        """Prices of one CVXPY constraint of the declared problem, as in `of`."""
        mine = np.asarray(self._prices[self._rows == rule.id])
        if not isinstance(rule, LINEAR) or mine.size != np.prod(rule.shape, dtype=int):
            return np.full(rule.shape, np.nan)
        return mine.reshape(rule.shape, order="F")

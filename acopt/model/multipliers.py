"""What the proof says about the rules: the price of every row that a rule was declared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property

import cvxpy as cp
import numpy as np

from acopt.market.labels import Array
from acopt.solving.canonical import Indices


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

    @cached_property
    def _prices(self) -> Array:
        return -self._duals() + 0.0

    def of(self, name: str) -> list[Array]:
        """Prices of a rule's rows: one array per CVXPY constraint, in its shape; empty for a rule without rows."""
        return [self._price(rule) for rule in self._rules.get(name, [])]

    def _price(self, rule: cp.Constraint) -> Array:
        mine = np.asarray(self._prices[self._rows == rule.id])
        if mine.size != np.prod(rule.shape, dtype=int):
            return mine  # a rule that CVXPY rewrote: its rows have no cells
        return mine.reshape(rule.shape, order="F")

"""A user's own constraint, as a function of the paths."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import cvxpy as cp
import numpy as np

from acopt.errors import DataError, ModelError
from acopt.market.labels import Array
from acopt.model.algebra import Constraint, Parameters
from acopt.model.functions import answering, check_own_variables
from acopt.model.paths import PathAccess, Paths, Trajectory, twap


@dataclass(frozen=True)
class CustomConstraint(Constraint):
    """
    Any convex CVXPY constraint (or list of them) on the paths.

    Parameters
    ----------
    function : p -> constraint, with p as in `CustomCost`.

    Raises
    ------
    ModelError
        The function returns no CVXPY constraint, one that is not convex, or one that is not about this
        problem's variables.
    """

    unit: ClassVar[str] = "relative to its sides"
    bound_to_grid: ClassVar[bool] = True
    never_soft: ClassVar[str] = (
        "put the price of breaking it into the objective: CustomCost(lambda p: cp.sum(cp.pos(...)))"
    )

    function: Callable[[PathAccess], Any]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not callable(self.function):
            given = type(self.function).__name__
            raise DataError(f"{self.name}: a function of the paths is expected, {given} was given")
        if self.assets is not None or self.during is not None:
            raise ModelError(f"{self.name}: assets= and during= are for the built-in rules; use p.asset() and p.at()")

    def expressions(self, path: Paths, data: Parameters) -> list[cp.Constraint]:
        """Return what the function returns."""
        own = self._evaluate(path)
        for constraint in own:
            check_own_variables(constraint, path, self.name)
            if not constraint.is_dcp():
                raise ModelError(f"{self.name}: {constraint!s:.80} is not convex by CVXPY's rules")
        return own

    def violation(self, path: Trajectory) -> Array:
        """Residuals relative to the size of the constraint's sides, on this path or on TWAP."""
        here = self._evaluate(path.constants())
        there = self._evaluate(twap(path.setting).constants())
        return np.concatenate([np.ravel(a.residual) / (_size(a, b) or 1.0) for a, b in zip(here, there, strict=True)])

    def _evaluate(self, path: PathAccess) -> list[cp.Constraint]:
        with answering(self.name):
            own = self.function(path)
        own = list(own) if isinstance(own, list | tuple) else [own]
        if not own:
            raise ModelError(f"{self.name}: the function returned no constraint at all")
        for constraint in own:
            if not isinstance(constraint, cp.Constraint):
                raise ModelError(
                    f"{self.name}: the function returned {type(constraint).__name__} {constraint!r:.40}; "
                    "a CVXPY constraint is expected"
                )
        return own


def _size(*constraints: cp.Constraint) -> float:
    return max(float(np.max(np.abs(side.value), initial=0.0)) for c in constraints for side in c.args)

"""A user's own cost, as a function of the paths."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cvxpy as cp
import numpy as np
from cvxpy.atoms.affine.wraps import nonneg_wrap

from acopt.errors import DataError, ModelError
from acopt.market.labels import Array, called, is_one_of
from acopt.model.algebra import Cost, Kind, Parameters
from acopt.model.functions import answering, check_own_variables
from acopt.model.paths import PathAccess, Paths, Trajectory
from acopt.model.setting import Setting


class CustomCost(Cost):
    """
    Any convex scalar CVXPY expression in the paths.

    Parameters
    ----------
    function : p -> expression in p's `trades`, `rates`, `remaining`, `holdings`, `participation`,
        `notional`, `p.asset(label)`, `p.at(time)`, `p.done(label)`.
    kind : "money" if it is currency, "penalty" (default) if it only steers.

    Raises
    ------
    ModelError
        The function returns no CVXPY expression, one that is not scalar or not convex, or one that is
        not about this problem's variables.

    Notes
    -----
    An expression with a `cp.Parameter` of its own has a fixed weight; updating that weight raises.
    """

    bound_to_grid = True

    def __init__(
        self, function: Callable[[PathAccess], Any], *, kind: Kind = "penalty", name: str | None = None
    ) -> None:
        if not callable(function):
            raise DataError(f"CustomCost: a function of the paths is expected, {type(function).__name__} was given")
        if not is_one_of(kind, ("money", "penalty")):
            raise DataError(f"CustomCost kind={kind!r}: 'money' or 'penalty' is expected")
        self.function, self.kind = function, kind
        self.name = called(name, type(self).__name__)

    def parameters(self, setting: Setting, weight: float) -> dict[str, Array]:
        """Return the weight itself."""
        return {"weight": np.asarray(weight)}

    def expression(self, path: Paths, data: Parameters) -> cp.Expression:
        """Weight times what the function returns."""
        own = self._evaluate(path)
        check_own_variables(own, path, self.name)
        if not own.is_dcp():
            raise ModelError(
                f"{self.name} is {own.curvature.lower()} by CVXPY's rules; a convex expression is expected"
            )
        if not own.is_convex():
            raise ModelError(f"{self.name} is {own.curvature.lower()}; a cost must be convex (costs are minimised)")
        if own.parameters():
            return fixed_weight(data["weight"]) * own
        return nonneg_wrap(data["weight"]) * own

    def values(self, path: Trajectory) -> Array:
        """Return what the function returns on constants."""
        own = self._evaluate(path.constants())
        unset = [p.name() for p in own.parameters() if p.value is None]
        if unset:
            raise ModelError(f"{self.name}: its parameter {unset[0]} has no value")
        return np.asarray(float(own.value))

    def _evaluate(self, path: PathAccess) -> cp.Expression:
        with answering(self.name):
            own = self.function(path)
        if not isinstance(own, cp.Expression):
            raise ModelError(
                f"{self.name}: the function returned {type(own).__name__} {own!r:.40}; a CVXPY expression is expected"
            )
        if own.size != 1:
            raise ModelError(f"{self.name}: the expression has shape {own.shape}; a scalar is expected (use cp.sum)")
        return own if own.ndim == 0 else cp.sum(own)


def fixed_weight(parameter: cp.Parameter) -> float:
    """Return the present value of a weight that must not change."""
    if parameter.value is None:
        raise ModelError("a weight has no value")
    return float(parameter.value)

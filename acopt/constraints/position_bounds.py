"""The concept behind the portfolio rules: bounds on a few linear functionals of a position."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, TypeAlias

import cvxpy as cp
import numpy as np
import pandas as pd

from acopt.constraints.soft import Limits
from acopt.errors import DataError, InfeasibleError
from acopt.market.labels import LARGEST, Array, is_one_of, numbers
from acopt.model.algebra import Constraint, Parameters
from acopt.model.paths import Paths, Trajectory
from acopt.model.setting import Setting

Position: TypeAlias = Literal["remaining", "holdings"]
Tolerance: TypeAlias = float | Mapping[Any, float] | pd.Series


class PositionBounds(Limits):
    """
    Base of the rules that bound a few linear functionals of a position, in currency.

    lower_kf <= sum_i A_if (x_ki + shift_i) <= upper_kf,  k = 1..N

    A subclass says its functionals A, the shift from x to its position, and its limits; where there are
    several functionals, their `row_labels` too.
    """

    unit: ClassVar[str] = "currency"

    @abstractmethod
    def functionals(self, setting: Setting) -> Array:
        """A (n, f), or (n,) for a single number: currency per share, zero for assets that are left out."""

    @abstractmethod
    def shift(self, setting: Setting) -> Array:
        """Position minus x (n,), shares."""

    @abstractmethod
    def limits(self, setting: Setting) -> tuple[Array, Array]:
        """Lower and upper limit, currency; they broadcast to (N, f) or (N,)."""

    def matrix(self, setting: Setting) -> Array:
        """A, computed once."""
        return setting.once(self, "functionals", lambda: self.functionals(setting))

    def bounds(self, setting: Setting) -> tuple[Array, Array]:
        """Limits (N, f) or (N,); infinite where the rule does not apply."""
        shape = (setting.shape[0], *self.matrix(setting).shape[1:])
        rows = setting.window(self.during).reshape(-1, *[1] * (len(shape) - 1))
        low, high = (np.broadcast_to(limit, shape) for limit in self.limits(setting))
        return np.where(rows, low, -np.inf), np.where(rows, high, np.inf)

    def allowed(self, setting: Setting) -> tuple[Array, Array]:
        """Limits (N, f) or (N,)."""
        return self.bounds(setting)

    def measured(self, path: Trajectory) -> Array:
        """Values of the functionals (N, f) or (N,), currency."""
        return np.asarray((path.after + self.shift(path.setting)) @ self.matrix(path.setting))

    def parameters(self, setting: Setting) -> dict[str, Array]:
        """Return its numbers, unless it is soft."""
        return {} if self.soft else self.numbers(setting)

    def numbers(self, setting: Setting) -> dict[str, Array]:
        """A, and the limits on x' A."""
        matrix, (low, high) = self.matrix(setting), self.bounds(setting)
        offset = self.shift(setting) @ matrix
        return {"functionals": matrix, "lower": low - offset, "upper": high - offset}

    def quantity(self, path: Paths, data: Parameters) -> cp.Expression:
        """x' A."""
        return path.after @ data["functionals"]

    def expressions(self, path: Paths, data: Parameters) -> list[cp.Constraint]:
        """lower <= x' A <= upper, unless it is soft."""
        if self.soft:
            return []
        value = self.quantity(path, data)
        return [value >= data["lower"], value <= data["upper"]]

    def outside(self, setting: Setting, x: Array, row: int) -> tuple[Array, Array]:
        """Values (f,) of the functionals when x is left, and by how much (f,) they miss the limits of a row."""
        matrix, position = self.matrix(setting).reshape(len(x), -1), x + self.shift(setting)
        low, high = (np.atleast_1d(limit[row]) for limit in self.bounds(setting))
        value, rounding = position @ matrix, 1e-12 * (np.abs(position) @ np.abs(matrix))
        return value, np.maximum(np.maximum(low - value, value - high) - rounding, 0.0)


class Neutral(PositionBounds):
    """Base of the rules that keep functionals of what remains (or is held) within a tolerance of zero."""

    tolerance: Tolerance
    of: Position
    labels_are: ClassVar[str] = ""
    """What the functionals are called in errors."""

    def __post_init__(self) -> None:
        super().__post_init__()
        given = self.tolerance
        values = numbers(list(given.values()) if isinstance(given, Mapping) else given, f"{self.name} tolerance")
        if values.ndim != isinstance(given, Mapping | pd.Series) or not ((values >= 0) & (values <= LARGEST)).all():
            raise DataError(f"{self.name} tolerance={given!r}: a number >= 0 is expected")
        if not is_one_of(self.of, ("remaining", "holdings")):
            raise DataError(f"{self.name} of={self.of!r}: 'remaining' or 'holdings' is expected")

    def tolerances(self, setting: Setting) -> Array:
        """Tolerance in currency, by functional (f,) or the same for all of them."""
        value, labels = self.tolerance, self.row_labels(setting)
        if isinstance(value, Mapping | pd.Series):
            if labels is None:
                raise DataError(f"{self.name} tolerance={value!r}: a number >= 0 is expected")
            value = labelled(pd.Series(value), labels, f"{self.name} tolerance", self.labels_are).astype(float)
        given = np.asarray(value, dtype=float)
        return np.where(given < 1, given * setting.gross, given)

    def limits(self, setting: Setting) -> tuple[Array, Array]:
        """Tolerance on both sides of zero."""
        tolerance = self.tolerances(setting)
        return -tolerance, tolerance

    def shift(self, setting: Setting) -> Array:
        """Nothing for what remains, the target for what is held."""
        return setting.target if self.of == "holdings" else np.zeros_like(setting.target)

    def check(self, setting: Setting) -> None:
        """
        Demand that the order itself (for holdings: its target) is within the tolerance.

        What is history is left alone, and so is an order for which a hedge leg can make up in the first trade.
        """
        held = self.of == "holdings"
        row, x = (-1, np.zeros_like(setting.target)) if held else (0, setting.remaining)
        if not setting.complete if held else setting.elapsed:
            return
        value, over = self.outside(setting, x, row)
        if not held:
            over[self.matrix(setting).reshape(len(x), -1)[setting.hedges].any(axis=0)] = 0.0
        if not over.any():
            return
        f, labels = int(np.argmax(over)), self.row_labels(setting)
        tolerance = np.broadcast_to(self.tolerances(setting), over.shape)[f]
        percent = f" of currency ({tolerance:g}% of gross is {tolerance / 100:g})" if 1 <= tolerance < 100 else ""
        what, where = ("target" if held else "order"), ("" if labels is None else f" in {labels[f]}")
        advice = "or balance the target" if held else "balance the order, or apply it during= a later window"
        raise InfeasibleError(
            f"{self.name}: the {what} is net {money(value[f])}{where}, tolerance {money(tolerance)}{percent}; raise "
            f"the tolerance above that, {advice}"
        )


def prices(rule: Constraint, setting: Setting) -> Array:
    """Arrival prices (n,), zero for the assets that a rule leaves out."""
    return np.asarray(setting.market.prices * rule.covered(setting))


def labelled(value: Any, wanted: pd.Index, what: str, axis: str) -> Any:
    """Rows of a Series or DataFrame for the wanted labels, or raise naming the one that is missing or repeated."""
    if not value.index.is_unique:
        raise DataError(f"{what}: the label {value.index[value.index.duplicated()][0]!r} appears more than once")
    missing = wanted[~wanted.isin(value.index)]
    if len(missing):
        given = ", ".join(map(str, value.index[:6])) + (", ..." if len(value) > 6 else "")
        raise DataError(f"{what}: no value for {axis} {missing[0]!s}; given: {given or 'none'}")
    return value.loc[wanted]


def money(value: float) -> str:
    """Return an amount of currency as messages show it: 42.5M."""
    for size, suffix in ((1e9, "bn"), (1e6, "M"), (1e3, "k")):
        if size <= abs(value) < np.inf:
            return f"{value / size:,.4g}{suffix}"
    return f"{value:,.4g}"

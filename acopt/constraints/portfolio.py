"""Rules on what is held along the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import cvxpy as cp
import numpy as np

from acopt.errors import DataError, InfeasibleError
from acopt.market.labels import Array, Data, numbers, place
from acopt.model.algebra import Constraint, Parameters
from acopt.model.paths import Paths, Trajectory
from acopt.model.setting import Mask, Setting


@dataclass(frozen=True)
class HoldingBounds(Constraint):
    """
    Bounds on the position after every trade.

    lower_ki <= h_ki <= upper_ki,  k = 1..N

    Parameters
    ----------
    lower, upper : shares held: scalar, by asset, by interval (the position after that interval's
        trade), or both; None leaves a side open.
    """

    lower: Data | None = None
    upper: Data | None = None

    def bounds(self, setting: Setting) -> tuple[Array, Array]:
        """Bounds on h_1..h_N (N, n); infinite where the rule does not apply."""
        if self.lower is None and self.upper is None:
            raise DataError(f"{self.name}: give a lower bound, an upper bound, or both")
        where = self.where(setting)
        low, high = np.full(setting.shape, -np.inf), np.full(setting.shape, np.inf)
        if self.lower is not None:
            low = np.where(where, setting.coefficient(self.lower, f"{self.name} lower", infinite=True), low)
        if self.upper is not None:
            high = np.where(where, setting.coefficient(self.upper, f"{self.name} upper", infinite=True), high)
        if (low > high).any():
            k, i = (int(j) for j in np.argwhere(low > high)[0])
            raise DataError(
                f"{self.name}: the lower bound {low[k, i]:,.6g} is above the upper bound {high[k, i]:,.6g} "
                f"for {place(k, i, setting.grid.labels, setting.assets)}"
            )
        return low, high

    def check(self, setting: Setting) -> None:
        """Demand that the target itself is inside the bounds at the end."""
        low, high = self.bounds(setting)
        if not setting.complete:
            return
        outside = np.maximum(low[-1] - setting.target, setting.target - high[-1]) > 1e-9 * max(setting.size, 1e-300)
        if outside.any():
            i = int(np.argmax(outside))
            raise InfeasibleError(
                f"{self.name}: {setting.assets[i]} must end at {setting.target[i]:,.6g} shares, outside the bounds "
                f"{low[-1, i]:,.6g} to {high[-1, i]:,.6g} on its last position"
            )

    def parameters(self, setting: Setting) -> dict[str, Array]:
        """Bounds on x = h - target."""
        low, high = self.bounds(setting)
        return {"lower": low - setting.target, "upper": high - setting.target}

    def expressions(self, path: Paths, data: Parameters) -> list[cp.Constraint]:
        """lower <= h <= upper."""
        return [path.after >= data["lower"], path.after <= data["upper"]]

    def violation(self, path: Trajectory) -> Array:
        """Shares outside the bounds."""
        low, high = self.bounds(path.setting)
        held = path.holdings[1:]
        return np.maximum(np.maximum(low - held, held - high), 0.0)


@dataclass(frozen=True)
class DollarNeutral(Constraint):
    """
    Keep the net value of what is left (or held) small.

    |p' x_k| <= tolerance,  k = 1..N

    Parameters
    ----------
    tolerance : currency; below 1, a fraction of the initial gross notional.
    of : "remaining" (x) or "holdings" (h).

    Raises
    ------
    InfeasibleError
        At construction of the problem, when the order itself is outside the tolerance.
    """

    unit: ClassVar[str] = "currency"

    tolerance: float
    of: Literal["remaining", "holdings"] = "remaining"

    def __post_init__(self) -> None:
        super().__post_init__()
        tolerance = numbers(self.tolerance, f"{self.name} tolerance")
        if tolerance.ndim or not np.isfinite(tolerance) or tolerance < 0:
            raise DataError(f"{self.name} tolerance={self.tolerance!r}: a number >= 0 is expected")
        if self.of not in ("remaining", "holdings"):
            raise DataError(f"{self.name} of={self.of!r}: 'remaining' or 'holdings' is expected")

    def limit(self, setting: Setting) -> float:
        """Tolerance in currency."""
        return self.tolerance * setting.gross if self.tolerance < 1 else float(self.tolerance)

    def check(self, setting: Setting) -> None:
        """Compare the order itself (for holdings: its target) with the tolerance."""
        if self.of == "holdings":
            net = float(self._prices(setting) @ setting.target)
            if setting.complete and self._window(setting)[-1] and abs(net) > self.limit(setting) * (1 + 1e-12):
                raise InfeasibleError(
                    f"{self.name}: the target is net {_money(net)}, tolerance {_money(self.limit(setting))}; "
                    "raise the tolerance above that, or balance the target"
                )
            return
        if self.during is not None:
            return
        net = float(self._prices(setting) @ setting.remaining)
        if abs(net) > self.limit(setting) * (1 + 1e-12):
            raise InfeasibleError(
                f"{self.name}: the order is net {_money(net)}, tolerance {_money(self.limit(setting))}; "
                "raise the tolerance above that, balance the order, or apply it during= a later window"
            )

    def parameters(self, setting: Setting) -> dict[str, Array]:
        """Prices, and limits (N,) around the value of the target."""
        limit = np.where(self._window(setting), self.limit(setting), np.inf)
        prices = self._prices(setting)
        offset = float(prices @ setting.target) if self.of == "holdings" else 0.0
        return {"price": prices, "lower": -limit - offset, "upper": limit - offset}

    def expressions(self, path: Paths, data: Parameters) -> list[cp.Constraint]:
        """-tolerance <= p'x <= tolerance."""
        net = path.after @ data["price"]
        return [net >= data["lower"], net <= data["upper"]]

    def violation(self, path: Trajectory) -> Array:
        """Currency beyond the tolerance."""
        held = (path.remaining if self.of == "remaining" else path.holdings)[1:]
        over = np.abs(held @ self._prices(path.setting)) - self.limit(path.setting)
        return np.where(self._window(path.setting), np.maximum(over, 0.0), 0.0)

    def _window(self, setting: Setting) -> Mask:
        return setting.window(self.during)

    def _prices(self, setting: Setting) -> Array:
        return np.asarray(setting.market.prices * self.where(setting).any(axis=0))


def _money(value: float) -> str:
    for size, suffix in ((1e9, "bn"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:,.4g}{suffix}"
    return f"{value:,.4g}"

"""Rules that keep a quantity between two limits, and that may be soft: broken at a price instead of never."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import cvxpy as cp
import numpy as np

from acopt.errors import DataError
from acopt.market.clock import number
from acopt.market.labels import LARGEST, Array, called
from acopt.model.algebra import Constraint, Cost, Objective, Parameters, Term
from acopt.model.paths import Paths, Trajectory, dot
from acopt.model.setting import Setting


class Limits(Constraint):
    """
    Base of the rules that keep a quantity of the path between two limits in every interval.

    lower <= g(path) <= upper;  soft: s = max(lower - g, g - upper, 0) has a price instead

    A subclass says the quantity in CVXPY (`quantity`) and in NumPy (`measured`), and the limits of both.
    """

    never_soft: ClassVar[str] = ""

    @abstractmethod
    def allowed(self, setting: Setting) -> tuple[Array, Array]:
        """Limits of `measured`, by interval and by asset (factor, group); infinite where the rule is silent."""

    @abstractmethod
    def measured(self, path: Trajectory) -> Array:
        """What is limited, in `unit`."""

    @abstractmethod
    def numbers(self, setting: Setting) -> dict[str, Array]:
        """Numbers for `quantity`, and its limits "lower" and "upper"."""

    @abstractmethod
    def quantity(self, path: Paths, data: Parameters) -> cp.Expression:
        """What is limited, up to a shift that "lower" and "upper" have too."""

    def violation(self, path: Trajectory) -> Array:
        """What is outside the limits."""
        low, high = self.allowed(path.setting)
        value = self.measured(path)
        return np.asarray(np.maximum(np.maximum(low - value, value - high), 0.0))

    def penalty(self) -> Objective | None:
        """Price of breaking it, when it is soft."""
        return Objective((Term(None, SoftRule(self)),)) if self.soft else None


class SoftRule(Cost):
    """
    Penalty on breaking a soft rule, in every interval.

    sum_k penalty_bps 1e-4 p' s_k,  s = max(lower - g, g - upper, 0) outside the limits, as `Limits`

    Parameters
    ----------
    rule : a soft one. s is in shares (N, n), priced at arrival, p = P, or in currency, p = 1.

    Notes
    -----
    The penalty is exact: beyond the multiplier that the hard rule would have, it keeps the rule.

    References
    ----------
    Nocedal & Wright (2006), section 17.2.
    """

    kind = "penalty"

    def __init__(self, rule: Limits, name: str | None = None) -> None:
        self.rule = rule
        self.name = called(name, f"{rule.name} (soft)")

    def price(self, setting: Setting) -> Array:
        """Currency per share (n,), or per currency ()."""
        bps, what = self.rule.penalty_bps, f"{self.rule.name} penalty_bps"
        if self.rule.unit == "shares":
            return np.asarray(setting.per_asset(bps, what, sign="positive") * 1e-4 * setting.market.prices)
        price = number(bps)
        if price is None or not 0 < price <= LARGEST:
            raise DataError(f"{what}={bps!r}: a number > 0 is expected")
        return np.asarray(1e-4 * price)

    def parameters(self, setting: Setting, weight: float) -> dict[str, Array]:
        """Limits, and the price of every cell outside."""
        numbers = self.rule.numbers(setting)
        return {**numbers, "price": np.broadcast_to(weight * self.price(setting), numbers["lower"].shape)}

    def expression(self, path: Paths, data: Parameters) -> cp.Expression:
        """Return the price of s, which is as large as what is outside, and not negative."""
        value = self.rule.quantity(path, data)
        outside = cp.Variable(value.shape, name=f"outside {self.rule.name}")
        path.definitions += [data["lower"] - value <= outside, value - data["upper"] <= outside, outside >= 0]
        return dot(data["price"], outside)

    def values(self, path: Trajectory) -> Array:
        """Price of what is outside (N, n); of a rule in currency, which is about many assets, the whole."""
        paid = self.price(path.setting) * self.rule.violation(path)
        return np.asarray(paid if self.rule.unit == "shares" else paid.sum())

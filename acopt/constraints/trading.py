"""Rules on single trades: how much, how fast, in which direction, and when."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

import cvxpy as cp
import numpy as np

from acopt.constraints.soft import Limits
from acopt.errors import DataError
from acopt.market.labels import Array, Data, called, place
from acopt.model.algebra import Constraint, Cost, Objective, Parameters, Term
from acopt.model.paths import Paths, Trajectory
from acopt.model.setting import BOUNDS, Mask, Setting


@dataclass(frozen=True, kw_only=True)
class TradeBounds(Limits):
    """Base of the rules that bound every trade on its own: lower <= u <= upper, in shares."""

    @abstractmethod
    def bounds(self, setting: Setting) -> tuple[Array, Array]:
        """Lower and upper bound (N, n), shares, before `assets` and `during` are applied."""

    def trade_bounds(self, setting: Setting) -> tuple[Array, Array] | None:
        """Lower and upper bound (N, n), shares; infinite where the rule does not apply. None when it is soft."""
        return None if self.soft else self.allowed(setting)

    def allowed(self, setting: Setting) -> tuple[Array, Array]:
        """Lower and upper bound (N, n), shares; infinite where the rule does not apply."""
        return setting.once(self, BOUNDS, lambda: self._applied(setting))

    def _applied(self, setting: Setting) -> tuple[Array, Array]:
        where = self.where(setting)
        lower, upper = self.bounds(setting)
        lower, upper = np.where(where, lower, -np.inf), np.where(where, upper, np.inf)
        crossed = lower > upper
        if crossed.any():
            k, i = (int(j) for j in np.argwhere(crossed)[0])
            raise DataError(
                f"{self.name}: the lower bound {lower[k, i]:,.6g} is above the upper bound {upper[k, i]:,.6g} "
                f"for {place(k, i, setting.grid.labels, setting.assets)}"
            )
        return lower, upper

    def measured(self, path: Trajectory) -> Array:
        """Trades (N, n)."""
        return path.trades

    def numbers(self, setting: Setting) -> dict[str, Array]:
        """Bounds (N, n)."""
        return dict(zip(("lower", "upper"), self.allowed(setting), strict=True))

    def quantity(self, path: Paths, data: Parameters) -> cp.Expression:
        """Trades."""
        return path.trades


@dataclass(frozen=True)
class TradeSize(TradeBounds):
    """
    Bounds on every trade, in signed shares (buys +, sells -).

    lower_ki <= u_ki <= upper_ki

    Parameters
    ----------
    lower, upper : shares: scalar, by asset, by interval, or both; None leaves a side open.
    """

    lower: Data | None = None
    upper: Data | None = None

    def bounds(self, setting: Setting) -> tuple[Array, Array]:
        """Return the bounds as given."""
        return _pair(self.lower, self.upper, setting, self.name)


@dataclass(frozen=True)
class TradeRate(TradeBounds):
    """
    Bounds on the trading rate, in signed shares per unit of time.

    lower_ki tau_k <= u_ki <= upper_ki tau_k;  an auction has no rate, and is not bounded

    Parameters
    ----------
    lower, upper : shares/time: scalar, by asset, by interval, or both; None leaves a side open.
    """

    lower: Data | None = None
    upper: Data | None = None

    def bounds(self, setting: Setting) -> tuple[Array, Array]:
        """Rates times durations."""
        lower, upper = _pair(self.lower, self.upper, setting, self.name)
        auctions = setting.grid.auctions[:, None]
        tau = np.where(auctions, 1.0, setting.durations)
        return np.where(auctions, -np.inf, lower * tau), np.where(auctions, np.inf, upper * tau)

    def widening(self, setting: Setting) -> tuple[str, Array]:
        """One share per unit of time: as many shares as the interval is long."""
        return f"share per {setting.grid.unit}", np.broadcast_to(setting.durations, setting.shape)


@dataclass(frozen=True)
class Participation(TradeBounds):
    """
    Cap, and floor, on the fraction of the market's expected volume.

    |u_ki| <= maximum V_ki;  at least minimum V_ki in the order's direction

    Parameters
    ----------
    maximum : fraction of the interval's volume, our own included: scalar, by asset, by interval, both.
    minimum : as `maximum`; no floor by default.

    Raises
    ------
    ModelError
        The market has no volume.
    DataError
        A fraction is negative, or the floor is above the cap.
    """

    maximum: Data
    minimum: Data | None = None

    def bounds(self, setting: Setting) -> tuple[Array, Array]:
        """Return the cap on both sides, the floor on the side of the order."""
        volume = setting.market.volumes
        top = setting.coefficient(self.maximum, f"{self.name} maximum", sign="nonnegative")
        if top.size and top.max() > 1:
            raise DataError(
                f"{self.name} maximum is {top.max():g}; a fraction of the volume, our own included, is at most 1 "
                "(0.1 is ten percent)"
            )
        cap = setting.coefficient(self.maximum, f"{self.name} maximum", sign="nonnegative") * volume
        lower, upper = -cap, cap.copy()
        if self.minimum is not None:
            floor = setting.coefficient(self.minimum, f"{self.name} minimum", sign="nonnegative") * volume
            floor = np.where(setting.forbidden, 0.0, floor) if setting.forbidden.size else floor
            lower = np.where(setting.direction > 0, floor, lower)
            upper = np.where(setting.direction < 0, -floor, upper)
        return lower, upper

    def widening(self, setting: Setting) -> tuple[str, Array]:
        """One point of participation: 1% of the volume."""
        return "participation point", 0.01 * setting.market.volumes


@dataclass(frozen=True)
class Monotone(TradeBounds):
    """
    Never trade against the order: sells only sell, buys only buy; hedge legs are free.

    u_ki sign(x_0i) <= 0
    """

    def bounds(self, setting: Setting) -> tuple[Array, Array]:
        """Zero on the wrong side of the order."""
        free = np.broadcast_to(setting.hedges, setting.shape)
        lower = np.where(free | (setting.direction < 0), -np.inf, 0.0)
        upper = np.where(free | (setting.direction > 0), np.inf, 0.0)
        return lower, upper

    def one_sided(self, setting: Setting) -> Mask:
        """Everywhere it applies, hedge legs apart."""
        return np.asarray(self.where(setting) & ~setting.hedges)


@dataclass(frozen=True)
class NoTrade(TradeBounds):
    """
    No trading in a window: `NoTrade(during=("12:00", "13:00"))`.

    u_ki = 0
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.during is None and self.assets is None:
            raise DataError("NoTrade: name a window, NoTrade(during=(start, end)), or assets=")

    def bounds(self, setting: Setting) -> tuple[Array, Array]:
        """Zero."""
        return np.zeros(setting.shape), np.zeros(setting.shape)


@dataclass(frozen=True)
class Complete(Constraint):
    """
    The order is finished at the end of the grid; implied unless `AllowUnfilled` is given.

    x_N = 0

    Next to `AllowUnfilled`, `Complete(assets=...)` names those that must be finished all the same.
    """

    completes: ClassVar[bool] = True
    never_soft: ClassVar[str] = "what may be left, and its price, are AllowUnfilled(penalty_bps=...)"

    def __post_init__(self) -> None:
        super().__post_init__()
        _no_window(self)

    def parameters(self, setting: Setting) -> dict[str, Array]:
        """None when the paths hold it; else what may be left, by asset."""
        return {} if setting.complete else {"left": np.where(self.where(setting)[-1], 0.0, np.inf)}

    def expressions(self, path: Paths, data: Parameters) -> list[cp.Constraint]:
        """None when the paths hold it; else |x_N| <= 0 or infinity."""
        return [] if path.complete else [path.variable[-1] <= data["left"], path.variable[-1] >= -data["left"]]

    def violation(self, path: Trajectory) -> Array:
        """|x_N|."""
        return np.asarray(np.abs(path.remaining[-1]) * self.where(path.setting)[-1])


@dataclass(frozen=True)
class AllowUnfilled(Constraint):
    """
    Let part of the order go, at a price per unit of currency left.

    penalty_bps 1e-4 P_i |x_Ni|, a penalty; with `assets=`, the others must be finished

    Parameters
    ----------
    penalty_bps : bps of the arrival notional that is left, > 0, scalar or by asset.
    """

    allows_unfilled: ClassVar[bool] = True

    penalty_bps: Data = field()

    def __post_init__(self) -> None:
        super().__post_init__()
        _no_window(self)

    @property
    def soft(self) -> bool:
        """Never: its price is for what it allows."""
        return False

    def penalty(self) -> Objective:
        """Return the price of what is left."""
        return Objective((Term(None, Unfilled(self.penalty_bps)),))

    def parameters(self, setting: Setting) -> dict[str, Array]:
        """What may be left, by asset."""
        return {} if self.assets is None else {"left": np.where(self.where(setting)[-1], np.inf, 0.0)}

    def expressions(self, path: Paths, data: Parameters) -> list[cp.Constraint]:
        """|x_N| <= 0 for the assets that it does not name."""
        if self.assets is None:
            return []
        return [path.variable[-1] <= data["left"], path.variable[-1] >= -data["left"]]

    def violation(self, path: Trajectory) -> Array:
        """|x_N| of the assets that it does not name."""
        return np.asarray(np.abs(path.remaining[-1]) * ~self.where(path.setting)[-1])


class Unfilled(Cost):
    """
    Penalty on what is left of the order at the end.

    penalty_bps 1e-4 P_i |x_Ni|

    Parameters
    ----------
    penalty_bps : bps of arrival notional, scalar or by asset.
    """

    kind = "penalty"

    def __init__(self, penalty_bps: Data, name: str | None = None) -> None:
        self.penalty_bps = penalty_bps
        self.name = called(name, "Unfilled")

    def price(self, setting: Setting) -> Array:
        """Penalty per share left (n,)."""
        bps = setting.per_asset(self.penalty_bps, "AllowUnfilled penalty_bps", sign="positive")
        return np.asarray(bps * 1e-4 * setting.market.prices)

    def parameters(self, setting: Setting, weight: float) -> dict[str, Array]:
        """Penalty per share left."""
        return {"price": weight * self.price(setting)}

    def expression(self, path: Paths, data: Parameters) -> cp.Expression:
        """Sum over assets, on an upper bound of |x_N|."""
        left = cp.Variable(path.variable.shape[1], name="left")
        path.definitions += [left >= path.variable[-1], left >= -path.variable[-1]]
        return data["price"] @ left

    def values(self, path: Trajectory) -> Array:
        """Return the penalty, in the last interval."""
        out = np.zeros(path.setting.shape)
        out[-1] = self.price(path.setting) * np.abs(path.remaining[-1])
        return out


def _no_window(constraint: Constraint) -> None:
    if constraint.during is not None:
        raise DataError(f"{constraint.name}: during= has no meaning here, the end of the grid is meant")


def _pair(lower: Data | None, upper: Data | None, setting: Setting, name: str) -> tuple[Array, Array]:
    if lower is None and upper is None:
        raise DataError(f"{name}: give a lower bound, an upper bound, or both")
    low = np.full(setting.shape, -np.inf)
    high = np.full(setting.shape, np.inf)
    if lower is not None:
        low = setting.coefficient(lower, f"{name} lower", infinite=True)
    if upper is not None:
        high = setting.coefficient(upper, f"{name} upper", infinite=True)
    return low, high

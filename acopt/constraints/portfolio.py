"""Rules on what is held along the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import cvxpy as cp
import numpy as np
import pandas as pd

from acopt.constraints.position_bounds import Neutral, Position, PositionBounds, Tolerance, labelled, money, prices
from acopt.constraints.soft import Limits
from acopt.errors import DataError, InfeasibleError
from acopt.market.labels import Array, Data, by_interval_and_asset, label_list, numbers, place
from acopt.model.algebra import Parameters
from acopt.model.paths import Paths, Trajectory
from acopt.model.setting import Setting


@dataclass(frozen=True)
class HoldingBounds(Limits):
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

    def allowed(self, setting: Setting) -> tuple[Array, Array]:
        """Bounds on h_1..h_N (N, n)."""
        return self.bounds(setting)

    def measured(self, path: Trajectory) -> Array:
        """h_1..h_N (N, n)."""
        return path.holdings[1:]

    def parameters(self, setting: Setting) -> dict[str, Array]:
        """Return its numbers, unless it is soft."""
        return {} if self.soft else self.numbers(setting)

    def numbers(self, setting: Setting) -> dict[str, Array]:
        """Bounds on x = h - target."""
        low, high = self.bounds(setting)
        return {"lower": low - setting.target, "upper": high - setting.target}

    def quantity(self, path: Paths, data: Parameters) -> cp.Expression:
        """x_1..x_N."""
        return path.after

    def expressions(self, path: Paths, data: Parameters) -> list[cp.Constraint]:
        """lower <= h <= upper, unless it is soft."""
        return [] if self.soft else [path.after >= data["lower"], path.after <= data["upper"]]

    def row_labels(self, setting: Setting) -> pd.Index:
        """Return the assets."""
        return setting.assets


@dataclass(frozen=True)
class DollarNeutral(Neutral):
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
        At construction of the problem, when the order itself (for holdings: its target) is outside the
        tolerance, and no hedge leg is there to make up for it.
    """

    tolerance: float
    of: Position = "remaining"

    def limit(self, setting: Setting) -> float:
        """Tolerance in currency."""
        return float(self.tolerances(setting))

    def functionals(self, setting: Setting) -> Array:
        """Prices (n,)."""
        return prices(self, setting)


@dataclass(frozen=True)
class FactorNeutral(Neutral):
    """
    Keep the exposure of what is left (or held) to each factor small.

    |sum_i B_if p_i x_ki| <= tolerance_f,  k = 1..N

    Parameters
    ----------
    exposures : B, per currency of position: a DataFrame asset x factor, or for one factor a Series by asset.
    tolerance : currency, or by factor; each below 1 is a fraction of the initial gross notional.
    of : "remaining" (x) or "holdings" (h).

    Raises
    ------
    DataError
        An asset without exposure, an exposure that is no finite number, a factor without tolerance.
    InfeasibleError
        As in `DollarNeutral`; names the factor.
    """

    labels_are: ClassVar[str] = "factor"

    exposures: pd.DataFrame | pd.Series | Mapping[Any, float]
    tolerance: Tolerance
    of: Position = "remaining"

    def table(self, setting: Setting) -> pd.DataFrame:
        """B for the assets that it covers, asset x factor."""
        return setting.once(self, "exposures", lambda: self._table(setting))

    def _table(self, setting: Setting) -> pd.DataFrame:
        given, what = self.exposures, f"{self.name} exposures"
        if isinstance(given, Mapping):
            given = pd.Series(dict(given), dtype=object)
        if not isinstance(given, pd.Series | pd.DataFrame):
            raise DataError(f"{what}: {type(given).__name__} was given; a DataFrame asset x factor is expected")
        frame = given.to_frame(given.name or "factor") if isinstance(given, pd.Series) else given
        repeated = frame.columns[frame.columns.duplicated()]
        if len(repeated) or frame.columns.empty:
            raise DataError(f"{what}: {f'two factors are called {repeated[0]!r}' if len(repeated) else 'no factor'}")
        chosen = labelled(frame, setting.assets[self.covered(setting)], what, "asset")
        values = numbers(chosen, what)
        if not np.isfinite(values).all():
            i, f = (int(j) for j in np.argwhere(~np.isfinite(values))[0])
            raise DataError(f"{what} is {values[i, f]:g} for {chosen.index[i]}, factor {chosen.columns[f]}")
        return pd.DataFrame(values, chosen.index, chosen.columns)

    def functionals(self, setting: Setting) -> Array:
        """B_if p_i (n, f)."""
        table = self.table(setting).reindex(setting.assets, fill_value=0.0)
        return np.asarray(table.to_numpy() * setting.market.prices[:, None])

    def row_labels(self, setting: Setting) -> pd.Index:
        """Return the factors."""
        return pd.Index(self.table(setting).columns)


@dataclass(frozen=True)
class GroupNeutral(Neutral):
    """
    Keep the net value of what is left (or held) in each group small: sectors, countries, pairs.

    |sum_{i in g} p_i x_ki| <= tolerance_g,  k = 1..N

    Parameters
    ----------
    groups : label of each asset's group, a mapping or Series by asset; `assets=` leaves assets out.
    tolerance : currency, or by group; each below 1 is a fraction of the initial gross notional (of all assets).
    of : "remaining" (x) or "holdings" (h).

    Raises
    ------
    DataError
        An asset without a group, a group without tolerance.
    InfeasibleError
        As in `DollarNeutral`; names the group.
    """

    labels_are: ClassVar[str] = "group"

    groups: Mapping[Any, Any] | pd.Series
    tolerance: Tolerance
    of: Position = "remaining"

    def members(self, setting: Setting) -> pd.Series:
        """Group of each asset that it covers."""
        what = f"{self.name} groups"
        if not isinstance(self.groups, Mapping | pd.Series):
            raise DataError(f"{what}: {type(self.groups).__name__} was given; a mapping or Series by asset is expected")
        covered = setting.assets[self.covered(setting)]
        found = labelled(pd.Series(self.groups, dtype=object), covered, what, "asset")
        if found.isna().any():
            raise DataError(f"{what}: {found.index[found.isna()][0]} has no group; its label is missing")
        label_list(found, what)
        return pd.Series(found)

    def functionals(self, setting: Setting) -> Array:
        """p_i where asset i is of group g (n, g)."""
        group = self.members(setting).reindex(setting.assets).to_numpy()
        return np.where(group[:, None] == self.row_labels(setting).to_numpy(), setting.market.prices[:, None], 0.0)

    def row_labels(self, setting: Setting) -> pd.Index:
        """Return the groups, as they first appear."""
        groups: pd.Index = pd.Index(self.members(setting).unique())
        return groups


@dataclass(frozen=True)
class CashBalance(PositionBounds):
    """
    Bounds on the cash that trading has brought in so far: sells bring it in, buys spend it.

    lower_k <= -sum_{j<=k} p' u_j <= upper_k,  k = 1..N

    Parameters
    ----------
    lower, upper : currency, at arrival prices: a number, or a Series by interval (the balance after that
        interval's trades); None leaves a side open. `CashBalance(lower=0)`: buys are paid for by sells.

    Raises
    ------
    DataError
        No bound, or a lower one above the upper one.
    InfeasibleError
        At construction of the problem, when the whole order ends outside the bounds.
    """

    lower: Data | None = None
    upper: Data | None = None

    def functionals(self, setting: Setting) -> Array:
        """-p (n,)."""
        return -prices(self, setting)

    def shift(self, setting: Setting) -> Array:
        """-x_0, so that the position is what was executed."""
        return -setting.remaining

    def limits(self, setting: Setting) -> tuple[Array, Array]:
        """Bounds as given (N,)."""
        if self.lower is None and self.upper is None:
            raise DataError(f"{self.name}: give a lower bound, an upper bound, or both")
        low, high = (self._by_interval(side, setting) for side in ("lower", "upper"))
        if (low > high).any():
            k = int(np.argmax(low > high))
            raise DataError(
                f"{self.name}: the lower bound {money(low[k])} is above the upper bound {money(high[k])} "
                f"at {setting.grid.labels[k]}"
            )
        return low, high

    def _by_interval(self, side: Literal["lower", "upper"], setting: Setting) -> Array:
        value = getattr(self, side)
        if value is None:
            return np.full(setting.shape[0], -np.inf if side == "lower" else np.inf)
        cash, what = pd.Index(["cash"]), f"{self.name} {side}"
        return by_interval_and_asset(value, setting.grid.labels, cash, what=what, infinite=True)[:, 0]

    def check(self, setting: Setting) -> None:
        """Demand that the balance of the whole order is within the bounds at the end."""
        value, over = self.outside(setting, np.zeros_like(setting.target), -1)
        if setting.complete and over.any():
            low, high = (limit[-1] for limit in self.bounds(setting))
            raise InfeasibleError(
                f"{self.name}: the whole order ends with cash {money(value[0])}, outside the bounds {money(low)} to "
                f"{money(high)}; widen them, trade less, or apply it during= an earlier window"
            )

"""Impact models: laws of price impact, linearised where needed, that costs take their coefficients from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pandas as pd

from acopt.errors import DataError, ModelError
from acopt.market.labels import LARGEST, Array, Data, by_asset, by_asset_pair, by_interval_and_asset, numbers

if TYPE_CHECKING:
    from acopt.market.grid import TimeGrid
    from acopt.market.market import Market

INVERSE_TURNOVER = 250.0
NO_AUCTION = (
    "the grid has auctions, in which a trade has no rate and eta does not apply; give auction=, currency/share^2 (the "
    "laws LinearImpact, SquareRootImpact and AlmgrenEtAl2005 know it by themselves)"
)
"""What a coefficient for continuous trading alone lacks."""


class ImpactModel(Protocol):
    """
    What a cost asks of an impact model.

    `temporary` (N, n), currency*time/share^2, may be infinite where nothing trades (zero volume);
    `in_auction` (N, n), currency/share^2, per share of a single trade, is asked for on grids with
    auctions only, and read there only; `permanent` (n, n), currency/share^2; `law` prices trades (N, n)
    under the law itself, currency (N, n), or is None when the law is the linear one; `power` states that
    law: K (N, n), currency/share^(1+b), infinite where nothing trades, and b (n,), so that a single trade
    costs K |u|^(1+b), in auctions too.
    """

    def temporary(self, market: Market) -> Array: ...  # noqa: D102
    def in_auction(self, market: Market) -> Array: ...  # noqa: D102
    def permanent(self, market: Market) -> Array: ...  # noqa: D102
    def law(self, market: Market, trades: Array) -> Array | None: ...  # noqa: D102
    def power(self, market: Market) -> tuple[Array, Array]: ...  # noqa: D102


@dataclass(frozen=True)
class LinearImpact:
    """
    Impact proportional to participation: the cost is exactly `bps` when participation is `at`.

    eta_ik = bps 1e-4 P_i tau_k / (at V_ik); gamma_i = permanent_bps 1e-4 P_i / (0.01 ADV_i);
    in an auction A_ik = bps 1e-4 P_i / (at V_ik), V its own volume

    Parameters
    ----------
    bps : cost of trading at participation `at`, bps of price; scalar or by asset.
    at : participation, fraction of the interval's volume.
    permanent_bps : permanent move per 1% of daily volume, bps; scalar or by asset.
    """

    bps: Data
    at: float = 0.10
    permanent_bps: Data = 0.0

    def temporary(self, market: Market) -> Array:
        """Temporary coefficient (N, n), currency*time/share^2."""
        return _over_time(self.in_auction(market), market)

    def in_auction(self, market: Market) -> Array:
        """Coefficient of a single trade (N, n), currency/share^2."""
        bps = by_asset(self.bps, market.assets, what="LinearImpact bps", sign="nonnegative")
        return _linearised(bps * 1e-4 * market.prices, _participation(self.at), market)

    def permanent(self, market: Market) -> Array:
        """Permanent coefficient (n, n), diagonal, currency/share^2."""
        bps = by_asset(self.permanent_bps, market.assets, what="LinearImpact permanent_bps", sign="nonnegative")
        if not bps.any():
            return np.zeros((len(bps), len(bps)))
        return np.diag(bps * 1e-4 * market.prices / (0.01 * market.daily_volume))

    def law(self, market: Market, trades: Array) -> None:
        """The law is linear: there is nothing to re-price."""

    def power(self, market: Market) -> tuple[Array, Array]:
        """The law as K |u|^(1+b), b = 1."""
        return self.in_auction(market), np.ones(len(market.assets))


@dataclass(frozen=True)
class SquareRootImpact:
    """
    Impact growing with the square root of participation, linearised at participation `at`.

    Cost per share c sigma_i sqrt(|u_ik| / V_ik); line through it at `at`:
    eta_ik = c sigma_i sqrt(at) tau_k / (at V_ik); in an auction A_ik = c sigma_i sqrt(at) / (at V_ik).

    Parameters
    ----------
    coefficient : c, dimensionless, scalar or by asset (often near 1).
    at : participation at which the line meets the law.

    Notes
    -----
    sigma_i is the daily volatility of the market's covariance, currency/share. Grinold & Kahn (2000),
    chapter 16; Toth et al. (2011).
    """

    coefficient: Data
    at: float = 0.10

    def temporary(self, market: Market) -> Array:
        """Temporary coefficient (N, n), currency*time/share^2."""
        return _over_time(self.in_auction(market), market)

    def in_auction(self, market: Market) -> Array:
        """Coefficient of a single trade (N, n), currency/share^2."""
        at = _participation(self.at)
        return _linearised(self._scale(market) * np.sqrt(at), at, market)

    def permanent(self, market: Market) -> Array:
        """No permanent part: zeros (n, n)."""
        return np.zeros((len(market.assets), len(market.assets)))

    def law(self, market: Market, trades: Array) -> Array:
        """Cost of trades (N, n) under the square-root law, currency."""
        return _power_cost(self._scale(market), 0.5, market, trades)

    def power(self, market: Market) -> tuple[Array, Array]:
        """The law as K |u|^(1+b): K = c sigma / sqrt(V), b = 1/2."""
        return _power_law(self._scale(market), 0.5, market)

    def _scale(self, market: Market) -> Array:
        c = by_asset(self.coefficient, market.assets, what="SquareRootImpact coefficient", sign="nonnegative")
        return c * market.daily_volatility


@dataclass(frozen=True)
class AlmgrenEtAl2005:
    """
    Direct estimation of equity market impact: temporary 3/5-power law, linear permanent part.

    K = 0.142 sigma |u / V|^0.6 (per share, V the interval's volume), linearised at participation `at`,
    in an auction too; gamma_i = 0.314 sigma_i (Theta_i / ADV_i)^(1/4) / ADV_i.

    Parameters
    ----------
    at : participation at which the line meets the law.
    shares_outstanding : Theta by asset, shares; None takes Theta/ADV = 250 for every asset (IBM's in the
        paper is 263; a factor of two in it moves the permanent part by 19%).

    Notes
    -----
    sigma_i is the daily volatility of the market's covariance, currency/share.
    Almgren, Thum, Hauptmann & Li (2005), equations for I and K.
    """

    at: float = 0.10
    shares_outstanding: Data | None = None

    def temporary(self, market: Market) -> Array:
        """Temporary coefficient (N, n), currency*time/share^2."""
        return _over_time(self.in_auction(market), market)

    def in_auction(self, market: Market) -> Array:
        """Coefficient of a single trade (N, n), currency/share^2."""
        at = _participation(self.at)
        return _linearised(0.142 * market.daily_volatility * at**0.6, at, market)

    def permanent(self, market: Market) -> Array:
        """Permanent coefficient (n, n), diagonal, currency/share^2."""
        adv = market.daily_volume
        if self.shares_outstanding is None:
            ratio = np.full(len(adv), INVERSE_TURNOVER)
        else:
            ratio = by_asset(self.shares_outstanding, market.assets, what="shares_outstanding", sign="positive") / adv
        return np.diag(0.314 * market.daily_volatility * ratio**0.25 / adv)

    def law(self, market: Market, trades: Array) -> Array:
        """Temporary cost of trades (N, n) under the 3/5-power law, currency."""
        return _power_cost(0.142 * market.daily_volatility, 0.6, market, trades)

    def power(self, market: Market) -> tuple[Array, Array]:
        """The law as K |u|^(1+b): K = 0.142 sigma / V^0.6, b = 3/5."""
        return _power_law(0.142 * market.daily_volatility, 0.6, market)


@dataclass(frozen=True)
class ImpactCoefficients:
    """
    Impact coefficients as they are.

    Parameters
    ----------
    eta : temporary, currency*time/share^2: scalar (one asset), by asset, by interval, or both.
    gamma : permanent, currency/share^2: scalar (one asset), by asset, or asset x asset.
    auction : in auctions u'Au, currency/share^2: scalar (one asset), by asset, by auction, or both;
        required when the grid has auctions.
    """

    eta: Data
    gamma: Data = 0.0
    auction: Data | None = None

    def temporary(self, market: Market) -> Array:
        """Temporary coefficient (N, n), currency*time/share^2."""
        return by_interval_and_asset(
            self.eta, market.grid.labels, market.assets, what="eta", sign="nonnegative", price_units=True
        )

    def permanent(self, market: Market) -> Array:
        """Permanent coefficient (n, n), currency/share^2."""
        return permanent_matrix(self.gamma, market.assets)

    def in_auction(self, market: Market) -> Array:
        """Coefficient of a trade in an auction (N, n), currency/share^2; 0 elsewhere."""
        if self.auction is None:
            raise ModelError(f"ImpactCoefficients: {NO_AUCTION}")
        return by_auction(self.auction, market.grid, market.assets, "ImpactCoefficients auction")

    def law(self, market: Market, trades: Array) -> None:
        """The law is linear: there is nothing to re-price."""

    def power(self, market: Market) -> tuple[Array, Array]:
        """The law as K |u|^(1+b): K = eta / tau, A in auctions, b = 1."""
        auctions = market.grid.auctions[:, None]
        single = self.temporary(market) / np.where(auctions, 1.0, market.grid.durations[:, None])
        single = np.where(auctions, self.in_auction(market), single) if auctions.any() else single
        return single, np.ones(len(market.assets))


def by_auction(value: Data, grid: TimeGrid, assets: pd.Index, what: str) -> Array:
    """Align a coefficient, by asset, by auction (or by interval), or both, to (N, n); 0 outside auctions, if any."""
    out = np.zeros((grid.periods, len(assets)))
    if not grid.auctions.any():
        return out
    out[grid.auctions] = by_interval_and_asset(
        value, grid.labels[grid.auctions], assets, what=what, sign="nonnegative", price_units=True
    )
    return out


def permanent_matrix(gamma: Data, assets: pd.Index) -> Array:
    """Align a permanent coefficient, by asset or asset x asset, to a matrix (n, n)."""
    if isinstance(gamma, pd.DataFrame) or np.ndim(gamma) == 2:  # type: ignore[arg-type]
        return by_asset_pair(gamma, assets, what="gamma")
    scalar = np.ndim(gamma) == 0 and not isinstance(gamma, Mapping)  # type: ignore[arg-type]
    zero = scalar and not numbers(gamma, "gamma").any()
    return np.diag(by_asset(gamma, assets, what="gamma", sign="nonnegative", price_units=not zero))


def _participation(at: float) -> float:
    number = numbers(at, "participation at")
    if number.ndim or not 1 / LARGEST <= number <= LARGEST:
        raise DataError(f"participation at={at!r}: a number > 0 is expected (0.10 is ten percent)")
    return float(number)


def _linearised(per_share: Array, at: float, market: Market) -> Array:
    """Line with cost `per_share` (n,) at participation `at`, currency/share^2; infinite where the volume is zero."""
    reach = at * market.volumes
    out = np.full(reach.shape, np.inf)
    with np.errstate(over="ignore"):
        np.divide(per_share, reach, out=out, where=reach > 0)
    return out


def _over_time(single: Array, market: Market) -> Array:
    """Coefficient per rate from that of a single trade: times tau; 0 where there is no rate."""
    tau = np.broadcast_to(market.grid.durations[:, None], single.shape)
    rated = ~(market.grid.closed | market.grid.auctions)[:, None]
    return np.multiply(single, tau, out=np.zeros_like(single), where=rated)


def _power_cost(scale: Array, exponent: float, market: Market, trades: Array) -> Array:
    size = np.abs(trades)
    rate = np.divide(size, market.volumes, out=np.where(size > 0, np.inf, 0.0), where=market.volumes > 0)
    return np.asarray(scale * rate**exponent * size)


def _power_law(scale: Array, exponent: float, market: Market) -> tuple[Array, Array]:
    """K = scale / V^b (N, n), infinite where the volume is zero, and b (n,)."""
    volume = market.volumes
    out = np.full(volume.shape, np.inf)
    np.divide(scale, volume**exponent, out=out, where=volume > 0)
    return out, np.full(len(market.assets), exponent)

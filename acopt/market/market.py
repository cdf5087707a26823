"""What is known about the market when the schedule is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import pandas as pd

from acopt.errors import DataError, ModelError
from acopt.market.covariance import AnyCovariance, RiskModel, as_covariance
from acopt.market.grid import TimeGrid
from acopt.market.impact_models import ImpactModel
from acopt.market.labels import Array, Data, by_asset, by_interval_and_asset, label_list, short

if TYPE_CHECKING:
    from acopt.market.bars import Bars


@dataclass(frozen=True)
class Bps:
    """A quantity in basis points of the arrival price: value 1e-4 P."""

    value: Data

    def __str__(self) -> str:
        return f"{self.value!s} bps"

    def __float__(self) -> NoReturn:
        raise TypeError("ac.bps(...) is accepted for a spread and a budget; a plain number is expected here")

    def of(self, price: Array, assets: pd.Index) -> Array:
        """Currency per share, (n,)."""
        return by_asset(self.value, assets, what="bps", sign="nonnegative") * 1e-4 * price


def bps(value: Data) -> Bps:
    """Say that a number (or a Series by asset) is in basis points of the arrival price."""
    return Bps(value)


class Market:
    """
    Arrival prices, expected volumes, risk, spread and impact on one grid.

    Parameters
    ----------
    grid : the intervals.
    price : P, arrival price, currency/share, > 0; its labels are the assets.
    volume : V, expected market volume per interval (our own included), shares, >= 0.
    covariance : `Covariance`, `FactorModel`, or a matrix of price changes per unit time.
    spread : full bid-ask spread, currency/share by asset, or `bps(...)`.
    impact : an impact model (`LinearImpact`, `SquareRootImpact`, `AlmgrenEtAl2005`, `ImpactCoefficients`).
    notes : what was assumed in making these numbers.

    Raises
    ------
    DataError
        A label is missing, or a number is NaN or out of its range; names the cell.
    """

    def __init__(
        self,
        grid: TimeGrid,
        price: Data,
        *,
        volume: Data | None = None,
        covariance: AnyCovariance | Data | None = None,
        spread: Data | Bps | None = None,
        impact: ImpactModel | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        if not isinstance(grid, TimeGrid):
            raise DataError(f"Market grid: {type(grid).__name__} was given, a TimeGrid is expected")
        self.grid = grid
        self.assets = _price_labels(price)
        self.prices: Array = _fixed(by_asset(price, self.assets, what="price", sign="positive"))
        if impact is not None and (isinstance(impact, type) or not callable(getattr(impact, "temporary", None))):
            raise DataError(
                f"Market impact: {short(impact)} was given, an impact model such as LinearImpact(5.0) is expected"
            )
        self.impact = impact
        self.notes = tuple(map(str, label_list(notes, "Market notes")))
        self._positions: Any = None
        self._volumes = (
            None
            if volume is None
            else _fixed(by_interval_and_asset(volume, grid.labels, self.assets, what="volume", sign="nonnegative"))
        )
        if isinstance(spread, Bps):
            spread = spread.of(self.prices, self.assets)
        self._spreads = (
            None
            if spread is None
            else _fixed(by_asset(spread, self.assets, what="spread", sign="nonnegative", price_units=True))
        )
        self.covariance = None if covariance is None else as_covariance(covariance)
        if self.covariance is not None:
            self.covariance.on(grid, self.assets)

    @classmethod
    def from_bars(
        cls,
        bars: Bars,
        grid: TimeGrid,
        *,
        assets: pd.Index | Sequence[Any] | None = None,
        history: int = 20,
        asof: Any = None,
        price: Data | None = None,
        spread: Data | Bps | str | None = None,
        impact: ImpactModel | None = None,
        daily: Bars | None = None,
        auction_volume: float | Mapping[str, float] | None = None,
    ) -> Market:
        """Calibrate a market on bars; see `acopt.market.calibration.market_from_bars`."""
        from acopt.market.calibration import market_from_bars

        return market_from_bars(
            bars,
            grid,
            assets=assets,
            history=history,
            asof=asof,
            price=price,
            spread=spread,
            impact=impact,
            daily=daily,
            auction_volume=auction_volume,
        )

    @property
    def price(self) -> pd.Series:
        """Arrival price, currency/share, by asset."""
        return pd.Series(self.prices, index=self.assets, name="price")

    @property
    def volume(self) -> pd.DataFrame:
        """Expected volume, shares, interval x asset."""
        return pd.DataFrame(self.volumes, index=self.grid.labels, columns=self.assets)

    @property
    def spread(self) -> pd.Series:
        """Full bid-ask spread, currency/share, by asset."""
        return pd.Series(self.spreads, index=self.assets, name="spread")

    @property
    def has_volume(self) -> bool:
        """Whether volumes were given."""
        return self._volumes is not None

    @property
    def has_spread(self) -> bool:
        """Whether a spread was given."""
        return self._spreads is not None

    @property
    def volumes(self) -> Array:
        """Expected volume (N, n), shares."""
        if self._volumes is None:
            raise ModelError("the market has no volume: give Market(volume=...), interval x asset, in shares")
        return self._volumes

    @property
    def spreads(self) -> Array:
        """Full spread (n,), currency/share."""
        if self._spreads is None:
            raise ModelError("the market has no spread: give Market(spread=...), or SpreadCost(half_spread=...)")
        return self._spreads

    @cached_property
    def risk(self) -> RiskModel:
        """The covariance aligned to grid and assets."""
        if self.covariance is None:
            raise ModelError("the market has no covariance: give Market(covariance=...), or TimingRisk(covariance=...)")
        return self.align(self.covariance)

    @cached_property
    def daily_volume(self) -> Array:
        """Average daily volume (n,): expected volume per open time, times one day; plus a day's auctions."""
        grid = self.grid
        open_time = float(grid.durations[~grid.closed].sum())
        traded = self.volumes[~grid.closed & ~grid.auctions].sum(axis=0)
        volume = np.asarray(traded / open_time * grid.duration("1 day"))
        if grid.timestamps is not None and grid.auctions.any():
            volume = volume + self.volumes[grid.auctions].sum(axis=0) / len(grid.timestamps.normalize().unique())
        if (volume <= 0).any():
            asset = self.assets[int(np.argmin(volume))]
            raise DataError(f"volume is 0 in every interval for {asset}; its impact cannot be expressed per volume")
        return volume

    @cached_property
    def daily_volatility(self) -> Array:
        """Volatility of one day (n,), currency/share: duration-weighted over the open intervals."""
        tau = self.grid.durations * ~self.grid.closed
        unit = self.risk.apply
        n = len(self.assets)
        variance = np.empty(n)
        for i in range(n):
            e = np.zeros((self.grid.periods, n))
            e[:, i] = 1.0
            variance[i] = tau @ unit(e)[:, i] / tau.sum()
        return np.sqrt(variance * self.grid.duration("1 day"))

    def align(self, covariance: AnyCovariance) -> RiskModel:
        """Align a covariance to this market's grid and assets."""
        positions = self._positions if covariance is self.covariance else None
        return covariance.on(self.grid, self.assets, positions=positions)

    def select(self, assets: pd.Index | Sequence[Any]) -> Market:
        """Restrict to these assets, in this order."""
        wanted = assets if isinstance(assets, pd.Index) else pd.Index(label_list(assets, "Market.select assets"))
        if wanted.equals(self.assets):
            return self
        if not wanted.is_unique:
            raise DataError(f"Market.select: the asset {wanted[wanted.duplicated()][0]!r} appears more than once")
        unknown = wanted[~wanted.isin(self.assets)]
        if len(unknown):
            raise DataError(
                f"the market has no asset {unknown[0]!s}; it has: {', '.join(map(str, self.assets[:12]))}"
                + (", ..." if len(self.assets) > 12 else "")
            )
        pick = self.assets.get_indexer(wanted)
        out = object.__new__(Market)
        out.grid, out.assets, out.impact, out.notes = self.grid, wanted, self.impact, self.notes
        out.prices, out.covariance = _fixed(self.prices[pick]), self.covariance
        out._volumes = None if self._volumes is None else _fixed(self._volumes[:, pick])
        out._spreads = None if self._spreads is None else _fixed(self._spreads[pick])
        out._positions = pick if self._positions is None else self._positions[pick]
        return out

    def with_volumes(self, volumes: Array) -> Market:
        """Return the same market with other expected volumes (N, n), shares, >= 0."""
        out = copy(self)
        out._volumes = _fixed(volumes)
        out.__dict__.pop("daily_volume", None)
        return out

    def __repr__(self) -> str:
        has = [
            name
            for name, present in (
                ("volume", self._volumes is not None),
                ("covariance", self.covariance is not None),
                ("spread", self._spreads is not None),
                (type(self.impact).__name__, self.impact is not None),
            )
            if present
        ]
        return f"Market({len(self.assets)} assets, {self.grid.periods} intervals; {', '.join(has) or 'prices only'})"


def _fixed(values: Array) -> Array:
    """Return a copy that cannot be written to: policies see it, and all that a market prices goes by it."""
    out = np.array(values)
    out.setflags(write=False)
    return out


def _price_labels(price: Data) -> pd.Index:
    if isinstance(price, pd.Series):
        labels = price.index
    elif isinstance(price, Mapping):
        labels = pd.Index(list(price))
    elif np.size(price) == 1:
        return pd.Index(["asset"])
    else:
        raise DataError("price: several assets need labels; give a Series by asset")
    if len(labels) == 0:
        raise DataError("price: no asset was given")
    if not labels.is_unique:
        raise DataError(f"price: the asset {labels[labels.duplicated()][0]!r} appears more than once")
    return labels

"""Risk of price changes: a full covariance, or a factor model; constant, scaled or given per interval."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from acopt.errors import DataError
from acopt.market.clock import number
from acopt.market.labels import (
    Array,
    Data,
    by_asset,
    by_asset_pair,
    by_interval_and_asset,
    numbers,
    place,
    short,
    symmetric,
)

if TYPE_CHECKING:
    from acopt.market.grid import TimeGrid

PERIODS_PER_DAY = {"day": 1.0, "month": 1 / 21, "year": 1 / 252}
PSD_TOLERANCE = 1e-10


@dataclass(frozen=True)
class RiskModel:
    """
    A covariance aligned to one grid and one list of assets, in the two forms that are needed.

    Sigma_k = diag(s_k) (R_k R_k' + diag(d)^2) diag(s_k)

    Attributes
    ----------
    scale : s, (N, n) volatility multipliers.
    root : R, (n, r), or (N, n, r) when matrices were given per interval.
    specific : d, (n,) specific volatility, currency/share/time^1/2; zero for a full covariance.
    apply : x (N, n) -> Sigma_k x_k (N, n), from the original data and not from the root; it can be pickled.
    """

    scale: Array
    root: Array
    specific: Array
    apply: Callable[[Array], Array]


class Covariance:
    """
    Covariance of price changes per unit time, Sigma_k = diag(s_k) Sigma diag(s_k).

    Parameters
    ----------
    matrix : DataFrame or array (n, n), or array (N, n, n) per interval, currency^2/share^2/time;
        a scalar variance for one asset.
    scale : s, volatility multiplier: scalar, by asset, by interval, or both; 1 by default.

    Raises
    ------
    DataError
        Not symmetric (names the pair) or not positive semidefinite (names the eigenvalue).
    """

    def __init__(self, matrix: Data, *, scale: Data | None = None) -> None:
        self._matrix = matrix
        self._scale = scale
        if isinstance(matrix, pd.DataFrame):
            _psd(symmetric(by_asset_pair(matrix, matrix.columns, what="covariance"), matrix.columns, what="covariance"))

    @classmethod
    def diagonal(cls, volatility: Data, *, scale: Data | None = None) -> Covariance:
        """Uncorrelated assets of the given volatility, currency/share/time^1/2, by asset."""
        if isinstance(volatility, pd.Series | Mapping):
            series = volatility if isinstance(volatility, pd.Series) else pd.Series(dict(volatility), dtype=object)
            values = by_asset(series, series.index, what="volatility", sign="nonnegative")
            return cls(pd.DataFrame(np.diag(values**2), index=series.index, columns=series.index), scale=scale)
        values = by_asset(volatility, pd.RangeIndex(np.size(volatility)), what="volatility", sign="nonnegative")
        return cls(np.diag(values**2), scale=scale)

    @classmethod
    def from_returns(
        cls,
        returns: pd.DataFrame | Data,
        price: Data,
        *,
        per: str | float = "day",
        scale: Data | None = None,
    ) -> Covariance:
        """
        Convert a covariance of RETURNS to one of price changes per day: Sigma_ij = P_i P_j C_ij / T.

        Parameters
        ----------
        returns : C, DataFrame asset x asset (or array (n, n)), return^2 per period.
        price : P, currency/share by asset.
        per : the period of C: "day", "month" (21 days), "year" (252 days), or a number of days T.
        scale : as in `Covariance`.
        """
        days = _days(per)
        if isinstance(returns, pd.DataFrame):
            labels = returns.columns
            c = by_asset_pair(returns, labels, what="returns covariance")
            p = by_asset(price, labels, what="price", sign="positive")
            return cls(pd.DataFrame(c * np.outer(p, p) / days, index=labels, columns=labels), scale=scale)
        c = np.atleast_2d(numbers(returns, "returns covariance"))
        p = by_asset(price, pd.RangeIndex(len(c)), what="price", sign="positive")
        return cls(c * np.outer(p, p) / days, scale=scale)

    @property
    def assets(self) -> pd.Index | None:
        """Labels, when the covariance was given with labels."""
        return self._matrix.columns if isinstance(self._matrix, pd.DataFrame) else None

    def on(self, grid: TimeGrid, assets: pd.Index, *, positions: Array | None = None) -> RiskModel:
        """Align to a grid and to assets; `positions` picks rows of an unlabelled matrix."""
        n = grid.periods
        scale = _scale(self._scale, grid, assets, _positions(self.assets, assets, positions), _shape(self._matrix))
        raw = self._matrix
        if not isinstance(raw, pd.DataFrame):
            raw = numbers(raw, "covariance")
            if raw.ndim >= 2 and positions is not None:
                raw = raw[..., positions[:, None], positions[None, :]]
            if raw.ndim == 3:
                return self._per_interval(raw, n, scale, assets)
        sigma = symmetric(by_asset_pair(raw, assets, what="covariance"), assets, what="covariance")
        root = _psd(sigma)
        return RiskModel(scale, root, np.zeros(len(assets)), partial(_full, scale, sigma))

    @staticmethod
    def _per_interval(raw: Array, n: int, scale: Array, assets: pd.Index) -> RiskModel:
        if raw.shape[0] != n:
            raise DataError(f"covariance: {raw.shape[0]} matrices were given for {n} intervals")
        sigma = np.stack([by_asset_pair(m, assets, what=f"covariance of interval {k}") for k, m in enumerate(raw)])
        sigma = np.stack([symmetric(m, assets, what=f"covariance of interval {k}") for k, m in enumerate(sigma)])
        root = np.stack([_psd(m, f"covariance of interval {k}") for k, m in enumerate(sigma)])
        return RiskModel(scale, root, np.zeros(len(assets)), partial(_by_interval, scale, sigma))

    def __repr__(self) -> str:
        size = _shape(self._matrix)
        return f"Covariance({' x '.join(map(str, size)) or 'one asset'}{', scaled' if self._scale is not None else ''})"


class FactorModel:
    """
    Factor covariance of price changes per unit time, Sigma_k = diag(s_k)(B F_k B' + D)diag(s_k).

    Parameters
    ----------
    loadings : B, DataFrame asset x factor or array (n, m), currency/share per unit of factor.
    factor_covariance : F, (m, m), or (N, m, m) per interval, factor^2/time.
    specific_variance : diagonal of D, (n,) by asset, currency^2/share^2/time, >= 0.
    scale : s, volatility multiplier by asset, by interval, or both; 1 by default.

    Raises
    ------
    DataError
        F is not symmetric or not positive semidefinite, a shape or a label does not fit.
    """

    def __init__(
        self,
        loadings: pd.DataFrame | Data,
        factor_covariance: Data,
        specific_variance: Data,
        *,
        scale: Data | None = None,
    ) -> None:
        self._loadings = loadings
        self._scale = scale
        values = numbers(loadings, "loadings")
        if values.ndim != 2:
            raise DataError(f"loadings: an asset x factor table is expected, given shape {values.shape}")
        m = values.shape[1]
        labels = loadings.columns if isinstance(loadings, pd.DataFrame) else pd.RangeIndex(m)
        for row, column in np.argwhere(~np.isfinite(values)):
            rows = loadings.index if isinstance(loadings, pd.DataFrame) else pd.RangeIndex(len(values))
            raise DataError(f"loadings: {values[row, column]:g} for {place(row, column, rows, labels)}")
        factor = _factors(factor_covariance, labels)
        if factor.ndim == 0 and m == 1:
            factor = factor.reshape(1, 1)
        if factor.shape[-2:] != (m, m) or factor.ndim > 3:
            raise DataError(f"factor covariance: shape {factor.shape} was given, ({m}, {m}) is expected")
        if not np.isfinite(factor).all():
            raise DataError(
                f"factor covariance is {factor[~np.isfinite(factor)][0]:g} in a cell; finite numbers are expected"
            )
        stack = factor.reshape(-1, m, m)
        self._factor = np.stack([symmetric(f, labels, what="factor covariance") for f in stack])
        self._factor_root = np.stack([_psd(f, "factor covariance") for f in self._factor])
        self._specific = specific_variance
        if isinstance(loadings, pd.DataFrame):
            if not loadings.index.is_unique:
                raise DataError(f"loadings: the asset {loadings.index[loadings.index.duplicated()][0]!r} appears twice")
            # An array has no labels of its own: it goes by the rows of the loadings, whatever the market's sequence.
            self._specific = pd.Series(_specific(specific_variance, loadings.index), index=loadings.index)

    @classmethod
    def from_returns(
        cls,
        loadings: pd.DataFrame,
        factor_covariance: Data,
        specific_variance: Data,
        price: Data,
        *,
        per: str | float = "day",
        scale: Data | None = None,
    ) -> FactorModel:
        """Convert a factor model of RETURNS (loadings per factor return) to one of price changes per day."""
        days = _days(per)
        if not isinstance(loadings, pd.DataFrame):
            raise DataError("FactorModel.from_returns: loadings must be a DataFrame asset x factor")
        p = by_asset(price, loadings.index, what="price", sign="positive")
        d = by_asset(specific_variance, loadings.index, what="specific variance", sign="nonnegative")
        own = numbers(loadings, "loadings") * p[:, None]
        return cls(
            pd.DataFrame(own, loadings.index, loadings.columns),
            _factors(factor_covariance, loadings.columns) / days,
            pd.Series(d * p**2 / days, index=loadings.index),
            scale=scale,
        )

    @property
    def assets(self) -> pd.Index | None:
        """Labels, when the loadings were given with labels."""
        return self._loadings.index if isinstance(self._loadings, pd.DataFrame) else None

    def on(self, grid: TimeGrid, assets: pd.Index, *, positions: Array | None = None) -> RiskModel:
        """Align to a grid and to assets; `positions` picks rows of an unlabelled model."""
        n = grid.periods
        scale = _scale(
            self._scale, grid, assets, _positions(self.assets, assets, positions), _shape(self._loadings)[:1]
        )
        specific = self._specific
        if isinstance(self._loadings, pd.DataFrame):
            missing = assets[~assets.isin(self._loadings.index)]
            if len(missing):
                raise DataError(f"loadings: no row for asset {missing[0]}")
            b = self._loadings.loc[assets].to_numpy(dtype=float)
        else:
            b = np.asarray(self._loadings, dtype=float)
            if positions is not None:
                b = b[positions]
                specific = np.broadcast_to(np.asarray(specific, dtype=float), (len(np.asarray(self._loadings)),))[
                    positions
                ]
            if b.shape[0] != len(assets):
                raise DataError(f"loadings: {b.shape[0]} rows were given for {len(assets)} assets")
        d2 = _specific(specific, assets)
        if len(self._factor) not in (1, n):
            raise DataError(f"factor covariance: {len(self._factor)} matrices were given for {n} intervals")
        factor = self._factor
        root = b @ self._factor_root
        if len(factor) == 1:
            root = root[0]
        return RiskModel(scale, root, np.sqrt(d2), partial(_factored, scale, b, factor, d2))

    def __repr__(self) -> str:
        n, m = _shape(self._loadings)
        return f"FactorModel({n} assets, {m} factors{', scaled' if self._scale is not None else ''})"


AnyCovariance = Covariance | FactorModel


def as_covariance(value: Any) -> AnyCovariance:
    """Accept a covariance object, or a matrix for a constant full one."""
    return value if isinstance(value, Covariance | FactorModel) else Covariance(value)


def _full(scale: Array, sigma: Array, x: Array) -> Array:
    """s_k * (Sigma (s_k * x_k)) in every interval."""
    return np.asarray(scale * ((scale * x) @ sigma))


def _by_interval(scale: Array, sigma: Array, x: Array) -> Array:
    """s_k * (Sigma_k (s_k * x_k)), a matrix for each interval."""
    return np.asarray(scale * np.einsum("kij,kj->ki", sigma, scale * x))


def _factored(scale: Array, loadings: Array, factor: Array, specific: Array, x: Array) -> Array:
    """s_k * ((B F_k B' + D) (s_k * x_k)), by way of the factors."""
    y = scale * x
    each = np.broadcast_to(factor, (len(x), *factor.shape[1:]))
    common = np.einsum("km,kml->kl", y @ loadings, each) @ loadings.T
    return np.asarray(scale * (common + specific * y))


def _factors(value: Data, factors: pd.Index) -> Array:
    """F, by the labels of the loadings' columns where it has labels."""
    if isinstance(value, pd.DataFrame) and not isinstance(factors, pd.RangeIndex):
        return by_asset_pair(value, factors, what="factor covariance", axis="factor")
    return numbers(value, "factor covariance")


def _specific(value: Data, assets: pd.Index) -> Array:
    zero = np.ndim(value) == 0 and value == 0  # type: ignore[arg-type]
    return by_asset(value, assets, what="specific variance", sign="nonnegative", price_units=not zero)


def _positions(own: pd.Index | None, assets: pd.Index, positions: Array | None) -> Array | None:
    """Where the assets are among the covariance's own; None when they are the same by position."""
    return positions if own is None else np.asarray(own.get_indexer(assets))


def _scale(scale: Data | None, grid: TimeGrid, assets: pd.Index, at: Array | None, own: tuple[int, ...]) -> Array:
    """Align s; an array of it goes by the covariance's own assets (shape `own`), of which `at` picks."""
    value: Data = 1.0 if scale is None else scale
    if at is not None and isinstance(value, np.ndarray | list | tuple):
        array = numbers(value, "covariance scale")
        size = own[-1]
        by_position = array.shape == (grid.periods, size) or (array.shape == (size,) and size != grid.periods)
        value = np.broadcast_to(array[..., at], (grid.periods, len(at))) if by_position else array
    return by_interval_and_asset(value, grid.labels, assets, what="covariance scale", sign="nonnegative")


def _psd(sigma: Array, what: str = "covariance") -> Array:
    """Return a root R with R R' = sigma, or raise naming the eigenvalue; zero directions are dropped."""
    spread = np.sqrt(np.abs(np.diag(sigma)))
    unit = np.where(spread > 0, spread, 1.0)
    values, vectors = np.linalg.eigh(sigma / np.outer(unit, unit))
    if len(values) and values[0] < -PSD_TOLERANCE * max(values[-1], 1.0):
        raise DataError(
            f"{what} is not positive semidefinite: as a correlation its smallest eigenvalue is {values[0]:.6g}; "
            "accepted is >= 0 (shrink it, or clip the eigenvalue, before giving it)"
        )
    return np.asarray(unit[:, None] * vectors * np.sqrt(np.maximum(values, 0.0)))


def _days(per: str | float) -> float:
    if isinstance(per, str):
        if per not in PERIODS_PER_DAY:
            raise DataError(f"per={per!r}: accepted are {', '.join(map(repr, PERIODS_PER_DAY))}, or a number of days")
        return 1 / PERIODS_PER_DAY[per]
    days = number(per)
    if days is None or not 0 < days < np.inf:
        raise DataError(f"per={short(per)}: a number of days > 0 is expected")
    return days


def _shape(value: Any) -> tuple[int, ...]:
    return value.shape if isinstance(value, pd.DataFrame) else numbers(value, "covariance").shape

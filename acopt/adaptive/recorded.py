"""Days that happened: policies on recorded prices and volumes, and how far volumes of the past strayed."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import minimize_scalar

from acopt.adaptive.prices import Drawn, nothing
from acopt.adaptive.volumes import StochasticVolume
from acopt.errors import DataError
from acopt.insight.tape import read_tape
from acopt.insight.words import count
from acopt.market.alignment import bar_slots, bars_per_session, clock_edges, last_moment
from acopt.market.bars import Bars
from acopt.market.clock import integer
from acopt.market.grid import TimeGrid
from acopt.market.labels import LARGEST, Array, demand, numbers, short
from acopt.model.setting import Setting

SHORTEST, LONGEST = 1 / 16, 16.0
"""Half-lives that are looked at: from this part of the mean interval to so many times the grid."""


class RecordedPrices:
    """
    Given days instead of drawn ones: path d is day d.

    dS_k = S_{k+1} - S_k;  nothing is expected of the future, E[dS_j | known] = 0, and there is no signal

    Parameters
    ----------
    prices : midprices without our impact at the edges of the grid, currency/share: one day (N+1, n), or several
        (days, N+1, n); a DataFrame whose columns are assets, or a list of them. Changes enter, the level is that of
        the market's arrival price.
    volumes : shares that the market traded in each interval, >= 0, likewise (N, n) or (days, N, n); NaN is as
        expected. By default they are left to the simulated market.

    Raises
    ------
    DataError
        Prices that are not positive, a volume below 0, shapes that do not fit each other; with a market: they do not
        fit the grid, an asset is missing, or the market has a stochastic volatility, which these days have already.
    """

    def __init__(self, prices: Any, volumes: Any = None) -> None:
        self.prices, self.assets = _days(prices, "RecordedPrices prices")
        if not ((self.prices > 0) & (self.prices <= LARGEST)).all() or self.prices.shape[1] < 2:
            raise DataError("RecordedPrices prices: at least two rows of positive numbers are expected, without NaN")
        self.volumes: Array | None = None
        if volumes is None:
            return
        self.volumes, labels = _days(volumes, "RecordedPrices volumes")
        days, edges, assets = self.prices.shape
        if self.volumes.shape != (days, edges - 1, assets) or not _same(labels, self.assets):
            raise DataError(
                f"RecordedPrices volumes: {self.volumes.shape} (days, intervals, assets) were given, "
                f"{(days, edges - 1, assets)} are expected, of the assets of prices"
            )
        if ((self.volumes < 0) | (self.volumes > LARGEST)).any():
            raise DataError("RecordedPrices volumes: numbers >= 0 are expected, or NaN where they are as expected")

    @classmethod
    def from_bars(cls, bars: Bars, grids: TimeGrid | Iterable[TimeGrid]) -> Self:
        """
        Take days from bars, one for each grid: opens at the starts of the intervals, the last close, and volumes.

        A price at the start of an interval is known when it is traded. A night starts at the close before it; the
        volume of a cross, of which bars have no print, is as expected.

        Raises
        ------
        DataError
            No grid; a grid without clock times or off the bars' edges; a day that the bars do not have.
        """
        demand(bars, Bars, "RecordedPrices.from_bars bars")
        many = isinstance(grids, Iterable) and not isinstance(grids, np.ndarray)
        listed = [grids] if isinstance(grids, TimeGrid) else list(grids) if many else []
        if not listed:
            raise DataError(f"RecordedPrices.from_bars grids: {short(grids)} was given; one grid a day is expected")
        prices, volumes = [], []
        for grid in listed:
            demand(grid, TimeGrid, "RecordedPrices.from_bars grid")
            tape = read_tape(bars, grid)
            opens, closes = tape.interval_open.copy(), tape.interval_close
            nights = np.flatnonzero(grid.closed)
            opens[nights] = closes[nights - 1]
            prices.append(pd.DataFrame(np.vstack([opens, closes[-1]]), columns=bars.symbols))
            volumes.append(pd.DataFrame(tape.volume, columns=bars.symbols))
        return cls(prices, volumes)

    @property
    def days(self) -> int:
        """How many there are."""
        return len(self.prices)

    def draw(self, setting: Setting, n_paths: int, rng: np.random.Generator, scale: Array | None = None) -> Drawn:
        """Return the first `n_paths` days; nothing is random."""
        if n_paths > self.days:
            raise DataError(
                f"RecordedPrices: {n_paths} days were asked for, the recorded ones are {self.days}; from_bars(bars, "
                "grids) takes one grid for each day"
            )
        if scale is not None:
            raise DataError("RecordedPrices: these days have a volatility of their own; leave SimulatedMarket's out")
        n, m = setting.shape
        if self.prices.shape[1] != n + 1 or (self.assets is None and self.prices.shape[2] != m):
            raise DataError(
                f"RecordedPrices: {self.prices.shape[1:]} prices a day were given, {(n + 1, m)} are expected (edges, "
                "assets)"
            )
        columns = self._columns(setting.assets)
        changes = np.diff(self.prices[:n_paths][:, :, columns], axis=1)
        if self.volumes is None:
            return Drawn(changes, nothing(changes.shape))
        volumes = self.volumes[:n_paths][:, :, columns]
        unknown = np.isnan(volumes)
        if unknown.any():
            volumes = np.where(unknown, setting.market.volumes, volumes)
        return Drawn(changes, nothing(changes.shape), volumes)

    def expected(self, setting: Setting, interval: int, prices: Array, signal: Array) -> Array:
        """0."""
        return nothing((len(signal), setting.shape[0] - interval, setting.shape[1]))

    def _columns(self, assets: pd.Index) -> npt.NDArray[np.intp]:
        if self.assets is None:
            return np.arange(len(assets))
        columns = self.assets.get_indexer(assets)
        if (columns < 0).any():
            raise DataError(f"RecordedPrices: {assets[int(np.argmin(columns))]} was not recorded")
        return columns

    def __repr__(self) -> str:
        """How much was recorded."""
        days, edges, assets = self.prices.shape
        what = "prices" if self.volumes is None else "prices and volumes"
        size = ", ".join((count(days, "day"), count(edges - 1, "interval"), count(assets, "asset")))
        return f"RecordedPrices({size}; {what})"


def volume_from_bars(
    bars: Bars,
    grid: TimeGrid,
    *,
    assets: Sequence[Any] | pd.Index | None = None,
    history: int = 20,
    asof: str | dt.date | np.datetime64 | None = None,
) -> StochasticVolume:
    """
    Fit how volumes scatter about their mean on the sessions before `asof`; nothing later is looked at.

    log V_dk = mean_k + day_d + factor_dk,  Var day = d^2, Cov(factor_dk, factor_dj) = s^2 2^{-|m_k - m_j| / half_life}

    by the restricted likelihood (the means are fitted too): s and d by asset, in closed form for a half-life; one
    half-life for all assets.

    Parameters
    ----------
    bars, grid, assets, history, asof : as in `Market.from_bars`, the same sessions; a grid of one session. Crosses are
        left out.

    Raises
    ------
    DataError
        As `Market.from_bars`; fewer than two sessions; a grid over a night; an interval without volume (no log).

    References
    ----------
    Patterson & Thompson (1971) for the restricted likelihood.
    """
    demand(bars, Bars, "volume_from_bars bars")
    demand(grid, TimeGrid, "volume_from_bars grid")
    chosen = bars if assets is None else bars.select(assets)
    volumes, rows = _past_volumes(chosen, grid, history, asof)
    logs = np.log(volumes)
    spread = logs - logs.mean(axis=0)
    squares = np.einsum("dki,dji->ikj", spread, spread)
    edges = np.asarray(grid.edges)
    middles = 0.5 * (edges[1:] + edges[:-1])[rows]
    half_life = _half_life(squares, len(logs) - 1, middles, edges)
    interval, day, _ = _deviations(squares, len(logs) - 1, _correlation(middles, half_life))
    names = pd.Index(chosen.symbols)
    return StochasticVolume(pd.Series(interval, names), day=pd.Series(day, names), half_life=half_life)


def _past_volumes(
    bars: Bars, grid: TimeGrid, history: int, asof: str | dt.date | np.datetime64 | None
) -> tuple[Array, npt.NDArray[np.intp]]:
    """Volumes (days, K, n) of the last full sessions in the K open intervals of the grid, and which these are."""
    edges = clock_edges(bars, grid)
    if grid.closed.any():
        raise DataError("volume_from_bars: the grid runs over a night; a grid of one session is expected")
    cutoff = last_moment(bars, edges[0], asof)
    if (integer(history) or 0) < 2:
        raise DataError(f"volume_from_bars history={short(history)}: at least two sessions are needed")
    counts = Counter(day for day in bars.starts.date if day < cutoff.date())
    full = [day for day, count in counts.items() if count == bars_per_session(bars)]
    if len(full) < history:
        raise DataError(
            f"volume_from_bars: history={history} sessions are needed, the bars have {len(full)} full ones before "
            f"{cutoff:%Y-%m-%d}"
        )
    days = full[-history:]
    cube = bars.on(days).volume.to_numpy().reshape(history, -1, len(bars.symbols))
    rows = np.flatnonzero(~grid.auctions)
    slots = [bar_slots(bars, grid, edges, int(k)) for k in rows]
    volumes = np.stack([cube[:, first:last].sum(axis=1) for first, last in slots], axis=1)
    lost = np.argwhere(~(volumes > 0))
    if lost.size:
        d, k, i = lost[0]
        found = "no bars" if np.isnan(volumes[d, k, i]) else "no volume"
        raise DataError(
            f"volume_from_bars: {bars.symbols[i]} has {found} on {days[d]} in the interval of {edges[rows[k]]:%H:%M}; "
            "leave it out of assets=, or give longer intervals"
        )
    return volumes, rows


def _correlation(middles: Array, half_life: float | None) -> Array:
    """Of the factors of intervals (K, K)."""
    if half_life is None:
        return np.eye(len(middles))
    return np.asarray(np.exp2(-np.abs(middles[:, None] - middles) / half_life))


def _deviations(squares: Array, freedom: int, correlation: Array) -> tuple[Array, Array, Array]:
    """
    Best s and d by asset (n,) for one correlation R, and -2 log likelihood (n,), constants left out.

    In units of R^(1/2) the direction of the day has variance s^2 + d^2 1'R^-1 1, all others s^2.

    squares : sums of squares over days (n, K, K), `freedom` many.
    """
    count = len(correlation)
    inverse = np.linalg.inv(correlation)
    whole = np.einsum("kj,ijk->i", inverse, squares)
    towards = inverse.sum(axis=0)
    size = towards.sum()
    along = np.einsum("k,ikj,j->i", towards, squares, towards) / size
    others = (whole - along) / max(freedom * (count - 1), 1)
    day = np.maximum(along / freedom - others, 0.0) / size if count > 1 else np.zeros(len(squares))
    interval = np.where(day > 0, others, whole / (freedom * count))
    logs = count * np.log(interval) + np.linalg.slogdet(correlation)[1] + np.log1p(day * size / interval)
    return np.sqrt(interval), np.sqrt(day), freedom * logs


def _half_life(squares: Array, freedom: int, middles: Array, edges: Array) -> float | None:
    """The half-life that is likeliest for all assets together; None where independent factors are."""
    if len(middles) < 2:
        return None

    def misfit(half_life: float | None) -> float:
        return float(_deviations(squares, freedom, _correlation(middles, half_life))[2].sum())

    span = float(edges[-1] - edges[0])
    bounds = float(np.log(SHORTEST * span / len(middles))), float(np.log(LONGEST * span))
    found = minimize_scalar(lambda log: misfit(float(np.exp(log))), bounds=bounds, method="bounded")
    return float(np.exp(found.x)) if found.fun < misfit(None) else None


def _days(given: Any, what: str) -> tuple[Array, pd.Index | None]:
    """Numbers (days, rows, assets) and the assets' labels, None where there are none."""
    frames = [given] if isinstance(given, pd.DataFrame) else given
    if isinstance(frames, list | tuple) and frames and all(isinstance(frame, pd.DataFrame) for frame in frames):
        assets = frames[0].columns
        if not all(frame.shape == frames[0].shape and frame.columns.equals(assets) for frame in frames):
            raise DataError(f"{what}: the days differ in shape or in their assets")
        if not assets.is_unique:
            raise DataError(f"{what}: the asset {assets[assets.duplicated()][0]!r} appears more than once")
        for frame in frames:
            if isinstance(frame.index, pd.DatetimeIndex) and not frame.index.is_monotonic_increasing:
                late = int(np.argmax(frame.index[1:] < frame.index[:-1]))
                raise DataError(
                    f"{what}: the row {frame.index[late + 1]} comes after {frame.index[late]}; rows in time order are "
                    "expected (sort_index())"
                )
        return np.stack([numbers(frame.to_numpy(), what) for frame in frames]), assets
    array = numbers(given, what)
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or not array.size:
        raise DataError(f"{what}: {short(given)} was given, a table of one day or (days, rows, assets) is expected")
    return np.array(array), None


def _same(labels: pd.Index | None, others: pd.Index | None) -> bool:
    return labels is others if labels is None or others is None else bool(labels.equals(others))

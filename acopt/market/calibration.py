"""From bars to a market: what could be known about volume, risk, price and spread before trading starts."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from acopt.errors import DataError
from acopt.market.alignment import auction_fractions, bar_slots, bars_per_session, clock_edges, last_moment
from acopt.market.bars import Bars
from acopt.market.clock import integer, span
from acopt.market.covariance import Covariance
from acopt.market.estimators import abdi_ranaldo, corwin_schultz, ledoit_wolf, roll, volatility_curve
from acopt.market.grid import TimeGrid
from acopt.market.impact_models import ImpactModel
from acopt.market.labels import Data, by_asset, demand, label_list
from acopt.market.market import Bps, Market

__all__ = ["market_from_bars"]

Array = NDArray[np.float64]

TICK = 0.01
_SAMPLING = pd.Timedelta("15min")
_STALE = pd.Timedelta(days=7)
_MICROSECOND = pd.Timedelta(microseconds=1)
_RANGE_ESTIMATORS = {"corwin-schultz": corwin_schultz, "abdi-ranaldo": abdi_ranaldo}


def market_from_bars(
    bars: Bars,
    grid: TimeGrid,
    *,
    assets: Sequence[Any] | pd.Index | None = None,
    history: int = 20,
    asof: str | dt.date | np.datetime64 | None = None,
    price: Data | None = None,
    spread: Data | Bps | str | None = None,
    impact: ImpactModel | None = None,
    daily: Bars | None = None,
    auction_volume: float | Mapping[str, float] | None = None,
) -> Market:
    """Calibrate a market on the sessions before `asof`; nothing later is looked at.

    V_ki = mean_d (volume of asset i in interval k of session d)
    Sigma_ij = P_i P_j sigma_i sigma_j C_ij, Sigma_k = s_k^2 Sigma

    with d over the last `history` full sessions strictly before `asof`; sigma_i^2 the mean over d of the sum of squared
    intraday log returns (the open to the first close, then close to close, in steps of up to 15 minutes; no return
    crosses a night); C the Ledoit-Wolf correlation of these returns divided by the volatility curve, standardised
    first, so that no asset's variance is drawn to another's; s_k the volatility curve (`volatility_curve`: one curve
    for all assets, shrunk towards flat, of mean square 1 over a session). In a night s_k weighs the overnight risk time
    with 1 and the session time outside the grid with the curve. Bars carry no auction volume: that of a cross is
    stated, V_ki = fraction mean_d (volume of asset i in session d).

    Parameters
    ----------
    bars : Bars
        Intraday bars; their session is as long as the grid's.
    grid : TimeGrid
        With clock times; every open interval is a whole number of bars.
    assets : sequence of str, optional
        What to trade; all symbols of `bars` by default.
    history : int
        Number of sessions. Short sessions (half days) are left out, and said so.
    asof : date or timestamp, optional
        Last moment of knowledge; the grid's start by default. Sessions of its date do not enter the history.
    price : by asset, optional, currency/share
        Arrival price; by default the last close of a bar that ended at or before t_0 (and `asof`).
    spread : by asset in currency/share, `bps(...)` or text, optional
        Full spread. None: one tick of 0.01, and said so. Text: "corwin-schultz", "abdi-ranaldo" or "roll" on pairs of
        bars of the history (they disagree widely: see `estimators`); what comes out below one tick is set to it, and
        said so.
    impact : impact model, optional
    daily : Bars, optional
        Daily bars, for the coverage of the volume. Volumes are never scaled.
    auction_volume : float or mapping, optional
        Volume of a cross as a fraction of the mean intraday volume of a session: one number for all, or
        {"open": 0.02, "close": 0.08}. Required when the grid has auctions.

    Returns
    -------
    Market
        `market.notes` says what was assumed.

    Raises
    ------
    DataError
        The grid has no clock or is finer than the bars; fewer sessions than `history`; a symbol without bars, with a
        missing session in the history (symbol and date), without volume (an index), or whose price never moves;
        an arrival price older than 7 days; `asof` after the grid's start; an unknown estimator.
    """
    demand(bars, Bars, "Market.from_bars bars")
    demand(grid, TimeGrid, "Market.from_bars grid")
    names = _names(bars, assets)
    chosen = bars.select(names)
    edges = clock_edges(chosen, grid)
    fractions, auction_note = auction_fractions(grid, auction_volume)
    cutoff = last_moment(chosen, edges[0], asof)
    past = _History.read(chosen, cutoff, history)
    slots = [bar_slots(chosen, grid, edges, interval) for interval in range(grid.periods)]

    volumes = np.array([past.volume[:, first:last].sum(axis=1).mean(axis=0) for first, last in slots])
    volumes[grid.closed] = 0.0
    volumes[grid.auctions] = fractions[grid.auctions, None] * past.volume.sum(axis=1).mean(axis=0)
    curve, weight = volatility_curve(past.returns)
    scale = _scale(grid, slots, curve)
    returns_covariance, shrinkage = _returns_covariance(past, curve, chosen.length)

    index = pd.Index(names)
    prices, price_note = _arrival_price(chosen, index, cutoff, price)
    spreads, spread_notes = _spread(past, prices, index, spread)
    covariance = np.outer(prices, prices) * returns_covariance / grid.duration("1 day")
    notes = [
        *past.notes(cutoff),
        f"volatility: one intraday curve for all assets, weight {weight:.2f} against flat; nights as the grid states",
        f"correlation: Ledoit-Wolf shrinkage {shrinkage:.3f}",
        price_note,
        *spread_notes,
        *_coverage(chosen, past, daily),
        *auction_note,
        *_early_close(chosen, grid, edges),
    ]
    return Market(
        grid,
        pd.Series(prices, index=index),
        volume=pd.DataFrame(volumes, index=grid.labels, columns=index),
        covariance=Covariance(
            pd.DataFrame(covariance, index=index, columns=index),
            scale=pd.Series(scale, index=grid.labels),
        ),
        spread=spreads,
        impact=impact,
        notes=tuple(notes),
    )


# ---------------------------------------------------------------------- what may be known


@dataclass(frozen=True)
class _History:
    """The last full sessions before a cutoff, as arrays by session, bar and asset."""

    names: list[str]
    days: list[dt.date]
    short: list[dt.date]
    open: Array
    high: Array
    low: Array
    close: Array
    volume: Array
    returns: Array
    present: NDArray[np.bool_]

    @classmethod
    def read(cls, bars: Bars, cutoff: pd.Timestamp, history: int) -> _History:
        if (integer(history) or 0) < 1:
            raise DataError(f"history={history!r}; a positive number of sessions is accepted")
        counts = Counter(day for day in bars.starts.date if day < cutoff.date())
        full = [day for day, count in counts.items() if count == bars_per_session(bars)]
        if len(full) < history:
            raise DataError(
                f"history={history} sessions are needed (20 unless stated), the bars have {len(full)} full ones before "
                f"{cutoff:%Y-%m-%d}; give more bars, or history={len(full)}" + ("" if full else " is not enough either")
            )
        days = full[-history:]
        part = bars.on(days)
        shape = (len(days), -1, len(bars.symbols))
        cube = {
            name: getattr(part, name).to_numpy().reshape(shape)
            for name in ("open", "high", "low", "close", "volume", "present")
        }
        lost = np.argwhere(np.isnan(cube["volume"]).any(axis=1))
        if lost.size:
            day, asset = lost[0]
            raise DataError(
                f"{bars.symbols[asset]} has no bars on {days[day]}, which lies in the history of {history} sessions "
                f"before {cutoff:%Y-%m-%d}; complete its file, choose a shorter history, or leave it out of assets="
            )
        idle = np.flatnonzero(cube["volume"].sum(axis=(0, 1)) <= 0)
        if idle.size:
            raise DataError(
                f"{bars.symbols[idle[0]]}: its volume is 0 in every bar of the history (an index?), so it cannot be "
                "traded; leave it out of assets="
            )
        returns = _returns(cube["open"], cube["close"], cube["present"])
        still = np.flatnonzero(~(returns != 0).any(axis=(0, 1)))
        if still.size:
            raise DataError(
                f"{bars.symbols[still[0]]}: its price never moves in the history, so its risk cannot be told; leave it "
                "out of assets="
            )
        short = [day for day in counts if days[0] <= day and day not in set(full)]
        return cls(names=list(bars.symbols), days=days, short=short, returns=returns, **cube)

    def notes(self, cutoff: pd.Timestamp) -> list[str]:
        """Say which sessions were used, and what was odd about them."""
        notes = [f"history: {len(self.days)} sessions, {self.days[0]} to {self.days[-1]}"]
        age = (cutoff.tz_localize(None).normalize() - pd.Timestamp(self.days[-1])).days
        if age > _STALE.days:
            notes.append(f"history: it ends {age} days before {cutoff:%Y-%m-%d}")
        if self.short:
            notes.append(f"history: short sessions left out: {', '.join(map(str, self.short))}")
        idle = (~self.present).sum(axis=(0, 1))
        size = self.present.shape[0] * self.present.shape[1]
        rare = [f"{name} {count}" for name, count in zip(self.names, idle, strict=True) if count]
        if rare:
            notes.append(f"history: bars without a trade, of {size}: {', '.join(rare)}")
        return notes


def _names(bars: Bars, assets: Sequence[Any] | pd.Index | None) -> list[str]:
    if bars.daily:
        raise DataError(
            "Market.from_bars: daily bars were given; the volume curve needs intraday ones (daily= takes these)"
        )
    names = bars.symbols if assets is None else label_list(assets, "Market.from_bars assets")
    twice = [name for at, name in enumerate(names) if name in names[:at]]
    if twice:
        raise DataError(f"assets={names}: {twice[0]} appears more than once")
    return names


# ---------------------------------------------------------------------- volatility


def _returns(opens: Array, closes: Array, present: NDArray[np.bool_]) -> Array:
    """Log returns within sessions, shape (D, B, n): the first trade's open to close, then close to close."""
    count = present.shape[1]
    first = np.argmax(present, axis=1)[:, None, :]
    slot = np.arange(count)[None, :, None]
    before = np.concatenate([opens[:, :1], closes[:, :-1]], axis=1)
    before = np.where(slot == first, opens, before)
    started = slot >= first
    ratio = np.where(started, closes, 1.0) / np.where(started, before, 1.0)
    return np.asarray(np.log(ratio))


def _early_close(bars: Bars, grid: TimeGrid, edges: pd.DatetimeIndex) -> list[str]:
    """Say what is not known of a session whose closing cross comes before the bars' close."""
    ends = edges[:-1][grid.crosses("close")]
    early = [str(end.date()) for end in ends if end.time() < bars.hours[1]]
    return [
        f"{day} closes early: its hours are taken from full sessions, its closing cross from a full day"
        for day in early
    ]


def _scale(grid: TimeGrid, slots: list[tuple[int, int]], curve: Array) -> Array:
    """Volatility multiplier by interval, shape (N,); 1 in an auction, where no risk time passes."""
    squares, day = curve**2, grid.duration("1 day")
    scale = np.ones(grid.periods)
    for interval, (first, last) in enumerate(slots):
        if grid.auctions[interval]:
            continue
        if not grid.closed[interval]:
            scale[interval] = np.sqrt(squares[first:last].mean())
            continue
        outside = np.concatenate([squares[first:], squares[:last]])
        total = grid.durations[interval] / day
        overnight = total - outside.size / squares.size
        if overnight >= -1e-9:
            scale[interval] = np.sqrt((max(overnight, 0.0) + outside.sum() / squares.size) / total)
    return scale


def _returns_covariance(past: _History, curve: Array, length: pd.Timedelta) -> tuple[Array, float]:
    """Covariance of log returns per session, shape (n, n), and the shrinkage of its correlations."""
    days, count, size = past.returns.shape
    steps = [step for step in range(1, count + 1) if count % step == 0 and step * length <= _SAMPLING]
    step = max(steps, default=1)
    returns = past.returns.reshape(days, count // step, step, size).sum(axis=2)
    level = np.sqrt((curve**2).reshape(count // step, step).mean(axis=1))
    variance = (returns**2).sum(axis=1).mean(axis=0)
    even = (returns / level[None, :, None]).reshape(-1, size)
    spread = np.sqrt((even**2).mean(axis=0))
    if not (spread > 0).all():
        name = past.names[int(np.argmin(spread))]
        raise DataError(f"{name}: its price does not move from one {span(step * length / _MICROSECOND)} to the next")
    correlation, shrinkage = ledoit_wolf(even / spread, assume_centered=True)
    sigma = np.sqrt(variance)
    return sigma[:, None] * correlation * sigma[None, :], shrinkage


# ---------------------------------------------------------------------- price, spread, coverage


def _arrival_price(bars: Bars, names: pd.Index, cutoff: pd.Timestamp, price: Data | None) -> tuple[Array, str]:
    if price is not None:
        return by_asset(price, names, what="price", sign="positive", price_units=True), "price: as given"
    known = bars.before(cutoff)
    traded = known.close.where(known.present).set_axis(known.ends)
    prices, ends = np.empty(len(names)), []
    for at, name in enumerate(names):
        closes = traded[name].dropna()
        if closes.empty:
            raise DataError(f"{name}: no bar ended by {cutoff}, so there is no arrival price; give price=")
        prices[at] = closes.iloc[-1]
        ends.append(closes.index[-1])
        if cutoff - ends[-1] > _STALE:
            raise DataError(
                f"{name}: its last bar before {cutoff} ended {ends[-1]}, more than {_STALE.days} days earlier; give "
                "newer bars, or price="
            )
    note = f"price: last close, of {max(ends):%Y-%m-%d %H:%M}"
    older = [f"{name} {end:%Y-%m-%d %H:%M}" for name, end in zip(names, ends, strict=True) if end < max(ends)]
    return prices, note + (f" ({', '.join(older)})" if older else "")


def _spread(
    past: _History, prices: Array, names: pd.Index, spread: Data | Bps | str | None
) -> tuple[pd.Series | Bps, list[str]]:
    """Full spread, currency/share, and how it came about."""
    if spread is None:
        return pd.Series(TICK, index=names), [f"spread: one tick of {TICK} assumed"]
    if isinstance(spread, Bps):
        return spread, [f"spread: {spread} as given"]
    if not isinstance(spread, str):
        given = by_asset(spread, names, what="spread", sign="nonnegative", price_units=True)
        return pd.Series(given, index=names), ["spread: as given"]
    if spread not in (*_RANGE_ESTIMATORS, "roll"):
        raise DataError(
            f"spread={spread!r}; 'corwin-schultz', 'abdi-ranaldo', 'roll', numbers by asset or bps(...) are accepted"
        )
    high, low, close = (np.where(past.present, field, np.nan) for field in (past.high, past.low, past.close))
    relative = roll(close) if spread == "roll" else _RANGE_ESTIMATORS[spread](high, low, close)
    if np.isnan(relative).any():
        name = past.names[int(np.flatnonzero(np.isnan(relative))[0])]
        raise DataError(f"spread={spread!r}: {name} has too few consecutive bars with trades; state its spread")
    full = relative * prices
    tight = full < TICK
    notes = [f"spread: {spread} on the bars of the history"]
    if tight.any():
        below = ", ".join(name for name, flag in zip(past.names, tight, strict=True) if flag)
        notes.append(f"spread: {spread} says less than one tick for {below}; one tick of {TICK} taken")
    return pd.Series(np.maximum(full, TICK), index=names), notes


def _coverage(bars: Bars, past: _History, daily: Bars | None) -> list[str]:
    if daily is None:
        return []
    demand(daily, Bars, "Market.from_bars daily")
    if not daily.daily:
        raise DataError(f"daily={daily!r}: daily bars are accepted")
    share = bars.on(past.days).coverage(daily)
    low, high = str(share.idxmin()), str(share.idxmax())
    return [
        f"volume covers {share.mean():.0%} of the daily bars ({share[low]:.0%} {low} to {share[high]:.0%} {high}); "
        "not scaled"
    ]

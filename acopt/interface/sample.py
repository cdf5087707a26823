"""A small synthetic market to try things on: six invented stocks, 21 sessions, 15-minute bars; no data file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from acopt.errors import DataError
from acopt.market.bars import Bars, read_bars
from acopt.market.labels import Array
from acopt.market.order import Order

__all__ = ["Sample", "sample"]

SESSIONS = pd.bdate_range("2025-03-03", periods=21)
BARS = 26
STEPS = 15
OVERNIGHT = 0.5

STOCKS = pd.DataFrame(
    [
        ("ALFA", "tech", 212.40, 0.017, 1.15, 38e6, "sell", 750_000),
        ("BRAVO", "tech", 96.15, 0.026, 1.45, 21e6, "buy", 1_250_000),
        ("CHARLIE", "bank", 58.70, 0.015, 0.95, 11e6, "sell", 250_000),
        ("DELTA", "bank", 34.25, 0.018, 1.05, 24e6, "buy", 1_100_000),
        ("ECHO", "food", 71.90, 0.009, 0.45, 6.5e6, "buy", 120_000),
        ("FOXTROT", "food", 143.60, 0.012, 0.60, 3.2e6, "sell", 150_000),
    ],
    columns=["symbol", "sector", "price", "volatility", "beta", "daily_volume", "side", "quantity"],
)
"""Start price (currency), daily volatility, beta to the market factor, mean daily volume (shares), and the order."""

MARKET_VOLATILITY, SECTOR_VOLATILITY = 0.011, 0.005


@dataclass(frozen=True)
class Sample:
    """
    Synthetic bars and the order that goes with them.

    Attributes
    ----------
    bars : 21 sessions of 15-minute bars; the last session is the one to trade in.
    order : buys and sells, a few percent of each stock's daily volume.
    """

    bars: Bars
    order: Order


def sample(seed: int = 7) -> Sample:
    """
    Make the sample: nothing in it was ever traded.

    Returns follow a market factor, a sector factor and a specific part; volume and volatility are
    U-shaped over the session; days and bars scatter log-normally. It goes through `read_bars` and
    `Order.from_frame`, as real data do.

    Parameters
    ----------
    seed : of the random numbers; the same seed makes the same sample.

    Raises
    ------
    DataError
        The seed is not a non-negative integer.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise DataError(f"sample seed={seed!r}: a non-negative integer is expected")
    return Sample(read_bars(_bars(np.random.default_rng(seed))), Order.from_frame(STOCKS))


def _bars(rng: np.random.Generator) -> pd.DataFrame:
    """Long frame: symbol, datetime (bar start), open, high, low, close, volume."""
    days, stocks = len(SESSIONS), len(STOCKS)
    mid = (np.arange(BARS) + 0.5) / BARS
    paths = _prices(rng, mid)
    shape = 0.55 + 1.6 * np.exp(-mid / 0.09) + 1.5 * np.exp(-(1.0 - mid) / 0.06)
    level = rng.normal(0.0, 0.20, (days, 1, 1)) + rng.normal(0.0, 0.22, (days, BARS, stocks))
    volume = STOCKS["daily_volume"].to_numpy() * (shape / shape.sum())[:, None] * np.exp(level - 0.045)
    opening = np.timedelta64(9 * 60 + 30, "m") + np.arange(BARS) * np.timedelta64(STEPS, "m")
    stamps = SESSIONS.to_numpy()[:, None] + opening[None, :]
    cells = (days, BARS, stocks)
    return pd.DataFrame(
        {
            "symbol": np.broadcast_to(STOCKS["symbol"].to_numpy(dtype=object), cells).ravel(),
            "datetime": np.broadcast_to(stamps[:, :, None], cells).ravel(),
            "open": paths[:, :, 0].ravel(),
            "high": paths.max(axis=2).ravel(),
            "low": paths.min(axis=2).ravel(),
            "close": paths[:, :, -1].ravel(),
            "volume": np.round(volume).ravel(),
        }
    )


def _prices(rng: np.random.Generator, mid: Array) -> Array:
    """Price paths within bars (days, BARS, STEPS + 1, stocks), in cents, opens at the last close within a session."""
    days, stocks = len(SESSIONS), len(STOCKS)
    member = pd.get_dummies(STOCKS["sector"]).to_numpy(dtype=float)
    loadings = np.column_stack([STOCKS["beta"] * MARKET_VOLATILITY, member * SECTOR_VOLATILITY])
    specific = np.sqrt(STOCKS["volatility"].to_numpy() ** 2 - (loadings**2).sum(axis=1))

    def returns(*size: int) -> Array:
        """Daily-scale log returns (*size, stocks)."""
        common = rng.standard_normal((*size, loadings.shape[1])) @ loadings.T
        return np.asarray(common + specific * rng.standard_normal((*size, stocks)))

    smile = 0.75 + 1.1 * np.exp(-mid / 0.10) + 0.35 * np.exp(-(1.0 - mid) / 0.08)
    smile = smile / np.sqrt((smile**2).mean())
    busy = np.exp(rng.normal(0.0, 0.15, (days, 1, 1, 1)))
    within = busy * smile[:, None, None] * returns(days, BARS, STEPS) / np.sqrt(BARS * STEPS)
    night = np.sqrt(OVERNIGHT) * returns(days)
    walk = within.reshape(days, BARS * STEPS, stocks).cumsum(axis=1)
    opens = np.concatenate([np.zeros((1, stocks)), walk[:-1, -1].cumsum(axis=0)]) + night.cumsum(axis=0)
    log = opens[:, None, :] + np.concatenate([np.zeros((days, 1, stocks)), walk], axis=1)
    ticks = np.round(STOCKS["price"].to_numpy() * np.exp(log), 2)
    at = np.arange(BARS)[:, None] * STEPS + np.arange(STEPS + 1)[None, :]
    return np.asarray(ticks[:, at])

"""The paths of a schedule as labelled tables, built when asked for."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pandas as pd

from acopt.errors import DataError
from acopt.market.labels import Array
from acopt.model.paths import Trajectory
from acopt.model.setting import Setting


class Frames:
    """Labelled views of a trajectory."""

    def __init__(self, path: Trajectory) -> None:
        self.path = path

    @property
    def setting(self) -> Setting:
        """Return the order and the market."""
        return self.path.setting

    @cached_property
    def trades(self) -> pd.DataFrame:
        """Shares traded, interval x asset: buys +, sells -."""
        return self._by_interval(self.path.trades)

    @cached_property
    def remaining(self) -> pd.DataFrame:
        """Shares still to trade, edge x asset: > 0 to sell, < 0 to buy."""
        return self._by_edge(self.path.remaining)

    @cached_property
    def holdings(self) -> pd.DataFrame:
        """Shares held, edge x asset."""
        return self._by_edge(self.path.holdings)

    @cached_property
    def rates(self) -> pd.DataFrame:
        """Trading rates, shares per unit of time, interval x asset."""
        return self._by_interval(self.path.rates)

    @cached_property
    def participation(self) -> pd.DataFrame:
        """|trades| over expected market volume, interval x asset; 0 where neither is."""
        return self._by_interval(np.abs(self.path.participation))

    @cached_property
    def notional(self) -> pd.DataFrame:
        """Currency traded at arrival prices, interval x asset: buys +, sells -."""
        return self._by_interval(self.path.notional)

    def to_frame(self) -> pd.DataFrame:
        """Return the plan, one row per trade: start, end, symbol, side, shares, price, notional, remaining."""
        setting = self.setting
        n, m = setting.shape
        edges = setting.grid.edge_labels
        trades = self.path.trades.ravel()
        return pd.DataFrame(
            {
                "start": edges[:-1].repeat(m),
                "end": edges[1:].repeat(m),
                "symbol": np.tile(setting.assets.to_numpy(), n),
                "side": np.where(trades > 0, "buy", np.where(trades < 0, "sell", "none")),
                "shares": np.abs(trades),
                "price": np.tile(setting.market.prices, n),
                "notional": np.abs(self.path.notional).ravel(),
                "remaining": self.path.remaining[1:].ravel(),
            }
        )

    def _by_interval(self, values: Array) -> pd.DataFrame:
        return pd.DataFrame(values, index=self.setting.grid.labels, columns=self.setting.assets)

    def _by_edge(self, values: Array) -> pd.DataFrame:
        return pd.DataFrame(values, index=self.setting.grid.edge_labels, columns=self.setting.assets)


def time_of_fraction(path: Trajectory, fraction: float) -> float:
    """
    Return when the executed gross arrival notional first reaches a fraction of the order.

    Linear within intervals, in the grid's unit from t_0; NaN for a zero order or one never filled so far.
    """
    if not 0 < fraction <= 1:
        raise DataError(f"fraction {fraction!r}: a number in (0, 1] is expected")
    setting = path.setting
    if setting.gross == 0:
        return float("nan")
    prices = setting.market.prices
    done = 1.0 - (np.abs(path.remaining) @ prices) / setting.gross
    reached = np.flatnonzero(done >= fraction - 1e-12)
    if not len(reached):
        return float("nan")
    k = int(reached[0])
    elapsed = np.asarray(setting.grid.edges) - setting.grid.edges[0]
    if k == 0 or done[k] == done[k - 1]:
        return float(elapsed[k])
    share = min(max((fraction - done[k - 1]) / (done[k] - done[k - 1]), 0.0), 1.0)
    return float(elapsed[k - 1] + share * (elapsed[k] - elapsed[k - 1]))

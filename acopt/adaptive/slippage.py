"""What prices gave beyond a benchmark, day by day: how each benchmark would have worked the order."""

from __future__ import annotations

import numpy as np

from acopt.errors import ModelError
from acopt.market.labels import Array
from acopt.model.benchmarks import TWAP, VWAP, Close, tradable
from acopt.model.setting import Setting

BENCHMARKS = {"twap": TWAP(), "vwap": VWAP(), "close": Close()}


class PriceGains:
    """
    sum_k dS_k' (x_k - b_k) against arrival (b = 0), TWAP, VWAP by the volume that came, and the close.

    Attributes
    ----------
    gains : by benchmark, the gains of all days so far, block by block, (paths,) each, currency.
    unavailable : why a benchmark has no price in this market or on these days, by name.
    """

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.paths = {"arrival": np.zeros(setting.shape)}
        self.unavailable: dict[str, str] = {}
        for name, benchmark in BENCHMARKS.items():
            try:
                self.paths[name] = benchmark.path(setting)[1:]
            except ModelError as error:
                self.unavailable[name] = str(error)
        self.gains: dict[str, list[Array]] = {name: [] for name in self.paths}

    def add(self, changes: Array, held: Array, volumes: Array | None) -> None:
        """
        Count a block of days.

        Parameters
        ----------
        changes : dS (paths, N, n), currency/share.
        held : x (paths, N, n), shares still to trade after each interval.
        volumes : (paths, N, n), shares that came; None where they were as expected.
        """
        for name, path in self.paths.items():
            beside = held - (path if name != "vwap" or volumes is None else self._by_volume(volumes))
            self.gains[name].append(np.einsum("pki,pki->p", changes, beside))

    def _by_volume(self, volumes: Array) -> Array:
        """Path b_1..b_N (paths, N, n) of the order worked in proportion to the volume that came."""
        working = self.setting.remaining != 0
        passed = np.cumsum(np.where(tradable(self.setting), volumes, 0.0), axis=1)
        whole = passed[:, -1:]
        silent = (whole[:, 0] <= 0) & working
        if silent.any() and "vwap" not in self.unavailable:
            p, i = (int(j) for j in np.argwhere(silent)[0])
            day = sum(map(len, self.gains["vwap"])) + p
            self.unavailable["vwap"] = f"no volume of {self.setting.assets[i]} came on path {day}"
        left = 1.0 - np.divide(passed, whole, out=np.ones_like(passed), where=whole > 0)
        return np.asarray(self.setting.remaining * left)

    def all(self) -> dict[str, Array]:
        """Return the gains of all days by benchmark, those apart that have no price."""
        return {name: np.concatenate(parts) for name, parts in self.gains.items() if name not in self.unavailable}

"""What a view on prices is worth while the order is being worked."""

from __future__ import annotations

from typing import Any

import cvxpy as cp
import numpy as np

from acopt.errors import DataError
from acopt.market.labels import Array, Data, called
from acopt.model.algebra import Cost, Parameters
from acopt.model.paths import Paths, Trajectory, dot
from acopt.model.setting import Setting


class Alpha(Cost):
    """
    Gain or loss from an expected drift: holding what rises earns.

    - sum_k tau_k alpha_k' x_k

    Parameters
    ----------
    drift : alpha, expected price change, currency/share/time: scalar (one asset), by asset, by
        interval, or both.

    References
    ----------
    Almgren & Chriss (2000), section 4.1.
    """

    kind = "money"

    def __init__(self, drift: Data, *, name: str | None = None) -> None:
        self.drift: Data | None = drift
        self._bps: Data | None = None
        self._half_life: Any = None
        self.name = called(name, type(self).__name__)

    @classmethod
    def from_bps(cls, bps: Data, half_life: Any, *, name: str | None = None) -> Alpha:
        """
        State a forecast of a total move in bps of the arrival price that fades with a half-life.

        alpha_k tau_k = bps 1e-4 P (2^{-t_{k-1}/h} - 2^{-t_k/h}),  t measured from t_0

        Parameters
        ----------
        bps : total expected move, bps, scalar or by asset.
        half_life : h, a time ("2h") or a number in the grid's unit.
        """
        alpha = cls(0.0, name=name)
        alpha.drift, alpha._bps, alpha._half_life = None, bps, half_life
        return alpha

    def coefficient(self, setting: Setting) -> Array:
        """alpha (N, n)."""
        return setting.once(self, "alpha", lambda: self._align(setting))

    def _align(self, setting: Setting) -> Array:
        if self.drift is not None:
            nothing = np.isscalar(self.drift) and self.drift == 0
            return setting.coefficient(self.drift, "Alpha drift", price_units=not nothing)
        half_life = setting.grid.duration(self._half_life)
        if half_life <= 0:
            raise DataError(f"Alpha half_life={self._half_life!r}: a time > 0 is expected")
        elapsed = np.asarray(setting.grid.edges - setting.grid.edges[0])
        left = np.exp2(-elapsed / half_life)[:, None]
        bps = setting.per_asset(0.0 if self._bps is None else self._bps, "Alpha bps")
        move = bps * 1e-4 * setting.market.prices
        passed, tau = left[:-1] - left[1:], setting.durations
        # In an auction no time passes, and no drift.
        return np.asarray(np.divide(passed, tau, out=np.zeros_like(passed), where=tau > 0) * move)

    def parameters(self, setting: Setting, weight: float) -> dict[str, Array]:
        """Gain per share held through the interval."""
        return {"gain": weight * setting.durations * self.coefficient(setting)}

    def expression(self, path: Paths, data: Parameters) -> cp.Expression:
        """- sum tau alpha x."""
        return -dot(data["gain"], path.after)

    def values(self, path: Trajectory) -> Array:
        """- tau alpha x."""
        return np.asarray(-path.setting.durations * self.coefficient(path.setting) * path.after)

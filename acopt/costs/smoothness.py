"""Penalties on the roughness of a schedule, by divided differences on any grid."""

from __future__ import annotations

from math import factorial
from typing import Any

import cvxpy as cp
import numpy as np

from acopt.errors import DataError, ModelError
from acopt.market.labels import Array, Data, called, short
from acopt.model.algebra import Cost, Parameters
from acopt.model.paths import Paths, Trajectory, scaled
from acopt.model.setting import Setting

HIGHEST = 10
"""Derivative beyond which the factorials in divided differences drown everything else."""
SHARPEST = 1e6
"""Scale of smoothness, in horizons, beyond which no scale of numbers holds it beside impact."""


class Smoothness(Cost):
    """
    Penalty on a derivative of the trading rate.

    mu integral |x^(d+1)|^2 dt, by divided differences (d+1)! x[t_j..t_{j+d+1}], each weighted by
    (t_{j+d+1} - t_j) / (d+1), interior windows only, none across a night, a break or an auction

    Parameters
    ----------
    derivative : d, of the trading rate: 1 its slope, 2 its jerk, ...
    scale : time over which a change of rate counts: mu = eta scale^(2d), eta the mean temporary
        coefficient of the problem.
    weight : mu outright instead, by asset or scalar (one asset), currency*time^(2d+1)/share^2.

    Raises
    ------
    DataError
        Neither or both of `scale` and `weight`, or a derivative below 1.
    ModelError
        `scale` without any temporary impact in the problem.

    Notes
    -----
    Exact for polynomials of degree d+1 on uneven grids, where nested differences of rates are not.
    """

    kind = "penalty"

    def __init__(
        self, derivative: int = 1, *, scale: Any = None, weight: Data | None = None, name: str | None = None
    ) -> None:
        if isinstance(derivative, bool) or not isinstance(derivative, int) or not 1 <= derivative <= HIGHEST:
            raise DataError(
                f"Smoothness derivative={short(derivative)}: an integer >= 1, at most {HIGHEST}, is expected"
            )
        if (scale is None) == (weight is None):
            raise DataError("Smoothness: give either scale= (a time, such as '30min') or weight=")
        self.derivative, self.scale, self.weight = derivative, scale, weight
        self.name = called(name, type(self).__name__)

    def strength(self, setting: Setting) -> Array:
        """mu (n,)."""
        if self.weight is not None:
            return setting.per_asset(self.weight, f"{self.name} weight", sign="nonnegative", price_units=True)
        if setting.eta is None:
            raise ModelError(
                f"{self.name}: scale= is relative to the temporary impact, and the problem has none; "
                "add TemporaryImpact, or give weight="
            )
        scale = setting.grid.duration(self.scale)
        if not 0 < scale <= SHARPEST * setting.grid.horizon:
            raise DataError(
                f"{self.name} scale={self.scale!r}: a time > 0, and at most {SHARPEST:g} times the horizon, is expected"
            )
        return np.asarray(setting.eta * scale ** (2 * self.derivative))

    def _open(self, setting: Setting) -> Array:
        """1 for the windows within one session, 0 for those that span a closed interval or an auction."""
        order = self.derivative + 1
        windows = max(setting.shape[0] + 1 - order, 0)
        cut = (setting.grid.closed | setting.grid.auctions).astype(float)
        spans = sum((cut[i : i + windows] for i in range(order)), np.zeros(windows))
        return np.where(spans > 0, 0.0, 1.0)

    def parameters(self, setting: Setting, weight: float) -> dict[str, Array]:
        """Band coefficients of sqrt(weight mu) x^(d+1), one array (windows, n) per edge of a window."""
        bands, lengths = divided_differences(_times(setting), self.derivative + 1)
        lengths = lengths * self._open(setting)
        root = np.sqrt(weight * self.strength(setting))
        return {f"band {i}": (np.sqrt(lengths) * band)[:, None] * root[None, :] for i, band in enumerate(bands)}

    def expression(self, path: Paths, data: Parameters) -> cp.Expression | None:
        """Sum of squares of the divided differences."""
        windows = path.variable.shape[0] - self.derivative - 1
        if windows < 1:
            return None
        x = path.variable
        bands = range(self.derivative + 2)
        return cp.sum_squares(sum(scaled(data[f"band {i}"], x[i : i + windows]) for i in bands))

    def values(self, path: Trajectory) -> Array:
        """Return the penalty of each window, shared equally by the intervals it spans."""
        order = self.derivative + 1
        edges, x = _times(path.setting), path.remaining
        out = np.zeros(path.setting.shape)
        if len(edges) <= order:
            return out
        table, low = x, 0
        for level in range(1, order + 1):
            table = (table[1:] - table[:-1]) / (edges[level:] - edges[:-level])[:, None]
            low = level
        length = (edges[low:] - edges[:-low]) / order
        length = length * self._open(path.setting)
        window = self.strength(path.setting) * length[:, None] * (factorial(order) * table) ** 2
        for shift in range(order):
            out[shift : shift + len(window)] += window / order
        return out


class Jerk(Smoothness):
    """
    Penalty on the jerk of the schedule: `Smoothness(2, scale=...)`.

    mu integral |x'''|^2 dt, mu = eta scale^4

    Parameters
    ----------
    scale, weight : as in `Smoothness`.
    """

    def __init__(self, scale: Any = None, *, weight: Data | None = None, name: str | None = None) -> None:
        super().__init__(2, scale=scale, weight=weight, name=name)


def _times(setting: Setting) -> Array:
    """Edges with auctions drawn apart: windows across one have no weight, and must not divide by zero."""
    grid = setting.grid
    return np.asarray(grid.edges + np.concatenate([[0.0], np.cumsum(grid.auctions) * grid.horizon]))


def divided_differences(edges: Array, order: int) -> tuple[list[Array], Array]:
    """
    Coefficients of order! x[t_j..t_{j+order}] on the edges of each window, and the windows' weights.

    Newton's form: order! / prod_{l != i} (t_{j+i} - t_{j+l}) for edge i of window j.
    """
    windows = len(edges) - order
    if windows < 1:
        return [np.zeros(0)] * (order + 1), np.zeros(0)
    nodes = np.stack([edges[i : i + windows] for i in range(order + 1)])
    bands = [factorial(order) / np.prod(nodes[i] - np.delete(nodes, i, axis=0), axis=0) for i in range(order + 1)]
    return bands, (edges[order:] - edges[:-order]) / order

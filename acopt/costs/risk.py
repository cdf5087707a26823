"""What waiting risks: the variance of cost against arrival, and of slippage against a benchmark path."""

from __future__ import annotations

from typing import Any

import cvxpy as cp
import numpy as np
import pandas as pd

from acopt.errors import DataError
from acopt.market.covariance import AnyCovariance, RiskModel, as_covariance
from acopt.market.labels import Array, Data, by_interval_and_asset, called, numbers
from acopt.model.algebra import Cost, Parameters
from acopt.model.benchmarks import Benchmark
from acopt.model.frames import Frames
from acopt.model.paths import Paths, Trajectory, row_products, scaled
from acopt.model.setting import Setting


class TimingRisk(Cost):
    """
    Variance of the cost against the arrival price: the risk of what is still to be traded.

    sum_k tau_k x_k' Sigma_k x_k,  x_k held after trade k

    Parameters
    ----------
    covariance : Sigma of price changes per unit time (`Covariance`, `FactorModel`, or a matrix); the
        market's by default.

    Notes
    -----
    It needs a weight, the risk aversion lambda in 1/currency: `lam * TimingRisk()`; or leave it out and
    let `solve_for` find it.

    References
    ----------
    Almgren & Chriss (2000), equations (5) and (20).
    """

    kind = "risk"

    def __init__(self, covariance: AnyCovariance | Data | None = None, *, name: str | None = None) -> None:
        self.covariance = None if covariance is None else as_covariance(covariance)
        self.name = called(name, type(self).__name__)

    def model(self, setting: Setting) -> RiskModel:
        """Return the covariance aligned to the problem."""
        return aligned(self.covariance, setting, self)

    def parameters(self, setting: Setting, weight: float) -> dict[str, Array]:
        """Roots of weight tau_k Sigma_k."""
        return root_parameters(self.model(setting), setting.durations, weight)

    def expression(self, path: Paths, data: Parameters) -> cp.Expression:
        """Sum of squares of the exposures of x_k."""
        return squared_exposure(path.after, data, path)

    def deviation(self, path: Paths, data: Parameters) -> cp.Expression:
        """Norm of the exposures of x_k."""
        return exposure(path.after, data, path)

    def arrival_variance(self, path: Trajectory) -> float:
        """Sum over k of tau_k x_k' Sigma_k x_k."""
        return float(np.sum(self.values(path)))

    def values(self, path: Trajectory) -> Array:
        """tau_k x_ki (Sigma_k x_k)_i, each asset's share of the variance (Euler)."""
        return np.asarray(path.setting.durations * path.after * self.model(path.setting).apply(path.after))


class TrackingRisk(Cost):
    """
    Variance of slippage against a benchmark path.

    sum_k tau_k (x_k - b_k)' Sigma_k (x_k - b_k)

    Parameters
    ----------
    benchmark : b, shares still to trade: `TWAP(start, end)`, `VWAP(start, end)`, `Close()`, which follow the
        order and the market when these are updated; or a path that stays as given: a Schedule, DataFrame
        edge x asset, or array (N+1, n); row 0 is the start, rows 1..N enter. Against arrival: `TimingRisk`.
    covariance : as in `TimingRisk`.

    Raises
    ------
    DataError
        The path's labels or shape do not fit, or it has a NaN; a window does not fit the grid.
    ModelError
        `VWAP` without volume; an asset with an order cannot trade in the window.

    References
    ----------
    Konishi (2002), "Optimal slice of a VWAP trade".
    """

    kind = "risk"
    tracks = True

    def __init__(
        self, benchmark: Any, covariance: AnyCovariance | Data | None = None, *, name: str | None = None
    ) -> None:
        self.benchmark = benchmark
        self.covariance = None if covariance is None else as_covariance(covariance)
        self.name = called(name, type(self).__name__)
        # Rows without labels mean edges of the grid at hand; labelled ones are looked up on any grid.
        self.bound_to_grid = not isinstance(benchmark, Benchmark | Frames | pd.Series | pd.DataFrame)

    def model(self, setting: Setting) -> RiskModel:
        """Return the covariance aligned to the problem."""
        return aligned(self.covariance, setting, self)

    def path(self, setting: Setting) -> Array:
        """b_1..b_N (N, n), shares."""
        return setting.once(self, "benchmark", lambda: self._path(setting)[1:])

    def _path(self, setting: Setting) -> Array:
        if isinstance(self.benchmark, Benchmark):
            return self.benchmark.path(setting)
        return explicit_path(self.benchmark, setting)

    def parameters(self, setting: Setting, weight: float) -> dict[str, Array]:
        """Roots of weight tau_k Sigma_k, and the benchmark."""
        return {**root_parameters(self.model(setting), setting.durations, weight), "benchmark": self.path(setting)}

    def expression(self, path: Paths, data: Parameters) -> cp.Expression:
        """Sum of squares of the exposures of x_k - b_k."""
        return squared_exposure(self._off(path, data), data, path)

    def deviation(self, path: Paths, data: Parameters) -> cp.Expression:
        """Norm of the exposures of x_k - b_k."""
        return exposure(self._off(path, data), data, path)

    def _off(self, path: Paths, data: Parameters) -> cp.Variable:
        off = cp.Variable(path.after.shape, name="off benchmark")
        path.definitions.append(off == path.after - data["benchmark"])
        return off

    def arrival_variance(self, path: Trajectory) -> float:
        """Sum over k of tau_k x_k' Sigma_k x_k, the benchmark apart."""
        return float(np.sum(path.setting.durations * path.after * self.model(path.setting).apply(path.after)))

    def values(self, path: Trajectory) -> Array:
        """tau_k (x - b)_ki (Sigma_k (x - b)_k)_i."""
        off = path.after - self.path(path.setting)
        return np.asarray(path.setting.durations * off * self.model(path.setting).apply(off))

    def __repr__(self) -> str:
        followed = repr(self.benchmark) if isinstance(self.benchmark, Benchmark) else "path"
        return f"TrackingRisk({followed}{'' if self.name == type(self).__name__ else f', name={self.name!r}'})"


def explicit_path(value: Any, setting: Setting) -> Array:
    """Shares still to trade at t_0..t_N (N+1, n), from a Schedule, labels, or an array."""
    n, m = setting.shape
    what = "TrackingRisk benchmark"
    if isinstance(value, str | type):
        raise DataError(
            f"{what}: {getattr(value, '__name__', value)!r} is not a number, nor a path of them; "
            "TWAP(), VWAP(start, end), Close(), or shares still to trade at t_0..t_N are accepted"
        )
    if isinstance(value, Frames):
        value = value.remaining
    if isinstance(value, pd.Series) and m == 1:
        value = value.to_frame(setting.assets[0])
    if isinstance(value, pd.DataFrame):
        for labels, given, axis in (
            (setting.grid.edge_labels, value.index, "edge"),
            (setting.assets, value.columns, "asset"),
        ):
            missing = labels[~labels.isin(given)]
            if len(missing):
                raise DataError(f"{what}: no value for {axis} {missing[0]!s}")
        array = by_interval_and_asset(value, setting.grid.edge_labels, setting.assets, what=what)
    else:
        array = numbers(value, what)
        array = array[:, None] if array.ndim == 1 and m == 1 else array
        if array.shape != (n + 1, m):
            raise DataError(f"{what}: shape {array.shape} was given, ({n + 1}, {m}) is expected (rows 0..N)")
    if not np.isfinite(array).all():
        row, column = np.argwhere(~np.isfinite(array))[0]
        raise DataError(
            f"{what} is {array[row, column]} for {setting.assets[column]} at {setting.grid.edge_labels[row]}"
        )
    return array


def aligned(covariance: AnyCovariance | None, setting: Setting, owner: Cost) -> RiskModel:
    """Return a cost's own covariance, or the market's, aligned to the problem."""
    if covariance is None:
        return setting.market.risk
    return setting.once(owner, "covariance", lambda: setting.market.align(covariance))


def root_parameters(model: RiskModel, durations: Array, weight: float) -> dict[str, Array]:
    """Numbers with weight tau_k Sigma_k = their squared exposure; see `exposures`."""
    spread = np.sqrt(durations) * model.scale
    strength = np.sqrt(weight)
    out: dict[str, Array] = {}
    n, m = spread.shape
    if model.root.ndim == 3:
        root = strength * spread[:, :, None] * model.root
        out["roots"] = root.reshape(n, m * root.shape[2])
    elif m == 1:
        out["deviation"] = strength * spread * np.sqrt(np.sum(model.root**2) + model.specific**2)
        return out
    else:
        out["spread"], out["root"] = spread, strength * model.root
    if model.specific.any():
        out["specific"] = strength * spread * model.specific
    return out


def exposures(x: cp.Expression, data: Parameters, path: Paths) -> list[cp.Expression]:
    """Return d s_k x_k and R_k' diag(s_k) x_k, whose squares add up to the weighted variance."""
    if "deviation" in data:
        return [scaled(data["deviation"], x)]
    own = [scaled(data["specific"], x)] if "specific" in data else []
    if "roots" in data:
        return [*own, row_products(x, data["roots"])]
    stretched = cp.Variable(x.shape, name="scaled")
    path.definitions.append(stretched == scaled(data["spread"], x))
    return [*own, stretched @ data["root"]]


def squared_exposure(x: cp.Expression, data: Parameters, path: Paths) -> cp.Expression:
    """Return |R_k' diag(s_k) x_k|^2 + |d s_k x_k|^2 summed over k."""
    parts = exposures(x, data, path)
    return sum(map(cp.sum_squares, parts[1:]), cp.sum_squares(parts[0]))


def exposure(x: cp.Expression, data: Parameters, path: Paths) -> cp.Expression:
    """Return the root of `squared_exposure`, a norm."""
    return cp.norm2(cp.hstack([cp.vec(part, order="F") for part in exposures(x, data, path)]))

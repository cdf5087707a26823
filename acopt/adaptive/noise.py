"""Normal price moves of a given covariance, drawn for many days at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from acopt.errors import ModelError
from acopt.market.covariance import AnyCovariance, as_covariance
from acopt.market.labels import Array, Data
from acopt.model.setting import Setting

ALIKE = 1e-9
"""Largest difference between correlations that are the same."""


@dataclass(frozen=True)
class Noise:
    """
    What draws e_k ~ N(0, Sigma_k), Sigma_k = diag(s_k) (R_k R_k' + diag(d)^2) diag(s_k), per unit time.

    Attributes
    ----------
    scale : s (N, n).
    root : R (n, r), or (N, n, r).
    specific : d (n,).
    """

    scale: Array
    root: Array
    specific: Array

    @classmethod
    def of(cls, setting: Setting, covariance: AnyCovariance | Data | None) -> Self:
        """Take a covariance, by default the market's; of one asset, its volatility is all there is to know."""
        market = setting.market
        model = market.risk if covariance is None else market.align(as_covariance(covariance))
        if setting.shape[1] > 1:
            return cls(model.scale, model.root, model.specific)
        own = np.sqrt(np.sum(model.root**2, axis=-1) + model.specific**2).reshape(-1, 1)
        return cls(model.scale * own, np.ones((1, 1)), np.zeros(1))

    def draw(self, n_paths: int, rng: np.random.Generator, spread: Array, scale: Array | None = None) -> Array:
        """
        Return diag(spread_k) e_k (n_paths, N, n), independent over intervals.

        Parameters
        ----------
        spread : (N, n) or (N, 1), root of the time that each interval takes.
        scale : (n_paths, N), multiplies the volatility of a day's interval.
        """
        n, m = self.scale.shape
        r = self.root.shape[-1]
        shocks = rng.standard_normal((n_paths, n, r))
        if self.root.ndim == 3:
            out = np.einsum("pkr,kir->pki", shocks, self.root, optimize=True)
        elif r == m == 1:
            out = shocks
        else:
            out = (shocks.reshape(-1, r) @ self.root.T).reshape(n_paths, n, m)
        if self.specific.any():
            out += self.specific * rng.standard_normal((n_paths, n, m))
        out *= spread * self.scale
        if scale is not None:
            out *= scale[:, :, None]
        return np.ascontiguousarray(out)

    @property
    def matrices(self) -> Array:
        """Sigma_k (N, n, n)."""
        own = self.root @ np.swapaxes(self.root, -1, -2) + np.diag(self.specific**2)
        return np.asarray(self.scale[:, :, None] * own * self.scale[:, None, :])

    @property
    def deviations(self) -> Array:
        """sqrt(Sigma_kii) (N, n)."""
        return np.asarray(self.scale * np.sqrt(np.sum(self.root**2, axis=-1) + self.specific**2))

    def reweighted(self, weights: Array) -> Noise:
        """Return the noise of covariance weights_kij Sigma_kij; weights (N, n, n) positive semidefinite."""
        sigma, unit = self.matrices * weights, np.sqrt(np.einsum("kii->ki", self.matrices * weights))
        size = np.where(unit > 0, unit, 1.0)
        values, vectors = np.linalg.eigh(sigma / (size[:, :, None] * size[:, None, :]))
        root = size[:, :, None] * vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
        return replace(self, scale=np.ones_like(unit), root=root, specific=np.zeros(unit.shape[1]))

    def demand_one_correlation(self, setting: Setting, what: str) -> None:
        """Demand that assets are correlated alike in all intervals that take time."""
        rows = np.flatnonzero((setting.durations[:, 0] > 0) & (self.deviations > 0).any(axis=1))
        if setting.shape[1] == 1 or not len(rows):
            return
        deviations = self.deviations[rows]
        unit = np.where(deviations > 0, deviations, 1.0)
        correlations = self.matrices[rows] / (unit[:, :, None] * unit[:, None, :])
        off = np.abs(correlations - correlations[0]).max(axis=(1, 2)) > ALIKE
        if off.any():
            first, other = setting.grid.labels[rows[[0, int(np.argmax(off))]]]
            raise ModelError(
                f"{what}: correlations between assets differ between {first} and {other}; a covariance whose "
                "volatilities alone change (Covariance(matrix, scale=...)) is accepted"
            )


def overlaps(rate: Array, tau: Array) -> Array:
    """Integral of exp(-(rate_i + rate_j) s) over an interval (N, n, n)."""
    both = rate[:, None] + rate[None, :]
    return np.asarray(-np.expm1(-both * tau[:, :, None]) / both)


def drift_noise(rate: Array, tau: Array) -> tuple[Array, Array, Array]:
    """
    Return how the drift's unit noise enters one interval, each (N, n), from two independent normals z, y.

    The drift gains r z; the price gains p z + q y, with r^2 = (1 - phi^2) / (2 rate), r p = (1 - phi)^2 / (2 rate^2),
    p^2 + q^2 = (tau - 2 (1 - phi) / rate + (1 - phi^2) / (2 rate)) / rate^2.
    """
    a = rate * tau
    lost, lost_twice = -np.expm1(-a), -np.expm1(-2.0 * a)
    renewed = np.sqrt(lost_twice / (2.0 * rate))
    along = np.divide(lost**2, 2.0 * rate**2 * renewed, out=np.zeros_like(a), where=renewed > 0)
    # tau - 2 (1 - phi) / rate + (1 - phi^2) / (2 rate) loses its digits where a is small
    series = a**3 * (1 / 3 - a * (1 / 4 - a * (7 / 60 - a * (1 / 24 - a * 31 / 2520))))
    whole = np.where(a < 0.02, series, a - 2.0 * lost + 0.5 * lost_twice) / rate**3
    return renewed, along, np.sqrt(np.maximum(whole - along**2, 0.0))

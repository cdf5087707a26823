"""Against the VWAP of a day whose volume is not known: the best static curve, and the curve re-estimated on the way."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from acopt.adaptive.simulation import SimulatedMarket
from acopt.adaptive.state import State
from acopt.adaptive.volumes import StochasticVolume, autoregressive, kept
from acopt.errors import DataError
from acopt.market.clock import integer
from acopt.market.labels import Array, demand, short
from acopt.market.market import Market
from acopt.market.order import Order
from acopt.model.benchmarks import Benchmark, tradable
from acopt.model.setting import Setting

Rows: TypeAlias = npt.NDArray[np.intp]

DEVIATIONS = 4.0
"""A volume further off than that, in standard deviations of its log, tells as much as one at that distance."""
STATIC_NODES, NODES = 16384, 128
"""Nodes of the quadrature for the curve made once, and at least for one made in every state."""
OBSERVED = 1e-12
"""Part of the largest log-variance to which a volume is observed: a day's factor alone is known after one interval."""


@dataclass(frozen=True, repr=False)
class ExpectedVWAP(Benchmark):
    """
    The static path closest to the VWAP of a day whose volume is uncertain: it follows E[m/V].

    b_ki = X_i (1 - E[m_ki / V_i]),  m_ki = sum_{j<=k} V_ji, V_i = m_Ni, over the intervals in which asset i can trade

    `TrackingRisk(ExpectedVWAP(volume))` is, but for a constant, the expected squared slippage against the VWAP that
    will be, sum_k tau_k E[(x_k - b_k)' Sigma_k (x_k - b_k)]; its minimiser beats the one that follows E[m] / E[V],
    which is `VWAP`.

    Parameters
    ----------
    volume : how volumes scatter about the market's; a factor of the whole day leaves no trace in m / V.

    Raises
    ------
    DataError
        `volume` is no `StochasticVolume`; with a problem: its numbers do not fit the assets and the grid.
    ModelError
        With a problem: the market has no volume, or an asset with an order has none.

    Notes
    -----
    Holds where prices owe nothing to volume. The expectation is a mean over 16,384 fixed nodes, good to 1e-5 where logs
    deviate by 0.35, as they do on real days, and to 5e-4 where they deviate by 1.2.

    References
    ----------
    Konishi (2002), "Optimal slice of a VWAP trade"; McCulloch & Kazakov (2007), "Optimal VWAP trading strategy and
    relative volume".
    """

    volume: StochasticVolume

    def __post_init__(self) -> None:
        """Check the model."""
        demand(self.volume, StochasticVolume, "ExpectedVWAP volume")

    def weights(self, setting: Setting) -> Array:
        """E[V_ki / V_i]."""
        return np.diff(_curve(self.volume, setting), axis=0)


def expected_volume_curve(volume: StochasticVolume, order: Order, market: Market) -> pd.DataFrame:
    """
    Return E[m/V] (N, n): the part of the day's volume that is expected to be over at the end of each interval.

    Parameters
    ----------
    volume : how volumes scatter about the market's.
    order, market : for which assets, and in which intervals they trade.

    Raises
    ------
    DataError, ModelError
        As in `ExpectedVWAP`.
    """
    demand(volume, StochasticVolume, "expected_volume_curve volume")
    demand(order, Order, "expected_volume_curve order")
    demand(market, Market, "expected_volume_curve market")
    setting = SimulatedMarket(market).setting(order)
    return pd.DataFrame(_curve(volume, setting)[1:], index=setting.grid.labels, columns=setting.assets)


@dataclass(frozen=True)
class AdaptiveVWAP:
    """
    Keep to the day's volume as it comes: what is executed after trade k is E[m_k / V | V_1..V_{k-1}] of the order.

    u_k = X (1 - E[m_k / V | known]) - x_{k-1}, where that works the order, else 0

    Logs of volumes are jointly normal: those to come, given those that came, have a mean linear in them, and m / V is
    averaged over fixed nodes about it. A factor of the whole day drops out of m / V, but has to be told from what lasts
    for an hour: the conditional mean does that. But for impact, and for never trading against the order, no policy has
    a smaller expected squared slippage against VWAP, where prices owe nothing to volume.

    Parameters
    ----------
    volume : how volumes scatter about the market's: `StochasticVolume`, as stated or from `volume_from_bars`.
    seed : of the quadrature's nodes.

    Raises
    ------
    DataError
        `volume` is no `StochasticVolume`, a seed below 0; when it decides: numbers that do not fit assets and grid.
    ModelError
        When it decides: the market has no volume.

    References
    ----------
    Bialkowski, Darolles & Le Fol (2008), "Improving VWAP strategies: a dynamic volume approach"; Humphery-Jenner
    (2011), "Optimal VWAP trading under noisy conditions".
    """

    volume: StochasticVolume
    seed: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        """Check the model and the seed."""
        demand(self.volume, StochasticVolume, "AdaptiveVWAP volume")
        seed = integer(self.seed)
        if seed is None or seed < 0:
            raise DataError(f"AdaptiveVWAP seed={short(self.seed)}: a whole number >= 0 is expected")

    def decide(self, state: State) -> Array:
        """Return the trades towards the volume expected to be over after this interval."""
        setting, k = state.setting, state.interval
        outlooks = setting.once(self, f"outlook {k}", lambda: _outlooks(self.volume, setting, k, self.seed))
        trades = np.zeros_like(state.remaining)
        for outlook in outlooks:
            own = outlook.assets
            if outlook.ahead[0] != k:
                continue
            aim = setting.remaining[own] * (1.0 - outlook.share_after(state.volumes[:, :, own]))
            step = aim - state.remaining[:, own]
            works = step * setting.remaining[own] < 0
            trades[:, own] = np.where(works, step, 0.0)
        return trades


@dataclass(frozen=True)
class VolumeForecast:
    """
    The volumes to come, re-estimated from those that came: what `RecedingHorizon(problem, volumes=...)` asks for.

    E[V_ji | V_1i..V_{k-1,i}], j = k..N: 0 where an asset cannot trade

    Parameters
    ----------
    volume : how volumes scatter about the market's, as in `AdaptiveVWAP`.

    Raises
    ------
    DataError
        `volume` is no `StochasticVolume`; when it is asked: numbers that do not fit assets and grid.
    """

    volume: StochasticVolume

    def __post_init__(self) -> None:
        """Check the model."""
        demand(self.volume, StochasticVolume, "VolumeForecast volume")

    def __call__(self, state: State) -> Array:
        """Return the expected volumes (paths, N - k, n), shares."""
        setting, k = state.setting, state.interval
        out = np.zeros((len(state.remaining), setting.shape[0] - k, setting.shape[1]))
        for outlook in setting.once(self, f"outlook {k}", lambda: _outlooks(self.volume, setting, k, 0)):
            own = outlook.assets
            means = outlook.medians(state.volumes[:, :, own]) * np.exp(0.5 * outlook.left)
            out[:, (outlook.ahead - k)[:, None], own] = np.swapaxes(means, 1, 2)
        return out


@dataclass(frozen=True)
class Outlook:
    """
    What the volumes before interval k say about those to come, of assets whose logs have one covariance.

    Attributes
    ----------
    assets : rows of the assets (g,).
    known, ahead : intervals with volume before k (K,), and from k on, which is one of them (F,).
    expected : E V (N, g), shares.
    variance : of the logs (N,).
    gain : (F, K), of the logs to come in those that came, both from their means.
    left : variance of the logs to come, given those that came (F,).
    scenarios : (F, Q), factors about the conditional medians.
    """

    assets: Rows
    known: Rows
    ahead: Rows
    expected: Array
    variance: Array
    gain: Array
    left: Array
    scenarios: Array

    def share_after(self, volumes: Array) -> Array:
        """E[m_k / V | V before k] (paths, g), interval k included, from volumes (paths, k, g)."""
        paths, _, g = volumes.shape
        done = volumes[:, self.known].sum(axis=1).reshape(-1, 1)
        medians = self.medians(volumes).reshape(-1, len(self.ahead))
        whole = medians @ self.scenarios
        whole += done
        share = medians[:, :1] * self.scenarios[0]
        share += done
        share /= whole
        return np.asarray(share.mean(axis=1).reshape(paths, g))

    def medians(self, volumes: Array) -> Array:
        """Return the medians of the volumes to come (paths, g, F), given those that came (paths, k, g)."""
        logs = self._surprise(volumes[:, self.known]) @ self.gain.T - 0.5 * self.variance[self.ahead]
        return np.asarray(self.expected[self.ahead].T * np.exp(logs))

    def _surprise(self, came: Array) -> Array:
        """Logs of the volumes that came, from their means (paths, g, K); none is further off than DEVIATIONS."""
        most = DEVIATIONS * np.sqrt(self.variance[self.known])[:, None]
        with np.errstate(divide="ignore"):
            logs = np.log(came / self.expected[self.known]) + 0.5 * self.variance[self.known][:, None]
        return np.swapaxes(np.clip(logs, -most, most), 1, 2)


def _outlooks(volume: StochasticVolume, setting: Setting, k: int, seed: int) -> list[Outlook]:
    """One outlook for all assets that share a covariance and have volume in the same intervals, some of it ahead."""
    opened = tradable(setting)
    covariances, which = _log_covariances(volume, setting)
    out = []
    for kind in np.unique(np.vstack([opened, which[None]])[:, opened[k:].any(axis=0)], axis=1).T:
        when, covariance = kind[:-1].astype(bool), covariances[int(kind[-1])]
        assets = np.flatnonzero((opened == when[:, None]).all(axis=0) & (which == kind[-1]))
        times = np.flatnonzero(when)
        known, ahead = times[times < k], times[times >= k]
        before, across = covariance[np.ix_(known, known)], covariance[np.ix_(ahead, known)]
        nugget = OBSERVED * before.diagonal().max(initial=0.0) + np.finfo(float).tiny
        gain = np.linalg.solve(before + nugget * np.eye(len(known)), across.T).T
        left = covariance[np.ix_(ahead, ahead)] - gain @ across.T
        scenarios = np.exp(_root(left) @ nodes(len(ahead), max(NODES, 4 * len(ahead)), seed).T)
        facts = setting.market.volumes[:, assets], covariance.diagonal(), gain, left.diagonal()
        out.append(Outlook(assets, known, ahead, *facts, scenarios))
    return out


def _curve(volume: StochasticVolume, setting: Setting) -> Array:
    """E[m_k / V] (N+1, n), from 0 to 1, where a day's factor cancels; 0 throughout for an asset without volume."""
    weights = np.where(tradable(setting), setting.market.volumes, 0.0)
    volume.deviations(setting)
    covariances, which = _log_covariances(replace(volume, day=0.0), setting)
    out = np.zeros((setting.shape[0] + 1, setting.shape[1]))
    at = nodes(len(weights), max(STATIC_NODES, 4 * len(weights)), 0)
    for kind, covariance in enumerate(covariances):
        logs = at @ _root(covariance).T - 0.5 * covariance.diagonal()
        factors = np.exp(logs)
        for i in np.flatnonzero((which == kind) & (weights > 0).any(axis=0)):
            over = np.cumsum(factors * weights[:, i], axis=1)
            out[1:, i] = (over / over[:, -1:]).mean(axis=0)
    return out


def _log_covariances(volume: StochasticVolume, setting: Setting) -> tuple[list[Array], Rows]:
    """Return covariances of the logs of an asset's volumes (N, N), and which of them each asset has (n,)."""
    deviation, daily = volume.deviations(setting)
    steps = kept(setting, volume.half_life, "StochasticVolume half_life")
    root = autoregressive(np.eye(len(steps))[:, :, None], steps)[:, :, 0].T
    kinds, which = np.unique(np.vstack([deviation, daily]), axis=1, return_inverse=True)
    correlation = root @ root.T
    return [np.outer(kind[:-1], kind[:-1]) * correlation + kind[-1] ** 2 for kind in kinds.T], which.reshape(-1)


def _root(covariance: Array) -> Array:
    """R with R R' = covariance, which may be singular."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def nodes(dimension: int, count: int, seed: int) -> Array:
    """
    Return nodes (count, dimension) at which to average a function of standard normals.

    They are drawn, mirrored, and made to have exactly unit covariance: a mean over them is exact for polynomials of the
    third degree (count even, and above twice the dimension).
    """
    half = np.random.default_rng(seed).standard_normal((count // 2, dimension))
    half = np.linalg.solve(np.linalg.cholesky(half.T @ half / len(half)), half.T).T
    return np.concatenate([half, -half])

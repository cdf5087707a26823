"""What a kernel lets one earn: round trips that pay, and trades that oscillate for no reason but rounding."""

from __future__ import annotations

import numpy as np
import pandas as pd

from acopt.costs.propagation import TOLERANCE, Decay, definite_root
from acopt.errors import ModelError
from acopt.market.kernels import Kernel
from acopt.market.labels import Array
from acopt.model.setting import Mask, Setting

MOST_TRIPS = 60
"""Moments among which round trips of two and three trades are looked for."""
SHOWN = 8
"""Trades of a round trip that a message lists."""
SINGULAR = 1e10
"""Condition of a kernel matrix beyond which its trades are an artefact."""


def demand_no_gain(name: str, kernel: Decay, matrix: Array, asset: int, strength: float, setting: Setting) -> None:
    """
    Demand that no trades of an asset earn under its kernel, where it can trade.

    Parameters
    ----------
    name : the cost.
    kernel, matrix : G, and its values between the moments of the grid (N, N).
    asset, strength : place of the asset, and its S_ii.

    Raises
    ------
    ModelError
        Some do; names them.
    """
    free = ~setting.forbidden[:, asset] if setting.forbidden.size else np.ones(len(matrix), dtype=bool)
    trip = earning_trip(matrix, free)
    if trip is not None:
        raise ModelError(_explain(name, kernel, trip, -0.5 * strength * float(trip @ matrix @ trip), asset, setting))


def _explain(name: str, kernel: Decay, trip: Array, earned: float, asset: int, setting: Setting) -> str:
    rows = np.flatnonzero(trip)
    steps = [f"{'buy' if trip[k] > 0 else 'sell'} {abs(trip[k]):.4g} at {_moment(k, setting)}" for k in rows[:SHOWN]]
    more = f" and {len(rows) - SHOWN} more trades" if len(rows) > SHOWN else ""
    round_trip = abs(trip.sum()) <= 1e-9 * np.abs(trip).sum()
    return (
        f"{name}: the kernel {called(kernel)} of {setting.assets[asset]} is not positive definite on this grid: "
        f"{', '.join(steps)}{more} earns {earned:.4g} currency per share^2"
        f"{'' if round_trip else ' (no round trip does, but the cost is not convex)'}; a convex decreasing kernel is "
        "never refused"
    )


def singular(name: str, kernel: Decay, matrix: Array, label: object, moments: Array) -> str | None:
    """Say that a kernel is numerically singular on its grid and not convex, so that its trades oscillate."""
    stamps, first = np.unique(moments, return_index=True)
    values = np.linalg.eigvalsh(matrix[np.ix_(first, first)])
    if values[0] * SINGULAR > values[-1] or shape_of(matrix, moments) == "convex":
        return None
    size = "beyond rounding" if values[0] * 1e15 <= values[-1] else f"{values[-1] / values[0]:.1g}"
    return (
        f"{name}: the kernel {called(kernel)} of {label} is numerically singular on {len(stamps)} moments (condition "
        f"{size}): its trades oscillate, and mean little without temporary impact"
    )


def called(kernel: Decay) -> str:
    """Name a kernel: as it is written, or a function by its own name."""
    return repr(kernel) if isinstance(kernel, Kernel) else getattr(kernel, "__name__", repr(kernel))


def _moment(k: int, setting: Setting) -> str:
    """The start of an interval, as one reads it."""
    labels = setting.grid.labels
    if not isinstance(labels, pd.DatetimeIndex):
        return f"{labels[k]:.6g}"
    return f"{labels[k]:%H:%M}" if labels[0].date() == labels[-1].date() else f"{labels[k]:%Y-%m-%d %H:%M}"


def shape_of(matrix: Array, moments: Array) -> str:
    """Whether a kernel decreases and is convex on the lags of its grid: "convex", "not convex", or "not decreasing"."""
    lags = np.abs(moments[:, None] - moments[None, :])
    span = float(lags.max(initial=0.0)) or 1.0
    times, first = np.unique(np.round(lags / span, 12), return_index=True)
    values = matrix.ravel()[first]
    slack = 1e-10 * float(np.abs(values).max(initial=0.0))
    steps = np.diff(values)
    if (steps > slack).any():
        return "not decreasing"
    gaps = np.diff(times)
    bend = steps[1:] * gaps[:-1] - steps[:-1] * gaps[1:]
    return "not convex" if (bend < -slack * (gaps[1:] + gaps[:-1])).any() else "convex"


def earning_trip(matrix: Array, free: Mask) -> Array | None:
    """
    Trades (N,) that earn under a kernel matrix, u'Ku < 0: None if there are none.

    A round trip (sum zero) of two or three trades if one earns; else the best round trip; else trades
    that do not return.
    """
    rows = np.flatnonzero(free)
    k = matrix[np.ix_(rows, rows)]
    if definite_root(k) is not None:
        return None
    values, vectors = np.linalg.eigh(k)
    if not len(values) or values[0] >= -TOLERANCE * np.abs(values).max():
        return None
    out = np.zeros(len(matrix))
    few = _few_trades(k)
    if few is not None:
        out[rows] = few
        return out
    centred = np.eye(len(rows)) - 1.0 / len(rows)
    inside, trips = np.linalg.eigh(centred @ k @ centred)
    best = trips[:, 0] if inside[0] < -TOLERANCE * np.abs(values).max() else vectors[:, 0]
    best = best / best[np.abs(best).argmax()]
    best[np.abs(best) < 1e-9] = 0.0
    out[rows] = best
    return out


def _few_trades(k: Array) -> Array | None:
    """The first round trip that earns most of: buy 1, sell 1; buy 1, sell 2, buy 1."""
    chosen = np.unique(np.linspace(0, len(k) - 1, min(len(k), MOST_TRIPS)).round().astype(int))
    g, own = k[np.ix_(chosen, chosen)], np.diag(k)[chosen]
    best, found = -TOLERANCE * float(np.abs(k).max()), None
    pairs = own[:, None] + own[None, :] - 2.0 * g
    triples = (
        own[:, None, None] + 4.0 * own[None, :, None] + own[None, None, :]
        - 4.0 * g[:, :, None] - 4.0 * g[None, :, :] + 2.0 * g[:, None, :]
    )  # fmt: skip
    order = np.arange(len(g))
    triples[~((order[:, None, None] < order[None, :, None]) & (order[None, :, None] < order[None, None, :]))] = np.inf
    for costs, shares in ((pairs, (1.0, -1.0)), (triples, (1.0, -2.0, 1.0))):
        if costs.size and costs.min() < best:
            best = float(costs.min())
            found = np.zeros(len(k))
            for place, share in zip(np.unravel_index(int(costs.argmin()), costs.shape), shares, strict=True):
                found[chosen[place]] += share
    return found

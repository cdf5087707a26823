"""What a price model reveals, as a chain of finitely many states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from acopt.adaptive.noise import Noise
from acopt.adaptive.prices import ArithmeticBrownian, OrnsteinUhlenbeck, PriceModel, RevertingDrift, SerialCorrelation
from acopt.errors import DataError, ModelError
from acopt.market.clock import integer
from acopt.market.labels import Array, short
from acopt.model.setting import Setting

MOST = 100_001
"""Price states; the chances between so many take 80 GB an interval."""
SAME = 1e-9
"""Part of the largest node by which a signal that cannot vary may differ from what it must be."""


@dataclass(frozen=True)
class PriceStates:
    """
    A signal that moves between M nodes, and the price change that each of them lets expect.

    Attributes
    ----------
    centre, spread : mean and standard deviation of the signal before every trade (N,), as known at the start.
    moves : E[dS_k | node] (N, M, n), currency/share.
    chances : (N - 1, M, M), from the nodes of an interval to those of the next one.
    model : which kind of price model has this signal, such as "OrnsteinUhlenbeck"; empty where there is no signal.

    Notes
    -----
    The signal is I_{k+1} = phi_k I_k + noise; its nodes are the states of Rouwenhorst's chain, so that its mean and
    its variance, given the node before, are exact: so is the value of any policy whose cost is quadratic in it.

    References
    ----------
    Rouwenhorst (1995); Fella, Gallipoli & Pan (2019), section 2.2, for chains that are not stationary.
    """

    centre: Array
    spread: Array
    moves: Array
    chances: Array
    model: str = ""

    @property
    def size(self) -> int:
        """M."""
        return int(self.moves.shape[1])

    def nodes(self, k: int) -> Array:
        """Signals (M,) before trade k."""
        return np.asarray(self.centre[k] + self.spread[k] * _standard(self.size))

    def between(self, k: int, signal: Array, what: str) -> tuple[npt.NDArray[np.int64], Array]:
        """
        Lower node (paths,) of each signal (paths,), and the weight of the node above it.

        Raises
        ------
        ModelError
            A signal beyond the nodes.
        """
        first, step = float(self.nodes(k)[0]), float(self.spread[k]) * float(np.diff(_standard(self.size))[0])
        off = (signal - first) / step if step > 0 else np.zeros(signal.shape)
        reach = SAME * (np.abs(self.nodes(k)).max() or 1.0)
        wrong = (off < -SAME) | (off > self.size - 1 + SAME) if step > 0 else np.abs(signal - first) > reach
        wrong |= np.isnan(signal)
        if wrong.any():
            path = int(np.argmax(wrong))
            raise ModelError(
                f"{what}: the signal {signal[path]:.6g} of path {path} is beyond the {self.size} price states, "
                f"{self.nodes(k)[0]:.6g} to {self.nodes(k)[-1]:.6g}; make the table with the price model of these days "
                "(prices=), or with more nodes (nodes=)"
            )
        low = np.clip(np.floor(off), 0, self.size - 2)
        return low.astype(np.int64), np.clip(off - low, 0.0, 1.0)


def number_of_states(prices: PriceModel | None, nodes: int, setting: Setting) -> int:
    """
    Return how many price states a table has: one where nothing is revealed.

    Raises
    ------
    ModelError
        A signal in a basket or after a history, or a model whose signal is not known to be a chain.
    DataError
        `nodes` is no odd whole number from 3 to 100,001.
    """
    size = integer(nodes)
    if size is None or not 3 <= size <= MOST or size % 2 == 0:
        raise DataError(f"dynamic_program nodes={short(nodes)}: an odd whole number from 3 to {MOST:,} is expected")
    if prices is None or isinstance(prices, ArithmeticBrownian):
        return 1
    kind, assets = type(prices).__name__, setting.shape[1]
    if not isinstance(prices, PriceModel) or isinstance(prices, type):
        raise DataError(f"dynamic_program prices: {short(prices)} was given, a price model is expected")
    if not isinstance(prices, OrnsteinUhlenbeck | RevertingDrift | SerialCorrelation):
        raise ModelError(
            f"dynamic_program prices: {kind} was given; ArithmeticBrownian, OrnsteinUhlenbeck, RevertingDrift and "
            "SerialCorrelation have signals that are known to be chains"
        )
    if assets > 1:
        raise ModelError(
            f"dynamic_program: {kind} has a signal for each of {assets} assets, too many states for a table; one "
            "asset, or ArithmeticBrownian prices, are expected"
        )
    if setting.elapsed:
        raise ModelError(
            f"dynamic_program: after {setting.elapsed} intervals of history the signal of {kind} is not known any "
            "more; a problem that begins now, with the signal of now, is expected"
        )
    return size


def price_states(prices: PriceModel | None, size: int, setting: Setting) -> PriceStates:
    """Turn a price model into a chain of `size` states; without a signal it has one."""
    n, assets = setting.shape
    if prices is None or size == 1:
        moves = np.zeros((n, 1, assets))
        if prices is not None:
            moves[:, 0] = _expected(prices, setting, 0, 0.0)[0]
        return PriceStates(np.zeros(n), np.zeros(n), moves, np.ones((n - 1, 1, 1)))
    start, fading, noise = _chain(prices, setting)
    centre, variance = np.full(n, start), np.zeros(n)
    for k in range(n - 1):
        centre[k + 1] = fading[k] * centre[k]
        variance[k + 1] = fading[k] ** 2 * variance[k] + noise[k] ** 2
    spread = np.sqrt(variance)
    kept = np.divide(fading[:-1] * spread[:-1], spread[1:], out=np.zeros(n - 1), where=spread[1:] > 0)
    chances = _rouwenhorst(size, np.clip(kept, -1.0, 1.0))
    states = PriceStates(centre, spread, np.zeros((n, size, 1)), chances, type(prices).__name__)
    for k in range(n):
        at_zero, slope = (float(_expected(prices, setting, k, signal)[0, 0, 0]) for signal in (0.0, 1.0))
        states.moves[k, :, 0] = at_zero + (slope - at_zero) * states.nodes(k)
    return states


def _expected(prices: PriceModel, setting: Setting, k: int, signal: float) -> Array:
    """What the model expects (1, N - k, n) at a signal, prices being as on arrival."""
    seen = np.broadcast_to(setting.market.prices, (1, k + 1, setting.shape[1]))
    return prices.expected(setting, k, seen, np.full((1, setting.shape[1]), signal))


def _chain(prices: Any, setting: Setting) -> tuple[float, Array, Array]:
    """Signal at the start, and phi_k (N,) and the noise's deviation (N,) of I_{k+1} = phi_k I_k + noise."""
    tau = setting.durations[:, 0]
    if isinstance(prices, SerialCorrelation):
        deviation = np.sqrt(tau) * Noise.of(setting, prices.covariance).deviations[:, 0]
        timed = deviation > 0
        last = np.concatenate([[0.0], deviation])
        for k in range(1, len(last)):
            last[k] = last[k] if timed[k - 1] else last[k - 1]
        followed, rho = last[:-1] > 0, float(prices.coefficient)
        ratio = np.divide(deviation, last[:-1], out=np.zeros_like(deviation), where=followed)
        fresh = np.where(followed, np.sqrt(1.0 - rho**2), 1.0)
        return 0.0, np.where(timed, rho * ratio, 1.0), np.where(timed, fresh * deviation, 0.0)
    rate = float(prices.rates(setting)[0])
    fading = np.exp(-rate * tau)
    per_unit = np.sqrt(-np.expm1(-2.0 * rate * tau) / (2.0 * rate))
    if isinstance(prices, OrnsteinUhlenbeck):
        arrival = float(setting.market.prices[0])
        mean = arrival if prices.mean is None else float(setting.per_asset(prices.mean, "prices mean")[0])
        return mean - arrival, fading, per_unit * Noise.of(setting, prices.covariance).deviations[:, 0]
    start, volatility = (float(setting.per_asset(v, "prices")[0]) for v in (prices.start, prices.volatility))
    return start, fading, per_unit * volatility


def _standard(size: int) -> Array:
    """Nodes of a chain of mean 0 and variance 1."""
    return np.asarray((2.0 * np.arange(size) - (size - 1)) / np.sqrt(max(size - 1, 1)))


def _rouwenhorst(size: int, correlation: Array) -> Array:
    """Transition matrices (K, size, size) of a chain whose correlation from one step to the next is given (K,)."""
    stay = (0.5 * (1.0 + correlation))[:, None, None]
    out = np.ones((len(correlation), 1, 1))
    for m in range(2, size + 1):
        grown = np.zeros((len(correlation), m, m))
        grown[:, :-1, :-1] += stay * out
        grown[:, :-1, 1:] += (1.0 - stay) * out
        grown[:, 1:, :-1] += (1.0 - stay) * out
        grown[:, 1:, 1:] += stay * out
        grown[:, 1:-1] *= 0.5
        out = grown
    return out

"""How prices move by themselves: models that draw days and forecast the rest of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from acopt.adaptive.noise import Noise, drift_noise, overlaps
from acopt.adaptive.volumes import demand_numbers, demand_time, time_above_zero
from acopt.errors import DataError
from acopt.market.clock import number
from acopt.market.covariance import AnyCovariance
from acopt.market.labels import Array, Data, Sign, numbers, short
from acopt.model.setting import Setting


@dataclass(frozen=True, eq=False)
class Drawn:
    """
    Price moves of simulated days.

    Attributes
    ----------
    changes : dS (paths, N, n), currency/share: dS_k comes after trade k, and hits the position held then.
    signal : (paths, N, n), what the model reveals before trade k.
    volumes : (paths, N, n), shares that the market traded, where the days are recorded ones that know; None leaves
        them to the simulated market.
    """

    changes: Array
    signal: Array
    volumes: Array | None = None


@runtime_checkable
class PriceModel(Protocol):
    """
    What a simulation asks of a model of the midprice without our impact.

    A model with an attribute `days` has that many days and no more; any other draws as many as it is asked for.
    """

    def draw(self, setting: Setting, n_paths: int, rng: np.random.Generator, scale: Array | None = None) -> Drawn:
        """Draw days; `scale` (paths, N) multiplies the volatility."""
        ...

    def expected(self, setting: Setting, interval: int, prices: Array, signal: Array) -> Array:
        """
        E[dS_j | what is known before trade `interval`] (paths, N - interval, n), j = interval..N-1.

        `prices` (paths, interval + 1, n) are those seen so far, `signal` (paths, n) the one of now.
        """
        ...


@dataclass(frozen=True, eq=False)
class ArithmeticBrownian:
    """
    Prices that owe nothing to their past: dS = alpha dt + dW, W of the market's covariance.

    dS_k ~ N(tau_k alpha_k, tau_k Sigma_k), independent; no signal

    Parameters
    ----------
    covariance : Sigma of price changes per unit time (`Covariance`, `FactorModel`, or a matrix), constant or by
        interval; the market's by default.
    drift : alpha, currency/share/time: scalar (one asset), by asset, by interval, or both.

    References
    ----------
    Almgren & Chriss (2000), sections 1.1 and 4.1.
    """

    covariance: AnyCovariance | Data | None = None
    drift: Data = field(default=0.0, kw_only=True)

    def draw(self, setting: Setting, n_paths: int, rng: np.random.Generator, scale: Array | None = None) -> Drawn:
        """Draw changes; the signal is zero."""
        changes = noise_of(self, setting).draw(n_paths, rng, np.sqrt(setting.durations), scale)
        moves = self._moves(setting)
        return Drawn(changes + moves if moves.any() else changes, nothing(changes.shape))

    def expected(self, setting: Setting, interval: int, prices: Array, signal: Array) -> Array:
        """tau_j alpha_j."""
        moves = self._moves(setting)[interval:]
        return np.broadcast_to(moves, (len(signal), *moves.shape))

    def _moves(self, setting: Setting) -> Array:
        none = np.isscalar(self.drift) and self.drift == 0
        drift = setting.coefficient(self.drift, "ArithmeticBrownian drift", price_units=not none)
        return np.asarray(setting.durations * drift)


@dataclass(frozen=True, eq=False)
class OrnsteinUhlenbeck:
    """
    Prices drawn back to a mean: dS = rate (mean - S) dt + dW, W of the market's covariance.

    S_{k+1} = mean + phi_k (S_k - mean) + e_k,  phi_k = exp(-rate tau_k),
    Cov(e_ik, e_jk) = Sigma_ijk (1 - phi_ik phi_jk) / (rate_i + rate_j): exact on any grid

    The signal is mean - S_k, currency/share.

    Parameters
    ----------
    rate : speed of reversion per unit time, > 0: scalar or by asset.
    half_life : time after which half the distance is left, instead: "90min", or a number in the grid's unit, > 0.
    mean : currency/share, by asset; the arrival price by default.
    covariance : Sigma of price changes per unit time, as in `ArithmeticBrownian`.

    Raises
    ------
    DataError
        Neither or both of rate and half-life are given, one is not positive, or a label is missing.

    Notes
    -----
    Cov(S_ti, S_tj) = sigma^2 / (2 rate) (e^{-rate |ti - tj|} - e^{-rate (ti + tj)}) for one asset.

    References
    ----------
    Uhlenbeck & Ornstein (1930); Gillespie (1996) for the exact steps.
    """

    rate: Data | None = None
    half_life: Any = field(default=None, kw_only=True)
    mean: Data | None = field(default=None, kw_only=True)
    covariance: AnyCovariance | Data | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        """Check numbers at once; labelled rates are checked when the assets are known."""
        demand_speed(self.rate, self.half_life, "OrnsteinUhlenbeck")

    def draw(self, setting: Setting, n_paths: int, rng: np.random.Generator, scale: Array | None = None) -> Drawn:
        """Draw prices step by step; the signal is their distance from the mean."""
        rate = self.rates(setting)
        noise = noise_of(self, setting)
        if (rate == rate[0]).all():
            spread = np.sqrt(-np.expm1(-2.0 * rate * setting.durations) / (2.0 * rate))
        else:
            spread, plain = np.ones(setting.shape), noise
            noise = setting.once(self, "steps", lambda: plain.reweighted(overlaps(rate, setting.durations)))
        off = noise.draw(n_paths, rng, spread, scale)
        back, distance = -np.expm1(-rate * setting.durations), np.empty_like(off)
        distance[:, 0] = self._mean(setting) - setting.market.prices
        for k in range(setting.shape[0]):
            off[:, k] += back[k] * distance[:, k]
            if k + 1 < setting.shape[0]:
                distance[:, k + 1] = distance[:, k] - off[:, k]
        return Drawn(off, distance)

    def expected(self, setting: Setting, interval: int, prices: Array, signal: Array) -> Array:
        """(mean - S_k) (e^{-rate (t_j - t_k)} - e^{-rate (t_{j+1} - t_k)})."""
        elapsed = elapsed_since(setting, interval)
        left = np.exp(-self.rates(setting) * elapsed)
        return np.asarray(signal[:, None, :] * (left[:-1] - left[1:]))

    def rates(self, setting: Setting) -> Array:
        """Return the speed by asset (n,), per unit time."""
        return speeds(setting, self.rate, self.half_life, "OrnsteinUhlenbeck")

    def _mean(self, setting: Setting) -> Array:
        if self.mean is None:
            return setting.market.prices
        return setting.per_asset(self.mean, "OrnsteinUhlenbeck mean", price_units=True)


@dataclass(frozen=True, eq=False)
class RevertingDrift:
    """
    Prices with a drift that fades and is renewed: dS = I dt + dW, dI = -rate I dt + volatility dZ, W and Z apart.

    I_{k+1} = phi_k I_k + noise, phi_k = exp(-rate tau_k);  E[dS_k | I_k] = (1 - phi_k) / rate I_k: exact on any grid

    The signal is I_k, currency/share/time, known before trade k.

    Parameters
    ----------
    rate : speed at which the drift fades per unit time, > 0: scalar or by asset.
    half_life : time after which half of it is left, instead: "90min", or a number in the grid's unit, > 0.
    volatility : of the drift, currency/share/time^(3/2), >= 0: scalar (one asset) or by asset.
    start : I_0, currency/share/time: scalar (one asset) or by asset.
    covariance : of W, price changes per unit time, as in `ArithmeticBrownian`.

    Raises
    ------
    DataError
        Neither or both of rate and half-life are given, one is not positive, a volatility is negative, or a label is
        missing.

    Notes
    -----
    The price's own variance is what W and the drift's noise add up to, larger than `TimingRisk` says.

    References
    ----------
    Garleanu & Pedersen (2013) for predictors that revert.
    """

    rate: Data | None = None
    volatility: Data = 0.0
    half_life: Any = field(default=None, kw_only=True)
    start: Data = field(default=0.0, kw_only=True)
    covariance: AnyCovariance | Data | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        """Check numbers at once; labelled rates are checked when the assets are known."""
        demand_speed(self.rate, self.half_life, "RevertingDrift")

    def draw(self, setting: Setting, n_paths: int, rng: np.random.Generator, scale: Array | None = None) -> Drawn:
        """Draw changes and the drift; `scale` multiplies the volatility of W alone."""
        own, others = rng.spawn(2)
        rate, tau = self.rates(setting), setting.durations
        changes = noise_of(self, setting).draw(n_paths, own, np.sqrt(tau), scale)
        signal = np.empty_like(changes)
        signal[:, 0] = _in_currency(setting, self.start, "RevertingDrift start")
        volatility = _in_currency(setting, self.volatility, "RevertingDrift volatility", sign="nonnegative")
        fading, share = np.exp(-rate * tau), -np.expm1(-rate * tau) / rate
        renewed, along, beside = drift_noise(rate, tau)
        noisy = bool(volatility.any())
        shocks = others.standard_normal((2, n_paths, *setting.shape)) if noisy else None
        for k in range(setting.shape[0]):
            changes[:, k] += share[k] * signal[:, k]
            following = fading[k] * signal[:, k]
            if shocks is not None:
                first, second = volatility * shocks[:, :, k]
                changes[:, k] += along[k] * first + beside[k] * second
                following += renewed[k] * first
            if k + 1 < setting.shape[0]:
                signal[:, k + 1] = following
        return Drawn(changes, signal)

    def expected(self, setting: Setting, interval: int, prices: Array, signal: Array) -> Array:
        """I_k (e^{-rate (t_j - t_k)} - e^{-rate (t_{j+1} - t_k)}) / rate."""
        rate = self.rates(setting)
        left = np.exp(-rate * elapsed_since(setting, interval))
        return np.asarray(signal[:, None, :] * ((left[:-1] - left[1:]) / rate))

    def rates(self, setting: Setting) -> Array:
        """Return the speed by asset (n,), per unit time."""
        return speeds(setting, self.rate, self.half_life, "RevertingDrift")


@dataclass(frozen=True, eq=False)
class SerialCorrelation:
    """
    Prices whose changes follow the last one: dS_k = coefficient dS_{k-1} + e_k, of the market's variance.

    dS_k = rho v_k / v_{k-1} dS_{k-1} + e_k,  v_k the standard deviation of interval k, by asset

    Cov(dS_k) = tau_k Sigma_k in every interval, and its correlation with the change before is rho. An interval without
    time (an auction), or without volatility, is passed over.

    The signal is the last change, currency/share, 0 before there is one.

    Parameters
    ----------
    coefficient : rho, between -1 and 1: above 0 prices trend, below they bounce.
    covariance : Sigma, as in `ArithmeticBrownian`; its correlations must be the same in all intervals.

    Raises
    ------
    DataError
        A coefficient outside (-1, 1).
    ModelError
        Correlations between assets that differ by interval.

    References
    ----------
    Almgren & Chriss (2000), section 4.2.
    """

    coefficient: float
    covariance: AnyCovariance | Data | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        """Check the coefficient."""
        value = number(self.coefficient)
        if value is None or not -1 < value < 1:
            raise DataError(
                f"SerialCorrelation coefficient={short(self.coefficient)}: a number between -1 and 1 is expected"
            )

    def draw(self, setting: Setting, n_paths: int, rng: np.random.Generator, scale: Array | None = None) -> Drawn:
        """Draw changes; `scale` multiplies the volatility of what is new in them."""
        noise = noise_of(self, setting)
        noise.demand_one_correlation(setting, "SerialCorrelation")
        changes = noise.draw(n_paths, rng, np.sqrt(setting.durations), scale)
        deviations = self._deviations(setting)
        last = _last_moved(deviations)
        signal, fresh = np.zeros_like(changes), np.sqrt(1.0 - self.coefficient**2)
        for k in np.flatnonzero(last >= 0):
            signal[:, k] = changes[:, last[k]]
            changes[:, k] *= fresh
            changes[:, k] += self.coefficient * _ratio(deviations[k], deviations[last[k]]) * signal[:, k]
        return Drawn(changes, signal)

    def expected(self, setting: Setting, interval: int, prices: Array, signal: Array) -> Array:
        """rho^m v_j / v_last dS_last, the last change being m intervals that take time before j."""
        deviations = self._deviations(setting)
        last = _last_moved(deviations)[interval]
        moving = (deviations[interval:] > 0).any(axis=1)
        if last < 0:
            return nothing((len(signal), *deviations[interval:].shape))
        powers = self.coefficient ** np.cumsum(moving)
        return np.asarray(signal[:, None, :] * (powers[:, None] * _ratio(deviations[interval:], deviations[last])))

    def _deviations(self, setting: Setting) -> Array:
        return np.sqrt(setting.durations) * noise_of(self, setting).deviations


class _HasCovariance(Protocol):
    @property
    def covariance(self) -> AnyCovariance | Data | None: ...


def noise_of(model: _HasCovariance, setting: Setting) -> Noise:
    """Return what draws a model's moves, aligned once."""
    return setting.once(model, "noise", lambda: Noise.of(setting, model.covariance))


def nothing(shape: tuple[int, ...]) -> Array:
    """Return zeros that take no memory and cannot be written to."""
    return np.broadcast_to(0.0, shape)


def elapsed_since(setting: Setting, interval: int) -> Array:
    """t_j - t_k (N - k + 1, 1), j = k..N."""
    edges = np.asarray(setting.grid.edges)
    return np.asarray(edges[interval:] - edges[interval])[:, None]


def demand_speed(rate: Data | None, half_life: Any, what: str) -> None:
    """Demand a rate or a half-life, and that plain numbers are above 0; what has labels is judged with them."""
    if (rate is None) == (half_life is None):
        raise DataError(f"{what}: give either rate= or half_life= (a time, such as '90min')")
    if rate is None:
        demand_time(half_life, f"{what} half_life")
        return
    demand_numbers(rate, f"{what} rate")
    if not isinstance(rate, Mapping):
        found = numbers(rate, f"{what} rate")
        wrong = ~((found > 0) & (found < np.inf))
        if wrong.any():
            raise DataError(f"{what} rate is {found[wrong][0]:g}; a number > 0 is expected")


def speeds(setting: Setting, rate: Data | None, half_life: Any, what: str) -> Array:
    """Return the rate by asset (n,), per unit time, whichever way it was given."""
    if rate is not None:
        return setting.per_asset(rate, f"{what} rate", sign="positive")
    return np.full(setting.shape[1], np.log(2.0) / time_above_zero(setting, half_life, f"{what} half_life"))


def _in_currency(setting: Setting, value: Data, what: str, sign: Sign = "any") -> Array:
    """Align a quantity in price units (n,); 0 is the same for all assets."""
    none = np.isscalar(value) and value == 0
    return setting.per_asset(value, what, sign=sign, price_units=not none)


def _last_moved(deviations: Array) -> npt.NDArray[np.int_]:
    """Last interval before each one (N,) in which prices moved; -1 where there is none."""
    steps = np.where((deviations > 0).any(axis=1), np.arange(len(deviations)), -1)
    return np.concatenate([[-1], np.maximum.accumulate(steps)[:-1]])


def _ratio(above: Array, below: Array) -> Array:
    """above / below, 0 where nothing moves."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)

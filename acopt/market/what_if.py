"""A market with its numbers multiplied: what if volume, volatility, spread or impact is not as expected."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from acopt.errors import DataError
from acopt.market.clock import number
from acopt.market.covariance import AnyCovariance
from acopt.market.impact_models import ImpactModel
from acopt.market.labels import LARGEST, Array, demand, short
from acopt.market.market import Market


@dataclass(frozen=True)
class ScaledImpact:
    """
    An impact law, times a number, permanent part included.

    Parameters
    ----------
    model : the law.
    factor : the number, > 0.
    """

    model: ImpactModel
    factor: float

    def temporary(self, market: Market) -> Array:
        """Temporary coefficient (N, n), currency*time/share^2."""
        return np.asarray(self.factor * self.model.temporary(market))

    def in_auction(self, market: Market) -> Array:
        """Coefficient of a single trade in an auction (N, n), currency/share^2."""
        return np.asarray(self.factor * self.model.in_auction(market))

    def permanent(self, market: Market) -> Array:
        """Permanent coefficient (n, n), currency/share^2."""
        return np.asarray(self.factor * self.model.permanent(market))

    def law(self, market: Market, trades: Array) -> Array | None:
        """Cost of trades (N, n) under the law itself, currency; None when it is the linear one."""
        own = self.model.law(market, trades)
        return None if own is None else np.asarray(self.factor * own)

    def power(self, market: Market) -> tuple[Array, Array]:
        """The law as K |u|^(1+b)."""
        size, exponent = self.model.power(market)
        return np.asarray(self.factor * size), exponent


def what_if(
    market: Market, *, volume: float = 1.0, volatility: float = 1.0, spread: float = 1.0, impact: float = 1.0
) -> Market:
    """
    Return a market with some of its numbers multiplied, the rest as it is.

    Parameters
    ----------
    market : what is expected.
    volume, volatility, spread : factors > 0 of every volume, every volatility (correlations stay), every spread.
    impact : factor > 0 of the impact law's own coefficients. A law also follows volume and volatility: with 70% of
        the volume, `LinearImpact` charges 1 / 0.7 for the same shares.

    Raises
    ------
    DataError
        A factor is no number > 0, or the market lacks what it multiplies.
    """
    demand(market, Market, "what_if market")
    given = {"volume": volume, "volatility": volatility, "spread": spread, "impact": impact}
    factors = {what: _factor(value, what) for what, value in given.items()}
    out = copy(market)
    for known in ("risk", "daily_volume", "daily_volatility"):
        out.__dict__.pop(known, None)
    if factors["volume"] != 1.0:
        out._volumes = factors["volume"] * _present(market._volumes, "volume")
    if factors["spread"] != 1.0:
        out._spreads = factors["spread"] * _present(market._spreads, "spread")
    if factors["volatility"] != 1.0:
        out.covariance = _scaled(_present(market.covariance, "volatility"), factors["volatility"])
    if factors["impact"] != 1.0:
        law: Any = _present(market.impact, "impact")
        factor = factors["impact"]
        if isinstance(law, ScaledImpact):
            law, factor = law.model, factor * law.factor
        out.impact = ScaledImpact(law, factor)
    return out


def _factor(value: Any, what: str) -> float:
    factor = number(value)
    if factor is None or not 1 / LARGEST <= factor <= LARGEST:
        raise DataError(f"what_if {what}={short(value)}: a number > 0 is expected (0.7 is 30% less)")
    return factor


def _present(value: Any, what: str) -> Any:
    if value is None:
        raise DataError(f"what_if {what}: the market has none to multiply")
    return value


def _scaled(covariance: AnyCovariance, factor: float) -> AnyCovariance:
    """Return the same covariance with its scale multiplied."""
    out = copy(covariance)
    scale: Any = covariance._scale
    if isinstance(scale, Mapping):
        scale = pd.Series(scale)
    elif isinstance(scale, list | tuple):
        scale = np.asarray(scale, dtype=float)
    out._scale = factor if scale is None else scale * factor
    return out

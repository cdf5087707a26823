"""The same order in another market: what a term is given when it is priced, or read, under a scenario."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import cvxpy as cp
import numpy as np

from acopt.errors import AcoptError, DataError, ModelError
from acopt.market.labels import Array
from acopt.market.market import Market
from acopt.model.algebra import Parameters, Term
from acopt.model.curvature import Curvature, collect
from acopt.model.paths import Paths, inverse_volume, scaled
from acopt.model.setting import Setting
from acopt.model.statement import mean_eta

PER_VOLUME = "per volume"


def bare(setting: Setting, market: Any, terms: tuple[Term, ...], what: str) -> tuple[Setting, Curvature | None]:
    """
    Return the order in another market, before its rules and its history, and the curvature of costs there.

    Parameters
    ----------
    setting : the order in the problem's own market.
    market : a market on the same grid, with the same arrival prices.
    terms : costs that are priced there.
    what : how errors call the scenario.
    """
    with fronted(what):
        own = fitting(setting, market)
        out = Setting(setting.order, own, setting.complete)
        curvature, forbidden = collect(terms, out)
        out = out.but(forbidden=forbidden, lent=None if curvature is None else curvature.lent)
        return out.but(eta=mean_eta(terms, out)), curvature


def ruled(own: Setting, setting: Setting) -> Setting:
    """Return a bare setting with the one-sided trades and the history of the problem."""
    return own.but(one_sided=setting.one_sided, past=setting.past)


def fitting(setting: Setting, market: Any) -> Market:
    """
    Return a scenario's market for the order's assets.

    Raises
    ------
    DataError
        No market, another grid, other arrival prices, or an asset is missing.
    """
    if not isinstance(market, Market):
        raise DataError(f"{type(market).__name__} was given, a Market is expected")
    if market.grid.periods != setting.grid.periods:
        raise DataError(f"its market has {market.grid.periods} intervals, the problem {setting.grid.periods}")
    if market.grid != setting.grid:
        raise DataError("its market has another grid; a scenario is about the market, not about the times")
    own = market.select(setting.assets)
    other = np.flatnonzero(own.prices != setting.market.prices)
    if len(other):
        i = int(other[0])
        raise DataError(
            f"its price of {own.assets[i]} is {own.prices[i]:,.6g}, the problem's {setting.market.prices[i]:,.6g}; "
            "the arrival price is known, and the same in every scenario"
        )
    return own


@contextmanager
def fronted(what: str) -> Iterator[None]:
    """Say in front of an error what it is about; its diagnosis stays with it."""
    try:
        yield
    except AcoptError as error:
        error.args = (f"{what}: {error}", *error.args[1:])
        raise


def per_volume(setting: Setting) -> dict[str, Array]:
    """Numbers for `PathsUnder`: 1 / V, 0 where there is none; nothing without volume."""
    return {PER_VOLUME: inverse_volume(setting)} if setting.market.has_volume else {}


class PathsUnder(Paths):
    """The paths of a problem, with the participation that they have in another market."""

    def __init__(self, path: Paths, data: Parameters) -> None:
        self.__dict__.update({key: value for key, value in vars(path).items() if key != "participation"})
        self._path, self._other = path, data

    @property
    def size(self) -> cp.Expression:
        """|u| from above (N, n), the same variable for all."""
        return self._path.size

    @property
    def holdings(self) -> cp.Expression:
        """Shares held (N+1, n)."""
        return self._path.holdings

    @property
    def rates(self) -> cp.Expression:
        """Trading rates (N, n), shares/time."""
        return self._path.rates

    @property
    def notional(self) -> cp.Expression:
        """Signed currency traded at arrival prices (N, n)."""
        return self._path.notional

    @cached_property
    def participation(self) -> cp.Expression:
        """Signed fraction of the other market's volume (N, n)."""
        if PER_VOLUME not in self._other:
            raise ModelError("a term reads the participation, and the scenario's market has no volume")
        out = cp.Variable(self.trades.shape, name="by other volume")
        self.definitions.append(out == scaled(self._other[PER_VOLUME], self.trades))
        return out

    def _done(self) -> cp.Expression:
        return self._path._done()

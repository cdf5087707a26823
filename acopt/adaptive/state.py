"""What a policy knows, and what it must answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from acopt.market.labels import Array
from acopt.model.setting import Setting


@dataclass(frozen=True)
class State:
    """
    What is known before interval k is traded, on every simulated path at once; its arrays cannot be written to.

    Attributes
    ----------
    setting : the order and the market as it is expected to be.
    interval : k, counted from 0.
    remaining : x (paths, n), shares still to trade: > 0 to sell.
    trades : (paths, k, n), shares executed so far, buys +.
    prices : (paths, k + 1, n), midprices at the start of intervals 0..k without our own impact, currency/share.
    volumes : (paths, k, n), shares that the market traded in the intervals that are over; NaN in a market that has
        no volume.
    signal : (paths, n), what the price model reveals; its unit is the model's.
    prices_model : which kind of model made the days, such as "OrnsteinUhlenbeck"; empty where nobody says.
    """

    setting: Setting
    interval: int
    remaining: Array
    trades: Array
    prices: Array
    volumes: Array
    signal: Array
    _expected: Callable[[], Array] = field(repr=False, compare=False)
    prices_model: str = field(default="", kw_only=True)

    @property
    def price(self) -> Array:
        """(paths, n), midprices now, currency/share."""
        return self.prices[:, -1]

    def expected_changes(self) -> Array:
        """E[S_j+1 - S_j | what is known] (paths, N - k, n), j = k..N-1, currency/share: the best forecast there is."""
        return self._expected()


@runtime_checkable
class Policy(Protocol):
    """
    Anything that decides how much to trade next; it sees all paths at once, and none of their future.

    A long run is made in blocks of paths, each from interval 0 on. A policy with an attribute `overshoots = True` may
    pass its target on the way; any other is stopped when it does. Its `name`, if it has one, is what tables call it.
    """

    def decide(self, state: State) -> Array:
        """Return the trades of interval `state.interval`, (paths, n) shares, buys +, sells -."""
        ...

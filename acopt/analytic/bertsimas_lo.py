"""Bertsimas and Lo's best execution when prices carry information: a policy and its cost by one backward recursion.

The truth that policies are judged by: NumPy only, nothing shared with what it judges.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import ArrayLike

from acopt.analytic._arguments import Array, count, number
from acopt.errors import DataError

__all__ = ["BertsimasLo"]


@dataclass(frozen=True)
class BertsimasLo:
    """Execution of one stock in T periods at least expected cost, with permanent impact and information.

        P_t = P_{t-1} + theta u_t + gamma I_t + e_t,     I_t = rho I_{t-1} + n_t,     I_t known before the trade u_t

    The cost is what is paid, E sum_t P_t u_t (sales are proceeds, < 0). With W = -x shares still to trade (buys +) and
    k periods after the present one, the least cost is V_k = P W + a_k W^2 + b_k I W + c_k I^2 + d_k:

        a_k = theta (1 + 1/(k+1)) / 2,                        b_k = gamma + theta rho b_{k-1} / (2 a_{k-1})
        c_k = rho^2 (c_{k-1} - b_{k-1}^2 / (4 a_{k-1})),      d_k = d_{k-1} + c_{k-1} Var n
        u = W / (k+1) + rho b_{k-1} I / (2 a_{k-1});          a_0 = theta, b_0 = gamma, c_0 = d_0 = 0

    Without information it is the naive strategy W / (k+1), the same number of shares in each period.

    Parameters
    ----------
    initial : float
        X, shares: > 0 to sell, < 0 to buy.
    periods : int
        T >= 1.
    price : float
        P_0 before the first trade, currency/share.
    impact : float
        theta > 0, currency/share per share.
    information : float
        gamma, currency/share per unit of I.
    persistence : float
        rho, -1 < rho < 1.
    noise : float
        Variance of n_t, >= 0, in units of I squared.

    Raises
    ------
    DataError
        If a number is out of its range.

    References
    ----------
    Bertsimas and Lo (1998), "Optimal control of execution costs", Journal of Financial Markets 1: the section on
    linear price impact with information, and its appendix.
    """

    initial: float
    periods: int
    price: float
    impact: float
    information: float = 0.0
    persistence: float = 0.0
    noise: float = 0.0
    coefficients: Array = field(init=False, repr=False, compare=False)
    """a, b, c, d in columns, (T, 4), row k for k periods after the present one."""

    def __post_init__(self) -> None:
        """Check and convert every field, then recur."""
        above = {"price": 0.0, "impact": 0.0, "persistence": -1.0}
        for name in (f.name for f in fields(self) if f.init and f.name != "periods"):
            least = 0.0 if name == "noise" else -math.inf
            value = number("BertsimasLo", name, getattr(self, name), above=above.get(name, -math.inf), least=least)
            object.__setattr__(self, name, value)
        if self.persistence >= 1:
            raise DataError(f"BertsimasLo: persistence must be > -1 and < 1; got {self.persistence!r}")
        object.__setattr__(self, "periods", count("BertsimasLo", "periods", self.periods))
        object.__setattr__(self, "coefficients", self._recursion())

    def trade(self, period: int, remaining: ArrayLike, information: ArrayLike) -> Array:
        """Return the optimal trade, shares (buys +).

        Parameters
        ----------
        period : int
            0 .. T-1.
        remaining : array
            x before the trade, shares: > 0 still to sell.
        information : array
            I of this period; shapes broadcast.
        """
        if not 0 <= period < self.periods:
            raise DataError(f"BertsimasLo: period must be 0 .. {self.periods - 1}; got {period!r}")
        after = self.periods - 1 - period
        wanted, seen = -np.asarray(remaining, dtype=np.float64), np.asarray(information, dtype=np.float64)
        if after == 0:
            return wanted + 0.0 * seen
        a, b = self.coefficients[after - 1, :2]
        return np.asarray(wanted / (after + 1) + self.persistence * b / (2 * a) * seen)

    def expected_cost(self, information: float = 0.0) -> float:
        """Return E sum P_t u_t of the optimum, currency, for I_1 = `information`; < 0 for sales."""
        wanted, seen = -self.initial, number("BertsimasLo", "information", information)
        a, b, c, d = self.coefficients[-1]
        return float(self.price * wanted + a * wanted**2 + b * seen * wanted + c * seen**2 + d)

    def naive_cost(self, information: float = 0.0) -> float:
        """Return E sum P_t u_t of X/T shares in each period, currency, for I_1 = `information`."""
        wanted, seen = -self.initial, number("BertsimasLo", "information", information)
        ahead = self.persistence ** np.arange(self.periods)
        news = self.information * seen * float(np.cumsum(ahead).sum()) / self.periods
        return float(wanted * (self.price + news) + self.impact * wanted**2 * (self.periods + 1) / (2 * self.periods))

    def _recursion(self) -> Array:
        rho, out = self.persistence, np.zeros((self.periods, 4))
        out[0] = self.impact, self.information, 0.0, 0.0
        for k in range(1, self.periods):
            a, b, c, d = out[k - 1]
            out[k, 0] = self.impact * (1 + 1 / (k + 1)) / 2
            out[k, 1] = self.information + self.impact * rho * b / (2 * a)
            out[k, 2] = rho**2 * (c - b**2 / (4 * a))
            out[k, 3] = d + c * self.noise
        out.setflags(write=False)
        return out

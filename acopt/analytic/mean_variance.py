"""A priced trajectory, and the efficient frontier of any model that can say its optimum for each risk aversion."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from acopt.analytic._arguments import Array, array, number

__all__ = ["Frontier", "MeanVariance", "Trajectory"]


@dataclass(frozen=True, eq=False)
class Trajectory:
    """A trading trajectory with its price: E, expected cost against arrival (bad = positive), and V, its variance.

    For one stock arrays have no asset axis.

    Attributes
    ----------
    times : (N+1,) array
        Edges t_0 = 0 .. t_N = T, in the model's unit of time.
    holdings : (N+1,) or (N+1, n) array
        x_k, shares: > 0 still to sell, < 0 still to buy.
    trades : (N,) or (N, n) array
        u_k = x_k - x_{k-1}, shares: buys +, sells -. An optimum's are computed apart from `holdings`, and are not
        their rounded differences.
    expected_cost, variance : float
        Currency, currency squared.
    risk_aversion : float or None
        The lambda (1/currency) whose optimum this is; inf: the block trade; None: a trajectory that was only priced.
    """

    times: Array
    holdings: Array
    trades: Array
    expected_cost: float
    variance: float
    risk_aversion: float | None = None

    def __post_init__(self) -> None:
        """Make the arrays read-only: an oracle that can be edited is none."""
        for each in (self.times, self.holdings, self.trades):
            each.setflags(write=False)

    @property
    def rates(self) -> Array:
        """Trading rates u_k / tau_k, (N,) or (N, n), shares per unit of time: buys +, sells -."""
        durations = np.diff(self.times)
        return self.trades / (durations if self.trades.ndim == 1 else durations[:, None])

    @property
    def is_monotone(self) -> bool:
        """Whether no stock is both bought and sold (beyond rounding: 1e-12 of its larger side).

        Closed forms treat the spread as the constant eps |X|, which it is when trades keep one sign. Then, and in
        general only then, the closed form is also the optimum of the problem with the kinked spread cost eps sum |u|.
        """
        bought, sold = np.clip(self.trades, 0, None).sum(axis=0), np.clip(-self.trades, 0, None).sum(axis=0)
        return bool(np.all(np.minimum(bought, sold) <= 1e-12 * np.maximum(bought, sold)))

    def objective(self, risk_aversion: float) -> float:
        """Return E + lambda V, currency. Without variance the second part is 0, for lambda = inf too (its limit)."""
        aversion = number("Trajectory.objective", "risk_aversion", risk_aversion, least=0, infinite=True)
        return self.expected_cost + (aversion * self.variance if self.variance else 0.0)

    def value_at_risk(self, z: float) -> float:
        """Return E + z sqrt(V), currency: the liquidity-adjusted value at risk (z = 1.645: 95 %)."""
        return self.expected_cost + number("Trajectory.value_at_risk", "z", z, least=0) * math.sqrt(self.variance)


class Frontier(NamedTuple):
    """Points of the efficient frontier, (m,) arrays: lambda (1/currency), E (currency), V (currency squared)."""

    risk_aversion: Array
    expected_cost: Array
    variance: Array


class MeanVariance(ABC):
    """The efficient frontier of a model whose `optimum` minimises E + lambda V: as lambda rises, E rises and V falls.

    Where an optimum is not monotone, all statements here hold for E without the spread, which is what it minimises.
    """

    @abstractmethod
    def optimum(self, risk_aversion: float) -> Trajectory:
        """Return the minimiser of E + lambda V."""

    def frontier(self, risk_aversions: ArrayLike) -> Frontier:
        """Return lambda, E and V of the optimum for each of (m,) risk aversions (finite, >= 0), in the given order."""
        aversions = array(f"{type(self).__name__}.frontier", "risk_aversions", risk_aversions, (-1,))
        points = [self.optimum(float(each)) for each in aversions]
        return Frontier(aversions, np.array([p.expected_cost for p in points]), np.array([p.variance for p in points]))

    def optimum_at_variance(self, variance: float) -> Trajectory:
        """Return the least expected cost with V <= `variance` (currency squared): the frontier as a function E(V).

        V(lambda) is decreasing; its root is found in log lambda. At or above V(0) the answer is lambda = 0; at 0 it is
        the block trade, lambda = inf.

        Raises
        ------
        DataError
            If `variance` is negative or not finite.
        """
        wanted = number(f"{type(self).__name__}.optimum_at_variance", "variance", variance, least=0)
        neutral = self.optimum(0.0)
        if neutral.variance <= wanted:
            return neutral
        if wanted == 0:
            return self.optimum(math.inf)
        guess = abs(neutral.expected_cost) / neutral.variance or 1.0
        return self._root(lambda point: 1 - math.sqrt(point.variance / wanted), guess)

    def optimum_value_at_risk(self, z: float) -> Trajectory:
        """Return the minimiser of E + z sqrt(V) over all trajectories; its lambda is z / (2 sqrt(V(lambda))).

        sqrt(V) is a norm of the trajectory, so the problem is strictly convex, its optimum lies on the frontier, and
        2 lambda sqrt(V(lambda)) rises with lambda. It rises to a FINITE limit (one stock without drift:
        2 eta~ |X| / (sigma tau^1.5)): from there on the norm's kink holds, and the optimum is exactly the block trade,
        lambda = inf. Continuous time has no such limit.

        Parameters
        ----------
        z : float
            Standard normal quantile, currency of cost per currency of standard deviation; 1.645 for 95 %.

        Raises
        ------
        DataError
            If `z` is negative or not finite.

        References
        ----------
        Almgren and Chriss (2000), "Optimal execution of portfolio transactions", section on value at risk.
        """
        slope = number(f"{type(self).__name__}.optimum_value_at_risk", "z", z, least=0)
        neutral = self.optimum(0.0)
        if slope == 0 or neutral.variance == 0:
            return neutral
        guess = slope / (2 * math.sqrt(neutral.variance))  # below the root, as V falls
        return self._root(lambda point: 2 * (point.risk_aversion or 0.0) * math.sqrt(point.variance) / slope - 1, guess)

    def _root(self, rising: Callable[[Trajectory], float], guess: float) -> Trajectory:
        """Solve rising(optimum(lambda)) = 0; without a root within a factor 2^240 of `guess`, lambda is 0 or inf."""

        def gap(log_aversion: float) -> float:
            return rising(self.optimum(math.exp(log_aversion)))

        low = high = math.log(guess)
        step, reach = math.log(16.0), 60 * math.log(16.0)
        while gap(low) > 0:
            low -= step
            if low < math.log(guess) - reach:
                return self.optimum(0.0)
        while gap(high) < 0:
            high += step
            if high > math.log(guess) + reach:
                return self.optimum(math.inf)
        root = low if low == high else brentq(gap, low, high, xtol=1e-15, rtol=4 * np.finfo(float).eps)
        return self.optimum(math.exp(float(root)))

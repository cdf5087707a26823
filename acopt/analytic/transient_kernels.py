"""Optimal execution under transient impact that decays in any way, and the trades in which its optima are told.

The truth the optimiser is judged by: NumPy and SciPy only, nothing shared with what it judges. Everywhere the cost is

    C(u) = 1/2 sum_i sum_j u_i strength G(|t_i - t_j|) u_j,        G(0) = 1,        sum_k u_k = -X

over trades u_k (shares; buys +, sells -) at times t_k, and nothing bounds or orders the trades. Exponential decay has
a module of its own, `obizhaeva_wang`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from acopt.analytic._arguments import Array, array, number
from acopt.errors import DataError

__all__ = ["TransientOptimum", "kernel_optimum", "linear_decay_optimum", "trade_times"]


@dataclass(frozen=True, eq=False)
class TransientOptimum:
    """The trades of least cost, and that cost.

    Attributes
    ----------
    times : (N,) array
        t_k, nondecreasing, in the unit of time of the decay.
    trades : (N,) array
        u_k, shares: buys +, sells -; they sum to -X.
    cost : float
        What was minimised, currency; with risk, in units of currency too.
    """

    times: Array
    trades: Array
    cost: float

    def __post_init__(self) -> None:
        """Make the arrays read-only: an oracle that can be edited is none."""
        self.times.setflags(write=False)
        self.trades.setflags(write=False)


def linear_decay_optimum(initial: float, horizon: float, rate: float, strength: float) -> TransientOptimum:
    """Return the optimum over ALL strategies on [0, T] when impact decays as (1 - rho t)+: 2 (N+1) trades, no more.

    With N = floor(rho T), and f = rho T - N,

        -X (1 - i/(N+1)) / (N+2)   at i / rho, and again at T - i / rho,   i = 0 .. N
        cost strength X^2 [1 + (1-f) / (N+1)] / (2 (N+2))

    Where rho T is whole, the two sets of times coincide, and so do their trades: N+1 equal ones in all.

    Parameters
    ----------
    initial : float
        X, shares: > 0 to sell, < 0 to buy.
    horizon : float
        T > 0, time.
    rate, strength : float
        rho > 0, 1/time; strength > 0, currency/share^2.

    Raises
    ------
    DataError
        If a number is out of its range.

    References
    ----------
    Gatheral, Schied and Slynko (2012), "Transient linear price impact and Fredholm integral equations", Mathematical
    Finance 22.
    """
    owner = "linear_decay_optimum"
    order, length = number(owner, "initial", initial), number(owner, "horizon", horizon, above=0)
    rho, scale = number(owner, "rate", rate, above=0), number(owner, "strength", strength, above=0)
    whole = np.floor(rho * length)
    steps = np.arange(whole + 1)
    times = np.clip(np.concatenate([steps / rho, length - steps / rho]), 0, length)
    weights = np.tile((1 - steps / (whole + 1)) / (whole + 2), 2)
    sorting = np.argsort(times, kind="stable")
    potential = (1 + (1 - (rho * length - whole)) / (whole + 1)) / (whole + 2)
    return TransientOptimum(times[sorting], -order * weights[sorting], float(scale * order**2 * potential / 2))


def kernel_optimum(
    initial: float, times: ArrayLike, kernel: Callable[[Array], ArrayLike], strength: float = 1.0
) -> TransientOptimum:
    """Return the optimum for any positive definite kernel, by one dense solve.

        u = -X M^-1 1 / (1' M^-1 1),    cost strength X^2 / (2 1' M^-1 1),    M_ij = G(|t_i - t_j|)

    Parameters
    ----------
    initial : float
        X, shares: > 0 to sell, < 0 to buy.
    times : (N,) array
        Increasing.
    kernel : callable
        G, from distances in time (N, N) to as many numbers.
    strength : float
        > 0, currency/share^2.

    Raises
    ------
    DataError
        If a number is out of its range, times do not increase, or M is not positive definite, which means that some
        round trip costs nothing or earns.

    References
    ----------
    Gatheral, Schied and Slynko (2012), "Transient linear price impact and Fredholm integral equations", Mathematical
    Finance 22.
    """
    owner = "kernel_optimum"
    order, scale = number(owner, "initial", initial), number(owner, "strength", strength, above=0)
    stamps = trade_times(owner, times)
    distances = np.abs(stamps[:, None] - stamps)
    matrix = array(owner, "kernel(distances)", kernel(distances), distances.shape)
    try:
        weights = cho_solve(cho_factor(matrix), np.ones_like(stamps))
    except LinAlgError as error:
        lowest = float(np.linalg.eigvalsh(matrix)[0])
        raise DataError(
            f"{owner}: kernel must be positive definite at the given times; its matrix has the eigenvalue {lowest:g}"
            + (" because times coincide; increasing times would do" if (np.diff(stamps) == 0).any() else "")
        ) from error
    total = float(weights.sum())
    return TransientOptimum(stamps, -order * weights / total, scale * order**2 / (2 * total))


def trade_times(owner: str, times: ArrayLike) -> Array:
    """Return `times` as a read-only array (N,), or raise where they decrease."""
    found = array(owner, "times", times, (-1,))
    falls = np.flatnonzero(np.diff(found) < 0)
    if falls.size:
        i = int(falls[0])
        raise DataError(f"{owner}: times must not decrease; got {found[i]:g} at {i} and {found[i + 1]:g} at {i + 1}")
    return found

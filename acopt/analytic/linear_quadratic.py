"""Optimal execution as a linear-quadratic control problem: prices that revert, answered by a Riccati recursion.

The truth that policies are judged by: NumPy only, nothing shared with what it judges. Any grid, coefficients that vary
over time, any number of stocks. What reverts, and how, is in `mean_reversion`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from acopt.analytic._arguments import Array, array, symmetric
from acopt.errors import DataError

__all__ = ["LinearQuadratic", "SignalFeedback"]


@dataclass(frozen=True, eq=False)
class LinearQuadratic:
    """Execution of n stocks over N intervals with quadratic costs, and price changes that can be forecast.

    The optimum minimises, over trades u_k = x_k - x_{k-1} that may answer what is known before each of them,

        E sum_k [u_k' H_k u_k + x_k' R_k x_k - x_k' d_k],   x_0 given, x_N = 0,   d_k the price change after trade k

    V_k(x), the least cost from trade k on, is quadratic: x' Q_k x - x' p_k + a number that x does not enter. Backwards,
    with S = R_k + Q_{k+1}, M = H_k + S and what a share held earns, l = d_k + p_{k+1}:

        x_k = F_k x_{k-1} + M^-1 l / 2,   F_k = M^-1 H_k,   Q_k = (F_k - I)' H_k (F_k - I) + F_k' S F_k,   p_k = F_k' l

    and F_k = 0 in the last trade. d enters linearly, so what is known of it counts by its mean only (certainty
    equivalence): the optimum of the forecast E[d_j | known], made anew before each trade, is the optimum.

    Parameters
    ----------
    impact : (N,), (N, n) or (N, n, n) array
        H_k, currency/share^2: one stock, diagonals, or symmetric matrices. With Almgren and Chriss' parameters
        eta_k / tau_k - gamma / 2.
    risk : (N,), (N, n) or (N, n, n) array
        R_k, currency/share^2, as `impact`; lambda tau_k times the covariance of price changes.
    tradable : (N, n) array of bool, or None
        Where a stock can trade; everywhere by default. Where it cannot, x_k = x_{k-1}.

    Raises
    ------
    DataError
        If a shape or number is wrong, a matrix is not symmetric, M is not positive definite (names the interval), or a
        stock can never trade.

    References
    ----------
    Bertsekas (2017), "Dynamic programming and optimal control" I, on linear systems with quadratic cost, and on
    certainty equivalence. Garleanu and Pedersen (2013), "Dynamic trading with predictable returns and transaction
    costs", Journal of Finance 68.
    """

    impact: Array
    risk: Array
    tradable: NDArray[np.bool_] | None = None
    _follow: Array = field(init=False, repr=False)
    _respond: Array = field(init=False, repr=False)
    _value: Array = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check every field, then recur."""
        impact = _matrices("LinearQuadratic", "impact", self.impact)
        risk = _matrices("LinearQuadratic", "risk", self.risk)
        if impact.shape != risk.shape:
            raise DataError(f"LinearQuadratic: impact is of (N, n) = {impact.shape[:2]}, risk of {risk.shape[:2]}")
        free = _tradable(self.tradable, impact.shape[:2])
        follow, respond, value = _riccati(impact * free[:, :, None] * free[:, None, :], risk, free)
        parts = {"impact": impact, "risk": risk, "tradable": free, "_follow": follow, "_respond": respond}
        for name, found in {**parts, "_value": value}.items():
            found.setflags(write=False)
            object.__setattr__(self, name, found)

    @property
    def shape(self) -> tuple[int, int]:
        """(N, n)."""
        return self.impact.shape[0], self.impact.shape[1]

    def trade(self, interval: int, remaining: ArrayLike, drift: ArrayLike | None = None) -> Array:
        """Return the optimal trade of interval k.

        Parameters
        ----------
        interval : int
            k, counted from 0.
        remaining : (..., n) array
            x before the trade, shares: > 0 still to sell.
        drift : (..., N-k, n) array, or None
            E[d_j | known], j = k .. N-1, currency/share; none by default.

        Returns
        -------
        (..., n) array
            u, shares: buys +, sells -.
        """
        self._within(interval)
        x = np.asarray(remaining, dtype=np.float64)
        moved = x @ (self._follow[interval] - np.eye(self.shape[1])).T
        if drift is None:
            return np.asarray(moved)
        earned = self._earned(np.asarray(drift, dtype=np.float64), interval)[0]
        return np.asarray(moved + earned @ self._respond[interval] / 2)

    def optimum(self, initial: ArrayLike, drift: ArrayLike | None = None) -> Array:
        """Return x_0 .. x_N (N+1, n) of the best schedule that is fixed at t_0, for d (N, n) expected then."""
        count, size = self.shape
        x = np.zeros((count + 1, size))
        x[0] = array("LinearQuadratic.optimum", "initial", np.atleast_1d(initial), (size,))
        expected = np.zeros((count, size)) if drift is None else np.reshape(drift, (count, size))
        for k, earned in enumerate(self._earned(np.asarray(expected, dtype=np.float64), 0)):
            x[k + 1] = self._follow[k] @ x[k] + self._respond[k] @ earned / 2
        return x

    def cost(self, holdings: ArrayLike, drift: ArrayLike | None = None) -> float:
        """Return sum_k u_k' H_k u_k + x_k' R_k x_k - x_k' d_k of x_0 .. x_N (N+1, n), currency."""
        count, size = self.shape
        x = np.reshape(np.asarray(holdings, dtype=np.float64), (count + 1, size))
        u, after = np.diff(x, axis=0), x[1:]
        cost = np.einsum("ki,kij,kj->", u, self.impact, u) + np.einsum("ki,kij,kj->", after, self.risk, after)
        return float(cost) - (0.0 if drift is None else float(np.sum(after * np.reshape(drift, (count, size)))))

    def feedback(self, gain: ArrayLike, decay: ArrayLike) -> SignalFeedback:
        """Return the optimum where a signal forecasts prices: E[d_k | I_k] = gain_k I_k, E[I_{k+1}] = decay_k I_k."""
        return SignalFeedback(self, np.asarray(gain), np.asarray(decay))

    def _earned(self, drift: Array, interval: int) -> list[Array]:
        """Return l_j = d_j + p_{j+1}, j = k .. N-1, each (..., n): what a share held after trade j earns."""
        count, size = self.shape
        if drift.shape[-2:] != (count - interval, size):
            wanted = f"(..., {count - interval}, {size})"
            raise DataError(f"LinearQuadratic: drift from interval {interval} must be {wanted}; got {drift.shape}")
        out: list[Array] = []
        for j in reversed(range(interval, count)):
            later = out[-1] @ self._follow[j + 1] if out else 0.0
            out.append(np.asarray(drift[..., j - interval, :] + later))
        return out[::-1]

    def _within(self, interval: int) -> None:
        if not 0 <= interval < self.shape[0]:
            raise DataError(f"LinearQuadratic: interval must be 0 .. {self.shape[0] - 1}; got {interval!r}")


@dataclass(frozen=True, eq=False)
class SignalFeedback:
    """The policy of `LinearQuadratic` for a signal I that is known before each trade and reverts to zero.

        E[d_k | I_k] = G_k I_k,     I_{k+1} = Phi_k I_k + noise,     V_k(x, I) = x' Q_k x - x' B_k I - I' C_k I - w_k
        x_k = F_k x_{k-1} + M^-1 L I_k / 2,   L = G_k + B_{k+1} Phi_k,   B_k = F_k' L
        C_k = L' M^-1 L / 4 + Phi_k' C_{k+1} Phi_k,   w_k = w_{k+1} + tr(C_{k+1} Var noise_k)

    The noise does not enter the policy; w_0 is what it earns, since I is answered when it is seen.

    Parameters
    ----------
    model : LinearQuadratic
    gain : (N,), (N, n) or (N, n, m) array
        G_k: one stock and signal, a signal for each stock, or m signals.
    decay : (N,), (N, m) or (N, m, m) array
        Phi_k, as `gain`.

    Raises
    ------
    DataError
        If a shape or number is wrong.

    References
    ----------
    Almgren and Chriss (2000), section on serial correlation; Garleanu and Pedersen (2013), "Dynamic trading with
    predictable returns and transaction costs", section 2.
    """

    model: LinearQuadratic
    gain: Array
    decay: Array
    _response: Array = field(init=False, repr=False)
    _worth: Array = field(init=False, repr=False)
    _held: Array = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the signal's law, then recur."""
        count, size = self.model.shape
        gain = _maps("SignalFeedback", "gain", self.gain, count)
        decay = _maps("SignalFeedback", "decay", self.decay, count)
        many = gain.shape[2]
        if gain.shape[1] != size or decay.shape[1:] != (many, many):
            raise DataError(
                f"SignalFeedback: gain must be ({count}, {size}, m) and decay ({count}, m, m); "
                f"got {gain.shape} and {decay.shape}"
            )
        response, worth, held = np.zeros((count, size, many)), np.zeros((count + 1, many, many)), np.zeros((size, many))
        for k in reversed(range(count)):
            earned = gain[k] + held @ decay[k]
            response[k] = self.model._respond[k] @ earned / 2
            worth[k] = earned.T @ response[k] / 2 + decay[k].T @ worth[k + 1] @ decay[k]
            held = self.model._follow[k].T @ earned
        found = {"gain": gain, "decay": decay, "_response": response, "_worth": worth, "_held": held}
        for name, value in found.items():
            value.setflags(write=False)
            object.__setattr__(self, name, value)

    def trade(self, interval: int, remaining: ArrayLike, signal: ArrayLike) -> Array:
        """Return the optimal trade (..., n) of interval k for x (..., n) and I (..., m) before it."""
        reply = np.asarray(signal, dtype=np.float64) @ self._response[interval].T
        return np.asarray(self.model.trade(interval, remaining) + reply)

    def value(self, initial: ArrayLike, signal: ArrayLike, noise: ArrayLike | None = None) -> float:
        """Return V_0, the least expected cost, currency.

        Parameters
        ----------
        initial : (n,) array
            x_0, shares.
        signal : (m,) array
            I_0, as known before the first trade.
        noise : (N,), (N, m) or (N, m, m) array, or None
            Variance of I_{k+1} given I_k; none by default: the cost of the best schedule that is fixed at t_0.
        """
        x, seen = np.atleast_1d(np.asarray(initial, float)), np.atleast_1d(np.asarray(signal, float))
        cost = float(x @ self.model._value[0] @ x - x @ self._held @ seen - seen @ self._worth[0] @ seen)
        if noise is None:
            return cost
        variance = _maps("SignalFeedback.value", "noise", noise, self.model.shape[0])
        return cost - float(np.einsum("kij,kji->", self._worth[1:], variance))


def _riccati(impact: Array, risk: Array, free: NDArray[np.bool_]) -> tuple[Array, Array, Array]:
    """Return F (N, n, n), M^-1 on what moves freely (N, n, n), and Q (N+1, n, n)."""
    count, size = free.shape
    last = count - 1 - np.argmax(free[::-1], axis=0)
    follow, respond, value = np.zeros_like(impact), np.zeros_like(impact), np.zeros((count + 1, size, size))
    for k in reversed(range(count)):
        step, after = impact[k], risk[k] + value[k + 1]
        moves, stays = np.flatnonzero(free[k] & (k < last)), np.flatnonzero(~free[k])
        follow[k, stays, stays] = 1.0
        inverse = _inverse((step + after)[np.ix_(moves, moves)], k)
        respond[k][np.ix_(moves, moves)] = inverse
        pulled = step[moves]
        pulled[:, stays] -= after[np.ix_(moves, stays)]
        follow[k, moves] = inverse @ pulled
        change = follow[k] - np.eye(size)
        whole = change.T @ step @ change + follow[k].T @ after @ follow[k]
        value[k] = (whole + whole.T) / 2
    return follow, respond, value


def _inverse(matrix: Array, interval: int) -> Array:
    """Return the inverse of a positive definite matrix, scaled to a unit diagonal."""
    diagonal = np.diag(matrix)
    scale = 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    unit = matrix * scale[:, None] * scale
    lowest = float(np.linalg.eigvalsh(unit)[0]) if len(unit) else 1.0
    if lowest <= 1e-14:
        raise DataError(
            f"LinearQuadratic: impact and risk must be positive definite together; in interval {interval} the cost of "
            f"a trade, scaled to a unit diagonal, has the eigenvalue {lowest:g}"
        )
    return np.asarray(np.linalg.inv(unit) * scale[:, None] * scale)


def _tradable(value: NDArray[np.bool_] | None, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return where each stock can trade, (N, n), each of them at least once."""
    free = np.ones(shape, dtype=bool) if value is None else np.array(value, dtype=bool)
    if free.shape != shape:
        raise DataError(f"LinearQuadratic: tradable must have shape {shape}; got {free.shape}")
    if not free.any(axis=0).all():
        raise DataError(f"LinearQuadratic: stock {int(np.argmin(free.any(axis=0)))} can trade in no interval")
    return free


def _matrices(owner: str, name: str, value: ArrayLike) -> Array:
    """Return symmetric matrices (N, n, n), given as such, as diagonals (N, n), or as numbers (N,)."""
    found = _maps(owner, name, value, -1)
    size = found.shape[1]
    return np.array([symmetric(owner, f"{name}[{k}]", each, size) for k, each in enumerate(found)])


def _maps(owner: str, name: str, value: ArrayLike, count: int) -> Array:
    """Return matrices (N, n, m), given as such, as diagonals (N, n), or as numbers (N,)."""
    rank = min(max(np.ndim(value), 1), 3)
    found = np.array(array(owner, name, value, (count, *[-1] * (rank - 1))))
    if rank == 3:
        return found
    diagonals = found.reshape(len(found), -1)
    return diagonals[:, :, None] * np.eye(diagonals.shape[1])

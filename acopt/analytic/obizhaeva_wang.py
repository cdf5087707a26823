"""Obizhaeva and Wang's optimal execution: impact that decays exponentially, on any grid, continuously, with risk.

The truth the optimiser is judged by: NumPy and SciPy only, nothing shared with what it judges. The cost of trades u_k
(shares; buys +, sells -) at times t_k is

    C(u) = 1/2 sum_i sum_j u_i kappa exp(-rho |t_i - t_j|) u_j,        sum_k u_k = -X

and nothing bounds or orders the trades. Other kernels are in `transient_kernels`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from acopt.analytic._arguments import Array, array, count, number
from acopt.analytic.transient_kernels import TransientOptimum, kernel_optimum, linear_decay_optimum, trade_times
from acopt.errors import DataError

__all__ = [
    "ContinuousObizhaevaWang",
    "ObizhaevaWang",
    "RiskAverseObizhaevaWang",
    "TransientOptimum",
    "even_decay_optimum",
    "kernel_optimum",
    "linear_decay_optimum",
]


@dataclass(frozen=True, eq=False)
class ObizhaevaWang:
    """Execution of one stock against a book that refills at the rate rho: G(t) = exp(-rho t), on any trade times.

    The inverse of exp(-rho |t_i - t_j|) is tridiagonal, and G^-1 1 is explicit. With a_i = exp(-rho (t_i - t_{i-1})),

        w_0 = 1 / (1 + a_1),   w_i = 1 / (1 + a_i) - a_{i+1} / (1 + a_{i+1}),   w_N = 1 / (1 + a_N)
        u = -X w / sum w,      cost strength X^2 / (2 sum w) + permanent X^2 / 2

    As 1 / (1 + a) = (1 + th) / 2 with th_i = tanh(rho (t_i - t_{i-1}) / 2), w_i = (th_i + th_{i+1}) / 2, where th = 1
    before the first trade and after the last: a sum of positive numbers, whose total is 1 + sum th. Where times
    coincide (a = 1, th = 0) only the trades' sum at that time is determined; these weights remain an optimum.

    Parameters
    ----------
    initial : float
        X, shares: > 0 to sell, < 0 to buy.
    times : (N+1,) array
        Trade times, nondecreasing; one is enough.
    rate : float
        rho > 0, 1/time.
    strength : float
        kappa > 0, currency/share^2: the transient impact of one share.
    permanent : float
        lambda_p >= 0, currency/share^2: the impact that stays; adds the constant lambda_p X^2 / 2.

    Raises
    ------
    DataError
        If a number is out of its range, or times decrease.

    References
    ----------
    Obizhaeva and Wang (2013), "Optimal trading strategy and supply/demand dynamics", Journal of Financial Markets 16;
    Alfonsi, Fruth and Schied (2008), "Constrained portfolio liquidation in a limit order book model", for any grid.
    """

    initial: float
    times: Array
    rate: float
    strength: float
    permanent: float = 0.0

    def __post_init__(self) -> None:
        """Check and convert every field."""
        _convert(self)
        object.__setattr__(self, "permanent", number("ObizhaevaWang", "permanent", self.permanent, least=0))

    @classmethod
    def from_book(
        cls, initial: float, times: ArrayLike, rate: float, *, depth: float, permanent: float
    ) -> ObizhaevaWang:
        """Return the model in Obizhaeva and Wang's own parameters: kappa = 1/q - lambda_p.

        Parameters
        ----------
        initial, times, rate
            As in the class.
        depth : float
            q > 0, share^2/currency: a trade u moves the book's edge by u / q, of which lambda_p u stays for ever.
        permanent : float
            lambda_p, currency/share^2, from 0 to below 1/q.

        Raises
        ------
        DataError
            As the class does, and if lambda_p >= 1/q.
        """
        whole = 1 / number("ObizhaevaWang.from_book", "depth", depth, above=0)
        lasting = number("ObizhaevaWang.from_book", "permanent", permanent, least=0)
        if lasting >= whole:
            raise DataError(f"ObizhaevaWang.from_book: permanent must be < 1 / depth = {whole:g}; got {permanent!r}")
        return cls(initial, np.asarray(times), rate, whole - lasting, lasting)

    @property
    def continuous(self) -> ContinuousObizhaevaWang:
        """The same order traded from the first time to the last at every moment: the limit of ever finer grids."""
        horizon = float(self.times[-1] - self.times[0])
        return ContinuousObizhaevaWang(self.initial, horizon, self.rate, self.strength, self.permanent)

    def optimum(self) -> TransientOptimum:
        """Return the trades of least cost, computed in O(N) without a subtraction."""
        refill = np.concatenate([[1.0], np.tanh(self.rate * np.diff(self.times) / 2), [1.0]])
        weights = (refill[:-1] + refill[1:]) / 2
        total = 1 + float(refill[1:-1].sum())
        cost = (self.strength / total + self.permanent) * self.initial**2 / 2
        return TransientOptimum(self.times, -self.initial * weights / total, cost)

    def displacement(self, trades: ArrayLike) -> Array:
        """Return D_k, how far earlier trades hold the price from its fundamental value just before trade k.

        The dynamics of the book, with its temporary part z in shares:

            D_k = lambda_p (u_0 + .. + u_{k-1}) + kappa z_k,        z_0 = 0,   z_{k+1} = a_{k+1} (z_k + u_k)

        Parameters
        ----------
        trades : (N+1,) array
            Any trades, shares: buys +, sells -.

        Returns
        -------
        (N+1,) array
            Currency/share.
        """
        given = array("ObizhaevaWang.displacement", "trades", trades, self.times.shape)
        lasting = self.permanent * (np.cumsum(given) - given)
        return lasting + self.strength * _states(given, np.exp(-self.rate * np.diff(self.times)))

    def cost(self, trades: ArrayLike) -> float:
        """Return what any trades (N+1,) cost against arrival, currency: sum_k (D_k + (kappa + lambda_p) u_k / 2) u_k.

        A trade walks the book from D_k to D_k + (kappa + lambda_p) u_k, and pays the mean.
        """
        given = array("ObizhaevaWang.cost", "trades", trades, self.times.shape)
        return float(given @ (self.displacement(given) + (self.strength + self.permanent) * given / 2))


@dataclass(frozen=True)
class ContinuousObizhaevaWang:
    """Obizhaeva and Wang's optimum in continuous time: a block at either end, and a constant speed in between.

        block = -X / (rho T + 2),    speed = -rho X / (rho T + 2),    cost = kappa X^2 / (rho T + 2) + lambda_p X^2 / 2

    Parameters
    ----------
    initial : float
        X, shares: > 0 to sell, < 0 to buy.
    horizon : float
        T >= 0, time.
    rate, strength, permanent : float
        As in `ObizhaevaWang`.

    Raises
    ------
    DataError
        If a number is out of its range.

    References
    ----------
    Obizhaeva and Wang (2013), "Optimal trading strategy and supply/demand dynamics", Journal of Financial Markets 16,
    the continuous-time strategy of a risk-neutral trader.
    """

    initial: float
    horizon: float
    rate: float
    strength: float
    permanent: float = 0.0

    def __post_init__(self) -> None:
        """Check every field."""
        owner = "ContinuousObizhaevaWang"
        number(owner, "initial", self.initial)
        number(owner, "horizon", self.horizon, least=0)
        number(owner, "rate", self.rate, above=0)
        number(owner, "strength", self.strength, above=0)
        number(owner, "permanent", self.permanent, least=0)

    @property
    def block(self) -> float:
        """The trade at the start, and again at the end, shares: buys +, sells -."""
        return -self.initial / (self.rate * self.horizon + 2)

    @property
    def speed(self) -> float:
        """The trading rate between the blocks, shares/time: buys +, sells -."""
        return self.rate * self.block

    @property
    def cost(self) -> float:
        """The least cost, currency."""
        return (self.strength / (self.rate * self.horizon + 2) + self.permanent / 2) * self.initial**2


@dataclass(frozen=True, eq=False)
class RiskAverseObizhaevaWang:
    """Obizhaeva and Wang's book with a temporary cost and the risk of what remains, by Bellman's recursion.

    The minimiser, over x_k = x_{k-1} + u_k with x_0 = X and x_N = 0, of

        sum_k [ kappa (z_k - u_k / 2) u_k + (eta / tau_k) u_k^2 + lambda sigma^2 tau_k x_k^2 ]
        z_k = a_k z_{k-1} + u_k

    where the first term is 1/2 sum_i sum_j u_i kappa exp(-rho |t_i - t_j|) u_j, and also, a sum of squares,

        kappa/2 [ z_N^2 + sum_{k<N} (1 - a_{k+1}^2) z_k^2 ]

    So the cost to go from the state s = (x, z) after a trade is |R s|^2. Each step backwards triangularises the stack
    of its own squares and the next R, with u in front: the first row is the optimal trade, linear in s, the others the
    new R. Orthogonal throughout, it never forms the squares that cancel where trades are close in time: trades are
    within 1e-13 + 1e-16 / min(rho dt) of X, the value within 1e-13 of itself.

    Parameters
    ----------
    initial, times, rate, strength
        As in `ObizhaevaWang`; times (N,) are one for each interval.
    durations : (N,) array
        tau_k > 0, time: how long x_k is held, and what trades are spread over. They need not add up to the times.
    volatility : float or (N,) array
        sigma >= 0, currency/share/time^1/2.
    temporary : float or (N,) array
        eta >= 0, currency/share per share/time.

    Raises
    ------
    DataError
        If a number or a shape is out of its range, or times decrease.

    References
    ----------
    Obizhaeva and Wang (2013), "Optimal trading strategy and supply/demand dynamics", Journal of Financial Markets 16,
    the extension to risk aversion; the recursion is the square-root form of Bellman's.
    """

    initial: float
    times: Array
    rate: float
    strength: float
    durations: Array
    volatility: float | Array = 0.0
    temporary: float | Array = 0.0

    def __post_init__(self) -> None:
        """Check and convert every field."""
        _convert(self)
        owner, shape = type(self).__name__, self.times.shape
        object.__setattr__(self, "durations", array(owner, "durations", self.durations, shape, above=0))
        for name in ("volatility", "temporary"):
            value = getattr(self, name)
            each = array(owner, name, np.full(shape, value) if np.ndim(value) == 0 else value, shape, least=0)
            object.__setattr__(self, name, each)

    def optimum(self, risk_aversion: float) -> TransientOptimum:
        """Return the minimiser, with the value of all terms, risk included.

        Parameters
        ----------
        risk_aversion : float
            lambda >= 0, 1/currency.

        Raises
        ------
        DataError
            If `risk_aversion` is out of range, or if times coincide and neither risk nor a temporary cost parts them.
        """
        aversion = number("RiskAverseObizhaevaWang", "risk_aversion", risk_aversion, least=0)
        gaps = self.rate * np.diff(self.times)
        keep = np.concatenate([[0.0], np.exp(-gaps)])  # before the first trade there is nothing to keep
        # Square roots of each interval's three coefficients: of z^2, of x^2, of u^2.
        lost = np.sqrt(self.strength / 2 * np.append(-np.expm1(-2 * gaps), 1.0))
        risk = np.sqrt(aversion * self.durations) * self.volatility
        pace = np.sqrt(self.temporary / self.durations)

        trades, policy = np.empty_like(keep), self._policy(keep, lost, risk, pace)
        left, state, squares = self.initial, 0.0, 0.0
        for k, (per_share, per_state) in enumerate(policy):
            trades[k] = per_share * left + per_state * state
            left = left + trades[k] if k < len(policy) - 1 else 0.0
            state = keep[k] * state + trades[k]
            squares += (lost[k] * state) ** 2 + (risk[k] * left) ** 2 + (pace[k] * trades[k]) ** 2
        return TransientOptimum(self.times, trades, float(squares))

    def _policy(self, keep: Array, lost: Array, risk: Array, pace: Array) -> list[tuple[float, float]]:
        """Return, interval by interval, the trade per share left and per share of the state before it."""
        root = np.array([[-lost[-1], lost[-1] * keep[-1]], [pace[-1], 0.0]])  # at last u = -x
        policy = [(-1.0, 0.0)]
        for k in reversed(range(keep.size - 1)):
            after = np.array([[1.0, 1.0, 0.0], [1.0, 0.0, keep[k]]])  # (x, z) after the trade, from (u, x, z)
            own = np.array([risk[k] * after[0], lost[k] * after[1], [pace[k], 0.0, 0.0]])
            stack = np.vstack([own, root @ after])
            upper = np.asarray(np.linalg.qr(stack, mode="r"))
            if abs(upper[0, 0]) <= 1e-14 * np.abs(stack).max():
                raise DataError(
                    f"RiskAverseObizhaevaWang: trades {k} and {k + 1} at time {self.times[k]:g} and "
                    f"{self.times[k + 1]:g} cannot be told apart; times that differ, risk, or temporary > 0 would do"
                )
            policy.append((-upper[0, 1] / upper[0, 0], -upper[0, 2] / upper[0, 0]))
            root = upper[1:, 1:]
        return policy[::-1]


def even_decay_optimum(initial: float, horizon: float, periods: int, rate: float, strength: float) -> TransientOptimum:
    """Return Obizhaeva and Wang's optimum for N+1 trades at equal distances: equal ends, and equal trades between.

        ends -X / (2 + (N-1)(1-a)),   inner trades (1-a) times that,   a = exp(-rho T / N)
        cost kappa X^2 (1 + a) / (2 (2 + (N-1)(1-a)))

    Parameters
    ----------
    initial : float
        X, shares: > 0 to sell, < 0 to buy.
    horizon : float
        T > 0, time.
    periods : int
        N >= 1: one less than trades.
    rate, strength : float
        rho > 0, 1/time; kappa > 0, currency/share^2.

    Raises
    ------
    DataError
        If a number is out of its range.

    References
    ----------
    Alfonsi, Fruth and Schied (2008), "Constrained portfolio liquidation in a limit order book model".
    """
    owner = "even_decay_optimum"
    order, steps = number(owner, "initial", initial), count(owner, "periods", periods)
    length, rho = number(owner, "horizon", horizon, above=0), number(owner, "rate", rate, above=0)
    kappa = number(owner, "strength", strength, above=0)
    refill = -np.expm1(-rho * length / steps)
    trades = np.full(steps + 1, refill)
    trades[[0, -1]] = 1.0
    total = 2 + (steps - 1) * refill
    times = length * (np.arange(steps + 1) / steps)
    return TransientOptimum(times, -order * trades / total, float(kappa * order**2 * (2 - refill) / (2 * total)))


def _convert(model: ObizhaevaWang | RiskAverseObizhaevaWang) -> None:
    """Check the order, the times and the decay, and replace them by floats."""
    owner = type(model).__name__
    object.__setattr__(model, "initial", number(owner, "initial", model.initial))
    object.__setattr__(model, "times", trade_times(owner, model.times))
    for name in ("rate", "strength"):
        object.__setattr__(model, name, number(owner, name, getattr(model, name), above=0))


def _states(trades: Array, keep: Array) -> Array:
    """Return z_k before each trade: z_0 = 0, z_{k+1} = keep_{k+1} (z_k + u_k)."""
    states = np.zeros_like(trades)
    for k, share in enumerate(keep):
        states[k + 1] = share * (states[k] + trades[k])
    return states

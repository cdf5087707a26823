"""What moving the price costs: temporary impact, permanent impact, and the spread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import cvxpy as cp
import numpy as np
import pandas as pd

from acopt.errors import DataError, ModelError
from acopt.market.impact_models import NO_AUCTION, ImpactModel, by_auction, permanent_matrix
from acopt.market.labels import Array, Data, by_asset_pair, called, is_one_of, numbers, symmetric
from acopt.model.algebra import Cost, Parameters
from acopt.model.paths import Paths, Trajectory, dot
from acopt.model.setting import Setting


class TemporaryImpact(Cost):
    """
    Cost of trading fast: each share pays in proportion to the rate at which it is traded.

    sum_k u_k' H_k u_k / tau_k,  H_k = diag(eta_k), or a positive semidefinite matrix (cross-impact);
    in an auction, which has no rate, u_k' A_k u_k

    Parameters
    ----------
    eta : currency*time/share^2: scalar (one asset), by asset, by interval, both, a DataFrame asset x
        asset or an array (n, n) or (N, n, n) for cross-impact; the market's impact model by default.
        What it says of auctions is not read.
    auction : A, currency/share^2: scalar (one asset), by asset, by auction, both, or cross-impact as for
        `eta`, arrays with one row per auction; the market's impact model by default, if `eta` is not given.

    Raises
    ------
    DataError
        A coefficient is negative or NaN, a label is missing, a cross-impact matrix is not symmetric.
    ModelError
        No eta and no impact model in the market; an eta, but no `auction`, on a grid with auctions.

    References
    ----------
    Almgren & Chriss (2000), section 1.2; Huberman & Stanzl (2004) for symmetry.
    """

    kind = "money"

    def __init__(self, eta: Data | None = None, *, auction: Data | None = None, name: str | None = None) -> None:
        self.eta, self.auction = eta, auction
        self.name = called(name, type(self).__name__)

    def coefficient(self, setting: Setting) -> Array:
        """H: (N, n) diagonals or (N, n, n); infinite where there is no volume to trade with, unused in auctions."""
        return setting.once(self, "H", lambda: self._align(setting))

    def in_auction(self, setting: Setting) -> Array:
        """A: (N, n) diagonals or (N, n, n), currency/share^2; read in auctions only."""
        return setting.once(self, "A", lambda: self._align_auctions(setting))

    def _align(self, setting: Setting) -> Array:
        if self.eta is None:
            return _impact(setting, self.name).temporary(setting.market)
        matrices = _cross_impact(self.eta, setting.grid.labels, setting.assets, "TemporaryImpact eta")
        if matrices is not None:
            return matrices
        return setting.coefficient(self.eta, "TemporaryImpact eta", sign="nonnegative", price_units=True)

    def _align_auctions(self, setting: Setting) -> Array:
        if self.auction is None and self.eta is not None:
            raise ModelError(f"{self.name}: {NO_AUCTION}")
        if self.auction is None:
            return _impact(setting, self.name).in_auction(setting.market)
        grid, what = setting.grid, "TemporaryImpact auction"
        matrices = _cross_impact(self.auction, grid.labels[grid.auctions], setting.assets, what)
        if matrices is None:
            return by_auction(self.auction, grid, setting.assets, what)
        out = np.zeros((grid.periods, *matrices.shape[1:]))
        out[grid.auctions] = matrices
        return out

    def curvature(self, setting: Setting) -> Array:
        """H_k / tau_k; A_k in an auction."""
        h, auctions = self.coefficient(setting), setting.grid.auctions
        tau = np.where(auctions, 1.0, setting.grid.durations)
        rated = np.asarray(h / tau.reshape(-1, *[1] * (h.ndim - 1)))
        if not auctions.any():
            return rated
        a = self.in_auction(setting)
        if a.ndim != rated.ndim:
            a, rated = _as_matrices(a), _as_matrices(rated)
        return np.where(auctions.reshape(-1, *[1] * (a.ndim - 1)), a, rated)

    def values(self, path: Trajectory) -> Array:
        """u_ki (H_k v_k)_i, with v_k = u_k / tau_k; u_ki (A_k u_k)_i in an auction."""
        auctions = path.setting.grid.auctions
        paid = _products(self.coefficient(path.setting), np.where(auctions[:, None], 0.0, path.rates))
        if auctions.any():
            at_once = _products(self.in_auction(path.setting), path.trades)
            paid = np.where(auctions[:, None], at_once, paid)
        return np.asarray(path.trades * paid)


class PermanentImpact(Cost):
    """
    Cost of moving the price for good, on the shares that are still to be traded.

    1/2 S' Gamma S - 1/2 sum_k u_k' Gamma u_k,  S = sum_k u_k (= -X when complete)

    Parameters
    ----------
    gamma : Gamma, currency/share^2: scalar (one asset), by asset, or asset x asset, symmetric (an
        asymmetric one allows manipulation); the market's impact model by default.
    own : "full" as above (a trade does not pay its own permanent move); "half" leaves the second sum
        out (Obizhaeva & Wang: a trade pays half of its own move).

    Raises
    ------
    DataError
        gamma is NaN, negative, asymmetric, or lacks a label.
    ModelError
        Together with the temporary impact the cost is not convex on this grid; says how many intervals
        would do. With unfilled orders allowed, Gamma must be positive semidefinite.

    References
    ----------
    Almgren & Chriss (2000), equation (4); Obizhaeva & Wang (2013); Huberman & Stanzl (2004).
    """

    kind = "money"

    def __init__(
        self, gamma: Data | None = None, *, own: Literal["full", "half"] = "full", name: str | None = None
    ) -> None:
        if not is_one_of(own, ("full", "half")):
            raise DataError(f"PermanentImpact own={own!r}: 'full' or 'half' is expected")
        self.gamma, self.own = gamma, own
        self.name = called(name, type(self).__name__)

    def matrix(self, setting: Setting) -> Array:
        """Gamma (n, n)."""
        return setting.once(self, "Gamma", lambda: self._align(setting))

    def _align(self, setting: Setting) -> Array:
        if self.gamma is None:
            gamma = _impact(setting, self.name).permanent(setting.market)
        else:
            gamma = permanent_matrix(self.gamma, setting.assets)
        return symmetric(
            gamma,
            setting.assets,
            what="PermanentImpact gamma",
            advice="; an asymmetric cross-impact lets a round trip earn money (Huberman & Stanzl 2004)",
        )

    def curvature(self, setting: Setting) -> Array | None:
        """-1/2 Gamma in every interval, unless own='half'."""
        if self.own == "half":
            return None
        gamma = self.matrix(setting)
        diagonal = np.diag(gamma)
        if np.array_equal(gamma, np.diag(diagonal)):
            return np.broadcast_to(-0.5 * diagonal, setting.shape)
        return np.broadcast_to(-0.5 * gamma, (setting.shape[0], *gamma.shape))

    def parameters(self, setting: Setting, weight: float) -> dict[str, Array]:
        """1/2 X' Gamma X and its slope in x_N when the order completes; otherwise a root of 1/2 Gamma."""
        gamma = self.matrix(setting)
        if setting.complete:
            slope = -weight * gamma @ setting.remaining
            return {"whole": np.asarray(-0.5 * slope @ setting.remaining), "slope": slope}
        values, vectors = np.linalg.eigh(gamma)
        if len(values) and values[0] < -1e-10 * max(np.abs(values).max(), 1e-300):
            raise ModelError(
                f"{self.name}: gamma has the negative eigenvalue {values[0]:.6g}; with unfilled orders allowed its "
                "cost is not convex. Require completion, or give a positive semidefinite gamma"
            )
        return {"root": np.sqrt(0.5 * weight) * vectors * np.sqrt(np.maximum(values, 0.0))}

    def constant(self, setting: Setting) -> float:
        """1/2 X' Gamma X when the order completes."""
        if not setting.complete:
            return 0.0
        return float(0.5 * setting.remaining @ self.matrix(setting) @ setting.remaining)

    def expression(self, path: Paths, data: Parameters) -> cp.Expression:
        """1/2 S' Gamma S; of an order that completes a number, stated with its slope, which prices completion."""
        if path.complete:
            return data["whole"] + data["slope"] @ path.variable[-1]
        total = path.variable[-1] - path.variable[0]
        return cp.sum_squares(total @ data["root"])

    def values(self, path: Trajectory) -> Array:
        """u_ki (Gamma sum_{j<k} u_j)_i: what earlier trades added to the price of this one."""
        gamma = self.matrix(path.setting)
        before = np.cumsum(path.trades, axis=0) - path.trades
        if self.own == "half":
            before = before + 0.5 * path.trades
        return np.asarray(path.trades * (before @ gamma))


class SpreadCost(Cost):
    """
    Cost of crossing the spread: half of it for every share.

    sum_k eps_k' |u_k|

    In an auction everybody trades at one price: eps is 0 there, unless it is given by interval.

    Parameters
    ----------
    half_spread : eps, currency/share: scalar (one asset), by asset, by interval, or both; half of the
        market's spread by default.

    Raises
    ------
    DataError
        A half-spread is negative or NaN, or a label is missing.
    ModelError
        No half-spread, and no spread in the market.

    References
    ----------
    Almgren & Chriss (2000), equation (7).
    """

    kind = "money"

    def __init__(self, half_spread: Data | None = None, *, name: str | None = None) -> None:
        self.half_spread = half_spread
        self.name = called(name, type(self).__name__)

    def coefficient(self, setting: Setting) -> Array:
        """eps (N, n)."""
        return setting.once(self, "eps", lambda: self._align(setting))

    def _align(self, setting: Setting) -> Array:
        if self.half_spread is None:
            epsilon = np.broadcast_to(0.5 * setting.market.spreads, setting.shape)
        else:
            epsilon = setting.coefficient(
                self.half_spread, "SpreadCost half_spread", sign="nonnegative", price_units=True
            )
            if _by_interval(self.half_spread, setting):
                return epsilon
        return np.where(setting.grid.auctions[:, None], 0.0, epsilon)

    def parameters(self, setting: Setting, weight: float) -> dict[str, Array]:
        """Return eps signed by the side of trades where they are one-sided, eps on |u| elsewhere."""
        epsilon = weight * self.coefficient(setting)
        return {
            "signed": np.where(setting.one_sided, epsilon * setting.sides, 0.0),
            "unsigned": np.where(setting.one_sided, 0.0, epsilon),
        }

    def expression(self, path: Paths, data: Parameters) -> cp.Expression:
        """sum eps |u|; where a constraint fixes the sign, |u| is linear and needs no kink."""
        cost: cp.Expression = cp.Constant(0.0)
        if path.one_sided.any():
            cost = cost + dot(data["signed"], path.trades)
        if not path.one_sided.all():
            cost = cost + dot(data["unsigned"], path.size)
        return cost

    def values(self, path: Trajectory) -> Array:
        """eps |u|."""
        return np.asarray(self.coefficient(path.setting) * np.abs(path.trades))


def _impact(setting: Setting, name: str) -> ImpactModel:
    if setting.market.impact is None:
        raise ModelError(
            f"{name} has no coefficient: give it one, or give the market an impact model "
            "(Market(impact=LinearImpact(...)), SquareRootImpact, AlmgrenEtAl2005 or ImpactCoefficients)"
        )
    return setting.market.impact


def _by_interval(value: Data, setting: Setting) -> bool:
    """Whether an aligned coefficient was given interval by interval."""
    if isinstance(value, pd.DataFrame):
        return True
    if isinstance(value, pd.Series | Mapping):
        return not setting.assets.isin(list(value.keys())).all()
    return np.shape(value) not in ((), (len(setting.assets),))


def _as_matrices(c: Array) -> Array:
    """Diagonals (N, n), which may be infinite, as matrices (N, n, n)."""
    if c.ndim == 3:
        return c
    out = np.zeros((*c.shape, c.shape[1]))
    np.einsum("kii->ki", out)[:] = c
    return out


def _products(c: Array, x: Array) -> Array:
    """C_k x_k by row; 0 times an infinite coefficient is 0."""
    if c.ndim == 3:
        return np.asarray(np.einsum("kij,kj->ki", c, x))
    return np.multiply(c, x, out=np.zeros_like(x), where=x != 0)


def _cross_impact(value: Data, intervals: pd.Index, assets: pd.Index, what: str) -> Array | None:
    """(N, n, n), N the number of `intervals`, when the value is a matrix between assets, else None."""
    n, m = len(intervals), len(assets)
    if isinstance(value, pd.DataFrame):
        square = value.shape[0] == value.shape[1] and set(value.index) == set(value.columns)
        if not square:
            return None
        if n and intervals.isin(value.index).all():
            raise DataError(
                f"{what}: the table's labels fit interval x asset and asset x asset alike; give an array of shape "
                f"({n}, {m}), or ({n}, {m}, {m})"
            )
        one = symmetric(by_asset_pair(value, assets, what=what), assets, what=what)
        return np.broadcast_to(one, (n, m, m))
    array = numbers(value, what) if not isinstance(value, pd.Series | Mapping) else np.empty(0)
    if array.ndim == 3:
        if array.shape != (n, m, m):
            raise DataError(f"{what}: an array of shape {array.shape} was given, ({n}, {m}, {m}) is expected")
        return np.stack(
            [
                symmetric(by_asset_pair(h, assets, what=f"{what}, interval {k}"), assets, what=what)
                for k, h in enumerate(array)
            ]
        )
    if array.ndim == 2 and m > 1 and array.shape == (m, m):
        if n == m:
            raise DataError(
                f"{what}: an array ({m}, {m}) fits interval x asset and asset x asset alike; give a DataFrame"
            )
        one = symmetric(by_asset_pair(array, assets, what=what), assets, what=what)
        return np.broadcast_to(one, (n, m, m))
    return None

"""Impact that fades: what a trade adds to the price of every later one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import cvxpy as cp
import numpy as np
import pandas as pd
import scipy.sparse as sp

from acopt.costs.manipulation import demand_no_gain, shape_of, singular
from acopt.costs.propagation import Decay, NotConvex, bidiagonal, kernel_matrix, triangle, triangular
from acopt.errors import DataError, ModelError
from acopt.market.kernels import ExponentialDecay, Kernel
from acopt.market.labels import Array, Data, by_asset_pair, called, is_one_of, numbers, symmetric
from acopt.model.algebra import Cost, Parameters
from acopt.model.paths import Paths, Trajectory, row_products, scaled
from acopt.model.setting import Mask, Setting

TradeAt: TypeAlias = Literal["start", "middle", "end"]
MOMENTS: dict[str, float] = {"start": 0.0, "middle": 0.5, "end": 1.0}


class TransientImpact(Cost):
    """
    Cost of impact that fades: every trade pays what is left of the earlier ones, and half of its own.

    1/2 sum_i sum_j u_i' S u_j G(|s_i - s_j|),  s_k the moment at which interval k trades

    Parameters
    ----------
    kernel : G: `ExponentialDecay(half_life="30min")`, `PowerLawDecay(exponent, scale)`, `LinearDecay(rate)`,
        any function of time (array -> array), or a mapping from asset to kernel.
    strength : S, currency/share^2, what one share moves the price at once: scalar (one asset), by asset, or
        asset x asset, symmetric positive semidefinite, with one common kernel.
    trade_at : where in its interval a trade is made: "start", "middle" or "end"; an auction at its moment.

    Raises
    ------
    DataError
        A strength is negative, NaN, asymmetric, not positive semidefinite, or lacks a label; an asset has no
        kernel; a function returns another shape or a NaN.
    ModelError
        The kernel is not positive definite on this grid: a round trip would earn, and is named.

    Notes
    -----
    Time is the grid's risk time, as in `grid.edges`: a night counts by its stated length, and no decay passes
    in an auction. Two trades at one moment (an auction, and its neighbour at "start" or "end") push as one: the
    second undoes the first for nothing, unless there is temporary impact or a spread.

    Exponential kernels are declared by their state, z_k = a_k z_{k-1} + u_k,
    1/2 (z_N' S z_N + sum_k (1 - a_{k+1}^2) z_k' S z_k), linear in N; others by a factor of the matrix.

    References
    ----------
    Obizhaeva & Wang (2013), "Optimal trading strategy and supply/demand dynamics"; Gatheral (2010); Alfonsi,
    Schied & Slynko (2012) for positive definite kernels; Schneider & Lillo (2019) for several assets.
    """

    kind = "money"

    def __init__(
        self,
        kernel: Decay | Mapping[str, Decay],
        strength: Data,
        *,
        trade_at: TradeAt = "middle",
        name: str | None = None,
    ) -> None:
        self.name = called(name, type(self).__name__)
        if not is_one_of(trade_at, MOMENTS):
            raise DataError(f"{self.name} trade_at={trade_at!r}: 'start', 'middle' or 'end' is expected")
        for one in kernel.values() if isinstance(kernel, Mapping) else [kernel]:
            if isinstance(one, type) or not callable(one):
                raise DataError(
                    f"{self.name} kernel={one!r}: a kernel such as ExponentialDecay(half_life='30min'), or a function "
                    "of time, is expected"
                )
        self.kernel, self.strength, self.trade_at = kernel, strength, trade_at

    def moments(self, setting: Setting) -> Array:
        """s (N,), in the grid's unit."""
        grid = setting.grid
        return np.asarray(grid.edges[:-1] + MOMENTS[self.trade_at] * grid.durations)

    def matrix(self, setting: Setting) -> Array:
        """S: (n,) where assets do not interact, else (n, n)."""
        return setting.once(self, "S", lambda: self._align(setting))

    def _align(self, setting: Setting) -> Array:
        what, assets = f"{self.name} strength", setting.assets
        value = self.strength
        pairs = isinstance(value, pd.DataFrame)
        if not pairs and not isinstance(value, pd.Series | Mapping):
            pairs = numbers(value, what).ndim > 1
        if not pairs:
            return setting.per_asset(value, what, sign="nonnegative", price_units=True)
        matrix = symmetric(by_asset_pair(value, assets, what=what), assets, what=what)
        values, vectors, _ = _spectrum(matrix)
        if values[0] < -1e-10:
            i = int(np.abs(vectors[:, 0]).argmax())
            raise DataError(
                f"{what} is not positive semidefinite: its smallest eigenvalue, relative to the diagonal, is "
                f"{values[0]:.6g}, most of it in {assets[i]}; a round trip in several assets would earn"
            )
        return matrix

    def _decays(self, setting: Setting) -> list[Decay]:
        """G by asset, in the grid's unit; the same object where it is the same kernel."""
        return setting.once(self, "G", lambda: self._kernels(setting))

    def _kernels(self, setting: Setting) -> list[Decay]:
        given, assets = self.kernel, setting.assets
        if not isinstance(given, Mapping):
            return [given.on(setting.grid) if isinstance(given, Kernel) else given] * len(assets)
        missing = [label for label in assets if label not in given]
        if missing:
            raise DataError(
                f"{self.name} kernel: no kernel for asset {missing[0]!s}; given: {', '.join(map(str, given))}"
            )
        own = [given[label] for label in assets]
        if self.matrix(setting).ndim == 2 and any(one != own[0] for one in own):
            raise ModelError(
                f"{self.name}: a strength between assets needs one kernel for all; {assets[0]} has {own[0]!r}, "
                f"{next(a for a, one in zip(assets, own, strict=True) if one != own[0])} another"
            )
        alike = [next(one for one in own if one == kernel) for kernel in own]
        read = {id(k): k.on(setting.grid) if isinstance(k, Kernel) else k for k in alike}
        return [read[id(k)] for k in alike]

    def kernel_matrices(self, setting: Setting) -> list[Array]:
        """G(|s_i - s_j|) by asset, (N, N); the same array where it is the same kernel."""
        return setting.once(self, "K", lambda: self._evaluated(setting))

    def _evaluated(self, setting: Setting) -> list[Array]:
        moments, known = self.moments(setting), dict[int, Array]()
        for label, kernel in zip(setting.assets, self._decays(setting), strict=True):
            if id(kernel) not in known:
                known[id(kernel)] = kernel_matrix(kernel, moments, f"{self.name} kernel of {label}")
        return [known[id(kernel)] for kernel in self._decays(setting)]

    def _judge(self, setting: Setting) -> None:
        """Demand that no kernel lets trades earn where its asset can trade."""
        strength, judged = self.matrix(setting), set[tuple[int, bytes]]()
        own = strength if strength.ndim == 1 else np.diag(strength)
        for i, (kernel, matrix) in enumerate(zip(self._decays(setting), self.kernel_matrices(setting), strict=True)):
            case = id(matrix), _barred(setting)[:, i].tobytes()
            if case not in judged and own[i] > 0:
                judged.add(case)
                demand_no_gain(self.name, kernel, matrix, i, float(own[i]), setting)

    def _exponential(self, setting: Setting) -> bool:
        return all(isinstance(kernel, ExponentialDecay) for kernel in self._decays(setting))

    def _rates(self, setting: Setting) -> Array:
        """Rates (n,) of exponential kernels."""
        return np.array([k.decay for k in self._decays(setting) if isinstance(k, ExponentialDecay)])

    def _fading(self, setting: Setting) -> tuple[Array, Array]:
        """a_k (N, n), 0 in the first row, and the part 1 - a_{k+1}^2 of z_k^2 that is paid, 1 in the last."""
        waits = np.diff(self.moments(setting))[:, None] * self._rates(setting)
        ends = np.zeros((1, setting.shape[1]))
        return np.concatenate([ends, np.exp(-waits)]), np.concatenate([-np.expm1(-2.0 * waits), ends + 1.0])

    def typical_curvature(self, setting: Setting) -> Array:
        """1/2 S_ii G(0)."""
        strength = self.matrix(setting)
        own = np.array([float(np.ravel(self._at_once(k))[0]) for k in self._decays(setting)])
        return np.broadcast_to(0.5 * own * (strength if strength.ndim == 1 else np.diag(strength)), setting.shape)

    def _at_once(self, kernel: Decay) -> Array:
        return kernel_matrix(kernel, np.zeros(1), f"{self.name} kernel")

    def parameters(self, setting: Setting, weight: float) -> dict[str, Array]:
        """Numbers of the state form, or of the factors; what other costs lent to it is included."""
        lent = None if setting.lent is None else setting.lent.get(self.name)
        try:
            return (
                self._state(setting, weight, lent) if self._exponential(setting) else self._dense(setting, weight, lent)
            )
        except NotConvex as found:
            raise ModelError(
                f"{self.name}, with what other costs leave to it, is not convex for {setting.assets[found.asset]}"
            ) from found

    def carry(self, setting: Setting, weight: float, lent: Array) -> tuple[int, int] | None:
        """
        Return where the sum with curvature of single trades is not convex, (interval, asset), or None.

        `lent` is C with u_k' C_k u_k beside this cost: (N, n) diagonals, or (N, n, n).
        """
        try:
            if self._exponential(setting):
                self._bands(setting, weight, lent)
            else:
                self._dense(setting, weight, lent)
        except NotConvex as found:
            return found.interval, found.asset
        return None

    def _state(self, setting: Setting, weight: float, lent: Array | None) -> dict[str, Array]:
        decay, paid = self._fading(setting)
        # Ones, and yet data: a definition with a constant pivot is substituted, which would unroll the recursion.
        data = {"decay": decay, "state": np.ones(setting.shape)}
        strength = self.matrix(setting)
        if lent is not None:
            here, following = self._bands(setting, weight, lent)
            return {**data, "here": here.reshape(len(here), -1), "next": following.reshape(len(here), -1)}
        if strength.ndim == 1:
            return {**data, "deviation": np.sqrt(0.5 * weight * strength * paid)}
        return {**data, "paid": np.sqrt(paid), "root": np.sqrt(0.5 * weight) * _root(strength)}

    def _bands(self, setting: Setting, weight: float, lent: Array) -> tuple[Array, Array]:
        """Bands D and E of the squares |D_k' z_k + E_k' z_{k+1}|^2: (N, n), or (N, n, n)."""
        decay, paid = self._fading(setting)
        strength, barred = 0.5 * weight * self.matrix(setting), _barred(setting)
        if strength.ndim == 1 and lent.ndim == 2:
            q = (strength * paid)[:, :, None, None]
            here, following = bidiagonal(q, decay[:, :, None], lent[:, :, None, None], barred[:, :, None])
            return here[:, :, 0, 0], following[:, :, 0, 0]
        eye = np.eye(setting.shape[1])
        whole = eye * strength if strength.ndim == 1 else strength
        mixed = lent if lent.ndim == 3 else lent[:, :, None] * eye
        here, following = bidiagonal(
            (whole * paid[:, :, None])[:, None], decay[:, None], mixed[:, None], barred[:, None]
        )
        return here[:, 0], following[:, 0]

    def _dense(self, setting: Setting, weight: float, lent: Array | None) -> dict[str, Array]:
        self._judge(setting)
        matrices, strength = self.kernel_matrices(setting), self.matrix(setting)
        if lent is not None and (strength.ndim == 2 or lent.ndim == 3):
            return {"whole": self._whole(setting, weight, lent, matrices)[:, None]}
        n, m = setting.shape
        free = (~_barred(setting)).astype(float)
        if strength.ndim == 2:
            factor = np.sqrt(0.5 * weight) * triangle(matrices[0])
            return {"root": _root(strength), "factor": np.repeat(factor[:, None], m, axis=1)}
        factors: dict[tuple[int, bytes], Array] = {}
        out = np.empty((n * (n + 1) // 2, m))
        for i in range(m):
            scale = 0.5 * weight * strength[i]
            if lent is not None and lent[:, i].any():
                among = np.outer(free[:, i], free[:, i])
                try:
                    out[:, i] = triangle(among * (scale * matrices[i] + np.diag(lent[:, i])))
                except NotConvex as found:
                    raise NotConvex(found.asset, i) from found
                continue
            case = id(matrices[i]), free[:, i].tobytes()
            if case not in factors:
                factors[case] = triangle(np.outer(free[:, i], free[:, i]) * matrices[i])
            out[:, i] = np.sqrt(scale) * factors[case]
        return {"factor": out}

    def _whole(self, setting: Setting, weight: float, lent: Array, matrices: list[Array]) -> Array:
        """Factor of the Hessian of all trades, down the columns of u."""
        n, m = setting.shape
        strength = self.matrix(setting)
        mixed = lent if lent.ndim == 3 else lent[:, :, None] * np.eye(m)
        whole = np.zeros((m, n, m, n))
        for i in range(m):
            for j in range(m):
                s = strength[i, j] if strength.ndim == 2 else strength[i] * (i == j)
                whole[i, :, j, :] = 0.5 * weight * s * matrices[i] + np.diag(mixed[:, i, j])
        free = (~_barred(setting)).ravel(order="F").astype(float)
        try:
            return triangle(whole.reshape(m * n, m * n) * np.outer(free, free))
        except NotConvex as found:
            raise NotConvex(found.asset % n, found.asset // n) from found

    def expression(self, path: Paths, data: Parameters) -> cp.Expression:
        """Sum of squares of the state, or of L'u with L L' = 1/2 S G."""
        u = path.trades
        if "whole" in data:
            return cp.sum_squares(triangular(data["whole"], cp.reshape(u, (u.size, 1), order="F")))
        if "factor" in data and "root" in data:
            mixed = cp.Variable(u.shape, name="trades by root")
            path.definitions.append(mixed == u @ data["root"])
            return cp.sum_squares(triangular(data["factor"], mixed))
        if "factor" in data:
            return cp.sum_squares(triangular(data["factor"], u))
        z = cp.Variable(u.shape, name="impact state")
        before = sp.eye_array(u.shape[0], k=-1, format="csr")
        path.definitions.append(scaled(data["state"], z) == scaled(data["decay"], before @ z) + u)
        if "deviation" in data:
            return cp.sum_squares(scaled(data["deviation"], z))
        if "root" in data:
            paid = cp.Variable(u.shape, name="impact paid")
            path.definitions.append(paid == scaled(data["paid"], z))
            return cp.sum_squares(paid @ data["root"])
        after = before.T @ z
        if data["here"].shape == u.shape:
            return cp.sum_squares(scaled(data["here"], z) + scaled(data["next"], after))
        return cp.sum_squares(row_products(z, data["here"]) + row_products(after, data["next"]))

    def values(self, path: Trajectory) -> Array:
        """u_ki (S (what is left of earlier trades + 1/2 G(0) u_k))_i."""
        setting, u = path.setting, path.trades
        strength = self.matrix(setting)
        left = self._left_over(setting, u)
        paid = left * strength if strength.ndim == 1 else left @ strength
        return np.asarray(u * paid)

    def _left_over(self, setting: Setting, u: Array) -> Array:
        """sum_{j<k} G(s_k - s_j) u_j + 1/2 G(0) u_k, (N, n) shares."""
        moments = self.moments(setting)
        if self._exponential(setting):
            kept = np.exp(-np.diff(moments)[:, None] * self._rates(setting))
            left = np.zeros_like(u)
            for k in range(1, len(u)):
                left[k] = kept[k - 1] * (left[k - 1] + u[k - 1])
            return np.asarray(left + 0.5 * u)
        out = np.empty_like(u)
        for i, matrix in enumerate(self.kernel_matrices(setting)):
            out[:, i] = np.tril(matrix, -1) @ u[:, i] + 0.5 * np.diag(matrix) * u[:, i]
        return out

    def notes(self, setting: Setting) -> list[str]:
        """What is to be known of the kernels on this grid: those whose trades oscillate for numerical reasons."""
        if self._exponential(setting):
            return []
        moments, said = self.moments(setting), dict[int, str | None]()
        every = zip(setting.assets, self._decays(setting), self.kernel_matrices(setting), strict=True)
        for label, kernel, matrix in every:
            if id(matrix) not in said:
                said[id(matrix)] = singular(self.name, kernel, matrix, label, moments)
        return [note for note in said.values() if note is not None]

    def bends(self, setting: Setting) -> list[str]:
        """By asset: "convex", "not convex" or "not decreasing", on the lags of this grid."""
        known: dict[int, str] = {}
        moments = self.moments(setting)
        for matrix in self.kernel_matrices(setting):
            if id(matrix) not in known:
                known[id(matrix)] = shape_of(matrix, moments)
        return [known[id(matrix)] for matrix in self.kernel_matrices(setting)]


def _spectrum(strength: Array) -> tuple[Array, Array, Array]:
    """Eigenvalues and vectors of a matrix between assets relative to its diagonal, and the root of that (n,)."""
    unit = np.sqrt(np.maximum(np.diag(strength), 0.0))
    unit[unit == 0] = 1.0
    return (*np.linalg.eigh(strength / np.outer(unit, unit)), unit)


def _root(strength: Array) -> Array:
    """R (n, n) with R R' = S."""
    values, vectors, unit = _spectrum(strength)
    return np.asarray(unit[:, None] * vectors * np.sqrt(np.maximum(values, 0.0)))


def _barred(setting: Setting) -> Mask:
    """Where nothing can trade (N, n)."""
    return setting.forbidden if setting.forbidden.size else np.zeros(setting.shape, dtype=bool)

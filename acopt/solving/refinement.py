"""Active-set refinement: from an approximate primal-dual point to one exact to rounding."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import qdldl
import scipy.sparse as sp

from acopt.solving.canonical import Array, Pattern
from acopt.solving.quadratic import Quadratic

Mask = npt.NDArray[np.bool_]

CURVED, FLAT, DUAL = 1e-9, 1e-8, 1e-8
CURVED_PRECISE, FLAT_PRECISE, DUAL_PRECISE = 1e-13, 1e-10, 1e-10
FEASIBLE, OPTIMAL = 1e-13, 1e-11
CORRECTIONS, CORRECTIONS_PRECISE = 12, 60
ROUNDING = 1e-16
SETTLED = 1e-9
ROUNDS = 40
SINGLE_CHANGES = 400
PATIENCE = 8


class Refiner:
    """
    Solve the equality-constrained program of a guessed active set, correct the guess, repeat.

    [P A_s'; A_s 0][z; y_s] = [-q; b_s] with A_s the active rows at their bound b_s, by a regularised
    quasi-definite factorisation and iterative refinement. A row leaves when its multiplier has the
    wrong sign and enters when it is violated (a primal-dual active-set method: Hintermueller, Ito &
    Kunisch 2003). The sparsity of the factor is that of all rows, so its ordering is found once.
    """

    def __init__(self, p: Pattern, a: Pattern) -> None:
        n, m = p.shape[0], a.shape[0]
        self._n = n
        diagonal = np.arange(n + m)
        row = np.concatenate([p.row, a.col, diagonal])
        col = np.concatenate([p.col, n + a.row, diagonal])
        key = col * np.int64(n + m) + row
        cells, slot = np.unique(key, return_inverse=True)
        self._slot = slot.reshape(-1)
        indptr = np.searchsorted(cells // (n + m), np.arange(n + m + 1)).astype(np.int32)
        parts = np.zeros(len(cells)), (cells % (n + m)).astype(np.int32), indptr
        self._matrix = sp.csc_matrix(parts, shape=(n + m, n + m))
        self._a_row, self._a_col = a.row, a.col
        self._solver: qdldl.Solver | None = None

    def refine(self, qp: Quadratic, z: Array, y: Array, *, precise: bool = False) -> tuple[Array, Array, int] | None:
        """Return the exact point and the number of linear solves, or None when no active set settles.

        `precise` takes residuals in extended precision.
        """
        ax = qp.rows(z)
        low = ax - qp.l < -y
        return self._settle(qp, low, ~low & (qp.u - ax < y), precise, SINGLE_CHANGES)

    def follow(self, qp: Quadratic, y: Array) -> tuple[Array, Array, int] | None:
        """Go on from the active set of an earlier program, y its multipliers; None when it takes long to settle."""
        return self._settle(qp, (y < 0) & np.isfinite(qp.l), (y > 0) & np.isfinite(qp.u), False, None)

    def _settle(
        self, qp: Quadratic, low: Mask, high: Mask, precise: bool, single: int | None
    ) -> tuple[Array, Array, int] | None:
        equal = qp.l >= qp.u
        return self._search(qp, equal, low & ~equal, high & ~equal, precise, single)

    def _search(
        self, qp: Quadratic, equal: Mask, low: Mask, high: Mask, precise: bool, single: int | None
    ) -> tuple[Array, Array, int] | None:
        """Change the active set until it settles; `single` changes one by one follow, None gives up early."""
        seen: set[bytes] = set()
        slope = max(float(np.abs(qp.q).max(initial=0.0)), 1e-300)
        cautious = False
        rounds = PATIENCE if single is None else ROUNDS + single
        found: tuple[Array, Array, int] | None = None
        for round_ in range(rounds):
            signature = np.packbits(low).tobytes() + np.packbits(high).tobytes()
            cautious = cautious or signature in seen or round_ >= ROUNDS
            seen.add(signature)
            try:
                z, y, ax, clean = self._solve(qp, equal, low, high, precise)
            except RuntimeError:
                # qdldl found a zero pivot: no exact point from here, and a fresh factor next time.
                self._solver = None
                return found
            if not np.isfinite(ax).all():  # a singular set that the factorisation let pass
                self._solver = None
                return found
            feasible = FEASIBLE * (1.0 + np.abs(ax))
            over = np.where(equal, 0.0, np.maximum(qp.l - ax, ax - qp.u))
            slope_now = max(slope, float(np.abs(y).max(initial=0.0)))
            wrong = np.where(low, y, np.where(high, -y, 0.0))
            enter = (over > feasible) & ~low & ~high
            leave = wrong > OPTIMAL * slope_now
            if not enter.any() and not leave.any():
                if not clean:
                    return found
                found, rounds = (z, y, round_ + 1), rounds if found else min(rounds, round_ + ROUNDS)
                # Beside multipliers of another size, its own may be wrong and look like rounding.
                leave = (wrong > 0) & (wrong > OPTIMAL * self._slopes(qp, y)) if (wrong > 0).any() else leave
                if not leave.any():
                    return found
            if round_ >= rounds - 1:
                break
            if cautious:
                if single is None or round_ >= single:
                    return found
                enter, leave = _worst(over, enter, wrong / slope_now, leave)
            low = (low & ~leave) | (enter & (qp.l - ax > ax - qp.u))
            high = (high & ~leave) | (enter & (qp.l - ax <= ax - qp.u))
        return found

    def _slopes(self, qp: Quadratic, y: Array) -> Array:
        """Largest slope that each row's columns balance: of the objective, or of a row's price."""
        column, row = np.abs(qp.q), np.zeros(len(y))
        np.maximum.at(column, self._a_col, np.abs(qp.a.data * y[self._a_row]))
        np.maximum.at(row, self._a_row, column[self._a_col] * (qp.a.data != 0))
        return row

    def _solve(
        self, qp: Quadratic, equal: Mask, low: Mask, high: Mask, precise: bool
    ) -> tuple[Array, Array, Array, bool]:
        """Return z, y, Az, and whether the system was solved to rounding."""
        n = self._n
        active = equal | low | high
        bound = np.where(low | equal, qp.l, np.where(high, qp.u, 0.0))
        curved, flat, dual = (CURVED_PRECISE, FLAT_PRECISE, DUAL_PRECISE) if precise else (CURVED, FLAT, DUAL)
        shift = np.where(qp.diagonal > 0, curved, flat)
        diagonal = np.concatenate([shift, np.where(active, -dual, -1.0)])
        data = np.concatenate([qp.p.data, qp.a.data * active[self._a_row], diagonal])
        values = np.bincount(self._slot, weights=data, minlength=len(self._matrix.data))
        self._matrix.data[:] = values
        if self._solver is None:
            self._solver = qdldl.Solver(self._matrix, upper=True)
        else:
            self._solver.update(self._matrix, upper=True)
        point = self._solver.solve(np.concatenate([-qp.q, bound]))
        # Prices may be of another size than shares: each residual is measured beside its own.
        own = np.where(
            np.arange(len(point)) < n, *(1.0 + np.abs(part).max(initial=0.0) for part in (point[n:], point[:n]))
        )
        best, residual, clean = (point[:n], point[n:], bound), np.inf, False
        for _ in range(CORRECTIONS_PRECISE if precise else CORRECTIONS):
            z, y = point[:n], np.where(active, point[n:], 0.0)
            slope, ax = qp.optimality(z, y, precise=precise)
            gap = np.concatenate([-slope, np.where(active, bound - ax, 0.0)])
            now = float((np.abs(gap) / own).max(initial=0.0))
            if not now < residual:
                break
            best, residual = (z, y, ax), now
            clean = float(np.abs(gap).max(initial=0.0)) <= SETTLED * own.max(initial=1.0)
            if now <= ROUNDING:
                break
            point = point + self._solver.solve(gap)
        return *best, clean


def _worst(over: Array, enter: Mask, wrong: Array, leave: Mask) -> tuple[Mask, Mask]:
    """Keep only the one change that matters most."""
    one_in, one_out = np.zeros_like(enter), np.zeros_like(leave)
    entering = float(over[enter].max(initial=0.0))
    leaving = float(wrong[leave].max(initial=0.0))
    if entering >= leaving:
        one_in[int(np.argmax(np.where(enter, over, -np.inf)))] = True
    else:
        one_out[int(np.argmax(np.where(leave, wrong, -np.inf)))] = True
    return one_in, one_out

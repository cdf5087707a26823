"""The quadratic in single trades: collected over all costs, judged as a whole, declared once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from acopt.errors import ModelError
from acopt.market.labels import Array, place
from acopt.model.algebra import Term
from acopt.model.setting import Mask, Setting

TOLERANCE = 1e-12
HALVINGS = 30
"""Steps in which the part of a concave curvature that can be carried is found."""


@runtime_checkable
class Carrier(Protocol):
    """
    A cost of trades that act on each other, which may make up for curvature of single trades that is concave.

    Whether it does can only be told from both together, so that both are then declared by it: it finds
    what it was lent in `setting.lent`, by its name.
    """

    name: str

    def carry(self, setting: Setting, weight: float, lent: Array) -> tuple[int, int] | None:
        """Return where the sum with u_k' C_k u_k, C = `lent`, is not convex, (interval, asset), or None."""


@dataclass(frozen=True)
class Curvature:
    """
    C with sum_k u_k' C_k u_k in the objective; weights included.

    Attributes
    ----------
    matrix : (N, n) diagonals, or (N, n, n).
    diagonal : (N, n) in either case.
    lent : what others declare of the curvature, by the name of the cost; None when no cost is concave, or
        none can carry it. It is not in `matrix`.
    """

    matrix: Array
    lent: Mapping[str, Array] | None = None

    @property
    def full(self) -> bool:
        """Whether trades of different assets interact."""
        return self.matrix.ndim == 3

    @property
    def diagonal(self) -> Array:
        """Diagonals (N, n)."""
        return np.einsum("kii->ki", self.matrix) if self.full else self.matrix

    def root(self) -> Array:
        """R with R_k R_k' = C_k: (N, n), or (N, n, n)."""
        if not self.full:
            return np.sqrt(np.maximum(self.matrix, 0.0))
        unit = np.sqrt(np.maximum(self.diagonal, 0.0))
        unit[unit == 0] = 1.0
        values, vectors = np.linalg.eigh(self.matrix / (unit[:, :, None] * unit[:, None, :]))
        return np.asarray(unit[:, :, None] * vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :])


def collect(terms: Sequence[Term], setting: Setting) -> tuple[Curvature | None, Mask]:
    """
    Sum the curvature of all costs and find where trading is impossible.

    Raises
    ------
    ModelError
        The sum is not convex in some interval; names interval and asset, and how many intervals would do.
    """
    parts = [(t, c) for t in terms if (c := t.cost.curvature(setting)) is not None]
    forbidden = np.broadcast_to(np.asarray(setting.grid.closed)[:, None], setting.shape).copy()
    if setting.market.has_volume:
        forbidden |= setting.market.volumes == 0
    if not parts:
        return None, forbidden
    for _, c in parts:
        forbidden |= np.isinf(c if c.ndim == 2 else np.einsum("kii->ki", c))
    full = any(c.ndim == 3 for _, c in parts)
    shape = (*setting.shape, setting.shape[1]) if full else setting.shape
    convex, concave, hollow = np.zeros(shape), np.zeros(shape), False
    for term, raw in parts:
        c = np.where(np.isinf(raw), 0.0, raw)
        c = c[:, :, None] * np.eye(c.shape[1]) if full and c.ndim == 2 else c
        if (np.einsum("kii->k", c) if full else c.sum(axis=1)).sum() < 0:
            concave += term.factor * c
            hollow = True
        else:
            convex += term.factor * c
    carriers = [t for t in terms if isinstance(t.cost, Carrier)]
    if hollow and carriers:
        return _shared(convex, concave, carriers, setting.but(forbidden=forbidden)), forbidden
    _judge(convex, concave, setting, forbidden)
    return Curvature(convex + concave), forbidden


def _shared(convex: Array, concave: Array, carriers: Sequence[Term], setting: Setting) -> Curvature:
    """
    Lend the curvature of the assets that need it to the first cost that carries it.

    The concave part counts against everything that is convex in the same trades, so it is lent together
    with the convex one. Where that is not enough, the curvature of all assets is: a cost that acts between assets
    needs that of the others too. Every carrier is told, with zeros where it carries nothing.
    """
    total, forbidden = convex + concave, setting.forbidden
    if total.ndim == 3:
        needed = np.full(total.shape, _concave_rows(total, concave, forbidden)[0].any())
        free = ~(forbidden[:, :, None] | forbidden[:, None, :])
    else:
        needed = np.broadcast_to(_concave_cells(convex, concave, forbidden).any(axis=0), total.shape)
        free = ~forbidden
    lent = {t.cost.name: np.zeros(total.shape) for t in carriers}
    if not (needed & free).any():
        return Curvature(total, lent)
    for part in (needed & free, free):
        lend = part.astype(float)
        places = [_carried(t, lend * total, setting) for t in carriers]
        taken = next((t for t, place in zip(carriers, places, strict=True) if place is None), None)
        if taken is not None:
            lent[taken.cost.name] = lend * total
            return Curvature((1.0 - lend) * total, lent)
    raise ModelError(_explain(places[0], carriers, lend * convex, lend * concave, setting))


def _carried(term: Term, lent: Array, setting: Setting) -> tuple[int, int] | None:
    """Where a term's cost, with what it is lent, is not convex."""
    return term.cost.carry(setting, term.factor, lent) if isinstance(term.cost, Carrier) else (0, 0)


def _explain(
    at: tuple[int, int] | None, carriers: Sequence[Term], convex: Array, concave: Array, setting: Setting
) -> str:
    k, i = at or (0, 0)
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        part = 0.5 * (low + high)
        fits = any(_carried(t, convex + part * concave, setting) is None for t in carriers)
        low, high = (part, high) if fits else (low, part)
    would_do = f"{100.0 * low:.4g}% of gamma would do" if low > 1e-6 else "nothing is there to make up for it"
    alone = " (each on its own; one kernel that is their sum may carry more)" if len(carriers) > 1 else ""
    return (
        f"the quadratic cost of trades is not convex for {place(k, i, setting.grid.labels, setting.assets)}, with what "
        f"comes from {' and '.join(t.cost.name for t in carriers)}{alone}: permanent impact is recovered faster than "
        f"temporary and transient impact are paid ({would_do}). Use shorter intervals, a larger eta or strength, a "
        "smaller gamma, or PermanentImpact(own='half')"
    )


def _concave_cells(convex: Array, concave: Array, forbidden: Mask) -> Mask:
    """Where diagonals (N, n) are negative; with a concave part, where they are not positive."""
    total = convex + concave
    return np.asarray(~forbidden & ((total < 0) | ((concave < 0) & (total <= TOLERANCE * convex))))


def _concave_rows(total: Array, concave: Array, forbidden: Mask) -> tuple[Mask, Array, Array, Array]:
    """Where matrices (N, n, n) are not definite, in the same sense, and their `_spectra`."""
    values, vectors, ratios = _spectra(total, concave, forbidden)
    return (values < -TOLERANCE) | ((ratios > 0) & (values <= TOLERANCE)), values, vectors, ratios


def _judge(convex: Array, concave: Array, setting: Setting, forbidden: Mask) -> None:
    """Demand that convex + concave is positive definite wherever there is a concave part, else semidefinite."""
    total, auctions = convex + concave, setting.grid.auctions
    if total.ndim == 2:
        bad = _concave_cells(convex, concave, forbidden)
        if not bad.any():
            return
        k, i = (int(j) for j in np.argwhere(bad)[0])
        alike = bad & (auctions == auctions[k])[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = float(np.max(np.where(alike, -concave / convex, 0.0)))
        found = f"{total[k, i]:.6g}"
    else:
        bad_rows, values, vectors, ratios = _concave_rows(total, concave, forbidden)
        if not bad_rows.any():
            return
        k = int(np.argmax(bad_rows))
        i = int(np.argmax(np.abs(vectors[k])))
        ratio, found = (
            float(ratios[auctions == auctions[k]].max()),
            f"smallest eigenvalue {values[k]:.6g}, relative to the diagonal",
        )
    where = place(k, i, setting.grid.labels, setting.assets)
    if ratio == 0.0:
        raise ModelError(
            f"the quadratic cost of trades is not convex for {where}: the temporary impact itself is not positive "
            f"semidefinite, found {found}"
        )
    if auctions[k]:
        raise ModelError(
            f"the quadratic cost of trades is not convex for {where}: in this auction A - gamma / 2 must be positive, "
            f"found {found}. Permanent impact is recovered faster than the auction's own impact is paid: a larger "
            "auction=, a smaller gamma, or PermanentImpact(own='half') is needed"
        )
    continuous = int((~auctions).sum())
    advice = (
        f"at least {int(np.floor(continuous * ratio * (1 + 1e-11))) + 1} intervals would do"
        if np.isfinite(ratio)
        else "there is no temporary impact to make up for it"
    )
    raise ModelError(
        f"the quadratic cost of trades is not convex for {where}: "
        f"eta / tau - gamma / 2 must be positive, found {found}. Permanent impact is recovered faster than "
        f"temporary impact is paid: use shorter intervals ({advice}), a larger eta, a smaller gamma, or "
        "PermanentImpact(own='half')"
    )


def _spectra(total: Array, concave: Array, forbidden: Mask) -> tuple[Array, Array, Array]:
    """Smallest eigenvalue and its vector per interval, and how much concavity there is per unit of convexity."""
    free = ~forbidden
    total = total * free[:, :, None] * free[:, None, :]
    unit = np.sqrt(np.abs(np.einsum("kii->ki", total)))
    unit[unit == 0] = 1.0
    scaled = total / (unit[:, :, None] * unit[:, None, :])
    scaled += np.eye(scaled.shape[1]) * forbidden[:, :, None]
    values, vectors = np.linalg.eigh(scaled)
    ratios = np.zeros(len(total))
    for k in range(len(total)):
        among = np.ix_(np.flatnonzero(free[k]), np.flatnonzero(free[k]))
        hollow = concave[k][among]
        if not hollow.any():
            continue
        rest = total[k][among] - hollow
        if np.linalg.eigvalsh(rest)[0] <= 0:
            ratios[k] = np.inf
            continue
        inverse = np.linalg.inv(np.linalg.cholesky(rest))
        ratios[k] = -np.linalg.eigvalsh(inverse @ hollow @ inverse.T)[0]
    return values[:, 0], vectors[:, :, 0], ratios

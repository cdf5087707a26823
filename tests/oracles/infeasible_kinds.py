"""
Kinds of problems that no schedule solves, with what is wrong with them known by construction.

Every kind states its conflicts and, for each rule of a conflict, the least by which it alone repairs it, from raw
arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

import acopt as ac

COMPLETE = "Complete"


@dataclass
class Case:
    """
    A problem, and its conflicts: {rule: least amount, or for completion least shares left by asset}.

    `whole` is the same for all of the problem: where it is more than the conflict needs.
    """

    kind: str
    order: ac.Order
    market: ac.Market
    rules: list[Any]
    conflicts: list[Mapping[str, Any]]
    past: np.ndarray | None = None
    custom: dict[str, Callable[[float], Any]] = field(default_factory=dict)
    whole: Mapping[str, Any] = field(default_factory=dict)


class Facts:
    """Random grid, sizes and sides, shared by the kinds."""

    def __init__(self, rng: np.random.Generator, assets: int) -> None:
        self.rng, self.n = rng, int(rng.integers(4, 12))
        widths = rng.uniform(0.3, 1.0, self.n) if rng.random() < 0.5 else np.ones(self.n)
        self.grid = ac.TimeGrid(np.concatenate([[0.0], np.cumsum(widths) / widths.sum()]))
        self.names = [f"S{i}" for i in range(assets)]
        size = 10 ** rng.uniform(2, 9)
        self.shares = size * rng.uniform(0.3, 1.0, assets)
        if rng.random() < 0.5:
            self.shares = np.round(self.shares)
        self.side = rng.choice([-1.0, 1.0], assets)  # 1: buy
        self.prices = 10 ** rng.uniform(0.5, 3.0, assets)
        self.volume = size * rng.uniform(0.5, 2.0, (self.n, assets))

    def order(self) -> ac.Order:
        x = pd.Series(-self.side * self.shares, self.names)
        return ac.Order(x.clip(lower=0.0), (-x).clip(lower=0.0))

    def market(self) -> ac.Market:
        volume = pd.DataFrame(self.volume, self.grid.labels, self.names)
        price = pd.Series(self.prices, self.names)
        return ac.Market(self.grid, price, volume=volume, impact=ac.LinearImpact(8.0))

    def early(self) -> tuple[int, tuple[float, float]]:
        h = int(self.rng.integers(1, self.n))
        return h, (float(self.grid.edges[0]), float(self.grid.edges[h]))

    def cap(self, i: int, most: float, name: str) -> ac.TradeSize:
        """At most so many shares in an interval, in the order's direction; the other side is closed."""
        low, high = (0.0, most) if self.side[i] > 0 else (-most, 0.0)
        return ac.TradeSize(low, high, assets=[self.names[i]], name=name)

    def remaining_at_most(self, i: int, q: float, h: int, name: str) -> ac.HoldingBounds:
        """After h intervals, at most q shares of asset i are left."""
        bound = np.full(self.n, np.inf)
        if self.side[i] > 0:
            bound[h - 1] = q - self.shares[i]
            return ac.HoldingBounds(lower=pd.Series(-bound, self.grid.labels), assets=[self.names[i]], name=name)
        bound[h - 1] = q
        return ac.HoldingBounds(upper=pd.Series(bound, self.grid.labels), assets=[self.names[i]], name=name)


def capacity(f: Facts) -> Case:
    """Caps on participation below the order, with room in no asset or in some."""
    need = f.shares / f.volume.sum(axis=0)
    cap = float(need.max() * f.rng.uniform(0.3, 0.9))
    left = np.maximum(f.shares - cap * f.volume.sum(axis=0), 0.0)
    truth = {"Participation": 100 * (need.max() - cap), COMPLETE: dict(zip(f.names, left, strict=True))}
    return Case("capacity", f.order(), f.market(), [ac.Participation(cap), ac.Monotone()], [truth])


def floors(f: Facts) -> Case:
    """Floors on trades that sum above the order of one asset."""
    i, floor = 0, float(f.shares[0] / f.n * f.rng.uniform(1.1, 2.0))
    low, high = (floor, None) if f.side[i] > 0 else (None, -floor)
    rule = ac.TradeSize(low, high, assets=[f.names[i]], name="floor")
    left = {f.names[i]: f.n * floor - f.shares[i]}
    return Case("floors", f.order(), f.market(), [rule], [{"floor": floor - f.shares[i] / f.n, COMPLETE: left}])


def window(f: Facts) -> Case:
    """No trading early, and a cap that leaves too little time."""
    i = 0
    h, during = f.early()
    if h == f.n:
        h -= 1
    most = float(f.shares[i] / (f.n - h * f.rng.uniform(0.1, 0.9)))
    pause = ac.NoTrade(during=during, assets=[f.names[i]], name="pause")
    short = f.shares[i] - (f.n - h) * most
    truth = {"pause": short / h, "cap": f.shares[i] / (f.n - h) - most, COMPLETE: {f.names[i]: short}}
    return Case("window", f.order(), f.market(), [pause, f.cap(i, most, "cap")], [truth])


def lopsided(f: Facts) -> Case:
    """An order that is outside the tolerance on its net value from the start."""
    net = abs(float(f.side * f.shares @ f.prices))
    tolerance = net * float(f.rng.uniform(0.1, 0.9))
    gross = float(f.shares @ f.prices)
    given = tolerance / gross if f.rng.random() < 0.5 or tolerance < 1 else tolerance
    return Case("lopsided", f.order(), f.market(), [ac.DollarNeutral(given)], [{"DollarNeutral": net - tolerance}])


def out_of_step(f: Facts) -> Case:
    """One leg pauses, the other must be nearly done, and the net value must stay small."""
    f.side[:2] = (-1.0, 1.0) if f.rng.random() < 0.5 else (1.0, -1.0)
    f.shares[1] = f.shares[0] * f.prices[0] / f.prices[1]
    h, during = f.early()
    left = float(f.shares[1] * f.rng.uniform(0.0, 0.5))
    value = f.shares[0] * f.prices[0]
    gap_before = value - left * f.prices[1]
    tolerance = float(gap_before * f.rng.uniform(0.2, 0.8))
    gap = gap_before - tolerance
    names = f.names[:2]
    f.names, f.shares, f.side, f.prices, f.volume = names, f.shares[:2], f.side[:2], f.prices[:2], f.volume[:, :2]
    rules = [
        ac.DollarNeutral(max(tolerance, 1.0), name="net"),
        ac.NoTrade(during=during, assets=[names[0]], name="pause"),
        f.remaining_at_most(1, left, h, "deadline"),
    ]
    truth = {"net": gap, "pause": gap / f.prices[0] / h, "deadline": gap / f.prices[1]}
    return Case("out of step", f.order(), f.market(), rules, [truth])


def target_outside(f: Facts) -> Case:
    """A bound on the position that its target does not obey."""
    i = 0
    miss = float(f.shares[i] * f.rng.uniform(0.05, 0.5))
    target = f.shares[i] if f.side[i] > 0 else 0.0
    rule = ac.HoldingBounds(lower=target + miss, assets=[f.names[i]], during=_last(f), name="stock")
    return Case("target", f.order(), f.market(), [rule], [{"stock": miss, COMPLETE: {f.names[i]: miss}}])


def crossing(f: Facts) -> Case:
    """A floor on participation above a cap on shares, where the volume is largest; each alone fits the order."""
    top, floor = f.shares[0], float(f.rng.uniform(0.05, 0.2))
    f.volume[:, 0] = top * f.rng.uniform(0.2, 0.5, f.n)
    f.volume[0, 0] = top
    most = float(floor * top * f.rng.uniform(0.75, 0.95))
    f.shares[0] = 0.5 * (floor * f.volume[:, 0].sum() + most * f.n)
    share = ac.Participation(1.0, floor, assets=[f.names[0]], name="share")
    truth = {"share": 100 * (floor - most / top), "cap": floor * top - most}
    return Case("crossing", f.order(), f.market(), [share, f.cap(0, most, "cap")], [truth])


def early_custom(f: Facts) -> Case:
    """A user's demand for early progress, and a cap."""
    i = 0
    h, _ = f.early()
    fraction = float(f.rng.uniform(0.5, 0.95))
    most = float(max(fraction * f.shares[i] / h * f.rng.uniform(0.3, 0.9), 1.02 * f.shares[i] / f.n))
    if h * most >= 0.95 * fraction * f.shares[i]:
        return window(f)

    def progress(give: float) -> Any:
        return ac.CustomConstraint(lambda p: p.done(f.names[i])[h] >= fraction - give, name="progress")

    truth = {"progress": fraction - h * most / f.shares[i], "cap": fraction * f.shares[i] / h - most}
    rules = [progress(0.0), f.cap(i, most, "cap")]
    return Case("early custom", f.order(), f.market(), rules, [truth], custom={"progress": progress})


def unfilled(f: Facts) -> Case:
    """An order that need not be finished, but must be well under way."""
    i = 0
    h, _ = f.early()
    left = float(f.shares[i] * f.rng.uniform(0.1, 0.5))
    most = float((f.shares[i] - left) / h * f.rng.uniform(0.3, 0.9))
    rules = [ac.AllowUnfilled(20.0), f.cap(i, most, "cap"), f.remaining_at_most(i, left, h, "deadline")]
    truth = {"cap": (f.shares[i] - left) / h - most, "deadline": f.shares[i] - h * most - left}
    return Case("unfilled", f.order(), f.market(), rules, [truth])


def independent(f: Facts) -> Case:
    """Two assets, each with a conflict of its own."""
    one, two = capped(f, 0, "first cap"), pair(f, 1)
    return Case("independent", f.order(), f.market(), [*one[0], *two[0]], [two[1], one[1]])


def capped(f: Facts, i: int, name: str) -> tuple[list[Any], dict[str, Any]]:
    """Too small a cap."""
    most = float(f.shares[i] / f.n * f.rng.uniform(0.3, 0.9))
    short = f.shares[i] - f.n * most
    return [f.cap(i, most, name)], {name: short / f.n, COMPLETE: {f.names[i]: short}}


def pair(f: Facts, i: int) -> tuple[list[Any], dict[str, Any]]:
    """A pause, and a deadline within it."""
    h, during = f.early()
    left = float(f.shares[i] * f.rng.uniform(0.1, 0.9))
    rules = [ac.NoTrade(during=during, assets=[f.names[i]], name="pause"), f.remaining_at_most(i, left, h, "deadline")]
    return rules, {"pause": (f.shares[i] - left) / h, "deadline": f.shares[i] - left}


def hedged(f: Facts) -> Case:
    """A hedge leg that may not trade enough, for an asset that pauses."""
    f.names, f.shares, f.side = f.names[:1], f.shares[:1], f.side[:1]
    value = float(f.shares[0] * f.prices[0])
    tolerance = value * float(f.rng.uniform(0.1, 0.4))
    most = value * float(f.rng.uniform(0.1, 0.4)) / f.prices[1]
    order = f.order() + ac.Order.hedge(["H"])
    f.names, f.prices, f.volume = [*f.names, "H"], f.prices[:2], f.volume[:, :2]
    gap = value - tolerance - most * f.prices[1]
    rules = [
        ac.DollarNeutral(max(tolerance, 1.0), name="net"),
        ac.TradeSize(-most, most, assets=["H"], name="hedge cap"),
        ac.NoTrade(during=(0.0, float(f.grid.edges[1])), assets=["S0"], name="pause"),
    ]
    truth = {"net": gap, "hedge cap": gap / f.prices[1], "pause": gap / f.prices[0]}
    return Case("hedged", order, f.market(), rules, [truth])


def behind(f: Facts) -> Case:
    """A plan that has fallen behind: what is left does not fit under its cap."""
    p = int(f.rng.integers(1, f.n - 1))
    need = f.shares / f.volume.sum(axis=0)
    cap = float(need.max() * 1.02)
    done = f.side * f.shares * f.rng.uniform(0.0, 0.3) / f.n
    past = np.tile(done, (p, 1))
    left = f.shares - p * np.abs(done)
    room = cap * f.volume[p:].sum(axis=0)
    if (left <= 1.02 * room).all():
        return capacity(f)
    truth: dict[str, Any] = {"Participation": 100 * (float((left / f.volume[p:].sum(axis=0)).max()) - cap)}
    truth[COMPLETE] = dict(zip(f.names, np.maximum(left - room, 0.0), strict=True))
    return Case("behind", f.order(), f.market(), [ac.Participation(cap)], [truth], past=past)


def paused(f: Facts) -> Case:
    """Too small a cap on participation, and a pause that matters once the cap is larger."""
    h, during = f.early()
    if h == f.n:
        h, during = h - 1, (during[0], float(f.grid.edges[f.n - 1]))
    need, later = f.shares / f.volume.sum(axis=0), f.shares / f.volume[h:].sum(axis=0)
    f.shares *= min(1.0, 0.9 / float(later.max()))
    need, later = f.shares / f.volume.sum(axis=0), f.shares / f.volume[h:].sum(axis=0)
    cap = float(need.max() * f.rng.uniform(0.3, 0.9))
    rules = [ac.Participation(cap), ac.NoTrade(during=during, name="pause"), ac.Monotone()]
    left, rest = (np.maximum(f.shares - cap * v.sum(axis=0), 0.0) for v in (f.volume, f.volume[h:]))
    truth = {"Participation": 100 * (need.max() - cap), COMPLETE: dict(zip(f.names, left, strict=True))}
    whole = {"Participation": 100 * (later.max() - cap), COMPLETE: dict(zip(f.names, rest, strict=True))}
    return Case("paused", f.order(), f.market(), rules, [truth], whole=whole)


def _last(f: Facts) -> tuple[float, float]:
    return float(f.grid.edges[-2]), float(f.grid.edges[-1])


KINDS = [
    capacity, floors, window, lopsided, out_of_step, target_outside, crossing, early_custom, unfilled, independent,
    hedged, behind, paused,
]  # fmt: skip


def random_case(seed: int, number: int) -> Case:
    """Return a case; the kinds take turns."""
    rng = np.random.default_rng([seed, number])
    kind = KINDS[number % len(KINDS)]
    return kind(Facts(rng, int(rng.integers(2, 4))))

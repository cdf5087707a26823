"""
Random problems that no schedule solves, with what is wrong with them known by construction, and an examiner.

Every kind below states its conflicts and, for each rule of a conflict, the least by which it alone repairs it,
from raw arithmetic. `examine` holds a diagnosis against that, and applies every amount through the public API:
with it the problem is solved, with 2% less it is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import cvxpy as cp
import numpy as np
import pandas as pd

import acopt as ac

ROUNDING = 1.1e-3
COMPLETE = "Complete"


@dataclass
class Case:
    """A problem, and its conflicts: {rule: least amount, or for completion least shares left by asset}."""

    kind: str
    order: ac.Order
    market: ac.Market
    rules: list[Any]
    conflicts: list[Mapping[str, Any]]
    past: np.ndarray | None = None
    custom: dict[str, Callable[[float], Any]] = field(default_factory=dict)


class Facts:
    """Random grid, sizes and sides, shared by the kinds."""

    def __init__(self, rng: np.random.Generator, assets: int) -> None:
        self.rng, self.n = rng, int(rng.integers(4, 12))
        widths = rng.uniform(0.3, 1.0, self.n) if rng.random() < 0.5 else np.ones(self.n)
        self.grid = ac.TimeGrid(np.concatenate([[0.0], np.cumsum(widths) / widths.sum()]))
        self.names = [f"S{i}" for i in range(assets)]
        size = 10 ** rng.uniform(2, 9)
        self.shares = size * rng.uniform(0.3, 1.0, assets)
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


def _last(f: Facts) -> tuple[float, float]:
    return float(f.grid.edges[-2]), float(f.grid.edges[-1])


KINDS = [
    capacity, floors, window, lopsided, out_of_step, target_outside, crossing, early_custom, unfilled, independent,
    hedged, behind,
]  # fmt: skip


def random_case(seed: int, number: int) -> Case:
    """Return a case; the kinds take turns."""
    rng = np.random.default_rng([seed, number])
    kind = KINDS[number % len(KINDS)]
    return kind(Facts(rng, int(rng.integers(2, 4))))


def attempt(case: Case, rules: Sequence[Any]) -> ac.Schedule:
    """Build and solve the problem with these rules."""
    problem = ac.ExecutionProblem(case.order, case.market, ac.TemporaryImpact(), list(rules))
    return (problem if case.past is None else problem.with_history(case.past)).solve()


def refused(case: Case, rules: Sequence[Any]) -> ac.InfeasibleError | None:
    """Return the refusal, or None when the problem is solved."""
    try:
        attempt(case, rules)
    except ac.InfeasibleError as error:
        return error
    return None


def given_way(case: Case, name: str, amount: Any) -> list[Any]:
    """Return the rules with one of them given way by so much, spelled out by hand."""
    if name == COMPLETE:
        left = np.array([amount.get(label, 0.0) for label in case.order.assets])
        most = ac.CustomConstraint(lambda p: cp.abs(p.remaining[-1]) <= left, name="left")
        return [*case.rules, ac.AllowUnfilled(1e3), most]
    return [_wider(case, rule, amount) if rule.name == name else rule for rule in case.rules]


def _wider(case: Case, rule: Any, s: float) -> Any:
    if rule.name in case.custom:
        return case.custom[rule.name](s)
    if isinstance(rule, ac.Participation):
        lower = None if rule.minimum is None else max(rule.minimum - 0.01 * s, 0.0)
        return rule.changed(maximum=min(rule.maximum + 0.01 * s, 1.0), minimum=lower)
    if isinstance(rule, ac.NoTrade):
        return ac.TradeSize(-s, s, assets=rule.assets, during=rule.during, name=rule.name)
    if isinstance(rule, ac.DollarNeutral):
        gross = float((case.order.remaining.abs() * case.market.price[case.order.assets]).sum())
        now = rule.tolerance * gross if rule.tolerance < 1 else rule.tolerance
        return rule.changed(tolerance=now + s)
    changes = {"lower": -s, "upper": s}
    return rule.changed(**{k: getattr(rule, k) + by for k, by in changes.items() if getattr(rule, k) is not None})


def without(case: Case, names: Sequence[str], name: str) -> list[Any]:
    """Return the rules of a conflict, without one of them; completion only if it is among them."""
    kept = [rule for rule in case.rules if rule.name in names and rule.name != name]
    return kept if COMPLETE in names and name != COMPLETE else [*kept, ac.AllowUnfilled(10.0, name="may stay")]


def part(amount: Any, fraction: float) -> Any:
    """Return a fraction of an amount, which is a number, or shares by asset."""
    return {k: fraction * v for k, v in amount.items()} if isinstance(amount, Mapping) else fraction * amount


def examine(case: Case) -> list[str]:
    """Return what is wrong with the diagnosis of a case: nothing, one hopes."""
    error = refused(case, case.rules)
    if error is None:
        return ["it is solved"]
    found = error.diagnosis
    wrong = [] if found.feasible is False else [f"feasible: {found.feasible}"]
    named = {frozenset(c.constraints): c for c in found.conflicts}
    expected = {frozenset(c): c for c in case.conflicts}
    if set(named) != set(expected):
        return [*wrong, f"conflicts {sorted(map(sorted, named))}, expected {sorted(map(sorted, expected))}"]
    for names, truth in expected.items():
        for relaxation in named[names].relaxations:
            wrong += _examine_one(case, sorted(names), relaxation, truth[relaxation.name])
    if found.repair is None or not found.repair.verified:
        return [*wrong, f"repair {found.repair}"]
    if refused(case, found.repaired()) is not None:
        wrong.append("the repaired problem is refused")
    short = list(case.rules)
    for r in found.repair.relaxations:
        amount = dict(zip(case.order.assets, r.slack, strict=True)) if r.name == COMPLETE else r.amount
        position = Case(case.kind, case.order, case.market, short, [], case.past, case.custom)
        short = given_way(position, r.name, part(amount, 0.98))
    if refused(case, short) is None:
        wrong.append("the repaired problem is solved with 2% less")
    return wrong


def _examine_one(case: Case, names: list[str], relaxation: Any, least: Any) -> list[str]:
    """Minimality, the amount, and that it is enough while 2% less is not, in its conflict alone."""
    wrong, name = [], relaxation.name
    if refused(case, without(case, names, name)) is not None:
        wrong.append(f"{names} is refused even without {name}")
    if name == COMPLETE:
        labels = list(case.order.assets)
        told = dict(zip(labels, relaxation.slack, strict=True))
        off = [a for a in labels if not _close(told[a], least.get(a, 0.0), float(case.order.remaining.abs().max()))]
        wrong += [f"{name} leaves {told[a]} {a}, expected {least.get(a, 0.0)}" for a in off]
    else:
        told = relaxation.amount
        if not _close(told, least, 0.0):
            return [*wrong, f"{name} gives {told}, expected {least}"]
    kept = [rule for rule in case.rules if rule.name in names]
    if COMPLETE not in names:
        kept.append(ac.AllowUnfilled(10.0, name="may stay"))
    alone = Case(case.kind, case.order, case.market, kept, [], case.past, case.custom)
    if refused(alone, given_way(alone, name, told)) is not None:
        wrong.append(f"{name} given way by {told} is refused")
    if refused(alone, given_way(alone, name, part(told, 0.98))) is None:
        wrong.append(f"{name} given way by 2% less than {told} is solved")
    return wrong


def _close(told: float, least: float, size: float) -> bool:
    return least * (1 - 1e-8) - 1e-8 * size <= told <= least * (1 + ROUNDING) + 1e-8 * size

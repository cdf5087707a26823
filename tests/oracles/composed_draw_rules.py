"""Random rules for the second oracle, around a schedule that obeys them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from composed import Array, Mask, Rule, Tape
from composed_draw_costs import Random, log_uniform


@dataclass(frozen=True)
class Room:
    """How far a bound is from the witness, and where a rule applies."""

    rng: Random
    tape: Tape
    witness: Array
    soft: bool

    def factor(self) -> float:
        """Widen by this; a soft rule may be tighter than the witness."""
        if self.soft and self.rng.random() < 0.7:
            return float(self.rng.uniform(0.3, 1.0))
        return 1.0 if self.rng.random() < 0.05 else float(self.rng.uniform(1.02, 2.5))

    def window(self) -> tuple[int, int] | None:
        """Return some consecutive intervals."""
        count = len(self.tape.durations)
        if count < 3 or self.rng.random() < 0.65:
            return None
        first = int(self.rng.integers(0, count - 1))
        return first, int(self.rng.integers(first + 1, count + 1))

    def assets(self) -> Mask | None:
        """Return some of the assets."""
        n = len(self.tape.order)
        if n < 2 or self.rng.random() < 0.7:
            return None
        chosen = self.rng.random(n) < 0.6
        return chosen if chosen.any() and not chosen.all() else None

    def position(self, weights: Array, shift: Any = 0.0) -> Array:
        """w'(x_k + shift) along the witness, k = 0..N."""
        x = self.tape.order + np.vstack([np.zeros(len(self.tape.order)), np.cumsum(self.witness, axis=0)])
        return np.asarray((x + shift) @ weights)


RULES = (
    "Participation",
    "TradeRate",
    "TradeSize",
    "Monotone",
    "HoldingBounds",
    "DollarNeutral",
    "CashBalance",
    "FactorNeutral",
    "GroupNeutral",
    "Pair",
    "NoTrade",
)
CHANCE = dict(zip(RULES, (0.45, 0.15, 0.15, 0.3, 0.2, 0.2, 0.15, 0.2, 0.15, 0.1, 0.15), strict=True))


def draw_rules(rng: Random, tape: Tape, witness: Array, families: frozenset[str]) -> list[Rule]:
    """Draw rules that the witness obeys, soft ones apart."""
    out = []
    idle = ~tape.hedges & (tape.order == 0)
    with_order = np.all(np.sign(witness) * np.sign(tape.order) <= 0, axis=0) & ~(idle & np.any(witness != 0, axis=0))
    for kind in RULES:
        if rng.random() > CHANCE[kind]:
            continue
        soft = kind != "Pair" and "soft" in families and rng.random() < 0.35
        rule = draw_rule(kind, Room(rng, tape, witness, soft), with_order)
        if rule is not None:
            out.append(replace(rule, penalty=log_uniform(rng, 0.1, 300) if soft else None))
    return out


def draw_rule(kind: str, room: Room, with_order: Mask) -> Rule | None:
    """Draw one rule of a kind."""
    rng, tape, u = room.rng, room.tape, room.witness
    if kind == "Participation":
        return draw_participation(room)
    if kind == "Monotone":
        kept = with_order | tape.hedges if not room.soft else np.ones(len(tape.order), bool)
        return Rule(kind, {}, room.window(), None if kept.all() else kept) if kept.any() else None
    if kind in ("TradeRate", "TradeSize"):
        unit = np.where(tape.durations > 0, tape.durations, 1.0)[:, None] if kind == "TradeRate" else 1.0
        rated = ~tape.auctions[:, None] if kind == "TradeRate" else True
        rate = np.where(rated, u, 0.0) / unit
        slack = 0.1 * np.abs(rate).max(axis=0)
        by_interval = rng.random() < 0.3
        top, low = (rate, rate) if by_interval else (rate.max(axis=0), rate.min(axis=0))
        wide_by = (
            (room.factor() - 1) * np.maximum(np.abs(top), slack),
            (room.factor() - 1) * np.maximum(np.abs(low), slack),
        )
        sides = rng.integers(3)
        upper = np.broadcast_to(top + wide_by[0] if sides != 1 else np.inf, u.shape)
        lower = np.broadcast_to(low - wide_by[1] if sides != 2 else -np.inf, u.shape)
        if np.any(lower > upper):
            return None
        return Rule(kind, {"lower": lower, "upper": upper}, room.window(), room.assets())
    if kind == "NoTrade":
        return draw_no_trade(room)
    if kind == "HoldingBounds":
        return draw_holding(room)
    if kind == "Pair":
        worked = np.flatnonzero(tape.order)
        if len(worked) < 2:
            return None
        a, b = (int(j) for j in rng.choice(worked, 2, replace=False))
        done = -np.cumsum(u, axis=0) / np.where(tape.order != 0, tape.order, 1.0)
        least = float(np.max(done[:, a] - done[:, b]))
        return Rule(kind, {"pair": (a, b), "room": max(least, 0.0) * 1.001 + log_uniform(rng, 1e-3, 0.3)})
    return draw_neutral(kind, room)


def draw_participation(room: Room) -> Rule:
    """Draw a cap above the witness, perhaps a floor below it."""
    rng, tape, u = room.rng, room.tape, np.abs(room.witness)
    share = np.where(tape.open, u / np.where(tape.volume > 0, tape.volume, 1.0), 0.0)
    cap = min(max(float(share.max()), 1e-6) * room.factor(), 1.0)
    cap = max(cap, float(share.max())) if not room.soft else cap
    maximum: Any = cap
    if rng.random() < 0.2:
        maximum = np.minimum(cap * rng.uniform(1, 2, tape.volume.shape), 1.0)
    minimum = None
    if rng.random() < 0.2:
        works = -np.sign(tape.order) * room.witness / np.where(tape.volume > 0, tape.volume, 1.0)
        least = float(np.min(np.where(tape.open & (tape.order != 0), works, np.inf)))
        minimum = least * float(rng.uniform(0.2, 1.0)) if np.isfinite(least) and least > 0 else None
        minimum = None if minimum is None else min(minimum, float(np.min(maximum)))
    return Rule("Participation", {"maximum": maximum, "minimum": minimum}, room.window(), room.assets())


def draw_no_trade(room: Room) -> Rule | None:
    """Draw a window; the witness is silent in it where it must be (see `hush`)."""
    count = len(room.tape.durations)
    if count < 4:
        return None
    first = int(room.rng.integers(0, count - 1))
    if room.soft:
        return Rule("NoTrade", {}, (first, first + 1), room.assets())
    quiet = np.flatnonzero(~np.any(room.witness != 0, axis=1))
    if not len(quiet):
        return None
    k = int(room.rng.choice(quiet))
    return Rule("NoTrade", {}, (k, k + 1), None)


def draw_holding(room: Room) -> Rule:
    """Draw bounds around the witness's holdings."""
    tape, rng = room.tape, room.rng
    h = tape.target + tape.order + np.cumsum(room.witness, axis=0)
    size = np.maximum(np.abs(tape.order), 0.05 * np.abs(tape.order).max())
    loose = [(room.factor() - 1) * size * 0.3 for _ in range(2)]
    least, most = h.min(axis=0) - loose[0], h.max(axis=0) + loose[1]
    if not room.soft:
        least, most = np.minimum(least, tape.target), np.maximum(most, tape.target)
    least, most = np.minimum(least, most), np.maximum(least, most)
    sides = rng.integers(3)
    lower = least if sides != 1 else np.full(len(size), -np.inf)
    upper = most if sides != 2 else np.full(len(size), np.inf)
    return Rule("HoldingBounds", {"lower": lower, "upper": upper}, room.window(), room.assets())


def draw_neutral(kind: str, room: Room) -> Rule | None:
    """Draw a portfolio rule whose limits the witness keeps (and the order itself, before it)."""
    rng, tape, n = room.rng, room.tape, len(room.tape.order)
    window, assets = room.window(), room.assets()
    price = np.where(assets, tape.price, 0.0) if assets is not None else tape.price
    gross = tape.gross or 1e-2 * float(np.sum(tape.volume * tape.price))
    if kind == "CashBalance":
        cash = -np.cumsum(room.witness, axis=0) @ price
        least = min(float(cash.min()), 0.0) - (room.factor() - 1) * 0.1 * gross
        most = max(float(cash.max()), 0.0) + (room.factor() - 1) * 0.1 * gross
        least, most = min(least, most), max(least, most)
        sides = rng.integers(3)
        data = {"lower": least if sides != 1 else -np.inf, "upper": most if sides != 2 else np.inf}
        return Rule(kind, {key: np.asarray(side) for key, side in data.items()}, window, assets)
    if n < 2 and kind != "DollarNeutral":
        return None
    of = "holdings" if rng.random() < 0.3 else "remaining"
    shift = tape.target if of == "holdings" else 0.0
    data: dict[str, Any] = {"of": of}
    if kind == "DollarNeutral":
        weights = price[:, None]
    elif kind == "FactorNeutral":
        data["exposures"] = rng.normal(size=(n, int(rng.integers(1, 4))))
        weights = data["exposures"] * price[:, None]
    else:
        groups = rng.integers(0, 3, n)
        used = groups if assets is None else groups[assets]
        data["groups"] = tuple(int(g) if assets is None or assets[i] else -1 for i, g in enumerate(groups))
        if assets is not None:
            data["groups"] = tuple(int(g) if assets[i] else int(used[0]) for i, g in enumerate(groups))
        weights = np.stack(
            [np.where(np.array(data["groups"]) == g, price, 0.0) for g in sorted(set(data["groups"]))], 1
        )
    along = np.abs(room.position(weights, shift)).max(axis=0)
    tolerance = np.maximum(along * room.factor(), 1e-3 * gross)
    if not room.soft:
        tolerance = np.maximum(tolerance, along * (1 + 1e-9))
    data["tolerance"] = np.maximum(tolerance, 1.5)  # below 1 it would be read as a fraction
    return Rule(kind, data, window, assets)


def hush(rng: Random, tape: Tape, witness: Array) -> Array:
    """Sometimes take the trades out of one interval, so that it can be forbidden."""
    count = len(witness)
    busy = np.flatnonzero(~tape.closed)
    if len(busy) < 4 or count < 5 or rng.random() > 0.3:
        return witness
    k, to = (int(j) for j in rng.choice(busy, 2, replace=False))
    out = witness.copy()
    out[to] += out[k]
    out[k] = 0.0
    return out

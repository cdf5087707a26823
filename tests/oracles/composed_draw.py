"""Random problems for the second oracle: any costs with any rules, around a schedule that obeys them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from composed import Array, Budget, Case, Rule, Tape, value
from composed_draw_costs import Random, correlation, draw_costs, draw_permanent, draw_risk, log_uniform
from composed_draw_rules import draw_rules, hush
from composed_forms import as_float, objective_of
from composed_rules import applied

FAMILIES = ("quadratic", "conic", "transient", "soft", "budget")


def family(case: Case) -> str:
    """Return the hardest thing in a case."""
    if case.budgets:
        return "budget"
    kinds = {cost.kind for cost in case.costs}
    if "Norm" in kinds or any(c.kind == "PowerImpact" and c.data["exponent"] != 1.0 for c in case.costs):
        return "conic"
    if "TransientImpact" in kinds:
        return "transient"
    return "soft" if any(r.penalty is not None and r.kind != "AllowUnfilled" for r in case.rules) else "quadratic"


# ---------------------------------------------------------------- the tape


def draw_tape(rng: Random) -> tuple[Tape, dict[str, Any]]:
    """Draw grid, order and market; and the facts that other draws need."""
    n, count = int(rng.integers(1, 7)), int(rng.integers(1, 21))
    horizon = log_uniform(rng, 0.02, 5)
    tau = np.ones(count) if rng.random() < 0.5 else rng.uniform(0.2, 2, count)
    closed, auctions = np.zeros(count, bool), np.zeros(count, bool)
    if count > 3 and rng.random() < 0.25:
        closed[int(rng.integers(1, count - 1))] = True
    if count > 2 and rng.random() < 0.25:
        auctions[0] = rng.random() < 0.6
        auctions[-1] = rng.random() < 0.8 or not auctions[0]
    tau = np.where(auctions, 0.0, tau)
    tau = tau / tau.sum() * horizon
    size = log_uniform(rng, 1e2, 1e9)
    order = size * 10 ** rng.uniform(-1.5, 0, n) * rng.choice([-1.0, 1.0], n)
    order[int(rng.integers(n))] = size * rng.choice([-1.0, 1.0])
    order, hedges = np.round(order), np.zeros(n, bool)
    if rng.random() < 0.03:
        order = np.zeros(n)
    elif n > 1 and rng.random() < 0.25:
        order[-1], hedges[-1] = 0.0, rng.random() < 0.8
    if not order.any() and rng.random() < 0.5:
        hedges[:] = True
    target = np.where(hedges | (rng.random() < 0.6), 0.0, np.round(size * rng.normal(size=n)))
    price = 10 ** rng.uniform(0.5, 2.8, n)
    pov = log_uniform(rng, 0.005, 0.4)
    worth = np.where(order != 0, np.abs(order) * price, size * price.mean())
    open_time = np.where(closed, 0.0, np.where(auctions, horizon * rng.uniform(0.02, 0.2), tau))
    volume = rng.lognormal(0, 0.4, (count, n)) * open_time[:, None] / open_time.sum() * (worth / price) / pov
    money = 0.005 * 10 ** rng.uniform(0, 1, n) * price
    base = money[:, None] * correlation(rng, n) * money[None, :]
    scale = rng.lognormal(0, 0.5, count) if rng.random() < 0.4 else np.ones(count)
    tape = Tape(tau, auctions, closed, order, target, hedges, price, volume, scale[:, None, None] * base)
    return tape, {"size": size, "worth": worth, "horizon": horizon, "open_time": open_time, "pov": pov}


def draw_witness(rng: Random, tape: Tape) -> Array:
    """Draw a schedule that completes the order: monotone, or with round trips."""
    weights = tape.volume * (rng.lognormal(0, 0.5, tape.volume.shape) if rng.random() < 0.7 else 1.0)
    if rng.random() < 0.3:
        weights = weights * np.exp(-rng.uniform(0, 4) * np.arange(len(weights)) / len(weights))[:, None]
    total = weights.sum(axis=0)
    out = -tape.order * weights / total
    if rng.random() < 0.25 and len(out) > 1:
        noise = rng.normal(size=out.shape) * np.where(tape.order != 0, np.abs(out), np.abs(tape.order).max() / 50)
        noise = np.where(tape.open, noise, 0)
        out = out + 0.5 * (noise - weights / total * noise.sum(axis=0))
    return np.asarray(out)


# ---------------------------------------------------------------- budgets, and the whole


def draw_budgets(rng: Random, case: Case, families: frozenset[str]) -> tuple[Budget, ...]:
    """Draw at most two: a standard deviation, a part of the money, a user's own norm or turnover."""
    out: list[Budget] = []
    witness, luck = case.witness, rng.random(3)
    if "budget" not in families or witness is None or not case.tape.order.any():
        return ()
    room = float(rng.uniform(1.01, 1.5))
    if luck[0] < 0.15:
        kinds = [c for c in case.costs if c.kind in ("TimingRisk", "TrackingRisk")]
        base = kinds[0] if kinds else draw_risk(rng, case.tape, 1.0, tracks=False)
        cost = replace(base, weight=1.0)
        spent = float(np.sqrt(value(case, cost, witness)))
        if spent > 0:
            out.append(Budget((cost,), spent * room, deviation=True, bps=rng.random() < 0.5))
    if luck[1] < 0.1:
        money = [c for c in case.costs if c.kind in ("TemporaryImpact", "SpreadCost", "PowerImpact", "TransientImpact")]
        if money:
            chosen = tuple(c for c in money if rng.random() < 0.6) or tuple(money[:1])
            spent = float(sum(value(case, cost, witness) for cost in chosen))
            if spent > 0:
                out.append(Budget(chosen, spent * room, bps=rng.random() < 0.5))
    return tuple(out)


def draw_unfilled(rng: Random, tape: Tape) -> list[Rule]:
    """Sometimes let part of the order go, of all assets or of some."""
    if rng.random() > 0.15:
        return []
    some = rng.random(len(tape.order)) < 0.6
    mask = None if rng.random() < 0.7 or some.all() or not some.any() else some
    return [Rule("AllowUnfilled", {}, None, mask, log_uniform(rng, 1, 300))]


def bounded(case: Case) -> Case:
    """Cap every trade where the curvature of impact alone would not keep the problem bounded."""
    tape = case.tape
    if any(cost.kind == "PowerImpact" for cost in case.costs):
        return case
    bent = tuple(c for c in case.costs if c.kind in ("TemporaryImpact", "TransientImpact", "PermanentImpact"))
    curve = as_float(objective_of(Case(tape, bent, ())).quadratic)
    free = np.flatnonzero(tape.open.ravel())
    curve = curve[np.ix_(free, free)]
    size = np.sqrt(np.maximum(np.diag(curve), 0))
    if size.size and size.min() > 0 and np.linalg.eigvalsh(curve / np.outer(size, size))[0] > 1e-4:
        return case
    if any(r.kind == "Participation" and r.penalty is None and applied(tape, r).all() for r in case.rules):
        return case
    witness = np.zeros(tape.volume.shape) if case.witness is None else case.witness
    most = 3 * np.abs(witness).max(axis=0) + 1e-2 * tape.volume.max(axis=0)
    bounds = {"lower": np.broadcast_to(-most, tape.volume.shape), "upper": np.broadcast_to(most, tape.volume.shape)}
    rules = tuple(r for r in case.rules if r.kind != "TradeSize")
    return replace(case, rules=(*rules, Rule("TradeSize", bounds)))


def random_case(rng: Random, families: frozenset[str] = frozenset(FAMILIES)) -> Case:
    """Draw a problem; nearly all are feasible."""
    tape, facts = draw_tape(rng)
    witness = hush(rng, tape, draw_witness(rng, tape))
    share = np.abs(witness) / np.where(tape.open, tape.volume, np.inf)
    tape = replace(tape, volume=tape.volume * max(1.0, float(share.max()) / 0.9))
    costs = draw_costs(rng, tape, facts, families)
    rules = draw_rules(rng, tape, witness, families) + draw_unfilled(rng, tape)
    case = Case(tape, tuple(costs), tuple(rules), witness=witness)
    if rng.random() < 0.5:
        permanent = draw_permanent(rng, case)
        case = replace(case, costs=(*case.costs, permanent)) if permanent else case
    case = bounded(case)
    case = replace(case, budgets=draw_budgets(rng, case, families))
    return spoil(rng, case) if rng.random() < 0.04 else case


def spoil(rng: Random, case: Case) -> Case:
    """Tighten caps or budgets, so that perhaps nothing obeys them all; the witness is no witness any more."""
    size = np.abs(case.tape.order) / len(case.tape.durations) * rng.uniform(0.5, 1.5)
    if case.budgets and rng.random() < 0.7:
        less = tuple(replace(b, value=b.value * float(rng.uniform(0.01, 0.7))) for b in case.budgets)
        return replace(case, budgets=less, witness=None)
    bounds = {
        "lower": np.broadcast_to(-size, case.tape.volume.shape),
        "upper": np.broadcast_to(size, case.tape.volume.shape),
    }
    rules = tuple(r for r in case.rules if r.kind != "TradeSize")
    return replace(case, rules=(*rules, Rule("TradeSize", bounds)), witness=None)

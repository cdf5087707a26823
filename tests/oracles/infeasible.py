"""
An examiner of diagnoses, on random problems that no schedule solves (infeasible_kinds.py).

`examine` holds a diagnosis against what its case states, and applies every amount through the public API: with it
the problem is solved, with 2% less it is refused; where a rule is said not to repair everything, no amount of it
does. What the repair of the whole leaves alone is tried as well: a rule gives way only if no rule of a kind before
it can (bounds, then pauses and directions, then completion).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cvxpy as cp
import numpy as np
from infeasible_kinds import COMPLETE, Case, random_case

import acopt as ac

__all__ = ["Case", "examine", "random_case", "refused"]

ROUNDING = 1.1e-3


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


def less(case: Case, amount: Any) -> Any:
    """Return 2% less of an amount; of whole shares at least one."""
    if not isinstance(amount, Mapping):
        return 0.98 * amount
    order = case.order.remaining
    return {k: max(min(0.98 * v, v - (order[k] % 1 == 0)), 0.0) for k, v in amount.items()}


def told_amount(case: Case, relaxation: Any) -> Any:
    """Return an amount as a case states it."""
    named = relaxation.name == COMPLETE
    return dict(zip(case.order.assets, relaxation.slack, strict=True)) if named else relaxation.amount


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
            wrong += _examine_whole(case, relaxation, truth[relaxation.name])
    if found.repair is None or not found.repair.verified:
        return [*wrong, f"repair {found.repair}"]
    if refused(case, found.repaired()) is not None:
        wrong.append("the repaired problem is refused")
    short = list(case.rules)
    for r in found.repair.relaxations:
        position = Case(case.kind, case.order, case.market, short, [], case.past, case.custom)
        short = given_way(position, r.name, less(case, told_amount(case, r)))
    if refused(case, short) is None:
        wrong.append("the repaired problem is solved with 2% less")
    return wrong + _examine_preference(case, [r.name for r in found.repair.relaxations])


def _kind(case: Case, name: str) -> int:
    """Place of a rule in the queue of those that give way."""
    rule = next((rule for rule in case.rules if rule.name == name), None)
    return 2 if rule is None else int(isinstance(rule, ac.Monotone | ac.NoTrade))


def _examine_preference(case: Case, gave: list[str]) -> list[str]:
    """With all rules of the kinds before the last that gave way taken away, the problem is refused still."""
    last = max(_kind(case, name) for name in gave)
    kept = [rule for rule in case.rules if _kind(case, rule.name) >= last]
    capped = [ac.Participation(1.0, name="all of the volume")] if last else []
    if last and refused(case, [*kept, *capped]) is None:
        return [f"{gave} gave way, although rules of an earlier kind can repair everything"]
    return []


def _examine_whole(case: Case, relaxation: Any, least: Any) -> list[str]:
    """The amount with which the rule alone repairs everything, or that none does."""
    name, whole = relaxation.name, relaxation.whole
    if whole is None:
        much = dict.fromkeys(case.order.assets, 1e12) if name == COMPLETE else 1e12
        wrong = ["one conflict is everything"] if len(case.conflicts) == 1 else []
        if refused(case, given_way(case, name, much)) is None:
            wrong.append(f"{name} alone repairs everything")
        return wrong
    told = told_amount(case, whole)
    wrong = [] if _agrees(case, told, case.whole.get(name, least)) else [f"{name}: {told} for the whole"]
    if refused(case, given_way(case, name, told)) is not None:
        wrong.append(f"{name} given way by {told} does not repair everything")
    if refused(case, given_way(case, name, less(case, told))) is None:
        wrong.append(f"{name} given way by less than {told} repairs everything")
    return wrong


def _agrees(case: Case, told: Any, least: Any) -> bool:
    """Whether an amount is the least one, rounded up."""
    if not isinstance(told, Mapping):
        return _close(told, least, 0.0)
    order = case.order.remaining
    size = float(order.abs().max())
    return all(_close(told[a], least.get(a, 0.0), size, float(order[a] % 1 == 0)) for a in told)


def _examine_one(case: Case, names: list[str], relaxation: Any, least: Any) -> list[str]:
    """Minimality, the amount, and that it is enough while 2% less is not, in its conflict alone."""
    wrong, name = [], relaxation.name
    if refused(case, without(case, names, name)) is not None:
        wrong.append(f"{names} is refused even without {name}")
    told = told_amount(case, relaxation)
    if not _agrees(case, told, least):
        return [*wrong, f"{name} gives {told}, expected {least}"]
    kept = [rule for rule in case.rules if rule.name in names]
    if COMPLETE not in names:
        kept.append(ac.AllowUnfilled(10.0, name="may stay"))
    alone = Case(case.kind, case.order, case.market, kept, [], case.past, case.custom)
    if refused(alone, given_way(alone, name, told)) is not None:
        wrong.append(f"{name} given way by {told} is refused")
    if refused(alone, given_way(alone, name, less(case, told))) is None:
        wrong.append(f"{name} given way by 2% less than {told} is solved")
    return wrong


def _close(told: float, least: float, size: float, share: float = 0.0) -> bool:
    return least * (1 - 1e-8) - 1e-8 * size <= told <= least * (1 + ROUNDING) + 1e-8 * size + share

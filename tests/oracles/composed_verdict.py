"""A schedule held against the bracket of the second oracle: the accuracy contract."""

from __future__ import annotations

from composed import Array, Case
from composed_program import Truth
from composed_rules import cost_and_scale, term_values, tolerance, violation

GAP, VIOLATION, PRICE, RELATIVE = 1.0, 1e-9, 1e-8, 1e-6
"""The contract: gap in its own tolerances, violation of the order, price of the sum of |terms|; a tolerance's size."""


def judge(case: Case, truth: Truth, trades: Array, objective: float, claimed: float) -> dict[str, float | str]:
    """
    Hold a schedule, the objective stated for it and the gap claimed for it against the bracket.

    `above` is cost over the lower bound, `surplus` over the oracle's own schedule (which may, by the rounding of its
    rules, be below that bound: then over the bound), both in tolerances. A schedule
    within one tolerance of the lower bound is proven; one that is further from it, and less than one above the
    oracle's schedule, is undecided: the oracle is silent.
    """
    cost, scale = cost_and_scale(case, trades)
    allowed = tolerance(case, scale)
    # Terms that are nothing beside the absolute floor of the tolerance have no size of their own.
    size = max(float(sum(abs(v) for _, v in term_values(case, trades))), allowed / RELATIVE)
    out: dict[str, float | str] = {
        "above": (cost - truth.lower) / allowed,
        "surplus": (cost - max(truth.objective, truth.lower)) / allowed,
        "violation": violation(case, trades),
        "price": abs(objective - cost) / (size or 1.0),
        "claimed": claimed / allowed,
        "wrong": "",
        "oracle": "",
    }
    rounding = 1e-10 * scale / allowed + 1e-4
    wrong = []
    if float(out["surplus"]) > GAP or float(out["above"]) < -GAP:
        wrong.append("gap")
    elif float(out["above"]) > GAP:
        out["oracle"] = f"undecided: bracket {truth.bracket:.1e} tolerances, violation {truth.violation:.1e}"
    if not float(out["violation"]) <= VIOLATION:
        wrong.append("violation")
    if not float(out["price"]) <= PRICE:
        wrong.append("price")
    if float(out["surplus"]) > float(out["claimed"]) + rounding and truth.violation < 1e-11:
        wrong.append("claim")
    out["wrong"] = " ".join(wrong)
    return out

"""What the data alone say about feasibility, with the arithmetic, before any solver is asked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from acopt.errors import InfeasibleError
from acopt.market.labels import Array, place
from acopt.model.algebra import Constraint
from acopt.model.setting import Setting

ROUNDING = 1e-12


def check_capacity(lower: Array, upper: Array, constraints: Sequence[Constraint], setting: Setting) -> None:
    """
    Demand lower <= upper for every trade, and that each asset's bounds can add up to its order.

    Raises
    ------
    InfeasibleError
        Names asset, interval and constraints, with the sums.
    """
    crossed = lower > upper + ROUNDING * setting.size
    if crossed.any():
        k, i = (int(j) for j in np.argwhere(crossed)[0])
        names = _who(constraints, setting, k, i)
        raise InfeasibleError(
            f"{names} contradict each other for {place(k, i, setting.grid.labels, setting.assets)}: at least "
            f"{lower[k, i]:,.6g} and at most {upper[k, i]:,.6g} shares (buys +, sells -)"
        )
    if not setting.complete:
        return
    need = -setting.remaining
    most, least = upper.sum(axis=0), lower.sum(axis=0)
    slack = ROUNDING * len(upper) * np.maximum(np.abs(need), 1e-300)
    for i in np.flatnonzero((need > most + slack) | (need < least - slack)):
        short = need[i] > most[i]
        limit = most[i] if short else least[i]
        buying = need[i] > 0
        if buying == short:
            raise InfeasibleError(
                f"{setting.assets[i]}: caps sum to {abs(limit) if limit * need[i] > 0 else 0:,.0f} of "
                f"{abs(need[i]):,.0f} shares ({_names(constraints, setting, int(i))}); allow more per interval, more "
                "time, or add AllowUnfilled(penalty_bps=...)"
            )
        raise InfeasibleError(
            f"{setting.assets[i]}: floors sum to {abs(limit):,.0f} shares, the order is {abs(need[i]):,.0f} "
            f"({_names(constraints, setting, int(i))})"
        )


def _who(constraints: Sequence[Constraint], setting: Setting, k: int, i: int) -> str:
    found = []
    for constraint in constraints:
        own = constraint.trade_bounds(setting)
        if own is not None and (np.isfinite(own[0][k, i]) or np.isfinite(own[1][k, i])):
            found.append(constraint.name)
    if setting.forbidden[k, i]:
        found.append("the closed or volumeless interval")
    return " and ".join(found)


def _names(constraints: Sequence[Constraint], setting: Setting, i: int) -> str:
    found = []
    for constraint in constraints:
        own = constraint.trade_bounds(setting)
        if own is not None and (np.isfinite(own[0][:, i]).any() or np.isfinite(own[1][:, i]).any()):
            found.append(constraint.name)
    if setting.forbidden[:, i].any():
        found.append("closed or volumeless intervals")
    return ", ".join(found)

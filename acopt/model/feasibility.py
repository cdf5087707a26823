"""What the data alone say about feasibility, with the arithmetic, before any solver is asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from acopt.errors import InfeasibleError, UnboundedError
from acopt.market.labels import Array, place
from acopt.model.algebra import Constraint, Term
from acopt.model.setting import Setting

if TYPE_CHECKING:
    from acopt.insight.diagnosis import Diagnosis

ROUNDING = 1e-12


def check_capacity(lower: Array, upper: Array, constraints: Sequence[Constraint], setting: Setting) -> None:
    """
    Demand lower <= upper for every trade, and that each asset's bounds can add up to its order.

    Raises
    ------
    InfeasibleError
        Names asset, interval and constraints, with the sums; of several assets the worst, by fraction of its order.
    """
    crossed = lower > upper + ROUNDING * setting.size
    if crossed.any():
        k, i = (int(j) for j in np.argwhere(crossed)[0])
        names = " and ".join(bounding(constraints, setting, k, i))
        raise InfeasibleError(
            f"{names} contradict each other for {place(k, i, setting.grid.labels, setting.assets)}: at least "
            f"{lower[k, i]:,.6g} and at most {upper[k, i]:,.6g} shares (buys +, sells -)"
        )
    if not setting.complete:
        return
    need = -setting.remaining
    most, least = upper.sum(axis=0), lower.sum(axis=0)
    beyond = np.maximum(need - most, least - need)
    off = np.divide(beyond, np.abs(need), where=need != 0, out=np.where(beyond > 0, np.inf, 0.0))
    many = int((off > ROUNDING * len(upper)).sum())
    if not many:
        return
    i = int(off.argmax())
    short = need[i] > most[i]
    limit = most[i] if short else least[i]
    worst = f"{setting.assets[i]}" + (f" (and {many - 1} more)" if many > 1 else "")
    names = ", ".join(bounding(constraints, setting, slice(None), i))
    if need[i] != 0 and (need[i] > 0) == short:
        possible = abs(limit) if limit * need[i] > 0 else 0.0
        if setting.past is not None and setting.elapsed:
            done = np.sign(need[i]) * setting.past[:, i].sum() + 0.0  # and no -0
            raise InfeasibleError(
                f"{worst}: done {done:,.0f} and caps of {np.sign(need[i]) * limit - done:,.0f} to come make "
                f"{possible:,.0f} of {abs(need[i]):,.0f} shares ({names}); allow more per interval, more time, or add "
                "AllowUnfilled(penalty_bps=...)"
            )
        raise InfeasibleError(
            f"{worst}: caps sum to {possible:,.0f} of {abs(need[i]):,.0f} shares ({names}); allow more per interval, "
            "more time, or add AllowUnfilled(penalty_bps=...)"
        )
    raise InfeasibleError(
        f"{worst}: floors sum to {abs(limit):,.0f} shares, the order is {abs(need[i]):,.0f} ({names})"
    )


def diagnosed(setting: Setting, terms: Sequence[Term], constraints: Sequence[Constraint]) -> Diagnosis:
    """Say what is wrong with a problem; see `acopt.insight.diagnosis`."""
    from acopt.insight.diagnosis import diagnose

    return diagnose(setting, terms, constraints)


@contextmanager
def diagnosable(setting: Setting, terms: Sequence[Term], constraints: Sequence[Constraint]) -> Iterator[None]:
    """Give the errors that are raised inside what their diagnosis needs."""
    try:
        yield
    except (InfeasibleError, UnboundedError) as error:
        error.about(partial(diagnosed, setting, terms, constraints))
        raise


def trade_bounds(constraints: Sequence[Constraint], setting: Setting) -> tuple[Array, Array]:
    """Tightest bounds on trades (N, n) that constraints state, closed intervals at zero, history as it was."""
    lower = np.where(setting.forbidden, 0.0, -np.inf)
    upper = np.where(setting.forbidden, 0.0, np.inf)
    for constraint in constraints:
        own = constraint.trade_bounds(setting)
        if own is not None:
            lower, upper = np.maximum(lower, own[0]), np.minimum(upper, own[1])
    if setting.past is not None:
        lower[: setting.elapsed] = upper[: setting.elapsed] = setting.past
    return lower, upper


def bounding(constraints: Sequence[Constraint], setting: Setting, rows: slice | int, i: int) -> list[str]:
    """Names of the constraints that bound trades of asset i in these intervals."""
    found = []
    for constraint in constraints:
        own = constraint.trade_bounds(setting)
        if own is not None and (np.isfinite(own[0][rows, i]).any() or np.isfinite(own[1][rows, i]).any()):
            found.append(constraint.name)
    if np.any(setting.forbidden[rows, i]):
        found.append("closed or volumeless intervals")
    return found

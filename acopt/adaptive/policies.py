"""The policies that look at nothing: a plan made before the day."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from acopt.adaptive.state import Policy, State
from acopt.errors import DataError
from acopt.market.labels import Array, called, is_one_of, numbers, short
from acopt.model.benchmarks import TWAP, VWAP, Benchmark
from acopt.model.schedule import Schedule
from acopt.model.setting import Setting

Plan: TypeAlias = "Schedule | Benchmark | str | pd.DataFrame | Array"
NAMED: dict[str, Benchmark] = {"twap": TWAP(), "vwap": VWAP()}


class StaticPolicy:
    """
    Trade as planned, whatever happens.

    Parameters
    ----------
    plan : a Schedule; "twap" or "vwap" (by the expected volume); a benchmark such as `TWAP(start, end)`; or trades,
        shares, buys +: a DataFrame interval x asset, or an array (N, n). It may pass its target on the way.
    name : how tables call it; the plan's name by default.

    Raises
    ------
    DataError
        Not a plan; when it is followed: its labels or its shape do not fit the order and the grid.
    """

    overshoots = True

    def __init__(self, plan: Plan, *, name: str | None = None) -> None:
        if isinstance(plan, str) and not is_one_of(plan, NAMED):
            raise DataError(f"StaticPolicy: no plan is called {plan!r}; accepted are {_ACCEPTED}")
        if isinstance(plan, Policy) and not isinstance(plan, type):
            own = "give its .schedule, or " if isinstance(getattr(plan, "schedule", None), Schedule) else ""
            raise DataError(f"StaticPolicy: {short(plan)} is a policy and no plan; {own}simulate the policy itself")
        if isinstance(plan, type) or not isinstance(plan, Schedule | Benchmark | str | pd.DataFrame):
            plan = _array(plan)
        self.plan = plan
        self.name = called(name, _name(plan))

    def decide(self, state: State) -> Array:
        """Return the trades planned for this interval."""
        trades = state.setting.once(self, "plan", lambda: self.trades(state.setting))
        return np.broadcast_to(trades[state.interval], state.remaining.shape)

    def trades(self, setting: Setting) -> Array:
        """Return what is planned for an order and a market (N, n), shares."""
        plan = NAMED[self.plan] if isinstance(self.plan, str) else self.plan
        if isinstance(plan, Benchmark):
            return plan.trades(setting)
        if isinstance(plan, Schedule):
            plan = plan.trades
        if isinstance(plan, np.ndarray) and plan.ndim == 1 and setting.shape[1] == 1:
            plan = plan[:, None]
        if isinstance(plan, np.ndarray) and plan.shape != setting.shape:
            raise DataError(
                f"StaticPolicy {self.name!r}: trades of shape {plan.shape} were given, {setting.shape} is expected "
                "(interval x asset)"
            )
        return setting.coefficient(plan, f"StaticPolicy {self.name!r}: trades")

    def __repr__(self) -> str:
        return f"StaticPolicy({self.name!r})"


_ACCEPTED = "'twap', 'vwap', a Schedule, a benchmark such as TWAP('10:00', '12:00'), or trades interval x asset"


def _array(plan: Any) -> Array:
    try:
        trades = numbers(plan, "StaticPolicy plan")
    except DataError as error:
        raise DataError(f"StaticPolicy: {short(plan)} is no plan; accepted are {_ACCEPTED}") from error
    if trades.ndim not in (1, 2):
        raise DataError(f"StaticPolicy: {short(plan)} is no plan; accepted are {_ACCEPTED}")
    return trades


def _name(plan: Any) -> str:
    if isinstance(plan, str):
        return plan
    if isinstance(plan, Schedule):
        return plan.name
    return repr(plan) if isinstance(plan, Benchmark) else "plan"

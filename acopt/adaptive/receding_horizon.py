"""The compiled problem as a policy: planned again in every interval, with the forecast of that moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from acopt.adaptive.feedback import demand_same_grid
from acopt.adaptive.state import State
from acopt.adaptive.volumes import StochasticVolume
from acopt.costs.alpha import Alpha
from acopt.errors import DataError, InfeasibleError, ModelError
from acopt.market.labels import Array, called, demand, numbers, short
from acopt.market.market import Market
from acopt.model.algebra import Objective
from acopt.model.paths import Trajectory
from acopt.model.problem import ExecutionProblem
from acopt.model.setting import Setting


class RecedingHorizon:
    """
    Plan the rest of the order in every interval, and trade the first step of the plan.

    min (costs of the problem) - sum_{j>=k} E[dS_j | known]' x_j  over the schedules that obey its rules, its first k
    intervals as they were executed

    Any cost and any rule will do. Where costs are quadratic and no rule binds, the plan's first step is the optimum of
    all policies (certainty equivalence); with rules it is no longer quite that, but the rules hold, and the plan counts
    on those that will bind later.

    Parameters
    ----------
    problem : what is planned; it stays as it is. An `Alpha` among its costs is the forecast's place: its weight stays,
        its drift is replaced by `state.expected_changes()`. Without one, the forecast is added with weight 1.
    volumes : what re-estimates the market's volumes, a function of the state that returns those of the intervals
        k..N-1, (paths, N - k, n) shares; before them are those that came. As expected at first by default.
    name : how tables call it.

    Raises
    ------
    ModelError
        A problem with several `Alpha`, a risk without weight, or a history of its own; while simulating: another order
        or another grid than the problem's.
    InfeasibleError
        While simulating: the rest cannot be finished within the rules; the note says when, and with how much left. With
        volumes that are re-estimated a cap may shrink: a soft rule (`penalty_bps=`) gives way instead.

    Notes
    -----
    Paths in the same state are solved once; others one by one, each from the active set of the one before, in the order
    of their histories. Each answer is certified as any schedule is.

    References
    ----------
    Bertsekas (2017), "Dynamic programming and optimal control" I, on certainty equivalent control.
    """

    overshoots = True
    """Its problem's rules say whether it may pass its target."""

    def __init__(
        self,
        problem: ExecutionProblem,
        *,
        volumes: Callable[[State], Array] | None = None,
        name: str | None = None,
    ) -> None:
        demand(problem, ExecutionProblem, "RecedingHorizon problem")
        if volumes is not None and not callable(volumes):
            hint = "; ac.VolumeForecast(...) makes one of it" if isinstance(volumes, StochasticVolume) else ""
            raise DataError(
                f"RecedingHorizon volumes: {short(volumes)} was given, a function of the state is expected{hint}"
            )
        self.name, self.volumes = called(name, type(self).__name__), volumes
        self._forecast = _Forecast(problem)
        self._problem = _with_forecast(problem, self._forecast)

    def decide(self, state: State) -> Array:
        """Return the first step of each path's plan, (paths, n) shares."""
        setting, k = self._problem.setting, state.interval
        self._demand_same(state.setting)
        paths = len(state.remaining)
        moves = np.asarray(state.expected_changes(), dtype=float)
        volumes = self._volumes(state)
        known = [state.trades, moves] if volumes is None else [state.trades, moves, volumes, state.volumes]
        states = np.concatenate([each.reshape(paths, -1) for each in known], axis=1)
        _, first, which = np.unique(states, axis=0, return_index=True, return_inverse=True)
        which = which.reshape(-1)
        steps = np.empty((len(first), setting.shape[1]))
        for i, path in enumerate(first):
            executed = state.trades[path]
            market = None if volumes is None else self._market(executed, state.volumes[path], volumes[path])
            try:
                steps[i] = self._step(k, executed, moves[path], market)
            except InfeasibleError as error:
                self._note(error, state, np.flatnonzero(which == i))
                raise
        return steps[which]

    def _market(self, executed: Array, came: Array, ahead: Array) -> Market:
        """Return the market with the volumes that came, and those that are estimated."""
        market = self._problem.setting.market
        # What was traded where nobody traded has no price by a law that goes by volume: there, as expected.
        past = np.where((came > 0) | (executed == 0), came, market.volumes[: len(came)])
        return market.with_volumes(np.concatenate([past, ahead]))

    def _step(self, k: int, executed: Array, moves: Array, market: Market | None) -> Array:
        """Return the first step (n,) of the plan after a history (k, n)."""
        setting = self._problem.setting
        self._forecast.moves = np.concatenate([np.zeros((k, setting.shape[1])), moves])
        question = self._problem.with_history(executed, market=market)
        plan = question.solve()
        if market is None:
            # Where no trade had bounds, the first history gave it some: what it compiled serves for all others.
            self._problem = question
        return np.asarray(plan.path.trades[k])

    def _note(self, error: InfeasibleError, state: State, paths: npt.NDArray[np.intp]) -> None:
        """Note when it was, on which paths, and what they have left."""
        setting, many = self._problem.setting, f" and {len(paths) - 1:,} more" if len(paths) > 1 else ""
        left = zip(setting.assets, state.remaining[paths[0]], strict=True)
        error.add_note(
            f"policy {self.name}, interval {setting.grid.labels[state.interval]}, path {paths[0]} of this block{many}: "
            f"left to trade are {', '.join(f'{label} {-x:+,.6g}' for label, x in left)}"
        )

    def _volumes(self, state: State) -> Array | None:
        if self.volumes is None:
            return None
        n, m = self._problem.setting.shape
        shape = len(state.remaining), n - state.interval, m
        found = numbers(self.volumes(state), f"policy {self.name}: what volumes= returned")
        if found.shape != shape or not (found >= 0).all() or not np.isfinite(found).all():
            what = f"shape {found.shape}" + (f", the least {np.min(found):g}" if found.shape == shape else "")
            raise ModelError(
                f"policy {self.name}, interval {state.setting.grid.labels[state.interval]}: volumes= returned {what}; "
                f"finite numbers >= 0 of shape {shape}, paths x intervals ahead x assets, are expected"
            )
        return found

    def _demand_same(self, given: Setting) -> None:
        own = self._problem.setting
        demand_same_grid(own, given, self.name)
        other = given.remaining != own.remaining
        if other.any():
            i = int(np.argmax(other))
            raise ModelError(
                f"policy {self.name}: its problem's order for {own.assets[i]} is {own.remaining[i]:,.6g} shares, asked "
                f"for are {given.remaining[i]:,.6g} (> 0 to sell); give it a problem with that order"
            )

    def __repr__(self) -> str:
        return f"RecedingHorizon({self.name!r}, {self._problem!r})"


class _Forecast(Alpha):
    """The expected price changes of the moment, `moves` (N, n), currency/share."""

    def __init__(self, problem: ExecutionProblem) -> None:
        own = [t.cost for t in problem.objective.terms if isinstance(t.cost, Alpha)]
        if len(own) > 1:
            raise ModelError(
                f"RecedingHorizon: {' and '.join(cost.name for cost in own)} are views on prices; one at most is the "
                "forecast's place"
            )
        super().__init__(0.0, name=own[0].name if own else "Forecast")
        self.moves = np.zeros(problem.setting.shape)

    def parameters(self, setting: Setting, weight: float) -> dict[str, Array]:
        """Gain per share held through the interval."""
        return {"gain": weight * self.moves}

    def values(self, path: Trajectory) -> Array:
        """- E[dS] x."""
        return -self.moves * path.after


def _with_forecast(problem: ExecutionProblem, forecast: _Forecast) -> ExecutionProblem:
    """Return the problem with the forecast in its objective, compiled apart."""
    if problem.setting.elapsed:
        raise ModelError(
            f"RecedingHorizon: the first {problem.setting.elapsed} intervals of the problem are history; give it the "
            "problem of the whole day"
        )
    terms = problem.objective.terms
    for term in terms:
        if term.cost.kind == "risk" and term.weight is None:
            raise ModelError(
                f"RecedingHorizon: {term.cost.name} has no weight: multiply it by a risk aversion (1e-6 * "
                f"{term.cost!r})"
            )
    costs: Any = Objective(tuple(replace(t, cost=forecast) if isinstance(t.cost, Alpha) else t for t in terms))
    if not any(isinstance(t.cost, Alpha) for t in terms):
        costs = costs + forecast
    return ExecutionProblem(problem.order, problem.market, costs, problem.constraints)

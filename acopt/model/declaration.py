"""The problem in CVXPY: declared once, its data in parameters."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import cvxpy as cp
import numpy as np

from acopt.errors import ModelError
from acopt.market.labels import Array, place
from acopt.model.algebra import Constraint, Cost, Term
from acopt.model.curvature import Curvature
from acopt.model.paths import Paths, trade_squares
from acopt.model.setting import Setting

BOUNDS, CURVATURE, PATHS = "trade bounds", "trade curvature", "paths"


@dataclass(frozen=True)
class State:
    """
    Everything that decides the numbers of a problem; replaced as a whole by an update.

    `bounds` are the tightest on trades (N, n) over all constraints, closed intervals at zero.
    """

    setting: Setting
    terms: tuple[Term, ...]
    constraints: tuple[Constraint, ...]
    curvature: Curvature | None
    bounds: tuple[Array, Array]


class Declaration:
    """
    A CVXPY problem and the parameters that carry its data.

    Attributes
    ----------
    paths : the paths that terms speak about.
    problem : the CVXPY problem (DPP).
    rules : CVXPY constraints by the name of their owner; under `BOUNDS`, lower and upper of every trade.
    owners : name of the constraint that each CVXPY constraint belongs to, by constraint id.
    """

    def __init__(self, state: State) -> None:
        self.paths = Paths(state.setting)
        self._parameters: dict[str, dict[str, cp.Parameter]] = {}
        self.rules: dict[str, list[cp.Constraint]] = {}
        costs = [self._trade_curvature(state), *(self._cost(term, state) for term in state.terms)]
        self.rules[BOUNDS] = self._trade_bounds(state)
        for constraint in state.constraints:
            data = self._declare(constraint.name, constraint.parameters(state.setting))
            self.rules[constraint.name] = constraint.expressions(self.paths, data)
        self._parameters[PATHS] = self.paths.data
        self.owners = {rule.id: name for name, group in self.rules.items() for rule in group}
        rules = [*self.paths.definitions, *(rule for group in self.rules.values() for rule in group)]
        objective = sum((c for c in costs if c is not None), cp.Constant(0.0))
        self.problem = cp.Problem(cp.Minimize(objective), rules)
        self._own = {p.id: p for p in self.problem.parameters()}
        for group in self._parameters.values():
            for parameter in group.values():
                self._own.pop(parameter.id, None)
        if self._own and not self.problem.is_dcp(dpp=True):
            raise ModelError(
                "a custom term multiplies a cp.Parameter of its own by something that changes with the data or with "
                "its weight, which CVXPY cannot re-solve (DPP); put the number into the weight, w * CustomCost(...)"
            )
        self.conic = not self.problem.is_qp()
        if self.conic and not self.problem.is_dcp():
            raise ModelError(f"the problem is not convex by CVXPY's rules: {self._culprit(state, costs)}")

    @property
    def groups(self) -> Collection[str]:
        """Names of the groups of parameters."""
        return self._parameters.keys()

    def numbers(self, state: State, only: Iterable[str] | None = None) -> dict[int, Array]:
        """
        Values of the parameters by id.

        Parameters
        ----------
        state : what decides them.
        only : names of the groups (terms, constraints) that changed; all by default.
        """
        if BOUNDS not in self._parameters and state.setting.forbidden.any():
            k, i = (int(j) for j in np.argwhere(state.setting.forbidden)[0])
            where = place(k, i, state.setting.grid.labels, state.setting.assets)
            raise ModelError(
                f"nothing can trade any more for {where} (closed, or no volume), which was open when declared; "
                "that needs a new ExecutionProblem"
            )
        wanted = set(self._parameters) if only is None else set(only)
        out: dict[int, Array] = {}
        for name, values in self._groups(state, wanted):
            if set(values) != set(self._parameters[name]):
                raise ModelError(f"{name}: the structure of its data changed; that needs a new ExecutionProblem")
            for key, parameter in self._parameters[name].items():
                value = np.asarray(values[key], dtype=float)
                if value.shape != parameter.shape:
                    raise ModelError(
                        f"{name}: its {key} has shape {value.shape}, declared was {parameter.shape}; "
                        "a change of shape needs a new ExecutionProblem"
                    )
                out[parameter.id] = value
        return out

    def complete(self, numbers: Mapping[int, Array]) -> dict[int, Array]:
        """Add the values that parameters of custom terms have now."""
        own = {}
        for key, parameter in self._own.items():
            if parameter.value is None:
                raise ModelError(f"the parameter {parameter.name()} of a custom term has no value")
            own[key] = np.asarray(parameter.value, dtype=float)
        return {**numbers, **own}

    def is_fixed(self, cost: Cost) -> bool:
        """Whether a cost's weight cannot be updated (it carries parameters of its own)."""
        ids = {p.id for p in self.problem.parameters()}
        group = self._parameters[cost.name]
        return bool(group) and "weight" in group and group["weight"].id not in ids

    def freed(self, rule: Constraint) -> dict[int, Array] | None:
        """Values by id with which a rule's rows say nothing; None when it has rows that are not bounds in data."""
        group = self._parameters[rule.name]
        if not self.rules[rule.name]:
            return {}
        if len(self.rules[rule.name]) != 2 or not {"lower", "upper"} <= set(group):
            return None
        return {
            group[side].id: np.full(group[side].shape, end) for side, end in (("lower", -np.inf), ("upper", np.inf))
        }

    def synchronise(self, numbers: Mapping[int, Array]) -> cp.Problem:
        """Write values into the CVXPY parameters, for those who look underneath."""
        for group in self._parameters.values():
            for parameter in group.values():
                parameter.value = numbers[parameter.id]
        return self.problem

    def _groups(self, state: State, wanted: set[str]) -> Iterable[tuple[str, dict[str, Array]]]:
        if PATHS in wanted:
            yield PATHS, self.paths.numbers(state.setting)
        if BOUNDS in self._parameters and BOUNDS in wanted:
            yield BOUNDS, dict(zip(("lower", "upper"), state.bounds, strict=True))
        if CURVATURE in self._parameters and CURVATURE in wanted:
            yield CURVATURE, _root(state.curvature)
        for term in state.terms:
            if term.cost.name in wanted:
                yield term.cost.name, term.cost.parameters(state.setting, term.factor)
        for constraint in state.constraints:
            if constraint.name in wanted:
                yield constraint.name, constraint.parameters(state.setting)

    def _declare(self, name: str, values: dict[str, Array]) -> dict[str, cp.Parameter]:
        group = {}
        for key, value in values.items():
            group[key] = cp.Parameter(np.shape(value), name=f"{name} {key}")
            group[key].value = np.asarray(value, dtype=float)
        self._parameters[name] = group
        return group

    def _culprit(self, state: State, costs: list[cp.Expression | None]) -> str:
        """Name the first term or rule that CVXPY cannot follow."""
        for term, cost in zip(state.terms, costs[1:], strict=True):
            if cost is not None and not cost.is_convex():
                return f"the cost {term.cost.name} is {cost.curvature.lower()} (a parameter of a cost has no sign)"
        wrong = [c for c in self.problem.constraints if not c.is_dcp()]
        return f"the constraint {self.owners.get(wrong[0].id, str(wrong[0]))}" if wrong else "the sum of its costs"

    def _trade_curvature(self, state: State) -> cp.Expression | None:
        if state.curvature is None:
            return None
        return trade_squares(self.paths, self._declare(CURVATURE, _root(state.curvature))["root"])

    def _cost(self, term: Term, state: State) -> cp.Expression | None:
        data = self._declare(term.cost.name, term.cost.parameters(state.setting, term.factor))
        return term.cost.expression(self.paths, data)

    def _trade_bounds(self, state: State) -> list[cp.Constraint]:
        """One pair of rows per trade, there from the start if volumes may vanish."""
        setting = state.setting
        bounded = any(c.trade_bounds(setting) is not None for c in state.constraints)
        if not bounded and not setting.forbidden.any() and not setting.market.has_volume and not setting.elapsed:
            return []
        data = self._declare(BOUNDS, dict(zip(("lower", "upper"), state.bounds, strict=True)))
        return [self.paths.trades >= data["lower"], self.paths.trades <= data["upper"]]


def _root(curvature: Curvature | None) -> dict[str, Array]:
    if curvature is None:
        raise ModelError("the trade curvature vanished; that needs a new ExecutionProblem")
    root = curvature.root()
    return {"root": root.reshape(len(root), -1)}

"""One order in several markets: the problem in each, and the rules that hold in all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import cvxpy as cp
import numpy as np
import pandas as pd

from acopt.constraints.trading import TradeSize
from acopt.constraints.under_market import Unpriced
from acopt.errors import DataError, ModelError
from acopt.market.labels import Array, is_one_of, short
from acopt.market.market import Market
from acopt.model.algebra import Constraint, Objective
from acopt.model.paths import Paths
from acopt.model.problem import ExecutionProblem
from acopt.model.scenarios import fitting, fronted
from acopt.model.schedule import Schedule
from acopt.model.setting import Setting

BASE = "base"
CLOSED_SOMEWHERE = "closed in a scenario"
Rules = Literal["all", "own"]


@dataclass(frozen=True)
class Sweep:
    """
    A problem in several markets.

    Attributes
    ----------
    problem : in its own market, every risk weighted.
    markets : by name, the problem's own among them.
    own : the problem in each market, with the rules as they read there.
    rules : "all": every plan keeps the rules as they read in every scenario; "own": as in its own.
    """

    problem: ExecutionProblem
    markets: dict[str, Market]
    own: dict[str, ExecutionProblem]
    rules: Rules

    @property
    def _settings(self) -> list[Setting]:
        return [each.setting for each in self.own.values()]

    @cached_property
    def varying(self) -> tuple[str, ...]:
        """Names of the rules that do not read the same in every market."""
        return tuple(rule.name for rule in self.problem.constraints if _varies(rule, self._settings))

    @cached_property
    def constraints(self) -> tuple[Constraint, ...]:
        """Return the rules of all markets, each once where it reads the same."""
        if self.rules == "own":
            return self.problem.constraints
        out = list[Constraint]()
        for rule in self.problem.constraints:
            if rule.name in self.varying:
                out += [Unpriced(rule, market, name=f"{rule.name} ({s})") for s, market in self.markets.items()]
            else:
                out.append(rule)
        return (*out, *self._closed())

    def _closed(self) -> list[Constraint]:
        """No trade where one of the markets has no volume."""
        here = self.problem.setting
        closed = np.logical_or.reduce([each.forbidden for each in self._settings])
        if not (closed & ~here.forbidden).any():
            return []
        bound = pd.DataFrame(np.where(closed, 0.0, np.inf), here.grid.labels, here.assets)
        return [TradeSize(-bound, bound, name=CLOSED_SOMEWHERE)]

    def plans(self) -> dict[str, Schedule]:
        """Return the optimal plan of every market."""
        problems = self.own
        if self.constraints != self.problem.constraints:
            with fronted("all scenarios together (rules='own' takes those of one market for each plan)"):
                together = restated(self.problem, self.problem.objective, self.constraints)
            problems = {name: together.copy().update(market=market) for name, market in self.markets.items()}
        out = {}
        for name, each in problems.items():
            with fronted(f"scenario {name!r}"):
                out[name] = each.solve()
            out[name].name = name
        return out


def sweep(problem: ExecutionProblem, scenarios: Any, rules: Any, dial: Mapping[str, Any]) -> Sweep:
    """
    Put a problem into its own market and into others.

    Raises
    ------
    DataError
        No scenario, a name that is taken, a market that does not fit; a word for `rules` that is none.
    ModelError
        A risk without a weight, and no dial.
    InfeasibleError
        The rules cannot be kept in one of the markets; names it.
    """
    if not isinstance(problem, ExecutionProblem):
        raise DataError(f"scenarios of {type(problem).__name__}: an ExecutionProblem is expected")
    if not is_one_of(rules, ("all", "own")):
        raise DataError(f"rules={rules!r}: 'all' or 'own' is expected")
    if not isinstance(scenarios, Mapping) or not scenarios:
        raise DataError(
            f"scenarios: {short(scenarios)} was given; a mapping of names to at least one Market is expected"
        )
    weighted = _weighted(problem, dial)
    own, markets = {}, _named(problem, scenarios)
    for name, market in markets.items():
        with fronted(f"scenario {name!r}"):
            own[name] = weighted.copy().update(market=fitting(weighted.setting, market))
    return Sweep(weighted, markets, own, rules)


def restated(problem: ExecutionProblem, objective: Objective, rules: tuple[Constraint, ...]) -> ExecutionProblem:
    """Return the order in its market with another objective and other rules, its history as it is."""
    return ExecutionProblem(problem.order, problem.market, objective, rules, executed=problem.setting.past)


def without_price(rule: Constraint, market: Market) -> Constraint:
    """Return a rule whose price, if it has one, stands in the objective."""
    return rule if rule.penalty() is None else Unpriced(rule, market, name=rule.name)


def _named(problem: ExecutionProblem, scenarios: Mapping[Any, Any]) -> dict[str, Market]:
    """Return the markets by name, the problem's own first, as "base" unless it is named."""
    names = [str(name) for name in scenarios]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"scenarios: two are called {twice!r}")
    markets = dict(zip(names, scenarios.values(), strict=True))
    if any(market is problem.market for market in markets.values()):
        return markets
    if BASE in markets:
        raise DataError(
            f"scenarios: {BASE!r} is what the problem's own market is called; give another name, or leave it out"
        )
    return {BASE: problem.market, **markets}


def _weighted(problem: ExecutionProblem, dial: Mapping[str, Any]) -> ExecutionProblem:
    """Return the problem with a weight for every risk: its own, or what the dial finds in its own market."""
    if dial:
        return problem.solve_for(**dial).problem
    for term in problem.objective.terms:
        if term.cost.kind == "risk" and term.weight is None:
            raise ModelError(
                f"{term.cost.name} has no weight: multiply it by a risk aversion, or give a dial, such as "
                "risk_price=0.3; what it finds in the problem's own market holds in all scenarios"
            )
    return problem.copy()


def _varies(rule: Constraint, settings: list[Setting]) -> bool:
    """Whether a rule reads differently in some of the markets."""
    if any(not _same(_numbers(rule, settings[0]), _numbers(rule, each)) for each in settings[1:]):
        return True
    path = Paths(settings[0])
    data = {key: cp.Parameter(np.shape(value)) for key, value in rule.parameters(settings[0]).items()}
    rule.expressions(path, data)
    return "per_volume" in path.data


def _numbers(rule: Constraint, setting: Setting) -> list[Array]:
    bounds = rule.trade_bounds(setting)
    return [*(() if bounds is None else bounds), *rule.parameters(setting).values()]


def _same(one: list[Array], other: list[Array]) -> bool:
    return len(one) == len(other) and all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))

"""The question: an order in a market, an objective, constraints; solved, re-solved, evaluated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import cvxpy as cp
import numpy as np
import pandas as pd

from acopt.errors import DataError, ModelError
from acopt.market.labels import Array, is_one_of, label_list, place, short
from acopt.market.market import Market
from acopt.market.order import Order
from acopt.model.algebra import Constraint, Cost, Objective, check_weight
from acopt.model.changes import changed, reordered, replaced, reweighted, same_shape, well_typed
from acopt.model.cross_check import cross_checked
from acopt.model.declaration import BOUNDS, Declaration, State
from acopt.model.dials import solve_for, with_weight
from acopt.model.feasibility import check_capacity, diagnosable, diagnosed, trade_bounds
from acopt.model.paths import Trajectory
from acopt.model.schedule import Pricing, Schedule
from acopt.model.setting import Setting
from acopt.model.solution import Solver
from acopt.model.statement import check_distinct, check_history, past_of, rejudged, state_of, well_posed, with_penalty

if TYPE_CHECKING:
    from acopt.insight.diagnosis import Diagnosis
    from acopt.sweeps.frontier import Frontier

SOLVERS = ("auto", "OSQP", "CLARABEL", "PIQP", "HIGHS")


class ExecutionProblem:
    """
    An execution problem: minimise a sum of costs over the schedules that obey all constraints.

    Parameters
    ----------
    order : what to trade.
    market : what is known; it may hold more assets than the order.
    objective : a cost, or a sum of weighted costs.
    constraints : rules; completion is implied unless `AllowUnfilled` is among them.
    executed : (p, n) shares, buys +, sells -, traded in the first p < N intervals, which are history; see
        `with_history`.

    Raises
    ------
    DataError
        Data that cannot be used; names the object, the label and the value.
    ModelError
        Not a convex problem, or something only the user can state is missing.
    InfeasibleError
        The data alone show that no schedule obeys the constraints.
    """

    def __init__(
        self,
        order: Order,
        market: Market,
        objective: Cost | Objective,
        constraints: Sequence[Constraint] = (),
        *,
        executed: Array | None = None,
    ) -> None:
        rules = well_posed(order, market, objective, constraints)
        terms = objective._terms()
        for rule in rules:
            penalty = rule.penalty()
            terms = with_penalty(terms, () if penalty is None else penalty.terms)
        if not terms:
            raise ModelError("ExecutionProblem objective: it has no cost; one such as TemporaryImpact() is expected")
        check_distinct([t.cost.name for t in terms] + [c.name for c in rules])
        self._state = state_of(order, market, terms, rules, executed)
        check_history(self._state.setting)
        self._numbers = self.declaration.numbers(self._state)

    def __getstate__(self) -> dict[str, Any]:
        # CVXPY's ids belong to one process: what is loaded is declared anew when it is first needed.
        return {"_state": self._state}

    @cached_property
    def _solver(self) -> Solver:
        return Solver(Declaration(self._state))

    @cached_property
    def _numbers(self) -> Mapping[int, Array]:
        return self.declaration.numbers(self._state)

    def copy(self) -> ExecutionProblem:
        """Return a problem with the same data, to be updated on its own; the compiled program is shared."""
        return self._with(self._state, self._numbers)

    def _with(self, state: State, numbers: Mapping[int, Array]) -> ExecutionProblem:
        out = object.__new__(type(self))
        out._state, out._numbers, out._solver = state, dict(numbers), self._solver
        return out

    @property
    def order(self) -> Order:
        """What is to be traded."""
        return self._state.setting.order

    @property
    def market(self) -> Market:
        """Return what is known, for the order's assets."""
        return self._state.setting.market

    @property
    def objective(self) -> Objective:
        """Return the weighted sum of costs, those included that come with a constraint."""
        return Objective(self._state.terms)

    @property
    def constraints(self) -> tuple[Constraint, ...]:
        """Return the rules."""
        return self._state.constraints

    @property
    def setting(self) -> Setting:
        """Order and market, aligned."""
        return self._state.setting

    @property
    def declaration(self) -> Declaration:
        """Return what was declared: the CVXPY problem, its paths, its parameters by term."""
        return self._solver.declaration

    @property
    def cvxpy_problem(self) -> cp.Problem:
        """Return the declared CVXPY problem, its parameters at their present values."""
        return self._solver.declaration.synchronise(self._numbers)

    def solve(
        self,
        *,
        solver: str = "auto",
        tolerance: float = 1e-6,
        fallback: Sequence[str] = ("CLARABEL",),
        cross_check: bool = False,
    ) -> Schedule:
        """
        Return the optimal schedule with its certificate.

        Parameters
        ----------
        solver : "auto", or one of OSQP, CLARABEL, PIQP, HIGHS, which is then used or raises.
        tolerance : relative duality gap that is accepted; what is returned is usually exact to rounding.
        fallback : solvers tried in turn when "auto" fails, each recorded in the certificate.
        cross_check : solve again by another algorithm, and note the difference in the certificate.

        Raises
        ------
        ModelError
            A risk term has no weight: multiply it by a risk aversion, or use `solve_for`.
        InfeasibleError, UnboundedError
            No schedule obeys the constraints, or the objective falls without end.
        SolverError
            No solver met the accuracy contract; lists what was tried. Or a cross-check disagrees.
        """
        for term in self._state.terms:
            if term.cost.kind == "risk" and term.weight is None:
                raise ModelError(
                    f"{term.cost.name} has no weight: multiply it by a risk aversion (1e-6 * {term.cost!r}), "
                    "or use solve_for(risk_price=0.3)"
                )
        if not is_one_of(solver, SOLVERS):
            raise DataError(f"solver={solver!r}: accepted are {', '.join(SOLVERS)}")
        fallback = tuple(label_list(fallback, "fallback"))
        unknown = [name for name in fallback if not is_one_of(name, SOLVERS[1:])]
        if unknown:
            raise DataError(f"fallback={unknown[0]!r}: accepted are {', '.join(SOLVERS[1:])}")
        if isinstance(tolerance, bool) or not isinstance(tolerance, int | float) or not 0 < tolerance < 1:
            raise DataError(f"tolerance={tolerance!r}: a number between 0 and 1 is expected")
        if not isinstance(cross_check, bool):
            raise DataError(f"cross_check={short(cross_check)}: True or False is expected")
        plan = self._run(solver, tolerance, fallback)
        return cross_checked(plan, self._solver, self._state, self._numbers, tolerance) if cross_check else plan

    def solve_at(self, term: str, weight: float) -> Schedule:
        """Solve with another weight of one risk term, warm; the problem's own weights stay as they are."""
        risks = [t.cost.name for t in self._state.terms if t.cost.kind == "risk"]
        if not is_one_of(term, risks):
            raise ModelError(
                f"solve_at: {term!r} is not a risk term of this problem; there are: {', '.join(risks) or 'none'}"
            )
        state = replace(self._state, terms=with_weight(self._state.terms, term, check_weight(weight, term)))
        numbers = self._solver.declaration.numbers(state, [term])
        return self._with(state, {**self._numbers, **numbers})._run("auto", 1e-6, ("CLARABEL",))

    def _run(self, solver: str, tolerance: float, fallback: tuple[str, ...]) -> Schedule:
        state = self._state
        unseen = [term.cost.name for term in state.terms if term.cost.unseen]
        if unseen:
            raise ModelError(
                f"{unseen[0]} states neither expression nor curvature, so a convex program cannot see it; "
                "ac.dynamic_program(problem, lot) can, if it has by_stage"
            )
        with diagnosable(state.setting, state.terms, state.constraints):
            plan = self._solver.solve(state, self._numbers, solver, tolerance, fallback)
        plan.problem = self.copy()
        return plan

    def solve_for(self, *, term: str | None = None, **dial: float | str) -> Schedule:
        """
        Find the weight of the one unweighted risk term that meets a target, and solve.

        Parameters
        ----------
        term : name of the risk term to turn, when there are several.
        dial : exactly one of `risk_price` (minimise E + z Std), `risk_bps`, `cost_bps`, `half_life`,
            `finish` (times), `pov` (a fraction).

        Raises
        ------
        ModelError
            No dial or several, no risk term to turn, or a target out of reach (says the reachable range).
        """
        return solve_for(self, term, dial)

    def update(
        self,
        *,
        order: Order | None = None,
        market: Market | None = None,
        weights: Mapping[str, float] | None = None,
        constraints: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> ExecutionProblem:
        """
        Replace data in place, all or nothing; the next `solve` starts from the compiled, warm problem.

        Parameters
        ----------
        order, market : same assets and number of intervals; signs may flip, volumes may become zero.
        weights : new weights by cost name.
        constraints : new fields by constraint name, `{"Participation": {"maximum": 0.12}}`.

        Raises
        ------
        ModelError
            An unknown name, a change of shape, or a weight that is fixed; nothing has changed then.
        """
        old = self._state
        well_typed(order, market, weights, constraints)
        rules = changed(old.constraints, constraints or {})
        fresh = [t for c in rules if c.name in (constraints or {}) and (p := c.penalty()) for t in p.terms]
        terms = reweighted(replaced(old.terms, fresh), weights or {}, self._solver.declaration)
        if order is None and market is None:
            touched = {*(weights or {}), *(constraints or {}), *(t.cost.name for t in fresh)}
            past = old.setting.past
            state = state_of(self.order, self.market, terms, rules, past) if constraints else replace(old, terms=terms)
            touched |= {BOUNDS} if constraints else set()
            state, again = rejudged(state, touched)
            touched |= again
            only: set[str] | None = touched
        else:
            new_order = self.order if order is None else order
            new_market = self.market if market is None else market
            same_shape(old, new_order, new_market)
            state = state_of(reordered(new_order, old.setting), new_market, terms, rules, old.setting.past)
            only = None
        moved = state.setting.one_sided != old.setting.one_sided
        if moved.any():
            k, i = (int(j) for j in np.argwhere(moved)[0])
            raise ModelError(
                f"update: trades are one-sided in other cells than declared, first for "
                f"{place(k, i, state.setting.grid.labels, state.setting.assets)} (Monotone's assets= or during=); that "
                "needs a new ExecutionProblem"
            )
        self._numbers = {**self._numbers, **self._solver.declaration.numbers(state, only)}
        self._state = state
        return self

    def with_history(
        self, executed: Array, *, order: Order | None = None, market: Market | None = None
    ) -> ExecutionProblem:
        """
        Return the problem in which the first p intervals are history, on the same compiled program.

        Their trades are pinned, their costs are counted, and no rule applies there; one-sided rules follow
        what is left.

        Parameters
        ----------
        executed : (p, n) shares, buys +, sells -, in the order's assets; p < N.
        order, market : replacements, as in `update`.
        """
        old = self._state
        new_order = self.order if order is None else order
        new_market = self.market if market is None else market
        same_shape(old, new_order, new_market)
        if order is None and market is None:
            setting = old.setting.after(past_of(executed, old.setting))
            bounds = trade_bounds(old.constraints, setting)
            with diagnosable(setting, old.terms, old.constraints):
                check_capacity(*bounds, old.constraints, setting)
            state = replace(old, setting=setting, bounds=bounds)
        else:
            state = state_of(reordered(new_order, old.setting), new_market, old.terms, old.constraints, executed)
        check_history(state.setting)
        declaration = self._solver.declaration
        if BOUNDS in declaration.groups:
            return self._with(state, {**self._numbers, **declaration.numbers(state)})
        return self._declared(state)

    def without(self, name: str) -> ExecutionProblem:
        """
        Return the problem without one of its constraints, and without the cost that comes with it.

        Where the rule is all in numbers, the compiled program is kept and its bounds are infinite.
        """
        old = self._state
        rules = tuple(c for c in old.constraints if not is_one_of(name, (c.name,)))
        if len(rules) == len(old.constraints):
            names = ", ".join(c.name for c in old.constraints) or "none"
            raise ModelError(f"without: no constraint is called {name!r}; there are: {names}")
        rule = next(c for c in old.constraints if c.name == name)
        penalty = rule.penalty()
        own = [] if penalty is None else [t.cost.name for t in penalty.terms]
        terms = tuple(t for t in old.terms if t.cost.name not in own)
        setting, declaration = old.setting, self._solver.declaration
        state = state_of(setting.order, setting.market, terms, rules, setting.past)
        freed = declaration.freed(rule)
        if own or freed is None or not np.array_equal(state.setting.one_sided, setting.one_sided):
            return self._declared(state)
        return self._with(state, {**self._numbers, **declaration.numbers(state, [BOUNDS]), **freed})

    def _declared(self, state: State) -> ExecutionProblem:
        declaration = Declaration(state)
        out = self._with(state, declaration.numbers(state))
        out._solver = Solver(declaration)
        return out

    def evaluate(self, trades: Schedule | pd.DataFrame | Array, *, name: str = "evaluated") -> Schedule:
        """
        Price given trades by this problem; the schedule lists the rules they break.

        Parameters
        ----------
        trades : shares, buys +, sells -: a Schedule, DataFrame interval x asset, or array (N, n).
        """
        if isinstance(trades, Schedule):
            trades = trades.trades
        values = self._state.setting.coefficient(trades, "trades")
        plan = Schedule(Trajectory(self._state.setting, values), self.pricing, name=name)
        plan.problem = self.copy()
        return plan

    @property
    def pricing(self) -> Pricing:
        """Return the terms and rules that price a schedule."""
        return Pricing(self._state.terms, self._state.constraints)

    def constraint_costs(self) -> pd.DataFrame:
        """What every rule costs, by leaving it out; see `acopt.insight.constraint_costs`."""
        from acopt.insight.constraint_costs import constraint_costs

        return constraint_costs(self)

    def diagnose(self) -> Diagnosis:
        """Say which rules conflict and what repairs that, or which cost lacks a counterweight; see `acopt.insight`."""
        return diagnosed(self._state.setting, self._state.terms, self._state.constraints)

    def to_toml(self) -> str:
        """Write the problem as the text of a problem file; see `acopt.spec.writer`."""
        from acopt.spec.writer import to_toml

        return to_toml(self)

    def content_hash(self) -> str:
        """Return one number for the data and the versions behind an answer; see `acopt.spec.audit`."""
        from acopt.spec.audit import content_hash

        return content_hash(self)

    def frontier(self, points: int = 25, *, term: str | None = None) -> Frontier:
        """Trace cost against risk; `term` names the risk when there are several. See `acopt.sweeps.frontier`."""
        from acopt.sweeps.frontier import trace

        return trace(self, points, term=term)

    def __repr__(self) -> str:
        n, m = self._state.setting.shape
        rules = ", ".join(c.name for c in self.constraints) or "none"
        return f"ExecutionProblem({m} asset{'s' if m != 1 else ''} x {n} intervals: {self.objective!r}; rules: {rules})"

"""Budgets: a cost, or a risk, that is kept below a limit instead of being weighed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Never, Self

import cvxpy as cp
import numpy as np

from acopt.constraints.position_bounds import money
from acopt.errors import DataError, InfeasibleError, ModelError, SolverError, UnboundedError
from acopt.market.clock import number
from acopt.market.labels import LARGEST, Array, called, short
from acopt.market.market import Bps
from acopt.model.algebra import Constraint, Cost, Objective, Parameters, Term, at_twap
from acopt.model.curvature import Curvature, collect
from acopt.model.paths import Paths, Trajectory, trade_squares
from acopt.model.problem import ExecutionProblem
from acopt.model.setting import Setting


@dataclass(frozen=True, repr=False)
class Budget(Constraint):
    """
    Limit on a cost: what `cost <= limit` returns.

    sum of weight times cost <= limit;  for one risk term alone, its standard deviation <= limit

    `ac.TimingRisk() <= ac.bps(20)`, `ac.TemporaryImpact() + ac.SpreadCost() <= 50_000`. Quadratic costs and risks
    make a cone of it: the program is conic and no QP any more, which its certificate says. A sum of linear costs
    (spread, alpha) leaves it a QP.

    Parameters
    ----------
    cost : a cost, or a weighted sum of costs. Beside other costs a risk, which is a variance, needs a weight:
        E + lambda Var is currency. Alone it must have none.
    limit : currency, or `ac.bps(number)`, of gross arrival notional.

    Raises
    ------
    DataError
        The limit is no finite number; that of a risk is not > 0.
    ModelError
        A risk without weight beside other costs, or with one alone; the sum is not convex; `assets=` or `during=`.
    InfeasibleError
        The limit is below what is fixed by the order (1/2 X' Gamma X), and below all that the sum can be.

    Notes
    -----
    All of the cost counts: what no schedule can change, and what history has cost already.
    """

    unit: ClassVar[str] = "currency"
    never_soft: ClassVar[str] = "add the cost to the objective with a weight: weight * cost"

    cost: Cost | Objective
    limit: float | Bps

    def __post_init__(self) -> None:
        if not isinstance(self.cost, Cost | Objective) or not self.cost._terms():
            raise ModelError(f"Budget cost={self.cost!r}: a cost or a sum of costs is expected")
        object.__setattr__(self, "name", called(self.name, f"{' + '.join(t.cost.name for t in self.terms)} budget"))
        super().__post_init__()
        object.__setattr__(self, "bound_to_grid", any(t.cost.bound_to_grid for t in self.terms))
        if self.assets is not None or self.during is not None:
            raise ModelError(f"{self.name}: assets= and during= have no meaning for a budget, which is on a whole cost")
        value = self.limit.value if isinstance(self.limit, Bps) else self.limit
        amount = number(value)
        if amount is None or not abs(amount) <= LARGEST or 0 < abs(amount) < 1 / LARGEST:
            raise DataError(
                f"{self.name}: the limit {short(value)} is not accepted; currency or ac.bps(number) is expected"
            )
        self._check_risks(amount)

    def _check_risks(self, limit: float) -> None:
        risks = [t for t in self.terms if t.cost.kind == "risk"]
        if self.deviates and limit <= 0:
            raise DataError(
                f"{self.name}: the limit {limit:g} of a standard deviation is not accepted; > 0 is expected"
            )
        if len(self.terms) == 1 and risks and not self.deviates:
            raise ModelError(
                f"{self.name}: a weight has no meaning for one risk alone; {risks[0].cost!r} <= limit bounds its "
                "standard deviation"
            )
        unweighted = [t.cost.name for t in risks if t.weight is None]
        if unweighted and not self.deviates:
            raise ModelError(
                f"{self.name}: {unweighted[0]} is a variance, which cannot be added to currency; multiply it by a risk "
                "aversion, or give it a budget of its own"
            )

    def __bool__(self) -> Never:
        raise ModelError(f"{self!r} is a rule and neither true nor false; `a <= cost <= b` is not a rule")

    @property
    def terms(self) -> tuple[Term, ...]:
        """Costs and weights."""
        return self.cost._terms()

    @property
    def deviates(self) -> bool:
        """Whether it is about one risk, and so about a standard deviation."""
        return len(self.terms) == 1 and self.terms[0].cost.kind == "risk" and self.terms[0].weight is None

    def amount(self, setting: Setting) -> float:
        """Limit in currency."""
        return 1e-4 * float(np.asarray(self.limit.value)) * setting.gross if isinstance(self.limit, Bps) else self.limit

    def value(self, path: Trajectory) -> float:
        """What is limited, currency."""
        total = self._sum(lambda cost: float(np.sum(cost.values(path))))
        return float(np.sqrt(max(total, 0.0))) if self.deviates else total

    def parameters(self, setting: Setting) -> dict[str, Array]:
        """Numbers of every cost, of the curvature of their sum, and the limit, all in a unit that makes it one."""
        unit = self.size(setting)
        out = {"limit": np.asarray(self.amount(setting) / unit)}
        terms = self._in(unit)
        curvature = None if self.deviates else self._curvature(terms, setting)
        if curvature is not None:
            root = curvature.root()
            out["root"] = root.reshape(len(root), -1)
        setting = setting.but(lent=None if curvature is None else curvature.lent)
        for j, term in enumerate(terms):
            own = term.cost.parameters(setting, term.factor)
            out |= {f"{j} {key}": value for key, value in own.items()}
        return out

    def expressions(self, path: Paths, data: Parameters) -> list[cp.Constraint]:
        """Return the sum of the costs, or the deviation, up to the limit."""
        groups = [
            {key.removeprefix(f"{j} "): value for key, value in data.items() if key.startswith(f"{j} ")}
            for j in range(len(self.terms))
        ]
        if self.deviates:
            return [self.terms[0].cost.deviation(path, groups[0]) <= data["limit"]]
        parts = [t.cost.expression(path, own) for t, own in zip(self.terms, groups, strict=True)]
        if "root" in data:
            parts.append(trade_squares(path, data["root"]))
        total = sum((part for part in parts if part is not None), cp.Constant(0.0))
        known = {p.id for p in (*data.values(), *path.data.values())}
        own = [p.name() for p in total.parameters() if p.id not in known]
        if own:
            raise ModelError(
                f"{self.name}: {own[0]} is a cp.Parameter of a custom cost, which cannot follow a budget's unit; "
                "write CustomConstraint(lambda p: cost(p) <= limit)"
            )
        return [total <= data["limit"]]

    def violation(self, path: Trajectory) -> Array:
        """Currency beyond the limit."""
        return np.asarray(max(self.value(path) - self.amount(path.setting), 0.0))

    def widening(self, setting: Setting) -> tuple[str, Array]:
        """One unit of currency, in the unit of the row."""
        return "currency", np.asarray(1.0 / self.size(setting))

    def check(self, setting: Setting) -> None:
        """Demand that what is fixed by the order leaves room, unless the rest can earn that."""
        if self.deviates or setting.past is not None or not setting.complete or self._room(setting) > 0:
            return
        try:
            least = ExecutionProblem(setting.order, setting.market, Objective(self.terms)).solve().objective
        except (ModelError, UnboundedError, SolverError):
            # A cost that means nothing on its own, or earns without end: the whole problem will tell.
            return
        amount = self.amount(setting)
        if least > amount:
            fixed = amount - self._room(setting)
            aside = f", of which {money(fixed)} is fixed by the order" if fixed else ""
            raise InfeasibleError(
                f"{self.name}: the limit is {money(amount)}, and whatever the other rules, the least it can be is "
                f"{money(least)}{aside}; raise the limit above that, or trade less"
            )

    def size(self, setting: Setting) -> float:
        """Unit of the row, currency: the limit of a risk; else what TWAP would pay, or the room if that is larger."""
        if self.deviates:
            return self.amount(setting) or 1.0
        flat = partial(self._sum, lambda cost: abs(at_twap(cost, setting) - cost.constant(setting)))
        return max(setting.once(self, "size", flat), abs(self._room(setting))) or 1.0

    def changed(self, **changes: Any) -> Self:
        """Return a copy with another limit."""
        if "cost" in changes:
            raise ModelError(f"{self.name}: another cost needs a new ExecutionProblem; `limit` can be updated")
        return super().changed(**changes)

    def __repr__(self) -> str:
        limit = str(self.limit) if isinstance(self.limit, Bps) else f"{self.limit:,.12g}"
        return f"{self.cost!r} <= {limit}"

    def _room(self, setting: Setting) -> float:
        """What of the limit is left for what schedules can change."""
        return self.amount(setting) - self._sum(lambda cost: cost.constant(setting))

    def _sum(self, of: Callable[[Cost], float]) -> float:
        return sum(t.factor * of(t.cost) for t in self.terms)

    def _in(self, unit: float) -> tuple[Term, ...]:
        """Terms in another unit of the sum; a deviation counts squared."""
        return tuple(Term(t.factor / (unit * unit if self.deviates else unit), t.cost) for t in self.terms)

    def _curvature(self, terms: tuple[Term, ...], setting: Setting) -> Curvature | None:
        try:
            return collect(terms, setting)[0]
        except ModelError as error:
            raise ModelError(f"{self.name}: {error}") from error

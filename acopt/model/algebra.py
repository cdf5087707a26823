"""The algebra: costs add up to an objective, constraints go beside it; the bases that every term extends."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Never, Self, TypeAlias

import cvxpy as cp
import numpy as np
import pandas as pd

from acopt.errors import DataError, ModelError
from acopt.market.clock import number
from acopt.market.labels import LARGEST, Array, called, label_list, short
from acopt.model.paths import Paths, Trajectory, last_moment, twap
from acopt.model.setting import Mask, Setting

if TYPE_CHECKING:
    from acopt.constraints.budget import Budget
    from acopt.market.market import Bps

Kind: TypeAlias = Literal["money", "risk", "penalty"]
Parameters: TypeAlias = Mapping[str, cp.Parameter]


class _Summable(ABC):
    """What can be added up, multiplied by a weight, and kept below a budget."""

    __array_ufunc__ = None
    """NumPy's numbers leave the operators to us."""

    @abstractmethod
    def _terms(self) -> tuple[Term, ...]: ...

    def __add__(self, other: Any) -> Objective:
        if isinstance(other, Constraint):
            raise ModelError(f"{other.name} is a rule and no cost: put it into the problem's list of constraints")
        if not isinstance(other, _Summable):
            return NotImplemented
        return Objective(self._terms() + other._terms())

    def __radd__(self, other: Any) -> Objective:
        if isinstance(other, int | float) and other == 0:
            return Objective(self._terms())
        return NotImplemented

    def __mul__(self, weight: Any) -> Objective:
        if number(weight) is None:
            return NotImplemented
        factor = check_weight(weight, repr(self))
        return Objective(tuple(Term(factor * t.factor, t.cost) for t in self._terms()))

    __rmul__ = __mul__

    def __neg__(self) -> Objective:
        raise ModelError(f"{self!r} cannot be subtracted: costs are minimised, and a weight must be >= 0")

    def __sub__(self, other: Any) -> Objective:
        raise ModelError(f"{other!r} cannot be subtracted: costs are minimised, and a weight must be >= 0")

    def __truediv__(self, divisor: Any) -> Objective:
        if number(divisor) is None:
            return NotImplemented
        if divisor == 0:
            raise ModelError(f"{self!r} is divided by zero; a number > 0 is expected")
        return self * (1.0 / (number(divisor) or np.inf))

    def __le__(self, limit: float | Bps) -> Budget:
        from acopt.constraints.budget import Budget

        if isinstance(limit, _Summable):
            raise ModelError(
                f"{self!r} <= {limit!r}: two costs cannot be compared; a budget is a number: cost <= currency, or "
                "cost <= ac.bps(number)"
            )
        return Budget(self if isinstance(self, Cost) else Objective(self._terms()), limit)

    def __ge__(self, limit: Any) -> Never:
        raise ModelError(
            f"{self!r} >= {limit!r}: a cost can be kept below a limit and not above one, which is not convex; "
            "cost <= limit is a budget"
        )

    def __lt__(self, limit: Any) -> Never:
        raise ModelError(f"{self!r} < {limit!r}: a budget includes its limit; write cost <= limit")

    def __gt__(self, limit: Any) -> Never:
        self.__ge__(limit)


@dataclass(frozen=True)
class Term:
    """A cost and its weight; None says that nobody chose one (1 for money and penalties)."""

    weight: float | None
    cost: Cost

    @property
    def factor(self) -> float:
        """Weight in a sum; 1 where nobody chose one."""
        return 1.0 if self.weight is None else self.weight

    def __repr__(self) -> str:
        return repr(self.cost) if self.weight is None else f"{self.weight:g} * {self.cost!r}"


class Objective(_Summable):
    """A weighted sum of costs."""

    def __init__(self, terms: tuple[Term, ...]) -> None:
        self.terms = terms

    def _terms(self) -> tuple[Term, ...]:
        return self.terms

    def __repr__(self) -> str:
        return " + ".join(map(repr, self.terms)) or "0"


class Cost(_Summable):
    """
    Base of every cost: the formula in CVXPY (`expression`) and in NumPy (`values`), side by side.

    A subclass states `kind` ("money" in currency, "risk" as a variance, "penalty" for the rest). Data
    reach CVXPY through `parameters`, into which the weight is folded, so that the problem stays DPP.
    `bound_to_grid` says that `expression` holds times of the grid, so that another grid needs another
    problem; `tracks` that a risk is against a benchmark and not against arrival.
    """

    kind: Kind = "money"
    name: str = ""
    bound_to_grid: bool = False
    tracks: ClassVar[bool] = False

    def _terms(self) -> tuple[Term, ...]:
        return (Term(None, self),)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not cls.__dict__.get("name"):
            cls.name = cls.__name__

    def curvature(self, setting: Setting) -> Array | None:
        """
        Quadratic in single trades, C with cost sum_k u_k' C_k u_k: (N, n) diagonals, or (N, n, n).

        It is collected over all costs, so that a concave part is judged together with a convex one;
        what is returned here must not be part of `expression`. Infinite where trading is impossible.
        """
        return None

    def typical_curvature(self, setting: Setting) -> Array | None:
        """
        Curvature per single trade that `expression` adds to `curvature`, roughly: c (N, n) with cost c u^2.

        It only chooses natural units for the solver; a cost that is linear, or no cost of trades, has none.
        """
        return None

    def parameters(self, setting: Setting, weight: float) -> dict[str, Array]:
        """Numbers for `expression`, weight included (a squared factor takes its root)."""
        return {}

    def expression(self, path: Paths, data: Parameters) -> cp.Expression | None:
        """Weighted cost beyond `curvature`, or None when there is nothing beyond."""
        return None

    def deviation(self, path: Paths, data: Parameters) -> cp.Expression:
        """Root of the weighted variance, a norm, if it is a risk: what a budget keeps below its limit."""
        raise ModelError(f"{self.name} has no `deviation`: a risk that is to have a budget states the norm it is")

    def constant(self, setting: Setting) -> float:
        """Part of the unweighted value that no schedule can change."""
        return 0.0

    @property
    def unseen(self) -> bool:
        """Whether a convex program cannot see it: it states neither `expression` nor `curvature`."""
        stated = ((getattr(self, name), getattr(Cost, name)) for name in ("expression", "curvature"))
        return all(getattr(own, "__func__", None) is base for own, base in stated)

    def notes(self, setting: Setting) -> list[str]:
        """What is fragile about its data, in sentences: told with an answer, and where there is none."""
        return []

    def arrival_variance(self, path: Trajectory) -> float | None:
        """Variance of cost against arrival by this cost's own covariance, if it is a risk."""
        return None

    @abstractmethod
    def values(self, path: Trajectory) -> Array:
        """Unweighted cost by interval and asset (N, n), or a scalar array when it has no such parts."""

    def __repr__(self) -> str:
        kind = type(self).__name__
        return f"{kind}()" if self.name == kind else f"{kind}({self.name!r})"


@dataclass(frozen=True, kw_only=True)
class Constraint(ABC):
    """
    Base of every constraint.

    Parameters
    ----------
    name : how errors, updates and reports call it; the class name by default.
    assets : labels it applies to; all by default.
    during : half-open window (start, end) it applies in; all intervals by default.
    penalty_bps : price of breaking it, bps of the notional outside, per interval: the rule is soft. It is
        hard by default. In shares it may differ by asset.

    Raises
    ------
    ModelError
        `penalty_bps` for a rule that cannot be soft; says what to do instead.
    """

    never_soft: ClassVar[str] = "write the penalty as a cost, CustomCost(lambda p: ...), and add it to the objective"
    """What to do instead of `penalty_bps=`; empty for the rules that may be soft."""
    unit: ClassVar[str] = "shares"
    completes: ClassVar[bool] = False
    allows_unfilled: ClassVar[bool] = False
    bound_to_grid: ClassVar[bool] = False

    name: str = ""
    assets: Any = None
    during: Any = None
    penalty_bps: Any = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", called(self.name, type(self).__name__))
        if isinstance(self.assets, Iterator):
            raise DataError(f"{self.name} assets: {short(self.assets)} was given, a list of labels is expected")
        if self.soft and self.never_soft:
            raise ModelError(f"{self.name}: penalty_bps= makes no soft rule of it; {self.never_soft}")

    @property
    def soft(self) -> bool:
        """Whether it may be broken at a price: it states no bounds and no rows, and comes with a cost."""
        return self.penalty_bps is not None

    def where(self, setting: Setting) -> Mask:
        """Cells (N, n) it applies to."""
        return np.asarray(setting.window(self.during)[:, None] & self.covered(setting)[None, :])

    def covered(self, setting: Setting) -> Mask:
        """Assets (n,) it applies to."""
        if self.assets is None:
            return np.ones(len(setting.assets), dtype=bool)
        labels = label_list(self.assets, f"{self.name} assets")
        unknown = [label for label in labels if label not in setting.assets]
        if unknown:
            raise ModelError(
                f"{self.name}: assets= names {unknown[0]!r}, which is not in the order "
                f"({', '.join(map(str, setting.assets[:12]))})"
            )
        return np.asarray(setting.assets.isin(labels))

    def one_sided(self, setting: Setting) -> Mask | None:
        """Cells where it keeps trades in the order's direction."""
        return None

    def trade_bounds(self, setting: Setting) -> tuple[Array, Array] | None:
        """
        Bounds on trades (N, n) that it amounts to, if it is of that kind; infinite where it is silent.

        The tightest bounds over all constraints are declared once, as one pair of rows per trade.
        """
        return None

    def penalty(self) -> Objective | None:
        """Cost that comes with it."""
        return None

    def check(self, setting: Setting) -> None:
        """Raise when the data alone show that it cannot be kept."""

    def parameters(self, setting: Setting) -> dict[str, Array]:
        """Numbers for `expressions`."""
        return {}

    def expressions(self, path: Paths, data: Parameters) -> list[cp.Constraint]:
        """Return the constraint in CVXPY, beyond what `trade_bounds` says."""
        return []

    @abstractmethod
    def violation(self, path: Trajectory) -> Array:
        """By how much a path breaks it (any shape, zero where kept), in `unit`."""

    def row_labels(self, setting: Setting) -> pd.Index | None:
        """Labels of what is bounded in every interval (assets, factors, groups); None when it is one number."""
        return None

    def widening(self, setting: Setting) -> tuple[str, Array]:
        """
        Return the unit in which the rule is relaxed, and by how much one of it widens the bounds.

        The second value broadcasts against the bounds of `trade_bounds` (shares), or those of the rows.
        """
        return {"shares": "share"}.get(self.unit, self.unit), np.ones(())

    def changed(self, **changes: Any) -> Self:
        """Return a copy with other values."""
        known = {f.name for f in fields(self)}
        for key in changes:
            if key not in known or key == "name":
                raise ModelError(f"{self.name} has no {key!r} to update; it has: {', '.join(sorted(known - {'name'}))}")
        new = replace(self, **changes)
        if new.soft != self.soft:
            kinds = ("hard", "soft") if new.soft else ("soft", "hard")
            raise ModelError(
                f"{self.name}: penalty_bps={new.penalty_bps!r} makes a {kinds[1]} rule of a {kinds[0]} one; that needs "
                "a new ExecutionProblem"
            )
        return new


def at_twap(cost: Cost, setting: Setting) -> float:
    """Return the unweighted value of a cost if the order is traded at a constant rate."""
    return float(np.sum(cost.values(setting.once(setting, "twap", partial(twap, setting)))))


def at_last(cost: Cost, setting: Setting) -> float:
    """Return the unweighted value of a cost if the whole order waits for the last moment."""
    return float(np.sum(cost.values(setting.once(setting, "last moment", partial(last_moment, setting)))))


def check_weight(weight: float, what: str) -> float:
    """Return the weight, or raise when it is negative or not finite."""
    value = number(weight)
    if value is None or not 0 <= value <= LARGEST:
        shown = short(weight) if value is None else f"{value:g}"
        raise ModelError(f"the weight {shown} of {what} is not accepted: a finite number >= 0 is expected")
    return value

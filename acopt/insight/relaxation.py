"""Rules that give way: by how much, in which words, and the rule that takes their place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import ceil, floor, log10
from typing import Any

import cvxpy as cp
import numpy as np
import pandas as pd

from acopt.constraints.budget import Budget
from acopt.constraints.custom import CustomConstraint
from acopt.constraints.portfolio import CashBalance, HoldingBounds
from acopt.constraints.position_bounds import Neutral
from acopt.constraints.trading import AllowUnfilled, Monotone, NoTrade, Participation, TradeRate, TradeSize
from acopt.insight.words import count
from acopt.market.labels import Array, Data
from acopt.market.market import Bps
from acopt.model.algebra import Constraint, Objective, Parameters
from acopt.model.paths import PathAccess, Paths, Trajectory
from acopt.model.setting import Mask, Setting

DIGITS = 4
LEFT_OVER_BPS = 1000.0
"""Price of what a repair leaves unfilled, so that no more is left than must be."""
SIDES: dict[type[Constraint], tuple[tuple[str, float], tuple[str, float]]] = {
    Participation: (("maximum", 0.01), ("minimum", -0.01)),
    TradeSize: (("upper", 1.0), ("lower", -1.0)),
    TradeRate: (("upper", 1.0), ("lower", -1.0)),
    HoldingBounds: (("upper", 1.0), ("lower", -1.0)),
    CashBalance: (("upper", 1.0), ("lower", -1.0)),
}
"""Fields that are bounds, and what one unit of `widening` does to them."""


@dataclass(frozen=True)
class Relaxation:
    """
    How one rule gives way.

    Attributes
    ----------
    name : the rule.
    amount : by how much, in `unit`, rounded outward to four digits; infinite when no amount is enough.
    unit : the unit of the rule's `widening`; for completion, the currency left.
    text : the same in words: "maximum 0.1 -> 0.1389".
    size : how far the bound that moves most moves, as a fraction of the order (for completion: what is
        left over the gross notional). Among rules of one kind it decides which gives way in the joint repair.
    rules : what takes its place; empty where nothing can (a closed market, more than all of the volume).
    slack : the amount, for completion the shares left of each asset that must be finished.
    whole : the least by which this rule alone repairs the whole problem; None when by no amount it does.
    verdict : `text`, and whether it repairs everything or ends its conflict only.
    """

    name: str
    amount: float
    unit: str
    text: str
    size: float
    rules: tuple[Constraint, ...]
    slack: Array = field(repr=False, compare=False, default_factory=lambda: np.zeros(0))
    whole: Relaxation | None = field(repr=False, compare=False, default=None)
    verdict: str = field(repr=False, compare=False, default="")

    def judged(self, whole: Relaxation | None, everything: str) -> Relaxation:
        """Return the relaxation of a conflict with what the same rule does for the whole problem."""
        if whole is None:
            verdict = f"{self.text} ends this conflict; others remain"
        elif whole.text == self.text:
            verdict = f"{self.text} repairs {everything}"
        else:
            verdict = f"{self.text} ends this conflict; {_without_field(whole.text, self.text)} repairs {everything}"
        return replace(self, whole=whole, verdict=verdict)

    def __str__(self) -> str:
        return f"{self.name}: {self.text}"


@dataclass(frozen=True)
class Relaxed(Constraint):
    """
    Another rule, given way by so many units of its `widening`.

    lower - by w <= g(x) <= upper + by w

    Parameters
    ----------
    rule : the rule.
    by : >= 0, in the unit of the rule's `widening`.
    """

    rule: Constraint
    by: float

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "unit", self.rule.unit)
        object.__setattr__(self, "bound_to_grid", self.rule.bound_to_grid)

    def width(self, setting: Setting) -> Array:
        """Return by w."""
        return np.asarray(self.by * self.rule.widening(setting)[1])

    def trade_bounds(self, setting: Setting) -> tuple[Array, Array] | None:
        """Bounds of the rule, wider."""
        bounds, width = self.rule.trade_bounds(setting), self.width(setting)
        return None if bounds is None else (bounds[0] - width, bounds[1] + width)

    def penalty(self) -> Objective | None:
        """Cost of the rule."""
        return self.rule.penalty()

    def parameters(self, setting: Setting) -> dict[str, Array]:
        """Numbers of the rule, and the width."""
        return {**self.rule.parameters(setting), "width": self.width(setting)}

    def expressions(self, path: Paths, data: Parameters) -> list[cp.Constraint]:
        """Residuals of the rule, up to the width."""
        own = self.rule.expressions(path, {key: value for key, value in data.items() if key != "width"})
        return [wider for rule in own for wider in widened(rule, data["width"])]

    def violation(self, path: Trajectory) -> Array:
        """Violation of the rule beyond the width."""
        return np.asarray(np.maximum(self.rule.violation(path) - self.width(path.setting), 0.0))

    def row_labels(self, setting: Setting) -> pd.Index | None:
        """Labels of the rule."""
        return self.rule.row_labels(setting)


@dataclass(frozen=True)
class LeaveAtMost(Constraint):
    """
    What may be left of the order at the end.

    |x_Ni| <= shares_i

    Parameters
    ----------
    shares : by asset, or one number.
    """

    shares: Data

    def parameters(self, setting: Setting) -> dict[str, Array]:
        """Shares that may be left (n,)."""
        most = setting.per_asset(self.shares, f"{self.name} shares", sign="nonnegative", infinite=True)
        return {"most": np.where(self.covered(setting), most, np.inf)}

    def expressions(self, path: Paths, data: Parameters) -> list[cp.Constraint]:
        """|x_N| <= shares."""
        return [path.variable[-1] <= data["most"], path.variable[-1] >= -data["most"]]

    def violation(self, path: Trajectory) -> Array:
        """Shares left beyond that."""
        return np.asarray(np.maximum(np.abs(path.remaining[-1]) - self.parameters(path.setting)["most"], 0.0))


@dataclass(frozen=True)
class Widened:
    """A user's function of the paths whose constraints have given way by `by`."""

    function: Callable[[PathAccess], Any]
    by: float

    def __call__(self, path: PathAccess) -> list[cp.Constraint]:
        """Return what the function returns, wider."""
        own = self.function(path)
        own = list(own) if isinstance(own, list | tuple) else [own]
        return [wider for rule in own for wider in widened(rule, cp.Constant(self.by))]


def residual(rule: cp.Constraint) -> cp.Expression:
    """Return the expression that a CVXPY (in)equality demands to be (at most) zero."""
    if len(rule.args) == 2:
        return rule.args[0] - rule.args[1]
    return -rule.args[0] if isinstance(rule, cp.constraints.NonNeg) else rule.args[0]


def widened(rule: cp.Constraint, by: cp.Expression) -> list[cp.Constraint]:
    """Return a CVXPY (in)equality with its sides moved apart."""
    off = residual(rule)
    if isinstance(rule, cp.constraints.Zero | cp.constraints.Equality):
        return [off <= by, -off <= by]
    return [off <= by]


def outward(amounts: Array, digits: int = DIGITS, *, strictly: bool = False) -> Array:
    """Round up to so many significant digits; an amount within 1e-9 of such a number is that number."""
    return np.array([_rounded(float(a), digits, strictly) if a > 0 else 0.0 for a in amounts])


def _rounded(amount: float, digits: int, strictly: bool) -> float:
    place = floor(log10(amount)) - digits + 1
    steps = ceil(amount / 10.0**place * (1 + 1e-7 if strictly else 1 - 1e-9))
    return float(f"{steps}e{place}")


def outward_shares(least: Array, order: Array, *, strictly: bool = False) -> Array:
    """
    Round shares that are left up: to whole shares where the order is in whole shares, else to four digits.

    Never beyond the order, unless the least already is (floors that overfill it).
    """
    near = np.where(np.abs(least - np.round(least)) <= 1e-9 * least, np.round(least), np.ceil(least))
    whole = np.ceil(least * (1 + 1e-7)) if strictly else near
    up = np.where(in_whole_shares(order), whole, outward(least, strictly=strictly))
    return np.asarray(np.where(least <= order * (1 + 1e-9), np.minimum(up, order), up))


def in_whole_shares(order: Array) -> Mask:
    """Whether the order of an asset is a whole number of shares."""
    return np.asarray((order > 0) & (order == np.round(order)))


def farthest(rule: Constraint, setting: Setting) -> float:
    """Return by how much a rule can give way at most: nobody trades more than all of the volume."""
    if type(rule) is not Participation or rule.minimum is not None:
        return np.inf
    return 100.0 * (1.0 - float(setting.coefficient(rule.maximum, f"{rule.name} maximum", sign="nonnegative").max()))


def replacements(rule: Constraint, amount: float, setting: Setting) -> Iterator[tuple[str, Constraint]]:
    """Yield words and rules with the amount given way, simplest first; some may be impossible (`DataError`)."""
    if isinstance(rule, Neutral):
        yield _tolerance(rule, amount, setting)
        return
    if isinstance(rule, Budget):
        yield budget_raised(rule, amount, setting)
        return
    sides = next((sides for kind, sides in SIDES.items() if type(rule) is kind), ())
    stated = [(field, by * amount) for field, by in sides if getattr(rule, field) is not None]
    for chosen in [[side] for side in stated] + ([stated] if len(stated) > 1 else []):
        moved = {field: _moved(getattr(rule, field), by, field) for field, by in chosen}
        yield _words(rule, moved, chosen, amount, setting), rule.changed(**moved)
    if isinstance(rule, CustomConstraint):
        yield f"widen its sides by {number(amount)}", rule.changed(function=Widened(rule.function, amount))
    elif not isinstance(rule, Participation):
        yield _general_words(rule, amount, setting), Relaxed(name=rule.name, rule=rule, by=amount)


def budget_raised(rule: Budget, amount: float, setting: Setting) -> tuple[str, Budget]:
    """Raise a budget by an amount of currency; a limit in bps stays one."""
    old = rule.limit
    if isinstance(old, Bps):
        step = float(outward(np.array([1e4 * amount / setting.gross]))[0])
        wider = Bps(_told(float(np.asarray(old.value)) + step, 1.0))
        return f"limit {old} -> {wider}", rule.changed(limit=wider)
    new = _told(old + amount, 1.0)
    return f"limit {currency(old)} -> {currency(new)}", rule.changed(limit=new)


def leaving(rules: tuple[Constraint, ...], name: str, left: pd.Series) -> tuple[Constraint, ...]:
    """Return the rules that let this much of an order go, in place of the rule of completion of that name."""
    most = LeaveAtMost(name="LeaveAtMost", shares=left)
    rule = next((c for c in rules if c.name == name), None)
    if isinstance(rule, AllowUnfilled):
        return rule.changed(assets=None), most
    if any(isinstance(c, AllowUnfilled) for c in rules):
        return (most,)
    return AllowUnfilled(LEFT_OVER_BPS), most


def number(value: float) -> str:
    """Number in full: what is printed is what was verified."""
    return f"{value:,.12g}"


def currency(value: float) -> str:
    """Currency in thousands, millions or billions, in full."""
    for size, suffix in ((1e9, "bn"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:,.10g}{suffix}"
    return number(value)


def left_words(left: pd.Series, order: Array) -> str:
    """Say what is left, asset by asset, of what is to be traded."""
    shown = [
        f"all of {label}" if shares == whole else f"{number(shares)} {label}"
        for (label, shares), whole in zip(left.items(), order, strict=True)
        if shares > 0
    ]
    return f"leave {', '.join(shown[:5])}" + (f" and of {len(shown) - 5} more" if len(shown) > 5 else "")


def _without_field(text: str, other: str) -> str:
    """Leave out the name of the field when the other text already says it."""
    field, _, rest = text.partition(" ")
    return rest if " -> " in rest and ", " not in rest and other.startswith(f"{field} ") else text


def _moved(value: Any, by: float, field: str) -> Any:
    """Return a bound moved by so much: a number in ten digits, rounded in the same direction."""
    if isinstance(value, Mapping):
        value = pd.Series(dict(value), dtype=float)
    if np.isscalar(value):
        alone = _told(float(np.asarray(value)) + by, float(np.sign(by)))
        return max(alone, 0.0) if field == "minimum" else alone
    moved: Any = value + by if isinstance(value, pd.Series | pd.DataFrame) else np.asarray(value) + by
    if field != "minimum":
        return moved
    return moved.clip(lower=0.0) if isinstance(moved, pd.Series | pd.DataFrame) else np.maximum(moved, 0.0)


def _told(value: float, side: float) -> float:
    """Round to ten digits, upwards (side 1) or downwards (side -1), so that what is printed is what was verified."""
    near = float(f"{value:.10g}")
    if side * (near - value) >= -1e-14 * abs(value) or not np.isfinite(value):
        return near
    return float(f"{near + side * 10.0 ** (floor(log10(abs(value))) - 9):.10g}")


def _words(
    rule: Constraint, moved: Mapping[str, Any], chosen: list[tuple[str, float]], amount: float, setting: Setting
) -> str:
    if all(np.isscalar(getattr(rule, field)) for field, _ in chosen):
        show = currency if isinstance(rule, CashBalance) else number
        return ", ".join(f"{f} {show(float(getattr(rule, f)))} -> {show(float(moved[f]))}" for f, _ in chosen)
    unit = rule.widening(setting)[0]
    fields = " and ".join(field for field, _ in chosen)
    return f"widen {fields} by {_counted(amount, unit)}"


def _counted(amount: float, unit: str) -> str:
    if unit == "currency":
        return currency(amount)
    head, _, tail = unit.partition(" per ")
    return f"{number(amount)} {count(2 - (amount == 1), head).split(' ', 1)[1]}" + (f" per {tail}" if tail else "")


def _general_words(rule: Constraint, amount: float, setting: Setting) -> str:
    if isinstance(rule, Monotone):
        return f"let up to {number(amount)} shares trade against the order per interval"
    if isinstance(rule, NoTrade):
        return f"up to {number(amount)} shares per interval"
    return f"widen by {_counted(amount, rule.widening(setting)[0])}"


def _tolerance(rule: Neutral, amount: float, setting: Setting) -> tuple[str, Constraint]:
    """Raise a tolerance by an amount of currency; a fraction stays one as long as it is below 1."""
    gross, old = setting.gross, rule.tolerance

    def raised(value: float) -> float:
        new = value * gross + amount if value < 1 else value + amount
        return _told(new / gross if value < 1 and new < gross else new, 1.0)

    if isinstance(old, Mapping | pd.Series):
        new: Any = pd.Series({label: raised(float(value)) for label, value in old.items()})
        return f"widen tolerance by {currency(amount)}", rule.changed(tolerance=new)
    fresh = raised(float(old))

    def shown(value: float) -> str:
        return f"{number(value)} ({currency(float(f'{value * gross:.10g}'))})" if value < 1 else currency(value)

    return f"tolerance {shown(float(old))} -> {shown(fresh)}", rule.changed(tolerance=fresh)

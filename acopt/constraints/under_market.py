"""A rule as it reads in another market than the problem's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import cvxpy as cp
import numpy as np
import pandas as pd

from acopt.errors import DataError, ModelError
from acopt.market.labels import Array, called
from acopt.market.market import Market
from acopt.model.algebra import Constraint, Objective, Parameters
from acopt.model.paths import Paths, Trajectory
from acopt.model.scenarios import PathsUnder, bare, per_volume, ruled
from acopt.model.setting import BOUNDS, Mask, Setting


@dataclass(frozen=True)
class UnderMarket(Constraint):
    """
    A rule with the volumes of another market: a cap of 10% that holds even if the day is thin.

    Several of them, one for each market, bound a robust plan by the tightest.

    Parameters
    ----------
    rule : the rule; its own `assets=` and `during=` apply.
    market : on the problem's grid, with its arrival prices.

    Raises
    ------
    DataError
        No rule or no market, or one that does not fit the problem.
    ModelError
        The rule has a price (`penalty_bps=`, `AllowUnfilled`), which belongs into the objective.
    """

    rule: Constraint
    market: Market

    def __post_init__(self) -> None:
        for what, given, wanted in (("rule", self.rule, Constraint), ("market", self.market, Market)):
            if not isinstance(given, wanted):
                raise DataError(
                    f"UnderMarket {what}: {type(given).__name__} was given, a {wanted.__name__} is expected"
                )
        if isinstance(self.rule, UnderMarket):
            raise DataError(f"UnderMarket rule: {self.rule.name} is in another market already")
        if self.assets is not None or self.during is not None:
            raise DataError("UnderMarket: assets= and during= are for the rule inside")
        object.__setattr__(self, "name", called(self.name, f"{self.rule.name} in another market"))
        super().__post_init__()
        for trait in ("unit", "completes", "allows_unfilled", "bound_to_grid"):
            object.__setattr__(self, trait, getattr(self.rule, trait))

    def under(self, setting: Setting) -> Setting:
        """Return the order in the other market."""
        known = setting.once(self, "bare", lambda: bare(setting, self.market, (), self.name)[0])
        return setting.once(self, BOUNDS, lambda: ruled(known, setting))

    def where(self, setting: Setting) -> Mask:
        """Cells (N, n) that the rule applies to."""
        return self.rule.where(self.under(setting))

    def covered(self, setting: Setting) -> Mask:
        """Assets (n,) that the rule applies to."""
        return self.rule.covered(setting)

    def one_sided(self, setting: Setting) -> Mask | None:
        """Cells where the rule keeps trades in the order's direction."""
        return self.rule.one_sided(self.under(setting))

    def trade_bounds(self, setting: Setting) -> tuple[Array, Array] | None:
        """Bounds on trades (N, n), shares, with the other market's volumes."""
        return self.rule.trade_bounds(self.under(setting))

    def penalty(self) -> Objective | None:
        """None: a rule with a price is refused."""
        if self.rule.penalty() is not None:
            raise ModelError(
                f"{self.name}: {self.rule.name} has a price; put its cost into WorstCase(...), or use robust()"
            )
        return None

    def check(self, setting: Setting) -> None:
        """Raise when the data alone show that it cannot be kept."""
        self.rule.check(self.under(setting))

    def parameters(self, setting: Setting) -> dict[str, Array]:
        """Numbers of the rule in the other market."""
        own = self.under(setting)
        return {**self.rule.parameters(own), **per_volume(own)}

    def expressions(self, path: Paths, data: Parameters) -> list[cp.Constraint]:
        """Rows of the rule in the other market."""
        return self.rule.expressions(PathsUnder(path, data), data)

    def violation(self, path: Trajectory) -> Array:
        """By how much a path breaks the rule in the other market."""
        return np.asarray(self.rule.violation(Trajectory(self.under(path.setting), path.trades)))

    def row_labels(self, setting: Setting) -> pd.Index | None:
        """Labels of what is bounded in every interval."""
        return self.rule.row_labels(setting)

    def widening(self, setting: Setting) -> tuple[str, Array]:
        """Return the unit in which the rule is relaxed, and by how much one of it widens the bounds."""
        return self.rule.widening(self.under(setting))

    def changed(self, **changes: Any) -> Self:
        """Return a copy, the rule inside having other values."""
        own = {key: changes.pop(key) for key in ("rule", "market") if key in changes}
        out = super().changed(**own)
        return super(UnderMarket, out).changed(rule=out.rule.changed(**changes)) if changes else out


@dataclass(frozen=True)
class Unpriced(UnderMarket):
    """A rule in another market without its price, which stands in the objective already."""

    def penalty(self) -> None:
        """None."""

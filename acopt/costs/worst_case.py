"""The worst of several markets: what a robust plan makes as small as it can."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import cvxpy as cp
import numpy as np

from acopt.errors import DataError, ModelError
from acopt.market.clock import number
from acopt.market.labels import Array, called, short
from acopt.market.market import Market
from acopt.model.algebra import Cost, Kind, Objective, Parameters, Term
from acopt.model.curvature import Curvature
from acopt.model.paths import Paths, Trajectory, trade_squares, twap
from acopt.model.scenarios import PathsUnder, bare, per_volume, ruled
from acopt.model.setting import BOUNDS, Setting


class WorstCase(Cost):
    """
    The largest value of an objective over several markets.

    max_s f_s(u),  by t >= f_s(u) for every s; with `less`, max_s (f_s(u) - b_s)

    f_s is the objective with the volumes, covariance, spread and impact of market s. A quadratic f_s makes its row
    a cone, so that the program is conic and not a QP.

    Parameters
    ----------
    objective : f, a cost or a weighted sum of costs.
    markets : by name, on the problem's grid, with its arrival prices; the problem's own only if it is among them.
    less : b_s, currency by name: with the best value that each market allows, this is the largest regret.

    Raises
    ------
    DataError
        No market, or one that does not fit the problem; names it.
    ModelError
        A risk without a weight beside other costs; costs that are not convex in one of the markets; a custom cost
        with a `cp.Parameter` of its own.

    Notes
    -----
    It is money when all its costs are; one risk alone, without a weight, stays a risk; else it is a penalty, so that
    it never counts as expected cost. A custom cost reads the participation of each market.

    References
    ----------
    Ben-Tal, El Ghaoui & Nemirovski (2009), "Robust Optimization", for finitely many scenarios.
    """

    bound_to_grid = True

    def __init__(
        self,
        objective: Cost | Objective,
        markets: Mapping[str, Market],
        *,
        less: Mapping[str, float] | None = None,
        name: str | None = None,
    ) -> None:
        self.name = called(name, type(self).__name__)
        if not isinstance(objective, Cost | Objective):
            raise ModelError(
                f"{self.name} objective: {type(objective).__name__} was given; a cost or a sum of costs is expected"
            )
        if not isinstance(markets, Mapping) or not markets:
            raise DataError(f"{self.name} markets: a mapping of names to at least one Market is expected")
        self.terms, self.markets = objective._terms(), dict(markets)
        if not self.terms:
            raise ModelError(f"{self.name} objective: it has no cost")
        self.kind = _kind(self.terms, less is not None, self.name)
        self.less = self._less(less)

    def _less(self, less: Mapping[str, float] | None) -> dict[str, float]:
        if less is not None and not isinstance(less, Mapping):
            raise DataError(
                f"{self.name} less: {short(less)} was given; a mapping of its markets to amounts is expected"
            )
        found = {} if less is None else dict(less)
        if less is not None and set(found) != set(self.markets):
            wrong = next(iter(set(found) ^ set(self.markets)))
            raise DataError(
                f"{self.name} less: {wrong!r} is not in both; one amount for each of its markets is expected"
            )
        out = {}
        for name in self.markets:
            amount = number(found.get(name, 0.0))
            if amount is None or not np.isfinite(amount):
                raise DataError(
                    f"{self.name} less: {short(found[name])} for {name!r}; an amount of currency is expected"
                )
            out[str(name)] = amount
        return out

    def under(self, setting: Setting) -> list[tuple[Setting, Curvature | None]]:
        """Return the setting of every market, and the curvature of the costs in it."""
        known = setting.once(
            self,
            "bare",
            lambda: [
                bare(setting, market, self.terms, f"{self.name}, scenario {name!r}")
                for name, market in self.markets.items()
            ],
        )
        return setting.once(self, BOUNDS, lambda: [(ruled(own, setting), c) for own, c in known])

    def curvature(self, setting: Setting) -> Array | None:
        """Infinite where one of the markets cannot trade; the squares themselves are in `expression`."""
        closed = np.logical_or.reduce([own.forbidden for own, _ in self.under(setting)])
        return np.where(closed, np.inf, 0.0) if closed.any() else None

    def typical_curvature(self, setting: Setting) -> Array | None:
        """Mean over the markets."""
        found = []
        for own, curvature in self.under(setting):
            found += [] if curvature is None else [curvature.diagonal]
            each = [(t.factor, t.cost.typical_curvature(own)) for t in self.terms]
            found += [weight * c for weight, c in each if c is not None]
        return sum(found, np.zeros(setting.shape)) / len(self.markets) if found else None

    def parameters(self, setting: Setting, weight: float) -> dict[str, Array]:
        """Return the numbers of every cost in every market, all over one size, which t is measured in."""
        size = setting.once(self, "size", partial(self._size, setting))
        out = {"size": np.asarray(weight * size), "root of size": np.asarray(np.sqrt(weight * size))}
        for s, ((own, curvature), less) in enumerate(zip(self.under(setting), self.less.values(), strict=True)):
            found = {"less": np.asarray(less / size), **per_volume(own)}
            if curvature is not None:
                found["root"] = curvature.root().reshape(setting.shape[0], -1) / np.sqrt(size)
            if own.lent is not None:
                own = own.but(lent={key: c / size for key, c in own.lent.items()})
            for j, term in enumerate(self.terms):
                numbers = term.cost.parameters(own, term.factor / size)
                found.update({f"{j} {key}": value for key, value in numbers.items()})
            out.update({f"{s} {key}": value for key, value in found.items()})
        return out

    def _size(self, setting: Setting) -> float:
        """Largest over the markets of sum |path-dependent value| at TWAP, currency."""
        trades = twap(setting).trades
        sizes = []
        for own, _ in self.under(setting):
            path = Trajectory(own, trades)
            each = [t.factor * (float(np.sum(t.cost.values(path))) - t.cost.constant(own)) for t in self.terms]
            sizes.append(sum(map(abs, each)))
        return max(sizes) or 1.0

    def expression(self, path: Paths, data: Parameters) -> cp.Expression:
        """Return t, with t >= f_s - b_s for every market."""
        top = cp.Variable(name="worst case")
        known = {parameter.id for parameter in data.values()} | {p.id for p in path.data.values()}
        for s in range(len(self.markets)):
            value = self._value(path, _under(f"{s} ", data))
            own = [p for p in value.parameters() if p.id not in known | {p.id for p in path.data.values()}]
            if own:
                raise ModelError(
                    f"{self.name}: a custom cost holds the cp.Parameter {own[0].name()} of its own, which cannot be "
                    "priced in several markets; write the number, or leave the cost outside"
                )
            path.definitions.append(value - data[f"{s} less"] <= top)
        return data["size"] * top

    def deviation(self, path: Paths, data: Parameters) -> cp.Expression:
        """Return the largest standard deviation, of a risk alone."""
        top = cp.Variable(name="worst deviation")
        for s in range(len(self.markets)):
            own = _under(f"{s} ", data)
            path.definitions.append(self.terms[0].cost.deviation(PathsUnder(path, own), _under("0 ", own)) <= top)
        return data["root of size"] * top

    def _value(self, path: Paths, data: Parameters) -> cp.Expression:
        """f_s, over the size."""
        other = PathsUnder(path, data)
        value: cp.Expression = cp.Constant(0.0)
        if "root" in data:
            value = trade_squares(path, data["root"])
        for j, term in enumerate(self.terms):
            own = term.cost.expression(other, _under(f"{j} ", data))
            value = value if own is None else value + own
        return value

    def constant(self, setting: Setting) -> float:
        """Return what no schedule can change, the least over the markets."""
        found = zip(self.under(setting), self.less.values(), strict=True)
        return min(sum(t.factor * t.cost.constant(own) for t in self.terms) - less for (own, _), less in found)

    def by_market(self, path: Trajectory) -> dict[str, float]:
        """f_s - b_s of every market, by name."""
        out = {}
        for (name, less), (own, _) in zip(self.less.items(), self.under(path.setting), strict=True):
            under = Trajectory(own, path.trades)
            out[name] = sum(t.factor * float(np.sum(t.cost.values(under))) for t in self.terms) - less
        return out

    def values(self, path: Trajectory) -> Array:
        """Return the largest of `by_market`."""
        return np.asarray(max(self.by_market(path).values()))

    def __repr__(self) -> str:
        return f"WorstCase({Objective(self.terms)!r}; {', '.join(self.markets)})"


def _kind(terms: tuple[Term, ...], relative: bool, name: str) -> Kind:
    open_risks = [t.cost for t in terms if t.cost.kind == "risk" and t.weight is None]
    if open_risks and (len(terms) > 1 or relative):
        raise ModelError(
            f"{name}: {open_risks[0].name} has no weight beside other costs; multiply it by a risk aversion"
        )
    if open_risks:
        return "risk"
    return "money" if all(t.cost.kind == "money" for t in terms) and not relative else "penalty"


def _under(front: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers whose names begin with this, without it."""
    return {key.removeprefix(front): value for key, value in data.items() if key.startswith(front)}

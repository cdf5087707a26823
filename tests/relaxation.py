"""Prices by re-solving: the same problem in words that let every single bound be moved, and its optimum when one is."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

import acopt as ac

COMPLETION = "Complete"


@dataclass
class Slopes:
    """What one unit of giving way saves, from the right; what one unit of tightening costs; and their rounding."""

    relaxing: float
    tightening: float  # infinite where a tighter bound leaves no schedule
    noise: float
    limit: float  # the right slope: the mean of the two; without the second, extrapolated from two steps

    def admit(self, price):
        """v is convex in a bound: its slope at the bound lies between the two quotients."""
        return self.relaxing - self.noise <= price <= self.tightening + self.noise

    @property
    def tight(self):
        """Whether both agree to 1% beyond rounding (without the second: two steps do), so that the price is known."""
        far = self.tightening if np.isfinite(self.tightening) else self.limit
        return far - self.relaxing <= 0.01 * far and self.relaxing > 100 * self.noise


class Relaxation:
    """
    A solved problem declared again, with every rule as a pair of arrays of bounds, solved cold for every move.

    Rules on trades (one-sided ones too, so that |u| is declared as |u|) become `TradeSize` tables;
    `HoldingBounds` keeps its own; `DollarNeutral` becomes a custom rule with a limit for every interval.
    """

    def __init__(self, problem):
        self.setting, self._original = problem.setting, problem
        self._bounds = {}
        for rule in problem.constraints:
            if isinstance(rule, ac.DollarNeutral | ac.HoldingBounds):
                self._bounds[rule.name] = rule.bounds(self.setting)
            elif (own := rule.trade_bounds(self.setting)) is not None:
                self._bounds[rule.name] = own
        self.plan = self._solve(self._bounds)

    def _solve(self, bounds):
        rules = [self._declare(c, *bounds[c.name]) if c.name in bounds else c for c in self._original.constraints]
        penalties = {t.cost.name for c in rules if (p := c.penalty()) for t in p.terms}
        terms = [t for t in self._original.objective.terms if t.cost.name not in penalties]
        costs = sum(t.cost if t.weight is None else t.weight * t.cost for t in terms)
        return ac.ExecutionProblem(self._original.order, self._original.market, costs, rules).solve()

    def _declare(self, rule, low, high):
        if isinstance(rule, ac.DollarNeutral):
            prices = self.setting.market.prices
            net = lambda p: p.remaining[1:] @ prices  # noqa: E731
            return ac.CustomConstraint(lambda p: [net(p) >= low, net(p) <= high], name=rule.name)
        kind = ac.HoldingBounds if isinstance(rule, ac.HoldingBounds) else ac.TradeSize
        low, high = (pd.DataFrame(b, index=self.setting.grid.labels, columns=self.setting.assets) for b in (low, high))
        return kind(low, high, name=rule.name)

    def slopes(self, row, unit, step):
        """Move one bound both ways by `step` of its units; `unit` is how much one unit is in its array."""
        gains, gaps = [], [2 * self.plan.certificate.gap]
        for direction in (1.0, -1.0):
            try:
                plan = self._solve(self._moved(row, direction * step * unit))
            except (ac.InfeasibleError, ac.DataError):  # no schedule, or a lower bound above the upper one
                assert direction < 0, "giving way left no schedule"
                gains.append(np.inf)
                continue
            gains.append(direction * (self.plan.objective - plan.objective) / step)
            gaps.append(plan.certificate.gap + 1e-14 * plan.breakdown()["weighted"].abs().sum())
        noise = (sum(gaps) + 1e-12 * self.plan.certificate.gap_scale) / step
        limit = 0.5 * sum(gains)
        if not np.isfinite(limit):
            near = self._solve(self._moved(row, 0.1 * step * unit))
            closer = 10.0 * (self.plan.objective - near.objective) / step
            limit = closer + (closer - gains[0]) / 9.0
        return Slopes(*gains, noise, limit)

    def _moved(self, row, step):
        low, high = (np.array(b) for b in self._bounds[row.constraint])
        k = self.setting.grid.labels.get_loc(row.interval)
        cell = k if low.ndim == 1 else (k, self.setting.assets.get_loc(row.asset))
        if row.side == "upper":
            high[cell] += step
        else:
            low[cell] -= step
        return {**self._bounds, row.constraint: (low, high)}


def examined(problem, *, most=3, step=1e-4):
    """
    Compare prices with re-solved slopes: yield row, slopes, step.

    Of the first two rules of each kind: the `most` valuable bounds, one that is tied with another rule's, and
    one that is slack.
    """
    table = problem.solve().shadow_prices()
    relaxation, kinds = Relaxation(problem), []
    for name, rows in table[table["constraint"] != COMPLETION].groupby("constraint", sort=False):
        rule = next(c for c in problem.constraints if c.name == name)
        kinds.append(type(rule))
        if kinds.count(type(rule)) > 2:
            continue
        priced, tied, slack = rows["price"] > 0, rows["tied"] != "", rows["price"] == 0
        for row in pd.concat([rows[priced].head(most), rows[tied].head(1), rows[slack].tail(1)]).itertuples():
            unit, size = _unit_and_size(rule, row, problem.setting)
            if unit > 0 and size > 0:
                yield row, relaxation.slopes(row, unit, step * size / unit), step


def _unit_and_size(rule, row, setting):
    """Shares (currency) per unit of the rule, and the natural size of the bound in shares (currency)."""
    if isinstance(rule, ac.DollarNeutral):
        return 1.0, setting.gross
    k, i = setting.grid.labels.get_loc(row.interval), setting.assets.get_loc(row.asset)
    own = abs(float(setting.remaining[i]))
    return float(np.broadcast_to(rule.widening(setting)[1], setting.shape)[k, i]), own or setting.size

"""A desk's own cost and rules, which know nothing of acopt but `import acopt as ac`."""

from dataclasses import dataclass

import cvxpy as cp
import numpy as np

import acopt as ac


class BorrowFee(ac.Cost):
    """Fee for what is held short: sum_k tau_k f_i P_i max(-h_ki, 0), currency."""

    kind = "money"

    def __init__(self, rate, *, name=None):
        self.rate, self.name = rate, name or "BorrowFee"

    def fee(self, setting):
        return (
            setting.durations
            * setting.per_asset(self.rate, "BorrowFee rate", sign="nonnegative")
            * setting.market.prices
        )

    def parameters(self, setting, weight):
        return {"fee": weight * self.fee(setting)}

    def expression(self, path, data):
        return cp.sum(cp.neg(ac.scaled(data["fee"], path.holdings[1:])))

    def values(self, path):
        return self.fee(path.setting) * np.maximum(-path.holdings[1:], 0.0)


@dataclass(frozen=True)
class DeskCapacity(ac.Constraint):
    """The desk trades no more than this in an interval: sum_i P_i |u_ki| <= limit, currency."""

    unit = "currency"
    limit: float

    def parameters(self, setting):
        return {"price": setting.market.prices, "limit": np.where(setting.window(self.during), self.limit, np.inf)}

    def expressions(self, path, data):
        return [path.size @ data["price"] <= data["limit"]]

    def violation(self, path):
        limit = self.parameters(path.setting)["limit"]
        return np.maximum(np.abs(path.trades) @ path.setting.market.prices - limit, 0.0)


@dataclass(frozen=True)
class MaximumNotional(ac.TradeBounds):
    """No single trade above this: P_i |u_ki| <= limit, currency; its base brings assets=, during=, penalty_bps=."""

    limit: float

    def bounds(self, setting):
        shares = np.broadcast_to(self.limit / setting.market.prices, setting.shape)
        return -shares, shares


def trades_nothing_at_noon(p):
    """A rule as a function of the paths."""
    return p.at(0.5).trades == 0


def squared_participation(p):
    """A penalty as a function of the paths."""
    return cp.sum_squares(p.participation)

"""Code of one's own, as a problem file may name it; imported by tests, and by the files that they write."""

from dataclasses import dataclass

import cvxpy as cp
import numpy as np

import acopt as ac


def quiet(p):
    """A cost as a function."""
    return cp.sum_squares(p.trades)


def half_done(p):
    """A rule as a function."""
    return p.done("A") <= 1.0


def fading(time):
    """A kernel as a function."""
    return np.exp(-3.0 * time)


class Nested:
    """Holds a function."""

    @staticmethod
    def rule(p):
        """A rule as a function within a class."""
        return p.done("A") >= -10


class Fee(ac.Cost):
    """A cost: rate |u|, by interval and asset, with keywords of every kind."""

    kind = "money"

    def __init__(self, rate, *, words="a", steps=(1, 2), table=None, flag=True, extra=None, name=None):
        self.rate, self.words, self._steps, self.table, self.flag = rate, words, list(steps), table, flag
        self.extra = extra
        self.name = name or "Fee"

    def parameters(self, setting, weight):
        return {"rate": weight * setting.coefficient(self.rate, "rate")}

    def expression(self, path, data):
        return ac.dot(data["rate"], path.size)

    def values(self, path):
        return path.setting.coefficient(self.rate, "rate") * np.abs(path.trades)


class Plain(ac.Cost):
    """A cost that takes no name and nothing else."""

    kind = "money"

    def values(self, path):
        return np.abs(path.trades)

    def expression(self, path, data):
        return cp.sum(path.size)


class Forgetful(Plain):
    """A cost that does not keep what it is given."""

    def __init__(self, size):
        self.scaled = 2 * size


class Fussy(Plain):
    """A cost that cannot be made."""

    def __init__(self, size=0):
        if size:
            raise KeyError(size)
        self.size = size


class Optional(Plain):
    """A cost for which None is not the same as nothing."""

    def __init__(self, size=3):
        self.size = size


@dataclass(frozen=True)
class Cap(ac.TradeBounds):
    """A rule: |u| <= size, its common keywords inherited."""

    size: object = 1e9

    def bounds(self, setting):
        size = setting.coefficient(self.size, "size")
        return -size, size


class Law:
    """An impact model that extends nothing."""

    def __init__(self, eta):
        self.eta = eta

    def temporary(self, market):
        return np.broadcast_to(self.eta * market.prices / 20.0, market.volumes.shape).copy()

    def in_auction(self, market):
        return self.temporary(market)

    def permanent(self, market):
        return np.zeros((len(market.assets), len(market.assets)))

    def law(self, market, trades):
        return None


a_number = 3.0

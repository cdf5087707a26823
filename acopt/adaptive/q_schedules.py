"""How far a learner moves, and how often it tries something else, over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from acopt.adaptive.tasks import Whole
from acopt.errors import DataError
from acopt.market.clock import number
from acopt.market.labels import Array, short


@dataclass(frozen=True)
class LearningRate:
    """
    How far the n-th target of an entry moves it: start n^-exponent; the first target is taken whole.

    (1, 0) believes the last target, which is right where rewards are certain; (1, 1) is the mean of all of them.

    Parameters
    ----------
    start : in (0, 1].
    exponent : in [0, 1].

    References
    ----------
    Even-Dar & Mansour (2003), "Learning rates for Q-learning".
    """

    start: float = 1.0
    exponent: float = 0.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not _between(self.start, 0.0, 1.0) or self.start == 0:
            raise DataError(f"LearningRate start={short(self.start)}: a number above 0, up to 1, is expected")
        if not _between(self.exponent, 0.0, 1.0):
            raise DataError(f"LearningRate exponent={short(self.exponent)}: a number from 0 to 1 is expected")

    def at(self, updates: Array | Whole) -> Array:
        """Return the rate of the n-th update, n = 1, 2, ..."""
        return np.asarray(self.start * np.asarray(updates, dtype=float) ** -self.exponent)


@dataclass(frozen=True)
class Exploration:
    """
    How often an action is tried instead of the best one known: from `start` to `end`, linear in the episodes.

    A trial is either any action, or, for the part `near` of them, one beside the best one known: each component by at
    most one. Actions are in order here (a lot more, a lot less), and costs are mostly convex in them, so that what
    improves is usually near.

    Parameters
    ----------
    start, end, near : in [0, 1].
    """

    start: float = 1.0
    end: float = 0.1
    near: float = 0.8

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in ("start", "end", "near"):
            if not _between(getattr(self, name), 0.0, 1.0):
                raise DataError(f"Exploration {name}={short(getattr(self, name))}: a number from 0 to 1 is expected")

    def at(self, share: float) -> float:
        """Return the chance of a trial when this share of the episodes is over."""
        return self.start + (self.end - self.start) * share


def _between(value: Any, low: float, high: float) -> bool:
    found = number(value)
    return found is not None and low <= found <= high

"""What a policy cost on simulated days: path by path, in sum, and against another on the same days."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd

from acopt.errors import DataError, ModelError
from acopt.insight.words import count
from acopt.market.labels import Array, demand, is_one_of, numbers, short

Against: TypeAlias = Literal["arrival", "twap", "vwap", "close"]
Unit: TypeAlias = Literal["bps", "currency"]
AGAINST: tuple[Against, ...] = ("arrival", "twap", "vwap", "close")
UNITS = ("bps", "currency")


@dataclass(frozen=True)
class Paired:
    """
    Two policies on the same days.

    Attributes
    ----------
    difference : mean of the first's slippage minus the second's; below 0 the first is better.
    std_error : standard error of that mean, day by day; NaN for one day.
    better : share of the days on which the first costs less.
    """

    difference: float
    std_error: float
    better: float


@dataclass(frozen=True, eq=False)
class SimulationResult:
    """
    What a policy cost on simulated days, bad = positive.

    Attributes
    ----------
    policy : its name.
    n_paths, seed : number of days, and what they were drawn from.
    gross : gross arrival notional, currency, of which bps are.
    impact : money costs of the trades (paths,), currency.
    price_gains : by benchmark, sum_k dS_k' (x_k - b_k) (paths,), currency: what prices gave beyond the benchmark.
    moves : sum_k dS_k' x_0 (paths,), currency: what the day did to the whole order; with `traded` it tells days apart.
    traded : shares that the market traded (paths,), where volumes were drawn or recorded; else 0.
    average_trades : mean over days, interval x asset, shares, buys +.
    unavailable : why a benchmark has no price here, by name.
    charged : the money costs that were charged, weights included, in words.
    recorded : whether the days are recorded ones and not drawn.
    """

    policy: str
    n_paths: int
    seed: int
    gross: float
    impact: Array
    price_gains: Mapping[str, Array]
    moves: Array
    traded: Array
    average_trades: pd.DataFrame
    unavailable: Mapping[str, str]
    charged: str = ""
    recorded: bool = False

    def slippage(self, against: Against = "arrival", unit: Unit = "bps") -> Array:
        """
        Cost of every day beyond a benchmark (paths,): impact - sum_k dS_k' (x_k - b_k).

        Parameters
        ----------
        against : "arrival" (b = 0), "twap", "vwap" (by the volume that came on that day) or "close".
        unit : "bps" of gross arrival notional (NaN for a zero order), or "currency".

        Raises
        ------
        DataError
            No such benchmark or unit.
        ModelError
            The benchmark has no price in this market: no volume, or nothing trades in the last interval.
        """
        if not is_one_of(against, AGAINST):
            raise DataError(f"slippage against={against!r}: accepted are {', '.join(map(repr, AGAINST))}")
        if not is_one_of(unit, UNITS):
            raise DataError(f"slippage unit={unit!r}: accepted are 'bps' and 'currency'")
        if against in self.unavailable:
            raise ModelError(f"slippage against {against!r}: {self.unavailable[against]}")
        cost = self.impact - self.price_gains[against]
        if unit == "currency":
            return np.asarray(cost)
        return np.asarray(1e4 * cost / self.gross if self.gross > 0 else np.full(self.n_paths, np.nan))

    def mean(self, against: Against = "arrival", unit: Unit = "bps") -> float:
        """Mean slippage."""
        return float(self.slippage(against, unit).mean())

    def variance(self, against: Against = "arrival", unit: Unit = "bps") -> float:
        """Variance of slippage over days, unit^2, unbiased; NaN for one day."""
        return _variance(self.slippage(against, unit))

    def std(self, against: Against = "arrival", unit: Unit = "bps") -> float:
        """Standard deviation of slippage over days."""
        return float(np.sqrt(self.variance(against, unit)))

    def std_error(self, against: Against = "arrival", unit: Unit = "bps") -> float:
        """Standard error of the mean."""
        return self.std(against, unit) / float(np.sqrt(self.n_paths))

    def quantile(self, q: float, against: Against = "arrival", unit: Unit = "bps") -> float:
        """Slippage that a share q of the days stays below."""
        return float(np.quantile(self.slippage(against, unit), _share(q, "quantile")))

    def tail(self, level: float = 0.95, against: Against = "arrival", unit: Unit = "bps") -> float:
        """Mean slippage of the worst 1 - level of the days (expected shortfall), one day at least."""
        worst = np.sort(self.slippage(against, unit))[::-1]
        return float(worst[: max(1, round((1.0 - _share(level, "tail")) * self.n_paths))].mean())

    def against(self, other: SimulationResult, against: Against = "arrival", unit: Unit = "bps") -> Paired:
        """
        Compare with another policy, day by day.

        Raises
        ------
        DataError
            The other result is of other days: another seed, number, order or market.
        """
        demand(other, SimulationResult, "SimulationResult.against")
        same = (self.seed, self.n_paths) == (other.seed, other.n_paths)
        if not (same and np.array_equal(self.moves, other.moves) and np.array_equal(self.traded, other.traded)):
            raise DataError(
                f"{self.policy} and {other.policy} were not simulated on the same days ({self.n_paths} of seed "
                f"{self.seed}, {other.n_paths} of seed {other.seed}): simulate both with one order, market, n_paths "
                "and seed"
            )
        difference = self.slippage(against, unit) - other.slippage(against, unit)
        error = float(np.sqrt(_variance(difference) / self.n_paths))
        return Paired(float(difference.mean()), error, float(np.mean(difference < 0)))

    def summary(self) -> str:
        """Return what was charged, and the slippage against every benchmark, in words, one line each."""
        days = count(self.n_paths, "recorded day" if self.recorded else "simulated day")
        lines = [f"{self.policy}: {days}, seed {self.seed}; slippage in bps"]
        if self.charged:
            lines.append(f"  charged {self.charged}")
        for name in AGAINST:
            if name in self.unavailable:
                lines.append(f"  against {name:<8}no price: {self.unavailable[name]}")
                continue
            if self.n_paths == 1:
                lines.append(f"  against {name:<8}{self.mean(name):.3f}")
                continue
            lines.append(
                f"  against {name:<8}mean {self.mean(name):.3f} (standard error {self.std_error(name):.3f}), "
                f"std {self.std(name):.3f}, 95% of days below {self.quantile(0.95, name):.3f}, "
                f"mean of the worst 5% {self.tail(0.95, name):.3f}"
            )
        return "\n".join(lines)

    def __repr__(self) -> str:
        if self.n_paths == 1:
            return f"SimulationResult({self.policy!r}: 1 day of seed {self.seed}, cost {self.mean():.4g} bps)"
        return (
            f"SimulationResult({self.policy!r}: {self.n_paths:,} days of seed {self.seed}, cost {self.mean():.4g} +- "
            f"{self.std_error():.2g} bps, risk {self.std():.4g} bps)"
        )


def _variance(values: Array) -> float:
    return float(values.var(ddof=1)) if len(values) > 1 else float("nan")


def _share(value: float, what: str) -> float:
    share = numbers(value, what)
    if share.ndim or not 0 <= share <= 1:
        raise DataError(f"{what}({short(value)}): a number from 0 to 1 is expected (0.95 is ninety-five percent)")
    return float(share)

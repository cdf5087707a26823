"""The best schedule in whole lots: totals exact, rules kept, the gap to the continuous plan proven."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import pandas as pd
import scipy.sparse as sp

from acopt.errors import DataError, InfeasibleError, ModelError
from acopt.market.labels import LARGEST, Array, Data
from acopt.model.feasibility import bounding, trade_bounds
from acopt.model.problem import ExecutionProblem
from acopt.model.schedule import Schedule
from acopt.model.setting import Setting
from acopt.solving.canonical import CanonicalProgram, Indices
from acopt.solving.integer import best_point
from acopt.solving.lattice import Lattice, floor_steps, reduce

__all__ = ["RoundedSchedule", "Rounding", "round_lots"]

SNAP = 1e-9
"""Shares below which an order is said to be a whole number of lots."""
FINEST = 1e-9
"""Smallest tolerance: the accuracy of the mixed-integer solver."""
FAR = 1e15
"""Shares that stand for no bound."""
MANY = 1_000_000
"""Lots beyond which no smaller one is looked for."""


@dataclass(frozen=True)
class Rounding:
    """
    What rounding to lots did, and its proof.

    Attributes
    ----------
    lot : shares by asset.
    odd : by asset whose order is no whole number of lots: `shares` beyond whole lots, signed as trades
        are, and the `interval` whose trade carries them (None: left unfilled).
    objective, continuous : objective of this schedule, and of the optimum without lots.
    bound : proven lower bound of the objective over all schedules in whole lots (where rules had to give
        way: over those that exceed them by no more).
    accepted : gap to the bound that was asked for; the time ran out first where `proven` is False.
    exceeded : currency by which rules had to give way, by name; empty where all are kept.
    gross : gross arrival notional, currency.
    models : mixed-integer models solved.
    seconds : time taken.
    """

    lot: pd.Series
    odd: pd.DataFrame
    objective: float
    continuous: float
    bound: float
    accepted: float
    exceeded: Mapping[str, float]
    gross: float
    models: int
    seconds: float

    @property
    def price(self) -> float:
        """What whole lots cost: objective minus that of the continuous optimum."""
        return self.objective - self.continuous

    @property
    def price_bps(self) -> float:
        """`price` in bps of gross arrival notional; NaN for a zero order."""
        return 1e4 * self.price / self.gross if self.gross > 0 else float("nan")

    @property
    def gap(self) -> float:
        """Objective minus the proven bound: at most this much could be saved by another schedule in lots."""
        return self.objective - self.bound

    @property
    def proven(self) -> bool:
        """Whether the gap is the one that was asked for."""
        return self.gap <= self.accepted

    def __str__(self) -> str:
        sizes = sorted(set(self.lot))
        lots = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
        count = len(self.odd)
        odd = f"; odd shares of {count} asset{'s' if count > 1 else ''} in one trade each" if count else ""
        asked = f"not proven to the {self.accepted:.2g} that was asked, the time ran out"
        proof = "proven" if self.proven else asked
        given = "".join(f"; {name} exceeded by {amount:,.6g}" for name, amount in self.exceeded.items())
        return (
            f"lots of {lots} shares cost {self.price:,.4g} ({self.price_bps:.2g} bps) more than fractions; "
            f"at most {self.gap:.2g} from the best in lots ({proof}){odd}{given}; {self.seconds:.3g} s"
        )


class RoundedSchedule(Schedule):
    """A schedule in whole lots; `rounding` says what that cost and proves it."""

    rounding: Rounding

    @property
    def proof(self) -> str:
        """How far from the best schedule in lots it can be."""
        found = self.rounding
        asked = "" if found.proven else f" ({found.accepted:.2g} was asked)"
        return f"in lots: within {found.gap:.2g} of the best in lots{asked}"


def round_lots(schedule: Schedule, lot: Data, *, tolerance: float = 1e-6, time_limit: float = 20.0) -> RoundedSchedule:
    """
    Return the best schedule in whole lots, for the problem that the given schedule answers.

    u_ki = lot_i n_ki, n_ki integer; the shares of an order beyond whole lots are added to one of its
    trades, chosen where it costs least. The objective is the problem's own, every rule holds as in the
    problem; rules in currency (neutrality, cash) give way by the smallest sum that whole lots make
    unavoidable, and only then. History stays as it was.

    Parameters
    ----------
    schedule : any schedule of the problem; the rounding starts from the problem's optimum.
    lot : shares, positive integers: a scalar or by asset.
    tolerance : gap to the proven bound that is accepted, relative to the sum of |path-dependent term values|.
    time_limit : seconds after which the best schedule so far is returned with its gap. A first one, and
        the smallest excess of a rule, are waited for longer (30 s each).

    Raises
    ------
    DataError
        A lot is not a positive integer, or an asset has none; a tolerance or time limit that is no number.
    ModelError
        A risk term without weight; a custom term that makes the problem conic.
    InfeasibleError
        No schedule in these lots obeys the rules; names asset, cap and lot, and a lot that would do.
    SolverError
        The time ran out before any schedule was found.

    References
    ----------
    Duran & Grossmann (1986), outer approximation.
    """
    start = perf_counter()
    problem = schedule.problem
    setting = problem.setting
    sizes = _lots(lot, setting)
    for name, value, least in (("tolerance", tolerance, FINEST), ("time_limit", time_limit, 0.0)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= LARGEST:
            raise DataError(f"round_lots {name}={value!r}: a finite number >= {least:g} is expected")
    if problem.declaration.conic:
        raise ModelError(
            "round_lots: a cone (a budget, PowerImpact, a custom term) makes this problem conic; whole lots need a "
            "quadratic program"
        )
    best = schedule if schedule.certificate is not None else problem.solve()
    if best.certificate is None:
        raise ModelError("round_lots: the problem's optimum has no certificate")
    steps = _Steps.of(setting, sizes)
    _check_caps(problem, steps)
    accepted = tolerance * best.certificate.gap_scale
    trades, bound, models, widened = _search(problem, best, steps, accepted, time_limit)
    out = RoundedSchedule(problem.evaluate(trades).path, problem.pricing, name=f"{schedule.name}, in lots")
    out.problem = problem.copy()
    out.rounding = Rounding(
        lot=pd.Series(sizes, setting.assets, name="lot"),
        odd=_odd(steps, trades),
        objective=out.objective,
        continuous=best.objective,
        bound=min(bound, out.objective),
        accepted=accepted,
        exceeded={k: v for k, v in out.rules_broken.items() if k in widened},
        gross=setting.gross,
        models=models,
        seconds=perf_counter() - start,
    )
    return out


@dataclass(frozen=True)
class _Steps:
    """
    The lattice of positions: x_ki = lot_i m_ki + odd_i (1 - b_ki), b_ki 0 before the odd trade and 1 after.

    `odd` (n,) are the shares of what is left beyond whole lots, > 0 to sell.
    """

    setting: Setting
    lot: Indices
    odd: Array

    @classmethod
    def of(cls, setting: Setting, lot: Indices) -> _Steps:
        left = setting.left
        rest = [_rest(shares, size) for shares, size in zip(np.abs(left), lot.tolist(), strict=True)]
        return cls(setting, lot, np.sign(left) * rest)

    @property
    def edges(self) -> Indices:
        """Edges whose position is to be chosen."""
        n = self.setting.shape[0]
        return np.arange(self.setting.elapsed + 1, n if self.setting.complete else n + 1)

    def lattice(self, columns: Indices, x: Array) -> tuple[Lattice, Array]:
        """Return the lattice of the columns of x (down its columns), near a path, and m there (edges, n)."""
        setting, edges = self.setting, self.edges
        n, assets = setting.shape
        k = len(edges)
        nearest = np.round((x[edges] - self.odd) / self.lot)
        base = np.zeros((n + 1, assets))
        base[0] = setting.remaining
        if setting.past is not None:
            base[1 : setting.elapsed + 1] = setting.remaining + np.cumsum(setting.past, axis=0)
        base[edges] = self.lot * nearest + self.odd
        with_odd = np.flatnonzero(self.odd)
        place = (np.arange(assets)[:, None] * (n + 1) + edges).ravel()
        whole = sp.csr_array(
            (np.repeat(self.lot, k).astype(float), (place, np.arange(k * assets))), (base.size, k * assets)
        )
        odd_place = (with_odd[:, None] * (n + 1) + edges).ravel()
        count = k * len(with_odd)
        odd = sp.csr_array((-np.repeat(self.odd[with_odd], k), (odd_place, np.arange(count))), (base.size, count))
        before = np.full((assets + len(with_odd), k), -1)
        before[assets:, 1:] = k * assets + np.arange(count).reshape(len(with_odd), k)[:, :-1]
        binary = np.repeat([False, True], [k * assets, count])
        step = sp.csr_array(sp.hstack([whole, odd]))
        return Lattice(columns, base.ravel(order="F"), step, binary, before.ravel()), nearest

    def between(self, x: Array, nearest: Array) -> Array:
        """Steps y of a path, no whole numbers; the odd shares in the last trade."""
        with_odd = np.count_nonzero(self.odd)
        y = (x[self.edges] - self.odd) / self.lot - nearest
        return np.concatenate([y.ravel(order="F"), np.zeros(with_odd * len(self.edges))])

    def trades(self, y: Indices, nearest: Array) -> Array:
        """Trades (N, n), exact multiples but for the one that carries the odd shares."""
        setting, edges = self.setting, self.edges
        n, assets = setting.shape
        k = len(edges)
        lots = np.zeros((n + 1, assets))
        gone = np.ones((n + 1, assets))
        lots[setting.elapsed] = np.round((setting.left - self.odd) / self.lot)
        lots[edges] = nearest + y[: k * assets].reshape(assets, k).T
        gone[: setting.elapsed + 1] = 0.0
        with_odd = np.flatnonzero(self.odd)
        gone[np.ix_(edges, with_odd)] = y[k * assets :].reshape(len(with_odd), k).T
        u = self.lot * np.diff(lots, axis=0) - self.odd * np.diff(gone, axis=0)
        if setting.past is not None:
            u[: setting.elapsed] = setting.past
        return np.asarray(u + 0.0)


def _lots(lot: Data, setting: Setting) -> Indices:
    """Whole positive lots (n,)."""
    values = setting.per_asset(lot, "round_lots lot", sign="positive")
    wrong = values != np.round(values)
    if wrong.any():
        i = int(np.argmax(wrong))
        raise DataError(f"round_lots lot: {values[i]:g} for {setting.assets[i]}; a whole number of shares is expected")
    return values.astype(np.int64)


def _search(
    problem: ExecutionProblem, best: Schedule, steps: _Steps, accepted: float, seconds: float
) -> tuple[Array, float, int, list[str]]:
    """Trades, lower bound of the objective, models solved, and the rules that may have given way."""
    declaration = problem.declaration
    stated = problem.cvxpy_problem
    program = CanonicalProgram(stated)
    arrays = program.arrays(program.theta({p.id: np.asarray(p.value, dtype=float) for p in stated.parameters()}))
    lattice, nearest = steps.lattice(program.columns_of(declaration.paths.variable), best.path.remaining)
    reduced = reduce(program, arrays, lattice)
    money = [c.name for c in problem.constraints if c.unit == "currency"]
    place = {name: g for g, name in enumerate(money)}
    owners = [declaration.owners.get(int(program.row_constraint[row]), "") for row in reduced.row]
    group = np.array([place.get(name, -1) for name in owners], dtype=np.int64)
    near = steps.between(best.path.remaining, nearest)
    found = best_point(reduced, lattice, group, len(money), gap=accepted, seconds=seconds, near=near)
    if found is None:
        sizes = ", ".join(f"{v:,}" for v in sorted(set(steps.lot.tolist()))[:4])
        names = ", ".join(c.name for c in problem.constraints)
        raise InfeasibleError(
            f"round_lots: no schedule in lots of {sizes} shares obeys all rules together ({names}); a smaller lot, or "
            "wider rules, would do"
        )
    trades = steps.trades(found.y, nearest)
    value = problem.evaluate(trades).objective
    return (
        trades,
        value - (found.value - found.bound),
        found.models,
        [n for n, w in zip(money, found.widened, strict=True) if w > 0],
    )


def _odd(steps: _Steps, trades: Array) -> pd.DataFrame:
    setting = steps.setting
    rows = {}
    for i in map(int, np.flatnonzero(steps.odd)):
        own = trades[:, i] / steps.lot[i]
        off = np.abs(own - np.round(own)) > 1e-12 * np.maximum(np.abs(own), 1.0)
        off[: setting.elapsed] = False
        rows[setting.assets[i]] = (-steps.odd[i], setting.grid.labels[int(np.argmax(off))] if off.any() else None)
    out = pd.DataFrame.from_dict(rows, orient="index", columns=["shares", "interval"])
    out.index.name = "asset"
    return out


def _check_caps(problem: ExecutionProblem, steps: _Steps) -> None:
    """Demand that the bounds on trades leave room for every order in its lots, asset by asset."""
    setting = problem.setting
    if not setting.complete:
        return
    bounds = [np.clip(b[setting.elapsed :], -FAR, FAR) for b in trade_bounds(problem.constraints, setting)]
    for i, label in enumerate(setting.assets):
        lot, need, side = int(steps.lot[i]), abs(setting.left[i]), 1.0 if setting.left[i] <= 0 else -1.0
        low, high = sorted((side * bounds[0][:, i], side * bounds[1][:, i]), key=lambda b: float(b.sum()))
        if _fits(low, high, need, lot):
            continue
        smaller = sorted({lot // parts for parts in range(2, lot + 1)} if lot < MANY else (), reverse=True)
        would_do = next((size for size in smaller if _fits(low, high, need, size)), None)
        names = ", ".join(bounding(problem.constraints, setting, slice(None), i))
        raise InfeasibleError(
            f"round_lots: {label}: {need:,.10g} shares do not fit in lots of {lot:,} under {names}: one interval takes "
            f"at most {high.max():,.10g} shares, and all of them {_most(low, high, need, lot):,.10g} in whole lots; "
            + (f"lots of {would_do:,} would do" if would_do else "no smaller lot would do, wider rules would")
        )


def _rest(need: float, lot: int) -> float:
    """Shares beyond whole lots."""
    rest = float(np.fmod(need, lot))
    close = SNAP + 1e-12 * need
    return 0.0 if rest <= close or lot - rest <= close else rest


def _ranges(low: Array, high: Array, lot: int) -> tuple[Array, Array]:
    """Fewest and most lots that every interval takes."""
    return -floor_steps(-low / lot), floor_steps(high / lot)


def _most(low: Array, high: Array, need: float, lot: int) -> float:
    """Most shares that can trade, one trade carrying the odd ones where an interval has room for them."""
    rest = _rest(need, lot)
    most, with_rest = _ranges(low, high, lot)[1], _ranges(low - rest, high - rest, lot)[1]
    return lot * float(most.sum()) + max(0.0, rest + lot * float(np.max(with_rest - most)))


def _fits(low: Array, high: Array, need: float, lot: int) -> bool:
    """Whether trades between the bounds can add up to an order in its lots."""
    rest = _rest(need, lot)
    lots = round((need - rest) / lot)
    least, most = _ranges(low, high, lot)
    wrong = least > most
    if rest == 0.0:
        return not wrong.any() and bool(least.sum() <= lots <= most.sum())
    fewest, largest = _ranges(low - rest, high - rest, lot)
    others = wrong.sum() - wrong
    enough = (least.sum() - least + fewest <= lots) & (most.sum() - most + largest >= lots)
    return bool(((others == 0) & (fewest <= largest) & enough).any())

"""Directions along which an objective falls without end, and the costs that fall along them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import cvxpy as cp
import numpy as np
import pandas as pd
import scipy.sparse as sp

from acopt.insight.words import at
from acopt.insight.words import names as listed
from acopt.market.labels import Array
from acopt.model.algebra import Constraint, Term
from acopt.model.curvature import collect
from acopt.model.declaration import Declaration, State
from acopt.model.feasibility import trade_bounds
from acopt.model.paths import Paths, Trajectory, twap
from acopt.model.setting import Setting
from acopt.solving.canonical import CanonicalProgram, Indices
from acopt.solving.claims import unbounded_ray
from acopt.solving.quadratic import Quadratic
from acopt.solving.scaling import normalise

NOTIONAL = 1000.0
FAR = 1e4
"""How many times the order's notional is traded to read off slopes: beyond every kink."""
NOISE = 1e-7


@dataclass(frozen=True)
class Unbounded:
    """
    A direction along which the objective falls without end.

    Attributes
    ----------
    trades : (N, n) shares by interval and asset that trade a notional of 1,000 in all.
    slopes : what each term of the objective, with its weight, grows by along it.
    remedies : what would stop it.
    setting : order and market.
    """

    trades: pd.DataFrame
    slopes: Mapping[str, float]
    remedies: tuple[str, ...]
    setting: Setting = field(repr=False)

    def __str__(self) -> str:
        values = self.trades.to_numpy()
        moves = np.argwhere(values != 0)
        shown = [
            f"{'buy' if values[k, i] > 0 else 'sell'} {abs(values[k, i]):,.4g} {self.trades.columns[i]} at "
            f"{at(self.trades.index[k], self.setting)}"
            for k, i in moves[:6]
        ]
        more = f" and {len(moves) - 6} more trades" if len(moves) > 6 else ""
        costs = ", ".join(f"{name} {slope:+,.4g}" for name, slope in self.slopes.items() if slope)
        return (
            f"The objective falls without end along: {', '.join(shown)}{more}.\n"
            f"Per 1,000 of notional traded: {costs}. {' and '.join(self.falling)} lack{'s' * (len(self.falling) == 1)} "
            f"a counterweight; what would stop it: {'; '.join(self.remedies)}."
        )

    @property
    def steps(self) -> tuple[str, ...]:
        """Its four largest trades by value, without their sizes."""
        values = self.trades.to_numpy()
        size = np.abs(values * self.setting.market.prices)
        cells = (divmod(int(flat), size.shape[1]) for flat in np.argsort(-size, axis=None, kind="stable")[:4])
        return tuple(
            f"{'buy' if values[k, i] > 0 else 'sell'} {self.trades.columns[i]} at {self.trades.index[k]}"
            for k, i in cells
            if values[k, i] != 0
        )

    @property
    def falling(self) -> tuple[str, ...]:
        """Costs that fall along the direction, steepest first."""
        down = sorted((slope, name) for name, slope in self.slopes.items() if slope < 0)
        return tuple(name for _, name in down)


def endless(
    setting: Setting, terms: tuple[Term, ...], constraints: tuple[Constraint, ...]
) -> tuple[Unbounded | None, tuple[str, ...]]:
    """
    Return the direction of least trading along which the objective falls without end, if there is one.

    The second value names the terms that are not linear-quadratic; with one of them, nothing is searched.
    """
    curvature, _ = collect(terms, setting)
    state = State(setting, terms, constraints, curvature, trade_bounds(constraints, setting))
    declaration = Declaration(state)
    if declaration.conic:
        return None, _conic(setting, terms, constraints)
    program = CanonicalProgram(declaration.problem)
    values = declaration.complete(declaration.numbers(state))
    x, primary = program.arrays(program.theta(values)), program.columns_of(declaration.paths.variable)
    n, m = setting.shape
    unit = np.full(program.n, np.nan)
    prices = setting.market.prices
    unit[primary] = np.repeat(1.0 / prices, n + 1)
    scaling = normalise(x, program.p_pattern, program.a_pattern, unit, None)
    qp = Quadratic(program.p_pattern, program.a_pattern)
    qp.take(scaling.forward(x, program.p_pattern, program.a_pattern))
    trading = _trading(primary, program.n, n, m)
    ray = unbounded_ray(qp, trading)
    if ray is None:
        return None, ()
    moves = (trading @ ray).reshape((n, m), order="F")
    moves[np.abs(moves) <= NOISE * np.abs(moves).max(initial=0.0)] = 0.0
    trades = moves / prices * (NOTIONAL / (np.abs(moves).sum() or 1.0))
    return _told(trades, state), ()


def _trading(primary: Indices, columns: int, n: int, m: int) -> sp.csr_array:
    """Notional traded in every interval and asset (N n), from columns of x in units of 1 / price."""
    i, k = np.divmod(np.arange(n * m), n)
    row = np.arange(n * m)
    after, before = primary[i * (n + 1) + k + 1], primary[i * (n + 1) + k]
    data = np.repeat([1.0, -1.0], n * m)
    entries = (data, (np.concatenate([row, row]), np.concatenate([after, before])))
    return sp.csr_array(sp.coo_array(entries, (n * m, columns)))


def _conic(setting: Setting, terms: tuple[Term, ...], constraints: tuple[Constraint, ...]) -> tuple[str, ...]:
    """Names of the terms that CVXPY cannot write as a quadratic program."""
    names = []
    for term in terms:
        data = _parameters(term.cost.parameters(setting, 1.0))
        own = term.cost.expression(Paths(setting), data)
        if own is not None and not own.is_qpwa():
            names.append(term.cost.name)
    for rule in constraints:
        own_rules = rule.expressions(Paths(setting), _parameters(rule.parameters(setting)))
        if not cp.Problem(cp.Minimize(0), own_rules).is_qp():
            names.append(rule.name)
    return tuple(names)


def _parameters(values: Mapping[str, Array]) -> dict[str, cp.Parameter]:
    return {key: cp.Parameter(np.shape(value), value=np.asarray(value, dtype=float)) for key, value in values.items()}


def _told(trades: Array, state: State) -> Unbounded:
    """Slopes of every term far out along the direction, and what would stop it."""
    setting = state.setting
    start = twap(setting).trades
    far = FAR * max(setting.gross, NOTIONAL) / NOTIONAL
    near, beyond = (Trajectory(setting, start + step * trades) for step in (far, 2.0 * far))
    slopes = {}
    for term in state.terms:
        values = [float(np.sum(term.cost.values(path))) for path in (near, beyond)]
        slope = term.factor * (values[1] - values[0]) / far
        slopes[term.cost.name] = slope if abs(slope) > NOISE * abs(values[1] * term.factor) / far else 0.0
    frame = pd.DataFrame(trades, setting.grid.labels, setting.assets)
    return Unbounded(frame, slopes, _remedies(trades, state), setting)


def _remedies(trades: Array, state: State) -> tuple[str, ...]:
    setting = state.setting
    moving = listed(setting.assets[np.any(trades != 0, axis=0)])
    remedies = [f"impact on {moving} (TemporaryImpact)"]
    if not any(term.cost.kind == "risk" and term.factor > 0 for term in state.terms):
        remedies.append("a risk aversion (w * TimingRisk())")
    remedies.append(f"a cap on {moving} (Participation, TradeSize, TradeRate)")
    if np.any(trades * setting.direction <= 0.0, where=trades != 0) and not setting.one_sided.all():
        remedies.append("Monotone")
    if not setting.complete and np.abs(trades.sum(axis=0)).max() > NOISE * np.abs(trades).max():
        remedies.append("Complete")
    return tuple(remedies)

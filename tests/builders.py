"""Small problems that tests share: grids, markets, orders, random schedules, and CVXPY's value of a given schedule."""

import cvxpy as cp
import numpy as np
import pandas as pd

import acopt as ac

EVEN, UNEVEN, SINGLE = "even", "uneven", "single"
EDGES = {
    EVEN: np.linspace(0.0, 1.0, 6),
    UNEVEN: np.array([0.0, 0.1, 0.35, 0.4, 0.85, 1.0]),
    SINGLE: np.array([0.0, 0.5]),
}
NAMES = ("A", "B", "C")
PRICES = {"A": 20.0, "B": 400.0, "C": 55.0}
ORDERS = {
    "sell one": {"A": 9_000.0},
    "buy one": {"A": -7_000.0},
    "sell many": {"A": 9_000.0, "B": 500.0, "C": 3_000.0},
    "buy many": {"A": -9_000.0, "B": -400.0, "C": -2_500.0},
    "both sides": {"A": 9_000.0, "B": -500.0, "C": 3_000.0},
    "nothing": {"A": 0.0, "B": 0.0},
}


def grid(kind=EVEN):
    """Return a grid of plain numbers, even, uneven, or of one interval."""
    return ac.TimeGrid(EDGES[kind])


def order(kind):
    """Sell what is positive in `ORDERS`, buy what is negative, from flat or to flat."""
    shares = pd.Series(ORDERS[kind])
    return ac.Order(shares.clip(lower=0.0), (-shares).clip(lower=0.0))


def correlated(volatilities, correlation=0.4):
    """Return a covariance from volatilities and one correlation."""
    vol = np.asarray(volatilities, dtype=float)
    n = len(vol)
    return np.outer(vol, vol) * (correlation + (1.0 - correlation) * np.eye(n))


def market(at=EVEN, assets=NAMES, *, seed=3, **changes):
    """Return a market with everything, different in every interval and asset."""
    on = at if isinstance(at, ac.TimeGrid) else grid(at)
    rng = np.random.default_rng(seed)
    assets = list(assets)
    price = pd.Series({a: PRICES[a] for a in assets})
    sigma = correlated(0.02 * price)
    facts = {
        "volume": pd.DataFrame(rng.uniform(2e4, 9e4, (on.periods, len(assets))), index=on.labels, columns=assets),
        "covariance": pd.DataFrame(sigma, index=assets, columns=assets),
        "spread": 4e-4 * price,
        "impact": ac.LinearImpact(8.0, permanent_bps=0.5),
    }
    return ac.Market(on, price, **{**facts, **changes})


def cross_impact(assets=NAMES, size=2e-5, coupling=0.3):
    """Return a positive definite eta between assets, labelled."""
    root = np.sqrt(size) * 20.0 / np.array([PRICES[a] for a in assets])
    matrix = np.outer(root, root) * (coupling + (1.0 - coupling) * np.eye(len(root)))
    return pd.DataFrame(matrix, index=list(assets), columns=list(assets))


def random_trades(problem, seed=0, wild=1.0):
    """Return trades (N, n) of both signs that complete the order exactly, up to rounding."""
    rng = np.random.default_rng(seed)
    setting = problem.setting
    n, m = setting.shape
    size = np.maximum(np.abs(setting.remaining), 100.0)
    trades = wild * size * rng.normal(size=(n, m))
    trades[-1] = -setting.remaining - trades[:-1].sum(axis=0)
    return trades


def cvxpy_objective(problem, trades):
    """Return the declared CVXPY objective at these trades, auxiliary variables at what their definitions say."""
    program = problem.cvxpy_problem
    paths = problem.declaration.paths
    paths.variable.value = np.vstack([problem.setting.remaining, problem.setting.remaining + np.cumsum(trades, axis=0)])
    for variable in program.variables():
        if variable.id != paths.variable.id:
            variable.value = None
    pending = list(paths.definitions)
    while pending:
        waiting = [d for d in pending if not _define(d)]
        if len(waiting) == len(pending):
            raise AssertionError(f"definitions that cannot be evaluated: {waiting}")
        pending = waiting
    return float(program.objective.value)


def _define(definition):
    left, right = definition.args
    if isinstance(definition, cp.constraints.Zero | cp.constraints.Equality):
        if isinstance(left, cp.Variable) and left.value is None and right.value is not None:
            left.value = right.value
        return left.value is not None and right.value is not None
    if left.value is None:  # bound <= variable: the variable is the largest of its lower bounds
        return False
    right.value = left.value if right.value is None else np.maximum(right.value, left.value)
    return True


def outcome(action):
    """Return what the action returns, or the error of ours that it raises; any other error passes."""
    try:
        return action()
    except ac.AcoptError as error:
        return error


def loops(trades, start):
    """Return x_0..x_N, one addition at a time."""
    x = [np.asarray(start, dtype=float)]
    for u in trades:
        x.append(x[-1] + u)
    return np.array(x)

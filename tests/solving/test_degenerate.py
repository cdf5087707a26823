"""Programs with nothing to trade, rows of numbers only, slacks without curvature, and terms of very different size."""

from fractions import Fraction

import clarabel  # noqa: F401 - cp.CLARABEL is the oracle's solver
import cvxpy as cp
import numpy as np
import pandas as pd
import pytest

import acopt as ac
from acopt.solving.canonical import Arrays, CanonicalProgram, Pattern
from acopt.solving.presolve import Presolve
from acopt.solving.quadratic import Quadratic
from acopt.solving.refinement import Refiner
from acopt.solving.scaling import balance, normalise

NAMES = ["A", "B", "C"]
PRICE = pd.Series([250.0, 20.0, 5.0], NAMES)
SIZES = [1e2, 1e5, 1e9]
ROUNDING = 1e-12


def pattern(matrix):
    row, col = np.nonzero(matrix)
    order = np.lexsort((row, col))
    return Pattern(row[order], col[order], np.shape(matrix))


# ------------------------------------------------------------------ units of slacks


def slack_over_numbers(size):
    """One known column, and a slack s >= size, s >= size / 3 that meets no other column."""
    rows = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    low, high = np.array([-size, size, size / 3]), np.array([size, np.inf, np.inf])
    return np.diag([1.0, 0.0]), np.array([0.0, 1e-3]), rows, low, high


@pytest.mark.parametrize("size", [1e-6, 1.0, 4e8, 3e10])
def test_a_slack_over_numbers_has_their_size(size):
    quadratic, linear, rows, low, high = slack_over_numbers(size)
    p, a = pattern(quadratic), pattern(rows)
    x = Arrays(quadratic[p.row, p.col], linear, 0.0, rows[a.row, a.col], low, high)
    scaling = normalise(x, p, a, np.array([size, np.nan]), None)
    assert scaling.column.tolist() == [size, size]
    bounds = scaling.forward(x, p, a)
    assert bounds.l == pytest.approx([-1.0, 1.0, 1 / 3])
    assert bounds.u[0] == pytest.approx(1.0)


def test_units_spread_from_a_slack_to_what_only_it_meets():
    row, col, entry = np.array([0, 1, 1]), np.array([0, 0, 1]), np.array([2.0, 1.0, 4.0])
    column = np.array([np.nan, np.nan, np.nan])
    balance(column, entry, row, col, 2, np.array([6.0, 0.0]))
    assert column.tolist() == [3.0, 0.75, 1.0]  # the last one meets nothing
    column = np.array([np.nan, 8.0, np.nan])
    balance(column, entry, row, col, 2, np.array([6.0, 0.0]))
    assert column.tolist() == [32.0, 8.0, 1.0]  # what is known comes first


def cash_truth(sign, aversion_per_size):
    """Optimum of `soft_cash` for one share in place of X, by Clarabel through CVXPY, in units of X P."""
    sold, left = cp.Variable(4), [1.0]
    for k in range(4):
        left.append(left[-1] - sold[k])
    beyond = cp.pos(0.5 - cp.hstack(left[1:]))
    risk = sum(0.25 * 4.0 * cp.square(x) for x in left[1:])
    # In currency per share: spread 0.01, penalty 20 bps of 50.
    cost = 0.01 * cp.sum(cp.abs(sold)) + aversion_per_size * risk + 20e-4 * 50.0 * cp.sum(beyond)
    rules = [sold <= 0.4, sold >= -0.4, cp.sum(sold) == 1.0]
    cp.Problem(cp.Minimize(cost), rules).solve(cp.CLARABEL, tol_gap_abs=1e-12, tol_gap_rel=1e-12, tol_feas=1e-12)
    assert sign in (1, -1)
    return float(cost.value)


def soft_cash(size, sign, aversion_per_size, **solve):
    market = ac.Market(ac.TimeGrid.uniform(1.0, 4), 50.0, covariance=4.0, spread=0.02)
    half = 0.5 * size * 50.0
    cash = {"upper": half} if sign > 0 else {"lower": -half}
    rules = [ac.CashBalance(**cash, penalty_bps=20.0), ac.TradeSize(-0.4 * size, 0.4 * size)]
    cost = ac.SpreadCost() + aversion_per_size / size * ac.TimingRisk()
    return ac.ExecutionProblem(ac.Order(sign * size), market, cost, rules).solve(**solve)


@pytest.mark.parametrize("solver", ["auto", "CLARABEL"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("sign", [1, -1])
def test_soft_cash_without_impact_is_solved_in_any_size(sign, size, solver):
    plan = soft_cash(size, sign, 1e-3, solver=solver)
    truth = cash_truth(sign, 1e-3)
    assert plan.objective / size == pytest.approx(truth, rel=2e-6)
    assert len(plan.certificate.tries) == 1
    assert plan.certificate.gap <= 1e-9 * plan.objective


def factor_truth(weight, aversion):
    """Optimum of `soft_factor` in units of X: u'u-like impact, |e'x| beyond a limit priced, per share."""
    sign, price, load = np.array([1.0, -1.0, 1.0]), PRICE.to_numpy(), np.array([1.0, -0.5, 2.0])
    trades, x, cost = [cp.Variable(3) for _ in range(6)], sign, 0.0
    for u in trades:
        x = x - u
        impact = weight * 6.0 * 1e-3 * price @ cp.square(u)
        risk = aversion / 6.0 * (0.02 * price) ** 2 @ cp.square(x)
        cost += impact + risk + 5e-3 * cp.pos(cp.abs((load * price) @ x) - 40.0)
    problem = cp.Problem(cp.Minimize(cost), [x == 0])
    problem.solve(cp.CLARABEL, tol_gap_abs=1e-12, tol_gap_rel=1e-12, tol_feas=1e-12)
    return float(problem.value)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("weight", "aversion"), [(1.0, 1e-2), (1e-3, 1e-5)])
@pytest.mark.parametrize("mirror", [1, -1])
def test_soft_factors_are_solved_in_any_size(size, weight, aversion, mirror):
    covariance = ac.Covariance.diagonal(0.02 * PRICE)
    market = ac.Market(ac.TimeGrid.uniform(1.0, 6), PRICE, covariance=covariance)
    order = ac.Order(mirror * size * pd.Series([1.0, -1.0, 1.0], NAMES))
    exposures = pd.DataFrame({"style": [1.0, -0.5, 2.0]}, NAMES)
    rule = ac.FactorNeutral(exposures, 40.0 * size, penalty_bps=50.0)
    cost = ac.TemporaryImpact(1e-3 * PRICE / size)
    plan = ac.ExecutionProblem(order, market, weight * cost + aversion / size * ac.TimingRisk(), [rule]).solve()
    assert plan.objective / size == pytest.approx(factor_truth(weight, aversion), rel=2e-6)
    assert len(plan.certificate.tries) == 1
    assert plan.certificate.refined


# ------------------------------------------------------------------ nothing to trade


def idle(volume, order, rules=(), extra=()):
    volatility = 0.02 * PRICE.to_numpy()
    together = np.array([[1.0, 0.6, -0.3], [0.6, 1.0, 0.2], [-0.3, 0.2, 1.0]])
    covariance = ac.Covariance(pd.DataFrame(together * np.outer(volatility, volatility), NAMES, NAMES))
    market = ac.Market(
        ac.TimeGrid.uniform(1.0, 10),
        PRICE,
        volume=volume * pd.Series([1.0, 3.0, 20.0], NAMES),
        covariance=covariance,
        spread=ac.bps(2.0),
        impact=ac.LinearImpact(10.0),
    )
    cost = ac.TemporaryImpact() + ac.SpreadCost() + 1e-2 / volume * ac.TimingRisk()
    return ac.ExecutionProblem(order, market, sum(extra, cost), rules)


ORDERS = {"zero": ac.Order(pd.Series(0.0, NAMES)), "hedge": ac.Order.hedge(NAMES)}
RULES = {
    "free": (),
    "soft": (ac.HoldingBounds(upper=0.0, penalty_bps=10.0),),
    "soft and capped": (
        ac.Participation(2e-6, assets=["A", "B"]),
        ac.HoldingBounds(upper=0.0, during=(0.0, 0.4), penalty_bps=10.0),
    ),
    "capped": (ac.Participation(2e-6, assets=["A", "B"]), ac.CashBalance(lower=-1e3, penalty_bps=10.0)),
}


@pytest.mark.parametrize("volume", [1e2, 1e8, 1e11])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("rules", RULES)
def test_nothing_to_trade_is_not_traded(volume, order, rules):
    problem = idle(volume, ORDERS[order], RULES[rules])
    plan = problem.solve()
    assert not plan.path.trades.any()
    assert plan.objective == 0.0
    assert plan.certificate.refined
    notional = float(PRICE @ (volume * np.array([1.0, 3.0, 20.0])))
    assert plan.certificate.tolerance <= 1.01e-6 + 1.01e-14 * notional


@pytest.mark.parametrize("volume", [1e2, 1e8, 1e11])
@pytest.mark.parametrize("order", ORDERS)
def test_what_the_caps_allow_is_the_unit_of_nothing(volume, order):
    plan = idle(volume, ORDERS[order], [ac.Participation(2e-6)]).solve()
    most = 10 * 2e-6 * float(PRICE @ (volume * np.array([1.0, 3.0, 20.0])))
    assert not plan.path.trades.any()
    assert plan.certificate.gap <= plan.certificate.tolerance <= 1.01e-6 + 1.01e-14 * most


@pytest.mark.parametrize("volume", [1e2, 1e8, 1e11])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_reward_within_tiny_caps_is_taken_whole(volume, sign):
    """Drift of 1 currency a day on A, caps of 2e-6 of the volume: buy at the caps, sell at the caps."""
    drift = pd.Series([sign * 1.0, 0.0, 0.0], NAMES)
    problem = idle(volume, ORDERS["zero"], [ac.Participation(2e-6)], [ac.Alpha(drift)])
    plan = problem.solve()
    cap = 2e-6 * volume
    u = np.r_[np.full(5, cap), np.full(5, -cap)] * sign
    assert plan.path.trades[:, 0] == pytest.approx(u, rel=1e-9)
    assert not plan.path.trades[:, 1:].any()
    assert plan.path.remaining[-1].tolist() == [0.0, 0.0, 0.0]
    assert plan.objective < 0


# ------------------------------------------------------------------ rows of numbers only


def pinned(first, second, prices, limit, equality):
    """Two pinned variables in one row, and one that is free."""
    x = cp.Variable(3)
    held = cp.Parameter(2, value=[first, second])
    most = cp.Parameter(value=limit)
    value = prices[0] * x[0] + prices[1] * x[1]
    row = value == most if equality else value <= most
    problem = cp.Problem(cp.Minimize(cp.square(x[2] - 1.0)), [x[:2] == held, row])
    program = CanonicalProgram(problem)
    theta = program.theta({held.id: held.value, most.id: np.asarray(most.value)})
    return program, program.arrays(theta), row.id


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("beyond", [-1e6, -10.0, -0.1, 0.0, 0.1, 10.0, 1e6])
@pytest.mark.parametrize("equality", [False, True])
def test_a_row_of_numbers_is_broken_beyond_rounding_only(seed, beyond, equality):
    """Its excess over the sum of |terms|, in exact fractions, decides; `beyond` is in units of the rounding."""
    rng = np.random.default_rng(seed)
    first, second, *prices = rng.uniform(1.0, 1e6, 4) * rng.choice([-1.0, 1.0], 4)
    terms = Fraction(prices[0]) * Fraction(first), Fraction(prices[1]) * Fraction(second)
    size = float(sum(abs(t) for t in terms))
    limit = float(sum(terms)) - beyond * ROUNDING * size
    program, arrays, rule = pinned(first, second, prices, limit, equality)
    reduced, _ = Presolve(program, arrays, np.arange(3)).apply(arrays)
    excess = float(sum(terms) - Fraction(limit)) / size
    crossing = (reduced.l > 0) | (reduced.u < 0)
    assert rule in program.row_constraint
    assert crossing.any() == ((abs(excess) if equality else excess) > ROUNDING)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("side", ["upper", "lower"])
def test_the_whole_order_may_reach_a_bound_exactly(seed, side):
    """The cash of a schedule, summed trade by trade, differs from that of the order by rounding."""
    rng = np.random.default_rng(seed)
    price = pd.Series(rng.uniform(5, 500, 3), NAMES)
    sign = 1.0 if side == "upper" else -1.0
    order = pd.Series(sign * np.round(rng.uniform(1e3, 1e7, 3)), NAMES)
    trades = -np.outer(rng.dirichlet(np.ones(6)), order)
    end = float((-np.cumsum(trades, axis=0) @ price.to_numpy())[-1])
    market = ac.Market(ac.TimeGrid.uniform(1.0, 6), price)
    for bound in (end, np.nextafter(end, 0.0)):
        rules = [ac.CashBalance(**{side: bound}), ac.Monotone()]
        plan = ac.ExecutionProblem(ac.Order(order), market, ac.Alpha(1e-4 * price * sign), rules).solve()
        # Selling what rises, last of all; buying what falls, last of all.
        assert plan.path.trades[:-1] == pytest.approx(0.0, abs=1e-9 * order.abs().max())
        assert plan.path.remaining[-1].tolist() == [0.0, 0.0, 0.0]


def test_a_bound_that_the_order_misses_is_still_a_conflict():
    market = ac.Market(ac.TimeGrid.uniform(1.0, 6), PRICE)
    order = ac.Order.sell({"A": 100.0, "B": 200.0, "C": 300.0})
    worth = float(PRICE @ order.initial)
    rule = ac.CashBalance(upper=worth * (1 - 1e-9))
    with pytest.raises(ac.InfeasibleError, match="CashBalance"):
        ac.ExecutionProblem(order, market, ac.Alpha(PRICE * 1e-4), [rule])


# ------------------------------------------------------------------ multipliers of very different size


def test_a_small_wrong_multiplier_beside_a_large_one_is_corrected():
    """
    Minimise -3e4 a + 5e-8 (b^2 - b), a <= 1, b <= 1: a = 1, b = 1/2.

    With b's row taken for active, its multiplier is -5e-8: wrong, and 2e-12 of the other one.
    """
    quadratic, rows = np.diag([0.0, 1e-7]), np.eye(2)
    p, a = pattern(quadratic), pattern(rows)
    qp = Quadratic(p, a)
    qp.take(Arrays(np.array([1e-7]), np.array([-3e4, -5e-8]), 0.0, np.ones(2), np.full(2, -np.inf), np.ones(2)))
    z, y, _ = Refiner(p, a).refine(qp, np.ones(2), np.array([3e4, 1.0]))
    assert z == pytest.approx([1.0, 0.5], abs=1e-5)
    assert y == pytest.approx([3e4, 0.0])


@pytest.mark.parametrize("size", SIZES)
def test_a_little_risk_beside_large_penalties_is_still_least(size):
    """Two assets without impact: the second's own risk is 1e-12 of the first's penalty, and decides its trades."""
    names = ["A", "B"]
    market = ac.Market(
        ac.TimeGrid.uniform(1.0, 8),
        pd.Series([150.0, 3.0], names),
        volume=pd.Series([1.0, 1.0], names) * size,
        covariance=ac.Covariance.diagonal(pd.Series([3.0, 0.03], names)),
    )
    order = ac.Order(pd.Series([size, -0.05 * size], names))
    rules = [
        ac.Participation(0.1, during=(0.375, 0.625), penalty_bps=10.0),
        ac.TradeSize(-0.3 * size, 0.3 * size, assets=["A"], name="A's size"),
        ac.TradeSize(-0.02 * size, 0.02 * size, assets=["B"], name="B's size"),
    ]
    plan = ac.ExecutionProblem(order, market, 1e-7 / size * ac.TimingRisk(), rules).solve()
    # As fast as the limits allow, before the window in which participation has a price.
    assert plan.path.trades[:, 1] == pytest.approx(np.r_[0.02, 0.02, 0.01, np.zeros(5)] * size, abs=1e-9 * size)
    assert plan.path.trades[:3, 0] == pytest.approx(-0.3 * size, abs=1e-7 * size)
    assert len(plan.certificate.tries) == 1

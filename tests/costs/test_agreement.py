"""Every cost twice: what CVXPY is told and what NumPy computes, computed apart, must be one number."""

import builders
import cvxpy as cp
import numpy as np
import pandas as pd
import pytest

import acopt as ac

AGREEMENT = 1e-12  # of the sum of |terms|
SOLVED = 1e-7  # CLARABEL's word on a pinned problem, of the sum of |terms|

FACTORS = ac.FactorModel(
    pd.DataFrame([[0.4, 0.1], [6.0, -2.0], [1.0, 0.0]], index=[*builders.NAMES], columns=["market", "size"]),
    [[1.0, 0.2], [0.2, 0.5]],
    pd.Series({"A": 0.02, "B": 30.0, "C": 0.4}),
    scale={"A": 1.0, "B": 1.5, "C": 0.7},
)


def per_asset(**values):
    return pd.Series(values, dtype=float)


ETA = per_asset(A=2e-6, B=4e-4, C=3e-5)
GAMMA = pd.DataFrame(
    [[4e-8, 1e-8, 0.0], [1e-8, 8e-6, 2e-8], [0.0, 2e-8, 6e-7]], index=[*builders.NAMES], columns=[*builders.NAMES]
)


def per_interval(grid, base):
    """Return base by asset, growing and falling over the intervals."""
    wave = 1.0 + 0.5 * np.sin(np.arange(grid.periods))
    return pd.DataFrame(np.outer(wave, base), index=grid.labels, columns=base.index)


def benchmark(grid, order):
    """Return a path that is neither TWAP nor a straight line, edge x asset."""
    left = np.linspace(1.0, 0.0, grid.periods + 1) ** 2
    return pd.DataFrame(np.outer(left, order.remaining), index=grid.edge_labels, columns=order.assets)


def matrices(setting):
    rng = np.random.default_rng(5)
    n, m = setting.shape
    root = rng.normal(size=(n, m, m)) * 0.02 * setting.market.prices[None, :, None]
    return root @ root.transpose(0, 2, 1)


# name -> function of (grid, order) giving the objective; every one is convex on all grids and orders of `builders`.
COSTS = {
    "temporary, model": lambda g, o: 3.0 * ac.TemporaryImpact(),
    "temporary, by asset": lambda g, o: ac.TemporaryImpact(ETA),
    "temporary, both": lambda g, o: 0.5 * ac.TemporaryImpact(per_interval(g, ETA)),
    "temporary, cross": lambda g, o: 2.0 * ac.TemporaryImpact(builders.cross_impact(o.assets)),
    "temporary, cross per interval": lambda g, o: ac.TemporaryImpact(
        np.array([builders.cross_impact(o.assets) * (1 + k) for k in range(g.periods)])
    ),
    "permanent, full": lambda g, o: ac.TemporaryImpact(ETA) + 0.5 * ac.PermanentImpact(GAMMA),
    "permanent, diagonal": lambda g, o: ac.TemporaryImpact(ETA) + ac.PermanentImpact(per_asset(A=4e-8, B=8e-6, C=6e-7)),
    "permanent, half": lambda g, o: 2.0 * ac.PermanentImpact(GAMMA, own="half") + ac.TemporaryImpact(ETA),
    "permanent, cross and cross": lambda g, o: (
        ac.TemporaryImpact(builders.cross_impact(o.assets)) + 0.005 * ac.PermanentImpact(GAMMA)
    ),
    "spread, market": lambda g, o: 2.0 * ac.SpreadCost(),
    "spread, both": lambda g, o: ac.SpreadCost(per_interval(g, per_asset(A=0.01, B=0.05, C=0.02))),
    "risk, market": lambda g, o: 1e-5 * ac.TimingRisk(),
    "risk, factors": lambda g, o: 1e-5 * ac.TimingRisk(FACTORS),
    "risk, scaled": lambda g, o: (
        1e-5
        * ac.TimingRisk(
            ac.Covariance.diagonal(
                per_asset(A=0.3, B=7.0, C=1.0), scale=per_interval(g, per_asset(A=1.0, B=2.0, C=0.5))
            )
        )
    ),
    "risk, specific only": lambda g, o: (
        1e-5
        * ac.TimingRisk(
            ac.FactorModel(
                pd.DataFrame({"f": [0.0, 0.0, 0.0]}, index=[*builders.NAMES]), 1.0, per_asset(A=1.0, B=4.0, C=0.0)
            )
        )
    ),
    "tracking": lambda g, o: 1e-5 * ac.TrackingRisk(benchmark(g, o)),
    "tracking, factors": lambda g, o: 1e-5 * ac.TrackingRisk(benchmark(g, o), FACTORS),
    "smoothness, weight": lambda g, o: ac.Smoothness(1, weight=ETA * 1e-3),
    "smoothness, scale": lambda g, o: ac.TemporaryImpact(ETA) + 2.0 * ac.Smoothness(1, scale=0.1),
    "jerk": lambda g, o: ac.TemporaryImpact(ETA) + ac.Jerk(0.05),
    "snap": lambda g, o: ac.Smoothness(3, weight=ETA * 1e-6),
    "alpha, drift": lambda g, o: 2.0 * ac.Alpha(per_interval(g, per_asset(A=0.1, B=-3.0, C=0.2))),
    "alpha, bps": lambda g, o: ac.Alpha.from_bps(per_asset(A=5.0, B=-3.0, C=0.0), 0.2),
    "custom, rates": lambda g, o: 3.0 * ac.CustomCost(lambda p: cp.sum_squares(p.rates), name="slow"),
    "custom, all paths": lambda g, o: ac.CustomCost(
        lambda p: (
            cp.sum(cp.abs(p.holdings))
            + cp.sum_squares(p.participation)
            + cp.max(p.notional)
            + cp.sum(p.remaining[1])
            + cp.sum_squares(p.asset("A").trades)
            + cp.sum(cp.pos(p.at(g.edges[-2]).rates))
        ),
        kind="money",
    ),
}


def term_size(plan):
    return sum(abs(t.weight or 1.0) * abs(plan.term_values[t.cost.name]) for t in plan.pricing.terms) + 1e-300


@pytest.mark.parametrize("at", builders.EDGES)
@pytest.mark.parametrize("kind", builders.ORDERS)
@pytest.mark.parametrize("cost", COSTS)
def test_expression_and_values_are_one_number(cost, kind, at):
    grid, order = builders.grid(at), builders.order(kind)
    problem = ac.ExecutionProblem(order, builders.market(at), COSTS[cost](grid, order))
    assert problem.cvxpy_problem.is_dcp(dpp=True)
    for seed in range(2):
        trades = builders.random_trades(problem, seed)
        plan = problem.evaluate(trades)
        told = builders.cvxpy_objective(problem, trades)
        assert abs(told - plan.objective) <= AGREEMENT * term_size(plan), (told, plan.objective)


@pytest.mark.parametrize("cost", COSTS)
def test_the_same_when_orders_may_stay_unfilled(cost):
    grid, order = builders.grid("uneven"), builders.order("both sides")
    problem = ac.ExecutionProblem(order, builders.market("uneven"), COSTS[cost](grid, order), [ac.AllowUnfilled(30.0)])
    trades = builders.random_trades(problem, 7)
    trades[2] *= -1.5
    plan = problem.evaluate(trades)
    told = builders.cvxpy_objective(problem, trades)
    assert abs(told - plan.objective) <= AGREEMENT * term_size(plan)
    assert plan.term_values["Unfilled"] > 0


@pytest.mark.parametrize("kind", ["sell many", "buy many"])
def test_one_sided_spread_is_linear_and_still_the_spread(kind):
    """Monotone lets |u| be written without a kink; on one-sided trades it is the same number."""
    problem = ac.ExecutionProblem(
        builders.order(kind),
        builders.market("uneven"),
        ac.SpreadCost() + ac.TemporaryImpact(),
        [ac.Monotone(during=(0.1, None))],
    )
    trades = -problem.setting.remaining * np.array([0.1, 0.3, 0.0, 0.4, 0.2])[:, None]
    plan = problem.evaluate(trades)
    assert abs(builders.cvxpy_objective(problem, trades) - plan.objective) <= AGREEMENT * term_size(plan)


@pytest.mark.parametrize("at", [builders.EVEN, builders.UNEVEN])
def test_a_solver_of_cvxpys_own_says_the_same_on_pinned_trades(at):
    """Nothing of ours between the declared problem and CVXPY: trades are pinned by bounds, CLARABEL solves."""
    order = builders.order("both sides")
    costs = ac.TemporaryImpact() + ac.PermanentImpact() + ac.SpreadCost() + 1e-5 * ac.TimingRisk() + ac.Jerk(0.05)
    free = ac.ExecutionProblem(order, builders.market(at), costs)
    trades = builders.random_trades(free, 3, wild=0.3)
    lower, upper = trades.copy(), trades.copy()
    lower[-1], upper[-1] = -np.inf, np.inf  # the last trade is what completion leaves
    problem = ac.ExecutionProblem(order, builders.market(at), costs, [ac.TradeSize(lower, upper)])
    told = problem.cvxpy_problem.solve(solver="CLARABEL")
    plan = problem.evaluate(trades)
    assert not plan.rules_broken
    assert abs(told - plan.objective) <= SOLVED * term_size(plan)


@pytest.mark.parametrize(
    ("at", "kind"),
    [("even", "sell one"), ("uneven", "both sides"), ("uneven", "buy many"), ("single", "both sides")],
)
@pytest.mark.parametrize("cost", COSTS)
def test_optimum_is_worth_what_its_certificate_says(cost, at, kind):
    """The solved problem and NumPy agree, and no nudge of the schedule is better: it is a minimum."""
    grid, order = builders.grid(at), builders.order(kind)
    objective = COSTS[cost](grid, order) + ac.TemporaryImpact(ETA, name="ground")
    problem = ac.ExecutionProblem(order, builders.market(at), objective)
    plan = problem.solve()
    scale = term_size(plan)
    assert plan.certificate.objective_difference <= 1e-9
    rng = np.random.default_rng(1)
    for size in (1e-2, 1e-1):
        nudge = rng.normal(size=plan.path.trades.shape) * size * np.maximum(np.abs(problem.setting.remaining), 1.0)
        nudge -= nudge.mean(axis=0)
        assert problem.evaluate(plan.path.trades + nudge).objective >= plan.objective - 1e-9 * scale


def test_signs_mirror():
    """What selling costs, buying costs: x -> -x leaves every cost but the drift's sign."""
    for name, make in COSTS.items():
        if name.startswith(("alpha", "custom, all")):
            continue
        values = []
        for sign in (1.0, -1.0):
            shares = sign * pd.Series(builders.ORDERS["sell many"])
            order = ac.Order(shares)
            problem = ac.ExecutionProblem(order, builders.market("uneven"), make(builders.grid("uneven"), order))
            trades = sign * np.random.default_rng(2).normal(size=problem.setting.shape) * 100.0
            trades[-1] -= trades.sum(axis=0) + problem.setting.remaining
            values.append(problem.evaluate(trades).objective)
        assert values[0] == pytest.approx(values[1], rel=AGREEMENT), name

"""Which problems are Almgren and Chriss' in disguise, and how far the solver is from their closed form."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

import acopt as ac
from acopt.insight.closed_form import DoesNotReduce, closed_form, distance_from_closed_form, reduction

EXACT = 1e-9  # of X: the accuracy contract of equality-only problems
GRID = ac.TimeGrid.uniform(5.0, 5)
ASSETS = ["A", "B", "C"]
PRICE = pd.Series([50.0, 20.0, 300.0], ASSETS)
SIGMA = pd.DataFrame([[0.9, 0.1, 0.8], [0.1, 0.2, 0.3], [0.8, 0.3, 9.0]], ASSETS, ASSETS)
ETA = pd.Series([2.5e-6, 1e-6, 4e-5], ASSETS)
CROSS = pd.DataFrame(np.diag(ETA) + 1e-7 * (1 - np.eye(3)), ASSETS, ASSETS)
ORDER = ac.Order({"A": 1e6, "B": -4e5, "C": 2e4})
RISK = 1e-6 * ac.TimingRisk()


def basket(
    costs: object, *rules: ac.Constraint, order: ac.Order = ORDER, grid: ac.TimeGrid = GRID, covariance: object = SIGMA
) -> ac.ExecutionProblem:
    n = grid.periods
    market = ac.Market(
        grid,
        PRICE,
        volume=np.full((n, 3), 1e7),
        covariance=covariance,
        spread=ac.bps(2),
        impact=ac.ImpactCoefficients(ETA, ETA / 20),
    )
    return ac.ExecutionProblem(order, market, costs, rules)


def plain() -> ac.Objective:
    return ac.TemporaryImpact() + ac.PermanentImpact() + RISK


def over_time(values: pd.Series) -> pd.DataFrame:
    return pd.DataFrame(np.outer(np.linspace(1.0, 1.2, 5), values), GRID.labels, values.index)


NIGHT = ac.TimeGrid([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], closed=[False, False, True, False, False])

REDUCES: dict[str, Callable[[], ac.ExecutionProblem]] = {
    "impact and risk": lambda: basket(ac.TemporaryImpact() + RISK),
    "permanent impact": lambda: basket(plain()),
    "permanent impact, own half": lambda: basket(ac.TemporaryImpact() + ac.PermanentImpact(own="half") + RISK),
    "weights": lambda: basket(2.0 * ac.TemporaryImpact() + 3.0 * ac.PermanentImpact() + 1e-7 * ac.TimingRisk()),
    "eta by asset": lambda: basket(ac.TemporaryImpact(ETA) + RISK),
    "eta by interval, constant": lambda: basket(
        ac.TemporaryImpact(pd.DataFrame(np.tile(ETA, (5, 1)), GRID.labels, ASSETS)) + RISK
    ),
    "cross-impact": lambda: basket(ac.TemporaryImpact(CROSS) + ac.PermanentImpact(0.1 * CROSS) + RISK),
    "two impacts": lambda: basket(ac.TemporaryImpact(ETA) + ac.TemporaryImpact(CROSS, name="cross") + RISK),
    "drift": lambda: basket(plain() + ac.Alpha(pd.Series([0.02, -0.01, 0.3], ASSETS))),
    "hedge leg": lambda: basket(plain(), order=ac.Order({"A": 1e6, "C": -2e4}) + ac.Order.hedge("B")),
    "spread on a basket that trades one way": lambda: basket(
        ac.TemporaryImpact() + ac.SpreadCost() + 1e-8 * ac.TimingRisk()
    ),
    "no risk": lambda: basket(ac.TemporaryImpact() + ac.PermanentImpact()),
    "weight 0 takes a cost out": lambda: basket(plain() + 0.0 * ac.Jerk("1 day")),
    "factor model": lambda: basket(
        ac.TemporaryImpact() + 1e-6 * ac.TimingRisk(ac.FactorModel(np.array([[0.5], [0.3], [2.0]]), 1.0, ETA * 1e5))
    ),
    "covariance of its own": lambda: basket(ac.TemporaryImpact() + 1e-6 * ac.TimingRisk(2.0 * SIGMA)),
    "constant scale": lambda: basket(plain(), covariance=ac.Covariance(SIGMA, scale=np.full((5, 3), 1.7))),
    "equal matrices": lambda: basket(plain(), covariance=ac.Covariance(np.tile(SIGMA.to_numpy(), (5, 1, 1)))),
    "more assets than intervals": lambda: basket(plain(), grid=ac.TimeGrid.uniform(5.0, 2)),
    "slack rules": lambda: basket(
        ac.TemporaryImpact() + 1e-8 * ac.TimingRisk(),
        ac.Complete(),
        ac.Monotone(),
        ac.Participation(0.1),
        ac.HoldingBounds(upper=1e7),
        ac.CustomConstraint(lambda p: p.done("A") <= 1.5),
    ),
    "zero order": lambda: basket(plain() + ac.SpreadCost(), order=ac.Order(dict.fromkeys(ASSETS, 0.0))),
}

DOES_NOT: dict[str, Callable[[], ac.ExecutionProblem]] = {
    "uneven grid": lambda: basket(plain(), grid=ac.TimeGrid([0.0, 1.0, 2.5, 3.0, 4.0, 5.0])),
    "closed interval": lambda: basket(ac.TemporaryImpact(ETA) + RISK, grid=NIGHT),
    "eta over time": lambda: basket(ac.TemporaryImpact(over_time(ETA)) + RISK),
    "cross-impact over time": lambda: basket(
        ac.TemporaryImpact(np.linspace(1.0, 1.2, 5)[:, None, None] * CROSS.to_numpy()) + RISK
    ),
    "spread over time": lambda: basket(plain() + ac.SpreadCost(over_time(1e-4 * PRICE))),
    "drift over time": lambda: basket(plain() + ac.Alpha(over_time(ETA * 1e3))),
    "drift that fades": lambda: basket(plain() + ac.Alpha.from_bps(5.0, 1.0)),
    "volatility over time": lambda: basket(
        plain(), covariance=ac.Covariance(SIGMA, scale=np.linspace(1.0, 1.2, 5)[:, None])
    ),
    "covariance over time": lambda: basket(
        plain(), covariance=ac.Covariance(np.linspace(1.0, 1.2, 5)[:, None, None] * SIGMA.to_numpy())
    ),
    "risk without a weight": lambda: basket(ac.TemporaryImpact() + ac.TimingRisk()),
    "two risks": lambda: basket(plain() + 1e-6 * ac.TimingRisk(SIGMA, name="more")),
    "tracking risk": lambda: basket(plain() + 1e-7 * ac.TrackingRisk(np.zeros((6, 3)))),
    "no impact": lambda: basket(ac.SpreadCost() + RISK),
    "jerk": lambda: basket(plain() + ac.Jerk("1 day")),
    "custom cost": lambda: basket(plain() + ac.CustomCost(lambda p: 1e-9 * p.trades[0, 0] ** 2)),
    "custom impact": lambda: basket(type("Own", (ac.TemporaryImpact,), {})() + RISK),
    "custom impact beside": lambda: basket(plain() + type("Own", (ac.TemporaryImpact,), {})()),
    "may be left, at no price": lambda: basket(plain(), ac.AllowUnfilled(50.0)).update(weights={"Unfilled": 0.0}),
    "may be left": lambda: basket(plain(), ac.AllowUnfilled(50.0)),
    "cap that binds": lambda: basket(plain(), ac.Participation(0.03)),
    "window that binds": lambda: basket(plain(), ac.NoTrade(during=(1.0, 2.0))),
    "custom rule that binds": lambda: basket(plain(), ac.CustomConstraint(lambda p: p.done("A") <= p.done("B"))),
    "spread on a hedge leg": lambda: basket(
        plain() + ac.SpreadCost(), order=ac.Order({"A": 1e6, "C": -2e4}) + ac.Order.hedge("B")
    ),
    "spread, and a drift that trades both ways": lambda: basket(
        plain() + ac.SpreadCost() + ac.Alpha(pd.Series([3.0, 0.0, 0.0], ASSETS))
    ),
}


@pytest.mark.parametrize("case", REDUCES)
def test_what_reduces_is_recognised_and_solved_to_the_closed_form(case: str) -> None:
    problem = REDUCES[case]()
    best = closed_form(problem)
    assert best is not None
    assert best.trades.shape == problem.setting.shape
    assert (best.remaining[-1] == 0).all()
    if problem.setting.size == 0:
        assert not best.trades.any()
        assert distance_from_closed_form(problem.evaluate(best.trades)) == 0.0
        return
    plan = problem.solve()
    distance = distance_from_closed_form(plan)
    assert distance is not None
    assert distance <= EXACT
    assert problem.evaluate(best.trades).objective == pytest.approx(plan.objective, rel=1e-12)


@pytest.mark.parametrize("case", DOES_NOT)
def test_what_does_not_reduce_is_left_alone(case: str) -> None:
    problem = DOES_NOT[case]()
    assert closed_form(problem) is None
    assert distance_from_closed_form(problem.evaluate(np.zeros(problem.setting.shape))) is None


@pytest.mark.parametrize("case", ["spread on a hedge leg", "spread, and a drift that trades both ways"])
def test_where_the_kink_matters_the_optimum_is_cheaper_than_the_closed_form(case: str) -> None:
    problem = DOES_NOT[case]()
    model, aversion = reduction(problem)
    assert aversion is not None
    smooth = problem.evaluate(model.optimum(aversion).trades)
    assert problem.solve().objective < smooth.objective * (1 - 1e-6)


def kappa_case(kappa_horizon: float, periods: int, side: float, shares: float) -> ac.ExecutionProblem:
    """One stock whose discrete kappa times T is the one wanted: cosh(kappa tau) = 1 + kappa~^2 tau^2 / 2."""
    horizon, sigma, eta, gamma = 2.0, 0.95, 2.5e-6, 2.5e-8
    tau = horizon / periods
    step = 2 * math.sinh(kappa_horizon / periods / 2) / tau
    aversion = (eta - gamma * tau / 2) * (step / sigma) ** 2
    market = ac.Market(ac.TimeGrid.uniform(horizon, periods), 50.0, covariance=sigma**2, spread=0.01)
    costs = ac.TemporaryImpact(eta) + ac.PermanentImpact(gamma) + ac.SpreadCost() + aversion * ac.TimingRisk()
    return ac.ExecutionProblem(ac.Order(side * shares), market, costs)


@pytest.mark.parametrize("side", [1.0, -1.0])
@pytest.mark.parametrize("shares", [1e2, 1e9])
@pytest.mark.parametrize("periods", [1, 2, 26, 390])
@pytest.mark.parametrize("kappa_horizon", [1e-4, 1e-2, 1.0, 1e2, 1e3])
def test_the_solver_is_at_the_closed_form(kappa_horizon: float, periods: int, shares: float, side: float) -> None:
    if kappa_horizon / periods > 100:
        kappa_horizon = 100.0 * periods  # beyond, lambda is no sensible double; one interval is a block anyway
    problem = kappa_case(kappa_horizon, periods, side, shares)
    best = closed_form(problem)
    assert best is not None
    times = np.linspace(0.0, 1.0, periods + 1)
    decay = np.exp(-kappa_horizon * times) * -np.expm1(-2 * kappa_horizon * (1 - times)) / -np.expm1(-2 * kappa_horizon)
    np.testing.assert_allclose(best.remaining[:, 0], side * shares * decay, atol=1e-11 * shares)
    distance = distance_from_closed_form(problem.solve())
    assert distance is not None
    assert distance <= EXACT


def test_the_published_optimum_is_the_closed_form() -> None:
    market = ac.Market(GRID, 50.0, covariance=0.95**2, spread=0.125, impact=ac.ImpactCoefficients(2.5e-6, 2.5e-7))
    costs = ac.TemporaryImpact() + ac.PermanentImpact() + ac.SpreadCost() + 1e-6 * ac.TimingRisk()
    best = closed_form(ac.ExecutionProblem(ac.Order(1e6), market, costs))
    assert best is not None
    expected = [541955.5544, 289854.2194, 147897.4878, 62141.8016]
    np.testing.assert_allclose(best.remaining[1:5, 0], expected, atol=5e-5)
    drifting = closed_form(ac.ExecutionProblem(ac.Order(1e6), market, costs + ac.Alpha(0.02)))
    assert drifting is not None
    expected = [546342.2873, 296084.1174, 154127.3858, 66528.5345]
    np.testing.assert_allclose(drifting.remaining[1:5, 0], expected, atol=5e-5)


def test_a_schedule_states_its_problem() -> None:
    problem = basket(plain())
    plan = problem.solve()
    of_plan, of_problem = closed_form(plan), closed_form(problem)
    assert of_plan is not None
    assert of_problem is not None
    np.testing.assert_array_equal(of_plan.trades, of_problem.trades)


def test_distance_is_relative_to_each_assets_order() -> None:
    problem = basket(plain())
    best = closed_form(problem)
    assert best is not None
    moved = best.trades.copy()
    moved[:2, 2] += [200.0, -200.0]  # 1% of C's 20,000 shares, held one interval too long
    assert distance_from_closed_form(problem.evaluate(moved)) == pytest.approx(0.01)


def test_distance_of_a_hedge_leg_is_relative_to_the_largest_order() -> None:
    problem = basket(plain(), order=ac.Order({"A": 1e6, "C": -2e4}) + ac.Order.hedge("B"))
    best = closed_form(problem)
    assert best is not None
    moved = best.trades.copy()
    moved[:2, list(problem.setting.assets).index("B")] += [1000.0, -1000.0]
    assert distance_from_closed_form(problem.evaluate(moved)) == pytest.approx(1e-3)


def test_distance_without_any_order_is_relative_to_the_closed_form() -> None:
    drift = pd.Series([0.02, 0.0, 0.0], ASSETS)
    problem = basket(plain() + ac.Alpha(drift), order=ac.Order(dict.fromkeys(ASSETS, 0.0)))
    best = closed_form(problem)
    assert best is not None
    assert best.trades.any()
    assert distance_from_closed_form(problem.evaluate(np.zeros((5, 3)))) == pytest.approx(1.0)


def test_reduction_says_why_not() -> None:
    with pytest.raises(DoesNotReduce, match="the half-spread of SpreadCost varies over time"):
        reduction(DOES_NOT["spread over time"]())
    with pytest.raises(DoesNotReduce, match="the drift of Alpha varies over time"):
        reduction(DOES_NOT["drift over time"]())

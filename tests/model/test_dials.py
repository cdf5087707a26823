"""Urgency dials: each hits its target, says what is out of reach, and means what it says."""

import numpy as np
import pandas as pd
import pytest
from builders import correlated
from scipy.optimize import minimize_scalar

import acopt as ac
from acopt.analytic.almgren_chriss import AlmgrenChriss
from acopt.model.dials import reference_aversion

NAMES = ["A", "B"]
DIALS = ("risk_price", "risk_bps", "cost_bps", "half_life", "finish", "pov")


def problem(order=(4000.0, -2500.0), rules=(), costs=(), risk=None, periods=12, volume=2e4):
    """Return two assets with everything, the risk without a weight."""
    grid = ac.TimeGrid.uniform(1.0, periods)
    smile = (1 + np.linspace(-1, 1, periods) ** 2)[:, None] * np.ones(2)
    market = ac.Market(
        grid,
        pd.Series([20.0, 45.0], NAMES),
        volume=pd.DataFrame(volume * smile / periods, grid.labels, NAMES) if volume else None,
        covariance=correlated([0.4, 0.7]),
        spread=ac.bps(2.0),
    )
    impact = ac.TemporaryImpact(pd.Series([2e-6, 5e-6], NAMES)) + ac.PermanentImpact(pd.Series([1e-6, 1e-6], NAMES))
    total = impact + ac.SpreadCost() + sum(costs) + (risk or ac.TimingRisk()) if costs else None
    total = total or impact + ac.SpreadCost() + (risk or ac.TimingRisk())
    return ac.ExecutionProblem(ac.Order(pd.Series(order, NAMES)), market, total, list(rules))


def read(plan, dial):
    """Read a dial off a schedule."""
    return getattr(plan.urgency, dial)


# ------------------------------------------------------------------ every dial, every side


@pytest.mark.parametrize("dial", DIALS)
@pytest.mark.parametrize("order", [(4000.0, -2500.0), (4000.0, 2500.0), (-4000.0, -2500.0)])
def test_every_dial_hits_its_target(dial, order):
    asked = problem(order, [ac.Participation(0.5), ac.Monotone()])
    for aversion in (1e-5, 4e-4):
        target = read(asked.solve_at("TimingRisk", aversion), dial)
        plan = asked.solve_for(**{dial: target})
        assert read(plan, dial) == pytest.approx(target, rel=1e-6)
        if dial != "pov":  # see the reading that turns back
            assert plan.urgency.risk_aversion == pytest.approx(aversion, rel=2e-2)
        assert plan.certificate.refined


@pytest.mark.parametrize("target", [0.1, 0.3, 1.0])
def test_a_risk_price_is_twice_lambda_times_the_deviation(target):
    plan = problem().solve_for(risk_price=target)
    assert 2 * plan.urgency.risk_aversion * plan.risk == pytest.approx(target, rel=1e-6)


@pytest.mark.parametrize("order", [(4000.0, -2500.0), (4000.0, 2500.0), (-4000.0, -2500.0)])
@pytest.mark.parametrize("z", [0.3, 1.645])
def test_a_risk_price_minimises_cost_plus_z_deviations(order, z):
    asked = problem(order, [ac.Participation(0.6)])
    plan = asked.solve_for(risk_price=z)

    def paid(log_aversion):
        other = asked.solve_at("TimingRisk", float(np.exp(log_aversion)))
        return other.expected_cost + z * other.risk

    centre = np.log(plan.urgency.risk_aversion)
    best = minimize_scalar(paid, bounds=(centre - 5, centre + 5), method="bounded", options={"xatol": 1e-6})
    assert plan.expected_cost + z * plan.risk <= best.fun * (1 + 1e-10)
    # Not only among optima: any other schedule pays more.
    rng = np.random.default_rng(0)
    cap = 0.6 * asked.market.volumes
    for _ in range(50):
        move = rng.normal(size=plan.path.trades.shape) * 30
        trades = np.clip(plan.path.trades + move - move.mean(axis=0), -cap, cap)
        other = asked.evaluate(trades)
        if not other.rules_broken and np.abs(other.path.remaining[-1]).max() < 1e-9:
            assert other.expected_cost + z * other.risk >= plan.expected_cost + z * plan.risk


@pytest.mark.parametrize("side", [1, -1])
def test_beyond_a_finite_price_the_block_trade_is_optimal(side):
    x, eta, sigma, n, horizon = 1e5, 2e-6, 0.8, 10, 1.0
    tau = horizon / n
    market = ac.Market(ac.TimeGrid.uniform(horizon, n), 50.0, covariance=sigma**2)
    asked = ac.ExecutionProblem(ac.Order(side * x), market, ac.TemporaryImpact(eta) + ac.TimingRisk())
    threshold = 2 * eta * x / (sigma * tau**1.5)
    below = asked.solve_for(risk_price=0.9 * threshold)
    above = asked.solve_for(risk_price=1.1 * threshold)
    assert below.urgency.risk_price == pytest.approx(0.9 * threshold, rel=1e-6)
    assert abs(below.path.trades[0, 0]) < 0.95 * x
    assert above.path.trades[:, 0] == pytest.approx(np.r_[-side * x, np.zeros(n - 1)], abs=1e-6 * x)
    model = AlmgrenChriss(side * x, horizon, n, sigma, eta)
    for z, plan in ((0.9 * threshold, below), (1.1 * threshold, above)):
        assert plan.expected_cost + z * plan.risk == pytest.approx(
            model.optimum_value_at_risk(z).value_at_risk(z), rel=1e-6
        )


def test_times_may_be_words():
    grid = ac.TimeGrid.session("2019-02-15", "15min", start="09:45", end="15:45")
    volume = np.full(grid.periods, 1e5)
    market = ac.Market(grid, 50.0, volume=volume, covariance=1.0)
    asked = ac.ExecutionProblem(ac.Order(1e5), market, ac.TemporaryImpact(1e-6) + ac.TimingRisk())
    plan = asked.solve_for(half_life="1h")
    assert plan.urgency.half_life == pytest.approx(grid.duration("1h"), rel=1e-6)


# ------------------------------------------------------------------ what is out of reach


@pytest.mark.parametrize(
    ("dial", "targets"),
    [
        ("risk_bps", (1e-3, 1e4)),
        ("cost_bps", (-5.0, 1e5)),
        ("half_life", (1e-3, 0.9)),
        ("finish", (0.01, 1.5)),
        ("pov", (0.01, 0.99)),
    ],
)
def test_what_is_out_of_reach_raises_with_the_range(dial, targets):
    asked = problem(rules=[ac.Participation(0.5), ac.Monotone()])
    least, most = (read(asked.solve_at("TimingRisk", w), dial) for w in (0.0, 1e4))
    low, high = sorted((least, most))
    for target in targets:
        with pytest.raises(ac.ModelError, match=f"{dial}=.* is out of reach") as caught:
            asked.solve_for(**{dial: target})
        first, last = (float(side.split()[0]) for side in str(caught.value).split("reach ")[1].split(" to "))
        # Average participation dips a little before it rises.
        assert first == pytest.approx(low, rel=1e-2 if dial == "pov" else 1e-3)
        assert last == pytest.approx(high, rel=1e-3)


def test_the_ends_of_a_range_are_reached():
    asked = problem(rules=[ac.Participation(0.5), ac.Monotone()])
    patient = asked.solve_at("TimingRisk", 0.0)
    plan = asked.solve_for(cost_bps=patient.urgency.cost_bps)
    assert plan.urgency.cost_bps == pytest.approx(patient.urgency.cost_bps, rel=1e-6)


# ------------------------------------------------------------------ which risk is turned


def test_tracking_risk_can_be_turned():
    periods = 12
    left = 1 - np.arange(periods + 1) ** 2 / periods**2
    benchmark = pd.DataFrame(np.outer(left, [4000.0, -2500.0]), ac.TimeGrid.uniform(1.0, periods).edge_labels, NAMES)
    asked = problem(risk=ac.TrackingRisk(benchmark))
    loose, tight = asked.solve_for(risk_price=0.02), asked.solve_for(risk_price=0.08)
    for plan, price in ((loose, 0.02), (tight, 0.08)):
        aversion = next(t.weight for t in plan.pricing.terms if t.cost.name == "TrackingRisk")
        assert 2 * aversion * np.sqrt(plan.term_values["TrackingRisk"]) == pytest.approx(price, rel=1e-6)
    # At a finite price nothing but the benchmark itself is worth its risk.
    exact = asked.solve_for(risk_price=0.5)
    away = [np.abs(plan.path.remaining - benchmark.to_numpy()).max() for plan in (loose, tight, exact)]
    assert away[0] > away[1] > 1
    assert away[2] < 1e-3


def test_a_reading_that_turns_back_is_found_on_both_sides():
    """Average participation falls before it rises: the smile of volume is met half way."""
    asked = problem(rules=[ac.Participation(0.5), ac.Monotone()])
    ends = [asked.solve_at("TimingRisk", w).urgency.pov for w in (0.0, 1e-5)]
    assert ends[1] < ends[0] * 0.999
    assert asked.solve_for(pov=ends[1]).urgency.pov == pytest.approx(ends[1], rel=1e-6)


def test_with_two_risks_one_is_named():
    benchmark = np.outer(np.linspace(1, 0, 13), [4000.0, -2500.0])
    asked = problem(risk=ac.TimingRisk() + ac.TrackingRisk(benchmark))
    with pytest.raises(ac.ModelError, match=r"several risk terms.*term='TimingRisk'"):
        asked.solve_for(risk_price=0.3)
    both = problem(risk=1e-5 * ac.TrackingRisk(benchmark) + ac.TimingRisk())
    plan = both.solve_for(risk_price=0.3)
    aversion = next(t.weight for t in plan.pricing.terms if t.cost.name == "TimingRisk")
    assert 2 * aversion * np.sqrt(plan.term_values["TimingRisk"]) == pytest.approx(0.3, rel=1e-6)
    with pytest.raises(ac.ModelError, match="not an unweighted risk term"):
        both.solve_for(risk_price=0.3, term="TrackingRisk")


def test_without_a_risk_to_turn_it_raises():
    with pytest.raises(ac.ModelError, match="its weight is set already"):
        problem(risk=1e-5 * ac.TimingRisk()).solve_for(risk_price=0.3)


@pytest.mark.parametrize(
    ("dials", "error"),
    [
        ({}, ac.ModelError),
        ({"risk_price": 0.3, "pov": 0.1}, ac.ModelError),
        ({"speed": 1.0}, ac.ModelError),
        ({"risk_price": -1.0}, ac.DataError),
        ({"risk_price": "fast"}, ac.DataError),
        ({"risk_bps": np.nan}, ac.DataError),
        ({"half_life": 0.0}, ac.DataError),
        ({"pov": np.inf}, ac.DataError),
    ],
)
def test_dials_that_mean_nothing_raise(dials, error):
    with pytest.raises(error, match="solve_for"):
        problem().solve_for(**dials)


def test_pov_needs_volume():
    with pytest.raises(ac.ModelError, match="volume"):
        problem(volume=None).solve_for(pov=0.1)


# ------------------------------------------------------------------ edges


def test_a_zero_order_is_answered_by_doing_nothing():
    for dial in DIALS:
        plan = problem((0.0, 0.0)).solve_for(**{dial: 0.3})
        assert not plan.path.trades.any()


def test_a_search_leaves_the_problem_as_it_was():
    asked = problem()
    before = asked.solve_at("TimingRisk", 1e-4)
    asked.solve_for(risk_price=0.7)
    with pytest.raises(ac.ModelError):
        asked.solve_for(pov=0.999)
    again = asked.solve_at("TimingRisk", 1e-4)
    assert np.abs(again.path.trades - before.path.trades).max() <= 1e-7 * 4000
    assert [t.weight for t in asked.objective.terms] == [None] * len(asked.objective.terms)


def test_a_solved_dial_is_a_plan_of_the_reported_aversion():
    plan = problem().solve_for(cost_bps=14.0)
    fixed = problem(risk=plan.urgency.risk_aversion * ac.TimingRisk()).solve()
    assert np.abs(fixed.path.trades - plan.path.trades).max() <= 1e-7 * 4000


class TestWithoutRisk:
    """Where TWAP, or every schedule, has no risk, a reference in its risk would be rounding."""

    def test_a_benchmark_that_is_twap(self):
        path = 1e5 * (1 - np.arange(14) / 13)[:, None]
        market = ac.Market(ac.TimeGrid.uniform(1.0, 13), 50.0, covariance=1.0)
        asked = ac.ExecutionProblem(ac.Order(1e5), market, ac.TemporaryImpact(1e-6) + ac.TrackingRisk(path))
        np.testing.assert_allclose(asked.solve_for(risk_price=0.2).path.trades, -1e5 / 13, rtol=1e-6)

    def test_a_pair_that_hedges_itself(self):
        names = ["A", "B"]
        market = ac.Market(
            ac.TimeGrid.uniform(1.0, 4), pd.Series(50.0, names), covariance=pd.DataFrame(1.0, names, names)
        )
        order = ac.Order.sell({"A": 1e5}) + ac.Order.buy({"B": 1e5})
        asked = ac.ExecutionProblem(order, market, ac.TemporaryImpact(pd.Series(1e-6, names)) + ac.TimingRisk())
        np.testing.assert_allclose(np.abs(asked.solve_for(risk_price=0.3).path.trades), 25_000.0, rtol=1e-6)

    @pytest.mark.parametrize("price", [1.0, 10.0, 1e2])
    def test_beyond_the_price_of_a_block_trade_nothing_is_dearer_than_the_block(self, price):
        grid = ac.TimeGrid.uniform(1.0, 10)
        market = ac.Market(grid, 50.0, volume=1e6, covariance=1.0, impact=ac.LinearImpact(10.0))
        asked = ac.ExecutionProblem(ac.Order(1e5), market, ac.TemporaryImpact() + ac.TimingRisk())
        plan = asked.solve_for(risk_price=price)
        block = asked.evaluate(np.vstack([[[-1e5]], np.zeros((9, 1))])).expected_cost
        assert plan.expected_cost + price * plan.risk <= block * (1 + 2e-6)


def test_a_finish_may_be_a_time_of_day():
    grid = ac.TimeGrid.session("2019-02-15", "30min")
    market = ac.Market(grid, 50.0, volume=1e6, covariance=1.0, impact=ac.LinearImpact(10.0))
    asked = ac.ExecutionProblem(ac.Order(1e6), market, ac.TemporaryImpact() + ac.TimingRisk())
    assert asked.solve_for(finish="14:00").urgency.finish == pytest.approx(4.5 / 6.5, rel=1e-6)
    with pytest.raises(ac.DataError, match="neither a time of day"):
        asked.solve_for(finish="at 14:00")


# ------------------------------------------------------------------ targets off the beaten track


def day(grid, *rules, risk=None, **market):
    """One seller on a session with volumes that smile."""
    smile = 1e5 * (1 + np.linspace(-1, 1, grid.periods) ** 2)
    volume = pd.Series(np.where(grid.closed, 0.0, smile), grid.labels)
    facts = ac.Market(grid, 100.0, volume=volume, covariance=4.0, impact=ac.LinearImpact(10), **market)
    return ac.ExecutionProblem(ac.Order(1e5), facts, ac.TemporaryImpact() + (risk or ac.TimingRisk()), list(rules))


@pytest.mark.parametrize("options", [{}, {"auctions": True}, {"calendar": "XTKS", "lunch": 0.05}])
def test_a_time_of_day_is_that_of_the_clock(options):
    """A break takes more of the clock than of the grid's time, a cross none of it."""
    problem = day(ac.TimeGrid.session("2019-05-14", "30min", **options))
    plan = problem.solve_for(finish="13:00")
    (finish,) = ac.compare(problem, [plan])["finish"]
    assert finish.strftime("%H:%M:%S") == "13:00:00"
    with pytest.raises(ac.DataError, match="'20:00' is outside the grid, which runs from"):
        problem.solve_for(finish="20:00")


@pytest.mark.parametrize("dial", [{"half_life": "200min"}, {"finish": "120min"}])
def test_times_that_some_schedules_never_reach(dial):
    """With orders that may stay unfilled, half of it is not always done."""
    problem = day(ac.TimeGrid.session("2019-05-14", "30min"), ac.AllowUnfilled(2.0))
    ((name, text),) = dial.items()
    assert getattr(problem.solve_for(**dial).urgency, name) == pytest.approx(float(text[:-3]) / 390, rel=1e-6)


@pytest.mark.parametrize("benchmark", [ac.Close(), ac.TWAP("12:30", None)])
def test_more_aversion_may_mean_later_trades(benchmark):
    problem = day(ac.TimeGrid.session("2019-05-14", "30min"), risk=ac.TrackingRisk(benchmark))
    target = problem.solve_at("TrackingRisk", 3e-7).urgency.half_life
    assert problem.solve_for(half_life=target).urgency.half_life == pytest.approx(target, rel=1e-6)


def test_a_small_price_of_tracking_is_not_overpaid():
    grid = ac.TimeGrid.session("2019-05-14", "30min", auctions=True)
    volume = pd.Series(np.r_[5e4, 1e5 * (1 + np.linspace(-1, 1, 13) ** 2), 1e5], grid.labels)
    market = ac.Market(grid, 100.0, volume=volume, covariance=4.0, spread=0.02, impact=ac.LinearImpact(10))
    costs = ac.TemporaryImpact() + ac.SpreadCost() + ac.TrackingRisk(ac.VWAP())
    plan = ac.ExecutionProblem(ac.Order(1e5), market, costs).solve_for(risk_price=1e-5)
    assert plan.urgency.risk_price == pytest.approx(1e-5, rel=1e-5)


def test_an_aversion_too_large_to_certify_is_stepped_back_from(monkeypatch):
    problem = day(ac.TimeGrid.session("2019-05-14", "30min"))
    solve, asked = ac.ExecutionProblem.solve_at, []

    def at(self, term, weight):
        asked.append(weight)
        if weight > 1e9 * reference_aversion(problem, "TimingRisk"):
            raise ac.SolverError("beyond the arithmetic")
        return solve(self, term, weight)

    monkeypatch.setattr(ac.ExecutionProblem, "solve_at", at)
    frontier = problem.frontier(3)
    assert len(frontier.plans) == 3
    assert max(asked) > 1e9 * reference_aversion(problem, "TimingRisk")

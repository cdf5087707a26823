"""Riccati policies on simulated days: published digits, the analytic feedback and its value, bounds that cut off."""

from __future__ import annotations

import numpy as np
import pytest
from watched_days import LAMBDA, UNEVEN, Watched, basket, objective, sell_or_buy, simulated, stock

import acopt as ac
from acopt.adaptive.feedback import Clipped, RiccatiPolicy, linear_quadratic
from acopt.adaptive.policies import StaticPolicy
from acopt.adaptive.prices import ArithmeticBrownian, OrnsteinUhlenbeck, RevertingDrift, SerialCorrelation
from acopt.adaptive.simulation import SimulatedMarket, simulate
from acopt.analytic.mean_reversion import reverting_covariance, reverting_price, reverting_signal
from acopt.errors import DataError, InfeasibleError, ModelError

ROUNDING = 1e-11  # of the largest order: two recursions
STANDARD_ERRORS = 3.0


# ------------------------------------------------------------------------------------------- against closed forms


@pytest.mark.parametrize("side", [1, -1])
def test_a_certain_signal_gives_the_digits_of_section_9(side):
    market = ac.Market(
        ac.TimeGrid.uniform(5.0, 5), 50.0, covariance=0.95**2, impact=ac.ImpactCoefficients(eta=2.5e-6, gamma=2.5e-7)
    )
    costs = ac.TemporaryImpact() + ac.PermanentImpact() + 1e-6 * ac.TimingRisk()
    problem = ac.ExecutionProblem(sell_or_buy({"asset": side * 1e6}), market, costs)
    found = simulated(RiccatiPolicy(problem), problem, RevertingDrift(0.5, start=side * 0.10), 3).average_trades
    held = side * 1e6 + found["asset"].cumsum().to_numpy()
    wanted = [554977.901488, 304280.275424, 159160.681661, 68427.440360, 0]
    np.testing.assert_allclose(side * held, wanted, atol=5e-6, rtol=0)


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("law", ["price", "signal", "serial"])
def test_it_is_the_analytic_feedback(side, law):
    """The forecast's recursion against the signal's, in every state of the simulation."""
    problem = stock(side)
    tau = np.diff(UNEVEN)
    deviations = np.sqrt(tau) * 0.8 * problem.market.risk.scale[:, 0]
    along = 0.4 * deviations / np.concatenate([[np.inf], deviations[:-1]])
    prices, gain, decay = {
        "price": (OrnsteinUhlenbeck(3.0, mean=40.3), *reverting_price(3.0, tau)),
        "signal": (RevertingDrift(2.0, 1.5, start=0.4), *reverting_signal(2.0, tau)),
        "serial": (SerialCorrelation(0.4), along, np.append(along[1:], 0.0)),
    }[law]
    if law == "serial":
        decay = gain  # the signal is the last change, and the next one is what it forecasts
    policy = RiccatiPolicy(problem)
    feedback = policy.model.feedback(gain, decay)
    compared = []

    def check(state, decided):
        wanted = feedback.trade(state.interval, state.remaining, state.signal)
        np.testing.assert_allclose(decided, wanted, atol=ROUNDING * 1e5, rtol=0)
        compared.append(np.ptp(decided))

    simulated(Watched(policy, check), problem, prices)
    assert len(compared) == 6
    assert max(compared) > 1e3  # days differ


@pytest.mark.parametrize("sides", [(1, -1, 0), (-1, -1, 0)])
def test_a_basket_is_the_analytic_feedback(sides):
    problem, tau = basket(sides), np.diff(UNEVEN)
    policy = RiccatiPolicy(problem)
    gain, decay = reverting_price(3.0, tau)
    feedback = policy.model.feedback(*(each[:, None] * np.ones(3) for each in (gain, decay)))

    def check(state, decided):
        wanted = feedback.trade(state.interval, state.remaining, state.signal)
        np.testing.assert_allclose(decided, wanted, atol=ROUNDING * 1e5, rtol=0)

    watched = Watched(policy, check)
    simulated(watched, problem, OrnsteinUhlenbeck(3.0))
    assert np.ptp(watched.trades[:, :, 2]) > 1e3  # without an order, a view is still worth trades


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("law", ["price", "signal"])
def test_days_cost_what_the_recursion_says(side, law):
    """Mean of cost and running risk against V_0, noise included: 20,000 days, three standard errors."""
    problem, tau = stock(side), np.diff(UNEVEN)
    if law == "price":
        prices, rule = OrnsteinUhlenbeck(3.0, mean=40.2), reverting_price(3.0, tau)
        scale = 0.8 * problem.market.risk.scale[:, 0]
        start, noise = 0.2, scale**2 * -np.expm1(-6.0 * tau) / 6.0
    else:
        prices, rule = RevertingDrift(2.0, 1.5, start=0.4), reverting_signal(2.0, tau)
        start, noise = 0.4, 1.5**2 * -np.expm1(-4.0 * tau) / 4.0
    policy = RiccatiPolicy(problem)
    watched = Watched(policy)
    result = simulated(watched, problem, prices, 20_000)
    days = objective(problem, result, watched.trades)
    fixed = 0.5 * 2e-7 * 1e10
    wanted = fixed + policy.model.feedback(*rule).value([side * 1e5], [start], noise)
    error = days.std(ddof=1) / np.sqrt(len(days))
    assert abs(days.mean() - wanted) < STANDARD_ERRORS * error
    # What answering is worth is a hundred times what the estimate is uncertain about.
    static = Watched(StaticPolicy(np.diff(policy.model.optimum([side * 1e5]), axis=0)))
    rigid = objective(problem, simulated(static, problem, prices, 20_000), static.trades)
    better = rigid - days
    assert better.mean() > 10 * better.std(ddof=1) / np.sqrt(len(better))


@pytest.mark.parametrize("edges", [UNEVEN, np.linspace(0, 1, 14)])
def test_a_fixed_schedule_at_reverting_prices_has_less_variance(edges):
    """u' Cov u of section 9, not sigma^2 sum tau x^2."""
    problem = ac.ExecutionProblem(
        ac.Order(1e5), ac.Market(ac.TimeGrid(edges), 40.0, covariance=0.8**2), LAMBDA * ac.TimingRisk()
    )
    plan = problem.evaluate(StaticPolicy("twap").trades(problem.setting))
    market = SimulatedMarket(problem.market, prices=OrnsteinUhlenbeck(4.0))
    found = simulate(StaticPolicy("twap"), problem.order, market, 40_000, 5).variance(unit="currency")
    trades = plan.path.trades[:, 0]
    wanted = trades @ reverting_covariance(4.0, 0.8, edges[:-1]) @ trades
    assert found == pytest.approx(wanted, rel=STANDARD_ERRORS * np.sqrt(2 / 40_000))
    assert wanted < 0.6 * plan.variance


@pytest.mark.parametrize("side", [1, -1])
def test_above_the_mean_sales_are_faster_and_purchases_slower(side):
    problem = stock(side)
    policy = RiccatiPolicy(problem)
    seen = []

    def check(state, decided):
        if state.interval == state.setting.shape[0] - 1:
            return
        extra = decided - policy.model.trade(state.interval, state.remaining)
        above = state.price - 40.0
        assert (extra[above > 0] < 0).all()
        assert (extra[above < 0] > 0).all()
        seen.append((above > 0).mean())

    simulated(Watched(policy, check), problem, OrnsteinUhlenbeck(3.0))
    assert 0.2 < seen[-1] < 0.8


def test_without_a_forecast_it_is_the_plan():
    for problem in (stock(1), stock(-1), basket()):
        found = simulated(RiccatiPolicy(problem), problem, ArithmeticBrownian(), 4).average_trades
        plan = problem.solve()
        np.testing.assert_allclose(found, plan.trades, atol=1e-7 * 1e5, rtol=0)


def test_closed_intervals_and_weights():
    """No volume in one interval; the costs' weights count, and the forecast's as the weight of Alpha."""
    edges = np.linspace(0, 1, 7)
    volume = np.array([2e5, 2e5, 0.0, 2e5, 2e5, 0.0])
    problem = stock(1, edges=edges, cap_volume=volume)
    watched = Watched(RiccatiPolicy(problem))
    simulated(watched, problem, OrnsteinUhlenbeck(3.0))
    assert not watched.trades[:, [2, 5]].any()
    assert np.ptp(watched.trades[:, 3]) > 1e3
    open_ = stock(1)
    costs = 2.0 * ac.TemporaryImpact() + 2.0 * ac.PermanentImpact() + 2.0 * LAMBDA * ac.TimingRisk()
    doubled = ac.ExecutionProblem(open_.order, open_.market, costs + 2.0 * ac.Alpha(0.3))
    one, two = (Watched(RiccatiPolicy(p)) for p in (open_, doubled))
    for each in (one, two):
        simulated(each, open_, OrnsteinUhlenbeck(3.0))
    np.testing.assert_allclose(one.trades, two.trades, atol=ROUNDING * 1e5, rtol=0)
    deaf = Watched(RiccatiPolicy(ac.ExecutionProblem(open_.order, open_.market, open_.objective + 0.0 * ac.Alpha(0.0))))
    simulated(deaf, open_, OrnsteinUhlenbeck(3.0))
    assert np.ptp(deaf.trades, axis=0).max() < 1e-9


# ------------------------------------------------------------------------------------------------------- clipped


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("rules", [(ac.Participation(0.18),), (ac.Participation(0.3), ac.Monotone()), ()])
def test_clipped_keeps_the_bounds_and_finishes(side, rules):
    problem = stock(side, rules=rules)
    inner, cap = RiccatiPolicy(problem), problem.market.volumes * (rules[0].maximum if rules else np.inf)
    clipped = 0

    def check(state, decided):
        nonlocal clipped
        k, slack = state.interval, 1e-9 * 1e5
        assert (np.abs(decided) <= cap[k] + slack).all()
        after = state.remaining + decided
        assert (np.abs(after) <= cap[k + 1 :].sum() + slack).all()
        if len(rules) > 1:
            assert (side * decided <= slack).all()
            assert (side * after >= -slack).all()
        clipped += int((np.abs(decided - inner.decide(state)) > slack).sum())

    watched = Watched(Clipped(inner, problem), check)
    simulated(watched, problem, OrnsteinUhlenbeck(3.0))
    assert bool(rules) == (clipped > 0)
    np.testing.assert_allclose(watched.trades.sum(axis=1), -side * 1e5)
    if len(rules) == 1:
        other = Watched(Clipped(inner, 0.18))
        simulated(other, problem, OrnsteinUhlenbeck(3.0))
        np.testing.assert_array_equal(other.trades, watched.trades)


def test_clipped_trades_are_the_nearest_that_leave_a_way_out():
    """Against every trade on a fine list, for random states of a market of three intervals."""
    base, rule = stock(1, edges=np.linspace(0, 1, 4)), ac.TradeSize([-50.0, -30.0, -40.0], [10.0, 0.0, 5.0])
    problem = ac.ExecutionProblem(sell_or_buy({"asset": 100.0}), base.market, base.objective, [rule])

    def check(state, decided):
        k = state.interval
        if k == 2:
            np.testing.assert_allclose(decided, -state.remaining, atol=1e-9)
            return
        low, high = np.array([-50.0, -30.0, -40.0]), np.array([10.0, 0.0, 5.0])
        wanted = inner.decide(state)[:, 0]
        for x, want, found in zip(state.remaining[:, 0], wanted, decided[:, 0], strict=True):
            trades = np.linspace(low[k], high[k], 100_001)
            rest = -(x + trades)
            fits = (rest >= low[k + 1 :].sum() - 1e-9) & (rest <= high[k + 1 :].sum() + 1e-9)
            best = np.abs(trades[fits] - want).min()
            assert abs(found - want) == pytest.approx(best, abs=(high[k] - low[k]) / 50_000)

    inner = Noise()
    simulated(Watched(Clipped(inner, problem), check), problem, ArithmeticBrownian(), 30)


class Noise:
    """Wants anything."""

    overshoots = True

    def decide(self, state):
        return np.random.default_rng(state.interval).normal(-30, 40, state.remaining.shape)


@pytest.mark.parametrize("side", [1, -1])
def test_what_does_not_fit_is_refused(side):
    problem = stock(side)
    with pytest.raises(
        InfeasibleError, match=r"clipped, interval 0.0: .*100,000 shares of asset are left .*from -.* to"
    ):
        simulated(Clipped(RiccatiPolicy(problem), 0.05), problem, ArithmeticBrownian())
    spent = StaticPolicy(np.array([[-side * 2e5], *[[0.0]] * 5]))
    found = simulated(Clipped(spent, 0.3), problem, ArithmeticBrownian(), 2).average_trades
    assert found["asset"].sum() == pytest.approx(-side * 1e5)  # a plan that gives up is finished all the same


# ------------------------------------------------------------------------------------------------------ refusals


def test_costs_that_have_no_closed_form_are_named():
    problem = stock()
    for cost, name in ((ac.SpreadCost(0.01), "SpreadCost"), (ac.PowerImpact(1e-3, 0.5), "PowerImpact")):
        with pytest.raises(ModelError, match=f"{name} cannot be answered in closed form; accepted are TemporaryImpact"):
            RiccatiPolicy(ac.ExecutionProblem(problem.order, problem.market, problem.objective + cost))
    unweighted = ac.ExecutionProblem(problem.order, problem.market, ac.TemporaryImpact() + ac.TimingRisk())
    with pytest.raises(ModelError, match="TimingRisk has no weight"):
        RiccatiPolicy(unweighted)
    unfilled = ac.ExecutionProblem(problem.order, problem.market, problem.objective, [ac.AllowUnfilled(5.0)])
    with pytest.raises(ModelError, match="the order must be finished, and AllowUnfilled is among the rules"):
        RiccatiPolicy(unfilled)
    with pytest.raises(DataError, match="impact and risk must be positive definite together"):
        linear_quadratic(ac.ExecutionProblem(problem.order, problem.market, 0.0 * ac.TemporaryImpact()))


def test_rules_that_cannot_be_clipped_are_named():
    problem = basket()
    neutral = ac.ExecutionProblem(problem.order, problem.market, problem.objective, [ac.DollarNeutral(0.6)])
    with pytest.raises(ModelError, match="DollarNeutral cannot be kept by cutting off single trades"):
        Clipped(RiccatiPolicy(neutral), neutral)
    with pytest.raises(DataError, match="object with decide"):
        Clipped(RiccatiPolicy, 0.1)
    with pytest.raises(DataError, match="RiccatiPolicy problem"):
        RiccatiPolicy(problem.order)


def test_another_grid_or_basket_is_refused():
    policy, other = RiccatiPolicy(stock()), stock(edges=np.linspace(0, 1, 7))
    with pytest.raises(ModelError, match="the grid differs from its problem's"):
        simulated(policy, other, ArithmeticBrownian())
    with pytest.raises(ModelError, match="its problem's assets are asset, asked for are A, B, C"):
        simulated(policy, basket(), ArithmeticBrownian())


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), [1.0, -2.0], "fast"])
def test_reversion_that_is_not_positive_is_refused(rate):
    for prices in (OrnsteinUhlenbeck, RevertingDrift):
        with pytest.raises(DataError, match=f"{prices.__name__} rate( is|='fast': a number is)"):
            prices(rate)


def test_names_and_words():
    policy_problem = stock()
    policy = RiccatiPolicy(policy_problem, name="feedback")
    assert Clipped(policy, 0.2).name == "feedback, clipped"
    assert repr(policy) == "RiccatiPolicy('feedback')"
    ruled = ac.ExecutionProblem(
        policy_problem.order,
        policy_problem.market,
        policy_problem.objective,
        [ac.Participation(0.2), ac.Complete(), ac.Monotone()],
    )
    assert repr(RiccatiPolicy(ruled)) == "RiccatiPolicy('RiccatiPolicy', ignores Participation, Monotone)"
    assert RiccatiPolicy(ruled).ignored == ("Participation", "Monotone")
    assert repr(Clipped(policy, 0.2)) == "Clipped(RiccatiPolicy('feedback'), Participation)"

"""Simulated days: moments of static schedules, common days, nothing of the future, decisions that are refused."""

import gc
import types

import builders
import numpy as np
import pandas as pd
import pytest
import simulated
from simulated import Decides

import acopt as ac
from acopt.adaptive.policies import StaticPolicy
from acopt.adaptive.prices import ArithmeticBrownian, Drawn, OrnsteinUhlenbeck, RevertingDrift, SerialCorrelation
from acopt.adaptive.simulation import SimulatedMarket, draw_days, simulate
from acopt.adaptive.volumes import StochasticVolatility, StochasticVolume

FULL, SOME = 200_000, 40_000
EXACT = 1e-12
BENCHMARKS = {"twap": ac.TWAP(), "vwap": ac.VWAP(), "close": ac.Close()}
MONEY = ac.TemporaryImpact() + ac.PermanentImpact() + ac.SpreadCost()


def by_interval(grid):
    wave = 1.0 + 0.5 * np.cos(np.arange(grid.periods))
    return ac.Covariance(builders.correlated([0.4, 8.0, 1.1]), scale=pd.Series(wave, index=grid.labels))


def factors(grid):
    loadings = pd.DataFrame({"m": [0.3, 6.0, 0.9], "s": [0.1, -2.0, 0.4]}, index=list("ABC"))
    wave = 1.0 + 0.3 * np.sin(np.arange(grid.periods))
    return ac.FactorModel(
        loadings, [[1.0, 0.2], [0.2, 0.5]], {"A": 0.02, "B": 5.0, "C": 0.3}, scale=pd.Series(wave, index=grid.labels)
    )


CASES = {
    "one asset": ("sell one", "even", None, FULL),
    "a basket": ("both sides", "uneven", factors, FULL),
    "a purchase on an uneven grid": ("buy one", "uneven", None, SOME),
    "a night, covariance by interval": ("sell many", "a night", by_interval, SOME),
    "purchases, auctions": ("buy many", "auctions", by_interval, SOME),
    "both sides, auctions, factors": ("both sides", "auctions and a night", factors, SOME),
}


def case(name):
    """Return order, market, a schedule of both signs priced against every benchmark, and the number of days."""
    kind, grid, covariance, paths = CASES[name]
    order, grid = builders.order(kind), simulated.GRIDS[grid]
    facts = {} if covariance is None else {"covariance": covariance(grid)}
    market = builders.market(grid, **facts)
    risks = [1e-9 * ac.TrackingRisk(benchmark, name=key) for key, benchmark in BENCHMARKS.items()]
    problem = ac.ExecutionProblem(order, market, sum(risks, MONEY))
    return order, market, problem.evaluate(simulated.completing(problem.setting, seed=8)), paths


def capture(order, market, n_paths=6, seed=3, policy=None):
    """Run a policy, TWAP by default, and return every state that it saw, and the result."""
    states, inner = [], policy or StaticPolicy("twap")

    def decide(state):
        states.append(state)
        return inner.decide(state)

    return states, simulate(Decides(decide, overshoots=True), order, market, n_paths, seed)


class TestStaticSchedules:
    @pytest.mark.parametrize("name", CASES)
    def test_simulated_moments_are_those_of_the_schedule(self, name):
        order, market, plan, paths = case(name)
        result = simulate(StaticPolicy(plan), order, market, paths, seed=17)
        np.testing.assert_allclose(result.impact, plan.expected_cost, rtol=1e-11)
        error = result.std_error(unit="currency")
        assert abs(result.mean(unit="currency") - plan.expected_cost) < simulated.ERRORS * error
        exact = {"arrival": plan.variance, **{key: plan.term_values[key] for key in BENCHMARKS}}
        for against, variance in exact.items():
            found = result.variance(against, "currency")
            assert abs(found / variance - 1.0) < simulated.ERRORS * np.sqrt(2.0 / paths), against

    @pytest.mark.parametrize(
        ("aversion", "cost", "variance"),
        [(2e-6, 1140715.1670, 2.019313e11), (1e-6, 911226.9863, 3.641286e11), (0.0, 662500.0, 1.083e12)],
    )
    def test_the_published_stock(self, aversion, cost, variance):
        """Almgren & Chriss (2000), section 4: 1,000,000 shares over five days."""
        market = ac.Market(ac.TimeGrid.uniform(5.0, 5), 50.0, covariance=0.95**2)
        costs = ac.TemporaryImpact(2.5e-6) + ac.PermanentImpact(2.5e-7) + ac.SpreadCost(0.0625)
        order = ac.Order.sell(1e6)
        plan = ac.ExecutionProblem(order, market, costs + aversion * ac.TimingRisk()).solve()
        result = simulate(StaticPolicy(plan), order, SimulatedMarket(market, costs=costs), FULL, seed=23)
        assert abs(result.mean(unit="currency") - cost) < simulated.ERRORS * result.std_error(unit="currency")
        assert abs(result.variance(unit="currency") / variance - 1.0) < simulated.ERRORS * np.sqrt(2.0 / FULL)

    def test_a_sale_and_the_same_purchase_differ_by_prices_alone(self):
        market = SimulatedMarket(builders.market(simulated.NIGHT), volume=StochasticVolume(0.4))
        sale = builders.order("both sides")
        purchase = ac.Order(sale.target, sale.initial)
        trades = simulated.completing(market.setting(sale), seed=5)
        sold, bought = (
            simulate(StaticPolicy(u), order, market, 200, seed=3) for u, order in ((trades, sale), (-trades, purchase))
        )
        for against in ("arrival", "twap", "vwap", "close"):
            both = sold.slippage(against, "currency") + bought.slippage(against, "currency")
            np.testing.assert_allclose(both, sold.impact + bought.impact, rtol=1e-9, atol=1e-9)

    def test_an_optimal_schedule(self):
        order, market = builders.order("sell many"), builders.market(simulated.DAY)
        plan = ac.ExecutionProblem(order, market, MONEY + ac.TimingRisk()).solve_for(risk_price=0.5)
        result = simulate(StaticPolicy(plan), order, market, SOME, seed=5)
        assert abs(result.mean() - plan.bps(plan.expected_cost)) < simulated.ERRORS * result.std_error()
        assert abs(result.std() / plan.bps(plan.risk) - 1.0) < simulated.ERRORS * np.sqrt(0.5 / SOME)

    def test_the_power_law_itself(self):
        order, market = builders.order("both sides"), builders.market(simulated.DAY, impact=ac.AlmgrenEtAl2005())
        costs = ac.PowerImpact() + ac.SpreadCost()
        plan = ac.ExecutionProblem(order, market, costs + 1e-7 * ac.TimingRisk()).solve()
        result = simulate(StaticPolicy(plan), order, SimulatedMarket(market, costs=costs), 50, seed=5)
        np.testing.assert_allclose(result.impact, plan.expected_cost, rtol=1e-9)

    def test_a_drift_costs_what_alpha_says(self):
        order, market = builders.order("both sides"), builders.market(simulated.DAY)
        drift = pd.Series({"A": -0.6, "B": 9.0, "C": 1.0})
        plan = ac.ExecutionProblem(order, market, MONEY + ac.Alpha(drift) + 1e-7 * ac.TimingRisk()).solve()
        drifting = SimulatedMarket(market, prices=ArithmeticBrownian(drift=drift))
        result = simulate(StaticPolicy(plan), order, drifting, SOME, seed=5)
        error = result.std_error(unit="currency")
        assert abs(result.mean(unit="currency") - plan.expected_cost) < simulated.ERRORS * error
        assert abs(plan.term_values["Alpha"]) > 20 * error

    @pytest.mark.parametrize("grid", ["even", "uneven", "a night"])
    def test_a_price_that_reverts_by_the_formula_of_its_covariance(self, grid):
        order, market = builders.order("buy one"), builders.market(simulated.GRIDS[grid])
        rate = 3.0
        reverting = SimulatedMarket(market, prices=OrnsteinUhlenbeck(rate))
        trades = simulated.completing(reverting.setting(order), seed=2)
        result = simulate(StaticPolicy(trades), order, reverting, SOME, seed=11)
        # cost = sum_k u_k S_k, S_k the price when trade k is made
        times = np.asarray(market.grid.edges)[:-1]
        sigma2 = float(market.risk.apply(np.ones((len(times), 3)) * [1.0, 0.0, 0.0])[0, 0])
        apart, both = np.abs(times[:, None] - times), times[:, None] + times
        covariance = sigma2 / (2 * rate) * (np.exp(-rate * apart) - np.exp(-rate * both))
        exact = trades[:, 0] @ covariance @ trades[:, 0]
        found = result.variance(unit="currency")
        assert abs(found / exact - 1.0) < simulated.ERRORS * np.sqrt(2.0 / SOME)
        after = order.remaining["A"] + np.cumsum(trades[:, 0])
        brownian = sigma2 * (np.diff(market.grid.edges) * after**2).sum()
        assert abs(found / brownian - 1.0) > 10 * np.sqrt(2.0 / SOME)

    def test_volatility_by_the_day_changes_tails_and_not_the_variance(self):
        order, market, plan, _ = case("one asset")
        rough = SimulatedMarket(market, volatility=StochasticVolatility(0.2, day=0.4))
        costs = simulate(StaticPolicy(plan), order, rough, FULL, seed=2).slippage(unit="currency")
        off = (costs - plan.expected_cost) ** 2
        assert abs(off.mean() - plan.variance) < simulated.ERRORS * off.std() / np.sqrt(FULL)
        assert (off**2).mean() / off.mean() ** 2 > 3.5

    def test_one_interval_costs_its_impact(self):
        order, market = builders.order("buy one"), builders.market(builders.grid(builders.SINGLE))
        plan = ac.ExecutionProblem(order, market, MONEY).solve()
        result = simulate(StaticPolicy(plan), order, market, 9, seed=2)
        np.testing.assert_allclose(result.slippage(unit="currency"), plan.expected_cost, rtol=EXACT)
        assert result.std() == pytest.approx(0.0, abs=1e-9)

    def test_an_order_of_nothing(self):
        order, market = builders.order("nothing"), builders.market(simulated.DAY)
        result = simulate(StaticPolicy("twap"), order, market, 20, seed=2)
        assert not result.slippage(unit="currency").any()
        assert np.isnan(result.mean())
        assert not result.average_trades.to_numpy().any()

    def test_sizes_from_a_hundred_to_a_billion_shares(self):
        costs = []
        for shares in (1e2, 1e9):
            order = ac.Order.sell({"A": shares})
            facts = builders.market(
                simulated.DAY, ["A"], spread=None, impact=ac.ImpactCoefficients({"A": 1e-2 / shares})
            )
            costs.append(simulate(StaticPolicy("twap"), order, facts, 50, seed=1).slippage())
        np.testing.assert_allclose(costs[0], costs[1], rtol=1e-9)


class TestCostsOfAMarket:
    def test_what_the_market_has_is_charged(self):
        order = builders.order("both sides")
        for facts, costs in (
            ({}, MONEY),
            ({"spread": None}, ac.TemporaryImpact() + ac.PermanentImpact()),
            ({"impact": None}, 1.0 * ac.SpreadCost()),
        ):
            market = builders.market(simulated.DAY, **facts)
            plain = simulate(StaticPolicy("vwap"), order, market, 5, seed=1)
            stated = simulate(StaticPolicy("vwap"), order, SimulatedMarket(market, costs=costs), 5, seed=1)
            assert np.array_equal(plain.impact, stated.impact)
            assert (plain.impact > 0).all()

    def test_nothing_is_charged_where_nothing_is_known(self):
        order, market = ac.Order.sell(100.0), ac.Market(simulated.DAY, 50.0, covariance=1.0)
        assert not simulate(StaticPolicy("twap"), order, market, 5, seed=1).impact.any()

    def test_weights_count(self):
        order, market = builders.order("both sides"), builders.market(simulated.DAY)
        once, twice = (
            simulate(StaticPolicy("twap"), order, SimulatedMarket(market, costs=costs), 5, seed=1).impact
            for costs in (MONEY, 2.0 * MONEY)
        )
        np.testing.assert_allclose(twice, 2.0 * once, rtol=EXACT)

    def test_impact_is_charged_at_the_volume_that_came(self):
        order, market = builders.order("sell one"), builders.market(simulated.DAY, impact=ac.LinearImpact(8.0))
        moving = SimulatedMarket(market, volume=StochasticVolume(0.4), costs=ac.TemporaryImpact())
        result = simulate(StaticPolicy("twap"), order, moving, 5_000, seed=4)
        volumes = np.concatenate([d.volumes for d in draw_days(moving, moving.setting(order), 5_000, 4)])[..., 0]
        per_share = 8e-4 * 20.0 * (9_000.0 / 13) / (0.1 * volumes)
        np.testing.assert_allclose(result.impact, (per_share * 9_000.0 / 13).sum(axis=1), rtol=1e-11)

    def test_a_money_cost_of_the_users_own(self):
        order, market = builders.order("sell many"), builders.market(simulated.DAY)
        fee = ac.CustomCost(lambda p: 3e-5 * (p.notional**2).sum() / 1e5, kind="money", name="fee")
        plan = ac.ExecutionProblem(order, market, MONEY + fee).solve()
        result = simulate(StaticPolicy(plan), order, SimulatedMarket(market, costs=MONEY + fee), 300, seed=4)
        np.testing.assert_allclose(result.impact, plan.expected_cost, rtol=1e-9)

    @pytest.mark.parametrize(
        ("costs", "message"),
        [
            (
                ac.TemporaryImpact() + 1e-6 * ac.TimingRisk(),
                "SimulatedMarket costs: TimingRisk is a risk and no money; what days cost is summed from money costs "
                "alone",
            ),
            (
                ac.Jerk("30min"),
                "SimulatedMarket costs: Jerk is a penalty and no money; what days cost is summed from money costs "
                "alone",
            ),
            (
                ac.Alpha(0.1),
                "SimulatedMarket costs: Alpha is a view on prices, which benchmarks have to follow too: give it to the "
                "prices, ArithmeticBrownian(drift=...) or RevertingDrift(rate, start=...)",
            ),
        ],
    )
    def test_costs_that_are_no_money(self, costs, message):
        with pytest.raises(ac.ModelError) as error:
            SimulatedMarket(builders.market(simulated.DAY), costs=costs)
        assert str(error.value) == message

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"costs": 3.0}, "SimulatedMarket costs: 3.0 was given, a cost or a sum of costs is expected"),
            (
                {"prices": 0.5},
                "SimulatedMarket prices: 0.5 was given, a price model such as ArithmeticBrownian() is expected",
            ),
            (
                {"prices": ArithmeticBrownian},
                "SimulatedMarket prices: <class 'acopt.adaptive.prices.ArithmeticBrownian'> was given, a price model "
                "such as ArithmeticBrownian() is expected",
            ),
            ({"volume": 0.3}, "SimulatedMarket volume: float was given, a StochasticVolume is expected"),
            ({"volatility": 0.3}, "SimulatedMarket volatility: float was given, a StochasticVolatility is expected"),
        ],
    )
    def test_other_things(self, arguments, message):
        with pytest.raises(ac.DataError) as error:
            SimulatedMarket(builders.market(simulated.DAY), **arguments)
        assert str(error.value) == message

    def test_no_market_and_no_volume_to_scatter_about(self):
        with pytest.raises(ac.DataError, match=r"^SimulatedMarket market: str was given, a Market is expected$"):
            SimulatedMarket("market")
        with pytest.raises(
            ac.ModelError, match=r"^SimulatedMarket volume: the market has no expected volume to scatter"
        ):
            SimulatedMarket(builders.market(simulated.DAY, volume=None), volume=StochasticVolume())


class TestTheMarketOfAProblem:
    MARKET = builders.market(simulated.DAY)
    COSTS = (
        2 * ac.TemporaryImpact()
        + ac.SpreadCost()
        + 1e-6 * ac.TimingRisk()
        + 3 * ac.Alpha({"A": 0.01, "B": -0.02, "C": 0.0})
    )

    def test_its_money_is_charged_with_weights(self):
        order, rule = builders.order("both sides"), ac.Participation(0.05, penalty_bps=30)
        problem = ac.ExecutionProblem(order, self.MARKET, self.COSTS, [rule])
        stated = SimulatedMarket(self.MARKET, costs=2 * ac.TemporaryImpact() + ac.SpreadCost())
        found = SimulatedMarket.of(problem)
        assert found.market is problem.market
        assert repr(found.objective()) == repr(stated.objective())
        one, two = (simulate(StaticPolicy("twap"), order, market, 20, 1) for market in (found, stated))
        np.testing.assert_array_equal(one.impact, two.impact)
        assert one.charged == "2 * TemporaryImpact() + SpreadCost()"

    def test_its_impact_is_that_of_the_plan(self):
        problem = ac.ExecutionProblem(builders.order("both sides"), self.MARKET, self.COSTS)
        plan = problem.solve()
        values = plan.term_values
        charged = 2 * values["TemporaryImpact"] + values["SpreadCost"]
        ran = simulate(StaticPolicy(plan), problem.order, SimulatedMarket.of(problem), 3, 1)
        np.testing.assert_allclose(ran.impact, charged, rtol=1e-9)

    def test_how_its_days_are_drawn(self):
        problem = ac.ExecutionProblem(builders.order("both sides"), self.MARKET, self.COSTS)
        models = {
            "prices": OrnsteinUhlenbeck(2.0),
            "volume": StochasticVolume(0.2),
            "volatility": StochasticVolatility(0.1),
        }
        found = SimulatedMarket.of(problem, **models)
        assert {name: getattr(found, name) for name in models} == models
        plain = SimulatedMarket.of(problem)
        assert isinstance(plain.prices, ArithmeticBrownian)
        assert plain.volume is plain.volatility is None

    def test_a_problem_without_money(self):
        problem = ac.ExecutionProblem(builders.order("both sides"), self.MARKET, 1e-6 * ac.TimingRisk())
        ran = simulate(StaticPolicy("twap"), problem.order, SimulatedMarket.of(problem), 3, 1)
        assert ran.charged == "nothing"
        assert not ran.impact.any()

    def test_no_problem(self):
        with pytest.raises(ac.DataError, match=r"^SimulatedMarket\.of problem: Market was given, an ExecutionProblem"):
            SimulatedMarket.of(self.MARKET)


class TestVwapHedge:
    def test_following_the_volume_that_came_leaves_only_impact_on_every_path(self):
        order = builders.order("both sides")
        market = SimulatedMarket(
            builders.market(simulated.NIGHT), volume=StochasticVolume(0.5, day=0.3, half_life="1h")
        )
        setting = market.setting(order)
        (days,) = draw_days(market, setting, 2_000, 6)
        volumes = np.where(setting.grid.closed[:, None], 0.0, days.volumes)
        share = volumes / volumes.sum(axis=1, keepdims=True)
        hedge = Decides(lambda state: -share[:, state.interval] * setting.remaining, overshoots=True)
        result = simulate(hedge, order, market, 2_000, 6)
        left = result.slippage("vwap", "currency") - result.impact
        assert np.abs(left).max() < EXACT * setting.gross
        assert result.std("arrival", "currency") > 1e-3 * setting.gross
        planned = simulate(StaticPolicy("vwap"), order, market, 2_000, 6)
        assert planned.std("vwap", "currency") > 1e-4 * setting.gross

    def test_the_planned_curve_hedges_days_that_differ_by_size_alone(self):
        order = builders.order("sell many")
        market = SimulatedMarket(builders.market(simulated.DAY), volume=StochasticVolume(0.0, day=0.5))
        result = simulate(StaticPolicy("vwap"), order, market, 500, 6)
        gross = market.setting(order).gross
        assert np.abs(result.slippage("vwap", "currency") - result.impact).max() < EXACT * gross

    def test_twap_and_close_are_hedged_by_themselves(self):
        order, market = builders.order("buy many"), builders.market(builders.grid(builders.UNEVEN))
        for name, benchmark in BENCHMARKS.items():
            result = simulate(StaticPolicy(benchmark), order, market, 500, 6)
            off = result.slippage(name, "currency") - result.impact
            assert np.abs(off).max() < EXACT * result.gross

    def test_slippage_by_the_prices_that_were_paid(self):
        """Shortfall against each benchmark's own average price, asset by asset, plus impact."""
        order = builders.order("both sides")
        market = SimulatedMarket(builders.market(builders.grid(builders.UNEVEN)), volume=StochasticVolume(0.5))
        setting = market.setting(order)
        trades = simulated.completing(setting, 4)
        (days,) = draw_days(market, setting, 40, 6)
        result = simulate(StaticPolicy(trades), order, market, 40, 6)
        prices = setting.market.prices + np.cumsum(days.changes, axis=1) - days.changes
        paid = (trades * prices).sum(axis=1)
        averages = {
            "arrival": np.broadcast_to(setting.market.prices, (40, 3)),
            "twap": (prices * setting.durations).sum(axis=1) / setting.durations.sum(),
            "vwap": (prices * days.volumes).sum(axis=1) / days.volumes.sum(axis=1),
            "close": prices[:, -1],
        }
        for name, average in averages.items():
            exact = result.impact + (paid + setting.remaining * average).sum(axis=1)
            np.testing.assert_allclose(result.slippage(name, "currency"), exact, rtol=1e-9, atol=1e-8)

    def test_benchmarks_that_have_no_price(self):
        order, grid = ac.Order.sell({"A": 900.0}), simulated.DAY
        volume = np.full((13, 1), 1e4)
        volume[-1] = 0.0
        result = simulate(StaticPolicy("twap"), order, builders.market(grid, ["A"], volume=volume), 5, 1)
        with pytest.raises(ac.ModelError) as error:
            result.slippage("close")
        assert str(error.value) == (
            "slippage against 'close': Close(): A has an order, but no interval in which it can trade (in the window, "
            "open, and with volume)"
        )
        bare = ac.Market(grid, pd.Series({"A": 50.0}), covariance=pd.DataFrame([[1.0]], ["A"], ["A"]))
        with pytest.raises(ac.ModelError, match=r"^slippage against 'vwap': the market has no volume"):
            simulate(StaticPolicy("twap"), order, bare, 5, 1).mean("vwap")


class TestTheSameDays:
    MODELS = (ArithmeticBrownian(), OrnsteinUhlenbeck(2.0), RevertingDrift(3.0, {"A": 1.0, "B": 9.0, "C": 2.0}))

    def market(self, model):
        facts = builders.market(simulated.DAY)
        return SimulatedMarket(
            facts, prices=model, volume=StochasticVolume(half_life=0.2), volatility=StochasticVolatility(day=0.2)
        )

    @pytest.mark.parametrize("model", [*MODELS, SerialCorrelation(-0.3)], ids=lambda m: type(m).__name__)
    def test_whatever_the_policy(self, model):
        order, market = builders.order("both sides"), self.market(model)
        first, one = capture(order, market)
        second, other = capture(order, market, policy=StaticPolicy("vwap"))
        for a, b in zip(first, second, strict=True):
            for key in ("prices", "volumes", "signal"):
                np.testing.assert_array_equal(getattr(a, key), getattr(b, key))
        np.testing.assert_array_equal(one.moves, other.moves)
        assert not np.array_equal(one.slippage(), other.slippage())

    @pytest.mark.parametrize("model", [*MODELS, SerialCorrelation(-0.3)], ids=lambda m: type(m).__name__)
    def test_whatever_their_number(self, model):
        order, market = builders.order("both sides"), self.market(model)
        results = [simulate(StaticPolicy("twap"), order, market, n, seed=9) for n in (1, 777, 8_000)]
        for against in ("arrival", "twap", "vwap", "close"):
            short, middle, long = (r.slippage(against) for r in results)
            assert short[0] == middle[0]
            assert np.array_equal(middle, long[:777])
        assert len(np.unique(results[2].moves)) == 8_000

    def test_the_same_seed_gives_the_same_bits_and_another_does_not(self):
        order, market = builders.order("both sides"), self.market(OrnsteinUhlenbeck(2.0))
        same = [simulate(StaticPolicy("twap"), order, market, 500, seed) for seed in (4, 4, 5)]
        assert np.array_equal(same[0].slippage(), same[1].slippage())
        assert not np.isin(same[0].moves, same[2].moves).any()

    def test_what_the_day_did_to_the_whole_order(self):
        order, market = builders.order("both sides"), self.market(OrnsteinUhlenbeck(2.0))
        (days,) = draw_days(market, market.setting(order), 50, 9)
        exact = days.changes.sum(axis=1) @ order.remaining.to_numpy()
        np.testing.assert_allclose(simulate(StaticPolicy("twap"), order, market, 50, 9).moves, exact, rtol=1e-9)

    def test_no_random_numbers_but_its_own(self):
        state = np.random.get_state()[1].copy()  # noqa: NPY002
        simulate(StaticPolicy("twap"), builders.order("sell one"), builders.market(simulated.DAY), 20, 1)
        assert np.array_equal(state, np.random.get_state()[1])  # noqa: NPY002

    def test_blocks_are_not_alike(self):
        order, market = builders.order("sell many"), builders.market(simulated.DAY)
        setting = SimulatedMarket(market).setting(order)
        blocks = list(draw_days(SimulatedMarket(market), setting, 8_000, 1))
        assert len(blocks) > 2
        assert sum(len(b.changes) for b in blocks) == 8_000
        assert not np.isin(blocks[0].changes[: len(blocks[-1].changes)], blocks[-1].changes).any()


class Recorded:
    """Two given days: prices that rise, volumes that were."""

    days = 2

    def __repr__(self):
        return "Recorded()"

    def draw(self, setting, n_paths, rng, scale=None):
        changes = np.full((n_paths, *setting.shape), 0.25) * np.array([1.0, -1.0])[:, None, None]
        volumes = np.array([1.0, 3.0])[:, None, None] * setting.market.volumes
        return Drawn(changes, np.zeros_like(changes), volumes)

    def expected(self, setting, interval, prices, signal):
        return np.zeros((len(signal), setting.shape[0] - interval, setting.shape[1]))


class TestDaysThatAreGiven:
    def test_they_are_what_a_policy_meets(self):
        order, facts = builders.order("sell one"), builders.market(simulated.DAY, impact=ac.LinearImpact(8.0))
        market = SimulatedMarket(facts, prices=Recorded(), costs=ac.TemporaryImpact())
        states, result = capture(order, market, 2)
        np.testing.assert_allclose(states[-1].prices[:, -1, 0], [23.0, 17.0])
        assert result.impact[0] == pytest.approx(3.0 * result.impact[1])
        with pytest.raises(ac.DataError, match=r"^simulate n_paths=3: Recorded\(\) has 2 days$"):
            simulate(StaticPolicy("twap"), order, market, 3, 1)
        assert np.array_equal(simulate(StaticPolicy("twap"), order, market, 1, 1).impact, result.impact[:1])

    @pytest.mark.parametrize(
        ("drawn", "message"),
        [
            (lambda d: d.changes, "Recorded(): draw returned array([[[ 0.25],"),
            (lambda d: Drawn(d.changes[:1], d.signal), "Recorded(): draw: changes has shape (1, 13, 1); (2, 13, 1) is"),
            (
                lambda d: Drawn(d.changes, d.signal[..., 0]),
                "Recorded(): draw: signal has shape (2, 13); (2, 13, 1) is exp",
            ),
            (
                lambda d: Drawn(d.changes / 0.0, d.signal),
                "Recorded(): draw: changes has inf; finite numbers are expected",
            ),
            (lambda d: Drawn(d.changes, d.signal, -d.volumes), "Recorded(): draw: volumes has -"),
            (
                lambda d: Drawn(d.changes, d.signal, 0.0),
                "Recorded(): draw: volumes has shape (); (2, 13, 1) is expected",
            ),
            (lambda d: Drawn("up", d.signal), "Recorded(): draw: changes: 'up' is not a number"),
        ],
    )
    def test_what_a_model_of_someones_own_draws(self, drawn, message):
        class Own(Recorded):
            def draw(self, setting, n_paths, rng, scale=None):
                with np.errstate(divide="ignore"):
                    return drawn(super().draw(setting, n_paths, rng, scale))

        market = SimulatedMarket(builders.market(simulated.DAY), prices=Own())
        with pytest.raises(ac.DataError) as error:
            simulate(StaticPolicy("twap"), builders.order("sell one"), market, 2, 1)
        assert str(error.value).startswith(message)

    def test_what_a_model_of_someones_own_expects(self):
        class Own(Recorded):
            def expected(self, setting, interval, prices, signal):
                return np.zeros((len(signal), 13, 1))

        def decide(state):
            return -state.remaining / (13 - state.interval) + 0.0 * state.expected_changes()[:, 0]

        market = SimulatedMarket(builders.market(simulated.DAY), prices=Own())
        simulate(StaticPolicy("twap"), builders.order("sell one"), market, 2, 1)
        with pytest.raises(ac.DataError) as error:
            simulate(Decides(decide), builders.order("sell one"), market, 2, 1)
        assert str(error.value) == "Recorded(): expected has shape (2, 13, 1); (2, 12, 1) is expected"

    def test_volumes_that_a_market_did_not_expect(self):
        class Known(Recorded):
            def draw(self, setting, n_paths, rng, scale=None):
                return Drawn(*np.zeros((2, n_paths, *setting.shape)), np.ones((n_paths, *setting.shape)))

        impact = ac.ImpactCoefficients({"A": 1e-6})
        facts = builders.market(simulated.DAY, ["A"], volume=None, impact=impact)
        order = builders.order("sell one")
        known = simulate(StaticPolicy("twap"), order, SimulatedMarket(facts, prices=Known()), 2, 1)
        np.testing.assert_array_equal(known.impact, simulate(StaticPolicy("twap"), order, facts, 2, 1).impact)

    def test_a_trade_where_no_volume_came(self):
        class Silent(Recorded):
            def draw(self, setting, n_paths, rng, scale=None):
                drawn = super().draw(setting, n_paths, rng, scale)
                drawn.volumes[1, 4] = 0.0
                return drawn

        order, market = builders.order("sell one"), SimulatedMarket(builders.market(simulated.DAY), prices=Silent())
        simulate(StaticPolicy("twap"), order, market, 1, 1)
        with pytest.raises(ac.ModelError) as error:
            simulate(StaticPolicy("twap"), order, market, 2, 1)
        label = simulated.DAY.labels[4]
        assert str(error.value) == (
            f"policy twap, interval {label}: it trades -692.308 shares of A on path 1; no volume came there, and "
            "by the market's impact model it has no price"
        )

    def test_a_day_without_any_volume_has_no_vwap(self):
        class Asleep(Recorded):
            def draw(self, setting, n_paths, rng, scale=None):
                drawn = super().draw(setting, n_paths, rng, scale)
                drawn.volumes[1, :, 1] = 0.0
                return drawn

        order, facts = builders.order("both sides"), builders.market(simulated.DAY)
        market = SimulatedMarket(facts, prices=Asleep(), costs=ac.SpreadCost())
        result = simulate(StaticPolicy("twap"), order, market, 2, 1)
        with pytest.raises(ac.ModelError, match=r"^slippage against 'vwap': no volume of B came on path 1$"):
            result.slippage("vwap")
        assert np.isfinite(simulate(StaticPolicy("twap"), order, market, 1, 1).slippage("vwap")).all()
        idle = simulate(StaticPolicy("twap"), builders.order("sell one") + ac.Order.hedge(["B"]), market, 2, 1)
        assert np.isfinite(idle.slippage("vwap")).all()


class TestWhatAPolicyIsGiven:
    MARKET = SimulatedMarket(
        builders.market(simulated.DAY), prices=OrnsteinUhlenbeck(2.0), volume=StochasticVolume(day=0.3)
    )
    ORDER = builders.order("both sides")

    def test_the_state_is_the_past(self):
        states, _ = capture(self.ORDER, self.MARKET)
        setting = self.MARKET.setting(self.ORDER)
        (days,) = draw_days(self.MARKET, setting, 6, 3)
        twap = setting.remaining / 13
        for k, state in enumerate(states):
            assert state.interval == k
            assert state.trades.shape == state.volumes.shape == (6, k, 3)
            assert state.prices.shape == (6, k + 1, 3)
            np.testing.assert_allclose(state.remaining, np.tile(setting.remaining - k * twap, (6, 1)), atol=1e-8)
            np.testing.assert_allclose(state.trades, np.broadcast_to(-twap, (6, k, 3)))
            np.testing.assert_array_equal(state.volumes, days.volumes[:, :k])
            exact = np.cumsum(days.changes[:, :k], axis=1)
            np.testing.assert_allclose(state.prices[:, 1:] - setting.market.prices, exact, atol=1e-10)
            np.testing.assert_array_equal(state.prices[:, -1], state.price)
            np.testing.assert_array_equal(state.signal, days.signal[:, k])
            expected = self.MARKET.prices.expected(setting, k, state.prices, state.signal)
            np.testing.assert_array_equal(state.expected_changes(), expected)
            assert expected.shape == (6, 13 - k, 3)

    def test_volumes_as_expected_and_unknown(self):
        states, _ = capture(self.ORDER, builders.market(simulated.DAY))
        exact = states[-1].setting.market.volumes[:-1]
        np.testing.assert_array_equal(states[-1].volumes, np.broadcast_to(exact, (6, 12, 3)))
        bare = builders.market(simulated.DAY, volume=None, impact=None)
        assert np.isnan(capture(self.ORDER, bare)[0][-1].volumes).all()

    def test_its_arrays_cannot_be_written_to(self):
        written = []

        def decide(state):
            for key in ("remaining", "trades", "prices", "volumes", "signal", "price"):
                with pytest.raises(ValueError, match="read-only"):
                    getattr(state, key)[...] = 1.0
                written.append(key)
            with pytest.raises(AttributeError):
                state.remaining = None
            return StaticPolicy("twap").decide(state)

        careful, free = (
            simulate(policy, self.ORDER, self.MARKET, 4, 1)
            for policy in (Decides(decide, overshoots=True), StaticPolicy("twap"))
        )
        assert len(written) == 6 * 13
        np.testing.assert_array_equal(careful.slippage(), free.slippage())

    def test_a_decision_that_is_changed_later_stays_as_it_was(self):
        answer = np.zeros((4, 3))

        def decide(state):
            answer[...] = StaticPolicy("twap").decide(state)
            return answer

        changing = simulate(Decides(decide, overshoots=True), self.ORDER, self.MARKET, 4, 1)
        np.testing.assert_array_equal(
            changing.slippage(), simulate(StaticPolicy("twap"), self.ORDER, self.MARKET, 4, 1).slippage()
        )

    def test_nothing_of_the_future_can_be_reached_from_it(self):
        setting = self.MARKET.setting(self.ORDER)
        (days,) = draw_days(self.MARKET, setting, 5, 3)
        prices = setting.market.prices + np.cumsum(days.changes, axis=1)
        looked = []

        def decide(state):
            k = state.interval
            assert state.prices_model == type(self.MARKET.prices).__name__
            future = [days.changes[:, k:], days.signal[:, k + 1 :], days.volumes[:, k:], prices[:, k:]]
            for array in reachable(state):
                looked.append(array.size)
                for hidden in future:
                    assert not np.isin(array, hidden).any()
            return StaticPolicy("twap").decide(state)

        simulate(Decides(decide, overshoots=True), self.ORDER, self.MARKET, 5, 3)
        assert len(looked) > 5 * 13

    def test_the_future_shuffled_changes_no_decision(self):
        def decide(state):
            rise = state.price - state.prices[:, 0] + state.expected_changes()[:, 0] + 1e-5 * state.volumes.sum(axis=1)
            return -state.remaining / (13 - state.interval) * (1.0 + 0.5 * np.tanh(rise) * (state.interval < 12))

        class Shuffled(OrnsteinUhlenbeck):
            def draw(self, setting, n_paths, rng, scale=None):
                drawn = super().draw(setting, n_paths, rng, scale)
                # Change 6 comes after trade 6, whose signal is known by then.
                for array, first in ((drawn.changes, 6), (drawn.signal, 7)):
                    array[:, first:] = array[:, np.random.default_rng(1).permutation(np.arange(first, 13))]
                return drawn

        decided = []
        for model in (OrnsteinUhlenbeck(2.0), Shuffled(2.0)):
            market = SimulatedMarket(self.MARKET.market, prices=model)
            states, _ = capture(self.ORDER, market, policy=Decides(decide))
            decided.append(states[-1].trades)
        np.testing.assert_array_equal(decided[0][:, :7], decided[1][:, :7])
        assert not np.array_equal(decided[0][:, 7:], decided[1][:, 7:])


def reachable(root):
    """Every array of numbers that is reached from an object, by attributes, closures and bases of views."""
    seen, todo, out = {id(root)}, [root], []
    while todo:
        one = todo.pop()
        if isinstance(one, np.ndarray):
            if one.dtype.kind == "f":
                out.append(one)
            found = [one.base]
        else:
            found = gc.get_referents(one)
        for other in found:
            if (
                other is not None
                and id(other) not in seen
                and not isinstance(other, type | types.ModuleType | types.FunctionType)
            ):
                seen.add(id(other))
                todo.append(other)
    return out


def sell(**changes):
    """A policy that sells one asset at TWAP, but for one decision."""
    at, value = changes["at"], changes["value"]

    def decide(state):
        out = -state.remaining / (state.setting.shape[0] - state.interval)
        return value(out.copy()) if state.interval == at else out

    return Decides(decide, name="odd")


def put(path, value):
    def change(out):
        out[path] = value
        return out

    return change


class TestDecisionsThatAreRefused:
    LABEL = simulated.DAY.labels[3]

    def message(self, value, kind="sell one", at=3, grid=simulated.DAY):
        with pytest.raises(ac.ModelError) as error:
            simulate(sell(at=at, value=value), builders.order(kind), builders.market(grid), 4, 1)
        return str(error.value)

    def test_one_that_is_right_is_not(self):
        result = simulate(
            sell(at=3, value=lambda out: out), builders.order("sell one"), builders.market(simulated.DAY), 4, 1
        )
        assert result.policy == "odd"

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_not_finite(self, value):
        assert self.message(put((2, 0), value)) == (
            f"policy odd, interval {self.LABEL}: it trades {value} shares of A on path 2; a finite number of shares is "
            "expected"
        )

    @pytest.mark.parametrize(
        ("change", "shape"),
        [
            (lambda out: out[:, 0], "(4,)"),
            (lambda out: out[:2], "(2, 1)"),
            (lambda out: out.T, "(1, 4)"),
            (lambda out: 0.0, "()"),
            (lambda out: np.repeat(out, 2, axis=1), "(4, 2)"),
        ],
    )
    def test_the_wrong_shape(self, change, shape):
        assert self.message(change) == (
            f"policy odd, interval {self.LABEL}: its decision has shape {shape}; (4, 1) is expected, paths x assets"
        )

    @pytest.mark.parametrize(
        ("value", "shown"),
        [
            (None, "None"),
            ("sell", "'sell'"),
            (10**400, "1" + 56 * "0" + "..."),
            ([[1.0], [2.0, 3.0]], "[[1.0], [2.0, 3.0]]"),
        ],
    )
    def test_no_numbers(self, value, shown):
        expected = f"policy odd, interval {self.LABEL}: it decides {shown}, which are no numbers"
        if value is None:
            expected = (
                f"policy odd, interval {self.LABEL}: its decision has shape (); (4, 1) is expected, paths x assets"
            )
        assert self.message(lambda out: value) == expected

    def test_more_than_is_left(self):
        assert self.message(put((1, 0), -6_923.1)) == (
            f"policy odd, interval {self.LABEL}: it trades -6,923.1 shares of A on path 1; 6,923.08 are left to trade "
            "(> 0 to sell); only a policy with overshoots = True may pass the target"
        )

    def test_more_than_is_left_to_buy(self):
        assert self.message(put((0, 1), 500.0), "buy many") == (
            f"policy odd, interval {self.LABEL}: it trades 500 shares of B on path 0; -307.692 are left to trade (> 0 "
            "to sell); only a policy with overshoots = True may pass the target"
        )

    def test_the_rounding_of_sums_is_no_overshoot(self):
        message = self.message(lambda out: 0.0 * out, at=12)
        assert message.startswith("policy odd: after the last interval")
        simulate(
            sell(at=12, value=lambda out: out * (1 + 1e-9)),
            builders.order("sell one"),
            builders.market(simulated.DAY),
            4,
            1,
        )

    @pytest.mark.parametrize("shares", [1e-3, 1e2, 1e9])
    def test_what_is_rounding_goes_by_the_size_of_the_order(self, shares):
        order, market = ac.Order.sell({"A": shares}), builders.market(builders.grid(builders.SINGLE), ["A"])
        within = simulate(Decides(lambda state: -state.remaining * (1 + 5e-10)), order, market, 3, 1)
        short = simulate(Decides(lambda state: -state.remaining * (1 - 5e-10)), order, market, 3, 1)
        assert (within.slippage(unit="currency") == within.impact).all()
        assert (short.slippage(unit="currency") == short.impact).all()
        with pytest.raises(ac.ModelError, match="may pass the target"):
            simulate(Decides(lambda state: -state.remaining * (1 + 2e-9)), order, market, 3, 1)
        with pytest.raises(ac.ModelError, match="must be finished"):
            simulate(Decides(lambda state: -state.remaining * (1 - 2e-9)), order, market, 3, 1)

    def test_an_asset_without_an_order(self):
        order = builders.order("sell one") + ac.Order.hedge(["B"])
        plan = np.zeros((13, 2))
        plan[:, list(order.assets).index("A")] = -9_000 / 13
        plan[0, list(order.assets).index("B")], plan[-1, list(order.assets).index("B")] = -10.0, 10.0
        market = builders.market(simulated.DAY)
        simulate(StaticPolicy(plan), order, market, 3, 1)
        with pytest.raises(ac.ModelError) as error:
            simulate(Decides(lambda state: np.tile(plan[state.interval], (3, 1))), order, market, 3, 1)
        assert str(error.value) == (
            "policy decides, interval 0.0: it trades -10 shares of B on path 0; 0 are left to trade (> 0 to sell); "
            "only a policy with overshoots = True may pass the target"
        )

    def test_trading_at_night(self):
        at = int(np.flatnonzero(simulated.NIGHT.closed)[0])
        assert self.message(lambda out: out, at=at, grid=simulated.NIGHT) == (
            f"policy odd, interval {simulated.NIGHT.labels[at]}: it trades -1,285.71 shares of A on path 0; nothing "
            "can trade there (closed, or no volume); 0 is expected"
        )

    def test_trading_where_no_volume_is_expected(self):
        volume = np.full((13, 1), 1e4)
        volume[5] = 0.0
        market = builders.market(simulated.DAY, ["A"], volume=volume)
        with pytest.raises(ac.ModelError, match=r"nothing can trade there \(closed, or no volume\); 0 is expected$"):
            simulate(sell(at=3, value=lambda out: out), builders.order("sell one"), market, 4, 1)

    def test_something_is_left(self):
        assert self.message(put((3, 0), -100.0), at=12) == (
            f"policy odd: after the last interval, {simulated.DAY.labels[12]}, 592.308 shares of A are left to trade "
            "on path 3; the order must be finished"
        )

    def test_paths_are_numbered_over_blocks(self):
        seen = []

        def decide(state):
            out = -state.remaining / (13 - state.interval)
            if state.interval == 0:
                seen.append(len(out))
            if len(seen) == 2 and state.interval == 3:
                out[7] = np.nan
            return out

        with pytest.raises(ac.ModelError) as error:
            simulate(Decides(decide), builders.order("sell one"), builders.market(simulated.DAY), 12_000, 1)
        assert len(seen) == 2
        assert f"shares of A on path {seen[0] + 7};" in str(error.value)

    def test_a_policys_own_error_is_its_own(self):
        def decide(state):
            raise KeyError("mine")

        with pytest.raises(KeyError, match="mine"):
            simulate(Decides(decide), builders.order("sell one"), builders.market(simulated.DAY), 4, 1)


class TestArguments:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"n_paths": 0}, "simulate n_paths=0: a whole number from 1 to 100,000,000 is expected"),
            ({"n_paths": 10.0}, "simulate n_paths=10.0: a whole number from 1 to 100,000,000 is expected"),
            ({"n_paths": True}, "simulate n_paths=True: a whole number from 1 to 100,000,000 is expected"),
            ({"n_paths": 10**12}, "simulate n_paths=1000000000000: a whole number from 1 to 100,000,000 is expected"),
            ({"seed": -1}, "simulate seed=-1: a whole number from 0 to 9,223,372,036,854,775,807 is expected"),
            ({"seed": None}, "simulate seed=None: a whole number from 0 to 9,223,372,036,854,775,807 is expected"),
            ({"order": {"A": 3}}, "simulate order: dict was given, an Order is expected"),
            ({"market": 3}, "SimulatedMarket market: int was given, a Market is expected"),
            (
                {"policy": "twap"},
                "simulate policy: 'twap' was given, an object with decide(state) is expected; ac.StaticPolicy(...) "
                "makes one of a schedule, a benchmark, 'twap' or 'vwap'",
            ),
            ({"policy": 3}, "simulate policy: 3 was given, an object with decide(state) is expected"),
            (
                {"policy": StaticPolicy},
                "simulate policy: <class 'acopt.adaptive.policies.StaticPolicy'> was given, an object with "
                "decide(state) is expected; write StaticPolicy(...)",
            ),
        ],
    )
    def test_bad_ones(self, arguments, message):
        good = {
            "policy": StaticPolicy("twap"),
            "order": builders.order("sell one"),
            "market": builders.market(simulated.DAY),
            "n_paths": 4,
            "seed": 1,
        }
        with pytest.raises(ac.DataError) as error:
            simulate(**{**good, **arguments})
        assert str(error.value) == message

    def test_the_asset_of_an_order_that_the_market_does_not_have(self):
        with pytest.raises(ac.DataError, match="the market has no asset Z"):
            simulate(StaticPolicy("twap"), ac.Order.sell({"Z": 1.0}), builders.market(simulated.DAY), 4, 1)


class TestProgress:
    def test_a_bar_on_the_error_stream(self, capsys):
        order, market = builders.order("sell one"), builders.market(simulated.DAY)
        shown = simulate(StaticPolicy("twap"), order, market, 50, 1, progress=True)
        out, err = capsys.readouterr()
        assert out == ""
        assert "simulating twap" in err
        assert "100%" in err
        plain = simulate(StaticPolicy("twap"), order, market, 50, 1)
        assert capsys.readouterr() == ("", "")
        np.testing.assert_array_equal(shown.slippage(), plain.slippage())

    @pytest.mark.parametrize("progress", [1, "yes", None])
    def test_neither_shown_nor_hidden(self, progress):
        with pytest.raises(ac.DataError) as error:
            simulate(
                StaticPolicy("twap"),
                builders.order("sell one"),
                builders.market(simulated.DAY),
                5,
                1,
                progress=progress,
            )
        assert str(error.value) == f"progress={progress!r}: True or False is expected"

    def test_without_rich(self, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "rich.progress", None)
        order, market = builders.order("sell one"), builders.market(simulated.DAY)
        simulate(StaticPolicy("twap"), order, market, 5, 1)
        with pytest.raises(ac.MissingExtraError) as error:
            simulate(StaticPolicy("twap"), order, market, 5, 1, progress=True)
        assert str(error.value) == "progress=True: install rich: pip install 'acopt[cli]'"

"""Rules on single trades: their bounds as formulas, what breaks them, and solved schedules that obey."""

import builders
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import acopt as ac
from acopt.errors import DataError, InfeasibleError, ModelError

EXACT = {"rtol": 0.0, "atol": 0.0}
TIGHT = 1e-12
OBEYED = 1e-9  # of the largest order: the accuracy contract
HELD = 1e-7  # solved trades against a closed form, of the order

NAMES = [*builders.NAMES]
UNEVEN = builders.grid("uneven")
TAU = UNEVEN.durations


def problem(rules, kind="both sides", at="uneven", cost=None, **changes):
    rules = rules if isinstance(rules, list) else [rules]
    cost = cost or ac.TemporaryImpact() + 1e-6 * ac.TimingRisk()
    return ac.ExecutionProblem(builders.order(kind), builders.market(at, **changes), cost, rules)


def bounds(rule, kind="both sides", **changes):
    return rule.trade_bounds(problem(rule, kind, **changes).setting)


def violation(rule, trades, kind="both sides"):
    asked = problem(rule, kind)
    plan = asked.evaluate(trades)
    return np.asarray(rule.violation(plan.path)), plan


def table(values):
    return pd.DataFrame(values, index=UNEVEN.labels, columns=NAMES)


TWAP = -np.outer(TAU, [9_000.0, -500.0, 3_000.0])


class TestTradeSize:
    def test_bounds_as_given(self):
        low, high = table(-np.arange(15.0).reshape(5, 3) * 1e3 - 5e3), pd.Series({"C": 10.0, "A": 2e4, "B": 900.0})
        found = bounds(ac.TradeSize(low, high))
        np.testing.assert_allclose(found[0], low, **EXACT)
        np.testing.assert_allclose(found[1], np.tile([2e4, 900.0, 10.0], (5, 1)), **EXACT)

    def test_an_open_side(self):
        low, high = bounds(ac.TradeSize(lower=-1e4))
        np.testing.assert_allclose(low, -1e4, **EXACT)
        assert np.isposinf(high).all()
        low, high = bounds(ac.TradeSize(upper=1e4))
        assert np.isneginf(low).all()

    def test_only_where_it_applies(self):
        rule = ac.TradeSize(-2_000.0, 2_000.0, assets=["C"], during=(0.1, 0.4))
        low, high = bounds(rule)
        where = np.zeros((5, 3), dtype=bool)
        where[1:3, 2] = True
        np.testing.assert_allclose(low, np.where(where, -2_000.0, -np.inf), **EXACT)
        np.testing.assert_allclose(high, np.where(where, 2_000.0, np.inf), **EXACT)

    def test_violation_by_hand(self):
        rule = ac.TradeSize(-4_000.0, 100.0)
        assert not violation(rule, TWAP * 0.0 + [0, 100.0, 0])[0].any()
        found, plan = violation(rule, TWAP)
        expected = np.maximum(np.maximum(-4_000.0 - TWAP, TWAP - 100.0), 0.0)
        np.testing.assert_allclose(found, expected, **EXACT)
        assert plan.rules_broken == {"TradeSize": expected.max()}

    @pytest.mark.parametrize("kind", ["sell many", "buy many", "both sides"])
    def test_obeyed_and_binding(self, kind):
        cap = pd.Series({"A": 2_500.0, "B": 130.0, "C": 800.0})
        plan = problem(ac.TradeSize(-cap, cap), kind).solve()
        assert (plan.trades.abs() <= cap * (1 + OBEYED)).all().all()
        assert (np.abs(plan.trades.abs() - cap) <= OBEYED * cap).to_numpy().any()
        assert not plan.rules_broken
        np.testing.assert_allclose(plan.remaining.iloc[-1], 0.0, **EXACT)

    @pytest.mark.parametrize(
        ("rule", "words"),
        [
            (lambda: ac.TradeSize(5.0, 3.0), "TradeSize: the lower bound 5 is above the upper bound 3 for A at 0.0"),
            (
                lambda: ac.TradeSize(table(TWAP + 1.0), table(TWAP), name="mine"),
                r"mine: the lower bound -899 is above the upper bound -900 for A at 0.0",
            ),
            (lambda: ac.TradeSize(), "TradeSize: give a lower bound, an upper bound, or both"),
            (lambda: ac.TradeSize(np.nan), "TradeSize lower is nan for A at 0.0"),
            (lambda: ac.TradeSize(upper={"A": 1.0}), "TradeSize upper: no value for asset B"),
            (lambda: ac.TradeSize(upper="100 a bar"), "TradeSize upper: '100 a bar' is not a number"),
        ],
    )
    def test_refusals(self, rule, words):
        with pytest.raises(DataError, match=words):
            problem(rule())


class TestTradeRate:
    def test_rates_times_durations(self):
        low, high = bounds(ac.TradeRate({"A": -1e5, "B": -1e4, "C": -1e5}, 1e5))
        for k in range(5):
            np.testing.assert_allclose(low[k], np.array([-1e5, -1e4, -1e5]) * TAU[k], rtol=TIGHT)
            np.testing.assert_allclose(high[k], 1e5 * TAU[k], rtol=TIGHT)

    def test_obeyed_on_an_uneven_grid(self):
        plan = problem(ac.TradeRate(-1.2e4, 1.2e4), "sell many").solve()
        assert (plan.rates.abs() <= 1.2e4 * (1 + OBEYED)).all().all()
        assert plan.rates["A"].abs().max() == pytest.approx(1.2e4, rel=OBEYED)

    def test_refusals(self):
        with pytest.raises(DataError, match=r"TradeRate: the lower bound 0.2 is above the upper bound 0.1 for A at"):
            problem(ac.TradeRate(2.0, 1.0))
        with pytest.raises(DataError, match="TradeRate: give a lower bound"):
            problem(ac.TradeRate())


class TestParticipation:
    def test_cap_by_formula(self):
        volume = builders.market("uneven").volumes
        low, high = bounds(ac.Participation({"A": 0.1, "B": 0.2, "C": 0.3}))
        np.testing.assert_allclose(high, volume * [0.1, 0.2, 0.3], rtol=TIGHT)
        np.testing.assert_allclose(low, -volume * [0.1, 0.2, 0.3], rtol=TIGHT)

    def test_floor_is_on_the_side_of_the_order(self):
        volume = builders.market("uneven").volumes
        low, high = bounds(ac.Participation(0.1, minimum=0.001))
        np.testing.assert_allclose(high[:, 0], -0.001 * volume[:, 0], rtol=TIGHT)  # sells at least that much
        np.testing.assert_allclose(low[:, 0], -0.1 * volume[:, 0], rtol=TIGHT)
        np.testing.assert_allclose(low[:, 1], 0.001 * volume[:, 1], rtol=TIGHT)  # buys
        np.testing.assert_allclose(high[:, 1], 0.1 * volume[:, 1], rtol=TIGHT)

    def test_nothing_to_do_means_no_floor(self):
        low, high = bounds(ac.Participation(0.1, minimum=0.05), "nothing")
        assert (low < 0).all()
        assert (high > 0).all()

    @pytest.mark.parametrize("kind", ["sell many", "buy many", "both sides"])
    def test_obeyed(self, kind):
        plan = problem(
            ac.Participation(0.06, minimum=1e-4), kind, cost=ac.TemporaryImpact() + 1e-3 * ac.TimingRisk()
        ).solve()
        rate = plan.participation
        assert rate.max().max() == pytest.approx(0.06, rel=OBEYED)
        assert rate.min().min() == pytest.approx(1e-4, rel=1e-6)
        assert (plan.trades * np.sign(plan.remaining.iloc[0]) < 0).all().all()

    def test_no_volume_means_no_trade(self):
        volume = table(np.full((5, 3), 5e4))
        volume.iloc[[1, 3], 0] = 0.0
        plan = problem(ac.Participation(0.2, minimum=1e-4), volume=volume).solve()
        np.testing.assert_allclose(plan.trades["A"].iloc[[1, 3]], 0.0, **EXACT)
        np.testing.assert_allclose(plan.participation["A"].iloc[[1, 3]], 0.0, **EXACT)
        assert (plan.trades["A"].iloc[[0, 2, 4]] < 0).all()

    def test_needs_volume(self):
        with pytest.raises(ModelError, match="the market has no volume"):
            problem(ac.Participation(0.1), volume=None, impact=None, cost=1e-6 * ac.TimingRisk())

    @pytest.mark.parametrize(
        ("rule", "words"),
        [
            (ac.Participation(-0.1), "Participation maximum is -0.1 for A at 0.0"),
            (ac.Participation(0.1, -0.1), "Participation minimum is -0.1 for A"),
            (
                ac.Participation(0.01, 0.02),
                "Participation: the lower bound -.* is above the upper bound -.* for A at 0.0",
            ),
            (ac.Participation({"A": 0.1}), "Participation maximum: no value for asset B"),
            (ac.Participation("10%"), "Participation maximum: '10%' is not a number"),
        ],
    )
    def test_refusals(self, rule, words):
        with pytest.raises(DataError, match=words):
            problem(rule)

    def test_capacity_with_its_arithmetic(self):
        grid = ac.TimeGrid.uniform(1.0, 18)
        market = ac.Market(grid, {"JPM": 100.0, "BAC": 30.0}, volume=100_000.0, impact=ac.LinearImpact(10.0))
        order = ac.Order.sell({"JPM": 250_000.0}) + ac.Order.buy({"BAC": 10.0})
        with pytest.raises(InfeasibleError, match=r"JPM: caps sum to 180,000 of 250,000 shares \(Participation\)"):
            ac.ExecutionProblem(order, market, ac.TemporaryImpact(), [ac.Participation(0.10)])
        buying = ac.Order.buy({"JPM": 250_000.0}) + ac.Order.buy({"BAC": 10.0})
        with pytest.raises(
            InfeasibleError, match=r"JPM: caps sum to 180,000 of 250,000 shares \(pace\).*AllowUnfilled"
        ):
            ac.ExecutionProblem(buying, market, ac.TemporaryImpact(), [ac.Participation(0.10, name="pace")])
        with pytest.raises(
            InfeasibleError, match=r"BAC: floors sum to 18,000 shares, the order is 10 \(Participation\)"
        ):
            ac.ExecutionProblem(order, market, ac.TemporaryImpact(), [ac.Participation(0.2, minimum=0.01)])

    def test_exactly_the_whole_capacity(self):
        """Caps that sum to the order leave one schedule."""
        market = ac.Market(UNEVEN, 100.0, volume=[100.0, 250.0, 50.0, 450.0, 150.0], impact=ac.LinearImpact(10.0))
        for order in (ac.Order.sell(100.0), ac.Order.buy(100.0)):
            plan = ac.ExecutionProblem(order, market, ac.TemporaryImpact(), [ac.Participation(0.1)]).solve()
            np.testing.assert_allclose(plan.trades["asset"].abs(), [10.0, 25.0, 5.0, 45.0, 15.0], rtol=1e-9)


class TestMonotone:
    def test_bounds(self):
        low, high = bounds(ac.Monotone())
        np.testing.assert_allclose(high[:, 0], 0.0, **EXACT)
        np.testing.assert_allclose(low[:, 1], 0.0, **EXACT)
        assert np.isneginf(low[:, 0]).all()
        assert np.isposinf(high[:, 1]).all()

    def test_hedges_are_free_and_idle_orders_are_not(self):
        order = ac.Order.sell({"A": 100.0}) + ac.Order.hedge("B") + ac.Order.buy({"C": 0.0})
        asked = ac.ExecutionProblem(order, builders.market("uneven"), ac.TemporaryImpact(), [ac.Monotone()])
        low, high = ac.Monotone().trade_bounds(asked.setting)
        assert np.isinf(low[:, 1]).all()
        assert np.isinf(high[:, 1]).all()
        np.testing.assert_allclose(low[:, 2], 0.0, **EXACT)
        np.testing.assert_allclose(high[:, 2], 0.0, **EXACT)
        one_sided = ac.Monotone().one_sided(asked.setting)
        np.testing.assert_array_equal(one_sided, np.tile([True, False, True], (5, 1)))

    @pytest.mark.parametrize("side", [1.0, -1.0])
    def test_stops_what_a_drift_would_do(self, side):
        """A strong drift makes a seller buy first; Monotone forbids it, and costs something."""
        market = builders.market("uneven", ["A"])
        objective = ac.TemporaryImpact() + ac.SpreadCost() + 1e-6 * ac.TimingRisk() + ac.Alpha(side * 2.0)
        free, held = (
            ac.ExecutionProblem(ac.Order(pd.Series({"A": side * 900.0})), market, objective, rules).solve()
            for rules in ([], [ac.Monotone()])
        )
        assert (side * free.path.trades > 1.0).any()
        assert (side * held.path.trades <= 0.0).all()
        assert held.objective > free.objective
        assert ac.Monotone().violation(free.path).max() > 1.0

    def test_with_a_hedge_leg(self):
        order = ac.Order.sell({"A": 9_000.0}) + ac.Order.hedge("B")
        objective = ac.TemporaryImpact() + 1e-4 * ac.TimingRisk()
        plan = ac.ExecutionProblem(order, builders.market("uneven", ["A", "B"]), objective, [ac.Monotone()]).solve()
        assert (plan.trades["A"] <= 0.0).all()
        assert plan.trades["B"].min() < -1.0  # sold short while A is long, bought back
        assert plan.trades["B"].max() > 1.0
        assert plan.remaining["B"].iloc[-1] == 0.0

    def test_violation(self):
        trades = TWAP.copy()
        trades[0, 0], trades[1, 0] = 50.0, TWAP[1, 0] + TWAP[0, 0] - 50.0
        found, plan = violation(ac.Monotone(), trades)
        assert found[0, 0] == 50.0
        assert np.count_nonzero(found) == 1
        assert plan.rules_broken == {"Monotone": 50.0}


class TestNoTrade:
    @pytest.mark.parametrize("kind", ["both sides", "buy many"])
    def test_exact_zeros(self, kind):
        plan = problem([ac.NoTrade(during=(0.1, 0.4)), ac.Monotone()], kind).solve()
        np.testing.assert_allclose(plan.trades.iloc[1:3], 0.0, **EXACT)
        assert (plan.trades.iloc[[0, 3, 4]] != 0.0).all().all()

    def test_some_assets_only(self):
        plan = problem(ac.NoTrade(during=(0.1, 0.4), assets=["B"])).solve()
        np.testing.assert_allclose(plan.trades["B"].iloc[1:3], 0.0, **EXACT)
        assert (plan.trades["A"] != 0.0).all()

    def test_lunch(self):
        grid = ac.TimeGrid.session("2019-02-15", "30min")
        market = ac.Market(grid, 10.0, covariance=0.1)
        objective = ac.TemporaryImpact(1e-6) + 1e-6 * ac.TimingRisk()
        plan = ac.ExecutionProblem(
            ac.Order.buy(1e4), market, objective, [ac.NoTrade(during=("12:00", "13:30"))]
        ).solve()
        shut = (plan.trades.index.hour * 60 + plan.trades.index.minute).isin([720, 750, 780])
        assert shut.sum() == 3
        np.testing.assert_allclose(plan.trades[shut], 0.0, **EXACT)
        assert (plan.trades[~shut] > 0).all().all()

    def test_violation(self):
        found, _ = violation(ac.NoTrade(during=(0.1, 0.4)), TWAP)
        np.testing.assert_allclose(found[1:3], np.abs(TWAP[1:3]), **EXACT)
        np.testing.assert_allclose(found[[0, 3, 4]], 0.0, **EXACT)

    def test_refusals(self):
        with pytest.raises(DataError, match=r"NoTrade: name a window, NoTrade\(during="):
            ac.NoTrade()
        with pytest.raises(DataError, match=r"0.15 is not an edge of the grid: it lies between 0.1 and 0.35"):
            problem(ac.NoTrade(during=(0.15, 0.4)))
        with pytest.raises(DataError, match=r"2.0 is outside the grid, which runs from 0 to 1"):
            problem(ac.NoTrade(during=(0.1, 2.0)))
        with pytest.raises(DataError, match="empty or reversed"):
            problem(ac.NoTrade(during=(0.4, 0.1)))
        with pytest.raises(InfeasibleError, match=r"A: caps sum to 0 of 9,000 shares \(NoTrade\)"):
            problem(ac.NoTrade(assets="A"))


class TestAllowUnfilled:
    """One interval: min eta u^2 / tau + c |X - u| trades min(|X|, c tau / (2 eta)), c = bps 1e-4 P."""

    @given(bps=st.floats(0.1, 100.0), x=st.floats(-1e5, 1e5).filter(lambda v: abs(v) > 1.0), tau=st.floats(0.05, 2.0))
    @settings(max_examples=25, deadline=None)
    def test_leaves_what_is_not_worth_trading(self, bps, x, tau):
        eta, price = 3e-6, 40.0
        market = ac.Market(ac.TimeGrid([0.0, tau]), price)
        plan = ac.ExecutionProblem(ac.Order(x), market, ac.TemporaryImpact(eta), [ac.AllowUnfilled(bps)]).solve()
        traded = min(abs(x), bps * 1e-4 * price * tau / (2 * eta))
        assert abs(plan.path.trades[0, 0]) == pytest.approx(traded, rel=HELD, abs=HELD * abs(x))
        left = abs(x) - traded
        assert plan.term_values["Unfilled"] == pytest.approx(bps * 1e-4 * price * left, rel=1e-5, abs=1e-7 * abs(x))

    @pytest.mark.parametrize("side", [1.0, -1.0])
    def test_two_intervals_share_it(self, side):
        """Without risk both trade c tau_k / (2 eta) as long as the order is larger than that."""
        market = ac.Market(ac.TimeGrid([0.0, 0.3, 1.0]), 40.0)
        plan = ac.ExecutionProblem(
            ac.Order(side * 1e6), market, ac.TemporaryImpact(3e-6), [ac.AllowUnfilled(10.0)]
        ).solve()
        c = 10e-4 * 40.0
        np.testing.assert_allclose(-side * plan.path.trades[:, 0], c * np.array([0.3, 0.7]) / 6e-6, rtol=1e-6)

    def test_is_a_penalty_and_not_money(self):
        plan = problem(ac.AllowUnfilled({"A": 1.0, "B": 2.0, "C": 3.0})).evaluate(0.5 * TWAP)
        expected = 1e-4 * 0.5 * (1.0 * 20 * 9_000 + 2.0 * 400 * 500 + 3.0 * 55 * 3_000)
        assert plan.term_values["Unfilled"] == pytest.approx(expected, rel=TIGHT)
        assert plan.expected_cost == plan.term_values["TemporaryImpact"]
        assert not plan.rules_broken

    def test_where_caps_are_too_small(self):
        cap = ac.Participation(0.01)
        with pytest.raises(InfeasibleError, match="caps sum to"):
            problem(cap)
        plan = problem([cap, ac.AllowUnfilled(1e4)]).solve()
        np.testing.assert_allclose(plan.participation["A"], 0.01, rtol=OBEYED)
        assert plan.remaining["A"].iloc[-1] > 1_000.0

    def test_some_assets_only(self):
        """The others must be finished."""
        rule = ac.AllowUnfilled(1e-3, assets=["A"])
        plan = problem(rule).solve()
        assert plan.remaining["A"].iloc[-1] > 5_000.0
        np.testing.assert_allclose(plan.remaining[["B", "C"]].iloc[-1], 0.0, atol=OBEYED * 9_000.0)
        assert rule.violation(problem(rule).evaluate(0.5 * TWAP).path) == pytest.approx([0.0, 250.0, 1_500.0])

    def test_complete_pins_some_of_them_again(self):
        rule = ac.Complete(assets=["A", "B"])
        plan = problem([ac.AllowUnfilled(1e-3), rule]).solve()
        assert plan.remaining["C"].iloc[-1] > 1_000.0
        np.testing.assert_allclose(plan.remaining[["A", "B"]].iloc[-1], 0.0, atol=OBEYED * 9_000.0)
        assert rule.violation(plan.path).max() <= OBEYED * 9_000.0

    @pytest.mark.parametrize(
        ("rule", "words"),
        [
            (lambda: ac.AllowUnfilled(0.0), "AllowUnfilled penalty_bps is 0 for A; a number > 0"),
            (lambda: ac.AllowUnfilled({"A": 1.0, "B": -1.0, "C": 1.0}), "AllowUnfilled penalty_bps is -1 for B"),
            (lambda: ac.AllowUnfilled(np.nan), "AllowUnfilled penalty_bps is nan for A"),
            (lambda: ac.AllowUnfilled(5.0, during=(0.1, 0.4)), "AllowUnfilled: during= has no meaning"),
            (lambda: ac.Complete(during=(0.1, 0.4)), "Complete: during= has no meaning"),
        ],
    )
    def test_refusals(self, rule, words):
        with pytest.raises(DataError, match=words):
            problem(rule())


class TestComplete:
    def test_is_implied_and_exact(self):
        for rules in ([], [ac.Complete()]):
            plan = problem(rules).solve()
            np.testing.assert_allclose(plan.remaining.iloc[-1], 0.0, **EXACT)

    def test_violation(self):
        found, plan = violation(ac.Complete(), 0.9 * TWAP)
        np.testing.assert_allclose(found, [900.0, 50.0, 300.0], rtol=1e-9)
        assert plan.rules_broken["Complete"] == pytest.approx(900.0)


class TestEveryRule:
    rules = (
        ac.TradeSize(-1e5, 1e5, name="one"),
        ac.TradeRate(-1e6, 1e6, name="two"),
        ac.Participation(0.9, name="three"),
        ac.Monotone(name="four"),
        ac.NoTrade(during=(0.1, 0.35), name="five"),
        ac.Complete(name="six"),
        ac.HoldingBounds(-1e6, 1e6, name="seven"),
        ac.DollarNeutral(0.9, name="eight"),
    )

    def test_named_and_reported(self):
        plan = problem(list(self.rules)).solve()
        assert {*plan.certificate.violations} == {rule.name for rule in self.rules}
        assert max(plan.certificate.violations.values()) <= OBEYED * 9_000.0

    @pytest.mark.parametrize("rule", rules, ids=lambda r: type(r).__name__)
    def test_unknown_assets_and_windows(self, rule):
        if type(rule) is not ac.Complete:
            with pytest.raises(DataError, match=r"is not an edge|outside"):
                problem(rule.changed(during=(0.2, 0.35)))
        with pytest.raises(ModelError, match=f"{rule.name}: assets= names 'X', which is not in the order"):
            problem(rule.changed(assets=["A", "X"]))

    def test_default_name_is_the_class(self):
        assert ac.Participation(0.1).name == "Participation"
        assert ac.Monotone(name="never back").name == "never back"

    def test_two_of_a_name_are_refused(self):
        with pytest.raises(
            ModelError, match="two terms of the problem are called 'TradeSize': give one of them a name="
        ):
            problem([ac.TradeSize(-1e5), ac.TradeSize(upper=1e5)])

    def test_changed_keeps_the_rest(self):
        rule = ac.Participation(0.1, assets=["A"], name="pace").changed(maximum=0.2)
        assert (rule.maximum, rule.assets, rule.name, rule.minimum) == (0.2, ["A"], "pace", None)
        with pytest.raises(ModelError, match="pace has no 'speed' to update; it has: assets, during, maximum, minimum"):
            rule.changed(speed=3.0)
        with pytest.raises(ModelError, match="has no 'name' to update"):
            rule.changed(name="other")


def test_a_percentage_is_not_a_fraction():
    market = ac.Market(ac.TimeGrid.uniform(1.0, 3), 40.0, volume=1e5)
    with pytest.raises(ac.DataError, match=r"maximum is 10; a fraction .* \(0.1 is ten percent\)"):
        ac.ExecutionProblem(ac.Order(90.0), market, ac.TemporaryImpact(1e-6), [ac.Participation(10)])

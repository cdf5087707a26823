"""Temporary and permanent impact and the spread, from their formulas, one interval and asset at a time."""

import builders
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import acopt as ac
from acopt.errors import DataError, ModelError

TIGHT = 1e-12
HELD = 1e-9  # solved trades against a closed form, of the order

TAU = np.diff(builders.EDGES["uneven"])
ETA = pd.Series({"A": 2e-6, "B": 4e-4, "C": 3e-5})
GAMMA = pd.DataFrame(
    [[4e-8, 1e-8, 0.0], [1e-8, 8e-6, 2e-8], [0.0, 2e-8, 6e-7]], index=[*builders.NAMES], columns=[*builders.NAMES]
)


def price(cost, trades, kind="both sides", rules=(), **changes):
    """Return the value of one cost on given trades, uneven grid."""
    extra = ac.TemporaryImpact(name="ground")
    problem = ac.ExecutionProblem(builders.order(kind), builders.market("uneven", **changes), cost + extra, rules)
    return problem.evaluate(trades), cost.name


def schedules(kind="both sides", count=3):
    order = builders.order(kind)
    for seed in range(count):
        rng = np.random.default_rng(seed)
        u = rng.normal(size=(5, len(order.assets))) * 2_000.0
        u[-1] = -order.remaining.to_numpy() - u[:-1].sum(axis=0)
        yield u


class TestTemporary:
    def test_diagonal(self):
        grid = builders.grid("uneven")
        eta = pd.DataFrame(np.outer(np.arange(1.0, 6.0), ETA), index=grid.labels, columns=ETA.index)
        for u in schedules():
            plan, name = price(ac.TemporaryImpact(eta.iloc[::-1, ::-1]), u)
            expected = [[eta.iloc[k, i] * u[k, i] ** 2 / TAU[k] for i in range(3)] for k in range(5)]
            cell = plan.breakdown().query("cost == @name")["value"].to_numpy().reshape(5, 3)
            np.testing.assert_allclose(cell, expected, rtol=TIGHT)
            assert plan.term_values[name] == pytest.approx(np.sum(expected), rel=TIGHT)

    @pytest.mark.parametrize("shuffled", [False, True])
    def test_cross_impact(self, shuffled):
        h = builders.cross_impact()
        given = h.iloc[[2, 0, 1], [1, 2, 0]] if shuffled else h
        for u in schedules():
            plan, name = price(ac.TemporaryImpact(given), u)
            total = 0.0
            for k in range(5):
                for i, a in enumerate(builders.NAMES):
                    for j, b in enumerate(builders.NAMES):
                        total += u[k, i] * h.loc[a, b] * u[k, j] / TAU[k]
            assert plan.term_values[name] == pytest.approx(total, rel=TIGHT)

    def test_cross_impact_per_interval(self):
        stack = np.array([builders.cross_impact(coupling=0.1 * k).to_numpy() * (1 + k) for k in range(5)])
        for u in schedules():
            plan, name = price(ac.TemporaryImpact(stack), u)
            total = sum(u[k] @ stack[k] @ u[k] / TAU[k] for k in range(5))
            assert plan.term_values[name] == pytest.approx(total, rel=TIGHT)
            by_asset = plan.breakdown().query("cost == @name").groupby("asset")["value"].sum()
            expected = [sum(u[k, i] * (stack[k] @ u[k])[i] / TAU[k] for k in range(5)) for i in range(3)]
            np.testing.assert_allclose(by_asset.loc[[*builders.NAMES]], expected, rtol=1e-9)

    def test_cross_impact_of_plain_arrays(self):
        plain, labelled = (
            price(ac.TemporaryImpact(h), next(schedules()))[0].term_values["TemporaryImpact"]
            for h in (builders.cross_impact().to_numpy(), builders.cross_impact())
        )
        assert plain == labelled

    def test_no_volume_and_no_trade_cost_nothing(self):
        volume = pd.DataFrame(5e4, index=builders.grid("uneven").labels, columns=[*builders.NAMES])
        volume.iloc[1] = 0.0
        u = np.vstack([-builders.order("both sides").remaining.to_numpy(), np.zeros((4, 3))])
        plan, name = price(ac.TemporaryImpact(), u, volume=volume)
        assert np.isfinite(plan.term_values[name])
        u[1], u[0] = u[0], 0.0
        plan, name = price(ac.TemporaryImpact(), u, volume=volume)
        assert plan.term_values[name] == np.inf

    def test_cheaper_to_trade_together_what_offsets(self):
        """With cross-impact, a sale of one pays for the purchase of the other: two intervals, by hand."""
        h = pd.DataFrame([[1e-6, 6e-7], [6e-7, 1e-6]], index=["A", "C"], columns=["A", "C"])
        order = ac.Order.sell({"A": 1_000.0}) + ac.Order.buy({"C": 1_000.0})
        market = ac.Market(ac.TimeGrid.uniform(1.0, 2), {"A": 1.0, "C": 1.0})
        plan = ac.ExecutionProblem(order, market, ac.TemporaryImpact(h)).solve()
        np.testing.assert_allclose(plan.path.trades, [[-500.0, 500.0]] * 2, rtol=HELD)
        each = (2e-6 - 2 * 6e-7) * 500.0**2 / 0.5
        assert plan.objective == pytest.approx(2 * each, rel=TIGHT)

    def test_time_varying_cost_has_its_closed_form(self):
        """One asset, no risk: u_k proportional to tau_k / eta_k, cost X^2 / sum(tau_k / eta_k) (REFERENCE_CASES 3)."""
        grid = builders.grid("uneven")
        eta = pd.Series([3e-6, 1e-6, 2e-6, 5e-7, 8e-6], index=grid.labels)
        x, share = 10_000.0, TAU / eta.to_numpy()
        for order in (ac.Order.sell({"A": x}), ac.Order.buy({"A": x})):
            plan = ac.ExecutionProblem(order, builders.market("uneven"), ac.TemporaryImpact(eta)).solve()
            np.testing.assert_allclose(np.abs(plan.path.trades[:, 0]), x * share / share.sum(), atol=HELD * x)
            assert plan.objective == pytest.approx(x**2 / share.sum(), rel=TIGHT)

    @pytest.mark.parametrize(
        ("eta", "words"),
        [
            (1e-6, "TemporaryImpact eta: the scalar 1e-06 is in price units"),
            ({"A": 1e-6, "B": -1e-6, "C": 1e-6}, "TemporaryImpact eta is -1e-06 for B at 0.0"),
            ({"A": 1e-6, "B": np.nan, "C": 1e-6}, "TemporaryImpact eta is nan for B"),
            ({"A": 1e-6}, "TemporaryImpact eta: no value for asset B"),
            ([[1e-6, 1e-6], [1e-6]], "TemporaryImpact eta: .* is not a number"),
            ("much", "TemporaryImpact eta: 'much' is not a number"),
            (np.ones((4, 3, 3)), r"TemporaryImpact eta: an array of shape \(4, 3, 3\) was given, \(5, 3, 3\)"),
            (np.array([[1.0, 0.5, 0], [0, 1, 0], [0, 0, 1]]), r"TemporaryImpact eta is not symmetric: \[A, B\] is 0.5"),
        ],
    )
    def test_refusals(self, eta, words):
        with pytest.raises(DataError, match=words):
            price(ac.TemporaryImpact(eta), np.zeros((5, 3)))

    def test_square_array_that_could_be_either(self):
        market = builders.market(ac.TimeGrid.uniform(1.0, 3))
        with pytest.raises(DataError, match="fits interval x asset and asset x asset alike; give a DataFrame"):
            ac.ExecutionProblem(builders.order("both sides"), market, ac.TemporaryImpact(np.eye(3)))

    def test_no_coefficient_anywhere(self):
        with pytest.raises(
            ModelError, match="TemporaryImpact has no coefficient: give it one, or give the market an impact"
        ):
            ac.ExecutionProblem(
                builders.order("sell one"), builders.market("uneven", impact=None), ac.TemporaryImpact()
            )


def permanent_by_hand(u, gamma, own):
    """1/2 S'GS - 1/2 sum u'Gu, the second sum only for a trade that does not pay its own move."""
    s = np.zeros(u.shape[1])
    for trade in u:
        s = s + trade
    total = 0.5 * s @ gamma @ s
    if own == "full":
        for trade in u:
            total -= 0.5 * trade @ gamma @ trade
    return total


class TestPermanent:
    @pytest.mark.parametrize("own", ["full", "half"])
    @pytest.mark.parametrize(
        "gamma", [GAMMA, GAMMA.iloc[::-1, [1, 0, 2]], pd.Series(np.diag(GAMMA), index=GAMMA.index)]
    )
    def test_by_formula(self, own, gamma):
        dense = GAMMA.to_numpy() if isinstance(gamma, pd.DataFrame) else np.diag(np.diag(GAMMA))
        for kind in ("both sides", "sell many", "buy many"):
            for u in schedules(kind):
                plan, name = price(ac.PermanentImpact(gamma, own=own), u, kind)
                assert plan.term_values[name] == pytest.approx(permanent_by_hand(u, dense, own), rel=1e-9)

    @pytest.mark.parametrize("own", ["full", "half"])
    def test_when_the_order_is_left_unfinished(self, own):
        for u in schedules():
            u[3] *= 0.2
            plan, name = price(ac.PermanentImpact(GAMMA, own=own), u, rules=[ac.AllowUnfilled(5.0)])
            assert plan.term_values[name] == pytest.approx(permanent_by_hand(u, GAMMA.to_numpy(), own), rel=1e-9)

    def test_half_is_the_same_for_every_path(self):
        """1/2 X'GX, whatever the schedule, and that is what `constant` says."""
        x = builders.order("both sides").remaining.to_numpy()
        for u in schedules():
            plan, name = price(ac.PermanentImpact(GAMMA, own="half"), u)
            assert plan.term_values[name] == pytest.approx(0.5 * x @ GAMMA.to_numpy() @ x, rel=1e-9)

    def test_what_each_trade_pays_is_what_earlier_trades_moved(self):
        u = next(schedules())
        plan, _ = price(ac.PermanentImpact(GAMMA), u)
        cell = plan.breakdown().query("cost == 'PermanentImpact'")["value"].to_numpy().reshape(5, 3)
        np.testing.assert_array_equal(cell[0], 0.0)
        moved = GAMMA.to_numpy() @ (u[0] + u[1])
        np.testing.assert_allclose(cell[2], u[2] * moved, rtol=1e-9)

    def test_almgren_chriss_split(self):
        """Full, together with eta, is 1/2 gamma X^2 + (eta - gamma tau / 2) / tau u^2 (AC 2000, equation 4)."""
        x, n, tau, eta, gamma = 1e6, 5, 1.0, 2.5e-6, 2.5e-7
        market = ac.Market(ac.TimeGrid.uniform(5.0, n), 50.0)
        problem = ac.ExecutionProblem(ac.Order.sell(x), market, ac.TemporaryImpact(eta) + ac.PermanentImpact(gamma))
        plan = problem.solve()
        expected = 0.5 * gamma * x**2 + (eta - gamma * tau / 2) / tau * n * (x / n) ** 2
        assert plan.expected_cost == pytest.approx(expected, rel=TIGHT)
        np.testing.assert_allclose(plan.path.trades, -x / n, rtol=HELD)

    @pytest.mark.parametrize(
        ("gamma", "words"),
        [
            (1e-7, "gamma: the scalar 1e-07 is in price units"),
            ({"A": 1e-7, "B": np.nan, "C": 1e-7}, "gamma is nan for B"),
            ({"A": 1e-7, "B": -1e-7, "C": 1e-7}, "gamma is -1e-07 for B"),
            ({"A": 1e-7, "C": 1e-7}, "gamma: no value for asset B"),
            (GAMMA.drop(index="C", columns="C"), "gamma: no value for asset C"),
            ("big", "gamma: 'big' is not a number"),
        ],
    )
    def test_refusals(self, gamma, words):
        with pytest.raises(DataError, match=words):
            price(ac.PermanentImpact(gamma), np.zeros((5, 3)))

    def test_asymmetric_gamma_lets_a_round_trip_earn(self):
        bent = GAMMA.copy()
        bent.loc["A", "B"] = 3e-8
        words = r"not symmetric: \[A, B\] is 3e-08, \[B, A\] is 1e-08.*round trip earn money"
        with pytest.raises(DataError, match=words):
            price(ac.PermanentImpact(bent), np.zeros((5, 3)))
        with pytest.raises(DataError, match=words):
            price(ac.PermanentImpact(), np.zeros((5, 3)), impact=ac.ImpactCoefficients(ETA, bent))

    def test_unfinished_orders_need_a_semidefinite_gamma(self):
        crossed = pd.DataFrame([[1e-9, 2e-9, 0], [2e-9, 1e-9, 0], [0, 0, 1e-9]], index=GAMMA.index, columns=GAMMA.index)
        cost = ac.PermanentImpact(crossed, own="half")
        plan, name = price(cost, next(schedules()))
        assert np.isfinite(plan.term_values[name])
        with pytest.raises(ModelError, match=r"gamma has the negative eigenvalue -1e-09.*Require completion"):
            price(cost, np.zeros((5, 3)), rules=[ac.AllowUnfilled(5.0)])

    def test_own_is_one_of_two(self):
        with pytest.raises(DataError, match="PermanentImpact own='none': 'full' or 'half'"):
            ac.PermanentImpact(own="none")


class TestSpread:
    @pytest.mark.parametrize("kind", ["both sides", "buy many"])
    def test_by_formula(self, kind):
        grid = builders.grid("uneven")
        half = pd.DataFrame(np.arange(15.0).reshape(5, 3) * 1e-3, index=grid.labels, columns=[*builders.NAMES])
        for u in schedules(kind):
            plan, name = price(ac.SpreadCost(half), u, kind)
            expected = sum(half.iloc[k, i] * abs(u[k, i]) for k in range(5) for i in range(3))
            assert plan.term_values[name] == pytest.approx(expected, rel=TIGHT)

    def test_half_of_the_markets_spread(self):
        u = next(schedules())
        plan, name = price(ac.SpreadCost(), u)
        expected = sum(
            0.5 * 4e-4 * builders.PRICES[a] * abs(u[k, i]) for k in range(5) for i, a in enumerate(builders.NAMES)
        )
        assert plan.term_values[name] == pytest.approx(expected, rel=TIGHT)

    @given(st.floats(0.0, 10.0), st.floats(-1e6, 1e6).filter(lambda x: abs(x) > 1.0))
    @settings(max_examples=25, deadline=None)
    def test_a_one_way_order_pays_it_once(self, half, x):
        market = ac.Market(ac.TimeGrid.uniform(1.0, 3), 10.0)
        problem = ac.ExecutionProblem(ac.Order(x), market, ac.SpreadCost(half) + ac.TemporaryImpact(1e-6))
        assert problem.evaluate(np.full((3, 1), -x / 3)).term_values["SpreadCost"] == pytest.approx(
            half * abs(x), rel=TIGHT
        )

    def test_a_spread_keeps_an_idle_asset_idle(self):
        """Risk reduction that is worth less than the spread is not bought."""
        order = ac.Order.sell({"A": 1_000.0}) + ac.Order.hedge("C")
        market = builders.market("even", ["A", "C"])
        objective = ac.TemporaryImpact() + ac.SpreadCost({"A": 0.0, "C": 1e3}) + 1e-6 * ac.TimingRisk()
        plan = ac.ExecutionProblem(order, market, objective).solve()
        np.testing.assert_allclose(plan.trades["C"], 0.0, atol=HELD * 1_000.0)
        free = ac.ExecutionProblem(order, market, ac.TemporaryImpact() + 1e-6 * ac.TimingRisk()).solve()
        assert free.trades["C"].abs().max() > 1.0

    @pytest.mark.parametrize(
        ("half", "words"),
        [
            (0.01, "SpreadCost half_spread: the scalar 0.01 is in price units"),
            ({"A": 1.0, "B": -1.0, "C": 1.0}, "SpreadCost half_spread is -1 for B at 0.0"),
            ({"A": 1.0, "B": np.inf, "C": 1.0}, "SpreadCost half_spread is inf for B"),
        ],
    )
    def test_refusals(self, half, words):
        with pytest.raises(DataError, match=words):
            price(ac.SpreadCost(half), np.zeros((5, 3)))

    def test_no_spread_anywhere(self):
        with pytest.raises(ModelError, match="the market has no spread"):
            price(ac.SpreadCost(), np.zeros((5, 3)), spread=None)


def test_kinds_and_names():
    for cost in (ac.TemporaryImpact(), ac.PermanentImpact(), ac.SpreadCost()):
        assert cost.kind == "money"
        assert cost.name == type(cost).__name__
        assert type(cost)(name="other").name == "other"

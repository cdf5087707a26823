"""Rules on single trades where a cross has no duration: rates, caps, windows."""

import builders
import cvxpy as cp
import numpy as np
import pandas as pd
import pytest

import acopt as ac

GRID = ac.TimeGrid.session("2019-02-15", "65min", auctions=True)  # a cross, six intervals, a cross


def problem(rules, kind="both sides", **changes):
    facts = {"impact": ac.LinearImpact(8.0), **changes}
    return ac.ExecutionProblem(builders.order(kind), builders.market(GRID, **facts), ac.TemporaryImpact(), rules)


class TestTradeRate:
    @pytest.mark.parametrize("kind", ["sell one", "buy one"])
    def test_binds_in_continuous_trading_only(self, kind):
        plan = problem([ac.TradeRate(-1200.0, 1200.0)], kind).solve()
        rates = plan.rates["A"]
        assert np.isnan(rates.iloc[[0, -1]]).all()
        assert (rates.iloc[1:-1].abs() <= 1200.0 * (1 + 1e-9)).all()
        assert (plan.trades["A"].iloc[[0, -1]].abs() > 1200.0).all()  # 7,000 or 9,000 shares do not fit in 1,200 a day

    def test_bounds(self):
        made = problem([ac.TradeRate(-600.0, 1200.0)])
        lower, upper = made.constraints[0].trade_bounds(made.setting)
        np.testing.assert_allclose(lower[1:-1], -100.0, rtol=1e-12)
        np.testing.assert_allclose(upper[1:-1], 200.0, rtol=1e-12)
        assert (lower[[0, -1]] == -np.inf).all()
        assert (upper[[0, -1]] == np.inf).all()

    def test_no_warning_for_an_open_side(self):
        made = problem([ac.TradeRate(upper=0.0)], "sell one")
        assert (made.constraints[0].trade_bounds(made.setting)[0] == -np.inf).all()

    def test_evaluated(self):
        made = problem([ac.TradeRate(-6.0, 6.0)], "sell one")
        trades = np.array([[-4500.0], *[[0.0]] * 6, [-4500.0]])
        assert made.evaluate(trades).path.setting is made.setting
        assert not made.constraints[0].violation(made.evaluate(trades).path).any()
        trades[[0, 2], 0] = [-4490.0, -10.0]
        np.testing.assert_allclose(made.constraints[0].violation(made.evaluate(trades).path).max(), 9.0)


class TestParticipation:
    def test_a_cap_of_the_crosses_own_volume(self):
        volume = pd.DataFrame(4e4, index=GRID.labels, columns=["A"])
        volume.iloc[0], volume.iloc[-1] = 1e3, 2e3
        made = problem([ac.Participation(0.1)], "sell one", volume=volume, assets=["A"])
        plan = made.solve()
        assert (plan.trades["A"] >= -0.1 * volume["A"] * (1 + 1e-9)).all()
        np.testing.assert_allclose(plan.participation["A"].max(), plan.participation["A"].to_numpy()[1], rtol=1e-6)

    def test_a_cap_for_the_crosses_alone(self):
        rules = [ac.Participation(0.5), ac.Participation(0.01, during=("close", None), name="closing cap")]
        plan = problem(rules, "sell one").solve()
        assert plan.participation["A"].iloc[-1] == pytest.approx(0.01, rel=1e-9)
        assert plan.participation["A"].iloc[0] > 0.02

    def test_a_floor(self):
        plan = problem([ac.Participation(1.0, 0.01)], "buy one").solve()
        assert (plan.participation["A"] >= 0.01 * (1 - 1e-9)).all()

    def test_a_cross_without_volume_is_forbidden(self):
        volume = pd.DataFrame(4e4, index=GRID.labels, columns=["A"])
        volume.iloc[0] = 0.0
        for rules in ([], [ac.Participation(0.2)]):
            plan = problem(rules, "buy one", volume=volume, assets=["A"]).solve()
            assert plan.trades["A"].iloc[0] == 0.0
            assert plan.participation["A"].iloc[0] == 0.0
            assert plan.trades["A"].iloc[-1] > 0.0


class TestWindows:
    def test_no_trade_in_a_cross(self):
        plan = problem([ac.NoTrade(during=("close", None)), ac.NoTrade(during=(None, "09:30"), name="open")]).solve()
        np.testing.assert_array_equal(plan.trades.iloc[[0, -1]], 0.0)

    def test_crosses_only(self):
        plan = problem([ac.NoTrade(during=("09:30", "close"))], "sell one").solve()
        np.testing.assert_array_equal(plan.trades.iloc[1:-1], 0.0)
        volume = plan.setting.market.volumes[[0, -1], 0]
        np.testing.assert_allclose(plan.trades["A"].iloc[[0, -1]], -9000.0 * volume / volume.sum(), rtol=1e-9)

    def test_one_side(self):
        plan = problem([ac.Monotone()]).solve()
        direction = -np.sign(plan.setting.remaining)
        assert (plan.path.trades * direction >= 0).all()


class TestCustom:
    def test_rates_are_zero_in_a_cross(self):
        rule = ac.CustomConstraint(lambda p: p.rates >= -1200.0, name="slow")
        one = problem([rule], "sell one").solve()
        two = problem([ac.TradeRate(lower=-1200.0)], "sell one").solve()
        np.testing.assert_allclose(one.trades, two.trades, rtol=1e-6, atol=1e-4)
        assert not np.isnan(one.objective)

    def test_a_cost_of_rates(self):
        made = ac.ExecutionProblem(
            builders.order("sell one"),
            builders.market(GRID),
            ac.TemporaryImpact() + ac.CustomCost(lambda p: 1e-9 * cp.sum_squares(p.rates)),
        )
        trades = builders.random_trades(made)
        own = 1e-9 * np.sum((trades[1:-1] * 6.0) ** 2)
        assert made.evaluate(trades).term_values["CustomCost"] == pytest.approx(own, rel=1e-9)

    def test_rows_by_word(self):
        made = problem([ac.CustomConstraint(lambda p: p.at("close").trades[0] == -500.0, name="at the close")])
        assert made.solve().trades["A"].iloc[-1] == pytest.approx(-500.0, rel=1e-9)

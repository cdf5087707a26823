"""The answer in labels: frames, the execution plan, times of completion."""

import builders
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import acopt as ac
from acopt.errors import DataError
from acopt.model.frames import time_of_fraction

TIGHT = 1e-12

GRID = ac.TimeGrid.session("2019-02-15", "30min", start="10:00", end="12:00")


def plan(trades, order=None, **changes):
    order = order or (ac.Order.sell({"JPM": 100.0}) + ac.Order.buy({"BAC": 40.0}))
    facts = {"volume": 1_000.0, **changes}
    market = ac.Market(GRID, {"BAC": 30.0, "JPM": 100.0, "XOM": 70.0}, **facts)
    eta = ac.TemporaryImpact({"JPM": 1e-3, "BAC": 1e-3, "XOM": 1e-3})
    return ac.ExecutionProblem(order, market, eta).evaluate(np.array(trades, dtype=float))


TRADES = [[-40.0, 0.0], [-30.0, 10.0], [0.0, 30.0], [-30.0, 0.0]]


class TestFrames:
    def test_labels_and_numbers(self):
        found = plan(TRADES)
        np.testing.assert_array_equal(found.trades.to_numpy(), TRADES)
        assert list(found.trades.columns) == ["JPM", "BAC"]  # the order's sequence
        assert list(found.trades.index) == list(GRID.labels)
        assert list(found.remaining.index) == list(GRID.edge_labels)
        np.testing.assert_allclose(found.remaining["JPM"], [100.0, 60.0, 30.0, 30.0, 0.0], rtol=TIGHT)
        np.testing.assert_allclose(found.remaining["BAC"], [-40.0, -40.0, -30.0, 0.0, 0.0], rtol=TIGHT)
        np.testing.assert_allclose(found.holdings["BAC"], [0.0, 0.0, 10.0, 40.0, 40.0], rtol=TIGHT)
        np.testing.assert_allclose(found.rates["JPM"], np.array([-40.0, -30.0, 0.0, -30.0]) * 13, rtol=1e-9)
        np.testing.assert_allclose(found.participation["JPM"], [0.04, 0.03, 0.0, 0.03], rtol=TIGHT)
        np.testing.assert_allclose(found.notional["BAC"], [0.0, 300.0, 900.0, 0.0], rtol=TIGHT)

    def test_selected_by_time_of_day(self):
        assert plan(TRADES).trades.loc["2019-02-15 10:30", "BAC"] == 10.0

    def test_execution_plan(self):
        table = plan(TRADES).to_frame()
        assert list(table.columns) == ["start", "end", "symbol", "side", "shares", "price", "notional", "remaining"]
        assert len(table) == 8
        row = table[(table["symbol"] == "BAC") & (table["side"] == "buy")].iloc[1]
        assert (row["shares"], row["price"], row["notional"], row["remaining"]) == (30.0, 30.0, 900.0, 0.0)
        assert (row["start"], row["end"]) == (GRID.edge_labels[2], GRID.edge_labels[3])
        assert (table["shares"] >= 0).all()
        sides = {"buy": 1.0, "sell": -1.0, "none": 0.0}
        signed = table["side"].map(sides) * table["shares"]
        assert signed.groupby(table["symbol"]).sum().to_dict() == {"BAC": 40.0, "JPM": -100.0}
        assert (table.loc[table["shares"] == 0.0, "side"] == "none").all()

    def test_without_volume_everything_but_participation(self):
        found = plan(TRADES, volume=None)
        assert found.trades.shape == (4, 2)
        assert np.isnan(found.urgency.pov)

    def test_no_order_no_cost(self):
        found = plan(np.zeros((4, 1)), ac.Order.sell({"XOM": 0.0}))
        assert found.objective == 0.0
        assert found.trades.shape == (4, 1)
        assert (found.to_frame()["side"] == "none").all()
        assert np.isnan(found.bps(1.0))
        assert np.isnan(time_of_fraction(found.path, 0.5))

    def test_breakdown_sums_to_the_objective(self):
        objective = ac.TemporaryImpact() + 2.0 * ac.SpreadCost() + 1e-5 * ac.TimingRisk()
        objective += ac.Alpha({"A": 1.0, "B": -2.0, "C": 0.1})
        problem = ac.ExecutionProblem(builders.order("both sides"), builders.market("uneven"), objective)
        found = problem.evaluate(builders.random_trades(problem))
        table = found.breakdown()
        assert list(table.columns) == ["cost", "kind", "weight", "interval", "asset", "value", "weighted"]
        assert table["weighted"].sum() == pytest.approx(found.objective, rel=1e-9)
        assert len(table) == 4 * 15
        money = table[table["kind"] == "money"]["value"].sum()
        assert money == pytest.approx(found.expected_cost, rel=1e-9)


class TestTimeOfFraction:
    def test_by_hand(self):
        """10,000 of JPM and 1,200 of BAC are 11,200; done by edge: 4,000, 7,300, 8,200, 11,200."""
        path = plan(TRADES).path
        tau = 30.0 / 390.0
        assert time_of_fraction(path, 4_000.0 / 11_200.0) == pytest.approx(tau, rel=1e-9)
        assert time_of_fraction(path, 2_000.0 / 11_200.0) == pytest.approx(0.5 * tau, rel=1e-9)
        assert time_of_fraction(path, 5_650.0 / 11_200.0) == pytest.approx(1.5 * tau, rel=1e-9)
        assert time_of_fraction(path, 1.0) == pytest.approx(4 * tau, rel=1e-9)

    @given(st.floats(0.01, 1.0), st.sampled_from([1.0, -1.0]), st.integers(1, 30))
    @settings(max_examples=30, deadline=None)
    def test_of_twap_it_is_the_time(self, fraction, side, periods):
        market = ac.Market(ac.TimeGrid.uniform(2.0, periods), 10.0)
        problem = ac.ExecutionProblem(ac.Order(side * 100.0), market, ac.TemporaryImpact(1.0))
        path = problem.evaluate(np.full((periods, 1), -side * 100.0 / periods)).path
        assert time_of_fraction(path, fraction) == pytest.approx(2.0 * fraction, rel=1e-8)

    def test_never_reached(self):
        assert np.isnan(time_of_fraction(plan(np.zeros((4, 2))).path, 0.5))

    def test_overshooting_does_not_count_as_more(self):
        """Selling 160 of 100 and buying 60 back: done is measured by what is left on either side."""
        order = ac.Order.sell({"JPM": 100.0})
        path = plan([[-160.0], [60.0], [0.0], [0.0]], order).path
        assert time_of_fraction(path, 0.99) > 30.0 / 390.0

    @pytest.mark.parametrize("fraction", [0.0, -0.1, 1.5, np.nan])
    def test_refusals(self, fraction):
        with pytest.raises(DataError, match=r"a number in .0, 1. is expected"):
            time_of_fraction(plan(TRADES).path, fraction)

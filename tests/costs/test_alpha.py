"""Alpha: what a drift is worth, by formula, by totals, and in the published optimum."""

import builders
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import acopt as ac
from acopt.errors import DataError

TIGHT = 1e-12
PRINTED = 6e-5  # shares; REFERENCE_CASES prints four decimals
PRINTED_COST = 6e-5  # currency

NAMES = [*builders.NAMES]
GRID = builders.grid("uneven")
TAU = GRID.durations


def worth(cost, kind="both sides", seed=0):
    order = builders.order(kind)
    problem = ac.ExecutionProblem(order, builders.market("uneven"), cost + ac.TemporaryImpact())
    plan = problem.evaluate(builders.random_trades(problem, seed))
    return plan.term_values[cost.name], builders.loops(plan.path.trades, order.remaining)


class TestDrift:
    @pytest.mark.parametrize("kind", ["both sides", "sell many", "buy many"])
    def test_by_formula(self, kind):
        drift = pd.DataFrame(np.arange(15.0).reshape(5, 3) - 7.0, index=GRID.labels, columns=NAMES)
        for seed in range(3):
            found, x = worth(ac.Alpha(drift.iloc[::-1, [1, 2, 0]]), kind, seed)
            expected = -sum(TAU[k] * drift.iloc[k, i] * x[k + 1, i] for k in range(5) for i in range(3))
            assert found == pytest.approx(expected, rel=1e-9)

    def test_holding_what_rises_earns_and_waiting_to_buy_it_costs(self):
        grid = ac.TimeGrid.uniform(1.0, 2)
        for order, sign in ((ac.Order.sell(100.0), -1.0), (ac.Order.buy(100.0), 1.0)):
            problem = ac.ExecutionProblem(order, ac.Market(grid, 10.0), ac.Alpha(3.0) + ac.TemporaryImpact(1.0))
            late = problem.evaluate(-np.array([[0.0], [1.0]]) * order.remaining.iloc[0])
            assert late.term_values["Alpha"] == pytest.approx(sign * 0.5 * 3.0 * 100.0, rel=TIGHT)

    def test_a_zero_drift_needs_no_labels(self):
        assert worth(ac.Alpha(0.0))[0] == 0.0

    @pytest.mark.parametrize(
        ("drift", "words"),
        [
            (0.1, "Alpha drift: the scalar 0.1 is in price units"),
            ({"A": 1.0, "B": np.nan, "C": 1.0}, "Alpha drift is nan for B at 0.0"),
            ({"A": 1.0}, "Alpha drift: no value for asset B"),
            ("up", "Alpha drift: 'up' is not a number"),
        ],
    )
    def test_refusals(self, drift, words):
        with pytest.raises(DataError, match=words):
            worth(ac.Alpha(drift))


class TestFromBps:
    @given(st.floats(-200.0, 200.0), st.floats(0.01, 10.0))
    @settings(max_examples=25, deadline=None)
    def test_total_of_a_holding_that_is_never_sold(self, bps, half_life):
        """Held from t_0 to T: bps (1 - 2^{-T/h}) of its value, whatever the grid."""
        market = ac.Market(GRID, 40.0)
        objective = ac.Alpha.from_bps(bps, half_life) + ac.TemporaryImpact(1.0)
        problem = ac.ExecutionProblem(ac.Order.sell(1_000.0), market, objective, [ac.AllowUnfilled(1.0)])
        found = problem.evaluate(np.zeros((5, 1))).term_values["Alpha"]
        assert found == pytest.approx(-bps * 1e-4 * 40_000.0 * (1.0 - 2.0 ** (-1.0 / half_life)), rel=1e-9, abs=1e-9)

    def test_half_of_the_move_comes_within_a_half_life(self):
        grid = ac.TimeGrid([0.0, 0.25, 0.5, 0.75])
        market = ac.Market(grid, pd.Series({"A": 10.0, "B": 300.0}))
        view, order = ac.Alpha.from_bps({"B": 8.0, "A": 4.0}, 0.25), ac.Order.sell({"A": 100.0, "B": 2.0})
        problem = ac.ExecutionProblem(order, market, view, [ac.AllowUnfilled(1.0)])
        parts = (
            problem.evaluate(np.zeros((3, 2))).breakdown().query("cost == 'Alpha'")["value"].to_numpy().reshape(3, 2)
        )
        whole = -np.array([4e-4 * 1_000.0, 8e-4 * 600.0])
        np.testing.assert_allclose(parts, np.outer([0.5, 0.25, 0.125], whole), rtol=TIGHT)

    def test_half_life_in_words(self):
        grid = ac.TimeGrid.session("2019-02-15", "30min")
        market = ac.Market(grid, 10.0)
        values = []
        for half_life in ("39min", 0.1):
            objective = ac.Alpha.from_bps(5.0, half_life) + ac.TemporaryImpact(1.0)
            problem = ac.ExecutionProblem(ac.Order.sell(1e3), market, objective)
            values.append(problem.evaluate(np.full((13, 1), -1e3 / 13)).objective)
        assert values[0] == pytest.approx(values[1], rel=TIGHT)

    @pytest.mark.parametrize(
        ("cost", "words"),
        [
            (ac.Alpha.from_bps(5.0, 0.0), "Alpha half_life=0.0: a time > 0"),
            (ac.Alpha.from_bps(5.0, -1.0), "a length of time of -1.0"),
            (ac.Alpha.from_bps(5.0, "later"), "'later' is not a length of time"),
            (ac.Alpha.from_bps({"A": 5.0}, 1.0), "Alpha bps: no value for asset B"),
            (ac.Alpha.from_bps({"A": 5.0, "B": np.inf, "C": 1.0}, 1.0), "Alpha bps is inf for B"),
        ],
    )
    def test_refusals(self, cost, words):
        with pytest.raises(DataError, match=words):
            worth(cost)


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_almgren_chriss_with_drift(side):
    """REFERENCE_CASES 1: alpha = 0.02 $/day for a seller; a buyer faces the mirror image."""
    market = ac.Market(ac.TimeGrid.uniform(5.0, 5), 50.0, covariance=0.95**2)
    costs = ac.TemporaryImpact(2.5e-6) + ac.PermanentImpact(2.5e-7) + ac.SpreadCost(0.0625)
    objective = costs + 1e-6 * ac.TimingRisk() + ac.Alpha(side * 0.02)
    plan = ac.ExecutionProblem(ac.Order(side * 1e6), market, objective).solve()
    np.testing.assert_allclose(
        side * plan.remaining["asset"].iloc[1:5], [546342.2873, 296084.1174, 154127.3858, 66528.5345], atol=PRINTED
    )
    assert plan.expected_cost == pytest.approx(880367.1052, abs=PRINTED_COST)
    assert plan.variance == pytest.approx(3.739391e11, rel=2e-7)


def test_kind_and_name():
    assert ac.Alpha(0.0).kind == ac.Alpha.from_bps(1.0, 1.0).kind == "money"
    assert ac.Alpha(0.0).name == "Alpha"
    assert ac.Alpha.from_bps(1.0, 1.0, name="view").name == "view"

"""The vocabulary of paths, in NumPy and in CVXPY: the same names, the same numbers."""

import builders
import cvxpy as cp
import numpy as np
import pandas as pd
import pytest

import acopt as ac
from acopt.errors import DataError, ModelError
from acopt.model.paths import Trajectory, row_products, twap

TIGHT = 1e-12
QUANTITIES = ("trades", "remaining", "holdings", "rates", "participation", "notional")


def problem(kind="both sides", at="uneven", **changes):
    return ac.ExecutionProblem(builders.order(kind), builders.market(at, **changes), ac.TemporaryImpact())


def trajectory(kind="both sides", at="uneven", seed=0, **changes):
    asked = problem(kind, at, **changes)
    u = builders.random_trades(asked, seed)
    return Trajectory(asked.setting, u), u


class TestTrajectory:
    @pytest.mark.parametrize("kind", ["both sides", "buy many", "sell one"])
    @pytest.mark.parametrize("at", builders.EDGES)
    def test_by_hand(self, kind, at):
        path, u = trajectory(kind, at)
        order, market = path.setting.order, path.setting.market
        x = builders.loops(u, order.remaining)
        size = np.abs(x).max()
        np.testing.assert_allclose(path.trades, u, rtol=0)
        np.testing.assert_allclose(path.remaining, x, atol=TIGHT * size)
        np.testing.assert_allclose(path.holdings, x + order.target.to_numpy(), atol=TIGHT * size)
        np.testing.assert_allclose(path.after, x[1:], atol=TIGHT * size)
        np.testing.assert_allclose(path.rates, u / np.diff(builders.EDGES[at])[:, None], rtol=TIGHT)
        np.testing.assert_allclose(path.participation, u / market.volumes, rtol=TIGHT)
        np.testing.assert_allclose(path.notional, u * market.prices, rtol=TIGHT)

    def test_a_completed_order_ends_at_exactly_zero(self):
        for seed in range(20):
            path, _ = trajectory(seed=seed)
            assert (path.remaining[-1] == 0.0).all()

    def test_an_unfinished_one_does_not(self):
        asked = problem()
        u = builders.random_trades(asked)
        u[2] *= 0.5
        assert (Trajectory(asked.setting, u).remaining[-1] != 0.0).all()

    def test_done_goes_from_nothing_to_all(self):
        path, u = trajectory("buy many")
        done = path.done("B")
        assert done[0] == 0.0
        assert done[-1] == 1.0
        np.testing.assert_allclose(np.diff(done), u[:, 1] / 400.0, atol=1e-9)

    def test_without_volume_participation_is_zero_or_infinite(self):
        volume = pd.DataFrame(1e4, index=builders.grid("uneven").labels, columns=[*builders.NAMES])
        volume.iloc[1] = 0.0
        asked = problem(volume=volume)
        u = builders.random_trades(asked)
        u[1] = [5.0, 0.0, -5.0]
        np.testing.assert_array_equal(Trajectory(asked.setting, u).participation[1], [np.inf, 0.0, np.inf])


class TestViews:
    def test_rows_columns_and_cells(self):
        path, _ = trajectory()
        for name in QUANTITIES:
            whole = getattr(path, name)
            np.testing.assert_array_equal(getattr(path.asset("B"), name), whole[:, 1])
            np.testing.assert_array_equal(getattr(path.at(0.35), name), whole[2])
            assert getattr(path.at(0.35).asset("B"), name) == getattr(path.asset("B").at(0.35), name) == whole[2, 1]

    def test_edges_have_one_more(self):
        path, _ = trajectory()
        np.testing.assert_array_equal(path.at(1.0).remaining, path.remaining[-1])
        np.testing.assert_array_equal(path.at(0.0).holdings, path.holdings[0])
        with pytest.raises(DataError, match="trades: no interval starts at the grid's end"):
            _ = path.at(1.0).trades

    def test_time_of_day(self):
        grid = ac.TimeGrid.session("2019-02-15", "30min")
        asked = ac.ExecutionProblem(ac.Order.sell(1e3), ac.Market(grid, 10.0), ac.TemporaryImpact(1e-6))
        path = Trajectory(asked.setting, np.full((13, 1), -1e3 / 13))
        assert path.at("11:30").asset("asset").remaining == pytest.approx(1e3 * 9 / 13)
        assert path.at("2h").asset("asset").remaining == pytest.approx(1e3 * 9 / 13)

    def test_refusals(self):
        path, _ = trajectory()
        with pytest.raises(DataError, match="no asset 'X' in this problem; it has: A, B, C"):
            path.asset("X")
        with pytest.raises(AttributeError, match=r"a path has trades, remaining, .* not 'speed'"):
            _ = path.asset("A").speed
        with pytest.raises(DataError, match=r"0.36 is not an edge of the grid"):
            path.at(0.36)


class TestThreeAlike:
    """CVXPY variables, CVXPY constants and NumPy arrays answer alike."""

    @pytest.mark.parametrize("kind", ["both sides", "buy many"])
    def test_variables(self, kind):
        seen = {}

        def remember(p):
            seen.update({name: getattr(p, name) for name in QUANTITIES}, done=p.done("A"))
            return cp.sum(p.trades)

        asked = ac.ExecutionProblem(
            builders.order(kind), builders.market("uneven"), ac.TemporaryImpact() + ac.CustomCost(remember)
        )
        u = builders.random_trades(asked)
        builders.cvxpy_objective(asked, u)
        told = {name: np.array(expression.value) for name, expression in seen.items()}
        path = Trajectory(asked.setting, u)
        constants = path.constants()
        for name in QUANTITIES:
            expected = getattr(path, name)
            np.testing.assert_allclose(told[name], expected, atol=1e-9 * np.abs(expected).max())
            np.testing.assert_array_equal(getattr(constants, name).value, expected)
        np.testing.assert_allclose(told["done"], path.done("A"), atol=1e-9)
        np.testing.assert_array_equal(constants.done("A").value, path.done("A"))


class TestTwap:
    def test_is_a_constant_rate(self):
        path = twap(problem("both sides").setting)
        np.testing.assert_allclose(path.rates, np.tile(-path.remaining[0], (5, 1)), rtol=1e-9)
        assert (path.remaining[-1] == 0.0).all()

    def test_skips_what_is_closed_and_what_has_no_volume(self):
        grid = ac.TimeGrid([0.0, 1.0, 1.5, 2.5], closed=[False, True, False])
        market = ac.Market(
            grid,
            {"A": 1.0, "B": 1.0},
            volume=pd.DataFrame([[1.0, 0.0]] * 2 + [[1.0, 5.0]], grid.labels, ["A", "B"]),
            impact=ac.LinearImpact(1.0),
        )
        asked = ac.ExecutionProblem(ac.Order.sell({"A": 10.0, "B": 4.0}), market, ac.TemporaryImpact())
        np.testing.assert_allclose(twap(asked.setting).trades, [[-5.0, 0.0], [0.0, 0.0], [-5.0, -4.0]], rtol=TIGHT)


def test_row_products():
    rng = np.random.default_rng(0)
    x, stack = rng.normal(size=(4, 3)), rng.normal(size=(4, 3, 2))
    found = row_products(cp.Constant(x), cp.Constant(stack.reshape(4, 6))).value
    np.testing.assert_allclose(found, [x[k] @ stack[k] for k in range(4)], rtol=TIGHT)


class TestEvaluate:
    def test_in_every_form(self):
        asked = problem()
        u = builders.random_trades(asked)
        table = pd.DataFrame(u, index=asked.market.grid.labels, columns=asked.order.assets)
        values = [
            asked.evaluate(t).objective for t in (u, u.tolist(), table, table.iloc[::-1, [2, 0, 1]], asked.evaluate(u))
        ]
        assert values == [values[0]] * 5

    @pytest.mark.parametrize(
        ("bend", "words"),
        [
            (lambda t: t.iloc[1:], "trades: no value for interval 0.0"),
            (lambda t: t.drop(columns="B"), "trades: no value for asset B"),
            (lambda t: t.mask(np.tile(t.index.to_numpy()[:, None] == 0.1, 3)), "trades is nan for A at 0.1"),
            (lambda t: t.to_numpy()[1:], r"trades: an array of shape \(4, 3\)"),
        ],
    )
    def test_refusals(self, bend, words):
        asked = problem()
        table = pd.DataFrame(builders.random_trades(asked), index=asked.market.grid.labels, columns=asked.order.assets)
        with pytest.raises(DataError, match=words):
            asked.evaluate(bend(table))

    def test_unfinished_trades_are_priced_and_reported(self):
        """Half an order is not an error, but it does not complete."""
        asked = ac.ExecutionProblem(
            builders.order("both sides"), builders.market(), ac.TemporaryImpact(), [ac.Complete()]
        )
        plan = asked.evaluate(np.zeros((5, 3)))
        assert plan.objective == 0.0
        assert plan.rules_broken == {"Complete": 9_000.0}


def test_a_volume_that_is_missing():
    asked = ac.ExecutionProblem(builders.order("sell one"), builders.market(volume=None, impact=None), ac.SpreadCost())
    with pytest.raises(ModelError, match="the market has no volume"):
        _ = Trajectory(asked.setting, np.zeros((5, 1))).participation

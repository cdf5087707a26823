"""What a policy is given cannot be used against what it pays for, nor against days that have not come."""

import builders
import numpy as np
import pandas as pd
import pytest

import acopt as ac

GRID = ac.TimeGrid([0.0, 0.1, 0.35, 0.4, 0.85, 1.0])


def market(**changes):
    return builders.market(GRID, ["A"], **changes)


def run(policy, on=None, order=9_000.0):
    return ac.simulate(policy, ac.Order.sell({"A": order}), market() if on is None else on, 50, seed=4)


class Erasing:
    """Empties what stands behind one of the arrays it is given, then trades as TWAP does."""

    overshoots = True

    def __init__(self, field):
        self.field, self.twap = field, ac.StaticPolicy("twap")

    def decide(self, state):
        trades = self.twap.decide(state)
        array = getattr(state, self.field)
        base = array if array.base is None else array.base
        base.flags.writeable = True
        base[...] = 0.0
        return trades


@pytest.mark.parametrize("field", ["remaining", "trades"])
def test_what_is_paid_for_is_not_what_is_shown(field):
    honest, erased = run(ac.StaticPolicy("twap")), run(Erasing(field))
    np.testing.assert_array_equal(erased.slippage("arrival"), honest.slippage("arrival"))
    np.testing.assert_array_equal(erased.impact, honest.impact)


def test_to_forget_the_order_is_to_leave_it():
    class Forgetful:
        overshoots = True

        def decide(self, state):
            array = state.remaining if state.remaining.base is None else state.remaining.base
            array.flags.writeable = True
            array[...] = 0.0
            return 0.0 * state.remaining

    with pytest.raises(ac.ModelError, match=r"9,000 shares of A are left to trade"):
        run(Forgetful())


@pytest.mark.parametrize("what", ["prices", "volumes", "spreads"])
def test_a_market_is_not_written_to(what):
    on = market()
    for each in (on, on.select(["A"]), on.with_volumes(2.0 * on.volumes)):
        with pytest.raises(ValueError, match="read-only"):
            getattr(each, what)[...] = 0.0


def test_what_was_given_to_a_market_stays_the_users():
    volumes = np.full((5, 1), 4e4)
    on = market(volume=volumes)
    volumes[:] = 1.0
    np.testing.assert_array_equal(on.volumes, np.full((5, 1), 4e4))


def test_recorded_days_are_nowhere_in_what_a_policy_is_given():
    prices = np.array([20.0, 21.0, 23.0, 22.0, 27.0, 25.0])[:, None]
    seen = []

    class Curious:
        def decide(self, state):
            seen.append(state)
            return ac.StaticPolicy("twap").decide(state)

    ac.simulate(
        Curious(),
        ac.Order.sell({"A": 9e3}),
        ac.SimulatedMarket(market(), prices=ac.RecordedPrices(prices)),
        1,
        seed=0,
    )
    first = seen[0]
    assert not any(isinstance(part, ac.RecordedPrices) for part in first._expected.args)
    np.testing.assert_array_equal(first.expected_changes(), np.zeros((1, 5, 1)))


def test_days_that_run_backwards_are_refused():
    times = pd.date_range("2025-03-03 10:00", periods=6, freq="1h")
    forward = pd.DataFrame({"A": [20.0, 21.0, 22.0, 23.0, 24.0, 25.0]}, times)
    assert ac.RecordedPrices(forward).days == 1
    with pytest.raises(ac.DataError, match=r"the row 2025-03-03 14:00:00 comes after 2025-03-03 15:00:00"):
        ac.RecordedPrices(forward[::-1])


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_costs_that_are_no_amount_are_refused(value):
    class Odd(ac.Cost):
        kind, name = "money", "Odd"

        def values(self, path):
            return np.full(path.trades.shape, value)

    with pytest.raises(ac.ModelError, match=r"policy twap: .*on path 0 are (inf|nan); finite costs"):
        run(ac.StaticPolicy("twap"), ac.SimulatedMarket(market(), costs=Odd()))


class TestSerialCorrelationWhereNothingMoves:
    """An interval without volatility is passed over, as an auction is."""

    RHO, VARIANCE = 0.8, 0.16
    MOVES = np.array([1.0, 0.0, 1.0, 1.0, 1.0])

    def market(self):
        scale = pd.Series(self.MOVES, GRID.labels)
        return ac.Market(
            GRID, pd.Series({"A": 20.0}), covariance=ac.Covariance(np.array([[self.VARIANCE]]), scale=scale)
        )

    def test_the_variance_is_the_markets(self):
        setting = ac.SimulatedMarket(self.market()).setting(ac.Order.sell({"A": 100.0}))
        drawn = ac.SerialCorrelation(self.RHO).draw(setting, 100_000, np.random.default_rng(0)).changes[:, :, 0]
        expected = np.diff(GRID.edges) * self.VARIANCE * self.MOVES
        np.testing.assert_allclose(drawn.var(axis=0), expected, rtol=0.02)
        assert np.corrcoef(drawn[:, 0], drawn[:, 2])[0, 1] == pytest.approx(self.RHO, abs=0.01)

    def test_the_table_is_worth_what_it_simulates_to(self):
        costs = ac.TemporaryImpact(4e-5) + 2e-4 * ac.TimingRisk()
        order, model = ac.Order.sell({"A": 1_000.0}), ac.SerialCorrelation(self.RHO)
        problem = ac.ExecutionProblem(order, self.market(), costs, [ac.Monotone()])
        policy = ac.dynamic_program(problem, 20.0, prices=model)
        days = ac.SimulatedMarket.of(problem, prices=model)
        result = ac.simulate(policy, order, days, 40_000, seed=5)
        risk = np.diff(GRID.edges) * self.VARIANCE * self.MOVES
        held = []

        class Watched:
            name = "watched"

            def decide(self, state):
                trades = policy.decide(state)
                held.append(((state.remaining + trades)[:, 0] ** 2).mean())
                return trades

        ac.simulate(Watched(), order, days, 2_000, seed=5)
        carried = 2e-4 * float(risk @ np.array(held[:5]))
        money = result.slippage("arrival", "currency")
        error = 3.0 * money.std() / np.sqrt(len(money))
        assert policy.value == pytest.approx(money.mean() + carried, abs=error + 0.05 * carried)


def test_a_table_learned_on_one_day_is_not_that_of_another(tmp_path):
    costs = ac.TemporaryImpact() + 1e-5 * ac.TimingRisk()
    problem = ac.ExecutionProblem(ac.Order.sell({"A": 900.0}), market(), costs)
    days = [ac.RecordedPrices(np.linspace(20.0, last, 6)[:, None]) for last in (21.0, 22.0)]
    tasks = [ac.ExecutionTask(problem, 300.0, prices=day) for day in days]
    learner = ac.QLearning(tasks[0], seed=1)
    learner.train(20)
    learner.save(tmp_path / "table.npz")
    assert ac.QLearning.load(tmp_path / "table.npz", tasks[0]).episodes == learner.episodes
    with pytest.raises(ac.DataError, match="was learned with prices"):
        ac.QLearning.load(tmp_path / "table.npz", tasks[1])

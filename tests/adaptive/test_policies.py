"""Plans made before the day, in every form that they may have."""

import builders
import numpy as np
import pandas as pd
import pytest
import simulated

import acopt as ac
from acopt.adaptive.policies import StaticPolicy
from acopt.adaptive.simulation import SimulatedMarket, simulate
from acopt.adaptive.state import Policy

ORDER = builders.order("both sides")
MARKET = builders.market(simulated.NIGHT)
SETTING = SimulatedMarket(MARKET).setting(ORDER)
PROBLEM = ac.ExecutionProblem(ORDER, MARKET, ac.TemporaryImpact() + ac.SpreadCost() + 1e-6 * ac.TimingRisk())
TRADES = simulated.completing(SETTING, 3)


def frame(trades=TRADES):
    return pd.DataFrame(trades, index=MARKET.grid.labels, columns=ORDER.assets)


class TestPlans:
    def test_a_schedule(self):
        plan = PROBLEM.solve()
        policy = StaticPolicy(plan)
        np.testing.assert_array_equal(policy.trades(SETTING), plan.path.trades)
        assert (policy.name, repr(policy)) == ("plan", "StaticPolicy('plan')")
        assert isinstance(policy, Policy)
        ran = simulate(policy, ORDER, MARKET, 3, 1)
        np.testing.assert_allclose(ran.average_trades, plan.trades, rtol=1e-12, atol=1e-9)

    @pytest.mark.parametrize(
        ("plan", "benchmark"),
        [
            ("twap", ac.TWAP()),
            ("vwap", ac.VWAP()),
            (ac.TWAP("2019-02-14 11:40", None), ac.TWAP("2019-02-14 11:40", None)),
            (ac.Close(), ac.Close()),
        ],
    )
    def test_benchmarks(self, plan, benchmark):
        policy = StaticPolicy(plan)
        np.testing.assert_array_equal(policy.trades(SETTING), benchmark.trades(SETTING))
        assert not policy.trades(SETTING)[SETTING.grid.closed].any()
        assert policy.name == (plan if isinstance(plan, str) else repr(plan))

    @pytest.mark.parametrize("kind", ["array", "frame", "frame, in another sequence", "list"])
    def test_trades(self, kind):
        forms = {
            "array": TRADES,
            "frame": frame(),
            "frame, in another sequence": frame().iloc[::-1, ::-1],
            "list": TRADES.tolist(),
        }
        policy = StaticPolicy(forms[kind], name="mine")
        np.testing.assert_array_equal(policy.trades(SETTING), TRADES)
        assert policy.name == "mine"

    def test_one_asset_as_a_vector(self):
        order = builders.order("sell one")
        ran = simulate(StaticPolicy(np.full(13, -9_000 / 13)), order, builders.market(simulated.DAY), 3, 1)
        twap = simulate(StaticPolicy("twap"), order, builders.market(simulated.DAY), 3, 1)
        np.testing.assert_allclose(ran.slippage(), twap.slippage(), rtol=1e-12)

    def test_every_path_and_a_plan_that_passes_its_target(self):
        plan = TRADES.copy()
        plan[0, 0] -= 20_000.0
        plan[1, 0] += 20_000.0
        ran = simulate(StaticPolicy(plan), ORDER, MARKET, 7, 1)
        np.testing.assert_allclose(ran.average_trades, plan, rtol=1e-12, atol=1e-9)

    def test_it_is_aligned_once_for_each_order(self):
        policy = StaticPolicy("twap")
        for order in (ORDER, builders.order("buy many")):
            ran = simulate(policy, order, MARKET, 2, 1)
            np.testing.assert_allclose(ran.average_trades.sum(), -order.remaining, rtol=1e-9)


class TestWhatIsNoPlan:
    def test_a_policy(self):
        table = ac.dynamic_program(
            ac.ExecutionProblem(ac.Order(400.0), ac.Market(simulated.DAY, 50.0), ac.TemporaryImpact(1e-6)), 100
        )
        with pytest.raises(ac.DataError) as error:
            StaticPolicy(table)
        assert str(error.value) == (
            f"StaticPolicy: {table!r} is a policy and no plan; give its .schedule, or simulate the policy itself"
        )
        with pytest.raises(ac.DataError) as error:
            StaticPolicy(StaticPolicy("twap"))
        assert str(error.value) == (
            "StaticPolicy: StaticPolicy('twap') is a policy and no plan; simulate the policy itself"
        )

    @pytest.mark.parametrize(
        ("plan", "shown"),
        [
            (None, "None is no plan"),
            (3.0, "3.0 is no plan"),
            (np.zeros((2, 2, 2)), "array([[[0., 0.], [0., 0.]], [[0., 0.], [0., 0.]]]) is no plan"),
            ({"A": "x"}, "{'A': 'x'} is no plan"),
            ("pov", "no plan is called 'pov'"),
            (ac.TWAP, "<class 'acopt.model.benchmarks.TWAP'> is no plan"),
        ],
    )
    def test_at_once(self, plan, shown):
        with pytest.raises(ac.DataError) as error:
            StaticPolicy(plan)
        assert str(error.value) == (
            f"StaticPolicy: {shown}; accepted are 'twap', 'vwap', a Schedule, a benchmark such as TWAP('10:00', "
            "'12:00'), or trades interval x asset"
        )

    @pytest.mark.parametrize("shape", [(13, 3), (7, 2), (3, 7), (1, 3)])
    def test_another_shape(self, shape):
        with pytest.raises(ac.DataError) as error:
            simulate(StaticPolicy(np.zeros(shape)), ORDER, MARKET, 2, 1)
        assert str(error.value) == (
            f"StaticPolicy 'plan': trades of shape {shape} were given, (7, 3) is expected (interval x asset)"
        )

    def test_labels_that_are_missing_and_numbers_that_are_none(self):
        with pytest.raises(ac.DataError, match=r"^StaticPolicy 'plan': trades: no value for asset C; given: A, B$"):
            simulate(StaticPolicy(frame()[["A", "B"]]), ORDER, MARKET, 2, 1)
        with pytest.raises(ac.DataError, match=r"^StaticPolicy 'plan': trades: no value for interval 2019-02-15"):
            simulate(StaticPolicy(frame().iloc[:-1]), ORDER, MARKET, 2, 1)
        broken = TRADES.copy()
        broken[2, 1] = np.nan
        with pytest.raises(ac.DataError, match=r"^StaticPolicy 'plan': trades is nan for B at 2019-02-14 13:50"):
            simulate(StaticPolicy(broken), ORDER, MARKET, 2, 1)

    def test_a_schedule_of_another_grid(self):
        with pytest.raises(ac.DataError, match=r"^StaticPolicy 'plan': trades: no value for interval"):
            simulate(StaticPolicy(PROBLEM.solve()), ORDER, builders.market(simulated.DAY), 2, 1)

    def test_a_plan_that_does_not_finish(self):
        with pytest.raises(
            ac.ModelError, match=r"^policy plan: after the last interval, .* are left to trade on path 0"
        ):
            simulate(StaticPolicy(0.5 * TRADES), ORDER, MARKET, 2, 1)

    def test_a_name_that_is_none(self):
        with pytest.raises(ac.DataError, match=r"^twap name: 3 was given, a text is expected$"):
            StaticPolicy("twap", name=3)

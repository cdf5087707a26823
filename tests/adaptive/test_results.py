"""Statistics of simulated days against the same by hand, paired comparisons, and the table of policies."""

import builders
import numpy as np
import pandas as pd
import pytest
import simulated
from simulated import Decides

import acopt as ac
from acopt.adaptive.policies import StaticPolicy
from acopt.adaptive.recorded import RecordedPrices
from acopt.adaptive.results import SimulationResult
from acopt.adaptive.simulation import SimulatedMarket, compare_policies, simulate
from acopt.adaptive.volumes import StochasticVolume

EXACT = 1e-12
MARKET = SimulatedMarket(builders.market(simulated.DAY), volume=StochasticVolume(0.4, day=0.2))
POLICIES = {"by the clock": StaticPolicy("twap"), "by the curve": StaticPolicy("vwap")}
COSTS = np.array([3.0, -1.0, 4.0, 1.0, -5.0, 9.0, 2.0, -6.0, 5.0, 3.5])


def result(costs=COSTS, *, gross=1e4, seed=1, moves=None, **changes):
    """A result whose slippage in bps is `costs`: impact 1 a day, the rest by prices."""
    impact = np.ones(len(costs))
    facts = {
        "policy": "mine",
        "n_paths": len(costs),
        "seed": seed,
        "gross": gross,
        "impact": impact,
        "price_gains": {"arrival": impact - costs, "twap": impact - 2.0 * costs},
        "moves": np.arange(len(costs)) if moves is None else moves,
        "traded": np.zeros(len(costs)),
        "average_trades": pd.DataFrame([[1.0]]),
        "unavailable": {"vwap": "no volume", "close": "no trading"},
    }
    return SimulationResult(**{**facts, **changes})


class TestStatistics:
    def test_in_bps_and_currency(self):
        np.testing.assert_allclose(result().slippage(), COSTS)
        np.testing.assert_allclose(result(gross=5e4).slippage(), COSTS / 5)
        np.testing.assert_allclose(result(gross=5e4).slippage(unit="currency"), COSTS)
        np.testing.assert_allclose(result().slippage("twap"), 2.0 * COSTS)

    def test_moments(self):
        one = result()
        mean = sum(COSTS) / 10
        variance = sum((c - mean) ** 2 for c in COSTS) / 9
        assert one.mean() == pytest.approx(mean, rel=EXACT)
        assert one.variance() == pytest.approx(variance, rel=EXACT)
        assert one.std() == pytest.approx(variance**0.5, rel=EXACT)
        assert one.std_error() == pytest.approx((variance / 10) ** 0.5, rel=EXACT)
        assert one.variance("twap") == pytest.approx(4 * variance, rel=EXACT)
        assert result(gross=2e4).variance(unit="currency") == pytest.approx(variance, rel=EXACT)

    def test_quantiles_and_tails(self):
        one = result()
        assert one.quantile(0.0) == -6.0
        assert one.quantile(1.0) == 9.0
        assert one.quantile(0.5) == pytest.approx(2.5)
        assert one.tail(0.8) == pytest.approx((9.0 + 5.0) / 2)
        assert one.tail(0.95) == pytest.approx(9.0)
        assert one.tail(1.0) == pytest.approx(9.0)
        assert one.tail(0.0) == pytest.approx(one.mean())
        assert one.tail(0.8, "twap", "currency") == pytest.approx(14.0)

    def test_the_tail_of_many_normal_days(self):
        costs = np.random.default_rng(1).normal(size=400_000)
        assert result(costs).tail(0.95) == pytest.approx(2.0627128, abs=0.02)
        assert result(costs).quantile(0.95) == pytest.approx(1.6448536, abs=0.01)

    def test_one_day_has_no_error(self):
        one = result(np.array([2.0]))
        assert one.mean() == one.tail() == one.quantile(0.3) == pytest.approx(2.0)
        assert np.isnan([one.variance(), one.std(), one.std_error(), one.against(one).std_error]).all()

    def test_an_order_of_nothing_has_no_bps(self):
        assert np.isnan(result(gross=0.0).slippage()).all()
        assert result(gross=0.0).mean(unit="currency") == pytest.approx(COSTS.mean())

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            (lambda r: r.slippage("open"), "slippage against='open': accepted are 'arrival', 'twap', 'vwap', 'close'"),
            (lambda r: r.mean(unit="dollar"), "slippage unit='dollar': accepted are 'bps' and 'currency'"),
            (lambda r: r.quantile(95), "quantile(95): a number from 0 to 1 is expected (0.95 is ninety-five percent)"),
            (
                lambda r: r.quantile(np.nan),
                "quantile(nan): a number from 0 to 1 is expected (0.95 is ninety-five percent)",
            ),
            (lambda r: r.tail(-0.1), "tail(-0.1): a number from 0 to 1 is expected (0.95 is ninety-five percent)"),
            (lambda r: r.against(3), "SimulationResult.against: int was given, a SimulationResult is expected"),
        ],
    )
    def test_bad_questions(self, call, message):
        with pytest.raises(ac.DataError) as error:
            call(result())
        assert str(error.value) == message

    def test_a_benchmark_without_price(self):
        with pytest.raises(ac.ModelError, match=r"^slippage against 'vwap': no volume$"):
            result().quantile(0.5, "vwap")

    def test_in_words(self):
        assert result(charged="SpreadCost()").summary().splitlines() == [
            "mine: 10 simulated days, seed 1; slippage in bps",
            "  charged SpreadCost()",
            "  against arrival mean 1.550 (standard error 1.438), std 4.549, 95% of days below 7.200, "
            "mean of the worst 5% 9.000",
            "  against twap    mean 3.100 (standard error 2.877), std 9.098, 95% of days below 14.400, "
            "mean of the worst 5% 18.000",
            "  against vwap    no price: no volume",
            "  against close   no price: no trading",
        ]
        assert repr(result()) == "SimulationResult('mine': 10 days of seed 1, cost 1.55 +- 1.4 bps, risk 4.549 bps)"

    def test_one_day_in_words(self):
        one = result(np.array([2.0]))
        assert one.summary().splitlines() == [
            "mine: 1 simulated day, seed 1; slippage in bps",
            "  against arrival 2.000",
            "  against twap    4.000",
            "  against vwap    no price: no volume",
            "  against close   no price: no trading",
        ]
        assert repr(one) == "SimulationResult('mine': 1 day of seed 1, cost 2 bps)"
        assert result(recorded=True).summary().startswith("mine: 10 recorded days, seed 1")

    def test_what_was_charged(self):
        order, market = builders.order("sell one"), builders.market(simulated.DAY)
        costs = 2 * ac.TemporaryImpact() + ac.SpreadCost()
        ran = simulate(StaticPolicy("twap"), order, SimulatedMarket(market, costs=costs), 3, 1)
        assert ran.charged == "2 * TemporaryImpact() + SpreadCost()"
        assert not ran.recorded
        nothing = simulate(StaticPolicy("twap"), order, SimulatedMarket(market, costs=ac.Objective(())), 3, 1)
        assert nothing.charged == "nothing"
        day = RecordedPrices(50.0 + np.arange(14.0)[:, None])
        assert simulate(StaticPolicy("twap"), order, SimulatedMarket(market, prices=day), 1, 1).recorded


class TestPaired:
    def test_by_hand(self):
        others = COSTS[::-1]
        paired = result().against(result(others))
        off = COSTS - others
        assert paired.difference == pytest.approx(off.mean(), rel=EXACT, abs=EXACT)
        assert paired.std_error == pytest.approx(off.std(ddof=1) / np.sqrt(10), rel=EXACT)
        assert paired.better == np.mean([a < b for a, b in zip(COSTS, others, strict=True)])
        back = result(others).against(result(), "twap", "currency")
        assert back.difference == pytest.approx(-2.0 * paired.difference, rel=EXACT, abs=EXACT)
        assert back.std_error == pytest.approx(2.0 * paired.std_error, rel=EXACT)

    def test_with_itself(self):
        paired = result().against(result())
        assert (paired.difference, paired.std_error, paired.better) == (0.0, 0.0, 0.0)

    @pytest.mark.parametrize("other", [{"seed": 2}, {"moves": np.ones(10)}, {"costs": COSTS[:9]}])
    def test_other_days(self, other):
        days = len(other.get("costs", COSTS))
        with pytest.raises(ac.DataError) as error:
            result().against(result(**other))
        assert str(error.value) == (
            f"mine and mine were not simulated on the same days (10 of seed 1, {days} of seed {other.get('seed', 1)}): "
            "simulate both with one order, market, n_paths and seed"
        )

    def test_the_same_days_make_a_small_error_of_it(self):
        order, market = builders.order("sell many"), builders.market(simulated.DAY)
        first = simulate(StaticPolicy("twap"), order, market, 3_000, 1)
        shifted = StaticPolicy("twap").trades(SimulatedMarket(market).setting(order))
        shifted[0], shifted[1] = 1.1 * shifted[0], 0.9 * shifted[1]
        second = simulate(StaticPolicy(shifted), order, market, 3_000, 1)
        paired = second.against(first)
        assert paired.std_error < 0.05 * first.std_error()
        assert paired.difference == pytest.approx(second.mean() - first.mean(), rel=1e-9)
        with pytest.raises(ac.DataError, match="not simulated on the same days"):
            first.against(simulate(StaticPolicy("twap"), order, builders.market(builders.grid()), 3_000, 1))

    def test_days_of_other_volumes_are_other_days(self):
        order, market = builders.order("sell many"), builders.market(simulated.DAY)
        calm, wild = (
            simulate(StaticPolicy("twap"), order, SimulatedMarket(market, volume=ac.StochasticVolume(s)), 200, 1)
            for s in (0.3, 0.9)
        )
        np.testing.assert_array_equal(calm.moves, wild.moves)
        assert calm.against(calm).difference == 0.0
        with pytest.raises(ac.DataError, match="not simulated on the same days"):
            wild.against(calm)


class TestAverageTrades:
    def test_they_are_the_mean_over_days(self):
        order, market = builders.order("both sides"), builders.market(simulated.DAY)
        seen = []

        def decide(state):
            lean = 1.0 + 0.3 * np.tanh(state.price - state.prices[:, 0]) * (state.interval < 12)
            out = -state.remaining / (13 - state.interval) * lean
            seen.append(out)
            return out

        ran = simulate(Decides(decide), order, market, 400, 1)
        exact = np.stack([out.mean(axis=0) for out in seen])
        np.testing.assert_allclose(ran.average_trades.to_numpy(), exact, rtol=1e-9)
        assert ran.average_trades.index.equals(market.grid.labels)
        assert list(ran.average_trades.columns) == list(order.assets)
        np.testing.assert_allclose(ran.average_trades.sum(), -order.remaining, rtol=1e-9)

    def test_over_blocks_of_days(self):
        order, market = builders.order("sell one"), builders.market(simulated.DAY)
        ran = simulate(StaticPolicy("twap"), order, market, 25_000, 1)
        np.testing.assert_allclose(ran.average_trades, -9_000.0 / 13, rtol=1e-9)


class TestComparePolicies:
    @pytest.mark.parametrize("against", ["arrival", "vwap"])
    def test_one_row_a_policy(self, against):
        order = builders.order("both sides")
        table = compare_policies(POLICIES, order, MARKET, 500, 4, against=against)
        assert list(table.index) == list(POLICIES)
        assert table.index.name == "policy"
        assert table.columns.name == f"against {against}"
        charged = simulate(POLICIES["by the clock"], order, MARKET, 500, 4).charged
        assert table.attrs == {"against": against, "n_paths": 500, "seed": 4, "charged": charged}
        results = [simulate(p, order, MARKET, 500, 4) for p in POLICIES.values()]
        for one, (_, row) in zip(results, table.iterrows(), strict=True):
            paired = one.against(results[0], against)
            assert row.to_dict() == {
                "mean_bps": one.mean(against),
                "std_error": one.std_error(against),
                "std_bps": one.std(against),
                "q95_bps": one.quantile(0.95, against),
                "tail95_bps": one.tail(0.95, against),
                "difference_bps": paired.difference,
                "difference_error": paired.std_error,
                "better": paired.better,
            }
        assert table.loc["by the clock", "difference_bps"] == 0.0
        assert table.loc["by the curve", "difference_error"] > 0.0

    @pytest.mark.parametrize("policies", [{}, [StaticPolicy("twap")], None])
    def test_no_mapping(self, policies):
        with pytest.raises(ac.DataError, match=r"^compare_policies: .* was given, a mapping of names to policies is"):
            compare_policies(policies, builders.order("sell one"), MARKET, 5, 1)

    def test_bars(self, capsys):
        compare_policies(POLICIES, builders.order("sell one"), MARKET, 5, 1, progress=True)
        out, err = capsys.readouterr()
        assert out == ""
        assert "simulating twap" in err
        assert "simulating vwap" in err

"""What the data alone show to be impossible, with the arithmetic."""

import builders
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import acopt as ac
from acopt.errors import InfeasibleError, UnboundedError

OBEYED = 1e-9

GRID = ac.TimeGrid.uniform(1.0, 18)


def sell_jpm(rules, shares=250_000.0, volume=100_000.0):
    market = ac.Market(GRID, {"JPM": 100.0, "BAC": 30.0}, volume=volume, impact=ac.LinearImpact(10.0))
    order = ac.Order(pd.Series({"JPM": shares, "BAC": 0.0}))
    return ac.ExecutionProblem(order, market, ac.TemporaryImpact(), rules)


class TestCapacity:
    @pytest.mark.parametrize("side", [1.0, -1.0])
    def test_caps_that_are_too_small(self, side):
        with pytest.raises(InfeasibleError, match=r"JPM: caps sum to 180,000 of 250,000 shares \(Participation\)"):
            sell_jpm([ac.Participation(0.10)], side * 250_000.0)

    def test_several_rules_are_all_named(self):
        rules = [ac.Participation(0.10), ac.NoTrade(during=(0.0, 0.5), name="late start")]
        words = r"JPM: caps sum to 90,000 of 150,000 shares \(Participation, late start\)"
        with pytest.raises(InfeasibleError, match=words):
            sell_jpm(rules, 150_000.0)

    def test_intervals_without_volume_are_named(self):
        volume = pd.DataFrame(100_000.0, index=GRID.labels, columns=["JPM", "BAC"])
        volume.iloc[:17] = 0.0
        with pytest.raises(
            InfeasibleError, match=r"JPM: caps sum to 10,000 of 250,000 .*closed or volumeless intervals"
        ):
            sell_jpm([ac.Participation(0.10)], volume=volume)

    def test_a_cap_on_the_wrong_side_only(self):
        with pytest.raises(InfeasibleError, match=r"JPM: caps sum to 0 of 250,000 shares \(TradeSize\)"):
            sell_jpm([ac.TradeSize(lower=0.0)])

    @pytest.mark.parametrize("side", [1.0, -1.0])
    def test_floors_that_are_too_large(self, side):
        floor = {"JPM": -side * 1_000.0, "BAC": side}
        rule = ac.TradeSize(upper=floor) if side > 0 else ac.TradeSize(lower=floor)
        with pytest.raises(
            InfeasibleError, match=r"JPM: floors sum to 18,000 shares, the order is 5,000 \(TradeSize\)"
        ):
            sell_jpm([rule], side * 5_000.0)

    def test_bounds_that_cross(self):
        rules = [ac.TradeSize(upper=-2_000.0, assets=["JPM"], name="pace"), ac.TradeSize(-1_000.0, name="cap")]
        words = r"pace and cap contradict each other for JPM at 0.0: at least -1,000 and at most -2,000"
        with pytest.raises(InfeasibleError, match=words):
            sell_jpm(rules)

    @given(st.integers(1, 10**9), st.floats(1e-3, 1.0), st.sampled_from([1.0, -1.0]))
    @settings(max_examples=25, deadline=None)
    def test_exactly_enough_is_enough(self, volume, rate, side):
        """Caps that sum to the order, to rounding, leave one schedule, and it is found."""
        plan = sell_jpm([ac.Participation(rate), ac.Monotone()], side * 18 * rate * volume, float(volume)).solve()
        np.testing.assert_allclose(plan.trades["JPM"].abs(), rate * volume, rtol=1e-8)

    def test_unfilled_orders_are_not_asked_for_capacity(self):
        plan = sell_jpm([ac.Participation(0.10), ac.AllowUnfilled(1e3)]).solve()
        assert plan.remaining["JPM"].iloc[-1] == pytest.approx(70_000.0, rel=OBEYED)


class TestBySolver:
    def test_rules_that_are_possible_one_by_one(self):
        order = ac.Order.sell({"A": 9_000.0}) + ac.Order.buy({"B": 450.0})
        market = builders.market("uneven", ["A", "B"])
        rules = [ac.DollarNeutral(100.0), ac.NoTrade(during=(0.0, 0.35), assets="A")]
        rules.append(ac.HoldingBounds(lower=100.0, assets="B", name="stock up"))
        with pytest.raises(InfeasibleError) as caught:
            ac.ExecutionProblem(order, market, ac.TemporaryImpact(), rules).solve()
        assert "DollarNeutral" in str(caught.value)
        assert "stock up" in str(caught.value)

    @pytest.mark.parametrize("side", [1.0, -1.0])
    def test_unbounded_names_the_direction(self, side):
        """Alpha without impact, risk or cap earns without end."""
        market = ac.Market(ac.TimeGrid.uniform(1.0, 3), {"A": 10.0})
        problem = ac.ExecutionProblem(ac.Order(pd.Series({"A": side * 100.0})), market, ac.Alpha({"A": 1.0}))
        with pytest.raises(UnboundedError, match=r"falls without end along: (buy|sell) A at 0.*"):
            problem.solve()

    def test_after_a_failure_a_possible_problem_is_solved(self):
        order = ac.Order.sell({"A": 9_000.0}) + ac.Order.buy({"B": 450.0})
        rules = [ac.DollarNeutral(100.0), ac.HoldingBounds(lower=100.0, assets="B", name="stock up")]
        rules.append(ac.NoTrade(during=(0.0, 0.35), assets="A"))
        problem = ac.ExecutionProblem(order, builders.market("uneven", ["A", "B"]), ac.TemporaryImpact(), rules)
        with pytest.raises(InfeasibleError):
            problem.solve()
        plan = problem.update(constraints={"stock up": {"lower": 0.0}}).solve()
        fresh = ac.ExecutionProblem(
            order, builders.market("uneven", ["A", "B"]), ac.TemporaryImpact(), [rules[0], rules[2]]
        ).solve()
        np.testing.assert_allclose(plan.trades, fresh.trades, atol=1e-6 * 9_000.0)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_a_verdict_or_a_schedule(seed):
    """Random caps: either the arithmetic says no, and it is right, or a schedule obeys them."""
    rng = np.random.default_rng(seed)
    shares = rng.uniform(-1e4, 1e4, 2)
    cap = rng.uniform(0.0, 0.5, (5, 2)) * np.abs(shares)
    market = builders.market("uneven", ["A", "C"])
    order = ac.Order(pd.Series(shares, index=["A", "C"]))
    possible = (cap.sum(axis=0) >= np.abs(shares)).all()
    rules = [ac.TradeSize(-cap, cap)]
    found = builders.outcome(lambda: ac.ExecutionProblem(order, market, ac.TemporaryImpact(), rules).solve())
    if possible:
        assert (np.abs(found.path.trades) <= cap + OBEYED * np.abs(shares).max()).all()
    else:
        assert isinstance(found, InfeasibleError)
        assert "caps sum to" in str(found)

"""HoldingBounds and DollarNeutral: formulas, violations, solved schedules on both sides, advice."""

import builders
import numpy as np
import pandas as pd
import pytest

import acopt as ac
from acopt.errors import DataError, InfeasibleError

EXACT = {"rtol": 0.0, "atol": 0.0}
TIGHT = 1e-12
OBEYED = 1e-9  # of the largest order, or of the gross notional

NAMES = [*builders.NAMES]
UNEVEN = builders.grid("uneven")
TWAP = -np.outer(UNEVEN.durations, [9_000.0, -500.0, 3_000.0])
COST = ac.TemporaryImpact() + 1e-5 * ac.TimingRisk()


def problem(rule, kind="both sides", cost=COST, rules=(), **changes):
    return ac.ExecutionProblem(builders.order(kind), builders.market("uneven", **changes), cost, [rule, *rules])


class TestHoldingBounds:
    def test_bounds_as_given(self):
        low = pd.DataFrame(np.arange(15.0).reshape(5, 3) - 20.0, index=UNEVEN.labels, columns=NAMES)
        rule = ac.HoldingBounds(low, {"C": 4_000.0, "A": 9_000.0, "B": 600.0})
        found = rule.bounds(problem(rule).setting)
        np.testing.assert_allclose(found[0], low, **EXACT)
        np.testing.assert_allclose(found[1], np.tile([9_000.0, 600.0, 4_000.0], (5, 1)), **EXACT)

    def test_only_where_it_applies(self):
        rule = ac.HoldingBounds(upper=7_000.0, assets="A", during=(0.35, None))
        low, high = rule.bounds(problem(rule).setting)
        where = np.zeros((5, 3), dtype=bool)
        where[2:, 0] = True
        np.testing.assert_allclose(high, np.where(where, 7_000.0, np.inf), **EXACT)
        assert np.isneginf(low).all()

    def test_violation_is_of_the_position_after_the_trade(self):
        rule = ac.HoldingBounds(upper={"A": 7_500.0, "B": 600.0, "C": 3_000.0})
        plan = problem(rule).evaluate(TWAP)
        held = plan.holdings.to_numpy()[1:]
        np.testing.assert_allclose(
            rule.violation(plan.path), np.maximum(held - [7_500.0, 600.0, 3_000.0], 0.0), rtol=TIGHT
        )
        assert rule.violation(plan.path)[0, 0] == pytest.approx(600.0)  # 9,000 less a tenth
        assert plan.rules_broken["HoldingBounds"] == pytest.approx(600.0)

    @pytest.mark.parametrize("side", [1.0, -1.0])
    @pytest.mark.parametrize("target", [0.0, 2_000.0])
    def test_obeyed_and_binding_at_any_target(self, side, target):
        """Bounds are on holdings, not on what remains."""
        order = ac.Order({"A": target + side * 9_000.0}, {"A": target})
        cap = {"A": target + side * 6_000.0}
        rule = ac.HoldingBounds(upper=cap) if side > 0 else ac.HoldingBounds(lower=cap)
        asked = ac.ExecutionProblem(order, builders.market("uneven", ["A"]), ac.TemporaryImpact(), [rule])
        plan = asked.solve()
        assert (side * (plan.holdings["A"].iloc[1:] - cap["A"]) <= OBEYED * 9_000.0).all()
        assert plan.holdings["A"].iloc[1] == pytest.approx(cap["A"], abs=OBEYED * 9_000.0)
        assert plan.holdings["A"].iloc[-1] == target

    def test_a_target_outside_its_own_bounds(self):
        words = r"HoldingBounds: A must end at 0 shares, outside the bounds 100 to inf on its last position"
        with pytest.raises(InfeasibleError, match=words):
            problem(ac.HoldingBounds({"A": 100.0, "B": -1e6, "C": -1e6}))
        assert problem(ac.HoldingBounds({"A": 100.0, "B": -1e6, "C": -1e6}, during=(None, 0.85))).solve()
        with pytest.raises(InfeasibleError, match="band: B must end at 500 shares, outside the bounds -inf to 400"):
            problem(ac.HoldingBounds(upper={"A": 1e4, "B": 400.0, "C": 1e4}, name="band"))

    @pytest.mark.parametrize(
        ("rule", "words"),
        [
            (ac.HoldingBounds(), "HoldingBounds: give a lower bound, an upper bound, or both"),
            (ac.HoldingBounds(5.0, 3.0), "HoldingBounds: the lower bound 5 is above the upper bound 3 for A at 0.0"),
            (ac.HoldingBounds(np.nan), "HoldingBounds lower is nan for A at 0.0"),
            (ac.HoldingBounds(upper={"A": 1.0}), "HoldingBounds upper: no value for asset B"),
        ],
    )
    def test_refusals(self, rule, words):
        with pytest.raises(DataError, match=words):
            problem(rule)

    def test_that_trades_cannot_reach(self):
        words = "HoldingBounds and TradeSize|TradeSize and HoldingBounds"
        with pytest.raises(InfeasibleError, match=words):
            problem(
                ac.HoldingBounds(upper={"A": 100.0, "B": 1e6, "C": 1e6}), rules=[ac.TradeSize(-2_500.0, 2_500.0)]
            ).solve()


def balanced():
    """Sell 9,000 A at 20, buy 450 B at 400: net zero, gross 360,000."""
    return ac.Order.sell({"A": 9_000.0}) + ac.Order.buy({"B": 450.0})


def neutral(rule, order=None, cost=COST, rules=()):
    return ac.ExecutionProblem(order or balanced(), builders.market("uneven", ["A", "B"]), cost, [rule, *rules])


class TestDollarNeutral:
    def test_a_fraction_or_currency(self):
        setting = neutral(ac.DollarNeutral(0.01)).setting
        assert ac.DollarNeutral(0.01).limit(setting) == pytest.approx(3_600.0, rel=TIGHT)
        assert ac.DollarNeutral(1.0).limit(setting) == 1.0
        assert ac.DollarNeutral(5_000.0).limit(setting) == 5_000.0
        assert ac.DollarNeutral(0.0).limit(setting) == 0.0

    def test_violation_by_hand(self):
        rule = ac.DollarNeutral(1_000.0)
        trades = np.zeros((5, 2))
        trades[0, 0], trades[2, 1], trades[4] = -4_000.0, 450.0, [-5_000.0, 0.0]
        plan = neutral(rule).evaluate(trades)
        net = [-80_000.0, -80_000.0, 100_000.0, 100_000.0, 0.0]
        np.testing.assert_allclose(rule.violation(plan.path), np.maximum(np.abs(net) - 1_000.0, 0.0), rtol=TIGHT)
        assert plan.rules_broken == {"DollarNeutral": pytest.approx(99_000.0)}

    @pytest.mark.parametrize("mirror", [1.0, -1.0])
    @pytest.mark.parametrize("tolerance", [0.002, 500.0, 0.0])
    def test_obeyed_on_both_sides(self, tolerance, mirror):
        order = ac.Order(mirror * balanced().remaining)
        free, held = (
            ac.ExecutionProblem(order, builders.market("uneven", ["A", "B"]), COST, rules).solve()
            for rules in ([], [ac.DollarNeutral(tolerance)])
        )
        limit = 720.0 if tolerance == 0.002 else tolerance
        assert np.abs(free.path.remaining @ [20.0, 400.0]).max() > 1.1 * 720.0
        assert np.abs(held.path.remaining @ [20.0, 400.0]).max() <= limit + OBEYED * 360_000.0
        assert not held.rules_broken
        assert held.objective >= free.objective

    def test_held_positions_instead(self):
        """Two positions, one leaves, one enters: what is held is net long all along, what remains is not."""
        rule = ac.DollarNeutral(200_000.0, of="holdings")
        plan = neutral(rule).solve()
        assert np.abs(plan.holdings.to_numpy()[1:] @ [20.0, 400.0]).max() <= 200_000.0 + OBEYED * 360_000.0
        tight = ac.DollarNeutral(180_001.0, of="holdings")
        held = neutral(tight).solve().holdings.to_numpy()[1:] @ [20.0, 400.0]
        assert np.abs(held).max() <= 180_001.0 + OBEYED * 360_000.0
        late = neutral(tight).evaluate(np.array([[0.0, 450.0], *[[0.0, 0.0]] * 3, [-9_000.0, 0.0]]))
        assert tight.violation(late.path)[0] == pytest.approx(359_999.0 - 180_000.0)

    def test_some_assets_and_times_only(self):
        rule = ac.DollarNeutral(1_000.0, assets=["A", "B"], during=(0.35, 0.85))
        order = builders.order("both sides")  # its net is not small; its two legs A and B nearly are
        plan = ac.ExecutionProblem(order, builders.market("uneven"), COST, [rule]).solve()
        net = plan.path.remaining[1:, :2] @ [20.0, 400.0]
        assert np.abs(net[2:4]).max() <= 1_000.0 + OBEYED * plan.setting.gross
        found = rule.violation(plan.path)
        np.testing.assert_allclose(found[[0, 1, 4]], 0.0, **EXACT)

    def test_an_order_outside_is_refused_with_its_arithmetic(self):
        order = ac.Order.sell({"A": 9_000.0}) + ac.Order.buy({"B": 340.0})  # +180,000 - 136,000
        for rule, tolerance in ((ac.DollarNeutral(0.05), "15.8k"), (ac.DollarNeutral(2_000.0), "2k")):
            words = rf"DollarNeutral: the order is net 44k, tolerance {tolerance}; raise the tolerance"
            with pytest.raises(InfeasibleError, match=words):
                neutral(rule, order)
        with pytest.raises(InfeasibleError, match=r"the order is net -44k"):
            neutral(ac.DollarNeutral(0.05), ac.Order(-order.remaining))
        assert neutral(ac.DollarNeutral(0.2), order).solve()
        assert neutral(ac.DollarNeutral(0.05, during=(0.35, None)), order).solve()

    def test_millions_read_like_millions(self):
        order = ac.Order.buy({"A": 2_125_000.0}) + ac.Order.sell({"B": 0.0})
        with pytest.raises(InfeasibleError, match=r"the order is net -42.5M, tolerance 2M"):
            neutral(ac.DollarNeutral(2e6), order)

    def test_a_target_that_cannot_be_neutral(self):
        with pytest.raises(InfeasibleError, match="DollarNeutral: the target is net 180k, tolerance 1k"):
            neutral(ac.DollarNeutral(1_000.0, of="holdings"))

    @pytest.mark.parametrize("tolerance", [-1.0, np.nan, np.inf, "5%", [0.1, 0.2]])
    def test_tolerance(self, tolerance):
        with pytest.raises(DataError, match="DollarNeutral tolerance"):
            ac.DollarNeutral(tolerance)

    def test_of(self):
        with pytest.raises(DataError, match="DollarNeutral of='cash': 'remaining' or 'holdings'"):
            ac.DollarNeutral(0.1, of="cash")

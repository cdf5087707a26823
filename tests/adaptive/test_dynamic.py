"""One asset in whole lots: Bellman's table against every schedule there is, the QP, and other algorithms."""

import pickle
from itertools import pairwise

import builders as b
import numpy as np
import pandas as pd
import pytest
from enumerated import best, both_ways, one_way

import acopt as ac
from acopt.adaptive.dynamic import dynamic_program
from acopt.adaptive.stages import StageCost

SAME = 1e-9
LOT = 100.0
SMALL = one_way(12, 5)


def market(at=b.EVEN, **changes):
    """Return one volatile stock, everything different in every interval."""
    volume = pd.Series([5e3, 3e3, 2e3, 3e3, 6e3][: b.grid(at).periods], b.grid(at).labels)
    facts = {"volume": volume, "covariance": 2.0, "spread": 0.02, "impact": ac.LinearImpact(60.0, permanent_bps=0.5)}
    return ac.Market(b.grid(at), 40.0, **{**facts, **changes})


def order(side="sell", lots=12):
    return ac.Order.sell(lots * LOT) if side == "sell" else ac.Order.buy(lots * LOT)


LINEAR = ac.TemporaryImpact() + ac.PermanentImpact() + ac.SpreadCost() + 1e-4 * ac.TimingRisk()
POWER = ac.PowerImpact(0.02, 0.5) + ac.SpreadCost() + 3e-4 * ac.TimingRisk()
CASES = {
    "linear": (LINEAR, [ac.Monotone()]),
    "power": (POWER, [ac.Monotone()]),
    "the law of the market": (ac.PowerImpact() + 1e-4 * ac.TimingRisk(), [ac.Monotone()]),
    "no impact": (ac.SpreadCost() + 1e-5 * ac.TimingRisk(), [ac.Monotone(), ac.Participation(0.1)]),
    "linear, capped": (LINEAR, [ac.Monotone(), ac.Participation(0.08)]),
    "power, capped": (POWER, [ac.Monotone(), ac.Participation(0.1)]),
    "floor": (LINEAR, [ac.Participation(0.2, minimum=0.03)]),
    "window": (LINEAR, [ac.Monotone(), ac.NoTrade(during=(0.2, 0.6))]),
    "positions": (POWER, [ac.Monotone()]),
    "a view": (LINEAR + ac.Alpha(1.5), [ac.Monotone()]),
    "behind vwap": (LINEAR + 3e-3 * ac.TrackingRisk(ac.VWAP()), [ac.Monotone()]),
    "soft cap": (LINEAR, [ac.Monotone(), ac.Participation(0.06, penalty_bps=5.0)]),
    "soft positions": (LINEAR, [ac.Monotone(), ac.HoldingBounds(500.0, 700.0, penalty_bps=4.0, during=(0.2, 0.8))]),
    "weights": (2.0 * ac.TemporaryImpact() + 0.5 * ac.SpreadCost() + 2e-5 * ac.TimingRisk(), [ac.Monotone()]),
}


def problem_of(case, side, at=b.EVEN):
    costs, rules = CASES[case]
    if case == "positions":
        low, high = (800.0, 1_100.0) if side == "sell" else (100.0, 400.0)
        bounds = ac.HoldingBounds(
            low, high, during=(0.0, 0.7 if at == b.UNEVEN else 0.8) if at != b.UNEVEN else (0, 0.4)
        )
        rules = [*rules, bounds]
    law = {"impact": ac.SquareRootImpact(0.3)} if case == "the law of the market" else {}
    return ac.ExecutionProblem(order(side), market(at, **law), costs, rules)


def problem(side="sell", lots=12, rules=(), costs=LINEAR, at=b.EVEN, **changes):
    return ac.ExecutionProblem(order(side, lots), market(at, **changes), costs, [ac.Monotone(), *rules])


class TestEverySchedule:
    @pytest.mark.parametrize("side", ["sell", "buy"])
    @pytest.mark.parametrize("case", CASES)
    def test_none_of_1820_is_better(self, case, side):
        question = problem_of(case, side)
        lowest, allowed = best(question, LOT, [SMALL])
        found = dynamic_program(question, LOT)
        assert found.value == pytest.approx(lowest, rel=SAME)
        assert found.schedule.objective == pytest.approx(lowest, rel=SAME)
        assert not found.schedule.rules_broken
        assert allowed == 1820 if case in ("linear", "power", "a view") else allowed > 1
        assert np.all(found.schedule.path.trades % LOT == 0)
        assert found.table.merged == 5  # no plain minimum was needed

    @pytest.mark.parametrize("case", ["linear, capped", "power", "positions"])
    def test_on_an_uneven_grid(self, case):
        question = problem_of(case, "sell", b.UNEVEN)
        assert dynamic_program(question, LOT).value == pytest.approx(best(question, LOT, [SMALL])[0], rel=SAME)

    @pytest.mark.parametrize("penalty", [1.0, 20.0, 200.0])
    @pytest.mark.parametrize("side", ["sell", "buy"])
    def test_what_is_left_has_a_price(self, side, penalty):
        question = problem(side, 8, [ac.AllowUnfilled(penalty), ac.Participation(0.06)])
        lowest, _ = best(question, LOT, [one_way(8, 5, unfilled=True)])
        found = dynamic_program(question, LOT)
        assert found.value == pytest.approx(lowest, rel=SAME)
        assert (found.schedule.path.remaining[-1] != 0).any() == (penalty < 200)

    def test_one_interval_and_a_zero_order(self):
        question = problem(at=b.SINGLE)
        assert dynamic_program(question, LOT).schedule.path.trades.tolist() == [[-1200.0]]
        nothing = dynamic_program(ac.ExecutionProblem(ac.Order(0.0), market(), LINEAR), LOT)
        assert nothing.value == 0.0
        assert not nothing.schedule.path.trades.any()

    def test_both_ways_where_it_pays(self):
        """A stock that rises and falls: the best schedule buys what it is to sell."""
        view = ac.Alpha(pd.Series([5.0, 5.0, -5.0, -5.0, 0.0], b.grid().labels))
        rule = ac.TradeSize(-4 * LOT, 4 * LOT)
        question = ac.ExecutionProblem(order(lots=3), market(), LINEAR + view, [rule])
        with pytest.raises(ac.ModelError, match=r"leaves the order and its target, first for .* at 0.0 .*beyond="):
            dynamic_program(question, LOT)
        found = dynamic_program(question, LOT, beyond=1_600.0)
        assert found.overshoots
        lowest, _ = best(question, LOT, [both_ways(3, 5, 4)])
        assert found.value == pytest.approx(lowest, rel=SAME)
        assert found.schedule.path.remaining.max() > 300

    def test_both_ways_where_it_does_not_pay(self):
        question = ac.ExecutionProblem(order(lots=3), market(), LINEAR)
        found = dynamic_program(question, LOT)
        assert found.value == pytest.approx(best(question, LOT, [both_ways(3, 5, 4)])[0], rel=SAME)
        assert not found.overshoots

    def test_positions_that_the_rules_keep_out_of_reach_are_not_in_the_table(self):
        assert dynamic_program(problem(), LOT, beyond=1e4).table.grid.shape == (13,)
        kept = problem(rules=[ac.HoldingBounds(lower=400.0, during=(0.0, 0.8))])
        free = ac.ExecutionProblem(order(), market(), LINEAR, [ac.HoldingBounds(-200.0, 1_300.0)])
        assert dynamic_program(kept, LOT, beyond=1e4).table.grid.shape == (13,)
        assert dynamic_program(free, LOT, beyond=1e4).table.grid.shape == (16,)

    def test_after_a_history(self):
        question = ac.ExecutionProblem(
            order(), market(), LINEAR, [ac.Monotone(), ac.Participation(0.1)], executed=[[-100.0], [-300.0]]
        )
        found = dynamic_program(question, LOT)
        assert found.value == pytest.approx(best(question, LOT, [one_way(8, 3)])[0], rel=SAME)
        assert found.schedule.path.trades[:2].tolist() == [[-100.0], [-300.0]]
        assert not found.schedule.rules_broken

    def test_the_value_of_every_state(self):
        """What is still to pay from any position is what the best rest of the day costs."""
        costs = ac.TemporaryImpact() + ac.SpreadCost() + 1e-4 * ac.TimingRisk()
        rules = [ac.Monotone(), ac.Participation(0.08)]
        found = dynamic_program(ac.ExecutionProblem(order(), market(), costs, rules), LOT)
        for k, lots in ((1, 9), (2, 8), (3, 6), (4, 4), (4, 0)):
            value = found.cost_to_go(k, np.array([[lots * LOT]]))[0]
            done = np.zeros((k, 1))
            done[0] = -(12 - lots) * LOT
            rest = ac.ExecutionProblem(order(), market(), costs, rules, executed=done)
            held = rest.evaluate(np.vstack([done, np.zeros((5 - k, 1))])).path
            spent = sum(t.factor * t.cost.values(held)[:k].sum() for t in rest.objective.terms)
            assert value + spent == pytest.approx(best(rest, LOT, [one_way(lots, 5 - k)])[0], rel=SAME)
        assert np.isinf(found.cost_to_go(4, np.array([[500.0]]))[0])  # the cap is 4 lots
        assert found.cost_to_go(5, np.zeros((1, 1)))[0] == 0.0


class TestContinuum:
    def test_the_qp_is_a_bound_and_the_limit(self):
        """Never below the optimum in fractions, and above it by the square of the lot."""
        for side in ("sell", "buy"):
            question = problem(side, lots=96, rules=[ac.Participation(0.7)], costs=LINEAR)
            continuous = question.solve().objective
            gaps = {}
            for parts in (1, 2, 4, 8, 16, 32):
                found = dynamic_program(question, LOT / parts)
                gaps[parts] = found.value - continuous
                assert not found.schedule.rules_broken
            floor = -1e-9 * continuous
            assert all(gap >= floor for gap in gaps.values())
            assert all(fine <= coarse - floor for coarse, fine in pairwise(gaps.values()))
            # Rounding the optimum's path moves every position by half a lot at most: second order in the lot, beside
            # the caps and the spread, which bind as before.
            assert gaps[32] - floor < gaps[1] / 100

    def test_power_impact_has_a_cone_as_its_limit(self):
        question = problem(lots=96, costs=POWER)
        cone = question.solve().objective
        gaps = [dynamic_program(question, LOT / parts).value - cone for parts in (1, 8, 64)]
        assert all(gap >= -1e-6 * cone for gap in gaps)
        assert gaps[1] < gaps[0] / 10
        assert gaps[2] <= 1e-5 * cone

    @pytest.mark.parametrize("costs", [LINEAR, ac.TemporaryImpact() + ac.Alpha(0.5)], ids=["risk", "view"])
    @pytest.mark.parametrize("side", ["sell", "buy"])
    def test_the_proven_best_in_lots(self, side, costs):
        question = problem(side, lots=57, rules=[ac.Participation(0.4)], costs=costs)
        rounded = question.solve().round_lots(100, tolerance=1e-9)
        found = dynamic_program(question, 100)
        assert rounded.rounding.proven
        assert rounded.rounding.bound - SAME * rounded.objective <= found.value
        assert found.value <= rounded.objective * (1 + SAME)

    def test_the_stock_of_the_paper(self):
        """Almgren and Chriss' million shares: lots of 500 are within a lot of their sinh, and cost a millionth more."""
        grid = ac.TimeGrid.uniform(5.0, 5)
        market = ac.Market(grid, 50.0, covariance=0.95**2)
        costs = ac.TemporaryImpact(2.5e-6) + ac.PermanentImpact(2.5e-7) + ac.SpreadCost(0.0625) + 1e-6 * ac.TimingRisk()
        found = dynamic_program(ac.ExecutionProblem(ac.Order(1e6), market, costs), 500)
        x = np.array([541955.5544, 289854.2194, 147897.4878, 62141.8016])
        assert np.abs(found.schedule.path.remaining[1:5, 0] - x).max() <= 500
        exact = 911226.9863 + 1e-6 * 3.641286e11
        assert 0 <= found.value - exact <= 2e-6 * exact

    @pytest.mark.parametrize("capped", [False, True])
    @pytest.mark.parametrize("exponent", [1.0, 0.6])
    def test_another_dynamic_program(self, exponent, capped):
        """slippage-tca tries every pair of positions: 200 lots, 20 intervals, the same value in every state."""
        scheduling = pytest.importorskip("slippage.scheduling")
        impacts = pytest.importorskip("slippage.impact")
        gamma = 2e-8 if exponent == 1.0 else 0.0
        theirs = scheduling.solve_schedule(
            quantity=1e5, horizon=1.0, periods=20, volatility=0.9, risk_aversion=2e-6, lot_size=500.0,
            impact=impacts.PowerLawImpact(gamma=gamma, eta=2e-6, beta=exponent, epsilon=0.01),
            max_trade=8_000.0 if capped else None,
        )  # fmt: skip
        impact = ac.PowerImpact(2e-6, exponent) + ac.PermanentImpact(gamma) + ac.SpreadCost(0.01)
        rules = [ac.Monotone(), *([ac.TradeSize(lower=-8_000.0)] if capped else [])]
        stock = ac.Market(ac.TimeGrid.uniform(1.0, 20), 50.0, covariance=0.81)
        found = dynamic_program(ac.ExecutionProblem(ac.Order(1e5), stock, impact + 2e-6 * ac.TimingRisk(), rules), 500)
        assert found.value == pytest.approx(float(theirs.values[0, 200]), rel=SAME)
        if gamma == 0.0:  # what is paid for permanent impact later depends on how the day is split
            for k in range(20):
                mine = found.cost_to_go(k, 500.0 * np.arange(201.0)[:, None])
                assert mine == pytest.approx(theirs.values[k], rel=SAME)


class TestStructure:
    @pytest.mark.parametrize("case", CASES)
    def test_more_left_trades_no_less_and_leaves_no_less(self, case):
        """With convex costs both the best trade and what it leaves never fall when more is left."""
        table = dynamic_program(problem_of(case, "sell"), LOT / 10).table
        for values, steps in zip(table.values, table.steps[:, 0], strict=False):
            lots = steps[0][np.isfinite(values[0])]
            assert set(np.diff(lots)) <= {0, 1}
            second = np.diff(values[0][np.isfinite(values[0])], 2)
            assert (second >= -1e-9 * np.abs(values[0][np.isfinite(values[0])]).max()).all()

    @pytest.mark.parametrize("case", CASES)
    def test_buys_mirror_sells(self, case):
        costs, rules = CASES[case]
        if case == "positions":
            return
        costs = LINEAR + ac.Alpha(-1.5) if case == "a view" else costs
        law = {"impact": ac.SquareRootImpact(0.3)} if case == "the law of the market" else {}
        sold = dynamic_program(problem_of(case, "sell"), LOT)
        bought = dynamic_program(ac.ExecutionProblem(order("buy"), market(**law), costs, rules), LOT)
        assert np.array_equal(sold.schedule.path.trades, -bought.schedule.path.trades)
        assert sold.value == bought.value

    @pytest.mark.parametrize("size", [1e2, 1e5, 1e9])
    def test_the_size_of_an_order_is_a_unit(self, size):
        """Impact falls and risk aversion rises with the order: the same lots, the same cost per share."""
        unit = size / 1200.0
        scaled = ac.Market(b.grid(), 40.0, covariance=2.0)
        costs = ac.TemporaryImpact(1e-4 / unit) + ac.SpreadCost(0.01) + (1e-4 / unit) * ac.TimingRisk()
        found = dynamic_program(ac.ExecutionProblem(ac.Order(size), scaled, costs), LOT * unit)
        base = ac.TemporaryImpact(1e-4) + ac.SpreadCost(0.01) + 1e-4 * ac.TimingRisk()
        of_base = dynamic_program(ac.ExecutionProblem(ac.Order(1200.0), scaled, base), LOT)
        assert np.array_equal(found.table.path(), of_base.table.path())
        assert found.value / unit == pytest.approx(of_base.value, rel=1e-12)


class TicketFee(ac.Cost):
    """So much for every trade, however small: not convex."""

    kind = "money"

    def __init__(self, fee):
        self.fee = fee

    def by_stage(self, setting):
        return StageCost(trade=lambda k, u: self.fee * (u != 0).sum(axis=-1))

    def values(self, path):
        return self.fee * (path.trades != 0)


class Discount(ac.Cost):
    """A law that grows slower than the trade, and risk that does: both parts are concave."""

    kind = "money"

    def by_stage(self, setting):
        return StageCost(
            lambda k, u: (3.0 * np.abs(u) ** 0.7).sum(axis=-1), lambda k, x: (0.4 * np.abs(x) ** 0.8).sum(axis=-1)
        )

    def values(self, path):
        return 3.0 * np.abs(path.trades) ** 0.7 + 0.4 * np.abs(path.after) ** 0.8


class TestNotConvex:
    @pytest.mark.parametrize("side", ["sell", "buy"])
    @pytest.mark.parametrize(
        "own", [TicketFee(60.0), Discount(), TicketFee(60.0) + Discount()], ids=["fee", "law", "both"]
    )
    def test_none_of_1820_is_better(self, own, side):
        question = problem(side, rules=[ac.Participation(0.2)], costs=LINEAR + own)
        found = dynamic_program(question, LOT)
        assert found.table.merged < 5
        assert found.value == pytest.approx(best(question, LOT, [SMALL])[0], rel=SAME)

    def test_a_fee_makes_fewer_trades(self):
        trades = [dynamic_program(problem(costs=LINEAR + TicketFee(fee)), LOT).schedule.path.trades for fee in (0, 99)]
        assert np.count_nonzero(trades[0]) == 5
        assert np.count_nonzero(trades[1]) < 5

    def test_a_fee_in_the_afternoon_leaves_the_morning_convex(self):
        class Late(TicketFee):
            def by_stage(self, setting):
                return StageCost(trade=lambda k, u: (self.fee if k == 0 else 0.0) * (u != 0).sum(axis=-1))

            def values(self, path):
                return self.fee * (path.trades != 0) * (np.arange(5) == 0)[:, None]

        question = problem(costs=LINEAR + Late(40.0))
        found = dynamic_program(question, LOT)
        assert found.table.merged == 4
        assert found.value == pytest.approx(best(question, LOT, [SMALL])[0], rel=SAME)

    def test_parts_that_are_not_the_values_are_refused(self):
        class Wrong(TicketFee):
            def values(self, path):
                return 2.0 * super().values(path)

        with pytest.raises(ac.ModelError, match="by_stage of Wrong does not add up to its values"):
            dynamic_program(problem(costs=LINEAR + Wrong(6.0)), LOT)


class TestRefused:
    @pytest.mark.parametrize(
        ("lot", "said"),
        [
            (500.0, "500 shares do not divide the 1,200 of asset, 200 would be left over; 400 or 600 would do"),
            (5_000.0, "1,200 would be left over; 1,200 would do"),
            (70.5, r"70\.5 shares do not divide .* 66\.66666667 or 70\.58823529 would do"),
            (0.0, "lot is 0"),
            (-100.0, "lot is -100"),
            ("many", "'many' is not a number"),
            ({"B": 100}, "no value for asset asset"),
        ],
    )
    def test_a_lot(self, lot, said):
        with pytest.raises(ac.DataError, match=said):
            dynamic_program(problem(), lot)

    def test_a_lot_that_the_caps_cannot_fill(self):
        question = problem(rules=[ac.Participation(0.066)])
        with pytest.raises(
            ac.InfeasibleError,
            match=r"asset: 12 lots of 100 shares do not fit under Monotone, Participation: the intervals take 9 whole "
            "lots together; lots of 10 would do",
        ):
            dynamic_program(question, LOT)
        assert not dynamic_program(question, LOT / 10).schedule.rules_broken

    def test_positions_that_no_lots_reach(self):
        question = ac.ExecutionProblem(
            order(), market(), LINEAR, [ac.Monotone(), ac.HoldingBounds(510.0, 590.0, during=(0.2, 0.4))]
        )
        with pytest.raises(ac.InfeasibleError, match=r"no schedule in lots of 100 shares obeys all rules together"):
            dynamic_program(question, LOT)

    def test_positions_beyond_the_order(self):
        question = ac.ExecutionProblem(order(), market(), LINEAR, [ac.HoldingBounds(1_300.0, during=(0.2, 0.4))])
        with pytest.raises(ac.InfeasibleError, match=r"or positions beyond the order and its target \(beyond=\)"):
            dynamic_program(question, LOT)
        assert not dynamic_program(question, LOT, beyond=100.0).schedule.rules_broken

    def test_a_table_that_does_not_fit(self):
        with pytest.raises(
            ac.DataError,
            match=r"12,000,001 positions x 5 intervals need 1\.\d+ GB, memory_gb=1 is allowed; lots 2 times as large",
        ):
            dynamic_program(problem(lots=12_000_000), LOT)
        with pytest.raises(ac.DataError, match=r"need 2\.04e-06 GB, .*; lots 4 times as large would fit \(7"):
            dynamic_program(problem(), LOT, memory_gb=8e-7)
        with pytest.raises(ac.DataError, match="no larger lot that divides the orders fits"):
            dynamic_program(problem(lots=13), LOT * 13, memory_gb=1e-7)
        with pytest.raises(ac.DataError, match=r"2,147,483,661 positions x 5 intervals need 3\d\d GB"):
            dynamic_program(ac.ExecutionProblem(order(), market(), LINEAR), LOT, beyond=1e40)
        with pytest.raises(ac.DataError, match=r"lot: 1e-07 shares make 12,000,000,000 lots of asset"):
            dynamic_program(problem(), 1e-7)

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            ({"memory_gb": 0}, "memory_gb=0: a number > 0"),
            ({"memory_gb": "all"}, "memory_gb='all'"),
            ({"nodes": 4}, "nodes=4: an odd whole number from 3 to 100,001"),
            ({"nodes": 2.5}, r"nodes=2\.5"),
            ({"beyond": -1.0}, "beyond is -1"),
            ({"prices": 3.0}, r"prices: 3\.0 was given, a price model is expected"),
        ],
    )
    def test_an_option(self, wrong, said):
        with pytest.raises(ac.DataError, match=said):
            dynamic_program(problem(), LOT, **wrong)

    def test_what_does_not_split(self):
        question = problem(costs=LINEAR + ac.Jerk(scale=0.1))
        with pytest.raises(ac.ModelError, match="does not split by interval: Jerk"):
            dynamic_program(question, LOT)
        with pytest.raises(ac.ModelError, match="TemporaryImpact budget"):
            dynamic_program(problem(rules=[ac.TemporaryImpact() <= 5_000.0]), LOT)


class TestTable:
    def test_it_is_labelled_by_what_remains(self):
        found = dynamic_program(problem(rules=[ac.Participation(0.08)]), LOT)
        table = found.trades_at(4)
        assert table.index.tolist() == [100.0 * lots for lots in range(13)]
        assert table.index.name == "asset"
        assert table.iloc[:5, 0].tolist() == [0.0, -100.0, -200.0, -300.0, -400.0]  # the cap is 4 lots
        assert table.iloc[5:, 0].isna().all()
        for k in range(5):
            left = found.schedule.remaining["asset"].iloc[k]
            assert found.trades_at(k).loc[left].item() == found.schedule.trades["asset"].iloc[k]

    def test_buys(self):
        table = dynamic_program(problem("buy"), LOT).trades_at(4)
        assert table.index.tolist() == [-100.0 * lots for lots in range(13)]
        assert table.iloc[:, 0].tolist() == [100.0 * lots for lots in range(13)]

    @pytest.mark.parametrize("k", [-1, 5, 1.0])
    def test_another_interval(self, k):
        with pytest.raises(ac.DataError, match=r"trades_at interval=.*: a whole number from 0 to 4 is expected"):
            dynamic_program(problem(), LOT).trades_at(k)

    @pytest.mark.parametrize("time", [True, "first", None])
    def test_no_time(self, time):
        with pytest.raises(ac.DataError, match=f"{time!r} is not a time"):
            dynamic_program(problem(), LOT).trades_at(time)

    def test_by_the_clock(self):
        grid = ac.TimeGrid.session("2019-02-15", "78min")
        costs = ac.TemporaryImpact(1e-5) + 1e-6 * ac.TimingRisk()
        found = dynamic_program(
            ac.ExecutionProblem(ac.Order(1_200.0), ac.Market(grid, 50.0, covariance=1.0), costs), 100
        )
        assert found.trades_at("12:06").equals(found.trades_at(2))
        assert found.trades_at(grid.labels[4]).equals(found.trades_at(4))
        with pytest.raises(ac.DataError, match="is not an edge of the grid"):
            found.trades_at("12:00")
        with pytest.raises(ac.DataError, match="'16:00' is the end of the grid"):
            found.trades_at("16:00")

    def test_numbers_and_paths_of_one_asset(self):
        found = dynamic_program(problem(), LOT)
        left = np.array([0.0, 300.0, 1_200.0])
        exact = found.cost_to_go(1, left[:, None])
        assert np.array_equal(found.cost_to_go(1, left), exact)
        assert np.array_equal(found.cost_to_go(1, 300.0), exact[1:2])
        assert found.cost_to_go(0, 1_200) == pytest.approx(found.value)

    def test_it_can_be_pickled(self):
        found = dynamic_program(problem(), LOT)
        other = pickle.loads(pickle.dumps(found))  # noqa: S301
        assert other.value == found.value
        assert other.trades_at(2).equals(found.trades_at(2))
        assert np.array_equal(other.schedule.path.trades, found.schedule.path.trades)

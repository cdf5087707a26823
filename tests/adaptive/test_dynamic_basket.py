"""A small basket in whole lots, every schedule of it enumerated; bad inputs that only a basket has."""

import builders as b
import numpy as np
import pandas as pd
import pytest
from enumerated import best, both_ways, one_way

import acopt as ac
from acopt.adaptive.dynamic import dynamic_program
from acopt.adaptive.prices import ArithmeticBrownian, OrnsteinUhlenbeck
from acopt.adaptive.stages import StageCost

SAME = 1e-9
LOT = pd.Series({"A": 1_000.0, "B": 50.0, "C": 400.0})
GRID = ac.TimeGrid(np.array([0.0, 0.2, 0.5, 0.6, 1.0]))


def market(assets, **changes):
    price = pd.Series(b.PRICES)[list(assets)]
    volume = pd.DataFrame({a: np.array([1.0, 2.0, 0.7, 1.5]) * 12 * LOT[a] for a in assets}, index=GRID.labels)
    facts = {
        "volume": volume,
        "covariance": pd.DataFrame(b.correlated(0.03 * price, 0.6), index=price.index, columns=price.index),
        "spread": 4e-4 * price,
        "impact": ac.LinearImpact(30.0, permanent_bps=0.2),
    }
    return ac.Market(GRID, price, **{**facts, **changes})


def order(**lots):
    held = pd.Series({a: count * LOT[a] for a, count in lots.items()})
    return ac.Order(held.clip(lower=0.0), (-held).clip(lower=0.0))


def problem(orders, rules=(), costs=None, **changes):
    assets = list(orders.assets)
    costs = costs or ac.TemporaryImpact() + ac.PermanentImpact() + ac.SpreadCost() + 2e-5 * ac.TimingRisk()
    return ac.ExecutionProblem(orders, market(assets, **changes), costs, list(rules))


def check(question, splits, **options):
    """Demand the best of all schedules; return the policy."""
    lot = LOT[list(question.setting.assets)]
    lowest, allowed = best(question, lot, splits)
    found = dynamic_program(question, lot, **options)
    assert allowed > 1
    assert found.value == pytest.approx(lowest, rel=SAME)
    assert found.schedule.objective == pytest.approx(lowest, rel=SAME)
    assert not found.schedule.rules_broken
    return found


class TestEverySchedule:
    @pytest.mark.parametrize("lots", [{"A": 4, "B": 4}, {"A": -4, "B": 4}, {"A": -4, "B": -3}])
    @pytest.mark.parametrize("rules", [(), (ac.Participation(0.2),)], ids=["free", "capped"])
    def test_two_assets(self, lots, rules):
        question = problem(order(**lots), [ac.Monotone(), *rules])
        check(question, [one_way(abs(c), 4) for c in lots.values()])

    def test_three_assets_of_both_sides(self):
        question = problem(
            order(A=2, B=-3, C=2), [ac.Monotone()], costs=2.0 * ac.TemporaryImpact() + 1e-5 * ac.TimingRisk()
        )
        check(question, [one_way(2, 4), one_way(3, 4), one_way(2, 4)])

    def test_assets_meet_through_risk(self):
        """Apart, each asset would be worked otherwise than together with the other one."""
        question = problem(order(A=6, B=-6), [ac.Monotone()], costs=ac.TemporaryImpact() + 3e-4 * ac.TimingRisk())
        together = check(question, [one_way(6, 4), one_way(6, 4)])
        apart = [
            dynamic_program(problem(order(**one), [ac.Monotone()], question.objective), LOT[list(one)]).schedule
            for one in ({"A": 6}, {"B": -6})
        ]
        alone = np.column_stack([one.path.trades[:, 0] for one in apart])
        assert together.value < question.evaluate(alone).objective

    @pytest.mark.parametrize("rule", [ac.DollarNeutral(15_000.0), ac.CashBalance(upper=15_000.0)], ids=lambda r: r.name)
    def test_rules_between_assets(self, rule):
        covariance = pd.DataFrame(np.diag([1.5, 36.0]), index=["A", "B"], columns=["A", "B"])
        costs = ac.TemporaryImpact() + 1e-4 * ac.TimingRisk()
        question = problem(order(A=4, B=-4), [ac.Monotone(), rule], costs, covariance=covariance)
        found = check(question, [one_way(4, 4), one_way(4, 4)])
        free = problem(order(A=4, B=-4), [ac.Monotone()], costs, covariance=covariance)
        assert dynamic_program(free, LOT[["A", "B"]]).value < found.value - 1.0

    def test_power_impact(self):
        costs = ac.PowerImpact() + ac.SpreadCost() + 3e-5 * ac.TimingRisk()
        question = problem(order(A=4, B=-4), [ac.Monotone()], costs, impact=ac.SquareRootImpact(0.8))
        check(question, [one_way(4, 4), one_way(4, 4)])

    def test_cross_impact_is_paid_together(self):
        eta = b.cross_impact(["A", "B"], 1e-3, 0.7)
        costs = ac.TemporaryImpact(eta) + ac.PermanentImpact(0.1 * eta) + 3e-5 * ac.TimingRisk()
        question = problem(order(A=4, B=-4), [ac.Monotone()], costs)
        found = check(question, [one_way(4, 4), one_way(4, 4)])
        apart = np.diag(np.diag(eta))
        without = problem(
            order(A=4, B=-4), [ac.Monotone()],
            ac.TemporaryImpact(pd.DataFrame(apart, eta.index, eta.columns)) + 3e-5 * ac.TimingRisk(),
        )  # fmt: skip
        other = dynamic_program(without, LOT[["A", "B"]]).schedule.path.trades
        assert found.value < question.evaluate(other).objective

    def test_a_soft_floor_costs_even_where_nothing_trades(self):
        floor = ac.Participation(0.9, minimum=0.1, penalty_bps=8.0)
        question = problem(order(A=4, B=-4), [ac.Monotone(), floor])
        found = check(question, [one_way(4, 4), one_way(4, 4)])
        assert found.schedule.term_values["Participation (soft)"] > 0

    @pytest.mark.parametrize("penalty", [1.0, 30.0])
    def test_what_is_left_has_a_price(self, penalty):
        question = problem(order(A=3, B=-3), [ac.Monotone(), ac.AllowUnfilled(penalty, assets=["B"])])
        check(question, [one_way(3, 4), one_way(3, 4, unfilled=True)])

    def test_a_hedge(self):
        """A correlated asset without an order is sold and bought back."""
        orders = order(A=3) + ac.Order.hedge(["B"])
        costs = 0.01 * ac.TemporaryImpact() + 1e-4 * ac.TimingRisk()
        covariance = pd.DataFrame(b.correlated([0.6, 12.0], 0.95), index=["A", "B"], columns=["A", "B"])
        rules = [ac.Monotone(assets=["A"]), ac.TradeSize(lower=-100, upper=100, assets=["B"])]
        question = problem(orders, rules, costs, covariance=covariance)
        with pytest.raises(ac.ModelError, match=r"leaves the order and its target, first for B .*beyond="):
            dynamic_program(question, LOT[["A", "B"]])
        found = check(question, [one_way(3, 4), both_ways(0, 4, 2)], beyond={"A": 0.0, "B": 300.0})
        assert found.schedule.path.trades[:, 1].any()
        assert found.overshoots

    def test_trades_that_must_go_against_the_order(self):
        """Only buys are allowed of what is to be sold: no position of the table leads outside of it."""
        rules = [
            ac.Monotone(assets=["A"]),
            ac.TradeSize(lower=50.0, upper=100.0, assets=["B"], during=(0.0, 0.2)),
            ac.TradeSize(lower=-200.0, upper=200.0, assets=["B"], name="size"),
        ]
        for first, second in (("A", "B"), ("B", "A")):
            lots = {"A": 3, "B": 2}
            question = problem(order(**{first: lots[first], second: lots[second]}), rules)
            splits = {"A": one_way(3, 4), "B": both_ways(2, 4, 4)}
            found = check(question, [splits[first], splits[second]], beyond=200.0)
            assert found.schedule.trades["B"].iloc[0] == 50.0
            stuck = ~np.isfinite(found.table.values[:-1])
            assert stuck.any()
            assert not np.moveaxis(found.table.steps, 1, -1)[stuck].any()

    def test_a_fee_of_ones_own(self):
        class Ticket(ac.Cost):
            kind = "money"

            def by_stage(self, setting):
                return StageCost(trade=lambda k, u: 40.0 * (u != 0).sum(axis=-1))

            def values(self, path):
                return 40.0 * (path.trades != 0)

        class OneTicket(Ticket):
            """One fee for all that is traded in an interval."""

            def by_stage(self, setting):
                return StageCost(trade=lambda k, u: 60.0 * (u != 0).any(axis=-1), joint=True)

            def values(self, path):
                return np.asarray(60.0 * (path.trades != 0).any(axis=1).sum())

        for own in (Ticket(), OneTicket()):
            costs = ac.TemporaryImpact() + 1e-5 * ac.TimingRisk() + own
            check(problem(order(A=4, B=-3), [ac.Monotone()], costs), [one_way(4, 4), one_way(3, 4)])

        class Hidden(OneTicket):
            def by_stage(self, setting):
                return StageCost(trade=lambda k, u: 60.0 * (u != 0).any(axis=-1))

        costs = ac.TemporaryImpact() + 1e-5 * ac.TimingRisk() + Hidden()
        with pytest.raises(ac.ModelError, match=r"by_stage of Hidden .* or is not a sum over assets"):
            dynamic_program(problem(order(A=4, B=-3), [ac.Monotone()], costs), LOT[["A", "B"]])

    def test_after_a_history(self):
        whole = problem(order(A=4, B=-4), [ac.Monotone()])
        question = whole.with_history(np.array([[-1_000.0, 100.0]]))
        found = check(question, [one_way(3, 3), one_way(2, 3)])
        assert found.schedule.path.trades[0].tolist() == [-1_000.0, 100.0]

    def test_the_table_is_labelled_by_what_remains(self):
        found = check(problem(order(A=2, B=-3), [ac.Monotone()]), [one_way(2, 4), one_way(3, 4)])
        table = found.trades_at(0)
        assert list(table.index.names) == list(table.columns) == ["A", "B"]
        assert len(table) == 12
        assert table.loc[(2_000.0, -150.0)].tolist() == found.schedule.trades.iloc[0].tolist()


def test_an_asset_that_is_alone_in_a_basket_is_as_on_its_own():
    """Uncorrelated assets: the plain minimum of the basket finds what merging finds for each."""
    covariance = pd.DataFrame(np.diag([0.5, 60.0]), index=["A", "B"], columns=["A", "B"])
    question = problem(order(A=12, B=-12), [ac.Monotone(), ac.Participation(0.3)], covariance=covariance)
    together = dynamic_program(question, LOT[["A", "B"]])
    assert together.table.merged == 0
    values = []
    for i, (asset, lots) in enumerate((("A", 12), ("B", -12))):
        own = problem(order(**{asset: lots}), question.constraints, covariance=covariance.loc[[asset], [asset]])
        alone = dynamic_program(own, LOT[[asset]])
        assert alone.table.merged == 4
        assert np.array_equal(alone.schedule.path.trades[:, 0], together.schedule.path.trades[:, i])
        values.append(alone.value)
    assert together.value == pytest.approx(sum(values), rel=1e-12)


def test_the_qp_is_a_bound_and_the_limit():
    question = problem(order(A=6, B=-6), [ac.Monotone(), ac.Participation(0.3)])
    continuous = question.solve().objective
    lots = LOT[["A", "B"]]
    gaps = [dynamic_program(question, lots / parts).value - continuous for parts in (1, 2, 4, 8, 16)]
    assert all(gap >= -1e-9 * continuous for gap in gaps)
    assert all(np.diff(gaps) <= 1e-9 * continuous)
    assert gaps[-1] < gaps[0] / 50


def test_the_proven_best_in_lots():
    question = problem(order(A=20, B=-16), [ac.Monotone(), ac.Participation(0.7)])
    rounded = question.solve().round_lots({"A": 1_000, "B": 50}, tolerance=1e-9)
    found = dynamic_program(question, LOT[["A", "B"]])
    assert rounded.rounding.proven
    assert rounded.rounding.bound - SAME * rounded.objective <= found.value <= rounded.objective * (1 + SAME)


class TestRefused:
    def test_a_lot_by_asset(self):
        with pytest.raises(ac.DataError, match="do not divide the 200 of B, 50 would be left over; 50 or 100 would do"):
            dynamic_program(problem(order(A=4, B=-4)), {"A": 1_000.0, "B": 75.0})

    def test_a_table_that_does_not_fit(self):
        question = problem(order(A=3_000, B=-3_000, C=6_000))
        with pytest.raises(ac.DataError) as caught:
            dynamic_program(question, LOT)
        assert "54,045,012,001 positions x 4 intervals need 1.25e+04 GB, memory_gb=1 is allowed; lots 24 times" in str(
            caught.value
        )
        assert dynamic_program(question, 300 * LOT).table.grid.shape == (11, 11, 21)

    def test_a_signal_by_asset(self):
        with pytest.raises(ac.ModelError, match="OrnsteinUhlenbeck has a signal for each of 2 assets"):
            dynamic_program(problem(order(A=4, B=-4)), LOT[["A", "B"]], prices=OrnsteinUhlenbeck(1.0))

    def test_a_drift_is_no_signal(self):
        drift = {"A": 0.3, "B": -20.0}
        question = problem(order(A=4, B=-4), [ac.Monotone()])
        by_prices = dynamic_program(question, LOT[["A", "B"]], prices=ArithmeticBrownian(drift=drift))
        by_view = dynamic_program(
            problem(order(A=4, B=-4), [ac.Monotone()], question.objective + ac.Alpha(drift)), LOT[["A", "B"]]
        )
        assert by_prices.value == pytest.approx(by_view.value, rel=SAME)
        assert np.array_equal(by_prices.schedule.path.trades, by_view.schedule.path.trades)

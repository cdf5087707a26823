"""The infeasibility doctor: conflicts, least relaxations and repairs, known by construction."""

import pickle

import builders
import cvxpy as cp
import infeasible
import numpy as np
import pandas as pd
import pytest

import acopt as ac
from acopt.insight.diagnosis import Diagnosis, diagnose
from acopt.insight.relaxation import LeaveAtMost, Relaxed, outward
from acopt.insight.rule_rows import rule_book

GRID = ac.TimeGrid.uniform(1.0, 18)
STUDY, SEED = 24, 11


def refusal(rules, jpm=250_000.0, bac=0.0, volume=100_000.0, cost=None):
    """The error of a problem with two assets: from its constructor, or from solving."""
    with pytest.raises((ac.InfeasibleError, ac.UnboundedError)) as caught:
        two(rules, jpm, bac, volume, cost).solve()
    return caught.value


def two(rules, jpm=250_000.0, bac=0.0, volume=100_000.0, cost=None):
    market = ac.Market(GRID, {"JPM": 100.0, "BAC": 30.0}, volume=volume, impact=ac.LinearImpact(10.0))
    order = ac.Order(pd.Series({"JPM": jpm, "BAC": bac}))
    return ac.ExecutionProblem(order, market, cost or ac.TemporaryImpact(), rules)


def words(found):
    """{conflict: {rule: words}}."""
    return {c.constraints: {r.name: r.text for r in c.relaxations} for c in found.conflicts}


@pytest.mark.parametrize("number", range(STUDY))
def test_random_conflicts_are_what_they_were_built_to_be(number):
    case = infeasible.random_case(SEED, number)
    assert infeasible.examine(case) == [], case.kind


class TestWords:
    @pytest.mark.parametrize("side", [1.0, -1.0])
    def test_caps(self, side):
        """18 intervals of 10% of 100,000 against 250,000: 13.89%, or 70,000 shares left."""
        found = refusal([ac.Participation(0.10), ac.Monotone()], side * 250_000.0).diagnosis
        expected = {"Participation": "maximum 0.1 -> 0.13889", "Complete": "leave 70,000 JPM (7M)"}
        assert words(found) == {("Participation", "Complete"): expected}
        assert list(found.conflicts[0].assets) == ["JPM"]
        assert [r.name for r in found.repair.relaxations] == ["Participation"]

    def test_tolerances_in_currency_and_as_fractions(self):
        found = refusal([ac.DollarNeutral(2e6)], bac=-200_000.0).diagnosis
        assert words(found) == {("DollarNeutral",): {"DollarNeutral": "tolerance 2M -> 19M"}}
        found = refusal([ac.DollarNeutral(0.05)], bac=-200_000.0).diagnosis
        assert words(found)["DollarNeutral",]["DollarNeutral"] == "tolerance 0.05 (1.55M) -> 0.6129032259 (19M)"
        two(found.repaired(), bac=-200_000.0).solve()

    def test_pauses_and_users_rules(self):
        late = ac.NoTrade(during=(0.0, 0.5), name="late start")
        half = ac.CustomConstraint(lambda p: p.asset("JPM").remaining[9] <= 100_000.0, name="half")
        told = words(refusal([late, half]).diagnosis)["late start", "half"]
        assert told == {"late start": "up to 16,670 shares per interval", "half": "widen its sides by 150,000"}

    def test_never_against_the_order(self):
        stock = ac.HoldingBounds(lower=260_000.0, during=(0.0, 0.5), assets="JPM", name="stock up")
        told = words(refusal([ac.Monotone(), stock]).diagnosis)["Monotone", "stock up"]
        assert told["Monotone"] == "let up to 10,000 shares trade against the order per interval"
        assert told["stock up"] == "widen lower by 10,000 shares" or told["stock up"].startswith("lower 260,000 -> ")

    def test_rates_by_asset(self):
        rule = ac.TradeRate(lower={"JPM": -180_000.0, "BAC": -1e6}, name="pace")
        told = words(refusal([rule]).diagnosis)["pace", "Complete"]
        assert told["pace"] == "widen lower by 70,000 shares per day"

    def test_the_whole_story(self):
        text = str(refusal([ac.Participation(0.10)]).diagnosis)
        assert text.splitlines() == [
            "No schedule obeys all rules: 1 conflict.",
            "1. Participation and Complete (JPM) cannot hold together; any one of these alone repairs it:",
            "   Participation: maximum 0.1 -> 0.13889",
            "   Complete: leave 70,000 JPM (7M)",
            "This repairs all of it (2% less does not): Participation: maximum 0.1 -> 0.13889",
        ]

    def test_a_table(self):
        frame = refusal([ac.Participation(0.10)]).diagnosis.to_frame()
        assert frame["constraint"].tolist() == ["Participation", "Complete"]
        assert frame["unit"].tolist() == ["participation point", "currency"]
        np.testing.assert_allclose(frame["amount"], [3.889, 7e6])
        assert frame["in_repair"].tolist() == [True, False]


class TestConflicts:
    def test_disjoint_ones_are_all_found(self):
        rules = [ac.Participation(0.10, assets="JPM")]
        rules += [ac.TradeSize(lower=5.0, assets="BAC", name="floor"), ac.TradeSize(upper=-5.0, name="sell")]
        rules[2] = ac.TradeSize(upper=-5.0, assets="BAC", name="sell")
        found = refusal(rules, bac=1_000.0).diagnosis
        assert {frozenset(c.constraints) for c in found.conflicts} >= {
            frozenset({"Participation", "Complete"}),
            frozenset({"floor", "sell"}),
        }

    def test_one_that_hides_behind_another(self):
        """Both caps fail to finish the order; taking either aside with completion would hide the other."""
        rules = [ac.Participation(0.10), ac.TradeSize(-12_000.0, 12_000.0)]
        found = refusal(rules).diagnosis
        pairs = {("Participation", "Complete"), ("TradeSize", "Complete")}
        assert set(words(found)) == pairs
        assert found.repair.verified
        two(found.repaired()).solve()

    def test_closed_intervals_are_a_rule_that_cannot_give_way(self):
        volume = pd.DataFrame(100_000.0, index=GRID.labels, columns=["JPM", "BAC"])
        volume.iloc[9:] = 0.0
        rule = ac.CustomConstraint(lambda p: p.asset("JPM").trades[12] <= -500.0, name="late trade")
        found = refusal([rule], volume=volume).diagnosis
        assert words(found) == {
            ("late trade", "closed intervals"): {
                "late trade": "widen its sides by 500",
                "closed intervals": "trade up to 500 shares in a closed interval",
            }
        }
        assert [r.name for r in found.repair.relaxations] == ["late trade"]
        two(found.repaired(), volume=volume).solve()

    def test_more_than_the_whole_volume_is_no_cure(self):
        volume = pd.DataFrame(100_000.0, index=GRID.labels, columns=["JPM", "BAC"])
        volume.iloc[:17] = 0.0
        found = refusal([ac.Participation(0.10)], volume=volume).diagnosis
        assert words(found)["Participation", "Complete"]["Participation"] == "cannot repair it alone"
        assert [r.name for r in found.repair.relaxations] == ["Complete"]
        plan = two(found.repaired(), volume=volume).solve()
        assert plan.remaining["JPM"].iloc[-1] == pytest.approx(240_000.0)

    def test_cones_are_named_and_left_out(self):
        cone = ac.CustomConstraint(lambda p: cp.norm(p.asset("JPM").trades) <= 10.0, name="cone")
        found = refusal([cone, ac.Participation(0.2)]).diagnosis
        assert found.feasible is None
        assert found.left_out == ("cone",)
        assert "cone" in str(found)
        assert "lower end" not in str(found)

    def test_piecewise_linear_rules_are_not(self):
        """Sum of |u| at least 250,000, allowed 100,000: the side gives way, not what defines |u|."""
        rule = ac.CustomConstraint(lambda p: cp.norm1(p.asset("JPM").trades) <= 1e5, name="turnover")
        found = refusal([rule]).diagnosis
        assert words(found)["turnover", "Complete"]["turnover"] == "widen its sides by 150,000"
        two(found.repaired()).solve()

    def test_a_check_that_rows_do_not_show(self):
        class Stubborn(ac.Participation):
            def check(self, setting):
                raise ac.InfeasibleError("not on a Friday")

        found = refusal([Stubborn(0.5, name="stubborn")]).diagnosis
        assert words(found) == {("stubborn",): {"stubborn": "not on a Friday"}}
        assert found.repair is None

    def test_unfilled_assets_by_name(self):
        """Only BAC may be left; the repair of last resort lets JPM go too, and prices it the same."""
        volume = pd.DataFrame(100_000.0, index=GRID.labels, columns=["JPM", "BAC"])
        volume.iloc[:17] = 0.0
        found = refusal([ac.Participation(0.10), ac.AllowUnfilled(20.0, assets="BAC")], volume=volume).diagnosis
        assert words(found)["Participation", "AllowUnfilled"]["AllowUnfilled"] == "leave 240,000 JPM (24M)"
        plan = two(found.repaired(), volume=volume).solve()
        assert plan.remaining["JPM"].iloc[-1] == pytest.approx(240_000.0)

    def test_a_small_order_beside_does_not_make_a_rule_dear(self):
        """0.1 to 0.1389 is 1.6% of JPM's order; that it is four times BAC's order is beside the point."""
        found = refusal([ac.Participation(0.10), ac.Monotone()], bac=-1_000.0).diagnosis
        assert [r.name for r in found.repair.relaxations] == ["Participation"]
        assert found.conflicts[0].relaxations[0].size == pytest.approx(3_889.0 / 250_000.0, rel=1e-3)

    def test_closed_intervals_in_history_are_no_rule(self):
        volume = pd.DataFrame(100_000.0, index=GRID.labels, columns=["JPM", "BAC"])
        volume.iloc[:4] = 0.0
        problem = two([ac.TradeSize(-20_000.0, name="cap")], volume=volume)
        later = problem.with_history(np.zeros((4, 2)))
        assert "closed intervals" not in rule_book(later.constraints, later.setting).rules
        assert later.diagnose().feasible


class TestEntries:
    def test_a_feasible_problem_is_said_to_be(self):
        problem = two([ac.Participation(0.5), ac.DollarNeutral(0.99, during=(0.5, 1.0))])
        found = problem.diagnose()
        assert isinstance(found, Diagnosis)
        assert found.feasible is True
        assert found.conflicts == ()
        assert found.repair is None
        assert found.repaired() == list(problem.constraints)
        assert str(found) == "A schedule obeys all rules.\nThe objective has a lower end."

    @pytest.mark.parametrize("kind", ["even", "uneven", "single"])
    def test_zero_orders_and_single_intervals(self, kind):
        for what in ("nothing", "both sides"):
            order = builders.order(what)
            market = builders.market(kind, order.assets)
            assert ac.ExecutionProblem(order, market, ac.TemporaryImpact(), [ac.Monotone()]).diagnose().feasible
            rules = [ac.TradeSize(lower=10.0, assets="A", name="buy"), ac.TradeSize(upper=5.0, assets="A", name="few")]
            with pytest.raises(ac.InfeasibleError) as caught:
                ac.ExecutionProblem(order, market, ac.TemporaryImpact(), rules)
            assert {"few", "buy"} in [set(c.constraints) for c in caught.value.diagnosis.conflicts]

    def test_from_the_problem_and_from_the_error_alike(self):
        late = ac.NoTrade(during=(0.0, 0.5), name="late start")
        problem = two([late, ac.CustomConstraint(lambda p: p.asset("JPM").remaining[9] <= 1e5, name="half")])
        with pytest.raises(ac.InfeasibleError) as caught:
            problem.solve()
        assert str(problem.diagnose()) == str(caught.value.diagnosis)
        assert str(diagnose(problem.setting, problem.objective.terms, problem.constraints)) == str(problem.diagnose())

    def test_it_is_computed_once_and_when_asked_for(self, monkeypatch):
        error, asked = refusal([ac.Participation(0.10)]), []
        question = error._question
        monkeypatch.setattr(error, "_question", lambda: asked.append(1) or question())
        first = error.diagnosis
        assert error.diagnosis is first
        assert len(asked) == 1
        assert any("error.diagnosis" in note for note in error.__notes__)
        error.about(lambda: pytest.fail("the first problem is the one that is meant"))
        assert len(error.__notes__) == 1

    def test_an_error_travels_without_its_problem(self):
        error = pickle.loads(pickle.dumps(refusal([ac.Participation(0.10)])))  # noqa: S301
        assert "caps sum to" in str(error)
        assert error.diagnosis is None
        assert ac.InfeasibleError("by hand").diagnosis is None

    def test_an_update_that_fails_is_diagnosed_with_its_own_data(self):
        problem = two([ac.Participation(0.20)])
        with pytest.raises(ac.InfeasibleError) as caught:
            problem.update(constraints={"Participation": {"maximum": 0.10}})
        assert words(caught.value.diagnosis)["Participation", "Complete"]["Participation"] == "maximum 0.1 -> 0.13889"
        assert problem.diagnose().feasible

    def test_history_is_given(self):
        """4 intervals done with 100 shares each: 169,600 left in 14 intervals at 10,000."""
        problem = two([ac.Participation(0.10), ac.Monotone()], jpm=170_000.0)
        with pytest.raises(ac.InfeasibleError) as caught:
            problem.with_history(np.tile([-100.0, 0.0], (4, 1)))
        told = words(caught.value.diagnosis)["Participation", "Complete"]
        assert told == {"Participation": "maximum 0.1 -> 0.12115", "Complete": "leave 29,600 JPM (2.96M)"}


class TestReplacements:
    def test_amounts_are_rounded_outward(self):
        np.testing.assert_array_equal(outward(np.array([1.23456, 70_000.0, 0.0, 1e-7])), [1.235, 70_000.0, 0.0, 1e-7])
        np.testing.assert_array_equal(outward(np.array([70_000.000001, 70_000.1])), [70_000.0, 70_010.0])

    @pytest.mark.parametrize("by", [0.0, 700.0])
    def test_a_relaxed_rule_is_the_rule_wider(self, by):
        rule = ac.HoldingBounds(upper=100_000.0, during=(0.5, 1.0), assets="JPM")
        direct = two([ac.HoldingBounds(upper=100_000.0 + by, during=(0.5, 1.0), assets="JPM")]).solve()
        wider = two([Relaxed(name="HoldingBounds", rule=rule, by=by)]).solve()
        assert wider.objective == pytest.approx(direct.objective, rel=1e-8)
        path = two([]).evaluate(direct.trades).path
        assert Relaxed(rule=rule, by=by).violation(path).max() <= 1e-6
        assert rule.violation(path).max() == pytest.approx(by, abs=1e-3)

    def test_a_relaxed_pause_lets_that_much_through(self):
        pause = ac.NoTrade(during=(0.0, 0.5), assets="JPM")
        plan = two([Relaxed(name="pause", rule=pause, by=300.0)]).solve()
        np.testing.assert_allclose(plan.trades["JPM"].iloc[:9], -300.0, rtol=1e-9)

    def test_what_may_be_left_is_bounded(self):
        most = LeaveAtMost(shares=pd.Series({"JPM": 50.0, "BAC": np.inf}))
        problem = two([ac.AllowUnfilled(1e-3), most])
        plan = problem.solve()
        assert plan.remaining["JPM"].iloc[-1] == pytest.approx(50.0)
        assert most.violation(problem.evaluate(0.0 * plan.trades).path).max() == pytest.approx(249_950.0)


class TestUnbounded:
    COST = ac.Alpha({"JPM": 1.0, "BAC": 0.0}) + ac.SpreadCost({"JPM": 0.01, "BAC": 0.01})

    @pytest.mark.parametrize("sign", [1.0, -1.0])
    def test_the_direction_and_the_cost_that_falls(self, sign):
        cost = ac.Alpha({"JPM": sign, "BAC": 0.0}) + ac.SpreadCost({"JPM": 0.01, "BAC": 0.01})
        error = refusal([], cost=cost)
        ray = error.diagnosis.unbounded
        moves = ray.trades.to_numpy()
        assert np.abs(moves * [100.0, 30.0]).sum() == pytest.approx(1000.0)
        # Held from the first trade to the last: 5 shares for 17 of 18 intervals; the spread is paid on both.
        expected = np.zeros((18, 2))
        expected[0, 0], expected[-1, 0] = 5.0 * sign, -5.0 * sign
        np.testing.assert_allclose(moves, expected, atol=1e-9)
        assert ray.slopes == pytest.approx({"Alpha": -5.0 * 17 / 18, "SpreadCost": 0.1})
        assert ray.falling == ("Alpha",)
        assert "Alpha lacks a counterweight" in str(error.diagnosis)
        assert "TemporaryImpact" in str(ray)

    def test_slopes_carry_their_weights(self):
        cost = 3.0 * ac.Alpha({"JPM": 1.0, "BAC": 0.0}) + 2.0 * ac.SpreadCost({"JPM": 0.01, "BAC": 0.01})
        slopes = refusal([], cost=cost).diagnosis.unbounded.slopes
        assert slopes == pytest.approx({"Alpha": -15.0 * 17 / 18, "SpreadCost": 0.2})

    def test_only_the_asset_that_needs_to_moves(self):
        error = refusal([], cost=ac.Alpha({"JPM": 1.0, "BAC": 0.5}))
        assert str(error).count("JPM") * str(error).count("BAC") == 0
        assert np.any(error.diagnosis.unbounded.trades.to_numpy() != 0, axis=0).sum() == 1

    @pytest.mark.parametrize(
        "remedy",
        [
            {"cost": 1e-6 * ac.TimingRisk(np.diag([4.0, 1.0])) + COST},
            {"cost": ac.TemporaryImpact() + COST},
            {"rules": [ac.Participation(0.5)], "cost": COST},
            {"rules": [ac.Monotone()], "cost": COST},
        ],
    )
    def test_what_it_says_would_stop_it_does(self, remedy):
        problem = two(remedy.get("rules", []), bac=100.0, cost=remedy["cost"])
        assert problem.diagnose().unbounded is None
        assert problem.diagnose().feasible

    def test_an_order_that_may_be_left_or_overdone(self):
        """Nothing demands completion and buying for ever earns: Complete is a remedy that helps."""
        cost = ac.CustomCost(lambda p: cp.sum(p.remaining[-1]) * -3.0, kind="money", name="greed")
        error = refusal([ac.AllowUnfilled(1.0), ac.Monotone(assets="BAC")], cost=cost)
        assert error.diagnosis.unbounded.falling == ("greed",)
        assert "Complete" in error.diagnosis.unbounded.remedies

    def test_a_conic_cost_is_left_out(self):
        cost = ac.CustomCost(lambda p: cp.norm(p.trades), name="norm")
        found = two([], cost=cost).diagnose()
        assert found.left_out == ("norm",)
        assert "lower end" not in str(found)

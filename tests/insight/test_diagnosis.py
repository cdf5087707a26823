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
            "1. Participation and Complete (JPM) cannot hold together; any one of these ends the conflict:",
            "   Participation: maximum 0.1 -> 0.13889 repairs everything",
            "   Complete: leave 70,000 JPM (7M) repairs everything",
            "This repairs all of it (2% less does not): Participation: maximum 0.1 -> 0.13889",
        ]

    def test_a_table(self):
        frame = refusal([ac.Participation(0.10)]).diagnosis.to_frame()
        assert frame["constraint"].tolist() == ["Participation", "Complete"]
        assert frame["unit"].tolist() == ["participation point", "currency"]
        np.testing.assert_allclose(frame["amount"], [3.889, 7e6])
        np.testing.assert_allclose(frame["whole"], [3.889, 7e6])
        assert frame["whole_words"].tolist() == frame["words"].tolist()
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
        assert words(found)["Participation", "Complete"]["Participation"] == "cannot end it alone"
        assert found.conflicts[0].relaxations[0].whole is None
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
        found = refusal([Stubborn(0.5, name="stubborn"), ac.Participation(0.1)]).diagnosis
        assert [r.whole for c in found.conflicts for r in c.relaxations] == [None, None, None]
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


class TestTheWhole:
    """JPM needs 13.89% of all day; BAC, which pauses for half of it, 200,000 of 9 x 100,000: 22.2222%."""

    PAUSE = ac.NoTrade(during=(0.0, 0.5), assets="BAC", name="late start")

    @pytest.fixture
    def found(self):
        return refusal([ac.Participation(0.10), self.PAUSE, ac.Monotone()], bac=-200_000.0).diagnosis

    def test_what_ends_a_conflict_need_not_repair_everything(self, found):
        cap, complete = found.conflicts[0].relaxations
        assert found.conflicts[0].constraints == ("Participation", "Complete")
        assert cap.verdict == "maximum 0.1 -> 0.13889 ends this conflict; 0.1 -> 0.2223 repairs everything"
        assert cap.whole.text == "maximum 0.1 -> 0.2223"
        assert complete.verdict == (
            "leave 70,000 JPM, 20,000 BAC (7.6M) ends this conflict; "
            "leave 70,000 JPM, 110,000 BAC (10.3M) repairs everything"
        )
        assert cap.verdict in str(found)
        table = found.to_frame()
        np.testing.assert_allclose(table["whole"], [12.23, 10.3e6], rtol=1e-3)
        assert table["whole_words"].iloc[0] == "maximum 0.1 -> 0.2223"

    def test_it_does_and_less_does_not(self, found):
        cap, complete = (r.whole for r in found.conflicts[0].relaxations)
        rest = [self.PAUSE, ac.Monotone()]
        two([*cap.rules, *rest], bac=-200_000.0).solve()
        refusal([ac.Participation(0.1 + 0.98 * 0.01 * cap.amount), *rest], bac=-200_000.0)
        two([ac.Participation(0.1), *rest, *complete.rules], bac=-200_000.0).solve()
        less = LeaveAtMost(shares=pd.Series(0.98 * complete.slack, ["JPM", "BAC"]))
        refusal([ac.Participation(0.1), *rest, ac.AllowUnfilled(10.0), less], bac=-200_000.0)

    def test_others_remain(self):
        rules = [ac.Participation(0.10, assets="JPM", name="cap"), ac.DollarNeutral(1e6, during=(0.0, 0.5))]
        found = refusal(rules, bac=-200_000.0).diagnosis
        told = {r.name: r for c in found.conflicts for r in c.relaxations}
        assert told["DollarNeutral"].whole is None
        assert told["DollarNeutral"].verdict == "tolerance 1M -> 19M ends this conflict; others remain"
        assert told["cap"].verdict.endswith("ends this conflict; others remain")
        assert found.to_frame()["whole"].isna().all()

    def test_with_cones_it_speaks_of_linear_rules(self):
        cone = ac.CustomConstraint(lambda p: cp.norm(p.asset("JPM").trades) <= 10.0, name="cone")
        text = str(refusal([cone, ac.Participation(0.1)]).diagnosis)
        assert "maximum 0.1 -> 0.13889 repairs all linear rules" in text


class TestPreference:
    def test_shares_are_left_last(self):
        """A cap of 0.1% is 138.89 times too low: it moves by 5.5% of the order an interval; leaving is 99%."""
        found = refusal([ac.Participation(0.001), ac.Monotone()]).diagnosis
        assert [r.name for r in found.repair.relaxations] == ["Participation"]
        # 250,000 shares of 1e9 a day: the cap would move by 11 orders, leaving by the thousandth part of one.
        rules = [ac.Participation(0.1, during=(0.0, 0.5)), ac.TradeSize(-9_000.0, 9_000.0, during=(0.5, 1.0))]
        found = refusal(rules, jpm=81_000.0 + 9e6 + 9.0, volume=1e7).diagnosis
        assert "Complete" not in {r.name for r in found.repair.relaxations}

    def test_a_tiny_shortfall_is_no_reason_to_leave_a_share(self):
        """Cash ends at 250,000 x 100 - 0.001; a bound that is missed by so little moves by so little."""
        rules = [ac.TradeSize(-13_888.0, 13_888.0)]
        found = refusal(rules, jpm=250_000.0).diagnosis
        assert words(found)["TradeSize", "Complete"]["Complete"] == "leave 16 JPM (1.6k)"
        assert [r.name for r in found.repair.relaxations] == ["TradeSize"]

    def test_times_and_directions_after_bounds(self):
        """Cheap to trade 500 early, dear to let the stock stay: the bound gives way all the same."""
        pause = ac.NoTrade(during=(0.0, 0.5), assets="JPM", name="pause")
        deadline = ac.HoldingBounds(upper=100_000.0, during=(8 / 18, 0.5), assets="JPM", name="deadline")
        found = refusal([pause, deadline]).diagnosis
        sizes = {r.name: r.size for r in found.conflicts[0].relaxations}
        assert sizes["pause"] < sizes["deadline"]
        assert [r.name for r in found.repair.relaxations] == ["deadline"]
        two(found.repaired()).solve()

    def test_times_and_directions_before_shares(self):
        """What must be done early is a matter of the data; a pause gives way, the order does not."""
        volume = pd.DataFrame(100_000.0, index=GRID.labels, columns=["JPM", "BAC"])
        volume.iloc[9:] = 0.0
        pause = ac.NoTrade(during=(0.0, 0.5), assets="JPM", name="pause")
        found = refusal([pause], volume=volume).diagnosis
        assert [r.name for r in found.repair.relaxations] == ["pause"]
        two(found.repaired(), volume=volume).solve()

    def test_only_the_asset_that_must_be_left_is(self):
        """JPM trades in one interval, all of its 100,000 shares; BAC's cap has room, so none of BAC is left."""
        volume = pd.DataFrame(100_000.0, index=GRID.labels, columns=["JPM", "BAC"])
        volume.iloc[:17, 0] = 0.0
        caps = [ac.Participation(0.5, assets="JPM", name="cap"), ac.TradeSize(-9e3, 9e3, assets="BAC", name="small")]
        found = refusal(caps, jpm=25e6, bac=170_000.0, volume=volume).diagnosis
        by = {r.name: r for r in found.repair.relaxations}
        assert set(by) == {"small", "Complete"}
        np.testing.assert_allclose(by["Complete"].slack, [24.95e6, 0.0])
        assert found.repair.verified
        two(found.repaired(), jpm=25e6, bac=170_000.0, volume=volume).solve()

    def test_bounds_that_can_only_together(self):
        """1.2M of 1.8M: all of the volume of one half of the day is 900,000, with 90,000 in the other."""
        caps = [ac.Participation(0.1, during=(0.0, 0.5), name="early")]
        caps.append(ac.Participation(0.1, during=(0.5, 1.0), name="late"))
        found = refusal(caps, jpm=1.2e6).diagnosis
        assert {r.name for r in found.repair.relaxations} == {"early", "late"}
        assert found.repair.verified
        two(found.repaired(), jpm=1.2e6).solve()

    def test_one_may_be_preferred(self):
        rules = [ac.Participation(0.10), ac.Monotone()]
        found = refusal(rules).diagnosis
        assert [c.name for c in found.repaired(prefer="Participation")] == ["Participation", "Monotone"]
        left = found.repaired(prefer="Complete")
        assert left[:2] == rules
        assert two(left).solve().remaining["JPM"].iloc[-1] == pytest.approx(70_000.0)
        with pytest.raises(ac.DataError, match="prefer='Momentum' is no rule that can give way; these are: Partici"):
            found.repaired(prefer="Momentum")
        fine = two([ac.Participation(0.5)]).diagnose()
        assert fine.repaired(prefer="Complete") == list(fine.constraints)

    def test_beside_a_preferred_rule_the_others_do_the_least(self):
        """With the pause wide open BAC needs 200,000 / 18 and JPM 13.89%: that is all that the cap gives."""
        rules = [ac.Participation(0.10), ac.NoTrade(during=(0.0, 4 / 18), assets="BAC", name="late start")]
        found = refusal(rules, bac=-200_000.0).diagnosis
        cap, pause = found.repaired(prefer="late start")
        assert cap.maximum == pytest.approx(0.13889, rel=1e-4)
        # 14 intervals at 13,889 leave 5,554 for the other four, although a little more of the cap would do.
        assert pause.by == pytest.approx((200_000.0 - 14 * 13_889.0) / 4, rel=2e-3)
        two([cap, pause], bac=-200_000.0).solve()


class TestSharesLeft:
    @pytest.mark.parametrize(("shares", "value"), [(117_103.0, "11.7103M"), (117_103.5, "11.71035M")])
    def test_never_more_than_the_order(self, shares, value):
        found = refusal([ac.TradeSize(-0.0, 0.0, assets="JPM")], jpm=shares).diagnosis
        assert words(found)["TradeSize", "Complete"]["Complete"] == f"leave all of JPM ({value})"

    @pytest.mark.parametrize("sign", [1.0, -1.0])
    def test_whole_shares_up(self, sign):
        """18 x 1,000.3 of 20,000 leaves 1,994.6; of 20,000.5 it leaves 1,995.1."""
        cap = ac.TradeSize(-1_000.3, 1_000.3, assets="JPM")
        found = refusal([cap], jpm=sign * 20_000.0).diagnosis
        assert words(found)["TradeSize", "Complete"]["Complete"] == "leave 1,995 JPM (199.5k)"
        found = refusal([cap], jpm=sign * 20_000.5).diagnosis
        assert words(found)["TradeSize", "Complete"]["Complete"] == "leave 1,996 JPM (199.6k)"
        assert found.repaired(prefer="Complete")[-1].shares["JPM"] == pytest.approx(1_996.0)

    def test_a_part_of_a_share_is_a_share_and_one_less_is_refused(self):
        cap = ac.TradeSize(-100.01, 100.01, assets="JPM")
        found = refusal([cap], jpm=1_803.0).diagnosis
        assert words(found)["TradeSize", "Complete"]["Complete"] == "leave 3 JPM (300)"
        repair = found.doctor.repair(found.conflicts, "Complete")
        assert (repair.verified, repair.less) == (True, "2%, or a share, less")
        two(found.repaired(prefer="Complete"), jpm=1_803.0).solve()
        refusal([cap, ac.AllowUnfilled(1.0), LeaveAtMost(shares=2.0)], jpm=1_803.0)

    def test_of_what_is_open_when_part_is_done(self):
        problem = two([ac.NoTrade(during=(4 / 18, 1.0), assets="JPM", name="stop")], jpm=180_000.0)
        assert problem.diagnose().feasible
        with pytest.raises(ac.InfeasibleError) as caught:
            problem.with_history(np.tile([-10_000.0, 0.0], (4, 1)))
        told = words(caught.value.diagnosis)["stop", "Complete"]["Complete"]
        assert told == "leave all of JPM (14M)"

    def test_floors_that_overfill_may_exceed_it(self):
        floor = ac.TradeSize(upper=-1_000.0, assets="JPM", name="floor")
        found = refusal([floor], jpm=5_000.0).diagnosis
        assert words(found)["floor", "Complete"]["Complete"] == "leave 13,000 JPM (1.3M)"


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

    def test_the_message_is_about_the_asset_that_is_shortest(self):
        """JPM lacks 70,000 of 250,000; BAC 20,000 of 40,000, which is more of it."""
        caps = ac.TradeSize({"JPM": -10_000.0, "BAC": -1_000.0}, {"JPM": 10_000.0, "BAC": 20_000 / 18})
        assert str(refusal([caps], bac=-40_000.0)).startswith("BAC (and 1 more): caps sum to 20,000 of 40,000 shares")
        assert str(refusal([caps], bac=-20_000.0)).startswith("JPM: caps sum to 180,000 of 250,000 shares")
        floor = ac.TradeSize(lower=5.0, assets="BAC", name="floor")
        told = str(refusal([ac.Participation(0.1), floor]))
        assert told.startswith("BAC (and 1 more): floors sum to 90 shares, the order is 0 ")

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

    @pytest.mark.parametrize("cost", [COST, ac.Alpha({"JPM": 1.0, "BAC": 0.5})])
    def test_the_message_names_the_same_trades(self, cost):
        error = refusal([], cost=cost)
        trades = error.diagnosis.unbounded.trades
        moves = [(k, a, trades.loc[k, a]) for k in trades.index for a in trades.columns if trades.loc[k, a]]
        told = {f"{'buy' if v > 0 else 'sell'} {a} at {k}" for k, a, v in moves}
        said = str(error).split("along: ")[1].split(";")[0].split(", ")
        assert set(said) == told
        assert len(said) == 2

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


def test_a_conflict_with_completion_behind_two_others_is_found():
    """HoldingBounds can be kept, but not by an order that must end at zero; two other conflicts hide that."""
    price = pd.Series({"A": 10.0, "B": 10.0})
    market = ac.Market(ac.TimeGrid([0, 0.5, 1.0]), price, volume=1000.0)
    order = ac.Order.sell({"A": 300.0}) + ac.Order.buy({"B": 100.0})
    rules = [ac.Participation(0.1), ac.DollarNeutral(500.0), ac.HoldingBounds(lower=5.0, assets=["A"])]
    costs = ac.TemporaryImpact(pd.Series({"A": 1e-3, "B": 1e-3}))
    with pytest.raises(ac.InfeasibleError) as caught:
        ac.ExecutionProblem(order, market, costs, rules)
    found = caught.value.diagnosis
    assert {"HoldingBounds", "Complete"} in [set(c.constraints) for c in found.conflicts]
    assert ("HoldingBounds",) not in [c.constraints for c in found.conflicts]
    ac.ExecutionProblem(order, market, costs, found.repaired()).solve()

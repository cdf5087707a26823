"""What is said of budgets and of soft rules: diagnosis, prices in words, what they cost."""

import builders
import numpy as np
import pytest

import acopt as ac


def money():
    """Return what an execution pays."""
    return ac.TemporaryImpact() + ac.PermanentImpact() + ac.SpreadCost()


def one(rules, cost=None, size=10_000.0, *, volume=20_000.0):
    """Sell one asset in five even intervals of a volume each, volatility 1 a unit of time."""
    market = ac.Market(
        ac.TimeGrid.uniform(1.0, 5),
        50.0,
        volume=volume,
        covariance=[[1.0]],
        spread=0.02,
        impact=ac.LinearImpact(8.0, permanent_bps=0.5),
    )
    return ac.ExecutionProblem(ac.Order(size), market, money() if cost is None else cost, rules)


def test_the_least_risk_under_a_cap_is_that_of_full_speed():
    """Caps of 4,000 leave 6,000, then 2,000, then nothing: the least risk is counted by hand."""
    least = float(np.sqrt(0.2 * (6_000.0**2 + 2_000.0**2)))
    with pytest.raises(ac.InfeasibleError) as caught:
        one([ac.Participation(0.2), ac.TimingRisk() <= 2_000.0]).solve()
    diagnosis = caught.value.diagnosis
    assert diagnosis.feasible is False
    assert diagnosis.left_out == ()
    (conflict,) = diagnosis.conflicts
    assert conflict.constraints == ("TimingRisk budget",)
    (way,) = conflict.relaxations
    assert way.amount == pytest.approx(least - 2_000.0, rel=1e-3)
    assert way.amount >= least - 2_000.0 - 1e-6
    assert f"the least that it can be under the other rules is {least / 1e3:.4g}k" in str(diagnosis)
    plan = one(diagnosis.repaired()).solve()
    assert plan.risk == pytest.approx(least, rel=1e-3)
    with pytest.raises(ac.InfeasibleError):
        one([ac.Participation(0.2), ac.TimingRisk() <= 0.999 * least]).solve()
    assert list(diagnosis.to_frame()["constraint"]) == ["TimingRisk budget"]


def test_in_bps_it_says_bps():
    least = float(np.sqrt(0.2 * (6_000.0**2 + 2_000.0**2))) / 50.0
    diagnosis = one([ac.Participation(0.2), ac.TimingRisk() <= ac.bps(30)]).diagnose()
    assert f"{least:.2f} bps; limit 30 bps -> 56.5" in str(diagnosis)
    new = diagnosis.repaired()[-1].limit.value
    assert least <= new <= least * 1.001


def test_two_budgets_that_are_possible_only_apart():
    rules = [ac.TimingRisk() <= 1_500.0, money() <= 1.01 * one([]).solve().expected_cost]
    for rule in rules:
        assert one([rule]).diagnose().feasible
    diagnosis = one(rules).diagnose()
    assert diagnosis.feasible is False
    (conflict,) = diagnosis.conflicts
    assert set(conflict.constraints) == {r.name for r in rules}
    assert one(diagnosis.repaired()).solve().certificate.violation <= 1e-9
    with pytest.raises(ac.DataError, match="cannot give way for a budget"):
        diagnosis.repaired(prefer="Participation")


def test_several_out_of_reach_are_repaired_together():
    rules = [ac.Participation(0.25), ac.TimingRisk() <= 100.0, ac.TemporaryImpact() <= 10.0]
    diagnosis = one(rules).diagnose()
    assert [c.constraints for c in diagnosis.conflicts] == [("TimingRisk budget",), ("TemporaryImpact budget",)]
    assert one(diagnosis.repaired()).solve().certificate.violation <= 1e-9


def test_a_linear_budget_is_a_row_like_any_other():
    diagnosis = one([ac.SpreadCost() <= 60.0]).diagnose()
    (conflict,) = diagnosis.conflicts
    assert set(conflict.constraints) == {"SpreadCost budget", "Complete"}
    words = {r.name: r.text for r in conflict.relaxations}
    assert words["SpreadCost budget"] == "limit 60 -> 100"
    assert words["Complete"].startswith("leave 4,000 ")
    assert one(diagnosis.repaired()).solve().term_values["SpreadCost"] == pytest.approx(100.0)


def test_within_reach_all_is_well():
    diagnosis = one([ac.Participation(0.2), ac.TimingRisk() <= 4_000.0]).diagnose()
    assert diagnosis.feasible is True
    assert diagnosis.conflicts == ()


def test_soft_rules_are_in_no_conflict():
    rules = [
        ac.Participation(0.05),
        ac.Participation(0.01, name="wanted", penalty_bps=5.0),
        ac.Monotone(penalty_bps=1.0),
    ]
    rules += [ac.DollarNeutral(0.0, penalty_bps=0.1), ac.HoldingBounds(upper=0.0, penalty_bps=0.1)]
    with pytest.raises(ac.InfeasibleError) as caught:
        one(rules)
    diagnosis = caught.value.diagnosis
    assert {name for c in diagnosis.conflicts for name in c.constraints} == {"Participation", "Complete"}
    repaired = diagnosis.repaired()
    assert [r for r in repaired if r.soft] == rules[1:]
    assert one(repaired).solve().gave_way.loc["wanted", "intervals"] == 5


def test_words_and_costs():
    neutral = one([ac.DollarNeutral(0.1, penalty_bps=0.5), ac.HoldingBounds(upper=5_000.0, penalty_bps=0.5)]).solve()
    assert set(neutral.shadow_prices()["constraint"]) == {"Complete"}
    made = one([ac.TimingRisk() <= 2_500.0, ac.Participation(0.15, penalty_bps=0.5)])
    plan = made.solve()
    table = plan.shadow_prices()
    assert set(table["constraint"]) == {"TimingRisk budget", "Complete"}
    assert "raising the limit of TimingRisk budget by 1 currency saves" in plan.summary()
    costs = made.constraint_costs()
    free = one([ac.Participation(0.15, penalty_bps=0.5)]).solve()
    assert costs.loc["TimingRisk budget", "saved"] == pytest.approx(plan.objective - free.objective, rel=1e-6)
    hard = one([ac.TimingRisk() <= 2_500.0]).solve()
    assert costs.loc["Participation", "saved"] == pytest.approx(plan.objective - hard.objective, rel=1e-6)
    assert plan.gave_way.loc["Participation", "penalty"] > 0


@pytest.mark.parametrize("order", ["sell many", "both sides"])
def test_rules_of_both_kinds_through_everything(order):
    market = builders.market(builders.EVEN, builders.ORDERS[order])
    rules = [
        ac.Participation(0.04, penalty_bps=5.0),
        ac.DollarNeutral(0.1, penalty_bps=1.0),
        ac.SpreadCost() <= 200.0,
        ac.Monotone(),
    ]
    made = ac.ExecutionProblem(builders.order(order), market, money() + 1e-4 * ac.TimingRisk(), rules)
    plan = made.solve()
    assert not plan.certificate.conic
    rounded = plan.round_lots(10)
    assert rounded.rules_broken == {}
    later = plan.reoptimize(at=float(market.grid.edges[2]), executed=plan.trades.iloc[:2])
    assert np.abs(later.path.trades[:2] - plan.path.trades[:2]).max() <= 1e-9 * plan.setting.size
    compared = ac.compare(made, [plan, "twap"])
    assert compared.loc["plan", "objective"] <= compared.loc["twap", "objective"]

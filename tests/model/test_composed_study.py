"""200 random problems over all costs and rules against the second oracle, which is itself held against the first one
and against closed forms; benchmarks/composed_study.py runs 10,000."""

from dataclasses import replace

import numpy as np
import pytest
import reference
from composed import Case, Cost, Rule, Tape, value
from composed_draw import FAMILIES, family, random_case
from composed_forms import form_of, objective_of
from composed_problem import problem_of
from composed_program import ComposedInfeasible, solve_composed
from composed_rules import cost_and_scale, outside, rows_of, term_values, violation
from composed_verdict import judge

import acopt as ac

SEED, COUNT, CHUNK = 3, 200, 20


def case_of(number, seed=SEED):
    return random_case(np.random.default_rng([seed, number]))


@pytest.mark.parametrize("first", range(0, COUNT, CHUNK))
def test_every_random_problem_is_solved_within_the_contract(first):
    judged = 0
    for number in range(first, first + CHUNK):
        case = case_of(number)
        try:
            truth = solve_composed(case)
        except ComposedInfeasible:
            with pytest.raises(ac.InfeasibleError):
                problem_of(case).solve()
            continue
        plan = problem_of(case).solve()
        verdict = judge(case, truth, plan.path.trades, plan.objective, plan.certificate.gap)
        assert verdict["wrong"] == "", f"case {number} ({family(case)}): {verdict} {plan.certificate}"
        judged += verdict["oracle"] == ""
    assert judged >= 0.9 * CHUNK


@pytest.mark.parametrize(
    "number",
    [
        1924,  # nothing to sell, positions of 1e10 in factors of 1e6
        9583,  # the same, with a cross kernel
        2216,  # the same, with powers
        5198,  # prices of unfilled shares 1e7 times the risk's
        4976,  # every trade is pinned: the oracle's own schedule saves by the rounding of its rules
        6791,  # a budget beside an objective of 1e-13
    ],
)
def test_cases_that_were_wrong_once(number):
    case = case_of(number, seed=100)
    plan = problem_of(case).solve()
    verdict = judge(case, solve_composed(case), plan.path.trades, plan.objective, plan.certificate.gap)
    assert verdict["wrong"] == "", f"{verdict} {plan.certificate}"


def test_every_family_and_every_kind_of_term_is_drawn():
    cases = [case_of(number) for number in range(COUNT)]
    assert {family(case) for case in cases} == set(FAMILIES)
    kinds = {cost.kind for case in cases for cost in case.costs}
    assert kinds == {
        *("TemporaryImpact", "PermanentImpact", "SpreadCost", "TimingRisk", "TrackingRisk", "Smoothness", "Alpha"),
        *("TransientImpact", "PowerImpact", "Square", "Peak", "Norm"),
    }
    hard = {rule.kind for case in cases for rule in case.rules if rule.penalty is None}
    soft = {rule.kind for case in cases for rule in case.rules if rule.penalty is not None}
    rules = {"Participation", "TradeRate", "TradeSize", "Monotone", "NoTrade", "HoldingBounds"}
    rules |= {"DollarNeutral", "CashBalance", "FactorNeutral", "GroupNeutral"}
    assert hard == rules | {"Pair"}
    assert soft == rules | {"AllowUnfilled"}
    assert any(budget.deviation for case in cases for budget in case.budgets)
    assert not all(budget.deviation for case in cases for budget in case.budgets)


@pytest.mark.parametrize("first", range(0, 60, 20))
def test_the_package_prices_any_schedule_term_by_term_as_the_oracle_does(first):
    for number in range(first, first + 20):
        case = case_of(number, SEED + 1)
        if case.witness is None:
            continue
        plan = problem_of(case).evaluate(case.witness)
        here, unit = term_values(case, case.witness), cost_and_scale(case, case.witness)[1] + 1e-9
        for (kind, mine), term in zip(here, plan.pricing.terms, strict=True):
            weight = 1.0 if term.weight is None else term.weight
            assert float(mine) == pytest.approx(weight * plan.term_values[term.cost.name], abs=1e-9 * unit), kind


class TestTheOracle:
    """What it says of itself."""

    @pytest.mark.parametrize("first", range(0, 80, 20))
    def test_forms_and_formulas_agree_on_wild_schedules(self, first):
        for number in range(first, first + 20):
            case = case_of(number, SEED + 2)
            trades = np.random.default_rng(number).normal(size=case.tape.volume.shape) * np.abs(case.tape.order).max()
            trades[-1] -= case.tape.order + trades.sum(axis=0)
            for cost in case.costs:
                mine, form = value(case, cost, trades), form_of(case, cost).value(trades)
                size = np.abs(form_of(case, cost).quadratic).max() * np.abs(trades).max() ** 2
                assert float(mine) == pytest.approx(float(form), rel=1e-12, abs=1e-15 * float(size)), cost.kind

    @pytest.mark.parametrize("first", range(0, 80, 20))
    def test_the_lower_bound_is_below_every_schedule_that_obeys(self, first):
        tight = 0
        for number in range(first, first + 20):
            case = case_of(number, SEED + 3)
            if case.witness is None:
                continue
            truth = solve_composed(case)
            assert violation(case, case.witness) <= 1e-12
            assert truth.lower <= cost_and_scale(case, case.witness)[0] + 1e-9 * truth.tolerance
            assert truth.lower <= truth.objective + 1e-3 * truth.tolerance
            mixed = 0.5 * (truth.trades + case.witness)
            if truth.violation < 1e-12:
                assert truth.lower <= cost_and_scale(case, mixed)[0] + 1e-3 * truth.tolerance
            tight += truth.bracket < 0.1
        assert tight >= 16

    @pytest.mark.parametrize("first", range(0, 60, 20))
    def test_it_agrees_with_the_first_oracle(self, first):
        for number in range(first, first + 20):
            case = reference.random_case(np.random.default_rng([SEED, number]))
            first_truth, truth = reference.solve_reference(case), solve_composed(restated(case))
            assert truth.lower <= first_truth.objective + 1e-7 * first_truth.scale, number
            assert truth.objective >= first_truth.lower_bound - 1e-7 * first_truth.scale, number
            assert truth.objective - first_truth.objective <= 1e-6 * first_truth.scale, number

    def test_obizhaeva_and_wang_s_block_stream_block(self):
        size, periods, rate = 1e6, 8, 2.5
        tape = plain(size, periods)
        kernel = Cost("TransientImpact", 1.0, {"kernels": (("exponential", rate),), "strength": np.eye(1) * 1e-7})
        kernel.data["trade_at"] = "middle"
        fade = np.exp(-rate / periods)
        ends = size / (2 + (periods - 2) * (1 - fade))
        expected = -np.r_[ends, np.full(periods - 2, ends * (1 - fade)), ends]
        truth = solve_composed(Case(tape, (kernel,), ()))
        assert truth.trades[:, 0] == pytest.approx(expected, rel=1e-5)
        assert truth.objective == pytest.approx(1e-7 * size * ends * (1 + fade) / 2, rel=1e-9)

    @pytest.mark.parametrize("exponent", [0.3, 0.5, 0.8])
    def test_a_power_of_the_rate_alone_is_traded_evenly_in_time(self, exponent):
        tape = replace(plain(-2e5, 4), durations=np.array([0.1, 0.4, 0.2, 0.3]))
        per_share = 1e-6 * tape.durations[:, None] ** -exponent
        power = Cost("PowerImpact", 1.0, {"per_share": per_share, "exponent": exponent})
        truth = solve_composed(Case(tape, (power,), ()))
        assert truth.trades[:, 0] == pytest.approx(2e5 * tape.durations, rel=1e-4)
        assert truth.lower == pytest.approx(1e-6 * 2e5 ** (1 + exponent), rel=1e-8)

    def test_it_proves_that_nothing_obeys(self):
        tape = plain(1e6, 5)
        cap = np.full((5, 1), 1.9e5)
        spread = Cost("SpreadCost", 1.0, {"half": np.full((5, 1), 0.01)})
        with pytest.raises(ComposedInfeasible):
            solve_composed(Case(tape, (spread,), (Rule("TradeSize", {"lower": -cap, "upper": cap}),)))

    def test_a_soft_rule_costs_what_lies_outside(self):
        tape = plain(100.0, 2)
        rule = Rule("TradeSize", {"lower": np.full((2, 1), -30.0), "upper": np.full((2, 1), np.inf)}, penalty=5.0)
        (rows,) = rows_of(Case(tape, (), (rule,)), rule)
        assert float(rows.price @ outside(rows, [[-70.0], [-30.0]])) == pytest.approx(40 * 5e-4 * 50.0)
        assert float(objective_of(Case(tape, (), (rule,))).value(np.array([[-70.0], [-30.0]]))) == pytest.approx(1.0)


def plain(size, periods):
    """One asset at 50, an even grid of one day."""
    ones = np.ones((periods, 1))
    return Tape(
        np.full(periods, 1.0 / periods),
        np.zeros(periods, bool),
        np.zeros(periods, bool),
        np.array([size]),
        np.zeros(1),
        np.zeros(1, bool),
        np.array([50.0]),
        abs(size) * ones,
        ones[:, :, None],
    )


def restated(case):
    """A case of the first oracle as one of the second."""
    count, n = len(case.durations), len(case.initial)
    tape = Tape(
        case.durations,
        np.zeros(count, bool),
        np.zeros(count, bool),  # windows without trades: they do not cut its smoothness
        case.initial,
        np.zeros(n),
        case.initial == 0,
        case.price,
        np.ones((count, n)),
        case.covariance,
    )
    eta = case.eta if case.eta.ndim == 3 else np.stack([np.diag(row) for row in case.eta])
    risk = {"covariance": case.covariance}
    costs = [
        Cost("TemporaryImpact", 1.0, {"eta": eta}),
        Cost("PermanentImpact", 1.0, {"gamma": case.gamma, "own": "full"}),
        Cost("SpreadCost", 1.0, {"half": case.half_spread}),
        Cost("TimingRisk", case.risk_aversion, risk),
        Cost("Alpha", 1.0, {"gain": case.durations[:, None] * case.drift}),
        *(Cost("Smoothness", 1.0, {"derivative": d, "mu": mu}) for d, mu in case.smooth),
    ]
    if case.tracking is not None:
        costs.append(Cost("TrackingRisk", case.tracking[1], risk | {"benchmark": case.tracking[0]}))
    rules = [
        Rule("TradeSize", {"lower": case.lower, "upper": case.upper}),
        Rule("HoldingBounds", {"lower": case.holding_lower, "upper": case.holding_upper}),
    ]
    if np.isfinite(case.dollar_tolerance):
        rules.append(Rule("DollarNeutral", {"of": "remaining", "tolerance": np.array([case.dollar_tolerance])}))
    return Case(tape, tuple(costs), tuple(rules))

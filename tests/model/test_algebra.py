"""The algebra of costs and rules: sums, weights, names, repr."""

import builders
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import acopt as ac
from acopt.errors import ModelError
from acopt.model.algebra import Constraint, Cost, Objective, Term

SUMS = 1e-12

weights = st.floats(0.0, 1e6)


def terms(objective):
    return [(t.weight, t.cost.name) for t in objective.terms]


class TestSums:
    def test_costs_add_up_in_order(self):
        total = ac.TemporaryImpact() + ac.SpreadCost() + 2.0 * ac.TimingRisk()
        assert isinstance(total, Objective)
        assert terms(total) == [(None, "TemporaryImpact"), (None, "SpreadCost"), (2.0, "TimingRisk")]

    def test_builtin_sum(self):
        parts = [ac.TemporaryImpact(), 2 * ac.TimingRisk(), ac.SpreadCost() + ac.PermanentImpact()]
        assert terms(sum(parts)) == terms(parts[0] + parts[1] + parts[2])

    def test_brackets_do_not_matter(self):
        a, b, c = ac.TemporaryImpact(), ac.SpreadCost(), ac.TimingRisk()
        assert terms((a + b) + c) == terms(a + (b + c))

    def test_sums_leave_their_parts_alone(self):
        a = ac.TemporaryImpact() + ac.SpreadCost()
        b = 3.0 * a
        assert terms(a) == [(None, "TemporaryImpact"), (None, "SpreadCost")]
        assert terms(b) == [(3.0, "TemporaryImpact"), (3.0, "SpreadCost")]

    @pytest.mark.parametrize("other", [5, 0.5, "spread", None, [1]])
    def test_only_costs_add_up(self, other):
        with pytest.raises(TypeError):
            ac.TemporaryImpact() + other
        with pytest.raises(TypeError):
            other + ac.TemporaryImpact()
        if other != 0:
            with pytest.raises(TypeError):
                (ac.TemporaryImpact() + ac.SpreadCost()) + other


class TestWeights:
    @given(weights, weights)
    @settings(max_examples=30, deadline=None)
    def test_multiply_and_distribute(self, a, b):
        cost, more = ac.TimingRisk(), ac.TemporaryImpact()
        assert terms(a * cost) == terms(cost * a) == [(a, "TimingRisk")]
        assert terms(b * (a * cost)) == [(b * a, "TimingRisk")]
        assert terms(b * (a * cost + more)) == [(b * a, "TimingRisk"), (b, "TemporaryImpact")]

    @given(weights, st.floats(1e-6, 1e6))
    @settings(max_examples=30, deadline=None)
    def test_divide(self, a, b):
        ((weight, _),) = terms(a * ac.TimingRisk() / b)
        assert weight == pytest.approx(a / b, rel=SUMS)

    @pytest.mark.parametrize("number", [2, np.float64(2.0), np.int64(2), np.float32(2.0)])
    def test_numbers_of_any_make(self, number):
        assert terms(number * ac.TimingRisk()) == terms(ac.TimingRisk() * number) == [(2.0, "TimingRisk")]
        assert terms(ac.TimingRisk() / number) == [(0.5, "TimingRisk")]

    @pytest.mark.parametrize("weight", [-1.0, -1e-300, np.nan, np.inf, -np.inf])
    def test_negative_and_infinite_weights_are_refused(self, weight):
        with pytest.raises(ModelError, match=r"the weight .* of TimingRisk\(\) is not accepted: a finite number >= 0"):
            weight * ac.TimingRisk()
        with pytest.raises(ModelError, match="is not accepted"):
            (ac.TimingRisk() + ac.SpreadCost()) * weight

    def test_negative_divisor_and_zero(self):
        with pytest.raises(ModelError, match="is not accepted"):
            ac.TimingRisk() / -2.0
        with pytest.raises(ModelError, match=r"TimingRisk\(\) is divided by zero"):
            ac.TimingRisk() / 0

    @pytest.mark.parametrize("weight", ["2", None, [1.0], True, 1j])
    def test_what_is_not_a_weight(self, weight):
        with pytest.raises(TypeError):
            weight * ac.TimingRisk()
        with pytest.raises(TypeError):
            ac.TimingRisk() / weight

    def test_costs_do_not_multiply(self):
        with pytest.raises(TypeError):
            ac.TimingRisk() * ac.SpreadCost()

    def test_the_objective_is_the_weighted_sum(self):
        objective = 2.0 * ac.TemporaryImpact() + ac.SpreadCost() / 4 + 1e-5 * ac.TimingRisk()
        problem = ac.ExecutionProblem(builders.order("both sides"), builders.market(), objective)
        plan = problem.evaluate(builders.random_trades(problem))
        parts = plan.term_values
        expected = 2.0 * parts["TemporaryImpact"] + parts["SpreadCost"] / 4 + 1e-5 * parts["TimingRisk"]
        assert plan.objective == pytest.approx(expected, rel=SUMS)
        assert plan.breakdown()["weighted"].sum() == pytest.approx(expected, rel=1e-9)
        assert plan.expected_cost == pytest.approx(parts["TemporaryImpact"] + parts["SpreadCost"], rel=SUMS)

    def test_nobodys_weight_is_one_and_a_risks_is_zero(self):
        problem = ac.ExecutionProblem(
            builders.order("both sides"), builders.market(), ac.TemporaryImpact() + ac.TimingRisk()
        )
        plan = problem.evaluate(builders.random_trades(problem))
        assert plan.objective == plan.term_values["TemporaryImpact"]
        assert plan.term_values["TimingRisk"] > 0


class TestRepr:
    def test_prints_the_algebra(self):
        total = 0.5 * ac.TemporaryImpact() + ac.SpreadCost() + 1e-6 * ac.TimingRisk() + ac.Jerk("30min")
        assert repr(total) == "0.5 * TemporaryImpact() + SpreadCost() + 1e-06 * TimingRisk() + Jerk()"

    def test_names_show_when_they_are_others(self):
        assert repr(ac.Alpha(0.0, name="view")) == "Alpha('view')"
        assert repr(2 * ac.Alpha(0.0, name="view")) == "2 * Alpha('view')"
        assert repr(Term(None, ac.SpreadCost())) == "SpreadCost()"

    def test_problem(self):
        problem = ac.ExecutionProblem(
            builders.order("sell one"), builders.market(), ac.TemporaryImpact(), [ac.Monotone()]
        )
        assert repr(problem) == "ExecutionProblem(1 asset x 5 intervals: TemporaryImpact(); rules: Monotone)"


class TestNames:
    def test_must_differ(self):
        market, order = builders.market(), builders.order("sell one")
        with pytest.raises(
            ModelError, match="two terms of the problem are called 'SpreadCost': give one of them a name="
        ):
            ac.ExecutionProblem(order, market, ac.SpreadCost() + ac.SpreadCost())
        both = ac.ExecutionProblem(order, market, ac.TemporaryImpact() + ac.SpreadCost() + ac.SpreadCost(name="again"))
        assert {*both.solve().term_values} == {"TemporaryImpact", "SpreadCost", "again"}

    def test_a_rule_may_not_be_called_like_a_cost(self):
        with pytest.raises(ModelError, match="two terms of the problem are called 'SpreadCost'"):
            ac.ExecutionProblem(
                builders.order("sell one"), builders.market(), ac.SpreadCost(), [ac.Monotone(name="SpreadCost")]
            )

    def test_two_rules_of_a_kind_need_names(self):
        problem = ac.ExecutionProblem(
            builders.order("sell one"),
            builders.market(),
            ac.TemporaryImpact(),
            [ac.TradeSize(-5e3, name="open", during=(0.0, 0.4)), ac.TradeSize(-4e3, name="late", during=(0.4, None))],
        )
        assert [c.name for c in problem.constraints] == ["open", "late"]


class TestUsersOwn:
    """A cost or a rule of the user is the equal of ours: the bases say what is needed, and nothing else is."""

    def test_a_cost_that_states_only_its_value_and_curvature(self):
        class Rush(Cost):
            """sum u^2."""

            def curvature(self, setting):
                return np.full(setting.shape, 1e-6)

            def values(self, path):
                return 1e-6 * path.trades**2

        problem = ac.ExecutionProblem(builders.order("both sides"), builders.market("uneven"), 3.0 * Rush())
        plan = problem.solve()
        assert plan.term_values == {
            "Rush": pytest.approx(1e-6 * np.sum((builders.order("both sides").remaining / 5) ** 2 * 5))
        }
        assert repr(problem.objective) == "3 * Rush()"

    def test_abstract_bases_cannot_be_used_as_they_are(self):
        for base in (Cost, Constraint):
            with pytest.raises(TypeError, match="abstract"):
                base()


class TestProblemArguments:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (lambda o, m: ({"A": 5.0}, m, ac.SpreadCost()), "ExecutionProblem order: dict was given, an Order"),
            (lambda o, m: (o, m.price, ac.SpreadCost()), "ExecutionProblem market: Series was given, a Market"),
            (lambda o, m: (o, m, 5.0), "ExecutionProblem objective: float was given; a cost or a sum of costs"),
            (lambda o, m: (o, m, ac.SpreadCost), "ExecutionProblem objective: .* was given"),
            (lambda o, m: (o, m, Objective(())), "objective: it has no cost"),
            (
                lambda o, m: (o, m, ac.SpreadCost(), [ac.SpreadCost()]),
                "constraints: SpreadCost was given, a Constraint",
            ),
            (lambda o, m: (o, m, ac.SpreadCost(), ["Monotone"]), "constraints: str was given, a Constraint"),
        ],
    )
    def test_refusals(self, arguments, words):
        with pytest.raises(ac.AcoptError, match=words):
            ac.ExecutionProblem(*arguments(builders.order("sell one"), builders.market()))

    def test_one_rule_needs_no_list(self):
        problem = ac.ExecutionProblem(
            builders.order("sell one"), builders.market(), ac.TemporaryImpact(), ac.Monotone()
        )
        assert [c.name for c in problem.constraints] == ["Monotone"]


def test_a_rule_is_not_added_to_costs():
    with pytest.raises(ModelError, match=r"AllowUnfilled is a rule and no cost: put it into the problem's list"):
        ac.TemporaryImpact() + ac.AllowUnfilled(20.0)

"""CustomCost: any convex expression in the paths is the equal of the built-in terms."""

import builders
import cvxpy as cp
import numpy as np
import pytest

import acopt as ac
from acopt.errors import AcoptError, DataError, ModelError

TIGHT = 1e-12
SAME = 1e-7  # two ways to write one problem: trades, of the order

SIZE = 9_000.0


def problem(cost, kind="both sides", at="uneven", rules=()):
    return ac.ExecutionProblem(builders.order(kind), builders.market(at), ac.TemporaryImpact() + cost, rules)


class TestVocabulary:
    """Each path, in shares or currency, by hand."""

    @pytest.mark.parametrize(
        ("function", "expected"),
        [
            (lambda p: cp.sum(p.trades), lambda u, x, o, m: u.sum()),
            (lambda p: cp.sum(p.remaining), lambda u, x, o, m: x.sum()),
            (lambda p: cp.sum(p.holdings), lambda u, x, o, m: (x + o.target.to_numpy()).sum()),
            (lambda p: cp.sum(p.rates), lambda u, x, o, m: (u / m.grid.durations[:, None]).sum()),
            (lambda p: cp.sum(p.participation), lambda u, x, o, m: (u / m.volumes).sum()),
            (lambda p: cp.sum(p.notional), lambda u, x, o, m: (u * m.prices).sum()),
            (lambda p: cp.sum(p.done("B")), lambda u, x, o, m: (1.0 - x[:, 1] / x[0, 1]).sum()),
            (lambda p: p.done("A")[2], lambda u, x, o, m: 1.0 - x[2, 0] / x[0, 0]),
            (lambda p: cp.sum(p.asset("C").trades), lambda u, x, o, m: u[:, 2].sum()),
            (lambda p: p.asset("C").remaining[1], lambda u, x, o, m: x[1, 2]),
            (lambda p: cp.sum(p.at(0.35).remaining), lambda u, x, o, m: x[2].sum()),
            (lambda p: cp.sum(p.at(0.35).trades), lambda u, x, o, m: u[2].sum()),
            (lambda p: p.at(0.35).asset("B").rates, lambda u, x, o, m: u[2, 1] / 0.05),
            (lambda p: p.asset("B").at(0.35).rates, lambda u, x, o, m: u[2, 1] / 0.05),
            (lambda p: p.at(1.0).asset("B").holdings, lambda u, x, o, m: x[5, 1] + o.target["B"]),
        ],
    )
    def test_by_hand(self, function, expected):
        asked = problem(ac.CustomCost(function))
        for seed in range(2):
            u = builders.random_trades(asked, seed)
            x = builders.loops(u, asked.order.remaining)
            found = asked.evaluate(u).term_values["CustomCost"]
            assert found == pytest.approx(float(expected(u, x, asked.order, asked.market)), rel=1e-9, abs=1e-9)

    def test_a_built_in_written_by_hand_gives_the_same_plan(self):
        eta = 2e-6
        market = ac.Market(builders.grid("uneven"), 50.0, covariance=1.0)
        root = np.sqrt(eta * market.grid.durations)
        mine = ac.CustomCost(lambda p: cp.sum_squares(cp.multiply(root, p.rates[:, 0])), kind="money")
        plans = [
            ac.ExecutionProblem(ac.Order.buy(1e5), market, cost + 1e-6 * ac.TimingRisk()).solve()
            for cost in (mine, ac.TemporaryImpact(eta))
        ]
        np.testing.assert_allclose(plans[0].trades, plans[1].trades, atol=SAME * 1e5)
        assert plans[0].expected_cost == pytest.approx(plans[1].expected_cost, rel=1e-9)

    def test_what_does_not_exist_is_said(self):
        for function, words in (
            (lambda p: p.asset("X").trades, "no asset 'X' in this problem; it has: A, B, C"),
            (lambda p: p.asset("A").speed, "a path has trades, remaining, .*not 'speed'"),
            (lambda p: p.at(0.3).trades, "0.3 is not an edge"),
            (lambda p: p.at(1.0).trades, "no interval starts at the grid's end"),
            (lambda p: p.done("X"), "no asset 'X'"),
        ):
            with pytest.raises(ModelError, match=f"CustomCost: the function failed on the paths: .*{words}"):
                problem(ac.CustomCost(function))
        with pytest.raises(ModelError, match=r"done\('A'\): its order is zero"):
            problem(ac.CustomCost(lambda p: cp.sum(p.done("A"))), "nothing")


class TestWeights:
    @pytest.mark.parametrize("weight", [0.0, 1e-3, 2.0])
    def test_weight_scales_it(self, weight):
        asked = problem(weight * ac.CustomCost(lambda p: cp.sum_squares(p.participation)))
        u = builders.random_trades(asked)
        plan = asked.evaluate(u)
        money = plan.term_values["TemporaryImpact"]
        assert plan.objective - money == pytest.approx(
            weight * np.sum((u / asked.market.volumes) ** 2), rel=1e-6, abs=1e-9
        )
        assert builders.cvxpy_objective(asked, u) == pytest.approx(plan.objective, rel=TIGHT)

    def test_updated_weight_equals_a_fresh_problem(self):
        def make(weight):
            return problem(weight * ac.CustomCost(lambda p: cp.sum_squares(p.at(0.35).notional)))

        warm = make(1e-9)
        warm.solve()
        warm.update(weights={"CustomCost": 1e-6})
        np.testing.assert_allclose(warm.solve().trades, make(1e-6).solve().trades, atol=SAME * SIZE)

    def test_own_parameter_may_move_but_then_the_weight_is_fixed(self):
        limit = cp.Parameter(nonneg=True, value=1e-6, name="slope")
        asked = problem(3.0 * ac.CustomCost(lambda p: limit * cp.sum_squares(p.remaining), name="mine"))
        first = asked.solve()
        with pytest.raises(ModelError, match=r"mine holds a cp.Parameter of its own, so its weight is fixed"):
            asked.update(weights={"mine": 1.0})
        limit.value = 1e-3
        second = asked.solve()
        assert np.abs(second.path.remaining[1:]).sum() < np.abs(first.path.remaining[1:]).sum()
        fresh = problem(3e-3 * ac.CustomCost(lambda p: cp.sum_squares(p.remaining))).solve()
        np.testing.assert_allclose(second.trades, fresh.trades, atol=SAME * SIZE)

    def test_a_parameter_without_a_value(self):
        empty = cp.Parameter(nonneg=True, name="slope")
        asked = problem(ac.CustomCost(lambda p: empty * cp.sum_squares(p.trades)))
        for action in (asked.solve, lambda: asked.evaluate(np.zeros((5, 3))).objective):
            with pytest.raises(ModelError, match=r"parameter slope .*no value"):
                action()


class TestRefusals:
    @pytest.mark.parametrize(
        ("function", "words"),
        [
            (lambda p: 5.0, "CustomCost: the function returned float 5.0; a CVXPY expression"),
            (lambda p: None, "returned NoneType"),
            (lambda p: p, "a CVXPY expression is expected"),
            (lambda p: p.trades <= 1.0, "a CVXPY expression is expected"),
            (lambda p: p.trades, r"the expression has shape \(5, 3\); a scalar is expected"),
            (lambda p: cp.sum(cp.sqrt(p.size_of_nothing)), "the function failed on the paths: .*size_of_nothing"),
            (lambda p: cp.sum_squares(p.trades @ np.ones(7)), "the function failed on the paths"),
            (lambda p: -cp.sum_squares(p.trades), "CustomCost is concave"),
            (lambda p: cp.sum(cp.sqrt(p.remaining)), "CustomCost is concave"),
            (lambda p: cp.sum(cp.multiply(p.trades, p.trades)), "CustomCost is unknown by CVXPY's rules; a convex"),
            (lambda p: cp.sum(cp.exp(-cp.square(p.trades))), "by CVXPY's rules; a convex"),
            (
                lambda p: cp.sum_squares(cp.Variable(3, name="stray")),
                "CustomCost uses the variable stray, which is not",
            ),
            (lambda p: cp.sum(p.trades) + cp.Variable(name="stray"), "uses the variable stray"),
            (lambda p: cp.Constant(3.0), "CustomCost does not depend on the schedule"),
        ],
    )
    def test_functions(self, function, words):
        with pytest.raises(ModelError, match=words):
            problem(ac.CustomCost(function))

    def test_paths_of_another_problem(self):
        seen = []
        problem(ac.CustomCost(lambda p: seen.append(p.trades) or cp.sum_squares(p.trades)))
        with pytest.raises(ModelError, match=r"uses the variable .*, which is not of this problem's paths"):
            problem(ac.CustomCost(lambda p: cp.sum_squares(seen[0])))

    def test_arguments(self):
        with pytest.raises(DataError, match="CustomCost: a function of the paths is expected, int was given"):
            ac.CustomCost(5)
        with pytest.raises(DataError, match="CustomCost kind='risk': 'money' or 'penalty'"):
            ac.CustomCost(lambda p: cp.sum(p.trades), kind="risk")

    def test_volume_that_is_not_there(self):
        with pytest.raises(ModelError, match="the market has no volume"):
            ac.ExecutionProblem(
                builders.order("sell one"),
                builders.market(volume=None, impact=None),
                ac.CustomCost(lambda p: cp.sum_squares(p.participation)),
            )


class TestCones:
    """What is not a quadratic program is solved as a cone program, and says so."""

    def test_a_norm_is_solved_to_its_minimum(self):
        asked = problem(5e-2 * ac.CustomCost(lambda p: cp.norm(p.asset("A").trades, 2)), kind="sell one")
        plan = asked.solve()
        assert plan.certificate.conic
        rng = np.random.default_rng(0)
        for size in (1.0, 10.0, 100.0):
            nudge = rng.normal(size=(5, 1)) * size
            nudge -= nudge.mean()
            assert asked.evaluate(plan.path.trades + nudge).objective >= plan.objective * (1 - 1e-7)
        with pytest.raises(AcoptError, match="OSQP"):
            asked.solve(solver="OSQP")

    def test_a_rule_that_is_a_cone(self):
        rule = ac.CustomConstraint(lambda p: cp.norm(p.asset("A").trades, 2) <= 4_100.0, name="ball")
        plan = problem(1e-6 * ac.TimingRisk(), kind="sell one", rules=[rule]).solve()
        assert np.linalg.norm(plan.path.trades) <= 4_100.0 * (1 + 1e-8)


def test_kinds():
    """Money counts as cost, a penalty does not."""
    for kind, counts in (("money", True), ("penalty", False)):
        asked = problem(ac.CustomCost(lambda p: cp.sum(cp.abs(p.notional)), kind=kind))
        plan = asked.evaluate(builders.random_trades(asked))
        extra = plan.expected_cost - plan.term_values["TemporaryImpact"]
        assert extra == pytest.approx(plan.term_values["CustomCost"] if counts else 0.0, rel=1e-9)
        row = plan.breakdown().query("cost == 'CustomCost'")
        assert list(row["kind"]) == [kind]
        assert row["interval"].isna().all()

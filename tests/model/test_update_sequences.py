"""Update: all or nothing, and the next solve equals a fresh problem, in any sequence."""

import builders
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import acopt as ac
from acopt.errors import AcoptError, DataError, InfeasibleError, ModelError

FRESH = 1e-9  # trades of a re-solve against a fresh solve, of the order

NAMES = [*builders.NAMES]
COSTS = {
    "TemporaryImpact": 1.0,
    "PermanentImpact": 0.5,
    "SpreadCost": 1.0,
    "TimingRisk": 1e-5,
    "Jerk": 1.0,
    "Alpha": 1.0,
}


def objective(**weights):
    made = {
        "TemporaryImpact": ac.TemporaryImpact(),
        "PermanentImpact": ac.PermanentImpact(),
        "SpreadCost": ac.SpreadCost(),
        "TimingRisk": ac.TimingRisk(),
        "Jerk": ac.Jerk(0.05),
        "Alpha": ac.Alpha(pd.Series({"A": 0.02, "B": -0.5, "C": 0.0})),
    }
    return sum(w * made[name] for name, w in {**COSTS, **weights}.items())


def rules(maximum=0.5, shut=(0.35, 0.4), upper=1e5):
    return [
        ac.Participation(maximum),
        ac.Monotone(),
        ac.NoTrade(during=shut),
        ac.HoldingBounds(upper=upper),
        ac.DollarNeutral(6e5),
    ]


def make(kind="both sides", seed=3, weights=None, volume=None, **changes):
    market = builders.market("uneven", seed=seed, **({"volume": volume} if volume is not None else {}))
    return ac.ExecutionProblem(builders.order(kind), market, objective(**(weights or {})), rules(**changes))


def same(warm, fresh):
    size = max(warm.setting.size, 1.0)
    one, other = warm.solve(), fresh.solve()
    np.testing.assert_allclose(one.path.trades, other.path.trades, rtol=0, atol=FRESH * size)
    assert one.objective == pytest.approx(other.objective, rel=1e-11, abs=1e-9)
    assert one.certificate.violations.keys() == other.certificate.violations.keys()


@pytest.fixture
def warm():
    problem = make()
    problem.solve()
    return problem


class TestEqualsFresh:
    def test_signs_flip(self, warm):
        for kind in ("buy many", "sell many", "both sides"):
            assert warm.update(order=builders.order(kind)) is warm
            same(warm, make(kind))

    def test_an_order_in_another_sequence(self, warm):
        shares = pd.Series(builders.ORDERS["buy many"]).iloc[[2, 0, 1]]
        warm.update(order=ac.Order.buy(-shares))
        assert list(warm.order.assets) == NAMES
        same(warm, make("buy many"))

    def test_orders_become_zero_and_come_back(self, warm):
        nothing = ac.Order(pd.Series(0.0, index=NAMES))
        assert np.abs(warm.update(order=nothing).solve().path.trades).max() == 0.0
        same(warm.update(order=builders.order("sell many")), make("sell many"))

    def test_volumes_become_zero_and_come_back(self, warm):
        volume = builders.market("uneven").volume
        dead = volume.copy()
        dead.iloc[[0, 3], 0] = 0.0
        dead.iloc[4] = 0.0
        warm.update(market=builders.market("uneven", volume=dead))
        np.testing.assert_array_equal(warm.solve().path.trades[4], 0.0)
        same(warm, make(volume=dead))
        same(warm.update(market=builders.market("uneven", volume=volume)), make())

    def test_markets(self, warm):
        for seed in (11, 12):
            warm.update(market=builders.market("uneven", seed=seed))
            same(warm, make(seed=seed))

    def test_weights(self, warm):
        for weights in (
            {"TimingRisk": 1e-3},
            {"Alpha": 0.0, "Jerk": 5.0},
            {"TemporaryImpact": 3.0, "PermanentImpact": 1.0},
        ):
            warm.update(weights=weights)
            fresh = {name: t.weight for name, t in zip(COSTS, warm.objective.terms, strict=True)}
            assert all(fresh[name] == weight for name, weight in weights.items())
            same(warm, make(weights=fresh))

    def test_constraint_fields(self, warm):
        warm.update(constraints={"Participation": {"maximum": 0.2}})
        same(warm, make(maximum=0.2))
        warm.update(constraints={"NoTrade": {"during": (0.4, 0.85)}, "HoldingBounds": {"upper": 8_500.0}})
        same(warm, make(maximum=0.2, shut=(0.4, 0.85), upper=8_500.0))

    def test_all_at_once(self, warm):
        warm.update(
            order=builders.order("sell many"),
            market=builders.market("uneven", seed=9),
            weights={"TimingRisk": 1e-4},
            constraints={"Participation": {"maximum": 0.3}},
        )
        same(warm, make("sell many", 9, {"TimingRisk": 1e-4}, maximum=0.3))

    def test_custom_terms_follow_the_data(self):
        import cvxpy as cp

        def build(kind, seed, weight):
            return ac.ExecutionProblem(
                builders.order(kind),
                builders.market("uneven", seed=seed),
                ac.TemporaryImpact() + weight * ac.CustomCost(lambda p: cp.sum_squares(p.participation)),
                [ac.CustomConstraint(lambda p: cp.abs(p.done("A") - p.done("B")) <= 0.02)],
            )

        problem = build("both sides", 3, 10.0)
        problem.solve()
        problem.update(
            order=builders.order("buy many"), market=builders.market("uneven", seed=8), weights={"CustomCost": 1e3}
        )
        same(problem, build("buy many", 8, 1e3))

    @given(
        st.lists(
            st.tuples(st.sampled_from(["order", "market", "weights", "rules", "fail"]), st.integers(0, 5)), max_size=5
        )
    )
    @settings(max_examples=12, deadline=None)
    def test_any_sequence(self, steps):
        kinds = ["both sides", "sell many", "buy many"]
        now = {"kind": "both sides", "seed": 3, "weights": {}, "maximum": 0.5}
        problem = make()
        for step, choice in steps:
            if step == "order":
                now["kind"] = kinds[choice % 3]
                problem.update(order=builders.order(now["kind"]))
            elif step == "market":
                now["seed"] = choice
                problem.update(market=builders.market("uneven", seed=choice))
            elif step == "weights":
                now["weights"] = {**now["weights"], "TimingRisk": 10.0**-choice, "SpreadCost": float(choice)}
                problem.update(weights={k: now["weights"][k] for k in ("TimingRisk", "SpreadCost")})
            elif step == "rules":
                now["maximum"] = 0.3 + 0.1 * choice
                problem.update(constraints={"Participation": {"maximum": now["maximum"]}})
            else:
                with pytest.raises(AcoptError):
                    problem.update(weights={"TimingRisk": 1.0}, constraints={"Participation": {"maximum": -1.0}})
            if choice % 2:
                problem.solve()
        same(problem, make(now["kind"], now["seed"], now["weights"], maximum=now["maximum"]))


# what is wrong with each, the class, and words of the message
FAILURES = {
    "unknown cost": (
        lambda: {"weights": {"Jerk": 2.0, "Speed": 1.0}},
        ModelError,
        "no cost is called 'Speed'; there are: Temp",
    ),
    "negative weight": (
        lambda: {"weights": {"Alpha": 2.0, "Jerk": -1.0}},
        ModelError,
        "the weight -1 of Jerk is not accepted",
    ),
    "unknown rule": (
        lambda: {"constraints": {"Pace": {}}},
        ModelError,
        "none is called 'Pace'; there are: Participation",
    ),
    "unknown field": (
        lambda: {"constraints": {"Participation": {"limit": 0.1}}},
        ModelError,
        "Participation has no 'limit' to update",
    ),
    "bad field": (
        lambda: {"weights": {"Jerk": 9.0}, "constraints": {"Participation": {"maximum": -0.1}}},
        DataError,
        "Participation maximum is -0.1 for A",
    ),
    "too small a cap": (
        lambda: {"weights": {"Jerk": 9.0}, "constraints": {"Participation": {"maximum": 1e-3}}},
        InfeasibleError,
        "caps sum to",
    ),
    "window off its edges": (
        lambda: {"constraints": {"NoTrade": {"during": (0.2, 0.4)}}},
        DataError,
        "0.2 is not an edge",
    ),
    "crossed bounds": (
        lambda: {"constraints": {"HoldingBounds": {"lower": 2e5}}},
        DataError,
        "the lower bound 200,000 is above the upper",
    ),
    "other assets": (
        lambda: {"order": ac.Order.sell({"A": 1.0, "B": 1.0})},
        ModelError,
        "update order: its assets differ.*new ExecutionP",
    ),
    "unknown asset": (
        lambda: {"order": ac.Order.sell({"A": 1.0, "B": 1.0, "X": 1.0})},
        ModelError,
        "update order: its assets differ",
    ),
    "hedge legs": (
        lambda: {"order": ac.Order.sell({"A": 1.0, "B": 1.0}) + ac.Order.hedge("C")},
        ModelError,
        "the hedge legs are",
    ),
    "other number of intervals": (
        lambda: {"market": builders.market(ac.TimeGrid.uniform(1.0, 6))},
        ModelError,
        "6 intervals instead of 5",
    ),
    "market without an asset": (
        lambda: {"market": builders.market("uneven", ["A", "B"])},
        DataError,
        "the market has no asset C",
    ),
    "market without volume": (lambda: {"market": builders.market("uneven", volume=None)}, ModelError, "no volume"),
    "not convex any more": (lambda: {"weights": {"Alpha": 7.0, "TemporaryImpact": 1e-9}}, ModelError, "is not convex"),
    "order outside the tolerance": (
        lambda: {"order": builders.order("sell many"), "constraints": {"DollarNeutral": {"tolerance": 0.5}}},
        InfeasibleError,
        "the order is net",
    ),
    "cross-impact instead of diagonals": (
        lambda: {
            "market": builders.market(
                "uneven",
                impact=ac.ImpactCoefficients(
                    {"A": 1e-5, "B": 1e-3, "C": 1e-4},
                    pd.DataFrame(1e-9 * (np.eye(3) + 0.1), index=NAMES, columns=NAMES),
                ),
            )
        },
        ModelError,
        "a change of shape needs a new ExecutionProblem",
    ),
    "other structure of risk": (
        lambda: {
            "market": builders.market(
                "uneven",
                covariance=ac.FactorModel(
                    pd.DataFrame({"f": [1.0, 1.0, 1.0]}, index=NAMES), 1.0, {"A": 1.0, "B": 1.0, "C": 1.0}
                ),
            )
        },
        ModelError,
        "needs a new ExecutionProblem",
    ),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_failing_update_changes_nothing(warm, case):
    changes, kind, words = FAILURES[case]
    before = warm.solve()
    order, market, terms, constraints = warm.order, warm.market, repr(warm.objective), warm.constraints
    with pytest.raises(kind, match=words):
        warm.update(**changes())
    assert warm.order is order
    assert warm.market is market
    assert repr(warm.objective) == terms
    assert warm.constraints is constraints
    after = warm.solve()
    np.testing.assert_array_equal(after.path.trades, before.path.trades)
    assert after.objective == before.objective
    same(warm, make())


def test_an_update_of_nothing_changes_nothing(warm):
    before = warm.solve().path.trades
    np.testing.assert_array_equal(warm.update().solve().path.trades, before)


def test_what_is_solved_before_an_update_stays_as_it_was(warm):
    """A schedule keeps the data it was made with."""
    plan = warm.solve()
    cost, trades = plan.objective, plan.path.trades.copy()
    warm.update(order=builders.order("buy many"), weights={"SpreadCost": 100.0})
    warm.solve()
    np.testing.assert_array_equal(plan.path.trades, trades)
    assert plan.breakdown()["weighted"].sum() == pytest.approx(cost, rel=1e-9)


def test_the_price_of_what_is_left():
    market = ac.Market(ac.TimeGrid.uniform(1.0, 2), 40.0)
    problem = ac.ExecutionProblem(ac.Order.sell(1e6), market, ac.TemporaryImpact(3e-6), [ac.AllowUnfilled(10.0)])
    first = problem.solve().path.trades
    second = problem.update(constraints={"AllowUnfilled": {"penalty_bps": 20.0}}).solve().path.trades
    np.testing.assert_allclose(second, 2.0 * first, rtol=1e-6)


def test_intervals_that_close_are_refused_where_no_row_can_close_them():
    """Without rules and volumes nothing bounds a trade, so nothing could be tightened to zero."""
    edges = [0.0, 0.5, 1.0, 1.5]

    def at(**closed):
        return ac.Market(ac.TimeGrid(edges, **closed), 40.0)

    problem = ac.ExecutionProblem(ac.Order.sell(90.0), at(), ac.TemporaryImpact(3e-6))
    problem.solve()
    with pytest.raises(ac.ModelError, match=r"nothing can trade any more for .* which was open when declared"):
        problem.update(market=at(closed=[False, True, False]))
    np.testing.assert_allclose(problem.solve().path.trades[:, 0], -30.0, rtol=1e-9)


def test_times_in_custom_terms_follow_the_grid_or_are_refused():
    def build(edges):
        rule = ac.CustomConstraint(lambda p: p.at(0.5).trades <= -40.0)
        return ac.ExecutionProblem(
            ac.Order.sell(90.0), ac.Market(ac.TimeGrid(edges), 40.0), ac.TemporaryImpact(3e-6), [rule]
        )

    problem, other = build([0.0, 0.5, 1.0, 1.5]), [0.0, 0.25, 0.5, 1.5]
    try:
        problem.update(market=ac.Market(ac.TimeGrid(other), 40.0))
    except ModelError:
        return
    same(problem, build(other))

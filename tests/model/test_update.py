"""Updates: absolute, atomic, and never different from a problem written anew."""

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest
from builders import correlated

import acopt as ac

NAMES = ["A", "B"]
GRID = ac.TimeGrid.uniform(1.0, 6)


def market(volume=1e4, price=(20.0, 40.0), assets=NAMES, grid=GRID, sigma=(0.4, 0.7)):
    return ac.Market(
        grid,
        pd.Series(price, assets),
        volume=pd.DataFrame(volume, grid.labels, assets),
        covariance=pd.DataFrame(correlated(sigma), assets, assets),
        spread=ac.bps(2.0),
        impact=ac.LinearImpact(8.0, permanent_bps=0.5),
    )


def order(a=4000.0, b=-2000.0):
    return ac.Order(pd.Series([a, b], NAMES))


def problem(book=None, on=None, aversion=1e-5, smooth=1.0, cap=0.3, size=3000.0, monotone=True):
    costs = ac.TemporaryImpact() + ac.PermanentImpact() + ac.SpreadCost() + aversion * ac.TimingRisk()
    costs = costs + smooth * ac.Smoothness(1, scale=0.1) + ac.Alpha(pd.Series([0.02, -0.01], NAMES))
    rules = [ac.Participation(cap), ac.TradeSize(-size, size), ac.DollarNeutral(0.9)]
    return ac.ExecutionProblem(book or order(), on or market(), costs, [*rules, *([ac.Monotone()] if monotone else [])])


def same(one, two, size=4000.0):
    """Whether two problems have the same answer."""
    first, second = one.solve(), two.solve()
    assert np.abs(first.path.trades - second.path.trades).max() <= 1e-7 * size
    assert first.objective == pytest.approx(second.objective, rel=1e-9)
    assert first.breakdown()["weighted"].sum() == pytest.approx(second.objective, rel=1e-9)


HALTED = pd.DataFrame(1e4, GRID.labels, NAMES)
HALTED.iloc[2, 0] = HALTED.iloc[4] = 0.0
CHANGES = {
    "weight": ({"weights": {"TimingRisk": 3e-4}}, {"aversion": 3e-4}),
    "weight of impact": ({"weights": {"Smoothness": 0.0}}, {"smooth": 0.0}),
    "cap": ({"constraints": {"Participation": {"maximum": 0.17}}}, {"cap": 0.17}),
    "bounds": ({"constraints": {"TradeSize": {"lower": -800.0, "upper": 800.0}}}, {"size": 800.0}),
    "order": ({"order": order(1500.0, -900.0)}, {"book": order(1500.0, -900.0)}),
    "order, signs flipped": ({"order": order(-4000.0, 2000.0)}, {"book": order(-4000.0, 2000.0)}),
    "market": (
        {"market": market(2e4, (25.0, 30.0), sigma=(0.9, 0.1))},
        {"on": market(2e4, (25.0, 30.0), sigma=(0.9, 0.1))},
    ),
    "volumes vanish": ({"market": market(HALTED)}, {"on": market(HALTED)}),
    "all at once": (
        {
            "order": order(-900.0, 400.0),
            "market": market(HALTED),
            "weights": {"TimingRisk": 1e-6},
            "constraints": {"Participation": {"maximum": 0.5}},
        },
        {"book": order(-900.0, 400.0), "on": market(HALTED), "aversion": 1e-6, "cap": 0.5},
    ),
}


@pytest.mark.parametrize("solved", [False, True])
@pytest.mark.parametrize("change", CHANGES)
def test_an_updated_problem_is_a_new_one(change, solved):
    update, anew = CHANGES[change]
    asked = problem()
    if solved:
        asked.solve()
    assert asked.update(**update) is asked
    same(asked, problem(**anew))


def test_an_order_may_become_zero_in_one_asset():
    asked = loose()
    asked.solve()
    same(asked.update(order=order(4000.0, 0.0)), loose(order(4000.0, 0.0)))
    assert not asked.solve().path.trades[:, 1].any()


def loose(book=None):
    costs = ac.TemporaryImpact() + 1e-5 * ac.TimingRisk()
    return ac.ExecutionProblem(book or order(), market(), costs, [ac.Participation(0.3), ac.Monotone()])


def test_there_and_back_is_where_it_started():
    asked, fresh = problem(), problem()
    first = asked.solve().path.trades
    for update, back in (
        ({"weights": {"TimingRisk": 1.0}}, {"weights": {"TimingRisk": 1e-5}}),
        ({"market": market(HALTED)}, {"market": market()}),
        ({"order": order(-100.0, 60.0)}, {"order": order()}),
        ({"constraints": {"Participation": {"maximum": 0.9}}}, {"constraints": {"Participation": {"maximum": 0.3}}}),
    ):
        asked.update(**update).solve()
        asked.update(**back)
        assert np.abs(asked.solve().path.trades - first).max() <= 1e-7 * 4000
    same(asked, fresh)


def test_an_order_in_another_sequence_is_aligned():
    asked = problem().update(order=ac.Order(pd.Series([-1000.0, 2500.0], ["B", "A"])))
    assert list(asked.order.assets) == NAMES
    same(asked, problem(order(2500.0, -1000.0)))


# ------------------------------------------------------------------ all or nothing


WRONG = {
    "unknown weight": ({"weights": {"Alpha": 1.0, "Beta": 1.0}}, ac.ModelError, "Beta"),
    "negative weight": ({"weights": {"Alpha": 3.0, "TimingRisk": -1.0}}, ac.ModelError, "TimingRisk"),
    "unknown rule": ({"constraints": {"TradeSize": {"upper": 100.0}, "Speed": {}}}, ac.ModelError, "Speed"),
    "unknown field": ({"constraints": {"Participation": {"most": 0.1}}}, ac.ModelError, "most"),
    "a rule's name": ({"constraints": {"Participation": {"name": "p"}}}, ac.ModelError, "name"),
    "wrong bound": ({"constraints": {"TradeSize": {"lower": 10.0, "upper": -10.0}}}, ac.DataError, "TradeSize"),
    "too little room": ({"constraints": {"Participation": {"maximum": 0.01}}}, ac.InfeasibleError, "caps sum to"),
    "no data": ({"constraints": {"Participation": {"maximum": np.nan}}}, ac.DataError, "maximum"),
    "other assets": ({"order": ac.Order(pd.Series([1.0, 2.0], ["A", "C"]))}, ac.ModelError, "assets differ"),
    "fewer assets": ({"order": ac.Order(pd.Series([1.0], ["A"]))}, ac.ModelError, "assets differ"),
    "other grid": ({"market": market(grid=ac.TimeGrid.uniform(1.0, 7))}, ac.ModelError, "7 intervals instead of 6"),
    "hedges": ({"order": ac.Order.sell({"A": 10.0}) + ac.Order.hedge(["B"])}, ac.ModelError, "hedge"),
    "market without the asset": ({"market": market(assets=["A", "Z"])}, ac.DataError, "B"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_an_update_that_fails_changes_nothing(wrong):
    update, error, words = WRONG[wrong]
    asked = problem()
    before = asked.solve()
    good = {"weights": {"TimingRisk": 1.0}} if "weights" not in update else {}
    with pytest.raises(error, match=words):
        asked.update(**good, **update)
    after = asked.solve()
    assert repr(asked) == repr(problem())
    assert after.objective == pytest.approx(before.objective, rel=1e-12)
    assert np.abs(after.path.trades - before.path.trades).max() <= 1e-7 * 4000
    same(asked, problem())


def test_where_trades_are_one_sided_is_part_of_the_structure():
    asked = problem()
    with pytest.raises(ac.ModelError, match="one-sided in other cells than declared, first for"):
        asked.update(constraints={"Monotone": {"assets": ["A"]}})
    same(asked, problem())


# ------------------------------------------------------------------ custom terms


def custom(cost):
    return ac.ExecutionProblem(order(), market(), ac.TemporaryImpact() + cost, [])


def late(p):
    return cp.sum_squares(p.notional[0])


def test_the_weight_of_a_custom_cost_is_updated():
    asked = custom(1e-6 * ac.CustomCost(late))
    asked.solve()
    same(asked.update(weights={"CustomCost": 1e-4}), custom(1e-4 * ac.CustomCost(late)))


def test_a_parameter_of_ones_own_is_read_anew_and_its_weight_fixed():
    strength = cp.Parameter(nonneg=True, value=1e-6)
    asked = custom(ac.CustomCost(lambda p: strength * late(p)))
    asked.solve()
    strength.value = 1e-4
    same(asked, custom(1e-4 * ac.CustomCost(late)))
    with pytest.raises(ac.ModelError, match="its weight is fixed"):
        asked.update(weights={"CustomCost": 2.0})
    strength.value = None
    with pytest.raises(ac.ModelError, match="has no value"):
        asked.solve()


def test_a_custom_term_follows_prices_and_volumes():
    asked = custom(1e-4 * ac.CustomCost(late))
    asked.solve()
    moved = market(3e4, (35.0, 11.0))
    costs = ac.TemporaryImpact() + 1e-4 * ac.CustomCost(late)
    same(asked.update(market=moved), ac.ExecutionProblem(order(), moved, costs))


def test_a_covariance_of_another_structure_is_refused_in_words():
    def market(**risk):
        grid = ac.TimeGrid.uniform(1.0, 3)
        price = pd.Series({"A": 20.0, "B": 50.0})
        return ac.Market(
            grid,
            price,
            covariance=ac.Covariance(risk["matrix"]),
            impact=ac.ImpactCoefficients(pd.Series({"A": 1e-6, "B": 1e-6})),
        )

    sigma = correlated([0.4, 1.1])
    problem = ac.ExecutionProblem(
        ac.Order.sell({"A": 900.0, "B": 500.0}), market(matrix=sigma), ac.TemporaryImpact() + 1e-6 * ac.TimingRisk()
    )
    with pytest.raises(ac.ModelError, match="TimingRisk: the structure of its data changed"):
        problem.update(market=market(matrix=np.stack([sigma, 2 * sigma, 3 * sigma])))

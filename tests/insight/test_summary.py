"""The summary's every number against the schedule and against sums made by hand."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest

import acopt as ac
from acopt.insight import summary
from acopt.insight.strategies import pov, twap, vwap
from acopt.insight.summary import binding, summarise
from acopt.model.benchmarks import VWAP
from acopt.model.paths import Trajectory
from acopt.model.schedule import Schedule

GRID = ac.TimeGrid.session("2019-02-15", "1h", start="10:00")
PRICE = pd.Series({"A": 50.0, "B": 20.0})
VOLUME = np.outer([3.0, 2.0, 1.0, 1.0, 2.0, 4.0], [1e5, 2e5])
SIGMA = pd.DataFrame([[1.0, 0.2], [0.2, 0.5]], ["A", "B"], ["A", "B"])
BASKET = ac.Order({"A": 60_000.0, "B": -30_000.0})


def basket(*rules: ac.Constraint, order: ac.Order = BASKET, **market: object) -> ac.ExecutionProblem:
    known = {"volume": VOLUME, "covariance": SIGMA, "spread": ac.bps(2.0), "impact": ac.SquareRootImpact(1.0), **market}
    terms = ac.TemporaryImpact() + ac.PermanentImpact() + ac.SpreadCost() + 1e-6 * ac.TimingRisk()
    return ac.ExecutionProblem(order, ac.Market(GRID, PRICE, **known), terms, rules)


def stock(quantity: float = 1e6) -> ac.ExecutionProblem:
    """REFERENCE_CASES 1."""
    impact = ac.ImpactCoefficients(2.5e-6, 2.5e-7)
    market = ac.Market(ac.TimeGrid.uniform(5.0, 5), 50.0, covariance=0.95**2, spread=0.125, impact=impact)
    costs = ac.TemporaryImpact() + ac.PermanentImpact() + ac.SpreadCost() + 1e-6 * ac.TimingRisk()
    return ac.ExecutionProblem(ac.Order(quantity), market, costs)


def facts(schedule: ac.Schedule) -> dict[str, list[str]]:
    """Lines by label, below the title."""
    found: dict[str, list[str]] = {}
    label = ""
    for line in summarise(schedule).splitlines()[2:]:
        label = line[:15].strip() or label
        found.setdefault(label, []).append(" ".join(line[15:].split()))
    return found


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_the_published_stock_reads_as_published(side: float) -> None:
    plan = stock(side * 1e6).solve()
    lines = summarise(plan).splitlines()
    assert lines[0] == "plan: 1 asset over 5 intervals, 0 to 5 days"
    assert lines[1] == "-" * len(lines[0])
    found = facts(plan)
    assert found["order"] == [f"1 {'sell' if side > 0 else 'buy'}, 50M gross"]
    # E = 911226.9863 and V = 3.641286e11 of 50M; permanent 1/2 gamma (X^2 - sum n^2), spread eps X
    trades = np.diff([1e6, 541955.5544, 289854.2194, 147897.4878, 62141.8016, 0.0])
    temporary, permanent = 2.5e-6 * trades @ trades, 0.5 * 2.5e-7 * (1e12 - trades @ trades)
    assert found["cost"] == [
        "911,227 182.25 bps",
        f"{temporary:,.0f} {temporary / 5000:.2f} bps TemporaryImpact",
        f"{permanent:,.0f} {permanent / 5000:.2f} bps PermanentImpact",
        "62,500 12.50 bps SpreadCost",
    ]
    deviation = np.sqrt(3.641286e11)
    x = np.array([1e6, 541955.5544, 289854.2194, 147897.4878, 62141.8016, 0.0])
    middle = 0.5 * (x[1:] + x[:-1])
    evenly = 0.95 * np.sqrt(np.sum(x[:-1] ** 2 + 4 * middle**2 + x[1:] ** 2) / 6)  # Simpson, exact for squares
    assert found["risk"] == [
        f"{deviation:,.0f} {deviation / 5000:.2f} bps one standard deviation",
        f"{evenly:,.0f} {evenly / 5000:.2f} bps if traded evenly within intervals",
    ]
    assert found["objective"] == [f"{911226.9863 + 364128.6:,.0f} = 911,227 money + {364128.6:,.0f} risk"]
    assert found["urgency"] == [f"risk price {2e-6 * deviation:.4g}, risk aversion 1e-06"]
    half, late = 1 + (541955.5544 - 5e5) / (541955.5544 - 289854.2194), 5 - 1e4 / 62141.8016
    assert found["done"] == [f"50% after {half:.4g} days, 99% after {late:.4g} days"]
    assert found["proof"] == [str(plan.certificate)]
    assert set(found) == {"order", "cost", "risk", "objective", "urgency", "done", "closed form", "proof"}


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_the_distance_from_the_closed_form_is_told(side: float) -> None:
    (line,) = facts(stock(side * 1e6).solve())["closed form"]
    assert line.startswith("Almgren-Chriss; differs from the closed form by ")
    assert line.endswith(" of the order")
    assert float(line.split()[-4]) <= 1e-9
    plan = twap(stock(side * 1e6))
    assert facts(plan)["closed form"][0].split()[-4] == "0.31"  # max |x_k - x*_k| / X, at k = 2: 0.6 - 0.28985
    assert facts(plan)["proof"] == ["evaluated, no certificate"]
    assert "closed form" not in facts(basket().solve())


def test_a_basket_with_a_clock() -> None:
    problem = basket(ac.Participation(0.048), ac.Monotone(), notes=["spread: 2 bps assumed", "volume: made up"])
    plan = problem.solve()
    found = facts(plan)
    assert summarise(plan).splitlines()[0] == "plan: 2 assets over 6 intervals, 2019-02-15 10:00 to 16:00"
    assert found["order"] == ["1 buy, 1 sell, 3.6M gross, -2.4M net"]
    assert found["assumed"] == ["spread: 2 bps assumed", "volume: made up"]
    rates = plan.participation
    asset = rates.max().idxmax()
    k = rates[asset].idxmax()
    average = (rates * plan.notional.abs()).sum().sum() / plan.notional.abs().sum().sum()
    expected = f"at most 4.8% of volume ({asset}, from {k:%H:%M}), {100 * average:.3g}% on average; cap 4.8%"
    assert found["participation"] == [expected]
    assert "broken" not in found


def test_done_reads_a_clock() -> None:
    plan = twap(basket())
    assert facts(plan)["done"] == ["50% by 13:00:00, 99% by 15:56:24"]
    days = ac.TimeGrid.sessions("2024-03-14", "2024-03-15", "1h", overnight=0.5, start="10:00")
    market = ac.Market(days, 50.0, volume=1e5)
    plan = twap(ac.ExecutionProblem(ac.Order(12_000.0), market, ac.TemporaryImpact(1e-6)))
    assert facts(plan)["done"] == ["50% by 2024-03-14 16:00:00, 99% by 2024-03-15 15:52:48"]
    assert "2024-03-14 10:00 to 2024-03-15 16:00" in summarise(plan)


def test_terms_and_penalties_add_up() -> None:
    base = basket()
    problem = ac.ExecutionProblem(BASKET, base.market, base.objective + ac.Jerk("2h"))
    plan = problem.solve()
    money, risk, penalty = plan.expected_cost, 1e-6 * plan.variance, plan.term_values["Jerk"]
    (line,) = facts(plan)["objective"]
    numbers = [float(word.replace(",", "")) for word in line.split() if word[0].isdigit()]
    assert numbers == pytest.approx([money + risk + penalty, money, risk, penalty], abs=0.5)
    assert [word for word in line.split() if word.isalpha()] == ["money", "risk", "penalty"]


def test_what_binds_is_counted() -> None:
    lower, upper = pd.Series({"A": -15_000.0, "B": 0.0}), pd.Series({"A": 0.0, "B": 6_000.0})
    problem = basket(ac.TradeSize(lower, upper))
    trades = np.array([[-15e3, 6e3], [-15e3, 6e3], [-15e3, 6e3], [-10e3, 6e3], [-5e3, 6e3], [0.0, 0.0]])
    plan = problem.evaluate(trades)
    expected = np.array([[1, 1], [1, 1], [1, 1], [0, 1], [0, 1], [1, 1]], dtype=bool)
    found = binding(plan, problem.constraints[0])
    assert found is not None
    np.testing.assert_array_equal(found.to_numpy(), expected)
    assert found.index.equals(GRID.labels.rename("time"))
    assert facts(plan)["binding"] == ["TradeSize in 6 of 6 intervals (10 of 12 trades, 2 assets)"]
    assert binding(plan, ac.DollarNeutral(0.9)) is None


def test_nothing_binds_where_nothing_can_or_need_trade() -> None:
    days = ac.TimeGrid.sessions("2024-03-14", "2024-03-15", "2h", overnight=0.5, start="10:00")
    market = ac.Market(days, PRICE, volume=1e5)
    order = ac.Order({"A": 60_000.0, "B": 0.0})
    rules = [ac.Monotone(), ac.Participation(0.1)]
    problem = ac.ExecutionProblem(order, market, ac.TemporaryImpact(PRICE * 1e-7), rules)
    plan = problem.evaluate(np.outer([-1.0, -1, -1, 0, -1, -1, -1], [1e4, 0.0]))
    table = binding(plan, problem.constraints[0])
    assert table is not None
    assert not table.to_numpy().any()
    assert facts(plan)["binding"] == ["Participation in 6 of 6 intervals (6 of 12 trades, 1 asset)"]


def test_one_asset_needs_no_count_of_trades() -> None:
    market = ac.Market(GRID, 50.0, volume=1e5)
    problem = ac.ExecutionProblem(ac.Order(50_000.0), market, ac.TemporaryImpact(1e-6), [ac.Participation(0.1)])
    plan = pov(0.1)(problem)
    assert facts(plan)["binding"] == ["Participation in 5 of 6 intervals"]
    assert facts(plan)["participation"] == ["at most 10% of volume (from 10:00), 10% on average; cap 10%"]


def test_caps_that_differ_are_a_range() -> None:
    late = ac.Participation(0.5, name="late", during=("15:00", None))
    problem = basket(ac.Participation(pd.Series({"A": 0.1, "B": 0.25})), late)
    assert facts(vwap(problem))["participation"][0].endswith("; cap 10% to 25%; cap 50%")


def test_broken_rules_are_named_with_their_size() -> None:
    problem = basket(ac.Participation(0.05), ac.DollarNeutral(2_400_000.0))
    plan = problem.evaluate(np.vstack([[-20_000.0, 25_000.0], [-10_000.0, -5_000.0], np.zeros((4, 2))]))
    # A: 20,000 - 5% of 300,000. Done: 1.5M of 3.6M after an hour, 1.9M after two; 50% is 1.8M
    assert facts(plan)["broken"] == ["Participation, by up to 5,000 shares", "Complete, by up to 30,000 shares"]
    assert facts(plan)["done"] == [f"50% by 11:45:00, {100 * 1.7 / 3.6:.3g}% is left (1.7M)"]


def test_what_is_left_has_its_price() -> None:
    problem = basket(ac.Participation(0.05), ac.AllowUnfilled(30.0), ac.DollarNeutral(0.0, penalty_bps=5.0))
    problem = problem.update(weights={"Unfilled": 2.0})
    plan = problem.evaluate(np.vstack([[-20_000.0, 25_000.0], [-10_000.0, -5_000.0], np.zeros((4, 2))]))
    # 30,000 A at 50 and 10,000 B at 20 are left: 1.7M at 30 bps, twice
    assert facts(plan)["done"] == [f"50% by 11:45:00, {100 * 1.7 / 3.6:.3g}% is left (1.7M); penalty 10,200"]


def test_dust_is_left_out() -> None:
    rules = (ac.DollarNeutral(2.4e6, penalty_bps=5.0), ac.AllowUnfilled(30.0))
    problem, step = basket(*rules), np.array([[-10_000.0, 5_000.0]] * 6)
    (line,) = facts(problem.evaluate(step))["objective"]
    assert [word for word in line.split() if word.isalpha()] == ["money", "risk"]
    step[-1, 0] += 1e-11  # a rounding error of what is sold
    dusty = problem.evaluate(step)
    assert 0 < dusty.term_values["Unfilled"] < 1e-9
    assert facts(dusty)["objective"] == [line]
    assert "left" not in facts(dusty)["done"][0]
    step[-1, 0] += 1e-3
    assert facts(problem.evaluate(step))["objective"][0].endswith(" + 0.00015 penalty")
    assert "is left (0.05); penalty 0.00015" in facts(problem.evaluate(step))["done"][0]


@pytest.mark.parametrize(
    ("impact", "law", "scale", "exponent"),
    [
        (ac.SquareRootImpact(0.8), "the square-root law", 0.8, 0.5),
        (ac.AlmgrenEtAl2005(at=0.05), "the 3/5-power law", 0.142, 0.6),
    ],
)
def test_the_law_behind_a_linearised_impact(impact: object, law: str, scale: float, exponent: float) -> None:
    plan = vwap(basket(impact=impact))
    at = getattr(impact, "at", None)
    sigma = np.sqrt([1.0, 0.5])  # per day, the grid's unit
    cost = line = 0.0
    for i, shares in enumerate((60_000.0, 30_000.0)):
        rate = shares / VOLUME[:, i].sum()
        cost += scale * sigma[i] * rate**exponent * shares
        line += scale * sigma[i] * at**exponent * rate / at * shares
    bps = 1e4 / 3.6e6
    assert facts(plan)["impact law"] == [f"linearised {line * bps:.2f} bps, under {law} {cost * bps:.2f} bps"]


def test_no_law_where_the_impact_is_linear_or_stated() -> None:
    assert "impact law" not in facts(vwap(basket(impact=ac.LinearImpact(5.0))))
    base = basket()
    stated = ac.ExecutionProblem(BASKET, base.market, ac.TemporaryImpact(PRICE * 1e-7))
    assert "impact law" not in facts(vwap(stated))


def test_another_law_goes_by_its_name() -> None:
    class Steep(ac.SquareRootImpact):
        pass

    assert "under the law of Steep" in summarise(vwap(basket(impact=Steep(1.0))))


def test_a_zero_order_says_so_without_noise() -> None:
    nothing = ac.Order({"A": 0.0, "B": 0.0})
    for problem in (basket(order=nothing), basket(ac.Participation(0.1), ac.Monotone(), order=nothing)):
        text = summarise(problem.evaluate(np.zeros((6, 2))))
        assert "nan" not in text.lower()
        assert "bps" not in text
        found = facts(problem.evaluate(np.zeros((6, 2))))
        assert found["order"] == ["nothing to trade"]
        assert found["cost"] == ["0", "0 TemporaryImpact", "0 PermanentImpact", "0 SpreadCost"]
        assert found["objective"] == ["0"]
        assert not {"done", "participation", "binding", "impact law", "closed form"} & set(found)


def test_a_zero_order_is_not_held_against_the_closed_form() -> None:
    assert "closed form" not in facts(stock(0.0).evaluate(np.zeros((5, 1))))


def test_a_solved_zero_order_and_a_hedge_leg() -> None:
    nothing = ac.Order({"A": 0.0}) + ac.Order.hedge("B")
    market = ac.Market(GRID, PRICE, volume=VOLUME, covariance=SIGMA, impact=ac.SquareRootImpact(1.0))
    problem = ac.ExecutionProblem(nothing, market, ac.TemporaryImpact() + 1e-6 * ac.TimingRisk())
    text = problem.solve().summary()
    assert "nan" not in text.lower()
    assert facts(problem.solve())["order"] == ["nothing to trade, 1 hedge leg"]


def test_what_is_not_known_is_left_out() -> None:
    market = ac.Market(GRID, PRICE, spread=ac.bps(2.0))
    plan = twap(ac.ExecutionProblem(BASKET, market, ac.SpreadCost()))
    assert "nan" not in summarise(plan).lower()
    assert set(facts(plan)) == {"order", "cost", "objective", "done", "proof"}
    assert facts(plan)["cost"] == ["360 1.00 bps SpreadCost"]


def test_a_risk_without_a_weight_is_told() -> None:
    base = basket()
    problem = ac.ExecutionProblem(BASKET, base.market, ac.TemporaryImpact() + ac.TimingRisk())
    assert facts(twap(problem))["objective"][1] == "without TimingRisk, which has no weight"
    assert "urgency" not in facts(twap(problem))


def test_the_method_is_the_function() -> None:
    plan = basket().solve()
    assert plan.summary() == summarise(plan)
    assert all(line == line.rstrip() for line in plan.summary().splitlines())
    assert max(map(len, plan.summary().splitlines())) <= 120 or plan.certificate is not None


HEDGED = BASKET + ac.Order.hedge("C")
PRICES = pd.Series({"A": 50.0, "B": 20.0, "C": 10.0})


def with_hedge(*rules: ac.Constraint) -> ac.ExecutionProblem:
    market = ac.Market(GRID, PRICES, volume=1e6, spread=ac.bps(2.0))
    return ac.ExecutionProblem(HEDGED, market, ac.SpreadCost(), rules)


AGAINST = np.array(
    [[-40e3, 20e3, 9e3], [5e3, 20e3, 9e3], [-20e3, -4e3, -9e3], [1e3, -6e3, -9e3], [-6e3, 0.0, 0.0], [0.0, 0.0, 0.0]]
)


def test_trades_against_the_order_are_counted_where_no_rule_forbids_them() -> None:
    plan = with_hedge().evaluate(AGAINST)
    value = 50 * 6e3 + 20 * 10e3  # bought of A, sold of B; the hedge leg may do both
    share = f"{100 * value / 3.6e6:.3g}%"
    expected = f"4 trades, 500k, {share} of the order (A, B); Monotone() would forbid them"
    assert facts(plan)["against order"] == [expected]
    assert "against order" not in facts(with_hedge(ac.Monotone()).evaluate(AGAINST))  # there it is a rule broken
    one = facts(with_hedge(ac.Monotone(assets=["A"])).evaluate(AGAINST))
    assert one["against order"][0].startswith("2 trades, 200k, 5.56% of the order (B)")
    morning = facts(with_hedge(ac.Monotone(during=(None, "12:00"))).evaluate(AGAINST))
    assert morning["against order"][0].startswith("3 trades, 250k, ")


def test_the_mirror_image_goes_against_the_order_as_much() -> None:
    mirrored = ac.Order(-HEDGED.remaining[["A", "B"]]) + ac.Order.hedge("C")
    market = ac.Market(GRID, PRICES, volume=1e6, spread=ac.bps(2.0))
    plan = ac.ExecutionProblem(mirrored, market, ac.SpreadCost()).evaluate(-AGAINST)
    assert facts(plan)["against order"] == facts(with_hedge().evaluate(AGAINST))["against order"]
    assert facts(plan)["hedge legs"] == facts(with_hedge().evaluate(AGAINST))["hedge legs"]


def test_hedge_legs_are_sized_apart() -> None:
    assert facts(with_hedge().evaluate(AGAINST))["hedge legs"] == ["C: 360k traded, at most 180k open"]
    unused = np.where(np.arange(3) == 2, 0.0, AGAINST)
    assert "hedge legs" not in facts(with_hedge().evaluate(unused))
    only = facts(with_hedge().evaluate(np.where(np.arange(3) == 2, AGAINST, [-10e3, 5e3, 0.0])))
    assert "against order" not in only


def test_nothing_goes_against_an_order_that_is_worked_one_way() -> None:
    assert "against order" not in facts(twap(basket()))
    assert "against order" not in facts(basket().solve())
    dust = with_hedge().evaluate(np.where(AGAINST > 0, 1e-6, 0.0) * np.array([1.0, 0.0, 0.0]))
    assert "against order" not in facts(dust)  # within the contract's 1e-9 of the largest order


def test_one_asset_against_its_order_is_not_named() -> None:
    plan = stock().evaluate(np.array([[-8e5], [2e5], [-4e5], [0.0], [0.0]]))
    assert facts(plan)["against order"] == ["1 trade, 10M, 20% of the order; Monotone() would forbid them"]


def test_trades_without_an_order_are_against_it_too() -> None:
    problem = basket(order=ac.Order({"A": 60_000.0, "B": 0.0}))
    there_and_back = np.array([50.0, -50, 0, 0, 0, 0])
    plan = problem.evaluate(np.column_stack([np.full(6, -1e4), there_and_back]))
    assert facts(plan)["against order"] == ["2 trades, 2k, 0.0667% of the order (B); Monotone() would forbid them"]


def test_many_assets_are_cut_short() -> None:
    names = [f"N{k}" for k in range(8)]
    market = ac.Market(GRID, dict.fromkeys(names, 10.0), spread=ac.bps(1.0))
    problem = ac.ExecutionProblem(ac.Order(dict.fromkeys(names, 600.0)), market, ac.SpreadCost())
    plan = problem.evaluate(np.outer([-700.0, 100, 0, 0, 0, 0], np.ones(8)))
    assert "(N0, N1, N2, N3, N4 and 3 more)" in facts(plan)["against order"][0]


def replanned(problem: ac.ExecutionProblem, past: np.ndarray, trades: np.ndarray) -> ac.Schedule:
    setting = dataclasses.replace(problem.setting, past=past)
    return Schedule(Trajectory(setting, np.vstack([past, trades])), problem.pricing)


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_history_is_told(side: float) -> None:
    problem = basket(order=ac.Order({"A": side * 60_000.0, "B": side * -30_000.0}))
    past = side * np.array([[-30e3, 10e3], [3e3, 5e3]])
    rest = side * np.outer(np.full(4, 0.25), [-33e3, 15e3])
    plan = replanned(problem, past, rest)
    share = f"{100 * (27e3 * 50 + 15e3 * 20) / 3.6e6:.3g}%"
    done, wanted = ("bought", "sell") if side > 0 else ("sold", "buy")
    assert facts(plan)["history"] == [
        f"2 intervals done, until 12:00; {share} executed",
        f"A 3,000 {done} against a {wanted} order",
    ]
    assert "against order" not in facts(plan)  # what is done is a fact
    assert "history" not in facts(twap(problem))


def test_history_of_a_grid_of_numbers_and_of_more_than_the_order() -> None:
    plan = replanned(stock(), np.array([[-12e5]]), np.array([[2e5], [0.0], [0.0], [0.0]]))
    over = "over-filled: asset by 200,000, traded back"
    assert facts(plan)["history"] == ["1 interval done, until 1 day; 120% executed", over]
    assert facts(plan)["order"] == ["1 sell, 50M gross"]
    assert "against order" not in facts(plan)  # what is left is bought back
    empty = replanned(stock(0.0), np.array([[-100.0]]), np.array([[100.0], [0.0], [0.0], [0.0]]))
    assert facts(empty)["history"] == ["1 interval done, until 1 day", "over-filled: asset by 100, traded back"]


def test_history_does_not_bind() -> None:
    problem = basket(ac.TradeSize(-15_000.0, 15_000.0))
    past = np.array([[-15e3, 15e3]])
    plan = replanned(problem, past, np.array([[-15e3, 1e3], [-9e3, 2e3], [-9e3, 4e3], [-9e3, 4e3], [-3e3, 4e3]]))
    assert facts(plan)["binding"] == ["TradeSize in 1 of 5 intervals (1 of 10 trades, 1 asset)"]


@pytest.mark.parametrize(
    ("benchmark", "name"),
    [
        (vwap, "vwap"),
        (lambda _: VWAP(), "VWAP"),
        (lambda problem: vwap(problem).remaining, "the path of TrackingRisk"),
        (lambda problem: vwap(problem).path.remaining, "the path of TrackingRisk"),
    ],
)
def test_tracking_risk_is_told_with_its_benchmark(benchmark: Any, name: str) -> None:
    base = basket()
    problem = ac.ExecutionProblem(BASKET, base.market, base.objective + 1e-5 * ac.TrackingRisk(benchmark(base)))
    plan = twap(problem)
    off = plan.remaining.to_numpy()[1:] - vwap(base).remaining.to_numpy()[1:]
    tau = GRID.durations
    value = np.sqrt(np.einsum("k,ki,ij,kj->", tau, off, SIGMA.to_numpy(), off))
    (line,) = facts(plan)["tracking"]
    assert line == f"{value:,.0f} {value / 360:.2f} bps one standard deviation against {name}"
    assert "tracking" not in facts(twap(base))


def test_a_window_is_told_with_its_benchmark() -> None:
    base = basket()
    problem = ac.ExecutionProblem(BASKET, base.market, base.objective + 1e-5 * ac.TrackingRisk(VWAP("11:00", "13:00")))
    assert facts(twap(problem))["tracking"][0].endswith(" one standard deviation against VWAP('11:00', '13:00')")


def test_a_custom_tracking_term_goes_by_its_name() -> None:
    class Mine(ac.Cost):
        kind, tracks = "risk", True

        def values(self, path: Any) -> Any:
            return np.asarray(90_000.0**2)

    base = basket()
    plan = twap(ac.ExecutionProblem(BASKET, base.market, ac.SpreadCost() + 1e-6 * Mine()))
    assert facts(plan)["tracking"] == ["90,000 250.00 bps one standard deviation against the path of Mine"]


def test_every_line_has_its_label_and_text() -> None:
    plan = basket(ac.Participation(0.048)).solve()
    told = list(summary.facts(plan))
    assert all(isinstance(label, str) and isinstance(text, str) and text for label, text in told)
    assert told[-1] == ("proof", str(plan.certificate))
    for _, text in told:
        assert text in summarise(plan)


def test_auctions_are_told_to_the_minute() -> None:
    grid = ac.TimeGrid.session("2024-03-14", "30min", auctions=True)
    n = grid.periods
    market = ac.Market(grid, 50.0, volume=1e5)
    problem = ac.ExecutionProblem(ac.Order(1e5), market, ac.SpreadCost(0.01), [ac.Participation(0.5)])
    plan = problem.evaluate(np.r_[np.full(n - 1, -5e4 / (n - 1)), -5e4][:, None])
    assert summarise(plan).splitlines()[0].endswith("2024-03-14 09:30 to 16:00")
    assert facts(plan)["participation"][0].startswith("at most 50% of volume (auction at 16:00), ")


def test_the_risk_within_intervals_is_told_where_it_differs() -> None:
    told = {n: facts(twap(many(n)))["risk"] for n in (2, 5, 20)}
    assert [len(lines) for lines in told.values()] == [2, 2, 1]
    # TWAP on n intervals: X sigma sqrt((n-1)(2n-1)/6n^2) after each trade, X sigma / sqrt 3 within
    for n, lines in told.items():
        assert lines[0].startswith(f"{1e5 * np.sqrt((n - 1) * (2 * n - 1) / 6) / n:,.0f} ")
    assert {lines[1].split()[0] for lines in (told[2], told[5])} == {f"{1e5 / np.sqrt(3):,.0f}"}
    assert told[2][1].endswith(" bps if traded evenly within intervals")
    (block,) = (facts(many(1).evaluate(np.array([[-1e5]])))["risk"],)
    assert block[0].startswith("0 ")
    assert block[1].startswith(f"{1e5 / np.sqrt(3):,.0f} ")


def many(n: int) -> ac.ExecutionProblem:
    market = ac.Market(ac.TimeGrid.uniform(1.0, n), 50.0, covariance=1.0)
    return ac.ExecutionProblem(ac.Order(1e5), market, ac.TemporaryImpact(1e-6) + ac.TimingRisk())


DONE = {"A": -75_000.0, "B": 30_000.0}
WRONG = pd.DataFrame([[-80e3, 2e3], [20e3, -4e3]], GRID.labels[:2], ["A", "B"])


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_a_replan_tells_what_was_paid_and_what_is_to_come(side: float) -> None:
    plan = basket(ac.Participation(0.5), ac.Monotone(), order=ac.Order(side * BASKET.remaining)).solve()
    later = plan.reoptimize(at="12:00", executed=side * 0.4 * pd.Series({"A": -60e3, "B": 30e3}))
    found, cost = facts(later), later.cost()
    for row, what in (
        ("realised", "by the model"),
        ("drift", "the price's move so far, on what is left"),
        ("to go", "by the model"),
        ("total", "against the first arrival prices"),
    ):
        value, relative = cost.loc[row, "currency"], cost.loc[row, "bps"]
        assert found[row] == [f"{summary.amount(value)} {summary.bps(relative)} bps {what}"]
    assert not {"cost", "risk"} & set(found)
    x = later.remaining.to_numpy()[2:]
    tau = np.asarray(GRID.durations)[2:]
    after = np.sqrt(np.einsum("k,ki,ij,kj->", tau, x[1:], SIGMA.to_numpy(), x[1:]))
    middle = 0.5 * (x[1:] + x[:-1])
    squares = [np.einsum("ki,ij,kj->k", each, SIGMA.to_numpy(), each) for each in (x[:-1], middle, x[1:])]
    within = np.sqrt(tau @ (squares[0] + 4 * squares[1] + squares[2]) / 6)
    assert within > 1.1 * after
    assert found["risk to go"] == [
        f"{after:,.0f} {after / 360:.2f} bps one standard deviation, from now on",
        f"{within:,.0f} {within / 360:.2f} bps if traded evenly within intervals",
    ]
    assert found["urgency"] == ["risk aversion 1e-06"]
    assert found["objective"][0].endswith("; the past as the model prices it")
    assert found["history"] == ["2 intervals done, until 12:00; 40% executed"]
    assert later.summary() == summarise(later)


def test_a_participation_that_is_history_says_so() -> None:
    plan = basket(ac.Participation(0.05)).solve()
    later = plan.reoptimize(at="12:00", executed=pd.DataFrame([[-50e3, 0.0], [0.0, 0.0]], GRID.labels[:2], ["A", "B"]))
    assert facts(later)["participation"][0].startswith("at most 16.7% of volume (A, from 10:00, history), ")


def test_fills_with_prices_are_what_was_realised() -> None:
    plan = basket().solve()
    fills = pd.DataFrame(
        {
            "time": ["2019-02-15 10:30", "2019-02-15 11:10"],
            "symbol": ["A", "B"],
            "side": ["sell", "buy"],
            "quantity": [20_000, 9_000],
            "price": [49.9, 20.03],
        }
    )
    found = facts(plan.reoptimize(at="12:00", executed=fills))
    paid = 20_000 * 0.1 + 9_000 * 0.03
    assert found["realised"] == [f"{paid:,.0f} {paid / 360:.2f} bps by the prices of fills"]


def test_what_a_past_has_of_news() -> None:
    plan = basket(ac.Participation(0.5), ac.Monotone()).solve()
    assert facts(plan.reoptimize(at="12:00", executed=DONE))["history"] == [
        f"2 intervals done, until 12:00; {100 * (75e3 * 50 + 30e3 * 20) / 3.6e6:.3g}% executed; 1 of 2 orders finished",
        "over-filled: A by 15,000, traded back",
    ]
    assert facts(plan.reoptimize(at="12:00", executed=WRONG))["history"][1:] == [
        "A 20,000 bought against a sell order",
        "B 4,000 sold against a buy order",
    ]


def test_an_over_filled_order_that_may_stay_is_not_said_to_be_traded_back() -> None:
    base = stock()
    problem = ac.ExecutionProblem(base.order, base.market, base.objective, [ac.AllowUnfilled(1.0)])
    plan = replanned(problem, np.array([[-12e5]]), np.zeros((4, 1)))
    assert facts(plan)["history"][1] == "over-filled: asset by 200,000"


def test_a_cancelled_order_has_no_noise() -> None:
    plan = basket().solve()
    later = plan.reoptimize(at="12:00", executed={"A": -500.0, "B": 0.0}, order=ac.Order({"A": 0.0, "B": 0.0}))
    assert "nan" not in later.summary().lower()
    assert facts(later)["history"] == ["2 intervals done, until 12:00", "over-filled: A by 500, traded back"]
    assert facts(later)["total"][0].endswith(" bps against the first arrival prices")  # of the first plan's gross


def test_hedge_legs_are_not_over_filled() -> None:
    past = np.array([[-40e3, 20e3, 9e3]])
    rest = np.array([[-20e3, 10e3, -9e3], *np.zeros((4, 3))])
    assert len(facts(replanned(with_hedge(), past, rest))["history"]) == 1


def test_many_over_filled_assets_are_cut_short() -> None:
    names = [f"N{k}" for k in range(8)]
    market = ac.Market(GRID, dict.fromkeys(names, 10.0), spread=ac.bps(1.0))
    problem = ac.ExecutionProblem(ac.Order(dict.fromkeys(names, 600.0)), market, ac.SpreadCost())
    plan = replanned(problem, np.full((1, 8), -700.0), np.vstack([np.full((1, 8), 100.0), np.zeros((4, 8))]))
    assert facts(plan)["history"][1] == (
        "over-filled: N0 by 100, N1 by 100, N2 by 100, N3 by 100, N4 by 100 and 3 more, traded back"
    )


@pytest.mark.parametrize("aversion", [1e-6, 10.0])
def test_a_benchmark_that_is_followed_exactly_has_no_price_of_risk(aversion: float) -> None:
    market = ac.Market(GRID, PRICE, volume=VOLUME, covariance=SIGMA, impact=ac.LinearImpact(5.0))
    problem = ac.ExecutionProblem(BASKET, market, ac.TemporaryImpact() + aversion * ac.TrackingRisk(VWAP()))
    exact = problem.evaluate(vwap(problem))
    for plan in (exact, problem.solve()):
        found = facts(plan)
        assert found["tracking"] == ["0 0.00 bps following VWAP exactly; the price of risk does not bind"]
        assert "urgency" not in found
    moved = np.zeros((6, 2))
    moved[:2, 0] = 1.0, -1.0
    for shares, said in ((1e-3, True), (1.0, False)):  # of 60,000
        assert ("following" in summarise(problem.evaluate(exact.path.trades + shares * moved))) == said
    off = facts(twap(problem))
    assert "one standard deviation against VWAP" in off["tracking"][0]
    assert "risk price" in off["urgency"][0]
    nothing = ac.ExecutionProblem(ac.Order({"A": 0.0, "B": 0.0}), market, problem.objective)
    assert "following" not in summarise(nothing.evaluate(np.zeros((6, 2))))


def test_another_risk_keeps_its_urgency_beside_a_benchmark_that_is_followed() -> None:
    base = basket()
    problem = ac.ExecutionProblem(BASKET, base.market, base.objective + ac.TrackingRisk(VWAP()))
    assert facts(vwap(problem))["urgency"] == [f"risk price {2e-6 * vwap(problem).risk:.4g}, risk aversion 1e-06"]


def test_a_replan_is_held_against_its_benchmark_from_now_on() -> None:
    market = ac.Market(GRID, PRICE, volume=VOLUME, covariance=SIGMA, impact=ac.LinearImpact(5.0))
    problem = ac.ExecutionProblem(BASKET, market, ac.TemporaryImpact() + 1e-6 * ac.TrackingRisk(VWAP()))
    plan = problem.solve()
    later = plan.reoptimize(at="12:00", executed=pd.Series({"A": -10e3, "B": 5e3}))
    off = (later.remaining.to_numpy() - vwap(problem).remaining.to_numpy())[3:]
    value = np.sqrt(np.einsum("k,ki,ij,kj->", np.asarray(GRID.durations)[2:], off, SIGMA.to_numpy(), off))
    expected = f"{summary.amount(value)} {summary.bps(value / 360)} bps one standard deviation against VWAP"
    assert facts(later)["tracking to go"] == [expected]


def test_the_worth_of_an_auction_is_told_apart() -> None:
    grid = ac.TimeGrid.session("2024-03-14", "65min", auctions=True)
    market = ac.Market(grid, 50.0, volume=1e5, covariance=1.0, impact=ac.LinearImpact(5.0))
    costs = ac.TemporaryImpact(auction=1e-9) + 1e-4 * ac.TimingRisk()
    plan = ac.ExecutionProblem(ac.Order(1e5), market, costs, [ac.Participation(0.3)]).solve()
    first, second = facts(plan)["worth"][:2]
    dearest = plan.shadow_prices()["interval"][0] == grid.labels[0]
    assert ("in the auction" in first, "in the auction" in second) == (dearest, not dearest)
    told = {line.partition(" saves ")[0] for line in (first, second)}
    rest = "raising asset's Participation cap by 1 point"
    assert told == {f"{rest} in the auction at 09:30", f"{rest} at 09:30"}


def test_a_bound_without_a_price_does_not_bind() -> None:
    market = ac.Market(GRID, 50.0, volume=1e5, covariance=1.0, spread=ac.bps(5.0))
    costs = ac.SpreadCost() + 1e-3 * ac.TimingRisk()
    rules = [ac.Participation(0.3), ac.Monotone()]
    problem = ac.ExecutionProblem(ac.Order(7e4), market, costs, rules)
    plan = problem.solve()
    trades = plan.path.trades[:, 0]
    assert (trades[3:] == 0).all()
    free = ac.ExecutionProblem(ac.Order(7e4), market, costs, rules[:1]).solve()
    assert free.objective == pytest.approx(plan.objective, rel=1e-9)  # so Monotone is worth nothing
    assert facts(plan)["binding"] == ["Participation in 2 of 6 intervals"]
    evaluated = problem.evaluate(plan.trades)
    assert facts(evaluated)["binding"][1] == "Monotone in 3 of 6 intervals"


def test_a_bound_with_a_price_binds() -> None:
    plan = basket(ac.Participation(0.048), ac.Monotone()).solve()
    (line,) = facts(plan)["binding"]
    count = 0
    for k, i in np.ndindex(6, 2):
        caps = np.full((6, 2), 0.048)
        caps[k, i] *= 1.001
        wider = basket(ac.Participation(pd.DataFrame(caps, GRID.labels, ["A", "B"])), ac.Monotone()).solve()
        count += wider.objective < plan.objective * (1 - 1e-12)
    assert 0 < count < 12
    assert f"({count} of 12 trades, " in line


def test_lots_are_proven_as_lots() -> None:
    plan = basket(ac.Participation(0.2)).solve()
    rounded = plan.round_lots(100)
    assert facts(rounded)["proof"] == [f"in lots: within {rounded.rounding.gap:.2g} of the best in lots"]
    asked = dataclasses.replace(rounded.rounding, objective=rounded.rounding.bound + 0.5, accepted=0.0125)
    rounded.rounding = asked
    assert not asked.proven
    assert facts(rounded)["proof"][0].startswith("in lots: within 0.5 of the best in lots (0.013 was asked)")
    assert "at most 0.5 from the best in lots (not proven to the 0.013 that" in facts(rounded)["lots"][0]

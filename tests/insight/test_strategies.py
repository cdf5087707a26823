"""Benchmark schedules against their formulas, and the table that compares them against sums made by hand."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import acopt as ac
from acopt.analytic.almgren_chriss import least_impact
from acopt.insight.strategies import almgren_chriss, compare, immediate, pov, twap, vwap
from acopt.model.benchmarks import VWAP

ROUNDING = 1e-14  # a handful of double roundings, relative
OPTIMUM = 1e-7  # trades of a strictly convex problem, relative to X: the accuracy contract

UNEVEN = ac.TimeGrid([0.0, 0.5, 0.75, 1.75])
PRICE = pd.Series({"A": 50.0, "B": 20.0})
VOLUME = np.array([[4e5, 1e5], [1e5, 2e5], [5e5, 5e5]])
ETA = pd.Series({"A": 2e-6, "B": 1e-6})
BASKET = ac.Order({"A": 60_000.0, "B": -30_000.0})  # sells A, buys B


def basket(*rules: ac.Constraint, order: ac.Order = BASKET, **market: object) -> ac.ExecutionProblem:
    known = {"volume": VOLUME, "covariance": np.array([[1.0, 0.2], [0.2, 0.5]]), "spread": ac.bps(2.0), **market}
    place = ac.Market(UNEVEN, PRICE, **known)
    terms = ac.TemporaryImpact(ETA) + ac.PermanentImpact(ETA / 10) + ac.SpreadCost() + 1e-6 * ac.TimingRisk()
    return ac.ExecutionProblem(order, place, terms, rules)


def stock(quantity: float, volume: object = 1e5, grid: ac.TimeGrid = UNEVEN, eta: object = 2e-6) -> ac.ExecutionProblem:
    return ac.ExecutionProblem(ac.Order(quantity), ac.Market(grid, 50.0, volume=volume), ac.TemporaryImpact(eta))


def week() -> ac.TimeGrid:
    """Two sessions of six hours, with a night between: intervals 0-5, the night 6, 7-12."""
    return ac.TimeGrid.sessions("2024-03-14", "2024-03-15", "1h", overnight=0.5, start="10:00")


# --------------------------------------------------------------------------- TWAP and VWAP


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_twap_keeps_one_rate_on_an_uneven_grid(side: float) -> None:
    plan = twap(stock(side * 700.0))
    assert plan.name == "twap"
    np.testing.assert_allclose(plan.trades["asset"], -side * np.array([200.0, 100.0, 400.0]), rtol=ROUNDING)
    assert plan.path.remaining[-1, 0] == 0.0


def test_twap_and_vwap_of_a_basket_buy_and_sell() -> None:
    problem = basket()
    even, by_volume = twap(problem).path.trades, vwap(problem).path.trades
    for i, quantity in enumerate((60_000.0, -30_000.0)):
        np.testing.assert_allclose(even[:, i], -quantity * np.array([2, 1, 4]) / 7, rtol=ROUNDING)
        np.testing.assert_allclose(by_volume[:, i], -quantity * VOLUME[:, i] / VOLUME[:, i].sum(), rtol=ROUNDING)
    assert vwap(problem).name == "vwap"


def test_vwap_has_one_participation() -> None:
    rates = vwap(basket()).participation.to_numpy()
    np.testing.assert_allclose(rates, np.broadcast_to([0.06, 0.0375], (3, 2)), rtol=ROUNDING)


def test_windows_are_half_open() -> None:
    problem = basket()
    np.testing.assert_allclose(twap(problem, 0.5).path.trades[:, 0], [0.0, -12_000.0, -48_000.0], rtol=ROUNDING)
    np.testing.assert_allclose(twap(problem, end=0.75).path.trades[:, 0], [-40_000.0, -20_000.0, 0.0], rtol=ROUNDING)
    np.testing.assert_allclose(vwap(problem, 0.5, 0.75).path.trades[:, 1], [0.0, 30_000.0, 0.0], rtol=ROUNDING)


def test_nothing_trades_at_night() -> None:
    problem = stock(12_000.0, grid=week())
    for plan in (twap(problem), vwap(problem)):
        expected = np.full(13, -1_000.0)
        expected[6] = 0.0
        np.testing.assert_allclose(plan.trades["asset"], expected, rtol=ROUNDING)
        assert not np.signbit(plan.path.trades[6, 0])
    assert pov(0.05)(problem).path.trades[6, 0] == 0.0


@pytest.mark.parametrize("strategy", [twap, immediate, pov(0.5)])
def test_nothing_trades_without_volume(strategy: object) -> None:
    volume = np.array([[0.0, 1e5], [1e5, 0.0], [5e5, 5e5]])
    trades = strategy(basket(volume=volume)).path.trades  # type: ignore[operator]
    assert (trades[volume == 0] == 0).all()
    np.testing.assert_allclose(trades.sum(axis=0), [-60_000.0, 30_000.0], rtol=ROUNDING)


def test_immediate_takes_each_assets_first_tradable_interval() -> None:
    volume = np.array([[0.0, 1e5], [1e5, 0.0], [5e5, 5e5]])
    np.testing.assert_array_equal(
        immediate(basket(volume=volume)).path.trades, [[0.0, 30_000.0], [-60_000.0, 0.0], [0.0, 0.0]]
    )


def test_one_interval_makes_all_strategies_the_same() -> None:
    problem = stock(-900.0, volume=1e4, grid=ac.TimeGrid([0.0, 1.0]))
    for plan in (twap(problem), vwap(problem), immediate(problem), pov(0.09)(problem)):
        np.testing.assert_array_equal(plan.path.trades, [[900.0]])


@given(
    quantity=st.floats(-1e9, 1e9).filter(lambda q: abs(q) > 1e-3),
    volume=st.lists(st.floats(0.0, 1e8), min_size=3, max_size=3).filter(lambda v: max(v) > 1.0),
)
@settings(max_examples=50, deadline=None)
def test_twap_and_vwap_finish_the_order_on_its_side(quantity: float, volume: list[float]) -> None:
    problem = stock(quantity, volume=np.array(volume))
    for plan in (twap(problem), vwap(problem), immediate(problem)):
        trades = plan.path.trades[:, 0]
        assert (trades * np.sign(quantity) <= 0).all()
        assert trades.sum() == pytest.approx(-quantity, rel=ROUNDING)
        assert (trades[np.array(volume) == 0] == 0).all()


# --------------------------------------------------------------------------- POV


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_pov_trades_its_fraction_until_done(side: float) -> None:
    plan = pov(0.1)(stock(side * 47_000.0, volume=np.array([4e5, 1e5, 5e5])))
    np.testing.assert_array_equal(plan.path.trades[:, 0], -side * np.array([40_000.0, 7_000.0, 0.0]))
    assert plan.name == "pov 10%"
    assert plan.rules_broken == {}


def test_pov_is_exactly_at_its_rate_and_finishes_in_a_partial_trade() -> None:
    volume = np.linspace(1.0, 2.0, 50) * 12_345.678
    grid = ac.TimeGrid.uniform(1.0, 50)
    plan = pov(0.0812)(stock(20_000.0, volume=volume, grid=grid))
    rates = plan.participation["asset"].to_numpy()
    last = int(np.flatnonzero(rates)[-1])
    np.testing.assert_allclose(rates[:last], 0.0812, rtol=4e-16)
    assert 0 < rates[last] < 0.0812
    assert (rates[last + 1 :] == 0).all()
    assert plan.path.remaining[-1, 0] == 0.0


def test_pov_that_fits_exactly_leaves_no_dust() -> None:
    volume = np.full(11, 1.0 / 3.0)
    plan = pov(0.3)(stock(1.0, volume=volume, grid=ac.TimeGrid.uniform(1.0, 11)))
    assert np.count_nonzero(plan.path.trades) == 10
    assert plan.path.remaining[-1, 0] == 0.0


def test_pov_without_enough_volume_shows_what_is_left() -> None:
    problem = stock(100_000.0)
    plan = pov(0.1)(problem)
    assert plan.remaining["asset"].iloc[-1] == pytest.approx(70_000.0)
    row = compare(problem, [pov(0.1)]).loc["pov 10%"]
    assert row["rules_broken"] == "Complete"
    assert np.isnan(row["finish"])
    assert plan.rules_broken == {"Complete": pytest.approx(70_000.0)}


def test_what_may_be_left_breaks_no_rule() -> None:
    place = ac.Market(UNEVEN, 50.0, volume=1e5)
    problem = ac.ExecutionProblem(ac.Order(100_000.0), place, ac.TemporaryImpact(2e-6), [ac.AllowUnfilled(50.0)])
    assert compare(problem, [pov(0.1)])["rules_broken"].tolist() == [""]


def test_an_explicit_complete_is_named_once() -> None:
    place = ac.Market(UNEVEN, 50.0, volume=1e5)
    rule = ac.Complete(name="Done")
    problem = ac.ExecutionProblem(ac.Order(100_000.0), place, ac.TemporaryImpact(2e-6), [rule])
    assert compare(problem, [pov(0.1)])["rules_broken"].tolist() == ["Done"]


def test_pov_by_asset_and_in_a_window() -> None:
    plan = pov(pd.Series({"B": 0.1, "A": 0.05}), start=0.5)(basket())
    expected = [[0.0, 0.0], [-5_000.0, 20_000.0], [-25_000.0, 10_000.0]]
    np.testing.assert_allclose(plan.path.trades, expected, rtol=ROUNDING)
    assert plan.name == "pov"


# --------------------------------------------------------------------------- time-varying cost (REFERENCE_CASES 3)


@pytest.mark.parametrize("side", [1.0, -1.0])
@pytest.mark.parametrize("edges", [np.arange(7.0), np.array([0.0, 1.0, 1.5, 3.0, 3.25, 5.0, 6.0])])
def test_vwap_costs_more_than_twap_where_cost_grows_with_volume(side: float, edges: np.ndarray) -> None:
    grid, tau = ac.TimeGrid(edges), np.diff(edges)
    volume = tau * np.array([9.0, 5.0, 3.0, 2.0, 2.0, 4.0]) * 1e5
    eta = 1e-6 * np.array([8.0, 4.0, 2.0, 1.0, 1.0, 1.5])
    problem = stock(side * 1e5, volume=volume, grid=grid, eta=eta)
    plan = problem.solve()
    weight = tau / eta
    np.testing.assert_allclose(plan.path.trades[:, 0], -side * 1e5 * weight / weight.sum(), atol=OPTIMUM * 1e5)
    best, cost = least_impact(side * 1e5, tau, eta)
    np.testing.assert_allclose(plan.path.trades[:, 0], best, atol=OPTIMUM * 1e5)

    table = compare(problem, [plan, "twap", "vwap"])
    by_hand = [cost, 1e10 * np.sum(eta * tau) / edges[-1] ** 2, 1e10 * np.sum(eta * (volume / volume.sum()) ** 2 / tau)]
    np.testing.assert_allclose(table["objective"], by_hand, rtol=1e-12)
    assert table["objective"].is_monotonic_increasing


def test_vwap_is_the_optimum_where_cost_falls_with_volume() -> None:
    volume = np.array([9.0, 3.0, 6.0]) * 1e5
    eta = 0.5 * np.diff(UNEVEN.edges) / volume
    problem = stock(1e5, volume=volume, eta=eta)
    np.testing.assert_allclose(problem.solve().path.trades, vwap(problem).path.trades, atol=OPTIMUM * 1e5)


# --------------------------------------------------------------------------- Almgren-Chriss


def even(weight: float | None = 1e-6, **coefficients: object) -> ac.ExecutionProblem:
    """REFERENCE_CASES 1."""
    grid = coefficients.pop("grid", ac.TimeGrid.uniform(5.0, 5))
    place = ac.Market(grid, 50.0, covariance=coefficients.pop("covariance", 0.95**2), spread=0.125)
    eta = coefficients.pop("eta", 2.5e-6)
    risk = ac.TimingRisk() if weight is None else weight * ac.TimingRisk()
    terms = ac.TemporaryImpact(eta) + ac.PermanentImpact(2.5e-7) + ac.SpreadCost() + risk
    return ac.ExecutionProblem(ac.Order(1e6), place, terms)


def test_almgren_chriss_has_the_published_holdings_and_cost() -> None:
    plan = almgren_chriss(even())
    expected = [541955.5544, 289854.2194, 147897.4878, 62141.8016]
    np.testing.assert_allclose(plan.path.remaining[1:5, 0], expected, atol=5e-5)
    assert plan.expected_cost == pytest.approx(911226.9863, abs=5e-5)
    assert plan.variance == pytest.approx(3.641286e11, rel=1e-6)
    assert plan.name == "almgren_chriss"


def test_almgren_chriss_takes_a_risk_aversion() -> None:
    expected = [428598.8457, 182932.8143, 76295.7216, 27643.3774]
    for problem in (even(), even(weight=None)):
        np.testing.assert_allclose(almgren_chriss(problem, 2e-6).path.remaining[1:5, 0], expected, atol=5e-5)
        np.testing.assert_allclose(almgren_chriss(problem, 0.0).path.trades, twap(problem).path.trades, rtol=1e-12)
        np.testing.assert_allclose(
            almgren_chriss(problem, np.inf).path.trades, immediate(problem).path.trades, atol=1e-9 * 1e6
        )


def test_almgren_chriss_leaves_rules_and_other_costs_aside() -> None:
    plain = almgren_chriss(even())
    bound = ac.ExecutionProblem(
        plain.setting.order, plain.setting.market, even().objective + ac.Jerk("1 day"), [ac.TradeSize(lower=-3e5)]
    )
    plan = almgren_chriss(bound)
    np.testing.assert_array_equal(plan.path.trades, plain.path.trades)
    assert compare(bound, ["almgren_chriss"])["rules_broken"].tolist() == ["TradeSize"]
    assert plan.rules_broken["TradeSize"] == pytest.approx(1e6 - 541955.5544 - 3e5)


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (partial(even, grid=ac.TimeGrid([0.0, 1.0, 3.0])), r"almgren_chriss: .* grid is uneven: .* from 1 to 2 days"),
        (partial(even, eta=np.arange(1.0, 6.0) * 1e-6), "the eta of TemporaryImpact varies over time"),
        (
            partial(even, covariance=ac.Covariance(0.9, scale=np.array([1.0, 1.0, 2.0, 1.0, 1.0]))),
            "the volatility varies over time",
        ),
        (
            partial(even, covariance=ac.Covariance(np.arange(1.0, 6.0).reshape(5, 1, 1))),
            "the covariance varies over time",
        ),
        (partial(even, grid=week()), "nothing can trade for asset at 2024-03-14 16:00:00"),
        (partial(even, weight=None), r"TimingRisk has no weight .* risk_aversion="),
    ],
)
def test_almgren_chriss_says_what_does_not_reduce(problem: partial[ac.ExecutionProblem], message: str) -> None:
    with pytest.raises(ac.ModelError, match=message):
        almgren_chriss(problem())


def test_almgren_chriss_needs_impact_risk_and_a_sound_aversion() -> None:
    place = ac.Market(ac.TimeGrid.uniform(5.0, 5), 50.0, spread=0.125)
    no_impact = ac.ExecutionProblem(ac.Order(1e6), place, ac.SpreadCost())
    with pytest.raises(ac.ModelError, match="there is no temporary impact for asset"):
        almgren_chriss(no_impact, 1e-6)
    no_risk = ac.ExecutionProblem(ac.Order(1e6), place, ac.TemporaryImpact(1e-6))
    with pytest.raises(ac.ModelError, match=r"has no weight \(or there is none\)"):
        almgren_chriss(no_risk)
    with pytest.raises(ac.ModelError, match="the market has no covariance"):
        almgren_chriss(no_risk, 1e-6)
    with pytest.raises(ac.DataError, match="risk_aversion must be"):
        almgren_chriss(even(), -1e-6)
    twice = ac.ExecutionProblem(ac.Order(1e6), even().market, even().objective + 1e-6 * ac.TimingRisk(2.0, name="more"))
    with pytest.raises(ac.ModelError, match=r"several TimingRisk terms \(TimingRisk, more\)"):
        almgren_chriss(twice)


# --------------------------------------------------------------------------- compare


def by_hand(trades: np.ndarray) -> tuple[float, float, float, float, float]:
    """cost_bps, risk_bps, objective, finish, max_participation of the basket, summed one trade at a time."""
    start, price = np.array([60_000.0, -30_000.0]), np.array([50.0, 20.0])
    eta, gamma, eps = np.array([2e-6, 1e-6]), np.array([2e-7, 1e-7]), 1e-4 * price
    sigma = np.array([[1.0, 0.2], [0.2, 0.5]])
    gross = 50.0 * 60_000 + 20.0 * 30_000
    cost = variance = most = 0.0
    x, before, t, done, finish = start.copy(), np.zeros(2), 0.0, 0.0, np.nan
    for k, tau in enumerate((0.5, 0.25, 1.0)):
        u = trades[k]
        for i in range(2):
            cost += eta[i] * u[i] ** 2 / tau + u[i] * gamma[i] * before[i] + eps[i] * abs(u[i])
            most = max(most, abs(u[i]) / VOLUME[k, i])
        before += u
        x = x + u
        variance += tau * x @ sigma @ x
        now = 1 - np.abs(x) @ price / gross
        if np.isnan(finish) and now >= 0.99 - 1e-12:
            finish = t + tau * (0.99 - done) / (now - done)
        t, done = t + tau, now
    scale = 1e4 / gross
    return cost * scale, np.sqrt(variance) * scale, cost + 1e-6 * variance, finish, most


def test_compare_against_sums_made_by_hand() -> None:
    problem = basket(ac.Participation(0.2), ac.Monotone())
    mine = pd.DataFrame(
        [[30_000.0, -30_000.0], [-5_000.0, 0.0], [5_000.0, -30_000.0]], index=[0.0, 0.5, 0.75], columns=["B", "A"]
    )
    table = compare(problem, ["twap", vwap, "immediate", pov(0.1), ("mine", mine)])
    assert table.index.tolist() == ["twap", "vwap", "immediate", "pov 10%", "mine"]
    assert table.index.name == "plan"
    columns = ["cost_bps", "risk_bps", "objective", "finish", "max_participation", "rules_broken"]
    assert table.columns.tolist() == columns
    trades = {
        "twap": np.outer([2, 1, 4], [-60_000, 30_000]) / 7,
        "vwap": VOLUME / VOLUME.sum(axis=0) * [-60_000, 30_000],
        "immediate": np.array([[-60_000.0, 30_000.0], [0, 0], [0, 0]]),
        "pov 10%": np.array([[-40_000.0, 10_000.0], [-10_000.0, 20_000.0], [-10_000.0, 0.0]]),
        "mine": mine[["A", "B"]].to_numpy(),
    }
    for name, path in trades.items():
        row = table.loc[name].iloc[:5].to_numpy(dtype=float)
        np.testing.assert_allclose(row, by_hand(path), rtol=1e-12, err_msg=name)
    assert table["rules_broken"].tolist() == ["", "", "Participation", "", "Participation, Monotone"]


def test_nothing_beats_the_optimum() -> None:
    problem = basket(ac.Participation(0.2), ac.Monotone())
    table = compare(problem, [problem.solve(), "twap", "vwap", pov(0.1), pov(0.2)])
    assert (table["rules_broken"] == "").all()
    assert table["objective"].idxmin() == "plan"


def test_schedules_of_another_problem_are_priced_by_this_one() -> None:
    other = ac.ExecutionProblem(BASKET, basket().market, 3.0 * ac.TemporaryImpact(ETA))
    here = compare(basket(), {"theirs": twap(other), "ours": "twap"})
    assert here.index.tolist() == ["theirs", "ours"]
    assert here.loc["theirs"].equals(here.loc["ours"])


def test_repeated_names_are_numbered() -> None:
    problem = basket()
    table = compare(problem, ["twap", "twap", ("twap (2)", "vwap"), twap(problem).trades, twap(problem).path.trades])
    assert table.index.tolist() == ["twap", "twap (2)", "twap (2) (2)", "trades", "trades (2)"]
    assert compare(problem, ["twap", ("twap (2)", "vwap"), "twap"]).index.tolist() == ["twap", "twap (2)", "twap (3)"]


def test_one_plan_needs_no_list() -> None:
    problem = basket()
    for plan in ("twap", twap(problem), twap):
        assert compare(problem, plan).index.tolist() == ["twap"]
    assert compare(problem, twap(problem).trades).index.tolist() == ["trades"]
    assert compare(problem, []).empty


def test_a_function_may_return_trades() -> None:
    def late(problem: ac.ExecutionProblem) -> pd.DataFrame:
        return twap(problem, 0.75).trades

    table = compare(basket(), [late, lambda problem: late(problem)])
    assert table.index.tolist() == ["late", "trades"]
    assert table["finish"].tolist() == pytest.approx([0.75 + 0.99] * 2)


def test_finish_is_a_timestamp_where_the_grid_has_them() -> None:
    problem = stock(12_000.0, grid=week())
    table = compare(problem, ["twap", "immediate", ("half", 0.5 * twap(problem).trades)])
    zone = "America/New_York"
    assert table["finish"].iloc[0] == pd.Timestamp("2024-03-15 15:52:48", tz=zone)  # 88% through the last hour
    assert table["finish"].iloc[1] == pd.Timestamp("2024-03-14 10:59:24", tz=zone)
    assert pd.isna(table["finish"].iloc[2])
    assert isinstance(table["finish"].dtype, pd.DatetimeTZDtype)
    assert compare(problem, [pov(0.005)])["finish"].isna().all()


def test_trades_where_nothing_can_trade_are_a_broken_rule() -> None:
    problem = stock(12_000.0, grid=week())
    trades = np.zeros((13, 1))
    trades[6] = -12_000.0
    assert compare(problem, [("at night", trades)])["rules_broken"].tolist() == ["closed intervals"]
    assert problem.evaluate(trades).rules_broken == {"closed intervals": 12_000.0}


def test_without_volume_or_covariance_there_is_no_number() -> None:
    problem = ac.ExecutionProblem(ac.Order(700.0), ac.Market(UNEVEN, 50.0), ac.TemporaryImpact(2e-6))
    row = compare(problem, ["twap"]).loc["twap"]
    assert np.isnan(row["max_participation"])
    assert np.isnan(row["risk_bps"])
    assert row["cost_bps"] == pytest.approx(1e4 * 2e-6 * 700 / 1.75 / 50)


def test_a_zero_order_trades_nothing() -> None:
    problem = basket(ac.Participation(0.2), order=ac.Order({"A": 0.0, "B": 0.0}))
    table = compare(problem, ["twap", "vwap", "immediate", pov(0.1)])
    assert (table[["objective", "max_participation"]] == 0).all(axis=None)
    assert (table["rules_broken"] == "").all()
    assert table["finish"].isna().all()


# --------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("plans", "message"),
    [
        (["vwp"], r"no plan is called 'vwp'; accepted are 'twap', 'vwap', 'immediate', 'almgren_chriss', a strategy"),
        ([3.5], r"a plan is of type float; accepted are 'twap'"),
        (float, r"a plan is of type type; accepted are 'twap'"),
        ([("mine", 7)], r"mine is of type int"),
        ([("mine",)], r"\('mine',\) is not a plan; as a tuple, a pair \(name, plan\) is expected"),
        ([lambda problem: 3], r"a plan is of type int"),
        (7, r"compare: int was given; a list of plans or a mapping of them would do"),
        ([("mine", np.zeros((2, 2)))], r"plan 'mine': trades: .*\(2, 2\)"),
        ([pd.DataFrame(0.0, index=UNEVEN.labels, columns=["A"])], r"plan 'trades': trades: no value for asset B"),
        ([pd.DataFrame(np.nan, index=UNEVEN.labels, columns=["A", "B"])], r"plan 'trades': trades is nan for A"),
    ],
)
def test_compare_refuses_by_name(plans: object, message: str) -> None:
    with pytest.raises(ac.DataError, match=message):
        compare(basket(), plans)  # type: ignore[arg-type]


def test_schedules_of_other_labels_are_refused() -> None:
    with pytest.raises(ac.DataError, match="plan 'twap': trades: no value for asset A"):
        compare(basket(), [twap(stock(700.0))])


def test_a_rate_beyond_all_numbers_is_refused():
    with pytest.raises(ac.DataError, match="pov rate"):
        ac.pov(10**400)


@pytest.mark.parametrize("rate", [0.0, -0.1, 8.0, float("nan"), np.array([0.1, 1.5])])
def test_pov_refuses_a_rate_that_is_no_fraction(rate: object) -> None:
    with pytest.raises(ac.DataError, match=r"pov rate .*: a number in \(0, 1\] is expected|pov rate is nan"):
        pov(rate)(basket())  # type: ignore[arg-type]


def test_strategies_say_what_is_missing() -> None:
    bare = ac.ExecutionProblem(ac.Order(700.0), ac.Market(UNEVEN, 50.0), ac.TemporaryImpact(2e-6))
    for strategy in (vwap, pov(0.1)):
        with pytest.raises(ac.ModelError, match="the market has no volume"):
            strategy(bare)
    dry = basket(volume=np.array([[1e5, 0.0], [1e5, 0.0], [0.0, 1e5]]))
    with pytest.raises(
        ac.ModelError, match=r"TWAP\(end=0\.75\): B has an order, but no interval in which it can trade"
    ):
        twap(dry, end=0.75)
    with pytest.raises(ac.ModelError, match=r"VWAP\(start=0.75\): A has an order"):
        vwap(dry, start=0.75)
    never = basket(ac.AllowUnfilled(5.0), volume=np.array([[1e5, 0.0], [1e5, 0.0], [1e5, 0.0]]))
    with pytest.raises(ac.ModelError, match="immediate: B has an order, but no interval in which it can trade"):
        immediate(never)
    for strategy in (twap, vwap):
        with pytest.raises(ac.DataError, match="not an edge of the grid"):
            strategy(basket(), 0.6)


# --------------------------------------------------------------------------- tracking


def test_compare_shows_tracking_where_the_problem_tracks() -> None:
    problem = basket()
    assert "tracking_bps" not in compare(problem, ["twap"]).columns
    risk = ac.TrackingRisk(VWAP(end=0.75))
    tracked = ac.ExecutionProblem(BASKET, problem.market, ac.TemporaryImpact(ETA) + risk)
    table = compare(tracked, ["immediate", ("vwap", partial(vwap, end=0.75))])
    assert table.columns.tolist()[:4] == ["cost_bps", "risk_bps", "tracking_bps", "objective"]
    # at once, nothing is left after the first trade; on the benchmark, what its second interval trades
    left = -np.array([60_000.0, -30_000.0]) * VOLUME[1] / VOLUME[:2].sum(axis=0)
    deviation = np.sqrt(0.5 * left @ np.array([[1.0, 0.2], [0.2, 0.5]]) @ left)
    gross = 60_000 * 50 + 30_000 * 20
    assert table.loc["immediate", "tracking_bps"] == pytest.approx(1e4 * deviation / gross, rel=1e-12)
    assert table.loc["vwap", "tracking_bps"] <= 1e-10

"""Every kind of cost and of rule in one problem: optimal, priced, rounded, written and read, the same from any side."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import acopt as ac
from acopt.interface.sample import STOCKS, sample
from acopt.spec.audit import content_hash

NAMES = list(STOCKS["symbol"])
GROUPS = dict(zip(NAMES, ["north", "south", "south", "north", "north", "south"], strict=True))
LUNCH = ("12:00", "13:00")
DOLLAR, BETA, GROUP = 0.001, 0.001, 0.002
FIELDS = {"DollarNeutral": DOLLAR, "FactorNeutral": BETA, "GroupNeutral": GROUP}
COSTS = {
    "TransientImpact",
    "TemporaryImpact",
    "PermanentImpact",
    "SpreadCost",
    "Jerk",
    "Alpha",
    "TrackingRisk",
    "TimingRisk",
    "calm (soft)",
}
RULES = {"Participation", "calm", "Monotone", "DollarNeutral", "FactorNeutral", "GroupNeutral", "NoTrade"}


@pytest.fixture(scope="module")
def bars():
    return sample().bars


@pytest.fixture(scope="module")
def calibrated(bars):
    grid = ac.TimeGrid.session(bars.sessions[-1], "30min", auctions=True)
    return ac.Market.from_bars(
        bars, grid, assets=NAMES, spread=ac.bps(1.0), auction_volume={"open": 0.02, "close": 0.08}
    )


def daily(calibrated):
    """Volume of a day in shares."""
    return pd.Series(calibrated.daily_volume, NAMES)


def factors(calibrated, split):
    """Five largest principal components of the returns, per share."""
    covariance = calibrated.risk.root @ calibrated.risk.root.T / np.outer(calibrated.prices, calibrated.prices)
    values, vectors = np.linalg.eigh(covariance)
    names = [f"factor {f}" for f in range(5)]
    loadings = pd.DataFrame(vectors[:, -5:] * np.sqrt(values[-5:]), NAMES, names)
    own = pd.Series(np.diag(covariance) - (loadings**2).sum(axis=1), NAMES)
    eye = pd.DataFrame(np.eye(5), names, names)
    scale = pd.Series(calibrated.risk.scale[:, 0], calibrated.grid.labels)
    return ac.FactorModel.from_returns(loadings, eye, own, calibrated.price / split, scale=scale)


def betas(calibrated):
    covariance = calibrated.risk.root @ calibrated.risk.root.T / np.outer(calibrated.prices, calibrated.prices)
    return pd.Series(covariance.mean(axis=0) / covariance.mean(), NAMES, name="beta")


def left(calibrated):
    """Shares to sell (+) or buy (-), 6% of a day's volume moved as little as makes it neutral, in hundreds."""
    value = 0.06 * daily(calibrated) * calibrated.price * np.where(STOCKS["side"] == "sell", 1.0, -1.0)
    neutral = pd.get_dummies(pd.Series(GROUPS)).astype(float).assign(beta=betas(calibrated))
    flexible = neutral.mul(value**2, axis=0)
    value = value - flexible @ np.linalg.solve(neutral.T @ flexible, neutral.T @ value)
    return (value / calibrated.price).round(-2)


def everything(calibrated, *, side=1.0, split=1.0, assets=NAMES):
    """Return the problem; mirrored (`side` -1), in shares split by a factor, with assets in another sequence."""
    price = calibrated.price / split
    market = ac.Market(
        calibrated.grid,
        price[list(assets)],
        volume=calibrated.volume * split,
        covariance=factors(calibrated, split),
        spread=calibrated.spread / split,
        impact=ac.LinearImpact(8.0, permanent_bps=0.5),
    )
    shares = side * split * left(calibrated)[list(assets)]
    view = side * pd.Series([4.0, -3.0, 6.0, 1.0, -5.0, 150.0], NAMES)
    costs = (
        ac.TransientImpact(ac.ExponentialDecay(half_life="45min"), 2e-2 * price / (split * daily(calibrated)))
        + ac.TemporaryImpact()
        + ac.PermanentImpact(own="full")
        + ac.SpreadCost()
        + ac.Jerk(scale="15min")
        + ac.Alpha.from_bps(view, half_life="2h")
        + 1e-7 * ac.TrackingRisk(ac.VWAP())
        + 4e-7 * ac.TimingRisk()
    )
    rules = [
        ac.Participation(0.10),
        ac.Participation(0.05, penalty_bps=5.0, name="calm"),
        ac.Monotone(assets=["ALFA", "BRAVO", "FOXTROT"]),
        ac.DollarNeutral(DOLLAR),
        ac.FactorNeutral(betas(calibrated), BETA),
        ac.GroupNeutral(GROUPS, GROUP),
        ac.NoTrade(during=LUNCH),
    ]
    order = ac.Order(shares.clip(lower=0.0), (-shares).clip(lower=0.0))
    return ac.ExecutionProblem(order, market, costs, rules)


@pytest.fixture(scope="module")
def problem(calibrated):
    return everything(calibrated)


@pytest.fixture(scope="module")
def plan(problem):
    return problem.solve()


def test_it_is_certified_and_every_part_of_it_acts(problem, plan):
    proof = plan.certificate
    assert set(plan.term_values) == COSTS
    assert {rule.name for rule in problem.constraints} == RULES
    assert 0 <= proof.gap <= proof.tolerance
    assert proof.violation <= 1e-9
    assert not proof.conic
    assert plan.rules_broken == {}
    scale = proof.gap_scale
    assert all(abs(value) > 1e-6 * scale for name, value in plan.term_values.items() if "Risk" not in name)
    assert problem.setting.lent is not None
    binding = plan.shadow_prices().query("price > 0")["constraint"]
    assert {"Participation", "DollarNeutral", "FactorNeutral", "GroupNeutral", "NoTrade", "Complete"} <= set(binding)
    idle = plan.trades.between_time("12:00", "12:59")
    assert len(idle) == 2
    assert (idle == 0).all().all()
    assert problem.setting.grid.auctions.sum() == 2
    assert (plan.trades[["ALFA", "FOXTROT"]] <= 0).all().all()
    assert (plan.trades["BRAVO"] >= 0).all()


def test_the_objective_is_the_sum_of_its_formulas_and_that_of_the_program(plan):
    assert plan.breakdown()["weighted"].sum() == pytest.approx(plan.objective, rel=1e-12)
    assert abs(plan.certificate.objective_difference) <= 1e-9


def test_no_way_to_another_schedule_that_obeys_goes_down(problem, plan):
    """Convex: the slope towards every feasible point is >= 0, by values that no solver computed."""
    others = [
        problem.copy().update(weights={"TimingRisk": weight, "Jerk": jerk}).solve()
        for weight in (0.0, 1e-7, 1e-5)
        for jerk in (0.0, 30.0)
    ]
    for other in others:
        assert other.rules_broken == {}
        way = other.path.trades - plan.path.trades
        values = [problem.evaluate(plan.path.trades + step * way).objective for step in (1e-4, 1e-2, 1.0)]
        assert min(values) >= plan.objective - plan.certificate.tolerance
        assert values[-1] > plan.objective + 1e-6 * plan.certificate.gap_scale


def test_a_second_solver_agrees(problem):
    found = problem.solve(cross_check=True).certificate.cross_check
    assert found.failure == ""
    assert found.solver == "CLARABEL"
    assert abs(found.objective_difference) <= 1e-8
    assert found.trade_difference <= 1e-6


def moved(problem, rule, field, by):
    """Objective with a field of a rule at another value."""
    return problem.copy().update(constraints={rule: {field: by}}).solve().objective


def test_caps_are_worth_what_moving_them_saves(problem, plan):
    prices = plan.shadow_prices().query("constraint == 'Participation' and price > 0")
    assert len(prices) >= 5
    step, apart = 1e-3, []
    for _, cell in prices.head(5).iterrows():
        one = pd.DataFrame(0.0, index=plan.trades.index, columns=plan.trades.columns)
        one.loc[cell["interval"], cell["asset"]] = 0.01
        low, high = (moved(problem, "Participation", "maximum", 0.10 + by * one) for by in (-step, step))
        apart.append((low - high) / (2 * step) / cell["price"] - 1)
    assert np.abs(apart).max() <= 1e-5


@pytest.mark.parametrize("rule", FIELDS)
def test_tolerances_are_worth_what_moving_them_saves(problem, plan, rule):
    gross, step = problem.setting.gross, 100.0
    table = plan.shadow_prices(by="asset").query("constraint == @rule and price > 0")
    assert len(table) > 0
    for _, row in table.iterrows():
        limit = one = 1.0
        if rule == "GroupNeutral":
            limit = pd.Series(1.0, sorted(set(GROUPS.values())))
            one = (limit.index == row["asset"]).astype(float)
        limit = FIELDS[rule] * gross * limit
        low, high = (moved(problem, rule, "tolerance", limit + by * one) for by in (-step, step))
        assert (low - high) / (2 * step) == pytest.approx(row["price"], rel=1e-4)


def lunch_slope(problem, plan, row, step):
    """Slope of the objective when a cell of the lunch hour gives way, or must trade the wrong way; of second order."""
    rules = [rule for rule in problem.constraints if rule.name != "NoTrade"]
    bounds = {side: pd.DataFrame(0.0, plan.trades.index, plan.trades.columns) for side in ("lower", "upper")}

    def objective(shares):
        for side in bounds if shares < 0 else [row["side"]]:
            bounds[side].loc[row["interval"], row["asset"]] = shares if row["side"] == "upper" else -shares
        lunch = ac.TradeSize(**bounds, during=LUNCH)
        return ac.ExecutionProblem(problem.order, problem.market, problem.objective, [*rules, lunch]).solve().objective

    return (4 * objective(step) - objective(2 * step) - 3 * plan.objective) / (2 * abs(step))


def test_the_lunch_hour_is_worth_what_a_few_shares_in_it_save(problem):
    rules = [replace(r, during=("13:00", "16:00")) if r.name in FIELDS else r for r in problem.constraints]
    asked = ac.ExecutionProblem(problem.order, problem.market, problem.objective, rules)
    plan = asked.solve()
    prices = plan.shadow_prices().query("constraint == 'NoTrade' and price > 0")
    assert len(prices) >= 6
    for _, row in prices.iloc[::2].iterrows():
        assert lunch_slope(asked, plan, row, 20.0) == pytest.approx(-row["price"], rel=1e-6)


def test_where_neutrality_binds_through_lunch_a_price_is_between_giving_way_and_tightening(problem, plan):
    """One position bound by one rule at three edges: many multipliers prove the plan."""
    prices = plan.shadow_prices().query("constraint == 'NoTrade' and price > 0")
    for _, row in prices.head(3).iterrows():
        saved, paid = -lunch_slope(problem, plan, row, 20.0), lunch_slope(problem, plan, row, -20.0)
        assert -1e-7 <= saved <= row["price"] + 1e-7
        assert row["price"] <= paid + 1e-7


def test_no_rule_is_free_and_none_pays(problem, plan):
    """Leaving a rule out never costs, and saves where it binds."""
    scale = plan.certificate.gap_scale
    for name in sorted(RULES):
        saved = plan.objective - problem.without(name).solve().objective
        assert saved >= -2 * plan.certificate.tolerance, name
        assert saved > 1e-7 * scale, name


def test_the_mirrored_problem_has_the_mirrored_plan(calibrated, problem, plan):
    other = everything(calibrated, side=-1.0).solve()
    assert other.objective == pytest.approx(plan.objective, rel=1e-10)
    np.testing.assert_allclose(other.path.trades, -plan.path.trades, atol=1e-7 * problem.setting.size)


@pytest.mark.parametrize("split", [1e-2, 1e3])
def test_a_split_of_all_shares_changes_nothing_but_their_number(calibrated, problem, plan, split):
    other = everything(calibrated, split=split).solve()
    assert other.certificate.gap <= other.certificate.tolerance
    assert other.objective == pytest.approx(plan.objective, rel=1e-9)
    np.testing.assert_allclose(other.path.trades / split, plan.path.trades, atol=1e-7 * problem.setting.size)


def test_the_sequence_of_assets_does_not_matter(calibrated, problem, plan):
    other = everything(calibrated, assets=NAMES[::-1]).solve()
    assert list(other.trades.columns) == NAMES[::-1]
    assert other.objective == pytest.approx(plan.objective, rel=1e-10)
    gap = (other.trades[NAMES] - plan.trades).abs().to_numpy().max()
    assert gap <= 1e-7 * problem.setting.size


def test_an_update_is_a_fresh_problem(problem):
    more = ac.what_if(problem.market, volume=1.2)
    warm = problem.copy().update(market=more).solve()
    fresh = ac.ExecutionProblem(problem.order, more, problem.objective, problem.constraints).solve()
    assert warm.objective == pytest.approx(fresh.objective, rel=1e-10)
    np.testing.assert_allclose(warm.path.trades, fresh.path.trades, atol=1e-7 * problem.setting.size)


def test_its_file_is_the_same_problem_to_the_last_bit(calibrated, tmp_path):
    fresh = everything(calibrated)
    path = ac.save_problem(fresh, tmp_path / "everything.toml")
    again = ac.load_problem(path).problem()
    assert content_hash(again) == content_hash(fresh)
    other = everything(calibrated, side=-1.0)
    assert content_hash(other) != content_hash(fresh)
    np.testing.assert_array_equal(again.solve().path.trades, fresh.solve().path.trades)
    second = ac.save_problem(again, tmp_path / "again.toml")
    assert second.read_text().replace("again", "everything") == path.read_text()


def test_in_lots_it_keeps_its_rules_and_its_bound(problem, plan):
    final = plan.round_lots(100, time_limit=2)
    found = final.rounding
    assert (np.mod(final.path.trades, 100) == 0).all()
    np.testing.assert_array_equal(final.path.trades.sum(axis=0), -problem.setting.remaining)
    assert dict(found.exceeded) == {}
    assert final.rules_broken == {}
    assert plan.objective - plan.certificate.tolerance <= found.bound <= found.objective
    assert found.price <= 1e-3 * plan.certificate.gap_scale


def test_its_replay_says_the_day_and_leaves_what_it_cannot_fill(plan, bars):
    said = str(plan.replay(bars))
    day = bars.sessions[-1]
    assert f"replayed, {day} 09:30 to {day} 16:00" in said
    assert "not in the fills: Alpha" in said
    assert "crosses filled at" in said

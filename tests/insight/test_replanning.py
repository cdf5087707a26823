"""Re-plans against problems declared afresh: on the rest alone, or on the whole grid with the past as equalities."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest
from builders import NAMES, PRICES, correlated

import acopt as ac
from acopt.insight.replanning import Replan, reoptimize
from acopt.insight.splitting import locate
from acopt.model.benchmarks import TWAP, VWAP, Close

OPTIMUM = 1e-7  # trades of a strictly convex problem, relative to X: the accuracy contract
MONEY = 1e-9  # sums of the same numbers in another order, and identities of money
LAMBDA = 2e-6
EVEN = ac.TimeGrid(np.linspace(0.0, 1.0, 9))
UNEVEN = ac.TimeGrid([0.0, 0.1, 0.15, 0.4, 0.5, 0.85, 0.9, 1.2])
DAY = ac.TimeGrid.session("2019-02-15", "30min")
WEEK = ac.TimeGrid.sessions("2019-02-14", "2019-02-15", "65min", overnight=0.4)
CROSSES = ac.TimeGrid.session("2019-02-15", "65min", auctions=True)
GRIDS = {"even": EVEN, "uneven": UNEVEN, "day": DAY, "days": WEEK, "crosses": CROSSES}
BASKET = {"A": 9_000.0, "B": -500.0, "C": 3_000.0}
SIDES = {"sells": {"A": 9_000.0, "C": 3_000.0}, "buys": {"A": -9_000.0, "B": -400.0}, "both": BASKET}
PRICE = pd.Series(PRICES)
SIGMA = pd.DataFrame(correlated(0.02 * PRICE), NAMES, NAMES)


def order_of(shares: dict[str, float]) -> ac.Order:
    series = pd.Series(shares)
    return ac.Order(series.clip(lower=0.0), (-series).clip(lower=0.0))


def market_on(grid: ac.TimeGrid, volume: np.ndarray | None = None, **changes: object) -> ac.Market:
    if volume is None:
        weight = np.maximum(np.asarray(grid.durations), 0.1)[:, None]
        volume = weight * np.random.default_rng(5).uniform(2e5, 6e5, (grid.periods, 3))
    facts = {"covariance": SIGMA, "spread": 4e-4 * PRICE, "impact": ac.LinearImpact(8.0, permanent_bps=0.5)}
    return ac.Market(grid, PRICE, volume=volume, **{**facts, **changes})


def money(gain: object = 0.002) -> ac.Objective:
    return ac.TemporaryImpact() + ac.PermanentImpact() + ac.SpreadCost() + ac.Alpha(pd.Series(gain, NAMES))


COSTS = {
    "impact": lambda _: ac.TemporaryImpact() + LAMBDA * ac.TimingRisk(),
    "permanent": lambda _: ac.TemporaryImpact() + ac.PermanentImpact() + LAMBDA * ac.TimingRisk(),
    "money": lambda _: money() + LAMBDA * ac.TimingRisk(),
    "smooth": lambda _: money() + LAMBDA * ac.TimingRisk() + ac.Smoothness(scale=0.1) + ac.Jerk(0.1),
    "vwap": lambda _: ac.TemporaryImpact() + LAMBDA * ac.TrackingRisk(VWAP()),
    "close": lambda _: ac.TemporaryImpact() + ac.SpreadCost() + LAMBDA * ac.TrackingRisk(Close()),
    "path": lambda grid: (
        ac.TemporaryImpact()
        + LAMBDA
        * ac.TrackingRisk(
            pd.DataFrame(np.linspace(1, 0, grid.periods + 1)[:, None] * [9e3, -400, 3e3], grid.edge_labels, NAMES)
        )
    ),
    "custom": lambda _: (
        ac.TemporaryImpact()
        + LAMBDA * ac.TimingRisk()
        + ac.CustomCost(lambda p: 1e-7 * cp.sum_squares(p.notional), kind="money", name="fee")
        + 1e-3 * ac.CustomCost(lambda p: cp.sum_squares(p.remaining[2:-1]), name="own")
    ),
}
RULES = {
    "none": lambda: [],
    "capped": lambda: [ac.Participation(0.03), ac.Monotone()],
    "neutral": lambda: [ac.Monotone(), ac.DollarNeutral(3e5)],
    "held": lambda: [ac.HoldingBounds(lower=-1e4, upper=1e4), ac.TradeSize(-6e3, 6e3)],
}


@cache
def plan_of(costs: str, rules: str = "none", side: str = "both", grid: str = "even") -> ac.Schedule:
    on = GRIDS[grid]
    return ac.ExecutionProblem(order_of(SIDES[side]), market_on(on), COSTS[costs](on), RULES[rules]()).solve()


def moved(one: ac.Schedule, trades: np.ndarray) -> float:
    """Largest difference of trades, relative to the largest order."""
    return float(np.abs(one.path.trades - trades).max() / one.setting.size)


def tail(plan: ac.Schedule, p: int, left: pd.Series, costs: ac.Objective, rules: list, **market: object) -> np.ndarray:
    """Trades of a problem declared from scratch for the rest alone, in which the day begins at the edge p."""
    grid = plan.setting.grid
    edges = np.asarray(grid.edges)[p:]
    on = ac.TimeGrid(edges, closed=grid.closed[p:])
    order = order_of(left.to_dict())
    volume = market.pop("volume", plan.setting.market.volumes[p:])
    return ac.ExecutionProblem(order, market_on(on, volume, **market), costs, rules).solve().path.trades


# ------------------------------------------------------------------------------------------------ time consistency


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("costs", COSTS)
def test_without_news_the_rest_does_not_move(costs: str, grid: str) -> None:
    plan = plan_of(costs, grid=grid)
    trades, before = plan.path.trades.copy(), plan.expected_cost
    for p in {0, 1, plan.setting.shape[0] // 2, plan.setting.shape[0] - 1}:
        at = plan.setting.grid.edge_labels[p]
        again = plan.reoptimize(at=at, executed=plan.trades.iloc[:p])
        assert moved(again, trades) <= OPTIMUM
        assert again.cost().loc["total", "currency"] == pytest.approx(before, rel=MONEY, abs=MONEY * again.gross * 1e-4)
        assert again.at == at
        assert again.setting.elapsed == p
    np.testing.assert_array_equal(plan.path.trades, trades)
    assert plan.setting.past is None


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("rules", RULES)
def test_without_news_the_rest_stays_under_rules(rules: str, side: str) -> None:
    plan = plan_of("money", "none" if rules == "neutral" and side != "both" else rules, side, "uneven")
    for p in (1, 4, 6):
        again = plan.reoptimize(at=float(plan.setting.grid.edges[p]), executed=plan.trades.iloc[:p])
        assert moved(again, plan.path.trades) <= OPTIMUM
        assert not again.rules_broken


def test_what_a_plan_would_have_done_so_far_can_be_told_as_shares_trades_or_fills() -> None:
    plan = plan_of("money", "capped", grid="day")
    done = plan.trades.loc[: pd.Timestamp("2019-02-15 11:00", tz="America/New_York")]
    fills = plan.to_frame()
    fills = fills[fills["start"] < pd.Timestamp("2019-02-15 11:30", tz="America/New_York")]
    for told in (done, done.sum(), done.sum().to_dict(), fills):
        assert moved(plan.reoptimize(at="11:30", executed=told), plan.path.trades) <= OPTIMUM


# ------------------------------------------------------------------------------------------- news, on an edge


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("fraction", [0.0, 0.5, 1.0, 1.5])
def test_after_other_fills_the_rest_is_that_of_a_new_problem(side: str, fraction: float) -> None:
    """Fraction 0: nothing was filled; 1.5: more than planned."""
    plan = plan_of("impact", "capped", side, "uneven")
    p = 3
    done = plan.trades.iloc[:p].sum() * fraction
    again = plan.reoptimize(at=0.4, executed=done)
    np.testing.assert_allclose(again.path.trades[:p].sum(axis=0), done, rtol=1e-12)
    left = pd.Series(again.setting.left, again.setting.assets)
    assets = list(left.index)
    fresh = ac.Market(
        ac.TimeGrid(UNEVEN.edges[p:]),
        PRICE[assets],
        volume=plan.setting.market.volumes[p:],
        covariance=SIGMA,
        spread=4e-4 * PRICE,
        impact=ac.LinearImpact(8.0, permanent_bps=0.5),
    )
    expected = ac.ExecutionProblem(order_of(left.to_dict()), fresh, COSTS["impact"](None), RULES["capped"]()).solve()
    assert np.abs(again.path.trades[p:] - expected.path.trades).max() <= OPTIMUM * plan.setting.size


def test_more_volume_makes_the_rest_that_of_a_market_with_more_volume() -> None:
    plan = plan_of("impact", "capped", grid="uneven")
    p, factor = 2, np.array([1.3, 0.8, 2.0])
    done = plan.trades.iloc[:p] * 0.8
    left = pd.Series(BASKET) + done.sum()
    volume = plan.setting.market.volumes[p:]
    for scale in (1.3, pd.Series(factor, NAMES)):
        again = plan.reoptimize(at=0.15, executed=done, volume_scale=scale)
        expected = tail(
            plan,
            p,
            left,
            COSTS["impact"](None),
            RULES["capped"](),
            volume=volume * (scale if np.ndim(scale) == 0 else factor),
        )
        assert np.abs(again.path.trades[p:] - expected).max() <= OPTIMUM * plan.setting.size
        np.testing.assert_array_equal(again.setting.market.volumes[:p], plan.setting.market.volumes[:p])


@pytest.mark.parametrize("whole", [True, False])
def test_a_new_market_replaces_what_is_expected_of_the_rest(whole: bool) -> None:
    plan = plan_of("money", "capped", grid="day")
    p, rng = 4, np.random.default_rng(8)
    volume = rng.uniform(1e5, 9e5, (13, 3))
    grid = DAY if whole else ac.TimeGrid.session("2019-02-15", "30min", start="11:30")
    labels = DAY.labels
    scale = pd.Series(rng.uniform(0.5, 2.0, 13), labels)
    eta = pd.DataFrame(rng.uniform(1e-5, 3e-5, (13, 3)), labels, NAMES)
    facts = {
        "covariance": ac.Covariance(SIGMA * 1.5, scale=scale if whole else scale.iloc[p:]),
        "impact": ac.ImpactCoefficients(eta if whole else eta.iloc[p:], gamma=PRICE * 1e-9),
        "spread": 8e-4 * PRICE,
    }
    drifted = PRICE * [1.01, 0.99, 1.0]
    news = ac.Market(grid, drifted, volume=volume if whole else volume[p:], **facts)
    done = plan.trades.iloc[:p] * 0.7
    again = plan.reoptimize(at="11:30", executed=done, market=news)
    on = ac.TimeGrid.session("2019-02-15", "30min", start="11:30")
    fresh = ac.Market(
        on, PRICE, volume=volume[p:], **{**facts, "impact": ac.ImpactCoefficients(eta.iloc[p:], gamma=PRICE * 1e-9)}
    )
    left = pd.Series(BASKET) + done.sum()
    expected = ac.ExecutionProblem(order_of(left.to_dict()), fresh, COSTS["money"](None), RULES["capped"]()).solve()
    assert np.abs(again.path.trades[p:] - expected.path.trades).max() <= OPTIMUM * plan.setting.size
    assert again.cost().loc["to go", "currency"] == pytest.approx(expected.expected_cost, rel=MONEY)
    np.testing.assert_array_equal(again.setting.market.spreads, facts["spread"])
    np.testing.assert_array_equal(again.setting.market.prices, PRICE)
    np.testing.assert_array_equal(again.setting.market.volumes[:p], plan.setting.market.volumes[:p])
    drift = float((left * (PRICE - drifted)).sum())
    assert again.cost().loc["drift", "currency"] == pytest.approx(drift, rel=MONEY)


def test_trades_where_no_volume_had_been_expected_are_priced_by_the_new_market() -> None:
    volume = np.full((4, 1), 1e5)
    volume[0] = 0.0
    grid = ac.TimeGrid.uniform(1.0, 4)
    market = ac.Market(grid, 50.0, volume=volume, covariance=1.0, impact=ac.LinearImpact(8.0))
    plan = ac.ExecutionProblem(ac.Order(4_000), market, COSTS["impact"](grid)).solve()
    done = pd.DataFrame([[-500.0]], [0.0], ["asset"])
    with pytest.raises(ac.DataError, match=r"500 shares of asset at 0\.0, where the market is closed or has no volume"):
        plan.reoptimize(at=0.25, executed=done)
    known = ac.Market(grid, 50.0, volume=np.full((4, 1), 2e5), covariance=1.0, impact=ac.LinearImpact(8.0))
    again = plan.reoptimize(at=0.25, executed=done, market=known)
    assert again.setting.market.volumes[:, 0].tolist() == [2e5] * 4
    assert again.path.trades[0, 0] == -500.0


# ---------------------------------------------------------------------------------------- news, off the edges


def rich(grid: ac.TimeGrid, market: ac.Market, data: dict) -> tuple[ac.Objective, list[ac.Constraint]]:
    """Costs and rules with data by interval of every kind."""
    costs = (
        ac.TemporaryImpact(data["eta"])
        + ac.PermanentImpact(PRICE * 1e-9)
        + ac.SpreadCost(data["half"])
        + ac.Alpha(data["alpha"])
        + LAMBDA * ac.TimingRisk()
        + 1e-6 * ac.TrackingRisk(data["path"], covariance=ac.Covariance(SIGMA, scale=data["scale"]))
    )
    rules = [
        ac.Participation(data["cap"]),
        ac.HoldingBounds(lower=-6e3, upper=data["held"]),
        ac.Monotone(),
        ac.NoTrade(during=(0.5, 0.85)),
    ]
    return costs, rules


def rich_data(labels: pd.Index, edges: pd.Index) -> dict:
    rng, n = np.random.default_rng(4), len(labels)
    frame = pd.DataFrame(rng.uniform(1e-5, 4e-5, (n, 3)), labels, NAMES)
    return {
        "eta": frame,
        "half": pd.DataFrame(rng.uniform(1e-3, 1e-2, (n, 3)), labels, NAMES),
        "alpha": rng.uniform(-0.1, 0.1, (n, 3)),
        "scale": pd.Series(rng.uniform(0.5, 2.0, n), labels),
        "path": pd.DataFrame(np.sort(rng.uniform(0, 1, (n + 1, 3)), axis=0)[::-1] * [9e3, -500, 3e3], edges, NAMES),
        "cap": rng.uniform(0.02, 0.06, n)[:, None],
        "held": dict(zip(labels, np.linspace(1e4, 8e3, n), strict=True)),
    }


def test_off_an_edge_it_is_the_problem_declared_on_the_split_grid_with_the_past_as_equalities() -> None:
    data, grid, k, at = rich_data(UNEVEN.labels, UNEVEN.edge_labels), UNEVEN, 2, 0.25
    market = market_on(grid, covariance=ac.Covariance(SIGMA, scale=data["scale"]))
    costs, rules = rich(grid, market, data)
    plan = ac.ExecutionProblem(order_of(BASKET), market, costs, rules).solve()
    done = pd.DataFrame([[-900.0, 60.0, -100.0], [0.0, 0.0, -200.0], [-2_000.0, 30.0, 0.0]], UNEVEN.labels[:3], NAMES)
    again = plan.reoptimize(at=at, executed=done)

    edges = np.insert(UNEVEN.edges, k + 1, at)
    split, share = ac.TimeGrid(edges), (at - 0.15) / (0.4 - 0.15)
    twice = np.insert(np.arange(7), k, k)
    volume = market.volumes[twice]
    volume[k] *= share
    volume[k + 1] *= 1 - share
    by_hand = {key: data[key].iloc[twice].set_axis(edges[:-1]) for key in ("eta", "half", "scale")}
    by_hand |= {"alpha": data["alpha"][twice], "cap": data["cap"][twice]}
    by_hand["held"] = pd.Series(np.array(list(data["held"].values()))[twice], edges[:-1])
    path = data["path"].to_numpy()
    by_hand["path"] = pd.DataFrame(
        np.insert(path, k + 1, (1 - share) * path[k] + share * path[k + 1], axis=0), edges, NAMES
    )
    fresh = market_on(split, volume, covariance=ac.Covariance(SIGMA, scale=by_hand["scale"]))
    costs, rules = rich(split, fresh, by_hand)
    after = [rule.changed(during=(at, None)) if rule.during is None else rule for rule in rules]
    pin = pd.DataFrame(np.vstack([done, np.full((5, 3), np.inf)]), edges[:-1], NAMES)
    pins = ac.TradeSize(lower=pin.replace(np.inf, -np.inf), upper=pin)
    expected = ac.ExecutionProblem(order_of(BASKET), fresh, costs, [*after, pins]).solve()
    assert moved(again, expected.path.trades) <= OPTIMUM
    assert again.objective == pytest.approx(expected.objective, rel=MONEY)
    assert again.expected_cost == pytest.approx(expected.expected_cost, rel=MONEY)
    assert again.variance == pytest.approx(expected.variance, rel=MONEY)
    assert again.at == at
    assert again.setting.shape == (8, 3)


@pytest.mark.parametrize("side", SIDES)
def test_off_an_edge_the_rest_is_that_of_a_new_day_from_there(side: str) -> None:
    """Separable costs; permanent impact is what the past leaves behind, equal on all of the rest."""
    plan = plan_of("permanent", "capped", side, "day")
    assets = plan.setting.assets
    done = plan.trades.iloc[:4].sum() * 0.6
    again = plan.reoptimize(at="11:37", executed=done)
    assert again.at == pd.Timestamp("2019-02-15 11:37", tz="America/New_York")
    stamps = again.setting.grid.timestamps[5:]
    on = ac.TimeGrid.from_timestamps(stamps)
    fresh = ac.Market(
        on,
        PRICE[assets],
        volume=np.vstack([plan.setting.market.volumes[4:5] * 23 / 30, plan.setting.market.volumes[5:]]),
        covariance=SIGMA,
        impact=ac.ImpactCoefficients(
            pd.DataFrame(again.pricing.terms[0].cost.coefficient(plan.setting)[4:], on.labels, assets),
            gamma=pd.Series(np.diag(plan.pricing.terms[1].cost.matrix(plan.setting)), assets),
        ),
    )
    left = pd.Series(again.setting.left, assets)
    expected = ac.ExecutionProblem(order_of(left.to_dict()), fresh, COSTS["permanent"](on), RULES["capped"]()).solve()
    assert np.abs(again.path.trades[5:] - expected.path.trades).max() <= OPTIMUM * plan.setting.size
    assert again.cost().loc["to go", "currency"] == pytest.approx(expected.expected_cost, rel=MONEY)


def test_off_an_edge_with_new_expectations() -> None:
    """Volume scaled, and a market on the whole old grid, give what a market on the rest of the split grid gives."""
    plan = plan_of("impact", "capped", grid="day")
    done = plan.trades.iloc[:4].sum() * 0.6
    by_factor = plan.reoptimize(at="11:37", executed=done, volume_scale=1.3)
    more = market_on(DAY, plan.setting.market.volumes * 1.3)
    by_market = plan.reoptimize(at="11:37", executed=done, market=more)
    rest = ac.TimeGrid.from_timestamps(by_factor.setting.grid.timestamps[5:])
    by_rest = plan.reoptimize(at="11:37", executed=done, market=market_on(rest, by_factor.setting.market.volumes[5:]))
    later = by_factor.reoptimize(at="13:10", executed=by_factor.trades.loc[:"2019-02-15 13:00"].sum(), market=more)
    np.testing.assert_allclose(later.setting.market.volumes.sum(axis=0), by_factor.setting.market.volumes.sum(axis=0))
    assert later.setting.shape == (15, 3)
    eta = pd.DataFrame(np.random.default_rng(6).uniform(1e-5, 3e-5, (13, 3)), DAY.labels, NAMES)
    told = market_on(DAY, plan.setting.market.volumes, impact=ac.ImpactCoefficients(eta))
    later = by_factor.reoptimize(at="13:00", executed=by_factor.trades.loc[:"2019-02-15 12:30"], market=told)
    np.testing.assert_array_equal(later.pricing.terms[0].cost.coefficient(later.setting)[8:], eta.iloc[7:])
    for again in (by_market, by_rest):
        np.testing.assert_allclose(again.setting.market.volumes, by_factor.setting.market.volumes, rtol=1e-14)
        assert moved(again, by_factor.path.trades) <= OPTIMUM


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_bound_on_a_trade_holds_for_the_whole_interval(sign: float) -> None:
    """What was executed in the first part counts; what broke the bound is not traded back."""
    grid = ac.TimeGrid.uniform(1.0, 4)
    market = ac.Market(grid, 50.0, covariance=1.0)
    costs = ac.TemporaryImpact(1e-6) + 1e-3 * ac.TimingRisk()
    rule = ac.TradeSize(-1_500.0, 1_500.0)
    plan = ac.ExecutionProblem(ac.Order(4_000 * sign), market, costs, [rule]).solve()
    for done, room in ((1_000.0, 500.0), (1_500.0, 0.0), (2_000.0, 0.0), (-300.0, 1_800.0)):
        again = plan.reoptimize(at=0.1, executed=-sign * done)
        assert again.path.trades[1, 0] == pytest.approx(-sign * room, abs=1e-9)
    demand = ac.TradeSize(*sorted((-sign * 800.0, -sign * 1_500.0)))
    plan = ac.ExecutionProblem(ac.Order(4_000 * sign), market, ac.TemporaryImpact(1e-6), [demand]).solve()
    again = plan.reoptimize(at=0.1, executed=0.0)
    bounds = again.pricing.constraints[0].trade_bounds(again.setting)
    assert sorted(-sign * b[1, 0] for b in bounds) == [800.0, 1_500.0]
    bounds = plan.reoptimize(at=0.1, executed=-sign * 900.0).pricing.constraints[0].trade_bounds(again.setting)
    assert sorted(-sign * b[1, 0] for b in bounds) == pytest.approx([-100.0, 600.0])


def test_a_split_market_may_hold_more_assets_than_the_order() -> None:
    market = ac.Market(EVEN, PRICE, volume=1e5, covariance=SIGMA.to_numpy(), impact=ac.LinearImpact(8.0))
    plan = ac.ExecutionProblem(order_of({"C": 4e3, "A": -2e3}), market, COSTS["impact"](EVEN)).solve()
    again = plan.reoptimize(at=0.3, executed={"A": 500.0, "C": -900.0}, market=market)
    later = again.reoptimize(at=0.35, executed=again.trades.iloc[:4])
    assert later.setting.shape == (10, 2)
    at_hand = np.diag(SIGMA.to_numpy())[[2, 0]]
    probe = np.zeros((10, 2))
    probe[3] = [1.0, 0.0]
    probe[4] = [0.0, 1.0]
    np.testing.assert_allclose(later.setting.market.risk.apply(probe)[[3, 4], [0, 1]], at_hand, rtol=1e-14)


# ------------------------------------------------------------------------------------------- orders that change


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_an_over_filled_order_is_traded_back_and_monotone_follows_what_is_left(sign: float) -> None:
    grid = ac.TimeGrid.uniform(1.0, 6)
    market = ac.Market(grid, 50.0, volume=2e5, covariance=1.0, impact=ac.LinearImpact(8.0), spread=0.02)
    costs = ac.TemporaryImpact() + ac.SpreadCost() + LAMBDA * ac.TimingRisk()
    plan = ac.ExecutionProblem(ac.Order(9_000 * sign), market, costs, [ac.Participation(0.05), ac.Monotone()]).solve()
    again = plan.reoptimize(at=0.5, executed=-sign * 10_000)
    rest = again.path.trades[3:, 0]
    assert rest.sum() == pytest.approx(sign * 1_000)
    assert (sign * rest >= 0).all()
    assert not again.rules_broken


def test_an_asset_that_is_done_early_is_left_alone() -> None:
    plan = plan_of("money", "capped", grid="uneven")
    done = plan.trades.iloc[:3].sum()
    done["A"] = -BASKET["A"]
    again = plan.reoptimize(at=0.4, executed=done)
    assert (again.path.trades[3:, 0] == 0).all()
    assert again.path.remaining[-1].tolist() == [0.0, 0.0, 0.0]
    finished = again.reoptimize(at=0.5, executed=-pd.Series(BASKET))
    assert not finished.path.trades[4:].any()
    assert finished.cost().loc["to go", "currency"] == 0.0


def test_a_sum_of_fills_that_is_the_order_up_to_rounding_is_the_order() -> None:
    """What a sum leaves behind has no direction, in which a floor on participation would ask for trades."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        whole = 9_000 + rng.integers(0, 1_000) / 7
        market = ac.Market(UNEVEN, 50.0, volume=2e5, covariance=1.0, impact=ac.LinearImpact(8.0))
        rules = [ac.Participation(0.05, minimum=0.001), ac.Monotone()]
        plan = ac.ExecutionProblem(ac.Order(whole), market, COSTS["impact"](UNEVEN), rules).solve()
        done = pd.DataFrame(-whole * rng.dirichlet(np.ones(3))[:, None], UNEVEN.labels[:3], ["asset"])
        again = plan.reoptimize(at=0.4, executed=done)
        assert not again.path.trades[3:].any()
        assert again.path.remaining[-1, 0] == 0.0


@pytest.mark.parametrize("total", [14_000.0, 5_000.0, 3_000.0, 0.0, -2_000.0])
def test_a_changed_parent_leaves_the_new_total_less_what_was_done(total: float) -> None:
    plan = plan_of("impact", "none", "both", "uneven")
    p, done = 3, pd.Series({"A": -3_000.0, "B": 100.0, "C": -900.0})
    new = order_of({"C": 3_000.0, "B": -500.0, "A": total})
    again = plan.reoptimize(at=0.4, executed=done, order=new)
    left = pd.Series({"A": total - 3_000.0, "B": -400.0, "C": 2_100.0})
    expected = tail(plan, p, left, COSTS["impact"](None), [])
    assert np.abs(again.path.trades[p:] - expected).max() <= OPTIMUM * plan.setting.size
    assert again.gross == plan.setting.gross
    off = plan.reoptimize(at=0.45, executed=done, order=new)
    assert off.path.trades.sum(axis=0) == pytest.approx([-total, 500.0, -3_000.0])


def test_other_assets_need_a_new_problem() -> None:
    plan = plan_of("impact")
    with pytest.raises(ac.ModelError, match=r"order: D is new.*need a new ExecutionProblem"):
        plan.reoptimize(at=0.5, executed=0.0, order=order_of({**BASKET, "D": 1.0}))
    with pytest.raises(ac.ModelError, match=r"order: C is missing.*need a new ExecutionProblem"):
        plan.reoptimize(at=0.5, executed=0.0, order=order_of({"A": 1.0, "B": 1.0}))
    with pytest.raises(ac.DataError, match="an Order is expected"):
        plan.reoptimize(at=0.5, executed=0.0, order={"A": 1.0})


def test_a_hedge_leg_ends_flat_from_wherever_it_is() -> None:
    order = order_of({"A": 9_000.0, "C": 3_000.0}) + ac.Order.hedge(["B"])
    plan = ac.ExecutionProblem(
        order, market_on(EVEN), COSTS["impact"](EVEN), [ac.Monotone(), ac.DollarNeutral(5e4)]
    ).solve()
    again = plan.reoptimize(at=0.5, executed=plan.trades.iloc[:4].sum() * [0.9, 1.0, 0.9])
    assert again.path.remaining[-1].tolist() == [0.0, 0.0, 0.0]
    assert not again.rules_broken
    assert (again.path.trades[4:, 1] > 0).any() or (again.path.trades[4:, 1] < 0).any()


# --------------------------------------------------------------------------------------------------- rules, errors


def test_a_rule_that_the_past_broke_does_not_bind_the_past() -> None:
    rules = [ac.Participation(0.02), ac.HoldingBounds(lower=-600.0, upper=9e3), ac.NoTrade(during=(0.0, 0.1))]
    plan = ac.ExecutionProblem(order_of(BASKET), market_on(UNEVEN), money() + LAMBDA * ac.TimingRisk(), rules).solve()
    done = pd.DataFrame([[-8_000.0, -700.0, 900.0], [0.0, 900.0, -900.0]], UNEVEN.labels[:2], NAMES)
    again = plan.reoptimize(at=0.15, executed=done)
    assert not again.rules_broken
    np.testing.assert_array_equal(again.path.trades[:2], done)


def test_what_cannot_be_finished_any_more_names_the_rule() -> None:
    plan = plan_of("impact", "capped")
    said = r"A: done 0 and caps of .* to come make .* of 9,000 shares .*Participation"
    with pytest.raises(ac.InfeasibleError, match=said):
        plan.reoptimize(at=0.875, executed={"A": 0.0, "B": 400.0, "C": -3_000.0})
    with pytest.raises(ac.InfeasibleError, match=said):
        plan.reoptimize(at=0.9, executed={"A": 0.0, "B": 400.0, "C": -3_000.0})


def test_a_risk_without_weight_raises_as_solve_does() -> None:
    problem = ac.ExecutionProblem(order_of(BASKET), market_on(EVEN), ac.TemporaryImpact() + ac.TimingRisk())
    twap = ac.twap(problem)
    with pytest.raises(ac.ModelError, match="TimingRisk has no weight"):
        twap.reoptimize(at=0.5, executed=twap.trades.iloc[:4])


def test_the_weight_that_a_dial_found_is_kept() -> None:
    problem = ac.ExecutionProblem(order_of(BASKET), market_on(EVEN), ac.TemporaryImpact() + ac.TimingRisk())
    plan = problem.solve_for(risk_price=0.5)
    again = plan.reoptimize(at=0.5, executed=plan.trades.iloc[:4])
    assert moved(again, plan.path.trades) <= OPTIMUM
    assert again.urgency.risk_aversion == plan.urgency.risk_aversion


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (1.0, "is the end of the grid"),
        (1.5, "outside the grid"),
        ("11:30", "no clock"),
        ("soon", "is not a time"),
        (True, "is not a time"),
        (float("nan"), "outside the grid"),
    ],
)
def test_a_time_that_will_not_do(at: object, said: str) -> None:
    with pytest.raises(ac.DataError, match=said):
        plan_of("impact").reoptimize(at=at, executed=0.0)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"volume_scale": 0.0}, "volume_scale is 0 for A; a number > 0 is expected"),
        ({"volume_scale": pd.Series({"A": 1.0, "B": 1.0})}, "volume_scale: no value for asset C"),
        ({"market": 3.0}, "market: float was given, a Market is expected"),
        (
            {"market": market_on(UNEVEN)},
            r"market: its grid is TimeGrid.*; accepted are the plan's grid and one of its 4 intervals from 0\.5",
        ),
        (
            {"market": market_on(ac.TimeGrid([0.0, 0.2, 0.4]))},
            r"market: its grid has no time 0\.5; accepted are the plan's grid",
        ),
        ({"market": ac.Market(EVEN, PRICE, covariance=SIGMA)}, "it has no volume, the plan's has a volume"),
        ({"market": ac.Market(EVEN, PRICE[:2], volume=1e5)}, "the market has no asset C"),
    ],
)
def test_expectations_that_will_not_do(given: dict, said: str) -> None:
    with pytest.raises(ac.DataError, match=said):
        plan_of("impact").reoptimize(at=0.5, executed=0.0, **given)


def test_a_night_of_another_length_is_another_grid() -> None:
    plan = plan_of("impact", grid="days")
    other = ac.TimeGrid.sessions("2019-02-14", "2019-02-15", "65min", overnight=0.6)
    with pytest.raises(ac.DataError, match=r"accepted are the plan's grid and one of its 12 intervals from 2019-02-14"):
        plan.reoptimize(at="2019-02-14 10:35", executed=plan.trades.iloc[:1], market=market_on(other))


def test_a_factor_on_volume_needs_volume() -> None:
    market = ac.Market(EVEN, 50.0, covariance=1.0)
    plan = ac.ExecutionProblem(ac.Order(1e3), market, ac.TemporaryImpact(1e-6)).solve()
    with pytest.raises(ac.ModelError, match="volume_scale: the market has no volume to scale"):
        plan.reoptimize(at=0.5, executed=0.0, volume_scale=1.3)


def test_inside_an_auction_is_no_time_and_inside_a_night_nothing_has_passed() -> None:
    with pytest.raises(ac.DataError, match="is inside the auction"):
        locate(CROSSES, "2019-02-15 16:00:00.5")
    assert locate(CROSSES, "09:30") == (1, 0.0)
    assert locate(CROSSES, 0.0) == (1, 0.0)
    assert locate(WEEK, "2019-02-14 20:00") == (6, 0.0)
    assert locate(WEEK, "2019-02-15 09:30") == (7, 0.0)
    assert locate(WEEK, "2019-02-15 11:07:30") == (8, 0.5)
    assert locate(WEEK, "7.5h") == (7, pytest.approx(60 / 65))
    assert locate(DAY, "1h45min") == (3, pytest.approx(0.5))
    assert locate(DAY, pd.Timestamp("2019-02-15 16:15", tz="UTC")) == (3, 0.5)
    plan = plan_of("impact", grid="days")
    at_night = plan.reoptimize(at="2019-02-14 20:00", executed=plan.trades.iloc[:6])
    assert moved(at_night, plan.path.trades) <= OPTIMUM


def robustly(costs: ac.Cost, rules: list[ac.Constraint], **scales: float) -> tuple[ac.Schedule, ac.Schedule]:
    """Re-plan off an edge, in a problem of two markets; and the same declared on the split grid."""
    split = ac.TimeGrid(np.sort(np.append(EVEN.edges, 0.3)))
    plans = []
    for grid in (EVEN, split):
        volume = np.repeat(4e5, 3) * np.asarray(grid.durations)[:, None]
        scenarios = {"calm": market_on(grid, volume), "other": ac.what_if(market_on(grid, volume), **scales)}
        rule = ac.UnderMarket(ac.Participation(0.1), scenarios["other"])
        worst = ac.WorstCase(costs + LAMBDA * ac.TimingRisk(), scenarios)
        plans.append(ac.ExecutionProblem(order_of(BASKET), scenarios["calm"], worst, [rule, *rules]))
    done = {"A": -3_000.0, "B": 100.0, "C": -900.0}
    morning = plans[0].solve()
    again = morning.reoptimize(at=0.3, executed=done)
    return again, plans[1].with_history(again.path.trades[:3]).solve()


@pytest.mark.parametrize("scales", [{"volume": 0.7}, {"impact": 1.5}, {"volatility": 2.0, "spread": 0.5}])
def test_several_markets_are_split_off_an_edge(scales: dict[str, float]) -> None:
    again, fresh = robustly(ac.TemporaryImpact() + ac.SpreadCost(), [ac.Monotone()], **scales)
    assert again.objective == pytest.approx(fresh.objective, rel=1e-6)
    np.testing.assert_allclose(again.path.trades, fresh.path.trades, atol=1e-4 * 9e3)


def test_a_matrix_between_as_many_assets_as_intervals_is_not_split() -> None:
    grid = ac.TimeGrid(np.linspace(0.0, 1.0, 4))
    strength = 1e-7 * correlated([1.0, 3.0, 2.0])
    costs = ac.TransientImpact(ac.ExponentialDecay(half_life=0.2), strength) + LAMBDA * ac.TimingRisk()
    plan = ac.ExecutionProblem(order_of(BASKET), market_on(grid), costs).solve()
    again = plan.reoptimize(at=0.5, executed={"A": -3_000.0, "B": 0.0, "C": 0.0})
    assert again.certificate.violation <= 1e-9
    np.testing.assert_allclose(again.path.trades.sum(axis=0), -again.setting.remaining)


@pytest.mark.parametrize("factor", [0.5, 3.0])
def test_coefficients_that_are_scaled_are_those_of_the_new_market(factor: float) -> None:
    eta = pd.DataFrame(np.outer(1 + np.arange(8.0), [1e-6, 2e-5, 4e-6]), EVEN.labels, NAMES)
    gamma = pd.DataFrame(np.diag([1e-8, 2e-7, 3e-8]), NAMES, NAMES)
    plain, scaled = (ac.ImpactCoefficients(f * eta, f * gamma) for f in (1.0, factor))
    costs = ac.TemporaryImpact() + ac.PermanentImpact() + LAMBDA * ac.TimingRisk()
    plan = ac.ExecutionProblem(order_of(BASKET), market_on(EVEN, impact=plain), costs).solve()
    done = {"A": -3_000.0, "B": 0.0, "C": 0.0}
    for at in (0.25, 0.3):
        news = ac.what_if(market_on(EVEN, impact=plain), impact=factor), market_on(EVEN, impact=scaled)
        one, other = (plan.reoptimize(at=at, executed=done, market=each) for each in news)
        np.testing.assert_allclose(one.path.trades, other.path.trades, atol=1e-7 * 9e3)


@pytest.mark.parametrize("at", ["2025-11-02 01:30", "2025-03-09 02:30"])
def test_a_time_that_the_clock_shows_twice_or_never_is_refused(at: str) -> None:
    grid = ac.TimeGrid.session("2025-10-31", "1h30min", start="10:00", end="16:00")
    on = ac.Market(grid, {"A": 20.0}, volume=1e5, impact=ac.LinearImpact(5.0))
    plan = ac.ExecutionProblem(ac.Order.sell({"A": 1e4}), on, ac.TemporaryImpact()).solve()
    with pytest.raises(ac.DataError, match=at):
        plan.reoptimize(at=at, executed={"A": -1e3})
    fills = pd.DataFrame([(at, "A", "sell", 5.0)], columns=["time", "symbol", "side", "quantity"])
    with pytest.raises(ac.DataError, match=at):
        plan.reoptimize(at="11:30", executed=fills)


def test_crosses_are_re_planned_around() -> None:
    plan = plan_of("impact", "capped", grid="crosses")
    done = plan.trades.iloc[:3].sum() * 0.5
    for at in ("11:40", "11:50"):
        again = plan.reoptimize(at=at, executed=done)
        assert again.setting.grid.auctions.sum() == 2
        assert again.path.remaining[-1].tolist() == [0.0, 0.0, 0.0]
        assert not again.rules_broken


# ------------------------------------------------------------------------------------------------------ money


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_money_by_hand(sign: float) -> None:
    """Two of four intervals done; every line from its formula."""
    eta, gamma, half = 2e-5, 1e-6, 0.01
    grid = ac.TimeGrid.uniform(1.0, 4)
    costs = ac.TemporaryImpact(eta) + ac.PermanentImpact(gamma) + ac.SpreadCost(half)
    plan = ac.ExecutionProblem(ac.Order(4_000 * sign), ac.Market(grid, 50.0), costs).solve()
    again = plan.reoptimize(at=0.5, executed=pd.DataFrame([[-1_500.0 * sign], [-500.0 * sign]], [0.0, 0.25], ["asset"]))
    u = again.path.trades[2:, 0]
    np.testing.assert_allclose(u, [-1_000 * sign, -1_000 * sign], rtol=1e-9)
    realised = 4 * eta * (1_500**2 + 500**2) + half * 2_000 + gamma * 1_500 * 500
    drift = gamma * 2_000 * 2_000
    to_go = 4 * eta * 2 * 1_000**2 + half * 2_000 + gamma * 1_000 * 1_000
    found = again.cost()
    assert found.index.tolist() == ["realised", "drift", "to go", "total"]
    assert found["currency"].tolist() == pytest.approx([realised, drift, to_go, realised + drift + to_go], rel=MONEY)
    assert found["bps"].tolist() == pytest.approx((found["currency"] / 200_000 * 1e4).tolist(), rel=MONEY)
    # the price, pushed by what was done, falls for a seller and rises for a buyer: the same drift from a price
    now = ac.Market(grid, 50.0 - gamma * 2_000 * sign)
    again = plan.reoptimize(at=0.5, executed=-2_000.0 * sign, market=now)
    assert again.cost().loc["drift", "currency"] == pytest.approx(drift, rel=1e-6)


def test_prices_of_fills_are_what_was_paid() -> None:
    plan = plan_of("money", grid="day")
    at = "2019-02-15 10:10"
    rows = [(at, "A", "sell", 1_000, 19.9), (at, "B", "buy", 50, 401.0), (at, "A", "sell", 500, 20.1)]
    fills = pd.DataFrame(rows, columns=["time", "symbol", "side", "quantity", "price"])
    again = plan.reoptimize(at="11:30", executed=fills)
    assert again.cost().loc["realised", "currency"] == pytest.approx(1_000 * 0.1 + 50 * 1.0 - 500 * 0.1)
    unpriced = plan.reoptimize(at="11:30", executed=fills.drop(columns="price"))
    assert moved(unpriced, again.path.trades) == 0.0
    assert unpriced.cost().loc["total", "currency"] == pytest.approx(unpriced.expected_cost, rel=MONEY)


@pytest.mark.parametrize(("costs", "at"), [("money", 0.3), ("custom", 0.15), ("smooth", 0.3)])
def test_money_adds_up_off_an_edge_and_with_new_volumes(costs: str, at: float) -> None:
    plan = plan_of(costs, grid="uneven")
    again = plan.reoptimize(at=at, executed=plan.trades.iloc[:2].sum(), volume_scale=1.2)
    assert again.cost().loc["total", "currency"] == pytest.approx(again.expected_cost, rel=MONEY)


def test_money_of_a_users_own_is_what_it_is_when_nothing_more_is_traded() -> None:
    plan = plan_of("custom", grid="uneven")
    again = plan.reoptimize(at=0.4, executed=plan.trades.iloc[:3])
    u, tau = plan.path.trades[:3], np.diff(UNEVEN.edges)[:3, None]
    eta = plan.pricing.terms[0].cost.coefficient(plan.setting)[:3]
    by_hand = float((eta * u**2 / tau).sum() + 1e-7 * ((u * PRICE.to_numpy()) ** 2).sum())
    assert again.cost().loc["realised", "currency"] == pytest.approx(by_hand, rel=MONEY)
    assert again.cost().loc["drift", "currency"] == 0.0


def test_money_adds_up_when_part_of_the_order_may_stay() -> None:
    rules = [ac.AllowUnfilled(20.0), ac.Participation(0.005)]
    plan = ac.ExecutionProblem(order_of(BASKET), market_on(EVEN), money() + LAMBDA * ac.TimingRisk(), rules).solve()
    assert np.abs(plan.path.remaining[-1]).max() > 100
    again = plan.reoptimize(at=0.5, executed=plan.trades.iloc[:4])
    assert moved(again, plan.path.trades) <= OPTIMUM
    assert again.cost().loc["total", "currency"] == pytest.approx(plan.expected_cost, rel=MONEY)


def test_a_zero_order_has_no_bps() -> None:
    plan = ac.ExecutionProblem(ac.Order(0.0), ac.Market(EVEN, 50.0), ac.TemporaryImpact(1e-6)).solve()
    again = plan.reoptimize(at=0.5, executed=100.0)
    assert again.path.trades[4:].sum() == pytest.approx(-100.0)
    assert again.cost()["bps"].isna().all()


# -------------------------------------------------------------------------------------------------- again and again


def test_a_re_plan_can_be_re_planned_updated_and_priced() -> None:
    plan = plan_of("money", "capped", grid="day")
    first = plan.reoptimize(at="11:37", executed=plan.trades.iloc[:4].sum() * 0.8, volume_scale=1.3)
    assert isinstance(first, Replan)
    for at, p in (("13:00", 8), ("11:37", 5)):
        second = first.reoptimize(at=at, executed=first.trades.iloc[:p])
        assert moved(second, first.path.trades) <= OPTIMUM
        assert second.gross == plan.setting.gross
        assert second.cost().loc["total", "currency"] == pytest.approx(first.expected_cost, rel=MONEY)
    cut = first.reoptimize(at="11:45", executed=first.trades.iloc[:5].sum())
    assert cut.setting.shape == (15, 3)
    assert cut.setting.market.volumes.sum(axis=0) == pytest.approx(first.setting.market.volumes.sum(axis=0))
    problem = first.problem.copy()
    more = problem.update(constraints={"Participation": {"maximum": 0.5}}).solve()
    np.testing.assert_array_equal(more.path.trades[:5], first.path.trades[:5])
    assert problem.evaluate(more).objective == pytest.approx(more.objective, rel=MONEY)
    assert "re-plan" in repr(first)
    assert first.summary()


def test_the_order_of_calls_does_not_matter_and_nothing_is_changed() -> None:
    problem = ac.ExecutionProblem(order_of(BASKET), market_on(DAY), COSTS["money"](DAY), RULES["capped"]())
    plan = problem.solve()
    before = plan.path.trades.copy()
    calls = [
        {"at": "11:30", "executed": plan.trades.iloc[:4] * 0.8},
        {"at": "11:37", "executed": plan.trades.iloc[:5].sum() * 0.5, "volume_scale": 1.3},
        {
            "at": "14:00",
            "executed": plan.trades.iloc[:9],
            "market": market_on(DAY, PRICE.to_numpy() * np.ones((13, 1)) * 1e4),
        },
        {"at": "10:00", "executed": -pd.Series(BASKET), "order": order_of({"A": -1e3, "B": 1e3, "C": 10.0})},
    ]
    forward = [reoptimize(plan, **call).path.trades for call in calls]
    backward = [reoptimize(plan, **call).path.trades for call in reversed(calls)][::-1]
    for one, other in zip(forward, backward, strict=True):
        assert np.abs(one - other).max() <= OPTIMUM * plan.setting.size
    np.testing.assert_array_equal(plan.path.trades, before)
    assert np.abs(problem.solve().path.trades - before).max() <= OPTIMUM * plan.setting.size
    assert problem.setting.past is None


@pytest.mark.parametrize("shares", [1e2, 1e5, 1e9])
def test_one_asset_of_any_size(shares: float) -> None:
    market = ac.Market(EVEN, 50.0, volume=shares * 3, covariance=1.0, impact=ac.LinearImpact(8.0, permanent_bps=0.1))
    costs = ac.TemporaryImpact() + ac.PermanentImpact() + 2 / shares * ac.TimingRisk()
    plan = ac.ExecutionProblem(ac.Order(shares), market, costs, [ac.Monotone()]).solve()
    again = plan.reoptimize(at=0.375, executed=float(plan.path.trades[:3].sum()))
    assert moved(again, plan.path.trades) <= OPTIMUM
    off = plan.reoptimize(at=0.4, executed=float(plan.path.trades[:3].sum()))
    assert off.path.remaining[-1, 0] == 0.0


def test_a_grid_of_one_interval_can_be_split() -> None:
    grid = ac.TimeGrid([0.0, 0.5])
    plan = ac.ExecutionProblem(ac.Order(1_000), ac.Market(grid, 50.0), ac.TemporaryImpact(1e-6)).solve()
    again = plan.reoptimize(at=0.2, executed=-300.0)
    assert again.path.trades[:, 0].tolist() == pytest.approx([-300.0, -700.0])
    assert again.expected_cost == pytest.approx(1e-6 * (300**2 / 0.2 + 700**2 / 0.3))


def test_benchmarks_with_windows_follow_the_split_grid() -> None:
    costs = ac.TemporaryImpact() + LAMBDA * ac.TrackingRisk(TWAP("10:00", "14:00"))
    plan = ac.ExecutionProblem(order_of(BASKET), market_on(DAY), costs).solve()
    again = plan.reoptimize(at="11:37", executed=plan.trades.iloc[:4].sum())
    path = again.pricing.terms[1].cost.path(again.setting)
    whole = plan.pricing.terms[1].cost.path(plan.setting)
    np.testing.assert_allclose(np.delete(path, 4, axis=0), whole, atol=1e-9)
    np.testing.assert_allclose(path[4], whole[3] + (whole[4] - whole[3]) * 7 / 30, rtol=1e-12)


# ---------------------------------------------------------------- what a re-plan must not do


@pytest.mark.parametrize(
    "own",
    [
        ac.CustomConstraint(lambda p: p.trades[3] == 0, name="mine"),
        ac.CustomCost(lambda p: 1e-9 * cp.sum_squares(p.trades[3]), name="mine"),
    ],
)
def test_functions_of_the_grid_are_not_moved_to_another_one(own: ac.CustomConstraint | ac.CustomCost) -> None:
    market = ac.Market(ac.TimeGrid([0, 0.25, 0.5, 0.75, 1.0]), 50.0, covariance=0.25)
    costs, rules = ac.TemporaryImpact(1e-4) + 1e-3 * ac.TimingRisk(), [own] if isinstance(own, ac.Constraint) else []
    costs = costs if rules else costs + own
    plan = ac.ExecutionProblem(ac.Order(1000.0), market, costs, rules).solve()
    with pytest.raises(ac.ModelError, match=r"at=0\.3 is off the grid's edges, and mine .*re-plan at 0\.25 or 0\.5"):
        plan.reoptimize(at=0.3, executed=-400.0)
    on_edge = plan.reoptimize(at=0.25, executed=-400.0)
    assert on_edge.path.trades[0, 0] == -400.0


def test_a_function_that_the_past_has_broken_is_named() -> None:
    grid = ac.TimeGrid.session("2019-02-15", "30min")
    market = ac.Market(grid, pd.Series({"JPM": 100.0, "BAC": 30.0}), volume=1e6, impact=ac.LinearImpact(10.0))
    pair = ac.CustomConstraint(lambda p: p.done("JPM") <= p.done("BAC") + 0.1, name="pair")
    order = ac.Order.sell({"JPM": 20_000, "BAC": 60_000})
    plan = ac.ExecutionProblem(order, market, ac.TemporaryImpact(), [pair]).solve()
    with pytest.raises(ac.InfeasibleError, match="pair") as caught:
        plan.reoptimize(at="11:30", executed={"JPM": -15_000, "BAC": -15_000})
    assert any(note.startswith("pair: a function of the paths is not cut") for note in caught.value.__notes__)
    executed = {"JPM": -15_000, "BAC": -15_000}
    later = plan.problem.without("pair").evaluate(plan).reoptimize(at="11:30", executed=executed)
    assert later.path.trades[4:].sum(axis=0) == pytest.approx([-5_000.0, -45_000.0], rel=1e-12)


def halfway() -> ac.Schedule:
    market = ac.Market(ac.TimeGrid.uniform(1.0, 6), 50.0, covariance=0.25, volume=1e4)
    plan = ac.ExecutionProblem(ac.Order(1000.0), market, ac.TemporaryImpact(1e-4) + 1e-3 * ac.TimingRisk()).solve()
    return plan.reoptimize(at=0.5, executed=-100.0)


def test_a_re_plan_is_not_held_against_the_closed_form_of_the_morning() -> None:
    assert "closed form" not in halfway().summary()


@pytest.mark.parametrize("strategy", [ac.twap, ac.vwap, ac.immediate, ac.pov(0.05)])
def test_benchmark_schedules_go_on_from_the_history(strategy: Callable[[ac.ExecutionProblem], ac.Schedule]) -> None:
    later = halfway()
    other = strategy(later.problem)
    np.testing.assert_array_equal(other.path.trades[:3], later.path.trades[:3])
    assert other.path.trades[3:].sum() == pytest.approx(-900.0, rel=1e-12)
    assert other.rules_broken == {}
    assert other.objective >= later.objective
    if strategy is ac.twap:
        np.testing.assert_allclose(other.path.trades[3:], -300.0, rtol=1e-12)


def test_trades_that_rewrite_history_are_said_to() -> None:
    later = halfway()
    told = later.problem.evaluate(np.full((6, 1), -1000.0 / 6))
    largest = float(np.abs(later.path.trades[:3] + 1000.0 / 6).max())
    assert told.rules_broken == {"history": pytest.approx(largest, rel=1e-12)}

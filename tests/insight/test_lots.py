"""Schedules in whole lots against the enumeration of all of them, and against what lots are."""

from itertools import product

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest
from builders import correlated

import acopt as ac
from acopt.insight.lots import Rounding
from acopt.model.feasibility import trade_bounds

SHARP = 1e-8
PRICE = np.array([20.0, 37.5])


def vectors(total, cells):
    """All vectors of whole numbers >= 0 with this sum."""
    if cells == 1:
        return [(total,)]
    return [(v, *rest) for v in range(total + 1) for rest in vectors(total - v, cells - 1)]


def one_sided(problem, lot, i):
    """Every monotone column of trades of asset i: whole lots, odd shares with one of them."""
    n = problem.setting.shape[0]
    x = problem.setting.remaining[i]
    odd = abs(x) % lot
    columns = []
    for v in vectors(round((abs(x) - odd) / lot), n):
        whole = lot * np.array(v, dtype=float)
        columns += [whole + odd * (np.arange(n) == k) for k in range(n)] if odd else [whole]
    lower, upper = (b[:, i] for b in trade_bounds(problem.constraints, problem.setting))
    signed = [-np.sign(x) * u for u in columns]
    return [u for u in signed if (u >= lower - 1e-9).all() and (u <= upper + 1e-9).all()]


def every(problem, lots):
    """Every schedule in lots that each asset alone allows, priced."""
    columns = [one_sided(problem, lot, i) for i, lot in enumerate(lots)]
    return [problem.evaluate(np.column_stack(one)) for one in product(*columns)]


def drawn(seed):
    """A small random problem, one-sided, and its lots; a tight cap one time in three."""
    rng = np.random.default_rng(seed)
    m = int(rng.integers(1, 3))
    n = int(rng.integers(1, 5 if m == 1 else 4))
    names = ["A", "B"][:m]
    grid = ac.TimeGrid(np.r_[0.0, np.cumsum(rng.uniform(0.1, 1.0, n))] if rng.random() < 0.5 else np.arange(n + 1) / 4)
    lots = rng.choice([1, 7, 100], m)
    odd = np.where(rng.random(m) < 0.6, np.round(rng.uniform(0.0, 1.0, m) * lots, int(rng.integers(0, 2))), 0.0)
    x = (lots * rng.integers(0, 8 if m == 1 else 4, m) + odd) * rng.choice([-1, 1], m)
    price = PRICE[:m]
    volume = rng.uniform(1.0, 9.0 if rng.random() < 0.3 else 60.0, (n, m)) * lots
    market = ac.Market(
        grid,
        pd.Series(price, names),
        volume=pd.DataFrame(volume, grid.labels, names),
        covariance=pd.DataFrame(correlated(0.02 * price, 0.6), names, names),
        spread=pd.Series(1e-3 * price, names),
        impact=ac.LinearImpact(30.0, permanent_bps=0.5),
    )
    costs = ac.TemporaryImpact() + 10 ** rng.uniform(-4, -1) * ac.TimingRisk()
    extras = (
        ac.SpreadCost(),
        ac.PermanentImpact(),
        ac.Alpha(pd.Series(0.01 * price * rng.normal(size=m), names)),
        ac.Smoothness(scale=0.3),
        ac.CustomCost(lambda p: 1e-3 * cp.sum(cp.abs(p.trades)), name="sizes"),
        ac.CustomCost(
            lambda p: (
                1e-4 * cp.quad_form(cp.vec(p.remaining[1:], order="F"), np.eye(n * m) + 0.5 * np.ones((n * m,) * 2))
            ),
            name="form",
        ),
    )
    costs = sum((extra for extra in extras if rng.random() < 0.4), costs)
    rules = [ac.Monotone(), *([ac.Participation(float(rng.uniform(0.1, 0.9)))] if rng.random() < 0.6 else [])]
    if rng.random() < 0.4:
        net = abs(float(price @ x))
        rules.append(ac.DollarNeutral(net + float(rng.uniform(1.0, 2.0) * (price * lots).max())))
    return ac.Order(pd.Series(np.maximum(x, 0), names), pd.Series(np.maximum(-x, 0), names)), market, costs, rules, lots


@pytest.mark.parametrize("block", range(6))
def test_the_best_of_all_schedules_in_lots(block):
    found = impossible = 0
    for seed in range(10 * block, 10 * block + 10):
        order, market, costs, rules, lots = drawn(seed)
        try:
            problem = ac.ExecutionProblem(order, market, costs, rules)
            plan = problem.solve()
        except ac.InfeasibleError:
            continue
        allowed = [s for s in every(problem, lots) if not s.rules_broken]
        if not allowed:
            impossible += 1
            continue
        best = min(s.objective for s in allowed)
        rounded = plan.round_lots(pd.Series(lots, order.assets), tolerance=SHARP)
        scale = plan.certificate.gap_scale
        assert rounded.rules_broken == {}, seed
        assert rounded.objective == pytest.approx(best, rel=0, abs=1e-9 * scale), seed
        assert rounded.rounding.bound <= best + 1e-9 * scale, seed
        assert rounded.rounding.proven, seed
        assert rounded.rounding.exceeded == {}, seed
        found += 1
    assert found >= 4


def test_caps_that_leave_no_schedule_raise_as_enumeration_says():
    raised = 0
    for seed in range(40):
        order, market, costs, rules, lots = drawn(seed)
        small = ac.Market(
            market.grid,
            market.price,
            volume=market.volume * 0.1,
            covariance=market.covariance,
            spread=market.spread,
            impact=market.impact,
        )
        try:
            problem = ac.ExecutionProblem(order, small, costs, [*(r for r in rules if r.unit == "shares")])
            plan = problem.solve()
        except ac.InfeasibleError:
            continue
        if any(not s.rules_broken for s in every(problem, lots)):
            continue
        with pytest.raises(ac.InfeasibleError, match=r"round_lots: [AB]: "):
            plan.round_lots(pd.Series(lots, order.assets))
        raised += 1
    assert raised >= 2


def pair(n=3, side=1, lots=(100, 10), tolerance=0.05, seed=0, odd=(0, 0)):
    """A sell and a buy of the same value, at most 70% of either in one interval, neutral within a tolerance."""
    rng = np.random.default_rng(seed)
    x = (rng.integers(2, 5, 2) * np.array(lots) + np.array(odd)) * np.array([1.0, -1.0]) * side
    price = np.array([20.0, 20.0 * x[0] / -x[1]])
    names = ["A", "B"]
    market = ac.Market(
        ac.TimeGrid.uniform(1.0, n),
        pd.Series(price, names),
        covariance=pd.DataFrame(correlated(0.02 * price), names, names),
    )
    eta = pd.Series(rng.uniform(0.5, 2.0, 2) * 1e-5 * price, names)
    order = ac.Order(pd.Series(np.maximum(x, 0), names), pd.Series(np.maximum(-x, 0), names))
    cap = pd.Series(0.7 * np.abs(x), names)
    rules = [ac.Monotone(), ac.TradeSize(-cap, cap), ac.DollarNeutral(tolerance)]
    return ac.ExecutionProblem(order, market, ac.TemporaryImpact(eta) + 1e-6 * ac.TimingRisk(), rules)


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(("tolerance", "tight"), [(1e-6, True), (1.0, True), (0.05, False), (0.3, False)])
def test_neutrality_gives_way_as_little_as_lots_allow(side, tolerance, tight):
    seen = set()
    for seed in range(8):
        lots = (100, (10, 100)[seed % 2])
        problem = pair(side=side, lots=lots, tolerance=tolerance, seed=seed, odd=(13 * (seed % 3), 0))
        plan = problem.solve()
        schedules = every(problem, lots)
        least = min(s.rules_broken.get("DollarNeutral", 0.0) for s in schedules)
        admitted = [s for s in schedules if s.rules_broken.get("DollarNeutral", 0.0) <= least * (1 + 1e-8) + 1e-6]
        best = min(s.objective for s in admitted)
        rounded = plan.round_lots(pd.Series(lots, problem.setting.assets), tolerance=SHARP)
        assert rounded.rounding.exceeded.get("DollarNeutral", 0.0) == pytest.approx(least, rel=1e-6, abs=1e-6)
        assert rounded.objective == pytest.approx(best, rel=0, abs=1e-8 * plan.certificate.gap_scale)
        assert set(rounded.rules_broken) == set(rounded.rounding.exceeded)
        assert rounded.rounding.proven
        assert ("DollarNeutral exceeded by" in str(rounded.rounding)) == (least > 0)
        seen.add(least > 0)
    assert True in seen or not tight


def single(shares, *, n=6, volume=1e6, rules=(), aversion=1e-6, edges=None):
    """One asset at 50; shares > 0 are sold."""
    grid = ac.TimeGrid.uniform(1.0, n) if edges is None else ac.TimeGrid(edges)
    market = ac.Market(
        grid, 50.0, volume=volume, covariance=1.0, spread=0.02, impact=ac.LinearImpact(10.0, permanent_bps=0.1)
    )
    order = ac.Order.sell(shares) if shares > 0 else ac.Order.buy(-shares)
    costs = ac.TemporaryImpact() + ac.PermanentImpact() + ac.SpreadCost() + aversion * ac.TimingRisk()
    return ac.ExecutionProblem(order, market, costs, [ac.Monotone(), *rules])


@pytest.mark.parametrize("side", [1, -1])
def test_odd_shares_go_with_one_trade_and_totals_are_exact(side):
    rounded = single(12_345 * side).solve().round_lots(100)
    u = rounded.path.trades[:, 0]
    assert u.sum() == -12_345 * side
    off = np.flatnonzero(u % 100)
    assert len(off) == 1
    odd = rounded.rounding.odd
    assert odd["shares"].tolist() == [-45 * side]
    assert odd["interval"].tolist() == [rounded.setting.grid.labels[off[0]]]
    assert (u[off[0]] + 45 * side) % 100 == 0
    assert "odd shares of 1 asset" in str(rounded.rounding)


def test_a_rounded_schedule_says_what_is_proven_of_it():
    market = ac.Market(ac.TimeGrid.uniform(1.0, 4), 20.0, covariance=0.2)
    plan = ac.ExecutionProblem(ac.Order(1_230.0), market, ac.TemporaryImpact(1e-5) + 1e-4 * ac.TimingRisk()).solve()
    rounded = plan.round_lots(100)
    assert f"in lots: within {rounded.rounding.gap:.2g} of the best in lots" in repr(rounded)
    assert "evaluated, no certificate" in repr(plan.problem.evaluate(rounded))


def test_the_side_of_the_order_does_not_matter():
    sold, bought = (single(side * 12_345).solve().round_lots(100, tolerance=SHARP) for side in (1, -1))
    assert sold.objective == pytest.approx(bought.objective, rel=1e-12)
    assert sold.rounding.price == pytest.approx(bought.rounding.price, rel=1e-6)
    np.testing.assert_array_equal(sold.path.trades, -bought.path.trades)


@pytest.mark.parametrize("shares", [40.0, 0.5, 1_234.5, 99.999])
def test_orders_below_a_lot_and_fractions_are_odd(shares):
    rounded = single(shares).solve().round_lots(100)
    u = rounded.path.trades[:, 0]
    assert u.sum() == -shares
    assert np.count_nonzero(u % 100) == 1
    assert rounded.rounding.odd["shares"].tolist() == pytest.approx([-(shares % 100)], rel=1e-15)


@pytest.mark.parametrize("shares", [1e2, 1e6 + 1, 1e9])
@pytest.mark.parametrize("lot", [1, 100])
def test_sizes_from_a_hundred_to_a_billion(shares, lot):
    plan = single(shares, volume=10 * shares, aversion=1e-2 / shares).solve()
    rounded = plan.round_lots(lot)
    u = rounded.path.trades[:, 0]
    assert u.sum() == -shares
    assert np.count_nonzero(u % lot) == (shares % lot > 0)
    assert np.abs(u - plan.path.trades[:, 0]).max() <= 2 * lot
    assert rounded.rounding.proven
    assert rounded.rounding.gap >= 0
    assert rounded.objective >= plan.objective * (1 - 1e-12)


def test_windows_caps_and_holdings_are_kept_exactly():
    volume = pd.Series([4e4, 2e3, 1.55e4, 0.0, 9e3, 6e4], ac.TimeGrid.uniform(1.0, 6).labels)
    held = ac.HoldingBounds(lower=pd.Series([0, 0, 2_950, 0, 0, 0.0], volume.index))
    rules = [ac.Participation(0.1), ac.NoTrade(during=(0.0, 1 / 6)), held]
    plan = single(8_020, volume=volume.to_numpy()[:, None], rules=rules).solve()
    rounded = plan.round_lots(100)
    u = rounded.path.trades[:, 0]
    assert (u[[0, 3]] == 0.0).all()
    assert (np.abs(u) <= 0.1 * volume.to_numpy()).all()
    assert rounded.path.holdings[3, 0] >= 2_950
    assert (u <= 0).all()
    assert u.sum() == -8_020
    assert rounded.rules_broken == {}


def test_a_cap_below_a_lot_takes_the_odd_shares_or_nothing():
    labels = ac.TimeGrid.uniform(1.0, 3).labels
    cap = pd.Series([1_000.0, 60.0, 1_000.0], labels)
    u = single(1_145, n=3, rules=[ac.TradeSize(-cap, cap)]).solve().round_lots(100).path.trades[:, 0]
    assert u[1] in (0.0, -45.0)
    tight = pd.Series([500.0, 60.0, 600.0], labels)
    u = single(1_145, n=3, rules=[ac.TradeSize(-tight, tight)]).solve().round_lots(100).path.trades[:, 0]
    np.testing.assert_array_equal(u, [-500.0, -45.0, -600.0])


def test_caps_that_are_too_small_name_a_lot_that_would_do():
    problem = single(1_000, n=5, rules=[ac.TradeSize(-260.0, 260.0)])
    plan = problem.solve()
    with pytest.raises(ac.InfeasibleError) as caught:
        plan.round_lots(300)
    text = str(caught.value)
    assert "1,000 shares do not fit in lots of 300" in text
    assert "TradeSize" in text
    assert "at most 260 shares" in text
    lot = int(text.split("lots of ")[-1].split()[0])
    assert plan.round_lots(lot).path.trades.sum() == -1_000
    with pytest.raises(ac.InfeasibleError):
        plan.round_lots(290)


def test_history_stays_and_the_rest_is_in_lots():
    problem = single(12_345, rules=[ac.Participation(0.2)])
    later = problem.with_history(np.array([[-1_234.5], [-310.0]]))
    rounded = later.solve().round_lots(100)
    u = rounded.path.trades[:, 0]
    np.testing.assert_array_equal(u[:2], [-1_234.5, -310.0])
    assert u.sum() == -12_345
    assert np.count_nonzero(u[2:] % 100) == 1
    assert rounded.rounding.odd["shares"].tolist() == [pytest.approx(-0.5)]
    assert rounded.rounding.proven


def test_hedge_legs_are_in_lots_and_end_flat():
    names = ["A", "H"]
    market = ac.Market(
        ac.TimeGrid.uniform(1.0, 4),
        pd.Series([50.0, 100.0], names),
        volume=1e6,
        covariance=pd.DataFrame([[1.0, 1.8], [1.8, 4.0]], names, names),
        impact=ac.LinearImpact(2.0),
    )
    order = ac.Order.sell({"A": 4_050}) + ac.Order.hedge(["H"])
    costs = ac.TemporaryImpact() + 1e-5 * ac.TimingRisk()
    rounded = ac.ExecutionProblem(order, market, costs).solve().round_lots({"A": 100, "H": 10})
    hedge = rounded.trades["H"].to_numpy()
    assert np.count_nonzero(hedge)
    assert (hedge % 10 == 0).all()
    assert hedge.sum() == 0.0
    assert rounded.trades["A"].sum() == -4_050


def test_what_may_stay_unfilled_is_in_lots_too():
    problem = single(3_040, n=4, volume=5e3, rules=[ac.Participation(0.1), ac.AllowUnfilled(20.0)])
    rounded = problem.solve().round_lots(100, tolerance=SHARP)
    u = rounded.path.trades[:, 0]
    best = min(
        problem.evaluate(-(100.0 * np.array(v) + odd)[:, None]).objective
        for v in product(range(6), repeat=4)
        for odd in [np.zeros(4), *(40.0 * np.eye(4))]
        if (100.0 * np.array(v) + odd <= 500).all()
    )
    assert rounded.objective == pytest.approx(best, rel=1e-10)
    assert rounded.rules_broken == {}
    assert u.sum() > -3_040


def test_one_interval_and_a_zero_order_have_one_answer():
    np.testing.assert_array_equal(single(1_234, n=1).solve().round_lots(100).path.trades, [[-1_234.0]])
    zero = single(1_000).update(order=ac.Order.sell(0.0)).solve().round_lots(100)
    np.testing.assert_array_equal(zero.path.trades, np.zeros((6, 1)))
    assert zero.rounding.odd.empty
    assert np.isnan(zero.rounding.price_bps)


def basket(n=4, periods=6, factors=2, seed=1):
    """Sells and buys of equal value on a factor model, with caps and neutrality."""
    rng = np.random.default_rng(seed)
    names = [f"A{i}" for i in range(n)]
    price = pd.Series(10 ** rng.uniform(1, 2.5, n), names)
    x = np.round(rng.uniform(2e3, 3e4, n)) * np.where(np.arange(n) % 2, 1, -1)
    x[x > 0] = np.round(x[x > 0] * (price[x < 0] @ -x[x < 0]) / (price[x > 0] @ x[x > 0]))
    grid = ac.TimeGrid.uniform(1.0, periods)
    loadings = pd.DataFrame(rng.normal(0.5, 0.4, (n, factors)), names).mul(price, axis=0)
    risk = ac.FactorModel(loadings, np.diag([1e-4] * factors), 1e-4 * price**2)
    volume = pd.DataFrame(20 * np.abs(x) / periods * rng.uniform(0.7, 1.5, (periods, n)), grid.labels, names)
    market = ac.Market(grid, price, volume=volume, covariance=risk, spread=2e-4 * price, impact=ac.LinearImpact(8.0))
    order = ac.Order(pd.Series(np.maximum(x, 0), names), pd.Series(np.maximum(-x, 0), names))
    costs = ac.TemporaryImpact() + ac.SpreadCost() + 1e-5 * ac.TimingRisk()
    rules = [ac.Participation(0.12), ac.Monotone(), ac.DollarNeutral(0.02)]
    return ac.ExecutionProblem(order, market, costs, rules)


def test_a_basket_on_factors_is_proven():
    plan = basket().solve()
    rounded = plan.round_lots(100)
    u, note = rounded.path.trades, rounded.rounding
    assert note.proven
    assert rounded.rules_broken == {}
    np.testing.assert_array_equal(u.sum(axis=0), -rounded.setting.remaining)
    assert (np.count_nonzero(u % 100, axis=0) <= 1).all()
    assert plan.objective <= note.bound <= rounded.objective
    assert note.price == rounded.objective - plan.objective
    assert note.continuous == plan.objective
    again = rounded.round_lots(100)
    assert again.objective == pytest.approx(rounded.objective, rel=1e-6)


def test_without_time_the_first_schedule_comes_with_a_true_gap():
    plan = basket().solve()
    hurried, thorough = plan.round_lots(100, time_limit=0.0), plan.round_lots(100)
    u = hurried.path.trades
    assert hurried.rules_broken == {}
    np.testing.assert_array_equal(u.sum(axis=0), -hurried.setting.remaining)
    assert (np.count_nonzero(u % 100, axis=0) <= 1).all()
    assert hurried.rounding.bound <= thorough.objective
    assert hurried.rounding.gap >= hurried.objective - thorough.objective
    assert "not proven" in str(hurried.rounding) or hurried.rounding.gap <= hurried.rounding.accepted


def test_coarser_lots_that_contain_finer_ones_cost_more():
    plan = single(12_000).solve()
    prices = [plan.round_lots(lot, tolerance=SHARP).rounding.price for lot in (1, 10, 100, 1_000)]
    assert prices == sorted(prices)
    assert prices[0] >= -1e-9 * plan.objective
    assert prices[-1] > 0


def test_an_evaluated_schedule_is_rounded_to_the_same():
    problem = single(12_345)
    rounded = problem.solve().round_lots(100, tolerance=SHARP)
    given = problem.evaluate(np.full((6, 1), -12_345 / 6)).round_lots(100, tolerance=SHARP)
    np.testing.assert_array_equal(given.path.trades, rounded.path.trades)
    assert isinstance(given.rounding, Rounding)
    assert given.problem.setting is problem.setting


@pytest.mark.parametrize("lot", [0, -100, float("nan"), 2.5, float("inf"), "many"])
def test_lots_that_are_none(lot):
    with pytest.raises(ac.AcoptError, match="round_lots lot"):
        single(1_000).solve().round_lots(lot)


def test_a_missing_lot_is_named():
    with pytest.raises(ac.DataError, match="B"):
        pair().solve().round_lots({"A": 100})


@pytest.mark.parametrize(
    "wrong", [{"tolerance": 0.0}, {"tolerance": float("nan")}, {"time_limit": -1}, {"time_limit": "1s"}]
)
def test_limits_that_are_none(wrong):
    with pytest.raises(ac.DataError, match=f"round_lots {next(iter(wrong))}"):
        single(1_000).solve().round_lots(100, **wrong)


def test_what_lots_cannot_be_asked_of():
    market = ac.Market(ac.TimeGrid.uniform(1.0, 3), 50.0, covariance=1.0)
    order = ac.Order.sell(1_000)
    cone = ac.CustomCost(lambda p: cp.norm(cp.vec(p.trades, order="F")))
    with pytest.raises(ac.ModelError, match="conic"):
        ac.ExecutionProblem(order, market, ac.TemporaryImpact(1e-6) + cone).solve().round_lots(100)
    open_risk = ac.ExecutionProblem(order, market, ac.TemporaryImpact(1e-6) + ac.TimingRisk())
    with pytest.raises(ac.ModelError, match="no weight"):
        ac.twap(open_risk).round_lots(100)
    dialled = open_risk.solve_for(risk_price=0.3).round_lots(100)
    assert dialled.path.trades.sum() == -1_000


def test_rules_that_lots_cannot_keep_together():
    names = ["A", "B"]
    same = ac.CustomConstraint(lambda p: p.done("A") == p.done("B"))
    market = ac.Market(ac.TimeGrid.uniform(1.0, 4), pd.Series([20.0, 30.0], names), covariance=np.diag([0.1, 0.2]))
    problem = ac.ExecutionProblem(
        ac.Order.sell({"A": 300, "B": 200}),
        market,
        ac.TemporaryImpact(pd.Series([1e-5, 1e-5], names)) + 1e-9 * ac.TimingRisk(),
        [ac.TradeSize(-140.0, 140.0), same],
    )
    with pytest.raises(ac.InfeasibleError, match="CustomConstraint"):
        problem.solve().round_lots(100)


@pytest.mark.parametrize("side", [1, -1])
def test_without_quadratics_too(side):
    market = ac.Market(ac.TimeGrid.uniform(1.0, 4), 50.0, spread=0.02)
    order = ac.Order.sell(1_050) if side > 0 else ac.Order.buy(1_050)
    cap = pd.Series([330.0, 250.0, 260.0, 480.0], market.grid.labels)
    costs = ac.SpreadCost() + ac.Alpha(-0.3 * side)
    problem = ac.ExecutionProblem(order, market, costs, [ac.Monotone(), ac.TradeSize(-cap, cap)])
    rounded = problem.solve().round_lots(100, tolerance=SHARP)
    best = min(s.objective for s in every(problem, [100]))
    assert rounded.objective == pytest.approx(best, rel=1e-12)
    assert rounded.rounding.proven


def test_nothing_that_depends_on_the_path():
    market = ac.Market(ac.TimeGrid.uniform(1.0, 3), 50.0, spread=0.02)
    problem = ac.ExecutionProblem(ac.Order.sell(1_050), market, ac.SpreadCost(0.0), [ac.Monotone()])
    rounded = problem.solve().round_lots(100)
    assert rounded.path.trades.sum() == -1_050
    assert rounded.rounding.proven

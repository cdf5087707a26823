"""The worst of several markets: saddle points, enumeration, dominance, symmetry; every cost inside it."""

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest
from builders import (
    EVEN,
    NAMES,
    ORDERS,
    PRICES,
    SINGLE,
    UNEVEN,
    correlated,
    cross_impact,
    cvxpy_objective,
    market,
    order,
    random_trades,
)
from scipy.optimize import brentq, minimize

import acopt as ac
from acopt.constraints.under_market import UnderMarket
from acopt.costs.power import PowerImpact
from acopt.costs.transient import TransientImpact
from acopt.costs.worst_case import WorstCase
from acopt.market.kernels import ExponentialDecay
from acopt.market.what_if import what_if

COSTS = ac.TemporaryImpact() + ac.PermanentImpact() + ac.SpreadCost() + 2e-5 * ac.TimingRisk()
WORKING = [kind for kind in ORDERS if kind != "nothing"]


def several(base):
    """Three markets that disagree: a patient one, an urgent one, a dear one."""
    return {
        "calm": what_if(base, volatility=0.5, spread=2.0),
        "wild": what_if(base, volatility=2.0),
        "thin": what_if(base, volume=0.6, impact=1.3),
    }


def problem(objective, kind="both sides", at=EVEN, rules=(), base=None):
    return ac.ExecutionProblem(order(kind), base or market(at), objective, rules)


def priced_in(markets, kind="both sides", costs=COSTS):
    """The order in each market, as problems of their own."""
    return {name: ac.ExecutionProblem(order(kind), each, costs) for name, each in markets.items()}


def value_in(markets, trades, kind="both sides", costs=COSTS):
    """Objective of trades in each market."""
    return {name: each.evaluate(trades).objective for name, each in priced_in(markets, kind, costs).items()}


def close(found, exact, size, share=1e-6):
    assert np.abs(found.path.trades - exact.path.trades).max() <= share * size


@pytest.mark.parametrize("at", [EVEN, UNEVEN, SINGLE])
@pytest.mark.parametrize("kind", list(ORDERS))
def test_the_expression_is_the_value_and_the_value_is_the_largest(kind, at):
    base = market(at, NAMES)
    markets = several(base)
    asked = problem(3.0 * WorstCase(COSTS, markets), kind, at, base=base)
    for seed in range(4):
        trades = random_trades(asked, seed)
        told = asked.evaluate(trades)
        exact = max(value_in(markets, trades, kind).values())
        assert told.objective == pytest.approx(3.0 * exact, rel=1e-10)
        assert cvxpy_objective(asked, trades) == pytest.approx(told.objective, rel=1e-9)


@pytest.mark.parametrize("at", [EVEN, UNEVEN, SINGLE])
@pytest.mark.parametrize("kind", list(ORDERS))
@pytest.mark.parametrize("capped", [False, True])
def test_one_market_is_the_ordinary_problem(kind, at, capped):
    base = market(at, NAMES)
    rules = [ac.Participation(0.5 if at == SINGLE else 0.12), ac.Monotone()] if capped else []
    exact = problem(COSTS, kind, at, rules, base).solve()
    found = problem(WorstCase(COSTS, {"only": base}), kind, at, rules, base).solve()
    assert found.objective == pytest.approx(exact.objective, rel=1e-9, abs=1e-9)
    close(found, exact, exact.setting.size or 1.0, 1e-5)


def explicit(scale, risk, spread):
    """An objective whose coefficients are all its own, named apart so that two of them can be added."""
    tag = f"{scale}/{risk}"
    price = pd.Series(PRICES)
    return (
        ac.TemporaryImpact(scale * 1e-7 * price, name=f"impact {tag}")
        + ac.SpreadCost(spread * 1e-4 * price, name=f"spread {tag}")
        + 2e-4 * ac.TimingRisk(pd.DataFrame(correlated(risk * 0.02 * price), NAMES, NAMES), name=f"risk {tag}")
    )


def in_market(scale, risk, spread, at):
    price = pd.Series(PRICES)
    on = ac.TimeGrid(at) if not isinstance(at, str) else market(at).grid
    return ac.Market(
        on,
        price,
        covariance=pd.DataFrame(correlated(risk * 0.02 * price), NAMES, NAMES),
        spread=2e-4 * spread * price,
        impact=ac.ImpactCoefficients(scale * 1e-7 * price),
    )


@pytest.mark.parametrize("kind", ["sell many", "buy many", "both sides"])
@pytest.mark.parametrize("at", [EVEN, UNEVEN])
def test_two_markets_meet_in_a_saddle_point(kind, at):
    """Without rules the worst case is attained by a mixture of both, which is a quadratic program of its own."""
    one, two = (20.0, 0.2, 1.0), (9.0, 3.0, 1.0)
    markets = {"one": in_market(*one, at), "two": in_market(*two, at)}
    base = markets["one"]
    first, second = explicit(*one), explicit(*two)
    alone = [ac.ExecutionProblem(order(kind), base, each) for each in (first, second)]

    def mixed(w):
        return ac.ExecutionProblem(order(kind), base, w * first + (1.0 - w) * second).solve().path.trades

    def difference(w):
        trades = mixed(w)
        return alone[0].evaluate(trades).objective - alone[1].evaluate(trades).objective

    assert difference(0.0) > 0 > difference(1.0), "neither market dominates here"
    trades = mixed(brentq(difference, 0.0, 1.0, xtol=1e-14))
    exact = max(each.evaluate(trades).objective for each in alone)
    costs = ac.TemporaryImpact() + ac.SpreadCost() + 2e-4 * ac.TimingRisk()
    found = ac.ExecutionProblem(order(kind), base, WorstCase(costs, markets)).solve()
    assert found.objective == pytest.approx(exact, rel=1e-9)
    assert np.abs(found.path.trades - trades).max() <= 1e-5 * found.setting.size
    assert found.certificate.conic
    assert "a conic program and not a QP" in str(found.certificate)


@pytest.mark.parametrize("kind", ["sell one", "buy one"])
def test_three_markets_and_a_general_solver(kind):
    base = market(UNEVEN, ["A"])
    markets = several(base)
    found = problem(WorstCase(COSTS, markets), kind, UNEVEN, base=base).solve()
    size, scale = found.setting.size, found.objective
    need, priced = -found.setting.remaining[0], priced_in(markets, kind).values()

    def values(z):
        trades = np.append(z, need / size - z.sum())[:, None] * size
        return np.array([each.evaluate(trades).objective for each in priced]) / scale

    start = np.full(4, need / size / 5.0)
    rows = {"type": "ineq", "fun": lambda y: y[-1] - values(y[:-1])}
    told = minimize(
        lambda y: y[-1],
        np.append(start, values(start).max()),
        jac=lambda y: np.eye(len(y))[-1],
        constraints=[rows],
        options={"ftol": 1e-13, "maxiter": 500},
    )
    assert told.success
    assert found.objective <= scale * told.fun * (1 + 1e-7)
    assert found.objective == pytest.approx(scale * told.fun, rel=1e-6)


def test_no_other_plan_has_a_better_worst_case():
    base = market()
    markets = several(base)
    rules = [ac.Participation(0.3), ac.Monotone()]
    found = problem(WorstCase(COSTS, markets), "both sides", rules=rules).solve()
    priced = priced_in(markets).values()

    def worst(trades):
        return max(each.evaluate(trades).objective for each in priced)

    assert found.objective == pytest.approx(worst(found.path.trades), rel=1e-10)
    rng = np.random.default_rng(5)
    volume = base.volumes
    for _ in range(60):
        share = rng.dirichlet(np.ones(5), size=3).T
        trades = -found.setting.remaining * share
        if (np.abs(trades) <= 0.3 * volume).all():
            assert worst(trades) >= found.objective * (1 - 1e-9)
        step = found.path.trades + 0.02 * (trades - found.path.trades)
        if (np.abs(step) <= 0.3 * volume).all():
            assert worst(step) >= found.objective * (1 - 1e-9)


def test_a_market_that_never_costs_most_changes_nothing_nor_does_the_sequence():
    base = market()
    markets = several(base)
    found = problem(WorstCase(COSTS, markets)).solve()
    cheap = what_if(base, volume=3.0, volatility=0.2, spread=0.1, impact=0.5)
    with_cheap = problem(WorstCase(COSTS, {"cheap": cheap, **markets})).solve()
    turned = problem(WorstCase(COSTS, dict(reversed(markets.items())))).solve()
    for other in (with_cheap, turned):
        assert other.objective == pytest.approx(found.objective, rel=1e-9)
        close(other, found, 9000.0, 1e-5)


def test_two_markets_that_mirror_each_other_leave_the_plan_between_them():
    """Impact that falls over the day in one market and rises in the other: only the even plan is the same in both."""
    on = ac.TimeGrid.uniform(1.0, 6)
    falling = pd.Series(np.linspace(2e-6, 1e-6, 6), on.labels)
    rising = pd.Series(falling.to_numpy()[::-1], on.labels)
    markets = {
        name: ac.Market(on, 50.0, impact=ac.ImpactCoefficients(eta)) for name, eta in (("a", falling), ("b", rising))
    }
    found = ac.ExecutionProblem(ac.Order(1e5), markets["a"], WorstCase(ac.TemporaryImpact(), markets)).solve()
    u = found.path.trades[:, 0]
    assert np.abs(u - u[::-1]).max() <= 1e-6 * 1e5
    mean = 0.5 * (falling + rising).to_numpy()
    exact = 1e10 / np.sum(1.0 / (6 * mean))
    assert found.objective == pytest.approx(exact, rel=1e-9)
    assert found.expected_cost == pytest.approx(found.objective, rel=1e-12), "all of it is money"


@pytest.mark.parametrize("shares", [1e2, 1e4, 1e6, 1e9])
def test_any_size_and_both_sides(shares):
    on = ac.TimeGrid.uniform(1.0, 8)
    size = shares / 1e6

    def made(volatility, volume):
        return ac.Market(
            on,
            50.0,
            volume=1e7 * size * volume,
            covariance=(0.6 * volatility) ** 2,
            spread=0.01,
            impact=ac.LinearImpact(12.0, permanent_bps=0.2),
        )

    markets = {"calm": made(0.3, 0.8), "wild": made(1.6, 1.4)}
    costs = ac.TemporaryImpact() + ac.PermanentImpact() + ac.SpreadCost() + (1e-6 / size) * ac.TimingRisk()
    sell, buy, million = (
        ac.ExecutionProblem(ac.Order(x), markets["calm"], WorstCase(costs, markets)).solve()
        for x in (shares, -shares, shares)
    )
    assert np.abs(sell.path.trades + buy.path.trades).max() <= 1e-6 * shares
    assert sell.certificate.relative_gap <= 1e-6
    assert sell.bps(sell.objective) == pytest.approx(million.bps(million.objective), rel=1e-9)
    by_market = [
        ac.ExecutionProblem(ac.Order(shares), each, costs).evaluate(sell.path.trades).objective
        for each in markets.values()
    ]
    assert by_market[0] == pytest.approx(by_market[1], rel=1e-6), "both markets bind"


def test_the_size_of_an_order_does_not_change_its_shape():
    on = ac.TimeGrid.uniform(1.0, 8)
    shapes = []
    for shares in (1e2, 1e9):
        size = shares / 1e6
        markets = {
            str(v): ac.Market(on, 50.0, volume=1e7 * size, covariance=v**2, impact=ac.LinearImpact(12.0))
            for v in (0.2, 1.0)
        }
        costs = ac.TemporaryImpact() + (1e-6 / size) * ac.TimingRisk()
        plan = ac.ExecutionProblem(ac.Order(shares), markets["0.2"], WorstCase(costs, markets)).solve()
        shapes.append(plan.path.trades / shares)
    assert np.abs(shapes[0] - shapes[1]).max() <= 1e-6


def test_the_solver_is_told_how_curved_it_is():
    base = market()
    asked = problem(ac.TemporaryImpact() + ac.PermanentImpact())
    own = sum(t.cost.curvature(asked.setting) for t in asked.objective.terms)
    told = WorstCase(ac.TemporaryImpact() + ac.PermanentImpact(), {"a": base, "b": what_if(base, impact=3.0)})
    np.testing.assert_allclose(told.typical_curvature(asked.setting), 2.0 * own, rtol=1e-12)
    assert WorstCase(ac.SpreadCost(), {"a": base}).typical_curvature(asked.setting) is None


def test_it_stands_beside_other_costs_and_rules():
    base = market()
    markets = several(base)
    inside = ac.TemporaryImpact() + 2e-5 * ac.TimingRisk()
    objective = WorstCase(inside, markets) + ac.SpreadCost() + ac.Jerk(weight=pd.Series(1e-9, NAMES))
    rules = [ac.Participation(0.2), ac.Monotone(), ac.DollarNeutral(0.4), ac.NoTrade(during=(0.4, 0.6))]
    found = problem(objective, "both sides", rules=rules).solve()
    assert not found.rules_broken
    assert found.certificate.relative_gap <= 1e-6
    assert found.breakdown()["value"].sum() == pytest.approx(found.objective, rel=1e-9)
    assert found.expected_cost == pytest.approx(found.term_values["SpreadCost"])
    worst = max(value_in(markets, found.path.trades, costs=inside).values())
    assert found.term_values["WorstCase"] == pytest.approx(worst, rel=1e-10)


@pytest.mark.parametrize(
    ("costs", "kind"),
    [
        (ac.TemporaryImpact() + ac.SpreadCost(), "money"),
        (ac.TimingRisk(), "risk"),
        (1e-6 * ac.TimingRisk(), "penalty"),
        (ac.SpreadCost() + 1e-6 * ac.TimingRisk(), "penalty"),
        (ac.Jerk(weight=1e-9), "penalty"),
    ],
)
def test_what_it_counts_as(costs, kind):
    assert WorstCase(costs, {"only": market()}).kind == kind


def test_a_worst_risk_has_dials_and_budgets():
    base = market()
    markets = {"calm": base, "wild": what_if(base, volatility=1.7)}
    asked = problem(ac.TemporaryImpact() + WorstCase(ac.TimingRisk(), markets))
    found = asked.solve_for(risk_price=0.05)
    wild = problem(ac.TemporaryImpact() + ac.TimingRisk(), base=markets["wild"])
    exact = wild.update(market=markets["wild"]).solve_for(risk_price=0.05)
    assert found.term_values["WorstCase"] == pytest.approx(exact.term_values["TimingRisk"], rel=1e-4)
    limit = 0.8 * np.sqrt(found.term_values["WorstCase"])
    kept = problem(ac.TemporaryImpact(), rules=[WorstCase(ac.TimingRisk(), markets) <= limit]).solve()
    risks = [ac.TimingRisk(m.covariance, name=f"risk {s}") <= limit for s, m in markets.items()]
    apart = problem(ac.TemporaryImpact(), rules=risks).solve()
    assert kept.objective == pytest.approx(apart.objective, rel=1e-7)


def test_what_it_is_less():
    base = market()
    markets = several(base)
    best = {name: problem(COSTS).update(market=each).solve().objective for name, each in markets.items()}
    asked = problem(WorstCase(COSTS, markets, less=best))
    found = asked.solve()
    regrets = {name: value - best[name] for name, value in value_in(markets, found.path.trades).items()}
    assert found.objective == pytest.approx(max(regrets.values()), rel=1e-8)
    top = sorted(regrets.values())
    assert top[-1] == pytest.approx(top[-2], rel=1e-4), "the two that disagree most bind"
    plain = problem(WorstCase(COSTS, markets)).solve()
    assert max(v - best[s] for s, v in value_in(markets, plain.path.trades).items()) > 1.01 * top[-1]
    # What is taken off is a constant: the gap is measured by what schedules can change.
    assert found.certificate.gap_scale > 0.5 * min(best.values())
    assert WorstCase(ac.SpreadCost(), markets, less=best).kind == "penalty", "money less money of another plan"


def test_customs_read_the_participation_of_each_market():
    base = market()
    thin = what_if(base, volume=0.5)
    crowd = ac.CustomCost(lambda p: 100.0 * cp.sum(cp.abs(p.participation)), kind="money", name="crowd")
    asked = problem(WorstCase(ac.TemporaryImpact() + crowd, {"base": base, "thin": thin}))
    found = asked.solve()
    exact = problem(ac.TemporaryImpact() + crowd, base=thin).solve()
    assert found.objective == pytest.approx(exact.objective, rel=1e-8)
    trades = random_trades(asked, 1)
    assert cvxpy_objective(asked, trades) == pytest.approx(asked.evaluate(trades).objective, rel=1e-9)
    others = ac.CustomCost(lambda p: cp.sum_squares(p.rates) + cp.sum_squares(p.holdings) + cp.norm1(p.notional))
    done = ac.CustomCost(lambda p: cp.sum_squares(p.done("A")), name="done")
    both = problem(WorstCase(ac.TemporaryImpact() + 1e-6 * others + done, {"base": base, "thin": thin}))
    trades = random_trades(both, 2)
    assert cvxpy_objective(both, trades) == pytest.approx(both.evaluate(trades).objective, rel=1e-9)


def test_a_custom_needs_a_volume_to_read_the_participation():
    bare = ac.Market(market().grid, pd.Series(PRICES), impact=ac.ImpactCoefficients(1e-6 * pd.Series(PRICES)))
    crowd = ac.CustomCost(lambda p: cp.sum(cp.abs(p.participation)))
    with pytest.raises(ac.ModelError, match="no volume"):
        problem(WorstCase(ac.TemporaryImpact() + crowd, {"bare": bare}))


def test_nothing_trades_where_one_market_cannot():
    base = market()
    volume = base.volume.copy()
    volume.iloc[2, 1] = 0.0
    dry = base.with_volumes(volume.to_numpy())
    found = problem(WorstCase(COSTS, {"base": base, "dry": dry})).solve()
    assert found.path.trades[2, 1] == 0.0
    assert (found.path.trades[2, [0, 2]] != 0.0).all()
    exact = problem(COSTS, base=dry).solve()
    assert problem(WorstCase(COSTS, {"dry": dry})).solve().objective == pytest.approx(exact.objective, rel=1e-9)


@pytest.mark.parametrize(
    "extra",
    [
        ac.Jerk(0.1),
        ac.Alpha(pd.Series({"A": 0.2, "B": -1.0, "C": 0.4})),
        1e-5 * ac.TrackingRisk(ac.VWAP(), name="tracked"),
    ],
    ids=["smoothness in units of the impact", "alpha", "a benchmark made of volume"],
)
def test_costs_that_follow_the_market_do_so_inside(extra):
    base = market()
    other = base.with_volumes(base.volumes[::-1] * [0.7, 1.1, 0.8])
    exact = problem(COSTS + extra, base=other).solve()
    found = problem(WorstCase(COSTS + extra, {"other": other})).solve()
    assert found.objective == pytest.approx(exact.objective, rel=1e-8)
    close(found, exact, 9000.0, 1e-5)


def test_unfilled_orders():
    base = market()
    costs, rules = ac.TemporaryImpact() + ac.SpreadCost(), [ac.AllowUnfilled(6.0), ac.Participation(0.1)]
    exact = problem(costs, rules=rules).solve()
    found = problem(WorstCase(costs, {"only": base}), rules=rules).solve()
    assert np.abs(exact.path.remaining[-1]).max() > 100.0
    assert found.objective == pytest.approx(exact.objective, rel=1e-8)


def test_history_stays():
    base = market()
    markets = several(base)
    asked = problem(WorstCase(COSTS, markets), rules=[ac.Monotone(), ac.Participation(0.3)])
    executed = np.array([[100.0, 3.0, -50.0], [-2000.0, 10.0, -10.0]])  # A was bought at first, against its order
    found = asked.with_history(executed).solve()
    np.testing.assert_array_equal(found.path.trades[:2], executed)
    one = problem(COSTS, rules=[ac.Monotone(), ac.Participation(0.3)], base=markets["wild"])
    exact = one.with_history(executed).solve()
    only = problem(WorstCase(COSTS, {"wild": markets["wild"]}), rules=[ac.Monotone(), ac.Participation(0.3)],
                   base=markets["wild"])  # fmt: skip
    assert only.with_history(executed).solve().objective == pytest.approx(exact.objective, rel=1e-8)


def test_an_update_is_a_fresh_problem():
    base = market()
    markets = several(base)
    asked = problem(1.0 * WorstCase(COSTS, markets) + ac.Alpha(pd.Series(0.01, NAMES)), rules=[ac.Participation(0.3)])
    asked.solve()
    asked.update(order=order("buy many"), weights={"Alpha": 2.0})
    fresh = problem(1.0 * WorstCase(COSTS, markets) + 2.0 * ac.Alpha(pd.Series(0.01, NAMES)), "buy many",
                    rules=[ac.Participation(0.3)])  # fmt: skip
    found, exact = asked.solve(), fresh.solve()
    assert found.objective == pytest.approx(exact.objective, rel=1e-8)
    close(found, exact, 9000.0, 1e-5)


def test_piecewise_linear_costs_stay_a_linear_program():
    base = market()
    dear = what_if(base, spread=3.0)
    found = problem(WorstCase(ac.SpreadCost(), {"base": base, "dear": dear}), rules=[ac.Participation(0.3)]).solve()
    assert not found.certificate.conic
    exact = problem(ac.SpreadCost(), rules=[ac.Participation(0.3)], base=dear).solve()
    assert found.objective == pytest.approx(exact.objective, rel=1e-9)


# What is refused.


def test_bad_input():
    base = market()
    for markets in ({}, None, [base], base):
        with pytest.raises(ac.DataError, match="at least one Market"):
            WorstCase(COSTS, markets)
    with pytest.raises(ac.ModelError, match="a cost or a sum of costs is expected"):
        WorstCase(ac.Participation(0.1), {"base": base})
    with pytest.raises(ac.ModelError, match="it has no cost"):
        WorstCase(ac.Objective(()), {"base": base})
    with pytest.raises(ac.ModelError, match="TimingRisk has no weight"):
        WorstCase(ac.TemporaryImpact() + ac.TimingRisk(), {"base": base})
    with pytest.raises(ac.ModelError, match="TimingRisk has no weight"):
        WorstCase(ac.TimingRisk(), {"base": base}, less={"base": 1.0})
    with pytest.raises(ac.DataError, match="'other'"):
        WorstCase(COSTS, {"base": base}, less={"base": 1.0, "other": 2.0})
    with pytest.raises(ac.DataError, match="'thin'"):
        WorstCase(COSTS, {"base": base, "thin": base}, less={"base": 1.0})


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda base: "a market", "scenario 'x': str was given, a Market is expected"),
        (lambda base: market(EVEN, ["A", "B"]), "scenario 'x': the market has no asset C"),
        (lambda base: market(UNEVEN), "scenario 'x': its market has another grid"),
        (lambda base: market(SINGLE), "scenario 'x': its market has 1 intervals, the problem 5"),
        (
            lambda base: ac.Market(base.grid, base.price * [1.0, 1.01, 1.0], volume=base.volume),
            "scenario 'x': its price of B is 404, the problem's 400",
        ),
        (
            lambda base: ac.Market(base.grid, base.price, volume=base.volume, covariance=base.covariance),
            "scenario 'x': TemporaryImpact has no coefficient",
        ),
    ],
)
def test_a_market_that_does_not_fit_is_named(make, match):
    base = market()
    with pytest.raises(ac.AcoptError, match=match):
        problem(WorstCase(COSTS, {"base": base, "x": make(base)}), base=base)


def test_costs_that_are_not_convex_in_one_market_are_named():
    base = market()
    bent = market(impact=ac.LinearImpact(0.01, permanent_bps=50.0))
    with pytest.raises(ac.ModelError, match="scenario 'bent': the quadratic cost of trades is not convex"):
        problem(WorstCase(COSTS, {"base": base, "bent": bent}))


def test_a_parameter_of_a_custom_cost_is_refused():
    size = cp.Parameter(nonneg=True, value=2.0, name="size")
    own = ac.CustomCost(lambda p: size * cp.sum_squares(p.trades))
    with pytest.raises(ac.ModelError, match=r"cp\.Parameter size of its own"):
        problem(WorstCase(ac.TemporaryImpact() + own, {"base": market()}))


def test_another_grid_needs_another_problem():
    base = market()
    asked = problem(WorstCase(COSTS, {"base": base}))
    with pytest.raises(ac.ModelError, match="WorstCase was declared on the old one"):
        asked.update(market=market(UNEVEN))


def test_its_name_and_its_algebra():
    both = 2.0 * WorstCase(ac.SpreadCost(), {"a": market(), "b": market()}, name="spread at worst")
    assert repr(both) == "2 * WorstCase(SpreadCost(); a, b)"
    assert both.terms[0].cost.name == "spread at worst"


@pytest.mark.parametrize("kind", ["sell many", "buy many"])
def test_transient_impact_inside(kind):
    """The concave part of the permanent impact is carried by the transient one, in each market for itself."""
    base = market(UNEVEN)
    strength = 2e-7 * pd.Series(PRICES)
    costs = (
        ac.PermanentImpact()
        + TransientImpact(ExponentialDecay(half_life=0.2), strength)
        + ac.SpreadCost()
        + 2e-5 * ac.TimingRisk()
    )
    exact = problem(costs, kind, UNEVEN, base=base).solve()
    found = problem(WorstCase(costs, {"only": base}), kind, UNEVEN, base=base).solve()
    assert found.objective == pytest.approx(exact.objective, rel=1e-8)
    markets = several(base)
    both = problem(WorstCase(costs, markets), kind, UNEVEN, base=base)
    worst = value_in(markets, both.solve().path.trades, kind, costs)
    assert both.solve().objective == pytest.approx(max(worst.values()), rel=1e-9)


@pytest.mark.parametrize("kind", ["sell many", "buy many"])
def test_power_laws_inside(kind):
    base = market(impact=ac.SquareRootImpact(0.8))
    costs = PowerImpact() + ac.SpreadCost() + 2e-4 * ac.TimingRisk()
    exact = problem(costs, kind, base=base).solve()
    found = problem(WorstCase(costs, {"only": base}), kind, base=base).solve()
    assert found.objective == pytest.approx(exact.objective, rel=1e-7)
    markets = several(base)
    plan = problem(WorstCase(costs, markets), kind, base=base).solve()
    worst = value_in(markets, plan.path.trades, kind, costs)
    assert plan.objective == pytest.approx(max(worst.values()), rel=1e-9)
    assert plan.objective <= max(value_in(markets, exact.path.trades, kind, costs).values()) * (1 + 1e-9)


def test_a_budget_on_the_worst_case():
    base = market()
    markets = several(base)
    impact = ac.TemporaryImpact() + ac.SpreadCost()
    patient = problem(WorstCase(impact, markets)).solve()
    limit = 1.2 * patient.objective
    found = problem(1e-4 * ac.TimingRisk(), rules=[WorstCase(impact, markets) <= limit]).solve()
    assert max(value_in(markets, found.path.trades, costs=impact).values()) == pytest.approx(limit, rel=1e-7)
    free = problem(1e-4 * ac.TimingRisk() + ac.TemporaryImpact(pd.Series(1e-12, NAMES))).solve()
    assert found.objective > free.objective
    budgets = [UnderMarket(impact <= limit, each, name=f"budget {name}") for name, each in markets.items()]
    apart = problem(1e-4 * ac.TimingRisk(), rules=budgets).solve()
    assert apart.objective == pytest.approx(found.objective, rel=1e-6)


@pytest.mark.parametrize("kind", ["sell many", "buy many", "both sides"])
def test_impact_between_assets_inside(kind):
    base = market(UNEVEN)
    costs = ac.TemporaryImpact(cross_impact()) + ac.SpreadCost() + 2e-5 * ac.TimingRisk()
    exact = problem(costs, kind, UNEVEN, base=base).solve()
    found = problem(WorstCase(costs, {"only": base}), kind, UNEVEN, base=base).solve()
    assert found.objective == pytest.approx(exact.objective, rel=1e-9)
    asked = problem(WorstCase(costs, several(base)), kind, UNEVEN, base=base)
    trades = random_trades(asked, 3)
    assert cvxpy_objective(asked, trades) == pytest.approx(asked.evaluate(trades).objective, rel=1e-9)

"""Planned in one market, paid in another: fresh problems, closed forms, enumeration, rules of every market."""

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest
from builders import EVEN, NAMES, SINGLE, UNEVEN, market, order
from scipy.optimize import minimize_scalar

import acopt as ac
from acopt.analytic.almgren_chriss import AlmgrenChriss
from acopt.constraints.under_market import UnderMarket
from acopt.market.what_if import what_if
from acopt.sweeps.regret import regret
from acopt.sweeps.robust import robust

COSTS = ac.TemporaryImpact() + ac.PermanentImpact() + ac.SpreadCost() + 2e-5 * ac.TimingRisk()
CAPPED = (ac.Participation(0.12), ac.Monotone(), ac.DollarNeutral(0.6))


def scenarios(base):
    return {
        "thin": what_if(base, volume=0.7),
        "wild": what_if(base, volatility=2.0),
        "dear": what_if(base, impact=2.0, spread=2.0),
    }


def problem(kind="both sides", at=EVEN, rules=(), costs=COSTS, base=None):
    return ac.ExecutionProblem(order(kind), base or market(at), costs, rules)


def in_each(asked, markets):
    """The problem in each market, each declared anew."""
    return {
        name: ac.ExecutionProblem(asked.order, each, asked.objective, asked.constraints)
        for name, each in markets.items()
    }


@pytest.mark.parametrize("at", [EVEN, UNEVEN, SINGLE])
@pytest.mark.parametrize("kind", ["sell one", "buy one", "sell many", "buy many", "both sides"])
def test_the_matrix_is_that_of_fresh_problems(kind, at):
    asked = problem(kind, at)
    found = regret(asked, scenarios(asked.market))
    fresh = in_each(asked, {"base": asked.market, **scenarios(asked.market)})
    assert list(found.cost.index) == list(found.cost.columns) == ["base", "thin", "wild", "dear"]
    plans = {name: each.solve() for name, each in fresh.items()}
    for s, plan in plans.items():
        assert np.abs(found.plans[s].path.trades - plan.path.trades).max() <= 1e-7 * plan.setting.size
        for r, each in fresh.items():
            paid = each.evaluate(plan.path.trades)
            assert found.cost.loc[s, r] == pytest.approx(paid.bps(paid.objective), rel=1e-9)
            assert found.expected_cost.loc[s, r] == pytest.approx(paid.bps(paid.expected_cost), rel=1e-9)
            assert found.risk.loc[s, r] == pytest.approx(paid.bps(paid.risk), rel=1e-6)
    assert (np.diag(found.regret) == 0).all()
    assert (found.regret.to_numpy() >= -1e-9 * found.cost.to_numpy().max()).all()
    pd.testing.assert_series_equal(found.worst, found.regret.max(axis=1), check_names=False)
    assert found.best_plan == found.regret.max(axis=1).idxmin()
    assert (found.rules_broken == "").all(axis=None)


def test_the_closed_form_of_being_wrong_about_volatility():
    """Almgren and Chriss' example: planned with one volatility, paid with another."""
    size, horizon, n, eta, aversion = 1e6, 5.0, 20, 2.5e-6, 1e-6
    grid = ac.TimeGrid.uniform(horizon, n)
    markets = {str(v): ac.Market(grid, 50.0, covariance=v**2) for v in (0.5, 0.95, 1.9)}
    asked = ac.ExecutionProblem(ac.Order(size), markets["0.95"], ac.TemporaryImpact(eta) + aversion * ac.TimingRisk())
    found = regret(asked, markets)
    tau = horizon / n
    for s in markets:
        x = AlmgrenChriss(size, horizon, n, float(s), eta).optimum(aversion).holdings
        for r in markets:
            paid = eta / tau * np.sum(np.diff(x) ** 2) + aversion * float(r) ** 2 * tau * np.sum(x[1:] ** 2)
            assert found.cost.loc[s, r] == pytest.approx(1e4 * paid / (50.0 * size), rel=1e-9)
    assert list(found.cost.index) == list(markets), "the problem's own market has a name already"
    assert found.best_plan == "0.95"


def test_the_sequence_of_scenarios_is_that_of_the_matrix():
    asked = problem(rules=CAPPED)
    given = scenarios(asked.market)
    found, turned = regret(asked, given), regret(asked, dict(reversed(given.items())))
    pd.testing.assert_frame_equal(turned.cost.loc[found.cost.index, found.cost.columns], found.cost, rtol=1e-9)


def test_a_scenario_that_is_no_other_costs_nothing():
    asked = problem(rules=CAPPED)
    found = regret(asked, {"same": what_if(asked.market)})
    assert np.abs(found.regret.to_numpy()).max() <= 1e-9


@pytest.mark.parametrize("kind", ["sell many", "buy many", "both sides"])
def test_every_plan_keeps_the_rules_of_every_market(kind):
    rules = CAPPED if kind == "both sides" else CAPPED[:2]
    asked = problem(kind, rules=rules)
    markets = {"base": asked.market, **scenarios(asked.market)}
    found = regret(asked, scenarios(asked.market))
    thin = markets["thin"].select(asked.order.assets).volumes
    for plan in found.plans.values():
        assert (np.abs(plan.path.trades) <= 0.12 * thin * (1 + 1e-9)).all()
        assert plan.certificate.relative_gap <= 1e-6
        for each in in_each(asked, markets).values():
            assert not each.evaluate(plan.path.trades).rules_broken
    assert (found.rules_broken == "").all(axis=None)
    assert (found.regret.to_numpy() >= -1e-9 * found.cost.to_numpy().max()).all()
    binding = np.abs(found.plans["wild"].path.trades) >= 0.12 * thin * (1 - 1e-9)
    assert binding.any()
    tight = ac.TradeSize(*(sign * 0.12 * pd.DataFrame(thin, asked.market.grid.labels, asked.order.assets)
                           for sign in (-1, 1)))  # fmt: skip
    for name, each in markets.items():
        exact = ac.ExecutionProblem(asked.order, each, COSTS, [*rules, tight]).solve()
        assert found.cost.loc[name, name] == pytest.approx(exact.bps(exact.objective), rel=1e-9)


def test_each_may_keep_the_rules_of_its_own_market_alone():
    asked = problem(rules=CAPPED)
    markets = {"base": asked.market, **scenarios(asked.market)}
    found = regret(asked, scenarios(asked.market), rules="own")
    for name, each in in_each(asked, markets).items():
        exact = each.solve()
        assert found.cost.loc[name, name] == pytest.approx(exact.bps(exact.objective), rel=1e-9)
    assert found.rules_broken.loc["wild", "thin"] == "Participation"
    assert (found.rules_broken.loc["thin"] == "").all()
    everywhere = (found.rules_broken == "").all(axis=1)
    assert not everywhere.all()
    assert found.best_plan == found.worst[everywhere].idxmin()
    kept = regret(asked, scenarios(asked.market))
    free = found.cost.to_numpy().diagonal()
    assert (kept.cost.to_numpy().diagonal() >= free * (1 - 1e-9)).all(), "rules of all markets cost something"


def test_no_plan_may_keep_the_rules_everywhere():
    base = market()
    ramp = np.linspace(1.9, 0.1, 5)[:, None]
    early, late = base.volumes * ramp, base.volumes * ramp[::-1]
    asked = problem(rules=[ac.Participation(0.05)], base=base.with_volumes(early))
    found = regret(asked, {"late": base.with_volumes(late)}, rules="own")
    assert (found.rules_broken.to_numpy()[[0, 1], [1, 0]] == "Participation").all()
    assert found.best_plan is None


def test_rules_that_read_the_same_are_there_once():
    slow = ac.CustomConstraint(lambda p: p.done("A") <= p.done("C") + 0.3, name="pair")
    crowd = ac.CustomConstraint(lambda p: cp.abs(p.asset("B").participation) <= 0.012, name="crowd")
    asked = problem(rules=[*CAPPED, slow, crowd])
    found = regret(asked, {"thin": what_if(asked.market, volume=0.7), "wild": what_if(asked.market, volatility=2)})
    names = [rule.name for rule in found.plans["base"].pricing.constraints]
    varying = [f"{name} ({s})" for name in ("Participation", "crowd") for s in ("base", "thin", "wild")]
    assert sorted(names) == sorted(["Monotone", "DollarNeutral", "pair", *varying])
    thin = 0.7 * asked.market.volumes[:, 1]
    for plan in found.plans.values():
        assert (np.abs(plan.path.trades[:, 1]) <= 0.012 * thin * (1 + 1e-8)).all()
    assert np.isclose(np.abs(found.plans["wild"].path.trades[:, 1]), 0.012 * thin, rtol=1e-6).any()


def test_nothing_trades_where_one_of_the_markets_cannot():
    base = market()
    volume = base.volumes.copy()
    volume[1, 0] = 0.0
    asked = problem(base=base)
    found = regret(asked, {"dry": base.with_volumes(volume)})
    assert all(plan.path.trades[1, 0] == 0.0 for plan in found.plans.values())
    assert (found.rules_broken == "").all(axis=None)
    own = regret(asked, {"dry": base.with_volumes(volume)}, rules="own")
    assert own.plans["base"].path.trades[1, 0] != 0.0
    assert own.rules_broken.loc["base", "dry"] == "closed intervals"
    plan = robust(asked, {"dry": base.with_volumes(volume)}).plan
    assert plan.path.trades[1, 0] == 0.0


def test_one_price_of_risk_is_found_and_holds_everywhere():
    costs = ac.TemporaryImpact() + ac.SpreadCost() + ac.TimingRisk()
    asked = problem(costs=costs, rules=CAPPED)
    found = regret(asked, scenarios(asked.market), risk_price=0.05, rules="own")
    exact = asked.solve_for(risk_price=0.05)
    weights = {next(t.weight for t in plan.pricing.terms if t.cost.kind == "risk") for plan in found.plans.values()}
    assert weights == {exact.urgency.risk_aversion}
    assert np.abs(found.plans["base"].path.trades - exact.path.trades).max() <= 1e-6 * exact.setting.size
    assert asked.objective.terms[-1].weight is None, "the problem stays as it was"
    sure = robust(asked, scenarios(asked.market), risk_price=0.05)
    assert sure.plan.urgency.risk_aversion == exact.urgency.risk_aversion


def test_soft_rules_and_unfilled_orders_are_paid_in_each_market():
    rules = [ac.Participation(0.05, penalty_bps=20.0), ac.AllowUnfilled(6.0), ac.Monotone()]
    asked = problem(rules=rules)
    markets = {"base": asked.market, "thin": what_if(asked.market, volume=0.5)}
    found = regret(asked, {"thin": markets["thin"]})
    fresh = in_each(asked, markets)
    for s, each in fresh.items():
        plan = each.solve()
        for r, other in fresh.items():
            paid = other.evaluate(plan.path.trades)
            assert found.cost.loc[s, r] == pytest.approx(paid.bps(paid.objective), rel=1e-8)
    assert (found.regret.to_numpy() >= -1e-9).all()
    sure = robust(asked, {"thin": markets["thin"]})
    assert np.abs(sure.plan.path.remaining[-1]).max() > 1.0, "some of it is let go"
    worst = [each.evaluate(sure.plan.path.trades) for each in fresh.values()]
    assert sure.solved.objective == pytest.approx(max(plan.objective for plan in worst), rel=1e-8)
    assert sure.worst_case[0] <= found.cost.max(axis=1).min() * (1 + 1e-9)


def test_a_budget_is_one_in_every_market():
    """A limit on the standard deviation binds where volatility is high."""
    costs, limit = ac.TemporaryImpact() + ac.SpreadCost(), 45.0
    asked = problem(costs=costs, rules=[ac.Monotone(), ac.TimingRisk() <= ac.bps(limit)])
    wild = {"wild": what_if(asked.market, volatility=1.6)}
    kept, own = regret(asked, wild), regret(asked, wild, rules="own")
    assert kept.risk.loc["base", "wild"] == pytest.approx(limit, rel=1e-6)
    assert np.abs(kept.regret.to_numpy()).max() <= 1e-6, "impact and spread are the same: so is the best plan"
    assert own.risk.loc["base", "base"] == pytest.approx(limit, rel=1e-6)
    assert own.rules_broken.loc["base", "wild"] == "TimingRisk budget"
    assert own.regret.loc["base", "wild"] < 0, "breaking a rule is cheap"
    assert robust(asked, wild).worst_case[0] == pytest.approx(kept.cost.loc["base", "base"], rel=1e-7)


def test_history_is_kept():
    asked = problem(rules=CAPPED)
    executed = np.array([[-300.0, 20.0, -100.0]])
    later = asked.with_history(executed)
    found = regret(later, scenarios(asked.market))
    sure = robust(later, scenarios(asked.market), regret=True)
    for plan in (*found.plans.values(), sure.plan):
        np.testing.assert_array_equal(plan.path.trades[:1], executed)
        assert np.abs(plan.path.remaining[-1]).max() == 0.0
    assert (found.regret.to_numpy() >= -1e-9).all()
    assert sure.worst_case[0] <= found.worst.min() * (1 + 1e-7)


# One plan for all of them.


@pytest.mark.parametrize("at", [EVEN, UNEVEN, SINGLE])
@pytest.mark.parametrize("kind", ["sell one", "buy one", "both sides"])
def test_with_one_market_robust_is_optimal(kind, at):
    asked = problem(kind, at)
    exact, found = asked.solve(), robust(asked, {"only": asked.market})
    assert found.plan.objective == pytest.approx(exact.objective, rel=1e-9)
    assert found.worst_case == (pytest.approx(exact.bps(exact.objective), rel=1e-9), "only")
    regretful = robust(asked, {"only": asked.market}, regret=True)
    assert abs(regretful.worst_case[0]) <= 1e-7 * exact.bps(exact.objective)


@pytest.mark.parametrize("shares", [1e5, -1e5])
@pytest.mark.parametrize("criterion", ["objective", "regret"])
def test_two_trades_and_a_line_search(shares, criterion):
    """With two intervals there is one number to choose; both objectives are parabolas in it."""
    grid, aversion = ac.TimeGrid([0.0, 0.3, 1.0]), 2e-6
    known = {"calm": (3e-6, 0.2), "wild": (1e-6, 2.5), "dear": (5e-6, 0.9)}
    markets = {
        s: ac.Market(grid, 50.0, covariance=v**2, impact=ac.ImpactCoefficients(eta)) for s, (eta, v) in known.items()
    }

    def value(share, eta, volatility):
        first, second = share * shares, (1.0 - share) * shares
        return eta * (first**2 / 0.3 + second**2 / 0.7) + aversion * volatility**2 * 0.3 * second**2

    def least(f):
        return minimize_scalar(f, bounds=(0.0, 1.0), method="bounded", options={"xatol": 1e-12})

    best = {s: least(lambda y, k=k: value(y, *k)).fun if criterion == "regret" else 0.0 for s, k in known.items()}
    exact = least(lambda y: max(value(y, *k) - best[s] for s, k in known.items()))
    asked = ac.ExecutionProblem(ac.Order(shares), markets["calm"], ac.TemporaryImpact() + aversion * ac.TimingRisk())
    found = robust(asked, markets, regret=criterion == "regret")
    assert found.criterion == criterion
    assert found.plan.path.trades[0, 0] == pytest.approx(-exact.x * shares, rel=1e-5)
    assert found.worst_case[0] == pytest.approx(1e4 * exact.fun / 5e6, rel=1e-7)


def test_no_plan_of_one_market_has_a_better_worst_case():
    asked = problem(rules=CAPPED)
    alone = regret(asked, scenarios(asked.market))
    sure, sorry = (robust(asked, scenarios(asked.market), regret=flag) for flag in (False, True))
    assert sure.worst_case[0] <= alone.cost.max(axis=1).min() * (1 + 1e-9)
    assert sorry.worst_case[0] < 0.9 * alone.worst.min(), "well below what any of the plans alone can promise"
    assert sorry.worst_case[0] <= sure.table["regret"].max() * (1 + 1e-9)
    assert sure.worst_case[0] <= sorry.table["objective"].max() * (1 + 1e-9)
    for found in (sure, sorry):
        markets = {"base": asked.market, **scenarios(asked.market)}
        for name, each in in_each(asked, markets).items():
            paid = each.evaluate(found.plan.path.trades)
            row = found.table.loc[name]
            assert not paid.rules_broken
            assert row["objective"] == pytest.approx(paid.bps(paid.objective), rel=1e-9)
            assert row["cost"] == pytest.approx(paid.bps(paid.expected_cost), rel=1e-9)
            assert row["risk"] == pytest.approx(paid.bps(paid.risk), rel=1e-9)
            assert row["best"] == pytest.approx(alone.cost.loc[name, name], rel=1e-9)
            assert row["regret"] == pytest.approx(row["objective"] - row["best"], abs=1e-9)
        assert found.plan.certificate.conic
        assert found.plan.certificate is found.solved.certificate
        assert found.plan.objective == pytest.approx(asked.evaluate(found.plan.path.trades).objective, rel=1e-12)
        assert found.table[found.criterion].idxmax() == found.worst_case[1]


def test_robust_may_keep_the_problems_own_rules_alone():
    asked = problem(rules=CAPPED)
    thin = {"thin": what_if(asked.market, volume=0.7), "wild": what_if(asked.market, volatility=3.0)}
    free, kept = robust(asked, thin, rules="own"), robust(asked, thin)
    assert not free.plan.rules_broken
    assert free.worst_case[0] <= kept.worst_case[0] * (1 + 1e-9)
    cap = 0.12 * thin["thin"].volumes
    assert (np.abs(kept.plan.path.trades) <= cap * (1 + 1e-9)).all()
    assert (np.abs(free.plan.path.trades) > cap * (1 + 1e-9)).any()


def test_they_can_be_shown():
    asked = problem()
    found, sure = regret(asked, scenarios(asked.market)), robust(asked, scenarios(asked.market), regret=True)
    assert str(found).splitlines()[0] == "regret, bps: planned in (row), paid in (column)"
    assert "worst" in str(found)
    assert found._repr_html_().count("<tr") == 6
    assert f"at worst {sure.worst_case[0]:.4g} bps of regret, in {sure.worst_case[1]!r}" in str(sure)
    assert "a conic program and not a QP" in str(sure)
    assert sure._repr_html_().count("<tr") == 5


# What is refused.


@pytest.mark.parametrize("run", [regret, robust])
@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda base: {}, "at least one Market"),
        (lambda base: None, "at least one Market"),
        (lambda base: [base], "at least one Market"),
        (lambda base: {"x": 0.7}, "scenario 'x': float was given, a Market is expected"),
        (lambda base: {"x": market(EVEN, ["A", "B"])}, "scenario 'x': the market has no asset C"),
        (lambda base: {"x": market(SINGLE)}, "scenario 'x': its market has 1 intervals, the problem 5"),
        (lambda base: {"x": market(UNEVEN)}, "scenario 'x': its market has another grid"),
        (
            lambda base: {"x": ac.Market(base.grid, 2 * base.price, volume=base.volume)},
            "scenario 'x': its price of A is 40, the problem's 20",
        ),
        (lambda base: {1: what_if(base), "1": what_if(base)}, "two are called '1'"),
        (lambda base: {"base": what_if(base)}, "'base' is what the problem's own market is called"),
    ],
)
def test_scenarios_that_cannot_be_used(run, make, match):
    asked = problem()
    with pytest.raises(ac.DataError, match=match):
        run(asked, make(asked.market))


@pytest.mark.parametrize("run", [regret, robust])
def test_other_input_that_cannot_be_used(run):
    asked = problem()
    given = scenarios(asked.market)
    with pytest.raises(ac.DataError, match="'all' or 'own' is expected"):
        run(asked, given, rules="none")
    with pytest.raises(ac.DataError, match="an ExecutionProblem is expected"):
        run(asked.solve(), given)
    with pytest.raises(ac.DataError, match="the order is zero"):
        run(problem("nothing"), {"same": what_if(market())})
    free = problem(costs=ac.TemporaryImpact() + ac.TimingRisk())
    with pytest.raises(ac.ModelError, match="TimingRisk has no weight"):
        run(free, given)
    with pytest.raises(ac.ModelError, match="no risk term to turn"):
        run(asked, given, risk_price=0.3)


@pytest.mark.parametrize("run", [regret, robust])
def test_a_scenario_in_which_the_order_cannot_be_done_is_named(run):
    asked = problem(rules=CAPPED)
    with pytest.raises(ac.InfeasibleError, match=r"scenario 'empty': A.*caps sum to") as caught:
        run(asked, {"thin": what_if(asked.market, volume=0.8), "empty": what_if(asked.market, volume=0.1)})
    assert caught.value.diagnosis is not None


@pytest.mark.parametrize("run", [regret, robust])
def test_rules_that_hold_in_each_market_but_not_in_all_say_so(run):
    base = market()
    ramp = np.linspace(1.9, 0.1, 5)[:, None]
    early, late = base.with_volumes(base.volumes * ramp), base.with_volumes(base.volumes * ramp[::-1])
    asked = problem(rules=[ac.Participation(0.05)], base=early)
    with pytest.raises(ac.InfeasibleError, match=r"all scenarios together.*Participation"):
        run(asked, {"late": late})
    assert set(regret(asked, {"late": late}, rules="own").plans) == {"base", "late"}


def test_a_plan_says_which_scenario_its_rule_is_of():
    asked = problem(rules=CAPPED)
    found = regret(asked, scenarios(asked.market))
    assert {type(rule) for rule in found.plans["thin"].pricing.constraints if "(" in rule.name} <= {
        *UnderMarket.__subclasses__()
    }
    assert "Participation (thin)" in set(found.plans["wild"].shadow_prices()["constraint"])
    assert list(NAMES) == list(found.plans["wild"].trades.columns)

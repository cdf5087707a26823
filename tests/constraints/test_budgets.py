"""Budgets: what `cost <= limit` means, against weights that are searched for, other solvers, and hand counts."""

import pickle

import builders
import cvxpy as cp
import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog

import acopt as ac
from acopt.constraints.budget import Budget
from acopt.constraints.position_bounds import money as shown
from acopt.costs.power import PowerImpact
from acopt.costs.transient import TransientImpact
from acopt.market.kernels import ExponentialDecay, PowerLawDecay

KINDS = ("sell one", "buy one", "sell many", "both sides")


def money():
    """Return what an execution pays."""
    return ac.TemporaryImpact() + ac.PermanentImpact() + ac.SpreadCost()


def problem(cost, rules=(), *, order="both sides", at=builders.EVEN, **changes):
    """Return a problem with everything in its market."""
    market = builders.market(at, builders.ORDERS[order], **changes)
    return ac.ExecutionProblem(builders.order(order), market, cost, [*rules])


def limits_row(made, name):
    """Return the one CVXPY row of a budget, its parameters as they are now."""
    assert made.cvxpy_problem is not None
    (row,) = made.declaration.rules[name]
    return row


@pytest.mark.parametrize("order", KINDS)
@pytest.mark.parametrize("at", [builders.EVEN, builders.UNEVEN])
def test_a_risk_budget_is_the_dial(order, at):
    caps = [ac.Participation(0.3)]
    dial = problem(money() + ac.TimingRisk(), caps, order=order, at=at).solve_for(risk_price=0.4)
    plan = problem(money(), [*caps, ac.TimingRisk() <= ac.bps(dial.urgency.risk_bps)], order=order, at=at).solve()
    assert plan.certificate.conic
    assert "a conic program and not a QP" in str(plan.certificate)
    assert plan.expected_cost == pytest.approx(dial.expected_cost, rel=1e-7)
    assert plan.risk <= dial.risk + 1e-9 * plan.setting.gross
    assert np.abs(plan.path.trades - dial.path.trades).max() < 1e-4 * plan.setting.size
    price = plan.shadow_prices().set_index("constraint").loc["TimingRisk budget"]
    assert price["price"] == pytest.approx(0.4, rel=1e-5)  # currency of cost per currency of risk: the risk price
    assert price["bound"] == pytest.approx(dial.risk, rel=1e-12)
    assert price["unit"] == "currency"


@pytest.mark.parametrize("order", KINDS)
def test_a_cost_budget_is_the_dial(order):
    dial = problem(money() + ac.TimingRisk(), order=order).solve_for(risk_price=0.4)
    plan = problem(1.0 * ac.TimingRisk(), [money() <= ac.bps(dial.urgency.cost_bps)], order=order).solve()
    assert plan.risk == pytest.approx(dial.risk, rel=1e-6)
    price = plan.shadow_prices("constraint").set_index("constraint")["price"]
    (name,) = [c.name for c in plan.pricing.constraints]
    assert price[name] == pytest.approx(1.0 / dial.urgency.risk_aversion, rel=1e-3)


@pytest.mark.parametrize("order", KINDS)
def test_tracking_has_budgets_too(order):
    weighted = problem(money() + 1e-4 * ac.TrackingRisk(ac.VWAP()), order=order).solve()
    limit = float(np.sqrt(weighted.tracking_variance))
    plan = problem(money(), [ac.TrackingRisk(ac.VWAP()) <= limit], order=order).solve()
    assert plan.expected_cost == pytest.approx(weighted.expected_cost, rel=1e-6)


@pytest.mark.parametrize(
    "budget", [lambda: ac.TimingRisk() <= 1e7, lambda: money() <= 1e7, lambda: ac.SpreadCost() <= 1e7]
)
@pytest.mark.parametrize("order", ["sell one", "both sides"])
def test_a_budget_that_does_not_bind_is_none(budget, order):
    cost = money() + 1e-4 * ac.TimingRisk()
    free, plan = problem(cost, order=order).solve(), problem(cost, [budget()], order=order).solve()
    assert plan.objective == pytest.approx(free.objective, rel=1e-8)
    assert np.abs(plan.path.trades - free.path.trades).max() < 1e-4 * free.setting.size
    prices = plan.shadow_prices("constraint").set_index("constraint")["price"]
    assert prices[plan.pricing.constraints[0].name] == 0.0


FACTORS = ac.FactorModel(
    pd.DataFrame({"market": [0.3, 6.0, 0.8], "value": [0.1, -2.0, 0.3]}, list("ABC")),
    np.array([[1.0, 0.2], [0.2, 0.5]]),
    pd.Series({"A": 0.05, "B": 9.0, "C": 0.4}),
)
COSTS = {
    "temporary": lambda: ac.TemporaryImpact(),
    "money": money,
    "half": lambda: 2.0 * ac.TemporaryImpact() + ac.PermanentImpact(own="half"),
    "weighted": lambda: money() + 1e-4 * ac.TimingRisk(),
    "cross": lambda: ac.TemporaryImpact(builders.cross_impact()) + 0.5 * ac.SpreadCost(),
    "smooth": lambda: ac.Smoothness(scale=0.1) + ac.TemporaryImpact(),
    "alpha": lambda: money() + ac.Alpha(pd.Series({"A": 0.01, "B": -0.5, "C": 0.0})),
    "custom": lambda: ac.CustomCost(lambda p: 1e-3 * cp.sum(cp.abs(p.notional)), name="fee") + ac.TemporaryImpact(),
    "risk": lambda: ac.TimingRisk(),
    "tracking": lambda: ac.TrackingRisk(ac.TWAP()),
    "factor risk": lambda: ac.TimingRisk(FACTORS),
    "own risk": lambda: ac.TimingRisk(ac.Covariance.diagonal(pd.Series({"A": 0.3, "B": 9.0, "C": 1.0}))),
}


@pytest.mark.parametrize("kind", COSTS)
@pytest.mark.parametrize("at", [builders.EVEN, builders.UNEVEN])
def test_the_row_says_what_the_numbers_say(kind, at):
    """CVXPY's side of the row, in currency, is the cost that NumPy sums from the trades."""
    made = problem(money(), [Budget(COSTS[kind](), 5_000.0, name="budget")], at=at)
    (rule,), row = made.constraints, limits_row(made, "budget")
    for seed in (1, 2, 3):
        trades = builders.random_trades(made, seed=seed)
        builders.cvxpy_objective(made, trades)
        plan = made.evaluate(trades)
        if kind in ("risk", "tracking", "factor risk", "own risk"):
            cost = rule.terms[0].cost
            by_hand = float(np.sqrt(np.sum(cost.values(plan.path))))
        else:
            by_hand = sum((t.weight or 1.0) * float(np.sum(t.cost.values(plan.path))) for t in rule.terms)
        size = rule.size(made.setting)
        assert size * float(row.args[0].value) == pytest.approx(by_hand, rel=1e-9)
        assert size * float(row.args[1].value) == pytest.approx(5_000.0, rel=1e-12)
        assert plan.rules_broken.get("budget", 0.0) == pytest.approx(max(by_hand - 5_000.0, 0.0), rel=1e-9)


def test_a_weighted_risk_is_currency():
    aversion = 1e-4
    whole = money() + aversion * ac.TimingRisk()
    least = problem(whole).solve()
    rough = ac.Smoothness(weight=pd.Series({"A": 1e-7, "B": 1e-5, "C": 1e-7}))
    plan = problem(rough, [Budget(whole, 1.2 * least.objective, name="utility")]).solve()
    priced = problem(whole).evaluate(plan)
    assert priced.objective <= 1.2 * least.objective * (1 + 1e-8)
    assert priced.objective == pytest.approx(1.2 * least.objective, rel=1e-6)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_linear_budgets_stay_linear(sign):
    """Earn a drift with capped trades, no more half-spread than so much: scipy's linear program agrees."""
    n, order, half, cap = 6, 10_000.0 * sign, 0.02, 4_000.0
    drift = np.array([0.4, -0.9, 0.3, 0.8, -0.2, 0.1])
    grid = ac.TimeGrid.uniform(1.0, n)
    market = ac.Market(grid, 50.0, spread=2 * half)
    start = ac.Order(order)
    rules = [ac.TradeSize(-cap, cap), ac.SpreadCost() <= 320.0]
    plan = ac.ExecutionProblem(start, market, ac.Alpha(drift), rules).solve()
    # x_k = x_0 + sum u, u = buys - sells >= 0 apart
    gain = np.array([-(drift[k:] / n).sum() for k in range(n)])
    answer = linprog(
        np.concatenate([gain, -gain]),
        A_ub=[np.full(2 * n, half)],
        b_ub=[320.0],
        A_eq=[np.concatenate([np.ones(n), -np.ones(n)])],
        b_eq=[-order],
        bounds=[(0.0, cap)] * (2 * n),
    )
    fixed = -float((drift / n).sum()) * order
    assert not plan.certificate.conic
    assert plan.objective == pytest.approx(answer.fun + fixed, rel=1e-9)
    price = plan.shadow_prices("constraint").set_index("constraint").loc["SpreadCost budget", "price"]
    assert price == pytest.approx(-answer.ineqlin.marginals[0], rel=1e-7)
    assert price > 0


def test_the_price_is_the_slope():
    budgets = [ac.TimingRisk() <= ac.bps(25), ac.TemporaryImpact() <= 123.0]
    cost = money() + ac.Smoothness(scale=0.1)
    plan = problem(cost, budgets).solve()
    prices = plan.shadow_prices("constraint").set_index("constraint")["price"]
    made = problem(cost, budgets)
    limits = {"TimingRisk budget": ("bps", 25.0), "TemporaryImpact budget": ("currency", 123.0)}
    for name, (unit, limit) in limits.items():
        step = 1e-4 * limit
        ends = []
        for side in (1.0, -1.0):
            new = limit + side * step
            made.update(constraints={name: {"limit": ac.bps(new) if unit == "bps" else new}})
            ends.append(made.solve().objective)
        made.update(constraints={name: {"limit": ac.bps(limit) if unit == "bps" else limit}})
        width = 2 * step * (1e-4 * made.setting.gross if unit == "bps" else 1.0)
        assert prices[name] == pytest.approx((ends[1] - ends[0]) / width, rel=1e-3, abs=1e-6)
    assert prices["TimingRisk budget"] > 0.01
    assert prices["TemporaryImpact budget"] > 0.01


def test_update_solves_the_compiled_problem_again():
    made = problem(money(), [ac.TimingRisk() <= ac.bps(30), ac.SpreadCost() <= 400.0])
    made.solve()
    compiled = made.declaration
    made.update(constraints={"TimingRisk budget": {"limit": ac.bps(20)}, "SpreadCost budget": {"limit": 300.0}})
    fresh = problem(money(), [ac.TimingRisk() <= ac.bps(20), ac.SpreadCost() <= 300.0]).solve()
    assert made.declaration is compiled
    assert made.solve().objective == pytest.approx(fresh.objective, rel=1e-8)
    made.update(constraints={"TimingRisk budget": {"limit": 1_090.0}}, order=builders.order("sell many"))
    fresh = problem(money(), [ac.TimingRisk() <= 1_090.0, ac.SpreadCost() <= 300.0], order="sell many").solve()
    assert made.solve().objective == pytest.approx(fresh.objective, rel=1e-8)
    with pytest.raises(ac.ModelError, match="another cost needs a new ExecutionProblem"):
        made.update(constraints={"SpreadCost budget": {"cost": ac.TemporaryImpact()}})


@pytest.mark.parametrize("size", [1e2, 1e5, 1e9])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_any_size(size, sign):
    def plan(size, sign):
        market = ac.Market(
            ac.TimeGrid.uniform(1.0, 6),
            50.0,
            volume=size * np.array([3.0, 2.0, 1.0, 1.0, 2.0, 3.0]),
            covariance=[[1.0]],
            spread=0.02,
            impact=ac.LinearImpact(8.0, permanent_bps=0.5),
        )
        return ac.ExecutionProblem(ac.Order(sign * size), market, money(), [ac.TimingRisk() <= ac.bps(60)]).solve()

    own, unit = plan(size, sign), plan(1.0, 1.0)
    assert own.bps(own.expected_cost) == pytest.approx(unit.bps(unit.expected_cost), rel=1e-7)
    assert own.bps(own.risk) == pytest.approx(60.0, rel=1e-6)
    assert np.abs(sign * own.path.trades / size - unit.path.trades).max() < 1e-4


@pytest.mark.parametrize("at", [builders.EVEN, builders.SINGLE])
@pytest.mark.parametrize("order", ["nothing", "sell one"])
def test_zero_orders_and_one_interval(order, at):
    for rule in (ac.TimingRisk() <= ac.bps(500), money() <= ac.bps(500), ac.TimingRisk() <= 5e3):
        plan = problem(money(), [rule], order=order, at=at).solve()
        free = problem(money(), order=order, at=at).solve()
        assert plan.objective == pytest.approx(free.objective, rel=1e-7, abs=1e-9)
        assert plan.rules_broken == {}


def test_what_the_order_fixes_counts():
    market = builders.market(assets=["A"])
    fixed = 0.5 * market.impact.permanent(market)[0, 0] * 9_000.0**2
    whole = problem(money(), order="sell one").solve()
    with pytest.raises(ac.InfeasibleError, match="is fixed by the order") as caught:
        problem(money(), [money() <= 0.9 * fixed], order="sell one")
    assert shown(whole.objective) in str(caught.value)
    tight = problem(1.0 * ac.TimingRisk(), [money() <= 1.01 * whole.objective], order="sell one").solve()
    assert tight.certificate.violation <= 1e-9


def test_a_negative_limit_may_be_earned():
    gain = ac.Alpha(pd.Series({"A": -60.0}))
    made = problem(
        ac.TemporaryImpact() + 1e-3 * ac.TimingRisk(), [ac.TemporaryImpact() + gain <= -50.0], order="sell one"
    )
    plan = made.solve()
    earned = problem(ac.TemporaryImpact() + gain, order="sell one").evaluate(plan)
    assert earned.objective <= -50.0 * (1 - 1e-8)


def test_history_counts():
    made = problem(money(), [ac.TimingRisk() <= ac.bps(40)], order="sell one")
    plan = made.solve()
    same = plan.reoptimize(at=float(made.setting.grid.edges[2]), executed=plan.trades.iloc[:2])
    assert same.expected_cost == pytest.approx(plan.expected_cost, rel=1e-6)
    assert same.risk <= plan.risk * (1 + 1e-8)
    with pytest.raises(ac.InfeasibleError):
        plan.reoptimize(at=float(made.setting.grid.edges[4]), executed=0.0 * plan.trades.iloc[:4])


def test_reads_as_it_was_written():
    rule = ac.TimingRisk() <= ac.bps(20)
    assert repr(rule) == "TimingRisk() <= 20 bps"
    assert rule.name == "TimingRisk budget"
    limit = 1e6
    assert repr(limit >= money()) == "TemporaryImpact() + PermanentImpact() + SpreadCost() <= 1,000,000"
    assert (money() <= 5).name == "TemporaryImpact + PermanentImpact + SpreadCost budget"
    assert repr(ac.bps(2) >= ac.SpreadCost()) == "SpreadCost() <= 2 bps"
    assert isinstance(np.float64(3.0) >= ac.SpreadCost(), Budget)
    assert isinstance(np.float64(3.0) * ac.SpreadCost(), ac.Objective)
    assert Budget(ac.TimingRisk(), 3.0, name="cap").name == "cap"
    made = problem(money(), [rule])
    again = pickle.loads(pickle.dumps(made))  # noqa: S301 - our own data
    assert again.solve().objective == pytest.approx(made.solve().objective, rel=1e-9)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ac.TimingRisk() >= 5.0, "not above one"),
        (lambda: min(5.0, 6.0) <= money(), "not above one"),
        (lambda: ac.TimingRisk() < 5.0, "write cost <= limit"),
        (lambda: ac.TimingRisk() > 5.0, "not above one"),
        (lambda: ac.TimingRisk() <= ac.SpreadCost(), "cannot be compared"),
        (lambda: money() <= money(), "cannot be compared"),
        (lambda: ac.SpreadCost() <= 5.0 <= 6.0, "neither true nor false"),
        (lambda: bool(ac.SpreadCost() <= 5.0), "neither true nor false"),
        (lambda: 1e-6 * ac.TimingRisk() <= 5.0, "a weight has no meaning"),
        (lambda: money() + ac.TimingRisk() <= 5.0, "TimingRisk is a variance"),
        (lambda: ac.TimingRisk() + ac.TrackingRisk(ac.TWAP()) <= 5.0, "is a variance"),
        (lambda: Budget(ac.SpreadCost(), 5.0, assets=["A"]), "have no meaning for a budget"),
        (lambda: Budget(ac.SpreadCost(), 5.0, during=(0.0, 0.5)), "have no meaning for a budget"),
        (lambda: Budget(ac.SpreadCost(), 5.0, penalty_bps=3.0), "add the cost to the objective"),
        (lambda: Budget(ac.Complete(), 5.0), "a cost or a sum of costs is expected"),
        (lambda: problem(money(), [ac.PermanentImpact() <= 5.0]), "PermanentImpact budget: .* not convex"),
        (lambda: problem(money(), [ac.TimingRisk() <= 5.0, ac.TimingRisk() <= 6.0]), "called 'TimingRisk budget'"),
    ],
)
def test_what_is_no_budget(make, words):
    with pytest.raises(ac.ModelError, match=words):
        make()


@pytest.mark.parametrize("limit", [np.nan, np.inf, "5", True, None, [5.0], ac.bps(pd.Series({"A": 1.0}))])
def test_limits_that_are_none(limit):
    with pytest.raises(ac.DataError, match="SpreadCost budget: the limit"):
        ac.SpreadCost() <= limit  # noqa: B015


@pytest.mark.parametrize("limit", [0.0, -1.0, ac.bps(0.0)])
def test_a_deviation_has_a_positive_limit(limit):
    with pytest.raises(ac.DataError, match="> 0 is expected"):
        ac.TimingRisk() <= limit  # noqa: B015


def test_a_parameter_of_a_user_s_is_refused():
    own = cp.Parameter(nonneg=True, value=1e-3)
    with pytest.raises(ac.ModelError, match="write CustomConstraint"):
        problem(money(), [ac.CustomCost(lambda p: own * cp.sum(cp.abs(p.notional)), name="fee") <= 50.0])


def test_a_risk_without_deviation_says_so():
    class Own(ac.Cost):
        kind = "risk"

        def values(self, path):
            return path.remaining[1:] ** 2

    with pytest.raises(ac.ModelError, match="states the norm it is"):
        problem(money(), [Own() <= 5.0])


@pytest.mark.parametrize("cost", ["exponential", "power law", "3/2 power"])
def test_costs_with_a_form_of_their_own(cost):
    """Impact that fades carries permanent impact that is concave; the power law is a cone of its own."""
    strength = pd.Series({"A": 1e-5, "B": 1e-3, "C": 1e-5})
    made = {
        "exponential": lambda: TransientImpact(ExponentialDecay(half_life=0.2), strength),
        "power law": lambda: TransientImpact(PowerLawDecay(0.4, 0.1), strength),
        "3/2 power": lambda: PowerImpact(pd.Series({"A": 1e-3, "B": 5e-2, "C": 1e-3}), 0.5),
    }[cost]()
    # Without temporary impact, only impact that fades can carry the permanent one.
    whole = made + (ac.TemporaryImpact() if cost == "3/2 power" else ac.PermanentImpact())
    dial = problem(whole + ac.TimingRisk()).solve_for(risk_price=0.3)
    plan = problem(1.0 * ac.TimingRisk(), [whole <= dial.expected_cost]).solve()
    assert plan.risk == pytest.approx(dial.risk, rel=1e-6)
    plan = problem(whole, [ac.TimingRisk() <= dial.risk]).solve()
    assert plan.expected_cost == pytest.approx(dial.expected_cost, rel=1e-6)


def test_a_cost_that_equals_a_value_is_no_budget():
    with pytest.raises(ac.ModelError, match=r"bool was given, a Constraint is expected \(cost <= value is a budget\)"):
        problem(money(), [ac.TemporaryImpact() == 100.0])


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_beside_an_order_that_may_stay_unfilled(side):
    """One interval: eta u^2 / tau <= limit leaves u = sqrt(limit tau / eta), whatever the rest costs."""
    eta, tau, limit, shares = 2e-6, 0.5, 100.0, 1e4
    market = ac.Market(ac.TimeGrid(np.array([0.0, tau])), 50.0)
    cost = ac.TemporaryImpact(eta)
    with pytest.raises(ac.InfeasibleError):
        ac.ExecutionProblem(ac.Order(side * shares), market, cost, [cost <= limit]).solve()
    rules = [cost <= limit, ac.AllowUnfilled(500.0)]
    plan = ac.ExecutionProblem(ac.Order(side * shares), market, cost, rules).solve()
    traded = float(np.sqrt(limit * tau / eta))
    assert plan.path.trades[0, 0] == pytest.approx(-side * traded, rel=1e-7)
    assert plan.term_values["Unfilled"] == pytest.approx(500e-4 * 50.0 * (shares - traded), rel=1e-6)
    # A soft cap beside both, cheaper than leaving shares, gives way instead.
    soft = ac.TradeSize(-1_000.0, 1_000.0, penalty_bps=5.0)
    again = ac.ExecutionProblem(ac.Order(side * shares), market, cost, [*rules, soft]).solve()
    assert again.path.trades[0, 0] == pytest.approx(-side * traded, rel=1e-7)
    assert again.gave_way.loc["TradeSize", "most"] == pytest.approx(traded - 1_000.0, rel=1e-6)

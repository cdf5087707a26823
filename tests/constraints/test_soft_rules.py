"""Soft rules: what they charge, when they give way, and what they leave alone."""

import builders
import cvxpy as cp
import numpy as np
import pandas as pd
import pytest

import acopt as ac

GROUPS = {"A": "x", "B": "x", "C": "y"}
EXPOSURES = pd.DataFrame({"size": [1.0, -0.5, 0.3], "value": [0.2, 0.7, -1.0]}, index=list("ABC"))

RULES = {
    "participation": lambda **k: ac.Participation(0.03, minimum=0.01, **k),
    "rate": lambda **k: ac.TradeRate(lower=-3_000.0, upper=2_000.0, **k),
    "size": lambda **k: ac.TradeSize(upper=400.0, **k),
    "monotone": lambda **k: ac.Monotone(**k),
    "no trade": lambda **k: ac.NoTrade(during=(0.4, 0.85 if k.pop("uneven", False) else 0.8), **k),
    "holdings": lambda **k: ac.HoldingBounds(lower=-200.0, upper=2_000.0, **k),
    "dollar": lambda **k: ac.DollarNeutral(0.05, **k),
    "factor": lambda **k: ac.FactorNeutral(EXPOSURES, {"size": 0.02, "value": 5_000.0}, **k),
    "group": lambda **k: ac.GroupNeutral(GROUPS, 0.03, **k),
    "cash": lambda **k: ac.CashBalance(lower=0.0, upper=30_000.0, **k),
}


def rule(kind, at, **changes):
    """Return a rule of a kind that fits a grid."""
    if kind == "no trade" and at == builders.UNEVEN:
        changes["uneven"] = True
    return RULES[kind](**changes)


def money():
    """Return the costs that are common to most tests."""
    return ac.TemporaryImpact() + ac.SpreadCost()


def problem(soft, *, order="both sides", at=builders.EVEN, cost=None, more=()):
    """Return a problem with these rules."""
    market = builders.market(at, builders.ORDERS[order])
    return ac.ExecutionProblem(builders.order(order), market, money() if cost is None else cost, [*soft, *more])


def excess(kind, trades, setting):
    """Return what is outside a rule of `RULES`, cell by cell."""
    x0, price, tau = setting.remaining, setting.market.prices, setting.grid.durations
    volume, out = setting.market.volumes, []
    labels = list(setting.assets)
    paths = builders.loops(trades, x0)
    net = {
        "dollar": [(price, 0.05 * setting.gross)],
        "factor": [
            (price * EXPOSURES.loc[labels, "size"].to_numpy(), 0.02 * setting.gross),
            (price * EXPOSURES.loc[labels, "value"].to_numpy(), 5_000.0),
        ],
        "group": [(price * [GROUPS[a] == g for a in labels], 0.03 * setting.gross) for g in ("x", "y")],
    }
    for k, u in enumerate(trades):
        x = paths[k + 1]
        if kind in net:
            out.append([max(abs(float(a @ x)) - t, 0.0) for a, t in net[kind]])
            continue
        if kind == "cash":
            cash = float(price @ (x - x0)) * -1.0
            out.append([max(0.0 - cash, cash - 30_000.0, 0.0)])
            continue
        row = []
        for i in range(len(u)):
            sell = x0[i] > 0
            low, high = {
                "participation": (
                    -0.03 * volume[k, i] if sell else 0.01 * volume[k, i],
                    -0.01 * volume[k, i] if sell else 0.03 * volume[k, i],
                ),
                "rate": (-3_000.0 * tau[k], 2_000.0 * tau[k]),
                "size": (-np.inf, 400.0),
                "monotone": (-np.inf, 0.0) if sell else (0.0, np.inf),
                "no trade": (0.0, 0.0) if 0.4 <= setting.grid.edges[k] < 0.8 else (-np.inf, np.inf),
                "holdings": (-200.0, 2_000.0),
            }[kind]
            value = x[i] + setting.target[i] if kind == "holdings" else u[i]
            row.append(max(low - value, value - high, 0.0))
        out.append(row)
    return np.array(out)


@pytest.mark.parametrize("kind", RULES)
@pytest.mark.parametrize("at", [builders.EVEN, builders.UNEVEN])
def test_charges_what_is_outside(kind, at):
    made = problem([rule(kind, at, penalty_bps=7.0)], at=at)
    trades = builders.random_trades(made, seed=4)
    plan = made.evaluate(trades)
    outside = excess(kind, trades, made.setting)
    currency = kind in ("dollar", "factor", "group", "cash")
    each = 7e-4 * (outside if currency else outside * made.setting.market.prices)
    paid = plan.term_values[f"{made.constraints[0].name} (soft)"]
    assert paid == pytest.approx(each.sum(), rel=1e-12)
    assert paid > 0
    (row,) = plan.gave_way.to_dict("records")
    assert row["most"] == pytest.approx(outside.max(), rel=1e-12)
    assert row["intervals"] == (outside.max(axis=1) > 0).sum()
    assert row["penalty"] == pytest.approx(paid, rel=1e-14)
    assert row["unit"] == ("currency" if currency else "shares")
    assert plan.rules_broken == {}


@pytest.mark.parametrize("kind", RULES)
@pytest.mark.parametrize("at", [builders.EVEN, builders.UNEVEN])
def test_cvxpy_charges_the_same(kind, at):
    made = problem([rule(kind, at, penalty_bps=7.0)], at=at)
    for seed in (1, 2):
        trades = builders.random_trades(made, seed=seed)
        assert builders.cvxpy_objective(made, trades) == pytest.approx(made.evaluate(trades).objective, rel=1e-11)


def test_breakdown_of_shares_is_by_cell_and_of_currency_is_whole():
    made = problem([ac.Participation(0.01, penalty_bps=7.0), ac.DollarNeutral(0.05, penalty_bps=3.0)])
    plan = made.solve()
    table = plan.breakdown()
    cells = table[table["cost"] == "Participation (soft)"]
    by_hand = (
        np.maximum(np.abs(plan.path.trades) - 0.01 * made.setting.market.volumes, 0.0) * made.setting.market.prices
    )
    assert np.allclose(cells["value"].to_numpy().reshape(5, 3), 7e-4 * by_hand, rtol=1e-10, atol=1e-9)
    assert len(table[table["cost"] == "DollarNeutral (soft)"]) == 1
    assert set(table[table["cost"].str.endswith("(soft)")]["kind"]) == {"penalty"}
    assert table["weighted"].sum() == pytest.approx(plan.objective, rel=1e-12)
    assert plan.expected_cost == pytest.approx(sum(plan.term_values[n] for n in ("TemporaryImpact", "SpreadCost")))


@pytest.mark.parametrize("order", ["sell one", "buy one"])
def test_another_program_agrees(order):
    made = problem(
        [ac.Participation(0.02, penalty_bps=25.0), ac.HoldingBounds(-2_500.0, 2_500.0, penalty_bps=2.0)], order=order
    )
    setting = made.setting
    eta, half = setting.market.impact.temporary(setting.market)[:, 0], 0.5 * setting.market.spreads[0]
    u, price = cp.Variable(5), setting.market.prices[0]
    held = setting.target[0] + setting.remaining[0] + cp.cumsum(u)
    cost = cp.sum(cp.multiply(eta / setting.grid.durations, u**2)) + half * cp.norm1(u)
    cost += 25e-4 * price * cp.sum(cp.pos(cp.abs(u) - 0.02 * setting.market.volumes[:, 0]))
    cost += 2e-4 * price * cp.sum(cp.pos(cp.abs(held) - 2_500.0))
    other = cp.Problem(cp.Minimize(cost / 1e3), [cp.sum(u) == -setting.remaining[0]])
    other.solve(solver="CLARABEL")
    plan = made.solve()
    assert plan.objective == pytest.approx(1e3 * other.value, rel=1e-8)
    assert np.abs(plan.path.trades[:, 0] - u.value).max() < 1e-4 * setting.size
    assert set(plan.gave_way.index) == {"Participation", "HoldingBounds"}


@pytest.mark.parametrize("kind", ["participation", "holdings", "dollar", "group", "cash"])
def test_the_penalty_is_exact(kind):
    cost = money() + 1e-4 * ac.TimingRisk()
    changes = {
        "participation": lambda **k: ac.Participation(0.06, **k),
        "holdings": lambda **k: ac.HoldingBounds(upper=2_500.0, **k),
        "dollar": lambda **k: ac.DollarNeutral(0.02, during=(0.2, 1.0), **k),
        "group": lambda **k: ac.GroupNeutral(GROUPS, 0.02, during=(0.2, 1.0), **k),
        "cash": lambda **k: ac.CashBalance(upper=60_000.0, during=(0.0, 0.6), **k),
    }[kind]
    hard = problem([changes()], cost=cost).solve()
    table = hard.shadow_prices()
    own = table[table["constraint"] == hard.pricing.constraints[0].name]
    price = own["price"] / (
        1.0 if hard.pricing.constraints[0].unit == "currency" else own["asset"].map(builders.PRICES)
    )
    if kind == "participation":  # per point of participation, 1% of the volume
        at = own["interval"].map({k: j for j, k in enumerate(hard.setting.grid.labels)})
        columns = own["asset"].map({a: j for j, a in enumerate(hard.setting.assets)})
        price = price / (0.01 * hard.setting.market.volumes[at.to_numpy(), columns.to_numpy()])
    threshold = 1e4 * price.max()
    assert threshold > 0
    enough = problem([changes(penalty_bps=1.001 * threshold)], cost=cost).solve()
    assert enough.gave_way.empty
    assert np.abs(enough.path.trades - hard.path.trades).max() < 1e-8 * hard.setting.size
    short = problem([changes(penalty_bps=0.9 * threshold)], cost=cost).solve()
    assert len(short.gave_way) == 1
    assert short.objective < hard.objective


@pytest.mark.parametrize("kind", RULES)
def test_next_to_no_penalty_is_no_rule(kind):
    free = problem([], cost=money() + 1e-4 * ac.TimingRisk()).solve()
    plan = problem([rule(kind, builders.EVEN, penalty_bps=1e-9)], cost=money() + 1e-4 * ac.TimingRisk()).solve()
    assert np.abs(plan.path.trades - free.path.trades).max() < 1e-6 * free.setting.size
    assert plan.objective == pytest.approx(free.objective, rel=1e-7)


@pytest.mark.parametrize("kind", RULES)
@pytest.mark.parametrize("order", ["sell many", "both sides"])
def test_never_stands_in_the_way(kind, order):
    """Rules that no schedule obeys, or that refuse the order itself, have a price instead."""
    tight = {
        "participation": lambda **k: ac.Participation(0.001, **k),
        "rate": lambda **k: ac.TradeRate(lower=-1.0, upper=1.0, **k),
        "size": lambda **k: ac.TradeSize(lower=50.0, upper=60.0, **k),
        "monotone": lambda **k: ac.Monotone(**k),
        "no trade": lambda **k: ac.NoTrade(during=(0.0, 1.0), **k),
        "holdings": lambda **k: ac.HoldingBounds(lower=10.0, upper=11.0, **k),
        "dollar": lambda **k: ac.DollarNeutral(0.0, **k),
        "factor": lambda **k: ac.FactorNeutral(EXPOSURES, 0.0, **k),
        "group": lambda **k: ac.GroupNeutral(GROUPS, 0.0, **k),
        "cash": lambda **k: ac.CashBalance(lower=1e9, **k),
    }[kind]
    plan = problem([tight(penalty_bps=0.05)], order=order).solve()
    assert plan.certificate.violation <= 1e-9
    assert plan.certificate.violations == {plan.pricing.constraints[0].name: 0.0}
    assert plan.rules_broken == {}
    assert np.array_equal(plan.path.remaining[-1], np.zeros(3))
    assert len(plan.gave_way) == (kind != "monotone")


def test_a_hard_rule_beside_a_soft_one_of_its_kind():
    pair = [ac.Participation(0.05), ac.Participation(0.02, name="wanted", penalty_bps=30.0)]
    plan = problem(pair, cost=money() + 1e-3 * ac.TimingRisk()).solve()
    participation = np.abs(plan.path.participation)
    assert participation.max() <= 0.05 * (1 + 1e-9)
    assert plan.gave_way.loc["wanted", "most"] > 0
    assert list(plan.shadow_prices("constraint")["constraint"].unique()).count("wanted") == 0


def test_a_soft_monotone_leaves_the_sign_open():
    earn = ac.Alpha(pd.Series({"A": -40.0, "B": 0.0, "C": 0.0}))
    made = problem([ac.Monotone(penalty_bps=0.5)], cost=money() + earn)
    assert not made.setting.one_sided.any()
    plan = made.solve()
    assert plan.gave_way.loc["Monotone", "most"] > 0
    assert problem([ac.Monotone()], cost=money() + earn).setting.one_sided.all()


@pytest.mark.parametrize("size", [1e2, 1e5, 1e9])
def test_scale_and_mirror(size):
    def plan(size, sign):
        market = ac.Market(
            ac.TimeGrid.uniform(1.0, 6),
            50.0,
            volume=size * np.array([3.0, 2.0, 1.0, 1.0, 2.0, 3.0]),
            covariance=[[1.0]],
            impact=ac.LinearImpact(8.0),
        )
        order = ac.Order(size) if sign > 0 else ac.Order(-size)
        rules = [ac.Participation(0.05, penalty_bps=3.0), ac.HoldingBounds(-0.6 * size, 0.6 * size, penalty_bps=1.0)]
        return ac.ExecutionProblem(order, market, ac.TemporaryImpact() + (1e-2 / size) * ac.TimingRisk(), rules).solve()

    sell, buy = plan(size, 1.0), plan(size, -1.0)
    assert np.abs(sell.path.trades + buy.path.trades).max() <= 1e-9 * size
    assert sell.objective / size == pytest.approx(plan(1.0, 1.0).objective, rel=1e-9)


def test_zero_order_and_one_interval():
    plan = problem(
        [ac.Participation(0.01, penalty_bps=2.0), ac.DollarNeutral(0.0, penalty_bps=1.0)], order="nothing"
    ).solve()
    assert not plan.path.trades.any()
    assert plan.gave_way.empty
    one = problem([ac.Participation(0.01, penalty_bps=2.0)], order="sell one", at=builders.SINGLE).solve()
    over = 9_000.0 - 0.01 * one.setting.market.volumes[0, 0]
    assert one.term_values["Participation (soft)"] == pytest.approx(2e-4 * 20.0 * over, rel=1e-12)


def test_by_asset_and_only_some():
    bps = pd.Series({"C": 9.0, "A": 5.0, "B": 1.0})
    made = problem([ac.Participation(0.001, penalty_bps=bps, assets=["A", "B"])])
    plan = made.evaluate(builders.random_trades(made))
    over = np.maximum(np.abs(plan.path.trades) - 0.001 * made.setting.market.volumes, 0.0) * made.setting.market.prices
    assert plan.term_values["Participation (soft)"] == pytest.approx(
        1e-4 * (5 * over[:, 0] + over[:, 1]).sum(), rel=1e-12
    )


def test_update_equals_fresh():
    made = problem([ac.Participation(0.02, penalty_bps=5.0), ac.DollarNeutral(0.05, penalty_bps=1.0)])
    made.solve()
    compiled = made.declaration
    made.update(
        constraints={"Participation": {"penalty_bps": 20.0, "maximum": 0.03}, "DollarNeutral": {"tolerance": 0.01}}
    )
    fresh = problem([ac.Participation(0.03, penalty_bps=20.0), ac.DollarNeutral(0.01, penalty_bps=1.0)])
    assert made.declaration is compiled
    assert made.solve().objective == pytest.approx(fresh.solve().objective, rel=1e-10)
    made.update(weights={"Participation (soft)": 2.0})
    double = problem([ac.Participation(0.03, penalty_bps=40.0), ac.DollarNeutral(0.01, penalty_bps=1.0)]).solve()
    assert made.solve().objective == pytest.approx(double.objective, rel=1e-10)


@pytest.mark.parametrize(
    ("before", "after", "words"), [(None, 5.0, "soft rule of a hard"), (5.0, None, "hard rule of a soft")]
)
def test_hard_and_soft_are_different_problems(before, after, words):
    made = problem([ac.Participation(0.2, penalty_bps=before)])
    first = made.solve().objective
    with pytest.raises(ac.ModelError, match=f"{words} one; that needs a new ExecutionProblem"):
        made.update(constraints={"Participation": {"penalty_bps": after}})
    assert made.solve().objective == pytest.approx(first, rel=1e-12)


def test_an_objective_given_back_follows_the_rule():
    made = problem([ac.Participation(0.01, penalty_bps=5.0)]).update(weights={"Participation (soft)": 3.0})
    again = ac.ExecutionProblem(made.order, made.market, made.objective, made.constraints)
    assert again.solve().objective == pytest.approx(made.solve().objective, rel=1e-12)
    other = ac.ExecutionProblem(made.order, made.market, made.objective, [ac.Participation(0.02, penalty_bps=7.0)])
    whole = problem([ac.Participation(0.02, penalty_bps=21.0)])
    assert other.solve().objective == pytest.approx(whole.solve().objective, rel=1e-10)


def test_without_takes_the_price_away_too():
    made = problem([ac.Participation(0.01, penalty_bps=5.0), ac.DollarNeutral(0.1, penalty_bps=1.0)])
    rest = made.without("Participation")
    assert [t.cost.name for t in rest.objective.terms] == ["TemporaryImpact", "SpreadCost", "DollarNeutral (soft)"]
    assert rest.solve().objective == pytest.approx(problem([ac.DollarNeutral(0.1, penalty_bps=1.0)]).solve().objective)


def test_history_is_not_charged():
    made = problem([ac.Participation(0.01, penalty_bps=5.0), ac.HoldingBounds(upper=100.0, penalty_bps=2.0)])
    executed = made.solve().path.trades[:2]
    later = made.with_history(executed).solve()
    values = later.pricing.terms[-2].cost.values(later.path)
    assert not values[:2].any()
    assert values[2:].any()
    assert later.gave_way.loc["Participation", "intervals"] <= 3


def test_with_unfilled_orders():
    caps = [ac.Participation(0.01, penalty_bps=30.0), ac.AllowUnfilled(10.0)]
    plan = problem(caps).solve()
    assert np.abs(plan.path.remaining[-1]).max() > 0
    dear = problem([ac.Participation(0.01, penalty_bps=1.0), ac.AllowUnfilled(1e4)]).solve()
    assert np.abs(dear.path.remaining[-1]).max() <= 1e-9 * dear.setting.size
    assert "Participation" in dear.gave_way.index


class Own(ac.Constraint):
    """A rule of a user's own, without limits."""

    def violation(self, path):
        """Never broken."""
        return np.zeros(1)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ac.Complete(penalty_bps=5.0), "AllowUnfilled"),
        (lambda: ac.CustomConstraint(lambda p: p.trades <= 0, penalty_bps=5.0), "into the objective: CustomCost"),
        (lambda: Own(penalty_bps=5.0), "write the penalty as a cost"),
    ],
)
def test_rules_that_cannot_be_soft_say_what_to_do(make, words):
    with pytest.raises(ac.ModelError, match=words):
        make()


@pytest.mark.parametrize(
    ("kind", "bps"),
    [(kind, bps) for kind in ("participation", "dollar") for bps in (0.0, -1.0, np.nan, np.inf, [1.0, 2.0])]
    + [("dollar", True), ("dollar", "5"), ("dollar", {"A": 1.0})],
)
def test_penalties_that_are_none(kind, bps):
    with pytest.raises(ac.DataError, match="penalty_bps"):
        problem([rule(kind, builders.EVEN, penalty_bps=bps)])


def test_a_label_without_a_penalty_is_named():
    with pytest.raises(ac.DataError, match="B"):
        problem([ac.Participation(0.1, penalty_bps={"A": 1.0, "C": 2.0})])


def test_a_user_s_trade_bounds_may_be_soft():
    class Tiny(ac.TradeBounds):
        def bounds(self, setting):
            return np.full(setting.shape, -10.0), np.full(setting.shape, 10.0)

    made = problem([Tiny(penalty_bps=6.0)])
    plan = made.solve()
    over = np.maximum(np.abs(plan.path.trades) - 10.0, 0.0) * made.setting.market.prices
    assert plan.term_values["Tiny (soft)"] == pytest.approx(6e-4 * over.sum(), rel=1e-10)


def test_a_second_solver_agrees():
    made = problem(
        [rule(kind, builders.EVEN, penalty_bps=3.0) for kind in RULES], cost=money() + 1e-4 * ac.TimingRisk()
    )
    plan = made.solve(cross_check=True)
    assert not plan.certificate.conic
    assert abs(plan.certificate.cross_check.objective_difference) < 1e-7


@pytest.mark.parametrize("penalty", [np.complex128(1), 10**400, "much"])
def test_a_penalty_in_currency_that_is_no_number(penalty):
    with pytest.raises(ac.AcoptError, match="penalty_bps"):
        ac.ExecutionProblem(
            ac.Order.sell({"A": 1e3}),
            ac.Market(ac.TimeGrid.uniform(1.0, 2), {"A": 20.0}),
            ac.TemporaryImpact({"A": 1e-4}),
            [ac.DollarNeutral(100.0, penalty_bps=penalty)],
        )

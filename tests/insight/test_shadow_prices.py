"""Prices of bounds, against optima that are solved again with the bound moved."""

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest
import reference
from builders import EDGES, ORDERS, market, order
from case_problem import problem_of
from relaxation import Relaxation, examined

import acopt as ac
from acopt.constraints.portfolio import GroupNeutral
from acopt.insight.shadow_prices import most_valuable, shadow_prices

SEED, COUNT, CHUNK = 7, 40, 20
FAST = np.array([1.0, 0.5, 0.2, 0.1, 0.0, 0.0])
COSTS = ac.TemporaryImpact() + ac.SpreadCost() + 1e-4 * ac.TimingRisk()


def problem(*rules, orders="both sides", at="uneven", costs=COSTS, scale=1.0):
    names = ORDERS[orders]
    on = market(at, names)
    if scale != 1.0:
        on = market(at, names, volume=scale * on.volume)
    held = order(orders)
    return ac.ExecutionProblem(ac.Order(scale * held.initial, scale * held.target), on, costs, list(rules))


def check(asked, *, most=3, step=1e-4):
    """Every examined price is between its slopes; return how many were known to 1%."""
    known = 0
    for row, slopes, _ in examined(asked, most=most, step=step):
        assert slopes.admit(row.price), f"{row}: {slopes}"
        if row.tied:
            assert row.price == 0 < row.together
            assert abs(slopes.relaxing) <= slopes.noise
        if slopes.tight:
            assert row.price == pytest.approx(slopes.limit, rel=0.01), f"{row}: {slopes}"
            known += 1
    return known


def updated(asked, name, **changes):
    return asked.copy().update(constraints={name: changes}).solve().objective


def priced(plan, name, **place):
    table = plan.shadow_prices()
    keep = table["constraint"] == name
    for column, value in place.items():
        keep &= table[column] == value
    return table[keep]


# ---------------------------------------------------------------- random problems


@pytest.mark.parametrize("first", range(0, COUNT, CHUNK))
def test_prices_of_random_problems_are_slopes_of_the_optimal_value(first):
    known = 0
    for number in range(first, first + CHUNK):
        known += check(problem_of(reference.random_case(np.random.default_rng([SEED, number]))), most=1)
    assert known >= 10


def test_the_oracle_declares_the_same_problem():
    for number in range(8):
        asked = problem_of(reference.random_case(np.random.default_rng([SEED, number])))
        plan, again = asked.solve(), Relaxation(asked).plan
        assert again.objective == pytest.approx(plan.objective, abs=1e-9 * plan.certificate.gap_scale)


# ---------------------------------------------------------------- every kind of rule


@pytest.mark.parametrize("at", EDGES)
@pytest.mark.parametrize("orders", [k for k in ORDERS if k != "nothing"])
@pytest.mark.parametrize("scale", [1e-2, 1.0, 1e5])
def test_rules_on_trades(at, orders, scale):
    cap = 0.4 if at == "single" else 0.05
    assert check(problem(ac.Participation(cap), ac.Monotone(), orders=orders, at=at, scale=scale), most=2) >= 0


def test_a_participation_cap_by_its_own_parameter():
    asked = problem(ac.Participation(0.05), orders="both sides")
    plan, labels = asked.solve(), asked.setting.grid.labels
    table = priced(plan, "Participation").head(3)
    assert (table["price"] > 0).all()
    assert set(table["unit"]) == {"participation point"}
    for row in table.itertuples():
        slope = []
        for h in (1e-3, -1e-3):
            maximum = pd.DataFrame(0.05, labels, asked.setting.assets)
            maximum.loc[row.interval, row.asset] += 0.01 * h
            slope.append((plan.objective - updated(asked, "Participation", maximum=maximum)) / h)
        assert row.price == pytest.approx(np.mean(slope), rel=1e-3)
        assert row.bound == pytest.approx(5.0 if row.side == "upper" else -5.0, rel=1e-12)
        assert row.side == ("upper" if asked.order.remaining[row.asset] < 0 else "lower")


def test_a_participation_floor():
    least = pd.Series({"A": 0.01, "B": 0.0005, "C": 0.004})
    asked = problem(ac.Participation(0.3, minimum=least))
    plan, h = asked.solve(), 1e-5
    table = priced(plan, "Participation")
    floors = table[(table["price"] > 0) & (table["bound"].abs() < 3)]
    assert len(floors) > 1
    assert ((floors["side"] == "lower") == (asked.order.remaining[floors["asset"]] < 0).to_numpy()).all()
    slope = [(plan.objective - updated(asked, "Participation", minimum=least - s)) / (100 * s) for s in (h, -h)]
    assert floors["price"].sum() == pytest.approx(np.mean(slope), rel=1e-3)
    assert any(line.startswith("lowering A's Participation floor by 1 point at ") for line in most_valuable(plan, 99))


def test_sizes_rates_and_holdings():
    asked = problem(
        ac.TradeSize(-2500.0, 2500.0),
        ac.TradeRate(-14000.0, 14000.0),
        ac.HoldingBounds(upper=pd.Series({"A": 8000.0, "B": 1e6, "C": 2800.0})),
        costs=ac.TemporaryImpact() + ac.SpreadCost() + 1e-7 * ac.TimingRisk(),
    )
    assert check(asked) >= 4
    units = asked.solve().shadow_prices().groupby("constraint")["unit"].unique()
    assert units["TradeSize"] == ["share"]
    assert units["TradeRate"] == ["share per day"]
    assert units["HoldingBounds"] == ["share"]
    rate = priced(asked.solve(), "TradeRate")
    assert set(rate["bound"].abs().round(6)) == {14000.0}


def test_no_trade_and_monotone_with_a_spread():
    drift = ac.Alpha(pd.Series({"A": 0.9, "B": -30.0, "C": 0.0}))
    costs = ac.TemporaryImpact() + ac.SpreadCost() + 1e-5 * ac.TimingRisk() + drift
    asked = problem(ac.Monotone(), ac.NoTrade(during=(0.1, 0.4)), ac.DollarNeutral(0.3), costs=costs)
    assert check(asked) >= 1
    assert (priced(asked.solve(), "NoTrade")["price"] > 0).any()
    assert (priced(asked.solve(), "Monotone")["price"] > 0).any()


def test_closed_windows_with_a_spread_and_no_rule_on_the_side():
    assert check(problem(ac.NoTrade(during=(0.1, 0.4)))) >= 1
    drift = ac.Alpha(pd.Series({"A": 0.9, "B": -30.0, "C": 0.0}))
    assert check(problem(ac.NoTrade(during=(0.35, 0.85)), costs=COSTS + drift)) >= 1


def test_the_price_of_monotone_counts_the_spread_that_the_other_side_would_pay():
    drift = ac.Alpha(pd.Series({"A": 3.0}))
    prices = {}
    for half_spread in (0.0, 0.01, 10.0):
        costs = ac.TemporaryImpact() + ac.SpreadCost(pd.Series({"A": half_spread})) + drift
        asked = problem(ac.Monotone(), orders="sell one", at="even", costs=costs)
        check(asked)
        prices[half_spread] = priced(asked.solve(), "Monotone")["price"].max()
    assert prices[0.0] > prices[0.01] > 0
    assert prices[10.0] == 0.0


def test_dollar_neutrality_by_interval_and_as_a_whole():
    asked = problem(ac.DollarNeutral(4_000.0, during=(0.1, 1.0)))
    rows = priced(asked.solve(), "DollarNeutral")
    assert (rows["price"] > 0).any()
    assert rows["asset"].isna().all()
    assert set(rows["unit"]) == {"currency"}
    assert set(rows["bound"]) == {-4_000.0, 4_000.0}
    plan, h = asked.solve(), 10.0
    slope = [(plan.objective - updated(asked, "DollarNeutral", tolerance=4_000.0 + s)) / s for s in (h, -h)]
    whole = plan.shadow_prices(by="constraint").set_index("constraint")
    assert whole.loc["DollarNeutral", "price"] == pytest.approx(np.mean(slope), rel=1e-3)
    assert check(asked) >= 1


def test_groups_have_their_labels():
    tolerance = {"tech": 100_000.0, "banks": 60_000.0}
    rule = GroupNeutral({"A": "tech", "B": "banks", "C": "tech"}, tolerance, during=(0.1, 1.0))
    plan, h = problem(rule, costs=ac.TemporaryImpact() + 1e-7 * ac.TimingRisk()).solve(), 10.0
    by = plan.shadow_prices(by="asset").set_index(["constraint", "asset"])
    assert set(priced(plan, "GroupNeutral")["asset"]) == set(tolerance)
    for group, limit in tolerance.items():
        moved = [updated(plan.problem, "GroupNeutral", tolerance={**tolerance, group: limit + s}) for s in (h, -h)]
        slope = (moved[1] - moved[0]) / (2 * h)
        assert slope > 0
        assert by.loc[("GroupNeutral", group), "price"] == pytest.approx(slope, rel=1e-3)


@pytest.mark.parametrize(
    "costs",
    [
        COSTS + ac.Alpha.from_bps(30, half_life=0.2),
        COSTS + ac.Jerk(scale=0.2),
        ac.TemporaryImpact() + ac.PermanentImpact() + 1e-4 * ac.TrackingRisk(FAST[:, None] * [9e3, -500.0, 3e3]),
        2.0 * ac.TemporaryImpact() + 3.0 * ac.SpreadCost() + 1e-4 * ac.TimingRisk(),
    ],
    ids=["alpha", "jerk", "tracking", "weights"],
)
def test_other_costs(costs):
    assert check(problem(ac.Participation(0.05), ac.Monotone(), ac.DollarNeutral(0.45), costs=costs), most=2) >= 1


def test_a_hedge_leg():
    held = ac.Order.sell({"A": 9_000.0, "C": 3_000.0}) + ac.Order.hedge(["B"])
    on = market("uneven", held.assets)
    asked = ac.ExecutionProblem(held, on, COSTS, [ac.Participation(0.05), ac.Monotone(), ac.HoldingBounds(-150.0, 1e6)])
    assert check(asked, most=2) >= 2
    assert set(priced(asked.solve(), "Monotone")["asset"]) == {"A", "C"}


# ---------------------------------------------------------------- ties, dependence, shape


def test_where_two_rules_tie_neither_gains_alone():
    asked = problem(orders="sell one", at="even")
    cap = pd.Series(2000.0, asked.setting.grid.labels)
    one, other = ac.TradeSize(lower=-cap), ac.TradeSize(lower=-cap, upper=500.0, name="desk")
    plan, alone = (
        problem(one, other, orders="sell one", at="even").solve(),
        problem(one, orders="sell one", at="even").solve(),
    )
    check(problem(one, other, orders="sell one", at="even"))
    both, single = plan.shadow_prices(), priced(alone, "TradeSize", side="lower").set_index("interval")
    for name, tied in (("TradeSize", "desk"), ("desk", "TradeSize")):
        rows = both[(both["constraint"] == name) & (both["together"] > 0)].set_index("interval")
        assert len(rows) == (single["price"] > 0).sum() > 0
        assert (rows["price"] == 0).all()
        assert (rows["tied"] == tied).all()
        np.testing.assert_allclose(rows["together"], single["price"][rows.index], rtol=1e-9)
    assert (both["tied"][both["together"] == 0] == "").all()


def test_caps_that_add_up_to_the_order_have_prices_between_the_slopes():
    on = market("even", ["A"])
    total = float(on.volume["A"].sum())
    asked = ac.ExecutionProblem(ac.Order.sell({"A": 0.05 * total}), on, COSTS, [ac.Participation(0.05)])
    check(asked)


def test_the_table():
    plan = problem(ac.Participation(0.05), ac.Monotone(), ac.HoldingBounds(upper=9_500.0)).solve()
    table = plan.shadow_prices()
    assert list(table.columns) == [
        "constraint", "asset", "interval", "side", "price", "unit", "bound", "together", "tied",
    ]  # fmt: skip
    assert table["price"].is_monotonic_decreasing
    n, m = plan.setting.shape
    assert len(table) == 2 * n * m + n * m + n * m + m
    assert (table[table["side"] != "equal"]["price"] >= 0).all()
    trades, volume = plan.path.trades, plan.setting.market.volumes
    for row in table[(table["constraint"] == "Participation") & (table["price"] > 0)].itertuples():
        k, i = plan.setting.grid.labels.get_loc(row.interval), plan.setting.assets.get_loc(row.asset)
        assert trades[k, i] == pytest.approx(0.01 * row.bound * volume[k, i], rel=1e-9)


def test_totals_add_up():
    plan = problem(ac.Participation(0.05), ac.Monotone(), ac.DollarNeutral(4_000.0, during=(0.1, 1.0))).solve()
    table, by_asset, whole = plan.shadow_prices(), plan.shadow_prices("asset"), plan.shadow_prices("constraint")
    for name in ("Participation", "Monotone", "DollarNeutral", "Complete"):
        rows = table[table["constraint"] == name]
        total = whole[whole["constraint"] == name]["price"].item()
        assert total == pytest.approx(rows["price"].sum(), rel=1e-12)
        assert total == pytest.approx(by_asset[by_asset["constraint"] == name]["price"].sum(), rel=1e-12)
    h = 1e-5
    slope = [(plan.objective - updated(plan.problem, "Participation", maximum=0.05 + s)) / (100 * s) for s in (h, -h)]
    assert whole.set_index("constraint").loc["Participation", "price"] == pytest.approx(np.mean(slope), rel=1e-3)
    assert [v for v in by_asset["asset"] if not isinstance(v, str)] == [None]


# ---------------------------------------------------------------- completion


@pytest.mark.parametrize("orders", ["both sides", "sell one", "buy one"])
@pytest.mark.parametrize("permanent", [False, True])
@pytest.mark.parametrize("conic", [False, True])
def test_completion_is_what_a_share_left_unfilled_would_save(orders, permanent, conic):
    costs = COSTS + 2.0 * ac.PermanentImpact() if permanent else COSTS
    rules = ac.Participation(0.4), ac.Monotone()
    cone = ac.CustomConstraint(lambda p: cp.norm(p.trades[:, 0] / 1e3) <= 1e3)  # slack: only the solver changes
    plan = problem(*rules, *([cone] if conic else []), orders=orders, costs=costs).solve()
    assert plan.certificate.conic == conic
    found = priced(plan, "Complete").set_index("asset")
    assert set(found["unit"]) == {"share"}
    assert set(found["side"]) == {"equal"}
    target, remaining = plan.problem.order.target, plan.problem.order.remaining
    for asset in remaining.index:
        slope = []
        for h in (0.5, -0.5):
            end = target.copy()
            end[asset] += np.sign(remaining[asset]) * h
            pinned = ac.HoldingBounds(end, end, during=(0.85, 1.0))
            free = problem(*rules, pinned, ac.AllowUnfilled(1e-9), orders=orders, costs=costs)
            slope.append((plan.objective - free.solve().objective) / h)
        assert found.loc[asset, "price"] == pytest.approx(np.mean(slope), rel=1e-3)


@pytest.mark.parametrize("shares", [20_000.0, -20_000.0])
@pytest.mark.parametrize("where", ["objective", "budget", "worst case"])
def test_completion_is_priced_wherever_permanent_impact_stands(shares, where):
    on = ac.Market(
        ac.TimeGrid.uniform(1.0, 4), 50.0, volume=[4e4, 3e4, 5e4, 6e4], spread=0.01, impact=ac.LinearImpact(10.0)
    )
    paid = ac.TemporaryImpact() + ac.PermanentImpact(2e-6, own="half")
    late = ac.TemporaryImpact([1e-6, 4e-6, 8e-6, 2e-5], name="late")
    scenarios = {"calm": on, "thin": ac.what_if(on, volume=0.8)}
    costs, rules = {
        "objective": (paid, []),
        "budget": (late, [ac.Budget(paid, 1_560.0)]),
        "worst case": (ac.WorstCase(paid, scenarios), []),
    }[where]

    def solved(x):
        return ac.ExecutionProblem(ac.Order(x), on, costs, rules).solve()

    h = 5.0
    slope = (solved(shares + h).objective - solved(shares - h).objective) / (2 * h) * np.sign(shares)
    assert priced(solved(shares), "Complete")["price"].item() == pytest.approx(slope, rel=1e-4)


def test_completion_next_to_allow_unfilled():
    costs = ac.TemporaryImpact() + ac.SpreadCost()
    named = problem(ac.AllowUnfilled(1.0, assets=["A", "C"]), costs=costs).solve()
    written = problem(ac.AllowUnfilled(1.0), ac.Complete(assets="B"), costs=costs).solve()
    assert np.abs(named.path.remaining[-1][[0, 2]]).max() > 1
    slope = []
    for h in (0.1, -0.1):  # the penalty on what is left of B included
        end = pd.Series({"A": np.inf, "B": 500.0 - h, "C": np.inf})
        pinned = ac.HoldingBounds(end.replace(np.inf, -np.inf), end, during=(0.85, 1.0))
        held = ac.Order(pd.Series({"A": 9e3, "B": 0.0, "C": 3e3}), pd.Series({"A": 0.0, "B": 500.0, "C": 0.0}))
        on = market("uneven", held.assets)
        moved = ac.ExecutionProblem(held, on, costs, [ac.AllowUnfilled(1.0), pinned]).solve()
        slope.append((named.objective - moved.objective) / h)
    for plan, name in ((named, "AllowUnfilled"), (written, "Complete")):
        found = priced(plan, name)
        assert list(found["asset"]) == ["B"]
        assert slope[0] - 1e-6 <= found["price"].item() <= slope[1] + 1e-6
    assert priced(problem(ac.AllowUnfilled(1.0), costs=costs).solve(), "AllowUnfilled").empty


# ---------------------------------------------------------------- custom rules, cones


def custom(function, **kind):
    return problem(ac.Participation(0.4), ac.CustomConstraint(function, name="own"), **kind)


def test_custom_rows_as_they_come():
    def rule(shift):
        return lambda p: [
            p.done("A") <= p.done("C") + 0.02 + shift[0],
            cp.abs(p.at(0.35).remaining) <= np.array([4000.0, 300.0, 2500.0]) + shift[1],
            p.trades[2, 0] == -800.0 + shift[2],
            p.trades[0, :] >= np.array([-3000.0, -100.0, -50.0]) - shift[3],
        ]

    plan = custom(rule([0.0] * 4)).solve()
    assert not plan.certificate.conic
    found = priced(plan, "own")
    sides = found.groupby("side")["price"]
    assert set(found["unit"]) == {"unit of its sides"}
    assert set(sides.groups) == {"upper", "equal"}
    groups = [
        (found[found["interval"].notna()], 1e-5),
        (found[found["asset"].notna()], 0.01),
        (found[found["side"] == "equal"], 0.01),
    ]
    assert list(groups[0][0].sort_values("interval")["interval"]) == list(plan.setting.grid.edge_labels)
    slopes = []
    for j, h in ((0, 1e-5), (1, 0.01), (2, 0.01), (3, 0.01)):
        moved = [custom(rule([s * (i == j) for i in range(4)])).solve().objective for s in (h, -h)]
        slopes.append((moved[1] - moved[0]) / (2 * h))
    assert groups[0][0]["price"].sum() == pytest.approx(slopes[0], rel=1e-2, abs=1e-6)
    assert groups[1][0]["price"].sum() == pytest.approx(slopes[1] + slopes[3], rel=1e-2)
    assert groups[2][0]["price"].item() == pytest.approx(slopes[2], rel=1e-2)
    assert max(slopes) > 0


def test_linear_rules_of_a_conic_problem_have_prices_and_cones_have_none():
    def rules(cap, limit=4200.0):
        own = ac.CustomConstraint(
            lambda p: [
                cp.norm(p.asset("A").trades) <= limit,
                cp.SOC(cp.Constant(9e9), p.asset("A").trades),
                p.trades[0, 0] >= -1e5,
            ],
            name="own",
        )
        return ac.Participation(cap), own

    plan = problem(*rules(0.05)).solve()
    assert plan.certificate.conic
    whole = plan.shadow_prices("constraint").set_index("constraint")
    h = 1e-4
    slope = [(plan.objective - problem(*rules(0.05 + s)).solve().objective) / (100 * s) for s in (h, -h)]
    assert whole.loc["Participation", "price"] == pytest.approx(np.mean(slope), rel=1e-2)
    found = priced(plan, "own")
    assert list(found["side"]) == ["upper", "upper", "cone"]
    assert found["price"].iloc[1] == 0.0
    assert np.isnan(found["price"].iloc[2])
    slope = [(plan.objective - problem(*rules(0.05, 4200.0 + s)).solve().objective) / s for s in (1.0, -1.0)]
    assert found["price"].iloc[0] == pytest.approx(np.mean(slope), rel=1e-2)
    slack = priced(plan, "Participation", side="upper")
    assert (slack[slack["asset"] == "A"]["price"] == 0).all()


# ---------------------------------------------------------------- the rest


def test_history_has_no_prices_and_the_rest_has():
    fresh = problem(ac.Participation(0.05), ac.Monotone())
    later = fresh.with_history(np.array([[-500.0, 50.0, -100.0]]))
    table = later.solve().shadow_prices()
    first = fresh.setting.grid.labels[0]
    assert first not in set(table["interval"])
    assert (table[table["constraint"] == "Participation"]["price"] > 0).any()
    row = table[table["constraint"] == "Participation"].iloc[0]
    value, slope = later.solve().objective, []
    for h in (1e-3, -1e-3):
        maximum = pd.DataFrame(0.05, fresh.setting.grid.labels, fresh.setting.assets)
        maximum.loc[row["interval"], row["asset"]] += 0.01 * h
        moved = later.copy().update(constraints={"Participation": {"maximum": maximum}})
        slope.append((value - moved.solve().objective) / h)
    assert row["price"] == pytest.approx(np.mean(slope), rel=1e-3)


class Everywhere(ac.Participation):
    """A cap that forgets that history is history."""

    def trade_bounds(self, setting):
        return -np.abs(setting.past[0, 0]) * np.ones(setting.shape), np.full(setting.shape, np.inf)


def test_a_rule_that_speaks_about_history_is_not_priced_there():
    fresh = problem(ac.Participation(0.05), orders="sell one")
    done = np.array([[-2000.0]])
    rules = [Everywhere(0.4)]
    asked = ac.ExecutionProblem(fresh.order, fresh.market, fresh.objective, rules, executed=done)
    assert set(priced(asked.solve(), "Everywhere")["interval"]) == set(fresh.setting.grid.labels[1:])


def test_prices_are_those_of_the_plan_and_not_of_a_later_update():
    asked = problem(ac.Participation(0.05))
    plan = asked.solve()
    asked.update(constraints={"Participation": {"maximum": 0.3}}, weights={"TimingRisk": 1e-4})
    asked.solve()
    pd.testing.assert_frame_equal(
        plan.shadow_prices(), problem(ac.Participation(0.05)).solve().shadow_prices(), rtol=1e-6
    )


def test_buys_mirror_sells():
    sells = problem(ac.Participation(0.05), ac.Monotone(), orders="sell one").solve()
    held = order("sell one")
    mirrored = ac.Order(held.target, held.initial)
    buys = ac.ExecutionProblem(
        mirrored, market("uneven", ["A"]), COSTS, [ac.Participation(0.05), ac.Monotone()]
    ).solve()
    one, two = sells.shadow_prices(), buys.shadow_prices()
    np.testing.assert_allclose(one["price"], two["price"], rtol=1e-7, atol=1e-12)
    top = one["price"] > 0
    assert set(one["side"][top & (one["constraint"] == "Participation")]) == {"lower"}
    assert set(two["side"][top & (two["constraint"] == "Participation")]) == {"upper"}


def test_a_zero_order_has_no_price():
    table = problem(ac.Participation(0.05), ac.Monotone(), orders="nothing").solve().shadow_prices()
    assert len(table)
    assert (table[table["side"] != "equal"]["price"] == 0).all()


def test_a_problem_without_rules_prices_completion_only():
    table = problem().solve().shadow_prices()
    assert list(table["constraint"].unique()) == ["Complete"]


def test_a_schedule_that_was_not_optimised_is_refused():
    asked = problem(ac.Participation(0.4))
    evaluated = asked.evaluate(asked.solve().trades)
    with pytest.raises(ac.ModelError, match=r"evaluated and not optimised.*plan\.problem\.solve"):
        evaluated.shadow_prices()
    with pytest.raises(ac.DataError, match="'bound', 'asset' or 'constraint'"):
        shadow_prices(asked.solve(), "rule")


def test_the_most_valuable_in_words():
    asked = problem(ac.Participation(0.05), ac.TradeSize(-2500.0, 2500.0), orders="sell one", at="even")
    plan = asked.solve()
    top = plan.shadow_prices()
    top = top[(top["price"] > 0) & (top["side"] != "equal")]
    words = most_valuable(plan)
    assert len(words) == min(3, len(top))
    first = top.iloc[0]
    assert words[0] == f"raising A's Participation cap by 1 point at {first['interval']:.6g} saves {first['price']:.4g}"
    assert any(line.startswith("lowering A's lower TradeSize bound by 1 share at ") for line in most_valuable(plan, 99))
    assert most_valuable(problem(orders="nothing").solve()) == []

"""A problem, written to a file and read back, is the same problem: its numbers to the last bit, and its answer."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import case_problem
import numpy as np
import pandas as pd
import pytest
from builders import EVEN, NAMES, ORDERS, PRICES, SINGLE, UNEVEN, cross_impact, grid, market, order, random_trades
from reference import random_case

import acopt as ac
from acopt.constraints.soft import SoftRule
from acopt.constraints.trading import Unfilled
from acopt.spec.audit import content_hash
from acopt.spec.files import load_problem, parse_problem
from acopt.spec.writer import save_problem, to_toml

PROBLEMS = Path(__file__).parents[2] / "problems"
US_EQUITIES = Path(__file__).parents[2].parent / "shared" / "data" / "us_equities"


def numbers(problem):
    """Canonical parameters: the group, the name, the shape and the bytes of each."""
    held, found = problem._numbers, {}
    for group, parameters in problem.declaration._parameters.items():
        for name, parameter in parameters.items():
            value = np.asarray(held[parameter.id])
            found[group, name] = (value.shape, value.tobytes())
    return found


def again(problem, *, solve=False):
    """Write and read; what comes back is the same in everything that is compared here."""
    text = to_toml(problem)
    back = parse_problem(text).problem()
    assert to_toml(back) == text
    assert content_hash(back) == content_hash(problem)
    mine, theirs = problem.setting, back.setting
    assert theirs.grid == mine.grid
    assert theirs.grid.edge_labels.equals(mine.grid.edge_labels)
    assert theirs.order == mine.order
    assert list(theirs.assets) == list(mine.assets)
    assert theirs.market.prices.tobytes() == mine.market.prices.tobytes()
    assert theirs.market.notes == mine.market.notes
    for has, what in (("has_volume", "volumes"), ("has_spread", "spreads")):
        assert getattr(theirs.market, has) == getattr(mine.market, has)
        if getattr(mine.market, has):
            assert getattr(theirs.market, what).tobytes() == getattr(mine.market, what).tobytes()
    told = [[(t.cost.name, type(t.cost), t.cost.kind, t.weight) for t in p.objective.terms] for p in (problem, back)]
    assert told[0] == told[1]
    told = [[(rule.name, type(rule)) for rule in p.constraints] for p in (problem, back)]
    assert told[0] == told[1]
    assert repr(back) == repr(problem)
    assert numbers(back) == numbers(problem)
    trades = random_trades(problem, 5)
    assert back.evaluate(trades).objective == problem.evaluate(trades).objective
    if solve:
        assert back.solve().trades.to_numpy().tobytes() == problem.copy().solve().trades.to_numpy().tobytes()
    return back


def simple(on=EVEN, kind="both sides", assets=NAMES, objective=None, rules=(), **facts):
    """One order in one market."""
    costs = ac.TemporaryImpact() + 1e-6 * ac.TimingRisk() if objective is None else objective
    return ac.ExecutionProblem(order(kind), market(on, assets, **facts), costs, list(rules))


EVERY_COST = (
    ac.TemporaryImpact()
    + 0.5 * ac.PermanentImpact()
    + ac.SpreadCost()
    + 1e-6 * ac.TimingRisk()
    + ac.Alpha.from_bps(pd.Series({"B": 2.0, "A": -1.0, "C": 0.5}), 0.3)
    + 2.0 * ac.Jerk(0.1)
    + 1e-7 * ac.TrackingRisk(ac.VWAP(0.2), name="vwap")
)


@pytest.mark.parametrize("kind", ORDERS)
@pytest.mark.parametrize("on", [EVEN, UNEVEN, SINGLE])
def test_every_order_on_every_grid(kind, on):
    again(simple(on, kind), solve=True)


def test_every_cost_with_every_rule():
    names, index = list(NAMES), grid().labels
    rng = np.random.default_rng(1)
    table = pd.DataFrame(rng.uniform(1e3, 9e4, (5, 3)), index, names)
    rules = [
        ac.Participation(pd.Series([0.5, 0.4, 0.3, 0.9, 1.0], index), minimum=0),
        ac.TradeRate(lower=-table, upper=pd.Series({"C": np.inf, "A": 1e6, "B": 1e5})),
        ac.TradeSize(upper=table, name="lots"),
        ac.Monotone(assets=["C", "A"], during=(0.2, None)),
        ac.NoTrade(during=(None, "0.2 days"), assets="B"),
        ac.HoldingBounds(-1e6, table * 10),
        ac.CashBalance(lower=pd.Series([-np.inf, -1e6, -2e6, -1e6, -1e6], index)),
        ac.DollarNeutral(0.9, of="holdings"),
        ac.FactorNeutral(pd.DataFrame({"m": [1, 2, 3.0], "s": [0, 1, -1.0]}, names), {"s": 9e9, "m": 0.99}),
        ac.GroupNeutral(pd.Series({"A": "x", "B": "y", "C": "x"}), {"y": 0.99, "x": 8e9}, name="sectors"),
    ]
    costs = EVERY_COST + ac.Smoothness(weight={"A": 1e-7, "B": 1e-6, "C": 2e-7}) + ac.Alpha(-1e-3 * table)
    costs = costs.terms[:-1] + (ac.Alpha(-1e-3 * table, name="drift") * 1.0).terms
    again(ac.ExecutionProblem(order("both sides"), market(), ac.Objective(costs), rules), solve=True)


@pytest.mark.parametrize(
    "costs",
    [
        ac.TemporaryImpact(cross_impact()),
        ac.TemporaryImpact(np.stack([cross_impact().to_numpy() * (1 + k) for k in range(5)])),
        ac.TemporaryImpact(cross_impact()) + ac.PermanentImpact(cross_impact() * 0.1, own="half"),
        ac.TemporaryImpact({"A": 1e-5, "B": 1e-4, "C": 2e-5}) + ac.PermanentImpact({"A": 0, "B": 1e-7, "C": 0.0}),
        ac.TemporaryImpact() + ac.SpreadCost({"A": 0.01, "B": 0.01, "C": 0.01}),
        ac.TemporaryImpact() + 1e-6 * ac.TimingRisk(ac.Covariance.diagonal({"A": 0.3, "C": 1.0, "B": 2.0}, scale=1.1)),
        ac.TemporaryImpact()
        + 1e-6 * ac.TrackingRisk(pd.DataFrame(np.linspace([9e3, -500, 3e3], 0, 6), grid().edge_labels, list("ABC"))),
        ac.TemporaryImpact() + 1e-6 * ac.TrackingRisk(ac.Close()) + 1e-7 * ac.TimingRisk(),
        ac.TemporaryImpact() + ac.TimingRisk(),
        1.0 * ac.TemporaryImpact() + 1e-6 * ac.TimingRisk(),
    ],
    ids=lambda costs: repr(costs)[:60],
)
def test_costs_with_data_of_their_own(costs):
    again(simple(objective=costs), solve=costs._terms()[-1].weight is not None)


FACTORS = pd.DataFrame({"m": [20.0, 410.0, 50.0, 1.0], "s": [1.0, -30.0, 9.0, 1.0]}, index=["C", "B", "A", "Z"])


@pytest.mark.parametrize(
    "covariance",
    [
        ac.FactorModel(FACTORS, [[1e-4, 2e-5], [2e-5, 3e-4]], pd.Series({"A": 0.1, "B": 4.0, "Z": 1.0, "C": 0.3})),
        ac.FactorModel(FACTORS.loc[list("ABC")].to_numpy(), np.diag([1e-4, 1e-3]), [0.1, 0.0, 0.3], scale=[1.0, 2, 3]),
        ac.FactorModel(FACTORS, np.stack([np.eye(2) * (k + 1) * 1e-4 for k in range(5)]), pd.Series(1.0, list("ABCZ"))),
        ac.FactorModel(FACTORS[["m"]], 1e-4, 0.0, scale=pd.Series([1, 1.5, 1, 2, 1.0], grid().labels)),
        ac.Covariance(np.stack([np.diag([0.1, 3.0, 0.5]) * (k + 1) for k in range(5)])),
        ac.Covariance.from_returns(pd.DataFrame(np.eye(3), list("CAB"), list("CAB")), PRICES, per="year"),
        ac.Covariance(np.diag([0.1, 3.0, 0.5]), scale=pd.DataFrame(1.5, grid().labels, list("BAC"))),
    ],
    ids=repr,
)
def test_covariances_of_every_kind(covariance):
    again(simple(covariance=covariance), solve=True)


LAWS = [
    ac.LinearImpact({"A": 5, "B": 7.5, "C": 8}, at=0.05, permanent_bps=0.1),
    ac.SquareRootImpact(1),
    ac.AlmgrenEtAl2005(shares_outstanding=pd.Series({"C": 1e7, "A": 2e7, "B": 3e6})),
    ac.ImpactCoefficients({"A": 1e-5, "B": 1e-4, "C": 2e-5}, gamma=cross_impact() * 0.1),
    ac.ImpactCoefficients(pd.DataFrame(1e-4, grid().labels, list("ABC"))),
]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)
def test_laws_of_impact(law):
    again(
        simple(objective=ac.TemporaryImpact() + ac.PermanentImpact() + 1e-6 * ac.TimingRisk(), impact=law), solve=True
    )


def test_a_market_without_anything_but_prices():
    made = ac.Market(grid(), {"A": 20, "B": 50, "C": 1})
    again(ac.ExecutionProblem(order("both sides"), made, ac.TemporaryImpact({"A": 1e-4, "B": 1e-3, "C": 1e-5})))


def test_one_asset_without_a_label_and_numbers_without_labels():
    made = ac.Market(ac.TimeGrid.uniform(5, 5), price=50, covariance=0.95**2, volume=[1, 2, 3, 4, 5e6], spread=0.125)
    costs = ac.TemporaryImpact(2.5e-6) + ac.PermanentImpact(2.5e-7) + ac.SpreadCost() + 1e-6 * ac.TimingRisk()
    again(ac.ExecutionProblem(ac.Order(1_000_000), made, costs + ac.Alpha(0.02), [ac.Participation(1)]), solve=True)


# ------------------------------------------------------------------ grids, orders, windows

GRIDS = {
    "uniform": ac.TimeGrid.uniform(2.0, 7, unit="hour"),
    "odd edges": ac.TimeGrid(np.cumsum([0.0, 0.1, 0.2, 0.7]) / 3, closed=[False, True, False]),
    "session": ac.TimeGrid.session("2019-02-15", "30min", start="10:00", end="15:00"),
    "auctions": ac.TimeGrid.session("2019-02-15", "1h30min", start="10:00", auctions="close"),
    "both crosses": ac.TimeGrid.session("2019-02-15", "30min", auctions=True),
    "half day": ac.TimeGrid.session("2019-11-29", "30min", calendar="XNYS", auctions=True),
    "lunch": ac.TimeGrid.session("2019-02-15", "30min", calendar="XTKS", lunch=0.05),
    "nights": ac.TimeGrid.sessions("2019-03-07", "2019-03-12", "3h15min", overnight=0.5, auctions=True),
    "no zone": ac.TimeGrid.session("2019-02-15", "1h5min", tz=None),
    "another session": ac.TimeGrid.session("2019-02-15", "30min", open="09:00", close="17:30", tz="Europe/Paris"),
    "stamps": ac.TimeGrid.from_timestamps(
        ["2019-02-15 09:30:00.000001", "2019-02-15 11:00", "2019-02-19 10:00", "2019-02-19 10:07:30"],
        overnight=0.3,
        tz="America/New_York",
    ),
    "utc": ac.TimeGrid.from_timestamps(["2019-02-15 14:30", "2019-02-15 15:30"], open="14:30", close="21:00", tz="UTC"),
    "an offset": ac.TimeGrid.from_timestamps(["2019-02-15 09:30-05:00", "2019-02-15 10:30-05:00"]),
}


@pytest.mark.parametrize("on", GRIDS.values(), ids=GRIDS)
def test_grids_of_every_kind(on):
    costs = EVERY_COST if not on.auctions.any() and not on.closed.any() else ac.TemporaryImpact() + ac.SpreadCost()
    risk = 1e-6 * ac.TimingRisk(name="risk")
    if on.unit != "day":
        costs = ac.TemporaryImpact(pd.Series(1e-4, list("ABC"))) + ac.SpreadCost()
    terms = ac.Objective(tuple(t for t in (costs + risk)._terms() if t.cost.name != "vwap"))
    again(ac.ExecutionProblem(order("both sides"), market(on), terms, [ac.Participation(1.0)]), solve=True)


def test_what_auctions_cost_and_what_they_do_not():
    on = GRIDS["both crosses"]
    crosses, names = on.labels[on.auctions], list("ABC")
    spread = pd.DataFrame(0.01, on.labels, names)
    for impact in (
        ac.TemporaryImpact({"A": 1e-5, "B": 1e-4, "C": 1e-5}, auction={"A": 1e-5, "B": 1e-4, "C": 1e-5}),
        ac.TemporaryImpact(
            {"A": 1e-5, "B": 1e-4, "C": 1e-5}, auction=pd.DataFrame([[1e-5] * 3, [1e-6] * 3], crosses, names)
        ),
        ac.TemporaryImpact(cross_impact(), auction=cross_impact() * 0.1),
    ):
        for half in (ac.SpreadCost(), ac.SpreadCost(spread), ac.SpreadCost(spread * (np.arange(len(on))[:, None] < 5))):
            rules = [ac.NoTrade(during=("close", None), name="no close"), ac.NoTrade(during=("12:00", dt.time(12, 30)))]
            again(simple(on, objective=impact + half + 1e-6 * ac.TimingRisk(), rules=rules), solve=True)


@pytest.mark.parametrize(
    "window",
    [
        ("10:00", "11:30"),
        ("10:00", None),
        (None, dt.time(12)),
        (None, None),
        ("30min", pd.Timedelta("2h")),
        (pd.Timestamp("2019-02-15 11:00", tz="America/New_York"), np.datetime64("2019-02-15T12:00")),
        (1 / 6.5, None),
        (dt.datetime(2019, 2, 15, 10, 30), "2019-02-15 11:00"),
        (dt.timedelta(hours=1), None),
    ],
    ids=str,
)
def test_windows_in_every_word(window):
    on = ac.TimeGrid.session("2019-02-15", "30min", start="09:30", end="16:00")
    back = again(simple(on, rules=[ac.TradeSize(-5e3, 5e3, during=window), ac.Monotone()]))
    assert (on.window(back.constraints[0].during) == on.window(window)).all()


def test_hedges_stay_where_they_are_in_the_sequence():
    asked = ac.Order.hedge(["C"]) + ac.Order.sell({"A": 1000}) + ac.Order.hedge(["B"])
    back = again(ac.ExecutionProblem(asked, market(), ac.TemporaryImpact() + 1e-6 * ac.TimingRisk()), solve=True)
    assert list(back.order.assets) == ["C", "A", "B"]
    assert back.order.hedges == {"B", "C"}


def test_positions_that_are_not_flat_and_signed_zeros():
    asked = ac.Order({"A": -0.0, "B": -200.0, "C": 1 / 3}, {"A": 7.0, "B": 1e9 / 7, "C": 0.1 + 0.2})
    drift = pd.Series([0.0, -0.0, 0.0, -0.0, 0.0], grid().labels)
    costs = ac.TemporaryImpact() + 1e-6 * ac.TimingRisk() + ac.Alpha(drift)
    again(ac.ExecutionProblem(asked, market(), costs), solve=True)


# ------------------------------------------------------------------ rules with costs, histories, updates


def test_what_is_left_unfilled_and_its_weight():
    rules = [
        ac.AllowUnfilled({"A": 30.0, "B": 20, "C": 10}, assets=["A", "B"]),
        ac.Participation(0.03, assets=["A", "B"]),
    ]
    problem = simple(rules=rules)
    again(problem, solve=True)
    back = again(problem.update(weights={"Unfilled": 3.0}))
    assert back.objective.terms[-1].weight == 3.0


def test_soft_rules():
    rules = [
        ac.Participation(0.02, penalty_bps=30.0),
        ac.DollarNeutral(0.5, penalty_bps=5),
        ac.HoldingBounds(upper=8e3, penalty_bps=pd.Series({"C": 1.0, "B": 2.0, "A": 3.0}), during=(0.4, None)),
    ]
    problem = simple(rules=rules)
    again(problem, solve=True)
    again(problem.update(weights={"DollarNeutral (soft)": 3.0}))


@pytest.mark.parametrize(
    "budget",
    [
        ac.TimingRisk() <= ac.bps(20),
        ac.TemporaryImpact() + ac.SpreadCost() <= 50_000,
        ac.SpreadCost() + ac.Alpha.from_bps(3, 0.2) <= ac.bps(30.0),
        ac.TrackingRisk(ac.TWAP()) <= 1e5,
    ],
    ids=repr,
)
def test_budgets(budget):
    again(simple(kind="sell many", rules=[budget]))
    again(simple(kind="sell many", rules=[ac.constraints.budget.Budget(budget.cost, budget.limit, name="own name")]))


def decay(time):
    """A kernel of one's own."""
    return np.exp(-3.0 * time)


def transient():
    from acopt.costs.power import PowerImpact
    from acopt.costs.transient import TransientImpact
    from acopt.market.kernels import ExponentialDecay, LinearDecay, PowerLawDecay

    strength = pd.Series({"C": 1e-6, "B": 2e-5, "A": 1e-6})
    half, power = ExponentialDecay(half_life=0.2), PowerLawDecay(0.4, "30min")
    return [
        TransientImpact(half, strength),
        TransientImpact(ExponentialDecay(rate=2), cross_impact() * 0.1, trade_at="start"),
        TransientImpact({"C": power, "B": LinearDecay(0.5), "A": half, "Z": half}, strength, name="fading"),
        TransientImpact({"C": half, "B": half, "A": half}, strength, trade_at="end"),
        TransientImpact(ExponentialDecay(half_life=pd.Timedelta("30min")), strength),
        PowerImpact(),
        PowerImpact(pd.Series({"A": 1e-3, "B": 1e-2, "C": 2e-3}), 0.5),
        PowerImpact({"A": 1e-3, "B": 1e-3, "C": 1e-3}, pd.Series({"C": 0.6, "B": 0.5, "A": 0.5})),
    ]


@pytest.mark.parametrize("cost", transient(), ids=repr)
def test_impact_that_fades_and_impact_that_bends(cost):
    again(simple(objective=cost + 1e-6 * ac.TimingRisk(), impact=ac.SquareRootImpact(1.0)))


def test_the_worst_of_several_markets():
    from acopt.costs.worst_case import WorstCase

    costs = ac.TemporaryImpact() + ac.SpreadCost()
    wider = ac.Market(
        grid(), {**PRICES, "Z": 1.0}, volume=5e4, covariance=np.diag([1.0, 2, 3, 4]), spread=ac.bps(9), impact=LAWS[1]
    )
    markets = {"as it is": market(), "thin": market(seed=9, impact=ac.LinearImpact(20)), "wider": wider}
    amounts = {"thin": 10.0, "as it is": 20, "wider": 0.0}
    for worst in (
        WorstCase(costs, markets),
        WorstCase(costs + 1e-6 * ac.TimingRisk(), markets, less=amounts, name="regret"),
        WorstCase(costs, markets, less=dict.fromkeys(markets, 0.0)),
        2.0 * WorstCase(ac.TemporaryImpact(), {"thin": markets["thin"]}),
    ):
        again(simple(objective=worst + 1e-6 * ac.TimingRisk(name="own")))


def thin():
    return ac.what_if(market(), volume=0.6)


@pytest.mark.parametrize(
    "rule",
    [
        ac.Participation(0.6, minimum={"A": 0.0, "B": 0.0, "C": 0.005}),
        ac.Monotone(assets=["C", "A"], during=(0.2, None), name="one way"),
        ac.FactorNeutral(pd.DataFrame({"m": [1, 2, 3.0], "s": [0, 1, -1.0]}, list(NAMES)), {"s": 9e9, "m": 0.99}),
        ac.TemporaryImpact() <= ac.bps(50),
    ],
    ids=repr,
)
def test_rules_in_another_market(rule):
    wider = ac.Market(grid(), {**PRICES, "Z": 1.0}, volume=8e4, spread=ac.bps(9), impact=ac.LinearImpact(20))
    for other, name in ((thin(), "thin cap"), (wider, None), (wider, "UnderMarket")):
        back = again(simple(rules=[ac.UnderMarket(rule, other, name=name), ac.DollarNeutral(0.99)]), solve=True)
        assert type(back.constraints[0].rule) is type(rule)


def test_a_rule_that_is_called_like_its_class():
    limit = ac.TimingRisk(name="sd") <= ac.bps(60)
    assert again(simple(rules=[ac.Budget(limit.cost, limit.limit, name="Budget")])).constraints[0].name == "Budget"


SWEPT = {
    "a cap": [ac.Participation(0.1)],
    "soft": [ac.Participation(0.02, penalty_bps=30.0), ac.DollarNeutral(0.5, penalty_bps=2.0, name="even")],
    "unfilled": [ac.Participation(0.03), ac.AllowUnfilled({"A": 30.0, "B": 20.0, "C": 10.0}, assets=["A", "B"])],
}


@pytest.mark.parametrize("rules", SWEPT.values(), ids=SWEPT)
@pytest.mark.parametrize("regret", [False, True])
def test_what_is_solved_for_several_markets(rules, regret):
    asked = simple(rules=rules)
    # The third asset of "unfilled" must be finished, in each market.
    found = ac.robust(asked if regret else asked.update(weights={"TimingRisk": 1e-5}), {"thin": thin()}, regret=regret)
    again(found.solved.problem, solve=True)
    for plan in (found.plan, *found.alone.plans.values()):
        again(plan.problem)


def test_a_price_that_stands_apart_keeps_its_weight_and_its_name():
    soft = ac.Participation(0.02, penalty_bps=30.0)
    (price,) = soft.penalty().terms
    (left,) = ac.AllowUnfilled(20.0).penalty().terms
    costs = ac.TemporaryImpact() + 1e-6 * ac.TimingRisk() + 3.0 * price.cost
    back = again(simple(objective=costs), solve=True)
    assert (back.objective.terms[-1].weight, back.objective.terms[-1].cost.rule.penalty_bps) == (3.0, 30.0)
    named = SoftRule(soft, name="dear") + Unfilled(pd.Series({"C": 1.0, "B": 2.0, "A": 3.0}), name="late")
    assert [term.cost.name for term in again(simple(objective=ac.TemporaryImpact() + named)).objective.terms] == [
        *("TemporaryImpact", "dear", "late")
    ]
    again(simple(objective=ac.TemporaryImpact() + ac.WorstCase(ac.SpreadCost() + 0.5 * left.cost, {"thin": thin()})))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("maximum = 0.6", "maximum = 0.6, weight = 2.0", r"constraint\[0\].rule.weight: the rule has no cost"),
        ("maximum = 0.6", "maximum = 0.6, penalty_bps = 2.0", r"constraint\[0\]: thin cap: Participation has a price"),
        ('"Participation"', '"UnderMarket"', r"constraint\[0\].rule"),
        ("maximum = 0.6", "maximum = 0.6, size = 1.0", r"constraint\[0\].rule.size: unknown key"),
        ("[constraint.market.volume]\nA", "[constraint.market.volume]\nZ", r"constraint\[0\].market.volume: no value"),
    ],
)
def test_wrong_tables_of_a_rule_in_another_market(old, new, message):
    text = to_toml(simple(rules=[ac.UnderMarket(ac.Participation(0.6), thin(), name="thin cap")]))
    assert text.count(old) == 1
    with pytest.raises((ac.DataError, ac.ModelError), match=message):
        parse_problem(text.replace(old, new)).problem()


def test_a_history_is_kept():
    plan = simple(rules=[ac.Participation(0.9), ac.Monotone()]).solve()
    past = plan.trades.to_numpy()[:2] * 0.9
    again(plan.problem.with_history(past), solve=True)
    later = plan.reoptimize(at=0.4, executed=pd.DataFrame(past, plan.trades.index[:2], plan.trades.columns))
    back = again(later.problem)
    assert back.setting.elapsed == 2
    assert back.setting.past.tobytes() == past.tobytes()


def test_what_an_update_changed_is_written():
    problem = simple(rules=[ac.Participation(0.9)])
    before = to_toml(problem)
    problem.update(constraints={"Participation": {"maximum": 0.8}}, weights={"TimingRisk": 3e-6})
    back = again(problem)
    assert to_toml(problem) != before
    assert back.constraints[0].maximum == 0.8


# ------------------------------------------------------------------ all problems that there are


@pytest.mark.parametrize("name", sorted(path.stem for path in PROBLEMS.glob("*.toml")))
def test_every_case_of_every_problem_file(name):
    file = load_problem(name)
    for case in file.cases:
        again(file.problem(case))


@pytest.mark.parametrize("seed", range(200))
def test_random_problems(seed):
    problem = case_problem.problem_of(random_case(np.random.default_rng([77, seed])))
    again(problem, solve=seed % 10 == 0)


@pytest.mark.skipif(not US_EQUITIES.exists(), reason="the bars of us_equities are not here")
def test_a_market_calibrated_on_bars():
    names = ["JPM", "BAC", "AAPL"]
    bars = ac.read_bars([US_EQUITIES / f"{name}_15min.csv" for name in names], symbol="{symbol}_15min")
    asked = ac.Order.sell({"JPM": 90_000, "BAC": 200_000}) + ac.Order.buy({"AAPL": 50_000})
    on = ac.TimeGrid.session("2019-02-15", "15min", start="09:45", end="15:45")
    made = ac.Market.from_bars(bars, on, assets=asked.assets, impact=ac.AlmgrenEtAl2005(at=0.10), spread=ac.bps(1.0))
    costs = ac.TemporaryImpact() + ac.SpreadCost() + 1e-7 * ac.TimingRisk()
    rules = [ac.Participation(0.1), ac.Monotone(), ac.DollarNeutral(0.99)]
    back = again(ac.ExecutionProblem(asked, made, costs, rules), solve=True)
    assert len(back.market.notes) > 0


# ------------------------------------------------------------------ the file


def test_a_saved_problem_is_a_file_of_its_name(tmp_path):
    problem = simple()
    path = save_problem(problem, tmp_path / "desk day.toml", title='"Tuesday"\n\x7f\t\\ ü', source="the desk")
    file = load_problem(path)
    assert (file.name, file.title, file.source) == ("desk day", '"Tuesday"\n\x7f\t\\ ü', "the desk")
    assert numbers(file.problem()) == numbers(problem)
    assert file.solve().trades.to_numpy().tobytes() == problem.solve().trades.to_numpy().tobytes()
    assert [each.name for each in tmp_path.iterdir()] == ["desk day.toml"]


@pytest.mark.parametrize("name", ["nowhere/p.toml", "p.json", "p"])
def test_a_file_that_cannot_be_is_refused(tmp_path, name):
    with pytest.raises(ac.DataError, match=r"cannot be written|ends in \.toml"):
        save_problem(simple(), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_labels_that_are_no_texts_are_refused_by_name():
    made = ac.Market(grid(), {1: 20.0, "B": 50.0})
    with pytest.raises(ac.DataError, match=r"the label 1 \(int\) is no text"):
        to_toml(ac.ExecutionProblem(ac.Order({1: 100, "B": 5}), made, ac.TemporaryImpact({1: 1.0, "B": 1.0})))
    table = pd.DataFrame({2019: [1.0, 1, 1]}, list("ABC"))
    with pytest.raises(ac.DataError, match=r"the label 2019 \(int\) is no text"):
        to_toml(simple(rules=[ac.FactorNeutral(table, 0.99)]))
    with pytest.raises(ac.DataError, match=r"the label 3 \(int\) is no text"):
        to_toml(simple(rules=[ac.GroupNeutral({"A": 3, "B": 3, "C": 3}, 0.99)]))


def test_labels_that_toml_must_quote():
    labels = ["BRK.B", "a b", 'say "x"', "1", "ü", "#", "C:\\d"]
    made = ac.Market(grid(), pd.Series(20.0, labels), volume=pd.DataFrame(1e6, grid().labels, labels))
    costs = ac.TemporaryImpact(pd.Series(np.arange(1, 8) * 1e-4, labels))
    again(
        ac.ExecutionProblem(ac.Order(pd.Series(1e4, labels)), made, costs, [ac.Participation(0.5, assets=labels[:2])])
    )


@pytest.mark.parametrize("words", [{"name": ""}, {"title": 3}, {"source": " "}])
def test_what_is_said_about_a_problem_is_text(words):
    with pytest.raises(ac.DataError, match="a text is expected"):
        to_toml(simple(), **words)


@pytest.mark.parametrize("law", [ac.AlmgrenEtAl2005(at=0.2), ac.LinearImpact(5.0, permanent_bps=1.0)])
def test_a_law_times_a_number(law):
    asked = simple(impact=law, objective=ac.TemporaryImpact())
    scaled = ac.what_if(ac.what_if(asked.market, impact=4.0), impact=0.5)
    problem = ac.ExecutionProblem(asked.order, scaled, ac.TemporaryImpact())
    again(problem)
    assert content_hash(problem) != content_hash(asked)

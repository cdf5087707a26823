"""What is saved and loaded, here or in another process, and what is deep-copied, answers as before."""

import copy
import os
import pickle
import subprocess
import sys
from pathlib import Path

import builders
import cvxpy as cp
import numpy as np
import pandas as pd
import pytest

import acopt as ac
from acopt.insight.splitting import Aligned, Split

HERE = Path(__file__).parent
DAY = ac.TimeGrid.session("2019-02-15", "65min")
SHARP = 1e-12
RULES = (ac.Participation(0.3), ac.Monotone())


def saved(value):
    return loaded(pickle.dumps(value))


def loaded(data):
    return pickle.loads(data)  # noqa: S301 - our own data


ROUTES = {"pickle": saved, "deepcopy": copy.deepcopy}


@pytest.fixture(params=ROUTES)
def route(request):
    return ROUTES[request.param]


def costs(risk=1e-6):
    return ac.TemporaryImpact() + ac.PermanentImpact() + ac.SpreadCost() + risk * ac.TimingRisk()


def problem(side="both sides", at=DAY, *, size=1.0, objective=None, rules=RULES, **facts):
    shares = size * pd.Series(builders.ORDERS[side])
    order = ac.Order(shares.clip(lower=0.0), (-shares).clip(lower=0.0))
    market = builders.market(at, **facts)
    if size != 1.0:
        market = market.with_volumes(market.volumes * size)
    return ac.ExecutionProblem(order, market, costs() if objective is None else objective, list(rules))


def factors(assets=builders.NAMES):
    loadings = pd.DataFrame({"market": [0.2, 4.0, 0.5], "value": [0.1, -2.0, 0.2]}, list(assets))
    return ac.FactorModel(loadings, np.diag([1.0, 0.5]), pd.Series([0.1, 20.0, 0.7], list(assets)), scale=1.3)


def by_interval(at=DAY):
    sigma = builders.correlated([0.4, 8.0, 1.1])
    return ac.Covariance(
        sigma * np.linspace(0.5, 2.0, at.periods)[:, None, None], scale=np.linspace(1, 2, at.periods)[:, None]
    )


def without_a_cap():
    return problem(rules=(ac.Participation(0.05, name="tight"), *RULES)).without("tight")


def with_a_past():
    asked = problem()
    return asked.with_history(0.8 * asked.solve().path.trades[:2])


def updated():
    asked = problem()
    volumes = asked.market.volumes.copy()
    volumes[3] = 0.0
    return asked.update(
        order=ac.Order({"A": 0.0, "B": 450.0, "C": 0.0}, {"A": 5_000.0, "C": 800.0, "B": 0.0}),
        market=asked.market.with_volumes(volumes),
        weights={"TimingRisk": 4e-6},
        constraints={"Participation": {"maximum": 0.2}},
    )


PROBLEMS = {
    "both sides": problem,
    "buy one": lambda: problem("buy one", assets=["A"]),
    "sell many, uneven": lambda: problem("sell many", builders.UNEVEN),
    "one interval": lambda: problem("buy many", builders.SINGLE, rules=()),
    "zero order": lambda: problem("nothing"),
    "factors": lambda: problem(covariance=factors(), rules=(ac.Participation(0.1), ac.Monotone())),
    "covariance by interval": lambda: problem(covariance=by_interval()),
    "a cost's own covariance": lambda: problem(
        objective=ac.TemporaryImpact() + 1e-6 * ac.TimingRisk(covariance=factors()), covariance=None
    ),
    "prices only": lambda: ac.ExecutionProblem(
        builders.order("buy one"), ac.Market(builders.grid(), {"A": 20.0}), ac.TemporaryImpact(eta=1e-6)
    ),
    "1e2 shares": lambda: problem(size=1e-2),
    "1e9 shares": lambda: problem(size=1e5),
    "without a rule": without_a_cap,
    "with history": with_a_past,
    "updated": updated,
    "trades of both signs": lambda: problem(rules=[ac.Participation(0.3)]),
    "held at zero": lambda: problem(rules=[ac.TradeSize(lower=0.0, upper=0.0, during=("11:40", "12:45")), *RULES[:1]]),
    "some one-sided": lambda: problem(rules=[ac.Participation(0.3), ac.Monotone(assets=["A"])]),
    "tracking": lambda: problem(objective=costs() + 1e-5 * ac.TrackingRisk(ac.VWAP())),
}


def told(plan):
    """What a plan says without solving anything, frames and words."""
    return {
        "repr": repr(plan),
        "summary": plan.summary(),
        "numbers": (plan.objective, plan.expected_cost, plan.variance, plan.term_values, plan.rules_broken),
        "urgency": str(plan.urgency),
        "frame": plan.to_frame(),
        "breakdown": plan.breakdown(),
        "assets": plan.attribution("asset"),
        "intervals": plan.attribution("interval"),
        **({} if plan.multipliers is None else {"prices": plan.shadow_prices()}),
    }


def decided(plan):
    """Trades of what is solved again, and from the plan."""
    asked = plan.problem.copy()
    out = {"again": asked.solve(), "more risk-averse": asked.update(weights={"TimingRisk": 3e-6}).solve()}
    at = plan.setting.grid.edge_labels[max(plan.setting.elapsed, 1)]
    done = 0.9 * plan.trades.iloc[: max(plan.setting.elapsed, 1)]
    out["re-plan"] = plan.reoptimize(at=at, executed=done)
    out["more volume"] = plan.reoptimize(at=at, executed=done, volume_scale=1.4)
    return {name: one.trades for name, one in out.items()}


def same(one, other):
    assert one.keys() == other.keys()
    for key, value in one.items():
        if isinstance(value, pd.DataFrame):
            pd.testing.assert_frame_equal(value, other[key], check_exact=True)
        else:
            assert repr(value) == repr(other[key]), key


def near(one, other, size):
    assert one.keys() == other.keys()
    for key, trades in one.items():
        pd.testing.assert_index_equal(trades.index, other[key].index)
        np.testing.assert_allclose(trades.to_numpy(), other[key].to_numpy(), rtol=0, atol=SHARP * size, err_msg=key)


@pytest.mark.parametrize("kind", PROBLEMS)
@pytest.mark.parametrize("asked_before", [False, True])
def test_a_plan_says_the_same(kind, asked_before, route):
    plan = PROBLEMS[kind]().solve()
    if asked_before:
        told(plan)
    again = route(plan)
    assert again is not plan
    assert again.path.trades is not plan.path.trades
    same(told(plan), told(again))


@pytest.mark.parametrize("kind", PROBLEMS)
def test_a_problem_solves_to_the_same(kind, route):
    asked = PROBLEMS[kind]()
    again = route(asked)
    one, other = asked.solve(), again.solve()
    assert repr(again) == repr(asked)
    near({"plan": one.trades}, {"plan": other.trades}, one.setting.size)
    np.testing.assert_array_equal(again.setting.one_sided, asked.setting.one_sided)
    np.testing.assert_array_equal(again.setting.forbidden, asked.setting.forbidden)
    np.testing.assert_array_equal(again.setting.past, asked.setting.past)
    assert again.setting.elapsed == asked.setting.elapsed
    for mine, its in zip(asked._state.bounds, again._state.bounds, strict=True):
        np.testing.assert_array_equal(mine, its)


@pytest.mark.parametrize(
    "kind", ["both sides", "factors", "sell many, uneven", "without a rule", "with history", "some one-sided"]
)
def test_a_plan_is_planned_again_to_the_same(kind, route):
    plan = PROBLEMS[kind]().solve()
    near(decided(plan), decided(route(plan)), plan.setting.size)


def test_what_is_solved_for_a_dial_comes_with_its_weight(route):
    plan = problem(objective=ac.TemporaryImpact() + ac.SpreadCost() + ac.TimingRisk()).solve_for(risk_price=0.4)
    again = route(plan)
    assert again.urgency == plan.urgency
    assert again.problem.objective._terms()[-1].weight > 0
    near({"again": plan.trades}, {"again": again.problem.solve().trades}, plan.setting.size)


def test_replans_on_and_off_an_edge(route):
    plan = problem(covariance=by_interval()).solve()
    for at in ("11:40", "12:13"):
        done = plan.trades.iloc[: 2 if at == "11:40" else 3] * 0.8
        first = plan.reoptimize(at=at, executed=done)
        again = route(first)
        same(told(first) | {"cost": first.cost()}, told(again) | {"cost": again.cost()})
        later = {"at": "14:00", "executed": first.trades.loc[:"2019-02-15 13:59"]}
        assert len(later["executed"]) > len(done) - 1
        one, other = (each.reoptimize(**later) for each in (first, again))
        near({"later": one.trades}, {"later": other.trades}, plan.setting.size)


def test_a_replan_off_an_edge_with_a_covariance_of_its_cost(route):
    plan = PROBLEMS["a cost's own covariance"]().solve()
    first = plan.reoptimize(at="12:13", executed=plan.trades.iloc[:3] * 0.8)
    again = route(first)
    same(told(first), told(again))
    near({"again": first.trades}, {"again": again.problem.solve().trades}, plan.setting.size)


def test_lots(route):
    plan = problem().solve()
    again = route(plan)
    one, other = plan.round_lots(100), again.round_lots(100)
    pd.testing.assert_frame_equal(one.trades, other.trades)
    later = route(one)
    same(told(one), told(later))
    same(vars(one.rounding) | {"lot": None}, vars(later.rounding) | {"lot": None})
    pd.testing.assert_series_equal(one.rounding.lot, later.rounding.lot)
    assert str(one.rounding) == str(later.rounding)


def bars():
    rng = np.random.default_rng(4)
    frames = []
    for name, price in builders.PRICES.items():
        close = price * np.exp(0.004 * rng.standard_normal(26).cumsum())
        stamps = pd.date_range("2019-02-15 09:30", periods=26, freq="15min").astype(str)
        frame = pd.DataFrame({"symbol": name, "datetime": stamps, "open": price, "close": close})
        frame["high"], frame["low"] = 1.01 * np.maximum(price, close), 0.99 * np.minimum(price, close)
        frame["volume"] = np.round(rng.uniform(1e4, 9e4, 26))
        frames.append(frame)
    return ac.read_bars(pd.concat(frames, ignore_index=True))


def test_replays(route):
    day = ac.TimeGrid.session("2019-02-15", "15min")
    plan = problem(at=day).solve()
    replayed = plan.replay(bars())
    for other in (route(plan).replay(bars()), route(replayed)):
        pd.testing.assert_frame_equal(replayed.slippage, other.slippage, check_exact=True)
        pd.testing.assert_frame_equal(replayed.table, other.table, check_exact=True)
        pd.testing.assert_frame_equal(replayed.caps, other.caps, check_exact=True)
        assert str(replayed) == str(other)


def test_frontiers(route):
    frontier = problem().frontier(points=4)
    again = route(frontier)
    pd.testing.assert_frame_equal(frontier.table, again.table, check_exact=True)
    assert again.term == frontier.term
    for one, other in zip(frontier.plans, again.plans, strict=True):
        same(told(one), told(other))
    near({"first": frontier.plans[0].trades}, {"first": again.plans[0].problem.solve().trades}, one.setting.size)


MODELS = {
    "full": lambda: ac.Covariance(
        builders.correlated([0.4, 8.0, 1.1]), scale=np.linspace(0.5, 2, DAY.periods)[:, None]
    ),
    "by interval": by_interval,
    "factors": factors,
}


@pytest.mark.parametrize("kind", MODELS)
def test_a_market_with_its_risk(kind, route):
    market = builders.market(DAY, covariance=MODELS[kind]()).select(["C", "A"])
    market.daily_volatility  # noqa: B018 - from here on the risk is known
    again = route(market)
    x = np.random.default_rng(0).normal(size=(DAY.periods, 2))
    np.testing.assert_array_equal(market.risk.apply(x), again.risk.apply(x))
    np.testing.assert_array_equal(market.align(market.covariance).root, again.align(again.covariance).root)
    np.testing.assert_array_equal(market.daily_volatility, again.daily_volatility)
    np.testing.assert_array_equal(market.volumes, again.volumes)
    assert again.grid == market.grid
    assert again.assets.equals(market.assets)
    assert repr(again) == repr(market)


@pytest.mark.parametrize("kind", MODELS)
def test_a_covariance_of_a_market_is_read_by_rows_after_loading(kind, route):
    split = Split(DAY, 2, 0.25, 3)
    market = builders.market(covariance=MODELS[kind](), at=DAY)
    aligned = Aligned.of(market, split.grid, split.rows)
    x = np.random.default_rng(1).normal(size=(split.grid.periods, 3))
    first, again = (each.on(split.grid, market.assets) for each in (aligned, route(aligned)))
    np.testing.assert_array_equal(first.apply(x), again.apply(x))
    np.testing.assert_array_equal(first.apply(x), split_by_hand(market, split, x))


def split_by_hand(market, split, x):
    """Sigma of the parent's interval times each row, one row at a time."""
    out = np.empty_like(x)
    for k, row in enumerate(split.rows):
        whole = np.zeros((DAY.periods, x.shape[1]))
        whole[row] = x[k]
        out[k] = market.risk.apply(whole)[row]
    return out


def test_a_setting_forgets_what_goes_by_id(route):
    asked = problem()
    asked.solve()
    assert asked.setting._known
    again = route(asked.setting)
    assert not again._known
    assert asked.setting._known
    assert again.once(asked, "answer", lambda: 42) == 42
    np.testing.assert_array_equal(again.remaining, asked.setting.remaining)


def test_a_copy_goes_its_own_way():
    plan = problem().solve()
    before = told(plan)
    other = copy.deepcopy(plan)
    other.problem.update(weights={"TimingRisk": 1e-4}).solve()
    other.path.trades[:] = 0.0
    same(before, told(plan))
    assert plan.problem.objective._terms()[-1].weight == 1e-6


def test_what_is_loaded_is_not_declared_before_it_is_asked(route):
    plan = route(problem().solve())
    told(plan)
    assert "_solver" not in vars(plan.problem)
    plan.problem.copy().solve()
    assert "_solver" in vars(plan.problem)


def test_multipliers_travel_by_name(route):
    pair = ac.CustomConstraint(lambda path: [path.trades[0] == path.trades[1], path.trades[2] <= 1e6], name="pair")
    found = problem(rules=(*RULES, pair, ac.AllowUnfilled(10.0))).solve().multipliers
    again = route(found)
    assert again.equalities("pair") == [True, False]
    for name in ("Participation", "Monotone", "pair", "AllowUnfilled", "trade bounds", "Complete", "nobody"):
        assert found.equalities(name) == again.equalities(name)
        assert len(found.of(name)) == len(again.of(name))
        for one, other in zip(found.of(name), again.of(name), strict=True):
            np.testing.assert_array_equal(one, other)
    assert again.of("trade bounds")[0].shape == (DAY.periods, 3)


def test_a_lambda_is_deep_copied_but_not_pickled():
    fee = ac.CustomCost(lambda path: 1e-3 * cp.sum_squares(path.trades), kind="money", name="fee")
    plan = problem(objective=fee + costs()).solve()
    again = copy.deepcopy(plan)
    same(told(plan), told(again))
    near({"plan": plan.trades}, {"plan": again.problem.solve().trades}, plan.setting.size)
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(plan)


DESK = """
import cvxpy as cp


def fee(path):
    return 1e-3 * cp.sum_squares(path.trades)


def law(path):
    return 50 * cp.sum(cp.power(cp.abs(path.participation), 1.6))
"""
IN_ANOTHER_PROCESS = """
import pickle, sys
import test_pickle
with open(sys.argv[1], "rb") as file:
    plans = pickle.load(file)
answers = {name: (test_pickle.told(plan), test_pickle.decided(plan)) for name, plan in plans.items()}
with open(sys.argv[2], "wb") as file:
    pickle.dump(answers, file)
"""


def test_in_another_process(tmp_path, monkeypatch):
    (tmp_path / "desk_of_a_test.py").write_text(DESK)
    monkeypatch.syspath_prepend(tmp_path)
    import desk_of_a_test as desk

    names = ("both sides", "trades of both signs", "factors", "sell many, uneven", "without a rule", "with history")
    plans = {name: PROBLEMS[name]().solve() for name in names}
    fee = ac.CustomCost(desk.fee, kind="money", name="fee")
    plans["a function"] = problem(objective=fee + costs()).solve()
    plans["re-plan"] = plans["factors"].reoptimize(at="11:40", executed=plans["factors"].trades.iloc[:2] * 0.7)
    plans["off an edge"] = plans["both sides"].reoptimize(at="11:50", executed=plans["both sides"].trades.iloc[:3] / 2)
    (tmp_path / "plans").write_bytes(pickle.dumps(plans))
    path = os.pathsep.join(map(str, [tmp_path, HERE, HERE.parent, HERE.parents[1]]))
    script = [sys.executable, "-W", "error", "-c", IN_ANOTHER_PROCESS, tmp_path / "plans", tmp_path / "answers"]
    ran = subprocess.run(script, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    answers = loaded((tmp_path / "answers").read_bytes())
    assert answers.keys() == plans.keys()
    for name, plan in plans.items():
        same(told(plan), answers[name][0])
        near(decided(plan), answers[name][1], plan.setting.size)


def test_a_conic_problem(tmp_path, monkeypatch):
    (tmp_path / "desk_of_cones.py").write_text(DESK)
    monkeypatch.syspath_prepend(tmp_path)
    import desk_of_cones as desk

    law = ac.CustomCost(desk.law, kind="money", name="law")
    plan = problem(objective=law + 1e-6 * ac.TimingRisk(), rules=(ac.Participation(0.3),)).solve()
    again = saved(plan)
    assert plan.certificate.conic
    same(told(plan), told(again))
    near({"plan": plan.trades}, {"plan": again.problem.solve().trades}, plan.setting.size)


def test_errors_of_a_worker_come_back():
    with pytest.raises(ac.InfeasibleError) as caught:
        problem(rules=(ac.Participation(1e-4),))
    again = saved(caught.value)
    assert str(again) == str(caught.value)

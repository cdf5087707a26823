"""Environments: gymnasium's own check, rewards that add up to the objective, many at once as one at a time."""

import importlib.util
import itertools
import subprocess
import sys

import builders as b
import gymnasium
import numpy as np
import pandas as pd
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils import seeding
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import SyncVectorEnv

import acopt as ac
from acopt.adaptive import environments
from acopt.adaptive.environments import ExecutionEnv, ExecutionVectorEnv
from acopt.adaptive.prices import ArithmeticBrownian, OrnsteinUhlenbeck, RevertingDrift
from acopt.adaptive.recorded import RecordedPrices

LOTS = {"A": 1_000.0, "B": 100.0, "C": 500.0}
COSTS = ac.TemporaryImpact() + ac.PermanentImpact() + ac.SpreadCost() + 1e-6 * ac.TimingRisk()
PRICES = {
    "none": None,
    "brownian": ArithmeticBrownian(),
    "reverting": OrnsteinUhlenbeck(2.0),
    "drift": RevertingDrift(1.0, {"A": 0.2, "B": 4.0, "C": 0.5}),
}
CASES = {
    "plain": (COSTS, []),
    "cap and floor": (COSTS, [ac.Participation(0.2, minimum={"A": 0.005, "B": 0.0, "C": 0.002})]),
    "window": (COSTS, [ac.NoTrade(during=(0.2, 0.4))]),
    "held longer": (COSTS, [ac.HoldingBounds(lower={"A": 2_000.0, "B": -np.inf, "C": -np.inf}, during=(0.0, 0.4))]),
    "unfilled": (COSTS, [ac.AllowUnfilled(penalty_bps=3.0)]),
    "soft cap": (COSTS, [ac.Participation(0.02, penalty_bps=20.0)]),
    "soft neutrality": (COSTS, [ac.DollarNeutral(0.02, penalty_bps=5.0)]),
    "power law": (ac.PowerImpact() + ac.SpreadCost(), []),
    "view and benchmark": (COSTS + ac.Alpha({"A": 0.1, "B": -1.0, "C": 0.0}) + 1e-5 * ac.TrackingRisk(ac.VWAP()), []),
    "weights": (2.0 * ac.TemporaryImpact() + 0.0 * ac.SpreadCost() + 3e-6 * ac.TimingRisk(), []),
    "cross-impact": (ac.TemporaryImpact(b.cross_impact()) + 1e-6 * ac.TimingRisk(), []),
}


def problem_of(case="plain", kind="both sides", at=b.EVEN, executed=None):
    costs, rules = CASES[case]
    return ac.ExecutionProblem(b.order(kind), b.market(at), costs, rules, executed=executed)


def single(lots=12, periods=5, rules=(), side="sell"):
    """Return a problem of one stock in lots of 100."""
    grid = ac.TimeGrid.uniform(1.0, periods)
    volume = pd.Series(5_000.0 + 700.0 * np.arange(periods), grid.labels)
    market = ac.Market(grid, 40.0, volume=volume, covariance=2.0, spread=0.02, impact=ac.LinearImpact(60.0))
    order = ac.Order.sell(100.0 * lots) if side == "sell" else ac.Order.buy(100.0 * lots)
    return ac.ExecutionProblem(
        order, market, ac.TemporaryImpact() + ac.SpreadCost() + 1e-4 * ac.TimingRisk(), list(rules)
    )


def play(env, seed, masked):
    """Return observations, rewards and trades of an episode of random actions."""
    seen, info = env.reset(seed=seed)
    rng = np.random.default_rng(seed)
    observations, rewards, trades, over = [seen], [], [], False
    nvec = env.task.nvec
    while not over:
        masks = np.split(info["action_mask"], np.cumsum(nvec)[:-1])
        choices = [np.flatnonzero(mask) if masked else np.arange(len(mask)) for mask in masks]
        action = np.array([rng.choice(choice) for choice in choices])
        seen, reward, over, truncated, info = env.step(action if len(nvec) > 1 else action[0])
        assert not truncated
        observations.append(seen)
        rewards.append(reward)
        trades.append(info["traded"])
    return np.array(observations), np.array(rewards), np.array(trades)


@pytest.mark.parametrize("prices", PRICES)
@pytest.mark.parametrize("kind", ["sell one", "both sides", "nothing"])
def test_gymnasium_finds_nothing_wrong(kind, prices):
    problem = problem_of(kind=kind)
    model = PRICES[prices] if kind == "both sides" or prices != "drift" else RevertingDrift(1.0)
    make = EnvSpec("Execution-v0", entry_point=lambda: ExecutionEnv(problem, 100.0, prices=model))
    env = gymnasium.make(make, disable_env_checker=True).unwrapped
    check_env(env)
    assert env.spec is not None  # so that nothing was left out of the check
    assert isinstance(env, ExecutionEnv)


@pytest.mark.parametrize("at", [b.EVEN, b.UNEVEN, b.SINGLE])
@pytest.mark.parametrize("kind", ["sell one", "buy one", "sell many", "buy many", "both sides", "nothing"])
def test_rewards_sum_to_minus_the_objective(kind, at):
    problem = problem_of(kind=kind, at=at)
    env = ExecutionEnv(problem, 100.0)
    for seed, masked in itertools.product(range(3), (True, False)):
        observations, rewards, trades = play(env, seed, masked)
        plan = problem.evaluate(trades)
        assert plan.objective == pytest.approx(-rewards.sum(), rel=1e-9, abs=1e-9)
        assert not plan.rules_broken
        assert all(env.observation_space.contains(seen) for seen in observations)


@pytest.mark.parametrize("case", CASES)
def test_every_cost_and_rule_is_in_the_rewards(case):
    problem = problem_of(case)
    env = ExecutionEnv(problem, LOTS)
    for seed in range(4):
        _, rewards, trades = play(env, seed, masked=seed % 2 == 0)
        plan = problem.evaluate(trades)
        assert plan.objective == pytest.approx(-rewards.sum(), rel=1e-9)
        assert not plan.rules_broken, case


def test_history_is_paid_and_not_replayed():
    whole = ac.ExecutionProblem(b.order("both sides"), b.market(), COSTS)
    past = np.array([[-2_000.0, 100.0, -1_000.0], [-1_000.0, 0.0, -500.0]])
    problem = whole.with_history(past)
    env = ExecutionEnv(problem, LOTS)
    observations, rewards, trades = play(env, 1, masked=False)
    assert len(rewards) == 3
    plan = problem.evaluate(np.concatenate([past, trades]))
    assert plan.objective == pytest.approx(-rewards.sum(), rel=1e-9)
    assert not plan.rules_broken
    assert observations[0].tolist() == [0.0, 1.0, 1.0, 1.0]
    assert observations[-1].tolist() == [1.0, 0.0, 0.0, 0.0]


def test_an_observation_is_time_and_what_is_left():
    problem = problem_of(kind="both sides", at=b.UNEVEN)
    observations, _, trades = play(ExecutionEnv(problem, LOTS), 5, masked=True)
    left = b.loops(trades, problem.setting.remaining) / problem.setting.remaining
    assert observations[:, 0] == pytest.approx(b.EDGES[b.UNEVEN], abs=1e-7)
    assert observations[:, 1:] == pytest.approx(left, abs=1e-7)


@pytest.mark.parametrize("side", ["sell", "buy"])
@pytest.mark.parametrize(
    "rules",
    [
        [],
        [ac.Participation(0.06)],
        [ac.Participation(0.07, minimum=0.015)],
        [ac.NoTrade(during=(0.25, 0.5)), ac.TradeSize(-500, 500)],
        [ac.HoldingBounds(-500.0, 500.0, during=(0.0, 0.75)), ac.Participation(0.08)],
    ],
    ids=lambda rules: "+".join(rule.name for rule in rules) or "none",
)
def test_the_mask_is_what_can_still_be_finished(side, rules):
    """Against all schedules there are, each judged by the problem."""
    problem = single(7, 4, rules, side)
    sign = -1.0 if side == "sell" else 1.0
    allowed = {
        lots
        for lots in itertools.product(range(8), repeat=4)
        if sum(lots) == 7 and not problem.evaluate(sign * 100.0 * np.array(lots, dtype=float)[:, None]).rules_broken
    }
    assert allowed
    task = ExecutionEnv(problem, 100.0).task
    for k in range(4):
        for before in {lots[:k] for lots in allowed}:
            low, high = task.limits(k, np.array([[7 - sum(before)]]))
            may = {lots[k] for lots in allowed if sum(lots[:k]) == sum(before) and lots[:k] == before}
            assert set(range(int(low[0, 0]), int(high[0, 0]) + 1)) == may
    assert int(task.nvec[0]) == 1 + max(max(lots) for lots in allowed)


def test_an_action_that_the_mask_excludes_is_taken_as_the_nearest():
    env = ExecutionEnv(single(12, 5, [ac.Participation(0.09)]), 100.0)
    _, info = env.reset(seed=0)
    assert info["action_mask"].tolist() == [1, 1, 1, 1, 1, 0, 0, 0]
    _, _, _, _, info = env.step(7)
    assert info["traded"].tolist() == [-400.0]
    for _ in range(3):
        _, _, over, _, info = env.step(0)
        assert not over
    assert info["action_mask"].sum() == 1
    assert info["action_mask"][7] == 1  # the last interval takes what is left
    _, _, over, _, info = env.step(0)
    assert over
    assert info["traded"].tolist() == [-700.0]
    assert info["action_mask"].sum() == 0


def test_a_mask_is_what_the_space_samples_by():
    env = ExecutionEnv(single(12, 5, [ac.Participation(0.09)]), 100.0)
    _, info = env.reset(seed=0)
    assert {int(env.action_space.sample(mask=info["action_mask"])) for _ in range(200)} == {0, 1, 2, 3, 4}


@pytest.mark.parametrize(
    ("lots", "action", "message"),
    [
        (LOTS, [10, 0, 0], r"ExecutionEnv: the action \[10, 0, 0\] is outside MultiDiscrete\(\[10  6  7\]\)"),
        (LOTS, [0, -1, 0], r"the action \[0, -1, 0\] is outside"),
        (LOTS, [0, 1], r"the action \[0, 1\] is outside"),
        (LOTS, 3, "the action 3 is outside"),
        (LOTS, [0.0, 1.0, 2.0], "the action .* is outside"),
        (LOTS, [[1], [1, 2]], "the action .* is outside"),
        (LOTS, "buy", "the action 'buy' is outside"),
        (LOTS, None, "the action None is outside"),
        (100.0, 91, r"the action 91 is outside Discrete\(91\)"),
        (100.0, -1, r"the action -1 is outside Discrete\(91\)"),
        (100.0, True, "the action True is outside"),
        (100.0, 1.0, "the action 1.0 is outside"),
    ],
)
def test_an_action_outside_its_space_is_named(lots, action, message):
    env = ExecutionEnv(problem_of(kind="both sides" if lots is LOTS else "sell one"), lots)
    env.reset(seed=0)
    with pytest.raises(ac.DataError, match=message):
        env.step(action)


def test_a_step_without_an_episode_is_refused():
    env = ExecutionEnv(single(), 100.0)
    with pytest.raises(ac.ModelError, match="call reset"):
        env.step(0)
    play(env, 0, masked=True)
    with pytest.raises(ac.ModelError, match="the episode is over"):
        env.step(0)
    many = ExecutionVectorEnv(single(), 100.0, 2)
    with pytest.raises(ac.ModelError, match="no episode has begun"):
        many.step([0, 0])


def test_what_is_no_task_is_refused():
    with pytest.raises(ac.DataError, match=r"^lots: 500 shares do not divide the 1,200 .* 400 or 600 would do"):
        ExecutionEnv(single(), 500.0)
    with pytest.raises(ac.DataError, match=r"^lots"):
        ExecutionEnv(single(), -100.0)
    with pytest.raises(ac.DataError, match=r"^lots: 1e-07 shares make"):
        ExecutionEnv(single(), 1e-7)
    with pytest.raises(ac.InfeasibleError, match=r"^the task: .* lots of 300 shares do not fit under Participation"):
        ExecutionEnv(single(12, 5, [ac.Participation(0.05)]), 300.0)
    with pytest.raises(ac.ModelError, match=r"must not depend on the others.*penalty_bps"):
        ExecutionEnv(ac.ExecutionProblem(b.order("both sides"), b.market(), COSTS, [ac.DollarNeutral(0.9)]), LOTS)
    wavy = ac.ExecutionProblem(b.order("sell one"), b.market(), COSTS + ac.Smoothness(scale=0.1))
    with pytest.raises(ac.ModelError, match="does not split by interval: Smoothness"):
        ExecutionEnv(wavy, 100.0)
    with pytest.raises(ac.DataError, match="a price model such as"):
        ExecutionEnv(single(), 100.0, prices=OrnsteinUhlenbeck)
    with pytest.raises(ac.DataError, match="in price units"):
        ExecutionEnv(problem_of(), LOTS, prices=RevertingDrift(1.0, 0.3))
    with pytest.raises(ac.DataError, match="num_envs=0"):
        ExecutionVectorEnv(single(), 100.0, 0)


@pytest.mark.parametrize("prices", [name for name in PRICES if name != "none"])
def test_moving_prices_are_paid_by_what_is_held(prices):
    problem, model = problem_of(), PRICES[prices]
    env = ExecutionEnv(problem, LOTS, prices=model)
    for seed in range(3):
        observations, rewards, trades = play(env, seed, masked=False)
        drawn = model.draw(problem.setting, 1, seeding.np_random(seed)[0])
        held = problem.setting.remaining + np.cumsum(trades, axis=0)
        cost = problem.evaluate(trades).objective - float(np.sum(drawn.changes[0] * held))
        assert cost == pytest.approx(-rewards.sum(), rel=1e-9)
        assert all(env.observation_space.contains(seen) for seen in observations)
        moved = np.vstack([np.zeros(3), np.cumsum(drawn.changes[0], axis=0)])
        assert observations[:, 4:7] == pytest.approx(100.0 * moved / problem.setting.market.prices, abs=1e-5)


def test_the_forecast_in_an_observation_is_the_models():
    problem = problem_of()
    observations, _, _ = play(ExecutionEnv(problem, LOTS, prices=OrnsteinUhlenbeck(2.0)), 3, masked=True)
    ahead = 1.0 - np.asarray(problem.market.grid.edges)
    assert observations[:, 7:10] == pytest.approx(observations[:, 4:7] * np.expm1(-2.0 * ahead)[:, None], abs=1e-5)
    assert np.abs(observations[1:-1, 7:10]).min() > 0


def test_prices_do_not_answer_to_actions():
    env = ExecutionEnv(problem_of(), LOTS, prices=PRICES["brownian"])
    runs = [play(env, 4, masked)[0] for masked in (True, False)]
    assert np.array_equal(runs[0][:, 4:7], runs[1][:, 4:7])
    assert not np.array_equal(runs[0][:, 1:4], runs[1][:, 1:4])
    again = play(env, 4, True)[0]
    assert np.array_equal(again, runs[0])
    assert not np.array_equal(play(env, 5, True)[0], runs[0])


def test_a_recorded_day_is_drawn_at_random():
    problem = single()
    days = 40.0 + np.cumsum(np.random.default_rng(1).normal(size=(3, 6, 1)), axis=1)
    env = ExecutionEnv(problem, 100.0, prices=RecordedPrices(days))
    moves = {tuple(play(env, seed, True)[0][:, 2].round(4).tolist()) for seed in range(40)}
    expected = 100.0 * (days[:, :, 0] - days[:, :1, 0]) / 40.0
    assert np.array(sorted(moves)) == pytest.approx(np.array(sorted(expected.tolist())), abs=1e-3)


@pytest.mark.parametrize("prices", PRICES)
@pytest.mark.parametrize("kind", ["sell one", "both sides"])
def test_many_at_once_are_the_same_as_one_at_a_time(kind, prices):
    problem = problem_of("window", kind)
    model = PRICES[prices] if kind == "both sides" or prices != "drift" else RevertingDrift(1.0, 0.3)
    lots = 100.0
    one_by_one = SyncVectorEnv([lambda: ExecutionEnv(problem, lots, prices=model)] * 4)
    together = ExecutionVectorEnv(problem, lots, 4, prices=model)
    assert together.action_space == one_by_one.action_space
    assert together.observation_space == one_by_one.observation_space
    assert together.metadata["autoreset_mode"] == one_by_one.metadata["autoreset_mode"]
    one_by_one.action_space.seed(1)
    mine, theirs = together.reset(seed=7), one_by_one.reset(seed=7)
    for turn in range(20):
        assert len(mine) == len(theirs) == (5 if turn else 2)
        for here, there in zip(mine[:-1], theirs[:-1], strict=True):
            assert here.dtype == there.dtype
            assert np.array_equal(here, there)
        assert set(mine[-1]) == set(theirs[-1])
        for key, there in theirs[-1].items():
            assert np.array_equal(mine[-1][key], there), key
        if turn in (8, 12):
            seeds = None if turn == 8 else [5, None, 6, 7]
            mine, theirs = together.reset(seed=seeds), one_by_one.reset(seed=seeds)
            mine, theirs = (*mine[:1], *[np.zeros(4)] * 3, mine[1]), (*theirs[:1], *[np.zeros(4)] * 3, theirs[1])
            continue
        actions = one_by_one.action_space.sample()
        mine, theirs = together.step(actions), one_by_one.step(actions)


def test_many_name_the_one_that_is_wrong():
    many = ExecutionVectorEnv(problem_of(), LOTS, 3)
    many.reset(seed=1)
    with pytest.raises(ac.DataError, match=r"ExecutionVectorEnv: the action \[10, 0, 0\] of environment 1 is outside"):
        many.step([[0, 0, 0], [10, 0, 0], [0, 0, 0]])
    with pytest.raises(ac.DataError, match=r"are no 3 of MultiDiscrete"):
        many.step([[0, 0, 0], [1, 0, 0]])
    with pytest.raises(ac.DataError, match="reset_mask"):
        many.reset(options={"reset_mask": np.array([True, False, False])})
    with pytest.raises(ac.DataError, match="2 seeds were given for 3"):
        many.reset(seed=[1, 2])


def test_without_gymnasium_the_install_line_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    again = importlib.util.spec_from_file_location("environments_again", environments.__file__)
    with pytest.raises(ac.MissingExtraError, match=r"environments need gymnasium: pip install 'acopt\[rl\]'"):
        again.loader.exec_module(importlib.util.module_from_spec(again))


NAMES = """
import sys
{block}
import acopt as ac
environments = {{"ExecutionEnv", "ExecutionVectorEnv", "TacticEnv", "TacticVectorEnv"}}
shown = set(dir(ac))
assert set(ac.__all__) <= shown and all(hasattr(ac, name) for name in ac.__all__)
assert {{"ExecutionTask", "TacticTask", "QLearning", "simulate"}} <= shown
assert (environments <= shown) is (environments <= set(ac.__all__)) is {there}
assert not environments & set(ac.__all__) or {there}
from acopt import *
assert ("ExecutionEnv" in globals()) is {there}
assert QLearning is ac.QLearning
try:
    ac.ExecutionEnv
except ac.MissingExtraError as error:
    assert not {there} and "pip install" in str(error)
else:
    assert {there}
print("done")
"""


@pytest.mark.parametrize("there", [True, False])
def test_all_names_are_those_that_can_be_had(there):
    code = NAMES.format(block="" if there else "sys.modules['gymnasium'] = None", there=there)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "done\n"

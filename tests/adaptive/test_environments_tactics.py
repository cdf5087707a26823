"""Switching between TWAP and VWAP: every sequence against one that is built by hand."""

import itertools

import builders as b
import gymnasium
import numpy as np
import pandas as pd
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import SyncVectorEnv

import acopt as ac
from acopt.adaptive.environments import TacticEnv, TacticVectorEnv
from acopt.adaptive.state import State

COSTS = ac.TemporaryImpact() + ac.PermanentImpact() + ac.SpreadCost() + 1e-6 * ac.TimingRisk()


def problem_of(kind="both sides", at=b.UNEVEN, rules=(), **changes):
    return ac.ExecutionProblem(b.order(kind), b.market(at, **changes), COSTS, list(rules))


def by_hand(problem, stretches, choices):
    """Return trades, one interval at a time: the tactic of the stretch over all that is left of the day."""
    grid, volume = problem.market.grid, problem.market.volumes
    clock = np.broadcast_to(np.asarray(grid.durations)[:, None], volume.shape)
    x, trades = problem.setting.remaining.copy(), []
    for stretch, choice in zip(stretches, choices, strict=True):
        weights = volume if choice else clock
        for k in stretch:
            trades.append(-x * weights[k] / weights[k:].sum(axis=0))
            x = x + trades[-1]
    return np.array(trades)


def episode(env, choices, seed=None):
    """Return the sum of rewards and the last info."""
    env.reset(seed=seed)
    total = 0.0
    for i, choice in enumerate(choices):
        _, reward, over, _, info = env.step(choice)
        total += reward
        assert over == (i + 1 == len(choices))
    return total, info


@pytest.mark.parametrize("kind", ["sell one", "both sides"])
def test_gymnasium_finds_nothing_wrong_with_tactics(kind):
    problem = problem_of(kind)
    make = EnvSpec("Tactics-v0", entry_point=lambda: TacticEnv(problem, 3))
    env = gymnasium.make(make, disable_env_checker=True).unwrapped
    check_env(env)
    assert isinstance(env, TacticEnv)


@pytest.mark.parametrize("kind", ["sell one", "buy many", "both sides", "nothing"])
@pytest.mark.parametrize(
    ("decisions", "stretches"), [(1, [range(5)]), (2, [range(3), range(3, 5)]), (5, [[0], [1], [2], [3], [4]])]
)
def test_every_sequence_is_paid_what_its_schedule_costs(kind, decisions, stretches):
    problem = problem_of(kind)
    env = TacticEnv(problem, decisions)
    for choices in itertools.product((0, 1), repeat=decisions):
        total, _ = episode(env, choices)
        trades = by_hand(problem, stretches, choices)
        assert problem.evaluate(trades).objective == pytest.approx(-total, rel=1e-9, abs=1e-9)
        plan = env.task.schedule(np.array(choices)[:, None], "found")
        assert plan.trades.to_numpy() == pytest.approx(trades, rel=1e-9, abs=1e-9)
        assert not plan.rules_broken


def test_one_tactic_all_day_is_the_benchmark():
    problem = problem_of()
    env = TacticEnv(problem, 4)
    for choice, plan in enumerate((ac.twap(problem), ac.vwap(problem))):
        found = env.task.schedule(np.full((4, 1), choice), "found")
        assert found.trades.to_numpy() == pytest.approx(plan.trades.to_numpy(), rel=1e-9)


def test_history_is_paid_and_the_rest_is_switched():
    past = np.array([[-2_000.0, 100.0, -1_000.0]])
    problem = problem_of().with_history(past)
    env = TacticEnv(problem, 2)
    total, _ = episode(env, (1, 0))
    volume, tau = problem.market.volumes, np.asarray(problem.market.grid.durations)[:, None]
    x, trades = problem.setting.remaining + past[0], [past[0]]
    for k in range(1, 5):
        weights = volume if k < 3 else tau
        trades.append(-x * weights[k] / weights[k:].sum(axis=0))
        x = x + trades[-1]
    assert problem.evaluate(np.array(trades)).objective == pytest.approx(-total, rel=1e-9)


def test_twap_is_masked_when_only_the_cross_is_left():
    grid = ac.TimeGrid.session("2019-02-15", "130min", auctions=True)
    n = grid.periods
    market = ac.Market(grid, 50.0, volume=np.full((n, 1), 1e5), impact=ac.LinearImpact(5.0))
    problem = ac.ExecutionProblem(ac.Order(1_000.0), market, ac.TemporaryImpact())
    env = TacticEnv(problem, n)
    env.reset(seed=0)
    for _ in range(n - 1):
        _, _, _, _, info = env.step(1)
    assert grid.auctions[-1]
    assert info["action_mask"].tolist() == [0, 1]
    _, _, over, _, info = env.step(0)
    assert over
    assert info["traded"].tolist() == pytest.approx([-1_000.0 / n])
    _, info = episode(env, [0] * n)
    assert info["traded"].tolist() == [0.0]  # TWAP had finished before


@pytest.mark.parametrize("kind", ["sell one", "both sides"])
def test_many_tactics_at_once_are_the_same_as_one_at_a_time(kind):
    problem = problem_of(kind)
    one_by_one, together = SyncVectorEnv([lambda: TacticEnv(problem, 3)] * 4), TacticVectorEnv(problem, 3, 4)
    one_by_one.action_space.seed(2)
    mine, theirs = together.reset(seed=1), one_by_one.reset(seed=1)
    for _ in range(10):
        assert all(np.array_equal(here, there) for here, there in zip(mine[:-1], theirs[:-1], strict=True))
        assert {k: v.tolist() for k, v in mine[-1].items()} == {k: v.tolist() for k, v in theirs[-1].items()}
        actions = one_by_one.action_space.sample()
        mine, theirs = together.step(actions), one_by_one.step(actions)


def reach_by_trying(task):
    """Return trades and what is left, unsigned, of every allowed sequence: (sequences, intervals, n) each."""
    past = task.setting.elapsed
    traded = []
    for choices in itertools.product((0, 1), repeat=task.steps):
        state, parts, allowed = task.begin(1), [], True
        for step, choice in enumerate(choices):
            low, high = task.limits(step, state)
            allowed = allowed and low[0, 0] <= choice <= high[0, 0]
            parts.append(task.trades(step, state, np.array([[choice]]))[0])
            state = task.after(step, state, np.array([[choice]]))
        if allowed:
            traded.append(np.concatenate(parts))
    trades = np.array(traded)
    assert trades.shape[1] == task.setting.shape[0] - past
    return np.abs(trades), np.abs(task.setting.left + np.cumsum(trades, axis=1))


@pytest.mark.parametrize("seed", range(12))
def test_the_reach_is_that_of_all_sequences(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 8))
    grid = ac.TimeGrid(np.concatenate([[0.0], np.cumsum(rng.uniform(0.05, 0.6, n))]))
    if seed % 3 == 0:
        grid = ac.TimeGrid.session("2019-02-15", "130min", auctions=True)  # only VWAP trades in the last cross
        n = grid.periods
    names = ["A", "B"][: 1 + seed % 2]
    volume = pd.DataFrame(rng.uniform(1e3, 9e4, (n, len(names))), grid.labels, names)
    if seed % 4 == 1:
        volume.iloc[1] = 0.0
    market = ac.Market(grid, dict.fromkeys(names, 30.0), volume=volume, spread=ac.bps(2.0))
    shares = pd.Series(rng.uniform(1e3, 1e5, len(names)) * rng.choice([-1.0, 1.0], len(names)), names)
    order = ac.Order(shares.clip(lower=0.0), (-shares).clip(lower=0.0))
    problem = ac.ExecutionProblem(order, market, ac.SpreadCost())
    if seed % 5 == 2:
        problem = problem.with_history(np.array([-0.1 * shares.to_numpy()]))
    task = ac.TacticTask(problem, int(rng.integers(1, n - problem.setting.elapsed + 1)))
    for (least, most), tried in zip(task._reach(), reach_by_trying(task), strict=True):
        slack = 1e-9 * shares.abs().max()
        assert least == pytest.approx(tried.min(axis=0), abs=slack, rel=1e-9)
        assert most == pytest.approx(tried.max(axis=0), abs=slack, rel=1e-9)


@pytest.mark.parametrize("kind", ["sell one", "buy many", "both sides"])
def test_a_cap_is_refused_where_a_sequence_breaks_it_and_only_there(kind):
    problem = problem_of(kind)
    trades, left = reach_by_trying(ac.TacticTask(problem, 3))
    part = float((trades / problem.market.volumes).max())
    held, start = float(left[:, 1, 0].max()), float(problem.setting.remaining[0])
    during = tuple(problem.market.grid.edges[1:3])

    def holding(factor):
        ends = (-1e6, held * factor) if start > 0 else (-start - held * factor, 1e6)  # from the order to 0, or from 0
        return ac.HoldingBounds(*ends, assets=["A"], during=during)

    for make in (lambda factor: ac.Participation(part * factor), holding):
        ac.TacticTask(problem_of(kind, rules=[make(1 + 1e-6)]), 3)
        with pytest.raises(ac.ModelError, match=f"might bind: {make(1.0).name}; make it soft"):
            ac.TacticTask(problem_of(kind, rules=[make(1 - 1e-6)]), 3)


def test_rules_that_might_bind_are_refused():
    wide = ac.Participation(0.9, name="wide")
    for rule in (ac.Participation(0.05), ac.NoTrade(during=(0.1, 0.4)), ac.HoldingBounds(-1e6, 7_000.0)):
        for rules in ([rule], [ac.Monotone(), wide, rule]):
            with pytest.raises(ac.ModelError, match=rf"might bind: {rule.name}; make it soft"):
                TacticEnv(problem_of("sell one", rules=rules), 2)
    both = [ac.Participation(0.05), wide, ac.HoldingBounds(-1e6, 7_000.0)]
    with pytest.raises(ac.ModelError, match="might bind: Participation, HoldingBounds; make"):
        TacticEnv(problem_of("sell one", rules=both), 2)
    with pytest.raises(ac.ModelError, match="might bind: DollarNeutral; make"):
        TacticEnv(problem_of(rules=[wide, ac.DollarNeutral(0.9)]), 2)
    soft = problem_of(rules=[ac.Monotone(), ac.Participation(0.02, penalty_bps=20.0)])
    total, _ = episode(TacticEnv(soft, 2), (0, 1))
    plan = soft.evaluate(by_hand(soft, [range(3), range(3, 5)], (0, 1)))
    assert plan.objective == pytest.approx(-total, rel=1e-9)
    assert list(plan.gave_way.index) == ["Participation"]


@pytest.mark.parametrize("decisions", [0, 6, 31, 2.0, True, "2"])
def test_a_number_of_decisions_that_is_none_is_refused(decisions):
    with pytest.raises(ac.DataError, match="a whole number from 1 to 5 is expected"):
        TacticEnv(problem_of(), decisions)


def test_vwap_needs_volume():
    market = ac.Market(b.grid(), 20.0, covariance=0.2)
    with pytest.raises(ac.ModelError, match="volume"):
        TacticEnv(ac.ExecutionProblem(ac.Order(100.0), market, ac.TemporaryImpact(1e-6)), 2)


def test_a_tactic_outside_its_space_is_named():
    env = TacticEnv(problem_of(), 2)
    env.reset(seed=0)
    with pytest.raises(ac.DataError, match=r"TacticEnv: the action 2 is outside Discrete\(2\)"):
        env.step(2)


def test_a_tactic_acts_on_what_is_left_of_each_path():
    problem = problem_of("sell one", volume=pd.Series([4e4, 3e4, 2e4, 3e4, 9e4], b.grid(b.UNEVEN).labels))
    task = TacticEnv(problem, 2).task
    left, empty = np.array([[6_000.0], [5_000.0]]), np.empty((2, 5, 1))
    for interval, clock, volume in ((1, 0.25 / 0.9, 3 / 17), (3, 0.45 / 0.6, 3 / 12)):  # in a stretch, and at its start
        past = empty[:, :interval]
        state = State(problem.setting, interval, left, past, empty, past, np.zeros((2, 1)), lambda: empty)
        for choice, share in ((0, clock), (1, volume)):
            trades = task.act(state, lambda step, choices, choice=choice: np.full((len(choices), 1), choice))
            assert trades == pytest.approx(-left * share)

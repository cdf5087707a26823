"""Q-learning: its table is Bellman's where everything was tried, its greedy schedule the best one there is."""

import itertools
import pickle

import builders as b
import numpy as np
import pandas as pd
import pytest

import acopt as ac
from acopt.adaptive.dynamic import dynamic_program
from acopt.adaptive.environments import ExecutionEnv, TacticEnv
from acopt.adaptive.execution_task import ExecutionTask
from acopt.adaptive.prices import ArithmeticBrownian, Drawn
from acopt.adaptive.q_learning import QLearning
from acopt.adaptive.q_schedules import Exploration, LearningRate
from acopt.adaptive.simulation import simulate
from acopt.adaptive.state import State
from acopt.adaptive.tactic_task import TacticTask

BOTH = {"A": 1_000.0, "B": 500.0}


def basket(periods=6, shares=(12_000.0, 5_000.0), aversion=1e-5):
    """Return a pair of correlated stocks, one to sell and one to buy, their volumes a smile."""
    grid = ac.TimeGrid.uniform(1.0, periods)
    price = pd.Series({"A": 40.0, "B": 95.0})
    smile = 1.0 + np.linspace(-1.0, 1.0, periods) ** 2
    sigma = pd.DataFrame(b.correlated([0.8, 1.7], 0.6), price.index, price.index)
    market = ac.Market(
        grid,
        price,
        volume=pd.DataFrame(np.outer(smile, [40_000.0, 18_000.0]), grid.labels, price.index),
        covariance=sigma,
        spread=ac.bps(2.0),
        impact=ac.LinearImpact(12.0, permanent_bps=0.5),
    )
    costs = ac.TemporaryImpact() + ac.PermanentImpact() + ac.SpreadCost() + aversion * ac.TimingRisk()
    order = ac.Order.sell({"A": shares[0]}) + ac.Order.buy({"B": shares[1]})
    return ac.ExecutionProblem(order, market, costs, [ac.Monotone()])


def single(lots=12, periods=5, side="sell", rules=(), cost=None):
    grid = ac.TimeGrid.uniform(1.0, periods)
    volume = pd.Series([5e3, 3e3, 2e3, 3e3, 6e3][:periods], grid.labels)
    market = ac.Market(grid, 40.0, volume=volume, covariance=2.0, spread=0.02, impact=ac.LinearImpact(60.0))
    order = ac.Order.sell(100.0 * lots) if side == "sell" else ac.Order.buy(100.0 * lots)
    costs = ac.TemporaryImpact() + ac.SpreadCost() + 3e-4 * ac.TimingRisk() if cost is None else cost
    return ac.ExecutionProblem(order, market, costs, list(rules))


def cheapest(problem, lots, periods, side="sell"):
    """Return the objective of the best of all one-way schedules that obey the rules."""
    sign = -100.0 if side == "sell" else 100.0
    ways = (w for w in itertools.product(range(lots + 1), repeat=periods) if sum(w) == lots)
    plans = (problem.evaluate(sign * np.array(way, dtype=float)[:, None]) for way in ways)
    return min(plan.objective for plan in plans if not plan.rules_broken)


def midday_prints(decisions):
    """
    Return a market in which VWAP is best in the morning and TWAP at midday.

    Impact goes by the ordinary flow, which smiles; at midday blocks are printed that nobody could have traded with.
    """
    grid = ac.TimeGrid.session("2019-02-15", "15min", start="09:30", end="15:30")
    middle = (np.arange(grid.periods) + 0.5) / grid.periods
    flow = 40_000.0 * (1.0 + 3.0 * (2.0 * middle - 1.0) ** 2)
    printed = np.zeros(grid.periods)
    printed[[9, 12, 14]] = 260_000.0, 180_000.0, 300_000.0
    eta = pd.Series(8e-4 * 50.0 * np.asarray(grid.durations) / (0.10 * flow), grid.labels)
    market = ac.Market(grid, 50.0, volume=flow + printed, spread=0.01)
    problem = ac.ExecutionProblem(ac.Order(60_000.0), market, ac.TemporaryImpact(eta) + ac.SpreadCost())
    return problem, decisions


def all_sequences(problem, decisions):
    """Return the objective of every sequence of tactics, by schedules that are built without the task."""
    n = problem.market.grid.periods
    weights = np.stack([np.asarray(problem.market.grid.durations), problem.market.volumes[:, 0]])
    found = {}
    for choices in itertools.product((0, 1), repeat=decisions):
        x, trades = problem.setting.remaining[0], []
        for k in range(n):
            w = weights[choices[k * decisions // n]]
            trades.append(-x * w[k] / w[k:].sum())
            x += trades[-1]
        found[choices] = problem.evaluate(np.array(trades)[:, None]).objective
    return found


@pytest.mark.parametrize("seed", [0, 1])
def test_two_assets_that_interact_reach_the_optimum_of_the_dynamic_program(seed):
    problem = basket()
    best = dynamic_program(problem, BOTH).schedule
    orders = {"A": ac.Order.sell({"A": 12_000.0}), "B": ac.Order.buy({"B": 5_000.0})}
    alone = [ac.ExecutionProblem(one, problem.market, problem.objective, [ac.Monotone()]) for one in orders.values()]
    apart = [dynamic_program(p, BOTH[i]).schedule.trades[i] for i, p in zip(orders, alone, strict=True)]
    assert problem.evaluate(np.column_stack(apart)).objective > 1.04 * best.objective  # one at a time is not enough
    learner = QLearning(ExecutionEnv(problem, BOTH), seed).train(10_000)
    assert learner.gap(best) <= 0.01
    assert learner.gap(best) >= -1e-12
    assert learner.gap(best) == pytest.approx(learner.schedule.objective / best.objective - 1.0, abs=1e-15)
    assert learner.gap(problem.solve()) > 0
    assert learner.gap(0.5 * learner.schedule.objective) == pytest.approx(1.0)
    assert learner.gap(-0.5 * learner.schedule.objective) == pytest.approx(3.0)
    curve = learner.learning_curve
    assert curve["episodes"].iloc[-1] == learner.episodes >= 10_000
    assert curve["greedy_cost"].iloc[-1] == pytest.approx(learner.schedule.objective, rel=1e-9)
    assert curve["believed_cost"].iloc[-1] == pytest.approx(learner.schedule.objective, rel=1e-9)
    assert (curve["cost"] >= best.objective * (1.0 - 1e-12)).all()
    assert curve["cost"].iloc[-1] < curve["cost"].iloc[0]


@pytest.mark.parametrize("side", ["sell", "buy"])
@pytest.mark.parametrize("double", [False, True])
def test_one_asset_reaches_the_best_of_all_schedules(side, double):
    rules = [ac.Participation(0.08, minimum=0.01)]
    problem = single(7, 4, side, rules)
    learner = QLearning(ExecutionTask(problem, 100.0), 3, double=double).train(2_000)
    assert learner.schedule.objective == pytest.approx(cheapest(problem, 7, 4, side), rel=1e-12)
    assert not learner.schedule.rules_broken
    assert learner.gap(problem.solve()) >= -1e-12


def test_a_table_in_which_all_was_tried_is_bellmans():
    problem = single(4, 4)
    task = ExecutionTask(problem, 100.0)
    learner = QLearning(task, 0, exploration=Exploration(1.0, 1.0, 0.0)).train(6_000)
    policy, parts, tried = dynamic_program(problem, 100.0), task.parts, 0
    for step, left, lots in itertools.product(range(4), range(5), range(5)):
        row = learner._first[step] + left
        if not learner.updates[0, row, lots]:
            assert learner.values[0, row, lots] == -np.inf
            assert (step == 0 and left < 4) or lots > left or (step == 3 and lots < left)
            continue
        u, x = np.array([[-100.0 * lots]]), np.array([[100.0 * (left - lots)]])
        cost = parts.trade_cost(step, u) + parts.holding_cost(step, x) + policy.cost_to_go(step + 1, x)
        assert learner.values[0, row, lots] == pytest.approx(-cost[0], rel=1e-9)
        tried += 1
    assert tried == 5 + 15 + 15 + 5


@pytest.mark.parametrize("seed", [0, 1])
def test_tactics_find_the_best_of_all_sequences(seed):
    problem, decisions = midday_prints(6)
    costs = all_sequences(problem, decisions)
    best = min(costs, key=costs.get)
    learner = QLearning(TacticEnv(problem, decisions), seed).train(2_000)
    assert tuple(learner.actions[:, 0].tolist()) == best == (1, 0, 0, 0, 1, 1)
    assert learner.schedule.objective == pytest.approx(costs[best], rel=1e-12)
    assert learner.gap(costs[best]) == pytest.approx(0.0, abs=1e-12)
    assert costs[best] < 0.97 * costs[(0,) * 6] < costs[(1,) * 6]  # neither tactic alone


def test_tactics_are_a_policy():
    problem, decisions = midday_prints(6)
    learner = QLearning(TacticTask(problem, decisions), 0).train(1_000)
    market = ac.Market(problem.market.grid, 50.0, volume=problem.market.volumes, covariance=0.5, spread=0.01)
    found = simulate(learner, problem.order, market, 7, 1)
    assert found.average_trades.to_numpy() == pytest.approx(learner.schedule.trades.to_numpy(), rel=1e-9)


def test_the_greedy_policy_trades_its_schedule():
    problem = basket()
    learner = QLearning(ExecutionTask(problem, BOTH), 0).train(3_000)
    found = simulate(learner, problem.order, problem.market, 9, 1)
    assert found.average_trades.to_numpy() == pytest.approx(learner.schedule.trades.to_numpy(), rel=1e-12)
    assert found.policy == "q-learning"


def state_of(problem, interval, left):
    left = np.atleast_2d(np.asarray(left, dtype=float))
    empty = np.zeros((len(left), interval, left.shape[1]))
    return State(problem.setting, interval, left, empty, empty, empty, 0.0 * left, lambda: empty)


def test_a_policy_knows_what_to_do_off_its_path_where_it_was_before():
    problem = single(6, 3)
    learner = QLearning(ExecutionTask(problem, 100.0), 0, exploration=Exploration(1.0, 1.0, 0.0)).train(2_000)
    policy = dynamic_program(problem, 100.0)
    for interval in (1, 2):
        state = state_of(problem, interval, [[100.0 * left] for left in range(7)])
        assert learner.decide(state) == pytest.approx(policy.decide(state))
    with pytest.raises(ac.ModelError, match=r"250 shares of asset are left on path 0; 0 to 6 lots of 100 are expected"):
        learner.decide(state_of(problem, 1, 250.0))
    with pytest.raises(ac.ModelError, match=r"700 shares of asset are left"):
        learner.decide(state_of(problem, 1, 700.0))
    with pytest.raises(ac.ModelError, match=r"no episode has come to 0.0 with 500 shares left"):
        learner.decide(state_of(problem, 0, 500.0))
    with pytest.raises(ac.ModelError, match=r"it learned 3 intervals .* the state is of 4 intervals"):
        learner.decide(state_of(single(6, 4), 0, 600.0))


def test_history_is_learned_from_where_it_ends():
    problem = single(10, 5).with_history(np.array([[-300.0], [-100.0]]))
    learner = QLearning(ExecutionTask(problem, 100.0), 0).train(1_000)
    best = dynamic_program(problem, 100.0)
    assert learner.schedule.objective == pytest.approx(best.value, rel=1e-12)
    assert learner.schedule.trades.iloc[:2, 0].tolist() == [-300.0, -100.0]
    with pytest.raises(ac.ModelError, match="its first 2 intervals are history"):
        learner.decide(state_of(problem, 1, 600.0))


class Given:
    """Prices that change by given amounts, day after day."""

    def __init__(self, changes):
        self.changes, self.at = changes, 0

    def draw(self, setting, n_paths, rng, scale=None):
        days = self.changes[self.at : self.at + n_paths]
        self.at += n_paths if len(days) > 1 or n_paths == 1 else 0
        changes = np.zeros((n_paths, *setting.shape))
        changes[:, 0, 0] = days
        return Drawn(changes, 0.0 * changes)

    def expected(self, setting, interval, prices, signal):
        return np.zeros((len(signal), setting.shape[0] - interval, setting.shape[1]))


@pytest.mark.parametrize("rate", [LearningRate(1.0, 1.0), LearningRate(1.0, 0.6), LearningRate(0.2), 0.2])
def test_the_learning_rate_is_applied_as_it_says(rate):
    """One lot, two intervals: the value of waiting is an average of what waiting was paid."""
    problem = single(1, 2)
    changes = np.random.default_rng(5).normal(size=400)
    model = Given(np.concatenate([[0.0], changes]))  # the first one is looked at when the task is made
    task = ExecutionTask(problem, 100.0, prices=model)
    learner = QLearning(task, 1, learning_rate=rate, exploration=Exploration(1.0, 1.0, 0.0), batch=1)
    waited, sold = [], -problem.evaluate(np.array([[0.0], [-100.0]])).objective
    for change in changes:
        before = learner.updates[0, 1, 0]
        learner.train(1)
        if learner.updates[0, 1, 0] > before:
            waited.append(sold + 100.0 * change)
    assert 100 < len(waited) < 300
    exponent, start = (rate.exponent, rate.start) if isinstance(rate, LearningRate) else (0.0, rate)
    value = waited[0]
    for n, target in enumerate(waited[1:], start=2):
        value += start * n**-exponent * (target - value)
    assert learner.values[0, 1, 0] == pytest.approx(value, rel=1e-9)
    if exponent == 1.0:
        assert value == pytest.approx(np.mean(waited))


def test_targets_of_one_batch_are_averaged():
    problem = single(1, 2)
    changes = np.random.default_rng(5).normal(size=64)
    task = ExecutionTask(problem, 100.0, prices=Given(np.concatenate([[0.0], changes])))
    learner = QLearning(task, 1, exploration=Exploration(1.0, 1.0, 0.0), batch=64).train(64)
    assert learner.updates.max() == 1
    sold = -problem.evaluate(np.array([[0.0], [-100.0]])).objective
    mean = (learner.values[0, 1, 0] - sold) / 100.0
    assert abs(mean - changes.mean()) < 0.5  # of those that waited
    assert mean != pytest.approx(changes[-1])


def test_two_tables_do_not_believe_in_luck():
    """Prices without drift: what single Q-learning expects to gain is the maximum of noise (van Hasselt)."""
    problem = basket(4, (4_000.0, 2_000.0))
    noise = 0.3**2 * pd.DataFrame(b.correlated([0.8, 1.7], 0.6), ["A", "B"], ["A", "B"])
    task = ExecutionTask(problem, BOTH, prices=ArithmeticBrownian(noise))
    best = dynamic_program(problem, BOTH).value
    for seed in range(2):
        single, double = (QLearning(task, seed, double=two).train(15_000) for two in (False, True))
        assert single.learning_curve["believed_cost"].iloc[-1] < 0.5 * best
        assert double.learning_curve["believed_cost"].iloc[-1] == pytest.approx(best, rel=0.25)


def test_the_same_seed_learns_the_same_table():
    task = ExecutionTask(basket(), BOTH)
    runs = [QLearning(task, seed).train(500) for seed in (4, 4, 5)]
    assert np.array_equal(runs[0].values, runs[1].values)
    assert not np.array_equal(runs[0].values, runs[2].values)
    pd.testing.assert_frame_equal(runs[0].learning_curve, runs[1].learning_curve)


@pytest.mark.parametrize("double", [False, True])
def test_a_learner_that_was_saved_goes_on_where_it_was(double, tmp_path):
    env = ExecutionEnv(basket(), BOTH)
    settings = {"learning_rate": LearningRate(1.0, 0.3), "exploration": Exploration(0.9, 0.2, 0.5), "batch": 32}
    learner = QLearning(env, 1, double=double, **settings).train(400)
    learner.save(tmp_path / "table.npz")
    again = QLearning.load(tmp_path / "table.npz", env)
    assert repr(again) == repr(learner)
    assert np.array_equal(again.actions, learner.actions)
    assert again.gap(learner.schedule) == 0.0
    learner.train(300)
    again.train(300)
    for name in ("values", "updates"):
        assert np.array_equal(getattr(again, name), getattr(learner, name))
    pd.testing.assert_frame_equal(again.learning_curve, learner.learning_curve)


def test_tactics_are_saved_too(tmp_path):
    problem, decisions = midday_prints(4)
    learner = QLearning(TacticEnv(problem, decisions), 1).train(500)
    learner.save(tmp_path / "tactics.npz")
    assert np.array_equal(QLearning.load(tmp_path / "tactics.npz", TacticEnv(problem, 4)).actions, learner.actions)
    with pytest.raises(ac.DataError, match="learned with task 4 tactics; here it is 6 tactics"):
        QLearning.load(tmp_path / "tactics.npz", TacticEnv(problem, 6))


def test_a_table_of_another_problem_is_refused(tmp_path):
    path = tmp_path / "table.npz"
    QLearning(ExecutionEnv(basket(), BOTH)).train(100).save(path)
    for other, lots in ((basket(aversion=5e-6), BOTH), (basket(periods=5), BOTH)):
        with pytest.raises(ac.DataError, match=r"table.npz: the table was learned with problem sha256:\w+; here it is"):
            QLearning.load(path, ExecutionEnv(other, lots))
    with pytest.raises(ac.DataError, match="learned with task lots of 1000, 500; here it is lots of 500, 500"):
        QLearning.load(path, ExecutionEnv(basket(), 500.0))
    with pytest.raises(ac.DataError, match="learned with prices None; here it is ArithmeticBrownian"):
        QLearning.load(path, ExecutionEnv(basket(), BOTH, prices=ArithmeticBrownian()))


class Trap:
    """What a pickle would run."""

    def __reduce__(self):
        return print, ("run",)


def test_a_file_that_is_no_table_is_refused(tmp_path, capsys):
    env = ExecutionEnv(basket(), BOTH)
    learner = QLearning(env).train(100)
    learner.save(tmp_path / "table.npz")
    good = dict(np.load(tmp_path / "table.npz"))
    bad = {
        "empty": b"",
        "text": b"no table",
        "pickle": pickle.dumps(Trap()),
        "half": (tmp_path / "table.npz").read_bytes()[:2_000],
    }
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
    arrays = {
        "objects": {**good, "values": np.array([Trap()], dtype=object)},
        "missing": {k: v for k, v in good.items() if k != "updates"},
        "words": {**good, "about": np.array("{}")},
        "shape": {**good, "values": good["values"][:, :-1]},
        "nan": {**good, "values": np.where(np.isfinite(good["values"]), np.nan, good["values"])},
        "curve": {**good, "curve": good["curve"][:, :2]},
    }
    for name, content in arrays.items():
        np.savez(tmp_path / name, **content)
        (tmp_path / f"{name}.npz").rename(tmp_path / name)
    for name in [*bad, *arrays]:
        with pytest.raises(ac.DataError, match=name) as error:
            QLearning.load(tmp_path / name, env)
        assert "pickle" not in str(error.value).replace(str(tmp_path / name), "")
    for name in [*bad, "objects", "missing", "words"]:
        with pytest.raises(
            ac.DataError, match=r"no table of a QLearning; one that learner\.save\(path\) wrote is expected$"
        ):
            QLearning.load(tmp_path / name, env)
    with pytest.raises(ac.DataError, match=r"not there: there is no such file$"):
        QLearning.load(tmp_path / "not there", env)
    with pytest.raises(ac.DataError, match=r"the file cannot be read \(.+\)$"):
        QLearning.load(tmp_path, env)
    for nothing in (None, 3, "a\0b"):
        with pytest.raises(ac.DataError, match=r"the file cannot be read \(it is no path\)$"):
            QLearning.load(nothing, env)
    with pytest.raises(ac.DataError, match=r"values of shape \(1, 857, 143\) and type float64 were found"):
        QLearning.load(tmp_path / "shape", env)
    assert capsys.readouterr().out == ""
    with pytest.raises(ac.DataError, match="cannot be written"):
        learner.save(tmp_path / "no folder" / "table.npz")


def test_a_damaged_file_never_says_more_than_that(tmp_path):
    task = ExecutionTask(single(), 100.0)
    QLearning(task).train(100).save(tmp_path / "table.npz")
    whole, rng = (tmp_path / "table.npz").read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(150):
        raw = bytearray(whole)
        start, stop = sorted(rng.integers(len(raw), size=2))
        raw[start : min(stop, start + 40)] = rng.bytes(min(int(stop - start), 40))
        (tmp_path / "damaged.npz").write_bytes(bytes(raw))
        try:
            QLearning.load(tmp_path / "damaged.npz", task)
        except ac.DataError:
            refused += 1
    assert refused > 100  # some bytes of a zip file mean nothing


def test_a_gap_is_to_a_schedule_of_the_same_problem():
    problem = basket()
    learner = QLearning(ExecutionTask(problem, BOTH), 1).train(2_000)
    best = dynamic_program(problem, BOTH)
    assert learner.gap(best) == learner.gap(best.schedule) == learner.gap(best.schedule.objective)
    assert learner.gap(problem.solve()) == learner.gap(problem.solve().objective) > 0
    assert learner.gap(basket().solve()) == pytest.approx(learner.gap(problem.solve()))  # declared again
    other = dynamic_program(basket(aversion=5e-6), BOTH)
    for wrong in (other, other.schedule):
        with pytest.raises(
            ac.DataError, match=r"'dynamic program' is a schedule of another problem \(it costs .* here\)"
        ):
            learner.gap(wrong)
    with pytest.raises(ac.DataError, match=r"another problem \(another order\)"):
        learner.gap(basket(shares=(12_000.0, 6_000.0)).solve())
    with pytest.raises(ac.DataError, match=r"another problem \(another order\)"):
        learner.gap(single().solve())
    with pytest.raises(ac.DataError, match=r"another problem \(another grid\)"):
        learner.gap(basket(periods=5).solve())
    past = np.array([[-1_000.0, 500.0]])
    later = problem.with_history(past)
    learner = QLearning(ExecutionTask(later, BOTH), 1).train(2_000)
    assert learner.gap(later.solve()) == learner.gap(later.solve().objective)
    with pytest.raises(ac.DataError, match=r"another problem \(another history\)"):
        learner.gap(problem.solve())


def test_a_problem_without_a_hash_cannot_be_saved(tmp_path):
    class Fee(ac.Cost):
        """One that a file cannot name."""

        def values(self, path):
            return np.asarray(0.0)

        def by_stage(self, setting):
            from acopt.adaptive.stages import StageCost

            return StageCost()

    problem = single(cost=ac.TemporaryImpact() + Fee())
    learner = QLearning(ExecutionTask(problem, 100.0)).train(10)
    with pytest.raises(ac.AcoptError, match="Fee"):
        learner.save(tmp_path / "table.npz")
    assert not list(tmp_path.iterdir())


def test_a_table_beyond_memory_says_how_large_it_is_and_what_would_fit():
    with pytest.raises(ac.DataError) as error:
        QLearning(ExecutionTask(basket(shares=(120_000.0, 50_000.0)), {"A": 100.0, "B": 50.0}))
    assert "7,213,206 states x 1,202,201 actions need 1.39e+05 GB, memory_gb=1 is allowed" in str(error.value)
    factor = int(str(error.value).split("lots ")[1].split(" times")[0].replace(",", ""))
    fits = ExecutionTask(basket(shares=(120_000.0, 50_000.0)), {"A": 100.0 * factor, "B": 50.0 * factor})
    assert 0.1 < 16 * fits.entries / 1e9 <= 1.0
    problem, _ = midday_prints(6)
    with pytest.raises(ac.DataError, match=r"63 states x 2 actions need 2.02e-06 GB.*; 5 decisions would fit"):
        QLearning(TacticTask(problem, 6), batch=1, memory_gb=1e-6)
    QLearning(TacticTask(problem, 5), batch=1, memory_gb=1e-6)
    with pytest.raises(ac.DataError, match="no larger lot that divides the orders fits"):
        QLearning(ExecutionTask(basket(), 1_000.0), memory_gb=1e-4)  # 12 and 5 lots


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seed": -1}, "seed=-1"),
        ({"seed": 0.5}, "seed=0.5"),
        ({"batch": 0}, "batch=0: a whole number >= 1"),
        ({"batch": True}, "batch=True"),
        ({"learning_rate": 0.0}, "LearningRate start=0.0: a number above 0"),
        ({"learning_rate": 1.5}, "LearningRate start=1.5"),
        ({"learning_rate": "fast"}, "LearningRate start='fast'"),
        ({"exploration": 0.1}, "exploration: 0.1 was given, an Exploration is expected"),
        ({"memory_gb": 0}, "memory_gb=0: a number > 0"),
        ({"memory_gb": None}, "memory_gb=None"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ac.DataError, match=message):
        QLearning(ExecutionTask(single(), 100.0), **settings)


def test_numbers_that_make_no_sense_are_refused():
    for bad in ({"start": 1.1}, {"end": -0.1}, {"near": np.nan}, {"start": "often"}):
        with pytest.raises(ac.DataError, match=f"Exploration {next(iter(bad))}="):
            Exploration(**bad)
    with pytest.raises(ac.DataError, match=r"LearningRate exponent=1\.5"):
        LearningRate(1.0, 1.5)
    learner = QLearning(ExecutionTask(single(), 100.0))
    with pytest.raises(ac.DataError, match="episodes=0"):
        learner.train(0)
    with pytest.raises(ac.ModelError, match=r"no episode has come to 0\.0 with 1,200 shares left"):
        _ = learner.schedule
    with pytest.raises(ac.DataError, match="gap optimum=nan"):
        learner.train(10).gap(np.nan)
    for bad in (single(), None, ExecutionTask):
        with pytest.raises(
            ac.DataError, match=r"ac\.ExecutionTask\(problem, lots\), ac\.TacticTask\(problem, decisions\) or an"
        ):
            QLearning(bad)


def test_exploration_fades_and_a_bar_shows_how_far_it_is(capsys):
    learner = QLearning(ExecutionTask(single(), 100.0), exploration=Exploration(0.8, 0.2), batch=10)
    learner.train(5_000, progress=True)
    chances = learner.learning_curve["exploration"]
    assert len(chances) == 100
    assert chances.is_monotonic_decreasing
    assert chances.iloc[-1] == pytest.approx(0.2)
    captured = capsys.readouterr()
    assert "q-learning" in captured.err
    assert captured.out == ""


def test_a_zero_order_is_learned_at_once():
    problem = ac.ExecutionProblem(b.order("nothing"), b.market(), ac.TemporaryImpact() + ac.SpreadCost())
    learner = QLearning(ExecutionTask(problem, 100.0)).train(1)
    assert learner.schedule.objective == 0.0
    assert learner.gap(0.0) == 0.0
    assert learner.gap(-1.0) == 1.0

"""Every public name of the adaptive wing with valid arguments, to be replaced by others one by one."""

from __future__ import annotations

import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import builders
import fuzzed_calls as calls
import numpy as np
import pandas as pd
from fuzzed_calls import Call, grid, market, problem, scratch, series

import acopt as ac
from acopt.adaptive.prices import Drawn

DAYS, SEED = 3, 5


class Fixed:
    """A policy that decides the same thing every time."""

    overshoots = True

    def __init__(self, decision: Any, name: Any = "fixed") -> None:
        self.decision, self.name = decision, name

    def decide(self, state: ac.State) -> Any:
        return self.decision


class Fee(ac.SpreadCost):
    """A cost of someone else's, whose parts are given."""

    parts: dict[str, Any]

    def by_stage(self, setting: Any) -> ac.StageCost:
        return ac.StageCost(**self.parts)


class Plain:
    """A price model of someone else's, whose arrays are given."""

    days = DAYS

    def __init__(self, changes: Any, signal: Any, volumes: Any, expected: Any) -> None:
        self.drawn, self.forecast = (changes, signal, volumes), expected

    def draw(self, setting: Any, n_paths: int, rng: Any, scale: Any = None) -> Drawn:
        return Drawn(*self.drawn)

    def expected(self, setting: Any, interval: int, prices: Any, signal: Any) -> Any:
        return self.forecast


def sell() -> ac.Order:
    return ac.Order({"A": 400.0})


def single(**changes: Any) -> ac.ExecutionProblem:
    """One asset, costs that split by interval."""
    costs = ac.TemporaryImpact() + ac.SpreadCost() + 1e-6 * ac.TimingRisk()
    on = builders.market(grid(), ["A"])
    given = {"order": sell(), "market": on, "objective": costs, "constraints": [ac.Participation(0.5)], **changes}
    return ac.ExecutionProblem(**given)


def basket() -> ac.Order:
    return builders.order("both sides")


def busy(**changes: Any) -> ac.SimulatedMarket:
    given = {"market": market(), "volume": ac.StochasticVolume(0.3), "volatility": ac.StochasticVolatility(0.2)}
    return ac.SimulatedMarket(**{**given, **changes})


def ran(policy: Any, order: Any = None, on: Any = None) -> ac.SimulationResult:
    """Simulate, and read the answer."""
    return as_result(ac.simulate(policy, order or basket(), on or busy(), DAYS, SEED))


def as_result(answer: Any) -> Any:
    repr(answer)
    answer.summary()
    return answer


def as_policy(policy: Any) -> Any:
    repr(policy)
    return ran(policy)


def as_single(policy: Any) -> Any:
    """A policy for the order of one asset."""
    repr(policy)
    return ran(policy, sell(), builders.market(grid(), ["A"]))


def as_model(model: Any) -> Any:
    """Prices: drawn, forecast, and turned into states."""
    repr(model)
    ran(ac.RiccatiPolicy(problem(ac.TemporaryImpact() + 1e-6 * ac.TimingRisk())), on=busy(prices=model))
    return repr(ac.dynamic_program(single(constraints=[ac.Monotone()]), 50.0, prices=model, nodes=5))


def as_market(made: Any) -> Any:
    repr(made)
    return ran(ac.StaticPolicy("twap"), on=made)


def as_volume(model: Any) -> Any:
    repr(model)
    repr(ac.expected_volume_curve(model, basket(), market()))
    return ran(ac.AdaptiveVWAP(model), on=busy(volume=model))


def as_volatility(model: Any) -> Any:
    repr(model)
    return ran(ac.StaticPolicy("twap"), on=busy(volatility=model))


def as_table(policy: Any) -> Any:
    repr(policy)
    policy.trades_at(0)
    policy.schedule.summary()
    return as_single(policy)


def as_learner(learner: Any) -> Any:
    repr(learner)
    return as_single(learner.train(200))


def as_environment(env: Any) -> Any:
    """Play an episode of what is allowed."""
    seen, _ = env.reset(seed=3)
    for _ in range(env.task.steps):
        seen, *_ = env.step(env.action_space.sample())
    return repr(seen)


@cache
def result() -> ac.SimulationResult:
    return ac.simulate(ac.StaticPolicy("twap"), basket(), busy(), DAYS, SEED)


@cache
def table() -> ac.LotPolicy:
    return ac.dynamic_program(single(), 50.0, prices=ac.RevertingDrift(2.0, 0.1), nodes=5)


@cache
def split() -> ac.Stages:
    return ac.stages(problem())


@cache
def learned() -> ac.QLearning:
    return ac.QLearning(task(), 1).train(300)


def task(**changes: Any) -> ac.ExecutionTask:
    return ac.ExecutionTask(single(), 100.0, **changes)


def state(**changes: Any) -> ac.State:
    """What a policy sees before the second interval."""
    setting = busy().setting(basket())
    left = np.tile(setting.remaining, (DAYS, 1))
    given = {
        "setting": setting,
        "interval": 1,
        "remaining": left,
        "trades": np.zeros((DAYS, 1, 3)),
        "prices": np.tile(setting.market.prices, (DAYS, 2, 1)),
        "volumes": np.full((DAYS, 1, 3), 3e4),
        "signal": np.zeros((DAYS, 3)),
        "_expected": lambda: np.zeros((DAYS, 3, 3)),
    }
    return ac.State(**{**given, **changes})


def horizon(problem: Any, volumes: Any, name: Any) -> Any:
    """What a function of the user's raises is the user's."""
    known = volumes is None or isinstance(volumes, ac.VolumeForecast) or not callable(volumes)
    return ac.RecedingHorizon(problem, volumes=volumes if known else None, name=name)


def trained(episodes: Any, progress: Any) -> Any:
    """Learn for as long as a test may take: a billion episodes take no more memory, only time."""
    few = not isinstance(episodes, int) or episodes < 10**4
    return ac.QLearning(task()).train(episodes if few else 100, progress=progress)


def ahead(volumes: Any, state: ac.State) -> Any:
    """Of volumes of the whole day, those of the intervals to come."""
    whole = isinstance(volumes, np.ndarray) and volumes.shape == (DAYS, 4, 1)
    return volumes[:, state.interval :] if whole else volumes


def stepped(env: Any, seed: Any, action: Any) -> Any:
    env.reset(seed=seed)
    return env.step(action)


def decided(decision: Any, name: Any) -> Any:
    """Decide the same in every interval, of an order of nothing."""
    return ac.simulate(Fixed(decision, name), ac.Order(series(0.0)), busy(), DAYS, SEED)


def drawn_by(**given: Any) -> Any:
    return ran(ac.StaticPolicy("vwap"), on=busy(prices=Plain(**given), volume=None, volatility=None))


def saved(**parts: Any) -> Any:
    """Write a learner's file by hand, and read it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.npz"
        about = json.dumps(parts.pop("about"), default=repr, skipkeys=True)
        try:
            np.savez(path, about=np.array(about), **parts)
        except (AttributeError, TypeError, ValueError):
            return None  # nothing that a file can hold
        return as_single(ac.QLearning.load(path, task()))


@cache
def about() -> str:
    """What the file of a learner says of itself."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.npz"
        learned().save(path)
        with np.load(path) as file:
            return str(file["about"][()])


def split_by(trade: Any, holding: Any, terminal: Any, joint: Any) -> Any:
    """The parts of a cost, given as what they return; a fee that is nothing."""
    fee = Fee(series(0.0))
    fee.parts = {
        "trade": lambda k, u: trade,
        "holding": lambda k, x: holding,
        "terminal": lambda x: terminal,
        "joint": joint,
    }
    parts = ac.stages(problem(ac.TemporaryImpact() + fee))
    return parts.trade_cost(0, np.ones(3)), parts.holding_cost(0, np.ones(3)), parts.terminal(np.ones(3))


def recorded() -> np.ndarray:
    return np.linspace(100.0, 101.0, DAYS * 15).reshape(DAYS, 5, 3)


PRICES = {
    "ArithmeticBrownian": Call(
        ac.ArithmeticBrownian,
        {"covariance": calls.sigma, "drift": lambda: calls.table(0.01)},
        lambda model: ran(ac.StaticPolicy("twap"), on=busy(prices=model)),
    ),
    "ArithmeticBrownian, forecast": Call(
        ac.ArithmeticBrownian, {"drift": lambda: {"A": 0.1, "B": 0.2, "C": 0.0}}, as_model
    ),
    "OrnsteinUhlenbeck": Call(
        ac.OrnsteinUhlenbeck,
        {"rate": lambda: 2.0, "mean": lambda: pd.Series(builders.PRICES) + 0.1, "covariance": calls.sigma},
        as_model,
    ),
    "RevertingDrift": Call(
        ac.RevertingDrift,
        {
            "rate": lambda: 2.0,
            "volatility": lambda: series(0.1),
            "start": lambda: series(0.1),
            "covariance": calls.sigma,
        },
        as_model,
    ),
    "SerialCorrelation": Call(ac.SerialCorrelation, {"coefficient": lambda: 0.3, "covariance": calls.sigma}, as_model),
    "RecordedPrices": Call(
        ac.RecordedPrices,
        {"prices": recorded, "volumes": lambda: np.full((DAYS, 4, 3), 1e4)},
        lambda made: repr(made) and as_market(busy(prices=made, volume=None, volatility=None)),
    ),
    "RecordedPrices, frames": Call(
        ac.RecordedPrices,
        {"prices": lambda: pd.DataFrame(100.0, range(5), list("ABC")), "volumes": lambda: calls.table(1e5)},
        lambda made: ac.simulate(
            ac.StaticPolicy("vwap"), basket(), ac.SimulatedMarket(market(), prices=made), 1, 0
        ).summary(),
    ),
    "RecordedPrices.from_bars": Call(
        ac.RecordedPrices.from_bars,
        {"bars": calls.bars, "grids": lambda: [calls.traded().market.grid]},
    ),
    "Drawn, by a model of one's own": Call(
        drawn_by,
        {
            "changes": lambda: np.zeros((DAYS, 4, 3)),
            "signal": lambda: np.zeros((DAYS, 4, 3)),
            "volumes": lambda: None,
            "expected": lambda: np.zeros((DAYS, 4, 3)),
        },
    ),
}
DAYS_OF = {
    "StochasticVolume": Call(
        ac.StochasticVolume,
        {"interval": lambda: calls.table(0.3), "day": lambda: series(0.2), "half_life": lambda: 0.3},
        as_volume,
    ),
    "StochasticVolatility": Call(
        ac.StochasticVolatility,
        {"interval": lambda: 0.3, "day": lambda: 0.2, "half_life": lambda: "30min", "correlation": lambda: 0.5},
        as_volatility,
    ),
    "volume_from_bars": Call(
        lambda **given: ac.volume_from_bars(**given),
        {
            "bars": calls.bars,
            "grid": lambda: calls.traded().market.grid,
            "assets": lambda: ["ALFA"],
            "history": lambda: 10,
            "asof": lambda: "2025-03-28",
        },
    ),
    "SimulatedMarket": Call(
        ac.SimulatedMarket,
        {
            "market": market,
            "prices": lambda: ac.RevertingDrift(2.0, start=series(0.1)),
            "volume": ac.StochasticVolume,
            "volatility": ac.StochasticVolatility,
            "costs": lambda: ac.SpreadCost() + ac.PowerImpact(),
        },
        as_market,
    ),
    "simulate": Call(
        ac.simulate,
        {
            "policy": lambda: ac.StaticPolicy("twap"),
            "order": basket,
            "market": busy,
            "n_paths": lambda: DAYS,
            "seed": lambda: SEED,
            "progress": lambda: False,
        },
        as_result,
    ),
    "simulate, decision": Call(decided, {"decision": lambda: np.zeros((DAYS, 3)), "name": lambda: "mine"}, as_result),
    "compare_policies": Call(
        ac.compare_policies,
        {
            "policies": lambda: {"a": ac.StaticPolicy("twap"), "b": ac.StaticPolicy("vwap")},
            "order": basket,
            "market": market,
            "n_paths": lambda: DAYS,
            "seed": lambda: SEED,
            "against": lambda: "vwap",
        },
    ),
    "SimulationResult.slippage": Call(
        lambda **given: result().slippage(**given), {"against": lambda: "twap", "unit": lambda: "currency"}
    ),
    "SimulationResult.std_error": Call(
        lambda **given: result().std_error(**given), {"against": lambda: "close", "unit": lambda: "bps"}
    ),
    "SimulationResult.quantile": Call(
        lambda **given: result().quantile(**given), {"q": lambda: 0.9, "against": lambda: "twap", "unit": lambda: "bps"}
    ),
    "SimulationResult.tail": Call(
        lambda **given: result().tail(**given),
        {"level": lambda: 0.9, "against": lambda: "twap", "unit": lambda: "bps"},
    ),
    "SimulationResult.against": Call(
        lambda **given: result().against(**given),
        {"other": result, "against": lambda: "twap", "unit": lambda: "bps"},
    ),
}
POLICIES = {
    "StaticPolicy": Call(
        ac.StaticPolicy, {"plan": lambda: ac.twap(problem()).trades, "name": lambda: "mine"}, as_policy
    ),
    "RiccatiPolicy": Call(
        ac.RiccatiPolicy,
        {"problem": lambda: problem(ac.TemporaryImpact() + 1e-6 * ac.TimingRisk()), "name": lambda: "mine"},
        as_policy,
    ),
    "Clipped": Call(
        ac.Clipped,
        {"policy": lambda: ac.StaticPolicy("twap"), "limit": lambda: series(0.3), "name": lambda: "mine"},
        as_policy,
    ),
    "RecedingHorizon": Call(
        horizon,
        {
            "problem": problem,
            "volumes": lambda: ac.VolumeForecast(ac.StochasticVolume(0.3)),
            "name": lambda: "mine",
        },
        as_policy,
    ),
    "RecedingHorizon, volumes": Call(
        lambda volumes: ac.RecedingHorizon(single(), volumes=lambda state: ahead(volumes, state)),
        {"volumes": lambda: np.full((DAYS, 4, 1), 1e5)},
        as_single,
    ),
    "ExpectedVWAP": Call(ac.ExpectedVWAP, {"volume": lambda: ac.StochasticVolume(0.3)}, calls.as_benchmark),
    "expected_volume_curve": Call(
        ac.expected_volume_curve,
        {"volume": lambda: ac.StochasticVolume(0.3), "order": basket, "market": market},
    ),
    "AdaptiveVWAP": Call(ac.AdaptiveVWAP, {"volume": lambda: ac.StochasticVolume(0.3), "seed": lambda: 0}, as_policy),
    "VolumeForecast": Call(ac.VolumeForecast, {"volume": lambda: ac.StochasticVolume(0.3)}, lambda made: made(state())),
}
LEARNING = {
    "stages": Call(ac.stages, {"problem": problem}, lambda made: made.trade_cost(0, np.ones(3))),
    "StageCost": Call(
        ac.StageCost,
        {"trade": lambda: lambda k, u: 0.0, "holding": lambda: None, "terminal": lambda: None, "joint": lambda: False},
    ),
    "StageCost, of one's own": Call(
        split_by,
        {"trade": lambda: 0.0, "holding": lambda: 0.0, "terminal": lambda: 0.0, "joint": lambda: False},
    ),
    "dynamic_program": Call(
        ac.dynamic_program,
        {
            "problem": single,
            "lot": lambda: 50.0,
            "prices": lambda: None,
            "nodes": lambda: 5,
            "beyond": lambda: None,
            "memory_gb": lambda: 0.1,
        },
        as_table,
    ),
    "dynamic_program, signal": Call(
        ac.dynamic_program,
        {
            "problem": single,
            "lot": lambda: 50.0,
            "prices": lambda: ac.RevertingDrift(2.0, 0.1, start=0.1),
            "nodes": lambda: 41,
            "beyond": lambda: 100.0,
            "memory_gb": lambda: 0.1,
        },
        lambda made: repr(made) and made.trades_at(1),
    ),
    "LotPolicy.cost_to_go": Call(
        lambda **given: table().cost_to_go(**given),
        {"interval": lambda: 1, "remaining": lambda: np.full((2, 1), 200.0), "signal": lambda: np.full((2, 1), 0.01)},
    ),
    "LotPolicy.trades_at": Call(lambda interval: table().trades_at(interval), {"interval": lambda: 1}),
    "ExecutionTask": Call(
        ac.ExecutionTask,
        {"problem": single, "lots": lambda: 100.0, "prices": lambda: ac.RevertingDrift(2.0, 0.1)},
        lambda made: as_learner(ac.QLearning(made)),
    ),
    "TacticTask": Call(
        ac.TacticTask, {"problem": problem, "decisions": lambda: 3}, lambda made: repr(ac.QLearning(made).train(100))
    ),
    "LearningRate": Call(
        ac.LearningRate,
        {"start": lambda: 0.9, "exponent": lambda: 0.5},
        lambda made: as_learner(ac.QLearning(task(), learning_rate=made)),
    ),
    "Exploration": Call(
        ac.Exploration,
        {"start": lambda: 0.9, "end": lambda: 0.1, "near": lambda: 0.5},
        lambda made: as_learner(ac.QLearning(task(), exploration=made)),
    ),
    "QLearning": Call(
        ac.QLearning,
        {
            "task": lambda: ac.ExecutionEnv(single(), 100.0),
            "seed": lambda: 3,
            "double": lambda: True,
            "learning_rate": lambda: 0.5,
            "exploration": ac.Exploration,
            "batch": lambda: 32,
            "memory_gb": lambda: 0.1,
        },
        as_learner,
    ),
    "QLearning.train": Call(trained, {"episodes": lambda: 100, "progress": lambda: False}),
    "QLearning.gap": Call(lambda optimum: learned().gap(optimum), {"optimum": lambda: single().solve()}),
    "QLearning.save": Call(lambda path: learned().save(path), {"path": scratch}),
    "QLearning.load": Call(ac.QLearning.load, {"path": scratch, "task": task}),
    "QLearning.load, a file": Call(
        saved,
        {
            "about": lambda: json.loads(about()),
            "values": lambda: learned().values,
            "updates": lambda: learned().updates,
            "curve": lambda: learned().learning_curve.to_numpy(dtype=float),
        },
    ),
    "ExecutionEnv": Call(
        lambda **given: ac.ExecutionEnv(**given),
        {"problem": single, "lots": lambda: 100.0, "prices": lambda: ac.RevertingDrift(2.0, 0.1)},
        as_environment,
    ),
    "ExecutionVectorEnv": Call(
        lambda **given: ac.ExecutionVectorEnv(**given),
        {
            "problem": single,
            "lots": lambda: 100.0,
            "num_envs": lambda: 2,
            "prices": lambda: ac.RevertingDrift(2.0, 0.1),
        },
        as_environment,
    ),
    "TacticEnv": Call(
        lambda **given: ac.TacticEnv(**given), {"problem": problem, "decisions": lambda: 2}, as_environment
    ),
    "TacticVectorEnv": Call(
        lambda **given: ac.TacticVectorEnv(**given),
        {"problem": problem, "decisions": lambda: 2, "num_envs": lambda: 3},
        as_environment,
    ),
    "ExecutionEnv.step": Call(
        lambda **given: stepped(ac.ExecutionEnv(single(), 100.0), 3, **given), {"action": lambda: 2}
    ),
    "ExecutionVectorEnv.step": Call(
        lambda **given: stepped(ac.ExecutionVectorEnv(single(), 100.0, 2), **given),
        {"seed": lambda: [1, 2], "action": lambda: [2, 3]},
    ),
}
ADAPTIVE = {**PRICES, **DAYS_OF, **POLICIES, **LEARNING}

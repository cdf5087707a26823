"""The tasks as environments of gymnasium, one at a time and many at once: the one door to that library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from acopt.adaptive.execution_task import ExecutionTask
from acopt.adaptive.prices import Drawn, PriceModel
from acopt.adaptive.tactic_task import TacticTask
from acopt.adaptive.tasks import FAR, Task, Where, Whole
from acopt.errors import DataError, MissingExtraError, ModelError
from acopt.market.clock import integer
from acopt.market.labels import Array, Data, short
from acopt.model.problem import ExecutionProblem

try:
    import gymnasium
    from gymnasium import spaces
    from gymnasium.utils import seeding
    from gymnasium.vector import AutoresetMode, VectorEnv
    from gymnasium.vector.utils import batch_space
except ModuleNotFoundError as error:
    raise MissingExtraError("environments need gymnasium: pip install 'acopt[rl]'") from error

__all__ = ["ExecutionEnv", "ExecutionVectorEnv", "TacticEnv", "TacticVectorEnv"]

MOST = 2**28
"""Actions, and intervals x assets, of all environments together."""

Seen = npt.NDArray[np.float32]


class _TaskEnv(gymnasium.Env[Seen, Any]):
    """One episode of a task after the other."""

    def __init__(self, task: Task) -> None:
        _demand_room(type(self).__name__, task, 1)
        self.task = task
        self.action_space: spaces.Space[Any] = _action_space(task)
        self.observation_space: spaces.Space[Any] = _observation_space(task)
        self._step: int | None = None
        self._state: Where = task.begin(1)
        self._drawn: Drawn | None = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Seen, dict[str, Any]]:
        """Begin an episode; return what is seen, and `action_mask`."""
        super().reset(seed=_seed(type(self).__name__, seed))
        self._step, self._state = 0, self.task.begin(1)
        self._drawn = None if self.task.prices is None else self.task.draw(1, self.np_random)
        seen: Seen = self.task.observe(0, self._state, self._drawn)[0]
        return seen, {"action_mask": _masks(self.task, 0, self._state)[0]}

    def step(self, action: Any) -> tuple[Seen, float, bool, bool, dict[str, Any]]:
        """
        Take one step; return what is seen, the reward, whether the episode is over, False, and the info.

        Raises
        ------
        DataError
            The action is outside its space.
        ModelError
            No episode has begun, or it is over.
        """
        if self._step is None:
            raise ModelError(f"{type(self).__name__}: the episode is over, or none has begun; call reset() first")
        chosen = _actions(self, [action], 1, self.action_space)
        taken = _allowed(self.task, self._step, self._state, chosen)
        reward = float(self.task.reward(self._step, self._state, taken, self._drawn)[0])
        traded = self.task.trades(self._step, self._state, taken)[0].sum(axis=0)
        self._state = self.task.after(self._step, self._state, taken)
        step = self._step + 1
        over = step == self.task.steps
        info = {"action_mask": _masks(self.task, step, self._state)[0], "traded": traded}
        seen: Seen = self.task.observe(step, self._state, self._drawn)[0]
        self._step = None if over else step
        return seen, reward, over, False, info


class _TaskVectorEnv(VectorEnv[Seen, Any, Any]):
    """Many episodes of a task in step; after the end of one, the next step begins another."""

    def __init__(self, task: Task, num_envs: int) -> None:
        count = integer(num_envs)
        if count is None or count < 1:
            raise DataError(f"{type(self).__name__} num_envs={short(num_envs)}: a whole number >= 1 is expected")
        _demand_room(type(self).__name__, task, count)
        self.task, self.num_envs = task, count
        self.single_action_space, self.single_observation_space = _action_space(task), _observation_space(task)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.metadata = {"render_modes": [], "autoreset_mode": AutoresetMode.NEXT_STEP}
        self._step: int | None = None
        self._state: Where = task.begin(self.num_envs)
        self._drawn: Drawn | None = None
        self._generators: list[np.random.Generator] = []

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Seen, dict[str, Any]]:
        """
        Begin an episode everywhere; as in gymnasium, environment i has the seed seed + i, or its own of a list.

        Raises
        ------
        DataError
            Another number of seeds; or a `reset_mask`, since all episodes are in step.
        """
        if isinstance(options, dict) and "reset_mask" in options:
            raise DataError(f"{type(self).__name__}: reset_mask was given; all environments are reset together")
        self._seed(seed)
        return self._begin()

    def step(self, actions: Any) -> tuple[Seen, Array, npt.NDArray[np.bool_], npt.NDArray[np.bool_], dict[str, Any]]:
        """
        Take one step everywhere, as `ExecutionEnv.step`; the step after the last one begins the next episode.

        Raises
        ------
        DataError
            An action is outside its space; names the environment.
        ModelError
            No episode has begun.
        """
        if self._step is None:
            raise ModelError(f"{type(self).__name__}: no episode has begun; call reset() first")
        chosen = _actions(self, actions, self.num_envs, self.single_action_space)
        nothing = np.zeros(self.num_envs, dtype=bool)
        if self._step == self.task.steps:
            seen, info = self._begin()
            return seen, np.zeros(self.num_envs), nothing, nothing.copy(), info
        taken = _allowed(self.task, self._step, self._state, chosen)
        reward = self.task.reward(self._step, self._state, taken, self._drawn)
        traded = self.task.trades(self._step, self._state, taken).sum(axis=1)
        self._state = self.task.after(self._step, self._state, taken)
        self._step += 1
        info = self._info(traded=traded, action_mask=_masks(self.task, self._step, self._state))
        over = np.full(self.num_envs, self._step == self.task.steps)
        return self.task.observe(self._step, self._state, self._drawn), reward, over, nothing, info

    def _begin(self) -> tuple[Seen, dict[str, Any]]:
        self._step, self._state = 0, self.task.begin(self.num_envs)
        if self.task.prices is not None:
            if not self._generators:
                self._seed(None)
            drawn = [day for rng in self._generators if (day := self.task.draw(1, rng)) is not None]
            self._drawn = Drawn(*(np.concatenate([getattr(d, part) for d in drawn]) for part in ("changes", "signal")))
        mask = _masks(self.task, 0, self._state)
        return self.task.observe(0, self._state, self._drawn), self._info(action_mask=mask)

    def _seed(self, seed: Any) -> None:
        listed = isinstance(seed, Sequence) or (isinstance(seed, np.ndarray) and seed.ndim == 1)
        given = [_seed(type(self).__name__, one) for one in (seed if listed else [seed])]
        seeds = given if listed else [None if one is None else one + i for one in given for i in range(self.num_envs)]
        if len(seeds) != self.num_envs:
            raise DataError(
                f"{type(self).__name__} seed: {len(seeds)} seeds were given for {self.num_envs} environments"
            )
        old = self._generators
        self._generators = [old[i] if old and one is None else seeding.np_random(one)[0] for i, one in enumerate(seeds)]

    def _info(self, **parts: Any) -> dict[str, Any]:
        """Info as gymnasium batches it: beside each array, for which environments it is there."""
        there = {f"_{name}": np.ones(self.num_envs, dtype=bool) for name in parts}
        return {**parts, **there}


class ExecutionEnv(_TaskEnv):
    """
    Work an order in whole lots: in every interval, how many lots of each asset to trade.

    An action is a number of lots, `Discrete` for one asset, `MultiDiscrete` for several. `info["action_mask"]` has a 1
    for each number that is allowed, one asset after the other: not more than is left, within the rules, and such that
    the order can be finished; in the last interval it is what is left. For one asset it is what
    `action_space.sample(mask)` takes. As is usual, an action in the space that the mask excludes is no error: the
    nearest one that is allowed is taken, and `info["traded"]` says what was traded (n,), shares, buys +.

    An observation has the part of the time that is over, and the part of each order that is left; with `prices`, also
    how far each price has moved since arrival and how far it is expected to move, in percent of the arrival price
    (cut off at 100). The reward is minus the cost of the interval, currency, weights included: the rewards of an
    episode sum to minus the objective of the schedule traded, and with `prices` to that plus sum_k dS_k' x_k.

    Parameters
    ----------
    problem : costs and rules that split by interval; see `stages`.
    lots : shares of one lot, > 0, scalar or by asset; they divide the order.
    prices : a price model that moves the reward, drawn anew for every episode; by default rewards are certain.

    Raises
    ------
    DataError
        A lot that does not divide the order (names what would).
    ModelError
        A cost or a rule that joins intervals, or a hard rule that joins assets.
    InfeasibleError
        No schedule in these lots obeys the rules.
    """

    def __init__(self, problem: ExecutionProblem, lots: Data, *, prices: PriceModel | None = None) -> None:
        super().__init__(ExecutionTask(problem, lots, prices=prices))


class ExecutionVectorEnv(_TaskVectorEnv):
    """
    `num_envs` environments `ExecutionEnv` in one, computed together; see there.

    Step by step it is what `gymnasium.vector.SyncVectorEnv` makes of single ones (autoreset in the next step), but
    faster by far.
    """

    def __init__(
        self, problem: ExecutionProblem, lots: Data, num_envs: int, *, prices: PriceModel | None = None
    ) -> None:
        super().__init__(ExecutionTask(problem, lots, prices=prices), num_envs)


class TacticEnv(_TaskEnv):
    """
    Switch between two tactics: over the next stretch of the day, work what is left as TWAP (0) or as VWAP (1) would.

    The whole order switches at once, so that a day has 2^decisions schedules. Observation, reward, mask and info are
    those of `ExecutionEnv`; the mask excludes a tactic that trades no more while something is left.

    Parameters
    ----------
    problem : costs that split by interval; hard rules on single trades and positions are accepted where no sequence of
        tactics can break them, others as soft ones.
    decisions : number of stretches, 1 to 30, of as many intervals each as the grid allows.

    Raises
    ------
    DataError
        No such number of stretches.
    ModelError
        A cost or a rule that joins intervals, a rule that a tactic might break, or no volume.
    """

    def __init__(self, problem: ExecutionProblem, decisions: int) -> None:
        super().__init__(TacticTask(problem, decisions))


class TacticVectorEnv(_TaskVectorEnv):
    """`num_envs` environments `TacticEnv` in one, computed together; see `ExecutionVectorEnv`."""

    def __init__(self, problem: ExecutionProblem, decisions: int, num_envs: int) -> None:
        super().__init__(TacticTask(problem, decisions), num_envs)


def _demand_room(name: str, task: Task, episodes: int) -> None:
    """Demand that a mask of all actions and the prices of the day fit, before any of it is there."""
    n, m = task.setting.shape
    actions = int(task.nvec.sum())
    if episodes * (actions + n * m) > MOST:
        raise DataError(
            f"{name}: {episodes:,} at once, of {n:,} intervals, {m:,} assets and {actions:,} actions, are more than "
            "memory holds; larger lots or fewer environments are expected"
        )


def _seed(name: str, given: Any) -> int | None:
    """Return what gymnasium accepts as a seed."""
    seed = integer(given)
    if given is not None and (seed is None or seed < 0):
        raise DataError(f"{name} seed={short(given)}: None or a whole number >= 0 is expected")
    return seed


def _action_space(task: Task) -> spaces.Space[Any]:
    return spaces.Discrete(int(task.nvec[0])) if len(task.nvec) == 1 else spaces.MultiDiscrete(task.nvec)


def _observation_space(task: Task) -> spaces.Box:
    n = task.setting.shape[1]
    moves = [] if task.prices is None else [FAR] * (2 * n)
    high = np.array([1.0] * (1 + n) + moves, dtype=np.float32)
    low = np.array([0.0] * (1 + n) + [-move for move in moves], dtype=np.float32)
    return spaces.Box(low, high, dtype=np.float32)


def _actions(env: _TaskEnv | _TaskVectorEnv, given: Any, episodes: int, space: spaces.Space[Any]) -> Whole:
    """Actions (episodes, m), or an error that names the first one outside its space."""
    task, name = env.task, type(env).__name__
    try:
        chosen = np.asarray(given)
    except ValueError:
        chosen = np.empty(0)
    if chosen.ndim == 1 and len(task.nvec) == 1:
        chosen = chosen[:, None]
    if chosen.shape != (episodes, len(task.nvec)) or chosen.dtype.kind not in "iu":
        many = f"s {short(given)} are no {episodes} of" if episodes > 1 else f" {short(given[0])} is outside"
        raise DataError(f"{name}: the action{many} {space}")
    wrong = ((chosen < 0) | (chosen >= task.nvec)).any(axis=1)
    if wrong.any():
        i = int(np.argmax(wrong))
        which = f" of environment {i}" if episodes > 1 else ""
        value = chosen[i].tolist() if len(task.nvec) > 1 else int(chosen[i, 0])
        raise DataError(f"{name}: the action {value}{which} is outside {space}")
    return chosen.astype(np.int64)


def _allowed(task: Task, step: int, state: Where, chosen: Whole) -> Whole:
    """The nearest actions that are allowed."""
    return np.asarray(np.clip(chosen, *task.limits(step, state)))


def _masks(task: Task, step: int, state: Where) -> npt.NDArray[np.int8]:
    """1 for every action that is allowed (episodes, sum of nvec), one component after the other; 0 at the end."""
    if step == task.steps:
        return np.zeros((len(state), int(task.nvec.sum())), dtype=np.int8)
    low, high = task.limits(step, state)
    numbers = [np.arange(n) for n in task.nvec]
    allowed = [(a >= low[:, i, None]) & (a <= high[:, i, None]) for i, a in enumerate(numbers)]
    return np.concatenate(allowed, axis=1).astype(np.int8)

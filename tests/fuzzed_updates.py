"""A live problem that is updated, copied, cut and re-planned with junk: what is refused has changed nothing."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import builders
import fuzzed_calls as calls
import numpy as np
import pandas as pd
from fuzzed_junk import junk

import acopt as ac

SAME = 1e-6
CLOSE = 1e-5
FIELDS = {
    "Participation": {"maximum": 0.8, "minimum": 0.0, "assets": ["A"], "during": (0.25, None)},
    "open": {"penalty_bps": 25.0},
    "soft": {"tolerance": 0.5, "penalty_bps": 10.0},
    "cap": {"limit": 5e4},
}


def live() -> ac.ExecutionProblem:
    costs = ac.TemporaryImpact() + ac.SpreadCost() + 1e-6 * ac.TimingRisk()
    rules = [
        ac.Participation(0.9),
        ac.Monotone(),
        ac.AllowUnfilled(50.0, name="open"),
        ac.DollarNeutral(0.8, penalty_bps=5.0, name="soft"),
    ]
    return calls.problem(costs, rules)


def update(problem: ac.ExecutionProblem, rng: Random) -> Any:
    """An update of one to three things, some of them junk."""
    rule = rng.choice(list(FIELDS))
    field = rng.choice(list(FIELDS[rule]))
    given: dict[str, Any] = {
        "order": builders.order("both sides"),
        "market": calls.market(seed=rng.randrange(9)),
        "weights": {rng.choice(["TimingRisk", "SpreadCost", "TemporaryImpact"]): rng.choice([1e-7, 1e-5, 2.0])},
        "constraints": {rule: {field: FIELDS[rule][field]}},
    }
    chosen = rng.sample(list(given), rng.choice([1, 1, 2, 3]))
    wrong = rng.choice([*chosen, None])
    if wrong == "constraints" and rng.random() < 0.7:
        given["constraints"] = {rule: {field: junk(FIELDS[rule][field], rng)}}
    elif wrong == "weights" and rng.random() < 0.6:
        given["weights"] = {"TimingRisk": junk(1e-6, rng)}
    elif wrong is not None:
        given[wrong] = junk(given[wrong], rng)
    kept = {key: given[key] for key in chosen}
    return f"update({kept!r:.200})", lambda: problem.update(**kept)


def history(problem: ac.ExecutionProblem, rng: Random) -> Any:
    executed = junk(np.array([[-100.0, 5.0, -10.0]]), rng)
    return f"with_history({executed!r:.100})", lambda: problem.with_history(executed)


def without(problem: ac.ExecutionProblem, rng: Random) -> Any:
    name = rng.choice(["Participation", "open", "soft", junk("Monotone", rng)])
    return f"without({name!r:.60})", lambda: problem.without(name)


def replan(problem: ac.ExecutionProblem, rng: Random) -> Any:
    given = {
        "at": 0.5,
        "executed": pd.Series({"A": -2000.0, "B": 100.0, "C": -500.0}),
        "market": None,
        "volume_scale": None,
        "order": None,
    }
    key = rng.choice(list(given))
    given[key] = junk(given[key], rng)
    return f"reoptimize({key}={given[key]!r:.100})", lambda: problem.solve().reoptimize(**given).problem


def copied(problem: ac.ExecutionProblem, rng: Random) -> Any:
    _, act = update(problem.copy(), rng)
    return "copy().update", act


STEPS: list[Callable[[ac.ExecutionProblem, Random], Any]] = [
    update,
    update,
    update,
    update,
    history,
    without,
    replan,
    copied,
]


def answer_of(problem: ac.ExecutionProblem) -> ac.Schedule | type:
    """The solved schedule, or the class of the error."""
    try:
        return calls.solved(problem)
    except ac.AcoptError as error:
        return type(error)


def same(old: ac.Schedule | type, new: ac.Schedule | type, what: str) -> None:
    """Demand the same answer as before."""
    if isinstance(old, type) or isinstance(new, type):
        if old is not new:
            raise AssertionError(f"{what}: {old} before, {new} after")
        return
    gap = abs(old.objective - new.objective)
    if gap > SAME * old.certificate.gap_scale + old.certificate.tolerance:
        raise AssertionError(f"{what}: the objective was {old.objective!r}, and is {new.objective!r}")


def drawn(rng: Random) -> tuple[str, Callable[[], Any]]:
    """Three to six steps on one live problem."""
    seed = rng.random()

    def act() -> Any:
        rng, problem, refused = Random(seed), live(), 0  # noqa: S311
        before = answer_of(problem)
        for _ in range(rng.randint(2, 4)):
            step = rng.choice(STEPS)
            state = problem._state
            said, change = step(problem, rng)
            said = said.replace("\n", " ")
            try:
                made = change()
            except ac.AcoptError:
                refused += 1
                made = None
                if problem._state is not state:
                    raise AssertionError(f"{said} was refused, and changed the problem") from None
            except Exception as error:
                error.add_note(f"in {said}")
                raise
            try:
                if made is problem:
                    before = answer_of(problem)
                    continue
                if made is not None:
                    answer_of(made)
                same(before, answer_of(problem), said)
            except Exception as error:
                error.add_note(f"after {said}")
                raise
        if refused:
            raise ac.AcoptError(f"{refused} refused")

    return f"a sequence ({seed})", act

"""A slice of benchmarks/fuzz_inputs.py: an error of acopt, or an answer within the contract; nothing else."""

from __future__ import annotations

from collections import Counter

import fuzzed_adaptive
import fuzzed_calls
import pytest
from fuzzed import FAMILIES, attempt, drawn
from fuzzed_updates import live

import acopt as ac

SEED, COUNT, PARTS = 2026, 400, 8
WITHOUT_A_CALL = {
    "AcoptError",
    "Bars",
    "Benchmark",
    "Certificate",
    "Close",
    "Conflict",
    "Constraint",
    "Cost",
    "CrossCheck",
}
WITHOUT_A_CALL |= {
    "Diagnosis",
    "Frontier",
    "Objective",
    "Regret",
    "Relaxation",
    "Repair",
    "Replan",
    "Replay",
    "ReplayStudy",
}
WITHOUT_A_CALL |= {
    "RobustPlan",
    "RoundedSchedule",
    "Rounding",
    "Schedule",
    "PositionBounds",
    "TradeBounds",
    "Urgency",
    "dot",
    "scaled",
}
WITHOUT_A_CALL |= {"LotPolicy", "Paired", "Policy", "PriceModel", "SimulationResult", "Staged", "Stages", "State"}
WITHOUT_A_CALL |= {"list_problems"}
"""What is never called by a user with arguments of his own: answers, bases, errors, and what CVXPY checks."""
CALLS = {**fuzzed_calls.CALLS, **fuzzed_adaptive.ADAPTIVE}


@pytest.mark.parametrize("part", range(PARTS))
def test_an_error_of_ours_or_an_answer(part, tmp_path):
    numbers = range(part * COUNT // PARTS, (part + 1) * COUNT // PARTS)
    found = [outcome for number in numbers if (outcome := attempt(SEED, number, tmp_path)).finding]
    assert not found, "\n".join(
        f"python benchmarks/fuzz_inputs.py 1 {SEED} --only {one.number}: {one.said}: {one.finding}" for one in found
    )


def test_every_public_name_is_called():
    called = {name.partition(",")[0].partition(".")[0] for name in CALLS}
    errors = {name for name in ac.__all__ if name.endswith("Error")}
    assert set(ac.__all__) - called - errors - WITHOUT_A_CALL == set()


def test_valid_arguments_are_accepted():
    """Else the junk would never be reached."""
    wrong = {}
    for name, call in CALLS.items():
        if "path" in call.arguments:
            continue
        try:
            call.use(call.function(**{key: make() for key, make in call.arguments.items()}))
        except ac.AcoptError as error:
            wrong[name] = str(error)
    assert wrong == {}


def test_every_family_is_drawn_and_replayed(tmp_path):
    first = [drawn(SEED, number, tmp_path)[:2] for number in range(200)]
    again = [drawn(SEED, number, tmp_path)[:2] for number in range(200)]
    assert [family for family, _ in first] == [family for family, _ in again]
    assert set(Counter(family for family, _ in first)) == set(FAMILIES)


@pytest.mark.parametrize(
    "refused",
    [
        lambda p: p.update(weights={"TimingRisk": "abc"}),
        lambda p: p.update(weights={"SpreadCost": 2.0, "TimingRisk": 10**400}),
        lambda p: p.update(constraints={"Participation": {"maximum": [1, 2]}}),
        lambda p: p.update(order=ac.Order(5.0), weights={"SpreadCost": 2.0}),
        lambda p: p.with_history([[1j, 0.0, 0.0]]),
        lambda p: p.with_history(b"x"),
        lambda p: p.without([1.0]),
    ],
)
def test_what_is_refused_changes_nothing(refused):
    problem = live()
    before = problem.solve()
    state = problem._state
    with pytest.raises(ac.AcoptError):
        refused(problem)
    after = problem.solve()
    assert problem._state is state
    assert abs(after.objective - before.objective) <= before.certificate.tolerance + after.certificate.tolerance

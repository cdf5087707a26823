"""The accuracy contract on 200 random problems against the oracle; benchmarks/random_study.py runs 2,000."""

import numpy as np
import pytest
import reference
from case_problem import problem_of

SEED, COUNT, CHUNK = 3, 200, 20


@pytest.mark.parametrize("first", range(0, COUNT, CHUNK))
def test_every_random_problem_is_solved_within_the_contract(first):
    for number in range(first, first + CHUNK):
        case = reference.random_case(np.random.default_rng([SEED, number]))
        plan, truth = problem_of(case).solve(), reference.solve_reference(case)
        trades, proof = plan.path.trades, plan.certificate
        cost, _ = reference.cost_and_scale(case, trades)
        above = cost - truth.objective
        label = f"case {number}: {proof}"
        assert abs(above) <= 1e-6 * truth.scale, label
        assert reference.violation(case, trades) <= 1e-9, label
        assert abs(plan.objective - cost) <= 1e-9 * truth.scale, label
        assert above <= proof.gap + 1e-10 * truth.scale, f"{label}: the certificate promises less than the truth"
        assert proof.gap <= proof.tolerance, label
        if proof.refined and np.all(case.eta.reshape(len(case.eta), -1).max(axis=1) > 0):
            # Strictly convex: the trades themselves agree.
            assert np.abs(trades - truth.trades).max() <= 1e-6 * reference.unit_of_violation(case, trades), label


@pytest.mark.parametrize("first", range(0, 40, 20))
def test_trades_stay_in_their_bounds_and_end_at_the_target_exactly(first):
    for number in range(first, first + 20):
        case = reference.random_case(np.random.default_rng([SEED + 1, number]))
        plan = problem_of(case).solve()
        trades = plan.path.trades
        assert (trades >= case.lower).all()
        assert (trades <= case.upper).all()
        closed = case.features.closed
        assert not np.any(trades[closed])
        assert not np.any(plan.remaining.to_numpy()[-1])

"""One number for what a plan was computed from: what counts as the same, what does not, and the answer it fixes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders import NAMES, PRICES, grid, market, order

import acopt as ac
from acopt.spec import audit
from acopt.spec.audit import content_hash, versions
from acopt.spec.files import parse_problem
from acopt.spec.writer import to_toml

ROOT = Path(__file__).parents[2]
COSTS = ac.TemporaryImpact() + ac.SpreadCost() + 1e-6 * ac.TimingRisk()


def made(asked=None, on=None, costs=COSTS, rules=(), **facts):
    """One problem; a change of any part of it."""
    return ac.ExecutionProblem(asked or order("both sides"), on or market(**facts), costs, list(rules))


def test_it_looks_like_a_hash():
    assert re.fullmatch("sha256:[0-9a-f]{64}", content_hash(made()))


def test_versions_are_those_that_compute_the_answer():
    found = versions()
    assert list(found) == ["python", "acopt", "cvxpy", "osqp", "clarabel", "highspy", "numpy", "scipy"]
    assert found["python"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert found["numpy"] == np.__version__


@pytest.mark.parametrize("name", ["acopt", "osqp", "scipy"])
def test_another_version_is_another_hash(monkeypatch, name):
    before, known = content_hash(made()), versions()
    monkeypatch.setattr(audit, "versions", lambda: {**known, name: known[name] + ".1"})
    assert content_hash(made()) != before


# ------------------------------------------------------------------ the same problem, said in another way

PRICE = pd.Series(PRICES)
VOLUME = pd.DataFrame(5e4, grid().labels, list(NAMES))
SIGMA = pd.DataFrame(np.diag((0.02 * PRICE) ** 2), list(NAMES), list(NAMES))
WIDE = pd.DataFrame(np.diag([0.16, 9.0, 64.0, 1.21, 2.0]), list("AXBCY"), list("AXBCY"))
RATE = pd.Series({"A": 1.0, "B": 2.0, "C": 3.0})

SAME = {
    "labels in another order": (made(volume=VOLUME), made(volume=VOLUME[["C", "A", "B"]].iloc[::-1])),
    "a number or a table": (made(volume=VOLUME), made(volume=50_000)),
    "by asset or a table": (made(volume=VOLUME), made(volume={"C": 5e4, "B": 5e4, "A": 5e4})),
    "integers": (made(asked=ac.Order({"A": 9000, "B": 0})), made(asked=ac.Order({"A": 9000.0, "B": 0.0}))),
    "more assets": (made(covariance=WIDE), made(covariance=WIDE.loc[list("CBA"), list("CBA")])),
    "a wider market": (
        made(
            asked=ac.Order({"A": 10.0, "C": 5.0}),
            on=ac.Market(grid(), PRICE, volume=5e4, covariance=SIGMA, spread=4e-4 * PRICE, impact=ac.LinearImpact(8)),
        ),
        made(
            asked=ac.Order({"A": 10.0, "C": 5.0}),
            on=ac.Market(
                grid(),
                PRICE[["C", "A"]],
                volume=5e4,
                covariance=SIGMA,
                spread=ac.bps(4.0),
                impact=ac.LinearImpact({"C": 8.0, "A": 8.0}),
            ),
        ),
    ),
    "a matrix or an object": (made(covariance=SIGMA), made(covariance=ac.Covariance(SIGMA.to_numpy()))),
    "a diagonal or a matrix": (
        made(costs=COSTS + ac.PermanentImpact(RATE * 1e-8)),
        made(costs=COSTS + ac.PermanentImpact(pd.DataFrame(np.diag(RATE * 1e-8), list("ABC"), list("ABC")))),
    ),
    "no weight or one": (made(), made(costs=1.0 * ac.TemporaryImpact() + ac.SpreadCost() + 1e-6 * ac.TimingRisk())),
    "one side by the order or by hand": (
        made(asked=ac.Order.sell({"A": 100, "B": 50})),
        made(asked=ac.Order({"A": 100.0, "B": 50.0}, {"B": 0.0})),
    ),
    "assets of a rule": (made(rules=[ac.Monotone(assets=["C", "A"])]), made(rules=[ac.Monotone(assets=("A", "C"))])),
    "tolerances": (
        made(rules=[ac.GroupNeutral({"A": "x", "B": "y", "C": "y", "D": "z"}, {"x": 9e9, "y": 1e9, "z": 1.0})]),
        made(rules=[ac.GroupNeutral(pd.Series({"C": "y", "B": "y", "A": "x"}), pd.Series({"y": 1e9, "x": 9e9}))]),
    ),
    "notes": (made(), made(notes=["made up"])),
    "a default or its value": (
        made(),
        made(costs=ac.TemporaryImpact(name="TemporaryImpact") + ac.SpreadCost() + 1e-6 * ac.TimingRisk()),
    ),
}


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME)
def test_what_does_not_matter(one, other):
    assert content_hash(one) == content_hash(other)


def test_how_a_grid_was_made_does_not_matter():
    session = ac.TimeGrid.session("2019-02-15", "30min", start="10:00", end="15:00")
    stamps = ac.TimeGrid.from_timestamps(session.timestamps)
    edges = ac.TimeGrid(session.edges, timestamps=session.timestamps)
    assert len({content_hash(made(on=market(on))) for on in (session, stamps, edges)}) == 1


def test_what_a_file_says_about_itself_does_not_matter():
    texts = [to_toml(made()), to_toml(made(), name="other", title="t", source="s")]
    assert texts[0] != texts[1]
    assert len({content_hash(parse_problem(text).problem()) for text in texts}) == 1


# ------------------------------------------------------------------ another problem

BUMPED = VOLUME.copy()
BUMPED.iloc[2, 1] = np.nextafter(5e4, 1e9)
OTHER = {
    "the last bit of a volume": made(volume=BUMPED),
    "the last bit of a price": made(
        on=ac.Market(
            grid(),
            PRICE * (1 + 2**-52),
            volume=VOLUME,
            covariance=SIGMA,
            spread=4e-4 * PRICE,
            impact=ac.LinearImpact(8.0),
        )
    ),
    "a covariance": made(volume=VOLUME, covariance=SIGMA * 1.000001),
    "an order": made(volume=VOLUME, asked=ac.Order({"A": 9000.0, "B": 0.0, "C": 3001.0}, {"B": 500.0})),
    "the sequence of assets": made(volume=VOLUME, asked=ac.Order({"C": 3000.0, "A": 9000.0, "B": -500.0})),
    "a hedge": made(
        volume=VOLUME,
        asked=order("both sides") + ac.Order.hedge(["Z"]),
        on=ac.Market(
            grid(), {**PRICES, "Z": 1.0}, volume=5e4, covariance=np.eye(4), spread=ac.bps(4), impact=ac.LinearImpact(8)
        ),
    ),
    "a weight": made(volume=VOLUME, costs=ac.TemporaryImpact() + ac.SpreadCost() + 2e-6 * ac.TimingRisk()),
    "no weight of a risk": made(volume=VOLUME, costs=ac.TemporaryImpact() + ac.SpreadCost() + ac.TimingRisk()),
    "weight one of a risk": made(volume=VOLUME, costs=ac.TemporaryImpact() + ac.SpreadCost() + 1.0 * ac.TimingRisk()),
    "a name": made(volume=VOLUME, costs=ac.TemporaryImpact(name="x") + ac.SpreadCost() + 1e-6 * ac.TimingRisk()),
    "one cost less": made(volume=VOLUME, costs=ac.TemporaryImpact() + 1e-6 * ac.TimingRisk()),
    "the sequence of costs": made(volume=VOLUME, costs=ac.SpreadCost() + ac.TemporaryImpact() + 1e-6 * ac.TimingRisk()),
    "a law": made(volume=VOLUME, impact=ac.LinearImpact(8.0)),
    "a rule": made(volume=VOLUME, rules=[ac.Participation(0.9)]),
    "its number": made(volume=VOLUME, rules=[ac.Participation(0.91)]),
    "its window": made(volume=VOLUME, rules=[ac.Participation(0.9, during=(0.2, None))]),
    "the other side of it": made(volume=VOLUME, rules=[ac.Participation(0.9, during=(None, 0.2))]),
    "its assets": made(volume=VOLUME, rules=[ac.Participation(0.9, assets=["A"])]),
    "its name": made(volume=VOLUME, rules=[ac.Participation(0.9, name="cap")]),
    "its price": made(volume=VOLUME, rules=[ac.Participation(0.9, penalty_bps=5)]),
    "a grid": made(on=market(ac.TimeGrid([0, 0.2, 0.4, 0.6, 0.8, 1.0]), volume=5e4)),
    "its unit": made(on=market(ac.TimeGrid(grid().edges, unit="week"), volume=5e4, impact=ac.ImpactCoefficients(RATE))),
    "a history": made(volume=VOLUME).with_history(np.zeros((1, 3))),
}


def test_what_matters():
    found = {name: content_hash(each) for name, each in {"base": made(volume=VOLUME), **OTHER}.items()}
    twice = {name: hash_ for name, hash_ in found.items() if list(found.values()).count(hash_) > 1}
    assert not twice


def test_an_update_is_another_problem_and_back_again_the_same():
    problem = made(rules=[ac.Participation(0.9)])
    before = content_hash(problem)
    problem.update(constraints={"Participation": {"maximum": 0.8}})
    assert content_hash(problem) != before
    assert content_hash(problem.update(constraints={"Participation": {"maximum": 0.9}})) == before


def test_solving_does_not_change_it():
    problem = made()
    before = content_hash(problem)
    plan = problem.solve()
    assert content_hash(problem) == content_hash(plan.problem) == before


# ------------------------------------------------------------------ processes

PROGRAM = """
import hashlib, sys
import numpy as np
from acopt.spec.audit import content_hash
from acopt.spec.files import parse_problem

problem = parse_problem(sys.stdin.read()).problem()
trades = problem.solve().trades.to_numpy()
print(content_hash(problem), hashlib.sha256(trades.tobytes()).hexdigest(), trades[0, 0])
"""


def solved(text, seed):
    """Read, hash and solve in a fresh process, on one thread."""
    threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        input=text,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **threads, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


RULES = [
    ac.Participation(0.5),
    ac.Monotone(assets=["A"]),
    ac.DollarNeutral(0.9),
    ac.AllowUnfilled({"A": 9, "B": 9, "C": 9}),
]
COLD = {
    "a QP": made(costs=COSTS + ac.Jerk(0.1) + ac.Alpha.from_bps(3, 0.2), rules=RULES),
    "a conic one": made(rules=[ac.Participation(0.5), ac.TimingRisk(name="deviation") <= ac.bps(60)]),
}


@pytest.mark.parametrize("problem", COLD.values(), ids=COLD)
def test_the_same_hash_solved_cold_on_one_thread_gives_the_same_bits(problem):
    first, second = solved(to_toml(problem), "1"), solved(to_toml(problem), "77")
    assert first == second
    assert first[0] == content_hash(problem)
    changed = to_toml(problem).replace("initial = 9000.0", "initial = 9000.000000000002")
    third = solved(changed, "1")
    assert third[0] != first[0]


def test_a_conic_problem_is_conic():
    assert COLD["a conic one"].declaration.conic
    assert not COLD["a QP"].declaration.conic

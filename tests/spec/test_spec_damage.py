"""Damaged files: an error of acopt in one line that names the file, or a problem; never anything else."""

from __future__ import annotations

import random
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders import cross_impact, market, order

import acopt as ac
from acopt.costs.transient import TransientImpact
from acopt.market.kernels import ExponentialDecay
from acopt.spec.files import load_problem
from acopt.spec.writer import to_toml

sys.path.append(str(Path(__file__).parent))
import own_code
from damage import damaged

PROBLEMS = Path(__file__).parents[2] / "problems"


def written():
    """Problems with as much in them as there is, as files."""
    day = market(ac.TimeGrid.session("2019-02-15", "1h30min", start="10:00", auctions="close"))
    costs = ac.TemporaryImpact() + ac.PermanentImpact() + ac.SpreadCost() + 1e-6 * ac.TimingRisk()
    everything = ac.ExecutionProblem(
        order("both sides"),
        day,
        costs + ac.Alpha.from_bps(3, "2h") + ac.Jerk("30min"),
        [
            ac.Participation(0.9, during=("11:30", None), penalty_bps=30.0),
            ac.Monotone(assets=["A"]),
            ac.NoTrade(during=("close", None)),
            ac.DollarNeutral(0.9),
            ac.FactorNeutral(pd.DataFrame({"m": [1.0, 2, 3], "s": [0, 1.0, -1]}, list("ABC")), {"m": 0.99, "s": 9e9}),
            ac.GroupNeutral({"A": "x", "B": "y", "C": "x"}, 0.99),
            ac.CashBalance(-1e7, 1e7),
            ac.AllowUnfilled(30.0),
        ],
    ).with_history(np.array([[-1000.0, 0.0, -10.0]]))
    own = ac.ExecutionProblem(
        order("both sides"),
        market(covariance=ac.FactorModel(pd.DataFrame({"f": [1.0, 2, 3]}, list("ABC")), 1e-2, [0.1, 2.0, 0.3])),
        TransientImpact(ExponentialDecay(half_life=0.3), cross_impact() * 0.1)
        + own_code.Fee(pd.Series({"A": 1.0, "B": 2.0, "C": 3.0}), extra={"a": [1, 2]})
        + ac.CustomCost(own_code.quiet)
        + 1e-6 * ac.TrackingRisk(ac.VWAP(0.2)),
        [ac.TimingRisk() <= ac.bps(60), own_code.Cap(assets=["A"]), ac.CustomConstraint(own_code.half_done)],
    )
    return [to_toml(everything), to_toml(own)]


TEXTS = [*(path.read_text(encoding="utf-8") for path in sorted(PROBLEMS.glob("*.toml"))), *written()]


def attempt(path, raw):
    """Load a file and build its first problem: what came of it."""
    path.write_bytes(raw)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # 1e308 shares overflow, and say so
        try:
            load_problem(path).problem()
        except ac.AcoptError as error:
            assert "\n" not in str(error)  # noqa: PT017
            assert str(error).startswith(str(path))  # noqa: PT017
            return "refused"
    return "read"


@pytest.mark.parametrize("seed", range(10))
def test_damaged_files_give_an_error_of_acopt_or_a_problem(tmp_path, seed):
    rng = random.Random(seed)  # noqa: S311
    found = [attempt(tmp_path / "p.toml", damaged(rng.choice(TEXTS), rng)) for _ in range(30)]
    assert set(found) == {"read", "refused"}


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text[:40])
def test_line_ends_and_marks_of_editors_do_not_matter(tmp_path, text):
    found = []
    for k, raw in enumerate([text.encode(), b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()]):
        path = tmp_path / f"{k}.toml"
        path.write_bytes(raw)
        found.append(to_toml(load_problem(path).problem()))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "raw", [b"", b"\0", b"\xff\xfe", "é".encode("latin-1"), "[grid]".encode("utf-16"), b"\x1f\x8b"]
)
def test_what_is_no_text_is_refused(tmp_path, raw):
    assert attempt(tmp_path / "p.toml", raw) == "refused"

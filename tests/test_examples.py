"""Every example runs from top to bottom, in a folder of its own, without a warning, and says what it found."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted(ROOT.glob("examples/*.py"))
US_EQUITIES = ROOT.parent / "shared" / "data" / "us_equities"
SAID = {
    "quickstart": ["541,955.5544", "certified: gap", "cheapest once risk has its price", "Written: "],
    "twap_vwap_optimal": ["the optimum found 32,500.00", "TWAP costs 54% more", "VWAP 286% more"],
    "jerk": ["the roughness falls from", "Written: "],
    "replan": [
        "realised",
        "Without news, no trade moves by more than a millionth of a share",
        "Rules broken: none",
    ],
    "desk_day": [
        "certified: gap",
        "finite difference",
        "VWAP, auctions",
        "realised",
        "lots of 100",
        "replayed, 2019-02-15",
    ],
    "everything": [
        "certified: gap",
        "CLARABEL agrees",
        "gave way       calm",
        "Shadow prices and central differences are at most",
        "read back: the same",
        "the same trades to the last bit",
        "lots of 100",
        "replayed, 2025-03-31 09:30 to 2025-03-31 16:00",
    ],
    "power_law": [
        "A line through the law at 10% of volume loses",
        "The plan's impact is the published law's: True",
        "a conic program and not a QP",
    ],
    "transient": [
        "Obizhaeva and Wang: 16,473.29 at both ends",
        "certified: gap",
        "Refused: TransientImpact: the kernel box",
    ],
    "wrong_parameters": [
        "planned in (row), paid in (column)",
        "One plan for all: at worst",
        "Not to know the day's volume costs",
        "Written: ",
    ],
    "mean_reversion": [
        "no trade differs from the closed form by more than",
        "more for each 10 cents that the price is above its mean",
        "Highest participation on 150 days: 0.1400",
        "Written: ",
    ],
    "dynamic_programming": ["Of 1,820 schedules none is better", "Day by day it saves", "Written: "],
    "q_learning": [
        "0.000% above the dynamic program",
        "Refused: the table was learned with problem",
        "two tables: it believes",
        "Written: ",
    ],
    "tactic_switching": ["switched, best of 256", "The agent's sequence is the best one: True", "Written: "],
    "vwap_hedge": [
        "What prices add to it, at most",
        "nobody knows the close: E[m/V] changes the variance by -7.54",
        "moves E[m/V] by 0.",
        "certified: gap",
        "Written: ",
    ],
    "policies_on_real_bars": [
        "20 names" if US_EQUITIES.is_dir() else "synthetic sample",
        "paired",
        "To re-estimate the volume changes the mean square by",
        "Written: ",
    ],
    "replay_real_bars": ["names, 20 days" if US_EQUITIES.is_dir() else "synthetic sample", "paired", "Written: "],
    "plan_real_bars": ["certified: gap", "of the basket", "of their orders apart", "Written: "],
}


def run(script: Path, folder: Path, *arguments: str) -> str:
    environment = {
        **os.environ,
        "MPLBACKEND": "Agg",
        "TMPDIR": str(folder),
        "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", script, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, f"{script.name}\n{done.stdout}\n{done.stderr}"
    assert not done.stderr
    return done.stdout


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda script: script.stem)
def test_an_example_runs_and_says_what_it_found(script, tmp_path):
    said = run(script, tmp_path)
    assert said.strip()
    for line in SAID.get(script.stem, []):
        assert line in said, f"{script.name} does not say {line!r}:\n{said}"


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda script: script.stem)
def test_an_example_says_what_it_shows_and_how_to_run_it(script):
    text = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8")))
    assert text
    assert f"Run: python examples/{script.name}" in text


def test_the_known_lines_belong_to_examples():
    assert set(SAID) == {script.stem for script in EXAMPLES}, "say here what the new example must print"


def test_a_plan_without_a_folder_of_bars_is_of_the_sample(tmp_path):
    """Away from the repository there are no data beside it."""
    script = tmp_path / "project" / "examples" / "plan_real_bars.py"
    script.parent.mkdir(parents=True)
    shutil.copy(ROOT / "examples" / script.name, script)
    said = run(script, tmp_path, "--out", "plans")
    assert "synthetic sample, which was never traded" in said
    assert (tmp_path / "plans" / "schedule.png").stat().st_size > 10_000
    table = pd.read_csv(tmp_path / "plans" / "schedule.csv")
    assert list(table)[:5] == ["start", "end", "symbol", "side", "shares"]
    assert {"buy", "sell"} <= set(table["side"])
    assert (table.groupby("symbol")["remaining"].last() == 0).all()


def test_a_plan_reads_a_folder_that_is_given(tmp_path):
    rng = np.random.default_rng(3)
    stamps = [
        stamp
        for date in pd.bdate_range("2025-03-03", periods=6)
        for stamp in pd.date_range(f"{date:%Y-%m-%d} 09:30", periods=26, freq="15min")
    ]
    (tmp_path / "bars").mkdir()
    for name in "WXYZ":
        close = 50.0 * np.exp(0.001 * rng.standard_normal(len(stamps)).cumsum())
        bars = {"datetime": stamps, "open": close, "high": close, "low": close, "close": close}
        table = pd.DataFrame({**bars, "volume": rng.uniform(1e5, 2e5, len(stamps))})
        table.to_csv(tmp_path / "bars" / f"{name}_15min.csv", index=False)
    said = run(ROOT / "examples" / "plan_real_bars.py", tmp_path, "bars", "--out", "plans")
    assert "Bars from bars" in said
    assert "2 buys, 2 sells" in said


def test_a_replay_without_a_folder_of_bars_is_of_the_sample(tmp_path):
    script = tmp_path / "project" / "examples" / "replay_real_bars.py"
    script.parent.mkdir(parents=True)
    shutil.copy(ROOT / "examples" / script.name, script)
    said = run(script, tmp_path, "--out", "plans")
    assert "5 days of a synthetic sample, which was never traded" in said
    assert (tmp_path / "plans" / "replay.png").stat().st_size > 10_000
    assert len(pd.read_csv(tmp_path / "plans" / "days.csv")) == 5 * 3 * 6

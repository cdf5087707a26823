"""The walk-forward example decides on what is over, and on nothing else: the future is altered, no decision changes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "examples" / "policies_on_real_bars.py"
US_EQUITIES = ROOT.parent / "shared" / "data" / "us_equities"
NAMES = ("JPM", "MSFT", "TSLA")
DAYS = 3
POLICIES = {"vwap", "twap", "optimum", "expected m/V", "adaptive"}


def real():
    """Bars of a few names, stamped at their ends, oldest first."""
    columns = {"datetime": "str"}
    return {n: pd.read_csv(US_EQUITIES / f"{n}_15min.csv", dtype=columns).iloc[::-1] for n in NAMES}


def drawn():
    """Bars of names that do not exist, of 23 sessions."""
    rng, tables = np.random.default_rng(4), {}
    days = pd.bdate_range("2025-01-06", periods=23)
    for name in ("ONE", "TWO"):
        ends = np.concatenate([pd.date_range(d + pd.Timedelta("9:45:00"), periods=26, freq="15min") for d in days])
        logs = np.repeat(rng.normal(0.0, 0.3, len(days)), 26) + rng.normal(0.0, 0.4, len(ends))
        price = 60.0 * np.exp(0.002 * rng.standard_normal(len(ends)).cumsum())
        opens = np.concatenate([[60.0], price[:-1]])
        table = {"open": opens, "high": np.maximum(opens, price), "low": np.minimum(opens, price), "close": price}
        stamps = pd.DatetimeIndex(ends).strftime("%Y-%m-%d %H:%M:%S")
        tables[name] = pd.DataFrame({"datetime": stamps, **table, "volume": np.round(1e6 * np.exp(logs))})
    return tables


def altered(tables, rng):
    """On the second of the last days the bars after noon are shuffled and dearer, on the third all are shuffled."""
    out, fields = {}, ["open", "high", "low", "close", "volume"]
    for name, table in tables.items():
        table = table.reset_index(drop=True)
        stamps = pd.to_datetime(table["datetime"])
        dates = sorted(stamps.dt.date.unique())[-DAYS:]
        noon = pd.Timestamp(dates[1]) + pd.Timedelta("12:00:00")
        for day, start in ((dates[1], noon), (dates[2], pd.Timestamp(dates[2]))):
            rows = np.flatnonzero((stamps.dt.date == day) & (stamps > start))
            table.loc[rows, fields] = table.loc[rng.permutation(rows), fields].to_numpy()
            if day == dates[1]:
                table.loc[rows, fields[:4]] *= 1.07
        out[name] = table
    return out


def decisions(tables, folder):
    """What the example writes down: trades by date, policy and interval, as texts of 17 digits."""
    bars = folder / "bars"
    bars.mkdir(parents=True)
    for name, table in tables.items():
        table.to_csv(bars / f"{name}_15min.csv", index=False)
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    command = [sys.executable, "-W", "error", SCRIPT, bars, "--days", str(DAYS), "--out", folder / "out"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    table = pd.read_csv(folder / "out" / "decisions.csv", dtype=str)
    return table.astype({"interval": int}).set_index(["date", "policy", "interval"]).sort_index()


@pytest.mark.parametrize(
    "tables",
    [
        pytest.param(real, marks=pytest.mark.skipif(not US_EQUITIES.exists(), reason="no bars of us_equities here")),
        drawn,
    ],
)
def test_no_decision_knows_the_future(tables, tmp_path):
    now, rng = tables(), np.random.default_rng(11)
    before, after = decisions(now, tmp_path / "as it was"), decisions(altered(now, rng), tmp_path / "altered")
    dates = list(dict.fromkeys(before.index.get_level_values("date")))
    assert len(dates) == DAYS
    assert set(before.index.get_level_values("policy")) == POLICIES
    assert (before.astype(float).groupby(["date", "policy"]).sum().abs() > 1).all(axis=None)

    assert before.loc[dates[0]].equals(after.loc[dates[0]])
    noon = 10  # the interval that starts at 12:00
    for policy in POLICIES:
        was, is_now = before.loc[dates[1], policy], after.loc[dates[1], policy]
        assert was.loc[:noon].equals(is_now.loc[:noon])
        assert was.equals(is_now) == (policy != "adaptive")
    # The third day is planned with the altered second one in its past, and the adaptive policy sees the shuffle.
    for policy in POLICIES - {"twap"}:
        assert not before.loc[dates[2], policy].equals(after.loc[dates[2], policy])

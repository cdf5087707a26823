"""The command line in process, a bad input's one line, the sample as files, and a tiny problem file."""

import json

import pandas as pd
import pytest
from typer.testing import CliRunner

from acopt.interface import cli
from acopt.interface.sample import sample

PROBLEM = """\
[problem]
name = "tiny"
title = "One sale"
source = { author = "acopt" }
[grid]
horizon = 1.0
periods = 4
[market]
[[asset]]
label = "A"
price = 50.0
initial = 1000.0
[[cost]]
type = "TemporaryImpact"
eta = 1e-3
[[case]]
name = "only"
[case.expected]
expected_cost = { value = EXPECTED, absolute = 1e-6, origin = "derived" }
"""


def run(*arguments):
    return CliRunner().invoke(cli.app, [str(each) for each in arguments])


def refused(*arguments):
    """Return the one line that a bad input gets, with exit code 2 and an empty stdout."""
    result = run(*arguments)
    assert result.exit_code == 2, (result.stdout, result.stderr, result.exception)
    assert result.stdout == ""
    assert result.stderr.startswith("acopt: ")
    assert result.stderr.endswith("\n")
    assert result.stderr.count("\n") == 1
    return result.stderr.removeprefix("acopt: ").rstrip("\n")


def document(*arguments):
    """Return the one JSON document that a command prints."""
    result = run(*arguments)
    assert result.exit_code == 0, (result.stderr, result.exception)
    return json.loads(result.stdout, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def write_sample(folder):
    """Write the bars of the sample as files, newest first, and its orders."""
    bars = sample().bars
    for name in bars.symbols:
        table = pd.DataFrame({key: getattr(bars, key)[name] for key in ("open", "high", "low", "close", "volume")})
        table.index = table.index.tz_localize(None).rename("datetime")
        table[::-1].to_csv(folder / f"{name}_15min.csv")
    rows = [(name, "sell" if x > 0 else "buy", abs(x)) for name, x in sample().order.remaining.items()]
    pd.DataFrame(rows, columns=["symbol", "side", "quantity"]).to_csv(folder / "orders.csv", index=False)
    return folder

"""The command line in process, a bad input's one line, and a tiny problem file."""

from typer.testing import CliRunner

from acopt.interface import cli

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

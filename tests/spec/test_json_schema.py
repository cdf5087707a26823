"""The exported JSON Schema: current, a schema, and true of every problem file."""

from __future__ import annotations

import datetime as dt
import importlib.util
import json
import tomllib
from pathlib import Path

import pytest
from builders import market, order

import acopt as ac
from acopt.spec import json_schema as exported
from acopt.spec.json_schema import json_schema
from acopt.spec.writer import to_toml

PROBLEMS = Path(__file__).parents[2] / "problems"
FILE = Path(exported.__file__).with_name(exported.FILE)
needs_jsonschema = pytest.mark.skipif(importlib.util.find_spec("jsonschema") is None, reason="jsonschema is not here")


def test_the_exported_file_is_current():
    assert FILE.read_text(encoding="utf-8") == json_schema(), f"write json_schema() to {FILE.name}"


def test_it_says_what_it_is():
    schema = json.loads(json_schema())
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"] == "acopt problem file"
    assert schema["required"] == ["problem", "grid", "asset", "cost"]
    assert '"null"' not in json_schema()


def test_every_class_is_in_it():
    from acopt.spec.terms import CLASSES, TABLES

    assert set(CLASSES) == set(TABLES)
    text = json_schema()
    assert all(f'"{name}"' in text for name in CLASSES)


def plain(value):
    """TOML as JSON has it: times are texts."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value.isoformat() if isinstance(value, dt.date | dt.time) else value


def errors(text):
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(json.loads(json_schema()))
    return list(Draft202012Validator(json.loads(json_schema())).iter_errors(plain(tomllib.loads(text))))


@needs_jsonschema
@pytest.mark.parametrize("path", sorted(PROBLEMS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_problem_file_obeys_it(path):
    assert not errors(path.read_text(encoding="utf-8"))


def everything():
    day = market(ac.TimeGrid.session("2019-02-15", "30min", auctions=True))
    costs = ac.TemporaryImpact() + ac.SpreadCost() + 1e-6 * ac.TimingRisk() + 1e-6 * ac.TrackingRisk(ac.Close())
    rules = [ac.Participation(0.9, during=("11:30", None)), ac.TimingRisk(name="sd") <= ac.bps(60), ac.AllowUnfilled(3)]
    return to_toml(ac.ExecutionProblem(order("both sides"), day, costs, rules))


@needs_jsonschema
def test_a_written_file_obeys_it():
    assert not errors(everything())


@needs_jsonschema
def test_what_is_solved_for_several_markets_obeys_it():
    day = market()
    rules = [ac.Participation(0.03), ac.AllowUnfilled(3), ac.DollarNeutral(0.5, penalty_bps=2)]
    asked = ac.ExecutionProblem(order("both sides"), day, ac.TemporaryImpact() + 1e-6 * ac.TimingRisk(), rules)
    text = to_toml(ac.robust(asked, {"thin": ac.what_if(day, volume=0.6)}).solved.problem)
    assert all(f'"{kind}"' in text for kind in ("WorstCase", "Unpriced", "SoftRule", "Unfilled"))
    assert not errors(text)
    assert errors(text.replace('"Unpriced"', '"Unprized"', 1))
    assert errors(text.replace("[constraint.market.covariance]", "[constraint.market.covariances]", 1))


@needs_jsonschema
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('unit = "day"', 'units = "day"'),
        ('type = "SpreadCost"', 'type = "SpreadCosts"'),
        ("price = 20.0", 'price = "20"'),
        ("maximum = 0.9", "maximum = -0.9"),
        ('label = "A"', ""),
        ("limit_bps = 60.0", "limit_bps = true"),
    ],
)
def test_what_is_wrong_is_wrong_there_too(old, new):
    text = everything()
    assert old in text
    assert errors(text.replace(old, new, 1))

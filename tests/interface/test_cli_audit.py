"""`acopt hash` and `acopt schema`."""

import json
import re
from pathlib import Path

from command_line import PROBLEM, refused, run

from acopt.spec import json_schema
from acopt.spec.audit import content_hash
from acopt.spec.files import load_problem


def test_schema_prints_the_exported_file():
    result = run("schema")
    assert result.exit_code == 0
    assert result.stdout == Path(json_schema.__file__).with_name(json_schema.FILE).read_text(encoding="utf-8")
    assert json.loads(result.stdout)["title"] == "acopt problem file"


def test_hash_prints_a_line_for_each_case():
    file = load_problem("almgren_chriss_2000")
    lines = run("hash", "almgren_chriss_2000").stdout.splitlines()
    assert lines == [f"{content_hash(file.problem(case))}  almgren_chriss_2000, {case}" for case in file.cases]
    assert run("hash", "almgren_chriss_2000", "--case", "drift").stdout.splitlines() == [lines[-1]]
    # One of them states trades of its own, to be priced: its problem is that of another.
    assert len({line.partition("  ")[0] for line in lines}) == len(lines) - 1


def test_hash_of_a_file_follows_its_numbers(tmp_path):
    path, found = tmp_path / "tiny.toml", []
    for text in (PROBLEM, PROBLEM.replace("1000.0", "1_000"), PROBLEM.replace("1000.0", "1000.5")):
        path.write_text(text.replace("EXPECTED", "1.0"))
        result = run("hash", path)
        assert re.fullmatch(r"sha256:[0-9a-f]{64}  tiny\n", result.stdout)
        found.append(result.stdout)
    assert found[0] == found[1] != found[2]


def test_hash_of_what_is_not_there_is_one_line():
    assert "no problem is called 'nothing'" in refused("hash", "nothing")
    assert "no case is called 'x'" in refused("hash", "basket", "--case", "x")

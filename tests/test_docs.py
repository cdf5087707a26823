"""Every page of the documentation is run: Python in one namespace a page, shell through the command line."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("docs/*.md"), ROOT / "CONTRIBUTING.md"])
BLOCK = re.compile(
    r"(?:<!-- (?P<key>raises|exit): (?P<value>\w+) -->\n)?^```(?P<language>\w+)\n(?P<code>.*?)^```$", re.M | re.S
)
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)")


class Block(NamedTuple):
    line: int
    language: str
    code: str
    raises: str | None
    exit_code: int


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = []
    for match in BLOCK.finditer(text):
        expected = {match["key"]: match["value"]}
        line = text.count("\n", 0, match.start("code"))
        language, code = match["language"], match["code"]
        found.append(Block(line, language, code, expected.get("raises"), int(expected.get("exit", 0))))
    return found


def run_python(page: Path, block: Block, names: dict[str, Any]) -> None:
    code = compile("\n" * block.line + block.code, str(page), "exec", dont_inherit=True)
    if block.raises is None:
        exec(code, names)  # noqa: S102
        return
    with pytest.raises(Exception) as caught:  # noqa: PT011
        exec(code, names)  # noqa: S102
    assert type(caught.value).__name__ == block.raises, f"{page.name}, line {block.line}: {caught.value!r}"


def run_shell(page: Path, block: Block) -> None:
    environment = {
        **os.environ,
        "MPLBACKEND": "Agg",
        "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
    }
    for line in block.code.replace("\\\n", " ").splitlines():
        program, *arguments = shlex.split(line)
        assert program == "acopt", (
            f"{page.name}, line {block.line}: only acopt is run here; mark other commands as text"
        )
        done = subprocess.run(
            [sys.executable, "-m", "acopt", *arguments], env=environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == block.exit_code, f"{page.name}: {line}\n{done.stdout}\n{done.stderr}"
        assert done.stderr.startswith("acopt: ") if block.exit_code else done.stdout


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_runs_from_top_to_bottom(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": page.stem}
    for block in blocks(page):
        if block.language == "python":
            run_python(page, block, names)
        elif block.language == "shell":
            run_shell(page, block)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        there = (page.parent / target).resolve() if target else page
        assert there.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(there), f"{page.name}: {target}#{anchor}"


def test_every_page_is_on_the_map():
    named = {target for target, _ in LINK.findall((ROOT / "docs" / "index.md").read_text(encoding="utf-8"))}
    assert {page.name for page in PAGES if page.parent.name == "docs"} - {"index.md"} <= named
    assert {f"../examples/{script.name}" for script in ROOT.glob("examples/*.py")} <= named


def test_blocks_are_found_with_their_markers(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "```python\na = 1\n```\n\n<!-- raises: ValueError -->\n```python\nint('x')\n```\n```text\nno\n```\n"
    )
    assert [(b.language, b.raises, b.line) for b in blocks(page)] == [
        ("python", None, 1),
        ("python", "ValueError", 6),
        ("text", None, 9),
    ]


def test_contributing_names_the_one_command_of_the_readme():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    command = re.search(r"<!-- test-command -->\n```\w+\n(.*?)\n```", readme, re.S)
    assert command
    assert command[1] in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")

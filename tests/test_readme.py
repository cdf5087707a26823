"""The README is true: its Python runs, its table is regenerated, its commands are those that CI runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_python_of_the_readme_runs(tmp_path: Path) -> None:
    code = "\n".join(blocks("python"))
    assert "solve_for(risk_price=0.3)" in code
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "certified" in done.stdout
    assert re.search(r"^plan .*\n^twap .*\n^vwap .*\n^pov 8%", done.stdout, flags=re.MULTILINE)


def test_every_figure_of_the_table_is_regenerated() -> None:
    done = subprocess.run(
        [sys.executable, "benchmarks/readme_table.py"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("marker", ["run-command", "test-command"])
def test_ci_runs_the_commands_of_the_readme(marker: str) -> None:
    found = re.search(rf"<!-- {marker} -->\n```bash\n([^\n]+)\n```", README)
    assert found is not None
    assert found[1].startswith("python -m pip install")
    assert f"command_of {marker}" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_links_lead_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if not link.startswith("http")]
    assert len(links) >= 8
    assert [link for link in links if not (ROOT / link).exists()] == []

"""The command line: every command and option, in process, in a process of its own, and on real bars."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import PROBLEM, document, refused, run, write_sample

import acopt
from acopt.interface.sample import sample
from acopt.spec.files import list_problems

US_EQUITIES = Path(__file__).parents[2].parent / "shared" / "data" / "us_equities"
needs_real_bars = pytest.mark.skipif(not US_EQUITIES.is_dir(), reason=f"no real bars in {US_EQUITIES}")


def program(*arguments, code=None, cwd=None):
    environment = {**os.environ, "PYTHONPATH": str(Path(acopt.__file__).parents[1])}
    how = ["-c", code] if code else ["-m", "acopt"]
    return subprocess.run(
        [sys.executable, *how, *map(str, arguments)], capture_output=True, text=True, env=environment, cwd=cwd,
        timeout=120, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Bars of the sample as files, newest first, and its orders."""
    return write_sample(tmp_path_factory.mktemp("data"))


@pytest.fixture
def files(folder):
    return ["--orders", folder / "orders.csv", "--bars", folder / "*_15min.csv"]


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


class TestPlan:
    def test_without_files_on_the_sample(self):
        result = run("plan")
        assert result.exit_code == 0
        assert result.stdout.startswith("Sample: synthetic bars and orders")
        for wanted in ("3 buys, 3 sells", "certified: gap", "one tick of 0.01 assumed", "history: 20 sessions"):
            assert wanted in result.stdout
        for name in (*sample().order.assets, "plan", "twap", "vwap"):
            assert f"\n{name}" in result.stdout

    def test_files_give_the_same_plan_as_the_objects(self, files):
        from_files, from_sample = document("plan", *files, "--json"), document("plan", "--json")
        assert from_files.pop("synthetic") is False
        assert from_sample.pop("synthetic") is True
        # the order of the assets differs, and with it the last digits
        for key in ("cost_bps", "risk_bps", "objective"):
            assert from_files["costs"][key] == pytest.approx(from_sample["costs"][key], rel=1e-9)

    def test_outputs(self, files, tmp_path):
        out, plot = tmp_path / "schedule.csv", tmp_path / "schedule.png"
        result = run("plan", *files, "--out", out, "--plot", plot)
        assert result.exit_code == 0
        assert f"written: {out}, {plot}" in result.stdout.replace("\n", " ")
        rows = pd.read_csv(out)
        assert list(rows) == ["start", "end", "symbol", "side", "shares", "price", "notional", "remaining"]
        orders = sample().order.remaining.abs()
        traded = rows.groupby("symbol")["shares"].sum()
        np.testing.assert_allclose(traded[orders.index], orders, rtol=1e-12)
        assert plot.read_bytes().startswith(b"\x89PNG")
        assert {path.name for path in tmp_path.iterdir()} == {"schedule.csv", "schedule.png"}

    def test_json_is_all_there_is(self, tmp_path):
        out = tmp_path / "s.csv"
        found = document("plan", "--json", "--out", out)
        assert set(found) == {
            "synthetic", "order", "notes", "costs", "urgency", "certificate", "rules_broken", "schedule", "comparison",
            "explanation", "lots", "replay", "files",
        }  # fmt: skip
        assert found["files"] == [str(out)]
        assert (found["explanation"], found["lots"], found["replay"]) == (None, None, None)
        assert len(found["schedule"]) == 26 * 6 == len(pd.read_csv(out))
        assert found["certificate"]["gap"] <= found["certificate"]["tolerance"]
        assert [row["plan"] for row in found["comparison"]] == ["plan", "twap", "vwap"]
        best = min(found["comparison"], key=lambda row: row["objective"])
        assert best["plan"] == "plan"
        assert found["costs"]["objective"] == pytest.approx(best["objective"], rel=1e-12)
        assert sum(found["costs"]["terms"][name] for name in ("TemporaryImpact", "PermanentImpact", "SpreadCost")) == (
            pytest.approx(found["costs"]["expected_cost"], rel=1e-12)
        )
        costs = sum(row["cost_bps"] * row["notional"] for row in found["order"]) / 1e4
        assert costs == pytest.approx(found["costs"]["expected_cost"], rel=1e-9)

    @pytest.mark.parametrize(("text", "price"), [("passive", 0.1), ("Neutral", 0.3), ("aggressive", 1.0), ("0.5", 0.5)])
    def test_urgency(self, text, price):
        assert document("plan", "--json", "--urgency", text)["urgency"]["risk_price"] == pytest.approx(price, rel=1e-6)

    def test_window_bar_and_date(self, files):
        options = ("--date", "2025-03-31", "--bar", "30min", "--start", "10:00", "--end", "15:00")
        rows = document("plan", *files, *options, "--json")["schedule"]
        assert len(rows) == 10 * 6
        assert rows[0]["start"] == "2025-03-31T10:00:00-04:00"
        assert rows[-1]["end"] == "2025-03-31T15:00:00-04:00"

    def test_a_date_after_the_bars(self, files):
        found = document("plan", *files, "--date", "2025-04-01", "--history", "21", "--json")
        assert found["schedule"][0]["start"].startswith("2025-04-01")
        assert "history: 21 sessions, 2025-03-03 to 2025-03-31" in found["notes"]

    def test_earlier_history(self, files):
        found = document("plan", *files, "--date", "2025-03-20", "--history", "10", "--json")
        assert "history: 10 sessions, 2025-03-06 to 2025-03-19" in found["notes"]

    def test_participation(self):
        caps = {cap: document("plan", "--json", "--participation", cap, "--urgency", "1.0") for cap in (0.07, 0.2)}
        most = {cap: max(row["max_participation"] for row in found["order"]) for cap, found in caps.items()}
        assert most[0.07] == pytest.approx(0.07)
        assert 0.1 < most[0.2] <= 0.2 + 1e-9

    def test_spread(self):
        found = document("plan", "--json", "--spread", "4")
        gross = sum(row["notional"] for row in found["order"])
        assert found["costs"]["terms"]["SpreadCost"] == pytest.approx(2e-4 * gross, rel=1e-9)

    @pytest.mark.parametrize("law", ["AlmgrenEtAl2005", "almgrenetal2005", "linear:5", "sqrt:1"])
    def test_impact(self, law):
        found = document("plan", "--json", "--impact", law)
        assert found["costs"]["terms"]["TemporaryImpact"] > 0
        assert (found["costs"]["terms"]["PermanentImpact"] > 0) == law.lower().startswith("almgren")

    def test_one_long_file(self, folder, tmp_path):
        parts = [pd.read_csv(path).assign(symbol=path.stem[:-6]) for path in sorted(folder.glob("*_15min.csv"))]
        pd.concat(parts).to_csv(tmp_path / "all.csv", index=False)
        found = document("plan", "--orders", folder / "orders.csv", "--bars", tmp_path / "all.csv", "--json")
        assert found["synthetic"] is False

    def test_only_the_files_of_the_order_are_read(self, folder, tmp_path):
        for path in folder.glob("*_15min.csv"):
            (tmp_path / path.name).write_text(path.read_text() if path.name.startswith("ALFA") else "broken")
        (tmp_path / "orders.csv").write_text("symbol,side,quantity\nALFA,buy,100\n")
        found = document("plan", "--orders", tmp_path / "orders.csv", "--bars", tmp_path / "*_15min.csv", "--json")
        assert [row["symbol"] for row in found["order"]] == ["ALFA"]


class TestSolve:
    @pytest.mark.parametrize("name", list_problems()["name"])
    def test_every_packaged_problem(self, name):
        result = run("solve", name)
        assert result.exit_code == 0, result.stdout
        assert "MISSED" not in result.stdout
        assert "expected" in result.stdout
        assert "found" in result.stdout

    def test_a_file_and_its_number(self, write):
        result = run("solve", write("tiny.toml", PROBLEM.replace("EXPECTED", "1000.0")))
        assert result.exit_code == 0, result.stderr
        row = next(line for line in result.stdout.splitlines() if line.startswith("expected_cost"))
        assert row.split()[1:3] == ["1,000", "1,000"]
        assert row.endswith("ok")

    def test_a_missed_number(self, write):
        path = write("tiny.toml", PROBLEM.replace("EXPECTED", "999.0"))
        result = run("solve", path)
        assert result.exit_code == 1
        assert "MISSED" in result.stdout
        result = run("solve", path, "--json")
        assert result.exit_code == 1
        assert json.loads(result.stdout)["passed"] is False

    def test_json(self):
        found = document("solve", "basket", "--json")
        assert found["passed"] is True
        assert [case["case"] for case in found["cases"]] == ["lambda 1e-6", "lambda 2e-5", "each alone"]
        assert all(row["passed"] for case in found["cases"] for row in case["expected"])

    def test_outputs_of_one_case(self, tmp_path):
        out, plot = tmp_path / "s.csv", tmp_path / "s.svg"
        assert run("solve", "capped_basket", "--case", "capped", "--out", out, "--plot", plot).exit_code == 0
        assert len(pd.read_csv(out)) == 13 * 6
        assert plot.read_text().startswith("<?xml")

    def test_outputs_of_several_cases(self, tmp_path):
        line = refused("solve", "basket", "--out", tmp_path / "s.csv")
        assert line == "basket has the cases lambda 1e-6, lambda 2e-5, each alone: choose the one to write with --case"
        assert not list(tmp_path.iterdir())


class TestCompare:
    def test_the_sample(self):
        found = document("compare", "--json")
        assert found["synthetic"] is True
        assert [row["plan"] for row in found["comparison"]] == ["twap", "vwap", "pov 10%", "plan"]
        assert min(found["comparison"], key=lambda row: row["objective"])["plan"] == "plan"
        assert run("compare").stdout.startswith("Sample: synthetic")

    def test_files_and_options(self, files):
        found = document("compare", *files, "--participation", "0.15", "--urgency", "aggressive", "--json")
        assert [row["plan"] for row in found["comparison"]] == ["twap", "vwap", "pov 15%", "plan"]

    def test_a_problem_without_volume(self):
        result = run("compare", "basket")
        assert result.exit_code == 0
        assert "VWAP and POV are left out" in result.stdout
        assert [line.split()[0] for line in result.stdout.splitlines()[-2:]] == ["twap", "plan"]

    def test_a_case(self):
        found = document("compare", "capped_basket", "--case", "dollar neutral", "--json")
        assert [row["plan"] for row in found["comparison"]] == ["twap", "vwap", "pov 10%", "plan"]
        assert found["comparison"][-1]["rules_broken"] == ""

    @pytest.mark.parametrize("name", list_problems()["name"])
    def test_every_packaged_problem(self, name):
        assert run("compare", name).exit_code == 0


class TestTheRest:
    def test_problems(self):
        result = run("problems")
        assert result.exit_code == 0
        assert [line.split()[0] for line in result.stdout.splitlines()] == list(list_problems()["name"])

    @pytest.mark.parametrize("arguments", [[], ["--help"], ["plan", "--help"], ["compare", "--help"]])
    def test_help(self, arguments):
        result = run(*arguments)
        assert result.exit_code == 0
        assert "Usage" in result.stdout

    def test_version(self):
        result = run("--version")
        assert result.exit_code == 0
        assert result.stdout.startswith("acopt")


class TestProgram:
    """The real thing, in a process of its own."""

    def test_a_plan(self, folder, tmp_path):
        done = program(
            "plan", "--orders", "orders.csv", "--bars", "*_15min.csv", "--json", "--out", tmp_path / "s.csv", cwd=folder
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        assert json.loads(done.stdout)["files"] == [str(tmp_path / "s.csv")]

    def test_bad_input(self, tmp_path):
        done = program("plan", "--orders", "none.csv", "--bars", "*.csv", "--out", "s.csv", cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == "acopt: none.csv: no such file\n"
        assert not list(tmp_path.iterdir())

    def test_usage(self):
        done = program("plan", "--bogus")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.count("\n") == 1

    def test_the_module_and_the_entry_point(self):
        for code in ("import runpy; runpy.run_module('acopt.interface.cli', run_name='__main__')",
                     "from acopt.interface.cli import main; main()"):  # fmt: skip
            done = program("problems", code=code)
            assert done.returncode == 0, done.stderr
            assert "almgren_chriss_2000" in done.stdout

    def test_without_typer(self):
        done = program(
            "plan", code="import sys; sys.modules['typer'] = None; from acopt.interface.cli import main; main()"
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == "acopt: typer is not installed: pip install 'acopt[cli]'\n"

    def test_a_bug_shows_its_trace(self):
        code = "from acopt.interface import cli, planning; planning.sample = lambda: 1 / 0; cli.main()"
        done = program("plan", code=code)
        assert done.returncode == 1
        assert "ZeroDivisionError" in done.stderr


ORDERS = {
    "AAPL": ("sell", 900_000), "AMZN": ("buy", 120_000), "BAC": ("buy", 3_000_000), "JPM": ("sell", 500_000),
    "MSFT": ("buy", 1_000_000), "MU": ("sell", 700_000), "SBUX": ("buy", 360_000), "TSLA": ("sell", 200_000),
    "V": ("buy", 250_000), "XLP": ("sell", 800_000), "QQQ": ("sell", 1_000_000), "TRV": ("buy", 38_000),
}  # fmt: skip


@needs_real_bars
class TestRealBars:
    def data(self, write):
        rows = [f"{symbol},{side},{quantity}" for symbol, (side, quantity) in ORDERS.items()]
        orders = write("orders.csv", "\n".join(["symbol,side,quantity", *rows, ""]))
        return ["--orders", orders, "--bars", US_EQUITIES / "*_15min.csv"]

    def test_the_main_job(self, write, tmp_path):
        out, plot = tmp_path / "schedule.csv", tmp_path / "schedule.png"
        window = ("--start", "09:45", "--end", "15:45")
        found = document("plan", *self.data(write), *window, "--json", "--out", out, "--plot", plot)
        assert "history: 20 sessions, 2019-01-17 to 2019-02-14" in found["notes"]
        proof = found["certificate"]
        assert proof["gap"] <= proof["tolerance"]
        assert proof["violation"] <= 1e-9
        assert not found["rules_broken"]
        assert found["urgency"]["risk_price"] == pytest.approx(0.3, rel=1e-6)
        rows = pd.read_csv(out)
        assert len(rows) == 24 * 12
        assert rows["start"].str.startswith("2019-02-15").all()
        traded = rows.groupby(["symbol", "side"])["shares"].sum()
        for symbol, (side, quantity) in ORDERS.items():
            assert traded[symbol, side] == pytest.approx(quantity, rel=1e-9)
        table = {row["plan"]: row for row in found["comparison"]}
        assert table["plan"]["objective"] < min(table["twap"]["objective"], table["vwap"]["objective"])
        assert table["plan"]["risk_bps"] < table["vwap"]["risk_bps"] < table["twap"]["risk_bps"]
        assert table["plan"]["max_participation"] <= 0.1 + 1e-9
        assert plot.stat().st_size > 50_000

    def test_an_index_is_refused(self, write):
        orders = write("orders.csv", "symbol,side,quantity\nJPM,buy,1000\nVIX,sell,100\n")
        line = refused("plan", "--orders", orders, "--bars", US_EQUITIES / "*_15min.csv")
        assert line.startswith("VIX: its volume is 0 in every bar of the history")

    def test_an_unknown_symbol_is_refused(self, write):
        orders = write("orders.csv", "symbol,side,quantity\nJPM,buy,1000\nIBM,sell,100\n")
        line = refused("plan", "--orders", orders, "--bars", US_EQUITIES / "*_15min.csv")
        assert "orders.csv, line 3, symbol: no bars of 'IBM'" in line

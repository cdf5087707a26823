"""Bad input on the command line: exit code 2, one line that names the place, and no file left behind."""

import sys

import pytest
from command_line import PROBLEM, refused, run, write_sample

from acopt.interface import planning


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Bars of the sample as files, newest first, and its orders."""
    return write_sample(tmp_path_factory.mktemp("data"))


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


class TestBadInput:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "bad.csv: the file is empty"),
            ("symbol,side,quantity\n", "bad.csv: no orders, the table is empty"),
            ("symbol,side\nALFA,buy\n", "bad.csv: no column 'quantity'; found: symbol, side"),
            (
                "symbol,side,quantity\nALFA,buy,1\nBRAVO,sell,lots\n",
                "bad.csv, line 3, quantity: 'lots' is not a number",
            ),
            ("symbol,side,quantity\nALFA,buy,-1\n", "bad.csv, line 2, quantity: '-1' is not a quantity"),
            ("symbol,side,quantity\nALFA,hold,1\n", "bad.csv, line 2, side: 'hold' is not a side"),
            ("symbol,side,quantity\n,buy,1\n", "bad.csv, line 2, symbol: empty"),
            ("symbol,side,quantity\nALFA,buy,1\nZULU,buy,1\n", "bad.csv, line 3, symbol: no bars of 'ZULU' in "),
        ],
    )
    def test_orders(self, write, folder, text, message):
        assert message in refused("plan", "--orders", write("bad.csv", text), "--bars", folder / "*_15min.csv")

    def test_orders_that_are_not_there(self, folder, tmp_path):
        line = refused("plan", "--orders", tmp_path / "none.csv", "--bars", folder / "*_15min.csv")
        assert line.endswith("none.csv: no such file")

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda text: "", "ALFA_15min.csv: the file is empty"),
            (lambda text: text.replace("volume", "size", 1), "ALFA_15min.csv: no column 'volume'"),
            (lambda text: text + "2025-02-28 09:30:00,1,1,1,x,1\n", "ALFA_15min.csv, line 548, close: 'x'"),
            (lambda text: text + "2025-02-28 09:30:00,1,1,1,1,-5\n", "ALFA_15min.csv, line 548, volume: '-5'"),
            (lambda text: text + "2025-02-28 09:30:00,,1,1,1,5\n", "ALFA_15min.csv, line 548, open: ''"),
            (lambda text: text + "yesterday,1,1,1,1,5\n", "ALFA_15min.csv, line 548, datetime: 'yesterday'"),
        ],
    )
    def test_bars(self, folder, write, change, message):
        text = (folder / "ALFA_15min.csv").read_text()
        bars = write("ALFA_15min.csv", change(text)).with_name("*_15min.csv")
        orders = write("orders.csv", "symbol,side,quantity\nALFA,buy,100\n")
        assert message in refused("plan", "--orders", orders, "--bars", bars)

    @pytest.mark.parametrize(
        ("pattern", "message"),
        [
            ("*_7min.csv", "no such file; quote the pattern"),
            ("*_*.csv", "one * is accepted in the file name"),
            ("", "is a folder"),
            ("none.csv", "no file matches"),
        ],
    )
    def test_patterns(self, folder, pattern, message):
        assert message in refused("plan", "--orders", folder / "orders.csv", "--bars", folder / pattern)

    def test_daily_bars(self, folder, write):
        text = "datetime,open,high,low,close,volume\n2025-03-27,1,1,1,1,5\n2025-03-28,1,1,1,1,5\n"
        bars = write("ALFA_daily.csv", text).with_name("*_daily.csv")
        orders = write("orders.csv", "symbol,side,quantity\nALFA,buy,100\n")
        assert "daily bars were given" in refused("plan", "--orders", orders, "--bars", bars)

    @pytest.mark.parametrize("given", ["--orders", "--bars"])
    def test_one_without_the_other(self, folder, given):
        line = refused("plan", given, folder / ("orders.csv" if given == "--orders" else "*_15min.csv"))
        assert line.startswith(f"{given} was given without --")

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--start", "09:40"], "does not divide 09:40 to 16:00"),
            (["--start", "09:35", "--end", "15:50"], "09:35:00-04:00 is not an edge of the 15min bars"),
            (["--start", "08:00"], "08:00"),
            (["--start", "12:00", "--end", "10:00"], "start 12:00 is not before end 10:00"),
            (["--start", "noon"], "--start 'noon' is not a time of day"),
            (["--end", "25:00"], "'25:00' is not a time of day"),
            (["--bar", "1min"], "is not an edge of the 15min bars"),
            (["--bar", "soon"], "soon"),
            (["--date", "banana"], "TimeGrid.session: --date 'banana' is not a date"),
            (["--date", "2030-01-01"], "more than 7 days earlier"),
            (
                ["--date", "2025-03-10"],
                "--history 20 sessions are needed (20 unless stated), the bars have 5 full ones before 2025-03-10",
            ),
            (["--date", "2025-03-10"], "give more bars, or --history 5"),
            (["--history", "0"], "--history 0; a positive number of sessions is accepted"),
            (["--urgency", "fast"], "--urgency 'fast': passive, neutral, aggressive or a price of risk > 0"),
            (["--urgency", "-1"], "--urgency '-1'"),
            (["--urgency", "nan"], "--urgency 'nan'"),
            (["--participation", "10"], "--participation 10: a fraction in (0, 1] is expected"),
            (["--participation", "0"], "--participation 0"),
            (["--participation", "nan"], "--participation nan"),
            (["--spread", "-1"], "--spread -1: a full spread of at least 0 bps is expected"),
            (["--impact", "cubic"], "--impact 'cubic': AlmgrenEtAl2005, linear:BPS"),
            (["--impact", "linear"], "--impact 'linear'"),
            (["--impact", "sqrt:-1"], "--impact 'sqrt:-1'"),
            (["--impact", "linear:nan"], "--impact 'linear:nan'"),
            (["--benchmark", "vwop"], "--benchmark 'vwop': one of arrival, vwap, twap, close is expected"),
            (["--neutral", "-0.1"], "--neutral -0.1: a fraction of the gross notional is expected"),
            (["--neutral", "nan"], "--neutral nan"),
            (["--lot", "0"], "--lot 0: a number of shares of at least 1 is expected"),
            (["--lot", "400000"], "ALFA: 750,000 shares do not fit in lots of 400,000 under Participation"),
            (["--auctions"], "--auctions: bars carry no auction volume; state it: --auction-volume open=0.02,close"),
            (["--auction-volume", "0.1"], "--auction-volume was given without --auctions"),
            *(
                (["--auctions", "--auction-volume", text], f"--auction-volume {text!r}: --auction-volume open=0.02,")
                for text in (
                    "",
                    "open",
                    "open=",
                    "open=x",
                    "open=-0.1",
                    "open=nan",
                    "noon=0.1",
                    "-0.1",
                    "open=1,open=2",
                )
            ),
            (["--auctions", "--auction-volume", "open=0.1", "--start", "09:45"], "does not reach that cross"),
            (["--calendar", "NYSE!"], "TimeGrid.session: --calendar 'NYSE!' is not known; one of "),
            (["--calendar", "XNYS", "--date", "2025-04-18"], "Friday 2025-04-18 is not a session of XNYS; the nearest"),
            (["--replay", "--date", "2025-04-01"], "no session of that date among 2025-03-03 to 2025-03-31"),
        ],
    )
    def test_options(self, options, message):
        assert message in refused("plan", *options)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["bogus"], "No such command 'bogus'"),
            (["plan", "--bogus"], "No such option: --bogus"),
            (["plan", "stray"], "stray"),
            (["plan", "--spread", "wide"], "--spread"),
            (["plan", "--date"], "--date"),
            (["solve"], "Missing argument"),
        ],
    )
    def test_usage(self, arguments, message):
        line = refused(*arguments)
        assert message in line
        assert "--help" in line

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (PROBLEM.replace("EXPECTED", "1.0").replace("price", "prize"), "prize"),
            (PROBLEM.replace("EXPECTED", "1.0") + "[extra]\n", "extra: unknown key"),
            (PROBLEM.replace("EXPECTED", ""), "line"),
            (PROBLEM.replace("EXPECTED", "'much'"), "expected_cost.value"),
            ("", "bad.toml"),
        ],
    )
    @pytest.mark.parametrize("command", ["solve", "compare"])
    def test_problem_files(self, write, command, text, message):
        line = refused(command, write("bad.toml", text))
        assert "bad.toml" in line
        assert message in line

    @pytest.mark.parametrize("command", ["solve", "compare"])
    def test_unknown_problems_and_cases(self, command, tmp_path):
        assert "no problem is called 'nope'; there are: almgren_chriss_2000" in refused(command, "nope")
        assert refused(command, tmp_path / "none.toml").endswith("none.toml: no such file")
        assert "no case is called 'nope'; there are: lambda 1e-6" in refused(command, "basket", "--case", "nope")

    @pytest.mark.parametrize(
        ("option", "value"), [("--orders", "o.csv"), ("--auction-volume", "0.1"), ("--urgency", "neutral")]
    )
    def test_a_problem_and_options_of_orders(self, option, value):
        line = refused("compare", "basket", option, value)
        assert line == f"compare: {option} is for orders on bars; give it, or the problem basket, not both"

    def test_a_calendar_without_its_library(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "exchange_calendars", None)
        line = refused("plan", "--calendar", "XNYS")
        assert line == "--calendar 'XNYS': install exchange-calendars: pip install 'acopt[data]'"

    def test_what_is_not_the_users_fault_is_not_swallowed(self, monkeypatch):
        def broken():
            raise ZeroDivisionError

        monkeypatch.setattr(planning, "sample", broken)
        assert isinstance(run("plan").exception, ZeroDivisionError)


class TestOutputs:
    @pytest.mark.parametrize(
        ("names", "message"),
        [
            (["--out", "s.csv", "--plot", "s.jpg"], "s.jpg: a picture is written as .png, .svg, .pdf"),
            (["--out", "s.csv", "--plot", "none/s.png"], "there is no folder"),
            (["--out", "none/s.csv", "--plot", "s.png"], "there is no folder"),
            (["--out", "s.png", "--plot", "s.png"], "--out and --plot name the same file"),
            (["--out", "s.png", "--plot", "./s.png"], "two outputs would be written to this file"),
            (["--out", ".", "--plot", "s.png"], "is a folder"),
            (["--out", "s.csv", "--urgency", "fast"], "--urgency"),
        ],
    )
    def test_a_failure_leaves_no_file(self, tmp_path, monkeypatch, names, message):
        monkeypatch.chdir(tmp_path)
        paths = [tmp_path / each if each == "./s.png" else each for each in names]
        assert message in refused("plan", *paths)
        assert not list(tmp_path.iterdir())

    def test_a_failure_leaves_the_old_file(self, tmp_path):
        (tmp_path / "s.csv").write_text("old")
        refused("plan", "--out", tmp_path / "s.csv", "--plot", tmp_path / "s.txt")
        assert (tmp_path / "s.csv").read_text() == "old"

    def test_a_picture_without_matplotlib(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        line = refused("plan", "--out", tmp_path / "s.csv", "--plot", tmp_path / "s.png")
        assert line == "matplotlib is not installed: pip install 'acopt[plot]'"
        assert not list(tmp_path.iterdir())

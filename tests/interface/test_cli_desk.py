"""A desk's options: benchmarks, crosses, calendars, neutrality, lots, explanations, replay, and no answer at all."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import PROBLEM, document, run, write_sample

import acopt as ac
from acopt.interface.sample import sample

US_EQUITIES = Path(__file__).parents[2].parent / "shared" / "data" / "us_equities"
needs_real_bars = pytest.mark.skipif(not US_EQUITIES.is_dir(), reason=f"no real bars in {US_EQUITIES}")
DAY = "2025-03-31"
CROSSES = ("--auctions", "--auction-volume", "open=0.02,close=0.08")


def by_hand(risk=None, rules=(), auction_volume=None, order=None, **session):
    """Return the plan that the options ask for, written with the library."""
    made = sample()
    grid = ac.TimeGrid.session(DAY, "15min", **session)
    market = ac.Market.from_bars(
        made.bars, grid, assets=(order or made.order).assets, impact=ac.AlmgrenEtAl2005(), auction_volume=auction_volume
    )
    costs = ac.TemporaryImpact() + ac.PermanentImpact() + ac.SpreadCost() + (risk or ac.TimingRisk())
    problem = ac.ExecutionProblem(order or made.order, market, costs, [ac.Participation(0.1), ac.Monotone(), *rules])
    return problem.solve_for(risk_price=0.3)


def trades(found):
    """Return the trades of a document, interval x symbol, buys +."""
    rows = pd.DataFrame(found["schedule"])
    rows["shares"] *= np.where(rows["side"] == "buy", 1.0, -1.0)
    return rows.set_index(["start", "symbol"])["shares"].unstack()  # noqa: PD010 nothing is aggregated


def agree(found, plan):
    """Demand the same plan, to the accuracy of strictly convex problems."""
    assert found["costs"]["objective"] == pytest.approx(plan.objective, rel=1e-9)
    ours, theirs = trades(found), plan.trades
    np.testing.assert_allclose(ours[list(theirs)].to_numpy(), theirs.to_numpy(), rtol=0, atol=1e-6 * 1.25e6)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Return the options of a sale and a purchase of the same value."""
    folder = write_sample(tmp_path_factory.mktemp("data"))
    (folder / "orders.csv").write_text("symbol,side,quantity\nBRAVO,sell,300050\nECHO,buy,387294\n")
    return ["--orders", folder / "orders.csv", "--bars", folder / "*_15min.csv"]


class TestModel:
    @pytest.mark.parametrize(
        ("name", "risk"),
        [
            ("arrival", ac.TimingRisk()),
            ("twap", ac.TrackingRisk(ac.TWAP())),
            ("Close", ac.TrackingRisk(ac.Close())),
        ],
    )
    def test_benchmarks(self, name, risk):
        found = document("plan", "--json", "--benchmark", name)
        agree(found, by_hand(risk))
        assert found["urgency"]["risk_price"] == pytest.approx(0.3, rel=1e-6)
        assert ("tracking_bps" in found["comparison"][0]) == (name != "arrival")

    def test_vwap_is_followed(self):
        # With a cap that does not bind and a cost that is least at a constant share of the volume, it is VWAP itself.
        found = document("plan", "--json", "--benchmark", "vwap", "--impact", "linear:5")
        rows = {row["plan"]: row for row in found["comparison"]}
        assert rows["plan"]["tracking_bps"] <= 1e-3
        assert rows["plan"]["cost_bps"] == pytest.approx(rows["vwap"]["cost_bps"], rel=1e-6)
        assert found["costs"]["terms"]["TrackingRisk"] >= 0

    def test_crosses(self):
        found = document("plan", "--json", *CROSSES)
        agree(found, by_hand(auctions=True, auction_volume={"open": 0.02, "close": 0.08}))
        starts = list(trades(found).index)
        assert (starts[0], starts[-1]) == (f"{DAY}T09:29:59-04:00", f"{DAY}T16:00:00-04:00")
        assert len(starts) == 28

    @pytest.mark.parametrize(
        ("text", "count", "said"),
        [
            ("close=0.08", 27, "close 0.08"),
            ("open = 0.02", 27, "open 0.02"),
            ("0.05", 28, "each cross 0.05"),
            ("close=0,open=0", 28, "close 0, open 0"),
        ],
    )
    def test_crosses_whose_volume_is_stated(self, text, count, said):
        found = document("plan", "--json", "--auctions", "--auction-volume", text)
        assert len(trades(found)) == count
        assert f"auction volume: {said} of the mean intraday volume, as stated" in found["notes"]

    def test_a_window_leaves_a_cross_out(self):
        found = document("plan", "--json", *CROSSES, "--start", "09:45")
        assert len(trades(found)) == 26

    def test_a_calendar_knows_half_days(self, tmp_path):
        agree(document("plan", "--json", "--calendar", "XNYS"), by_hand())
        # The sample's sessions, moved so that the last is the day after Thanksgiving, which closes at 13:00.
        write_sample(tmp_path)
        days = pd.bdate_range(end="2025-11-28", periods=21)
        moved = dict(zip(pd.bdate_range(end=DAY, periods=21), days, strict=True))
        for path in tmp_path.glob("*_15min.csv"):
            rows = pd.read_csv(path, parse_dates=["datetime"])
            day = rows["datetime"].dt.normalize()
            rows["datetime"] += day.map(moved) - day
            rows.to_csv(path, index=False)
        files = ("--orders", tmp_path / "orders.csv", "--bars", tmp_path / "*_15min.csv", "--participation", "0.2")
        ends = [
            pd.DataFrame(document("plan", *files, *more, "--json")["schedule"])["end"].max()
            for more in ((), ("--calendar", "XNYS"))
        ]
        assert ends == ["2025-11-28T16:00:00-05:00", "2025-11-28T13:00:00-05:00"]

    def test_neutrality(self, pair):
        def net(found):
            rows = pd.DataFrame(found["schedule"])
            return (rows["remaining"] * rows["price"]).groupby(rows["start"]).sum().abs().max()

        free, neutral = (document("plan", "--json", *pair, *more) for more in ([], ["--neutral", "0.02"]))
        gross = sum(row["notional"] for row in free["order"])
        assert net(free) > 0.05 * gross
        assert net(neutral) <= 0.02 * gross * (1 + 1e-9)
        order = ac.Order.sell({"BRAVO": 300_050}) + ac.Order.buy({"ECHO": 387_294})
        agree(neutral, by_hand(rules=[ac.DollarNeutral(0.02)], order=order))

    def test_compare_takes_them_too(self):
        options = (*CROSSES, "--neutral", "0.1", "--benchmark", "close", "--calendar", "XNYS")
        planned, compared = (document(command, *options, "--json")["comparison"] for command in ("plan", "compare"))
        assert [row["plan"] for row in compared] == ["twap", "vwap", "pov 10%", "plan"]
        assert compared[-1] == planned[0]


class TestLots:
    def test_everything_is_in_lots(self, tmp_path):
        out, plot = tmp_path / "s.csv", tmp_path / "s.svg"
        plain = document("plan", "--json")
        found = document("plan", "--json", "--lot", "100", "--out", out, "--plot", plot)
        shares = pd.read_csv(out)["shares"]
        assert (shares % 100 == 0).all()
        assert not (trades(plain).to_numpy() % 100 == 0).all()
        assert trades(found).sum().to_dict() == (-sample().order.remaining).to_dict()
        lots = found["lots"]
        assert lots["proven"] is True
        assert lots["odd"] == []
        assert lots["lot"] == dict.fromkeys(sample().order.assets, 100)
        assert found["certificate"]["gap"] == plain["certificate"]["gap"]
        assert lots["continuous"] == pytest.approx(plain["costs"]["objective"], rel=1e-12)
        assert lots["continuous"] <= lots["objective"] == pytest.approx(found["costs"]["objective"], rel=1e-12)
        assert [row["plan"] for row in found["comparison"]] == ["plan", "plan, in lots", "twap", "vwap"]
        assert found["rules_broken"] == {}
        assert plot.read_text().startswith("<?xml")

    def test_odd_shares_are_named(self, pair):
        result = run("plan", *pair, "--lot", "100")
        assert result.exit_code == 0, result.stderr
        text = result.stdout
        assert "\nLots of 100 shares cost " in text
        assert "(proven); odd shares of 2 assets in one trade each" in text
        table = text[text.index("odd shares, and the trade that has them:") :].splitlines()[2:4]
        assert [line.split()[:2] for line in table] == [["BRAVO", "-50"], ["ECHO", "94"]]


class TestExplain:
    def test_as_the_library_says(self):
        found = document("plan", "--json", "--explain")["explanation"]
        plan = by_hand()
        costs = plan.problem.constraint_costs()
        rows = {row["constraint"]: row for row in found["constraint_costs"]}
        assert list(rows) == list(costs.index)
        for name, row in costs.iterrows():
            assert rows[name]["objective"] == pytest.approx(row["objective"], rel=1e-9)
            assert rows[name]["status"] == row["status"]
        prices = plan.shadow_prices().head(10)
        assert [row["price"] for row in found["shadow_prices"]] == pytest.approx(list(prices["price"]), rel=1e-4)
        assert found["shadow_prices"][0]["interval"] == f"{DAY}T09:30:00-04:00"

    def test_in_words(self):
        text = run("plan", "--explain", *CROSSES).stdout
        assert "What each rule costs, the problem solved without it:\n" in text
        row = next(line.split() for line in text.splitlines() if line.startswith("Participation ") and " yes " in line)
        assert row[-1] == "optimal"
        assert re.search(r"Participation +BRAVO +auction 09:30 +upper +[\d,.]+ +participation point +10\n", text)
        assert re.search(r"Participation +BRAVO +09:30 +upper", text)
        assert re.search(r"Complete +ALFA +- +equal", text)

    def test_rules_that_cost_nothing(self):
        text = run("plan", "--explain", "--participation", "1", "--urgency", "passive").stdout
        rows = [line.split() for line in text.splitlines() if line.endswith("optimal")]
        assert {row[0]: row[-2] for row in rows} == {"Participation": "no", "Monotone": "no"}


class TestReplay:
    def test_fills_are_the_bars_of_the_day(self):
        found = document("plan", "--json", "--replay")
        table = {row["symbol"]: row for row in found["replay"]["table"]}
        bars = sample().bars
        of_day = [str(date) == DAY for date in bars.starts.date]
        typical = ((bars.high + bars.low + bars.close) / 3)[of_day]
        for row in found["order"]:
            name = row["symbol"]
            moved = trades(found)[name].to_numpy() @ (typical[name].to_numpy() - row["price"])
            slippage = 1e4 * moved / row["notional"] + row["cost_bps"]
            assert table[name]["arrival_bps"] == pytest.approx(slippage, rel=1e-9)
            assert table[name]["impact_bps"] == pytest.approx(row["cost_bps"], rel=1e-9)
            volume = bars.volume[of_day][name].to_numpy()
            assert table[name]["max_participation"] == pytest.approx((trades(found)[name].abs() / volume).max())
        broken = found["replay"]["caps"]
        assert broken
        assert all(row["realised"] > 0.1 >= row["planned"] - 1e-9 for row in broken)

    def test_the_day_teaches_the_plan_nothing(self):
        assert document("plan", "--json", "--replay")["schedule"] == document("plan", "--json")["schedule"]

    def test_in_words_and_in_lots(self):
        text = run("plan", "--replay", "--lot", "100", "--date", "2025-03-28", "--history", "19").stdout
        assert "\nplan, in lots replayed, 2025-03-28 09:30 to 2025-03-28 16:00\n" in text
        assert text.rstrip().splitlines()[-1].startswith("total ")


class TestNoAnswer:
    def refused(self, *arguments):
        """Return the message and the diagnosis that stand on stderr, with exit code 2 and an empty stdout."""
        result = run(*arguments)
        assert result.exit_code == 2, (result.stdout, result.exception)
        assert result.stdout == ""
        message, *diagnosis = result.stderr.splitlines()
        assert message.startswith("acopt: ")
        assert diagnosis[0] == "No schedule obeys all rules: 1 conflict."
        return message.removeprefix("acopt: "), diagnosis

    @pytest.mark.parametrize("command", ["plan", "compare"])
    def test_the_repair_that_is_printed_repairs(self, command):
        message, diagnosis = self.refused(command, "--participation", "0.01", "--json")
        assert message.startswith("BRAVO (and 5 more): caps sum to 208,448 of 1,250,000 shares")
        found = re.search(r"This repairs all of it .*: Participation: maximum 0.01 -> ([\d.]+)$", diagnosis[-1])
        assert run(command, "--participation", found[1]).exit_code == 0
        self.refused(command, "--participation", str(0.98 * float(found[1])))

    def test_an_order_that_is_not_neutral(self):
        message, diagnosis = self.refused("plan", "--neutral", "0.02")
        assert message.startswith("DollarNeutral: the order is net 25.44M")
        found = re.search(r"DollarNeutral: tolerance 0.02 .* -> ([\d.]+) ", diagnosis[-1])
        assert run("plan", "--neutral", found[1]).exit_code == 0

    def test_lots_that_do_not_fit_have_no_diagnosis(self):
        result = run("plan", "--lot", "400000")
        assert result.exit_code == 2
        assert result.stderr.count("\n") == 1

    @pytest.mark.parametrize("command", ["solve", "compare"])
    def test_problem_files(self, tmp_path, command):
        case = '[[case]]\nname = "tight"\n[[case.constraint]]\ntype = "TradeSize"\nlower = -100.0\n'
        path = tmp_path / "tiny.toml"
        path.write_text(PROBLEM.replace("EXPECTED", "1000.0") + case)
        message, diagnosis = self.refused(command, path, "--case", "tight")
        assert message.startswith(f"{path}: case 'tight': A: caps sum to 400 of 1,000 shares (TradeSize)")
        assert diagnosis[-1].endswith("TradeSize: lower -100 -> -250")

    def test_an_objective_without_end(self, tmp_path):
        # A drift that earns on every share, and a hedge leg that nothing holds back.
        path = tmp_path / "tiny.toml"
        text = PROBLEM.replace("EXPECTED", "1.0").replace(
            'type = "TemporaryImpact"\neta = 1e-3', 'type = "Alpha"\ndrift = 1.0'
        )
        path.write_text(text)
        result = run("solve", path)
        assert result.exit_code == 2
        message, *diagnosis = result.stderr.splitlines()
        assert "case 'only'" in message
        assert diagnosis


@needs_real_bars
class TestRealBars:
    def test_the_whole_day(self, tmp_path):
        orders = tmp_path / "orders.csv"
        orders.write_text("symbol,side,quantity\nAAPL,sell,150000\nJPM,buy,250000\n")
        data = ("--orders", orders, "--bars", US_EQUITIES / "*_15min.csv", "--calendar", "XNYS", *CROSSES)
        found = document("plan", *data, "--lot", "100", "--explain", "--replay", "--json")
        assert (np.abs(trades(found).to_numpy()) % 100 == 0).all()
        assert found["schedule"][0]["start"] == "2019-02-15T09:29:59-05:00"
        assert {row["constraint"] for row in found["explanation"]["constraint_costs"]} == {"Participation", "Monotone"}
        total = found["replay"]["table"][-1]
        assert total["symbol"] == "total"
        assert total["impact_bps"] == pytest.approx(found["costs"]["cost_bps"], rel=1e-9)

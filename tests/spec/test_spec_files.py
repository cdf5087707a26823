"""What a problem file becomes: the same problem as the objects that one would write, by name or by path."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import acopt as ac
from acopt.constraints.portfolio import CashBalance, FactorNeutral, GroupNeutral
from acopt.model.benchmarks import TWAP, VWAP, Close
from acopt.spec import files
from acopt.spec.files import list_problems, load_problem

HEAD = """
[problem]
name = "p"
title = "t"
source = { author = "a" }
"""
TWO = """
[[asset]]
label = "A"
price = 50.0
initial = 1000
[[asset]]
label = "B"
price = 20.0
initial = 500
target = 3000
"""


def read(tmp_path, text):
    """Load a text as a file."""
    path = tmp_path / "p.toml"
    path.write_text(HEAD + text, encoding="utf-8")
    return load_problem(str(path))


def test_names_titles_sources_and_cases():
    file = load_problem("almgren_chriss_2000")
    assert file.name == "almgren_chriss_2000"
    assert file.source == "Almgren & Chriss (2000), numerical example"
    assert file.cases == ("lambda 2e-6", "lambda 1e-6", "lambda 0", "all at once", "drift")
    listed = list_problems().set_index("name").loc[file.name]
    assert (listed["title"], listed["source"]) == (file.title, file.source)
    with pytest.raises(dataclasses.FrozenInstanceError):
        file.name = "other"


def test_an_unknown_name_or_case_lists_the_known_ones():
    with pytest.raises(ac.DataError, match=r"no problem is called 'almgren'; there are: almgren_chriss_2000, .*basket"):
        load_problem("almgren")
    with pytest.raises(ac.DataError, match=r"no case is called 'x'; there are: optimum, twap, vwap"):
        load_problem("time_varying_cost").solve("x")


@pytest.mark.parametrize("name", ["../problems/basket", "", "basket.tom", "/etc/passwd"])
def test_a_name_is_no_path(name):
    with pytest.raises(ac.DataError, match="no problem is called"):
        load_problem(name)


def test_the_first_case_is_the_default():
    file = load_problem("almgren_chriss_2000")
    assert file.check()["case"].unique().tolist() == ["lambda 2e-6"]
    assert file.solve().expected_cost == file.solve("lambda 2e-6").expected_cost


def test_files_inside_the_package_come_first(tmp_path, monkeypatch):
    inside = tmp_path / "acopt" / "problems"
    inside.mkdir(parents=True)
    text = Path(files.__file__).parents[2] / "problems" / "basket.toml"
    (inside / "packed.toml").write_text(text.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(files.resources, "files", lambda _: tmp_path / "acopt")
    assert load_problem("packed").title == load_problem(text).title
    with pytest.raises(ac.DataError, match="there are: packed "):
        load_problem("basket")


def test_a_file_is_the_problem_that_one_would_write(tmp_path):
    file = read(
        tmp_path,
        TWO
        + """
[grid]
edges = [0.0, 0.5, 1.5]
[market]
volume = { A = [1e4, 2e4], B = 5e4 }
[market.covariance]
loadings = { A = { m = 1.0, s = 0.5 }, B = { s = 0.25, m = 2.0 } }
factor_covariance = { m = { m = 0.04, s = 0.01 }, s = { m = 0.01, s = 0.09 } }
specific_variance = { B = 0.01, A = 0.02 }
scale = [2.0, 1.0]
[market.impact]
model = "SquareRootImpact"
coefficient = { A = 1.0, B = 0.5 }
[[cost]]
type = "TemporaryImpact"
[[cost]]
type = "SpreadCost"
half_spread = { B = [0.01, 0.02], A = 0.03 }
[[cost]]
type = "Alpha"
bps = { A = 3.0, B = -1.0 }
half_life = 0.5
[[cost]]
type = "TimingRisk"
name = "risk"
weight = 1e-5
[[cost]]
type = "TrackingRisk"
weight = 2e-5
benchmark = { A = [1000, 500, 0], B = [-2500, -2500, 0] }
[[cost]]
type = "Smoothness"
mu = { A = 1e-6, B = 1e-7 }
weight = 2.0
[[constraint]]
type = "TradeRate"
name = "rate"
lower = { A = -inf, B = [0.0, -100.0] }
[[constraint]]
type = "HoldingBounds"
upper = 2800
assets = ["B"]
during = [0.0, 0.5]
""",
    )
    problem = file.problem()
    grid, assets = ac.TimeGrid([0.0, 0.5, 1.5]), ["A", "B"]
    loadings = pd.DataFrame({"m": [1.0, 2.0], "s": [0.5, 0.25]}, index=assets)
    risk = ac.FactorModel(
        loadings,
        [[0.04, 0.01], [0.01, 0.09]],
        pd.Series({"A": 0.02, "B": 0.01}),
        scale=pd.Series([2.0, 1.0], index=grid.labels),
    )
    market = ac.Market(
        grid,
        {"A": 50.0, "B": 20.0},
        volume=pd.DataFrame({"A": [1e4, 2e4], "B": 5e4}, index=grid.labels),
        covariance=risk,
        impact=ac.SquareRootImpact({"A": 1.0, "B": 0.5}),
    )
    written = ac.ExecutionProblem(
        ac.Order({"A": 1000, "B": 500}, {"A": 0, "B": 3000}),
        market,
        ac.TemporaryImpact()
        + ac.SpreadCost(pd.DataFrame({"A": [0.03, 0.03], "B": [0.01, 0.02]}, index=grid.labels))
        + ac.Alpha.from_bps({"A": 3.0, "B": -1.0}, 0.5)
        + 1e-5 * ac.TimingRisk(name="risk")
        + 2e-5 * ac.TrackingRisk([[1000, -2500], [500, -2500], [0, 0]])
        + 2.0 * ac.Smoothness(weight={"A": 1e-6, "B": 1e-7}),
        [
            ac.TradeRate(pd.DataFrame({"A": [-np.inf, -np.inf], "B": [0.0, -100.0]}, index=grid.labels), name="rate"),
            ac.HoldingBounds(upper=2800, assets=["B"], during=(0.0, 0.5)),
        ],
    )
    assert repr(problem) == repr(written)
    trades = np.array([[-700.0, 300.0], [-300.0, 2200.0]])
    ours, theirs = problem.evaluate(trades), written.evaluate(trades)
    assert ours.term_values == pytest.approx(theirs.term_values, rel=1e-14)
    assert ours.rules_broken == theirs.rules_broken
    assert problem.solve().trades.to_numpy() == pytest.approx(written.solve().trades.to_numpy(), abs=1e-6)


def test_one_asset_takes_scalars_lists_and_rows(tmp_path):
    file = read(
        tmp_path,
        """
[grid]
date = "2019-02-15"
bar = "2h"
start = "10:00"
[[asset]]
label = "only"
price = 10.0
target = 600
spread_bps = 10.0
[market]
covariance = { matrix = 4.0, scale = [1.0, 2.0, 1.0] }
impact = { model = "ImpactCoefficients", eta = [1e-4, 2e-4, 4e-4], gamma = 1e-6 }
[[cost]]
type = "TemporaryImpact"
[[cost]]
type = "SpreadCost"
[[cost]]
type = "TimingRisk"
weight = 0.0
[[constraint]]
type = "NoTrade"
during = [12:00:00, 14:00:00]
""",
    )
    problem = file.problem()
    assert file.cases == ("base",)
    assert problem.market.spread["only"] == pytest.approx(0.01)
    priced = problem.evaluate(np.array([[100.0], [0.0], [500.0]]))
    tau = 2 / 6.5
    assert priced.variance == pytest.approx(4.0 * tau * (500**2 + 4 * 500**2))
    assert priced.term_values["TemporaryImpact"] == pytest.approx((1e-4 * 100**2 + 4e-4 * 500**2) / tau)
    assert file.solve().trades["only"].tolist() == pytest.approx([480.0, 0.0, 120.0])


def test_correlation_is_between_volatilities(tmp_path):
    text = '[grid]\nhorizon = 1\nperiods = 2\n[[cost]]\ntype = "TimingRisk"\nweight = 1.0\n' + TWO
    file = read(
        tmp_path, text + "[market.covariance]\nvolatility = { A = 2.0, B = 3.0 }\ncorrelation = [[1, 0.5], [0.5, 1]]"
    )
    trades = np.array([[0.0, 0.0], [-1000.0, 2500.0]])
    variance = 0.5 * (4 * 1000**2 + 9 * 2500**2 - 2 * 3.0 * 1000 * 2500)
    assert file.problem().evaluate(trades).variance == pytest.approx(variance)


def test_hedges_start_and_end_flat(tmp_path):
    hedge = '[[asset]]\nlabel = "SPY"\nprice = 400.0\nhedge = true\n'
    text = (
        '[grid]\nhorizon = 1\nperiods = 2\n[[cost]]\ntype = "TemporaryImpact"\neta = { A = 1.0, B = 1.0, SPY = 1.0 }\n'
    )
    file = read(tmp_path, text + hedge + TWO)
    assert file.problem().order.hedges == {"SPY"}
    assert set(file.solve().trades.columns) == {"A", "B", "SPY"}


BASE = """
[grid]
horizon = 1
periods = 4
[market]
volume = 1e4
covariance = { volatility = { A = 1.0, B = 1.0 } }
[[cost]]
type = "TemporaryImpact"
eta = { A = 1e-4, B = 1e-4 }
[[cost]]
type = "TimingRisk"
[[constraint]]
type = "Participation"
maximum = 0.5
"""


def test_a_case_replaces_what_has_the_same_name_and_adds_the_rest(tmp_path):
    text = """
[[case]]
name = "plain"
weights = { TimingRisk = 1e-4 }
[[case]]
name = "changed"
weights = { TimingRisk = 2e-4, TemporaryImpact = 3.0 }
[[case.cost]]
type = "SpreadCost"
half_spread = { A = 0.01, B = 0.01 }
[[case.constraint]]
type = "Participation"
maximum = 0.25
[[case.constraint]]
type = "Monotone"
"""
    file = read(tmp_path, BASE + TWO + text)
    plain, changed = file.problem("plain"), file.problem("changed")
    assert repr(plain.objective) == "TemporaryImpact() + 0.0001 * TimingRisk()"
    assert repr(changed.objective) == "3 * TemporaryImpact() + 0.0002 * TimingRisk() + SpreadCost()"
    assert [rule.name for rule in changed.constraints] == ["Participation", "Monotone"]
    assert [rule.name for rule in plain.constraints] == ["Participation"]
    assert changed.constraints[0].maximum == 0.25
    assert plain.constraints[0].maximum == 0.5


def test_a_dial_is_turned_and_a_case_may_turn_another(tmp_path):
    dials = (
        '[solve]\nrisk_price = 0.5\n[[case]]\nname = "price"\n[[case]]\nname = "cost"\nsolve = { cost_bps = 100.0 }\n'
    )
    file = read(tmp_path, BASE + TWO + dials)
    assert file.solve("price").urgency.risk_price == pytest.approx(0.5, rel=1e-6)
    assert file.solve("cost").urgency.cost_bps == pytest.approx(100.0, rel=1e-6)


def test_a_risk_without_weight_or_dial_names_the_file_and_the_case(tmp_path):
    with pytest.raises(ac.ModelError, match=r"p\.toml: case 'base': TimingRisk has no weight"):
        read(tmp_path, BASE + TWO).solve()


EXPECTED = """
[[case]]
name = "priced"
trades = { A = -250.0, B = [625.0, 625.0, 625.0, 625.0] }
[case.expected]
expected_cost = { value = VALUE, absolute = 1.0, origin = "derived" }
cost_bps = { value = 1e4, relative = 0.5, origin = "printed" }
risk_bps = { value = nan_free, absolute = 1e9, origin = "printed" }
terms.TemporaryImpact = { value = 725.0, relative = 1e-12, origin = "derived" }
trades = { value = { B = [625, 625, 625, 626] }, relative = 1e-3, origin = "derived" }
""".replace("nan_free", "1.0")


def test_a_check_lists_every_number_and_whether_it_is_met(tmp_path):
    cost = (1000**2 + 2500**2) * 1e-4
    table = read(tmp_path, BASE + TWO + EXPECTED.replace("VALUE", str(cost + 0.5))).check("priced")
    assert list(table.columns) == [
        "case",
        "quantity",
        "asset",
        "time",
        "expected",
        "found",
        "allowed",
        "origin",
        "passed",
    ]
    rows = table.set_index("quantity")
    assert rows.loc["expected_cost", ["expected", "found", "allowed"]].tolist() == pytest.approx(
        [cost + 0.5, cost, 1.0]
    )
    assert rows.loc["cost_bps", "found"] == pytest.approx(1e4 * cost / 100_000)
    assert not rows.loc["cost_bps", "passed"]
    assert rows.loc["risk_bps", "passed"]
    assert rows.loc["terms.TemporaryImpact", "passed"]
    trades = rows.loc["trades"]
    assert trades["asset"].tolist() == ["B"] * 4
    assert trades["time"].tolist() == [0.0, 0.25, 0.5, 0.75]
    assert trades["allowed"].tolist() == [0.626] * 4
    assert trades["passed"].tolist() == [True, True, True, False]
    missed = (
        read(tmp_path, BASE + TWO + EXPECTED.replace("VALUE", str(cost + 1.5))).check("priced").set_index("quantity")
    )
    assert not missed.loc["expected_cost", "passed"]


def test_a_number_that_cannot_be_found_does_not_pass(tmp_path):
    text = BASE.replace("covariance = { volatility = { A = 1.0, B = 1.0 } }\n", "").replace(
        '[[cost]]\ntype = "TimingRisk"\n', ""
    )
    promise = '[[case]]\nname = "x"\n[case.expected]\nvariance = { value = 1.0, absolute = 1e99, origin = "derived" }\n'
    table = read(tmp_path, text + TWO + promise).check()
    assert table["found"].isna().all()
    assert not table["passed"].any()


def test_a_plan_at_hand_is_checked_without_solving():
    file = load_problem("time_varying_cost")
    twap = file.solve("twap")
    table = file.check("optimum", twap)
    assert not table.loc[table["quantity"] == "objective", "passed"].any()
    assert file.check("twap", twap)["passed"].all()


BENCHMARKED = """
[grid]
date = "2019-02-15"
bar = "2h"
start = "10:00"
[market]
volume = { A = [1e4, 2e4, 4e4], B = 5e4 }
covariance = { volatility = { A = 1.0, B = 1.0 } }
[[cost]]
type = "TrackingRisk"
weight = 1e-4
benchmark = BENCHMARK
"""


@pytest.mark.parametrize(
    ("text", "call", "benchmark"),
    [
        ('{ kind = "TWAP" }', "TWAP()", TWAP()),
        ('{ kind = "VWAP", start = "12:00" }', "VWAP(start='12:00')", VWAP("12:00")),
        ('{ kind = "VWAP", start = "10:00", end = "14:00" }', "VWAP('10:00', '14:00')", VWAP("10:00", "14:00")),
        ('{ kind = "Close" }', "Close()", Close()),
        ("{ kind = 'TWAP', end = 14:00:00 }", "TWAP(end=datetime.time(14, 0))", TWAP(end="14:00")),
    ],
)
def test_benchmarks_by_their_kind(tmp_path, text, call, benchmark):
    problem = read(tmp_path, BENCHMARKED.replace("BENCHMARK", text) + TWO).problem()
    assert repr(problem.objective) == f"0.0001 * TrackingRisk({call})"
    trades = np.array([[-700.0, 300.0], [100.0, 0.0], [-400.0, 2200.0]])
    written = ac.ExecutionProblem(problem.order, problem.market, 1e-4 * ac.TrackingRisk(benchmark))
    assert problem.evaluate(trades).objective == pytest.approx(written.evaluate(trades).objective, rel=1e-14)


def test_portfolio_rules_are_those_that_one_would_write(tmp_path):
    rules = """
[[constraint]]
type = "FactorNeutral"
exposures = { A = { market = 1.1, size = -0.5 }, B = { size = 0.25, market = 0.8 } }
tolerance = { size = 0.4, market = 3e4 }
during = [0.25, 0.75]
[[constraint]]
type = "FactorNeutral"
name = "one"
exposures = { A = 1.0, B = 2.0 }
tolerance = 130_000.0
of = "holdings"
[[constraint]]
type = "GroupNeutral"
groups = { A = "x", B = "y" }
tolerance = { y = 5e4, x = 0.6 }
[[constraint]]
type = "GroupNeutral"
name = "only A"
groups = { A = "x" }
tolerance = 6e4
assets = ["A"]
[[constraint]]
type = "CashBalance"
lower = -1e4
upper = [inf, 2e4, 2e4, 3e4]
"""
    problem = read(tmp_path, BASE.replace('"TimingRisk"', '"TimingRisk"\nweight = 1e-5') + TWO + rules).problem()
    table = pd.DataFrame({"market": [1.1, 0.8], "size": [-0.5, 0.25]}, index=["A", "B"])
    grid = problem.market.grid
    written = [
        ac.Participation(0.5),
        FactorNeutral(table, {"market": 3e4, "size": 0.4}, during=(0.25, 0.75)),
        FactorNeutral({"A": 1.0, "B": 2.0}, 130_000.0, of="holdings", name="one"),
        GroupNeutral({"A": "x", "B": "y"}, {"x": 0.6, "y": 5e4}),
        GroupNeutral({"A": "x"}, 6e4, assets=["A"], name="only A"),
        CashBalance(-1e4, pd.Series([np.inf, 2e4, 2e4, 3e4], index=grid.labels)),
    ]
    other = ac.ExecutionProblem(problem.order, problem.market, problem.objective, written)
    assert [rule.name for rule in problem.constraints] == [rule.name for rule in other.constraints]
    trades = np.array([[3_000.0, -900.0], [-7_000.0, 2_000.0], [1_000.0, -4_000.0], [2_000.0, 5_400.0]])
    ours, theirs = problem.evaluate(trades), other.evaluate(trades)
    assert ours.rules_broken == theirs.rules_broken
    assert set(ours.rules_broken) >= {"FactorNeutral", "one", "GroupNeutral", "only A", "CashBalance"}
    assert problem.solve().trades.to_numpy() == pytest.approx(other.solve().trades.to_numpy(), abs=1e-4)


ONE = '[[asset]]\nlabel = "A"\nprice = 50.0\ninitial = 1000\n[[cost]]\ntype = "TemporaryImpact"\neta = 1e-4\n'
DAY = {"date": "2019-02-15", "bar": "2h", "start": "10:00"}
WEEK = {"first": "2019-02-14", "last": "2019-02-19", "bar": "3h15min", "overnight": 0.5}


@pytest.mark.parametrize(
    ("text", "grid"),
    [
        ('horizon = 2\nperiods = 4\nunit = "hour"', ac.TimeGrid.uniform(2.0, 4, unit="hour")),
        (
            "edges = [0.0, 1.0, 1.5, 2.5]\nclosed = [false, true, false]",
            ac.TimeGrid([0, 1, 1.5, 2.5], closed=[False, True, False]),
        ),
        ("date = 2019-02-15\nbar = '2h'\nstart = 10:00:00\nauctions = false", ac.TimeGrid.session(**DAY)),
        ("date = 2019-02-15\nbar = '2h'\nstart = '10:00'\nauctions = true", ac.TimeGrid.session(**DAY, auctions=True)),
        (
            "date = '2019-02-15'\nbar = '30min'\nauctions = 'open'",
            ac.TimeGrid.session("2019-02-15", "30min", auctions="open"),
        ),
        (
            "date = '2019-02-15'\nbar = '30min'\nauctions = 'close'\nopen = 09:00:00\nclose = '17:00'\n"
            "tz = 'Europe/Paris'",
            ac.TimeGrid.session(
                "2019-02-15", "30min", auctions="close", open="09:00", close="17:00", tz="Europe/Paris"
            ),
        ),
        # the day after Thanksgiving closes at 13:00
        (
            "date = 2019-11-29\nbar = '30min'\ncalendar = 'XNYS'\nauctions = true",
            ac.TimeGrid.session("2019-11-29", "30min", calendar="XNYS", auctions=True),
        ),
        (
            "date = 2019-02-15\nbar = '30min'\ncalendar = 'XTKS'\nlunch = 0.05",
            ac.TimeGrid.session("2019-02-15", "30min", calendar="XTKS", lunch=0.05),
        ),
        (
            "first = 2019-02-14\nlast = 2019-02-19\nbar = '3h15min'\novernight = 0.5\ncalendar = 'XNYS'",
            ac.TimeGrid.sessions(**WEEK, calendar="XNYS"),
        ),
        (
            "first = 2019-02-14\nlast = '2019-02-19'\nbar = '3h15min'\novernight = 0.5\nauctions = 'close'\n"
            "dates = [2019-02-14, '2019-02-19']",
            ac.TimeGrid.sessions(**WEEK, auctions="close", dates=["2019-02-14", "2019-02-19"]),
        ),
        ("first = 2019-02-14\nlast = 2019-02-14\nbar = '3h15min'", ac.TimeGrid.session("2019-02-14", "3h15min")),
    ],
)
def test_grids_are_those_that_one_would_write(tmp_path, text, grid):
    asset = ONE.replace("eta = 1e-4", "eta = 1e-4\nauction = 1e-5") if grid.auctions.any() else ONE
    assert read(tmp_path, f"[grid]\n{text}\n{asset}").problem().market.grid == grid


def test_the_calendar_of_a_file_is_used(tmp_path):
    text = "[grid]\ndate = 2019-11-29\nbar = '30min'\ncalendar = 'XNYS'\n"
    stamps = read(tmp_path, text + ONE).problem().market.grid.timestamps
    assert (str(stamps[0]), str(stamps[-1])) == ("2019-11-29 09:30:00-05:00", "2019-11-29 13:00:00-05:00")


CROSSED = "[grid]\ndate = 2019-02-15\nbar = '3h15min'\nauctions = true\n" + TWO


@pytest.mark.parametrize(
    ("text", "cost"),
    [
        # u'Au at the opening cross, the two intervals, the closing cross; tau is half a session.
        ("auction = { A = 1e-3, B = 2e-3 }", 1e-3 * (100**2 + 400**2) + 2e-3 * (500**2 + 0)),
        ("auction = { A = [1e-3, 3e-3], B = 2e-3 }", 1e-3 * 100**2 + 3e-3 * 400**2 + 2e-3 * 500**2),
        (
            "auction = { A = { A = 1e-3, B = 5e-4 }, B = { A = 5e-4, B = 2e-3 } }",
            1e-3 * (100**2 + 400**2) + 2e-3 * 500**2 - 2 * 5e-4 * 100 * 500,
        ),
    ],
)
def test_coefficients_of_auctions(tmp_path, text, cost):
    coefficients = f"eta = {{ A = 1e-4, B = 1e-4 }}\n{text}\n"
    own = f'[[cost]]\ntype = "TemporaryImpact"\n{coefficients}'
    law = f'[market.impact]\nmodel = "ImpactCoefficients"\n{coefficients}[[cost]]\ntype = "TemporaryImpact"\n'
    trades = np.array([[-100.0, 500.0], [-200.0, 0.0], [-300.0, 2000.0], [-400.0, 0.0]])
    rated = 1e-4 * (200**2 + 300**2 + 2000**2) / 0.5
    for impact in (own,) if "A = {" in text else (own, law):
        priced = read(tmp_path, CROSSED + impact).problem().evaluate(trades)
        assert priced.term_values["TemporaryImpact"] == pytest.approx(cost + rated, rel=1e-12)


def test_rules_and_volumes_of_auctions(tmp_path):
    text = """
[market]
volume = { A = [1e3, 1e4, 1e4, 5e3], B = 1e5 }
[[cost]]
type = "TemporaryImpact"
eta = { A = 1e-4, B = 1e-4 }
auction = { A = [1e-9, 1e-9], B = 1e-9 }
[[constraint]]
type = "NoTrade"
during = [09:30:00, "close"]
"""
    plan = read(tmp_path, CROSSED + text).solve()
    traded = plan.trades.to_numpy()
    assert (traded[1:3] == 0).all()
    np.testing.assert_allclose(traded[0], [-500.0, 1250.0], rtol=1e-9)

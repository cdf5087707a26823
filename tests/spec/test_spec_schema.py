"""What a problem file may not say: each mistake is refused in one line that names the file and the field."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

import acopt as ac
from acopt.spec.files import load_problem

PROBLEMS = Path(__file__).parents[2] / "problems"

GOOD = """
[problem]
name = "good"
title = "Two stocks"
source = { author = "tests", year = 2024 }

[grid]
horizon = 2
periods = 4

[[asset]]
label = "A"
price = 50.0
initial = 1000

[[asset]]
label = "B"
price = 20.0
target = 3000

[market]
volume = 1e5
covariance = { volatility = { A = 0.5, B = 0.25 } }

[[cost]]
type = "TemporaryImpact"
eta = { A = 1e-5, B = 1e-6 }

[[cost]]
type = "TimingRisk"
weight = 1e-6

[[constraint]]
type = "Participation"
maximum = 0.5

[[case]]
name = "one"
"""


def load(tmp_path, text):
    """Load a text as a file."""
    path = tmp_path / "bad.toml"
    path.write_text(text, encoding="utf-8")
    return load_problem(path)


def refused(tmp_path, text, error=ac.DataError):
    """Return the message with which a text is refused, which must be one line and start with the file."""
    with pytest.raises(error) as caught:
        load(tmp_path, text)
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "bad.toml")), message
    assert "\n" not in message
    return message.removeprefix(f"{tmp_path / 'bad.toml'}: ")


def test_the_good_file_is_good(tmp_path):
    plan = load(tmp_path, GOOD).solve()
    assert plan.certificate is not None
    assert plan.trades["B"].sum() == pytest.approx(3000)


COST = 'type = "TemporaryImpact"\neta = { A = 1e-5, B = 1e-6 }'
RISK = 'type = "TimingRisk"\nweight = 1e-6'
TRACKING = 'type = "TrackingRisk"\nweight = 1e-6\nbenchmark = {}'
FACTOR = 'type = "FactorNeutral"\nexposures = {}\ntolerance = {}'
RULE = 'type = "Participation"\nmaximum = 0.5'
GRID = "horizon = 2\nperiods = 4"
COVARIANCE = "covariance = { volatility = { A = 0.5, B = 0.25 } }"
EXPECTED = GOOD + "[case.expected]\n"
SESSION = 'date = 2019-02-15\nbar = "30min"\n'
SESSIONS = 'first = 2019-02-14\nlast = 2019-02-15\nbar = "30min"\n'
CROSSED = """
[problem]
name = "crossed"
title = "One stock, with its crosses"
source = { author = "tests" }
[grid]
date = 2019-02-15
bar = "30min"
auctions = true
[[asset]]
label = "A"
price = 50.0
initial = 1000
[market]
impact = { model = "ImpactCoefficients", eta = 1e-5, auction = 1e-6 }
[[cost]]
type = "TemporaryImpact"
"""

MISTAKES = [
    # unknown keys, at every depth
    (GOOD.replace("[market]", "[markets]"), "markets: unknown key; accepted are problem, grid, asset, market"),
    (GOOD.replace("eta = {", "etta = {"), "cost[0].etta: unknown key; accepted are name, weight, type, eta"),
    (GOOD.replace("maximum", "maximun"), "constraint[0].maximun: unknown key"),
    (GOOD.replace("price = 20.0", "prize = 20.0"), "asset[1].prize: unknown key"),
    (GOOD.replace("volatility", "volatilty"), "market.covariance.volatilty: unknown key"),
    (
        EXPECTED + "profit = { value = 1.0, relative = 1e-9, origin = 'derived' }",
        "case[0].expected.profit: unknown key",
    ),
    # unknown types
    (
        GOOD.replace('"TemporaryImpact"', '"TemporalImpact"'),
        "cost[0]: 'type' = 'TemporalImpact' is not known; accepted are Te",
    ),
    (GOOD.replace('"Participation"', '"Partizipation"'), "constraint[0]: 'type' = 'Partizipation' is not known"),
    (
        GOOD.replace("volume = 1e5", 'volume = 1e5\nimpact = { model = "X" }'),
        "market.impact: 'model' = 'X' is not known",
    ),
    (GOOD.replace('type = "TimingRisk"\n', ""), "cost[1]: its 'type' is missing"),
    # missing
    (GOOD.replace('title = "Two stocks"\n', ""), "problem.title: missing"),
    (GOOD.replace("[grid]\nhorizon = 2\nperiods = 4\n", ""), "grid: missing"),
    (GOOD.replace("price = 50.0\n", ""), "asset[0].price: missing"),
    (GOOD.replace("maximum = 0.5", ""), "constraint[0].maximum: missing"),
    (re.sub(r"\[\[asset\]\].*(?=\[market\])", "", GOOD, flags=re.DOTALL), "asset: missing"),
    (GOOD.replace('name = "one"', ""), "case[0].name: missing"),
    (EXPECTED + "variance = { value = 1.0, relative = 1e-9 }", "case[0].expected.variance.origin: missing"),
    # types
    (GOOD.replace("periods = 4", "periods = 4.5"), "grid.periods: 4.5 is not accepted; expected is a valid integer"),
    (GOOD.replace("price = 50.0", 'price = "50"'), "asset[0].price: '50' is not accepted; expected is a valid number"),
    (GOOD.replace("price = 50.0", "price = true"), "asset[0].price: True is not accepted"),
    (GOOD.replace('label = "A"', "label = 1"), "asset[0].label: 1 is not accepted; expected is a valid text"),
    (GOOD.replace('label = "A"', 'label = " "'), "asset[0].label: ' ' is not accepted"),
    (GOOD.replace("A = 1e-5,", 'A = "tiny",'), "cost[0].eta.A: 'tiny' is not accepted; expected is a valid number or"),
    (GOOD.replace("A = 1e-5,", "A = [1, 2, 'x', 4],"), "cost[0].eta.A[2]: 'x' is not accepted"),
    (GOOD.replace("volume = 1e5", "volume = [1, [2], 3, 4]"), "market.volume[1]: [2] is not accepted"),
    (GOOD.replace("[market]\n", "[[market]]\n"), "market: "),
    (GOOD.replace("horizon = 2", "horizon = 1" + "0" * 400), "grid.horizon: 1000000"),
    # values
    (
        GOOD.replace("price = 50.0", "price = -50.0"),
        "asset[0].price: -50.0 is not accepted; expected is greater than 0",
    ),
    (GOOD.replace("price = 50.0", "price = nan"), "asset[0].price: nan is not accepted; expected is a finite number"),
    (GOOD.replace("initial = 1000", "initial = inf"), "asset[0].initial: inf is not accepted"),
    (GOOD.replace("initial = 1000", "initial = 1e308"), "asset: order initial is 1e+308 for A"),
    (
        GOOD.replace("A = 1e-5,", "A = -1e-5,"),
        "cost[0].eta.A: -1e-05 is not accepted; expected is greater than or equal to 0",
    ),
    (GOOD.replace("weight = 1e-6", "weight = -1e-6"), "cost[1].weight: -1e-06 is not accepted"),
    (GOOD.replace("horizon = 2", "horizon = 0"), "grid.horizon: 0 is not accepted"),
    (GOOD.replace("periods = 4", "periods = 0"), "grid: TimeGrid.uniform: periods=0; a positive integer up to"),
    # combinations
    (
        GOOD.replace(GRID, "horizon = 2"),
        "grid: expected is horizon and periods, or edges, or bar and date, or bar and first and last; given: horizon",
    ),
    (GOOD.replace(GRID, GRID + "\nedges = [0, 1, 2]"), "grid: expected is horizon and periods, or edges"),
    (GOOD.replace(GRID, GRID + "\nstart = 09:45:00"), "grid.start: not accepted with horizon; accepted are unit"),
    (GOOD.replace(GRID, 'date = 2019-02-15\nbar = "30min"\nunit = "hour"'), "grid.unit: not accepted"),
    (GOOD.replace(GRID, 'date = 2019-02-15\nbar = "17min"'), "grid: TimeGrid.session"),
    (GOOD.replace(GRID, GRID + "\nauctions = true"), "grid.auctions: not accepted with horizon; accepted are unit"),
    (
        GOOD.replace(GRID, "edges = [0, 1, 2, 3, 4]\nlunch = 0.1"),
        "grid.lunch: not accepted with edges; accepted are uni",
    ),
    (GOOD.replace(GRID, GRID + "\nclosed = [true]"), "grid.closed: not accepted with horizon"),
    (
        GOOD.replace(GRID, "edges = [0, 1, 2]\nclosed = [0, 1]"),
        "grid.closed[0]: 0 is not accepted; expected is a valid b",
    ),
    (GOOD.replace(GRID, "edges = [0, 1, 2]\nclosed = [true]"), "grid: TimeGrid"),
    (
        GOOD.replace(GRID, SESSION + "overnight = 0.5"),
        "grid.overnight: not accepted with date; accepted are start, end,",
    ),
    (GOOD.replace(GRID, SESSION + "dates = [2019-02-15]"), "grid.dates: not accepted with date"),
    (
        GOOD.replace(GRID, SESSION + 'auctions = "both"'),
        "grid.auctions: 'both' is not accepted; expected is a valid boole",
    ),
    (GOOD.replace(GRID, SESSION + "auctions = 1"), "grid.auctions: 1 is not accepted"),
    (
        GOOD.replace(GRID, SESSION + 'auctions = "open"\nstart = "10:00"'),
        "grid: TimeGrid.session: auctions='open', but a gr",
    ),
    (GOOD.replace(GRID, SESSION + "lunch = 0"), "grid.lunch: 0 is not accepted; expected is greater than 0"),
    (
        GOOD.replace(GRID, SESSION + 'calendar = "NYSE!"'),
        "grid: TimeGrid.session: calendar='NYSE!' is not known; one of",
    ),
    (
        GOOD.replace(GRID, SESSION + 'calendar = "XNYS"\nopen = 10:00:00'),
        "grid: TimeGrid.session: open=datetime.time(10",
    ),
    (GOOD.replace(GRID, SESSION + 'tz = "Mars"'), "grid: TimeGrid.session"),
    (
        GOOD.replace(GRID, 'first = 2019-02-14\nbar = "2h"'),
        "grid: expected is horizon and periods, or edges, or bar and d",
    ),
    (GOOD.replace(GRID, SESSION + "last = 2019-02-15"), "grid: expected is horizon and periods, or edges"),
    (GOOD.replace(GRID, SESSIONS), "grid: TimeGrid.sessions: the grid runs over the night after 2019-02-14 16:00"),
    (GOOD.replace(GRID, SESSIONS + "overnight = -1.0"), "grid.overnight: -1.0 is not accepted"),
    (GOOD.replace(GRID, SESSIONS + "overnight = 0.5\ndates = [2019-02-14]"), "grid: TimeGrid.sessions: last="),
    (
        GOOD.replace(GRID, SESSIONS + 'overnight = 0.5\ncalendar = "XNYS"\ndates = [2019-02-14]'),
        "grid: TimeGrid.sessions: da",
    ),
    # auctions
    (
        CROSSED.replace("auction = 1e-6", "auction = [1e-6]"),
        "market.impact.auction: a list of 1 was given for 2 auctions",
    ),
    (
        CROSSED.replace("auction = 1e-6", "auction = { A = [1, 2, 3] }"),
        "market.impact.auction.A: a list of 3 was given for 2 auctions",
    ),
    (CROSSED.replace("auction = 1e-6", "auction = -1.0"), "market.impact.auction: -1.0 is not accepted"),
    (
        GOOD.replace("eta = { A = 1e-5, B = 1e-6 }", "eta = { A = 1e-5, B = 1e-6 }\nauction = [1e-6, 1e-6]"),
        "cost[0].auction: a list of 2 was given for 0 auctions",
    ),
    (CROSSED.replace("auction = 1e-6", "auction = { B = 1.0 }"), "market.impact.auction: no value for A; given: B"),
    (GOOD.replace(GRID, "edges = [0, 2, 1]"), "grid: "),
    (GOOD.replace("volatility =", "specific_variance ="), "market.covariance: expected is matrix, or volatility, or"),
    (GOOD.replace("target = 3000", "target = 3000\nhedge = true"), "asset[1].hedge: a hedge starts and ends flat"),
    (GOOD.replace("target = 3000", "spread = 0.01"), "asset[1]: give spread (currency) or spread_bps, for all assets"),
    (
        GOOD.replace("price = 50.0", "price = 50.0\nspread = 0.01\nspread_bps = 2"),
        "asset[0]: give spread (currency) or",
    ),
    (GOOD + "[case.solve]\nrisk_price = 0.3\npov = 0.1", "case[0].solve: expected is risk_price, or risk_bps"),
    (GOOD + "trades = { A = 1.0, B = 1.0 }\n[case.solve]\nrisk_price = 0.3", "case[0].solve: given trades are priced"),
    (GOOD.replace(COST, 'type = "Jerk"'), "cost[0]: expected is scale, or mu; given: none of them"),
    (GOOD.replace(COST, 'type = "Jerk"\nscale = 1.0\nderivative = 1'), "cost[0].derivative: Jerk is derivative 2"),
    (GOOD.replace(COST, 'type = "Alpha"\nbps = 3'), "cost[0]: expected is drift, or bps and half_life; given: bps"),
    (
        EXPECTED + "variance = { value = 1.0, relative = 1e-9, absolute = 1.0, origin = 'derived' }",
        "case[0].expected.variance: expected is absolute, or relative; given: absolute, relative",
    ),
    (
        EXPECTED + "variance = { value = 1.0, relative = 1e-9, origin = 'acopt itself' }",
        "case[0].expected.variance.origin: 'acopt itself' is not accepted; expected is 'printed', 'derived' or 'indep",
    ),
    # labels, lengths, names
    (GOOD.replace("A = 1e-5, B = 1e-6", "A = 1e-5"), "cost[0].eta: no value for B; given: A"),
    (GOOD.replace("A = 1e-5,", "A = [1, 2, 3],"), "cost[0].eta.A: a list of 3 was given for 4 intervals"),
    (GOOD.replace("volume = 1e5", "volume = [1, 2, 3]"), "market.volume: a list of 3 was given for 4 intervals"),
    (GOOD.replace("A = 0.5, B", "C = 0.5, B"), "market.covariance.volatility: no value for A; given: C, B"),
    (GOOD.replace('label = "B"', 'label = "A"'), "asset: two are labelled 'A'; labels must differ"),
    (GOOD + '[[case]]\nname = "one"', "case: two are called 'one'; names must differ"),
    (GOOD + '[[constraint]]\ntype = "Participation"\nmaximum = 0.3', "constraint[1]: two are called 'Participation'"),
    (
        GOOD + "weights = { TimingRisks = 1.0 }",
        "case 'one', weights.TimingRisks: no cost is called that; there are Temp",
    ),
    (GOOD + "weights = { TimingRisk = -1.0 }", "case[0].weights.TimingRisk: -1.0 is not accepted"),
    (GOOD + "trades = { A = [1, 2], B = 1.0 }", "case 'one', trades.A: a list of 2 was given for 4 intervals"),
    (GOOD + '[[case.cost]]\ntype = "Alpha"\ndrift = { A = 1.0 }', "case 'one', cost[0].drift: no value for B"),
    (
        EXPECTED + "terms.Spread = { value = 1.0, relative = 1e-9, origin = 'derived' }",
        "case 'one', expected.terms.Spread: no cost is called that",
    ),
    (
        EXPECTED + "remaining = { value = { A = [1, 2] }, relative = 1e-9, origin = 'derived' }",
        "case 'one', expected.remaining.value.A: a list of 2 was given for 5 edges",
    ),
    (
        EXPECTED + "trades = { value = { C = [1, 2, 3, 4] }, relative = 1e-9, origin = 'derived' }",
        "case 'one', expected.trades.value.C: no such asset; there are A, B",
    ),
    (
        EXPECTED + "remaining = { value = [1, 2, 3, 4, 5], relative = 1e-9, origin = 'derived' }",
        "case 'one', expected.remaining.value: a list was given; expected is a table of lists by asset (A, B)",
    ),
    # benchmarks and portfolio rules
    (GOOD.replace(RISK, TRACKING.format('{ kind = "VWOP" }')), "cost[1].benchmark.kind: 'VWOP' is not accepted; expec"),
    (
        GOOD.replace(RISK, TRACKING.format('{ kind = "VWAP", begin = 0.5 }')),
        "cost[1].benchmark.begin: unknown key; accepted are kind, start, end",
    ),
    (
        GOOD.replace(RISK, TRACKING.format('{ kind = "Close", end = 0.5 }')),
        "cost[1].benchmark.end: not accepted: Close",
    ),
    (GOOD.replace(RISK, TRACKING.format('{ kind = "TWAP", end = 0.7 }')), "cost[1]: 0.7 is not an edge of the grid"),
    (GOOD.replace(RISK, TRACKING.format('"VWAP"')), "cost[1].benchmark: 'VWAP' is not accepted; expected is"),
    (GOOD.replace(RISK, TRACKING.format("{ A = [1, 2] }")), "cost[1].benchmark.A: a list of 2 was given for 5 edges"),
    (
        GOOD.replace(RULE, FACTOR.format("{ A = 1.0 }", "0.9")),
        "constraint[0]: FactorNeutral exposures: no value for as",
    ),
    (
        GOOD.replace(RULE, FACTOR.format("{ A = { f = 1.0, g = 2.0 }, B = { f = 1.0 } }", "0.9")),
        "constraint[0]: FactorNeutral exposures is nan for B, factor g",
    ),
    (
        GOOD.replace(RULE, FACTOR.format("{ A = { f = 1.0 }, B = { f = 1.0 } }", "{ g = 0.5 }")),
        "constraint[0]: FactorNeutral tolerance: no value for factor f; given: g",
    ),
    (GOOD.replace(RULE, FACTOR.format("[1.0, 2.0]", "0.9")), "constraint[0].exposures: [1.0, 2.0] is not accepted"),
    (GOOD.replace(RULE, FACTOR.format("{ A = 1, B = 1 }", "-1.0")), "constraint[0].tolerance: -1.0 is not accepted"),
    (
        GOOD.replace(RULE, 'type = "GroupNeutral"\ngroups = { A = "x" }\ntolerance = 0.9'),
        "constraint[0]: GroupNeutral groups: no value for asset B; given: A",
    ),
    (
        GOOD.replace(RULE, 'type = "GroupNeutral"\ngroups = { A = 1, B = "x" }\ntolerance = 0.9'),
        "constraint[0].groups.A: 1 is not accepted; expected is a valid text",
    ),
    (GOOD.replace(RULE, 'type = "CashBalance"'), "constraint[0]: CashBalance: give a lower bound, an upper bound, or"),
    (
        GOOD.replace(RULE, 'type = "CashBalance"\nlower = [1.0, 2.0]'),
        "constraint[0].lower: a list of 2 was given for 4 intervals",
    ),
    # data that the terms themselves refuse, with the place of the term
    (
        GOOD.replace("eta = { A = 1e-5, B = 1e-6 }", "eta = 1e-6"),
        "cost[0]: TemporaryImpact eta: the scalar 1e-06 is in price u",
    ),
    (GOOD.replace(RULE, 'type = "TradeSize"\nlower = 5.0\nupper = 1.0'), "constraint[0]: TradeSize: the lower bound 5"),
    (GOOD.replace(RULE, 'type = "TradeSize"\nlower = nan'), "constraint[0]: TradeSize lower is nan"),
    (GOOD.replace(RULE, 'type = "NoTrade"\nduring = [0.3, 0.5]'), "constraint[0]: 0.3 is not an edge"),
    (GOOD.replace(RULE, 'type = "NoTrade"'), "constraint[0]: NoTrade: name a window"),
    (GOOD.replace(RULE, 'type = "NoTrade"\nduring = [0.5]'), "constraint[0].during[1]: missing"),
    (GOOD.replace(RULE, RULE + "\nweight = 2.0"), "constraint[0].weight: the rule has no cost to be weighted"),
    (GOOD.replace(GRID, "edges = [0, 1, 2]\nauctions = true"), "grid.auctions: expected with edges is a list"),
    (GOOD.replace(GRID, SESSION + "auctions = [true]"), "grid.auctions: expected with date is true, open or close"),
    (
        GOOD.replace(GRID, 'edges = [0, 1]\ntimestamps = [2019-02-15T10:00:00, 2019-02-15T11:00:00]\ntz = "UTC"'),
        "grid: ti",
    ),
    (
        GOOD.replace(GRID, 'edges = [0, 1]\ntimestamps = [2019-02-15T10:00:00Z, 2019-02-15T11:00:00Z]\ntz = "X"'),
        "grid: t",
    ),
    (
        GOOD.replace("[market]", "[history]\nexecuted = { A = [1.0] }\n[market]"),
        "history.executed: no value for B; giv",
    ),
    (
        GOOD.replace("[market]", "[history]\nexecuted = { A = [1.0], B = [1, 2, 3, 4] }\n[market]"),
        "history.executed.B: a list of 4 was given; lists of the same length are expected, from 1 to 3",
    ),
    (GOOD.replace("[market]", "[history]\nexecuted = [1.0]\n[market]"), "history.executed: a list for each of A, B"),
    (
        GOOD.replace(COVARIANCE, "covariance = { matrix = [[1, 2], [2, 1]] }"),
        "market.covariance: covariance is not positive",
    ),
    (
        GOOD.replace(COVARIANCE, "covariance = { matrix = [[1, 0], [0.5, 1]] }"),
        "market.covariance: covariance is not symm",
    ),
    (
        GOOD.replace(COVARIANCE, "covariance = { matrix = [[1, 0]] }"),
        "market.covariance.matrix: a list of 1 was given for 2 r",
    ),
    (
        GOOD.replace("0.25 } }", "0.25 }, correlation = [[2.0, 0.0], [0.0, 1.0]] }"),
        "market.covariance.correlation: a number on its diagonal is not 1",
    ),
    (
        GOOD.replace(
            "volume = 1e5", 'volume = 0.0\nimpact = { model = "LinearImpact", bps = 1.0, permanent_bps = 1.0 }'
        ),
        "market.impact: volume is 0 in every interval for A",
    ),
]


@pytest.mark.parametrize(("text", "message"), MISTAKES, ids=[message[:50] for _, message in MISTAKES])
def test_a_mistake_is_refused_with_its_place(tmp_path, text, message):
    assert text != GOOD
    assert refused(tmp_path, text).startswith(message)


LACKS = [
    (GOOD.replace("eta = { A = 1e-5, B = 1e-6 }", ""), "cost[0]: TemporaryImpact"),
    (GOOD.replace("volume = 1e5\n", ""), "constraint[0]: the market has no volume"),
    (
        GOOD.replace("volume = 1e5\n", "").replace(RISK, TRACKING.format('{ kind = "VWAP" }')),
        "cost[1]: the market has no volume",
    ),
    (GOOD.replace(COVARIANCE, ""), "cost[1]: the market has no covariance"),
    (CROSSED.replace(", auction = 1e-6", ""), "market.impact: ImpactCoefficients: the grid has auctions"),
    (
        CROSSED.replace('"TemporaryImpact"', '"TemporaryImpact"\neta = 1e-5'),
        "cost[0]: TemporaryImpact: the grid has auctions",
    ),
    (GOOD.replace(RULE, RULE + '\nassets = ["A", "C"]'), "constraint[0]: Participation: assets= names 'C'"),
]


@pytest.mark.parametrize(("text", "message"), LACKS, ids=[message[:40] for _, message in LACKS])
def test_what_only_the_user_can_state_is_asked_for_with_its_place(tmp_path, text, message):
    assert refused(tmp_path, text, ac.ModelError).startswith(message)


@pytest.mark.parametrize(
    ("rule", "repair"),
    [
        ('type = "TradeSize"\nlower = { A = -100.0, B = -inf }', "TradeSize: widen lower by 150 shares"),
        ('type = "DollarNeutral"\ntolerance = 9e3', "DollarNeutral: tolerance 9k -> 10k"),
    ],
)
def test_a_problem_without_a_schedule_names_the_file_and_the_case_and_keeps_its_diagnosis(tmp_path, rule, repair):
    file = load(tmp_path, GOOD + f"[[case.constraint]]\n{rule}")
    with pytest.raises(ac.InfeasibleError, match=r"bad\.toml: case 'one': ") as caught:
        file.solve()
    assert "\n" not in str(caught.value)
    assert caught.value.diagnosis.feasible is False
    assert str(caught.value.diagnosis).endswith(repair)


def test_problems_that_are_not_convex_name_the_file_and_the_case(tmp_path):
    file = load(tmp_path, GOOD + '[[case.cost]]\ntype = "PermanentImpact"\ngamma = { A = 1.0, B = 0.0 }')
    with pytest.raises(
        ac.ModelError, match=r"bad\.toml: case 'one': the quadratic cost of trades is not convex"
    ) as caught:
        file.problem()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[grid\n", "line 1"),
        (GOOD + "\nx = = 1", "line 4"),
        ('a = "b', "line 1"),
        ("[" * 5000, "TOML"),
        ("a = 1\na = 2", "line 2"),
    ],
)
def test_what_is_not_toml_names_the_line(tmp_path, text, message):
    assert message in refused(tmp_path, text)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "bad.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ac.DataError, match="cannot be read as TOML"):
        load_problem(path)


def test_a_folder_and_a_missing_file_are_refused(tmp_path):
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(ac.DataError, match="cannot be read"):
        load_problem(tmp_path / "folder.toml")
    with pytest.raises(ac.DataError, match="no such file"):
        load_problem(tmp_path / "none.toml")


def test_damaged_files_give_an_error_of_acopt_or_a_problem(tmp_path):
    rng = random.Random(7)  # noqa: S311
    tokens = ["1e400", "-1", "nan", "inf", '"x"', "true", "[]", "{}", "[[]]", "[1, 2]", "{ A = 1 }", "0", "1979-05-27"]
    texts = [path.read_text(encoding="utf-8") for path in sorted(PROBLEMS.glob("*.toml"))]
    outcomes = set()
    for _ in range(300):
        lines = rng.choice(texts).split("\n")
        for _ in range(rng.randint(1, 3)):
            k = rng.randrange(len(lines))
            name, equals, _ = lines[k].partition(" = ")
            if equals and rng.random() < 0.7:
                lines[k] = f"{name} = {rng.choice(tokens)}"
            elif rng.random() < 0.5:
                del lines[k]
            else:
                lines.insert(k, lines[rng.randrange(len(lines))])
        try:
            load(tmp_path, "\n".join(lines))
            outcomes.add("read")
        except ac.AcoptError as error:
            outcomes.add("refused")
            assert "\n" not in str(error)  # noqa: PT017
            assert str(error).startswith(str(tmp_path))  # noqa: PT017
    assert outcomes == {"read", "refused"}

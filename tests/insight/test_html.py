"""The notebook's view: well-formed, escaped, self-contained, and the facts of the summary."""

from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import acopt as ac
from acopt.insight.amounts import amounts
from acopt.insight.html import to_html
from acopt.insight.strategies import twap
from acopt.insight.summary import facts, order

GRID = ac.TimeGrid.session("2019-02-15", "1h", start="10:00")
NAMES = ["<b>", "R&D", "'\"x"]


class Reader(HTMLParser):
    """Texts of the cells, row by row; every tag must be closed in turn."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.rows, self.caption, self.open, self.tags, self.attributes = [], "", [], set(), []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.tags.add(tag)
        self.attributes += attrs
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data
        elif self.open[-1] == "caption":
            self.caption += data
        else:
            assert not data.strip()


def plan(shares=(3e4, -2e4, 1e4), *rules, **market):
    price = pd.Series([50.0, 20.0, 30.0], NAMES)
    known = {"volume": 1e5, "covariance": np.diag([1.0, 0.5, 0.7]), "spread": ac.bps(2.0), **market}
    costs = ac.TemporaryImpact(price * 1e-6) + ac.SpreadCost() + 1e-6 * ac.TimingRisk()
    return ac.ExecutionProblem(ac.Order(pd.Series(shares, NAMES)), ac.Market(GRID, price, **known), costs, rules)


def test_it_tells_what_the_summary_tells():
    schedule = plan((3e4, -2e4, 1e4), ac.Participation(0.05)).solve()
    read = Reader(to_html(schedule))
    assert read.caption == "plan: 3 assets over 6 intervals, 2019-02-15 10:00 to 16:00"
    told = [*order(schedule), *facts(schedule)]
    cells = [tuple(row) for row in read.rows]
    for label, text in told:
        assert any(row[-1] == text and row[0] in (label, "") for row in cells)
    for each in amounts(schedule):
        assert (each.label, each.currency, each.bps, each.what) in cells
    assert len(cells) == len(told) + len(amounts(schedule))
    assert ("proof", str(schedule.certificate)) in cells
    assert [row[0] for row in cells if row[-1].startswith("Participation in")] == ["binding"]


def test_a_risk_that_is_carried_within_the_intervals_has_a_row():
    schedule = plan().evaluate(np.outer([0.6, 0.2, 0.1, 0.1, 0.0, 0.0], [-3e4, 2e4, -1e4]))
    rows = {row[-1]: row for row in Reader(to_html(schedule)).rows}
    row = rows["if traded evenly within intervals"]
    assert row[0] == ""
    assert float(row[1].replace(",", "")) > 1.1 * schedule.risk


def test_a_label_is_not_repeated():
    read = Reader(to_html(twap(plan(notes=["one", "two"]))))
    assert [row for row in read.rows if row[-1] in ("one", "two")] == [["assumed", "one"], ["", "two"]]


def test_names_are_escaped():
    schedule = plan((3e4, -2e4, 1e4), ac.Participation(0.3, name="<i>cap</i>"), notes=["<script>alert(1)</script>"])
    trades = np.zeros((6, 3))
    trades[:2] = [[2e4, -1e4, 1e4], [-5e4, 3e4, -2e4]]
    schedule = schedule.evaluate(trades, name="<u>mine</u> & 'yours'")
    text = to_html(schedule)
    assert "<b>" not in text.replace("<b></b>", "")
    for raw in ("<script", "<u>", "<i>", "R&D", "& '"):
        assert raw not in text
    read = Reader(text)
    assert read.tags <= {"table", "caption", "tbody", "tr", "th", "td"}
    assert read.caption.startswith("<u>mine</u> & 'yours'")
    shown = [row[-1] for row in read.rows]
    assert any("(<b>, R&D, '\"x)" in each for each in shown)
    assert "<script>alert(1)</script>" in shown
    assert any(each.startswith("<i>cap</i>, by up to") for each in shown)


def test_nothing_is_fetched():
    text = to_html(plan().solve())
    assert not {name for name, _ in Reader(text).attributes} - {"style", "scope", "colspan"}
    assert not any(word in text for word in ("http", "src", "url(", "class="))
    assert len(text) < 10_000


@pytest.mark.parametrize("solve", [True, False])
def test_a_zero_order(solve):
    asked = plan((0.0, 0.0, 0.0))
    schedule = asked.solve() if solve else asked.evaluate(np.zeros((6, 3)))
    read = Reader(to_html(schedule))
    assert ["order", "nothing to trade"] in read.rows
    assert not any("nan" in cell.lower() for row in read.rows for cell in row)


def test_the_method_is_the_function():
    schedule = plan().solve()
    assert schedule._repr_html_() == to_html(schedule)

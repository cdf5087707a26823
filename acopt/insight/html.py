"""A schedule as a notebook shows it: a small table of its own, with nothing to fetch."""

from __future__ import annotations

from html import escape

from acopt.insight.amounts import amounts
from acopt.insight.summary import Line, facts, headline, once, order
from acopt.model.schedule import Schedule

__all__ = ["to_html"]

LEFT, RIGHT = "text-align: left; vertical-align: top", "text-align: right; white-space: nowrap"


def to_html(schedule: Schedule) -> str:
    """
    Return the facts of `summarise` as an HTML table, every text escaped.

    Parameters
    ----------
    schedule : optimal or evaluated; a zero order is fine.
    """
    sums = once((each.label, each) for each in amounts(schedule))
    rows = [
        *(_fact(line) for line in order(schedule)),
        *(
            _row(label, _cell(each.currency, RIGHT), _cell(each.bps, RIGHT), _cell(each.what, LEFT))
            for label, each in sums
        ),
        *(_fact(line) for line in once(facts(schedule))),
    ]
    caption = f'<caption style="{LEFT}; font-weight: bold">{escape(headline(schedule))}</caption>'
    return "\n".join(["<table>", caption, "<tbody>", *rows, "</tbody>", "</table>"])


def _fact(line: Line) -> str:
    label, text = line
    return _row(label, _cell(text, LEFT, 3))


def _row(label: str, *cells: str) -> str:
    return f'<tr><th scope="row" style="{LEFT}">{escape(label)}</th>{"".join(cells)}</tr>'


def _cell(text: str, style: str, columns: int = 1) -> str:
    span = f' colspan="{columns}"' if columns > 1 else ""
    return f'<td{span} style="{style}">{escape(text)}</td>'

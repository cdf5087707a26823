"""A schedule in words and numbers: what is traded, what it costs and risks, what binds, and the proof."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd

from acopt.constraints.trading import Participation
from acopt.costs.impact import TemporaryImpact
from acopt.insight.closed_form import distance_from_closed_form
from acopt.insight.strategies import max_participation, time_done
from acopt.market.impact_models import AlmgrenEtAl2005, SquareRootImpact
from acopt.model.algebra import Constraint
from acopt.model.schedule import FINISHED, Schedule, term_weight
from acopt.model.setting import Setting

__all__ = ["binding", "summarise"]

LAWS = {AlmgrenEtAl2005: "the 3/5-power law", SquareRootImpact: "the square-root law"}
"""How an impact model that is linearised calls the law behind its line."""

AT_BOUND = 1e-9
"""Distance from a bound, relative to the asset's order, within which a trade is at it."""

LABEL = 15

Line = tuple[str, str]


def summarise(schedule: Schedule) -> str:
    """
    Return the schedule as plain text, one fact a line.

    The order; the cost against arrival in currency and bps of gross arrival notional, by term; the risk;
    the objective; urgency; when it is done; participation against its cap; which bounds on trades bind;
    rules broken; what the law behind a linearised impact would charge; what was assumed; the distance
    from Almgren and Chriss' closed form, when the problem reduces to it; the certificate.

    Parameters
    ----------
    schedule : optimal or evaluated; a zero order is fine.
    """
    lines: list[Line] = [
        *_order(schedule),
        *_costs(schedule),
        *_objective(schedule),
        *_urgency(schedule),
        *_pace(schedule),
        *_participation(schedule),
        *_rules(schedule),
        *_law(schedule),
        *(("assumed", note) for note in schedule.setting.market.notes),
        *_closed_form(schedule),
        ("proof", "not optimised" if schedule.certificate is None else str(schedule.certificate)),
    ]
    body = [f"{label:<{LABEL}}{text}".rstrip() for label, text in _once(lines)]
    return "\n".join([_title(schedule), *body])


def binding(schedule: Schedule, constraint: Constraint) -> pd.DataFrame | None:
    """
    Return where trades are at a constraint's own bounds, interval x asset, bool; None if it has no such bounds.

    u_ki = lower_ki or upper_ki, to 1e-9 of the order. Cells in which nothing can trade do not count, nor
    does an asset that has no order and trades nothing.
    """
    setting, trades = schedule.setting, schedule.path.trades
    bounds = constraint.trade_bounds(setting)
    if bounds is None:
        return None
    order = np.abs(setting.remaining)
    reach = AT_BOUND * np.where(order > 0, order, np.abs(trades).max(axis=0, initial=0.0))
    at_bound = np.minimum(np.abs(trades - bounds[0]), np.abs(trades - bounds[1])) <= reach
    idle = (order == 0) & ~trades.any(axis=0)
    return pd.DataFrame(at_bound & ~setting.forbidden & ~idle, index=setting.grid.labels, columns=setting.assets)


def _title(schedule: Schedule) -> str:
    setting = schedule.setting
    edges = setting.grid.edge_labels
    if isinstance(edges, pd.DatetimeIndex):
        when = f"{edges[0]:%Y-%m-%d %H:%M} to {_clock(edges[-1], setting, '%H:%M')}"
    else:
        when = f"{edges[0]:.6g} to {edges[-1]:.6g} {setting.grid.unit}s"
    n, m = setting.shape
    title = f"{schedule.name}: {_count(m, 'asset')} over {_count(n, 'interval')}, {when}"
    return f"{title}\n{'-' * len(title)}"


def _order(schedule: Schedule) -> Iterator[Line]:
    setting = schedule.setting
    buys, sells = int((setting.direction > 0).sum()), int((setting.direction < 0).sum())
    hedges = int((setting.hedges & (setting.direction == 0)).sum())
    parts = [_count(count, what) for count, what in ((buys, "buy"), (sells, "sell"), (hedges, "hedge leg")) if count]
    if buys + sells == 0:
        yield "order", ", ".join(["nothing to trade", *parts])
        return
    parts.append(f"{_money(setting.gross)} gross")
    if buys + sells > 1:
        parts.append(f"{_money(float(-setting.market.prices @ setting.remaining), sign=True)} net")
    yield "order", ", ".join(parts)


def _costs(schedule: Schedule) -> Iterator[Line]:
    """Cost, its terms and risk, as a table: currency, bps, what it is."""
    money = [t.cost.name for t in schedule.pricing.terms if t.cost.kind == "money"]
    rows = [("cost", schedule.expected_cost, money[0] if len(money) == 1 else "")] if money else []
    rows += [("", schedule.term_values[name], name) for name in money] if len(money) > 1 else []
    rows += [] if math.isnan(schedule.risk) else [("risk", schedule.risk, "one standard deviation")]
    columns = [[_amount(value) for _, value, _ in rows]]
    if schedule.setting.gross > 0:
        columns.append([f"{_bps(schedule.bps(value))} bps" for _, value, _ in rows])
    widths = [max((len(cell) for cell in column), default=0) for column in columns]
    for k, (label, _, name) in enumerate(rows):
        cells = [f"{column[k]:>{width}}" for column, width in zip(columns, widths, strict=True)]
        yield label, "   ".join([*cells, name])


def _objective(schedule: Schedule) -> Iterator[Line]:
    """Weighted values by kind, when the objective is more than the money."""
    parts = dict.fromkeys(("money", "risk", "penalty"), 0.0)
    for term in schedule.pricing.terms:
        parts[term.cost.kind] += term_weight(term) * schedule.term_values[term.cost.name]
    shown = [f"{_amount(value)} {kind}" for kind, value in parts.items() if value]
    yield "objective", _amount(schedule.objective) + (f" = {' + '.join(shown)}" if len(shown) > 1 else "")
    for term in schedule.pricing.terms:
        if term.cost.kind == "risk" and term.weight is None:
            yield "", f"without {term.cost.name}, which has no weight"


def _urgency(schedule: Schedule) -> Iterator[Line]:
    dials = schedule.urgency
    parts = (("risk price", dials.risk_price), ("risk aversion", dials.risk_aversion))
    shown = [f"{name} {value:.4g}" for name, value in parts if not math.isnan(value)]
    if shown:
        yield "urgency", ", ".join(shown)


def _pace(schedule: Schedule) -> Iterator[Line]:
    if schedule.setting.gross == 0:
        return
    moments = [(f"{fraction:.0%}", time_done(schedule, fraction)) for fraction in (0.5, FINISHED)]
    shown = [f"{share} {_when(moment, schedule)}" for share, moment in moments if not pd.isna(moment)]
    left = float(np.abs(schedule.path.remaining[-1]) @ schedule.setting.market.prices)
    if left > 0:
        shown.append(f"{_percent(left / schedule.setting.gross)} is left ({_money(left)})")
    yield "done", ", ".join(shown)


def _participation(schedule: Schedule) -> Iterator[Line]:
    setting = schedule.setting
    if not setting.market.has_volume or not schedule.path.trades.any():
        return
    k, i = np.unravel_index(int(np.abs(schedule.path.participation).argmax()), setting.shape)
    where = [str(setting.assets[int(i)])] if len(setting.assets) > 1 else []
    where.append(_label(setting, int(k)))
    text = f"at most {_percent(max_participation(schedule))} of volume ({', '.join(where)})"
    average = schedule.urgency.pov
    if math.isfinite(average):
        text += f", {_percent(average)} on average"
    for rule in schedule.pricing.constraints:
        if isinstance(rule, Participation):
            caps = setting.coefficient(rule.maximum, rule.name)[rule.where(setting) & ~setting.forbidden]
            if caps.size:
                low, high = float(caps.min()), float(caps.max())
                text += f"; cap {_percent(low)}" + (f" to {_percent(high)}" if high > low else "")
    yield "participation", text


def _rules(schedule: Schedule) -> Iterator[Line]:
    free = ~schedule.setting.forbidden
    for rule in schedule.pricing.constraints:
        found = binding(schedule, rule)
        if found is None or not found.to_numpy().any():
            continue
        where = found.to_numpy()
        text = f"{rule.name} in {where.any(axis=1).sum()} of {_count(free.any(axis=1).sum(), 'interval')}"
        if where.shape[1] > 1:
            text += f" ({where.sum():,} of {free.sum():,} trades, {_count(where.any(axis=0).sum(), 'asset')})"
        yield "binding", text
    units = {rule.name: rule.unit for rule in schedule.pricing.constraints}
    for name, size in schedule.rules_broken.items():
        yield "broken", f"{name}, by up to {_amount(size)} {units.get(name, 'shares')}"


def _law(schedule: Schedule) -> Iterator[Line]:
    """Re-price the trades under the law behind a linearised impact model."""
    market, gross = schedule.setting.market, schedule.setting.gross
    linear = [t.cost for t in schedule.pricing.terms if type(t.cost) is TemporaryImpact and t.cost.eta is None]
    if market.impact is None or len(linear) != 1 or gross == 0:
        return
    under = market.impact.law(market, schedule.path.trades)
    if under is None:
        return
    law = LAWS.get(type(market.impact), f"the law of {type(market.impact).__name__}")
    line = schedule.bps(schedule.term_values[linear[0].name])
    yield "impact law", f"linearised {_bps(line)} bps, under {law} {_bps(schedule.bps(float(np.sum(under))))} bps"


def _closed_form(schedule: Schedule) -> Iterator[Line]:
    distance = distance_from_closed_form(schedule)
    if distance is not None and schedule.setting.gross > 0:
        yield "closed form", f"Almgren-Chriss; differs from the closed form by {distance:.2g} of the order"


def _once(lines: Iterable[Line]) -> Iterator[Line]:
    """Blank a label that repeats the one above."""
    above = ""
    for label, text in lines:
        yield "" if label == above else label, text
        above = label or above


def _when(moment: pd.Timestamp | float, schedule: Schedule) -> str:
    if isinstance(moment, pd.Timestamp):
        return f"by {_clock(moment, schedule.setting, '%H:%M:%S')}"
    return f"after {_count(float(f'{moment:.4g}'), schedule.setting.grid.unit)}"


def _label(setting: Setting, k: int) -> str:
    label = setting.grid.labels[k]
    return f"from {_clock(label, setting, '%H:%M') if isinstance(label, pd.Timestamp) else format(label, '.6g')}"


def _clock(moment: pd.Timestamp, setting: Setting, form: str) -> str:
    """Format a clock time, with its date where the grid has several."""
    edges = setting.grid.edge_labels
    return moment.strftime(form if edges[0].date() == edges[-1].date() else f"%Y-%m-%d {form}")


def _count(count: float, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.3g}%"


def _amount(value: float) -> str:
    """Currency or shares: whole above 1,000, else four digits."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.4g}"


def _bps(value: float) -> str:
    return f"{value:,.2f}" if abs(value) >= 0.1 or value == 0 else f"{value:.2g}"


def _money(value: float, *, sign: bool = False) -> str:
    for size, suffix in ((1e9, "bn"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:{'+' if sign else ''},.4g}{suffix}"
    return f"{value:{'+' if sign else ''},.4g}"

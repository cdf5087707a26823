"""A schedule in words and numbers: what is traded, what it costs and risks, what binds, and the proof."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias, TypeVar

import numpy as np
import pandas as pd

from acopt.constraints.trading import Monotone, Participation, Unfilled
from acopt.costs.impact import TemporaryImpact
from acopt.insight.amounts import Amount, amounts, follows
from acopt.insight.closed_form import distance_from_closed_form
from acopt.insight.history import history
from acopt.insight.lots import RoundedSchedule
from acopt.insight.round_trips import round_trips
from acopt.insight.shadow_prices import most_valuable, shadow_prices
from acopt.insight.strategies import max_participation, time_done
from acopt.insight.words import amount, at, auction, bps, clock, count, money, names, nearest_minute, percent
from acopt.market.impact_models import AlmgrenEtAl2005, SquareRootImpact
from acopt.model.algebra import Constraint
from acopt.model.schedule import FINISHED, TOLERANCE, Schedule, term_weight
from acopt.model.setting import Mask

__all__ = ["Line", "binding", "facts", "headline", "once", "order", "summarise"]

LAWS = {AlmgrenEtAl2005: "the 3/5-power law", SquareRootImpact: "the square-root law"}
"""How an impact model that is linearised calls the law behind its line."""

DUST = 1e-12
"""Part of the objective below which a summary leaves out what a kind of cost adds to it: a soft rule that is kept."""

AT_BOUND = 1e-9
"""Distance from a bound, relative to the asset's order, within which a trade is at it."""

MONOTONE = Monotone()

LABEL = 15

T = TypeVar("T")
Line: TypeAlias = tuple[str, str]
"""A label and what is said under it."""


def summarise(schedule: Schedule) -> str:
    """
    Return the schedule as plain text, one fact a line.

    The order; the cost against arrival in currency and bps of gross arrival notional, by term (of a re-plan:
    realised, drift, to go, total); the risk, also that of trading evenly within the intervals where it differs by
    more than 10%, and that of slippage against each benchmark (of a re-plan: from now on); the objective; urgency;
    what is history; when it is done; participation against its cap; trades against the order, where no `Monotone`
    forbids them, and why they pay; hedge legs; which bounds on trades bind; rules broken, and soft ones that gave way;
    what the law behind a linearised impact
    would charge; what was assumed; the distance from Almgren and Chriss' closed form, when the problem reduces to
    it; the certificate, or the distance from the best in lots.

    Parameters
    ----------
    schedule : optimal or evaluated; a zero order is fine.
    """
    title = headline(schedule)
    lines = once([*order(schedule), *_columns(amounts(schedule)), *facts(schedule)])
    return "\n".join([title, "-" * len(title), *(f"{label:<{LABEL}}{text}".rstrip() for label, text in lines)])


def facts(schedule: Schedule) -> Iterator[Line]:
    """Say what there is to say beyond the order and its amounts, in the sequence of `FACTS`."""
    for tell in FACTS:
        yield from tell(schedule)


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
    size = np.abs(setting.remaining)
    reach = AT_BOUND * np.where(size > 0, size, np.abs(trades).max(axis=0, initial=0.0))
    at_bound = np.minimum(np.abs(trades - bounds[0]), np.abs(trades - bounds[1])) <= reach
    idle = (size == 0) & ~trades.any(axis=0)
    return pd.DataFrame(at_bound & ~setting.forbidden & ~idle, index=setting.grid.labels, columns=setting.assets)


def headline(schedule: Schedule) -> str:
    """Name the schedule, its size and its time."""
    setting = schedule.setting
    edges = setting.grid.edge_labels
    if isinstance(edges, pd.DatetimeIndex):
        when = f"{nearest_minute(edges[0]):%Y-%m-%d %H:%M} to {at(edges[-1], setting)}"
    else:
        when = f"{edges[0]:.6g} to {edges[-1]:.6g} {setting.grid.unit}s"
    n, m = setting.shape
    return f"{schedule.name}: {count(m, 'asset')} over {count(n, 'interval')}, {when}"


def order(schedule: Schedule) -> Iterator[Line]:
    """Count the sides, gross and net."""
    setting = schedule.setting
    buys, sells = int((setting.remaining < 0).sum()), int((setting.remaining > 0).sum())
    hedges = int((setting.hedges & (setting.remaining == 0)).sum())
    parts = [count(number, what) for number, what in ((buys, "buy"), (sells, "sell"), (hedges, "hedge leg")) if number]
    if buys + sells == 0:
        yield "order", ", ".join(["nothing to trade", *parts])
        return
    parts.append(f"{money(setting.gross)} gross")
    if buys + sells > 1:
        parts.append(f"{money(float(-setting.market.prices @ setting.remaining), sign=True)} net")
    yield "order", ", ".join(parts)


def _columns(rows: list[Amount]) -> Iterator[Line]:
    """Align amounts."""
    wide, narrow = (max((len(row[k]) for row in rows), default=0) for k in (1, 2))
    for label, currency, relative, what in rows:
        cells = [f"{currency:>{wide}}", *([f"{relative:>{narrow}}"] if narrow else []), what]
        yield label, "   ".join(cells)


def _objective(schedule: Schedule) -> Iterator[Line]:
    """Weighted values by kind, when the objective is more than the money."""
    parts = dict.fromkeys(("money", "risk", "penalty"), 0.0)
    for term in schedule.pricing.terms:
        parts[term.cost.kind] += term_weight(term) * schedule.term_values[term.cost.name]
    shown = [f"{amount(value)} {kind}" for kind, value in parts.items() if abs(value) > DUST * abs(schedule.objective)]
    past = "; the past as the model prices it" if schedule.setting.elapsed else ""
    yield "objective", amount(schedule.objective) + (f" = {' + '.join(shown)}" if len(shown) > 1 else "") + past
    for term in schedule.pricing.terms:
        if term.cost.kind == "risk" and term.weight is None:
            yield "", f"without {term.cost.name}, which has no weight"


def _urgency(schedule: Schedule) -> Iterator[Line]:
    """Tell the dials, where they turn something; of a re-plan the weight alone, for its risk is partly over."""
    dials = schedule.urgency
    if math.isnan(dials.risk_aversion):
        return
    if any(follows(schedule, t.cost) for t in schedule.pricing.terms if t.cost.tracks and t.weight is not None):
        return
    price = "" if schedule.setting.elapsed else f"risk price {dials.risk_price:.4g}, "
    yield "urgency", f"{price}risk aversion {dials.risk_aversion:.4g}"


def _pace(schedule: Schedule) -> Iterator[Line]:
    if schedule.setting.gross == 0:
        return
    moments = [(f"{fraction:.0%}", time_done(schedule, fraction)) for fraction in (0.5, FINISHED)]
    shown = [f"{share} {_when(moment, schedule)}" for share, moment in moments if not pd.isna(moment)]
    left = float(np.abs(schedule.path.remaining[-1]) @ schedule.setting.market.prices)
    if left > DUST * schedule.setting.gross:
        shown.append(f"{percent(left / schedule.setting.gross)} is left ({money(left)}){_left_paid(schedule)}")
    yield "done", ", ".join(shown)


def _left_paid(schedule: Schedule) -> str:
    """Tell the price of what is left, where it has one."""
    terms = [term for term in schedule.pricing.terms if isinstance(term.cost, Unfilled)]
    paid = sum(term_weight(term) * schedule.term_values[term.cost.name] for term in terms)
    return f"; penalty {amount(paid)}" if terms else ""


def _participation(schedule: Schedule) -> Iterator[Line]:
    setting = schedule.setting
    if not setting.market.has_volume or not schedule.path.trades.any():
        return
    k, i = np.unravel_index(int(np.abs(schedule.path.participation).argmax()), setting.shape)
    where = [str(setting.assets[int(i)])] if len(setting.assets) > 1 else []
    label = setting.grid.labels[int(k)]
    where.append(f"{'auction at' if auction(label, setting) else 'from'} {at(label, setting)}")
    where += ["history"] if k < setting.elapsed else []
    text = f"at most {percent(max_participation(schedule))} of volume ({', '.join(where)})"
    average = schedule.urgency.pov
    if math.isfinite(average):
        text += f", {percent(average)} on average"
    for rule in schedule.pricing.constraints:
        if isinstance(rule, Participation):
            caps = setting.coefficient(rule.maximum, rule.name)[rule.where(setting) & ~setting.forbidden]
            if caps.size:
                low, high = float(caps.min()), float(caps.max())
                text += f"; {'soft cap' if rule.soft else 'cap'} {percent(low)}"
                text += f" to {percent(high)}" if high > low else ""
    yield "participation", text


def _against(schedule: Schedule) -> Iterator[Line]:
    """Count the trades that `Monotone` would forbid, where it is absent; hedge legs and history are free."""
    setting = schedule.setting
    wrong = np.where(setting.one_sided, 0.0, MONOTONE.violation(schedule.path))
    wrong[wrong <= TOLERANCE * (setting.size or 1.0)] = 0.0
    if not wrong.any():
        return
    value = float(np.sum(wrong @ setting.market.prices))
    text = f"{count(int(np.count_nonzero(wrong)), 'trade')}, {money(value)}"
    text += f", {percent(value / setting.gross)} of the order" if setting.gross > 0 else ""
    text += f" ({names(setting.assets[np.flatnonzero(wrong.any(axis=0))])})" if len(setting.assets) > 1 else ""
    yield "against order", f"{text}; Monotone() would forbid them"


def _round_trips(schedule: Schedule) -> Iterator[Line]:
    """Say why trades against the order pay."""
    yield from (("round trips", sentence) for sentence in round_trips(schedule))


def _hedges(schedule: Schedule) -> Iterator[Line]:
    """Size the hedge legs: what they trade in all, and the most that they hold open."""
    setting = schedule.setting
    legs = setting.hedges & schedule.path.trades.any(axis=0)
    if legs.any():
        who = names(setting.assets[np.flatnonzero(legs)])
        traded = float(np.abs(schedule.path.notional[:, legs]).sum())
        held = float((np.abs(schedule.path.remaining[:, legs]) @ setting.market.prices[legs]).max())
        yield (
            "hedge legs",
            f"{who}: {money(traded)} traded, at most {money(held)} open",
        )


def _rules(schedule: Schedule) -> Iterator[Line]:
    """Count where bounds bind (those that are worth something, where prices are known); name broken rules."""
    prices = None if schedule.multipliers is None else shadow_prices(schedule)
    free = ~schedule.setting.forbidden
    free[: schedule.setting.elapsed] = False
    for rule in schedule.pricing.constraints:
        found = binding(schedule, rule)
        if found is None:
            continue
        where = found.to_numpy()
        if prices is not None:
            where = where & _valuable(prices, rule, schedule)
        if not where.any():
            continue
        text = f"{rule.name} in {where.any(axis=1).sum()} of {count(free.any(axis=1).sum(), 'interval')}"
        if where.shape[1] > 1:
            text += f" ({where.sum():,} of {free.sum():,} trades, {count(where.any(axis=0).sum(), 'asset')})"
        yield "binding", text
    units = {rule.name: rule.unit for rule in schedule.pricing.constraints}
    for name, size in schedule.rules_broken.items():
        yield "broken", f"{name}, by up to {amount(size)} {units.get(name, 'shares')}"


def _gave_way(schedule: Schedule) -> Iterator[Line]:
    """Name the soft rules that gave way: by how much, how often, and at which price."""
    periods = schedule.setting.shape[0] - schedule.setting.elapsed
    for name, row in schedule.gave_way.iterrows():
        often, most = f"in {row['intervals']} of {count(periods, 'interval')}", f"{amount(row['most'])} {row['unit']}"
        yield "gave way", f"{name} {often}, by up to {most}; penalty {amount(row['penalty'])}"


def _valuable(prices: pd.DataFrame, rule: Constraint, schedule: Schedule) -> Mask:
    """Trades (N, n) at which a bound of the rule has a price."""
    setting, out = schedule.setting, np.zeros(schedule.setting.shape, dtype=bool)
    own = prices[(prices["constraint"] == rule.name) & (prices["together"] > 0)]
    out[
        setting.grid.labels.get_indexer(pd.Index(own["interval"])), setting.assets.get_indexer(pd.Index(own["asset"]))
    ] = True
    return out


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
    yield "impact law", f"linearised {bps(line)} bps, under {law} {bps(schedule.bps(float(np.sum(under))))} bps"


def _closed_form(schedule: Schedule) -> Iterator[Line]:
    distance = distance_from_closed_form(schedule)
    if distance is not None and schedule.setting.gross > 0:
        yield "closed form", f"Almgren-Chriss; differs from the closed form by {distance:.2g} of the order"


def _worth(schedule: Schedule) -> Iterator[Line]:
    if schedule.multipliers is not None:
        yield from (("worth", sentence) for sentence in most_valuable(schedule))


def _lots(schedule: Schedule) -> Iterator[Line]:
    if isinstance(schedule, RoundedSchedule):
        yield "lots", str(schedule.rounding)


def _assumed(schedule: Schedule) -> Iterator[Line]:
    yield from (("assumed", note) for note in schedule.setting.market.notes)
    for term in schedule.pricing.terms:
        yield from (("fragile", note) for note in term.cost.notes(schedule.setting))


def _proof(schedule: Schedule) -> Iterator[Line]:
    yield "proof", schedule.proof


def once(lines: Iterable[tuple[str, T]]) -> Iterator[tuple[str, T]]:
    """Blank a label that repeats the one above."""
    above = ""
    for label, text in lines:
        yield "" if label == above else label, text
        above = label or above


def _when(moment: pd.Timestamp | float, schedule: Schedule) -> str:
    if isinstance(moment, pd.Timestamp):
        return f"by {clock(moment, schedule.setting, '%H:%M:%S')}"
    return f"after {count(float(f'{moment:.4g}'), schedule.setting.grid.unit)}"


FACTS: tuple[Callable[[Schedule], Iterable[Line]], ...] = (
    _objective,
    _urgency,
    history,
    _pace,
    _participation,
    _against,
    _round_trips,
    _hedges,
    _rules,
    _gave_way,
    _worth,
    _lots,
    _law,
    _assumed,
    _closed_form,
    _proof,
)
"""What a summary tells, in this sequence: each a function of the schedule that yields lines."""

"""A plan on the bars of its day: what it would have been filled at, and what that costs against benchmarks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd

from acopt.constraints.trading import Participation
from acopt.costs.impact import PermanentImpact, SpreadCost, TemporaryImpact
from acopt.costs.power import PowerImpact
from acopt.costs.transient import TransientImpact
from acopt.errors import DataError, ModelError
from acopt.insight.tape import FILLS, Tape, read_tape
from acopt.insight.words import nearest_minute
from acopt.market.bars import Bars
from acopt.market.labels import Array
from acopt.market.market import Market
from acopt.model.schedule import Schedule, slack

__all__ = ["BENCHMARKS", "TOTAL", "Arrival", "Fill", "Impact", "Replay", "replay"]

Impact: TypeAlias = Literal["model"] | None
Fill: TypeAlias = Literal["vwap", "open", "close"]
Arrival: TypeAlias = Literal["plan", "day"]

BENCHMARKS = ("arrival", "vwap", "twap", "close")
TOTAL = "total"
PRICED = (TemporaryImpact, PowerImpact, PermanentImpact, TransientImpact, SpreadCost)
"""The costs that move a fill; an Alpha is in the day's prices already."""

CAP_COLUMNS = ["constraint", "time", "symbol", "planned", "realised", "shares", "limit", "excess"]


@dataclass(frozen=True, eq=False, repr=False)
class Replay:
    """
    One plan, filled on the real bars of its day; made by `replay`.

    slippage_i(B) = sum_k u_ki (fill_ki - B_i), bad = positive, for each benchmark price B

    Attributes
    ----------
    plan : Schedule
        What was replayed.
    priced : tuple of str
        Names of the plan's costs that are in the fills; empty without impact.
    fill : str
        The rule for the price before impact.
    reference : pd.DataFrame, shape (N, n), currency/share
        Price before impact, interval x asset; NaN where the grid is closed.
    charged : pd.DataFrame, shape (N, n), currency
        Model impact and spread, interval x asset.
    volume : pd.DataFrame, shape (N, n), shares
        What the bars say was traded; in a cross, of which they have no print, what the plan expected.
    benchmarks : pd.DataFrame, shape (n, 4), currency/share
        By asset: arrival, vwap, twap, close.
    notes : tuple of str
        What was left aside, or had to be assumed.
    """

    plan: Schedule
    priced: tuple[str, ...]
    fill: Fill
    reference: pd.DataFrame
    charged: pd.DataFrame
    volume: pd.DataFrame
    benchmarks: pd.DataFrame
    notes: tuple[str, ...]

    @cached_property
    def slippage(self) -> pd.DataFrame:
        """
        Currency, asset and total x benchmark; the last column, impact, is the part that the model charged.

        NaN against a VWAP that does not exist: no volume in any bar of the window.
        """
        trades, reference = self.plan.path.trades, self.reference.to_numpy()
        charged = self.charged.to_numpy()
        columns = {}
        for name in BENCHMARKS:
            moved = trades * (reference - self.benchmarks[name].to_numpy())
            columns[name] = np.where(trades != 0, moved + charged, 0.0).sum(axis=0)
        columns["impact"] = charged.sum(axis=0)
        return _with_total(pd.DataFrame(columns, index=self.benchmarks.index))

    @cached_property
    def table(self) -> pd.DataFrame:
        """
        One row an asset, and the total.

        `notional`: gross arrival notional of the order, currency; `arrival_bps`, `vwap_bps`, `twap_bps`,
        `close_bps`, `impact_bps`: slippage in bps of it (an asset's of its own; NaN for a zero order);
        `participation`: traded over the market's volume of the window, at arrival prices;
        `max_participation`: the largest of an interval, infinite where there was no volume.
        """
        arrival = self.benchmarks["arrival"].to_numpy()
        assets = self.benchmarks.index
        sums = _with_total(
            pd.DataFrame(
                {
                    "notional": arrival * np.abs(self.plan.setting.remaining),
                    "traded": arrival * np.abs(self.plan.path.trades).sum(axis=0),
                    "market": arrival * self.volume.to_numpy().sum(axis=0),
                },
                index=assets,
            )
        )
        notional = sums["notional"].where(sums["notional"] > 0)
        bps = self.slippage.mul(1e4).div(notional, axis=0).add_suffix("_bps")
        pace = _ratio(sums["traded"].to_numpy(), sums["market"].to_numpy())
        largest = self.participation.max(skipna=False)
        largest[TOTAL] = largest.max(skipna=False)
        return sums[["notional"]].join(bps).assign(participation=pace, max_participation=largest)

    @cached_property
    def fills(self) -> pd.DataFrame:
        """Tidy: time (the interval's start), symbol, side, quantity, price; as `plan.reoptimize(executed=)` takes."""
        trades = self.plan.path.trades
        rows, columns = np.nonzero(trades)
        done = trades[rows, columns]
        price = self.reference.to_numpy()[rows, columns] + self.charged.to_numpy()[rows, columns] / done
        return pd.DataFrame(
            {
                "time": self.plan.setting.grid.labels[rows],
                "symbol": self.plan.setting.assets[columns],
                "side": np.where(done > 0, "buy", "sell"),
                "quantity": np.abs(done),
                "price": price,
            }
        )

    @cached_property
    def participation(self) -> pd.DataFrame:
        """
        |trades| over the day's volume, interval x asset.

        Our own trades count as part of that volume, as in a plan: we took the place of others. Infinite without
        volume, 0 where nothing was traded, NaN in a cross whose volume the plan does not know.
        """
        pace = _ratio(np.abs(self.plan.path.trades), self.volume.to_numpy())
        return pd.DataFrame(pace, index=self.volume.index, columns=self.volume.columns)

    @cached_property
    def caps(self) -> pd.DataFrame:
        """
        Where a `Participation` of the plan breaks on the day's volume, tidy; empty when none does.

        `planned` and `realised`: participation on the expected and on the real volume; `shares`: traded;
        `limit`: what the rule allows on the real volume (a cap, or a floor that was missed), shares;
        `excess`: shares outside it.
        """
        rules = [rule for rule in self.plan.pricing.constraints if isinstance(rule, Participation) and not rule.soft]
        frames = [frame for rule in rules if len(frame := self._broken(rule))]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=CAP_COLUMNS)

    def _broken(self, rule: Participation) -> pd.DataFrame:
        expected, trades = self.plan.setting, self.plan.path.trades
        setting = replace(expected, market=Market(expected.grid, expected.market.price, volume=self.volume))
        lower, upper = rule.bounds(setting)
        excess = np.where(rule.where(setting), np.maximum(lower - trades, trades - upper), 0.0)
        rows, columns = np.nonzero(excess > slack(rule, self.plan.path))
        at = (rows, columns)
        return pd.DataFrame(
            {
                "constraint": rule.name,
                "time": setting.grid.labels[rows],
                "symbol": setting.assets[columns],
                "planned": np.abs(self.plan.path.participation)[at],
                "realised": self.participation.to_numpy()[at],
                "shares": np.abs(trades)[at],
                "limit": np.abs(np.where(trades > upper, upper, lower))[at],
                "excess": excess[at],
            }
        )[CAP_COLUMNS]

    def __str__(self) -> str:
        """In words: slippage by benchmark, participation, caps, notes."""
        return "\n".join(_words(self))

    def __repr__(self) -> str:
        """One line."""
        total = self.table.loc[TOTAL]
        parts = ", ".join(f"{name} {total[f'{name}_bps']:.4g}" for name in BENCHMARKS)
        return f"Replay({self.plan.name!r}, {self.plan.setting.grid.labels[0]:%Y-%m-%d}; bps against {parts})"


def replay(
    plan: Schedule, bars: Bars, *, impact: Impact = "model", fill: Fill = "vwap", arrival: Arrival = "plan"
) -> Replay:
    """
    Execute a plan on the bars of its day, as planned, whatever the day brings.

    fill_ki = p_ki + c_ki / u_ki,  slippage_i(B) = sum_k u_ki (fill_ki - B_i)

    p_ki, the price before impact, is by default the interval's VWAP as the bars know it, sum_b V_b m_b / sum_b V_b
    over its bars b, with the typical price m = (high + low + close)/3. An interval without volume fills at
    the last price known, and breaks any cap there. In a cross, of which bars have no print, p is the next
    bar's open (opening cross) or the last bar's close (closing cross), and the volume what the plan expected.

    c_ki is what the plan's own `TemporaryImpact`, `PowerImpact`, `PermanentImpact`, `TransientImpact` and
    `SpreadCost` charge for the trade (currency, >= 0 as a rule), on the volume that the plan expected: a buy fills
    above p, a sell below.

    The benchmarks B: `arrival`; `vwap` and `twap` of the bars in the grid's intervals (volume-weighted and plain
    mean of m; nights, breaks and crosses apart); `close`, the session's last, also when the grid ends
    earlier. They are those of the day as it was, without our trades. Shares that the plan leaves are not priced.

    Parameters
    ----------
    plan : a schedule on a grid with clock times; every open interval is a whole number of bars. Intervals that are
        history are filled like the others, as the plan does not know at which price they were.
    bars : intraday bars that cover the grid.
    impact : "model" as above; None fills at p.
    fill : p: "vwap", or the interval's "open" (the first bar's) or "close" (the last bar's).
    arrival : "plan", the price that the plan was made with (`market.price`); "day", the last price at or
        before t_0 in the day's own session, its open when the grid starts with the session.

    Raises
    ------
    DataError
        A symbol, session or interval that the bars lack; a grid without clock, or off the bars' edges; an
        unknown option.
    ModelError
        The plan trades in a closed interval, or where its impact model has no finite price (no volume expected).

    References
    ----------
    Perold (1988), "The implementation shortfall"; Berkowitz, Logue & Noser (1988) for VWAP.
    """
    _check_options(plan, bars, impact, fill, arrival)
    setting = plan.setting
    tape = read_tape(bars.select(setting.assets), setting.grid)
    _tradable(plan)
    charged, priced, notes = _charged(plan) if impact else (np.zeros(setting.shape), (), [])
    start = setting.market.prices if arrival == "plan" else tape.arrival

    def frame(values: Array) -> pd.DataFrame:
        return pd.DataFrame(values, index=setting.grid.labels, columns=setting.assets)

    return Replay(
        plan=plan,
        priced=priced,
        fill=fill,
        reference=frame(tape.price(fill)),
        charged=frame(charged),
        volume=frame(_with_crosses(tape.volume, plan)),
        benchmarks=pd.DataFrame(
            dict(zip(BENCHMARKS, (start, tape.vwap, tape.twap, tape.close), strict=True)), index=setting.assets
        ),
        notes=(*notes, *_left(plan), *_unquoted(plan, tape)),
    )


def _check_options(plan: Schedule, bars: Bars, impact: object, fill: object, arrival: object) -> None:
    if not isinstance(plan, Schedule):
        raise DataError(f"replay plan: {type(plan).__name__} was given, a Schedule is expected")
    if not isinstance(bars, Bars):
        raise DataError(f"replay bars: {type(bars).__name__} was given, Bars are expected (read_bars makes them)")
    for name, given, accepted in (
        ("impact", impact, ("model", None)),
        ("fill", fill, FILLS),
        ("arrival", arrival, ("plan", "day")),
    ):
        if not (given is None or isinstance(given, str)) or given not in accepted:
            raise DataError(f"replay {name}={given!r}: accepted are {', '.join(map(repr, accepted))}")


def _tradable(plan: Schedule) -> None:
    setting = plan.setting
    at_night = np.argwhere((plan.path.trades != 0) & setting.grid.closed[:, None])
    if at_night.size:
        k, i = at_night[0]
        raise ModelError(
            f"replay: the plan trades {plan.path.trades[k, i]:,.6g} {setting.assets[i]} from {setting.grid.labels[k]}, "
            "in a closed interval, where there are no bars to fill at"
        )


def _charged(plan: Schedule) -> tuple[Array, tuple[str, ...], list[str]]:
    """What the plan's impact and spread terms charge (N, n), their names, and what is not among them."""
    setting = plan.setting
    money = [term.cost for term in plan.pricing.terms if term.cost.kind == "money"]
    terms = [cost for cost in money if isinstance(cost, PRICED)]
    others = [cost.name for cost in money if not isinstance(cost, PRICED)]
    charged = np.zeros(setting.shape)
    for cost in terms:
        charged = charged + np.where(plan.path.trades != 0, cost.values(plan.path), 0.0)
    endless = np.argwhere(~np.isfinite(charged))
    if endless.size:
        k, i = endless[0]
        raise ModelError(
            f"replay: the plan trades {plan.path.trades[k, i]:,.6g} {setting.assets[i]} from {setting.grid.labels[k]}, "
            "where it expects no volume, so its impact has no price; replay(..., impact=None) fills without impact"
        )
    notes = [f"not in the fills: {', '.join(others)}"] if others else []
    notes += [] if terms else ["the plan has no impact or spread term: fills are without impact"]
    return charged, tuple(cost.name for cost in terms), notes


def _with_crosses(volume: Array, plan: Schedule) -> Array:
    """Volume with the plan's own expectation where the bars have none: in a cross."""
    market = plan.setting.market
    return np.where(np.isnan(volume), market.volumes, volume) if market.has_volume else volume


def _left(plan: Schedule) -> list[str]:
    left = plan.path.remaining[-1]
    names = [
        f"{abs(shares):,.6g} {name}"
        for shares, name, size in zip(left, plan.setting.assets, np.abs(plan.setting.remaining), strict=True)
        if abs(shares) > 1e-9 * size
    ]
    return [f"left and not priced: {', '.join(names)}"] if names else []


def _unquoted(plan: Schedule, tape: Tape) -> list[str]:
    """Say where fills are at a carried price, and which VWAP does not exist."""
    idle = (plan.path.trades != 0) & (tape.volume == 0) & tape.quoted[:, None]
    notes = []
    if idle.any():
        counts = zip(plan.setting.assets, idle.sum(axis=0), strict=True)
        names = [f"{name} {count}" for name, count in counts if count]
        notes.append(f"trades in intervals without volume, filled at the last price: {', '.join(names)}")
    if (plan.path.trades[plan.setting.grid.auctions] != 0).any():
        notes.append("crosses filled at the open of the bar after, or the close of the bar before; volume as planned")
    silent = plan.setting.assets[np.isnan(tape.vwap)]
    return notes + ([f"no volume in the window, so no VWAP: {', '.join(map(str, silent))}"] if len(silent) else [])


def _with_total(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([frame, frame.sum(skipna=False).to_frame(TOTAL).T])


def _ratio(part: Array, whole: Array) -> Array:
    """Part of the whole: infinite of nothing, 0 when both are nothing, NaN of what is not known."""
    unlike = np.where(np.isnan(whole), np.nan, np.where(part > 0, np.inf, 0.0))
    return np.divide(part, whole, out=unlike, where=whole > 0)


def _words(day: Replay) -> Iterator[str]:
    plan, paid, total = day.plan, day.slippage.loc[TOTAL], day.table.loc[TOTAL]
    edges = plan.setting.grid.edge_labels
    first, last = nearest_minute(edges[0]), nearest_minute(edges[-1])
    title = f"{plan.name} replayed, {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M}"
    yield title
    yield "-" * len(title)
    charge = f", with {', '.join(day.priced)}" if day.priced else ", without impact"
    yield f"{'fills':<15}at the interval's {day.fill if day.fill != 'vwap' else 'VWAP'}{charge}"
    for name in (*BENCHMARKS, "impact"):
        label = "of it impact" if name == "impact" else f"against {name}"
        cells = f"{paid[name]:>14,.0f}   {total[f'{name}_bps']:8.2f} bps"
        planned = f" (the plan: {plan.bps(plan.expected_cost):.2f}, risk {plan.bps(plan.risk):.2f})"
        yield f"{label:<15}{cells}{planned if name == 'arrival' else ''}"
    yield (
        f"{'participation':<15}{100 * total['participation']:.3g}% of the day's volume, "
        f"at most {100 * total['max_participation']:.3g}% in an interval"
    )
    for rule, broken in day.caps.groupby("constraint"):
        worst = broken.sort_values("excess").iloc[-1]
        yield (
            f"{'broken':<15}{rule} in {len(broken):,} of {np.count_nonzero(plan.path.trades):,} trades; most shares: "
            f"{worst['symbol']} from {nearest_minute(worst['time']):%H:%M}, {worst['shares']:,.0f} for "
            f"{worst['limit']:,.0f} allowed"
        )
    for note in day.notes:
        yield f"{'noted':<15}{note}"

"""The tables that the command line prints, and how a frame becomes text."""

from __future__ import annotations

import numpy as np
import pandas as pd

from acopt.insight.lots import Rounding
from acopt.insight.replay import Replay
from acopt.insight.words import at
from acopt.model.schedule import Schedule

__all__ = ["as_text", "binding", "by_asset", "expected", "explained", "replayed", "rounded"]

MOST = 10
"""Bounds that an explanation names."""
FORMS = {
    **dict.fromkeys(("cost_bps", "risk_bps", "tracking_bps", "price"), "{:,.2f}".format),
    **dict.fromkeys(("arrival_bps", "vwap_bps", "twap_bps", "close_bps", "impact_bps"), "{:,.2f}".format),
    **dict.fromkeys(("objective", "shares", "notional", "saved"), "{:,.0f}".format),
    **dict.fromkeys(("of_volume", "participation", "max_participation"), "{:.1%}".format),
    **{"expected": "{:,.8g}".format, "found": "{:,.8g}".format, "finish": "{:.4g}".format, "worth": "{:,.4g}".format},
    **dict.fromkeys(("difference", "allowed"), "{:.1e}".format),
    "bound": "{:,.8g}".format,
}


def as_text(table: pd.DataFrame) -> str:
    """Return a table as text, each column in its form."""
    shown = table.copy()
    for name in table.columns:
        if isinstance(table[name].dtype, pd.DatetimeTZDtype):
            shown[name] = ["-" if pd.isna(when) else f"{when:%Y-%m-%d %H:%M:%S}" for when in table[name]]
        elif name in FORMS:
            shown[name] = ["-" if pd.isna(value) else FORMS[name](value) for value in table[name]]
        elif name == "rules_broken":
            shown[name] = table[name].replace("", "-")
    return shown.rename_axis(None).to_string()


def by_asset(plan: Schedule) -> pd.DataFrame:
    """Order, its share of the expected volume, expected cost, by asset."""
    setting, volume = plan.setting, plan.setting.market.has_volume
    shares = plan.setting.order.remaining.abs()
    parts = plan.breakdown()
    cost = parts[parts["kind"] == "money"].groupby("asset")["value"].sum().reindex(setting.assets)
    table = pd.DataFrame({"side": np.where(setting.direction < 0, "sell", "buy"), "shares": shares})
    table["price"] = setting.market.price
    table["notional"] = shares * table["price"]
    table["of_volume"] = shares / setting.market.volumes.sum(axis=0) if volume else np.nan
    table["cost_bps"] = 1e4 * cost / table["notional"].where(shares > 0)
    table["max_participation"] = plan.participation.max() if volume else np.nan
    return table.rename_axis("symbol")


def binding(plan: Schedule) -> pd.DataFrame:
    """Return the most valuable bounds of an optimal plan; those that are worth nothing are left out."""
    prices = plan.shadow_prices()
    return prices[prices["price"] != 0].head(MOST)


def explained(plan: Schedule, costs: pd.DataFrame, bounds: pd.DataFrame) -> list[str]:
    """Return what each rule costs, and which bounds are worth most, as text."""
    left_out = costs.drop(columns=[] if costs["reason"].any() else ["reason"])
    left_out["changed"] = left_out["changed"].map({True: "yes", False: "no"})
    sections = [f"What each rule costs, the problem solved without it:\n{as_text(left_out)}"]
    if bounds.empty:
        return [*sections, "No bound is worth anything."]
    shown = bounds.drop(columns=["together", *(["tied"] if not bounds["tied"].any() else [])])
    shown = shown.rename(columns={"price": "worth"}).set_index("constraint")
    shown["interval"] = ["-" if when is None else _when(when, plan) for when in shown["interval"]]
    shown["asset"] = ["-" if asset is None else asset for asset in shown["asset"]]
    title = "The most valuable bounds, and what a unit of room would save (Complete: a share left over):"
    return [*sections, f"{title}\n{as_text(shown)}"]


def _when(label: pd.Timestamp, plan: Schedule) -> str:
    """Name an interval by its start; a cross as such."""
    grid = plan.setting.grid
    return f"{'auction ' if label in grid.labels[grid.auctions] else ''}{at(label, plan.setting)}"


def rounded(rounding: Rounding) -> str:
    """Return what rounding to lots did, and which shares are no whole lot."""
    said = str(rounding)
    odd = "" if rounding.odd.empty else f"\nodd shares, and the trade that has them:\n{as_text(rounding.odd)}"
    return f"{said[:1].upper()}{said[1:]}{odd}"


def replayed(day: Replay) -> list[str]:
    """Return a replay in words, and its table by asset."""
    return [str(day), as_text(day.table)]


def expected(check: pd.DataFrame) -> str:
    """Return expected against found: numbers one by one, paths by their worst difference."""
    rows = []
    named = check.assign(difference=(check["found"] - check["expected"]).abs(), asset=check["asset"].fillna(""))
    for key, part in named.groupby(["quantity", "asset"], sort=False):
        what = ", ".join(str(each) for each in tuple(key) if each) + (
            f" (worst of {len(part)})" if len(part) > 1 else ""
        )
        worst = part.sort_values("difference").iloc[-1][["expected", "found", "difference", "allowed"]]
        rows.append({"quantity": what, **worst, "": "ok" if part["passed"].all() else "MISSED"})
    return as_text(pd.DataFrame(rows).set_index("quantity")) if rows else "the file promises no numbers"

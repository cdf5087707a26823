"""Answers as JSON has them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import pandas as pd

from acopt.insight.lots import Rounding
from acopt.insight.replay import Replay
from acopt.interface.tables import by_asset
from acopt.model.schedule import Schedule

__all__ = ["of_lots", "of_plan", "of_replay", "rows", "to_json"]


def of_plan(plan: Schedule, optimum: Schedule) -> dict[str, Any]:
    """Return a schedule; dials and proof are those of the optimum, which the schedule may round to lots."""
    proof, urgency = optimum.certificate, optimum.urgency
    values = {"expected_cost": plan.expected_cost, "cost_bps": plan.bps(plan.expected_cost), "risk": plan.risk}
    return {
        "order": rows(by_asset(plan)),
        "notes": list(plan.setting.market.notes),
        "costs": {**values, "risk_bps": plan.bps(plan.risk), "objective": plan.objective, "terms": plan.term_values},
        "urgency": _values(urgency),
        "certificate": None if proof is None else {**_values(proof), "relative_gap": proof.relative_gap},
        "rules_broken": plan.rules_broken,
        "schedule": rows(plan.to_frame()),
    }


def of_lots(rounding: Rounding) -> dict[str, Any]:
    """Return what rounding to lots did."""
    proof = {"price_bps": rounding.price_bps, "gap": rounding.gap, "proven": rounding.proven}
    return {**_values(rounding), "lot": rounding.lot.to_dict(), "odd": rows(rounding.odd), **proof}


def of_replay(day: Replay) -> dict[str, Any]:
    """Return a replay: its table, and the caps that broke."""
    about = {"fill": day.fill, "priced": list(day.priced), "notes": list(day.notes)}
    return {**about, "table": rows(day.table.rename_axis("symbol")), "caps": rows(day.caps)}


def rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table, its index among the columns where it has a name."""
    named = table.reset_index() if table.index.name else table
    return [dict(zip(named.columns, row, strict=True)) for row in named.itertuples(index=False)]


def to_json(document: Mapping[str, Any]) -> str:
    """Return JSON text."""
    return json.dumps(_plain(document), indent=2, allow_nan=False)


def _values(found: Any) -> dict[str, Any]:
    return {each.name: getattr(found, each.name) for each in fields(found)}


def _plain(value: Any) -> Any:
    """Return what JSON can hold: no NaN, no NumPy, times as ISO text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NaT or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value if isinstance(value, bool | int | float | str) else value.isoformat()

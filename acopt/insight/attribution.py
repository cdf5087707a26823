"""Where cost and risk come from: by term, asset and interval."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd

from acopt.costs.risk import TimingRisk, TrackingRisk
from acopt.errors import DataError, ModelError
from acopt.market.covariance import RiskModel
from acopt.market.labels import Array, is_one_of
from acopt.model.schedule import Schedule, term_weight

__all__ = ["attribution", "breakdown", "variance_parts"]

Axis: TypeAlias = Literal["asset", "interval"]

TOTAL, NOT_SPLIT = "total", "not split"
COST, RISK, TRACKING = SUMS = "cost", "risk", "tracking_risk"


def breakdown(schedule: Schedule) -> pd.DataFrame:
    """
    Cost by term, asset and interval, tidy: cost, kind, weight, interval, asset, value, weighted.

    `weighted` sums to the objective. A custom cost has no parts: its row has no asset and interval.
    """
    setting = schedule.setting
    n, m = setting.shape
    frames = []
    for term in schedule.pricing.terms:
        values = np.asarray(term.cost.values(schedule.path))
        whole = values.shape != (n, m)
        frames.append(
            pd.DataFrame(
                {
                    "cost": term.cost.name,
                    "kind": term.cost.kind,
                    "weight": term_weight(term),
                    "interval": [None] if whole else setting.grid.labels.repeat(m),
                    "asset": [None] if whole else np.tile(setting.assets.to_numpy(), n),
                    "value": [float(values.sum())] if whole else values.ravel(),
                }
            )
        )
    out = pd.concat([f.astype({"interval": object, "asset": object}) for f in frames], ignore_index=True)
    out["weighted"] = out["weight"] * out["value"]
    return out


def attribution(schedule: Schedule, by: Axis = "asset") -> pd.DataFrame:
    """
    Split cost and risk over assets, or over intervals.

    RC_i = sum_k tau_k x_ki (Sigma_k x_k)_i / Std = x_i dStd/dx_i  (Euler), so that sum_i RC_i = Std

    Parameters
    ----------
    schedule : any; x_k (n,) shares held after trade k, Sigma_k (n, n) per unit of time, tau_k a duration.
    by : "asset" or "interval"; the risk of an interval is the same sum over assets, at one k.

    Returns
    -------
    DataFrame
        One row per asset (interval), and "total". Every money cost in currency under its name; their sum
        `cost`; `cost_bps` of the whole order's gross arrival notional; `risk`, the part of one standard
        deviation against arrival, negative where an asset hedges the rest; `risk_bps`; with tracking terms
        `tracking_risk`, `tracking_risk_bps`, the same against their benchmarks; every penalty under its
        name, in its own unit. All without the objective's weights. Risk columns are absent without a
        covariance, bps are NaN for a zero order. A cost without parts (a custom one) stands in a row
        "not split".

    Raises
    ------
    DataError
        `by` is neither.
    ModelError
        The name of a cost or of an asset is that of a column or a row of the table.

    References
    ----------
    Litterman (1996), "Hot spots and hedges"; Tasche (1999), "Risk contributions and performance measurement".
    """
    if not is_one_of(by, ("asset", "interval")):
        raise DataError(f"attribution by={by!r}: 'asset' or 'interval' is expected")
    columns = dict(_columns(schedule))
    rows = list(schedule.setting.assets if by == "asset" else schedule.setting.grid.labels)
    remainder = [NOT_SPLIT] if any(part.rest is not None for part in columns.values()) else []
    for label in (*remainder, TOTAL):
        if label in rows:
            raise ModelError(f"attribution: the asset {label!r} has the name of a row of the table; call it otherwise")
    table = {}
    for name, part in columns.items():
        split = part.cells.sum(axis=0 if by == "asset" else 1)
        table[name] = np.array([*split, *([part.rest or 0.0] if remainder else []), part.total])
        if name in SUMS:
            table[f"{name}_bps"] = np.array([schedule.bps(value) for value in table[name]])
    return pd.DataFrame(table, index=pd.Index([*rows, *remainder, TOTAL], dtype=object, name=by))


def variance_parts(schedule: Schedule, *, evenly: bool = False) -> Array | None:
    """
    Split the variance of cost against arrival over intervals and assets (N, n), currency^2.

    tau_k x_ki (Sigma_k x_k)_i,  its sum over i and k the schedule's variance

    evenly: tau_k/3 (x_{k-1,i} (Sigma_k x_{k-1})_i + x_{k-1,i} (Sigma_k x_k)_i + x_ki (Sigma_k x_k)_i), the integral of
    x'Sigma x over the interval for a position that runs straight from x_{k-1} to x_k, as when trade k is worked at a
    constant rate. In a closed interval nothing trades, so the position is x_k throughout.

    Parameters
    ----------
    schedule : any; x_k (n,) shares held after trade k, Sigma_k (n, n) per unit of time, tau_k a duration.
    evenly : count the risk that is carried inside an interval while its trade is worked.

    Returns
    -------
    ndarray or None
        None where no covariance is known: neither the market's nor that of the one risk term.

    References
    ----------
    Almgren & Chriss (2000), equation (5); evenly, the limit of a fine grid.
    """
    model, path, tau = _risk_model(schedule), schedule.path, schedule.setting.durations
    if model is None:
        return None
    after = path.after
    pull = model.apply(after)
    if not evenly:
        return np.asarray(tau * after * pull)
    closed = np.asarray(schedule.setting.grid.closed)[:, None]
    before = np.where(closed, after, path.remaining[:-1])
    return np.asarray(tau / 3.0 * (before * model.apply(before) + (before + after) * pull))


def _risk_model(schedule: Schedule) -> RiskModel | None:
    """Return the market's covariance, else that of the one risk term that has its own."""
    setting = schedule.setting
    if setting.market.covariance is not None:
        return setting.market.risk
    own = [t.cost for t in schedule.pricing.terms if t.cost.arrival_variance(schedule.path) is not None]
    known = len(own) == 1 and isinstance(own[0], TimingRisk | TrackingRisk)
    return own[0].model(setting) if known else None  # type: ignore[attr-defined]


@dataclass(frozen=True)
class _Part:
    """A value by interval and asset (N, n), and what has no such parts (None where everything has)."""

    cells: Array
    rest: float | None = None

    @property
    def total(self) -> float:
        return float(self.cells.sum()) + (self.rest or 0.0)


def _columns(schedule: Schedule) -> Iterator[tuple[str, _Part]]:
    """Columns of the table, those in bps apart."""
    terms = schedule.pricing.terms
    parts = {t.cost.name: _part(schedule, t.cost.values(schedule.path)) for t in terms}
    for name in parts:
        if name.removesuffix("_bps") in SUMS:
            raise ModelError(f"attribution: the cost {name!r} has the name of a column of the table; call it otherwise")
    money = [t.cost.name for t in terms if t.cost.kind == "money"]
    yield from ((name, parts[name]) for name in money)
    yield COST, _sum(schedule, [parts[name] for name in money])
    if (arrival := _arrival(schedule)) is not None:
        yield RISK, _euler(arrival)
    if tracking := [parts[t.cost.name] for t in terms if t.cost.tracks]:
        yield TRACKING, _euler(_sum(schedule, tracking))
    yield from ((t.cost.name, parts[t.cost.name]) for t in terms if t.cost.kind == "penalty")


def _part(schedule: Schedule, values: Array) -> _Part:
    values, shape = np.asarray(values), schedule.setting.shape
    return _Part(values) if values.shape == shape else _Part(np.zeros(shape), float(values.sum()))


def _sum(schedule: Schedule, parts: list[_Part]) -> _Part:
    rests = [part.rest for part in parts if part.rest is not None]
    return _Part(sum((part.cells for part in parts), np.zeros(schedule.setting.shape)), sum(rests) if rests else None)


def _arrival(schedule: Schedule) -> _Part | None:
    """Parts of the variance against arrival; whole where its term has none, None where no risk is known."""
    if (cells := variance_parts(schedule)) is not None:
        return _Part(cells)
    return None if np.isnan(schedule.variance) else _part(schedule, np.asarray(schedule.variance))


def _euler(variance: _Part) -> _Part:
    """Divide the parts of a variance by its root: the parts of the standard deviation."""
    deviation = float(np.sqrt(max(variance.total, 0.0)))
    scale = 1.0 / deviation if deviation > 0 else 0.0
    return _Part(scale * variance.cells, None if variance.rest is None else scale * variance.rest)

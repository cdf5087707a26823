"""Random costs for the second oracle."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from composed import Array, Case, Cost, Tape, value
from composed_forms import as_float, form_of, nothing
from composed_rules import twap
from scipy.linalg import eigh

Random = np.random.Generator


def log_uniform(rng: Random, low: float, high: float) -> float:
    """10^U(log10 low, log10 high)."""
    return float(10 ** rng.uniform(np.log10(low), np.log10(high)))


def correlation(rng: Random, n: int) -> Array:
    """Return a random correlation matrix."""
    loads = rng.normal(size=(n, int(rng.integers(1, n + 1)))) * rng.uniform(0, 2)
    raw = loads @ loads.T + np.diag(rng.uniform(0.2, 1.5, n))
    scale = 1 / np.sqrt(np.diag(raw))
    return np.asarray(raw * scale[:, None] * scale[None, :])


def per_interval(rng: Random, tape: Tape, base: Array) -> Array:
    """(n,) as (N, n), constant or varying."""
    factor = rng.lognormal(0, 0.5, tape.volume.shape) if rng.random() < 0.4 else np.ones(tape.volume.shape)
    return np.asarray(base * factor)


def draw_temporary(rng: Random, tape: Tape, facts: dict[str, Any]) -> Cost:
    """Draw diagonal or cross impact, paying some bps at 10% of the volume."""
    bps = log_uniform(rng, 0.3, 30)
    speed = tape.volume.sum(axis=0) / facts["open_time"].sum()  # shares per time
    base = bps * 1e-4 * tape.price / (0.1 * speed)
    crowd = bps * 1e-4 * tape.price / (0.1 * np.where(tape.volume > 0, tape.volume, 1.0))
    if len(base) > 1 and rng.random() < 0.25:
        cross = correlation(rng, len(base))
        eta = np.sqrt(np.outer(base, base)) * cross * np.ones((len(tape.durations), 1, 1))
        auction = np.sqrt(crowd[:, :, None] * crowd[:, None, :]) * cross
    else:
        eta, auction = per_interval(rng, tape, base), crowd
    return Cost("TemporaryImpact", 1.0, {"eta": eta, "auction": auction, "base": base})


def draw_transient(rng: Random, tape: Tape, facts: dict[str, Any]) -> Cost:
    """Draw kernels and strength."""
    n, horizon = len(tape.order), facts["horizon"]
    strength = log_uniform(rng, 1, 100) * 1e-4 * tape.price / (0.5 * tape.volume.sum(axis=0))
    kernels = [draw_kernel(rng, horizon)]
    matrix = np.diag(strength)
    if n > 1 and rng.random() < 0.4:
        matrix = np.sqrt(np.outer(strength, strength)) * correlation(rng, n)
    elif n > 1 and rng.random() < 0.5:
        kernels = [draw_kernel(rng, horizon) for _ in range(n)]
    at = str(rng.choice(["start", "middle", "end"]))
    return Cost("TransientImpact", 1.0, {"kernels": tuple(kernels), "strength": matrix, "trade_at": at})


def draw_kernel(rng: Random, horizon: float) -> tuple[Any, ...]:
    """Draw a decay: exponential, power law, linear, or a mixture of exponentials given as a function."""
    kind = str(rng.choice(["exponential", "power", "linear", "mixture"]))
    fast = log_uniform(rng, 0.1, 30) / horizon
    if kind == "exponential":
        return kind, fast
    if kind == "power":
        return kind, float(rng.uniform(0.2, 1.5)), 1 / fast
    if kind == "linear":
        return kind, fast / 5
    return kind, (float(rng.uniform(0.2, 0.8)), fast), (float(rng.uniform(0.1, 0.5)), fast * float(rng.uniform(3, 9)))


def draw_power(rng: Random, tape: Tape, facts: dict[str, Any]) -> Cost:
    """Draw c tau |u/tau|^(1+b), paying some bps at 10% of the volume."""
    b = float(rng.choice([0.5, 0.6, 0.3, 0.8, 1.0]))
    bps = log_uniform(rng, 0.3, 30) * 1e-4 * tape.price
    speed = tape.volume.sum(axis=0) / facts["open_time"].sum()
    rate = per_interval(rng, tape, bps / (0.1 * speed) ** b)
    auction = bps / (0.1 * np.where(tape.volume > 0, tape.volume, 1.0)) ** b
    tau = np.where(tape.auctions, 1.0, tape.durations)[:, None]
    per_share = np.where(tape.auctions[:, None], auction, rate * tau**-b)
    per_share = np.where(tape.closed[:, None], 0.0, per_share)
    return Cost("PowerImpact", 1.0, {"coefficient": rate, "auction": auction, "exponent": b, "per_share": per_share})


def draw_permanent(rng: Random, case: Case) -> Cost | None:
    """Draw Gamma so that the whole trade Hessian stays convex, with the transient part if there is one."""
    tape, n = case.tape, len(case.tape.order)
    hessian = nothing(tape).quadratic
    for cost in case.costs:
        if cost.kind in ("TemporaryImpact", "TransientImpact"):
            hessian = hessian + form_of(case, cost).quadratic
    free = np.flatnonzero(tape.open.ravel())
    shape = 1 / np.maximum(tape.volume.sum(axis=0), 1.0)
    units = np.sqrt(tape.price * shape)
    pattern = np.outer(units, units) * (correlation(rng, n) if rng.random() < 0.5 else np.eye(n))
    sketch = Cost("PermanentImpact", 1.0, {"gamma": pattern, "own": "full"})
    own = as_float(-form_of(replace(case, rules=()), sketch).quadratic)[np.ix_(free, free)]
    whole = as_float(hessian)[np.ix_(free, free)]
    if not np.any(whole) or rng.random() < 0.25:
        level = log_uniform(rng, 1e-5, 1e-3)
        return Cost("PermanentImpact", 1.0, {"gamma": level * pattern, "own": "half"})
    size = np.sqrt(np.diag(whole))
    scaled = whole / np.outer(size, size)
    if np.linalg.eigvalsh(scaled)[0] < 1e-9:  # coincident trades: no curvature of their own
        return None
    top = eigh(own / np.outer(size, size), scaled, eigvals_only=True)[-1]
    return Cost("PermanentImpact", 1.0, {"gamma": pattern / top * rng.uniform(0.1, 0.95), "own": "full"})


def draw_covariance(rng: Random, tape: Tape) -> tuple[Array, dict[str, Any]]:
    """The tape's covariance, or a factor model of a cost's own: (N, n, n), and how it is said."""
    n, count = len(tape.order), len(tape.durations)
    if rng.random() < 0.6:
        return tape.covariance, {}
    factors = int(rng.integers(1, 4))
    loads = rng.normal(size=(n, factors)) * tape.price[:, None] * 0.01
    middle = correlation(rng, factors) if factors > 1 else np.ones((1, 1))
    specific = (0.01 * tape.price) ** 2 * rng.uniform(0, 1, n)
    scale = rng.lognormal(0, 0.5, count) if rng.random() < 0.5 else np.ones(count)
    whole = scale[:, None, None] ** 2 * (loads @ middle @ loads.T + np.diag(specific))
    return whole, {"factors": (loads, middle, specific, scale)}


def draw_risk(rng: Random, tape: Tape, level: float, tracks: bool) -> Cost:
    """Draw TimingRisk or TrackingRisk, weighted in proportion to `level` (a cost in currency)."""
    covariance, said = draw_covariance(rng, tape)
    data: dict[str, Any] = {"covariance": covariance, **said}
    probe = Cost("TimingRisk", 1.0, data)
    case = Case(tape, (), ())
    held = np.where(tape.order != 0, tape.order, level * 1e4 / tape.price / len(tape.price))
    waiting = float(np.mean(np.einsum("i,kij,j->k", held, covariance, held)) * tape.durations.sum())
    size = max(float(value(case, probe, twap(tape))), 1e-3 * waiting)
    weight = level / size * log_uniform(rng, 1e-3, 1e3)
    if not tracks:
        return Cost("TimingRisk", weight, data)
    kind = str(rng.choice(["TWAP", "VWAP", "Close", "path"]))
    if kind == "Close" and not tape.open[-1].all():
        kind = "TWAP"
    data |= {"benchmark": benchmark(rng, tape, kind), "named": kind}
    return Cost("TrackingRisk", weight, data)


def benchmark(rng: Random, tape: Tape, kind: str) -> Array:
    """b_1..b_N of a named benchmark, or of a path of one's own."""
    if kind == "TWAP":
        weights = tape.durations[:, None] * tape.open
    elif kind == "VWAP":
        weights = tape.volume
    elif kind == "Close":
        weights = np.zeros(tape.volume.shape)
        weights[-1] = 1.0
    else:
        weights = tape.volume * rng.lognormal(0, 0.5, tape.volume.shape)
    left = 1 - np.cumsum(weights, axis=0) / weights.sum(axis=0)
    return np.asarray(tape.order * left)


def draw_costs(rng: Random, tape: Tape, facts: dict[str, Any], families: frozenset[str]) -> list[Cost]:
    """Draw the costs, permanent impact apart."""
    costs: list[Cost] = []
    luck = rng.random(10)
    if luck[0] < 0.75:
        costs.append(draw_temporary(rng, tape, facts))
    if "transient" in families and luck[1] < 0.4:
        costs.append(draw_transient(rng, tape, facts))
    if "conic" in families and luck[2] < 0.25:
        costs.append(draw_power(rng, tape, facts))
    if luck[3] < 0.5:
        half = 10 ** rng.uniform(-0.5, 1) * 0.5e-4 * tape.price
        table = rng.random() < 0.4
        array = per_interval(rng, tape, half) if table else half * ~tape.auctions[:, None]
        costs.append(Cost("SpreadCost", 1.0, {"half": array, "by asset": None if table else half}))
    level = facts["worth"].sum() * 1e-4
    if luck[4] < 0.75 or not costs:
        costs.append(draw_risk(rng, tape, level, tracks=False))
    if luck[5] < 0.2:
        costs.append(draw_risk(rng, tape, level, tracks=True))
    temporary = [cost for cost in costs if cost.kind == "TemporaryImpact"]
    if luck[6] < 0.25 and temporary:
        derivative = int(rng.integers(1, 3))
        mu = temporary[0].data["base"] * (facts["horizon"] * log_uniform(rng, 0.01, 0.3)) ** (2 * derivative)
        costs.append(Cost("Smoothness", 1.0, {"derivative": derivative, "mu": mu}))
    if luck[7] < 0.35:
        costs.append(draw_alpha(rng, tape, facts))
    if luck[8] < 0.25:
        costs.append(draw_custom(rng, tape, facts, families))
    if rng.random() < 0.3:
        j = int(rng.integers(len(costs)))
        costs[j] = replace(costs[j], weight=costs[j].weight * log_uniform(rng, 0.1, 10))
    return costs


def draw_alpha(rng: Random, tape: Tape, facts: dict[str, Any]) -> Cost:
    """Draw a drift, or a fading forecast in bps."""
    n, tau = len(tape.order), tape.durations
    if rng.random() < 0.4:
        bps, life = 10 * rng.normal(size=n), facts["horizon"] * log_uniform(rng, 0.1, 3)
        faded = np.exp2(-tape.edges / life)
        gain = (faded[:-1] - faded[1:])[:, None] * bps * 1e-4 * tape.price
        return Cost("Alpha", 1.0, {"gain": gain, "bps": bps, "half_life": life})
    drift = per_interval(rng, tape, rng.normal(size=n) * 5e-4 * tape.price / facts["horizon"])
    return Cost("Alpha", 1.0, {"gain": tau[:, None] * drift, "drift": drift})


def draw_custom(rng: Random, tape: Tape, facts: dict[str, Any], families: frozenset[str]) -> Cost:
    """Draw a user's own cost."""
    level = facts["worth"].sum() * 1e-4
    kinds = ["Square", "Peak", "Norm"] if "conic" in families else ["Square", "Peak"]
    kind, asset = str(rng.choice(kinds)), int(rng.integers(len(tape.order)))
    if kind == "Square":
        size = max(abs(float(tape.order[asset])), facts["size"] * 1e-2)
        centre = float(tape.order[asset] * rng.uniform(0, 1))
        data = {"asset": asset, "centre": centre, "size": size, "money": level * log_uniform(rng, 1e-2, 1)}
    elif kind == "Peak":
        data = {"factor": log_uniform(rng, 1e-5, 1e-3)}
    else:
        data = {"factor": log_uniform(rng, 1e-5, 1e-3), "rows": np.flatnonzero(~tape.closed)}
    return Cost(kind, 1.0, data)

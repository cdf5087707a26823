"""The digits of vwap_hedge.toml and neutral_basket.toml, found again without acopt."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import clarabel
import numpy as np
import pytest
from scipy import sparse

FOLDER = Path(__file__).parents[1] / "problems"


def raw(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / f"{name}.toml").read_text())


def promises(name: str, case: str) -> dict[str, Any]:
    return next(each["expected"] for each in raw(name)["case"] if each["name"] == case)


def promised_path(name: str, case: str) -> np.ndarray:
    return np.array(list(promises(name, case)["remaining"]["value"].values())).T


def order_of(data: dict[str, Any]) -> np.ndarray:
    return np.array([each.get("initial", 0) - each.get("target", 0) for each in data["asset"]], dtype=float)


def quadratic(tau, eta, sigma, weight, x0, benchmark):
    """Hessian, gradient and constant of impact + weight sum tau (x - b)' Sigma (x - b), in trades, interval-major."""
    n, m = eta.shape
    sums = np.kron(np.tri(n), np.eye(m))
    risk = np.zeros((n * m, n * m))
    for k in range(n):
        risk[k * m : (k + 1) * m, k * m : (k + 1) * m] = weight * tau[k] * sigma[k]
    off = (np.tile(x0, (n, 1)) - benchmark).ravel()
    hessian = 2 * np.diag((eta / tau[:, None]).ravel()) + 2 * sums.T @ risk @ sums
    return hessian, 2 * sums.T @ risk @ off, float(off @ risk @ off)


# ------------------------------------------------------------------ benchmarks: the optimality conditions


def hedge_data() -> tuple[np.ndarray, ...]:
    data = raw("vwap_hedge")
    tau, labels = np.diff(data["grid"]["edges"]), [each["label"] for each in data["asset"]]
    risk = data["market"]["covariance"]
    deviation = np.array([risk["volatility"][label] for label in labels])
    matrix = np.outer(deviation, deviation) * np.array(risk["correlation"])
    eta = np.tile([data["cost"][0]["eta"][label] for label in labels], (len(tau), 1))
    volume = np.array([data["market"]["volume"][label] for label in labels], dtype=float).T
    return tau, eta, np.array(risk["scale"])[:, None, None] ** 2 * matrix, volume, order_of(data)


def hedge_paths() -> dict[str, np.ndarray]:
    """b_1..b_N of each benchmark, by hand."""
    tau, _, _, volume, x0 = hedge_data()
    inside = np.array([0, 1, 1, 1, 0, 0, 0])[:, None]  # 0.1 to 0.6
    split = {
        "vwap": volume / volume.sum(axis=0),
        "vwap window": inside * volume / (inside * volume).sum(axis=0),
        "twap": np.tile((tau / tau.sum())[:, None], 2),
        "close": np.vstack([np.zeros((6, 2)), np.ones((1, 2))]),
    }
    return {name: x0 * (1 - np.cumsum(parts, axis=0)) for name, parts in split.items()}


def hedge_optimum(case: str) -> tuple[np.ndarray, float, float, float]:
    """Path, impact, tracking variance and objective."""
    tau, eta, sigma, _, x0 = hedge_data()
    benchmark, weight = hedge_paths()[case], raw("vwap_hedge")["cost"][1]["weight"]
    hessian, slope, _ = quadratic(tau, eta, sigma, weight, x0, benchmark)
    n, m = eta.shape
    total, unit = np.kron(np.ones(n), np.eye(m)), np.tile(np.abs(x0), n)
    scale = np.abs(hessian * np.outer(unit, unit)).max()
    kkt = np.block([[hessian * np.outer(unit, unit) / scale, (total * unit).T], [total * unit, np.zeros((m, m))]])
    right = np.r_[-slope * unit / scale, -x0]
    trades = (np.linalg.solve(kkt, right)[: n * m] * unit).reshape(n, m)
    return (trades, *hedge_values(trades, benchmark, weight))


def hedge_values(trades: np.ndarray, benchmark: np.ndarray, weight: float) -> tuple[np.ndarray, float, float, float]:
    tau, eta, sigma, _, x0 = hedge_data()
    path = np.vstack([x0, x0 + np.cumsum(trades, axis=0)])
    off = path[1:] - benchmark
    impact = float((eta * trades**2 / tau[:, None]).sum())
    tracking = float(np.einsum("k,ki,kij,kj->", tau, off, sigma, off))
    return path, impact, tracking, impact + weight * tracking


@pytest.mark.parametrize("case", ["vwap", "vwap window", "twap", "close"])
def test_tracking_digits_are_the_optimality_conditions(case):
    _, path, impact, tracking, objective = hedge_optimum(case)
    promised = promises("vwap_hedge", case)
    assert np.abs(promised_path("vwap_hedge", case) - path).max() <= 1e-3
    assert promised["objective"]["value"] == pytest.approx(objective, rel=1e-10)
    assert promised["expected_cost"]["value"] == pytest.approx(impact, rel=1e-10)
    assert promised["terms"]["TrackingRisk"]["value"] == pytest.approx(tracking, rel=1e-10)


def test_the_hedge_itself_has_impact_and_no_risk():
    _, _, _, volume, x0 = hedge_data()
    case = next(each for each in raw("vwap_hedge")["case"] if each["name"] == "hedge")
    trades = np.array(list(case["trades"].values())).T
    np.testing.assert_allclose(trades, -x0 * volume / volume.sum(axis=0), rtol=1e-14)
    _, impact, tracking, _ = hedge_values(trades, hedge_paths()["vwap"], 0.0)
    assert case["expected"]["expected_cost"]["value"] == pytest.approx(impact, rel=1e-12)
    assert case["expected"]["terms"]["TrackingRisk"]["value"] == 0.0
    assert tracking <= 1e-15 * x0 @ x0
    assert hedge_optimum("vwap")[2] < impact


# ------------------------------------------------------------------ portfolio rules: another solver, and its active set


def rows_of(name: str) -> tuple[np.ndarray, np.ndarray]:
    """G and h of the case's rules G x_k <= h, stacked over intervals, on x_1..x_N."""
    data = raw("neutral_basket")
    labels = [each["label"] for each in data["asset"]]
    price, x0 = np.array([each["price"] for each in data["asset"]]), order_of(data)
    rules = next(each for each in data["case"] if each["name"] == name)["constraint"]
    rows: list[tuple[np.ndarray, float, int, int]] = []  # with the first interval, and the one after the last
    for rule in rules:
        if rule["type"] == "FactorNeutral":
            line, limit = (
                price * [rule["exposures"][label] for label in labels],
                rule["tolerance"] * (price @ np.abs(x0)),
            )
            rows += [(sign * line, limit, 0, 13) for sign in (1, -1)]
        if rule["type"] == "GroupNeutral":
            for group, limit in rule["tolerance"].items():
                line = price * [rule["groups"].get(label) == group for label in labels]
                rows += [(sign * line, limit * (price @ np.abs(x0) if limit < 1 else 1), 5, 13) for sign in (1, -1)]
        if rule["type"] == "CashBalance":  # cash is p'x_0 - p'x_k
            rows.append((price, price @ x0 - rule["lower"], 0, 7))
            rows.append((-price, rule["upper"] - price @ x0, 0, 7))
    n, m = 13, len(labels)
    matrix, right = np.zeros((len(rows) * n, n * m)), np.full(len(rows) * n, np.inf)
    for j, (line, limit, first, last) in enumerate(rows):
        for k in range(n):
            matrix[j * n + k, k * m : (k + 1) * m] = line
            right[j * n + k] = limit if first <= k < last else np.inf
    keep = np.isfinite(right)
    return matrix[keep], right[keep]


def neutral_optimum(name: str) -> tuple[np.ndarray, float, float, int]:
    """Path, impact, variance, and how many rules bind; raises unless the refined point is primal and dual feasible."""
    data = raw("neutral_basket")
    labels, n = [each["label"] for each in data["asset"]], 13
    tau, x0, m = np.full(n, 1 / 13), order_of(data), len(labels)
    risk = data["market"]["covariance"]
    loading = np.array([risk["loadings"][label]["market"] for label in labels])
    sigma = 1e-4 * np.outer(loading, loading) + np.diag([risk["specific_variance"][label] for label in labels])
    eta = np.tile([data["cost"][0]["eta"][label] for label in labels], (n, 1))
    weight = data["cost"][1]["weight"]
    hessian, slope, _ = quadratic(tau, eta, np.tile(sigma, (n, 1, 1)), weight, x0, np.zeros((n, m)))
    unit = np.tile(np.where(x0 != 0, np.abs(x0), 1e4), n)
    scale = np.abs(hessian * np.outer(unit, unit)).max()
    hessian, slope = hessian * np.outer(unit, unit) / scale, slope * unit / scale
    equal, aim = np.kron(np.ones(n), np.eye(m)) * unit / unit[:m, None], -x0 / unit[:m]
    if name == "sectors and cash":  # the index is not traded
        shut = np.eye(n * m)[np.arange(n - 1) * m + labels.index("INDEX")]
        equal, aim = np.vstack([equal, shut]), np.r_[aim, np.zeros(n - 1)]
    on_paths, right = rows_of(name)
    gross = 1e7
    bound = on_paths @ np.kron(np.tri(n), np.eye(m)) * unit / gross
    room = (right - on_paths @ np.tile(x0, n)) / gross
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = 1e-11
    cones = [clarabel.ZeroConeT(len(aim)), clarabel.NonnegativeConeT(len(room))]
    stacked = sparse.csc_matrix(np.vstack([equal, bound]))
    first = clarabel.DefaultSolver(
        sparse.csc_matrix(np.triu(hessian)), slope, stacked, np.r_[aim, room], cones, settings
    ).solve()
    active = np.array(first.z)[len(aim) :] > np.array(first.s)[len(aim) :]
    tied = np.vstack([equal, bound[active]])
    kkt = np.block([[hessian, tied.T], [tied, np.zeros((len(tied), len(tied)))]])
    answer = np.linalg.lstsq(kkt, np.r_[-slope, aim, room[active]], rcond=1e-15)[0]
    z, duals = answer[: n * m], answer[n * m + len(aim) :]
    assert (bound @ z - room).max() <= 1e-10
    assert duals.min() >= -1e-10
    assert np.abs(tied @ z - np.r_[aim, room[active]]).max() <= 1e-10
    trades = (z * unit).reshape(n, m)
    path = np.vstack([x0, x0 + np.cumsum(trades, axis=0)])
    impact = float((eta * trades**2 / tau[:, None]).sum())
    return path, impact, float(np.einsum("k,ki,ij,kj->", tau, path[1:], sigma, path[1:])), int(active.sum())


@pytest.mark.parametrize("case", ["hedged", "sectors and cash"])
def test_digits_of_the_neutral_basket_are_found_again(case):
    path, impact, variance, binding = neutral_optimum(case)
    promised = promises("neutral_basket", case)
    assert binding >= 3
    assert np.abs(promised_path("neutral_basket", case) - path).max() <= 1e-3
    assert promised["expected_cost"]["value"] == pytest.approx(impact, rel=1e-9)
    assert promised["variance"]["value"] == pytest.approx(variance, rel=1e-9)
    assert promised["objective"]["value"] == pytest.approx(impact + 1e-6 * variance, rel=1e-10)


def test_the_hedge_ends_flat_and_was_needed():
    data, path = raw("neutral_basket"), promised_path("neutral_basket", "hedged")
    price = np.array([each["price"] for each in data["asset"]])
    beta = np.array(list(data["case"][0]["constraint"][0]["exposures"].values()))
    assert path[0, 4] == path[-1, 4] == 0.0
    limit = 0.001 * price @ np.abs(path[0])
    assert np.abs(path[1:] @ (price * beta)).max() <= limit + 1.0
    assert np.abs(path[1:-3, :4] @ (price * beta)[:4]).min() > limit

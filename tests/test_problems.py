"""Every problem file: its cases give the numbers that it promises, and these come from elsewhere than acopt."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reference import Case, Reference, solve_reference
from scipy.optimize import brentq

from acopt.analytic.almgren_chriss_basket import AlmgrenChrissBasket
from acopt.spec.files import list_problems, load_problem

FOLDER = Path(__file__).parents[1] / "problems"
NAMES = sorted(path.stem for path in FOLDER.glob("*.toml"))
CASES = [(name, case) for name in NAMES for case in load_problem(name).cases]
REQUIRED = {"almgren_chriss_2000", "basket", "time_varying_cost", "impact_risk_jerk", "capped_basket"}


def raw(name: str) -> dict[str, Any]:
    """Read a file without acopt."""
    return tomllib.loads((FOLDER / f"{name}.toml").read_text())


def promises(name: str, case: str) -> dict[str, Any]:
    """Expected quantities of a case, without acopt."""
    return next(each["expected"] for each in raw(name)["case"] if each["name"] == case)


def values(path: dict[str, Any]) -> np.ndarray:
    """A promised path as an array, time x asset in the file's order."""
    value = path["value"]
    return np.array(list(value.values()) if isinstance(value, dict) else [value], dtype=float).T


# ------------------------------------------------------------------ the walk


@pytest.mark.parametrize(("name", "case"), CASES)
def test_a_case_gives_what_its_file_promises(name, case):
    table = load_problem(name).check(case)
    assert len(table), f"{name}, {case}: nothing is promised"
    wrong = table[~table["passed"]]
    assert wrong.empty, f"{name}, {case}\n{wrong.to_string()}"


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_called_what_it_is_called(name):
    assert load_problem(name).name == name


def test_the_list_is_the_folder():
    assert list(list_problems()["name"]) == NAMES
    assert set(NAMES) >= REQUIRED


def test_a_solved_case_is_certified_and_a_priced_one_is_not_optimised():
    file = load_problem("time_varying_cost")
    assert file.solve("optimum").certificate is not None
    assert file.solve("vwap").certificate is None


# ------------------------------------------------------------------ closed forms, once more


@pytest.mark.parametrize(
    ("case", "aversion", "drift"), [("lambda 2e-6", 2e-6, 0), ("lambda 1e-6", 1e-6, 0), ("drift", 1e-6, 0.02)]
)
def test_almgren_chriss_digits_are_the_sinh_of_the_paper(case, aversion, drift):
    x0, tau, n, sigma, eps, gamma, eta = 1e6, 1.0, 5, 0.95, 0.0625, 2.5e-7, 2.5e-6
    net = eta - gamma * tau / 2
    kappa = np.arccosh(1 + aversion * sigma**2 / net * tau**2 / 2) / tau
    t = tau * np.arange(n + 1)
    lift = 1 - (np.sinh(kappa * (5 - t)) + np.sinh(kappa * t)) / np.sinh(kappa * 5)
    x = x0 * np.sinh(kappa * (5 - t)) / np.sinh(kappa * 5) + lift * drift / (2 * aversion * sigma**2)
    u = np.diff(x)
    cost = gamma * x0**2 / 2 + eps * np.abs(u).sum() + net / tau * (u**2).sum() - drift * tau * x[1:].sum()
    promised = promises("almgren_chriss_2000", case)
    assert np.abs(values(promised["remaining"])[:, 0] - x).max() <= 5.1e-5
    assert abs(promised["expected_cost"]["value"] - cost) <= 5.1e-5
    assert abs(promised["variance"]["value"] - sigma**2 * tau * (x[1:] ** 2).sum()) <= 5.1e4


def test_time_varying_digits_are_their_closed_forms():
    data = raw("time_varying_cost")
    tau, eta = np.diff(data["grid"]["edges"]), np.array(data["cost"][0]["eta"])
    volume, x = np.array(data["market"]["volume"]), data["asset"][0]["initial"]
    optimum = promises("time_varying_cost", "optimum")
    assert values(optimum["trades"])[:, 0] == pytest.approx(-x * (tau / eta) / (tau / eta).sum(), rel=1e-14)
    assert values(optimum["remaining"])[:, 0] == pytest.approx(x + np.r_[0, np.cumsum(values(optimum["trades"])[:, 0])])
    assert optimum["objective"]["value"] == pytest.approx(x**2 / (tau / eta).sum(), rel=1e-14)
    paid = {"optimum": optimum["expected_cost"]["value"]}
    for name, shares in {"twap": tau / tau.sum(), "vwap": volume / volume.sum()}.items():
        stated = next(case for case in data["case"] if case["name"] == name)
        assert stated["trades"] == pytest.approx(-x * shares, rel=1e-14)
        paid[name] = stated["expected"]["expected_cost"]["value"]
        assert paid[name] == pytest.approx((eta * (x * shares) ** 2 / tau).sum(), rel=1e-14)
    assert paid["optimum"] < paid["twap"] < paid["vwap"]


def test_the_jerk_path_is_the_polynomial_through_its_pins_and_a_minimum():
    promised = promises("jerk_polynomial", "pinned")
    x, j = values(promised["remaining"])[:, 0], np.arange(13)
    pins = [0, 1, 2, 10, 11, 12]
    through = np.polynomial.Polynomial.fit(j[pins], x[pins], 5)(j)
    assert np.abs(through - x).max() <= 1e-6
    third = np.diff(np.eye(13), 3, axis=0)
    assert promised["objective"]["value"] == ((third @ x) ** 2).sum()
    assert not (third.T @ third @ x)[3:10].any()


def basket_case(name: str) -> tuple[np.ndarray, ...]:
    """X, H, Gamma, the covariance that the case's risk uses, and the market's, of basket.toml."""
    data = raw("basket")
    labels = [asset["label"] for asset in data["asset"]]
    square = lambda table: np.array([[table[i][j] for j in labels] for i in labels])  # noqa: E731
    impact, permanent = square(data["cost"][0]["eta"]), square(data["cost"][1]["gamma"])
    deviation = np.array([data["market"]["covariance"]["volatility"][label] for label in labels])
    market = np.outer(deviation, deviation) * np.array(data["market"]["covariance"]["correlation"])
    order = np.array([asset.get("initial", 0) - asset.get("target", 0) for asset in data["asset"]], dtype=float)
    if name == "each alone":
        return order, np.diag(np.diag(impact)), np.diag(np.diag(permanent)), np.diag(deviation**2), market
    return order, impact, permanent, market, market


@pytest.mark.parametrize(("case", "aversion"), [("lambda 1e-6", 1e-6), ("lambda 2e-5", 2e-5), ("each alone", 1e-6)])
def test_basket_digits_are_the_closed_form_and_the_dense_optimality_conditions(case, aversion):
    order, impact, permanent, covariance, market = basket_case(case)
    periods, n, tau = 6, 3, 1 / 6
    net = impact / tau - permanent / 2
    sums = np.kron(np.tri(periods), np.eye(n))
    risk = aversion * tau * np.kron(np.eye(periods), covariance)
    start = np.tile(order, periods)
    hessian = 2 * np.kron(np.eye(periods), net) + 2 * sums.T @ risk @ sums
    total = np.kron(np.ones(periods), np.eye(n))
    unit = np.tile(np.abs(order), periods)
    scale = np.abs(hessian * np.outer(unit, unit)).max()
    kkt = np.block(
        [[hessian * np.outer(unit, unit) / scale, (total * unit).T / 1e5], [total * unit / 1e5, np.zeros((n, n))]]
    )
    right = np.r_[-2 * unit * (sums.T @ risk @ start) / scale, -order / 1e5]
    trades = (np.linalg.solve(kkt, right)[: periods * n] * unit).reshape(periods, n)
    dense = np.vstack([order, order + np.cumsum(trades, axis=0)])
    closed = AlmgrenChrissBasket(order, 1.0, periods, covariance, impact, permanent).optimum(aversion)
    cost = order @ permanent @ order / 2 + np.einsum("ki,ij,kj->", trades, net, trades)
    variance, own = (tau * np.einsum("ki,ij,kj->", dense[1:], c, dense[1:]) for c in (market, covariance))
    promised = promises("basket", case)
    path = values(promised["remaining"])
    assert np.abs(path - dense).max() <= 1e-4
    assert np.abs(path - closed.holdings).max() <= 1e-4
    assert promised["expected_cost"]["value"] == pytest.approx(cost, rel=1e-10)
    assert promised["expected_cost"]["value"] == pytest.approx(closed.expected_cost, rel=1e-10)
    assert promised["variance"]["value"] == pytest.approx(variance, rel=1e-10)
    assert promised["objective"]["value"] == pytest.approx(cost + aversion * own, rel=1e-10)


# ------------------------------------------------------------------ the independent solver, once more


def plain_case(data: dict[str, Any], durations: np.ndarray, **changes: Any) -> Case:
    """Start a case of the independent solver: no costs, no bounds."""
    order = np.array([asset.get("initial", 0) - asset.get("target", 0) for asset in data["asset"]], dtype=float)
    shape, n = (len(durations), len(order)), len(order)
    nothing = {
        "eta": np.zeros(shape),
        "gamma": np.zeros((n, n)),
        "half_spread": np.zeros(shape),
        "covariance": np.zeros((*shape, n)),
        "risk_aversion": 0.0,
        "drift": np.zeros(shape),
        "smooth": (),
        "lower": np.full(shape, -np.inf),
        "upper": np.full(shape, np.inf),
        "holding_lower": np.full(shape, -np.inf),
        "holding_upper": np.full(shape, np.inf),
        "price": np.array([asset["price"] for asset in data["asset"]]),
    }
    return Case(durations=durations, initial=order, **{**nothing, **changes})


def jerk_case(case: str, aversion: float = 3e-6) -> Case:
    """impact_risk_jerk.toml for the independent solver."""
    data = raw("impact_risk_jerk")
    law, tau = data["market"]["impact"], np.full(24, 15 / 390)
    bounds = {"lower": np.full((24, 1), -9e5) * tau[0], "upper": np.full((24, 1), -4e5) * tau[0]}
    return plain_case(
        data,
        tau,
        eta=np.full((24, 1), law["eta"]),
        covariance=np.full((24, 1, 1), data["market"]["covariance"]["volatility"] ** 2),
        risk_aversion=aversion,
        smooth=((2, np.array([law["eta"] * (30 / 390) ** 4])),),
        **(bounds if case == "rate bounds" else {}),
    )


def jerk_reference(case: str) -> tuple[Reference, float]:
    """Solution of the independent solver, and its risk aversion (found by bisection where a dial is turned)."""
    aversion = 3e-6
    if case == "risk price":
        deviation = lambda a: np.sqrt(solve_reference(jerk_case(case, a)).terms["TimingRisk"] / a)  # noqa: E731
        aversion = brentq(lambda a: 2 * a * deviation(a) - 0.5, 1e-7, 1e-5, xtol=1e-22, rtol=1e-14)
    return solve_reference(jerk_case(case, aversion)), aversion


def basket_reference(case: str) -> tuple[Reference, float]:
    """capped_basket.toml solved by the independent solver, and its risk aversion."""
    data = raw("capped_basket")
    market, assets = data["market"], data["asset"]
    labels = [asset["label"] for asset in assets]
    price, tau = np.array([asset["price"] for asset in assets]), np.full(13, 1 / 13)
    order = np.array([asset.get("initial", 0) - asset.get("target", 0) for asset in assets])
    volume = np.array([market["volume"][label] for label in labels], dtype=float).T
    risk, law = market["covariance"], market["impact"]
    loadings = np.array([[risk["loadings"][label][f] for f in ("market", "banks")] for label in labels])
    sigma = loadings @ np.array(risk["factor_covariance"]) @ loadings.T
    sigma += np.diag([risk["specific_variance"][label] for label in labels])
    cap = data["constraint"][0]["maximum"] * volume
    tolerance = data["case"][1]["constraint"][0]["tolerance"] * float(price @ np.abs(order))
    case = plain_case(
        data,
        tau,
        eta=law["bps"] * 1e-4 * price * tau[:, None] / (law["at"] * volume),
        gamma=np.diag(law["permanent_bps"] * 1e-4 * price / (0.01 * volume.sum(axis=0))),
        half_spread=np.tile([asset["spread_bps"] * 1e-4 * asset["price"] / 2 for asset in assets], (13, 1)),
        covariance=np.array(risk["scale"])[:, None, None] ** 2 * sigma,
        risk_aversion=data["cost"][3]["weight"],
        lower=np.where(order > 0, -cap, 0.0),
        upper=np.where(order > 0, 0.0, cap),
        dollar_tolerance=tolerance if case == "dollar neutral" else np.inf,
    )
    return solve_reference(case), data["cost"][3]["weight"]


REFERENCES = [
    *[("impact_risk_jerk", case, jerk_reference) for case in ("free", "rate bounds", "risk price")],
    *[("capped_basket", case, basket_reference) for case in ("capped", "dollar neutral")],
]


@pytest.mark.parametrize(("name", "case", "reference"), REFERENCES)
def test_digits_of_the_independent_solver_are_found_again(name, case, reference):
    answer, aversion = reference(case)
    order = plain_case(raw(name), np.ones(1)).initial
    path = order + np.vstack([np.zeros_like(order), np.cumsum(answer.trades, axis=0)])
    promised = promises(name, case)
    assert answer.gap <= 1e-12
    assert answer.violation <= 1e-12
    assert np.abs(values(promised["remaining"]) - path).max() <= 1e-8 * np.abs(order).max()
    assert promised["objective"]["value"] == pytest.approx(answer.objective, rel=1e-10)
    money = sum(v for k, v in answer.terms.items() if k not in ("TimingRisk", "Smoothness"))
    assert promised["expected_cost"]["value"] == pytest.approx(money, rel=1e-9)
    assert promised["variance"]["value"] == pytest.approx(answer.terms["TimingRisk"] / aversion, rel=1e-9)
    assert {each["origin"] for each in promised.values()} == {"independent solver"}


def test_the_bounds_of_the_solver_files_bind():
    rates = np.diff(values(promises("impact_risk_jerk", "rate bounds")["remaining"])[:, 0]) / (15 / 390)
    assert np.isclose(rates, -9e5, rtol=1e-7).sum() >= 2
    assert np.isclose(rates, -4e5, rtol=1e-7).sum() >= 2
    volume = np.array(list(raw("capped_basket")["market"]["volume"].values())).T
    for case in ("capped", "dollar neutral"):
        shares = np.abs(np.diff(values(promises("capped_basket", case)["remaining"]), axis=0)) / volume
        assert np.isclose(shares, 0.10, rtol=1e-6).sum() >= 10

"""The oracle's own trial: published digits, closed forms, enumeration, symmetries, feasible directions, draws."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from reference import (
    AIM,
    Array,
    Case,
    Program,
    Quadratic,
    ReferenceInfeasible,
    ReferenceUncertified,
    bending,
    bounds_of,
    check_feasible,
    path,
    random_case,
    sizes,
    solve_reference,
    study,
    violation,
    wide,
    wide_terms,
)

SAME = 1e-11  # relative agreement of objectives


def plain(durations: object, initial: object, **changes: Any) -> Case:
    """Build a case with unit impact and variance, and nothing else, unless changed."""
    tau, x = np.atleast_1d(np.asarray(durations, float)), np.atleast_1d(np.asarray(initial, float))
    shape, n = (len(tau), len(x)), len(x)
    base = Case(
        durations=tau,
        initial=x,
        eta=np.ones(shape),
        gamma=np.zeros((n, n)),
        half_spread=np.zeros(shape),
        covariance=np.tile(np.eye(n), (len(tau), 1, 1)),
        risk_aversion=0.0,
        drift=np.zeros(shape),
        smooth=(),
        lower=np.full(shape, -np.inf),
        upper=np.full(shape, np.inf),
        holding_lower=np.full(shape, -np.inf),
        holding_upper=np.full(shape, np.inf),
        price=np.ones(n),
    )
    return replace(base, **changes)


def almgren_chriss(aversion: float, drift: float = 0.0) -> Case:
    """Almgren & Chriss (2000), section 3's stock."""
    full = np.ones((5, 1))
    return plain(
        np.ones(5),
        1e6,
        eta=2.5e-6 * full,
        gamma=np.array([[2.5e-7]]),
        half_spread=0.0625 * full,
        covariance=0.95**2 * full[:, :, None],
        risk_aversion=aversion,
        drift=drift * full,
    )


def money(case: Case, trades: object) -> float:
    """Sum the objective's terms."""
    return float(sum(wide_terms(case, np.asarray(trades, float)).values()))


def cases(count: int, seed: int) -> list[Case]:
    """Draw random cases."""
    return [random_case(np.random.default_rng([seed, j])) for j in range(count)]


@pytest.mark.parametrize(
    ("aversion", "drift", "cost", "variance", "held"),
    [
        (2e-6, 0.0, 1140715.1670, 2.019313e11, (428598.8457, 182932.8143, 76295.7216, 27643.3774)),
        (1e-6, 0.0, 911226.9863, 3.641286e11, (541955.5544, 289854.2194, 147897.4878, 62141.8016)),
        (0.0, 0.0, 662500.0, 1.083e12, None),
        (1e-6, 0.02, 880367.1052, 3.739391e11, (546342.2873, 296084.1174, 154127.3858, 66528.5345)),
    ],
)
def test_almgren_chriss_digits(
    aversion: float, drift: float, cost: float, variance: float, held: tuple[float, ...] | None
) -> None:
    """REFERENCE_CASES section 1, every digit; risk zero is TWAP (its variance is 1.083e12 = sigma^2 sum x^2)."""
    case = almgren_chriss(aversion, drift)
    answer = solve_reference(case)
    x = path(case, answer.trades).astype(float)[:, 0]
    np.testing.assert_allclose(x[1:5], held or (8e5, 6e5, 4e5, 2e5), atol=6e-5)
    np.testing.assert_allclose(answer.objective - answer.terms["TimingRisk"], cost, atol=6e-5)
    np.testing.assert_allclose(0.95**2 * np.sum(x[1:] ** 2), variance, rtol=3e-7)


def test_block_trade_costs_what_the_paper_says() -> None:
    """All at once: E = 2,562,500."""
    assert money(almgren_chriss(1e-6), [[-1e6], [0], [0], [0], [0]]) == pytest.approx(2_562_500, rel=1e-14)


def test_discrete_closed_form_over_twelve_orders_of_urgency() -> None:
    """x_j = X sinh(kappa(T-t_j))/sinh(kappa T), 2 cosh(kappa tau) = 2 + lambda sigma^2 tau^2 / eta~."""
    for aversion in 10.0 ** np.arange(-6, 7):
        case = plain(np.full(30, 0.1), -1e7, eta=np.full((30, 1), 3.0), risk_aversion=aversion)
        kappa = 2 * math.asinh(math.sqrt(aversion * 0.01 / 3.0) / 2) / 0.1
        left = kappa * (3 - 0.1 * np.arange(31))
        expected = -1e7 * np.exp(left - left[0]) * np.expm1(-2 * left) / np.expm1(-2 * left[0])
        np.testing.assert_allclose(path(case, solve_reference(case).trades).astype(float)[:, 0], expected, atol=1e-6)


def test_time_varying_cost() -> None:
    """REFERENCE_CASES section 3: n_k = X (tau_k/eta_k) / sum, cost X^2 / sum(tau/eta); VWAP costs more than TWAP."""
    tau, eta = np.array([1.0, 2.0, 0.5, 1.0]), np.array([4.0, 1.0, 2.0, 8.0])
    answer = solve_reference(plain(tau, 1e4, eta=eta[:, None]))
    np.testing.assert_allclose(answer.trades[:, 0], -1e4 * (tau / eta) / np.sum(tau / eta), rtol=1e-13)
    assert answer.objective == pytest.approx(1e8 / np.sum(tau / eta), rel=1e-14)
    case = plain(np.ones(4), 1e4, eta=eta[:, None])
    twap, vwap = money(case, -2500 * np.ones((4, 1))), money(case, -1e4 * eta[:, None] / eta.sum())
    assert solve_reference(case).objective < twap < vwap


def test_enumeration_of_whole_lots() -> None:
    """No schedule of 24 lots in four capped intervals (buys back allowed) beats the optimum; the best is close."""
    lots = np.arange(-12.0, 4.0)
    case = plain(
        [1.0, 0.5, 1.0, 2.0],
        24.0,
        half_spread=np.full((4, 1), 3.0),
        drift=np.array([[-2.0], [9.0], [-4.0], [1.0]]),
        risk_aversion=0.1,
        smooth=((1, np.array([0.2])),),
        gamma=np.array([[0.3]]),
        lower=np.full((4, 1), -12.0),
        upper=np.full((4, 1), 3.0),
    )
    best = min(money(case, np.array(u)[:, None]) for u in itertools.product(lots, repeat=4) if sum(u) == -24)
    optimum = solve_reference(case).objective
    assert optimum <= best + 1e-10
    assert best - optimum < 0.05 * abs(optimum)


def test_spread_kink_keeps_the_hedge_still() -> None:
    """A hedge asset with X = 0 trades only when the risk it removes pays for its spread."""
    cov = np.tile(np.array([[1.0, 0.8], [0.8, 1.0]]), (3, 1, 1))
    dear, cheap = np.tile([0.0, 1e6], (3, 1)), np.tile([0.0, 1e-3], (3, 1))
    case = plain(np.ones(3), [100.0, 0.0], covariance=cov, risk_aversion=1.0, half_spread=dear)
    assert np.all(solve_reference(case).trades[:, 1] == 0.0)
    assert solve_reference(replace(case, half_spread=cheap)).trades[0, 1] < -1.0


def test_divided_differences() -> None:
    """On uneven edges x = t^3 gives 6, t^2 gives 2; weights integrate the interior."""
    tau = np.array([0.3, 1.1, 0.2, 0.7, 2.0])
    edges = wide(np.concatenate([[0.0], np.cumsum(tau)]))
    np.testing.assert_allclose((bending(tau, 1)[0] @ edges**2).astype(float), 2, rtol=1e-14)
    np.testing.assert_allclose((bending(tau, 2)[0] @ edges**3).astype(float), 6, rtol=1e-13)
    assert len(bending(np.ones(1), 1)[1]) == 0
    np.testing.assert_allclose(bending(np.ones(6), 1)[1].astype(float), 1.0)


def test_jerk_alone_interpolates_its_six_pins() -> None:
    """REFERENCE_CASES section 5: derivative 2 on an even grid, three pins at each end, is the quintic through them."""
    count, pins = 20, np.array([0, 1, 2, 18, 19, 20])
    values = np.array([1e5, 9.7e4, 9e4, 1.5e4, 4e3, 0.0])
    low, high = np.full((count, 1), -np.inf), np.full((count, 1), np.inf)
    low[pins[1:] - 1, 0] = high[pins[1:] - 1, 0] = values[1:]
    case = plain(
        np.ones(count), 1e5, eta=np.zeros((count, 1)), smooth=((2, np.ones(1)),), holding_lower=low, holding_upper=high
    )
    quintic = np.polynomial.Polynomial.fit(pins, values, 5)
    x = path(case, solve_reference(case).trades).astype(float)[:, 0]
    np.testing.assert_allclose(x, quintic(np.arange(count + 1)), atol=1e-6)


def test_terms_in_other_words() -> None:
    """Permanent impact is sum_{j<k} u_j'G u_k; on an even grid smoothness is nested differences; the rest by einsum."""
    rng = np.random.default_rng(4)
    u, block, b = rng.normal(size=(6, 2)), rng.normal(size=(6, 2, 2)), rng.normal(size=(6, 2))
    eta, cov = (np.einsum("kij,klj->kil", m, m) for m in (block, block[::-1]))
    gamma, drift, tau = np.array([[0.3, 0.1], [0.1, 0.2]]), rng.normal(size=(6, 2)), 0.5
    case = plain(
        np.full(6, tau),
        -u.sum(axis=0),
        eta=eta,
        gamma=gamma,
        half_spread=np.abs(b),
        covariance=cov,
        risk_aversion=0.7,
        drift=drift,
        smooth=((1, np.array([1.0, 2.0])), (2, np.array([0.5, 0.0]))),
        tracking=(b, 0.4),
    )
    x = np.cumsum(np.vstack([case.initial, u]), axis=0)
    bend, jerk = np.diff(x, 2, axis=0) / tau**2, np.diff(x, 3, axis=0) / tau**3
    expected = {
        "TemporaryImpact": np.einsum("ki,kij,kj", u, eta, u) / tau,
        "PermanentImpact": sum(u[j] @ gamma @ u[k] for k in range(6) for j in range(k)),
        "SpreadCost": np.sum(np.abs(b * u)),
        "TimingRisk": 0.7 * tau * np.einsum("ki,kij,kj", x[1:], cov, x[1:]),
        "Alpha": -tau * np.sum(drift * x[1:]),
        "Smoothness": tau * np.sum(bend**2 @ [1.0, 2.0]) + tau * np.sum(jerk**2 @ [0.5, 0.0]),
        "TrackingRisk": 0.4 * tau * np.einsum("ki,kij,kj", x[1:] - b, cov, x[1:] - b),
    }
    for name, value in wide_terms(case, u).items():
        assert float(value) == pytest.approx(expected[name], rel=1e-12), name


def test_one_sided_holding_bound() -> None:
    """A drift tempts the seller to go short: x >= 0 alone stops it, and costs something."""
    case = plain(np.ones(6), 10.0, drift=np.full((6, 1), -3.0))
    free = solve_reference(case)
    held = solve_reference(replace(case, holding_lower=np.zeros((6, 1))))
    assert path(case, free.trades).min() < -1.0
    assert path(case, held.trades).min() == pytest.approx(0.0, abs=1e-13)
    assert path(case, held.trades)[1:5].astype(float).max() > 1.0
    assert held.objective > free.objective
    np.testing.assert_allclose(held.trades[-1], 0.0, atol=1e-13)


def test_pure_linear_program_by_hand() -> None:
    """Without a quadratic a rising price is held as long as the caps allow."""
    case = plain(
        np.ones(5),
        10.0,
        eta=np.zeros((5, 1)),
        drift=np.ones((5, 1)),
        lower=np.full((5, 1), -4.0),
        upper=np.zeros((5, 1)),
    )
    answer = solve_reference(case)
    np.testing.assert_allclose(answer.trades[:, 0], [0, 0, -2, -4, -4], atol=1e-12)
    assert answer.objective == pytest.approx(-(10 + 10 + 8 + 4), rel=1e-14)


def test_degenerate_cases() -> None:
    """One interval, a zero order, zero caps, exactly binding caps, and an objective that does not care."""
    one = solve_reference(plain(2.0, [3.0, -4.0]))
    np.testing.assert_array_equal(one.trades, [[-3.0, 4.0]])
    assert one.objective == one.lower_bound == 12.5
    nothing = solve_reference(plain(np.ones(4), [0.0, 0.0], half_spread=np.ones((4, 2))))
    assert nothing.objective == nothing.gap == 0.0
    assert np.all(nothing.trades == 0.0)
    zero = np.zeros((4, 1))
    assert solve_reference(plain(np.ones(4), 0.0, lower=zero, upper=zero)).objective == 0.0
    caps = np.array([[0.1], [0.2], [0.3], [0.4]]) * 1e9
    binding = solve_reference(plain(np.ones(4), caps.sum(), lower=-caps, upper=0 * caps, risk_aversion=1.0))
    np.testing.assert_array_equal(binding.trades, -caps)
    careless = solve_reference(plain(np.ones(4), 1.0, eta=zero, lower=zero - 0.5, upper=zero))
    assert careless.objective == careless.gap == 0.0


def test_infeasible_cases_are_named() -> None:
    """Caps too small, bounds crossed, a holding bound without 0, and (by LP only) legs that cannot stay neutral."""
    ones = np.ones((2, 1))
    pair = np.array([[-100.0, 0.0], [0.0, 0.0]])
    bad = [
        plain(np.ones(2), 10.0, lower=-4.9 * ones),
        plain(np.ones(2), 10.0, lower=ones, upper=-ones),
        plain(np.ones(2), 10.0, holding_lower=ones),
        plain(np.ones(2), [100.0, -100.0], lower=pair, upper=np.array([[0, 0], [0, 100.0]]), dollar_tolerance=99.0),
    ]
    for case in bad:
        with pytest.raises(ReferenceInfeasible):
            solve_reference(case)
    check_feasible(replace(bad[3], dollar_tolerance=100.0))


def test_unbounded_is_never_certified() -> None:
    """A drift with nothing against it."""
    case = plain(np.ones(3), 1.0, eta=np.zeros((3, 1)), drift=np.ones((3, 1)))
    with pytest.raises(ReferenceUncertified):
        solve_reference(case)


def test_gradient_and_hessian_are_derivatives_of_the_terms() -> None:
    """Central differences of a quadratic are exact up to rounding, in extended precision."""
    for case in cases(15, 5):
        smooth = replace(case, half_spread=0 * case.half_spread)
        quadratic, rng = Quadratic(smooth), np.random.default_rng(1)
        u, v = rng.normal(size=(2, *case.lower.shape)) * np.abs(case.initial).max()
        u -= (u.sum(axis=0) + case.initial) / len(u)
        v -= v.mean(axis=0)  # S stays -X
        up, down = (np.sum(list(wide_terms(smooth, wide(u) + s * wide(v)).values())) for s in (1, -1))
        slope = np.sum(quadratic.gradient(u) * v)
        size = float(np.abs(slope)) + 1e-6 * abs(float(up)) + 1e-300
        np.testing.assert_allclose(float(slope), float((up - down) / 2), atol=1e-9 * size)
        bend = (quadratic.gradient(u + v) - quadratic.gradient(u)).astype(float).ravel()
        np.testing.assert_allclose(quadratic.hessian() @ v.ravel(), bend, atol=1e-9 * np.abs(bend).max(initial=1e-300))


def test_lower_bound_is_valid_for_any_point_and_multipliers() -> None:
    """Weak duality: random (v, m) never give a bound above the optimum."""
    rng = np.random.default_rng(2)
    for case in cases(40, 6):
        program, answer = Program(case), solve_reference(case)
        best = answer.trades[program.free] / program.unit
        for spread in (1e-6, 1e-2, 1.0):
            v = best + spread * wide(rng.normal(size=best.shape))
            m = spread * wide(rng.normal(size=len(program.row_lo)))
            assert float(program.lower_bound(v, m)) <= answer.objective + 1e-10 * answer.scale


def test_no_feasible_direction_improves() -> None:
    """Towards other feasible points (optima of other objectives), near and far, the objective only rises."""
    rng = np.random.default_rng(3)
    for case in cases(25, 7):
        answer = solve_reference(case)
        others: list[Array] = []
        for factor in (0.0, 1e-3, 3.0):
            push = factor * answer.scale * rng.normal(size=case.drift.shape) / sizes(case) / case.durations.sum()
            others.append(solve_reference(replace(case, drift=case.drift + push)).trades)
        for other, step in itertools.product(others, (1e-6, 1e-3, 0.1, 1.0)):
            moved = answer.trades + step * (other - answer.trades)
            assert violation(case, moved) <= 1e-10
            assert money(case, moved) >= answer.objective - 1e-10 * answer.scale


def mirror(case: Case) -> Case:
    """Buys for sells: x -> -x."""
    track = None if case.tracking is None else (-case.tracking[0], case.tracking[1])
    return replace(
        case,
        initial=-case.initial,
        drift=-case.drift,
        lower=-case.upper,
        upper=-case.lower,
        holding_lower=-case.holding_upper,
        holding_upper=-case.holding_lower,
        tracking=track,
    )


def relabel(case: Case) -> Case:
    """Reverse the order of the assets."""
    track = None if case.tracking is None else (case.tracking[0][:, ::-1], case.tracking[1])
    by_asset = ("half_spread", "drift", "lower", "upper", "holding_lower", "holding_upper")
    return replace(
        case,
        **{name: getattr(case, name)[:, ::-1] for name in by_asset},
        initial=case.initial[::-1],
        price=case.price[::-1],
        eta=case.eta[:, ::-1] if case.eta.ndim == 2 else case.eta[:, ::-1, ::-1],
        gamma=case.gamma[::-1, ::-1],
        covariance=case.covariance[:, ::-1, ::-1],
        smooth=tuple((d, weight[::-1]) for d, weight in case.smooth),
        tracking=track,
    )


def rescale(case: Case, s: float) -> Case:
    """Count shares in units 1/s as large: the same money."""
    track = None if case.tracking is None else (case.tracking[0] * s, case.tracking[1])
    by_share = ("initial", "lower", "upper", "holding_lower", "holding_upper")
    return replace(
        case,
        **{name: getattr(case, name) * s for name in by_share},
        **{name: getattr(case, name) / s for name in ("half_spread", "drift", "price")},
        **{name: getattr(case, name) / s**2 for name in ("eta", "gamma", "covariance")},
        smooth=tuple((d, weight / s**2) for d, weight in case.smooth),
        tracking=track,
    )


def test_symmetries() -> None:
    """Mirror, relabelling and share units leave the optimal objective alone."""
    for case in cases(25, 8):
        answer = solve_reference(case)
        for twin in (mirror(case), relabel(case), rescale(case, 3e4), rescale(case, 1e-4)):
            other = solve_reference(twin)
            assert (
                abs(other.objective - answer.objective)
                <= SAME * answer.scale + 2 * abs(answer.gap) * answer.scale + 2 * abs(other.gap) * other.scale
            )


def test_engines_agree() -> None:
    """PIQP and Clarabel lead to one optimum."""
    for case in cases(20, 9):
        first, second = solve_reference(case, ("piqp",)), solve_reference(case, ("clarabel",))
        allowed = SAME + abs(first.gap) + abs(second.gap)
        assert abs(first.objective - second.objective) <= allowed * first.scale


def test_random_cases_say_what_they_are() -> None:
    """The rules in words give the bounds; the draws cover every rule, both sides, and eight orders of size."""
    drawn = cases(300, 10)
    for case in drawn:
        rules = case.features
        assert rules is not None
        lower, upper = bounds_of(rules, case.initial)
        np.testing.assert_array_equal(lower, case.lower)
        np.testing.assert_array_equal(upper, case.upper)
        held = rules.holding_bounds or (np.full(len(case.initial), -np.inf), np.full(len(case.initial), np.inf))
        np.testing.assert_array_equal(case.holding_lower, np.tile(held[0], (len(case.durations), 1)))
        assert case.dollar_tolerance == (rules.dollar_neutral or math.inf)
        assert abs(case.price @ case.initial) <= case.dollar_tolerance
        np.testing.assert_allclose(np.diff(rules.edges), case.durations, rtol=1e-9)
    rules_drawn = [case.features for case in drawn if case.features is not None]
    for name in ("participation", "monotone", "no_trade", "holding_bounds", "trade_size", "dollar_neutral"):
        assert sum(bool(getattr(rules, name)) for rules in rules_drawn) >= 20
    assert sum(case.eta.ndim == 3 for case in drawn) >= 20
    assert {d for case in drawn for d, _ in case.smooth} == {1, 2}
    orders = np.concatenate([case.initial for case in drawn])
    assert np.abs(orders[orders != 0]).min() < 1e2 < 1e8 < np.abs(orders).max()
    assert 0.3 < np.mean(orders > 0) < 0.7


def test_three_hundred_random_cases_are_certified() -> None:
    """Every case within the limits; all but a few within the aim."""
    answers, failures, _ = study(300, seed=11)
    assert failures == []
    assert max(answer.violation for answer in answers) <= 1e-12
    assert max(abs(answer.gap) for answer in answers) <= 1e-10
    assert np.mean([abs(answer.gap) <= AIM for answer in answers]) > 0.95

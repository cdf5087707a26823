"""Transient impact, against published digits, 60-digit elimination, dense solves, limits, and symmetries."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acopt.analytic.obizhaeva_wang import (
    ContinuousObizhaevaWang,
    ObizhaevaWang,
    RiskAverseObizhaevaWang,
    even_decay_optimum,
    kernel_optimum,
    linear_decay_optimum,
)
from acopt.errors import DataError

# Relative tolerances, each with what it is compared to. Section numbers are those of REFERENCE_CASES.md.
ROUNDING = 5e-15  # a handful of double roundings
DENSE = 1e-10  # a dense solve of a kernel's matrix, of condition up to about 1e5
BOOK = {"rate": 2.231, "depth": 5000, "permanent": 1e-4}
UNEVEN = np.array([0.0, 0.02, 0.1, 0.11, 0.4, 0.75, 1.0])


def solved(matrix: list[list[Decimal]], right: list[Decimal]) -> list[Decimal]:
    """Return the solution of a system by Gauss-Jordan elimination with the largest pivots."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for j in range(len(rows)):
        best = max(range(j, len(rows)), key=lambda i: abs(rows[i][j]))
        rows[j], rows[best] = rows[best], rows[j]
        rows[j] = [value / rows[j][j] for value in rows[j]]
        for i, row in enumerate(rows):
            if i != j:
                rows[i] = [a - row[j] * b for a, b in zip(row, rows[j], strict=True)]
    return [row[-1] for row in rows]


def exact(initial, times, rate, strength, durations=None, volatility=None, temporary=None, aversion=0.0):
    """Return trades and objective in 60 digits: the dense quadratic form's first-order conditions, sum u = -X."""
    with localcontext() as context:
        context.prec = 60
        n = len(times)
        stamps = [Decimal(float(t)) for t in times]
        form = [[Decimal(strength) / 2 * (-Decimal(rate) * abs(s - t)).exp() for t in stamps] for s in stamps]
        risk = [Decimal(0)] * n
        if durations is not None:
            for k in range(n):
                tau = Decimal(float(durations[k]))
                risk[k] = Decimal(aversion) * Decimal(float(volatility[k])) ** 2 * tau
                form[k][k] += Decimal(float(temporary[k])) / tau
        # x_k = X + u_1 + .. + u_k, and x_N = 0: risk_k x_k^2 adds a block, a linear part and a constant.
        order = Decimal(initial)
        later = [sum(risk[k] for k in range(j, n - 1)) for j in range(n)]
        whole = [[form[i][j] + later[max(i, j)] for j in range(n)] for i in range(n)]
        system = [[2 * value for value in row] + [Decimal(1)] for row in whole] + [[Decimal(1)] * n + [Decimal(0)]]
        trades = solved(system, [*(-2 * order * each for each in later), -order])[:n]
        value = sum(trades[i] * form[i][j] * trades[j] for i in range(n) for j in range(n))
        held = order
        for k in range(n - 1):
            held += trades[k]
            value += risk[k] * held**2
        return np.array([float(u) for u in trades]), float(value)


# ---------------------------------------------------------------------------------------------- published digits


def test_section_6_obizhaeva_and_wang():
    model = ObizhaevaWang.from_book(1e5, np.linspace(0, 1, 11), **BOOK)
    plan = model.optimum()
    assert model.strength == pytest.approx(1e-4, rel=ROUNDING)
    np.testing.assert_allclose(plan.trades[[0, -1]], -26317.961234, atol=5e-7, rtol=0)
    np.testing.assert_allclose(plan.trades[1:-1], -5262.675281, atol=5e-7, rtol=0)
    assert plan.cost == pytest.approx(736866.235932, abs=5e-7)

    fine = ObizhaevaWang.from_book(1e5, np.linspace(0, 1, 101), **BOOK).optimum()
    np.testing.assert_allclose(fine.trades[[0, -1]], -23899.235452, atol=5e-7, rtol=0)
    np.testing.assert_allclose(fine.trades[1:-1], -527.288173, atol=5e-7, rtol=0)


@pytest.mark.parametrize(
    ("periods", "ends", "inner"), [(10, 26317.961234, 5262.675281), (100, 23899.235452, 527.288173)]
)
def test_section_6_even_grid(periods, ends, inner):
    plan = even_decay_optimum(1e5, 1, periods, 2.231, 1e-4)
    a = math.exp(-2.231 / periods)
    np.testing.assert_allclose(plan.trades[[0, -1]], -ends, atol=5e-7, rtol=0)
    np.testing.assert_allclose(plan.trades[1:-1], -inner, atol=5e-7, rtol=0)
    assert plan.cost == pytest.approx(1e-4 * 1e10 * (1 + a) / (2 * (2 + (periods - 1) * (1 - a))), rel=ROUNDING)
    if periods == 10:
        assert plan.cost + 1e-4 * 1e10 / 2 == pytest.approx(736866.235932, abs=5e-7)


def test_section_6_continuum():
    limit = ObizhaevaWang.from_book(1e5, np.linspace(0, 1, 11), **BOOK).continuous
    assert limit.block == pytest.approx(-1e5 / 4.231, rel=ROUNDING)
    assert 2 * limit.block + limit.speed * 1 == pytest.approx(-1e5, rel=ROUNDING)
    gaps = []
    for periods in (100, 200, 400):
        plan = ObizhaevaWang.from_book(1e5, np.linspace(0, 1, periods + 1), **BOOK).optimum()
        gaps.append((plan.trades[0] - limit.block, plan.cost - limit.cost))
        assert plan.trades[periods // 2] * periods == pytest.approx(limit.speed, rel=3 / periods)
    assert gaps[0][0] / gaps[1][0] == pytest.approx(2, rel=0.02)  # blocks converge at O(1/N), costs at O(1/N^2)
    assert gaps[1][1] / gaps[2][1] == pytest.approx(4, rel=0.001)


def test_section_6_uneven_weights():
    a = np.exp(-2.231 * np.diff(UNEVEN))
    weights = np.concatenate([[1 / (1 + a[0])], 1 / (1 + a[:-1]) - a[1:] / (1 + a[1:]), [1 / (1 + a[-1])]])
    plan = ObizhaevaWang(1e5, UNEVEN, 2.231, 1e-4).optimum()
    np.testing.assert_allclose(plan.trades, -1e5 * weights / weights.sum(), rtol=1e-13)


def test_section_6_linear_decay():
    plan = linear_decay_optimum(1, 3.5, 1, 1)
    np.testing.assert_allclose(plan.times, np.arange(0, 3.6, 0.5), atol=ROUNDING)
    np.testing.assert_allclose(plan.trades, [-0.2, -0.05, -0.15, -0.1, -0.1, -0.15, -0.05, -0.2], rtol=ROUNDING)
    assert plan.cost == pytest.approx(0.1125, rel=ROUNDING)


def test_section_6_a_box_is_refused():
    with pytest.raises(DataError, match=r"kernel_optimum: kernel must be positive definite .* eigenvalue -0\."):
        kernel_optimum(1, [0, 1, 2, 3], lambda t: (t <= 1.5).astype(float))


# ---------------------------------------------------------------------------------------- exponential decay


@pytest.mark.parametrize("initial", [1e2, -3e5, 1e9])
@pytest.mark.parametrize("rate", [1e-6, 0.1, 2.231, 50.0])
def test_uneven_grids_to_rounding(initial, rate):
    trades, cost = exact(initial, UNEVEN, rate, 1e-4)
    plan = ObizhaevaWang(initial, UNEVEN, rate, 1e-4).optimum()
    np.testing.assert_allclose(plan.trades, trades, rtol=ROUNDING)
    assert plan.cost == pytest.approx(cost, rel=ROUNDING)


@given(
    st.lists(st.floats(1e-3, 2), min_size=1, max_size=30),
    st.floats(0.05, 20),
    st.floats(1, 1e9),
    st.sampled_from([-1, 1]),
)
def test_potential_is_level_and_every_account_agrees(gaps, rate, size, side):
    times = np.concatenate([[0.3], 0.3 + np.cumsum(gaps)])
    model = ObizhaevaWang(side * size, times, rate, 2e-5, 3e-5)
    plan = model.optimum()
    kernel = np.exp(-rate * np.abs(times[:, None] - times))
    potential = kernel @ plan.trades
    np.testing.assert_allclose(potential, potential[0], rtol=1e-13)  # u is then optimal: G is positive definite
    assert plan.trades.sum() == pytest.approx(-side * size, rel=1e-14)
    assert np.all(plan.trades * side < 0)
    assert model.cost(plan.trades) == pytest.approx(plan.cost, rel=1e-13)
    assert plan.cost == pytest.approx(1e-5 * plan.trades @ potential + 1.5e-5 * size**2, rel=1e-13)


def test_against_the_dense_solve():
    plan = ObizhaevaWang(-4e5, UNEVEN, 3, 1e-6).optimum()
    dense = kernel_optimum(-4e5, UNEVEN, lambda t: np.exp(-3 * t), 1e-6)
    np.testing.assert_allclose(plan.trades, dense.trades, rtol=DENSE)
    assert plan.cost == pytest.approx(dense.cost, rel=DENSE)


@pytest.mark.parametrize("periods", [1, 2, 7, 1000])
@pytest.mark.parametrize("rate", [1e-9, 1e-3, 1.0, 1e3, 1e6])
def test_even_formula_and_weights_agree(periods, rate):
    even = even_decay_optimum(7e4, 2.5, periods, rate, 1e-4)
    plan = ObizhaevaWang(7e4, even.times, rate, 1e-4).optimum()
    # Where a decay is slow, the gaps between times, differences of rounded numbers, differ by more than rounding.
    np.testing.assert_allclose(plan.trades, even.trades, rtol=2e-16 * periods + 2e-14, atol=1e-12)
    assert plan.cost == pytest.approx(even.cost, rel=1e-13)


def test_limits_of_the_decay():
    slow = ObizhaevaWang(1e5, UNEVEN, 1e-300, 1e-4).optimum()
    np.testing.assert_allclose(slow.trades, [-5e4, 0, 0, 0, 0, 0, -5e4], atol=1e-290)
    assert slow.cost == pytest.approx(1e-4 * 1e10 / 2, rel=ROUNDING)  # as if all at once
    fast = ObizhaevaWang(1e5, UNEVEN, 1e6, 1e-4).optimum()
    np.testing.assert_allclose(fast.trades, -1e5 / 7, rtol=ROUNDING)
    assert fast.cost == pytest.approx(1e-4 * 1e10 / 14, rel=ROUNDING)


def test_one_trade_a_zero_order_and_coincident_times():
    one = ObizhaevaWang(300, [0.4], 2, 1e-3, 1e-3).optimum()
    assert one.trades.tolist() == [-300]
    assert one.cost == pytest.approx(300**2 * 1e-3, rel=ROUNDING)
    zero = ObizhaevaWang(0, UNEVEN, 2, 1e-3).optimum()
    assert zero.cost == 0
    assert not zero.trades.any()

    doubled = np.repeat(UNEVEN, [1, 2, 1, 3, 1, 1, 2])
    model = ObizhaevaWang(1e5, doubled, 2.231, 1e-4)
    plan, single = model.optimum(), ObizhaevaWang(1e5, UNEVEN, 2.231, 1e-4).optimum()
    merged = [plan.trades[doubled == t].sum() for t in UNEVEN]
    np.testing.assert_allclose(merged, single.trades, rtol=ROUNDING)
    assert plan.cost == pytest.approx(single.cost, rel=ROUNDING)
    assert model.cost(plan.trades) == pytest.approx(single.cost, rel=1e-14)


def test_the_book_by_hand():
    model = ObizhaevaWang.from_book(-30, [0, 1, 1], math.log(2), depth=10, permanent=0.04)
    np.testing.assert_allclose(model.displacement([10, 5, 15]), [0, 0.7, 1.2], rtol=ROUNDING)
    assert model.cost([10, 5, 15]) == pytest.approx(5 + (0.7 + 0.25) * 5 + (1.2 + 0.75) * 15, rel=ROUNDING)
    assert model.cost([-10, -5, -15]) == model.cost([10, 5, 15])
    assert ContinuousObizhaevaWang(-30, 0, 1, 0.06, 0.04).cost == pytest.approx(0.5 * 0.1 * 900, rel=ROUNDING)


# ---------------------------------------------------------------------------------------------- other kernels


@pytest.mark.parametrize("span", [0.3, 1.0, 1.7, 2.0, 3.5, 6.25, 40.9])
@pytest.mark.parametrize("rate", [1.0, 0.37])
def test_linear_decay_keeps_the_potential_level_at_every_moment(span, rate):
    plan = linear_decay_optimum(-2e4, span / rate, rate, 1e-3)
    moments = np.concatenate([plan.times, np.linspace(0, span / rate, 997)])
    potential = np.maximum(1 - rate * np.abs(moments[:, None] - plan.times), 0) @ plan.trades
    np.testing.assert_allclose(potential, potential[0], rtol=1e-13)  # hence no trade at any moment would do better
    assert plan.trades.sum() == pytest.approx(2e4, rel=ROUNDING)
    assert plan.cost == pytest.approx(1e-3 * 2e4 * potential[0] / 2, rel=1e-13)
    assert plan.times.size == 2 * (math.floor(span) + 1)
    assert np.all(np.diff(plan.times) >= 0)
    if span != int(span):
        dense = kernel_optimum(-2e4, plan.times, lambda t: np.maximum(1 - rate * t, 0), 1e-3)
        np.testing.assert_allclose(plan.trades, dense.trades, rtol=DENSE)


def test_linear_decay_never_trades_outside_the_horizon():
    horizon, rate = 5.864610491843112, 6.309029397853795  # rate * horizon rounds up to 37, and 37 / rate is beyond
    plan = linear_decay_optimum(1e5, horizon, rate, 1e-4)
    assert 37 / rate > horizon
    assert plan.times.min() == 0
    assert plan.times.max() == horizon
    assert plan.trades.sum() == pytest.approx(-1e5, rel=ROUNDING)


@pytest.mark.parametrize(
    "kernel", [lambda t: (1 + t / 0.1) ** -0.5, lambda t: np.exp(-3 * t), lambda t: np.maximum(1 - 2 * t, 0)]
)
def test_any_kernel_by_its_first_order_conditions(kernel):
    plan = kernel_optimum(1e5, UNEVEN, kernel, 2e-4)
    matrix = 2e-4 * kernel(np.abs(UNEVEN[:, None] - UNEVEN))
    potential = matrix @ plan.trades
    np.testing.assert_allclose(potential, potential[0], rtol=DENSE)
    assert plan.trades.sum() == pytest.approx(-1e5, rel=ROUNDING)
    assert plan.cost == pytest.approx(plan.trades @ potential / 2, rel=DENSE)
    bought = kernel_optimum(-1e5, UNEVEN, kernel, 2e-4)
    np.testing.assert_array_equal(bought.trades, -plan.trades)
    assert bought.cost == plan.cost


# ------------------------------------------------------------------------------------------------------- risk


def risky(initial=1e5, times=UNEVEN, rate=2.231, **changes):
    given = {"durations": np.linspace(0.05, 0.3, len(times)), "volatility": 0.9, "temporary": 0.0, "strength": 1e-4}
    return RiskAverseObizhaevaWang(initial, times, rate, **{**given, **changes})


@pytest.mark.parametrize("temporary", [0.0, 2e-5, np.linspace(1e-6, 5e-5, 7)])
@pytest.mark.parametrize("aversion", [0.0, 1e-8, 1e-5, 1e-3, 1.0])
@pytest.mark.parametrize("rate", [1e-3, 2.231, 60.0])
def test_bellman_against_the_dense_first_order_conditions(temporary, aversion, rate):
    model = risky(rate=rate, temporary=temporary, volatility=np.linspace(1, 0.5, 7))
    trades, value = exact(1e5, UNEVEN, rate, 1e-4, model.durations, model.volatility, model.temporary, aversion)
    plan = model.optimum(aversion)
    loss = 1e-13 + 1e-16 / (rate * np.diff(UNEVEN).min())  # trades closer in time are harder to tell apart
    np.testing.assert_allclose(plan.trades, trades, atol=1e5 * loss, rtol=0)
    assert plan.cost == pytest.approx(value, rel=1e-13)
    assert plan.trades.sum() == pytest.approx(-1e5, rel=1e-14)


@pytest.mark.parametrize("periods", [1, 10, 1000])
def test_bellman_without_risk_is_the_closed_form(periods):
    times = np.linspace(0, 1, periods + 1)
    plan = risky(times=times).optimum(0)
    closed = ObizhaevaWang(1e5, times, 2.231, 1e-4).optimum()
    np.testing.assert_allclose(plan.trades, closed.trades, atol=1e-12 * 1e5, rtol=0)
    assert plan.cost == pytest.approx(closed.cost, rel=1e-13)


def test_bellman_between_coincident_times_with_a_temporary_cost():
    times = np.array([0, 0, 0.5, 0.5, 0.5, 1])
    tau, sigma, eta = np.full(6, 0.1), np.zeros(6), np.full(6, 1e-5)
    trades, value = exact(-7e3, times, 2, 1e-4, tau, sigma, eta)
    plan = RiskAverseObizhaevaWang(-7e3, times, 2, 1e-4, tau, temporary=1e-5).optimum(0)
    np.testing.assert_allclose(plan.trades, trades, rtol=1e-12)
    assert plan.cost == pytest.approx(value, rel=1e-13)
    with pytest.raises(DataError, match=r"trades 3 and 4 at time 0\.5 and 0\.5 cannot be told apart"):
        RiskAverseObizhaevaWang(-7e3, times, 2, 1e-4, tau).optimum(0)


def test_bellman_with_all_haste_and_with_one_trade():
    plan = risky().optimum(1e6)
    assert plan.trades[0] == pytest.approx(-1e5, rel=1e-9)
    one = risky(-200, [0.5], durations=[0.25], temporary=0.01).optimum(3)
    assert one.trades.tolist() == [200]
    assert one.cost == pytest.approx(200**2 * (0.5e-4 + 0.01 / 0.25), rel=ROUNDING)


def test_buying_mirrors_selling_and_units_do_not_matter():
    sold = risky(temporary=1e-5).optimum(1e-5)
    bought = risky(-1e5, temporary=1e-5).optimum(1e-5)
    np.testing.assert_array_equal(bought.trades, -sold.trades)
    assert bought.cost == sold.cost
    for size in (1e2, 1e9):  # quadratic costs: the optimum is linear in the order
        np.testing.assert_allclose(
            risky(size, temporary=1e-5).optimum(1e-5).trades, sold.trades * (size / 1e5), rtol=1e-12
        )
    slow = risky(times=390 * UNEVEN, rate=2.231 / 390, durations=390 * np.linspace(0.05, 0.3, 7), temporary=390e-5)
    np.testing.assert_allclose(slow.optimum(1e-5 / 390).trades, sold.trades, rtol=1e-12)
    mirrored = ObizhaevaWang(1e5, 1 - UNEVEN[::-1], 2.231, 1e-4).optimum()
    np.testing.assert_allclose(
        mirrored.trades[::-1], ObizhaevaWang(1e5, UNEVEN, 2.231, 1e-4).optimum().trades, rtol=1e-13
    )


# --------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ObizhaevaWang(1, [0, 1], 0, 1), r"ObizhaevaWang: rate must be a finite number > 0; got 0"),
        (lambda: ObizhaevaWang(1, [0, 1], -2, 1), r"ObizhaevaWang: rate must be a finite number > 0; got -2"),
        (lambda: ObizhaevaWang(1, [0, 1], 1, 0), r"ObizhaevaWang: strength must be a finite number > 0; got 0"),
        (lambda: ObizhaevaWang(1, [0, 1], 1, 1, -1), r"ObizhaevaWang: permanent must be a finite number >= 0; got -1"),
        (lambda: ObizhaevaWang(math.nan, [0], 1, 1), r"ObizhaevaWang: initial must be a finite number; got nan"),
        (lambda: ObizhaevaWang(1, [0, 2, 1], 1, 1), r"times must not decrease; got 2 at 1 and 1 at 2"),
        (lambda: ObizhaevaWang(1, [0, math.nan], 1, 1), r"times must be finite; got nan at \(1,\)"),
        (lambda: ObizhaevaWang(1, [], 1, 1), r"times must have shape \(-1,\); got shape \(0,\)"),
        (lambda: ObizhaevaWang(1, [[0, 1]], 1, 1), r"times must have shape \(-1,\); got shape \(1, 2\)"),
        (lambda: ObizhaevaWang(1, [0, 1], 1, 1).cost([1]), r"trades must have shape \(2,\); got shape \(1,\)"),
        (lambda: ObizhaevaWang.from_book(1, [0], 1, depth=0, permanent=0), r"depth must be a finite number > 0; got 0"),
        (lambda: ObizhaevaWang.from_book(1, [0], 1, depth=2, permanent=0.5), r"permanent must be < 1 / depth = 0.5"),
        (lambda: ContinuousObizhaevaWang(1, -1, 1, 1), r"ContinuousObizhaevaWang: horizon must be .* >= 0; got -1"),
        (lambda: ContinuousObizhaevaWang(1, 1, 0, 1), r"ContinuousObizhaevaWang: rate must be .* > 0; got 0"),
        (lambda: even_decay_optimum(1, 1, 0, 1, 1), r"even_decay_optimum: periods must be a whole number >= 1; got 0"),
        (lambda: even_decay_optimum(1, 0, 1, 1, 1), r"even_decay_optimum: horizon must be .* > 0; got 0"),
        (lambda: linear_decay_optimum(1, 1, math.inf, 1), r"linear_decay_optimum: rate must be .* > 0; got inf"),
        (lambda: linear_decay_optimum("x", 1, 1, 1), r"linear_decay_optimum: initial must be .* got 'x'"),
        (lambda: kernel_optimum(1, [0, 0], lambda t: np.exp(-t)), r"because times coincide; increasing times would do"),
        (lambda: kernel_optimum(1, [1, 0], lambda t: np.exp(-t)), r"kernel_optimum: times must not decrease"),
        (lambda: kernel_optimum(1, [0, 1], lambda t: t[0]), r"kernel\(distances\) must have shape \(2, 2\)"),
        (lambda: kernel_optimum(1, [0, 1], lambda t: t * math.nan), r"kernel\(distances\) must be finite; got nan"),
        (lambda: kernel_optimum(1, [0, 1], np.exp, -1), r"kernel_optimum: strength must be .* > 0; got -1"),
        (lambda: risky(durations=[0.1]), r"RiskAverseObizhaevaWang: durations must have shape \(7,\)"),
        (lambda: risky(durations=np.zeros(7)), r"durations must be > 0; got 0 at \(0,\)"),
        (lambda: risky(volatility=-1), r"volatility must be >= 0; got -1 at \(0,\)"),
        (lambda: risky(temporary=[1.0]), r"temporary must have shape \(7,\); got shape \(1,\)"),
        (lambda: risky().optimum(-1), r"risk_aversion must be a finite number >= 0; got -1"),
        (lambda: risky().optimum(math.inf), r"risk_aversion must be a finite number >= 0; got inf"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(DataError, match=message):
        call()


def test_an_oracle_cannot_be_edited():
    plan = even_decay_optimum(1, 1, 3, 1, 1)
    with pytest.raises(ValueError, match="read-only"):
        plan.trades[0] = 0
    with pytest.raises(AttributeError):
        plan.cost = 0.0

"""Bertsimas and Lo's policy against published digits, a scenario tree, a direct solve, simulation, and Riccati."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acopt.analytic.bertsimas_lo import BertsimasLo
from acopt.analytic.linear_quadratic import LinearQuadratic
from acopt.errors import DataError

# Relative tolerances, each with what it is compared to.
RECURSION = 1e-12
SYSTEM = 1e-9
STANDARD_ERRORS = 3.0

PUBLISHED = BertsimasLo(-1e5, 20, 50.0, 5e-5, information=5.0, persistence=0.5, noise=0.001)


def paid(model: BertsimasLo, trades: np.ndarray, news: np.ndarray) -> np.ndarray:
    """Return sum P_t u_t of each path by walking the price, without its own noise; trades and news (paths, T)."""
    price, cost = np.full(len(trades), model.price), np.zeros(len(trades))
    for u, seen in zip(trades.T, news.T, strict=True):
        price = price + model.impact * u + model.information * seen
        cost += price * u
    return cost


def test_section_8_digits():
    assert PUBLISHED.naive_cost() == 5_262_500
    assert PUBLISHED.expected_cost() == pytest.approx(5258726.905329, abs=5e-7)
    sales = replace(PUBLISHED, initial=1e5)
    assert sales.naive_cost() - sales.price * -1e5 == pytest.approx(262_500)
    assert sales.expected_cost() + 5e6 == pytest.approx(258726.905329, abs=5e-7)  # the same shortfall


def test_section_8_coefficients():
    """a, b, c, d as they are written there, and the trades that they give."""
    theta, g, rho, var = 5e-5, 5.0, 0.5, 0.001
    a, b, c, d = theta, g, 0.0, 0.0
    for k in range(1, 20):
        wanted = 12_000 / (k + 1) + rho * b * 0.07 / (2 * a)
        assert PUBLISHED.trade(19 - k, -12_000, 0.07) == pytest.approx(wanted, rel=RECURSION)
        a, b, c, d = (
            theta * (1 + 1 / (k + 1)) / 2,
            g + theta * rho * b / (2 * a),
            rho**2 * c - rho**2 * b**2 / (4 * a),
            d + c * var,
        )
        np.testing.assert_allclose(PUBLISHED.coefficients[k], [a, b, c, d], rtol=RECURSION)
    assert PUBLISHED.trade(19, -12_000, 0.07) == 12_000


@pytest.mark.parametrize("initial", [3e4, -3e4, 0.0])
@pytest.mark.parametrize("seen", [0.0, 0.05])
def test_no_policy_does_better_on_a_tree_of_news(initial, seen):
    """Trades at the 31 nodes of 5 periods of +-shock, shared by all paths through a node and nothing else."""
    count, shock = 5, 0.03
    model = BertsimasLo(initial, count, 40.0, 5e-5, 4.0, -0.6, shock**2)
    first, paths = 2 ** np.arange(count) - 1, np.arange(2 ** (count - 1))
    nodes = 2**count - 1
    levels = [np.array([seen])]
    for _ in range(count - 1):
        levels.append((model.persistence * levels[-1][:, None] + shock * np.array([1, -1])).ravel())
    hessian, slope, rows = np.zeros((nodes, nodes)), np.zeros(nodes), np.zeros((len(paths), nodes))
    for path in paths:
        at = np.array([first[k] + (path >> (count - 1 - k)) for k in range(count)])
        news = np.array([levels[k][path >> (count - 1 - k)] for k in range(count)])
        rows[path, at] = 1
        slope[at] += (model.price + model.information * np.cumsum(news)) / len(paths)
        own = model.impact * np.tril(np.ones((count, count)))
        hessian[np.ix_(at, at)] += (own + own.T) / len(paths)
    scale = np.abs(hessian).max()
    system = np.block([[hessian / scale, rows.T], [rows, np.zeros((len(paths), len(paths)))]])
    right = np.concatenate([-slope / scale, np.full(len(paths), -initial)])
    trades = np.linalg.lstsq(system, right, rcond=None)[0][:nodes]
    cost = float(trades @ hessian @ trades / 2 + slope @ trades)
    # A zero order trades too: what it knows is worth something.
    assert model.expected_cost(seen) == pytest.approx(cost, rel=SYSTEM)
    assert model.expected_cost(seen) < model.naive_cost(seen)
    left = np.array([initial])
    for k in range(count):
        found = model.trade(k, left, levels[k])
        np.testing.assert_allclose(found, trades[first[k] : first[k] + 2**k], atol=SYSTEM * 1e5, rtol=0)
        left = np.repeat(left + found, 2)
    np.testing.assert_allclose(left, 0, atol=1e-9)


@given(
    st.integers(1, 25),
    st.sampled_from([1e5, -1e5, 1e2, -1e9, 0.0]),
    st.floats(-0.9, 0.9),
    st.floats(-0.5, 0.5),
)
def test_certainty_equivalence(count, initial, persistence, seen):
    """The first trade is that of the best schedule for the expected news, solved directly."""
    model = BertsimasLo(initial, count, 50.0, 5e-5, 5.0, persistence, 0.0)
    news = seen * persistence ** np.arange(count)
    system = np.ones((count + 1, count + 1))
    system[:count, :count] = 1 + np.eye(count)  # of impact times the sum over s <= t of u_s u_t, twice
    system[count, count] = 0
    slope = (model.price + model.information * np.cumsum(news)) / model.impact
    found = np.linalg.solve(system, np.concatenate([-slope, [-initial]]))[:count]
    assert model.trade(0, initial, seen) == pytest.approx(found[0], rel=1e-7, abs=1e-6 * max(abs(initial), 1))
    cost = float(paid(model, found[None], news[None])[0])
    assert model.expected_cost(seen) == pytest.approx(cost, rel=1e-8, abs=1e-4)


def test_the_cost_is_what_simulated_days_pay():
    rng, n_paths = np.random.default_rng(8), 40_000
    news = np.zeros((n_paths, 20))
    for t in range(1, 20):
        news[:, t] = PUBLISHED.persistence * news[:, t - 1] + rng.normal(0, math.sqrt(PUBLISHED.noise), n_paths)
    left, trades = np.full(n_paths, PUBLISHED.initial), np.zeros((n_paths, 20))
    for t in range(20):
        trades[:, t] = PUBLISHED.trade(t, left, news[:, t])
        left = left + trades[:, t]
    np.testing.assert_allclose(left, 0, atol=1e-6)
    own, naive = paid(PUBLISHED, trades, news), paid(PUBLISHED, np.full_like(trades, 5_000), news)
    for costs, expected in ((own, PUBLISHED.expected_cost()), (naive, PUBLISHED.naive_cost())):
        assert abs(costs.mean() - expected) < STANDARD_ERRORS * costs.std(ddof=1) / math.sqrt(n_paths)
    better = own - naive
    assert better.mean() < -STANDARD_ERRORS * better.std(ddof=1) / math.sqrt(n_paths)


@pytest.mark.parametrize("seen", [0.0, 0.3, -0.2])
@pytest.mark.parametrize("persistence", [-0.7, 0.0, 0.5])
def test_the_naive_cost_counts_the_expected_news(seen, persistence):
    model = replace(PUBLISHED, persistence=persistence)
    news = seen * persistence ** np.arange(20)
    cost = paid(model, np.full((1, 20), 5_000.0), news[None])[0]
    assert model.naive_cost(seen) == pytest.approx(cost, rel=RECURSION)


def test_it_is_a_linear_quadratic_problem():
    """theta is temporary impact theta / 2 and permanent impact theta; news of t + 1 move the price after trade t."""
    model, seen = PUBLISHED, 0.04
    flat = LinearQuadratic(np.full(20, model.impact / 2), np.zeros(20))
    policy = flat.feedback(np.full(20, model.information * model.persistence), np.full(20, model.persistence))
    for t in (0, 7, 18, 19):
        assert policy.trade(t, [2e4], [seen])[0] == pytest.approx(float(model.trade(t, 2e4, seen)), rel=RECURSION)
    wanted = -model.initial
    already = wanted * (model.price + model.information * seen) + model.impact * wanted**2 / 2
    cost = already + policy.value([model.initial], [seen], np.full(20, model.noise))
    assert model.expected_cost(seen) == pytest.approx(cost, rel=RECURSION)


@pytest.mark.parametrize("initial", [1e5, -1e5, 0.0])
def test_without_persistent_information_it_is_the_naive_strategy(initial):
    for model in (
        replace(PUBLISHED, initial=initial, persistence=0.0),
        replace(PUBLISHED, initial=initial, information=0.0),
    ):
        assert model.trade(0, initial, 0.3) == pytest.approx(-initial / 20)
        assert model.expected_cost(0.0) == pytest.approx(model.naive_cost(0.0))


def test_sales_mirror_purchases():
    sales = replace(PUBLISHED, initial=1e5)
    for t in range(20):
        assert sales.trade(t, 3e4, -0.02) == -PUBLISHED.trade(t, -3e4, 0.02)
    one = replace(PUBLISHED, periods=1, initial=7.0)
    assert one.trade(0, 7.0, 0.1) == -7
    assert one.expected_cost(0.1) == pytest.approx(-7 * (50 + 5 * 0.1 - 7 * 5e-5))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"impact": 0.0}, "impact must be a finite number > 0; got 0.0"),
        ({"price": -1.0}, "price must be a finite number > 0"),
        ({"noise": -1.0}, "noise must be a finite number >= 0"),
        ({"persistence": 1.0}, "persistence must be > -1 and < 1; got 1.0"),
        ({"persistence": -1.0}, "persistence must be a finite number > -1"),
        ({"periods": 0}, "periods must be a whole number >= 1; got 0"),
        ({"initial": math.nan}, "initial must be a finite number; got nan"),
    ],
)
def test_refusals(changes, said):
    with pytest.raises(DataError, match=said):
        replace(PUBLISHED, **changes)
    with pytest.raises(DataError, match=r"period must be 0 \.\. 19; got 20"):
        PUBLISHED.trade(20, 1.0, 0.0)

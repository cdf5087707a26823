"""Merged slopes, and the plain minimum, against the definition of an infimal convolution."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acopt.adaptive.inf_convolution import is_convex, lowest, merged


def by_definition(trade, first, after):
    """Return min_s F(s) + W(y - s), and the largest s that attains it, one sum at a time."""
    value, steps = np.full(len(after), np.inf), np.zeros(len(after), dtype=int)
    for y in range(len(after)):
        for j, cost in enumerate(trade):
            s = first + j
            if 0 <= y - s < len(after) and cost + after[y - s] <= value[y] and np.isfinite(after[y - s]):
                value[y], steps[y] = cost + after[y - s], s
    return value, steps


def convex(slopes, start):
    return start + np.concatenate([[0.0], np.cumsum(np.sort(slopes))])


slopes = st.lists(st.integers(-20, 20), max_size=8)  # whole numbers, so that ties are ties


@settings(max_examples=300, deadline=None)
@given(slopes, slopes, st.integers(-6, 6), st.integers(0, 4), st.integers(0, 4))
def test_merging_is_the_definition(first_slopes, second_slopes, first, low, high):
    """Domains that are shorter than the lattice, trades that go back, ties."""
    trade = convex(first_slopes, 3.0)
    inside = convex(second_slopes, -7.0)
    after = np.concatenate([np.full(low, np.inf), inside, np.full(high, np.inf)])
    value, steps = merged(trade, first, np.stack([after, after + 1.0]))
    wanted, largest = by_definition(trade, first, after)
    assert np.array_equal(value[0], wanted)
    assert np.array_equal(value[1], wanted + 1.0)
    assert np.array_equal(steps[0], largest)
    reached = value[0][np.isfinite(value[0])]
    assert len(reached) < 1 or is_convex(reached)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.floats(-50, 50), min_size=1, max_size=6), st.lists(st.floats(-50, 50), min_size=1, max_size=8),
    st.integers(-4, 4),
)  # fmt: skip
def test_the_plain_minimum_is_the_definition(trade, after, first):
    trade, after = np.array(trade), np.array(after)
    offsets = np.arange(first, first + len(trade), dtype=np.int32)[:, None]
    value, chosen = lowest(trade, offsets, after[None])
    wanted, _ = by_definition(trade, first, after)
    assert np.array_equal(value[0], wanted)
    reached = np.isfinite(wanted)
    y = np.flatnonzero(reached)
    assert np.array_equal(trade[chosen[0, y]] + after[y - offsets[chosen[0, y], 0]], wanted[y])


def test_the_plain_minimum_over_two_axes():
    rng = np.random.default_rng(0)
    after = rng.normal(size=(2, 4, 5))
    offsets = np.array([(i, j) for i in (-1, 0, 2) for j in (-2, 0, 1)], dtype=np.int32)
    costs = rng.normal(size=len(offsets))
    value, chosen = lowest(costs, offsets, after)
    for row, y, z in np.ndindex(2, 4, 5):
        sums = [
            cost + after[row, y - s, z - t]
            for cost, (s, t) in zip(costs, offsets, strict=True)
            if 0 <= y - s < 4 and 0 <= z - t < 5
        ]
        assert value[row, y, z] == min(sums)
        s, t = offsets[chosen[row, y, z]]
        assert value[row, y, z] == costs[chosen[row, y, z]] + after[row, y - s, z - t]


@pytest.mark.parametrize("power", [1.0, 1.01, 1.5, 2.0, 5.0])
@pytest.mark.parametrize("size", [1e-6, 1.0, 1e12])
def test_convex_laws_are_recognised_at_any_size(power, size):
    u = np.arange(-3_000, 3_001) * 100.0
    assert is_convex(size * np.abs(u) ** power)
    assert is_convex(size * np.abs(u) ** power - 3.0 * size * u)


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e12])
def test_what_is_not_convex_is_recognised_at_any_size(size):
    u = np.arange(0, 3_001) * 100.0
    assert not is_convex(size * np.abs(u) ** 0.99)
    assert not is_convex(size * (u**1.5 + 2_000.0 * (u != 0)))
    assert not is_convex(size * np.minimum(u, 2_000.0))
    hole = size * u
    hole[7] = np.inf
    assert not is_convex(hole)
    assert not is_convex(np.full(3, np.inf))
    assert is_convex(np.array([np.inf, 1.0, 2.0, np.inf]))

"""One step of Bellman's equation on a lattice: the lowest sum of what a trade costs and what comes after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from acopt.market.labels import Array

Steps: TypeAlias = npt.NDArray[np.int32]

RELATIVE = 1e-12
"""Part of the values around it by which a second difference may be negative: rounding."""


def is_convex(values: Array) -> bool:
    """Whether a sequence has slopes that do not fall, beyond rounding; infinite values are allowed at its ends only."""
    finite = np.flatnonzero(np.isfinite(values))
    if len(finite) < 1 or len(finite) != finite[-1] - finite[0] + 1:
        return False
    inside = values[finite[0] : finite[-1] + 1]
    size = np.abs(inside)
    noise = RELATIVE * (size[2:] + size[1:-1] + size[:-2] + 1e-3 * size.max())
    return bool((np.diff(inside, 2) >= -noise).all())


def merged(trade: Array, first: int, after: Array) -> tuple[Array, Steps]:
    """
    Infimal convolution of two convex sequences, by merging their slopes.

    V(y) = min_s F(s) + W(y - s): the slopes of V are those of F and W, sorted, so that s, which counts the slopes of
    F among the y lowest, never falls when y grows. Of equal sums the largest s is taken.

    Parameters
    ----------
    trade : F (m,), finite, s = first, first + 1, ...
    after : W (rows, L), y = 0..L-1, each row finite in the same stretch.

    Returns
    -------
    V (rows, L), infinite where nothing is possible, and s (rows, L), 0 there.

    References
    ----------
    Rockafellar (1970), theorem 16.4; Murota (2003), section 1.4, for integers.
    """
    rows, length = after.shape
    value, steps = np.full(after.shape, np.inf), np.zeros(after.shape, dtype=np.int32)
    finite = np.flatnonzero(np.isfinite(after[0]))
    if not len(finite):
        return value, steps
    low, high = int(finite[0]), int(finite[-1])
    start = first + low
    begin, end = max(start, 0), min(start + len(trade) + high - low, length)
    if begin >= end:
        return value, steps
    slopes = np.maximum.accumulate(np.diff(trade))
    order = np.arange(len(slopes))
    taken = np.zeros(len(slopes) + high - low + 1, dtype=np.int32)
    before = np.arange(begin, end)
    for row in range(rows):
        others = np.maximum.accumulate(np.diff(after[row, low : high + 1]))
        taken[:] = 0
        taken[1 + order + np.searchsorted(others, slopes)] = 1
        count = np.cumsum(taken, dtype=np.int32)[begin - start : end - start]
        steps[row, begin:end] = first + count
        value[row, begin:end] = trade[count] + after[row, before - first - count]
    return value, steps


def lowest(costs: Array, offsets: Steps, after: Array) -> tuple[Array, Steps]:
    """
    Plain minimum over trades: V(y) = min_j F_j + W(y - s_j), any F and W.

    Parameters
    ----------
    costs : F (J,).
    offsets : s (J, n), steps by axis; of equal sums the first is taken.
    after : W (rows, L_1, ..., L_n).

    Returns
    -------
    V like W, and j, 0 where nothing is possible.
    """
    value, chosen = np.full(after.shape, np.inf), np.zeros(after.shape, dtype=np.int32)
    for j, (cost, offset) in enumerate(zip(costs.tolist(), offsets.tolist(), strict=True)):
        to, origin = _shifted(offset, after.shape[1:])
        candidate = cost + after[origin]
        better = candidate < value[to]
        np.copyto(value[to], candidate, where=better)
        np.copyto(chosen[to], j, where=better)
    return value, chosen


def _shifted(offset: Sequence[int], shape: tuple[int, ...]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Slices of y, and of y - s, where both are on the lattice."""
    to = [slice(max(s, 0), max(min(size + s, size), 0)) for s, size in zip(offset, shape, strict=True)]
    origin = [slice(max(-s, 0), max(min(size - s, size), 0)) for s, size in zip(offset, shape, strict=True)]
    return (slice(None), *to), (slice(None), *origin)

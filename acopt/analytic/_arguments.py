"""Checks of arguments, shared by the closed forms: a refusal names object, argument, value, and what would do."""

from __future__ import annotations

import math
from typing import SupportsFloat

import numpy as np
from numpy.typing import ArrayLike, NDArray

from acopt.errors import DataError

__all__ = ["Array", "array", "count", "number", "symmetric"]

Array = NDArray[np.float64]


def number(
    owner: str,
    name: str,
    value: object,
    *,
    above: float = -math.inf,
    least: float = -math.inf,
    infinite: bool = False,
) -> float:
    """Return `value` as a float that is finite (or, where allowed, +inf), `> above` and `>= least`."""
    try:
        found = float(value) if isinstance(value, SupportsFloat) else math.nan
    except (TypeError, ValueError):
        found = math.nan
    finite = math.isfinite(found) or (infinite and found == math.inf)
    if not finite or found <= above or found < least:
        kind = "number (inf included)" if infinite else "finite number"
        raise DataError(f"{owner}: {name} must be a {kind}{_bound(above, least)}; got {value!r}")
    return found


def count(owner: str, name: str, value: object) -> int:
    """Return `value` as a whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise DataError(f"{owner}: {name} must be a whole number >= 1; got {value!r}")
    return int(value)


def array(
    owner: str,
    name: str,
    value: ArrayLike,
    shape: tuple[int, ...],
    *,
    above: float = -math.inf,
    least: float = -math.inf,
) -> Array:
    """Return a read-only float copy of `value`, finite, in range, and of exactly `shape` (-1: any length but 0)."""
    try:
        found = np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{owner}: {name} must be numbers of shape {shape}; got {value!r}") from error
    wanted = tuple(have if want == -1 else want for want, have in zip(shape, found.shape, strict=False))
    if found.shape != wanted or len(shape) != found.ndim or 0 in found.shape:
        raise DataError(f"{owner}: {name} must have shape {shape}; got shape {found.shape}")
    if not np.isfinite(found).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(found))[0])
        raise DataError(f"{owner}: {name} must be finite; got {found[place]} at {place}")
    outside = (found <= above) | (found < least)
    if outside.any():
        place = tuple(int(i) for i in np.argwhere(outside)[0])
        raise DataError(f"{owner}: {name} must be{_bound(above, least)}; got {found[place]:g} at {place}")
    found.setflags(write=False)
    return found


def symmetric(owner: str, name: str, value: ArrayLike, size: int) -> Array:
    """Return `value`, (size, size) and symmetric to 1e-10 of its largest entry, with the asymmetry rounded away."""
    found = array(owner, name, value, (size, size))
    gap = np.abs(found - found.T)
    if gap.max() > 1e-10 * np.abs(found).max():
        i, j = (int(k) for k in np.unravel_index(int(gap.argmax()), gap.shape))
        raise DataError(
            f"{owner}: {name} must be symmetric; got {found[i, j]:g} at ({i}, {j}) and {found[j, i]:g} at ({j}, {i})"
        )
    mean = (found + found.T) / 2
    mean.setflags(write=False)
    return mean


def _bound(above: float, least: float) -> str:
    return f" > {above:g}" if above > -math.inf else f" >= {least:g}" if least > -math.inf else ""

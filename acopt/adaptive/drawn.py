"""What a price model must return: checked, so that a model of someone's own fails by its name."""

from __future__ import annotations

from typing import Any

import numpy as np

from acopt.adaptive.prices import Drawn, PriceModel
from acopt.errors import DataError
from acopt.market.labels import LARGEST, Array, numbers, short
from acopt.model.setting import Setting


def checked(drawn: Any, model: PriceModel, shape: tuple[int, ...]) -> Drawn:
    """Return what `draw` did, or raise when it is not changes, signals and volumes of this shape (paths, N, n)."""
    if not isinstance(drawn, Drawn):
        raise DataError(f"{short(model)}: draw returned {short(drawn)}, a Drawn is expected")
    changes = _array(drawn.changes, model, "draw: changes", shape)
    signal = _array(drawn.signal, model, "draw: signal", shape)
    if drawn.volumes is None:
        return Drawn(changes, signal)
    volumes = _array(drawn.volumes, model, "draw: volumes", shape)
    wrong = (volumes < 0) | ((volumes > 0) & (volumes < 1 / LARGEST))
    if wrong.any():
        raise DataError(
            f"{short(model)}: draw: volumes has {volumes[wrong][0]:.6g}; 0, or numbers from {1 / LARGEST:g} on, are "
            "expected"
        )
    return Drawn(changes, signal, volumes)


def forecast(model: PriceModel, setting: Setting, interval: int, prices: Array, signal: Array) -> Array:
    """Return what `expected` says, or raise when it is not (paths, N - interval, n)."""
    paths, n, m = len(signal), *setting.shape
    return _array(model.expected(setting, interval, prices, signal), model, "expected", (paths, n - interval, m))


def _array(value: Any, model: PriceModel, what: str, shape: tuple[int, ...]) -> Array:
    array = numbers(value, f"{short(model)}: {what}")
    if array.shape != shape:
        raise DataError(f"{short(model)}: {what} has shape {array.shape}; {shape} is expected")
    usable = np.abs(array) <= LARGEST
    if not usable.all():
        raise DataError(
            f"{short(model)}: {what} has {array[~usable][0]:.6g}; finite numbers are expected, of at most {LARGEST:g}"
        )
    return array

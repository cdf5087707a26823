"""Learned tables as files: arrays and a text, nothing that is run when it is read."""

from __future__ import annotations

import hashlib
import json
import struct
import zipfile
import zlib
from dataclasses import asdict
from io import BytesIO
from os import PathLike
from pathlib import Path
from tokenize import TokenError
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from acopt.adaptive.q_schedules import Exploration, LearningRate
from acopt.errors import DataError
from acopt.market.labels import Array, short

if TYPE_CHECKING:
    from acopt.adaptive.q_learning import QLearning

FORMAT = "acopt q-learning 1"
UNREADABLE = (
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    OSError,
    RuntimeError,  # a zip file with a password, or of a kind that is not supported
    SyntaxError,
    MemoryError,
    TokenError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What reading a file raises that is damaged, or something else."""


def save(learner: QLearning, path: str | PathLike[str]) -> None:
    """Write a learner, whole or not at all."""
    from acopt.interface.files import write_bytes

    about = {
        "format": FORMAT,
        **_belongs_to(learner),
        "double": learner.double,
        "batch": learner.batch,
        "learning_rate": asdict(learner.learning_rate),
        "exploration": asdict(learner.exploration),
        "episodes": learner.episodes,
        "random": learner._rng.bit_generator.state,
    }
    content = BytesIO()
    np.savez_compressed(
        content,
        about=np.array(json.dumps(about)),
        values=learner.values,
        updates=learner.updates,
        curve=learner.learning_curve.to_numpy(dtype=float),
    )
    write_bytes(path, content.getvalue())


def load(kind: type[QLearning], path: str | PathLike[str], task: Any, memory_gb: float) -> QLearning:
    """Read a learner, and demand that it is of this task."""
    try:
        with np.load(BytesIO(_bytes(path)), allow_pickle=False) as file:
            about = json.loads(str(file["about"][()]))
            arrays = {name: np.asarray(file[name]) for name in ("values", "updates", "curve")}
        if about["format"] != FORMAT:
            raise DataError(f"{path}: the format {short(about['format'])} was found, {FORMAT!r} is expected")
        learner = kind(
            task,
            double=about["double"],
            learning_rate=LearningRate(**about["learning_rate"]),
            exploration=Exploration(**about["exploration"]),
            batch=about["batch"],
            memory_gb=memory_gb,
        )
        for what, here in _belongs_to(learner).items():
            if about[what] != here:
                raise DataError(f"{path}: the table was learned with {what} {about[what]}; here it is {here}")
        _check(learner, arrays, path)
        learner._rng.bit_generator.state = about["random"]
        learner.episodes = int(about["episodes"])
    except DataError:
        raise
    except UNREADABLE as error:
        raise DataError(
            f"{path}: it is no table of a QLearning; one that learner.save(path) wrote is expected"
        ) from error
    learner.restore(arrays["values"], arrays["updates"], arrays["curve"].tolist())
    return learner


def _bytes(path: str | PathLike[str]) -> bytes:
    try:
        return Path(path).read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file") from error
    except (OSError, TypeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no path"
        raise DataError(f"{short(path)}: the file cannot be read ({reason})") from error


def _belongs_to(learner: QLearning) -> dict[str, str]:
    """What a table is of: the problem (and the versions that count), and what the task adds to it."""
    task = learner.task
    return {"problem": task.problem.content_hash(), "task": task.key, "prices": _described(task.prices)}


def _described(prices: Any) -> str:
    """A price model by its name and a hash of all its numbers: two that print alike are not the same."""
    if prices is None:
        return "None"
    return f"{type(prices).__name__} {hashlib.sha256(_content(prices)).hexdigest()[:16]}"


def _content(value: Any) -> bytes:
    """Bytes of a value, of arrays to the last bit."""
    if isinstance(value, np.ndarray):
        return f"{value.shape} {value.dtype}".encode() + np.ascontiguousarray(value).tobytes()
    if isinstance(value, pd.Series | pd.DataFrame):
        labels = [list(map(str, axis)) for axis in value.axes]
        return repr(labels).encode() + _content(np.asarray(value.to_numpy(), dtype=float))
    if value is None or isinstance(value, bool | int | float | str):
        return repr(value).encode()
    if isinstance(value, pd.Index | list | tuple):
        return b"[" + b",".join(map(_content, value)) + b"]"
    if isinstance(value, dict):
        return b"{" + b",".join(_content(k) + b":" + _content(value[k]) for k in sorted(value, key=str)) + b"}"
    return type(value).__name__.encode() + _content(vars(value)) if hasattr(value, "__dict__") else repr(value).encode()


def _check(learner: QLearning, arrays: dict[str, Array], path: Any) -> None:
    for name in ("values", "updates"):
        own, found = getattr(learner, name), arrays[name]
        if found.shape != own.shape or found.dtype != own.dtype:
            raise DataError(
                f"{path}: {name} of shape {found.shape} and type {found.dtype} were found, {own.shape} and {own.dtype} "
                "are expected"
            )
    tried = arrays["updates"] > 0
    if (
        not np.array_equal(tried, np.isfinite(arrays["values"]))
        or arrays["curve"].shape[1:] != learner.learning_curve.shape[1:]
    ):
        raise DataError(f"{path}: its arrays contradict each other; the file is damaged")

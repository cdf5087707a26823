"""Learned tables as files: arrays and a text, nothing that is run when it is read."""

from __future__ import annotations

import json
import zipfile
from dataclasses import asdict
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from acopt.adaptive.q_schedules import Exploration, LearningRate
from acopt.errors import DataError
from acopt.market.labels import Array, short

if TYPE_CHECKING:
    from acopt.adaptive.q_learning import QLearning

FORMAT = "acopt q-learning 1"
UNREADABLE = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile)


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
        with np.load(BytesIO(Path(path).read_bytes()), allow_pickle=False) as file:
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
        raise DataError(f"{path}: it is no table of a QLearning ({short(str(error))})") from error
    learner.restore(arrays["values"], arrays["updates"], arrays["curve"].tolist())
    return learner


def _belongs_to(learner: QLearning) -> dict[str, str]:
    """What a table is of: the problem (and the versions that count), and what the task adds to it."""
    task = learner.task
    return {"problem": task.problem.content_hash(), "task": task.key, "prices": repr(task.prices)}


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

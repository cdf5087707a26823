"""One fuzzed input: drawn from a seed and a number, tried under a clock, and what came of it."""

from __future__ import annotations

import signal
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

import fuzzed_adaptive
import fuzzed_calls
import fuzzed_csv
import fuzzed_updates

import acopt as ac

SECONDS = 20.0
FAMILIES = ("csv", "costs", "rules", "market", "questions", "answers", "adaptive", "updates", "files")
OF_CALLS = {
    "costs": fuzzed_calls.COSTS,
    "rules": fuzzed_calls.RULES,
    "market": fuzzed_calls.MARKETS,
    "questions": fuzzed_calls.QUESTIONS,
    "answers": fuzzed_calls.ANSWERS,
    "adaptive": fuzzed_adaptive.ADAPTIVE,
    "files": fuzzed_calls.FILES,
}
WEIGHTS = (25, 14, 16, 22, 9, 9, 20, 5, 1)
OPERATED = ("cost ", "order ")
"""Calls of an operator: where both sides decline, Python raises its TypeError, with no line of ours in it."""


class HangError(BaseException):
    """Something took too long."""


@dataclass(frozen=True)
class Outcome:
    """What came of one input: `finding` is None when that is allowed."""

    number: int
    family: str
    said: str
    kind: str
    finding: str | None = None


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Stop what takes longer."""

    def stop(signum: int, frame: FrameType | None) -> None:
        raise HangError(f"more than {seconds:g} s")

    old = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, old)


def drawn(seed: int, number: int, folder: Path, only: str | None = None) -> tuple[str, str, Callable[[], Any]]:
    """The family (or the one that is asked for), a word on the input, and what tries it."""
    rng = Random(f"{seed}/{number}")  # noqa: S311
    family = only or rng.choices(FAMILIES, WEIGHTS)[0]
    if family == "csv":
        said, act = fuzzed_csv.drawn(rng, folder)
    elif family == "updates":
        said, act = fuzzed_updates.drawn(rng)
    else:
        said, act = fuzzed_calls.drawn(rng, OF_CALLS[family], folder)
    return family, said, act


def attempt(seed: int, number: int, folder: Path, only: str | None = None) -> Outcome:
    """Try one input, warnings as errors."""
    family, said, act = drawn(seed, number, folder, only)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            with within(SECONDS):
                act()
        except ac.AcoptError as error:
            if not str(error).strip():
                return Outcome(number, family, said, "ELSE", f"{type(error).__name__} without a message")
            return Outcome(number, family, said, type(error).__name__)
        except (Exception, HangError) as error:
            if isinstance(error, TypeError) and said.startswith(OPERATED) and of_ours(error) is None:
                return Outcome(number, family, said, "operator")
            return Outcome(number, family, said, "ELSE", told(error))
    return Outcome(number, family, said, "valid")


def of_ours(error: BaseException) -> traceback.FrameSummary | None:
    """The innermost frame of the library in a traceback."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/acopt/" in frame.filename]
    return frames[-1] if frames else None


def told(error: BaseException) -> str:
    """An error in one line, with the place in the library where it passed."""
    at = of_ours(error)
    place = f" [{at.filename.rpartition('/acopt/')[2]}:{at.lineno} {at.name}]" if at else ""
    notes = "; ".join(getattr(error, "__notes__", ()))
    return f"{type(error).__name__}{place}: {str(error)[:160]} {notes[:260]}".replace("\n", " ")

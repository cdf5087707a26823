"""The one tree of errors: `AcoptError` and its five branches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

__all__ = [
    "AcoptError",
    "DataError",
    "InfeasibleError",
    "MissingExtraError",
    "ModelError",
    "SolverError",
    "UnboundedError",
]


class AcoptError(Exception):
    """Root of every error that acopt raises on purpose."""


class DataError(AcoptError, ValueError):
    """A number, label, file or setting that cannot be used; the message names it and what would do."""


class ModelError(AcoptError, ValueError):
    """A problem that is not a convex program, or that lacks something only the user can state."""


class _ProblemError(AcoptError):
    """An error about a whole problem, which can say more when asked."""

    _question: Callable[[], Any] | None = None
    _diagnosis: Any = None

    def about(self, question: Callable[[], Any]) -> Self:
        """Remember what computes the diagnosis; the first problem to say so is the one that is meant."""
        if self._question is None:
            self._question = question
            self.add_note("error.diagnosis says which rules conflict or which cost lacks a counterweight")
        return self

    @property
    def diagnosis(self) -> Any:
        """Return the `Diagnosis` of the problem, computed when first asked for; None when no problem raised it."""
        if self._diagnosis is None and self._question is not None:
            self._diagnosis = self._question()
        return self._diagnosis

    def __reduce__(self) -> tuple[Any, ...]:
        # The question holds the whole problem, which may not travel between processes.
        return type(self), self.args, {"_diagnosis": self._diagnosis}


class InfeasibleError(_ProblemError):
    """No schedule obeys all constraints; the message carries the arithmetic, `diagnosis` what would repair it."""


class UnboundedError(_ProblemError):
    """The objective falls without end; the message carries the direction, `diagnosis` what would stop it."""


class SolverError(AcoptError):
    """No solver met the accuracy contract; the message lists what was tried."""


class MissingExtraError(AcoptError, ImportError):
    """An optional library is absent; the message carries its install line."""

"""The one tree of errors: `AcoptError` and its five branches."""

from __future__ import annotations

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


class InfeasibleError(AcoptError):
    """No schedule obeys all constraints; the message carries the arithmetic."""


class UnboundedError(AcoptError):
    """The objective falls without end; the message carries the direction."""


class SolverError(AcoptError):
    """No solver met the accuracy contract; the message lists what was tried."""


class MissingExtraError(AcoptError, ImportError):
    """An optional library is absent; the message carries its install line."""

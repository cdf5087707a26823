"""What a user's function of the paths may do, and what it may not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cvxpy as cp

from acopt.errors import ModelError
from acopt.model.paths import Paths

FAILURES = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
    cp.error.DCPError,
)
"""What a user's function may raise when its formula is wrong; beside them, the plain `Exception` of CVXPY."""


@contextmanager
def answering(name: str) -> Iterator[None]:
    """Say which term's function failed, and why."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, FAILURES) and type(error) is not Exception:
            raise
        raise ModelError(f"{name}: the function failed on the paths: {error}") from error


def check_own_variables(expression: Any, path: Paths, name: str) -> None:
    """Demand that an expression is about this problem's paths and nothing else."""
    own = {path.variable.id} | {v.id for c in path.definitions for v in c.variables()}
    foreign = [v for v in expression.variables() if v.id not in own]
    if foreign:
        raise ModelError(f"{name} uses the variable {foreign[0].name()}, which is not of this problem's paths")
    if not expression.variables():
        raise ModelError(f"{name} does not depend on the schedule: use the paths that the function is given")

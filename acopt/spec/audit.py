"""What a plan was computed from, as one number: the data of its problem, and the programs that solved it."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from acopt.model.problem import ExecutionProblem
from acopt.spec.toml import dumps
from acopt.spec.writer import tables_of

PROGRAMS = ("acopt", "cvxpy", "osqp", "clarabel", "highspy", "numpy", "scipy")


def versions() -> dict[str, str]:
    """Return the versions that go into `content_hash`: of Python (major.minor) and of what computes the answer."""
    return {"python": ".".join(platform.python_version_tuple()[:2]), **{name: _version(name) for name in PROGRAMS}}


def content_hash(problem: ExecutionProblem) -> str:
    """
    Return the SHA-256 of a problem's canonical text and of `versions`: "sha256:" and 64 digits.

    Two problems have the same hash when they are the same to the solver: what they were given (a number or a table,
    integers, labels in another order, more assets than are traded, a grid by its session or by its edges) does not
    matter, nor does what a file says about itself. A number that differs in its last bit does, and so does a name, a
    weight, the sequence of assets, costs or rules, the words of a window ("11:30", or 0.3), or a version. Code of
    one's own counts by the path from which it is imported.

    Raises
    ------
    DataError, ModelError
        As `to_toml`: what cannot be written has no hash.
    """
    tables = tables_of(problem)
    tables["market"] = {key: value for key, value in tables.get("market", {}).items() if key != "notes"}
    kinds = {term.cost.name: term.cost.kind for term in problem.objective.terms}
    tables["cost"] = [_unweighted(table, kinds) for table in tables["cost"]]
    text = dumps({"versions": versions(), **tables})
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _unweighted(table: dict[str, Any], kinds: Mapping[str, str]) -> dict[str, Any]:
    """A cost of weight 1 is one that has none, except for risks, which wait for a dial."""
    name = table.get("name") or str(table["type"]).replace(":", ".").rpartition(".")[2]
    plain = table.get("weight") == 1 and kinds[name] != "risk"
    return {key: value for key, value in table.items() if key != "weight" or not plain}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"

"""From a problem file to a problem, its answer, and the comparison with the numbers that the file promises."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from importlib.resources.abc import Traversable
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import ValidationError

from acopt.errors import DataError
from acopt.market.labels import short
from acopt.model.problem import ExecutionProblem
from acopt.model.schedule import Schedule
from acopt.spec.assembly import Assembly
from acopt.spec.axes import Source, one_line
from acopt.spec.schema import CaseTable, ProblemSpec

COLUMNS = ["case", "quantity", "asset", "time", "expected", "found", "allowed", "origin", "passed"]


@dataclass(frozen=True)
class ProblemFile:
    """
    A problem file: one order in one market, in one case or several.

    Attributes
    ----------
    name, title, source : what it is called, what it is about, where it comes from.
    cases : names of the cases; methods take the first of them by default.
    spec : its tables.
    """

    name: str
    title: str
    source: str
    cases: tuple[str, ...]
    spec: ProblemSpec = field(repr=False)
    _assembly: Assembly = field(repr=False, compare=False)

    def problem(self, case: str | None = None) -> ExecutionProblem:
        """Return a new problem of a case."""
        return self._assembly.problem(self._case(case))

    def solve(self, case: str | None = None) -> Schedule:
        """Solve a case, by its dial if it has one; trades that it states are priced, not solved for."""
        table = self._case(case)
        problem, trades, dial = self.problem(case), self._assembly.trades(table), table.solve or self.spec.solve
        with self._assembly.source.naming(f"case {table.name!r}"):
            if trades is not None:
                return problem.evaluate(trades, name=table.name)
            return problem.solve() if dial is None else problem.solve_for(**dial.model_dump(exclude_none=True))

    def check(self, case: str | None = None, plan: Schedule | None = None) -> pd.DataFrame:
        """
        Compare the numbers that a case promises with those of its schedule (`plan`, if it is at hand).

        Returns
        -------
        DataFrame, a row for each number: case, quantity, asset, time, expected, found, allowed (absolute
        difference), origin, passed.
        """
        table = self._case(case)
        plan = plan if plan is not None else self.solve(case)
        rows: list[tuple[Any, ...]] = []
        for quantity, promise, path in self._assembly.promised(table):
            columns: list[tuple[Any, list[Any], list[float], list[float]]]
            if path is not None:
                columns = [(i, list(path.index), path[i].tolist(), getattr(plan, quantity)[i].tolist()) for i in path]
            else:
                columns = [(None, [None], [promise.value], [_number(plan, quantity)])]
            for asset, times, wanted, got in columns:
                allowed = promise.allowed(wanted)
                rows += [
                    (table.name, quantity, asset, time, a, b, allowed, promise.origin, abs(b - a) <= allowed)
                    for time, a, b in zip(times, wanted, got, strict=True)
                ]
        return pd.DataFrame(rows, columns=COLUMNS)

    def _case(self, name: str | None) -> CaseTable:
        for case in _cases(self.spec):
            if name is None or case.name == name:
                return case
        raise DataError(f"{self.name}: no case is called {name!r}; there are: {', '.join(self.cases)}")


def _number(plan: Schedule, quantity: str) -> float:
    name = quantity.removeprefix("terms.")
    if name != quantity:
        return plan.term_values[name]
    in_bps = {"cost_bps": "expected_cost", "risk_bps": "risk"}
    return plan.bps(getattr(plan, in_bps[name])) if name in in_bps else float(getattr(plan, name))


def load_problem(name_or_path: str | PathLike[str], *, custom: bool = True) -> ProblemFile:
    """
    Read a problem that acopt ships, by its name, or any file whose path ends in .toml.

    A file may name code of one's own (`package.module:name`), which is imported: load only files that you trust, or
    say custom=False.

    Parameters
    ----------
    name_or_path : its name, or its path.
    custom : whether the file may import functions and classes of one's own; if not, it is refused when it does.

    Raises
    ------
    DataError, ModelError
        No such file or name, not TOML (names the line), or a table that says something unknown or impossible: the
        file, the path to the field, what was found, and what is accepted, in one line.
    """
    text = fspath(name_or_path) if isinstance(name_or_path, str | PathLike) else None
    if not isinstance(text, str):
        raise DataError(f"load_problem: {short(name_or_path)} was given; the name or the path of a file is expected")
    shipped = _shipped()
    if text.endswith(".toml"):
        return _read(text, Path(text), custom)
    if text not in shipped:
        raise DataError(f"no problem is called {text!r}; there are: {', '.join(shipped)} (or give the path of a .toml)")
    return _read(f"{text}.toml", shipped[text], custom)


def list_problems() -> pd.DataFrame:
    """Return the problems that acopt ships: name, title, source."""
    files = [load_problem(name) for name in _shipped()]
    return pd.DataFrame([(each.name, each.title, each.source) for each in files], columns=["name", "title", "source"])


def _shipped() -> dict[str, Traversable]:
    """Files by name: in the installed package, or next to it in a source checkout."""
    package = resources.files("acopt")
    folders: list[Traversable] = [package / "problems", Path(str(package)).parent / "problems"]
    folder = next((each for each in folders if each.is_dir()), None)
    found = [] if folder is None else [each for each in folder.iterdir() if each.name.endswith(".toml")]
    return {each.name.removesuffix(".toml"): each for each in sorted(found, key=lambda each: each.name)}


def parse_problem(text: str, *, file: str = "text", custom: bool = True) -> ProblemFile:
    """
    Read a problem from the text of a problem file.

    Parameters
    ----------
    text : TOML.
    file : what errors call it.
    custom : as in `load_problem`.

    Raises
    ------
    DataError, ModelError
        As `load_problem`.
    """
    try:
        data = tomllib.loads(text)
        spec = ProblemSpec.model_validate(data)
    except ValidationError as error:
        raise DataError(one_line(f"{file}: {_explain(error, data)}")) from error
    except (ValueError, RecursionError) as error:
        reason = str(error).replace("at end of document", f"at line {len(text.splitlines())}")
        raise DataError(one_line(f"{file}: cannot be read as TOML: {reason}")) from error
    assembly, names = Assembly(Source(file, custom=custom), spec), tuple(case.name for case in _cases(spec))
    for case in _cases(spec):
        if names.count(case.name) > 1:
            assembly.source.refuse("case", f"two are called {case.name!r}; names must differ")
        assembly.examine(case)
    return ProblemFile(spec.problem.name, spec.problem.title, str(spec.problem.source), names, spec, assembly)


def _read(file: str, source: Traversable, custom: bool) -> ProblemFile:
    try:
        text = source.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise DataError(f"{file}: no such file") from error
    except (OSError, ValueError) as error:
        raise DataError(one_line(f"{file}: cannot be read as TOML: {error}")) from error
    return parse_problem(text, file=file, custom=custom)


def _cases(spec: ProblemSpec) -> tuple[CaseTable, ...]:
    return spec.case or (CaseTable(name="base"),)


def _explain(error: ValidationError, data: Any) -> str:
    """
    Return the first error: the path to the field, what was found, what is accepted.

    A field of several forms gives an error for each of them: those that got furthest say what is wrong.
    """
    details = error.errors(include_url=False)
    paths = [_locate(detail["loc"], data, missing=detail["type"] == "missing") for detail in details]
    tried = [k for k, path in enumerate(paths) if path[: len(paths[0])] == paths[0]]
    deepest = paths[max(tried, key=lambda k: len(paths[k]))]
    first, *others = [details[k] for k in tried if paths[k] == deepest]
    context: dict[str, Any] = first.get("ctx", {})
    where = "".join(each if each.startswith("[") else f".{each}" for each in deepest)
    if first["type"] == "refused":
        return f"{(where + context['path']).lstrip('.') or 'the file'}: {context['message']}"
    where = where.lstrip(".") or "the file"
    if first["type"] == "missing":
        return f"{where}: missing"
    if first["type"] == "union_tag_not_found":
        return f"{where}: its {context['discriminator']} is missing"
    if first["type"] == "union_tag_invalid":
        known = context["expected_tags"].replace("'", "")
        return f"{where}: {context['discriminator']} = {context['tag']!r} is not known; accepted are {known}"
    accepted = dict.fromkeys(each["msg"].removeprefix("Input should be ") for each in (first, *others))
    text = " or ".join(accepted).replace("tuple", "list").replace("dictionary", "table").replace("string", "text")
    return f"{where}: {first['input']!r:.60} is not accepted; expected is {text}"


def _locate(steps: Sequence[int | str], data: Any, *, missing: bool) -> list[str]:
    """Return the steps that lead through the file; names of forms that were tried are not among them."""
    path = []
    for position, step in enumerate(steps):
        if isinstance(step, int) and isinstance(data, list):
            path.append(f"[{step}]")
            data = data[step] if step < len(data) else None
        elif isinstance(data, dict) and (step in data or (missing and position == len(steps) - 1)):
            path.append(str(step))
            data = data.get(step)
    return path

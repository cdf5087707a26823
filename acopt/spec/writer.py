"""From a problem, however it was made, to the tables of a problem file and their text."""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from acopt.errors import DataError
from acopt.market.grid import TimeGrid
from acopt.market.labels import demand, short
from acopt.model.algebra import Cost
from acopt.model.problem import ExecutionProblem
from acopt.model.setting import Setting
from acopt.spec.assembly import grid_of
from acopt.spec.forms import text_of
from acopt.spec.schema import GridTable
from acopt.spec.terms import market_written, weighted, written
from acopt.spec.toml import dumps

DAY = TimeGrid([0.0, 1.0]).session_length
"""Trading time in a "day" that a grid does not state."""


def to_toml(
    problem: ExecutionProblem, *, name: str = "problem", title: str | None = None, source: str | None = None
) -> str:
    """
    Write a problem as the text of a problem file, which `load_problem` turns back into the same problem.

    Data are written as the problem has them, aligned: in the order's assets, by interval where they change with it.
    Every number reads back to the last bit.

    Parameters
    ----------
    problem : what is written, its history and the weights of an update included.
    name, title, source : what the file says about it; by default its size, and that acopt wrote it.

    Raises
    ------
    DataError
        A label of an asset, factor or group that is no text; names it.
    ModelError
        A term that cannot be imported by a name (a lambda, a class within a function, one of the script that runs),
        or whose keywords its object does not keep; names the term and says what would do.
    """
    demand(problem, ExecutionProblem, "to_toml problem")
    n, m = problem.setting.shape
    about = {
        "name": name,
        "title": f"{m} asset{'s' if m > 1 else ''}, {n} interval{'s' if n > 1 else ''}" if title is None else title,
        "source": {"author": "acopt.save_problem" if source is None else source},
    }
    for key, value in (("name", name), ("title", title), ("source", source)):
        if value is not None and (not isinstance(value, str) or not value.strip()):
            raise DataError(f"{key}={value!r}: a text is expected")
    return dumps({"problem": about, **tables_of(problem)})


def save_problem(
    problem: ExecutionProblem,
    path: str | PathLike[str],
    *,
    name: str | None = None,
    title: str | None = None,
    source: str | None = None,
) -> Path:
    """
    Write a problem file, whole or not at all; return its path. See `to_toml`.

    Parameters
    ----------
    problem : what is written.
    path : a file ending in .toml; one that exists is replaced.
    name, title, source : what the file says about it; the name is that of the file by default.

    Raises
    ------
    DataError, ModelError
        As `to_toml`; or the file cannot be written.
    """
    from acopt.interface.files import write_text

    text = fspath(path) if isinstance(path, str | PathLike) else None
    if not isinstance(text, str) or Path(text).suffix != ".toml":
        raise DataError(f"{short(path)}: the path of a problem file, which ends in .toml, is expected")
    name = Path(text).stem if name is None else name
    return write_text(text, to_toml(problem, name=name, title=title, source=source))


def tables_of(problem: ExecutionProblem) -> dict[str, Any]:
    """Return the tables of a problem, without what is said about it."""
    setting, terms = problem.setting, problem.objective.terms
    out: dict[str, Any] = {
        "grid": _grid(setting.grid),
        "asset": list(_assets(setting)),
        "market": market_written(setting.market, setting),
    }
    owned: dict[tuple[type[Cost], str], dict[str, Any]] = {}
    rules, costs = [], []
    for rule in problem.constraints:
        table, penalty = written(rule, setting), rule.penalty()
        for term in () if penalty is None else penalty.terms:
            owned[type(term.cost), term.cost.name] = table
        rules.append(table)
    for term in terms:
        rule_of = owned.get((type(term.cost), term.cost.name))
        if rule_of is None:
            costs.append(weighted(term, setting))
        elif term.weight is not None:
            rule_of["weight"] = float(term.weight)
    out |= {"cost": costs, "constraint": rules}
    if setting.past is not None:
        executed = dict(zip(map(text_of, setting.assets), setting.past.T.tolist(), strict=True))
        out["history"] = {"executed": executed}
    return {key: table for key, table in out.items() if table}


def _grid(grid: TimeGrid) -> dict[str, Any]:
    """Return what a grid holds; it does not know how it was made."""
    table: dict[str, Any] = {"unit": grid.unit, "edges": grid.edges.tolist()}
    if grid.session_length != DAY:
        table["session"] = f"{grid.session_length.total_seconds()!r}s"
    for name, mask in (("closed", grid.closed), ("auctions", grid.auctions)):
        if mask.any():
            table[name] = mask.tolist()
    if (stamps := grid.timestamps) is not None:
        table |= {} if stamps.tz is None else {"tz": str(stamps.tz)}
        table["timestamps"] = stamps.to_pydatetime().tolist()
    read = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    if grid_of(GridTable.model_validate(read)) != grid:
        raise DataError(f"{grid!r} cannot be written to a file: its stamps or its session are not kept to the last bit")
    return table


def _assets(setting: Setting) -> Iterator[dict[str, Any]]:
    order, market = setting.order, setting.market
    for i, label in enumerate(setting.assets):
        leg = {"label": text_of(label), "price": market.prices[i].item()}
        if label in order.hedges:
            leg["hedge"] = True
        else:
            leg |= {"initial": float(order.initial.iloc[i]), "target": float(order.target.iloc[i])}
        yield {**leg, "spread": market.spreads[i].item()} if market.has_spread else leg

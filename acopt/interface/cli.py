"""The command line: `acopt plan`, `solve`, `compare`, `problems`, `hash`, `schema`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from acopt.constraints.trading import Participation
from acopt.errors import AcoptError, DataError, InfeasibleError, MissingExtraError, UnboundedError
from acopt.insight.strategies import compare as compare_plans
from acopt.insight.strategies import pov
from acopt.interface import document, plotting, tables
from acopt.interface.files import require, write_files
from acopt.interface.planning import Request, settled
from acopt.model.schedule import Schedule
from acopt.spec.audit import content_hash
from acopt.spec.files import list_problems, load_problem
from acopt.spec.json_schema import json_schema

if TYPE_CHECKING:
    from matplotlib.figure import Figure

try:
    require("typer", "cli")
except MissingExtraError as error:  # what follows needs typer, so there is no later place to say it in one line
    sys.stderr.write(f"acopt: {error}\n")
    raise SystemExit(2) from None

import typer
from typer.core import TyperGroup

SYNTHETIC = "Sample: synthetic bars and orders from seeded random numbers; give --orders and --bars to plan your own."
UsageError: type[Any] = typer.BadParameter.__mro__[1]  # click's, or the copy of it within typer


class Commands(TyperGroup):
    """The commands; whatever is wrong with the input ends here: on stderr, with exit code 2."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run, and exit with 0, 1 (an expected number was missed), 2 (bad input, no answer) or 130 (interrupted)."""
        try:
            code = super().main(*args, **{**extra, "standalone_mode": False})
        except (InfeasibleError, UnboundedError) as error:
            code = _refuse(str(error))
            if error.diagnosis is not None:
                typer.echo(str(error.diagnosis), err=True)
        except AcoptError as error:
            code = _refuse(str(error))
        except UsageError as error:
            where = error.ctx.command_path if error.ctx is not None else "acopt"
            code = _refuse(f"{error.format_message()} ({where} --help says what is accepted)")
        except typer.Abort:
            code = 130
        sys.exit(code if isinstance(code, int) else 0)


def _refuse(message: str) -> int:
    typer.echo(f"acopt: {' '.join(message.split())}", err=True)
    return 2


app = typer.Typer(cls=Commands, add_completion=False, pretty_exceptions_enable=False)


def _option(panel: str, text: str, metavar: str | None = None, *names: str, default: bool | str = True) -> Any:
    return typer.Option(*names, help=text, metavar=metavar, rich_help_panel=panel, show_default=default)


GLOB, PRICE, LAW = "'DIR/*_15min.csv'", "passive|neutral|aggressive|NUMBER", "AlmgrenEtAl2005|linear:BPS|sqrt:NUMBER"
Target = Annotated[
    str, typer.Argument(metavar="NAME|FILE.toml", help="A packaged problem (acopt problems), or a file.")
]
CaseName = Annotated[str | None, typer.Option("--case", metavar="NAME", help="One case of the problem.")]
Orders = Annotated[Path | None, _option("Data", "Orders: symbol, side (buy or sell), quantity.", "CSV")]
BarFiles = Annotated[str | None, _option("Data", "Bar files, quoted; the * is the symbol.", GLOB, "--bars")]
Date = Annotated[str | None, _option("Data", "Day to trade.", "YYYY-MM-DD", default="last session of the bars")]
Bar = Annotated[str, _option("Data", "Length of an interval.", "TIME")]
Start = Annotated[str | None, _option("Data", "First edge.", "HH:MM", default="the open")]
End = Annotated[str | None, _option("Data", "Last edge.", "HH:MM", default="the close")]
Crosses = Annotated[bool, _option("Data", "Trade in the opening and closing crosses.", None, "--auctions")]
CrossVolume = Annotated[
    str | None, _option("Data", "Their volume, of the intraday volume.", "open=0.02,close=0.08", "--auction-volume")
]
Calendar = Annotated[str | None, _option("Data", "An exchange's sessions and half days.", "XNYS")]
History = Annotated[int, _option("Data", "Sessions before the day to learn from.")]
Cap = Annotated[float, _option("Model", "Cap, a fraction of volume.", "FRACTION", "--participation")]
Neutral = Annotated[float | None, _option("Model", "Cap on the net, a fraction of the order's gross.", "FRACTION")]
Judge = Annotated[str, _option("Model", "What risk is measured against.", "arrival|vwap|twap|close", "--benchmark")]
Urgency = Annotated[str, _option("Model", "0.1, 0.3, 1.0; or bp of cost to pay for 1 bp less risk.", PRICE)]
Spread = Annotated[float | None, _option("Model", "Full spread.", "BPS", default="one tick of 0.01")]
Impact = Annotated[str, _option("Model", "Law of impact; lines meet it at 10% participation.", LAW)]
Lot = Annotated[int | None, _option("Model", "Round to lots.", "SHARES", default="fractions of shares")]
Explain = Annotated[bool, _option("Output", "Say what each rule costs, and each bound.", None, "--explain")]
Replay = Annotated[bool, _option("Output", "Fill the plan on the bars of its day.", None, "--replay")]
Out = Annotated[Path | None, _option("Output", "Write the schedule.", "CSV")]
Plot = Annotated[Path | None, _option("Output", "Write a picture.", "PNG|SVG|PDF")]
Json = Annotated[bool, _option("Output", "Print one JSON document, nothing else.", None, "--json")]


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Plan the execution of orders: the optimal schedule, with its proof."""
    if show_version:
        try:
            typer.echo(f"acopt {version('acopt')}")
        except PackageNotFoundError:
            typer.echo("acopt, not installed (run from its source)")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def plan(
    orders: Orders = None, bars: BarFiles = None, date: Date = None, bar: Bar = "15min", start: Start = None,
    end: End = None, auctions: Crosses = False, auction_volume: CrossVolume = None, calendar: Calendar = None,
    history: History = 20, participation: Cap = 0.1, neutral: Neutral = None, benchmark: Judge = "arrival",
    urgency: Urgency = "neutral", spread: Spread = None, impact: Impact = "AlmgrenEtAl2005", lot: Lot = None,
    explain: Explain = False, replay: Replay = False, out: Out = None, plot: Plot = None, as_json: Json = False,
) -> None:  # fmt: skip
    """Plan orders on bars: impact, spread and risk, under a participation cap; without files, on a sample."""
    if lot is not None and lot < 1:
        raise DataError(f"--lot {lot}: a number of shares of at least 1 is expected")
    task = Request(
        orders, bars, date, bar, start, end, auctions, auction_volume, calendar, history, participation, neutral,
        benchmark, urgency, spread, impact,
    ).solve()  # fmt: skip
    optimum = task.plan
    rounded = None if lot is None else optimum.round_lots(lot)
    answer = optimum if rounded is None else rounded
    day = answer.replay(task.bars) if replay else None
    why = (task.problem.constraint_costs(), tables.binding(optimum)) if explain else None
    table = compare_plans(task.problem, [optimum, *([] if rounded is None else [rounded]), "twap", "vwap"])
    files = _write(answer, out, plot, lambda: plotting.plot_overview(task.problem, answer))
    if as_json:
        parts = {
            "explanation": None
            if why is None
            else {"constraint_costs": document.rows(why[0]), "shadow_prices": document.rows(why[1])},
            "lots": None if rounded is None else document.of_lots(rounded.rounding),
            "replay": None if day is None else document.of_replay(day),
        }
        about = {"synthetic": orders is None, **document.of_plan(answer, optimum)}
        _print_json({**about, "comparison": document.rows(table), **parts, "files": files})
        return
    sections = [SYNTHETIC] if orders is None else []
    sections += [optimum.summary(), *(tables.explained(optimum, *why) if why is not None else [])]
    sections += [] if rounded is None else [tables.rounded(rounded.rounding)]
    sections += [tables.as_text(tables.by_asset(answer)), tables.as_text(table)]
    sections += [] if day is None else tables.replayed(day)
    _print_text(sections, files)


@app.command()
def solve(problem: Target, case: CaseName = None, out: Out = None, plot: Plot = None, as_json: Json = False) -> None:
    """Solve a problem file, and hold the answer against the numbers it promises; exit code 1 if one is missed."""
    file = load_problem(problem)
    names = file.cases if case is None else (case,)
    if len(names) > 1 and (out is not None or plot is not None):
        raise DataError(f"{problem} has the cases {', '.join(names)}: choose the one to write with --case")
    plans = {name: file.solve(name) for name in names}
    checks = {name: file.check(name, found) for name, found in plans.items()}
    files = _write(plans[names[0]], out, plot, lambda: plotting.plot_schedule(plans[names[0]]))
    passed = all(bool(check["passed"].all()) for check in checks.values())
    if as_json:
        cases = [
            {"case": name, **document.of_plan(plans[name], plans[name]), "expected": document.rows(checks[name])}
            for name in names
        ]
        about = {"problem": file.name, "title": file.title, "source": file.source}
        _print_json({**about, "passed": passed, "cases": cases, "files": files})
    else:
        sections = [f"{file.title}\n{file.source}"]
        for name in names:
            sections += [
                f"case {name}\n" * (len(file.cases) > 1) + plans[name].summary(),
                tables.expected(checks[name]),
            ]
        _print_text(sections, files)
    if not passed:
        raise typer.Exit(1)


@app.command()
def compare(
    context: typer.Context,
    problem: Annotated[str | None, typer.Argument(metavar="[NAME|FILE.toml]", help="Or the options of plan.")] = None,
    case: CaseName = None, orders: Orders = None, bars: BarFiles = None, date: Date = None, bar: Bar = "15min",
    start: Start = None, end: End = None, auctions: Crosses = False, auction_volume: CrossVolume = None,
    calendar: Calendar = None, history: History = 20, participation: Cap = 0.1, neutral: Neutral = None,
    benchmark: Judge = "arrival", urgency: Urgency = "neutral", spread: Spread = None,
    impact: Impact = "AlmgrenEtAl2005", as_json: Json = False,
) -> None:  # fmt: skip
    """Compare the plan with TWAP, VWAP and POV, all priced by the same problem."""
    title = []
    if problem is None:
        task = Request(
            orders, bars, date, bar, start, end, auctions, auction_volume, calendar, history, participation, neutral,
            benchmark, urgency, spread, impact,
        ).solve()  # fmt: skip
        made, answer = task.problem, task.plan
        title += [SYNTHETIC] if orders is None else []
    else:
        for name in (each.name for each in fields(Request)):
            source = context.get_parameter_source(name)
            if source is not None and source.name == "COMMANDLINE":
                option = f"--{name.replace('_', '-')}"
                raise DataError(f"compare: {option} is for orders on bars; give it, or the problem {problem}, not both")
        file = load_problem(problem)
        made, answer = settled(file.problem(case), file.solve(case))
        title.append(f"{file.title}\n{file.source}")
    plans: list[Any] = ["twap", ("plan", answer)]
    if made.market.has_volume:
        caps = [rule.maximum for rule in made.constraints if isinstance(rule, Participation)]
        plans[1:1] = ["vwap", pov(caps[0] if caps else 0.1)]
    else:
        title.append("VWAP and POV are left out: the problem has no volume.")
    table = compare_plans(made, plans)
    if as_json:
        _print_json({"synthetic": problem is None and orders is None, "comparison": document.rows(table)})
    else:
        _print_text([*title, tables.as_text(table)])


@app.command()
def problems() -> None:
    """List the packaged problems."""
    found = list_problems()
    width = int(found["name"].str.len().max()) if len(found) else 0
    for _, each in found.iterrows():
        typer.echo(f"{each['name']:<{width}}  {each['title']} [{each['source']}]")


@app.command("hash")
def content(problem: Target, case: CaseName = None) -> None:
    """Print the content hash of a problem, case by case: its data, and the versions that would solve it."""
    file = load_problem(problem)
    for name in file.cases if case is None else (case,):
        typer.echo(f"{content_hash(file.problem(name))}  {file.name}" + f", {name}" * (len(file.cases) > 1))


@app.command()
def schema() -> None:
    """Print the JSON Schema of problem files, for editors: acopt schema > problem.schema.json."""
    typer.echo(json_schema(), nl=False)


def _write(plan: Schedule, out: Path | None, plot: Path | None, draw: Callable[[], Figure]) -> list[str]:
    contents = {} if out is None else {out: plan.to_frame().to_csv(index=False).encode()}
    if plot is not None:
        if plot in contents:
            raise DataError(f"{plot}: --out and --plot name the same file")
        contents[plot] = plotting.render(draw(), plot)
    return [str(path) for path in write_files(contents)]


def _print_text(sections: Iterable[str], files: Sequence[str] = ()) -> None:
    typer.echo("\n\n".join([*sections, *([f"written: {', '.join(files)}"] if files else [])]))


def _print_json(found: Mapping[str, Any]) -> None:
    typer.echo(document.to_json(found))


def main() -> None:
    """Run the command line."""
    app(prog_name="acopt")


if __name__ == "__main__":
    main()

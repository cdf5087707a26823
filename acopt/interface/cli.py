"""The command line: `acopt plan`, `acopt solve`, `acopt compare`, `acopt problems`."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from glob import glob
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pandas as pd

from acopt.constraints.trading import Monotone, Participation
from acopt.costs.impact import PermanentImpact, SpreadCost, TemporaryImpact
from acopt.costs.risk import TimingRisk
from acopt.errors import AcoptError, DataError, MissingExtraError
from acopt.insight.strategies import compare as compare_plans
from acopt.insight.strategies import pov
from acopt.interface import plotting
from acopt.interface.files import require, write_files
from acopt.interface.sample import sample
from acopt.market.bars import Bars, read_bars
from acopt.market.grid import TimeGrid
from acopt.market.impact_models import AlmgrenEtAl2005, ImpactModel, LinearImpact, SquareRootImpact
from acopt.market.market import Market, bps
from acopt.market.order import Order
from acopt.model.problem import ExecutionProblem
from acopt.model.schedule import Schedule
from acopt.spec.files import list_problems, load_problem

if TYPE_CHECKING:
    from matplotlib.figure import Figure

try:
    require("typer", "cli")
except MissingExtraError as error:  # what follows needs typer, so there is no later place to say it in one line
    sys.stderr.write(f"acopt: {error}\n")
    raise SystemExit(2) from None

import typer
from typer.core import TyperGroup

URGENCY = {"passive": 0.1, "neutral": 0.3, "aggressive": 1.0}
SYNTHETIC = "Sample: synthetic bars and orders from seeded random numbers; give --orders and --bars to plan your own."
UsageError: type[Any] = typer.BadParameter.__mro__[1]  # click's, or the copy of it within typer


class OneLine(TyperGroup):
    """The commands; whatever is wrong with the input ends here: one line on stderr, exit code 2."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run, and exit with 0, 1 (an expected number was missed), 2 (bad input) or 130 (interrupted)."""
        try:
            code = super().main(*args, **{**extra, "standalone_mode": False})
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


app = typer.Typer(cls=OneLine, add_completion=False, pretty_exceptions_enable=False)


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
History = Annotated[int, _option("Data", "Sessions before the day to learn from.")]
Cap = Annotated[float, _option("Model", "Cap, a fraction of volume.", "FRACTION", "--participation")]
Urgency = Annotated[str, _option("Model", "0.1, 0.3, 1.0; or bp of cost to pay for 1 bp less risk.", PRICE)]
Spread = Annotated[float | None, _option("Model", "Full spread.", "BPS", default="one tick of 0.01")]
Impact = Annotated[str, _option("Model", "Law of impact; lines meet it at 10% participation.", LAW)]
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
    end: End = None, history: History = 20, participation: Cap = 0.1, urgency: Urgency = "neutral",
    spread: Spread = None, impact: Impact = "AlmgrenEtAl2005", out: Out = None, plot: Plot = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Plan orders on bars: impact, spread and risk, under a participation cap; without files, on a sample."""
    problem, answer = _task(orders, bars, date, bar, start, end, history, participation, urgency, spread, impact)
    table = compare_plans(problem, [answer, "twap", "vwap"])
    files = _write(answer, out, plot, lambda: plotting.plot_overview(problem, answer))
    if as_json:
        _print_json({"synthetic": orders is None, **_document(answer), "comparison": _rows(table), "files": files})
    else:
        head = [SYNTHETIC] if orders is None else []
        _print_text([*head, answer.summary(), _text(_by_asset(answer)), _text(table)], files)


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
        cases = [{"case": name, **_document(plans[name]), "expected": _rows(checks[name])} for name in names]
        about = {"problem": file.name, "title": file.title, "source": file.source}
        _print_json({**about, "passed": passed, "cases": cases, "files": files})
    else:
        sections = [f"{file.title}\n{file.source}"]
        for name in names:
            sections += [f"case {name}\n" * (len(file.cases) > 1) + plans[name].summary(), _expected(checks[name])]
        _print_text(sections, files)
    if not passed:
        raise typer.Exit(1)


@app.command()
def compare(
    problem: Annotated[str | None, typer.Argument(metavar="[NAME|FILE.toml]", help="Or the options of plan.")] = None,
    case: CaseName = None, orders: Orders = None, bars: BarFiles = None, date: Date = None, bar: Bar = "15min",
    start: Start = None, end: End = None, history: History = 20, participation: Cap = 0.1,
    urgency: Urgency = "neutral", spread: Spread = None, impact: Impact = "AlmgrenEtAl2005", as_json: Json = False,
) -> None:  # fmt: skip
    """Compare the plan with TWAP, VWAP and POV, all priced by the same problem."""
    title = []
    if problem is None:
        made, answer = _task(orders, bars, date, bar, start, end, history, participation, urgency, spread, impact)
        title += [SYNTHETIC] if orders is None else []
    elif orders is not None or bars is not None:
        raise DataError(f"compare: give a problem ({problem}) or --orders and --bars, not both")
    else:
        file = load_problem(problem)
        made, answer = _settled(file.problem(case), file.solve(case))
        title.append(f"{file.title}\n{file.source}")
    plans: list[Any] = ["twap", ("plan", answer)]
    if made.market.has_volume:
        caps = [rule.maximum for rule in made.constraints if isinstance(rule, Participation)]
        plans[1:1] = ["vwap", pov(caps[0] if caps else 0.1)]
    else:
        title.append("VWAP and POV are left out: the problem has no volume.")
    table = compare_plans(made, plans)
    if as_json:
        _print_json({"synthetic": problem is None and orders is None, "comparison": _rows(table)})
    else:
        _print_text([*title, _text(table)])


@app.command()
def problems() -> None:
    """List the packaged problems."""
    found = list_problems()
    width = int(found["name"].str.len().max()) if len(found) else 0
    for _, each in found.iterrows():
        typer.echo(f"{each['name']:<{width}}  {each['title']} [{each['source']}]")


def _task(
    orders: Path | None, bars: str | None, date: str | None, bar: str, start: str | None, end: str | None, history: int,
    participation: float, urgency: str, spread: float | None, impact: str,
) -> tuple[ExecutionProblem, Schedule]:  # fmt: skip
    """Build the problem of `acopt plan`, and solve it."""
    price, law = _urgency(urgency), _impact(impact)
    if not 0 < participation <= 1:
        raise DataError(f"--participation {participation:g}: a fraction in (0, 1] is expected; 0.1 is ten percent")
    if spread is not None and not 0 <= spread < math.inf:
        raise DataError(f"--spread {spread:g}: a full spread of at least 0 bps is expected")
    if (orders is None) != (bars is None):
        given, missing = ("--bars", "--orders") if orders is None else ("--orders", "--bars")
        raise DataError(f"{given} was given without {missing}; give both, or neither for the sample")
    if orders is None or bars is None:
        history_bars, order = (made := sample()).bars, made.order
    else:
        order = Order.from_frame(orders)
        history_bars = _bars(bars, order, orders)
    grid = TimeGrid.session(date or history_bars.sessions[-1], bar, start=start, end=end)
    full = None if spread is None else bps(spread)
    market = Market.from_bars(history_bars, grid, assets=order.assets, history=history, spread=full, impact=law)
    costs = TemporaryImpact() + PermanentImpact() + SpreadCost() + TimingRisk()
    problem = ExecutionProblem(order, market, costs, [Participation(participation), Monotone()])
    return _settled(problem, problem.solve_for(risk_price=price))


def _settled(problem: ExecutionProblem, plan: Schedule) -> tuple[ExecutionProblem, Schedule]:
    """Give the problem the weights that the plan found, so that all objectives are of one kind."""
    unset = {t.cost.name for t in problem.objective.terms if t.weight is None}
    found = {t.cost.name: t.weight for t in plan.pricing.terms if t.weight is not None and t.cost.name in unset}
    return problem.update(weights=found) if found else problem, plan


def _bars(pattern: str, order: Order, orders: Path) -> Bars:
    """Read the bars of the order's assets; a * in the file name stands for the symbol."""
    name = Path(pattern).name
    if "*" not in name:
        found = read_bars(pattern)
        _known(order, orders, found.symbols, pattern)
        return found
    if name.count("*") > 1:
        raise DataError(f"--bars '{pattern}': one * is accepted in the file name, where the symbol stands")
    before, after = (re.escape(part) for part in Path(pattern).stem.split("*"))
    files = [(re.fullmatch(f"{before}(.+){after}", Path(path).stem), path) for path in sorted(glob(pattern))]  # noqa: PTH207
    symbols = [(match[1], path) for match, path in files if match]
    if not symbols:
        raise DataError(f"--bars '{pattern}': no such file; quote the pattern, so that the shell leaves the * to acopt")
    _known(order, orders, [symbol for symbol, _ in symbols], pattern)
    wanted = [path for symbol, path in symbols if symbol in order.assets]
    return read_bars(wanted, symbol=Path(pattern).stem.replace("*", "{symbol}"))


def _known(order: Order, orders: Path, symbols: Iterable[str], pattern: str) -> None:
    """Refuse an order without bars, naming its line."""
    known = list(symbols)
    for asset in order.assets:
        if asset not in known:
            column = pd.read_csv(orders, dtype=str, skipinitialspace=True, keep_default_na=False)["symbol"]
            line = 2 + column.str.strip().tolist().index(asset)
            some = ", ".join(known[:24]) + (", ..." if len(known) > 24 else "")
            raise DataError(f"{orders}, line {line}, symbol: no bars of {asset!r} in '{pattern}'; there are {some}")


def _urgency(text: str) -> float:
    price = URGENCY.get(text.strip().lower(), _number(text))
    if price is None or not 0 < price < math.inf:
        raise DataError(f"--urgency {text!r}: {', '.join(URGENCY)} or a price of risk > 0, such as 0.3, is expected")
    return price


def _impact(text: str) -> ImpactModel:
    kind, _, amount = text.strip().lower().partition(":")
    number = _number(amount)
    if kind == "almgrenetal2005" and not amount:
        return AlmgrenEtAl2005()
    if kind in ("linear", "sqrt") and number is not None and 0 <= number < math.inf:
        return LinearImpact(number) if kind == "linear" else SquareRootImpact(number)
    raise DataError(
        f"--impact {text!r}: AlmgrenEtAl2005, linear:BPS (linear:5) or sqrt:COEFFICIENT (sqrt:1) is expected"
    )


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _write(plan: Schedule, out: Path | None, plot: Path | None, draw: Callable[[], Figure]) -> list[str]:
    contents = {} if out is None else {out: plan.to_frame().to_csv(index=False).encode()}
    if plot is not None:
        if plot in contents:
            raise DataError(f"{plot}: --out and --plot name the same file")
        contents[plot] = plotting.render(draw(), plot)
    return [str(path) for path in write_files(contents)]


def _by_asset(plan: Schedule) -> pd.DataFrame:
    """Order, its share of the expected volume, expected cost, by asset."""
    setting, volume = plan.setting, plan.setting.market.has_volume
    shares = plan.setting.order.remaining.abs()
    parts = plan.breakdown()
    cost = parts[parts["kind"] == "money"].groupby("asset")["value"].sum().reindex(setting.assets)
    table = pd.DataFrame({"side": np.where(setting.direction < 0, "sell", "buy"), "shares": shares})
    table["price"] = setting.market.price
    table["notional"] = shares * table["price"]
    table["of_volume"] = shares / setting.market.volumes.sum(axis=0) if volume else np.nan
    table["cost_bps"] = 1e4 * cost / table["notional"].where(shares > 0)
    table["max_participation"] = plan.participation.max() if volume else np.nan
    return table.rename_axis("symbol")


FORMS = {
    **dict.fromkeys(("cost_bps", "risk_bps", "tracking_bps", "price"), "{:,.2f}".format),
    **dict.fromkeys(("objective", "shares", "notional"), "{:,.0f}".format),
    **dict.fromkeys(("of_volume", "max_participation"), "{:.1%}".format),
    **{"expected": "{:,.8g}".format, "found": "{:,.8g}".format, "finish": "{:.4g}".format},
    **dict.fromkeys(("difference", "allowed"), "{:.1e}".format),
}


def _text(table: pd.DataFrame) -> str:
    """Return a table as text, each column in its form."""
    shown = table.copy()
    for name in table.columns:
        if isinstance(table[name].dtype, pd.DatetimeTZDtype):
            shown[name] = ["-" if pd.isna(when) else f"{when:%Y-%m-%d %H:%M:%S}" for when in table[name]]
        elif name in FORMS:
            shown[name] = ["-" if pd.isna(value) else FORMS[name](value) for value in table[name]]
        elif name == "rules_broken":
            shown[name] = table[name].replace("", "-")
    return shown.rename_axis(None).to_string()


def _expected(check: pd.DataFrame) -> str:
    """Return expected against found: numbers one by one, paths by their worst difference."""
    rows = []
    named = check.assign(difference=(check["found"] - check["expected"]).abs(), asset=check["asset"].fillna(""))
    for key, part in named.groupby(["quantity", "asset"], sort=False):
        what = ", ".join(str(each) for each in tuple(key) if each) + (
            f" (worst of {len(part)})" if len(part) > 1 else ""
        )
        worst = part.sort_values("difference").iloc[-1][["expected", "found", "difference", "allowed"]]
        rows.append({"quantity": what, **worst, "": "ok" if part["passed"].all() else "MISSED"})
    return _text(pd.DataFrame(rows).set_index("quantity")) if rows else "the file promises no numbers"


def _document(plan: Schedule) -> dict[str, Any]:
    """Return a schedule as JSON has it."""
    proof, urgency = plan.certificate, plan.urgency
    values = {"expected_cost": plan.expected_cost, "cost_bps": plan.bps(plan.expected_cost), "risk": plan.risk}
    return {
        "order": _rows(_by_asset(plan)),
        "notes": list(plan.setting.market.notes),
        "costs": {**values, "risk_bps": plan.bps(plan.risk), "objective": plan.objective, "terms": plan.term_values},
        "urgency": {each.name: getattr(urgency, each.name) for each in fields(urgency)},
        "certificate": None
        if proof is None
        else {**{each.name: getattr(proof, each.name) for each in fields(proof)}, "relative_gap": proof.relative_gap},
        "rules_broken": plan.rules_broken,
        "schedule": _rows(plan.to_frame()),
    }


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    named = table.reset_index() if table.index.name else table
    return [dict(zip(named.columns, row, strict=True)) for row in named.itertuples(index=False)]


def _print_text(sections: Iterable[str], files: Sequence[str] = ()) -> None:
    typer.echo("\n\n".join([*sections, *([f"written: {', '.join(files)}"] if files else [])]))


def _print_json(document: Mapping[str, Any]) -> None:
    typer.echo(json.dumps(_plain(document), indent=2, allow_nan=False))


def _plain(value: Any) -> Any:
    """Return what JSON can hold: no NaN, no NumPy, times as ISO text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NaT or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value if isinstance(value, bool | int | float | str) else value.isoformat()


def main() -> None:
    """Run the command line."""
    app(prog_name="acopt")


if __name__ == "__main__":
    main()

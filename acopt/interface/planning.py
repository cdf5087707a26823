"""From the options of `acopt plan` to the problem that they describe, and its solution."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from glob import glob
from pathlib import Path

import pandas as pd

from acopt.constraints.portfolio import DollarNeutral
from acopt.constraints.trading import Monotone, Participation
from acopt.costs.impact import PermanentImpact, SpreadCost, TemporaryImpact
from acopt.costs.risk import TimingRisk, TrackingRisk
from acopt.errors import DataError, MissingExtraError
from acopt.interface.sample import sample
from acopt.market.bars import Bars, read_bars
from acopt.market.grid import TimeGrid
from acopt.market.impact_models import AlmgrenEtAl2005, ImpactModel, LinearImpact, SquareRootImpact
from acopt.market.market import Market, bps
from acopt.market.order import Order
from acopt.market.session import Auctions
from acopt.model.algebra import Constraint, Objective
from acopt.model.benchmarks import TWAP, VWAP, Benchmark, Close
from acopt.model.problem import ExecutionProblem
from acopt.model.schedule import Schedule

__all__ = ["Request", "Task", "settled"]

URGENCY = {"passive": 0.1, "neutral": 0.3, "aggressive": 1.0}
BENCHMARKS: Mapping[str, Benchmark | None] = {"arrival": None, "vwap": VWAP(), "twap": TWAP(), "close": Close()}
KEYWORDS = re.compile(r"\b(date|bar|start|end|calendar|history)=")
"""Keywords of the library that are options of the same name."""


@dataclass(frozen=True)
class Task:
    """A problem with the weights that its plan found, the plan, and the bars that it came from."""

    problem: ExecutionProblem
    plan: Schedule
    bars: Bars


@dataclass(frozen=True)
class Request:
    """What the command line was asked to plan; see `acopt plan --help`."""

    orders: Path | None
    bars: str | None
    date: str | None
    bar: str
    start: str | None
    end: str | None
    auctions: bool
    auction_volume: str | None
    calendar: str | None
    history: int
    participation: float
    neutral: float | None
    benchmark: str
    urgency: str
    spread: float | None
    impact: str

    def solve(self) -> Task:
        """Build the problem, and solve it.

        Raises
        ------
        DataError, ModelError, InfeasibleError
            Names the option, or the file, line and field.
        """
        price, law, costs, rules = self._price(), self._law(), self._costs(), self._rules()
        crosses, volumes = self._auctions()
        if self.spread is not None and not 0 <= self.spread < math.inf:
            raise DataError(f"--spread {self.spread:g}: a full spread of at least 0 bps is expected")
        bars, order = self._data()
        with _naming_options():
            day = self.date or bars.sessions[-1]
            grid = TimeGrid.session(
                day, self.bar, start=self.start, end=self.end, auctions=crosses, calendar=self.calendar
            )
            market = Market.from_bars(
                bars,
                grid,
                assets=order.assets,
                history=self.history,
                spread=None if self.spread is None else bps(self.spread),
                impact=law,
                auction_volume=volumes,
            )
        problem = ExecutionProblem(order, market, costs, rules)
        return Task(*settled(problem, problem.solve_for(risk_price=price)), bars)

    def _data(self) -> tuple[Bars, Order]:
        if (self.orders is None) != (self.bars is None):
            given, missing = ("--bars", "--orders") if self.orders is None else ("--orders", "--bars")
            raise DataError(f"{given} was given without {missing}; give both, or neither for the sample")
        if self.orders is None or self.bars is None:
            made = sample()
            return made.bars, made.order
        order = Order.from_frame(self.orders)
        return _read(self.bars, order, self.orders), order

    def _costs(self) -> Objective:
        """Return impact, spread, and the risk of the benchmark."""
        name = self.benchmark.strip().lower()
        if name not in BENCHMARKS:
            raise DataError(f"--benchmark {self.benchmark!r}: one of {', '.join(BENCHMARKS)} is expected")
        benchmark = BENCHMARKS[name]
        risk = TimingRisk() if benchmark is None else TrackingRisk(benchmark)
        return TemporaryImpact() + PermanentImpact() + SpreadCost() + risk

    def _rules(self) -> list[Constraint]:
        cap, neutral = self.participation, self.neutral
        if not 0 < cap <= 1:
            raise DataError(f"--participation {cap:g}: a fraction in (0, 1] is expected; 0.1 is ten percent")
        if neutral is not None and not 0 <= neutral < math.inf:
            raise DataError(
                f"--neutral {neutral:g}: a fraction of the gross notional is expected (0.02 is two percent), "
                "or an amount of at least 1"
            )
        return [Participation(cap), Monotone(), *([] if neutral is None else [DollarNeutral(neutral)])]

    def _auctions(self) -> tuple[Auctions, float | dict[str, float] | None]:
        """Crosses to trade in, those whose volume is stated, and their volumes."""
        text = self.auction_volume
        accepted = (
            "--auction-volume open=0.02,close=0.08 is accepted, fractions of a session's intraday volume; one of "
            "them alone; or one number for both"
        )
        if text is None:
            if self.auctions:
                raise DataError(f"--auctions: bars carry no auction volume; state it: {accepted}")
            return False, None
        if not self.auctions:
            raise DataError("--auction-volume was given without --auctions")
        parts = [part.partition("=") for part in text.split(",")]
        both = _number(text)
        stated = {name.strip(): _number(value) for name, _, value in parts} if both is None else {"open": both}
        volumes = {name: value for name, value in stated.items() if value is not None and 0 <= value < math.inf}
        if len(volumes) < len(parts) or not volumes.keys() <= {"open", "close"}:
            raise DataError(f"--auction-volume {text!r}: {accepted}")
        if both is not None:
            return True, both
        return (True if len(volumes) == 2 else "open" if "open" in volumes else "close"), volumes

    def _price(self) -> float:
        price = URGENCY.get(self.urgency.strip().lower(), _number(self.urgency))
        if price is None or not 0 < price < math.inf:
            raise DataError(
                f"--urgency {self.urgency!r}: {', '.join(URGENCY)} or a price of risk > 0, such as 0.3, is expected"
            )
        return price

    def _law(self) -> ImpactModel:
        kind, _, amount = self.impact.strip().lower().partition(":")
        number = _number(amount)
        if kind == "almgrenetal2005" and not amount:
            return AlmgrenEtAl2005()
        if kind in ("linear", "sqrt") and number is not None and 0 <= number < math.inf:
            return LinearImpact(number) if kind == "linear" else SquareRootImpact(number)
        raise DataError(
            f"--impact {self.impact!r}: AlmgrenEtAl2005, linear:BPS (linear:5) or sqrt:COEFFICIENT (sqrt:1) is expected"
        )


def settled(problem: ExecutionProblem, plan: Schedule) -> tuple[ExecutionProblem, Schedule]:
    """Give the problem the weights that the plan found, so that all objectives are of one kind."""
    unset = {t.cost.name for t in problem.objective.terms if t.weight is None}
    found = {t.cost.name: t.weight for t in plan.pricing.terms if t.weight is not None and t.cost.name in unset}
    return problem.update(weights=found) if found else problem, plan


@contextmanager
def _naming_options() -> Iterator[None]:
    """Call a keyword of the library by its option: history=5 is --history 5."""
    try:
        yield
    except (DataError, MissingExtraError) as error:
        raise type(error)(KEYWORDS.sub(r"--\1 ", str(error))) from error


def _read(pattern: str, order: Order, orders: Path) -> Bars:
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


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None

"""What a problem file may say: one table for each thing, checked before anything is built."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, ClassVar, Generic, Literal, TypeAlias

from pydantic import Field, model_validator

from acopt.spec.compound import Constraints, Costs
from acopt.spec.costs import MarketTable
from acopt.spec.tables import (
    Amount,
    Layers,
    ListOf,
    Number,
    Path,
    Positive,
    T,
    Table,
    Text,
    Time,
    refusal,
)

SESSION = ("start", "end", "auctions", "calendar", "lunch", "open", "close", "tz")
"""What the grid of one session, or of several, may say besides its dates and its bar."""


class SourceTable(Table):
    """Where a problem comes from."""

    author: Text
    year: int | None = None
    section: Text | None = None

    def __str__(self) -> str:
        """Return the citation."""
        year = f" ({self.year})" if self.year is not None else ""
        return f"{self.author}{year}" + (f", {self.section}" if self.section else "")


class ProblemTable(Table):
    """[problem]: what it is called and where it comes from."""

    name: Text
    title: Text
    source: SourceTable
    description: str = ""


class GridTable(Table):
    """
    [grid]: horizon and periods; edges; date and bar of a session; or first, last and bar of several sessions.

    Edges are what every grid holds: numbers, which intervals are closed and which are auctions, and stamps.
    """

    forms = ({"horizon", "periods"}, {"edges"}, {"date", "bar"}, {"first", "last", "bar"})
    details: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "horizon": ("unit",),
        "edges": ("unit", "closed", "auctions", "timestamps", "tz", "session"),
        "date": SESSION,
        "first": (*SESSION, "overnight", "dates"),
    }
    """What each form takes besides, by its first key."""
    unit: Text | None = None
    horizon: Positive | None = None
    periods: int | None = None
    edges: ListOf[Number] | None = None
    closed: ListOf[bool] | None = None
    date: str | dt.date | None = None
    first: str | dt.date | None = None
    last: str | dt.date | None = None
    bar: Text | None = None
    start: str | dt.time | None = None
    end: str | dt.time | None = None
    auctions: bool | Literal["open", "close"] | ListOf[bool] | None = None
    timestamps: ListOf[dt.datetime] | None = None
    session: Text | None = None
    calendar: Text | None = None
    lunch: Positive | None = None
    overnight: Amount | None = None
    dates: ListOf[str | dt.date] | None = None
    open: str | dt.time | None = None
    close: str | dt.time | None = None
    tz: Text | None = None

    @property
    def form(self) -> str:
        """Return the first key of the form that is given."""
        return next(name for name in self.details if getattr(self, name) is not None)

    @model_validator(mode="after")
    def _detailed(self) -> GridTable:
        accepted = self.details[self.form]
        concerned = set().union(*self.details.values()) - {*accepted}
        for name in type(self).model_fields:
            if name in concerned and getattr(self, name) is not None:
                raise refusal(f"not accepted with {self.form}; accepted are {', '.join(accepted)}", f".{name}")
        if self.auctions is not None and isinstance(self.auctions, tuple) != (self.form == "edges"):
            wanted = "a list with true or false for each interval" if self.form == "edges" else "true, open or close"
            raise refusal(f"expected with {self.form} is {wanted}", ".auctions")
        return self


class AssetTable(Table):
    """[[asset]]: one leg of the order and its stock, shares and currency; a hedge starts and ends flat."""

    label: Text
    price: Positive
    initial: Number = 0.0
    target: Number = 0.0
    hedge: bool = False
    spread: Amount | None = None
    spread_bps: Amount | None = None

    @model_validator(mode="after")
    def _flat(self) -> AssetTable:
        if self.hedge and (self.initial or self.target):
            raise refusal("a hedge starts and ends flat; leave out initial and target", ".hedge")
        return self


class SolveTable(Table):
    """[solve]: one dial that finds the weight of the unweighted risk term; nothing when all have weights."""

    forms = ({"risk_price"}, {"risk_bps"}, {"cost_bps"}, {"half_life"}, {"finish"}, {"pov"})
    risk_price: Number | None = None
    risk_bps: Number | None = None
    cost_bps: Number | None = None
    half_life: Number | str | None = None
    finish: Time | None = None
    pov: Number | None = None
    term: Text | None = None


class Expected(Table, Generic[T]):
    """A number or a path, how exact it is (absolute, or relative to the largest of its row), and who says so."""

    forms = ({"absolute"}, {"relative"})
    value: T
    absolute: Amount | None = None
    relative: Positive | None = None
    origin: Literal["printed", "derived", "independent solver"]
    note: Text | None = None

    def allowed(self, row: list[float]) -> float:
        """Return the difference that is accepted in a row of expected numbers."""
        return self.absolute if self.absolute is not None else (self.relative or 0.0) * max(map(abs, row))


ExpectedNumber: TypeAlias = Expected[Number]
ExpectedPath: TypeAlias = Expected[Path]


class ExpectedTable(Table):
    """What a case must give: numbers of the Schedule, unweighted `terms` by cost name, and paths."""

    objective: ExpectedNumber | None = None
    expected_cost: ExpectedNumber | None = None
    variance: ExpectedNumber | None = None
    risk: ExpectedNumber | None = None
    cost_bps: ExpectedNumber | None = None
    risk_bps: ExpectedNumber | None = None
    terms: dict[str, ExpectedNumber] = Field(default_factory=dict)
    remaining: ExpectedPath | None = None
    holdings: ExpectedPath | None = None
    trades: ExpectedPath | None = None


class CaseTable(Table):
    """[[case]]: a variant; its costs and constraints replace those of the same name, or are added."""

    name: Text
    description: str = ""
    weights: dict[str, Amount] = Field(default_factory=dict)
    cost: Costs = ()
    constraint: Constraints = ()
    solve: SolveTable | None = None
    trades: Layers[Number] | None = None
    expected: ExpectedTable = ExpectedTable()

    @model_validator(mode="after")
    def _priced_or_solved(self) -> CaseTable:
        if self.trades is not None and self.solve is not None:
            raise refusal("given trades are priced, not solved for; leave out solve", ".solve")
        return self


class HistoryTable(Table):
    """[history]: what was executed in the first intervals, shares by asset, buys +, sells -."""

    executed: Path


class ProblemSpec(Table):
    """A whole problem file."""

    problem: ProblemTable
    grid: GridTable
    asset: Annotated[ListOf[AssetTable], Field(min_length=1)]
    market: MarketTable = MarketTable()
    cost: Annotated[Costs, Field(min_length=1)]
    constraint: Constraints = ()
    history: HistoryTable | None = None
    solve: SolveTable | None = None
    case: ListOf[CaseTable] = ()

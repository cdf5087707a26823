"""What a problem file may say: one table for each thing, checked before anything is built."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, ClassVar, Generic, Literal, TypeAlias

from pydantic import Discriminator, Field, Tag, model_validator

from acopt.spec.rules import Constraints
from acopt.spec.tables import (
    Amount,
    ByAsset,
    Layers,
    ListOf,
    Matrix,
    Number,
    Path,
    Positive,
    Square,
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
    """[grid]: horizon and periods; edges; date and bar of a session; or first, last and bar of several sessions."""

    forms = ({"horizon", "periods"}, {"edges"}, {"date", "bar"}, {"first", "last", "bar"})
    details: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "horizon": ("unit",),
        "edges": ("unit", "closed"),
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
    auctions: bool | Literal["open", "close"] | None = None
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


class CovarianceTable(Table):
    """Covariance of price changes per unit time: matrix; or volatility (and correlation); or a factor model."""

    forms = (
        {"matrix"},
        {"volatility"},
        {"volatility", "correlation"},
        {"loadings", "factor_covariance", "specific_variance"},
    )
    matrix: Matrix | None = None
    volatility: ByAsset[Amount] | None = None
    correlation: Matrix | None = None
    loadings: ListOf[ListOf[Number]] | Square | None = None
    factor_covariance: Matrix | None = None
    specific_variance: ByAsset[Amount] | None = None
    scale: Layers[Amount] | None = None


class LinearImpactTable(Table):
    """See `acopt.LinearImpact`."""

    model: Literal["LinearImpact"]
    bps: ByAsset[Amount]
    at: Positive | None = None
    permanent_bps: ByAsset[Amount] | None = None


class SquareRootImpactTable(Table):
    """See `acopt.SquareRootImpact`."""

    model: Literal["SquareRootImpact"]
    coefficient: ByAsset[Amount]
    at: Positive | None = None


class AlmgrenEtAl2005Table(Table):
    """See `acopt.AlmgrenEtAl2005`."""

    model: Literal["AlmgrenEtAl2005"]
    at: Positive | None = None
    shares_outstanding: ByAsset[Positive] | None = None


class ImpactCoefficientsTable(Table):
    """See `acopt.ImpactCoefficients`; a list in `auction` has a number for each auction."""

    model: Literal["ImpactCoefficients"]
    eta: Layers[Amount]
    gamma: ByAsset[Number] | Square | None = None
    auction: Layers[Amount] | None = None


ImpactTable: TypeAlias = LinearImpactTable | SquareRootImpactTable | AlmgrenEtAl2005Table | ImpactCoefficientsTable


class MarketTable(Table):
    """[market]: expected volume by interval, risk and impact."""

    volume: Layers[Amount] | None = None
    covariance: CovarianceTable | None = None
    impact: Annotated[ImpactTable, Field(discriminator="model")] | None = None


class CostBase(Table):
    """What every cost has: a weight (a risk without one needs a dial) and a name (its type by default)."""

    name: Text | None = None
    weight: Amount | None = None


class TemporaryImpactTable(CostBase):
    """See `acopt.TemporaryImpact`; by pair of assets is cross-impact, a list in `auction` is by auction."""

    type: Literal["TemporaryImpact"]
    eta: Layers[Amount] | Square | None = None
    auction: Layers[Amount] | Square | None = None


class PermanentImpactTable(CostBase):
    """See `acopt.PermanentImpact`."""

    type: Literal["PermanentImpact"]
    gamma: ByAsset[Number] | Square | None = None
    own: Literal["full", "half"] | None = None


class SpreadCostTable(CostBase):
    """See `acopt.SpreadCost`."""

    type: Literal["SpreadCost"]
    half_spread: Layers[Amount] | None = None


class TimingRiskTable(CostBase):
    """See `acopt.TimingRisk`."""

    type: Literal["TimingRisk"]
    covariance: CovarianceTable | None = None


class BenchmarkTable(Table):
    """See `acopt.TWAP`, `acopt.VWAP`, `acopt.Close`; start and end of the window, the whole grid by default."""

    kind: Literal["TWAP", "VWAP", "Close"]
    start: Time | None = None
    end: Time | None = None

    @model_validator(mode="after")
    def _close(self) -> BenchmarkTable:
        for name in ("start", "end"):
            if self.kind == "Close" and getattr(self, name) is not None:
                raise refusal("not accepted: Close is the last interval, whatever the window", f".{name}")
        return self


class TrackingRiskTable(CostBase):
    """See `acopt.TrackingRisk`; benchmark: its kind, or shares still to trade at t_0..t_N, for each asset."""

    type: Literal["TrackingRisk"]
    benchmark: Annotated[
        Annotated[BenchmarkTable, Tag("by kind")] | Annotated[Path, Tag("by path")],
        Discriminator(lambda value: "by kind" if isinstance(value, dict) and "kind" in value else "by path"),
    ]
    covariance: CovarianceTable | None = None


class SmoothnessTable(CostBase):
    """See `acopt.Smoothness` and `acopt.Jerk`; `mu` is the strength outright (`weight` multiplies, as everywhere)."""

    forms = ({"scale"}, {"mu"})
    type: Literal["Smoothness", "Jerk"]
    derivative: Annotated[int, Field(ge=1)] | None = None
    scale: Positive | str | None = None
    mu: ByAsset[Amount] | None = None

    @model_validator(mode="after")
    def _jerk(self) -> SmoothnessTable:
        if self.type == "Jerk" and self.derivative is not None:
            raise refusal("Jerk is derivative 2; use Smoothness for another", ".derivative")
        return self


class AlphaTable(CostBase):
    """See `acopt.Alpha` (drift) and `acopt.Alpha.from_bps` (bps, half_life)."""

    forms = ({"drift"}, {"bps", "half_life"})
    type: Literal["Alpha"]
    drift: Layers[Number] | None = None
    bps: ByAsset[Number] | None = None
    half_life: Positive | str | None = None


CostTable: TypeAlias = (
    TemporaryImpactTable
    | PermanentImpactTable
    | SpreadCostTable
    | TimingRiskTable
    | TrackingRiskTable
    | SmoothnessTable
    | AlphaTable
)
Costs: TypeAlias = ListOf[Annotated[CostTable, Field(discriminator="type")]]


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


class ProblemSpec(Table):
    """A whole problem file."""

    problem: ProblemTable
    grid: GridTable
    asset: Annotated[ListOf[AssetTable], Field(min_length=1)]
    market: MarketTable = MarketTable()
    cost: Annotated[Costs, Field(min_length=1)]
    constraint: Constraints = ()
    solve: SolveTable | None = None
    case: ListOf[CaseTable] = ()

"""What a problem file may say about costs, and about what they take: one table for each class."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Discriminator, Field, Tag, model_validator

from acopt.spec.forms import Between, Followed, Risk, Whole
from acopt.spec.own import Function
from acopt.spec.tables import (
    Amount,
    Arguments,
    ByAsset,
    Coefficient,
    Coupled,
    CoupledCrosses,
    Crosses,
    HalfSpread,
    Importable,
    Layers,
    ListOf,
    Matrix,
    Number,
    Path,
    Permanent,
    Positive,
    Priced,
    Span,
    Square,
    Stack,
    Table,
    Text,
    Time,
    own_or_known,
    refusal,
)


class CovarianceTable(Table):
    """Covariance of price changes per unit time: matrix; or volatility (and correlation); or a factor model."""

    forms = (
        {"matrix"},
        {"volatility"},
        {"volatility", "correlation"},
        {"loadings", "factor_covariance", "specific_variance"},
    )
    matrix: Matrix | Stack | None = None
    volatility: ByAsset[Amount] | None = None
    correlation: Matrix | None = None
    loadings: ListOf[ListOf[Number]] | Square | None = None
    factor_covariance: Matrix | Stack | None = None
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
    eta: Coefficient[Amount]
    gamma: Permanent | None = None
    auction: Crosses[Amount] | None = None


class OwnImpactTable(Table):
    """An impact model of one's own, `package.module:Class`, and the keywords it is made with."""

    model: Importable
    arguments: Arguments = Field(default_factory=dict)


LawTable: TypeAlias = LinearImpactTable | SquareRootImpactTable | AlmgrenEtAl2005Table | ImpactCoefficientsTable
Law: TypeAlias = Annotated[
    Annotated[LawTable, Field(discriminator="model"), Tag("known")] | Annotated[OwnImpactTable, Tag("own")],
    own_or_known("model"),
]


class ScaledImpactTable(Table):
    """A law times a number, which is what `acopt.what_if(impact=)` makes of a market's."""

    model: Literal["ScaledImpact"]
    law: Law
    factor: Positive


ImpactTable: TypeAlias = LawTable | ScaledImpactTable
Impact: TypeAlias = Annotated[
    Annotated[ImpactTable, Field(discriminator="model"), Tag("known")] | Annotated[OwnImpactTable, Tag("own")],
    own_or_known("model"),
]


class MarketTable(Table):
    """[market]: expected volume by interval, risk and impact; what was assumed in making the numbers."""

    notes: ListOf[str] = ()
    volume: Layers[Amount] | None = None
    covariance: CovarianceTable | None = None
    impact: Impact | None = None


class ScenarioTable(MarketTable):
    """Another market for the same order: on the same grid, at the same prices; spread in currency, by asset."""

    spread: Priced[Amount] | None = None


class CostBase(Table):
    """What every cost has: a weight (a risk without one needs a dial) and a name (its type by default)."""

    name: Text | None = None
    weight: Amount | None = None


class TemporaryImpactTable(CostBase):
    """See `acopt.TemporaryImpact`; by pair of assets is cross-impact, a list in `auction` is by auction."""

    type: Literal["TemporaryImpact"]
    eta: Coupled[Amount] | None = None
    auction: CoupledCrosses[Amount] | None = None


class PermanentImpactTable(CostBase):
    """See `acopt.PermanentImpact`."""

    type: Literal["PermanentImpact"]
    gamma: Permanent | None = None
    own: Literal["full", "half"] | None = None


class SpreadCostTable(CostBase):
    """See `acopt.SpreadCost`."""

    type: Literal["SpreadCost"]
    half_spread: HalfSpread | None = None


class TimingRiskTable(CostBase):
    """See `acopt.TimingRisk`."""

    type: Literal["TimingRisk"]
    covariance: Annotated[CovarianceTable, Risk()] | None = None


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
        Followed(),
        Discriminator(lambda value: "by kind" if isinstance(value, dict) and "kind" in value else "by path"),
    ]
    covariance: Annotated[CovarianceTable, Risk()] | None = None


class SmoothnessTable(CostBase):
    """See `acopt.Smoothness` and `acopt.Jerk`; `mu` is the strength outright (`weight` multiplies, as everywhere)."""

    forms = ({"scale"}, {"mu"})
    type: Literal["Smoothness", "Jerk"]
    derivative: Annotated[int, Field(ge=1), Whole()] | None = None
    scale: Span | None = None
    mu: Priced[Amount] | None = None

    @model_validator(mode="after")
    def _jerk(self) -> SmoothnessTable:
        if self.type == "Jerk" and self.derivative is not None:
            raise refusal("Jerk is derivative 2; use Smoothness for another", ".derivative")
        return self


class AlphaTable(CostBase):
    """See `acopt.Alpha` (drift) and `acopt.Alpha.from_bps` (bps, half_life)."""

    forms = ({"drift"}, {"bps", "half_life"})
    type: Literal["Alpha"]
    drift: Coefficient[Number] | None = None
    bps: ByAsset[Number] | None = None
    half_life: Span | None = None


class PowerImpactTable(CostBase):
    """See `acopt.PowerImpact`; a list in `auction` has a number for each auction."""

    type: Literal["PowerImpact"]
    coefficient: Coefficient[Amount] | None = None
    exponent: ByAsset[Positive] | None = None
    auction: Crosses[Amount] | None = None


class ExponentialDecayTable(Table):
    """See `acopt.ExponentialDecay`."""

    forms = ({"half_life"}, {"rate"})
    type: Literal["ExponentialDecay"]
    half_life: Span | None = None
    rate: Amount | None = None


class PowerLawDecayTable(Table):
    """See `acopt.PowerLawDecay`."""

    type: Literal["PowerLawDecay"]
    exponent: Positive
    scale: Span


class LinearDecayTable(Table):
    """See `acopt.LinearDecay`."""

    type: Literal["LinearDecay"]
    rate: Amount


class OwnDecayTable(Table):
    """A kernel of one's own, `package.module:Class`, and the keywords it is made with."""

    type: Importable
    arguments: Arguments = Field(default_factory=dict)


DecayTable: TypeAlias = ExponentialDecayTable | PowerLawDecayTable | LinearDecayTable
Decay: TypeAlias = Annotated[
    Annotated[DecayTable, Field(discriminator="type"), Tag("known")] | Annotated[OwnDecayTable, Tag("own")],
    own_or_known("type"),
]
Kernel: TypeAlias = Annotated[
    Annotated[Decay, Tag("class")]
    | Annotated[Importable, Function(), Tag("function")]
    | Annotated[dict[str, Decay | Importable], Tag("by asset")],
    Discriminator(lambda value: _kernel(value)),
]


def _kernel(value: Any) -> str:
    """Tell a kernel from a function of time, and both from a table of them by asset."""
    if not isinstance(value, dict):
        return "function"
    return "by asset" if "type" not in value or isinstance(value["type"], dict) else "class"


class TransientImpactTable(CostBase):
    """See `acopt.TransientImpact`; kernel: one, or one for each asset, each by its type or a function's path."""

    type: Literal["TransientImpact"]
    kernel: Kernel
    strength: Annotated[Priced[Amount] | Square, Between(priced=True)]
    trade_at: Literal["start", "middle", "end"] | None = None


class CustomCostTable(CostBase):
    """See `acopt.CustomCost`; its function is imported."""

    type: Literal["CustomCost"]
    function: Annotated[Importable, Function()]
    kind: Literal["money", "penalty"] | None = None


class OwnCostTable(CostBase):
    """A cost of one's own, `package.module:Class`, and the keywords it is made with."""

    type: Importable
    arguments: Arguments = Field(default_factory=dict)


PlainCostTable: TypeAlias = (
    TemporaryImpactTable
    | PermanentImpactTable
    | SpreadCostTable
    | TimingRiskTable
    | TrackingRiskTable
    | SmoothnessTable
    | AlphaTable
    | PowerImpactTable
    | TransientImpactTable
    | CustomCostTable
)
Plain: TypeAlias = Annotated[
    Annotated[PlainCostTable, Field(discriminator="type"), Tag("known")] | Annotated[OwnCostTable, Tag("own")],
    own_or_known("type"),
]

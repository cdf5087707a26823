"""What a problem file may say about constraints: one table for each class."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, Tag

from acopt.spec.forms import Cash, Exposures, Groups, Labels
from acopt.spec.own import Function
from acopt.spec.tables import (
    Amount,
    Arguments,
    ByAsset,
    ByLabel,
    Importable,
    Layers,
    ListOf,
    Number,
    Positive,
    Square,
    Table,
    Text,
    Window,
    own_or_known,
)


class ConstraintBase(Table):
    """What every constraint has: a name (its type by default), assets, a window, and the weight of its penalty."""

    name: Text | None = None
    weight: Amount | None = None
    assets: Annotated[ListOf[Text], Labels()] | None = None
    during: Window | None = None
    penalty_bps: ByAsset[Positive] | None = None


class PlainTable(ConstraintBase):
    """See `acopt.Monotone`, `acopt.NoTrade`, `acopt.Complete`."""

    type: Literal["Monotone", "NoTrade", "Complete"]


class BoundsTable(ConstraintBase):
    """See `acopt.TradeSize`, `acopt.TradeRate` (signed: buys +, sells -), `acopt.HoldingBounds`."""

    type: Literal["TradeSize", "TradeRate", "HoldingBounds"]
    lower: Layers[float] | None = None
    upper: Layers[float] | None = None


class ParticipationTable(ConstraintBase):
    """See `acopt.Participation`."""

    type: Literal["Participation"]
    maximum: Layers[Amount]
    minimum: Layers[Amount] | None = None


class DollarNeutralTable(ConstraintBase):
    """See `acopt.DollarNeutral`."""

    type: Literal["DollarNeutral"]
    tolerance: Amount
    of: Literal["remaining", "holdings"] | None = None


class FactorNeutralTable(ConstraintBase):
    """See `acopt.FactorNeutral`; exposures by asset, or by asset and factor."""

    type: Literal["FactorNeutral"]
    exposures: Annotated[dict[str, Number] | Square, Exposures()]
    tolerance: ByLabel[Amount]
    of: Literal["remaining", "holdings"] | None = None


class GroupNeutralTable(ConstraintBase):
    """See `acopt.GroupNeutral`; groups: the label of each asset's group."""

    type: Literal["GroupNeutral"]
    groups: Annotated[dict[str, Text], Groups()]
    tolerance: ByLabel[Amount]
    of: Literal["remaining", "holdings"] | None = None


class CashBalanceTable(ConstraintBase):
    """See `acopt.CashBalance`; a number, or a list by interval."""

    type: Literal["CashBalance"]
    lower: Annotated[float | ListOf[float], Cash()] | None = None
    upper: Annotated[float | ListOf[float], Cash()] | None = None


class AllowUnfilledTable(ConstraintBase):
    """See `acopt.AllowUnfilled`."""

    type: Literal["AllowUnfilled"]
    penalty_bps: ByAsset[Positive]


class CustomConstraintTable(Table):
    """See `acopt.CustomConstraint`; its function is imported."""

    name: Text | None = None
    type: Literal["CustomConstraint"]
    function: Annotated[Importable, Function()]


class OwnConstraintTable(ConstraintBase):
    """A rule of one's own, `package.module:Class`, and the keywords it is made with."""

    type: Importable
    arguments: Arguments = Field(default_factory=dict)


PlainRuleTable: TypeAlias = (
    PlainTable
    | BoundsTable
    | ParticipationTable
    | DollarNeutralTable
    | FactorNeutralTable
    | GroupNeutralTable
    | CashBalanceTable
    | AllowUnfilledTable
    | CustomConstraintTable
)
PlainRule: TypeAlias = Annotated[
    Annotated[PlainRuleTable, Field(discriminator="type"), Tag("known")] | Annotated[OwnConstraintTable, Tag("own")],
    own_or_known("type"),
]

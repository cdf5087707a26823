"""What a problem file may say about constraints: one table for each class."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from acopt.spec.tables import Amount, ByAsset, ByLabel, Layers, ListOf, Number, Positive, Square, Table, Text, Time


class ConstraintBase(Table):
    """What every constraint has: a name (its type by default), the assets and the window it is about."""

    name: Text | None = None
    assets: ListOf[Text] | None = None
    during: Annotated[tuple[Time, Time], Field(strict=False)] | None = None


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
    exposures: dict[str, Number] | Square
    tolerance: ByLabel[Amount]
    of: Literal["remaining", "holdings"] | None = None


class GroupNeutralTable(ConstraintBase):
    """See `acopt.GroupNeutral`; groups: the label of each asset's group."""

    type: Literal["GroupNeutral"]
    groups: dict[str, Text]
    tolerance: ByLabel[Amount]
    of: Literal["remaining", "holdings"] | None = None


class CashBalanceTable(ConstraintBase):
    """See `acopt.CashBalance`; a number, or a list by interval."""

    type: Literal["CashBalance"]
    lower: float | ListOf[float] | None = None
    upper: float | ListOf[float] | None = None


class AllowUnfilledTable(ConstraintBase):
    """See `acopt.AllowUnfilled`."""

    type: Literal["AllowUnfilled"]
    penalty_bps: ByAsset[Positive]


ConstraintTable: TypeAlias = (
    PlainTable
    | BoundsTable
    | ParticipationTable
    | DollarNeutralTable
    | FactorNeutralTable
    | GroupNeutralTable
    | CashBalanceTable
    | AllowUnfilledTable
)
Constraints: TypeAlias = ListOf[Annotated[ConstraintTable, Field(discriminator="type")]]

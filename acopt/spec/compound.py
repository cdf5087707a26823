"""What a problem file may say about costs and constraints that hold others, and about all of them."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, Tag

from acopt.spec.costs import CostBase, OwnCostTable, PlainCostTable, ScenarioTable
from acopt.spec.forms import Limit
from acopt.spec.rules import OwnConstraintTable, PlainRule, PlainRuleTable
from acopt.spec.tables import ByAsset, ListOf, Number, Positive, Table, Text, own_or_known


class UnfilledTable(CostBase):
    """The price of `acopt.AllowUnfilled`, by itself: what is left of the order at the end."""

    type: Literal["Unfilled"]
    penalty_bps: ByAsset[Positive]


class SoftRuleTable(CostBase):
    """The price of a soft rule, by itself; the rule has `penalty_bps`."""

    type: Literal["SoftRule"]
    rule: PlainRule


SimpleCostTable: TypeAlias = PlainCostTable | UnfilledTable | SoftRuleTable
Simple: TypeAlias = Annotated[
    Annotated[SimpleCostTable, Field(discriminator="type"), Tag("known")] | Annotated[OwnCostTable, Tag("own")],
    own_or_known("type"),
]


class WorstCaseTable(CostBase):
    """See `acopt.WorstCase`; the markets by name, and by the same names what is taken off in each, currency."""

    type: Literal["WorstCase"]
    objective: Annotated[ListOf[Simple], Field(min_length=1)]
    markets: Annotated[dict[str, ScenarioTable], Field(min_length=1)]
    less: dict[str, Number] | None = None


CostTable: TypeAlias = SimpleCostTable | WorstCaseTable
Costs: TypeAlias = ListOf[
    Annotated[
        Annotated[CostTable, Field(discriminator="type"), Tag("known")] | Annotated[OwnCostTable, Tag("own")],
        own_or_known("type"),
    ]
]


class BudgetTable(Table):
    """See `acopt.Budget`: what its costs add up to is at most `limit`, in currency, or `limit_bps`."""

    forms = ({"limit"}, {"limit_bps"})
    name: Text | None = None
    type: Literal["Budget"]
    cost: Annotated[Costs, Field(min_length=1)]
    limit: Annotated[Number, Limit(bps=False)] | None = None
    limit_bps: Annotated[Number, Limit(bps=True)] | None = None


HardRuleTable: TypeAlias = PlainRuleTable | BudgetTable


class UnderMarketTable(Table):
    """See `acopt.UnderMarket`; Unpriced is the same without the rule's price, which stands among the costs."""

    name: Text | None = None
    type: Literal["UnderMarket", "Unpriced"]
    rule: Annotated[
        Annotated[HardRuleTable, Field(discriminator="type"), Tag("known")] | Annotated[OwnConstraintTable, Tag("own")],
        own_or_known("type"),
    ]
    market: ScenarioTable


ConstraintTable: TypeAlias = HardRuleTable | UnderMarketTable
Constraints: TypeAlias = ListOf[
    Annotated[
        Annotated[ConstraintTable, Field(discriminator="type"), Tag("known")]
        | Annotated[OwnConstraintTable, Tag("own")],
        own_or_known("type"),
    ]
]

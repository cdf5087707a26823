"""The grammar of problem files: the numbers, labels and times that a table may hold, and how it refuses others."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, ClassVar, Self, TypeAlias, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Discriminator, Field, model_validator
from pydantic_core import PydanticCustomError

from acopt.spec import forms
from acopt.spec.own import PATTERN
from acopt.spec.own import Arguments as OwnArguments


def refusal(message: str, path: str = "") -> PydanticCustomError:
    """Return an error about a value; `path` leads on from the validated table to the culprit."""
    return PydanticCustomError("refused", "{message}", {"message": message, "path": path})


T = TypeVar("T")
Text: TypeAlias = Annotated[str, Field(pattern=r"\S")]
Number: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]
Amount: TypeAlias = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False)]
ListOf: TypeAlias = Annotated[tuple[T, ...], Field(strict=False)]
Importable: TypeAlias = Annotated[str, Field(pattern=rf"^{PATTERN}$")]
"""Where a function or class of one's own is imported from, `package.module:name`."""
Arguments: TypeAlias = Annotated[dict[str, Any], OwnArguments()]
"""Keywords of a class of one's own."""
Time: TypeAlias = Annotated[Number | str | dt.time | dt.datetime, forms.Time()]
Span: TypeAlias = Annotated[Positive | str, forms.Time()]

ByAsset: TypeAlias = Annotated[T | dict[str, T], forms.PerAsset()]
"""A number, or one for each asset."""
Priced: TypeAlias = Annotated[T | dict[str, T], forms.PerAsset(priced=True)]
"""One for each asset, in price units; a number for one asset."""
ByLabel: TypeAlias = Annotated[T | dict[str, T], forms.ByLabel()]
"""A number, or one for each factor or group."""
Layers: TypeAlias = Annotated[T | ListOf[T] | dict[str, T | ListOf[T]], forms.Data()]
"""A number; a list by interval; or either of them for each asset."""
Square: TypeAlias = dict[str, dict[str, Number]]
"""Numbers by pair of labels."""
Stack: TypeAlias = ListOf[ListOf[ListOf[Number]]]
"""Rows in the order of the assets (or factors), for each interval (or auction)."""
Coefficient: TypeAlias = Annotated[T | ListOf[T] | dict[str, T | ListOf[T]], forms.Data(priced=True)]
"""As `Layers`, in price units: a number for one asset."""
Coupled: TypeAlias = Annotated[T | ListOf[T] | dict[str, T | ListOf[T]] | Square | Stack, forms.Coupled(priced=True)]
"""As `Coefficient`, or between assets: numbers by pair of them, or a matrix for each interval."""
Crosses: TypeAlias = Annotated[T | ListOf[T] | dict[str, T | ListOf[T]], forms.Auctions(priced=True)]
"""As `Coefficient`, its lists by auction."""
CoupledCrosses: TypeAlias = Annotated[
    T | ListOf[T] | dict[str, T | ListOf[T]] | Square | Stack, forms.Auctions(priced=True)
]
"""As `Coupled`, its lists by auction."""
HalfSpread: TypeAlias = Annotated[
    Amount | ListOf[Amount] | dict[str, Amount | ListOf[Amount]], forms.HalfSpread(priced=True)
]
"""As `Coefficient`; by interval, it says what holds in auctions."""
Permanent: TypeAlias = Annotated[Number | dict[str, Number] | Square, forms.Pairs(priced=True)]
"""A number for one asset, one for each, or numbers by pair of assets."""
Matrix: TypeAlias = Number | ListOf[ListOf[Number]] | Square
"""Rows in the order of the assets (or factors), or numbers by pair of labels; a number for one asset."""
Path: TypeAlias = ListOf[Number] | dict[str, ListOf[Number]]
"""Numbers over time, for one asset or for each that is named."""


class Table(BaseModel):
    """Base of all tables: immutable, no conversions, an unknown key refused by name."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    forms: ClassVar[tuple[set[str], ...]] = ()
    """Combinations of keys of which exactly one must be given."""

    @model_validator(mode="before")
    @classmethod
    def _known(cls, data: Any) -> Any:
        unknown = [name for name in data if name not in cls.model_fields] if isinstance(data, dict) else []
        if unknown:
            raise refusal(f"unknown key; accepted are {', '.join(cls.model_fields)}", f".{unknown[0]}")
        return data

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        concerned = set().union(*self.forms)
        found = [name for name in type(self).model_fields if name in concerned and getattr(self, name) is not None]
        if self.forms and set(found) not in self.forms:
            wanted = ", or ".join(" and ".join(sorted(form)) for form in self.forms)
            raise refusal(f"expected is {wanted}; given: {', '.join(found) or 'none of them'}")
        return self


class WindowTable(Table):
    """A half-open window, one side of it open where it is left out."""

    start: Time | None = None
    end: Time | None = None


Window: TypeAlias = Annotated[Annotated[tuple[Time, Time], Field(strict=False)] | WindowTable, forms.Window()]
"""A pair of times, or a table of one of them."""


def own_or_known(key: str) -> Discriminator:
    """Tell the table of a class of one's own, whose `key` is a path to import, from those of acopt's classes."""
    return Discriminator(lambda value: "own" if isinstance(value, dict) and ":" in str(value.get(key)) else "known")


def form_of(table: type[Table], key: str) -> forms.Form:
    """Return how a field of a table is read and written."""
    field = table.model_fields[key]
    pending: list[Any] = [*field.metadata, field.annotation]
    while pending:
        each = pending.pop(0)
        if isinstance(each, forms.Form):
            return each
        pending += getattr(each, "__metadata__", ())
        pending += get_args(each)
    return forms.Form()

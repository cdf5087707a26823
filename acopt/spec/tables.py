"""The grammar of problem files: the numbers, labels and times that a table may hold, and how it refuses others."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, ClassVar, Self, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError


def refusal(message: str, path: str = "") -> PydanticCustomError:
    """Return an error about a value; `path` leads on from the validated table to the culprit."""
    return PydanticCustomError("refused", "{message}", {"message": message, "path": path})


T = TypeVar("T")
Text: TypeAlias = Annotated[str, Field(pattern=r"\S")]
Number: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]
Amount: TypeAlias = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False)]
ListOf: TypeAlias = Annotated[tuple[T, ...], Field(strict=False)]
Time: TypeAlias = Number | str | dt.time | dt.datetime

ByAsset: TypeAlias = T | dict[str, T]
"""A number, or one for each asset."""
ByLabel: TypeAlias = T | dict[str, T]
"""A number, or one for each factor or group."""
Layers: TypeAlias = T | ListOf[T] | dict[str, T | ListOf[T]]
"""A number; a list by interval; or either of them for each asset."""
Square: TypeAlias = dict[str, dict[str, Number]]
"""Numbers by pair of labels."""
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

"""The one query contract: what HTTP, insights and everything later ask of a dataset.

A column is named as in the dataset's schema; ``join.column`` names one of a joined dimension.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from backend.warehouse.metadata import Grain

DEFAULT_LIMIT = 1_000
MAX_LIMIT = 10_000  # of one JSON page
MAX_OFFSET = 1_000_000_000


class Operator(StrEnum):
    EQ = "eq"
    NE = "ne"  # also true of rows without a value: the complement of eq
    IN = "in"  # of a list column: holds any of
    NOT_IN = "not_in"
    GTE = "gte"
    LTE = "lte"
    GT = "gt"
    LT = "lt"
    BETWEEN = "between"  # both ends included
    IS_NULL = "is_null"
    CONTAINS = "contains"  # of text: whatever the case; of a list: holds this value


# Text stays text until the compiler knows the type of the column.
Scalar = Annotated[
    bool | int | float | str | Decimal | datetime | date | UUID | None,
    Field(union_mode="left_to_right"),
]


class _Shape(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Filter(_Shape):
    """`value` is a list for in, not_in and between, a boolean for is_null."""

    field: str
    op: Operator = Field(strict=False)
    value: Scalar | list[Scalar]


class Dimension(_Shape):
    """One key of a group; with a `grain`, the first day of the period that the date falls in."""

    column: str
    grain: Grain | None = Field(None, strict=False)

    @property
    def name(self) -> str:
        """Its column in the answer: ``booking_date_month``."""
        return f"{self.column}_{self.grain}" if self.grain else self.column


class Order(_Shape):
    """`field` is a column of the answer. Missing values come last either way."""

    field: str
    descending: bool = False


class QuerySpec(_Shape):
    """Without dimensions and measures it returns rows, else one row for each group."""

    dataset: str
    fields: Annotated[tuple[str, ...], Field(strict=False)] = ()  # none: every column
    dimensions: Annotated[tuple[Dimension, ...], Field(strict=False)] = ()
    measures: Annotated[tuple[str, ...], Field(strict=False)] = ()
    filters: Annotated[tuple[Filter, ...], Field(strict=False)] = ()  # all must hold
    order: Annotated[tuple[Order, ...], Field(strict=False)] = ()
    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT)
    offset: int = Field(0, ge=0, le=MAX_OFFSET)

    @property
    def is_grouped(self) -> bool:
        return bool(self.dimensions or self.measures)

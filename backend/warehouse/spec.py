"""The one query contract: what HTTP, exports, insights and everything later ask of a dataset.

A column is named as in the dataset's schema; ``join.column`` names one of a joined dimension.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    FailFast,
    Field,
    Tag,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from backend.errors import FieldError, InvalidInput
from backend.periods import Grain, time_zones

DEFAULT_LIMIT = 1_000
MAX_LIMIT = 10_000  # of one JSON page
MAX_OFFSET = 1_000_000_000
MAX_DIMENSIONS = 10
MAX_MEASURES = 30
MAX_ORDER = 20
MAX_FIELDS = 200
MAX_CONDITIONS = 100  # of filters, and of having; AND and OR count too
MAX_DEPTH = 6  # AND and OR within each other
MAX_CURSOR = 8_000  # characters

_INSTANT_OR_GENERATION = re.compile(
    r"\d{8}T\d{6}Z-[0-9a-f]{8}|\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})",
    re.ASCII,
)


class Operator(StrEnum):
    EQ = "eq"
    NE = "ne"  # also true of rows without a value: the complement of eq
    IN = "in"  # of a list column: holds any of
    NOT_IN = "not_in"  # the complement of in
    GTE = "gte"
    LTE = "lte"
    GT = "gt"
    LT = "lt"
    BETWEEN = "between"  # both ends included
    DURING = "during"  # days: a name such as last_month, or the first and the last one
    IS_NULL = "is_null"
    CONTAINS = "contains"  # of text: whatever the case; of a list: holds this value
    STARTS_WITH = "starts_with"  # whatever the case


class Comparison(StrEnum):
    """Each measure also as it was before: ``_previous``, ``_delta`` and ``_change``.

    `_delta` is the value less the previous one, `_change` that divided by the size of the previous
    one (0.25: a quarter more), null where that is 0 or missing.
    """

    PREVIOUS_PERIOD = "previous_period"
    PREVIOUS_YEAR = "previous_year"


class Fill(StrEnum):
    """What measures are in periods without rows: ``zero`` only where rows are added or counted."""

    ZERO = "zero"
    NULL = "null"
    PREVIOUS = "previous"  # the last value before, if there is one


# Text stays text until the compiler knows the type of the column.
Scalar = Annotated[
    bool | int | float | str | Decimal | datetime | date | UUID | None,
    Field(union_mode="left_to_right"),
    WithJsonSchema({"type": ["string", "number", "boolean", "null"]}),
]


def _fits_a_page(limit: int) -> int:
    if limit > MAX_LIMIT:
        raise ValueError(
            f"A page has at most {MAX_LIMIT} rows. Go on with `cursor`, or leave the limit out and "
            "ask for everything as ndjson, csv, arrow or parquet"
        )
    return limit


PageSize = Annotated[
    int, Field(ge=1, json_schema_extra={"maximum": MAX_LIMIT}), AfterValidator(_fits_a_page)
]


class _Shape(BaseModel):
    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, populate_by_name=True, serialize_by_alias=True
    )


def _plain(value: Any) -> Any:  # noqa: ANN401  # whatever the caller sent
    """Said once, not once for each type that it could have been."""
    if any(
        isinstance(part, dict | list) for part in (value if isinstance(value, list) else [value])
    ):
        raise ValueError("Must be a value, or a list of values.")
    return value


class Filter(_Shape):
    """`value` is a list for in, not_in and between, a boolean for is_null."""

    field: str
    op: Operator = Field(strict=False)
    value: Annotated[Scalar | list[Scalar], BeforeValidator(_plain)]


def _kind_of_condition(value: Any) -> str:  # noqa: ANN401  # whatever the caller sent
    if isinstance(value, BaseModel):
        return type(value).__name__.lower()
    keys = value if isinstance(value, dict) else {}
    return next((key for key in ("and", "or") if key in keys), "filter")


Condition = Annotated[
    Annotated["Filter", Tag("filter")] | Annotated["And", Tag("and")] | Annotated["Or", Tag("or")],
    Discriminator(_kind_of_condition),
]
Conditions = Annotated[tuple[Condition, ...], Field(strict=False)]


class And(_Shape):
    conditions: Annotated[Conditions, Field(alias="and", min_length=1)]


class Or(_Shape):
    conditions: Annotated[Conditions, Field(alias="or", min_length=1)]


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


class Totals(_Shape):
    """Rows that sum up others, before them: of all, and of every group of the first dimensions.

    Their column ``_level`` tells by how many dimensions they are grouped; the others are null.
    They are of everything that the filters leave, also of groups that `having` hides. `shares`
    names sums and counts of which ``<measure>_share`` is each row's part of the whole.
    """

    subtotals: Literal["all", "grand", "none"] = "grand"
    shares: Annotated[
        tuple[str, ...], FailFast(), Field(strict=False, max_length=MAX_MEASURES)
    ] = ()


class QuerySpec(_Shape):
    """Without dimensions and measures it returns rows, else one row for each group."""

    dataset: str
    fields: Annotated[tuple[str, ...], Field(strict=False)] = ()  # none: every column
    dimensions: Annotated[tuple[Dimension, ...], Field(strict=False)] = ()
    measures: Annotated[tuple[str, ...], Field(strict=False)] = ()
    filters: Conditions = ()  # all must hold
    having: Conditions = ()  # likewise, of the measures of a group
    order: Annotated[tuple[Order, ...], Field(strict=False)] = ()
    limit: PageSize = DEFAULT_LIMIT
    offset: int = Field(0, ge=0, le=MAX_OFFSET)
    cursor: str | None = Field(None, min_length=1, max_length=MAX_CURSOR)  # instead of offset
    compare: Comparison | None = Field(None, strict=False)
    fill: Fill | None = Field(None, strict=False)
    totals: Totals | None = None
    as_of: str | None = None  # an instant or the id of a generation
    time_zone: str | None = (
        None  # of "today" and of the days of instants; by default the organization's
    )

    @property
    def is_grouped(self) -> bool:
        return bool(self.dimensions or self.measures)

    @field_validator("limit", "offset", mode="before")
    @classmethod
    def _is_whole(cls, number: Any) -> Any:  # noqa: ANN401  # whatever the caller sent
        """To JSON Schema 10.0 is an integer."""
        return int(number) if isinstance(number, float) and number.is_integer() else number

    @field_validator("fields", "dimensions", "measures", "order", mode="before")
    @classmethod
    def _is_short(cls, items: Any, info: Any) -> Any:  # noqa: ANN401
        """Before anything is read: each of a million items would have a fault of its own."""
        most = _MOST[info.field_name]
        if isinstance(items, list | tuple) and len(items) > most:
            text = f"A query has at most {most} {info.field_name}: ask in parts."
            _refuse(f"#/{info.field_name}", text)
        return items

    @field_validator("filters", "having", mode="before")
    @classmethod
    def _is_small(cls, conditions: Any, info: Any) -> Any:  # noqa: ANN401
        """Before anything is read, so that nothing deep is ever walked through."""
        level, count, depth = _parts({"and": conditions}), 0, 0
        while level:
            count += len(level)
            if depth > MAX_DEPTH:
                text = f"AND and OR are at most {MAX_DEPTH} deep: AND within AND needs no level."
                _refuse(f"#/{info.field_name}", text)
            if count > MAX_CONDITIONS:
                text = f"It has at most {MAX_CONDITIONS} conditions: `in` takes the place of many."
                _refuse(f"#/{info.field_name}", text)
            level = [part for condition in level for part in _parts(condition)]
            depth += 1
        return conditions

    @model_validator(mode="after")
    def _begins_in_one_place(self) -> Self:
        if self.cursor is not None and self.offset:
            _refuse("#/cursor", "A page begins at a cursor or at an offset, not both.")
        return self

    @field_validator("as_of")
    @classmethod
    def _names_a_moment(cls, as_of: str | None) -> str | None:
        if as_of is not None and not _INSTANT_OR_GENERATION.fullmatch(as_of):
            text = "must be an instant such as 2025-01-31T12:00:00Z, or the id of a generation"
            _refuse("#/as_of", text)
        return as_of

    @field_validator("time_zone")
    @classmethod
    def _is_a_time_zone(cls, name: str | None) -> str | None:
        if name is not None and name not in time_zones():  # also what only Python knows
            _refuse("#/time_zone", "must be a time zone such as Europe/Zurich")
        return name


_MOST = {
    "fields": MAX_FIELDS,
    "dimensions": MAX_DIMENSIONS,
    "measures": MAX_MEASURES,
    "order": MAX_ORDER,
}


def leaves(condition: Condition) -> Iterator[Filter]:
    """The filters that it is made of."""
    if isinstance(condition, Filter):
        yield condition
    else:
        for part in condition.conditions:
            yield from leaves(part)


def conjuncts(conditions: Sequence[Condition], pointer: str) -> Iterator[tuple[str, Condition]]:
    """What must hold all at once, each with its JSON pointer: AND within AND is taken apart."""
    for index, condition in enumerate(conditions):
        place = f"{pointer}/{index}"
        if isinstance(condition, And):
            yield from conjuncts(condition.conditions, f"{place}/and")
        else:
            yield place, condition


def _parts(condition: Any) -> list[Any]:  # noqa: ANN401  # whatever the caller sent
    if isinstance(condition, And | Or):
        return [*condition.conditions]
    found = condition if isinstance(condition, dict) else {}
    lists = (found.get(key) for key in ("and", "or", "conditions"))
    return [part for parts in lists if isinstance(parts, list | tuple) for part in parts]


def _refuse(pointer: str, reason: str) -> None:
    raise InvalidInput("The query is not valid.", errors=[FieldError(pointer, reason)])

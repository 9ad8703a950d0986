"""Parameters and answers of the analytic routes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from api.schemas.common import PlainDate
from backend.errors import MAX_FAULTS, FieldError, InvalidInput, did_you_mean
from backend.warehouse.common_filters import CommonFilters
from backend.warehouse.formats import Format
from backend.warehouse.predicates import MAX_VALUES
from backend.warehouse.spec import (
    DEFAULT_LIMIT,
    MAX_CURSOR,
    MAX_LIMIT,
    MAX_OFFSET,
    PageSize,
    QuerySpec,
)
from backend.warehouse.values import read_uuid


class Parameters(BaseModel):
    """An unknown parameter is refused: a misspelt filter would silently widen the answer."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown(cls, given: dict[str, object]) -> dict[str, object]:
        known = list(cls.model_fields)
        unknown = [name for name in given if name not in known]
        if unknown:
            faults = [
                FieldError(name[:100], did_you_mean(name, known) if known else "There are none.")
                for name in unknown[:MAX_FAULTS]
            ]
            raise InvalidInput("There is no such parameter.", errors=faults)
        return given


def _split(value: object) -> object:
    """`a,b` and repetition mean the same; a parameter without any id is an empty list."""
    if not isinstance(value, list):
        return value
    texts = [text.strip() for item in value for text in str(item).split(",")]
    if texts == [""]:
        return []
    if len(texts) > MAX_VALUES:
        raise ValueError(f"must name at most {MAX_VALUES} ids")
    return [read_uuid(text) for text in texts]


Ids = Annotated[list[UUID], BeforeValidator(_split)]


class FilterParameters(Parameters):
    start_date: PlainDate | None = Field(None, description="First day, included.")
    end_date: PlainDate | None = Field(None, description="Last day, included.")
    account_ids: Ids | None = Field(
        None,
        description="Repeated or separated by commas. Given and empty: no rows.",
    )

    def common(self) -> CommonFilters:
        return CommonFilters(
            start_date=self.start_date,
            end_date=self.end_date,
            account_ids=None if self.account_ids is None else tuple(self.account_ids),
        )


class TagFilterParameters(FilterParameters):
    tag_ids: Ids | None = Field(None, description="Rows with any of these tags; as `account_ids`.")

    def common(self) -> CommonFilters:
        tag_ids = None if self.tag_ids is None else tuple(self.tag_ids)
        return replace(super().common(), tag_ids=tag_ids)


class PageParameters(Parameters):
    limit: PageSize = Field(DEFAULT_LIMIT, description="Rows of the page.")
    offset: int = Field(0, ge=0, le=MAX_OFFSET, description="Rows to skip.")
    cursor: str | None = Field(
        None,
        min_length=1,
        max_length=MAX_CURSOR,
        description="`next_cursor` of the page before, with the same parameters but the limit.",
    )
    as_of: str | None = Field(
        None,
        description="An instant, or the id of a generation that is still kept.",
        examples=["2025-03-10T12:00:00Z"],
    )

    def page(self) -> dict[str, Any]:
        """What was given of these, as fields of a query."""
        given = self.model_fields_set & PageParameters.model_fields.keys()
        return {name: getattr(self, name) for name in given}


class FormatParameters(Parameters):
    format: str | None = Field(
        None,
        description="In place of `Accept`, where one cannot set headers.",
        json_schema_extra={"enum": list(Format)},
    )


class _InsightPage(PageParameters):
    limit: int = Field(MAX_LIMIT, ge=1, le=MAX_LIMIT, description="Rows of the page.")

    def of(self, spec: QuerySpec) -> QuerySpec:
        """This page of a ready-made question."""
        return QuerySpec.model_validate({**dict(spec), **self.page()})


class InsightParameters(_InsightPage, FilterParameters):
    pass


class TagInsightParameters(_InsightPage, TagFilterParameters):
    pass


class _FromGeneration(BaseModel):
    generation: str = Field(examples=["20250310T120000Z-0f3a9c1e"])
    as_of: datetime = Field(description="When the source was read.")


class FromGeneration(_FromGeneration):
    """Where an answer comes from."""

    stale: bool = Field(description="Whether that was longer ago than this instance allows.")


class AnswerColumn(BaseModel):
    name: str = Field(examples=["spent"])
    type: str = Field(examples=["decimal"])
    unit: str | None = Field(
        examples=["currency"],
        description="`currency`: an amount, in the currency that the row names.",
    )


class DatasetAnswer(_FromGeneration):
    """Decimals are strings, dates `YYYY-MM-DD`, instants UTC, counts numbers.

    Whether it is stale changes with time, so it is not in here: `Outlay-Stale` says it.
    """

    columns: list[AnswerColumn]
    rows: list[dict[str, Any]] = Field(
        examples=[[{"tag.name": "Food", "currency": "EUR", "spent": "12.5000"}]]
    )
    next_cursor: str | None = Field(
        description="Of the next page, in this very generation; null on the last one."
    )


class AnalyticsStatus(BaseModel):
    """The figures are null as long as there is no generation; `detail` then says what to do."""

    available: bool
    detail: str | None = None
    generation: str | None = None
    as_of: datetime | None = None
    age_seconds: int | None = None
    stale: bool | None = None
    datasets: int | None = None
    row_counts: dict[str, int] | None = Field(
        None, description="Rows that you may see, by dataset."
    )

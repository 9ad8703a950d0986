"""Answers about datasets: which there are, what may be asked of them, what a query does."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from api.schemas.analytics import AnswerColumn, FromGeneration
from backend.periods import Grain, Period
from backend.warehouse import predicates, spec
from backend.warehouse.catalogue import (
    ColumnEntry,
    DimensionEntry,
    FilterEntry,
    JoinEntry,
    Options,
    PeriodEntry,
)
from backend.warehouse.common_filters import parameters_of
from backend.warehouse.datasets import Dataset
from backend.warehouse.estimate import Estimate
from backend.warehouse.explain import EmptyColumn, Explanation, Parameter, RowFilter
from backend.warehouse.filling import MAX_PERIODS
from backend.warehouse.lineage import Lineage
from backend.warehouse.measure_catalogue import MeasureEntry
from backend.warehouse.resolve import NamedDays
from backend.warehouse.snapshot import Snapshot
from backend.warehouse.spec import QuerySpec


def _briefly(query: QuerySpec) -> dict[str, Any]:
    return query.model_dump(mode="json", exclude_defaults=True)


BriefQuery = Annotated[QuerySpec, PlainSerializer(_briefly)]  # without what it does not ask for


class DatasetEntry(BaseModel):
    id: str = Field(examples=["fct_transactions"])
    friendly_name: str
    description: str
    group: str = Field(examples=["facts"])
    time_grain: Grain | None = Field(description="The finest period that it can be asked by.")
    parameters: list[str] = Field(
        description="The filters that it has.", examples=[["start_date", "end_date"]]
    )

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        return cls(
            id=dataset.id,
            friendly_name=dataset.friendly_name,
            description=dataset.description,
            group=dataset.meta.group,
            time_grain=dataset.meta.time_grain,
            parameters=[*parameters_of(dataset)],
        )


class DatasetList(FromGeneration):
    items: list[DatasetEntry]


class Limits(BaseModel):
    """The most that one query may ask for; more is refused, and the refusal says so."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    rows: int = Field(spec.MAX_LIMIT, description="Of one JSON page; streams go on to the end.")
    rows_by_default: int = spec.DEFAULT_LIMIT
    fields: int = spec.MAX_FIELDS
    dimensions: int = spec.MAX_DIMENSIONS
    measures: int = spec.MAX_MEASURES
    order: int = spec.MAX_ORDER
    conditions: int = Field(
        spec.MAX_CONDITIONS, description="Of `filters`, and of `having`; AND and OR count too."
    )
    depth: int = Field(spec.MAX_DEPTH, description="AND and OR within each other.")
    values: int = Field(predicates.MAX_VALUES, description="Of one list.")
    filled_periods: int = MAX_PERIODS
    seconds: float = Field(description="Then a query is stopped.")


class DatasetSchema(DatasetEntry, FromGeneration):
    row_filter: str = Field(
        description="Which rows you see.",
        examples=[
            "Rows of your organization that you own, plus rows of 2 accounts shared with you."
        ],
    )
    row_count: int = Field(description="Rows that you may see.")
    columns: list[ColumnEntry]
    dimensions: list[DimensionEntry] = Field(
        description="What groups can be made by; rows can be filtered by it, too."
    )
    joins: list[JoinEntry]
    measures: list[MeasureEntry]
    filters: list[FilterEntry] = Field(description="The parameters that most datasets share.")
    periods: list[PeriodEntry] = Field(
        description="Names that `during` takes, and the days that they stand for today. Also "
        "`last_…` and `next_<number>_<days|weeks|months|quarters|years>`, and `…_to_date`."
    )
    options: Options
    sample_questions: list[str]
    example: BriefQuery = Field(description="A query to begin with; it can be posted as it is.")
    limits: Limits
    tests_passed: int = Field(description="Checks that its data passed before it was published.")
    age_seconds: int = Field(description="How long ago the source was read.")


class Days(BaseModel):
    """Both included."""

    first: date
    last: date

    @classmethod
    def of(cls, period: Period | None) -> Self | None:
        return None if period is None else cls(first=period.first, last=period.last)


class DatasetExplanation(FromGeneration):
    """What a query really does; it has not been run."""

    sql: str = Field(description="As it is run; values travel beside it.")
    parameters: list[Parameter] = Field(description="The `$names` in the SQL, without values.")
    columns: list[AnswerColumn] = Field(description="Of the answer.")
    row_filters: list[RowFilter] = Field(
        description="Which rows you see of the dataset, and of each dimension that it is joined to."
    )
    empty_columns: list[EmptyColumn] = Field(description="Columns that come out empty for you.")
    query: BriefQuery = Field(description="As asked, with days in place of their names.")
    named_days: list[NamedDays] = Field(description="What each name of a period became.")
    period: Days | None = Field(description="The days of `compare` and `fill`.")
    compared: Days | None = Field(description="The days that they are compared with.")
    estimate: Estimate
    lineage: Lineage
    age_seconds: int = Field(description="How long ago the source was read.")

    @classmethod
    def of(cls, explanation: Explanation, estimate: Estimate, snapshot: Snapshot) -> Self:
        return cls(
            sql=explanation.sql,
            parameters=list(explanation.parameters),
            columns=[
                AnswerColumn(name=column.name, type=column.type.name, unit=column.unit)
                for column in explanation.columns
            ],
            row_filters=list(explanation.row_filters),
            empty_columns=list(explanation.empty_columns),
            query=explanation.query,
            named_days=list(explanation.named_days),
            period=Days.of(explanation.period),
            compared=Days.of(explanation.compared),
            estimate=estimate,
            lineage=explanation.lineage,
            generation=snapshot.generation,
            as_of=snapshot.as_of,
            stale=snapshot.is_stale,
            age_seconds=snapshot.age_seconds,
        )

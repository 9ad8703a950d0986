"""What a caller may ask of a dataset: its columns, dimensions and filters in their words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import get_args

from backend.periods import RELATIVE_EXAMPLES, Grain, relative
from backend.scope import Scope
from backend.warehouse.column_types import DATED
from backend.warehouse.common_filters import parameters_of
from backend.warehouse.datasets import Column, Dataset
from backend.warehouse.metadata import PublicAccess
from backend.warehouse.predicates import operators
from backend.warehouse.rows import unit_of
from backend.warehouse.spec import Comparison, Fill, Operator, Totals
from backend.warehouse.visibility import guarding_join, is_hidden

_PARAMETERS = {
    "start_date": "First day, included.",
    "end_date": "Last day, included.",
    "account_ids": "Rows of any of these accounts.",
    "tag_ids": "Rows with any of these tags.",
}


@dataclass(frozen=True, slots=True)
class ColumnEntry:
    """`restricted` columns are empty for those who do not see the whole organization.

    `values` are all that there can be, where they are few; a column that is empty for the caller
    has no `operators`.
    """

    name: str
    type: str
    unit: str | None
    description: str
    nullable: bool
    values: tuple[str | int, ...]
    restricted: bool
    operators: tuple[Operator, ...]


@dataclass(frozen=True, slots=True)
class DimensionEntry:
    name: str
    type: str
    description: str
    grains: tuple[Grain, ...]
    operators: tuple[Operator, ...]


@dataclass(frozen=True, slots=True)
class JoinEntry:
    """The columns of `dataset` are named ``name.column`` here."""

    name: str
    dataset: str
    on: str
    description: str


@dataclass(frozen=True, slots=True)
class FilterEntry:
    parameter: str
    column: str
    description: str


@dataclass(frozen=True, slots=True)
class PeriodEntry:
    """The days that a name stands for today."""

    name: str
    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Options:
    """What a grouped query of the dataset may add."""

    compare: tuple[Comparison, ...]
    fill: tuple[Fill, ...]
    totals: tuple[str, ...]


def columns(dataset: Dataset, scope: Scope) -> list[ColumnEntry]:
    return [
        ColumnEntry(
            name=column.name,
            type=column.type.name,
            unit=unit_of(dataset, column.name),
            description=column.description,
            nullable=column.is_nullable or _may_come_out_empty(dataset, column.name, scope),
            values=column.values,
            restricted=column.name in dataset.access.restricted_columns,
            operators=_operators(dataset, column, scope),
        )
        for column in dataset.columns.values()
    ]


def dimensions(dataset: Dataset, scope: Scope) -> list[DimensionEntry]:
    """What the caller may group by: the dataset's columns and those of its joined dimensions."""
    own = [
        _dimension(column.name, dataset, column, scope, _grains(dataset, column))
        for column in _groupable(dataset, scope)
    ]
    joined = [
        _dimension(f"{name}.{column.name}", target, column, scope, ())
        for name, target in dataset.targets.items()
        for column in _groupable(target, scope)
        if column.name not in {dataset.joins[name].on, _organization(target)}
    ]
    return own + joined


def joins(dataset: Dataset) -> list[JoinEntry]:
    return [
        JoinEntry(name, join.to, join.on, dataset.targets[name].description)
        for name, join in dataset.joins.items()
    ]


def filters(dataset: Dataset) -> list[FilterEntry]:
    return [
        FilterEntry(name, column, _PARAMETERS[name])
        for name, column in parameters_of(dataset).items()
    ]


def periods(dataset: Dataset, today: date, fiscal_start: int) -> list[PeriodEntry]:
    """Examples of the names that dates are filtered by, if the dataset has any date."""
    if not any(column.type.kind in DATED for column in dataset.columns.values()):
        return []
    found = ((name, relative(name, today, fiscal_start)) for name in RELATIVE_EXAMPLES)
    return [PeriodEntry(name, days.first, days.last) for name, days in found if days]


def options(dataset: Dataset) -> Options:
    totals = get_args(Totals.model_fields["subtotals"].annotation)
    has_periods = dataset.filters.date_column is not None and dataset.meta.time_grain is not None
    return Options(
        compare=tuple(Comparison) if has_periods else (),
        fill=tuple(Fill) if has_periods else (),
        totals=totals if dataset.measures else (),
    )


def _dimension(
    name: str, dataset: Dataset, column: Column, scope: Scope, grains: tuple[Grain, ...]
) -> DimensionEntry:
    operators_ = _operators(dataset, column, scope)
    return DimensionEntry(name, column.type.name, column.description, grains, operators_)


def _operators(dataset: Dataset, column: Column, scope: Scope) -> tuple[Operator, ...]:
    return () if is_hidden(dataset, column.name, scope) else tuple(operators(column.type))


def _may_come_out_empty(dataset: Dataset, column: str, scope: Scope) -> bool:
    is_guarded = guarding_join(dataset, column, scope) is not None
    return is_guarded or is_hidden(dataset, column, scope)


def _organization(dataset: Dataset) -> str | None:
    access = dataset.access
    return None if isinstance(access, PublicAccess) else access.organization_column


def _groupable(dataset: Dataset, scope: Scope) -> Iterator[Column]:
    for column in dataset.columns.values():
        if not column.type.is_list and not is_hidden(dataset, column.name, scope):
            yield column


def _grains(dataset: Dataset, column: Column) -> tuple[Grain, ...]:
    finest = dataset.meta.time_grain
    if column.type.kind not in DATED or finest is None:
        return ()
    return tuple(grain for grain in Grain if not grain.is_finer_than(finest))

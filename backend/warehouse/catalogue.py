"""What a caller may ask of a dataset: its columns, dimensions and measures in their words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backend.periods import Grain
from backend.scope import Scope
from backend.warehouse.column_types import DATED
from backend.warehouse.datasets import Column, Dataset
from backend.warehouse.measures import aggregates, expression, takes_last
from backend.warehouse.metadata import Ratio
from backend.warehouse.rows import unit_of
from backend.warehouse.visibility import is_hidden


@dataclass(frozen=True, slots=True)
class ColumnEntry:
    """`restricted` columns are empty for those who do not see the whole organization."""

    name: str
    type: str
    unit: str | None
    description: str
    restricted: bool


@dataclass(frozen=True, slots=True)
class DimensionEntry:
    name: str
    type: str
    grains: tuple[Grain, ...]


@dataclass(frozen=True, slots=True)
class MeasureEntry:
    """`formula` reads like ``sum(amount)``; not to be added up over `not_additive_over`."""

    name: str
    type: str
    unit: str | None
    formula: str
    currency_column: str | None
    not_additive_over: tuple[str, ...]
    takes_last_value: bool


def columns(dataset: Dataset) -> list[ColumnEntry]:
    return [
        ColumnEntry(
            name=column.name,
            type=column.type.name,
            unit=unit_of(dataset, column.name),
            description=column.description,
            restricted=column.name in dataset.access.restricted_columns,
        )
        for column in dataset.columns.values()
    ]


def dimensions(dataset: Dataset, scope: Scope) -> list[DimensionEntry]:
    """What the caller may group by: the dataset's columns and those of its joined dimensions."""
    own = [
        DimensionEntry(column.name, column.type.name, _grains(dataset, column))
        for column in _groupable(dataset, scope)
    ]
    joined = [
        DimensionEntry(f"{name}.{column.name}", column.type.name, ())
        for name, target in dataset.targets.items()
        for column in _groupable(target, scope)
        if column.name not in dataset.columns
    ]
    return own + joined


def measures(dataset: Dataset) -> list[MeasureEntry]:
    return [_measure(dataset, name) for name in dataset.measures]


def _measure(dataset: Dataset, name: str) -> MeasureEntry:
    measure = dataset.measures[name]
    parts = list(aggregates(dataset, measure))
    if isinstance(measure, Ratio):
        formula = " / ".join(measure.ratio)
    else:
        formula = f"{measure.agg}({measure.column or '*'})"
    return MeasureEntry(
        name=name,
        type=expression(dataset, measure).type.name,
        unit=measure.unit,
        formula=formula,
        currency_column=measure.currency_column,
        not_additive_over=tuple(dict.fromkeys(c for p in parts for c in p.additive.exceptions)),
        takes_last_value=takes_last(dataset, measure),
    )


def _groupable(dataset: Dataset, scope: Scope) -> Iterator[Column]:
    for column in dataset.columns.values():
        if not column.type.is_list and not is_hidden(dataset, column.name, scope):
            yield column


def _grains(dataset: Dataset, column: Column) -> tuple[Grain, ...]:
    finest = dataset.meta.time_grain
    if column.type.kind not in DATED or finest is None:
        return ()
    return tuple(grain for grain in Grain if not grain.is_finer_than(finest))

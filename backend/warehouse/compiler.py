"""(Dataset, QuerySpec, Scope) to SQL: the one way to read the marts.

Pure. Identifiers come from the dataset's own columns only, values travel as bound parameters, and
what the scope may not see is never part of what is read (see `visibility`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Never

from backend.errors import FieldError, InvalidInput, did_you_mean
from backend.scope import Scope
from backend.warehouse import column_types
from backend.warehouse.column_types import DATED, ColumnType
from backend.warehouse.datasets import Dataset
from backend.warehouse.measures import (
    LAST,
    aggregates,
    currency_columns,
    expression,
    find_measure,
    refuse_overlaps,
    takes_last,
)
from backend.warehouse.metadata import AccountAccess, Aggregate, BudgetAccess
from backend.warehouse.source import Reference, Source
from backend.warehouse.spec import Dimension, Order, QuerySpec


@dataclass(frozen=True, slots=True)
class OutputColumn:
    name: str
    type: ColumnType
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Compiled:
    """One SELECT with named parameters (``$name``); its columns are `columns`, in this order."""

    sql: str
    parameters: Mapping[str, object]
    columns: tuple[OutputColumn, ...]


def compile_query(dataset: Dataset, spec: QuerySpec, scope: Scope) -> Compiled:
    """Raise InvalidInput for what the dataset lacks, Forbidden for what the scope may not use."""
    source = Source(dataset, scope)
    for index, given in enumerate(spec.filters):
        source.where(given, f"#/filters/{index}")
    return _grouped(source, spec) if spec.is_grouped else _rows(source, spec)


def compile_counts(datasets: Sequence[Dataset], scope: Scope) -> Compiled:
    """How many rows of each dataset the scope may see, as columns named after the datasets."""
    parameters: dict[str, object] = {}
    counts = []
    for dataset in datasets:
        source = Source(dataset, scope)
        counts.append(f'(SELECT count(*) {source.sql()}) AS "{dataset.id}"')
        parameters |= source.parameters.values
    columns = tuple(OutputColumn(dataset.id, column_types.INTEGER) for dataset in datasets)
    return Compiled(f"SELECT {', '.join(counts)}", parameters, columns)


def unit_of(dataset: Dataset, column: str) -> str | None:
    """The unit in which the dataset's measures take the column."""
    for measure in dataset.measures.values():
        if isinstance(measure, Aggregate) and measure.column == column and measure.unit:
            return measure.unit
    return None


def _rows(source: Source, spec: QuerySpec) -> Compiled:
    names = spec.fields or tuple(source.dataset.columns)
    _refuse_repetition(names, "#/fields")
    shown = [source.shown(name, f"#/fields/{index}") for index, name in enumerate(names)]
    order = [
        _sorted_by(source.used(by.field, f"#/order/{index}/field").sql, by)
        for index, by in enumerate(spec.order)
    ]
    if order or not source.keeps_stored_order:
        order.append(source.rowid())
    selected = ", ".join(f'{reference.sql} AS "{reference.name}"' for reference in shown)
    return _finish(source, f"SELECT {selected}\n{source.sql()}", order, spec, _described(shown))


def _described(references: Sequence[Reference]) -> list[OutputColumn]:
    return [
        OutputColumn(ref.name, ref.column.type, unit_of(ref.dataset, ref.column.name))
        for ref in references
    ]


def _grouped(source: Source, spec: QuerySpec) -> Compiled:
    dataset = source.dataset
    if spec.fields:
        raise InvalidInput(
            "A query asks for fields (rows), or for dimensions and measures (groups).",
            errors=[FieldError("#/fields", "cannot be combined with dimensions or measures")],
        )
    measures = {
        name: find_measure(dataset, name, f"#/measures/{index}")
        for index, name in enumerate(spec.measures)
    }
    keys = _with_currencies(dataset, spec)
    _refuse_repetition([*(key.name for key in keys), *spec.measures], "#/measures")
    grouped_by = [key.column for key in keys if key.grain is None]
    for index, name in enumerate(spec.measures):
        refuse_overlaps(dataset, name, grouped_by, spec.filters, f"#/measures/{index}")

    columns: list[OutputColumn] = []
    dimensions: dict[str, str] = {}
    for index, key in enumerate(keys):
        sql, type_ = _dimension(source, key, f"#/dimensions/{index}")
        dimensions[key.name] = sql
        columns.append(OutputColumn(key.name, type_))
    inner = [f'{sql} AS "{name}"' for name, sql in dimensions.items()]
    inner += _measured(source, spec, list(dimensions.values()))
    outer = [f'"{name}"' for name in dimensions]
    for name, measure in measures.items():
        result = expression(dataset, measure)
        outer.append(f'{result.sql} AS "{name}"')
        columns.append(OutputColumn(name, result.type, measure.unit))

    keys_sql = ", ".join(f'"{name}"' for name in dimensions)
    sql = f"SELECT {', '.join(outer)}\nFROM (\nSELECT {', '.join(inner)}\n{source.sql()}\n)"
    if dimensions:
        sql += f"\nGROUP BY {keys_sql}"
    return _finish(source, sql, _group_order(spec, columns, list(dimensions)), spec, columns)


def _with_currencies(dataset: Dataset, spec: QuerySpec) -> list[Dimension]:
    keys = list(spec.dimensions)
    for name in spec.measures:
        for column in currency_columns(dataset, dataset.measures[name]):
            if not any(key.column == column for key in keys):
                keys.append(Dimension(column=column))
    return keys


def _dimension(source: Source, key: Dimension, pointer: str) -> tuple[str, ColumnType]:
    reference = source.used(key.column, f"{pointer}/column")
    type_ = reference.column.type
    if key.grain is None:
        if type_.is_list:
            _refuse(f"{key.column!r} is a list: it cannot be grouped by.", f"{pointer}/column")
        return reference.sql, type_
    finest = source.dataset.meta.time_grain
    if type_.kind not in DATED or type_.is_list or reference.join is not None or finest is None:
        _refuse(f"{key.column!r} has no periods.", f"{pointer}/grain")
    if key.grain.is_finer_than(finest):
        _refuse(
            f"Dataset {source.dataset.id} is by {finest}: it cannot be asked by {key.grain}.",
            f"{pointer}/grain",
        )
    return f"CAST(date_trunc('{key.grain}', {reference.sql}) AS DATE)", column_types.DATE


def _measured(source: Source, spec: QuerySpec, dimensions: list[str]) -> list[str]:
    """What the aggregates read, each under its name with an underscore before it."""
    dataset = source.dataset
    read: dict[str, str] = {}
    for index, name in enumerate(spec.measures):
        measure = dataset.measures[name]
        for part in aggregates(dataset, measure):
            if part.column is not None:
                read[part.column] = source.used(part.column, f"#/measures/{index}").sql
    shown = [f'{sql} AS "_{name}"' for name, sql in read.items()]
    if any(takes_last(dataset, dataset.measures[name]) for name in spec.measures):
        shown.append(f"{_is_last(source, dimensions)} AS {LAST}")
    return shown or ['true AS "_row"']


def _is_last(source: Source, dimensions: list[str]) -> str:
    """Whether the row is its account's (or budget's) last of the period that its group is."""
    dataset = source.dataset
    date = source.used(dataset.filters.date_column or "", "#/measures").sql
    if date in dimensions:
        return "true"
    series = list(dimensions)
    if isinstance(dataset.access, AccountAccess | BudgetAccess):
        series.append(source.used(dataset.access.shared_column, "#/measures").sql)
    within = f"PARTITION BY {', '.join(series)}" if series else ""
    return f"{date} = max({date}) OVER ({within})"


def _group_order(spec: QuerySpec, columns: list[OutputColumn], dimensions: list[str]) -> list[str]:
    known = [column.name for column in columns]
    order = []
    for index, by in enumerate(spec.order):
        if by.field not in known:
            raise InvalidInput(
                f"The answer has no column {by.field[:100]!a} to sort by.",
                errors=[FieldError(f"#/order/{index}/field", did_you_mean(by.field, known))],
            )
        order.append(_sorted_by(f'"{by.field}"', by))
    return order + [f'"{name}" ASC NULLS LAST' for name in dimensions]


def _sorted_by(sql: str, by: Order) -> str:
    return f"{sql} {'DESC' if by.descending else 'ASC'} NULLS LAST"


def _finish(
    source: Source, sql: str, order: list[str], spec: QuerySpec, columns: list[OutputColumn]
) -> Compiled:
    if order:
        sql += f"\nORDER BY {', '.join(order)}"
    limit = source.parameters.bind_as("limit", spec.limit)
    offset = source.parameters.bind_as("offset", spec.offset)
    sql += f"\nLIMIT {limit} OFFSET {offset}"
    return Compiled(sql, source.parameters.values, tuple(columns))


def _refuse_repetition(names: Sequence[str], pointer: str) -> None:
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        _refuse(f"{min(repeated)!r} is asked for twice.", pointer)


def _refuse(detail: str, pointer: str) -> Never:
    raise InvalidInput(detail, errors=[FieldError(pointer, detail)])

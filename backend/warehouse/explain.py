"""What a query really does: its SQL, whose rows it reads and which days, without running it.

Nothing here holds a value of the scope, nor a figure of more than the scope may see.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from backend.periods import Period
from backend.scope import Scope
from backend.warehouse import column_types
from backend.warehouse.column_types import Kind
from backend.warehouse.compiled import Compiled, OutputColumn
from backend.warehouse.datasets import Dataset
from backend.warehouse.lineage import Lineage, together
from backend.warehouse.parameters import Parameters
from backend.warehouse.predicates import read_days
from backend.warehouse.resolve import ResolvedSpec
from backend.warehouse.source import Source
from backend.warehouse.spec import Condition, Filter, Operator, QuerySpec, placed
from backend.warehouse.visibility import branches, guarding_join, is_hidden, row_filter

ROW_GROUP = 122_880  # rows that DuckDB stores, and skips or reads, together

_PAGE = {"limit", "offset"}
_TYPES: tuple[tuple[type, Kind], ...] = (  # a boolean is an integer, an instant is a date
    (bool, Kind.BOOLEAN),
    (int, Kind.INTEGER),
    (float, Kind.NUMBER),
    (datetime, Kind.TIMESTAMP),
    (date, Kind.DATE),
    (UUID, Kind.UUID),
)


class Origin(StrEnum):
    SCOPE = "scope"  # who is asking, and what is shared with them
    QUERY = "query"
    PAGE = "page"


@dataclass(frozen=True, slots=True)
class Parameter:
    """``$name`` in the SQL; decimals travel as text."""

    name: str
    type: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class RowFilter:
    dataset: str
    rows: str


@dataclass(frozen=True, slots=True)
class EmptyColumn:
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class NamedDays:
    """What the name of a period at a JSON pointer became."""

    pointer: str
    name: str
    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Estimate:
    """The cost of a query, of rows that the caller may see alone.

    `rows_of_days` are those of the days that it asks for; it reads at least `row_groups` pieces of
    storage. `joined_rows` are by dimension.
    """

    visible_rows: int
    rows_of_days: int
    row_groups: int
    joined_rows: dict[str, int]
    answer_rows_at_most: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """`query` has its dates put in. `compared` days are read besides those of `period`."""

    query: QuerySpec
    columns: tuple[OutputColumn, ...]
    sql: str
    parameters: tuple[Parameter, ...]
    row_filters: tuple[RowFilter, ...]
    empty_columns: tuple[EmptyColumn, ...]
    named_days: tuple[NamedDays, ...]
    period: Period | None
    compared: Period | None
    lineage: Lineage


def explain(
    dataset: Dataset, asked: QuerySpec, resolved: ResolvedSpec, compiled: Compiled, scope: Scope
) -> Explanation:
    """`asked` is the query as it came, `compiled` what `resolved` became for this scope."""
    read = read_datasets(dataset, compiled)
    return Explanation(
        query=resolved.spec,
        columns=compiled.columns,
        sql=compiled.sql,
        parameters=tuple(_parameters(compiled, read, scope)),
        row_filters=tuple(RowFilter(each.id, row_filter(each, scope)) for each in read),
        empty_columns=tuple(_empty_columns(dataset, resolved.spec, scope)),
        named_days=tuple(_named_days(asked.filters, resolved.spec.filters)),
        period=resolved.period,
        compared=resolved.earlier.period if resolved.earlier else None,
        lineage=together(each.lineage for each in read),
    )


def read_datasets(dataset: Dataset, compiled: Compiled) -> list[Dataset]:
    """The dataset, and the dimensions that the query joins to it; each once."""
    every = [dataset, *(dataset.targets[name] for name in compiled.joined)]
    return list({each.id: each for each in every}.values())


def compile_estimate(dataset: Dataset, resolved: ResolvedSpec, scope: Scope) -> Compiled:
    """How many of the rows that the scope sees are of the days that the query asks for."""
    source = Source(dataset, scope, resolved.calendar)
    if resolved.period:
        source.within(resolved.period, resolved.earlier)
    for pointer, condition in resolved.conditions:
        if isinstance(condition, Filter) and condition.field == dataset.filters.date_column:
            source.where(condition, pointer)
    columns = (OutputColumn("rows", column_types.INTEGER),)
    return Compiled(f"SELECT count(*)\n{source.sql()}", source.parameters.values, columns)  # noqa: S608  # as every query


def estimate(
    dataset: Dataset, visible: Mapping[str, int], rows_of_days: int, limit: int
) -> Estimate:
    """`visible` are the rows that the scope sees of each of the datasets that are read."""
    return Estimate(
        visible_rows=visible[dataset.id],
        rows_of_days=rows_of_days,
        row_groups=-(-rows_of_days // ROW_GROUP),
        joined_rows={name: rows for name, rows in visible.items() if name != dataset.id},
        answer_rows_at_most=limit,
    )


def _parameters(
    compiled: Compiled, read: Sequence[Dataset], scope: Scope
) -> Iterator[Parameter]:
    of_scope = Parameters()
    for dataset in read:
        branches(dataset, scope, of_scope)
    for name, value in compiled.parameters.items():
        origin = Origin.QUERY
        if name in of_scope.values:
            origin = Origin.SCOPE
        elif name in _PAGE:
            origin = Origin.PAGE
        yield Parameter(name, _type(value), origin)


def _type(value: object) -> str:
    if isinstance(value, list):
        return f"list<{_type(value[0]) if value else Kind.TEXT}>"
    return next((kind for type_, kind in _TYPES if isinstance(value, type_)), Kind.TEXT)


def _empty_columns(dataset: Dataset, spec: QuerySpec, scope: Scope) -> Iterator[EmptyColumn]:
    names = [key.column for key in spec.dimensions]
    if not spec.is_grouped:
        names = [*(spec.fields or dataset.columns)]
    for name in names:
        join, _, joined_name = name.partition(".")
        target = dataset.targets[join] if joined_name else dataset
        if is_hidden(target, joined_name or name, scope):
            yield EmptyColumn(name, "It is for those who see the whole organization.")
        elif not joined_name and (guard := guarding_join(dataset, name, scope)):
            leads_to = dataset.targets[guard].friendly_name.lower()
            yield EmptyColumn(name, f"Only where it leads to {leads_to} that you may not see.")


def _named_days(asked: Sequence[Condition], resolved: Sequence[Condition]) -> Iterator[NamedDays]:
    """Putting dates in moves no filter."""
    pairs = zip(placed(asked, "#/filters"), placed(resolved, "#/filters"), strict=True)
    for (pointer, given), (_, with_days) in pairs:
        if given.op is Operator.DURING and isinstance(given.value, str):
            yield NamedDays(pointer, given.value, *read_days(with_days, pointer))

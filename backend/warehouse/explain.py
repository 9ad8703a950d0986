"""What a query really does: its SQL, whose rows it reads and which days, without running it.

Nothing here holds a value of the scope, nor a figure of more than the scope may see.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from backend.periods import Period
from backend.scope import Scope
from backend.warehouse.column_types import Kind
from backend.warehouse.compiled import Compiled, OutputColumn
from backend.warehouse.datasets import Dataset
from backend.warehouse.estimate import read_datasets
from backend.warehouse.lineage import Lineage, together
from backend.warehouse.parameters import Parameters
from backend.warehouse.resolve import NamedDays, ResolvedSpec
from backend.warehouse.spec import QuerySpec
from backend.warehouse.visibility import branches, guarding_join, is_hidden, row_filter

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
    dataset: Dataset, resolved: ResolvedSpec, compiled: Compiled, scope: Scope
) -> Explanation:
    """`compiled` is what `resolved` became for this scope."""
    read = read_datasets(dataset, compiled)
    return Explanation(
        query=resolved.spec,
        columns=compiled.columns,
        sql=compiled.sql,
        parameters=tuple(_parameters(compiled, read, scope)),
        row_filters=tuple(RowFilter(each.id, row_filter(each, scope)) for each in read),
        empty_columns=tuple(_empty_columns(dataset, resolved.spec, scope)),
        named_days=resolved.named_days,
        period=resolved.period,
        compared=resolved.earlier.period if resolved.earlier else None,
        lineage=together(each.lineage for each in read),
    )


def _parameters(compiled: Compiled, read: Sequence[Dataset], scope: Scope) -> Iterator[Parameter]:
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

"""The total order of an answer, and where its next page begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from backend.errors import FieldError, InvalidInput
from backend.warehouse.column_types import ColumnType
from backend.warehouse.compiled import OutputColumn, Paging
from backend.warehouse.parameters import Parameters
from backend.warehouse.predicates import bind_value


@dataclass(frozen=True, slots=True)
class SortKey:
    """`name` is its column in the answer, `sql` what it is there. Null comes last either way."""

    name: str
    sql: str
    type: ColumnType
    descending: bool = False
    nullable: bool = True


def without_repetition(keys: Sequence[SortKey]) -> list[SortKey]:
    """A column that rows are sorted by already cannot sort them any further."""
    first: dict[str, SortKey] = {}
    for key in keys:
        first.setdefault(key.sql, key)
    return list(first.values())


def selected_keys(
    keys: Sequence[SortKey], columns: Sequence[OutputColumn], paging: Paging
) -> tuple[list[str], tuple[OutputColumn, ...]]:
    """What to select besides `columns`, and all that a cursor is made of."""
    if not paging.keyed:
        return [], ()
    shown = {column.name for column in columns}
    hidden = [f'{key.sql} AS "{key.name}"' for key in keys if key.name not in shown]
    return hidden, tuple(OutputColumn(key.name, key.type) for key in keys)


def after(keys: Sequence[SortKey], paging: Paging, parameters: Parameters) -> list[str]:
    """The condition on rows that come after the last of the page before; none on the first."""
    if paging.after is None:
        return []
    if len(keys) != len(paging.after):
        raise InvalidInput(
            "The cursor is not of this query.",
            errors=[FieldError("#/cursor", "was made for another order")],
        )
    return [_beyond(list(zip(keys, paging.after, strict=True)), parameters)]


def tail(order: Sequence[SortKey], paging: Paging, parameters: Parameters) -> str:
    sql = ""
    if order:
        clauses = [
            key.sql + (f" {'DESC' if key.descending else 'ASC'} NULLS LAST" if key.nullable else "")
            for key in order
        ]
        sql += f"\nORDER BY {', '.join(clauses)}"
    if paging.limit is not None:
        sql += f"\nLIMIT {parameters.bind_as('limit', paging.limit)}"
    if paging.offset or (paging.limit is not None and paging.after is None):
        sql += f" OFFSET {parameters.bind_as('offset', paging.offset)}"
    return sql


def _beyond(place: list[tuple[SortKey, object]], parameters: Parameters) -> str:
    (key, value), *rest = place
    further = _beyond(rest, parameters) if rest else "false"
    if value is None:
        # Put this way since DuckDB 2.0.0 fails on a limit where rows are sorted by another column
        # and rowid alone is compared: it loses that column (its late_materialization).
        return f"({key.sql} IS NULL AND ({key.sql} IS NOT NULL OR {further}))"
    bound = _bind(value, key.type, parameters)
    later = f"{key.sql} {'<' if key.descending else '>'} {bound}"
    if key.nullable:
        later += f" OR {key.sql} IS NULL"
    if rest:
        later += f" OR ({key.sql} = {bound} AND {further})"
    return f"({later})"


def _bind(value: object, type_: ColumnType, parameters: Parameters) -> str:
    """Of the column's own type: DuckDB would compare a longer decimal as a double."""
    if isinstance(value, Decimal):
        return f"CAST({parameters.bind(format(value, 'f'))} AS DECIMAL(38,{type_.scale}))"
    return bind_value(value, parameters)

"""Values as JSON and CSV carry them, in DuckDB's SQL: no Python object is made of any value."""

from __future__ import annotations

from collections.abc import Sequence

from backend.warehouse.column_types import Kind
from backend.warehouse.compiled import OutputColumn

INSTANT = "%Y-%m-%dT%H:%M:%S.%fZ"


def json_row(columns: Sequence[OutputColumn]) -> str:
    """SQL of a row as a JSON object.

    Decimals become strings; instants are UTC; a float that JSON has no word for becomes null.
    """
    members = ", ".join(f"'{column.name}': {wire(column)}" for column in columns)
    return f"to_json({{{members}}})"


def wire(column: OutputColumn) -> str:
    """SQL of the column's values, with those that JSON has no exact word for as text."""
    sql = f'"{column.name}"'
    if not column.type.is_list:
        return _value(column.type.kind, sql)
    element = _value(column.type.kind, "element")
    return sql if element == "element" else f"list_transform({sql}, lambda element: {element})"


def _value(kind: Kind, sql: str) -> str:
    if kind is Kind.DECIMAL:
        return f"CAST({sql} AS VARCHAR)"
    if kind is Kind.TIMESTAMP:
        return f"strftime({sql}, '{INSTANT}')"
    if kind is Kind.NUMBER:
        return f"CASE WHEN isfinite({sql}) THEN {sql} END"
    return sql

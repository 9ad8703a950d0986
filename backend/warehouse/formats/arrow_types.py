"""Columns with the types of Arrow, and the SQL that makes DuckDB answer with exactly these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from backend.warehouse.column_types import ColumnType, Kind
from backend.warehouse.compiled import OutputColumn

# Whole numbers that 64 bits may not hold.
_WIDE = frozenset({"HUGEINT", "UHUGEINT", "UBIGINT"})
_TYPES = {
    Kind.UUID: ("VARCHAR", pa.string()),
    Kind.TEXT: ("VARCHAR", pa.string()),
    Kind.DATE: ("DATE", pa.date32()),
    Kind.TIMESTAMP: ("TIMESTAMP WITH TIME ZONE", pa.timestamp("us", tz="UTC")),
    Kind.INTEGER: ("BIGINT", pa.int64()),
    Kind.NUMBER: ("DOUBLE", pa.float64()),
    Kind.BOOLEAN: ("BOOLEAN", pa.bool_()),
}


def arrow_schema(columns: Sequence[OutputColumn], metadata: Mapping[str, str]) -> pa.Schema:
    """`metadata` becomes that of the schema; a column's unit that of its field."""
    fields = []
    for column in columns:
        _, value = _types(column.type)
        type_ = pa.list_(value) if column.type.is_list else value
        fields.append(pa.field(column.name, type_, metadata=_unit(column)))
    return pa.schema(fields, metadata=dict(metadata))


def typed_columns(columns: Sequence[OutputColumn]) -> str:
    """SQL of the columns, for a SELECT."""
    casts = []
    for column in columns:
        value, _ = _types(column.type)
        type_ = f"{value}[]" if column.type.is_list else value
        casts.append(f'CAST("{column.name}" AS {type_}) AS "{column.name}"')
    return ", ".join(casts)


def _unit(column: OutputColumn) -> dict[str, str] | None:
    return {"unit": column.unit} if column.unit else None


def _types(type_: ColumnType) -> tuple[str, pa.DataType]:
    """Of one value: what DuckDB calls it, and what Arrow does."""
    if type_.kind is Kind.DECIMAL or type_.sql.removesuffix("[]") in _WIDE:
        return f"DECIMAL(38,{type_.scale})", pa.decimal128(38, type_.scale)
    return _TYPES[type_.kind]

"""SQL that has a type, and the exact division of two of it."""

from __future__ import annotations

from dataclasses import dataclass

from backend.warehouse import column_types
from backend.warehouse.column_types import ColumnType, Kind

RATIO_DECIMALS = 6


def named(sql: str, name: str) -> str:
    """For a SELECT: the expression as the column `name`."""
    return sql if sql == f'"{name}"' else f'{sql} AS "{name}"'


@dataclass(frozen=True, slots=True)
class Expression:
    sql: str
    type: ColumnType


def quotient(above: Expression, below: Expression, scale: int | None = None) -> Expression:
    """Exact decimal division, rounded half away from zero; DuckDB's own gives a double.

    Both sides become whole numbers, and the quotient of these gets its decimals back. Null where
    `below` is zero.
    """
    if Kind.NUMBER in {above.type.kind, below.type.kind}:
        return Expression(f"{above.sql} / nullif({below.sql}, 0)", column_types.NUMBER)
    scale = RATIO_DECIMALS if scale is None else scale
    shift = below.type.scale - above.type.scale + scale
    a = _whole(above) + (f" * {10**shift}" if shift > 0 else "")
    b = _whole(below) + (f" * {10**-shift}" if shift < 0 else "")
    rounded = f"sign({a}) * sign({b}) * ((2 * abs({a}) + abs({b})) // nullif(2 * abs({b}), 0))"
    unit = f"CAST('{10**-scale:.{scale}f}' AS DECIMAL({scale + 1},{scale}))"
    return Expression(
        f"CAST(CAST({rounded} AS DECIMAL(38,0)) * {unit} AS DECIMAL(38,{scale}))",
        column_types.decimal(scale),
    )


def _whole(part: Expression) -> str:
    if part.type.kind is Kind.INTEGER:
        return f"CAST({part.sql} AS HUGEINT)"
    return f"CAST({part.sql} * {10**part.type.scale} AS HUGEINT)"

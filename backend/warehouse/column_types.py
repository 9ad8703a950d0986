"""What the type of a DuckDB column means to a caller."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    UUID = "uuid"
    TEXT = "text"
    DATE = "date"
    TIMESTAMP = "timestamp"
    INTEGER = "integer"
    DECIMAL = "decimal"
    NUMBER = "number"  # binary floating point, never money
    BOOLEAN = "boolean"


NUMERIC = frozenset({Kind.INTEGER, Kind.DECIMAL, Kind.NUMBER})
DATED = frozenset({Kind.DATE, Kind.TIMESTAMP})
ORDERED = NUMERIC | DATED

_DECIMAL = re.compile(r"DECIMAL\(\d+,(\d+)\)")
_KINDS = {
    "UUID": Kind.UUID,
    "VARCHAR": Kind.TEXT,
    "DATE": Kind.DATE,
    "TIMESTAMP": Kind.TIMESTAMP,
    "TIMESTAMP WITH TIME ZONE": Kind.TIMESTAMP,
    "TINYINT": Kind.INTEGER,
    "SMALLINT": Kind.INTEGER,
    "INTEGER": Kind.INTEGER,
    "BIGINT": Kind.INTEGER,
    "HUGEINT": Kind.INTEGER,
    "UTINYINT": Kind.INTEGER,
    "USMALLINT": Kind.INTEGER,
    "UINTEGER": Kind.INTEGER,
    "UBIGINT": Kind.INTEGER,
    "UHUGEINT": Kind.INTEGER,
    "FLOAT": Kind.NUMBER,
    "DOUBLE": Kind.NUMBER,
    "BOOLEAN": Kind.BOOLEAN,
}


@dataclass(frozen=True, slots=True)
class ColumnType:
    """`sql` is DuckDB's own name of the type; `scale` counts the decimals of a decimal."""

    sql: str
    kind: Kind
    scale: int = 0
    is_list: bool = False

    @property
    def name(self) -> str:
        """How answers name the type: ``uuid``, ``decimal``, ``list<text>``."""
        return f"list<{self.kind}>" if self.is_list else str(self.kind)


INTEGER = ColumnType("BIGINT", Kind.INTEGER)
DATE = ColumnType("DATE", Kind.DATE)
NUMBER = ColumnType("DOUBLE", Kind.NUMBER)


def decimal(scale: int) -> ColumnType:
    return ColumnType(f"DECIMAL(38,{scale})", Kind.DECIMAL, scale)


def parse(sql: str) -> ColumnType | None:
    """The type that DuckDB names `sql`; None when answers cannot carry such a value."""
    is_list = sql.endswith("[]")
    element = sql.removesuffix("[]")
    if match := _DECIMAL.fullmatch(element):
        return ColumnType(sql, Kind.DECIMAL, int(match[1]), is_list)
    kind = _KINDS.get(element)
    return None if kind is None else ColumnType(sql, kind, is_list=is_list)

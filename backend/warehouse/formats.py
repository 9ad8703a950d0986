"""Rows as bytes. DuckDB writes each row's JSON, so that no Python object is made of any value."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from backend.warehouse.column_types import Kind
from backend.warehouse.compiled import Compiled, OutputColumn

_INSTANT = "%Y-%m-%dT%H:%M:%S.%fZ"


@dataclass(frozen=True, slots=True)
class Page:
    """`rows` is a JSON array of objects; `next_cursor` is None on the last page."""

    columns: tuple[OutputColumn, ...]
    rows: bytes
    count: int
    next_cursor: str | None


def json_statement(compiled: Compiled) -> str:
    """The compiled query with each row as a JSON object, followed by the keys of a cursor if any.

    Decimals become strings; instants are UTC; a float that JSON has no word for becomes null.
    """
    members = ", ".join(f"'{column.name}': {_wire(column)}" for column in compiled.columns)
    keys = "".join(f', "{key.name}"' for key in compiled.keys)
    return f"SELECT to_json({{{members}}}){keys} FROM (\n{compiled.sql}\n)"  # noqa: S608  # allow-listed


def json_array(rows: list[tuple[Any, ...]]) -> bytes:
    """The answer of such a statement as a JSON array."""
    return f"[{','.join([row[0] for row in rows])}]".encode()


def _wire(column: OutputColumn) -> str:
    sql = f'"{column.name}"'
    if column.type.is_list:
        return f"CAST({sql} AS VARCHAR[])" if column.type.kind is Kind.DECIMAL else sql
    if column.type.kind is Kind.DECIMAL:
        return f"CAST({sql} AS VARCHAR)"
    if column.type.kind is Kind.TIMESTAMP:
        return f"strftime({sql}, '{_INSTANT}')"
    if column.type.kind is Kind.NUMBER:
        return f"CASE WHEN isfinite({sql}) THEN {sql} END"
    return sql


def json_answer(page: Page, *, generation: str, as_of: datetime) -> bytes:
    """A page with its envelope; the rows are not looked at again.

    Whether it is stale is not in it: that changes with time, and these bytes have an ETag.
    """
    columns = [
        {"name": column.name, "type": column.type.name, "unit": column.unit}
        for column in page.columns
    ]
    envelope = {
        "generation": generation,
        "as_of": as_of.strftime(_INSTANT),
        "next_cursor": page.next_cursor,
    }
    head, tail = json.dumps({"columns": columns})[:-1], json.dumps(envelope)[1:]
    return b"".join((head.encode(), b', "rows": ', page.rows, b", ", tail.encode()))

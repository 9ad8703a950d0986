"""Pages of JSON: the rows that DuckDB wrote, with their envelope."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from backend.warehouse.compiled import Compiled, OutputColumn
from backend.warehouse.formats.wire import INSTANT, json_row


@dataclass(frozen=True, slots=True)
class Page:
    """`rows` is a JSON array of objects; `next_cursor` is None on the last page."""

    columns: tuple[OutputColumn, ...]
    rows: bytes
    count: int
    next_cursor: str | None


def json_statement(compiled: Compiled) -> str:
    """The compiled query with each row as a JSON object, then the keys of a cursor if any."""
    keys = "".join(f', "{key.name}"' for key in compiled.keys)
    return f"SELECT {json_row(compiled.columns)}{keys} FROM (\n{compiled.sql}\n)"  # noqa: S608  # allow-listed


def json_array(rows: list[tuple[Any, ...]]) -> bytes:
    """The answer of such a statement as a JSON array."""
    return f"[{','.join([row[0] for row in rows])}]".encode()


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
        "as_of": as_of.strftime(INSTANT),
        "next_cursor": page.next_cursor,
    }
    head, tail = json.dumps({"columns": columns})[:-1], json.dumps(envelope)[1:]
    return b"".join((head.encode(), b', "rows": ', page.rows, b", ", tail.encode()))

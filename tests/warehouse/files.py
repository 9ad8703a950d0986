"""Files in every format: how they are made of a query without a server, and read back."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet as pq

from backend.warehouse.compiled import Compiled
from backend.warehouse.formats import Format, statement, writer
from backend.warehouse.record_batches import next_batch, open_reader

FILES = tuple(f for f in Format if f.is_stream)

Row = dict[str, Any]


def made(connection: duckdb.DuckDBPyConnection, query: Compiled, format_: Format) -> bytes:
    """As a job makes it: read, written and ended, batch by batch."""
    file = writer(format_, query.columns, {"generation": "g1"})
    pieces = [file.begin()]
    sql = statement(query, format_)
    with connection.cursor() as cursor, open_reader(cursor, sql, query.parameters) as reader:
        while (batch := next_batch(reader)) is not None:
            pieces.append(file.batch(batch))
    return b"".join([*pieces, file.end()])


def read(format_: Format, file: bytes) -> list[Row]:
    """Rows with the values that Python has for them; those of CSV are text."""
    return _READERS[format_](file)


def as_json(rows: list[Row]) -> list[Row]:
    """The rows as NDJSON has them."""
    return [{name: _as_json(value) for name, value in row.items()} for row in rows]


def as_text(rows: list[Row]) -> list[Row]:
    """Rows of NDJSON as CSV has them, if none of their texts is a formula."""
    return [{name: _as_text(value) for name, value in row.items()} for row in rows]


def read_csv(file: bytes) -> pa.Table:
    """Every cell as text, or null where there is nothing, not even quotes."""
    names = pa.csv.open_csv(io.BytesIO(file), parse_options=_LINES).schema.names
    return pa.csv.read_csv(
        io.BytesIO(file),
        parse_options=_LINES,
        convert_options=pa.csv.ConvertOptions(
            column_types={name: pa.string() for name in names},
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


_LINES = pa.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False)

_READERS: dict[Format, Callable[[bytes], list[Row]]] = {
    Format.NDJSON: lambda file: [json.loads(line) for line in file.splitlines()],
    Format.CSV: lambda file: read_csv(file).to_pylist(),
    Format.ARROW: lambda file: pa.ipc.open_stream(file).read_all().to_pylist(),
    Format.PARQUET: lambda file: pq.read_table(io.BytesIO(file)).to_pylist(),
}


def _as_json(value: Any) -> Any:
    match value:
        case list():
            return [_as_json(element) for element in value]
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        case date():
            return value.isoformat()
        case Decimal():
            return f"{value:f}"
    return value


def _as_text(value: Any) -> str | None:
    match value:
        case None | str():
            return value
        case list():
            return json.dumps(value, separators=(",", ":"))
        case bool():
            return str(value).lower()
    return str(value)

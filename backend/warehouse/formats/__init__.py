"""Answers as bytes: pages of JSON, and files of any length in several formats.

A file is `begin`, `batch` for every record batch of the `statement`, and `end` of a `writer`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, assert_never

import pyarrow as pa

from backend.warehouse.compiled import Compiled, OutputColumn
from backend.warehouse.formats.arrow_files import ArrowWriter, ParquetWriter
from backend.warehouse.formats.arrow_types import typed_columns
from backend.warehouse.formats.csv_lines import csv_header, csv_line
from backend.warehouse.formats.format import Format
from backend.warehouse.formats.json_page import Page, json_answer, json_array, json_statement
from backend.warehouse.formats.lines import LinesWriter
from backend.warehouse.formats.wire import json_row

__all__ = [
    "Format",
    "Page",
    "Writer",
    "json_answer",
    "json_array",
    "json_statement",
    "statement",
    "writer",
]


class Writer(Protocol):
    """The bytes of one file, in order; `batch` may answer with none, and takes a thread's time."""

    def begin(self) -> bytes: ...

    def batch(self, batch: pa.RecordBatch) -> bytes: ...

    def end(self) -> bytes: ...


def statement(compiled: Compiled, format_: Format) -> str:
    """The SQL whose record batches the format's writer takes; its parameters are `compiled`'s."""
    columns = compiled.columns
    match format_:
        case Format.JSON:
            return json_statement(compiled)
        case Format.NDJSON:
            selected = f"{json_row(columns)} || chr(10)"
        case Format.CSV:
            selected = csv_line(columns)
        case Format.ARROW | Format.PARQUET:
            selected = typed_columns(columns)
        case _:
            assert_never(format_)
    return f"SELECT {selected} FROM (\n{compiled.sql}\n)"  # noqa: S608  # allow-listed


def writer(format_: Format, columns: Sequence[OutputColumn], metadata: Mapping[str, str]) -> Writer:
    """`metadata` is kept by the formats that have a place for it: Arrow and Parquet."""
    match format_:
        case Format.NDJSON:
            return LinesWriter()
        case Format.CSV:
            return LinesWriter(csv_header(columns))
        case Format.ARROW:
            return ArrowWriter(columns, metadata)
        case Format.PARQUET:
            return ParquetWriter(columns, metadata)
        case Format.JSON:
            raise ValueError("JSON comes in pages; NDJSON is its stream.")
        case _:
            assert_never(format_)

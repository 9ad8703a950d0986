"""Writing one export's file: a blocking part, in a thread, and the watch over it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import BinaryIO

import duckdb
import pyarrow as pa

from backend.errors import InvalidInput, QueryTimeout
from backend.settings import Settings
from backend.warehouse.compiled import Compiled
from backend.warehouse.formats import Format, statement, writer
from backend.warehouse.record_batches import next_batch, open_reader

LOOK_EVERY_SECONDS = 1.0

_INTERRUPT_EVERY_SECONDS = 0.05


class Stopped(Exception):
    """The record was cancelled or deleted: there is nobody to write for."""


@dataclass(slots=True)
class Writing:
    """What has been written so far; the thread that writes changes it, others may read it."""

    cursor: duckdb.DuckDBPyConnection
    max_rows: int
    max_bytes: int
    rows: int = 0
    rows_total: int | None = None
    size: int = 0  # in bytes
    _stop: threading.Event = field(default_factory=threading.Event)

    def stop(self) -> None:
        self._stop.set()
        self.cursor.interrupt()

    def write(
        self, compiled: Compiled, format_: Format, metadata: Mapping[str, str], file: BinaryIO
    ) -> None:
        """Blocks. InvalidInput for too many rows or bytes, Stopped or duckdb.Error if stopped."""
        self.rows_total = self._count(compiled)
        if self.rows_total > self.max_rows:
            raise InvalidInput(
                f"The export has {self.rows_total:,} rows, and at most {self.max_rows:,} are "
                "allowed. Ask for a shorter period, or for groups instead of rows."
            )
        to_bytes = writer(format_, compiled.columns, metadata)
        self._append(file, to_bytes.begin())
        sql = statement(compiled, format_)
        with closing(open_reader(self.cursor, sql, compiled.parameters)) as reader:
            while (batch := _next(reader)) is not None:
                self._append(file, to_bytes.batch(batch))
                self.rows += batch.num_rows
        self._append(file, to_bytes.end())

    def _count(self, compiled: Compiled) -> int:
        sql = f"SELECT count(*) FROM (\n{compiled.sql}\n)"  # noqa: S608  # of the compiler's making
        [[count]] = self.cursor.execute(sql, dict(compiled.parameters)).fetchall()
        return int(count)

    def _append(self, file: BinaryIO, content: bytes) -> None:
        if self._stop.is_set():
            raise Stopped
        self.size += len(content)
        if self.size > self.max_bytes:
            raise InvalidInput(
                f"The export is larger than the {self.max_bytes:,} bytes that are allowed. Ask for "
                "a shorter period or fewer columns, or for the format parquet, which is smaller."
            )
        file.write(content)


def _next(reader: pa.RecordBatchReader) -> pa.RecordBatch | None:
    """An OSError is from here on one of the file that is written."""
    try:
        return next_batch(reader)
    except OSError as error:
        raise duckdb.Error(str(error)) from None


async def watched(
    writing: Writing,
    write: Callable[[], None],
    report: Callable[[], Awaitable[bool]],
    settings: Settings,
) -> None:
    """Run `write` in a thread; every second `report` tells whether to go on.

    Returns or raises only when the thread has ended. Stopped when it was told to,
    QueryTimeout when the time is up, else whatever `write` raises.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + settings.export_timeout_seconds
    work = loop.run_in_executor(None, write)  # no task: nobody can cancel but the words below
    try:
        is_done = False
        while not is_done:
            is_done = bool((await asyncio.wait({work}, timeout=LOOK_EVERY_SECONDS))[0])
            if not await report():
                raise Stopped
            if not is_done and loop.time() > deadline:
                raise QueryTimeout(
                    f"It took longer than {settings.export_timeout_seconds:,} seconds and was "
                    "stopped. Ask for a shorter period or fewer columns."
                )
    finally:
        while not work.done():  # an interrupt between two statements is forgotten
            writing.stop()
            await asyncio.wait({work}, timeout=_INTERRUPT_EVERY_SECONDS)
        work.exception()  # seen, also when nobody asks for it below
    work.result()

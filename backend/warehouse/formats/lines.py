"""Files of text whose lines are made by DuckDB: NDJSON, and CSV with its header."""

from __future__ import annotations

import pyarrow as pa


class LinesWriter:
    """For batches of one text column, each value a line with its end."""

    def __init__(self, header: str = "") -> None:
        self._header = header

    def begin(self) -> bytes:
        return self._header.encode()

    def batch(self, batch: pa.RecordBatch) -> bytes:
        """Arrow keeps the texts of a column one behind the other: the lines are one piece."""
        lines = batch.column(0)
        if not len(lines):
            return b""
        _, offsets, data = lines.buffers()
        ends = memoryview(offsets).cast("i")
        return bytes(memoryview(data)[ends[lines.offset] : ends[lines.offset + len(lines)]])

    def end(self) -> bytes:
        return b""

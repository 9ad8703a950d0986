"""Arrow IPC streams and Parquet files, written piece by piece."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Final

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from backend.warehouse.compiled import OutputColumn
from backend.warehouse.formats.arrow_types import arrow_schema

# A row group of Parquet ends with whichever comes first.
_GROUP_ROWS: Final = 128 * 1024
_GROUP_BYTES: Final = 32 * 2**20


class _Pieces(io.RawIOBase):
    """A file that is taken away as it is written."""

    def __init__(self) -> None:
        self._written: list[bytes] = []
        self._position = 0

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        piece = bytes(memoryview(data))  # type: ignore[arg-type]  # anything with a buffer
        self._written.append(piece)
        self._position += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self._position

    def take(self) -> bytes:
        pieces, self._written = self._written, []
        return b"".join(pieces)


class ArrowWriter:
    def __init__(self, columns: Sequence[OutputColumn], metadata: Mapping[str, str]) -> None:
        self._schema = arrow_schema(columns, metadata)
        self._pieces = _Pieces()
        self._stream = pa.ipc.new_stream(self._pieces, self._schema)

    def begin(self) -> bytes:
        return self._pieces.take()

    def batch(self, batch: pa.RecordBatch) -> bytes:
        self._stream.write_batch(batch.cast(self._schema))
        return self._pieces.take()

    def end(self) -> bytes:
        self._stream.close()
        return self._pieces.take()


class ParquetWriter:
    """Holds the rows of one row group, and nothing that has been taken."""

    def __init__(self, columns: Sequence[OutputColumn], metadata: Mapping[str, str]) -> None:
        self._schema = arrow_schema(columns, metadata)
        self._pieces = _Pieces()
        self._file = pq.ParquetWriter(self._pieces, self._schema, compression="zstd")
        self._group: list[pa.RecordBatch] = []

    def begin(self) -> bytes:
        return self._pieces.take()

    def batch(self, batch: pa.RecordBatch) -> bytes:
        self._group.append(batch.cast(self._schema))
        rows = sum(len(part) for part in self._group)
        if rows >= _GROUP_ROWS or sum(part.nbytes for part in self._group) >= _GROUP_BYTES:
            self._end_group()
        return self._pieces.take()

    def end(self) -> bytes:
        if self._group:
            self._end_group()
        self._file.close()
        return self._pieces.take()

    def _end_group(self) -> None:
        group = pa.Table.from_batches(self._group, self._schema)
        self._file.write_table(group, row_group_size=len(group))
        self._group = []

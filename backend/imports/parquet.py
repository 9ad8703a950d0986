"""A Parquet file as rows of text, within limits: few bytes of it can stand for very many.

DuckDB reads it in a database of its own that may open this one file, use so much memory, and spill
nothing. How many cells there are, and how much text they hold, is asked before any is fetched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from backend.imports.contents import MAX_ROWS, unreadable
from backend.imports.tables import MAX_CELLS, MAX_COLUMNS, refuse_long_names

TOO_MUCH = "It holds more than can be imported: split the file."
_MEMORY_LIMIT = "512MB"
_MAX_TEXT_BYTES = 2**28
_BATCH_ROWS = 2000
_NESTED = ("STRUCT", "MAP", "UNION")

Cells = Sequence[str | None]


@dataclass(frozen=True, slots=True)
class Opened:
    """`rows` are fetched as they are asked for, while the file is open."""

    header: Sequence[str]
    count: int
    rows: Iterator[Cells]


@contextmanager
def open_parquet(content: bytes) -> Iterator[Opened]:
    """Raises InvalidInput, also for damage that shows when a row is fetched."""
    if not content.endswith(b"PAR1"):
        raise unreadable("It is cut off: a Parquet file ends with PAR1.")
    with TemporaryDirectory(prefix="outlay-import-") as folder:
        path = Path(folder) / "upload.parquet"
        path.write_bytes(content)
        with duckdb.connect(config={"memory_limit": _MEMORY_LIMIT, "threads": 1}) as connection:
            _lock(connection, path)
            try:
                yield _read(connection, str(path))
            except duckdb.OutOfMemoryException:
                raise unreadable(TOO_MUCH) from None
            except duckdb.Error:
                raise unreadable("This Parquet file is damaged.") from None


def _lock(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    quoted = str(path).replace("'", "''")
    for setting in (
        "TimeZone = 'UTC'",
        "max_temp_directory_size = '0B'",
        f"allowed_paths = ['{quoted}']",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        connection.execute(f"SET {setting}")


def _read(connection: duckdb.DuckDBPyConnection, path: str) -> Opened:
    described = connection.execute("DESCRIBE FROM read_parquet($1)", [path]).fetchall()
    header = [str(name) for name, *_ in described]
    if len(header) > MAX_COLUMNS:
        raise unreadable(f"The header has {len(header):,} columns; {MAX_COLUMNS} at most are read.")
    refuse_long_names(header)
    columns = [_as_text(name, kind) for name, kind, *_ in described]
    sizes = " + ".join(f"coalesce(strlen({column}), 0)" for column in columns)
    counted = connection.execute("SELECT count(*) FROM read_parquet($1)", [path]).fetchone()
    count = counted[0] if counted is not None else 0
    if count > MAX_ROWS:
        raise unreadable(f"More than {MAX_ROWS:,} rows: split the file.")
    if count * len(header) > MAX_CELLS:
        raise unreadable(f"More than {MAX_CELLS:,} cells: split the file.")
    measured = connection.execute(
        f"SELECT sum({sizes}) FROM read_parquet($1)",  # noqa: S608  # quoted names
        [path],
    ).fetchone()
    if measured is None or (measured[0] or 0) > _MAX_TEXT_BYTES:
        raise unreadable(TOO_MUCH)
    connection.execute(f"SELECT {', '.join(columns)} FROM read_parquet($1)", [path])  # noqa: S608  # quoted names
    return Opened(header, count, _fetched(connection))


def _fetched(connection: duckdb.DuckDBPyConnection) -> Iterator[Cells]:
    while rows := connection.fetchmany(_BATCH_ROWS):
        yield from rows


def _as_text(name: str, kind: str) -> str:
    quoted = '"' + name.replace('"', '""') + '"'
    if kind.startswith(_NESTED) or kind.endswith("]"):
        return f"CAST(to_json({quoted}) AS VARCHAR)"
    return f"CAST({quoted} AS VARCHAR)"

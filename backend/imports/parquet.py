"""A Parquet file as rows of text, within limits: few bytes of it can stand for very many.

DuckDB reads it in a database of its own that may open this one file, use so much memory, and spill
nothing. How much text the rows hold is asked before any of it is fetched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from backend.imports.contents import MAX_ROWS, unreadable
from backend.imports.tables import MAX_COLUMNS

_MEMORY_LIMIT = "512MB"
_MAX_TEXT_BYTES = 2**28
_BATCH_ROWS = 2000
_NESTED = ("STRUCT", "MAP", "UNION")

Cells = Sequence[str | None]


def read_parquet(content: bytes) -> tuple[list[str], list[Cells]]:
    """The names of the columns, and the rows; raises InvalidInput."""
    if not content.endswith(b"PAR1"):
        raise unreadable("It is cut off: a Parquet file ends with PAR1.")
    with TemporaryDirectory(prefix="outlay-import-") as folder:
        path = Path(folder) / "upload.parquet"
        path.write_bytes(content)
        with duckdb.connect(config={"memory_limit": _MEMORY_LIMIT, "threads": 1}) as connection:
            _lock(connection, path)
            try:
                return _read(connection, str(path))
            except duckdb.OutOfMemoryException:
                raise unreadable("It holds more than can be imported: split the file.") from None
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


def _read(connection: duckdb.DuckDBPyConnection, path: str) -> tuple[list[str], list[Cells]]:
    described = connection.execute("DESCRIBE FROM read_parquet($1)", [path]).fetchall()
    header = [str(name) for name, *_ in described]
    if len(header) > MAX_COLUMNS:
        raise unreadable(f"The header has {len(header):,} columns; {MAX_COLUMNS} at most are read.")
    columns = [_as_text(name, kind) for name, kind, *_ in described]
    sizes = " + ".join(f"coalesce(strlen({column}), 0)" for column in columns)
    counted = connection.execute("SELECT count(*) FROM read_parquet($1)", [path]).fetchone()
    if counted is None or counted[0] > MAX_ROWS:
        raise unreadable(f"More than {MAX_ROWS:,} rows: split the file.")
    measured = connection.execute(
        f"SELECT sum({sizes}) FROM read_parquet($1)",  # noqa: S608  # quoted names
        [path],
    ).fetchone()
    if measured is None or (measured[0] or 0) > _MAX_TEXT_BYTES:
        raise unreadable("It holds more than can be imported: split the file.")
    connection.execute(f"SELECT {', '.join(columns)} FROM read_parquet($1)", [path])  # noqa: S608  # quoted names
    return header, list(_fetched(connection))


def _fetched(connection: duckdb.DuckDBPyConnection) -> Iterator[Cells]:
    while rows := connection.fetchmany(_BATCH_ROWS):
        yield from rows


def _as_text(name: str, kind: str) -> str:
    quoted = '"' + name.replace('"', '""') + '"'
    if kind.startswith(_NESTED) or kind.endswith("]"):
        return f"CAST(to_json({quoted}) AS VARCHAR)"
    return f"CAST({quoted} AS VARCHAR)"

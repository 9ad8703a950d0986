"""What the tables of a DuckDB file are: their columns and how many rows they hold."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import duckdb


@dataclass(frozen=True, slots=True)
class Table:
    """`rows` is None for a view: counting it would run it."""

    columns: dict[str, str]
    rows: int | None


def describe(database: Path) -> dict[tuple[str, str], Table]:
    """Tables and views by (schema, name); nothing when there is no such file."""
    if not database.exists():
        return {}
    with duckdb.connect(database, read_only=True) as connection:
        columns: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
        for schema, table, column, kind in connection.execute(
            "SELECT schema_name, table_name, column_name, data_type FROM duckdb_columns() "
            "WHERE database_name = current_database() AND NOT internal ORDER BY column_index"
        ).fetchall():
            columns[schema, table][column] = kind
        tables = connection.execute(
            "SELECT schema_name, table_name FROM duckdb_tables() "
            "WHERE database_name = current_database() AND NOT internal"
        ).fetchall()
        rows = {key: _count(connection, *key) for key in tables}
    return {key: Table(kinds, rows.get(key)) for key, kinds in columns.items()}


def _count(connection: duckdb.DuckDBPyConnection, schema: str, table: str) -> int:
    # Names that DuckDB's own catalogue gave; none of them comes from a caller.
    counted = connection.execute(f'SELECT count(*) FROM "{schema}"."{table}"').fetchone()  # noqa: S608
    return int(counted[0]) if counted else 0

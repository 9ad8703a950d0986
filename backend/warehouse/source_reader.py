"""Reading from PostgreSQL through ADBC, as Arrow batches, into DuckDB."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
from adbc_driver_manager import Error as DriverError
from adbc_driver_manager.dbapi import Cursor

from backend.warehouse.source_queries import TABLES, SourceTable

Parameters = Sequence[str]  # of a query at PostgreSQL, in their order

# What a restore, a TRUNCATE or another database gives other numbers than before.
_STORAGE = f"""
SELECT md5(string_agg(
    concat_ws(':', d.oid, c.oid, pg_relation_filenode(c.oid)), ',' ORDER BY c.relname))
FROM pg_class c, pg_database d
WHERE d.datname = current_database() AND c.relnamespace = 'public'::regnamespace
  AND c.relname IN ('fx_rates', 'tombstones', {", ".join(f"'{t.name}'" for t in TABLES)})
"""  # noqa: S608  # constants


def insert(
    cursor: Cursor,
    target: duckdb.DuckDBPyConnection,
    query: str,
    statement: str,
    *,
    parameters: Parameters = (),
    values: Mapping[str, str] | None = None,
) -> int:
    """Run `statement` over the rows of `query`, which it knows as `batches`; answers their number.

    `parameters` are those of the query, `values` those of the statement.
    """
    cursor.execute(query, tuple(parameters) or None)
    with cursor.fetch_record_batch() as batches:
        target.register("batches", batches)
        (inserted,) = target.execute(statement, dict(values or {})).fetchone() or (0,)
        target.unregister("batches")
    return int(inserted)


def copy_table(
    cursor: Cursor,
    target: duckdb.DuckDBPyConnection,
    table: SourceTable,
    *,
    query: str | None = None,
    parameters: Parameters = (),
) -> int:
    """Make `raw.<table>` of what `query`, or else the table's own, answers."""
    columns = ", ".join(f"{name} {kind}" for name, kind in table.columns.items())
    target.execute(f"CREATE TABLE raw.{table.name} ({columns})")
    statement = f"INSERT INTO raw.{table.name} BY NAME FROM batches"
    return insert(cursor, target, query or table.query, statement, parameters=parameters)


def identity(cursor: Cursor) -> tuple[str | None, int | None]:
    """Which server this is and which of its histories, as far as the role may know.

    A restore changes one or the other. Asked before a transaction: a refusal would end it.
    """
    try:
        system_identifier, timeline = one(
            cursor,
            "SELECT s.system_identifier::text, c.timeline_id "
            "FROM pg_control_system() s, pg_control_checkpoint() c",
        )
    except DriverError:
        return None, None
    return system_identifier, timeline


def storage(cursor: Cursor) -> str:
    """Differs after a restore into the same server, and after a TRUNCATE, which no row tells of."""
    (digest,) = one(cursor, _STORAGE)
    return str(digest)


def one(cursor: Cursor, query: str, parameters: Parameters = ()) -> tuple[Any, ...]:
    cursor.execute(query, tuple(parameters) or None)
    row: tuple[Any, ...] | None = cursor.fetchone()
    if row is None:
        raise LookupError(f"No row came from: {query}")
    return row

"""Reading from PostgreSQL through ADBC, as Arrow batches, into DuckDB."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
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


@dataclass(frozen=True, slots=True)
class Moment:
    """A snapshot: what it sees (`pg_current_snapshot()`), when, and its name for others to join."""

    snapshot: str
    taken_at: datetime
    exported: str


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


def take_snapshot(cursor: Cursor) -> Moment:
    """Begin a transaction that sees one moment of all tables, and lends it to others."""
    _begin(cursor)
    snapshot, taken_at, exported = one(
        cursor,
        "SELECT pg_current_snapshot()::text, transaction_timestamp(), pg_export_snapshot()",
    )
    moment = Moment(snapshot, taken_at, exported)
    _tell_when(cursor, moment)
    return moment


def join_snapshot(cursor: Cursor, moment: Moment) -> None:
    """Begin a transaction that sees the same, as long as the one that took it lasts."""
    _begin(cursor, f"SET TRANSACTION SNAPSHOT '{moment.exported}'")  # PostgreSQL's own word
    _tell_when(cursor, moment)


def _begin(cursor: Cursor, *first: str) -> None:
    # Autocommit leaves the transaction to us: the driver's own has another isolation level.
    for statement in ("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", *first):
        cursor.execute(statement)
    # Whole tables are joined and summed. The planner takes joins by (organization, id) for far
    # smaller than they are, and of its plans only nested loops turn seconds into hours then.
    cursor.execute("SET LOCAL work_mem = '64MB'")
    cursor.execute("SET LOCAL enable_nestloop = off")


def _tell_when(cursor: Cursor, moment: Moment) -> None:
    """Of one snapshot there is one "today", however late another transaction joins it."""
    one(cursor, "SELECT set_config('outlay.taken_at', $1, true)", [moment.taken_at.isoformat()])


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

"""PostgreSQL to DuckDB: every table that the marts need, as one snapshot saw it.

The rows stream as Arrow batches, so memory does not grow with the tables.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import duckdb
from adbc_driver_manager import Error as DriverError
from adbc_driver_manager.dbapi import Cursor
from adbc_driver_postgresql import dbapi

from backend.warehouse.source_queries import TABLES, SourceTable
from backend.warehouse.source_totals import SOURCE_TOTALS

SOURCE_FILE = "source.duckdb"
TARGET_FILE = "outlay.duckdb"
TOTALS_TABLE = "source_totals"

_MEMORY_LIMIT = "1GB"  # batches pass through; more would only cache what is already on disk


class NoOrganizations(Exception):
    """The source has no organization: more likely a wrong database than an empty Outlay."""


@dataclass(frozen=True, slots=True)
class TableRead:
    name: str
    rows: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Extraction:
    """`tables` maps each raw table to its rows. `snapshot` is `pg_current_snapshot()` as text;
    the system identifier and timeline are None where the role may not read them.
    """

    snapshot: str
    taken_at: datetime
    system_identifier: str | None
    timeline: int | None
    tables: dict[str, int]
    organizations: int


def extract(
    url: str, build_dir: Path, *, progress: Callable[[TableRead], None] | None = None
) -> Extraction:
    """Read everything at `url` (libpq, role outlay_extract) into a new `build_dir/source.duckdb`.

    `progress` is called after each table. Raises NoOrganizations; the last build is gone by then.
    """
    build_dir.mkdir(parents=True, exist_ok=True)
    _clear(build_dir)
    with (
        closing(dbapi.connect(url, autocommit=True)) as source,
        source.cursor() as cursor,
        duckdb.connect(build_dir / SOURCE_FILE, config={"memory_limit": _MEMORY_LIMIT}) as target,
    ):
        system_identifier, timeline = _identity(cursor)
        # Autocommit leaves the transaction to us: the driver's own has another isolation level.
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        # Whole tables are joined and summed. The planner takes joins by (organization, id) for far
        # smaller than they are, and of its plans only nested loops turn seconds into hours then.
        cursor.execute("SET LOCAL work_mem = '64MB'")
        cursor.execute("SET LOCAL enable_nestloop = off")
        snapshot, taken_at = _one(
            cursor, "SELECT pg_current_snapshot()::text, transaction_timestamp()"
        )
        target.execute("CREATE SCHEMA raw")
        tables = {}
        for table in TABLES:
            started = perf_counter()
            tables[table.name] = _copy_table(cursor, target, table)
            if table.name == "organizations" and not tables[table.name]:
                raise NoOrganizations("There is nothing to build: no organization exists.")
            if progress:
                progress(TableRead(table.name, tables[table.name], perf_counter() - started))
        started = perf_counter()
        tables[TOTALS_TABLE] = _copy_totals(cursor, target)
        if progress:
            progress(TableRead(TOTALS_TABLE, tables[TOTALS_TABLE], perf_counter() - started))
        cursor.execute("COMMIT")
        target.execute(
            "CREATE TABLE raw.snapshot AS SELECT $1 AS snapshot, $2::TIMESTAMPTZ AS taken_at, "
            "$3::VARCHAR AS system_identifier, $4::INTEGER AS timeline",
            [snapshot, taken_at, system_identifier, timeline],
        )
    return Extraction(
        snapshot, taken_at, system_identifier, timeline, tables, tables["organizations"]
    )


def _clear(build_dir: Path) -> None:
    """Remove both databases with their logs and spill folders, which a killed build leaves."""
    for stale in (*build_dir.glob(f"{SOURCE_FILE}*"), *build_dir.glob(f"{TARGET_FILE}*")):
        if stale.is_dir():
            shutil.rmtree(stale)
        else:
            stale.unlink()


def _copy_table(cursor: Cursor, target: duckdb.DuckDBPyConnection, table: SourceTable) -> int:
    columns = ", ".join(f"{name} {kind}" for name, kind in table.columns.items())
    target.execute(f"CREATE TABLE raw.{table.name} ({columns})")
    cursor.execute(table.query)
    return _insert(cursor, target, f"INSERT INTO raw.{table.name} BY NAME FROM batches")


def _copy_totals(cursor: Cursor, target: duckdb.DuckDBPyConnection) -> int:
    target.execute(
        f"CREATE TABLE raw.{TOTALS_TABLE} (fact VARCHAR, organization_id UUID, currency VARCHAR, "
        "rows BIGINT, amount DECIMAL(38, 12))"
    )
    inserted = 0
    for mart, query in SOURCE_TOTALS.items():
        cursor.execute(query)
        inserted += _insert(
            cursor,
            target,
            f"INSERT INTO raw.{TOTALS_TABLE} BY NAME "  # noqa: S608  # a constant
            "SELECT concat_ws('.', $mart, measure) AS fact, * EXCLUDE (measure) FROM batches",
            {"mart": mart},
        )
    return inserted


def _insert(
    cursor: Cursor,
    target: duckdb.DuckDBPyConnection,
    statement: str,
    values: dict[str, str] | None = None,
) -> int:
    """Run `statement` over the cursor's result, which it knows as `batches`; answers the rows."""
    with cursor.fetch_record_batch() as batches:
        target.register("batches", batches)
        (inserted,) = target.execute(statement, values or {}).fetchone() or (0,)
        target.unregister("batches")
    return int(inserted)


def _identity(cursor: Cursor) -> tuple[str | None, int | None]:
    """Which server this is and which of its histories, as far as the role may know.

    A restore changes one or the other. Asked first, since a refusal would end the transaction.
    """
    try:
        system_identifier, timeline = _one(
            cursor,
            "SELECT s.system_identifier::text, c.timeline_id "
            "FROM pg_control_system() s, pg_control_checkpoint() c",
        )
    except DriverError:
        return None, None
    return system_identifier, timeline


def _one(cursor: Cursor, query: str) -> tuple[Any, ...]:
    cursor.execute(query)
    row: tuple[Any, ...] | None = cursor.fetchone()
    if row is None:
        raise LookupError(f"No row came from: {query}")
    return row

"""PostgreSQL to DuckDB: what the marts need, as one snapshot saw it.

A full refresh reads every table whole; an incremental one reads, of the large ones, what changed
since its base. The rows stream as Arrow batches, so memory does not grow with the tables.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from time import perf_counter

import duckdb
from adbc_driver_manager.dbapi import Cursor
from adbc_driver_postgresql import dbapi

from backend.warehouse.contents import Kind
from backend.warehouse.incremental.base import Base, Origin, why_not_since
from backend.warehouse.incremental.changed_part import ChangedPart, find_changed_part
from backend.warehouse.incremental.changed_world import PARTIAL
from backend.warehouse.source_queries import TABLES, SourceTable
from backend.warehouse.source_reader import Moment, copy_table, identity, storage, take_snapshot
from backend.warehouse.totals import TOTALS_TABLE, read_totals, store_totals

SOURCE_FILE = "source.duckdb"
TARGET_FILE = "outlay.duckdb"
ASKED_FOR = "It was asked for."

_MEMORY_LIMIT = "1GB"  # batches pass through; more would only cache what is already on disk


class NoOrganizations(Exception):
    """The source has no organization: more likely a wrong database than an empty Outlay."""


@dataclass(frozen=True, slots=True)
class TableRead:
    name: str
    rows: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Changed:
    """What an incremental refresh makes anew: days of accounts with their lines, and accounts."""

    days: int
    accounts: int
    lines: int


@dataclass(frozen=True, slots=True)
class Extraction:
    """`tables` maps each raw table to its rows. `snapshot` is `pg_current_snapshot()` as text.

    `reason` says why it is a full one, or which generation it goes on from; `changed` is None then.
    """

    snapshot: str
    taken_at: datetime
    origin: Origin
    tables: dict[str, int]
    kind: Kind
    reason: str
    changed: Changed | None

    @property
    def organizations(self) -> int:
        return self.tables["organizations"]


@dataclass(frozen=True, slots=True)
class _Reading:
    """One snapshot of PostgreSQL on its way into `target`."""

    cursor: Cursor
    target: duckdb.DuckDBPyConnection
    progress: Callable[[TableRead], None]
    tables: dict[str, int]

    def read(self, name: str, copy: Callable[[], int]) -> None:
        started = perf_counter()
        self.tables[name] = copy()
        self.progress(TableRead(name, self.tables[name], perf_counter() - started))


def extract(
    url: str,
    build_dir: Path,
    *,
    base: Base | str = ASKED_FOR,
    progress: Callable[[TableRead], None] = lambda _: None,
) -> Extraction:
    """Read from `url` (libpq, role outlay_extract) into a new `build_dir/source.duckdb`.

    `base` is what an incremental refresh starts from; its marts are copied to `outlay.duckdb` then.
    Where it is a reason instead, or the source tells one, everything is read. `progress` is called
    after each table. Raises NoOrganizations; the last build is gone by then.
    """
    build_dir.mkdir(parents=True, exist_ok=True)
    _clear(build_dir)
    with (
        closing(dbapi.connect(url, autocommit=True)) as source,
        source.cursor() as cursor,
        duckdb.connect(build_dir / SOURCE_FILE, config={"memory_limit": _MEMORY_LIMIT}) as target,
    ):
        system_identifier, timeline = identity(cursor)
        moment = take_snapshot(cursor)
        origin = Origin(system_identifier, timeline, storage(cursor))
        target.execute("CREATE SCHEMA raw")
        reading = _Reading(cursor, target, progress, {})
        _read_small(reading)
        part = _part(reading, base, origin)
        _read_large(reading, url, moment, part)
        cursor.execute("COMMIT")
        target.execute(
            "CREATE TABLE raw.snapshot AS SELECT $1 AS snapshot, $2::TIMESTAMPTZ AS taken_at, "
            "$3::VARCHAR AS system_identifier, $4::INTEGER AS timeline",
            [moment.snapshot, moment.taken_at, system_identifier, timeline],
        )
    tables = reading.tables
    read = partial(Extraction, moment.snapshot, moment.taken_at, origin, tables)
    if isinstance(part, str) or isinstance(base, str):
        return read("full", str(part), None)
    shutil.copyfile(base.database, build_dir / TARGET_FILE)
    lines = tables["transactions"] + tables["cloud_costs"]
    changed = Changed(part.days, part.accounts, lines)
    reason = f"It goes on from {base.generation.id}."
    return read("incremental", reason, changed)


def _clear(build_dir: Path) -> None:
    """Remove both databases with their logs and spill folders, which a killed build leaves."""
    for stale in (*build_dir.glob(f"{SOURCE_FILE}*"), *build_dir.glob(f"{TARGET_FILE}*")):
        if stale.is_dir():
            shutil.rmtree(stale)
        else:
            stale.unlink()


def _read_small(reading: _Reading) -> None:
    for table in TABLES:
        if table.name not in PARTIAL:
            reading.read(table.name, partial(copy_table, reading.cursor, reading.target, table))
        if table.name == "organizations" and not reading.tables[table.name]:
            raise NoOrganizations("There is nothing to build: no organization exists.")


def _part(reading: _Reading, base: Base | str, origin: Origin) -> ChangedPart | str:
    if isinstance(base, str):
        return base
    why_not = why_not_since(base, origin, reading.cursor)
    return why_not or find_changed_part(reading.cursor, reading.target, base)


def _read_large(reading: _Reading, url: str, moment: Moment, part: ChangedPart | str) -> None:
    def copy(table: SourceTable) -> int:
        if isinstance(part, str):
            return copy_table(reading.cursor, reading.target, table)
        return part.copy(reading.cursor, reading.target, table)

    with ThreadPoolExecutor(1) as beside:
        totals = beside.submit(read_totals, url, moment, part)
        for table in TABLES:
            if table.name in PARTIAL:
                reading.read(table.name, partial(copy, table))
        reading.read(TOTALS_TABLE, lambda: store_totals(reading.target, totals.result(), part))

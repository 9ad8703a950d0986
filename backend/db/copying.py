"""Bulk inserts behind row-level security.

PostgreSQL refuses COPY into a table with policies, so rows are copied into a temporary table and
inserted from there: policies, constraints and triggers then see an ordinary INSERT by the
application role, in the organization of the session's context.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import (
    Column,
    CursorResult,
    FromClause,
    Insert,
    MetaData,
    Table,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.schema import CreateTable, DropTable

# Statement triggers see a chunk at once (the rows they see are kept in memory or spilled), and a
# chunk of Python tuples is what the client holds: memory stays flat whatever the number of rows.
CHUNK_ROWS = 50_000


async def insert_records(
    session: AsyncSession,
    table: FromClause,
    columns: Sequence[str],
    records: Iterable[Sequence[Any]],
    *,
    skip_existing: bool = False,
    chunk_rows: int = CHUNK_ROWS,
) -> int:
    """Insert `records`, values in the order of `columns`, and answer how many rows were inserted.

    Columns that are left out take their defaults; one of them is `organization_id`, so rows land in
    the session's organization. With `skip_existing` a row that breaks any unique key is left out;
    otherwise it raises `sqlalchemy.exc.IntegrityError`. Values must have the Python types of their
    columns: what COPY cannot take is raised as the driver raises it. Nothing is committed here.
    """
    if not isinstance(table, Table):
        raise TypeError("Rows can only be copied into a table.")
    inserted = 0
    async with _staging(session, table, columns) as staged:
        statement = _insert_from(staged, table, skip_existing=skip_existing)
        connection = await _asyncpg_connection(session)
        rows = iter(records)
        while chunk := list(islice(rows, chunk_rows)):
            await connection.copy_records_to_table(
                staged.name, records=chunk, columns=columns, schema_name="pg_temp"
            )
            result = await session.execute(statement)
            assert isinstance(result, CursorResult)  # noqa: S101  # narrows for mypy: it is DML
            inserted += result.rowcount
            await session.execute(text(f"TRUNCATE pg_temp.{staged.name}"))
    return inserted


@asynccontextmanager
async def _staging(
    session: AsyncSession, table: Table, columns: Sequence[str]
) -> AsyncIterator[Table]:
    """A temporary table of `columns` with the types of `table` and none of its constraints."""
    staged = Table(
        f"copy_{table.name}",
        MetaData(),
        *(Column(name, table.columns[name].type) for name in columns),
        prefixes=["TEMPORARY"],
        postgresql_on_commit="DROP",
    )
    await session.execute(CreateTable(staged))
    yield staged
    # After an error the transaction is lost anyway, and the table with it.
    await session.execute(DropTable(staged))


def _insert_from(staged: Table, table: Table, *, skip_existing: bool) -> Insert:
    names = [column.name for column in staged.columns]
    statement = insert(table).from_select(names, select(staged), include_defaults=False)
    return statement.on_conflict_do_nothing() if skip_existing else statement


async def _asyncpg_connection(session: AsyncSession) -> asyncpg.Connection[Any]:
    """The driver's connection under `session`, inside the same transaction."""
    connection = await session.connection()
    raw = await connection.get_raw_connection()
    driver = raw.driver_connection
    assert isinstance(driver, asyncpg.Connection)  # noqa: S101  # the only driver in use
    return driver


async def new_ids(session: AsyncSession, count: int) -> Sequence[UUID]:
    """As many ids as PostgreSQL would give the next rows, in their order.

    For rows that others of the same load refer to.
    """
    connection = await _asyncpg_connection(session)
    rows = await connection.fetch("SELECT uuidv7() FROM generate_series(1, $1)", count)
    return [row[0] for row in rows]


async def refresh_statistics(session: AsyncSession) -> None:
    """Let the planner know the tables that ledger rows refer to, before many of them come."""
    await session.execute(text("SELECT refresh_statistics()"))

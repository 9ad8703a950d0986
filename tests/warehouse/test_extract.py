"""The extract: one snapshot, exact numbers, nothing deleted, nothing left of the build before."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import duckdb
import pytest
from adbc_driver_postgresql import dbapi
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.db.engine import organization_session
from backend.settings import Settings
from backend.warehouse.extract import (
    SOURCE_FILE,
    TARGET_FILE,
    NoOrganizations,
    TableRead,
    extract,
)
from backend.warehouse.source_queries import TABLES
from backend.warehouse.totals import TOTALS_TABLE
from tests import factories as make

DAY = date(2025, 3, 10)


def source(settings: Settings) -> str:
    return settings.role_url("outlay_extract").render_as_string(hide_password=False)


def rows(build: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(build / SOURCE_FILE, read_only=True) as connection:
        return connection.execute(query).fetchall()


def files(build: Path) -> list[str]:
    return [path.name for path in build.iterdir()]


async def account_of(engine: AsyncEngine, **organization: object) -> tuple[UUID, UUID]:
    """A new organization and its one account in EUR."""
    organization_id = await make.make_organization(engine, **organization)
    owner = await make.make_member(engine, organization_id)
    async with organization_session(engine, organization_id) as session:
        account = await make.add_account(session, owner.user_id)
    return organization_id, account.id


async def test_what_is_committed_while_it_reads_is_in_no_table(
    settings: Settings, engine: AsyncEngine, tmp_path: Path
) -> None:
    organization_id, account_id = await account_of(engine)
    before, during = uuid4(), uuid4()
    async with organization_session(engine, organization_id) as session:
        tag = await make.add_tag(session)
        await make.add_transaction(session, account_id, id=before, tag_ids=(tag.id,))
    late = (
        f"""INSERT INTO transactions
            (organization_id, id, account_id, kind, date, amount, currency, description)
        VALUES ('{organization_id}', '{during}', '{account_id}', 'expense', '{DAY}', 1, 'EUR', 'x')
        """,
        f"""INSERT INTO transaction_tags (organization_id, transaction_id, tag_id)
        VALUES ('{organization_id}', '{during}', '{tag.id}')""",
    )
    committed: list[str] = []

    def interfere(read: TableRead) -> None:
        if read.name == "accounts":
            url = settings.admin_url().render_as_string(hide_password=False)
            with dbapi.connect(url) as connection, connection.cursor() as cursor:
                for statement in late:
                    cursor.execute(statement)
                connection.commit()
            committed.append(read.name)

    extraction = extract(source(settings), tmp_path, progress=interfere)

    assert committed
    assert rows(tmp_path, "SELECT id FROM raw.transactions") == [(before,)]
    assert rows(tmp_path, "SELECT transaction_id FROM raw.transaction_tags") == [(before,)]
    assert rows(
        tmp_path, "SELECT rows FROM raw.source_totals WHERE fact = 'fct_transactions.amount'"
    ) == [(1,)]
    assert extraction.tables["transactions"] == 1
    assert extract(source(settings), tmp_path).tables["transactions"] == 2


async def test_numbers_of_every_digit_arrive_exactly(
    settings: Settings, engine: AsyncEngine, tmp_path: Path
) -> None:
    organization_id, account_id = await account_of(engine, base_currency="USD")
    amounts = [Decimal(text) for text in ("99999999999999.9999", "0.0001", "12345678901234.5678")]
    async with organization_session(engine, organization_id) as session:
        for amount in amounts:
            await make.add_transaction(session, account_id, amount=amount, date=DAY)
        await make.add_balance(session, account_id, DAY, -amounts[0])
        await make.add_rate(session, "EUR", "USD", DAY, Decimal("9999999999.0123456789"))

    extract(source(settings), tmp_path)

    stored = rows(tmp_path, "SELECT amount FROM raw.transactions ORDER BY amount DESC")
    assert [amount for (amount,) in stored] == sorted(amounts, reverse=True)
    assert rows(tmp_path, "SELECT balance FROM raw.balance_snapshots") == [(-amounts[0],)]
    assert rows(
        tmp_path, f"SELECT from_currency, rate FROM raw.fx_conversions WHERE date = '{DAY}'"
    ) == [("EUR", Decimal("9999999999.0123456789"))]
    floats = rows(
        tmp_path,
        "SELECT table_name, column_name FROM duckdb_columns() WHERE schema_name = 'raw' "
        "AND data_type IN ('FLOAT', 'DOUBLE')",
    )
    assert floats == []


async def test_deleted_transactions_stay_behind_with_all_that_hangs_on_them(
    settings: Settings, engine: AsyncEngine, tmp_path: Path
) -> None:
    organization_id, account_id = await account_of(engine)
    async with organization_session(engine, organization_id) as session:
        tag = await make.add_tag(session)
        for deleted_at in (None, datetime.now(UTC)):
            row = await make.add_transaction(
                session, account_id, tag_ids=(tag.id,), deleted_at=deleted_at
            )
            await make.add_split(session, row.id, row.amount)

    tables = extract(source(settings), tmp_path).tables

    assert [tables[n] for n in ("transactions", "transaction_tags", "transaction_splits")] == [
        1
    ] * 3


async def test_every_needed_conversion_is_there_once_with_its_rate_or_without(
    settings: Settings, engine: AsyncEngine, tmp_path: Path
) -> None:
    organization_id, account_id = await account_of(engine, base_currency="GBP")
    async with organization_session(engine, organization_id) as session:
        await make.add_rate(session, "EUR", "GBP", DAY, Decimal("0.8"))
        for days in (0, 7, 8):
            for _ in range(2):
                await make.add_transaction(session, account_id, date=DAY + timedelta(days=days))
        await make.add_transaction(session, account_id, currency="GBP", date=DAY)

    extract(source(settings), tmp_path)

    assert rows(
        tmp_path, "SELECT from_currency, to_currency, date, rate FROM raw.fx_conversions ORDER BY 3"
    ) == [
        ("EUR", "GBP", DAY, Decimal("0.8")),
        ("EUR", "GBP", DAY + timedelta(days=7), Decimal("0.8")),
        ("EUR", "GBP", DAY + timedelta(days=8), None),
    ]


async def test_a_rate_that_no_column_holds_leaves_amounts_unconverted(
    settings: Settings, engine: AsyncEngine, tmp_path: Path
) -> None:
    organization_id, account_id = await account_of(engine, base_currency="GBP")
    async with organization_session(engine, organization_id) as session:
        await make.add_rate(session, "GBP", "EUR", DAY, Decimal("0.0000000001"))  # 1/rate is 10^10
        await make.add_transaction(session, account_id, date=DAY)

    extract(source(settings), tmp_path)

    assert rows(tmp_path, "SELECT rate FROM raw.fx_conversions") == [(None,)]


async def test_the_day_of_the_snapshot_is_that_of_each_organization(
    settings: Settings, engine: AsyncEngine, tmp_path: Path
) -> None:
    zones = {"east": "Pacific/Kiritimati", "west": "Pacific/Pago_Pago", "nowhere": "Not/A_Zone"}
    for name, zone in zones.items():
        await make.make_organization(engine, name=name, time_zone=zone)

    extraction = extract(source(settings), tmp_path)

    days = dict(rows(tmp_path, "SELECT name, snapshot_date FROM raw.organizations"))
    assert days["east"] == (extraction.taken_at + timedelta(hours=14)).astimezone(UTC).date()
    assert days["west"] == (extraction.taken_at - timedelta(hours=11)).astimezone(UTC).date()
    assert days["nowhere"] == extraction.taken_at.astimezone(UTC).date()


async def test_it_reports_each_table_and_tells_where_it_read(
    settings: Settings, engine: AsyncEngine, tmp_path: Path
) -> None:
    await account_of(engine)
    reads: list[TableRead] = []

    extraction = extract(source(settings), tmp_path, progress=reads.append)

    assert {read.name for read in reads} == {*(table.name for table in TABLES), TOTALS_TABLE}
    assert len(reads) == len(TABLES) + 1
    assert {read.name: read.rows for read in reads} == extraction.tables
    assert all(read.seconds > 0 for read in reads)
    assert extraction.organizations == extraction.tables["accounts"] == 1
    assert abs(datetime.now(UTC) - extraction.taken_at) < timedelta(minutes=5)
    assert rows(tmp_path, "SELECT snapshot, system_identifier, timeline FROM raw.snapshot") == [
        (extraction.snapshot, extraction.origin.system_identifier, extraction.origin.timeline)
    ]
    assert extraction.origin.system_identifier
    assert extraction.origin.timeline == 1


async def test_what_an_earlier_build_left_is_gone(
    settings: Settings, engine: AsyncEngine, tmp_path: Path
) -> None:
    await account_of(engine)
    build = tmp_path / "build"
    (build / f"{TARGET_FILE}.tmp").mkdir(parents=True)
    for name in (SOURCE_FILE, TARGET_FILE, f"{SOURCE_FILE}.wal"):
        (build / name).write_text("half-built")

    extract(source(settings), build)

    assert files(build) == [SOURCE_FILE]


async def test_a_source_without_organizations_is_refused(
    settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(NoOrganizations, match="no organization exists"):
        extract(source(settings), tmp_path)

"""Writing: one expense over HTTP, ten thousand at once, and both as the table grows.

`python -m bench.writes --size small|full` prints JSON lines.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from api.schemas.transactions import TransactionCreate
from backend.cli.seed import run_synthetic_seed
from backend.db.bootstrap import connect
from backend.db.engine import create_engine, organization_session
from backend.ledger.bulk import create_transactions
from backend.ledger.models import Account, Category, Transaction
from backend.settings import Settings
from bench.callers import Caller, find_caller
from bench.common import instance, machine, report, size
from bench.serving import serving

NAME = "writes"
BULK_ROWS = 10_000
SINGLES, BULKS = 300, 5
COLUMNS = (
    "account_id",
    "kind",
    "date",
    "amount",
    "currency",
    "description",
    "category_id",
    "vendor",
)
_NAMED = ", ".join(COLUMNS)
INSERT = f"INSERT INTO transactions ({_NAMED}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"

Rows = Sequence[dict[str, Any]]
Pair = tuple[float, float]  # seconds: ours and the floor's


def main() -> None:
    machine()
    sizes = (10_000, 50_000) if size() == "small" else (10_000, 100_000, 1_000_000)
    first: dict[str, Pair] = {}
    for transactions in sizes:
        with instance() as settings:
            run_synthetic_seed(settings, transactions=transactions, people=200, organizations=1)
            caller = find_caller(settings)
            with serving(settings, "api.app:create_app") as url:
                one = asyncio.run(single(settings, caller, url, transactions))
            growth("one expense over HTTP", first, one, transactions)
            many = asyncio.run(bulk(settings, caller, transactions))
            growth(f"{BULK_ROWS:,} parsed rows", first, many, transactions)


def growth(case: str, first: dict[str, Pair], now: Pair, rows: int) -> None:
    """How many times the smallest table's seconds it takes, beside how the floor's grew."""
    smallest = first.setdefault(case, now)
    report(
        NAME,
        f"{case}: growth from the smallest table to {rows:,} rows; floor: that of the floor",
        ours=now[0] / smallest[0],
        floor=now[1] / smallest[1],
        unit="times",
        rows=rows,
        aim=1.2,
    )


async def single(settings: Settings, caller: Caller, url: str, transactions: int) -> Pair:
    """Seconds of a POST over a kept connection, in turn with a bare INSERT."""
    rows = await _expenses(settings, caller, 2 * SINGLES + 2)
    bodies = [
        TransactionCreate.model_validate(row).model_dump_json(exclude_unset=True) for row in rows
    ]
    headers = {"Authorization": f"Bearer {caller.token}", "Content-Type": "application/json"}
    plain = await _plain_connection(settings, caller)
    async with httpx.AsyncClient(base_url=url, headers=headers) as client:

        async def post(n: int) -> None:
            answer = await client.post("/api/expenses", content=bodies[n])
            assert answer.status_code == 201, answer.text

        async def insert(n: int) -> None:
            await plain.execute(INSERT, *_values(rows[n]))

        ours, floor = await _in_turn(post, insert, SINGLES)
    await plain.close()
    report(
        NAME,
        f"one expense over HTTP into {transactions:,} rows; floor: bare INSERT, autocommitted",
        ours=ours * 1000,
        floor=floor * 1000,
        unit="ms",
        rows=1,
        aim=3,
    )
    return ours, floor


async def bulk(settings: Settings, caller: Caller, transactions: int) -> Pair:
    """Seconds to book parsed rows, in turn with COPY of the same into the same table.

    COPY is refused to the application by row-level security, so the floor is a superuser's: the
    table's triggers and foreign keys hold for it too, policies and the audit do not. The second
    floor is a copy of the table with its indexes and no trigger or foreign key.
    """
    rows = await _expenses(settings, caller, BULK_ROWS)
    engine = create_engine(settings.role_url("outlay_app", driver="asyncpg"))
    admin = await connect(settings.admin_url())
    await admin.execute("CREATE TABLE bench_floor (LIKE transactions INCLUDING ALL)")
    organization_id = caller.scope.organization_id
    records = [(organization_id, *_values(row)) for row in rows]

    async def ours(_n: int) -> None:
        await _book(engine, caller, rows)

    def copy_into(table: str) -> Callable[[int], Awaitable[None]]:
        async def copy(_n: int) -> None:
            await admin.copy_records_to_table(
                table, records=records, columns=["organization_id", *COLUMNS]
            )

        return copy

    booked, copied = await _in_turn(ours, copy_into("transactions"), BULKS)
    booked_again, bare = await _in_turn(ours, copy_into("bench_floor"), BULKS)
    await admin.execute("DROP TABLE bench_floor")
    await admin.close()
    await engine.dispose()
    for floor, seconds, aim, what in (
        (copied, booked, 0.35, "the same table, as a superuser"),
        (bare, booked_again, None, "a table with its indexes only"),
    ):
        report(
            NAME,
            f"{BULK_ROWS:,} parsed rows into {transactions:,}; floor: COPY into {what}",
            ours=BULK_ROWS / seconds,
            floor=BULK_ROWS / floor,
            unit="rows/s",
            rows=BULK_ROWS,
            aim=aim,
            better="higher",
        )
    return booked, copied


async def _book(engine: AsyncEngine, caller: Caller, rows: Rows) -> None:
    async with _session(engine, caller) as session:
        results = await create_transactions(session, caller.scope, rows)
    assert len(results) == len(rows)


async def _in_turn(
    ours: Callable[[int], Awaitable[None]], floor: Callable[[int], Awaitable[None]], times: int
) -> Pair:
    """Median seconds of both; each call is given a number of its own."""
    await ours(0)
    await floor(1)
    mine, bare = [], []
    for n in range(2, 2 * times + 2, 2):
        mine.append(await _timed(ours(n)))
        bare.append(await _timed(floor(n + 1)))
    return statistics.median(mine), statistics.median(bare)


async def _timed(run: Awaitable[None]) -> float:
    started = time.perf_counter()
    await run
    return time.perf_counter() - started


async def _expenses(settings: Settings, caller: Caller, count: int) -> Rows:
    """Expenses as the API parses them, over some of the organization's accounts and categories."""
    engine = create_engine(settings.role_url("outlay_app", driver="asyncpg"))
    async with _session(engine, caller) as session:
        accounts = (await session.execute(select(Account.id, Account.currency).limit(50))).all()
        categories = (await session.scalars(select(Category.id).limit(30))).all()
        last = await session.scalar(select(Transaction.date).limit(1)) or date(2025, 1, 1)
    await engine.dispose()
    return [
        TransactionCreate(
            account_id=accounts[n % len(accounts)].id,
            date=last - timedelta(days=n % 90),
            amount=Decimal(100 + n % 9_900) / 100,
            currency=accounts[n % len(accounts)].currency,
            description=f"Expense {n} {uuid4().hex[:8]}",
            category_id=categories[n % len(categories)] if categories else None,
            vendor=f"Vendor {n % 40}",
        ).model_dump()
        for n in range(count)
    ]


def _values(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in COLUMNS)


def _session(engine: AsyncEngine, caller: Caller) -> AbstractAsyncContextManager[Any]:
    return organization_session(engine, caller.scope.organization_id)


async def _plain_connection(settings: Settings, caller: Caller) -> asyncpg.Connection[Any]:
    """As the application's role, in the caller's organization for the whole connection."""
    connection = await connect(settings.role_url("outlay_app"))
    organization: UUID = caller.scope.organization_id
    await connection.execute(
        "SELECT set_config('outlay.organization_id', $1, false)", str(organization)
    )
    return connection


if __name__ == "__main__":
    main()

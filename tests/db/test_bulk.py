"""Bulk booking against others who book at the same time, and what its audit holds."""

from __future__ import annotations

import asyncio
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.db.engine import organization_session
from backend.errors import InvalidInput
from backend.ledger.bulk import RowResult, create_transactions
from backend.ledger.models import Transaction
from backend.scope import Scope
from tests.factories import add_account, make_member, make_organization


@pytest.fixture
async def owner(engine: AsyncEngine) -> Scope:
    return await make_member(engine, await make_organization(engine))


async def account_of(engine: AsyncEngine, scope: Scope) -> UUID:
    async with organization_session(engine, scope.organization_id) as session:
        return (await add_account(session, scope.user_id)).id


def row(account_id: UUID, external_id: str | None = None, **values: Any) -> dict[str, Any]:
    return {
        "account_id": account_id,
        "kind": "expense",
        "date": date(2025, 3, 10),
        "amount": Decimal("1.00"),
        "description": "x",
        "external_id": external_id,
    } | values


async def book(
    engine: AsyncEngine, scope: Scope, rows: list[dict[str, Any]], **options: bool
) -> list[RowResult]:
    async with organization_session(engine, scope.organization_id) as session:
        return await create_transactions(session, scope, rows, **options)


async def test_two_imports_of_one_file_at_once_book_it_once(
    engine: AsyncEngine, owner: Scope
) -> None:
    account_id = await account_of(engine, owner)
    rows = [row(account_id, str(n)) for n in range(200)]
    outcomes = await asyncio.gather(
        *(
            book(engine, owner, given, atomic=False, skip_duplicates=True)
            for given in (rows, rows, rows, rows)
        )
    )
    created = [r.id for results in outcomes for r in results if r.status == "created"]
    assert len(created) == len(set(created)) == 200
    for results in zip(*outcomes, strict=True):
        assert len({r.id for r in results}) == 1  # the others name the one that was booked
    async with organization_session(engine, owner.organization_id) as session:
        assert await session.scalar(select(func.count()).select_from(Transaction)) == 200


async def test_what_somebody_books_meanwhile_is_a_duplicate(
    engine: AsyncEngine, owner: Scope
) -> None:
    """The other one is not committed yet when the bulk looks for what is taken."""
    account_id = await account_of(engine, owner)
    rows = [row(account_id, "a"), row(account_id, "b"), row(account_id, "a")]
    async with organization_session(engine, owner.organization_id) as session:
        (other,) = await create_transactions(session, owner, [row(account_id, "a")])
        lenient = asyncio.create_task(book(engine, owner, rows, skip_duplicates=True))
        await _until_somebody_waits(engine)
    first, second, third = await lenient
    assert [r.status for r in (first, second, third)] == ["duplicate", "created", "duplicate"]
    assert first.id == third.id == other.id

    async with organization_session(engine, owner.organization_id) as session:
        await create_transactions(session, owner, [row(account_id, "c")])
        strict = asyncio.create_task(book(engine, owner, [row(account_id, e) for e in "dc"]))
        await _until_somebody_waits(engine)
    with pytest.raises(InvalidInput) as refused:
        await strict
    assert [e.pointer for e in refused.value.errors] == ["#/transactions/1/external_id"]
    async with organization_session(engine, owner.organization_id) as session:
        found = set(await session.scalars(select(Transaction.external_id)))
    assert found == {"a", "b", "c"}


async def _until_somebody_waits(engine: AsyncEngine) -> None:
    async with engine.connect() as connection, asyncio.timeout(20):
        waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        while True:
            if await connection.scalar(waiting):
                return
            await asyncio.sleep(0.02)


async def test_the_audit_says_what_a_digest_can_be_checked_against(
    engine: AsyncEngine, owner: Scope
) -> None:
    account_id = await account_of(engine, owner)
    await book(engine, owner, [row(account_id, str(n), auto_categorised=None) for n in range(5)])
    async with organization_session(engine, owner.organization_id) as session:
        wrong = await session.scalar(
            text(
                "SELECT count(*) FROM audit_entries e LEFT JOIN audit_payloads p "
                "ON p.entry_id = e.id AND e.digest = audit_digest(p.salt, p.before, p.after) "
                "WHERE p.after ->> 'amount' IS DISTINCT FROM '1.0000' OR p.before IS NOT NULL"
            )
        )
        assert wrong == 0
        assert await session.scalar(text("SELECT count(*) FROM audit_entries")) == 5


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"amount": Decimal(0)}, "amount"),
        ({"amount": Decimal(-1)}, "amount"),
        ({"amount": Decimal(10**14)}, "amount"),
        ({"amount": Decimal(10**40)}, "amount"),
        ({"date": date(1, 1, 1)}, "date"),
        ({"date": date(9999, 12, 31)}, "date"),
        ({"splits": [{"amount": Decimal(1)}, {"amount": Decimal(0)}]}, "splits/1/amount"),
    ],
)
async def test_what_no_schema_has_seen_is_refused_row_by_row(
    engine: AsyncEngine, owner: Scope, values: dict[str, Any], field: str
) -> None:
    """Files are read without the API's schemas: their good rows must not be lost for a bad one."""
    account_id = await account_of(engine, owner)
    rows = [row(account_id), row(account_id, **values), row(account_id)]
    results = await book(engine, owner, rows, atomic=False)
    assert [r.status for r in results] == ["created", "failed", "created"]
    assert [e.pointer for e in results[1].errors] == [f"#/transactions/1/{field}"]


async def test_no_rows_are_no_trouble(engine: AsyncEngine, owner: Scope) -> None:
    assert await book(engine, owner, []) == []

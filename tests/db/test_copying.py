from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from backend.budgets.models import BudgetAttribution
from backend.db.copying import insert_records
from backend.db.engine import organization_session
from backend.ledger.models import Tag, Transaction
from tests.factories import add_account, add_budget, make_member, make_organization

COLUMNS = ["account_id", "kind", "date", "amount", "currency", "description", "external_id"]


def _record(account_id: UUID, number: int) -> tuple[object, ...]:
    amount = Decimal(number) + Decimal("0.0001")
    return (account_id, "expense", date(2025, 1, number), amount, "EUR", "Copied", f"n{number}")


async def _insert(
    session: AsyncSession, records: list[tuple[object, ...]], *, skip_existing: bool = False
) -> int:
    return await insert_records(
        session, Transaction.__table__, COLUMNS, records, skip_existing=skip_existing, chunk_rows=2
    )


@pytest.fixture
async def owner(engine: AsyncEngine) -> tuple[UUID, UUID]:
    """An organization and its owner."""
    organization_id = await make_organization(engine)
    return organization_id, (await make_member(engine, organization_id)).user_id


async def test_rows_arrive_exactly_and_with_their_defaults(
    engine: AsyncEngine, owner: tuple[UUID, UUID]
) -> None:
    organization_id, user_id = owner
    async with organization_session(engine, organization_id) as session:
        account = await add_account(session, user_id)
        records = [_record(account.id, number) for number in range(1, 6)]
        assert await _insert(session, records) == 5
    async with organization_session(engine, organization_id) as session:
        rows = list(await session.scalars(select(Transaction).order_by(Transaction.date)))
    assert [row.amount for row in rows] == [record[3] for record in records]
    assert {(row.organization_id, row.status, row.currency) for row in rows} == {
        (organization_id, "paid", "EUR")
    }
    assert len({row.id for row in rows}) == 5


async def test_known_rows_are_left_out_when_asked(
    engine: AsyncEngine, owner: tuple[UUID, UUID]
) -> None:
    organization_id, user_id = owner
    async with organization_session(engine, organization_id) as session:
        account = await add_account(session, user_id)
        assert await _insert(session, [_record(account.id, n) for n in (1, 2, 3)]) == 3
        records = [_record(account.id, n) for n in (1, 2, 3, 4, 5, 5)]
        assert await _insert(session, records, skip_existing=True) == 2
        assert await session.scalar(select(func.count()).select_from(Transaction)) == 5


async def test_a_known_row_is_an_error_otherwise(
    engine: AsyncEngine, owner: tuple[UUID, UUID]
) -> None:
    organization_id, user_id = owner
    async with organization_session(engine, organization_id) as session:
        account = await add_account(session, user_id)
        with pytest.raises(IntegrityError, match="uq_transactions_external_id"):
            async with session.begin_nested():
                await _insert(session, [_record(account.id, n) for n in (1, 2, 3, 1)])
        # Back at the savepoint: nothing of it is there, and the session goes on copying.
        assert await _insert(session, [_record(account.id, 1)]) == 1


async def test_a_failure_half_way_leaves_nothing_and_a_usable_connection(
    engine: AsyncEngine, owner: tuple[UUID, UUID]
) -> None:
    organization_id, _ = owner

    async def copy(records: list[tuple[object, ...]]) -> int:
        async with organization_session(engine, organization_id) as session:
            return await insert_records(session, Tag.__table__, ["name"], records, chunk_rows=1)

    with pytest.raises(TypeError, match="expected str"):
        await copy([("one",), (2,)])
    with pytest.raises(asyncpg.StringDataRightTruncationError):
        await copy([("one",), ("x" * 201,)])
    assert await copy([("one",), ("two",)]) == 2


async def test_rows_cannot_point_into_another_organization(
    engine: AsyncEngine, owner: tuple[UUID, UUID]
) -> None:
    organization_id, user_id = owner
    async with organization_session(engine, organization_id) as session:
        account = await add_account(session, user_id)
    elsewhere = await make_organization(engine)
    with pytest.raises(IntegrityError, match="account_id"):
        async with organization_session(engine, elsewhere) as session:
            await _insert(session, [_record(account.id, 1)])


async def test_rows_cannot_be_put_into_another_organization(
    engine: AsyncEngine, owner: tuple[UUID, UUID]
) -> None:
    organization_id, _ = owner
    elsewhere = await make_organization(engine)
    with pytest.raises(Exception, match="row-level security"):
        async with organization_session(engine, organization_id) as session:
            await insert_records(
                session, Tag.__table__, ["organization_id", "name"], [(elsewhere, "stowaway")]
            )


async def test_triggers_see_the_rows(engine: AsyncEngine, owner: tuple[UUID, UUID]) -> None:
    organization_id, user_id = owner
    async with organization_session(engine, organization_id) as session:
        account = await add_account(session, user_id)
        budget = await add_budget(session, user_id)
        await insert_records(
            session,
            Transaction.__table__,
            ["budget_id", *COLUMNS],
            [(budget.id, *_record(account.id, number)) for number in (1, 2, 3)],
            chunk_rows=2,
        )
        attributed = list(await session.scalars(select(BudgetAttribution.budget_id)))
    assert attributed == [budget.id] * 3


async def test_nothing_stays_behind(engine: AsyncEngine, owner: tuple[UUID, UUID]) -> None:
    organization_id, _ = owner
    async with organization_session(engine, organization_id) as session:
        await insert_records(session, Tag.__table__, ["id", "name"], [(uuid4(), "one")])
        await insert_records(session, Tag.__table__, ["name"], [("two",)])
        temporary = text("SELECT count(*) FROM pg_class WHERE relpersistence = 't'")
        assert await session.scalar(temporary) == 0
        assert set(await session.scalars(select(Tag.name))) == {"one", "two"}

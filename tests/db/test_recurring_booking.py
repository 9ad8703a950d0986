"""Booking what is due, on a real PostgreSQL: each date once, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.audit.models import AuditEntry
from backend.budgets.models import BudgetAttribution
from backend.db.engine import organization_session
from backend.ledger import recurring_booking
from backend.ledger.models import Account, Transaction, TransactionTag
from backend.ledger.recurring_booking import Booked, book_due
from backend.ledger.recurring_models import RecurringExpense, RecurringExpenseTag
from backend.ledger.rule_models import CategorisationRule
from backend.scope import Role, Scope
from tests.factories import (
    add_account,
    add_budget,
    add_category,
    add_tag,
    make_member,
    make_organization,
)

TODAY = date(2025, 3, 31)


@pytest.fixture
async def owner(engine: AsyncEngine) -> Scope:
    return await make_member(engine, await make_organization(engine))


def job(owner: Scope) -> Scope:
    return Scope(UUID(int=0), owner.organization_id, Role.OWNER, job="recurring")


async def plan(
    engine: AsyncEngine, owner: Scope, tags: Sequence[UUID] = (), **values: Any
) -> RecurringExpense:
    async with organization_session(engine, owner.organization_id) as session:
        if "account_id" not in values:
            values["account_id"] = (await add_account(session, owner.user_id)).id
        defaults = {
            "amount": Decimal("9.99"),
            "currency": "EUR",
            "description": "Music",
            "frequency": "monthly",
            "starts_on": date(2025, 1, 31),
            "next_date": date(2025, 1, 31),
            "created_by": owner.user_id,
        }
        row = RecurringExpense(**(defaults | values))
        session.add(row)
        await session.flush()
        session.add_all(RecurringExpenseTag(recurring_id=row.id, tag_id=tag) for tag in tags)
    return row


async def book(engine: AsyncEngine, owner: Scope, today: date = TODAY) -> Booked:
    async with organization_session(engine, owner.organization_id) as session:
        return await book_due(session, job(owner), today)


async def booked(engine: AsyncEngine, owner: Scope) -> list[Transaction]:
    async with organization_session(engine, owner.organization_id) as session:
        rows = await session.scalars(select(Transaction).order_by(Transaction.date))
        return list(rows)


async def reread(engine: AsyncEngine, owner: Scope, row: RecurringExpense) -> RecurringExpense:
    async with organization_session(engine, owner.organization_id) as session:
        return await session.get_one(RecurringExpense, (owner.organization_id, row.id))


async def test_all_that_was_missed_is_booked_on_its_own_dates(
    engine: AsyncEngine, owner: Scope
) -> None:
    row = await plan(engine, owner)
    assert len((await book(engine, owner)).transactions) == 3
    made = await booked(engine, owner)
    days = [date(2025, 1, 31), date(2025, 2, 28), date(2025, 3, 31)]
    assert [t.date for t in made] == [t.recurring_on for t in made] == days
    assert {(t.recurring_id, t.status, t.kind, t.created_by) for t in made} == {
        (row.id, "paid", "expense", owner.user_id)
    }
    assert (await reread(engine, owner, row)).next_date == date(2025, 4, 30)


async def test_a_booking_carries_everything_over_and_counts_in_its_budget(
    engine: AsyncEngine, owner: Scope
) -> None:
    async with organization_session(engine, owner.organization_id) as session:
        category = await add_category(session)
        tag = await add_tag(session)
        budget = await add_budget(session, owner.user_id)
    await plan(
        engine,
        owner,
        [tag.id],
        category_id=category.id,
        budget_id=budget.id,
        vendor="Streamflix",
        payment_method="paypal",
        status_when_booked="pending",
        frequency="yearly",
    )
    await book(engine, owner)
    (made,) = await booked(engine, owner)
    assert (made.category_id, made.budget_id, made.vendor) == (category.id, budget.id, "Streamflix")
    assert (made.payment_method, made.status, made.amount) == ("paypal", "pending", Decimal("9.99"))
    async with organization_session(engine, owner.organization_id) as session:
        assert (await session.scalars(select(TransactionTag.tag_id))).all() == [tag.id]
        assert (await session.scalars(select(BudgetAttribution.budget_id))).all() == [budget.id]


async def test_without_a_category_the_rules_give_one(engine: AsyncEngine, owner: Scope) -> None:
    async with organization_session(engine, owner.organization_id) as session:
        category = await add_category(session)
        session.add(
            CategorisationRule(
                name="Music",
                position=1,
                category_id=category.id,
                description_match="contains",
                description_text="music",
            )
        )
    await plan(engine, owner, frequency="yearly")
    await book(engine, owner)
    (made,) = await booked(engine, owner)
    assert (made.category_id, made.auto_categorised, made.confidence) == (category.id, True, 100)


async def test_running_again_books_nothing(engine: AsyncEngine, owner: Scope) -> None:
    await plan(engine, owner)
    await book(engine, owner)
    assert (await book(engine, owner)).transactions == []
    assert len(await booked(engine, owner)) == 3


async def test_of_two_jobs_at_once_one_books(engine: AsyncEngine, owner: Scope) -> None:
    for _ in range(3):
        await plan(engine, owner)
    runs = await asyncio.gather(*(book(engine, owner) for _ in range(4)))
    assert sorted(len(run.transactions) for run in runs) == [0, 0, 0, 9]
    assert len(await booked(engine, owner)) == 9


async def test_a_deleted_booking_does_not_come_back(engine: AsyncEngine, owner: Scope) -> None:
    row = await plan(engine, owner)
    await book(engine, owner)
    async with organization_session(engine, owner.organization_id) as session:
        await session.execute(update(Transaction).values(deleted_at=func.now()))
        await session.execute(update(RecurringExpense).values(next_date=row.starts_on))
    assert (await book(engine, owner)).transactions == []
    assert (await reread(engine, owner, row)).next_date == date(2025, 4, 30)


async def test_a_booking_that_was_moved_is_still_the_one_of_its_date(
    engine: AsyncEngine, owner: Scope
) -> None:
    row = await plan(engine, owner)
    await book(engine, owner, date(2025, 1, 31))
    async with organization_session(engine, owner.organization_id) as session:
        await session.execute(update(Transaction).values(date=date(2025, 2, 28)))
        await session.execute(update(RecurringExpense).values(next_date=row.starts_on))
    assert len((await book(engine, owner, date(2025, 2, 28))).transactions) == 1
    assert [t.date for t in await booked(engine, owner)] == [date(2025, 2, 28)] * 2


async def test_the_database_itself_refuses_a_second_booking_of_a_date(
    engine: AsyncEngine, owner: Scope
) -> None:
    await plan(engine, owner, frequency="yearly")
    await book(engine, owner)
    (first,) = await booked(engine, owner)
    copied = ("account_id", "kind", "date", "amount", "currency", "description")
    again = {name: getattr(first, name) for name in (*copied, "recurring_id", "recurring_on")}
    async with organization_session(engine, owner.organization_id) as session:
        session.add(Transaction(**again))
        with pytest.raises(IntegrityError, match="uq_transactions_recurring"):
            await session.flush()
        await session.rollback()


async def test_a_closed_account_pauses_its_own_and_nobody_elses(
    engine: AsyncEngine, owner: Scope
) -> None:
    closed, fine = await plan(engine, owner), await plan(engine, owner)
    async with organization_session(engine, owner.organization_id) as session:
        await session.execute(
            update(Account).where(Account.id == closed.account_id).values(status="closed")
        )
    outcome = await book(engine, owner)
    assert outcome.paused == {closed.id: "The account is closed."}
    assert {t.recurring_id for t in await booked(engine, owner)} == {fine.id}
    paused = await reread(engine, owner, closed)
    assert (paused.status, paused.paused_reason) == ("paused", "The account is closed.")
    assert paused.next_date == closed.next_date
    assert (await book(engine, owner)).paused == {}


@pytest.mark.parametrize("values", [{"status": "paused"}, {"next_date": TODAY + timedelta(1)}])
async def test_what_is_paused_or_not_due_is_left(
    engine: AsyncEngine, owner: Scope, values: dict[str, Any]
) -> None:
    await plan(engine, owner, **values)
    assert (await book(engine, owner)).transactions == []


async def test_the_last_date_ends_it(engine: AsyncEngine, owner: Scope) -> None:
    row = await plan(engine, owner, ends_on=date(2025, 3, 30))
    assert len((await book(engine, owner)).transactions) == 2
    ended = await reread(engine, owner, row)
    assert (ended.status, ended.next_date) == ("ended", None)


async def test_very_many_are_booked_in_several_runs(
    engine: AsyncEngine, owner: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recurring_booking, "MAX_BOOKED", 50)
    await plan(engine, owner, frequency="daily")
    runs = [len((await book(engine, owner)).transactions) for _ in range(3)]
    assert runs == [50, 10, 0]


async def test_the_job_answers_for_what_it_books(engine: AsyncEngine, owner: Scope) -> None:
    await plan(engine, owner, frequency="yearly")
    await book(engine, owner)
    async with organization_session(engine, owner.organization_id) as session:
        entries = await session.execute(
            select(AuditEntry.actor, AuditEntry.action, AuditEntry.object_type)
        )
        assert {tuple(entry) for entry in entries} == {
            ("system:recurring", "create", "transaction"),
            ("system:recurring", "book", "recurring_expense"),
        }


async def test_a_booking_outlives_its_recurring_expense(engine: AsyncEngine, owner: Scope) -> None:
    await plan(engine, owner)
    await book(engine, owner)
    async with organization_session(engine, owner.organization_id) as session:
        await session.execute(text("DELETE FROM recurring_expenses"))
    assert {t.recurring_id for t in await booked(engine, owner)} == {None}

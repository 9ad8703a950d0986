"""The hourly job, by real Dagster on a real PostgreSQL: late, twice, and with one that fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import dagster as dg
import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from backend.audit.models import AuditEntry
from backend.budgets.models import Budget, BudgetPeriod
from backend.db.engine import organization_session
from backend.ledger import receipt_files
from backend.ledger.models import Transaction
from backend.ledger.receipt_files import open_receipt_files
from backend.ledger.receipt_models import Receipt
from backend.ledger.recurring_models import RecurringExpense
from backend.scope import Scope
from backend.settings import Settings
from orchestration import upkeep
from orchestration.organizations import for_each_organization
from orchestration.schedules import hourly
from orchestration.upkeep import book_recurring, sweep_receipts, upkeep_job
from tests.factories import (
    add_account,
    add_budget,
    add_transaction,
    make_member,
    make_organization,
)

NOON = datetime(2025, 3, 31, 12, tzinfo=UTC)


async def run(settings: Settings) -> dg.ExecuteInProcessResult:
    return await asyncio.to_thread(upkeep_job(settings).execute_in_process, raise_on_error=False)


def outcome(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {
        event.step_key: event.is_step_success
        for event in result.all_events
        if event.step_key is not None and (event.is_step_success or event.is_step_failure)
    }


async def household(engine: AsyncEngine, **values: Any) -> Scope:
    """An organization with one monthly expense that is due since January 2025."""
    owner = await make_member(engine, await make_organization(engine, **values))
    async with organization_session(engine, owner.organization_id) as session:
        account = await add_account(session, owner.user_id)
        session.add(
            RecurringExpense(
                account_id=account.id,
                amount=Decimal(10),
                currency="EUR",
                description="Rent",
                frequency="monthly",
                starts_on=date(2025, 1, 31),
                next_date=date(2025, 1, 31),
            )
        )
    return owner


async def booked(engine: AsyncEngine, owner: Scope) -> list[date]:
    async with organization_session(engine, owner.organization_id) as session:
        return list(await session.scalars(select(Transaction.date).order_by(Transaction.date)))


def test_the_job_runs_every_hour_unless_switched_off(settings: Settings) -> None:
    schedule = hourly(upkeep_job(settings))
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    assert schedule.job_name == "upkeep"


async def test_the_job_does_its_parts_for_every_organization_and_again_nothing(
    settings: Settings, engine: AsyncEngine
) -> None:
    first, second = await household(engine), await household(engine)
    month = timedelta(days=28)
    result = await run(settings)
    assert result.success
    assert outcome(result) == {
        "book_recurring_expenses": True,
        "roll_budgets": True,
        "sweep_receipt_files": True,
        "tidy_export_files": True,
        "forget_old_deletions": True,
    }
    made = await booked(engine, first)
    assert made[:3] == [date(2025, 1, 31), date(2025, 2, 28), date(2025, 3, 31)]
    assert made[-1] > datetime.now(UTC).date() - month - timedelta(days=4)
    assert await booked(engine, second) == made
    assert (await run(settings)).success
    assert await booked(engine, first) == made


async def test_two_jobs_at_once_book_once(settings: Settings, engine: AsyncEngine) -> None:
    owners = [await household(engine) for _ in range(3)]
    runs = await asyncio.gather(*(book_recurring(settings, NOON) for _ in range(3)))
    assert sum(len(b.transactions) for run in runs for b in run.answers.values()) == 9
    assert not any(run.failures for run in runs)
    for owner in owners:
        assert len(await booked(engine, owner)) == 3


async def test_a_day_begins_when_it_does_where_the_organization_is(
    settings: Settings, engine: AsyncEngine
) -> None:
    east = await household(engine, time_zone="Pacific/Auckland")
    west = await household(engine, time_zone="America/Los_Angeles")
    # In Auckland the 31st has begun, in Los Angeles it is still the 30th.
    await book_recurring(settings, datetime(2025, 3, 30, 18, tzinfo=UTC))
    assert (await booked(engine, east))[-1] == date(2025, 3, 31)
    assert (await booked(engine, west))[-1] == date(2025, 2, 28)


async def test_ended_periods_leave_their_rest_to_those_that_began(
    settings: Settings, engine: AsyncEngine
) -> None:
    owner = await make_member(engine, await make_organization(engine))
    async with organization_session(engine, owner.organization_id) as session:
        budget = await add_budget(
            session,
            owner.user_id,
            type="monthly",
            amount=Decimal(100),
            rollover_policy="surplus",
            starts_on=date(2025, 1, 1),
            ends_on=date(2025, 1, 31),
        )
        session.add(
            BudgetPeriod(
                budget_id=budget.id,
                starts_on=date(2025, 2, 1),
                ends_on=date(2025, 2, 28),
                amount=Decimal(100),
            )
        )
        (await session.get_one(Budget, (owner.organization_id, budget.id))).ends_on = date(
            2025, 2, 28
        )
    assert (await run(settings)).success
    async with organization_session(engine, owner.organization_id) as session:
        carried = await session.scalars(
            select(BudgetPeriod.carried).order_by(BudgetPeriod.starts_on)
        )
        assert carried.all() == [0, 100]
        actors = await session.scalars(select(AuditEntry.actor).distinct())
        assert actors.all() == ["system:rollover"]


async def test_one_organizations_failure_is_its_own_and_fails_the_run(
    settings: Settings, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    owners = [await household(engine) for _ in range(3)]
    bad = sorted(owners, key=lambda owner: owner.organization_id)[1]
    book = upkeep.book_due

    async def fail_for_one(session: AsyncSession, scope: Scope, today: date) -> Any:
        answer = await book(session, scope, today)
        if scope.organization_id == bad.organization_id:
            await session.execute(text("SELECT 1 / 0"))
        return answer

    monkeypatch.setattr(upkeep, "book_due", fail_for_one)
    result = await run(settings)

    assert not result.success
    done = outcome(result)
    assert done == {
        "book_recurring_expenses": False,
        "roll_budgets": True,
        "sweep_receipt_files": True,
        "tidy_export_files": True,
        "forget_old_deletions": True,
    }
    (failure,) = (e for e in result.all_events if e.is_step_failure)
    told = failure.step_failure_data.user_failure_data
    assert told is not None
    assert str(bad.organization_id) in (told.description or "")
    for owner in owners:
        assert bool(await booked(engine, owner)) == (owner is not bad)


async def test_work_sees_its_own_organization_and_acts_as_the_job(
    settings: Settings, engine: AsyncEngine
) -> None:
    owners = [await household(engine) for _ in range(2)]

    async def work(session: AsyncSession, scope: Scope, today: date) -> tuple[str, list[UUID]]:
        seen = await session.scalars(select(RecurringExpense.organization_id))
        return scope.actor, list(seen)

    done = await for_each_organization(settings, "anything", work, NOON)
    assert done.answers == {
        o.organization_id: ("system:anything", [o.organization_id]) for o in owners
    }


@asynccontextmanager
async def _receipt(engine: AsyncEngine, owner: Scope, key: str) -> AsyncIterator[None]:
    async with organization_session(engine, owner.organization_id) as session:
        account = await add_account(session, owner.user_id)
        transaction = await add_transaction(session, account.id)
        session.add(
            Receipt(
                transaction_id=transaction.id,
                file_name="a.pdf",
                content_type="application/pdf",
                size=1,
                sha256=b"x",
                storage_key=key,
            )
        )
    yield


async def test_only_old_files_without_a_receipt_are_swept(
    settings: Settings, engine: AsyncEngine
) -> None:
    assert await sweep_receipts(settings, datetime.now(UTC)) == 0, "there is no folder yet"
    owner = await make_member(engine, await make_organization(engine))
    files = open_receipt_files(settings)
    kept, orphan, gone = (
        receipt_files.new_key(identity)
        for identity in (owner.organization_id, owner.organization_id, UUID(int=7))
    )
    for key in (kept, orphan, gone):
        await receipt_files.write(files, key, b"x")
    stranger = settings.home / "receipts" / "README"
    stranger.write_text("not ours")
    async with _receipt(engine, owner, kept):
        assert await sweep_receipts(settings, datetime.now(UTC)) == 0, "an upload may be under way"
        assert await sweep_receipts(settings, datetime.now(UTC) + timedelta(days=2)) == 2
    left = {str(p.relative_to(settings.home / "receipts")) for p in _files(settings)}
    assert left == {kept, "README"}


def _files(settings: Settings) -> list[Any]:
    return [p for p in (settings.home / "receipts").rglob("*") if p.is_file()]

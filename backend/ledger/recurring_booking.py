"""Booking what is due: each date once, however often and late the job comes.

The rows of what is due are locked first, so a second job finds nothing left; the unique index on
transactions would refuse it anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice, takewhile
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.record import record
from backend.audit.states import state_of
from backend.ledger.bulk import create_transactions
from backend.ledger.models import Transaction
from backend.ledger.recurrence import dates
from backend.ledger.recurring import move_on
from backend.ledger.recurring_models import RecurringExpense, RecurringStatus
from backend.ledger.recurring_queries import load_tags, schedule_of
from backend.scope import Scope

# Of one recurring expense in one go; what is left is booked by the next run.
MAX_BOOKED = 1000

_CARRIED_OVER = (
    "account_id",
    "kind",
    "amount",
    "currency",
    "description",
    "vendor",
    "category_id",
    "budget_id",
    "payment_method",
    "created_by",
)


@dataclass(frozen=True, slots=True)
class Booked:
    """`paused` says why, by recurring expense."""

    transactions: Sequence[UUID]
    paused: dict[UUID, str]


async def book_due(session: AsyncSession, scope: Scope, today: date) -> Booked:
    """Book every date up to `today` that is neither booked nor skipped.

    A deleted booking counts as booked. What cannot be booked, as on a closed account, is paused
    and keeps nobody else waiting.
    """
    due = await _lock_due(session, scope, today)
    days = {r.id: list(islice(_due_dates(r, today), MAX_BOOKED)) for r in due}
    done = await _booked_dates(session, scope, list(days))
    tags = await load_tags(session, scope, list(days))
    rows = [
        _row(recurring, day, tags.get(recurring.id, []))
        for recurring in due
        for day in days[recurring.id]
        if (recurring.id, day) not in done
    ]
    results = await create_transactions(session, scope, rows, atomic=False)
    reasons: dict[UUID, str] = {}
    for row, result in zip(rows, results, strict=True):
        if result.status == "failed":
            reasons.setdefault(row["recurring_id"], result.errors[0].detail)
    for recurring in due:
        booked = days[recurring.id]
        passed = booked[-1] if booked else today
        await _settle(session, scope, recurring, passed, reasons.get(recurring.id))
    return Booked([r.id for r in results if r.id is not None], reasons)


async def _lock_due(session: AsyncSession, scope: Scope, today: date) -> Sequence[RecurringExpense]:
    statement = (
        select(RecurringExpense)
        .where(
            RecurringExpense.organization_id == scope.organization_id,
            RecurringExpense.status == RecurringStatus.ACTIVE,
            RecurringExpense.next_date <= today,
        )
        .order_by(RecurringExpense.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return (await session.scalars(statement)).all()


def _due_dates(recurring: RecurringExpense, today: date) -> takewhile[date]:
    return takewhile(
        lambda day: day <= today, dates(schedule_of(recurring), recurring.next_date or today)
    )


async def _booked_dates(
    session: AsyncSession, scope: Scope, ids: Sequence[UUID]
) -> set[tuple[UUID, date]]:
    """Also of bookings that were deleted."""
    rows = await session.execute(
        select(Transaction.recurring_id, Transaction.recurring_on).where(
            Transaction.organization_id == scope.organization_id,
            Transaction.recurring_id.in_(ids),
            Transaction.recurring_on.is_not(None),
        )
    )
    return {(row.recurring_id, row.recurring_on) for row in rows}


def _row(recurring: RecurringExpense, day: date, tag_ids: Sequence[UUID]) -> dict[str, Any]:
    return {name: getattr(recurring, name) for name in _CARRIED_OVER} | {
        "date": day,
        "status": recurring.status_when_booked,
        "recurring_id": recurring.id,
        "recurring_on": day,
        "tag_ids": tag_ids,
    }


async def _settle(
    session: AsyncSession,
    scope: Scope,
    recurring: RecurringExpense,
    passed: date,
    reason: str | None,
) -> None:
    """Move on after the date that has `passed`, or pause it where it stands."""
    before = state_of(recurring)
    if reason is None:
        action = "book"
        move_on(recurring, passed)
    else:
        action = "pause"
        recurring.status, recurring.paused_reason = RecurringStatus.PAUSED, reason
    await session.flush()
    await session.refresh(recurring)
    after = state_of(recurring)
    await record(
        session, scope, action, "recurring_expense", recurring.id, before=before, after=after
    )

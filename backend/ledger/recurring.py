"""Recurring expenses: their schedule, and pausing, resuming and skipping it.

They belong to their account: whoever may book on it may plan on it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.record import record
from backend.audit.states import state_of
from backend.db.references import refuse
from backend.db.versions import Expected, require_version
from backend.errors import Conflict, FieldError, InvalidInput
from backend.identity.permissions import require_ledger_writer
from backend.ledger import booking_rules
from backend.ledger.models import Account
from backend.ledger.recurrence import dates, next_date, require_dates
from backend.ledger.recurring_models import (
    Frequency,
    RecurringExpense,
    RecurringExpenseTag,
    RecurringStatus,
)
from backend.ledger.recurring_queries import get_recurring, load_tags, schedule_of
from backend.ledger.visibility import visible_accounts
from backend.periods import today_in
from backend.scope import Scope

_SCHEDULE = {"frequency", "rrule", "starts_on", "ends_on"}


async def create_recurring(
    session: AsyncSession, scope: Scope, values: dict[str, Any]
) -> RecurringExpense:
    """From its columns and `tag_ids`. Without a `currency` it is the account's.

    Without a `next_date` nothing is booked of the days before today, however long ago it started.
    """
    require_ledger_writer(scope)
    values = dict(values)
    tag_ids: Sequence[UUID] = values.pop("tag_ids", ())
    wanted: date | None = values.pop("next_date", None)
    if values.get("currency") is None:
        values["currency"] = await _currency_of(session, scope, values["account_id"])
    recurring = RecurringExpense(
        organization_id=scope.organization_id,
        created_by=scope.user_id,
        status=RecurringStatus.ACTIVE,
        **values,
    )
    await _check(session, scope, recurring, tag_ids)
    _continue_from(recurring, wanted or max(recurring.starts_on, today_in(scope.time_zone)))
    session.add(recurring)
    await session.flush()
    await _add_tags(session, recurring, tag_ids)
    after = await _state(session, scope, recurring)
    await record(session, scope, "create", "recurring_expense", recurring.id, after=after)
    return recurring


async def update_recurring(
    session: AsyncSession,
    scope: Scope,
    recurring_id: UUID,
    changes: dict[str, Any],
    expected: Expected = None,
    *,
    hidden_budgets: Collection[UUID] = (),
) -> RecurringExpense:
    """Change what is named; what is booked stays. `tag_ids` replace what was there.

    A changed schedule goes on with its first date from today on, or from an overdue `next_date`.
    `hidden_budgets` were shown as null: a null that is sent back for one of them changes nothing.
    """
    recurring, before = await _begin(session, scope, recurring_id, expected)
    changes = dict(changes)
    tag_ids: Sequence[UUID] | None = changes.pop("tag_ids", None)
    wanted: date | None = changes.pop("next_date", None)
    if recurring.budget_id in hidden_budgets and changes.get("budget_id") is None:
        changes.pop("budget_id", None)
    for name, value in changes.items():
        setattr(recurring, name, value)
    with session.no_autoflush:
        moved = "account_id" in changes
        await _check(session, scope, recurring, tag_ids or (), to_be_booked=moved)
    if wanted is not None:
        _continue_from(recurring, wanted)
    elif changes.keys() & _SCHEDULE:
        today = today_in(scope.time_zone)
        _continue_from(recurring, min(recurring.next_date or today, today))
    if tag_ids is not None:
        await session.execute(
            delete(RecurringExpenseTag).where(
                RecurringExpenseTag.organization_id == scope.organization_id,
                RecurringExpenseTag.recurring_id == recurring_id,
            )
        )
        await _add_tags(session, recurring, tag_ids)
    return await _changed(session, scope, "update", recurring, before)


async def delete_recurring(
    session: AsyncSession, scope: Scope, recurring_id: UUID, expected: Expected = None
) -> None:
    """What it has booked stays."""
    recurring, before = await _begin(session, scope, recurring_id, expected)
    await session.delete(recurring)
    await session.flush()
    await record(session, scope, "delete", "recurring_expense", recurring_id, before=before)


async def pause_recurring(
    session: AsyncSession, scope: Scope, recurring_id: UUID
) -> RecurringExpense:
    recurring, before = await _begin(session, scope, recurring_id)
    if recurring.status != RecurringStatus.ACTIVE:
        raise Conflict(f"It is {recurring.status}.")
    recurring.status = RecurringStatus.PAUSED
    return await _changed(session, scope, "pause", recurring, before)


async def resume_recurring(
    session: AsyncSession, scope: Scope, recurring_id: UUID, from_date: date | None = None
) -> RecurringExpense:
    """Go on with the first date from `from_date` on, by default from today: the rest is skipped."""
    recurring, before = await _begin(session, scope, recurring_id)
    if recurring.status != RecurringStatus.PAUSED:
        raise Conflict(f"It is {recurring.status}.")
    recurring.status, recurring.paused_reason = RecurringStatus.ACTIVE, None
    await _check(session, scope, recurring, ())
    today = today_in(scope.time_zone)
    due = recurring.next_date or today
    _continue_from(recurring, from_date or max(due, today))
    return await _changed(session, scope, "resume", recurring, before)


async def skip_occurrence(
    session: AsyncSession, scope: Scope, recurring_id: UUID
) -> RecurringExpense:
    """Leave out the next date."""
    recurring, before = await _begin(session, scope, recurring_id)
    if recurring.next_date is None:
        raise Conflict("No date is left.")
    move_on(recurring, recurring.next_date)
    return await _changed(session, scope, "skip", recurring, before)


def move_on(recurring: RecurringExpense, passed: date) -> None:
    """To the first date after `passed`; without one it has ended."""
    following = dates(schedule_of(recurring), passed)
    _set_next(recurring, next((day for day in following if day > passed), None))


def _continue_from(recurring: RecurringExpense, day: date) -> None:
    _set_next(recurring, next_date(schedule_of(recurring), day))


def _set_next(recurring: RecurringExpense, day: date | None) -> None:
    recurring.next_date = day
    if day is None:
        recurring.status, recurring.paused_reason = RecurringStatus.ENDED, None
    elif recurring.status == RecurringStatus.ENDED:
        recurring.status = RecurringStatus.ACTIVE


async def _check(
    session: AsyncSession,
    scope: Scope,
    recurring: RecurringExpense,
    tag_ids: Sequence[UUID],
    *,
    to_be_booked: bool = True,
) -> None:
    """Refuse what a booking of it would be refused for, and a schedule without dates."""
    row = {
        "account_id": recurring.account_id,
        "category_id": recurring.category_id,
        "amount": recurring.amount,
        "currency": recurring.currency,
        "kind": recurring.kind,
        "date": recurring.starts_on,
        "tag_ids": tag_ids,
    }
    known = await booking_rules.look_up(session, scope, [row])
    refuse(booking_rules.unknown(row, known))
    faults = booking_rules.misfits(row)
    if to_be_booked:
        faults += booking_rules.on_closed_account(row, known)
    if (recurring.frequency == Frequency.RRULE) != (recurring.rrule is not None):
        faults.append(FieldError("#/rrule", "It goes with the frequency `rrule`, and only so."))
    if recurring.ends_on is not None and recurring.ends_on < recurring.starts_on:
        faults.append(FieldError("#/ends_on", "Must not lie before `starts_on`."))
    if faults:
        raise InvalidInput("The values do not fit together.", errors=faults)
    require_dates(schedule_of(recurring))


async def _currency_of(session: AsyncSession, scope: Scope, account_id: UUID) -> str | None:
    """None for an account that is not seen: the check that follows says so."""
    return await session.scalar(
        select(Account.currency).where(visible_accounts(scope), Account.id == account_id)
    )


async def _begin(
    session: AsyncSession, scope: Scope, recurring_id: UUID, expected: Expected = None
) -> tuple[RecurringExpense, dict[str, Any]]:
    require_ledger_writer(scope)
    recurring = await get_recurring(session, scope, recurring_id, lock=True)
    require_version(recurring, expected)
    return recurring, await _state(session, scope, recurring)


async def _changed(
    session: AsyncSession,
    scope: Scope,
    action: str,
    recurring: RecurringExpense,
    before: dict[str, Any],
) -> RecurringExpense:
    recurring.updated_at = func.now()  # tags are part of it
    await session.flush()
    await session.refresh(recurring)
    after = await _state(session, scope, recurring)
    await record(
        session, scope, action, "recurring_expense", recurring.id, before=before, after=after
    )
    return recurring


async def _state(
    session: AsyncSession, scope: Scope, recurring: RecurringExpense
) -> dict[str, Any]:
    tags = await load_tags(session, scope, [recurring.id])
    return state_of(recurring) | {"tag_ids": tags.get(recurring.id, [])}


async def _add_tags(
    session: AsyncSession, recurring: RecurringExpense, tag_ids: Sequence[UUID]
) -> None:
    session.add_all(
        RecurringExpenseTag(
            organization_id=recurring.organization_id, recurring_id=recurring.id, tag_id=tag_id
        )
        for tag_id in dict.fromkeys(tag_ids)
    )
    await session.flush()

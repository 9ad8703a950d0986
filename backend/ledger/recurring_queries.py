"""Reading recurring expenses and their dates, always within a scope."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import date
from itertools import islice
from uuid import UUID

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.db.keyset import Order, Window, windowed
from backend.db.locking import locked
from backend.db.references import visible_ids
from backend.errors import NotFound
from backend.ledger.models import Account
from backend.ledger.queries import get_account
from backend.ledger.recurrence import Schedule, dates
from backend.ledger.recurring_models import (
    Frequency,
    RecurringExpense,
    RecurringExpenseTag,
    RecurringStatus,
)
from backend.ledger.visibility import visible_accounts
from backend.scope import Scope

OLDEST_FIRST = Order((RecurringExpense.id,))


def visible_recurring(scope: Scope) -> ColumnElement[bool]:
    """Those of visible accounts."""
    return and_(
        RecurringExpense.organization_id == scope.organization_id,
        RecurringExpense.account_id.in_(select(Account.id).where(visible_accounts(scope))),
    )


async def list_recurring(
    session: AsyncSession,
    scope: Scope,
    window: Window,
    *,
    account_id: UUID | None = None,
    status: str | None = None,
    due_before: date | None = None,
) -> Sequence[RecurringExpense]:
    """`due_before` is exclusive, and of active ones only."""
    statement = select(RecurringExpense).where(visible_recurring(scope))
    if account_id is not None:
        await get_account(session, scope, account_id)
        statement = statement.where(RecurringExpense.account_id == account_id)
    if status is not None:
        statement = statement.where(RecurringExpense.status == status)
    if due_before is not None:
        statement = statement.where(
            RecurringExpense.next_date < due_before,
            RecurringExpense.status == RecurringStatus.ACTIVE,
        )
    return (await session.scalars(windowed(statement, OLDEST_FIRST, window))).all()


async def get_recurring(
    session: AsyncSession, scope: Scope, recurring_id: UUID, *, lock: bool = False
) -> RecurringExpense:
    statement = select(RecurringExpense).where(
        visible_recurring(scope), RecurringExpense.id == recurring_id
    )
    recurring = await session.scalar(locked(statement) if lock else statement)
    if recurring is None:
        raise NotFound("There is no such recurring expense.")
    return recurring


async def visible_recurring_ids(
    session: AsyncSession, scope: Scope, ids: Iterable[UUID | None]
) -> frozenset[UUID]:
    """Those of `ids` that the scope may see."""
    return await visible_ids(session, RecurringExpense.id, visible_recurring(scope), ids)


async def load_tags(
    session: AsyncSession, scope: Scope, ids: Collection[UUID]
) -> dict[UUID, list[UUID]]:
    """By recurring expense; without those that have none."""
    tags: dict[UUID, list[UUID]] = {}
    for row in await session.execute(
        select(RecurringExpenseTag.recurring_id, RecurringExpenseTag.tag_id)
        .where(
            RecurringExpenseTag.organization_id == scope.organization_id,
            RecurringExpenseTag.recurring_id.in_(ids),
        )
        .order_by(RecurringExpenseTag.tag_id)
    ):
        tags.setdefault(row.recurring_id, []).append(row.tag_id)
    return tags


def occurrences(recurring: RecurringExpense, limit: int) -> list[date]:
    """The dates to come, the next one first."""
    if recurring.next_date is None:
        return []
    return list(islice(dates(schedule_of(recurring), recurring.next_date), limit))


def schedule_of(recurring: RecurringExpense) -> Schedule:
    return Schedule(
        Frequency(recurring.frequency), recurring.starts_on, recurring.ends_on, recurring.rrule
    )

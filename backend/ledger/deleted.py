"""What deleted transactions may hold on to: they keep their account, but no word of the books.

A category, a tag or a budget that only they use can be deleted; restored, they come back without
it. An account cannot: they would have nowhere to come back to.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from backend.errors import Conflict
from backend.ledger.models import Transaction, TransactionSplit
from backend.scope import Scope


async def let_go(
    session: AsyncSession, scope: Scope, column: InstrumentedAttribute[UUID | None], word: UUID
) -> None:
    """Empty `column`, of transactions or of their splits, where a deleted one has `word` in it."""
    table = column.class_
    deleted = Transaction.deleted_at.is_not(None)
    if table is TransactionSplit:
        deleted = TransactionSplit.transaction_id.in_(
            select(Transaction.id).where(
                Transaction.organization_id == scope.organization_id, deleted
            )
        )
    await session.execute(
        update(table)
        .where(table.organization_id == scope.organization_id, column == word, deleted)
        .values({column: None})
    )


async def refuse_account_of_deleted(session: AsyncSession, scope: Scope, account_id: UUID) -> None:
    """`Conflict` that says why, when all the transactions of an account are deleted ones."""
    booked = select(literal(1)).where(
        Transaction.organization_id == scope.organization_id,
        or_(Transaction.account_id == account_id, Transaction.counter_account_id == account_id),
    )
    live = booked.where(Transaction.deleted_at.is_(None))
    if await session.scalar(select(booked.exists() & ~live.exists())):
        raise Conflict(
            "Its transactions are deleted and can still be restored. Close the account instead."
        )

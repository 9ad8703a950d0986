"""Writing tags: words of the whole organization."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from backend.db.versions import Expected, require_version
from backend.identity.permissions import require_organization_writer
from backend.ledger.deleted import let_go
from backend.ledger.models import Tag, Transaction, TransactionSplit, TransactionTag
from backend.ledger.queries import get_tag
from backend.ledger.rows import add_row, change_row, delete_row
from backend.scope import Scope


async def create_tag(session: AsyncSession, scope: Scope, values: dict[str, Any]) -> Tag:
    require_organization_writer(scope)
    return await add_row(session, scope, Tag(organization_id=scope.organization_id, **values))


async def update_tag(
    session: AsyncSession,
    scope: Scope,
    tag_id: UUID,
    changes: dict[str, Any],
    expected: Expected = None,
) -> Tag:
    require_organization_writer(scope)
    tag = await get_tag(session, scope, tag_id, lock=True)
    require_version(tag, expected)
    return await change_row(session, scope, tag, changes)


async def delete_tag(
    session: AsyncSession, scope: Scope, tag_id: UUID, expected: Expected = None
) -> None:
    """Transactions lose the tag; `Conflict` while a split is booked on it."""
    require_organization_writer(scope)
    tag = await get_tag(session, scope, tag_id, lock=True)
    require_version(tag, expected)
    await let_go(session, scope, TransactionSplit.tag_id, tag_id)
    tagged = select(TransactionTag.transaction_id).where(
        TransactionTag.organization_id == scope.organization_id, TransactionTag.tag_id == tag_id
    )
    await session.execute(  # their tags are a part of them, so this is another version of each
        update(Transaction)
        .where(Transaction.organization_id == scope.organization_id, Transaction.id.in_(tagged))
        .values(updated_at=func.now())
    )
    await delete_row(session, scope, tag)

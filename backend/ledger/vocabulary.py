"""Writing tags and the tree of categories: the words of the whole organization."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import func, literal, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from backend.audit.record import record
from backend.audit.states import state_of
from backend.db.versions import Expected, require_version
from backend.errors import FieldError, InvalidInput
from backend.identity.permissions import require_organization_writer
from backend.ledger.models import Category, Tag, Transaction, TransactionTag
from backend.ledger.queries import get_category, get_tag
from backend.ledger.visibility import visible_categories
from backend.scope import Scope


async def create_tag(session: AsyncSession, scope: Scope, values: dict[str, Any]) -> Tag:
    require_organization_writer(scope)
    tag = Tag(organization_id=scope.organization_id, **values)
    session.add(tag)
    await session.flush()
    await record(session, scope, "create", "tag", tag.id, after=state_of(tag))
    return tag


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
    before = state_of(tag)
    for name, value in changes.items():
        setattr(tag, name, value)
    await session.flush()
    await session.refresh(tag)
    await record(session, scope, "update", "tag", tag_id, before=before, after=state_of(tag))
    return tag


async def delete_tag(
    session: AsyncSession, scope: Scope, tag_id: UUID, expected: Expected = None
) -> None:
    """Transactions lose the tag; `Conflict` while a split is booked on it."""
    require_organization_writer(scope)
    tag = await get_tag(session, scope, tag_id, lock=True)
    require_version(tag, expected)
    before = state_of(tag)
    tagged = select(TransactionTag.transaction_id).where(
        TransactionTag.organization_id == scope.organization_id, TransactionTag.tag_id == tag_id
    )
    await session.execute(  # their tags are a part of them, so this is another version of each
        update(Transaction)
        .where(Transaction.organization_id == scope.organization_id, Transaction.id.in_(tagged))
        .values(updated_at=func.now())
    )
    await session.delete(tag)
    await session.flush()
    await record(session, scope, "delete", "tag", tag_id, before=before)


async def create_category(session: AsyncSession, scope: Scope, values: dict[str, Any]) -> Category:
    require_organization_writer(scope)
    await _require_parent(session, scope, values.get("parent_id"))
    category = Category(organization_id=scope.organization_id, **values)
    session.add(category)
    await session.flush()
    await record(session, scope, "create", "category", category.id, after=state_of(category))
    return category


async def update_category(
    session: AsyncSession,
    scope: Scope,
    category_id: UUID,
    changes: dict[str, Any],
    expected: Expected = None,
) -> Category:
    require_organization_writer(scope)
    category = await get_category(session, scope, category_id, lock=True)
    require_version(category, expected)
    before = state_of(category)
    if changes.get("parent_id") is not None:
        await _require_parent(session, scope, changes["parent_id"])
        await _refuse_cycle(session, scope, category_id, changes["parent_id"])
    for name, value in changes.items():
        setattr(category, name, value)
    await session.flush()
    await session.refresh(category)
    await record(
        session, scope, "update", "category", category_id, before=before, after=state_of(category)
    )
    return category


async def delete_category(
    session: AsyncSession, scope: Scope, category_id: UUID, expected: Expected = None
) -> None:
    """`Conflict` while it has children or anything is booked on it."""
    require_organization_writer(scope)
    category = await get_category(session, scope, category_id, lock=True)
    require_version(category, expected)
    before = state_of(category)
    await session.delete(category)
    await session.flush()
    await record(session, scope, "delete", "category", category_id, before=before)


async def _require_parent(session: AsyncSession, scope: Scope, parent_id: UUID | None) -> None:
    if parent_id is None:
        return
    found = await session.scalar(
        select(Category.id).where(visible_categories(scope), Category.id == parent_id)
    )
    if found is None:
        raise InvalidInput(
            "The parent is not known.",
            errors=[FieldError("#/parent_id", "There is no such category.")],
        )


async def _refuse_cycle(
    session: AsyncSession, scope: Scope, category_id: UUID, parent_id: UUID
) -> None:
    # Two moves at once could close a circle that neither of them sees.
    await session.execute(
        select(func.pg_advisory_xact_lock(func.hashtextextended(str(scope.organization_id), 2)))
    )
    ancestors = (
        select(Category.id, Category.parent_id)
        .where(visible_categories(scope), Category.id == parent_id)
        .cte("ancestors", recursive=True)
    )
    above = aliased(Category)
    ancestors = ancestors.union(
        select(above.id, above.parent_id).where(
            above.organization_id == scope.organization_id, above.id == ancestors.c.parent_id
        )
    )
    if await session.scalar(select(literal(1)).where(ancestors.c.id == category_id)):
        raise InvalidInput(
            "A category cannot be placed under itself.",
            errors=[FieldError("#/parent_id", "This category lies below the one that is moved.")],
        )

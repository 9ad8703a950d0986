"""Writing tags and the tree of categories: the words of the whole organization."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from backend.errors import FieldError, InvalidInput
from backend.identity.permissions import require_organization_writer
from backend.ledger.models import Category, Tag
from backend.ledger.queries import get_category, get_tag
from backend.ledger.visibility import visible_categories
from backend.scope import Scope


async def create_tag(session: AsyncSession, scope: Scope, values: dict[str, Any]) -> Tag:
    require_organization_writer(scope)
    tag = Tag(organization_id=scope.organization_id, **values)
    session.add(tag)
    await session.flush()
    return tag


async def update_tag(
    session: AsyncSession, scope: Scope, tag_id: UUID, changes: dict[str, Any]
) -> Tag:
    require_organization_writer(scope)
    tag = await get_tag(session, scope, tag_id)
    for name, value in changes.items():
        setattr(tag, name, value)
    await session.flush()
    await session.refresh(tag)
    return tag


async def delete_tag(session: AsyncSession, scope: Scope, tag_id: UUID) -> None:
    """Transactions lose the tag; `Conflict` while a split is booked on it."""
    require_organization_writer(scope)
    await session.delete(await get_tag(session, scope, tag_id))
    await session.flush()


async def create_category(session: AsyncSession, scope: Scope, values: dict[str, Any]) -> Category:
    require_organization_writer(scope)
    await _require_parent(session, scope, values.get("parent_id"))
    category = Category(organization_id=scope.organization_id, **values)
    session.add(category)
    await session.flush()
    return category


async def update_category(
    session: AsyncSession, scope: Scope, category_id: UUID, changes: dict[str, Any]
) -> Category:
    require_organization_writer(scope)
    category = await get_category(session, scope, category_id)
    if changes.get("parent_id") is not None:
        await _require_parent(session, scope, changes["parent_id"])
        await _refuse_cycle(session, scope, category_id, changes["parent_id"])
    for name, value in changes.items():
        setattr(category, name, value)
    await session.flush()
    await session.refresh(category)
    return category


async def delete_category(session: AsyncSession, scope: Scope, category_id: UUID) -> None:
    """`Conflict` while it has children or anything is booked on it."""
    require_organization_writer(scope)
    await session.delete(await get_category(session, scope, category_id))
    await session.flush()


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

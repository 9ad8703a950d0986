"""The tree of categories: what lies below one, and that it stays a tree."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Select, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from backend.errors import FieldError, InvalidInput
from backend.ledger.models import Category
from backend.ledger.visibility import visible_categories
from backend.scope import Scope


def subtree(scope: Scope, category_id: UUID) -> Select[UUID]:
    """The ids of a category and of all below it."""
    below = (
        select(Category.id)
        .where(visible_categories(scope), Category.id == category_id)
        .cte("below", recursive=True)
    )
    child = aliased(Category)
    below = below.union(
        select(child.id).where(
            child.organization_id == scope.organization_id, child.parent_id == below.c.id
        )
    )
    return select(below.c.id)


async def hold_tree(session: AsyncSession, scope: Scope) -> None:
    """Until the end of the transaction nobody else moves a category.

    Two moves at once could close a circle that neither of them sees.
    """
    await session.execute(
        select(func.pg_advisory_xact_lock(func.hashtextextended(str(scope.organization_id), 2)))
    )


async def require_category(
    session: AsyncSession, scope: Scope, category_id: UUID, pointer: str
) -> None:
    found = await session.scalar(
        select(Category.id).where(visible_categories(scope), Category.id == category_id)
    )
    if found is None:
        raise InvalidInput(
            "The category is not known.",
            errors=[FieldError(pointer, "There is no such category.")],
        )


async def lies_below(session: AsyncSession, scope: Scope, category_id: UUID, top_id: UUID) -> bool:
    """Whether the category is `top_id` itself or anywhere below it."""
    below = subtree(scope, top_id).subquery()
    return bool(await session.scalar(select(literal(1)).where(below.c.id == category_id)))

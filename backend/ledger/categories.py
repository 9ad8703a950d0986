"""Writing the tree of categories: words of the whole organization."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from sqlalchemy import Column, CursorResult, ForeignKeyConstraint, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from backend.db.base import Base
from backend.db.versions import Expected, require_version
from backend.errors import FieldError, InvalidInput
from backend.identity.permissions import require_organization_writer
from backend.ledger.category_tree import hold_tree, lies_below, require_category
from backend.ledger.deleted import let_go
from backend.ledger.models import Category, Transaction, TransactionSplit
from backend.ledger.queries import get_category
from backend.ledger.rows import add_row, change_row, delete_row
from backend.scope import Scope


async def create_category(session: AsyncSession, scope: Scope, values: dict[str, Any]) -> Category:
    require_organization_writer(scope)
    if values.get("parent_id") is not None:
        await require_category(session, scope, values["parent_id"], "#/parent_id")
    category = Category(organization_id=scope.organization_id, **values)
    return await add_row(session, scope, category)


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
    if (parent_id := changes.get("parent_id")) is not None:
        await require_category(session, scope, parent_id, "#/parent_id")
        await hold_tree(session, scope)
        if await lies_below(session, scope, parent_id, category_id):
            detail = "This category lies below the one that is moved."
            raise InvalidInput(
                "A category cannot be placed under itself.",
                errors=[FieldError("#/parent_id", detail)],
            )
    return await change_row(session, scope, category, changes)


async def delete_category(
    session: AsyncSession,
    scope: Scope,
    category_id: UUID,
    expected: Expected = None,
    *,
    replace_with: UUID | None = None,
) -> None:
    """`Conflict` while it has children or anything is booked on it, unless another one takes over.

    `replace_with` gets its children and everything that names it.
    """
    require_organization_writer(scope)
    category = await get_category(session, scope, category_id, lock=True)
    require_version(category, expected)
    if replace_with is None:
        await let_go(session, scope, Transaction.category_id, category_id)
        await let_go(session, scope, TransactionSplit.category_id, category_id)
        await delete_row(session, scope, category)
        return
    await require_category(session, scope, replace_with, "replace_with")
    await hold_tree(session, scope)
    if await lies_below(session, scope, replace_with, category_id):
        detail = "Name a category that is neither this one nor below it."
        raise InvalidInput(
            "The category cannot be replaced.", errors=[FieldError("replace_with", detail)]
        )
    moved = await _replace(session, scope, category_id, replace_with)
    await delete_row(session, scope, category, replaced_with=replace_with, moved=moved)


async def _replace(
    session: AsyncSession, scope: Scope, category_id: UUID, other_id: UUID
) -> dict[str, int]:
    """How many rows of each table named the category."""
    split = select(TransactionSplit.transaction_id).where(
        TransactionSplit.organization_id == scope.organization_id,
        TransactionSplit.category_id == category_id,
    )
    await session.execute(  # their splits are a part of them, so this is another version of each
        update(Transaction)
        .where(Transaction.organization_id == scope.organization_id, Transaction.id.in_(split))
        .values(updated_at=func.now())
    )
    moved = {}
    for column in _references():
        table = column.table
        done = await session.execute(
            update(table)
            .where(table.c.organization_id == scope.organization_id, column == category_id)
            .values({column: other_id})
        )
        assert isinstance(done, CursorResult)  # noqa: S101  # narrows for mypy: it is DML
        moved[table.name] = done.rowcount
    return moved


def _references() -> Iterator[Column[Any]]:
    """The columns that name a category, of whatever feature."""
    categories = Base.metadata.tables[Category.__tablename__]
    for table in Base.metadata.sorted_tables:
        for key in table.constraints:
            if isinstance(key, ForeignKeyConstraint) and key.referred_table is categories:
                yield from (c for c in key.columns if c.name != "organization_id")

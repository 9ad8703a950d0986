"""Which ledger rows a scope may see: one predicate per entity, carried by every query.

Categories and tags are the vocabulary of the whole organization.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import ColumnElement, CompoundSelect, and_, select, true, union_all
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, aliased

from backend.ledger.models import Account, AccountShare, Category, Tag, Transaction
from backend.scope import Scope


def visible_accounts(scope: Scope) -> ColumnElement[bool]:
    return and_(Account.organization_id == scope.organization_id, _of_account(scope, Account.id))


def visible_transactions(scope: Scope) -> ColumnElement[bool]:
    """Those of visible accounts that are not deleted."""
    return and_(
        Transaction.organization_id == scope.organization_id,
        Transaction.deleted_at.is_(None),
        _of_account(scope, Transaction.account_id),
    )


def visible_categories(scope: Scope) -> ColumnElement[bool]:
    return Category.organization_id == scope.organization_id


def visible_tags(scope: Scope) -> ColumnElement[bool]:
    return Tag.organization_id == scope.organization_id


async def visible_account_ids(
    session: AsyncSession, scope: Scope, ids: Iterable[UUID]
) -> frozenset[UUID]:
    """Those of `ids` that the scope may see."""
    return frozenset(
        await session.scalars(
            select(Account.id).where(visible_accounts(scope), Account.id.in_(set(ids)))
        )
    )


def _of_account(scope: Scope, column: InstrumentedAttribute[UUID]) -> ColumnElement[bool]:
    return true() if scope.sees_whole_organization else column.in_(_account_ids(scope))


def _account_ids(scope: Scope) -> CompoundSelect[UUID]:
    """Mine, and those that are shared with me; two branches, each with its own index."""
    mine = aliased(Account)
    return union_all(
        select(mine.id).where(
            mine.organization_id == scope.organization_id, mine.owner_id == scope.user_id
        ),
        select(AccountShare.account_id).where(
            AccountShare.organization_id == scope.organization_id,
            AccountShare.user_id == scope.user_id,
        ),
    )

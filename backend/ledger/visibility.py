"""Which ledger rows a scope may see: one predicate per entity, carried by every query.

Categories, tags and institutions are the vocabulary of the whole organization.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import ColumnElement, CompoundSelect, and_, or_, select, true, union_all
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, aliased

from backend.db.references import visible_ids
from backend.ledger.models import (
    Account,
    AccountShare,
    Category,
    Connection,
    Institution,
    Tag,
    Transaction,
)
from backend.scope import Scope


def visible_accounts(scope: Scope) -> ColumnElement[bool]:
    return and_(Account.organization_id == scope.organization_id, _of_account(scope, Account.id))


def visible_transactions(scope: Scope, *, deleted: bool = False) -> ColumnElement[bool]:
    """Those of visible accounts that are not deleted; or those that are."""
    gone = Transaction.deleted_at
    return and_(
        Transaction.organization_id == scope.organization_id,
        gone.is_not(None) if deleted else gone.is_(None),
        _of_account(scope, Transaction.account_id),
    )


def visible_categories(scope: Scope) -> ColumnElement[bool]:
    return Category.organization_id == scope.organization_id


def visible_tags(scope: Scope) -> ColumnElement[bool]:
    return Tag.organization_id == scope.organization_id


def visible_institutions(scope: Scope) -> ColumnElement[bool]:
    return Institution.organization_id == scope.organization_id


def visible_connections(scope: Scope) -> ColumnElement[bool]:
    """Those that feed a visible account, and those that the user made."""
    if scope.sees_whole_organization:
        return Connection.organization_id == scope.organization_id
    feeding = select(Account.connection_id).where(
        visible_accounts(scope), Account.connection_id.is_not(None)
    )
    return and_(
        Connection.organization_id == scope.organization_id,
        or_(Connection.created_by == scope.user_id, Connection.id.in_(feeding)),
    )


async def visible_account_ids(
    session: AsyncSession, scope: Scope, ids: Iterable[UUID]
) -> frozenset[UUID]:
    """Those of `ids` that the scope may see."""
    return await visible_ids(session, Account.id, visible_accounts(scope), ids)


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

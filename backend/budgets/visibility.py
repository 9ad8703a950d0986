"""Which budgets a scope may see: one predicate, carried by every query.

Seeing a budget says nothing about its ancestors: those are visible or not by themselves.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import ColumnElement, and_, select, true, union_all
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from backend.budgets.models import Budget, BudgetShare
from backend.db.references import visible_ids
from backend.scope import Scope


def visible_budgets(scope: Scope) -> ColumnElement[bool]:
    return and_(Budget.organization_id == scope.organization_id, _mine_or_shared(scope))


async def visible_budget_ids(
    session: AsyncSession, scope: Scope, ids: Iterable[UUID | None]
) -> frozenset[UUID]:
    """Those of `ids` that the scope may see."""
    return await visible_ids(session, Budget.id, visible_budgets(scope), ids)


def _mine_or_shared(scope: Scope) -> ColumnElement[bool]:
    if scope.sees_whole_organization:
        return true()
    mine = aliased(Budget)
    return Budget.id.in_(
        union_all(
            select(mine.id).where(
                mine.organization_id == scope.organization_id, mine.owner_id == scope.user_id
            ),
            select(BudgetShare.budget_id).where(
                BudgetShare.organization_id == scope.organization_id,
                BudgetShare.user_id == scope.user_id,
            ),
        )
    )

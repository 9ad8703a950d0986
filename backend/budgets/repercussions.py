"""What changes elsewhere do to budgets: their rules end, or name another category.

The ledger, the members and triggers in PostgreSQL do that without knowing of budgets; who calls
them says here which budgets to watch, and so it is told in these budgets' versions and revisions.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.record import record
from backend.budgets.models import Budget, BudgetRule
from backend.budgets.service import whole_state
from backend.budgets.tree import hold_trees
from backend.db.locking import locked
from backend.scope import Scope


def matching_account(account_id: UUID) -> ColumnElement[bool]:
    return _with_rule(BudgetRule.account_id == account_id)


def of_member(user_id: UUID) -> ColumnElement[bool]:
    """Those they own, and those that have a rule of theirs."""
    return or_(Budget.owner_id == user_id, _with_rule(BudgetRule.created_by == user_id))


def naming_category(category_id: UUID) -> ColumnElement[bool]:
    return or_(Budget.category_id == category_id, _with_rule(BudgetRule.category_id == category_id))


@asynccontextmanager
async def recorded(
    session: AsyncSession, scope: Scope, watched: ColumnElement[bool]
) -> AsyncIterator[None]:
    """Record what the block changes of the watched budgets and their rules, as an update of each.

    Entered before anything else is locked, as every change of a tree begins.
    """
    await hold_trees(session, scope)
    mine = select(Budget).where(Budget.organization_id == scope.organization_id, watched)
    budgets = (await session.scalars(locked(mine.order_by(Budget.id)))).all()
    states = [await whole_state(session, scope, budget) for budget in budgets]
    yield
    for budget, before in zip(budgets, states, strict=True):
        await session.refresh(budget)
        after = await whole_state(session, scope, budget)
        if after != before:
            budget.updated_at = func.now()
            await session.flush()
            await record(session, scope, "update", "budget", budget.id, before=before, after=after)


def _with_rule(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    named = select(BudgetRule.budget_id).where(
        BudgetRule.organization_id == Budget.organization_id, condition
    )
    return Budget.id.in_(named)

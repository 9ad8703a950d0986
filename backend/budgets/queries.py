"""Reading budgets, always within a scope."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.budgets.models import Budget, BudgetAttribution, BudgetPeriod, BudgetShare
from backend.budgets.visibility import visible_budgets
from backend.db.keyset import Order, Window, windowed
from backend.db.references import Reference, unknown_references
from backend.errors import FieldError, NotFound
from backend.scope import Scope

BUDGETS_BY_NAME = Order((Budget.name, Budget.id))


async def list_budgets(
    session: AsyncSession,
    scope: Scope,
    window: Window,
    *,
    parent_id: UUID | None = None,
    owner_id: UUID | None = None,
    level: str | None = None,
    type_: str | None = None,
    archived: bool | None = None,
    q: str | None = None,
) -> Sequence[Budget]:
    statement = select(Budget).where(visible_budgets(scope))
    if parent_id is not None:
        await get_budget(session, scope, parent_id)
        statement = statement.where(Budget.parent_id == parent_id)
    if owner_id is not None:
        statement = statement.where(Budget.owner_id == owner_id)
    if level is not None:
        statement = statement.where(Budget.level == level)
    if type_ is not None:
        statement = statement.where(Budget.type == type_)
    if archived is not None:
        statement = statement.where(Budget.archived_at.is_not(None) == archived)
    if q:
        statement = statement.where(Budget.name.icontains(q, autoescape=True))
    return (await session.scalars(windowed(statement, BUDGETS_BY_NAME, window))).all()


async def get_budget(
    session: AsyncSession, scope: Scope, budget_id: UUID, *, lock: bool = False
) -> Budget:
    statement = select(Budget).where(visible_budgets(scope), Budget.id == budget_id)
    budget = await session.scalar(statement.with_for_update() if lock else statement)
    if budget is None:
        raise NotFound("There is no such budget.")
    return budget


async def get_periods(session: AsyncSession, budget: Budget) -> Sequence[BudgetPeriod]:
    statement = select(BudgetPeriod).where(
        BudgetPeriod.organization_id == budget.organization_id, BudgetPeriod.budget_id == budget.id
    )
    return (await session.scalars(statement.order_by(BudgetPeriod.starts_on))).all()


async def budget_shares(session: AsyncSession, scope: Scope, budget_id: UUID) -> Sequence[UUID]:
    """The users that the budget is shared with."""
    statement = select(BudgetShare.user_id).where(
        BudgetShare.organization_id == scope.organization_id, BudgetShare.budget_id == budget_id
    )
    return (await session.scalars(statement.order_by(BudgetShare.user_id))).all()


async def attributed_transactions(
    session: AsyncSession, scope: Scope, budget_id: UUID
) -> Select[UUID]:
    """Ids of the transactions that count in the budget itself, wholly or by a split."""
    await get_budget(session, scope, budget_id)
    return select(BudgetAttribution.transaction_id).where(
        BudgetAttribution.organization_id == scope.organization_id,
        BudgetAttribution.budget_id == budget_id,
    )


async def unknown_budgets(
    session: AsyncSession, scope: Scope, references: Sequence[Reference]
) -> list[FieldError]:
    return await unknown_references(
        session, Budget.id, visible_budgets(scope), references, "budget"
    )

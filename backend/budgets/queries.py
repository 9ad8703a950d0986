"""Reading budgets, always within a scope."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import cast
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.budgets.models import Budget, BudgetAttribution, BudgetPeriod
from backend.budgets.visibility import visible_budgets
from backend.db.keyset import Order, Window, windowed
from backend.db.locking import locked
from backend.db.references import Reference, unknown_references
from backend.errors import FieldError, NotFound
from backend.scope import Scope

BUDGETS_BY_NAME = Order((Budget.name, Budget.id))


@dataclass(frozen=True, slots=True)
class Filters:
    """What is None filters nothing; `runs_on` is a day of the budget."""

    parent_id: UUID | None = None
    owner_id: UUID | None = None
    category_id: UUID | None = None
    level: str | None = None
    type: str | None = None
    currency: str | None = None
    runs_on: date | None = None
    archived: bool | None = None
    q: str | None = None


async def list_budgets(
    session: AsyncSession,
    scope: Scope,
    window: Window | None,
    filters: Filters,
    *,
    among: Collection[UUID] | None = None,
) -> Sequence[Budget]:
    """By name; all of them without a window. A parent that is not visible is `NotFound`."""
    statement = select(Budget).where(visible_budgets(scope))
    if filters.parent_id is not None:
        await get_budget(session, scope, filters.parent_id)
    for name in ("parent_id", "owner_id", "category_id", "level", "type", "currency"):
        if (value := getattr(filters, name)) is not None:
            statement = statement.where(getattr(Budget, name) == value)
    if filters.runs_on is not None:
        statement = statement.where(
            Budget.starts_on <= filters.runs_on, Budget.ends_on >= filters.runs_on
        )
    if filters.archived is not None:
        statement = statement.where(Budget.archived_at.is_not(None) == filters.archived)
    if filters.q:
        statement = statement.where(Budget.name.icontains(filters.q, autoescape=True))
    if among is not None:
        statement = statement.where(Budget.id.in_(among))
    if window is not None:
        statement = windowed(statement, BUDGETS_BY_NAME, window)
    return (await session.scalars(statement)).all()


async def get_budget(
    session: AsyncSession, scope: Scope, budget_id: UUID, *, lock: bool = False
) -> Budget:
    statement = select(Budget).where(visible_budgets(scope), Budget.id == budget_id)
    budget = await session.scalar(locked(statement) if lock else statement)
    if budget is None:
        raise NotFound("There is no such budget.")
    return budget


async def get_periods(session: AsyncSession, budget: Budget) -> Sequence[BudgetPeriod]:
    statement = select(BudgetPeriod).where(
        BudgetPeriod.organization_id == budget.organization_id, BudgetPeriod.budget_id == budget.id
    )
    return (await session.scalars(statement.order_by(BudgetPeriod.starts_on))).all()


async def attributed_transactions(
    session: AsyncSession, scope: Scope, budget_id: UUID
) -> Select[UUID]:
    """Ids of the transactions that count in the budget itself, wholly or by a split."""
    await get_budget(session, scope, budget_id)
    found = select(BudgetAttribution.transaction_id).where(
        BudgetAttribution.organization_id == scope.organization_id,
        BudgetAttribution.budget_id == budget_id,
        BudgetAttribution.transaction_id.is_not(None),  # which cloud costs have none of
    )
    return cast("Select[UUID]", found)


async def unknown_budgets(
    session: AsyncSession, scope: Scope, references: Sequence[Reference]
) -> list[FieldError]:
    return await unknown_references(
        session, Budget.id, visible_budgets(scope), references, "budget"
    )

"""What one period leaves the next, by the budget's policy."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.record import record
from backend.audit.states import state_of
from backend.budgets.figures import spending
from backend.budgets.models import Budget, BudgetPeriod, RolloverPolicy
from backend.budgets.performance import Spending
from backend.budgets.rules import Period, carried_over
from backend.budgets.tree import hold_trees
from backend.scope import Scope

State = dict[str, Any]


async def roll_over(
    session: AsyncSession, scope: Scope, today: date, budget_id: UUID | None = None
) -> list[UUID]:
    """Carry over what the periods that have ended leave those that have begun; the budgets changed.

    Reckoned anew from the first period on each time: bookings that came late correct what was
    carried, nothing is carried twice, and nothing into periods that begin after `today`. A deficit
    leaves a period what is committed in it; the rest of it goes on to the next. Of one budget, or
    of all that have a policy.
    """
    await hold_trees(session, scope)
    statement = select(Budget).where(
        Budget.organization_id == scope.organization_id, Budget.archived_at.is_(None)
    )
    if budget_id is None:
        statement = statement.where(Budget.rollover_policy != RolloverPolicy.NONE)
    else:
        statement = statement.where(Budget.id == budget_id)
    budgets = await session.scalars(statement.order_by(Budget.id))
    changed = []
    for budget in budgets.all():
        moved = await _roll_over(session, scope, budget, today)
        if moved:
            changed.append(budget.id)
        if moved or budget_id is not None:  # one that was asked for leaves its entry in any case
            await _record(session, scope, budget, moved)
    return changed


async def _roll_over(
    session: AsyncSession, scope: Scope, budget: Budget, today: date
) -> list[tuple[State, State]]:
    """The periods that changed, before and after."""
    periods = (
        await session.scalars(
            select(BudgetPeriod)
            .where(
                BudgetPeriod.organization_id == scope.organization_id,
                BudgetPeriod.budget_id == budget.id,
            )
            .order_by(BudgetPeriod.starts_on)
        )
    ).all()
    before: list[State] = [state_of(period, "budget_id") for period in periods]
    policy = RolloverPolicy(budget.rollover_policy)
    left = Decimal(0)
    for period in periods:
        planned = period.amount - period.carried
        carried = Decimal(0)
        if period.starts_on <= today:
            spent = await _spent(session, scope, period, today)
            carried = left
            if spent.committed > 0:
                carried = max(left, min(spent.committed - planned, Decimal(0)))
            left = carried_over(policy, planned + left - spent.total, budget.rollover_cap)
        period.carried, period.amount = carried, planned + carried
    after = [state_of(period, "budget_id") for period in periods]
    moved = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    if moved:
        budget.updated_at = func.now()
        await session.flush()
        await session.refresh(budget)
    return moved


async def _record(
    session: AsyncSession, scope: Scope, budget: Budget, moved: list[tuple[State, State]]
) -> None:
    before = {"periods": [old for old, _ in moved]}
    after = {"periods": [new for _, new in moved]}
    await record(session, scope, "roll_over", "budget", budget.id, before=before, after=after)


async def _spent(
    session: AsyncSession, scope: Scope, period: BudgetPeriod, today: date
) -> Spending:
    window = {period.budget_id: Period(period.starts_on, period.ends_on)}
    return (await spending(session, scope.organization_id, window, today))[period.budget_id]

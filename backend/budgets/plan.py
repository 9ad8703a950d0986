"""The periods of a budget, made ahead."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backend.budgets.models import Budget, BudgetPeriod
from backend.budgets.rules import Period


async def plan_periods(
    session: AsyncSession,
    budget: Budget,
    planned: Sequence[Period],
    *,
    new_amount_from: date | None = None,
) -> None:
    """Make `planned` the periods of the budget; what was moved into or carried over stays.

    New ones get the budget's amount. So do those that are there already and end on the day
    `new_amount_from` or later, or all of them where every one is over by then.
    """
    mine = (
        BudgetPeriod.organization_id == budget.organization_id,
        BudgetPeriod.budget_id == budget.id,
    )
    kept = {
        Period(row.starts_on, row.ends_on): row
        for row in await session.scalars(select(BudgetPeriod).where(*mine))
    }
    gone = [period.starts_on for period in kept.keys() - set(planned)]
    if gone:
        await session.execute(
            delete(BudgetPeriod).where(*mine, BudgetPeriod.starts_on.in_(gone)),
            execution_options={"synchronize_session": "fetch"},
        )
    if new_amount_from is not None:
        all_over = planned[-1].ends_on < new_amount_from
        for period in planned:
            if period in kept and (all_over or period.ends_on >= new_amount_from):
                kept[period].amount = budget.amount + kept[period].carried
        await session.flush()
    made = [period for period in planned if period not in kept]
    if made:
        await session.execute(
            insert(BudgetPeriod),
            [
                {
                    "organization_id": budget.organization_id,
                    "budget_id": budget.id,
                    "starts_on": period.starts_on,
                    "ends_on": period.ends_on,
                    "amount": budget.amount,
                }
                for period in made
            ],
        )

"""Where budgets stand on a day: the period that holds it, and their figures in that period."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backend.budgets.figures import spending
from backend.budgets.health import Health, health
from backend.budgets.models import Budget
from backend.budgets.performance import Performance, Spending, performance
from backend.budgets.rules import BudgetStatus, Condition, Period, condition, status
from backend.periods import today_in
from backend.scope import Scope


@dataclass(frozen=True, slots=True)
class Allocation:
    """`amount` is what may be spent in the period; `carried` is its part from those before it."""

    period: Period
    amount: Decimal
    carried: Decimal


@dataclass(frozen=True, slots=True)
class Standing:
    budget: Budget
    allocation: Allocation
    spending: Spending
    performance: Performance
    status: BudgetStatus
    condition: Condition
    health: Health

    @property
    def thresholds_reached(self) -> list[int]:
        used = self.performance.utilisation
        return [] if used is None else [t for t in self.budget.thresholds if t <= used]


def today_of(scope: Scope) -> date:
    """The day it is where the organization is; in UTC where its time zone is not known."""
    return today_in(scope.time_zone)


async def standings(
    session: AsyncSession, scope: Scope, budgets: Iterable[Budget], today: date
) -> dict[UUID, Standing]:
    """The budgets' own figures, whole; the caller has seen to it that these may be seen."""
    rows = {budget.id: budget for budget in budgets}
    held = await allocations(session, scope, rows, today)
    for budget in rows.values():  # one without periods is a single one
        whole = Period(budget.starts_on, budget.ends_on)
        held.setdefault(budget.id, Allocation(whole, budget.amount, Decimal(0)))
    spent = await spending(
        session, scope.organization_id, {n: a.period for n, a in held.items()}, today
    )
    return {n: _standing(row, held[n], spent[n], today) for n, row in rows.items()}


async def standing(session: AsyncSession, scope: Scope, budget: Budget, today: date) -> Standing:
    return (await standings(session, scope, [budget], today))[budget.id]


# Before its first period a budget stands in that one, after its last in that.
_PERIODS = text("""
SELECT DISTINCT ON (budget_id) budget_id, starts_on, ends_on, amount, carried
FROM budget_periods
WHERE organization_id = :organization AND budget_id = ANY (CAST(:ids AS uuid[]))
ORDER BY budget_id, starts_on <= :day DESC, abs(starts_on - :day)
""")


async def allocations(
    session: AsyncSession, scope: Scope, budget_ids: Iterable[UUID], day: date
) -> dict[UUID, Allocation]:
    """The period of each budget that holds the day, or is nearest to it."""
    rows = await session.execute(
        _PERIODS,
        {"organization": scope.organization_id, "ids": list(budget_ids), "day": day},
    )
    return {
        row.budget_id: Allocation(Period(row.starts_on, row.ends_on), row.amount, row.carried)
        for row in rows
    }


def _standing(budget: Budget, held: Allocation, spent: Spending, today: date) -> Standing:
    figures = performance(held.period, held.amount, spent, today)
    return Standing(
        budget=budget,
        allocation=held,
        spending=spent,
        performance=figures,
        status=status(
            archived=budget.archived_at is not None,
            span=Period(budget.starts_on, budget.ends_on),
            allocated=held.amount,
            spent=spent.total,
            today=today,
        ),
        condition=condition(
            allocated=held.amount,
            spent=spent.total,
            warning_threshold=budget.warning_threshold,
            critical_threshold=budget.critical_threshold,
        ),
        health=health(held.period, figures, spent, today),
    )

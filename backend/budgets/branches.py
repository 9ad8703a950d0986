"""A budget with all below it, in figures of one period: the sums of a tree agree in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from backend.budgets.figures import spending
from backend.budgets.models import Budget, BudgetPeriod
from backend.budgets.performance import Spending
from backend.budgets.queries import get_budget
from backend.budgets.rules import Period
from backend.budgets.standing import Standing, standings
from backend.budgets.visibility import visible_budget_ids
from backend.scope import Scope


@dataclass(slots=True)
class Branch:
    """`allocated` and `spending` are those of the tree's period, `standing` is the budget's own."""

    standing: Standing
    allocated: Decimal
    given: Decimal  # to children, whether the caller sees them or not
    spending: Spending
    children: list[Branch] = field(default_factory=list)

    @property
    def budget(self) -> Budget:
        return self.standing.budget


async def branch(
    session: AsyncSession, scope: Scope, budget_id: UUID, today: date
) -> tuple[Period, Branch]:
    """The tree below a budget, in that budget's period of the day.

    A budget that the caller may not see is left out, and what they see below it hangs on the
    nearest one above that they see; the figures of each are whole. Archived ones are left out.
    """
    top = await get_budget(session, scope, budget_id)
    below = await _below(session, scope, budget_id)
    visible = await visible_budget_ids(session, scope, below)
    shown = [row for row in below.values() if row.id in visible]
    shown = [row for row in shown if row.id == budget_id or row.archived_at is None]
    stand = await standings(session, scope, shown, today)
    period = stand[budget_id].allocation.period
    allocated = await _allocated(session, scope, below, period)
    windows = {row.id: period for row in shown}
    spent = await spending(session, scope.organization_id, windows, today)
    given = dict.fromkeys(below, Decimal(0))
    for row in below.values():
        if row.id != budget_id and row.archived_at is None and row.parent_id is not None:
            given[row.parent_id] += allocated.get(row.id, Decimal(0))
    nodes = {
        row.id: Branch(
            stand[row.id], allocated.get(row.id, Decimal(0)), given[row.id], spent[row.id]
        )
        for row in shown
    }
    for row in shown:
        if row.id != top.id:
            _nearest(below, nodes, row).children.append(nodes[row.id])
    return period, nodes[top.id]


def _nearest(below: dict[UUID, Budget], nodes: dict[UUID, Branch], row: Budget) -> Branch:
    above = row.parent_id
    while above is not None and above not in nodes:
        above = below[above].parent_id
    assert above is not None  # noqa: S101  # the top is shown, or there would be no tree
    return nodes[above]


async def _below(session: AsyncSession, scope: Scope, budget_id: UUID) -> dict[UUID, Budget]:
    """The budget and all below it, by name."""
    tree = (
        select(Budget.id)
        .where(Budget.organization_id == scope.organization_id, Budget.id == budget_id)
        .cte("tree", recursive=True)
    )
    child = aliased(Budget)
    tree = tree.union_all(
        select(child.id)
        .join(tree, child.parent_id == tree.c.id)
        .where(child.organization_id == scope.organization_id)
    )
    statement = select(Budget).where(
        Budget.organization_id == scope.organization_id, Budget.id.in_(select(tree.c.id))
    )
    rows = await session.scalars(statement.order_by(Budget.name, Budget.id))
    return {row.id: row for row in rows}


async def _allocated(
    session: AsyncSession, scope: Scope, below: dict[UUID, Budget], period: Period
) -> dict[UUID, Decimal]:
    """What each has in its periods within the tree's."""
    statement = (
        select(BudgetPeriod.budget_id, func.sum(BudgetPeriod.amount).label("amount"))
        .where(
            BudgetPeriod.organization_id == scope.organization_id,
            BudgetPeriod.budget_id.in_(below),
            BudgetPeriod.starts_on >= period.starts_on,
            BudgetPeriod.ends_on <= period.ends_on,
        )
        .group_by(BudgetPeriod.budget_id)
    )
    return {row.budget_id: row.amount for row in await session.execute(statement)}

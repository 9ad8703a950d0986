"""The expenses and refunds that count in a budget, line by line, and by which rule."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CHAR, Numeric, Select, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from backend.budgets.models import Budget
from backend.budgets.queries import get_budget
from backend.db.base import Views
from backend.db.keyset import Order, Window, windowed
from backend.scope import Scope


class BudgetLine(Views):
    """A line in the budget that it counts in; a refund's `amount` is negative.

    Cloud costs are summed up to one line a service and day, without a transaction; its `line_id` is
    the first of them.
    """

    __tablename__ = "budget_lines"

    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    line_id: Mapped[UUID] = mapped_column(primary_key=True)
    root_id: Mapped[UUID] = mapped_column(primary_key=True)
    budget_id: Mapped[UUID]
    rule: Mapped[str]
    rule_id: Mapped[UUID | None]
    transaction_id: Mapped[UUID | None]
    account_id: Mapped[UUID]
    date: Mapped[date]
    status: Mapped[str]
    kind: Mapped[str]
    description: Mapped[str]
    vendor: Mapped[str | None]
    amount: Mapped[Decimal] = mapped_column(Numeric(18, 4))
    currency: Mapped[str] = mapped_column(CHAR(3))


NEWEST_FIRST = Order((BudgetLine.date, BudgetLine.line_id), descending=True)


async def budget_lines(
    session: AsyncSession,
    scope: Scope,
    budget_id: UUID,
    window: Window,
    *,
    accounts: Select[UUID],
    from_date: date | None = None,
    to_date: date | None = None,
    status: str | None = None,
    own_only: bool = False,
) -> Sequence[BudgetLine]:
    """Those of a budget and all below it that lie on `accounts`: the ones the caller may see.

    The budget's figures count every line; the list names only what the caller could list anyway.
    """
    await get_budget(session, scope, budget_id)
    statement = select(BudgetLine).where(
        BudgetLine.organization_id == scope.organization_id,
        BudgetLine.account_id.in_(accounts),
        BudgetLine.amount.is_not(None),  # more than a ledger amount holds; figures count it as such
    )
    if own_only:
        statement = statement.where(BudgetLine.budget_id == budget_id)
    else:
        statement = statement.where(BudgetLine.budget_id.in_(_below(scope, budget_id)))
    if from_date is not None:
        statement = statement.where(BudgetLine.date >= from_date)
    if to_date is not None:
        statement = statement.where(BudgetLine.date <= to_date)
    if status is not None:
        statement = statement.where(BudgetLine.status == status)
    return (await session.scalars(windowed(statement, NEWEST_FIRST, window))).all()


def _below(scope: Scope, budget_id: UUID) -> Select[UUID]:
    below = (
        select(Budget.id)
        .where(Budget.organization_id == scope.organization_id, Budget.id == budget_id)
        .cte("below", recursive=True)
    )
    children = select(Budget.id).join(below, Budget.parent_id == below.c.id)
    below = below.union_all(children.where(Budget.organization_id == scope.organization_id))
    return select(below.c.id)

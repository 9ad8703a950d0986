"""Everything of a synthetic organization but its transactions."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.budgets.models import Budget, BudgetLevel, BudgetPeriod, BudgetType
from backend.db.copying import insert_records
from backend.ledger.models import Account, AccountShare, AccountType, Category, Tag
from backend.seeds.synthetic.plan import (
    ACCOUNTS_PER_PERSON,
    BUDGETS,
    CATEGORIES,
    CURRENCY,
    TAGS,
    YEARS,
    Plan,
    Rows,
)


async def add_frame(session: AsyncSession, plan: Plan, user_ids: list[UUID]) -> None:
    """The people are members already; every tenth account is shared with the next person."""
    accounts = range(len(user_ids) * ACCOUNTS_PER_PERSON)
    await insert_records(
        session,
        Account.__table__,
        ["id", "owner_id", "name", "type", "currency"],
        (
            (
                plan.id(Rows.ACCOUNT, number),
                user_ids[number // ACCOUNTS_PER_PERSON],
                f"Synthetic account {number + 1}",
                AccountType.CARD if number % 2 else AccountType.BANK,
                CURRENCY,
            )
            for number in accounts
        ),
    )
    if len(user_ids) > 1:
        await insert_records(
            session,
            AccountShare.__table__,
            ["account_id", "user_id"],
            (
                (
                    plan.id(Rows.ACCOUNT, number),
                    user_ids[(number // ACCOUNTS_PER_PERSON + 1) % len(user_ids)],
                )
                for number in accounts[::10]
            ),
        )
    for model, rows, count in ((Category, Rows.CATEGORY, CATEGORIES), (Tag, Rows.TAG, TAGS)):
        await insert_records(
            session,
            model.__table__,
            ["id", "name"],
            (
                (plan.id(rows, number), f"Synthetic {rows.name.lower()} {number + 1:02}")
                for number in range(count)
            ),
        )
    await _add_budgets(session, plan, owner_id=user_ids[0])


async def _add_budgets(session: AsyncSession, plan: Plan, *, owner_id: UUID) -> None:
    """A root and `BUDGETS` below it, with one period for every calendar year that is touched."""
    # Half of the transactions, some 100 each, over the budgets and years.
    amount = Decimal(1000 + plan.transactions * 50 // (BUDGETS * YEARS))
    years = range(plan.starts_on.year, plan.today.year + 1)
    for numbers in (range(1), range(1, BUDGETS + 1)):
        of_root = numbers.start == 0
        amount_here = amount * BUDGETS if of_root else amount
        await insert_records(
            session,
            Budget.__table__,
            ["id", "parent_id", "owner_id", "name", "level", "type", "amount", "currency",
             "starts_on", "ends_on"],
            (
                (
                    plan.id(Rows.BUDGET, number),
                    None if of_root else plan.id(Rows.BUDGET, 0),
                    owner_id,
                    "Synthetic budget" if of_root else f"Synthetic budget {number}",
                    BudgetLevel.ORGANIZATION if of_root else BudgetLevel.DEPARTMENT,
                    BudgetType.ANNUAL,
                    amount_here,
                    CURRENCY,
                    date(years[0], 1, 1),
                    date(years[-1], 12, 31),
                )
                for number in numbers
            ),
        )  # fmt: skip
        await insert_records(
            session,
            BudgetPeriod.__table__,
            ["budget_id", "starts_on", "ends_on", "amount"],
            (
                (plan.id(Rows.BUDGET, number), date(y, 1, 1), date(y, 12, 31), amount_here)
                for number in numbers
                for y in years
            ),
        )

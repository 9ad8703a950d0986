"""Rows for tests: each function adds one object with harmless defaults and returns it.

They run inside ``organization_session(engine, organization_id)``: row-level security holds too.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import TypeVar
from uuid import UUID, uuid4

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from backend.budgets.models import Budget, BudgetPeriod
from backend.db.base import Base
from backend.db.engine import organization_session
from backend.identity.models import Member, Organization
from backend.imports.models import Import
from backend.ledger.models import (
    Account,
    AccountShare,
    BalanceSnapshot,
    Category,
    FxRate,
    Tag,
    Transaction,
    TransactionSplit,
    TransactionTag,
)
from backend.scope import Role, Scope
from backend.usage.models import CloudCost

_numbers = count(1)
Row = TypeVar("Row", bound=Base)


async def make_organization(engine: AsyncEngine, **values: object) -> UUID:
    """An organization without members; answers its id."""
    identity = uuid4()
    async with organization_session(engine, identity) as session:
        defaults = {"name": f"Organization {next(_numbers)}", "base_currency": "EUR"}
        session.add(Organization(id=identity, **(defaults | values)))
    return identity


async def make_member(
    engine: AsyncEngine,
    organization_id: UUID,
    role: Role = Role.OWNER,
    *,
    name: str | None = None,
    email: str | None = None,
    password_hash: str | None = None,
) -> Scope:
    """A new user in the organization; answers the scope they would get without shares."""
    async with organization_session(engine, organization_id) as session:
        number = next(_numbers)
        user_id = await session.scalar(
            select(
                func.create_user(
                    email or f"user{number}-{uuid4().hex[:8]}@example.com",
                    name or f"User {number}",
                    password_hash,
                )
            )
        )
        session.add(Member(user_id=user_id, organization_id=organization_id, role=role))
        organization = await session.get_one(Organization, organization_id)
        return Scope(
            user_id=user_id,
            organization_id=organization_id,
            role=role,
            base_currency=organization.base_currency,
            time_zone=organization.time_zone,
            fiscal_year_start_month=organization.fiscal_year_start_month,
        )


async def _add(session: AsyncSession, row: Row) -> Row:
    session.add(row)
    await session.flush()
    return row


async def add_account(session: AsyncSession, owner_id: UUID, **values: object) -> Account:
    defaults = {"name": f"Account {next(_numbers)}", "type": "bank", "currency": "EUR"}
    return await _add(session, Account(owner_id=owner_id, **(defaults | values)))


async def share_account(session: AsyncSession, account_id: UUID, user_id: UUID) -> None:
    await _add(session, AccountShare(account_id=account_id, user_id=user_id))


async def add_category(session: AsyncSession, **values: object) -> Category:
    return await _add(session, Category(**({"name": f"Category {next(_numbers)}"} | values)))


async def add_tag(session: AsyncSession, **values: object) -> Tag:
    return await _add(session, Tag(**({"name": f"Tag {next(_numbers)}"} | values)))


async def add_transaction(
    session: AsyncSession, account_id: UUID, *, tag_ids: tuple[UUID, ...] = (), **values: object
) -> Transaction:
    defaults = {
        "kind": "expense",
        "date": date(2025, 3, 10),
        "amount": Decimal("10.00"),
        "currency": "EUR",
        "description": f"Transaction {next(_numbers)}",
    }
    row = await _add(session, Transaction(account_id=account_id, **(defaults | values)))
    for tag_id in tag_ids:
        await _add(session, TransactionTag(transaction_id=row.id, tag_id=tag_id))
    return row


async def add_split(
    session: AsyncSession, transaction_id: UUID, amount: Decimal, **values: object
) -> TransactionSplit:
    return await _add(
        session, TransactionSplit(transaction_id=transaction_id, amount=amount, **values)
    )


async def add_balance(
    session: AsyncSession, account_id: UUID, on: date, balance: Decimal
) -> BalanceSnapshot:
    return await _add(session, BalanceSnapshot(account_id=account_id, date=on, balance=balance))


async def add_rate(session: AsyncSession, base: str, quote: str, on: date, rate: Decimal) -> FxRate:
    return await _add(
        session,
        FxRate(base_currency=base, quote_currency=quote, date=on, rate=rate, source="test"),
    )


async def add_cloud_cost(session: AsyncSession, account_id: UUID, **values: object) -> CloudCost:
    """A row of a bill, with the import that it came with."""
    instant = datetime(2025, 3, 10, tzinfo=UTC)
    made = await _add(
        session,
        Import(
            account_id=account_id,
            format="focus",
            sha256="0" * 64,
            created=1,
            duplicates=0,
            failed=0,
        ),
    )
    defaults = {
        "import_id": made.id,
        "row_digest": uuid4().bytes,
        "provider": "AWS",
        "service_name": "Amazon Simple Storage Service",
        "charge_category": "Usage",
        "charge_period_start": instant,
        "charge_period_end": instant + timedelta(hours=1),
        "billing_period_start": instant,
        "billing_period_end": instant + timedelta(days=20),
        "billed_cost": Decimal(1),
        "effective_cost": Decimal(1),
        "billing_currency": "EUR",
        "raw": {},
    }
    return await _add(session, CloudCost(account_id=account_id, **(defaults | values)))


async def add_budget(session: AsyncSession, owner_id: UUID, **values: object) -> Budget:
    """A budget with one period over its whole range."""
    defaults = {
        "id": uuid4(),
        "name": f"Budget {next(_numbers)}",
        "level": "department",
        "type": "custom",
        "amount": Decimal("1000.00"),
        "currency": "EUR",
        "starts_on": date(2025, 1, 1),
        "ends_on": date(2025, 12, 31),
    }
    row = await _add(session, Budget(owner_id=owner_id, **(defaults | values)))
    await _add(
        session,
        BudgetPeriod(
            budget_id=row.id, starts_on=row.starts_on, ends_on=row.ends_on, amount=row.amount
        ),
    )
    return row

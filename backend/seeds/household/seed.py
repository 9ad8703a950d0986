"""A generated household: two partners who share some accounts and keep others private."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from backend.budgets.models import Budget, BudgetLevel, BudgetPeriod, BudgetShare, BudgetType
from backend.db.copying import insert_records
from backend.db.engine import organization_session
from backend.identity.models import OrganizationKind
from backend.ledger.models import (
    Account,
    AccountShare,
    BalanceSnapshot,
    Category,
    Connection,
    FxRate,
    Institution,
    Tag,
    Transaction,
    TransactionSplit,
    TransactionTag,
)
from backend.seeds.audit import record_seed
from backend.seeds.household.budgets import MonthlyBudget, budget_id, budget_names, plan_budgets
from backend.seeds.household.ledger import Ledger, generate_ledger, generate_rates
from backend.seeds.household.movement import Movement
from backend.seeds.household.plan import ACCOUNTS, CATEGORIES, INSTITUTIONS, PEOPLE
from backend.seeds.organization import create_organization, seed_organization_id
from backend.seeds.people import add_members
from backend.seeds.report import SeedReport, report

ORGANIZATION_ID = seed_organization_id("household")

_CURRENCY = {account.key: account.currency for account in ACCOUNTS}
_BUDGET = {category: budget_id(ORGANIZATION_ID, name) for category, name in budget_names().items()}


async def seed_household(
    engine: AsyncEngine, *, today: date, seed: int = 1, password: str | None = None
) -> SeedReport:
    """Generate three years that end with `today`; one that is there already keeps its own end."""
    async with organization_session(engine, ORGANIZATION_ID) as session:
        if not await create_organization(
            session,
            "Household (generated)",
            kind=OrganizationKind.HOUSEHOLD,
            base_currency="EUR",
            time_zone="Europe/Berlin",
        ):
            return await report(session, created=False)
        ledger = generate_ledger(today, seed=seed)
        users = await add_members(session, PEOPLE, password=password)
        await _add_accounts(session, users)
        await _add_vocabulary(session, ledger)
        root, children = plan_budgets(ledger, ORGANIZATION_ID)
        await _add_budgets(session, [root], users, BudgetLevel.ORGANIZATION)
        await _add_budgets(session, children, users, BudgetLevel.DEPARTMENT)
        await _add_movements(session, ledger)
        await _add_days(session, ledger, seed)
        await record_seed(session)
        return await report(
            session,
            created=True,
            rows_read=0,
            findings=["Everything here is generated, exchange rates included; nobody is real."],
        )


async def _add_accounts(session: AsyncSession, users: Mapping[str, UUID]) -> None:
    await session.execute(
        insert(Institution),
        [{"id": _id("institution", name), "name": name, "country": "DE"} for name in INSTITUTIONS],
    )
    await session.execute(
        insert(Connection),
        [
            {
                "id": _id("connection", name),
                "institution_id": _id("institution", name),
                "provider": "generated",
                "status": status,
            }
            for name, status in INSTITUTIONS.items()
        ],
    )
    await session.execute(
        insert(Account),
        [
            {
                "id": _id("account", account.key),
                "owner_id": users[account.owner.email],
                "institution_id": _id("institution", account.institution),
                "connection_id": _id("connection", account.institution),
                "name": account.name,
                "type": account.type,
                "currency": account.currency,
                "credit_limit": account.credit_limit,
                "external_id": f"generated-{account.key}",
            }
            for account in ACCOUNTS
        ],
    )
    await session.execute(
        insert(AccountShare),
        [
            {
                "account_id": _id("account", account.key),
                "user_id": users[account.shared_with.email],
            }
            for account in ACCOUNTS
            if account.shared_with is not None
        ],
    )


async def _add_vocabulary(session: AsyncSession, ledger: Ledger) -> None:
    await session.execute(
        insert(Category),
        [  # parents come before their children
            {
                "id": _id("category", category.name),
                "parent_id": None if category.parent is None else _id("category", category.parent),
                "name": category.name,
                "colour": category.colour,
                "icon": category.icon,
            }
            for category in CATEGORIES
        ],
    )
    tags = {tag for movement in ledger.movements for tag in movement.tags}
    tags |= {part.tag for m in ledger.movements for part in m.parts if part.tag is not None}
    await session.execute(
        insert(Tag), [{"id": _id("tag", name), "name": name} for name in sorted(tags)]
    )


async def _add_budgets(
    session: AsyncSession,
    budgets: list[MonthlyBudget],
    users: Mapping[str, UUID],
    level: BudgetLevel,
) -> None:
    await insert_records(
        session,
        Budget.__table__,
        ["id", "parent_id", "owner_id", "name", "level", "type", "amount", "currency",
         "starts_on", "ends_on"],
        (
            (b.id, b.parent_id, users[b.owner.email], b.name, level, BudgetType.MONTHLY, b.amount,
             "EUR", b.periods[0].starts_on, b.periods[-1].ends_on)
            for b in budgets
        ),
    )  # fmt: skip
    await insert_records(
        session,
        BudgetPeriod.__table__,
        ["budget_id", "starts_on", "ends_on", "amount"],
        ((budget.id, *period) for budget in budgets for period in budget.periods),
    )
    await insert_records(
        session,
        BudgetShare.__table__,
        ["budget_id", "user_id"],
        ((b.id, users[b.shared_with.email]) for b in budgets if b.shared_with is not None),
    )


async def _add_movements(session: AsyncSession, ledger: Ledger) -> None:
    numbered = list(_numbered(ledger))
    await insert_records(
        session,
        Transaction.__table__,
        ["id", "account_id", "counter_account_id", "kind", "status", "date", "amount", "currency",
         "description", "category_id", "budget_id", "vendor", "payment_method", "external_id"],
        (_transaction(external_id, movement) for external_id, movement in numbered),
    )  # fmt: skip
    await insert_records(
        session,
        TransactionTag.__table__,
        ["transaction_id", "tag_id"],
        (
            (_id("transaction", external_id), _id("tag", tag))
            for external_id, movement in numbered
            for tag in movement.tags
        ),
    )
    await insert_records(
        session,
        TransactionSplit.__table__,
        ["id", "transaction_id", "amount", "category_id", "budget_id", "tag_id"],
        (
            (
                _id("split", external_id, part.category),
                _id("transaction", external_id),
                part.amount,
                _id("category", part.category),
                _BUDGET.get(part.category),
                None if part.tag is None else _id("tag", part.tag),
            )
            for external_id, movement in numbered
            for part in movement.parts
        ),
    )


def _numbered(ledger: Ledger) -> Iterator[tuple[str, Movement]]:
    """Each movement with its external id: its day and its place in it."""
    place, day = 0, date.min
    for movement in ledger.movements:
        place = place + 1 if movement.date == day else 1
        day = movement.date
        yield f"generated-{day}-{place}", movement


def _transaction(external_id: str, movement: Movement) -> tuple[Any, ...]:
    category, counter = movement.category, movement.counter_account
    return (
        _id("transaction", external_id),
        _id("account", movement.account),
        None if counter is None else _id("account", counter),
        movement.kind,
        movement.status,
        movement.date,
        movement.amount,
        _CURRENCY[movement.account],
        f"{movement.description} (generated)",
        None if category is None else _id("category", category),
        None if category is None else _BUDGET.get(category),
        movement.vendor,
        movement.method,
        external_id,
    )


async def _add_days(session: AsyncSession, ledger: Ledger, seed: int) -> None:
    await insert_records(
        session,
        BalanceSnapshot.__table__,
        ["account_id", "date", "balance"],
        ((_id("account", key), day, value) for (key, day), value in ledger.balances.items()),
    )
    await insert_records(
        session,
        FxRate.__table__,
        ["base_currency", "quote_currency", "date", "rate", "source"],
        (("EUR", "CHF", day, rate, "generated") for day, rate in generate_rates(ledger, seed=seed)),
    )


def _id(*parts: str) -> UUID:
    return uuid5(ORGANIZATION_ID, "/".join(parts))

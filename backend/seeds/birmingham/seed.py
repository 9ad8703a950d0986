"""Birmingham City Council: a real purchase-card ledger with invented people around it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from backend.budgets.models import Budget, BudgetLevel, BudgetPeriod, BudgetShare, BudgetType
from backend.db.copying import insert_records, refresh_statistics
from backend.db.engine import organization_session
from backend.identity.models import OrganizationKind
from backend.ledger.models import (
    Account,
    AccountShare,
    AccountType,
    Category,
    Institution,
    PaymentMethod,
    Tag,
    Transaction,
    TransactionKind,
    TransactionStatus,
    TransactionTag,
)
from backend.scope import ApprovalLevel, Role
from backend.seeds.audit import record_seed
from backend.seeds.birmingham.budgets import (
    BudgetLine,
    Place,
    budget_of,
    missing_places,
    plan_budgets,
)
from backend.seeds.birmingham.source import (
    PURCHASE_CARDS,
    Purchase,
    PurchaseCards,
    read_purchase_cards,
)
from backend.seeds.organization import create_organization, seed_organization_id
from backend.seeds.people import Person, add_members
from backend.seeds.report import SeedReport, report

ORGANIZATION_ID = seed_organization_id("birmingham")

OWNER = Person(
    "finance.director@birmingham.example",
    "Finance Director (demo)",
    Role.OWNER,
    ApprovalLevel.EXECUTIVE,
)
MEMBER = Person("card.holder@birmingham.example", "Card Holder (demo)", Role.MEMBER)
VIEWER = Person("councillor@birmingham.example", "Councillor (demo)", Role.VIEWER)
PEOPLE = (
    OWNER,
    Person("head.of.systems@birmingham.example", "Head of Systems (demo)", Role.ADMIN),
    Person(
        "card.manager@birmingham.example",
        "Card Manager (demo)",
        Role.MANAGER,
        ApprovalLevel.MANAGER,
    ),
    Person("analyst@birmingham.example", "Spending Analyst (demo)", Role.ANALYST),
    MEMBER,
    VIEWER,
)
# The busiest cards are the member's; the next is shared with them, the one after with the viewer.
MEMBERS_CARDS = 5


async def seed_birmingham(
    engine: AsyncEngine, *, path: Path = PURCHASE_CARDS, password: str | None = None
) -> SeedReport:
    """Import the ledger as it is published; what is odd in it is in the report's findings."""
    async with organization_session(engine, ORGANIZATION_ID) as session:
        if not await create_organization(
            session,
            "Birmingham City Council",
            kind=OrganizationKind.COMPANY,
            base_currency="GBP",
            time_zone="Europe/London",
            fiscal_year_start_month=4,
        ):
            return await report(session, created=False)
        source = await asyncio.to_thread(read_purchase_cards, path)
        budgets = plan_budgets(source, ORGANIZATION_ID)
        users = await add_members(session, PEOPLE, password=password)
        await _add_cards(session, source, users)
        await _add_vocabulary(session, source)
        await _add_budgets(session, budgets, owner_id=users[OWNER.email])
        await refresh_statistics(session)
        await _add_purchases(session, source, budgets)
        await _share(session, source, budgets, users)
        await record_seed(session)
        return await report(
            session,
            created=True,
            rows_read=len(source.purchases),
            findings=[*source.findings, *missing_places(source, budgets)],
        )


async def _add_cards(
    session: AsyncSession, source: PurchaseCards, users: Mapping[str, UUID]
) -> None:
    issuer = _id("institution", "card issuer")
    await insert_records(
        session,
        Institution.__table__,
        ["id", "name", "country"],
        [(issuer, "Purchase card issuer (not published)", "GB")],
    )
    await insert_records(
        session,
        Account.__table__,
        ["id", "owner_id", "institution_id", "name", "type", "currency", "external_id"],
        (
            (
                _id("account", card),
                users[MEMBER.email if rank < MEMBERS_CARDS else OWNER.email],
                issuer,
                f"Purchase {card}",
                AccountType.CARD,
                "GBP",
                card,
            )
            for rank, card in enumerate(source.cards)
        ),
    )


async def _add_vocabulary(session: AsyncSession, source: PurchaseCards) -> None:
    await insert_records(
        session,
        Category.__table__,
        ["id", "name", "description"],
        (
            (_id("category", name), name, f"Account code {code}")
            for name, code in source.categories.items()
        ),
    )
    await insert_records(
        session,
        Tag.__table__,
        ["id", "name"],
        [
            *((_id("vat", code), f"VAT {code}") for code in source.vat_codes),
            *(
                (_id("cost centre", code), f"Cost centre {code} {name}")
                for code, name in source.cost_centres.items()
            ),
        ],
    )


async def _add_budgets(
    session: AsyncSession, budgets: Mapping[Place, BudgetLine], *, owner_id: UUID
) -> None:
    for level in (BudgetLevel.ORGANIZATION, BudgetLevel.DEPARTMENT, BudgetLevel.SERVICE):
        # A trigger takes the root from the parent, which must be there before its children.
        await insert_records(
            session,
            Budget.__table__,
            [*BudgetLine._fields, "owner_id", "type", "currency"],
            (
                (*budget, owner_id, BudgetType.ANNUAL, "GBP")
                for budget in budgets.values()
                if budget.level is level
            ),
        )
    await insert_records(
        session,
        BudgetPeriod.__table__,
        ["budget_id", "starts_on", "ends_on", "amount"],
        ((b.id, b.starts_on, b.ends_on, b.amount) for b in budgets.values()),
    )


async def _add_purchases(
    session: AsyncSession, source: PurchaseCards, budgets: Mapping[Place, BudgetLine]
) -> None:
    await insert_records(
        session,
        Transaction.__table__,
        _TRANSACTION,
        (_transaction(purchase, budget_of(purchase, budgets)) for purchase in source.purchases),
    )
    await insert_records(
        session, TransactionTag.__table__, ["transaction_id", "tag_id"], _tagged(source)
    )


_TRANSACTION = [
    "id",
    "account_id",
    "kind",
    "status",
    "date",
    "amount",
    "currency",
    "description",
    "category_id",
    "budget_id",
    "vendor",
    "payment_method",
    "external_id",
]


def _transaction(purchase: Purchase, budget: BudgetLine | None) -> tuple[Any, ...]:
    paid_back = purchase.amount < 0
    return (
        _id("transaction", purchase.external_id),
        _id("account", purchase.card_id),
        TransactionKind.REFUND if paid_back else TransactionKind.EXPENSE,
        TransactionStatus.PAID,
        purchase.date,
        abs(purchase.amount),
        purchase.currency,
        " · ".join(filter(None, (purchase.vendor, purchase.cost_centre, purchase.directorate))),
        None if purchase.category is None else _id("category", purchase.category),
        None if budget is None else budget.id,
        purchase.vendor,
        PaymentMethod.CREDIT_CARD,
        purchase.external_id,
    )


def _tagged(source: PurchaseCards) -> Iterator[tuple[UUID, UUID]]:
    for purchase in source.purchases:
        transaction_id = _id("transaction", purchase.external_id)
        if purchase.vat_code is not None:
            yield transaction_id, _id("vat", purchase.vat_code)
        if purchase.cost_centre_code:
            yield transaction_id, _id("cost centre", purchase.cost_centre_code)


async def _share(
    session: AsyncSession,
    source: PurchaseCards,
    budgets: Mapping[Place, BudgetLine],
    users: Mapping[str, UUID],
) -> None:
    """A card each for the member and the viewer, and the budget the member's cards use most."""
    for_member, for_viewer = source.cards[MEMBERS_CARDS : MEMBERS_CARDS + 2]
    await session.execute(
        insert(AccountShare),
        [
            {"account_id": _id("account", for_member), "user_id": users[MEMBER.email]},
            {"account_id": _id("account", for_viewer), "user_id": users[VIEWER.email]},
        ],
    )
    own_cards = set(source.cards[:MEMBERS_CARDS])
    newest = max(place[0] for place in budgets)
    used = Counter(
        budget.id
        for purchase in source.purchases
        if purchase.card_id in own_cards
        and purchase.fiscal_year == newest
        and (budget := budget_of(purchase, budgets)) is not None
    )
    [(most_used, _)] = used.most_common(1)
    await session.execute(
        insert(BudgetShare), [{"budget_id": most_used, "user_id": users[MEMBER.email]}]
    )


@lru_cache(maxsize=8192)  # cards, categories and tags come back thousands of times
def _id(*parts: str) -> UUID:
    return uuid5(ORGANIZATION_ID, "/".join(parts))

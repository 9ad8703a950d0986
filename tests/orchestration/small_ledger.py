"""A ledger that touches every mart and builds in a moment."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from backend.db.engine import create_engine, organization_session
from backend.scope import Scope
from backend.settings import Settings
from tests import server
from tests.factories import (
    add_account,
    add_balance,
    add_budget,
    add_category,
    add_rate,
    add_split,
    add_tag,
    add_transaction,
    make_member,
    make_organization,
)

UNUSED_TAG = "On nothing yet"


async def add_small_ledger(settings: Settings) -> Scope:
    """Two currencies, a split, tags, a budget and balances of this week; answers the owner."""
    engine = create_engine(settings.role_url("outlay_app", driver="asyncpg"), pool_size=1)
    today = datetime.now(UTC).date()
    yesterday = today - timedelta(days=1)
    try:
        organization = await make_organization(engine)
        owner = await make_member(engine, organization)
        async with organization_session(engine, organization) as session:
            account = await add_account(session, owner.user_id)
            dollars = await add_account(session, owner.user_id, currency="USD", type="card")
            category = await add_category(session)
            tag = await add_tag(session)
            await add_tag(session, name=UNUSED_TAG)
            budget = await add_budget(
                session, owner.user_id, starts_on=yesterday, ends_on=today + timedelta(days=1)
            )
            await add_rate(session, "EUR", "USD", yesterday, Decimal("1.25"))
            await add_transaction(
                session,
                account.id,
                date=yesterday,
                category_id=category.id,
                budget_id=budget.id,
                tag_ids=(tag.id,),
            )
            await add_transaction(session, account.id, kind="income", date=today)
            split = await add_transaction(
                session, dollars.id, date=today, currency="USD", amount=Decimal("30.00")
            )
            await add_split(session, split.id, Decimal("10.00"), category_id=category.id)
            await add_split(session, split.id, Decimal("20.00"), tag_id=tag.id)
            await add_balance(session, account.id, yesterday, Decimal("512.34"))
        return owner
    finally:
        await engine.dispose()


@contextmanager
def instance_with_ledger(server_url: str, home: Path) -> Iterator[Settings]:
    """An instance with the small ledger in a database of its own; for fixtures of whole modules."""
    url = asyncio.run(server.clone(server_url))
    settings = server.settings_for(home, url)
    asyncio.run(add_small_ledger(settings))
    yield settings
    asyncio.run(server.drop(url))

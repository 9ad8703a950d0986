"""A small ledger whose figures can be added up by hand, and its marts.

The household keeps EUR and has two members. A neighbour uses the very same ids in an organization
of its own, and the vault holds amounts of eighteen digits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import duckdb
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.db.engine import create_engine, organization_session
from backend.ledger.models import Connection, Institution
from backend.settings import Settings
from backend.warehouse.extract import TARGET_FILE, Extraction, extract
from tests import factories as make
from tests import server
from tests.warehouse.dbt_runner import run_dbt

BIGGEST = Decimal("99999999999999.9999")


def march(day: int) -> date:
    return date(2025, 3, day)


@dataclass(frozen=True, slots=True)
class Built:
    """The finished build and the ids of what is in it, by name."""

    folder: Path
    extraction: Extraction
    ids: dict[str, UUID]

    @property
    def snapshot_date(self) -> date:
        return self.extraction.taken_at.astimezone(UTC).date()

    def rows(self, query: str, *names: str) -> list[tuple[Any, ...]]:
        """`query` over the marts; each of `names` is bound as the id it stands for."""
        with duckdb.connect(self.folder / TARGET_FILE, read_only=True) as connection:
            connection.execute("USE outlay.marts")
            return connection.execute(query, [self.ids[name] for name in names]).fetchall()


@contextmanager
def built_example(server_url: str, folder: Path, *arguments: str) -> Iterator[Built]:
    """Fill a database, extract it into `folder` and run dbt there with `arguments`."""
    url = asyncio.run(server.clone(server_url))
    try:
        settings = server.settings_for(folder / "home", url)
        ids = asyncio.run(_fill(settings))
        build = folder / "build"
        source = settings.role_url("outlay_extract").render_as_string(hide_password=False)
        extraction = extract(source, build)
        run_dbt(build, *arguments)
        yield Built(build, extraction, ids)
    finally:
        asyncio.run(server.drop(url))


async def _fill(settings: Settings) -> dict[str, UUID]:
    engine = create_engine(settings.role_url("outlay_app", driver="asyncpg"), pool_size=1)
    try:
        ids = await _household(engine)
        ids["neighbour"] = await _neighbour(engine, ids)
        ids["vault"] = await _vault(engine)
    finally:
        await engine.dispose()
    return ids


async def _household(engine: AsyncEngine) -> dict[str, UUID]:
    household = await make.make_organization(engine, base_currency="EUR")
    ann = (await make.make_member(engine, household)).user_id
    bob = (await make.make_member(engine, household)).user_id
    async with organization_session(engine, household) as session:
        bank = Institution(name="First Bank")
        session.add(bank)
        await session.flush()
        link = Connection(institution_id=bank.id, provider="openbank", status="expired")
        session.add(link)
        await session.flush()
        current = await make.add_account(session, ann, connection_id=link.id, name="Current")
        card = await make.add_account(session, bob, type="card", currency="USD", name="Card")
        closed = await make.add_account(session, ann, status="closed", name="Old")
        food = await make.add_tag(session, name="food")
        fun = await make.add_tag(session, name="fun")
        gifts = await make.add_tag(session, name="gifts")
        living = await make.add_category(session, name="Living")
        groceries = await make.add_category(session, name="Groceries", parent_id=living.id)
        city = await make.add_budget(session, ann, name="City", amount=Decimal(1000))
        team = await make.add_budget(
            session, bob, name="Team", parent_id=city.id, currency="USD", amount=Decimal(100)
        )
        await make.add_rate(session, "USD", "EUR", march(8), Decimal("0.9"))

        async def book(kind: str, amount: str, day: int, **values: object) -> UUID:
            row = await make.add_transaction(
                session,
                **{"account_id": current.id}
                | {"kind": kind, "amount": Decimal(amount), "date": march(day)}
                | values,
            )
            return row.id

        await book("income", "3000", 1)
        tagged = await book(
            "expense", "100", 10, tag_ids=(fun.id, food.id), category_id=groceries.id,
            budget_id=team.id,
        )  # fmt: skip
        await book("expense", "40", 10, status="pending", budget_id=city.id)
        await book("refund", "15", 11, tag_ids=(food.id,), budget_id=team.id)
        await book("expense", "999", 11, status="cancelled", tag_ids=(food.id,), budget_id=city.id)
        await book("expense", "888", 11, status="refunded", tag_ids=(food.id,), budget_id=city.id)
        await book("transfer", "500", 12, counter_account_id=closed.id)
        divided = await book("expense", "90", 13, tag_ids=(food.id,), category_id=living.id)
        await make.add_split(
            session, divided, Decimal(60), tag_id=gifts.id, category_id=groceries.id
        )
        await make.add_split(session, divided, Decimal(30), description="the rest")
        await book("expense", "777", 14, tag_ids=(food.id,), deleted_at=datetime.now(UTC))
        foreign = {"account_id": card.id, "currency": "USD"}
        await book("expense", "10", 14, **foreign)
        unconverted = await book("expense", "20", 20, budget_id=team.id, **foreign)
        for day, cost in ((14, "0.000000800001"), (20, "5")):
            await make.add_cloud_cost(
                session,
                card.id,
                service_name="Queue",
                region_id="eu-west-1",
                region_name="Ireland",
                charge_period_start=datetime(2025, 3, day, 23, tzinfo=UTC),
                charge_period_end=datetime(2025, 3, day + 1, tzinfo=UTC),
                billed_cost=Decimal(0),
                effective_cost=Decimal(cost),
                billing_currency="USD",
            )
        for account, day, balance in (
            (current, 1, "1000"),
            (current, 5, "-900.5"),
            (card, 8, "-50"),
            (closed, 2, "7"),
            (closed, 4, "0"),
        ):
            await make.add_balance(session, account.id, march(day), Decimal(balance))
    return {
        "household": household,
        "ann": ann,
        "bob": bob,
        "bank": bank.id,
        "current": current.id,
        "card": card.id,
        "closed": closed.id,
        "food": food.id,
        "fun": fun.id,
        "gifts": gifts.id,
        "living": living.id,
        "groceries": groceries.id,
        "city": city.id,
        "team": team.id,
        "tagged": tagged,
        "divided": divided,
        "unconverted": unconverted,
    }


async def _neighbour(engine: AsyncEngine, ids: dict[str, UUID]) -> UUID:
    organization = await make.make_organization(engine, base_currency="GBP")
    owner = (await make.make_member(engine, organization)).user_id
    async with organization_session(engine, organization) as session:
        await make.add_account(session, owner, id=ids["current"], currency="GBP")
        await make.add_tag(session, id=ids["food"], name="food of the neighbour")
        await make.add_transaction(
            session,
            ids["current"],
            id=ids["tagged"],
            amount=Decimal(7),
            currency="GBP",
            date=march(10),
            tag_ids=(ids["food"],),
        )
    return organization


async def _vault(engine: AsyncEngine) -> UUID:
    organization = await make.make_organization(engine, base_currency="JPY")
    owner = (await make.make_member(engine, organization)).user_id
    async with organization_session(engine, organization) as session:
        account = await make.add_account(session, owner, id=uuid4())
        await make.add_rate(session, "EUR", "JPY", march(10), Decimal(160))
        for _ in range(2):
            await make.add_transaction(session, account.id, amount=BIGGEST, date=march(10))
        await make.add_balance(session, account.id, march(10), -BIGGEST)
    return organization

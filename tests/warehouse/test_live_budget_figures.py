"""Live figures of budgets and those of the marts are one definition, held together here."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import duckdb
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.budgets.figures import spending
from backend.budgets.models import Budget, BudgetPeriod, BudgetRule
from backend.budgets.performance import Spending
from backend.budgets.rules import Period
from backend.db.engine import create_engine, organization_session
from backend.settings import Settings
from backend.warehouse.extract import TARGET_FILE, extract
from backend.warehouse.reconcile import reconcile
from tests import factories as make
from tests.warehouse.dbt_runner import run_dbt

Live = dict[tuple[UUID, date], tuple[Decimal, Spending]]


async def test_a_period_is_the_same_live_and_in_the_marts(
    settings: Settings, tmp_path: Path
) -> None:
    live = await _live(settings)
    build = tmp_path / "build"
    source = settings.role_url("outlay_extract").render_as_string(hide_password=False)
    await asyncio.to_thread(extract, source, build)
    await asyncio.to_thread(run_dbt, build, "--warn-error", "build")
    with duckdb.connect(build / TARGET_FILE, read_only=True) as connection:
        rows = connection.execute(
            "SELECT budget_id, period_starts_on, allocated, own_spent_to_date, "
            "subtree_spent_to_date, unconverted_to_date "
            "FROM outlay.marts.fct_budget_daily WHERE budget_date = period_ends_on"
        ).fetchall()
    marts = {(row[0], row[1]): tuple(row[2:]) for row in rows}
    assert marts == {
        key: (allocated, spent.own, spent.total, spent.unconverted)
        for key, (allocated, spent) in live.items()
    }
    assert sum(spent.unconverted for _, spent in live.values()) > 0
    assert len({spent.total for _, spent in live.values()}) > 5
    found = [c for c in reconcile(build) if c.fact.startswith("fct_budget_daily")]
    assert found
    assert all(comparison.agrees for comparison in found)


async def _live(settings: Settings) -> Live:
    engine = create_engine(settings.role_url("outlay_app", driver="asyncpg"), pool_size=1)
    organization = await make.make_organization(engine)
    owner = (await make.make_member(engine, organization)).user_id
    async with organization_session(engine, organization) as session:
        await _fill(session, owner)
    live: Live = {}
    async with organization_session(engine, organization) as session:
        for period in (await session.scalars(select(BudgetPeriod))).all():
            window = {period.budget_id: Period(period.starts_on, period.ends_on)}
            spent = await spending(session, organization, window, period.ends_on)
            key = (period.budget_id, period.starts_on)
            live[key] = (period.amount, spent[period.budget_id])
    await engine.dispose()
    return live


async def _fill(session: AsyncSession, owner: UUID) -> None:
    """Two trees, one with months, a child in dollars, rules, splits, and days without a rate."""
    chance = random.Random(3)  # noqa: S311  # repeatable is what is wanted
    account = await make.add_account(session, owner)
    living = await make.add_category(session)
    food = await make.add_category(session, parent_id=living.id)
    tag = await make.add_tag(session)
    for day in range(0, 300, 13):
        on = date(2025, 1, 5) + timedelta(days=day)
        rate = Decimal(chance.randint(8000, 9999)) / 10_000
        await make.add_rate(session, "USD", "EUR", on, rate)
    year = await make.add_budget(session, owner, amount=Decimal(9000))
    months = await _monthly(session, owner, year)
    dollars = await make.add_budget(
        session, owner, parent_id=year.id, currency="USD", amount=Decimal(500)
    )
    other = await make.add_budget(session, owner)
    session.add_all(
        [
            BudgetRule(budget_id=months.id, category_id=living.id),
            BudgetRule(budget_id=dollars.id, category_id=food.id, tag_id=tag.id),
            BudgetRule(budget_id=other.id, account_id=account.id),
            BudgetRule(budget_id=dollars.id, service="Queue"),
            BudgetRule(budget_id=months.id, region="eu-west-1"),
            BudgetRule(budget_id=other.id, service="Queue", region="Ireland"),
        ]
    )
    await session.flush()
    for _ in range(60):
        begins = datetime(2024, 12, 20, tzinfo=UTC) + timedelta(hours=chance.randint(0, 40) * 30)
        region = chance.choice([None, "eu-west-1", "us-east-1"])
        await make.add_cloud_cost(
            session,
            account.id,
            service_name=chance.choice(["Queue", "Queue", "Storage"]),
            region_id=region,
            region_name="Ireland" if region == "eu-west-1" else None,
            charge_period_start=begins,
            charge_period_end=begins + timedelta(hours=1),
            effective_cost=Decimal(chance.randint(-10, 10**9)) / 10**8,
            billing_currency=chance.choice(["EUR", "USD", "USD"]),
        )
    for _ in range(80):
        row = await make.add_transaction(
            session,
            account.id,
            tag_ids=(tag.id,) if chance.random() < 0.4 else (),
            date=date(2024, 12, 15) + timedelta(days=chance.randint(0, 400)),
            kind=chance.choice(["expense", "expense", "expense", "refund", "income"]),
            status=chance.choice(["paid", "paid", "pending", "cancelled", "refunded"]),
            amount=Decimal(chance.randint(100, 99_999)) / 100,
            currency=chance.choice(["EUR", "EUR", "USD", "JPY"]),
            category_id=chance.choice([None, living.id, food.id]),
            budget_id=chance.choice([None, None, year.id, months.id, dollars.id]),
        )
        if chance.random() < 0.3:
            part = (row.amount / 3).quantize(Decimal("0.01"))
            for amount in (part, row.amount - part):
                await make.add_split(
                    session,
                    row.id,
                    amount,
                    category_id=chance.choice([None, food.id]),
                    budget_id=chance.choice([None, dollars.id]),
                )


async def _monthly(session: AsyncSession, owner: UUID, above: Budget) -> Budget:
    budget = await make.add_budget(session, owner, parent_id=above.id, type="monthly")
    period = await session.get_one(
        BudgetPeriod, (budget.organization_id, budget.id, budget.starts_on)
    )
    period.ends_on = date(2025, 1, 31)
    for month in range(2, 13):
        first = date(2025, month, 1)
        last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        carried = Decimal(month - 6)
        session.add(
            BudgetPeriod(
                budget_id=budget.id,
                starts_on=first,
                ends_on=last,
                amount=Decimal(100) + carried,
                carried=carried,
            )
        )
    await session.flush()
    return budget

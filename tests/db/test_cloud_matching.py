"""Rules on a service or a region count cloud costs in budgets, whatever changes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from backend.budgets.lines import BudgetLine
from backend.budgets.models import Budget, BudgetAttribution, BudgetRule
from backend.db.engine import organization_session
from backend.ledger.models import Account
from backend.scope import Scope
from backend.usage.models import CloudCost
from tests import factories


class Cloud:
    """A session in one organization with a cloud account, and short ways to make rows."""

    def __init__(self, session: AsyncSession, owner: Scope, account: Account) -> None:
        self.session, self.owner, self.account = session, owner, account

    async def budget(self, **values: object) -> Budget:
        return await factories.add_budget(self.session, self.owner.user_id, **values)

    async def rule(self, budget: Budget, **conditions: object) -> BudgetRule:
        rule = BudgetRule(budget_id=budget.id, **conditions)
        self.session.add(rule)
        await self.session.flush()
        return rule

    async def cost(self, service: str, region: str | None = None, **values: object) -> UUID:
        row = await factories.add_cloud_cost(
            self.session, self.account.id, service_name=service, region_id=region, **values
        )
        return row.id

    async def counted(self) -> dict[UUID, set[UUID]]:
        """Each cost with the budgets that it counts in."""
        found: dict[UUID, set[UUID]] = {}
        for cost, budget in await self.session.execute(
            select(BudgetAttribution.cloud_cost_id, BudgetAttribution.budget_id)
        ):
            found.setdefault(cost, set()).add(budget)
        return found


@pytest.fixture
async def cloud(engine: AsyncEngine) -> AsyncIterator[Cloud]:
    owner = await factories.make_member(engine, await factories.make_organization(engine))
    async with organization_session(engine, owner.organization_id) as session:
        account = await factories.add_account(session, owner.user_id, type="cloud")
        yield Cloud(session, owner, account)


async def test_a_rule_matches_its_service_or_region_before_and_after(cloud: Cloud) -> None:
    queues, ireland = await cloud.budget(), await cloud.budget()
    before = await cloud.cost("Queue", "eu-west-1")
    await cloud.rule(queues, service="Queue")
    await cloud.rule(ireland, region="eu-west-1")
    after = await cloud.cost("Queue", "us-east-1")
    named = await cloud.cost("Storage", "dub", region_name="eu-west-1")
    await cloud.cost("Storage", "us-east-1")
    assert await cloud.counted() == {
        before: {queues.id, ireland.id},
        after: {queues.id},
        named: {ireland.id},
    }


async def test_the_most_specific_rule_of_a_tree_wins(cloud: Cloud) -> None:
    top = await cloud.budget()
    service, both, late = [await cloud.budget(parent_id=top.id) for _ in range(3)]
    await cloud.rule(service, service="Queue")
    await cloud.rule(late, service="Queue")
    await cloud.rule(both, service="Queue", region="eu-west-1")
    plain, exact = await cloud.cost("Queue"), await cloud.cost("Queue", "eu-west-1")
    assert await cloud.counted() == {plain: {service.id}, exact: {both.id}}


async def test_the_account_and_the_days_of_the_budget_must_fit(cloud: Cloud) -> None:
    budget = await cloud.budget()
    other = await factories.add_account(cloud.session, cloud.owner.user_id, type="cloud")
    await cloud.rule(budget, service="Queue", account_id=cloud.account.id)
    last = datetime(2025, 12, 31, 23, tzinfo=UTC)
    inside = await cloud.cost(
        "Queue", charge_period_start=last, charge_period_end=last + timedelta(hours=1)
    )
    late = last + timedelta(hours=1)
    await cloud.cost("Queue", charge_period_start=late, charge_period_end=late + timedelta(hours=1))
    await factories.add_cloud_cost(cloud.session, other.id, service_name="Queue")
    assert await cloud.counted() == {inside: {budget.id}}


async def test_an_account_alone_counts_what_is_paid_and_not_what_is_billed(cloud: Cloud) -> None:
    budget = await cloud.budget()
    await cloud.rule(budget, account_id=cloud.account.id)
    await cloud.cost("Queue")
    paid = await factories.add_transaction(cloud.session, cloud.account.id)
    found = (await cloud.session.scalars(select(BudgetAttribution))).all()
    assert [(a.transaction_id, a.cloud_cost_id) for a in found] == [(paid.id, None)]


async def test_a_rule_that_goes_takes_its_costs_along_and_leaves_the_ledgers(cloud: Cloud) -> None:
    budget = await cloud.budget()
    category = await factories.add_category(cloud.session)
    rule = await cloud.rule(budget, service="Queue")
    await cloud.rule(budget, category_id=category.id)
    await cloud.cost("Queue")
    expense = await factories.add_transaction(
        cloud.session, cloud.account.id, category_id=category.id
    )
    assert len((await cloud.session.scalars(select(BudgetAttribution))).all()) == 2
    await cloud.session.execute(delete(BudgetRule).where(BudgetRule.id == rule.id))
    left = (await cloud.session.scalars(select(BudgetAttribution.transaction_id))).all()
    assert left == [expense.id]


async def test_costs_follow_a_budget_into_another_tree(cloud: Cloud) -> None:
    first, second = await cloud.budget(), await cloud.budget()
    child = await cloud.budget(parent_id=first.id)
    await cloud.rule(child, service="Queue")
    await cloud.rule(second, service="Queue")
    cost = await cloud.cost("Queue")
    assert await cloud.counted() == {cost: {child.id, second.id}}
    child.parent_id = second.id
    await cloud.session.flush()
    assert await cloud.counted() == {cost: {child.id}}  # the older of two equal rules


async def test_many_costs_are_matched_as_few_are(cloud: Cloud) -> None:
    budget = await cloud.budget()
    await cloud.rule(budget, service="Queue")
    one = await cloud.session.get_one(
        CloudCost, (cloud.owner.organization_id, await cloud.cost("Storage"))
    )
    values = {c.name: getattr(one, c.name) for c in CloudCost.__table__.columns}
    for gone in ("id", "cost_date", "changed_xid", "created_at"):
        values.pop(gone)
    rows = [
        values | {"service_name": "Queue", "row_digest": number.to_bytes(4)}
        for number in range(150)
    ]
    await cloud.session.execute(CloudCost.__table__.insert(), rows)
    found = await cloud.counted()
    assert len(found) == 150


async def test_a_day_of_a_service_is_one_line_rounded_once(cloud: Cloud) -> None:
    budget = await cloud.budget()
    await cloud.rule(budget, service="Queue")
    for cost in ("0.00003", "0.00004", "1"):
        await cloud.cost("Queue", effective_cost=Decimal(cost))
    (line,) = (await cloud.session.scalars(select(BudgetLine))).all()
    assert (line.amount, line.date, line.transaction_id) == (
        Decimal("1.0001"),
        date(2025, 3, 10),
        None,
    )
    assert (line.description, line.vendor, line.status) == ("Queue", "AWS", "paid")

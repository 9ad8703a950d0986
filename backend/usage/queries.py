"""Reading cloud costs, always on accounts that the caller may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TypeVarTuple
from uuid import UUID

from sqlalchemy import Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.db.keyset import Order, Window, windowed
from backend.errors import NotFound
from backend.scope import Scope
from backend.usage.models import CloudCost

NEWEST_FIRST = Order((CloudCost.cost_date, CloudCost.id), descending=True)

Columns = TypeVarTuple("Columns")


@dataclass(frozen=True, slots=True)
class Filters:
    """What is None filters nothing. `region` is an id or a name; the days are the charge's."""

    account_id: UUID | None = None
    import_id: UUID | None = None
    provider: str | None = None
    service: str | None = None
    region: str | None = None
    charge_category: str | None = None
    from_date: date | None = None
    to_date: date | None = None


@dataclass(frozen=True, slots=True)
class ServiceCost:
    provider: str
    service_name: str
    billing_currency: str
    billed_cost: Decimal
    effective_cost: Decimal
    rows: int


async def list_costs(
    session: AsyncSession, scope: Scope, accounts: Select[UUID], filters: Filters, window: Window
) -> Sequence[CloudCost]:
    """Those on `accounts`, which are the ones that the caller may see."""
    statement = _filtered(select(CloudCost), scope, accounts, filters)
    return (await session.scalars(windowed(statement, NEWEST_FIRST, window))).all()


async def get_cost(
    session: AsyncSession, scope: Scope, accounts: Select[UUID], cost_id: UUID
) -> CloudCost:
    statement = _filtered(select(CloudCost), scope, accounts, Filters())
    cost = await session.scalar(statement.where(CloudCost.id == cost_id))
    if cost is None:
        raise NotFound("There is no such cloud cost.")
    return cost


async def costs_by_service(
    session: AsyncSession, scope: Scope, accounts: Select[UUID], filters: Filters, limit: int
) -> list[ServiceCost]:
    """The dearest first; each currency for itself."""
    keys = (CloudCost.provider, CloudCost.service_name, CloudCost.billing_currency)
    effective = func.sum(CloudCost.effective_cost)
    statement = _filtered(
        select(*keys, func.sum(CloudCost.billed_cost), effective, func.count()),
        scope,
        accounts,
        filters,
    )
    statement = statement.group_by(*keys).order_by(effective.desc(), *keys).limit(limit)
    return [ServiceCost(*row) for row in await session.execute(statement)]


def _filtered(
    statement: Select[*Columns], scope: Scope, accounts: Select[UUID], filters: Filters
) -> Select[*Columns]:
    statement = statement.where(
        CloudCost.organization_id == scope.organization_id, CloudCost.account_id.in_(accounts)
    )
    for column, value in (
        (CloudCost.account_id, filters.account_id),
        (CloudCost.import_id, filters.import_id),
        (CloudCost.provider, filters.provider),
        (CloudCost.service_name, filters.service),
        (CloudCost.charge_category, filters.charge_category),
    ):
        if value is not None:
            statement = statement.where(column == value)
    if filters.region is not None:
        statement = statement.where(
            or_(CloudCost.region_id == filters.region, CloudCost.region_name == filters.region)
        )
    if filters.from_date is not None:
        statement = statement.where(CloudCost.cost_date >= filters.from_date)
    if filters.to_date is not None:
        statement = statement.where(CloudCost.cost_date <= filters.to_date)
    return statement

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from api.deps import CurrentScope, Session
from api.paging import Page, page
from api.problems import READ_RESPONSES
from api.routes import Route
from api.schemas.cloud_costs import (
    CloudCostListParams,
    CloudCostOut,
    CloudCostSummary,
    CloudCostSummaryParams,
    CloudCostWhole,
    ServiceCostOut,
)
from backend.ledger.models import Account
from backend.ledger.queries import get_account
from backend.ledger.visibility import visible_accounts
from backend.scope import Scope
from backend.usage import queries

router = APIRouter(prefix="/api/cloud-costs", tags=["cloud costs"], route_class=Route)


@router.get("")
async def list_cloud_costs(
    params: Annotated[CloudCostListParams, Query()], scope: CurrentScope, session: Session
) -> Page[CloudCostOut]:
    """Rows of FOCUS files on accounts that you may see; the newest first."""
    window = params.window(queries.NEWEST_FIRST)
    accounts = await _accounts(session, scope, params.account_id)
    rows = await queries.list_costs(session, scope, accounts, params.filters(), window)
    return page(rows, queries.NEWEST_FIRST, window, CloudCostOut.model_validate)


@router.get("/summary")
async def get_cloud_cost_summary(
    params: Annotated[CloudCostSummaryParams, Query()], scope: CurrentScope, session: Session
) -> CloudCostSummary:
    """What each service costs."""
    accounts = await _accounts(session, scope, params.account_id)
    found = await queries.costs_by_service(session, scope, accounts, params.filters(), params.limit)
    return CloudCostSummary(items=[ServiceCostOut.model_validate(row) for row in found])


@router.get("/{cost_id:uuid}", responses=READ_RESPONSES)
async def get_cloud_cost(cost_id: UUID, scope: CurrentScope, session: Session) -> CloudCostWhole:
    accounts = await _accounts(session, scope)
    return CloudCostWhole.model_validate(await queries.get_cost(session, scope, accounts, cost_id))


async def _accounts(session: AsyncSession, scope: Scope, named: UUID | None = None) -> Select[UUID]:
    """Those that the caller may see; `NotFound` when the one they name is not among them."""
    if named is not None:
        await get_account(session, scope, named)
    return select(Account.id).where(visible_accounts(scope))

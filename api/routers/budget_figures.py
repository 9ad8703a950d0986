"""How budgets do, what counts in them, and how they came to be what they are."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from sqlalchemy import select

from api.deps import CurrentScope, Session
from api.paging import Page, PageParams, page
from api.problems import READ_RESPONSES
from api.routes import Route
from api.schemas.budget_figures import (
    LineListParams,
    LineOut,
    PerformanceOut,
    RevisionOut,
    SummaryOut,
    TreeOut,
)
from api.schemas.budgets import OnDay
from backend.budgets import lines, revisions
from backend.budgets.branches import branch
from backend.budgets.queries import get_budget
from backend.budgets.standing import standing, today_of
from backend.budgets.summary import summarize
from backend.budgets.visibility import visible_budget_ids
from backend.ledger.models import Account
from backend.ledger.visibility import visible_account_ids, visible_accounts

router = APIRouter(prefix="/api/budgets", tags=["budgets"], route_class=Route)


@router.get("/summary")
async def get_budget_summary(
    params: Annotated[OnDay, Query()], scope: CurrentScope, session: Session
) -> SummaryOut:
    """The dashboard over all budgets that you may see."""
    return SummaryOut.of(await summarize(session, scope, params.on or today_of(scope)))


@router.get("/stats/summary")
async def get_budget_stats_summary(
    params: Annotated[OnDay, Query()], scope: CurrentScope, session: Session
) -> SummaryOut:
    """The same as `/api/budgets/summary`."""
    return await get_budget_summary(params, scope, session)


@router.get("/{budget_id}/performance", responses=READ_RESPONSES)
async def get_budget_performance(
    budget_id: UUID, params: Annotated[OnDay, Query()], scope: CurrentScope, session: Session
) -> PerformanceOut:
    """In the period of the day: spending, its rate, where it leads, and the health of it all."""
    on = params.on or today_of(scope)
    budget = await get_budget(session, scope, budget_id)
    return PerformanceOut.of(await standing(session, scope, budget, on), on)


@router.get("/{budget_id}/tree", responses=READ_RESPONSES)
async def get_budget_tree(
    budget_id: UUID, params: Annotated[OnDay, Query()], scope: CurrentScope, session: Session
) -> TreeOut:
    """The budget and all below it that you may see, in the figures of its own period of the day.

    So `spent` is `own_spent` and the `spent` of the children, seen or not. What lies below a budget
    that you may not see hangs on the next one above.
    """
    on = params.on or today_of(scope)
    period, top = await branch(session, scope, budget_id, on)
    return TreeOut.of(on, period, top)


@router.get("/{budget_id}/expenses", responses=READ_RESPONSES)
async def list_budget_expenses(
    budget_id: UUID,
    params: Annotated[LineListParams, Query()],
    scope: CurrentScope,
    session: Session,
) -> Page[LineOut]:
    """What counts in the budget and below it, on accounts that you may see; the newest first."""
    window = params.window(lines.NEWEST_FIRST)
    rows = await lines.budget_lines(
        session,
        scope,
        budget_id,
        window,
        accounts=select(Account.id).where(visible_accounts(scope)),
        from_date=params.from_date,
        to_date=params.to_date,
        status=params.status,
        own_only=params.own,
    )
    budgets = await visible_budget_ids(session, scope, [row.budget_id for row in rows])
    return page(rows, lines.NEWEST_FIRST, window, lambda row: LineOut.of(row, budgets))


@router.get("/{budget_id}/revisions", responses=READ_RESPONSES)
async def list_budget_revisions(
    budget_id: UUID, params: Annotated[PageParams, Query()], scope: CurrentScope, session: Session
) -> Page[RevisionOut]:
    """Every change: who, when, and what differs before and after; the newest first."""
    window = params.window(revisions.NEWEST_FIRST)
    rows = await revisions.list_revisions(session, scope, budget_id, window)
    accounts = await visible_account_ids(session, scope, revisions.rule_accounts(rows))
    return page(rows, revisions.NEWEST_FIRST, window, lambda row: RevisionOut.of(row, accounts))

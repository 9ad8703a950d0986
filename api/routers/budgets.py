from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from api.deps import CurrentScope, Session
from api.paging import Page, page
from api.problems import READ_RESPONSES, WRITE_RESPONSES
from api.schemas.accounts import Shares
from api.schemas.budgets import (
    BudgetCreate,
    BudgetDetail,
    BudgetListParams,
    BudgetOut,
    BudgetPatch,
)
from backend.budgets import queries, service
from backend.budgets.models import Budget
from backend.budgets.visibility import visible_budget_ids
from backend.scope import Scope

router = APIRouter(prefix="/api/budgets", tags=["budgets"])


@router.post("", status_code=201, responses=WRITE_RESPONSES)
async def create_budget(
    body: BudgetCreate, scope: CurrentScope, session: Session, request: Request, response: Response
) -> BudgetDetail:
    budget = await service.create_budget(session, scope, body.model_dump())
    response.headers["Location"] = str(request.url_for("get_budget", budget_id=budget.id).path)
    return await _detail(session, scope, budget)


@router.get("", responses=READ_RESPONSES)
async def list_budgets(
    params: Annotated[BudgetListParams, Query()], scope: CurrentScope, session: Session
) -> Page[BudgetOut]:
    """By name; `parent_id` makes the tree."""
    window = params.window(queries.BUDGETS_BY_NAME)
    rows = await queries.list_budgets(
        session,
        scope,
        window,
        parent_id=params.parent_id,
        owner_id=params.owner_id,
        level=params.level,
        type_=params.type,
        archived=params.archived,
        q=params.q,
    )
    parents = await visible_budget_ids(session, scope, [row.parent_id for row in rows])
    return page(rows, queries.BUDGETS_BY_NAME, window, lambda row: BudgetOut.of(row, parents))


@router.get("/{budget_id}", responses=READ_RESPONSES)
async def get_budget(budget_id: UUID, scope: CurrentScope, session: Session) -> BudgetDetail:
    return await _detail(session, scope, await queries.get_budget(session, scope, budget_id))


@router.patch("/{budget_id}", responses=WRITE_RESPONSES)
async def update_budget(
    budget_id: UUID, body: BudgetPatch, scope: CurrentScope, session: Session
) -> BudgetDetail:
    """Change what is named; a change of type, amount or dates makes the periods anew."""
    budget = await service.update_budget(session, scope, budget_id, body.changes())
    return await _detail(session, scope, budget)


@router.delete("/{budget_id}", status_code=204, responses=WRITE_RESPONSES)
async def delete_budget(budget_id: UUID, scope: CurrentScope, session: Session) -> None:
    """Only while it has no children and nothing is booked on it (409); else archive it."""
    await service.delete_budget(session, scope, budget_id)


@router.get("/{budget_id}/shares", responses=READ_RESPONSES)
async def list_budget_shares(budget_id: UUID, scope: CurrentScope, session: Session) -> Shares:
    return Shares(user_ids=list(await service.list_shares(session, scope, budget_id)))


@router.put("/{budget_id}/shares/{user_id}", status_code=204, responses=WRITE_RESPONSES)
async def share_budget(
    budget_id: UUID, user_id: UUID, scope: CurrentScope, session: Session
) -> None:
    """Show the budget and its figures to another member."""
    await service.share_budget(session, scope, budget_id, user_id)


@router.delete("/{budget_id}/shares/{user_id}", status_code=204, responses=WRITE_RESPONSES)
async def unshare_budget(
    budget_id: UUID, user_id: UUID, scope: CurrentScope, session: Session
) -> None:
    await service.unshare_budget(session, scope, budget_id, user_id)


async def _detail(session: AsyncSession, scope: Scope, budget: Budget) -> BudgetDetail:
    parents = await visible_budget_ids(session, scope, [budget.parent_id])
    return BudgetDetail.with_periods(budget, parents, await queries.get_periods(session, budget))

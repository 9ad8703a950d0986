"""Moving, giving and setting aside the money of budgets; budgets made from templates."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from api.deps import CurrentScope, Session, get_scope
from api.paging import Page, PageParams, page
from api.problems import READ_RESPONSES, WRITE_RESPONSES
from api.routers.budgets import render_budget
from api.routes import Route
from api.schemas.budget_money import (
    AllocationCreate,
    AllocationOut,
    TemplateOut,
    Templates,
    TemplateUse,
    TransferCreate,
    TransferMade,
    TransferOut,
)
from api.schemas.budgets import BudgetDetail
from api.schemas.common import PlainDate
from backend.budgets import transfers
from backend.budgets.allocation import allocate
from backend.budgets.models import BudgetTransfer
from backend.budgets.rollover import roll_over
from backend.budgets.rules import Period
from backend.budgets.service import own_budget
from backend.budgets.standing import today_of
from backend.budgets.templates import TEMPLATES, create_from_template
from backend.budgets.visibility import visible_budget_ids
from backend.errors import FieldError, InvalidInput
from backend.scope import Scope

router = APIRouter(tags=["budgets"], route_class=Route)


@router.post("/api/budgets/{budget_id}/transfers", status_code=201, responses=WRITE_RESPONSES)
async def create_budget_transfer(
    budget_id: UUID, body: TransferCreate, scope: CurrentScope, session: Session
) -> TransferMade:
    """Move money from this budget to another one; both must be yours to change.

    A budget holds what those below it hold. So the budgets above the source lose it too and those
    above the target gain it, up to the first that is above both. 409 when it is not free to move.
    """
    row, moved = await transfers.transfer(
        session,
        scope,
        budget_id,
        body.to_budget_id,
        amount=body.amount,
        on=body.on or today_of(scope),
        note=body.note,
    )
    return TransferMade.made(row, moved)


@router.get("/api/budgets/{budget_id}/transfers", responses=READ_RESPONSES)
async def list_budget_transfers(
    budget_id: UUID, params: Annotated[PageParams, Query()], scope: CurrentScope, session: Session
) -> Page[TransferOut]:
    """From it and to it, the newest first."""
    window = params.window(transfers.NEWEST_FIRST)
    rows = await transfers.list_transfers(session, scope, budget_id, window)
    visible = await _visible_ends(session, scope, rows)
    return page(rows, transfers.NEWEST_FIRST, window, lambda row: TransferOut.of(row, visible))


@router.post("/api/budgets/{budget_id}/allocate", responses=WRITE_RESPONSES)
async def allocate_budget(
    budget_id: UUID, body: AllocationCreate, scope: CurrentScope, session: Session
) -> AllocationOut:
    """Give a period's amount to the children: exact to the minor unit, by the largest remainder."""
    today = today_of(scope)
    until = body.history_to or today
    since = body.history_from or until - timedelta(days=364)
    if since > until:
        raise InvalidInput(
            "The days contradict each other.",
            errors=[FieldError("#/history_to", "Must not lie before `history_from`.")],
        )
    budget, period, shares = await allocate(
        session,
        scope,
        budget_id,
        body.method,
        on=body.on or today,
        amount=body.amount,
        weights={w.budget_id: w.weight for w in body.weights},
        history=Period(since, until),
    )
    return AllocationOut.of(budget, period, shares)


@router.post("/api/budgets/{budget_id}/rollover", responses=WRITE_RESPONSES)
async def roll_over_budget(
    budget_id: UUID,
    scope: CurrentScope,
    session: Session,
    on: Annotated[
        PlainDate | None, Query(description="As of the end of this day; by default today.")
    ] = None,
) -> BudgetDetail:
    """Carry over what ended periods leave the next ones, by the budget's policy.

    It is reckoned anew from the first period on, so doing it again changes nothing, and bookings
    that came late are made good. Periods after that day get nothing; a deficit leaves each one what
    is committed in it.
    """
    budget = await own_budget(session, scope, budget_id)
    today = today_of(scope)
    if on is not None and on > today:
        raise InvalidInput(
            "What periods leave is known when they are over.",
            errors=[FieldError("on", "Must not lie ahead.")],
        )
    await roll_over(session, scope, on or today, budget_id)
    return await render_budget(session, scope, budget)


@router.get("/api/budget-templates", dependencies=[Depends(get_scope)])
async def list_budget_templates() -> Templates:
    """Common set-ups; all of them, on one page."""
    return Templates(items=[TemplateOut.of(template) for template in TEMPLATES])


@router.post("/api/budget-templates/{template_id}", status_code=201, responses=WRITE_RESPONSES)
async def create_budget_from_template(
    *,
    template_id: Annotated[str, Path(examples=["household-50-30-20"])],
    body: TemplateUse,
    scope: CurrentScope,
    session: Session,
    request: Request,
    response: Response,
) -> BudgetDetail:
    """The template's whole tree of budgets at once; answers its top."""
    budget = await create_from_template(session, scope, template_id, **body.model_dump())
    response.headers["Location"] = str(request.url_for("get_budget", budget_id=budget.id).path)
    return await render_budget(session, scope, budget)


async def _visible_ends(
    session: AsyncSession, scope: Scope, rows: Sequence[BudgetTransfer]
) -> frozenset[UUID]:
    ends = [row.from_budget_id for row in rows] + [row.to_budget_id for row in rows]
    return await visible_budget_ids(session, scope, ends)

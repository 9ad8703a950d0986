from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from api.deps import CurrentScope, Session
from api.paging import Page, PageParams, page
from api.preconditions import IfMatch
from api.problems import READ_RESPONSES, WRITE_RESPONSES
from api.routes import Route
from api.schemas.budgets import OnDay
from api.schemas.goals import (
    AllGoalsParams,
    GoalCreate,
    GoalListParams,
    GoalOfBudget,
    GoalOut,
    GoalPatch,
    GoalReplace,
    ProgressCreate,
    ProgressOut,
)
from backend.budgets import goals
from backend.budgets.commitments import Goal
from backend.budgets.queries import get_budget
from backend.budgets.standing import today_of
from backend.identity.permissions import require_ledger_writer
from backend.scope import Scope

router = APIRouter(tags=["goals"], route_class=Route)


@router.post("/api/goals", status_code=201, responses=WRITE_RESPONSES)
async def create_goal(
    body: GoalCreate, scope: CurrentScope, session: Session, request: Request, response: Response
) -> GoalOut:
    goal = await goals.create_goal(session, scope, body.model_dump())
    response.headers["Location"] = str(request.url_for("get_goal", goal_id=goal.id).path)
    return await _render(session, scope, goal)


@router.post("/api/budgets/{budget_id}/goals", status_code=201, responses=WRITE_RESPONSES)
async def create_budget_goal(
    *,
    budget_id: UUID,
    body: GoalOfBudget,
    scope: CurrentScope,
    session: Session,
    request: Request,
    response: Response,
) -> GoalOut:
    require_ledger_writer(scope)
    await get_budget(session, scope, budget_id)
    values = body.model_dump() | {"budget_id": budget_id}
    goal = await goals.create_goal(session, scope, values)
    response.headers["Location"] = str(request.url_for("get_goal", goal_id=goal.id).path)
    return await _render(session, scope, goal)


@router.get("/api/goals", responses=READ_RESPONSES)
async def list_goals(
    params: Annotated[AllGoalsParams, Query()], scope: CurrentScope, session: Session
) -> Page[GoalOut]:
    """Of all budgets that you may see, by deadline."""
    return await _list(session, scope, params, params.budget_id)


@router.get("/api/budgets/{budget_id}/goals", responses=READ_RESPONSES)
async def list_budget_goals(
    budget_id: UUID,
    params: Annotated[GoalListParams, Query()],
    scope: CurrentScope,
    session: Session,
) -> Page[GoalOut]:
    return await _list(session, scope, params, budget_id)


@router.get("/api/goals/{goal_id}", responses=READ_RESPONSES)
async def get_goal(
    goal_id: UUID, params: Annotated[OnDay, Query()], scope: CurrentScope, session: Session
) -> GoalOut:
    goal = await goals.get_goal(session, scope, goal_id)
    on = params.on or today_of(scope)
    return GoalOut.of((await goals.measured(session, scope, [goal], on))[0], on)


@router.put("/api/goals/{goal_id}", responses=WRITE_RESPONSES)
async def replace_goal(
    goal_id: UUID, body: GoalReplace, expected: IfMatch, scope: CurrentScope, session: Session
) -> GoalOut:
    goal = await goals.update_goal(session, scope, goal_id, body.model_dump(), expected)
    return await _render(session, scope, goal)


@router.patch("/api/goals/{goal_id}", responses=WRITE_RESPONSES)
async def update_goal(
    goal_id: UUID, body: GoalPatch, expected: IfMatch, scope: CurrentScope, session: Session
) -> GoalOut:
    """Change what is named; what was counted stays."""
    goal = await goals.update_goal(session, scope, goal_id, body.changes(), expected)
    return await _render(session, scope, goal)


@router.delete("/api/goals/{goal_id}", status_code=204, responses=WRITE_RESPONSES)
async def delete_goal(
    goal_id: UUID, expected: IfMatch, scope: CurrentScope, session: Session
) -> None:
    """With all that was counted towards it."""
    await goals.delete_goal(session, scope, goal_id, expected)


@router.post("/api/goals/{goal_id}/progress", status_code=201, responses=WRITE_RESPONSES)
async def record_goal_progress(
    goal_id: UUID, body: ProgressCreate, scope: CurrentScope, session: Session
) -> GoalOut:
    """What a source, such as an ad platform or a CRM, has counted in total; sources add up."""
    goal = await goals.record_progress(session, scope, goal_id, **body.model_dump())
    return await _render(session, scope, goal)


@router.get("/api/goals/{goal_id}/progress", responses=READ_RESPONSES)
async def list_goal_progress(
    goal_id: UUID, params: Annotated[PageParams, Query()], scope: CurrentScope, session: Session
) -> Page[ProgressOut]:
    """The newest first."""
    window = params.window(goals.NEWEST_PROGRESS_FIRST)
    rows = await goals.list_progress(session, scope, goal_id, window)
    return page(rows, goals.NEWEST_PROGRESS_FIRST, window, ProgressOut.of)


async def _list(
    session: AsyncSession, scope: Scope, params: GoalListParams, budget_id: UUID | None
) -> Page[GoalOut]:
    on = params.on or today_of(scope)
    window = params.window(goals.GOALS_BY_DEADLINE)
    rows = await goals.list_goals(
        session, scope, window, budget_id=budget_id, type_=params.type, q=params.q
    )
    found = await goals.measured(session, scope, rows, on)
    rendered = {m.goal.id: GoalOut.of(m, on) for m in found}
    return page(rows, goals.GOALS_BY_DEADLINE, window, lambda row: rendered[row.id])


async def _render(session: AsyncSession, scope: Scope, goal: Goal) -> GoalOut:
    on = today_of(scope)
    return GoalOut.of((await goals.measured(session, scope, [goal], on))[0], on)

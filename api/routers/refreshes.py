from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request, Response

from api.deps import CurrentScope, State
from api.problems import READ_RESPONSES, problem_responses
from api.routes import LaunchRoute
from api.schemas.refreshes import RefreshOut
from backend.errors import Forbidden
from backend.jobs import refreshes

router = APIRouter(prefix="/api/analytics", tags=["analytics"], route_class=LaunchRoute)


@router.post("/refresh", status_code=202, responses=problem_responses(Forbidden))
async def request_refresh(
    scope: CurrentScope, state: State, request: Request, response: Response
) -> RefreshOut:
    """Build the marts anew from all that is committed now; poll `Location` for the outcome.

    Requests that come while one waits for its turn share its run.
    """
    refresh = await refreshes.request_refresh(state.engine, scope, state.launcher)
    response.headers["Location"] = str(request.url_for("get_refresh", refresh_id=refresh.id).path)
    return RefreshOut.model_validate(refresh)


@router.get("/refreshes/{refresh_id}", responses=READ_RESPONSES)
async def get_refresh(refresh_id: UUID, scope: CurrentScope, state: State) -> RefreshOut:
    known = await refreshes.get_refresh(state.engine, scope, refresh_id, state.launcher)
    return RefreshOut.of(known)

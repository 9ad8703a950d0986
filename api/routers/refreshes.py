from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response

from api.deps import CurrentScope, ScopeAgain, State
from api.event_streams import EventStream, event_schema
from api.paging import Page, PageParams, page
from api.problems import READ_RESPONSES, problem_responses
from api.refresh_events import Listener, last_event_id, refresh_events
from api.routes import LaunchRoute
from api.schemas.refreshes import RefreshCreate, RefreshOut
from backend.errors import Forbidden
from backend.jobs import refreshes
from backend.jobs.models import FINISHED

router = APIRouter(prefix="/api/analytics", tags=["analytics"], route_class=LaunchRoute)

_AS_REQUESTED = RefreshCreate()

_STATE = {
    "type": "string",
    "contentMediaType": "application/json",
    "contentSchema": {"$ref": "#/components/schemas/RefreshOut"},
}
_EVENTS = event_schema(("progress", "finished"), data=_STATE)


@router.post("/refresh", status_code=202, responses=problem_responses(Forbidden))
async def request_refresh(
    *,
    body: RefreshCreate = _AS_REQUESTED,
    scope: CurrentScope,
    state: State,
    request: Request,
    response: Response,
) -> RefreshOut:
    """Bring the marts up to all that is committed now; poll `Location`, or listen to its `events`.

    Requests that come while one waits for its turn share its run.
    """
    refresh = await refreshes.request_refresh(state.engine, scope, state.launcher, full=body.full)
    response.headers["Location"] = str(request.url_for("get_refresh", refresh_id=refresh.id).path)
    return RefreshOut.model_validate(refresh)


@router.get("/refreshes", responses=READ_RESPONSES)
async def list_refreshes(
    params: Annotated[PageParams, Query()], scope: CurrentScope, state: State
) -> Page[RefreshOut]:
    """Your requests, or your whole organization's if you see it; newest first."""
    window = params.window(refreshes.NEWEST_FIRST)
    known = await refreshes.list_refreshes(state.engine, scope, window, state.launcher)
    return page(known, refreshes.NEWEST_FIRST, window, RefreshOut.of)


@router.get("/refreshes/{refresh_id}", responses=READ_RESPONSES)
async def get_refresh(refresh_id: UUID, scope: CurrentScope, state: State) -> RefreshOut:
    known = await refreshes.get_refresh(state.engine, scope, refresh_id, state.launcher)
    return RefreshOut.of(known)


@router.get(
    "/refreshes/{refresh_id}/events",
    response_class=Response,  # what it streams is described here, event by event
    responses=READ_RESPONSES
    | {
        200: {"description": "Events.", "content": {EventStream.media_type: _EVENTS}},
        204: {"description": "You have had the last event."},
    },
)
async def stream_refresh_events(
    refresh_id: UUID,
    scope: CurrentScope,
    scope_again: ScopeAgain,
    state: State,
    last_event: Annotated[
        str | None,
        Header(alias="Last-Event-ID", description="The event after which the stream broke off."),
    ] = None,
) -> Response:
    """How a refresh goes on, as server-sent events that end with it.

    Each event holds the whole state: `progress` while it goes on, `finished` at its end. Who comes
    back is sent the present state, and nothing (204) when the last event has reached them.
    """
    refresh = await refreshes.find_refresh(state.engine, scope, refresh_id)
    if refresh.status in FINISHED and last_event == last_event_id(refresh):
        return Response(status_code=204)
    events = refresh_events(state, Listener(scope, scope_again), refresh_id)
    return EventStream(events, state.event_streams, scope.user_id)

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from api.deps import CurrentScope, Session
from api.paging import Page, page
from api.preconditions import IfMatch
from api.problems import READ_RESPONSES, WRITE_RESPONSES
from api.routes import Route
from api.schemas.connections import (
    ConnectionCreate,
    ConnectionListParams,
    ConnectionOut,
    ConnectionPatch,
)
from backend.ledger import connections

router = APIRouter(prefix="/api/connections", tags=["connections"], route_class=Route)


@router.post("", status_code=201, responses=WRITE_RESPONSES)
async def create_connection(
    body: ConnectionCreate,
    scope: CurrentScope,
    session: Session,
    request: Request,
    response: Response,
) -> ConnectionOut:
    """A link to an institution; an account that it feeds names it."""
    connection = await connections.create_connection(session, scope, body.model_dump())
    location = request.url_for("get_connection", connection_id=connection.id)
    response.headers["Location"] = str(location.path)
    return ConnectionOut.model_validate(connection)


@router.get("")
async def list_connections(
    params: Annotated[ConnectionListParams, Query()], scope: CurrentScope, session: Session
) -> Page[ConnectionOut]:
    """Those you made and those of accounts you see, the oldest first."""
    window = params.window(connections.OLDEST_FIRST)
    rows = await connections.list_connections(
        session,
        scope,
        window,
        institution_id=params.institution_id,
        status=params.status,
        provider=params.provider,
    )
    return page(rows, connections.OLDEST_FIRST, window, ConnectionOut.model_validate)


@router.get("/{connection_id}", responses=READ_RESPONSES)
async def get_connection(
    connection_id: UUID, scope: CurrentScope, session: Session
) -> ConnectionOut:
    connection = await connections.get_connection(session, scope, connection_id)
    return ConnectionOut.model_validate(connection)


@router.patch("/{connection_id}", responses=WRITE_RESPONSES)
async def update_connection(
    connection_id: UUID,
    body: ConnectionPatch,
    expected: IfMatch,
    scope: CurrentScope,
    session: Session,
) -> ConnectionOut:
    """For who made it, and for managers of the organization."""
    connection = await connections.update_connection(
        session, scope, connection_id, body.changes(), expected
    )
    return ConnectionOut.model_validate(connection)


@router.delete("/{connection_id}", status_code=204, responses=WRITE_RESPONSES)
async def delete_connection(
    connection_id: UUID, expected: IfMatch, scope: CurrentScope, session: Session
) -> None:
    """Only while it feeds no account (409)."""
    await connections.delete_connection(session, scope, connection_id, expected)

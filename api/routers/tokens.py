from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from api.deps import CurrentScope, Now, Session
from api.paging import Page, page
from api.problems import READ_RESPONSES, WRITE_RESPONSES, problem_responses
from api.routes import Route
from api.schemas.tokens import ApiTokenCreate, ApiTokenCreated, ApiTokenListParams, ApiTokenOut
from backend.errors import Forbidden
from backend.identity import api_tokens

router = APIRouter(prefix="/api/tokens", tags=["identity"], route_class=Route)


@router.post("", status_code=201, responses=problem_responses(Forbidden))
async def create_api_token(
    body: ApiTokenCreate,
    scope: CurrentScope,
    session: Session,
    request: Request,
    response: Response,
) -> ApiTokenCreated:
    """A token for scripts, bound to the organization that the caller acts in; it needs a login."""
    row, token = await api_tokens.create_own_token(
        session,
        scope,
        name=body.name,
        scopes=sorted(set(body.scopes)),
        expires_at=body.expires_at,
    )
    response.headers["Location"] = str(request.url_for("get_api_token", token_id=row.id).path)
    response.headers["Cache-Control"] = "no-store"
    shown = ApiTokenOut.model_validate(row)
    return ApiTokenCreated(**shown.model_dump(), token=token)


@router.get("")
async def list_api_tokens(
    params: Annotated[ApiTokenListParams, Query()], scope: CurrentScope, session: Session
) -> Page[ApiTokenOut]:
    """The caller's own, the newest first; what opens them is never shown again."""
    window = params.window(api_tokens.TOKENS_BY_AGE)
    rows = await api_tokens.list_tokens(session, scope, window, user_id=params.user_id)
    return page(rows, api_tokens.TOKENS_BY_AGE, window, ApiTokenOut.model_validate)


@router.get("/{token_id}", responses=READ_RESPONSES)
async def get_api_token(token_id: UUID, scope: CurrentScope, session: Session) -> ApiTokenOut:
    return ApiTokenOut.model_validate(await api_tokens.get_token(session, scope, token_id))


@router.delete("/{token_id}", status_code=204, responses=WRITE_RESPONSES)
async def revoke_api_token(token_id: UUID, scope: CurrentScope, session: Session, now: Now) -> None:
    """At once and for good; revoking twice is revoking once."""
    await api_tokens.revoke_token(session, scope, token_id, now)

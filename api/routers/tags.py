from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from api.deps import CurrentScope, Session
from api.paging import Page, page
from api.preconditions import IfMatch
from api.problems import READ_RESPONSES, WRITE_RESPONSES
from api.routes import Route
from api.schemas.tags import TagCreate, TagListParams, TagOut, TagPatch
from backend.ledger import queries, tags

router = APIRouter(prefix="/api/tags", tags=["tags"], route_class=Route)


@router.post("", status_code=201, responses=WRITE_RESPONSES)
async def create_tag(
    body: TagCreate, scope: CurrentScope, session: Session, request: Request, response: Response
) -> TagOut:
    tag = await tags.create_tag(session, scope, body.model_dump())
    response.headers["Location"] = str(request.url_for("get_tag", tag_id=tag.id).path)
    return TagOut.model_validate(tag)


@router.get("")
async def list_tags(
    params: Annotated[TagListParams, Query()], scope: CurrentScope, session: Session
) -> Page[TagOut]:
    """By name."""
    window = params.window(queries.TAGS_BY_NAME)
    rows = await queries.list_tags(session, scope, window, q=params.q)
    return page(rows, queries.TAGS_BY_NAME, window, TagOut.model_validate)


@router.get("/{tag_id}", responses=READ_RESPONSES)
async def get_tag(tag_id: UUID, scope: CurrentScope, session: Session) -> TagOut:
    return TagOut.model_validate(await queries.get_tag(session, scope, tag_id))


@router.patch("/{tag_id}", responses=WRITE_RESPONSES)
async def update_tag(
    tag_id: UUID,
    body: TagPatch,
    expected: IfMatch,
    scope: CurrentScope,
    session: Session,
) -> TagOut:
    tag = await tags.update_tag(session, scope, tag_id, body.changes(), expected)
    return TagOut.model_validate(tag)


@router.delete("/{tag_id}", status_code=204, responses=WRITE_RESPONSES)
async def delete_tag(
    tag_id: UUID, expected: IfMatch, scope: CurrentScope, session: Session
) -> None:
    """Transactions lose the tag; while a split is booked on it, it stays (409)."""
    await tags.delete_tag(session, scope, tag_id, expected)

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from api.deps import CurrentScope, Session
from api.paging import Page, page
from api.preconditions import IfMatch
from api.problems import READ_RESPONSES, WRITE_RESPONSES
from api.routes import Route
from api.schemas.categories import CategoryCreate, CategoryListParams, CategoryOut, CategoryPatch
from backend.ledger import queries, vocabulary

router = APIRouter(prefix="/api/categories", tags=["categories"], route_class=Route)


@router.post("", status_code=201, responses=WRITE_RESPONSES)
async def create_category(
    body: CategoryCreate,
    scope: CurrentScope,
    session: Session,
    request: Request,
    response: Response,
) -> CategoryOut:
    category = await vocabulary.create_category(session, scope, body.model_dump())
    location = request.url_for("get_category", category_id=category.id)
    response.headers["Location"] = str(location.path)
    return CategoryOut.model_validate(category)


@router.get("")
async def list_categories(
    params: Annotated[CategoryListParams, Query()], scope: CurrentScope, session: Session
) -> Page[CategoryOut]:
    """By name; `parent_id` makes the tree."""
    window = params.window(queries.CATEGORIES_BY_NAME)
    rows = await queries.list_categories(
        session, scope, window, parent_id=params.parent_id, q=params.q
    )
    return page(rows, queries.CATEGORIES_BY_NAME, window, CategoryOut.model_validate)


@router.get("/{category_id}", responses=READ_RESPONSES)
async def get_category(category_id: UUID, scope: CurrentScope, session: Session) -> CategoryOut:
    return CategoryOut.model_validate(await queries.get_category(session, scope, category_id))


@router.patch("/{category_id}", responses=WRITE_RESPONSES)
async def update_category(
    category_id: UUID,
    body: CategoryPatch,
    expected: IfMatch,
    scope: CurrentScope,
    session: Session,
) -> CategoryOut:
    category = await vocabulary.update_category(
        session, scope, category_id, body.changes(), expected
    )
    return CategoryOut.model_validate(category)


@router.delete("/{category_id}", status_code=204, responses=WRITE_RESPONSES)
async def delete_category(
    category_id: UUID, expected: IfMatch, scope: CurrentScope, session: Session
) -> None:
    """Only while it has no children and nothing is booked on it (409)."""
    await vocabulary.delete_category(session, scope, category_id, expected)

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from api.deps import CurrentScope, Session, get_scope
from api.paging import Page, page
from api.preconditions import IfMatch
from api.problems import READ_RESPONSES, WRITE_RESPONSES
from api.routes import Route
from api.schemas.categories import (
    CategoryCreate,
    CategoryListParams,
    CategoryOut,
    CategoryPatch,
    DefaultCategories,
    DefaultCategoriesCreated,
)
from backend.budgets.repercussions import naming_category, recorded
from backend.ledger import categories, queries
from backend.ledger.default_categories import DEFAULTS, create_default_categories

router = APIRouter(prefix="/api/categories", tags=["categories"], route_class=Route)

ReplaceWith = Annotated[
    UUID | None,
    Query(description="The category that gets its children and all that is booked on it."),
]


@router.post("", status_code=201, responses=WRITE_RESPONSES)
async def create_category(
    body: CategoryCreate,
    scope: CurrentScope,
    session: Session,
    request: Request,
    response: Response,
) -> CategoryOut:
    category = await categories.create_category(session, scope, body.model_dump())
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


@router.get("/defaults", dependencies=[Depends(get_scope)])
async def list_default_categories() -> DefaultCategories:
    """The set that `POST` creates, whether it was created or not."""
    return DefaultCategories.model_validate({"items": DEFAULTS})


@router.post("/defaults", responses=WRITE_RESPONSES)
async def create_categories_of_defaults(
    scope: CurrentScope, session: Session
) -> DefaultCategoriesCreated:
    """Create those of the default set whose names are not there yet; repeated, it creates none."""
    rows = await create_default_categories(session, scope)
    items = [CategoryOut.model_validate(row) for row in rows]
    return DefaultCategoriesCreated(created=len(items), items=items)


@router.get("/{category_id:uuid}", responses=READ_RESPONSES)
async def get_category(category_id: UUID, scope: CurrentScope, session: Session) -> CategoryOut:
    return CategoryOut.model_validate(await queries.get_category(session, scope, category_id))


@router.patch("/{category_id:uuid}", responses=WRITE_RESPONSES)
async def update_category(
    category_id: UUID,
    body: CategoryPatch,
    expected: IfMatch,
    scope: CurrentScope,
    session: Session,
) -> CategoryOut:
    category = await categories.update_category(
        session, scope, category_id, body.changes(), expected
    )
    return CategoryOut.model_validate(category)


@router.delete("/{category_id:uuid}", status_code=204, responses=WRITE_RESPONSES)
async def delete_category(
    category_id: UUID,
    expected: IfMatch,
    scope: CurrentScope,
    session: Session,
    replace_with: ReplaceWith = None,
) -> None:
    """Only while it has no children and nothing is booked on it (409), or with `replace_with`.

    Deleted transactions do not count: restored, they come back without a category.
    """
    async with recorded(session, scope, naming_category(category_id)):
        await categories.delete_category(
            session, scope, category_id, expected, replace_with=replace_with
        )

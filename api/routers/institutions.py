from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from api.deps import CurrentScope, Session
from api.paging import Page, page
from api.preconditions import IfMatch
from api.problems import READ_RESPONSES, WRITE_RESPONSES
from api.routes import Route
from api.schemas.institutions import (
    InstitutionCreate,
    InstitutionListParams,
    InstitutionOut,
    InstitutionPatch,
)
from backend.ledger import institutions

router = APIRouter(prefix="/api/institutions", tags=["institutions"], route_class=Route)


@router.post("", status_code=201, responses=WRITE_RESPONSES)
async def create_institution(
    body: InstitutionCreate,
    scope: CurrentScope,
    session: Session,
    request: Request,
    response: Response,
) -> InstitutionOut:
    institution = await institutions.create_institution(session, scope, body.model_dump())
    location = request.url_for("get_institution", institution_id=institution.id)
    response.headers["Location"] = str(location.path)
    return InstitutionOut.model_validate(institution)


@router.get("")
async def list_institutions(
    params: Annotated[InstitutionListParams, Query()], scope: CurrentScope, session: Session
) -> Page[InstitutionOut]:
    """By name."""
    window = params.window(institutions.BY_NAME)
    rows = await institutions.list_institutions(
        session, scope, window, country=params.country, q=params.q
    )
    return page(rows, institutions.BY_NAME, window, InstitutionOut.model_validate)


@router.get("/{institution_id}", responses=READ_RESPONSES)
async def get_institution(
    institution_id: UUID, scope: CurrentScope, session: Session
) -> InstitutionOut:
    institution = await institutions.get_institution(session, scope, institution_id)
    return InstitutionOut.model_validate(institution)


@router.patch("/{institution_id}", responses=WRITE_RESPONSES)
async def update_institution(
    institution_id: UUID,
    body: InstitutionPatch,
    expected: IfMatch,
    scope: CurrentScope,
    session: Session,
) -> InstitutionOut:
    institution = await institutions.update_institution(
        session, scope, institution_id, body.changes(), expected
    )
    return InstitutionOut.model_validate(institution)


@router.delete("/{institution_id}", status_code=204, responses=WRITE_RESPONSES)
async def delete_institution(
    institution_id: UUID, expected: IfMatch, scope: CurrentScope, session: Session
) -> None:
    """Only without accounts and connections (409)."""
    await institutions.delete_institution(session, scope, institution_id, expected)

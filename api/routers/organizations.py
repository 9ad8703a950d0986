from __future__ import annotations

from fastapi import APIRouter, Request, Response

from api.deps import CurrentScope, Session
from api.preconditions import IfMatch
from api.problems import problem_responses
from api.routes import Route
from api.schemas.organizations import OrganizationCreate, OrganizationDetail, OrganizationPatch
from backend.errors import Forbidden
from backend.identity import organizations, registration

router = APIRouter(prefix="/api", tags=["organizations"], route_class=Route)


@router.get("/organization")
async def get_organization(scope: CurrentScope, session: Session) -> OrganizationDetail:
    """The one that the caller acts in."""
    return OrganizationDetail.model_validate(await organizations.get_organization(session, scope))


@router.patch("/organization", responses=problem_responses(Forbidden))
async def update_organization(
    body: OrganizationPatch, expected: IfMatch, scope: CurrentScope, session: Session
) -> OrganizationDetail:
    """For owners and admins."""
    organization = await organizations.update_organization(session, scope, body.changes(), expected)
    return OrganizationDetail.model_validate(organization)


@router.post("/organizations", status_code=201, responses=problem_responses(Forbidden))
async def create_organization(
    body: OrganizationCreate,
    scope: CurrentScope,
    session: Session,
    request: Request,
    response: Response,
) -> OrganizationDetail:
    """Another organization, with the caller as its owner: act in it by `Outlay-Organization`."""
    organization = await registration.create_organization(session, scope, body.model_dump())
    response.headers["Location"] = str(request.url_for("get_organization").path)
    return OrganizationDetail.model_validate(organization)

from __future__ import annotations

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession

from api.deps import CurrentScope, Session
from api.problems import problem_responses
from api.routes import Route
from api.schemas.identity import Me, MembershipOut, MePatch, OrganizationOut, UserOut
from backend.errors import Forbidden
from backend.identity.profiles import rename_self
from backend.identity.queries import find_memberships, get_profile
from backend.scope import Scope

router = APIRouter(prefix="/api/me", tags=["identity"], route_class=Route)


@router.get("")
async def get_me(scope: CurrentScope, session: Session) -> Me:
    return await _render(session, scope)


@router.patch("", responses=problem_responses(Forbidden))
async def update_me(body: MePatch, scope: CurrentScope, session: Session) -> Me:
    """The name that the members of all the caller's organizations see."""
    await rename_self(session, scope, body.changes())
    return await _render(session, scope)


async def _render(session: AsyncSession, scope: Scope) -> Me:
    user, organization = await get_profile(session, scope)
    memberships = await find_memberships(session, scope.user_id)
    return Me(
        user=UserOut.model_validate(user),
        organization=OrganizationOut.model_validate(organization),
        role=scope.role,
        approval_level=scope.approval_level,
        read_only=scope.read_only,
        memberships=[MembershipOut.model_validate(m) for m in memberships],
    )

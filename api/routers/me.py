from __future__ import annotations

from fastapi import APIRouter

from api.deps import CurrentScope, Session
from api.schemas.identity import Me, MembershipOut, OrganizationOut, UserOut
from backend.identity.queries import find_memberships, get_profile

router = APIRouter(prefix="/api/me", tags=["identity"])


@router.get("")
async def get_me(scope: CurrentScope, session: Session) -> Me:
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

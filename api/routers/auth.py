from __future__ import annotations

from fastapi import APIRouter

from api.deps import State
from api.problems import problem_responses
from api.schemas.identity import MembershipOut, TokenAnswer, TokenRequest
from backend.db.outage import outages_explained
from backend.errors import Forbidden, Unauthenticated
from backend.identity.service import log_in

router = APIRouter(prefix="/api/auth", tags=["identity"])


@router.post("/token", responses=problem_responses(Unauthenticated, Forbidden))
async def create_token(body: TokenRequest, state: State) -> TokenAnswer:
    """An access token for an e-mail address and a password."""
    with outages_explained():
        login = await log_in(
            state.engine,
            state.settings,
            email=body.email,
            password=body.password.get_secret_value(),
            organization_id=body.organization,
        )
    return TokenAnswer(
        access_token=login.access_token,
        expires_in=state.settings.jwt_ttl_seconds,
        organization=MembershipOut.model_validate(login.membership),
    )

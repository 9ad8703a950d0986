from __future__ import annotations

from fastapi import APIRouter, Response

from api.deps import ClientAddress, CurrentScope, Now, Session, State, StrangerLimit
from api.problems import problem_responses
from api.routes import Route
from api.schemas.identity import (
    Accepted,
    MembershipOut,
    PasswordChange,
    PasswordResetConfirmation,
    PasswordResetRequest,
    RefreshRequest,
    Registration,
    TokenAnswer,
    TokenRequest,
)
from backend.db.outage import outages_explained
from backend.errors import Forbidden, NotFound, Unauthenticated
from backend.identity import logins, password_resets
from backend.identity.logins import LoginTokens
from backend.identity.registration import register
from backend.identity.service import log_in
from backend.settings import Settings

router = APIRouter(prefix="/api/auth", tags=["identity"])


@router.post(
    "/register",
    status_code=202,
    responses=problem_responses(Forbidden),
    dependencies=[StrangerLimit],
)
async def register_user(
    body: Registration, state: State, address: ClientAddress, now: Now
) -> Accepted:
    """A user and an organization of their own; then log in with `POST /api/auth/token`.

    The answer is the same when the address is taken: it does not tell who is registered here.
    """
    with outages_explained():
        await register(
            state.engine,
            state.settings,
            email=body.email,
            name=body.name,
            password=body.password.get_secret_value(),
            organization=body.organization.model_dump(exclude_none=True),
            address=address,
            now=now,
        )
    return Accepted(detail="If the address was free, it is yours now: log in.")


@router.post(
    "/token", responses=problem_responses(Unauthenticated, Forbidden), dependencies=[StrangerLimit]
)
async def create_token(
    body: TokenRequest, state: State, address: ClientAddress, now: Now, response: Response
) -> TokenAnswer:
    """An access token and a refresh token for an e-mail address and a password."""
    with outages_explained():
        login = await log_in(
            state.engine,
            state.settings,
            email=body.email,
            password=body.password.get_secret_value(),
            address=address,
            now=now,
            organization_id=body.organization,
        )
    return _answer(login, state.settings, response)


@router.post("/refresh", responses=problem_responses(Unauthenticated), dependencies=[StrangerLimit])
async def refresh_token(
    body: RefreshRequest, state: State, now: Now, response: Response
) -> TokenAnswer:
    """The next access and refresh token.

    A refresh token is good once. One that comes a second time was copied: the whole login ends
    with it, its access tokens too. So refresh in one place at a time.
    """
    with outages_explained():
        login = await logins.refresh_login(
            state.engine, state.settings, body.refresh_token.get_secret_value(), now
        )
    return _answer(login, state.settings, response)


@router.post("/logout", status_code=204, dependencies=[StrangerLimit])
async def log_out(body: RefreshRequest, state: State, now: Now) -> None:
    """End the login that the refresh token belongs to, and its access tokens at once."""
    with outages_explained():
        await logins.end_login(state.engine, body.refresh_token.get_secret_value(), now)


@router.post("/password-reset", status_code=202, dependencies=[StrangerLimit])
async def request_password_reset(
    body: PasswordResetRequest, state: State, address: ClientAddress, now: Now
) -> Accepted:
    """Ask for a link. Until mail is set up, an owner or admin sees this and hands one over."""
    with outages_explained():
        await password_resets.request_password_reset(
            state.engine, state.settings, email=body.email, address=address, now=now
        )
    return Accepted(detail="If somebody has this address, their administrators know now.")


@router.post(
    "/password-reset/confirm",
    status_code=204,
    responses=problem_responses(NotFound),
    dependencies=[StrangerLimit],
)
async def confirm_password_reset(body: PasswordResetConfirmation, state: State, now: Now) -> None:
    """Set a new password with the token of a link. Every login of the user ends."""
    with outages_explained():
        await password_resets.reset_password(
            state.engine, body.token.get_secret_value(), body.new_password.get_secret_value(), now
        )


own = APIRouter(prefix="/api/auth", tags=["identity"], route_class=Route)


@own.post("/password", status_code=204, responses=problem_responses(Forbidden))
async def change_password(
    *,
    body: PasswordChange,
    scope: CurrentScope,
    session: Session,
    state: State,
    address: ClientAddress,
    now: Now,
) -> None:
    """Every login of the user ends, this one too; API tokens go on until they are revoked."""
    await password_resets.change_password(
        state.engine,
        state.settings,
        session,
        scope,
        current=body.current_password.get_secret_value(),
        new=body.new_password.get_secret_value(),
        address=address,
        now=now,
    )


def _answer(login: LoginTokens, settings: Settings, response: Response) -> TokenAnswer:
    response.headers["Cache-Control"] = "no-store"
    return TokenAnswer(
        access_token=login.access_token,
        expires_in=settings.jwt_ttl_seconds,
        refresh_token=login.refresh_token,
        refresh_expires_at=login.expires_at,
        organization=MembershipOut.model_validate(login.membership),
    )

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from api.deps import ClientAddress, CurrentScope, Now, ScopeIfAny, Session, State, StrangerLimit
from api.paging import Page, page
from api.problems import READ_RESPONSES, WRITE_RESPONSES, problem_responses
from api.routes import Route
from api.schemas.identity import MembershipOut
from api.schemas.invitations import (
    InvitationAcceptance,
    InvitationCreate,
    InvitationCreated,
    InvitationListParams,
    InvitationLookUp,
    InvitationOut,
    OpenInvitationOut,
)
from backend.db.outage import outages_explained
from backend.errors import FieldError, Forbidden, InvalidInput, NotFound
from backend.identity import invitations

router = APIRouter(prefix="/api/invitations", tags=["members"], route_class=Route)
# For who has a link and perhaps nothing else.
strangers = APIRouter(prefix="/api/invitations", tags=["members"])


@router.post("", status_code=201, responses=WRITE_RESPONSES)
async def create_invitation(
    *,
    body: InvitationCreate,
    scope: CurrentScope,
    session: Session,
    state: State,
    now: Now,
    request: Request,
    response: Response,
) -> InvitationCreated:
    """A link to hand over; one that is open for the same address is revoked."""
    invitation, link = await invitations.create_invitation(
        session,
        state.settings,
        scope,
        email=body.email,
        role=body.role,
        approval_level=body.approval_level,
        now=now,
    )
    place = request.url_for("get_invitation", invitation_id=invitation.id)
    response.headers["Location"] = str(place.path)
    response.headers["Cache-Control"] = "no-store"
    return InvitationCreated.of(invitation, link, now)


@router.get("", responses=problem_responses(Forbidden))
async def list_invitations(
    params: Annotated[InvitationListParams, Query()],
    scope: CurrentScope,
    session: Session,
    now: Now,
) -> Page[InvitationOut]:
    """The newest first."""
    window = params.window(invitations.INVITATIONS_BY_AGE)
    rows = await invitations.list_invitations(
        session, scope, window, open_at=now if params.open_only else None
    )
    return page(
        rows, invitations.INVITATIONS_BY_AGE, window, lambda row: InvitationOut.of(row, now)
    )


@router.get("/{invitation_id:uuid}", responses=READ_RESPONSES | problem_responses(Forbidden))
async def get_invitation(
    invitation_id: UUID, scope: CurrentScope, session: Session, now: Now
) -> InvitationOut:
    return InvitationOut.of(await invitations.get_invitation(session, scope, invitation_id), now)


@router.delete("/{invitation_id:uuid}", status_code=204, responses=WRITE_RESPONSES)
async def revoke_invitation(
    invitation_id: UUID, scope: CurrentScope, session: Session, now: Now
) -> None:
    """Its link stops working; revoking twice is revoking once."""
    await invitations.revoke_invitation(session, scope, invitation_id, now)


@strangers.post("/lookup", responses=problem_responses(NotFound), dependencies=[StrangerLimit])
async def look_up_invitation(body: InvitationLookUp, state: State, now: Now) -> OpenInvitationOut:
    """What a link is for, before it is accepted."""
    with outages_explained():
        found = await invitations.look_up_invitation(
            state.engine, body.token.get_secret_value(), now
        )
    return OpenInvitationOut.model_validate(found)


@strangers.post(
    "/accept",
    responses=problem_responses(Forbidden, NotFound),
    openapi_extra={"security": [{}]},  # a token is welcome, and not needed
)
async def accept_invitation(
    body: InvitationAcceptance, caller: ScopeIfAny, state: State, address: ClientAddress, now: Now
) -> MembershipOut:
    """Join the organization, once. Then log in, or act in it by `Outlay-Organization`."""
    token = body.token.get_secret_value()
    with outages_explained():
        if caller is not None:
            membership = await invitations.accept_as_user(
                state.engine, token, caller=caller, now=now
            )
        elif body.password is None:
            raise InvalidInput(
                "Log in, or give a password.",
                errors=[FieldError("#/password", "Of the user who is invited, or is to be new.")],
            )
        else:
            _, membership = await invitations.accept_with_password(
                state.engine,
                state.settings,
                token,
                name=body.name,
                password=body.password.get_secret_value(),
                address=address,
                now=now,
            )
    return MembershipOut.model_validate(membership)

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from api.deps import CurrentScope, Now, Session, State
from api.paging import Page, page
from api.preconditions import IfMatch
from api.problems import READ_RESPONSES, WRITE_RESPONSES
from api.routes import Route
from api.schemas.identity import OneTimeLinkOut
from api.schemas.members import MemberListParams, MemberOut, MemberPatch
from backend.budgets.repercussions import of_member, recorded
from backend.identity import members
from backend.identity.password_resets import make_member_reset

router = APIRouter(prefix="/api/members", tags=["members"], route_class=Route)


@router.get("")
async def list_members(
    params: Annotated[MemberListParams, Query()], scope: CurrentScope, session: Session
) -> Page[MemberOut]:
    """By name. Every member sees who the others are, to share something with them."""
    window = params.window(members.MEMBERS_BY_NAME)
    rows = await members.list_people(session, scope, window, role=params.role, q=params.q)
    return page(rows, members.MEMBERS_BY_NAME, window, lambda person: MemberOut.of(person, scope))


@router.get("/{user_id}", responses=READ_RESPONSES)
async def get_member(user_id: UUID, scope: CurrentScope, session: Session) -> MemberOut:
    return MemberOut.of(await members.get_person(session, scope, user_id), scope)


@router.patch("/{user_id}", responses=WRITE_RESPONSES)
async def update_member(
    user_id: UUID,
    body: MemberPatch,
    expected: IfMatch,
    scope: CurrentScope,
    session: Session,
) -> MemberOut:
    """For owners and admins. An owner is made and changed by owners only; the last one stays.

    Who no longer sees the whole organization loses the matching rules of their budgets.
    """
    async with recorded(session, scope, of_member(user_id)):
        person = await members.update_member(session, scope, user_id, body.changes(), expected)
    return MemberOut.of(person, scope)


@router.delete("/{user_id}", status_code=204, responses=WRITE_RESPONSES)
async def remove_member(
    user_id: UUID, expected: IfMatch, scope: CurrentScope, session: Session
) -> None:
    """For owners and admins; everybody may leave. What they own must have another owner first."""
    async with recorded(session, scope, of_member(user_id)):
        await members.remove_member(session, scope, user_id, expected)


@router.post("/{user_id}/password-reset", status_code=201, responses=WRITE_RESPONSES)
async def create_member_password_reset(
    *,
    user_id: UUID,
    scope: CurrentScope,
    session: Session,
    state: State,
    now: Now,
    response: Response,
) -> OneTimeLinkOut:
    """A link for a member who cannot log in; the ones before it are void.

    Not for an owner by an admin, nor for somebody who belongs to other organizations too (403):
    for them the operator makes one.
    """
    link = await make_member_reset(session, state.settings, scope, user_id, now)
    response.headers["Cache-Control"] = "no-store"
    return OneTimeLinkOut.model_validate(link)

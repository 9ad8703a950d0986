"""Inviting people by a one-time link, which works before any mail is set up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from backend.audit.record import record
from backend.audit.states import state_of
from backend.db.engine import enter_organization
from backend.db.keyset import Order, Window, windowed
from backend.db.locking import locked
from backend.errors import Conflict, FieldError, Forbidden, InvalidInput, NotFound
from backend.identity.models import Invitation, Member, User
from backend.identity.one_time_links import OneTimeLink, new_link
from backend.identity.passwords import MINIMUM_LENGTH, hash_password
from backend.identity.permissions import require_administrator, require_login
from backend.identity.queries import Membership, find_memberships
from backend.identity.registration import EmailTaken, create_user
from backend.identity.service import check_password
from backend.identity.tokens import token_digest
from backend.scope import ApprovalLevel, Role, Scope
from backend.settings import Settings

INVITATIONS_BY_AGE = Order((Invitation.id,), descending=True)

_SECRET = "token_hash"  # noqa: S105  # the column that no record may hold
_FIND = text(
    "SELECT organization_id, organization_name, email, role, expires_at, user_exists "
    "FROM find_invitation(:hash, :at)"
)
_ACCEPT = text("SELECT invitation_id, organization_id FROM accept_invitation(:hash, :user_id, :at)")


@dataclass(frozen=True, slots=True)
class OpenInvitation:
    """What the holder of a link gets to see; with `user_exists` they log in to accept it."""

    organization_id: UUID
    organization_name: str
    email: str
    role: Role
    expires_at: datetime
    user_exists: bool


async def create_invitation(
    session: AsyncSession,
    settings: Settings,
    scope: Scope,
    *,
    email: str,
    role: Role,
    approval_level: ApprovalLevel,
    now: datetime,
) -> tuple[Invitation, OneTimeLink]:
    """A link for this address; one that is open for it is revoked. `Conflict` for a member."""
    require_administrator(scope)
    if role is Role.OWNER and scope.role is not Role.OWNER:
        raise Forbidden("Only an owner may make an owner.")
    if await _is_member(session, scope, email):
        raise Conflict("Somebody with this e-mail address is a member already.")
    same = func.lower(Invitation.email) == func.lower(email)
    for open_one in await session.scalars(
        locked(select(Invitation).where(_visible(scope), _unused(), same))
    ):
        await _revoke(session, scope, open_one, now)
    life = settings.invitation_ttl_seconds
    link = new_link(settings, "invitation", now=now, life_seconds=life)
    invitation = Invitation(
        organization_id=scope.organization_id,
        email=email,
        role=role,
        approval_level=approval_level,
        token_hash=link.digest,
        created_by=scope.user_id,
        expires_at=link.expires_at,
    )
    session.add(invitation)
    await session.flush()
    await session.refresh(invitation)
    after = state_of(invitation, _SECRET)
    await record(session, scope, "create", "invitation", invitation.id, after=after)
    return invitation, link


async def list_invitations(
    session: AsyncSession, scope: Scope, window: Window, *, open_at: datetime | None = None
) -> Sequence[Invitation]:
    """The newest first; with `open_at` those only that could be accepted then."""
    require_administrator(scope)
    statement = select(Invitation).where(_visible(scope))
    if open_at is not None:
        statement = statement.where(_unused(), Invitation.expires_at > open_at)
    return (await session.scalars(windowed(statement, INVITATIONS_BY_AGE, window))).all()


async def get_invitation(
    session: AsyncSession, scope: Scope, invitation_id: UUID, *, lock: bool = False
) -> Invitation:
    require_administrator(scope)
    statement = select(Invitation).where(_visible(scope), Invitation.id == invitation_id)
    invitation = await session.scalar(locked(statement) if lock else statement)
    if invitation is None:
        raise NotFound("There is no such invitation.")
    return invitation


async def revoke_invitation(
    session: AsyncSession, scope: Scope, invitation_id: UUID, now: datetime
) -> None:
    """Its link stops working; revoking twice is revoking once. `Conflict` once it was accepted."""
    invitation = await get_invitation(session, scope, invitation_id, lock=True)
    if invitation.accepted_at is not None:
        raise Conflict("It was accepted already: remove the member instead.")
    await _revoke(session, scope, invitation, now)


async def look_up_invitation(engine: AsyncEngine, token: str, now: datetime) -> OpenInvitation:
    async with engine.connect() as connection:
        found = (
            await connection.execute(_FIND, {"hash": token_digest(token), "at": now})
        ).one_or_none()
    if found is None:
        raise _not_open()
    return OpenInvitation(
        found.organization_id,
        found.organization_name,
        found.email,
        Role(found.role),
        found.expires_at,
        found.user_exists,
    )


async def accept_as_user(
    engine: AsyncEngine, token: str, *, caller: Scope, now: datetime
) -> Membership:
    """The caller joins, if it is their address that was invited."""
    require_login(caller)
    async with AsyncSession(engine) as session, session.begin():
        return await _accept(session, token, caller.user_id, now)


async def accept_with_password(
    engine: AsyncEngine,
    settings: Settings,
    token: str,
    *,
    name: str | None,
    password: str,
    address: str,
    now: datetime,
) -> tuple[UUID, Membership]:
    """Whoever has the invited address joins by their password; nobody yet becomes a new user.

    Of many who do so at once with one link, one succeeds; `NotFound` for the others.
    """
    invited = await look_up_invitation(engine, token, now)
    if invited.user_exists:
        user_id = await check_password(
            engine, settings, email=invited.email, password=password, address=address, now=now
        )
        async with AsyncSession(engine) as session, session.begin():
            return user_id, await _accept(session, token, user_id, now)
    if name is None or len(password) < MINIMUM_LENGTH:
        raise InvalidInput(
            "A new user needs a name and a password.", errors=[*_faults(name, password)]
        )
    password_hash = await hash_password(password)
    try:
        async with AsyncSession(engine) as session, session.begin():
            user_id = await create_user(session, invited.email, name, password_hash)
            return user_id, await _accept(session, token, user_id, now)
    except EmailTaken:  # by somebody who was faster with the same link, or registered just now
        raise _not_open() from None


async def _accept(session: AsyncSession, token: str, user_id: UUID, now: datetime) -> Membership:
    values = {"hash": token_digest(token), "user_id": user_id, "at": now}
    taken = (await session.execute(_ACCEPT, values)).one_or_none()
    if taken is None:
        raise _not_open()
    await enter_organization(session, taken.organization_id)
    membership = next(
        m
        for m in await find_memberships(session, user_id)
        if m.organization_id == taken.organization_id
    )
    actor, after = str(user_id), {"user_id": user_id, "role": membership.role}
    await record(session, actor, "accept", "invitation", taken.invitation_id, after=after)
    await record(session, actor, "create", "member", user_id, after=after)
    return membership


async def _revoke(
    session: AsyncSession, scope: Scope, invitation: Invitation, now: datetime
) -> None:
    before = state_of(invitation, _SECRET)
    invitation.revoked_at = invitation.revoked_at or now
    await session.flush()
    after = state_of(invitation, _SECRET)
    await record(session, scope, "revoke", "invitation", invitation.id, before=before, after=after)


async def _is_member(session: AsyncSession, scope: Scope, email: str) -> bool:
    found = await session.scalar(
        select(Member.user_id)
        .join(User, User.id == Member.user_id)
        .where(
            Member.organization_id == scope.organization_id,
            func.lower(User.email) == func.lower(email),
        )
    )
    return found is not None


def _faults(name: str | None, password: str) -> Iterator[FieldError]:
    if name is None:
        yield FieldError("#/name", "Give your name.")
    if len(password) < MINIMUM_LENGTH:
        yield FieldError("#/password", f"Must have at least {MINIMUM_LENGTH} characters.")


def _visible(scope: Scope) -> ColumnElement[bool]:
    return Invitation.organization_id == scope.organization_id


def _unused() -> ColumnElement[bool]:
    return and_(Invitation.accepted_at.is_(None), Invitation.revoked_at.is_(None))


def _not_open() -> NotFound:
    """One answer for every reason, and for somebody else's invitation."""
    return NotFound(
        "There is no such open invitation: it was used, revoked, has expired, or is not for you."
    )

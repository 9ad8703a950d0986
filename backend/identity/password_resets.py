"""Changing a password: by the old one, or by a one-time link.

Until links can be mailed, an owner or admin hands them over, and an operator to whoever they cannot
help. Whoever holds a link becomes the user, so an administrator gets none for somebody who outranks
them or who belongs to other organizations too: it would open those.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from backend.audit.record import record
from backend.db.engine import enter_organization
from backend.errors import Forbidden, NotFound, Unauthenticated
from backend.identity.attempts import count_attempt
from backend.identity.members import get_member
from backend.identity.one_time_links import OneTimeLink, new_link
from backend.identity.passwords import hash_password
from backend.identity.permissions import require_administrator, require_login
from backend.identity.queries import find_login, find_memberships, get_profile
from backend.identity.service import check_password
from backend.identity.tokens import token_digest
from backend.scope import Role, Scope
from backend.settings import Settings

_SET = text("SELECT set_password(:user_id, :hash, :at)")
_REQUEST = text("SELECT request_password_reset(:email, :at)")
_CREATE = text("SELECT create_password_reset(:hash, :user_id, :organization_id, :at, :until)")
_SPEND = text("SELECT spend_password_reset(:hash, :at)")


async def change_password(
    engine: AsyncEngine,
    settings: Settings,
    session: AsyncSession,
    scope: Scope,
    *,
    current: str,
    new: str,
    address: str,
    now: datetime,
) -> None:
    """Every login of the user ends with it, the one that asks for it too."""
    require_login(scope)
    user, _ = await get_profile(session, scope)
    try:
        await check_password(
            engine, settings, email=user.email, password=current, address=address, now=now
        )
    except Unauthenticated:
        raise Forbidden("The current password is wrong.") from None
    values = {"user_id": scope.user_id, "hash": await hash_password(new), "at": now}
    await session.execute(_SET, values)
    await record(session, scope, "change_password", "user", scope.user_id)


async def request_password_reset(
    engine: AsyncEngine, settings: Settings, *, email: str, address: str, now: datetime
) -> None:
    """Owners and admins see that it was asked for; whether anybody has the address is not told."""
    await count_attempt(engine, settings, email=None, address=address, now=now)
    async with engine.begin() as connection:
        await connection.execute(_REQUEST, {"email": email, "at": now})


async def make_member_reset(
    session: AsyncSession, settings: Settings, scope: Scope, user_id: UUID, now: datetime
) -> OneTimeLink:
    """A link for a member of the caller's organization; the ones before it are void."""
    require_administrator(scope)
    require_login(scope)
    member = await get_member(session, scope, user_id)
    outranked = member.role == Role.OWNER and scope.role is not Role.OWNER
    if outranked or len(await find_memberships(session, user_id)) != 1:
        raise Forbidden("Only the operator can do this for them: `outlay password-reset`.")
    link = await _make_link(session, settings, user_id, scope.organization_id, now)
    await record(session, scope, "create", "password_reset", user_id)
    return link


async def make_operator_reset(
    engine: AsyncEngine, settings: Settings, email: str, now: datetime
) -> OneTimeLink:
    """A link for any active user; `NotFound` when nobody has the address."""
    async with AsyncSession(engine) as session, session.begin():
        login = await find_login(session, email)
        if login is None:
            raise NotFound(f"No active user has the e-mail {email}.")
        user_id, _ = login
        link = await _make_link(session, settings, user_id, None, now)
        await _record_for_user(session, "system:operator", "create", "password_reset", user_id)
    return link


async def reset_password(engine: AsyncEngine, token: str, new: str, now: datetime) -> None:
    """`NotFound` for a link that is unknown, used, replaced, void or expired."""
    password_hash = await hash_password(new)
    async with AsyncSession(engine) as session, session.begin():
        spent = await session.execute(_SPEND, {"hash": token_digest(token), "at": now})
        user_id: UUID | None = spent.scalar_one()
        if user_id is None:
            raise NotFound("This link is not valid: it was used, replaced, or has expired.")
        await session.execute(_SET, {"user_id": user_id, "hash": password_hash, "at": now})
        await _record_for_user(session, str(user_id), "change_password", "user", user_id)


async def _make_link(
    session: AsyncSession,
    settings: Settings,
    user_id: UUID,
    organization_id: UUID | None,
    now: datetime,
) -> OneTimeLink:
    life = settings.password_reset_ttl_seconds
    link = new_link(settings, "password-reset", now=now, life_seconds=life)
    values = {
        "hash": link.digest,
        "user_id": user_id,
        "organization_id": organization_id,
        "at": now,
        "until": link.expires_at,
    }
    await session.execute(_CREATE, values)
    return link


async def _record_for_user(
    session: AsyncSession, actor: str, action: str, object_type: str, user_id: UUID
) -> None:
    """In the organization that the user joined first: an entry has to be somewhere."""
    for membership in (await find_memberships(session, user_id))[:1]:
        await enter_organization(session, membership.organization_id)
        await record(session, actor, action, object_type, user_id)

"""Staying logged in: refresh tokens that are used once each, and end together.

A login is a family of refresh tokens, of which one is unused. A used one that comes back was
copied, so the login ends, and with it the access tokens that were made of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from backend.audit.record import record
from backend.db.engine import enter_organization, organization_session
from backend.errors import Unauthenticated
from backend.identity.queries import Membership, find_memberships
from backend.identity.tokens import (
    REFRESH_TOKEN_PREFIX,
    issue_access_token,
    new_token,
    token_digest,
)
from backend.settings import Settings

_log = structlog.get_logger(__name__)

_START = text("SELECT start_login(:user_id, :organization_id, :hash, :at, :until)")
_ROTATE = text(
    "SELECT login_id, user_id, organization_id, expires_at, reused "
    "FROM rotate_refresh_token(:old, :new, :at)"
)
_END = text("SELECT login_id, user_id, organization_id FROM end_login(:hash, :at)")


@dataclass(frozen=True, slots=True)
class LoginTokens:
    """`refresh_token` is good once, until `expires_at`, the end of the whole login."""

    access_token: str
    refresh_token: str
    expires_at: datetime
    membership: Membership


async def start_login(
    engine: AsyncEngine, settings: Settings, user_id: UUID, membership: Membership, now: datetime
) -> LoginTokens:
    refresh_token = new_token(REFRESH_TOKEN_PREFIX)
    expires_at = now + timedelta(seconds=settings.refresh_ttl_seconds)
    values = {
        "user_id": user_id,
        "organization_id": membership.organization_id,
        "hash": token_digest(refresh_token),
        "at": now,
        "until": expires_at,
    }
    async with organization_session(engine, membership.organization_id) as session:
        login_id: UUID = (await session.execute(_START, values)).scalar_one()
        await record(session, str(user_id), "create", "login", login_id)
    return LoginTokens(
        issue_access_token(
            settings, user_id, membership.organization_id, login_id=login_id, now=now
        ),
        refresh_token,
        expires_at,
        membership,
    )


async def refresh_login(
    engine: AsyncEngine, settings: Settings, refresh_token: str, now: datetime
) -> LoginTokens:
    """New tokens for the one that is used up.

    `Unauthenticated` when it is unknown, was used before, or its login has ended or expired, and
    when its user is not active or not a member any more.
    """
    successor = new_token(REFRESH_TOKEN_PREFIX)
    tokens = {"old": token_digest(refresh_token), "new": token_digest(successor), "at": now}
    async with AsyncSession(engine) as session, session.begin():
        login = (await session.execute(_ROTATE, tokens)).one_or_none()
        if login is not None and login.reused:
            _log.warning("refresh_token_reused", login_id=str(login.login_id))
            await _record_end(session, login.organization_id, login.user_id, login.login_id)
    if login is None or login.reused:
        raise Unauthenticated("The refresh token is not valid. Log in again.")
    async with engine.connect() as connection:
        memberships = await find_memberships(connection, login.user_id)
    for membership in memberships:
        if membership.organization_id == login.organization_id:
            return LoginTokens(
                issue_access_token(
                    settings,
                    login.user_id,
                    membership.organization_id,
                    login_id=login.login_id,
                    now=now,
                ),
                successor,
                login.expires_at,
                membership,
            )
    raise Unauthenticated("The refresh token is not valid. Log in again.")


async def end_login(engine: AsyncEngine, refresh_token: str, now: datetime) -> None:
    """Whether there was such a login is not told."""
    values = {"hash": token_digest(refresh_token), "at": now}
    async with AsyncSession(engine) as session, session.begin():
        login = (await session.execute(_END, values)).one_or_none()
        if login is not None:
            await _record_end(session, login.organization_id, login.user_id, login.login_id)


async def _record_end(
    session: AsyncSession, organization_id: UUID, user_id: UUID, login_id: UUID
) -> None:
    await enter_organization(session, organization_id)
    await record(session, str(user_id), "delete", "login", login_id)

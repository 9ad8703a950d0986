"""Logging in, and API tokens."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from backend.errors import FieldError, Forbidden, InvalidInput, Unauthenticated
from backend.identity.attempts import count_attempt, forgive_attempts
from backend.identity.logins import LoginTokens, start_login
from backend.identity.models import ApiToken
from backend.identity.passwords import hash_password, needs_rehash, verify_password
from backend.identity.queries import Membership, find_login, find_memberships
from backend.identity.tokens import new_api_token, token_digest
from backend.settings import Settings

_REHASH = text("SELECT rehash_password(:user_id, :old, :new)")


async def log_in(
    engine: AsyncEngine,
    settings: Settings,
    *,
    email: str,
    password: str,
    address: str,
    now: datetime,
    organization_id: UUID | None = None,
) -> LoginTokens:
    """Tokens for the organization, or for the one the user joined first.

    `Unauthenticated` and `TooManyRequests` as `check_password` says.
    """
    user_id = await check_password(
        engine, settings, email=email, password=password, address=address, now=now
    )
    membership = await choose_membership(engine, user_id, organization_id)
    return await start_login(engine, settings, user_id, membership, now)


async def check_password(
    engine: AsyncEngine,
    settings: Settings,
    *,
    email: str,
    password: str,
    address: str,
    now: datetime,
) -> UUID:
    """The user whose password it is.

    A wrong password and an unknown or inactive user are one `Unauthenticated`, at one cost; after
    too many of them `TooManyRequests`, whatever the password.
    """
    await count_attempt(engine, settings, email=email, address=address, now=now)
    async with engine.connect() as connection:
        found = await find_login(connection, email)
    user_id, password_hash = found or (None, None)
    if not await verify_password(password_hash, password) or user_id is None:
        raise Unauthenticated("The e-mail address or the password is wrong.")
    await forgive_attempts(engine, email=email, address=address)
    if password_hash is not None and needs_rehash(password_hash):
        values = {"user_id": user_id, "old": password_hash, "new": await hash_password(password)}
        async with engine.begin() as connection:
            await connection.execute(_REHASH, values)
    return user_id


async def choose_membership(
    engine: AsyncEngine, user_id: UUID, organization_id: UUID | None
) -> Membership:
    """The user's membership in the organization, or their first when none is named."""
    async with engine.connect() as connection:
        memberships = await find_memberships(connection, user_id)
    if not memberships:
        raise Forbidden("This user does not belong to any organization.")
    if organization_id is None:
        return memberships[0]
    for membership in memberships:
        if membership.organization_id == organization_id:
            return membership
    raise InvalidInput(
        "The organization is not known.",
        errors=[FieldError("#/organization", "There is no such organization.")],
    )


async def create_api_token(
    session: AsyncSession,
    user_id: UUID,
    *,
    name: str,
    scopes: Sequence[str] = ("read", "write"),
    expires_at: datetime | None = None,
) -> str:
    """As `add_api_token`, for who needs the token only."""
    _, token = await add_api_token(
        session, user_id, name=name, scopes=scopes, expires_at=expires_at
    )
    return token


async def add_api_token(
    session: AsyncSession,
    user_id: UUID,
    *,
    name: str,
    scopes: Sequence[str],
    expires_at: datetime | None,
) -> tuple[ApiToken, str]:
    """The new token; it is shown this once, since only its digest is stored."""
    if expires_at is not None and expires_at <= datetime.now(UTC):
        raise InvalidInput(
            "The token would have expired already.",
            errors=[FieldError("#/expires_at", "Must lie in the future.")],
        )
    token = new_api_token()
    row = ApiToken(
        user_id=user_id,
        name=name,
        token_hash=token_digest(token),
        scopes=list(scopes),
        expires_at=expires_at,
    )
    session.add(row)
    await session.flush()
    return row, token

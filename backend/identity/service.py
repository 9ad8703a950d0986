"""Logging in, and API tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from backend.errors import FieldError, Forbidden, InvalidInput, Unauthenticated
from backend.identity.models import ApiToken
from backend.identity.passwords import verify_password
from backend.identity.queries import Membership, find_login, find_memberships
from backend.identity.tokens import issue_access_token, new_api_token, token_digest
from backend.settings import Settings


@dataclass(frozen=True, slots=True)
class Login:
    access_token: str
    membership: Membership


async def log_in(
    engine: AsyncEngine,
    settings: Settings,
    *,
    email: str,
    password: str,
    organization_id: UUID | None = None,
) -> Login:
    """An access token for the organization, or for the one the user joined first.

    A wrong password and an unknown or inactive user are one `Unauthenticated`, at one cost.
    """
    async with engine.connect() as connection:
        found = await find_login(connection, email)
    user_id, password_hash = found or (None, None)
    if not await verify_password(password_hash, password) or user_id is None:
        raise Unauthenticated("The e-mail address or the password is wrong.")
    membership = await choose_membership(engine, user_id, organization_id)
    return Login(issue_access_token(settings, user_id, membership.organization_id), membership)


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
    """The new token; it is shown this once, since only its digest is stored."""
    if expires_at is not None and expires_at <= datetime.now(UTC):
        raise InvalidInput(
            "The token would have expired already.",
            errors=[FieldError("#/expires_at", "Must lie in the future.")],
        )
    token = new_api_token()
    session.add(
        ApiToken(
            user_id=user_id,
            name=name,
            token_hash=token_digest(token),
            scopes=list(scopes),
            expires_at=expires_at,
        )
    )
    await session.flush()
    return token

"""`outlay token`: an API token for a member, by e-mail."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select

from backend.db.engine import create_engine, organization_session
from backend.errors import InvalidInput, NotFound
from backend.identity.service import issue_api_token
from backend.settings import Settings


async def make_token(
    settings: Settings,
    *,
    email: str,
    organization: str | None,
    name: str,
    scopes: tuple[str, ...],
    life: timedelta,
) -> str:
    """The new token. Raises `NotFound` and `InvalidInput` with what to type instead."""
    engine = create_engine(settings.role_url("outlay_app", driver="asyncpg"))
    try:
        async with engine.connect() as connection:
            logins = func.find_login(email).table_valued("user_id", "password_hash")
            user_id: UUID | None = await connection.scalar(select(logins.c.user_id))
            if user_id is None:
                raise NotFound(f"No active user has the e-mail {email}.")
            found = func.find_memberships(user_id).table_valued("organization_id", "name", "role")
            memberships = (await connection.execute(select(found))).all()
        chosen = [
            m
            for m in memberships
            if organization is None or organization in {m.name, str(m.organization_id)}
        ]
        if len(chosen) != 1:
            listed = ", ".join(f"{m.name} ({m.organization_id})" for m in memberships) or "none"
            raise InvalidInput(f"Name one of the user's organizations: {listed}.")
        async with organization_session(engine, chosen[0].organization_id) as session:
            return await issue_api_token(
                session, user_id=user_id, name=name, scopes=scopes, life=life
            )
    finally:
        await engine.dispose()

"""`outlay token`: an API token for a member, by e-mail."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from backend.db.engine import create_engine, organization_session
from backend.errors import InvalidInput, NotFound
from backend.identity.queries import find_login, find_memberships
from backend.identity.service import create_api_token
from backend.settings import Settings

TOKEN_SCOPES = ("read", "write", "admin")


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
    unknown = set(scopes) - set(TOKEN_SCOPES)
    if unknown or not scopes:
        raise InvalidInput(f"Scopes are of {', '.join(TOKEN_SCOPES)}, not {sorted(unknown)}.")
    engine = create_engine(settings.role_url("outlay_app", driver="asyncpg"))
    try:
        async with engine.connect() as connection:
            login = await find_login(connection, email)
            if login is None:
                raise NotFound(f"No active user has the e-mail {email}.")
            memberships = await find_memberships(connection, login[0])
        chosen = [
            m
            for m in memberships
            if organization is None or organization in {m.name, str(m.organization_id)}
        ]
        if len(chosen) != 1:
            listed = ", ".join(f"{m.name} ({m.organization_id})" for m in memberships) or "none"
            raise InvalidInput(f"Name one of the user's organizations: {listed}.")
        async with organization_session(engine, chosen[0].organization_id) as session:
            return await create_api_token(
                session,
                login[0],
                name=name,
                scopes=scopes,
                expires_at=datetime.now(UTC) + life,
            )
    finally:
        await engine.dispose()

"""A caller for benchmarks: a member of the synthetic organization, with a token."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from backend.db.bootstrap import connect
from backend.db.engine import create_engine, organization_session
from backend.identity.scopes import ScopeCache
from backend.identity.service import create_api_token
from backend.scope import Role, Scope
from backend.settings import Settings


@dataclass(frozen=True, slots=True)
class Caller:
    scope: Scope
    token: str


def find_caller(settings: Settings, role: Role = Role.OWNER) -> Caller:
    """The first member of that role, with a new token."""
    return asyncio.run(_find_caller(settings, role))


async def _find_caller(settings: Settings, role: Role) -> Caller:
    return await call_as(settings, *await _first_member(settings, role))


async def call_as(settings: Settings, organization_id: UUID, user_id: UUID) -> Caller:
    """That member, with a new token."""
    engine = create_engine(settings.role_url("outlay_app", driver="asyncpg"))
    try:
        async with organization_session(engine, organization_id) as session:
            token = await create_api_token(
                session, user_id, name="bench", expires_at=datetime.now(UTC) + timedelta(days=1)
            )
        return Caller(await ScopeCache(settings, engine).resolve(token), token)
    finally:
        await engine.dispose()


async def _first_member(settings: Settings, role: Role) -> tuple[UUID, UUID]:
    connection = await connect(settings.admin_url())
    try:
        found = await connection.fetchrow(
            "SELECT organization_id, user_id FROM members WHERE role = $1 ORDER BY user_id LIMIT 1",
            role,
        )
    finally:
        await connection.close()
    if found is None:
        raise LookupError(f"There is no {role}.")
    return found["organization_id"], found["user_id"]

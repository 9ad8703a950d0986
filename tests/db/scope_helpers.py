"""A clock to turn, a counter of loads, and changes of a member's scope."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import event, update
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.db.engine import organization_session
from backend.errors import Unauthenticated
from backend.identity.models import Member
from backend.identity.scopes import ScopeCache
from backend.identity.tokens import issue_access_token
from backend.scope import Role, Scope
from backend.settings import Settings


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


class Counter:
    """Counts how often the engine asks PostgreSQL for a scope."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.loads = 0
        self.on_load: Any = lambda: None
        event.listen(engine.sync_engine, "before_cursor_execute", self._count)

    def _count(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "account_shares" in statement:
            self.loads += 1
            self.on_load()


def access_token(settings: Settings, scope: Scope) -> str:
    return issue_access_token(settings, scope.user_id, scope.organization_id)


async def set_role(engine: AsyncEngine, scope: Scope, role: Role) -> None:
    async with organization_session(engine, scope.organization_id) as session:
        await session.execute(
            update(Member).where(Member.user_id == scope.user_id).values(role=role)
        )


async def until_role(scopes: ScopeCache, token: str, role: Role | None) -> None:
    """Ask until the answer is `role`, or until there is none."""
    async with asyncio.timeout(10):
        # What is awaited happens in another process.
        while await role_of(scopes, token) is not role:  # noqa: ASYNC110
            await asyncio.sleep(0)


async def role_of(scopes: ScopeCache, token: str) -> Role | None:
    try:
        return (await scopes.resolve(token)).role
    except Unauthenticated:
        return None

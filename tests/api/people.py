"""People who log in, and services with other settings or another clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
from argon2 import PasswordHasher
from fastapi import FastAPI
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from api.app import create_app
from backend.db.engine import organization_session
from backend.identity.models import Member, User
from backend.scope import Role, Scope
from backend.settings import Settings
from tests.factories import make_member

PASSWORD = "correct horse battery staple"
# Made once, with parameters of its own: hashing is slow on purpose.
_HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


@asynccontextmanager
async def serving(
    settings: Settings, *, clock: Clock | None = None, address: str = "127.0.0.1", **changes: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a token, of a service with some settings changed."""
    app = create_app(settings.model_copy(update=changes))
    async with app.router.lifespan_context(app):
        if clock is not None:
            app.state.outlay = replace(app.state.outlay, clock=clock)
        async with client_from(app, address) as client:
            yield client


def client_from(app: FastAPI, address: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, client=(address, 4711))
    return httpx.AsyncClient(transport=transport, base_url="http://test")


async def make_person(
    engine: AsyncEngine, organization_id: UUID, role: Role = Role.MEMBER
) -> tuple[Scope, str]:
    """A member with `PASSWORD`; also answers their e-mail address."""
    scope = await make_member(engine, organization_id, role, password_hash=_HASH)
    return scope, await email_of(engine, scope)


async def email_of(engine: AsyncEngine, scope: Scope) -> str:
    async with organization_session(engine, scope.organization_id) as session:
        return str(await session.scalar(select(User.email).where(User.id == scope.user_id)))


async def join(engine: AsyncEngine, user_id: UUID, organization_id: UUID, role: Role) -> None:
    async with organization_session(engine, organization_id) as session:
        session.add(Member(user_id=user_id, organization_id=organization_id, role=role))


async def log_in(client: httpx.AsyncClient, email: str, password: str = PASSWORD) -> httpx.Response:
    return await client.post("/api/auth/token", json={"email": email, "password": password})


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def until_refused(client: httpx.AsyncClient, token: str) -> httpx.Response:
    """Ask until the token is not taken any more; the word of it travels through PostgreSQL."""
    async with asyncio.timeout(4):  # less than a scope is remembered without being told
        while True:
            answer = await client.get("/api/me", headers=bearer(token))
            if answer.status_code != 200:
                return answer

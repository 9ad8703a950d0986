"""One service for all of these tests, on the world, and clients whose every answer is scanned.

Whatever a test here asks, an answer that tells something it must not fails it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import pytest_asyncio
from fastapi import FastAPI

from api.app import create_app
from backend.identity.tokens import issue_access_token
from backend.scope import Role, Scope
from tests.security.leaks import forbidden_words, scanned, strangers_words
from tests.world import Side, World


class Callers:
    """Clients by who they are; kept until the session ends."""

    def __init__(self, app: FastAPI, world: World, stack: AsyncExitStack) -> None:
        self._app, self._world, self._stack = app, world, stack
        self._known: dict[object, httpx.AsyncClient] = {}

    async def member(self, side: Side, role: Role) -> httpx.AsyncClient:
        """With a fresh login."""
        key = ("login", side.marker, role)
        if key not in self._known:
            words = forbidden_words(side, self._other(side), role)
            await self._open(key, words, self._login(side.members[role]))
        return self._known[key]

    async def with_token(self, side: Side, scope: str) -> httpx.AsyncClient:
        """The owner's API token."""
        key = ("token", side.marker, scope)
        if key not in self._known:
            words = forbidden_words(side, self._other(side), Role.OWNER)
            await self._open(key, words, f"Bearer {side.tokens[scope]}")
        return self._known[key]

    async def stranger(self, authorization: str | None = None) -> httpx.AsyncClient:
        key = ("stranger", authorization)
        if key not in self._known:
            await self._open(key, strangers_words(self._world), authorization)
        return self._known[key]

    async def traveller(self, side: Side, *, tells_both: bool = False) -> httpx.AsyncClient:
        """In `side` by the header, whatever the token says.

        With `tells_both` the answer may name the other organization, and nothing else of it.
        """
        key = ("traveller", side.marker, tells_both)
        if key not in self._known:
            other = self._other(side)
            words = forbidden_words(side, other, Role.ANALYST)
            words -= {other.marker, str(other.organization_id)} if tells_both else set()
            client = await self._open(key, words, self._login(self._world.traveller))
            client.headers["Outlay-Organization"] = str(side.organization_id)
        return self._known[key]

    def _other(self, side: Side) -> Side:
        return self._world.theirs if side is self._world.ours else self._world.ours

    def _login(self, scope: Scope) -> str:
        settings = self._world.settings
        return f"Bearer {issue_access_token(settings, scope.user_id, scope.organization_id)}"

    async def _open(
        self, key: object, words: set[str], authorization: str | None
    ) -> httpx.AsyncClient:
        headers = {} if authorization is None else {"Authorization": authorization}
        self._known[key] = await self._stack.enter_async_context(
            httpx.AsyncClient(
                transport=httpx.ASGITransport(self._app, raise_app_exceptions=False),
                base_url="http://test",
                headers={"If-Match": "*", **headers},
                event_hooks={"response": [scanned(words)]},
            )
        )
        return self._known[key]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def app(world: World) -> AsyncIterator[FastAPI]:
    app = create_app(world.settings)
    async with app.router.lifespan_context(app):
        yield app


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def callers(app: FastAPI, world: World) -> AsyncIterator[Callers]:
    async with AsyncExitStack() as stack:
        yield Callers(app, world, stack)

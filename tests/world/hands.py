"""The members of one organization at work, through the API as anybody else."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any, Self
from uuid import UUID, uuid4

import httpx
from fastapi import FastAPI

from backend.identity.tokens import issue_access_token
from backend.scope import Role
from backend.settings import Settings
from tests.world.side import Place, Side

OWNERS = {Place.SHARED: Role.OWNER, Place.OWN: Role.MEMBER, Place.HIDDEN: Role.OWNER}


class Hands:
    """A client for each role, while it is entered."""

    def __init__(self, app: FastAPI, settings: Settings, side: Side) -> None:
        self.side = side
        self._app = app
        self._settings = settings
        self._stack = AsyncExitStack()
        self._clients: dict[Role, httpx.AsyncClient] = {}

    async def __aenter__(self) -> Self:
        for role, scope in self.side.members.items():
            token = issue_access_token(self._settings, scope.user_id, scope.organization_id)
            self._clients[role] = await self._stack.enter_async_context(
                httpx.AsyncClient(
                    transport=httpx.ASGITransport(self._app),
                    base_url="http://test",
                    headers={"Authorization": f"Bearer {token}", "If-Match": "*"},
                )
            )
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._stack.aclose()

    async def send(
        self, method: str, path: str, *, by: Role = Role.OWNER, **request: Any
    ) -> dict[str, Any]:
        answer = await self._clients[by].request(method, path, **request)
        assert answer.is_success, (method, path, answer.text)
        return dict(answer.json()) if answer.content else {}

    async def make(self, path: str, by: Role = Role.OWNER, **values: Any) -> UUID:
        """POST, once; answers the id of what was made."""
        headers = {"Idempotency-Key": uuid4().hex}
        return UUID((await self.send("POST", path, by=by, json=values, headers=headers))["id"])

    async def show(self, what: str, identity: UUID) -> None:
        """Share an account or a budget of the owner's with member and viewer."""
        for role in (Role.MEMBER, Role.VIEWER):
            user_id = self.side.members[role].user_id
            await self.send("PUT", f"/api/{what}/{identity}/shares/{user_id}")

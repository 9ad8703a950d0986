"""Whoever is shown out is out of every route, at once and in a service that knew them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from api.app import create_app
from backend.db.bootstrap import connect
from backend.identity.scopes import ScopeCache
from backend.scope import Role
from backend.settings import Settings
from tests.api.people import PASSWORD, bearer, client_from, log_in, make_person, until_refused
from tests.factories import make_organization
from tests.security.entries import Spot
from tests.security.matrix import ENTRIES
from tests.world import UNKNOWN


@dataclass(slots=True)
class House:
    """Two people who are logged in: an admin, who stays, and a manager, who goes."""

    settings: Settings
    client: httpx.AsyncClient
    admin: dict[str, str]
    user_id: UUID
    login: dict[str, Any]
    token: dict[str, Any]


ShowOut: TypeAlias = Callable[[House], Awaitable[object]]


async def _revoke(house: House) -> None:
    path = f"/api/tokens/{house.token['id']}"
    assert (await house.client.delete(path, headers=house.admin)).status_code == 204


async def _remove(house: House) -> None:
    path = f"/api/members/{house.user_id}"
    headers = house.admin | {"If-Match": "*"}
    assert (await house.client.delete(path, headers=headers)).status_code == 204


async def _deactivate(house: House) -> None:
    """As an operator does."""
    connection = await connect(house.settings.admin_url())
    await connection.execute("UPDATE users SET active = false WHERE id = $1", house.user_id)
    await connection.close()


async def _log_out(house: House) -> None:
    body = {"refresh_token": house.login["refresh_token"]}
    assert (await house.client.post("/api/auth/logout", json=body)).status_code == 204


async def _change_password(house: House) -> None:
    body = {"current_password": PASSWORD, "new_password": "another horse, another staple"}
    headers = bearer(house.login["access_token"])
    answer = await house.client.post("/api/auth/password", json=body, headers=headers)
    assert answer.status_code == 204


@pytest.fixture
async def house(settings: Settings, engine: AsyncEngine) -> AsyncIterator[House]:
    app: FastAPI = create_app(settings)
    async with app.router.lifespan_context(app), client_from(app, "127.0.0.1") as client:
        organization = await make_organization(engine)
        _, admin = await make_person(engine, organization, Role.OWNER)
        leaver, email = await make_person(engine, organization, Role.MANAGER)
        admin_login = (await log_in(client, admin)).json()
        login = (await log_in(client, email)).json()
        headers = bearer(login["access_token"])
        body = {"name": "x", "scopes": ["write"]}
        token = (await client.post("/api/tokens", json=body, headers=headers)).json()
        yield House(
            settings, client, bearer(admin_login["access_token"]), leaver.user_id, login, token
        )


@pytest.mark.parametrize(
    ("show_out", "by"),
    [
        (_revoke, "token"),
        (_remove, "token"),
        (_remove, "login"),
        (_deactivate, "token"),
        (_deactivate, "login"),
        (_log_out, "login"),
        (_change_password, "login"),
    ],
)
async def test_who_is_shown_out_is_out_at_once(house: House, show_out: ShowOut, by: str) -> None:
    secret = house.login["access_token"] if by == "login" else house.token["token"]
    known = await house.client.get("/api/me", headers=bearer(secret))
    assert known.status_code == 200
    await show_out(house)
    assert (await until_refused(house.client, secret)).status_code == 401
    assert (await house.client.get("/api/me", headers=house.admin)).status_code == 200


async def test_who_was_shown_out_finds_every_door_shut(house: House) -> None:
    await _remove(house)
    for secret in (house.login["access_token"], house.token["token"]):
        assert (await until_refused(house.client, secret)).status_code == 401
        for entry in ENTRIES:
            answer = await entry.send(house.client, _unknown, headers=bearer(secret))
            assert answer.status_code == 401, (str(entry), answer.text)


async def test_who_may_less_from_now_on_does_less_at_once(house: House) -> None:
    headers = bearer(house.token["token"])
    tag = {"name": "x"}
    assert (await house.client.post("/api/tags", json=tag, headers=headers)).status_code == 201
    path = f"/api/members/{house.user_id}"
    changed = await house.client.patch(
        path, json={"role": "viewer"}, headers=house.admin | {"If-Match": "*"}
    )
    assert changed.status_code == 200
    async with asyncio.timeout(4):  # less than a scope is remembered without being told
        while (await house.client.get("/api/me", headers=headers)).json()["role"] != "viewer":
            continue
    tag = {"name": "y"}
    assert (await house.client.post("/api/tags", json=tag, headers=headers)).status_code == 403


@pytest.fixture
def _hears_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service goes by what it knew, as it does until PostgreSQL's word reaches it."""
    monkeypatch.setattr(ScopeCache, "forget", lambda *_: None)


@pytest.mark.usefixtures("_hears_nothing")
async def test_who_left_a_moment_ago_breaks_nothing(house: House) -> None:
    headers = bearer(house.token["token"])
    assert (await house.client.get("/api/me", headers=headers)).status_code == 200
    await _remove(house)
    assert (await house.client.get("/api/me", headers=headers)).status_code == 401
    for entry in ENTRIES:
        answer = await entry.send(house.client, _unknown, headers=headers)
        assert answer.status_code != 500, (str(entry), answer.text)


def _unknown(_: Spot) -> UUID:
    return UNKNOWN

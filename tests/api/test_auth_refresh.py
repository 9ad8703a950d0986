"""Staying logged in and logging out: tokens that are used once, and end together."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.audit.models import AuditEntry
from backend.db.engine import organization_session
from backend.identity.models import Member
from backend.scope import Role, Scope
from backend.settings import Settings
from tests.api.people import Clock, bearer, join, log_in, make_person, serving, until_refused
from tests.api.problem import assert_problem
from tests.factories import make_organization

Ada = tuple[Scope, str]


@pytest.fixture
async def ada(engine: AsyncEngine) -> Ada:
    return await make_person(engine, await make_organization(engine), Role.MEMBER)


async def refresh(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.post("/api/auth/refresh", json={"refresh_token": token})


async def test_a_refresh_gives_the_next_tokens(stranger: httpx.AsyncClient, ada: Ada) -> None:
    answer = await log_in(stranger, ada[1])
    assert answer.headers["cache-control"] == "no-store"
    login = answer.json()
    seen = {login["refresh_token"]}
    for _ in range(3):
        answer = await refresh(stranger, login["refresh_token"])
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        following = answer.json()
        assert following["refresh_expires_at"] == login["refresh_expires_at"]
        assert following["organization"] == login["organization"]
        login = following
        seen.add(login["refresh_token"])
        me = await stranger.get("/api/me", headers=bearer(login["access_token"]))
        assert me.json()["user"]["id"] == str(ada[0].user_id)
    assert len(seen) == 4


async def test_a_token_that_is_used_twice_ends_the_whole_login(
    stranger: httpx.AsyncClient, engine: AsyncEngine, ada: Ada
) -> None:
    stolen = (await log_in(stranger, ada[1])).json()
    other = (await log_in(stranger, ada[1])).json()
    current = (await refresh(stranger, stolen["refresh_token"])).json()
    assert_problem(await refresh(stranger, stolen["refresh_token"]), 401, "unauthenticated")
    assert_problem(await refresh(stranger, current["refresh_token"]), 401, "unauthenticated")
    for token in (stolen["access_token"], current["access_token"]):
        assert_problem(await until_refused(stranger, token), 401, "unauthenticated")
    # Another login of the same user is another family.
    assert (await refresh(stranger, other["refresh_token"])).status_code == 200
    async with organization_session(engine, ada[0].organization_id) as session:
        entries = await session.execute(
            select(AuditEntry.action, AuditEntry.actor).where(AuditEntry.object_type == "login")
        )
        actor = str(ada[0].user_id)
        assert sorted(entries.all()) == [
            ("create", actor),
            ("create", actor),
            ("delete", actor),
        ]


async def test_of_many_refreshes_at_once_at_most_one_succeeds(
    stranger: httpx.AsyncClient, ada: Ada
) -> None:
    login = (await log_in(stranger, ada[1])).json()
    answers = await asyncio.gather(*(refresh(stranger, login["refresh_token"]) for _ in range(10)))
    good = [answer for answer in answers if answer.status_code == 200]
    assert len(good) == 1
    last = good[0].json()
    assert_problem(await refresh(stranger, last["refresh_token"]), 401, "unauthenticated")
    await until_refused(stranger, last["access_token"])


async def test_a_login_ends_with_its_time(settings: Settings, ada: Ada) -> None:
    clock = Clock()
    async with serving(settings, clock=clock, refresh_ttl_seconds=3600) as client:
        login = (await log_in(client, ada[1])).json()
        clock.now += timedelta(minutes=59)
        login = (await refresh(client, login["refresh_token"])).json()
        clock.now += timedelta(minutes=1)
        assert_problem(await refresh(client, login["refresh_token"]), 401, "unauthenticated")


async def test_logging_out_ends_the_login_at_once(stranger: httpx.AsyncClient, ada: Ada) -> None:
    login, other = (await log_in(stranger, ada[1])).json(), (await log_in(stranger, ada[1])).json()
    me = await stranger.get("/api/me", headers=bearer(login["access_token"]))
    assert me.status_code == 200
    body = {"refresh_token": login["refresh_token"]}
    assert (await stranger.post("/api/auth/logout", json=body)).status_code == 204
    await until_refused(stranger, login["access_token"])
    assert_problem(await refresh(stranger, login["refresh_token"]), 401, "unauthenticated")
    assert (await stranger.post("/api/auth/logout", json=body)).status_code == 204
    assert (await refresh(stranger, other["refresh_token"])).status_code == 200


async def test_an_access_token_of_an_ended_login_reaches_no_other_organization(
    stranger: httpx.AsyncClient, engine: AsyncEngine, ada: Ada
) -> None:
    second = await make_organization(engine)
    await join(engine, ada[0].user_id, second, Role.VIEWER)
    login = (await log_in(stranger, ada[1])).json()
    await stranger.post("/api/auth/logout", json={"refresh_token": login["refresh_token"]})
    headers = bearer(login["access_token"]) | {"Outlay-Organization": str(second)}
    assert_problem(await stranger.get("/api/me", headers=headers), 401, "unauthenticated")


async def test_who_was_removed_cannot_refresh(
    stranger: httpx.AsyncClient, engine: AsyncEngine, ada: Ada
) -> None:
    login = (await log_in(stranger, ada[1])).json()
    async with organization_session(engine, ada[0].organization_id) as session:
        await session.execute(delete(Member).where(Member.user_id == ada[0].user_id))
    assert_problem(await refresh(stranger, login["refresh_token"]), 401, "unauthenticated")


@pytest.mark.parametrize("path", ["/api/auth/refresh", "/api/auth/logout"])
@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/refresh_token"),
        ({"refresh_token": ""}, "#/refresh_token"),
        ({"refresh_token": 1}, "#/refresh_token"),
        ({"refresh_token": "x" * 201}, "#/refresh_token"),
    ],
)
async def test_bad_input(
    stranger: httpx.AsyncClient, path: str, body: dict[str, Any], pointer: str
) -> None:
    assert_problem(await stranger.post(path, json=body), 422, "invalid-input", pointer)


async def test_one_kind_of_token_does_not_pass_for_another(
    stranger: httpx.AsyncClient, ada: Ada
) -> None:
    login = (await log_in(stranger, ada[1])).json()
    for token in (login["access_token"][:200], "outlayr_" + uuid4().hex):
        assert_problem(await refresh(stranger, token), 401, "unauthenticated")
    answer = await stranger.get("/api/me", headers=bearer(login["refresh_token"]))
    assert_problem(answer, 401, "unauthenticated")
    assert (await refresh(stranger, login["refresh_token"])).status_code == 200

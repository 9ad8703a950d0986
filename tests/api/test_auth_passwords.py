"""Changing a password by the old one, and setting one by a one-time link."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from argon2 import PasswordHasher
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.cli.password_reset import make_reset
from backend.db.bootstrap import connect
from backend.db.engine import organization_session
from backend.errors import NotFound
from backend.identity.service import create_api_token
from backend.scope import Role, Scope
from backend.settings import Settings
from tests.api.conftest import ActAs
from tests.api.people import (
    PASSWORD,
    Clock,
    bearer,
    join,
    log_in,
    make_person,
    serving,
    until_refused,
)
from tests.api.problem import assert_problem
from tests.factories import make_member, make_organization

NEW = "an entirely new password"
Ada = tuple[Scope, str]


@pytest.fixture
async def ada(engine: AsyncEngine, owner: Scope) -> Ada:
    """A member of the owner's organization, and of no other."""
    return await make_person(engine, owner.organization_id, Role.MEMBER)


async def link_for(client: httpx.AsyncClient, scope: Scope) -> str:
    made = await client.post(f"/api/members/{scope.user_id}/password-reset")
    assert made.status_code == 201
    return str(made.json()["token"])


async def confirm(client: httpx.AsyncClient, token: str, password: str = NEW) -> httpx.Response:
    body = {"token": token, "new_password": password}
    return await client.post("/api/auth/password-reset/confirm", json=body)


async def test_a_changed_password_ends_every_login(stranger: httpx.AsyncClient, ada: Ada) -> None:
    logins = [(await log_in(stranger, ada[1])).json() for _ in range(2)]
    answer = await stranger.post(
        "/api/auth/password",
        json={"current_password": PASSWORD, "new_password": NEW},
        headers=bearer(logins[0]["access_token"]),
    )
    assert answer.status_code == 204
    for login in logins:
        await until_refused(stranger, login["access_token"])
        refreshed = await stranger.post(
            "/api/auth/refresh", json={"refresh_token": login["refresh_token"]}
        )
        assert_problem(refreshed, 401, "unauthenticated")
    assert (await log_in(stranger, ada[1])).status_code == 401
    assert (await log_in(stranger, ada[1], NEW)).status_code == 200


async def test_changing_it_needs_the_current_one_and_a_login(
    stranger: httpx.AsyncClient, engine: AsyncEngine, ada: Ada
) -> None:
    login = (await log_in(stranger, ada[1])).json()
    body = {"current_password": "wrong", "new_password": NEW}
    headers = bearer(login["access_token"])
    answer = await stranger.post("/api/auth/password", json=body, headers=headers)
    assert assert_problem(answer, 403, "forbidden") == "The current password is wrong."
    async with organization_session(engine, ada[0].organization_id) as session:
        token = await create_api_token(session, ada[0].user_id, name="x", scopes=["admin"])
    body["current_password"] = PASSWORD
    answer = await stranger.post("/api/auth/password", json=body, headers=bearer(token))
    assert_problem(answer, 403, "forbidden")
    assert_problem(await stranger.post("/api/auth/password", json=body), 401, "unauthenticated")
    assert (await log_in(stranger, ada[1])).status_code == 200


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"new_password": NEW}, "#/current_password"),
        ({"current_password": PASSWORD}, "#/new_password"),
        ({"current_password": PASSWORD, "new_password": "short"}, "#/new_password"),
    ],
)
async def test_bad_input_of_a_change(
    act_as: ActAs, ada: Ada, body: dict[str, Any], pointer: str
) -> None:
    answer = await act_as(ada[0]).post("/api/auth/password", json=body)
    assert_problem(answer, 422, "invalid-input", pointer)


async def test_asking_for_a_link_tells_the_administrators_and_nobody_else(
    stranger: httpx.AsyncClient, act_as: ActAs, engine: AsyncEngine, owner: Scope, ada: Ada
) -> None:
    answers = [
        await stranger.post("/api/auth/password-reset", json={"email": email})
        for email in (ada[1].upper(), "nobody@example.com")
    ]
    assert {answer.status_code for answer in answers} == {202}
    assert answers[0].json() == answers[1].json()
    place = f"/api/members/{ada[0].user_id}"
    assert (await act_as(owner).get(place)).json()["password_reset_requested_at"] is not None
    manager = act_as(await make_member(engine, owner.organization_id, Role.MANAGER))
    assert (await manager.get(place)).json()["password_reset_requested_at"] is None
    await confirm(stranger, await link_for(act_as(owner), ada[0]))
    assert (await act_as(owner).get(place)).json()["password_reset_requested_at"] is None
    answer = await stranger.post("/api/auth/password-reset", json={})
    assert_problem(answer, 422, "invalid-input", "#/email")


async def test_a_link_sets_a_password_once(
    stranger: httpx.AsyncClient, act_as: ActAs, owner: Scope, ada: Ada
) -> None:
    login = (await log_in(stranger, ada[1])).json()
    replaced, token = [await link_for(act_as(owner), ada[0]) for _ in range(2)]
    assert_problem(await confirm(stranger, replaced), 404, "not-found")
    short = await confirm(stranger, token, "short")
    assert_problem(short, 422, "invalid-input", "#/new_password")
    assert (await confirm(stranger, token)).status_code == 204
    assert_problem(await confirm(stranger, token, "another password"), 404, "not-found")
    assert_problem(await confirm(stranger, "outlayl_" + uuid4().hex), 404, "not-found")
    await until_refused(stranger, login["access_token"])
    assert (await log_in(stranger, ada[1], NEW)).status_code == 200


async def test_of_many_who_use_a_link_at_once_one_succeeds(
    stranger: httpx.AsyncClient, act_as: ActAs, owner: Scope, ada: Ada
) -> None:
    token = await link_for(act_as(owner), ada[0])
    passwords = [f"password number {n}" for n in range(8)]
    answers = await asyncio.gather(*(confirm(stranger, token, p) for p in passwords))
    assert sorted(answer.status_code for answer in answers) == [204, *[404] * 7]
    won = next(p for p, a in zip(passwords, answers, strict=True) if a.status_code == 204)
    assert (await log_in(stranger, ada[1], won)).status_code == 200


async def test_a_link_expires_and_leads_into_the_application(
    settings: Settings, owner: Scope, ada: Ada, engine: AsyncEngine
) -> None:
    clock = Clock()
    _, email = await make_person(engine, owner.organization_id, Role.ADMIN)
    async with serving(settings, clock=clock, app_url="https://books.example/") as client:
        admin = bearer((await log_in(client, email)).json()["access_token"])
        made = await client.post(f"/api/members/{ada[0].user_id}/password-reset", headers=admin)
        link = made.json()
        assert link["url"] == f"https://books.example/password-reset#token={link['token']}"
        assert made.headers["cache-control"] == "no-store"
        clock.now += timedelta(seconds=settings.password_reset_ttl_seconds)
        assert_problem(await confirm(client, link["token"]), 404, "not-found")


async def test_a_link_gives_nobody_more_than_they_have(
    act_as: ActAs, engine: AsyncEngine, owner: Scope, ada: Ada
) -> None:
    """Whoever holds it becomes that user."""
    organization = owner.organization_id
    admin = await make_member(engine, organization, Role.ADMIN)
    elsewhere = await make_member(engine, organization, Role.MEMBER)
    await join(engine, elsewhere.user_id, await make_organization(engine), Role.OWNER)

    def place(scope: Scope) -> str:
        return f"/api/members/{scope.user_id}/password-reset"

    assert_problem(await act_as(admin).post(place(owner)), 403, "forbidden")
    assert_problem(await act_as(owner).post(place(elsewhere)), 403, "forbidden")
    assert (await act_as(admin).post(place(ada[0]))).status_code == 201
    for role in (Role.MANAGER, Role.ANALYST, Role.MEMBER, Role.VIEWER):
        client = act_as(await make_member(engine, organization, role))
        assert_problem(await client.post(place(ada[0])), 403, "forbidden")
    foreign = await make_member(engine, await make_organization(engine))
    for client, scope in ((act_as(foreign), ada[0]), (act_as(owner), foreign)):
        assert_problem(await client.post(place(scope)), 404, "not-found")
    assert_problem(
        await act_as(owner).post("/api/members/x/password-reset"), 422, "invalid-input", "user_id"
    )


async def test_a_link_is_void_once_its_user_belongs_to_somebody_else_too(
    stranger: httpx.AsyncClient, act_as: ActAs, engine: AsyncEngine, owner: Scope, ada: Ada
) -> None:
    token = await link_for(act_as(owner), ada[0])
    await join(engine, ada[0].user_id, await make_organization(engine), Role.OWNER)
    assert_problem(await confirm(stranger, token), 404, "not-found")
    assert (await log_in(stranger, ada[1])).status_code == 200


async def test_the_operator_helps_everybody(
    stranger: httpx.AsyncClient, engine: AsyncEngine, settings: Settings, ada: Ada
) -> None:
    await join(engine, ada[0].user_id, await make_organization(engine), Role.OWNER)
    token = await make_reset(settings, ada[1])
    assert (await confirm(stranger, token)).status_code == 204
    assert (await log_in(stranger, ada[1], NEW)).status_code == 200
    with pytest.raises(NotFound):
        await make_reset(settings, "nobody@example.com")


async def test_a_hash_with_old_parameters_is_replaced_at_the_next_login(
    stranger: httpx.AsyncClient, settings: Settings, ada: Ada
) -> None:
    """`make_person` hashes with weak ones."""

    async def stored() -> str:
        connection = await connect(settings.admin_url())
        query = "SELECT password_hash FROM users WHERE id = $1"
        found = await connection.fetchval(query, ada[0].user_id)
        await connection.close()
        return str(found)

    old = await stored()
    assert (await log_in(stranger, ada[1])).status_code == 200
    new = await stored()
    assert new != old
    assert PasswordHasher().check_needs_rehash(old)
    assert not PasswordHasher().check_needs_rehash(new)
    assert (await log_in(stranger, ada[1])).status_code == 200
    assert await stored() == new

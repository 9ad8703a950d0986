"""Invitations: a link that lets one person in, once, before any mail is set up."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.db.bootstrap import connect
from backend.db.engine import organization_session
from backend.identity.service import create_api_token
from backend.scope import Role, Scope
from backend.settings import Settings
from tests.api.conftest import ActAs
from tests.api.people import PASSWORD, Clock, bearer, email_of, log_in, make_person, serving
from tests.api.problem import assert_problem
from tests.factories import make_member, make_organization

EVE = "Eve@example.com"


async def invite(
    client: httpx.AsyncClient, email: str = EVE, role: str = "member", **values: Any
) -> dict[str, Any]:
    made = await client.post("/api/invitations", json={"email": email, "role": role} | values)
    assert made.status_code == 201, made.text
    return dict(made.json())


def token_of(made: dict[str, Any]) -> dict[str, str]:
    return {"token": made["link"]["token"]}


async def accept(client: httpx.AsyncClient, body: dict[str, Any], **more: Any) -> httpx.Response:
    return await client.post("/api/invitations/accept", json=body, **more)


async def test_somebody_new_comes_in_by_a_link(
    act_as: ActAs, stranger: httpx.AsyncClient, engine: AsyncEngine, owner: Scope
) -> None:
    client = act_as(owner)
    made = await invite(client, role="manager", approval_level="director")
    invitation, token = made["invitation"], token_of(made)
    assert (invitation["status"], invitation["created_by"]) == ("open", str(owner.user_id))

    seen = (await stranger.post("/api/invitations/lookup", json=token)).json()
    assert (seen["email"], seen["role"], seen["user_exists"]) == (EVE, "manager", False)
    assert seen["organization_id"] == str(owner.organization_id)

    body = token | {"name": "Eve", "password": PASSWORD}
    joined = await accept(stranger, body)
    assert (joined.status_code, joined.json()["role"]) == (200, "manager")
    login = (await log_in(stranger, EVE.lower())).json()
    me = (await stranger.get("/api/me", headers=bearer(login["access_token"]))).json()
    assert (me["user"]["name"], me["role"], me["approval_level"]) == ("Eve", "manager", "director")
    assert len(me["memberships"]) == 1

    for again in (
        await accept(stranger, body),
        await stranger.post("/api/invitations/lookup", json=token),
    ):
        assert_problem(again, 404, "not-found")
    place = f"/api/invitations/{invitation['id']}"
    shown = (await client.get(place)).json()
    assert (shown["status"], shown["accepted_by"]) == ("accepted", me["user"]["id"])
    assert_problem(await client.delete(place), 409, "conflict")


async def test_only_the_hash_of_a_link_is_stored(
    act_as: ActAs, owner: Scope, settings: Settings
) -> None:
    token = (await invite(act_as(owner)))["link"]["token"]
    listed = await act_as(owner).get("/api/invitations")
    assert token not in listed.text
    connection = await connect(settings.admin_url())
    stored = await connection.fetchval("SELECT token_hash FROM invitations")
    leaked = await connection.fetchval(
        "SELECT count(*) FROM audit_payloads WHERE after::text LIKE '%hash%'"
    )
    await connection.close()
    assert (stored, leaked) == (sha256(token.encode()).digest(), 0)


async def test_a_user_joins_with_their_password(
    act_as: ActAs, stranger: httpx.AsyncClient, engine: AsyncEngine, owner: Scope
) -> None:
    ada, email = await make_person(engine, await make_organization(engine), Role.OWNER)
    token = token_of(await invite(act_as(owner), email.upper(), "viewer"))
    seen = (await stranger.post("/api/invitations/lookup", json=token)).json()
    assert seen["user_exists"] is True
    wrong = await accept(stranger, token | {"password": "wrong", "name": "Ada"})
    assert_problem(wrong, 401, "unauthenticated")
    assert (await accept(stranger, token | {"password": PASSWORD})).json()["role"] == "viewer"
    memberships = (await act_as(ada).get("/api/me")).json()["memberships"]
    assert [m["role"] for m in memberships] == ["owner", "viewer"]


async def test_a_user_joins_with_their_login_and_nobody_else_does(
    act_as: ActAs, stranger: httpx.AsyncClient, engine: AsyncEngine, owner: Scope
) -> None:
    second = await make_organization(engine)
    ada = await make_member(engine, second)
    token = token_of(await invite(act_as(owner), await email_of(engine, ada)))
    other = await make_member(engine, second)
    assert_problem(await accept(act_as(other), token), 404, "not-found")
    async with organization_session(engine, second) as session:
        api_token = await create_api_token(session, ada.user_id, name="x", scopes=["admin"])
    refused = await accept(stranger, token, headers=bearer(api_token))
    assert_problem(refused, 403, "forbidden")
    bad = await accept(stranger, token, headers=bearer("rubbish"))
    assert_problem(bad, 401, "unauthenticated")
    joined = await accept(act_as(ada), token)
    assert joined.json()["organization_id"] == str(owner.organization_id)
    headers = {"Outlay-Organization": str(owner.organization_id)}
    assert (await act_as(ada).get("/api/me", headers=headers)).json()["role"] == "member"


@pytest.mark.parametrize("known", [True, False])
async def test_of_many_who_accept_at_once_one_succeeds(
    act_as: ActAs, stranger: httpx.AsyncClient, engine: AsyncEngine, owner: Scope, *, known: bool
) -> None:
    body: dict[str, Any]
    if known:
        ada = await make_member(engine, await make_organization(engine))
        client, body = (
            act_as(ada),
            token_of(await invite(act_as(owner), await email_of(engine, ada))),
        )
    else:
        client = stranger
        body = token_of(await invite(act_as(owner))) | {"name": "Eve", "password": PASSWORD}
    answers = await asyncio.gather(*(accept(client, body) for _ in range(20)))
    # Those who come after the new user is there are asked for that user's password, and have it.
    assert sorted(answer.status_code for answer in answers) == [200, *[404] * 19]
    members = (await act_as(owner).get("/api/members")).json()["items"]
    assert sorted(member["role"] for member in members) == ["member", "owner"]


async def test_a_new_user_needs_a_name_and_a_good_password(
    act_as: ActAs, stranger: httpx.AsyncClient, owner: Scope
) -> None:
    token = token_of(await invite(act_as(owner)))
    for more, pointers in (
        ({"password": PASSWORD}, {"#/name"}),
        ({"name": "Eve", "password": "short"}, {"#/password"}),
        ({"password": "short"}, {"#/name", "#/password"}),
        ({"name": "Eve"}, {"#/password"}),
        ({"name": "", "password": PASSWORD}, {"#/name"}),
    ):
        assert_problem(await accept(stranger, token | more), 422, "invalid-input", *pointers)
    for path in ("/api/invitations/accept", "/api/invitations/lookup"):
        answer = await stranger.post(path, json={})
        assert_problem(answer, 422, "invalid-input", "#/token")
        unknown = {"token": "outlayl_x"} | ({"password": PASSWORD} if "accept" in path else {})
        assert_problem(await stranger.post(path, json=unknown), 404, "not-found")


async def test_a_link_is_revoked_replaced_and_expires(
    settings: Settings, engine: AsyncEngine, owner: Scope
) -> None:
    clock = Clock()
    _, email = await make_person(engine, owner.organization_id, Role.ADMIN)
    async with serving(settings, clock=clock, app_url="https://books.example") as client:
        login = (await log_in(client, email)).json()
        client.headers.update(bearer(login["access_token"]))
        made = [await invite(client, address) for address in (EVE, EVE.lower(), "b@example.com")]
        assert made[2]["link"]["url"] == (
            f"https://books.example/invitation#token={made[2]['link']['token']}"
        )
        place = f"/api/invitations/{made[2]['invitation']['id']}"
        for _ in range(2):
            assert (await client.delete(place)).status_code == 204
        listed = (await client.get("/api/invitations")).json()["items"]
        assert [i["status"] for i in listed] == ["revoked", "open", "revoked"]
        still = (await client.get("/api/invitations", params={"open": "true"})).json()["items"]
        assert [i["id"] for i in still] == [made[1]["invitation"]["id"]]

        del client.headers["Authorization"]
        for link, status in zip(made, (404, 200, 404), strict=True):
            answer = await client.post("/api/invitations/lookup", json=token_of(link))
            assert answer.status_code == status
        clock.now += timedelta(seconds=settings.invitation_ttl_seconds)
        body = token_of(made[1]) | {"name": "Eve", "password": PASSWORD}
        assert_problem(await accept(client, body), 404, "not-found")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"role": "member"}, "#/email"),
        ({"email": "eve", "role": "member"}, "#/email"),
        ({"email": EVE}, "#/role"),
        ({"email": EVE, "role": "root"}, "#/role"),
        ({"email": EVE, "role": "member", "approval_level": "pope"}, "#/approval_level"),
        ({"email": EVE, "role": "member", "organization_id": "x"}, "#/organization_id"),
    ],
)
async def test_bad_input_is_pointed_at(
    act_as: ActAs, owner: Scope, body: dict[str, Any], pointer: str
) -> None:
    answer = await act_as(owner).post("/api/invitations", json=body)
    assert_problem(answer, 422, "invalid-input", pointer)


async def test_who_is_a_member_is_not_invited(
    act_as: ActAs, engine: AsyncEngine, owner: Scope
) -> None:
    email = (await email_of(engine, owner)).upper()
    answer = await act_as(owner).post("/api/invitations", json={"email": email, "role": "viewer"})
    assert_problem(answer, 409, "conflict")


@pytest.mark.parametrize("role", [Role.MANAGER, Role.ANALYST, Role.MEMBER, Role.VIEWER])
async def test_invitations_are_for_owners_and_admins(
    act_as: ActAs, engine: AsyncEngine, owner: Scope, role: Role
) -> None:
    made = await invite(act_as(owner))
    place = f"/api/invitations/{made['invitation']['id']}"
    client = act_as(await make_member(engine, owner.organization_id, role))
    for answer in (
        await client.post("/api/invitations", json={"email": "x@example.com", "role": "viewer"}),
        await client.get("/api/invitations"),
        await client.get(place),
        await client.delete(place),
    ):
        assert_problem(answer, 403, "forbidden")


async def test_an_admin_invites_no_owner(act_as: ActAs, engine: AsyncEngine, owner: Scope) -> None:
    admin = act_as(await make_member(engine, owner.organization_id, Role.ADMIN))
    answer = await admin.post("/api/invitations", json={"email": EVE, "role": "owner"})
    assert_problem(answer, 403, "forbidden")
    assert (await invite(admin, role="admin"))["invitation"]["role"] == "admin"


async def test_another_organizations_invitations_do_not_exist(
    act_as: ActAs, engine: AsyncEngine, owner: Scope
) -> None:
    foreign = await make_member(engine, await make_organization(engine))
    made = await invite(act_as(foreign))
    client, details = act_as(owner), set()
    for identity in (made["invitation"]["id"], uuid4()):
        for answer in (
            await client.get(f"/api/invitations/{identity}"),
            await client.delete(f"/api/invitations/{identity}"),
        ):
            details.add(assert_problem(answer, 404, "not-found"))
    assert details == {"There is no such invitation."}
    assert (await client.get("/api/invitations")).json()["items"] == []

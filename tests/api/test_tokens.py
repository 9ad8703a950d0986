"""API tokens: shown once, bound to scopes and an expiry, and ended at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.db.bootstrap import connect
from backend.scope import Role, Scope
from backend.settings import Settings
from tests.api.conftest import ActAs
from tests.api.people import bearer, until_refused
from tests.api.problem import assert_problem
from tests.factories import make_member, make_organization


async def make(client: httpx.AsyncClient, *scopes: str, **values: Any) -> dict[str, Any]:
    body = {"name": "laptop"} | ({"scopes": list(scopes)} if scopes else {}) | values
    made = await client.post("/api/tokens", json=body)
    assert made.status_code == 201
    return dict(made.json())


async def test_a_token_is_shown_once_and_stored_as_its_hash(
    act_as: ActAs, stranger: httpx.AsyncClient, owner: Scope, settings: Settings
) -> None:
    client = act_as(owner)
    made = await client.post("/api/tokens", json={"name": " laptop ", "scopes": ["write", "read"]})
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    created = made.json()
    token = created.pop("token")
    assert (created["name"], created["scopes"]) == ("laptop", ["read", "write"])
    assert made.headers["location"] == f"/api/tokens/{created['id']}"

    assert (await client.get(made.headers["location"])).json() == created
    listed = await client.get("/api/tokens")
    assert listed.json()["items"] == [created]
    assert token not in listed.text
    assert (await stranger.get("/api/me", headers=bearer(token))).json()["role"] == "owner"
    connection = await connect(settings.admin_url())
    stored = await connection.fetchval("SELECT token_hash FROM api_tokens")
    leaked = await connection.fetchval(
        "SELECT count(*) FROM audit_payloads WHERE after::text LIKE '%hash%'"
    )
    await connection.close()
    assert (stored, leaked) == (sha256(token.encode()).digest(), 0)


async def test_the_scopes_are_the_least_that_was_asked_for(
    act_as: ActAs, stranger: httpx.AsyncClient, owner: Scope
) -> None:
    client = act_as(owner)
    reader = bearer((await make(client))["token"])
    writer = bearer((await make(client, "write"))["token"])
    admin = bearer((await make(client, "admin"))["token"])
    statuses = [
        [
            (await stranger.get("/api/members", headers=headers)).status_code,
            (await stranger.post("/api/tags", json={"name": name}, headers=headers)).status_code,
            (
                await stranger.patch(
                    "/api/organization",
                    json={"name": name},
                    headers=headers | {"If-Match": "*"},
                )
            ).status_code,
        ]
        for name, headers in (("reader", reader), ("writer", writer), ("admin", admin))
    ]
    assert statuses == [[200, 403, 403], [200, 201, 403], [200, 201, 200]]


async def test_a_token_never_goes_beyond_its_holders_role(
    act_as: ActAs, stranger: httpx.AsyncClient, engine: AsyncEngine, owner: Scope
) -> None:
    viewer = await make_member(engine, owner.organization_id, Role.VIEWER)
    headers = bearer((await make(act_as(viewer), "admin"))["token"])
    assert_problem(
        await stranger.post("/api/tags", json={"name": "x"}, headers=headers), 403, "forbidden"
    )
    body = {"email": "x@example.com", "role": "viewer"}
    answer = await stranger.post("/api/invitations", json=body, headers=headers)
    assert_problem(answer, 403, "forbidden")


async def test_a_revoked_token_ends_at_once(
    act_as: ActAs, stranger: httpx.AsyncClient, owner: Scope
) -> None:
    client = act_as(owner)
    made, other = await make(client), await make(client)
    assert (await stranger.get("/api/me", headers=bearer(made["token"]))).status_code == 200
    place = f"/api/tokens/{made['id']}"
    assert (await client.delete(place)).status_code == 204
    revoked = (await client.get(place)).json()["revoked_at"]
    assert revoked is not None
    assert_problem(await until_refused(stranger, made["token"]), 401, "unauthenticated")
    assert (await client.delete(place)).status_code == 204
    assert (await client.get(place)).json()["revoked_at"] == revoked
    assert (await stranger.get("/api/me", headers=bearer(other["token"]))).status_code == 200


async def test_a_token_ends_with_its_time(
    act_as: ActAs, stranger: httpx.AsyncClient, owner: Scope, settings: Settings
) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    made = await make(act_as(owner), expires_at=tomorrow.isoformat())
    assert datetime.fromisoformat(made["expires_at"]) == tomorrow
    connection = await connect(settings.admin_url())
    await connection.execute("UPDATE api_tokens SET expires_at = now()")
    await connection.close()
    answer = await stranger.get("/api/me", headers=bearer(made["token"]))
    assert_problem(answer, 401, "unauthenticated")


async def test_a_token_makes_no_tokens_and_may_end_itself(
    act_as: ActAs, stranger: httpx.AsyncClient, owner: Scope
) -> None:
    client = act_as(owner)
    admin, reader = await make(client, "admin"), await make(client, "read")
    answer = await stranger.post(
        "/api/tokens", json={"name": "next"}, headers=bearer(admin["token"])
    )
    assert_problem(answer, 403, "forbidden")
    own = f"/api/tokens/{reader['id']}"
    answer = await stranger.delete(f"/api/tokens/{admin['id']}", headers=bearer(reader["token"]))
    assert_problem(answer, 403, "forbidden")
    assert (await stranger.delete(own, headers=bearer(reader["token"]))).status_code == 204
    await until_refused(stranger, reader["token"])


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/name"),
        ({"name": "x", "scopes": []}, "#/scopes"),
        ({"name": "x", "scopes": ["root"]}, "#/scopes/0"),
        ({"name": "x", "expires_at": "2000-01-01T00:00:00Z"}, "#/expires_at"),
        ({"name": "x", "expires_at": "2100-01-01T00:00:00"}, "#/expires_at"),
        ({"name": "x", "user_id": str(uuid4())}, "#/user_id"),
    ],
)
async def test_bad_input_is_pointed_at(
    act_as: ActAs, owner: Scope, body: dict[str, Any], pointer: str
) -> None:
    answer = await act_as(owner).post("/api/tokens", json=body)
    assert_problem(answer, 422, "invalid-input", pointer)


async def test_another_members_tokens_are_administrators_business(
    act_as: ActAs, stranger: httpx.AsyncClient, engine: AsyncEngine, owner: Scope
) -> None:
    organization = owner.organization_id
    member = await make_member(engine, organization, Role.MEMBER)
    made = await make(act_as(member))
    place, theirs = f"/api/tokens/{made['id']}", {"user_id": str(member.user_id)}
    manager = act_as(await make_member(engine, organization, Role.MANAGER))
    for answer in (await manager.get(place), await manager.delete(place)):
        assert_problem(answer, 404, "not-found")
    assert (await manager.get("/api/tokens", params=theirs)).json()["items"] == []

    admin = act_as(await make_member(engine, organization, Role.ADMIN))
    assert (await admin.get("/api/tokens")).json()["items"] == []
    listed = (await admin.get("/api/tokens", params=theirs)).json()["items"]
    assert [token["id"] for token in listed] == [made["id"]]
    assert (await admin.delete(place)).status_code == 204
    await until_refused(stranger, made["token"])


async def test_another_organizations_tokens_do_not_exist(
    act_as: ActAs, engine: AsyncEngine, owner: Scope
) -> None:
    foreign = await make_member(engine, await make_organization(engine))
    made = await make(act_as(foreign))
    client, details = act_as(owner), set()
    for identity in (made["id"], uuid4()):
        for answer in (
            await client.get(f"/api/tokens/{identity}"),
            await client.delete(f"/api/tokens/{identity}"),
        ):
            details.add(assert_problem(answer, 404, "not-found"))
    assert details == {"There is no such token."}
    listed = await client.get("/api/tokens", params={"user_id": str(foreign.user_id)})
    assert listed.json()["items"] == []


async def test_the_list_is_walked_by_cursor(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    made = [(await make(client))["id"] for _ in range(3)]
    first = (await client.get("/api/tokens", params={"limit": 2})).json()
    rest = (await client.get("/api/tokens", params={"cursor": first["next_cursor"]})).json()
    found = [token["id"] for token in first["items"] + rest["items"]]
    assert (found, rest["next_cursor"]) == (made[::-1], None)
    answer = await client.get("/api/tokens", params={"cursor": "x"})
    assert_problem(answer, 422, "invalid-input", "cursor")


async def test_a_token_without_admin_does_not_end_a_membership(
    act_as: ActAs, engine: AsyncEngine, stranger: httpx.AsyncClient, owner: Scope
) -> None:
    member = await make_member(engine, owner.organization_id, Role.MEMBER)
    token = (await make(act_as(member), "write"))["token"]
    headers = bearer(token) | {"If-Match": "*"}
    gone = await stranger.delete(f"/api/members/{member.user_id}", headers=headers)
    assert_problem(gone, 403, "forbidden")

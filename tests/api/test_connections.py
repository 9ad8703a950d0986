from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.scope import Role, Scope
from tests.api.books import NOBODYS
from tests.api.conftest import ActAs
from tests.api.problem import assert_problem
from tests.factories import make_member, make_organization


@pytest.fixture
async def bank(act_as: ActAs, owner: Scope) -> str:
    answer = await act_as(owner).post("/api/institutions", json={"name": "Bank"})
    return str(answer.json()["id"])


async def connect(client: httpx.AsyncClient, bank: str, **values: Any) -> dict[str, Any]:
    body = {"institution_id": bank, "provider": "manual"} | values
    answer = await client.post("/api/connections", json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_one_is_made_read_changed_and_deleted(act_as: ActAs, owner: Scope, bank: str) -> None:
    client = act_as(owner)
    body = {"institution_id": bank, "provider": "manual", "last_synced_at": "2025-03-10T12:00:00Z"}
    made = await client.post("/api/connections", json=body)
    assert made.status_code == 201
    connection = made.json()
    assert connection | body == connection
    assert (connection["status"], connection["created_by"]) == ("active", str(owner.user_id))
    place = made.headers["location"]
    assert (await client.get(place)).json() == connection
    changed = (await client.patch(place, json={"status": "expired"})).json()
    assert (changed["status"], changed["provider"]) == ("expired", "manual")
    listed = (await client.get("/api/connections", params={"status": "expired"})).json()["items"]
    assert listed == [changed]
    for query in ({"status": "failed"}, {"provider": "other"}, {"institution_id": NOBODYS}):
        assert (await client.get("/api/connections", params=query)).json()["items"] == []
    assert (await client.delete(place)).status_code == 204
    assert_problem(await client.get(place), 404, "not-found")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"institution_id": NOBODYS}, "#/institution_id"),
        ({"institution_id": None}, "#/institution_id"),
        ({"provider": ""}, "#/provider"),
        ({"status": "perhaps"}, "#/status"),
        ({"last_synced_at": "2025-03-10T12:00:00"}, "#/last_synced_at"),
        ({"secret": "x"}, "#/secret"),
    ],
)
async def test_bad_input_is_pointed_at(
    act_as: ActAs, owner: Scope, bank: str, change: dict[str, Any], pointer: str
) -> None:
    body = {"institution_id": bank, "provider": "manual"} | change
    answer = await act_as(owner).post("/api/connections", json=body)
    assert_problem(answer, 422, "invalid-input", pointer)


async def test_one_that_feeds_an_account_stays(act_as: ActAs, owner: Scope, bank: str) -> None:
    client = act_as(owner)
    connection = await connect(client, bank)
    account = {"name": "x", "type": "bank", "currency": "EUR", "connection_id": connection["id"]}
    fed = await client.post("/api/accounts", json=account)
    assert fed.json()["connection_id"] == connection["id"]
    place = f"/api/connections/{connection['id']}"
    assert_problem(await client.delete(place), 409, "conflict")
    await client.patch(fed.headers["location"], json={"connection_id": None})
    assert (await client.delete(place)).status_code == 204


async def test_a_member_sees_what_they_made_and_what_feeds_their_accounts(
    act_as: ActAs, owner: Scope, engine: AsyncEngine, bank: str
) -> None:
    member = await make_member(engine, owner.organization_id, Role.MEMBER)
    mine, theirs = act_as(member), act_as(owner)
    own = await connect(mine, bank)
    hidden = await connect(theirs, bank)
    feeding = await connect(theirs, bank)
    account = {"name": "x", "type": "bank", "currency": "EUR"}
    made = await mine.post("/api/accounts", json=account | {"connection_id": own["id"]})
    place = made.headers["location"]
    refused = await mine.patch(place, json={"connection_id": hidden["id"]})
    assert_problem(refused, 422, "invalid-input", "#/connection_id")
    assert (await theirs.patch(place, json={"connection_id": feeding["id"]})).status_code == 200

    listed = (await mine.get("/api/connections")).json()["items"]
    assert {c["id"] for c in listed} == {own["id"], feeding["id"]}
    assert len((await theirs.get("/api/connections")).json()["items"]) == 3
    for identity in (hidden["id"], uuid4()):
        path = f"/api/connections/{identity}"
        assert_problem(await mine.get(path), 404, "not-found")
        assert_problem(await mine.patch(path, json={"provider": "x"}), 404, "not-found")
        assert_problem(await mine.delete(path), 404, "not-found")
    path = f"/api/connections/{feeding['id']}"
    assert_problem(await mine.patch(path, json={"provider": "x"}), 403, "forbidden")
    assert_problem(await mine.delete(path), 403, "forbidden")
    path = f"/api/connections/{own['id']}"
    assert (await mine.patch(path, json={"provider": "x"})).status_code == 200
    assert (await theirs.delete(path)).status_code == 204


async def test_readers_connect_nothing(
    act_as: ActAs, owner: Scope, engine: AsyncEngine, bank: str
) -> None:
    for role in (Role.ANALYST, Role.VIEWER):
        client = act_as(await make_member(engine, owner.organization_id, role))
        body = {"institution_id": bank, "provider": "manual"}
        assert_problem(await client.post("/api/connections", json=body), 403, "forbidden")


async def test_those_of_another_organization_are_not_there(
    act_as: ActAs, owner: Scope, engine: AsyncEngine, bank: str
) -> None:
    connection = await connect(act_as(owner), bank)
    client = act_as(await make_member(engine, await make_organization(engine)))
    assert_problem(await client.get(f"/api/connections/{connection['id']}"), 404, "not-found")
    body = {"institution_id": bank, "provider": "manual"}
    answer = await client.post("/api/connections", json=body)
    assert_problem(answer, 422, "invalid-input", "#/institution_id")

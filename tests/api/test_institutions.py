from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.scope import Role, Scope
from tests.api.conftest import ActAs
from tests.api.problem import assert_problem
from tests.factories import make_member, make_organization


async def make(client: httpx.AsyncClient, name: str, **values: Any) -> dict[str, Any]:
    answer = await client.post("/api/institutions", json={"name": name} | values)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_one_is_made_read_changed_and_deleted(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    made = await client.post("/api/institutions", json={"name": "Bank", "country": "DE"})
    assert made.status_code == 201
    institution = made.json()
    assert (institution["name"], institution["country"]) == ("Bank", "DE")
    place = made.headers["location"]
    read = await client.get(place)
    assert read.json() == institution
    changed = await client.patch(
        place, json={"country": None}, headers={"If-Match": read.headers["ETag"]}
    )
    assert changed.json()["country"] is None
    stale = await client.patch(
        place, json={"name": "x"}, headers={"If-Match": read.headers["ETag"]}
    )
    assert_problem(stale, 412, "precondition-failed")
    assert (await client.delete(place)).status_code == 204
    assert_problem(await client.get(place), 404, "not-found")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/name"),
        ({"name": " "}, "#/name"),
        ({"name": "x" * 201}, "#/name"),
        ({"name": "x", "country": "Germany"}, "#/country"),
        ({"name": "x", "country": "de"}, "#/country"),
        ({"name": "x", "website": "x"}, "#/website"),
    ],
)
async def test_bad_input_is_pointed_at(
    act_as: ActAs, owner: Scope, body: dict[str, str], pointer: str
) -> None:
    answer = await act_as(owner).post("/api/institutions", json=body)
    assert_problem(answer, 422, "invalid-input", pointer)


async def test_a_name_is_taken_once(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    await make(client, "Bank")
    again = await client.post("/api/institutions", json={"name": "Bank"})
    assert assert_problem(again, 409, "conflict") == "An institution of this name exists already."


async def test_lists_are_walked_and_filtered(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    for name, country in (("c", "DE"), ("a", "FR"), ("b", "DE")):
        await make(client, name, country=country)

    async def names(**query: Any) -> str:
        listed = (await client.get("/api/institutions", params=query)).json()
        return "".join(i["name"] for i in listed["items"])

    assert await names() == "abc"
    assert await names(country="DE") == "bc"
    assert await names(q="A") == "a"
    first = (await client.get("/api/institutions", params={"limit": 2})).json()
    assert await names(limit=2, cursor=first["next_cursor"]) == "c"
    answer = await client.get("/api/institutions", params={"country": "xyz"})
    assert_problem(answer, 422, "invalid-input", "country")


async def test_one_in_use_stays(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    bank = await make(client, "Bank")
    account = {"name": "x", "type": "bank", "currency": "EUR", "institution_id": bank["id"]}
    used = await client.post("/api/accounts", json=account)
    place = f"/api/institutions/{bank['id']}"
    assert_problem(await client.delete(place), 409, "conflict")
    await client.patch(used.headers["location"], json={"institution_id": None})
    assert (await client.delete(place)).status_code == 204


@pytest.mark.parametrize("role", [Role.MANAGER, Role.ANALYST, Role.MEMBER, Role.VIEWER])
async def test_everybody_reads_and_managers_write(
    act_as: ActAs, owner: Scope, engine: AsyncEngine, role: Role
) -> None:
    bank = await make(act_as(owner), "Bank")
    place = f"/api/institutions/{bank['id']}"
    client = act_as(await make_member(engine, owner.organization_id, role))
    assert (await client.get(place)).json() == bank
    answers = [
        await client.post("/api/institutions", json={"name": "Other"}),
        await client.patch(place, json={"name": "Better"}),
        await client.delete(place),
    ]
    if role is Role.MANAGER:
        assert [a.status_code for a in answers] == [201, 200, 204]
    else:
        for answer in answers:
            assert_problem(answer, 403, "forbidden")


async def test_those_of_others_are_not_there(
    act_as: ActAs, owner: Scope, engine: AsyncEngine
) -> None:
    theirs = await make(act_as(await make_member(engine, await make_organization(engine))), "Bank")
    client = act_as(owner)
    for identity in (theirs["id"], uuid4()):
        place = f"/api/institutions/{identity}"
        assert_problem(await client.get(place), 404, "not-found")
        assert_problem(await client.patch(place, json={"name": "x"}), 404, "not-found")
        assert_problem(await client.delete(place), 404, "not-found")
    assert (await client.get("/api/institutions")).json()["items"] == []

from __future__ import annotations

import json
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.db.engine import organization_session
from backend.scope import Role, Scope
from tests.api.conftest import ActAs
from tests.api.problem import assert_problem
from tests.factories import (
    add_account,
    add_split,
    add_tag,
    add_transaction,
    make_member,
    make_organization,
)


async def test_a_tag_is_made_read_changed_and_deleted(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    made = await client.post("/api/tags", json={"name": "  Travel ", "colour": "#aa00FF"})
    assert made.status_code == 201
    tag = made.json()
    assert (tag["name"], tag["colour"]) == ("Travel", "#aa00FF")
    place = made.headers["location"]
    assert place == f"/api/tags/{tag['id']}"
    assert (await client.get(place)).json() == tag

    changed = (await client.patch(place, json={"colour": None})).json()
    assert (changed["name"], changed["colour"]) == ("Travel", None)
    assert changed["updated_at"] > tag["updated_at"]

    assert (await client.delete(place)).status_code == 204
    assert_problem(await client.get(place), 404, "not-found")


async def test_a_name_is_taken_once(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    await client.post("/api/tags", json={"name": "Travel"})
    again = await client.post("/api/tags", json={"name": "Travel"})
    assert assert_problem(again, 409, "conflict") == "A tag of this name exists already."


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/name"),
        ({"name": ""}, "#/name"),
        ({"name": None}, "#/name"),
        ({"name": "x" * 201}, "#/name"),
        ({"name": "nul\x00"}, "#/name"),
        ({"name": "lone \ud800"}, "#/name"),
        ({"name": "x", "colour": "red"}, "#/colour"),
        ({"name": "x", "color": "#ffffff"}, "#/color"),
    ],
)
async def test_bad_input_is_pointed_at(
    act_as: ActAs, owner: Scope, body: dict[str, object], pointer: str
) -> None:
    answer = await act_as(owner).post(
        "/api/tags", content=json.dumps(body), headers={"Content-Type": "application/json"}
    )
    assert_problem(answer, 422, "invalid-input", pointer)


async def test_what_must_not_be_empty_cannot_be_cleared(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    place = (await client.post("/api/tags", json={"name": "Travel"})).headers["location"]
    answer = await client.patch(place, json={"name": None})
    assert_problem(answer, 422, "invalid-input", "#/name")


async def test_a_list_is_walked_by_cursor_and_searched(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    for name in ("b", "d", "a", "100%", "c"):
        await client.post("/api/tags", json={"name": name})
    names, cursor = [], None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        listed = (await client.get("/api/tags", params=query)).json()
        names += [tag["name"] for tag in listed["items"]]
        assert len(listed["items"]) <= 2
        cursor = listed["next_cursor"]
        if cursor is None:
            break
    assert names == ["100%", "a", "b", "c", "d"]
    found = (await client.get("/api/tags", params={"q": "%"})).json()["items"]
    assert [tag["name"] for tag in found] == ["100%"]


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 501},
        {"limit": "many"},
        {"cursor": "nonsense"},
        {"cursor": "W10"},
        {"cursor": "ü"},
        {"cursor": "bnVsbA=="},
        {"q": "\x00"},
        {"colour": "red"},
    ],
)
async def test_bad_parameters_of_a_list(act_as: ActAs, owner: Scope, query: dict[str, str]) -> None:
    answer = await act_as(owner).get("/api/tags", params=query)
    assert_problem(answer, 422, "invalid-input", next(iter(query)))


async def test_a_cursor_belongs_to_its_list(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    for name in ("a", "b"):
        await client.post("/api/tags", json={"name": name})
    cursor = (await client.get("/api/tags", params={"limit": 1})).json()["next_cursor"]
    answer = await client.get("/api/categories", params={"cursor": cursor})
    assert_problem(answer, 422, "invalid-input", "cursor")


@pytest.mark.parametrize("role", [Role.MEMBER, Role.ANALYST, Role.VIEWER])
async def test_only_managers_and_above_write_the_vocabulary(
    act_as: ActAs, engine: AsyncEngine, owner: Scope, role: Role
) -> None:
    place = (await act_as(owner).post("/api/tags", json={"name": "x"})).headers["location"]
    client = act_as(await make_member(engine, owner.organization_id, role))
    assert (await client.get(place)).status_code == 200
    assert_problem(await client.post("/api/tags", json={"name": "y"}), 403, "forbidden")
    assert_problem(await client.patch(place, json={"name": "y"}), 403, "forbidden")
    assert_problem(await client.delete(place), 403, "forbidden")


async def test_somebody_elses_tag_is_as_good_as_none(
    act_as: ActAs, engine: AsyncEngine, owner: Scope
) -> None:
    other = await make_member(engine, await make_organization(engine))
    async with organization_session(engine, other.organization_id) as session:
        theirs = await add_tag(session)
    client = act_as(owner)
    details = set()
    for identity in (theirs.id, uuid4()):
        place = f"/api/tags/{identity}"
        for answer in (
            await client.get(place),
            await client.patch(place, json={"name": "mine"}),
            await client.delete(place),
        ):
            details.add(assert_problem(answer, 404, "not-found"))
    assert details == {"There is no such tag."}
    assert (await client.get("/api/tags")).json()["items"] == []
    assert (await act_as(other).get(f"/api/tags/{theirs.id}")).json()["name"] == theirs.name


async def test_a_deleted_tag_leaves_transactions_but_not_splits(
    act_as: ActAs, engine: AsyncEngine, owner: Scope
) -> None:
    async with organization_session(engine, owner.organization_id) as session:
        account = await add_account(session, owner.user_id)
        loose, split = await add_tag(session), await add_tag(session)
        transaction = await add_transaction(session, account.id, tag_ids=(loose.id,))
        await add_split(session, transaction.id, transaction.amount, tag_id=split.id)
    client = act_as(owner)
    assert (await client.delete(f"/api/tags/{loose.id}")).status_code == 204
    shown = (await client.get(f"/api/transactions/{transaction.id}")).json()
    assert shown["tag_ids"] == []
    detail = assert_problem(await client.delete(f"/api/tags/{split.id}"), 409, "conflict")
    assert detail == "It is still used by transaction splits."

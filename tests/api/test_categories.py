from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.db.engine import organization_session
from backend.scope import Role, Scope
from tests.api.conftest import ActAs
from tests.api.problem import assert_problem
from tests.factories import (
    add_account,
    add_category,
    add_transaction,
    make_member,
    make_organization,
)


async def make(client: httpx.AsyncClient, name: str, parent: str | None = None) -> str:
    answer = await client.post("/api/categories", json={"name": name, "parent_id": parent})
    assert answer.status_code == 201
    return str(answer.json()["id"])


async def test_a_category_is_made_read_changed_and_deleted(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    body = {"name": "Food", "description": "What we eat", "colour": "#00ff00", "icon": "apple"}
    made = await client.post("/api/categories", json=body)
    category = made.json()
    assert category | body == category
    assert category["parent_id"] is None
    place = made.headers["location"]
    assert (await client.get(place)).json() == category
    changed = (await client.patch(place, json={"icon": "pear", "description": None})).json()
    assert (changed["icon"], changed["description"], changed["name"]) == ("pear", None, "Food")
    assert (await client.delete(place)).status_code == 204
    assert_problem(await client.get(place), 404, "not-found")


async def test_categories_are_a_tree(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    food = await make(client, "Food")
    await make(client, "Restaurants", food)
    await make(client, "Groceries", food)
    await make(client, "Travel")
    children = (await client.get("/api/categories", params={"parent_id": food})).json()["items"]
    assert [c["name"] for c in children] == ["Groceries", "Restaurants"]
    assert_problem(await client.delete(f"/api/categories/{food}"), 409, "conflict")


async def test_a_name_is_taken_once_in_its_place(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    food = await make(client, "Food")
    await make(client, "Other", food)
    await make(client, "Other")
    again = await client.post("/api/categories", json={"name": "Other", "parent_id": food})
    assert_problem(again, 409, "conflict")


async def test_a_category_cannot_lie_under_itself(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    top = await make(client, "top")
    middle = await make(client, "middle", top)
    bottom = await make(client, "bottom", middle)
    for parent in (top, middle, bottom):
        answer = await client.patch(f"/api/categories/{top}", json={"parent_id": parent})
        assert_problem(answer, 422, "invalid-input", "#/parent_id")
    moved = await client.patch(f"/api/categories/{bottom}", json={"parent_id": top})
    assert moved.json()["parent_id"] == top


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"name": None}, "#/name"),
        ({"description": "x" * 2001}, "#/description"),
        ({"colour": "#ggg"}, "#/colour"),
        ({"icon": "x" * 51}, "#/icon"),
        ({"parent_id": "1"}, "#/parent_id"),
        ({"parent_id": "00000000-0000-0000-0000-000000000000"}, "#/parent_id"),
    ],
)
async def test_bad_input_is_pointed_at(
    act_as: ActAs, owner: Scope, change: dict[str, Any], pointer: str
) -> None:
    answer = await act_as(owner).post("/api/categories", json={"name": "Food"} | change)
    assert_problem(answer, 422, "invalid-input", pointer)


async def test_a_category_in_use_is_kept(act_as: ActAs, engine: AsyncEngine, owner: Scope) -> None:
    async with organization_session(engine, owner.organization_id) as session:
        account = await add_account(session, owner.user_id)
        category = await add_category(session)
        await add_transaction(session, account.id, category_id=category.id)
    answer = await act_as(owner).delete(f"/api/categories/{category.id}")
    assert assert_problem(answer, 409, "conflict") == "It is still used by transactions."


@pytest.mark.parametrize("role", [Role.MEMBER, Role.ANALYST, Role.VIEWER])
async def test_only_managers_and_above_write_the_vocabulary(
    act_as: ActAs, engine: AsyncEngine, owner: Scope, role: Role
) -> None:
    place = f"/api/categories/{await make(act_as(owner), 'Food')}"
    client = act_as(await make_member(engine, owner.organization_id, role))
    assert (await client.get(place)).status_code == 200
    assert_problem(await client.post("/api/categories", json={"name": "y"}), 403, "forbidden")
    assert_problem(await client.patch(place, json={"name": "y"}), 403, "forbidden")
    assert_problem(await client.delete(place), 403, "forbidden")


async def test_somebody_elses_category_is_as_good_as_none(
    act_as: ActAs, engine: AsyncEngine, owner: Scope
) -> None:
    other = await make_member(engine, await make_organization(engine))
    async with organization_session(engine, other.organization_id) as session:
        theirs = await add_category(session)
    client = act_as(owner)
    mine = await make(client, "Mine")
    details: set[tuple[str, ...]] = set()
    for identity in (theirs.id, uuid4()):
        place = f"/api/categories/{identity}"
        under = {"parent_id": str(identity)}
        details.add(
            (
                assert_problem(await client.get(place), 404, "not-found"),
                assert_problem(await client.patch(place, json={"name": "x"}), 404, "not-found"),
                assert_problem(await client.delete(place), 404, "not-found"),
                assert_problem(await client.get("/api/categories", params=under), 404, "not-found"),
                assert_problem(
                    await client.post("/api/categories", json={"name": "x"} | under),
                    422,
                    "invalid-input",
                    "#/parent_id",
                ),
                assert_problem(
                    await client.patch(f"/api/categories/{mine}", json=under),
                    422,
                    "invalid-input",
                    "#/parent_id",
                ),
            )
        )
    assert len(details) == 1

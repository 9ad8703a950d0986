from __future__ import annotations

import asyncio
from typing import Any

import httpx
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.scope import Role, Scope
from tests.api.audit import entries_of
from tests.api.conftest import ActAs
from tests.api.problem import assert_problem
from tests.factories import make_member, make_organization

DEFAULTS = "/api/categories/defaults"


async def every(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    answer = await client.get("/api/categories", params={"limit": 500})
    return list(answer.json()["items"])


async def test_the_set_is_created_as_it_is_told(
    act_as: ActAs, owner: Scope, engine: AsyncEngine
) -> None:
    client = act_as(owner)
    told = (await client.get(DEFAULTS)).json()["items"]
    assert await every(client) == []
    assert len(told) >= 12
    answer = await client.post(DEFAULTS)
    assert answer.status_code == 200
    created = answer.json()
    assert created["created"] == len(created["items"]) == sum(1 + len(r["children"]) for r in told)
    rows = await every(client)
    assert {c["id"] for c in rows} == {c["id"] for c in created["items"]}
    for root in told:
        (row,) = [c for c in rows if c["parent_id"] is None and c["name"] == root["name"]]
        assert (row["colour"], row["icon"]) == (root["colour"], root["icon"])
        children = {c["name"]: c for c in rows if c["parent_id"] == row["id"]}
        assert {c["name"]: c["icon"] for c in root["children"]} == {
            name: child["icon"] for name, child in children.items()
        }
        assert {child["colour"] for child in children.values()} == {root["colour"]}
    entries = await entries_of(engine, owner, answer)
    assert {e.object_id for e, _ in entries if e.object_type == "category"} == {
        row_id for e, _ in entries if (row_id := e.object_id) != owner.organization_id
    }
    assert len(entries) == created["created"] + 1


async def test_it_is_created_once(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    answers = await asyncio.gather(*(client.post(DEFAULTS) for _ in range(4)))
    assert sorted(bool(a.json()["created"]) for a in answers) == [False, False, False, True]
    assert (await client.post(DEFAULTS)).json() == {"created": 0, "items": []}


async def test_what_is_there_is_kept(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    told = (await client.get(DEFAULTS)).json()["items"]
    own = {"name": told[0]["name"], "colour": "#123456", "icon": "own"}
    root = (await client.post("/api/categories", json=own)).json()
    child = {"name": told[0]["children"][0]["name"], "parent_id": root["id"]}
    kept = (await client.post("/api/categories", json=child)).json()
    created = (await client.post(DEFAULTS)).json()
    assert created["created"] == sum(1 + len(r["children"]) for r in told) - 2
    rows = {c["id"]: c for c in await every(client)}
    assert (rows[root["id"]], rows[kept["id"]]) == (root, kept)
    siblings = {c["name"] for c in rows.values() if c["parent_id"] == root["id"]}
    assert siblings == {c["name"] for c in told[0]["children"]}


async def test_members_read_it_and_managers_create_it(
    act_as: ActAs, owner: Scope, engine: AsyncEngine
) -> None:
    for role in (Role.ANALYST, Role.MEMBER, Role.VIEWER):
        client = act_as(await make_member(engine, owner.organization_id, role))
        assert (await client.get(DEFAULTS)).status_code == 200
        assert_problem(await client.post(DEFAULTS), 403, "forbidden")
    stranger = act_as(await make_member(engine, await make_organization(engine)))
    await stranger.post(DEFAULTS)
    assert await every(act_as(owner)) == []

"""The caller's organization, its settings, and founding another."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.db.engine import organization_session
from backend.identity.service import create_api_token
from backend.scope import Role, Scope
from tests.api.audit import entries_of
from tests.api.conftest import ActAs
from tests.api.people import bearer
from tests.api.problem import assert_problem
from tests.factories import make_member, make_organization

NEW = {
    "name": "Second",
    "kind": "household",
    "base_currency": "CHF",
    "time_zone": "Europe/Zurich",
    "fiscal_year_start_month": 7,
}


async def test_every_member_reads_their_organization(
    act_as: ActAs, engine: AsyncEngine, owner: Scope
) -> None:
    viewer = await make_member(engine, owner.organization_id, Role.VIEWER)
    shown = (await act_as(viewer).get("/api/organization")).json()
    assert shown["id"] == str(owner.organization_id)
    assert (shown["base_currency"], shown["fiscal_year_start_month"]) == ("EUR", 1)


async def test_its_settings_are_changed_by_version(
    act_as: ActAs, engine: AsyncEngine, owner: Scope
) -> None:
    client = act_as(owner)
    shown = await client.get("/api/organization")
    seen = {"If-Match": shown.headers["etag"]}
    change = {name: NEW[name] for name in NEW if name != "kind"}
    changed = await client.patch("/api/organization", json=change, headers=seen)
    assert changed.status_code == 200
    assert {name: changed.json()[name] for name in change} == change
    assert changed.json()["kind"] == "company"
    assert (await client.get("/api/organization")).json() == changed.json()
    ((entry, payload),) = await entries_of(engine, owner, changed)
    assert (entry.action, entry.object_type) == ("update", "organization")
    assert payload.before is not None
    assert payload.before["base_currency"] == "EUR"

    stale = await client.patch("/api/organization", json=change, headers=seen)
    assert_problem(stale, 412, "precondition-failed")
    del client.headers["If-Match"]
    missing = await client.patch("/api/organization", json=change)
    assert_problem(missing, 428, "precondition-required")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": ""}, "#/name"),
        ({"name": None}, "#/name"),
        ({"base_currency": "eur"}, "#/base_currency"),
        ({"time_zone": "Europe/Atlantis"}, "#/time_zone"),
        ({"time_zone": "Factory"}, "#/time_zone"),
        ({"time_zone": "../../etc/passwd"}, "#/time_zone"),
        ({"fiscal_year_start_month": 0}, "#/fiscal_year_start_month"),
        ({"kind": "company"}, "#/kind"),
        ({"id": "x"}, "#/id"),
    ],
)
async def test_bad_input_of_a_change(
    act_as: ActAs, owner: Scope, body: dict[str, Any], pointer: str
) -> None:
    answer = await act_as(owner).patch("/api/organization", json=body)
    assert_problem(answer, 422, "invalid-input", pointer)


@pytest.mark.parametrize("role", [Role.MANAGER, Role.ANALYST, Role.MEMBER, Role.VIEWER])
async def test_only_owners_and_admins_change_it(
    act_as: ActAs, engine: AsyncEngine, owner: Scope, role: Role
) -> None:
    client = act_as(await make_member(engine, owner.organization_id, role))
    answer = await client.patch("/api/organization", json={"name": "mine"})
    assert_problem(answer, 403, "forbidden")
    admin = act_as(await make_member(engine, owner.organization_id, Role.ADMIN))
    assert (await admin.patch("/api/organization", json={"name": "ours"})).status_code == 200


async def test_a_change_touches_no_other_organization(
    act_as: ActAs, engine: AsyncEngine, owner: Scope
) -> None:
    other = await make_member(engine, await make_organization(engine, name="theirs"))
    await act_as(owner).patch("/api/organization", json={"name": "ours"})
    assert (await act_as(other).get("/api/organization")).json()["name"] == "theirs"


async def test_anybody_founds_another_and_owns_it(
    act_as: ActAs, engine: AsyncEngine, owner: Scope
) -> None:
    viewer = await make_member(engine, owner.organization_id, Role.VIEWER)
    client = act_as(viewer)
    made = await client.post("/api/organizations", json=NEW)
    assert made.status_code == 201
    assert {name: made.json()[name] for name in NEW} == NEW
    headers = {"Outlay-Organization": made.json()["id"]}
    there = await client.get(made.headers["location"], headers=headers)
    assert there.json() == made.json()
    assert (await client.get("/api/me", headers=headers)).json()["role"] == "owner"
    assert (await client.get("/api/me")).json()["role"] == "viewer"
    # It is nobody's business in the organization that the request came from.
    assert await entries_of(engine, owner, made) == []


async def test_founding_is_done_once_for_a_key_and_never_for_a_dry_run(
    act_as: ActAs, owner: Scope
) -> None:
    client, key = act_as(owner), {"Idempotency-Key": "once"}
    tried = await client.post("/api/organizations", json=NEW, params={"dry_run": "true"})
    assert tried.status_code == 201
    first, again = [await client.post("/api/organizations", json=NEW, headers=key) for _ in "ab"]
    assert again.json() == first.json()
    assert len((await client.get("/api/me")).json()["memberships"]) == 2


async def test_founding_needs_a_login(
    stranger: httpx.AsyncClient, engine: AsyncEngine, owner: Scope
) -> None:
    async with organization_session(engine, owner.organization_id) as session:
        token = await create_api_token(session, owner.user_id, name="x", scopes=["admin"])
    answer = await stranger.post("/api/organizations", json=NEW, headers=bearer(token))
    assert_problem(answer, 403, "forbidden")


@pytest.mark.parametrize("name", ["name", "base_currency"])
async def test_bad_input_of_a_founding(act_as: ActAs, owner: Scope, name: str) -> None:
    body = {field: value for field, value in NEW.items() if field != name}
    answer = await act_as(owner).post("/api/organizations", json=body)
    assert_problem(answer, 422, "invalid-input", f"#/{name}")


async def test_one_changes_ones_own_name(act_as: ActAs, engine: AsyncEngine, owner: Scope) -> None:
    viewer = await make_member(engine, owner.organization_id, Role.VIEWER)
    client = act_as(viewer)
    changed = await client.patch("/api/me", json={"name": " New Name "})
    assert changed.json()["user"]["name"] == "New Name"
    assert (await client.get("/api/me")).json()["user"]["name"] == "New Name"
    member = (await act_as(owner).get(f"/api/members/{viewer.user_id}")).json()
    assert member["name"] == "New Name"
    for body, pointer in (({"name": ""}, "#/name"), ({"email": "x@example.com"}, "#/email")):
        answer = await client.patch("/api/me", json=body)
        assert_problem(answer, 422, "invalid-input", pointer)
    assert (await act_as(owner).get("/api/me")).json()["user"]["name"] != "New Name"

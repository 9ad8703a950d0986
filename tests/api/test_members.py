"""The people of an organization: seeing them, changing what they may do, and leaving."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.db.engine import organization_session
from backend.scope import Role, Scope
from tests.api.audit import entries_of
from tests.api.conftest import ActAs
from tests.api.people import email_of
from tests.api.problem import assert_problem
from tests.factories import add_account, make_member, make_organization

OTHERS = [Role.MANAGER, Role.ANALYST, Role.MEMBER, Role.VIEWER]


def place(scope: Scope) -> str:
    return f"/api/members/{scope.user_id}"


@pytest.fixture
async def member(engine: AsyncEngine, owner: Scope) -> Scope:
    return await make_member(engine, owner.organization_id, Role.MEMBER)


@pytest.fixture
async def admin(engine: AsyncEngine, owner: Scope) -> Scope:
    return await make_member(engine, owner.organization_id, Role.ADMIN)


async def test_members_are_listed_by_name_filtered_and_walked(
    act_as: ActAs, engine: AsyncEngine, owner: Scope, member: Scope, admin: Scope
) -> None:
    await make_member(engine, await make_organization(engine))
    client, names, cursor = act_as(owner), [], None
    while True:
        query: dict[str, Any] = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        listed = (await client.get("/api/members", params=query)).json()
        names += [(m["name"], m["role"]) for m in listed["items"]]
        cursor = listed["next_cursor"]
        if cursor is None:
            break
    assert names == sorted(names)
    assert sorted(role for _, role in names) == ["admin", "member", "owner"]
    admins = (await client.get("/api/members", params={"role": "admin"})).json()["items"]
    assert [m["user_id"] for m in admins] == [str(admin.user_id)]
    name = admins[0]["name"]
    found = (await client.get("/api/members", params={"q": name.upper()})).json()["items"]
    assert admins[0] in found
    for query in ({"role": "root"}, {"limit": 0}, {"cursor": "x"}, {"email": "x"}):
        answer = await client.get("/api/members", params=query)
        assert_problem(answer, 422, "invalid-input", next(iter(query)))


async def test_addresses_are_for_those_who_see_the_whole_organization(
    act_as: ActAs, engine: AsyncEngine, owner: Scope, member: Scope
) -> None:
    analyst = await make_member(engine, owner.organization_id, Role.ANALYST)
    shown = (await act_as(analyst).get(place(owner))).json()
    assert shown["email"] == await email_of(engine, owner)
    hidden = (await act_as(member).get(place(owner))).json()
    assert (hidden["email"], hidden["name"]) == (None, shown["name"])
    own = (await act_as(member).get(place(member))).json()
    assert own["email"] == await email_of(engine, member)


@pytest.mark.parametrize("role", [Role.OWNER, Role.ADMIN])
async def test_role_and_approval_level_are_changed(
    act_as: ActAs, engine: AsyncEngine, owner: Scope, member: Scope, role: Role
) -> None:
    client = act_as(await make_member(engine, owner.organization_id, role))
    changed = await client.patch(
        place(member), json={"role": "manager", "approval_level": "director"}
    )
    assert (changed.json()["role"], changed.json()["approval_level"]) == ("manager", "director")
    ((entry, payload),) = await entries_of(engine, owner, changed)
    assert (entry.action, entry.object_type, entry.object_id) == (
        "update",
        "member",
        member.user_id,
    )
    assert payload.before is not None
    assert payload.after is not None
    assert (payload.before["role"], payload.after["role"]) == ("member", "manager")
    again = await client.patch(place(member), json={"approval_level": "manager"})
    assert (again.json()["role"], again.json()["approval_level"]) == ("manager", "manager")


async def test_a_change_names_the_version_it_was_made_for(
    act_as: ActAs, owner: Scope, member: Scope
) -> None:
    client = act_as(owner)
    shown = await client.get(place(member))
    seen = {"If-Match": shown.headers["etag"]}
    change = {"role": "viewer"}
    assert (await client.patch(place(member), json=change, headers=seen)).status_code == 200
    for answer in (
        await client.patch(place(member), json=change, headers=seen),
        await client.delete(place(member), headers=seen),
    ):
        assert_problem(answer, 412, "precondition-failed")
    del client.headers["If-Match"]
    for answer in (
        await client.patch(place(member), json=change),
        await client.delete(place(member)),
    ):
        assert_problem(answer, 428, "precondition-required")


async def test_a_dry_run_changes_nothing(act_as: ActAs, owner: Scope, member: Scope) -> None:
    client = act_as(owner)
    tried = await client.patch(place(member), json={"role": "viewer"}, params={"dry_run": "true"})
    assert tried.json()["role"] == "viewer"
    assert (await client.get(place(member))).json()["role"] == "member"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"role": "root"}, "#/role"),
        ({"role": None}, "#/role"),
        ({"approval_level": "pope"}, "#/approval_level"),
        ({"name": "x"}, "#/name"),
    ],
)
async def test_bad_input_is_pointed_at(
    act_as: ActAs, owner: Scope, member: Scope, body: dict[str, Any], pointer: str
) -> None:
    answer = await act_as(owner).patch(place(member), json=body)
    assert_problem(answer, 422, "invalid-input", pointer)


@pytest.mark.parametrize("role", OTHERS)
async def test_others_change_and_remove_nobody(
    act_as: ActAs, engine: AsyncEngine, owner: Scope, member: Scope, role: Role
) -> None:
    somebody = await make_member(engine, owner.organization_id, role)
    client = act_as(somebody)
    for target in (member, somebody):
        answer = await client.patch(place(target), json={"role": "owner"})
        assert_problem(answer, 403, "forbidden")
    assert_problem(await client.delete(place(member)), 403, "forbidden")


async def test_an_admin_does_not_reach_up(
    act_as: ActAs, owner: Scope, member: Scope, admin: Scope
) -> None:
    client = act_as(admin)
    for answer in (
        await client.patch(place(member), json={"role": "owner"}),
        await client.patch(place(owner), json={"role": "viewer"}),
        await client.patch(place(owner), json={"approval_level": "automatic"}),
        await client.patch(place(admin), json={"approval_level": "executive"}),
        await client.delete(place(owner)),
    ):
        assert_problem(answer, 403, "forbidden")


async def test_the_last_owner_stays_one(
    act_as: ActAs, engine: AsyncEngine, owner: Scope, member: Scope
) -> None:
    client = act_as(owner)
    for answer in (
        await client.patch(place(owner), json={"role": "admin"}),
        await client.delete(place(owner)),
    ):
        assert "last owner" in assert_problem(answer, 409, "conflict")
    assert (await client.patch(place(member), json={"role": "owner"})).status_code == 200
    assert (await client.patch(place(owner), json={"role": "admin"})).status_code == 200


async def test_two_owners_who_demote_each_other_do_not_both_succeed(
    act_as: ActAs, engine: AsyncEngine, owner: Scope
) -> None:
    second = await make_member(engine, owner.organization_id, Role.OWNER)
    answers = await asyncio.gather(
        act_as(owner).patch(place(second), json={"role": "member"}),
        act_as(second).patch(place(owner), json={"role": "member"}),
    )
    owners = (await act_as(owner).get("/api/members", params={"role": "owner"})).json()["items"]
    assert len(owners) == 1
    assert sorted(answer.status_code for answer in answers) in ([200, 403], [200, 409])


async def test_who_is_removed_is_out_at_once(act_as: ActAs, owner: Scope, member: Scope) -> None:
    theirs = act_as(member)
    assert (await theirs.get("/api/me")).status_code == 200
    assert (await act_as(owner).delete(place(member))).status_code == 204
    async with asyncio.timeout(4):
        while (answer := await theirs.get("/api/me")).status_code == 200:
            pass
    assert_problem(answer, 401, "unauthenticated")
    assert_problem(await act_as(owner).get(place(member)), 404, "not-found")


@pytest.mark.parametrize("role", [Role.ADMIN, *OTHERS])
async def test_everybody_may_leave(
    act_as: ActAs, engine: AsyncEngine, owner: Scope, role: Role
) -> None:
    somebody = await make_member(engine, owner.organization_id, role)
    assert (await act_as(somebody).delete(place(somebody))).status_code == 204
    assert_problem(await act_as(owner).get(place(somebody)), 404, "not-found")


async def test_leaving_may_be_asked_for_under_a_key(act_as: ActAs, member: Scope) -> None:
    gone = await act_as(member).delete(place(member), headers={"Idempotency-Key": "farewell"})
    assert gone.status_code == 204


async def test_what_they_own_needs_another_owner_first(
    act_as: ActAs, engine: AsyncEngine, owner: Scope, member: Scope
) -> None:
    async with organization_session(engine, owner.organization_id) as session:
        account = await add_account(session, member.user_id)
    client = act_as(owner)
    detail = assert_problem(await client.delete(place(member)), 409, "conflict")
    assert "accounts" in detail
    assert "owner_id" in detail
    handed = await client.patch(
        f"/api/accounts/{account.id}", json={"owner_id": str(owner.user_id)}
    )
    assert handed.status_code == 200
    assert (await client.delete(place(member))).status_code == 204


async def test_another_organizations_members_do_not_exist(
    act_as: ActAs, engine: AsyncEngine, owner: Scope
) -> None:
    foreign = await make_member(engine, await make_organization(engine))
    client, details = act_as(owner), set()
    for identity in (foreign.user_id, uuid4()):
        there = f"/api/members/{identity}"
        for answer in (
            await client.get(there),
            await client.patch(there, json={"role": "viewer"}),
            await client.delete(there),
        ):
            details.add(assert_problem(answer, 404, "not-found"))
    assert details == {"There is no such member."}

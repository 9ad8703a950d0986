"""Which organization a request acts in: the token's, or the one that its header names."""

from __future__ import annotations

from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.db.engine import organization_session
from backend.identity.service import create_api_token
from backend.scope import Role, Scope
from tests.api.conftest import ActAs
from tests.api.people import bearer, join
from tests.api.problem import assert_problem
from tests.factories import make_member, make_organization


def within(organization_id: UUID) -> dict[str, str]:
    return {"Outlay-Organization": str(organization_id)}


@pytest.fixture
async def second(engine: AsyncEngine, owner: Scope) -> UUID:
    """Another organization, in which the owner of the first is a viewer."""
    second = await make_organization(engine, name="Second", base_currency="CHF")
    await join(engine, owner.user_id, second, Role.VIEWER)
    return second


async def test_the_header_picks_one_of_the_users_organizations(
    act_as: ActAs, owner: Scope, second: UUID
) -> None:
    client = act_as(owner)
    for _ in range(2):  # looked up, and remembered
        there = (await client.get("/api/me", headers=within(second))).json()
        assert (there["organization"]["name"], there["role"]) == ("Second", "viewer")
        here = (await client.get("/api/me", headers=within(owner.organization_id))).json()
        assert here["role"] == "owner"
        assert (await client.get("/api/me")).json() == here
        assert {m["organization_id"] for m in here["memberships"]} == {
            str(owner.organization_id),
            str(second),
        }


async def test_the_role_is_that_in_the_organization_named(
    act_as: ActAs, owner: Scope, second: UUID
) -> None:
    client = act_as(owner)
    answer = await client.post("/api/tags", json={"name": "x"}, headers=within(second))
    assert_problem(answer, 403, "forbidden")
    assert (await client.post("/api/tags", json={"name": "x"})).status_code == 201
    listed = await client.get("/api/tags", headers=within(second))
    assert listed.json()["items"] == []


async def test_somebody_elses_organization_is_as_good_as_none(
    act_as: ActAs, engine: AsyncEngine, owner: Scope
) -> None:
    foreign = await make_organization(engine)
    details = {
        assert_problem(
            await act_as(owner).get("/api/me", headers=within(identity)), 404, "not-found"
        )
        for identity in (foreign, uuid4())
    }
    assert details == {"There is no such organization."}
    for value in ("mine", ""):
        answer = await act_as(owner).get("/api/me", headers={"Outlay-Organization": value})
        assert_problem(answer, 422, "invalid-input", "Outlay-Organization")


async def test_without_a_valid_token_the_header_tells_nothing(
    stranger: httpx.AsyncClient, owner: Scope
) -> None:
    for headers in ({}, bearer("outlay_" + "x" * 43)):
        answer = await stranger.get("/api/me", headers=headers | within(owner.organization_id))
        assert_problem(answer, 401, "unauthenticated")


async def test_an_api_token_stays_in_its_organization(
    stranger: httpx.AsyncClient, engine: AsyncEngine, owner: Scope, second: UUID
) -> None:
    async with organization_session(engine, owner.organization_id) as session:
        headers = bearer(await create_api_token(session, owner.user_id, name="x"))
    own = await stranger.get("/api/me", headers=headers | within(owner.organization_id))
    assert own.json()["role"] == "owner"
    for organization in (second, uuid4()):
        answer = await stranger.get("/api/me", headers=headers | within(organization))
        assert_problem(answer, 403, "forbidden")


async def test_who_left_the_tokens_organization_still_reaches_the_others(
    stranger: httpx.AsyncClient, act_as: ActAs, engine: AsyncEngine, owner: Scope
) -> None:
    member = await make_member(engine, owner.organization_id, Role.MEMBER)
    second = await make_organization(engine)
    await join(engine, member.user_id, second, Role.VIEWER)
    client = act_as(member)
    removed = await act_as(owner).delete(f"/api/members/{member.user_id}")
    assert removed.status_code == 204
    assert (await client.get("/api/me", headers=within(second))).json()["role"] == "viewer"
    assert_problem(await client.get("/api/me"), 401, "unauthenticated")
    answer = await client.get("/api/me", headers=within(owner.organization_id))
    assert_problem(answer, 401, "unauthenticated")

"""Registering: a user and their organization, and no word about who is registered already."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from backend.settings import Settings
from tests.api.people import PASSWORD, bearer, log_in, serving
from tests.api.problem import assert_problem

ADA = {"email": "Ada@Example.com", "name": "Ada", "password": PASSWORD}


async def me_of(client: httpx.AsyncClient, email: str, password: str = PASSWORD) -> Any:
    login = (await log_in(client, email, password)).json()
    return (await client.get("/api/me", headers=bearer(login["access_token"]))).json()


async def test_who_registers_owns_a_personal_organization(stranger: httpx.AsyncClient) -> None:
    answer = await stranger.post("/api/auth/register", json=ADA)
    assert answer.status_code == 202
    me = await me_of(stranger, "ada@example.com")
    assert (me["user"]["email"], me["user"]["name"], me["role"]) == (
        "Ada@Example.com",
        "Ada",
        "owner",
    )
    organization = me["organization"]
    assert (organization["name"], organization["kind"]) == ("Ada", "personal")
    assert (organization["base_currency"], organization["time_zone"]) == ("EUR", "UTC")
    assert len(me["memberships"]) == 1


async def test_the_organization_may_be_named_and_set_up(stranger: httpx.AsyncClient) -> None:
    wanted = {
        "name": "Engines Ltd",
        "kind": "company",
        "base_currency": "GBP",
        "time_zone": "Europe/London",
        "fiscal_year_start_month": 4,
    }
    body = ADA | {"organization": wanted}
    assert (await stranger.post("/api/auth/register", json=body)).status_code == 202
    organization = (await me_of(stranger, ADA["email"]))["organization"]
    assert {name: organization[name] for name in wanted} == wanted


async def test_a_taken_address_gets_the_same_answer_and_changes_nothing(
    stranger: httpx.AsyncClient,
) -> None:
    first = await stranger.post("/api/auth/register", json=ADA)
    again = await stranger.post(
        "/api/auth/register", json=ADA | {"name": "Eve", "password": "x" * 12}
    )
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert (await log_in(stranger, ADA["email"], "x" * 12)).status_code == 401
    me = await me_of(stranger, ADA["email"])
    assert me["user"]["name"] == "Ada"
    assert len(me["memberships"]) == 1


async def test_of_many_at_once_one_gets_the_address(stranger: httpx.AsyncClient) -> None:
    passwords = [f"password number {n}" for n in range(6)]
    answers = await asyncio.gather(
        *(stranger.post("/api/auth/register", json=ADA | {"password": p}) for p in passwords)
    )
    assert {answer.status_code for answer in answers} == {202}
    logins = [await log_in(stranger, ADA["email"], password) for password in passwords]
    assert sorted(login.status_code for login in logins) == [200, *[401] * 5]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"email": "ada"}, "#/email"),
        ({"email": "a b@example.com"}, "#/email"),
        ({"email": "a" * 320 + "@example.com"}, "#/email"),
        ({"name": " "}, "#/name"),
        ({"password": "too short"}, "#/password"),
        ({"organization": {"base_currency": "XXX"}}, "#/organization/base_currency"),
        ({"organization": {"time_zone": "Mars/Olympus"}}, "#/organization/time_zone"),
        (
            {"organization": {"fiscal_year_start_month": 13}},
            "#/organization/fiscal_year_start_month",
        ),
        ({"role": "owner"}, "#/role"),
    ],
)
async def test_bad_input_is_pointed_at(
    stranger: httpx.AsyncClient, change: dict[str, Any], pointer: str
) -> None:
    answer = await stranger.post("/api/auth/register", json=ADA | change)
    assert_problem(answer, 422, "invalid-input", pointer)


async def test_registration_can_be_closed(settings: Settings) -> None:
    async with serving(settings, registration_open=False) as client:
        answer = await client.post("/api/auth/register", json=ADA)
        assert_problem(answer, 403, "forbidden")
        assert (await log_in(client, ADA["email"])).status_code == 401


async def test_one_address_registers_only_so_many(settings: Settings) -> None:
    async with serving(settings, login_attempts_per_address=2) as client:
        for n in range(2):
            body = ADA | {"email": f"{n}@example.com"}
            assert (await client.post("/api/auth/register", json=body)).status_code == 202
        answer = await client.post("/api/auth/register", json=ADA)
        assert_problem(answer, 429, "too-many-requests")

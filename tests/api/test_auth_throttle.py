"""Guessing is slow: attempts are counted by account and by address, with a clock to turn."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.db.bootstrap import connect
from backend.settings import Settings
from tests.api.people import Clock, bearer, client_from, log_in, make_person, serving
from tests.api.problem import assert_problem
from tests.factories import make_organization


@pytest.fixture
async def email(engine: AsyncEngine) -> str:
    return (await make_person(engine, await make_organization(engine)))[1]


async def test_an_account_is_closed_for_the_rest_of_the_window(
    settings: Settings, email: str
) -> None:
    clock = Clock()
    async with serving(settings, clock=clock, login_attempts_per_account=3) as client:
        for _ in range(3):
            assert_problem(await log_in(client, email, "wrong"), 401, "unauthenticated")
        clock.now += timedelta(seconds=600)
        refused = await log_in(client, email.upper())
        assert_problem(refused, 429, "too-many-requests")
        assert refused.headers["retry-after"] == "300"
        clock.now += timedelta(seconds=299)
        assert (await log_in(client, email)).status_code == 429
        clock.now += timedelta(seconds=1)
        assert (await log_in(client, email)).status_code == 200


async def test_an_account_that_does_not_exist_is_closed_alike(settings: Settings) -> None:
    async with serving(settings, login_attempts_per_account=2) as client:
        statuses = [(await log_in(client, "nobody@example.com")).status_code for _ in range(4)]
        assert statuses == [401, 401, 429, 429]


async def test_an_address_is_closed_for_all_accounts_and_others_are_not(
    settings: Settings, email: str
) -> None:
    async with serving(settings, login_attempts_per_address=3) as client:
        for n in range(3):
            assert (await log_in(client, f"{n}@example.com", "wrong")).status_code == 401
        assert_problem(await log_in(client, email), 429, "too-many-requests")
        app = client._transport.app  # type: ignore[attr-defined]
        async with client_from(app, "10.0.0.2") as other:
            assert (await log_in(other, email)).status_code == 200


async def test_one_customers_ipv6_network_is_one_address(settings: Settings, email: str) -> None:
    limits = {"login_attempts_per_address": 1}
    async with serving(settings, address="2001:db8:0:1::1", **limits) as client:
        assert (await log_in(client, "x@example.com", "wrong")).status_code == 401
        app = client._transport.app  # type: ignore[attr-defined]
        async with client_from(app, "2001:db8:0:1:ffff::9") as same:
            assert (await log_in(same, email)).status_code == 429
        async with client_from(app, "2001:db8:0:2::1") as other:
            assert (await log_in(other, email)).status_code == 200


async def test_a_success_takes_the_accounts_attempts_back(settings: Settings, email: str) -> None:
    async with serving(
        settings, login_attempts_per_account=2, login_attempts_per_address=5
    ) as client:
        for _ in range(4):
            assert (await log_in(client, email, "wrong")).status_code == 401
            assert (await log_in(client, email)).status_code == 200
        # The address is forgiven its successes only: it has 4 attempts that failed.
        assert (await log_in(client, email, "wrong")).status_code == 401
        assert (await log_in(client, email)).status_code == 429


async def test_a_burst_does_not_outrun_the_count(settings: Settings, email: str) -> None:
    async with serving(settings, login_attempts_per_account=5) as client:
        answers = await asyncio.gather(*(log_in(client, email, "wrong") for _ in range(20)))
        statuses = sorted(answer.status_code for answer in answers)
        assert statuses == [*[401] * 5, *[429] * 15]


async def test_changing_the_password_is_no_way_around(settings: Settings, email: str) -> None:
    async with serving(settings, login_attempts_per_account=2) as client:
        token = (await log_in(client, email)).json()["access_token"]
        body = {"current_password": "wrong", "new_password": "x" * 12}
        statuses = [
            (await client.post("/api/auth/password", json=body, headers=bearer(token))).status_code
            for _ in range(3)
        ]
        assert statuses == [403, 403, 429]
        assert (await log_in(client, email)).status_code == 429


async def test_what_is_over_is_not_kept(settings: Settings, stranger: httpx.AsyncClient) -> None:
    clock = Clock()
    async with serving(settings, clock=clock) as client:
        for n in range(12):
            await log_in(client, f"{n}@example.com", "wrong")
        clock.now += timedelta(hours=1)
        for _ in range(2):
            await log_in(client, "last@example.com", "wrong")
    connection = await connect(settings.admin_url())
    assert await connection.fetchval("SELECT count(*) FROM login_attempts") == 2
    await connection.close()

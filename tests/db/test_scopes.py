"""Scopes: loaded through row-level security, remembered for seconds, known through an outage."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.budgets.models import BudgetShare
from backend.db.bootstrap import connect
from backend.db.engine import organization_session
from backend.errors import Unauthenticated
from backend.identity.models import ApiToken
from backend.identity.scopes import FRESH, ScopeCache
from backend.identity.service import create_api_token
from backend.scope import Role, Scope
from backend.settings import Settings
from tests.db.scope_helpers import Clock, Counter, access_token, set_role, until_role
from tests.factories import (
    add_account,
    add_budget,
    make_member,
    make_organization,
    share_account,
)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def scopes(
    settings: Settings, engine: AsyncEngine, clock: Clock
) -> AsyncIterator[ScopeCache]:
    """Not listening, unless the test starts it."""
    cache = ScopeCache(settings, engine, clock=clock)
    yield cache
    await cache.aclose()


@pytest.fixture
async def member(engine: AsyncEngine) -> Scope:
    return await make_member(engine, await make_organization(engine), Role.MEMBER)


async def test_a_scope_says_who_asks_and_what_they_may_see(
    settings: Settings, engine: AsyncEngine, scopes: ScopeCache
) -> None:
    organization_id = await make_organization(
        engine, base_currency="CHF", time_zone="Europe/Zurich", fiscal_year_start_month=4
    )
    owner = await make_member(engine, organization_id)
    viewer = await make_member(engine, organization_id, Role.VIEWER)
    async with organization_session(engine, organization_id) as session:
        await add_account(session, owner.user_id)
        account = await add_account(session, owner.user_id)
        budget = await add_budget(session, owner.user_id)
        await share_account(session, account.id, viewer.user_id)
        session.add(BudgetShare(budget_id=budget.id, user_id=viewer.user_id))
    assert await scopes.resolve(access_token(settings, viewer)) == replace(
        viewer,
        shared_account_ids=frozenset({account.id}),
        shared_budget_ids=frozenset({budget.id}),
        base_currency="CHF",
        time_zone="Europe/Zurich",
        fiscal_year_start_month=4,
    )


async def test_an_inactive_user_is_nobody(
    settings: Settings, scopes: ScopeCache, member: Scope
) -> None:
    token = access_token(settings, member)
    assert await scopes.resolve(token)
    connection = await connect(settings.admin_url())
    await connection.execute("UPDATE users SET active = false WHERE id = $1", member.user_id)
    await connection.close()
    scopes.forget()
    with pytest.raises(Unauthenticated):
        await scopes.resolve(token)


async def test_a_scope_is_remembered_for_seconds(
    settings: Settings, engine: AsyncEngine, scopes: ScopeCache, clock: Clock, member: Scope
) -> None:
    token, counter = access_token(settings, member), Counter(engine)
    await scopes.resolve(token)
    await set_role(engine, member, Role.VIEWER)
    clock.now += FRESH - timedelta(milliseconds=1)
    assert (await scopes.resolve(token)).role is Role.MEMBER
    assert counter.loads == 1
    clock.now += timedelta(milliseconds=1)
    assert (await scopes.resolve(token)).role is Role.VIEWER
    assert counter.loads == 2


async def test_a_change_is_felt_at_once(
    settings: Settings, engine: AsyncEngine, scopes: ScopeCache, member: Scope
) -> None:
    """The clock stands still: it is the notification that makes the difference."""
    scopes.start()
    token = access_token(settings, member)
    # The listener connects in its own time; a role that arrives shows that it is there.
    async with asyncio.timeout(10):
        counter = Counter(engine)
        while counter.loads < 2:
            await scopes.resolve(token)
            await set_role(engine, member, Role.MEMBER)
    await set_role(engine, member, Role.VIEWER)
    await until_role(scopes, token, Role.VIEWER)


async def test_a_revoked_api_token_ends_at_once(
    engine: AsyncEngine, scopes: ScopeCache, member: Scope
) -> None:
    scopes.start()
    async with organization_session(engine, member.organization_id) as session:
        token = await create_api_token(session, member.user_id, name="laptop")
    assert (await scopes.resolve(token)).read_only is False
    async with organization_session(engine, member.organization_id) as session:
        await session.execute(update(ApiToken).values(revoked_at=datetime.now(UTC)))
    await until_role(scopes, token, None)


async def test_an_api_token_is_not_remembered_beyond_its_expiry(
    engine: AsyncEngine, scopes: ScopeCache, clock: Clock, member: Scope
) -> None:
    expires_at = clock.now + timedelta(seconds=3)
    async with organization_session(engine, member.organization_id) as session:
        token = await create_api_token(
            session, member.user_id, name="short", scopes=["read"], expires_at=expires_at
        )
    assert (await scopes.resolve(token)).read_only is True
    clock.now = expires_at
    with pytest.raises(Unauthenticated):
        await scopes.resolve(token)


async def test_requests_that_come_together_ask_once(
    settings: Settings, engine: AsyncEngine, scopes: ScopeCache, member: Scope
) -> None:
    counter, token = Counter(engine), access_token(settings, member)
    found = await asyncio.gather(*(scopes.resolve(token) for _ in range(20)))
    assert {scope.user_id for scope in found} == {member.user_id}
    assert counter.loads == 1


async def test_who_gives_up_does_not_take_the_answer_from_the_others(
    settings: Settings, engine: AsyncEngine, scopes: ScopeCache, member: Scope
) -> None:
    token = access_token(settings, member)
    impatient, patient = (asyncio.create_task(scopes.resolve(token)) for _ in range(2))
    await asyncio.sleep(0)
    impatient.cancel()
    assert (await patient).user_id == member.user_id


async def test_what_changes_while_it_is_read_is_not_remembered(
    settings: Settings, engine: AsyncEngine, scopes: ScopeCache, member: Scope
) -> None:
    counter, token = Counter(engine), access_token(settings, member)
    counter.on_load = scopes.forget
    await scopes.resolve(token)
    counter.on_load = lambda: None
    await scopes.resolve(token)
    await scopes.resolve(token)
    assert counter.loads == 2


async def test_one_organization_is_forgotten_alone(
    settings: Settings, engine: AsyncEngine, scopes: ScopeCache, member: Scope
) -> None:
    other = await make_member(engine, await make_organization(engine))
    counter = Counter(engine)
    for scope in (member, other):
        await scopes.resolve(access_token(settings, scope))
    tokens = [access_token(settings, scope) for scope in (member, other)]
    for token in tokens:
        await scopes.resolve(token)
    scopes.forget(other.organization_id)
    counter.loads = 0
    for token in tokens:
        await scopes.resolve(token)
    assert counter.loads == 1


async def test_only_so_many_are_remembered(
    settings: Settings, engine: AsyncEngine, clock: Clock, member: Scope
) -> None:
    scopes = ScopeCache(settings, engine, clock=clock, capacity=2)
    counter = Counter(engine)
    first, second, third = (access_token(settings, member) for _ in range(3))
    for token in (
        first,
        second,
        first,
        third,
    ):  # the second is the least recent when the third comes
        await scopes.resolve(token)
    counter.loads = 0
    for token in (first, third):
        await scopes.resolve(token)
    assert counter.loads == 0
    await scopes.resolve(second)
    assert counter.loads == 1

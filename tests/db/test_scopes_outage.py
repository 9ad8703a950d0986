"""Scopes while PostgreSQL is away, and after it has come back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from backend.db.engine import create_engine, organization_session
from backend.errors import Unavailable
from backend.identity.scopes import KNOWN, RETRY, ScopeCache
from backend.identity.service import create_api_token
from backend.scope import Role
from backend.settings import Settings
from tests import server
from tests.db.scope_helpers import Clock, access_token, set_role, until_role
from tests.factories import (
    make_member,
    make_organization,
)


@pytest.fixture(scope="module")
def own_server() -> Iterator[server.Server]:
    """A PostgreSQL that may be stopped without hurting other tests."""
    owned = server.Server()
    owned.url = owned.start()  # type: ignore[attr-defined]
    yield owned
    owned.stop()


@pytest.fixture
async def instance(own_server: server.Server, tmp_path: Path) -> AsyncIterator[Settings]:
    await asyncio.to_thread(own_server.postgres.start)
    url = await server.clone(own_server.url)  # type: ignore[attr-defined]
    yield server.settings_for(tmp_path / "home", url)
    await asyncio.to_thread(own_server.postgres.start)
    await server.drop(url)


async def test_with_postgresql_away_known_callers_go_on_for_a_while(
    own_server: server.Server, instance: Settings
) -> None:
    clock = Clock()
    engine = create_engine(instance.role_url("outlay_app", driver="asyncpg"))
    member = await make_member(engine, await make_organization(engine), Role.MEMBER)
    scopes = ScopeCache(instance, engine, clock=clock)
    async with organization_session(engine, member.organization_id) as session:
        unknown = await create_api_token(session, member.user_id, name="unknown")
    known, forgotten = access_token(instance, member), access_token(instance, member)
    for token in (known, forgotten):
        await scopes.resolve(token)

    await asyncio.to_thread(own_server.postgres.stop)
    clock.now += KNOWN - RETRY
    assert (await scopes.resolve(known)).user_id == member.user_id
    for token in (unknown, access_token(instance, member)):
        with pytest.raises(Unavailable) as refused:
            await scopes.resolve(token)
        assert refused.value.retry_after_seconds == 5
    clock.now += RETRY
    with pytest.raises(Unavailable):
        await scopes.resolve(known)
    scopes.forget(member.user_id)
    with pytest.raises(Unavailable):
        await scopes.resolve(forgotten)

    await asyncio.to_thread(own_server.postgres.start)
    for token in (known, forgotten, unknown):
        assert (await scopes.resolve(token)).user_id == member.user_id
    await scopes.aclose()
    await engine.dispose()


async def test_after_a_restart_changes_are_heard_again(
    own_server: server.Server, instance: Settings
) -> None:
    clock = Clock()
    engine = create_engine(instance.role_url("outlay_app", driver="asyncpg"))
    member = await make_member(engine, await make_organization(engine), Role.MEMBER)
    scopes = ScopeCache(instance, engine, clock=clock)
    scopes.start()
    token = access_token(instance, member)
    await scopes.resolve(token)
    await asyncio.to_thread(own_server.postgres.stop)
    await asyncio.to_thread(own_server.postgres.start)
    await set_role(engine, member, Role.VIEWER)
    await until_role(scopes, token, Role.VIEWER)
    await scopes.aclose()
    await engine.dispose()

"""The service in this process, on the test's own database, and clients that act for its members."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from api.app import create_app
from backend.identity.tokens import issue_access_token
from backend.scope import Role, Scope
from backend.settings import Settings
from tests.api.audit import audited
from tests.api.books import Books, open_books
from tests.api.marts import People
from tests.factories import make_member, make_organization
from tests.warehouse.hand_made import ACME, ALICE, BOB, publish_hand_made, rows_of

ActAs = Callable[[Scope], httpx.AsyncClient]


@pytest.fixture
async def app(settings: Settings, engine: AsyncEngine) -> AsyncIterator[FastAPI]:
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def stranger(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody without a token."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as c:
        yield c


@pytest.fixture
async def act_as(app: FastAPI, settings: Settings, engine: AsyncEngine) -> AsyncIterator[ActAs]:
    """A client with an access token of the given member.

    It updates whichever version there is, unless a test sends another `If-Match`, and it makes sure
    that each write it is thanked for has left an entry in the audit.
    """
    async with AsyncExitStack() as stack:

        def client(scope: Scope) -> httpx.AsyncClient:
            token = issue_access_token(settings, scope.user_id, scope.organization_id)
            made = httpx.AsyncClient(
                transport=httpx.ASGITransport(app),
                base_url="http://test",
                headers={"Authorization": f"Bearer {token}", "If-Match": "*"},
                event_hooks={"response": [audited(engine, scope)]},
            )
            stack.push_async_callback(made.aclose)
            return made

        yield client


@pytest.fixture
async def owner(engine: AsyncEngine) -> Scope:
    """The owner of an organization with base currency EUR."""
    return await make_member(engine, await make_organization(engine))


@pytest.fixture
async def books(engine: AsyncEngine, owner: Scope) -> Books:
    return await open_books(engine, owner)


@pytest.fixture
async def people(settings: Settings, engine: AsyncEngine, act_as: ActAs) -> People:
    """With the hand-made marts published for them, Alice's and Bob's ids put into their rows."""
    organization = await make_organization(engine)
    bob = await make_member(engine, organization, Role.OWNER)
    alice = await make_member(engine, organization, Role.MEMBER)
    mallory = await make_member(engine, await make_organization(engine), Role.OWNER)
    rows = rows_of({ACME: organization, BOB: bob.user_id, ALICE: alice.user_id})
    generation = publish_hand_made(settings.warehouse_dir, rows, now=datetime.now(UTC))
    return People(
        bob=act_as(bob),
        alice=act_as(alice),
        mallory=act_as(mallory),
        scopes={"bob": bob, "alice": alice, "mallory": mallory},
        generation=generation.id,
    )

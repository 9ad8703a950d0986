"""The run's one world: the first worker builds it, and each works on a copy of its database."""

from __future__ import annotations

import asyncio
import pickle
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from fastapi import FastAPI
from filelock import FileLock
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from api.app import create_app
from backend.db.engine import create_engine, organization_session
from backend.identity.models import Member
from backend.scope import Role, Scope
from backend.settings import Settings
from orchestration.run import run_refresh
from tests import factories, server
from tests.world.books import book_transactions, fill_books
from tests.world.budgets import fill_budgets, fill_commitments
from tests.world.feeds import fill_feeds
from tests.world.hands import Hands
from tests.world.people import fill_people
from tests.world.questions import fill_questions
from tests.world.rules import fill_rules
from tests.world.side import OURS, THEIRS, Side


@dataclass(slots=True)
class World:
    """`traveller` is an analyst in both organizations; the scope is that in ours."""

    url: str
    home: Path
    ours: Side
    theirs: Side
    traveller: Scope

    @property
    def settings(self) -> Settings:
        """Nobody here is slowed down for asking a lot."""
        return server.settings_for(
            self.home,
            self.url,
            rate_limit_requests=10**6,
            rate_limit_anonymous_requests=10**6,
            log_level="ERROR",
        )


def build_world(server_url: str, folder: Path) -> World:
    kept = folder / "world.pickle"
    with FileLock(folder / "world.lock"):
        with suppress(FileNotFoundError):
            known: World = pickle.loads(kept.read_bytes())  # noqa: S301  # of this very run
            return known
        world = asyncio.run(_fill_world(server_url, folder / "world"))
        run_refresh(world.settings)
        kept.write_bytes(pickle.dumps(world))
        return world


async def copy_world(world: World, server_url: str) -> World:
    """What one worker writes, another does not meet."""
    template = make_url(world.url).database
    return replace(world, url=await server.clone(server_url, template=str(template)))


async def _fill_world(server_url: str, home: Path) -> World:
    url = await server.clone(server_url)
    settings = server.settings_for(home, url)
    engine = create_engine(settings.role_url("outlay_app", driver="asyncpg"))
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        ours, theirs = [await _fill(engine, app, settings, marker) for marker in (OURS, THEIRS)]
    traveller = await _send_traveller(engine, ours, theirs)
    await engine.dispose()
    return World(url, home, ours, theirs, traveller)


async def _fill(engine: AsyncEngine, app: FastAPI, settings: Settings, marker: str) -> Side:
    organization = await factories.make_organization(engine, name=f"{marker} organization")
    side = Side(marker, organization)
    for role in Role:
        side.members[role] = await factories.make_member(
            engine, organization, role, name=f"{marker} {role}", email=side.email(role)
        )
    async with Hands(app, settings, side) as hands:
        await fill_people(engine, hands)
        await fill_books(hands)
        await fill_budgets(hands)
        await book_transactions(hands)
        await fill_commitments(hands)
        await fill_feeds(hands)
        await fill_rules(hands)
        await fill_questions(engine, hands)
    return side


async def _send_traveller(engine: AsyncEngine, ours: Side, theirs: Side) -> Scope:
    scope = await factories.make_member(
        engine, ours.organization_id, Role.ANALYST, name="Traveller", email="traveller@example.com"
    )
    async with organization_session(engine, theirs.organization_id) as session:
        session.add(
            Member(user_id=scope.user_id, organization_id=theirs.organization_id, role=Role.ANALYST)
        )
    return scope

"""One service for each process, and for each test a copy of the world to serve."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI
from schemathesis.python import asgi
from sqlalchemy.engine import make_url

from api.app import create_app
from backend.identity import passwords
from backend.identity.tokens import issue_access_token
from backend.jobs.launcher import RunState
from backend.jobs.models import RefreshStatus
from backend.scope import Role
from tests import server
from tests.contract.stage import Stage, known_ids
from tests.world import World, build_world


class Launchpad:
    """A launcher that always succeeds: no Dagster runs beside these tests."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()

    async def queued_refresh(self, *, full: bool = False) -> UUID | None:
        return None

    async def launch_refresh(self, *, full: bool = False) -> UUID:
        return uuid4()

    async def launch_export(self, export_id: UUID, organization_id: UUID) -> UUID:
        return uuid4()

    async def terminate(self, run_id: UUID) -> None: ...

    async def run_state(self, run_id: UUID) -> RunState:
        return RunState(RefreshStatus.SUCCEEDED)

    async def healthy(self) -> bool:
        return True

    async def aclose(self) -> None: ...


@pytest.fixture(scope="session")
def original(server_url: str, shared_folder: Path) -> World:
    """Only to be copied."""
    return build_world(server_url, shared_folder)


@pytest.fixture(scope="session")
def service(
    original: World, server_url: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[FastAPI, World]:
    """One for each process, since its routes take long to build; and the world that it serves."""
    url = f"{server_url}/contract_{uuid4().hex}"
    world = replace(original, url=url, home=tmp_path_factory.mktemp("contract") / "home")
    patience = {"login_attempts_per_account": 10**6, "login_attempts_per_address": 10**6}
    return create_app(world.settings.model_copy(update=patience)), world


@pytest.fixture
def stage(
    service: tuple[FastAPI, World],
    original: World,
    server_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Stage:
    """Made anew for each test: whatever it deletes is missed by no other."""
    app, world = service
    # Hashing a password is slow on purpose; here it would only be slow.
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "_hasher", hasher)
    monkeypatch.setattr(passwords, "_NOBODY", hasher.hash("no such user"))
    asyncio.run(_copy_database(original, world, server_url))
    shutil.rmtree(world.home, ignore_errors=True)
    shutil.copytree(original.home, world.home)
    owner = world.ours.members[Role.OWNER]
    token = issue_access_token(world.settings, owner.user_id, owner.organization_id)
    with asgi.get_client(app):  # Schemathesis ends the lifespan before it ends the fixtures
        app.state.outlay = replace(app.state.outlay, launcher=Launchpad())
    return Stage(app, token, *known_ids(world.ours))


async def _copy_database(original: World, world: World, server_url: str) -> None:
    await server.drop(world.url)
    template, name = (make_url(w.url).database for w in (original, world))
    await server.clone(server_url, template=str(template), name=name)

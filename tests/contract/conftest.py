"""For each test a copy of the world, and the service on it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from argon2 import PasswordHasher
from schemathesis.python import asgi

from api.app import create_app
from backend.identity import passwords
from backend.identity.tokens import issue_access_token
from backend.jobs.launcher import RunState
from backend.jobs.models import RefreshStatus
from backend.scope import Role
from tests import server
from tests.contract.stage import Stage, known_ids
from tests.world import World, build_world, copy_world


class Launchpad:
    """A launcher that always succeeds: no Dagster runs beside these tests."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()

    async def queued_refresh(self) -> UUID | None:
        return None

    async def launch_refresh(self) -> UUID:
        return uuid4()

    async def run_state(self, run_id: UUID) -> RunState:
        return RunState(RefreshStatus.RUNNING)

    async def healthy(self) -> bool:
        return True

    async def aclose(self) -> None: ...


@pytest.fixture
def own_world(server_url: str, shared_folder: Path, tmp_path: Path) -> Iterator[World]:
    """Database, generation and receipts: whatever is deleted here is missed by no other test."""
    world = asyncio.run(copy_world(build_world(server_url, shared_folder), server_url))
    yield replace(world, home=Path(shutil.copytree(world.home, tmp_path / "home")))
    asyncio.run(server.drop(world.url))


@pytest.fixture
def stage(own_world: World, monkeypatch: pytest.MonkeyPatch) -> Stage:
    # Hashing a password is slow on purpose; here it would only be slow.
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "_hasher", hasher)
    monkeypatch.setattr(passwords, "_NOBODY", hasher.hash("no such user"))
    settings = own_world.settings.model_copy(
        update={"login_attempts_per_account": 10**6, "login_attempts_per_address": 10**6}
    )
    owner = own_world.ours.members[Role.OWNER]
    token = issue_access_token(settings, owner.user_id, owner.organization_id)
    app = create_app(settings)
    with asgi.get_client(app):  # Schemathesis ends the lifespan with the test
        app.state.outlay = replace(app.state.outlay, launcher=Launchpad())
    return Stage(app, token, *known_ids(own_world.ours))

"""Fixtures of the whole suite: a migrated database per test, and one built generation per run."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.db.engine import create_engine
from backend.settings import Settings
from tests import server
from tests.sizes import PROFILE
from tests.world import World, build_world, copy_world

# Derandomized in CI: a red run can be repeated; `make test-long` explores.
hypothesis_settings.register_profile("ci", derandomize=True, deadline=None, database=None)
hypothesis_settings.register_profile("long", deadline=None, max_examples=2000)
hypothesis_settings.load_profile(PROFILE)

_running: dict[str, Any] = {}


def _start() -> None:
    if not _running:
        owned = server.Server()
        _running["server"] = owned
        _running["url"] = owned.start()


def pytest_configure_node(node: Any) -> None:
    """Xdist's controller hands the server's address to each worker."""
    _start()
    node.workerinput["server_url"] = _running["url"]
    node.workerinput["shared_folder"] = str(_running["server"].folder)


def pytest_unconfigure() -> None:
    if "server" in _running:
        _running.pop("server").stop()


@pytest.fixture(scope="session")
def server_url(request: pytest.FixtureRequest) -> str:
    """The superuser's URL of the run's PostgreSQL, without a database."""
    if hasattr(request.config, "workerinput"):
        return str(request.config.workerinput["server_url"])
    _start()
    return str(_running["url"])


@pytest.fixture(scope="session")
def shared_folder(request: pytest.FixtureRequest, server_url: str) -> Path:
    """A folder that all workers of this run share."""
    if hasattr(request.config, "workerinput"):
        return Path(request.config.workerinput["shared_folder"])
    return Path(_running["server"].folder)


@pytest.fixture
async def settings(server_url: str, tmp_path: Path) -> AsyncIterator[Settings]:
    """An instance of its own: an empty migrated database and an empty home."""
    url = await server.clone(server_url)
    yield server.settings_for(tmp_path / "home", url)
    await server.drop(url)


@pytest.fixture
async def engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """The application role's engine."""
    engine = create_engine(settings.role_url("outlay_app", driver="asyncpg"), pool_size=5)
    yield engine
    await engine.dispose()


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tests never read the developer's OUTLAY_ settings."""
    for name in os.environ:
        if name.startswith("OUTLAY_") and name != "OUTLAY_TEST_PROFILE":
            monkeypatch.delenv(name)
    return


@pytest.fixture(scope="session")
def world(server_url: str, shared_folder: Path) -> World:
    """Two organizations with a published generation; tests leave it as it was."""
    return asyncio.run(copy_world(build_world(server_url, shared_folder), server_url))

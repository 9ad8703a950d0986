"""What the command line does around its programs."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from backend.cli.database import DatabaseUnusable, prepare_database, running_database
from backend.cli.refresh import RefreshFailed, launched_refresh
from backend.cli.token import make_token
from backend.db.bootstrap import connect
from backend.db.embedded import EmbeddedPostgres
from backend.errors import InvalidInput, NotFound
from backend.settings import Settings
from tests import server


@pytest.fixture
def home() -> Iterator[Path]:
    with server.passable_folder() as folder:
        yield folder


def test_a_postgresql_that_was_killed_is_started_again(home: Path) -> None:
    settings = Settings(home=home)
    with running_database(settings) as revive:
        assert not revive()
        password = settings.secrets.superuser_password.get_secret_value()
        address = EmbeddedPostgres(settings.postgres_dir, password).running()
        assert address is not None
        os.kill(address.pid, signal.SIGKILL)
        psutil.wait_procs([psutil.Process(address.pid)] if psutil.pid_exists(address.pid) else [])
        assert revive()

        async def answers() -> object:
            connection = await connect(settings.admin_url().set(database="postgres"))
            try:
                return await connection.fetchval("SELECT 1")
            finally:
                await connection.close()

        assert asyncio.run(answers()) == 1


def test_a_database_that_does_not_answer_is_named(tmp_path: Path) -> None:
    settings = server.settings_for(tmp_path, "postgresql://nobody:x@127.0.0.1:9/outlay")
    with pytest.raises(DatabaseUnusable, match=r"127\.0\.0\.1:9.*OUTLAY_DATABASE_URL"):
        prepare_database(settings)


def test_a_refresh_without_an_instance_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(RefreshFailed, match="outlay up"):
        launched_refresh(Settings(home=tmp_path), full=True, timeout_seconds=1)


async def test_a_token_is_for_a_member_and_for_known_scopes(settings: Settings) -> None:
    async def token(scope: str) -> str:
        return await make_token(
            settings,
            email="nobody@example.com",
            organization=None,
            name="test",
            scopes=(scope,),
            life=timedelta(days=1),
        )

    with pytest.raises(InvalidInput, match="read, write, admin"):
        await token("everything")
    with pytest.raises(NotFound, match=r"nobody@example\.com"):
        await token("read")

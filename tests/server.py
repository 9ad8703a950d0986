"""One PostgreSQL for a whole test run, with a migrated template that tests clone."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from pydantic import SecretStr
from sqlalchemy.engine import make_url

from backend.db.bootstrap import bootstrap, connect
from backend.db.embedded import EmbeddedPostgres
from backend.db.migrate import upgrade
from backend.settings import Settings

TEMPLATE = "outlay_template"
SUPERUSER_PASSWORD = "superuser"


def settings_for(home: Path, url: str, **overrides: object) -> Settings:
    """Settings of a test instance; passwords are fixed, since roles belong to the whole server."""
    return Settings(
        home=home,
        database_url=SecretStr(url),
        jwt_secret=SecretStr("a-test-secret-of-at-least-32-bytes"),
        owner_password=SecretStr("owner"),
        app_password=SecretStr("app"),
        extract_password=SecretStr("extract"),
        dagster_password=SecretStr("dagster"),
        dagster_url="http://127.0.0.1:9",  # nobody: a Dagster that runs by chance is not ours
        **overrides,
    )


class Server:
    """Owns the embedded server and the folder that the run's workers share."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="outlay-tests-"))
        self.folder.chmod(0o755)  # the unprivileged owner of the server's files passes through
        self.postgres = EmbeddedPostgres(
            self.folder / "postgres",
            SUPERUSER_PASSWORD,
            options={"fsync": "off", "synchronous_commit": "off", "max_connections": "300"},
        )

    def start(self) -> str:
        """Start, migrate the template and answer the superuser's URL of the server."""
        address = self.postgres.start()
        base = f"postgresql://postgres:{SUPERUSER_PASSWORD}@{address.host}:{address.port}"
        settings = settings_for(self.folder / "template", f"{base}/{TEMPLATE}")
        asyncio.run(bootstrap(settings))
        upgrade(settings.role_url("outlay_owner", driver="asyncpg"))
        return base

    def stop(self) -> None:
        self.postgres.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def passable_folder() -> Iterator[Path]:
    """Unlike pytest's own folders: root's PostgreSQL runs as somebody else within it."""
    folder = Path(tempfile.mkdtemp(prefix="outlay-tests-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


async def clone(base: str, *, template: str = TEMPLATE, name: str | None = None) -> str:
    """A copy of a database nobody is connected to, by default the migrated one; answers its URL."""
    name = name or f"test_{uuid4().hex}"
    connection = await connect(make_url(f"{base}/postgres"))
    try:
        await connection.execute(
            f'CREATE DATABASE "{name}" OWNER outlay_owner TEMPLATE "{template}" STRATEGY file_copy'
        )
    finally:
        await connection.close()
    return f"{base}/{name}"


async def drop(url: str) -> None:
    target = make_url(url)
    connection = await connect(target.set(database="postgres"))
    try:
        await connection.execute(f'DROP DATABASE IF EXISTS "{target.database}" WITH (FORCE)')
    finally:
        await connection.close()

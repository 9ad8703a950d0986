"""A database that is there and up to date, whatever the caller of a command has running."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import asyncpg

from backend.db.bootstrap import UnsupportedServer, bootstrap
from backend.db.embedded import EmbeddedPostgres
from backend.db.migrate import upgrade
from backend.settings import Settings


@contextmanager
def running_database(settings: Settings) -> Iterator[Callable[[], bool]]:
    """The configured PostgreSQL, or the embedded one for as long as the block lasts.

    An embedded server that runs already is used and left running. Yields a function that starts
    it again if it has fallen, and answers whether it had.
    """
    if settings.database_url is not None:
        yield lambda: False
        return
    embedded = EmbeddedPostgres(
        settings.postgres_dir, settings.secrets.superuser_password.get_secret_value()
    )
    found_running = embedded.running() is not None
    embedded.start()

    def revive() -> bool:
        if embedded.running() is not None:
            return False
        embedded.start()
        return True

    try:
        yield revive
    finally:
        if not found_running:
            embedded.stop()


class DatabaseUnusable(Exception):
    """The configured PostgreSQL does not answer, or does not let Outlay prepare it."""


def prepare_database(settings: Settings) -> None:
    """Roles, databases and the newest schema. Raises `DatabaseUnusable` with what to look at."""
    prepare_roles(settings)
    upgrade(settings.role_url("outlay_owner", driver="asyncpg"))


def prepare_roles(settings: Settings) -> None:
    """Roles and databases, without a schema. Raises `DatabaseUnusable` with what to look at."""
    try:
        asyncio.run(bootstrap(settings))
    except (OSError, asyncpg.PostgresError, UnsupportedServer) as error:
        url = settings.admin_url()
        raise DatabaseUnusable(
            f"PostgreSQL at {url.host}:{url.port} cannot be prepared: {error}. It needs a login "
            "that may create roles and databases; look at OUTLAY_DATABASE_URL."
        ) from error

"""Joining the refresh that waits, or launching one: one caller at a time, in all processes.

Dagster may hang, so nobody's transaction and no connection of the pool waits for it: each process
lets one of its callers try at a time, and that one has a connection of its own, whose lock makes
the processes take turns. What does not come this way (the sensor, the schedule, the Dagster UI)
is merged when a run begins: see `orchestration/merging.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import UUID

import asyncpg
from sqlalchemy.engine import URL

from backend.db.bootstrap import connect
from backend.db.outage import unavailable
from backend.errors import Unavailable
from backend.jobs.launcher import Launcher

PATIENCE_SECONDS = 5.0
RETRY_AFTER_SECONDS = 5

_LOCK = "SELECT pg_advisory_lock(1869967727, 1)"  # two numbers: apart from those that hash a name


async def join_or_launch(
    launcher: Launcher,
    database: URL,
    *,
    full: bool = False,
    patience_seconds: float = PATIENCE_SECONDS,
) -> UUID:
    """The run that will hold all that is committed now; with `full`, one that builds all anew.

    `database` is the application's; all processes that share it take turns. `Unavailable` when
    one's turn does not come in time, or Dagster or PostgreSQL is away.
    """
    async with _turn(launcher.turn, database, patience_seconds):
        waiting = await launcher.queued_refresh(full=full)
        return waiting or await launcher.launch_refresh(full=full)


@asynccontextmanager
async def _turn(
    of_process: asyncio.Lock, database: URL, patience_seconds: float
) -> AsyncIterator[None]:
    deadline = asyncio.get_running_loop().time() + patience_seconds
    try:
        async with asyncio.timeout_at(deadline):
            await of_process.acquire()
    except TimeoutError:
        raise _busy() from None
    try:
        async with _locked(database, deadline):
            yield
    finally:
        of_process.release()


@asynccontextmanager
async def _locked(database: URL, deadline: float) -> AsyncIterator[None]:
    try:
        connection = await connect(database)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise unavailable() from error
    try:
        try:
            async with asyncio.timeout_at(deadline):
                await connection.execute(_LOCK)
        except TimeoutError:
            raise _busy() from None
        yield
    finally:
        with suppress(
            OSError, asyncpg.PostgresError, asyncpg.InterfaceError
        ):  # gone: so is the lock
            await connection.close(timeout=1)


def _busy() -> Unavailable:
    return Unavailable(
        "Many refreshes are being asked for at once.", retry_after_seconds=RETRY_AFTER_SECONDS
    )

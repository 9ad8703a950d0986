"""Listening to PostgreSQL for changes of anybody's scope, for as long as the process lives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import UUID

import asyncpg
import structlog
from sqlalchemy.engine import URL

from backend.db.bootstrap import connect

CHANNEL = "outlay_scope"
HEARTBEAT_SECONDS = 30.0
RECONNECT_SECONDS = (0.2, 5.0)  # first and longest pause

_log = structlog.get_logger(__name__)


async def listen(
    url: URL, *, on_change: Callable[[UUID | None], None], on_connect: Callable[[], None]
) -> None:
    """Call `on_change` with the user or organization that changed (None: anybody), until cancelled.

    `on_connect` is called whenever the connection is made anew: changes may have been missed.
    """
    first, longest = RECONNECT_SECONDS
    pause = first
    while True:
        try:
            connection = await connect(url)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            _log.debug("scope_listener_waits", reason=str(error))
        else:
            pause = first
            try:
                await _follow(connection, on_change, on_connect)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                _log.warning("scope_listener_lost", reason=str(error))
            finally:
                connection.terminate()
        await asyncio.sleep(pause)
        pause = min(pause * 2, longest)


async def _follow(
    connection: asyncpg.Connection,
    on_change: Callable[[UUID | None], None],
    on_connect: Callable[[], None],
) -> None:
    """Returns or raises when the connection is lost."""
    lost = asyncio.Event()
    connection.add_termination_listener(lambda *_: lost.set())

    def notified(_connection: object, _pid: int, _channel: str, payload: object) -> None:
        on_change(_subject(str(payload)))

    await connection.add_listener(CHANNEL, notified)
    on_connect()
    while True:
        try:
            await asyncio.wait_for(lost.wait(), HEARTBEAT_SECONDS)
        except TimeoutError:
            # A peer that vanished without a word is found out by asking it something.
            await connection.execute("SELECT 1", timeout=5)
        else:
            return


def _subject(payload: str) -> UUID | None:
    try:
        return UUID(payload)
    except ValueError:
        return None  # anybody

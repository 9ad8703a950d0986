"""Engines and transactions of the application role, always inside an organization's context."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import event, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

_SET_CONTEXT = text("SELECT set_config('outlay.organization_id', :organization_id, true)")


_RESTED_SECONDS = 5.0


def create_engine(url: URL, *, pool_size: int = 10) -> AsyncEngine:
    """`url` must name the asyncpg driver. Broken connections are noticed before use."""
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=5,
        pool_timeout=5,
        hide_parameters=True,  # an error goes to the log, people's data does not
        connect_args={"timeout": 3, "server_settings": {"application_name": "outlay"}},
    )
    event.listen(engine.sync_engine, "checkin", _rest)
    event.listen(engine.sync_engine, "checkout", _refuse_broken)
    return engine


def _rest(_connection: object, record: ConnectionPoolEntry) -> None:
    record.info["rests_since"] = time.monotonic()


def _refuse_broken(connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:  # noqa: ANN401
    """Asking the server at each checkout (`pool_pre_ping`) takes three round trips.

    What the server closed is closed here too; what went silent shows after a rest.
    """
    driver: asyncpg.Connection[Any] = connection.driver_connection
    rested = time.monotonic() - record.info.get("rests_since", math.inf)
    if driver.is_closed() or (rested > _RESTED_SECONDS and not _answers(connection)):
        raise InvalidatePoolError  # the others were opened to the same server


def _answers(connection: Any) -> bool:  # noqa: ANN401  # the adapter of the driver's connection
    try:
        connection.ping()
    except connection.dbapi.Error:
        return False
    return True


async def enter_organization(session: AsyncSession, organization_id: UUID) -> None:
    """From here to its end, the transaction sees and writes this organization only."""
    await session.execute(_SET_CONTEXT, {"organization_id": str(organization_id)})


@asynccontextmanager
async def organization_session(
    engine: AsyncEngine, organization_id: UUID
) -> AsyncIterator[AsyncSession]:
    """One transaction in which row-level security shows `organization_id` and nothing else.

    Commits when the block ends, rolls back when it raises.
    """
    async with AsyncSession(engine, expire_on_commit=False) as session, session.begin():
        await enter_organization(session, organization_id)
        yield session

"""Telling "PostgreSQL is away" from every other failure."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from uuid import UUID

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from backend.db.engine import organization_session
from backend.errors import Unavailable

RETRY_AFTER_SECONDS = 5

# SQLSTATE classes and codes: connection lost, not let in, no such database, shutting down or
# starting up, too many connections.
_OUTAGE_STATES = ("08", "28", "3D000", "57P01", "57P02", "57P03", "53300")


def is_outage(error: BaseException) -> bool:
    """Whether the database could not be reached, was lost, or has no connection to give."""
    if isinstance(error, DBAPIError):
        state = getattr(error.orig, "sqlstate", None) or ""
        return (
            error.connection_invalidated
            or state.startswith(_OUTAGE_STATES)
            or "connection is closed" in str(error.orig)
        )
    return isinstance(error, OSError | PoolTimeout)


def unavailable() -> Unavailable:
    return Unavailable(
        "The database cannot be reached. Try again shortly.",
        retry_after_seconds=RETRY_AFTER_SECONDS,
    )


@contextmanager
def outages_explained() -> Iterator[None]:
    """In this block, PostgreSQL being away is `Unavailable`."""
    try:
        yield
    except Exception as error:
        if is_outage(error):
            raise unavailable() from error
        raise


@asynccontextmanager
async def reachable_session(
    engine: AsyncEngine, organization_id: UUID
) -> AsyncIterator[AsyncSession]:
    """As `organization_session`, but with PostgreSQL away it raises `Unavailable`."""
    async with AsyncExitStack() as stack:
        with outages_explained():
            session = await stack.enter_async_context(organization_session(engine, organization_id))
        yield session

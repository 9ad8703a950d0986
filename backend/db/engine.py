"""Engines and transactions of the application role, always inside an organization's context."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

_SET_CONTEXT = text("SELECT set_config('outlay.organization_id', :organization_id, true)")


def create_engine(url: URL, *, pool_size: int = 10) -> AsyncEngine:
    """`url` must name the asyncpg driver. Broken connections are noticed before use."""
    return create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=5,
        pool_pre_ping=True,
        pool_timeout=5,
        hide_parameters=True,  # an error goes to the log, people's data does not
        connect_args={"timeout": 3, "server_settings": {"application_name": "outlay"}},
    )


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

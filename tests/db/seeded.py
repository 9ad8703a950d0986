"""What seeding tests ask of a database."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from backend.db.base import Base, Tenant
from backend.db.engine import create_engine, organization_session
from backend.settings import Settings

TENANT_TABLES = sorted(
    mapper.class_.__tablename__
    for mapper in Base.registry.mappers
    if issubclass(mapper.class_, Tenant)
)
# They say when and by which transaction a row was written, not what it is.
_INCIDENTAL = {"changed_xid", "created_at", "updated_at"}


async def digest(engine: AsyncEngine, organization_id: UUID) -> str:
    """Of all rows of the organization; people by e-mail, since their ids differ by database."""
    content = {}
    async with organization_session(engine, organization_id) as session:
        users = await session.execute(text("SELECT id::text, email FROM users"))
        emails = {row.id: row.email for row in users}
        for table in ("organizations", *TENANT_TABLES):
            content[table] = sorted(
                json.dumps(
                    {
                        k: emails.get(v, v) if isinstance(v, str) else v
                        for k, v in row.items()
                        if k not in _INCIDENTAL
                    },
                    sort_keys=True,
                )
                for row in await session.scalars(text(f"SELECT to_jsonb(t) FROM {table} t"))
            )
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


async def row_counts(settings: Settings) -> dict[tuple[str, UUID], int]:
    """Rows by table and organization, seen by the superuser, whom no policy holds."""
    engine = create_engine(settings.admin_url().set(drivername="postgresql+asyncpg"))
    counts: dict[tuple[str, UUID], int] = {}
    async with AsyncSession(engine) as session:
        for table in TENANT_TABLES:
            query = f"SELECT organization_id, count(*) FROM {table} GROUP BY 1"
            rows = await session.execute(text(query))
            counts |= {(table, organization): count for organization, count in rows}
    await engine.dispose()
    return counts


async def fetch(engine: AsyncEngine, organization_id: UUID, query: str) -> list[tuple[Any, ...]]:
    async with organization_session(engine, organization_id) as session:
        return [tuple(row) for row in await session.execute(text(query))]

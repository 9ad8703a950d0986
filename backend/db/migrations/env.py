"""Alembic's entry point; called through `backend.db.migrate` or the `alembic` command."""

from __future__ import annotations

import asyncio
from importlib import import_module

from alembic import context
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from backend.db.base import Base, Xid8
from backend.settings import Settings

# By name: the import rules keep `db` below the features, and only Alembic needs them all at once.
for feature in ("audit", "idempotency", "identity", "ledger", "budgets", "jobs"):
    import_module(f"backend.{feature}.models")
import_module("backend.budgets.commitments")
import_module("backend.usage.models")
import_module("backend.imports.models")
import_module("backend.warehouse.tombstones")
for part in ("rule_models", "receipt_models"):
    import_module(f"backend.ledger.{part}")


ischema_names["xid8"] = Xid8  # so that autogenerate can compare the column


def _migrate(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=Base.metadata, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()


async def _run() -> None:
    url = context.config.attributes.get("url") or Settings().role_url(
        "outlay_owner", driver="asyncpg"
    )
    engine = create_async_engine(url, poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(_migrate)
        await connection.commit()
    await engine.dispose()


asyncio.run(_run())

"""Links to institutions through which accounts are fed.

Whoever made a connection changes it, and so do the writers of the organization.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.db.keyset import Order, Window, windowed
from backend.db.locking import locked
from backend.db.references import references, refuse, unknown_references
from backend.db.versions import Expected, require_version
from backend.errors import Forbidden, NotFound
from backend.identity.permissions import require_ledger_writer
from backend.ledger.models import Connection, Institution
from backend.ledger.rows import add_row, change_row, delete_row
from backend.ledger.visibility import visible_connections, visible_institutions
from backend.scope import Scope

OLDEST_FIRST = Order((Connection.id,))


async def list_connections(
    session: AsyncSession,
    scope: Scope,
    window: Window,
    *,
    institution_id: UUID | None = None,
    status: str | None = None,
    provider: str | None = None,
) -> Sequence[Connection]:
    statement = select(Connection).where(visible_connections(scope))
    if institution_id is not None:
        statement = statement.where(Connection.institution_id == institution_id)
    if status is not None:
        statement = statement.where(Connection.status == status)
    if provider is not None:
        statement = statement.where(Connection.provider == provider)
    return (await session.scalars(windowed(statement, OLDEST_FIRST, window))).all()


async def get_connection(
    session: AsyncSession, scope: Scope, connection_id: UUID, *, lock: bool = False
) -> Connection:
    statement = select(Connection).where(visible_connections(scope), Connection.id == connection_id)
    connection = await session.scalar(locked(statement) if lock else statement)
    if connection is None:
        raise NotFound("There is no such connection.")
    return connection


async def create_connection(
    session: AsyncSession, scope: Scope, values: dict[str, Any]
) -> Connection:
    require_ledger_writer(scope)
    named = references("#", values, "institution_id")
    refuse(
        await unknown_references(
            session, Institution.id, visible_institutions(scope), named, "institution"
        )
    )
    connection = Connection(
        organization_id=scope.organization_id, created_by=scope.user_id, **values
    )
    return await add_row(session, scope, connection)


async def update_connection(
    session: AsyncSession,
    scope: Scope,
    connection_id: UUID,
    changes: dict[str, Any],
    expected: Expected = None,
) -> Connection:
    connection = await _own_connection(session, scope, connection_id, expected)
    return await change_row(session, scope, connection, changes)


async def delete_connection(
    session: AsyncSession, scope: Scope, connection_id: UUID, expected: Expected = None
) -> None:
    """`Conflict` while it feeds accounts."""
    await delete_row(session, scope, await _own_connection(session, scope, connection_id, expected))


async def _own_connection(
    session: AsyncSession, scope: Scope, connection_id: UUID, expected: Expected
) -> Connection:
    require_ledger_writer(scope)
    connection = await get_connection(session, scope, connection_id, lock=True)
    if connection.created_by != scope.user_id and not scope.writes_organization:
        raise Forbidden("Only who made it, or a manager of the organization, may change this.")
    require_version(connection, expected)
    return connection

"""Showing to another member what one owns: one way for accounts and budgets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import ColumnElement, Table, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.record import record
from backend.errors import Conflict, Forbidden, NotFound
from backend.identity.queries import is_member
from backend.scope import Scope


class Owned(Protocol):
    id: UUID
    owner_id: UUID


@dataclass(frozen=True, slots=True)
class Sharing:
    """`table` has a row for each member that a thing is shown to, its column `<name>_id`."""

    name: str
    table: Table

    def of(self, scope: Scope, thing_id: UUID) -> tuple[ColumnElement[bool], ...]:
        columns = self.table.columns
        return (
            columns.organization_id == scope.organization_id,
            columns[f"{self.name}_id"] == thing_id,
        )


async def shared_with(
    session: AsyncSession, scope: Scope, sharing: Sharing, thing: Owned
) -> Sequence[UUID]:
    """The users it is shared with; for its owner and whoever sees the whole organization."""
    if thing.owner_id != scope.user_id and not scope.sees_whole_organization:
        raise Forbidden("Only its owner sees with whom it is shared.")
    user_id = sharing.table.columns.user_id
    statement = select(user_id).where(*sharing.of(scope, thing.id)).order_by(user_id)
    return (await session.scalars(statement)).all()


async def share(
    session: AsyncSession, scope: Scope, sharing: Sharing, thing: Owned, user_id: UUID
) -> None:
    """Sharing twice is sharing once. The caller has made sure that it is theirs to share."""
    if not await is_member(session, scope, user_id):
        raise NotFound("There is no such member.")
    if user_id == thing.owner_id:
        raise Conflict(f"The {sharing.name} belongs to this member.")
    row: dict[str, Any] = {f"{sharing.name}_id": thing.id, "user_id": user_id}
    statement = insert(sharing.table).values(organization_id=scope.organization_id, **row)
    await session.execute(statement.on_conflict_do_nothing())
    await record(session, scope, "share", sharing.name, thing.id, after={"user_id": user_id})


async def unshare(
    session: AsyncSession, scope: Scope, sharing: Sharing, thing: Owned, user_id: UUID
) -> None:
    """Not shared before is not shared after. The caller has made sure that it is theirs."""
    shown = sharing.table.columns.user_id == user_id
    await session.execute(delete(sharing.table).where(*sharing.of(scope, thing.id), shown))
    await record(session, scope, "unshare", sharing.name, thing.id, before={"user_id": user_id})

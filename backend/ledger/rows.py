"""Writing a row that stands for itself, with its entry in the audit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.record import record
from backend.audit.states import state_of
from backend.ledger.models import Account, Category, Connection, Institution, Tag
from backend.scope import Scope

_TYPES: dict[type[Account | Category | Connection | Institution | Tag], str] = {
    Account: "account",
    Category: "category",
    Connection: "connection",
    Institution: "institution",
    Tag: "tag",
}

Row = TypeVar("Row", Account, Category, Connection, Institution, Tag)


async def add_row(session: AsyncSession, scope: Scope, row: Row) -> Row:
    session.add(row)
    await session.flush()
    await record(session, scope, "create", _TYPES[type(row)], row.id, after=state_of(row))
    return row


async def change_row(
    session: AsyncSession, scope: Scope, row: Row, changes: Mapping[str, Any]
) -> Row:
    """`row` is locked by whoever read it."""
    before = state_of(row)
    for name, value in changes.items():
        setattr(row, name, value)
    await session.flush()
    await session.refresh(row)
    await record(
        session, scope, "update", _TYPES[type(row)], row.id, before=before, after=state_of(row)
    )
    return row


async def delete_row(session: AsyncSession, scope: Scope, row: Row, **noted: object) -> None:
    """`noted` is kept with the state before: what else the deletion did."""
    before = state_of(row) | noted
    await session.delete(row)
    await session.flush()
    await record(session, scope, "delete", _TYPES[type(row)], row.id, before=before)

"""Queries that people keep for themselves, or share with everybody in their organization."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.analytics.models import SavedQuery
from backend.analytics.rights import require_saver
from backend.audit.record import record
from backend.audit.states import state_of
from backend.db.keyset import Order, Window, windowed
from backend.db.locking import locked
from backend.db.versions import Expected, require_version
from backend.errors import Forbidden, NotFound
from backend.scope import Scope

BY_NAME = Order((SavedQuery.name, SavedQuery.id))

_KIND = "saved_query"


async def list_saved_queries(
    session: AsyncSession,
    scope: Scope,
    window: Window,
    *,
    q: str | None = None,
    dataset: str | None = None,
    shared: bool | None = None,
) -> Sequence[SavedQuery]:
    statement = select(SavedQuery).where(_visible(scope))
    if q is not None:
        statement = statement.where(SavedQuery.name.icontains(q, autoescape=True))
    if dataset is not None:
        statement = statement.where(SavedQuery.spec["dataset"].astext == dataset)
    if shared is not None:
        statement = statement.where(SavedQuery.shared == shared)
    return (await session.scalars(windowed(statement, BY_NAME, window))).all()


async def get_saved_query(
    session: AsyncSession, scope: Scope, query_id: UUID, *, lock: bool = False
) -> SavedQuery:
    """The caller's own, or one that is shared; another's private one is not there."""
    statement = select(SavedQuery).where(_visible(scope), SavedQuery.id == query_id)
    query = await session.scalar(locked(statement) if lock else statement)
    if query is None:
        raise NotFound("There is no such saved query.")
    return query


async def create_saved_query(
    session: AsyncSession, scope: Scope, values: dict[str, Any]
) -> SavedQuery:
    require_saver(scope)
    query = SavedQuery(organization_id=scope.organization_id, owner_id=scope.user_id, **values)
    session.add(query)
    await session.flush()
    await record(session, scope, "create", _KIND, query.id, after=state_of(query))
    return query


async def update_saved_query(
    session: AsyncSession,
    scope: Scope,
    query_id: UUID,
    changes: dict[str, Any],
    expected: Expected = None,
) -> SavedQuery:
    """Only its owner's: an administrator may remove what is shared, not put words into it."""
    require_saver(scope)
    query = await get_saved_query(session, scope, query_id, lock=True)
    if query.owner_id != scope.user_id:
        raise Forbidden("Only its owner may change a saved query. Save one of your own.")
    require_version(query, expected)
    before = state_of(query)
    for name, value in changes.items():
        setattr(query, name, value)
    await session.flush()
    await session.refresh(query)
    await record(session, scope, "update", _KIND, query_id, before=before, after=state_of(query))
    return query


async def delete_saved_query(
    session: AsyncSession, scope: Scope, query_id: UUID, expected: Expected = None
) -> None:
    require_saver(scope)
    query = await get_saved_query(session, scope, query_id, lock=True)
    if query.owner_id != scope.user_id and not scope.administers:
        raise Forbidden("Only its owner, or an administrator, may delete a saved query.")
    require_version(query, expected)
    before = state_of(query)
    await session.delete(query)
    await session.flush()
    await record(session, scope, "delete", _KIND, query_id, before=before)


def _visible(scope: Scope) -> ColumnElement[bool]:
    return (SavedQuery.organization_id == scope.organization_id) & or_(
        SavedQuery.owner_id == scope.user_id, SavedQuery.shared
    )

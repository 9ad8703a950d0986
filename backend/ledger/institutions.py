"""Banks, card issuers, clouds: whoever keeps accounts. Words of the whole organization."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.db.keyset import Order, Window, windowed
from backend.db.locking import locked
from backend.db.versions import Expected, require_version
from backend.errors import NotFound
from backend.identity.permissions import require_organization_writer
from backend.ledger.models import Institution
from backend.ledger.rows import add_row, change_row, delete_row
from backend.ledger.visibility import visible_institutions
from backend.scope import Scope

BY_NAME = Order((Institution.name, Institution.id))


async def list_institutions(
    session: AsyncSession,
    scope: Scope,
    window: Window,
    *,
    country: str | None = None,
    q: str | None = None,
) -> Sequence[Institution]:
    statement = select(Institution).where(visible_institutions(scope))
    if country is not None:
        statement = statement.where(Institution.country == country)
    if q:
        statement = statement.where(Institution.name.icontains(q, autoescape=True))
    return (await session.scalars(windowed(statement, BY_NAME, window))).all()


async def get_institution(
    session: AsyncSession, scope: Scope, institution_id: UUID, *, lock: bool = False
) -> Institution:
    statement = select(Institution).where(
        visible_institutions(scope), Institution.id == institution_id
    )
    institution = await session.scalar(locked(statement) if lock else statement)
    if institution is None:
        raise NotFound("There is no such institution.")
    return institution


async def create_institution(
    session: AsyncSession, scope: Scope, values: dict[str, Any]
) -> Institution:
    require_organization_writer(scope)
    institution = Institution(organization_id=scope.organization_id, **values)
    return await add_row(session, scope, institution)


async def update_institution(
    session: AsyncSession,
    scope: Scope,
    institution_id: UUID,
    changes: dict[str, Any],
    expected: Expected = None,
) -> Institution:
    require_organization_writer(scope)
    institution = await get_institution(session, scope, institution_id, lock=True)
    require_version(institution, expected)
    return await change_row(session, scope, institution, changes)


async def delete_institution(
    session: AsyncSession, scope: Scope, institution_id: UUID, expected: Expected = None
) -> None:
    """`Conflict` while it has accounts or connections."""
    require_organization_writer(scope)
    institution = await get_institution(session, scope, institution_id, lock=True)
    require_version(institution, expected)
    await delete_row(session, scope, institution)

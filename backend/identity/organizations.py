"""The caller's organization and its settings.

The base currency may change at any time: nothing is stored in it. Every base amount is made of the
original one and a dated rate, at the next refresh or when it is asked for.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.record import record
from backend.audit.states import state_of
from backend.db.versions import Expected, require_version
from backend.identity.models import Organization
from backend.identity.permissions import require_administrator
from backend.scope import Scope


async def get_organization(
    session: AsyncSession, scope: Scope, *, lock: bool = False
) -> Organization:
    return await session.get_one(
        Organization, scope.organization_id, with_for_update={"key_share": True} if lock else None
    )


async def update_organization(
    session: AsyncSession, scope: Scope, changes: dict[str, Any], expected: Expected = None
) -> Organization:
    require_administrator(scope)
    organization = await get_organization(session, scope, lock=True)
    require_version(organization, expected)
    before = state_of(organization)
    for name, value in changes.items():
        setattr(organization, name, value)
    await session.flush()
    await session.refresh(organization)
    await record(
        session,
        scope,
        "update",
        "organization",
        organization.id,
        before=before,
        after=state_of(organization),
    )
    return organization

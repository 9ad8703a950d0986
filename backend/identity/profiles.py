"""What a user says of themselves."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.record import record
from backend.errors import Forbidden
from backend.identity.queries import get_profile
from backend.scope import Scope

_RENAME = text("SELECT rename_user(:user_id, :name)")


async def rename_self(session: AsyncSession, scope: Scope, changes: dict[str, Any]) -> None:
    if scope.read_only:
        raise Forbidden("This token may only read.")
    user, _ = await get_profile(session, scope)
    before = {"name": user.name}
    if "name" in changes:
        await session.execute(_RENAME, {"user_id": scope.user_id, "name": changes["name"]})
        session.expire(user, ["name"])
    await record(session, scope, "update", "user", scope.user_id, before=before, after=changes)

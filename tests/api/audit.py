"""What the audit holds of a request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.audit.models import AuditEntry, AuditPayload
from backend.db.engine import organization_session
from backend.scope import Scope

_WRITES = {"POST", "PUT", "PATCH", "DELETE"}
# Writes of nothing: a dry run, an answer repeated, and a question with a body.
_LEAVES_NONE = ("Outlay-Dry-Run", "Idempotency-Replayed")
_ASKS = ("/api/auth/", "/api/invitations/lookup")
_ASKS_AT_THE_END = ("/preview", "/query", "/explain")
# Their entries are in the organization that is founded or joined.
_ELSEWHERE = ("/api/organizations", "/api/invitations/accept")


async def entries_of(
    engine: AsyncEngine, scope: Scope, answer: httpx.Response
) -> list[tuple[AuditEntry, AuditPayload]]:
    """The entries that the request left, the oldest first."""
    async with organization_session(engine, scope.organization_id) as session:
        rows = await session.execute(
            select(AuditEntry, AuditPayload)
            .join(AuditPayload, AuditPayload.entry_id == AuditEntry.id)
            .where(AuditEntry.request_id == answer.headers["x-request-id"])
            .order_by(AuditEntry.id)
        )
        return [(entry, payload) for entry, payload in rows]


def audited(engine: AsyncEngine, scope: Scope) -> Callable[[httpx.Response], Awaitable[Any]]:
    """A hook for clients: every write that was accepted has left an entry of its own."""

    async def check(answer: httpx.Response) -> None:
        request = answer.request
        if request.method not in _WRITES or not answer.is_success:
            return
        path = request.url.path
        if (
            path.startswith(_ASKS + _ELSEWHERE)
            or path.endswith(_ASKS_AT_THE_END)
            or any(h in answer.headers for h in _LEAVES_NONE)
        ):
            return
        entries = await entries_of(engine, scope, answer)
        assert entries, f"{request.method} {path} left no entry in the audit"

    return check

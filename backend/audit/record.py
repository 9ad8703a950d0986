"""Writing the audit: each change leaves its entry and payload in the transaction that makes it.

The digest is the SHA-256 of the salt and of PostgreSQL's own text of the states as `jsonb`, in
which equal values have one spelling (`audit_digest` in the migrations).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Insert, Select, Text, Uuid, cast, func, insert, literal, null, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.context import request_id
from backend.audit.models import AuditEntry, AuditPayload
from backend.audit.states import as_json
from backend.scope import Scope

State = Mapping[str, Any]


async def record(
    session: AsyncSession,
    scope: Scope | str,
    action: str,
    object_type: str,
    object_id: UUID,
    *,
    before: State | None = None,
    after: State | None = None,
) -> None:
    """One change of one object; `scope` is the caller's, or `system:<job>` where nobody asked.

    The states hold JSON values, UUIDs, dates and Decimals; see `state_of`.
    """
    change = select(
        literal(object_id, Uuid).label("object_id"),
        _jsonb(before).label("before"),
        _jsonb(after).label("after"),
    )
    await record_many(session, scope, action, object_type, change)


async def record_many(
    session: AsyncSession,
    scope: Scope | str,
    action: str,
    object_type: str,
    changes: Select[Any],
) -> None:
    """One entry for each row of `changes` (`object_id`, `before`, `after`), in one statement.

    The states are `jsonb`; `stored_states` makes them from a table's rows.
    """
    actor = scope if isinstance(scope, str) else scope.actor
    await session.execute(_append(actor, action, object_type, changes))


def _append(actor: str, action: str, object_type: str, changes: Select[Any]) -> Insert:
    given = changes.subquery()
    change = select(
        func.uuidv7(type_=Uuid).label("id"),
        func.uuid_send(func.gen_random_uuid()).label("salt"),
        given.c.object_id,
        given.c.before,
        given.c.after,
    ).cte("change")
    payloads = (
        insert(AuditPayload)
        .from_select(
            ["entry_id", "salt", "before", "after"],
            select(change.c.id, change.c.salt, change.c.before, change.c.after),
        )
        .cte("payloads")
    )
    entry = {
        "id": change.c.id,
        "actor": literal(actor),
        "request_id": literal(request_id.get(), Text),
        "action": literal(action),
        "object_type": literal(object_type),
        "object_id": change.c.object_id,
        "digest": func.audit_digest(change.c.salt, change.c.before, change.c.after),
    }
    return (
        insert(AuditEntry)
        .from_select(list(entry), select(*entry.values()), include_defaults=False)
        .add_cte(payloads)
    )


def _jsonb(state: State | None) -> Any:  # noqa: ANN401  # an expression of either kind
    return cast(null() if state is None else literal(as_json(state), Text), JSONB)

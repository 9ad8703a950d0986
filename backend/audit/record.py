"""Writing the audit: each change leaves its entry and payload in the transaction that makes it.

The digest is the SHA-256 of the salt and of PostgreSQL's own text of the states as `jsonb`, in
which equal values have one spelling (`audit_digest` in the migrations).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Insert, Select, Text, Uuid, bindparam, cast, func, insert, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.context import request_id
from backend.audit.models import AuditEntry, AuditPayload
from backend.audit.states import as_json
from backend.db.base import Base
from backend.scope import Scope

State = Mapping[str, Any]

# The table, not the model: with parameters, an INSERT of a model is the ORM's own bulk insert.
_ENTRIES = Base.metadata.tables[AuditEntry.__tablename__]


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
    change = {
        "of_object": object_id,
        "state_before": None if before is None else as_json(before),
        "state_after": None if after is None else as_json(after),
    }
    await session.execute(_APPEND_ONE, change | _deed(scope, action, object_type))


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
    await session.execute(_append(changes), _deed(scope, action, object_type))


def _deed(scope: Scope | str, action: str, object_type: str) -> dict[str, str | None]:
    return {
        "by_actor": scope if isinstance(scope, str) else scope.actor,
        "by_request": request_id.get(),
        "done": action,
        "of_type": object_type,
    }


def _append(changes: Select[Any]) -> Insert:
    """With the parameters of `_deed`."""
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
        "actor": bindparam("by_actor", type_=Text),
        "request_id": bindparam("by_request", type_=Text),
        "action": bindparam("done", type_=Text),
        "object_type": bindparam("of_type", type_=Text),
        "object_id": change.c.object_id,
        "digest": func.audit_digest(change.c.salt, change.c.before, change.c.after),
    }
    return (
        insert(_ENTRIES)
        .from_select(list(entry), select(*entry.values()), include_defaults=False)
        .add_cte(payloads)
    )


# Almost every write leaves one entry: to build its statement takes longer than to run it.
_APPEND_ONE = _append(
    select(
        bindparam("of_object", type_=Uuid).label("object_id"),
        cast(bindparam("state_before", type_=Text), JSONB).label("before"),
        cast(bindparam("state_after", type_=Text), JSONB).label("after"),
    )
)

"""Every change of a budget, as its audit tells it: who, when, and what differs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.models import AuditEntry, AuditPayload
from backend.budgets.models import Budget
from backend.budgets.queries import get_budget
from backend.budgets.visibility import visible_budget_ids
from backend.db.keyset import Order, Window, windowed
from backend.scope import Scope

NEWEST_FIRST = Order((AuditEntry.id,), descending=True)

_SHARING = ("share", "unshare")
_PARENT = "parent_id"
_NEVER_SHOWN = {"root_id"}  # it may be anybody's


@dataclass(frozen=True, slots=True)
class Change:
    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Revision:
    """`changes` is None where the payload was erased; `id` is that of the audit's entry."""

    id: UUID
    action: str
    actor: str
    changed_at: datetime
    changes: list[Change] | None


async def list_revisions(
    session: AsyncSession, scope: Scope, budget_id: UUID, window: Window
) -> Sequence[Revision]:
    """The newest first. Whom it is shared with is for its owner and whole-organization roles."""
    budget = await get_budget(session, scope, budget_id)
    entry, payload = AuditEntry, AuditPayload
    statement = (
        select(entry, payload.entry_id.is_not(None), payload.before, payload.after)
        .outerjoin(
            payload,
            and_(payload.organization_id == entry.organization_id, payload.entry_id == entry.id),
        )
        .where(
            entry.organization_id == scope.organization_id,
            entry.object_type == "budget",
            entry.object_id == budget_id,
        )
    )
    if not _sees_shares(scope, budget):
        statement = statement.where(entry.action.not_in(_SHARING))
    rows = (await session.execute(windowed(statement, NEWEST_FIRST, window))).all()
    parents = {UUID(n) for row in rows for n in _named(row.before, row.after)}
    visible = {str(n) for n in await visible_budget_ids(session, scope, parents)}
    return [
        Revision(
            id=row[0].id,
            action=row[0].action,
            actor=row[0].actor,
            changed_at=row[0].occurred_at,
            changes=list(_changes(row.before or {}, row.after or {}, visible)) if row[1] else None,
        )
        for row in rows
    ]


def rule_accounts(revisions: Sequence[Revision]) -> set[UUID]:
    """The accounts that rules in the changes name; to be hidden from who may not see them."""
    return {
        UUID(rule["account_id"])
        for revision in revisions
        for change in revision.changes or ()
        if change.field == "rules"
        for rule in [*(change.before or ()), *(change.after or ())]
        if "account_id" in rule
    }


def _sees_shares(scope: Scope, budget: Budget) -> bool:
    return scope.sees_whole_organization or budget.owner_id == scope.user_id


def _named(*states: dict[str, Any] | None) -> Iterator[str]:
    for state in states:
        if state and state.get(_PARENT):
            yield state[_PARENT]


def _changes(
    before: dict[str, Any], after: dict[str, Any], visible: Collection[str]
) -> Iterator[Change]:
    for name in sorted((before.keys() | after.keys()) - _NEVER_SHOWN):
        old, new = before.get(name), after.get(name)
        if name == _PARENT:
            old, new = (value if value in visible else None for value in (old, new))
        if old != new:
            yield Change(name, old, new)

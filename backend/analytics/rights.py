"""What a person might see when they asked for an export, and whether they still may.

A file outlives the moment it was made for: it is made, and handed out, only while its asker may
see at least as much as when they asked, and as when it was written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.budgets.models import Budget
from backend.errors import Forbidden
from backend.ledger.models import Account
from backend.scope import Role, Scope

_AGAIN = "Ask for the export again: it will hold what you may see now."
_OWN: tuple[tuple[str, type[Account | Budget]], ...] = (
    ("own_accounts", Account),
    ("own_budgets", Budget),
)


def require_saver(scope: Scope) -> None:
    """For saved queries and exports, which are a reader's own."""
    if scope.read_only:
        raise Forbidden("This token may only read.")
    if scope.role is Role.VIEWER:
        raise Forbidden("The role viewer may neither save queries nor make exports.")


def rights_of(scope: Scope) -> dict[str, Any]:
    return {
        "role": scope.role,
        "accounts": sorted(map(str, scope.shared_account_ids)),
        "budgets": sorted(map(str, scope.shared_budget_ids)),
    }


async def own_things(session: AsyncSession, scope: Scope) -> dict[str, list[str]]:
    """What a member owns, to be kept with their rights: nobody else tells that it is given away."""
    if scope.sees_whole_organization:
        return {}
    return {
        name: [
            str(identity)
            for identity in await session.scalars(
                select(model.id).where(
                    model.organization_id == scope.organization_id, model.owner_id == scope.user_id
                )
            )
        ]
        for name, model in _OWN
    }


async def what_was_given_away(
    session: AsyncSession, rights: Mapping[str, Any], scope: Scope
) -> str | None:
    """Like `what_was_lost`, of what the asker owned and another one owns by now."""
    if scope.sees_whole_organization:
        return None
    shared = scope.shared_account_ids | scope.shared_budget_ids
    for name, model in _OWN:
        owned = [UUID(text) for text in rights.get(name, ())]
        elsewhere = await session.scalars(
            select(model.id).where(
                model.organization_id == scope.organization_id,
                model.id.in_(owned),
                model.owner_id != scope.user_id,
            )
        )
        if not shared.issuperset(UUID(int=identity.int) for identity in elsewhere):
            return f"Something that you owned is another member's now. {_AGAIN}"
    return None


def what_was_lost(rights: Mapping[str, Any], scope: Scope) -> str | None:
    """In a sentence for the asker; None while they see all that they saw."""
    if scope.role is Role.VIEWER:
        return "Your role is viewer now, which makes no exports."
    if scope.sees_whole_organization:
        return None
    was = Role(rights["role"])
    if was.sees_whole_organization:
        return f"Your role was {was} and is {scope.role} now: you see less. {_AGAIN}"
    if not set(rights["accounts"]) <= set(map(str, scope.shared_account_ids)):
        return f"An account is not shared with you any more. {_AGAIN}"
    if not set(rights["budgets"]) <= set(map(str, scope.shared_budget_ids)):
        return f"A budget is not shared with you any more. {_AGAIN}"
    return None

"""Writing accounts, and sharing them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.record import record
from backend.audit.states import state_of
from backend.db.versions import Expected, require_version
from backend.errors import Conflict, Forbidden, NotFound
from backend.identity.permissions import choose_owner, require_ledger_writer, require_owner
from backend.identity.queries import is_member
from backend.ledger.models import Account, AccountShare
from backend.ledger.queries import account_shares, get_account
from backend.scope import Scope


async def create_account(session: AsyncSession, scope: Scope, values: dict[str, Any]) -> Account:
    require_ledger_writer(scope)
    owner_id = await choose_owner(session, scope, values.get("owner_id"))
    account = Account(organization_id=scope.organization_id, **values | {"owner_id": owner_id})
    session.add(account)
    await session.flush()
    await record(session, scope, "create", "account", account.id, after=state_of(account))
    return account


async def update_account(
    session: AsyncSession,
    scope: Scope,
    account_id: UUID,
    changes: dict[str, Any],
    expected: Expected = None,
) -> Account:
    account = await _own_account(session, scope, account_id, expected)
    before = state_of(account)
    if "owner_id" in changes and changes["owner_id"] != account.owner_id:
        await choose_owner(session, scope, changes["owner_id"])
    for name, value in changes.items():
        setattr(account, name, value)
    await session.flush()
    await session.refresh(account)
    await record(
        session, scope, "update", "account", account_id, before=before, after=state_of(account)
    )
    return account


async def delete_account(
    session: AsyncSession, scope: Scope, account_id: UUID, expected: Expected = None
) -> None:
    """`Conflict` when it has transactions: the books keep them, so such an account is closed."""
    account = await _own_account(session, scope, account_id, expected)
    before = state_of(account)
    await session.delete(account)
    await session.flush()
    await record(session, scope, "delete", "account", account_id, before=before)


async def list_shares(session: AsyncSession, scope: Scope, account_id: UUID) -> Sequence[UUID]:
    """The users it is shared with; for its owner and whoever sees the whole organization."""
    account = await get_account(session, scope, account_id)
    if account.owner_id != scope.user_id and not scope.sees_whole_organization:
        raise Forbidden("Only the owner sees with whom an account is shared.")
    return await account_shares(session, scope, account_id)


async def share_account(
    session: AsyncSession, scope: Scope, account_id: UUID, user_id: UUID
) -> None:
    """Show the account to another member; sharing it twice is sharing it once."""
    account = await _own_account(session, scope, account_id)
    if not await is_member(session, scope, user_id):
        raise NotFound("There is no such member.")
    if user_id == account.owner_id:
        raise Conflict("The account belongs to this member.")
    await session.execute(
        insert(AccountShare)
        .values(organization_id=scope.organization_id, account_id=account_id, user_id=user_id)
        .on_conflict_do_nothing()
    )
    await record(session, scope, "share", "account", account_id, after={"user_id": user_id})


async def unshare_account(
    session: AsyncSession, scope: Scope, account_id: UUID, user_id: UUID
) -> None:
    await _own_account(session, scope, account_id)
    await session.execute(
        delete(AccountShare).where(
            AccountShare.organization_id == scope.organization_id,
            AccountShare.account_id == account_id,
            AccountShare.user_id == user_id,
        )
    )
    await record(session, scope, "unshare", "account", account_id, before={"user_id": user_id})


async def _own_account(
    session: AsyncSession, scope: Scope, account_id: UUID, expected: Expected = None
) -> Account:
    require_ledger_writer(scope)
    account = await get_account(session, scope, account_id, lock=True)
    require_owner(scope, account.owner_id)
    require_version(account, expected)
    return account

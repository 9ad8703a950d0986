"""Writing accounts, and sharing them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

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
    return account


async def update_account(
    session: AsyncSession, scope: Scope, account_id: UUID, changes: dict[str, Any]
) -> Account:
    account = await _own_account(session, scope, account_id)
    if "owner_id" in changes and changes["owner_id"] != account.owner_id:
        await choose_owner(session, scope, changes["owner_id"])
    for name, value in changes.items():
        setattr(account, name, value)
    await session.flush()
    await session.refresh(account)
    return account


async def delete_account(session: AsyncSession, scope: Scope, account_id: UUID) -> None:
    """`Conflict` when it has transactions: the books keep them, so such an account is closed."""
    account = await _own_account(session, scope, account_id)
    await session.delete(account)
    await session.flush()


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


async def _own_account(session: AsyncSession, scope: Scope, account_id: UUID) -> Account:
    require_ledger_writer(scope)
    account = await get_account(session, scope, account_id, lock=True)
    require_owner(scope, account.owner_id)
    return account

"""Writing accounts, and sharing them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.db.base import Base
from backend.db.references import references, refuse, unknown_references
from backend.db.versions import Expected, require_version
from backend.errors import FieldError, InvalidInput
from backend.identity.permissions import choose_owner, require_ledger_writer, require_owner
from backend.identity.sharing import Sharing, share, shared_with, unshare
from backend.ledger.booking_rules import too_fine
from backend.ledger.deleted import refuse_account_of_deleted
from backend.ledger.models import Account, AccountShare, Connection, Institution
from backend.ledger.queries import get_account
from backend.ledger.rows import add_row, change_row, delete_row
from backend.ledger.visibility import visible_connections, visible_institutions
from backend.scope import Scope

_SHARING = Sharing("account", Base.metadata.tables[AccountShare.__tablename__])
_CHECKED = ("institution_id", "connection_id", "currency")


async def create_account(session: AsyncSession, scope: Scope, values: dict[str, Any]) -> Account:
    require_ledger_writer(scope)
    owner_id = await choose_owner(session, scope, values.get("owner_id"))
    await _refuse_misfits(session, scope, values, values)
    account = Account(organization_id=scope.organization_id, **values | {"owner_id": owner_id})
    return await add_row(session, scope, account)


async def update_account(
    session: AsyncSession,
    scope: Scope,
    account_id: UUID,
    changes: dict[str, Any],
    expected: Expected = None,
) -> Account:
    account = await _own_account(session, scope, account_id, expected)
    if "owner_id" in changes and changes["owner_id"] != account.owner_id:
        await choose_owner(session, scope, changes["owner_id"])
    current = {name: getattr(account, name) for name in _CHECKED}
    await _refuse_misfits(session, scope, current | changes, changes)
    return await change_row(session, scope, account, changes)


async def delete_account(
    session: AsyncSession, scope: Scope, account_id: UUID, expected: Expected = None
) -> None:
    """`Conflict` when it has transactions: the books keep them, so such an account is closed."""
    account = await _own_account(session, scope, account_id, expected)
    await refuse_account_of_deleted(session, scope, account_id)
    await delete_row(session, scope, account)


async def list_shares(session: AsyncSession, scope: Scope, account_id: UUID) -> Sequence[UUID]:
    return await shared_with(
        session, scope, _SHARING, await get_account(session, scope, account_id)
    )


async def share_account(
    session: AsyncSession, scope: Scope, account_id: UUID, user_id: UUID
) -> None:
    await share(session, scope, _SHARING, await _own_account(session, scope, account_id), user_id)


async def unshare_account(
    session: AsyncSession, scope: Scope, account_id: UUID, user_id: UUID
) -> None:
    await unshare(session, scope, _SHARING, await _own_account(session, scope, account_id), user_id)


async def _refuse_misfits(
    session: AsyncSession, scope: Scope, account: Mapping[str, Any], changes: Mapping[str, Any]
) -> None:
    """`account` is as it would be, `changes` what the caller named of it."""
    refuse(
        [
            *await unknown_references(
                session,
                Institution.id,
                visible_institutions(scope),
                references("#", changes, "institution_id"),
                "institution",
            ),
            *await unknown_references(
                session,
                Connection.id,
                visible_connections(scope),
                references("#", changes, "connection_id"),
                "connection",
            ),
        ]
    )
    errors = []
    if changes.get("credit_limit") is not None:
        errors += too_fine(changes["credit_limit"], account["currency"], "#/credit_limit")
    if await _is_with_another(session, scope, account):
        detail = "The connection is with another institution."
        errors.append(FieldError("#/connection_id", detail))
    if errors:
        raise InvalidInput("The values do not fit together.", errors=errors)


async def _is_with_another(session: AsyncSession, scope: Scope, account: Mapping[str, Any]) -> bool:
    institution, connection = account.get("institution_id"), account.get("connection_id")
    if institution is None or connection is None:
        return False
    statement = select(Connection.institution_id).where(
        Connection.organization_id == scope.organization_id, Connection.id == connection
    )
    return await session.scalar(statement) not in {None, institution}


async def _own_account(
    session: AsyncSession, scope: Scope, account_id: UUID, expected: Expected = None
) -> Account:
    require_ledger_writer(scope)
    account = await get_account(session, scope, account_id, lock=True)
    require_owner(scope, account.owner_id)
    require_version(account, expected)
    return account

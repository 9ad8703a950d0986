"""Reading what was imported, into accounts that the caller may see."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.db.keyset import Order, Window, windowed
from backend.errors import NotFound
from backend.imports.models import Import
from backend.ledger.models import Account
from backend.ledger.queries import get_account
from backend.ledger.visibility import visible_accounts
from backend.scope import Scope

NEWEST_FIRST = Order((Import.id,), descending=True)


async def list_imports(
    session: AsyncSession,
    scope: Scope,
    window: Window,
    *,
    account_id: UUID | None = None,
    format_: str | None = None,
) -> Sequence[Import]:
    statement = _visible(scope)
    if account_id is not None:
        await get_account(session, scope, account_id)
        statement = statement.where(Import.account_id == account_id)
    if format_ is not None:
        statement = statement.where(Import.format == format_)
    return (await session.scalars(windowed(statement, NEWEST_FIRST, window))).all()


async def get_import(session: AsyncSession, scope: Scope, import_id: UUID) -> Import:
    found = await session.scalar(_visible(scope).where(Import.id == import_id))
    if found is None:
        raise NotFound("There is no such import.")
    return found


def _visible(scope: Scope) -> Select[Import]:
    return select(Import).where(
        Import.organization_id == scope.organization_id,
        Import.account_id.in_(select(Account.id).where(visible_accounts(scope))),
    )

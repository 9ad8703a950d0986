"""What accounts held at the end of a day, as somebody read it off a statement."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.record import record
from backend.audit.states import state_of
from backend.db.keyset import Order, Window, windowed
from backend.errors import FieldError, InvalidInput, NotFound
from backend.identity.permissions import require_ledger_writer
from backend.ledger.booking_rules import too_fine
from backend.ledger.models import Account, BalanceSnapshot
from backend.ledger.queries import get_account
from backend.periods import today_in
from backend.scope import Scope

NEWEST_FIRST = Order((BalanceSnapshot.date,), descending=True)


async def list_balances(
    session: AsyncSession,
    scope: Scope,
    account: Account,
    window: Window,
    *,
    from_date: date | None = None,
    to_date: date | None = None,
) -> Sequence[BalanceSnapshot]:
    """Those of an account that the caller was found to see."""
    statement = select(BalanceSnapshot).where(
        BalanceSnapshot.organization_id == scope.organization_id,
        BalanceSnapshot.account_id == account.id,
    )
    if from_date is not None:
        statement = statement.where(BalanceSnapshot.date >= from_date)
    if to_date is not None:
        statement = statement.where(BalanceSnapshot.date <= to_date)
    return (await session.scalars(windowed(statement, NEWEST_FIRST, window))).all()


async def get_balance(
    session: AsyncSession, scope: Scope, account_id: UUID, on: date, *, lock: bool = False
) -> tuple[Account, BalanceSnapshot]:
    account = await get_account(session, scope, account_id, lock=lock)
    snapshot = await _find(session, scope, account_id, on)
    if snapshot is None:
        raise NotFound("There is no balance of this day.")
    return account, snapshot


async def put_balance(
    session: AsyncSession, scope: Scope, account_id: UUID, on: date, balance: Decimal
) -> tuple[Account, BalanceSnapshot, bool]:
    """Set the day's balance; the last says whether it is a new one.

    Whoever may book on the account may say what it held.
    """
    require_ledger_writer(scope)
    # The lock lets the record of two writers at once tell what each of them found.
    account = await get_account(session, scope, account_id, lock=True)
    errors = too_fine(balance, account.currency, "#/balance")
    if on > today_in(scope.time_zone):
        errors.append(FieldError("date", "This day is still to come."))
    if errors:
        raise InvalidInput("The balance cannot be kept.", errors=errors)
    snapshot = await _find(session, scope, account_id, on)
    before = None if snapshot is None else state_of(snapshot)
    if snapshot is None:
        snapshot = BalanceSnapshot(
            organization_id=scope.organization_id, account_id=account_id, date=on, balance=balance
        )
        session.add(snapshot)
    else:
        snapshot.balance = balance
    await session.flush()
    action = "create" if before is None else "update"
    await record(
        session, scope, action, "balance", account_id, before=before, after=state_of(snapshot)
    )
    return account, snapshot, before is None


async def delete_balance(session: AsyncSession, scope: Scope, account_id: UUID, on: date) -> None:
    require_ledger_writer(scope)
    _, snapshot = await get_balance(session, scope, account_id, on, lock=True)
    before = state_of(snapshot)
    await session.delete(snapshot)
    await session.flush()
    await record(session, scope, "delete", "balance", account_id, before=before)


async def _find(
    session: AsyncSession, scope: Scope, account_id: UUID, on: date
) -> BalanceSnapshot | None:
    statement = select(BalanceSnapshot).where(
        BalanceSnapshot.organization_id == scope.organization_id,
        BalanceSnapshot.account_id == account_id,
        BalanceSnapshot.date == on,
    )
    return await session.scalar(statement)

"""Setting money aside on a budget before the invoice comes: reserve, then commit or release."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Boolean, ColumnElement, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.record import record
from backend.audit.states import state_of
from backend.budgets.amounts import refuse_too_fine
from backend.budgets.commitments import Reservation, ReservationState
from backend.budgets.figures import spending
from backend.budgets.models import Budget
from backend.budgets.queries import get_budget
from backend.budgets.standing import allocations
from backend.budgets.tree import path_to_root, share_trees
from backend.budgets.visibility import visible_budget_ids
from backend.db.keyset import Order, Window, windowed
from backend.db.locking import locked
from backend.errors import Conflict, FieldError, Forbidden, InvalidInput, NotFound
from backend.identity.permissions import require_ledger_writer
from backend.money import format_amount
from backend.scope import Scope

NEWEST_FIRST = Order((Reservation.id,), descending=True)
_SETTLED = func.counts_in_budget(Reservation.transaction_id, Reservation.budget_id, type_=Boolean)


async def reserve(
    session: AsyncSession,
    scope: Scope,
    budget_id: UUID,
    *,
    amount: Decimal,
    expected_on: date,
    today: date,
    expires_at: datetime | None = None,
    description: str | None = None,
) -> Reservation:
    """`Conflict` unless the budget and all above it have that much left in that day's periods.

    Whoever may book on a budget may reserve on it.
    """
    require_ledger_writer(scope)
    await share_trees(session, scope)
    budget = await get_budget(session, scope, budget_id)
    if budget.archived_at is not None:
        raise Conflict("The budget is archived.")
    if expires_at is not None and expires_at <= datetime.now(UTC):
        raise InvalidInput(
            "The reservation would have expired already.",
            errors=[FieldError("#/expires_at", "Must lie ahead.")],
        )
    refuse_too_fine(budget.currency, {"amount": amount}, ["amount"])
    path = await _lock_path(session, scope, budget_id)
    reservation = Reservation(
        organization_id=scope.organization_id,
        budget_id=budget_id,
        amount=amount,
        currency=budget.currency,
        expected_on=expected_on,
        expires_at=expires_at,
        description=description,
        created_by=scope.user_id,
    )
    session.add(reservation)
    await session.flush()
    await _refuse_missing(session, scope, budget, path=path, reservation=reservation, today=today)
    await session.refresh(reservation)
    after = state_of(reservation)
    await record(session, scope, "create", "reservation", reservation.id, after=after)
    return reservation


async def commit(
    session: AsyncSession,
    scope: Scope,
    budget_id: UUID,
    reservation_id: UUID,
    transaction_id: UUID | None = None,
) -> Reservation:
    """Make it firm: it no longer expires. With the transaction that it became, it is settled.

    The transaction must count in the budget or below it, where it is spent from then on, and settle
    no other reservation (`Conflict`). One that is committed already can be settled later.
    """
    require_ledger_writer(scope)
    await share_trees(session, scope)
    # The lock keeps others from giving away the money of one that expires just now.
    await get_budget(session, scope, budget_id)
    await _lock_path(session, scope, budget_id)
    reservation = await _own_reservation(session, scope, budget_id, reservation_id)
    before = state_of(reservation)
    if await settled(session, scope, [reservation]):
        raise Conflict("The reservation is settled.")
    if reservation.state == ReservationState.RELEASED:
        raise Conflict("The reservation was released.")
    if reservation.state == ReservationState.COMMITTED and transaction_id is None:
        raise Conflict("The reservation is committed already.")
    if is_expired(reservation, datetime.now(UTC)):
        raise Conflict("The reservation has expired: reserve anew.")
    if transaction_id is not None:
        await _require_counted(session, budget_id, transaction_id)
    reservation.state = ReservationState.COMMITTED
    reservation.transaction_id = transaction_id
    return await _changed(session, scope, "commit", reservation, before)


async def release(
    session: AsyncSession, scope: Scope, budget_id: UUID, reservation_id: UUID
) -> Reservation:
    """Give the money back; also of one that is committed, while nothing settles it."""
    require_ledger_writer(scope)
    await get_budget(session, scope, budget_id)
    reservation = await _own_reservation(session, scope, budget_id, reservation_id)
    before = state_of(reservation)
    if await settled(session, scope, [reservation]):
        raise Conflict("The reservation is settled.")
    if reservation.state == ReservationState.RELEASED:
        raise Conflict("The reservation was released already.")
    reservation.state, reservation.transaction_id = ReservationState.RELEASED, None
    return await _changed(session, scope, "release", reservation, before)


async def list_reservations(
    session: AsyncSession, scope: Scope, budget_id: UUID, window: Window, *, open_only: bool = False
) -> Sequence[Reservation]:
    await get_budget(session, scope, budget_id)
    statement = select(Reservation).where(*_of(scope, budget_id))
    if open_only:
        firm = (Reservation.state == ReservationState.COMMITTED) & or_(
            Reservation.transaction_id.is_(None), ~_SETTLED
        )
        unexpired = (Reservation.state == ReservationState.RESERVED) & (
            Reservation.expires_at.is_(None) | (Reservation.expires_at > func.now())
        )
        statement = statement.where(firm | unexpired)
    return (await session.scalars(windowed(statement, NEWEST_FIRST, window))).all()


async def get_reservation(
    session: AsyncSession, scope: Scope, budget_id: UUID, reservation_id: UUID
) -> Reservation:
    await get_budget(session, scope, budget_id)
    return await _find(session, scope, budget_id, reservation_id)


async def settled(
    session: AsyncSession, scope: Scope, reservations: Iterable[Reservation]
) -> frozenset[UUID]:
    """Those whose transaction counts in their budget now."""
    named = [row.id for row in reservations if row.transaction_id is not None]
    if not named:
        return frozenset()
    statement = select(Reservation.id).where(
        Reservation.organization_id == scope.organization_id, Reservation.id.in_(named), _SETTLED
    )
    return frozenset(await session.scalars(statement))


def is_expired(reservation: Reservation, now: datetime) -> bool:
    return (
        reservation.state == ReservationState.RESERVED
        and reservation.expires_at is not None
        and reservation.expires_at <= now
    )


async def _lock_path(session: AsyncSession, scope: Scope, budget_id: UUID) -> list[UUID]:
    """The budget and all above it, locked in the order of their ids."""
    path = await path_to_root(session, scope, budget_id)
    statement = select(Budget.id).where(
        Budget.organization_id == scope.organization_id, Budget.id.in_(path)
    )
    await session.execute(locked(statement.order_by(Budget.id)))
    return path


async def _refuse_missing(
    session: AsyncSession,
    scope: Scope,
    budget: Budget,
    *,
    path: list[UUID],
    reservation: Reservation,
    today: date,
) -> None:
    """Judge the budgets of the path with the reservation in their figures."""
    day = reservation.expected_on
    held = {
        budget_id: allocation
        for budget_id, allocation in (await allocations(session, scope, path, day)).items()
        if allocation.period.starts_on <= day <= allocation.period.ends_on
    }
    if budget.id not in held:
        raise InvalidInput(
            "The budget does not run on that day.",
            errors=[FieldError("#/expected_on", "Name a day that lies in a period of the budget.")],
        )
    periods = {budget_id: allocation.period for budget_id, allocation in held.items()}
    spent = await spending(session, scope.organization_id, periods, today)
    # Refunds beyond what was spent make no room: no more is committed than there is.
    room = {n: held[n].amount - max(spent[n].total, Decimal(0)) - spent[n].committed for n in held}
    short = [budget_id for budget_id in path if room.get(budget_id, Decimal(0)) < 0]
    if not short:
        return
    visible = await visible_budget_ids(session, scope, short)
    nearest = next((budget_id for budget_id in short if budget_id in visible), None)
    if nearest is None:
        raise Conflict("There is not enough left above this budget.")
    row = await get_budget(session, scope, nearest)
    # The figures hold this reservation already, in the currency that all of a tree is in.
    left = max(room[nearest] + reservation.amount, Decimal(0))
    raise Conflict(
        f"{format_amount(left, row.currency)} {row.currency} are left on “{row.name}”.",
        errors=[FieldError("#/amount", "More than is left.")],
    )


async def _own_reservation(
    session: AsyncSession, scope: Scope, budget_id: UUID, reservation_id: UUID
) -> Reservation:
    """One that the caller made, or may decide on as the budget's owner or for everybody."""
    reservation = await _find(session, scope, budget_id, reservation_id, lock=True)
    if reservation.created_by != scope.user_id and not scope.writes_organization:
        budget = await get_budget(session, scope, budget_id)
        if budget.owner_id != scope.user_id:
            raise Forbidden("Only who made the reservation, or the budget's owner, decides on it.")
    return reservation


async def _find(
    session: AsyncSession,
    scope: Scope,
    budget_id: UUID,
    reservation_id: UUID,
    *,
    lock: bool = False,
) -> Reservation:
    statement = select(Reservation).where(*_of(scope, budget_id), Reservation.id == reservation_id)
    found = await session.scalar(locked(statement) if lock else statement)
    if found is None:
        raise NotFound("There is no such reservation.")
    return found


def _of(scope: Scope, budget_id: UUID) -> tuple[ColumnElement[bool], ...]:
    return (
        Reservation.organization_id == scope.organization_id,
        Reservation.budget_id == budget_id,
    )


async def _require_counted(session: AsyncSession, budget_id: UUID, transaction_id: UUID) -> None:
    if not await session.scalar(select(func.counts_in_budget(transaction_id, budget_id))):
        raise InvalidInput(
            "The transaction does not settle this reservation.",
            errors=[FieldError("#/transaction_id", "It does not count in this budget.")],
        )


async def _changed(
    session: AsyncSession,
    scope: Scope,
    action: str,
    reservation: Reservation,
    before: dict[str, object],
) -> Reservation:
    await session.flush()
    await session.refresh(reservation)
    after = state_of(reservation)
    await record(session, scope, action, "reservation", reservation.id, before=before, after=after)
    return reservation

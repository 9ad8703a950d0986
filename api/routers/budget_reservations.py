from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from api.deps import CurrentScope, Session
from api.paging import Page, page
from api.problems import READ_RESPONSES, WRITE_RESPONSES
from api.routes import Route
from api.schemas.budget_money import (
    ReservationCommit,
    ReservationCreate,
    ReservationListParams,
    ReservationOut,
)
from backend.budgets import reservations
from backend.budgets.commitments import Reservation
from backend.budgets.standing import today_of
from backend.db.references import refuse, unknown_references
from backend.identity.permissions import require_ledger_writer
from backend.ledger.models import Transaction
from backend.ledger.visibility import visible_transactions
from backend.scope import Scope

router = APIRouter(
    prefix="/api/budgets/{budget_id}/reservations", tags=["reservations"], route_class=Route
)


@router.post("", status_code=201, responses=WRITE_RESPONSES)
async def create_reservation(
    *,
    budget_id: UUID,
    body: ReservationCreate,
    scope: CurrentScope,
    session: Session,
    request: Request,
    response: Response,
) -> ReservationOut:
    """Set money aside; 409 unless the budget and all above it have that much left."""
    today = today_of(scope)
    row = await reservations.reserve(
        session,
        scope,
        budget_id,
        amount=body.amount,
        expected_on=body.expected_on or today,
        today=today,
        expires_at=body.expires_at,
        description=body.description,
    )
    place = request.url_for("get_reservation", budget_id=budget_id, reservation_id=row.id)
    response.headers["Location"] = str(place.path)
    return (await _render(session, scope, [row]))[0]


@router.get("", responses=READ_RESPONSES)
async def list_reservations(
    budget_id: UUID,
    params: Annotated[ReservationListParams, Query()],
    scope: CurrentScope,
    session: Session,
) -> Page[ReservationOut]:
    """On this very budget, the newest first."""
    window = params.window(reservations.NEWEST_FIRST)
    rows = await reservations.list_reservations(
        session, scope, budget_id, window, open_only=params.open
    )
    rendered = {row.id: row for row in await _render(session, scope, rows)}
    return page(rows, reservations.NEWEST_FIRST, window, lambda row: rendered[row.id])


@router.get("/{reservation_id}", responses=READ_RESPONSES)
async def get_reservation(
    budget_id: UUID, reservation_id: UUID, scope: CurrentScope, session: Session
) -> ReservationOut:
    row = await reservations.get_reservation(session, scope, budget_id, reservation_id)
    return (await _render(session, scope, [row]))[0]


@router.post("/{reservation_id}/commit", responses=WRITE_RESPONSES)
async def commit_reservation(
    budget_id: UUID,
    reservation_id: UUID,
    body: ReservationCommit,
    scope: CurrentScope,
    session: Session,
) -> ReservationOut:
    """Make it firm: it no longer expires. With the expense that it became, it is settled."""
    require_ledger_writer(scope)  # before anything is told of what the request names
    if body.transaction_id is not None:
        named = [("#/transaction_id", body.transaction_id)]
        visible = visible_transactions(scope)
        refuse(await unknown_references(session, Transaction.id, visible, named, "transaction"))
    row = await reservations.commit(session, scope, budget_id, reservation_id, body.transaction_id)
    return (await _render(session, scope, [row]))[0]


@router.post("/{reservation_id}/release", responses=WRITE_RESPONSES)
async def release_reservation(
    budget_id: UUID, reservation_id: UUID, scope: CurrentScope, session: Session
) -> ReservationOut:
    """Give the money back; also when it was committed, as long as no expense settles it."""
    row = await reservations.release(session, scope, budget_id, reservation_id)
    return (await _render(session, scope, [row]))[0]


async def _render(
    session: AsyncSession, scope: Scope, rows: Sequence[Reservation]
) -> list[ReservationOut]:
    named = {row.transaction_id for row in rows if row.transaction_id is not None}
    statement = select(Transaction.id).where(visible_transactions(scope), Transaction.id.in_(named))
    transactions = frozenset(await session.scalars(statement)) if named else frozenset()
    settled = await reservations.settled(session, scope, rows)
    return [ReservationOut.of(row, transactions, settled=row.id in settled) for row in rows]

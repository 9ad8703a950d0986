from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from api import bookings
from api.deps import CurrentScope, Session
from api.paging import Page
from api.preconditions import IfMatch
from api.problems import READ_RESPONSES, WRITE_RESPONSES
from api.routes import Route
from api.schemas.transactions import (
    TransactionCreate,
    TransactionListParams,
    TransactionOut,
    TransactionPatch,
)
from backend.ledger import transaction_queries as queries
from backend.ledger import transactions

router = APIRouter(prefix="/api/transactions", tags=["transactions"], route_class=Route)


@router.post("", status_code=201, responses=WRITE_RESPONSES)
async def create_transaction(
    body: TransactionCreate,
    scope: CurrentScope,
    session: Session,
    request: Request,
    response: Response,
) -> TransactionOut:
    """Book one. A closed account takes none, and its external id must be free (409)."""
    booked = await bookings.book(session, scope, body)
    location = request.url_for("get_transaction", transaction_id=booked.id)
    response.headers["Location"] = str(location.path)
    return booked


@router.get("", responses=READ_RESPONSES)
async def list_transactions(
    params: Annotated[TransactionListParams, Query()], scope: CurrentScope, session: Session
) -> Page[TransactionOut]:
    """The newest first, unless `sort` says otherwise. By amount, whatever its currency."""
    return await bookings.list_bookings(session, scope, params)


@router.get("/{transaction_id}", responses=READ_RESPONSES)
async def get_transaction(
    transaction_id: UUID, scope: CurrentScope, session: Session
) -> TransactionOut:
    row = await queries.get_transaction(session, scope, transaction_id)
    return await bookings.show(session, scope, row)


@router.patch("/{transaction_id}", responses=WRITE_RESPONSES)
async def update_transaction(
    transaction_id: UUID,
    body: TransactionPatch,
    expected: IfMatch,
    scope: CurrentScope,
    session: Session,
) -> TransactionOut:
    """Change what is named; `tag_ids` and `splits` replace what was there.

    A split that is sent back, by its `id` or as it was shown, stays the same split.
    """
    return await bookings.change(session, scope, transaction_id, body, expected=expected)


@router.delete("/{transaction_id}", status_code=204, responses=WRITE_RESPONSES)
async def delete_transaction(
    transaction_id: UUID, expected: IfMatch, scope: CurrentScope, session: Session
) -> None:
    """Out of every list and figure; `deleted=true` lists it, and it can be restored."""
    await transactions.delete_transaction(session, scope, transaction_id, expected)


@router.post("/{transaction_id}/restore", responses=WRITE_RESPONSES)
async def restore_transaction(
    transaction_id: UUID, scope: CurrentScope, session: Session
) -> TransactionOut:
    """Undo its deletion. 404 when it is not deleted, 409 when its external id has been taken."""
    restored = await transactions.restore_transaction(session, scope, transaction_id)
    return await bookings.show(session, scope, restored)

"""The transactions whose kind is expense: the same rows, rules and shapes, one kind."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from api import bookings
from api.deps import CurrentScope, Now, Session
from api.paging import Page
from api.preconditions import IfMatch
from api.problems import READ_RESPONSES, WRITE_RESPONSES
from api.routes import Route
from api.schemas.expenses import (
    EXPENSE,
    AnalyticsParams,
    ExpenseAnalytics,
    ExpenseCreate,
    ExpenseListParams,
    ExpensePatch,
    analytics,
)
from api.schemas.transactions import TransactionOut
from backend.ledger import queries, transactions
from backend.ledger.models import Category, Tag
from backend.ledger.spending import spending
from backend.ledger.transaction_queries import get_transaction
from backend.periods import today_in

router = APIRouter(prefix="/api/expenses", tags=["expenses"], route_class=Route)


@router.post("", status_code=201, responses=WRITE_RESPONSES)
async def create_expense(
    body: ExpenseCreate, scope: CurrentScope, session: Session, request: Request, response: Response
) -> TransactionOut:
    """Book one. A closed account takes none, and its external id must be free (409)."""
    booked = await bookings.book(session, scope, body)
    response.headers["Location"] = str(request.url_for("get_expense", expense_id=booked.id).path)
    return booked


@router.get("", responses=READ_RESPONSES)
async def list_expenses(
    params: Annotated[ExpenseListParams, Query()], scope: CurrentScope, session: Session
) -> Page[TransactionOut]:
    """The newest first, unless `sort` says otherwise. By amount, whatever its currency."""
    return await bookings.list_bookings(session, scope, params, EXPENSE)


@router.get("/analytics", responses=READ_RESPONSES)
async def get_expense_analytics(
    params: Annotated[AnalyticsParams, Query()], scope: CurrentScope, session: Session, now: Now
) -> ExpenseAnalytics:
    """What was spent, by everything there is to look at it by, and in the period before.

    Paid and pending expenses less refunds; a split counts under its own category and tag. What lies
    on accounts that the caller does not see is not in it.
    """
    days = params.days(today_in(scope.time_zone, now))
    found = await spending(session, scope, days, params.filters())
    categories = await queries.names_of(session, scope, Category, found.by_category)
    tags = await queries.names_of(session, scope, Tag, found.by_tag)
    return analytics(
        found, days, scope.base_currency, categories=categories, tags=tags, top=params.top
    )


@router.get("/{expense_id:uuid}", responses=READ_RESPONSES)
async def get_expense(expense_id: UUID, scope: CurrentScope, session: Session) -> TransactionOut:
    row = await get_transaction(session, scope, expense_id, kind=EXPENSE)
    return await bookings.show(session, scope, row)


@router.patch("/{expense_id:uuid}", responses=WRITE_RESPONSES)
async def update_expense(
    expense_id: UUID, body: ExpensePatch, expected: IfMatch, scope: CurrentScope, session: Session
) -> TransactionOut:
    """Change what is named; `tag_ids` and `splits` replace what was there.

    A split that is sent back, by its `id` or as it was shown, stays the same split.
    """
    return await bookings.change(session, scope, expense_id, body, expected=expected, kind=EXPENSE)


@router.delete("/{expense_id:uuid}", status_code=204, responses=WRITE_RESPONSES)
async def delete_expense(
    expense_id: UUID, expected: IfMatch, scope: CurrentScope, session: Session
) -> None:
    """Out of every list and figure; `deleted=true` lists it, and it can be restored."""
    await transactions.delete_transaction(session, scope, expense_id, expected, kind=EXPENSE)


@router.post("/{expense_id}/restore", responses=WRITE_RESPONSES)
async def restore_expense(
    expense_id: UUID, scope: CurrentScope, session: Session
) -> TransactionOut:
    """Undo its deletion. 404 when it is not deleted, 409 when its external id has been taken."""
    row = await transactions.restore_transaction(session, scope, expense_id, kind=EXPENSE)
    return await bookings.show(session, scope, row)

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from api.deps import CurrentScope, Session
from api.paging import Page, page
from api.preconditions import IfMatch
from api.problems import READ_RESPONSES, WRITE_RESPONSES
from api.routes import Route
from api.schemas.recurring import (
    DetectedOut,
    DetectedParams,
    OccurrenceParams,
    Occurrences,
    RecurringCreate,
    RecurringListParams,
    RecurringOut,
    RecurringPatch,
    RecurringResume,
)
from backend.budgets.queries import unknown_budgets
from backend.budgets.visibility import visible_budget_ids
from backend.db.references import references, refuse
from backend.identity.permissions import require_ledger_writer
from backend.ledger import recurring
from backend.ledger import recurring_queries as queries
from backend.ledger.detected import detect
from backend.ledger.recurring_models import RecurringExpense
from backend.periods import today_in
from backend.scope import Scope

router = APIRouter(prefix="/api/recurring-expenses", tags=["recurring"], route_class=Route)


@router.post("", status_code=201, responses=WRITE_RESPONSES)
async def create_recurring_expense(
    body: RecurringCreate,
    scope: CurrentScope,
    session: Session,
    request: Request,
    response: Response,
) -> RecurringOut:
    """What is due is booked within the hour, on its own date."""
    await _refuse_unknown_budget(session, scope, body)
    row = await recurring.create_recurring(session, scope, body.model_dump())
    place = request.url_for("get_recurring_expense", recurring_id=row.id)
    response.headers["Location"] = str(place.path)
    return (await _render(session, scope, [row]))[0]


@router.get("", responses=READ_RESPONSES)
async def list_recurring_expenses(
    params: Annotated[RecurringListParams, Query()], scope: CurrentScope, session: Session
) -> Page[RecurringOut]:
    """The oldest first."""
    window = params.window(queries.OLDEST_FIRST)
    rows = await queries.list_recurring(
        session,
        scope,
        window,
        account_id=params.account_id,
        status=params.status,
        due_before=params.due_before,
    )
    rendered = {r.id: r for r in await _render(session, scope, rows)}
    return page(rows, queries.OLDEST_FIRST, window, lambda row: rendered[row.id])


@router.get("/detected")
async def detect_recurring_expenses(
    params: Annotated[DetectedParams, Query()], scope: CurrentScope, session: Session
) -> Page[DetectedOut]:
    """Subscriptions in your history that still go on, the surest first; all on one page."""
    found = await detect(session, scope, params.on or today_in(scope.time_zone))
    return Page(items=[DetectedOut.of(d) for d in found], next_cursor=None)


@router.get("/{recurring_id:uuid}", responses=READ_RESPONSES)
async def get_recurring_expense(
    recurring_id: UUID, scope: CurrentScope, session: Session
) -> RecurringOut:
    row = await queries.get_recurring(session, scope, recurring_id)
    return (await _render(session, scope, [row]))[0]


@router.patch("/{recurring_id:uuid}", responses=WRITE_RESPONSES)
async def update_recurring_expense(
    recurring_id: UUID,
    body: RecurringPatch,
    expected: IfMatch,
    scope: CurrentScope,
    session: Session,
) -> RecurringOut:
    """Change what is named, for what is booked from now on."""
    await _refuse_unknown_budget(session, scope, body)
    changes = body.changes()
    hidden: frozenset[UUID] = frozenset()
    if "budget_id" in changes:
        row = await queries.get_recurring(session, scope, recurring_id, lock=True)
        named = frozenset([row.budget_id] if row.budget_id is not None else [])
        hidden = named - await visible_budget_ids(session, scope, named)
    row = await recurring.update_recurring(
        session, scope, recurring_id, changes, expected, hidden_budgets=hidden
    )
    return (await _render(session, scope, [row]))[0]


@router.delete("/{recurring_id:uuid}", status_code=204, responses=WRITE_RESPONSES)
async def delete_recurring_expense(
    recurring_id: UUID, expected: IfMatch, scope: CurrentScope, session: Session
) -> None:
    """What it has booked stays."""
    await recurring.delete_recurring(session, scope, recurring_id, expected)


@router.get("/{recurring_id}/occurrences", responses=READ_RESPONSES)
async def list_occurrences(
    recurring_id: UUID,
    params: Annotated[OccurrenceParams, Query()],
    scope: CurrentScope,
    session: Session,
) -> Occurrences:
    row = await queries.get_recurring(session, scope, recurring_id)
    return Occurrences(dates=queries.occurrences(row, params.limit))


@router.post("/{recurring_id}/pause", responses=WRITE_RESPONSES)
async def pause_recurring_expense(
    recurring_id: UUID, scope: CurrentScope, session: Session
) -> RecurringOut:
    row = await recurring.pause_recurring(session, scope, recurring_id)
    return (await _render(session, scope, [row]))[0]


@router.post("/{recurring_id}/resume", responses=WRITE_RESPONSES)
async def resume_recurring_expense(
    recurring_id: UUID, body: RecurringResume, scope: CurrentScope, session: Session
) -> RecurringOut:
    row = await recurring.resume_recurring(session, scope, recurring_id, body.from_date)
    return (await _render(session, scope, [row]))[0]


@router.post("/{recurring_id}/skip", responses=WRITE_RESPONSES)
async def skip_occurrence(
    recurring_id: UUID, scope: CurrentScope, session: Session
) -> RecurringOut:
    """Leave out the next date."""
    row = await recurring.skip_occurrence(session, scope, recurring_id)
    return (await _render(session, scope, [row]))[0]


async def _refuse_unknown_budget(
    session: AsyncSession, scope: Scope, body: RecurringCreate | RecurringPatch
) -> None:
    require_ledger_writer(scope)  # before anything is told of what the request names
    named = references("#", {"budget_id": body.budget_id}, "budget_id")
    refuse(await unknown_budgets(session, scope, named))


async def _render(
    session: AsyncSession, scope: Scope, rows: Sequence[RecurringExpense]
) -> list[RecurringOut]:
    tags = await queries.load_tags(session, scope, [row.id for row in rows])
    budgets = await visible_budget_ids(session, scope, [row.budget_id for row in rows])
    return [RecurringOut.of(row, tags.get(row.id, []), budgets) for row in rows]

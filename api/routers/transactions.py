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
from api.schemas.transactions import (
    TransactionCreate,
    TransactionListParams,
    TransactionOut,
    TransactionPatch,
    budget_references,
)
from backend.budgets.queries import attributed_transactions, unknown_budgets
from backend.budgets.visibility import visible_budget_ids
from backend.db.references import refuse
from backend.ledger import transaction_queries as queries
from backend.ledger import transactions
from backend.ledger.models import Transaction
from backend.scope import Scope

router = APIRouter(prefix="/api/transactions", tags=["transactions"], route_class=Route)


@router.post("", status_code=201, responses=WRITE_RESPONSES)
async def create_transaction(
    body: TransactionCreate,
    scope: CurrentScope,
    session: Session,
    request: Request,
    response: Response,
) -> TransactionOut:
    refuse(await unknown_budgets(session, scope, budget_references(body)))
    transaction = await transactions.create_transaction(session, scope, body.model_dump())
    location = request.url_for("get_transaction", transaction_id=transaction.id)
    response.headers["Location"] = str(location.path)
    return (await _render(session, scope, [transaction]))[0]


@router.get("", responses=READ_RESPONSES)
async def list_transactions(
    params: Annotated[TransactionListParams, Query()], scope: CurrentScope, session: Session
) -> Page[TransactionOut]:
    """The newest first, unless `sort=date`."""
    order = queries.OLDEST_FIRST if params.sort == "date" else queries.NEWEST_FIRST
    window = params.window(order)
    attributed = None
    if params.budget_id is not None:
        attributed = await attributed_transactions(session, scope, params.budget_id)
    rows = await queries.list_transactions(
        session,
        scope,
        window,
        order,
        account_id=params.account_id,
        category_id=params.category_id,
        tag_id=params.tag_id,
        attributed=attributed,
        kind=params.kind,
        status=params.status,
        from_date=params.from_date,
        to_date=params.to_date,
        q=params.q,
    )
    rendered = {t.id: t for t in await _render(session, scope, rows)}
    return page(rows, order, window, lambda row: rendered[row.id])


@router.get("/{transaction_id}", responses=READ_RESPONSES)
async def get_transaction(
    transaction_id: UUID, scope: CurrentScope, session: Session
) -> TransactionOut:
    transaction = await queries.get_transaction(session, scope, transaction_id)
    return (await _render(session, scope, [transaction]))[0]


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
    refuse(await unknown_budgets(session, scope, budget_references(body)))
    changes = body.model_dump(exclude_unset=True)
    hidden: frozenset[UUID] = frozenset()
    if changes.keys() & {"budget_id", "splits"}:
        hidden = await _hidden_budgets(session, scope, transaction_id)
    transaction = await transactions.update_transaction(
        session, scope, transaction_id, changes, expected, hidden_budgets=hidden
    )
    return (await _render(session, scope, [transaction]))[0]


@router.delete("/{transaction_id}", status_code=204, responses=WRITE_RESPONSES)
async def delete_transaction(
    transaction_id: UUID, expected: IfMatch, scope: CurrentScope, session: Session
) -> None:
    """Out of every list and figure; the row itself is kept."""
    await transactions.delete_transaction(session, scope, transaction_id, expected)


async def _hidden_budgets(
    session: AsyncSession, scope: Scope, transaction_id: UUID
) -> frozenset[UUID]:
    """Those that the transaction and its splits name and the caller does not see."""
    rows = [await queries.get_transaction(session, scope, transaction_id, lock=True)]
    named = _named_budgets(rows, await queries.load_parts(session, scope, rows))
    return named - await visible_budget_ids(session, scope, named)


async def _render(
    session: AsyncSession, scope: Scope, rows: Sequence[Transaction]
) -> list[TransactionOut]:
    parts = await queries.load_parts(session, scope, rows)
    budgets = await visible_budget_ids(session, scope, _named_budgets(rows, parts))
    return [TransactionOut.of(row, parts, budgets) for row in rows]


def _named_budgets(rows: Sequence[Transaction], parts: queries.Parts) -> frozenset[UUID]:
    named = {row.budget_id for row in rows}
    named |= {split.budget_id for splits in parts.splits.values() for split in splits}
    return frozenset(identity for identity in named if identity is not None)

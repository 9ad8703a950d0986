"""What the routes of transactions and of expenses share: an expense is one kind of transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from api.paging import Page, page
from api.schemas.transactions import (
    BookingListParams,
    TransactionCreate,
    TransactionOut,
    TransactionPatch,
    budget_references,
)
from backend.budgets.queries import attributed_transactions, unknown_budgets
from backend.budgets.visibility import visible_budget_ids
from backend.db.references import refuse
from backend.db.versions import Expected
from backend.identity.permissions import require_ledger_writer
from backend.ledger import transactions
from backend.ledger.models import Transaction, TransactionKind
from backend.ledger.receipts import load_receipts
from backend.ledger.recurring_queries import visible_recurring_ids
from backend.ledger.transaction_lists import ORDERS, list_transactions
from backend.ledger.transaction_queries import Parts, get_transaction, load_parts
from backend.scope import Scope


async def book(session: AsyncSession, scope: Scope, body: TransactionCreate) -> TransactionOut:
    require_ledger_writer(scope)  # before anything is told of what the request names
    refuse(await unknown_budgets(session, scope, budget_references(body)))
    row, parts = await transactions.create_transaction(session, scope, body.model_dump())
    budgets = _named_budgets([row], parts)  # the caller named them, so they see them
    return TransactionOut.of(row, parts, budgets, recurring=frozenset(), receipt=None)


async def list_bookings(
    session: AsyncSession,
    scope: Scope,
    params: BookingListParams,
    kind: TransactionKind | None = None,
) -> Page[TransactionOut]:
    order = ORDERS[params.sort]
    window = params.window(order)
    filters = params.filters()
    if params.budget_id is not None:
        attributed = await attributed_transactions(session, scope, params.budget_id)
        filters = replace(filters, attributed=attributed)
    if kind is not None:
        filters = replace(filters, kind=kind)
    rows = await list_transactions(session, scope, window, order, filters)
    shown = {t.id: t for t in await _render(session, scope, rows)}
    return page(rows, order, window, lambda row: shown[row.id])


async def change(
    session: AsyncSession,
    scope: Scope,
    transaction_id: UUID,
    body: TransactionPatch,
    *,
    expected: Expected,
    kind: TransactionKind | None = None,
) -> TransactionOut:
    require_ledger_writer(scope)
    refuse(await unknown_budgets(session, scope, budget_references(body)))
    changes = body.model_dump(exclude_unset=True)
    hidden: frozenset[UUID] = frozenset()
    if changes.keys() & {"budget_id", "splits"}:
        hidden = await _hidden_budgets(session, scope, transaction_id, kind)
    changed = await transactions.update_transaction(
        session, scope, transaction_id, changes, expected, hidden_budgets=hidden, kind=kind
    )
    return await show(session, scope, changed)


async def show(session: AsyncSession, scope: Scope, row: Transaction) -> TransactionOut:
    return (await _render(session, scope, [row]))[0]


async def _hidden_budgets(
    session: AsyncSession, scope: Scope, transaction_id: UUID, kind: TransactionKind | None
) -> frozenset[UUID]:
    """Those that the transaction and its splits name and the caller does not see."""
    rows = [await get_transaction(session, scope, transaction_id, kind=kind, lock=True)]
    named = _named_budgets(rows, await load_parts(session, scope, rows))
    return named - await visible_budget_ids(session, scope, named)


async def _render(
    session: AsyncSession, scope: Scope, rows: Sequence[Transaction]
) -> list[TransactionOut]:
    parts = await load_parts(session, scope, rows)
    budgets = await visible_budget_ids(session, scope, _named_budgets(rows, parts))
    recurring = await visible_recurring_ids(session, scope, [row.recurring_id for row in rows])
    receipts = await load_receipts(session, scope, [row.id for row in rows])
    return [TransactionOut.of(row, parts, budgets, recurring, receipts.get(row.id)) for row in rows]


def _named_budgets(rows: Iterable[Transaction], parts: Parts) -> frozenset[UUID]:
    named = {row.budget_id for row in rows}
    named |= {split.budget_id for splits in parts.splits.values() for split in splits}
    return frozenset(identity for identity in named if identity is not None)

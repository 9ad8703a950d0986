"""From the movements of a file to the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.db.references import among
from backend.errors import InvalidInput
from backend.imports.contents import Fault, Movements, Row, shortened
from backend.imports.identities import identify, is_digest
from backend.ledger.balances import put_balance
from backend.ledger.bulk import create_transactions
from backend.ledger.models import Account, Category, Transaction, TransactionKind
from backend.ledger.visibility import visible_categories
from backend.scope import Scope

CHUNK_ROWS = 10_000
# What a movement may be booked as, or be corrected to.
_OUTGOING = {TransactionKind.EXPENSE, TransactionKind.TRANSFER}
_INCOMING = {TransactionKind.INCOME, TransactionKind.REFUND, TransactionKind.TRANSFER}


@dataclass(slots=True)
class Outcome:
    """What became of the rows; `duplicates` are lines with the id of what was there already."""

    created: int = 0
    duplicates: list[tuple[int, UUID]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


async def book_movements(
    session: AsyncSession, scope: Scope, account: Account, movements: Movements
) -> Outcome:
    """Book what can be booked, and the balances with it."""
    rows = await asyncio.to_thread(identify, movements, account.id)
    outcome = Outcome(faults=movements.faults)
    categories = await _categories(session, scope, movements, rows)
    for chunk in _chunks(rows):
        values = [_transaction(row, account, categories) for row in chunk]
        results = await create_transactions(
            session, scope, values, atomic=False, skip_duplicates=True
        )
        existing: list[tuple[Row, UUID]] = []
        for row, result in zip(chunk, results, strict=True):
            if result.status == "created":
                outcome.created += 1
            elif result.status == "duplicate" and result.id is not None:
                existing.append((row, result.id))
            for fault in result.errors:
                name = fault.pointer.rsplit("/", 1)[-1]
                column = movements.columns.get(name.removesuffix("_id"))
                outcome.faults.append(Fault(row.line, column, fault.detail))
        await _compare(session, scope, movements, existing, outcome)
    await _keep_balances(session, scope, account, movements)
    return outcome


def _transaction(row: Row, account: Account, categories: Mapping[str, UUID]) -> Mapping[str, Any]:
    if row.amount < 0:
        kind = TransactionKind.TRANSFER if row.is_transfer else TransactionKind.EXPENSE
    else:
        kind = TransactionKind.REFUND if row.is_refund else TransactionKind.INCOME
    amount = abs(row.amount)
    splits = []
    if row.charges is not None:
        splits = [
            {"amount": amount - row.charges},
            {"amount": row.charges, "description": "Bank charges"},
        ]
    return {
        "account_id": account.id,
        "kind": kind,
        "status": row.status,
        "date": row.date,
        "amount": amount,
        "currency": row.currency or account.currency,
        "description": row.description,
        "category_id": categories.get((row.category or "").casefold()),
        "vendor": row.vendor,
        "external_id": row.external_id,
        "tag_ids": [],
        "splits": splits,
    }


async def _compare(
    session: AsyncSession,
    scope: Scope,
    movements: Movements,
    existing: Sequence[tuple[Row, UUID]],
    outcome: Outcome,
) -> None:
    """Rows with the id of a transaction: duplicates if that says the same, else faults.

    Banks give ids anew, and a column may be taken for one of ids that is not. A digest says what
    its row says, so it is trusted even where the transaction has been corrected since.
    """
    given = [identity for row, identity in existing if not is_digest(row)]
    stored = {
        transaction.id: transaction
        for transaction in await session.execute(
            select(
                Transaction.id,
                Transaction.date,
                Transaction.amount,
                Transaction.kind,
            ).where(
                Transaction.organization_id == scope.organization_id, among(Transaction.id, given)
            )
        )
    }
    for row, identity in existing:
        known = stored.get(identity)
        if known is None or (
            (known.date, known.amount) == (row.date, abs(row.amount))
            and known.kind in (_OUTGOING if row.amount < 0 else _INCOMING)
        ):
            outcome.duplicates.append((row.line, identity))
            continue
        column = movements.columns.get("external_id")
        reason = f"Another transaction, of {known.date}, has this id already."
        outcome.faults.append(Fault(row.line, column, reason, shortened(row.external_id or "")))


async def _categories(
    session: AsyncSession, scope: Scope, movements: Movements, rows: Sequence[Row]
) -> dict[str, UUID]:
    """The categories that rows name, by name in lower case; what there is not or twice is noted."""
    named = {row.category.casefold(): row.category for row in rows if row.category}
    if not named:
        return {}
    found: dict[str, list[UUID]] = {}
    for category in await session.execute(
        select(Category.name, Category.id).where(visible_categories(scope))
    ):
        found.setdefault(category.name.casefold(), []).append(category.id)
    unknown = sorted(named[name] for name in named if len(found.get(name, ())) != 1)
    if unknown:
        movements.notes.append(
            f"Booked without a category, since there is none of that name or more than one: "
            f"{', '.join(unknown[:20])}."
        )
    return {name: ids[0] for name, ids in found.items() if len(ids) == 1}


async def _keep_balances(
    session: AsyncSession, scope: Scope, account: Account, movements: Movements
) -> None:
    """The bank's word on a day replaces what was known of it."""
    for balance in movements.balances:
        if balance.currency != account.currency:
            movements.notes.append(
                f"The balance of {balance.date} was left out: it is in {balance.currency}, the "
                f"account in {account.currency}."
            )
            continue
        try:
            await put_balance(session, scope, account.id, balance.date, balance.amount)
        except InvalidInput as refused:
            reasons = " ".join(error.detail for error in refused.errors)
            movements.notes.append(f"The balance of {balance.date} was left out: {reasons}")


def _chunks(rows: Sequence[Row]) -> Iterator[list[Row]]:
    rest = iter(rows)
    while chunk := list(islice(rest, CHUNK_ROWS)):
        yield chunk

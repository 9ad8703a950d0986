"""The tags and splits of one transaction: what a caller sends is made what is there."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.db.references import refuse
from backend.errors import FieldError
from backend.ledger.models import Transaction, TransactionSplit, TransactionTag

Split = dict[str, Any]  # the columns of a TransactionSplit that a caller gives

SPLIT_COLUMNS = ("amount", "category_id", "budget_id", "tag_id", "description")


async def add_tags(
    session: AsyncSession, transaction: Transaction, tag_ids: Sequence[UUID]
) -> None:
    session.add_all(
        TransactionTag(
            organization_id=transaction.organization_id,
            transaction_id=transaction.id,
            tag_id=tag_id,
        )
        for tag_id in dict.fromkeys(tag_ids)
    )
    await session.flush()


async def replace_tags(
    session: AsyncSession, transaction: Transaction, tag_ids: Sequence[UUID]
) -> None:
    await session.execute(delete(TransactionTag).where(*_of(TransactionTag, transaction)))
    await add_tags(session, transaction, tag_ids)


async def current_splits(
    session: AsyncSession, transaction: Transaction
) -> Sequence[TransactionSplit]:
    return (
        await session.scalars(
            select(TransactionSplit)
            .where(*_of(TransactionSplit, transaction))
            .order_by(TransactionSplit.id)
        )
    ).all()


async def add_splits(
    session: AsyncSession, transaction: Transaction, splits: Sequence[Split]
) -> None:
    for split in splits:
        session.add(
            TransactionSplit(
                organization_id=transaction.organization_id,
                transaction_id=transaction.id,
                **{name: split.get(name) for name in SPLIT_COLUMNS},
            )
        )
        await session.flush()  # one by one: their ids keep the order they were given in


async def replace_splits(
    session: AsyncSession,
    transaction: Transaction,
    current: Sequence[TransactionSplit],
    splits: Sequence[Split],
    hidden_budgets: Collection[UUID],
) -> None:
    """A split that is sent back stays the same row; a budget that was hidden in it stays too."""
    kept = _sent_back(current, splits, hidden_budgets)
    for row in current:
        if row not in kept.values():
            await session.delete(row)
    for n, row in kept.items():
        hides_budget = row.budget_id in hidden_budgets and splits[n].get("budget_id") is None
        for name in SPLIT_COLUMNS:
            if name != "budget_id" or not hides_budget:
                setattr(row, name, splits[n].get(name))
    await session.flush()
    new = [split for n, split in enumerate(splits) if n not in kept]
    await add_splits(session, transaction, new)


def _sent_back(
    current: Sequence[TransactionSplit], splits: Sequence[Split], hidden_budgets: Collection[UUID]
) -> dict[int, TransactionSplit]:
    """By position in `splits`: the row that has its `id`, or else one that looked the same."""
    left = {row.id: row for row in current}
    kept: dict[int, TransactionSplit] = {}
    errors = []
    for n, split in enumerate(splits):
        if split.get("id") is None:
            continue
        if split["id"] in left:
            kept[n] = left.pop(split["id"])
        else:
            twice = any(row.id == split["id"] for row in kept.values())
            detail = "This split is here twice." if twice else "There is no such split."
            errors.append(FieldError(f"#/splits/{n}/id", detail))
    refuse(errors)
    for n, split in enumerate(splits):
        sent = [split.get(name) for name in SPLIT_COLUMNS]
        if n in kept:
            continue
        for row in left.values():
            if _as_shown(row, hidden_budgets) == sent:
                kept[n] = left.pop(row.id)
                break
    return kept


def _as_shown(row: TransactionSplit, hidden_budgets: Collection[UUID]) -> list[Any]:
    shown = {name: getattr(row, name) for name in SPLIT_COLUMNS}
    if row.budget_id in hidden_budgets:
        shown["budget_id"] = None
    return list(shown.values())


def _of(part: type[TransactionTag | TransactionSplit], transaction: Transaction) -> list[Any]:
    return [
        part.organization_id == transaction.organization_id,
        part.transaction_id == transaction.id,
    ]

"""Writing transactions: references, splits and tags are one booking, kept or refused as a whole."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.record import record
from backend.audit.states import state_of
from backend.db.references import Reference, references, refuse, unknown_references
from backend.db.versions import Expected, require_version
from backend.errors import FieldError, InvalidInput
from backend.identity.permissions import require_ledger_writer
from backend.ledger.models import (
    Account,
    Category,
    Tag,
    Transaction,
    TransactionKind,
    TransactionSplit,
    TransactionTag,
)
from backend.ledger.transaction_queries import get_transaction, load_parts
from backend.ledger.visibility import (
    visible_account_ids,
    visible_accounts,
    visible_categories,
    visible_tags,
)
from backend.scope import Scope

Split = dict[str, Any]  # the columns of a TransactionSplit that a caller gives

_SPLIT_COLUMNS = ("amount", "category_id", "budget_id", "tag_id", "description")


async def create_transaction(
    session: AsyncSession, scope: Scope, values: dict[str, Any]
) -> Transaction:
    """Book a transaction from its columns, `tag_ids` and `splits`.

    Without a `currency` it is the account's.
    """
    require_ledger_writer(scope)
    values = dict(values)
    tag_ids: Sequence[UUID] = values.pop("tag_ids", ())
    splits: Sequence[Split] = values.pop("splits", ())
    await _refuse_unknown(session, scope, values, tag_ids, splits)
    if values.get("currency") is None:
        values["currency"] = await session.scalar(
            select(Account.currency).where(
                visible_accounts(scope), Account.id == values["account_id"]
            )
        )
    transaction = Transaction(
        organization_id=scope.organization_id, created_by=scope.user_id, **values
    )
    _refuse_bad_transfer(transaction)
    _refuse_bad_sum(transaction.amount, [split["amount"] for split in splits])
    session.add(transaction)
    await session.flush()
    await _add_tags(session, transaction, tag_ids)
    await _add_splits(session, transaction, splits)
    after = await _state(session, scope, transaction)
    await record(session, scope, "create", "transaction", transaction.id, after=after)
    return transaction


async def update_transaction(
    session: AsyncSession,
    scope: Scope,
    transaction_id: UUID,
    changes: dict[str, Any],
    expected: Expected = None,
    *,
    hidden_budgets: Collection[UUID] = (),
) -> Transaction:
    """Change what is named; `tag_ids` and `splits` replace what was there.

    `hidden_budgets` were shown as null: a null that is sent back for one of them changes nothing.
    """
    require_ledger_writer(scope)
    changes = dict(changes)
    tag_ids: Sequence[UUID] | None = changes.pop("tag_ids", None)
    splits: Sequence[Split] | None = changes.pop("splits", None)
    # The lock keeps the sum of the splits true against another change of the same transaction.
    transaction = await get_transaction(session, scope, transaction_id, lock=True)
    require_version(transaction, expected)
    before = await _state(session, scope, transaction)
    if changes.get("kind", TransactionKind.TRANSFER) != TransactionKind.TRANSFER:
        changes.setdefault("counter_account_id", None)
    if await _hides_counter_account(session, scope, transaction, changes):
        del changes["counter_account_id"]
    if transaction.budget_id in hidden_budgets and changes.get("budget_id") is None:
        changes.pop("budget_id", None)
    await _refuse_unknown(session, scope, changes, tag_ids or (), splits or ())
    for name, value in changes.items():
        setattr(transaction, name, value)
    _refuse_bad_transfer(transaction)
    current = await _current_splits(session, transaction)
    amounts = [s.amount for s in current] if splits is None else [s["amount"] for s in splits]
    _refuse_bad_sum(transaction.amount, amounts)
    transaction.updated_at = func.now()  # tags and splits are part of it
    await session.flush()
    if tag_ids is not None:
        await session.execute(delete(TransactionTag).where(*_of(TransactionTag, transaction)))
        await _add_tags(session, transaction, tag_ids)
    if splits is not None:
        await _replace_splits(session, transaction, current, splits, hidden_budgets)
    await session.refresh(transaction)
    after = await _state(session, scope, transaction)
    await record(
        session, scope, "update", "transaction", transaction_id, before=before, after=after
    )
    return transaction


async def delete_transaction(
    session: AsyncSession, scope: Scope, transaction_id: UUID, expected: Expected = None
) -> None:
    """Out of every figure and list; the row stays, so that it can be restored."""
    require_ledger_writer(scope)
    transaction = await get_transaction(session, scope, transaction_id, lock=True)
    require_version(transaction, expected)
    before = await _state(session, scope, transaction)
    transaction.deleted_at = func.now()
    await session.flush()
    await record(session, scope, "delete", "transaction", transaction_id, before=before)


async def _state(session: AsyncSession, scope: Scope, transaction: Transaction) -> dict[str, Any]:
    """The transaction with its tags and splits, as the audit records it."""
    parts = await load_parts(session, scope, [transaction])
    return state_of(transaction) | {
        "tag_ids": parts.tag_ids.get(transaction.id, []),
        "splits": [state_of(split) for split in parts.splits.get(transaction.id, [])],
    }


async def _refuse_unknown(
    session: AsyncSession,
    scope: Scope,
    values: dict[str, Any],
    tag_ids: Sequence[UUID],
    splits: Sequence[Split],
) -> None:
    accounts = references("#", values, "account_id", "counter_account_id")
    categories = references("#", values, "category_id")
    tags: list[Reference] = [(f"#/tag_ids/{n}", tag_id) for n, tag_id in enumerate(tag_ids)]
    for n, split in enumerate(splits):
        categories += references(f"#/splits/{n}", split, "category_id")
        tags += references(f"#/splits/{n}", split, "tag_id")
    refuse(
        [
            *await unknown_references(
                session, Account.id, visible_accounts(scope), accounts, "account"
            ),
            *await unknown_references(
                session, Category.id, visible_categories(scope), categories, "category"
            ),
            *await unknown_references(session, Tag.id, visible_tags(scope), tags, "tag"),
        ]
    )


async def _hides_counter_account(
    session: AsyncSession, scope: Scope, transaction: Transaction, changes: dict[str, Any]
) -> bool:
    """Whether `null` only repeats what the caller was shown of an account they may not see."""
    current = transaction.counter_account_id
    if current is None or "counter_account_id" not in changes or changes["counter_account_id"]:
        return False
    if changes.get("kind", transaction.kind) != TransactionKind.TRANSFER:
        return False  # what is no transfer has no counter account
    return current not in await visible_account_ids(session, scope, [current])


def _refuse_bad_transfer(transaction: Transaction) -> None:
    if transaction.counter_account_id is None:
        return
    if transaction.kind != TransactionKind.TRANSFER:
        detail = "Only a transfer has a counter account."
    elif transaction.counter_account_id == transaction.account_id:
        detail = "A transfer goes to another account."
    else:
        return
    raise InvalidInput(
        "The counter account does not fit.", errors=[FieldError("#/counter_account_id", detail)]
    )


def _refuse_bad_sum(amount: Decimal, parts: Sequence[Decimal]) -> None:
    total = sum(parts, Decimal(0))
    if parts and total != amount:
        raise InvalidInput(
            "The splits do not add up to the amount.",
            errors=[FieldError("#/splits", f"They add up to {total}, the amount is {amount}.")],
        )


async def _current_splits(
    session: AsyncSession, transaction: Transaction
) -> Sequence[TransactionSplit]:
    return (
        await session.scalars(
            select(TransactionSplit)
            .where(*_of(TransactionSplit, transaction))
            .order_by(TransactionSplit.id)
        )
    ).all()


def _of(part: type[TransactionTag | TransactionSplit], transaction: Transaction) -> list[Any]:
    return [
        part.organization_id == transaction.organization_id,
        part.transaction_id == transaction.id,
    ]


async def _add_tags(
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


async def _replace_splits(
    session: AsyncSession,
    transaction: Transaction,
    current: Sequence[TransactionSplit],
    splits: Sequence[Split],
    hidden_budgets: Collection[UUID],
) -> None:
    kept = _sent_back(current, splits, hidden_budgets)
    for row in current:
        if row not in kept.values():
            await session.delete(row)
    for n, row in kept.items():
        hides_budget = row.budget_id in hidden_budgets and splits[n].get("budget_id") is None
        for name in _SPLIT_COLUMNS:
            if name != "budget_id" or not hides_budget:
                setattr(row, name, splits[n].get(name))
    await session.flush()
    new = [split for n, split in enumerate(splits) if n not in kept]
    await _add_splits(session, transaction, new)


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
        sent = [split.get(name) for name in _SPLIT_COLUMNS]
        if n in kept:
            continue
        for row in left.values():
            if _as_shown(row, hidden_budgets) == sent:
                kept[n] = left.pop(row.id)
                break
    return kept


def _as_shown(row: TransactionSplit, hidden_budgets: Collection[UUID]) -> list[Any]:
    shown = {name: getattr(row, name) for name in _SPLIT_COLUMNS}
    if row.budget_id in hidden_budgets:
        shown["budget_id"] = None
    return list(shown.values())


async def _add_splits(
    session: AsyncSession, transaction: Transaction, splits: Sequence[Split]
) -> None:
    for split in splits:
        session.add(
            TransactionSplit(
                organization_id=transaction.organization_id,
                transaction_id=transaction.id,
                **{name: split.get(name) for name in _SPLIT_COLUMNS},
            )
        )
        await session.flush()  # one by one: their ids keep the order they were given in

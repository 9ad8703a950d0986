"""Reading transactions with their tags and splits, always within a scope."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.db.locking import locked
from backend.errors import NotFound
from backend.ledger.models import (
    Transaction,
    TransactionKind,
    TransactionSplit,
    TransactionTag,
)
from backend.ledger.visibility import visible_account_ids, visible_transactions
from backend.scope import Scope


@dataclass(frozen=True, slots=True)
class Parts:
    """What belongs to some transactions; `accounts` are the counter accounts the caller may see."""

    tag_ids: dict[UUID, list[UUID]]
    splits: dict[UUID, list[TransactionSplit]]
    accounts: frozenset[UUID]


NO_PARTS = Parts({}, {}, frozenset())


async def get_transaction(
    session: AsyncSession,
    scope: Scope,
    transaction_id: UUID,
    *,
    kind: TransactionKind | None = None,
    deleted: bool = False,
    lock: bool = False,
) -> Transaction:
    """`NotFound` also when it is of another kind, or not `deleted` where that is asked for."""
    statement = select(Transaction).where(
        visible_transactions(scope, deleted=deleted), Transaction.id == transaction_id
    )
    if kind is not None:
        statement = statement.where(Transaction.kind == kind)
    transaction = await session.scalar(locked(statement) if lock else statement)
    if transaction is None:
        raise NotFound("There is no such transaction.")
    return transaction


async def load_parts(
    session: AsyncSession, scope: Scope, transactions: Sequence[Transaction]
) -> Parts:
    ids = [t.id for t in transactions]
    tag_ids: dict[UUID, list[UUID]] = defaultdict(list)
    splits: dict[UUID, list[TransactionSplit]] = defaultdict(list)
    for row in await session.execute(
        select(TransactionTag.transaction_id, TransactionTag.tag_id)
        .where(
            TransactionTag.organization_id == scope.organization_id,
            TransactionTag.transaction_id.in_(ids),
        )
        .order_by(TransactionTag.tag_id)
    ):
        tag_ids[row.transaction_id].append(row.tag_id)
    for split in await session.scalars(
        select(TransactionSplit)
        .where(
            TransactionSplit.organization_id == scope.organization_id,
            TransactionSplit.transaction_id.in_(ids),
        )
        .order_by(TransactionSplit.id)
    ):
        splits[split.transaction_id].append(split)
    counters = [t.counter_account_id for t in transactions if t.counter_account_id is not None]
    accounts = await visible_account_ids(session, scope, counters) if counters else frozenset()
    return Parts(tag_ids, splits, accounts)

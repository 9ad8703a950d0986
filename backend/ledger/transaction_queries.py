"""Reading transactions with their tags and splits, always within a scope."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import CompoundSelect, Select, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from backend.db.keyset import Order, Window, windowed
from backend.db.locking import locked
from backend.errors import NotFound
from backend.ledger.models import Transaction, TransactionSplit, TransactionTag
from backend.ledger.queries import get_account, get_category, get_tag
from backend.ledger.visibility import visible_account_ids, visible_transactions
from backend.scope import Scope

NEWEST_FIRST = Order((Transaction.date, Transaction.id), descending=True)
OLDEST_FIRST = Order((Transaction.date, Transaction.id))


@dataclass(frozen=True, slots=True)
class Parts:
    """What belongs to some transactions; `accounts` are the counter accounts the caller may see."""

    tag_ids: dict[UUID, list[UUID]]
    splits: dict[UUID, list[TransactionSplit]]
    accounts: frozenset[UUID]


async def list_transactions(
    session: AsyncSession,
    scope: Scope,
    window: Window,
    order: Order = NEWEST_FIRST,
    *,
    account_id: UUID | None = None,
    category_id: UUID | None = None,
    tag_id: UUID | None = None,
    attributed: Select[UUID] | None = None,
    kind: str | None = None,
    status: str | None = None,
    from_date: date | None = None,
    to_date: date | None = None,
    q: str | None = None,
) -> Sequence[Transaction]:
    """Category and tag also match through a split; `attributed` selects what counts in a budget.

    An account, category or tag that the caller does not see is `NotFound`.
    """
    statement = select(Transaction).where(visible_transactions(scope))
    if account_id is not None:
        await get_account(session, scope, account_id)
        statement = statement.where(Transaction.account_id == account_id)
    if category_id is not None:
        await get_category(session, scope, category_id)
        statement = statement.where(Transaction.id.in_(_in_category(scope, category_id)))
    if tag_id is not None:
        await get_tag(session, scope, tag_id)
        statement = statement.where(Transaction.id.in_(_with_tag(scope, tag_id)))
    if attributed is not None:
        statement = statement.where(Transaction.id.in_(attributed))
    if kind is not None:
        statement = statement.where(Transaction.kind == kind)
    if status is not None:
        statement = statement.where(Transaction.status == status)
    if from_date is not None:
        statement = statement.where(Transaction.date >= from_date)
    if to_date is not None:
        statement = statement.where(Transaction.date <= to_date)
    if q:
        found = Transaction.description.icontains(q, autoescape=True)
        statement = statement.where(found | Transaction.vendor.icontains(q, autoescape=True))
    return (await session.scalars(windowed(statement, order, window))).all()


async def get_transaction(
    session: AsyncSession, scope: Scope, transaction_id: UUID, *, lock: bool = False
) -> Transaction:
    statement = select(Transaction).where(
        visible_transactions(scope), Transaction.id == transaction_id
    )
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


def _in_category(scope: Scope, category_id: UUID) -> CompoundSelect[UUID]:
    whole = aliased(Transaction)
    return union_all(
        select(whole.id).where(
            whole.organization_id == scope.organization_id, whole.category_id == category_id
        ),
        select(TransactionSplit.transaction_id).where(
            TransactionSplit.organization_id == scope.organization_id,
            TransactionSplit.category_id == category_id,
        ),
    )


def _with_tag(scope: Scope, tag_id: UUID) -> CompoundSelect[UUID]:
    return union_all(
        select(TransactionTag.transaction_id).where(
            TransactionTag.organization_id == scope.organization_id,
            TransactionTag.tag_id == tag_id,
        ),
        select(TransactionSplit.transaction_id).where(
            TransactionSplit.organization_id == scope.organization_id,
            TransactionSplit.tag_id == tag_id,
        ),
    )

"""A transaction with its tags and splits, as the audit records it: read here, or by PostgreSQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, cast, func, literal, select
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.states import state_of, stored_states
from backend.ledger.models import Transaction, TransactionSplit, TransactionTag
from backend.ledger.transaction_queries import Parts, load_parts
from backend.scope import Scope


async def transaction_state(
    session: AsyncSession, scope: Scope, transaction: Transaction
) -> dict[str, Any]:
    return state_with(transaction, await load_parts(session, scope, [transaction]))


def state_with(transaction: Transaction, parts: Parts) -> dict[str, Any]:
    return state_of(transaction) | {
        "tag_ids": parts.tag_ids.get(transaction.id, []),
        "splits": [state_of(split) for split in parts.splits.get(transaction.id, [])],
    }


def stored_transaction_states(
    *, tagged: bool = True, split: bool = True
) -> ColumnElement[dict[str, Any]]:
    """The same of each row of `transactions`.

    `tagged` and `split` are false where no row has such parts: then they are not looked for.
    """
    return stored_states(
        Transaction,
        tag_ids=_tag_ids() if tagged else _NONE,
        splits=_splits() if split else _NONE,
    )


_NONE = cast(literal("[]"), JSONB)


def _tag_ids() -> ColumnElement[Any]:
    listed = aggregate_order_by(TransactionTag.tag_id, TransactionTag.tag_id)
    return _listed(
        select(func.coalesce(func.jsonb_agg(listed), _NONE)).where(
            TransactionTag.organization_id == Transaction.organization_id,
            TransactionTag.transaction_id == Transaction.id,
        )
    )


def _splits() -> ColumnElement[Any]:
    listed = aggregate_order_by(stored_states(TransactionSplit), TransactionSplit.id)
    return _listed(
        select(func.coalesce(func.jsonb_agg(listed), _NONE)).where(
            TransactionSplit.organization_id == Transaction.organization_id,
            TransactionSplit.transaction_id == Transaction.id,
        )
    )


def _listed(statement: Select[Any]) -> ColumnElement[Any]:
    return statement.correlate(Transaction).scalar_subquery()

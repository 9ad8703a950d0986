"""Subscriptions in the history of the accounts that the caller sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Date, Numeric, Row, String, Uuid, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from backend.ledger.models import Transaction, TransactionKind, TransactionStatus
from backend.ledger.recurring_models import RecurringExpense
from backend.ledger.recurring_queries import visible_recurring
from backend.ledger.subscriptions import MIN_PAYMENTS, Payment, Subscription, subscriptions
from backend.ledger.visibility import visible_transactions
from backend.scope import Scope

HISTORY = timedelta(days=4 * 366)  # a yearly payment shows itself only in its third year
MAX_FOUND = 200
_MAX_GROUPS = 2000
_Column = ColumnElement[Any] | InstrumentedAttribute[Any]
_MAX_PAYMENTS = 100  # of one group, the latest: more would not tell more


@dataclass(frozen=True, slots=True)
class Detected:
    account_id: UUID
    vendor: str
    currency: str
    subscription: Subscription
    recurring_id: UUID | None


async def detect(session: AsyncSession, scope: Scope, today: date) -> list[Detected]:
    """The surest first, `MAX_FOUND` at most. Without a vendor the description stands for it."""
    planned = await _planned(session, scope)
    found = []
    for group in await _groups(session, scope, today):
        payments = [Payment(*p) for p in zip(group.dates, group.amounts, group.links, strict=True)]
        for subscription in subscriptions(payments, today):
            linked = next((p.recurring_id for p in subscription.payments if p.recurring_id), None)
            known = planned.get((group.account_id, group.currency, group.key))
            found.append(
                Detected(
                    group.account_id,
                    group.names[0],
                    group.currency,
                    subscription,
                    linked or known,
                )
            )
    found.sort(key=lambda d: (-d.subscription.confidence, d.vendor, str(d.account_id)))
    return found[:MAX_FOUND]


async def _groups(session: AsyncSession, scope: Scope, today: date) -> Sequence[Row[Any]]:
    name = func.coalesce(Transaction.vendor, Transaction.description)
    key = _normalised(name)

    def latest(column: _Column, type_: Any) -> ColumnElement[Any]:  # noqa: ANN401  # a type's class
        ordered = aggregate_order_by(column, Transaction.date.desc(), Transaction.id.desc())
        return func.array_agg(ordered, type_=ARRAY(type_))[1:_MAX_PAYMENTS]

    statement = (
        select(
            Transaction.account_id,
            Transaction.currency,
            key.label("key"),
            latest(name, String).label("names"),
            latest(Transaction.date, Date).label("dates"),
            latest(Transaction.amount, Numeric).label("amounts"),
            latest(Transaction.recurring_id, Uuid).label("links"),
        )
        .where(
            visible_transactions(scope),
            Transaction.kind == TransactionKind.EXPENSE,
            Transaction.status.in_([TransactionStatus.PAID, TransactionStatus.PENDING]),
            Transaction.date.between(today - HISTORY, today),
            key != "",
        )
        .group_by(Transaction.account_id, Transaction.currency, key)
        .having(func.count() >= MIN_PAYMENTS)
        .order_by(func.max(Transaction.date).desc(), Transaction.account_id, key)
        .limit(_MAX_GROUPS)
    )
    return (await session.execute(statement)).all()


async def _planned(session: AsyncSession, scope: Scope) -> dict[tuple[UUID, str, str], UUID]:
    name = func.coalesce(RecurringExpense.vendor, RecurringExpense.description)
    rows = await session.execute(
        select(
            RecurringExpense.account_id,
            RecurringExpense.currency,
            _normalised(name).label("key"),
            RecurringExpense.id,
        )
        .where(visible_recurring(scope))
        .order_by(RecurringExpense.id.desc())
    )
    return {(row.account_id, row.currency, row.key): row.id for row in rows}


def _normalised(name: ColumnElement[str]) -> ColumnElement[str]:
    """Letters only: banks add numbers of bookings and dates."""
    return func.btrim(func.regexp_replace(func.lower(name), "[^[:alpha:]]+", " ", "g"))

"""The rows of a synthetic ledger, each a function of its number."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from hashlib import blake2b
from typing import Any
from uuid import UUID

from backend.ledger.models import PaymentMethod, TransactionKind, TransactionStatus
from backend.seeds.synthetic.plan import (
    ACCOUNTS_PER_PERSON,
    BUDGETS,
    CATEGORIES,
    CURRENCY,
    TAGS,
    VENDORS,
    Plan,
    Rows,
)

TRANSACTION_COLUMNS = [
    "id",
    "account_id",
    "counter_account_id",
    "kind",
    "status",
    "date",
    "amount",
    "currency",
    "description",
    "category_id",
    "budget_id",
    "vendor",
    "payment_method",
]

# Of a hundred; the rest are expenses.
_INCOMES, _REFUNDS, _TRANSFERS = 6, 2, 2


def transaction(plan: Plan, number: int) -> tuple[Any, ...]:
    account, percent, cents, category, budget, vendor = _draws(
        plan, number, len(plan.people) * ACCOUNTS_PER_PERSON, 100, 20_000, CATEGORIES, BUDGETS * 2,
        VENDORS,
    )  # fmt: skip
    kind = _kind(percent)
    spends = kind in {TransactionKind.EXPENSE, TransactionKind.REFUND}
    days = (plan.today - plan.starts_on).days + 1
    return (
        plan.id(Rows.TRANSACTION, number),
        plan.id(Rows.ACCOUNT, account),
        plan.id(Rows.ACCOUNT, account ^ 1) if kind is TransactionKind.TRANSFER else None,
        kind,
        TransactionStatus.PAID,
        plan.starts_on + timedelta(days=number * days // plan.transactions),
        Decimal(cents + 1) / 100 * (20 if kind is TransactionKind.INCOME else 1),
        CURRENCY,
        f"Synthetic {kind} {number + 1}",
        plan.id(Rows.CATEGORY, category) if spends else None,
        plan.id(Rows.BUDGET, budget + 1) if spends and budget < BUDGETS else None,
        f"Synthetic vendor {vendor + 1:03}",
        PaymentMethod.CREDIT_CARD if account % 2 else PaymentMethod.BANK_TRANSFER,
    )


def _kind(percent: int) -> TransactionKind:
    if percent < _INCOMES:
        return TransactionKind.INCOME
    if percent < _INCOMES + _REFUNDS:
        return TransactionKind.REFUND
    if percent < _INCOMES + _REFUNDS + _TRANSFERS:
        return TransactionKind.TRANSFER
    return TransactionKind.EXPENSE


def tags(plan: Plan, number: int) -> Iterator[tuple[UUID, UUID]]:
    """No tag, one, one or two in turn."""
    transaction_id = plan.id(Rows.TRANSACTION, number)
    for place in range((0, 1, 1, 2)[number % 4]):
        yield transaction_id, plan.id(Rows.TAG, (number // 4 + place * 3) % TAGS)


def _draws(plan: Plan, number: int, *limits: int) -> Iterator[int]:
    """One integer below each limit, the same ones for the same row."""
    key = f"{plan.randomness}/{number}".encode()
    bits = int.from_bytes(blake2b(key, digest_size=16).digest())
    for limit in limits:
        bits, drawn = divmod(bits, limit)
        yield drawn

"""One movement of the generated ledger, before it has ids."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from backend.ledger.models import PaymentMethod, TransactionKind, TransactionStatus


@dataclass(frozen=True, slots=True)
class Part:
    """A share of a split receipt."""

    amount: Decimal
    category: str
    tag: str | None = None


@dataclass(frozen=True, slots=True)
class Movement:
    """Accounts are keys of the plan's accounts, categories are names of its categories.

    The parts of a split receipt sum to its amount.
    """

    date: date
    kind: TransactionKind
    account: str
    amount: Decimal
    description: str
    category: str | None = None
    vendor: str | None = None
    method: PaymentMethod = PaymentMethod.BANK_TRANSFER
    tags: tuple[str, ...] = ()
    status: TransactionStatus = TransactionStatus.PAID
    counter_account: str | None = None
    parts: tuple[Part, ...] = ()


def card_purchase(
    day: date,
    account: str,
    amount: Decimal,
    description: str,
    category: str,
    *tags: str,
    vendor: str,
) -> Movement:
    kind, method = TransactionKind.EXPENSE, PaymentMethod.CREDIT_CARD
    return Movement(day, kind, account, amount, description, category, vendor, method, tags)


def bill(
    day: date, account: str, amount: str, description: str, category: str, *, vendor: str
) -> Movement:
    kind = TransactionKind.EXPENSE
    return Movement(day, kind, account, Decimal(amount), description, category, vendor)


def income(
    day: date, account: str, amount: str, description: str, category: str, *, vendor: str
) -> Movement:
    kind = TransactionKind.INCOME
    return Movement(day, kind, account, Decimal(amount), description, category, vendor)


def transfer(day: date, account: str, to: str, amount: Decimal, description: str) -> Movement:
    kind = TransactionKind.TRANSFER
    return Movement(day, kind, account, amount, description, counter_account=to)

"""Where money sits and how it moved."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    Index,
    Numeric,
    SmallInteger,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import (
    Base,
    Currency,
    Tenant,
    TenantIdentified,
    Timestamped,
    Tracked,
    currency_check,
    member_key,
    one_of,
    tenant_key,
)


class AccountType(StrEnum):
    BANK = "bank"
    CARD = "card"
    CASH = "cash"
    LOAN = "loan"
    INVESTMENT = "investment"
    CLOUD = "cloud"
    CUSTOMER = "customer"


class AccountStatus(StrEnum):
    ACTIVE = "active"
    CLOSED = "closed"


class ConnectionStatus(StrEnum):
    ACTIVE = "active"
    EXPIRED = "expired"
    FAILED = "failed"


class TransactionKind(StrEnum):
    EXPENSE = "expense"
    INCOME = "income"
    TRANSFER = "transfer"
    REFUND = "refund"


class TransactionStatus(StrEnum):
    PENDING = "pending"
    PAID = "paid"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"


class PaymentMethod(StrEnum):
    CREDIT_CARD = "credit_card"
    BANK_TRANSFER = "bank_transfer"
    CASH = "cash"
    CHECK = "check"
    PAYPAL = "paypal"
    OTHER = "other"


class Institution(TenantIdentified, Timestamped, Tracked, Base):
    __tablename__ = "institutions"
    __table_args__ = (UniqueConstraint("organization_id", "name"),)

    name: Mapped[str] = mapped_column(String(200))
    country: Mapped[str | None] = mapped_column(String(2))


class Connection(TenantIdentified, Timestamped, Tracked, Base):
    """A link to an institution through which accounts are fed."""

    __tablename__ = "connections"
    __table_args__ = (
        tenant_key("institution_id", "institutions"),
        one_of("status", ConnectionStatus),
        member_key("created_by", ondelete="SET NULL (created_by)"),
    )

    institution_id: Mapped[UUID]
    provider: Mapped[str] = mapped_column(String(100))
    status: Mapped[str] = mapped_column(String(20), server_default=ConnectionStatus.ACTIVE)
    last_synced_at: Mapped[datetime | None]
    created_by: Mapped[UUID | None]


class Account(TenantIdentified, Timestamped, Tracked, Base):
    __tablename__ = "accounts"
    __table_args__ = (
        tenant_key("institution_id", "institutions"),
        tenant_key("connection_id", "connections"),
        one_of("type", AccountType),
        one_of("status", AccountStatus),
        currency_check(),
        member_key("owner_id"),
        Index("ix_accounts_owner", "organization_id", "owner_id"),
        UniqueConstraint("organization_id", "external_id"),
    )

    owner_id: Mapped[UUID]
    institution_id: Mapped[UUID | None]
    connection_id: Mapped[UUID | None]
    name: Mapped[str] = mapped_column(String(200))
    type: Mapped[str] = mapped_column(String(20))
    currency: Mapped[str] = mapped_column(Currency)
    credit_limit: Mapped[Decimal | None]
    status: Mapped[str] = mapped_column(String(20), server_default=AccountStatus.ACTIVE)
    external_id: Mapped[str | None] = mapped_column(String(200))


class AccountShare(Tenant, Tracked, Base):
    """An account that its owner shows to another member."""

    __tablename__ = "account_shares"
    __table_args__ = (
        tenant_key("account_id", "accounts", ondelete="CASCADE"),
        member_key("user_id", ondelete="CASCADE"),
        Index("ix_account_shares_user", "organization_id", "user_id"),
    )

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(primary_key=True)


class BalanceSnapshot(Tenant, Tracked, Base):
    """The balance of an account at the end of a day; negative for what is owed."""

    __tablename__ = "balance_snapshots"
    __table_args__ = (tenant_key("account_id", "accounts", ondelete="CASCADE"),)

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    date: Mapped[date] = mapped_column(primary_key=True)
    balance: Mapped[Decimal]


class Category(TenantIdentified, Timestamped, Tracked, Base):
    __tablename__ = "categories"
    __table_args__ = (
        tenant_key("parent_id", "categories"),
        UniqueConstraint(
            "organization_id", "parent_id", "name", postgresql_nulls_not_distinct=True
        ),
        CheckConstraint("parent_id <> id", name="not_own_parent"),
    )

    parent_id: Mapped[UUID | None]
    name: Mapped[str] = mapped_column(String(200))
    description: Mapped[str | None] = mapped_column(String(2000))
    colour: Mapped[str | None] = mapped_column(String(7))
    icon: Mapped[str | None] = mapped_column(String(50))


class Tag(TenantIdentified, Timestamped, Tracked, Base):
    __tablename__ = "tags"
    __table_args__ = (UniqueConstraint("organization_id", "name"),)

    name: Mapped[str] = mapped_column(String(200))
    colour: Mapped[str | None] = mapped_column(String(7))


class Transaction(TenantIdentified, Timestamped, Tracked, Base):
    """A booked movement. `amount` is positive; `kind` gives the direction.

    `confidence`, in percent, is that of whatever chose the category by itself. `recurring_on` is
    the date of the recurring expense that it books, wherever the transaction is moved later.
    """

    __tablename__ = "transactions"
    __table_args__ = (
        tenant_key("account_id", "accounts"),
        tenant_key("counter_account_id", "accounts"),
        tenant_key("category_id", "categories"),
        tenant_key("budget_id", "budgets"),
        member_key("created_by", ondelete="SET NULL (created_by)"),
        one_of("kind", TransactionKind),
        one_of("status", TransactionStatus),
        one_of("payment_method", PaymentMethod),
        currency_check(),
        CheckConstraint("amount > 0", name="amount_positive"),
        CheckConstraint(
            "(kind = 'transfer') OR counter_account_id IS NULL", name="counter_account_of_transfer"
        ),
        Index("ix_transactions_date", "organization_id", "date", "id"),
        Index("ix_transactions_account_date", "organization_id", "account_id", "date", "id"),
        Index(
            "uq_transactions_external_id",
            "organization_id",
            "account_id",
            "external_id",
            unique=True,
            postgresql_where=text("external_id IS NOT NULL AND deleted_at IS NULL"),
        ),
        CheckConstraint("confidence BETWEEN 0 AND 100", name="confidence_percent"),
        tenant_key("recurring_id", "recurring_expenses", ondelete="SET NULL (recurring_id)"),
        Index(  # a deleted booking stays one: what was thrown away does not come back
            "uq_transactions_recurring",
            "organization_id",
            "recurring_id",
            "recurring_on",
            unique=True,
            postgresql_where=text("recurring_id IS NOT NULL"),
        ),
        Index(
            "ix_transactions_deleted",
            "organization_id",
            "date",
            "id",
            postgresql_where=text("deleted_at IS NOT NULL"),
        ),
    )

    account_id: Mapped[UUID]
    counter_account_id: Mapped[UUID | None]
    recurring_id: Mapped[UUID | None]
    recurring_on: Mapped[date | None]
    kind: Mapped[str] = mapped_column(String(10))
    status: Mapped[str] = mapped_column(String(10), server_default=TransactionStatus.PAID)
    date: Mapped[date]
    amount: Mapped[Decimal]
    currency: Mapped[str] = mapped_column(Currency)
    description: Mapped[str] = mapped_column(String(500))
    category_id: Mapped[UUID | None]
    budget_id: Mapped[UUID | None]
    vendor: Mapped[str | None] = mapped_column(String(200))
    invoice_number: Mapped[str | None] = mapped_column(String(100))
    payment_method: Mapped[str | None] = mapped_column(String(20))
    external_id: Mapped[str | None] = mapped_column(String(200))
    auto_categorised: Mapped[bool] = mapped_column(server_default=text("false"))
    confidence: Mapped[int | None] = mapped_column(SmallInteger)
    created_by: Mapped[UUID | None]
    deleted_at: Mapped[datetime | None]


class TransactionTag(Tenant, Tracked, Base):
    __tablename__ = "transaction_tags"
    __table_args__ = (
        tenant_key("transaction_id", "transactions", ondelete="CASCADE"),
        tenant_key("tag_id", "tags", ondelete="CASCADE"),
        Index("ix_transaction_tags_tag", "organization_id", "tag_id"),
    )

    transaction_id: Mapped[UUID] = mapped_column(primary_key=True)
    tag_id: Mapped[UUID] = mapped_column(primary_key=True)


class TransactionSplit(TenantIdentified, Tracked, Base):
    """A part of a transaction's amount with its own category, budget or tag.

    The parts of one transaction sum to its amount; the ledger service keeps that.
    """

    __tablename__ = "transaction_splits"
    __table_args__ = (
        tenant_key("transaction_id", "transactions", ondelete="CASCADE"),
        tenant_key("category_id", "categories"),
        tenant_key("budget_id", "budgets"),
        tenant_key("tag_id", "tags"),
        CheckConstraint("amount > 0", name="amount_positive"),
        Index("ix_transaction_splits_transaction", "organization_id", "transaction_id"),
    )

    transaction_id: Mapped[UUID]
    amount: Mapped[Decimal]
    category_id: Mapped[UUID | None]
    budget_id: Mapped[UUID | None]
    tag_id: Mapped[UUID | None]
    description: Mapped[str | None] = mapped_column(String(500))


class FxRate(Tenant, Tracked, Base):
    """On `date`, one unit of `base_currency` costs `rate` units of `quote_currency`."""

    __tablename__ = "fx_rates"
    __table_args__ = (
        currency_check("base_currency"),
        currency_check("quote_currency"),
        CheckConstraint("rate > 0", name="rate_positive"),
        CheckConstraint("base_currency <> quote_currency", name="pair_differs"),
    )

    base_currency: Mapped[str] = mapped_column(Currency, primary_key=True)
    quote_currency: Mapped[str] = mapped_column(Currency, primary_key=True)
    date: Mapped[date] = mapped_column(primary_key=True)
    rate: Mapped[Decimal] = mapped_column(Numeric(20, 10))
    source: Mapped[str] = mapped_column(String(100))

"""Tables of what is booked again and again."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import (
    Base,
    Currency,
    Tenant,
    TenantIdentified,
    Timestamped,
    currency_check,
    member_key,
    one_of,
    tenant_key,
)
from backend.ledger.models import PaymentMethod, TransactionStatus


class RecurringKind(StrEnum):
    EXPENSE = "expense"
    INCOME = "income"


class Frequency(StrEnum):
    """`rrule` is a recurrence rule of RFC 5545."""

    DAILY = "daily"
    WEEKLY = "weekly"
    BIWEEKLY = "biweekly"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    YEARLY = "yearly"
    RRULE = "rrule"


class RecurringStatus(StrEnum):
    """A recurring expense has ended once no date is left."""

    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"


class RecurringExpense(TenantIdentified, Timestamped, Base):
    """What is booked on each date of a schedule, which counts from `starts_on`.

    `next_date` is the first date that is neither booked nor skipped; None when there is none left.
    """

    __tablename__ = "recurring_expenses"
    __table_args__ = (
        tenant_key("account_id", "accounts"),
        tenant_key("category_id", "categories"),
        tenant_key("budget_id", "budgets"),
        member_key("created_by", ondelete="SET NULL (created_by)"),
        one_of("kind", RecurringKind),
        one_of("frequency", Frequency),
        one_of("status", RecurringStatus),
        one_of("payment_method", PaymentMethod),
        CheckConstraint(
            f"status_when_booked IN ('{TransactionStatus.PENDING}', '{TransactionStatus.PAID}')",
            name="status_when_booked_known",
        ),
        currency_check(),
        CheckConstraint("amount > 0", name="amount_positive"),
        CheckConstraint("(frequency = 'rrule') = (rrule IS NOT NULL)", name="rrule_of_rule"),
        CheckConstraint("(status = 'ended') = (next_date IS NULL)", name="ended_without_date"),
        CheckConstraint("starts_on <= ends_on", name="dates_in_order"),
        Index("ix_recurring_expenses_account", "organization_id", "account_id"),
        Index(
            "ix_recurring_expenses_due",
            "organization_id",
            "next_date",
            postgresql_where=text("status = 'active'"),
        ),
    )

    account_id: Mapped[UUID]
    kind: Mapped[str] = mapped_column(String(10), server_default=RecurringKind.EXPENSE)
    amount: Mapped[Decimal]
    currency: Mapped[str] = mapped_column(Currency)
    description: Mapped[str] = mapped_column(String(500))
    vendor: Mapped[str | None] = mapped_column(String(200))
    category_id: Mapped[UUID | None]
    budget_id: Mapped[UUID | None]
    payment_method: Mapped[str | None] = mapped_column(String(20))
    status_when_booked: Mapped[str] = mapped_column(
        String(10), server_default=TransactionStatus.PAID
    )
    frequency: Mapped[str] = mapped_column(String(10))
    rrule: Mapped[str | None] = mapped_column(String(200))
    starts_on: Mapped[date]
    ends_on: Mapped[date | None]
    next_date: Mapped[date | None]
    status: Mapped[str] = mapped_column(String(10), server_default=RecurringStatus.ACTIVE)
    paused_reason: Mapped[str | None] = mapped_column(String(200))
    created_by: Mapped[UUID | None]


class RecurringExpenseTag(Tenant, Base):
    __tablename__ = "recurring_expense_tags"
    __table_args__ = (
        tenant_key("recurring_id", "recurring_expenses", ondelete="CASCADE"),
        tenant_key("tag_id", "tags", ondelete="CASCADE"),
        Index("ix_recurring_expense_tags_tag", "organization_id", "tag_id"),
    )

    recurring_id: Mapped[UUID] = mapped_column(primary_key=True)
    tag_id: Mapped[UUID] = mapped_column(primary_key=True)

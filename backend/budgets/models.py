"""Budgets in a tree, their periods, and which budget each ledger line belongs to."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, FetchedValue, Index, String, text
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


class BudgetLevel(StrEnum):
    ORGANIZATION = "organization"
    TEAM = "team"
    DEPARTMENT = "department"
    PROJECT = "project"
    SERVICE = "service"
    REGION = "region"
    CAMPAIGN = "campaign"


class BudgetType(StrEnum):
    ANNUAL = "annual"
    QUARTERLY = "quarterly"
    MONTHLY = "monthly"
    CAMPAIGN = "campaign"
    DEPARTMENTAL = "departmental"
    PROJECT = "project"
    CUSTOM = "custom"


class AttributionRule(StrEnum):
    EXPLICIT = "explicit"


class Budget(TenantIdentified, Timestamped, Tracked, Base):
    """`amount` is for one period; a trigger keeps `root_id` and refuses cycles."""

    __tablename__ = "budgets"
    __table_args__ = (
        tenant_key("parent_id", "budgets"),
        member_key("owner_id"),
        one_of("level", BudgetLevel),
        one_of("type", BudgetType),
        currency_check(),
        CheckConstraint("amount >= 0", name="amount_not_negative"),
        CheckConstraint("starts_on <= ends_on", name="dates_in_order"),
        # A row a day is built of every budget, in everybody's refresh.
        CheckConstraint("ends_on < starts_on + interval '20 years'", name="at_most_twenty_years"),
        CheckConstraint(
            "0 < warning_threshold AND warning_threshold <= critical_threshold "
            "AND critical_threshold <= 1000",
            name="thresholds_in_order",
        ),
        Index("ix_budgets_parent", "organization_id", "parent_id"),
        Index("ix_budgets_owner", "organization_id", "owner_id"),
    )

    parent_id: Mapped[UUID | None]
    root_id: Mapped[UUID] = mapped_column(server_default=FetchedValue())
    owner_id: Mapped[UUID]
    name: Mapped[str] = mapped_column(String(200))
    description: Mapped[str | None] = mapped_column(String(2000))
    level: Mapped[str] = mapped_column(String(20))
    type: Mapped[str] = mapped_column(String(20))
    amount: Mapped[Decimal]
    currency: Mapped[str] = mapped_column(Currency)
    starts_on: Mapped[date]
    ends_on: Mapped[date]
    warning_threshold: Mapped[int] = mapped_column(server_default=text("75"))
    critical_threshold: Mapped[int] = mapped_column(server_default=text("90"))
    archived_at: Mapped[datetime | None]


class BudgetPeriod(Tenant, Tracked, Base):
    """One period of a budget, both days included; periods of one budget do not overlap."""

    __tablename__ = "budget_periods"
    __table_args__ = (
        tenant_key("budget_id", "budgets", ondelete="CASCADE"),
        CheckConstraint("starts_on <= ends_on", name="dates_in_order"),
        CheckConstraint("amount >= 0", name="amount_not_negative"),
    )

    budget_id: Mapped[UUID] = mapped_column(primary_key=True)
    starts_on: Mapped[date] = mapped_column(primary_key=True)
    ends_on: Mapped[date]
    amount: Mapped[Decimal]


class BudgetShare(Tenant, Tracked, Base):
    """A budget that its owner shows to another member."""

    __tablename__ = "budget_shares"
    __table_args__ = (
        tenant_key("budget_id", "budgets", ondelete="CASCADE"),
        member_key("user_id", ondelete="CASCADE"),
        Index("ix_budget_shares_user", "organization_id", "user_id"),
    )

    budget_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(primary_key=True)


class BudgetAttribution(Tenant, Tracked, Base):
    """The budget that a ledger line counts in, once per tree; written by triggers only.

    A line is a split, or the transaction itself when it has none.
    """

    __tablename__ = "budget_attributions"
    __table_args__ = (
        tenant_key("transaction_id", "transactions", ondelete="CASCADE"),
        tenant_key("budget_id", "budgets", ondelete="CASCADE"),
        one_of("rule", AttributionRule),
        Index("ix_budget_attributions_transaction", "organization_id", "transaction_id"),
        Index("ix_budget_attributions_budget", "organization_id", "budget_id"),
    )

    line_id: Mapped[UUID] = mapped_column(primary_key=True)
    root_id: Mapped[UUID] = mapped_column(primary_key=True)
    transaction_id: Mapped[UUID]
    budget_id: Mapped[UUID]
    rule: Mapped[str] = mapped_column(String(20))

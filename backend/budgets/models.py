"""Budgets in a tree, their periods, and which budget each ledger line belongs to."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Computed, FetchedValue, Index, Numeric, String, text
from sqlalchemy.dialects.postgresql import ARRAY, INTEGER
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


class RolloverPolicy(StrEnum):
    NONE = "none"
    SURPLUS = "surplus"
    DEFICIT = "deficit"
    BOTH = "both"
    CAPPED = "capped"


class AttributionRule(StrEnum):
    EXPLICIT = "explicit"
    MATCHED = "matched"


class Budget(TenantIdentified, Timestamped, Tracked, Base):
    """`amount` is for one period; a trigger keeps `root_id` and refuses cycles."""

    __tablename__ = "budgets"
    __table_args__ = (
        tenant_key("parent_id", "budgets"),
        member_key("owner_id"),
        one_of("level", BudgetLevel),
        one_of("type", BudgetType),
        tenant_key("category_id", "categories"),
        currency_check(),
        CheckConstraint("amount >= 0", name="amount_not_negative"),
        CheckConstraint("starts_on <= ends_on", name="dates_in_order"),
        one_of("rollover_policy", RolloverPolicy),
        CheckConstraint(
            "(rollover_policy = 'capped') = (rollover_cap IS NOT NULL) AND rollover_cap >= 0",
            name="cap_of_capped_rollover",
        ),
        CheckConstraint("allocated_hours >= 0", name="hours_not_negative"),
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
    thresholds: Mapped[list[int]] = mapped_column(
        ARRAY(INTEGER), server_default=text("'{50,75,90,100}'")
    )
    category_id: Mapped[UUID | None]
    allocated_hours: Mapped[Decimal | None] = mapped_column(Numeric(10, 2))
    target_roi: Mapped[Decimal | None]
    target_cpa: Mapped[Decimal | None]
    ai_optimization: Mapped[bool] = mapped_column(server_default=text("false"))
    rollover_policy: Mapped[str] = mapped_column(String(20), server_default=RolloverPolicy.NONE)
    rollover_cap: Mapped[Decimal | None]
    allows_over_allocation: Mapped[bool] = mapped_column(server_default=text("false"))
    archived_at: Mapped[datetime | None]


class BudgetPeriod(Tenant, Tracked, Base):
    """One period of a budget, both days included; periods of one budget do not overlap.

    `amount` is what may be spent: what was planned, and `carried` from the periods before it, which
    is negative when they overspent.
    """

    __tablename__ = "budget_periods"
    __table_args__ = (
        tenant_key("budget_id", "budgets", ondelete="CASCADE"),
        CheckConstraint("starts_on <= ends_on", name="dates_in_order"),
        CheckConstraint("amount - carried >= 0", name="planned_not_negative"),
    )

    budget_id: Mapped[UUID] = mapped_column(primary_key=True)
    starts_on: Mapped[date] = mapped_column(primary_key=True)
    ends_on: Mapped[date]
    amount: Mapped[Decimal]
    carried: Mapped[Decimal] = mapped_column(server_default=text("0"))


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

    A line is a split, or the transaction itself when it has none, or a cloud cost. Its explicit
    budget wins in that budget's tree; in any other the most specific rule that matches it does.
    """

    __tablename__ = "budget_attributions"
    __table_args__ = (
        tenant_key("transaction_id", "transactions", ondelete="CASCADE"),
        tenant_key("budget_id", "budgets", ondelete="CASCADE"),
        tenant_key("rule_id", "budget_rules", ondelete="CASCADE"),
        one_of("rule", AttributionRule),
        tenant_key("cloud_cost_id", "cloud_costs", ondelete="CASCADE"),
        CheckConstraint("(rule = 'matched') = (rule_id IS NOT NULL)", name="rule_named"),
        CheckConstraint("num_nonnulls(transaction_id, cloud_cost_id) = 1", name="one_line"),
        Index(
            "ix_budget_attributions_cloud_cost",
            "organization_id",
            "cloud_cost_id",
            postgresql_where=text("cloud_cost_id IS NOT NULL"),
        ),
        Index(
            "ix_budget_attributions_rule",
            "organization_id",
            "rule_id",
            postgresql_where=text("rule_id IS NOT NULL"),
        ),
        Index("ix_budget_attributions_transaction", "organization_id", "transaction_id"),
        Index("ix_budget_attributions_budget", "organization_id", "budget_id"),
    )

    line_id: Mapped[UUID] = mapped_column(primary_key=True)
    root_id: Mapped[UUID] = mapped_column(primary_key=True)
    transaction_id: Mapped[UUID | None]
    cloud_cost_id: Mapped[UUID | None]
    budget_id: Mapped[UUID]
    rule: Mapped[str] = mapped_column(String(20))
    rule_id: Mapped[UUID | None]


class BudgetRule(TenantIdentified, Tracked, Base):
    """Lines that meet every condition given count in the budget; a category means its subtree too.

    More conditions are more specific, then a nearer category; of equals the older rule wins.
    `service` and `region` are those of cloud costs.
    """

    __tablename__ = "budget_rules"
    __table_args__ = (
        tenant_key("budget_id", "budgets", ondelete="CASCADE"),
        tenant_key("category_id", "categories"),
        tenant_key("tag_id", "tags"),
        tenant_key("account_id", "accounts"),
        member_key("created_by", ondelete="SET NULL (created_by)"),
        CheckConstraint("specificity > 0", name="has_a_condition"),
        Index("ix_budget_rules_budget", "organization_id", "budget_id"),
    )

    budget_id: Mapped[UUID]
    category_id: Mapped[UUID | None]
    tag_id: Mapped[UUID | None]
    account_id: Mapped[UUID | None]
    service: Mapped[str | None] = mapped_column(String(200))
    region: Mapped[str | None] = mapped_column(String(200))
    specificity: Mapped[int] = mapped_column(
        Computed("num_nonnulls(category_id, tag_id, account_id, service, region)", persisted=True)
    )
    created_by: Mapped[UUID | None]


class BudgetTransfer(TenantIdentified, Base):
    """Money moved between two budgets, within the periods that hold `transferred_on`."""

    __tablename__ = "budget_transfers"
    __table_args__ = (
        tenant_key("from_budget_id", "budgets"),
        tenant_key("to_budget_id", "budgets"),
        member_key("created_by", ondelete="SET NULL (created_by)"),
        currency_check(),
        CheckConstraint("amount > 0", name="amount_positive"),
        CheckConstraint("from_budget_id <> to_budget_id", name="two_budgets"),
        Index("ix_budget_transfers_from", "organization_id", "from_budget_id"),
        Index("ix_budget_transfers_to", "organization_id", "to_budget_id"),
    )

    from_budget_id: Mapped[UUID]
    to_budget_id: Mapped[UUID]
    transferred_on: Mapped[date]
    amount: Mapped[Decimal]
    currency: Mapped[str] = mapped_column(Currency)
    note: Mapped[str | None] = mapped_column(String(500))
    created_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))

"""Tables of what a budget is bound to: reservations, and the goals that it pays for."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, String, UniqueConstraint, text
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


class ReservationState(StrEnum):
    """`expired` is not among them: it follows from `expires_at` and the time."""

    RESERVED = "reserved"
    COMMITTED = "committed"
    RELEASED = "released"


class Reservation(TenantIdentified, Timestamped, Base):
    """Money set aside on a budget before the invoice comes.

    It is open, and counts as committed in the budget and all above it, while it is reserved and not
    expired, or committed and not settled. It is settled while its transaction, which is that of no
    other, counts in the budget or below it: one that is deleted, cancelled or moved away settles
    nothing (`counts_in_budget` in the migrations).
    """

    __tablename__ = "budget_reservations"
    __table_args__ = (
        tenant_key("budget_id", "budgets"),
        tenant_key("transaction_id", "transactions", ondelete="SET NULL (transaction_id)"),
        member_key("created_by", ondelete="SET NULL (created_by)"),
        one_of("state", ReservationState),
        currency_check(),
        UniqueConstraint("organization_id", "transaction_id"),
        CheckConstraint("amount > 0", name="amount_positive"),
        CheckConstraint(
            "transaction_id IS NULL OR state = 'committed'", name="settled_when_committed"
        ),
        Index(
            "ix_budget_reservations_open",
            "organization_id",
            "budget_id",
            postgresql_where=text("state <> 'released'"),
        ),
        Index("ix_budget_reservations_budget", "organization_id", "budget_id", "id"),
    )

    budget_id: Mapped[UUID]
    amount: Mapped[Decimal]
    currency: Mapped[str] = mapped_column(Currency)
    expected_on: Mapped[date]
    expires_at: Mapped[datetime | None]
    state: Mapped[str] = mapped_column(String(10), server_default=ReservationState.RESERVED)
    transaction_id: Mapped[UUID | None]
    description: Mapped[str | None] = mapped_column(String(500))
    created_by: Mapped[UUID | None]


class GoalType(StrEnum):
    LEADS = "leads"
    CONVERSIONS = "conversions"
    REVENUE = "revenue"
    AWARENESS = "awareness"
    ENGAGEMENT = "engagement"
    CUSTOM = "custom"


class Goal(TenantIdentified, Timestamped, Base):
    """A target that a budget pays for. `unit_value` is what one unit is worth in its currency."""

    __tablename__ = "goals"
    __table_args__ = (
        tenant_key("budget_id", "budgets", ondelete="CASCADE"),
        one_of("type", GoalType),
        CheckConstraint("target > 0", name="target_positive"),
        CheckConstraint("unit_value >= 0", name="unit_value_not_negative"),
        CheckConstraint("starts_on <= deadline", name="dates_in_order"),
        Index("ix_goals_budget", "organization_id", "budget_id"),
    )

    budget_id: Mapped[UUID]
    name: Mapped[str] = mapped_column(String(200))
    description: Mapped[str | None] = mapped_column(String(2000))
    type: Mapped[str] = mapped_column(String(20))
    target: Mapped[Decimal]
    unit: Mapped[str] = mapped_column(String(50))
    unit_value: Mapped[Decimal | None]
    starts_on: Mapped[date]
    deadline: Mapped[date]


class GoalProgress(Tenant, Base):
    """What a source counted towards a goal, in total, up to an instant; sources add up."""

    __tablename__ = "goal_progress"
    __table_args__ = (
        tenant_key("goal_id", "goals", ondelete="CASCADE"),
        member_key("recorded_by", ondelete="SET NULL (recorded_by)"),
        CheckConstraint("value >= 0", name="value_not_negative"),
    )

    goal_id: Mapped[UUID] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(String(100), primary_key=True)
    observed_at: Mapped[datetime] = mapped_column(primary_key=True)
    value: Mapped[Decimal]
    note: Mapped[str | None] = mapped_column(String(500))
    recorded_by: Mapped[UUID | None]
    recorded_at: Mapped[datetime] = mapped_column(server_default=text("now()"))

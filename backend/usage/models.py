"""What machines cost: the rows that cloud providers bill."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Computed, Index, LargeBinary, Numeric, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import Base, Currency, TenantIdentified, Tracked, currency_check, tenant_key

COST = Numeric(28, 12)


class CloudCost(TenantIdentified, Tracked, Base):
    """A row of a FOCUS file, as the provider billed it; `raw` is all of it, every value as text.

    Costs are negative for a credit. `row_digest` tells rows apart: what was imported once is not
    imported again. FOCUS periods are in UTC and leave their end out, and so `cost_date`, the day on
    which the charge began, is one in UTC.
    """

    __tablename__ = "cloud_costs"
    __table_args__ = (
        tenant_key("account_id", "accounts"),
        tenant_key("import_id", "imports"),
        currency_check("billing_currency"),
        CheckConstraint("charge_period_start < charge_period_end", name="period_in_order"),
        Index("uq_cloud_costs_row", "organization_id", "account_id", "row_digest", unique=True),
        Index("ix_cloud_costs_date", "organization_id", "cost_date", "id"),
        Index("ix_cloud_costs_account_date", "organization_id", "account_id", "cost_date", "id"),
        Index("ix_cloud_costs_import", "organization_id", "import_id"),
    )

    account_id: Mapped[UUID]
    import_id: Mapped[UUID]
    row_digest: Mapped[bytes] = mapped_column(LargeBinary)
    provider: Mapped[str] = mapped_column(String(200))
    service_name: Mapped[str] = mapped_column(String(200))
    service_category: Mapped[str | None] = mapped_column(String(200))
    region_id: Mapped[str | None] = mapped_column(String(200))
    region_name: Mapped[str | None] = mapped_column(String(200))
    resource_id: Mapped[str | None] = mapped_column(String(1000))
    sub_account_id: Mapped[str | None] = mapped_column(String(200))
    charge_category: Mapped[str] = mapped_column(String(50))
    charge_description: Mapped[str | None] = mapped_column(String(1000))
    charge_period_start: Mapped[datetime]
    charge_period_end: Mapped[datetime]
    billing_period_start: Mapped[datetime]
    billing_period_end: Mapped[datetime]
    cost_date: Mapped[date] = mapped_column(
        Computed("(charge_period_start AT TIME ZONE 'UTC')::date", persisted=True)
    )
    billed_cost: Mapped[Decimal] = mapped_column(COST)
    effective_cost: Mapped[Decimal] = mapped_column(COST)
    list_cost: Mapped[Decimal | None] = mapped_column(COST)
    contracted_cost: Mapped[Decimal | None] = mapped_column(COST)
    billing_currency: Mapped[str] = mapped_column(Currency)
    tags: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    raw: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))

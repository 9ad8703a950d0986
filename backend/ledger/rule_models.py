"""The table of the rules that give transactions their category."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import Base, TenantIdentified, Timestamped, one_of, tenant_key


class TextMatch(StrEnum):
    """All of them ignore case. There are no regular expressions: some never finish."""

    CONTAINS = "contains"
    EQUALS = "equals"
    STARTS_WITH = "starts_with"


class RuleKind(StrEnum):
    """Transfers have no category."""

    EXPENSE = "expense"
    INCOME = "income"
    REFUND = "refund"


class CategorisationRule(TenantIdentified, Timestamped, Base):
    """A transaction that meets every condition gets the category; the first such rule decides.

    The amounts are in the transaction's own currency, whichever it is.
    """

    __tablename__ = "categorisation_rules"
    __table_args__ = (
        tenant_key("account_id", "accounts", ondelete="CASCADE"),
        tenant_key("category_id", "categories"),
        one_of("vendor_match", TextMatch),
        one_of("description_match", TextMatch),
        one_of("kind", RuleKind),
        CheckConstraint("(vendor_match IS NULL) = (vendor_text IS NULL)", name="vendor_whole"),
        CheckConstraint(
            "(description_match IS NULL) = (description_text IS NULL)", name="description_whole"
        ),
        CheckConstraint("min_amount <= max_amount", name="amounts_in_order"),
        CheckConstraint(
            "num_nonnulls(vendor_text, description_text, min_amount, max_amount, account_id, kind)"
            " > 0",
            name="has_a_condition",
        ),
        Index("ix_categorisation_rules_position", "organization_id", "position", "id"),
    )

    name: Mapped[str] = mapped_column(String(200))
    position: Mapped[int]
    vendor_match: Mapped[str | None] = mapped_column(String(20))
    vendor_text: Mapped[str | None] = mapped_column(String(200))
    description_match: Mapped[str | None] = mapped_column(String(20))
    description_text: Mapped[str | None] = mapped_column(String(200))
    min_amount: Mapped[Decimal | None]
    max_amount: Mapped[Decimal | None]
    account_id: Mapped[UUID | None]
    kind: Mapped[str | None] = mapped_column(String(10))
    category_id: Mapped[UUID]
    active: Mapped[bool] = mapped_column(server_default=text("true"))

"""Recurring expenses, categorisation rules and receipts; and rates that say where they come from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from backend.db.migrations.rates import FX_QUOTE, FX_RATE
from backend.db.migrations.security import secure_tenant_table, touch_trigger

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TENANT = ("recurring_expenses", "recurring_expense_tags", "categorisation_rules", "receipts")


def upgrade() -> None:
    _create_tables()
    _link_transactions()
    for statement in (
        *(s for table in TENANT for s in secure_tenant_table(table)),
        touch_trigger("recurring_expenses", "touch_updated_at"),
        touch_trigger("categorisation_rules", "touch_updated_at"),
        *FX_QUOTE,
        FX_RATE,
    ):
        op.execute(statement)


def _link_transactions() -> None:
    op.add_column("transactions", sa.Column("recurring_id", sa.Uuid(), nullable=True))
    op.add_column("transactions", sa.Column("recurring_on", sa.Date(), nullable=True))
    op.create_foreign_key(
        op.f("fk_transactions_organization_id_recurring_id_recurring_expenses"),
        "transactions",
        "recurring_expenses",
        ["organization_id", "recurring_id"],
        ["organization_id", "id"],
        ondelete="SET NULL (recurring_id)",
    )
    op.create_index(
        "uq_transactions_recurring",
        "transactions",
        ["organization_id", "recurring_id", "recurring_on"],
        unique=True,
        postgresql_where=sa.text("recurring_id IS NOT NULL"),
    )


def downgrade() -> None:
    raise NotImplementedError("The ledger only ever moves forward.")


def _create_tables() -> None:
    op.create_table(
        "recurring_expenses",
        sa.Column(
            "organization_id",
            sa.Uuid(),
            server_default=sa.text("current_organization()"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=10), server_default="expense", nullable=False),
        sa.Column("amount", sa.Numeric(precision=18, scale=4), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("description", sa.String(length=500), nullable=False),
        sa.Column("vendor", sa.String(length=200), nullable=True),
        sa.Column("category_id", sa.Uuid(), nullable=True),
        sa.Column("budget_id", sa.Uuid(), nullable=True),
        sa.Column("payment_method", sa.String(length=20), nullable=True),
        sa.Column(
            "status_when_booked", sa.String(length=10), server_default="paid", nullable=False
        ),
        sa.Column("frequency", sa.String(length=10), nullable=False),
        sa.Column("rrule", sa.String(length=200), nullable=True),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("next_date", sa.Date(), nullable=True),
        sa.Column("status", sa.String(length=10), server_default="active", nullable=False),
        sa.Column("paused_reason", sa.String(length=200), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "(frequency = 'rrule') = (rrule IS NOT NULL)",
            name=op.f("ck_recurring_expenses_rrule_of_rule"),
        ),
        sa.CheckConstraint(
            "(status = 'ended') = (next_date IS NULL)",
            name=op.f("ck_recurring_expenses_ended_without_date"),
        ),
        sa.CheckConstraint(
            "currency ~ '^[A-Z]{3}$'", name=op.f("ck_recurring_expenses_currency_iso_4217")
        ),
        sa.CheckConstraint(
            "frequency IN ('daily', 'weekly', 'biweekly', 'monthly', 'quarterly', 'yearly', 'rrule')",
            name=op.f("ck_recurring_expenses_frequency_known"),
        ),
        sa.CheckConstraint(
            "kind IN ('expense', 'income')", name=op.f("ck_recurring_expenses_kind_known")
        ),
        sa.CheckConstraint(
            "payment_method IN ('credit_card', 'bank_transfer', 'cash', 'check', 'paypal', 'other')",
            name=op.f("ck_recurring_expenses_payment_method_known"),
        ),
        sa.CheckConstraint(
            "status IN ('active', 'paused', 'ended')",
            name=op.f("ck_recurring_expenses_status_known"),
        ),
        sa.CheckConstraint(
            "status_when_booked IN ('pending', 'paid')",
            name=op.f("ck_recurring_expenses_status_when_booked_known"),
        ),
        sa.CheckConstraint("amount > 0", name=op.f("ck_recurring_expenses_amount_positive")),
        sa.CheckConstraint(
            "starts_on <= ends_on", name=op.f("ck_recurring_expenses_dates_in_order")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "account_id"],
            ["accounts.organization_id", "accounts.id"],
            name=op.f("fk_recurring_expenses_organization_id_account_id_accounts"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "budget_id"],
            ["budgets.organization_id", "budgets.id"],
            name=op.f("fk_recurring_expenses_organization_id_budget_id_budgets"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "category_id"],
            ["categories.organization_id", "categories.id"],
            name=op.f("fk_recurring_expenses_organization_id_category_id_categories"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "created_by"],
            ["members.organization_id", "members.user_id"],
            name=op.f("fk_recurring_expenses_organization_id_created_by_members"),
            ondelete="SET NULL (created_by)",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_recurring_expenses_organization_id_organizations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_recurring_expenses")),
    )
    op.create_index(
        "ix_recurring_expenses_account",
        "recurring_expenses",
        ["organization_id", "account_id"],
        unique=False,
    )
    op.create_index(
        "ix_recurring_expenses_due",
        "recurring_expenses",
        ["organization_id", "next_date"],
        unique=False,
        postgresql_where=sa.text("status = 'active'"),
    )
    op.create_table(
        "recurring_expense_tags",
        sa.Column(
            "organization_id",
            sa.Uuid(),
            server_default=sa.text("current_organization()"),
            nullable=False,
        ),
        sa.Column("recurring_id", sa.Uuid(), nullable=False),
        sa.Column("tag_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "recurring_id"],
            ["recurring_expenses.organization_id", "recurring_expenses.id"],
            name=op.f("fk_recurring_expense_tags_organization_id_recurring_id_recurring_expenses"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "tag_id"],
            ["tags.organization_id", "tags.id"],
            name=op.f("fk_recurring_expense_tags_organization_id_tag_id_tags"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_recurring_expense_tags_organization_id_organizations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "organization_id", "recurring_id", "tag_id", name=op.f("pk_recurring_expense_tags")
        ),
    )
    op.create_index(
        "ix_recurring_expense_tags_tag",
        "recurring_expense_tags",
        ["organization_id", "tag_id"],
        unique=False,
    )
    op.create_table(
        "categorisation_rules",
        sa.Column(
            "organization_id",
            sa.Uuid(),
            server_default=sa.text("current_organization()"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("vendor_match", sa.String(length=20), nullable=True),
        sa.Column("vendor_text", sa.String(length=200), nullable=True),
        sa.Column("description_match", sa.String(length=20), nullable=True),
        sa.Column("description_text", sa.String(length=200), nullable=True),
        sa.Column("min_amount", sa.Numeric(precision=18, scale=4), nullable=True),
        sa.Column("max_amount", sa.Numeric(precision=18, scale=4), nullable=True),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.String(length=10), nullable=True),
        sa.Column("category_id", sa.Uuid(), nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "description_match IN ('contains', 'equals', 'starts_with')",
            name=op.f("ck_categorisation_rules_description_match_known"),
        ),
        sa.CheckConstraint(
            "kind IN ('expense', 'income', 'refund')",
            name=op.f("ck_categorisation_rules_kind_known"),
        ),
        sa.CheckConstraint(
            "vendor_match IN ('contains', 'equals', 'starts_with')",
            name=op.f("ck_categorisation_rules_vendor_match_known"),
        ),
        sa.CheckConstraint(
            "(description_match IS NULL) = (description_text IS NULL)",
            name=op.f("ck_categorisation_rules_description_whole"),
        ),
        sa.CheckConstraint(
            "(vendor_match IS NULL) = (vendor_text IS NULL)",
            name=op.f("ck_categorisation_rules_vendor_whole"),
        ),
        sa.CheckConstraint(
            "min_amount <= max_amount", name=op.f("ck_categorisation_rules_amounts_in_order")
        ),
        sa.CheckConstraint(
            "num_nonnulls(vendor_text, description_text, min_amount, max_amount, account_id, kind) > 0",
            name=op.f("ck_categorisation_rules_has_a_condition"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "account_id"],
            ["accounts.organization_id", "accounts.id"],
            name=op.f("fk_categorisation_rules_organization_id_account_id_accounts"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "category_id"],
            ["categories.organization_id", "categories.id"],
            name=op.f("fk_categorisation_rules_organization_id_category_id_categories"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_categorisation_rules_organization_id_organizations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_categorisation_rules")),
    )
    op.create_index(
        "ix_categorisation_rules_position",
        "categorisation_rules",
        ["organization_id", "position", "id"],
        unique=False,
    )
    op.create_table(
        "receipts",
        sa.Column(
            "organization_id",
            sa.Uuid(),
            server_default=sa.text("current_organization()"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("transaction_id", sa.Uuid(), nullable=False),
        sa.Column("file_name", sa.String(length=200), nullable=False),
        sa.Column("content_type", sa.String(length=50), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("storage_key", sa.String(length=100), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("size > 0", name=op.f("ck_receipts_size_positive")),
        sa.ForeignKeyConstraint(
            ["organization_id", "created_by"],
            ["members.organization_id", "members.user_id"],
            name=op.f("fk_receipts_organization_id_created_by_members"),
            ondelete="SET NULL (created_by)",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "transaction_id"],
            ["transactions.organization_id", "transactions.id"],
            name=op.f("fk_receipts_organization_id_transaction_id_transactions"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_receipts_organization_id_organizations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_receipts")),
        sa.UniqueConstraint(
            "organization_id", "storage_key", name=op.f("uq_receipts_organization_id_storage_key")
        ),
        sa.UniqueConstraint(
            "organization_id",
            "transaction_id",
            name=op.f("uq_receipts_organization_id_transaction_id"),
        ),
    )

"""Budgets: matching rules, rollover, transfers, reservations and goals."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from backend.db.base import Xid8
from backend.db.migrations.budget_matching import (
    BUDGET_LINES,
    COUNTS_IN_BUDGET,
    REMATCHING,
    RESOLUTION,
)
from backend.db.migrations.rule_endings import RULE_ENDINGS
from backend.db.migrations.security import secure_tenant_table, touch_trigger

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TENANT = ("budget_rules", "budget_transfers", "budget_reservations", "goals", "goal_progress")


def upgrade() -> None:
    _extend_budgets()
    _create_tables()
    _extend_attributions()
    for statement in (
        *(s for table in TENANT for s in secure_tenant_table(table)),
        touch_trigger("budget_rules", "touch_changed_xid"),
        touch_trigger("budget_reservations", "touch_updated_at"),
        touch_trigger("goals", "touch_updated_at"),
        *RESOLUTION,
        *REMATCHING,
        *RULE_ENDINGS,
        BUDGET_LINES,
        COUNTS_IN_BUDGET,
        "GRANT SELECT ON budget_lines TO outlay_app",
    ):
        op.execute(statement)


def _extend_budgets() -> None:
    for column in (
        sa.Column(
            "thresholds",
            postgresql.ARRAY(sa.INTEGER()),
            server_default=sa.text("'{50,75,90,100}'"),
            nullable=False,
        ),
        sa.Column("category_id", sa.Uuid(), nullable=True),
        sa.Column("allocated_hours", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("target_roi", sa.Numeric(precision=18, scale=4), nullable=True),
        sa.Column("target_cpa", sa.Numeric(precision=18, scale=4), nullable=True),
        sa.Column("ai_optimization", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("rollover_policy", sa.String(length=20), server_default="none", nullable=False),
        sa.Column("rollover_cap", sa.Numeric(precision=18, scale=4), nullable=True),
        sa.Column(
            "allows_over_allocation", sa.Boolean(), server_default=sa.text("false"), nullable=False
        ),
    ):
        op.add_column("budgets", column)
    op.create_foreign_key(
        op.f("fk_budgets_organization_id_category_id_categories"),
        "budgets",
        "categories",
        ["organization_id", "category_id"],
        ["organization_id", "id"],
    )
    op.create_check_constraint(
        op.f("ck_budgets_rollover_policy_known"),
        "budgets",
        "rollover_policy IN ('none', 'surplus', 'deficit', 'both', 'capped')",
    )
    op.create_check_constraint(
        op.f("ck_budgets_cap_of_capped_rollover"),
        "budgets",
        "(rollover_policy = 'capped') = (rollover_cap IS NOT NULL) AND rollover_cap >= 0",
    )
    op.create_check_constraint(
        op.f("ck_budgets_hours_not_negative"), "budgets", "allocated_hours >= 0"
    )
    op.add_column(
        "budget_periods",
        sa.Column(
            "carried",
            sa.Numeric(precision=18, scale=4),
            server_default=sa.text("0"),
            nullable=False,
        ),
    )
    op.drop_constraint(op.f("ck_budget_periods_amount_not_negative"), "budget_periods")
    op.create_check_constraint(
        op.f("ck_budget_periods_planned_not_negative"), "budget_periods", "amount - carried >= 0"
    )


def _extend_attributions() -> None:
    op.add_column("budget_attributions", sa.Column("rule_id", sa.Uuid(), nullable=True))
    op.create_index(
        "ix_budget_attributions_rule",
        "budget_attributions",
        ["organization_id", "rule_id"],
        postgresql_where=sa.text("rule_id IS NOT NULL"),
    )
    op.create_foreign_key(
        op.f("fk_budget_attributions_organization_id_rule_id_budget_rules"),
        "budget_attributions",
        "budget_rules",
        ["organization_id", "rule_id"],
        ["organization_id", "id"],
        ondelete="CASCADE",
    )
    op.drop_constraint(op.f("ck_budget_attributions_rule_known"), "budget_attributions")
    op.create_check_constraint(
        op.f("ck_budget_attributions_rule_known"),
        "budget_attributions",
        "rule IN ('explicit', 'matched')",
    )
    op.create_check_constraint(
        op.f("ck_budget_attributions_rule_named"),
        "budget_attributions",
        "(rule = 'matched') = (rule_id IS NOT NULL)",
    )


def _create_tables() -> None:
    op.create_table(
        "budget_rules",
        sa.Column(
            "organization_id",
            sa.Uuid(),
            server_default=sa.text("current_organization()"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("budget_id", sa.Uuid(), nullable=False),
        sa.Column("category_id", sa.Uuid(), nullable=True),
        sa.Column("tag_id", sa.Uuid(), nullable=True),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("service", sa.String(length=200), nullable=True),
        sa.Column("region", sa.String(length=200), nullable=True),
        sa.Column(
            "specificity",
            sa.Integer(),
            sa.Computed(
                "num_nonnulls(category_id, tag_id, account_id, service, region)", persisted=True
            ),
            nullable=False,
        ),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column(
            "changed_xid", Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False
        ),
        sa.CheckConstraint("specificity > 0", name=op.f("ck_budget_rules_has_a_condition")),
        sa.ForeignKeyConstraint(
            ["organization_id", "account_id"],
            ["accounts.organization_id", "accounts.id"],
            name=op.f("fk_budget_rules_organization_id_account_id_accounts"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "budget_id"],
            ["budgets.organization_id", "budgets.id"],
            name=op.f("fk_budget_rules_organization_id_budget_id_budgets"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "category_id"],
            ["categories.organization_id", "categories.id"],
            name=op.f("fk_budget_rules_organization_id_category_id_categories"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "created_by"],
            ["members.organization_id", "members.user_id"],
            name=op.f("fk_budget_rules_organization_id_created_by_members"),
            ondelete="SET NULL (created_by)",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "tag_id"],
            ["tags.organization_id", "tags.id"],
            name=op.f("fk_budget_rules_organization_id_tag_id_tags"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_budget_rules_organization_id_organizations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_budget_rules")),
    )
    op.create_index(
        "ix_budget_rules_budget", "budget_rules", ["organization_id", "budget_id"], unique=False
    )
    op.create_table(
        "budget_transfers",
        sa.Column(
            "organization_id",
            sa.Uuid(),
            server_default=sa.text("current_organization()"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("from_budget_id", sa.Uuid(), nullable=False),
        sa.Column("to_budget_id", sa.Uuid(), nullable=False),
        sa.Column("transferred_on", sa.Date(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=18, scale=4), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("note", sa.String(length=500), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "currency ~ '^[A-Z]{3}$'", name=op.f("ck_budget_transfers_currency_iso_4217")
        ),
        sa.CheckConstraint("amount > 0", name=op.f("ck_budget_transfers_amount_positive")),
        sa.CheckConstraint(
            "from_budget_id <> to_budget_id", name=op.f("ck_budget_transfers_two_budgets")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "created_by"],
            ["members.organization_id", "members.user_id"],
            name=op.f("fk_budget_transfers_organization_id_created_by_members"),
            ondelete="SET NULL (created_by)",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "from_budget_id"],
            ["budgets.organization_id", "budgets.id"],
            name=op.f("fk_budget_transfers_organization_id_from_budget_id_budgets"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "to_budget_id"],
            ["budgets.organization_id", "budgets.id"],
            name=op.f("fk_budget_transfers_organization_id_to_budget_id_budgets"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_budget_transfers_organization_id_organizations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_budget_transfers")),
    )
    op.create_index(
        "ix_budget_transfers_from",
        "budget_transfers",
        ["organization_id", "from_budget_id"],
        unique=False,
    )
    op.create_index(
        "ix_budget_transfers_to",
        "budget_transfers",
        ["organization_id", "to_budget_id"],
        unique=False,
    )
    op.create_table(
        "budget_reservations",
        sa.Column(
            "organization_id",
            sa.Uuid(),
            server_default=sa.text("current_organization()"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("budget_id", sa.Uuid(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=18, scale=4), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("expected_on", sa.Date(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.String(length=10), server_default="reserved", nullable=False),
        sa.Column("transaction_id", sa.Uuid(), nullable=True),
        sa.Column("description", sa.String(length=500), nullable=True),
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
            "currency ~ '^[A-Z]{3}$'", name=op.f("ck_budget_reservations_currency_iso_4217")
        ),
        sa.CheckConstraint(
            "state IN ('reserved', 'committed', 'released')",
            name=op.f("ck_budget_reservations_state_known"),
        ),
        sa.CheckConstraint(
            "transaction_id IS NULL OR state = 'committed'",
            name=op.f("ck_budget_reservations_settled_when_committed"),
        ),
        sa.CheckConstraint("amount > 0", name=op.f("ck_budget_reservations_amount_positive")),
        sa.ForeignKeyConstraint(
            ["organization_id", "budget_id"],
            ["budgets.organization_id", "budgets.id"],
            name=op.f("fk_budget_reservations_organization_id_budget_id_budgets"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "created_by"],
            ["members.organization_id", "members.user_id"],
            name=op.f("fk_budget_reservations_organization_id_created_by_members"),
            ondelete="SET NULL (created_by)",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "transaction_id"],
            ["transactions.organization_id", "transactions.id"],
            name=op.f("fk_budget_reservations_organization_id_transaction_id_transactions"),
            ondelete="SET NULL (transaction_id)",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_budget_reservations_organization_id_organizations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_budget_reservations")),
        sa.UniqueConstraint(
            "organization_id",
            "transaction_id",
            name=op.f("uq_budget_reservations_organization_id_transaction_id"),
        ),
    )
    op.create_index(
        "ix_budget_reservations_budget",
        "budget_reservations",
        ["organization_id", "budget_id", "id"],
        unique=False,
    )
    op.create_index(
        "ix_budget_reservations_open",
        "budget_reservations",
        ["organization_id", "budget_id"],
        unique=False,
        postgresql_where=sa.text("state <> 'released'"),
    )
    op.create_table(
        "goals",
        sa.Column(
            "organization_id",
            sa.Uuid(),
            server_default=sa.text("current_organization()"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("budget_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("description", sa.String(length=2000), nullable=True),
        sa.Column("type", sa.String(length=20), nullable=False),
        sa.Column("target", sa.Numeric(precision=18, scale=4), nullable=False),
        sa.Column("unit", sa.String(length=50), nullable=False),
        sa.Column("unit_value", sa.Numeric(precision=18, scale=4), nullable=True),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("deadline", sa.Date(), nullable=False),
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
            "type IN ('leads', 'conversions', 'revenue', 'awareness', 'engagement', 'custom')",
            name=op.f("ck_goals_type_known"),
        ),
        sa.CheckConstraint("starts_on <= deadline", name=op.f("ck_goals_dates_in_order")),
        sa.CheckConstraint("target > 0", name=op.f("ck_goals_target_positive")),
        sa.CheckConstraint("unit_value >= 0", name=op.f("ck_goals_unit_value_not_negative")),
        sa.ForeignKeyConstraint(
            ["organization_id", "budget_id"],
            ["budgets.organization_id", "budgets.id"],
            name=op.f("fk_goals_organization_id_budget_id_budgets"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_goals_organization_id_organizations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_goals")),
    )
    op.create_index("ix_goals_budget", "goals", ["organization_id", "budget_id"], unique=False)
    op.create_table(
        "goal_progress",
        sa.Column(
            "organization_id",
            sa.Uuid(),
            server_default=sa.text("current_organization()"),
            nullable=False,
        ),
        sa.Column("goal_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.String(length=100), nullable=False),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("value", sa.Numeric(precision=18, scale=4), nullable=False),
        sa.Column("note", sa.String(length=500), nullable=True),
        sa.Column("recorded_by", sa.Uuid(), nullable=True),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("value >= 0", name=op.f("ck_goal_progress_value_not_negative")),
        sa.ForeignKeyConstraint(
            ["organization_id", "goal_id"],
            ["goals.organization_id", "goals.id"],
            name=op.f("fk_goal_progress_organization_id_goal_id_goals"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "recorded_by"],
            ["members.organization_id", "members.user_id"],
            name=op.f("fk_goal_progress_organization_id_recorded_by_members"),
            ondelete="SET NULL (recorded_by)",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_goal_progress_organization_id_organizations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "organization_id", "goal_id", "source", "observed_at", name=op.f("pk_goal_progress")
        ),
    )


def downgrade() -> None:
    raise NotImplementedError("Budgets only ever move forward.")

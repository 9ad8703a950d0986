"""Imported files, the cloud costs that come from them, and the budgets that these count in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from backend.db.base import Xid8
from backend.db.migrations.cloud_matching import BUDGET_LINES, CLOUD_MATCHING
from backend.db.migrations.security import secure_tenant_table, touch_trigger

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TENANT = ("imports", "cloud_costs")


def upgrade() -> None:
    _create_imports()
    _create_cloud_costs()
    _extend_attributions()
    for statement in (
        *(s for table in TENANT for s in secure_tenant_table(table)),
        touch_trigger("imports", "touch_updated_at"),
        touch_trigger("cloud_costs", "touch_changed_xid"),
        *CLOUD_MATCHING,
        "DROP VIEW budget_lines",  # its columns have other types now
        BUDGET_LINES,
        "GRANT SELECT ON budget_lines TO outlay_app",
    ):
        op.execute(statement)


def _tenant() -> list[sa.Column[object]]:
    return [
        sa.Column(
            "organization_id",
            sa.Uuid(),
            server_default=sa.text("current_organization()"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
    ]


def _instant(name: str, *, default: bool = False) -> sa.Column[object]:
    return sa.Column(
        name,
        sa.DateTime(timezone=True),
        nullable=False,
        server_default=sa.text("now()") if default else None,
    )


def _key(
    table: str, column: str, target: str, ondelete: str | None = None
) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["organization_id", column],
        [f"{target}.organization_id", f"{target}.id"],
        name=op.f(f"fk_{table}_organization_id_{column}_{target}"),
        ondelete=ondelete,
    )


def _of_organization(table: str) -> list[sa.Constraint]:
    return [
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f(f"fk_{table}_organization_id_organizations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f(f"pk_{table}")),
    ]


def _create_imports() -> None:
    op.create_table(
        "imports",
        *_tenant(),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("format", sa.String(length=10), nullable=False),
        sa.Column("filename", sa.String(length=200), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("created", sa.Integer(), nullable=False),
        sa.Column("duplicates", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        _instant("created_at", default=True),
        _instant("updated_at", default=True),
        sa.CheckConstraint(
            "format IN ('csv', 'ofx', 'camt053', 'focus')", name=op.f("ck_imports_format_known")
        ),
        sa.CheckConstraint(
            "created >= 0 AND duplicates >= 0 AND failed >= 0", name=op.f("ck_imports_counts")
        ),
        _key("imports", "account_id", "accounts", "CASCADE"),
        sa.ForeignKeyConstraint(
            ["organization_id", "created_by"],
            ["members.organization_id", "members.user_id"],
            name=op.f("fk_imports_organization_id_created_by_members"),
            ondelete="SET NULL (created_by)",
        ),
        *_of_organization("imports"),
    )
    op.create_index("ix_imports_account", "imports", ["organization_id", "account_id", "id"])


def _create_cloud_costs() -> None:
    cost = sa.Numeric(precision=28, scale=12)
    op.create_table(
        "cloud_costs",
        *_tenant(),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("row_digest", sa.LargeBinary(), nullable=False),
        sa.Column("provider", sa.String(length=200), nullable=False),
        sa.Column("service_name", sa.String(length=200), nullable=False),
        sa.Column("service_category", sa.String(length=200), nullable=True),
        sa.Column("region_id", sa.String(length=200), nullable=True),
        sa.Column("region_name", sa.String(length=200), nullable=True),
        sa.Column("resource_id", sa.String(length=1000), nullable=True),
        sa.Column("sub_account_id", sa.String(length=200), nullable=True),
        sa.Column("charge_category", sa.String(length=50), nullable=False),
        sa.Column("charge_description", sa.String(length=1000), nullable=True),
        _instant("charge_period_start"),
        _instant("charge_period_end"),
        _instant("billing_period_start"),
        _instant("billing_period_end"),
        sa.Column(
            "cost_date",
            sa.Date(),
            sa.Computed("(charge_period_start AT TIME ZONE 'UTC')::date", persisted=True),
            nullable=False,
        ),
        sa.Column("billed_cost", cost, nullable=False),
        sa.Column("effective_cost", cost, nullable=False),
        sa.Column("list_cost", cost, nullable=True),
        sa.Column("contracted_cost", cost, nullable=True),
        sa.Column("billing_currency", sa.CHAR(length=3), nullable=False),
        sa.Column("tags", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("raw", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        _instant("created_at", default=True),
        sa.Column(
            "changed_xid", Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False
        ),
        sa.CheckConstraint(
            "billing_currency ~ '^[A-Z]{3}$'", name=op.f("ck_cloud_costs_billing_currency_iso_4217")
        ),
        sa.CheckConstraint(
            "charge_period_start < charge_period_end", name=op.f("ck_cloud_costs_period_in_order")
        ),
        _key("cloud_costs", "account_id", "accounts"),
        _key("cloud_costs", "import_id", "imports"),
        *_of_organization("cloud_costs"),
    )
    for name, *columns in (
        ("ix_cloud_costs_date", "cost_date", "id"),
        ("ix_cloud_costs_account_date", "account_id", "cost_date", "id"),
        ("ix_cloud_costs_import", "import_id"),
    ):
        op.create_index(name, "cloud_costs", ["organization_id", *columns])
    op.create_index(
        "uq_cloud_costs_row",
        "cloud_costs",
        ["organization_id", "account_id", "row_digest"],
        unique=True,
    )


def _extend_attributions() -> None:
    op.alter_column("budget_attributions", "transaction_id", nullable=True)
    op.add_column("budget_attributions", sa.Column("cloud_cost_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_budget_attributions_organization_id_cloud_cost_id_cloud_costs"),
        "budget_attributions",
        "cloud_costs",
        ["organization_id", "cloud_cost_id"],
        ["organization_id", "id"],
        ondelete="CASCADE",
    )
    op.create_check_constraint(
        op.f("ck_budget_attributions_one_line"),
        "budget_attributions",
        "num_nonnulls(transaction_id, cloud_cost_id) = 1",
    )
    op.create_index(
        "ix_budget_attributions_cloud_cost",
        "budget_attributions",
        ["organization_id", "cloud_cost_id"],
        postgresql_where=sa.text("cloud_cost_id IS NOT NULL"),
    )


def downgrade() -> None:
    raise NotImplementedError("Cloud costs only ever move forward.")

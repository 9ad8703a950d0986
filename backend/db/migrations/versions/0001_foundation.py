"""Foundation: identity, ledger, budgets, refresh records, and the walls between tenants."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from backend.db.base import Xid8
from backend.db.migrations.attribution import ATTRIBUTION, BUDGET_TREE, FX_RATE
from backend.db.migrations.security import (
    CURRENT_ORGANIZATION,
    IDENTITY_FUNCTIONS,
    SCOPE_NOTIFICATIONS,
    SECURE_USERS,
    STATISTICS,
    TOUCH_FUNCTIONS,
    secure_tenant_table,
    touch_trigger,
)

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


TENANT = (
    "categories",
    "fx_rates",
    "institutions",
    "members",
    "tags",
    "api_tokens",
    "budgets",
    "connections",
    "refreshes",
    "accounts",
    "budget_periods",
    "budget_shares",
    "account_shares",
    "balance_snapshots",
    "transactions",
    "budget_attributions",
    "transaction_splits",
    "transaction_tags",
)
TRACKED = (
    "categories",
    "fx_rates",
    "institutions",
    "tags",
    "budgets",
    "connections",
    "accounts",
    "budget_periods",
    "budget_shares",
    "account_shares",
    "balance_snapshots",
    "transactions",
    "budget_attributions",
    "transaction_splits",
    "transaction_tags",
)
TIMESTAMPED = (
    "organizations",
    "users",
    "categories",
    "institutions",
    "members",
    "tags",
    "api_tokens",
    "budgets",
    "connections",
    "refreshes",
    "accounts",
    "transactions",
)


def upgrade() -> None:
    op.execute(CURRENT_ORGANIZATION)
    _create_tables()
    for statement in (
        *secure_tenant_table("organizations", key="id"),
        *(s for table in TENANT for s in secure_tenant_table(table)),
        *SECURE_USERS,
        *TOUCH_FUNCTIONS,
        *(touch_trigger(table, "touch_updated_at") for table in TIMESTAMPED),
        *(touch_trigger(table, "touch_changed_xid") for table in TRACKED),
        *SCOPE_NOTIFICATIONS,
        *IDENTITY_FUNCTIONS,
        *BUDGET_TREE,
        *ATTRIBUTION,
        FX_RATE,
        *STATISTICS,
    ):
        op.execute(statement)


def _create_tables() -> None:
    op.create_table(
        "organizations",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=20), server_default="company", nullable=False),
        sa.Column("base_currency", sa.CHAR(length=3), nullable=False),
        sa.Column("time_zone", sa.String(length=64), server_default="UTC", nullable=False),
        sa.Column(
            "fiscal_year_start_month", sa.Integer(), server_default=sa.text("1"), nullable=False
        ),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
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
            "base_currency ~ '^[A-Z]{3}$'", name=op.f("ck_organizations_base_currency_iso_4217")
        ),
        sa.CheckConstraint(
            "kind IN ('personal', 'household', 'company')", name=op.f("ck_organizations_kind_known")
        ),
        sa.CheckConstraint(
            "fiscal_year_start_month BETWEEN 1 AND 12", name=op.f("ck_organizations_fiscal_month")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organizations")),
    )
    op.create_table(
        "users",
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("password_hash", sa.String(), nullable=True),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
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
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
    )
    op.create_index("uq_users_email", "users", [sa.literal_column("lower(email)")], unique=True)
    op.create_table(
        "categories",
        sa.Column(
            "organization_id",
            sa.Uuid(),
            server_default=sa.text("current_organization()"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("description", sa.String(length=2000), nullable=True),
        sa.Column("colour", sa.String(length=7), nullable=True),
        sa.Column("icon", sa.String(length=50), nullable=True),
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
        sa.Column(
            "changed_xid", Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False
        ),
        sa.CheckConstraint("parent_id <> id", name=op.f("ck_categories_not_own_parent")),
        sa.ForeignKeyConstraint(
            ["organization_id", "parent_id"],
            ["categories.organization_id", "categories.id"],
            name=op.f("fk_categories_organization_id_parent_id_categories"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_categories_organization_id_organizations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_categories")),
        sa.UniqueConstraint(
            "organization_id",
            "parent_id",
            "name",
            name=op.f("uq_categories_organization_id_parent_id_name"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_table(
        "fx_rates",
        sa.Column(
            "organization_id",
            sa.Uuid(),
            server_default=sa.text("current_organization()"),
            nullable=False,
        ),
        sa.Column("base_currency", sa.CHAR(length=3), nullable=False),
        sa.Column("quote_currency", sa.CHAR(length=3), nullable=False),
        sa.Column("date", sa.Date(), nullable=False),
        sa.Column("rate", sa.Numeric(precision=20, scale=10), nullable=False),
        sa.Column("source", sa.String(length=100), nullable=False),
        sa.Column(
            "changed_xid", Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False
        ),
        sa.CheckConstraint(
            "base_currency ~ '^[A-Z]{3}$'", name=op.f("ck_fx_rates_base_currency_iso_4217")
        ),
        sa.CheckConstraint(
            "quote_currency ~ '^[A-Z]{3}$'", name=op.f("ck_fx_rates_quote_currency_iso_4217")
        ),
        sa.CheckConstraint(
            "base_currency <> quote_currency", name=op.f("ck_fx_rates_pair_differs")
        ),
        sa.CheckConstraint("rate > 0", name=op.f("ck_fx_rates_rate_positive")),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_fx_rates_organization_id_organizations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "organization_id", "base_currency", "quote_currency", "date", name=op.f("pk_fx_rates")
        ),
    )
    op.create_table(
        "institutions",
        sa.Column(
            "organization_id",
            sa.Uuid(),
            server_default=sa.text("current_organization()"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=True),
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
        sa.Column(
            "changed_xid", Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_institutions_organization_id_organizations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_institutions")),
        sa.UniqueConstraint(
            "organization_id", "name", name=op.f("uq_institutions_organization_id_name")
        ),
    )
    op.create_table(
        "members",
        sa.Column(
            "organization_id",
            sa.Uuid(),
            server_default=sa.text("current_organization()"),
            nullable=False,
        ),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column(
            "approval_level", sa.String(length=20), server_default="automatic", nullable=False
        ),
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
            "approval_level IN ('automatic', 'manager', 'director', 'executive')",
            name=op.f("ck_members_approval_level_known"),
        ),
        sa.CheckConstraint(
            "role IN ('owner', 'admin', 'manager', 'analyst', 'member', 'viewer')",
            name=op.f("ck_members_role_known"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_members_organization_id_organizations"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_members_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("organization_id", "user_id", name=op.f("pk_members")),
    )
    op.create_index(op.f("ix_members_user_id"), "members", ["user_id"], unique=False)
    op.create_table(
        "tags",
        sa.Column(
            "organization_id",
            sa.Uuid(),
            server_default=sa.text("current_organization()"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("colour", sa.String(length=7), nullable=True),
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
        sa.Column(
            "changed_xid", Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_tags_organization_id_organizations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_tags")),
        sa.UniqueConstraint("organization_id", "name", name=op.f("uq_tags_organization_id_name")),
    )
    op.create_table(
        "api_tokens",
        sa.Column(
            "organization_id",
            sa.Uuid(),
            server_default=sa.text("current_organization()"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.String(length=10)), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
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
            "scopes <@ ARRAY['read', 'write', 'admin']::varchar[] AND cardinality(scopes) > 0",
            name=op.f("ck_api_tokens_scopes_known"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "user_id"],
            ["members.organization_id", "members.user_id"],
            name=op.f("fk_api_tokens_organization_id_user_id_members"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_api_tokens_organization_id_organizations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_api_tokens_token_hash")),
    )
    op.create_table(
        "budgets",
        sa.Column(
            "organization_id",
            sa.Uuid(),
            server_default=sa.text("current_organization()"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("root_id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("description", sa.String(length=2000), nullable=True),
        sa.Column("level", sa.String(length=20), nullable=False),
        sa.Column("type", sa.String(length=20), nullable=False),
        sa.Column("amount", sa.Numeric(precision=18, scale=4), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("warning_threshold", sa.Integer(), server_default=sa.text("75"), nullable=False),
        sa.Column("critical_threshold", sa.Integer(), server_default=sa.text("90"), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
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
        sa.Column(
            "changed_xid", Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False
        ),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_budgets_currency_iso_4217")),
        sa.CheckConstraint(
            "level IN ('organization', 'team', 'department', 'project', 'service', 'region', 'campaign')",
            name=op.f("ck_budgets_level_known"),
        ),
        sa.CheckConstraint(
            "type IN ('annual', 'quarterly', 'monthly', 'campaign', 'departmental', 'project', 'custom')",
            name=op.f("ck_budgets_type_known"),
        ),
        sa.CheckConstraint(
            "ends_on < starts_on + interval '20 years'",
            name=op.f("ck_budgets_at_most_twenty_years"),
        ),
        sa.CheckConstraint(
            "0 < warning_threshold AND warning_threshold <= critical_threshold AND critical_threshold <= 1000",
            name=op.f("ck_budgets_thresholds_in_order"),
        ),
        sa.CheckConstraint("amount >= 0", name=op.f("ck_budgets_amount_not_negative")),
        sa.CheckConstraint("starts_on <= ends_on", name=op.f("ck_budgets_dates_in_order")),
        sa.ForeignKeyConstraint(
            ["organization_id", "owner_id"],
            ["members.organization_id", "members.user_id"],
            name=op.f("fk_budgets_organization_id_owner_id_members"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "parent_id"],
            ["budgets.organization_id", "budgets.id"],
            name=op.f("fk_budgets_organization_id_parent_id_budgets"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_budgets_organization_id_organizations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_budgets")),
    )
    op.create_index("ix_budgets_owner", "budgets", ["organization_id", "owner_id"], unique=False)
    op.create_index("ix_budgets_parent", "budgets", ["organization_id", "parent_id"], unique=False)
    op.create_table(
        "connections",
        sa.Column(
            "organization_id",
            sa.Uuid(),
            server_default=sa.text("current_organization()"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("institution_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.String(length=100), nullable=False),
        sa.Column("status", sa.String(length=20), server_default="active", nullable=False),
        sa.Column("last_synced_at", sa.DateTime(timezone=True), nullable=True),
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
        sa.Column(
            "changed_xid", Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False
        ),
        sa.CheckConstraint(
            "status IN ('active', 'expired', 'failed')", name=op.f("ck_connections_status_known")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "institution_id"],
            ["institutions.organization_id", "institutions.id"],
            name=op.f("fk_connections_organization_id_institution_id_institutions"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_connections_organization_id_organizations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_connections")),
    )
    op.create_table(
        "refreshes",
        sa.Column(
            "organization_id",
            sa.Uuid(),
            server_default=sa.text("current_organization()"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("requested_by", sa.Uuid(), nullable=True),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(length=20), server_default="queued", nullable=False),
        sa.Column("reason", sa.String(length=2000), nullable=True),
        sa.Column("generation", sa.String(length=100), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
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
            "status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')",
            name=op.f("ck_refreshes_status_known"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "requested_by"],
            ["members.organization_id", "members.user_id"],
            name=op.f("fk_refreshes_organization_id_requested_by_members"),
            ondelete="SET NULL (requested_by)",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_refreshes_organization_id_organizations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_refreshes")),
    )
    op.create_index(
        "ix_refreshes_created_at", "refreshes", ["organization_id", "created_at"], unique=False
    )
    op.create_table(
        "accounts",
        sa.Column(
            "organization_id",
            sa.Uuid(),
            server_default=sa.text("current_organization()"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("institution_id", sa.Uuid(), nullable=True),
        sa.Column("connection_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("type", sa.String(length=20), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("credit_limit", sa.Numeric(precision=18, scale=4), nullable=True),
        sa.Column("status", sa.String(length=20), server_default="active", nullable=False),
        sa.Column("external_id", sa.String(length=200), nullable=True),
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
        sa.Column(
            "changed_xid", Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False
        ),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_accounts_currency_iso_4217")),
        sa.CheckConstraint("status IN ('active', 'closed')", name=op.f("ck_accounts_status_known")),
        sa.CheckConstraint(
            "type IN ('bank', 'card', 'cash', 'loan', 'investment', 'cloud', 'customer')",
            name=op.f("ck_accounts_type_known"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "connection_id"],
            ["connections.organization_id", "connections.id"],
            name=op.f("fk_accounts_organization_id_connection_id_connections"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "institution_id"],
            ["institutions.organization_id", "institutions.id"],
            name=op.f("fk_accounts_organization_id_institution_id_institutions"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "owner_id"],
            ["members.organization_id", "members.user_id"],
            name=op.f("fk_accounts_organization_id_owner_id_members"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_accounts_organization_id_organizations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_accounts")),
        sa.UniqueConstraint(
            "organization_id", "external_id", name=op.f("uq_accounts_organization_id_external_id")
        ),
    )
    op.create_index("ix_accounts_owner", "accounts", ["organization_id", "owner_id"], unique=False)
    op.create_table(
        "budget_periods",
        sa.Column(
            "organization_id",
            sa.Uuid(),
            server_default=sa.text("current_organization()"),
            nullable=False,
        ),
        sa.Column("budget_id", sa.Uuid(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=18, scale=4), nullable=False),
        sa.Column(
            "changed_xid", Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False
        ),
        sa.CheckConstraint("amount >= 0", name=op.f("ck_budget_periods_amount_not_negative")),
        sa.CheckConstraint("starts_on <= ends_on", name=op.f("ck_budget_periods_dates_in_order")),
        sa.ForeignKeyConstraint(
            ["organization_id", "budget_id"],
            ["budgets.organization_id", "budgets.id"],
            name=op.f("fk_budget_periods_organization_id_budget_id_budgets"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_budget_periods_organization_id_organizations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "organization_id", "budget_id", "starts_on", name=op.f("pk_budget_periods")
        ),
    )
    op.create_table(
        "budget_shares",
        sa.Column(
            "organization_id",
            sa.Uuid(),
            server_default=sa.text("current_organization()"),
            nullable=False,
        ),
        sa.Column("budget_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column(
            "changed_xid", Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "budget_id"],
            ["budgets.organization_id", "budgets.id"],
            name=op.f("fk_budget_shares_organization_id_budget_id_budgets"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "user_id"],
            ["members.organization_id", "members.user_id"],
            name=op.f("fk_budget_shares_organization_id_user_id_members"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_budget_shares_organization_id_organizations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "organization_id", "budget_id", "user_id", name=op.f("pk_budget_shares")
        ),
    )
    op.create_index(
        "ix_budget_shares_user", "budget_shares", ["organization_id", "user_id"], unique=False
    )
    op.create_table(
        "account_shares",
        sa.Column(
            "organization_id",
            sa.Uuid(),
            server_default=sa.text("current_organization()"),
            nullable=False,
        ),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column(
            "changed_xid", Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "account_id"],
            ["accounts.organization_id", "accounts.id"],
            name=op.f("fk_account_shares_organization_id_account_id_accounts"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "user_id"],
            ["members.organization_id", "members.user_id"],
            name=op.f("fk_account_shares_organization_id_user_id_members"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_account_shares_organization_id_organizations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "organization_id", "account_id", "user_id", name=op.f("pk_account_shares")
        ),
    )
    op.create_index(
        "ix_account_shares_user", "account_shares", ["organization_id", "user_id"], unique=False
    )
    op.create_table(
        "balance_snapshots",
        sa.Column(
            "organization_id",
            sa.Uuid(),
            server_default=sa.text("current_organization()"),
            nullable=False,
        ),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("date", sa.Date(), nullable=False),
        sa.Column("balance", sa.Numeric(precision=18, scale=4), nullable=False),
        sa.Column(
            "changed_xid", Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "account_id"],
            ["accounts.organization_id", "accounts.id"],
            name=op.f("fk_balance_snapshots_organization_id_account_id_accounts"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_balance_snapshots_organization_id_organizations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "organization_id", "account_id", "date", name=op.f("pk_balance_snapshots")
        ),
    )
    op.create_table(
        "transactions",
        sa.Column(
            "organization_id",
            sa.Uuid(),
            server_default=sa.text("current_organization()"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("counter_account_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("status", sa.String(length=10), server_default="paid", nullable=False),
        sa.Column("date", sa.Date(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=18, scale=4), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("description", sa.String(length=500), nullable=False),
        sa.Column("category_id", sa.Uuid(), nullable=True),
        sa.Column("budget_id", sa.Uuid(), nullable=True),
        sa.Column("vendor", sa.String(length=200), nullable=True),
        sa.Column("invoice_number", sa.String(length=100), nullable=True),
        sa.Column("payment_method", sa.String(length=20), nullable=True),
        sa.Column("external_id", sa.String(length=200), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
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
        sa.Column(
            "changed_xid", Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False
        ),
        sa.CheckConstraint(
            "(kind = 'transfer') OR counter_account_id IS NULL",
            name=op.f("ck_transactions_counter_account_of_transfer"),
        ),
        sa.CheckConstraint(
            "currency ~ '^[A-Z]{3}$'", name=op.f("ck_transactions_currency_iso_4217")
        ),
        sa.CheckConstraint(
            "kind IN ('expense', 'income', 'transfer', 'refund')",
            name=op.f("ck_transactions_kind_known"),
        ),
        sa.CheckConstraint(
            "payment_method IN ('credit_card', 'bank_transfer', 'cash', 'check', 'paypal', 'other')",
            name=op.f("ck_transactions_payment_method_known"),
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'paid', 'cancelled', 'refunded')",
            name=op.f("ck_transactions_status_known"),
        ),
        sa.CheckConstraint("amount > 0", name=op.f("ck_transactions_amount_positive")),
        sa.ForeignKeyConstraint(
            ["organization_id", "account_id"],
            ["accounts.organization_id", "accounts.id"],
            name=op.f("fk_transactions_organization_id_account_id_accounts"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "budget_id"],
            ["budgets.organization_id", "budgets.id"],
            name=op.f("fk_transactions_organization_id_budget_id_budgets"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "category_id"],
            ["categories.organization_id", "categories.id"],
            name=op.f("fk_transactions_organization_id_category_id_categories"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "counter_account_id"],
            ["accounts.organization_id", "accounts.id"],
            name=op.f("fk_transactions_organization_id_counter_account_id_accounts"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "created_by"],
            ["members.organization_id", "members.user_id"],
            name=op.f("fk_transactions_organization_id_created_by_members"),
            ondelete="SET NULL (created_by)",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_transactions_organization_id_organizations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_transactions")),
    )
    op.create_index(
        "ix_transactions_account_date",
        "transactions",
        ["organization_id", "account_id", "date", "id"],
        unique=False,
    )
    op.create_index(
        "ix_transactions_date", "transactions", ["organization_id", "date", "id"], unique=False
    )
    op.create_index(
        "uq_transactions_external_id",
        "transactions",
        ["organization_id", "account_id", "external_id"],
        unique=True,
        postgresql_where=sa.text("external_id IS NOT NULL AND deleted_at IS NULL"),
    )
    op.create_table(
        "budget_attributions",
        sa.Column(
            "organization_id",
            sa.Uuid(),
            server_default=sa.text("current_organization()"),
            nullable=False,
        ),
        sa.Column("line_id", sa.Uuid(), nullable=False),
        sa.Column("root_id", sa.Uuid(), nullable=False),
        sa.Column("transaction_id", sa.Uuid(), nullable=False),
        sa.Column("budget_id", sa.Uuid(), nullable=False),
        sa.Column("rule", sa.String(length=20), nullable=False),
        sa.Column(
            "changed_xid", Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False
        ),
        sa.CheckConstraint("rule IN ('explicit')", name=op.f("ck_budget_attributions_rule_known")),
        sa.ForeignKeyConstraint(
            ["organization_id", "budget_id"],
            ["budgets.organization_id", "budgets.id"],
            name=op.f("fk_budget_attributions_organization_id_budget_id_budgets"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "transaction_id"],
            ["transactions.organization_id", "transactions.id"],
            name=op.f("fk_budget_attributions_organization_id_transaction_id_transactions"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_budget_attributions_organization_id_organizations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "organization_id", "line_id", "root_id", name=op.f("pk_budget_attributions")
        ),
    )
    op.create_index(
        "ix_budget_attributions_budget",
        "budget_attributions",
        ["organization_id", "budget_id"],
        unique=False,
    )
    op.create_index(
        "ix_budget_attributions_transaction",
        "budget_attributions",
        ["organization_id", "transaction_id"],
        unique=False,
    )
    op.create_table(
        "transaction_splits",
        sa.Column(
            "organization_id",
            sa.Uuid(),
            server_default=sa.text("current_organization()"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("transaction_id", sa.Uuid(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=18, scale=4), nullable=False),
        sa.Column("category_id", sa.Uuid(), nullable=True),
        sa.Column("budget_id", sa.Uuid(), nullable=True),
        sa.Column("tag_id", sa.Uuid(), nullable=True),
        sa.Column("description", sa.String(length=500), nullable=True),
        sa.Column(
            "changed_xid", Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False
        ),
        sa.CheckConstraint("amount > 0", name=op.f("ck_transaction_splits_amount_positive")),
        sa.ForeignKeyConstraint(
            ["organization_id", "budget_id"],
            ["budgets.organization_id", "budgets.id"],
            name=op.f("fk_transaction_splits_organization_id_budget_id_budgets"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "category_id"],
            ["categories.organization_id", "categories.id"],
            name=op.f("fk_transaction_splits_organization_id_category_id_categories"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "tag_id"],
            ["tags.organization_id", "tags.id"],
            name=op.f("fk_transaction_splits_organization_id_tag_id_tags"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "transaction_id"],
            ["transactions.organization_id", "transactions.id"],
            name=op.f("fk_transaction_splits_organization_id_transaction_id_transactions"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_transaction_splits_organization_id_organizations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_transaction_splits")),
    )
    op.create_index(
        "ix_transaction_splits_transaction",
        "transaction_splits",
        ["organization_id", "transaction_id"],
        unique=False,
    )
    op.create_table(
        "transaction_tags",
        sa.Column(
            "organization_id",
            sa.Uuid(),
            server_default=sa.text("current_organization()"),
            nullable=False,
        ),
        sa.Column("transaction_id", sa.Uuid(), nullable=False),
        sa.Column("tag_id", sa.Uuid(), nullable=False),
        sa.Column(
            "changed_xid", Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "tag_id"],
            ["tags.organization_id", "tags.id"],
            name=op.f("fk_transaction_tags_organization_id_tag_id_tags"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "transaction_id"],
            ["transactions.organization_id", "transactions.id"],
            name=op.f("fk_transaction_tags_organization_id_transaction_id_transactions"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_transaction_tags_organization_id_organizations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "organization_id", "transaction_id", "tag_id", name=op.f("pk_transaction_tags")
        ),
    )
    op.create_index(
        "ix_transaction_tags_tag", "transaction_tags", ["organization_id", "tag_id"], unique=False
    )


def downgrade() -> None:
    raise NotImplementedError("The foundation is removed by dropping the database.")
